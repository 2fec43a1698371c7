/** Made by `python -m tools.typescript` from the structs that the monitor sends; change those, not this file.

Money, prices and ratios are decimal text, times RFC 3339 in UTC. What each is stands in /openapi.json. */

import type { Severity, Stage } from "./alerts.generated";

/** What a list of groups can be sorted by. */
export type SortKey = "ltv" | "id" | "debt_usd" | "deadline";

export interface AckAnswer {
  readonly alert: string;
  readonly group: string;
  readonly acknowledged: AckShown;
}

export interface AckShown {
  readonly by: string;
  readonly at: string;
  readonly alert: string;
  readonly note: string;
  readonly until: string | null;
}

export interface AlertData {
  readonly id: string;
  readonly cursor: number | null;
  readonly severity: Severity;
  readonly test: boolean;
  readonly durable: boolean;
  readonly blind: boolean;
  readonly sequence: number;
  readonly episode: number;
  readonly detected_at: string;
  readonly silenced_by?: string;
  readonly subject?: string;
  readonly group?: GroupRef;
  readonly stage?: StageChange;
  readonly reason?: string | null;
  readonly ltv?: string | null;
  readonly debt_usd?: string | null;
  readonly recognised_usd?: string | null;
  readonly market_usd?: string | null;
  readonly thresholds?: Readonly<Record<string, string>>;
  readonly band?: string | null;
  readonly next_line?: NextLineShown | null;
  readonly cure?: CureShown | null;
  readonly liquidation_price?: Readonly<Record<string, string | null>> | null;
  readonly inputs?: readonly InputShown[];
  readonly debts?: readonly DebtShown[];
  readonly inputs_cut?: number;
  readonly bound?: boolean;
  readonly missing?: readonly string[];
  readonly uncounted?: readonly UncountedShown[];
  readonly rules?: string;
  readonly metric?: string;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  readonly deadline?: string | null;
  readonly supersedes?: string | null;
  readonly suppressed?: readonly string[];
  readonly cause?: string;
  readonly rules_from?: string;
  readonly lever?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly debts_cut?: number;
  readonly labels_cut?: number;
  readonly facts_cut?: number;
  readonly acknowledged?: AckShown;
  readonly url?: string;
  readonly zone?: string;
}

export interface AlertItem {
  readonly type: string;
  readonly timestamp: string;
  readonly data: AlertData;
}

export interface AlertList {
  readonly items: readonly AlertItem[];
  readonly next: number | string | null;
}

export interface Alive {
  readonly alive: boolean;
  readonly instance: string;
}

export interface AnswerItem {
  readonly by: string;
  readonly at: string;
  readonly note: string;
}

export interface AttemptItem {
  readonly at: string;
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly detail: string;
  readonly due_at: string;
  readonly took_ms: number;
}

export interface AuditHeadItem {
  readonly number: number;
  readonly digest: string;
}

export interface AuditItem {
  readonly cursor: number;
  readonly at: string;
  readonly who: string;
  readonly action: string;
  readonly subject: string;
  readonly before: unknown;
  readonly after: unknown;
}

export interface AuditList {
  readonly items: readonly AuditItem[];
  readonly next: number | null;
  readonly head: AuditHeadItem;
}

export interface Axis {
  readonly asset: string;
  readonly shocks: readonly string[];
}

export interface BadCell {
  readonly cell: string;
  readonly value: string | null;
  readonly remedy: string;
}

export interface BankruptGroup {
  readonly id: string;
  readonly shortfall_usd: string;
}

export interface BookItem {
  readonly as_of: string | null;
  readonly seen_at: string | null;
  readonly version: string | null;
  readonly limit_s: number | null;
  readonly stale: boolean;
}

export interface BookShown {
  readonly source: string;
  readonly as_of: string | null;
  readonly version: string | null;
  readonly stale: boolean;
}

export interface BorrowableCoin {
  readonly limit_usd: string | null;
  readonly left_usd: string | null;
  readonly limit: string | null;
  readonly left: string | null;
  readonly most_usd: string;
  readonly most: string | null;
  readonly allowed: boolean;
  readonly reasons: readonly Reason[];
  readonly offers: Offers;
}

export interface BorrowerStatement {
  readonly borrower: string;
  readonly by: string;
  readonly day: string;
  readonly since: string;
  readonly until: string;
  readonly final: boolean;
  readonly cut: boolean;
  readonly balance: readonly CoinBalance[];
  readonly call_sums: CallSums;
  readonly groups: readonly DayStatement[];
}

export interface BoundsShown {
  readonly best: EndShown | null;
  readonly worst: EndShown | null;
  readonly is_decided: boolean;
}

export interface CallBrief {
  readonly number: number;
  readonly status: "disputed" | "expired" | "met" | "open";
  readonly called_usd: string;
  readonly outstanding_usd: string;
  readonly due: string;
}

