"""A standby has the book in columns before it decides, and takes only what has changed since."""

from __future__ import annotations

import asyncio
import gc
import threading
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from monitor.core.events.events import MarkPrices
from monitor.core.groups.outcome import StoredBlock
from monitor.core.prices.quote import Quote
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import event_log, heads, startup
from monitor.daemon import shards as daemon_shards
from monitor.daemon.following import Follower
from monitor.daemon.journal import core_state
from monitor.daemon.recorder import Recorder, begin
from monitor.engine.book import ColumnarBook
from monitor.engine.columns.block import Block
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.local import NearShards
from monitor.engine.spread.shelf import ShelvedBlocks
from monitor.stores._base import Change, StoredState, is_untouched
from monitor.stores._bodies import group_body
from monitor.stores._rows import encode
from monitor.stores.postgres import Config, PostgresStore, kept_rows
from monitor.stores.postgres.book import BlockCache
from monitor.stores.postgres.connection import connect
from monitor.stores.postgres.kept_rows import ReadRows, SeenRows
from tests.engine.market import TRUSTED, WARY, Market
from tests.faults.house import until
from tests.postgres_server import shared_server
from tests.stores.examples import AT


@pytest.fixture
def config() -> Config:
    return Config(shared_server().url, schema=f"s{uuid4().hex[:20]}", tls="off")


def follower_of(config: Config, rules: Rules, shards: int = 0) -> Follower:
    engine = SimpleNamespace(
        shards=shards, shard_limit=timedelta(seconds=5), replicas=1, max_groups=0, max_memory_mb=0, ray=""
    )
    return Follower(SimpleNamespace(store=SimpleNamespace(config=config), rules=rules, engine=engine, state_dir=Path()))  # type: ignore[arg-type]


class Active:
    """The head that decides, on a market, and commits as a daemon does."""

    def __init__(self, config: Config, market: Market) -> None:
        self.market = market
        self.store = PostgresStore(config)
        self._kept: dict[str, bytes] = {}

    @property
    def monitor(self) -> RiskMonitor:
        return self.market.twins.columns

    async def begin(self) -> None:
        """The groups in blocks, and the others beside them."""
        await self.store.open()
        memory = self.monitor.memory
        assert memory is not None
        kept = {"states": memory.states, "desk": core_state(self.monitor), "rates": memory.rates}
        await self.store.commit(Change(memory.at, blocks=memory.blocks, groups=memory.groups, **kept))
        self._kept = self._now()

    async def commit(self) -> None:
        """What has changed since the last commit."""
        memory, now = self.monitor.memory, self._now()
        assert memory is not None
        changed = [id_ for id_, body in now.items() if self._kept.get(id_) != body]
        records = [record for id_ in changed if (record := self.monitor.book.find(id_)) is not None]
        untouched = tuple(GroupState(record.group.id) for record in records if is_untouched(record.state))
        change = Change(
            memory.at,
            groups=tuple(record.stored() for record in records),
            states=(*memory.states, *untouched),
            closed=tuple(self._kept.keys() - now.keys()),
            desk=core_state(self.monitor),
            rates=memory.rates,
        )
        await self.store.commit(change)
        self._kept = now

    async def rewrite(self) -> None:
        """The blocks, as a start of a daemon writes them again."""
        snapshot = await self.store.open()
        book = ColumnarBook()
        startup.restored(self.monitor.rules, snapshot, book)
        await startup.rewrite_blocks(self.store, book, snapshot)

    def _now(self) -> dict[str, bytes]:
        found = ((id_, self.monitor.book.find(id_)) for id_ in self.monitor.book.ids())
        return {id_: group_body(record.stored()) for id_, record in found if record is not None}


def folded(monitor: RiskMonitor) -> dict[str, bytes]:
    """All that core knows, in bytes; groups by id, wherever they lie."""
    memory = monitor.memory
    assert memory is not None
    groups = {id_: encode(monitor.sight(id_)) for id_ in sorted(monitor.book.ids())}
    states = {"states " + state.group: encode(state) for state in memory.states if not is_untouched(state)}
    rest = msgspec.structs.replace(memory, groups=(), states=(), blocks=())
    return groups | states | {"rest": encode(rest), "due": encode(monitor.next_due)}


async def taken_over(config: Config, follower: Follower, rules: Rules) -> tuple[RiskMonitor, StoredState]:
    """A head that has the lease, and then all that the store keeps."""
    store = PostgresStore(config, followed=follower.followed)
    lead: Any = SimpleNamespace(follower=follower)
    stated: Any = SimpleNamespace(rules=rules, engine=SimpleNamespace(shards=0))
    try:
        restored = await heads.restored(lead, stated, store, await store.open())
        return restored.monitor, await store.open()
    finally:
        await store.close()


