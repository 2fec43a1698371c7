/** Made by `python -m tools.typescript` from the structs that the monitor sends; change those, not this file.

Money, prices and ratios are decimal text, times RFC 3339 in UTC. */

import type { Severity, Stage } from "./alerts.generated";

/** What was acknowledged. */
export interface AckAnswer {
  readonly alert: string;
  readonly group: string;
  readonly acknowledged: AckShown;
}

/** Who has a group's stage in hand; `until` is null where that holds as long as the stage. */
export interface AckShown {
  readonly by: string;
  readonly at: string;
  readonly alert: string;
  readonly note: string;
  readonly until: string | null;
}

/** The `data` of an alert. An alert that is about no group has `subject` and `facts` instead of `group` and figures. */
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
  readonly cure?: CureShown | null;
  readonly liquidation_price?: Readonly<Record<string, string | null>> | null;
  readonly inputs?: readonly InputShown[];
  readonly debts?: readonly DebtShown[];
  readonly inputs_cut?: number;
  readonly rules?: string;
  readonly metric?: string;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  readonly deadline?: string | null;
  readonly supersedes?: string | null;
  readonly suppressed?: readonly string[];
  readonly cause?: string;
  readonly rules_from?: string;
  readonly facts?: Readonly<Record<string, unknown>>;
  readonly debts_cut?: number;
  readonly acknowledged?: AckShown;
}

/** An alert: the same object in the log, the stream and webhooks. */
export interface AlertItem {
  readonly type: string;
  readonly timestamp: string;
  readonly data: AlertData;
}

/** Alerts, oldest first. */
export interface AlertList {
  readonly items: readonly AlertItem[];
  readonly next: number | null;
}

/** The event loop runs. */
export interface Alive {
  readonly alive: boolean;
}

/** One attempt and what it ended with. */
export interface AttemptItem {
  readonly at: string;
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly detail: string;
  readonly due_at: string;
  readonly took_ms: number;
}

/** Who changed what and when, with the state before and after. */
export interface AuditItem {
  readonly cursor: number;
  readonly at: string;
  readonly who: string;
  readonly action: string;
  readonly subject: string;
  readonly before: unknown;
  readonly after: unknown;
}

/** The audit record, oldest first. */
export interface AuditList {
  readonly items: readonly AuditItem[];
  readonly next: number | null;
}

/** One side of a matrix. */
export interface Axis {
  readonly asset: string;
  readonly shocks: readonly string[];
}

/** A group that a liquidation would leave bankrupt. */
export interface BankruptGroup {
  readonly id: string;
  readonly shortfall_usd: string;
}

/** One coin that the product lends. Limits are null where there are none, `left_usd` also while its price is missing. */
export interface BorrowableCoin {
  readonly limit_usd: string | null;
  readonly left_usd: string | null;
  readonly limit: string | null;
  readonly left: string | null;
  readonly most_usd: string;
  readonly allowed: boolean;
  readonly reasons: readonly Reason[];
  readonly offers: Offers;
}

/** The book under two shocks; the debt is that at or beyond the liquidation line. */
export interface Cell {
  readonly stages: Readonly<Record<Stage, number>>;
  readonly liquidation_debt_usd: string;
  readonly shortfall_usd: string;
  readonly expected_shortfall_usd: string;
  readonly is_exact: Exactness;
}

/** One notifier. `breaker`: open while it is only probed. Times of the last attempts are since the daemon's start. */
export interface ChannelItem {
  readonly name: string;
  readonly kind: string;
  readonly breaker: string;
  readonly queued: number;
  readonly oldest_at: string | null;
  readonly oldest_age_s: number | null;
  readonly last_delivered_at: string | null;
  readonly last_failed_at: string | null;
  readonly last_failure: string | null;
}

/** Notifiers by name. */
export interface ChannelList {
  readonly items: readonly ChannelItem[];
  readonly next: string | null;
}

/** What would follow were the whole group liquidated at these prices. */
export interface ClearanceShown {
  readonly market_usd: string;
  readonly fee_usd: string;
  readonly debt_usd: string;
  readonly left_usd: string;
  readonly shortfall_usd: string;
  readonly bankrupt: boolean;
}

/** How much of a coin's debt one liquidation may repay out of a coin of the collateral. */
export interface Closable {
  readonly debt: string;
  readonly collateral: string;
  readonly closable_usd: string;
}

