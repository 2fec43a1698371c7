"""The ends of a storm's attempts: durable at once in the record of attempts, and in their deliveries many at a time.

The largest debt goes first, so the deliveries of a storm lie all over their table: to write each end there costs a page of
its own. The record of attempts grows at its end. So a block of ends is written there alone, with a note which rows they are,
and a thousand of them are then put into their deliveries in the order of the table. Whoever looks at deliveries or changes
them has that done before, and so has a start after a kill: nobody sees a delivery as pending whose end is in the store.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any, TypeVar

from monitor.stores._base import Attempt
from monitor.stores.sqlite.connection import transaction
from monitor.stores.sqlite.deliveries import ENDS, end, record

T = TypeVar("T")
FEWEST = 10
"""More than a usual channel has under way: what is less is no storm, and goes into its deliveries at once."""
MOST = 1_000
"""Ends that wait for their deliveries: to put them there takes some 10 ms, and a commit may wait for it."""
SOON_S = 0.25
"""After a storm nobody may look at deliveries for long. Another reader of the file then sees them as they are."""

_FOLD = f"""
UPDATE deliveries SET {ENDS} FROM (
    SELECT CAST(substr(delivery, 5, instr(substr(delivery, 5), '_') - 1) AS INTEGER) AS at_cursor, delivery AS of_id,
        at, state AS new_state, detail AS words, due_at AS due
    FROM attempts WHERE number BETWEEN ? AND ? ORDER BY 1, 2
) AS one WHERE cursor = one.at_cursor AND id = one.of_id
"""  # noqa: S608


class LateEnds:
    """Those of one store. All but `are_there` is for the thread that writes."""

    def __init__(self) -> None:
        self._waiting: set[str] = set()
        """Deliveries whose end is in the record of attempts alone."""
        self._timer: asyncio.TimerHandle | None = None
        self._news = False
        """More came since the timer was set."""
        self._task: asyncio.Task[None] | None = None

    @property
    def are_there(self) -> bool:
        """Some deliveries look as if they were pending."""
        return bool(self._waiting)

    def end(self, db: sqlite3.Connection, attempts: Sequence[Attempt]) -> None:
        """Records outcomes, durably: of many that went through in the record alone, of all others in the deliveries too."""
        ids = {attempt.delivery for attempt in attempts}
        is_storm = len(ids) == len(attempts) >= FEWEST and all(a.state == "delivered" for a in attempts)
        if not is_storm or not self._waiting.isdisjoint(ids) or len(self._waiting) + len(ids) > MOST:
            self.fold(db)
        if not is_storm:
            end(db, attempts)
            return
        with transaction(db):
            (before,) = db.execute("SELECT coalesce(max(number), 0) FROM attempts").fetchone()
            record(db, attempts)
            db.execute("INSERT INTO late_ends SELECT ? + 1, max(number) FROM attempts", [before])
        self._waiting |= ids

    def failed(self) -> None:
        """A transaction was rolled back, so there may be some again that were put into their deliveries in it."""
        self._waiting.add("")

    def fold_soon(self, write: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """On the event loop, after each `end`: has them put into their deliveries when no more come for a while."""
        self._news = True
        if self._waiting and self._timer is None:
            self._wait(write)

    def _wait(self, write: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._news = False
        self._timer = asyncio.get_running_loop().call_later(SOON_S, self._is_quiet, write)

    def _is_quiet(self, write: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._timer = None
        if self._waiting and self._news:
            self._wait(write)
        elif self._waiting:
            self._task = asyncio.ensure_future(write())

    def before(self, work: Callable[[sqlite3.Connection], T]) -> Callable[[sqlite3.Connection], T]:
        """Work that sees of every delivery how it ended."""

        def settled(db: sqlite3.Connection) -> T:
            self.fold(db)
            return work(db)

        return settled

    def fold(self, db: sqlite3.Connection) -> None:
        """Puts the ends that wait into their deliveries."""
        if self._waiting:
            fold(db)
            self._waiting.clear()


def fold(db: sqlite3.Connection) -> None:
    """The same, also of an earlier run, which was killed."""
    with transaction(db):
        for rows in _runs(db.execute("SELECT first, last FROM late_ends ORDER BY first").fetchall()):
            db.execute(_FOLD, rows)
        db.execute("DELETE FROM late_ends")


def _runs(ranges: Iterable[tuple[int, int]]) -> list[tuple[int, int]]:
    """The same rows in as few ranges as can be."""
    runs: list[tuple[int, int]] = []
    for first, last in ranges:
        if runs and runs[-1][1] == first - 1:
            first, _ = runs.pop()
        runs.append((first, last))
    return runs
