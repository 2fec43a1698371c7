"""What every source says of every asset, and whether it counts now: the judgement of time (decision 41).

Our time is corrected by what our own clock is known to be off; a venue's time by the running offset of its clock. A price is
live while neither its receipt nor its exchange time is older than its limit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple, Protocol

import msgspec

from monitor.core.instants import EPOCH, MICROSECOND
from monitor.core.prices.decisions import DecisionsOf
from monitor.core.prices.frame_columns import FrameInForce
from monitor.core.prices.frozen import FrozenMarks, StillMark
from monitor.core.prices.quote import Frame, Heard, Mark, Quote
from monitor.core.prices.source_clock import NONE, ClockMemory, SourceClock, common_offset
from monitor.core.rules.settings import Trust

Cell = FrameInForce | Heard | None
LIVE, STALE_SOURCE, LATE, AHEAD = "live", "stale", "late", "ahead"
FROZEN, EXCLUDED, SETTLED, NOT_LISTED = "frozen", "excluded", "settled", "not_listed"
SILENT = "no new price within the limit"
_A_LITTLE = timedelta(seconds=1)
"""A message whose time lies further in the future than this orders nothing that comes after it."""


class FeedWord(Protocol):
    """What a feed knows of itself (FeedSaid)."""

    @property
    def at(self) -> datetime: ...
    @property
    def source(self) -> str: ...
    @property
    def connected(self) -> bool: ...
    @property
    def cause(self) -> str: ...
    @property
    def states(self) -> Mapping[str, str]: ...


class SourceMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a recording keeps of a source, beside what it said of each asset."""

    clock: ClockMemory
    connected: bool = True
    cause: str = ""
    states: Mapping[str, str] = {}
    finest: Mapping[str, int] = {}
    frozen: tuple[str, ...] = ()
    checked_at: datetime | None = None


