"""Two heads on a real PostgreSQL: who has the lease, who takes it, and what a head that was replaced can still do."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from collections.abc import AsyncIterator, Awaitable
from contextlib import AsyncExitStack, suppress
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
import pytest
from aiohttp import web

from monitor.clock import SystemClock
from monitor.lease.fenced import Fenced
from monitor.lease.keeper import Keeper, Settings
from monitor.lease.peer import PATH, Peer
from monitor.lease.rows import LOST, HeadName
from tests.effort import IS_LONG, more_in_a_soak
from tests.faults.house import ROOT, until
from tests.lease.frozen_head import CODE_FENCED
from tests.lease.proxy import Door
from tests.lease.world import SLACK_S, TTL_S, connected, made_database
from tests.postgres_server import PostgresServer, shared_server

CLOCK = SystemClock()
T = TypeVar("T")


@pytest.fixture
async def url() -> str:
    return await made_database(shared_server())


class Heads:
    """Heads of one test. Leaving the block ends them."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._left = AsyncExitStack()

    async def __aenter__(self) -> Heads:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._left.aclose()

    def head(self, name: str, peer: Peer | None = None, door: Door | None = None, clock: Any = CLOCK) -> Keeper:
        port = None if door is None else door.port
        return Keeper(connected(self.url, port), Settings(HeadName(name, name, "1"), TTL_S, peer), clock)

    def begin(self, work: Any) -> asyncio.Task[None]:
        task = asyncio.ensure_future(work)
        self._left.push_async_callback(ended, task)
        return task

    async def active(self, name: str, **more: Any) -> tuple[Keeper, asyncio.Task[None]]:
        keeper = self.head(name, **more)
        await within(TTL_S + SLACK_S, keeper.wait())
        return keeper, self.begin(keeper.hold())

    async def door(self) -> Door:
        return await self._left.enter_async_context(Door(int(self.url.rpartition(":")[2].partition("/")[0])))

    async def answering(self, answer: Any) -> Peer:
        """A peer that answers what `answer` returns, as the API of a head does."""

        async def headz(_: web.Request) -> web.Response:
            return web.Response(body=msgspec.json.encode(answer()))

        app = web.Application()
        app.router.add_get(PATH, headz)
        runner = web.AppRunner(app, access_log=None)
        await runner.setup()
        self._left.push_async_callback(runner.cleanup)
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return Peer(f"http://127.0.0.1:{runner.addresses[0][1]}")


async def within(limit_s: float, work: Awaitable[T]) -> T:
    async with asyncio.timeout(limit_s):
        return await work


async def ended(task: asyncio.Task[None]) -> None:
    task.cancel()
    with suppress(asyncio.CancelledError, BaseExceptionGroup):
        await task


@pytest.fixture
async def heads(url: str) -> AsyncIterator[Heads]:
    async with Heads(url) as made:
        yield made


async def test_the_second_head_waits_while_the_first_one_beats(heads: Heads):
    first, _ = await heads.active("one")
    second = heads.head("two")
    waiting = heads.begin(second.wait())
    await asyncio.sleep(3 * TTL_S)
    assert not waiting.done()
    assert first.may_send()
    assert second.state.role == "standby"
    assert second.state.holder == "one"
    assert second.answer().reaches_database


async def test_who_dies_is_replaced_within_the_lease(heads: Heads):
    first, holding = await heads.active("one")
    second = heads.head("two")
    waiting = heads.begin(second.wait())
    await asyncio.sleep(TTL_S / 2)
    await ended(holding)
    await within(TTL_S + SLACK_S, waiting)
    assert second.epoch == first.epoch + 1


async def test_a_lease_that_is_given_back_is_taken_at_once(heads: Heads):
    first, holding = await heads.active("one")
    second = heads.head("two")
    waiting = heads.begin(second.wait())
    await asyncio.sleep(TTL_S / 2)
    await ended(holding)
    given_s = CLOCK.monotonic_s()
    await first.release()
    await within(TTL_S + SLACK_S, waiting)
    assert CLOCK.monotonic_s() - given_s < TTL_S / 2
    assert not first.may_send()


