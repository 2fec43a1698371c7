"""What a price in force is shown as: its sources, its trust, what operators decided about it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.alerts.rows_shown import PinnedShown, pinned_shown
from monitor.core.money import plain
from monitor.core.prices.decisions import Decision, Exclude, Pin
from monitor.core.prices.quote import GOOD, MISSING, Mark, SourcePrice
from monitor.core.rules.settings import Rules
from monitor.core.text import plain_or_none, stamp, stamp_or_none


class SourceShown(msgspec.Struct, frozen=True):
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


class DecisionShown(msgspec.Struct, frozen=True):
    """A pin (with `price`, in USD) or an exclusion (with `source`) in force."""

    act: Literal["pin", "exclude"]
    price: str | None
    source: str | None
    by: str
    at: str
    until: str
    reason: str


class PriceItem(msgspec.Struct, frozen=True):
    """An asset's price in USD, where it comes from, its ages, and whether it may be believed.

    `exchange_age_s` is null where the venue sends no time, and below zero where the venue's clock is ahead. `candidate` waits
    to be confirmed, in the currency of its quote. `instruments`: where the feed in force knows the symbols of its venue from
    (`builtin`, `list`, `kept copy`). The stream of prices has no `sources`.
    """

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
    candidate: str | None = None
    candidate_since: str | None = None
    instruments: str | None = None
    pinned: PinnedShown | UnsetType = UNSET
    decisions: list[DecisionShown] | UnsetType = UNSET
    sources: list[SourceShown] | UnsetType = UNSET


def price_shown(
    asset: str,
    marks: Mapping[str, Mark],
    usd: Mapping[str, Decimal],
    untrusted: frozenset[str],
    rules: Rules,
    at: datetime,
) -> PriceItem:
    """An asset's price in USD, where it comes from, its three ages at a time, and whether it may be believed."""
    mark, price = marks.get(asset), plain_or_none(usd.get(asset))
    trust, reason = _trust(asset, marks, usd, untrusted, rules)
    if mark is None:
        quote, source = (None, None) if price is None else ("USD", "usdt_usd")
        return PriceItem(asset, price, quote, price, source, None, None, None, None, None, None, trust, reason)
    return PriceItem(
        asset=asset,
        price=price,
        quote=mark.quote,
        quote_price=plain(mark.quote_price),
        source=mark.source,
        price_at=stamp_or_none(mark.price_at),
        received_at=stamp(mark.received_at),
        changed_at=stamp(mark.changed_at),
        exchange_age_s=_exchange_age_s(mark.price_at, at),
        receipt_age_s=_age_s(mark.received_at, at),
        change_age_s=_age_s(mark.changed_at, at),
        trust=trust,
        reason=reason,
        candidate=plain_or_none(mark.candidate),
        candidate_since=stamp_or_none(mark.candidate_since),
        pinned=pinned_shown(mark.pinned),
    )


def source_shown(said: SourcePrice, at: datetime) -> SourceShown:
    """What one source says, with its ages at a time."""
    return SourceShown(
        source=said.source,
        price=plain(said.price),
        quote=said.quote,
        state=said.state,
        reason=said.reason or None,
        price_at=stamp_or_none(said.price_at),
        received_at=stamp(said.received_at),
        changed_at=stamp(said.changed_at),
        exchange_age_s=_exchange_age_s(said.price_at, at),
        receipt_age_s=_age_s(said.received_at, at),
        change_age_s=_age_s(said.changed_at, at),
    )


def decision_shown(decision: Decision) -> DecisionShown:
    """A decision as it is shown."""
    said = decision.said
    return DecisionShown(
        act="pin" if isinstance(said, Pin) else "exclude",
        price=plain(said.price) if isinstance(said, Pin) else None,
        source=said.source if isinstance(said, Exclude) else None,
        by=decision.by,
        at=stamp(decision.at),
        until=stamp(said.until),
        reason=said.reason,
    )


def _exchange_age_s(then: datetime | None, at: datetime) -> float | None:
    """Below zero where the exchange's clock is ahead: it is shown as what it is."""
    return None if then is None else round((at - then).total_seconds(), 3)


def _age_s(then: datetime, at: datetime) -> float:
    return max(0.0, round((at - then).total_seconds(), 3))


def _trust(
    asset: str, marks: Mapping[str, Mark], usd: Mapping[str, Decimal], untrusted: frozenset[str], rules: Rules
) -> tuple[str, str | None]:
    """Trust and its reason. A price in USDT is no better than the USDT rate that converts it."""
    mark = marks.get(asset)
    if asset not in usd:
        return MISSING, "no price was ever seen" if mark is None else f"no rate from {mark.quote} to USD"
    if mark is None:
        return GOOD, None
    rate = marks.get(rules.trust.usdt_usd)
    if mark.trust == GOOD and asset in untrusted and rate is not None:
        return rate.trust, f"the rate of {rate.asset} is {rate.trust}: {rate.reason}"
    return mark.trust, mark.reason or None
