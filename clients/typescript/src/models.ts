/** What the API reads and answers. Made by `python -m tools.clients` from the contract; change that, not this file. */

/** What was acknowledged. */
export interface AckAnswer {
  readonly alert: string;
  readonly group: string;
  readonly acknowledged: AckShown;
}

/** A note for the colleagues, and until when reminders rest; without it as long as the stage lasts. */
export interface AckBody {
  readonly note?: string | null;
  readonly until?: string | null;
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
  readonly cursor: number | null;
  readonly severity: "critical" | "info" | "warning";
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
  readonly inputs?: ReadonlyArray<InputShown>;
  readonly debts?: ReadonlyArray<DebtShown>;
  readonly inputs_cut?: number;
  readonly bound?: boolean;
  readonly missing?: ReadonlyArray<string>;
  readonly uncounted?: ReadonlyArray<UncountedShown>;
  readonly rules?: string;
  readonly metric?: string;
  readonly margin_level?: string | null;
  readonly health_factor?: string | null;
  readonly deadline?: string | null;
  readonly supersedes?: string | null;
  readonly suppressed?: ReadonlyArray<string>;
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

/** An alert: the same object in the log, the stream and webhooks. */
export interface AlertItem {
  readonly type: string;
  readonly timestamp: string;
  readonly data: AlertData;
}

/** Alerts, oldest first, or newest first where that was asked. */
export interface AlertList {
  readonly items: ReadonlyArray<AlertItem>;
  readonly next: number | string | null;
}

/** The event loop runs. `instance`: a digest of the machine and the place of the configuration. */
export interface Alive {
  readonly alive: boolean;
  readonly instance: string;
}

/** Tiers of a coin by its amount, whatever its price: `{ by = "amount", tiers = [["500", "0.98"], ["600", "0.975"]] }`. */
export interface AmountTable {
  readonly by: "amount";
  readonly tiers: ReadonlyArray<ReadonlyArray<unknown>>;
}

/** Collateral or a repayment is on its way to an open margin call. It counts in no LTV (domain section 10.7). */
export interface AnnounceEntry {
  readonly type: "announce";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly kind: "collateral" | "repayment";
  readonly asset: string;
  readonly amount: string;
  readonly expected: string;
}

/** Somebody has an alert in hand. */
export interface AnswerItem {
  readonly by: string;
  readonly at: string;
  readonly note: string;
}

/** `seen`: that of the effects that the person saw. An act that does something else by then is refused. */
export interface ApproveBody {
  readonly seen?: string;
}

/** AttachAccountEntry */
export interface AttachAccountEntry {
  readonly type: "attach_account";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly account: string;
}

/** One attempt and what it ended with. */
export interface AttemptItem {
  readonly at: string;
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly detail: string;
  readonly due_at: string;
  readonly took_ms: number;
}

/** The last record: keep it elsewhere, and `monitor audit verify --head` shows that nothing up to there is gone. */
export interface AuditHeadItem {
  readonly number: number;
  readonly digest: string;
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

/** A page of the audit record. `head` is the last record of all. */
export interface AuditList {
  readonly items: ReadonlyArray<AuditItem>;
  readonly next: number | null;
  readonly head: AuditHeadItem;
}

/** One side of a matrix. */
export interface Axis {
  readonly asset: string;
  readonly shocks: ReadonlyArray<string>;
}

/** One thing that is wrong with a line: where in it, what stands there (null where nothing does), and what mends it. */
export interface BadCell {
  readonly cell: string;
  readonly value: string | null;
  readonly remedy: string;
}

/** A group that a liquidation would leave bankrupt. */
export interface BankruptGroup {
  readonly id: string;
  readonly shortfall_usd: string;
}

/** How fresh a book is. Times are null before it was read; `stale`: it is older than `limit_s`. */
export interface BookItem {
  readonly as_of: string | null;
  readonly seen_at: string | null;
  readonly version: string | null;
  readonly limit_s: number | null;
  readonly stale: boolean;
}

/** The book that a group comes from. `as_of` is the time of the book; `stale`: it is older than its limit. */
export interface BookShown {
  readonly source: string;
  readonly as_of: string | null;
  readonly version: string | null;
  readonly stale: boolean;
}

/** BorrowEntry */
export interface BorrowEntry {
  readonly type: "borrow";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly loan: LoanLine;
}

/** One coin that the product lends. Limits are null where there are none, `left_usd` also while its price is missing. */
export interface BorrowableCoin {
  readonly limit_usd: string | null;
  readonly left_usd: string | null;
  readonly limit: string | null;
  readonly left: string | null;
  readonly most_usd: string;
  readonly most: string | null;
  readonly allowed: boolean;
  readonly reasons: ReadonlyArray<Reason>;
  readonly offers: Offers;
}

/** What became of all groups of a borrower in one UTC day. A borrower is named by a label of its groups: `by` says which. */
export interface BorrowerStatement {
  readonly borrower: string;
  readonly by: string;
  readonly day: string;
  readonly since: string;
  readonly until: string;
  readonly final: boolean;
  readonly cut: boolean;
  readonly balance: ReadonlyArray<CoinBalance>;
  readonly call_sums: CallSums;
  readonly groups: ReadonlyArray<DayStatement>;
}

/** Where a group stands whatever its missing coins are worth: between the best for the borrower and the worst. */
export interface BoundsShown {
  readonly best: EndShown | null;
  readonly worst: EndShown | null;
  readonly is_decided: boolean;
}

/** A call in a row of the list. */
export interface CallBrief {
  readonly number: number;
  readonly status: "disputed" | "expired" | "met" | "open";
  readonly called_usd: string;
  readonly outstanding_usd: string;
  readonly due: string;
}

/** What became of a margin call with an amount, and how it stood then. `what` says which of the other keys there are:
    opened, payment, announced, disputed, resolved, met, withdrawn, superseded, expired, or ended by a worse stage. */
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

/** `call` is null where the group has none now. `items`: what became of all calls, newest last. */
export interface CallList {
  readonly call: CallShown | null;
  readonly items: ReadonlyArray<CallItem>;
  readonly next: string | null;
}

/** The last call of a group's margin call. */
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
  readonly announced: ReadonlyArray<OnItsWay>;
  readonly disputes: ReadonlyArray<DisputeShown>;
}

/** `called_usd` sums what was opened in the day, `received_usd` what came, less what left. */
export interface CallSums {
  readonly called_usd: string;
  readonly received_usd: string;
  readonly outstanding_usd: string;
}

/** The book under two shocks; the debt is that at or beyond the liquidation line. */
export interface Cell {
  readonly stages: Readonly<Record<string, number>>;
  readonly liquidation_debt_usd: string;
  readonly shortfall_usd: string;
  readonly expected_shortfall_usd: string;
  readonly is_exact: Exactness;
}

/** A product whose rules are others, with the versions in force now; `to` is null where it goes, `from` where it comes. */
export interface ChangedProduct {
  readonly product: string;
  readonly from: string | null;
  readonly to: string | null;
  readonly groups: number;
}

/** One notifier. `breaker`: open while it is only probed. Times of the last attempts are since the daemon's start. */
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

/** Notifiers by name. */
export interface ChannelList {
  readonly items: ReadonlyArray<ChannelItem>;
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

/** How much of a coin's debt one liquidation may repay out of a coin of the collateral; `closable` is in the coin. */
export interface Closable {
  readonly debt: string;
  readonly collateral: string;
  readonly closable_usd: string;
  readonly closable: string;
}

/** `before` + `charged` + `borrowed` - `repaid` - `written_off` + `restated` + `moved` is `owed`. */
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

/** A column of the file, and what it is taken for. */
export interface ColumnShown {
  readonly column: string;
  readonly header: string;
  readonly field: string;
  readonly why: string;
  readonly example: string;
}

/** An address of the borrower, the language of its owner (`pl`) and the template of the notices (`short`). */
export interface ContactTo {
  readonly to: string;
  readonly language?: string;
  readonly template?: string;
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
  readonly exchange_age_s: number | null;
  readonly receipt_age_s: number | null;
  readonly change_age_s: number | null;
  readonly trust: string;
  readonly reason: string | null;
  readonly value_usd: string | null;
  readonly recognised_usd: string | null;
  readonly tiers: ReadonlyArray<Tier>;
  readonly pinned?: PinnedShown;
}

/** The ways back to the initial level: an LTV, or the level of a product that has one. */
export interface CureShown {
  readonly to_ltv?: string;
  readonly to_level?: string;
  readonly repay_usd: string;
  readonly add_recognised_usd: string;
  readonly by_asset: Readonly<Record<string, string | null>>;
}

/** What the database says of itself. `synchronous_standby_names`: those that a commit waits for; empty: for none. */
export interface DatabaseState {
  readonly version: string;
  readonly synchronous_standby_names: string;
  readonly fsync: string;
  readonly full_page_writes: string;
  readonly is_standby: boolean;
}

/** What became of a group in one UTC day. */
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
  readonly before: ReadonlyArray<OwedThen>;
  readonly owed: ReadonlyArray<OwedThen>;
  readonly balance: ReadonlyArray<CoinBalance>;
  readonly charged: Readonly<Record<string, string>>;
  readonly interest: ReadonlyArray<InterestItem>;
  readonly repaid: Readonly<Record<string, string>>;
  readonly repayments: ReadonlyArray<RepaymentItem>;
  readonly loans: ReadonlyArray<LoanItem>;
  readonly liquidations: ReadonlyArray<LiquidationItem>;
  readonly call: CallItem | null;
  readonly call_sums: CallSums;
  readonly calls: ReadonlyArray<CallItem>;
  readonly alerts: ReadonlyArray<AlertItem>;
}

/** One loan as it went into the decision. */
export interface DebtShown {
  readonly loan: string;
  readonly asset: string;
  readonly principal: string;
  readonly interest: string;
  readonly price: string | null;
  readonly value_usd: string | null;
  readonly pinned?: PinnedShown;
}

/** What an operator decides about a price: one of `believe`, `exclude` and `pin`, and why. */
export interface DecisionBody {
  readonly reason: string;
  readonly believe?: string | null;
  readonly exclude?: string | null;
  readonly pin?: string | null;
  readonly until?: string | null;
  readonly confirmed?: boolean;
  readonly emergency?: string | null;
}

/** A pin (with `price`, in USD) or an exclusion (with `source`) in force. */
export interface DecisionShown {
  readonly act: "exclude" | "pin";
  readonly price: string | null;
  readonly source: string | null;
  readonly by: string;
  readonly at: string;
  readonly until: string;
  readonly reason: string;
}

/** One thing that is not known or not in order, or many of one kind and source. It does not stop alerts. */
export interface DegradedItem {
  readonly kind: string;
  readonly source: string | null;
  readonly count: number | null;
  readonly since: string | null;
  readonly text: string | null;
}

/** A delivery with the record of its attempts. */
export interface DeliveryDetail {
  readonly id: string;
  readonly cursor: number | null;
  readonly alert: string;
  readonly notifier: string;
  readonly to: ReadonlyArray<string>;
  readonly subject: string;
  readonly type: string;
  readonly severity: "critical" | "info" | "warning";
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly attempts: number;
  readonly due_at: string;
  readonly created_at: string;
  readonly detail: string;
  readonly held_until: string | null;
  readonly record: ReadonlyArray<AttemptItem>;
}

/** One alert on its way to one notifier. A token with a scope gets ids of its own, no `cursor`, and no `detail`. */
export interface DeliveryItem {
  readonly id: string;
  readonly cursor: number | null;
  readonly alert: string;
  readonly notifier: string;
  readonly to: ReadonlyArray<string>;
  readonly subject: string;
  readonly type: string;
  readonly severity: "critical" | "info" | "warning";
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly attempts: number;
  readonly due_at: string;
  readonly created_at: string;
  readonly detail: string;
  readonly held_until: string | null;
}

/** Deliveries, oldest alert first. */
export interface DeliveryList {
  readonly items: ReadonlyArray<DeliveryItem>;
  readonly next: string | null;
}

/** `substitution`: one half of a substitution; the withdrawal under the same id is the other (domain section 10.10). */
export interface DepositEntry {
  readonly type: "deposit";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly account: string;
  readonly asset: string;
  readonly quantity: string;
  readonly substitution?: string | null;
}

/** DetachAccountEntry */
export interface DetachAccountEntry {
  readonly type: "detach_account";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly account: string;
}

/** Whether a collateral account may be detached now (rule 8). */
export interface DetachableAccount {
  readonly detachable: boolean;
  readonly reasons: ReadonlyArray<Reason>;
}

/** Somebody does not agree to a part of an open margin call, in USD (domain section 10.8). */
export interface DisputeCallEntry {
  readonly type: "dispute";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly amount_usd: string;
  readonly reason: string;
  readonly by: string;
}

/** A dispute about a part of the call; `resolved_at` is null while it is open. */
export interface DisputeShown {
  readonly entry: string;
  readonly amount_usd: string;
  readonly reason: string;
  readonly by: string;
  readonly at: string;
  readonly resolved_at: string | null;
}

/** What an act does to one group; `refused` says why it cannot apply there. */
export interface EffectShown {
  readonly group: string;
  readonly before: StandShown | null;
  readonly after: StandShown | null;
  readonly refused: string | null;
}

/** Groups that change stage come first; the first 50 are listed. `seen` names what is shown, for an approval. */
export interface EffectsShown {
  readonly groups: number;
  readonly applies: number;
  readonly refused: number;
  readonly moves: Readonly<Record<string, number>>;
  readonly items: ReadonlyArray<EffectShown>;
  readonly seen: string;
}

/** What a group would weigh with its missing coins at one end; `level` is in the metric of its product. */
export interface EndShown {
  readonly ltv: string | null;
  readonly level: string | null;
  readonly band: string;
}

/** A new endpoint. `types` are globs, any of them; `match` is the grammar of routes. Without both it gets every alert. */
export interface EndpointBody {
  readonly url: string;
  readonly name?: string | null;
  readonly types?: ReadonlyArray<string>;
  readonly match?: Match;
  readonly key?: "secret" | "pair";
  readonly batch?: boolean;
  readonly note?: string;
}

/** An endpoint. `problem`: why it cannot send by the configuration of now. */
export interface EndpointItem {
  readonly name: string;
  readonly url: string;
  readonly types: ReadonlyArray<string>;
  readonly match: Match;
  readonly batch: boolean;
  readonly enabled: boolean;
  readonly created_at: string;
  readonly note: string;
  readonly keys: ReadonlyArray<KeyItem>;
  readonly problem: string | null;
}

/** Endpoints by name. */
export interface EndpointList {
  readonly items: ReadonlyArray<EndpointItem>;
  readonly next: string | null;
}

/** An endpoint with its new key, which no other answer ever shows. `public` is what verifies signatures of a pair. */
export interface EndpointWithSecret {
  readonly name: string;
  readonly url: string;
  readonly types: ReadonlyArray<string>;
  readonly match: Match;
  readonly batch: boolean;
  readonly enabled: boolean;
  readonly created_at: string;
  readonly note: string;
  readonly keys: ReadonlyArray<KeyItem>;
  readonly problem: string | null;
  readonly secret: string | null;
  readonly public: string | null;
}

/** EnrollEntry */
export interface EnrollEntry {
  readonly type: "enroll";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly delayed_liquidation: boolean;
}

/** What became of a book entry. `group` is null where an equal entry came first and the group was closed since. */
export interface EntryAnswer {
  readonly id: string;
  readonly type: string;
  readonly at: string | null;
  readonly version: number | null;
  readonly duplicate: boolean;
  readonly group: GroupRow | null;
  readonly dry_run: boolean;
  readonly before: GroupRow | null;
  readonly alerts: ReadonlyArray<string> | null;
}

/** A critical alert that people are asked about. `due`: when the next step comes, null where none does. */
export interface EscalationItem {
  readonly escalation: string;
  readonly alert: string;
  readonly alert_type: string;
  readonly subject: string;
  readonly since: string;
  readonly step: number;
  readonly due: string | null;
  readonly asked: ReadonlyArray<string>;
  readonly answers: ReadonlyArray<AnswerItem>;
}

/** Escalations that are open, in the order in which they began. */
export interface EscalationList {
  readonly items: ReadonlyArray<EscalationItem>;
}

/** Whether every group's stage is exact, and whether the sums are: those of more than 1,000 groups have cents. */
export interface Exactness {
  readonly counts: boolean;
  readonly sums: boolean;
}

/** Groups with one key. `key` is null for groups without the label. A share is of the debt, for a coin of the market value
    of the collateral. For a coin the sums are what groups hold of it, its debt what they owe in it. */
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
  readonly wrong_way: ReadonlyArray<IssuerPair>;
  readonly items: ReadonlyArray<ExposureItem>;
  readonly next: string | null;
  readonly partial?: boolean;
}

