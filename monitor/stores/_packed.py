"""Alerts and marks as MessagePack arrays: the names of the fields would be more than half of what a storm writes.

A body is read by the places of its fields. So a new field of these types goes to the end and has a default, and no field
is moved or removed. Schema 1 wrote JSON, which begins with a brace and stays readable.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
from msgspec.structs import astuple

from monitor.core.alerts.alert import Alert, Debt, Figures, GroupRef, Input
from monitor.core.alerts.light import LightAlert, whole
from monitor.core.prices.quote import Mark
from monitor.core.rules.thresholds import Thresholds

# The types of core once more, read from arrays. They never leave this module.


class _Input(Input, frozen=True, array_like=True):
    pass


class _Debt(Debt, frozen=True, array_like=True):
    pass


class _Thresholds(Thresholds, frozen=True, array_like=True):
    pass


class _GroupRef(GroupRef, frozen=True, array_like=True):
    pass


class _Figures(Figures, frozen=True, array_like=True):
    thresholds: _Thresholds
    inputs: tuple[_Input, ...]
    debts: tuple[_Debt, ...]


class _Alert(Alert, frozen=True, array_like=True):
    group: _GroupRef | None = None
    figures: _Figures | None = None


class _Mark(Mark, frozen=True, array_like=True):
    pass


_KNOWN = len(Alert.__struct_fields__)
_GROUP, _FIGURES = map(Alert.__struct_fields__.index, ("group", "figures"))
_THRESHOLDS, _INPUTS, _DEBTS = map(Figures.__struct_fields__.index, ("thresholds", "inputs", "debts"))

_encode = msgspec.msgpack.Encoder().encode
_alert = msgspec.msgpack.Decoder(_Alert).decode
_json_alert = msgspec.json.Decoder(Alert).decode
_rows = msgspec.msgpack.Decoder(list[list[Any]]).decode
_GONE = Mark.__struct_fields__.index("announced")
"""Before it stands a text that marks no longer have."""


def alert_body(alert: Alert) -> bytes:
    """An alert as it is stored. Raises TypeError where its facts are no JSON values."""
    alert = whole(alert)
    fields = list(astuple(alert))
    if alert.group is not None:
        fields[_GROUP] = astuple(alert.group)
    if alert.figures is not None:
        fields[_FIGURES] = _figures(alert.figures)
    return _encode(fields)


def body_without_figures(alert: LightAlert) -> bytes:
    """A light alert as it is stored until its figures are worked out."""
    fields = list(astuple(alert))
    del fields[_KNOWN:]
    if alert.group is not None:
        fields[_GROUP] = astuple(alert.group)
    return _encode(fields)


def _figures(figures: Figures) -> list[Any]:
    fields = list(astuple(figures))
    fields[_THRESHOLDS] = astuple(figures.thresholds)
    fields[_INPUTS] = list(map(astuple, figures.inputs))
    fields[_DEBTS] = list(map(astuple, figures.debts))
    return fields


def alert(body: bytes) -> Alert:
    """The alert of a body, of this schema or of the first."""
    return _json_alert(body) if body.startswith(b"{") else msgspec.convert(_alert(body), Alert, from_attributes=True)


def marks_body(marks: Iterable[Mark]) -> bytes:
    """All marks as they are stored."""
    return _encode([(*fields[:_GONE], "", *fields[_GONE:]) for fields in map(astuple, marks)])


def marks(body: bytes) -> tuple[Mark, ...]:
    """The marks of a body."""
    rows = [[*row[:_GONE], *row[_GONE + 1 :]] for row in _rows(body)]
    return msgspec.convert(msgspec.convert(rows, tuple[_Mark, ...]), tuple[Mark, ...], from_attributes=True)
