"""Which groups' Spot balances may not pay their interest: float64, it only selects (core says it exactly)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from monitor.engine.columns.block import Block
from monitor.engine.columns.extras import read_extra
from monitor.engine.columns.fields import F64, I64
from monitor.engine.columns.names import Names
from monitor.engine.screen.arrays import GUARD

_SPAN = 1 << 16
"""More than there are places of coins, which columns number in 16 bits."""


class Balances(NamedTuple):
    """What groups of a block state, summed over their accounts: parallel arrays by rising key, row * 65536 + coin."""

    rows: I64
    """[n] Rows that state any balances."""
    keys: I64
    amounts: F64


def balances_of(block: Block, names: Names) -> Balances:
    """The stated balances of a block; those of groups that died since are among them."""
    rows, keys, amounts = [], [], []
    for row, raw in sorted(block.columns.extras.items()):
        stated = read_extra(raw).balances
        if stated:
            rows.append(row)
        for coins in stated.values():
            keys += [row * _SPAN + names.assets.place(asset) for asset in coins]
            amounts += [float(quantity) for quantity in coins.values()]
    distinct, places = np.unique(np.array(keys, np.int64), return_inverse=True)
    sums = np.zeros(len(distinct))
    np.add.at(sums, places, np.array(amounts, np.float64))
    return Balances(np.array(rows, np.int64), distinct, sums)


def in_doubt(
    block: Block, interest: F64, stated: Balances, names: Names, known: Mapping[int, tuple[str, ...]]
) -> list[int]:
    """Rows whose short coins are not surely the `known` ones. `interest` [l] is what each loan owes now."""
    owners = block.loan_rows()
    counts = np.isin(owners, stated.rows)
    loans = owners[counts] * _SPAN + block.columns.loan_asset[counts].astype(np.int64)
    keys, places = np.unique(loans, return_inverse=True)
    if not len(keys):
        return [row for row in stated.rows.tolist() if row in known]
    owed = np.bincount(places, interest[counts], len(keys))
    at = np.minimum(np.searchsorted(stated.keys, keys), max(len(stated.keys) - 1, 0))
    has = np.zeros(len(keys))
    if len(stated.keys):
        has = np.where(stated.keys[at] == keys, stated.amounts[at], 0.0)
    # Within this share of each other core compares a balance and an interest exactly.
    near = np.abs(owed - has) <= GUARD * np.maximum(owed, has)
    near &= (owed > 0) | (has > 0)
    short: dict[int, list[str]] = {row: [] for row in stated.rows.tolist() if row in known}
    for key in keys[(owed > has) & ~near].tolist():
        short.setdefault(key // _SPAN, []).append(names.assets[key % _SPAN])
    others = {row for row, coins in short.items() if tuple(sorted(coins)) != known.get(row, ())}
    return sorted(others.union((keys[near] // _SPAN).tolist()))