/** ExtendGrace */
export interface ExtendGrace {
  readonly type: "extend_grace";
  readonly until: string;
  readonly reason: string;
}

/** ExtendGraceEntry */
export interface ExtendGraceEntry {
  readonly type: "extend_grace";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly until: string;
  readonly reason: string;
}

/** What a common fall brings to the liquidation line. */
export interface FallReach {
  readonly fall_percent: string;
  readonly groups: number;
  readonly debt_usd: string;
  readonly share: string | null;
}

/** One price source: what came, and what was refused or ignored, by reason. */
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

/** Price sources by name. */
export interface FeedList {
  readonly items: ReadonlyArray<NamedFeed>;
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
  readonly items: ReadonlyArray<BankruptGroup>;
}

/** How the groups stand. `debt_usd` is by stage, in whole USD, without groups that cannot be valued. */
export interface GroupCounts {
  readonly total: number;
  readonly unwatched: number | null;
  readonly unknown: number;
  readonly blind: number;
  readonly stages: Readonly<Record<string, number>>;
  readonly debt_usd: Readonly<Record<string, string>>;
  readonly partial?: boolean;
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
  readonly available_margin_usd?: string | null;
  readonly collateral_margin_level?: string | null;
  readonly maintenance_margin_usd?: string | null;
  readonly cure: CureShown | null;
  readonly liquidation_price: Readonly<Record<string, string | null>> | null;
  readonly liquidation_together?: ReadonlyArray<JointFactor>;
  readonly next_line: NextLineShown | null;
  readonly liquidation: ClearanceShown | null;
  readonly closable?: ReadonlyArray<Closable>;
  readonly stage: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly deadline: string | null;
  readonly blind: boolean;
  readonly unknown: boolean;
  readonly missing: ReadonlyArray<string>;
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
  readonly terms: ReadonlyArray<TermShown>;
  readonly contributions: ReadonlyArray<Contribution>;
  readonly uncounted: ReadonlyArray<Uncounted>;
  readonly liabilities?: ReadonlyArray<Liability>;
  readonly settling: boolean;
  readonly loans: ReadonlyArray<LoanDetail>;
  readonly interest_short: ReadonlyArray<ShortCoin>;
  readonly lender?: LenderShown;
  readonly call?: CallShown;
  readonly returnable_usd?: string;
}

