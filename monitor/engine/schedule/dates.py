"""The dates of term loans by column (core.stages.maturity says them exactly, loan by loan)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import NamedTuple

import numpy as np

from monitor.core.deadlines import MATURING, RENEWAL
from monitor.core.instants import DAY_US, MICROSECOND
from monitor.core.rules.product import Version
from monitor.core.stages.maturity import NEWS, lead
from monitor.core.stages.stages import GroupState
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import I64, NEVER, Bools
from monitor.engine.columns.names import Names


class Dates(NamedTuple):
    """[l] each, in microseconds since 1970. NEVER for an open term, a repaid loan, and news that is never told."""

    rows: I64
    opens: I64
    nears: I64
    matures: I64

    def first(self, count: int) -> I64:
        """[n] The first date of each of n groups."""
        found = np.full(count, NEVER)
        np.minimum.at(found, self.rows, np.minimum(np.minimum(self.opens, self.nears), self.matures))
        return found

    def within(self, after: int, until: int) -> list[int]:
        """Rows that have a date in (after, until]."""
        near = [(each > after) & (each <= until) for each in (self.opens, self.nears, self.matures)]
        rows: list[int] = np.unique(self.rows[near[0] | near[1] | near[2]]).tolist()
        return rows

    def untold(self, count: int, now: int, state_of: Callable[[int], GroupState | None]) -> list[int]:
        """Rows with a loan whose latest news up to a time has not been told. `state_of` gives None for an untouched group.

        News is told on its date, so rows are found only after dates moved. Groups that wait for a first price may be
        among them.
        """
        times = np.stack([self.opens, self.nears, self.matures])
        times = np.where(times <= now, times, -NEVER)
        latest = len(times) - 1 - np.argmax(times[::-1], axis=0)
        is_past = times.max(axis=0, initial=-NEVER) > -NEVER
        due = [np.bincount(self.rows[is_past & (latest == kind)], minlength=count) for kind in range(len(times))]
        rows = np.flatnonzero(due[0] + due[1] + due[2]).tolist()
        return [row for row in rows if _told(state_of(row)) != tuple(int(each[row]) for each in due)]


def _told(state: GroupState | None) -> tuple[int, int, int]:
    """How many loans have each kind of news as their last."""
    if state is None:
        return 0, 0, 0
    said = [*{mark[:2]: mark[2] for mark in state.neared}.values()]
    return said.count(NEWS[RENEWAL]), said.count(NEWS[MATURING]), len(state.noted)


def dates_of(block: Block, names: Names, versions: Mapping[int, Version]) -> Dates:
    """The dates of all loans of a block, by the versions in force."""
    rows, matures = block.loan_rows(), block.matures(names)
    matures = np.where(block.is_owed() & (matures != -1), matures, NEVER)
    product = block.columns.product[rows]
    leads = [lead(versions[place]) if place in versions else (None, None) for place in range(len(names.products))]
    window, notice = np.array([[_micros(each[0]), _micros(each[1])] for each in leads], np.int64).reshape(-1, 2).T
    opens = _before(matures // DAY_US * DAY_US, window[product], matures != NEVER)
    return Dates(rows, opens, _before(matures, notice[product], matures != NEVER), matures)


def has_other_dates(before: Mapping[int, Version], now: Mapping[int, Version]) -> bool:
    """Loans have their news at other times than before, or become overdue at others."""
    kinds = before.keys() & now.keys()
    return any((*lead(before[k]), before[k].overdue_after) != (*lead(now[k]), now[k].overdue_after) for k in kinds)


def _before(times: I64, by: I64, is_dated: Bools) -> I64:
    is_told = is_dated & (by != NEVER)
    return np.where(is_told, times - np.where(is_told, by, 0), NEVER)


def _micros(duration: timedelta | None) -> int:
    return NEVER if duration is None else duration // MICROSECOND
