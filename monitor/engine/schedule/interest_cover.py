"""Which groups have Spot balances that may not pay their interest. float64: it only selects, core decides."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from monitor.engine.columns.block import Block
from monitor.engine.columns.extras import read_extras
from monitor.engine.columns.fields import F64, I64
from monitor.engine.columns.names import Names
from monitor.engine.screen.arrays import GUARD

_SPAN = 1 << 16
"""Columns number coins in 16 bits."""


class Balances(NamedTuple):
    """The Spot balances of groups, summed over their accounts: parallel arrays by rising key, row * 65536 + coin."""

    rows: I64
    """[n] Rows that have any."""
    keys: I64
    amounts: F64


def balances_of(block: Block, names: Names) -> Balances:
    """The balances of a block, dead groups included."""
    rows, keys, amounts = [], [], []
    for row, raw in sorted(block.columns.extras.items()):
        balances = read_extras(raw).balances
        if balances:
            rows.append(row)
        for coins in balances.values():
            keys += [row * _SPAN + names.assets.place(asset) for asset in coins]
            amounts += [float(quantity) for quantity in coins.values()]
    distinct, places = np.unique(np.array(keys, np.int64), return_inverse=True)
    sums = np.zeros(len(distinct))
    np.add.at(sums, places, np.array(amounts, np.float64))
    return Balances(np.array(rows, np.int64), distinct, sums)


def in_doubt(
    block: Block, interest: F64, balances: Balances, names: Names, known: Mapping[int, tuple[str, ...]]
) -> list[int]:
    """Rows whose short coins may differ from the `known` ones. `interest` [l] is what each loan owes now."""
    owners = block.loan_rows()
    counts = np.isin(owners, balances.rows)
    loans = owners[counts] * _SPAN + block.columns.loan_asset[counts].astype(np.int64)
    keys, places = np.unique(loans, return_inverse=True)
    if not len(keys):
        return [row for row in balances.rows.tolist() if row in known]
    owed = np.bincount(places, interest[counts], len(keys))
    at = np.minimum(np.searchsorted(balances.keys, keys), max(len(balances.keys) - 1, 0))
    has = np.zeros(len(keys))
    if len(balances.keys):
        has = np.where(balances.keys[at] == keys, balances.amounts[at], 0.0)
    # Within this share of each other core compares a balance and an interest exactly.
    near = np.abs(owed - has) <= GUARD * np.maximum(owed, has)
    near &= (owed > 0) | (has > 0)
    short: dict[int, list[str]] = {row: [] for row in balances.rows.tolist() if row in known}
    for key in keys[(owed > has) & ~near].tolist():
        short.setdefault(key // _SPAN, []).append(names.assets[key % _SPAN])
    others = {row for row, coins in short.items() if tuple(sorted(coins)) != known.get(row, ())}
    return sorted(others.union((keys[near] // _SPAN).tolist()))
