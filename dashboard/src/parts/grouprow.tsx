/** One group in the list: a row of a table, or a card on a narrow screen. */

import type { GroupRow } from "../answers.generated";
import { rough } from "../format/time";
import { type Filter, live } from "../live/live";
import type { Sort } from "../live/rows";
import { to } from "../router";
import { say } from "../words/say";
import type { Column } from "./columns";
import { Countdown, ShortUsd, StagePill, words } from "./figures";
import { LevelText, LtvBar } from "./ltvbar";
import { NextLineCell } from "./nextline";

export const SORTS: Readonly<Record<Sort, string>> = {
  ltv: say("worstFirst"),
  "-ltv": say("bestFirst"),
  deadline: say("deadlineNearestFirst"),
  "-deadline": say("deadlineFurthestFirst"),
  "-debt_usd": say("debtLargestFirst"),
  debt_usd: say("debtSmallestFirst"),
  id: say("idAToZ"),
  "-id": say("idZToA"),
};

/** A column of the list: how it is shown, what is saved of it, and how wide it is. */
export interface GroupColumn extends Column<GroupRow> {
  readonly sort?: Sort;
  readonly width: string;
}

export function groupColumns(now: () => number): readonly GroupColumn[] {
  return [
    {
      key: "id",
      name: say("group"),
      sort: "id",
      width: "minmax(100px, 1.4fr)",
      show: (g) => <Id group={g} />,
      text: (g) => g.id,
    },
    {
      key: "stage",
      name: say("stage"),
      sort: "ltv",
      width: "146px",
      show: (g) => <Stage group={g} />,
      text: (g) => g.stage,
    },
    {
      key: "level",
      name: say("ltvOrLevel"),
      sort: "ltv",
      width: "minmax(126px, 1.5fr)",
      show: (g) => <Level group={g} />,
      text: (g) => g.ltv,
    },
    {
      key: "next",
      name: say("whatCountsNext"),
      width: "minmax(106px, 0.9fr)",
      show: (g) => <Next group={g} now={now()} />,
      text: (g) => g.next_line?.distance_percent,
    },
    {
      key: "deadline",
      name: say("deadline"),
      sort: "deadline",
      width: "104px",
      show: (g) => (g.deadline ? <Countdown at={g.deadline} /> : <span class="none">–</span>),
      text: (g) => g.deadline,
    },
    {
      key: "debt",
      name: say("debt2"),
      sort: "debt_usd",
      width: "72px",
      show: (g) => <ShortUsd value={g.debt_usd} />,
      text: (g) => g.debt_usd,
    },
    {
      key: "recognised",
      name: say("recognised"),
      width: "84px",
      extra: true,
      show: (g) => <ShortUsd value={g.recognised_usd} />,
      text: (g) => g.recognised_usd,
    },
    {
      key: "product",
      name: say("product"),
      width: "110px",
      extra: true,
      show: (g) => words(g.product),
      text: (g) => g.product,
    },
    { key: "labels", name: say("labels"), width: "minmax(120px, 1fr)", extra: true, show: labelsOf, text: labelsOf },
    {
      key: "hand",
      name: say("inHandOf"),
      width: "110px",
      extra: true,
      show: (g) => g.acknowledged?.by ?? <span class="none">–</span>,
      text: (g) => g.acknowledged?.by,
    },
    {
      key: "book",
      name: say("version"),
      width: "72px",
      extra: true,
      show: (g) => g.version,
      text: (g) => String(g.version),
    },
  ];
}

function labelsOf(group: GroupRow): string {
  return Object.entries(group.labels)
    .map(([key, value]) => `${key}=${value}`)
    .join(", ");
}

export function GroupHead({ filter, columns }: { filter: Filter; columns: readonly GroupColumn[] }) {
  return (
    <>
      {columns.map(({ key, name, sort }) => (
        <div
          key={key}
          role="columnheader"
          class={`cell ${key}`}
          aria-sort={sort ? sorted(filter.sort, sort) : undefined}
        >
          {sort ? (
            <button
              type="button"
              class="plain"
              onClick={() => live.show({ ...filter, sort: turned(filter.sort, sort) })}
            >
              {name}
            </button>
          ) : (
            name
          )}
        </div>
      ))}
    </>
  );
}

function sorted(now: Sort, column: Sort): "ascending" | "descending" | "none" {
  if (now.replace("-", "") !== column) return "none";
  return now.startsWith("-") ? "descending" : "ascending";
}

function turned(now: Sort, column: Sort): Sort {
  const other = (now.startsWith("-") ? now.slice(1) : `-${now}`) as Sort;
  if (now.replace("-", "") === column) return other;
  // The largest debt is what is looked for first.
  return column === "debt_usd" ? "-debt_usd" : column;
}

export function GroupCells({ group, columns }: { group: GroupRow; columns: readonly GroupColumn[] }) {
  return (
    <>
      {columns.map((c) => (
        <div key={c.key} class={`cell ${c.key}`} role="cell">
          {c.show(group)}
        </div>
      ))}
    </>
  );
}

function Id({ group }: { group: GroupRow }) {
  const who = group.labels.borrower ?? Object.values(group.labels)[0];
  return (
    <>
      <a class="id" href={to.group(group.id)} title={group.id}>
        {group.id}
      </a>
      {who && <small>{who}</small>}
    </>
  );
}

function Stage({ group }: { group: GroupRow }) {
  return (
    <>
      <StagePill stage={group.stage} />
      {group.blind && <Blind group={group} />}
      {group.acknowledged && (
        <span class="pill ack" title={say("acknowledgedByBy", { by: group.acknowledged.by })}>
          {say("ack")}
        </span>
      )}
    </>
  );
}

function Level({ group }: { group: GroupRow }) {
  return (
    <>
      <LevelText group={group} />
      <LtvBar group={group} />
    </>
  );
}

function Next({ group, now }: { group: GroupRow; now: number }) {
  // The drift of old figures tells nothing.
  const drift = live.pulse.get().phase === "live" ? live.drift.toLine(group, now) : null;
  return (
    <>
      <NextLineCell group={group} isLevel={group.margin_level !== undefined || group.health_factor !== undefined} />
      {drift !== null && (
        <span class={`num drift ${drift < 600_000 ? "soon" : ""}`} title={say("atTheMovementOf")}>
          ≈ {rough(drift)}
        </span>
      )}
    </>
  );
}

function Blind({ group }: { group: GroupRow }) {
  const why = group.unknown ? say("aPriceIsMissing") : say("aPriceIsNot");
  return (
    <span class="pill blind" title={why}>
      {group.unknown ? say("unknown") : say("blind")}
    </span>
  );
}
