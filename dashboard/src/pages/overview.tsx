/** The desk's first page: how the book stands, the worst groups, and the newest alerts. */

import { useEffect, useMemo, useRef, useState } from "preact/hooks";
import { STAGES } from "../alerts.generated";
import type { GroupList } from "../answers.generated";
import { get, query } from "../api";
import { EVERY_GROUP, type Filter, filterQuery, live } from "../live/live";
import { FOLLOWED, isOld, More } from "../live/more";
import { ordered, type Rows, type Sort } from "../live/rows";
import { clock, useStore } from "../live/store";
import { AlertFeed } from "../parts/alertfeed";
import { ChooseColumns, useColumns } from "../parts/columns";
import { count, many, Panel, words } from "../parts/figures";
import { LabelFilter } from "../parts/filters";
import { GroupCells, type GroupColumn, GroupHead, groupColumns, SORTS } from "../parts/grouprow";
import { FirstHint } from "../parts/help";
import { useNarrow } from "../parts/narrow";
import { NotInOrder } from "../parts/notinorder";
import { SaveList } from "../parts/save";
import { Tiles } from "../parts/tiles";
import { Virtual } from "../parts/virtual";
import { to } from "../router";
import { say } from "../words/say";

const more = new More();
const REORDER_MS = 1000;
const COLUMNS = groupColumns(() => clock.get());

/** How many are listed, and of how many. */
function countOf(shown: number, all: number | null): string {
  if (all !== null && all !== shown)
    return say("shownOfAll", { shown: shown >= FOLLOWED ? `${count(shown)}+` : count(shown), all: many(all, "group") });
  return shown >= FOLLOWED ? say("shownGroups", { shown: count(shown) }) : many(shown, "group");
}

export function Overview() {
  const filter = useStore(live.filter);
  useEffect(() => more.reset(filter), [filter]);
  useShortcuts(filter);
  return (
    <div class="overview">
      <h1 class="hidden">{say("overview")}</h1>
      <FirstHint />
      <NotInOrder />
      <Tiles />
      <div class="columns">
        <section class="panel groups" aria-label={say("groups")}>
          <Toolbar filter={filter} />
          <Groups filter={filter} />
        </section>
        <Panel title={say("newestAlerts")} class="feed" aside={<a href={to.alerts}>{say("all")}</a>}>
          <AlertFeed limit={40} />
        </Panel>
      </div>
    </div>
  );
}

function Toolbar({ filter }: { filter: Filter }) {
  const [text, setText] = useState(filter.q);
  const counts = useStore(live.counts);
  const products = useStore(live.products);
  const rows = useStore(live.rows);
  useEffect(() => {
    const later = window.setTimeout(() => live.show({ ...live.filter.get(), q: text.trim() }), 250);
    return () => window.clearTimeout(later);
  }, [text]);
  const all = filter.q || filter.product || filter.label ? null : counted(counts, filter);
  const shown = rows.byId.size;
  const saved = useColumns("groups", COLUMNS);
  return (
    <div class="toolbar">
      <label class="search">
        <span class="hidden">{say("searchGroups")}</span>
        <input
          id="search"
          type="search"
          placeholder={say("searchIdAccountLabel")}
          value={text}
          onInput={(e) => setText(e.currentTarget.value)}
        />
      </label>
      <label>
        <span class="hidden">{say("order")}</span>
        <select
          aria-label={say("order")}
          value={filter.sort}
          onChange={(e) => live.show({ ...filter, sort: e.currentTarget.value as Sort })}
        >
          {Object.entries(SORTS).map(([sort, name]) => (
            <option key={sort} value={sort}>
              {name}
            </option>
          ))}
        </select>
      </label>
      {products.length > 1 && (
        <select
          aria-label={say("product")}
          value={filter.product}
          onChange={(e) => live.show({ ...filter, product: e.currentTarget.value })}
        >
          <option value="">{say("everyProduct")}</option>
          {products.map((name) => (
            <option key={name} value={name}>
              {words(name)}
            </option>
          ))}
        </select>
      )}
      <LabelFilter value={filter.label} onValue={(label) => live.show({ ...filter, label })} />
      {(filter.stages.length > 0 || filter.q || filter.product || filter.label) && (
        <button
          type="button"
          onClick={() => {
            setText("");
            live.show(EVERY_GROUP);
          }}
        >
          {say("showAll")}
        </button>
      )}
      <ChooseColumns list="groups" all={COLUMNS} />
      <SaveList name="groups" columns={saved} read={(after) => page(filter, after)} />
      <output class="quiet" aria-live="off">
        {rows.complete ? countOf(shown, all) : say("loading")}
      </output>
    </div>
  );
}

function page(filter: Filter, after: string | number | null): Promise<GroupList> {
  return get(`/v1/groups${query({ ...filterQuery(filter), after, limit: 1000 })}`);
}

