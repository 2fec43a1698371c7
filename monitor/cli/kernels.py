"""Compiles the loops of the engine ahead, so that neither a start nor the first large book waits for a compiler."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from monitor.cli import output
from monitor.cli.options import FINE
from monitor.core.events.entries import Entry
from monitor.core.events.events import BookEntry, GroupClosed, GroupPut, GroupsPut, MarkPrices
from monitor.core.groups.snapshot import Prices
from monitor.core.portfolio.group_list import SORTS, GroupQuery
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Lifecycle, Rules, Trust
from monitor.core.schema import read
from monitor.core.watch.risk import RiskMonitor
from monitor.engine import warm
from monitor.engine.book import ColumnarBook
from monitor.engine.group_list import ColumnarGroupLists
from monitor.engine.ingest.reader import BlockReader
from monitor.products import vip_loan

GROUPS = 9_000
"""More than one block of them: then no way through the columns is spared."""
AT = datetime(2026, 1, 5, 10, tzinfo=UTC)
VERSION = {
    "effective": AT - timedelta(days=365),
    "thresholds": {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"},
    "grace": "24h",
    "ladders": {"BTC": [["1000000", "1"], ["inf", "0.9"]], "ETH": [["inf", "1"]]},
    "rates": {"USDT": "0.0001"},
}


def compile_all() -> int:
    """The command `monitor kernels`."""
    warm.warm()
    play()
    output.say("The loops of the engine are compiled.")
    return FINE


def play() -> None:
    """A made-up book through reader, columns, lists, changes and a restart; what it comes by is compiled."""
    rules = Rules("kernels", {"vip_loan": vip_loan.load({"version": [VERSION]})}, Lifecycle(), Trust(enabled=False))
    book = ColumnarBook()
    monitor = RiskMonitor(rules, book=book)
    reader = BlockReader(lambda: rules.products, book.names)
    lines = [json.dumps(_line(f"G-{n:05}", f"{n % 7 + 1}.5")).encode() for n in range(GROUPS)]
    for some in (lines[:4096], lines[4096:]):
        packed = reader.pack(some, AT, "kernels")
        assert not packed.rest, "a line that the columns leave to core would spare their loops"
        monitor.handle(GroupsPut(AT, "kernels", packed.batch))
    _remember(reader, lines)
    for n, price in enumerate(("40000", "20000", "19000")):
        at = AT + timedelta(seconds=n)
        monitor.handle(MarkPrices(at, tuple(Quote(a, Decimal(price), "USD", "kernels", at) for a in ("BTC", "ETH"))))
    _look(book, Prices({"BTC": Decimal(19_000), "ETH": Decimal(19_000), "USDT": Decimal(1)}, frozenset()))
    entry: Any = Entry
    repaid = read(entry, {"type": "repay", "asset": "USDT", "amount": "5"})
    monitor.handle(BookEntry(at, "G-00001", "e-1", repaid))
    monitor.handle(GroupClosed(at, "G-00002", "kernels"))
    monitor.handle(GroupPut(at, reader.parse(_line("G-00003", "2"), at), "kernels"))
    RiskMonitor(rules, monitor.memory, ColumnarBook())


def _line(id_: str, quantity: str) -> dict[str, Any]:
    loan = {"id": "L", "asset": "USDT", "principal": "30000", "interest": "0.5", "rate": {"kind": "flexible"}}
    return {
        "id": id_,
        "product": "vip_loan",
        "receiving_account": f"{id_}-in",
        "collateral": {f"{id_}-a": {"BTC": quantity, "ETH": "0.25"}},
        "loans": [loan | {"term": "open", "opened_at": "2026-01-01T10:00:00Z"}],
        "labels": {"desk": "EU"},
    }


def _remember(reader: BlockReader, lines: Sequence[bytes]) -> None:
    """What a large file is read through, so that its next reading takes only what has changed."""
    from array import array

    memory = reader.line_memory()
    keys = array("q", range(1, len(lines) + 1))
    memory.applied(keys)
    memory.name(keys, list(range(len(lines))))
    memory.take(keys, keys)
    memory.named(keys)
    memory.end(forget=True)


def _look(book: ColumnarBook, on: Prices) -> None:
    lists = ColumnarGroupLists(book)
    for query in _queries():
        page = lists.page(query, (), on)
        if page.next is not None:
            lists.page(GroupQuery(sort=query.sort, limit=query.limit, after=page.next), (), on)
    lists.needed(())
    lists.counts((), on)
    lists.nearest(on)
    book.prepare_snapshot()
    snapshot = book.snapshot(AT)
    for by in ("asset", "product", "label.desk"):
        snapshot.exposures(by, on, ())
    snapshot.sweep(on, ())


def _queries() -> Iterator[GroupQuery]:
    for sort in SORTS:
        yield GroupQuery(sort=sort, limit=5)
        yield GroupQuery(sort=f"-{sort}", limit=5, q="g-0")
