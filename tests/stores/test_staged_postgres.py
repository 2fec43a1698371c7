"""Staging in a database that two heads share: only once no older one reads it, only by the head, and whole in every copy."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from monitor.core.alerts.light import LightAlert
from monitor.lease.fenced import Fenced
from monitor.stores import postgres, sqlite
from monitor.stores._base import AlertFilter, Change, HistoryFilter, StoreRefused, StoreUnavailable
from monitor.stores._staged import StagedGroups
from monitor.stores.postgres import PostgresStore, schema, staged
from tests.postgres_server import shared_server
from tests.stores.kept_stores import STAGED, KeptFiles, KeptSchemas, config_at, light_rows, recorded
from tests.stores.plain_storm import NEVER, Storm
from tests.stores.test_postgres import CUTS, Proxy, committed
from tests.stores.test_postgres import config as config_by
from tests.stores.test_staged import Fallen, changes, exact_rows, filled, rendered

EVERYTHING = AlertFilter(limit=1000)


@pytest.fixture(scope="module")
def fallen() -> Fallen:
    storm = Storm(plain_from=1)
    return storm, storm.fall()


@pytest.fixture(scope="module")
def exactly() -> Fallen:
    storm = Storm(plain_from=NEVER)
    return storm, storm.fall()


@pytest.fixture
def kept() -> KeptSchemas:
    return KeptSchemas(uuid4().hex[:20])


async def older(kept: KeptSchemas, monkeypatch: pytest.MonkeyPatch) -> None:
    """A database that the version before staging has made."""
    config = config_at(kept.place("light"))
    with monkeypatch.context() as before:
        before.setattr(schema, "STEPS", ())
        db = await postgres.connect(config)
        await schema.prepare(db, config.schema)
        await db.close()


async def test_a_store_whose_upgrade_is_not_finished_has_whole_rows_which_an_older_monitor_reads(
    kept: KeptSchemas, fallen: Fallen, exactly: Fallen, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older(kept, monkeypatch)
    store = await filled(kept.store("light"), fallen)
    seen = await store.alerts(EVERYTHING)
    await store.close()
    found = await kept.rows("light")
    assert (found["staged"], light_rows(found, "alerts"), light_rows(found, "history")) == ([], [], [])
    assert recorded(found) == await exact_rows(kept, exactly)
    monkeypatch.setattr(schema, "STEPS", ())
    await (back := kept.store("light")).open()
    assert await back.alerts(EVERYTHING) == seen
    await back.close()


async def test_a_head_stages_from_the_moment_on_at_which_the_upgrade_is_finished(
    kept: KeptSchemas, fallen: Fallen, exactly: Fallen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which a person does while it runs. No older monitor opens the store from then on."""
    await older(kept, monkeypatch)
    store = kept.store("light")
    await store.open()
    first, *others = changes(*fallen)
    *middle, last = others
    for change in (first, *middle):
        await store.commit(change)
    assert light_rows(await kept.rows("light"), "alerts") == []
    was = await schema.upgrade(config_at(kept.place("light")), finish=False)
    assert (was.grown, was.finished) == (schema.STAGING, schema.STAGING - 1)
    await schema.upgrade(config_at(kept.place("light")), finish=True)
    await store.commit(last)
    assert len(light_rows(await kept.rows("light"), "alerts")) > 30
    await rendered(store)
    await store.close()
    assert recorded(await kept.rows("light")) == await exact_rows(kept, exactly)
    monkeypatch.setattr(schema, "STEPS", ())
    with pytest.raises(StoreRefused, match="run the newer monitor"):
        await kept.store("light").open()


async def test_a_store_that_a_monitor_makes_itself_is_finished(kept: KeptSchemas) -> None:
    await (store := kept.store("new")).open()
    await store.close()
    found = await schema.upgrade(config_at(kept.place("new")), finish=False)
    assert found.finished == found.grown == found.known


async def test_a_head_that_has_lost_the_lease_works_nothing_out(
    kept: KeptSchemas, fallen: Fallen, exactly: Fallen
) -> None:
    """Its successor has the forms, and goes on where it has stopped."""
    heads: list[str] = ["first"]

    def fence_of(name: str) -> Any:
        async def fence(db: Any) -> None:
            if heads[-1] != name:
                raise Fenced("another head has the lease")

        return fence

    config = config_at(kept.place("light"))
    first = PostgresStore(config, fence=fence_of("first"))
    await filled(first, fallen)
    assert (await first.render(7)).done == 7
    seen = await first.alerts(EVERYTHING)
    heads.append("second")
    was = await kept.rows("light")
    with pytest.raises(Fenced):
        await first.render(7)
    assert await kept.rows("light") == was
    second = PostgresStore(config, fence=fence_of("second"))
    await second.open()
    assert any(each.rough_debt for each in await second.open_deliveries())
    assert await second.alerts(EVERYTHING) == seen
    assert await rendered(second) > 50
    assert await first.alerts(EVERYTHING) == await second.alerts(EVERYTHING) == seen
    for each in (first, second):
        await each.close()
    assert recorded(await kept.rows("light")) == await exact_rows(kept, exactly)


