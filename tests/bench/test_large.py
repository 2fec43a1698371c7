"""A book of many million groups is the same groups under other ids."""

import msgspec
import pytest

from bench import desk, large
from bench.book import book, market
from monitor.core.groups.outcome import StoredGroup
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names


def a_block() -> bytes:
    few = desk.of_one_product(book(50, market()))
    monitor = desk.new_monitor(few.market)
    names, reader = Names(), desk.new_reader(monitor)
    groups = [reader.parse(msgspec.json.decode(line), desk.START) for line in desk.book_lines(few)]
    return Block.of([StoredGroup(group, "bench", 1, desk.START) for group in groups], names).dump(names)


def test_groups_of_another_copy_differ_by_id_and_account_alone() -> None:
    body, names = a_block(), Names()
    first, copied = (Block.load(raw, names) for raw in (body, large.renamed(body, 3)))
    assert copied.ids() == [id_.replace("G", "D") for id_ in first.ids()]
    for i in range(len(first)):
        was, now = first.record(i, names).group, copied.record(i, names).group
        assert now.receiving_account == was.receiving_account.replace("a", "d")
        assert list(now.collateral.values()) == list(was.collateral.values())
        assert now.loans == was.loans


@pytest.mark.soak
def test_a_large_book_lies_in_shards_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(large, "DIFFERENT", 2 * desk.AT_ONCE)
    advanced: list[int] = []
    found = large.measure(40_000, 1, lambda: advanced.append(1))
    assert found.groups == 5 * desk.AT_ONCE
    assert list(found.results["tick_ms"]) == ["4 local"]
    assert found.memory["4 shards"] > 300
    assert 100 < found.memory["file of blocks"] < 1000
    assert len(advanced) == large.steps(40_000) + 3