/** One collateral asset, its price, and what the ladder recognises of it. */
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

/** How the groups of the caller stand. */
export interface CountsEvent {
  readonly at: string;
  readonly groups: GroupCounts;
}

/** The ways back to the initial level: an LTV, or the level of a product that has one. */
export interface CureShown {
  readonly to_ltv?: string;
  readonly to_level?: string;
  readonly repay_usd: string;
  readonly add_recognised_usd: string;
  readonly by_asset: Readonly<Record<string, string | null>>;
}

/** One loan as it went into the decision. */
export interface DebtShown {
  readonly loan: string;
  readonly asset: string;
  readonly principal: string;
  readonly interest: string;
  readonly price: string | null;
  readonly value_usd: string | null;
}

/** A delivery with the record of its attempts. */
export interface DeliveryDetail {
  readonly id: string;
  readonly cursor: number;
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
  readonly record: readonly AttemptItem[];
}

/** One alert on its way to one notifier. */
export interface DeliveryItem {
  readonly id: string;
  readonly cursor: number;
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
}

/** Deliveries, oldest alert first. */
export interface DeliveryList {
  readonly items: readonly DeliveryItem[];
  readonly next: string | null;
}

/** Whether a collateral account may be detached now (VIP FAQ 8). */
export interface DetachableAccount {
  readonly detachable: boolean;
  readonly reasons: readonly Reason[];
}

/** What became of a book entry. `group` is null where the group was closed since a first, equal entry. */
export interface EntryAnswer {
  readonly id: string;
  readonly type: string;
  readonly at: string | null;
  readonly version: number | null;
  readonly duplicate: boolean;
  readonly group: GroupRow | null;
}

/** Whether every group's stage is exact, and whether the sums are: those of more than 1,000 groups have cents. */
export interface Exactness {
  readonly counts: boolean;
  readonly sums: boolean;
}

/** Groups with one key. `key` is null for groups without the label. A share is of the debt, for a coin of the market value of the collateral. For a coin the sums are what groups hold of it, its debt what they owe in it. */
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

/** The book by key. `wrong_way` comes with `by=asset`. */
export interface ExposureList {
  readonly at: string;
  readonly by: string;
  readonly total: SumsShown;
  readonly unknown: number;
  readonly is_exact: boolean;
  readonly wrong_way: readonly IssuerPair[];
  readonly items: readonly ExposureItem[];
  readonly next: string | null;
}

/** What a common fall brings to the liquidation line. */
export interface FallReach {
  readonly fall_percent: string;
  readonly groups: number;
  readonly debt_usd: string;
  readonly share: string | null;
}

/** One price source: what came, and what was refused or ignored, by reason. `lag_s`: how long after the venue's own time its newest price in force was received; 0 where the venue's clock is ahead. */
export interface FeedItem {
  readonly connected: boolean;
  readonly reason: string;
  readonly frames: number;
  readonly quotes: number;
  readonly reconnects: number;
  readonly ignored: Readonly<Record<string, number>>;
  readonly refused: Readonly<Record<string, number>>;
  readonly last_frame_at: string | null;
  readonly last_frame_age_s: number | null;
  readonly lag_s: number | null;
}

/** Price sources by name. */
export interface FeedList {
  readonly items: readonly NamedFeed[];
  readonly next: string | null;
}

/** The insurance fund at the last look, at most 50 groups with the largest shortfall first. */
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

/** The stream ends: alerts were lost for it. Ask again from this cursor. */
export interface GapEvent {
  readonly resume_after: number;
  readonly reason: string;
}

/** How the groups stand. `debt_usd` is by stage, in whole USD, without groups that cannot be valued. */
export interface GroupCounts {
  readonly total: number;
  readonly unknown: number;
  readonly blind: number;
  readonly stages: Readonly<Record<Stage, number>>;
  readonly debt_usd: Readonly<Record<Stage, string>>;
}

