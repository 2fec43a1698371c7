/** A group's LTV over time, as the monitor kept it, made ready to be drawn. Pure. Numbers here are positions on a chart. */

import { position } from "./format/decimal";
import type { Alert } from "./types";

/** One bucket of time. A gap is a time in which the group could not be valued. */
export interface LtvPoint {
  readonly at: string;
  readonly ltv: string | null;
  readonly min?: string | null;
  readonly max?: string | null;
  readonly blind?: boolean;
}

export interface LtvHistory {
  readonly items: readonly LtvPoint[];
}

/** Columns for uPlot: seconds since 1970, last, lowest, highest; null is a gap. */
export type Columns = [number[], (number | null)[], (number | null)[], (number | null)[]];

export function columns(points: readonly LtvPoint[]): Columns {
  const found: Columns = [[], [], [], []];
  for (const p of points) {
    const last = percent(p.ltv);
    found[0].push(Date.parse(p.at) / 1000);
    found[1].push(last);
    found[2].push(p.min === undefined ? last : percent(p.min));
    found[3].push(p.max === undefined ? last : percent(p.max));
  }
  return found;
}

function percent(text: string | null | undefined): number | null {
  const value = position(text) * 100;
  return Number.isFinite(value) ? value : null;
}

/** Points of what this page saw itself, where the monitor keeps no history of the group; at most `KEPT`. */
export const KEPT = 1800;

export function seen(points: readonly LtvPoint[], at: string, ltv: string | null): readonly LtvPoint[] {
  const last = points.at(-1);
  if (last && last.at >= at) return points;
  return [...points.slice(-KEPT + 1), { at, ltv }];
}

/** Alerts that lie within the time that is drawn. */
export function marks(alerts: readonly Alert[], group: string, from: number, to: number): Alert[] {
  return alerts.filter((a) => {
    const at = Date.parse(a.timestamp) / 1000;
    return a.data.group?.id === group && at >= from && at <= to;
  });
}
