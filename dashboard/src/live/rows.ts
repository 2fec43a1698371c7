/** The rows of a list as the stream tells them: a snapshot, then what changed and what left. Pure. */

import { compare } from "../format/decimal";
import { type GroupRow, type GroupsEvent, STAGES } from "../types";

export type Sort = "ltv" | "-ltv" | "id" | "-id" | "debt_usd" | "-debt_usd" | "deadline" | "-deadline";

export interface Rows {
  readonly byId: ReadonlyMap<string, GroupRow>;
  /** When the daemon said so last, as it tells the time. */
  readonly at: string | null;
  /** A snapshot has come since the stream began: before that nothing may be taken as the list. */
  readonly complete: boolean;
}

export const NO_ROWS: Rows = { byId: new Map(), at: null, complete: false };

/** A snapshot replaces everything; a change before the first snapshot is of a list that we do not have. */
export function applied(rows: Rows, event: GroupsEvent): Rows {
  if (!event.snapshot && !rows.complete) return rows;
  const byId = event.snapshot ? new Map<string, GroupRow>() : new Map(rows.byId);
  for (const id of event.gone) byId.delete(id);
  for (const row of event.rows) byId.set(row.id, row);
  return { byId, at: event.at, complete: true };
}

/** In the order of the list that the server gives for the same sort. */
export function ordered(rows: Iterable<GroupRow>, sort: Sort): GroupRow[] {
  const reversed = sort.startsWith("-");
  const order = ORDERS[sort.replace("-", "") as keyof typeof ORDERS];
  const sign = reversed ? -1 : 1;
  return [...rows].sort((a, b) => order(a, b, sign) || sign * byText(a.id, b.id));
}

type Order = (a: GroupRow, b: GroupRow, sign: number) => number;

const ORDERS: Record<"ltv" | "id" | "debt_usd" | "deadline", Order> = {
  ltv: (a, b, sign) => sign * (rank(a) - rank(b) || byNumber(b.ltv ?? "0", a.ltv ?? "0")),
  id: () => 0,
  debt_usd: (a, b, sign) => valueless(a.debt_usd, b.debt_usd) || sign * byNumber(a.debt_usd ?? "0", b.debt_usd ?? "0"),
  deadline: (a, b, sign) => valueless(a.deadline, b.deadline) || sign * byText(a.deadline ?? "", b.deadline ?? ""),
};

/** By stage, and within a stage what cannot be valued before what can. */
function rank(row: GroupRow): number {
  const kind = row.unknown ? 1 : row.ltv === null ? 0 : 2;
  return STAGES.indexOf(row.stage) * 3 + kind;
}

function valueless(a: string | null, b: string | null): number {
  return Number(a === null) - Number(b === null);
}

function byText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}

/** Most rows differ as floats already; what is closer is told apart by its text. */
function byNumber(a: string, b: string): number {
  const apart = Number(a) - Number(b);
  return Math.abs(apart) > 1e-9 * Math.abs(Number(a)) ? apart : compare(a, b);
}
