"""Holds what a lender's own system says of a group against ours, and tells the worse of the two (decision 80).

Good news by the lender never cures ours, and a group that the lender liquidates is in liquidation here. A difference is told
once for each cause; its end is told when readings have agreed for a while.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from monitor.core.alerts.alert_type import CRITICAL, INFO, WARNING
from monitor.core.alerts.catalogue import BOOK_AGREED, BOOK_DRIFT
from monitor.core.events.events import LenderSaid
from monitor.core.groups.loan_book import weigh_now
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.money import places, plain, round_down
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.decision import move, say
from monitor.core.stages.stages import (
    LIQUIDATION,
    MARGIN_CALL,
    STAGE_RANK,
    GroupState,
    LenderReading,
    LenderView,
    Signal,
    Stage,
)
from monitor.core.text import plain_or_none, stamp, stamp_or_none
from monitor.core.valuation.shown_figures import figure_of
from monitor.core.valuation.valuation import Weight
from monitor.core.watch.effects import GroupEffects
from monitor.core.watch.watcher import Ground

LEVEL, STAGE, DEADLINE = "level", "stage", "deadline"
SAME_CLOCK = timedelta(seconds=60)
"""Deadlines that differ by less are the same: lenders state seconds that are left, and answer seconds later."""
HALF = Decimal("0.5")
MOST_LEVEL = Decimal(10**9)
LEVEL_UNIT = Decimal("1e-18")


class Differences(NamedTuple):
    """One reading against ours. A cause that is in neither cannot be judged now, and stays as it was told."""

    differs: Mapping[str, str]
    """By cause, in what: the lender's stage; `earlier` or `later`."""
    agrees: frozenset[str]
    worse: frozenset[str] = frozenset()
    """Causes in which the lender is worse, or earlier."""


class _Telling(NamedTuple):
    """What is told of a group."""

    type: str
    causes: tuple[str, ...]
    severity: str


class LenderWatch:
    """The last reading of each group is kept in the group's own state: it ends with the group."""

    def __init__(self, ground: Ground, effects: GroupEffects) -> None:
        self._ground = ground
        self._effects = effects

    def take(self, event: LenderSaid, out: Outcome) -> None:
        """Readings of groups that are under watch; others are not ours."""
        for reading in event.readings:
            record = self._ground.book.find(reading.group_id)
            if record is None:
                continue
            was = record.state.lender
            if was is None or was.source != event.source or reading.as_of >= was.reading.as_of:
                self._read(record, LenderView(event.source, _tame(reading)), event.at, out)

    def close(self, record: GroupRecord, at: datetime, out: Outcome) -> None:
        """The group is watched no longer: what was told of it is over."""
        view = record.state.lender
        if view is not None and view.told:
            self._keep(record, msgspec.structs.replace(view, told={}, agreed_since=None), out)
            self._tell(record, _Telling(BOOK_AGREED, tuple(view.told), INFO), at, out)

    def _read(self, record: GroupRecord, view: LenderView, at: datetime, out: Outcome) -> None:
        weigh_now(record, self._ground.board)
        was = record.state
        kept = was.lender
        view = msgspec.structs.replace(
            view,
            told=kept.told if kept else {},
            agreed_since=kept.agreed_since if kept else None,
            is_compared=not record.blind,
        )
        self._keep(record, view, out)
        owes = any(loan.is_owed for loan in record.group.loans)
        if record.state.lender_liquidates and owes and record.state.stage != LIQUIDATION:
            name = self._ground.rules.name
            verdict = move(name, record.state, Signal.LENDER, at, record.held, record.weight)
            self._effects.follow_and_plan(record, verdict, out, {"lender": _theirs(view.reading)})
        elif was.lender_liquidates and not record.state.lender_liquidates:
            # The lender's word alone cures nothing, but it no longer stands against a level that does.
            self._effects.decide(record, at, out, is_settled=False)
        self._compare(record, view, at, out)

    def _compare(self, record: GroupRecord, view: LenderView, at: datetime, out: Outcome) -> None:
        rules = self._ground.rules.lender
        found = compare(view.reading, record.state, record.held.lines, _trusted(record), rules.max_difference)
        new = {cause: what for cause, what in found.differs.items() if _is_news(cause, what, view.told)}
        if new:
            severity = CRITICAL if not found.worse.isdisjoint(new) else WARNING
            view = msgspec.structs.replace(view, told={**view.told, **new}, agreed_since=None)
            self._keep(record, view, out)
            self._tell(record, _Telling(BOOK_DRIFT, tuple(new), severity), at, out)
            return
        since = None
        if view.told and view.told.keys() <= found.agrees:
            since = view.agreed_since or at
        if since is not None and at - since >= rules.agrees_for:
            over = _Telling(BOOK_AGREED, tuple(view.told), INFO)
            self._keep(record, msgspec.structs.replace(view, told={}, agreed_since=None), out)
            self._tell(record, over, at, out)
        elif since != view.agreed_since:
            self._keep(record, msgspec.structs.replace(view, agreed_since=since), out)

    def _keep(self, record: GroupRecord, view: LenderView, out: Outcome) -> None:
        self._effects.follow(record, (msgspec.structs.replace(record.state, lender=view), None), out)

    def _tell(self, record: GroupRecord, what: _Telling, at: datetime, out: Outcome) -> None:
        weigh_now(record, self._ground.board)
        verdict = say(self._ground.rules.name, record.state, what.type, at, "lender")
        facts = {"causes": list(what.causes), "severity": what.severity, **_facts(record)}
        self._effects.follow(record, verdict, out, facts)


