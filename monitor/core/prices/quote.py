"""Prices and whether they may be believed: good, stale, suspect or missing (decision 9).

A quote is what a feed said. A mark is what is in force for an asset: the last good price, which an unconfirmed jump does
not move and staleness does not erase. An untrusted price can block good news but never makes bad news alone.
A frame is many quotes by column; board.py decides which of them count.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

import msgspec

from monitor.core.instants import time_at_ms
from monitor.core.money import number
from monitor.core.prices.decisions import Pinned

GOOD, STALE, SUSPECT, MISSING = "good", "stale", "suspect", "missing"
LOWEST, HIGHEST = Decimal("1e-18"), Decimal("1e15")
_SURELY_LOWEST, _SURELY_HIGHEST, _SURELY_LONGEST = 1e-17, 1e14, 32
"""A text of digits and a point is a price where its float is well within the range and its length within 40 digits."""
USDT = "USDT"
DIRECT = ("USD", USDT)
"""A price in these needs no other coin's price; USDT has a stated rate."""
PIN = "pin"
"""The source of a price that an operator has pinned."""


class Quote(msgspec.Struct, frozen=True, omit_defaults=True):
    """One price of one coin as a feed gave it: per coin (never per thousand), in `quote` (USDT or USD)."""

    asset: str
    price: Decimal
    quote: str
    source: str
    at: datetime
    """The exchange's own time of this price; our receipt where the venue sends none."""
    is_dated: bool = True
    """The venue sent the time. Where it did not, the price has no age of the exchange."""
    beside: Decimal | None = None
    """The venue's own index or last price of the same message, per coin: it may confirm the first price of a coin."""


class Frame(msgspec.Struct, frozen=True, dict=True, omit_defaults=True):
    """Prices of many coins that one message of a feed gave together, by column. Iterating gives the quotes.

    Texts are those of the message, per coin, in plain or exponent form; `price` makes a Decimal of one. Each asset is
    there once. Raises ValueError where columns differ in length or a text is no number.
    """

    source: str
    quote: str
    assets: tuple[str, ...]
    texts: tuple[str, ...]
    at_ms: int
    """The exchange's own time of the first price, in milliseconds since 1970."""
    later_ms: tuple[int, ...] = ()
    """By how much each price is later than the first one; empty where all are of one time, as is usual."""
    is_dated: bool = True
    """As of a quote."""
    beside: tuple[str, ...] = ()
    """The venue's own index or last price of each coin, as text; empty where the message has none, "" for a single coin."""

    def __post_init__(self) -> None:
        if not len(self.assets) == len(self.floats) == len(self.times):
            raise ValueError(
                f"{len(self.assets)} assets, {len(self.floats)} prices, {len(self.times)} times in a frame"
            )

    @cached_property
    def floats(self) -> tuple[float, ...]:
        """The prices, correctly rounded: where two of these differ the prices differ."""
        return tuple(map(float, self.texts))

    @cached_property
    def times(self) -> tuple[int, ...]:
        """The exchange's own time of each price, in milliseconds since 1970."""
        if not self.later_ms:
            return (self.at_ms,) * len(self.assets)
        return tuple(self.at_ms + later for later in self.later_ms)

    def price(self, column: int) -> Decimal:
        """The exact price."""
        return Decimal(self.texts[column])

    @cached_property
    def first_at(self) -> datetime:
        """The exchange's own time of the first price."""
        return time_at_ms(self.at_ms)

    @property
    def bounds(self) -> tuple[datetime, datetime]:
        """The exchange's own times of its oldest and its newest price."""
        if not self.later_ms:
            return self.first_at, self.first_at
        return time_at_ms(min(self.times)), time_at_ms(max(self.times))

    def at(self, column: int) -> datetime:
        """The exchange's own time of a price."""
        return time_at_ms(self.times[column]) if self.later_ms else self.first_at

    def one(self, column: int) -> Quote:
        """One column as a quote."""
        at, beside = self.at(column), self._beside(column)
        return Quote(self.assets[column], self.price(column), self.quote, self.source, at, self.is_dated, beside)

    def _beside(self, column: int) -> Decimal | None:
        """The price beside. It only confirms, so a text that is no price is none, and is looked at only here."""
        try:
            return price(self.beside[column]) if self.beside else None
        except BadPrice:
            return None

    def __iter__(self) -> Iterator[Quote]:
        return map(self.one, range(len(self.assets)))

    def __len__(self) -> int:
        return len(self.assets)


Batch = Frame | Sequence[Quote]
"""What a feed hands over at once."""


def assets_of(batch: Batch) -> Sequence[str]:
    """The coins that a batch prices, in its order."""
    return batch.assets if isinstance(batch, Frame) else [q.asset for q in batch]


class BadPrice(ValueError):
    """A price that no market has; `reason` is a counter's label."""

    def __init__(self, reason: str, text: object) -> None:
        super().__init__(f"{reason} price {str(text)[:40]!r}; a price is a number from 1e-18 to 1e15")
        self.reason = reason


