"""A storm by column, against the same storm one by one: what core, the commit, and a bare insert of its rows take an alert.

Half of its groups are new to trouble, half are in a margin call whose notice is still pending; a third come into liquidation.
Every alert has two channels, and a silence covers some groups. `python -m bench.plain_storm` prints the figures as JSON.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sqlite3
import statistics
import time
from collections.abc import Iterator, Sequence
from datetime import timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

import numpy as np

from bench import desk
from bench.book import LINES, STABLES, Market, book, market
from bench.progress import Advance
from bench.rounds import Seconds, no_collection
from monitor import telemetry
from monitor.audit_keys import NO_KEYS
from monitor.core.alerts.matching import Match
from monitor.core.alerts.silences import MakeSilence
from monitor.core.events.events import MarkPrices, OperatorAct
from monitor.core.groups.outcome import Outcome
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import core_state
from monitor.engine.book import ColumnarBook
from monitor.stores._base import Change, Target
from monitor.stores.sqlite import file, later_states, log
from monitor.stores.sqlite.pending_news import PendingNews

CRASH = 0.1
"""How far all but the stable coins fall in the tick."""
NEVER = 10**9
TARGETS = (Target("desk"), Target("mail"))
TABLES = ("states", "alerts", "deliveries", "history")
LEVELS = (0.999 * LINES[0, 1], 0.87, 0.835)
"""LTVs before the tick: new to trouble, in a call and liquidated by it, in a call and with a grace period."""


class Figures(NamedTuple):
    """What an alert took, by round: `core` and `commit`, both one by one (`core_before`, `commit_before`), `insert`."""

    seconds: Seconds
    alerts: int
    light: int
    figures_us: float
    """The processor's time in which the figures of one light alert are worked out."""

    @property
    def results(self) -> dict[str, float]:
        """Under the keys of results.json."""
        s = {name: statistics.median(each) * 1e6 for name, each in self.seconds.items()}
        return {
            "storm_core_us": s["core"],
            "storm_commit_us": s["commit"],
            "storm_commit_over_insert": s["commit"] / s["insert"],
            "storm_gain_over_before": (s["core_before"] + s["commit_before"]) / (s["core"] + s["commit"]),
            "storm_figures_us": self.figures_us,
        }


def run(of: Market, alerts: int, rounds: int, folder: Path, advance: Advance) -> Figures:
    """Every round has monitors and stores of its own, now the one way first and now the other."""
    names = ("core", "commit", "core_before", "commit_before", "insert")
    seconds: Seconds = {name: [] for name in names}
    raised = light = 0
    figures: list[float] = []
    lines = list(_lines(of, alerts))
    for i in range(rounds):
        for is_before in (False, True) if i % 2 else (True, False):
            monitor = RiskMonitor(desk.rules(of), book=ColumnarBook(plain_from=NEVER if is_before else 8))
            opened, fallen, core_s = _fall(monitor, of, lines)
            with TemporaryDirectory(dir=folder) as place, no_collection():
                commit_s, insert_s = _commit(monitor, opened, fallen, Path(place))
            count, ending = len(fallen.alerts), "_before" if is_before else ""
            seconds[f"core{ending}"].append(core_s / count)
            seconds[f"commit{ending}"].append(commit_s / count)
            if not is_before:
                seconds["insert"].append(insert_s / count)
                raised, light = count, sum(type(a).__name__ == "LightAlert" for a in fallen.alerts)
                figures.append(_figures_us(fallen))
        advance()
    return Figures(seconds, raised, light, statistics.median(figures))


def _lines(of: Market, alerts: int) -> Iterator[bytes]:
    """A half, a third and a sixth of the groups at each of LEVELS; the last are enrolled in delayed liquidation."""
    count = alerts * 11 // 10
    which = np.arange(count) % 6
    level = np.array(LEVELS)[np.select([which < 3, which < 5], [0, 1], 2)]
    for n, line in enumerate(desk.book_lines(book(count, of, ltv=level))):
        yield (line.replace("{", '{"delayed_liquidation":true,', 1) if n % 6 == 5 else line).encode()


