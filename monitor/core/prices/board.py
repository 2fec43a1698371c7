"""The price board: what is in force for every asset, and whether it may be believed (decision 9).

The board judges quotes one by one and exactly (trust.py). Most columns of a frame need no judging: in force is the same
column of the same feed's last frame, and the new price is later and near it. Floats decide that where they can: two correctly
rounded floats that differ prove two prices that differ, and within 1e-9 of the limit the exact comparison decides what is
near. The board judges all other columns as quotes.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Collection, Iterable, Mapping, MutableSequence, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain
from operator import eq, itemgetter, lt, truediv
from typing import Any

import msgspec

from monitor.core.money import ONE, number
from monitor.core.prices.decisions import Believe, Decision, DecisionsOf, Pin
from monitor.core.prices.frame_columns import (
    MISSING_FLAG,
    UNTRUSTED_FLAG,
    BoardView,
    FrameColumns,
    FrameInForce,
    Marks,
    Usd,
)
from monitor.core.prices.quote import (
    GOOD,
    MISSING,
    PIN,
    STALE,
    USDT,
    Frame,
    Heard,
    Mark,
    PriceChange,
    Quote,
    SourcePrice,
    assets_of,
)
from monitor.core.prices.trust import TrustRules, accepted
from monitor.core.rules.settings import Trust

_GUARD = 1e-9
"""Floats this close to a limit decide nothing; the quotient of two prices is wrong by 4e-16 at most."""
_GOOD = (GOOD, MISSING)
"""A missing price is not a distrusted one."""
_MAX_ORDERS = 64
"""Orders of assets that the board remembers: a feed has a few, and one that invents them must not fill the memory."""


class _Order:
    """Where the columns of a feed's frames lie on the board, and its last frame in force."""

    def __init__(self, assets: Sequence[str], places: Sequence[int], apart: Sequence[int]) -> None:
        self.names = frozenset(assets)
        self.columns = {asset: column for column, asset in enumerate(assets)}
        self.places = places
        self.apart = apart
        """Columns that the board always judges as quotes: USDT and what converts it."""
        self.pick: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(*places)
        self.last: FrameInForce | None = None
        assert len(self.columns) == len(assets), "an asset is in a frame once"

    def odd(self, frame: Frame, frames: Sequence[FrameInForce | None], low: float, high: float) -> Collection[int]:
        """Columns that must be judged as quotes: not led by this feed's last frame, not later than it, or not surely near it.

        A price is surely near where its quotient by the last one is between `low` and `high`.
        """
        last = self.last
        if last is None:
            return range(len(frame))
        led, times = self.pick(frames), last.frame.times
        ratios = tuple(map(truediv, frame.floats, last.frame.floats))
        is_near = low < min(ratios) and max(ratios) < high
        if is_near and led.count(last) == len(frame) - len(self.apart) and all(map(lt, times, frame.times)):
            return self.apart
        columns = zip(led, ratios, times, frame.times, strict=True)
        return [
            column
            for column, (in_force, ratio, then, now) in enumerate(columns)
            if in_force is not last or not low < ratio < high or then >= now
        ]

    def unmoved(self, frame: Frame) -> list[int]:
        """Columns whose price is that of the last frame. Different floats are different prices; equal ones may be."""
        last = self.last
        if last is None or not any(map(eq, frame.floats, last.frame.floats)):
            return []
        return [
            column
            for column, (now, then) in enumerate(zip(frame.floats, last.frame.floats, strict=True))
            if now == then and frame.price(column) == last.frame.price(column)
        ]

    def spread(
        self, in_force: FrameInForce, odd: Collection[int], columns: FrameColumns, floats: MutableSequence[float]
    ) -> None:
        """Puts all columns but the odd ones in force, at the rate of USDT in force."""
        frames, places, values = columns.frames, self.places, in_force.frame.floats
        if in_force.frame.quote == USDT and columns.rate != ONE:
            rate = float(columns.rate or 0)
            values = tuple(value * rate for value in values)
        if odd:
            judged = frozenset(odd)
            left = [column for column in range(len(places)) if column not in judged]
            places = [places[column] for column in left]
            values = tuple(values[column] for column in left)
        for place, value in zip(places, values, strict=True):
            floats[place] = value
            frames[place] = in_force


