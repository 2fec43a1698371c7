"""Prices under the test's control: they outlive the daemon, and each set that was sent is remembered by its time."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from random import Random
from typing import NamedTuple

from monitor.clock import SystemClock
from tests.feeds.venue import Venue

HISTORY = {
    "BTC": ("50000", "31000", "58000"), "ETH": ("3000", "1800", "3600"), "BNB": ("500", "300", "600"),
    "SOL": ("100", "55", "125"), "XRP": ("1.5", "0.9", "1.8"), "ADA": ("1.2", "0.7", "1.4"),
    "LTC": ("180", "105", "215"), "DOGE": ("0.3", "0.17", "0.36"),
}  # fmt: skip
"""The first, the lowest and the highest price of each coin, as tests.reference.books takes them."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Sent(NamedTuple):
    """One price set, and when it was sent."""

    prices: dict[str, str]
    at: datetime


class Market:
    """Coins that swing together between their lowest and their highest, each a little out of step, by seed."""

    def __init__(self, venue: Venue, seed: int) -> None:
        rng = Random(seed)
        self.sent: dict[datetime, Sent] = {}
        """By the exchange's own time, which no two sets share."""
        self._venue, self._clock = venue, SystemClock()
        self._lag = {asset: rng.uniform(-0.06, 0.06) for asset in HISTORY}
        self._last = _EPOCH

    def swing(self, turn: float) -> dict[str, str]:
        """The prices after so many turns: at 0 the first ones, at 0.5 near the lowest; every fourth turn goes up first."""
        return {asset: self._price(asset, turn + lag) for asset, lag in self._lag.items()}

    def _price(self, asset: str, turn: float) -> str:
        first, low, high = map(float, HISTORY[asset])
        depth = math.sin(math.pi * turn) ** 2
        end = high if int(turn) % 4 == 3 else low
        return f"{first + depth * (end - first):.6g}"

    async def send(self, prices: dict[str, str]) -> datetime:
        """Sends one set to all that listen, in one message; returns the exchange's time of it."""
        now = self._clock.utc()
        at = max(now.replace(microsecond=now.microsecond // 1000 * 1000), self._last + timedelta(milliseconds=1))
        self._last = at
        self.sent[at] = Sent(prices, now)
        pairs = {f"{asset}USDT": price for asset, price in prices.items()}
        await self._venue.marks(pairs, messages=1, at_ms=(at - _EPOCH) // timedelta(milliseconds=1))
        return at
