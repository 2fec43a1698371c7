"""What a message of a whole market costs from its bytes to the price board: `python -m bench.frame [SYMBOLS]`.

Every price moves in every message. The stages are those of the daemon: parse, find what is new, conflation, the board; then
what other threads get, and what a commit keeps. Medians of ROUNDS messages in microseconds. "By quote" takes the same message
item by item, as the daemon does when something in it is odd. The ratio compares medians of interleaved rounds.
"""

from __future__ import annotations

import json
import random
import statistics
import sys
import time
from collections.abc import Callable
from datetime import timedelta
from typing import TypeVar

import msgspec

from monitor.clock import SystemClock
from monitor.core.instants import time_at_ms
from monitor.core.money import exact
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.conflation import LatestPrices
from monitor.core.prices.quote import Frame, PriceChange
from monitor.core.rules.settings import Trust
from monitor.feeds import binance_futures
from monitor.feeds._base import FeedStats
from monitor.feeds._news import News

ROUNDS = 60
WHOLE = ("parse", "news", "conflate", "board")
START_MS = 1_767_607_200_000
T = TypeVar("T")


class Path:
    """One daemon's way of prices, without its sockets."""

    def __init__(self) -> None:
        self.feed = binance_futures.build("bench", binance_futures.Config(), SystemClock())
        self.news, self.latest, self.board = (
            News(FeedStats(), lambda _, quote: None),
            LatestPrices(),
            PriceBoard(Trust()),
        )
        self.took: dict[str, list[float]] = {}

    def take(self, message: bytes, second: int, *, by_quote: bool) -> None:
        """One message in which every price moves."""
        at = time_at_ms(START_MS + 1000 * second)
        batch = self._timed("parse", lambda: self.feed.parse(message))
        assert isinstance(batch, Frame) != by_quote
        news = self._timed("news", lambda: self.news.of(batch, at + timedelta(days=1)))
        self._timed("conflate", lambda: self.latest.put(news))

        def apply() -> PriceChange:
            quotes, frames = self.latest.take()
            return self.board.apply(quotes, at, frames)

        with exact():
            change = self._timed("board", apply)
        assert len(change.moved) == len(batch)
        self._timed("snapshot", self.board.snapshot)

    def keep(self) -> None:
        """What a commit keeps: made and encoded in the store's thread."""
        marks = self._timed("all marks", lambda: tuple(self.board.kept()))
        self._timed("encoded", lambda: msgspec.json.encode(marks))

    def medians(self) -> dict[str, float]:
        """Microseconds by stage, without the first message."""
        return {what: statistics.median(took[1:]) for what, took in self.took.items()}

    def _timed(self, what: str, do: Callable[[], T]) -> T:
        started = time.perf_counter()
        done = do()
        self.took.setdefault(what, []).append((time.perf_counter() - started) * 1e6)
        return done


def messages(symbols: int, seed: int = 3) -> list[bytes]:
    """As the venue writes them, some of the symbols quoting a thousand coins."""
    rng = random.Random(seed)  # noqa: S311  reproducible prices, no secret
    multiples = [f"{m}USDT" for m in binance_futures.MULTIPLIERS[:10]]
    names = [*multiples, *(f"C{n}USDT" for n in range(symbols))][:symbols]
    made = []
    for second in range(ROUNDS * 4 // 3):
        at_ms = START_MS + 1000 * second
        more = {"ap": "100.1", "P": "100.12345678", "i": "100.12345678", "r": "-0.00010000", "T": at_ms, "st": 1}
        items = [
            {"e": "markPriceUpdate", "E": at_ms, "s": name, "p": f"{rng.uniform(99, 101):.8f}", **more}
            for name in names
        ]
        made.append(json.dumps(items, separators=(",", ":")).encode())
    return made


def main() -> None:
    """Prints the table."""
    symbols = int(sys.argv[1]) if len(sys.argv) > 1 else 600
    frames, quotes = Path(), Path()
    for second, message in enumerate(messages(symbols)):
        frames.take(message, second, by_quote=False)
        quotes.take(message.replace(b'"st"', rb'"\u0073t"', 1), second, by_quote=True)
        if second > ROUNDS:  # marks that were made have to be freed by the next message, which not every one has to pay
            frames.keep()
            quotes.keep()
    fast, slow = frames.medians(), quotes.medians()
    fast["in all"], slow["in all"] = (sum(each[what] for what in WHOLE) for each in (fast, slow))
    print(f"{symbols} symbols, {len(message)} bytes; us    frame  by quote  ratio   medians of {ROUNDS}")
    for what, us in fast.items():
        print(f"{what:<29} {us:>10.0f} {slow[what]:>9.0f} {us / slow[what]:>6.2f}")


if __name__ == "__main__":
    main()
