"""The stages of a loan group and the table by which it moves between them (decision 11).

A group is `normal` until its LTV reaches a line. At the margin-call line it enters `margin_call`: a warning, cured by
pledging more or repaying. At the liquidation line the loans are due to be liquidated at once (`liquidation`). A group that is
enrolled in delayed liquidation has a grace period first (`delayed_liquidation`): it ends well only at the initial level, and
at once when LTV goes above `immediate`. A loan that is not repaid within a day of its maturity is liquidated from any stage,
and so is a group of which the lender's own system says that it liquidates (decision 80). A margin call that has a clock and
expires may lead to a grace period or to liquidation (decision 98).
An episode is the time from leaving `normal` to returning, or to the closing of the group: that is no row of the table, as the
group has no stage afterwards.

Each evaluation and each deadline first says what it saw, in one word (a Signal); the table says what follows from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, Literal, NamedTuple

import msgspec

from monitor.core.instants import MICROSECOND
from monitor.core.loans.group import Contact
from monitor.core.rules.settings import Lifecycle
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.calls import MarginCall, PendingSubstitution
from monitor.core.valuation.valuation import IMMEDIATE as IMMEDIATE_BAND
from monitor.core.valuation.valuation import LIQUIDATION as LIQUIDATION_BAND
from monitor.core.valuation.valuation import MARGIN_CALL as MARGIN_CALL_BAND
from monitor.core.valuation.valuation import Holding, Weight

Stage = Literal["normal", "margin_call", "delayed_liquidation", "liquidation"]
NORMAL: Final = "normal"
MARGIN_CALL: Final = "margin_call"
DELAYED: Final = "delayed_liquidation"
LIQUIDATION: Final = "liquidation"
STAGES: tuple[Stage, ...] = (NORMAL, MARGIN_CALL, DELAYED, LIQUIDATION)
STAGE_RANK: Mapping[str, int] = {stage: rank for rank, stage in enumerate(reversed(STAGES))}
"""The worst first, as lists are."""

OPENED = "loan_group.margin_call.opened"
STARTED = "loan_group.delayed_liquidation.started"
TRIGGERED = "loan_group.liquidation.triggered"
CALL_CURED = "loan_group.margin_call.cured"
DELAY_CURED = "loan_group.delayed_liquidation.cured"
CLEARED = "loan_group.liquidation.cleared"
CALL_REMINDER = "loan_group.margin_call.reminder"
DELAY_REMINDER = "loan_group.delayed_liquidation.reminder"
DEADLINE_MOVED = "loan_group.delayed_liquidation.extended"
EARLY_WARNING = "loan_group.early_warning"
CLOSED = "loan_group.closed"

CALL_DUE = "loan_group.margin_call.due"
CALL_PARTLY_MET = "loan_group.margin_call.partly_met"
CALL_MET = "loan_group.margin_call.met"
CALL_WITHDRAWN = "loan_group.margin_call.withdrawn"
CALL_EXPIRED = "loan_group.margin_call.expired"
CALL_DISPUTED = "loan_group.margin_call.disputed"
RETURNABLE = "loan_group.collateral.returnable"

OVERDUE_REASON = "overdue"
CALL_REASON = "call_expired"
LENDER_REASON = "lender"


class Signal(StrEnum):
    """What an evaluation or a deadline saw."""

    CALL = "LTV in the margin-call band"
    GRACE = "LTV in the liquidation band, enrolled in delayed liquidation"
    BREACH = "LTV at or above the liquidation line, not enrolled"
    IMMEDIATE = "LTV above the immediate line, enrolled"
    GRACE_OVER = "the grace period ended"
    OVERDUE = "a loan is a day past its maturity"
    LENDER = "the lender's own system liquidates"
    CALL_TO_GRACE = "a margin call expired, and its grace period begins"
    CALL_OVER = "a margin call expired, and the product liquidates then"
    INITIAL = "LTV at or below the initial level, or no debt"
    HELD = "LTV below the margin-call line by the clear margin throughout the clear hold"


class Move(NamedTuple):
    """A row of the table: where to, what is said, and the reason that it gives."""

    stage: Stage
    alert: str
    reason: str = "ltv"


_TRIGGERED = {
    Signal.BREACH: Move(LIQUIDATION, TRIGGERED, "ltv"),
    Signal.IMMEDIATE: Move(LIQUIDATION, TRIGGERED, "immediate"),
    Signal.GRACE_OVER: Move(LIQUIDATION, TRIGGERED, "grace_expired"),
    Signal.OVERDUE: Move(LIQUIDATION, TRIGGERED, OVERDUE_REASON),
    Signal.LENDER: Move(LIQUIDATION, TRIGGERED, LENDER_REASON),
    Signal.CALL_OVER: Move(LIQUIDATION, TRIGGERED, CALL_REASON),
}

TABLE: Mapping[tuple[Stage, Signal], Move] = {
    (NORMAL, Signal.CALL): Move(MARGIN_CALL, OPENED),
    (NORMAL, Signal.GRACE): Move(DELAYED, STARTED),
    (NORMAL, Signal.BREACH): _TRIGGERED[Signal.BREACH],
    (NORMAL, Signal.IMMEDIATE): _TRIGGERED[Signal.IMMEDIATE],
    (NORMAL, Signal.OVERDUE): _TRIGGERED[Signal.OVERDUE],
    (NORMAL, Signal.LENDER): _TRIGGERED[Signal.LENDER],
    (MARGIN_CALL, Signal.GRACE): Move(DELAYED, STARTED),
    (MARGIN_CALL, Signal.BREACH): _TRIGGERED[Signal.BREACH],
    (MARGIN_CALL, Signal.IMMEDIATE): _TRIGGERED[Signal.IMMEDIATE],
    (MARGIN_CALL, Signal.OVERDUE): _TRIGGERED[Signal.OVERDUE],
    (MARGIN_CALL, Signal.LENDER): _TRIGGERED[Signal.LENDER],
    (MARGIN_CALL, Signal.CALL_TO_GRACE): Move(DELAYED, STARTED, CALL_REASON),
    (MARGIN_CALL, Signal.CALL_OVER): _TRIGGERED[Signal.CALL_OVER],
    (MARGIN_CALL, Signal.INITIAL): Move(NORMAL, CALL_CURED),
    (MARGIN_CALL, Signal.HELD): Move(NORMAL, CALL_CURED),
    (DELAYED, Signal.IMMEDIATE): _TRIGGERED[Signal.IMMEDIATE],
    (DELAYED, Signal.GRACE_OVER): _TRIGGERED[Signal.GRACE_OVER],
    (DELAYED, Signal.OVERDUE): _TRIGGERED[Signal.OVERDUE],
    (DELAYED, Signal.LENDER): _TRIGGERED[Signal.LENDER],
    (DELAYED, Signal.INITIAL): Move(NORMAL, DELAY_CURED),
    (LIQUIDATION, Signal.INITIAL): Move(NORMAL, CLEARED),
}

SKIPPED: Mapping[tuple[Stage, Signal], tuple[str, ...]] = {
    (NORMAL, Signal.GRACE): (OPENED,),
    (NORMAL, Signal.BREACH): (OPENED,),
    (NORMAL, Signal.IMMEDIATE): (OPENED, STARTED),
    (MARGIN_CALL, Signal.IMMEDIATE): (STARTED,),
}
"""What one event passed over on its way to the worst (rule 16): named in `suppressed`, and sent nowhere."""


class Ack(msgspec.Struct, frozen=True, omit_defaults=True):
    """Somebody has the group's stage in hand: no reminder goes out meanwhile. It ends with the next change of stage."""

    by: str
    at: datetime
    alert: str
    """The alert that was acknowledged."""
    note: str = ""
    until: datetime | None = None
    labels: Mapping[str, str] | None = None
    """The group's labels then: a scope that they are outside of does not see who has it in hand."""


