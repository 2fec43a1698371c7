"""What a start would find: books read by the code of the daemon into a monitor of its own, at prices handed in."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import aclosing
from datetime import datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import msgspec

from monitor import contacts, plugins
from monitor.books._aliases import aliased
from monitor.books._base import KeptBook
from monitor.clock import SystemClock
from monitor.config import Config, Part
from monitor.core.alerts.catalogue import BOOK_LEFT_OUT, BOOK_REFUSED
from monitor.core.alerts.trouble import Trouble
from monitor.core.events.events import BookSeen, Event, MarkPrices, Noticed
from monitor.core.groups.snapshot import Prices
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import wiring
from monitor.engine.book import ColumnarBook
from monitor.engine.group_list import ColumnarGroupLists
from monitor.engine.ingest.reader import BlockReader
from monitor.telemetry import without_passwords

SCANNED = 20_000
"""Groups whose coins are looked at one by one, in a second; of a larger book they are a sample."""
SOURCE = "check"
READ_S = 600.0
"""A file of thirty million groups is read within this."""


class BookFound(msgspec.Struct, frozen=True):
    """One book: how many groups it gives, and its lines that are refused, or taken in part."""

    name: str
    path: str | None
    is_read: bool
    """Only files are; what must be asked is asked by the daemon alone."""
    groups: int
    refused: list[Trouble]
    left_out: list[Trouble]


class FirstLook(msgspec.Struct, frozen=True):
    """What a first start would say. Without prices no group has a stage, and `stages` is empty."""

    books: list[BookFound]
    groups: int
    prices: int
    """How many coins have one."""
    stages: dict[str, int]
    unknown: int
    """Groups that lack a price."""
    alerts: dict[str, int]
    """By type."""
    without_ladder: dict[str, int]
    """By coin that its product does not recognise: how many groups hold it; it counts nothing."""
    needed: list[str]
    """Coins whose price decides about some group."""
    without_price: list[str]
    """Those of them that have none; empty where there are no prices at all."""
    problems: list[str] = []
    """Of the files that the configuration names, each a sentence."""


async def first_look(config: Config, books: Sequence[Part], prices: Mapping[str, Decimal]) -> FirstLook:
    """Reads the books that are files. Of rates that cannot be used somebody else tells."""
    now = SystemClock().utc()
    book = ColumnarBook()
    monitor = RiskMonitor(_trusting(config.rules), book=book)
    for rates in wiring.stated_rates(config.rates)[0]:
        monitor.handle(msgspec.structs.replace(rates, at=now))
    found = [await _read(part, monitor, book, now) for part in books]
    alerts: Counter[str] = Counter()
    if prices:
        quotes = tuple(Quote(asset, price, "USD", SOURCE, now) for asset, price in prices.items())
        out = monitor.handle(MarkPrices(now, quotes))
        alerts.update(alert.type for alert in out.alerts if alert.group is not None)
    _, usd, untrusted = monitor.board.snapshot()
    counts = ColumnarGroupLists(book).counts((), Prices(usd, untrusted))
    return FirstLook(
        books=found,
        groups=len(book),
        prices=len(prices),
        stages={stage: number for stage, number in counts.stages.items() if number} if prices else {},
        unknown=counts.unknown if prices else 0,
        alerts=dict(sorted(alerts.items())),
        without_ladder=_without_ladder(book),
        needed=sorted(book.needed()),
        without_price=sorted(set(book.needed()) - usd.keys()) if prices else [],
    )


def _trusting(rules: Rules) -> Rules:
    """Prices that are handed in are those of now, whatever their age."""
    return msgspec.structs.replace(rules, trust=msgspec.structs.replace(rules.trust, enabled=False))


async def _read(part: Part, monitor: RiskMonitor, book: ColumnarBook, now: datetime) -> BookFound:
    path = getattr(part.config, "path", None)
    if part.kind != "file" or not isinstance(path, Path):
        return BookFound(part.name, None, False, 0, [], [])
    before = len(book)
    reader = BlockReader(lambda: monitor.rules.products, book.names, None, contacts.problems, is_live=True)
    config = msgspec.structs.replace(part.config, watch=False)
    source = plugins.module("books", part.kind).build(
        part.name, config, aliased(reader, part.names.aliases), SystemClock(), KeptBook()
    )
    async with asyncio.timeout(READ_S), aclosing(source.batches()) as batches:
        await _take(batches, monitor, now, str(path))
    mine = [trouble for trouble in monitor.troubles if trouble.source == part.name]
    return BookFound(
        name=part.name,
        path=without_passwords(str(path)),
        is_read=True,
        groups=len(book) - before,
        refused=[each for each in mine if each.kind == BOOK_REFUSED],
        left_out=[each for each in mine if each.kind == BOOK_LEFT_OUT],
    )


async def _take(batches: AsyncIterator[list[Event]], monitor: RiskMonitor, now: datetime, path: str) -> None:
    """The first reading, to its end or to the word that there is none."""
    async for batch in batches:
        for event in batch:
            monitor.handle(msgspec.structs.replace(event, at=now))
        if any(isinstance(event, BookSeen) or _is_of_file(event, path) for event in batch):
            return


def _is_of_file(event: Event, path: str) -> bool:
    return isinstance(event, Noticed) and event.subject == path


def _without_ladder(book: ColumnarBook) -> dict[str, int]:
    found: Counter[str] = Counter()
    for id_ in islice(book.ids(), SCANNED):
        record = book.find(id_)
        if record is not None:
            version = record.held.version
            found.update(asset for asset in record.group.quantities() if version.ladder(asset) is None)
    return dict(sorted(found.items()))