export interface CallItem {
  readonly kind: "call";
  readonly cursor: string;
  readonly at: string;
  readonly what: string;
  readonly call: number;
  readonly call_alert: string;
  readonly target: string;
  readonly due: string;
  readonly called_usd: string;
  readonly received_usd: string;
  readonly outstanding_usd: string;
  readonly paid_usd: string | null;
  readonly entry: string | null;
  readonly announced: string | null;
  readonly asset: string | null;
  readonly quantity: string | null;
  readonly value_usd: string | null;
  readonly expected: string | null;
  readonly dispute: string | null;
  readonly disputed_usd: string | null;
  readonly why: string | null;
  readonly by: string | null;
  readonly in_transit_usd: string | null;
  readonly on_expiry: string | null;
  readonly stage: string | null;
  readonly supersedes_call: number | null;
}

export interface CallList {
  readonly call: CallShown | null;
  readonly items: readonly CallItem[];
  readonly next: string | null;
}

export interface CallShown {
  readonly number: number;
  readonly status: "disputed" | "expired" | "met" | "open";
  readonly alert: string;
  readonly opened_at: string;
  readonly due: string;
  readonly expires_at: string | null;
  readonly target: string;
  readonly called_usd: string;
  readonly received_usd: string;
  readonly outstanding_usd: string;
  readonly in_transit_usd: string;
  readonly minimum_transfer_usd: string;
  readonly rounding_usd: string;
  readonly on_expiry: string;
  readonly met_at: string | null;
  readonly expired_at: string | null;
  readonly announced: readonly OnItsWay[];
  readonly disputes: readonly DisputeShown[];
}

export interface CallSums {
  readonly called_usd: string;
  readonly received_usd: string;
  readonly outstanding_usd: string;
}

export interface Cell {
  readonly stages: Readonly<Record<Stage, number>>;
  readonly liquidation_debt_usd: string;
  readonly shortfall_usd: string;
  readonly expected_shortfall_usd: string;
  readonly is_exact: Exactness;
}

export interface ChangedProduct {
  readonly product: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly groups: number;
}

export interface ChannelItem {
  readonly name: string;
  readonly kind: string;
  readonly breaker: string;
  readonly queued: number;
  readonly held: number;
  readonly oldest_at: string | null;
  readonly oldest_age_s: number | null;
  readonly last_delivered_at: string | null;
  readonly last_failed_at: string | null;
  readonly last_failure: string | null;
  readonly fallback: string | null;
  readonly off_at: string | null;
  readonly off_reason: string | null;
}

export interface ChannelList {
  readonly items: readonly ChannelItem[];
  readonly next: string | null;
}

export interface ClearanceShown {
  readonly market_usd: string;
  readonly fee_usd: string;
  readonly debt_usd: string;
  readonly left_usd: string;
  readonly shortfall_usd: string;
  readonly bankrupt: boolean;
}

export interface Closable {
  readonly debt: string;
  readonly collateral: string;
  readonly closable_usd: string;
  readonly closable: string;
}

export interface CoinBalance {
  readonly asset: string;
  readonly before: string;
  readonly charged: string;
  readonly borrowed: string;
  readonly repaid: string;
  readonly written_off: string;
  readonly restated: string;
  readonly moved: string;
  readonly owed: string;
}

export interface ColumnShown {
  readonly column: string;
  readonly header: string;
  readonly field: string;
  readonly why: string;
  readonly example: string;
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
  readonly exchange_age_s: number | null;
  readonly receipt_age_s: number | null;
  readonly change_age_s: number | null;
  readonly trust: string;
  readonly reason: string | null;
  readonly value_usd: string | null;
  readonly recognised_usd: string | null;
  readonly tiers: readonly Tier[];
  readonly pinned?: PinnedShown;
}

export interface CountsEvent {
  readonly at: string;
  readonly groups: GroupCounts;
}

export interface CureShown {
  readonly to_ltv?: string;
  readonly to_level?: string;
  readonly repay_usd: string;
  readonly add_recognised_usd: string;
  readonly by_asset: Readonly<Record<string, string | null>>;
}

export interface DatabaseState {
  readonly version: string;
  readonly synchronous_standby_names: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly is_standby: boolean;
}

export interface DayStatement {
  readonly group: string;
  readonly product: string | null;
  readonly labels: Readonly<Record<string, string>>;
  readonly receiving_account: string | null;
  readonly day: string;
  readonly since: string;
  readonly until: string;
  readonly final: boolean;
  readonly cut: boolean;
  readonly before: readonly OwedThen[];
  readonly owed: readonly OwedThen[];
  readonly balance: readonly CoinBalance[];
  readonly charged: Readonly<Record<string, string>>;
  readonly interest: readonly InterestItem[];
  readonly repaid: Readonly<Record<string, string>>;
  readonly repayments: readonly RepaymentItem[];
  readonly loans: readonly LoanItem[];
  readonly liquidations: readonly LiquidationItem[];
  readonly call: CallItem | null;
  readonly call_sums: CallSums;
  readonly calls: readonly CallItem[];
  readonly alerts: readonly AlertItem[];
}

export interface DebtShown {
  readonly loan: string;
  readonly asset: string;
  readonly principal: string;
  readonly interest: string;
  readonly price: string | null;
  readonly value_usd: string | null;
  readonly pinned?: PinnedShown;
}

export interface DecisionShown {
  readonly act: "exclude" | "pin";
  readonly price: string | null;
  readonly source: string | null;
  readonly by: string;
  readonly at: string;
  readonly until: string;
  readonly reason: string;
}