/** A group as the loan book states it: one line of a file, the body of PUT /v1/groups/{id}. */
export interface GroupLine {
  readonly id?: string;
  readonly product: string;
  readonly receiving_account: string;
  readonly collateral: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly loans: ReadonlyArray<LoanLine>;
  readonly delayed_liquidation?: boolean;
  readonly thresholds?: Readonly<Record<string, string>>;
  readonly labels?: Readonly<Record<string, string>>;
  readonly balances?: Readonly<Record<string, Readonly<Record<string, string>>>>;
  readonly vip_level?: number | null;
  readonly contacts?: Readonly<Record<string, ReadonlyArray<string | ContactTo>>>;
  readonly leverage?: number | null;
  readonly terms?: Terms | null;
  readonly open_order_loss?: string;
}

/** Groups, worst first. */
export interface GroupList {
  readonly items: ReadonlyArray<GroupRow>;
  readonly next: string | null;
  readonly partial?: boolean;
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
  readonly stage: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
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

/** What happened to a group, oldest first. */
export interface GroupTimeline {
  readonly items: ReadonlyArray<TimelineItem>;
  readonly next: string | null;
}

/** How this head stands. `holder`: the head that has the lease; empty where nobody has. `version` is the holder's. */
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

/** An alert that a silence would have hidden. */
export interface HiddenAlert {
  readonly id: string;
  readonly cursor: number | null;
  readonly type: string;
  readonly severity: "critical" | "info" | "warning";
  readonly subject: string;
  readonly timestamp: string;
}

/** Alerts of the last 24 hours that match: how many would be `hidden`, and how many `told`, as worse or as good news. */
export interface HiddenAlerts {
  readonly hidden: number;
  readonly told: number;
  readonly types: Readonly<Record<string, number>>;
  readonly items: ReadonlyArray<HiddenAlert>;
  readonly whole: boolean;
}

/** A group that a silence matches, and the worst stage of it that would be hidden. */
export interface HiddenGroup {
  readonly id: string;
  readonly product: string;
  readonly stage: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly up_to: "critical" | "delayed_liquidation" | "info" | "liquidation" | "margin_call" | "normal" | "warning";
}

/** Groups in a bad stage that a silence matches; the first 100 are listed. `whole`: the preview looked at all. */
export interface HiddenGroups {
  readonly count: number;
  readonly items: ReadonlyArray<HiddenGroup>;
  readonly whole: boolean;
}

/** Items of one kind, newest last. */
export interface HistoryList {
  readonly items: ReadonlyArray<LoanItem | RepaymentItem | LiquidationItem | CallItem | InterestItem>;
  readonly next: string | null;
}

/** What a file says, how each of its groups would stand, and whether it was taken. */
export interface ImportAnswer {
  readonly name: string;
  readonly source: string;
  readonly at: string;
  readonly taken: boolean;
  readonly counts: ImportCounts;
  readonly sheets: ReadonlyArray<SheetShown>;
  readonly fields: ReadonlyArray<string>;
  readonly notes: ReadonlyArray<string>;
  readonly questions: ReadonlyArray<Question>;
  readonly refused: ReadonlyArray<RefusedCell>;
  readonly rows: ReadonlyArray<ImportRow>;
  readonly missing: ReadonlyArray<string>;
}

/** How many rows and groups. */
export interface ImportCounts {
  readonly rows: number;
  readonly new: number;
  readonly changed: number;
  readonly same: number;
  readonly refused: number;
  readonly missing: number;
  readonly closed: number;
}

/** A group of the file as it would stand. */
export interface ImportRow {
  readonly group: string;
  readonly where: string;
  readonly change: "changed" | "new" | "same";
  readonly stage: string;
  readonly ltv: string | null;
  readonly debt_usd: string | null;
  readonly recognised_usd: string | null;
  readonly missing: ReadonlyArray<string>;
  readonly alert: string | null;
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
  readonly pinned?: PinnedShown;
}

/** What one UTC day charged a loan at one rate; `rate` is for one `period`, and the day had this many `periods`. */
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

/** Coins that move together, and the factor of their prices at which the group is at its liquidation line. */
export interface JointFactor {
  readonly coins: ReadonlyArray<string>;
  readonly factor: string | null;
}

/** A key in force, without what is secret of it. `until`: it was replaced and signs no longer than this. */
export interface KeyItem {
  readonly kind: "pair" | "secret";
  readonly public: string | null;
  readonly until: string | null;
}

/** What the lender's own system said last, to be held against our level, stage and deadline. */
export interface LenderShown {
  readonly source: string;
  readonly level: string | null;
  readonly stage: "delayed_liquidation" | "liquidation" | "margin_call" | "normal" | null;
  readonly words: string;
  readonly deadline: string | null;
  readonly as_of: string;
  readonly age_s: number;
  readonly old: boolean;
  readonly figures: Readonly<Record<string, string>>;
  readonly differs: ReadonlyArray<string>;
  readonly compared: boolean;
}

/** A lever (`type`: extend_grace, waive, override or move, as an entry states it) and its groups, by id or selected. */
export interface LeverBody {
  readonly lever: ExtendGrace | Waive | OverrideLines | MoveProduct;
  readonly groups?: ReadonlyArray<string>;
  readonly select?: Selected | null;
  readonly emergency?: string | null;
}

/** A lever in force. */
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
  readonly group_ids: ReadonlyArray<string>;
  readonly approved_by: string | null;
  readonly emergency: string | null;
  readonly proposal: string | null;
}

