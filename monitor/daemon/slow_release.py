"""Frees what a storm leaves behind some at a time: ten thousand alerts at once hold the event loop for 50 ms."""

from __future__ import annotations

import asyncio

PIECE = 250
"""Alerts with their figures that are freed together: a millisecond or two."""
PAUSE_S = 0.002
"""The loop does as much for others in between."""


def free_slowly(kept: list[object]) -> None:
    """Frees objects in later turns of the loop. The list is the last to hold them, and the caller lets go of it."""
    del kept[-PIECE:]
    if kept:
        asyncio.get_running_loop().call_later(PAUSE_S, free_slowly, kept)
