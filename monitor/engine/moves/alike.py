"""The states of groups that stand alike, as one object: what follows from a step is then worked out once for all of them.

States of groups that came into a stage in one tick differ in the ids of their last alerts alone. So these are cut out of the
packed states, and what is left is looked up.
"""

from __future__ import annotations

from decimal import Decimal

import msgspec

from monitor.core.stages.stages import MARGIN_CALL, GroupState, Signal
from monitor.engine.index.rows import unpacked_state

_ID_LENGTH = 30
"""Of an alert."""
_BEFORE_ID = msgspec.msgpack.encode("last_alert") + msgspec.msgpack.encode("x" * _ID_LENGTH)[:-_ID_LENGTH]
_Found = tuple[GroupState | None, str | None]
_Key = tuple[bytes | None, Signal, int]


class Alike:
    """The states of some groups of one tick. Those of groups that stand alike under the same rules are one object."""

    def __init__(self) -> None:
        self._known: dict[_Key, GroupState | None] = {}

    def state(self, packed: bytes | None, signal: Signal, rule: int, warnings: frozenset[Decimal]) -> _Found:
        """The state as a PlainMove has it, and the id of the last alert. `packed` is what a RowIndex keeps of it; `warnings`
        are those of the rules of this number.

        The state is None where more than the stage decides about the step, or nothing does.
        """
        rest, id_ = _cut(packed)
        key = rest, signal, rule
        if key not in self._known:
            state = unpacked_state(packed, "")
            if state.last_alert != id_:  # what looked like the id of an alert was something else
                return _stepping(msgspec.structs.replace(state, last_alert=None), signal, warnings), state.last_alert
            self._known[key] = _stepping(msgspec.structs.replace(state, last_alert=None), signal, warnings)
        return self._known[key], id_


def _cut(packed: bytes | None) -> tuple[bytes | None, str | None]:
    """A packed state without the id of the last alert, and the id. States with the same rest have it in the same place."""
    if packed is None or (found := packed.find(_BEFORE_ID)) < 0:
        return packed, None
    begin = found + len(_BEFORE_ID)
    end = begin + _ID_LENGTH
    return packed[:begin] + packed[end:], packed[begin:end].decode()


def _stepping(state: GroupState, signal: Signal, warnings: frozenset[Decimal]) -> GroupState | None:
    """The state with the early warnings that the step passes. None where more than the stage decides, or nothing does."""
    if state.stage == MARGIN_CALL and signal == Signal.CALL:
        return None
    waits = state.below_since, state.call, state.returnable, state.silence, state.closed
    if any(each is not None for each in waits) or state.ceilings or state.noted or state.called or state.neared:
        return None
    used = frozenset(state.warned)
    if not used <= warnings:
        return None
    return state if used == warnings else msgspec.structs.replace(state, warned=tuple(sorted(warnings)))
