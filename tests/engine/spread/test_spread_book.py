"""A book over shards decides as one process does, to the last byte, and says nothing false while a shard is missing."""

import os
import signal
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.events.events import GroupClosed, GroupPut, MarkPrices
from monitor.core.groups.snapshot import Prices
from monitor.core.loans.group import parse_line
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.group_list import ColumnarGroupLists
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.links import Shards, place_of
from monitor.engine.spread.local import LocalShards, NearShards
from tests.coin_desk import START, line
from tests.core.desk import plainly, quotes
from tests.core.runs import TRUSTED, rules
from tests.effort import examples
from tests.engine import twins
from tests.engine.kinds import ALL
from tests.engine.market import QUICK, WARY, Market
from tests.engine.test_book import a_run, desks, told

SLOW = [HealthCheck.too_slow, HealthCheck.data_too_large]
NOW = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED)


@settings(max_examples=examples(2, 100), suppress_health_check=SLOW)
@given(desks, st.sampled_from((1, 2, 4)), st.sampled_from((0, 2)))
def test_every_run_over_shards_is_decided_alike(desk: Any, count: int, fold_at: int) -> None:
    now, run = a_run(desk)
    ours = told(RiskMonitor(now, book=SpreadBook(NearShards(count), fold_at)), run)
    theirs = told(RiskMonitor(now, book=ColumnarBook(fold_at)), run)
    for mine, its in zip(ours, theirs, strict=True):
        assert mine == its


class SpreadMarket(Market):
    """A market whose lines come four at a time, each time as a block of its own, so that every shard has some."""

    def in_blocks(self, count: int) -> None:
        for _ in range(count):
            self.twins.put(self.lines(4), self.now)


def a_market(monkeypatch: pytest.MonkeyPatch, seed: int, kinds: Sequence[str]) -> SpreadMarket:
    class Spread(SpreadBook):
        def __init__(self, fold_at: int) -> None:
            super().__init__(NearShards(3), fold_at)

    monkeypatch.setattr(twins, "ColumnarBook", Spread)
    market = SpreadMarket(seed, 20, 3, WARY, 7, kinds)
    market.in_blocks(12)
    return market


def spread_of(market: SpreadMarket) -> SpreadBook:
    book = market.twins.book
    assert isinstance(book, SpreadBook)
    return book