async def test_a_head_that_stands_still_behind_the_fence_is_ended_and_commits_nothing(heads: Heads):
    first, holding = await heads.active("one")
    db = await connected(heads.url)({})
    transaction = db.transaction()
    await transaction.start()
    await first.fence(db)
    await db.execute("INSERT INTO said (epoch, number) VALUES ($1, 1)", first.epoch)
    second = heads.head("two")
    waiting = heads.begin(second.wait())
    await asyncio.sleep(TTL_S / 2)
    await ended(holding)
    await within(TTL_S + SLACK_S, waiting)
    with pytest.raises(LOST):
        await transaction.commit()
    again = await connected(heads.url)({})
    assert await again.fetchval("SELECT count(*) FROM said") == 0
    with pytest.raises(Fenced):
        async with again.transaction():
            await first.fence(again)
    assert not first.may_send()
    await again.close()


async def test_a_head_that_was_replaced_hears_of_it_by_its_next_beat(heads: Heads):
    door = await heads.door()
    first, holding = await heads.active("one", door=door, peer=Peer("http://127.0.0.1:9"))
    door.hush()
    await heads.active("two")
    door.mend()
    with pytest.raises(BaseExceptionGroup) as found:
        await within(TTL_S + SLACK_S, holding)
    assert found.group_contains(Fenced)
    assert not first.may_send()


async def test_a_head_that_alone_is_cut_off_is_silent_before_its_standby_decides(heads: Heads):
    door = await heads.door()
    second = heads.head("two")
    peer = await heads.answering(second.answer)
    first, _ = await heads.active("one", door=door, peer=peer)
    waiting = heads.begin(second.wait())
    await asyncio.sleep(TTL_S / 2)
    door.hush()
    while not waiting.done():
        may_send = first.may_send()
        await asyncio.sleep(0.002)
        assert not (may_send and waiting.done()), "both were about to send"
    assert not first.may_send()
    assert not first.has_last_word()
    assert first.state.peer_says == "reaches the database"


async def test_while_the_database_is_down_for_all_the_active_head_goes_on_by_the_word_of_its_peer(tmp_path: Any):
    server = PostgresServer()
    try:
        url = await made_database(server.start())
        async with Heads(url) as heads:
            second = heads.head("two")
            peer = await heads.answering(second.answer)
            first, holding = await heads.active("one", peer=peer)
            waiting = heads.begin(second.wait())
            await asyncio.sleep(TTL_S / 2)
            await asyncio.to_thread(server.stop)
            await until(lambda: first.state.basis == "peer", "the word of the peer", TTL_S + SLACK_S)
            await asyncio.sleep(2 * TTL_S)
            assert first.state.basis == "peer"
            assert not waiting.done()
            epoch = first.epoch
            await asyncio.to_thread(server.start)
            await until(lambda: first.state.basis == "lease", "its lease again", 3 * TTL_S + SLACK_S)
            await asyncio.sleep(2 * TTL_S)
            assert first.epoch == epoch
            assert not waiting.done(), "a head that never stopped was replaced"
            assert not holding.done()
    finally:
        # Beside the loop: the library cancels the question of a head that has ended by a connection of its own, to which
        # the server listens at its end.
        await asyncio.to_thread(server.remove)


async def test_where_peer_and_database_are_gone_there_is_one_last_word(heads: Heads):
    door = await heads.door()
    first, _ = await heads.active("one", door=door, peer=Peer("http://127.0.0.1:9"))
    assert not first.has_last_word()
    door.cut()
    await until(first.has_last_word, "the last word", TTL_S + SLACK_S)
    assert not first.may_send()
    door.mend()
    await until(first.may_send, "it may send", TTL_S + SLACK_S)


async def test_a_head_without_a_peer_goes_on(heads: Heads):
    door = await heads.door()
    first, _ = await heads.active("one", door=door)
    door.cut()
    await until(lambda: first.state.basis == "none", "its end", TTL_S + SLACK_S)
    assert first.may_send()


