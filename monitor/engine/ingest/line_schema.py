"""A book line with its texts as they were written: what msgspec reads of it several times faster than core.schema.

A line that cannot be read so is not wrong yet; core.loans.group.parse_line decides, and says what is.
"""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, UnsetType

from monitor.core.loans.group import Term

Holdings = dict[str, dict[str, str]]


class RateText(msgspec.Struct, forbid_unknown_fields=True, kw_only=True, gc=False):
    """A core.loans.group.Rate. Fields stand by their name here and below: so their order is that of the canonical line."""

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
    term: Term


class LineText(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """A core.loans.group.GroupLine. What a line leaves out is unset, so that it is left out of the canonical line too."""

    balances: Holdings | UnsetType = UNSET
    collateral: Holdings
    contacts: dict[Literal["email", "sms"], tuple[str, ...]] | UnsetType = UNSET
    delayed_liquidation: bool | UnsetType = UNSET
    id: str
    labels: dict[str, str] | UnsetType = UNSET
    leverage: Annotated[int, msgspec.Meta(ge=1, le=125)] | UnsetType | None = UNSET
    loans: list[LoanText]
    product: str
    receiving_account: str
    thresholds: dict[Literal["initial", "margin_call", "liquidation", "immediate"], str] | UnsetType = UNSET
    vip_level: Annotated[int, msgspec.Meta(ge=0, le=99)] | UnsetType | None = UNSET
