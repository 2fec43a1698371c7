"""The staging forms in the database: written with the alerts of their tick, read on a look, worked out in the background.

They are staged only where no monitor shares the store that does not know them (decision 196). See the SQLite store's module
of the same name.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from monitor import crashpoint
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.light import StagedForm, whole
from monitor.core.events.history import Row
from monitor.stores import _packed as packed
from monitor.stores._base import Delivery, debt_text
from monitor.stores._rows import encode
from monitor.stores._staged import (
    MARK_BYTES,
    PROGRAM,
    FigurePlace,
    Forms,
    StagedGroups,
    Staging,
    digests_of,
    known_alert,
    mark_of,
    prefix_of,
    whole_row_of,
)
from monitor.stores.postgres import bulk

AT_ONCE = 500
"""Worked out in one transaction at the start, where nobody waits for a commit."""
_PART, _LOOKS = 2_000, 16
"""Of the log one look reads so much, some milliseconds; and so many looks make one transaction, which a commit may have to
wait for."""
_FORM = "INSERT INTO staged_forms VALUES ($1, $2, $3)"
_WHERE = "INSERT INTO staged VALUES ($1, $2, $3, $4, $5, $6)"
_RULES = "INSERT INTO staged_rules VALUES ($1, $2) ON CONFLICT (digest) DO NOTHING"
_OLDEST = "SELECT number, first, last, first_row, last_row FROM staged ORDER BY last, last_row, number LIMIT 1"
_MARKED = "BETWEEN $1 AND $2 AND substr(body, 1, $3) = $4"
"""Of the alerts or rows in a range those that begin with a mark."""
_ALERTS = f"SELECT cursor, body FROM alerts WHERE cursor {_MARKED} ORDER BY cursor LIMIT $5"  # noqa: S608
_ROWS = f"SELECT number, body FROM history WHERE number {_MARKED} ORDER BY number LIMIT $5"  # noqa: S608
# The range says again what the places say: a database that has not counted its rows yet would read the whole table for them.
_WHOLE_ALERTS = (
    "UPDATE alerts SET body = made.body FROM unnest($1::bigint[], $2::bytea[]) AS made (place, body) "
    "WHERE cursor = made.place AND cursor BETWEEN $3 AND $4"
)
_WHOLE_ROWS = (
    "UPDATE history SET body = made.body FROM unnest($1::bigint[], $2::bytea[]) AS made (place, body) "
    "WHERE number = made.place AND number BETWEEN $3 AND $4"
)
# A digest has had its debt since the commit.
_DEBTS = (
    "UPDATE deliveries SET debt_usd = made.debt FROM unnest($1::bigint[], $2::text[]) AS made (place, debt) "
    "WHERE cursor = made.place AND cursor BETWEEN $3 AND $4 AND debt_usd <> made.debt"
)
_row = msgspec.json.Decoder(Row).decode


def begin(*, leaves_figures: bool) -> Staging:
    """For what one commit leaves for later."""
    return Staging(_numbers() if leaves_figures else None)


def _numbers() -> Iterator[int]:
    """None is ever given twice, not even by a database that has lost commits: who has read a form keeps it by its number."""
    while True:
        yield secrets.randbits(63)


async def write(db: Any, staging: Staging) -> None:
    """Keeps the forms, and the rules that are not here yet."""
    for rows in staging.rows():
        await db.execute(_FORM, *rows.form)
        await db.execute(_WHERE, *rows.where)
        await db.executemany(_RULES, rows.rules)


async def alerts_of(db: Any, forms: Forms, rows: Iterable[tuple[int, bytes]]) -> list[LoggedAlert]:
    """The alerts of cursors and bodies; light where their figures are not worked out. Of the instant of the rows."""
    rows = list(rows)
    groups = await _opened(db, forms, _numbers_in(body for _, body in rows))
    return [LoggedAlert(cursor, _alert(body, _of(body, groups))) for cursor, body in rows]


async def history_of(db: Any, forms: Forms, rows: Iterable[tuple[int, bytes]]) -> Iterator[tuple[int, Row]]:
    """The rows of the history of numbers and bodies, each made when it is asked for. Of the instant of the rows."""
    rows = list(rows)
    groups = await _opened(db, forms, _numbers_in(body for _, body in rows))
    return ((number, _history_row(body, _of(body, groups))) for number, body in rows)


def _numbers_in(bodies: Iterable[bytes]) -> set[int]:
    """The forms of those that have a mark."""
    return {mark.number for body in bodies if (mark := mark_of(body)) is not None}


def _of(body: bytes, groups: Mapping[int, StagedGroups]) -> StagedGroups | None:
    """Those that a body has a mark of."""
    mark = mark_of(body)
    return None if mark is None else groups[mark.number]


def _alert(body: bytes, groups: StagedGroups | None) -> Alert:
    mark = mark_of(body)
    return packed.alert(body) if mark is None or groups is None else known_alert(body, groups, mark.place)


def _history_row(body: bytes, groups: StagedGroups | None) -> Row:
    mark = mark_of(body)
    return _row(body) if mark is None or groups is None else whole_row_of(body, groups, mark.place)


async def _opened(db: Any, forms: Forms, numbers: Collection[int]) -> dict[int, StagedGroups]:
    """The groups of some forms."""
    found = {number: known for number in numbers if (known := forms.known(number)) is not None}
    missing = [number for number in numbers if number not in found]
    if not missing:
        return found
    rows = await db.fetch("SELECT number, rules, body FROM staged_forms WHERE number = ANY($1::bigint[])", missing)
    digests = {digest for _, known, _ in rows for digest in digests_of(known)}
    sql = "SELECT digest, body FROM staged_rules WHERE digest = ANY($1::bytea[])"
    rules = dict(await db.fetch(sql, list(digests)))
    for number, known, body in rows:
        found[number] = forms.keep(number, StagedForm(body, {digest: rules[digest] for digest in digests_of(known)}))
    return found


async def ordered(db: Any, forms: Forms, found: list[Delivery]) -> list[Delivery]:
    """Deliveries after a restart: where the exact debt is not worked out yet, they have the one that a float says."""
    first, last = await db.fetchrow("SELECT min(first), max(last) FROM staged")
    unknown = [
        each.cursor for each in found if not each.debt_usd and first is not None and first <= each.cursor <= last
    ]
    marks: dict[int, FigurePlace] = {}
    for some in bulk.parts(dict.fromkeys(unknown)):
        sql = "SELECT cursor, substr(body, 1, $2) FROM alerts WHERE cursor = ANY($1::bigint[])"
        for cursor, start in await db.fetch(sql, some, MARK_BYTES):
            if (mark := mark_of(start)) is not None:
                marks[cursor] = mark
    groups = await _opened(db, forms, {mark.number for mark in marks.values()})
    return [
        msgspec.structs.replace(each, rough_debt=groups[mark.number].debt(mark.place))
        if not each.debt_usd and (mark := marks.get(each.cursor)) is not None
        else each
        for each in found
    ]


async def are_left(db: Any) -> bool:
    """Something is to be worked out."""
    return bool(await db.fetchval("SELECT EXISTS (SELECT 1 FROM staged)"))


async def are_older(db: Any) -> bool:
    """Another program has staged something: a program works that out before anything else."""
    return bool(await db.fetchval("SELECT EXISTS (SELECT 1 FROM staged WHERE program <> $1)", PROGRAM))


async def render(db: Any, forms: Forms, most: int) -> int:
    """Works out the figures of the oldest light alerts and rows, `most` at once; how many they were, 0 where none was left.

    A form goes with the last of them. Within the transaction of the caller.
    """
    done = looks = 0
    while done < most and looks < _LOOKS and (oldest := await db.fetchrow(_OLDEST)) is not None:
        done += await _render_some(db, forms, oldest, most - done)
        looks += 1
    crashpoint.reached("amid figures")
    return max(done, min(looks, 1))


async def _render_some(db: Any, forms: Forms, oldest: Sequence[int], most: int) -> int:
    """A look at a part of the log where those of a form are."""
    number, first, last, first_row, last_row = oldest
    groups = (await _opened(db, forms, [number]))[number]
    if first <= last:
        found, first = await _part(db, _ALERTS, number, (first, last), most)
        await _render_alerts(db, groups, found)
    else:
        found, first_row = await _part(db, _ROWS, number, (first_row, last_row), most)
        await _render_rows(db, groups, found)
    if first <= last or first_row <= last_row:
        await db.execute("UPDATE staged SET first = $2, first_row = $3 WHERE number = $1", number, first, first_row)
    else:
        await _drop(db, number)
        forms.forget(number)
    return len(found)


async def _part(
    db: Any, sql: str, number: int, within: tuple[int, int], most: int
) -> tuple[list[tuple[int, bytes]], int]:
    """What has the mark of a form in the next part of the log, and where the part after it begins."""
    first, last = within
    end, mark = min(last, first + _PART - 1), prefix_of(number)
    rows = await db.fetch(sql, first, end, len(mark), mark, most)
    return rows, (rows[-1][0] if len(rows) == most else end) + 1


async def _render_alerts(db: Any, groups: StagedGroups, found: Sequence[tuple[int, bytes]]) -> None:
    if not found:
        return
    alerts = {cursor: whole(_alert(body, groups)) for cursor, body in found}
    cursors, within = list(alerts), (found[0][0], found[-1][0])
    await db.execute(_WHOLE_ALERTS, cursors, [packed.alert_body(each) for each in alerts.values()], *within)
    await db.execute(_DEBTS, cursors, [debt_text(each) for each in alerts.values()], *within)


async def _render_rows(db: Any, groups: StagedGroups, found: Sequence[tuple[int, bytes]]) -> None:
    if not found:
        return
    bodies = [encode(_history_row(body, groups)) for _, body in found]
    await db.execute(_WHOLE_ROWS, [number for number, _ in found], bodies, found[0][0], found[-1][0])


async def _drop(db: Any, number: int) -> None:
    await db.execute("DELETE FROM staged WHERE number = $1", number)
    await db.execute("DELETE FROM staged_forms WHERE number = $1", number)
    await db.execute("DELETE FROM staged_rules WHERE NOT EXISTS (SELECT 1 FROM staged)")