/** Levers in force, by id. */
export interface LeverList {
  readonly items: ReadonlyArray<LeverItem>;
  readonly next: string | null;
}

/** What an act would do now. Nothing is done. */
export interface LeverPreview {
  readonly act: string;
  readonly change: string;
  readonly until: string | null;
  readonly needs_approval: boolean;
  readonly effects: EffectsShown;
}

/** The debt in one coin, where loans are liabilities; its tier counts from 1. */
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

/** The lender has liquidated: all loans are repaid out of the collateral (rule 12). */
export interface LiquidatedEntry {
  readonly type: "liquidated";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly proceeds_usd?: string | null;
  readonly fee_usd?: string | null;
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
  readonly pinned?: PinnedShown;
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
  readonly written_off: string | null;
}

/** A loan as the loan book states it; `interest` is what had accrued when the line was put. */
export interface LoanLine {
  readonly id: string;
  readonly asset: string;
  readonly principal: string;
  readonly rate: Rate;
  readonly term: string;
  readonly opened_at: string;
  readonly interest?: string;
  readonly matures_at?: string | null;
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
  readonly items: ReadonlyArray<LtvItem>;
}

/** LTV from `at` on for one step: the lowest, the highest and the last that was seen; null where there was none. */
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
  readonly severity?: "info" | "warning" | "critical" | null;
  readonly product?: string | null;
  readonly group?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
  readonly group_id?: string | null;
}

