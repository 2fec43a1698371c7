/** The one connection of the page: rows, counts, prices, alerts and status, as the daemon sends them. */

import type {
  AlertItem,
  AlertList,
  CountsEvent,
  GapEvent,
  GroupCounts,
  GroupsEvent,
  PriceItem,
  PricesEvent,
  Status,
  StatusEvent,
} from "../answers.generated";
import { get, query, served } from "../api";
import { say } from "../words/say";
import { Drift } from "./drift";
import { labelQuery } from "./label";
import { added, gapBefore, KEPT } from "./log";
import { cut, heard, looked, type Pulse, START } from "./pulse";
import { applied, NO_ROWS, type Rows, type Sort } from "./rows";
import { Store } from "./store";

export interface Filter {
  readonly stages: readonly string[];
  readonly product: string;
  readonly q: string;
  /** Such as borrower=ACME; empty for any. */
  readonly label: string;
  readonly sort: Sort;
}

export const EVERY_GROUP: Filter = { stages: [], product: "", q: "", label: "", sort: "ltv" };

export function filterQuery(filter: Filter): Record<string, string | readonly string[]> {
  return { stage: filter.stages, product: filter.product, q: filter.q, sort: filter.sort, ...labelQuery(filter) };
}

/** Alerts that the page begins with. */
const TAIL = 200;
/** Longest wait between two tries; the first comes after a second. */
const MAX_WAIT_MS = 15_000;
/** How far back a reader without cursors looks for the newest alerts. */
const SEEN_BACK_MS = 7 * 86_400_000;

export class Live {
  readonly pulse = new Store<Pulse>(START);
  readonly rows = new Store<Rows>(NO_ROWS);
  readonly counts = new Store<GroupCounts | null>(null);
  readonly prices = new Store<ReadonlyMap<string, PriceItem>>(new Map());
  readonly alerts = new Store<readonly AlertItem[]>([]);
  readonly status = new Store<StatusEvent | null>(null);
  readonly filter = new Store<Filter>(EVERY_GROUP);
  /** That the monitor has rules of. */
  readonly products = new Store<readonly string[]>([]);
  readonly drift = new Drift();
  /** Told of alerts that came while the page was open, for sound and notices. */
  onAlert: (alert: AlertItem) => void = () => {};
  scoped = false;
  private source: EventSource | null = null;
  /** The cursor of the last alert that we have, or know to be in the log: the stream goes on from there. */
  private cursor = 0;
  /** The same for a reader with a scope: the last `id:` of the stream, which says nothing to anybody else. */
  private place: string | undefined;
  private isBegun = false;
  private tries = 0;
  private retry = 0;
  private looking = 0;

  /** Reads the newest alerts of the log, then follows the stream from there on. */
  async start(): Promise<void> {
    this.looking = window.setInterval(() => this.pulse.set(looked(this.pulse.get(), Date.now())), 1000);
    this.filter.subscribe(() => this.open());
    await this.begin();
  }

  stop(): void {
    window.clearInterval(this.looking);
    window.clearTimeout(this.retry);
    this.source?.close();
  }

  /** Shows other rows: the stream starts again with them, and with the alerts from where it was. */
  show(filter: Filter): void {
    if (JSON.stringify(filter) !== JSON.stringify(this.filter.get())) this.filter.set(filter);
  }

  /** Asks before the stream is opened: a stream cannot say why it is refused. */
  private async begin(): Promise<void> {
    try {
      const status = await get<Status>("/v1/status");
      this.counts.set(status.groups);
      this.products.set(status.rules.map((name) => name.split("@")[0] ?? name).sort());
      if (!this.isBegun && status.cursor === null) {
        // The stream comes first: it says where it began, so nothing is lost between the log and what follows.
        this.open();
        this.isBegun = true;
        await this.readBack();
        return;
      }
      if (!this.isBegun && status.cursor !== null) {
        const after = Math.max(0, status.cursor - TAIL);
        const page = await get<AlertList>(`/v1/alerts${query({ after, limit: TAIL })}`);
        this.alerts.set(added(this.alerts.get(), page.items));
        this.cursor = status.cursor;
        this.isBegun = true;
      }
      this.open();
    } catch (e) {
      this.lost((e as Error).message);
    }
  }

