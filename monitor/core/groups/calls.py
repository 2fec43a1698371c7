"""What puts and entries do to a margin call: what came, is announced, disputed or substituted (domain section 10). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from monitor.core.events.entries import (
    Announce,
    Deposit,
    DisputeCall,
    Entry,
    ResolveDispute,
    Withdraw,
    apply,
)
from monitor.core.events.history import CALL, Row
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.group import Group
from monitor.core.money import CENT, ZERO, exact, plain, round_down, round_up
from monitor.core.refusal import Refused
from monitor.core.rules.ladders import NOTHING
from monitor.core.rules.product import Product
from monitor.core.stages.calls import Announced, Dispute, MarginCall, PendingSubstitution, arrived, facts_of
from monitor.core.stages.stages import GroupState
from monitor.core.text import stamp
from monitor.core.valuation.ladder import recognised
from monitor.core.valuation.valuation import Holding, holding, weigh

MOST = 100
"""Of announcements, of disputes and of open substitutions: a feeder that repeats itself must not fill the state."""


class Booked(NamedTuple):
    """A group's state after a put or an entry, and what that was for its call."""

    state: GroupState | None
    """None where it is as it was."""
    what: str = ""
    """`payment`, `announced`, `disputed`, `resolved`; empty where it was nothing."""
    facts: Mapping[str, Any] = {}
    value_usd: Decimal = ZERO
    """Of a payment; negative where something left."""

    @property
    def call(self) -> MarginCall | None:
        """The call afterwards."""
        return None if self.state is None else self.state.call


NOTHING_BOOKED = Booked(None)


class Moved(NamedTuple):
    """Collateral before, debts before, and the group after a put or an entry."""

    before: Group
    owed: Holding
    after: GroupRecord
    entry: str


def check_entry(old: GroupRecord, entry: Entry, at: datetime, usd: Mapping[str, Decimal]) -> None:
    """Whether an entry about calls, or one half of a substitution, may be taken. Raises Refused."""
    if isinstance(entry, Announce | DisputeCall | ResolveDispute):
        call = _call_of(old)
        if isinstance(entry, Announce):
            _check_announced(call, entry, at)
        elif isinstance(entry, DisputeCall):
            _check_disputed(call, entry)
        elif call.dispute is None:
            raise Refused("no_dispute", f"call {call.number} of group {old.group.id} is not disputed")
    elif isinstance(entry, Deposit | Withdraw) and entry.substitution is not None:
        if old.held.version.calls is None:
            text = "has no margin_call_expiry, so it knows no substitutions; leave substitution out"
            raise Refused("no_calls", f"{old.product.name} {text}")
        if isinstance(entry, Withdraw):
            _check_substitution(old, entry, at, usd)
        elif any(p.id == entry.substitution for p in old.state.substitutions):
            raise Refused("substitution", f"substitution {entry.substitution} has its deposit already")
        elif len(old.state.substitutions) >= MOST:
            raise Refused("too_many", f"{MOST} substitutions wait for their withdrawal; enter those first")


def _call_of(record: GroupRecord) -> MarginCall:
    call = record.state.call
    if record.held.version.calls is None or call is None or not call.is_open:
        raise Refused("no_call", f"group {record.group.id} has no open margin call with an amount")
    return call


def _check_announced(call: MarginCall, entry: Announce, at: datetime) -> None:
    if entry.expected <= at:
        raise Refused("past", f"expected {stamp(entry.expected)} is not after the entry's time {stamp(at)}")
    if len(call.announced) >= MOST:
        raise Refused("too_many", f"{MOST} amounts are on their way already; wait until some have arrived")


def _check_disputed(call: MarginCall, entry: DisputeCall) -> None:
    if call.dispute is not None:
        raise Refused("disputed", f"call {call.number} is disputed already by {call.dispute.by}; resolve that first")
    if entry.amount_usd > call.outstanding_usd:
        left = plain(call.outstanding_usd)
        raise Refused("too_much", f"{left} USD is outstanding, {plain(entry.amount_usd)} cannot be disputed")
    if len(call.disputes) >= MOST:
        raise Refused("too_many", f"call {call.number} was disputed {MOST} times")


