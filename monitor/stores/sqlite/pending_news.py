"""Which groups have undelivered notices: what the thread that writes knows, in place of an index in the file.

Each commit asks it of all groups with news of a stage, as that cancels their older notices. An index by group would have each
of its entries in a page of its own, which a tick writes and the end of a delivery writes again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from monitor.stores._base import Delivery
from monitor.stores._outbox import GROUP_NEWS, Keys, Outbox

MOST_OVER = 20_000
"""What is over is forgotten when so much has come: to read what is pending takes longer than to remember it."""


class PendingNews:
    """By group, the deliveries that may be pending. It names all that are, and some that are over."""

    def __init__(self) -> None:
        self._keys: dict[str, Keys] = {}
        self._added = 0
        """How many were added to groups that had some."""
        self._most = MOST_OVER

    def load(self, db: sqlite3.Connection) -> None:
        """Those that the file says."""
        sql = (
            "SELECT subject, cursor, id FROM deliveries INDEXED BY deliveries_pending "  # noqa: S608
            f"WHERE state = 'pending' AND type GLOB '{GROUP_NEWS}*'"
        )
        self._keys.clear()
        for subject, cursor, id in db.execute(sql):
            self._note(subject, [(cursor, id)])
        self._added = 0
        self._most = 2 * len(self._keys) + MOST_OVER

    def cursors(self, subjects: Iterable[str]) -> list[int]:
        """Of the alerts with deliveries that may be pending, of some groups."""
        known = self._keys
        return sorted({cursor for subject in subjects for cursor, _ in known.get(subject, ())})

    def add(self, some: Iterable[Delivery]) -> None:
        """Deliveries that are pending now, or will be when the transaction is over."""
        for one in some:
            if one.type.startswith(GROUP_NEWS) and one.state == "pending":
                self._note(one.subject, [(one.cursor, one.id)])

    def committed(self, box: Outbox) -> None:
        """A commit has cancelled all of the groups with news, and has made others."""
        for subject in box.news - box.pending.keys():
            self._keys.pop(subject, None)
        others = {subject: box.pending.pop(subject) for subject in box.pending.keys() - box.news}
        self._keys.update(box.pending)
        for subject, keys in others.items():
            self._note(subject, keys)

    def forget(self, db: sqlite3.Connection) -> None:
        """Forgets what is over, if it may be much. Called when there is nothing else to do."""
        if len(self._keys) + self._added > self._most:
            self.load(db)

    def _note(self, subject: str, keys: Keys) -> None:
        self._keys[subject] = self._keys.get(subject, []) + keys
        self._added += 1
