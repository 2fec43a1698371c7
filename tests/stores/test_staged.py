"""Figures that are worked out later are the very figures: before the background has come to them, afterwards, after a kill."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from monitor.core.alerts.light import LightAlert, whole
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.plain_moves import MOST_DISPROOFS, Disproof, LightRow
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL
from monitor.daemon.journal import core_state
from monitor.dispatch.queue import DeliveryQueue
from monitor.stores import _staged, sqlite
from monitor.stores._base import AlertFilter, Audit, Change, DeliveryFilter, HistoryFilter, Store, Target
from tests.stores.kept_stores import STAGED, KeptFiles, KeptSchemas, KeptStores, Rows, light_rows, recorded, store_at
from tests.stores.plain_storm import NEVER, Storm

ROOT = Path(__file__).parents[2]
TARGETS = Target("desk"), Target("mail", gather="30|300|5|severity=x")
Fallen = tuple[Storm, list[Outcome]]


@pytest.fixture(scope="module")
def fallen() -> Fallen:
    storm = Storm(plain_from=1)
    return storm, storm.fall()


@pytest.fixture(scope="module")
def exactly() -> Fallen:
    storm = Storm(plain_from=NEVER)
    return storm, storm.fall()


@pytest.fixture(params=["sqlite", "postgres"])
def kept(request: pytest.FixtureRequest, tmp_path: Path) -> KeptStores:
    """Both kinds of store that stage."""
    return KeptFiles(tmp_path) if request.param == "sqlite" else KeptSchemas(uuid4().hex[:20])


def changes(storm: Storm, outcomes: list[Outcome], *, gathers: bool = False) -> Iterator[Change]:
    """What each outcome makes durable."""
    for n, out in enumerate(outcomes):
        targets = TARGETS if gathers else (TARGETS[0], Target("mail"))
        alerts = tuple((a, () if a.silenced_by else targets) for a in out.alerts)
        yield Change(
            out.at,
            states=tuple(out.states.values()),
            alerts=alerts,
            audits=(Audit(out.at, "ops", "note", "monitor", None, {"n": n}),),
            history=tuple(out.history),
            blocks=tuple(out.blocks),
            desk=core_state(storm.monitor),
        )


async def filled(store: Store, fallen: Fallen, *, gathers: bool = False) -> Store:
    await store.open()
    for change in changes(*fallen, gathers=gathers):
        await store.commit(change)
    return store


async def rendered(store: Store) -> int:
    """Works out all that is left, a few at a time; how many they were."""
    total = 0
    while (found := await store.render(7)).done:
        assert not found.disproofs
        total += found.done
    return total


async def exact_rows(kept: KeptStores, exactly: Fallen, *, gathers: bool = False) -> Rows:
    """What a store records of the storm that was decided one by one."""
    store = await filled(kept.store("whole"), exactly, gathers=gathers)
    await rendered(store)
    await store.close()
    return recorded(await kept.rows("whole"))


def test_a_storm_has_every_plain_step_and_others(fallen: Fallen) -> None:
    alerts = [a for out in fallen[1] for a in out.alerts]
    light = [a for a in alerts if isinstance(a, LightAlert)]
    assert {(a.stage_from, a.stage_to) for a in light} == {
        (was, to) for was in ("normal", MARGIN_CALL) for to in (MARGIN_CALL, DELAYED, LIQUIDATION) if was != to
    }
    assert any(isinstance(row, LightRow) for out in fallen[1] for row in out.history)
    assert any(a.silenced_by for a in alerts)
    assert not any(isinstance(a, LightAlert) for a in alerts if a.silenced_by or a.type == "loan_group.early_warning")


def test_a_storm_by_column_says_what_it_says_one_by_one(fallen: Fallen, exactly: Fallen) -> None:
    for ours, theirs in zip(fallen[1], exactly[1], strict=True):
        assert list(map(whole, ours.alerts)) == theirs.alerts
        assert ours.history == theirs.history
        assert ours.states == theirs.states
    assert fallen[0].monitor.memory == exactly[0].monitor.memory
    assert fallen[0].book.disproofs == []


@pytest.mark.parametrize("gathers", [False, True], ids=["each", "digests"])
async def test_the_background_makes_the_rows_of_a_commit_that_worked_all_out(
    gathers: bool, kept: KeptStores, fallen: Fallen, exactly: Fallen
) -> None:
    """Of every table, the signed record of the audit among them."""
    light = await filled(kept.store("light"), fallen, gathers=gathers)
    assert len(light_rows(await kept.rows("light"), "alerts")) > 60
    assert await rendered(light) > 60
    await light.close()
    found = await kept.rows("light")
    assert recorded(found) == await exact_rows(kept, exactly, gathers=gathers)
    assert all(found.get(name, []) == [] for name in STAGED)


async def test_a_look_before_the_background_sees_the_same(kept: KeptStores, fallen: Fallen, exactly: Fallen) -> None:
    light = await filled(kept.store("light"), fallen)
    other = await filled(kept.store("whole"), exactly)
    everything = AlertFilter(limit=1000)
    for _ in range(3):
        assert await light.alerts(everything) == await other.alerts(everything)
        for logged in await other.alerts(AlertFilter(limit=5, type="*triggered")):
            assert await light.alert(logged.alert.id) == logged
            wanted = HistoryFilter(logged.alert.subject)
            assert await light.history(wanted) == await other.history(wanted) != []
            assert await light.first_rows(wanted) == await other.first_rows(wanted)
            of_subject = logged.alert.subject
            assert await light.newest_life(of_subject, ()) == await other.newest_life(of_subject, ())
            page = AlertFilter(after=logged.cursor - 3, limit=4)
            assert await light.alerts(page) == await other.alerts(page)
        assert (await light.render(7)).done
    assert await rendered(light)
    assert await light.alerts(everything) == await other.alerts(everything)
    await light.close()
    await other.close()


async def test_lists_of_alerts_open_no_form(kept: KeptStores, fallen: Fallen, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a page is filtered by is in the row: type, severity, time, and the group with its labels."""
    store = await filled(kept.store("light"), fallen)
    monkeypatch.setattr("monitor.engine.moves.staging.load", lambda *_: pytest.fail("a form was opened"))
    page = await store.alerts(AlertFilter(limit=1000, severity="critical"))
    assert {a.alert.group.labels["desk"] for a in page if a.alert.group} == {"EU", "US"}
    assert len(await store.deliveries(DeliveryFilter(limit=500))) > 100
    await store.close()


