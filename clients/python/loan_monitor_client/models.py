"""What the API reads and answers. Made by `python -m tools.clients` from the contract; change that, not this file."""

from __future__ import annotations

from typing import Any, Literal, NotRequired, TypedDict


class AckAnswer(TypedDict):
    """What was acknowledged."""

    alert: str
    group: str
    acknowledged: AckShown


class AckBody(TypedDict):
    """A note for the colleagues, and until when reminders rest; without it as long as the stage lasts."""

    note: NotRequired[str | None]
    until: NotRequired[str | None]


class AckShown(TypedDict):
    """Who has a group's stage in hand; `until` is null where that holds as long as the stage."""

    by: str
    at: str
    alert: str
    note: str
    until: str | None


class AlertData(TypedDict):
    """The `data` of an alert. An alert that is about no group has `subject` and `facts` instead of `group` and figures."""

    id: str
    cursor: int | None
    severity: Literal["critical", "info", "warning"]
    test: bool
    durable: bool
    blind: bool
    sequence: int
    episode: int
    detected_at: str
    silenced_by: NotRequired[str]
    subject: NotRequired[str]
    group: NotRequired[GroupRef]
    stage: NotRequired[StageChange]
    reason: NotRequired[str | None]
    ltv: NotRequired[str | None]
    debt_usd: NotRequired[str | None]
    recognised_usd: NotRequired[str | None]
    market_usd: NotRequired[str | None]
    thresholds: NotRequired[dict[str, str]]
    band: NotRequired[str | None]
    next_line: NotRequired[NextLineShown | None]
    cure: NotRequired[CureShown | None]
    liquidation_price: NotRequired[dict[str, str | None] | None]
    inputs: NotRequired[list[InputShown]]
    debts: NotRequired[list[DebtShown]]
    inputs_cut: NotRequired[int]
    bound: NotRequired[bool]
    missing: NotRequired[list[str]]
    uncounted: NotRequired[list[UncountedShown]]
    rules: NotRequired[str]
    metric: NotRequired[str]
    margin_level: NotRequired[str | None]
    health_factor: NotRequired[str | None]
    deadline: NotRequired[str | None]
    supersedes: NotRequired[str | None]
    suppressed: NotRequired[list[str]]
    cause: NotRequired[str]
    rules_from: NotRequired[str]
    lever: NotRequired[str]
    facts: NotRequired[dict[str, Any]]
    debts_cut: NotRequired[int]
    labels_cut: NotRequired[int]
    facts_cut: NotRequired[int]
    acknowledged: NotRequired[AckShown]
    url: NotRequired[str]
    zone: NotRequired[str]


class AlertItem(TypedDict):
    """An alert: the same object in the log, the stream and webhooks."""

    type: str
    timestamp: str
    data: AlertData


class AlertList(TypedDict):
    """Alerts, oldest first, or newest first where that was asked."""

    items: list[AlertItem]
    next: int | str | None


class Alive(TypedDict):
    """The event loop runs. `instance`: a digest of the machine and the place of the configuration."""

    alive: bool
    instance: str


class AmountTable(TypedDict):
    """Tiers of a coin by its amount, whatever its price: `{ by = "amount", tiers = [["500", "0.98"], ["600", "0.975"]] }`."""

    by: Literal["amount"]
    tiers: list[list[Any]]


