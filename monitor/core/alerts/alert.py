"""All that can be said. An alert is a frozen value with its figures and inputs; its id is a function of what it is about.

`render.py` turns an alert into the object of INTERFACES section 5.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.rules.thresholds import Thresholds

INFO, WARNING, CRITICAL = "info", "warning", "critical"

SEVERITY: Mapping[str, str] = {
    "loan_group.early_warning": INFO,
    "loan_group.margin_call.opened": WARNING,
    "loan_group.margin_call.reminder": WARNING,
    "loan_group.margin_call.cured": INFO,
    "loan_group.delayed_liquidation.started": CRITICAL,
    "loan_group.delayed_liquidation.reminder": CRITICAL,
    "loan_group.delayed_liquidation.cured": INFO,
    "loan_group.liquidation.triggered": CRITICAL,
    "loan_group.liquidation.cleared": INFO,
    "loan.interest_shortfall": WARNING,
    "loan.renewal_open": INFO,
    "loan.maturing": INFO,
    "loan.overdue": CRITICAL,
    "price.stale": WARNING,
    "price.suspect": WARNING,
    "price.restored": INFO,
    "rules.changed": INFO,
    "fund.exceeded": CRITICAL,
    "fund.restored": INFO,
    "exposure.concentration": WARNING,
    "exposure.restored": INFO,
    "book.refused": WARNING,
    "book.drift": WARNING,
    "delivery.failing": WARNING,
    "monitor.clock_jump": WARNING,
    "monitor.degraded": CRITICAL,
    "monitor.recovered": INFO,
    "monitor.heartbeat": INFO,
}

BAD_STAGE_NEWS = frozenset({
    "loan_group.margin_call.opened", "loan_group.delayed_liquidation.started", "loan_group.liquidation.triggered",
})  # fmt: skip
GOOD_STAGE_NEWS = frozenset({
    "loan_group.margin_call.cured", "loan_group.delayed_liquidation.cured", "loan_group.liquidation.cleared",
})  # fmt: skip
STAGE_NEWS = BAD_STAGE_NEWS | GOOD_STAGE_NEWS
"""Alerts that tell of a new stage: each cancels the older undelivered `loan_group.*` notices of its group."""


class GroupRef(msgspec.Struct, frozen=True):
    """The group that an alert is about."""

    id: str
    product: str
    receiving_account: str
    labels: Mapping[str, str]


class Input(msgspec.Struct, frozen=True):
    """One collateral asset as it went into the decision. Price fields are None where the price is missing."""

    asset: str
    quantity: Decimal
    price: Decimal | None
    quote: str | None
    quote_price: Decimal | None
    source: str | None
    price_at: datetime | None
    trust: str
    value_usd: Decimal | None
    recognised_usd: Decimal | None


class Debt(msgspec.Struct, frozen=True):
    """One loan as it went into the decision."""

    loan: str
    asset: str
    principal: Decimal
    interest: Decimal
    price: Decimal | None
    value_usd: Decimal | None


class Figures(msgspec.Struct, frozen=True):
    """What was decided on. Sums are None where a price is missing."""

    ltv: Decimal | None
    debt_usd: Decimal | None
    recognised_usd: Decimal | None
    market_usd: Decimal | None
    thresholds: Thresholds
    inputs: tuple[Input, ...]
    debts: tuple[Debt, ...]
    rules: str


class Alert(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that the desk must know."""

    type: str
    id: str
    at: datetime
    """Time of the event that decided, or of the deadline that passed."""
    detected_at: datetime
    subject: str
    """The group's id; for other alerts the asset, the place in a book, the channel."""
    sequence: int
    episode: int
    group: GroupRef | None = None
    stage_from: str | None = None
    stage_to: str | None = None
    reason: str | None = None
    figures: Figures | None = None
    deadline: datetime | None = None
    supersedes: str | None = None
    suppressed: tuple[str, ...] = ()
    blind: bool = False
    facts: Mapping[str, Any] = {}
    """What else there is to say, as JSON values; all that an alert without a group says."""
    contacts: Mapping[str, tuple[str, ...]] = {}
    """The borrower's own addresses, for the route target `contacts`; never rendered."""
    silenced_by: str | None = None
    """The silence that keeps it from every channel; it is in the log alone."""

    @property
    def severity(self) -> str:
        """info, warning or critical."""
        return SEVERITY[self.type]


class LoggedAlert(msgspec.Struct, frozen=True):
    """An alert with its place in the log. `durable` is False where the store could not be written in time."""

    cursor: int
    alert: Alert
    durable: bool = True