def _tame(reading: LenderReading) -> LenderReading:
    """A level that exact arithmetic can hold beside prices: without debt a chain states 2 to the 256th."""
    level = reading.level
    if level is None or (abs(level) <= MOST_LEVEL and places(level) <= 18):
        return reading
    kept = MOST_LEVEL.copy_sign(level) if abs(level) > MOST_LEVEL else round_down(level, LEVEL_UNIT)
    return msgspec.structs.replace(reading, level=kept)


def compare(
    reading: LenderReading, state: GroupState, lines: Thresholds, weight: Weight | None, most: Decimal
) -> Differences:
    """What the lender says against ours. `weight` is None while our prices are missing or not trusted.

    Then only what is worse or earlier by the lender is judged: that does not rest on our prices.
    """
    differs: dict[str, str] = {}
    agrees: set[str] = set()
    worse: set[str] = set()
    if reading.level is not None and weight is not None:
        if level_differs(reading.level, weight, most, falls=lines.falls):
            differs[LEVEL] = ""
        elif not level_differs(reading.level, weight, most * HALF, falls=lines.falls):
            agrees.add(LEVEL)
    if reading.stage is None or reading.stage == state.stage:
        agrees.add(STAGE)
    elif STAGE_RANK[reading.stage] < STAGE_RANK[state.stage]:
        differs[STAGE] = reading.stage
        worse.add(STAGE)
    elif weight is not None:
        if _only_holds(state, weight, lines):
            agrees.add(STAGE)
        else:
            differs[STAGE] = reading.stage
    if reading.deadline is None or (state.deadline and abs(reading.deadline - state.deadline) < SAME_CLOCK):
        agrees.add(DEADLINE)
    elif state.deadline is None or reading.deadline < state.deadline:
        differs[DEADLINE] = "earlier"
        worse.add(DEADLINE)
    else:
        differs[DEADLINE] = "later"
    return Differences(differs, frozenset(agrees), frozenset(worse))


def level_differs(level: Decimal, weight: Weight, most: Decimal, *, falls: bool) -> bool:
    """Whether two levels are further apart than this, as debt over recognised value. Exact, without a division.

    Where the metric falls its inverse is compared: near the lines both ways are the same, and a level of 900 is no drift
    from one of 800. A level at or below zero is beyond all lines, as recognised value at or below zero is.
    """
    debt, recognised = weight.debt, weight.recognised
    if not debt:
        return (not falls or level <= 0) and abs(level) > most
    if recognised <= 0:
        return level > 0 if falls else True
    if not falls:
        return abs(debt - level * recognised) > most * recognised
    if level <= 0:
        return True
    return abs(debt * level - recognised) > most * recognised * level


def _only_holds(state: GroupState, weight: Weight, lines: Thresholds) -> bool:
    """We are in a margin call that our own level has left: it only waits out its hold or its margin."""
    return state.stage == MARGIN_CALL and weight.below(lines.first, lines.falls)


def _trusted(record: GroupRecord) -> Weight | None:
    return None if record.blind else record.weight


def _is_news(cause: str, what: str, told: Mapping[str, str]) -> bool:
    """A cause that is not told yet, a stage that is worse than the one that was told, or a clock that is now earlier."""
    if cause not in told:
        return True
    if cause == STAGE:
        return STAGE_RANK[what] < STAGE_RANK[told[cause]]
    return cause == DEADLINE and (told[cause], what) == ("later", "earlier")


def _facts(record: GroupRecord) -> dict[str, Any]:
    state, weight = record.state, record.weight
    view = state.lender
    assert view is not None, "only of a reading something is told"
    reading = view.reading
    level = figure_of(record.held, weight) if weight is not None else None
    metric = record.held.lines.metric.title
    ours = stage_words(state.stage)
    ours += f" at {metric} {plain(level)}" if level is not None else ""
    ours += f", deadline {stamp(state.deadline)}" if state.deadline is not None else ""
    return {
        "says": f"the lender: {_theirs(reading)}; here: {ours}",
        "source": view.source,
        "words": reading.words,
        "as_of": stamp(reading.as_of),
        "lender_level": plain_or_none(reading.level),
        "our_level": plain_or_none(level),
        "lender_stage": reading.stage,
        "our_stage": state.stage,
        "lender_deadline": stamp_or_none(reading.deadline),
        "our_deadline": stamp_or_none(state.deadline),
    }


def _theirs(reading: LenderReading) -> str:
    """`liquidation (Liquidating), deadline 2026-11-22T14:05:00.000Z, level 0.93`"""
    stage = stage_words(reading.stage) if reading.stage is not None else "no stage stated"
    words = f" ({reading.words})" if reading.words else ""
    deadline = f", deadline {stamp(reading.deadline)}" if reading.deadline is not None else ""
    level = f", level {plain(reading.level)}" if reading.level is not None else ""
    return f"{stage}{words}{deadline}{level}"


def stage_words(stage: Stage) -> str:
    """A stage as people write it."""
    return stage.replace("_", " ")
