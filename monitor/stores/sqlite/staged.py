"""The staging forms in the file: written with the alerts of their tick, read on a look, worked out in the background."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count

import msgspec

from monitor import crashpoint
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.light import StagedForm, whole
from monitor.core.events.history import Row
from monitor.core.groups.plain_moves import Rendered
from monitor.stores import _packed as packed
from monitor.stores._base import Delivery, debt_text
from monitor.stores._rows import BY_ID, WHOLE, encode
from monitor.stores._staged import (
    MARK_BYTES,
    PROGRAM,
    FigurePlace,
    Forms,
    Staging,
    digests_of,
    known_alert,
    mark_of,
    prefix_of,
    whole_row_of,
)
from monitor.stores.sqlite import later_states
from monitor.stores.sqlite.connection import transaction

AT_ONCE = 500
"""Worked out in one transaction at the start, where nobody waits for a commit."""
_LIGHT = "BETWEEN ? AND ? AND substr(body, 1, ?) = ?"
"""Of the alerts or rows in a range those that begin with a mark."""
SINCE_LIGHT = "cursor >= (SELECT min(first) FROM staged WHERE first <= last)"
"""Alerts among which all light ones are: they are in no index but those in the order of the log."""
CURSOR_OF = (
    f"SELECT cursor FROM alerts WHERE {BY_ID} "  # noqa: S608
    f"UNION ALL SELECT cursor FROM alerts WHERE {SINCE_LIGHT} AND id = :id LIMIT 1"
)
"""Of the alert whose id is `:id`, light or not."""


def begin(db: sqlite3.Connection) -> Staging:
    """For what one commit leaves for later."""
    return Staging(count(_last(db, "staged") + 1))


def write(db: sqlite3.Connection, staging: Staging) -> None:
    """Keeps the forms, and the rules that the file does not have yet."""
    for rows in staging.rows():
        db.execute("INSERT INTO staged VALUES (?, ?, ?, ?, ?, ?)", rows.where)
        db.execute("INSERT INTO staged_forms VALUES (?, ?, ?)", rows.form)
        db.executemany("INSERT OR IGNORE INTO staged_rules VALUES (?, ?)", rows.rules)


def alert(db: sqlite3.Connection, forms: Forms, body: bytes) -> Alert:
    """The alert of a body; light where its figures are not worked out. Within `one_look`."""
    mark = mark_of(body)
    if mark is None:
        return packed.alert(body)
    return known_alert(body, forms.of(mark.number, lambda number: _form(db, number)), mark.place)


def row(db: sqlite3.Connection, forms: Forms, body: bytes) -> Row | None:
    """The row of a body that has a mark; None where it is whole. Within `one_look`."""
    mark = mark_of(body)
    if mark is None:
        return None
    return whole_row_of(body, forms.of(mark.number, lambda number: _form(db, number)), mark.place)


@contextmanager
def one_look(db: sqlite3.Connection) -> Iterator[None]:
    """All that is read is of one instant: between two, the background may work out what has been found to be light."""
    if db.in_transaction:
        yield
        return
    db.execute("BEGIN")
    try:
        yield
    finally:
        db.execute("COMMIT")


def ordered(db: sqlite3.Connection, forms: Forms, found: list[Delivery]) -> list[Delivery]:
    """Deliveries after a restart: where the exact debt is not worked out yet, they have the one that a float says."""
    marks: dict[int, FigurePlace] = {}
    for number, first, last in db.execute("SELECT number, first, last FROM staged").fetchall():
        prefix = prefix_of(number)
        some = f"SELECT cursor, substr(body, 1, ?) FROM alerts WHERE cursor {_LIGHT}"  # noqa: S608
        for cursor, mark in db.execute(some, (MARK_BYTES, first, last, len(prefix), prefix)):
            place = mark_of(mark)
            assert place is not None, "it begins with a mark"
            marks[cursor] = place

    def read(number: int) -> StagedForm:
        return _form(db, number)

    return [
        msgspec.structs.replace(each, rough_debt=forms.of(mark.number, read).debt(mark.place))
        if not each.debt_usd and (mark := marks.get(each.cursor)) is not None
        else each
        for each in found
    ]


def light_ids(db: sqlite3.Connection) -> set[str]:
    """The ids of all light alerts."""
    sql = f"SELECT id FROM alerts WHERE {SINCE_LIGHT} AND NOT {WHOLE}"  # noqa: S608
    return {id for (id,) in db.execute(sql)}


def render(db: sqlite3.Connection, forms: Forms, most: int, light: set[str]) -> Rendered:
    """Works out the figures of the oldest light alerts and rows, `most` at once. A form goes with the last of them.

    When all are done, it puts the states that wait into their rows. `light`: the ids of all light alerts.
    """
    oldest = "SELECT number, first, last, first_row, last_row FROM staged ORDER BY number LIMIT 1"
    with transaction(db):
        found = db.execute(oldest).fetchone()
        if found is None:
            return Rendered(later_states.fold(db))
        number, first, last, first_row, last_row = found
        ids = _render_alerts(db, forms, number, (first, last), most)
        done = len(ids)
        if done < most:
            done += _render_rows(db, forms, number, (first_row, last_row), most - done)
        if done < most:
            _drop(db, number)
            forms.forget(number)
        crashpoint.reached("amid figures")
    light.difference_update(ids)
    return Rendered(max(done, 1), forms.disproofs())


def render_older(db: sqlite3.Connection, forms: Forms) -> None:
    """Before anything else a program works out what another one has staged."""
    while db.execute("SELECT 1 FROM staged WHERE program <> ? LIMIT 1", [PROGRAM]).fetchone():
        render(db, forms, AT_ONCE, set())


def render_all(db: sqlite3.Connection, forms: Forms) -> None:
    """Works out all that is left: for a reader that knows no staging forms."""
    while render(db, forms, AT_ONCE, set()).done:
        pass


def _render_alerts(db: sqlite3.Connection, forms: Forms, number: int, within: tuple[int, int], most: int) -> list[str]:
    mark = prefix_of(number)
    some = f"SELECT cursor, body FROM alerts WHERE cursor {_LIGHT} ORDER BY cursor LIMIT ?"  # noqa: S608
    bodies = db.execute(some, (*within, len(mark), mark, most)).fetchall()
    alerts = [(cursor, whole(alert(db, forms, body))) for cursor, body in bodies]
    db.executemany("UPDATE alerts SET body = ? WHERE cursor = ?", [(packed.alert_body(a), c) for c, a in alerts])
    db.executemany("UPDATE deliveries SET debt_usd = ? WHERE cursor = ?", [(debt_text(a), c) for c, a in alerts])
    if alerts:
        db.execute("UPDATE staged SET first = ? WHERE number = ?", (alerts[-1][0] + 1, number))
    return [a.id for _, a in alerts]


def _render_rows(db: sqlite3.Connection, forms: Forms, number: int, within: tuple[int, int], most: int) -> int:
    mark = prefix_of(number)
    some = f"SELECT number, body FROM history WHERE number {_LIGHT} ORDER BY number LIMIT ?"  # noqa: S608
    bodies = db.execute(some, (*within, len(mark), mark, most)).fetchall()
    rows = [(encode(row(db, forms, body)), place) for place, body in bodies]
    db.executemany("UPDATE history SET body = ? WHERE number = ?", rows)
    return len(rows)


def _drop(db: sqlite3.Connection, number: int) -> None:
    db.execute("DELETE FROM staged WHERE number = ?", [number])
    db.execute("DELETE FROM staged_forms WHERE number = ?", [number])
    if db.execute("SELECT 1 FROM staged LIMIT 1").fetchone() is None:
        db.execute("DELETE FROM staged_rules")


def _form(db: sqlite3.Connection, number: int) -> StagedForm:
    packed_digests, body = db.execute("SELECT rules, body FROM staged_forms WHERE number = ?", [number]).fetchone()
    rules = {
        digest: db.execute("SELECT body FROM staged_rules WHERE digest = ?", [digest]).fetchone()[0]
        for digest in digests_of(packed_digests)
    }
    return StagedForm(body, rules)


def _last(db: sqlite3.Connection, table: str) -> int:
    """The highest number that a table has ever given."""
    found = db.execute("SELECT seq FROM sqlite_sequence WHERE name = ?", [table]).fetchone()
    return int(found[0]) if found else 0
