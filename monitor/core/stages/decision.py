"""From what was seen to what follows: the new state of a group and the alert that tells of it. Pure.

One evaluation or deadline causes at most one stage alert, the worst; no early warning comes beside it (decisions 12 and 14).
"""

from __future__ import annotations

import math
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from monitor.core.ids import alert_id
from monitor.core.loans.group import Group, Loan
from monitor.core.rules.product import Version
from monitor.core.rules.settings import Lifecycle
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.stages import (
    CLOSED,
    DELAYED,
    EARLY_WARNING,
    LIQUIDATION,
    MARGIN_CALL,
    NORMAL,
    OPENED,
    OVERDUE_REASON,
    SKIPPED,
    STARTED,
    TABLE,
    TRIGGERED,
    GroupState,
    Signal,
    Stage,
    signal_of,
    warnings_kept,
    warnings_reached,
)
from monitor.core.valuation.valuation import Holding, Weight, band


class Said(msgspec.Struct, frozen=True):
    """What one alert says of a group's stage; its figures are added where the prices are."""

    type: str
    id: str
    at: datetime
    sequence: int
    episode: int
    stage_from: Stage
    stage_to: Stage | None
    """None: the group is watched no longer."""
    reason: str
    deadline: datetime | None = None
    supersedes: str | None = None
    suppressed: tuple[str, ...] = ()


Verdict = tuple[GroupState, Said | None]

_TOLD_BY = {MARGIN_CALL: OPENED, DELAYED: STARTED, LIQUIDATION: TRIGGERED}


class WeighedGroup(NamedTuple):
    """A group at a time, with what it weighed then."""

    group: Group
    held: Holding
    weight: Weight
    blind: bool
    """A price is not trusted: no good news, and no early warning re-arms."""
    at: datetime
    is_settled: bool = True
    """The weight is on the prices of `at`. That of a put, or of interest that is added at the very end of a clear hold, is
    not: prices of the same time come after it, and the hold is decided on those."""


def judge(name: str, state: GroupState, seen: WeighedGroup, how: Lifecycle) -> Verdict:
    """Decides one group."""
    group, held, weight, blind, at, _ = seen
    lines, has_grace = held.lines, group.delayed_liquidation or held.version.is_grace_for_all
    signal = signal_of(state.stage, band(weight, lines), has_grace, weight.at_or_below(lines.initial, lines.falls))
    if state.stage == MARGIN_CALL:
        state, signal = _hold(state, signal, seen, how)
    if signal == Signal.INITIAL and (blind or stays_open(state, group, at)):
        signal = None
    state = state if blind else _warned(state, warnings_kept(state.warned, how.clear_margin, weight, lines))
    if signal is not None and (state.stage, signal) in TABLE:
        return move(name, state, signal, at, held, weight)
    reached = warnings_reached(held, weight)
    if state.stage == NORMAL and not set(reached) <= set(state.warned):
        return say(name, _warned(state, (*state.warned, *reached)), EARLY_WARNING, at)
    return state, None


class Calm(msgspec.Struct, frozen=True):
    """Levels of the metric between which `judge` leaves a group as it is: worse than `low`, better than `high`.

    None: however good, or however bad.
    """

    low: Decimal | None
    high: Decimal | None
    falls: bool = False
    never: bool = False
    """Whatever the level is, there may be something to decide: a margin call with an amount is open."""

    def holds(self, weight: Weight) -> bool:
        """The weight is between the two; a line itself is not, so it never matters which of them are inclusive."""
        debt, counted = weight.debt, weight.recognised
        if self.never:
            return False
        if self.falls:
            return (self.low is None or counted < self.low * debt) and (self.high is None or counted > self.high * debt)
        return (self.low is None or debt > self.low * counted) and (self.high is None or debt < self.high * counted)

    @property
    def bounds(self) -> tuple[float, float]:
        """(low, high) of debt/recognised as the screen takes them, rounded: it guards a line by more than that.

        -1 and infinity where there is no line; -1 is below every group, also one without debt.
        """
        if self.never:
            return math.inf, 0.0
        low, high = (None if level is None else float(level) for level in (self.low, self.high))
        if self.falls:
            return -1.0 if low is None else 1 / low, math.inf if high is None else 1 / high
        return -1.0 if low is None else max(low, -1.0), math.inf if high is None else high


def calm(state: GroupState, held: Holding, how: Lifecycle) -> Calm:
    """The lines that a stage watches (decision 23), so that most evaluations need no judgement.

    While a clear hold runs, its end is a matter of time as well: judge the group then, whatever this says.
    """
    return calm_between(state, held.lines, held.version, how)


def calm_between(state: GroupState, lines: Thresholds, version: Version, how: Lifecycle) -> Calm:
    """The same for groups that have these lines."""
    warnings, returns_below = version.warnings, None if version.calls is None else version.calls.return_below
    if version.calls is not None and (state.call is not None or state.returnable is not None):
        return Calm(None, None, lines.falls, never=True)
    lows, high = [lines.eased(w, how.clear_margin) for w in state.warned], None
    lows += [returns_below] if returns_below is not None else []
    match state.stage:
        case "normal":
            high = lines.mildest([*(w for w in warnings if w not in state.warned), lines.first])
        case "margin_call" if state.below_since is None:
            lows += [lines.initial, lines.eased(lines.first, how.clear_margin)]
            high = lines.liquidation
        case "margin_call":
            lows.append(lines.initial)
            high = lines.eased(lines.first, how.clear_margin)
        case "delayed_liquidation":
            lows.append(lines.initial)
            high = lines.immediate
        case _:
            lows.append(lines.initial)
    return Calm(lines.worst(lows), high, lines.falls)


