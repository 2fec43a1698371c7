"""Groups, states, rates and the desk as a database keeps them: JSON, but for the marks."""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import astuple

from monitor.core.alerts.silences import Silence
from monitor.core.groups.outcome import StoredGroup
from monitor.core.groups.watcher_states import WatcherStates, from_notices
from monitor.core.prices.quote import Mark
from monitor.core.rules.product import CoinRates
from monitor.core.stages.stages import GroupState
from monitor.stores import _packed
from monitor.stores._base import CoreState
from monitor.stores._rows import encode


class _CoreStateBody(msgspec.Struct, frozen=True):
    """The desk without its marks, which have a column of their own. Up to schema 5 the last two stood for `watchers`."""

    at: datetime
    marks: tuple[Mark, ...] = ()
    """Schema 1 kept them here."""
    watchers: WatcherStates | None = None
    notices: dict[str, tuple[int, str | None]] = {}
    silences: tuple[Silence, ...] = ()


class _GroupBody(StoredGroup, frozen=True, array_like=False):
    """A group as its row has it: by the names of its fields."""


_group_body = msgspec.json.Decoder(_GroupBody).decode
state = msgspec.json.Decoder(GroupState).decode
rates = msgspec.json.Decoder(CoinRates).decode
_core_state_body = msgspec.json.Decoder(_CoreStateBody).decode


def group_body(stored: StoredGroup) -> bytes:
    """A group as its row has it."""
    return encode(_GroupBody(*astuple(stored)))


def group(body: bytes) -> StoredGroup:
    """The group of a row."""
    return StoredGroup(*astuple(_group_body(body)))


def core_state_bodies(desk: CoreState) -> tuple[bytes, bytes]:
    """The desk as two columns: the marks have one of their own."""
    return encode({"at": desk.at, "watchers": desk.watchers}), _packed.marks_body(desk.marks)


def core_state(stated: bytes, marks: bytes | None) -> CoreState:
    """The desk of its columns."""
    body = _core_state_body(stated)
    watchers = from_notices(body.notices, body.silences) if body.watchers is None else body.watchers
    return CoreState(body.at, body.marks if marks is None else _packed.marks(marks), watchers)
