"""A group as it would stand after a reload: worked out again under other rules, and decided as core decides then."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import msgspec

from monitor.core.deadlines import OVERDUE
from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import Prices
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.stages.decision import WeighedGroup, judge, move
from monitor.core.stages.maturity import dates, ran
from monitor.core.stages.stages import Signal, Stage
from monitor.core.valuation.valuation import Weight, holding

Decide = Callable[[Sight, Weight, Prices, datetime], Stage]
"""The stage of a group after an evaluation at some prices."""


def renewed(sight: Sight, rules: Rules, at: datetime) -> Sight:
    """The group with what it holds and owes under other rules."""
    return sight._replace(held=holding(sight.group, rules.product_of(sight.group), at))


def by_reload(how: Lifecycle) -> Decide:
    """Decides as a reload does: a hold may be over by its new length, and a date of a loan may have passed by new rules."""

    def decide(sight: Sight, weight: Weight, on: Prices, at: datetime) -> Stage:
        held = sight.held
        is_known = held.assets <= on.usd.keys()
        blind = not is_known or not on.untrusted.isdisjoint(held.assets)
        seen = WeighedGroup(sight.group, held, weight, blind, at, is_settled=False)
        # While a price is missing a clear hold is dropped, and dates that are past wait for it.
        before = sight.state if is_known else msgspec.structs.replace(sight.state, below_since=None)
        state, _ = judge("", before, seen, how)
        if not is_known:
            return state.stage
        for due, kind, loan in dates(sight.group.loans, state, held.version, sight.put_at):
            if due <= sight.put_at and kind == OVERDUE:
                state, _ = move("", ran(state, loan, kind), Signal.OVERDUE, at, held, weight)
        return state.stage

    return decide
