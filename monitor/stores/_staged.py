"""Light alerts as a database keeps them, until their figures are worked out.

The body of such an alert, or of the row of a liquidation, is what is known of it, behind a mark: the number of the staging
form of its tick, and its place there. MessagePack and JSON never begin with the byte of the mark.
"""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from importlib.metadata import version
from typing import Any, NamedTuple, Protocol

import msgspec

from monitor.core.alerts.alert import Alert, Figures, LoggedAlert
from monitor.core.alerts.light import LaterFigures, LightAlert, StagedForm, whole
from monitor.core.events.history import Row
from monitor.core.groups.plain_moves import DecidedGroups, Disproof, Disproved, LightRow, noting_in, whole_row
from monitor.stores import _packed as packed
from monitor.stores._base import Change
from monitor.stores._rows import encode

PROGRAM = version("loan-monitor")
"""Which program has staged something: a newer one works it out before it does anything else."""
_LIGHT = b"\xc1"
_MARK = struct.Struct(">cQH")
MARK_BYTES = _MARK.size
_KEPT_FORMS = 4
"""Staging forms that are kept open: one of eight thousand groups takes some megabytes."""
_row = msgspec.json.Decoder(Row).decode
_pack = msgspec.msgpack.Encoder().encode
digests_of = msgspec.msgpack.Decoder(tuple[bytes, ...]).decode
"""The rules of a form, as its row has them."""


class FigurePlace(NamedTuple):
    """Where the figures of something light are."""

    number: int
    place: int


def prefix_of(number: int) -> bytes:
    """How the bodies of a staging form's alerts and rows begin."""
    return _MARK.pack(_LIGHT, number, 0)[:-2]


def mark_of(body: bytes) -> FigurePlace | None:
    """The mark of a body; None where it is whole."""
    return FigurePlace(*_MARK.unpack_from(body)[1:]) if body[:1] == _LIGHT else None


def light_body(alert: LightAlert, number: int) -> bytes:
    """An alert as it is stored without its figures."""
    return _MARK.pack(_LIGHT, number, alert.place) + packed.body_without_figures(alert)


def light_row_body(row: LightRow, number: int) -> bytes:
    """A row of the history without its sums."""
    return _MARK.pack(_LIGHT, number, row.place) + encode(
        Row(row.group, row.kind, row.at, facts=row.said, labels=row.labels, life=row.life)
    )


def known_alert(body: bytes, of: LaterFigures, place: int) -> LightAlert:
    """The alert of a body that has a mark."""
    known = packed.alert(body[_MARK.size :])
    return LightAlert(**{name: getattr(known, name) for name in Alert.__struct_fields__}, of=of, place=place)


def known_row(body: bytes) -> Row:
    """The row of a body, whole or not: all but the sums."""
    return _row(body[_MARK.size :] if body[:1] == _LIGHT else body)


def whole_row_of(body: bytes, of: DecidedGroups, place: int) -> Row:
    """The whole row of a body that has a mark."""
    known = known_row(body)
    return msgspec.structs.replace(known, facts={**known.facts, **of.sums(place)})


def has_light(change: Change) -> bool:
    """Whether a change has left figures for later."""
    return any(isinstance(alert, LightAlert) for alert, _ in change.alerts) or any(
        isinstance(row, LightRow) for row in change.history
    )


async def work_out(change: Change) -> None:
    """For a store that stages nothing: works out what a change has left for later, not on the event loop."""
    alerts = [alert for alert, _ in change.alerts if isinstance(alert, LightAlert)]
    rows = [row for row in change.history if isinstance(row, LightRow)]
    if alerts or rows:
        await asyncio.to_thread(lambda: ([alert.figures for alert in alerts], [row.facts for row in rows]))


class Stages(Protocol):
    """What can be staged."""

    def staged(self) -> StagedForm: ...


