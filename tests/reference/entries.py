"""What a book entry makes of a line whose interest is settled (docs/api.md), in plain steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_DOWN, Decimal
from typing import Any

from tests.reference.figures import EXACT, ZERO
from tests.reference.terms import Line, Loan, read_loan

TERMS = {"30d": timedelta(days=30), "60d": timedelta(days=60)}
UNIT = Decimal("1e-24")  # of a quantity; what a payment takes off a principal is rounded down to it
Entry = dict[str, Any]


class Refused(ValueError):
    """The entry is not allowed, and changes nothing."""


def after(line: Line, entry: Entry) -> Line:
    """The line after an entry. Call it in the context EXACT. Raises Refused."""
    return _CHANGES[entry["type"]](line, entry)


def _moved(line: Line, account: str, asset: str, change: Decimal) -> Line:
    if account not in line.holdings:
        raise Refused(f"{line.id} has no account {account}")
    held = line.holdings[account].get(asset, ZERO) + change
    if held < 0:
        raise Refused(f"{account} does not hold so much {asset}")
    return line.holding(line.holdings | {account: line.holdings[account] | {asset: held}})


def _deposit(line: Line, entry: Entry) -> Line:
    return _moved(line, entry["account"], entry["asset"], Decimal(entry["quantity"]))


def _withdraw(line: Line, entry: Entry) -> Line:
    return _moved(line, entry["account"], entry["asset"], -Decimal(entry["quantity"]))


def _set_balance(line: Line, entry: Entry) -> Line:
    if entry["account"] not in line.holdings:
        raise Refused(f"{line.id} has no account {entry['account']}")
    held = line.holdings[entry["account"]] | {entry["asset"]: Decimal(entry["quantity"])}
    return line.holding(line.holdings | {entry["account"]: held})


def _transfer(line: Line, entry: Entry) -> Line:
    quantity = Decimal(entry["quantity"])
    return _moved(_moved(line, entry["from"], entry["asset"], -quantity), entry["to"], entry["asset"], quantity)


def _attach(line: Line, entry: Entry) -> Line:
    if entry["account"] in line.holdings:
        raise Refused("the account is there already")
    return line.holding(line.holdings | {entry["account"]: {}})


def _detach(line: Line, entry: Entry) -> Line:
    if entry["account"] not in line.holdings:
        raise Refused(f"{line.id} has no account {entry['account']}")
    return line.holding({name: held for name, held in line.holdings.items() if name != entry["account"]})


def _enroll(line: Line, entry: Entry) -> Line:
    return replace(line, enrolled=entry["delayed_liquidation"])


def _borrow(line: Line, entry: Entry) -> Line:
    loan = read_loan(entry["loan"])
    if any(loan.id == other.id for other in line.loans):
        raise Refused(f"loan {loan.id} is there already")
    return replace(line, loans=(*line.loans, loan))


def _renew(line: Line, entry: Entry) -> Line:
    """The term runs on from the maturity, at the rate agreed now; fixed stays fixed (rules 22, 23, 27).

    Its interest was paid before, from the Spot wallet, as far as the line states one.
    """
    loan = next((x for x in line.loans if x.id == entry["loan"]), None)
    rate = entry["rate"]
    if loan is None or loan.matures_at is None or (rate["kind"] == "fixed") != (loan.daily is not None):
        raise Refused("no such term loan at such a rate")
    to_pay, balances = loan.interest, {}
    for account in sorted(line.balances):
        has = line.balances[account].get(loan.asset, ZERO)
        taken = min(has, to_pay)
        to_pay -= taken
        rest = _down(has - taken)
        balances[account] = line.balances[account] | ({loan.asset: rest} if taken else {})
    renewed = replace(
        loan,
        interest=ZERO,
        matures_at=loan.matures_at + TERMS[entry["term"]],
        daily=Decimal(rate["daily"]) if rate["kind"] == "fixed" else None,
    )
    return replace(line, balances=balances, loans=tuple(renewed if x is loan else x for x in line.loans))


def _repay(line: Line, entry: Entry) -> Line:
    """All interest first, oldest order first, and only then principal (rules 26 and 36)."""
    mine = [x for x in line.loans if x.asset == entry["asset"] and entry.get("loan") in (None, x.id)]
    owed = sum((x.principal + x.interest for x in mine), ZERO)
    left = _payment(entry, owed)
    if not owed or left > owed:
        raise Refused("more than is owed")
    paid: dict[str, Loan] = {}
    for loan in sorted(mine, key=lambda x: (x.opened_at, x.id)):
        part = min(left, loan.interest)
        paid[loan.id], left = replace(loan, interest=loan.interest - part), left - part
    for loan in sorted(mine, key=lambda x: (x.opened_at, x.id)):
        part = min(left, loan.principal)
        taken = _down(part)
        paid[loan.id], left = replace(paid[loan.id], principal=loan.principal - taken), left - part
    return replace(line, loans=tuple(paid.get(x.id, x) for x in line.loans))


def _payment(entry: Entry, owed: Decimal) -> Decimal:
    if entry.get("percent") is None:
        return Decimal(entry["amount"])
    percent = Decimal(entry["percent"])
    return owed if percent == 100 else _down(owed * percent / 100)


def _down(quantity: Decimal) -> Decimal:
    """Rounded down to the places of a quantity: the one rounding of a repayment."""
    context = EXACT.copy()
    context.traps = dict.fromkeys(context.traps, False)
    return quantity.quantize(UNIT, rounding=ROUND_DOWN, context=context)


def _liquidated(line: Line, entry: Entry) -> Line:
    return replace(line, loans=tuple(replace(x, principal=ZERO, interest=ZERO) for x in line.loans))


def _as_it_was(line: Line, entry: Entry) -> Line:
    """A longer grace period or a waiver is the group's state, not its line."""
    return line


_CHANGES: dict[str, Callable[[Line, Entry], Line]] = {
    "deposit": _deposit,
    "withdraw": _withdraw,
    "set_balance": _set_balance,
    "transfer": _transfer,
    "attach_account": _attach,
    "detach_account": _detach,
    "enroll": _enroll,
    "borrow": _borrow,
    "renew": _renew,
    "repay": _repay,
    "liquidated": _liquidated,
    "extend_grace": _as_it_was,
    "waive": _as_it_was,
}
