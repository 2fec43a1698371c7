/** A group's LTV over time, made ready to be drawn: each value at its own time. Pure. Numbers here are positions on a chart. */

import type { AlertItem, LtvHistory, LtvItem, TimelineItem } from "./answers.generated";
import { csv } from "./export";
import { position } from "./format/decimal";
import { say } from "./words/say";

/** What is known of a time: of one moment (`from` = `to`), or of a step whose last value is of its end. Milliseconds. */
export interface Seen {
  readonly from: number;
  readonly to: number;
  readonly low: string | null;
  readonly high: string | null;
  readonly last: string | null;
}

/** Columns for uPlot: seconds since 1970 and percent; null is a gap. */
export type Columns = [number[], (number | null)[]];

/** What the monitor kept. The step of now is not over: its last value is of the moment at which it was asked. */
export function kept(history: LtvHistory): readonly Seen[] {
  const asked = Date.parse(history.to);
  return history.items.map((p) => seenOf(p, history.step_s * 1000, asked));
}

function seenOf({ at, low, high, last, gap }: LtvItem, stepMs: number, asked: number): Seen {
  const from = Date.parse(at);
  const to = gap ? from : Math.max(from, Math.min(from + stepMs, asked));
  return { from, to, low, high, last };
}

export function columns(points: readonly Seen[]): Columns {
  const found: Columns = [[], []];
  let before = Number.NEGATIVE_INFINITY;
  for (const p of points) {
    // Times of a chart only rise; a gap begins just after the last value.
    const at = Math.max(p.to, before + 1);
    before = at;
    found[0].push(at / 1000);
    found[1].push(percent(p.last));
  }
  return found;
}

export function percent(text: string | null | undefined): number | null {
  const value = position(text) * 100;
  return Number.isFinite(value) ? value : null;
}

/** Points of what this page saw itself: what happened since the monitor was asked, or all where it keeps none. */
export const KEPT = 1800;

export function seen(points: readonly Seen[], at: string, ltv: string | null): readonly Seen[] {
  const moment = Date.parse(at);
  const last = points.at(-1);
  if (last && last.to >= moment) return points;
  return [...points.slice(-KEPT + 1), { from: moment, to: moment, low: ltv, high: ltv, last: ltv }];
}

/** What was kept, and after it what the page saw itself, within a range of time. */
export function joined(before: readonly Seen[], own: readonly Seen[], from: number, to: number): readonly Seen[] {
  const end = before.at(-1)?.to ?? Number.NEGATIVE_INFINITY;
  return [...before, ...own.filter((p) => p.to > end)].filter((p) => p.to >= from && p.from <= to);
}

export type MarkKind = "critical" | "warning" | "info" | "deposit" | "withdrawal" | "repayment" | "entry";

/** Something that happened, at its own time. */
export interface Mark {
  readonly at: number;
  readonly kind: MarkKind;
  readonly says: string;
}

const ENTRIES: Readonly<Record<string, MarkKind>> = {
  "entry deposit": "deposit",
  "entry withdraw": "withdrawal",
  "entry repay": "repayment",
};

/** Alerts and entries of a group as marks, oldest first; `title` says what a type of alert is called. */
export function marksOf(
  alerts: readonly AlertItem[],
  acts: readonly TimelineItem[],
  title: (type: string) => string,
): readonly Mark[] {
  const said = alerts.map((a) => ({ at: Date.parse(a.timestamp), kind: a.data.severity, says: title(a.type) }));
  const done = acts
    .filter((act) => act.kind === "entry")
    .map((act) => ({
      at: Date.parse(act.at),
      kind: ENTRIES[act.action ?? ""] ?? "entry",
      says: `${(act.action ?? "entry").replace(/^entry /, "").replaceAll("_", " ")}${act.who ? say("byWho", { who: act.who }) : ""}`,
    }));
  return [...said, ...done].sort((a, b) => a.at - b.at);
}

/** The point nearest to a time, or -1. */
export function nearest(times: readonly number[], at: number): number {
  let best = -1;
  for (const [i, time] of times.entries())
    if (best < 0 || Math.abs(time - at) < Math.abs((times[best] ?? 0) - at)) best = i;
  return best;
}

/** A range of time in milliseconds. */
export interface Range {
  readonly from: number;
  readonly to: number;
}

/** A range that was drawn is at least so wide; less is a click. */
export const SMALLEST_MS = 60_000;
/** So far back the monitor keeps it. */
export const OLDEST_MS = 30 * 24 * 3600_000;

/** A range so many times as wide, about a moment that keeps its place in it. */
export function zoomed(range: Range, by: number, about: number): Range {
  const wide = Math.max(SMALLEST_MS, (range.to - range.from) * by);
  const share = Math.min(1, Math.max(0, (about - range.from) / (range.to - range.from)));
  return { from: Math.round(about - wide * share), to: Math.round(about + wide * (1 - share)) };
}

/** Never after now, never before what is kept, and never turned round. */
export function within({ from, to }: Range, now: number): Range {
  const wide = Math.min(Math.max(SMALLEST_MS, to - from), OLDEST_MS);
  const end = Math.max(Math.min(to, now), now - OLDEST_MS + wide);
  return { from: end - wide, to: end };
}

/** What was seen, and every line that lies within ten points of it: the next line is what the reader looks for. */
export function bounds(points: readonly Seen[], lines: Readonly<Record<string, string>>): [number, number] {
  const levels = points.flatMap((p) => [percent(p.low ?? p.last), percent(p.high ?? p.last)]).filter((v) => v !== null);
  const from = levels.length ? Math.min(...levels) : 0;
  const to = levels.length ? Math.max(...levels) : 100;
  const near = Object.values(lines)
    .map((text) => position(text) * 100)
    .filter((v) => v > from - 10 && v < to + 10);
  const bottom = Math.min(from, ...near);
  const top = Math.max(to, ...near);
  const room = Math.max((top - bottom) * 0.08, 0.5);
  return [bottom - room, top + room];
}

/** Every point and every mark with its time in UTC; of a step that is not one moment, when it began too. */
export function tableOf(points: readonly Seen[], marks: readonly Mark[]): string {
  const rows = [
    ...points.map((p) => [p.to, [stamp(p.to), stamp(p.from), p.last, p.low, p.high, null, null]] as const),
    ...marks.map((m) => [m.at, [stamp(m.at), null, null, null, null, m.kind, m.says]] as const),
  ].sort((a, b) => a[0] - b[0]);
  return csv(
    ["at_utc", "since_utc", "ltv", "lowest", "highest", "mark", "what"],
    rows.map(([, row]) => row),
  );
}

export function stamp(at: number): string {
  return new Date(at).toISOString();
}