export interface DegradedItem {
  readonly kind: string;
  readonly source: string | null;
  readonly count: number | null;
  readonly since: string | null;
  readonly text: string | null;
}

export interface DeliveryDetail {
  readonly id: string;
  readonly cursor: number | null;
  readonly alert: string;
  readonly notifier: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly type: string;
  readonly severity: Severity;
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly attempts: number;
  readonly due_at: string;
  readonly created_at: string;
  readonly detail: string;
  readonly held_until: string | null;
  readonly record: readonly AttemptItem[];
}

export interface DeliveryItem {
  readonly id: string;
  readonly cursor: number | null;
  readonly alert: string;
  readonly notifier: string;
  readonly to: readonly string[];
  readonly subject: string;
  readonly type: string;
  readonly severity: Severity;
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly attempts: number;
  readonly due_at: string;
  readonly created_at: string;
  readonly detail: string;
  readonly held_until: string | null;
}

export interface DeliveryList {
  readonly items: readonly DeliveryItem[];
  readonly next: string | null;
}

export interface DetachableAccount {
  readonly detachable: boolean;
  readonly reasons: readonly Reason[];
}

export interface DisputeShown {
  readonly entry: string;
  readonly amount_usd: string;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
  readonly resolved_at: string | null;
}

export interface EffectShown {
  readonly group: string;
  readonly before: StandShown | null;
  readonly after: StandShown | null;
  readonly refused: string | null;
}

export interface EffectsShown {
  readonly groups: number;
  readonly applies: number;
  readonly refused: number;
  readonly moves: Readonly<Record<string, number>>;
  readonly items: readonly EffectShown[];
  readonly seen: string;
}

export interface EndShown {
  readonly ltv: string | null;
  readonly level: string | null;
  readonly band: string;
}

export interface EndpointItem {
  readonly name: string;
  readonly url: string;
  readonly types: readonly string[];
  readonly match: Match;
  readonly batch: boolean;
  readonly enabled: boolean;
  readonly created_at: string;
  readonly note: string;
  readonly keys: readonly KeyItem[];
  readonly problem: string | null;
}

export interface EndpointList {
  readonly items: readonly EndpointItem[];
  readonly next: string | null;
}

export interface EndpointWithSecret {
  readonly name: string;
  readonly url: string;
  readonly types: readonly string[];
  readonly match: Match;
  readonly batch: boolean;
  readonly enabled: boolean;
  readonly created_at: string;
  readonly note: string;
  readonly keys: readonly KeyItem[];
  readonly problem: string | null;
  readonly secret: string | null;
  readonly public: string | null;
}

export interface EntryAnswer {
  readonly id: string;
  readonly type: string;
  readonly at: string | null;
  readonly version: number | null;
  readonly duplicate: boolean;
  readonly group: GroupRow | null;
  readonly dry_run: boolean;
  readonly before: GroupRow | null;
  readonly alerts: readonly string[] | null;
}

export interface EscalationItem {
  readonly escalation: string;
  readonly alert: string;
  readonly alert_type: string;
  readonly subject: string;
  readonly since: string;
  readonly step: number;
  readonly due: string | null;
  readonly asked: readonly string[];
  readonly answers: readonly AnswerItem[];
}

export interface EscalationList {
  readonly items: readonly EscalationItem[];
}

export interface Exactness {
  readonly counts: boolean;
  readonly sums: boolean;
}

export interface ExposureItem {
  readonly key: string | null;
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
  readonly share: string | null;
  readonly max_share: string | null;
  readonly is_above: boolean;
  readonly nearest_percent: string | null;
  readonly average_percent: string | null;
  readonly quantity?: string;
  readonly daily_volume_usd?: string | null;
  readonly days_to_sell?: string | null;
}

export interface ExposureList {
  readonly at: string;
  readonly by: string;
  readonly total: SumsShown;
  readonly unknown: number;
  readonly is_exact: boolean;
  readonly wrong_way: readonly IssuerPair[];
  readonly items: readonly ExposureItem[];
  readonly next: string | null;
  readonly partial?: boolean;
}

export interface FallReach {
  readonly fall_percent: string;
  readonly groups: number;
  readonly debt_usd: string;
  readonly share: string | null;
}

export interface FeedItem {
  readonly connected: boolean;
  readonly reason: string;
  readonly cause: string | null;
  readonly clock_offset_s: number | null;
  readonly clock_off: boolean;
  readonly instruments: string;
  readonly states: Readonly<Record<string, string>>;
  readonly dropped: Readonly<Record<string, number>>;
  readonly frames: number;
  readonly quotes: number;
  readonly reconnects: number;
  readonly ignored: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  readonly last_frame_at: string | null;
  readonly last_frame_age_s: number | null;
  readonly lag_s: number | null;
}

export interface FeedList {
  readonly items: readonly NamedFeed[];
  readonly next: string | null;
}

export interface FundShown {
  readonly at: string | null;
  readonly balance_usd: string;
  readonly draw_usd: string;
  readonly fees_usd: string;
  readonly groups: number;
  readonly in_liquidation: number;
  readonly unknown: number;
  readonly blind: boolean;
  readonly exceeded: boolean;
  readonly items: readonly BankruptGroup[];
}

