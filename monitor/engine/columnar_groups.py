"""The groups in columns: their blocks come and go here, and here they become records when core must decide about them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from heapq import nsmallest
from operator import attrgetter

import numpy as np

from monitor.core.groups.loan_book import EXACT_SUMS, Counted, Exposure, TakenBatch, counted_of, exposure_of
from monitor.core.groups.outcome import StoredBlock
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import BookSnapshot
from monitor.core.instants import MINUTE_US, time_at
from monitor.core.loans.group import Group, GroupBatch
from monitor.core.money import exact
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.product import Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.decision import calm
from monitor.core.stages.stages import GroupState
from monitor.core.text import MOST_NAMED
from monitor.engine.arrivals import Arrivals
from monitor.engine.columns.agreements import Agreements
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import GROUPS, Bools
from monitor.engine.columns.names import Names, NamesFull
from monitor.engine.dividing import are_new, was_applied
from monitor.engine.index.rows import RowIndex
from monitor.engine.ingest.packer import PackedGroups
from monitor.engine.packed_ahead import PackedAhead
from monitor.engine.queries.copied_rows import BookCopy
from monitor.engine.queries.listing import Listing, Listings
from monitor.engine.queries.snapshot import ColumnarBookSnapshot
from monitor.engine.schedule.agenda import ColumnarAgenda
from monitor.engine.schedule.dates import has_other_dates
from monitor.engine.schedule.in_force import InForce
from monitor.engine.screen.block_screen import BlockScreen
from monitor.engine.screen.defaults import defaults
from monitor.engine.screen.exposures import examples

DISSOLVED_AT_ONCE = 2
"""Groups that a block which dissolves hands over with each further one that leaves it: all at once would hold core for
half a second."""

FOLDED = GROUPS // 2
"""Fresh groups are folded into a block up to this size: it is laid again as a whole, and where it is full that takes core
more than 10 ms. The room that it does not use takes 29 bytes a group."""


class ColumnarGroups:
    """Three parts: `rows` knows where each group is, `agenda` when it comes due, `screen` who is near a line."""

    def __init__(self, names: Names, at: datetime, rules: Rules) -> None:
        self.names = names
        self.rows = RowIndex(names)
        self.agenda = ColumnarAgenda(self.rows)
        self.now = InForce.of(at, rules, names)
        self.screen = BlockScreen(names, self.now.agreements)
        self.arrivals = Arrivals(self)
        self.ahead = PackedAhead(names)

    def find(self, group_id: str) -> GroupRecord | None:
        """A group, made from its columns, or None."""
        row = self.rows.row_of(group_id)
        return None if row < 0 else self.record_at(row)

    def record_at(self, row: int) -> GroupRecord:
        """The group of a row. Raises LookupError where its block is gone, in a thread that looks on."""
        stored = self.rows.stored(row)
        state = self.rows.state(row, stored.group.id)
        with exact():  # a list asks from another thread, and the record works out interest
            return GroupRecord(stored, state, self.now.rules.product_of(stored.group), self.now.at)

    def keep(self, record: GroupRecord) -> None:
        """Writes back the state of a group that is here."""
        row = self.rows.row_of(record.group.id)
        assert row >= 0, f"group {record.group.id} is not in columns"
        self._set_state(row, record)
        self.screen.watch_soon(row, self._lines(record))

    def drop(self, group_id: str, take: Callable[[GroupRecord], None]) -> None:
        """Takes a group out. If most of its block is dead then, hands some others over; a block without any is dropped."""
        row = self.rows.row_of(group_id)
        self._remove(row, self.record_at(row).group)
        number = row // GROUPS
        block = self.rows.block(number)
        alive = np.flatnonzero(self.rows.alive(number, block))
        if 2 * len(alive) >= len(block):
            return
        for other in (number * GROUPS + alive[:DISSOLVED_AT_ONCE]).tolist():
            record = self.record_at(other)
            take(record)
            self._remove(other, record.group)
        if len(alive) > DISSOLVED_AT_ONCE:
            return
        self.screen.drop_block(number)
        self.agenda.drop_block(number)
        self.rows.blocks[number] = None

    # -- blocks --

    def fold(self, records: Sequence[GroupRecord]) -> bool:
        """Takes groups into the last block, or as new ones. False where names do not fit the columns any more."""
        try:
            parts = self.ahead.take(records)
        except NamesFull:
            return False
        for part, each in parts:
            number = len(self.rows.blocks) - 1
            last = self.rows.blocks[number] if number >= 0 else None
            if last is None or len(last) + len(part) > FOLDED:
                number, first, whole = number + 1, 0, part
            else:
                first, whole = len(last), Block.join([last, part])
            self._install(number, whole, first)
            for row, record in enumerate(each, number * GROUPS + first):
                self._set_state(row, record)
            self._watch_part(number * GROUPS + first, part, each)
        return True

    def put_all(
        self, batch: GroupBatch, source: str, at: datetime, fresh: PlainBook, retired: Collection[str]
    ) -> TakenBatch:
        """Makes a block of those groups of a batch whose ids and accounts are new, and leaves the others to core."""
        if not isinstance(batch, PackedGroups) or batch.products is not self.now.rules.products or len(batch) > GROUPS:
            return TakenBatch(None, range(len(batch)))
        columns = self.now.put_at(at, batch.columns)
        arrival = self.arrivals.ready(batch, columns)
        block = Block(columns) if arrival is None else arrival.take(columns)
        is_new = are_new(self, block, fresh, retired, at) if arrival is None else arrival.is_new
        rest = [i for i in np.flatnonzero(~is_new).tolist() if not was_applied(self.rows, block, i, source, fresh)]
        if not is_new.any():
            return TakenBatch(None, rest)
        number = len(self.rows.blocks)
        if arrival is not None:
            body = self.arrivals.show(arrival, block)
        else:
            block = block if is_new.all() else block.without(~is_new)
            self._install(number, block, 0)
            body = block.dump(self.names)
        self._watch(number)
        look = [block.id(i) for i in self.agenda.take_new(number, block, self.now, at)]
        needed = self.screen.coins_of(number, self.rows.living_of)
        return TakenBatch(StoredBlock(number, body), rest, look, needed, block.coins(self.names))

    def restore(self, blocks: Iterable[StoredBlock], superseded: Collection[str], states: Iterable[GroupState]) -> None:
        """Takes stored blocks, except for the groups that are kept elsewhere or were closed since. Others may be here."""
        taken: dict[int, Block] = {}
        for stored in sorted(blocks, key=attrgetter("number")):
            block = Block.load(stored.body, self.names)
            gone = [id_ in superseded for id_ in block.ids()] if superseded else []
            if len(block):  # all of its groups may have left before it was written
                self._install(stored.number, block, 0, np.array(gone, bool) if any(gone) else None)
                taken[stored.number] = block
        self.rows.set_states(states)
        for number, block in taken.items():
            self._watch(number)
            self.agenda.take_stored(number, block, self.now)

    # -- rules and time --

    def renew(self, at: datetime, rules: Rules) -> None:
        """Takes another time or other rules: hands debts and lines over again, and whole blocks where other coins count."""
        self.arrivals.forget()
        before, now = self.now, InForce.of(at, rules, self.names)
        self.now = now
        if has_other_dates(before.versions, now.versions):
            for number, block in self.rows.living():
                self.agenda.take_stored(number, block, now)
        has_other_coins = self.screen.take_versions(now.agreements) or now.has_other_terms(before)
        has_other_lines = has_other_coins or before.versions != now.versions
        has_other_lines |= before.rules.lifecycle != rules.lifecycle
        if not has_other_lines and before.debts.hold_for(now.debts):
            return
        for number, block in self.rows.living():
            if has_other_coins:
                self._screen_block(number, block)
            else:
                self.screen.owe(number, block, now.debts.owed(block))
            if has_other_lines:
                self._watch(number)

    def accrue(self, at: datetime, kinds: Collection[str]) -> None:
        """Adds interest to the groups of these products. Those that cross a line by it are among the next suspects."""
        self.arrivals.forget()
        self.now = self.now.later(at, self.names)
        theirs = {self.names.products.find(kind) for kind in kinds}
        for number, block in self.rows.living():
            if not theirs.isdisjoint(block.products()):
                self.screen.owe(number, block, self.now.debts.owed(block))

    def waiting(self, at: datetime, until: datetime) -> Iterable[str]:
        return self.agenda.waiting(at, until, self.now)

    def nearing(self, after: datetime, until: datetime) -> Iterable[str]:
        return self.agenda.nearing(after, until, self.now)

    def spare(self, kinds: Collection[str]) -> Iterable[str]:
        return self.agenda.spare(kinds, self.now)

    # -- answers about all groups --

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> list[str]:
        rows, is_trust_new = self.screen.suspects(change, board)
        restless = self.agenda.restless if change is None or is_trust_new else ()
        return self.rows.name((*rows, *restless))

    def counted(self, kind: str, version: Version, board: PriceBoard, fresh: Counted) -> Counted:
        """Exact while the groups are few, else the screen's sum. `fresh` counts the groups that are not in columns."""
        rows = self.rows.of_product(self.names.products.find(kind))
        if len(rows) <= EXACT_SUMS:
            own = counted_of((self.record_at(row) for row in rows.tolist()), version, board.usd)
        else:
            own = Counted(len(rows), self.screen.recognised_of(rows), is_exact=False)
        return Counted(fresh.groups + own.groups, fresh.recognised + own.recognised, own.is_exact)

    def counted_since(self, product: str) -> dict[str, datetime]:
        return counted_since(product, self.rows, self.rows.living())

    def examples(self) -> Iterator[Group]:
        """Groups such that rules which fit these fit all."""
        return _examples(self.rows)

    def exposure(self, assets: Collection[str], board: PriceBoard, fresh: PlainBook, exact_to: int) -> Exposure:
        """Exact while few are exposed, else the screen's sums and the ids of the groups that owe most."""
        rows, singles = self.screen.holders(assets), fresh.holders(assets)
        count = len(rows) + len(singles)
        if count <= exact_to:
            ids = [*singles, *map(self.rows.id, rows.tolist())]
            found = (fresh.find(id_) or self.find(id_) for id_ in ids)
            return exposure_of(filter(None, found), count, nsmallest(MOST_NAMED, ids), board.usd)
        part = fresh.exposure(assets, board, exact_to)
        debt, recognised = part.debt + self.screen.debt_of(rows), part.recognised + self.screen.recognised_of(rows)
        largest = (self.rows.id(row) for row in self.screen.most_owing(rows, MOST_NAMED))
        return Exposure(count, debt, recognised, (*largest, *part.ids)[:MOST_NAMED], is_exact=False)

    def prepare_snapshot(self) -> None:
        self.screen.prepare_copy()

    def snapshot(self, at: datetime, fresh: PlainBook, *, is_kept: bool) -> BookSnapshot:
        """See LoanBook. Core waits while the positions are copied."""
        blocks, stage = list(self.rows.living()), self.rows.stage.copy()
        store, tiers = self.screen.copy() if is_kept else self.screen.fast.laid
        states = dict(self.rows.packed_states()) if is_kept else self.rows.packed_states()
        return ColumnarBookSnapshot(
            BookCopy(blocks, stage, states, store, tiers, self.names, self.now, fresh.sights(), at)
        )

    def listing(self, kept: Listings) -> Listing:
        """One look at the columns for a list. Any thread may ask."""
        return kept.of(self.rows, self.screen.fast)

    @property
    def agreements(self) -> Agreements:
        """The rules in force. Any thread may ask."""
        return self.now.agreements

    def nbytes(self) -> dict[str, int]:
        """What the parts take of the memory, in bytes."""
        return _nbytes(self.rows, self.screen)

    # -- within --

    def _install(self, number: int, block: Block, first: int, dead: Bools | None = None) -> None:
        self.arrivals.replaced(number)
        self.rows.install(number, block, first, dead)
        self._screen_block(number, block, first)

    def _screen_block(self, number: int, block: Block, kept: int = 0) -> None:
        self.screen.put(number, block, self.rows.alive(number, block), self.now.debts.owed(block), kept)

    def _watch_part(self, base: int, part: Block, records: Sequence[GroupRecord]) -> None:
        """As `_watch`, of groups that came into a block from row `base` on."""
        low, high, unsure = defaults(part, self.now.agreements, self.names, self.now.rules.lifecycle)
        for i in {*unsure.tolist(), *(i for i in range(len(part)) if base + i in self.rows.packed_states())}:
            low[i], high[i] = self._lines(records[i])
        self.screen.watch(base + np.arange(len(part)), low, high)

    def _watch(self, number: int) -> None:
        """Sets the lines of a block: in one pass those of untouched groups, one by one those of the others."""
        block, base = self.rows.block(number), number * GROUPS
        low, high, unsure = defaults(block, self.now.agreements, self.names, self.now.rules.lifecycle)
        alive = np.flatnonzero(self.rows.alive(number, block))
        for i in {*unsure.tolist(), *self.rows.touched(number)}.intersection(alive.tolist()):
            low[i], high[i] = self._lines(self.record_at(base + i))
        self.screen.watch(base + alive, low[alive], high[alive])

    def _lines(self, record: GroupRecord) -> tuple[float, float]:
        """The LTVs between which nothing is to be decided."""
        return calm(record.state, record.held, self.now.rules.lifecycle).bounds

    def _set_state(self, row: int, record: GroupRecord) -> None:
        self.rows.set_state(row, record.state)
        self.agenda.note(row, record)

    def _remove(self, row: int, group: Group) -> None:
        self.rows.remove(row, group)
        self.agenda.forget(row)
        self.screen.drop_row(row)


def _examples(rows: RowIndex) -> Iterator[Group]:
    seen: set[tuple[int, ...]] = set()
    for number, block in rows.living():
        places = examples(block, rows.names, rows.alive(number, block), seen)
        yield from (block.record(i, rows.names).group for i in places)


def _nbytes(rows: RowIndex, screen: BlockScreen) -> dict[str, int]:
    sizes = Counter({f"screen {part}": size for part, size in screen.fast.nbytes.items()})
    for _, block in rows.living():
        sizes.update({f"exact {part}": size for part, size in block.nbytes().items()})
    return dict(sizes + Counter(rows.nbytes()))


def counted_since(product: str, rows: RowIndex, blocks: Iterable[tuple[int, Block]]) -> dict[str, datetime]:
    """See LoanBook, of some blocks."""
    since: dict[str, datetime] = {}
    place = rows.names.products.find(product)
    if place is None:
        return since
    for number, block in blocks:
        for coin, minute in block.flexible_since(place, rows.alive(number, block), rows.names).items():
            asset, at = rows.names.assets[coin], time_at(minute * MINUTE_US)
            since[asset] = min(at, since.get(asset, at))
    return since
