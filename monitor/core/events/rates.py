"""Flexible rates that are given beside the product's versions: daily ones from a file, single ones by the API (rule 22).

A rate may change only what nobody was charged yet. Look at every instant at which it would alter the rate in force. Each
must still be to come, or be today's 00:00 until 01:00 (reading A11), or be one at which no loan of today had its interest
counted. So a history is taken before the loans come, and the same day is never counted twice. What was decided stays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from monitor.core.events.events import API, RatesChanged
from monitor.core.loans.interest import SETTLING, settled
from monitor.core.loans.rate_curve import RateCurve, first_from, number_of
from monitor.core.money import plain
from monitor.core.refusal import Refused
from monitor.core.rules.product import DAY, CoinRates, DatedRate, Product, RateRow
from monitor.core.rules.settings import Rules
from monitor.core.text import stamp

MOST = 20_000
"""Rates of one coin: two years of hours, or half a century of days. All of a coin's are kept as one."""


class Asked(NamedTuple):
    """Rates that somebody asks to be in force; None: from now on."""

    product: str
    rates: Mapping[str, Decimal]
    effective: datetime | None

    def rows(self, rules: Rules, at: datetime) -> tuple[RateRow, ...]:
        """What is to be given at a time. A rate that was given and is in force is not given from now on once more."""
        product = rules.products.get(self.product)
        rows = []
        for asset, rate in self.rates.items():
            in_force = None if product is None or self.effective is not None else in_force_at(product, asset, at)
            since = at if in_force is None or in_force.rate != rate else in_force.effective
            rows.append(RateRow(self.effective or since, asset, rate))
        return tuple(rows)


class Late(NamedTuple):
    """A rate that comes too late to be taken, and the one that counts in its place."""

    row: RateRow
    counted: Decimal


class RatesTaken(NamedTuple):
    """What became of the rates of an event."""

    changed: tuple[CoinRates, ...]
    late: tuple[Late, ...]
    is_counted: bool
    """An instant that has passed has another rate now, so debts may be others."""


class Rates:
    """All rates that were given, by product and coin; also those of products that are not configured now."""

    def __init__(self, kept: Iterable[CoinRates] = ()) -> None:
        self._given = {(each.product, each.asset): each.rows for each in kept}

    def kept(self) -> tuple[CoinRates, ...]:
        """All that another `Rates` needs."""
        return tuple(CoinRates(*key, rows) for key, rows in self._given.items())

    def into(self, rules: Rules) -> Rules:
        """The rules with what was given for their products."""
        if not self._given:
            return rules
        given: dict[str, dict[str, tuple[DatedRate, ...]]] = {}
        for (product, asset), rows in self._given.items():
            given.setdefault(product, {})[asset] = rows
        products = {
            kind: msgspec.structs.replace(p, given=given[kind]) if kind in given else p
            for kind, p in rules.products.items()
        }
        return msgspec.structs.replace(rules, products=products)

    def take(self, event: RatesChanged, rules: Rules, counted: Callable[[str], Mapping[str, datetime]]) -> RatesTaken:
        """Takes what may still change; of the API all or nothing. Raises Refused, and has taken nothing then.

        `counted`: since when interest is counted on flexible loans of a product, by coin.
        """
        product = rules.products.get(event.product)
        if product is None:
            known = ", ".join(sorted(rules.products))
            raise Refused("unknown_product", f"found product {event.product!r}, expected one of: {known}")
        taking = _Taking(event, product, counted)
        by_coin: dict[str, list[RateRow]] = {asset: [] for asset in product.given} if event.is_whole else {}
        for row in event.rows:
            by_coin.setdefault(row.asset, []).append(row)
        changed = tuple(filter(None, (taking.coin(asset, rows) for asset, rows in by_coin.items())))
        if taking.late and event.source == API:
            words = late_words(taking.late[0], product)
            raise Refused("past", words if len(taking.late) == 1 else f"{words} (and {len(taking.late) - 1} more)")
        for each in changed:
            self._given[each.product, each.asset] = each.rows
            if not each.rows:
                del self._given[each.product, each.asset]
        return RatesTaken(changed, tuple(taking.late), taking.is_counted)


class _Taking:
    """One event's rates on their way into a product."""

    def __init__(self, event: RatesChanged, product: Product, counted: Callable[[str], Mapping[str, datetime]]) -> None:
        self.late: list[Late] = []
        self.is_counted = False
        self._event = event
        self._product = product
        self._counted = counted
        self._last = number_of(event.at, product.period)
        self._settled = settled(product, event.at)
        self._since: Mapping[str, datetime] | None = None

    def coin(self, asset: str, rows: list[RateRow]) -> CoinRates | None:
        """Takes what is new of a coin; None where nothing is. Raises Refused for more than are kept."""
        line = RateCurve(self._product, asset)
        before, event = dict(line.given), self._event
        # From the newest on: how long an older one holds depends on those after it.
        for row in sorted(rows, key=lambda row: row.effective, reverse=True):
            old = line.given.get(row.effective)
            if old is None or old.rate != row.rate:
                self._give(line, row)
        if event.is_whole:
            named = {row.effective for row in rows}
            for effective, old in before.items():
                if effective > event.at and old.source == event.source and effective not in named:
                    line.drop(effective)
        if line.given == before:
            return None
        if len(line.given) > MOST:
            raise Refused("too_many_rates", f"{len(line.given)} rates of {asset}, {MOST} are kept; leave out old ones")
        return CoinRates(event.product, asset, tuple(row for _, row in sorted(line.given.items())))

    def _give(self, line: RateCurve, row: RateRow) -> None:
        period, in_force = self._product.period, line.at(row.effective)
        first = first_from(row.effective, period)
        if in_force != row.rate and first <= self._last:
            if self._was_charged(line, row, first):
                self.late.append(Late(row, in_force))
                return
            self.is_counted = True
        line.put(DatedRate(row.effective, row.rate, self._event.source))

    def _was_charged(self, line: RateCurve, row: RateRow, first: int) -> bool:
        """Some loan's interest was counted for good at an instant that the rate would hold at."""
        following = line.after(row.effective)
        end = first_from(following[0], self._product.period) - 1 if following else self._settled
        if first > min(end, self._settled):
            return False
        if self._since is None:
            self._since = self._counted(self._event.product)
        since = self._since.get(row.asset)
        return since is not None and number_of(since, self._product.period) < min(end, self._settled)


def in_force_at(product: Product, asset: str, at: datetime) -> DatedRate | None:
    """The rate that was given and holds at a time; None where one that a version lists does, or none."""
    line = RateCurve(product, asset)
    since = line.since(at)
    return None if since is None else line.given.get(since)


def late_words(late: Late, product: Product) -> str:
    """Why a rate was not taken, and what to do."""
    row, minutes = late.row, SETTLING.seconds // 60
    until = (
        f"a day's rate may come until {minutes} min after its 00:00 UTC"
        if product.period == DAY
        else "it must come before"
    )
    return (
        f"{row.asset} {plain(row.rate)} from {stamp(row.effective)} on comes too late: interest was counted by "
        f"{plain(late.counted)}; {until}; give it from the next time on, and correct what is owed in the loan book"
    )