export interface GapEvent {
  readonly resume_after: number | string;
  readonly reason: string;
}

export interface GroupCounts {
  readonly total: number;
  readonly unwatched: number | null;
  readonly unknown: number;
  readonly blind: number;
  readonly stages: Readonly<Record<Stage, number>>;
  readonly debt_usd: Readonly<Record<Stage, string>>;
  readonly partial?: boolean;
}

export interface GroupDetail {
  readonly ltv: string | null;
  readonly band: string | null;
  readonly debt_usd: string | null;
  readonly recognised_usd: string | null;
  readonly market_usd: string | null;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  readonly net_equity_usd?: string | null;
  readonly liabilities_usd?: string | null;
  readonly initial_margin_usd?: string | null;
  readonly available_margin_usd?: string | null;
  readonly collateral_margin_level?: string | null;
  readonly maintenance_margin_usd?: string | null;
  readonly cure: CureShown | null;
  readonly liquidation_price: Readonly<Record<string, string | null>> | null;
  readonly liquidation_together?: readonly JointFactor[];
  readonly next_line: NextLineShown | null;
  readonly liquidation: ClearanceShown | null;
  readonly closable?: readonly Closable[];
  readonly stage: Stage;
  readonly deadline: string | null;
  readonly blind: boolean;
  readonly unknown: boolean;
  readonly missing: readonly string[];
  readonly bounds: BoundsShown | null;
  readonly permitted: PermittedShown;
  readonly borrowable_usd: string;
  readonly borrowable: Readonly<Record<string, BorrowableCoin>>;
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly receiving_account: string;
  readonly leverage?: number;
  readonly open_order_loss_usd?: string;
  readonly delayed_liquidation: boolean;
  readonly source: string;
  readonly book: BookShown | null;
  readonly version: number;
  readonly at: string;
  readonly reason: string | null;
  readonly since: string | null;
  readonly episode: number;
  readonly sequence: number;
  readonly acknowledged: AckShown | null;
  readonly thresholds: Readonly<Record<string, string>>;
  readonly rules: string;
  readonly terms: readonly TermShown[];
  readonly contributions: readonly Contribution[];
  readonly uncounted: readonly Uncounted[];
  readonly liabilities?: readonly Liability[];
  readonly settling: boolean;
  readonly loans: readonly LoanDetail[];
  readonly interest_short: readonly ShortCoin[];
  readonly lender?: LenderShown;
  readonly call?: CallShown;
  readonly returnable_usd?: string;
}

export interface GroupList {
  readonly items: readonly GroupRow[];
  readonly next: string | null;
  readonly partial?: boolean;
}

export interface GroupRef {
  readonly id: string;
  readonly product: string;
  readonly receiving_account: string;
  readonly labels: Readonly<Record<string, string>>;
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
  readonly thresholds: Readonly<Record<string, string>>;
  readonly next_line: NextLineShown | null;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  readonly acknowledged?: AckShown | null;
  readonly call?: CallBrief;
}

export interface GroupTimeline {
  readonly items: readonly TimelineItem[];
  readonly next: string | null;
}

export interface GroupsEvent {
  readonly at: string;
  readonly snapshot: boolean;
  readonly rows: readonly GroupRow[];
  readonly gone: readonly string[];
}

export interface HeadState {
  readonly role: "active" | "standby";
  readonly epoch: number;
  readonly holder: string;
  readonly version: string;
  readonly lease_age_s: number | null;
  readonly basis: "lease" | "none" | "over" | "peer" | null;
  readonly clock_offset_s: number | null;
  readonly peer: string;
  readonly peer_says: "does not answer" | "does not reach the database" | "not asked" | "reaches the database";
  readonly trouble: string;
  readonly database?: DatabaseState | null;
}

export interface HiddenAlert {
  readonly id: string;
  readonly cursor: number | null;
  readonly type: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly timestamp: string;
}

export interface HiddenAlerts {
  readonly hidden: number;
  readonly told: number;
  readonly types: Readonly<Record<string, number>>;
  readonly items: readonly HiddenAlert[];
  readonly whole: boolean;
}

export interface HiddenGroup {
  readonly id: string;
  readonly product: string;
  readonly stage: Stage;
  readonly up_to: Stage | Severity;
}

export interface HiddenGroups {
  readonly count: number;
  readonly items: readonly HiddenGroup[];
  readonly whole: boolean;
}

export interface HistoryList {
  readonly items: readonly (LoanItem | RepaymentItem | LiquidationItem | CallItem | InterestItem)[];
  readonly next: string | null;
}

export interface ImportAnswer {
  readonly name: string;
  readonly source: string;
  readonly at: string;
  readonly taken: boolean;
  readonly counts: ImportCounts;
  readonly sheets: readonly SheetShown[];
  readonly fields: readonly string[];
  readonly notes: readonly string[];
  readonly questions: readonly Question[];
  readonly refused: readonly RefusedCell[];
  readonly rows: readonly ImportRow[];
  readonly missing: readonly string[];
}

export interface ImportCounts {
  readonly rows: number;
  readonly new: number;
  readonly changed: number;
  readonly same: number;
  readonly refused: number;
  readonly missing: number;
  readonly closed: number;
}

