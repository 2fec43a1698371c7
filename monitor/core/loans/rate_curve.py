"""A coin's flexible rate over time, and sums of a figure over instants without adding up each of them.

A rate holds from its effective time until the next rate of its coin. The rates that versions of the rules list, and those
that a file or the API gave, stand in one line: the newer by effective time holds, and of two at one time the given one.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

from monitor.core.instants import EPOCH
from monitor.core.money import ZERO
from monitor.core.rules.product import DatedRate, Product

"""Instants at which interest is added are numbered from here on, one per period."""


def number_of(at: datetime, period: timedelta) -> int:
    """The last instant at or before a time."""
    return (at - EPOCH) // period


def first_from(at: datetime, period: timedelta) -> int:
    """The first instant at or after a time."""
    return -((EPOCH - at) // period)


class RateCurve:
    """The rates of one coin of a product. A caller that puts rates in, or takes them out, makes its own."""

    def __init__(self, product: Product, asset: str) -> None:
        self._listed = {v.effective: v.rates[asset] for v in product.versions if asset in v.rates}
        self.given = {row.effective: row for row in product.given.get(asset, ())}
        self._first = product.versions[0].rates.get(asset, ZERO)
        """The first version also applies before its date."""
        self.times = sorted({*self._listed, *self.given})

    def at(self, at: datetime) -> Decimal:
        """The rate in force; zero where there is none yet."""
        place = bisect_right(self.times, at) - 1
        if place < 0:
            return self._first
        since = self.times[place]
        row = self.given.get(since)
        return self._listed[since] if row is None else row.rate

    def since(self, at: datetime) -> datetime | None:
        """The effective time of the rate in force; None where no version or row is in force by its date."""
        place = bisect_right(self.times, at) - 1
        return None if place < 0 else self.times[place]

    def after(self, at: datetime) -> Sequence[datetime]:
        """The times after this one at which another rate may be in force."""
        return self.times[bisect_right(self.times, at) :]

    def put(self, row: DatedRate) -> None:
        """Gives a rate, in place of the one of its time."""
        if row.effective not in self._listed and row.effective not in self.given:
            insort(self.times, row.effective)
        self.given[row.effective] = row

    def drop(self, effective: datetime) -> None:
        """Takes back the rate that was given from a time on."""
        del self.given[effective]
        if effective not in self._listed:
            self.times.remove(effective)


class RateSums:
    """A figure per instant that stays between its changes. Its sum over any instants takes two look-ups. Exact."""

    __slots__ = ("_changes", "_sums", "_values")

    def __init__(self, before: Decimal, changes: Iterable[tuple[int, Decimal]]) -> None:
        """`changes`: (first instant, figure from there on), rising; of several at one instant the last counts."""
        steps = dict(changes)
        self._changes = list(steps)
        self._values = [before, *steps.values()]
        self._sums = [ZERO]
        """By change: the sum of the instants from the first change up to it, that one not included."""
        for i in range(1, len(self._changes)):
            self._sums.append(self._sums[-1] + self._values[i] * (self._changes[i] - self._changes[i - 1]))

    def total(self, after: int, until: int) -> Decimal:
        """The sum over the instants of (after, until]."""
        return self._until(until) - self._until(after)

    def spans(self, after: int, until: int) -> Iterator[tuple[int, int, Decimal]]:
        """The instants of (after, until] by their figure: the first and the last of each run, and what it is there."""
        first = after + 1
        while first <= until:
            place = bisect_right(self._changes, first)
            last = min(until, self._changes[place] - 1) if place < len(self._changes) else until
            yield first, last, self._values[place]
            first = last + 1

    def _until(self, instant: int) -> Decimal:
        """The sum up to an instant, that one included, counted from the first change."""
        if not self._changes:
            return self._values[0] * instant
        place = max(bisect_right(self._changes, instant), 1)
        value = self._values[place] if instant >= self._changes[0] else self._values[0]
        return self._sums[place - 1] + value * (instant + 1 - self._changes[place - 1])
