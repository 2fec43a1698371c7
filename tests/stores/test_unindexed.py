"""What a tick writes is in no index that would cost a page for each: it is found all the same, and cancelled."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.core.alerts.light import LightAlert
from monitor.core.groups.outcome import Outcome
from monitor.stores import sqlite as stores
from monitor.stores._base import AlertFilter, Change, Delivery, DeliveryFilter, Target
from monitor.stores._rows import WHOLE
from monitor.stores.sqlite import SqliteStore, file, pending_news
from tests.stores.examples import AT, CURED, DESK, OPENED, PHONE, TRIGGERED, alert
from tests.stores.plain_storm import Storm
from tests.stores.test_staged import changes, filled

LATER = AT + timedelta(seconds=1)
OLD_INDICES = """
DROP INDEX alerts_id;
DROP INDEX alerts_group;
DROP INDEX deliveries_pending;
CREATE INDEX alerts_id ON alerts (substr(id, 5, 8));
CREATE INDEX alerts_group ON alerts (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX deliveries_pending ON deliveries (subject) WHERE state = 'pending';
PRAGMA user_version = 13;
"""


@pytest.fixture(scope="module")
def fallen() -> tuple[Storm, list[Outcome]]:
    storm = Storm(plain_from=1)
    return storm, storm.fall()


async def light_store(folder: Path, fallen: tuple[Storm, list[Outcome]]) -> SqliteStore:
    """With the storm in it, of which no figures are worked out."""
    store = stores.build(stores.Config(path=str(folder / "light.db")))
    await filled(store, fallen)
    return store


async def again(store: SqliteStore) -> SqliteStore:
    """The store as a start after a kill finds it."""
    for ending in ("", "-wal"):
        shutil.copy(f"{store.path}{ending}", f"{store.path}.killed{ending}")
    killed = stores.build(stores.Config(path=f"{store.path}.killed"))
    await killed.open()
    return killed


def indexed(path: Path) -> tuple[int, int]:
    """How many alerts are in each of the indices that have an order of their own."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        found = [
            db.execute(f"SELECT count(*) FROM alerts INDEXED BY {name} WHERE {WHOLE} AND {column} > ''").fetchone()[0]
            for name, column in (("alerts_id", "substr(id, 5, 8)"), ("alerts_group", "group_id"))
        ]
        return found[0], found[1]


async def test_light_alerts_are_in_no_such_index_until_their_figures_are_worked_out(
    fallen: tuple[Storm, list[Outcome]], tmp_path: Path
) -> None:
    store = await light_store(tmp_path, fallen)
    alerts = [a for out in fallen[1] for a in out.alerts]
    whole = [a for a in alerts if not isinstance(a, LightAlert)]
    assert 0 < len(whole) < len(alerts)
    assert indexed(store.path) == (len(whole), len(whole))
    while (await store.render(50)).done:
        pass
    assert indexed(store.path) == (len(alerts), len(alerts))
    assert store._known.light == set()
    await store.close()


async def test_an_alert_is_found_by_id_and_by_group_whether_it_is_light_or_not(
    fallen: tuple[Storm, list[Outcome]], tmp_path: Path
) -> None:
    store = await light_store(tmp_path, fallen)
    every = await store.alerts(AlertFilter(limit=1000))
    groups = {x.alert.subject: [y for y in every if y.alert.subject == x.alert.subject] for x in every}
    assert max(map(len, groups.values())) > 1
    for _ in range(4):  # light, half of them, all but the rows of the history, none
        for group, theirs in groups.items():
            assert await store.alerts(AlertFilter(group=group)) == theirs
            assert await store.alerts(AlertFilter(group=group, newest_first=True, limit=1)) == theirs[-1:]
            assert await store.alerts(AlertFilter(group=group, after=theirs[0].cursor)) == theirs[1:]
            assert await store.alerts(AlertFilter(group=group, type="*triggered")) == [
                x for x in theirs if x.alert.type.endswith("triggered")
            ]
        for logged in every:
            assert await store.alert(logged.alert.id) == logged
            made = await store.deliveries(DeliveryFilter(alert=logged.alert.id))
            assert [d.cursor for d in made] == ([] if logged.alert.silenced_by else [logged.cursor] * 2)
        assert await store.alert("evt_no") is None
        await store.render(40)
    await store.close()


