"""The lines of untouched groups: their own, or those of their agreement, their coins or their leverage.

A block finds the lines of all its untouched groups in one pass. Where a float is too close to a cap to tell, core decides.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from monitor.core.rules.product import Grade, Version
from monitor.core.rules.settings import Lifecycle
from monitor.core.rules.thresholds import Thresholds
from monitor.engine.columns.agreements import Agreements, Ruled
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import F64, I64, NO_LEVERAGE, Bools
from monitor.engine.columns.names import Names

NO_LINE = -1.0
_NEAR = 1e-9
"""Within this relative distance of a cap, a float does not tell on which side of it a principal is."""


class Defaults(NamedTuple):
    """[n] Debt over recognised value between `low` and `high` leaves nothing to decide."""

    low: F64
    high: F64
    unsure: I64
    """Places of the groups that core must look at one by one."""


def defaults(block: Block, agreements: Agreements, names: Names, how: Lifecycle) -> Defaults:
    """The lines of all groups of a block as if all were untouched."""
    unsure = np.zeros(len(block), np.bool_)
    ruled, place = lines_by_row(block, agreements, names, unsure)
    calm = [(NO_LINE, np.inf), *(agreements.calm(each, how) for each in ruled)]
    low, high = np.array(calm, np.float64)[place + 1].T
    return Defaults(low, high, np.flatnonzero(unsure))


def lines_by_row(block: Block, agreements: Agreements, names: Names, unsure: Bools) -> tuple[list[Ruled], I64]:
    """The distinct lines of a block's groups with their versions, and by row which are its own: -1 where the product is not
    configured. Lines of a group's own stand over the others. Marks `unsure` rows."""
    own, under = block.columns.own_lines, agreements.under(block)
    found: list[Ruled] = []
    place = np.full(len(block), -1, np.int64)
    versions = [agreements.version(each) for each in under.places]
    is_alike = np.array([v is not None and not (v.lines_by_coin or v.lines_by_leverage) for v in versions], np.bool_)
    alike = np.flatnonzero(is_alike[under.of])
    pairs, which = np.unique(under.of[alike] << 32 | own[alike], return_inverse=True)
    place[alike] = which
    for pair in pairs.tolist():
        version = versions[pair >> 32]
        assert version is not None
        found.append(agreements.ruled(under.places[pair >> 32], version, pair & 0xFFFFFFFF))
    for number in np.unique(under.of[~is_alike[under.of]]).tolist():
        version, rows = versions[number], np.flatnonzero(under.of == number)
        if version is None:
            continue
        sets, of_set = sets_of(block, names, version, rows, unsure)
        pairs, which = np.unique(of_set << 32 | own[rows], return_inverse=True)
        place[rows] = len(found) + which
        found += [
            Ruled(version, agreements.own_lines(pair & 0xFFFFFFFF, sets[pair >> 32]), None) for pair in pairs.tolist()
        ]
    return found, place


def sets_of(block: Block, names: Names, version: Version, rows: I64, unsure: Bools) -> tuple[list[Thresholds], I64]:
    """The distinct lines of some groups of one product, and by group which are its own. Marks `unsure` rows."""
    sets, place = [version.thresholds], np.zeros(len(rows), np.int64)
    if version.lines_by_coin:
        by_coin, place = _by_coin(block, names, version, rows)
        sets += by_coin
    leverage = block.columns.leverage[rows]
    for multiple in np.unique(leverage).tolist() if version.lines_by_leverage else ():
        grades = version.lines_by_leverage.get(multiple, ()) if multiple != NO_LEVERAGE else ()
        if grades:
            mine = np.flatnonzero(leverage == multiple)
            grade, is_near = _grade(block, names, grades, rows[mine])
            place[mine] = len(sets) + grade
            unsure[rows[mine[is_near]]] = True
            sets += [g.lines for g in grades]
    return sets, place


def _by_coin(block: Block, names: Names, version: Version, rows: I64) -> tuple[list[Thresholds], I64]:
    """As Version.lines_for: among the coins that a group holds, the lines that it meets first."""
    c = block.columns
    coins = [coin for coin in version.lines_by_coin if version.ladder(coin) is not None]
    coins.sort(key=lambda coin: (version.lines_by_coin[coin].liquidation, coin))
    rank = np.full(len(names.assets), len(coins))
    for i, coin in enumerate(coins):
        place = names.assets.find(coin)
        if place is not None:
            rank[place] = i
    first = np.full(len(block), len(coins))
    np.minimum.at(first, block.position_rows(), rank[c.asset])
    # The product's own lines are the first of all sets.
    return [version.lines_by_coin[coin] for coin in coins], (first[rows] + 1) % (len(coins) + 1)


def _grade(block: Block, names: Names, grades: tuple[Grade, ...], rows: I64) -> tuple[I64, I64]:
    """[rows] The first tier whose caps hold what a group borrows; and which groups are too near a cap to be sure."""
    grade, is_near = np.full(len(rows), len(grades) - 1), np.zeros(len(rows), np.bool_)
    owner, principals = block.loan_rows(), block.principals()
    for i, tier in reversed(list(enumerate(grades[:-1]))):
        holds = np.ones(len(rows), np.bool_)
        for coin, cap in tier.caps.items():
            place, most = names.assets.find(coin), float(cap)
            of_coin = np.flatnonzero(block.columns.loan_asset == place) if place is not None else np.zeros(0, np.int64)
            borrowed = np.bincount(owner[of_coin], principals[of_coin], len(block))[rows]
            holds &= borrowed <= most
            is_near |= np.abs(borrowed - most) <= _NEAR * most
        grade[holds] = i
    return grade, np.flatnonzero(is_near)