class AnnounceEntry(TypedDict):
    """Collateral or a repayment is on its way to an open margin call. It counts in no LTV (domain section 10.7)."""

    type: Literal["announce"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    kind: Literal["collateral", "repayment"]
    asset: str
    amount: str
    expected: str


class AnswerItem(TypedDict):
    """Somebody has an alert in hand."""

    by: str
    at: str
    note: str


class ApproveBody(TypedDict):
    """`seen`: that of the effects that the person saw. An act that does something else by then is refused."""

    seen: NotRequired[str]


class AttachAccountEntry(TypedDict):
    """AttachAccountEntry"""

    type: Literal["attach_account"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    account: str


class AttemptItem(TypedDict):
    """One attempt and what it ended with."""

    at: str
    state: Literal["delivered", "failed", "pending", "superseded"]
    detail: str
    due_at: str
    took_ms: float


class AuditHeadItem(TypedDict):
    """The last record: keep it elsewhere, and `monitor audit verify --head` shows that nothing up to there is gone."""

    number: int
    digest: str


class AuditItem(TypedDict):
    """Who changed what and when, with the state before and after."""

    cursor: int
    at: str
    who: str
    action: str
    subject: str
    before: Any
    after: Any


class AuditList(TypedDict):
    """A page of the audit record. `head` is the last record of all."""

    items: list[AuditItem]
    next: int | None
    head: AuditHeadItem


class Axis(TypedDict):
    """One side of a matrix."""

    asset: str
    shocks: list[str]


class BadCell(TypedDict):
    """One thing that is wrong with a line: where in it, what stands there (null where nothing does), and what mends it."""

    cell: str
    value: str | None
    remedy: str


class BankruptGroup(TypedDict):
    """A group that a liquidation would leave bankrupt."""

    id: str
    shortfall_usd: str


class BookItem(TypedDict):
    """How fresh a book is. Times are null before it was read; `stale`: it is older than `limit_s`."""

    as_of: str | None
    seen_at: str | None
    version: str | None
    limit_s: float | None
    stale: bool


class BookShown(TypedDict):
    """The book that a group comes from. `as_of` is the time of the book; `stale`: it is older than its limit."""

    source: str
    as_of: str | None
    version: str | None
    stale: bool


class BorrowEntry(TypedDict):
    """BorrowEntry"""

    type: Literal["borrow"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    loan: LoanLine


class BorrowableCoin(TypedDict):
    """One coin that the product lends. Limits are null where there are none, `left_usd` also while its price is missing."""

    limit_usd: str | None
    left_usd: str | None
    limit: str | None
    left: str | None
    most_usd: str
    most: str | None
    allowed: bool
    reasons: list[Reason]
    offers: Offers


class BorrowerStatement(TypedDict):
    """What became of all groups of a borrower in one UTC day. A borrower is named by a label of its groups: `by` says which."""

    borrower: str
    by: str
    day: str
    since: str
    until: str
    final: bool
    cut: bool
    balance: list[CoinBalance]
    call_sums: CallSums
    groups: list[DayStatement]


class BoundsShown(TypedDict):
    """Where a group stands whatever its missing coins are worth: between the best for the borrower and the worst."""

    best: EndShown | None
    worst: EndShown | None
    is_decided: bool


class CallBrief(TypedDict):
    """A call in a row of the list."""

    number: int
    status: Literal["disputed", "expired", "met", "open"]
    called_usd: str
    outstanding_usd: str
    due: str


class CallItem(TypedDict):
    """What became of a margin call with an amount, and how it stood then. `what` says which of the other keys there are:
    opened, payment, announced, disputed, resolved, met, withdrawn, superseded, expired, or ended by a worse stage."""

    kind: Literal["call"]
    cursor: str
    at: str
    what: str
    call: int
    call_alert: str
    target: str
    due: str
    called_usd: str
    received_usd: str
    outstanding_usd: str
    paid_usd: str | None
    entry: str | None
    announced: str | None
    asset: str | None
    quantity: str | None
    value_usd: str | None
    expected: str | None
    dispute: str | None
    disputed_usd: str | None
    why: str | None
    by: str | None
    in_transit_usd: str | None
    on_expiry: str | None
    stage: str | None
    supersedes_call: int | None


class CallList(TypedDict):
    """`call` is null where the group has none now. `items`: what became of all calls, newest last."""

    call: CallShown | None
    items: list[CallItem]
    next: str | None


class CallShown(TypedDict):
    """The last call of a group's margin call."""

    number: int
    status: Literal["disputed", "expired", "met", "open"]
    alert: str
    opened_at: str
    due: str
    expires_at: str | None
    target: str
    called_usd: str
    received_usd: str
    outstanding_usd: str
    in_transit_usd: str
    minimum_transfer_usd: str
    rounding_usd: str
    on_expiry: str
    met_at: str | None
    expired_at: str | None
    announced: list[OnItsWay]
    disputes: list[DisputeShown]


class CallSums(TypedDict):
    """`called_usd` sums what was opened in the day, `received_usd` what came, less what left."""

    called_usd: str
    received_usd: str
    outstanding_usd: str


class Cell(TypedDict):
    """The book under two shocks; the debt is that at or beyond the liquidation line."""

    stages: dict[str, int]
    liquidation_debt_usd: str
    shortfall_usd: str
    expected_shortfall_usd: str
    is_exact: Exactness


ChangedProduct = TypedDict(
    "ChangedProduct",
    {
        "product": "str",
        "from": "str | None",
        "to": "str | None",
        "groups": "int",
    },
)
"""A product whose rules are others, with the versions in force now; `to` is null where it goes, `from` where it comes."""


class ChannelItem(TypedDict):
    """One notifier. `breaker`: open while it is only probed. Times of the last attempts are since the daemon's start."""

    name: str
    kind: str
    breaker: str
    queued: int
    held: int
    oldest_at: str | None
    oldest_age_s: float | None
    last_delivered_at: str | None
    last_failed_at: str | None
    last_failure: str | None
    fallback: str | None
    off_at: str | None
    off_reason: str | None


class ChannelList(TypedDict):
    """Notifiers by name."""

    items: list[ChannelItem]
    next: str | None


class ClearanceShown(TypedDict):
    """What would follow were the whole group liquidated at these prices."""

    market_usd: str
    fee_usd: str
    debt_usd: str
    left_usd: str
    shortfall_usd: str
    bankrupt: bool


class Closable(TypedDict):
    """How much of a coin's debt one liquidation may repay out of a coin of the collateral; `closable` is in the coin."""

    debt: str
    collateral: str
    closable_usd: str
    closable: str


class CoinBalance(TypedDict):
    """`before` + `charged` + `borrowed` - `repaid` - `written_off` + `restated` + `moved` is `owed`."""

    asset: str
    before: str
    charged: str
    borrowed: str
    repaid: str
    written_off: str
    restated: str
    moved: str
    owed: str


class ColumnShown(TypedDict):
    """A column of the file, and what it is taken for."""

    column: str
    header: str
    field: str
    why: str
    example: str


class ContactTo(TypedDict):
    """An address of the borrower, the language of its owner (`pl`) and the template of the notices (`short`)."""

    to: str
    language: NotRequired[str]
    template: NotRequired[str]


class Contribution(TypedDict):
    """One collateral asset, its price, and what the ladder recognises of it."""

    asset: str
    quantity: str
    accounts: dict[str, str]
    price: str | None
    quote: str | None
    quote_price: str | None
    source: str | None
    price_at: str | None
    received_at: str | None
    age_s: float | None
    exchange_age_s: float | None
    receipt_age_s: float | None
    change_age_s: float | None
    trust: str
    reason: str | None
    value_usd: str | None
    recognised_usd: str | None
    tiers: list[Tier]
    pinned: NotRequired[PinnedShown]


class CureShown(TypedDict):
    """The ways back to the initial level: an LTV, or the level of a product that has one."""

    to_ltv: NotRequired[str]
    to_level: NotRequired[str]
    repay_usd: str
    add_recognised_usd: str
    by_asset: dict[str, str | None]


class DatabaseState(TypedDict):
    """What the database says of itself. `synchronous_standby_names`: those that a commit waits for; empty: for none."""

    version: str
    synchronous_standby_names: str
    fsync: str
    full_page_writes: str
    is_standby: bool


class DayStatement(TypedDict):
    """What became of a group in one UTC day."""

    group: str
    product: str | None
    labels: dict[str, str]
    receiving_account: str | None
    day: str
    since: str
    until: str
    final: bool
    cut: bool
    before: list[OwedThen]
    owed: list[OwedThen]
    balance: list[CoinBalance]
    charged: dict[str, str]
    interest: list[InterestItem]
    repaid: dict[str, str]
    repayments: list[RepaymentItem]
    loans: list[LoanItem]
    liquidations: list[LiquidationItem]
    call: CallItem | None
    call_sums: CallSums
    calls: list[CallItem]
    alerts: list[AlertItem]


class DebtShown(TypedDict):
    """One loan as it went into the decision."""

    loan: str
    asset: str
    principal: str
    interest: str
    price: str | None
    value_usd: str | None
    pinned: NotRequired[PinnedShown]


class DecisionBody(TypedDict):
    """What an operator decides about a price: one of `believe`, `exclude` and `pin`, and why."""

    reason: str
    believe: NotRequired[str | None]
    exclude: NotRequired[str | None]
    pin: NotRequired[str | None]
    until: NotRequired[str | None]
    confirmed: NotRequired[bool]
    emergency: NotRequired[str | None]


class DecisionShown(TypedDict):
    """A pin (with `price`, in USD) or an exclusion (with `source`) in force."""

    act: Literal["exclude", "pin"]
    price: str | None
    source: str | None
    by: str
    at: str
    until: str
    reason: str


class DegradedItem(TypedDict):
    """One thing that is not known or not in order, or many of one kind and source. It does not stop alerts."""

    kind: str
    source: str | None
    count: int | None
    since: str | None
    text: str | None


class DeliveryDetail(TypedDict):
    """A delivery with the record of its attempts."""

    id: str
    cursor: int | None
    alert: str
    notifier: str
    to: list[str]
    subject: str
    type: str
    severity: Literal["critical", "info", "warning"]
    state: Literal["delivered", "failed", "pending", "superseded"]
    attempts: int
    due_at: str
    created_at: str
    detail: str
    held_until: str | None
    record: list[AttemptItem]


class DeliveryItem(TypedDict):
    """One alert on its way to one notifier. A token with a scope gets ids of its own, no `cursor`, and no `detail`."""

    id: str
    cursor: int | None
    alert: str
    notifier: str
    to: list[str]
    subject: str
    type: str
    severity: Literal["critical", "info", "warning"]
    state: Literal["delivered", "failed", "pending", "superseded"]
    attempts: int
    due_at: str
    created_at: str
    detail: str
    held_until: str | None


class DeliveryList(TypedDict):
    """Deliveries, oldest alert first."""

    items: list[DeliveryItem]
    next: str | None


class DepositEntry(TypedDict):
    """`substitution`: one half of a substitution; the withdrawal under the same id is the other (domain section 10.10)."""

    type: Literal["deposit"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    account: str
    asset: str
    quantity: str
    substitution: NotRequired[str | None]


class DetachAccountEntry(TypedDict):
    """DetachAccountEntry"""

    type: Literal["detach_account"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    account: str


class DetachableAccount(TypedDict):
    """Whether a collateral account may be detached now (rule 8)."""

    detachable: bool
    reasons: list[Reason]


class DisputeCallEntry(TypedDict):
    """Somebody does not agree to a part of an open margin call, in USD (domain section 10.8)."""

    type: Literal["dispute"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    amount_usd: str
    reason: str
    by: str


class DisputeShown(TypedDict):
    """A dispute about a part of the call; `resolved_at` is null while it is open."""

    entry: str
    amount_usd: str
    reason: str
    by: str
    at: str
    resolved_at: str | None


class EffectShown(TypedDict):
    """What an act does to one group; `refused` says why it cannot apply there."""

    group: str
    before: StandShown | None
    after: StandShown | None
    refused: str | None


class EffectsShown(TypedDict):
    """Groups that change stage come first; the first 50 are listed. `seen` names what is shown, for an approval."""

    groups: int
    applies: int
    refused: int
    moves: dict[str, int]
    items: list[EffectShown]
    seen: str


class EndShown(TypedDict):
    """What a group would weigh with its missing coins at one end; `level` is in the metric of its product."""

    ltv: str | None
    level: str | None
    band: str


class EndpointBody(TypedDict):
    """A new endpoint. `types` are globs, any of them; `match` is the grammar of routes. Without both it gets every alert."""

    url: str
    name: NotRequired[str | None]
    types: NotRequired[list[str]]
    match: NotRequired[Match]
    key: NotRequired[Literal["secret", "pair"]]
    batch: NotRequired[bool]
    note: NotRequired[str]


class EndpointItem(TypedDict):
    """An endpoint. `problem`: why it cannot send by the configuration of now."""

    name: str
    url: str
    types: list[str]
    match: Match
    batch: bool
    enabled: bool
    created_at: str
    note: str
    keys: list[KeyItem]
    problem: str | None


class EndpointList(TypedDict):
    """Endpoints by name."""

    items: list[EndpointItem]
    next: str | None


class EndpointWithSecret(TypedDict):
    """An endpoint with its new key, which no other answer ever shows. `public` is what verifies signatures of a pair."""

    name: str
    url: str
    types: list[str]
    match: Match
    batch: bool
    enabled: bool
    created_at: str
    note: str
    keys: list[KeyItem]
    problem: str | None
    secret: str | None
    public: str | None


class EnrollEntry(TypedDict):
    """EnrollEntry"""

    type: Literal["enroll"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    delayed_liquidation: bool


class EntryAnswer(TypedDict):
    """What became of a book entry. `group` is null where an equal entry came first and the group was closed since."""

    id: str
    type: str
    at: str | None
    version: int | None
    duplicate: bool
    group: GroupRow | None
    dry_run: bool
    before: GroupRow | None
    alerts: list[str] | None


class EscalationItem(TypedDict):
    """A critical alert that people are asked about. `due`: when the next step comes, null where none does."""

    escalation: str
    alert: str
    alert_type: str
    subject: str
    since: str
    step: int
    due: str | None
    asked: list[str]
    answers: list[AnswerItem]


class EscalationList(TypedDict):
    """Escalations that are open, in the order in which they began."""

    items: list[EscalationItem]


class Exactness(TypedDict):
    """Whether every group's stage is exact, and whether the sums are: those of more than 1,000 groups have cents."""

    counts: bool
    sums: bool


class ExposureItem(TypedDict):
    """Groups with one key. `key` is null for groups without the label. A share is of the debt, for a coin of the market value
    of the collateral. For a coin the sums are what groups hold of it, its debt what they owe in it."""

    key: str | None
    groups: int
    debt_usd: str
    recognised_usd: str
    market_usd: str
    share: str | None
    max_share: str | None
    is_above: bool
    nearest_percent: str | None
    average_percent: str | None
    quantity: NotRequired[str]
    daily_volume_usd: NotRequired[str | None]
    days_to_sell: NotRequired[str | None]


class ExposureList(TypedDict):
    """The book by key. `wrong_way` comes with `by=asset`."""

    at: str
    by: str
    total: SumsShown
    unknown: int
    is_exact: bool
    wrong_way: list[IssuerPair]
    items: list[ExposureItem]
    next: str | None
    partial: NotRequired[bool]


class ExtendGrace(TypedDict):
    """ExtendGrace"""

    type: Literal["extend_grace"]
    until: str
    reason: str


class ExtendGraceEntry(TypedDict):
    """ExtendGraceEntry"""

    type: Literal["extend_grace"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    until: str
    reason: str


class FallReach(TypedDict):
    """What a common fall brings to the liquidation line."""

    fall_percent: str
    groups: int
    debt_usd: str
    share: str | None


class FeedItem(TypedDict):
    """One price source: what came, and what was refused or ignored, by reason."""

    connected: bool
    reason: str
    cause: str | None
    clock_offset_s: float | None
    clock_off: bool
    instruments: str
    states: dict[str, str]
    dropped: dict[str, int]
    frames: int
    quotes: int
    reconnects: int
    ignored: dict[str, int]
    refused: dict[str, int]
    last_frame_at: str | None
    last_frame_age_s: float | None
    lag_s: float | None


class FeedList(TypedDict):
    """Price sources by name."""

    items: list[NamedFeed]
    next: str | None


class FundShown(TypedDict):
    """The insurance fund at the last look, at most 50 groups with the largest shortfall first."""

    at: str | None
    balance_usd: str
    draw_usd: str
    fees_usd: str
    groups: int
    in_liquidation: int
    unknown: int
    blind: bool
    exceeded: bool
    items: list[BankruptGroup]


class GroupCounts(TypedDict):
    """How the groups stand. `debt_usd` is by stage, in whole USD, without groups that cannot be valued."""

    total: int
    unwatched: int | None
    unknown: int
    blind: int
    stages: dict[str, int]
    debt_usd: dict[str, str]
    partial: NotRequired[bool]


class GroupDetail(TypedDict):
    """All that is known of a group at one instant."""

    ltv: str | None
    band: str | None
    debt_usd: str | None
    recognised_usd: str | None
    market_usd: str | None
    margin_level: NotRequired[str | None]
    health_factor: NotRequired[str | None]
    net_equity_usd: NotRequired[str | None]
    liabilities_usd: NotRequired[str | None]
    initial_margin_usd: NotRequired[str | None]
    available_margin_usd: NotRequired[str | None]
    collateral_margin_level: NotRequired[str | None]
    maintenance_margin_usd: NotRequired[str | None]
    cure: CureShown | None
    liquidation_price: dict[str, str | None] | None
    liquidation_together: NotRequired[list[JointFactor]]
    next_line: NextLineShown | None
    liquidation: ClearanceShown | None
    closable: NotRequired[list[Closable]]
    stage: Literal["delayed_liquidation", "liquidation", "margin_call", "normal"]
    deadline: str | None
    blind: bool
    unknown: bool
    missing: list[str]
    bounds: BoundsShown | None
    permitted: PermittedShown
    borrowable_usd: str
    borrowable: dict[str, BorrowableCoin]
    id: str
    product: str
    labels: dict[str, str]
    receiving_account: str
    leverage: NotRequired[int]
    open_order_loss_usd: NotRequired[str]
    delayed_liquidation: bool
    source: str
    book: BookShown | None
    version: int
    at: str
    reason: str | None
    since: str | None
    episode: int
    sequence: int
    acknowledged: AckShown | None
    thresholds: dict[str, str]
    rules: str
    terms: list[TermShown]
    contributions: list[Contribution]
    uncounted: list[Uncounted]
    liabilities: NotRequired[list[Liability]]
    settling: bool
    loans: list[LoanDetail]
    interest_short: list[ShortCoin]
    lender: NotRequired[LenderShown]
    call: NotRequired[CallShown]
    returnable_usd: NotRequired[str]


class GroupLine(TypedDict):
    """A group as the loan book states it: one line of a file, the body of PUT /v1/groups/{id}."""

    id: NotRequired[str]
    product: str
    receiving_account: str
    collateral: dict[str, dict[str, str]]
    loans: list[LoanLine]
    delayed_liquidation: NotRequired[bool]
    thresholds: NotRequired[dict[str, str]]
    labels: NotRequired[dict[str, str]]
    balances: NotRequired[dict[str, dict[str, str]]]
    vip_level: NotRequired[int | None]
    contacts: NotRequired[dict[str, list[str | ContactTo]]]
    leverage: NotRequired[int | None]
    terms: NotRequired[Terms | None]
    open_order_loss: NotRequired[str]


class GroupList(TypedDict):
    """Groups, worst first."""

    items: list[GroupRow]
    next: str | None
    partial: NotRequired[bool]


class GroupRef(TypedDict):
    """The group that an alert is about."""

    id: str
    product: str
    receiving_account: str
    labels: dict[str, str]


class GroupRow(TypedDict):
    """A group in a list. Figures are null while a price is missing; `ltv` is null also where nothing is recognised."""

    id: str
    product: str
    labels: dict[str, str]
    ltv: str | None
    stage: Literal["delayed_liquidation", "liquidation", "margin_call", "normal"]
    band: str | None
    debt_usd: str | None
    recognised_usd: str | None
    deadline: str | None
    blind: bool
    unknown: bool
    version: int
    thresholds: dict[str, str]
    next_line: NextLineShown | None
    margin_level: NotRequired[str | None]
    health_factor: NotRequired[str | None]
    acknowledged: NotRequired[AckShown | None]
    call: NotRequired[CallBrief]


class GroupTimeline(TypedDict):
    """What happened to a group, oldest first."""

    items: list[TimelineItem]
    next: str | None


class HeadState(TypedDict):
    """How this head stands. `holder`: the head that has the lease; empty where nobody has. `version` is the holder's."""

    role: Literal["active", "standby"]
    epoch: int
    holder: str
    version: str
    lease_age_s: float | None
    basis: Literal["lease", "none", "over", "peer"] | None
    clock_offset_s: float | None
    peer: str
    peer_says: Literal["does not answer", "does not reach the database", "not asked", "reaches the database"]
    trouble: str
    database: NotRequired[DatabaseState | None]


class HiddenAlert(TypedDict):
    """An alert that a silence would have hidden."""

    id: str
    cursor: int | None
    type: str
    severity: Literal["critical", "info", "warning"]
    subject: str
    timestamp: str


class HiddenAlerts(TypedDict):
    """Alerts of the last 24 hours that match: how many would be `hidden`, and how many `told`, as worse or as good news."""

    hidden: int
    told: int
    types: dict[str, int]
    items: list[HiddenAlert]
    whole: bool


class HiddenGroup(TypedDict):
    """A group that a silence matches, and the worst stage of it that would be hidden."""

    id: str
    product: str
    stage: Literal["delayed_liquidation", "liquidation", "margin_call", "normal"]
    up_to: Literal["critical", "delayed_liquidation", "info", "liquidation", "margin_call", "normal", "warning"]


class HiddenGroups(TypedDict):
    """Groups in a bad stage that a silence matches; the first 100 are listed. `whole`: the preview looked at all."""

    count: int
    items: list[HiddenGroup]
    whole: bool


class HistoryList(TypedDict):
    """Items of one kind, newest last."""

    items: list[LoanItem | RepaymentItem | LiquidationItem | CallItem | InterestItem]
    next: str | None


class ImportAnswer(TypedDict):
    """What a file says, how each of its groups would stand, and whether it was taken."""

    name: str
    source: str
    at: str
    taken: bool
    counts: ImportCounts
    sheets: list[SheetShown]
    fields: list[str]
    notes: list[str]
    questions: list[Question]
    refused: list[RefusedCell]
    rows: list[ImportRow]
    missing: list[str]


class ImportCounts(TypedDict):
    """How many rows and groups."""

    rows: int
    new: int
    changed: int
    same: int
    refused: int
    missing: int
    closed: int


class ImportRow(TypedDict):
    """A group of the file as it would stand."""

    group: str
    where: str
    change: Literal["changed", "new", "same"]
    stage: str
    ltv: str | None
    debt_usd: str | None
    recognised_usd: str | None
    missing: list[str]
    alert: str | None


class InputShown(TypedDict):
    """One collateral asset as it went into the decision; null where the price is missing."""

    asset: str
    quantity: str
    price: str | None
    quote: str | None
    quote_price: str | None
    source: str | None
    price_at: str | None
    trust: str
    value_usd: str | None
    recognised_usd: str | None
    pinned: NotRequired[PinnedShown]


class InterestItem(TypedDict):
    """What one UTC day charged a loan at one rate; `rate` is for one `period`, and the day had this many `periods`."""

    kind: Literal["interest"]
    cursor: str
    accrued_at: str
    loan: str
    asset: str
    principal: str
    rate: str
    period: str
    late_factor: str
    periods: int
    amount: str


class IssuerPair(TypedDict):
    """Groups that owe one coin and hold one of the same issuer."""

    issuer: str
    debt: str
    collateral: str
    groups: int
    debt_usd: str
    market_usd: str


class JointFactor(TypedDict):
    """Coins that move together, and the factor of their prices at which the group is at its liquidation line."""

    coins: list[str]
    factor: str | None


class KeyItem(TypedDict):
    """A key in force, without what is secret of it. `until`: it was replaced and signs no longer than this."""

    kind: Literal["pair", "secret"]
    public: str | None
    until: str | None


class LenderShown(TypedDict):
    """What the lender's own system said last, to be held against our level, stage and deadline."""

    source: str
    level: str | None
    stage: Literal["delayed_liquidation", "liquidation", "margin_call", "normal"] | None
    words: str
    deadline: str | None
    as_of: str
    age_s: float
    old: bool
    figures: dict[str, str]
    differs: list[str]
    compared: bool


class LeverBody(TypedDict):
    """A lever (`type`: extend_grace, waive, override or move, as an entry states it) and its groups, by id or selected."""

    lever: ExtendGrace | Waive | OverrideLines | MoveProduct
    groups: NotRequired[list[str]]
    select: NotRequired[Selected | None]
    emergency: NotRequired[str | None]


class LeverItem(TypedDict):
    """A lever in force."""

    id: str
    act: str
    change: str
    by: str
    person: str | None
    reason: str
    at: str
    until: str | None
    groups: int
    group_ids: list[str]
    approved_by: str | None
    emergency: str | None
    proposal: str | None


class LeverList(TypedDict):
    """Levers in force, by id."""

    items: list[LeverItem]
    next: str | None


class LeverPreview(TypedDict):
    """What an act would do now. Nothing is done."""

    act: str
    change: str
    until: str | None
    needs_approval: bool
    effects: EffectsShown


class Liability(TypedDict):
    """The debt in one coin, where loans are liabilities; its tier counts from 1."""

    asset: str
    amount: str
    borrow_limit: str | None
    borrow_left: str | None
    value_usd: str | None
    tier: str | None
    max_leverage: str | None
    initial_rate: str | None
    maintenance_rate: str | None
    maintenance_amount: str | None
    initial_margin_usd: str | None
    maintenance_margin_usd: str | None


class LiquidatedEntry(TypedDict):
    """The lender has liquidated: all loans are repaid out of the collateral (rule 12)."""

    type: Literal["liquidated"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    proceeds_usd: NotRequired[str | None]
    fee_usd: NotRequired[str | None]


class LiquidationItem(TypedDict):
    """A liquidation began, was carried out, or was cleared. Sums are null of one cleared, and where a price was missing."""

    kind: Literal["liquidation"]
    cursor: str
    at: str
    what: str
    reason: str | None
    alert: str | None
    entry: str | None
    proceeds_usd: str | None
    market_usd: str | None
    debt_usd: str | None
    fee_usd: str | None
    left_usd: str | None
    shortfall_usd: str | None


class LoanDetail(TypedDict):
    """One loan with its interest of the day."""

    id: str
    asset: str
    principal: str
    interest: str
    rate: LoanRate
    daily_rate: str
    late_factor: str
    settling: bool
    term: str
    opened_at: str
    matures_at: str | None
    overdue: bool
    renewal: Renewal | None
    price: str | None
    value_usd: str | None
    pinned: NotRequired[PinnedShown]


class LoanItem(TypedDict):
    """A loan was opened, renewed, restated by a put, or closed, and how it stood then."""

    kind: Literal["loan"]
    cursor: str
    at: str
    what: str
    loan: str
    asset: str
    principal: str
    interest: str
    rate: str
    daily: str | None
    term: str
    opened_at: str
    matures_at: str | None
    reason: str | None
    entry: str | None
    principal_before: str | None
    interest_before: str | None
    written_off: str | None


class LoanLine(TypedDict):
    """A loan as the loan book states it; `interest` is what had accrued when the line was put."""

    id: str
    asset: str
    principal: str
    rate: Rate
    term: str
    opened_at: str
    interest: NotRequired[str]
    matures_at: NotRequired[str | None]


class LoanRate(TypedDict):
    """Flexible, or fixed with its share per day."""

    kind: str
    daily: str | None
    paid_in: NotRequired[str]


LtvHistory = TypedDict(
    "LtvHistory",
    {
        "id": "str",
        "from": "str",
        "to": "str",
        "step_s": "int",
        "items": "list[LtvItem]",
    },
)
"""What was kept of a group's LTV, oldest first; each point covers `step_s` seconds."""


class LtvItem(TypedDict):
    """LTV from `at` on for one step: the lowest, the highest and the last that was seen; null where there was none."""

    at: str
    low: str | None
    high: str | None
    last: str | None
    blind: NotRequired[bool]
    unknown: NotRequired[bool]
    unrecognised: NotRequired[bool]
    gap: NotRequired[bool]


class Match(TypedDict):
    """What an alert must be like, in every key that is stated. `type`, `group` and the values of `labels` may be globs."""

    type: NotRequired[str | None]
    severity: NotRequired[Literal["info", "warning", "critical"] | None]
    product: NotRequired[str | None]
    group: NotRequired[str | None]
    labels: NotRequired[dict[str, str]]
    group_id: NotRequired[str | None]


class Matrix(TypedDict):
    """Two coins, each with its shocks."""

    x: Axis
    y: Axis


class MatrixAnswer(TypedDict):
    """A row for each shock of y, in it a cell for each of x."""

    kind: Literal["matrix"]
    at: str
    x: Axis
    y: Axis
    cells: list[list[Cell]]
    partial: NotRequired[bool]


class MoveProduct(TypedDict):
    """The group is under another product from now on, also where the book goes on naming the one that it named so far."""

    type: Literal["move"]
    product: str
    reason: str


class MoveProductEntry(TypedDict):
    """The group is under another product from now on, also where the book goes on naming the one that it named so far."""

    type: Literal["move"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    product: str
    reason: str


MovedGroup = TypedDict(
    "MovedGroup",
    {
        "id": "str",
        "product": "str",
        "labels": "dict[str, str]",
        "from": "Literal['delayed_liquidation', 'liquidation', 'margin_call', 'normal']",
        "to": "Literal['delayed_liquidation', 'liquidation', 'margin_call', 'normal']",
        "ltv_before": "str | None",
        "ltv": "str | None",
        "debt_usd": "str",
        "recognised_usd": "str",
        "market_usd": "str",
        "shortfall_usd": "str",
    },
)
"""A group that changes its stage; exact."""


MovedGroups = TypedDict(
    "MovedGroups",
    {
        "from": "Literal['delayed_liquidation', 'liquidation', 'margin_call', 'normal']",
        "to": "Literal['delayed_liquidation', 'liquidation', 'margin_call', 'normal']",
        "groups": "int",
        "debt_usd": "str",
        "recognised_usd": "str",
        "market_usd": "str",
    },
)
"""Groups by their stage before and after."""


class NamedFeed(TypedDict):
    """A price source with its name."""

    connected: bool
    reason: str
    cause: str | None
    clock_offset_s: float | None
    clock_off: bool
    instruments: str
    states: dict[str, str]
    dropped: dict[str, int]
    frames: int
    quotes: int
    reconnects: int
    ignored: dict[str, int]
    refused: dict[str, int]
    last_frame_at: str | None
    last_frame_age_s: float | None
    lag_s: float | None
    name: str


class NewInStage(TypedDict):
    """Groups that are new in a stage, the worst first; `cut` of them are not listed."""

    groups: int
    debt_usd: str
    recognised_usd: str
    market_usd: str
    items: list[MovedGroup]
    cut: int


class NextLineShown(TypedDict):
    """The line that LTV, or a product's level, meets next; the recognised value may fall by `distance_percent` until then."""

    name: str
    ltv: NotRequired[str]
    level: NotRequired[str]
    distance_percent: str
    strict: NotRequired[bool]


class OffBody(TypedDict):
    """Why a channel is switched off."""

    reason: str


Offers = TypedDict(
    "Offers",
    {
        "flexible": "str | None",
        "30d": "str | None",
        "60d": "str | None",
    },
)
"""Daily rates of a new order; null where there is none."""


class OnItsWay(TypedDict):
    """What is announced and has not arrived. `counts`: its own time has not passed, so it counts against expiry."""

    entry: str
    kind: str
    asset: str
    quantity: str
    value_usd: str
    expected: str
    counts: bool


class OverrideLines(TypedDict):
    """Other lines for the group until a time; then its former lines hold again. A line that is not named stays."""

    type: Literal["override"]
    thresholds: dict[str, str]
    until: str
    reason: str


class OverrideLinesEntry(TypedDict):
    """Other lines for the group until a time; then its former lines hold again. A line that is not named stays."""

    type: Literal["override"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    thresholds: dict[str, str]
    until: str
    reason: str


class OwedThen(TypedDict):
    """A loan as it stood at one time, with its interest until then; `owed` is their sum."""

    loan: str
    asset: str
    principal: str
    interest: str
    owed: str


class PermittedShown(TypedDict):
    """What the borrower may do now."""

    trade: bool
    move_within_group: bool
    withdraw: bool
    new_order: bool
    new_order_refusals: list[Reason]
    not_stated: dict[str, Reason]
    withdrawable: dict[str, str]
    removable_accounts: list[str]
    accounts: dict[str, DetachableAccount]


class PinnedShown(TypedDict):
    """An operator has pinned the price: who, until when, and why."""

    by: str
    until: str
    reason: str


class PostedProduct(TypedDict):
    """An agreement: its kind, the lines of its file, and what [[product]] states beside these."""

    kind: str
    lines: list[str]
    name: NotRequired[str | None]
    override: NotRequired[list[dict[str, Any]]]


PreviewedGroup = TypedDict(
    "PreviewedGroup",
    {
        "id": "str",
        "product": "str",
        "labels": "dict[str, str]",
        "from": "Literal['delayed_liquidation', 'liquidation', 'margin_call', 'normal']",
        "to": "Literal['delayed_liquidation', 'liquidation', 'margin_call', 'normal']",
        "ltv_before": "str | None",
        "ltv": "str | None",
        "level_before": "str | None",
        "level": "str | None",
        "missing": "list[str]",
        "debt_usd": "str",
        "recognised_before_usd": "str | None",
        "recognised_usd": "str",
        "next_line": "NextLineShown | None",
    },
)
"""A group that would change its stage; exact. `level` where its product is judged by one, such as a margin level."""


class PriceHealth(TypedDict):
    """Prices that groups need, those of them that are not trusted (at most 20 named), and the oldest price."""

    needed: int
    untrusted: int
    untrusted_assets: list[str]
    oldest_asset: str | None
    oldest_age_s: float | None


class PriceItem(TypedDict):
    """An asset's price in USD, where it comes from, its ages, and whether it may be believed."""

    asset: str
    price: str | None
    quote: str | None
    quote_price: str | None
    source: str | None
    price_at: str | None
    received_at: str | None
    changed_at: str | None
    exchange_age_s: float | None
    receipt_age_s: float | None
    change_age_s: float | None
    trust: str
    reason: str | None
    candidate: NotRequired[str | None]
    candidate_since: NotRequired[str | None]
    instruments: NotRequired[str | None]
    pinned: NotRequired[PinnedShown]
    decisions: NotRequired[list[DecisionShown]]
    sources: NotRequired[list[SourceShown]]


class PriceList(TypedDict):
    """Prices by asset."""

    items: list[PriceItem]
    next: str | None


class ProblemDetails(TypedDict):
    """An error of this API. `errors` names every place that is wrong; `reason` is the book's, for programs."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: NotRequired[list[dict[str, str]] | None]
    reason: NotRequired[str | None]
    retry_after_s: NotRequired[int | None]


class ProposalAnswer(TypedDict):
    """What became of a proposal; the lever, where one is in force by it."""

    id: str
    outcome: str
    lever: LeverItem | None


class ProposalItem(TypedDict):
    """What waits for another person. `lever`: it was pulled in an emergency, and ends unless this is approved."""

    id: str
    act: str
    change: str
    by: str
    person: str
    reason: str
    at: str
    until: str | None
    expires: str
    lever: str | None
    emergency: str | None
    effects: EffectsShown


class ProposalList(TypedDict):
    """Open proposals, by id."""

    items: list[ProposalItem]
    next: str | None


class ProposalLook(TypedDict):
    """A proposal with what it did when it was proposed (`proposal.effects`), and what it would do at `at`."""

    proposal: ProposalItem
    at: str
    now: EffectsShown


class PutAnswer(TypedDict):
    """A group that was put."""

    id: str
    product: str
    labels: dict[str, str]
    ltv: str | None
    stage: Literal["delayed_liquidation", "liquidation", "margin_call", "normal"]
    band: str | None
    debt_usd: str | None
    recognised_usd: str | None
    deadline: str | None
    blind: bool
    unknown: bool
    version: int
    thresholds: dict[str, str]
    next_line: NextLineShown | None
    margin_level: NotRequired[str | None]
    health_factor: NotRequired[str | None]
    acknowledged: NotRequired[AckShown | None]
    call: NotRequired[CallBrief]
    dry_run: bool
    before: GroupRow | None
    alerts: list[str] | None


class Question(TypedDict):
    """What a person has to say before anything can be taken, and how."""

    where: str
    text: str
    remedy: str


class Rate(TypedDict):
    """Flexible (rates of the product) or fixed (`daily`, a share of the principal per day) (rules 21 and 22)."""

    kind: Literal["flexible", "fixed"]
    daily: NotRequired[str | None]
    paid_in: NotRequired[Literal["BNB"] | None]


class RateItem(TypedDict):
    """A coin's rate per period of the product, from a time on. `source` is a version of the rules, a rate source or `api`."""

    product: str
    asset: str
    effective: str
    rate: str
    per: str
    source: str
    in_force: bool


class RateList(TypedDict):
    """Rates by product, coin and time."""

    items: list[RateItem]
    next: str | None


class RatesAnswer(TypedDict):
    """The rates that were given, by coin, and since when they hold."""

    items: list[RateItem]


class RatesBody(TypedDict):
    """Rates per period of a product, from a time on: now, if it is left out."""

    product: str
    rates: dict[str, str]
    effective: NotRequired[str | None]


class Readiness(TypedDict):
    """Whether the daemon does its work, and what keeps it from it, by part."""

    ready: bool
    reasons: dict[str, str | None]
    degraded: list[DegradedItem]
    prices: PriceHealth | None
    oldest_undelivered_s: dict[str, float] | None
    head: NotRequired[HeadState | None]


class Reason(TypedDict):
    """Why something is refused: a word for programs, a sentence for people."""

    reason: str
    text: str


class RefusedCell(TypedDict):
    """A cell that cannot be taken: where it is, what it holds, and what to do. Its whole group is left as it was."""

    where: str
    value: str
    what: str
    group: NotRequired[str | None]


class RejectBody(TypedDict):
    """Why."""

    reason: str


class ReloadEffect(TypedDict):
    """What a reload does with the rules of its file: `held` where they would move more groups than `limit`."""

    rules: Literal["held", "taken", "unchanged"]
    moved: int
    limit: int
    preview: RulesPreview | None


class ReloadRefused(TypedDict):
    """Why a reload with these rules would change nothing."""

    reason: str
    detail: str


class RenewEntry(TypedDict):
    """RenewEntry"""

    type: Literal["renew"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    loan: str
    term: str
    rate: Rate


class Renewal(TypedDict):
    """When a term loan may be renewed, and why that would be refused now."""

    opens_at: str
    closes_at: str
    open: bool
    renewable: bool
    refusals: list[Reason]


class RepayEntry(TypedDict):
    """An amount or a percentage of what is owed in a coin: interest first, oldest order first (rules 26 and 36)."""

    type: Literal["repay"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    asset: str
    amount: NotRequired[str | None]
    percent: NotRequired[str | None]
    loan: NotRequired[str | None]
    account: NotRequired[str | None]


class RepaymentItem(TypedDict):
    """What one repayment took off one loan, what remains, and the group's LTV after it."""

    kind: Literal["repayment"]
    cursor: str
    at: str
    loan: str
    asset: str
    entry: str
    amount: str
    interest_paid: str
    principal_paid: str
    interest_left: str
    principal_left: str
    ltv_after: str | None


class ReplayBody(TypedDict):
    """What goes out again: `alerts` by id, or all behind the cursor `after`, or from the time `since` on."""

    notifier: str
    alerts: NotRequired[list[str]]
    after: NotRequired[int | None]
    next: NotRequired[str | None]
    up_to: NotRequired[int | None]
    since: NotRequired[str | None]
    until: NotRequired[str | None]
    types: NotRequired[list[str]]


class Replayed(TypedDict):
    """How many notices go out again, the cursors of the first and the last, and `after` of the next request or null."""

    notifier: str
    sent: int
    first: int | None
    last: int | None
    next: int | str | None


class ResolveDisputeEntry(TypedDict):
    """The dispute about a margin call is settled; the clock of the whole call runs."""

    type: Literal["resolve"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    reason: str
    by: str


class Retried(TypedDict):
    """How many are sent again. `more`: there are others; ask again."""

    count: int
    passed_over: int
    more: bool


class RetryBody(TypedDict):
    """Which deliveries are sent again: all that is stated must hold, and something must be stated. `type` may be a glob."""

    notifier: NotRequired[str | None]
    type: NotRequired[str | None]
    since: NotRequired[str | None]
    until: NotRequired[str | None]
    state: NotRequired[Literal["pending", "failed", "delivered"]]
    limit: NotRequired[int]


class Reverse(TypedDict):
    """The smallest common fall that brings this share of the debt to the liquidation line."""

    share: str
    assets: NotRequired[list[str]]


class ReverseAnswer(TypedDict):
    """The smallest common fall that reaches a share of the debt, and what 0.01 % less would reach."""

    kind: Literal["reverse"]
    at: str
    share: str
    assets: list[str]
    fall_percent: str | None
    reached: FallReach | None
    below: FallReach | None
    reason: str | None
    is_exact: Exactness
    partial: NotRequired[bool]


class RotaItem(TypedDict):
    """A rota: who is on duty now, and who comes next."""

    name: str
    time_zone: str
    people: list[str]
    now: ShiftItem
    next: ShiftItem | None


class RotaList(TypedDict):
    """All rotas, as they are configured."""

    items: list[RotaItem]


class RotationBody(TypedDict):
    """A new key; those before it sign for as long as the overlap lasts."""

    overlap: NotRequired[str]
    key: NotRequired[Literal["secret", "pair"]]


class RulesBody(TypedDict):
    """All products of a configuration, and its table [lifecycle], which else stays as it is. `limit` groups are listed."""

    products: list[PostedProduct]
    lifecycle: NotRequired[dict[str, Any] | None]
    limit: NotRequired[int]


class RulesPreview(TypedDict):
    """What a reload would do at the prices of now. Nothing is changed."""

    at: str
    refused: ReloadRefused | None
    products: list[ChangedProduct]
    lifecycle: list[str]
    groups: int
    unknown: int
    is_exact: bool
    moves: list[MovedGroups]
    items: list[PreviewedGroup]
    cut: int


class Selected(TypedDict):
    """Groups by their product and their labels, all of them."""

    product: NotRequired[str | None]
    labels: NotRequired[dict[str, str]]


class SessionItem(TypedDict):
    """Who asks. `tokens`: the daemon has some; `cookie`: the caller has a session, which lasts `until`."""

    name: str
    role: str
    may: list[str]
    scope: dict[str, str]
    tokens: bool
    cookie: bool
    until: str | None
    zone: str | None
    sign_out_url: NotRequired[str | None]


class SetBalanceEntry(TypedDict):
    """SetBalanceEntry"""

    type: Literal["set_balance"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    account: str
    asset: str
    quantity: str


class ShardItem(TypedDict):
    """A copy of a shard. `debt_usd`: what its groups owed when the shard saw prices last. `missing`: a replacement is loaded."""

    shard: int
    copy: int
    where: str
    groups: int
    debt_usd: str
    missing: bool
    watched: bool
    answered_s: float
    memory_bytes: int | None
    state: str


class ShardList(TypedDict):
    """The shards by number. None where the daemon's own process holds the book."""

    items: list[ShardItem]
    unwatched: int


class SheetShown(TypedDict):
    """A table of the file."""

    sheet: str
    header_row: int
    rows: int
    columns: list[ColumnShown]


class ShiftItem(TypedDict):
    """Somebody's time on duty; `until` is null where nobody else comes."""

    person: str
    since: str
    until: str | None


class ShockedPrice(TypedDict):
    """A shock and its coin's USD price."""

    shock: str
    before: str | None
    after: str


class ShortCoin(TypedDict):
    """A coin whose stated Spot balances do not pay its interest."""

    asset: str
    interest: str
    balance: str
    short: str


class SignIn(TypedDict):
    """The secret of a token, as it stands behind `Authorization: Bearer`."""

    token: str


class SignInWays(TypedDict):
    """How people sign in here. `provider`: the text of the button that leads to the desk's provider, or null."""

    token: bool
    provider: str | None


class SilenceBody(TypedDict):
    """What is hidden (the grammar of routes), until when, why, and what may be hidden at worst."""

    match: Match
    until: str
    reason: str
    up_to: NotRequired[
        Literal["info", "warning", "critical", "normal", "margin_call", "delayed_liquidation", "liquidation"] | None
    ]
    even_worse: NotRequired[bool]
    emergency: NotRequired[str | None]


class SilenceItem(TypedDict):
    """A silence in force."""

    id: str
    match: Match
    until: str
    reason: str
    up_to: Literal["critical", "delayed_liquidation", "info", "liquidation", "margin_call", "normal", "warning"] | None
    even_worse: bool
    by: str
    at: str


class SilenceList(TypedDict):
    """Silences in force, by id."""

    items: list[SilenceItem]
    next: str | None


class SilencePreview(TypedDict):
    """What a silence would hide, were it made now. Nothing is made."""

    groups: HiddenGroups
    alerts: HiddenAlerts


class SourceItem(TypedDict):
    """A book of loans or a source of rates. Times are null before it was read; `stale`: it is older than `limit_s`."""

    name: str
    kind: str
    gives: str
    path: str | None
    as_of: str | None
    seen_at: str | None
    version: str | None
    limit_s: float | None
    stale: bool
    refused: int
    left_out: int
    unwatched: int
    troubles: list[TroubleItem]
    troubles_cut: int


class SourceList(TypedDict):
    """Sources by name. `unwatched`: groups that are not watched, of all of them; `others`: what is of no source."""

    at: str
    items: list[SourceItem]
    unwatched: int
    others: list[TroubleItem]
    next: str | None


class SourceShown(TypedDict):
    """What one feed says of an asset, and whether it counts. `exchange_age_s` is null where the venue sends no time."""

    source: str
    price: str
    quote: str
    state: str
    reason: str | None
    price_at: str | None
    received_at: str
    changed_at: str
    exchange_age_s: float | None
    receipt_age_s: float
    change_age_s: float


StageChange = TypedDict(
    "StageChange",
    {
        "from": "Literal['delayed_liquidation', 'liquidation', 'margin_call', 'normal'] | None",
        "to": "Literal['delayed_liquidation', 'liquidation', 'margin_call', 'normal'] | None",
    },
)
"""The stages before and after."""


class StandShown(TypedDict):
    """How a group stands before or after: `figure` is its LTV, margin level or health factor."""

    product: str
    stage: Literal["delayed_liquidation", "liquidation", "margin_call", "normal"]
    figure: str | None
    next_line: str | None
    next_level: str | None
    liquidated_at: str | None
    metric: str
    lines: list[str]


class Status(TypedDict):
    """The daemon at a glance. `reasons` have no texts for a token with a scope: these may name other groups."""

    at: str
    name: str
    ready: bool
    reasons: dict[str, str | None]
    degraded: list[DegradedItem]
    groups: GroupCounts
    prices: PriceHealth
    oldest_undelivered_s: dict[str, float]
    feeds: dict[str, FeedItem]
    books: dict[str, BookItem]
    cursor: int | None
    streams: int
    rules: list[str]
    head: NotRequired[HeadState | None]


class Stress(TypedDict):
    """What is asked: exactly one of the four. `limit` groups are listed of each stage."""

    shocks: NotRequired[dict[str, str]]
    scenario: NotRequired[str | None]
    matrix: NotRequired[Matrix | None]
    reverse: NotRequired[Reverse | None]
    limit: NotRequired[int]


class StressAnswer(TypedDict):
    """The book before and after shocks, by stage, with what is lost."""

    kind: Literal["shocks"]
    at: str
    shocks: dict[str, ShockedPrice]
    groups: int
    unknown: int
    is_exact: Exactness
    before: dict[str, SumsShown]
    after: dict[str, SumsShown]
    moves: list[MovedGroups]
    bankrupt: int
    shortfall_usd: str
    expected_shortfall_usd: str
    fees_usd: str
    fund_draw_usd: NotRequired[str]
    scenario: str | None
    newly: dict[str, NewInStage]
    partial: NotRequired[bool]


class SumsShown(TypedDict):
    """Groups and what they come to in USD."""

    groups: int
    debt_usd: str
    recognised_usd: str
    market_usd: str


class TermShown(TypedDict):
    """A figure in which the group differs from its agreement, such as `thresholds.liquidation`, and who states it: its own
    line (`line`), or the override for groups with labels (`borrower acme`)."""

    figure: str
    value: str
    origin: str


class Terms(TypedDict):
    """What is not stated stays as the agreement has it."""

    ladders: NotRequired[dict[str, list[list[Any]] | AmountTable]]
    scale: NotRequired[str | None]
    haircut: NotRequired[str | None]
    rate_spread: NotRequired[str | None]
    grace: NotRequired[str | None]


class TestedEndpoint(TypedDict):
    """How one attempt with a test notice ended."""

    delivered: bool
    detail: str
    took_ms: float


Tier = TypedDict(
    "Tier",
    {
        "from": "str",
        "to": "str | None",
        "share": "str",
        "value_usd": "str",
        "recognised_usd": "str",
        "from_amount": "NotRequired[str]",
        "to_amount": "NotRequired[str | None]",
    },
)
"""The part of an asset's value that lies inside one tier of its ladder. `from` and `to` are USD; where the tiers go by
        the amount of the coin they are so at its price, and the amounts stand beside them."""


class TimelineItem(TypedDict):
    """Something that happened to a group."""

    kind: Literal["ack", "alert", "book", "entry", "stage"]
    at: str
    id: NotRequired[str | None]
    cursor: NotRequired[int | None]
    type: NotRequired[str | None]
    severity: NotRequired[Literal["critical", "info", "warning"] | None]
    episode: NotRequired[int | None]
    stage: NotRequired[StageChange | None]
    reason: NotRequired[str | None]
    ltv: NotRequired[str | None]
    deadline: NotRequired[str | None]
    blind: NotRequired[bool]
    silenced_by: NotRequired[str | None]
    told: NotRequired[list[ToldItem]]
    action: NotRequired[str | None]
    who: NotRequired[str | None]
    note: NotRequired[str | None]
    until: NotRequired[str | None]


class ToldItem(TypedDict):
    """Who was told of an alert, and when; `delivered_at` is null while that has not happened."""

    delivery: str
    notifier: str
    to: list[str]
    state: Literal["delivered", "failed", "pending", "superseded"]
    attempts: int
    delivered_at: str | None
    detail: str
    held_until: str | None


TransferEntry = TypedDict(
    "TransferEntry",
    {
        "type": "Literal['transfer']",
        "id": "NotRequired[str | None]",
        "at": "NotRequired[str | None]",
        "from": "str",
        "to": "str",
        "asset": "str",
        "quantity": "str",
    },
)
"""TransferEntry"""


class TroubleItem(TypedDict):
    """One refused line, or whatever else is not mended. `watched`: its group is watched, on what was known before."""

    kind: str
    subject: str
    place: str | None
    group: str | None
    watched: bool
    since: str
    text: str
    cells: list[BadCell]


class Uncounted(TypedDict):
    """A coin that the product's ladders do not list."""

    asset: str
    quantity: str
    accounts: dict[str, str]


class UncountedShown(TypedDict):
    """A coin of the collateral that the product does not list."""

    asset: str
    quantity: str


class Waive(TypedDict):
    """The lender waives liquidation of overdue loans until a time; the lines of LTV stay watched."""

    type: Literal["waive"]
    until: str
    reason: str


class WaiveEntry(TypedDict):
    """The lender waives liquidation of overdue loans until a time; the lines of LTV stay watched."""

    type: Literal["waive"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    until: str
    reason: str


class WhatIf(TypedDict):
    """Changes by coin. A shock moves the coin's USD price alone; everything else is a quantity of the coin."""

    shock: NotRequired[dict[str, str]]
    repay: NotRequired[dict[str, str]]
    add: NotRequired[dict[str, str]]
    remove: NotRequired[dict[str, str]]


class WhatIfAnswer(TypedDict):
    """The group as it is and as it would be."""

    id: str
    at: str
    before: WhatIfStanding
    after: WhatIfStanding
    returned: dict[str, str]


class WhatIfStanding(TypedDict):
    """A standing, and the types of the alerts that would be raised on the way to it."""

    ltv: str | None
    band: str | None
    debt_usd: str | None
    recognised_usd: str | None
    market_usd: str | None
    margin_level: NotRequired[str | None]
    health_factor: NotRequired[str | None]
    net_equity_usd: NotRequired[str | None]
    liabilities_usd: NotRequired[str | None]
    initial_margin_usd: NotRequired[str | None]
    available_margin_usd: NotRequired[str | None]
    collateral_margin_level: NotRequired[str | None]
    maintenance_margin_usd: NotRequired[str | None]
    cure: CureShown | None
    liquidation_price: dict[str, str | None] | None
    liquidation_together: NotRequired[list[JointFactor]]
    next_line: NextLineShown | None
    liquidation: ClearanceShown | None
    closable: NotRequired[list[Closable]]
    stage: Literal["delayed_liquidation", "liquidation", "margin_call", "normal"]
    deadline: str | None
    blind: bool
    unknown: bool
    missing: list[str]
    bounds: BoundsShown | None
    permitted: PermittedShown
    borrowable_usd: str
    borrowable: dict[str, BorrowableCoin]
    alerts: list[str]


class WithdrawEntry(TypedDict):
    """`substitution`: the second half of a substitution, permitted where the level is no worse after both than before."""

    type: Literal["withdraw"]
    id: NotRequired[str | None]
    at: NotRequired[str | None]
    account: str
    asset: str
    quantity: str
    substitution: NotRequired[str | None]


ApplyEntryBody = (
    DepositEntry
    | WithdrawEntry
    | SetBalanceEntry
    | TransferEntry
    | BorrowEntry
    | RepayEntry
    | RenewEntry
    | AttachAccountEntry
    | DetachAccountEntry
    | EnrollEntry
    | LiquidatedEntry
    | ExtendGraceEntry
    | WaiveEntry
    | OverrideLinesEntry
    | MoveProductEntry
    | AnnounceEntry
    | DisputeCallEntry
    | ResolveDisputeEntry
)


TellOfCallBody = AnnounceEntry | DisputeCallEntry | ResolveDisputeEntry