  /** The last days of a log that has no cursors for this reader. */
  private async readBack(): Promise<void> {
    const from = new Date(Date.now() - SEEN_BACK_MS).toISOString();
    let after: string | number | null | undefined;
    do {
      const page: AlertList = await get(`/v1/alerts${query({ from, after: after ?? undefined, limit: TAIL })}`);
      this.alerts.set(added(this.alerts.get(), page.items));
      after = page.next;
    } while (after !== null);
  }

  private open(): void {
    window.clearTimeout(this.retry);
    this.source?.close();
    this.rows.set(NO_ROWS);
    this.drift.clear();
    const wanted = query({ ...filterQuery(this.filter.get()), after: this.scoped ? this.place : this.cursor });
    const source = new EventSource(served(`/v1/stream${wanted}`));
    this.source = source;
    const on = <T>(name: string, take: (data: T) => void): void =>
      source.addEventListener(name, (event) => {
        if (source !== this.source) return;
        const message = event as MessageEvent<string>;
        if (this.scoped && message.lastEventId) this.place = message.lastEventId;
        const data = JSON.parse(message.data) as T & { at?: string };
        this.pulse.set(heard(this.pulse.get(), Date.now(), name === "status" ? data.at : undefined));
        this.tries = 0;
        take(data);
      });
    on<GroupsEvent>("groups", (data) => this.takeRows(data));
    on<CountsEvent>("counts", (data) => this.counts.set(data.groups));
    on<PricesEvent>("prices", (data) => this.takePrices(data));
    on<StatusEvent>("status", (data) => this.status.set(data));
    on<AlertItem>("alert", (alert) => this.takeAlert(alert));
    on<GapEvent>("gap", (gap) => {
      if (typeof gap.resume_after === "number") this.cursor = gap.resume_after;
      else this.place = gap.resume_after;
      this.lost(gap.reason);
    });
    source.onerror = () => {
      if (source === this.source) this.lost(say("theConnectionToThe"));
    };
  }

  /** Our own tries rather than the browser's: it gives up for good after any answer that is not a stream. */
  private lost(reason: string): void {
    this.source?.close();
    this.source = null;
    this.pulse.set(cut(this.pulse.get(), reason));
    const wait = Math.min(MAX_WAIT_MS, 1000 * 2 ** this.tries);
    this.tries += 1;
    window.clearTimeout(this.retry);
    this.retry = window.setTimeout(() => void this.begin(), wait);
  }

  private takeRows(event: GroupsEvent): void {
    const rows = applied(this.rows.get(), event);
    this.drift.take(event.snapshot ? rows.byId.values() : event.rows, Date.now());
    this.drift.keepOnly(rows.byId);
    this.rows.set(rows);
  }

  private takePrices(event: PricesEvent): void {
    const prices = event.snapshot ? new Map<string, PriceItem>() : new Map(this.prices.get());
    for (const price of event.items) prices.set(price.asset, price);
    this.prices.set(prices);
  }

  private takeAlert(alert: AlertItem): void {
    const missing = gapBefore(this.cursor, alert, this.scoped);
    const { cursor, durable } = alert.data;
    if (missing !== null && cursor !== null) void this.fill(missing, cursor);
    if (durable && cursor !== null) this.cursor = Math.max(this.cursor, cursor);
    this.alerts.set(added(this.alerts.get(), [alert]));
    this.onAlert(alert);
  }

  /** Reads what the stream did not bring; what cannot be read now comes with the next start of the stream. */
  private async fill(after: number, before: number): Promise<void> {
    const limit = Math.min(KEPT, before - after - 1);
    const page = await get<AlertList>(`/v1/alerts${query({ after, limit })}`).catch(() => null);
    if (page) this.alerts.set(added(this.alerts.get(), page.items));
  }
}

export const live = new Live();

/** The daemon's time now. */
export function daemonNow(now: number): number {
  return now + live.pulse.get().ahead;
}
