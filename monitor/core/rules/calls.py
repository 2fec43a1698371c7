"""What a product states of its margin calls: when they are due, how much they ask for, what follows (domain section 10).

A product without a `margin_call_expiry` has none of it: its margin calls are a stage, and no more.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Literal

import msgspec

from monitor.core.money import CENT, ZERO
from monitor.core.rules.thresholds import Thresholds

OnExpiry = Literal["notice", "delayed_liquidation", "liquidation"]
_DAY = timedelta(days=1)
_SATURDAY = 5


class CallRules(msgspec.Struct, frozen=True, omit_defaults=True):
    """The rules of margin calls in one version of a product."""

    expiry: timedelta
    """From the opening of a call until it is due."""
    target: Decimal | None = None
    """The level that a call asks for; None: the group's initial line."""
    step_usd: Decimal = CENT
    """Called amounts are rounded up to a multiple of it."""
    minimum_usd: Decimal = ZERO
    """The minimum transfer: less is neither called, nor missed at expiry, nor offered back."""
    holidays: tuple[date, ...] | None = None
    """Not None: a call that would be due on one of these days or at a weekend is due later, at the same time of day."""
    reminders: tuple[timedelta, ...] = ()
    """How long before it is due a call is told of again."""
    on_expiry: OnExpiry = "notice"
    return_below: Decimal | None = None
    """The level below which collateral may be asked back; None: nothing is said of that."""
    dispute_stops_clock: bool = False

    def due(self, opened_at: datetime) -> datetime:
        """When a call is due that was opened then (section 10.5). Days are those of UTC."""
        due = opened_at + self.expiry
        while self.holidays is not None and (due.weekday() >= _SATURDAY or due.date() in self.holidays):
            due += _DAY
        return due

    def target_of(self, lines: Thresholds) -> Decimal:
        """The level that a call on a group with these lines asks for.

        Lines of a group's own may be milder than the product's target, which would then ask for nothing.
        """
        is_better = self.target is not None and lines.is_worse(lines.first, self.target)
        return self.target if is_better and self.target is not None else lines.initial