/** Two coins, each with its shocks. */
export interface Matrix {
  readonly x: Axis;
  readonly y: Axis;
}

/** A row for each shock of y, in it a cell for each of x. */
export interface MatrixAnswer {
  readonly kind: "matrix";
  readonly at: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly cells: ReadonlyArray<ReadonlyArray<Cell>>;
  readonly partial?: boolean;
}

/** The group is under another product from now on, also where the book goes on naming the one that it named so far. */
export interface MoveProduct {
  readonly type: "move";
  readonly product: string;
  readonly reason: string;
}

/** The group is under another product from now on, also where the book goes on naming the one that it named so far. */
export interface MoveProductEntry {
  readonly type: "move";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly product: string;
  readonly reason: string;
}

/** A group that changes its stage; exact. */
export interface MovedGroup {
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly from: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly to: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly ltv_before: string | null;
  readonly ltv: string | null;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
  readonly shortfall_usd: string;
}

/** Groups by their stage before and after. */
export interface MovedGroups {
  readonly from: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly to: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
}

/** A price source with its name. */
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

/** Groups that are new in a stage, the worst first; `cut` of them are not listed. */
export interface NewInStage {
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
  readonly items: ReadonlyArray<MovedGroup>;
  readonly cut: number;
}

/** The line that LTV, or a product's level, meets next; the recognised value may fall by `distance_percent` until then. */
export interface NextLineShown {
  readonly name: string;
  readonly ltv?: string;
  readonly level?: string;
  readonly distance_percent: string;
  readonly strict?: boolean;
}

/** Why a channel is switched off. */
export interface OffBody {
  readonly reason: string;
}

/** Daily rates of a new order; null where there is none. */
export interface Offers {
  readonly flexible: string | null;
  readonly "30d": string | null;
  readonly "60d": string | null;
}

/** What is announced and has not arrived. `counts`: its own time has not passed, so it counts against expiry. */
export interface OnItsWay {
  readonly entry: string;
  readonly kind: string;
  readonly asset: string;
  readonly quantity: string;
  readonly value_usd: string;
  readonly expected: string;
  readonly counts: boolean;
}

/** Other lines for the group until a time; then its former lines hold again. A line that is not named stays. */
export interface OverrideLines {
  readonly type: "override";
  readonly thresholds: Readonly<Record<string, string>>;
  readonly until: string;
  readonly reason: string;
}

/** Other lines for the group until a time; then its former lines hold again. A line that is not named stays. */
export interface OverrideLinesEntry {
  readonly type: "override";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly thresholds: Readonly<Record<string, string>>;
  readonly until: string;
  readonly reason: string;
}

/** A loan as it stood at one time, with its interest until then; `owed` is their sum. */
export interface OwedThen {
  readonly loan: string;
  readonly asset: string;
  readonly principal: string;
  readonly interest: string;
  readonly owed: string;
}

/** What the borrower may do now. */
export interface PermittedShown {
  readonly trade: boolean;
  readonly move_within_group: boolean;
  readonly withdraw: boolean;
  readonly new_order: boolean;
  readonly new_order_refusals: ReadonlyArray<Reason>;
  readonly not_stated: Readonly<Record<string, Reason>>;
  readonly withdrawable: Readonly<Record<string, string>>;
  readonly removable_accounts: ReadonlyArray<string>;
  readonly accounts: Readonly<Record<string, DetachableAccount>>;
}

/** An operator has pinned the price: who, until when, and why. */
export interface PinnedShown {
  readonly by: string;
  readonly until: string;
  readonly reason: string;
}

/** An agreement: its kind, the lines of its file, and what [[product]] states beside these. */
export interface PostedProduct {
  readonly kind: string;
  readonly lines: ReadonlyArray<string>;
  readonly name?: string | null;
  readonly override?: ReadonlyArray<Readonly<Record<string, unknown>>>;
}

/** A group that would change its stage; exact. `level` where its product is judged by one, such as a margin level. */
export interface PreviewedGroup {
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly from: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly to: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly ltv_before: string | null;
  readonly ltv: string | null;
  readonly level_before: string | null;
  readonly level: string | null;
  readonly missing: ReadonlyArray<string>;
  readonly debt_usd: string;
  readonly recognised_before_usd: string | null;
  readonly recognised_usd: string;
  readonly next_line: NextLineShown | null;
}

/** Prices that groups need, those of them that are not trusted (at most 20 named), and the oldest price. */
export interface PriceHealth {
  readonly needed: number;
  readonly untrusted: number;
  readonly untrusted_assets: ReadonlyArray<string>;
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
  readonly candidate?: string | null;
  readonly candidate_since?: string | null;
  readonly instruments?: string | null;
  readonly pinned?: PinnedShown;
  readonly decisions?: ReadonlyArray<DecisionShown>;
  readonly sources?: ReadonlyArray<SourceShown>;
}

/** Prices by asset. */
export interface PriceList {
  readonly items: ReadonlyArray<PriceItem>;
  readonly next: string | null;
}

/** An error of this API. `errors` names every place that is wrong; `reason` is the book's, for programs. */
export interface ProblemDetails {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly errors?: ReadonlyArray<Readonly<Record<string, string>>> | null;
  readonly reason?: string | null;
  readonly retry_after_s?: number | null;
}

/** What became of a proposal; the lever, where one is in force by it. */
export interface ProposalAnswer {
  readonly id: string;
  readonly outcome: string;
  readonly lever: LeverItem | null;
}

