"""What is said of a term loan that comes near its maturity: until when it may be renewed, and why it would be refused.

rule 27: a renewal is refused while the order is in margin call, while the coin is over its limit, and where the Spot
wallet cannot pay the interest, which is paid first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.borrowing.limits import INTEREST, Borrower, Reason, in_call, over_limit, room_of
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.group import Loan
from monitor.core.money import plain
from monitor.core.stages.maturity import overdue_at, renewal_opens
from monitor.core.text import as_json, stamp
from monitor.core.valuation.interest_cover import balance, interest_of


class Renewal(msgspec.Struct, frozen=True):
    """When a term loan may be renewed, and why that would be refused now."""

    opens_at: str
    closes_at: str
    open: bool
    renewable: bool
    refusals: list[Reason]


class RenewalFacts(msgspec.Struct, frozen=True):
    """What `loan.renewal_open` and `loan.maturing` add."""

    loan: str
    asset: str
    principal: str
    interest: str
    matures_at: str
    closes_at: str
    renewable: bool
    refusals: list[Reason]


class OverdueFacts(msgspec.Struct, frozen=True):
    """What `loan.overdue` adds: the loan and when its liquidation is assumed (reading A12)."""

    loan: str
    asset: str
    matured_at: str
    liquidation_at: str
    assumed: bool


def refusals(borrower: Borrower, loan: Loan, owed: Decimal) -> list[Reason]:
    """Why a renewal of the loan would be refused now; empty where nothing known speaks against it. `owed`: its interest."""
    group = borrower.group
    reasons = in_call(borrower.stage)
    reasons += over_limit(loan.asset, room_of(borrower, loan.asset), beyond=True)
    has = balance(group, loan.asset)
    if group.balances and has < owed:
        text = f"the Spot balances hold {plain(has)} {loan.asset}, the interest to be paid first is {plain(owed)}"
        reasons.append(Reason(INTEREST, text))
    return reasons


def renewal_facts(record: GroupRecord, loan: Loan, usd: Mapping[str, Decimal]) -> dict[str, Any]:
    """The facts of an alert about a loan that may be renewed."""
    assert loan.matures_at is not None
    owed = interest_of(loan, record.product, record.held)
    reasons = refusals(Borrower(record.group, record.state.stage, record.product, record.held, usd), loan, owed)
    facts = RenewalFacts(
        loan=loan.id,
        asset=loan.asset,
        principal=plain(loan.principal),
        interest=plain(owed),
        matures_at=stamp(loan.matures_at),
        closes_at=stamp(loan.matures_at),
        renewable=not reasons,
        refusals=reasons,
    )
    return as_json(facts)


def overdue_facts(record: GroupRecord, loan: Loan) -> dict[str, Any]:
    """The facts of an alert about a loan that is overdue."""
    assert loan.matures_at is not None
    facts = OverdueFacts(
        loan=loan.id,
        asset=loan.asset,
        matured_at=stamp(loan.matures_at),
        liquidation_at=stamp(overdue_at(loan.matures_at, record.held.version, record.state.waived_until)),
        assumed=True,
    )
    return as_json(facts)


def renewal_of(borrower: Borrower, loan: Loan, at: datetime) -> Renewal | None:
    """A loan's renewal in the detail of its group; None where there is none: open terms, products without it."""
    if loan.matures_at is None or not loan.is_owed:
        return None
    opens = renewal_opens(loan.matures_at, borrower.held.version)
    if opens is None:
        return None
    is_open = opens <= at < loan.matures_at
    reasons = refusals(borrower, loan, interest_of(loan, borrower.product, borrower.held))
    return Renewal(
        opens_at=stamp(opens),
        closes_at=stamp(loan.matures_at),
        open=is_open,
        renewable=is_open and not reasons,
        refusals=reasons,
    )
