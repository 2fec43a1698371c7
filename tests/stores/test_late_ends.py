"""Ends of a storm's attempts are durable at once, and whoever looks at deliveries sees them."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import sqlite3
from datetime import timedelta

import pytest

from monitor.stores import sqlite as stores
from monitor.stores._base import Attempt, Change, Delivery, DeliveryFilter
from monitor.stores.sqlite import SqliteStore, late_ends
from tests.stores.examples import AT, DESK, alert

LATER = AT + timedelta(seconds=1)
COUNT = late_ends.FEWEST


async def tried(store: SqliteStore, count: int = COUNT) -> list[Delivery]:
    """Deliveries of as many groups, each with an attempt that was counted."""
    opened = tuple((alert(subject=f"G-{n}"), (DESK,)) for n in range(count))
    found = (await store.commit(Change(AT, alerts=opened))).deliveries
    await store.start_attempts([d.id for d in found], AT)
    return list(found)


def ended(some: list[Delivery], state: str = "delivered", detail: str = "HTTP 204") -> list[Attempt]:
    return [Attempt(d.id, LATER, state, detail, LATER, 3.0) for d in some]  # type: ignore[arg-type]


def in_the_file(store: SqliteStore) -> list[str]:
    """The states of deliveries as another reader of the file finds them."""
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        return [state for (state,) in db.execute("SELECT state FROM deliveries ORDER BY cursor")]


async def seen(store: SqliteStore) -> list[str]:
    return [d.state for d in await store.deliveries(DeliveryFilter(limit=1000))]


async def test_a_block_of_ends_waits_in_the_record_and_whoever_looks_sees_it(store: SqliteStore) -> None:
    some = await tried(store)
    await store.end_attempts(ended(some))
    assert in_the_file(store) == ["pending"] * COUNT
    assert [a.detail for a in await store.attempts(some[0].id)] == ["HTTP 204"]
    assert await seen(store) == ["delivered"] * COUNT
    assert in_the_file(store) == ["delivered"] * COUNT
    one = await store.delivery(some[-1].id)
    assert one is not None
    assert (one.detail, one.due_at, one.attempts) == ("HTTP 204", LATER, 1)


def killed(store: SqliteStore) -> stores.Config:
    """The store as a kill would leave it now."""
    for suffix in ("", "-wal"):
        shutil.copyfile(f"{store.path}{suffix}", f"{store.path}.copy{suffix}")
    return stores.Config(path=f"{store.path}.copy")


async def test_what_moves_to_another_store_after_a_kill_has_all_of_them(store: SqliteStore) -> None:
    await store.end_attempts(ended(await tried(store)))
    with stores.opened_alone(killed(store)) as db:
        assert db.execute("SELECT DISTINCT state FROM deliveries").fetchall() == [("delivered",)]


async def test_a_kill_loses_none_of_them(store: SqliteStore) -> None:
    await store.end_attempts(ended(await tried(store)))
    again = stores.build(killed(store))
    await again.open()
    assert await again.open_deliveries() == []
    assert in_the_file(again) == ["delivered"] * COUNT
    await again.close()


async def test_a_close_puts_them_into_their_deliveries(store: SqliteStore) -> None:
    await store.end_attempts(ended(await tried(store)))
    await store.close()
    assert in_the_file(store) == ["delivered"] * COUNT
    await store.open()


async def test_they_are_in_their_deliveries_soon_though_nobody_looks(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_ends, "SOON_S", 0.01)
    await store.end_attempts(ended(await tried(store)))
    async with asyncio.timeout(10):
        while in_the_file(store) != ["delivered"] * COUNT:  # noqa: ASYNC110  it looks into a file
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("state", ["pending", "failed"])
async def test_what_failed_is_in_its_delivery_at_once_and_so_is_all_that_waited(store: SqliteStore, state: str) -> None:
    some = await tried(store, 2 * COUNT)
    await store.end_attempts(ended(some[:COUNT]))
    await store.end_attempts(ended(some[COUNT:], state, "HTTP 500"))
    with contextlib.closing(sqlite3.connect(store.path)) as db:
        assert db.execute("SELECT count(*) FROM deliveries WHERE detail = 'HTTP 500'").fetchone() == (COUNT,)
    assert in_the_file(store) == [*["delivered"] * COUNT, *[state] * COUNT]


async def test_what_is_superseded_is_only_what_still_waits(store: SqliteStore) -> None:
    some = await tried(store, COUNT + 1)
    await store.end_attempts(ended(some[:COUNT]))
    worse = tuple((alert(subject=f"G-{n}", sequence=2), ()) for n in range(COUNT + 1))
    committed = await store.commit(Change(LATER, alerts=worse))
    assert committed.cancelled == (some[-1].id,)


async def test_one_that_is_asked_for_again_stays_pending_until_its_next_end(store: SqliteStore) -> None:
    some = await tried(store)
    asked_at = LATER + timedelta(seconds=1)
    assert await store.retry(some[0].id, asked_at) is not None
    await store.end_attempts(ended(some))
    assert await seen(store) == ["pending", *["delivered"] * (COUNT - 1)]
    assert await store.start_attempts([some[0].id], asked_at) == [some[0].id]
    await store.end_attempts([Attempt(some[0].id, asked_at, "delivered", "HTTP 200", asked_at, 3.0)])
    assert in_the_file(store)[0] == "delivered"


async def test_more_than_may_wait_are_put_into_their_deliveries_with_the_next(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(late_ends, "MOST", 2 * COUNT)
    some = await tried(store, 3 * COUNT)
    for start in range(0, 3 * COUNT, COUNT):
        await store.end_attempts(ended(some[start : start + COUNT]))
    assert in_the_file(store) == [*["delivered"] * 2 * COUNT, *["pending"] * COUNT]


def test_rows_in_a_row_are_one_range() -> None:
    assert late_ends._runs([(1, 3), (4, 4), (6, 9), (10, 12)]) == [(1, 4), (6, 12)]