/** What waits for another person. `lever`: it was pulled in an emergency, and ends unless this is approved. */
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

/** Open proposals, by id. */
export interface ProposalList {
  readonly items: ReadonlyArray<ProposalItem>;
  readonly next: string | null;
}

/** A proposal with what it did when it was proposed (`proposal.effects`), and what it would do at `at`. */
export interface ProposalLook {
  readonly proposal: ProposalItem;
  readonly at: string;
  readonly now: EffectsShown;
}

/** A group that was put. */
export interface PutAnswer {
  readonly id: string;
  readonly product: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly ltv: string | null;
  readonly stage: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
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
  readonly alerts: ReadonlyArray<string> | null;
}

/** What a person has to say before anything can be taken, and how. */
export interface Question {
  readonly where: string;
  readonly text: string;
  readonly remedy: string;
}

/** Flexible (rates of the product) or fixed (`daily`, a share of the principal per day) (rules 21 and 22). */
export interface Rate {
  readonly kind: "flexible" | "fixed";
  readonly daily?: string | null;
  readonly paid_in?: "BNB" | null;
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
  readonly items: ReadonlyArray<RateItem>;
  readonly next: string | null;
}

/** The rates that were given, by coin, and since when they hold. */
export interface RatesAnswer {
  readonly items: ReadonlyArray<RateItem>;
}

/** Rates per period of a product, from a time on: now, if it is left out. */
export interface RatesBody {
  readonly product: string;
  readonly rates: Readonly<Record<string, string>>;
  readonly effective?: string | null;
}

/** Whether the daemon does its work, and what keeps it from it, by part. */
export interface Readiness {
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly degraded: ReadonlyArray<DegradedItem>;
  readonly prices: PriceHealth | null;
  readonly oldest_undelivered_s: Readonly<Record<string, number>> | null;
  readonly head?: HeadState | null;
}

/** Why something is refused: a word for programs, a sentence for people. */
export interface Reason {
  readonly reason: string;
  readonly text: string;
}

/** A cell that cannot be taken: where it is, what it holds, and what to do. Its whole group is left as it was. */
export interface RefusedCell {
  readonly where: string;
  readonly value: string;
  readonly what: string;
  readonly group?: string | null;
}

/** Why. */
export interface RejectBody {
  readonly reason: string;
}

/** What a reload does with the rules of its file: `held` where they would move more groups than `limit`. */
export interface ReloadEffect {
  readonly rules: "held" | "taken" | "unchanged";
  readonly moved: number;
  readonly limit: number;
  readonly preview: RulesPreview | null;
}

/** Why a reload with these rules would change nothing. */
export interface ReloadRefused {
  readonly reason: string;
  readonly detail: string;
}

/** RenewEntry */
export interface RenewEntry {
  readonly type: "renew";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly loan: string;
  readonly term: string;
  readonly rate: Rate;
}

/** When a term loan may be renewed, and why that would be refused now. */
export interface Renewal {
  readonly opens_at: string;
  readonly closes_at: string;
  readonly open: boolean;
  readonly renewable: boolean;
  readonly refusals: ReadonlyArray<Reason>;
}

