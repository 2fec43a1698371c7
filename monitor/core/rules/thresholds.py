"""The lines of a group, and the figure that is compared with them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from decimal import Decimal
from itertools import pairwise
from typing import Annotated

import msgspec

from monitor.core.money import plain
from monitor.core.schema import Bounds, Pattern

Line = Annotated[
    str, Pattern("initial|margin_call|liquidation|immediate", "initial, margin_call, liquidation or immediate")
]
Level = Annotated[Decimal, Bounds("0", "1000", 18, above=True)]
"""A line of a metric that falls: assets may be many times what is owed."""


class Metric(msgspec.Struct, frozen=True):
    """The figure that a lender compares with its lines, made of a group's two sums (domain section 5)."""

    name: str = "ltv"
    """Under which it is shown."""
    falls: bool = False
    """Recognised value over debt, so that lower is worse (margin level, health factor); else debt over recognised value."""
    strict: tuple[str, ...] = ("immediate",)
    """Lines that are crossed only beyond them; the others are when they are reached (rules 10, 11 and 14)."""

    @property
    def title(self) -> str:
        """Its own word in sentences for people."""
        return self.name.replace("_", " ") if self.falls else "LTV"


LTV = Metric()


def metric_reason(reason: str, metric: Metric) -> str:
    """A reason as it is shown: where another metric than the LTV judges, its name stands for `ltv`."""
    return metric.name if reason == LTV.name else reason


class Thresholds(msgspec.Struct, frozen=True):
    """Lines of a group in terms of its metric, each worse than the one before (rule 9).

    `margin_call` and `immediate` are None for a product without a margin call, or without a line that ends a grace period.
    A product whose lines have other names maps them onto these four, which are the bounds of the bands (decision 11).
    """

    initial: Decimal
    margin_call: Decimal | None
    liquidation: Decimal
    immediate: Decimal | None
    metric: Metric = LTV

    def __post_init__(self) -> None:
        levels = list(self.stated.values())
        falls = self.metric.falls
        rising = levels[::-1] if falls else levels
        if not (rising[0] > 0 and all(low < high for low, high in pairwise(rising))):
            lines = ", ".join(f"{k} {plain(v)}" for k, v in self.stated.items())
            order = " > ".join([*self.stated, "0"]) if falls else " < ".join(["0", *self.stated])
            raise ValueError(f"lines out of order: {lines}; expected {order}")

    @property
    def stated(self) -> dict[str, Decimal]:
        """The lines that there are, by name, the mildest first."""
        lines = {
            "initial": self.initial,
            "margin_call": self.margin_call,
            "liquidation": self.liquidation,
            "immediate": self.immediate,
        }
        return {name: level for name, level in lines.items() if level is not None}

    @property
    def shown(self) -> dict[str, str]:
        """The same as plain text."""
        return {name: plain(level) for name, level in self.stated.items()}

    @property
    def first(self) -> Decimal:
        """The line at which a group leaves stage normal: the margin call's, or liquidation's where there is no such call."""
        return self.liquidation if self.margin_call is None else self.margin_call

    @property
    def falls(self) -> bool:
        """A lower figure is worse."""
        return self.metric.falls

    def eased(self, level: Decimal, margin: Decimal) -> Decimal:
        """The level that lies a margin on the good side of another."""
        return level + margin if self.falls else level - margin

    def is_worse(self, level: Decimal, other: Decimal) -> bool:
        """A group meets `other` before it meets `level`."""
        return level < other if self.falls else level > other

    def worst(self, levels: Iterable[Decimal]) -> Decimal | None:
        """The level that a group meets last."""
        return (min if self.falls else max)(levels, default=None)

    def mildest(self, levels: Iterable[Decimal]) -> Decimal | None:
        """The level that a group meets first."""
        return (max if self.falls else min)(levels, default=None)


def lines_of(overrides: Mapping[str, Decimal], defaults: Thresholds) -> Thresholds:
    """The group's own lines over the product's (rule 9). Raises ValueError when they are out of order or are none."""
    for name in overrides:
        if name not in defaults.stated:
            raise ValueError(f"the product has no line {name}; it has: {', '.join(defaults.stated)}")
    return msgspec.structs.replace(defaults, **overrides) if overrides else defaults