def _fall(monitor: RiskMonitor, of: Market, lines: list[bytes]) -> tuple[list[Outcome], Outcome, float]:
    """What came before the tick, the tick, and the seconds that core took for it."""
    feed, start = desk.new_feed(), desk.START
    desk.put(monitor, lines)
    act = OperatorAct(start, "desk", MakeSilence("night", Match(group="G00001*"), start + timedelta(hours=8), "works"))
    first = desk.received(feed, desk.frame(of.price, start), start)
    opened = [monitor.handle(act), monitor.handle(first)]
    at, fallen = start + timedelta(seconds=1), of.price.copy()
    fallen[STABLES:] = (fallen[STABLES:] * (1 - CRASH)).astype(np.int64)
    event: MarkPrices = desk.received(feed, desk.frame(fallen, at), at)
    with no_collection():
        started = time.perf_counter()
        outcome = monitor.handle(event)
        return opened, outcome, time.perf_counter() - started


def _commit(monitor: RiskMonitor, opened: Sequence[Outcome], fallen: Outcome, folder: Path) -> tuple[float, float]:
    """Seconds of the storm's commit, and of a bare insert of the rows that it wrote."""
    path = folder / "monitor.db"
    file.prepare(path)
    db = file.connect(path)
    known = log.Known(set(), PendingNews())
    for each in opened:
        log.commit(db, _change(monitor, each), NO_KEYS, known)
    last = {name: _last(db, name) for name in TABLES if name != "states"}
    change = _change(monitor, fallen)
    started = time.perf_counter()
    log.commit(db, change, NO_KEYS, known)
    commit_s = time.perf_counter() - started
    later_states.fold_all(db)
    rows = {"states": [db.execute("SELECT * FROM states WHERE id = ?", [id_]).fetchone() for id_ in fallen.states]}
    for name, key in last.items():
        rows[name] = db.execute(f"SELECT * FROM {name} WHERE {_KEYS[name]} > ?", [key]).fetchall()  # noqa: S608
    tables = [db.execute("SELECT sql FROM sqlite_master WHERE name = ?", [name]).fetchone()[0] for name in TABLES]
    db.close()
    return commit_s, _insert(folder / "bare.db", tables, rows)


_KEYS = {"alerts": "cursor", "deliveries": "cursor", "history": "number"}


def _last(db: sqlite3.Connection, table: str) -> int:
    return int(db.execute(f"SELECT coalesce(max({_KEYS[table]}), 0) FROM {table}").fetchone()[0])  # noqa: S608


def _insert(path: Path, tables: Sequence[str], rows: dict[str, list[Any]]) -> float:
    """One transaction into tables without further indices, synced as the store's."""
    db = sqlite3.connect(path, isolation_level=None)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = FULL")
    for sql in tables:
        db.execute(sql)
    started = time.perf_counter()
    db.execute("BEGIN IMMEDIATE")
    for name, each in rows.items():
        if each:
            db.executemany(f"INSERT INTO {name} VALUES ({','.join('?' * len(each[0]))})", each)  # noqa: S608
    db.execute("COMMIT")
    took = time.perf_counter() - started
    db.close()
    return took


def _change(monitor: RiskMonitor, out: Outcome) -> Change:
    return Change(
        out.at,
        states=tuple(out.states.values()),
        alerts=tuple((a, () if a.silenced_by else TARGETS) for a in out.alerts),
        history=tuple(out.history),
        desk=core_state(monitor),
    )


def _figures_us(fallen: Outcome) -> float:
    some = [a for a in fallen.alerts if type(a).__name__ == "LightAlert"][:1001]
    if not some:
        return 0.0
    assert some[0].figures is not None  # the prices of all are read with the first
    started = time.process_time()
    for alert in some[1:]:
        assert alert.figures is not None
    return (time.process_time() - started) / max(len(some) - 1, 1) * 1e6


async def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=Path("var"))
    asked = parser.parse_args()
    telemetry.configure("error")
    asked.folder.mkdir(exist_ok=True)
    work = partial(run, market(), asked.alerts, asked.rounds, asked.folder, lambda: None)
    found = await asyncio.to_thread(work)
    shown = {name: round(value, 2) for name, value in found.results.items()}
    medians = {name: round(statistics.median(each) * 1e6, 1) for name, each in found.seconds.items()}
    print(json.dumps({"alerts": found.alerts, "light": found.light, **shown, "us": medians}))


if __name__ == "__main__":
    asyncio.run(_main())