def _check_substitution(old: GroupRecord, entry: Withdraw, at: datetime, usd: Mapping[str, Decimal]) -> None:
    """Permitted where the level after both is no worse than before, both at the prices of now (section 10.10)."""
    pending = _pending(old.state, entry.substitution)
    before = _before_deposit(old.group, pending, at, old.product, usd)
    after = apply(old.group, msgspec.structs.replace(entry, substitution=None), at, old.product, usd)
    held = [holding(each, old.product, at) for each in (before, after)]
    missing = sorted(frozenset().union(*(h.assets for h in held)) - usd.keys())
    if missing:
        text = f"there is no price of {', '.join(missing)}, so nobody can tell whether the level grows worse"
        raise Refused("no_price", text)
    with exact():
        then, now = (weigh(h, usd) for h in held)
        # The same for both directions: debt over recognised value does not rise.
        if now.debt * then.recognised > then.debt * now.recognised or (now.recognised <= 0 < then.recognised):
            text = f"the level would be worse after substitution {entry.substitution} than before it; withdraw less"
            raise Refused("substitution_worse", text)


def _pending(state: GroupState, id_: str | None) -> PendingSubstitution:
    found = next((p for p in state.substitutions if p.id == id_), None)
    if found is None:
        raise Refused("no_deposit", f"substitution {id_} has no deposit yet; enter what comes in before what leaves")
    return found


def _before_deposit(
    group: Group, pending: PendingSubstitution, at: datetime, product: Product, usd: Mapping[str, Decimal]
) -> Group:
    """The group without the deposit of a substitution. Raises Refused where that has left already."""
    return apply(group, Withdraw(pending.account, pending.asset, pending.quantity), at, product, usd)


def booked(
    old: GroupRecord, new: GroupRecord, entry: Entry | None, id_: str, at: datetime, usd: Mapping[str, Decimal]
) -> Booked:
    """What a put (without an entry) or an entry that was taken makes of the group's call. `new` has the state of before."""
    state, call = new.state, new.state.call
    if new.held.version.calls is None:
        return Booked(state)
    if isinstance(entry, Deposit) and entry.substitution is not None:
        pending = PendingSubstitution(entry.substitution, entry.account, entry.asset, entry.quantity)
        return Booked(msgspec.structs.replace(state, substitutions=(*state.substitutions, pending)))
    before = old.group
    if isinstance(entry, Withdraw) and entry.substitution is not None:
        pending = _pending(state, entry.substitution)
        before = _before_deposit(old.group, pending, at, old.product, usd)
        rest = tuple(p for p in state.substitutions if p is not pending)
        state = msgspec.structs.replace(state, substitutions=rest)
    if call is None or call.met_at is not None:
        return Booked(state)
    match entry:
        case Announce():
            return _announced(state, call, new, entry, id_, usd)
        case DisputeCall():
            made = Dispute(id_, entry.amount_usd, entry.reason, entry.by, at)
            facts = {"disputed_usd": plain(made.amount_usd), "dispute": "open", "why": made.reason, "by": made.by}
            return _with(state, msgspec.structs.replace(call, disputes=(*call.disputes, made)), "disputed", facts)
        case ResolveDispute():
            return _resolved(state, call, entry, at)
    return _paid(msgspec.structs.replace(state, call=call), Moved(before, old.held, new, id_), usd)


def _with(state: GroupState, call: MarginCall, what: str, facts: Mapping[str, Any], value: Decimal = ZERO) -> Booked:
    return Booked(msgspec.structs.replace(state, call=call), what, facts, value)


