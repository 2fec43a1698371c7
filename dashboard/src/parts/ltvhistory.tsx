/** LTV over time of one group: any range of the last thirty days, with what happened in it, to look at and to save. */

import { useMemo, useRef, useState } from "preact/hooks";
import type { AlertItem, GroupDetail, GroupTimeline, LtvHistory } from "../answers.generated";
import { path, query } from "../api";
import { fileName, saveFile, saveText } from "../export";
import {
  joined,
  kept,
  type Mark,
  marksOf,
  OLDEST_MS,
  type Range,
  type Seen,
  seen,
  stamp,
  tableOf,
  within,
  zoomed,
} from "../history";
import { usePolled } from "../live/polled";
import { say } from "../words/say";
import { LtvChart } from "./chart";
import { alertTitle, Panel, Share } from "./figures";
import { SHAPES } from "./plotted";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Marks that are read of one range: more would be one grey wall. */
const MOST_MARKS = 1000;
const SPANS: readonly [string, number][] = [
  ["1 h", HOUR_MS],
  ["6 h", 6 * HOUR_MS],
  ["24 h", DAY_MS],
  ["7 d", 7 * DAY_MS],
  ["30 d", OLDEST_MS],
];

/** A span up to now, which moves on, or a range that stands still. */
type Chosen = { readonly span: number } | Range;

export function LtvOverTime({ group, alerts }: { group: GroupDetail; alerts: readonly AlertItem[] }) {
  const [chosen, setChosen] = useState<Chosen>({ span: HOUR_MS });
  const now = Date.parse(group.at);
  const range = useMemo(() => ("span" in chosen ? { from: now - chosen.span, to: now } : chosen), [chosen, now]);
  const found = useHistory(group, chosen, range);
  const marks = useMarks(group, alerts, range);
  const picture = useRef<(() => Promise<Blob | null>) | null>(null);
  const choose = (wanted: Range): void => setChosen(within(wanted, now));
  return (
    <Panel
      title={say("ltvOverTime")}
      class="two-thirds"
      aside={<Spans chosen={chosen} onSpan={(span) => setChosen({ span })} />}
    >
      {found.points.length > 1 ? (
        <LtvChart
          group={group.id}
          points={found.points}
          lines={group.thresholds}
          marks={marks}
          range={range}
          onRange={choose}
          picture={picture}
        />
      ) : (
        <p class="empty">{say("oneMomentALine")}</p>
      )}
      <Legend marks={marks} />
      <Steering range={range} onRange={choose} />
      <p class="buttons body">
        <button
          type="button"
          class="small"
          onClick={() => void picture.current?.().then((png) => png && saveFile(`${nameOf(group.id, range)}.png`, png))}
        >
          {say("saveAsPng")}
        </button>
        <button
          type="button"
          class="small"
          onClick={() => saveText(`${nameOf(group.id, range)}.csv`, tableOf(found.points, marks))}
        >
          {say("saveAsCsv")}
        </button>
      </p>
      {found.absent && <p class="quiet">{say("thisMonitorKeepsNo")}</p>}
      {found.failed && <p class="quiet">{say("theHistoryCouldNot", { failed: found.failed })}</p>}
      <p class="hidden">
        {say("now")} <Share value={group.ltv} lines={isByLevel(group) ? undefined : group.thresholds} />.
      </p>
    </Panel>
  );
}

function useHistory(group: GroupDetail, chosen: Chosen, range: Range) {
  const [own, setOwn] = useState<readonly Seen[]>([]);
  // A span up to now is asked for again every minute, as the monitor keeps a point a minute.
  const minute = Math.floor(range.to / MINUTE_MS);
  const asked = useMemo(
    () => ({ from: stamp(range.from), ...("span" in chosen ? {} : { to: stamp(range.to) }), points: 600 }),
    [chosen, minute],
  );
  const read = usePolled<LtvHistory>(`${path("groups", group.id, "ltv")}${query(asked)}`, 0);
  const before = useRef<readonly Seen[]>([]);
  if (read.data) before.current = kept(read.data);
  const points = useMemo(() => {
    const grown = seen(own, group.at, group.ltv);
    if (grown !== own) setOwn(grown);
    return joined(before.current, grown, range.from, range.to);
  }, [group.at, read.data, range]);
  const { error } = read;
  return { points, absent: error?.isAbsent ?? false, failed: error && !error.isAbsent ? error.message : null };
}

