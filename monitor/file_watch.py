"""Wakes whoever reads a file when something in its folder changes."""

from __future__ import annotations

import asyncio
from pathlib import Path

from watchfiles import awatch

from monitor.telemetry import log

SETTLE_S = 1.0
"""Editors and `cp` are done by then."""
POLL_S = 3.0
"""Finds what the watch of the operating system misses: network file systems, links, a new folder."""


async def watch(path: Path, wake: asyncio.Event, again_s: float) -> None:
    """Sets `wake` on any change in the folder of a file, as one that is replaced by a rename is another file. Never ends;
    where the system refuses it tries again after `again_s`, so whoever waits must look by himself meanwhile."""
    is_said = False
    while True:
        try:
            async for _ in awatch(path.parent, watch_filter=None, recursive=False, step=100):
                wake.set()
        except (OSError, RuntimeError) as e:  # watchfiles raises its own RuntimeError where the kernel refuses
            if not is_said:
                log.warning("cannot watch the folder of a file, so it is polled", path=str(path), reason=str(e))
            is_said = True
        await asyncio.sleep(again_s)
