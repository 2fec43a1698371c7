"""A book line whose quantities and times are still texts: msgspec reads it several times faster than core's own schema.

A line that does not fit may still be right: core (loans.group.parse_line) decides, and says what is wrong.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

Holdings = dict[str, dict[str, str]]


class RateText(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A core.loans.group.Rate. Here and below fields are in the order of their names, as in the canonical line."""

    daily: str | UnsetType | None = UNSET
    kind: Literal["flexible", "fixed"]
    paid_in: Literal["BNB"] | UnsetType | None = UNSET


class LoanText(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A core.loans.group.LoanLine."""

    asset: str
    id: str
    interest: str | UnsetType = UNSET
    matures_at: str | UnsetType | None = UNSET
    opened_at: str
    principal: str
    rate: RateText
    term: str


class LineText(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A core.loans.group.GroupLine. What a line leaves out is unset, and the canonical line leaves it out too."""

    balances: Holdings | UnsetType = UNSET
    collateral: Holdings
    contacts: dict[str, tuple[str, ...]] | UnsetType = UNSET
    """Of plain addresses; core reads a line that says more of one."""
    delayed_liquidation: bool | UnsetType = UNSET
    id: str
    labels: dict[str, str] | UnsetType = UNSET
    leverage: Annotated[int, msgspec.Meta(ge=1, le=125)] | UnsetType | None = UNSET
    loans: list[LoanText]
    open_order_loss: str | UnsetType = UNSET
    """Core reads a line that states it: its group stays out of the columns."""
    product: str
    receiving_account: str
    terms: dict[str, Any] | UnsetType | None = UNSET
    thresholds: dict[Literal["initial", "margin_call", "liquidation", "immediate"], str] | UnsetType = UNSET
    vip_level: Annotated[int, msgspec.Meta(ge=0, le=99)] | UnsetType | None = UNSET
