/** The newest alerts, newest first, without duplicates, and where some are missing. Pure. */

import type { AlertItem } from "../answers.generated";

/** Kept in the page; older ones are read from the log when they are looked for. */
export const KEPT = 500;

export function added(log: readonly AlertItem[], alerts: readonly AlertItem[]): readonly AlertItem[] {
  const known = new Set(log.map((a) => a.data.id));
  const fresh = alerts.filter((a) => !known.has(a.data.id));
  if (!fresh.length) return log;
  return [...fresh.reverse(), ...log].sort(newestFirst).slice(0, KEPT);
}

/** By cursor. A reader with a scope gets none, so by the time at which the monitor saw it; what came last stands first. */
function newestFirst(a: AlertItem, b: AlertItem): number {
  if (a.data.cursor !== null && b.data.cursor !== null) return b.data.cursor - a.data.cursor;
  return b.data.detected_at < a.data.detected_at ? -1 : b.data.detected_at > a.data.detected_at ? 1 : 0;
}

/**
 * The cursor after which the log has to be read again, or null where nothing is missing: cursors of a reader without a
 * scope follow each other. One that is not durable has no place in the log.
 */
export function gapBefore(last: number, alert: AlertItem, scoped: boolean): number | null {
  if (scoped || alert.data.cursor === null || !alert.data.durable || last === 0) return null;
  return alert.data.cursor > last + 1 ? last : null;
}
