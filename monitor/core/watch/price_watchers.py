"""What watches prices, made together: the feeds, what is said of blindness and contradictions, and the deadlines."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any, NamedTuple

from monitor.core import deadlines
from monitor.core.events.events import ClockJumped, ClockStood, Event, FeedSaid, MarkPrices
from monitor.core.groups.outcome import Outcome
from monitor.core.watch.exposed import ExposureSums
from monitor.core.watch.feed_causes import FeedCauses
from monitor.core.watch.price_alerts import PriceAlerts
from monitor.core.watch.watcher import BookChange, Ground, Watcher
from monitor.core.watch.watchers.blindness import Blindness
from monitor.core.watch.watchers.contradictions import ContradictionWatch
from monitor.core.watch.watchers.feeds import FeedWatch
from monitor.core.watch.watchers.missing import MissingWatch
from monitor.core.watch.watchers.prices import PriceWatch
from monitor.core.watch.watchers.unknown_coins import UnknownCoinWatch


class PriceWatchers(NamedTuple):
    """In the order in which they are called."""

    feeds: FeedWatch
    blindness: Blindness
    prices: PriceWatch
    contradictions: ContradictionWatch
    missing: MissingWatch
    unknown_coins: UnknownCoinWatch

    @property
    def by_phase(self) -> dict[int, Watcher]:
        """Those that have deadlines."""
        return {
            deadlines.PRICE: self.prices,
            deadlines.BLINDNESS: self.blindness,
            deadlines.CONTRADICTION: self.contradictions,
            deadlines.MISSING: self.missing,
            deadlines.UNKNOWN_COIN: self.unknown_coins,
        }

    def said(self, event: FeedSaid) -> BookChange:
        """A feed says something else of itself than it did."""
        self.feeds.take(event)
        return self.prices.said(event)

    def jump(self, delta: timedelta, at: datetime) -> None:
        """The wall jumped forward to `at`."""
        self.prices.jump(delta, at)
        self.missing.jump(delta)

    def stood(self, event: ClockStood, out: Outcome) -> None:
        """Receipts grow old, and doubted prices persist, though no deadline may run."""
        self.prices.stand(timedelta(seconds=float(event.seconds)), event.at)
        self.blindness.release(event.at, out)

    def look(self, event: Event, out: Outcome) -> None:
        """After an event that may have told of a clock: not after each of a million groups that are put."""
        if isinstance(event, MarkPrices | FeedSaid | ClockJumped | ClockStood):
            self.feeds.look(event.at, out)

    def kept(self) -> dict[str, Any]:
        """Their fields of WatcherStates."""
        return {
            "prices": self.blindness.kept_missing(),
            "blindness": self.blindness.kept(),
            "feeds": self.feeds.kept(),
            "contradictions": self.contradictions.kept(),
            "missing": self.missing.kept(),
            "missing_look": self.missing.look,
            "unknown_coins": self.unknown_coins.kept(),
        }


def price_watchers(ground: Ground) -> PriceWatchers:
    """They share the causes that feeds gave, and the bound on exact sums."""
    causes, sums = FeedCauses(ground), ExposureSums(ground)
    alerts = PriceAlerts(ground, causes, sums)
    blindness = Blindness(ground, causes, alerts)
    return PriceWatchers(
        FeedWatch(ground, causes),
        blindness,
        PriceWatch(ground, blindness),
        ContradictionWatch(ground, alerts, sums),
        MissingWatch(ground, causes, sums),
        UnknownCoinWatch(ground),
    )