async def test_another_program_works_all_out_before_it_does_anything(
    kept: KeptStores, fallen: Fallen, exactly: Fallen, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await filled(kept.store("light"), fallen)
    await store.close()
    again = kept.store("light")
    await again.open()
    assert (await kept.rows("light"))["staged"] != []
    await again.close()
    monkeypatch.setattr(f"monitor.stores.{kept.kind}.staged.PROGRAM", f"{_staged.PROGRAM}.1")
    newer = kept.store("light")
    await newer.open()
    await newer.close()
    found = await kept.rows("light")
    assert found["staged"] == []
    assert recorded(found) == await exact_rows(kept, exactly)


@pytest.mark.parametrize("crash_at", ["", "amid figures:2"])
async def test_a_kill_between_commit_and_background_loses_nothing(
    crash_at: str, kept: KeptStores, exactly: Fallen
) -> None:
    """A process of its own commits the storm, works some of it out, and is killed: afterwards, or amid the second part."""
    words = [sys.executable, "-m", "tests.stores.test_staged", kept.kind, kept.place("light")]
    dies = {**os.environ, "MONITOR_CRASH_AT": crash_at}
    killed = await asyncio.to_thread(subprocess.run, words, cwd=ROOT, env=dies, check=False, timeout=60)
    assert killed.returncode == -signal.SIGKILL
    assert len(light_rows(await kept.rows("light"), "alerts")) > 50
    store = kept.store("light")
    await store.open()
    assert await rendered(store) > 30
    await store.close()
    assert recorded(await kept.rows("light")) == await exact_rows(kept, exactly)


async def test_after_a_restart_notices_go_by_what_their_groups_owe_though_no_figure_is_worked_out(
    kept: KeptStores, fallen: Fallen
) -> None:
    await (await filled(kept.store("light"), fallen)).close()
    store = kept.store("light")
    await store.open()
    waiting = [DeliveryQueue().add(d, 0.0) for d in await store.open_deliveries()]
    rough = {w.delivery.id: w.debt for w in waiting if w is not None and w.delivery.rough_debt is not None}
    assert len(rough) > 60
    assert len({*rough.values()}) > 10
    assert await rendered(store)
    exact = {d.id: float(d.debt_usd) for d in await store.open_deliveries() if d.id in rough}
    assert rough == pytest.approx(exact, rel=1e-9)
    await store.close()


async def test_a_move_to_another_database_takes_whole_rows(fallen: Fallen, tmp_path: Path) -> None:
    """Who reads the whole file knows no forms: all is worked out first."""
    files = KeptFiles(tmp_path)
    await (await filled(files.store("light"), fallen)).close()
    found = await files.rows("light")
    assert len(light_rows(found, "alerts")) > 60
    assert len(light_rows(found, "history")) > 5
    with sqlite.opened_alone(sqlite.Config(path=files.place("light"))):
        found = await files.rows("light")
    assert (light_rows(found, "alerts"), light_rows(found, "history")) == ([], [])


async def test_a_form_that_contradicts_its_decision_is_told(
    kept: KeptStores, fallen: Fallen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The exact figures are others than those that were decided on: here a price was changed behind the decision's back."""
    store = await filled(kept.store("light"), fallen)
    monkeypatch.setattr("monitor.engine.moves.moved.band", lambda *_: "normal")
    found: list[Disproof] = []
    while (step := await store.render(50)).done:
        found += step.disproofs
    await store.close()
    assert len(found) >= MOST_DISPROOFS
    assert {each.exact for each in found} == {""}
    assert {each.stage for each in found} == {"normal", MARGIN_CALL}


async def test_a_look_that_contradicts_a_decision_is_told(
    kept: KeptStores, fallen: Fallen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever looks at an alert first; the background tells of it, though it has nothing to do itself."""
    store = await filled(kept.store("light"), fallen)
    page = await store.alerts(AlertFilter(limit=1000))
    while (await store.render(500)).done:
        pass
    monkeypatch.setattr("monitor.engine.moves.moved.band", lambda *_: "normal")
    light = [each.alert for each in page if isinstance(each.alert, LightAlert)]
    assert light[0].figures is not None
    found = await store.render(50)
    await store.close()
    assert (found.done, [each.group for each in found.disproofs]) == (0, [light[0].subject])


async def _commit_and_die(kind: str, place: str) -> None:
    storm = Storm(plain_from=1)
    store = await filled(store_at(kind, place), (storm, storm.fall()))
    for _ in range(2):
        await store.render(7)
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    asyncio.run(_commit_and_die(*sys.argv[1:]))