class Staging:
    """What one commit stages: the forms of its light alerts and rows, with the range of the log where these are."""

    def __init__(self, numbers: Iterator[int] | None) -> None:
        """`numbers`: for its forms; None in a store that leaves nothing for later."""
        self._numbers = numbers
        self._staged: dict[int, tuple[int, Stages]] = {}
        self._alerts = (0, -1)
        self._rows = (0, -1)

    def taken(self, alert: Alert) -> Alert:
        """An alert as this commit tells of it."""
        return whole(alert) if self._numbers is None else alert

    def alert_body(self, alert: Alert) -> bytes:
        """An alert as this commit writes it."""
        if self._numbers is None or not isinstance(alert, LightAlert) or alert.of is None:
            return packed.alert_body(alert)
        return light_body(alert, self._number(alert.of, self._numbers))

    def row_body(self, row: Row) -> bytes:
        """A row of the history likewise."""
        if self._numbers is None or not isinstance(row, LightRow) or row.of is None:
            return encode(whole_row(row))
        return light_row_body(row, self._number(row.of, self._numbers))

    def note(self, logged: Sequence[LoggedAlert]) -> None:
        """The alerts of the commit: the log has them without a gap."""
        if logged:
            self._alerts = logged[0].cursor, logged[-1].cursor

    def note_rows(self, first: int, last: int) -> None:
        """The rows of the history likewise."""
        self._rows = first, last

    def rows(self) -> Iterator[StagedRows]:
        """What is to be kept of each form."""
        for number, of in self._staged.values():
            form = of.staged()
            where = number, PROGRAM, *self._alerts, *self._rows
            yield StagedRows(where, (number, _pack(list(form.rules)), form.body), tuple(form.rules.items()))

    def _number(self, of: Any, numbers: Iterator[int]) -> int:
        known = self._staged.get(id(of))
        if known is None:
            known = self._staged[id(of)] = next(numbers), of
        return known[0]


class StagedRows(NamedTuple):
    """A form as the rows of its three tables."""

    where: tuple[int, str, int, int, int, int]
    """Number, program, and the first and the last of the alerts and of the rows of the history among which its own are."""
    form: tuple[int, bytes, bytes]
    """Number, the digests of its rules, body."""
    rules: tuple[tuple[bytes, bytes], ...]
    """Digest and body."""


class StagedGroups:
    """The groups of a staging form, which is read when the first of them is looked at."""

    def __init__(self, form: StagedForm, disproved: Disproved) -> None:
        self._form = form
        self._disproved = disproved

    def figures(self, place: int) -> Figures:
        """See LaterFigures."""
        return self._groups.figures(place)

    def sums(self, place: int) -> Mapping[str, str | None]:
        """See DecidedGroups."""
        return self._groups.sums(place)

    def debt(self, place: int) -> float:
        """See LaterFigures."""
        return self._groups.debt(place)

    def staged(self) -> StagedForm:
        """See LaterFigures."""
        return self._form

    @cached_property
    def _groups(self) -> DecidedGroups:
        from monitor.engine.moves.staging import load  # the array libraries cost a second and 100 MB

        return load(self._form, self._disproved)


class Forms:
    """The staging forms that were looked at last, by number. Used by one thread."""

    def __init__(self) -> None:
        self._known: OrderedDict[int, StagedGroups] = OrderedDict()
        self._disproofs: list[Disproof] = []

    def of(self, number: int, read: Callable[[int], StagedForm]) -> StagedGroups:
        """The groups of a number; `read` gives its form."""
        return self.known(number) or self.keep(number, read(number))

    def known(self, number: int) -> StagedGroups | None:
        """The groups of a number, where its form is one of these."""
        return self._known.get(number)

    def keep(self, number: int, form: StagedForm) -> StagedGroups:
        """The groups of a form that was read."""
        kept = self._known[number] = StagedGroups(form, noting_in(self._disproofs))
        if len(self._known) > _KEPT_FORMS:
            self._known.popitem(last=False)
        return kept

    def forget(self, number: int) -> None:
        """All of it is worked out."""
        self._known.pop(number, None)

    def disproofs(self) -> tuple[Disproof, ...]:
        """Those since the last call."""
        found = tuple(self._disproofs)
        del self._disproofs[: len(found)]
        return found