/** All that is known of a group at one instant. */
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
  readonly maintenance_margin_usd?: string | null;
  readonly cure: CureShown | null;
  readonly liquidation_price: Readonly<Record<string, string | null>> | null;
  readonly next_line: NextLineShown | null;
  readonly liquidation: ClearanceShown | null;
  readonly closable?: readonly Closable[];
  readonly stage: Stage;
  readonly deadline: string | null;
  readonly blind: boolean;
  readonly unknown: boolean;
  readonly missing: readonly string[];
  readonly permitted: PermittedShown;
  readonly borrowable_usd: string;
  readonly borrowable: Readonly<Record<string, BorrowableCoin>>;
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly receiving_account: string;
  readonly leverage?: number;
  readonly delayed_liquidation: boolean;
  readonly source: string;
  readonly version: number;
  readonly at: string;
  readonly reason: string | null;
  readonly since: string | null;
  readonly episode: number;
  readonly sequence: number;
  readonly acknowledged: AckShown | null;
  readonly thresholds: Readonly<Record<string, string>>;
  readonly rules: string;
  readonly contributions: readonly Contribution[];
  readonly uncounted: readonly Uncounted[];
  readonly liabilities?: readonly Liability[];
  readonly settling: boolean;
  readonly loans: readonly LoanDetail[];
  readonly interest_short: readonly ShortCoin[];
}

/** Groups, worst first. */
export interface GroupList {
  readonly items: readonly GroupRow[];
  readonly next: string | null;
}

/** The group that an alert is about. */
export interface GroupRef {
  readonly id: string;
  readonly product: string;
  readonly receiving_account: string;
  readonly labels: Readonly<Record<string, string>>;
}

/** A group in a list. Figures are null while a price is missing; `ltv` is null also where nothing is recognised. */
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
}

/** What happened to a group, oldest first. */
export interface GroupTimeline {
  readonly items: readonly TimelineItem[];
  readonly next: string | null;
}

/** Rows of the filter that changed, and ids that left it. The first event, a snapshot, has them all. */
export interface GroupsEvent {
  readonly at: string;
  readonly snapshot: boolean;
  readonly rows: readonly GroupRow[];
  readonly gone: readonly string[];
}

/** An alert that a silence would have hidden. */
export interface HiddenAlert {
  readonly id: string;
  readonly cursor: number;
  readonly type: string;
  readonly severity: Severity;
  readonly subject: string;
  readonly timestamp: string;
}

/** Alerts of the last 24 hours that match: `hidden` would have been, `told` not, as worse or as good news. */
export interface HiddenAlerts {
  readonly hidden: number;
  readonly told: number;
  readonly types: Readonly<Record<string, number>>;
  readonly items: readonly HiddenAlert[];
  readonly whole: boolean;
}

/** A group that a silence would be about, and what of it would be hidden at worst. */
export interface HiddenGroup {
  readonly id: string;
  readonly product: string;
  readonly stage: Stage;
  readonly up_to: string;
}

/** Groups in a bad stage that a silence would be about; the first 100 are listed. `whole`: all were looked at. */
export interface HiddenGroups {
  readonly count: number;
  readonly items: readonly HiddenGroup[];
  readonly whole: boolean;
}

/** Items of one kind, newest last. */
export interface HistoryList {
  readonly items: readonly (LoanItem | RepaymentItem | LiquidationItem | InterestItem)[];
  readonly next: string | null;
}

/** One collateral asset as it went into the decision; null where the price is missing. */
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
}

/** What one UTC day charged a loan at one rate; `rate` is per `period`, of which there were `periods`. */
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

/** Groups that owe one coin and hold one of the same issuer. */
export interface IssuerPair {
  readonly issuer: string;
  readonly debt: string;
  readonly collateral: string;
  readonly groups: number;
  readonly debt_usd: string;
  readonly market_usd: string;
}

/** The debt in one coin, where loans are liabilities; its tier counts from 1. */
export interface Liability {
  readonly asset: string;
  readonly amount: string;
  readonly borrow_limit: string | null;
  readonly borrow_left: string | null;
  readonly value_usd?: string | null;
  readonly tier?: string | null;
  readonly max_leverage?: string | null;
  readonly initial_rate?: string | null;
  readonly maintenance_rate?: string | null;
  readonly maintenance_amount?: string | null;
  readonly initial_margin_usd?: string | null;
  readonly maintenance_margin_usd?: string | null;
}

/** A liquidation began, was carried out, or was cleared. Sums are null of one cleared, and where a price was missing. */
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

/** One loan with its interest of the day. */
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
}

/** A loan was opened, renewed, restated by a put, or closed, and how it stood then. */
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
}

/** Flexible, or fixed with its share per day. */
export interface LoanRate {
  readonly kind: string;
  readonly daily: string | null;
  readonly paid_in?: string;
}

