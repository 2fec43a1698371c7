"""A monitor that takes the batches of one book from a venue on loopback, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec

from monitor.books._base import KeptBook, PlainReader
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import BOOK_LEFT_OUT, BOOK_REFUSED
from monitor.core.events.events import Event, MarkPrices
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Lifecycle, Rules, Trust
from monitor.core.schema import read
from monitor.core.watch.risk import RiskMonitor
from monitor.plugins import module
from tests import virtual
from tests.books.venues.server import Venue
from tests.core.desk import strange_facts


class BookDesk:
    """`play(work)` runs the book beside `work`, which gets this desk and changes the venue."""

    def __init__(self, kind: str, config: dict[str, Any], rules: Rules, folder: Path) -> None:
        self.kind = kind
        self.config = config
        self.folder = folder
        self.clock = virtual.LoopClock()
        self.venue = Venue(self.clock)
        self.rules = rules
        self.monitor = RiskMonitor(rules)
        self.alerts: list[Alert] = []
        self.events: list[Event] = []

    def key_files(self, account: str) -> dict[str, str]:
        """The files of a key that is named after its account."""
        for name, text in ((f"key-{account}", f"key-{account}"), (f"secret-{account}", "s3cr3t")):
            (self.folder / name).write_text(text)
            (self.folder / name).chmod(0o600)
        return {
            "api_key_file": str(self.folder / f"key-{account}"),
            "secret_file": str(self.folder / f"secret-{account}"),
        }

    def handle(self, event: Event) -> list[Alert]:
        """As the sequencer: the event has the time of now."""
        at = max(self.clock.utc(), self.monitor.at or self.clock.utc())
        out = self.monitor.handle(msgspec.structs.replace(event, at=at))
        for alert in out.alerts:
            assert strange_facts(alert) == set(), f"{alert.type}: the catalogue does not know these facts"
        self.alerts += out.alerts
        self.events.append(event)
        return out.alerts

    def price(self, **usd: str) -> None:
        """Prices that are trusted."""
        at = self.clock.utc()
        quotes = tuple(Quote(a, Decimal(p), "USD", "feed", at, beside=Decimal(p)) for a, p in usd.items())
        self.handle(MarkPrices(at, quotes))

    def restart(self) -> None:
        """Another monitor with what a store would hand over."""
        self.monitor = RiskMonitor(self.rules, memory=self.monitor.memory)

    def source(self) -> Any:
        """The book as the daemon would build it now."""
        plugin = module("books", self.kind)
        config = read(plugin.Config, {**self.config, "base_url": self.venue.url}, folder=self.folder)
        seen = self.monitor.books.states.get("book")
        kept = KeptBook(
            lambda: list(self.monitor.book.ids()),
            self.monitor.standing(BOOK_REFUSED),
            self.monitor.standing(BOOK_LEFT_OUT),
            seen.position if seen is not None else "",
        )
        reader = PlainReader(lambda: self.monitor.rules.products, usd=self._usd)
        return plugin.build("book", config, reader, self.clock, kept)

    def _usd(self, asset: str) -> Any:
        board = self.monitor.board
        return None if asset in board.untrusted else board.usd.get(asset)

    async def follow(self) -> None:
        """Takes batch after batch."""
        batches = self.source().batches()
        try:
            async for batch in batches:
                for event in batch:
                    self.handle(event)
        finally:
            await batches.aclose()

    def play(self, work: Callable[[BookDesk], Coroutine[Any, Any, None]]) -> None:
        """In virtual time."""

        async def main() -> None:
            async with self.venue.serving():
                task = asyncio.create_task(self.follow())
                try:
                    await work(self)
                finally:
                    task.cancel()
                    await asyncio.gather(task, return_exceptions=True)
                if not task.cancelled() and task.exception() is not None:
                    raise task.exception()  # type: ignore[misc]

        virtual.run(main())

    async def wait(self, **span: float) -> None:
        """Lets time pass."""
        await asyncio.sleep(timedelta(**span).total_seconds())

    def said(self, *types: str) -> list[Alert]:
        """Alerts of these types."""
        return [alert for alert in self.alerts if alert.type in types]


def rules_of(*products: Any, **more: Any) -> Rules:
    """Rules whose prices need no second source, and where a group that was left out is closed at once."""
    return Rules("desk-1", {product.kind: product for product in products}, Lifecycle(), Trust(enabled=False), **more)