class _Parity:
    """What USDT is worth in USD, as it is configured: a number, or the price of an asset."""

    def __init__(self, stated: str, columns: FrameColumns, marks: Mapping[str, Mark]) -> None:
        is_named = stated[:1].isalpha()
        self.asset = stated if is_named else None
        self._number = None if is_named else number(stated)
        self._columns = columns
        self._marks = marks

    @property
    def rate(self) -> Decimal | None:
        """None while the asset has no price in USD."""
        if self.asset is None:
            return self._number
        mark = self._marks.get(self.asset)
        return mark.quote_price if mark is not None and mark.quote != USDT else None

    @property
    def trust(self) -> str:
        """Whether the rate may be believed. The asset must have a place."""
        return GOOD if self.asset is None else self._columns.trust(self._columns.index[self.asset])


class PriceBoard:
    """The marks of all assets. Mutated only by the RiskMonitor, one event at a time.

    By place, for the engine: `index` asset -> place, only ever added to; `floats` the price in USD, within 1e-15 of itself, 0
    where missing; `flags` 1 where it is not trusted and 2 where it is missing. Copy the two, or read them again at each
    event: new assets make them longer, which an array refuses while another object exports it.
    """

    def __init__(self, trust: Trust, marks: Iterable[Mark] = (), heard: Iterable[Heard] = ()) -> None:
        self._columns = FrameColumns()
        self.index = self._columns.index
        self.flags = self._columns.flags
        self.floats = array("d")
        self.marks = Marks(self._columns)
        self.usd = Usd(self._columns)
        self.untrusted: set[str] = set()
        self.dropped = 0
        self._seen: dict[str, dict[str, Heard]] = {}
        self._orders: dict[tuple[str, str, tuple[str, ...]], _Order] = {}
        self._decided = DecisionsOf()
        for mark in marks:
            self._columns.alone[self.place(mark.asset)] = mark
        for each in heard:
            self._seen.setdefault(each.asset, {})[each.source] = each
        self.configure(trust)

    def configure(self, trust: Trust) -> None:
        """Takes new settings; prices stay."""
        self.trust = trust
        self._trust_rules = TrustRules(trust)
        jump = float(trust.confirm_jump)
        self._near = 1 - jump + _GUARD, 1 + jump - _GUARD
        self._parity = _Parity(trust.usdt_usd, self._columns, self.marks)
        self._orders.clear()
        if self._parity.asset != USDT:
            self._columns.alone[self.place(USDT)] = None
        for asset in self.parity_assets:
            self.place(asset)
        self._revalue(self.index)
        self.usd.forget()

    def place(self, asset: str) -> int:
        """The place of an asset in `floats` and `flags`, a new and missing one if it has none."""
        place = self._columns.place(asset)
        if place == len(self.floats):
            self.floats.append(0.0)
        return place

    def apply(self, quotes: Sequence[Quote], at: datetime, frames: Sequence[Frame] = ()) -> PriceChange:
        """Takes a batch that arrived at `at`, frames first. Quotes older than the one in force are dropped and counted.

        USDT is worth what the configuration states; a quote of it counts only where it is named there.
        """
        before: dict[str, Mark | None] = {}
        moved: frozenset[str] = frozenset()
        if frames and _may_take_whole(self.trust, frames, quotes):
            for frame in frames:
                moved |= self._take_frame(frame, at, before)
        else:
            quotes = [*chain.from_iterable(frames), *quotes]
        for quote in quotes:
            self._take(quote, at, before)
        return self._settle(before, moved)

    def expire(self, asset: str) -> PriceChange:
        """Marks an asset stale because its deadline passed."""
        mark = self.marks[asset]
        if mark.pinned is not None:
            return PriceChange()
        stale = msgspec.structs.replace(mark, trust=STALE, reason="no new price within the limit")
        self._put(self.index[asset], stale)
        return self._settle({asset: mark})

    def stale_due(self, asset: str) -> datetime | None:
        """The last instant at which this asset is not yet stale; None when it cannot become so."""
        place = self._columns.find(asset)
        if place is None or not self.trust.enabled or self._columns.trust(place) == STALE:
            return None
        if asset in self._decided.pins:
            return None
        received_at = self._columns.received_at(place)
        return None if received_at is None else received_at + self.trust.stale_after

    def shift(self, delta: timedelta, at: datetime) -> None:
        """Moves all receipts along with a jump of the wall clock to `at`: a jump is no reason to distrust a price. Back, as
        time passes that the wall does not show.

        Not beyond it: a clock that was set back and forth again moved our time less than the wall, and a receipt in the
        future would hide a feed's silence.
        """
        for mark in self.marks.values():
            since = mark.candidate_since and min(mark.candidate_since + delta, at)
            received, changed = min(mark.received_at + delta, at), min(mark.changed_at + delta, at)
            shifted = msgspec.structs.replace(mark, received_at=received, changed_at=changed, candidate_since=since)
            self._put(self.index[mark.asset], shifted)
        for heard in self._seen.values():
            heard.update(
                {source: h._replace(received_at=min(h.received_at + delta, at)) for source, h in heard.items()}
            )

    @property
    def heard(self) -> tuple[Heard, ...]:
        """What every source said last: whether another one confirms a price depends on it."""
        alone = (each for by_source in self._seen.values() for each in by_source.values())
        columns = zip(self._columns.names, self._columns.frames, strict=True)
        return (*alone, *(in_force.heard(asset) for asset, in_force in columns if in_force is not None))

    def sources(self, asset: str, at: datetime) -> tuple[SourcePrice, ...]:
        """What each source says of an asset now, by name."""
        mark = self.marks.get(asset)
        found = []
        for said in sorted(self._said(asset).values() if asset in self.index else ()):
            state = "live" if at - said.received_at <= self.trust.stale_after else "stale"
            if (asset, said.source) in self._decided.excluded:
                state = "excluded"
            is_in_force = mark is not None and mark.source == said.source
            changed_at = mark.changed_at if mark is not None and is_in_force else said.received_at
            quote = mark.quote if mark is not None else USDT
            found.append(SourcePrice(said.source, said.price, quote, state, "", said.received_at, changed_at, said.at))
        return tuple(found)

    def trust_of(self, asset: str) -> str:
        """good, stale, suspect or missing; the conversion to USD included."""
        if asset not in self.usd:
            return MISSING
        own = self._columns.trust(self.index[asset])
        if own not in _GOOD:
            return own
        is_converted = asset == USDT or self._columns.quote(self.index[asset]) == USDT
        return self._parity.trust if is_converted else GOOD

    @property
    def parity_assets(self) -> tuple[str, ...]:
        """The asset whose price converts USDT to USD, where one is configured."""
        return (self._parity.asset,) if self._parity.asset else ()

    def quoted_in(self, quote: str) -> list[str]:
        """Assets whose price is quoted in a coin."""
        return [name for place, name in enumerate(self._columns.names) if self._columns.quote(place) == quote]

    def announce(self, asset: str, announced: bool) -> Mark:
        """Notes that the desk was told of a loss or a return of trust, and gives that notice its numbers."""
        mark = self.marks[asset]
        episode = mark.episode + 1 if announced else mark.episode
        told = msgspec.structs.replace(mark, announced=announced, episode=episode, sequence=mark.sequence + 1)
        self._put(self.index[asset], told)
        return told

    def kept(self) -> Iterable[Mark]:
        """All marks of now, which a restart needs; iterating makes them, in any thread and as often as wanted."""
        return self.snapshot().marks.values()

    def snapshot(self) -> BoardView:
        """The prices of now for other threads, in microseconds; a reader makes the marks and decimals that it looks at."""
        columns = self._columns.copy()
        return BoardView(Marks(columns), Usd(columns), frozenset(self.untrusted))

    # -- what operators decide --

    def take_decisions(self, decisions: Sequence[Decision], at: datetime) -> PriceChange:
        """Takes all decisions that are in force from now on, in place of those before."""
        old, self._decided = self._decided, DecisionsOf(tuple(decisions))
        before: dict[str, Mark | None] = {}
        for asset in sorted(old.assets | self._decided.assets):
            mark = self._columns.mark(self.place(asset))
            before[asset] = mark
            pin = self._decided.pins.get(asset)
            if pin is not None:
                self._put(self.place(asset), pinned(pin, mark))
            elif mark is not None and mark.source == PIN:
                ended = msgspec.structs.replace(mark, trust=STALE, reason="the pin has ended", pinned=None)
                self._put(self.place(asset), ended)
            elif mark is not None and (asset, mark.source) in self._decided.excluded:
                reason = f"{mark.source} is left out by an operator"
                self._put(self.place(asset), msgspec.structs.replace(mark, trust=STALE, reason=reason))
        return self._settle(before)

    def believe(self, said: Believe, at: datetime) -> PriceChange:
        """Puts the candidate of an asset in force; there must be one."""
        mark = self.marks[said.asset]
        assert mark.candidate is not None
        seen = Quote(said.asset, mark.candidate, mark.quote, mark.source, mark.price_at or at)
        self._put(self.index[said.asset], accepted(mark, seen, at))
        return self._settle({said.asset: mark})

    # -- frames --

    def _take_frame(self, frame: Frame, at: datetime, before: dict[str, Mark | None]) -> frozenset[str]:
        """Judges the odd columns as quotes and takes the others at once; returns those of the others whose price moved."""
        order = self._order(frame)
        last, n = order.last, len(frame)
        odd, unmoved = order.odd(frame, self._columns.frames, *self._near), order.unmoved(frame)
        changed_at = [at] * n
        for column in unmoved:
            assert last is not None
            changed_at[column] = last.changed_at[column]
        in_force = FrameInForce(frame, order.columns, at, changed_at)
        order.last = in_force
        for column in odd:
            updated = self._take(frame.one(column), at, before)
            if updated is not None and updated.trust == GOOD and column not in order.apart:
                changed_at[column] = updated.changed_at
                self._seen[updated.asset].pop(frame.source)
                self._columns.frames[order.places[column]] = in_force
        order.spread(in_force, odd, self._columns, self.floats)
        if not odd and not unmoved:
            return order.names
        return order.names.difference(map(frame.assets.__getitem__, chain(odd, unmoved)))

    def _order(self, frame: Frame) -> _Order:
        key = (frame.source, frame.quote, frame.assets)
        order = self._orders.get(key)
        if order is None:
            if len(self._orders) >= _MAX_ORDERS:
                self._orders.clear()
            apart = [c for c, asset in enumerate(frame.assets) if asset in (USDT, self._parity.asset)]
            order = _Order(frame.assets, [self.place(a) for a in frame.assets], apart)
            self._orders[key] = order
        return order

    # -- quotes --

    def _take(self, quote: Quote, at: datetime, before: dict[str, Mark | None]) -> Mark | None:
        """Judges one quote; the new mark, or None where the quote changes nothing."""
        if quote.asset == USDT and self._parity.asset != USDT:
            return None
        place = self.place(quote.asset)
        mark = self._columns.mark(place)
        before.setdefault(quote.asset, mark)
        updated = self._believe(mark, quote, at) if self.trust.enabled else accepted(mark, quote, at)
        if updated is not None:
            self._put(place, updated)
        return updated

    def _put(self, place: int, mark: Mark) -> None:
        """Lets a mark stand alone; the board remembers what its in_force said as said by the source."""
        in_force = self._columns.frames[place]
        if in_force is not None:
            self._seen[mark.asset].setdefault(in_force.frame.source, in_force.heard(mark.asset))
            self._columns.frames[place] = None
        self._columns.alone[place] = mark

    def _said(self, asset: str) -> dict[str, Heard]:
        """What every source said last of an asset."""
        said = self._seen.setdefault(asset, {})
        place = self._columns.find(asset)
        in_force = None if place is None else self._columns.frames[place]
        return said if in_force is None else {**said, in_force.frame.source: in_force.heard(asset)}

    def _believe(self, mark: Mark | None, quote: Quote, at: datetime) -> Mark | None:
        """The mark after a quote, or None where the quote changes nothing."""
        said = self._said(quote.asset)
        if not self._trust_rules.is_news(mark, quote, said.get(quote.source)):
            self.dropped += 1
            return None
        self._seen[quote.asset][quote.source] = Heard(quote.asset, quote.source, quote.price, quote.at, at)
        if quote.asset in self._decided.pins or (quote.asset, quote.source) in self._decided.excluded:
            return None
        if mark is not None and mark.source == PIN:
            return accepted(mark, quote, at)
        if mark is not None and (quote.asset, mark.source) in self._decided.excluded:
            mark = msgspec.structs.replace(mark, source=quote.source)
        said = {source: h for source, h in said.items() if (quote.asset, source) not in self._decided.excluded}
        return self._trust_rules.judge(mark, quote, said, at)

    # -- what changed --

    def _settle(self, before: dict[str, Mark | None], moved: frozenset[str] = frozenset()) -> PriceChange:
        """Values what changed; compares trust and USD price with what they were."""
        columns, index = self._columns, self.index
        changed = {a for a, old in before.items() if _differs(old, columns.mark(index[a]))}
        if self._parity.asset in changed:
            changed.update([USDT], self.quoted_in(USDT))
        missing = changed - self.usd.keys()
        self._revalue(changed)
        if moved or changed:
            self.usd.forget()
        own = [(a, old is None or old.trust == GOOD, columns.trust(index[a]) in _GOOD) for a, old in before.items()]
        return PriceChange(
            moved=moved | changed,
            lost=tuple(a for a, was, now in own if was and not now),
            regained=tuple(a for a, was, now in own if not was and now),
            found=tuple(sorted(missing & self.usd.keys())),
        )

    def _revalue(self, assets: Iterable[str]) -> None:
        """Brings `floats`, `flags` and `untrusted` up to date."""
        columns = self._columns
        rate = self._parity.rate
        columns.rate = rate
        factor = 0.0 if rate is None else float(rate)
        is_rated = self._parity.trust in _GOOD
        for asset in assets:
            place = self.place(asset)
            quote = USDT if asset == USDT else columns.quote(place)
            if quote is None or (quote == USDT and rate is None):
                self.flags[place], self.floats[place] = MISSING_FLAG, 0.0
                self.untrusted.discard(asset)
                continue
            own = 1.0 if asset == USDT else columns.quoted(place)
            self.floats[place] = own * factor if quote == USDT else own
            is_trusted = columns.trust(place) in _GOOD and (quote != USDT or is_rated)
            self.flags[place] = 0 if is_trusted else UNTRUSTED_FLAG
            (self.untrusted.discard if is_trusted else self.untrusted.add)(asset)


def _may_take_whole(trust: Trust, frames: Sequence[Frame], quotes: Sequence[Quote]) -> bool:
    """Columns are compared with those of the frame before, and each asset with what it was before the batch."""
    if not trust.enabled or trust.min_sources > 1:
        return False
    if not all(len(frame) > 1 for frame in frames):
        return False
    if len(frames) == 1 and not quotes:
        return True
    named = [*chain.from_iterable(map(assets_of, frames)), *assets_of(quotes)]
    return len(set(named)) == len(named)


def _differs(old: Mark | None, new: Mark | None) -> bool:
    if old is None or new is None:
        return old is not new
    return (old.quote_price, old.trust, old.quote) != (new.quote_price, new.trust, new.quote)


def pinned(pin: Decision, mark: Mark | None) -> Mark:
    """The mark of a pin. A price of an operator has no time of an exchange and no age that could end it."""
    assert isinstance(pin.said, Pin)
    made = Mark(pin.asset, "USD", pin.said.price, PIN, None, pin.at, pin.at, pinned=pin.pinned)
    if mark is None:
        return made
    return msgspec.structs.replace(made, announced=mark.announced, episode=mark.episode, sequence=mark.sequence)
