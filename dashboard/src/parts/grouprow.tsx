/** One group in the list: a row of a table, or a card on a narrow screen. */

import type { GroupRow } from "../answers.generated";
import { rough } from "../format/time";
import { type Filter, live } from "../live/live";
import type { Sort } from "../live/rows";
import { to } from "../router";
import { Countdown, ShortUsd, StagePill } from "./figures";
import { LevelText, LtvBar } from "./ltvbar";
import { NextLineCell } from "./nextline";

export const SORTS: Readonly<Record<Sort, string>> = {
  ltv: "Worst first",
  "-ltv": "Best first",
  deadline: "Deadline, nearest first",
  "-deadline": "Deadline, furthest first",
  "-debt_usd": "Debt, largest first",
  debt_usd: "Debt, smallest first",
  id: "Id, A to Z",
  "-id": "Id, Z to A",
};

const COLUMNS: readonly [string, string, Sort | null][] = [
  ["id", "Group", "id"],
  ["stage", "Stage", "ltv"],
  ["level", "LTV or level", "ltv"],
  ["next", "What counts next", null],
  ["deadline", "Deadline", "deadline"],
  ["debt", "Debt", "debt_usd"],
];

export function GroupHead({ filter }: { filter: Filter }) {
  return (
    <>
      {COLUMNS.map(([key, name, sort]) => (
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

export function GroupCells({ group, now }: { group: GroupRow; now: number }) {
  // The drift of old figures tells nothing.
  const drift = live.pulse.get().phase === "live" ? live.drift.toLine(group, now) : null;
  const who = group.labels.borrower ?? Object.values(group.labels)[0];
  return (
    <>
      <div class="cell id" role="cell">
        <a class="id" href={to.group(group.id)} title={group.id}>
          {group.id}
        </a>
        {who && <small>{who}</small>}
      </div>
      <div class="cell stage" role="cell">
        <StagePill stage={group.stage} />
        {group.blind && <Blind group={group} />}
        {group.acknowledged && (
          <span class="pill ack" title={`acknowledged by ${group.acknowledged.by}`}>
            ack
          </span>
        )}
      </div>
      <div class="cell level" role="cell">
        <LevelText group={group} />
        <LtvBar group={group} />
      </div>
      <div class="cell next" role="cell">
        <NextLineCell group={group} isLevel={group.margin_level !== undefined || group.health_factor !== undefined} />
        {drift !== null && (
          <span
            class={`num drift ${drift < 600_000 ? "soon" : ""}`}
            title="At the movement of the last five minutes: an estimate"
          >
            ≈ {rough(drift)}
          </span>
        )}
      </div>
      <div class="cell deadline" role="cell">
        {group.deadline ? <Countdown at={group.deadline} /> : <span class="none">–</span>}
      </div>
      <div class="cell debt" role="cell">
        <ShortUsd value={group.debt_usd} />
      </div>
    </>
  );
}

function Blind({ group }: { group: GroupRow }) {
  const why = group.unknown
    ? "a price is missing: the group cannot be valued"
    : "a price is not trusted: the figure may be old";
  return (
    <span class="pill blind" title={why}>
      {group.unknown ? "unknown" : "blind"}
    </span>
  );
}