function counted(counts: ReturnType<typeof live.counts.get>, filter: Filter): number | null {
  if (!counts) return null;
  return filter.stages.length
    ? STAGES.filter((s) => filter.stages.includes(s)).reduce((n, s) => n + counts.stages[s], 0)
    : counts.total;
}

function Groups({ filter }: { filter: Filter }) {
  const rows = useStore(live.rows);
  const parts = useStore(more.parts);
  const counts = useStore(live.counts);
  const now = useStore(clock);
  const narrow = useNarrow();
  const order = useRef({ at: 0, ids: [] as string[], size: -1 });
  // Values are shown as they come; places change once a second at most, so that the eye can follow a row.
  const kept = order.current;
  if (kept.size !== rows.byId.size || Date.now() - kept.at >= REORDER_MS || kept.ids.some((id) => !rows.byId.has(id))) {
    const ids = ordered(rows.byId.values(), filter.sort).map((r) => r.id);
    order.current = { at: Date.now(), ids, size: rows.byId.size };
  }
  // Which groups are followed changes seldom, their values four times a second: 100,000 rows are not looked through for that.
  const followed = useFollowed(rows);
  const rest = useMemo(() => parts.flatMap((p) => p.rows.filter((r) => !followed.has(r.id))), [parts, followed]);
  const items = useMemo(() => {
    const first = order.current.ids.flatMap((id) => rows.byId.get(id) ?? []);
    return rest.length ? first.concat(rest) : first;
  }, [rows, rest, order.current]);
  const columns = useColumns("groups", COLUMNS) as readonly GroupColumn[];
  const sight = useRef(0);
  useEffect(() => {
    if (sight.current >= FOLLOWED) void more.renew(sight.current - FOLLOWED);
  }, [now]);
  if (rows.complete && !items.length) return <NoGroups filter={filter} />;
  return (
    <Virtual
      label={say("groupsWorstFirst")}
      items={items}
      total={filter.q || filter.product || filter.label ? null : (counted(counts, filter) ?? null)}
      keyOf={(g) => g.id}
      rowHeight={narrow ? 92 : 44}
      widths={columns.map((c) => c.width).join(" ")}
      head={<GroupHead filter={filter} columns={columns} />}
      row={(g) => <GroupCells group={g} columns={columns} />}
      rowClass={(g, row) =>
        `stage-${g.stage} ${g.blind ? say("blind") : ""} ${isOld(parts, row - rows.byId.size, now) ? "old" : ""}`
      }
      onEnd={() => {
        if (rows.byId.size >= FOLLOWED) void more.next();
      }}
      onSight={(first, last) => {
        sight.current = Math.floor((first + last) / 2);
      }}
    />
  );
}

/** The ids of the rows that the stream follows: the same set as long as they are the same. */
function useFollowed(rows: Rows): ReadonlySet<string> {
  const known = useRef<ReadonlySet<string>>(new Set());
  const isSame = known.current.size === rows.byId.size && [...rows.byId.keys()].every((id) => known.current.has(id));
  if (!isSame) known.current = new Set(rows.byId.keys());
  return known.current;
}

function NoGroups({ filter }: { filter: Filter }) {
  const all = filter === EVERY_GROUP || (!filter.q && !filter.stages.length && !filter.product && !filter.label);
  return <p class="empty">{all ? say("thereIsNoGroupYet") : say("noGroupMatchesShow")}</p>;
}

/** `/` searches, j and k walk, Enter opens (the focus is on a link), 1 to 4 choose a stage, 0 all, s changes the order. */
function useShortcuts(filter: Filter): void {
  useEffect(() => {
    const onKey = (e: KeyboardEvent): void => {
      const target = e.target as HTMLElement;
      if (e.key === "Escape" && target.id === "search") target.blur();
      if (e.ctrlKey || e.metaKey || e.altKey || target.closest("input, select, textarea, dialog")) return;
      if (e.key === "/") document.getElementById("search")?.focus();
      else if (e.key === "j" || e.key === "ArrowDown") walk(1);
      else if (e.key === "k" || e.key === "ArrowUp") walk(-1);
      else if (e.key === "0") live.show({ ...filter, stages: [] });
      else if (/^[1-4]$/.test(e.key)) live.show({ ...filter, stages: [STAGES[Number(e.key) - 1] as string] });
      else if (e.key === "s") live.show({ ...filter, sort: following(filter.sort) });
      else return;
      e.preventDefault();
    };
    document.addEventListener("keydown", onKey);
    return () => document.removeEventListener("keydown", onKey);
  }, [filter]);
}

function following(sort: Sort): Sort {
  const names = Object.keys(SORTS) as Sort[];
  return names[(names.indexOf(sort) + 1) % names.length] ?? "ltv";
}

function walk(by: number): void {
  const links = [...document.querySelectorAll<HTMLElement>(".virtual .vbody a.id")];
  const at = links.indexOf(document.activeElement as HTMLElement);
  const next = links[at < 0 ? 0 : Math.max(0, Math.min(links.length - 1, at + by))];
  next?.focus({ preventScroll: false });
  next?.scrollIntoView({ block: "nearest" });
}
