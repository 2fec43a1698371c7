"""What a start does with a book that was stored: it is the same afterwards, in fewer pieces."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.config import BadConfig
from monitor.core.events.events import GroupClosed, GroupPut, GroupsPut
from monitor.core.groups.outcome import Outcome, StoredGroup
from monitor.core.loans.group import parse_line
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import startup
from monitor.engine.book import ColumnarBook
from monitor.engine.ingest.reader import BlockReader
from monitor.stores._base import Change, CoreState, Store
from monitor.stores.sqlite import Config, build
from tests.coin_desk import START, line, loan, version
from tests.core.desk import product

RULES = Rules("desk-1", {"vip_loan": product(version())})


def lines(ids: range, principal: str) -> list[dict[str, object]]:
    return [
        line(
            f"G{n:03}", receiving_account=f"a{n}", collateral={f"a{n}": {"BTC": "2"}}, loans=[loan(principal=principal)]
        )
        for n in ids
    ]


async def commit(store: Store, outcome: Outcome, monitor: RiskMonitor) -> None:
    sights = [s for id_ in outcome.changed if (s := monitor.sight(id_)) is not None]
    groups = tuple(StoredGroup(s.group, s.source, s.version, s.put_at) for s in sights)
    blocks = tuple(outcome.blocks)
    closed = tuple(outcome.closed)
    states = tuple(outcome.states.values())
    await store.commit(
        Change(outcome.at, groups=groups, closed=closed, states=states, blocks=blocks, desk=CoreState(outcome.at, ()))
    )


@pytest.mark.parametrize("is_many", [True, False])
async def test_groups_kept_beside_blocks_move_into_them_when_they_are_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_many: bool
) -> None:
    """40 groups come as a block, 10 change one by one, 5 are closed; the book that the next start reads is the same."""
    monkeypatch.setattr(startup, "REWRITE_FROM", 15 if is_many else 16)
    store = build(Config(path=str(tmp_path / "monitor.db")))
    await store.open()
    monitor = RiskMonitor(RULES, book=(book := ColumnarBook(0)))
    reader = BlockReader(lambda: monitor.rules.products, book.names)
    packed = reader.pack([json.dumps(each).encode() for each in lines(range(40), "100")], START, "book")
    await commit(store, monitor.handle(GroupsPut(START, "book", packed.batch)), monitor)
    later = START + timedelta(minutes=1)
    for each in lines(range(10), "250"):
        await commit(store, monitor.handle(GroupPut(later, parse_line(each, later, RULES.products), "book")), monitor)
    for n in range(10, 15):
        await commit(store, monitor.handle(GroupClosed(later, f"G{n:03}", "book")), monitor)
    await store.close()

    store = build(Config(path=str(tmp_path / "monitor.db")))
    snapshot = await store.open()
    assert (len(snapshot.groups), len(snapshot.closed)) == (10, 5)
    restored = ColumnarBook(0)
    again = startup.restored(RULES, snapshot, restored)
    await startup.rewrite_blocks(store, restored, snapshot)
    await store.close()

    store = build(Config(path=str(tmp_path / "monitor.db")))
    snapshot = await store.open()
    assert (len(snapshot.groups), len(snapshot.closed)) == ((0, 0) if is_many else (10, 5))
    third = startup.restored(RULES, snapshot, ColumnarBook(0))
    for n in range(40):
        sight = monitor.sight(f"G{n:03}")
        assert again.sight(f"G{n:03}") == third.sight(f"G{n:03}") == sight
        assert (sight is None) == (10 <= n < 15)
    await store.close()


async def test_a_start_without_a_product_that_groups_in_blocks_have_says_which(tmp_path: Path) -> None:
    store = build(Config(path=str(tmp_path / "monitor.db")))
    await store.open()
    monitor = RiskMonitor(RULES, book=(book := ColumnarBook(0)))
    reader = BlockReader(lambda: monitor.rules.products, book.names)
    packed = reader.pack([json.dumps(each).encode() for each in lines(range(40), "100")], START, "book")
    await commit(store, monitor.handle(GroupsPut(START, "book", packed.batch)), monitor)
    await store.close()
    store = build(Config(path=str(tmp_path / "monitor.db")))
    snapshot = await store.open()
    with pytest.raises(
        BadConfig, match=r"group G000 has product 'vip_loan', which is not configured; add its \[\[product\]\]"
    ):
        startup.restored(Rules("desk-1", {"crypto_loan": product(version())}), snapshot, ColumnarBook(0))
    await store.close()


def test_the_folder_that_must_take_the_compiled_kernels_is_that_of_the_engine() -> None:
    assert (startup.ENGINE / "warm.py").is_file()
