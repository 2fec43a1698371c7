"""A book in a real PostgreSQL: whole readings, late commits, entries out of order, kills and cut connections."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import asyncpg
import msgspec
import pytest

from monitor.books import sql
from monitor.books._ids import SeenIds
from monitor.core.schema import Invalid, read
from tests.books.sources import RunningBook
from tests.books.test_file import stated
from tests.postgres_server import PostgresServer, shared_server

FAST = timedelta(milliseconds=100)
TABLES = """
    DROP TABLE IF EXISTS loans, entries;
    CREATE TABLE loans (id text PRIMARY KEY, line jsonb, updated_at timestamptz DEFAULT now());
    CREATE TABLE entries (id bigserial PRIMARY KEY, group_id text, entry_id text, type text DEFAULT 'deposit',
                          account text DEFAULT 'acct-G-1', asset text DEFAULT 'BTC', quantity numeric DEFAULT 1);
"""
SNAPSHOT = "SELECT id, line FROM loans ORDER BY random()"
CHANGES = "SELECT id, line, updated_at FROM loans WHERE updated_at > $1"
ENTRIES = "SELECT * FROM entries WHERE id > $1 ORDER BY id"


@pytest.fixture
def server() -> PostgresServer:
    return shared_server()


@pytest.fixture
async def peer(server: PostgresServer) -> AsyncIterator[asyncpg.Connection]:
    for _ in range(100):
        try:
            peer = await asyncpg.connect(server.url, ssl=False)
            break
        except (OSError, asyncpg.PostgresError):
            await asyncio.sleep(0.05)
    await peer.execute(TABLES)
    yield peer
    await peer.close()


@pytest.fixture
async def book(server: PostgresServer, peer: asyncpg.Connection) -> AsyncIterator[RunningBook]:
    config = sql.Config(server.url, snapshot=SNAPSHOT, every=FAST, tls="off", overlap=timedelta(milliseconds=300))
    book = RunningBook(sql, config)
    yield book
    await book.stop()


def of(book: RunningBook, **more: Any) -> None:
    book.config = msgspec.structs.replace(book.config, **more)


async def put(peer: asyncpg.Connection, id: str = "G-1", btc: str = "12.5") -> None:
    line = msgspec.json.encode(stated(id, btc)).decode()
    await peer.execute(
        "INSERT INTO loans (id, line) VALUES ($1, $2)"
        " ON CONFLICT (id) DO UPDATE SET line = $2, updated_at = clock_timestamp()", id, line
    )  # fmt: skip


async def enter(peer: asyncpg.Connection, entry_id: str) -> None:
    await peer.execute("INSERT INTO entries (group_id, entry_id) VALUES ('G-1', $1)", entry_id)


async def test_a_snapshot_puts_what_is_new_and_closes_what_is_gone(peer: asyncpg.Connection, book: RunningBook) -> None:
    for n in range(1, 6):
        await put(peer, f"G-{n}")
    book.start()
    await book.until(lambda: len(book.groups) == 5)
    await put(peer, "G-2", "13")
    await peer.execute("DELETE FROM loans WHERE id = 'G-1'")
    await book.until(lambda: "G-1" not in book.groups and book.groups["G-2"] == "13")
    await book.rounds()
    assert len(book.events) - len(book.seen) == 7  # five puts, a change and a closing, though the order changes


async def test_columns_are_mapped_to_a_line_and_a_bad_row_is_named(peer: asyncpg.Connection, book: RunningBook) -> None:
    await put(peer, "G-1")
    await put(peer, "G-2")
    query = """
        SELECT id, 'acct-' || id AS account, CASE id WHEN 'G-2' THEN '[1,' ELSE line->>'loans' END AS loans, 12.5::numeric AS btc,
               CASE id WHEN 'G-1' THEN 'ACME' END AS client, id = 'G-1' AS enrolled FROM loans
    """
    columns = {"id": "id", "receiving_account": "account", "loans": "loans", "labels.borrower": "client"}
    columns |= {"delayed_liquidation": "enrolled", "collateral.acct-G-1.BTC": "btc"}
    of(book, snapshot=query, columns=columns, constants={"product": "vip_loan"})
    book.start()
    await book.rounds(1)
    assert book.groups == {"G-1": "12.5"}
    assert list(book.notices) == ["desk: row G-2"]
    assert book.notices["desk: row G-2"].startswith("loans: the column is not JSON")


async def test_an_empty_table_is_doubted(peer: asyncpg.Connection, book: RunningBook) -> None:
    await put(peer)
    book.start()
    await book.until(lambda: book.groups)
    await peer.execute("TRUNCATE loans")
    await book.until(lambda: not book.groups)
    assert any(getattr(e, "facts", {}).get("reason") == "shrunk" for e in book.events)


async def test_a_row_that_commits_late_is_found_by_the_overlap(
    server: PostgresServer, peer: asyncpg.Connection, book: RunningBook
) -> None:
    of(book, changes=CHANGES, snapshot_every=timedelta(minutes=5))
    await put(peer, "G-1")
    other = await asyncpg.connect(server.url, ssl=False)
    late = other.transaction()
    await late.start()
    await put(other, "G-2")  # dated now, and committed last
    book.start()
    await book.rounds(1)
    await put(peer, "G-3")
    await book.until(lambda: "G-3" in book.groups)
    assert "G-2" not in book.groups
    await late.commit()
    await book.until(lambda: "G-2" in book.groups)
    await book.rounds()
    assert sum(type(e).__name__ == "GroupPut" for e in book.events) == 3
    await other.close()


async def test_entries_are_followed_in_order_through_kills_and_none_twice(
    peer: asyncpg.Connection, book: RunningBook
) -> None:
    of(book, snapshot=None, entries=ENTRIES)
    book.start()
    for n in range(1, 31):
        await enter(peer, f"e-{n}")
        if n % 10 == 0:
            await book.until(lambda n=n: len(book.entries) == n)
            await book.restart()
        if n % 10 == 5:  # what is read now is never committed
            book.is_cut = True
            await asyncio.sleep(0.15)
            await book.restart()
    await book.until(lambda: len(book.entries) >= 30)
    await book.rounds(6)
    assert book.entries == [f"e-{n}" for n in range(1, 31)]
    position = msgspec.json.decode(book.seen[-1].position)
    assert position["floor"] + sum(high - low + 1 for low, high in position["seen"]) == 30
    assert position["floor"] > 0


async def test_an_entry_whose_id_is_older_but_commits_last_is_not_skipped(
    server: PostgresServer, peer: asyncpg.Connection, book: RunningBook
) -> None:
    of(book, snapshot=None, entries=ENTRIES)
    other = await asyncpg.connect(server.url, ssl=False)
    late = other.transaction()
    await late.start()
    await enter(other, "late")
    await enter(peer, "early")
    book.start()
    await book.until(lambda: book.entries == ["early"])
    await asyncio.sleep(0.5)  # longer than the overlap: what protects it is that its transaction is under way
    await book.restart()
    await asyncio.sleep(0.5)
    await enter(peer, "next")
    await book.until(lambda: len(book.entries) == 2)
    await late.commit()
    await book.until(lambda: book.entries == ["early", "next", "late"])
    await other.close()


async def test_a_cut_connection_in_the_middle_loses_and_closes_nothing(
    peer: asyncpg.Connection, book: RunningBook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql, "_ROWS_AT_ONCE", 2)
    for n in range(1, 9):
        await put(peer, f"G-{n}")
    book.start()
    await book.until(lambda: len(book.groups) == 8)
    # A snapshot that breaks off behind its fourth row, until there is no such row any more.
    await put(peer, "G-99")
    broken = "CASE WHEN id = 'G-5' THEN 1 / (SELECT count(*) - 9 FROM loans) END"
    of(book, snapshot=f"SELECT id, line, {broken} FROM (SELECT * FROM loans ORDER BY id) AS ordered")
    await book.restart()
    await book.until(lambda: "division by zero" in book.notices.get("desk: source", ""))
    assert len(book.groups) == 8
    await peer.execute("DELETE FROM loans WHERE id = 'G-99'")
    await book.until(lambda: not book.notices)
    await book.rounds(1)
    reasons = {e.facts["reason"] for e in book.events if hasattr(e, "facts") and e.facts}
    assert reasons == {"unreadable"}  # the rows of the reading that broke off are not there twice
    of(book, snapshot=SNAPSHOT)
    await book.restart()
    await book.rounds(1)
    for _ in range(3):
        await peer.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'monitor'")
        await asyncio.sleep(0.05)
    await put(peer, "G-9")
    await book.until(lambda: len(book.groups) == 9)
    assert not [e for e in book.events if type(e).__name__ == "GroupClosed"]


async def test_nothing_is_written_and_nothing_runs_for_long(peer: asyncpg.Connection, book: RunningBook) -> None:
    of(book, snapshot="WITH x AS (DELETE FROM loans RETURNING id, line) SELECT * FROM x")
    await put(peer)
    book.start()
    await book.until(lambda: "desk: source" in book.notices)
    assert await peer.fetchval("SELECT count(*) FROM loans") == 1
    of(book, snapshot="SELECT pg_sleep(60)", timeout=timedelta(milliseconds=200))
    await book.restart()
    await book.until(lambda: "statement timeout" in book.notices.get("desk: source", ""))


async def test_a_server_without_tls_is_refused_unless_that_is_allowed(
    peer: asyncpg.Connection, book: RunningBook
) -> None:
    of(book, tls="verify-full")
    book.start()
    await book.until(lambda: "SSL" in book.notices.get("desk: source", ""))


@pytest.mark.parametrize(
    "stated",
    [
        {"url": "postgresql://u:secret@h/d", "snapshot": "SELECT 1"},
        {"url": "postgresql://u@h/d?password=secret", "snapshot": "SELECT 1"},
        {"url": "mysql://u@h/d", "snapshot": "SELECT 1"},
        {"url": "postgresql://u@h/d"},
        {"url": "postgresql://u@h/d", "snapshot": "SELECT 1", "entries": "SELECT 1 WHERE 1 > $1"},
        {"url": "postgresql://u@h/d", "changes": "SELECT 1 WHERE now() > $1", "entries": "SELECT 1 WHERE 1 > $1"},
        {"url": "postgresql://u@h/d", "entries": "SELECT id FROM entries"},
    ],
)
def test_what_cannot_be_read_is_refused_and_no_secret_is_shown(stated: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as refused:
        read(sql.Config, stated)
    assert "secret" not in str(refused.value)


def test_ids_are_the_same_as_a_set_of_numbers() -> None:
    chance = random.Random(7)
    for _ in range(50):
        ids, plain = SeenIds(), set[int]()
        for _ in range(60):
            id = chance.randrange(40)
            ids.add(id)
            plain.add(id)
            if chance.random() < 0.05:
                ids.forget(id)
                plain = {n for n in plain if n > id}
            assert {n for n in range(40) if n in ids} == plain
            assert {n for low, high in ids.ranges() for n in range(low, high + 1)} == plain
            assert SeenIds(ids.ranges()).ranges() == ids.ranges()
