"""The book of columns decides as the plain one does: every run of events causes the same alerts, to the last digit."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from monitor.core.events.entries import Entry
from monitor.core.events.events import BookEntry, Event, GroupClosed, GroupsPut, MarkPrices, TimePassed
from monitor.core.groups.loan_book import LoanBook
from monitor.core.groups.outcome import Memory, Outcome, StoredBlock, StoredGroup
from monitor.core.groups.watcher_states import WatcherStates
from monitor.core.loans.group import parse_line
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.schema import read
from monitor.core.stages.stages import GroupState
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.engine.columns.fields import GROUPS
from monitor.engine.columns.names import Names
from monitor.engine.ingest.reader import BlockReader
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.local import NearShards
from tests.coin_desk import START, line, loan
from tests.core.desk import plainly, quotes
from tests.core.runs import DESK, LIVE, LIVE_TRUST, PAIR_TRUST, TRUSTED, Step, events, rules, settings_, steps
from tests.stores.plain_storm import Storm

MANY = settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
products = st.sampled_from((4, 24, 31)).map(lambda hours: {"vip_loan": rules(hours)})
desks = st.one_of(
    st.tuples(steps(DESK), products, st.just(TRUSTED), settings_),
    st.tuples(steps(LIVE), products, st.sampled_from((LIVE_TRUST, PAIR_TRUST)), settings_),
)
SHARDS: list[Callable[[], LoanBook]] = [
    lambda: SpreadBook(NearShards(), 2, fold_at=0),
    lambda: SpreadBook(NearShards(), 3, fold_at=2),
]
BOOKS: list[Callable[[], LoanBook]] = [
    lambda: ColumnarBook(fold_at=0),
    lambda: ColumnarBook(fold_at=2),
    ColumnarBook,
    *SHARDS,
]


def a_run(desk: Any) -> tuple[Rules, list[Event]]:
    run, of, trust, lifecycle = desk
    now = Rules("desk-1", of, lifecycle, trust)
    happened = events(run, now)
    return now, [*happened, TimePassed(happened[-1].at + timedelta(days=3))]


def told(monitor: RiskMonitor, run: list[Event]) -> list[Any]:
    """Per event the alerts, the groups whose state changed, and the refusal."""
    seen = []
    for each in run:
        out = monitor.handle(each)
        seen.append((plainly(out.alerts), out.states, out.changed, out.closed, str(out.refused)))
    return seen


@MANY
@given(desks, st.sampled_from(BOOKS))
def test_every_run_is_decided_alike(desk: Any, book: Callable[[], LoanBook]) -> None:
    now, run = a_run(desk)
    plain, columns = RiskMonitor(now, book=PlainBook()), RiskMonitor(now, book=book())
    ours, theirs = told(columns, run), told(plain, run)
    event(f"alerts: {min(sum(len(t[0]) for t in theirs), 9)}")
    for mine, its in zip(ours, theirs, strict=True):
        for part, other in zip(mine, its, strict=True):
            assert part == other
    assert sorted(columns.book.ids()) == sorted(plain.book.ids())
    assert sorted(columns.book.needed()) <= sorted({*plain.book.needed(), *columns.book.needed()})
    for group_id in plain.book.ids():
        a, b = columns.sight(group_id), plain.sight(group_id)
        assert a is not None
        assert b is not None
        assert (a.state, a.weight) == (b.state, b.weight)
        assert (a.blind, a.version, a.put_at, a.source) == (b.blind, b.version, b.put_at, b.source)


@MANY
@given(desks, st.sets(st.integers(0, 60), min_size=1, max_size=4), st.sampled_from(BOOKS))
def test_a_restart_from_blocks_loses_nothing(desk: Any, restarts: set[int], book: Callable[[], LoanBook]) -> None:
    now, run = a_run(desk)
    monitor, ours = RiskMonitor(now, book=book()), []
    for i, each in enumerate(run):
        ours += monitor.handle(each).alerts
        if i in restarts:
            monitor = RiskMonitor(monitor.rules, memory=monitor.memory, book=book())
    theirs = [a for t in told(RiskMonitor(now), run) for a in t[0]]
    assert plainly(ours) == theirs


def test_nobody_hears_that_prices_agree_on_a_coin_that_only_a_closed_group_held() -> None:
    """A block names the coins of groups that are closed until it is laid anew; a restart forgets what it held."""

    def group(number: int, btc: str) -> Step:
        held = {f"a{number}": {"USDT": "80", "BTC": btc}, f"b{number}": {"USDT": "20"}}
        return Step(0, "put", line(f"G-{number}", collateral=held, receiving_account=f"in-G-{number}"))

    puts = [group(1, "0"), group(2, "0"), group(3, "1"), Step(0, "close", "G-3")]
    prices = [
        Step(0, "prices", "BTC=20"),
        Step(600, "prices", "0.45"),
        Step(0, "close", "G-1"),
        Step(0, "prices", "0.45"),
    ]
    lifecycle = Lifecycle(clear_hold=timedelta(0), margin_call_repeat=timedelta(0), grace_reminders=())
    now, run = a_run(([*puts, *prices], {"vip_loan": rules(4)}, PAIR_TRUST, lifecycle))
    monitor, ours = RiskMonitor(now, book=BOOKS[0]()), []
    for i, each in enumerate(run):
        ours += monitor.handle(each).alerts
        if i == 0:
            monitor = RiskMonitor(monitor.rules, memory=monitor.memory, book=BOOKS[0]())
    assert plainly(ours) == [a for t in told(RiskMonitor(now), run) for a in t[0]]
    assert "price.agreed" not in {alert.type for alert in ours}


@pytest.mark.parametrize("make", [PlainBook, *BOOKS])
def test_an_empty_book_is_empty(make: Callable[[], LoanBook]) -> None:
    book = make()
    monitor = RiskMonitor(Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED), book=book)
    monitor.handle(TimePassed(START))
    assert len(book) == 0
    assert list(book.ids()) == []
    assert book.find("G-1") is None
    assert book.owner("a1") is None


def test_a_batch_that_is_put_beyond_a_line_is_decided_at_once() -> None:
    """As each of its groups would be: nobody waits for the next price."""
    book = ColumnarBook()
    monitor = RiskMonitor(Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED), book=book)
    monitor.handle(MarkPrices(START, quotes("0.8", START)))
    reader = BlockReader(lambda: monitor.rules.products, book.names)
    packed = reader.pack([json.dumps(line(f"G-{n}")).encode() for n in range(3)], START, "book")
    alerts = monitor.handle(GroupsPut(START, "book", packed.batch)).alerts
    assert [(a.type, a.subject) for a in alerts] == [("loan_group.margin_call.opened", f"G-{n}") for n in range(3)]


def test_a_batch_of_lines_that_are_here_already_is_no_event() -> None:
    """Also after a restart, and although an entry changed one of the groups since."""
    now = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED)
    book = ColumnarBook()
    monitor = RiskMonitor(now, book=book)
    lines = [line(f"G-{n}", collateral={f"a{n}": {"USDT": "100"}}) for n in range(4)]
    raws = [json.dumps(each).encode() for each in lines]

    def put(to: RiskMonitor, names: Names) -> Outcome:
        packed = BlockReader(lambda: to.rules.products, names).pack(raws, START, "book")
        assert not packed.rest
        return to.handle(GroupsPut(START, "book", packed.batch))

    assert put(monitor, book.names).blocks
    monitor.handle(BookEntry(START, "G-1", "e-1", read(Entry, {"type": "repay", "asset": "COIN", "amount": "5"})))
    again = ColumnarBook()
    for each, of in ((monitor, book), (RiskMonitor(now, monitor.memory, again), again)):
        out = put(each, of.names)
        assert (out.blocks, out.changed, out.states, out.alerts, out.refused) == ([], set(), {}, [], None)
        w = each.book.find("G-1")
        assert w is not None
        assert (len(each.book), w.version, w.group.loans[0].principal) == (4, 2, 95)


def test_a_coin_that_only_dead_groups_of_a_block_hold_or_owe_is_needed_no_more() -> None:
    now = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED)
    book = ColumnarBook()
    monitor = RiskMonitor(now, book=book)
    owed = {"G-3": "BTC"}
    lines = [
        line(f"G-{n}", collateral={f"a{n}": {"USDT": "100"}}, loans=[loan(asset=owed.get(f"G-{n}", "COIN"))])
        for n in range(5)
    ]
    lines[1]["collateral"]["a1"]["BTC"] = "1"
    packed = BlockReader(lambda: now.products, book.names).pack([json.dumps(x).encode() for x in lines], START, "book")
    assert monitor.handle(GroupsPut(START, "book", packed.batch)).blocks
    assert set(book.needed()) == {"USDT", "BTC", "COIN"}
    for gone, needed in (("G-1", {"USDT", "BTC", "COIN"}), ("G-3", {"USDT", "COIN"})):
        monitor.handle(GroupClosed(START, gone, "book"))
        assert set(book.needed()) == needed
        again = ColumnarBook()
        RiskMonitor(now, monitor.memory, again)
        assert set(again.needed()) == needed


def test_dust_that_a_line_states_is_not_owed_whether_it_comes_alone_or_in_a_batch() -> None:
    now = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED)
    amounts = {"G-0": "0.00000001", "G-1": "0.00000002", "G-2": "0.000000005", "G-3": "100"}
    lines = [
        line(id_, collateral={f"a{id_}": {"USDT": "0"}}, loans=[loan(principal=amount)])
        for id_, amount in amounts.items()
    ]
    book = ColumnarBook()
    columns, plain = RiskMonitor(now, book=book), RiskMonitor(now, book=PlainBook())
    packed = BlockReader(lambda: now.products, book.names).pack([json.dumps(x).encode() for x in lines], START, "book")
    for monitor in (columns, plain):
        monitor.handle(MarkPrices(START, quotes("0.8", START)))
        monitor.handle(GroupsPut(START, "book", packed.batch))
    for monitor in (columns, plain):
        found = {id_: monitor.book.find(id_) for id_ in amounts}
        owed = [id_ for id_, each in found.items() if each is not None and each.group.loans[0].is_owed]
        assert owed == ["G-1", "G-3"]
        stages = [monitor.sight(id_).state.stage for id_ in amounts]  # type: ignore[union-attr]
        assert stages == ["normal", "liquidation", "normal", "liquidation"]
    # The same lines again are no event, though what they state of dust was written off.
    again = columns.handle(GroupsPut(START, "book", packed.batch))
    assert (again.changed, again.blocks) == (set(), [])


def test_a_stored_block_that_all_groups_have_left_is_passed_over() -> None:
    """It was written after a restart at which every group of it stood beside it already."""
    storm = Storm(plain_from=1)
    memory, columnar = storm.monitor.memory, storm.book.columnar
    assert memory is not None
    assert columnar is not None
    block = columnar.rows.block(0)
    empty = StoredBlock(7, block.without(np.ones(len(block), bool)).dump(storm.book.names))
    memory = msgspec.structs.replace(memory, blocks=(*memory.blocks, empty))
    again = RiskMonitor(storm.monitor.rules, memory, ColumnarBook())
    assert sorted(again.book.ids()) == sorted(storm.book.ids())


def test_a_start_takes_more_groups_beside_the_blocks_than_a_block_has_room_for() -> None:
    now = Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), TRUSTED)
    one = parse_line(line(), START, now.products)
    beside = tuple(
        StoredGroup(
            msgspec.structs.replace(one, id=f"G-{n}", receiving_account=f"in-{n}", collateral={}), "api", 1, START
        )
        for n in range(GROUPS + 5)
    )
    states = (GroupState("G-3", episode=1), GroupState(f"G-{GROUPS + 2}", episode=2))
    memory = Memory(START, (), WatcherStates(), beside, states)
    book = ColumnarBook()
    RiskMonitor(now, memory, book)
    assert book.columnar is not None
    assert [len(block) for _, block in book.columnar.rows.living()] == [GROUPS, 5]
    for n, episode in ((0, 0), (3, 1), (GROUPS - 1, 0), (GROUPS, 0), (GROUPS + 2, 2), (GROUPS + 4, 0)):
        found = book.find(f"G-{n}")
        assert found is not None
        assert (found.group.receiving_account, found.state.episode) == (f"in-{n}", episode)
