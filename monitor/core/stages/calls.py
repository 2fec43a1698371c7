"""A margin call as a group's state holds it, and the arithmetic of its amount and its clock (domain section 10). Pure.

The called amount is a function of the alert that opened the call: of its debt, its recognised value and the rules of then.
The state holds that amount, and what came since.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from typing import Any, Literal

import msgspec

from monitor.core.money import CENT, ONE, ZERO, divide_down, divide_up, plain
from monitor.core.rules.calls import CallRules
from monitor.core.text import stamp

Kind = Literal["collateral", "repayment"]
CallStatus = Literal["open", "disputed", "expired", "met"]


class Announced(msgspec.Struct, frozen=True, omit_defaults=True):
    """Collateral or a repayment that is said to be on its way (section 10.7). It never counts in LTV."""

    id: str
    """The entry that announced it."""
    kind: Kind
    asset: str
    quantity: Decimal
    """What has not arrived of it."""
    value_usd: Decimal
    """Of that, at the prices of the announcement."""
    expected: datetime


class Dispute(msgspec.Struct, frozen=True, omit_defaults=True):
    """What somebody does not agree to of a call (section 10.8)."""

    id: str
    amount_usd: Decimal
    reason: str
    by: str
    at: datetime
    resolved_at: datetime | None = None


class MarginCall(msgspec.Struct, frozen=True, omit_defaults=True):
    """A call: what was asked for when it was opened, and what has come of it since."""

    number: int
    """In its episode, from 1 on."""
    alert: str
    """Id of the alert that opened it; from its figures anyone recomputes the amount."""
    opened_at: datetime
    due: datetime
    target: Decimal
    amount_usd: Decimal
    received_usd: Decimal = ZERO
    """Repayments and collateral less withdrawals and new loans, each at the prices of its arrival."""
    announced: tuple[Announced, ...] = ()
    disputes: tuple[Dispute, ...] = ()
    """At most one is open, the last."""
    told_at: datetime | None = None
    """Time of the last reminder of its due time."""
    expired_at: datetime | None = None
    met_at: datetime | None = None

    @property
    def outstanding_usd(self) -> Decimal:
        """What is still asked for (section 10.2)."""
        return max(ZERO, self.amount_usd - self.received_usd)

    @property
    def dispute(self) -> Dispute | None:
        """The one that is open."""
        last = self.disputes[-1] if self.disputes else None
        return last if last is not None and last.resolved_at is None else None

    @property
    def is_open(self) -> bool:
        """It can still be met and can still expire."""
        return self.met_at is None and self.expired_at is None

    @property
    def status(self) -> CallStatus:
        """In one word."""
        if self.met_at is not None:
            return "met"
        if self.expired_at is not None:
            return "expired"
        return "open" if self.dispute is None else "disputed"

    def transit_usd(self, at: datetime) -> Decimal:
        """What is on its way and whose own time has not passed."""
        return sum((a.value_usd for a in self.announced if at < a.expected), ZERO)


class PendingSubstitution(msgspec.Struct, frozen=True, omit_defaults=True):
    """The deposit of a substitution, whose withdrawal has not come yet (section 10.10)."""

    id: str
    account: str
    asset: str
    quantity: Decimal


def called_usd(debt: Decimal, recognised: Decimal, target: Decimal, falls: bool, rules: CallRules) -> Decimal:
    """The called amount: the recognised value that brings a group to the target, rounded up (section 10.1)."""
    owes, per = _short(debt, recognised, target, falls)
    steps = divide_up(max(owes, ZERO), per * rules.step_usd, ONE)
    return max(steps * rules.step_usd, rules.minimum_usd)


def is_doubled(debt: Decimal, recognised: Decimal, call: MarginCall, falls: bool) -> bool:
    """What brings the group to the target now is at least twice the amount of the call (section 10.4)."""
    owes, per = _short(debt, recognised, call.target, falls)
    return owes >= 2 * call.amount_usd * per


def returnable_usd(debt: Decimal, recognised: Decimal, level: Decimal, falls: bool) -> Decimal:
    """What may leave of the recognised value while the level stays at or below this one (section 10.9)."""
    owes, per = _short(debt, recognised, level, falls)
    return divide_down(max(-owes, ZERO), per, CENT)


def _short(debt: Decimal, recognised: Decimal, level: Decimal, falls: bool) -> tuple[Decimal, Decimal]:
    """What is short of a level is the first over the second, so that no quotient is rounded before it must be."""
    return (level * debt - recognised, ONE) if falls else (debt - level * recognised, level)


def expires_at(call: MarginCall, rules: CallRules) -> datetime | None:
    """The first time at which the call expires if nothing happens (sections 10.6 to 10.8); None: it does not.

    That is when it is due, unless what is on its way or disputed leaves too little outstanding; then when that counts no
    longer.
    """
    if not call.is_open:
        return None
    ends = (*(a.expected for a in call.announced), *(e for d in call.disputes if (e := excused_until(call, d, rules))))
    times = sorted({call.due, *(end for end in ends if end > call.due)})
    return next((at for at in times if is_missed(call, rules, at)), None)


def is_missed(call: MarginCall, rules: CallRules, at: datetime) -> bool:
    """At a time from its due time on, so much is outstanding that the call expires."""
    excused = sum((d.amount_usd for d in call.disputes if _is_excused(call, d, rules, at)), ZERO)
    left = call.outstanding_usd - call.transit_usd(at) - excused
    return left > 0 and left >= rules.minimum_usd


def excused_until(call: MarginCall, dispute: Dispute, rules: CallRules) -> datetime | None:
    """When the clock of a disputed part ends, where disputes stop it; None: never, or not stopped at all.

    The part has as much longer as the dispute took.
    """
    if not rules.dispute_stops_clock or dispute.resolved_at is None:
        return None
    return call.due + (dispute.resolved_at - dispute.at)


def _is_excused(call: MarginCall, dispute: Dispute, rules: CallRules, at: datetime) -> bool:
    if not rules.dispute_stops_clock:
        return False
    until = excused_until(call, dispute, rules)
    return until is None or at < until


def due_reminder(call: MarginCall, rules: CallRules) -> datetime | None:
    """The next time at which is told again that the call is due."""
    if not call.is_open:
        return None
    after = max(call.opened_at, call.told_at or call.opened_at)
    return min((t for before in rules.reminders if (t := call.due - before) > after), default=None)


def arrived(call: MarginCall, kind: Kind, asset: str, quantity: Decimal) -> MarginCall:
    """The call without what was announced of something that is there now; what is expected first is taken first."""
    left, kept = quantity, []
    for each in sorted(call.announced, key=lambda a: (a.expected, a.id)):
        taken = min(left, each.quantity) if (each.kind, each.asset) == (kind, asset) else ZERO
        left -= taken
        if taken < each.quantity:
            rest = each.quantity - taken
            value = divide_down(each.value_usd * rest, each.quantity, CENT) if taken else each.value_usd
            kept.append(msgspec.structs.replace(each, quantity=rest, value_usd=value))
    return msgspec.structs.replace(call, announced=tuple(kept))


def facts_of(call: MarginCall) -> dict[str, Any]:
    """The call as alerts and rows of the history state it."""
    return {
        "call": call.number,
        "call_alert": call.alert,
        "called_usd": plain(call.amount_usd),
        "received_usd": plain(call.received_usd),
        "outstanding_usd": plain(call.outstanding_usd),
        "target": plain(call.target),
        "due": stamp(call.due),
    }
