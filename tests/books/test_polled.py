"""The rounds of a polled book: what is told of failures, and that they end when they are asked to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from datetime import timedelta

from monitor.books._base import KeptBook
from monitor.books._polled import Rounds, Unreadable
from monitor.clock import SystemClock
from monitor.core.events.events import Event, Noticed

FAST = timedelta(milliseconds=10)


def rounds(*refused: str) -> Rounds:
    return Rounds("desk", SystemClock(), FAST, KeptBook(refused=refused))


async def test_rounds_end_though_a_library_loses_the_request_to_end() -> None:
    begun = asyncio.Event()

    async def deaf() -> AsyncGenerator[list[Event], None]:
        begun.set()
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            raise Unreadable("connection lost") from None
        yield []

    async def run() -> None:
        async for _ in rounds().run(deaf):
            pass

    task = asyncio.create_task(run())
    await begun.wait()
    task.cancel()
    done, _ = await asyncio.wait([task], timeout=5)
    assert done
    assert task.cancelled()


async def test_one_failure_is_not_told_two_are_and_so_is_the_end() -> None:
    failures = iter([True, False, True, True, True, False])

    async def round_() -> AsyncGenerator[list[Event], None]:
        if next(failures):
            raise Unreadable("HTTP 503")
        yield []

    told: list[Event] = []
    async for batch in rounds().run(round_):
        told += batch
        if told[-1].clears:  # type: ignore[union-attr]
            break
    assert [isinstance(e, Noticed) and (e.subject, e.clears) for e in told] == [
        ("desk: source", False),
        ("desk: source", False),  # the same again, which core knows by its fingerprint
        ("desk: source", True),
    ]


async def test_what_was_told_before_a_restart_ends_with_the_first_good_round() -> None:
    async def round_() -> AsyncGenerator[list[Event], None]:
        yield []

    async for (notice,) in rounds("desk: source").run(round_):
        assert isinstance(notice, Noticed)
        assert notice.clears
        break