def price(text: object) -> Decimal:
    """A price from its text, in plain or exponent form, from 1e-18 to 1e15. Raises BadPrice with the reason."""
    if not isinstance(text, str):
        raise BadPrice("not_text", text)
    if text == "":
        raise BadPrice("empty", text)
    try:
        value = number(text)
    except ValueError:
        kind = "not_finite" if text.strip("+-").lower() in ("nan", "inf", "infinity") else "not_a_number"
        raise BadPrice(kind, text) from None
    if value == 0:
        raise BadPrice("zero", text)
    if value < 0:
        raise BadPrice("negative", text)
    if not LOWEST <= value <= HIGHEST or len(value.as_tuple().digits) > 40:
        raise BadPrice("out_of_range", text)
    return value


class MarketColumns(NamedTuple):
    """What a message says of many coins, as texts and times in milliseconds, before it is known to be prices.

    `powers`: (column, power of ten) of texts that price that many coins. `beside`: as of a frame, for so many coins.
    """

    assets: tuple[str, ...]
    texts: tuple[str, ...]
    times: tuple[int, ...]
    powers: Sequence[tuple[int, int]] = ()
    beside: tuple[str, ...] = ()


def sure_frame(source: str, quote: str, columns: MarketColumns) -> Frame | None:
    """The frame, where all texts are surely prices; None where `price` must judge one of them."""
    assets, texts, times, powers, beside = columns
    if not _plain(texts) or (any(beside) and not _plain(beside)):
        return None
    later = () if times.count(times[0]) == len(times) else tuple(at_ms - times[0] for at_ms in times)
    moved = list(texts)
    try:
        for column, power in powers:
            if float(texts[column]) > _SURELY_HIGHEST:
                return None
            moved[column] += f"e-{power}"
        frame = Frame(source, quote, assets, tuple(moved), times[0], later, True, _moved(beside, powers))
    except ValueError:
        return None
    return frame if min(frame.floats) > _SURELY_LOWEST and max(frame.floats) < _SURELY_HIGHEST else None


def _plain(texts: tuple[str, ...]) -> bool:
    """Texts of digits and points, none too long."""
    digits = "".join(texts)
    return (
        digits.isascii()
        and not digits.encode().translate(None, b"0123456789.")
        and max(map(len, texts)) <= _SURELY_LONGEST
    )


def _moved(beside: tuple[str, ...], powers: Sequence[tuple[int, int]]) -> tuple[str, ...]:
    """The texts beside the prices, per coin; a text that is none stays one."""
    if not any(beside):
        return ()
    moved = list(beside)
    for column, power in powers:
        moved[column] += f"e-{power}"
    return tuple(moved)


class Mark(msgspec.Struct, frozen=True):
    """The price in force for an asset, and why it is believed or not. `usd` is `quote_price` times the USDT rate."""

    asset: str
    quote: str
    quote_price: Decimal
    source: str
    price_at: datetime | None
    received_at: datetime
    changed_at: datetime
    trust: str = GOOD
    reason: str = ""
    candidate: Decimal | None = None
    candidate_since: datetime | None = None
    announced: bool = False
    """The desk was told that this price is not trusted, and must hear when it is trusted again."""
    episode: int = 0
    sequence: int = 0
    pinned: Pinned | None = None
    """An operator has pinned this price; the source is `pin`."""
    is_power: bool = False
    """The candidate is a power of ten away: up it is never believed by lasting, down only after a long time."""
    differ_since: datetime | None = None
    """Since when live sources contradict each other, or too few are left; None while they agree."""


class Heard(NamedTuple):
    """What one source said last of an asset. Older recordings hold the first five fields."""

    asset: str
    source: str
    price: Decimal
    at: datetime
    received_at: datetime
    quote: str = "USD"
    is_dated: bool = True
    changed_at: datetime | None = None
    """When the price became what it is; None: at the receipt."""
    since: datetime | None = None
    """Since when this source has spoken of the asset without a pause; None: since the receipt."""
    is_sure: bool = True
    """Two messages of the source agree, or the venue's own price beside it does."""


class SourcePrice(msgspec.Struct, frozen=True, omit_defaults=True):
    """What one source says of an asset now, and whether it counts: what a person looks at (`/v1/prices`, alerts, explain)."""

    source: str
    price: Decimal
    quote: str
    state: str
    """live, stale, late, ahead, suspect, frozen, outlier, excluded, settled, not_listed."""
    reason: str
    received_at: datetime
    changed_at: datetime
    price_at: datetime | None
    """The exchange's own time; None where the venue sends none."""


class Contradiction(msgspec.Struct, frozen=True):
    """Live sources of an asset differ by more than they may, or fewer are left than are wanted."""

    since: datetime
    sources: tuple[SourcePrice, ...]
    """All that speak of the asset, live or not."""


class PriceChange(msgspec.Struct, frozen=True):
    """What a batch of quotes or a deadline changed: assets whose price or trust moved, and those to announce."""

    moved: frozenset[str] = frozenset()
    lost: tuple[str, ...] = ()
    regained: tuple[str, ...] = ()
    found: tuple[str, ...] = ()
    """Assets whose value in USD is known for the first time."""


def unconfirmed(mark: Mark) -> Mark:
    """A mark that was kept over a restart: it counts as stale until a feed confirms it. A jump goes on waiting."""
    return msgspec.structs.replace(mark, trust=STALE, reason="kept from before a restart")