def _resolved(state: GroupState, call: MarginCall, entry: ResolveDispute, at: datetime) -> Booked:
    last = call.disputes[-1]
    disputes = (*call.disputes[:-1], msgspec.structs.replace(last, resolved_at=at))
    facts = {"disputed_usd": plain(last.amount_usd), "dispute": "resolved", "why": entry.reason, "by": entry.by}
    return _with(state, msgspec.structs.replace(call, disputes=disputes), "resolved", facts)


def _announced(
    state: GroupState, call: MarginCall, new: GroupRecord, entry: Announce, id_: str, usd: Mapping[str, Decimal]
) -> Booked:
    """Valued at the prices of now: as collateral with what the ladder recognises beside what is there already."""
    value, price = ZERO, usd.get(entry.asset)
    with exact():
        if price is not None and entry.kind == "repayment":
            owed = dict(new.held.debts).get(entry.asset, ZERO)
            value = min(entry.amount, owed) * price
        elif price is not None:
            has = new.group.quantities().get(entry.asset, ZERO)
            value = _counts(new.held, entry.asset, has + entry.amount, price) - _counts(
                new.held, entry.asset, has, price
            )
    made = Announced(id_, entry.kind, entry.asset, entry.amount, round_down(value, CENT), entry.expected)
    facts = {
        "announced": entry.kind,
        "asset": entry.asset,
        "quantity": plain(entry.amount),
        "value_usd": plain(made.value_usd),
        "expected": stamp(entry.expected),
        "entry": id_,
    }
    return _with(state, msgspec.structs.replace(call, announced=(*call.announced, made)), "announced", facts)


def _paid(state: GroupState, moved: Moved, usd: Mapping[str, Decimal]) -> Booked:
    """What came and what left, by asset, at the prices of now. A coin without a price counts nothing."""
    value, new, call = ZERO, moved.after, state.call
    assert call is not None
    with exact():
        had, has = moved.before.quantities(), new.group.quantities()
        for asset in sorted(had.keys() | has.keys()):
            more, price = has.get(asset, ZERO) - had.get(asset, ZERO), usd.get(asset)
            if more and price is not None:
                value += _counts(new.held, asset, has.get(asset, ZERO), price)
                value -= _counts(new.held, asset, had.get(asset, ZERO), price)
            if more > 0:
                call = arrived(call, "collateral", asset, more)
        owed, owes = dict(moved.owed.debts), dict(new.held.debts)
        for asset in sorted(owed.keys() | owes.keys()):
            less, price = owed.get(asset, ZERO) - owes.get(asset, ZERO), usd.get(asset)
            value += less * price if price is not None else ZERO
            if less > 0:
                call = arrived(call, "repayment", asset, less)
        # What comes is rounded down to cents, and what leaves up, so that the lender never counts too much.
        value = round_down(value, CENT) if value > 0 else round_up(value, CENT)
    call = msgspec.structs.replace(call, received_usd=call.received_usd + value)
    if call == state.call:
        return Booked(state)
    return _with(state, call, "payment" if value else "", {"paid_usd": plain(value), "entry": moved.entry}, value)


def call_row(record: GroupRecord, what: str, at: datetime, facts: Mapping[str, Any]) -> Row:
    """A row of the history of calls."""
    labels, life = record.group.labels, record.state.life
    return Row(record.group.id, CALL, at, facts={"what": what, **facts}, labels=labels, life=life)


def rows_of_the_gone(state: GroupState, labels: Mapping[str, str], at: datetime) -> list[Row]:
    """The end of the call of a group that is closed, by the state that it had."""
    if state.call is None or state.call.met_at is not None:
        return []
    facts = {"what": "ended", **facts_of(state.call), "stage": "closed"}
    return [Row(state.group, CALL, at, facts=facts, labels=labels, life=state.life)]


def _counts(held: Holding, asset: str, quantity: Decimal, price: Decimal) -> Decimal:
    return recognised(held.version.ladder(asset) or NOTHING, quantity * price)
