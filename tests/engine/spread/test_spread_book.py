"""A book over shards decides as one process does, to the last byte, and says nothing false while a shard is missing."""

import json
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from monitor.core.events.events import GroupClosed, GroupPut, GroupsPut, MarkPrices
from monitor.core.groups.snapshot import Prices
from monitor.core.loans.group import parse_line
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.group_list import ColumnarGroupLists
from monitor.engine.ingest.reader import BlockReader
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.links import Shards
from monitor.engine.spread.local import NearShards
from monitor.engine.spread.placement import place_of
from monitor.engine.spread.spreading import Spreading
from tests.coin_desk import START, line
from tests.core.desk import plainly, quotes
from tests.core.runs import TRUSTED, rules
from tests.effort import examples
from tests.engine import twins
from tests.engine.kinds import ALL
from tests.engine.market import QUICK, WARY
from tests.engine.spread.processes import SharedProcesses
from tests.engine.spread.worlds import SpreadMarket, spread_of

Hurt = Callable[[int, signal.Signals], None]
NOW = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED)


def a_market(monkeypatch: pytest.MonkeyPatch, seed: int, kinds: Sequence[str]) -> SpreadMarket:
    class Spread(SpreadBook):
        def __init__(self, fold_at: int, plain_from: int) -> None:  # shards decide nothing by column
            super().__init__(NearShards(), 3, fold_at)

    monkeypatch.setattr(twins, "ColumnarBook", Spread)
    market = SpreadMarket(seed, 20, 3, WARY, 7, kinds)
    market.in_blocks(12)
    return market


