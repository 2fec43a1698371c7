"""Runs of months and years, as one process and as a book over shards are told them: what each says, in bytes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from monitor.core.alerts.payload import alert_item
from monitor.core.events.events import Event, GroupPut, GroupsPut, MarkPrices, RatesChanged
from monitor.core.loans.group import parse_line
from monitor.core.prices.quote import Quote
from monitor.core.rules.product import RateRow
from monitor.core.rules.settings import Rules, Trust
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.links import Shards
from monitor.engine.spread.spreading import Spreading
from monitor.products import vip_loan
from monitor.replay.entries import read_entry
from tests.reference import tape
from tests.reference.years import Years

Line = dict[str, Any]
AT_ONCE = 2
"""Groups that come as one block: a book of some dozens lies in several shards."""
FOLD_AT = 3
"""Groups that changed and are held as objects: what the desk changes goes back and forth between head and shards."""
RATES_KNOWN = timedelta(days=60)
"""So far ahead rates are stated, each time again."""
_json = msgspec.json.Encoder().encode


class LongRun(NamedTuple):
    """What is told: rules, the book at the first row, and what comes after."""

    rules: Rules
    book: Sequence[Line]
    rows: Sequence[tape.Row]
    entries: Sequence[Line] = ()
    rates: tuple[RateRow, ...] = ()

    def scaled(self, every: int, share: float = 1.0) -> LongRun:
        """One row of so many, of a part of the run."""
        rows = self.rows[: int(len(self.rows) * share) : every]
        return self._replace(
            rows=rows, entries=[e for e in self.entries if datetime.fromisoformat(e["at"]) <= rows[-1][0]]
        )

    def told(self, book: ColumnarBook) -> Iterator[bytes]:
        """Each event's alerts in order, as they are sent, with what the event changed."""
        monitor = RiskMonitor(self.rules, book=book)
        cursor = 0
        for event in self._events(monitor):
            out = monitor.handle(event)
            lines = [alert_item(alert, n, self.rules.products) for n, alert in enumerate(out.alerts, cursor + 1)]
            cursor += len(lines)
            yield _json([lines, sorted(out.states.items()), sorted(out.closed), str(out.refused)])

    def _events(self, monitor: RiskMonitor) -> Iterator[Event]:
        start = self.rows[0][0]
        yield from _puts(self.book, monitor, start)
        coming = [read_entry(json.dumps(entry).encode()) for entry in reversed(self.entries)]
        known = start
        for at, prices in self.rows:
            while coming and coming[-1].at <= at:
                yield coming.pop()
            if self.rates and known <= at:
                known = at + RATES_KNOWN
                rows = tuple(row for row in self.rates if at - RATES_KNOWN <= row.effective < known)
                yield RatesChanged(at, "vip_loan", "rates", rows)
            yield MarkPrices(at, tuple(Quote(coin, Decimal(p), "USDT", "tape", at) for coin, p in prices.items()))


def _puts(lines: Sequence[Line], monitor: RiskMonitor, at: datetime) -> Iterator[Event]:
    """The lines in blocks, and what does not go into a block alone, as a large book is read."""
    book, products = monitor.book, monitor.rules.products
    assert isinstance(book, ColumnarBook)
    reader = BlockReader(lambda: products, book.names)
    for first in range(0, len(lines), AT_ONCE):
        some = lines[first : first + AT_ONCE]
        packed = reader.pack([json.dumps(line).encode() for line in some], at, "book")
        yield GroupsPut(at, "book", packed.batch)
        for place in packed.rest:
            yield GroupPut(at, parse_line(some[place], at, products), "book")


def of_years(years: Years) -> LongRun:
    """Two years of a desk, and beside each of its groups one that nobody changes: it stays where it was put."""
    rules = Rules("desk-1", {"vip_loan": vip_loan.load(years.table)}, trust=Trust(enabled=False))
    rates = tuple(RateRow(at, coin, rate) for at, coin, rate in years.rates)
    return LongRun(rules, [*years.book, *map(_left_alone, years.book)], years.rows, years.entries, rates)


def _left_alone(line: Line) -> Line:
    """The same group under another name, without dates, which would end it in the first months."""
    undated = {"term": "open", "rate": {"kind": "flexible"}, "matures_at": None}
    loans = [loan | undated | {"id": f"Q{loan['id']}"} for loan in line["loans"]]
    held = {f"Q{account}": coins for account, coins in line["collateral"].items()}
    own = {"id": f"Q{line['id']}", "receiving_account": f"Q{line['receiving_account']}", "collateral": held}
    return {key: value for key, value in line.items() if key != "balances"} | own | {"loans": loans}


def over_shards_as_in_one(run: LongRun, shards: Shards, count: int, copies: int = 1) -> int:
    """Both are told the run, event by event, and say the same bytes. Says how many alerts there were."""
    spread = SpreadBook(shards, count, fold_at=FOLD_AT, how=Spreading(60.0, copies))
    alone, alerts = ColumnarBook(fold_at=FOLD_AT), 0
    for number, (ours, theirs) in enumerate(zip(run.told(spread), run.told(alone), strict=True)):
        assert ours == theirs, f"event {number}"
        alerts += len(msgspec.json.decode(theirs)[0])
    assert spread.is_whole
    # Which of four shards gets none of so few blocks is decided by their names.
    assert len({seen.place for seen in spread.seen() if seen.groups}) >= min(count, 2), "several shards have groups"
    assert sorted(spread.ids()) == sorted(alone.ids())
    return alerts
