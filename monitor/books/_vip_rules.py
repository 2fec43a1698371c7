"""The rules that the exchange publishes for VIP loans against those that the monitor counts by. Pure.

Ranges are texts, with a gap in the sample ("100000000-1000000000", then ">10000000000"): a tier begins where the one
before ends.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

from monitor.books._vip import RATE_UNIT, figure_of, text_of
from monitor.core.alerts.catalogue import RULES_DRIFT
from monitor.core.events.events import Noticed
from monitor.core.events.rates import in_force_at
from monitor.core.money import exact, plain, round_up
from monitor.core.rules.ladders import ByAmount
from monitor.core.rules.product import Ladder, Product

_TIERS = ("1st", "2nd", "3rd", "4th")
_BETWEEN = re.compile(r"([\d.]+)-([\d.]+)", re.ASCII)
_NONE = "not listed"


class RuleFigure(NamedTuple):
    """One figure of the lender and ours."""

    product: str
    figure: str
    lender: str
    ours: str

    @property
    def differs(self) -> bool:
        return self.lender != self.ours


def ladder_of(row: Mapping[str, Any]) -> Ladder | None:
    """The tiers of a row of collateral/data; None where one cannot be read: it is unknown, not zero."""
    tiers: list[tuple[Decimal | None, Decimal]] = []
    for name in _TIERS:
        share, bounds = text_of(row, f"_{name}CollateralRatio"), text_of(row, f"_{name}CollateralRange")
        if not share and not bounds:
            continue
        ratio = figure_of(share.removesuffix("%"))
        between = _BETWEEN.fullmatch(bounds.replace(",", "").replace(" ", ""))
        upper = figure_of(between[2]) if between else None
        if ratio is None or (upper is None and not bounds.startswith(">")):
            return None
        with exact():
            tiers.append((upper, ratio / 100))
    return tuple(tiers) or None


def ladder_words(ladder: Ladder) -> str:
    """`1 to 10000000, 0.8 to 100000000, then 0`: equal neighbours are one tier, and what counts nothing is left out."""
    kept: list[tuple[Decimal | None, Decimal]] = []
    for bound, share in ladder:
        if kept and kept[-1][1] == share:
            kept[-1] = (bound, share)
        else:
            kept.append((bound, share))
    if kept and not kept[-1][1]:
        kept.pop()
    words = [f"{plain(share)} to {plain(bound)}" if bound is not None else plain(share) for bound, share in kept]
    ends = "" if kept and kept[-1][0] is None else ", then 0"
    found = (", ".join(words) + ends).removeprefix(", then ")
    return f"{found}, by amount" if type(ladder) is ByAmount else found


def ladder_figures(
    product: Product, at: datetime, rows: Iterable[Mapping[str, Any]], coins: Collection[str]
) -> Iterator[RuleFigure]:
    """Ladders of the coins that the product lists or that groups pledge."""
    version = product.version_at(at)
    theirs = {text_of(row, "collateralCoin"): ladder_of(row) for row in rows}
    for coin in sorted({*version.ladders, *coins}):
        if coin in theirs and theirs[coin] is None:
            continue
        ours, lender = version.ladder(coin), theirs.get(coin)
        yield RuleFigure(
            product.kind,
            f"ladder {coin}",
            _NONE if lender is None else ladder_words(lender),
            _NONE if ours is None else ladder_words(ours),
        )


def offer_figures(product: Product, at: datetime, rows: Iterable[Mapping[str, Any]]) -> Iterator[RuleFigure]:
    """Fixed rates and limits of loanable/data, as far as the product states them for the coin and the level."""
    version = product.version_at(at)
    for row in rows:
        coin, level = text_of(row, "loanCoin"), text_of(row, "vipLevel")
        at_level = int(level) if level.isdecimal() and len(level) < 3 else 0
        for term in ("30d", "60d"):
            ours = version.fixed_rates.get(coin, {}).get(term, ())
            yield from _figure(
                product, f"rate {coin} {term} VIP {at_level}", row, f"_{term}DailyInterestRate", ours, at_level
            )
        yield from _figure(
            product, f"limit {coin} VIP {at_level}", row, "maxLimit", version.loan_limits.get(coin, ()), at_level
        )


def _figure(
    product: Product, name: str, row: Mapping[str, Any], key: str, ours: Sequence[Decimal], level: int
) -> Iterator[RuleFigure]:
    lender = figure_of(text_of(row, key))
    if lender is not None and ours:
        yield RuleFigure(product.kind, name, plain(lender), plain(ours[min(level, len(ours) - 1)]))


def rate_figures(product: Product, at: datetime, rates: Mapping[str, Decimal]) -> Iterator[RuleFigure]:
    """Daily flexible rates, where they are not taken from the lender."""
    version = product.version_at(at)
    for coin, rate in sorted(rates.items()):
        given = in_force_at(product, coin, at)
        ours = given.rate if given is not None else version.rates.get(coin)
        yield RuleFigure(product.kind, f"rate {coin}", plain(rate), _NONE if ours is None else plain(ours))


def flexible_rates(rows: Iterable[Mapping[str, Any]]) -> dict[str, Decimal]:
    """Daily flexible rates of request/interestRate by coin; those that cannot be read are left out."""
    found = {}
    for row in rows:
        rate = figure_of(text_of(row, "flexibleDailyInterestRate"))
        if rate is not None and 0 <= rate <= 1 and text_of(row, "asset"):
            found[text_of(row, "asset")] = round_up(rate, RATE_UNIT)
    return found


class RuleDrift:
    """Says each difference once, and its end. After a restart core knows what it was told, so an end is said again."""

    def __init__(self, source: str) -> None:
        self._source = source
        self._said: dict[str, str | None] = {}
        """By figure: both figures as they were said; None where they agree."""

    def notices(self, figures: Iterable[RuleFigure], at: datetime) -> list[Noticed]:
        """What is new."""
        found = []
        for each in figures:
            words = f"{each.lender}|{each.ours}" if each.differs else None
            key = f"{each.product} {each.figure}"
            if key in self._said and self._said[key] == words:
                continue
            self._said[key] = words
            facts = {"source": self._source, **each._asdict()}
            subject = f"{self._source}: {key}"
            found.append(Noticed(at, RULES_DRIFT, subject, facts, fingerprint=words, clears=words is None))
        return found
