"""Which columns of a frame must be judged as quotes: by the last one of its source, and by the other sources."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from datetime import datetime
from operator import itemgetter, lt, truediv
from typing import Any, NamedTuple

from monitor.core.instants import MICROSECOND, micros_of
from monitor.core.prices.frame_columns import FrameInForce
from monitor.core.prices.quote import Frame, Heard
from monitor.core.prices.sources import PriceSources, Source
from monitor.core.prices.trust import STEADY, TrustRules

_GUARD = 1e-9
"""Floats this close to a limit decide nothing; the quotient of two prices is wrong by 4e-16 at most."""
_MAX_ORDERS = 64
"""Orders of other sources that are remembered for one."""


class FrameOrder:
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

    def __init__(self, order: FrameOrder, other: FrameInForce) -> None:
        self.other = other.columns
        """Held, so that its identity is not given to another."""
        self.here = [column for column, asset in enumerate(order.assets) if asset in other.columns]
        there = [other.columns[order.assets[column]] for column in self.here]
        is_same = self.here == there == list(range(len(order.assets)))
        self._here = None if is_same else _picker(self.here)
        self._there = None if is_same else _picker(there)

    def ratios(self, here: Sequence[float], there: Sequence[float]) -> tuple[float, ...]:
        """The prices of the common coins here, by those there."""
        if self._here is None or self._there is None:
            return tuple(map(truediv, here, there))
        return tuple(map(truediv, self._here(here), self._there(there)))


def _picker(columns: Sequence[int]) -> Callable[[Sequence[Any]], Sequence[Any]]:
    """Picks these columns; itemgetter alone makes no tuple of one."""
    if len(columns) == 1:
        return itemgetter(slice(columns[0], columns[0] + 1))
    return itemgetter(*columns)


class FrameLook(NamedTuple):
    """What is looked at for one frame."""

    frame: Frame
    order: FrameOrder
    source: Source
    at: datetime
    in_force: Sequence[FrameInForce | None]


class FrameOddity:
    """Finds the odd columns of frames."""

    def __init__(self, sources: PriceSources, rules: TrustRules) -> None:
        self._sources = sources
        self._rules = rules
        jump = float(rules.trust.confirm_jump)
        spread = float(rules.trust.max_spread) / 2
        self._near = 1 - jump + _GUARD, 1 + jump - _GUARD
        # Within half the spread of this frame all sources are within the spread of each other, whichever is the median.
        self._agree = 1 - spread + _GUARD, 1 + spread - _GUARD

    def odd(self, looks: FrameLook) -> Collection[int]:
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

    def _is_in_time(self, looks: FrameLook) -> bool:
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

    def _compare(self, looks: FrameLook, odd: set[int]) -> list[FrameInForce]:
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

    def _is_one(self, cells: Sequence[Any], said: FrameInForce, order: FrameOrder) -> bool:
        """All coins that the order shares with a frame are said by it, and the others by nobody."""
        if cells.count(said) == len(cells):
            return True
        shared = self._shared(order, said)
        return cells.count(said) == len(shared.here) and cells.count(None) == len(cells) - len(shared.here)

    def _shared(self, order: FrameOrder, said: FrameInForce) -> _Shared:
        shared = order.shared.get(id(said.columns))
        if shared is None:
            if len(order.shared) >= _MAX_ORDERS:
                order.shared.clear()
            shared = order.shared[id(said.columns)] = _Shared(order, said)
        return shared

    def _compare_each(
        self, looks: FrameLook, source: Source, cells: Sequence[Any], odd: set[int]
    ) -> list[FrameInForce]:
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

    def _leaders(self, looks: FrameLook, agreeing: Collection[FrameInForce], odd: set[int]) -> list[FrameInForce]:
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
        self, looks: FrameLook, agreeing: Iterable[FrameInForce], leaders: Iterable[FrameInForce], odd: set[int]
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


def _padded(source: Source, order: FrameOrder) -> list[Any]:
    source.room(max(order.places) + 1 if order.whole is None else order.whole.stop)
    return source.cells
