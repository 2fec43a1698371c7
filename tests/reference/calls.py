"""Margin calls with an amount and a clock, from section 10 of docs/domain.md alone, in fractions."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor
from typing import Any

from tests.reference import state
from tests.reference.figures import Figures, climb, plain
from tests.reference.state import Group
from tests.reference.terms import DAY, Version, duration, stamp

NAMES = ("due", "partly_met", "met", "withdrawn", "expired", "disputed")
DUE, PARTLY_MET, MET, WITHDRAWN, EXPIRED, DISPUTED = (f"loan_group.margin_call.{name}" for name in NAMES)
RETURNABLE = "loan_group.collateral.returnable"
CENT = Fraction(1, 100)


@dataclass(frozen=True)
class CallTerms:
    """What a version of the product says of its calls."""

    expiry: timedelta
    target: Fraction | None
    step: Fraction
    minimum: Fraction
    holidays: frozenset[date] | None
    reminders: tuple[timedelta, ...]
    on_expiry: str
    return_below: Fraction | None
    stops: bool

    def due(self, opened_at: datetime) -> datetime:
        due = opened_at + self.expiry
        while self.holidays is not None and (due.date().weekday() in (5, 6) or due.date() in self.holidays):
            due += DAY
        return due


def read_terms(table: dict[str, Any]) -> CallTerms | None:
    if "margin_call_expiry" not in table:
        return None
    places = table.get("business_days", ())
    level = table.get("return_below")
    return CallTerms(
        expiry=duration(table["margin_call_expiry"]),
        target=Fraction(table["call_target"]) if "call_target" in table else None,
        step=Fraction(table.get("call_rounding", "0.01")),
        minimum=Fraction(table.get("minimum_transfer", "0")),
        holidays=frozenset(day for place in places for day in table["holidays"][place]) if places else None,
        reminders=tuple(map(duration, table.get("due_reminders", ()))),
        on_expiry=table.get("on_expiry", "notice"),
        return_below=None if level is None else Fraction(level),
        stops=table.get("dispute_stops_clock", False),
    )


@dataclass
class Transit:
    """Announced, and not arrived."""

    id: str
    kind: str
    asset: str
    quantity: Fraction
    value: Fraction
    expected: datetime


@dataclass
class Dispute:
    amount: Fraction
    since: datetime
    until: datetime | None = None


@dataclass
class Call:
    number: int
    alert: str
    opened_at: datetime
    due: datetime
    target: Fraction
    amount: Fraction
    received: Fraction = Fraction(0)
    transit: list[Transit] = field(default_factory=list)
    disputes: list[Dispute] = field(default_factory=list)
    told_at: datetime | None = None
    expired: bool = False
    met: bool = False

    @property
    def outstanding(self) -> Fraction:
        return max(Fraction(0), self.amount - self.received)

    @property
    def is_open(self) -> bool:
        return not (self.expired or self.met)

    @property
    def facts(self) -> dict[str, Any]:
        return {
            "call": self.number,
            "call_alert": self.alert,
            "called_usd": money(self.amount),
            "received_usd": money(self.received),
            "outstanding_usd": money(self.outstanding),
            "target": plain(Decimal(self.target.numerator) / Decimal(self.target.denominator)),
            "due": stamp(self.due),
        }


def money(value: Fraction) -> str:
    """A whole number of cents."""
    assert (value * 100).denominator == 1
    return plain(Decimal((value * 100).numerator).scaleb(-2))


def opened(group: Group, found: Figures, terms: CallTerms, falls: bool, at: datetime, alert: str, number: int) -> Call:
    """The amount brings LTV to the target: recognised value, rounded up, at least the minimum transfer (10.1)."""
    target = target_of(group, terms, falls)
    short = needed(found, target, falls) - Fraction(found.recognised)
    amount = max(ceil(short / terms.step) * terms.step, terms.minimum)
    return Call(number, alert, at, terms.due(at), target, amount)


def target_of(group: Group, terms: CallTerms, falls: bool) -> Fraction:
    initial, line = Fraction(group.thresholds["initial"]), Fraction(group.thresholds["margin_call"])
    if terms.target is None or not (terms.target > line if falls else terms.target < line):
        return initial
    return terms.target


def needed(found: Figures, level: Fraction, falls: bool) -> Fraction:
    """The recognised value at which the group stands on a level."""
    return Fraction(found.debt) * level if falls else Fraction(found.debt) / level


def is_at(found: Figures, level: Fraction, falls: bool) -> bool:
    return Fraction(found.recognised) >= needed(found, level, falls)


def missed(call: Call, terms: CallTerms, at: datetime) -> bool:
    """So much is outstanding at a time that the call expires (10.6 to 10.8)."""
    left = call.outstanding - sum(t.value for t in call.transit if at < t.expected)
    for dispute in call.disputes if terms.stops else ():
        if dispute.until is None or at < call.due + (dispute.until - dispute.since):
            left -= dispute.amount
    return left > 0 and left >= terms.minimum


def expiry(call: Call, terms: CallTerms) -> datetime | None:
    times = [call.due, *(t.expected for t in call.transit)]
    times += [call.due + (d.until - d.since) for d in call.disputes if terms.stops and d.until is not None]
    return min((at for at in times if at >= call.due and missed(call, terms, at)), default=None)


def next_dates(group: Group, terms: CallTerms | None, hold_end: datetime | None) -> list[state.Deadline]:
    """When the call expires, and when it is said that it is due."""
    call = group.call
    if call is None or terms is None or not call.is_open:
        return []
    dates = []
    if (at := expiry(call, terms)) is not None:
        dates.append(state.Deadline(at, state.EXPIRY))
    after = call.told_at or call.opened_at
    coming = [call.due - before for before in terms.reminders if call.due - before > after]
    return dates + [state.Deadline(at, state.DUE) for at in coming if at != hold_end]


@dataclass
class Booked:
    """What a put or an entry was for a call."""

    value: Fraction = Fraction(0)
    call: Call | None = None
    facts: dict[str, str] = field(default_factory=dict)


def is_taken(group: Group, known: Group, entry: dict[str, Any], terms: CallTerms | None, at: datetime) -> bool:
    """Whether an entry about a call is allowed."""
    kind, call = entry["type"], known.call
    if kind in ("deposit", "withdraw") and "substitution" in entry:
        return terms is not None and (entry["substitution"] in known.substitutions) == (kind == "withdraw")
    if kind not in ("announce", "dispute", "resolve"):
        return True
    if terms is None or call is None or not call.is_open:
        return False
    disputed = bool(call.disputes) and call.disputes[-1].until is None
    if kind == "announce":
        return datetime.fromisoformat(entry["expected"]) > at
    if kind == "dispute":
        return not disputed and Fraction(entry["amount_usd"]) <= call.outstanding
    return disputed


def book(
    group: Group, known: Group, entry: dict[str, Any] | None, version: Version, price: dict[str, Decimal], at: datetime
) -> Booked:
    """Put down what came, what is announced, what is disputed."""
    call, kind = group.call, "" if entry is None else entry["type"]
    had = {asset: Fraction(q) for asset, q in known.line.collateral.items()}
    if entry is not None and "substitution" in entry:
        name = entry["substitution"]
        if kind == "deposit":
            group.substitutions[name] = entry["asset"], Fraction(entry["quantity"])
            return Booked()
        asset, quantity = group.substitutions.pop(name)
        had[asset] -= quantity
    if call is None or call.met:
        return Booked()
    if entry is not None and kind == "announce":
        call.transit.append(_announced(group, entry, version, price))
        return Booked()
    if entry is not None and kind == "dispute":
        call.disputes.append(Dispute(Fraction(entry["amount_usd"]), at))
    if kind == "resolve":
        call.disputes[-1].until = at
    if entry is not None and kind in ("dispute", "resolve"):
        told = {"dispute": "open" if kind == "dispute" else "resolved", "why": entry["reason"], "by": entry["by"]}
        return Booked(call=call, facts=told | {"disputed_usd": plain(as_decimal(call.disputes[-1].amount))})
    value = _moved(group, known, had, call, version, price)
    call.received += value
    entry_id = "" if entry is None else str(entry.get("id", ""))
    return Booked(value, call, {"paid_usd": money(value), "entry": entry_id})


def as_decimal(value: Fraction) -> Decimal:
    return Decimal(value.numerator) / Decimal(value.denominator)


def _counts(version: Version, asset: str, quantity: Fraction, price: Decimal) -> Fraction:
    ladder = version.ladder(asset)
    return Fraction(0) if ladder is None else Fraction(climb(ladder, as_decimal(quantity) * price))


def _announced(group: Group, entry: dict[str, Any], version: Version, price: dict[str, Decimal]) -> Transit:
    asset, amount, value = entry["asset"], Fraction(entry["amount"]), Fraction(0)
    if asset in price and entry["kind"] == "repayment":
        owed = Fraction(dict(group.debts).get(asset, Decimal(0)))
        value = min(amount, owed) * Fraction(price[asset])
    elif asset in price:
        has = Fraction(group.line.collateral.get(asset, Decimal(0)))
        value = _counts(version, asset, has + amount, price[asset]) - _counts(version, asset, has, price[asset])
    value = Fraction(floor(value * 100), 100)
    expected = datetime.fromisoformat(entry["expected"])
    return Transit(str(entry.get("id", "")), entry["kind"], asset, amount, value, expected)


def _moved(
    group: Group, known: Group, had: dict[str, Fraction], call: Call, version: Version, price: dict[str, Decimal]
) -> Fraction:
    """What came less what left, at the prices of now (10.2); to the cent, against the borrower."""
    total, has = Fraction(0), {asset: Fraction(q) for asset, q in group.line.collateral.items()}
    for asset in sorted(had.keys() | has.keys()):
        before, after = had.get(asset, Fraction(0)), has.get(asset, Fraction(0))
        if asset in price:
            total += _counts(version, asset, after, price[asset]) - _counts(version, asset, before, price[asset])
        _arrive(call, "collateral", asset, after - before)
    owed, owes = dict(known.debts), dict(group.debts)
    for asset in sorted(owed.keys() | owes.keys()):
        less = Fraction(owed.get(asset, Decimal(0))) - Fraction(owes.get(asset, Decimal(0)))
        total += less * Fraction(price[asset]) if asset in price else 0
        _arrive(call, "repayment", asset, less)
    return Fraction(floor(total * 100), 100)


def _arrive(call: Call, kind: str, asset: str, quantity: Fraction) -> None:
    """What is there is on its way no longer; what was expected first has come first."""
    for each in sorted(call.transit, key=lambda t: (t.expected, t.id)):
        if (each.kind, each.asset) == (kind, asset) and quantity > 0:
            taken = min(quantity, each.quantity)
            quantity -= taken
            rest = each.quantity - taken
            each.value = Fraction(floor(each.value * rest / each.quantity * 100), 100)
            each.quantity = rest
    call.transit = [t for t in call.transit if t.quantity]
