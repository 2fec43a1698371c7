"""What Spot balances pay, and what is said of a term loan that comes near its maturity (rules 27 and 28)."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from tests.reference.figures import ZERO, plain
from tests.reference.state import MARGIN_CALL, NORMAL, Group
from tests.reference.terms import Loan, Version, stamp

COIN_LIMIT, NOT_COVERED = "coin_limit", "interest_not_covered"


def interest(group: Group, loan: Loan) -> Decimal:
    """What a loan owes in interest by now."""
    return max(loan.interest + group.accrued[loan.id], -loan.principal)


def balance(group: Group, asset: str) -> Decimal:
    return sum((held.get(asset, ZERO) for held in group.line.balances.values()), ZERO)


def shortfalls(group: Group) -> dict[str, dict[str, str]]:
    """The coins whose stated balances do not pay the interest that is owed in them, in order; no balances are not known."""
    owed: dict[str, Decimal] = {}
    for loan in group.line.loans:
        owed[loan.asset] = owed.get(loan.asset, ZERO) + interest(group, loan)
    found = {}
    for asset, amount in sorted(owed.items()):
        has = balance(group, asset)
        if group.line.balances and has < amount:
            figures = {"interest": plain(amount), "balance": plain(has), "short": plain(amount - has)}
            found[asset] = {"asset": asset} | figures
    return found


def renewal(group: Group, loan: Loan, version: Version, price: Mapping[str, Decimal]) -> dict[str, Any]:
    """The facts of `loan.renewal_open` and `loan.maturing`; a renewal closes at the maturity (reading A13)."""
    assert loan.matures_at is not None
    reasons = _refusals(group, loan, version, price)
    return {
        "loan": loan.id,
        "asset": loan.asset,
        "principal": plain(loan.principal),
        "interest": plain(interest(group, loan)),
        "matures_at": stamp(loan.matures_at),
        "closes_at": stamp(loan.matures_at),
        "renewable": not reasons,
        "refusals": reasons,
    }


def _refusals(group: Group, loan: Loan, version: Version, price: Mapping[str, Decimal]) -> list[str]:
    """Margin call, the coin's limit, interest that the Spot wallet cannot pay: each refuses a renewal (rule 27)."""
    reasons = [MARGIN_CALL] if group.stage != NORMAL else []
    limits = version.loan_limits.get(loan.asset)
    owed = dict(group.debts).get(loan.asset, ZERO)
    if limits and loan.asset in price:
        reasons += [COIN_LIMIT] if owed * price[loan.asset] > limits[min(group.line.vip_level, len(limits) - 1)] else []
    if group.line.balances and balance(group, loan.asset) < interest(group, loan):
        reasons.append(NOT_COVERED)
    return reasons


def overdue(loan: Loan, version: Version, group: Group) -> dict[str, Any]:
    """The facts of `loan.overdue`: when the liquidation is expected is our reading, and says so (A12)."""
    assert loan.matures_at is not None
    expected = max(loan.matures_at + version.overdue_after, group.waived_until or loan.matures_at)
    return {
        "loan": loan.id,
        "asset": loan.asset,
        "matured_at": stamp(loan.matures_at),
        "liquidation_at": stamp(expected),
        "assumed": True,
    }
