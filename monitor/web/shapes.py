"""Answers as the contract describes them. The test of the contract holds every real answer against these."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.alerts.alert import GroupRef
from monitor.core.queries.explain import AckShown
from monitor.web.borrowing_shapes import BorrowableShape, PermittedShape, RenewalShape, ShortfallShape


class _Shape(msgspec.Struct, frozen=True):
    pass


class Tier(_Shape, frozen=True):
    """The part of an asset's value that lies inside one tier of its ladder."""

    from_: str = msgspec.field(name="from")
    to: str | None
    share: str
    value_usd: str
    recognised_usd: str


class Contribution(_Shape, frozen=True):
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
    trust: str
    reason: str | None
    value_usd: str | None
    recognised_usd: str | None
    tiers: list[Tier]


class Uncounted(_Shape, frozen=True):
    """A coin that the product's ladders do not list."""

    asset: str
    quantity: str
    accounts: dict[str, str]


class RateShape(_Shape, frozen=True):
    """Flexible, or fixed with its share per day."""

    kind: str
    daily: str | None
    paid_in: str | UnsetType = UNSET


class LoanShape(_Shape, frozen=True):
    """One loan with its interest of the day."""

    id: str
    asset: str
    principal: str
    interest: str
    rate: RateShape
    daily_rate: str
    late_factor: str
    settling: bool
    term: str
    opened_at: str
    matures_at: str | None
    overdue: bool
    renewal: RenewalShape | None
    price: str | None
    value_usd: str | None


class LiabilityShape(_Shape, frozen=True):
    """One coin that is owed where loans are liabilities; its tier counts from 1."""

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


class ClosableShape(_Shape, frozen=True):
    """How much of a coin's debt one liquidation may repay out of a coin of the collateral."""

    debt: str
    collateral: str
    closable_usd: str


class CureShape(_Shape, frozen=True, kw_only=True):
    """The ways back to the initial level: an LTV, or the level of a product that has one."""

    to_ltv: str | UnsetType = UNSET
    to_level: str | UnsetType = UNSET
    repay_usd: str
    add_recognised_usd: str
    by_asset: dict[str, str | None]


class NextLine(_Shape, frozen=True, kw_only=True):
    """The line that LTV, or a product's level, meets next; the recognised value may fall by so many percent until then."""

    name: str
    ltv: str | UnsetType = UNSET
    level: str | UnsetType = UNSET
    distance_percent: str


class LiquidationShape(_Shape, frozen=True):
    """What would follow were the whole group liquidated at these prices."""

    market_usd: str
    fee_usd: str
    debt_usd: str
    left_usd: str
    shortfall_usd: str
    bankrupt: bool


class ShortfallItem(_Shape, frozen=True):
    """A group that a liquidation would leave bankrupt."""

    id: str
    shortfall_usd: str


class FundShape(_Shape, frozen=True):
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
    items: list[ShortfallItem]


class StandingShape(_Shape, frozen=True, kw_only=True):
    """Exact figures and what follows from them; null while a price is missing.

    `ltv` is debt over recognised value for every product. One that is judged by a margin level or a health factor has that
    as well; where loans are liabilities the debt is the maintenance margin, and recognised value the net equity.
    """

    ltv: str | None
    stage: str
    band: str | None
    debt_usd: str | None
    recognised_usd: str | None
    market_usd: str | None
    deadline: str | None
    blind: bool
    unknown: bool
    missing: list[str]
    cure: CureShape | None
    liquidation_price: dict[str, str | None] | None
    borrowable_usd: str
    borrowable: dict[str, BorrowableShape]
    permitted: PermittedShape
    next_line: NextLine | None
    liquidation: LiquidationShape | None
    closable: list[ClosableShape] | UnsetType = UNSET
    margin_level: str | UnsetType | None = UNSET
    health_factor: str | UnsetType | None = UNSET
    net_equity_usd: str | UnsetType | None = UNSET
    liabilities_usd: str | UnsetType | None = UNSET
    initial_margin_usd: str | UnsetType | None = UNSET
    maintenance_margin_usd: str | UnsetType | None = UNSET


class GroupDetail(StandingShape, frozen=True, kw_only=True):
    """All that is known of a group at one instant."""

    id: str
    product: str
    labels: dict[str, str]
    receiving_account: str
    delayed_liquidation: bool
    source: str
    version: int
    at: str
    reason: str | None
    since: str | None
    episode: int
    sequence: int
    acknowledged: AckShown | None
    thresholds: dict[str, str]
    rules: str
    contributions: list[Contribution]
    uncounted: list[Uncounted]
    settling: bool
    loans: list[LoanShape]
    interest_short: list[ShortfallShape]
    liabilities: list[LiabilityShape] | UnsetType = UNSET
    leverage: int | UnsetType = UNSET


class WhatIfStanding(StandingShape, frozen=True, kw_only=True):
    """A standing, and the types of the alerts that would be raised on the way to it."""

    alerts: list[str]


class WhatIfAnswer(_Shape, frozen=True):
    """The group as it is and as it would be."""

    id: str
    at: str
    before: WhatIfStanding
    after: WhatIfStanding


class StageShape(_Shape, frozen=True):
    """The stages before and after."""

    from_: str | None = msgspec.field(name="from")
    to: str | None


class AlertData(_Shape, frozen=True, omit_defaults=True):
    """The `data` of an alert. An alert that is about no group has `subject` and `facts` instead of `group` and figures."""

    id: str
    cursor: int
    severity: str
    test: bool
    durable: bool
    blind: bool
    sequence: int
    episode: int
    detected_at: str
    subject: str | None = None
    facts: dict[str, Any] | None = None
    group: GroupRef | None = None
    stage: StageShape | None = None
    reason: str | None = None
    ltv: str | None = None
    debt_usd: str | None = None
    recognised_usd: str | None = None
    market_usd: str | None = None
    metric: str | None = None
    margin_level: str | None = None
    health_factor: str | None = None
    thresholds: dict[str, str] | None = None
    deadline: str | None = None
    cure: CureShape | None = None
    liquidation_price: dict[str, str | None] | None = None
    inputs: list[dict[str, str | None]] | None = None
    debts: list[dict[str, str | None]] | None = None
    inputs_cut: int = 0
    debts_cut: int = 0
    rules: str | None = None
    supersedes: str | None = None
    suppressed: list[str] | None = None
    cause: str | None = None
    rules_from: str | None = None
    silenced_by: str | None = None
    acknowledged: AckShown | None = None


class AlertItem(_Shape, frozen=True):
    """An alert: the same object in the log, the stream and webhooks."""

    type: str
    timestamp: str
    data: AlertData


class PriceItem(_Shape, frozen=True):
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
