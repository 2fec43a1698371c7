"""Marks by column: a trusted frame stays one object, and makes a mark or a Decimal when a caller asks for it.

A board has a place for each asset. In force at a place is either a mark that stands alone, or a column of a frame that the
board trusted as a whole; on a calm day nearly all are. A frame in force never changes, so a copy of the columns is a picture
of the board that any thread may read.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence, ValuesView
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from monitor.core.money import EXACT, ONE
from monitor.core.prices.quote import GOOD, MISSING, USDT, Frame, Heard, Mark

UNTRUSTED_FLAG, MISSING_FLAG = 1, 2


class FrameInForce:
    """A frame in force. Only what was made of it is added, so every thread finds the same."""

    __slots__ = (
        "_marks",
        "_prices",
        "changed_at",
        "columns",
        "frame",
        "latest_ms",
        "received_at",
        "since",
        "soonest_ms",
    )

    def __init__(
        self,
        frame: Frame,
        columns: Mapping[str, int],
        received_at: datetime,
        changed_at: Sequence[datetime],
        since: Sequence[datetime],
    ) -> None:
        self.frame = frame
        self.columns = columns
        self.received_at = received_at
        self.changed_at = changed_at
        self.since = since
        """By column: since when the source has spoken of the asset without a pause."""
        self.soonest_ms = min(frame.times) if frame.later_ms else frame.at_ms
        self.latest_ms = max(frame.times) if frame.later_ms else frame.at_ms
        self._marks: dict[str, Mark] = {}
        self._prices: dict[str, Decimal] = {}

    def price(self, asset: str) -> Decimal:
        """The exact price of one of its assets."""
        made = self._prices.get(asset)
        if made is None:
            made = self.frame.price(self.columns[asset])
            self._prices[asset] = made
        return made

    def mark(self, asset: str, told: Mark) -> Mark:
        """The mark of one of its assets; `told` is an earlier one, which has the numbers of notices."""
        made = self._marks.get(asset)
        if made is None:
            frame, column = self.frame, self.columns[asset]
            made = Mark(
                asset=asset,
                quote=frame.quote,
                quote_price=self.price(asset),
                source=frame.source,
                price_at=frame.at(column) if frame.is_dated else None,
                received_at=self.received_at,
                changed_at=self.changed_at[column],
                announced=told.announced,
                episode=told.episode,
                sequence=told.sequence,
            )
            self._marks[asset] = made
        return made

    def heard(self, asset: str) -> Heard:
        """What its source said last of one of its assets."""
        frame, column = self.frame, self.columns[asset]
        return Heard(
            asset,
            frame.source,
            self.price(asset),
            frame.at(column),
            self.received_at,
            frame.quote,
            frame.is_dated,
            self.changed_at[column],
            self.since[column],
        )


class FrameColumns:
    """What is in force, by place. Places are only added, so `index` and `names` are shared with copies."""

    def __init__(self) -> None:
        self.index: dict[str, int] = {}
        self.names: list[str] = []
        self.alone: list[Mark | None] = []
        """The mark that stands alone, or the last one that did before a frame came into force at the place."""
        self.frames: list[FrameInForce | None] = []
        self.flags = bytearray()
        self.rate: Decimal | None = None
        """What one USDT is worth in USD."""
        self.bases: set[str] = set()
        """Coins other than USDT in which some price is quoted."""

    def copy(self) -> FrameColumns:
        """The columns as they are now; what happens later to these does not show in it."""
        made = FrameColumns()
        made.index = self.index
        made.names = self.names
        made.rate = self.rate
        made.bases = self.bases
        made.alone = self.alone[:]
        made.frames = self.frames[:]
        made.flags = self.flags[:]
        return made

    def place(self, asset: str) -> int:
        """The place of an asset, a new one if it has none."""
        place = self.index.get(asset)
        if place is None:
            place = len(self.names)
            self.names.append(asset)
            self.alone.append(None)
            self.frames.append(None)
            self.flags.append(MISSING_FLAG)
            self.index[asset] = place
        return place

    def find(self, asset: str) -> int | None:
        """The place of an asset that has one here: the index may be newer than this copy."""
        place = self.index.get(asset)
        return place if place is not None and place < len(self.alone) else None

    def mark(self, place: int) -> Mark | None:
        """The mark in force."""
        in_force, alone = self.frames[place], self.alone[place]
        return alone if in_force is None or alone is None else in_force.mark(self.names[place], alone)

    def trust(self, place: int) -> str:
        """Whether the mark is believed, the conversion left aside; that of a frame in force always is."""
        alone = self.alone[place]
        if self.frames[place] is not None:
            return GOOD
        return MISSING if alone is None else alone.trust

    def quote(self, place: int) -> str | None:
        """The coin that the price is quoted in; None where there is no price."""
        in_force, alone = self.frames[place], self.alone[place]
        if in_force is not None:
            return in_force.frame.quote
        return None if alone is None else alone.quote

    def source(self, place: int) -> str | None:
        """Who said the price in force; None where there is none."""
        in_force, alone = self.frames[place], self.alone[place]
        if in_force is not None:
            return in_force.frame.source
        return None if alone is None else alone.source

    def put(self, place: int, mark: Mark) -> bool:
        """Lets a mark stand alone; whether another source said the price before."""
        is_anew = self.source(place) != mark.source
        self.frames[place], self.alone[place] = None, mark
        return is_anew

    def received_at(self, place: int) -> datetime | None:
        """When the price in force was received."""
        in_force, alone = self.frames[place], self.alone[place]
        if in_force is not None:
            return in_force.received_at
        return None if alone is None else alone.received_at

    def quoted(self, place: int) -> float:
        """The price in its own quote, correctly rounded; 0 where there is none."""
        in_force, alone = self.frames[place], self.alone[place]
        if in_force is not None:
            return in_force.frame.floats[in_force.columns[self.names[place]]]
        return 0.0 if alone is None else float(alone.quote_price)

    def factor(self, quote: str) -> Decimal | None:
        """What one quote coin is worth in USD; None where that is not known. A coin that is quoted in a third one is not."""
        if quote == "USD":
            return ONE
        if quote == USDT:
            return self.rate
        place = self.find(quote)
        mark = None if place is None else self.mark(place)
        if mark is None or mark.quote not in ("USD", USDT):
            return None
        of_base = self.factor(mark.quote)
        return None if of_base is None else EXACT.multiply(mark.quote_price, of_base)

    def usd(self, place: int) -> Decimal:
        """The exact price in USD, of a place that is not flagged as missing."""
        name, in_force, alone = self.names[place], self.frames[place], self.alone[place]
        if name == USDT:
            assert self.rate is not None
            return self.rate
        assert alone is not None
        price = alone.quote_price if in_force is None else in_force.price(name)
        quote = self.quote(place)
        assert quote is not None
        factor = self.factor(quote)
        assert factor is not None
        return price if factor is ONE or factor == ONE else EXACT.multiply(price, factor)


class Marks(Mapping[str, Mark]):
    """All marks by asset; one is made when it is looked at."""

    def __init__(self, columns: FrameColumns) -> None:
        self._columns = columns

    def __getitem__(self, asset: str) -> Mark:
        place = self._columns.find(asset)
        mark = None if place is None else self._columns.mark(place)
        if mark is None:
            raise KeyError(asset)
        return mark

    def __contains__(self, asset: object) -> bool:
        place = self._columns.find(asset) if isinstance(asset, str) else None
        return place is not None and self._columns.alone[place] is not None

    def __iter__(self) -> Iterator[str]:
        columns = self._columns
        return (columns.names[place] for place, mark in enumerate(columns.alone) if mark is not None)

    def __len__(self) -> int:
        return sum(mark is not None for mark in self._columns.alone)

    def values(self) -> ValuesView[Mark]:
        return _Values(self, self._columns)


class _Values(ValuesView[Mark]):
    """All marks without looking for the place of each."""

    def __init__(self, marks: Marks, columns: FrameColumns) -> None:
        super().__init__(marks)
        self._columns = columns

    def __iter__(self) -> Iterator[Mark]:
        columns = self._columns
        for asset, alone, in_force in zip(columns.names, columns.alone, columns.frames, strict=False):
            if alone is not None:
                yield alone if in_force is None else in_force.mark(asset, alone)


class Usd(Mapping[str, Decimal]):
    """All known prices in USD by asset; one is made when it is looked at, and kept until `forget`."""

    def __init__(self, columns: FrameColumns) -> None:
        self._columns = columns
        self._made: dict[str, Decimal] = {}

    def forget(self) -> None:
        """Prices have changed."""
        self._made.clear()

    def __getitem__(self, asset: str) -> Decimal:
        made = self._made.get(asset)
        if made is None:
            if asset not in self:
                raise KeyError(asset)
            made = self._columns.usd(self._columns.index[asset])
            self._made[asset] = made
        return made

    def __contains__(self, asset: object) -> bool:
        place = self._columns.find(asset) if isinstance(asset, str) else None
        return place is not None and not self._columns.flags[place] & MISSING_FLAG

    def __iter__(self) -> Iterator[str]:
        columns = self._columns
        return (columns.names[place] for place, flags in enumerate(columns.flags) if not flags & MISSING_FLAG)

    def __len__(self) -> int:
        return sum(not flags & MISSING_FLAG for flags in self._columns.flags)


class BoardView(NamedTuple):
    """The prices of one instant, in the order of Publication and Look. For any thread."""

    marks: Mapping[str, Mark]
    usd: Mapping[str, Decimal]
    untrusted: frozenset[str]