async def test_a_head_without_a_peer_that_stood_still_sends_nothing_until_it_has_asked(heads: Heads):
    first, holding = await heads.active("one")
    await ended(holding)  # as if the process stood still
    await asyncio.sleep(1.1 * TTL_S)
    assert not first.may_send()


async def test_a_head_says_what_its_database_is_and_that_nobody_would_take_over(heads: Heads):
    first, _ = await heads.active("one", peer=Peer("http://127.0.0.1:9"))
    assert first.state.database is not None
    assert first.state.database.version[:2].isdigit()
    assert first.state.database.fsync == "off", "the server of the tests does not wait for its disk"
    await until(lambda: first.state.peer_says == "does not answer", "the peer is asked", SLACK_S)
    assert first.may_send()
    assert len(first.state.worries) == 2


class SlowClock(SystemClock):
    """Behind all others."""

    def utc(self) -> datetime:
        return super().utc() - timedelta(seconds=0.4)


async def test_a_head_whose_clock_is_off_takes_no_lease(heads: Heads):
    slow = heads.head("slow", clock=SlowClock())
    waiting = heads.begin(slow.wait())
    await until(lambda: slow.state.worries, "the clock", SLACK_S)
    await asyncio.sleep(TTL_S)
    assert not waiting.done()
    await heads.active("two")


@more_in_a_soak
@pytest.mark.parametrize("rows", [0, 100_000] if IS_LONG else [0, 20_000])
async def test_a_head_that_is_stopped_for_twice_its_lease_is_replaced_and_says_nothing_more(url: str, rows: int):
    """SIGSTOP between fence and COMMIT, and in a large commit."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as wire:
        wire.bind(("127.0.0.1", 0))
        wire.setblocking(False)
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "tests.lease.frozen_head", url, "one", str(wire.getsockname()[1]), str(rows)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        wanted = b"large 2" if rows else b"fenced 3"
        async with asyncio.timeout(20):
            async for line in process.stdout:
                if line.startswith(wanted):
                    break
        await asyncio.sleep(0.02)
        process.send_signal(signal.SIGSTOP)
        async with Heads(url) as heads:
            stopped_s = CLOCK.monotonic_s()
            second, _ = await heads.active("two")
            assert CLOCK.monotonic_s() - stopped_s < TTL_S + SLACK_S
            db = await connected(url)({})
            async with db.transaction():
                await second.fence(db)
                await db.execute("INSERT INTO said (epoch, number) VALUES ($1, 0)", second.epoch)
            said_before = drained(wire)
            await asyncio.sleep(2 * TTL_S)
            process.send_signal(signal.SIGCONT)
            assert await within(10, process.wait()) in (CODE_FENCED, 1)
            rows_there = await db.fetch("SELECT epoch, number FROM said ORDER BY place")
            await db.close()
        epochs = [row["epoch"] for row in rows_there]
        assert epochs == sorted(epochs), "an older head committed after a newer one"
        assert (epochs.count(1) < rows) == bool(rows), "half of a large commit is there" if rows else epochs
        assert said_before
        assert drained(wire) == [], "a head that was replaced has sent"


def drained(wire: socket.socket) -> list[bytes]:
    found = []
    with suppress(BlockingIOError):
        while True:
            found.append(wire.recv(200))
    return found


async def test_a_new_epoch_is_beyond_that_of_a_daemon_without_a_lease(heads: Heads):
    db = await connected(heads.url)({})
    await db.execute("UPDATE fence SET epoch = 7")
    first, _ = await heads.active("one")
    assert first.epoch == 8
    await first.fence(db)
    await db.close()


async def test_a_store_that_is_fenced_on_its_own_thread_ends_the_head(heads: Heads):
    first, holding = await heads.active("one")
    url = heads.url

    async def fence() -> None:
        db = await connected(url)({})
        await db.execute("UPDATE fence SET epoch = epoch + 1")
        with pytest.raises(Fenced):
            await first.fence(db)
        await db.close()

    await asyncio.to_thread(asyncio.run, fence())
    assert not first.may_send()
    done, _ = await asyncio.wait({holding}, timeout=TTL_S)
    assert done
    assert isinstance(holding.exception(), BaseExceptionGroup)
