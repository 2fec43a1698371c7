/** A group's LTV over time, as the monitor kept it, made ready to be drawn. Pure. Numbers here are positions on a chart. */

import type { AlertItem, LtvItem } from "./answers.generated";
import { position } from "./format/decimal";

/** Columns for uPlot: seconds since 1970, last, lowest, highest; null is a gap. */
export type Columns = [number[], (number | null)[], (number | null)[], (number | null)[]];

export function columns(points: readonly LtvItem[]): Columns {
  const found: Columns = [[], [], [], []];
  for (const p of points) {
    add(found, Date.parse(p.at) / 1000, percent(p.last), percent(p.low), percent(p.high));
    // No line may be drawn over a time without points.
    if (p.gap) add(found, Date.parse(p.at) / 1000 + 1, null, null, null);
  }
  return found;
}

function add(to: Columns, ...values: [number, number | null, number | null, number | null]): void {
  for (const [i, value] of values.entries()) to[i]?.push(value as number);
}

function percent(text: string | null | undefined): number | null {
  const value = position(text) * 100;
  return Number.isFinite(value) ? value : null;
}

/** Points of what this page saw itself, where the monitor keeps no history of the group; at most `KEPT`. */
export const KEPT = 1800;

export function seen(points: readonly LtvItem[], at: string, ltv: string | null): readonly LtvItem[] {
  const last = points.at(-1);
  if (last && last.at >= at) return points;
  return [...points.slice(-KEPT + 1), { at, low: ltv, high: ltv, last: ltv }];
}

/** Alerts that lie within the time that is drawn. */
export function marks(alerts: readonly AlertItem[], group: string, from: number, to: number): AlertItem[] {
  return alerts.filter((a) => {
    const at = Date.parse(a.timestamp) / 1000;
    return a.data.group?.id === group && at >= from && at <= to;
  });
}
