"""What a borrower may do now, with the reasons where not: new orders, collateral accounts (VIP FAQ 7, 8, 17-20)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from monitor.core.borrowing.limits import PRICE, Reason, borrowable, order_reasons
from monitor.core.borrowing.limits import shown as reasons_shown
from monitor.core.loans.group import Group
from monitor.core.money import plain
from monitor.core.rules.product import Product
from monitor.core.stages.stages import LIQUIDATION
from monitor.core.valuation.remedies import Permitted
from monitor.core.valuation.valuation import Holding

LIQUIDATED, LTV_NOW, LTV_AFTER = "liquidation", "ltv_now", "ltv_after"


def allowed_facts(
    group: Group, stage: str, product: Product, held: Holding, at: datetime, usd: Mapping[str, Decimal],
    allowed: Permitted, doubted: Sequence[str],
) -> dict[str, Any]:  # fmt: skip
    """`permitted`, `borrowable_usd` and `borrowable`. `doubted`: coins of the group without a price that is believed."""
    orders = order_reasons(stage, allowed.borrowable_usd, doubted)
    return {
        "permitted": {
            "trade": allowed.trade,
            "move_within_group": allowed.move_within_group,
            "withdraw": allowed.withdraw,
            "new_order": allowed.new_order,
            "new_order_refusals": reasons_shown(orders),
            "withdrawable": {asset: plain(quantity) for asset, quantity in allowed.withdrawable.items()},
            "removable_accounts": list(allowed.removable_accounts),
            "accounts": {
                account: _detachable(account, stage, allowed, doubted) for account in sorted(group.collateral)
            },
        },
        "borrowable_usd": plain(allowed.borrowable_usd),
        "borrowable": borrowable(group, product, held, at, usd, orders, allowed.borrowable_usd),
    }


def _detachable(account: str, stage: str, allowed: Permitted, doubted: Sequence[str]) -> dict[str, Any]:
    reason = _kept(account, stage, allowed, doubted)
    return {"detachable": reason is None, "reasons": reasons_shown([reason] if reason else [])}


def _kept(account: str, stage: str, allowed: Permitted, doubted: Sequence[str]) -> Reason | None:
    """Why an account may not leave (VIP FAQ 8): LTV must be below initial now, and at most initial without it (A15)."""
    if stage == LIQUIDATION:
        return Reason(LIQUIDATED, "the group is being liquidated")
    if doubted:
        return Reason(PRICE, f"not every price is there and believed: {', '.join(doubted[:5])}")
    if not allowed.withdraw:
        return Reason(LTV_NOW, "LTV is not below the initial level (VIP FAQ 8)")
    if account not in allowed.removable_accounts:
        return Reason(LTV_AFTER, "without it LTV would be above the initial level (VIP FAQ 8)")
    return None
