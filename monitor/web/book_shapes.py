"""The JSON of the tools to decide: the book under stress, and what it is exposed to. The contract is made of these."""

from __future__ import annotations

import msgspec
from msgspec import UNSET, UnsetType


class _Shape(msgspec.Struct, frozen=True):
    """An answer's part."""


class SumsShape(_Shape, frozen=True):
    """Groups and what they come to in USD."""

    groups: int
    debt_usd: str
    recognised_usd: str
    market_usd: str


class MoveShape(SumsShape, frozen=True, kw_only=True):
    """Groups by their stage before and after."""

    from_: str = msgspec.field(name="from")
    to: str


class Exactness(_Shape, frozen=True):
    """Whether every group's stage is exact, and whether the sums are: those of more than 1,000 groups have cents."""

    counts: bool
    sums: bool


class ShockShape(_Shape, frozen=True):
    """A shock and its coin's USD price."""

    shock: str
    before: str | None
    after: str


class MoverShape(_Shape, frozen=True, kw_only=True):
    """A group that changes its stage; exact."""

    id: str
    product: str
    labels: dict[str, str]
    from_: str = msgspec.field(name="from")
    to: str
    ltv_before: str | None
    ltv: str | None
    debt_usd: str
    recognised_usd: str
    market_usd: str
    shortfall_usd: str


class NewlyShape(SumsShape, frozen=True, kw_only=True):
    """Groups that are new in a stage, the worst first; `cut` of them are not listed."""

    items: list[MoverShape]
    cut: int


class StressAnswer(_Shape, frozen=True, tag_field="kind", tag="shocks"):
    """The book before and after shocks, by stage, with what is lost."""

    at: str
    scenario: str | None
    shocks: dict[str, ShockShape]
    groups: int
    unknown: int
    is_exact: Exactness
    before: dict[str, SumsShape]
    after: dict[str, SumsShape]
    moves: list[MoveShape]
    newly: dict[str, NewlyShape]
    bankrupt: int
    expected_shortfall_usd: str
    fees_usd: str
    fund_draw_usd: str


class AxisShape(_Shape, frozen=True):
    """One side of a matrix."""

    asset: str
    shocks: list[str]


class CellShape(_Shape, frozen=True):
    """The book under two shocks; the debt is that at or beyond the liquidation line."""

    stages: dict[str, int]
    liquidation_debt_usd: str
    expected_shortfall_usd: str
    is_exact: Exactness


class MatrixAnswer(_Shape, frozen=True, tag_field="kind", tag="matrix"):
    """A row for each shock of y, in it a cell for each of x."""

    at: str
    x: AxisShape
    y: AxisShape
    cells: list[list[CellShape]]


class SideShape(_Shape, frozen=True):
    """What a common fall brings to the liquidation line."""

    fall_percent: str
    groups: int
    debt_usd: str
    share: str | None


class ReverseAnswer(_Shape, frozen=True, tag_field="kind", tag="reverse"):
    """The smallest common fall that reaches a share of the debt, and what 0.01 % less would reach."""

    at: str
    share: str
    assets: list[str]
    fall_percent: str | None
    reached: SideShape | None
    below: SideShape | None
    reason: str | None
    is_exact: Exactness


class ExposureItem(SumsShape, frozen=True, kw_only=True):
    """What shares a key. `key` is null for groups without the label. Shares are of the debt, those of a coin of the
    collateral's market value; of a coin the sums are what is held of it, its debt what is owed in it."""

    key: str | None
    share: str | None
    max_share: str | None
    is_above: bool
    nearest_percent: str | None
    average_percent: str | None
    quantity: str | UnsetType = UNSET
    daily_volume_usd: str | UnsetType | None = UNSET
    days_to_sell: str | UnsetType | None = UNSET


class PairShape(_Shape, frozen=True):
    """Groups that owe one coin and hold one of the same issuer."""

    issuer: str
    debt: str
    collateral: str
    groups: int
    debt_usd: str
    market_usd: str


class ExposureList(_Shape, frozen=True):
    """The book by key. `wrong_way` comes with `by=asset`."""

    at: str
    by: str
    total: SumsShape
    unknown: int
    is_exact: bool
    wrong_way: list[PairShape]
    items: list[ExposureItem]
    next: str | None
