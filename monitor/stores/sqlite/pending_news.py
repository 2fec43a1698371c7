"""Which groups have undelivered notices: what the thread that writes knows, in place of an index in the file.

Each commit asks it of all groups with news of a stage, as that cancels their older notices. An index by group would have each
of its entries in a page of its own, which a tick writes and the end of a delivery writes again.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterable

from monitor.stores._base import Delivery
from monitor.stores._outbox import GROUP_NEWS

MOST_OVER = 20_000
"""What is over is forgotten when so much has come: to look through what is pending takes some ten milliseconds then."""


class PendingNews:
    """By group, the alerts of which a delivery may be pending. It names all that are, and some that are over."""

    def __init__(self) -> None:
        self._cursors: defaultdict[str, list[int]] = defaultdict(list)
        self._count = 0
        self._most = MOST_OVER

    def load(self, db: sqlite3.Connection) -> None:
        """Those that the file says."""
        sql = (
            "SELECT DISTINCT subject, cursor FROM deliveries INDEXED BY deliveries_pending "  # noqa: S608
            f"WHERE state = 'pending' AND type GLOB '{GROUP_NEWS}*' ORDER BY cursor"
        )
        self._cursors.clear()
        self._count = 0
        for subject, cursor in db.execute(sql):
            self._cursors[subject].append(cursor)
            self._count += 1
        self._most = 2 * self._count + MOST_OVER

    def of(self, subjects: Iterable[str]) -> list[int]:
        """The cursors of what may be pending of some groups."""
        known = self._cursors
        return [cursor for subject in subjects for cursor in known.get(subject, ())]

    def add(self, some: Iterable[Delivery]) -> None:
        """Deliveries that are pending now, or will be when the transaction is over."""
        for one in some:
            if one.type.startswith(GROUP_NEWS) and one.state == "pending":
                known = self._cursors[one.subject]
                if not known or known[-1] != one.cursor:
                    known.append(one.cursor)
                    self._count += 1

    def cancelled(self, db: sqlite3.Connection, subjects: Iterable[str]) -> None:
        """A commit has cancelled all of some groups. Called before those that it made are added."""
        for subject in subjects:
            self._count -= len(self._cursors.pop(subject, ()))
        if self._count > self._most:
            self.load(db)
