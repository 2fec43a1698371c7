"""Figures that are worked out later are the very figures: before the background has come to them, afterwards, after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from monitor.core.alerts.light import LightAlert, whole
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.plain_moves import MOST_DISPROOFS, Disproof, LightRow
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL
from monitor.daemon.journal import core_state
from monitor.dispatch.queue import DeliveryQueue
from monitor.stores import _staged, sqlite
from monitor.stores._base import AlertFilter, Change, DeliveryFilter, HistoryFilter, Target
from tests.stores.plain_storm import NEVER, Storm

ROOT = Path(__file__).parents[2]
TARGETS = Target("desk"), Target("mail", gather="30|300|5|severity=x")
STAGED = "staged", "staged_forms", "staged_rules", "later_states"


@pytest.fixture(scope="module")
def fallen() -> tuple[Storm, list[Outcome]]:
    storm = Storm(plain_from=1)
    return storm, storm.fall()


@pytest.fixture(scope="module")
def exactly() -> tuple[Storm, list[Outcome]]:
    storm = Storm(plain_from=NEVER)
    return storm, storm.fall()


def changes(storm: Storm, outcomes: list[Outcome], *, gathers: bool = False) -> Iterator[Change]:
    """What each outcome makes durable."""
    for out in outcomes:
        targets = TARGETS if gathers else (TARGETS[0], Target("mail"))
        alerts = tuple((a, () if a.silenced_by else targets) for a in out.alerts)
        yield Change(
            out.at,
            states=tuple(out.states.values()),
            alerts=alerts,
            history=tuple(out.history),
            blocks=tuple(out.blocks),
            desk=core_state(storm.monitor),
        )


async def filled(path: Path, fallen: tuple[Storm, list[Outcome]], *, gathers: bool = False) -> sqlite.SqliteStore:
    store = sqlite.build(sqlite.Config(path=str(path)))
    await store.open()
    for change in changes(*fallen, gathers=gathers):
        await store.commit(change)
    return store


async def rendered(store: sqlite.SqliteStore) -> int:
    """Works out all that is left, a few at a time; how many they were."""
    total = 0
    while (found := await store.render(7)).done:
        assert not found.disproofs
        total += found.done
    return total


def tables(path: Path, *, staged: bool = False) -> dict[str, list[Any]]:
    """Every row of every table."""
    with sqlite3.connect(path) as db:
        names = [name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name")]
        return {
            name: sorted(map(repr, db.execute(f"SELECT * FROM {name}")))
            for name in names
            if staged or (name not in STAGED and name not in ("sqlite_sequence", "keys"))
        }


def test_a_storm_has_every_plain_step_and_others(fallen: tuple[Storm, list[Outcome]]) -> None:
    alerts = [a for out in fallen[1] for a in out.alerts]
    light = [a for a in alerts if isinstance(a, LightAlert)]
    assert {(a.stage_from, a.stage_to) for a in light} == {
        (was, to) for was in ("normal", MARGIN_CALL) for to in (MARGIN_CALL, DELAYED, LIQUIDATION) if was != to
    }
    assert any(isinstance(row, LightRow) for out in fallen[1] for row in out.history)
    assert any(a.silenced_by for a in alerts)
    assert not any(isinstance(a, LightAlert) for a in alerts if a.silenced_by or a.type == "loan_group.early_warning")


def test_a_storm_by_column_says_what_it_says_one_by_one(
    fallen: tuple[Storm, list[Outcome]], exactly: tuple[Storm, list[Outcome]]
) -> None:
    for ours, theirs in zip(fallen[1], exactly[1], strict=True):
        assert list(map(whole, ours.alerts)) == theirs.alerts
        assert ours.history == theirs.history
        assert ours.states == theirs.states
    assert fallen[0].monitor.memory == exactly[0].monitor.memory
    assert fallen[0].book.disproofs == []


@pytest.mark.parametrize("gathers", [False, True], ids=["each", "digests"])
async def test_the_background_makes_the_rows_of_a_commit_that_worked_all_out(
    gathers: bool, fallen: tuple[Storm, list[Outcome]], exactly: tuple[Storm, list[Outcome]], tmp_path: Path
) -> None:
    light = await filled(tmp_path / "light.db", fallen, gathers=gathers)
    assert await rendered(light) > 60
    await light.close()
    whole_ = await filled(tmp_path / "whole.db", exactly, gathers=gathers)
    await rendered(whole_)
    await whole_.close()
    assert tables(tmp_path / "light.db") == tables(tmp_path / "whole.db")
    assert all(tables(tmp_path / "light.db", staged=True)[name] == [] for name in STAGED)


async def test_a_look_before_the_background_sees_the_same(
    fallen: tuple[Storm, list[Outcome]], exactly: tuple[Storm, list[Outcome]], tmp_path: Path
) -> None:
    light = await filled(tmp_path / "light.db", fallen)
    other = await filled(tmp_path / "whole.db", exactly)
    everything = AlertFilter(limit=1000)
    for _ in range(2):
        assert await light.alerts(everything) == await other.alerts(everything)
        for logged in await other.alerts(AlertFilter(limit=5, type="*triggered")):
            assert await light.alert(logged.alert.id) == logged
            wanted = HistoryFilter(logged.alert.subject)
            assert await light.history(wanted) == await other.history(wanted) != []
        assert (await light.render(7)).done == 7
    await light.close()
    await other.close()


async def test_lists_of_alerts_open_no_form(
    fallen: tuple[Storm, list[Outcome]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page is filtered by is in the row: type, severity, time, and the group with its labels."""
    store = await filled(tmp_path / "light.db", fallen)
    monkeypatch.setattr("monitor.engine.moves.staging.load", lambda *_: pytest.fail("a form was opened"))
    page = await store.alerts(AlertFilter(limit=1000, severity="critical"))
    assert {a.alert.group.labels["desk"] for a in page if a.alert.group} == {"EU", "US"}
    assert len(await store.deliveries(DeliveryFilter(limit=500))) > 100
    await store.close()