/** What was kept of a group's LTV, oldest first; each point covers `step_s` seconds. */
export interface LtvHistory {
  readonly id: string;
  readonly from: string;
  readonly to: string;
  readonly step_s: number;
  readonly items: readonly LtvItem[];
}

/** LTV from `at` on for one step: the lowest, the highest and the last that was seen; null where there was none. `blind`: a price was not trusted at some time in it; `unknown`: one was missing; `unrecognised`: nothing was recognised; `gap`: nothing was kept from `at` until the next point. */
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

/** What an alert must be like, in every key that is stated. `type`, `group` and the values of `labels` may be globs. */
export interface Match {
  readonly type?: string | null;
  readonly severity?: "critical" | "info" | "warning" | null;
  readonly product?: string | null;
  readonly group?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
}

/** A row for each shock of y, in it a cell for each of x. */
export interface MatrixAnswer {
  readonly kind: "matrix";
  readonly at: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly cells: readonly (readonly Cell[])[];
}

/** A group that changes its stage; exact. */
export interface MovedGroup {
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly from: string;
  readonly to: string;
  readonly ltv_before: string | null;
  readonly ltv: string | null;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
  readonly shortfall_usd: string;
}

/** Groups by their stage before and after. */
export interface MovedGroups {
  readonly from: string;
  readonly to: string;
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
}

/** A price source with its name. */
export interface NamedFeed {
  readonly connected: boolean;
  readonly reason: string;
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

/** Groups that are new in a stage, the worst first; `cut` of them are not listed. */
export interface NewInStage {
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
  readonly items: readonly MovedGroup[];
  readonly cut: number;
}

/** The line that LTV, or a product's level, meets next; the recognised value may fall by so many percent until then. */
export interface NextLineShown {
  readonly name: string;
  readonly ltv?: string;
  readonly level?: string;
  readonly distance_percent: string;
}

/** Daily rates of a new order; null where there is none. */
export interface Offers {
  readonly flexible: string | null;
  readonly "30d": string | null;
  readonly "60d": string | null;
}

/** What the borrower may do now. */
export interface PermittedShown {
  readonly trade: boolean;
  readonly move_within_group: boolean;
  readonly withdraw: boolean;
  readonly new_order: boolean;
  readonly new_order_refusals: readonly Reason[];
  readonly withdrawable: Readonly<Record<string, string>>;
  readonly removable_accounts: readonly string[];
  readonly accounts: Readonly<Record<string, DetachableAccount>>;
}

/** Prices that groups need, those of them that are not trusted (at most 20 named), and the oldest receipt. */
export interface PriceHealth {
  readonly needed: number;
  readonly untrusted: number;
  readonly untrusted_assets: readonly string[];
  readonly oldest_asset: string | null;
  readonly oldest_age_s: number | null;
}

/** An asset's price in USD, where it comes from, its ages, and whether it may be believed. */
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
}

/** Prices by asset. */
export interface PriceList {
  readonly items: readonly PriceItem[];
  readonly next: string | null;
}

/** Prices that changed. The first event, a snapshot, has them all. */
export interface PricesEvent {
  readonly at: string;
  readonly snapshot: boolean;
  readonly items: readonly PriceItem[];
}

/** An error of this API. `errors` names every place that is wrong; `reason` is the book's, for programs. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly errors?: readonly Readonly<Record<string, string>>[] | null;
  readonly reason?: string | null;
}

/** A coin's rate per period of the product, from a time on. `source` is a version of the rules, a rate source or `api`. */
export interface RateItem {
  readonly product: string;
  readonly asset: string;
  readonly effective: string;
  readonly rate: string;
  readonly per: string;
  readonly source: string;
  readonly in_force: boolean;
}

/** Rates by product, coin and time. */
export interface RateList {
  readonly items: readonly RateItem[];
  readonly next: string | null;
}

/** The rates that were given, by coin, and since when they hold. */
export interface RatesAnswer {
  readonly items: readonly RateItem[];
}

/** Whether the daemon does its work, and what keeps it from it, by part. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly prices: PriceHealth | null;
  readonly oldest_undelivered_s: Readonly<Record<string, number>> | null;
}

/** Why something is refused: a word for programs, a sentence for people. */
export interface Reason {
  readonly reason: string;
  readonly text: string;
}

/** When a term loan may be renewed, and why that would be refused now. */
export interface Renewal {
  readonly opens_at: string;
  readonly closes_at: string;
  readonly open: boolean;
  readonly renewable: boolean;
  readonly refusals: readonly Reason[];
}

