"""The alerts about prices that are not trusted, of a coin and of a whole feed: whom they expose, and why."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple

from monitor.core.groups.loan_book import Exposure
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import FeedTold, Told
from monitor.core.money import plain
from monitor.core.prices.flapping import Flap
from monitor.core.prices.quote import GOOD, STALE
from monitor.core.text import stamp, stamp_or_none
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.exposed import ExposureSums, exposed_facts
from monitor.core.watch.feed_causes import FeedCauses
from monitor.core.watch.watcher import Ground

MOST_ASSETS = 500
"""Coins that an alert names: a venue lists some 700 markets, and these many names are 5 kB of a webhook's 20."""
IS_STALE, IS_SUSPECT, IS_RESTORED = "price.stale", "price.suspect", "price.restored"
DOWN, UP = "feed.down", "feed.up"


class FeedNews(NamedTuple):
    """Coins that went with a feed, or came back with it."""

    assets: Collection[str]
    still_blind: Collection[str] = ()
    is_up: bool = False


class PriceAlerts:
    """Raises them, and remembers of which coins the desk was told."""

    def __init__(self, ground: Ground, causes: FeedCauses, sums: ExposureSums) -> None:
        self._ground = ground
        self._board = ground.board
        self._causes = causes
        self._sums = sums
        self._missing: dict[str, Told] = {}
        """Assets without a price; that a price is not trusted is noted on its mark."""

    def kept(self) -> dict[str, Told]:
        """By asset: whether it is said that no price was ever seen."""
        return dict(self._missing)

    def restore(self, memory: Memory) -> None:
        """Goes on counting."""
        self._missing = dict(memory.watchers.prices)

    # -- what is known --

    def needed(self) -> set[str]:
        """Coins whose price decides about some group, and the one that converts USDT."""
        return {*self._ground.book.needed(), *self._board.parity_assets}

    def is_told(self, asset: str) -> bool:
        """The desk knows that the price of the coin is not trusted."""
        mark = self._board.marks.get(asset)
        return (mark is not None and mark.announced) or self.is_said_missing(asset)

    def is_blind(self, asset: str) -> bool:
        """The coin has no trusted price."""
        mark = self._board.marks.get(asset)
        return asset not in self._board.usd or (mark is not None and mark.trust != GOOD)

    def note(self, asset: str, *, is_blind: bool) -> tuple[int, int]:
        """The desk is told of a loss or a return. Returns the episode and the sequence of the alert that tells it."""
        mark = self._board.marks.get(asset)
        count = self._missing.get(asset, Told()).times + 1
        if is_blind and asset not in self._board.usd:
            self._missing[asset] = Told(count, "missing")
            return 0, count
        if not is_blind and self.is_said_missing(asset):
            self._missing[asset] = Told(count)
            if mark is not None and mark.announced:
                self._board.announce(asset, announced=False)
            return 0, count
        told = self._board.announce(asset, is_blind)
        return told.episode, told.sequence

    def is_said_missing(self, asset: str) -> bool:
        """The desk knows that the coin never had a price."""
        return self._missing.get(asset, Told()).last is not None

    # -- of a coin --

    def lost(self, asset: str, flap: Flap, at: datetime, out: Outcome) -> bool:
        """Says that a price is not trusted, unless no group needs it; whether it was said."""
        exposed = self._sums.of([asset], at)
        if not exposed.groups:
            return False
        mark = self._board.marks.get(asset)
        is_stale = asset not in self._board.usd or mark is None or mark.trust == STALE
        self._say(
            IS_STALE if is_stale else IS_SUSPECT,
            asset,
            _with_flaps(self._facts(asset, exposed), "reason", flap),
            at,
            out,
        )
        return True

    def restored(self, asset: str, flap: Flap | None, at: datetime, out: Outcome) -> None:
        """Says that it is trusted again, or that the first price has come."""
        facts = self._facts(asset, self._sums.of([asset], at))
        self._say(IS_RESTORED, asset, _with_flaps(facts, "reason", flap), at, out)

    def _say(self, type_: str, asset: str, facts: dict[str, Any], at: datetime, out: Outcome) -> None:
        is_blind = type_ != IS_RESTORED
        episode, sequence = self.note(asset, is_blind=is_blind)
        what = Statement(type_, asset, sequence, facts, episode, blind=is_blind)
        raise_alert(out, self._ground.rules.name, what, at)

    def _facts(self, asset: str, exposed: Exposure) -> dict[str, Any]:
        is_missing = asset not in self._board.usd
        if is_missing or self.is_said_missing(asset):
            return {
                "asset": asset,
                "trust": "missing" if is_missing else "good",
                "reason": self._causes.of_asset(asset) if is_missing else None,
                **exposed_facts(exposed),
            }
        mark = self._board.marks[asset]
        reason = mark.reason if mark.trust == GOOD else self._causes.of_asset(asset)
        return {
            "asset": asset,
            "trust": mark.trust,
            "reason": reason or None,
            "price": plain(self._board.usd[asset]),
            "source": mark.source,
            "price_at": stamp_or_none(mark.price_at),
            "received_at": stamp(mark.received_at),
            "candidate": None if mark.candidate is None else plain(mark.candidate),
            **exposed_facts(exposed),
        }

    # -- of a feed --

    def feed(self, feed: str, told: FeedTold, news: FeedNews, at: datetime, out: Outcome) -> None:
        """Says that many coins of a feed went together, or are back."""
        named, blind = sorted(news.assets), sorted(news.still_blind)
        facts: dict[str, Any] = {
            "feed": feed,
            "cause": None if news.is_up else self._cause(feed, named),
            "assets": named[:MOST_ASSETS],
            "assets_cut": max(len(named) - MOST_ASSETS, 0),
            **exposed_facts(self._sums.of([*named, *blind], at)),
        }
        if blind:
            facts["still_blind"] = blind[:MOST_ASSETS]
        facts = _with_flaps(facts, "cause", told.flap)
        what = Statement(UP if news.is_up else DOWN, feed, told.times, facts, told.episode, blind=not news.is_up)
        raise_alert(out, self._ground.rules.name, what, at)

    def _cause(self, feed: str, assets: Collection[str]) -> str | None:
        """What the feed says of itself, or what is true of most of the coins."""
        cause = self._causes.of_feed(feed)
        if cause is not None:
            return cause
        reasons = [self._causes.of_asset(asset) for asset in assets]
        return max(reasons, key=reasons.count, default=None)


def _with_flaps(facts: dict[str, Any], why: str, flap: Flap | None) -> dict[str, Any]:
    """The facts with how often trust went, where it does so again and again; `why` is the fact that says it in words."""
    if flap is None or flap.losses < 2:
        return facts
    words = f"trust went and came {flap.losses} times"
    if flap.is_on:
        words = f"trust goes and comes again and again, {flap.losses} times so far; the next word comes when it is calm"
    reason = f"{facts[why]}; {words}" if facts[why] else words
    return {**facts, why: reason, "flaps": flap.losses, **({"flapping": True} if flap.is_on else {})}