@pytest.mark.parametrize(
    ("seed", "shards", "step_s"), [(5, 0, 900), (6, 0, 7 * 3600), (5, 2, 7 * 3600)], ids=["one", "days", "shards"]
)
async def test_what_a_standby_has_followed_is_what_a_fresh_start_restores(
    config: Config, seed: int, shards: int, step_s: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Groups change, close and come back, states come and go, rates are given, and blocks are written again.

    Midnights pass, versions of rules come into force, and loans mature between two looks. A shard that dies meanwhile is
    there again after the next look.
    """
    monkeypatch.setattr(startup, "REWRITE_FROM", 1)
    monkeypatch.setattr(daemon_shards, "_shards_of", lambda _: NearShards())
    market = Market(seed, 80, 2, WARY, 16)
    active, follower = Active(config, market), follower_of(config, market.twins.rules, shards)
    await active.begin()
    readings = 0
    for turn in range(7):
        market.now += timedelta(seconds=step_s)
        market.move(list(market.usd), 0.8, 1.2)
        market.change_book()
        if turn == 2:
            market.give_rates()
        await active.commit()
        if turn == 4:
            await active.rewrite()
        before = follower.followed.seen
        if turn == 6:
            lose_a_shard(follower)
        await follower._look()
        readings += before is not None and follower.followed.seen is not None
    assert readings >= 4, "it began anew each time"
    market.change_book()
    market.move(list(market.usd), 0.8, 1.2)
    await active.commit()
    stirred = (
        [id_ for id_ in follower.followed.seen.state_of if active.monitor.book.find(id_)]
        if follower.followed.seen
        else []
    )
    await active.store.commit(Change(market.now, states=tuple(map(GroupState, stirred[::3]))))
    cold = await active.store.open()
    await active.store.close()
    await follower.close(is_over=False)
    assert follower._ready is not None
    columns = follower._ready.book.columnar
    ours, kept = await taken_over(config, follower, market.twins.rules)
    assert kept == cold, "it has written to the store before it serves, or does not read all of it again"
    assert isinstance(ours.book, ColumnarBook)
    assert ours.book.columnar is columns is not None, "it began anew"
    assert not isinstance(ours.book, SpreadBook) or ours.book.is_whole
    theirs = startup.restored(market.twins.rules, cold, ColumnarBook())
    assert len(ours.book) == len(theirs.book), "a group stands in a block and beside it"
    assert folded(ours) == folded(theirs)
    for each in (ours, theirs):
        each.handle(MarkPrices(market.now + timedelta(seconds=1), quotes_of(market)))
    assert folded(ours) == folded(theirs)


@pytest.mark.parametrize("shards", [0, 2], ids=["one process", "shards"])
async def test_a_take_over_goes_through_no_book_before_it_serves(
    config: Config, shards: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It reads what has changed, and writes nothing. The record of what core is handed begins beside it."""
    monkeypatch.setattr(daemon_shards, "_shards_of", lambda _: NearShards())
    market = Market(5, 40, 2, WARY, 512)
    for _ in range(20):
        market.twins.put(market.lines(4), market.now)
    market.move(list(market.usd), 0.7, 0.9)
    active, follower = Active(config, market), follower_of(config, market.twins.rules, shards)
    await active.begin()
    await follower._look()
    for id_ in list(market.twins.objects.ids())[:2]:
        market.twins.put_one(market.line(id_), market.now)
    await active.commit()
    await active.store.close()
    await follower.close(is_over=False)
    looked: list[str] = []
    for owner, name in ((Block, "load"), (Block, "dump"), (ShelvedBlocks, "body"), (PostgresStore, "commit")):
        monkeypatch.setattr(owner, name, _noting(looked, name, getattr(owner, name)))
    ours, _ = await taken_over(config, follower, market.twins.rules)
    log = Recorder(tmp_path, timedelta(days=7), 1 << 31)
    assert isinstance(ours.book, ColumnarBook)
    assert ours.book.columnar is not None
    blocks = len(ours.book.columnar.rows.blocks)
    begin(log, ours, market.now, 0.0)
    log.close()
    assert len(looked) <= 2, f"a block is read where one of its groups has changed: {looked}"
    memory = ours.memory
    assert memory is not None
    assert blocks >= 20
    assert sum(state.stage != "normal" for state in memory.states) > 2
    (path,) = event_log.files(tmp_path)
    start = event_log.start_of(path)
    assert start is not None
    assert folded(RiskMonitor(start.rules, start.memory, ColumnarBook())) == folded(ours)


def _noting(looked: list[str], name: str, do: Callable[..., Any]) -> Callable[..., Any]:
    """Notes calls, but not those of the thread that writes the record."""

    def noted(*args: Any) -> Any:
        if threading.current_thread().name != "event log":
            looked.append(name)
        return do(*args)

    return staticmethod(noted) if name == "load" else noted


def lose_a_shard(follower: Follower) -> None:
    assert follower._ready is not None
    book = follower._ready.book
    if isinstance(book, SpreadBook):
        book.links.abandon(0)
        assert not book.is_whole


def quotes_of(market: Market) -> tuple[Quote, ...]:
    at = market.now + timedelta(seconds=1)
    return tuple(Quote(coin, usd, "USD", "perp", at) for coin, usd in market.usd.items())


async def test_what_a_standby_has_read_is_read_again_only_where_it_changed(config: Config) -> None:
    store = PostgresStore(config)
    await store.open()
    await store.commit(Change(AT, blocks=tuple(StoredBlock(n, bytes([n])) for n in range(3))))
    cache = BlockCache()

    async def read() -> list[bytes]:
        db = await connect(config)
        try:
            return [block.body for block in await cache.read(db)]
        finally:
            await db.close()

    first = await read()
    assert first == [b"\0", b"\1", b"\2"]
    await store.commit(Change(AT, blocks=(StoredBlock(1, b"other"), StoredBlock(3, b"new")), dropped_blocks=(2,)))
    await store.close()
    second = await read()
    assert second == [b"\0", b"other", b"new"]
    assert second[0] is first[0]


@pytest.mark.parametrize("is_there", [True, False], ids=["no rates", "no products"])
async def test_a_standby_whose_rules_fit_no_group_says_so_before_it_takes_over(
    config: Config, is_there: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    market = Market(5, 40, 0, TRUSTED, 0)
    memory = market.twins.columns.memory
    assert memory is not None
    store = PostgresStore(config)
    await store.open()
    desk = core_state(market.twins.columns)
    await store.commit(Change(memory.at, blocks=memory.blocks, desk=desk))
    await store.close()
    rules = market.twins.rules
    products = {kind: without_rates(product) for kind, product in rules.products.items()} if is_there else {}
    follower = follower_of(config, msgspec.structs.replace(rules, products=products))
    await follower._look()
    assert "a take-over would be refused" in capsys.readouterr().out
    await follower.close(is_over=True)


async def test_a_look_that_fails_half_way_leaves_no_book_behind(
    config: Config, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A take-over right after it begins from nothing, and the next look too."""
    market = Market(5, 30, 2, WARY, 16)
    active, follower = Active(config, market), follower_of(config, market.twins.rules)
    await active.begin()
    await follower._look()
    before = follower._ready
    assert before is not None
    market.change_book()
    await active.commit()
    fold = ColumnarBook._fold

    def broken(_: ColumnarBook) -> None:
        raise AssertionError("half of a look is in the book")

    monkeypatch.setattr(ColumnarBook, "_fold", broken)
    running = asyncio.create_task(follower.run())
    await until(lambda: "a take-over would be slow" in capsys.readouterr().out, "it is said")
    running.cancel()
    monkeypatch.setattr(ColumnarBook, "_fold", fold)
    assert follower._ready is None
    await follower._look()
    assert follower._ready is not None
    assert follower._ready.book is not before.book
    cold = await active.store.open()
    await active.store.close()
    await follower.close(is_over=False)
    ours, _ = await taken_over(config, follower, market.twins.rules)
    assert folded(ours) == folded(startup.restored(market.twins.rules, cold, ColumnarBook()))


def without_rates(product: Product) -> Product:
    versions = tuple(msgspec.structs.replace(version, rates={}) for version in product.versions)
    return msgspec.structs.replace(product, versions=versions)


async def test_a_reading_finds_also_what_no_newer_transaction_has_written(config: Config) -> None:
    """A database that lost commits at a fail-over counts its transactions from before again."""
    store = PostgresStore(config)
    await store.open()
    await store.commit(Change(AT, states=tuple(GroupState(f"G-{n}", episode=1) for n in range(4))))
    db = await connect(config)

    async def read(before: SeenRows | None) -> ReadRows:
        async with db.transaction(isolation="repeatable_read", readonly=True):
            return await kept_rows.read(db, kept_rows.STATES, before)

    first = await read(None)
    assert sorted(first.changed) == ["G-0", "G-1", "G-2", "G-3"]
    assert await read(first.seen) == (first.seen, {}, set())
    await store.commit(
        Change(AT, states=(GroupState("G-1", episode=2), GroupState("G-2"), GroupState("G-4", episode=1)))
    )
    await store.close()
    newer = await db.fetchval("SELECT txid_snapshot_xmin(txid_current_snapshot())") + 1000
    for since in (first.seen.since, newer):
        found = await read(first.seen._replace(since=since))
        assert (sorted(found.changed), found.gone) == (["G-1", "G-4"], {"G-2"})
        assert sorted(found.seen.digests) == ["G-0", "G-1", "G-3", "G-4"]
    await db.close()


async def test_a_look_that_is_cut_leaves_no_error_that_nobody_hears(
    config: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At a take-over the caller of a look is gone; what ends the look is no news, and no traceback in the log."""
    is_asked = threading.Event()

    async def slowly(db: Any, followed: object) -> None:
        is_asked.set()
        await db.fetch("SELECT pg_sleep(60)")

    monkeypatch.setattr("monitor.daemon.following.ahead", slowly)
    heard: list[str] = []
    asyncio.get_running_loop().set_exception_handler(lambda _, context: heard.append(context["message"]))
    follower = follower_of(config, Rules("desk-1", {}))
    run = asyncio.create_task(follower.run())
    await asyncio.to_thread(is_asked.wait)
    run.cancel()
    await asyncio.wait([run])
    await follower.close(is_over=True)
    del run
    await asyncio.sleep(0.1)
    gc.collect()
    assert heard == []
