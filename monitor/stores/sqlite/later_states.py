"""The states of a storm: durable at once in few rows of their commit, and in their own rows later, many at a time.

Groups that change in one tick lie all over the table of states: to write each there costs a page of its own, twenty times as
much as the state. A row for a thousand of them grows at the end of its table. The background puts them where they belong, in
the order of that table, and so does everybody who reads states.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from operator import attrgetter

import msgspec

from monitor.core.stages.stages import GroupState
from monitor.stores._base import is_untouched
from monitor.stores._rows import encode
from monitor.stores.sqlite.connection import transaction

FEWEST = 32
"""Fewer states go into their rows at once, unless older ones wait: what is put there later would win over them."""
AT_ONCE = 1_000
"""States in a row of those that wait, and how many are put into their own in one go: it takes some ten milliseconds, and a
commit may wait for it."""
_states = msgspec.json.Decoder(tuple[GroupState, ...]).decode


def write(db: sqlite3.Connection, states: Sequence[GroupState]) -> None:
    """Keeps the states of a commit, of which each names another group."""
    if len(states) < FEWEST and not _are_waiting(db):
        _put(db, states)
    else:
        parts = ([encode(states[first : first + AT_ONCE])] for first in range(0, len(states), AT_ONCE))
        db.executemany("INSERT INTO later_states (body) VALUES (?)", parts)


def fold(db: sqlite3.Connection, most: int = AT_ONCE) -> int:
    """Puts the oldest states that wait into their rows, about `most` of them. How many these were."""
    newest: dict[str, GroupState] = {}
    last = count = 0
    with transaction(db):
        for number, body in db.execute("SELECT number, body FROM later_states ORDER BY number"):
            some = _states(body)
            newest |= {state.group: state for state in some}
            last, count = number, count + len(some)
            if count >= most:
                break
        if count:
            _put(db, newest.values())
            db.execute("DELETE FROM later_states WHERE number <= ?", [last])
    return count


def fold_all(db: sqlite3.Connection) -> None:
    """Puts all of them there: for a reader of states."""
    while fold(db, 20 * AT_ONCE):
        pass


def _are_waiting(db: sqlite3.Connection) -> bool:
    return db.execute("SELECT 1 FROM later_states LIMIT 1").fetchone() is not None


def _put(db: sqlite3.Connection, states: Iterable[GroupState]) -> None:
    # In the order of the table, so that each of its pages is visited once.
    states = sorted(states, key=attrgetter("group"))
    kept = ((s.group, s.stage, s.episode, encode(s)) for s in states if not is_untouched(s))
    db.executemany("INSERT OR REPLACE INTO states VALUES (?, ?, ?, ?)", kept)
    db.executemany("DELETE FROM states WHERE id = ?", ([s.group] for s in states if is_untouched(s)))
