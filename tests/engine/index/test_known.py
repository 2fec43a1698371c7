"""A group is known by its id and its accounts, not by their hashes."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import numpy as np
import pytest

from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.group import parse_line
from monitor.core.portfolio.plain_book import PlainBook
from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
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


def block_of(names: Names, *groups: tuple[str, str]) -> Block:
    """Groups by id, with their receiving accounts."""
    stated = [
        line() | {"id": id_, "receiving_account": account, "collateral": {account: {"BTC": "1"}}}
        for id_, account in groups
    ]
    return Block.of([StoredGroup(parse_line(each, AT, RULES.products), "desk", 1, AT) for each in stated], names)


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
