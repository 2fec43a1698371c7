"""The rows of an alert: a coin of the collateral, a loan, and who has pinned a price."""

from __future__ import annotations

from functools import lru_cache

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.alerts.alert import Debt, Input
from monitor.core.money import plain
from monitor.core.prices.decisions import Pinned
from monitor.core.text import stamp


class PinnedShown(msgspec.Struct, frozen=True):
    """An operator has pinned the price: who, until when, and why."""

    by: str
    until: str
    reason: str


def pinned_shown(pinned: Pinned | None) -> PinnedShown | UnsetType:
    """A pin as it is shown; nothing where the price is no operator's."""
    return UNSET if pinned is None else PinnedShown(pinned.by, stamp(pinned.until), pinned.reason)


class InputShown(msgspec.Struct, frozen=True):
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
    pinned: PinnedShown | UnsetType = UNSET


class DebtShown(msgspec.Struct, frozen=True):
    """One loan as it went into the decision."""

    loan: str
    asset: str
    principal: str
    interest: str
    price: str | None
    value_usd: str | None
    pinned: PinnedShown | UnsetType = UNSET


shared_stamp = lru_cache(maxsize=4096)(stamp)
_shared_plain = lru_cache(maxsize=16384)(plain)
"""For what all alerts of a tick have in common: its times and its prices."""


def input_shown(of: Input) -> InputShown:
    """A coin of the collateral as it is shown."""
    return InputShown(
        of.asset,
        plain(of.quantity),
        None if of.price is None else _shared_plain(of.price),
        of.quote,
        None if of.quote_price is None else _shared_plain(of.quote_price),
        of.source,
        None if of.price_at is None else shared_stamp(of.price_at),
        of.trust,
        None if of.value_usd is None else plain(of.value_usd),
        None if of.recognised_usd is None else plain(of.recognised_usd),
        UNSET if of.pinned is None else pinned_shown(of.pinned),
    )


def debt_shown(of: Debt) -> DebtShown:
    """A loan as it is shown."""
    return DebtShown(
        of.loan,
        of.asset,
        plain(of.principal),
        plain(of.interest),
        None if of.price is None else _shared_plain(of.price),
        None if of.value_usd is None else plain(of.value_usd),
        UNSET if of.pinned is None else pinned_shown(of.pinned),
    )
