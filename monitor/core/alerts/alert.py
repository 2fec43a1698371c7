"""An alert: a frozen value with its figures and inputs. Its id is a function of what it is about.

`catalogue.py` has a row for each type; `payload.py` makes the object of docs/alerts.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.alerts.alert_type import CRITICAL, Severity
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.loans.group import Contact
from monitor.core.prices.decisions import Pinned
from monitor.core.rules.terms import Terms
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.stages import Stage


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
    pinned: Pinned | None = None
    """The price is an operator's."""


class Debt(msgspec.Struct, frozen=True):
    """One loan as it went into the decision."""

    loan: str
    asset: str
    principal: Decimal
    interest: Decimal
    price: Decimal | None
    value_usd: Decimal | None
    pinned: Pinned | None = None


class Figures(msgspec.Struct, frozen=True, omit_defaults=True):
    """What was decided on.

    Where a price is missing, `missing` names the coins, and the sums are the best that these leave possible; None where that
    has no end.
    """

    ltv: Decimal | None
    debt_usd: Decimal | None
    recognised_usd: Decimal | None
    market_usd: Decimal | None
    thresholds: Thresholds
    inputs: tuple[Input, ...]
    debts: tuple[Debt, ...]
    rules: str
    terms: Terms | None = None
    """By which the group differed from its agreement."""
    missing: tuple[str, ...] = ()
    uncounted: tuple[tuple[str, Decimal], ...] = ()
    """Coins that the product does not list, with their quantities: they count nothing."""


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
    stage_from: Stage | None = None
    stage_to: Stage | None = None
    reason: str | None = None
    figures: Figures | None = None
    deadline: datetime | None = None
    supersedes: str | None = None
    suppressed: tuple[str, ...] = ()
    blind: bool = False
    facts: Mapping[str, Any] = {}
    """What else there is to say, as JSON values; all that an alert without a group says."""
    contacts: Mapping[str, tuple[Contact, ...]] = {}
    """The borrower's own addresses, for the route target `contacts`; never rendered."""
    silenced_by: str | None = None
    """The silence that keeps it from every channel; it is in the log alone."""

    @property
    def severity(self) -> Severity:
        """info, warning or critical."""
        row = CATALOGUE[self.type]
        if row.critical_by is not None and self.facts.get(row.critical_by) == CRITICAL:
            return CRITICAL
        return row.severity


class LoggedAlert(msgspec.Struct, frozen=True):
    """An alert with its place in the log. `durable` is False where the store could not be written in time."""

    cursor: int
    alert: Alert
    durable: bool = True
