"""Plain moves: steps that a book has proved by its columns, so that core need not value the groups one by one.

A step is plain where floats prove it: the group is farther from every line than floats may err, all its prices are good, and
nothing but its level decides. Core takes such a step from its state alone; the figures of the alert are worked out later.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import msgspec

from monitor.core.alerts.alert import GroupRef
from monitor.core.alerts.light import LaterFigures
from monitor.core.events.history import LIQUIDATION, Row
from monitor.core.rules.product import Version
from monitor.core.rules.thresholds import Thresholds, metric_reason
from monitor.core.stages.stages import GroupState, Signal


class DecidedGroups(LaterFigures, Protocol):
    """The groups of a tick that took a plain step, with the prices and rules of that time."""

    def sums(self, place: int) -> Mapping[str, str | None]:
        """What a liquidation of one of the groups would leave, as the row of its history says it. Any thread may ask."""


class PlainMove(NamedTuple):
    """The step of one group."""

    of: DecidedGroups
    place: int
    ref: GroupRef
    state: GroupState
    """Where the group stands, the early warnings used up that it passes now; without its id and that of its last alert.
    Groups that stand alike share it: what follows from it and `signal` is worked out once."""
    last_alert: str | None
    signal: Signal
    version: Version
    lines: Thresholds
    dated: int
    """The first date of its loans, in microseconds since 1970; more than a day away."""


class Disproof(NamedTuple):
    """A plain step that the exact figures do not bear out: what must never be."""

    group: str
    at: datetime
    stage: str
    """Where the group stood."""
    decided: str
    """What was decided of it, in words."""
    exact: str
    """What its exact figures say; empty where they say nothing."""


Disproved = Callable[[Disproof], None]
MOST_DISPROOFS = 20
"""Kept until somebody asks: one ends decisions by column, and the others say the same of other groups."""


def noting_in(found: list[Disproof]) -> Disproved:
    """Notes disproofs in a list, as many as are wanted. Any thread may."""

    def note(disproof: Disproof) -> None:
        if len(found) < MOST_DISPROOFS:
            found.append(disproof)

    return note


class Rendered(NamedTuple):
    """How much was worked out, and what did not bear out what was decided."""

    done: int = 0
    disproofs: tuple[Disproof, ...] = ()


class LightRow(Row, frozen=True):
    """The row of a liquidation whose sums are worked out when they are asked for. It is equal to the row that has them."""

    of: DecidedGroups | None = None
    place: int = 0
    said: Mapping[str, Any] = {}
    """The facts that are known: those before the sums."""
    kept: list[Mapping[str, Any]] = msgspec.field(default_factory=list)
    """The facts, once the sums are worked out."""

    if not TYPE_CHECKING:  # in the place of a field

        @property
        def facts(self) -> Mapping[str, Any]:
            """As of `Row`."""
            if not self.kept:
                self.kept.append({**self.said, **self.of.sums(self.place)})
            return self.kept[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Row) and _filled(self) == whole_row(other)

    def __hash__(self) -> int:
        return hash((self.group, self.at))

    def __repr__(self) -> str:
        return repr(_filled(self))


def whole_row(row: Row) -> Row:
    """The row with all its facts."""
    return _filled(row) if isinstance(row, LightRow) else row


def _filled(light: LightRow) -> Row:
    return Row(**{name: getattr(light, name) for name in Row.__struct_fields__})


def started_row(move: PlainMove, reason: str, alert: str, at: datetime) -> LightRow:
    """The row of a liquidation that begins by a plain step (as `loan_history.of_stage` makes it)."""
    facts = {"what": "started", "reason": metric_reason(reason, move.lines.metric), "alert": alert}
    return LightRow(
        move.ref.id,
        LIQUIDATION,
        at,
        labels=move.ref.labels,
        life=move.state.life,
        of=move.of,
        place=move.place,
        said=facts,
    )
