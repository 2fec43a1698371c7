"""What of a feed's prices is new, and which part of a market has fallen silent on a socket."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from datetime import datetime, timedelta
from operator import lt, ne
from typing import TypeVar

from monitor.core.instants import EPOCH, time_at_ms
from monitor.core.prices.quote import Batch, Frame, Quote, assets_of
from monitor.feeds._base import FeedStats

# A venue lists some 700 markets; a peer that sends more names than this is not a venue.
_MAX_ASSETS = 10_000
_MS = timedelta(milliseconds=1)

K = TypeVar("K", str, tuple[str, ...])

_NAMED = 5
"""How many silent coins a sentence names."""


class News:
    """Finds the quotes of a batch that are new, and counts the rest.

    A price that is older than the last of its coin is dropped, and so is one that repeats it. A price dated ahead of our
    clock never becomes the last one, so it hides none that come after it: only its exact repetition is dropped, and whether
    it counts is for core to judge. A frame with the same coins as an earlier one is news as a whole if all its prices are
    later.
    """

    def __init__(self, stats: FeedStats, refuse: Callable[[str, Quote], None]) -> None:
        self._stats = stats
        self._refuse = refuse
        self._dated = _Last()
        self._ahead = _Last()

    def of(self, batch: Batch, horizon: datetime) -> Batch:
        """The news of a batch; a quote later than `horizon` is dated ahead."""
        if isinstance(batch, Frame):
            horizon_ms = (horizon - EPOCH) / _MS
            if max(batch.times) <= horizon_ms:
                last = self._dated.frames.get(batch.assets)
                if last is not None and all(map(lt, last.times, batch.times)):
                    self._dated.frames[batch.assets] = batch
                    return batch
            elif min(batch.times) > horizon_ms:
                last = self._ahead.frames.get(batch.assets)
                if last is not None and all(map(ne, last.times, batch.times)):
                    self._ahead.frames[batch.assets] = batch
                    return batch
        return self._judged(batch, horizon)

    def _judged(self, batch: Batch, horizon: datetime) -> Batch:
        """The news of a batch, quote by quote. A frame that is news as a whole stays one."""
        self._dated.look_up(batch)
        self._ahead.look_up(batch)
        news = [quote for quote in batch if self._is_news(quote, horizon)]
        if not isinstance(batch, Frame) or len(news) < len(batch):
            return news
        if batch.at(0) > horizon:
            self._ahead.take_frame(batch)
        elif time_at_ms(max(batch.times)) <= horizon:
            self._dated.take_frame(batch)
        return batch

    def _is_news(self, quote: Quote, horizon: datetime) -> bool:
        kept = self._ahead if quote.at > horizon else self._dated
        last = kept.quotes.get(quote.asset)
        if last is None and len(kept.quotes) >= _MAX_ASSETS:
            self._refuse("too_many_assets", quote)
        elif last is not None and quote.at == last.at and quote.price == last.price:
            self._stats.ignored["repeated"] += 1
        elif last is not None and quote.at < last.at and kept is self._dated:
            self._stats.ignored["older"] += 1
        else:
            kept.quotes[quote.asset] = quote
            return True
        return False


class _Last:
    """The last price of each coin, in whole frames or by itself; no coin is in two frames."""

    def __init__(self) -> None:
        self.quotes: dict[str, Quote] = {}
        self.frames: dict[tuple[str, ...], Frame] = {}

    def look_up(self, batch: Batch) -> None:
        """Takes frames apart that have the last price of a coin of this batch."""
        if not self.frames:
            return
        named = frozenset(assets_of(batch))
        for assets in [assets for assets in self.frames if not named.isdisjoint(assets)]:
            self.quotes |= {quote.asset: quote for quote in self.frames.pop(assets)}

    def take_frame(self, frame: Frame) -> None:
        """Keeps a frame as the last price of its coins."""
        self.frames[frame.assets] = frame


class _Part:
    """When a coin, or the coins of one layout, came on a socket: the last time, how often, and the longest pause."""

    __slots__ = ("count", "last_s", "longest_s")

    def __init__(self, now_s: float) -> None:
        self.last_s = now_s
        self.count = 1
        self.longest_s = 0.0

    def came(self, now_s: float) -> None:
        self.longest_s = max(self.longest_s, now_s - self.last_s)
        self.last_s = now_s
        self.count += 1


class MarketSilence:
    """Finds a part of a market that used to come on a socket and came no more while others went on.

    A part is judged by its own rhythm: it is silent after three times its longest pause, and never before `limit_s`. One coin
    that the book needs is enough, or all coins of a layout, or half of all coins. A coin that never came on this socket is no
    reason. Where a venue sends only what traded, only half of the busy coins together are a reason.
    """

    def __init__(self, limit_s: float, *, changes_only: bool) -> None:
        self._limit_s = limit_s * 4 if changes_only else limit_s
        self._factor = 10 if changes_only else 3
        self._enough = 20 if changes_only else 2
        self._changes_only = changes_only
        self._layouts: dict[tuple[str, ...], _Part] = {}
        self._coins: dict[str, _Part] = {}
        self._undated: dict[str | tuple[str, ...], object] = {}

    def heard(self, batch: Batch, now_s: float) -> bool:
        """Notes what came. False where it says nothing new: prices without a time that all stand still."""
        if isinstance(batch, Frame):
            _note(self._layouts, batch.assets, now_s)
            moved = batch.is_dated or self._undated.get(batch.assets) != batch.texts
            if not batch.is_dated and len(self._undated) < _MAX_ASSETS:
                self._undated[batch.assets] = batch.texts
            return moved
        moved = False
        for quote in batch:
            _note(self._coins, quote.asset, now_s)
            if quote.is_dated:
                moved = True
            elif self._undated.get(quote.asset) != quote.price:
                moved = True
                if len(self._undated) < _MAX_ASSETS:
                    self._undated[quote.asset] = quote.price
        return moved

    def silent(self, now_s: float, needs: Collection[str]) -> str:
        """What has gone silent, in words; empty where all goes on."""
        quiet = [a for a, part in self._layouts.items() if self._is_quiet(part, now_s)]
        coins = {a for a, part in self._coins.items() if self._is_quiet(part, now_s)}
        if not quiet and not coins:
            return ""
        live = {a for assets, p in self._layouts.items() if now_s - p.last_s < self._limit_s for a in assets}
        live |= {a for a, p in self._coins.items() if now_s - p.last_s < self._limit_s}
        lost = ({a for assets in quiet for a in assets} | coins) - live
        if not live or not lost:
            return ""  # all of it is silent: the deadline of the whole socket decides
        needed = set() if self._changes_only else lost.intersection(needs)
        if needed:
            return self._words(needed)
        if any(lost.issuperset(assets) for assets in quiet):
            return self._words(lost)
        is_half = len(lost) > 2 and 2 * len(lost) >= len(live) + len(lost)
        return self._words(lost) if is_half else ""

    def _is_quiet(self, part: _Part, now_s: float) -> bool:
        limit_s = max(self._limit_s, self._factor * part.longest_s)
        return part.count >= self._enough and now_s - part.last_s > limit_s

    def _words(self, lost: Iterable[str]) -> str:
        names = sorted(lost)
        more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
        return f"no price of {', '.join(names[:_NAMED])}{more} for {self._limit_s:g} s while others come"


def _note(parts: dict[K, _Part], key: K, now_s: float) -> None:
    part = parts.get(key)
    if part is not None:
        part.came(now_s)
    elif len(parts) < _MAX_ASSETS:
        parts[key] = _Part(now_s)
