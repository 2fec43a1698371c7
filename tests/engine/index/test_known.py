"""A group is known by its id and its accounts, not by their hashes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from random import Random

import numpy as np
import pytest

from monitor.core.groups.loan_book import record_of
from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.group import parse_line
from monitor.core.portfolio.plain_book import PlainBook
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.index import rows as index_rows
from monitor.engine.index.index import Index
from monitor.engine.index.rows import RowIndex
from monitor.engine.index.siphash import hash32
from tests.book_lines import line
from tests.web.desk import RULES

AT = datetime(2026, 1, 5, tzinfo=UTC)


def twins(index: Index, named: Callable[[int], str]) -> tuple[str, str]:
    """Two texts with the same 32 bits of hash: among so many there are about ten."""
    seen: dict[int, str] = {}
    for i in range(300_000):
        key = named(i).encode()
        hashed = int(hash32(np.frombuffer(key, np.uint8), 0, len(key), index._secret))
        if hashed in seen:
            return seen[hashed], named(i)
        seen[hashed] = named(i)
    raise AssertionError("no two texts have the same hash; ask for more")


def stored(id_: str, receiving: str, *others: str) -> StoredGroup:
    """A group with its receiving account, and more accounts."""
    held = {account: {"BTC": "1"} for account in others or (receiving,)}
    stated = line() | {"id": id_, "receiving_account": receiving, "collateral": held}
    return StoredGroup(parse_line(stated, AT, RULES.products), "desk", 1, AT)


def block_of(names: Names, *groups: tuple[str, ...]) -> Block:
    """Groups by id, with their accounts."""
    return Block.of([stored(*each) for each in groups], names)


@pytest.mark.parametrize("of", ["ids", "accounts"])
def test_a_group_is_new_though_another_text_has_its_hash(of: str) -> None:
    names = Names()
    rows = RowIndex(names)
    index = rows._ids if of == "ids" else rows._accounts
    here, there = twins(index, lambda i: f"T-{i}")
    known, other = ((here, "acc-1"), (there, "acc-2")) if of == "ids" else (("G-1", here), ("G-2", there))
    rows.install(0, block_of(names, known), 0)
    same = block_of(names, known, other, (known[0], "acc-3"), ("G-4", known[1]))
    assert rows.are_new(same, PlainBook(), ()).tolist() == [False, True, False, False]


@pytest.mark.parametrize("of", ["ids", "accounts"])
def test_two_of_one_block_are_new_though_they_have_one_hash(of: str) -> None:
    names = Names()
    rows = RowIndex(names)
    one, other = twins(rows._ids if of == "ids" else rows._accounts, lambda i: f"T-{i}")
    both = ((one, "acc-1"), (other, "acc-2")) if of == "ids" else (("G-1", one), ("G-2", other))
    assert rows.are_new(block_of(names, *both), PlainBook(), ()).all()


@pytest.mark.parametrize("seed", range(12))
def test_new_is_what_stands_nowhere_else(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither in a block, nor among fresh groups, nor among the retired, nor earlier in its own block."""
    monkeypatch.setattr(index_rows, "_FEW_RETIRED", 3)
    rng = Random(seed)
    names = Names()
    ids, accounts = [f"G-{i}" for i in range(60)], [f"a-{i}" for i in range(90)]

    def some(count: int) -> list[tuple[str, ...]]:
        mine = rng.sample(accounts, 3 * count)
        return [(id_, *mine[3 * i : 3 * i + rng.randint(1, 3)]) for i, id_ in enumerate(rng.sample(ids, count))]

    rows, fresh = RowIndex(names), PlainBook()
    here, lately = (some(18)[:9] for _ in range(2))
    rows.install(0, block_of(names, *here), 0)
    for each in lately:
        fresh.put(record_of(stored(*each), None, RULES, AT))
    retired = rng.sample(ids, rng.choice([0, 3, 8]))
    coming = [*some(12), *some(12)]
    said = rows.are_new(block_of(names, *coming), fresh, dict.fromkeys(retired)).tolist()
    new = [each for each, is_new in zip(coming, said, strict=True) if is_new]
    for place, each in enumerate(coming):
        others = [*here, *lately, *((id_,) for id_ in retired), *(new if said[place] else coming)]
        if said[place]:
            others.remove(each)
            assert not _met(each, others), "known, and taken as new"
        else:
            assert _met(each, [*others[: -len(coming)], *coming[:place], *coming[place + 1 :]]), "new, and left"


def _met(one: tuple[str, ...], others: list[tuple[str, ...]]) -> bool:
    """Another has its id or one of its accounts."""
    return any(one[0] == id_ or not set(one[1:]).isdisjoint(mine) for id_, *mine in others)
