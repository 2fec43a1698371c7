"""Lists of a million groups: the columns filter them and put them in order, core shows them exactly.

The order is that of the last sweep, which may be a tick older than the published prices. Only the rows of the page become
groups and are weighed exactly. Cursors hold floats in their shortest form, so a page begins just behind the one before.
Fresh groups, which are objects, are merged in.

Queries of one book take turns at the columns: two would take both cores from core. The first group in columns loads the
array libraries.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from monitor.core.groups.outcome import Sight
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import Prices, Scope
from monitor.core.money import CENT, exact, round_down
from monitor.core.portfolio.group_list import (
    Counts,
    GroupPage,
    GroupQuery,
    Key,
    PlainGroupLists,
    cursor_of,
    is_wanted,
    key_of,
    seen,
    start_of,
)
from monitor.core.stages.stages import GroupState
from monitor.engine.book import ColumnarBook

if TYPE_CHECKING:
    from monitor.engine.columnar_groups import ColumnarGroups
    from monitor.engine.queries.listing import FloatKey, Listing, Listings

T = TypeVar("T")

LOOKS = 3
"""So often a list looks again at a book that folds meanwhile. A fold takes milliseconds, and hundreds of changes pass before
the next."""

LOOKED_AT = 2_000
"""Groups on a line that are looked at exactly for the nearest one, 50 us each: one of them is nearest already."""


class ColumnarGroupLists:
    """The GroupLists of a ColumnarBook."""

    def __init__(self, book: ColumnarBook) -> None:
        self._book = book
        self._turn = threading.Lock()
        self._listings: Listings | None = None

    def sight(self, group_id: str, prices: Prices) -> Sight | None:
        record = self._find(group_id)
        return None if record is None else seen(record, prices)

    def _find(self, group_id: str) -> GroupRecord | None:
        record = self._book.fresh.find(group_id)
        columnar = self._book.columnar
        if record is not None or columnar is None:
            return record
        with self._turn:
            row, _ = self._look(columnar, lambda listing: listing.find(group_id))
        return None if row is None else _record_at(columnar, row)

    def state(self, group_id: str) -> GroupState | None:
        record = self._find(group_id)
        return None if record is None else record.state

    def page(self, query: GroupQuery, scope: Scope, prices: Prices) -> GroupPage:
        columnar, start = self._book.columnar, start_of(query)
        if columnar is None:
            return PlainGroupLists(self._book.fresh.records).page(query, scope, prices)
        after = None if start is None else (start.place, float(start.value), start.id)
        with self._turn:
            first, fresh = self._look(columnar, lambda listing: listing.first(query, scope, after, query.limit + 1))
            found: list[tuple[FloatKey, int | Sight]] = [*first]
        # A group that has just left its row may be in both; the fresh one is the newer.
        singles = {record.group.id for record in fresh}
        found = [(k, row) for k, row in found if k[2] not in singles]
        found += _keyed(fresh, query, scope, prices, after)
        found.sort(key=lambda f: f[0], reverse=query.is_reversed)
        last = found[query.limit - 1][0] if len(found) > query.limit else None
        sights = (_sight(columnar, f, query, scope, prices) for _, f in found[: query.limit])
        after_these = None if last is None else _cursor(query.sort, last)
        return GroupPage([s for s in sights if s is not None], after_these, self._book.is_partial)

    def counts(self, scope: Scope, prices: Prices) -> Counts:
        columnar = self._book.columnar
        if columnar is None:
            return PlainGroupLists(self._book.fresh.records).counts(scope, prices)
        with self._turn:
            block, fresh = self._look(columnar, lambda listing: listing.counts(scope))
        single = PlainGroupLists(lambda: fresh).counts(scope, prices)
        stages = {stage: number + single.stages[stage] for stage, number in block.stages.items()}
        unknown, blind, total = (a + b for a, b in zip(block[1:4], single[1:4], strict=True))
        return Counts(stages, unknown, blind, total, self._book.is_partial)

    def debts(self, scope: Scope, prices: Prices) -> dict[str, Decimal]:
        columnar = self._book.columnar
        if columnar is None:
            return dict(PlainGroupLists(self._book.fresh.records).debts(scope, prices))
        with self._turn:
            block, fresh = self._look(columnar, lambda listing: listing.debts(scope))
        single = PlainGroupLists(lambda: fresh).debts(scope, prices)
        return {stage: Decimal(usd) + single[stage] for stage, usd in block.items()}

    def nearest(self, prices: Prices) -> dict[str, Decimal]:
        columnar = self._book.columnar
        if columnar is None:
            return dict(PlainGroupLists(self._book.fresh.records).nearest(prices))
        with self._turn:
            (block, unsure), fresh = self._look(columnar, lambda listing: listing.nearest(columnar.agreements))
        found = {stage: round_down(Decimal.from_float(percent), CENT) for stage, percent in block.items()}
        records = (record for row in unsure[:LOOKED_AT] if (record := _record_at(columnar, row)) is not None)
        singly = [*fresh, *records]
        for stage, percent in PlainGroupLists(lambda: singly).nearest(prices).items():
            found[stage] = min(percent, found.get(stage, percent))
        return found

    def needed(self, scope: Scope) -> frozenset[str]:
        columnar = self._book.columnar
        if columnar is None:
            return PlainGroupLists(self._book.fresh.records).needed(scope)
        with self._turn:
            (owed, examples), fresh = self._look(columnar, lambda listing: listing.held(scope, columnar.agreements))
        records = (record for row in examples if (record := _record_at(columnar, row)) is not None)
        return owed.union(PlainGroupLists(lambda: fresh).needed(scope), *(record.held.assets for record in records))

    def _look(self, columnar: ColumnarGroups, ask: Callable[[Listing], T]) -> tuple[T, list[GroupRecord]]:
        """An answer of the columns, and the fresh groups, of one moment: no group that is folded meanwhile is in neither."""
        if self._listings is None:
            from monitor.engine.queries.listing import Listings  # the array libraries cost a second and 100 MB

            self._listings = Listings()
        for _ in range(LOOKS):
            listing = columnar.listing(self._listings)
            answer, fresh = ask(listing), self._book.fresh.records()
            if listing.is_of(columnar.rows.blocks):
                break
        return answer, fresh


def _keyed(
    fresh: list[GroupRecord], query: GroupQuery, scope: Scope, prices: Prices, after: FloatKey | None
) -> list[tuple[FloatKey, int | Sight]]:
    """The fresh groups that a page may hold, with keys like those in columns."""
    wanted = PlainGroupLists(lambda: fresh).wanted(query, scope, prices)
    keyed = [(_float_key(s, query), s) for s in wanted]
    return [(k, s) for k, s in keyed if after is None or (k < after if query.is_reversed else k > after)]


def _float_key(sight: Sight, query: GroupQuery) -> FloatKey:
    key, weight = key_of(sight, query.order, query.is_reversed), sight.weight
    if query.order == "ltv" and weight is not None and weight.recognised > 0:
        return key.place, -(float(weight.debt) / float(weight.recognised)), key.id
    return key.place, float(key.value), key.id


def _cursor(sort: str, place: FloatKey) -> str:
    """repr is the shortest text that reads back as the same float."""
    return cursor_of(sort, Key(place[0], Decimal(repr(place[1])), place[2]))


def _sight(
    columnar: ColumnarGroups, found: int | Sight, query: GroupQuery, scope: Scope, prices: Prices
) -> Sight | None:
    """A group of the page. None if it has left its row since the columns were read, or is not wanted any more."""
    if isinstance(found, Sight):
        return found
    record = _record_at(columnar, found)
    if record is None or not is_wanted(record.group, record.state.stage, query, scope):
        return None
    return seen(record, prices)


def _record_at(columnar: ColumnarGroups, row: int) -> GroupRecord | None:
    try:
        with exact():
            return columnar.record_at(row)
    except LookupError:
        return None