export interface ImportRow {
  readonly group: string;
  readonly where: string;
  readonly change: "changed" | "new" | "same";
  readonly stage: string;
  readonly ltv: string | null;
  readonly debt_usd: string | null;
  readonly recognised_usd: string | null;
  readonly missing: readonly string[];
  readonly alert: string | null;
}

export interface InputShown {
  readonly asset: string;
  readonly quantity: string;
  readonly price: string | null;
  readonly quote: string | null;
  readonly quote_price: string | null;
  readonly source: string | null;
  readonly price_at: string | null;
  readonly trust: string;
  readonly value_usd: string | null;
  readonly recognised_usd: string | null;
  readonly pinned?: PinnedShown;
}

export interface InterestItem {
  readonly kind: "interest";
  readonly cursor: string;
  readonly accrued_at: string;
  readonly loan: string;
  readonly asset: string;
  readonly principal: string;
  readonly rate: string;
  readonly period: string;
  readonly late_factor: string;
  readonly periods: number;
  readonly amount: string;
}

export interface IssuerPair {
  readonly issuer: string;
  readonly debt: string;
  readonly collateral: string;
  readonly groups: number;
  readonly debt_usd: string;
  readonly market_usd: string;
}

export interface JointFactor {
  readonly coins: readonly string[];
  readonly factor: string | null;
}

export interface KeyItem {
  readonly kind: "pair" | "secret";
  readonly public: string | null;
  readonly until: string | null;
}

export interface LenderShown {
  readonly source: string;
  readonly level: string | null;
  readonly stage: Stage | null;
  readonly words: string;
  readonly deadline: string | null;
  readonly as_of: string;
  readonly age_s: number;
  readonly old: boolean;
  readonly figures: Readonly<Record<string, string>>;
  readonly differs: readonly string[];
  readonly compared: boolean;
}

export interface LeverItem {
  readonly id: string;
  readonly act: string;
  readonly change: string;
  readonly by: string;
  readonly person: string | null;
  readonly reason: string;
  readonly at: string;
  readonly until: string | null;
  readonly groups: number;
  readonly group_ids: readonly string[];
  readonly approved_by: string | null;
  readonly emergency: string | null;
  readonly proposal: string | null;
}

export interface LeverList {
  readonly items: readonly LeverItem[];
  readonly next: string | null;
}

export interface LeverPreview {
  readonly act: string;
  readonly change: string;
  readonly until: string | null;
  readonly needs_approval: boolean;
  readonly effects: EffectsShown;
}

export interface Liability {
  readonly asset: string;
  readonly amount: string;
  readonly borrow_limit: string | null;
  readonly borrow_left: string | null;
  readonly value_usd: string | null;
  readonly tier: string | null;
  readonly max_leverage: string | null;
  readonly initial_rate: string | null;
  readonly maintenance_rate: string | null;
  readonly maintenance_amount: string | null;
  readonly initial_margin_usd: string | null;
  readonly maintenance_margin_usd: string | null;
}

export interface LiquidationItem {
  readonly kind: "liquidation";
  readonly cursor: string;
  readonly at: string;
  readonly what: string;
  readonly reason: string | null;
  readonly alert: string | null;
  readonly entry: string | null;
  readonly proceeds_usd: string | null;
  readonly market_usd: string | null;
  readonly debt_usd: string | null;
  readonly fee_usd: string | null;
  readonly left_usd: string | null;
  readonly shortfall_usd: string | null;
}

export interface LoanDetail {
  readonly id: string;
  readonly asset: string;
  readonly principal: string;
  readonly interest: string;
  readonly rate: LoanRate;
  readonly daily_rate: string;
  readonly late_factor: string;
  readonly settling: boolean;
  readonly term: string;
  readonly opened_at: string;
  readonly matures_at: string | null;
  readonly overdue: boolean;
  readonly renewal: Renewal | null;
  readonly price: string | null;
  readonly value_usd: string | null;
  readonly pinned?: PinnedShown;
}

export interface LoanItem {
  readonly kind: "loan";
  readonly cursor: string;
  readonly at: string;
  readonly what: string;
  readonly loan: string;
  readonly asset: string;
  readonly principal: string;
  readonly interest: string;
  readonly rate: string;
  readonly daily: string | null;
  readonly term: string;
  readonly opened_at: string;
  readonly matures_at: string | null;
  readonly reason: string | null;
  readonly entry: string | null;
  readonly principal_before: string | null;
  readonly interest_before: string | null;
  readonly written_off: string | null;
}

export interface LoanRate {
  readonly kind: string;
  readonly daily: string | null;
  readonly paid_in?: string;
}

export interface LtvHistory {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly step_s: number;
  readonly items: readonly LtvItem[];
}

export interface LtvItem {
  readonly at: string;
  readonly low: string | null;
  readonly high: string | null;
  readonly last: string | null;
  readonly blind?: boolean;
  readonly unknown?: boolean;
  readonly unrecognised?: boolean;
  readonly gap?: boolean;
}

export interface Match {
  readonly type?: string | null;
  readonly severity?: Severity | null;
  readonly product?: string | null;
  readonly group?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
  readonly group_id?: string | null;
}

export interface MatrixAnswer {
  readonly kind: "matrix";
  readonly at: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly cells: readonly (readonly Cell[])[];
  readonly partial?: boolean;
}