/** Deposits, repayments and what else was entered, and the alerts, within the range. */
function useMarks(group: GroupDetail, alerts: readonly AlertItem[], range: Range): readonly Mark[] {
  const from = stamp(Math.floor(range.from / HOUR_MS) * HOUR_MS);
  const asked = `${path("groups", group.id, "timeline")}${query({ from, limit: MOST_MARKS })}`;
  const acts = usePolled<GroupTimeline>(asked, 10_000, group.version);
  return useMemo(
    () => marksOf(alerts, acts.data?.items ?? [], alertTitle).filter((m) => m.at >= range.from && m.at <= range.to),
    [alerts, acts.data, range],
  );
}

function isByLevel(group: GroupDetail): boolean {
  return group.margin_level !== undefined || group.health_factor !== undefined;
}

function Spans({ chosen, onSpan }: { chosen: Chosen; onSpan: (span: number) => void }) {
  return (
    <div class="spans">
      {SPANS.map(([name, ms]) => (
        <button
          key={name}
          type="button"
          class="small"
          aria-pressed={"span" in chosen && chosen.span === ms}
          onClick={() => onSpan(ms)}
        >
          {name}
        </button>
      ))}
    </div>
  );
}

/** What each mark means; only those that are on the chart. */
function Legend({ marks }: { marks: readonly Mark[] }) {
  const kinds = [...new Set(marks.map((m) => m.kind))];
  if (!kinds.length) return null;
  return (
    <ul class="legend" aria-label={say("marks")}>
      {kinds.map((kind) => (
        <li key={kind}>
          <span class={`mark ${SHAPES[kind].colour.slice(2)}`} aria-hidden="true">
            {SHAPES[kind].sign}
          </span>{" "}
          {SHAPES[kind].name}
        </li>
      ))}
    </ul>
  );
}

function Steering({ range, onRange }: { range: Range; onRange: (range: Range) => void }) {
  const [texts, setTexts] = useState<{ from: string; to: string } | null>(null);
  const wide = range.to - range.from;
  const moved = (by: number): Range => ({ from: range.from + wide * by, to: range.to + wide * by });
  const shown = texts ?? { from: localOf(range.from), to: localOf(range.to) };
  const steps: readonly [string, Range][] = [
    [say("earlier"), moved(-0.5)],
    [say("later"), moved(0.5)],
    [say("zoomIn"), zoomed(range, 0.5, range.to)],
    [say("zoomOut"), zoomed(range, 2, range.to)],
  ];
  return (
    <form
      class="steering buttons body"
      onSubmit={(e) => {
        e.preventDefault();
        const [from, to] = [Date.parse(shown.from), Date.parse(shown.to)];
        if (from < to) onRange({ from, to });
        setTexts(null);
      }}
    >
      {steps.map(([name, wanted]) => (
        <button key={name} type="button" class="small" onClick={() => onRange(wanted)}>
          {name}
        </button>
      ))}
      <label>
        {say("from")}{" "}
        <input
          type="datetime-local"
          required
          value={shown.from}
          onInput={(e) => setTexts({ ...shown, from: e.currentTarget.value })}
        />
      </label>
      <label>
        {say("toWithin")}{" "}
        <input
          type="datetime-local"
          required
          value={shown.to}
          onInput={(e) => setTexts({ ...shown, to: e.currentTarget.value })}
        />
      </label>
      <button type="submit" class="small">
        {say("show")}
      </button>
    </form>
  );
}

/** In the reader's zone, as the field for a date and a time wants it. */
function localOf(at: number): string {
  const minutes = new Date(at).getTimezoneOffset();
  return new Date(at - minutes * MINUTE_MS).toISOString().slice(0, 16);
}

function nameOf(group: string, range: Range): string {
  return fileName("ltv", group, stamp(range.from).slice(0, 16), stamp(range.to).slice(0, 16));
}
