"""What the book is exposed to: sums by borrower, product or coin, the time to sell a coin, debt and collateral of one issuer.

The share of a label or a product is a share of the debt, that of a coin a share of the collateral's market value. Pure.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict

from monitor.core.groups.snapshot import Exposed, Scope, Sums
from monitor.core.money import CENT, ZERO, divide_up, exact, plain
from monitor.core.portfolio.group_list import BadCursor, decoded, encoded
from monitor.core.portfolio.snapshot import LABEL_PREFIX, WholeBook, share_of
from monitor.core.portfolio.stress import SumsShown, sums_shown
from monitor.core.rules.settings import ExposureRules
from monitor.core.text import plain_or_none, stamp, texts

ASSET, PRODUCT = "asset", "product"


class ExposureItem(msgspec.Struct, frozen=True, kw_only=True):
    """Groups with one key. `key` is null for groups without the label. A share is of the debt, for a coin of the market value
    of the collateral. For a coin the sums are what groups hold of it, its debt what they owe in it."""

    key: str | None
    groups: int
    debt_usd: str
    recognised_usd: str
    market_usd: str
    share: str | None
    max_share: str | None
    is_above: bool
    nearest_percent: str | None
    average_percent: str | None
    quantity: str | UnsetType = UNSET
    daily_volume_usd: str | UnsetType | None = UNSET
    days_to_sell: str | UnsetType | None = UNSET


class IssuerPair(msgspec.Struct, frozen=True):
    """Groups that owe one coin and hold one of the same issuer."""

    issuer: str
    debt: str
    collateral: str
    groups: int
    debt_usd: str
    market_usd: str


class ExposureList(msgspec.Struct, frozen=True):
    """The book by key. `wrong_way` comes with `by=asset`."""

    at: str
    by: str
    total: SumsShown
    unknown: int
    is_exact: bool
    wrong_way: list[IssuerPair]
    items: list[ExposureItem]
    next: str | None
    partial: bool | UnsetType = UNSET
    """True where a shard of the book gave no answer: its groups are among the unknown ones."""


class Table:
    """The book by key, the largest share first; pages are cut from it."""

    def __init__(self, book: WholeBook, by: str, scope: Scope) -> None:
        """`by` is "asset", "product" or "label.<name>"."""
        rules = book.rules.exposure
        self._limit = None if scope else most_of(rules, by)  # limits are of the whole book
        found = book.snapshot.exposures(by, book.prices, scope)
        self.by = by
        self._at = book.at
        self._found = found
        self._rules = rules
        self._rows = sorted(found.rows, key=lambda row: _place(row, by))
        pairs = book.snapshot.pairs(rules.issuers, book.prices, scope) if by == ASSET and rules.issuers else []
        self._is_partial = book.snapshot.is_partial
        self._pairs = sorted(pairs, key=lambda pair: (-pair.debt_usd, pair[:3]))

    def page(self, limit: int, after: str | None) -> ExposureList:
        """A page by key: values that move neither hide nor repeat a row for long. Raises BadCursor."""
        rows: Sequence[Exposed] = self._rows
        if after is not None:
            start = _start(self.by, after)
            rows = [row for row in rows if _place(row, self.by) > start]
        with exact():
            return ExposureList(
                at=stamp(self._at),
                by=self.by,
                total=sums_shown(self._found.total),
                unknown=self._found.unknown,
                is_exact=self._found.are_sums_exact,
                wrong_way=[IssuerPair(**texts(pair)) for pair in self._pairs],
                items=[self._row(row) for row in rows[:limit]],
                next=_cursor(self.by, rows[limit - 1]) if len(rows) > limit else None,
                partial=self._is_partial or UNSET,
            )

    def _row(self, row: Exposed) -> ExposureItem:
        whole, most = basis(self._found.total, self.by), self._limit
        part = basis(row.sums, self.by)
        item = ExposureItem(
            key=row.key,
            **asdict(sums_shown(row.sums)),
            share=plain_or_none(share_of(part, whole)),
            max_share=plain_or_none(most),
            is_above=most is not None and part > most * whole,
            nearest_percent=plain_or_none(row.nearest),
            average_percent=plain_or_none(row.weighted),
        )
        if self.by != ASSET:
            return item
        volume = self._rules.daily_volume_usd.get(row.key or "")
        return msgspec.structs.replace(
            item,
            quantity=plain(row.quantity or ZERO),
            daily_volume_usd=plain_or_none(volume),
            days_to_sell=plain_or_none(days_to_sell(row.sums.market, volume, self._rules.max_share_of_volume)),
        )


def basis(sums: Sums, by: str) -> Decimal:
    """The sum that shares are taken of."""
    return sums.market if by == ASSET else sums.debt


def most_of(rules: ExposureRules, by: str) -> Decimal | None:
    """The share above which an alert is raised; None where none is configured."""
    return rules.max_share.get(by.removeprefix(LABEL_PREFIX))


def by_of(name: str) -> str:
    """The key that a name of `max_share` stands for: anything but a coin and a product is a label."""
    return name if name in (ASSET, PRODUCT) else LABEL_PREFIX + name


def days_to_sell(market_usd: Decimal, volume_usd: Decimal | None, participation: Decimal) -> Decimal | None:
    """Days to sell a value when only a share of the daily volume can be sold, rounded up; None without a volume."""
    return None if volume_usd is None else divide_up(market_usd, volume_usd * participation, CENT)


def _place(row: Exposed, by: str) -> tuple[Decimal, bool, str]:
    return basis(row.sums, by).copy_negate(), row.key is None, row.key or ""


def _cursor(by: str, row: Exposed) -> str:
    return encoded((by, *_place(row, by)))


def _start(by: str, text: str) -> tuple[Decimal, bool, str]:
    made_for, *place = decoded(text, tuple[str, Decimal, bool, str], "is not a cursor of this list; start without one")
    if made_for != by or not place[0].is_finite():
        raise BadCursor("is a cursor of another key; start without one")
    return tuple(place)
