"""Tells a head that its machine starves from one that is wrong. A head that does not run for seconds rightly loses its lease.

The kernel counts how long each thread was ready to run and did not get a processor. Only where that is a good part of a lease
may a trial that failed be played again, and then with a longer lease: all its limits are so many leases, so it proves the same.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Self

TTLS_S = (2.0, 4.0, 8.0)
"""The usual lease, and longer ones for a machine that is too busy for it."""
SHARE = 0.25
"""Of a lease: three beats in a row are late then."""
LOOK_S = 0.2


class StarvationWatch:
    """Looks at this process and all that it began, until the block is left."""

    def __init__(self, ttl_s: float) -> None:
        self.waited_s = 0.0
        """The longest that one of them waited for a processor within the length of a lease."""
        self._ttl_s = ttl_s
        self._seen: dict[int, deque[int]] = {}
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    @property
    def has_starved(self) -> bool:
        return self.waited_s > SHARE * self._ttl_s

    def _watch(self) -> None:
        while not self._is_over.wait(LOOK_S):
            for pid in (os.getpid(), *descendants(os.getpid())):
                seen = self._seen.setdefault(pid, deque(maxlen=int(self._ttl_s / LOOK_S)))
                try:
                    seen.append(int(Path(f"/proc/{pid}/schedstat").read_text().split()[1]))
                except OSError:  # it has ended
                    continue
                self.waited_s = max(self.waited_s, (seen[-1] - seen[0]) / 1e9)


def descendants(pid: int) -> set[int]:
    """What a process began, and what that began, as far as it still runs."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            # After the name, which may hold anything: the state, then the parent.
            parent = int(stat.read_text().rpartition(")")[2].split()[1])
        except OSError:  # it has ended
            continue
        children.setdefault(parent, []).append(int(stat.parent.name))
    found, left = set[int](), [pid]
    while left:
        new = children.get(left.pop(), [])
        found.update(new)
        left += new
    return found


async def played(play: Callable[[float], Awaitable[None]]) -> None:
    """Plays a trial with the usual lease, and with longer ones where the machine starved one that failed."""
    for ttl_s in TTLS_S:
        with StarvationWatch(ttl_s) as watch:
            try:
                await play(ttl_s)
                return
            except Exception:
                if ttl_s == TTLS_S[-1] or not watch.has_starved:
                    raise
                print(f"a lease of {ttl_s:.0f} s: some process waited {watch.waited_s:.1f} s of it for a processor")