/** An amount or a percentage of what is owed in a coin: interest first, oldest order first (rules 26 and 36). */
export interface RepayEntry {
  readonly type: "repay";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly asset: string;
  readonly amount?: string | null;
  readonly percent?: string | null;
  readonly loan?: string | null;
  readonly account?: string | null;
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

/** What goes out again: `alerts` by id, or all behind the cursor `after`, or from the time `since` on. */
export interface ReplayBody {
  readonly notifier: string;
  readonly alerts?: ReadonlyArray<string>;
  readonly after?: number | null;
  readonly next?: string | null;
  readonly up_to?: number | null;
  readonly since?: string | null;
  readonly until?: string | null;
  readonly types?: ReadonlyArray<string>;
}

/** How many notices go out again, the cursors of the first and the last, and `after` of the next request or null. */
export interface Replayed {
  readonly notifier: string;
  readonly sent: number;
  readonly first: number | null;
  readonly last: number | null;
  readonly next: number | string | null;
}

/** The dispute about a margin call is settled; the clock of the whole call runs. */
export interface ResolveDisputeEntry {
  readonly type: "resolve";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly reason: string;
  readonly by: string;
}

/** How many are sent again. `more`: there are others; ask again. */
export interface Retried {
  readonly count: number;
  readonly passed_over: number;
  readonly more: boolean;
}

/** Which deliveries are sent again: all that is stated must hold, and something must be stated. `type` may be a glob. */
export interface RetryBody {
  readonly notifier?: string | null;
  readonly type?: string | null;
  readonly since?: string | null;
  readonly until?: string | null;
  readonly state?: "pending" | "failed" | "delivered";
  readonly limit?: number;
}

/** The smallest common fall that brings this share of the debt to the liquidation line. */
export interface Reverse {
  readonly share: string;
  readonly assets?: ReadonlyArray<string>;
}

/** The smallest common fall that reaches a share of the debt, and what 0.01 % less would reach. */
export interface ReverseAnswer {
  readonly kind: "reverse";
  readonly at: string;
  readonly share: string;
  readonly assets: ReadonlyArray<string>;
  readonly fall_percent: string | null;
  readonly reached: FallReach | null;
  readonly below: FallReach | null;
  readonly reason: string | null;
  readonly is_exact: Exactness;
  readonly partial?: boolean;
}

/** A rota: who is on duty now, and who comes next. */
export interface RotaItem {
  readonly name: string;
  readonly time_zone: string;
  readonly people: ReadonlyArray<string>;
  readonly now: ShiftItem;
  readonly next: ShiftItem | null;
}

/** All rotas, as they are configured. */
export interface RotaList {
  readonly items: ReadonlyArray<RotaItem>;
}

/** A new key; those before it sign for as long as the overlap lasts. */
export interface RotationBody {
  readonly overlap?: string;
  readonly key?: "secret" | "pair";
}

/** All products of a configuration, and its table [lifecycle], which else stays as it is. `limit` groups are listed. */
export interface RulesBody {
  readonly products: ReadonlyArray<PostedProduct>;
  readonly lifecycle?: Readonly<Record<string, unknown>> | null;
  readonly limit?: number;
}

/** What a reload would do at the prices of now. Nothing is changed. */
export interface RulesPreview {
  readonly at: string;
  readonly refused: ReloadRefused | null;
  readonly products: ReadonlyArray<ChangedProduct>;
  readonly lifecycle: ReadonlyArray<string>;
  readonly groups: number;
  readonly unknown: number;
  readonly is_exact: boolean;
  readonly moves: ReadonlyArray<MovedGroups>;
  readonly items: ReadonlyArray<PreviewedGroup>;
  readonly cut: number;
}

/** Groups by their product and their labels, all of them. */
export interface Selected {
  readonly product?: string | null;
  readonly labels?: Readonly<Record<string, string>>;
}

/** Who asks. `tokens`: the daemon has some; `cookie`: the caller has a session, which lasts `until`. */
export interface SessionItem {
  readonly name: string;
  readonly role: string;
  readonly may: ReadonlyArray<string>;
  readonly scope: Readonly<Record<string, string>>;
  readonly tokens: boolean;
  readonly cookie: boolean;
  readonly until: string | null;
  readonly zone: string | null;
  readonly sign_out_url?: string | null;
}

/** SetBalanceEntry */
export interface SetBalanceEntry {
  readonly type: "set_balance";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly account: string;
  readonly asset: string;
  readonly quantity: string;
}

/** A copy of a shard. `debt_usd`: what its groups owed when the shard saw prices last. `missing`: a replacement is loaded. */
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

/** The shards by number. None where the daemon's own process holds the book. */
export interface ShardList {
  readonly items: ReadonlyArray<ShardItem>;
  readonly unwatched: number;
}

/** A table of the file. */
export interface SheetShown {
  readonly sheet: string;
  readonly header_row: number;
  readonly rows: number;
  readonly columns: ReadonlyArray<ColumnShown>;
}

/** Somebody's time on duty; `until` is null where nobody else comes. */
export interface ShiftItem {
  readonly person: string;
  readonly since: string;
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

/** The secret of a token, as it stands behind `Authorization: Bearer`. */
export interface SignIn {
  readonly token: string;
}

/** How people sign in here. `provider`: the text of the button that leads to the desk's provider, or null. */
export interface SignInWays {
  readonly token: boolean;
  readonly provider: string | null;
}

/** What is hidden (the grammar of routes), until when, why, and what may be hidden at worst. */
export interface SilenceBody {
  readonly match: Match;
  readonly until: string;
  readonly reason: string;
  readonly up_to?: "info" | "warning" | "critical" | "normal" | "margin_call" | "delayed_liquidation" | "liquidation" | null;
  readonly even_worse?: boolean;
  readonly emergency?: string | null;
}

/** A silence in force. */
export interface SilenceItem {
  readonly id: string;
  readonly match: Match;
  readonly until: string;
  readonly reason: string;
  readonly up_to: "critical" | "delayed_liquidation" | "info" | "liquidation" | "margin_call" | "normal" | "warning" | null;
  readonly even_worse: boolean;
  readonly by: string;
  readonly at: string;
}

/** Silences in force, by id. */
export interface SilenceList {
  readonly items: ReadonlyArray<SilenceItem>;
  readonly next: string | null;
}

/** What a silence would hide, were it made now. Nothing is made. */
export interface SilencePreview {
  readonly groups: HiddenGroups;
  readonly alerts: HiddenAlerts;
}

/** A book of loans or a source of rates. Times are null before it was read; `stale`: it is older than `limit_s`. */
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
  readonly troubles: ReadonlyArray<TroubleItem>;
  readonly troubles_cut: number;
}

/** Sources by name. `unwatched`: groups that are not watched, of all of them; `others`: what is of no source. */
export interface SourceList {
  readonly at: string;
  readonly items: ReadonlyArray<SourceItem>;
  readonly unwatched: number;
  readonly others: ReadonlyArray<TroubleItem>;
  readonly next: string | null;
}

/** What one feed says of an asset, and whether it counts. `exchange_age_s` is null where the venue sends no time. */
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

/** The stages before and after. */
export interface StageChange {
  readonly from: "delayed_liquidation" | "liquidation" | "margin_call" | "normal" | null;
  readonly to: "delayed_liquidation" | "liquidation" | "margin_call" | "normal" | null;
}

/** How a group stands before or after: `figure` is its LTV, margin level or health factor. */
export interface StandShown {
  readonly product: string;
  readonly stage: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly figure: string | null;
  readonly next_line: string | null;
  readonly next_level: string | null;
  readonly liquidated_at: string | null;
  readonly metric: string;
  readonly lines: ReadonlyArray<string>;
}

/** The daemon at a glance. `reasons` have no texts for a token with a scope: these may name other groups. */
export interface Status {
  readonly at: string;
  readonly name: string;
  readonly ready: boolean;
  readonly reasons: Readonly<Record<string, string | null>>;
  readonly degraded: ReadonlyArray<DegradedItem>;
  readonly groups: GroupCounts;
  readonly prices: PriceHealth;
  readonly oldest_undelivered_s: Readonly<Record<string, number>>;
  readonly feeds: Readonly<Record<string, FeedItem>>;
  readonly books: Readonly<Record<string, BookItem>>;
  readonly cursor: number | null;
  readonly streams: number;
  readonly rules: ReadonlyArray<string>;
  readonly head?: HeadState | null;
}

/** What is asked: exactly one of the four. `limit` groups are listed of each stage. */
export interface Stress {
  readonly shocks?: Readonly<Record<string, string>>;
  readonly scenario?: string | null;
  readonly matrix?: Matrix | null;
  readonly reverse?: Reverse | null;
  readonly limit?: number;
}

/** The book before and after shocks, by stage, with what is lost. */
export interface StressAnswer {
  readonly kind: "shocks";
  readonly at: string;
  readonly shocks: Readonly<Record<string, ShockedPrice>>;
  readonly groups: number;
  readonly unknown: number;
  readonly is_exact: Exactness;
  readonly before: Readonly<Record<string, SumsShown>>;
  readonly after: Readonly<Record<string, SumsShown>>;
  readonly moves: ReadonlyArray<MovedGroups>;
  readonly bankrupt: number;
  readonly shortfall_usd: string;
  readonly expected_shortfall_usd: string;
  readonly fees_usd: string;
  readonly fund_draw_usd?: string;
  readonly scenario: string | null;
  readonly newly: Readonly<Record<string, NewInStage>>;
  readonly partial?: boolean;
}

/** Groups and what they come to in USD. */
export interface SumsShown {
  readonly groups: number;
  readonly debt_usd: string;
  readonly recognised_usd: string;
  readonly market_usd: string;
}

/** A figure in which the group differs from its agreement, such as `thresholds.liquidation`, and who states it: its own
    line (`line`), or the override for groups with labels (`borrower acme`). */
export interface TermShown {
  readonly figure: string;
  readonly value: string;
  readonly origin: string;
}

/** What is not stated stays as the agreement has it. */
export interface Terms {
  readonly ladders?: Readonly<Record<string, ReadonlyArray<ReadonlyArray<unknown>> | AmountTable>>;
  readonly scale?: string | null;
  readonly haircut?: string | null;
  readonly rate_spread?: string | null;
  readonly grace?: string | null;
}

/** How one attempt with a test notice ended. */
export interface TestedEndpoint {
  readonly delivered: boolean;
  readonly detail: string;
  readonly took_ms: number;
}

/** The part of an asset's value that lies inside one tier of its ladder. `from` and `to` are USD; where the tiers go by
    the amount of the coin they are so at its price, and the amounts stand beside them. */
export interface Tier {
  readonly from: string;
  readonly to: string | null;
  readonly share: string;
  readonly value_usd: string;
  readonly recognised_usd: string;
  readonly from_amount?: string;
  readonly to_amount?: string | null;
}

/** Something that happened to a group. */
export interface TimelineItem {
  readonly kind: "ack" | "alert" | "book" | "entry" | "stage";
  readonly at: string;
  readonly id?: string | null;
  readonly cursor?: number | null;
  readonly type?: string | null;
  readonly severity?: "critical" | "info" | "warning" | null;
  readonly episode?: number | null;
  readonly stage?: StageChange | null;
  readonly reason?: string | null;
  readonly ltv?: string | null;
  readonly deadline?: string | null;
  readonly blind?: boolean;
  readonly silenced_by?: string | null;
  readonly told?: ReadonlyArray<ToldItem>;
  readonly action?: string | null;
  readonly who?: string | null;
  readonly note?: string | null;
  readonly until?: string | null;
}

/** Who was told of an alert, and when; `delivered_at` is null while that has not happened. */
export interface ToldItem {
  readonly delivery: string;
  readonly notifier: string;
  readonly to: ReadonlyArray<string>;
  readonly state: "delivered" | "failed" | "pending" | "superseded";
  readonly attempts: number;
  readonly delivered_at: string | null;
  readonly detail: string;
  readonly held_until: string | null;
}

/** TransferEntry */
export interface TransferEntry {
  readonly type: "transfer";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly from: string;
  readonly to: string;
  readonly asset: string;
  readonly quantity: string;
}

/** One refused line, or whatever else is not mended. `watched`: its group is watched, on what was known before. */
export interface TroubleItem {
  readonly kind: string;
  readonly subject: string;
  readonly place: string | null;
  readonly group: string | null;
  readonly watched: boolean;
  readonly since: string;
  readonly text: string;
  readonly cells: ReadonlyArray<BadCell>;
}

/** A coin that the product's ladders do not list. */
export interface Uncounted {
  readonly asset: string;
  readonly quantity: string;
  readonly accounts: Readonly<Record<string, string>>;
}

/** A coin of the collateral that the product does not list. */
export interface UncountedShown {
  readonly asset: string;
  readonly quantity: string;
}

/** The lender waives liquidation of overdue loans until a time; the lines of LTV stay watched. */
export interface Waive {
  readonly type: "waive";
  readonly until: string;
  readonly reason: string;
}

/** The lender waives liquidation of overdue loans until a time; the lines of LTV stay watched. */
export interface WaiveEntry {
  readonly type: "waive";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly until: string;
  readonly reason: string;
}

/** Changes by coin. A shock moves the coin's USD price alone; everything else is a quantity of the coin. */
export interface WhatIf {
  readonly shock?: Readonly<Record<string, string>>;
  readonly repay?: Readonly<Record<string, string>>;
  readonly add?: Readonly<Record<string, string>>;
  readonly remove?: Readonly<Record<string, string>>;
}

/** The group as it is and as it would be. */
export interface WhatIfAnswer {
  readonly id: string;
  readonly at: string;
  readonly before: WhatIfStanding;
  readonly after: WhatIfStanding;
  readonly returned: Readonly<Record<string, string>>;
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
  readonly available_margin_usd?: string | null;
  readonly collateral_margin_level?: string | null;
  readonly maintenance_margin_usd?: string | null;
  readonly cure: CureShown | null;
  readonly liquidation_price: Readonly<Record<string, string | null>> | null;
  readonly liquidation_together?: ReadonlyArray<JointFactor>;
  readonly next_line: NextLineShown | null;
  readonly liquidation: ClearanceShown | null;
  readonly closable?: ReadonlyArray<Closable>;
  readonly stage: "delayed_liquidation" | "liquidation" | "margin_call" | "normal";
  readonly deadline: string | null;
  readonly blind: boolean;
  readonly unknown: boolean;
  readonly missing: ReadonlyArray<string>;
  readonly bounds: BoundsShown | null;
  readonly permitted: PermittedShown;
  readonly borrowable_usd: string;
  readonly borrowable: Readonly<Record<string, BorrowableCoin>>;
  readonly alerts: ReadonlyArray<string>;
}

/** `substitution`: the second half of a substitution, permitted where the level is no worse after both than before. */
export interface WithdrawEntry {
  readonly type: "withdraw";
  readonly id?: string | null;
  readonly at?: string | null;
  readonly account: string;
  readonly asset: string;
  readonly quantity: string;
  readonly substitution?: string | null;
}

export type ApplyEntryBody = DepositEntry | WithdrawEntry | SetBalanceEntry | TransferEntry | BorrowEntry | RepayEntry | RenewEntry | AttachAccountEntry | DetachAccountEntry | EnrollEntry | LiquidatedEntry | ExtendGraceEntry | WaiveEntry | OverrideLinesEntry | MoveProductEntry | AnnounceEntry | DisputeCallEntry | ResolveDisputeEntry;

export type TellOfCallBody = AnnounceEntry | DisputeCallEntry | ResolveDisputeEntry;