async def test_another_program_works_all_out_before_it_does_anything(
    fallen: tuple[Storm, list[Outcome]],
    exactly: tuple[Storm, list[Outcome]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = await filled(tmp_path / "light.db", fallen)
    await store.close()
    again = sqlite.build(sqlite.Config(path=str(tmp_path / "light.db")))
    await again.open()
    assert tables(tmp_path / "light.db", staged=True)["staged"] != []
    await again.close()
    monkeypatch.setattr("monitor.stores.sqlite.staged.PROGRAM", f"{_staged.PROGRAM}.1")
    newer = sqlite.build(sqlite.Config(path=str(tmp_path / "light.db")))
    await newer.open()
    await newer.close()
    whole_ = await filled(tmp_path / "whole.db", exactly)
    await rendered(whole_)
    await whole_.close()
    assert tables(tmp_path / "light.db", staged=True)["staged"] == []
    assert tables(tmp_path / "light.db") == tables(tmp_path / "whole.db")


async def test_a_kill_between_commit_and_background_loses_nothing(
    exactly: tuple[Storm, list[Outcome]], tmp_path: Path
) -> None:
    """A process of its own commits the storm, works some of it out, and is killed."""
    path = tmp_path / "light.db"
    killed = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-m", "tests.stores.test_staged", str(path)], cwd=ROOT, check=False, timeout=60
    )
    assert killed.returncode == -signal.SIGKILL
    store = sqlite.build(sqlite.Config(path=str(path)))
    await store.open()
    assert await rendered(store) > 30
    await store.close()
    other = await filled(tmp_path / "whole.db", exactly)
    await rendered(other)
    await other.close()
    assert tables(path) == tables(tmp_path / "whole.db")


async def test_after_a_restart_notices_go_by_what_their_groups_owe_though_no_figure_is_worked_out(
    fallen: tuple[Storm, list[Outcome]], tmp_path: Path
) -> None:
    await (await filled(tmp_path / "light.db", fallen)).close()
    store = sqlite.build(sqlite.Config(path=str(tmp_path / "light.db")))
    await store.open()
    waiting = [DeliveryQueue().add(d, 0.0) for d in await store.open_deliveries()]
    rough = {w.delivery.id: w.debt for w in waiting if w is not None and w.delivery.rough_debt is not None}
    assert len(rough) > 60
    assert len({*rough.values()}) > 10
    assert await rendered(store)
    exact = {d.id: float(d.debt_usd) for d in await store.open_deliveries() if d.id in rough}
    assert rough == pytest.approx(exact, rel=1e-9)
    await store.close()


async def test_a_move_to_another_database_takes_whole_rows(fallen: tuple[Storm, list[Outcome]], tmp_path: Path) -> None:
    """Who reads the whole file knows no forms: all is worked out first."""
    store = await filled(tmp_path / "light.db", fallen)
    await store.close()
    light = "SELECT count(*) FROM {} WHERE substr(body, 1, 1) = x'c1'"
    with sqlite3.connect(tmp_path / "light.db") as db:
        assert db.execute(light.format("alerts")).fetchone()[0] > 60
        assert db.execute(light.format("history")).fetchone()[0] > 5
    with sqlite.opened_alone(sqlite.Config(path=str(tmp_path / "light.db"))) as db:
        assert [db.execute(light.format(table)).fetchone()[0] for table in ("alerts", "history")] == [0, 0]


async def test_a_form_that_contradicts_its_decision_is_told(
    fallen: tuple[Storm, list[Outcome]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact figures are others than those that were decided on: here a price was changed behind the decision's back."""
    store = await filled(tmp_path / "light.db", fallen)
    monkeypatch.setattr("monitor.engine.moves.moved.band", lambda *_: "normal")
    found: list[Disproof] = []
    while (step := await store.render(50)).done:
        found += step.disproofs
    await store.close()
    assert len(found) >= MOST_DISPROOFS
    assert {each.exact for each in found} == {""}
    assert {each.stage for each in found} == {"normal", MARGIN_CALL}


async def _commit_and_die(path: Path) -> None:
    storm = Storm(plain_from=1)
    store = await filled(path, (storm, storm.fall()))
    await store.render(7)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(_commit_and_die(Path(sys.argv[1])))
