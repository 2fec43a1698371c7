/** What the API sends (see /openapi.json). Money, prices and ratios are decimal text, times RFC 3339 in UTC. */

import type { Severity, Stage } from "./alerts.generated";

export { SEVERITIES, type Severity, STAGE_NAMES, STAGES, type Stage } from "./alerts.generated";
export type Lines = Readonly<Record<string, string>>;

export interface NextLine {
  readonly name: string;
  readonly ltv?: string;
  readonly level?: string;
  readonly distance_percent: string;
}

export interface Acknowledged {
  readonly by: string;
  readonly at: string;
  readonly note: string | null;
  readonly until: string | null;
}

export interface GroupRow {
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ltv: string | null;
  readonly stage: Stage;
  readonly band: string | null;
  readonly debt_usd: string | null;
  readonly recognised_usd: string | null;
  readonly deadline: string | null;
  readonly blind: boolean;
  readonly unknown: boolean;
  readonly version: number;
  readonly thresholds: Lines;
  readonly next_line: NextLine | null;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  readonly acknowledged?: Acknowledged | null;
}

export interface Counts {
  readonly total: number;
  readonly unknown: number;
  readonly blind: number;
  readonly stages: Readonly<Record<Stage, number>>;
  readonly debt_usd: Readonly<Record<Stage, string>>;
}

export interface Tier {
  readonly from: string;
  readonly to: string | null;
  readonly share: string;
  readonly value_usd: string;
  readonly recognised_usd: string;
}

export interface Contribution {
  readonly asset: string;
  readonly quantity: string;
  readonly accounts: Readonly<Record<string, string>>;
  readonly price: string | null;
  readonly quote: string | null;
  readonly quote_price: string | null;
  readonly source: string | null;
  readonly price_at: string | null;
  readonly received_at: string | null;
  readonly age_s: number | null;
  readonly trust: string;
  readonly reason: string | null;
  readonly value_usd: string | null;
  readonly recognised_usd: string | null;
  readonly tiers: readonly Tier[];
}

export interface Loan {
  readonly id: string;
  readonly asset: string;
  readonly principal: string;
  readonly interest: string;
  readonly rate: { readonly kind: string; readonly daily: string | null };
  readonly daily_rate: string;
  readonly late_factor: string;
  readonly term: string;
  readonly opened_at: string;
  readonly matures_at: string | null;
  readonly overdue: boolean;
  readonly price: string | null;
  readonly value_usd: string | null;
}

export interface Standing {
  readonly ltv: string | null;
  readonly stage: Stage;
  readonly band: string | null;
  readonly debt_usd: string | null;
  readonly recognised_usd: string | null;
  readonly market_usd: string | null;
  readonly deadline: string | null;
  readonly blind: boolean;
  readonly unknown: boolean;
  readonly missing: readonly string[];
  readonly cure: {
    readonly to_ltv?: string;
    readonly to_level?: string;
    readonly repay_usd: string;
    readonly add_recognised_usd: string;
    readonly by_asset: Readonly<Record<string, string | null>>;
  } | null;
  readonly liquidation_price: Readonly<Record<string, string | null>> | null;
  readonly borrowable_usd: string;
  readonly permitted: {
    readonly trade: boolean;
    readonly move_within_group: boolean;
    readonly withdraw: boolean;
    readonly new_order: boolean;
    readonly withdrawable: Readonly<Record<string, string>>;
    readonly removable_accounts: readonly string[];
  };
  readonly next_line: NextLine | null;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
}

export interface GroupDetail extends Standing {
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly receiving_account: string;
  readonly delayed_liquidation: boolean;
  readonly source: string;
  readonly version: number;
  readonly at: string;
  readonly reason: string | null;
  readonly since: string | null;
  readonly episode: number;
  readonly sequence: number;
  readonly thresholds: Lines;
  readonly rules: string;
  readonly contributions: readonly Contribution[];
  readonly uncounted: readonly { readonly asset: string; readonly quantity: string }[];
  readonly loans: readonly Loan[];
  readonly acknowledged?: Acknowledged | null;
}

export interface WhatIfAnswer {
  readonly id: string;
  readonly at: string;
  readonly before: Standing & { readonly alerts: readonly string[] };
  readonly after: Standing & { readonly alerts: readonly string[] };
}

export interface AlertData {
  readonly id: string;
  readonly cursor: number;
  readonly severity: Severity;
  readonly test: boolean;
  readonly durable: boolean;
  readonly blind: boolean;
  readonly sequence: number;
  readonly episode: number;
  readonly detected_at: string;
  readonly subject?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly group?: { readonly id: string; readonly product: string; readonly labels: Readonly<Record<string, string>> };
  readonly stage?: { readonly from: string | null; readonly to: string | null };
  readonly reason?: string | null;
  readonly ltv?: string | null;
  readonly debt_usd?: string | null;
  readonly deadline?: string | null;
  readonly acknowledged?: Acknowledged | null;
}

export interface Alert {
  readonly type: string;
  readonly timestamp: string;
  readonly data: AlertData;
}

export interface Delivery {
  readonly id: string;
  readonly cursor: number;
  readonly alert: string;
  readonly notifier: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly type: string;
  readonly severity: Severity;
  readonly state: "pending" | "delivered" | "superseded" | "failed";
  readonly attempts: number;
  readonly due_at: string;
  readonly created_at: string;
  readonly detail: string;
}

export interface Price {
  readonly asset: string;
  readonly price: string | null;
  readonly quote: string | null;
  readonly quote_price: string | null;
  readonly source: string | null;
  readonly price_at: string | null;
  readonly received_at: string | null;
  readonly changed_at: string | null;
  readonly exchange_age_s: number | null;
  readonly receipt_age_s: number | null;
  readonly change_age_s: number | null;
  readonly trust: string;
  readonly reason: string | null;
}

export interface Feed {
  readonly connected: boolean;
  readonly reason: string;
  readonly frames: number;
  readonly quotes: number;
  readonly reconnects: number;
  readonly ignored: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  readonly last_frame_at: string | null;
}

export interface Status {
  readonly at: string;
  readonly name: string;
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly groups: Counts;
  readonly oldest_undelivered_s: Readonly<Record<string, number>>;
  readonly feeds: Readonly<Record<string, Feed>>;
  readonly cursor: number;
  readonly rules: readonly string[];
}

export interface Page<T, C = string> {
  readonly items: readonly T[];
  readonly next: C | null;
}

/** Events of the stream. */
export interface GroupsEvent {
  readonly at: string;
  readonly snapshot: boolean;
  readonly rows: readonly GroupRow[];
  readonly gone: readonly string[];
}
export interface PricesEvent {
  readonly at: string;
  readonly snapshot: boolean;
  readonly items: readonly Price[];
}
export interface StatusEvent {
  readonly at: string;
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly feeds: Readonly<Record<string, boolean>>;
  readonly cursor: number;
}
export interface CountsEvent {
  readonly at: string;
  readonly groups: Counts;
}
