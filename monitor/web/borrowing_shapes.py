"""Answers about what may be done, as the contract describes them (shapes.py): orders, accounts, renewals, interest."""

from __future__ import annotations

import msgspec


class _Shape(msgspec.Struct, frozen=True):
    pass


class ReasonShape(_Shape, frozen=True):
    """Why something is refused: a word for programs, a sentence for people."""

    reason: str
    text: str


class AccountShape(_Shape, frozen=True):
    """Whether a collateral account may be detached now (VIP FAQ 8)."""

    detachable: bool
    reasons: list[ReasonShape]


class PermittedShape(_Shape, frozen=True):
    """What the borrower may do now."""

    trade: bool
    move_within_group: bool
    withdraw: bool
    new_order: bool
    new_order_refusals: list[ReasonShape]
    withdrawable: dict[str, str]
    removable_accounts: list[str]
    accounts: dict[str, AccountShape]


class OffersShape(_Shape, frozen=True):
    """Daily rates of a new order; null where there is none."""

    flexible: str | None
    term_30d: str | None = msgspec.field(name="30d")
    term_60d: str | None = msgspec.field(name="60d")


class BorrowableShape(_Shape, frozen=True):
    """One coin that the product lends. Limits are null where there are none, `left_usd` also while its price is missing."""

    limit_usd: str | None
    left_usd: str | None
    limit: str | None
    left: str | None
    most_usd: str
    allowed: bool
    reasons: list[ReasonShape]
    offers: OffersShape


class RenewalShape(_Shape, frozen=True):
    """When a term loan may be renewed, and why that would be refused now."""

    opens_at: str
    closes_at: str
    open: bool
    renewable: bool
    refusals: list[ReasonShape]


class ShortfallShape(_Shape, frozen=True):
    """A coin whose stated Spot balances do not pay the interest that is owed in it."""

    asset: str
    interest: str
    balance: str
    short: str
