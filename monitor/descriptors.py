"""Descriptors of this process: how many there are, and how they are shared between strangers and the monitor's own work."""

from __future__ import annotations

import contextlib
import resource

MOST = 65_536
"""More are never needed, and some systems copy as many entries for each process that is started."""


def raise_limit() -> int:
    """Raises the soft limit as far as the system allows. Returns it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST if hard == resource.RLIM_INFINITY else min(hard, MOST)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with contextlib.suppress(OSError, ValueError):  # a system that does not let us: then the old one counts
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
    return limit()


def limit() -> int:
    """How many this process may open."""
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MOST if soft == resource.RLIM_INFINITY else soft


def for_connections(wanted: int) -> int:
    """How many of the wanted connections to the API there can be: the other half is for feeds, channels and files."""
    return max(1, min(wanted, limit() // 2))
