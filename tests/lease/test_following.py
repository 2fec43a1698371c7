"""A standby has the book in columns before it decides, and takes only what has changed since."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import msgspec
import pytest

from monitor.core.groups.outcome import StoredBlock
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.daemon import startup
from monitor.daemon.following import Follower
from monitor.daemon.journal import core_state
from monitor.engine.book import ColumnarBook
from monitor.stores._base import Change
from monitor.stores.postgres import Config, PostgresStore
from monitor.stores.postgres.book import BlockCache
from monitor.stores.postgres.connection import connect
from tests.engine.market import TRUSTED, Market
from tests.postgres_server import shared_server
from tests.stores.examples import AT


@pytest.fixture
def config() -> Config:
    return Config(shared_server().url, schema=f"s{uuid4().hex[:20]}", tls="off")


def follower_of(config: Config, rules: Rules) -> Follower:
    stated: Any = SimpleNamespace(store=SimpleNamespace(config=config), rules=rules, engine=SimpleNamespace(shards=0))
    return Follower(stated)


async def test_a_standby_restores_the_same_book_from_what_it_has_and_what_changed_since(config: Config) -> None:
    market = Market(5, 120, 2, TRUSTED, 64)
    monitor, rules = market.twins.columns, market.twins.rules
    memory = monitor.memory
    assert memory is not None
    store = PostgresStore(config)
    await store.open()
    kept = {"states": memory.states, "desk": core_state(monitor), "rates": memory.rates}
    await store.commit(Change(memory.at, blocks=memory.blocks, groups=memory.groups, **kept))
    follower = follower_of(config, rules)
    await follower._look()
    for _ in range(4):
        market.move(list(market.usd), 0.8, 1.2)
    now = {id_: monitor.book.find(id_) for id_ in monitor.book.ids()}
    changed = tuple(record.stored() for record in now.values() if record is not None)[::3]
    states = tuple(record.state for record in now.values() if record is not None)
    gone = tuple({each.group.id for each in memory.groups} - now.keys())
    await store.commit(Change(market.now, groups=changed, states=states, closed=gone, desk=core_state(monitor)))
    cold = await store.open()
    await store.close()
    store = PostgresStore(config, blocks=follower.blocks)
    warm = await store.open()
    await store.close()
    assert warm == cold
    book, blocks_fit = follower.take(warm, rules)
    await follower.close()
    assert blocks_fit
    assert book.columnar is not None
    ahead = book.columnar
    ours = startup.restored(rules, warm, book, blocks_fit=blocks_fit)
    assert book.columnar is ahead, "it began again"
    theirs = startup.restored(rules, cold, ColumnarBook())
    assert len(ours.book) == len(theirs.book), "a group stands in a block and beside it"
    assert {id_: ours.sight(id_) for id_ in ours.book.ids()} == {id_: theirs.sight(id_) for id_ in theirs.book.ids()}


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
    await follower.close()


def without_rates(product: Product) -> Product:
    versions = tuple(msgspec.structs.replace(version, rates={}) for version in product.versions)
    return msgspec.structs.replace(product, versions=versions)
