"""Light alerts as a database keeps them, until their figures are worked out.

The body of such an alert, or of the row of a liquidation, is what is known of it, behind a mark: the number of the staging
form of its tick, and its place there. MessagePack and JSON never begin with the byte of the mark.
"""

from __future__ import annotations

import asyncio
import struct
from collections import OrderedDict
from collections.abc import Callable, Mapping
from functools import cached_property
from importlib.metadata import version
from typing import NamedTuple, Protocol

import msgspec

from monitor.core.alerts.alert import Alert, Figures
from monitor.core.alerts.light import LaterFigures, LightAlert, StagedForm
from monitor.core.events.history import Row
from monitor.core.groups.plain_moves import DecidedGroups, Disproof, Disproved, LightRow, noting_in
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


async def work_out(change: Change) -> None:
    """For a store that stages nothing: works out what a change has left for later, not on the event loop."""
    alerts = [alert for alert, _ in change.alerts if isinstance(alert, LightAlert)]
    rows = [row for row in change.history if isinstance(row, LightRow)]
    if alerts or rows:
        await asyncio.to_thread(lambda: ([alert.figures for alert in alerts], [row.facts for row in rows]))


class Stages(Protocol):
    """What can be staged."""

    def staged(self) -> StagedForm: ...


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
        found = self._known.get(number)
        if found is None:
            found = self._known[number] = StagedGroups(read(number), noting_in(self._disproofs))
            if len(self._known) > _KEPT_FORMS:
                self._known.popitem(last=False)
        return found

    def forget(self, number: int) -> None:
        """All of it is worked out."""
        self._known.pop(number, None)

    def disproofs(self) -> tuple[Disproof, ...]:
        """Those since the last call."""
        found = tuple(self._disproofs)
        del self._disproofs[: len(found)]
        return found