export interface MovedGroup {
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly from: Stage;
  readonly to: Stage;
  readonly ltv_before: string | null;
  readonly ltv: string | null;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
  readonly shortfall_usd: string;
}

export interface MovedGroups {
  readonly from: Stage;
  readonly to: Stage;
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
}

export interface NamedFeed {
  readonly connected: boolean;
  readonly reason: string;
  readonly cause: string | null;
  readonly clock_offset_s: number | null;
  readonly clock_off: boolean;
  readonly instruments: string;
  readonly states: Readonly<Record<string, string>>;
  readonly dropped: Readonly<Record<string, number>>;
  readonly frames: number;
  readonly quotes: number;
  readonly reconnects: number;
  readonly ignored: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  readonly last_frame_at: string | null;
  readonly last_frame_age_s: number | null;
  readonly lag_s: number | null;
  readonly name: string;
}

export interface NewInStage {
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
  readonly items: readonly MovedGroup[];
  readonly cut: number;
}

export interface NextLineShown {
  readonly name: string;
  readonly ltv?: string;
  readonly level?: string;
  readonly distance_percent: string;
  readonly strict?: boolean;
}

export interface Offers {
  readonly flexible: string | null;
  readonly "30d": string | null;
  readonly "60d": string | null;
}

export interface OnItsWay {
  readonly entry: string;
  readonly kind: string;
  readonly asset: string;
  readonly quantity: string;
  readonly value_usd: string;
  readonly expected: string;
  readonly counts: boolean;
}

export interface OwedThen {
  readonly loan: string;
  readonly asset: string;
  readonly principal: string;
  readonly interest: string;
  readonly owed: string;
}

export interface PermittedShown {
  readonly trade: boolean;
  readonly move_within_group: boolean;
  readonly withdraw: boolean;
  readonly new_order: boolean;
  readonly new_order_refusals: readonly Reason[];
  readonly not_stated: Readonly<Record<string, Reason>>;
  readonly withdrawable: Readonly<Record<string, string>>;
  readonly removable_accounts: readonly string[];
  readonly accounts: Readonly<Record<string, DetachableAccount>>;
}

export interface PinnedShown {
  readonly by: string;
  readonly until: string;
  readonly reason: string;
}

export interface PreviewedGroup {
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly from: Stage;
  readonly to: Stage;
  readonly ltv_before: string | null;
  readonly ltv: string | null;
  readonly level_before: string | null;
  readonly level: string | null;
  readonly missing: readonly string[];
  readonly debt_usd: string;
  readonly recognised_before_usd: string | null;
  readonly recognised_usd: string;
  readonly next_line: NextLineShown | null;
}

export interface PriceHealth {
  readonly needed: number;
  readonly untrusted: number;
  readonly untrusted_assets: readonly string[];
  readonly oldest_asset: string | null;
  readonly oldest_age_s: number | null;
}

export interface PriceItem {
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
  readonly candidate?: string | null;
  readonly candidate_since?: string | null;
  readonly instruments?: string | null;
  readonly pinned?: PinnedShown;
  readonly decisions?: readonly DecisionShown[];
  readonly sources?: readonly SourceShown[];
}

export interface PriceList {
  readonly items: readonly PriceItem[];
  readonly next: string | null;
}

export interface PricesEvent {
  readonly at: string;
  readonly snapshot: boolean;
  readonly items: readonly PriceItem[];
}

export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly errors?: readonly Readonly<Record<string, string>>[] | null;
  readonly reason?: string | null;
  readonly retry_after_s?: number | null;
}

export interface ProposalAnswer {
  readonly id: string;
  readonly outcome: string;
  readonly lever: LeverItem | null;
}

export interface ProposalItem {
  readonly id: string;
  readonly act: string;
  readonly change: string;
  readonly by: string;
  readonly person: string;
  readonly reason: string;
  readonly at: string;
  readonly until: string | null;
  readonly expires: string;
  readonly lever: string | null;
  readonly emergency: string | null;
  readonly effects: EffectsShown;
}

export interface ProposalList {
  readonly items: readonly ProposalItem[];
  readonly next: string | null;
}

export interface ProposalLook {
  readonly proposal: ProposalItem;
  readonly at: string;
  readonly now: EffectsShown;
}

export interface PutAnswer {
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
  readonly thresholds: Readonly<Record<string, string>>;
  readonly next_line: NextLineShown | null;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  readonly acknowledged?: AckShown | null;
  readonly call?: CallBrief;
  readonly dry_run: boolean;
  readonly before: GroupRow | null;
  readonly alerts: readonly string[] | null;
}

export interface Question {
  readonly where: string;
  readonly text: string;
  readonly remedy: string;
}

export interface RateItem {
  readonly product: string;
  readonly asset: string;
  readonly effective: string;
  readonly rate: string;
  readonly per: string;
  readonly source: string;
  readonly in_force: boolean;
}

export interface RateList {
  readonly items: readonly RateItem[];
  readonly next: string | null;
}

export interface RatesAnswer {
  readonly items: readonly RateItem[];
}

export interface Readiness {
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly degraded: readonly DegradedItem[];
  readonly prices: PriceHealth | null;
  readonly oldest_undelivered_s: Readonly<Record<string, number>> | null;
  readonly head?: HeadState | null;
}

