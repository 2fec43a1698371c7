"""Taking a frame by column: which of its prices need no judging, and what comes of those (decisions 33 and 42).

A column needs no judging where its price is later than the last one of its source and near it, and near what every other
live source says. Then it replaces the last one; in force is the source that was. Floats decide that where they can: two
correctly rounded floats that differ prove two prices that differ, and within 1e-9 of a limit the exact comparison decides.
The board judges all other columns, the odd ones, as quotes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Sequence
from datetime import datetime
from operator import eq

from monitor.core.money import ONE
from monitor.core.prices.frame_columns import FrameColumns, FrameInForce
from monitor.core.prices.frame_oddity import FrameLook, FrameOddity, FrameOrder
from monitor.core.prices.quote import DIRECT, GOOD, USDT, Frame, Heard, Mark
from monitor.core.prices.sources import PriceSources, Source
from monitor.core.prices.trust import TrustRules

_MAX_ORDERS = 64
"""Orders of assets that the board remembers: a feed has a few, and one that invents them must not fill the memory."""

Judge = Callable[[Frame, int], Mark | None]
"""Judges one column as a quote; the mark after it, or None where it changes nothing."""


class WholeFrames:
    """Takes frames for the board."""

    def __init__(self, columns: FrameColumns, floats: array[float], sources: PriceSources) -> None:
        self._columns = columns
        self._floats = floats
        self._sources = sources
        self._orders: dict[tuple[str, str, tuple[str, ...]], FrameOrder] = {}
        self._apart: frozenset[str] = frozenset()
        self._version = 0

    def configure(self, rules: TrustRules) -> None:
        """Takes new settings. Every column is judged once by them."""
        self._rules = rules
        self._oddity = FrameOddity(self._sources, rules)
        self._orders.clear()

    def keep_apart(self, assets: frozenset[str]) -> None:
        """These assets are always judged as quotes."""
        if assets != self._apart:
            self._apart = assets
            self._version += 1

    def may_take(self, frame: Frame) -> bool:
        """Frames of one column are quotes; and the median of several sources is judged coin by coin."""
        trust = self._rules.trust
        if not trust.enabled or len(frame) < 2 or frame.quote not in DIRECT:
            return False
        source = self._sources[frame.source]
        return not source.feed.stale_after_of and (trust.mode == "primary" or len(self._sources.by_name) == 1)

    def take(self, frame: Frame, at: datetime, place: Callable[[str], int], judge: Judge) -> frozenset[str]:
        """Judges the odd columns and takes the others at once; returns those of the others whose price in force moved."""
        order, source = self._order(frame, place), self._sources[frame.source]
        source.room(len(self._columns.names))
        last, n = order.last, len(frame)
        looks = FrameLook(frame, order, source, at, order.pick(self._columns.frames))
        odd = self._oddity.odd(looks)
        if source.ahead:  # the next good price takes it away
            source.ahead = {a: heard for a, heard in source.ahead.items() if order.columns.get(a, -1) in (-1, *odd)}
        unmoved = _unmoved(frame, last)
        changed_at, since = [at] * n, [at] * n
        if last is not None:
            since = list(last.since) if odd else last.since  # type: ignore[assignment]
            for column in unmoved:
                changed_at[column] = last.changed_at[column]
        made = FrameInForce(frame, order.columns, at, changed_at, since)
        order.last = made
        leading = None if last is not None and looks.in_force.count(last) == n else looks.in_force
        for column in odd:
            before = source.cells[order.places[column]]
            mark = judge(frame, column)
            if source.cells[order.places[column]] is not before and column not in order.apart:
                self._adopt(made, column, order, mark)
        judged = frozenset(odd)
        if source.ahead:  # a good price takes away the one that was refused
            for column in set(range(n)) - judged:
                source.ahead.pop(order.assets[column], None)
        self._spread(made, last, leading, judged, order, source)
        if not odd and not unmoved and leading is None:
            return order.names
        moved = [
            asset
            for column, asset in enumerate(order.assets)
            if column not in judged and (leading is None or leading[column] is last)
        ]
        return frozenset(moved).difference(map(order.assets.__getitem__, unmoved))

    def _order(self, frame: Frame, place: Callable[[str], int]) -> FrameOrder:
        key = (frame.source, frame.quote, frame.assets)
        order = self._orders.get(key)
        if order is None:
            if len(self._orders) >= _MAX_ORDERS:
                self._orders.clear()
            order = self._orders[key] = FrameOrder(frame.assets, [place(asset) for asset in frame.assets])
        if order.apart_of != self._version:
            order.apart_of = self._version
            order.apart = frozenset(column for asset, column in order.columns.items() if asset in self._apart)
        return order

    # -- what comes of a frame --

    def _adopt(self, made: FrameInForce, column: int, order: FrameOrder, mark: Mark | None) -> None:
        """A column that was judged is one of the frame again, where it was taken and is sure; in force, where it is good."""
        place, source = order.places[column], self._sources[made.frame.source]
        heard = source.cells[place]
        assert isinstance(heard, Heard), "it was taken as a quote"
        if heard.is_sure:
            made.changed_at[column] = heard.changed_at or heard.received_at  # type: ignore[index]
            made.since[column] = heard.since or heard.received_at  # type: ignore[index]
            source.cells[place] = made
            if mark is not None and self._is_led(mark, heard):
                self._columns.frames[place] = made

    @staticmethod
    def _is_led(mark: Mark, heard: Heard) -> bool:
        is_same = (mark.source, mark.quote_price, mark.received_at) == (heard.source, heard.price, heard.received_at)
        return is_same and mark.trust == GOOD and mark.candidate is None and mark.differ_since is None

    def _spread(
        self,
        made: FrameInForce,
        last: FrameInForce | None,
        leading: Sequence[FrameInForce | None] | None,
        judged: Collection[int],
        order: FrameOrder,
        source: Source,
    ) -> None:
        """Puts all columns but the judged ones in the place of the last frame, at the rate of USDT in force."""
        frames, cells, floats, n = self._columns.frames, source.cells, self._floats, len(order.places)
        values = made.frame.floats
        rate = self._columns.rate
        if made.frame.quote == USDT and rate != ONE:
            factor = float(rate or 0)
            values = tuple(value * factor for value in values)
        if not judged and order.whole is not None:
            cells[order.whole] = [made] * n
            if leading is None:
                frames[order.whole] = [made] * n
                floats[order.whole] = array("d", values)
                return
            if last not in leading:
                return
        for column, place in enumerate(order.places):
            if column not in judged:
                cells[place] = made
                if leading is None or leading[column] is last:
                    frames[place] = made
                    floats[place] = values[column]


def _unmoved(frame: Frame, last: FrameInForce | None) -> list[int]:
    """Columns whose price is that of the last frame. Different floats are different prices; equal ones may be."""
    if last is None or not any(map(eq, frame.floats, last.frame.floats)):
        return []
    return [
        column
        for column, (now, then) in enumerate(zip(frame.floats, last.frame.floats, strict=True))
        if now == then and frame.price(column) == last.frame.price(column)
    ]
