"""What a borrower may do now, with the reasons where not: new orders, collateral accounts (rules 7, 8 and 17-20)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from monitor.core.borrowing.limits import PRICE, Reason
from monitor.core.money import plain
from monitor.core.rules.thresholds import Metric
from monitor.core.stages.stages import LIQUIDATION
from monitor.core.valuation.remedies import Permitted

LIQUIDATED = "liquidation"
LTV_NOW = "ltv_now"
LTV_AFTER = "ltv_after"


class DetachableAccount(msgspec.Struct, frozen=True):
    """Whether a collateral account may be detached now (rule 8)."""

    detachable: bool
    reasons: list[Reason]


class NotAllowed(NamedTuple):
    """Why not: in whose word, why no new order is taken, which coins have no price that is believed, and the figures beside
    what the lender does not publish."""

    metric: Metric
    orders: Sequence[Reason]
    doubted: Sequence[str]
    unpublished: Reason | None = None


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


def permitted_shown(accounts: Sequence[str], stage: str, allowed: Permitted, why: NotAllowed) -> PermittedShown:
    """What is allowed, and why the rest is not."""
    return PermittedShown(
        trade=allowed.trade,
        move_within_group=allowed.move_within_group,
        withdraw=allowed.withdraw,
        new_order=allowed.new_order,
        new_order_refusals=list(why.orders),
        not_stated={name: why.unpublished for name in allowed.not_stated if why.unpublished is not None},
        withdrawable={asset: plain(quantity) for asset, quantity in allowed.withdrawable.items()},
        removable_accounts=list(allowed.removable_accounts),
        accounts={account: _detachable(account, stage, allowed, why) for account in accounts},
    )


def _detachable(account: str, stage: str, allowed: Permitted, why: NotAllowed) -> DetachableAccount:
    reason = _kept(account, stage, allowed, why)
    if reason is not None and reason.reason == LTV_NOW and why.unpublished is not None:
        reason = why.unpublished
    return DetachableAccount(reason is None, [] if reason is None else [reason])


def _kept(account: str, stage: str, allowed: Permitted, why: NotAllowed) -> Reason | None:
    """Why an account may not leave (rule 8): LTV must be below initial now, and at most initial without it (reading A15)."""
    by, doubted = why.metric, why.doubted
    if stage == LIQUIDATION:
        return Reason(LIQUIDATED, "the group is being liquidated")
    if doubted:
        return Reason(PRICE, f"not every price is there and believed: {', '.join(doubted[:5])}")
    if not allowed.withdraw:
        text = f"{by.title} is not above the level at which assets may leave"
        return Reason(LTV_NOW, text if by.falls else "LTV is not below the initial level (VIP FAQ 8)")
    if account not in allowed.removable_accounts:
        text = f"without it the {by.title} would be below the level at which assets may leave"
        return Reason(LTV_AFTER, text if by.falls else "without it LTV would be above the initial level (VIP FAQ 8)")
    return None