@pytest.mark.parametrize("seed", range(2))
def test_a_market_over_shards_is_decided_and_listed_alike(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Crashes, rules that change, groups that come and go, restarts from blocks; lists of every shard joined."""
    market = a_market(monkeypatch, seed, ("vip_loan", "flat_loan"))
    assert all(seen.groups for seen in spread_of(market).seen()), "every shard has groups"
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


@pytest.fixture(scope="module")
def processes() -> Iterator[SharedProcesses]:
    shared = SharedProcesses()
    yield shared
    shared.own.close()


def a_desk(shards: Shards, count: int, copies: int = 1) -> tuple[RiskMonitor, SpreadBook]:
    """Sixty groups in blocks of four, which a fall of the coin brings to a margin call."""
    book = SpreadBook(shards, count, fold_at=0, how=Spreading(60.0, copies))
    book.links.await_ready()  # as the daemon does: actors take seconds to start, each for itself
    return with_groups(RiskMonitor(NOW, book=book)), book


def with_groups(monitor: RiskMonitor) -> RiskMonitor:
    monitor.handle(MarkPrices(START, quotes("0.1", START)))
    for first in range(0, 60, 4):
        lines = [line(f"G-{n:02}", receiving_account=f"in-{n}") for n in range(first, first + 4)]
        if isinstance(monitor.book, ColumnarBook):
            reader = BlockReader(lambda: NOW.products, monitor.book.names)
            packed = reader.pack([json.dumps(each).encode() for each in lines], START, "book")
            monitor.handle(GroupsPut(START, "book", packed.batch))
        else:
            for each in lines:
                monitor.handle(GroupPut(START, parse_line(each, START, NOW.products), "book"))
    return monitor


def fall(monitor: RiskMonitor, price: str, seconds: int) -> list[Any]:
    at = START + timedelta(seconds=seconds)
    return plainly(monitor.handle(MarkPrices(at, quotes(price, at))).alerts)


def blind_in(monitor: RiskMonitor) -> set[str]:
    sights = {f"G-{n:02}": monitor.sight(f"G-{n:02}") for n in range(60)}
    return {id_ for id_, sight in sights.items() if sight is None or sight.blind}


PRICES = ("0.11", "0.8", "0.9", "0.1", "0.85", "0.1", "0.95", "0.97")


def mended(book: SpreadBook) -> None:
    for seat in book.plan_mending(range(9)):
        assert book.mend(seat)
        book.take_back(seat)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_processes_decide_to_the_last_byte_as_one_does(processes: SharedProcesses, count: int) -> None:
    decide_alike(processes, count)


def decide_alike(shards: Shards, count: int) -> None:
    ours, book = a_desk(shards, count)
    theirs = with_groups(RiskMonitor(NOW, book=ColumnarBook(fold_at=0)))
    told = 0
    for seconds, price in enumerate(PRICES, 1):
        mine, its = fall(ours, price, seconds), fall(theirs, price, seconds)
        assert msgspec.json.encode(mine) == msgspec.json.encode(its)
        told += len(mine)
    assert told > 200
    assert len([seen for seen in book.seen() if seen.groups]) == count, "every shard has groups"


def test_with_two_copies_a_shard_that_hangs_or_dies_is_no_gap(processes: SharedProcesses) -> None:
    """Whichever copy it is, all is said at once and alike, and the copy is replaced."""
    are_no_gap(processes, processes.hurt)


def are_no_gap(shards: Shards, hurt: Hurt) -> None:
    ours, book = a_desk(shards, 2, copies=2)
    theirs = with_groups(RiskMonitor(NOW, book=ColumnarBook(fold_at=0)))
    hurts = {1: (0, signal.SIGSTOP), 3: (3, signal.SIGKILL)}
    for seconds, price in enumerate(PRICES, 1):
        if seconds in hurts:
            hurt(*hurts[seconds])
        mine, its = fall(ours, price, seconds), fall(theirs, price, seconds)
        assert msgspec.json.encode(mine) == msgspec.json.encode(its)
        assert book.is_whole
        assert not blind_in(ours)
        if seconds in hurts:
            book.links.limit_s = 3.0
            for _ in range(100):
                book.links.ask_all("ready")
                if hurts[seconds][0] in book.links.gone:
                    break
                time.sleep(0.1)
            # Where the machine is busy another copy may have taken too long as well: it is replaced too.
            assert hurts[seconds][0] in book.links.gone
            book.links.limit_s = 60.0
            mended(book)


@pytest.mark.parametrize("stopped", [signal.SIGSTOP, signal.SIGKILL])
def test_what_a_missing_shard_held_is_unwatched_until_a_replacement_is_loaded(
    processes: SharedProcesses, stopped: signal.Signals
) -> None:
    """Nobody waits longer than the limit, nothing false is said, and the first prices decide what is overdue."""
    is_unwatched_until_replaced(processes, lambda seat: processes.hurt(seat, stopped))


def is_unwatched_until_replaced(shards: Shards, hurt: Callable[[int], None]) -> None:
    ours, book = a_desk(shards, 2)
    theirs = with_groups(RiskMonitor(NOW, book=ColumnarBook(fold_at=0)))
    fall(ours, "0.11", 1)
    fall(theirs, "0.11", 1)
    assert book.columnar is not None
    hurt(1)
    book.links.limit_s = 3.0
    # A body that no pipe takes at once holds nobody up either.
    book.links.tell(1, "load", 99, bytes(8 << 20), 0, None, {})
    first, its = fall(ours, "0.8", 2), fall(theirs, "0.8", 2)
    watched = {a["subject"] for a in first}
    assert first == [a for a in its if a["subject"] in watched]
    assert book.links.missing == {1}
    assert [(seen.place, seen.is_missing, seen.is_watched) for seen in book.seen()] == [
        (0, False, True),
        (1, True, False),
    ]
    blind = blind_in(ours)
    assert blind == {a["subject"] for a in its} - watched, "nothing good is decided about a group that nobody watches"
    assert blind
    book.links.limit_s = 60.0
    mended(book)
    assert book.is_whole
    # The price does not move again: it is decided because nobody has looked at it in the shard that is new.
    late = fall(ours, "0.8", 3)
    assert {a["subject"] for a in late} == blind
    for seconds, price in ((4, "0.1"), (5, "0.9")):
        mine, other = fall(ours, price, seconds), fall(theirs, price, seconds)
        assert [(a["type"], a["subject"]) for a in mine] == [(a["type"], a["subject"]) for a in other]
    assert not blind_in(ours)


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
    for seat in planned:
        assert book.mend(seat)
        book.take_back(seat)
    market.now += timedelta(seconds=1)
    market.move(list(market.usd), 0.99, 1.01)
    assert book.is_whole, "no shard was told what it cannot do"
    market.twins.check_lists()
    market.twins.check_groups(market.twins.objects.ids())


def test_blocks_move_to_a_shard_that_joins_and_away_from_one_that_leaves(monkeypatch: pytest.MonkeyPatch) -> None:
    """A few at a time, while prices and changes go on: nobody is unwatched meanwhile."""
    market = a_market(monkeypatch, 4, ("vip_loan", "flat_loan"))
    book, before = spread_of(market), {n: spread_of(market).links.place(n) for n in range(12)}
    book.wanted = 4
    book.resize()
    mended(book)
    moved = 0
    for wanted in (4, 2):
        book.wanted = wanted
        book.resize()
        while book.move_some(1):
            moved += 1
            market.step(QUICK)
            assert book.is_whole
    assert moved > 4
    assert book.links.blocks.places == [0, 1]
    assert book.columnar is not None
    blocks = book.columnar.rows.blocks
    groups = {seen.place: seen.groups for seen in book.seen()}
    assert all(groups.values())
    assert sum(groups.values()) == len(book) - len(book.fresh)
    assert all(book.links.place(n) == place for n, place in before.items() if place < 2 and blocks[n] is not None)
    market.now += timedelta(seconds=1)
    market.move(list(market.usd), 0.99, 1.01)
    market.twins.check_lists()
    market.twins.check_groups(market.twins.objects.ids())


def test_a_shard_takes_no_more_groups_than_it_may_and_what_is_left_is_said_to_be_unwatched() -> None:
    book = SpreadBook(NearShards(), 2, fold_at=0, how=Spreading(most_groups=20))
    monitor = with_groups(RiskMonitor(NOW, book=book))
    book.hear_memory()
    assert book.is_full
    assert sorted(seen.groups for seen in book.seen()) == [20, 20]
    assert book.homeless() == 20
    assert len(fall(monitor, "0.8", 1)) == 40
    assert len(blind_in(monitor)) == 20
    # A group that comes alone is watched by the head, and a restart refuses alike.
    at = START + timedelta(seconds=1)
    monitor.handle(GroupPut(at, parse_line(line("G-99"), at, NOW.products), "book"))
    sight = monitor.sight("G-99")
    assert sight is not None
    assert sight.state.stage == "margin_call"
    assert book.homeless() == 20
    again = SpreadBook(NearShards(), 2, fold_at=0, how=Spreading(most_groups=20))
    RiskMonitor(NOW, monitor.memory, again)
    assert again.homeless() == 20
    # Another shard takes what nobody watched, and the first prices decide.
    book.wanted = 3
    book.resize()
    mended(book)
    assert not book.is_full
    assert fall(monitor, "0.8", 2) == []
    while book.move_some(1):
        pass
    assert book.homeless() == 0
    assert len(fall(monitor, "0.8", 3)) == 20


def test_a_shard_that_joins_takes_what_it_may_and_no_more() -> None:
    """Its groups are counted as they come, and not only when it is asked next."""
    book = SpreadBook(NearShards(), 2, fold_at=0, how=Spreading(most_groups=10))
    with_groups(RiskMonitor(NOW, book=book))
    book.hear_memory()
    assert book.homeless() == 36
    book.wanted = 3
    book.resize()
    mended(book)
    book.move_some(1)
    assert book.homeless() == 32, "first those that nobody watches"
    while book.move_some(1):
        pass
    assert {seen.place: seen.groups for seen in book.seen()} == {0: 12, 1: 12, 2: 12}
    assert book.homeless() == 24


def test_only_the_blocks_of_a_new_shard_move() -> None:
    before = [place_of(n, range(4)) for n in range(1000)]
    after = [place_of(n, range(5)) for n in range(1000)]
    moved = [b for a, b in zip(before, after, strict=True) if a != b]
    assert set(moved) == {4}
    assert 150 < len(moved) < 250