/** What one repayment took off one loan, what remains, and the group's LTV after it. */
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

/** The smallest common fall that reaches a share of the debt, and what 0.01 % less would reach. */
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
}

/** Who asks. `tokens`: the daemon has some; `cookie`: the caller has a session, which lasts `until`. */
export interface SessionItem {
  readonly name: string;
  readonly role: string;
  readonly may: readonly string[];
  readonly scope: Readonly<Record<string, string>>;
  readonly tokens: boolean;
  readonly cookie: boolean;
  readonly until: string | null;
}

/** A shock and its coin's USD price. */
export interface ShockedPrice {
  readonly shock: string;
  readonly before: string | null;
  readonly after: string;
}

/** A coin whose stated Spot balances do not pay its interest. */
export interface ShortCoin {
  readonly asset: string;
  readonly interest: string;
  readonly balance: string;
  readonly short: string;
}

/** A silence in force. */
export interface SilenceItem {
  readonly id: string;
  readonly match: Match;
  readonly until: string;
  readonly reason: string;
  readonly up_to: string | null;
  readonly even_worse: boolean;
  readonly by: string;
  readonly at: string;
}

/** Silences in force, by id. */
export interface SilenceList {
  readonly items: readonly SilenceItem[];
  readonly next: string | null;
}

/** What a silence would hide, were it made now. Nothing is made. */
export interface SilencePreview {
  readonly groups: HiddenGroups;
  readonly alerts: HiddenAlerts;
}

/** The stages before and after. */
export interface StageChange {
  readonly from: string | null;
  readonly to: string | null;
}

/** The daemon at a glance. `reasons` have no texts for a token with a scope: these may name other groups. */
export interface Status {
  readonly at: string;
  readonly name: string;
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly groups: GroupCounts;
  readonly prices: PriceHealth;
  readonly oldest_undelivered_s: Readonly<Record<string, number>>;
  readonly feeds: Readonly<Record<string, FeedItem>>;
  readonly cursor: number;
  readonly streams: number;
  readonly rules: readonly string[];
}

/** Whether the daemon does its work, which feeds are connected, and the end of the alert log. */
export interface StatusEvent {
  readonly at: string;
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly feeds: Readonly<Record<string, boolean>>;
  readonly cursor: number;
}

/** The book before and after shocks, by stage, with what is lost. */
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
  readonly fund_draw_usd: string;
  readonly scenario: string | null;
  readonly newly: Readonly<Record<Stage, NewInStage>>;
}

/** Groups and what they come to in USD. */
export interface SumsShown {
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
}

/** The part of an asset's value that lies inside one tier of its ladder. */
export interface Tier {
  readonly from: string;
  readonly to: string | null;
  readonly share: string;
  readonly value_usd: string;
  readonly recognised_usd: string;
}

/** Something that happened to a group. `kind` is `stage` or `alert` with what was said and who was `told`; or `ack`, `entry` or `book` with `action` and `who`. */
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

/** Who was told of an alert, and when; `delivered_at` is null while that has not happened. */
export interface ToldItem {
  readonly delivery: string;
  readonly notifier: string;
  readonly to: readonly string[];
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly attempts: number;
  readonly delivered_at: string | null;
  readonly detail: string;
}

/** A coin that the product's ladders do not list. */
export interface Uncounted {
  readonly asset: string;
  readonly quantity: string;
  readonly accounts: Readonly<Record<string, string>>;
}

/** The group as it is and as it would be. */
export interface WhatIfAnswer {
  readonly id: string;
  readonly at: string;
  readonly before: WhatIfStanding;
  readonly after: WhatIfStanding;
}

/** A standing, and the types of the alerts that would be raised on the way to it. */
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
  readonly maintenance_margin_usd?: string | null;
  readonly cure: CureShown | null;
  readonly liquidation_price: Readonly<Record<string, string | null>> | null;
  readonly next_line: NextLineShown | null;
  readonly liquidation: ClearanceShown | null;
  readonly closable?: readonly Closable[];
  readonly stage: Stage;
  readonly deadline: string | null;
  readonly blind: boolean;
  readonly unknown: boolean;
  readonly missing: readonly string[];
  readonly permitted: PermittedShown;
  readonly borrowable_usd: string;
  readonly borrowable: Readonly<Record<string, BorrowableCoin>>;
  readonly alerts: readonly string[];
}
