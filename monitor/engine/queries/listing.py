"""One look at the columns for a list: which rows are wanted, which come first, how many there are.

Core's thread goes on meanwhile. Blocks never change and are not copied. Stages are copied, which is one step. The floats of
the screen are read as they are. Core weighs the chosen rows exactly before they are shown.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from monitor.core.groups.snapshot import Scope, within
from monitor.core.instants import micros_of
from monitor.core.portfolio.group_list import (
    KINDS,
    KNOWN,
    UNKNOWN,
    UNRECOGNISED,
    Counts,
    GroupQuery,
    mentions,
)
from monitor.core.stages.stages import DELAYED, STAGE_RANK, STAGES
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import F64, GROUPS, I8, I64, NO_GROUP, U8, U32, Bools
from monitor.engine.columns.text_search import mark_text
from monitor.engine.compiled import kernel
from monitor.engine.index.id_order import IdOrder, Ids, same_blocks
from monitor.engine.index.rows import RowIndex
from monitor.engine.queries.levels import CALL_LINE, BlockLevels, ahead, on_a_line, room
from monitor.engine.screen.arrays import MISSING
from monitor.engine.screen.screen import FastScreen

FloatKey = tuple[int, float, str]
"""A core.portfolio.group_list.Key whose value is a float."""
AT_ONCE = 16 * GROUPS
"""Rows are put in order in parts of this size: temporary arrays of a megabyte stay in the cache."""
KEPT_MATCHES = 16
"""This many scopes and texts keep their matching label sets, one byte a label set."""
_RANK = np.array([STAGE_RANK[stage] * KINDS for stage in STAGES], np.int8)
_DELAYED = STAGES.index(DELAYED)
_NO_ROW = -1


@kernel
def mark_held(positions: U32, assets: Any, products: Any, wanted: Bools, base: int, example: Any) -> None:
    """Notes one wanted row for each product and asset that is held."""
    for i in range(len(positions) - 1):
        if wanted[i]:
            for j in range(positions[i], positions[i + 1]):
                example[products[i], assets[j]] = base + i


@kernel
def mark_owed(loans: U32, assets: Any, is_owed: Bools, wanted: Bools, owed: Bools) -> None:
    """Marks the assets in which a wanted row owes anything."""
    for i in range(len(loans) - 1):
        if wanted[i]:
            for j in range(loans[i], loans[i + 1]):
                if is_owed[j]:
                    owed[assets[j]] = True


class RankedRows(NamedTuple):
    """Rows, with the first two parts of the key of each."""

    rows: U32
    place: I8
    value: F64

    def only(self, which: I64) -> RankedRows:
        """Some of them."""
        return RankedRows(self.rows[which], self.place[which], self.value[which])


class Listings:
    """What is kept from look to look: the order of ids, and which label sets match. One thread at a time."""

    def __init__(self) -> None:
        self.order = IdOrder()
        self._matches: OrderedDict[Hashable, Bools] = OrderedDict()

    def of(self, rows: RowIndex, screen: FastScreen) -> Listing:
        """The columns as they are now."""
        return Listing(rows, screen, self)

    def matches(self, key: Hashable, sets: Sequence[Any], is_match: Callable[[Any], bool]) -> Bools:
        """[label sets] Those that match. For a key that comes again, each set is looked at once."""
        known = self._matches.pop(key, np.zeros(0, bool))
        new = [is_match(sets[i]) for i in range(len(known), len(sets))]
        found = np.append(known, np.array(new, bool)) if new else known
        self._matches[key] = found
        if len(self._matches) > KEPT_MATCHES:
            self._matches.popitem(last=False)
        return found


class Listing:
    """One look. Rows are numbered as in the book."""

    def __init__(self, rows: RowIndex, screen: FastScreen, kept: Listings) -> None:
        self._rows = rows
        self._kept = kept
        self._blocks: list[Block | None] = list(rows.blocks)
        self._ids = Ids(self._blocks, kept.order)
        self._names = rows.names
        stage = rows.stage
        debt = screen.debt
        recognised = screen.recognised
        blind = screen.blind
        count = min(len(stage), len(debt), len(recognised), len(blind))
        # Core may be putting a block: it counts as soon as all arrays have its rows.
        whole = ((n, b) for n, b in enumerate(self._blocks) if b is not None and n * GROUPS + len(b) <= count)
        self._whole: list[tuple[int, Block]] = [(n * GROUPS, b) for n, b in whole]
        self._stage: U8 = np.full(count, NO_GROUP, np.uint8)
        for base, block in self._whole:
            self._stage[base : base + len(block)] = stage[base : base + len(block)]
        self._debt = debt[:count]
        self._recognised = recognised[:count]
        self._blind = blind[:count]

    def is_of(self, blocks: list[Block | None]) -> bool:
        """These are still the blocks."""
        return same_blocks(self._blocks, list(blocks))

    def find(self, group_id: str) -> int | None:
        """The row of a group, or None."""
        rows = self._ids.find(group_id)
        return next((row for row in rows if row < len(self._stage) and self._stage[row] != NO_GROUP), None)

    def first(self, query: GroupQuery, scope: Scope, after: FloatKey | None, number: int) -> list[tuple[FloatKey, int]]:
        """The `number` rows that come first behind a key, with their keys, in no order."""
        wanted, is_reversed = self._wanted(query, scope), query.is_reversed
        parts = [self._some(np.zeros(0, np.uint32), query)]
        for at in range(0, len(wanted), AT_ONCE):
            rows = np.flatnonzero(wanted[at : at + AT_ONCE]).astype(np.uint32) + np.uint32(at)
            some = self._some(rows, query)
            if after is not None:
                some = some.only(np.flatnonzero(self._behind(some, after, is_reversed)))
            parts.append(some.only(self._choose(some, number, is_reversed)))
        some = RankedRows(*map(np.concatenate, zip(*parts, strict=True)))
        some = some.only(self._choose(some, number, is_reversed))
        each = zip(some.rows.tolist(), some.place.tolist(), some.value.tolist(), strict=True)
        return [((place, value, self._ids.of(row)), row) for row, place, value in each]

    def counts(self, scope: Scope) -> Counts:
        """Groups by stage, and how many are unknown or blind as of the last sweep."""
        wanted = self._wanted(GroupQuery(), scope)
        number = np.bincount(self._stage[wanted], minlength=len(STAGES))
        blind = self._blind[wanted]
        stages = dict(zip(STAGES, number.tolist(), strict=True))
        unknown, blinded = int(np.count_nonzero(blind & MISSING)), int(np.count_nonzero(blind))
        return Counts({s: stages[s] for s in STAGE_RANK}, unknown, blinded, int(number.sum()))

    def debts(self, scope: Scope) -> dict[str, int]:
        """Whole USD that are owed, by stage and as of the last sweep. Groups with a missing price count nothing."""
        known = self._wanted(GroupQuery(), scope) & ((self._blind & MISSING) == 0)
        sums = np.bincount(self._stage[known], weights=self._debt[known], minlength=len(STAGES))
        usd = dict(zip(STAGES, np.nan_to_num(sums, posinf=0.0).tolist(), strict=True))
        return {stage: int(usd[stage]) for stage in STAGE_RANK}

    def nearest(self, agreements: Agreements) -> tuple[dict[str, float], list[int]]:
        """See GroupLists, as of the last sweep. And rows that are left out, as floats do not tell their next line:
        they stand on one, or their lines are not known by column."""
        known = self._wanted(GroupQuery(), ()) & ((self._blind & MISSING) == 0)
        known &= (self._debt > 0) | (self._recognised > 0)  # rows that were laid since have no figures yet
        least = np.full(len(STAGES), np.inf)
        levels = BlockLevels(self._names, agreements)
        unsure: list[int] = []
        for base, block in self._whole:
            rows = slice(base, base + len(block))
            lines, is_unsure = levels.of(block)
            lines = ahead(lines, self._stage[rows])
            lines, debt, recognised = lines[CALL_LINE:], self._debt[rows], self._recognised[rows]
            is_unsure |= on_a_line(lines, debt, recognised)
            unsure += (base + np.flatnonzero(is_unsure & known[rows])).tolist()
            sure, stage = known[rows] & ~is_unsure, self._stage[rows]
            np.minimum.at(least, stage[sure], room(lines, debt, recognised)[sure])
        return {stage: x for stage, x in zip(STAGES, least.tolist(), strict=True) if np.isfinite(x)}, unsure

    def held(self, scope: Scope, agreements: Agreements) -> tuple[frozenset[str], list[int]]:
        """The assets that are owed, and rows that between them hold every asset that is held, by each set of ladders."""
        wanted = self._wanted(GroupQuery(), scope)
        assets = len(self._names.assets)
        sets = [agreements.under(block).mapped(agreements.ladders_at) for _, block in self._whole]
        numbers = np.unique(np.concatenate(sets)) if sets else np.zeros(0, np.int64)
        example = np.full((len(numbers), assets), _NO_ROW, np.int64)
        owed = np.zeros(assets, bool)
        for (base, block), theirs in zip(self._whole, sets, strict=True):
            c = block.columns
            here = wanted[base : base + len(block)]
            mark_held(c.positions, c.asset, np.searchsorted(numbers, theirs), here, base, example)
            mark_owed(c.loans, c.loan_asset, block.is_owed(), here, owed)
        names = frozenset(self._names.assets[i] for i in np.flatnonzero(owed).tolist())
        return names, np.unique(example[example != _NO_ROW]).tolist()

    def _wanted(self, query: GroupQuery, scope: Scope) -> Bools:
        wanted: Bools = self._stage != NO_GROUP
        if query.stages:
            wanted = np.isin(self._stage, [STAGES.index(s) for s in query.stages])
        for is_match in self._tests(query, scope):
            for base, block in self._whole:
                wanted[base : base + len(block)] &= is_match(block)
        return wanted

    def _tests(self, query: GroupQuery, scope: Scope) -> Iterator[Callable[[Block], Bools]]:
        """The tests of a query; each takes a block and says which of its groups pass."""
        names, labels = self._names, (*scope, *query.labels)
        if query.products:
            products = np.array([p in query.products for p in names.products], bool)
            yield lambda block: products[block.columns.product]
        if labels:
            matches = self._kept.matches(("labels", labels), names.labels, lambda found: within(labels, found))
            yield lambda block: matches[block.columns.labels]
        if query.q:
            text = query.text
            told = self._kept.matches(("q", text), names.labels, lambda found: mentions(text, *found.values()))
            yield lambda block: _mentioning(block, text, told)

    def _some(self, rows: U32, query: GroupQuery) -> RankedRows:
        """Rows with their keys, as core.portfolio.group_list.key_of gives them but in floats."""
        order, is_reversed = query.order, query.is_reversed
        if order == "ltv":
            return self._by_ltv(rows)
        place, value = np.zeros(len(rows), np.int8), np.zeros(len(rows))
        if order == "debt_usd":
            is_unknown = self._blind[rows] & MISSING != 0
            place[:], value[:] = is_unknown != is_reversed, np.where(is_unknown, 0.0, self._debt[rows])
        elif order == "deadline":
            place[:] = not is_reversed
            for i in np.flatnonzero(self._stage[rows] == _DELAYED).tolist():
                due = self._rows.state(int(rows[i])).deadline
                if due is not None:
                    place[i], value[i] = is_reversed, micros_of(due)
        return RankedRows(rows, place, value)

    def _by_ltv(self, rows: U32) -> RankedRows:
        debt, recognised = self._debt[rows], self._recognised[rows]
        is_known = self._blind[rows] & MISSING == 0
        is_counted = recognised > 0
        kind = np.full(len(rows), UNKNOWN, np.int8)
        kind[is_known] = KNOWN
        kind[is_known & ~is_counted & (debt > 0)] = UNRECOGNISED
        value = np.zeros(len(rows))
        np.divide(-debt, recognised, out=value, where=is_known & is_counted)
        return RankedRows(rows, _RANK[self._stage[rows]] + kind, value)

    def _behind(self, some: RankedRows, after: FloatKey, is_reversed: bool) -> Bools:
        rank, x, id_ = after
        place, value, level = some.place, some.value, some.place == rank
        found: Bools
        found = (place < rank) | (level & (value < x)) if is_reversed else (place > rank) | (level & (value > x))
        tied = np.flatnonzero(level & (value == x))
        if len(tied):
            found[tied] = self._ids.behind(some.rows[tied], id_, is_reversed)
        return found

    def _choose(self, some: RankedRows, number: int, is_reversed: bool) -> I64:
        """Which rows come first by place, then value, then id. Only those that tie at the edge are put in order by id."""
        if len(some.rows) <= number:
            return np.arange(len(some.rows))
        place, value = (-some.place, -some.value) if is_reversed else (some.place, some.value)
        by_place = np.cumsum(np.bincount(place - place.min()))
        level = place.min() + np.searchsorted(by_place, number)
        sure, edge = np.flatnonzero(place < level), np.flatnonzero(place == level)
        left, x = number - len(sure), value[edge]
        last = np.partition(x, left - 1)[left - 1]
        below, tied = edge[x < last], edge[x == last]
        return np.concatenate([sure, below, tied[self._ids.first(some.rows[tied], left - len(below), is_reversed)]])


def _mentioning(block: Block, text: str, told: Bools) -> Bools:
    found: Bools = told[block.columns.labels]
    mark_text(block.columns, text, found)
    return found
