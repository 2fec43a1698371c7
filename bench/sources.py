"""What one, three and five feeds of 600 coins cost core, a frame: `python -m bench.sources [FRAMES]`.

Every price moves in every frame, and the feeds stay within a hundredth of a per cent of each other, as they do on a calm day.
A frame is handled by a whole monitor without groups: the board, the deadlines of its prices, and what the engine is told.
"""

from __future__ import annotations

import random
import statistics
import sys
import time
from typing import NamedTuple

from monitor.core.events.events import MarkPrices
from monitor.core.instants import time_at_ms
from monitor.core.prices.quote import Frame
from monitor.core.rules.settings import Rules, Trust
from monitor.core.watch.risk import RiskMonitor

COINS = 600
START_MS = 1_767_607_200_000
NAMES = ("first", "second", "third", "fourth", "fifth")


class Cost(NamedTuple):
    """Microseconds that core takes for a frame."""

    feeds: int
    median_us: float
    p99_us: float


def measure(feeds: int, frames: int = 200, *, odd: int = 0, is_whole: bool = True) -> Cost:
    """The cost of a frame where so many feeds send one each second, each at its own moment; `odd` coins are bad in each."""
    rng = random.Random(7)  # noqa: S311  reproducible prices, no secret
    trust = Trust(sources=NAMES)
    monitor = RiskMonitor(Rules("bench", {}, trust=trust))
    assets = [tuple(f"C{n}" for n in range(COINS)) if is_whole else _some(rng) for _ in range(feeds)]
    market = {f"C{n}": rng.uniform(0.01, 60_000) for n in range(COINS)}
    took: list[float] = []
    for second in range(frames):
        market = {coin: price * rng.uniform(0.999, 1.001) for coin, price in market.items()}
        for feed in range(feeds):
            at_ms = START_MS + 1000 * second + 100 * feed
            texts = [f"{market[coin] * rng.uniform(0.9999, 1.0001):.8f}" for coin in assets[feed]]
            for column in range(odd):
                texts[column] = "0.0001"
            frame = Frame(NAMES[feed], "USDT", assets[feed], tuple(texts), at_ms, beside=tuple(texts))
            event = MarkPrices(time_at_ms(at_ms + 20), (), (frame,))
            started = time.perf_counter()
            monitor.handle(event)
            if second > 2:
                took.append((time.perf_counter() - started) * 1e6)
    return Cost(feeds, statistics.median(took), statistics.quantiles(took, n=100)[98])


def _some(rng: random.Random) -> tuple[str, ...]:
    """As real venues: most coins in common, in another order, and some that the others do not list."""
    coins = [f"C{n}" for n in range(COINS)]
    return tuple(rng.sample(coins, COINS - COINS // 10))


def main() -> None:
    """Prints the table."""
    frames = int(sys.argv[1]) if len(sys.argv) > 1 else 200
    print(f"{COINS} coins, microseconds a frame in core   median      p99")
    for feeds in (1, 3, 5):
        for what, cost in (
            ("the same coins", measure(feeds, frames)),
            ("other orders", measure(feeds, frames, is_whole=False)),
            ("one bad price", measure(feeds, frames, odd=1)),
        ):
            print(f"{feeds} feeds, {what:<30} {cost.median_us:>8.0f} {cost.p99_us:>8.0f}")


if __name__ == "__main__":
    main()
