"""Wakes the reader of a file when something in the file's folder changes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
from watchfiles import awatch

from monitor.telemetry import log


class Waits(msgspec.Struct, frozen=True):
    """How long the reader of a file waits."""

    settle_s: float = 1.0
    """Between two readings of a file that changes: editors and `cp` have finished writing by then."""
    poll_s: float = 3.0
    """Between two looks at a file at rest, as a watch misses network file systems, links and new folders."""
    close_after_s: float = 5.0
    """A book must have been at rest for this long before the groups that it lacks are closed."""


@asynccontextmanager
async def watching(path: Path, wake: asyncio.Event, again_s: float) -> AsyncIterator[None]:
    """Sets `wake` on any change in the folder of a file: a program that replaces the file by a rename makes another file.

    Where the system refuses a watch, it asks again after `again_s`.
    """
    watch = asyncio.create_task(_watch(path, wake, again_s))
    try:
        yield
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def pause(wake: asyncio.Event, at_most_s: float) -> None:
    """Waits until `wake` is set, but no longer than `at_most_s`, and clears it."""
    try:
        async with asyncio.timeout(at_most_s):
            await wake.wait()
    except TimeoutError:
        pass
    wake.clear()


async def _watch(path: Path, wake: asyncio.Event, again_s: float) -> None:
    is_logged = False
    while True:
        try:
            async for _ in awatch(path.parent, watch_filter=None, recursive=False, step=100):
                wake.set()
        except (OSError, RuntimeError) as e:  # watchfiles raises its own RuntimeError where the kernel refuses
            if not is_logged:
                log.warning("cannot watch the folder of a file, so it is polled", path=str(path), reason=str(e))
            is_logged = True
        await asyncio.sleep(again_s)
