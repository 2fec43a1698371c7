"""Which groups in columns hold a coin, whether it counts or not, and which need its price."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import RowIndex
from monitor.engine.screen.block_screen import BlockScreen


def coins_of(block: Block, names: Names) -> frozenset[str]:
    """All coins that the groups of a block hold."""
    held = np.flatnonzero(np.bincount(block.columns.asset)).tolist()
    return frozenset(names.assets[place] for place in held)


def holding(rows: RowIndex, names: Names, asset: str) -> list[str]:
    """Groups that hold some of a coin, by a look at the coins of all positions."""
    place, found = names.assets.find(asset), list[str]()
    for number, block in rows.living() if place is not None else ():
        c = block.columns
        held = np.searchsorted(c.positions, np.flatnonzero(c.asset == place), "right") - 1
        alive = rows.alive(number, block)
        found += [block.id(i) for i in np.unique(held).tolist() if alive[i]]
    return found


def needing(rows: RowIndex, screen: BlockScreen, assets: Collection[str], most: int) -> list[str]:
    """Groups whose valuation needs any of these assets, or the `most` that owe most."""
    found = screen.holders(assets)
    return [rows.id(row) for row in screen.most_owing(found, most)] if len(found) else []