async def test_a_light_alert_that_is_in_the_log_is_not_added_again(
    fallen: tuple[Storm, list[Outcome]], tmp_path: Path
) -> None:
    store = await light_store(tmp_path, fallen)
    count = len(await store.alerts(AlertFilter(limit=1000)))
    killed = await again(store)
    for each in (store, killed):
        for step in range(3):
            for change in changes(*fallen):
                assert (await each.commit(change)).alerts == (), step
            await each.render(40)
        assert len(await each.alerts(AlertFilter(limit=1000))) == count
        await each.close()


async def test_a_commit_that_was_rolled_back_adds_its_alerts_when_it_is_tried_again(
    fallen: tuple[Storm, list[Outcome]], store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    change = max(changes(*fallen), key=lambda change: len(change.alerts))
    with monkeypatch.context() as patched:
        patched.setattr("monitor.stores.sqlite.log.audits.write", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            await store.commit(change)
    assert len((await store.commit(change)).alerts) == len(change.alerts)


def opened(*targets: Target) -> Change:
    return Change(AT, alerts=((alert(OPENED, sequence=1), targets),))


async def cancelled(store: SqliteStore) -> list[str]:
    """What news of liquidation cancels."""
    change = Change(LATER, alerts=((alert(TRIGGERED, sequence=9), (DESK,)),))
    return sorted((await store.commit(change)).cancelled)


async def test_what_was_pending_before_a_kill_is_cancelled_by_news(store: SqliteStore) -> None:
    made = (await store.commit(opened(DESK, PHONE))).deliveries
    killed = await again(store)
    for each in (store, killed):
        assert await cancelled(each) == sorted(d.id for d in made)
        assert [d.id for d in await each.open_deliveries()] == [
            d.id for d in await each.deliveries(DeliveryFilter()) if d.cursor == 2
        ]
    await killed.close()


async def one_that_is_over(store: SqliteStore) -> Delivery:
    """A notice that was cancelled by the news that its call is over, which nobody is owed."""
    (made,) = (await store.commit(opened(DESK))).deliveries
    change = Change(AT, alerts=((alert(CURED, sequence=2), ()),))
    assert (await store.commit(change)).cancelled == (made.id,)
    return made


@pytest.mark.parametrize("way", ["retry", "retry_all", "send_again", "move", "hand_over"])
async def test_what_became_pending_otherwise_is_cancelled_by_news(way: str, store: SqliteStore) -> None:
    over = await one_that_is_over(store)
    if way == "retry":
        await store.retry(over.id, AT)
    elif way == "retry_all":
        await store.retry_all([over.id], AT)
    elif way == "send_again":
        await store.send_again([over])
    else:
        await store.retry(over.id, AT)
        store._news._keys.clear()
        if way == "move":
            await store.move(over, [PHONE], AT)
        else:
            await store.hand_over([(over, PHONE)], AT)
    pending = {d.id for d in await store.open_deliveries()}
    assert pending
    assert set(await cancelled(store)) == pending


async def test_groups_whose_notices_are_over_are_forgotten(store: SqliteStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pending_news, "MOST_OVER", 10)
    await store._write(store._known.load)
    for n in range(30):
        change = Change(AT, alerts=((alert(OPENED, f"G-{n}"), (DESK,)),))
        (made,) = (await store.commit(change)).deliveries
        if n != 3:
            await store.move(made, [], AT)
    assert len(store._news._keys) == 30
    await store.render(1)
    assert len(store._news._keys) < 15
    change = Change(AT, alerts=((alert(TRIGGERED, "G-3", sequence=9), ()),))
    assert len((await store.commit(change)).cancelled) == 1


async def test_a_store_of_schema_13_goes_on_as_it_was(fallen: tuple[Storm, list[Outcome]], tmp_path: Path) -> None:
    """It has light alerts in its indices, and pending notices by group."""
    store = await light_store(tmp_path, fallen)
    every = await store.alerts(AlertFilter(limit=1000))
    waiting = await store.open_deliveries()
    await store.close()
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as db:
        db.executescript(OLD_INDICES)
    await store.open()
    assert [await store.alert(x.alert.id) for x in every] == every
    assert await store.open_deliveries() == waiting
    theirs = [d for d in waiting if d.subject == waiting[0].subject]
    change = Change(LATER, alerts=((alert(TRIGGERED, theirs[0].subject, sequence=9), ()),))
    assert sorted((await store.commit(change)).cancelled) == sorted(d.id for d in theirs)
    await store.close()
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(file.MIGRATIONS),)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
