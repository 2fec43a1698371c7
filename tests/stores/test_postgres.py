"""The store in PostgreSQL, where its database is cut off: each alert is in exactly once, and none that was told is lost."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import uuid4

import asyncpg
import msgspec
import pytest

from monitor.stores import postgres, sqlite
from monitor.stores._base import (
    AlertFilter,
    Audit,
    Change,
    Committed,
    HistoryFilter,
    LtvPoint,
    StoreRefused,
    StoreUnavailable,
)
from monitor.stores.postgres import Config, PostgresStore, bulk
from tests.lease.proxy import Door
from tests.postgres_server import PostgresServer, shared_server
from tests.stores.examples import AT, DAY, DESK, TRIGGERED, alert, state, stored, told

CUTS = ("before", "in", "after")


class Proxy:
    """Passes bytes on to a server, and cuts the connection that sends the next COMMIT: in place of it, half way, or after it."""

    def __init__(self, port: int) -> None:
        self.cut: str | None = None
        self.cuts = 0
        self.is_away = False
        self._to = port
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._listening.close()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                if self.is_away:
                    client.close()
                    continue
                server = socket.create_connection(("127.0.0.1", self._to))
                for pair in ((client, server, True), (server, client, False)):
                    threading.Thread(target=self._pass, args=pair, daemon=True).start()

    def _pass(self, source: socket.socket, to: socket.socket, is_asking: bool) -> None:
        with suppress(OSError):
            while data := source.recv(1 << 16):
                if is_asking and self.cut is not None and b"COMMIT" in data:
                    cut, self.cut = self.cut, None
                    self.cuts += 1
                    if cut != "before":
                        # Nobody reads what is answered to it.
                        source.shutdown(socket.SHUT_RDWR)
                        to.sendall(data if cut == "after" else data[: len(data) // 2])
                        threading.Event().wait(0.1 if cut == "after" else 0)
                    break
                to.sendall(data)
        for end in (source, to):
            with suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy() -> Iterator[Proxy]:
    with closing(Proxy(shared_server().port)) as made:
        yield made


def config(port: int, schema: str | None = None) -> Config:
    return Config(
        url=f"postgresql://desk@127.0.0.1:{port}/postgres",
        schema=schema or f"s{uuid4().hex[:20]}",
        tls="off",
        timeout=timedelta(seconds=1),
    )


def change(number: int) -> Change:
    """An alert, and a record that would be there twice if it were written again."""
    one = alert(TRIGGERED, f"G-{number}")
    audit = Audit(AT, "ops", "put group", f"G-{number}", None, {"n": number})
    return Change(AT, (stored(f"G-{number}"),), alerts=((one, (DESK,)),), audits=(audit,))


async def committed(store: PostgresStore, wanted: Change) -> Committed:
    """As the daemon does: it tries the same again until the store takes it."""
    for _ in range(100):
        try:
            return await store.commit(wanted)
        except StoreUnavailable as e:
            if isinstance(e, StoreRefused):
                raise
            await asyncio.sleep(0.05)
    raise AssertionError("the store takes nothing")


async def whole(store: PostgresStore, count: int) -> None:
    """Everything is in once."""
    logged = await store.alerts(AlertFilter(limit=1000))
    assert [x.alert.subject for x in logged] == [f"G-{n}" for n in range(count)]
    assert [x.cursor for x in logged] == list(range(1, count + 1))
    assert [audit.subject for _, audit in await store.audits(0, 1000)] == [f"G-{n}" for n in range(count)]
    assert [d.subject for d in await store.open_deliveries()] == [f"G-{n}" for n in range(count)]


@pytest.mark.parametrize("cut", CUTS)
async def test_a_commit_whose_answer_is_lost_is_in_exactly_once(cut: str, proxy: Proxy) -> None:
    store = PostgresStore(config(proxy.port))
    await store.open()
    for number in range(4):
        proxy.cut = cut if number in (1, 2) else None
        told = await committed(store, change(number))
        assert [x.alert.subject for x in told.alerts] == [f"G-{number}"], "nobody would hear of it"
        assert [d.subject for d in told.deliveries] == [f"G-{number}"]
    assert proxy.cuts == 2
    await whole(store, 4)
    await store.close()


@pytest.mark.parametrize("cut", CUTS)
async def test_a_lost_answer_that_is_found_by_the_next_try_is_told_then(cut: str, proxy: Proxy) -> None:
    """The database is away for a while after the COMMIT: the daemon hears of it only when it tries again, with more."""
    store = PostgresStore(config(proxy.port))
    await store.open()
    await committed(store, change(0))
    proxy.cut, proxy.is_away = cut, True
    first, second = change(1), change(2)
    with pytest.raises(StoreUnavailable):
        await store.commit(first)
    proxy.is_away = False
    groups, alerts = (*first.groups, *second.groups), (*first.alerts, *second.alerts)
    told = await committed(store, Change(AT, groups, alerts=alerts, audits=(*first.audits, *second.audits)))
    assert [x.alert.subject for x in told.alerts] == ["G-1", "G-2"]
    await whole(store, 3)
    await store.close()


async def test_a_second_monitor_is_refused_and_one_that_was_replaced_writes_nothing(proxy: Proxy) -> None:
    wanted = config(shared_server().port)
    store, second = PostgresStore(wanted), PostgresStore(wanted)
    await store.open()
    with pytest.raises(StoreRefused, match="in use by another monitor"):
        await second.open()
    await committed(store, change(0))
    db = await postgres.connect(wanted)
    await db.execute("UPDATE fence SET epoch = epoch + 1")
    await db.close()
    with pytest.raises(StoreRefused, match="another monitor has written"):
        await store.commit(change(1))
    await store.close()
    await second.open()
    await whole(second, 1)
    await second.close()


async def test_no_commit_that_was_told_is_lost_when_the_database_is_killed() -> None:
    server = PostgresServer().start()
    try:
        store = PostgresStore(config(server.port))
        await store.open()
        for number in range(6):
            if number in (2, 4):
                server.stop_at_once()
                with pytest.raises(StoreUnavailable):
                    await store.commit(change(number))
                server.start()
            await committed(store, change(number))
        await whole(store, 6)
        await store.close()
    finally:
        server.remove()


async def test_a_commit_that_no_standby_has_is_not_told_until_one_has_it() -> None:
    """The wait for a standby has no limit of its own in PostgreSQL: the monitor ends it, and counts it as unanswered."""
    server = PostgresServer().start()
    try:
        store = PostgresStore(config(server.port))
        await store.open()
        await server_settings(server, "synchronous_standby_names = 'nobody'")
        wanted = change(0)
        with pytest.raises(StoreUnavailable):
            await store.commit(wanted)
        await server_settings(server, "synchronous_standby_names = ''")
        told = await committed(store, wanted)
        assert [x.alert.subject for x in told.alerts] == ["G-0"]
        await whole(store, 1)
        await store.close()
    finally:
        server.remove()


async def server_settings(server: PostgresServer, setting: str) -> None:
    db = await postgres.connect(config(server.port))
    await db.execute(f"ALTER SYSTEM SET {setting}")
    await db.execute("SELECT pg_reload_conf()")
    await db.close()
    await asyncio.sleep(0.3)


async def test_a_backup_has_every_row_and_goes_on_counting(tmp_path: Path) -> None:
    store = PostgresStore(config(shared_server().port))
    await store.open()
    point = LtvPoint("G-0", 60, AT.replace(microsecond=0), *(Decimal("0.5"),) * 3, 0, {"desk": "east"})
    await store.commit(change(0))
    await store.commit(msgspec.structs.replace(change(1), history=(told(),)))
    await store.keep_points([point])
    key = await store.key("seal")
    await store.prune(AT + DAY)
    await asyncio.to_thread(postgres.copy, store.config, tmp_path / "copy.db")
    copy = sqlite.build(sqlite.Config(str(tmp_path / "copy.db")))
    assert await copy.open() == await store.open()
    assert await copy.points("G-0", 60, AT - DAY, AT + DAY) == [point]
    assert await copy.key("seal") == key
    assert await copy.audit_head() == await store.audit_head()
    for each in (store, copy):
        await each.commit(msgspec.structs.replace(change(2), history=(told(at=AT + 2 * DAY),)))
    assert await copy.alerts(AlertFilter()) == await store.alerts(AlertFilter())
    assert await copy.audits(0, 10) == await store.audits(0, 10)
    assert await copy.history(HistoryFilter("G-1")) == await store.history(HistoryFilter("G-1")) != []
    await copy.close()
    await store.close()


async def test_the_doctor_looks_at_the_database() -> None:
    seen, unsafe = await asyncio.to_thread(postgres.condition, config(shared_server().port))
    assert "no tables yet" in seen
    assert ["fsync is off" in text for text in unsafe] == [True], "the server of the tests does not wait for its disk"
    with pytest.raises(StoreUnavailable):
        await asyncio.to_thread(postgres.condition, config(1))


async def test_a_database_that_says_nothing_more_is_waited_for_once() -> None:
    """Who does not answer a question will not answer a ROLLBACK either, and alerts wait meanwhile."""
    async with Door(shared_server().port) as door:
        settings = config(door.port)
        store = PostgresStore(settings)
        await store.open()
        await committed(store, change(0))
        door.hush()
        began_s = asyncio.get_running_loop().time()
        with pytest.raises(StoreUnavailable):
            await store.commit(change(1))
        # The library waits a second longer than the server would.
        assert asyncio.get_running_loop().time() - began_s < 1.5 * (settings.timeout.total_seconds() + 1)
        door.mend()
        await committed(store, change(1))
        await whole(store, 2)
        await store.close()


async def test_a_reading_that_breaks_leaves_no_transaction_open_in_which_the_next_would_see_the_past() -> None:
    async def breaks(db: Any) -> None:
        assert await db.fetchval("SELECT count(*) FROM alerts") == 0
        raise TimeoutError

    store = PostgresStore(config(shared_server().port))
    await store.open()
    with pytest.raises(StoreUnavailable):
        await store._read_at_once(breaks)
    await committed(store, change(0))
    await whole(store, 1)
    await store.close()


async def test_a_connection_that_its_library_has_lost_track_of_is_made_again() -> None:
    """On a busy machine an answer may come after its limit, and the library raises what is no error of the database."""

    async def strays(db: Any) -> None:
        raise asyncpg.InternalClientError("cannot switch to state 12; another operation (2) is in progress")

    store = PostgresStore(Config(shared_server().url, schema=f"s{uuid4().hex[:20]}", tls="off"))
    await store.open()
    with pytest.raises(StoreUnavailable, match="cannot switch"):
        await store._write(strays)
    await store.probe()
    await store.close()


async def test_a_storm_is_one_commit_and_no_statement_of_it_is_long(
    proxy: Proxy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit of a statement would end one that took a hundred thousand alerts at once, again and again."""
    monkeypatch.setattr(bulk, "AT_ONCE", 7)
    longest = 0
    run = asyncpg.Connection.execute

    async def execute(db: Any, sql: str, *args: Any, **more: Any) -> str:
        nonlocal longest
        longest = max(longest, *(len(arg) for arg in args if isinstance(arg, list)), 0)
        return str(await run(db, sql, *args, **more))

    monkeypatch.setattr(asyncpg.Connection, "execute", execute)
    store = postgres.build(config(proxy.port))
    await store.open()
    ids = [f"G-{n}" for n in range(20)]
    news = tuple((alert(TRIGGERED, id_), (DESK,)) for id_ in ids)
    puts, states = tuple(map(stored, ids)), tuple(map(state, ids))
    committed = await store.commit(Change(AT, puts, states=states, alerts=news, history=tuple(map(told, ids))))
    assert [each.cursor for each in committed.alerts] == list(range(1, 21))
    assert len(committed.deliveries) == 20
    assert longest == 7
    assert [each.alert for each in await store.alerts(AlertFilter(limit=50))] == [one for one, _ in news]
    await store.close()
    again = postgres.build(config(proxy.port, store.config.schema))
    kept = await again.open()
    assert sorted(each.group for each in kept.states) == sorted(ids)
    assert sorted(each.group.id for each in kept.groups) == sorted(ids)
    assert all([await again.history(HistoryFilter(group=id_)) for id_ in ids])
    await again.close()
