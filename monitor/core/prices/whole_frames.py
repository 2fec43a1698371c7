"""Taking a frame by column: which of its prices need no judging, and what comes of those (decisions 33 and 42).

A column needs no judging where its price is later than the last one of its source and near it, and near what every other
live source says. Then it replaces the last one; in force is the source that was. Floats decide that where they can: two
correctly rounded floats that differ prove two prices that differ, and within 1e-9 of a limit the exact comparison decides.
The board judges all other columns, the odd ones, as quotes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from operator import eq, itemgetter, lt, truediv
from typing import Any, NamedTuple

from monitor.core.instants import MICROSECOND, micros_of
from monitor.core.money import ONE
from monitor.core.prices.frame_columns import FrameColumns, FrameInForce
from monitor.core.prices.quote import DIRECT, GOOD, USDT, Frame, Heard, Mark
from monitor.core.prices.sources import Source, Sources
from monitor.core.prices.trust import STEADY, TrustRules

_GUARD = 1e-9
"""Floats this close to a limit decide nothing; the quotient of two prices is wrong by 4e-16 at most."""
_MAX_ORDERS = 64
"""Orders of assets that the board remembers: a feed has a few, and one that invents them must not fill the memory."""

Judge = Callable[[Frame, int], Mark | None]
"""Judges one column as a quote; the mark after it, or None where it changes nothing."""


class _Order:
    """Where the columns of a feed's frames lie on the board, and its last frame."""

    def __init__(self, assets: Sequence[str], places: Sequence[int]) -> None:
        self.names = frozenset(assets)
        self.assets = tuple(assets)
        self.columns = {asset: column for column, asset in enumerate(assets)}
        self.places = places
        self.last: FrameInForce | None = None
        self.apart: frozenset[int] = frozenset()
        """Columns that the board always judges as quotes."""
        self.apart_of = -1
        self.shared: dict[int, _Shared] = {}
        """By the identity of another order's columns."""
        first = places[0]
        self.whole = slice(first, first + len(places)) if list(places) == [*range(first, first + len(places))] else None
        self._pick: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(*places)
        assert len(self.columns) == len(assets), "an asset is in a frame once"

    def pick(self, by_place: Sequence[Any]) -> Sequence[Any]:
        """What lies at the places of the columns, in their order."""
        return by_place[self.whole] if self.whole is not None else self._pick(by_place)


class _Shared:
    """The coins that two orders have in common: their columns here and there."""

    def __init__(self, order: _Order, other: FrameInForce) -> None:
        self.other = other.columns
        """Held, so that its identity is not given to another."""
        self.here = [column for column, asset in enumerate(order.assets) if asset in other.columns]
        there = [other.columns[order.assets[column]] for column in self.here]
        is_same = self.here == there == list(range(len(order.assets)))
        self._here = None if is_same or len(self.here) < 2 else itemgetter(*self.here)
        self._there = None if is_same or len(self.here) < 2 else itemgetter(*there)

    def ratios(self, here: Sequence[float], there: Sequence[float]) -> tuple[float, ...]:
        """The prices of the common coins here, by those there."""
        if self._here is None or self._there is None:
            return tuple(map(truediv, here, there))
        return tuple(map(truediv, self._here(here), self._there(there)))


class _Looks(NamedTuple):
    """What is looked at for one frame."""

    frame: Frame
    order: _Order
    source: Source
    at: datetime
    in_force: Sequence[FrameInForce | None]