class BoardMemory(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a recording keeps of the judgement of sources, so that it goes on as it was."""

    at: datetime = EPOCH
    own_offset: timedelta = NONE
    jumped_at: datetime = EPOCH
    sources: tuple[SourceMemory, ...] = ()
    unagreed: Mapping[str, datetime] = {}


class State(NamedTuple):
    """Whether a source's price of an asset counts, and why not."""

    word: str
    reason: str = ""


_IS_LIVE = State(LIVE)


class Source:
    """One feed: its clock, what it says of itself, and what it said of each asset, by place on the board."""

    def __init__(self, name: str, trust: Trust, kept: SourceMemory | None = None) -> None:
        memory = kept or SourceMemory(ClockMemory(name))
        self.name = name
        self.clock = SourceClock(name, memory.clock)
        self.connected = memory.connected
        self.cause = memory.cause
        self.states = dict(memory.states)
        self.cells: list[Cell] = []
        self.ahead: dict[str, Heard] = {}
        """Prices that were refused as they are dated ahead, for those who look; the next good one takes them away."""
        self.frozen = FrozenMarks(memory.finest, memory.frozen, memory.checked_at)
        self.configure(trust)

    def configure(self, trust: Trust) -> None:
        """Takes new settings."""
        self.feed = trust.of(self.name)
        self._trust = trust
        self._limits: dict[str, timedelta] = {}

    @property
    def memory(self) -> SourceMemory:
        """What another monitor needs to go on from here."""
        frozen = self.frozen
        return SourceMemory(
            self.clock.memory,
            self.connected,
            self.cause,
            dict(self.states),
            dict(frozen.finest),
            tuple(sorted(frozen.suspects)),
            frozen.checked_at,
        )

    def limit(self, asset: str) -> timedelta:
        """The age at which a price of this source is too old; while connected, a stream of changes has longer."""
        if self.feed.sends_changes_only and self.connected:
            return self._trust.quiet_after
        limit = self._limits.get(asset)
        if limit is None:
            limit = self._limits[asset] = self._trust.stale_after_of(self.name, asset)
        return limit

    @property
    def longest_limit(self) -> timedelta:
        """Of all assets: a message that is late by less says nothing about a clock."""
        return max([self.limit(""), *self.feed.stale_after_of.values()])

    def cell(self, place: int) -> Cell:
        """What it said last at a place."""
        return self.cells[place] if place < len(self.cells) else None

    def heard(self, place: int, asset: str) -> Heard | None:
        """What it said last of an asset."""
        cell = self.cell(place)
        return cell.heard(asset) if isinstance(cell, FrameInForce) else cell

    def keep(self, place: int, cell: Cell) -> None:
        """Notes what it said last."""
        self.room(place + 1)
        self.cells[place] = cell

    def count_again(self, place: int, asset: str, at: datetime) -> None:
        """What it said counts again from now on: it must be steady before it takes the price back."""
        heard = self.heard(place, asset)
        if heard is not None:
            self.keep(place, heard._replace(since=at))

    def room(self, places: int) -> None:
        """Makes room for so many places."""
        if len(self.cells) < places:
            self.cells += [None] * (places - len(self.cells))


class PriceSources:
    """All sources, and what our own clock is off."""

    def __init__(self, trust: Trust, refused: Counter[tuple[str, str]], memory: BoardMemory | None = None) -> None:
        kept = memory or BoardMemory()
        self._trust = trust
        self.decided = DecisionsOf()
        self.by_name: dict[str, Source] = {s.clock.source: Source(s.clock.source, trust, s) for s in kept.sources}
        self.jumped_at = kept.jumped_at
        self.ours = kept.own_offset
        """Our clock less the true time, where it is known to be off."""
        self._refused = refused

    def __getitem__(self, name: str) -> Source:
        source = self.by_name.get(name)
        if source is None:
            source = self.by_name[name] = Source(name, self._trust)
        return source

    def __iter__(self) -> Iterator[Source]:
        return iter(self.by_name.values())

    def memory(self, at: datetime) -> BoardMemory:
        """What another monitor needs to go on from here; `at` is when something was said last."""
        return BoardMemory(at, self.ours, self.jumped_at, tuple(source.memory for source in self))

    def configure(self, trust: Trust) -> None:
        """Takes new settings; what was said stays."""
        self._trust = trust
        for source in self:
            source.configure(trust)

    def venue_now(self, source: Source, at: datetime) -> datetime:
        """What the venue's clock shows at a time of ours, as far as the two are taken to agree."""
        return at - self.ours + source.clock.running

    def observe(self, frames: Iterable[Frame], quotes: Iterable[Quote], at: datetime) -> None:
        """Compares the clocks with the newest time of each source in a batch that came at `at`."""
        newest: dict[str, list[datetime]] = {}
        for frame in frames:
            if frame.is_dated:
                soonest, latest = frame.bounds
                is_ahead = latest - at + self.ours > self._trust.max_ahead
                newest.setdefault(frame.source, []).append(latest)
                if is_ahead and soonest != latest:
                    newest[frame.source] += map(frame.at, range(len(frame)))
        for quote in quotes:
            if quote.is_dated:
                newest.setdefault(quote.source, []).append(quote.at)
        for name, times in newest.items():
            self._sample(self[name], [time - at + self.ours for time in times], at)
        if any(source.clock.is_doubted for source in self):
            self._look_at_ours(at)

    def _sample(self, source: Source, samples: Sequence[timedelta], at: datetime) -> None:
        """The newest time of a message that is not dated ahead; where all are, the newest."""
        ahead = self._trust.max_ahead
        sample = max((s for s in samples if s <= ahead), default=max(samples))
        source.clock.observe(sample, at, ahead, source.longest_limit)

    def _look_at_ours(self, at: datetime) -> None:
        """Where no source agrees with our clock, and all agree with each other, it is ours that is off."""
        ahead = self._trust.max_ahead
        recent = [s.clock for s in self if self._is_recent(s, at)]
        moved = common_offset(recent, ahead)
        if moved is None and abs(self.ours) > ahead:
            # One source alone, by one message that is ahead, takes back what was concluded: it agrees with the clock shown.
            right = [c for c in recent if (c.is_off or c.is_ahead) and abs((c.offset or NONE) - self.ours) <= ahead]
            moved = self.ours if right and len(right) == len(recent) else None
        if moved is not None:
            self._correct(-moved, at)

    def _is_recent(self, source: Source, at: datetime) -> bool:
        """It has sent a dated message lately, and since our clock jumped."""
        heard_at = source.clock.heard_at
        return heard_at is not None and heard_at >= self.jumped_at and at - heard_at <= source.longest_limit

    def _correct(self, moved: timedelta, at: datetime) -> None:
        self.ours += moved
        for source in self:
            source.clock.rebase(moved, at, self._trust.max_ahead)

    @property
    def own_offset(self) -> timedelta | None:
        """Our clock less the true time, where it is off by more than clocks may be; None where it is right."""
        return self.ours if abs(self.ours) > self._trust.max_ahead else None

    def jump(self, moved: timedelta, at: datetime) -> None:
        """Our time jumped to `at` by so much, and the true time did not."""
        self.ours += moved
        if moved > NONE:
            self.jumped_at = at + MICROSECOND

    def shift(self, delta: timedelta, at: datetime, names: Sequence[str]) -> None:
        """Moves all receipts along with a jump of our time to `at`, but not beyond it. `names` are those of the places."""
        for source in self:
            source.clock.shift(delta, at)
            for place, asset in enumerate(names[: len(source.cells)]):
                heard = source.heard(place, asset)
                if heard is not None:
                    source.cells[place] = heard._replace(
                        received_at=min(heard.received_at + delta, at),
                        changed_at=heard.changed_at and min(heard.changed_at + delta, at),
                        since=heard.since and min(heard.since + delta, at),
                    )

    def due(self, heard: Heard) -> datetime:
        """The last instant, by our clock, at which this counts."""
        source = self[heard.source]
        limit = source.limit(heard.asset)
        if not heard.is_dated:
            return heard.received_at + limit
        return min(heard.received_at, heard.at + self.ours - source.clock.running) + limit

    def frame_due(self, said: FrameInForce, asset: str) -> datetime:
        """The last instant, by our clock, at which a column of a frame counts."""
        frame, source = said.frame, self[said.frame.source]
        limit = source.limit(asset)
        if not frame.is_dated:
            return said.received_at + limit
        return min(said.received_at, frame.at(said.columns[asset]) + self.ours - source.clock.running) + limit

    def state(self, heard: Heard, at: datetime) -> State:
        """Whether what a source said counts at a time."""
        source = self[heard.source]
        said = source.states.get(heard.asset)
        if said is not None:
            return State(SETTLED if said.startswith(SETTLED) else NOT_LISTED, said)
        if (heard.asset, heard.source) in self.decided.excluded:
            return State(EXCLUDED, f"{heard.source} is left out by an operator")
        limit = source.limit(heard.asset)
        if at - heard.received_at > limit:
            return State(STALE_SOURCE, SILENT)
        if heard.is_dated:
            age = self.venue_now(source, at) - heard.at
            if age > limit:
                return State(LATE, f"exchange time is {age.total_seconds():.0f} s old")
        if heard.asset in source.frozen.suspects:
            stood = at - (heard.changed_at or heard.received_at)
            return State(FROZEN, f"frozen: unchanged for {stood.total_seconds():.0f} s while the market moves")
        return _IS_LIVE

    def said(self, place: int, asset: str) -> list[Heard]:
        """What every source said last of an asset."""
        return [heard for source in self if (heard := source.heard(place, asset)) is not None]

    @property
    def apart(self) -> frozenset[str]:
        """Assets that are never taken with their frame, as more than their price decides about them."""
        said = (source.states for source in self)
        return frozenset(self.decided.assets).union(*said, *(source.frozen.suspects for source in self))

    def hear(self, said: FeedWord, index: Mapping[str, int]) -> set[str]:
        """Takes what a feed says of itself; returns the assets that must be decided again. `index`: places by asset."""
        source = self[said.source]
        was_connected, was = source.connected, source.states
        source.connected, source.cause = said.connected, said.cause
        source.states = dict(said.states)
        changed = {asset for asset in {*was, *source.states} if was.get(asset) != source.states.get(asset)}
        for asset in (was.keys() - source.states.keys()) & index.keys():
            source.count_again(index[asset], asset, said.at)
        if said.connected and not was_connected:
            source.clock.forget()
            source.ahead.clear()
        if said.connected != was_connected and source.feed.sends_changes_only:
            changed.update(asset for asset, place in index.items() if source.cell(place) is not None)
        return changed

    def newly_frozen(self, name: str, at: datetime, names: Sequence[str]) -> frozenset[str]:
        """Coins of a source that stand still while others of it move, as far as that is new, and those that move again."""
        source, frozen_after = self[name], self._trust.frozen_after
        if not source.feed.may_freeze or not source.frozen.is_due(at, frozen_after):
            return frozenset()
        coins = []
        for place, asset in enumerate(names[: len(source.cells)]):
            cell = source.cells[place]
            if cell is None or asset in source.states:
                continue
            if isinstance(cell, FrameInForce):
                column = cell.columns[asset]
                if at - cell.received_at <= source.limit(asset):
                    frame = cell.frame
                    coins.append(StillMark(asset, frame.texts[column], frame.floats[column], cell.changed_at[column]))
            elif at - cell.received_at <= source.limit(asset):
                coins.append(StillMark(asset, str(cell.price), float(cell.price), cell.changed_at or cell.received_at))
        return source.frozen.check(coins, at, frozen_after)

    def take(self, quote: Quote, place: int, mark: Mark | None, at: datetime) -> bool:
        """Notes a quote that came at `at`, unless it is no news or dated ahead; then it is counted."""
        source = self[quote.source]
        last = source.heard(place, quote.asset)
        refusal = self._refusal(source, quote, last, mark, at)
        if refusal is not None:
            self._refused[source.name, refusal] += 1
            if refusal == AHEAD:
                source.ahead[quote.asset] = self._heard(quote, None, at)
            return False
        source.ahead.pop(quote.asset, None)
        source.keep(place, self._heard(quote, last, at))
        return True

    def _refusal(self, source: Source, quote: Quote, last: Heard | None, mark: Mark | None, at: datetime) -> str | None:
        if quote.is_dated and quote.at > self._latest(source, at) + self._trust.max_ahead:
            return AHEAD
        if last is None:
            # A price that was kept over a restart; one that is dated ahead orders nothing.
            kept = mark.price_at if mark is not None and mark.source == quote.source else None
            return "old" if kept is not None and quote.at < kept <= self._latest(source, at) + _A_LITTLE else None
        if quote.at > min(last.at, self._latest(source, last.received_at) + _A_LITTLE):
            return None
        if quote.at == last.at:
            is_news = quote.price != last.price or source.feed.repeats_are_life
            return None if is_news else "repeated"
        return "old"

    def _latest(self, source: Source, at: datetime) -> datetime:
        """The latest that the venue's clock can show at a time of ours, as far as the two are taken to agree."""
        return at - self.ours + max(source.clock.running, NONE)

    def _heard(self, quote: Quote, last: Heard | None, at: datetime) -> Heard:
        is_sure = quote.beside is not None and abs(quote.price - quote.beside) <= self._trust.max_spread * quote.beside
        changed_at, since = at, EPOCH if last is None else at  # heard for the first time, it has not been away
        if last is not None:
            is_second = quote.at > last.at or self[quote.source].feed.repeats_are_life
            is_near = abs(quote.price - last.price) <= self._trust.confirm_jump * last.price
            is_sure = is_sure or last.is_sure or (is_second and is_near)
            if quote.price == last.price:
                changed_at = last.changed_at or last.received_at
            if self.due(last) >= at:
                since = last.since or last.received_at
        return Heard(
            quote.asset,
            quote.source,
            quote.price,
            quote.at,
            at,
            quote.quote,
            quote.is_dated,
            changed_at,
            since,
            is_sure,
        )
