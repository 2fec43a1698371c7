"""When it is said which prices are not trusted, and that they are again: once a coin, or once a feed where many go together.

A coin that goes is told at once, unless others of its feed may follow within five seconds: then one `feed.down` lists them.
Trust that goes and comes again and again is told when that begins and when it has ended (decision 44, prices/flapping.py).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta

from msgspec.structs import replace

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import BlindnessState, FeedTold, Told
from monitor.core.prices import flapping
from monitor.core.prices.flapping import Flap
from monitor.core.watch.feed_causes import FeedCauses
from monitor.core.watch.price_alerts import FeedNews, PriceAlerts
from monitor.core.watch.watcher import Ground, Watcher

TOGETHER = timedelta(seconds=5)
"""Coins of one feed that go within this time went together."""
_COIN, _FEED = "coin:", "feed:"
"""Subjects of deadlines: a coin and a feed may have the same name."""


class Blindness(Watcher):
    """What was said of coins and feeds, and what waits to be said."""

    def __init__(self, ground: Ground, causes: FeedCauses, alerts: PriceAlerts) -> None:
        self._ground = ground
        self._board = ground.board
        self._causes = causes
        self._alerts = alerts
        self._feeds: dict[str, FeedTold] = {}
        self._flaps: dict[str, Flap] = {}

    # -- what is remembered --

    def kept_missing(self) -> dict[str, Told]:
        """By asset: whether it is said that no price was ever seen."""
        return self._alerts.kept()

    def kept(self) -> BlindnessState:
        """What was said, and what waits to be said."""
        return BlindnessState(dict(self._feeds), dict(self._flaps))

    def restore(self, memory: Memory) -> None:
        """Takes what was kept, and waits for what is not said yet."""
        kept = memory.watchers.blindness
        self._alerts.restore(memory)
        self._feeds = dict(kept.feeds)
        self._flaps = dict(kept.flaps)
        for feed, told in self._feeds.items():
            self._put(feed, told)
        for asset, flap in self._flaps.items():
            self._await(_COIN + asset, _first(None, flap))

    # -- what goes --

    def lose(self, assets: Iterable[str], at: datetime, out: Outcome) -> None:
        """Prices that are not trusted, or never came. Those that the desk knows of, or that nobody needs, are no news."""
        by_feed: dict[str, list[str]] = {}
        for asset in sorted(assets):
            flap, feed = self._flaps.get(asset), self._returner(asset)
            if feed is not None:
                told = self._feeds[feed]
                self._feeds[feed] = replace(told, back=tuple(each for each in told.back if each != asset))
                out.memory_changed = True
            elif flap is not None and flap.is_on:
                self._turn(asset, flapping.lost(flap, at))
                out.memory_changed = True
            elif not self._alerts.is_told(asset) and self._alerts.is_blind(asset):
                by_feed.setdefault(self._causes.feed_of(asset, at), []).append(asset)
        if not by_feed:
            return
        of_feed = self._causes.feeds(self._alerts.needed(), at)
        for feed, gone in by_feed.items():
            mine = of_feed.get(feed, set())
            self._lose_of(feed, [asset for asset in gone if asset in mine], mine, at, out)

    def _lose_of(self, feed: str, gone: list[str], mine: Collection[str], at: datetime, out: Outcome) -> None:
        told = self._feeds.get(feed, FeedTold())
        news = {asset: at for asset in gone if asset not in told.held}
        if not news:
            return
        held = {**told.held, **news}
        latest = min(held.values()) + TOGETHER
        following = self._following([a for a in mine if a not in held], feed, latest)
        if not _are_many(len(held) + len(following), len(mine), bool(told.listed)):
            self._put(feed, replace(told, held={}, due=told.due if told.back else None))
            for asset in held:
                self._lose_alone(asset, at, out)
        elif not following:
            self._down(feed, replace(told, held=held), at, out)
        else:
            self._put(feed, replace(told, held=held, due=latest if told.due is None else min(told.due, latest)))
            out.memory_changed = True

    def _following(self, others: Iterable[str], feed: str, latest: datetime) -> list[str]:
        """Those that go too by then, unless a price comes; of a feed that is gone, all that the desk does not know of."""
        awaited = self._ground.agenda.late(deadlines.PRICE)
        is_gone = not self._causes.is_connected(feed)
        found = []
        for asset in others:
            due = self._board.stale_due(asset) or awaited.get(asset)
            if not self._alerts.is_told(asset) and (is_gone or (due is not None and due <= latest)):
                found.append(asset)
        return found

    def _lose_alone(self, asset: str, at: datetime, out: Outcome) -> None:
        flap = flapping.lost(self._flaps.get(asset), at)
        if self._alerts.lost(asset, flap, at, out) and not self._alerts.is_said_missing(asset):
            self._turn(asset, flap)

    def _down(self, feed: str, told: FeedTold, at: datetime, out: Outcome) -> None:
        gone = [asset for asset in told.held if not self._alerts.is_told(asset) and self._alerts.is_blind(asset)]
        for asset in gone:
            self._alerts.note(asset, is_blind=True)
        flap, before = flapping.lost(told.flap, at), told.flap
        listed = (*told.listed, *(asset for asset in gone if asset not in told.listed))
        told = replace(told, listed=listed, held={}, due=told.due if told.back else None, flap=flap)
        self._put(feed, told)
        out.memory_changed = True
        if before is None or not before.is_on:
            self._say(feed, FeedNews(gone), at, out)

    # -- what comes back --

    def regain(self, assets: Iterable[str], at: datetime, out: Outcome) -> None:
        """Prices that are trusted, or that came for the first time."""
        feeds: dict[str, None] = {}
        for asset in sorted(assets):
            feed = _lister(self._feeds, asset)
            if self._alerts.is_blind(asset):
                continue  # a first price that is old or late
            if feed is None:
                self._regain_alone(asset, at, out)
                continue
            feeds[feed] = None
            told = self._feeds[feed]
            self._feeds[feed] = replace(told, back=(*told.back, asset))
            out.memory_changed = True
        for feed in feeds:
            told = self._feeds[feed]
            if set(told.listed) == set(told.back):
                self._up(feed, at, out)
            elif told.due is None:
                self._put(feed, replace(told, due=at + TOGETHER))

    def _regain_alone(self, asset: str, at: datetime, out: Outcome) -> None:
        for feed, told in self._feeds.items():
            if asset in told.held:
                self._feeds[feed] = replace(told, held={a: since for a, since in told.held.items() if a != asset})
                out.memory_changed = True
        flap = self._flaps.get(asset)
        if flap is not None and flap.is_on:
            self._turn(asset, flapping.regained(flap, at))
            out.memory_changed = True
        elif self._alerts.is_said_missing(asset):
            self._alerts.restored(asset, None, at, out)
        elif self._alerts.is_told(asset):
            self._turn(asset, flapping.regained(flap, at))
            self._alerts.restored(asset, flap, at, out)

    def _up(self, feed: str, at: datetime, out: Outcome) -> None:
        told = self._feeds[feed]
        back = [asset for asset in told.back if not self._alerts.is_blind(asset)]
        blind = [asset for asset in told.listed if asset not in back]
        for asset in back:
            self._alerts.note(asset, is_blind=False)
        flap = flapping.regained(told.flap, at)
        self._put(feed, replace(told, listed=(), back=(), due=None if not told.held else told.due, flap=flap))
        if not flap.is_on:
            self._say(feed, FeedNews(back, blind, is_up=True), at, out)

    def _returner(self, asset: str) -> str | None:
        """The feed with which a coin has come back, though that is not said yet."""
        return next((feed for feed, told in self._feeds.items() if asset in told.back), None)

    # -- what waits --

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """Says what waited for others of its feed, and that what flapped is calm."""
        at = deadline.at
        for subject in (deadline.subject, *self._ground.agenda.pop_alike(deadline)):
            if subject.startswith(_COIN):
                self._calm(subject.removeprefix(_COIN), at, out)
            else:
                self._feed_due(subject.removeprefix(_FEED), at, out)

    def release(self, at: datetime, out: Outcome) -> None:
        """Says what waits for others, as our time stands still and its deadline may be an hour away."""
        for feed, told in list(self._feeds.items()):
            if told.due is not None:
                self._feeds[feed] = replace(told, due=at)
                self._feed_due(feed, at, out)

    def _feed_due(self, feed: str, at: datetime, out: Outcome) -> None:
        told = self._feeds[feed]
        if told.due is not None and told.due <= at:
            self._feeds[feed] = told = replace(told, due=None)
            self._say_held(feed, told, at, out)
            self._say_back(feed, at, out)
        told = self._feeds[feed]
        flap = told.flap
        if flap is not None and flap.is_on and flap.calm_at <= at:
            self._feeds[feed] = replace(told, flap=replace(flap, is_on=False))
            if flap.is_moving:
                self._say(feed, FeedNews(told.listed, is_up=not told.listed), at, out)
            self._feeds[feed] = replace(self._feeds[feed], flap=None)
            out.memory_changed = True
        self._put(feed, self._feeds[feed])

    def _say_held(self, feed: str, told: FeedTold, at: datetime, out: Outcome) -> None:
        needed = self._alerts.needed()
        held = [asset for asset in told.held if asset in needed and self._alerts.is_blind(asset)]
        mine = self._causes.feeds(needed, at).get(feed, ())
        if _are_many(len(held), len(mine), bool(told.listed)):
            self._down(feed, told, at, out)
            return
        self._feeds[feed] = replace(told, held={})
        for asset in held:
            self._lose_alone(asset, at, out)

    def _say_back(self, feed: str, at: datetime, out: Outcome) -> None:
        """Half of them are back: the feed is. Fewer than that are told one by one."""
        told = self._feeds[feed]
        if not told.back:
            return
        if _are_many(len(told.back), len(told.listed), is_known=False):
            self._up(feed, at, out)
            return
        left = tuple(asset for asset in told.listed if asset not in told.back)
        self._feeds[feed] = replace(told, listed=left, back=())
        for asset in told.back:
            self._regain_alone(asset, at, out)

    def _calm(self, asset: str, at: datetime, out: Outcome) -> None:
        flap = self._flaps.get(asset)
        if flap is None or not flap.is_on:
            return
        if flap.calm_at > at:
            self._await(_COIN + asset, flap.calm_at)
            return
        del self._flaps[asset]
        out.memory_changed = True
        over = replace(flap, is_on=False)
        if not self._alerts.is_blind(asset):
            self._alerts.restored(asset, over, at, out)
        elif flap.is_moving and not self._alerts.lost(asset, over, at, out):
            self._alerts.note(asset, is_blind=False)  # nobody needs it any more

    def _turn(self, asset: str, flap: Flap) -> None:
        """Remembers a change; what is long over is forgotten, so that this holds no more than is going on."""
        if asset not in self._flaps:
            self._flaps = {a: f for a, f in self._flaps.items() if not f.is_over(flap.last)}
        self._flaps[asset] = flap
        self._await(_COIN + asset, _first(None, flap))

    def _put(self, feed: str, told: FeedTold) -> None:
        self._feeds[feed] = told
        self._await(_FEED + feed, _first(told.due, told.flap))

    def _await(self, subject: str, due: datetime | None) -> None:
        deadline = None if due is None else Deadline(due, deadlines.BLINDNESS, subject)
        self._ground.agenda.set(deadlines.BLINDNESS, subject, None, deadline)

    def _say(self, feed: str, news: FeedNews, at: datetime, out: Outcome) -> None:
        told = self._feeds[feed]
        told = replace(told, times=told.times + 1, episode=told.episode + (not news.is_up))
        self._feeds[feed] = told
        self._alerts.feed(feed, told, news, at, out)


def _lister(feeds: Mapping[str, FeedTold], asset: str) -> str | None:
    """The feed whose alert listed a coin that has not come back since."""
    found = (feed for feed, told in feeds.items() if asset in told.listed and asset not in told.back)
    return next(found, None)


def _are_many(count: int, of: int, is_known: bool) -> bool:
    """More than two and at least half; where the feed is said to be down already, more than two."""
    return count > 2 and (is_known or 2 * count >= of)


def _first(due: datetime | None, flap: Flap | None) -> datetime | None:
    """The next look at a feed or a coin; None where nothing waits."""
    times = [t for t in (due, flap.calm_at if flap is not None and flap.is_on else None) if t is not None]
    return min(times, default=None)