class OtherLines(msgspec.Struct, frozen=True, omit_defaults=True):
    """Lines that hold until a time in place of those that the group's line states."""

    lines: Mapping[str, Decimal]
    until: datetime
    by: str
    """The entry or the lever."""
    stated: Mapping[str, Decimal] = {}
    """Those that the group's line states itself: they hold again afterwards."""


class OtherProduct(msgspec.Struct, frozen=True):
    """The group was moved: while its book names `stated`, it is under `now`."""

    stated: str
    now: str
    by: str
    """The entry or the lever."""


class LenderReading(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the lender's own system says of a group, as a source of books has read it (decision 80)."""

    group_id: str
    level: Decimal | None
    """In the metric of the group's product; None where the lender leaves it empty: unknown, never zero."""
    stage: Stage | None
    """In our words; None where the lender states none."""
    words: str
    """The lender's own words: `Liquidating`, `liqStatus 3`."""
    deadline: datetime | None
    """When the lender's own clock ends its grace period."""
    as_of: datetime
    """When the lender said it."""
    figures: Mapping[str, str] = {}
    """What else it states, shown as it stands."""


class LenderView(msgspec.Struct, frozen=True, omit_defaults=True):
    """The last reading of a group, and what was told of it."""

    source: str
    reading: LenderReading
    told: Mapping[str, str] = {}
    """By cause (`level`, `stage`, `deadline`), in which it differs from ours: what the desk was told of it."""
    agreed_since: datetime | None = None
    """Since when all that was told agrees again; None while it does not."""
    is_compared: bool = True
    """False where our prices were not trusted: then only a worse stage or an earlier deadline of the lender is told."""


NO_FIGURES = msgspec.Raw(b"null")


class ClosedLife(msgspec.Struct, frozen=True, omit_defaults=True):
    """A group that a snapshot left out: what it was, so that it can go on when the next one names it again."""

    at: datetime
    source: str
    product: str
    labels: Mapping[str, str]
    version: int
    state: GroupState
    receiving_account: str = ""
    contacts: Mapping[str, tuple[Contact, ...]] = {}
    blind: bool = False
    figures: msgspec.Raw = NO_FIGURES
    """Those of its last moment, where it was in an episode: `Figures` of core.alerts as JSON, a type that stands above."""


class GroupState(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where a group stands: all that must survive a restart beside the book itself."""

    group: str
    stage: Stage = NORMAL
    reason: str | None = None
    """Why it is in liquidation: ltv, immediate, grace_expired, overdue, lender, call_expired."""
    episode: int = 0
    sequence: int = 0
    since: datetime | None = None
    """When it entered its stage."""
    deadline: datetime | None = None
    """End of the grace period, wall clock."""
    warned: tuple[Decimal, ...] = ()
    """Early-warning levels that are used up, rising."""
    below_since: datetime | None = None
    """First evaluation of the running clear hold."""
    reminded_at: datetime | None = None
    last_alert: str | None = None
    """Id of the last stage alert of this episode."""
    waived_until: datetime | None = None
    noted: tuple[tuple[str, datetime], ...] = ()
    """Loans (id, maturity) whose `loan.overdue` was said."""
    called: tuple[tuple[str, datetime], ...] = ()
    """Loans (id, maturity) whose overdue deadline has run."""
    neared: tuple[tuple[str, datetime, str], ...] = ()
    """Loans (id, maturity) not yet matured, and what was said, in order: `loan.renewal_open` or `loan.maturing`.

    Older stores have the last alone."""
    short: tuple[str, ...] = ()
    """Coins whose stated Spot balances do not pay the interest that is owed in them (rule 28), rising."""
    ack: Ack | None = None
    ceilings: tuple[tuple[str, str], ...] = ()
    """By silence: the stage that the group was in when it was silenced, as far as it has moved since."""
    silence: str | None = msgspec.field(default=None, name="hushed")
    """The silence that hid the alert of its stage; told again when that ends."""
    lender: LenderView | None = None
    """What the lender's own system said last."""
    life: int = 0
    """How often the id was closed before: a former life's history and entries are not its own. Of a closed one: the next."""
    closed: ClosedLife | None = None
    """Only of a closed group that may still come back as it was."""
    other_lines: OtherLines | None = None
    other_product: OtherProduct | None = None
    call: MarginCall | None = None
    """The last call of this episode, where the product's calls have an amount and a clock."""
    substitutions: tuple[PendingSubstitution, ...] = ()
    returnable: Decimal | None = None
    """What was said last that may be asked back, USD of recognised value."""

    @property
    def lender_liquidates(self) -> bool:
        """By the lender's last reading. No level of ours clears a liquidation meanwhile."""
        return self.lender is not None and self.lender.reading.stage == LIQUIDATION


UNTOUCHED = GroupState("")
"""The state of an untouched group, without its id."""


def signal_of(stage: Stage, band: str, is_enrolled: bool, is_initial: bool) -> Signal | None:
    """What an evaluation saw, the worst first. A group already in its grace period keeps it when it leaves the scheme."""
    if band == IMMEDIATE_BAND:
        return Signal.IMMEDIATE if is_enrolled or stage == DELAYED else Signal.BREACH
    if band == LIQUIDATION_BAND:
        return Signal.GRACE if is_enrolled or stage == DELAYED else Signal.BREACH
    if band == MARGIN_CALL_BAND:
        return Signal.CALL
    return Signal.INITIAL if is_initial else None


def grace_reminder_due(state: GroupState, lifecycle: Lifecycle) -> datetime | None:
    """The next reminder of a grace period: a set time before its deadline, after its start and after the last one."""
    if state.deadline is None or state.since is None:
        return None
    after = reminders_after(state, state.since)
    times = [state.deadline - before for before in lifecycle.grace_reminders]
    return min((t for t in times if t > after), default=None)


def call_reminder_due(state: GroupState, lifecycle: Lifecycle) -> datetime | None:
    """The next repeat of a margin call, counted forward from its opening."""
    if state.since is None or not lifecycle.margin_call_repeat:
        return None
    after = reminders_after(state, state.since)
    return after + lifecycle.margin_call_repeat - (after - state.since) % lifecycle.margin_call_repeat


def reminder_due(state: GroupState, lifecycle: Lifecycle) -> datetime | None:
    """The next reminder of the stage, if it has any."""
    if state.ack is not None and state.ack.until is None:
        return None
    if state.stage == DELAYED:
        return grace_reminder_due(state, lifecycle)
    return call_reminder_due(state, lifecycle) if state.stage == MARGIN_CALL else None


def reminders_after(state: GroupState, began: datetime) -> datetime:
    """Reminders at this time and before it are over: told, or passed over while somebody had the group in hand."""
    after = max(began, state.reminded_at or began)
    if state.ack is None or state.ack.until is None:
        return after
    # One that is due at the very end of the acknowledgement is told again.
    return max(after, state.ack.until - MICROSECOND)


def unacknowledged(state: GroupState, at: datetime) -> GroupState:
    """The group is in hand no longer. Reminders that were due meanwhile are not sent later."""
    since = state.since or at
    return msgspec.structs.replace(state, ack=None, reminded_at=max(state.reminded_at or since, at))


def warnings_reached(held: Holding, weight: Weight) -> tuple[Decimal, ...]:
    """The early-warning levels that the group is at or beyond; those at or beyond its first line are ignored."""
    if not weight.debt:
        return ()
    lines = held.lines
    levels = held.version.warnings
    return tuple(w for w in levels if lines.is_worse(lines.first, w) and weight.reaches(w, lines.falls))


def warnings_kept(used: tuple[Decimal, ...], margin: Decimal, weight: Weight, lines: Thresholds) -> tuple[Decimal, ...]:
    """The used-up levels that are not yet armed again: a level re-arms at LTV < level - clear margin.

    Without debt LTV is 0, which is not below a level that the margin brings to 0 or less.
    """
    return tuple(w for w in used if not (weight.below(eased := lines.eased(w, margin), lines.falls) and eased > 0))