@pytest.mark.parametrize("seed", range(3))
def test_a_market_over_shards_is_decided_and_listed_alike(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Crashes, rules that change, groups that come and go, restarts from blocks; lists of every shard joined."""
    market = a_market(monkeypatch, seed, ("vip_loan", "flat_loan"))
    assert all(seen.groups for seen in spread_of(market).shards()), "every shard has groups"
    for _ in range(examples(8, 40)):
        market.step(QUICK)
        market.now += timedelta(seconds=1)
        market.move(list(market.usd), 0.99, 1.01)
        market.twins.check_lists()
    market.twins.check_groups(market.twins.objects.ids())
    assert market.twins.alerts > 20


@pytest.mark.soak
@pytest.mark.timeout(1200)
def test_a_market_of_all_products_over_shards_is_decided_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    """A step may pass a day of interest by the minute, which each shard adds a thousand times."""
    market = a_market(monkeypatch, 11, ALL)
    for _ in range(24):
        market.step(QUICK)
    assert market.twins.alerts > 50
    market.twins.check_groups(market.twins.objects.ids())


@pytest.fixture
def processes() -> Iterator[LocalShards]:
    shards = LocalShards(2)
    yield shards
    shards.close()


def a_desk(shards: Shards) -> tuple[RiskMonitor, SpreadBook]:
    """Thirty groups in one block, which a fall of the coin brings to a margin call."""
    book = SpreadBook(shards, fold_at=0, limit_s=60.0)
    monitor = RiskMonitor(NOW, book=book)
    monitor.handle(MarkPrices(START, quotes("0.1", START)))
    put_all(monitor)
    return monitor, book


def put_all(monitor: RiskMonitor) -> None:
    for n in range(30):
        monitor.handle(GroupPut(START, parse_line(line(f"G-{n}"), START, NOW.products), "book"))


def fall(monitor: RiskMonitor, price: str, seconds: int) -> list[Any]:
    at = START + timedelta(seconds=seconds)
    return plainly(monitor.handle(MarkPrices(at, quotes(price, at))).alerts)


@pytest.mark.soak
def test_processes_decide_as_objects_do(processes: LocalShards) -> None:
    monitor, book = a_desk(processes)
    plain = RiskMonitor(NOW)
    plain.handle(MarkPrices(START, quotes("0.1", START)))
    put_all(plain)
    assert book.columnar is not None
    for seconds, price in enumerate(("0.11", "0.8", "0.9", "0.1"), 1):
        assert fall(monitor, price, seconds) == fall(plain, price, seconds)


@pytest.mark.parametrize("stopped", [signal.SIGSTOP, pytest.param(signal.SIGKILL, marks=pytest.mark.soak)])
def test_what_a_missing_shard_held_is_unwatched_until_a_replacement_is_loaded(
    processes: LocalShards, stopped: signal.Signals
) -> None:
    """Nobody waits longer than the limit, nothing false is said, and the first prices decide what is overdue."""
    monitor, book = a_desk(processes)
    fall(monitor, "0.11", 1)
    plain = RiskMonitor(NOW)
    plain.handle(MarkPrices(START, quotes("0.1", START)))
    put_all(plain)
    fall(plain, "0.11", 1)
    assert book.columnar is not None
    gone = place_of(0, 2)
    process = processes.processes[gone]
    assert process is not None
    assert process.pid is not None
    os.kill(process.pid, stopped)
    book.links.limit_s = 0.5
    assert fall(monitor, "0.8", 2) == [], "the only block is in the shard that is gone"
    assert not book.is_whole
    assert [seen.is_missing for seen in book.shards()] == [place == gone for place in range(2)]
    sight = monitor.sight("G-3")
    assert sight is not None
    assert sight.blind, "nothing good is decided about a group that nobody watches"
    assert not process.is_alive() or process.join(5) is None
    book.links.limit_s = 60.0
    for place in book.plan_mending(range(3)):
        assert book.mend(place)
        book.take_back(place)
    assert book.is_whole
    assert not book.columnar.rows.pending
    # The price does not move again: it is decided because nobody has looked at it in the shard that is new.
    ours, theirs = fall(monitor, "0.8", 3), fall(plain, "0.8", 3)
    assert [a["subject"] for a in ours] == [a["subject"] for a in theirs]
    assert len(ours) == 30
    sight = monitor.sight("G-3")
    assert sight is not None
    assert not sight.blind


def test_deadlines_and_lists_of_a_missing_shard_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Groups that nobody watches come due as before, and lists show them blind. What changes meanwhile is told once."""
    market = a_market(monkeypatch, 5, ("vip_loan", "flat_loan"))
    book, shards = spread_of(market), spread_of(market).links.shards
    until, kinds = market.now + timedelta(days=400), ["vip_loan", "flat_loan"]

    def due() -> list[Any]:
        since = {kind: book.counted_since(kind) for kind in kinds}
        late = [book.has_late(kind, until) for kind in kinds]
        named = book.waiting(market.now, until), book.nearing(market.now, until), book.spare(kinds)
        return [*map(set, named), since, late, set(book.needed())]

    whole = due()
    assert whole[1], "some groups have dates"
    for place in range(2):
        shards.abandon(place)
    assert due() == whole
    assert book.links.missing == {0, 1}
    unwatched = {id_ for id_ in book.ids() if (found := book.find(id_)) is not None and found.is_unwatched}
    assert 0 < len(unwatched) < len(book)
    board = market.twins.plain.board
    prices, lists = Prices(board.usd, frozenset(board.untrusted)), ColumnarGroupLists(book)
    page = lists.page(GroupQuery(sort="id", limit=1000), (), prices)
    assert [s.group.id for s in page.rows] == sorted(book.ids())
    assert unwatched <= {s.group.id for s in page.rows if s.blind}
    assert lists.counts((), prices).total == len(book)
    assert lists.counts((), prices).unknown >= len(unwatched)

    def close(ids: list[str]) -> None:
        for monitor in (market.twins.plain, market.twins.columns):
            for id_ in ids:
                monitor.handle(GroupClosed(market.now, id_, "book"))

    close(sorted(unwatched)[:3])
    planned = book.plan_mending(range(3))
    close(sorted(unwatched)[3:6])
    for place in planned:
        assert book.mend(place)
        book.take_back(place)
    market.now += timedelta(seconds=1)
    market.move(list(market.usd), 0.99, 1.01)
    assert book.is_whole, "no shard was told what it cannot do"
    market.twins.check_lists()
    market.twins.check_groups(market.twins.objects.ids())


def test_only_the_blocks_of_a_new_shard_move() -> None:
    before = [place_of(n, 4) for n in range(1000)]
    after = [place_of(n, 5) for n in range(1000)]
    moved = [b for a, b in zip(before, after, strict=True) if a != b]
    assert set(moved) == {4}
    assert 150 < len(moved) < 250
