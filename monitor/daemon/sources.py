"""What brings prices, loans and rates: each feed, book and source of rates of the configuration as a task of its own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from functools import partial

from monitor import contacts, plugins
from monitor.books._aliases import aliased
from monitor.books._base import BookProgress, BookSource, KeptBook, Unshown
from monitor.books._unchanged import KeptLines
from monitor.config import Config, Part
from monitor.core.alerts.catalogue import BOOK_LEFT_OUT, BOOK_REFUSED
from monitor.core.events.events import Event
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import wiring
from monitor.daemon.book_batches import BookBatches
from monitor.daemon.feed_reports import FeedReports
from monitor.daemon.feeds_ahead import FeedAhead
from monitor.daemon.kept_lines import kept_lines
from monitor.daemon.sequencer import Sequencer
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from monitor.feeds._base import Desk, Feed, FeedStats
from monitor.rates._base import RateSource
from monitor.running import Running, Task
from monitor.stores._base import StoreUnavailable
from monitor.telemetry import BoundedLog

WATCH_S = 0.1
"""How often the feeds are looked at: a feed that is gone is told of before its prices are old."""
RATES_S = 1.0
"""How often refused lines of books are looked at for a rate that they lacked."""
NEEDS_S = 2.0
"""How often the book is asked which coins it needs: feeds ask their venues for a new one this soon."""


class Sources:
    """`run` takes a configuration, at the start and at each reload."""

    def __init__(
        self,
        running: Running,
        monitor: RiskMonitor,
        book: ColumnarBook,
        sequencer: Sequencer,
        progress: BookProgress | None,
        note_bulk: Callable[[], None],
    ) -> None:
        self.feeds: dict[str, FeedStats] = {}
        self._clock = running.clock
        self._health = running.health
        self._begin = running.tasks.begin
        self._monitor = monitor
        self._book = book
        self._sequencer = sequencer
        self._progress: BookProgress = progress or Unshown()
        self._batches = BookBatches(sequencer, running.store, monitor, book, note_bulk)
        self._config: Config | None = None
        self._at_work: dict[tuple[str, str], tuple[Part, Task]] = {}
        """By kind and name."""
        self._opened: dict[str, RateSource] = {}
        """Sources of rates whose opening was taken at the start."""
        self.rates_seen: dict[str, datetime] = {}
        """When each source of rates was read last."""
        self._rated: set[tuple[str, str]] = set()
        self._reports = FeedReports()
        self._log = BoundedLog(every_s=600.0)
        """A clock that is off is a line every ten minutes."""
        self.ahead: dict[str, FeedAhead] = {}
        """Feeds that this daemon has listened to as a standby, by name."""
        self._needed: frozenset[str] = frozenset()
        self._needed_s = float("-inf")

    async def open_rates(self, config: Config) -> None:
        """Rates come before the loans, and before the deadlines that passed while the daemon was down."""
        self._opened = {part.name: wiring.rate_source(part, self._clock) for part in config.rates}
        opening = {name: await source.opening() for name, source in self._opened.items()}
        await self._sequencer.catch_up([event for events in opening.values() for event in events])
        self.rates_seen |= dict.fromkeys(opening, self._clock.utc())

    def run(self, config: Config, *, judge_again: bool = False) -> None:
        """Stops what changed or went, starts what is new, leaves the rest alone.

        `judge_again`: starts every book again, as lines that were refused so far may be in order now.
        """
        self._config = config
        kinds = {"rates": config.rates, "feed": config.feeds, "book": config.books}
        wanted = {(kind, part.name): part for kind, some in kinds.items() for part in some}
        for key, (part, task) in list(self._at_work.items()):
            if wanted.get(key) != part or (judge_again and key[0] == "book"):
                task.cancel()
                del self._at_work[key]
                if key[0] == "feed":
                    self.feeds.pop(part.name, None)
                    self._health.set(f"feed {part.name}", None)
        for key, part in wanted.items():
            if key not in self._at_work:
                work = {"feed": self._run_feed, "book": self._run_book, "rates": self._run_rates}[key[0]]
                self._at_work[key] = (part, self._begin(" ".join(key), work(part)))

    async def watch(self) -> None:
        """Follows the feeds for readiness and for core, and reads books again once a rate is there that they lacked."""
        looked_s = self._clock.monotonic_s()
        while True:
            await asyncio.sleep(WATCH_S)
            now_s = self._clock.monotonic_s()
            if now_s - looked_s >= RATES_S:
                looked_s = now_s
                self._judge_again()
            troubles = {name: self._trouble(name, stats) for name, stats in self.feeds.items()}
            are_all_down = None not in troubles.values()
            for name, stats in self.feeds.items():
                trouble = troubles[name]
                self._health.set(f"feed {name}", trouble, stops=are_all_down)
                if trouble is not None and stats.connected:  # a feed that is not connected says so in the log itself
                    self._log.warning(
                        now_s, f"{name}: {trouble}", "the prices of a feed do not count", feed=name, reason=trouble
                    )
            if said := self._reports.changes(self.feeds, self._clock.utc(), now_s):
                with contextlib.suppress(StoreUnavailable):  # core has it all the same
                    await self._sequencer.events(said)

    def _trouble(self, name: str, stats: FeedStats) -> str | None:
        """Why a feed gives no price that counts: it is not connected, or core refuses what it sends."""
        if not stats.connected:
            return f"not connected: {stats.cause}"
        seen = self._monitor.feeds.get(name)
        return (seen.trouble if seen is not None else "") or None

    async def stop(self) -> None:
        """Ends all of them, and waits until they have ended."""
        tasks = [task for _, task in self._at_work.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _judge_again(self) -> None:
        """Reads the books again once a rate is there: a line that was refused without it may be in order now."""
        now = self._clock.utc()
        rated = {(kind, coin) for kind, product in self._monitor.rules.products.items() for coin in product.rated(now)}
        if self._config is not None and self._monitor.standing(BOOK_REFUSED) and not rated <= self._rated:
            self.run(self._config, judge_again=True)
        self._rated = rated

    def _needs(self) -> frozenset[str]:
        """The coins whose price decides about some group, and those that convert others; may be seconds old."""
        now_s = self._clock.monotonic_s()
        if now_s - self._needed_s >= NEEDS_S:
            self._needed_s = now_s
            # Core's thread may change the book meanwhile; then what was known serves for another while.
            with contextlib.suppress(RuntimeError):
                self._needed = frozenset((*self._book.named_coins(), *self._monitor.board.parity_assets))
        return self._needed

    def _trusted_usd(self, asset: str) -> Decimal | None:
        """The price in force of a coin, where it is trusted. Core's thread may change it meanwhile."""
        board = self._monitor.board
        return None if asset in board.untrusted else board.usd.get(asset)

    async def _run_feed(self, part: Part) -> None:
        if (ahead := self.ahead.pop(part.name, None)) is not None:
            if ahead.goes_on(part):
                self.feeds[part.name] = ahead.feed.stats
                await ahead.run(self._sequencer.quotes, self._needs)
                return
            await ahead.close()
        feed: Feed = plugins.module("feeds", part.kind).build(part.name, part.config, self._clock)
        self.feeds[part.name] = feed.stats
        attach = getattr(feed, "attach", None)  # a feed need not know the desk
        if attach is not None and self._config is not None:
            attach(Desk(self._needs, self._config.state_dir))
        async for quotes in feed.quotes():
            self._sequencer.quotes(quotes)

    async def _run_rates(self, part: Part) -> None:
        source = self._opened.pop(part.name, None)
        if source is None:  # a reload has brought it
            source = wiring.rate_source(part, self._clock)
            await self._take_rates(part.name, await source.opening())
        async for batch in source.changes():
            await self._take_rates(part.name, batch)

    async def _take_rates(self, name: str, batch: Sequence[Event]) -> None:
        await self._batches.take(batch)
        self.rates_seen[name] = self._clock.utc()

    async def _run_book(self, part: Part) -> None:
        told = self._monitor.standing
        seen = self._monitor.books.states.get(part.name)
        kept = KeptBook(
            partial(self._book.of_source, part.name),
            told(BOOK_REFUSED),
            told(BOOK_LEFT_OUT),
            seen.position if seen is not None else "",
            partial(self._kept_lines, part),
        )
        progress = partial(self._progress.step, part.name)
        reader = BlockReader(
            lambda: self._monitor.rules.products,
            self._book.names,
            progress,
            contacts.problems,
            self._trusted_usd,
            is_live=True,
        )
        module = plugins.module("books", part.kind)
        mine = aliased(reader, part.names.aliases)
        source: BookSource = module.build(part.name, part.config, mine, self._clock, kept)
        try:
            async for batch in source.batches():
                await self._batches.take(batch)
        finally:
            self._progress.end(part.name)

    def _kept_lines(self, part: Part) -> KeptLines:
        names = part.names.aliases
        return kept_lines(self._book, part.name, self._monitor.rules, names, self._clock.utc())
