"""Book entries: single changes of a group's holdings, loans and accounts (docs/api.md).

`apply` is pure. An entry that changes a loan first settles its interest to the day, so that no day is booked twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, NamedTuple

import msgspec

from monitor.core.loans.group import OPEN, Group, Loan, LoanLine, Rate, Term, offered, term_days
from monitor.core.loans.interest import bearing, interest, rate_at
from monitor.core.money import HUNDRED, QUANTITY_UNIT, ZERO, exact, plain, round_down
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product, Units
from monitor.core.rules.thresholds import Level, Line
from monitor.core.schema import Asset, Bounds, Id, Quantity

Amount = Annotated[Decimal, Bounds("0", "1e24", 24, above=True)]
Percent = Annotated[Decimal, Bounds("0", "100", 18, above=True)]


class _Entry(msgspec.Struct, frozen=True, tag_field="type"):
    pass


class Deposit(_Entry, frozen=True, tag="deposit", omit_defaults=True):
    """`substitution`: one half of a substitution; the withdrawal under the same id is the other (domain section 10.10)."""

    account: Id
    asset: Asset
    quantity: Amount
    substitution: Id | None = None


class Withdraw(_Entry, frozen=True, tag="withdraw", omit_defaults=True):
    """`substitution`: the second half of a substitution, permitted where the level is no worse after both than before."""

    account: Id
    asset: Asset
    quantity: Amount
    substitution: Id | None = None


class SetBalance(_Entry, frozen=True, tag="set_balance"):
    account: Id
    asset: Asset
    quantity: Quantity


class Transfer(_Entry, frozen=True, tag="transfer"):
    from_: Id = msgspec.field(name="from")
    to: Id
    asset: Asset
    quantity: Amount


class Borrow(_Entry, frozen=True, tag="borrow"):
    loan: LoanLine


class Repay(_Entry, frozen=True, tag="repay"):
    """An amount or a percentage of what is owed in a coin: interest first, oldest order first (rules 26 and 36).

    `account`: whose stated Spot balance pays; what is too much goes back there.
    """

    asset: Asset
    amount: Amount | None = None
    percent: Percent | None = None
    loan: Id | None = None
    account: Id | None = None

    def __post_init__(self) -> None:
        if (self.amount is None) == (self.percent is None):
            raise ValueError('a repayment states either "amount" or "percent"')


class Renew(_Entry, frozen=True, tag="renew"):
    loan: Id
    term: Term
    rate: Rate


class AttachAccount(_Entry, frozen=True, tag="attach_account"):
    account: Id


class DetachAccount(_Entry, frozen=True, tag="detach_account"):
    account: Id


class Enroll(_Entry, frozen=True, tag="enroll"):
    delayed_liquidation: bool


class Liquidated(_Entry, frozen=True, tag="liquidated"):
    """The lender has liquidated: all loans are repaid out of the collateral (rule 12)."""

    proceeds_usd: Quantity | None = None
    fee_usd: Quantity | None = None


class ExtendGrace(_Entry, frozen=True, tag="extend_grace"):
    until: datetime
    reason: str


class Waive(_Entry, frozen=True, tag="waive"):
    """The lender waives liquidation of overdue loans until a time; the lines of LTV stay watched."""

    until: datetime
    reason: str


class OverrideLines(_Entry, frozen=True, tag="override"):
    """Other lines for the group until a time; then its former lines hold again. A line that is not named stays."""

    thresholds: dict[Line, Level]
    until: datetime
    reason: str

    def __post_init__(self) -> None:
        if not self.thresholds:
            raise ValueError("thresholds: is empty, expected a line and its level, such as liquidation = 0.93")


class MoveProduct(_Entry, frozen=True, tag="move"):
    """The group is under another product from now on, also where the book goes on naming the one that it named so far."""

    product: str
    reason: str


class Announce(_Entry, frozen=True, tag="announce"):
    """Collateral or a repayment is on its way to an open margin call. It counts in no LTV (domain section 10.7)."""

    kind: Literal["collateral", "repayment"]
    asset: Asset
    amount: Amount
    expected: datetime


class DisputeCall(_Entry, frozen=True, tag="dispute"):
    """Somebody does not agree to a part of an open margin call, in USD (domain section 10.8)."""

    amount_usd: Amount
    reason: str
    by: str


class ResolveDispute(_Entry, frozen=True, tag="resolve"):
    """The dispute about a margin call is settled; the clock of the whole call runs."""

    reason: str
    by: str


Lever = ExtendGrace | Waive | OverrideLines | MoveProduct
"""What the desk may do to groups by itself (core/events/levers.py)."""

Entry = (
    Deposit | Withdraw | SetBalance | Transfer | Borrow | Repay | Renew | AttachAccount | DetachAccount
    | Enroll | Liquidated | ExtendGrace | Waive | OverrideLines | MoveProduct
    | Announce | DisputeCall | ResolveDispute
)  # fmt: skip


def apply(group: Group, entry: Entry, at: datetime, product: Product, usd: Mapping[str, Decimal]) -> Group:
    """The group after an entry, at these prices; levers have more to it (core/groups/levers.py). Raises Refused."""
    with exact():
        match entry:
            case Deposit(account, asset, quantity):
                return _moved(group, account, asset, quantity)
            case Withdraw(account, asset, quantity):
                return _moved(group, account, asset, -quantity)
            case SetBalance(account, asset, quantity):
                return _moved(group, account, asset, quantity - _held(group, account).get(asset, ZERO))
            case Transfer(source, target, asset, quantity):
                _held(group, target)
                return _moved(_moved(group, source, asset, -quantity), target, asset, quantity)
            case AttachAccount(account):
                if account in group.collateral:
                    raise Refused("duplicate_account", f"account {account} is in the group already")
                return msgspec.structs.replace(group, collateral={**group.collateral, account: {}})
            case DetachAccount(account):
                _held(group, account)
                rest = {a: h for a, h in group.collateral.items() if a != account}
                return msgspec.structs.replace(group, collateral=rest)
            case Enroll(True) if product.version_at(at).grace is None:
                raise Refused("no_grace", f"{product.name} has no grace period to enrol for")
            case Enroll(delayed_liquidation):
                return msgspec.structs.replace(group, delayed_liquidation=delayed_liquidation)
            case Announce() | DisputeCall() | ResolveDispute():
                return group
            case ExtendGrace() | Waive() | OverrideLines():
                return group
            case MoveProduct():  # what has accrued until now did so under the product of until now
                return msgspec.structs.replace(group, loans=_loans_after(group, entry, at, product))
            case Repay():
                made = payment(group, entry, at, product, usd)
                return msgspec.structs.replace(group, loans=made.loans, balances=_paid_from(group, entry, made))
            case Renew(loan_id):
                return _renewal(group, loan_id, _loans_after(group, entry, at, product), at, product)
            case _:
                return msgspec.structs.replace(group, loans=_loans_after(group, entry, at, product))


def _held(group: Group, account: str) -> Mapping[str, Decimal]:
    if account not in group.collateral:
        known = ", ".join(sorted(group.collateral)) or "none"
        raise Refused("unknown_account", f"account {account} is not a collateral account of the group; it has: {known}")
    return group.collateral[account]


def _moved(group: Group, account: str, asset: str, delta: Decimal) -> Group:
    held = _held(group, account)
    left = held.get(asset, ZERO) + delta
    if left < 0:
        has = plain(held.get(asset, ZERO))
        raise Refused("insufficient", f"account {account} holds {has} {asset}, {plain(-delta)} cannot leave it")
    changed = {a: q for a, q in {**held, asset: left}.items() if q or a != asset}
    return msgspec.structs.replace(group, collateral={**group.collateral, account: changed})


def _renewal(group: Group, loan_id: str, loans: tuple[Loan, ...], at: datetime, product: Product) -> Group:
    """The interest until then is paid first, out of the Spot balances as far as any are stated (rule 27)."""
    loan = next(x for x in loans if x.id == loan_id)
    left, balances = loan.interest, dict(group.balances)
    for account, coins in sorted(group.balances.items()):
        paid = min(left, coins.get(loan.asset, ZERO))
        if paid:
            balances[account] = {**coins, loan.asset: round_down(coins[loan.asset] - paid, QUANTITY_UNIT)}
            left -= paid
    renewed = tuple(msgspec.structs.replace(x, interest=ZERO) if x is loan else x for x in loans)
    return msgspec.structs.replace(group, loans=renewed, balances=balances)


def _loans_after(group: Group, entry: Entry, at: datetime, product: Product) -> tuple[Loan, ...]:
    day, minute = product.moment(at)
    loans = _settled(group, at, product)
    match entry:
        case Borrow(line):
            if any(line.id == loan.id for loan in loans):
                raise Refused("duplicate_loan", f"loan {line.id} exists already")
            if line.rate.kind == "flexible" and line.asset not in product.rated(at):
                raise Refused("no_rate", f"{product.name} has no flexible rate for {line.asset}; add it to its rates")
            if not product.version_at(at).takes(line.asset):
                raise Refused("no_tier", f"{product.name} has no liability tiers for {line.asset}; add them")
            _check_term(line.term, product, at)
            opened = Loan(**msgspec.structs.asdict(line), since=day, minute=minute)
            loans.append(msgspec.structs.replace(opened, interest=line.interest or _first_hour(opened, product, at)))
        case Renew(loan_id, term, rate):
            loans = [_renewed(x, term, rate, product, at) if x.id == loan_id else x for x in _existing(loans, loan_id)]
        case Liquidated():
            loans = [msgspec.structs.replace(loan, principal=ZERO, interest=ZERO) for loan in loans]
    return tuple(loans)


def _check_term(term: Term, product: Product, at: datetime) -> None:
    """Raises Refused for a term that the version in force does not offer (rule 21)."""
    terms = product.version_at(at).loan_terms
    if term != OPEN and term not in terms:
        raise Refused("term", f"found the term {term}, {offered(product.name, terms)}")


def _first_hour(loan: Loan, product: Product, at: datetime) -> Decimal:
    """What is charged at borrowing: an hour that is begun, where the lender charges those. Fixed rates are daily."""
    version = product.version_at(at)
    if version.hours != "begun" or loan.rate.daily is not None:
        return ZERO
    rate = rate_at(loan, product, at)
    charge = bearing(loan, version, loan.principal, rate) * rate
    return version.booked(loan.asset, charge) if version.compounding else charge


def _settled(group: Group, at: datetime, product: Product) -> list[Loan]:
    """The loans with all interest until then, so that no day is booked twice."""
    now = product.moment(at)
    day, minute = now
    return [
        msgspec.structs.replace(loan, interest=interest(loan, product, *now), since=day, minute=minute)
        if now > (loan.since, loan.minute)
        else loan
        for loan in group.loans
    ]


def _existing(loans: list[Loan], loan_id: str) -> list[Loan]:
    if not any(loan.id == loan_id for loan in loans):
        known = ", ".join(loan.id for loan in loans) or "none"
        raise Refused("unknown_loan", f"loan {loan_id} is not in the group; it has: {known}")
    return loans


def _renewed(loan: Loan, term: Term, rate: Rate, product: Product, at: datetime) -> Loan:
    """A term loan runs on from its maturity for another term (rules 23 and 27)."""
    if loan.matures_at is None or term == OPEN:
        raise Refused("not_renewable", "only loans with a term are renewed, and for another term (VIP FAQ 27)")
    _check_term(term, product, at)
    if rate.kind != loan.rate.kind:
        raise Refused("rate_kind", "fixed and flexible change only by full repayment and a new order (VIP FAQ 23)")
    matures_at = loan.matures_at + timedelta(days=term_days(term))
    return msgspec.structs.replace(loan, term=term, rate=rate, matures_at=matures_at)


class Payment(NamedTuple):
    """What became of a repayment."""

    loans: tuple[Loan, ...]
    """All loans of the group afterwards."""
    owed: Decimal
    """What was owed in the coin before, on the loans that it was for."""
    amount: Decimal
    returned: Decimal = ZERO
    """What was too much by more than one unit, and goes back to the balance that paid."""
    written_off: Mapping[str, Decimal] = {}
    """Dust by loan: what was left, and is not owed any more (domain section 9.1)."""


def payment(group: Group, entry: Repay, at: datetime, product: Product, usd: Mapping[str, Decimal]) -> Payment:
    """Two passes, each from the oldest order: all interest, and only then principal (rule 36). Raises Refused.

    Up to one unit too much closes the loans; more is taken as the record that it is, and goes back. What is paid by
    percentage, and what a payment takes off a principal, is rounded down to the 24 places of a quantity. Interest has more
    places. If each payment added its own to the principal, it would outgrow exact arithmetic in a year.
    """
    with exact():
        loans, units = _settled(group, at, product), product.version_at(at).units
        if entry.loan is not None:
            _existing(loans, entry.loan)
        mine = [x for x in loans if x.asset == entry.asset and entry.loan in (None, x.id)]
        owed = sum((x.principal + x.interest for x in mine), ZERO)
        amount = entry.amount or ZERO
        if entry.percent is not None:
            amount = owed if entry.percent == HUNDRED else round_down(owed * entry.percent.scaleb(-2), QUANTITY_UNIT)
        if (units is None and amount > owed) or (not owed and (units is None or entry.percent is not None)):
            raise Refused("overpaid", f"{plain(owed)} {entry.asset} is owed, {plain(amount)} cannot be repaid")
        after, left = {x.id: x for x in mine}, min(amount, owed)
        for part in ("interest", "principal"):
            for loan in sorted(mine, key=lambda x: (x.opened_at, x.id)):
                paid = min(left, getattr(loan, part))
                taken = round_down(paid, QUANTITY_UNIT) if part == "principal" else paid
                after[loan.id] = msgspec.structs.replace(after[loan.id], **{part: getattr(loan, part) - taken})
                left -= paid
        dust = _dust(after, units, usd)
        after |= {id_: msgspec.structs.replace(after[id_], principal=ZERO, interest=ZERO) for id_ in dust}
        returned = ZERO if units is None else _too_much(entry.asset, amount, owed, units)
        return Payment(tuple(after.get(x.id, x) for x in loans), owed, amount, returned, dust)


def _dust(after: Mapping[str, Loan], units: Units | None, usd: Mapping[str, Decimal]) -> dict[str, Decimal]:
    if units is None:
        return {}
    left = {loan.id: loan.principal + loan.interest for loan in after.values()}
    return {id_: rest for id_, rest in left.items() if units.is_dust(after[id_].asset, rest, usd.get(after[id_].asset))}


def _too_much(asset: str, amount: Decimal, owed: Decimal, units: Units) -> Decimal:
    """What goes back of a payment: nothing where the lender's page, which rounds what is owed, asked for it."""
    return amount - units.booked(asset, owed) if amount - owed > units.unit(asset) else ZERO


def _paid_from(group: Group, entry: Repay, made: Payment) -> Mapping[str, Mapping[str, Decimal]]:
    """The stated balances after a payment out of one of them. A balance that is not stated is not touched."""
    stated = None if entry.account is None else group.balances.get(entry.account)
    if entry.account is None or stated is None:
        return group.balances
    has, kept = stated.get(entry.asset, ZERO), made.amount - made.returned
    if kept > has:
        raise Refused(
            "insufficient",
            f"the Spot balance of {entry.account} is {plain(has)} {entry.asset}, {plain(kept)} cannot be paid out of it",
        )
    return {**group.balances, entry.account: {**stated, entry.asset: round_down(has - kept, QUANTITY_UNIT)}}


def without_dust(group: Group, at: datetime, product: Product) -> Group:
    """The group without what its line states of a loan that is no more than one unit: that is not owed."""
    units = product.version_at(at).units
    if units is None or not any(units.is_dust(x.asset, x.principal + x.interest) for x in group.loans):
        return group
    loans = tuple(
        msgspec.structs.replace(x, principal=ZERO, interest=ZERO)
        if units.is_dust(x.asset, x.principal + x.interest)
        else x
        for x in group.loans
    )
    return msgspec.structs.replace(group, loans=loans)
