"""What the reference model remembers of a group, what it waits for, and the names of what it can say."""

from base64 import b32encode
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from typing import Any, NamedTuple

from tests.reference.entries import Refused
from tests.reference.figures import ZERO, Figures, Ladder, is_below
from tests.reference.terms import Line

NORMAL, MARGIN_CALL, DELAYED, LIQUIDATION = "normal", "margin_call", "delayed_liquidation", "liquidation"
WARNED = "loan_group.early_warning"
OPENED = "loan_group.margin_call.opened"
STARTED = "loan_group.delayed_liquidation.started"
TRIGGERED = "loan_group.liquidation.triggered"
RENEWAL_OPEN, NEAR_MATURITY, OVERDUE_LOAN = "loan.renewal_open", "loan.maturing", "loan.overdue"
CLOSED = "loan_group.closed"
SHORTFALL, RULES_CHANGED = "loan.interest_shortfall", "rules.changed"
OVERPAID = "loan.overpaid"
REMINDED = {
    MARGIN_CALL: "loan_group.margin_call.reminder",
    DELAYED: "loan_group.delayed_liquidation.reminder",
}
CURED = {
    MARGIN_CALL: "loan_group.margin_call.cured",
    DELAYED: "loan_group.delayed_liquidation.cured",
    LIQUIDATION: "loan_group.liquidation.cleared",
}
SEVERITY = {
    **dict.fromkeys((WARNED, *CURED.values(), CLOSED, RENEWAL_OPEN, NEAR_MATURITY, RULES_CHANGED, OVERPAID), "info"),
    **dict.fromkeys((OPENED, REMINDED[MARGIN_CALL], SHORTFALL), "warning"),
    **dict.fromkeys((STARTED, REMINDED[DELAYED], TRIGGERED, OVERDUE_LOAN), "critical"),
    **{f"loan_group.margin_call.{name}": "info" for name in ("partly_met", "met", "withdrawn")},
    **{f"loan_group.margin_call.{name}": "warning" for name in ("due", "disputed")},
    "loan_group.margin_call.expired": "critical",
    "loan_group.collateral.returnable": "info",
}
LEVELS = ("initial", "margin_call", "liquidation", "immediate")
FIGURES = ("ltv", "debt_usd", "recognised_usd", "market_usd")
NEVER = datetime.max.replace(tzinfo=UTC)

# The order of the deadlines of one group at one time (decision 5).
GRACE, RENEWAL, MATURING, MATURITY, OVERDUE, EXPIRY, HOLD, REMINDER, DUE = range(9)


class Deadline(NamedTuple):
    """What a group waits for, in order of time, then kind, then the loan's place in its line."""

    due: datetime
    kind: int
    loan: int = -1


NO_DEADLINE = Deadline(NEVER, REMINDER)


@dataclass
class Group:
    """A line with its state, and (last part) what follows from both under the rules in force."""

    line: Line
    put_at: datetime

    stage: str = NORMAL
    reason: str = ""  # why it is in liquidation
    episode: int = 0
    sequence: int = 0
    deadline: datetime | None = None  # the end of the grace period
    reminded: datetime = NEVER  # the last reminder, or the stage alert that reminders count from
    hold_since: datetime | None = None
    used_warnings: set[Decimal] = field(default_factory=set)
    last_stage_alert: str | None = None  # of this episode
    ran: set[tuple[int, str, datetime]] = field(default_factory=set)  # loan deadlines that have run
    short: set[str] = field(default_factory=set)  # coins whose interest the Spot balances do not pay
    waived_until: datetime | None = None  # no liquidation of an overdue loan before this
    accrued: dict[str, Decimal] = field(default_factory=dict)  # interest since the put, by loan

    call: Any = None  # the last one of this episode (calls.Call)
    substitutions: dict[str, Any] = field(default_factory=dict)  # deposits whose withdrawal has not come
    returnable: Any = None  # what was said last

    calendar: list[Deadline] = field(default_factory=list)  # loan deadlines to come
    late: list[Deadline] = field(default_factory=list)  # those already past when the line was put
    next: Deadline = NO_DEADLINE
    thresholds: dict[str, Decimal] = field(default_factory=dict)
    warnings: tuple[Decimal, ...] = ()
    holdings: tuple[tuple[str, Decimal, Ladder], ...] = ()
    order_loss: Decimal = ZERO
    debts: tuple[tuple[str, Decimal], ...] = ()  # with the interest of the day
    assets: frozenset[str] = frozenset()
    priced: bool = False

    def inherit(self, before: "Group") -> None:
        """Keep the state of the line that this one replaces (docs/configuration.md)."""
        for name in ("stage", "reason", "episode", "sequence", "deadline", "reminded", "hold_since", "waived_until"):
            setattr(self, name, getattr(before, name))
        self.used_warnings, self.last_stage_alert, self.ran = before.used_warnings, before.last_stage_alert, before.ran
        self.short, self.call, self.substitutions = before.short, before.call, before.substitutions
        self.returnable = before.returnable


def may_run(deadline: Deadline, at: datetime) -> bool:
    """Tell whether a deadline runs before an event at `at`; the clear hold waits for a strictly later one.

    The reminder of the same time queues behind the hold, so that it makes no difference when time is told to pass.
    """
    return deadline.due < at or (deadline.due == at and deadline.kind != HOLD)


def loan_key(group: Group, deadline: Deadline) -> tuple[int, str, datetime]:
    """What makes a loan's deadline the same one after its line was put again; a renewal makes a new one."""
    loan = group.line.loans[deadline.loan]
    assert loan.matures_at is not None
    return deadline.kind, loan.id, loan.matures_at


def allow(group: Group, entry: dict[str, Any], at: datetime) -> None:
    """Take what an entry says of the group's state: a longer grace period, a waiver. Raises Refused."""
    if entry["type"] not in ("extend_grace", "waive"):
        return
    until = datetime.fromisoformat(entry["until"])
    if until <= at or (entry["type"] == "extend_grace" and group.stage != DELAYED):
        raise Refused("there is nothing to extend, or not until then")
    if entry["type"] == "waive":
        group.waived_until = until
    else:
        group.deadline = until


def passed_warnings(group: Group, figures: Figures, falls: bool) -> set[Decimal]:
    """The warning levels at or beyond which the figure is."""
    return {level for level in group.warnings if not is_below(figures, level, falls)}


def alert_id(name: str, subject: str, episode: int, sequence: int, kind: str) -> str:
    """The id of decision 13: a replay finds the same one."""
    parts = (name, subject, str(episode), str(sequence), kind)
    return "evt_" + b32encode(sha256("|".join(parts).encode()).digest()).decode().lower()[:26]