export interface Reason {
  readonly reason: string;
  readonly text: string;
}

export interface RefusedCell {
  readonly where: string;
  readonly value: string;
  readonly what: string;
  readonly group?: string | null;
}

export interface ReloadEffect {
  readonly rules: "held" | "taken" | "unchanged";
  readonly moved: number;
  readonly limit: number;
  readonly preview: RulesPreview | null;
}

export interface ReloadRefused {
  readonly reason: string;
  readonly detail: string;
}

export interface Renewal {
  readonly opens_at: string;
  readonly closes_at: string;
  readonly open: boolean;
  readonly renewable: boolean;
  readonly refusals: readonly Reason[];
}

export interface RepaymentItem {
  readonly kind: "repayment";
  readonly cursor: string;
  readonly at: string;
  readonly loan: string;
  readonly asset: string;
  readonly entry: string;
  readonly amount: string;
  readonly interest_paid: string;
  readonly principal_paid: string;
  readonly interest_left: string;
  readonly principal_left: string;
  readonly ltv_after: string | null;
}

export interface Replayed {
  readonly notifier: string;
  readonly sent: number;
  readonly first: number | null;
  readonly last: number | null;
  readonly next: number | string | null;
}

export interface Retried {
  readonly count: number;
  readonly passed_over: number;
  readonly more: boolean;
}

export interface ReverseAnswer {
  readonly kind: "reverse";
  readonly at: string;
  readonly share: string;
  readonly assets: readonly string[];
  readonly fall_percent: string | null;
  readonly reached: FallReach | null;
  readonly below: FallReach | null;
  readonly reason: string | null;
  readonly is_exact: Exactness;
  readonly partial?: boolean;
}

export interface RotaItem {
  readonly name: string;
  readonly time_zone: string;
  readonly people: readonly string[];
  readonly now: ShiftItem;
  readonly next: ShiftItem | null;
}

export interface RotaList {
  readonly items: readonly RotaItem[];
}

export interface RulesPreview {
  readonly at: string;
  readonly refused: ReloadRefused | null;
  readonly products: readonly ChangedProduct[];
  readonly lifecycle: readonly string[];
  readonly groups: number;
  readonly unknown: number;
  readonly is_exact: boolean;
  readonly moves: readonly MovedGroups[];
  readonly items: readonly PreviewedGroup[];
  readonly cut: number;
}

export interface SessionItem {
  readonly name: string;
  readonly role: string;
  readonly may: readonly string[];
  readonly scope: Readonly<Record<string, string>>;
  readonly tokens: boolean;
  readonly cookie: boolean;
  readonly until: string | null;
  readonly zone: string | null;
  readonly sign_out_url?: string | null;
}

export interface ShardItem {
  readonly shard: number;
  readonly copy: number;
  readonly where: string;
  readonly groups: number;
  readonly debt_usd: string;
  readonly missing: boolean;
  readonly watched: boolean;
  readonly answered_s: number;
  readonly memory_bytes: number | null;
  readonly state: string;
}

export interface ShardList {
  readonly items: readonly ShardItem[];
  readonly unwatched: number;
}

export interface SheetShown {
  readonly sheet: string;
  readonly header_row: number;
  readonly rows: number;
  readonly columns: readonly ColumnShown[];
}

export interface ShiftItem {
  readonly person: string;
  readonly since: string;
  readonly until: string | null;
}

export interface ShockedPrice {
  readonly shock: string;
  readonly before: string | null;
  readonly after: string;
}

export interface ShortCoin {
  readonly asset: string;
  readonly interest: string;
  readonly balance: string;
  readonly short: string;
}

export interface SignInWays {
  readonly token: boolean;
  readonly provider: string | null;
}

export interface SilenceItem {
  readonly id: string;
  readonly match: Match;
  readonly until: string;
  readonly reason: string;
  readonly up_to: Stage | Severity | null;
  readonly even_worse: boolean;
  readonly by: string;
  readonly at: string;
}

export interface SilenceList {
  readonly items: readonly SilenceItem[];
  readonly next: string | null;
}

export interface SilencePreview {
  readonly groups: HiddenGroups;
  readonly alerts: HiddenAlerts;
}

export interface SourceItem {
  readonly name: string;
  readonly kind: string;
  readonly gives: string;
  readonly path: string | null;
  readonly as_of: string | null;
  readonly seen_at: string | null;
  readonly version: string | null;
  readonly limit_s: number | null;
  readonly stale: boolean;
  readonly refused: number;
  readonly left_out: number;
  readonly unwatched: number;
  readonly troubles: readonly TroubleItem[];
  readonly troubles_cut: number;
}

export interface SourceList {
  readonly at: string;
  readonly items: readonly SourceItem[];
  readonly unwatched: number;
  readonly others: readonly TroubleItem[];
  readonly next: string | null;
}

export interface SourceShown {
  readonly source: string;
  readonly price: string;
  readonly quote: string;
  readonly state: string;
  readonly reason: string | null;
  readonly price_at: string | null;
  readonly received_at: string;
  readonly changed_at: string;
  readonly exchange_age_s: number | null;
  readonly receipt_age_s: number;
  readonly change_age_s: number;
}

