"""What a book entry makes of a line whose interest is settled (docs/api.md), in plain steps."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_HALF_UP, ROUND_UP, Decimal
from fractions import Fraction
from typing import Any

from tests.reference.figures import EXACT, ZERO, plain
from tests.reference.terms import Line, Loan, Version, read_loan

UNIT = Decimal("1e-24")  # of a quantity; what a payment takes off a principal is rounded down to it
Entry = dict[str, Any]
FirstHour = Callable[[Loan], Decimal]


class Refused(ValueError):
    """The entry is not allowed, and changes nothing."""


def after(line: Line, entry: Entry, version: Version, prices: Mapping[str, Decimal], hour: FirstHour) -> Line:
    """The line after an entry; `hour` is what an hour of a loan costs now. Call it in the context EXACT. Raises Refused."""
    if entry["type"] == "borrow":
        return _borrow(line, entry, version, hour)
    if entry["type"] == "repay":
        return _repay(line, entry, version, prices)
    if entry["type"] == "renew":
        return _renew(line, entry, version)
    return _CHANGES[entry["type"]](line, entry)


def without(line: Line, asset: str, quantity: Any) -> Line:
    """The line without some of a coin, whatever account held it."""
    left = line.collateral[asset] - quantity
    return replace(line, collateral=line.collateral | {asset: left})


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


def _borrow(line: Line, entry: Entry, version: Version, hour: FirstHour) -> Line:
    """A lender that charges hours that are begun charges one at borrowing, unless the entry says what had accrued (9.2)."""
    _offered(entry["loan"].get("term", "open"), version)
    loan = read_loan(entry["loan"])
    if version.begun and loan.daily is None and not loan.interest:
        loan = replace(loan, interest=hour(loan))
    if any(loan.id == other.id for other in line.loans):
        raise Refused(f"loan {loan.id} is there already")
    return replace(line, loans=(*line.loans, loan))


def _offered(term: str, version: Version) -> None:
    if term != "open" and term not in version.terms:
        raise Refused(f"no term of {term}")


def _renew(line: Line, entry: Entry, version: Version) -> Line:
    """The term runs on from the maturity, at the rate agreed now; fixed stays fixed (rules 22, 23, 27).

    Its interest was paid before, from the Spot wallet, as far as the line states one.
    """
    loan = next((x for x in line.loans if x.id == entry["loan"]), None)
    rate = entry["rate"]
    if loan is None or loan.matures_at is None or (rate["kind"] == "fixed") != (loan.daily is not None):
        raise Refused("no such term loan at such a rate")
    if entry["term"] == "open":
        raise Refused("a renewal has a term")
    _offered(entry["term"], version)
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
        matures_at=loan.matures_at + timedelta(days=int(entry["term"][:-1])),
        daily=Decimal(rate["daily"]) if rate["kind"] == "fixed" else None,
    )
    return replace(line, balances=balances, loans=tuple(renewed if x is loan else x for x in line.loans))


ROUNDINGS = {"half_even": ROUND_HALF_EVEN, "half_up": ROUND_HALF_UP, "up": ROUND_UP, "down": ROUND_DOWN}


def _repay(line: Line, entry: Entry, version: Version, prices: Mapping[str, Decimal]) -> Line:
    """All interest first, oldest order first, and only then principal (rules 26 and 36). Dust is forgotten (section 9.1)."""
    mine = paid_loans(line, entry)
    owed = sum((x.principal + x.interest for x in mine), ZERO)
    if not owed and entry.get("percent") is not None:
        raise Refused("a part of nothing")
    left = min(_payment(entry, owed), owed)
    paid: dict[str, Loan] = {}
    for loan in sorted(mine, key=lambda x: (x.opened_at, x.id)):
        part = min(left, loan.interest)
        paid[loan.id], left = replace(loan, interest=loan.interest - part), left - part
    for loan in sorted(mine, key=lambda x: (x.opened_at, x.id)):
        part = min(left, loan.principal)
        taken = _down(part)
        paid[loan.id], left = replace(paid[loan.id], principal=loan.principal - taken), left - part
    for id_, loan in paid.items():
        if is_dust(loan, version, prices.get(loan.asset)):
            paid[id_] = replace(loan, principal=ZERO, interest=ZERO)
    return replace(line, loans=tuple(paid.get(x.id, x) for x in line.loans))


def paid_loans(line: Line, entry: Entry) -> list[Loan]:
    """The loans that a repayment is for. Raises Refused for a loan that was never there."""
    if entry.get("loan") not in (None, *(x.id for x in line.loans)):
        raise Refused("no such loan")
    return [x for x in line.loans if x.asset == entry["asset"] and entry.get("loan") in (None, x.id)]


def is_dust(loan: Loan, version: Version, price: Decimal | None = None) -> bool:
    """At most one unit is left, or no more than the lender's dust in USD (section 9.1)."""
    rest = Fraction(loan.principal) + Fraction(loan.interest)
    if not rest:
        return False
    return rest <= Fraction(version.unit(loan.asset)) or (
        price is not None and rest * Fraction(price) <= Fraction(version.dust)
    )


def too_much(line: Line, entry: Entry, version: Version) -> dict[str, str]:
    """What is said of a payment that is more than one unit above what is owed; empty where it is not."""
    mine = paid_loans(line, entry)
    owed = sum((x.principal + x.interest for x in mine), ZERO)
    paid, unit = _payment(entry, owed), version.unit(entry["asset"])
    if paid - owed <= unit:
        return {}
    shown = rounded(owed, unit, version.rounding)
    facts = {"asset": entry["asset"], "paid": plain(paid), "owed": plain(owed), "returned": plain(paid - shown)}
    return facts | ({"account": entry["account"]} if "account" in entry else {})


def rounded(amount: Decimal, unit: Decimal, how: str) -> Decimal:
    """As the lender books it: the only rounding of an interest."""
    context = EXACT.copy()
    context.traps = dict.fromkeys(context.traps, False)
    return amount.quantize(unit, rounding=ROUNDINGS[how], context=context)


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
    "announce": _as_it_was,
    "dispute": _as_it_was,
    "resolve": _as_it_was,
    "liquidated": _liquidated,
    "extend_grace": _as_it_was,
    "waive": _as_it_was,
}
