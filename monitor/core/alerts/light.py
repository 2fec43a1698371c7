"""A light alert: it says all but its figures, which are worked out when somebody looks at them.

A storm decides thousands of groups by column. To work out the figures of all of them at once would make the desk wait for
the first. What the figures are made of is kept with the alert, so they are the same whenever they are worked out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, NamedTuple, Protocol

import msgspec

from monitor.core.alerts.alert import Alert, Figures


class StagedForm(NamedTuple):
    """The bytes of a tick's groups, and those of the rules of their products, which many ticks share, by digest."""

    body: bytes
    rules: Mapping[bytes, bytes]


class LaterFigures(Protocol):
    """Groups as they were decided, and the prices and rules of that time."""

    def figures(self, place: int) -> Figures:
        """The exact figures of one of the groups. Any thread may ask."""

    def debt(self, place: int) -> float:
        """What one of the groups owes in USD, as far as a float says it."""

    def staged(self) -> StagedForm:
        """All of it as bytes."""


class LightAlert(Alert, frozen=True):
    """An alert whose figures are worked out when they are asked for. It is equal to the alert that has them.

    What encodes an alert takes `whole` of it: an encoder does not ask for the figures, and raises TypeError.
    """

    of: LaterFigures | None = None
    place: int = 0
    kept: list[Figures] = msgspec.field(default_factory=list)
    """The figures, once they are worked out: they live as long as the alert does, and not as long as its tick."""

    if not TYPE_CHECKING:  # in the place of a field

        @property
        def figures(self) -> Figures:
            """As of `Alert`."""
            if not self.kept:
                self.kept.append(self.of.figures(self.place))
            return self.kept[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Alert) and _filled(self) == whole(other)

    def __hash__(self) -> int:
        return hash(self.id)

    def __repr__(self) -> str:
        return repr(_filled(self))


def whole(alert: Alert) -> Alert:
    """The alert with its figures."""
    return _filled(alert) if isinstance(alert, LightAlert) else alert


def _filled(light: LightAlert) -> Alert:
    return Alert(**{name: getattr(light, name) for name in Alert.__struct_fields__})
