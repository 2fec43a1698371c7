/** How fast a group moves towards its next line, from what was seen of it lately. An estimate, and shown as one. */

import type { GroupRow } from "../answers.generated";
import { position } from "../format/decimal";

/** Samples at least this far apart, so that a minute is a few dozen of them. */
const STEP_MS = 1000;
/** What is older says little about the minutes to come. */
const WINDOW_MS = 5 * 60_000;
/** Below this there is a direction, but no speed. */
const ENOUGH_MS = 5000;
const KEPT = WINDOW_MS / STEP_MS;
/** Beyond a day the recent speed foretells nothing. */
const HORIZON_MS = 24 * 3600_000;

interface Sample {
  readonly at: number;
  readonly level: number;
}

/** The figure that the group's lines are about, and the line it meets next, as positions. */
export function course(row: GroupRow): { level: number; line: number } | null {
  const next = row.next_line;
  if (!next) return null;
  const level = next.level === undefined ? position(row.ltv) : position(row.margin_level ?? row.health_factor);
  const line = position(next.level ?? next.ltv);
  return Number.isFinite(level) && Number.isFinite(line) ? { level, line } : null;
}

export class Drift {
  private samples = new Map<string, Sample[]>();

  take(rows: Iterable<GroupRow>, at: number): void {
    for (const row of rows) {
      const now = course(row);
      if (!now || row.blind) {
        this.samples.delete(row.id);
        continue;
      }
      const seen = this.samples.get(row.id) ?? [];
      const last = seen.at(-1);
      if (last && at - last.at < STEP_MS) continue;
      seen.push({ at, level: now.level });
      while (seen.length > KEPT || (seen[0] && at - seen[0].at > WINDOW_MS)) seen.shift();
      this.samples.set(row.id, seen);
    }
  }

  /** Forgets the groups that are not listed any more: memory is bounded by the list. */
  keepOnly(ids: ReadonlyMap<string, unknown>): void {
    for (const id of this.samples.keys()) if (!ids.has(id)) this.samples.delete(id);
  }

  clear(): void {
    this.samples.clear();
  }

  get size(): number {
    return this.samples.size;
  }

  /** Milliseconds until the next line at the recent speed; null where it moves away, stands still, or too little is known. */
  toLine(row: GroupRow, at: number): number | null {
    const now = course(row);
    const seen = this.samples.get(row.id);
    const first = seen?.[0];
    if (!now || row.blind || !first || at - first.at < ENOUGH_MS) return null;
    const speed = slope([...(seen ?? []), { at, level: now.level }]);
    const ms = (now.line - now.level) / speed;
    return Number.isFinite(ms) && ms > 0 && ms <= HORIZON_MS ? ms : null;
  }
}

/** Least squares: one quote that jumps does not make the speed. */
export function slope(samples: readonly Sample[]): number {
  const n = samples.length;
  const start = samples[0]?.at ?? 0;
  let t = 0;
  let v = 0;
  for (const s of samples) {
    t += (s.at - start) / n;
    v += s.level / n;
  }
  let above = 0;
  let below = 0;
  for (const s of samples) {
    above += (s.at - start - t) * (s.level - v);
    below += (s.at - start - t) ** 2;
  }
  return below ? above / below : 0;
}