class WholeFrames:
    """Takes frames for the board."""

    def __init__(self, columns: FrameColumns, floats: array[float], sources: Sources) -> None:
        self._columns = columns
        self._floats = floats
        self._sources = sources
        self._orders: dict[tuple[str, str, tuple[str, ...]], _Order] = {}
        self._apart: frozenset[str] = frozenset()
        self._version = 0

    def configure(self, rules: TrustRules) -> None:
        """Takes new settings. Every column is judged once by them."""
        self._rules = rules
        jump, spread = float(rules.trust.confirm_jump), float(rules.trust.max_spread) / 2
        self._near = 1 - jump + _GUARD, 1 + jump - _GUARD
        # Within half the spread of this frame all sources are within the spread of each other, whichever is the median.
        self._agree = 1 - spread + _GUARD, 1 + spread - _GUARD
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
        looks = _Looks(frame, order, source, at, order.pick(self._columns.frames))
        odd = self._odd(looks)
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
        self._spread(made, last, leading, judged, order, source)
        if not odd and not unmoved and leading is None:
            return order.names
        moved = [
            asset
            for column, asset in enumerate(order.assets)
            if column not in judged and (leading is None or leading[column] is last)
        ]
        return frozenset(moved).difference(map(order.assets.__getitem__, unmoved))

    def _order(self, frame: Frame, place: Callable[[str], int]) -> _Order:
        key = (frame.source, frame.quote, frame.assets)
        order = self._orders.get(key)
        if order is None:
            if len(self._orders) >= _MAX_ORDERS:
                self._orders.clear()
            order = self._orders[key] = _Order(frame.assets, [place(asset) for asset in frame.assets])
        if order.apart_of != self._version:
            order.apart_of = self._version
            order.apart = frozenset(column for asset, column in order.columns.items() if asset in self._apart)
        return order

    # -- which columns are odd --

    def _odd(self, looks: _Looks) -> Collection[int]:
        """Columns that must be judged as quotes."""
        frame, order, last = looks.frame, looks.order, looks.order.last
        everything = range(len(frame))
        if last is None or not self._is_in_time(looks):
            return everything
        cells = order.pick(looks.source.cells)
        odd: set[int] = set(order.apart)
        if cells.count(last) != len(frame):
            odd.update(column for column, cell in enumerate(cells) if cell is not last)
        if frame.later_ms or last.frame.later_ms:
            if not all(map(lt, last.frame.times, frame.times)):
                pairs = zip(last.frame.times, frame.times, strict=True)
                odd.update(column for column, (then, now) in enumerate(pairs) if then >= now)
        elif frame.at_ms <= last.frame.at_ms:
            return everything
        low, high = self._near
        ratios = tuple(map(truediv, frame.floats, last.frame.floats))
        if not (low < min(ratios) and max(ratios) < high):
            odd.update(column for column, ratio in enumerate(ratios) if not low < ratio < high)
        agreeing = self._compare(looks, odd)
        self._prefer(looks, agreeing, self._leaders(looks, agreeing, odd), odd)
        return everything if len(odd) == len(frame) else sorted(odd)

    def _is_in_time(self, looks: _Looks) -> bool:
        """No price of the frame, and none of the last one, is late or dated ahead."""
        frame, source = looks.frame, looks.source
        last = looks.order.last
        assert last is not None
        if not self._is_live(source, last, looks.at):
            return False  # the source was silent for so long that it has to be steady again
        if not frame.is_dated:
            return True
        first, newest = (min(frame.times), max(frame.times)) if frame.later_ms else (frame.at_ms, frame.at_ms)
        now_us = micros_of(self._sources.venue_now(source, looks.at))
        limit_us = source.limit("") // MICROSECOND
        return newest * 1000 <= now_us + 1_000_000 and first * 1000 + limit_us >= now_us

    def _is_live(self, source: Source, said: FrameInForce, at: datetime) -> bool:
        """All prices of a source's frame are live."""
        limit = source.limit("")
        if at - said.received_at > limit:
            return False
        if not said.frame.is_dated:
            return True
        return said.soonest_ms * 1000 + limit // MICROSECOND >= micros_of(self._sources.venue_now(source, at))

    def _is_dead(self, source: Source, said: FrameInForce, at: datetime) -> bool:
        """No price of a source's frame is live."""
        limit = source.limit("")
        if at - said.received_at > limit:
            return True
        if not said.frame.is_dated:
            return False
        return said.latest_ms * 1000 + limit // MICROSECOND < micros_of(self._sources.venue_now(source, at))

    def _compare(self, looks: _Looks, odd: set[int]) -> list[FrameInForce]:
        """Looks at what the other sources say of the same coins; returns their frames that agree."""
        n, at = len(looks.frame), looks.at
        agreeing, counts = [], 1
        for source in self._sources:
            if source is looks.source:
                continue
            cells = looks.order.pick(_padded(source, looks.order))
            said = next((cell for cell in cells if cell is not None), None)
            if said is None:
                continue
            if not isinstance(said, FrameInForce) or not self._is_one(cells, said, looks.order):
                agreeing += self._compare_each(looks, source, cells, odd)
                continue
            if self._is_dead(source, said, at):
                continue
            shared = self._shared(looks.order, said)
            if not self._is_live(source, said, at) or said.frame.quote != looks.frame.quote:
                odd.update(shared.here)
                continue
            low, high = self._agree
            ratios = shared.ratios(looks.frame.floats, said.frame.floats)
            if not (low < min(ratios) and max(ratios) < high):
                odd.update(column for column, ratio in zip(shared.here, ratios, strict=True) if not low < ratio < high)
            agreeing.append(said)
            counts += len(shared.here) == n
        if counts < self._rules.trust.min_sources:
            odd.update(range(n))
        return agreeing

    def _is_one(self, cells: Sequence[Any], said: FrameInForce, order: _Order) -> bool:
        """All coins that the order shares with a frame are said by it, and the others by nobody."""
        if cells.count(said) == len(cells):
            return True
        shared = self._shared(order, said)
        return cells.count(said) == len(shared.here) and cells.count(None) == len(cells) - len(shared.here)

    def _shared(self, order: _Order, said: FrameInForce) -> _Shared:
        shared = order.shared.get(id(said.columns))
        if shared is None:
            if len(order.shared) >= _MAX_ORDERS:
                order.shared.clear()
            shared = order.shared[id(said.columns)] = _Shared(order, said)
        return shared

    def _compare_each(self, looks: _Looks, source: Source, cells: Sequence[Any], odd: set[int]) -> list[FrameInForce]:
        """As `_compare`, where a source said of each coin something else."""
        found: dict[int, tuple[FrameInForce, bool, bool]] = {}
        low, high = self._agree
        floats, assets = looks.frame.floats, looks.order.assets
        for column, cell in enumerate(cells):
            if cell is None:
                continue
            if not isinstance(cell, FrameInForce):
                if isinstance(cell, Heard) and looks.at - cell.received_at <= source.limit(cell.asset):
                    odd.add(column)
                continue
            known = found.get(id(cell))
            if known is None:
                is_dead = self._is_dead(source, cell, looks.at)
                is_fit = self._is_live(source, cell, looks.at) and cell.frame.quote == looks.frame.quote
                known = found[id(cell)] = cell, is_dead, is_fit
            _, is_dead, is_fit = known
            if is_dead:
                continue
            ratio = floats[column] / cell.frame.floats[cell.columns[assets[column]]]
            if not is_fit or not low < ratio < high:
                odd.add(column)
        return [cell for cell, is_dead, is_fit in found.values() if is_fit and not is_dead]

    def _leaders(self, looks: _Looks, agreeing: Collection[FrameInForce], odd: set[int]) -> list[FrameInForce]:
        """Frames of other sources that are in force for some of the columns; what nobody leads is odd."""
        in_force, last = looks.in_force, looks.order.last
        n = len(in_force)
        if in_force.count(last) == n:
            return []
        others = [each for each in agreeing if each in in_force]
        if in_force.count(last) + sum(in_force.count(each) for each in others) < n:
            known = {id(last), *map(id, others)}
            odd.update(column for column, each in enumerate(in_force) if id(each) not in known)
        return others

    def _prefer(
        self, looks: _Looks, agreeing: Iterable[FrameInForce], leaders: Iterable[FrameInForce], odd: set[int]
    ) -> None:
        """Columns where another source than the one in force is preferred, and has been steady for long enough."""
        last, rank = looks.order.last, self._rules.rank(looks.source.name)
        assert last is not None
        latest = looks.at - STEADY
        for leader in leaders:
            if rank < self._rules.rank(leader.frame.source) and min(last.since) <= latest:
                columns = zip(looks.in_force, last.since, strict=True)
                odd.update(c for c, (each, since) in enumerate(columns) if each is leader and since <= latest)
        for other in agreeing:
            if self._rules.rank(other.frame.source) < rank and last in looks.in_force and min(other.since) <= latest:
                odd.update(column for column, each in enumerate(looks.in_force) if each is last)

    # -- what comes of a frame --

    def _adopt(self, made: FrameInForce, column: int, order: _Order, mark: Mark | None) -> None:
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
        return is_same and mark.trust == GOOD

    def _spread(
        self,
        made: FrameInForce,
        last: FrameInForce | None,
        leading: Sequence[FrameInForce | None] | None,
        judged: Collection[int],
        order: _Order,
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


def _padded(source: Source, order: _Order) -> list[Any]:
    source.room(max(order.places) + 1 if order.whole is None else order.whole.stop)
    return source.cells


def _unmoved(frame: Frame, last: FrameInForce | None) -> list[int]:
    """Columns whose price is that of the last frame. Different floats are different prices; equal ones may be."""
    if last is None or not any(map(eq, frame.floats, last.frame.floats)):
        return []
    return [
        column
        for column, (now, then) in enumerate(zip(frame.floats, last.frame.floats, strict=True))
        if now == then and frame.price(column) == last.frame.price(column)
    ]