export interface StageChange {
  readonly from: Stage | null;
  readonly to: Stage | null;
}

export interface StandShown {
  readonly product: string;
  readonly stage: Stage;
  readonly figure: string | null;
  readonly next_line: string | null;
  readonly next_level: string | null;
  readonly liquidated_at: string | null;
  readonly metric: string;
  readonly lines: readonly string[];
}

export interface Status {
  readonly at: string;
  readonly name: string;
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly degraded: readonly DegradedItem[];
  readonly groups: GroupCounts;
  readonly prices: PriceHealth;
  readonly oldest_undelivered_s: Readonly<Record<string, number>>;
  readonly feeds: Readonly<Record<string, FeedItem>>;
  readonly books: Readonly<Record<string, BookItem>>;
  readonly cursor: number | null;
  readonly streams: number;
  readonly rules: readonly string[];
  readonly head?: HeadState | null;
}

export interface StatusEvent {
  readonly at: string;
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly degraded: readonly DegradedItem[];
  readonly feeds: Readonly<Record<string, boolean>>;
  readonly cursor: number | null;
}

export interface StressAnswer {
  readonly kind: "shocks";
  readonly at: string;
  readonly shocks: Readonly<Record<string, ShockedPrice>>;
  readonly groups: number;
  readonly unknown: number;
  readonly is_exact: Exactness;
  readonly before: Readonly<Record<Stage, SumsShown>>;
  readonly after: Readonly<Record<Stage, SumsShown>>;
  readonly moves: readonly MovedGroups[];
  readonly bankrupt: number;
  readonly shortfall_usd: string;
  readonly expected_shortfall_usd: string;
  readonly fees_usd: string;
  readonly fund_draw_usd?: string;
  readonly scenario: string | null;
  readonly newly: Readonly<Record<Stage, NewInStage>>;
  readonly partial?: boolean;
}

export interface SumsShown {
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
}

export interface TermShown {
  readonly figure: string;
  readonly value: string;
  readonly origin: string;
}

export interface TestedEndpoint {
  readonly delivered: boolean;
  readonly detail: string;
  readonly took_ms: number;
}

export interface Tier {
  readonly from: string;
  readonly to: string | null;
  readonly share: string;
  readonly value_usd: string;
  readonly recognised_usd: string;
  readonly from_amount?: string;
  readonly to_amount?: string | null;
}

export interface TimelineItem {
  readonly kind: "ack" | "alert" | "book" | "entry" | "stage";
  readonly at: string;
  readonly id?: string | null;
  readonly cursor?: number | null;
  readonly type?: string | null;
  readonly severity?: Severity | null;
  readonly episode?: number | null;
  readonly stage?: StageChange | null;
  readonly reason?: string | null;
  readonly ltv?: string | null;
  readonly deadline?: string | null;
  readonly blind?: boolean;
  readonly silenced_by?: string | null;
  readonly told?: readonly ToldItem[];
  readonly action?: string | null;
  readonly who?: string | null;
  readonly note?: string | null;
  readonly until?: string | null;
}

export interface ToldItem {
  readonly delivery: string;
  readonly notifier: string;
  readonly to: readonly string[];
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly attempts: number;
  readonly delivered_at: string | null;
  readonly detail: string;
  readonly held_until: string | null;
}

export interface TroubleItem {
  readonly kind: string;
  readonly subject: string;
  readonly place: string | null;
  readonly group: string | null;
  readonly watched: boolean;
  readonly since: string;
  readonly text: string;
  readonly cells: readonly BadCell[];
}

export interface Uncounted {
  readonly asset: string;
  readonly quantity: string;
  readonly accounts: Readonly<Record<string, string>>;
}

export interface UncountedShown {
  readonly asset: string;
  readonly quantity: string;
}

export interface WhatIfAnswer {
  readonly id: string;
  readonly at: string;
  readonly before: WhatIfStanding;
  readonly after: WhatIfStanding;
  readonly returned: Readonly<Record<string, string>>;
}

export interface WhatIfStanding {
  readonly ltv: string | null;
  readonly band: string | null;
  readonly debt_usd: string | null;
  readonly recognised_usd: string | null;
  readonly market_usd: string | null;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  readonly net_equity_usd?: string | null;
  readonly liabilities_usd?: string | null;
  readonly initial_margin_usd?: string | null;
  readonly available_margin_usd?: string | null;
  readonly collateral_margin_level?: string | null;
  readonly maintenance_margin_usd?: string | null;
  readonly cure: CureShown | null;
  readonly liquidation_price: Readonly<Record<string, string | null>> | null;
  readonly liquidation_together?: readonly JointFactor[];
  readonly next_line: NextLineShown | null;
  readonly liquidation: ClearanceShown | null;
  readonly closable?: readonly Closable[];
  readonly stage: Stage;
  readonly deadline: string | null;
  readonly blind: boolean;
  readonly unknown: boolean;
  readonly missing: readonly string[];
  readonly bounds: BoundsShown | null;
  readonly permitted: PermittedShown;
  readonly borrowable_usd: string;
  readonly borrowable: Readonly<Record<string, BorrowableCoin>>;
  readonly alerts: readonly string[];
}
