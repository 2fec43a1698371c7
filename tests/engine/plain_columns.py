"""A book of columns small enough to read: what lists see of engine.book.ColumnarBook, made of the groups themselves."""

from __future__ import annotations

from collections.abc import Sequence
from types import SimpleNamespace
from typing import Any

import numpy as np

from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import Prices
from monitor.core.portfolio.group_list import seen
from monitor.core.stages.stages import STAGES, GroupState

GROUPS, NO_GROUP = 8192, 255


class Names:
    """Distinct values by place."""

    def __init__(self) -> None:
        self.assets: list[str] = []
        self.products: list[str] = []
        self.labels: list[dict[str, str]] = [{}]


def place(values: list, value: object) -> int:
    if value not in values:
        values.append(value)
    return values.index(value)


class Block:
    """The columns that lists read, in the layout of engine.columns.fields."""

    def __init__(self, groups: Sequence[GroupRecord], names: Names) -> None:
        self.groups = list(groups)
        texts = [[g.id, g.receiving_account, *(x.id for x in g.loans)] for g in (w.group for w in groups)]
        raw = [b"".join(bytes([len(t)]) + t.encode() for t in each) for each in texts]
        held = [[(a, q) for a, q in w.group.quantities().items() if q] for w in groups]
        loans = [w.group.loans for w in groups]
        every = [x for each in loans for x in each]
        self.columns = SimpleNamespace(
            arena=np.frombuffer(b"".join(raw), np.uint8),
            start=offsets(raw).astype(np.uint32),
            product=np.array([place(names.products, w.group.product) for w in groups], np.uint16),
            labels=np.array([place(names.labels, dict(w.group.labels)) for w in groups], np.uint32),
            positions=offsets(held).astype(np.uint32),
            asset=np.array([place(names.assets, a) for each in held for a, _ in each], np.uint16),
            loans=offsets(loans).astype(np.uint32),
            loan_asset=np.array([place(names.assets, x.asset) for x in every], np.uint16),
        )
        self.owed = np.array([bool(x.principal or x.interest) for x in every], np.bool_)

    def __len__(self) -> int:
        return len(self.groups)

    def is_owed(self) -> np.ndarray:
        return self.owed

    def id(self, i: int) -> str:
        return self.groups[i].group.id


def offsets(parts: Sequence[Sequence[object]]) -> np.ndarray:
    return np.cumsum([0, *map(len, parts)])


class Columnar:
    """Blocks of groups, swept on some prices: its own `rows`, and a screen that is its own `fast`."""

    def __init__(self, blocks: Sequence[Sequence[GroupRecord]], prices: Prices) -> None:
        self.names = Names()
        self.blocks: list[Block | None] = [Block(groups, self.names) for groups in blocks]
        rows = len(blocks) * GROUPS
        self.stage = np.full(rows, NO_GROUP, np.uint8)
        self.rows = self
        self.screen = self
        self.fast = SimpleNamespace(debt=np.zeros(rows), recognised=np.zeros(rows), blind=np.zeros(rows, np.uint8))
        for number, block in enumerate(blocks):
            for i, w in enumerate(block):
                self.stage[number * GROUPS + i] = STAGES.index(w.state.stage)
        self.sweep(prices)

    def listing(self, kept: Any) -> Any:
        return kept.of(self.rows, self.screen.fast)

    def sweep(self, prices: Prices) -> None:
        for number, block in enumerate(self.blocks):
            for i, w in enumerate(block.groups if block else ()):
                sight, row = seen(w, prices), number * GROUPS + i
                self.fast.blind[row] = 2 if sight.weight is None else int(sight.blind)
                if sight.weight is not None:
                    self.fast.debt[row] = float(sight.weight.debt)
                    self.fast.recognised[row] = float(sight.weight.recognised)

    def record_at(self, row: int) -> GroupRecord:
        block = self.blocks[row // GROUPS]
        if block is None:
            raise LookupError(row)
        return block.groups[row % GROUPS]

    @property
    def agreements(self) -> SimpleNamespace:
        """A set of ladders for each product."""
        return SimpleNamespace(
            under=lambda block: SimpleNamespace(mapped=lambda _: block.columns.product.astype(np.int64)),
            ladders_at=None,
        )

    def state(self, row: int) -> GroupState:
        return self.record_at(row).state


class Fresh:
    """Groups that are objects."""

    def __init__(self, groups: Sequence[GroupRecord] = ()) -> None:
        self.groups = {w.group.id: w for w in groups}

    def records(self) -> list[GroupRecord]:
        return list(self.groups.values())

    def find(self, group_id: str) -> GroupRecord | None:
        return self.groups.get(group_id)


class Book:
    """Some groups in blocks, the others fresh. `leave` takes a group out of its row as a change does."""

    is_partial = False

    def __init__(self, fresh: Sequence[GroupRecord], blocks: Sequence[Sequence[GroupRecord]], prices: Prices) -> None:
        self.fresh = Fresh(fresh)
        self.columnar = Columnar(blocks, prices) if blocks else None

    def leave(self, w: GroupRecord) -> None:
        assert self.columnar is not None
        for number, block in enumerate(self.columnar.blocks):
            if block is not None and w in block.groups:
                self.columnar.stage[number * GROUPS + block.groups.index(w)] = NO_GROUP

    def change(self, old: GroupRecord, new: GroupRecord) -> None:
        self.leave(old)
        self.fresh.groups[new.group.id] = new
