"""Book entries: single changes of a group's holdings, loans and accounts (docs/api.md).

`apply` is pure. An entry that changes a loan first settles its interest to the day, so that no day is booked twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec

from monitor.core.loans.group import TERM_DAYS, Group, Loan, LoanLine, Rate, Term
from monitor.core.loans.interest import interest
from monitor.core.money import HUNDRED, QUANTITY_UNIT, ZERO, exact, plain, round_down
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.rules.thresholds import Level, Line
from monitor.core.schema import Asset, Bounds, Id, Quantity

Amount = Annotated[Decimal, Bounds("0", "1e24", 24, above=True)]
Percent = Annotated[Decimal, Bounds("0", "100", 18, above=True)]


class _Entry(msgspec.Struct, frozen=True, tag_field="type"):
    pass


class Deposit(_Entry, frozen=True, tag="deposit"):
    account: Id
    asset: Asset
    quantity: Amount


class Withdraw(_Entry, frozen=True, tag="withdraw"):
    account: Id
    asset: Asset
    quantity: Amount


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
    """An amount or a percentage of what is owed in a coin: interest first, oldest order first (rules 26 and 36)."""

    asset: Asset
    amount: Amount | None = None
    percent: Percent | None = None
    loan: Id | None = None

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


Lever = ExtendGrace | Waive | OverrideLines | MoveProduct
"""What the desk may do to groups by itself (core/events/levers.py)."""

Entry = (
    Deposit | Withdraw | SetBalance | Transfer | Borrow | Repay | Renew | AttachAccount | DetachAccount
    | Enroll | Liquidated | ExtendGrace | Waive | OverrideLines | MoveProduct
)  # fmt: skip


def apply(group: Group, entry: Entry, at: datetime, product: Product) -> Group:
    """The group after an entry; levers have more to it (core/groups/levers.py). Raises Refused."""
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
            case ExtendGrace() | Waive() | OverrideLines():
                return group
            case MoveProduct():  # what has accrued until now did so under the product of until now
                return msgspec.structs.replace(group, loans=_loans_after(group, entry, at, product))
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
    now = product.moment(at)
    day, minute = now
    loans = [
        msgspec.structs.replace(loan, interest=interest(loan, product, *now), since=day, minute=minute)
        if now > (loan.since, loan.minute)
        else loan
        for loan in group.loans
    ]
    match entry:
        case Borrow(line):
            if any(line.id == loan.id for loan in loans):
                raise Refused("duplicate_loan", f"loan {line.id} exists already")
            if line.rate.kind == "flexible" and line.asset not in product.rated(at):
                raise Refused("no_rate", f"{product.name} has no flexible rate for {line.asset}; add it to its rates")
            if not product.version_at(at).takes(line.asset):
                raise Refused("no_tier", f"{product.name} has no liability tiers for {line.asset}; add them")
            loans.append(Loan(**msgspec.structs.asdict(line), since=day, minute=minute))
        case Repay():
            loans = _repaid(loans, entry)
        case Renew(loan_id, term, rate):
            loans = [_renewed(x, term, rate) if x.id == loan_id else x for x in _existing(loans, loan_id)]
        case Liquidated():
            loans = [msgspec.structs.replace(loan, principal=ZERO, interest=ZERO) for loan in loans]
    return tuple(loans)


def _existing(loans: list[Loan], loan_id: str) -> list[Loan]:
    if not any(loan.id == loan_id for loan in loans):
        known = ", ".join(loan.id for loan in loans) or "none"
        raise Refused("unknown_loan", f"loan {loan_id} is not in the group; it has: {known}")
    return loans


def _renewed(loan: Loan, term: Term, rate: Rate) -> Loan:
    """A term loan runs on from its maturity for another term (rules 23 and 27)."""
    if loan.matures_at is None or term not in TERM_DAYS:
        raise Refused("not_renewable", "only term loans are renewed, for 30d or 60d (VIP FAQ 27)")
    if rate.kind != loan.rate.kind:
        raise Refused("rate_kind", "fixed and flexible change only by full repayment and a new order (VIP FAQ 23)")
    matures_at = loan.matures_at + timedelta(days=TERM_DAYS[term])
    return msgspec.structs.replace(loan, term=term, rate=rate, matures_at=matures_at)


def _repaid(loans: list[Loan], entry: Repay) -> list[Loan]:
    """Two passes, each from the oldest order: all interest, and only then principal (rule 36).

    What is paid by percentage, and what a payment takes off a principal, is rounded down to the 24 places of a quantity.
    Interest has more places. If each payment added its own to the principal, it would outgrow exact arithmetic in a year.
    """
    if entry.loan is not None:
        _existing(loans, entry.loan)
    mine = [x for x in loans if x.asset == entry.asset and entry.loan in (None, x.id)]
    owed = sum((x.principal + x.interest for x in mine), ZERO)
    left = entry.amount or ZERO
    if entry.percent is not None:
        left = owed if entry.percent == HUNDRED else round_down(owed * entry.percent.scaleb(-2), QUANTITY_UNIT)
    if left > owed or not owed:
        raise Refused("overpaid", f"{plain(owed)} {entry.asset} is owed, {plain(left)} cannot be repaid")
    after = {x.id: x for x in mine}
    for part in ("interest", "principal"):
        for loan in sorted(mine, key=lambda x: (x.opened_at, x.id)):
            paid = min(left, getattr(loan, part))
            taken = round_down(paid, QUANTITY_UNIT) if part == "principal" else paid
            after[loan.id] = msgspec.structs.replace(after[loan.id], **{part: getattr(loan, part) - taken})
            left -= paid
    return [after.get(x.id, x) for x in loans]