async def test_a_head_of_another_version_that_takes_over_works_all_out_behind_its_own_fence(
    kept: KeptSchemas, fallen: Fallen, exactly: Fallen, monkeypatch: pytest.MonkeyPatch
) -> None:
    fenced: list[str] = []

    async def fence(db: Any) -> None:
        fenced.append("asked")

    await (await filled(kept.store("light"), fallen)).close()
    monkeypatch.setattr(staged, "PROGRAM", "0.0.1")
    monkeypatch.setattr(staged, "AT_ONCE", 20)
    newer = PostgresStore(config_at(kept.place("light")), fence=fence)
    await newer.open()
    assert len(fenced) > 5
    assert [each.rough_debt for each in await newer.open_deliveries() if each.rough_debt is not None] == []
    await newer.close()
    found = await kept.rows("light")
    assert [found[name] for name in STAGED if name in found] == [[], [], []]
    assert recorded(found) == await exact_rows(kept, exactly)


@pytest.mark.parametrize("asked", ["alerts", "alert", "history"])
async def test_a_reader_sees_one_instant_though_the_form_is_dropped_meanwhile(
    asked: str, kept: KeptSchemas, fallen: Fallen, exactly: Fallen, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between its look at the bodies and that at their forms the background works out all that is left."""
    light, other = await filled(kept.store("light"), fallen), await filled(kept.store("whole"), exactly)
    opened, loop, left = staged._opened, asyncio.get_running_loop(), [True]

    async def late(db: Any, forms: Any, numbers: Any) -> Mapping[int, StagedGroups]:
        if numbers and left:
            left.clear()
            await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(rendered(light), loop))
        return await opened(db, forms, numbers)

    logged = next(each for each in await other.alerts(AlertFilter(limit=500, type="*triggered")))
    monkeypatch.setattr(staged, "_opened", late)
    if asked == "alerts":
        assert await light.alerts(EVERYTHING) == await other.alerts(EVERYTHING)
    elif asked == "alert":
        assert await light.alert(logged.alert.id) == logged
    else:
        wanted = HistoryFilter(logged.alert.subject)
        assert await light.history(wanted) == await other.history(wanted) != []
    assert left == [], "a form was opened"
    assert (await kept.rows("light"))["staged"] == []
    await light.close()
    await other.close()


async def test_a_backup_has_whole_rows(kept: KeptSchemas, fallen: Fallen, exactly: Fallen, tmp_path: Path) -> None:
    """The very same file, whether the background has come to them or not; the store stays as it is."""
    light, other = await filled(kept.store("light"), fallen), await filled(kept.store("whole"), exactly)
    await light.render(7)
    was = await kept.rows("light")
    for store, name in ((light, "light"), (other, "whole")):
        await store.backup(tmp_path / f"{name}.db")
    assert await kept.rows("light") == was
    files = KeptFiles(tmp_path)
    ours, theirs = await files.rows("light"), await files.rows("whole")
    assert ours == theirs
    assert len(ours["alerts"]) > 60
    assert (light_rows(ours, "alerts"), light_rows(ours, "history"), ours["staged"]) == ([], [], [])
    copy = sqlite.build(sqlite.Config(files.place("light")))
    await copy.open()
    assert await copy.alerts(EVERYTHING) == await light.alerts(EVERYTHING)
    for each in (light, other, copy):
        await each.close()


async def test_a_backup_of_a_store_that_no_newer_monitor_has_opened(
    kept: KeptSchemas, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await older(kept, monkeypatch)
    await asyncio.to_thread(postgres.copy, config_at(kept.place("light")), tmp_path / "copy.db")
    assert (tmp_path / "copy.db").is_file()


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with closing(Proxy(shared_server().port)) as made:
        yield made


@pytest.mark.parametrize("cut", CUTS)
async def test_a_storm_and_its_background_are_in_exactly_once_though_each_answer_is_lost(
    cut: str, proxy: Proxy, kept: KeptSchemas, fallen: Fallen, exactly: Fallen
) -> None:
    schema_name = config_at(kept.place("light")).schema
    store = PostgresStore(config_by(proxy.port, schema_name))
    await store.open()
    for change in changes(*fallen):
        proxy.cut = cut
        told = await committed(store, change)
        assert len(told.alerts) == len(change.alerts), "nobody would hear of it"
    assert light_rows(await kept.rows("light"), "alerts")
    for _ in range(3):
        proxy.cut = cut
        try:
            assert (await store.render(7)).done
        except StoreUnavailable:
            continue
    assert proxy.cuts > 5
    await rendered(store)
    await store.close()
    assert recorded(await kept.rows("light")) == await exact_rows(kept, exactly)


async def test_many_small_forms_are_worked_out_together(kept: KeptSchemas, fallen: Fallen) -> None:
    """Ticks that come one after the other leave a form each; a transaction of the background takes several."""
    store = kept.store("light")
    await store.open()
    plain = [a for out in fallen[1] for a in out.alerts if isinstance(a, LightAlert)]
    for n, alert in enumerate(plain[:20]):
        await store.commit(Change(alert.at, alerts=((msgspec.structs.replace(alert, place=alert.place), ()),)))
        assert len((await kept.rows("light"))["staged"]) == n + 1
    steps = 0
    while (await store.render(64)).done:
        steps += 1
    assert steps <= 3
    assert [each.alert for each in await store.alerts(EVERYTHING)] == plain[:20]
    await store.close()