def _hold(
    state: GroupState, signal: Signal | None, seen: WeighedGroup, how: Lifecycle
) -> tuple[GroupState, Signal | None]:
    """The clear hold of a margin call: starts, is dropped, or ends (decision 6)."""
    _, held, weight, blind, at, is_settled = seen
    lines = held.lines
    if not weight.below(lines.eased(lines.first, how.clear_margin), lines.falls):
        return (state if state.below_since is None else msgspec.structs.replace(state, below_since=None)), signal
    if signal is not None or blind:
        return state, signal
    if state.below_since is None:
        state = msgspec.structs.replace(state, below_since=at)
    assert state.below_since is not None
    end = state.below_since + how.clear_hold
    return state, Signal.HELD if at > end or (at == end and is_settled) else None


def stays_open(state: GroupState, group: Group, at: datetime) -> bool:
    """A liquidation is not cleared while the lender liquidates; one for an overdue loan not while any loan is overdue."""
    if state.stage == LIQUIDATION and state.lender_liquidates and any(loan.is_owed for loan in group.loans):
        return True
    is_overdue_case = state.stage == LIQUIDATION and state.reason == OVERDUE_REASON
    return is_overdue_case and any(is_overdue(loan, at) for loan in group.loans)


def is_overdue(loan: Loan, at: datetime) -> bool:
    """Past its maturity and not repaid (reading A12)."""
    return loan.matures_at is not None and loan.matures_at <= at and loan.is_owed


def move(name: str, state: GroupState, signal: Signal, at: datetime, held: Holding, weight: Weight | None) -> Verdict:
    """Moves by the table and says so. An overdue deadline in liquidation only changes the reason.

    `weight` is None while a price is missing; otherwise the alert uses up the early warnings that it passed.
    """
    row = TABLE.get((state.stage, signal))
    if row is None:
        return (msgspec.structs.replace(state, reason=OVERDUE_REASON) if signal == Signal.OVERDUE else state), None
    if weight is not None:
        state = _warned(state, (*state.warned, *warnings_reached(held, weight)))
    return taken(name, state, signal, at, held.version, held.lines)


def taken(name: str, state: GroupState, signal: Signal, at: datetime, version: Version, lines: Thresholds) -> Verdict:
    """The step of a row of the table, and what tells of it. The state names the early warnings that are used up by now."""
    after, said = stepped(state, signal, at, version, lines)
    id_ = alert_id(name, state.group, said.episode, said.sequence, said.type)
    after = msgspec.structs.replace(after, last_alert=None if after.stage == NORMAL else id_)
    return after, msgspec.structs.replace(said, id=id_)


class TableStep(NamedTuple):
    """A step of the table before its alert has an id: the same for all groups that stand alike."""

    after: GroupState
    said: Said


def stepped(state: GroupState, signal: Signal, at: datetime, version: Version, lines: Thresholds) -> TableStep:
    """As `taken`, without the id of the alert."""
    row = TABLE[state.stage, signal]
    deadline = None
    if row.stage == DELAYED:
        assert version.grace is not None, "a product without a grace period enrols nobody"
        deadline = at + version.grace
    episode, sequence = state.episode + 1 if state.stage == NORMAL else state.episode, state.sequence + 1
    after = msgspec.structs.replace(
        state,
        stage=row.stage,
        reason=row.reason if row.stage == LIQUIDATION else None,
        episode=episode,
        sequence=sequence,
        since=at,
        deadline=deadline,
        below_since=None,
        reminded_at=None,
        ack=None,
    )
    said = Said(
        type=row.alert,
        id="",
        at=at,
        sequence=sequence,
        episode=episode,
        stage_from=state.stage,
        stage_to=row.stage,
        reason=row.reason,
        deadline=deadline,
        supersedes=state.last_alert,
        suppressed=_skipped(state.stage, signal, lines),
    )
    return TableStep(after, said)


def _skipped(stage: Stage, signal: Signal, lines: Thresholds) -> tuple[str, ...]:
    """What a move passed over; a product without a margin call has none to pass over."""
    skipped = SKIPPED.get((stage, signal), ())
    return skipped if lines.margin_call is not None else tuple(type_ for type_ in skipped if type_ != OPENED)


def say(name: str, state: GroupState, type_: str, at: datetime, reason: str = "ltv") -> tuple[GroupState, Said]:
    """An alert that leaves the stage as it is: a warning, a reminder, a loan's maturity."""
    sequence = state.sequence + 1
    id_ = alert_id(name, state.group, state.episode, sequence, type_)
    said = Said(type_, id_, at, sequence, state.episode, state.stage, state.stage, reason, state.deadline)
    return msgspec.structs.replace(state, sequence=sequence), said


def tell_again(name: str, state: GroupState, at: datetime) -> Verdict:
    """The alert of the stage that a group is in, once more: under an id of its own, on the figures of now."""
    after, said = say(name, state, _TOLD_BY[state.stage], at, state.reason or "ltv")
    said = msgspec.structs.replace(said, supersedes=state.last_alert)
    return msgspec.structs.replace(after, last_alert=said.id, silence=None), said


def close(name: str, state: GroupState, at: datetime) -> Verdict:
    """The end of an episode because the group is closed: no cure, as nobody knows what became of its loans."""
    after = GroupState(state.group, episode=state.episode, sequence=state.sequence, life=state.life)
    if state.stage == NORMAL:
        return after, None
    after, said = say(name, after, CLOSED, at, "closed")
    return after, msgspec.structs.replace(said, stage_from=state.stage, stage_to=None, supersedes=state.last_alert)


def _warned(state: GroupState, used: tuple[Decimal, ...]) -> GroupState:
    levels = tuple(sorted(set(used)))
    return state if levels == state.warned else msgspec.structs.replace(state, warned=levels)
