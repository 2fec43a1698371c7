"""What is said of a term loan that comes near its maturity: until when it may be renewed, and why it would be refused.

VIP FAQ 27: a renewal is refused while the order is in margin call, while the coin is over its limit, and where the Spot
wallet cannot pay the interest, which is paid first.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from monitor.core.borrowing.limits import INTEREST, Reason, in_call, over_limit, room_of, shown
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.group import Group, Loan
from monitor.core.money import plain
from monitor.core.rules.product import Product
from monitor.core.stages.maturity import overdue_at, renewal_opens
from monitor.core.text import stamp, stamp_or_none
from monitor.core.valuation.interest_cover import balance, interest_of
from monitor.core.valuation.valuation import Holding


def refusals(
    group: Group, stage: str, held: Holding, loan: Loan, owed: Decimal, usd: Mapping[str, Decimal]
) -> list[Reason]:
    """Why a renewal of the loan would be refused now; empty where nothing known speaks against it. `owed`: its interest."""
    reasons = in_call(stage)
    reasons += over_limit(loan.asset, room_of(held, loan.asset, group.vip_level, usd), beyond=True)
    has = balance(group, loan.asset)
    if group.balances and has < owed:
        text = f"the Spot balances hold {plain(has)} {loan.asset}, the interest to be paid first is {plain(owed)}"
        reasons.append(Reason(INTEREST, text))
    return reasons


def renewal_facts(record: GroupRecord, loan: Loan, usd: Mapping[str, Decimal]) -> dict[str, Any]:
    """What `loan.renewal_open` and `loan.maturing` add."""
    assert loan.matures_at is not None
    owed = interest_of(loan, record.product, record.held)
    reasons = refusals(record.group, record.state.stage, record.held, loan, owed, usd)
    return {
        "loan": loan.id,
        "asset": loan.asset,
        "principal": plain(loan.principal),
        "interest": plain(owed),
        "matures_at": stamp(loan.matures_at),
        "closes_at": stamp(loan.matures_at),
        "renewable": not reasons,
        "refusals": shown(reasons),
    }


def overdue_facts(record: GroupRecord, loan: Loan) -> dict[str, Any]:
    """What `loan.overdue` adds: the loan and when its liquidation is assumed (DOMAIN A12)."""
    assert loan.matures_at is not None
    return {
        "loan": loan.id,
        "asset": loan.asset,
        "matured_at": stamp(loan.matures_at),
        "liquidation_at": stamp(overdue_at(loan.matures_at, record.held.version, record.state.waived_until)),
        "assumed": True,
    }


def renewal_shown(
    group: Group, stage: str, product: Product, held: Holding, loan: Loan, usd: Mapping[str, Decimal], at: datetime
) -> dict[str, Any] | None:
    """A loan's renewal in the detail of its group; None where there is none: open terms, products without it."""
    if loan.matures_at is None or held.version.renewal_window is None or not loan.is_owed:
        return None
    opens = renewal_opens(loan.matures_at, held.version)
    is_open = opens is not None and opens <= at < loan.matures_at
    reasons = refusals(group, stage, held, loan, interest_of(loan, product, held), usd)
    return {
        "opens_at": stamp_or_none(opens),
        "closes_at": stamp(loan.matures_at),
        "open": is_open,
        "renewable": is_open and not reasons,
        "refusals": shown(reasons),
    }
