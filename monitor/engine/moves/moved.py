"""The groups of a tick that took a plain step: cut out of their blocks, with the prices and rules that decided."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import NamedTuple

import numpy as np

from monitor.core.alerts.alert import Figures
from monitor.core.alerts.light import StagedForm
from monitor.core.groups.loan_book import weigh_now
from monitor.core.groups.loan_history import sums_of
from monitor.core.groups.plain_moves import Disproof, Disproved
from monitor.core.groups.record import GroupRecord
from monitor.core.money import exact
from monitor.core.prices.frame_columns import BoardView
from monitor.core.prices.good_prices import GoodPrices
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState, Signal, Stage, signal_of
from monitor.core.valuation.valuation import band
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names


class PlainStep(NamedTuple):
    """What was decided about a group by column."""

    stage: Stage
    """Where it stood."""
    signal: Signal


class Decided(NamedTuple):
    """By what groups were decided, all of one instant."""

    rules: Rules
    at: datetime
    """Up to which interest counts."""
    view: BoardView


class CutBy(NamedTuple):
    """What those who cut the groups out know besides."""

    debts: Sequence[float]
    """[n] What each owes in USD, by the screen; nothing where they were read back from a form without it."""
    disproved: Disproved
    stage: Callable[[CutGroups], StagedForm]


class CutGroups:
    """A DecidedGroups whose groups lie in a block of their own."""

    def __init__(self, block: Block, names: Names, steps: Sequence[PlainStep], decided: Decided, by: CutBy) -> None:
        self.block = block
        self.names = names
        self.steps = steps
        self.decided = decided
        self.debts = by.debts
        self._by = by

    def figures(self, place: int) -> Figures:
        """See LaterFigures."""
        with exact():
            return self._record(place).figures(self.prices)

    def sums(self, place: int) -> Mapping[str, str | None]:
        """See DecidedGroups."""
        with exact():
            return sums_of(self._record(place), self.prices.usd)

    def debt(self, place: int) -> float:
        """See LaterFigures."""
        return self.debts[place] if self.debts else 0.0

    def staged(self) -> StagedForm:
        """See LaterFigures."""
        return self._by.stage(self)

    @cached_property
    def prices(self) -> GoodPrices:
        """Those of the coins that the groups hold and owe."""
        return GoodPrices.of(self.decided.view, _coins(self.block, self.names))

    def _record(self, place: int) -> GroupRecord:
        """The group as it was decided, weighed exactly and held against the step."""
        stored, step, rules = self.block.record(place, self.names), self.steps[place], self.decided.rules
        record = GroupRecord(stored, GroupState(stored.group.id), rules.product_of(stored.group), self.decided.at)
        weigh_now(record, self.prices)
        self._hold_against(record, step)
        return record

    def _hold_against(self, record: GroupRecord, step: PlainStep) -> None:
        held, weight = record.held, record.weight
        seen = None
        if weight is not None:
            has_grace = record.group.delayed_liquidation or held.version.is_grace_for_all
            seen = signal_of(step.stage, band(weight, held.lines), has_grace, False)
        if seen != step.signal:
            exactly = "" if seen is None else seen.value
            self._by.disproved(Disproof(record.group.id, self.decided.at, step.stage, step.signal.value, exactly))


def _coins(block: Block, names: Names) -> list[str]:
    """What the groups hold and owe."""
    c = block.columns
    used = np.flatnonzero(np.bincount(np.concatenate([c.asset, c.loan_asset])))
    return [names.assets[place] for place in used.tolist()]
