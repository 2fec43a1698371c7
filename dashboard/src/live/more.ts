/** Rows behind the first 500, which the stream does not follow: read page by page, and again while they are in sight. */

import type { GroupList, GroupRow } from "../answers.generated";
import { get, query } from "../api";
import { type Filter, filterQuery } from "./live";
import { Store } from "./store";

/** As many as the stream follows. */
export const FOLLOWED = 500;
const PAGE = 500;
const RENEW_MS = 3000;

interface Part {
  readonly after: string;
  readonly rows: readonly GroupRow[];
  readonly next: string | null;
  /** When it was read, by this machine's clock. */
  readonly at: number;
}

export class More {
  readonly parts = new Store<readonly Part[]>([]);
  private filter: Filter | null = null;
  private first: string | null = null;
  private busy = false;

  /** Another list: what was read of the one before is forgotten. */
  reset(filter: Filter): void {
    this.filter = filter;
    this.first = null;
    this.parts.set([]);
  }

  /** Reads the next page, where there is one. */
  async next(): Promise<void> {
    const filter = this.filter;
    if (this.busy || !filter) return;
    this.busy = true;
    try {
      if (this.first === null) {
        const head = await this.read(filter, null, FOLLOWED);
        if (filter !== this.filter) return;
        this.first = head.next ?? "";
      }
      const parts = this.parts.get();
      const last = parts.at(-1);
      const after = last ? last.next : this.first || null;
      if (after === null) return;
      const page = await this.read(filter, after, PAGE);
      if (filter === this.filter)
        this.parts.set([...parts, { after, rows: page.items, next: page.next, at: Date.now() }]);
    } catch {
      // The pulse of the stream says that the monitor cannot be reached; the next scroll tries again.
    } finally {
      this.busy = false;
    }
  }

  /** Reads the part again that a row behind the followed ones lies in, if it is older than three seconds. */
  async renew(row: number): Promise<void> {
    const filter = this.filter;
    const parts = this.parts.get();
    let end = 0;
    const index = parts.findIndex((p) => {
      end += p.rows.length;
      return row < end;
    });
    const part = parts[index];
    if (this.busy || !filter || !part || Date.now() - part.at < RENEW_MS) return;
    this.busy = true;
    try {
      const page = await this.read(filter, part.after, PAGE);
      if (filter !== this.filter) return;
      const now = [...this.parts.get()];
      now[index] = { ...part, rows: page.items, at: Date.now() };
      this.parts.set(now);
    } catch {
      // It stays as old as it is, and is shown so.
    } finally {
      this.busy = false;
    }
  }

  private read(filter: Filter, after: string | null, limit: number): Promise<GroupList> {
    return get(`/v1/groups${query({ ...filterQuery(filter), after, limit })}`);
  }
}

/** Whether a row was read so long ago that it must not look new. */
export function isOld(parts: readonly Part[], row: number, now: number): boolean {
  let end = 0;
  const part = parts.find((p) => {
    end += p.rows.length;
    return row < end;
  });
  return part !== undefined && now - part.at > 4 * RENEW_MS;
}
