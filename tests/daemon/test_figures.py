"""The background works out what light alerts left for later, and the desk hears where it contradicts a decision."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import cast

import pytest

from monitor.clock import SystemClock
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.light import LightAlert
from monitor.core.events.events import Event, MarkPrices, Noticed
from monitor.core.groups.plain_moves import MOST_DISPROOFS, Disproof, Rendered
from monitor.core.groups.record import GroupRecord
from monitor.daemon.journal import Journal
from monitor.daemon.upkeep import RENDER_EVERY_S, RENDER_REST_S, RENDERED_AT_ONCE, FiguresWatch
from monitor.dispatch.digests import Firsts
from monitor.engine.moves.moved import CutGroups
from monitor.running import Running, Tasks
from monitor.stores import sqlite
from monitor.stores._base import StoreUnavailable, Target
from monitor.telemetry import Health, Metrics
from tests.coin_desk import START
from tests.core.desk import quotes
from tests.fakes import FakeClock, FakeOutlet
from tests.stores.plain_storm import FALLS, Storm

WRONG = Disproof("G-1", START, "normal", "LTV in the margin-call band", "")


class Desk:
    """A store that answers what the test says, and what the desk was told."""

    def __init__(self, *answers: Rendered | StoreUnavailable, of_book: tuple[Disproof, ...] = ()) -> None:
        self.answers = list(answers)
        self.told: list[Event] = []
        running = cast(Running, SimpleNamespace(clock=SystemClock(), store=self))
        self.watch = FiguresWatch(running, lambda: list(of_book), self._tell)

    async def render(self, most: int) -> Rendered:
        assert most == RENDERED_AT_ONCE
        answer = self.answers.pop(0)
        if isinstance(answer, StoreUnavailable):
            raise answer
        return answer

    async def _tell(self, event: Noticed) -> None:
        self.told.append(event)


async def test_it_goes_on_at_once_while_there_is_something_to_do() -> None:
    desk = Desk(Rendered(64), Rendered(1), Rendered(), StoreUnavailable("the disk is full"))
    assert [await desk.watch.look() for _ in range(4)] == [False, False, True, True]
    assert desk.told == []


def test_a_storm_of_a_hundred_thousand_is_worked_out_within_ten_minutes() -> None:
    """At 100 us an alert and all that the machine does beside it; what comes is looked for much sooner."""
    assert 100_000 / RENDERED_AT_ONCE * (RENDER_REST_S + RENDERED_AT_ONCE * 200e-6) < 300
    assert RENDER_EVERY_S < 60


async def test_a_contradiction_is_told_wherever_it_was_found() -> None:
    desk = Desk(Rendered(3, (WRONG,)), Rendered(), of_book=(WRONG._replace(group="G-2"),))
    assert not await desk.watch.look()
    told = [event for event in desk.told if isinstance(event, Noticed)]
    assert [(event.kind, event.facts["group"]) for event in told] == [
        ("monitor.contradiction", "G-1"),
        ("monitor.contradiction", "G-2"),
    ]


async def test_a_storm_of_contradictions_is_no_storm_of_alerts() -> None:
    """The first ends decisions by column; what is said of twenty groups is enough to look for the fault."""
    desk = Desk(*(Rendered(64, (WRONG,) * 15) for _ in range(4)))
    for _ in range(4):
        await desk.watch.look()
    assert len(desk.told) == MOST_DISPROOFS


def test_a_contradiction_is_a_critical_alert_and_ends_decisions_by_column_until_a_restart() -> None:
    storm, other = Storm(plain_from=1), Storm(plain_from=1)
    at = START + timedelta(seconds=1)
    facts = {"group": "G-1", "decided_at": "2026-01-05T00:00:00Z", "stage": "normal", "decided": "x", "exact": ""}
    said = storm.monitor.handle(Noticed(START, "monitor.contradiction", "decision", facts, "G-1 2026"))
    assert [(alert.type, alert.severity) for alert in said.alerts] == [("monitor.contradiction", "critical")]
    fall = MarkPrices(at, quotes(f"BTC={FALLS[1]},COIN=1.000001", at))
    ours, theirs = storm.monitor.handle(fall), other.monitor.handle(fall)
    assert any(isinstance(alert, LightAlert) for alert in theirs.alerts)
    assert not any(isinstance(alert, LightAlert) for alert in ours.alerts)
    assert ours.alerts == theirs.alerts


class _Gathering(FakeOutlet):
    """Lets the largest go by themselves, as the daemon's own does on the event loop."""

    def route_all(self, alerts: Sequence[Alert], at: datetime) -> tuple[tuple[Alert, tuple[Target, ...]], ...]:
        return Firsts().share(at, super().route_all(alerts, at))


async def test_digests_have_exact_debts_that_were_worked_out_beside_the_event_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A digest adds up what its groups owe, so the commit has the exact figures; nobody waits for them on the loop."""
    storm, threads = Storm(plain_from=1), set[bool]()
    outcome = storm.fall()[-1]
    work_out = CutGroups._record

    def noted(self: CutGroups, place: int) -> GroupRecord:
        threads.add(threading.current_thread() is threading.main_thread())
        return work_out(self, place)

    monkeypatch.setattr(CutGroups, "_record", noted)
    store = sqlite.build(sqlite.Config(path=str(tmp_path / "monitor.db")))
    await store.open()
    outlet = _Gathering(Target("mail", gather="30|300|5|severity=x"))
    await Journal(Running(store, FakeClock(START), Metrics(), Health(), Tasks()), outlet).commit(
        storm.monitor, [outcome]
    )
    assert threads == {False}
    gathered = [made for made in outlet.committed[0].deliveries if made.gather]
    assert len(gathered) > 20
    assert all(Decimal(made.debt_usd) > 100 for made in gathered)
    await store.close()
