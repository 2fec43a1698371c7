"""What a borrower may do now, with the reasons where not: new orders, collateral accounts (rules 7, 8 and 17-20)."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from monitor.core.borrowing.limits import PRICE, Reason
from monitor.core.money import plain
from monitor.core.stages.stages import LIQUIDATION
from monitor.core.valuation.remedies import Permitted

LIQUIDATED = "liquidation"
LTV_NOW = "ltv_now"
LTV_AFTER = "ltv_after"


class DetachableAccount(msgspec.Struct, frozen=True):
    """Whether a collateral account may be detached now (rule 8)."""

    detachable: bool
    reasons: list[Reason]


class PermittedShown(msgspec.Struct, frozen=True):
    """What the borrower may do now."""

    trade: bool
    move_within_group: bool
    withdraw: bool
    new_order: bool
    new_order_refusals: list[Reason]
    not_stated: dict[str, Reason]
    """What the lender does not publish when it permits it, such as `withdraw`, with the figures; it is answered false."""
    withdrawable: dict[str, str]
    removable_accounts: list[str]
    accounts: dict[str, DetachableAccount]


def permitted_shown(
    accounts: Sequence[str],
    stage: str,
    allowed: Permitted,
    orders: Sequence[Reason],
    doubted: Sequence[str],
    unpublished: Reason | None = None,
) -> PermittedShown:
    """`orders`: why no new order is taken. `doubted`: coins of the group without a price that is believed.

    `unpublished`: the figures beside what the lender does not publish.
    """
    return PermittedShown(
        trade=allowed.trade,
        move_within_group=allowed.move_within_group,
        withdraw=allowed.withdraw,
        new_order=allowed.new_order,
        new_order_refusals=list(orders),
        not_stated={name: unpublished for name in allowed.not_stated if unpublished is not None},
        withdrawable={asset: plain(quantity) for asset, quantity in allowed.withdrawable.items()},
        removable_accounts=list(allowed.removable_accounts),
        accounts={account: _detachable(account, stage, allowed, doubted, unpublished) for account in accounts},
    )


def _detachable(
    account: str, stage: str, allowed: Permitted, doubted: Sequence[str], unpublished: Reason | None
) -> DetachableAccount:
    reason = _kept(account, stage, allowed, doubted)
    if reason is not None and reason.reason == LTV_NOW and unpublished is not None:
        reason = unpublished
    return DetachableAccount(reason is None, [] if reason is None else [reason])


def _kept(account: str, stage: str, allowed: Permitted, doubted: Sequence[str]) -> Reason | None:
    """Why an account may not leave (rule 8): LTV must be below initial now, and at most initial without it (reading A15)."""
    if stage == LIQUIDATION:
        return Reason(LIQUIDATED, "the group is being liquidated")
    if doubted:
        return Reason(PRICE, f"not every price is there and believed: {', '.join(doubted[:5])}")
    if not allowed.withdraw:
        return Reason(LTV_NOW, "LTV is not below the initial level (VIP FAQ 8)")
    if account not in allowed.removable_accounts:
        return Reason(LTV_AFTER, "without it LTV would be above the initial level (VIP FAQ 8)")
    return None
