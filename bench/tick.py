"""What one full-market tick costs in core, and with its commit: `python -m bench.tick [GROUPS ...]`.

Every price moves in every tick, so every group is weighed exactly. Medians of interleaved rounds; a ratio to the smallest
book shows how the cost grows. The absolute times are those of the machine that ran it.
"""

from __future__ import annotations

import asyncio
import random
import statistics
import sys
import tempfile
import time
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

from monitor import config as configuration
from monitor.core.events.events import GroupPut, MarkPrices
from monitor.core.loans.group import parse_line
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import core_state_of
from monitor.products import vip_loan
from monitor.stores import sqlite
from monitor.stores._base import Change

ASSETS = ("BTC", "ETH", "BNB", "SOL", "XRP", "ADA", "DOGE", "LTC", "BCH", "LINK", "DOT", "AVAX")
START = datetime(2026, 1, 5, 10, tzinfo=UTC)
ROUNDS = 15


def monitor_of(groups: int, seed: int = 1) -> RiskMonitor:
    """A monitor with so many groups of 8 collateral positions and 1-3 loans, between 50 % and 70 % LTV."""
    rng = random.Random(seed)  # noqa: S311  a reproducible book, no secret
    product = vip_loan.load(configuration.tomllib.loads(Path("config/products/vip_loan.toml").read_text()))
    rules = Rules("bench", {"vip_loan": product})
    monitor = RiskMonitor(rules)
    monitor.handle(MarkPrices(START, prices(rng, START)))
    for i in range(groups):
        coins = rng.sample(ASSETS, 8)
        worth = 8 * 100_000 * 0.95
        loans = [
            {
                "id": f"L{k}", "asset": "USDT", "principal": f"{worth * rng.uniform(0.5, 0.7) / 3:.2f}", "term": "open",
                "rate": {"kind": "flexible"}, "opened_at": "2026-01-05T10:00:00Z", "matures_at": None,
            }
            for k in range(3)
        ]  # fmt: skip
        line = {
            "id": f"G-{i}", "product": "vip_loan", "receiving_account": f"a{i}", "loans": loans,
            "collateral": {f"a{i}": dict.fromkeys(coins, "1000")},
        }  # fmt: skip
        monitor.handle(GroupPut(START, parse_line(line, START, rules.products), "bench"))
    return monitor


def prices(rng: random.Random, at: datetime) -> tuple[Quote, ...]:
    """A price near 100 for every asset, new in every digit."""
    return tuple(Quote(a, Decimal(f"{rng.uniform(99.5, 100.5):.6f}"), "USDT", "bench", at) for a in ASSETS)


async def measure(sizes: list[int]) -> dict[int, tuple[float, float]]:
    """Median seconds per tick of (core, core and commit) by number of groups."""
    rng = random.Random(7)  # noqa: S311
    monitors = {n: monitor_of(n) for n in sizes}
    core: dict[int, list[float]] = {n: [] for n in sizes}
    whole: dict[int, list[float]] = {n: [] for n in sizes}
    with tempfile.TemporaryDirectory() as folder:
        stores = {n: sqlite.build(sqlite.Config(path=f"{folder}/{n}.db")) for n in sizes}
        for store in stores.values():
            await store.open()
        for i in range(1, ROUNDS + 1):
            for n in sizes:
                at = START + timedelta(seconds=i)
                event = MarkPrices(at, prices(rng, at))
                started = time.perf_counter()
                outcome = monitors[n].handle(event)
                core[n].append(time.perf_counter() - started)
                await stores[n].commit(
                    Change(at, states=tuple(outcome.states.values()), desk=core_state_of(monitors[n]))
                )
                whole[n].append(time.perf_counter() - started)
        for store in stores.values():
            await store.close()
    return {n: (statistics.median(core[n]), statistics.median(whole[n])) for n in sizes}


def main() -> None:
    """Prints the table."""
    sizes = [int(a) for a in sys.argv[1:]] or [1_000, 10_000]
    found = asyncio.run(measure(sizes))
    smallest = found[sizes[0]][0]
    print(f"{'groups':>8} {'core ms':>9} {'with commit ms':>15} {'us a group':>11} {'ratio':>7}   median of {ROUNDS}")
    for n, (core, whole) in found.items():
        print(f"{n:>8} {core * 1e3:>9.1f} {whole * 1e3:>15.1f} {core / n * 1e6:>11.1f} {core / smallest:>7.1f}")


if __name__ == "__main__":
    main()
