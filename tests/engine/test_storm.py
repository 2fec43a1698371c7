"""Ten thousand groups cross a line in one tick: all exact, durable in one transaction, on their way in bounded memory."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.events.events import GroupsPut, MarkPrices, Noticed
from monitor.core.groups.outcome import Outcome
from monitor.core.money import exact
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.valuation.ladder import recognised
from monitor.core.valuation.valuation import MARGIN_CALL, Weight, band
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import Journal
from monitor.dispatch.worker import Around, Dispatcher
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from monitor.notifiers._base import Body, Notice
from monitor.running import Running, Tasks
from monitor.stores import sqlite
from monitor.stores._base import Change, Committed, Target
from monitor.telemetry import Health, Metrics
from tests.coin_desk import START, line, version
from tests.core.desk import OFF, product, quotes
from tests.fakes import FakeClock, FakeNotifier, FakeOutlet, as_body, rendered

GROUPS = 10_000
FLOWING = 1_500
"""Deliveries after which the memory is looked at: it is at its highest at the start (all 10,000: test_worker_trouble.py)."""
LADDERS = {"BTC": [["60", "1"], ["200", "0.9"], ["inf", "0.4"]], "USDT": [["inf", "1"]]}
OF = product(version(ladders=LADDERS, warnings=[]))
D = Decimal


@pytest.fixture(scope="module")
def storm() -> tuple[RiskMonitor, Outcome]:
    """A book in which every group is pushed over its margin-call line by one tick, each by another LTV."""
    book = ColumnarBook()
    monitor = RiskMonitor(Rules("desk-1", {"vip_loan": OF}, Lifecycle(), OFF), book=book)
    monitor.handle(MarkPrices(START, quotes("BTC=100,COIN=1", START)))
    reader = BlockReader(lambda: monitor.rules.products, book.names)
    for first in range(0, GROUPS, 5_000):
        raws = [json.dumps(stated(n)).encode() for n in range(first, first + 5_000)]
        packed = reader.pack(raws, START, "book")
        assert packed.rest == []
        assert monitor.handle(GroupsPut(START, "book", packed.batch)).alerts == []
    at = START + timedelta(seconds=1)
    return monitor, monitor.handle(MarkPrices(at, quotes("BTC=89.9,COIN=1.0000001", at)))


def stated(n: int) -> dict[str, Any]:
    """Counts 196 USDT at a BTC of 100, 177.82 at 89.9; owes between 145 and 149."""
    owed = [{"asset": "COIN", "principal": f"{D(145) + D(n) * D('0.0004')}", "id": "L-1"}]
    terms = {"rate": {"kind": "flexible"}, "term": "open", "opened_at": "2025-12-20T10:00:00Z"}
    held = {f"in-G{n:05}": {"BTC": "1", "USDT": "100.12345678"}}
    return line(f"G{n:05}", receiving_account=f"in-G{n:05}", collateral=held, loans=[owed[0] | terms])


def weight_of(alert: Alert) -> Weight:
    """What anyone can recompute from the alert's own inputs."""
    figures = alert.figures
    assert figures is not None
    ladders = OF.versions[0].ladders
    with exact():
        counted = [recognised(ladders[i.asset], i.quantity * i.price) for i in figures.inputs if i.price is not None]
        owed = [(d.principal + d.interest) * d.price for d in figures.debts if d.price is not None]
        return Weight(sum(owed, D(0)), sum(counted, D(0)))


def test_all_of_a_storm_is_alerted_with_exact_figures(storm: tuple[RiskMonitor, Outcome]) -> None:
    _, outcome = storm
    assert [a.subject for a in outcome.alerts] == [f"G{n:05}" for n in range(GROUPS)]
    for alert in outcome.alerts:
        weight, figures = weight_of(alert), alert.figures
        assert figures is not None
        assert (figures.debt_usd, figures.recognised_usd) == (weight.debt, weight.recognised)
        assert band(weight, figures.thresholds) == MARGIN_CALL
        assert alert.type == "loan_group.margin_call.opened"


async def test_a_storm_is_durable_in_one_transaction_and_flows_in_bounded_memory(
    storm: tuple[RiskMonitor, Outcome], tmp_path: Path
) -> None:
    monitor, outcome = storm
    store = sqlite.build(sqlite.Config(path=str(tmp_path / "monitor.db")))
    await store.open()
    commits: list[Change] = []
    commit = store.commit

    async def counted(change: Change) -> Committed:
        commits.append(change)
        return await commit(change)

    store.commit = counted
    took: set[str] = set()
    flowing = asyncio.Event()

    def take(notice: Notice) -> None:
        took.add(notice.id)
        if len(took) == FLOWING:
            flowing.set()

    notifier = FakeNotifier(take)
    notifier.tried = notifier.took = _Nothing()
    running = Running(store, FakeClock(START), Metrics(), Health(), Tasks())
    outlet = FakeOutlet(Target("mail"))
    dispatcher = Dispatcher(running, {"mail": notifier}, _shown, Around(_untold, lambda _: ()))
    outlet.take_over = dispatcher.take_over
    journal = Journal(running, outlet)
    await dispatcher.start()
    tracemalloc.start()
    try:
        durable = await journal.commit(monitor, [outcome])
        assert [(each.alert.id, each.cursor) for each in durable] == [
            (alert.id, cursor) for cursor, alert in enumerate(outcome.alerts, 1)
        ]
        assert len(commits) == 1
        async with asyncio.timeout(60):
            await flowing.wait()
        peak_bytes = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
        await dispatcher.stop(1)
        await store.close()
    # With the notices of all at once it would be 200 MB; rows, attempts and 256 notices are a third of what is allowed.
    assert peak_bytes < 45_000_000


class _Nothing(list[Any]):
    """Keeps none of the notices that a test does not look at."""

    def append(self, _: Any) -> None:
        pass


def _shown(logged: LoggedAlert) -> Body:
    shown = rendered(logged)
    shown["data"]["inputs"] = "x" * 20_000
    return as_body(shown)


async def _untold(_: Noticed) -> None:
    """The channel works again: no test here asks for that."""
