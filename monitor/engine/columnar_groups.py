"""The groups that are in columns, under the screen: taken in blocks, named when something is to be decided (places.py)."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import nsmallest
from operator import attrgetter

import msgspec
import numpy as np

from monitor.core.groups.loan_book import EXACT_SUMS, Counted, Exposure, TakenBatch, counted_of, exposure_of
from monitor.core.groups.outcome import StoredBlock
from monitor.core.groups.record import GroupRecord
from monitor.core.instants import DAY_MINUTES, MINUTE_US, day_number, micros_of, time_at
from monitor.core.loans.group import Group, GroupBatch
from monitor.core.money import CENT, exact, round_up
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.product import Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.decision import calm
from monitor.core.stages.stages import GroupState
from monitor.core.text import MOST_NAMED
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import IRREGULAR, U8, Bools, Columns
from monitor.engine.columns.names import Names, NamesFull
from monitor.engine.columns.ragged import owners
from monitor.engine.index.places import NO_GROUP
from monitor.engine.ingest.packer import PackedGroups
from monitor.engine.queries.snapshot import ColumnarSurvey, Copy
from monitor.engine.schedule.almanac import Almanac
from monitor.engine.schedule.dates import has_other_dates
from monitor.engine.screen.arrays import GROUPS, MISSING, Positions
from monitor.engine.screen.board_prices import Quoted
from monitor.engine.screen.defaults import defaults
from monitor.engine.screen.exposures import Instruments, OwedInstruments, examples
from monitor.engine.screen.screen import FastScreen


class ColumnarGroups(Almanac):
    """Places and their dates, and the screen over them."""

    def __init__(self, names: Names, at: datetime, rules: Rules) -> None:
        super().__init__(names, at, rules)
        self.screen = FastScreen()
        self._lines_due: dict[int, tuple[float, float]] = {}
        """Lines that the screen is told with the next prices, by row: telling it one by one costs more than the decision."""
        self._instruments = Instruments(self.names)
        self._quoted = Quoted(self.names)
        self._flags: U8 = np.zeros(0, np.uint8)
        self._needed: dict[int, frozenset[str]] = {}
        """By block, as the next."""
        self._products: dict[int, frozenset[int]] = {}
        self._room: Positions | None = None
        """Memory for the next survey."""
        self._instruments.take(self._versions)

    # -- groups --

    def find(self, group_id: str) -> GroupRecord | None:
        """A group, made anew from its columns, or None."""
        row = self.row_of(group_id)
        return None if row < 0 else self.record_at(row)

    def record_at(self, row: int) -> GroupRecord:
        """The group of a row. Raises LookupError where its block is gone, in a thread that looks on."""
        kept = self.record(row)
        state = msgspec.structs.replace(self.state(row), group=kept.group.id)
        with exact():  # interest is worked out here, also for whoever looks on from outside of core
            return GroupRecord(kept, state, self._rules.products[kept.group.product], self._at)

    def keep(self, record: GroupRecord) -> None:
        """Writes back the state of a group that is here."""
        row = self.row_of(record.group.id)
        assert row >= 0, f"group {record.group.id} is not in columns"
        self._keep(row, record)
        self._lines_due[row] = self._lines(record)

    def drop(self, group_id: str, take: Callable[[GroupRecord], None]) -> None:
        """Takes a group out. Hands over what is left of its block where that is mostly dead: it is not here any more then."""
        row = self.row_of(group_id)
        self._bury(row, self.record_at(row).group)
        self.screen.clear_row(row)
        number = row // GROUPS
        block = self.blocks[number]
        assert block is not None
        if self.dead[number] * 2 > len(block):
            self._dissolve(number, take)

    def fold(self, records: Sequence[GroupRecord]) -> bool:
        """Takes groups as a part of the last block, or as a new one. False where names do not fit the columns any more."""
        try:
            part = Block.of([record.stored() for record in records], self.names)
        except NamesFull:
            return False
        number = len(self.blocks) - 1
        last = self.blocks[number] if number >= 0 else None
        if last is None or len(last) + len(part) > GROUPS:
            self._install(len(self.blocks), part, 0)
        else:
            self._install(number, Block.join([last, part]), len(last))
        base = (len(self.blocks) - 1) * GROUPS + len(self._tail()) - len(part)
        for i, record in enumerate(records):
            self._keep(base + i, record)
        self._watch(len(self.blocks) - 1)
        return True

    def put_all(
        self, batch: GroupBatch, source: str, at: datetime, fresh: PlainBook, retired: Collection[str]
    ) -> TakenBatch:
        """A new block of those groups of a batch whose ids and accounts are new; the others are left to the exact path."""
        if not isinstance(batch, PackedGroups) or batch.products is not self._rules.products or len(batch) > GROUPS:
            return TakenBatch(None, range(len(batch)))
        block = Block(self._put_on(batch.columns, at))
        is_new = self.are_new(block, fresh, retired)
        rest = [i for i in np.flatnonzero(~is_new).tolist() if not self._was_applied(block, i, source, fresh)]
        if not is_new.any():
            return TakenBatch(None, rest)
        block = block if is_new.all() else block.without(~is_new)
        number = len(self.blocks)
        self._install(number, block, 0)
        self._watch(number)
        first = self.dates_in(block).first(len(block))
        near = np.flatnonzero(first <= micros_of(at + timedelta(days=1)))
        past = near[first[near] <= micros_of(at)]
        self._restless.update(dict.fromkeys((number * GROUPS + past).tolist()))
        look = [block.id(i) for i in {*near.tolist(), *self.in_doubt(number, block)}]
        return TakenBatch(StoredBlock(number, block.dump(self.names)), rest, look, self._needed[number])

    def _was_applied(self, block: Block, i: int, source: str, fresh: PlainBook) -> bool:
        """The group of this line is here as this very line said, but for what was entered since: that is no event."""
        group_id, line = block.id(i), block.columns.line.item(i)
        record = fresh.find(group_id)
        if record is not None:
            return record.source == source and record.group.line == f"{line:016x}"
        row = self.row_of(group_id)
        if row < 0 or not line:
            return False
        columns, place = self.block_of(row).columns, row % GROUPS
        return columns.line.item(place) == line and self.names.sources[columns.source.item(place)] == source

    def restore(self, blocks: Iterable[StoredBlock], superseded: Collection[str], states: Iterable[GroupState]) -> None:
        """Takes blocks as they were dumped, but for the groups that are kept elsewhere or were closed since."""
        for put in sorted(blocks, key=attrgetter("number")):
            block = Block.load(put.body, self.names)
            while len(self.blocks) < put.number:
                self.blocks.append(None)
                self.dead.append(0)
            gone = [id_ in superseded for id_ in block.ids()] if superseded else []
            self._install(put.number, block, 0, np.array(gone, bool) if any(gone) else None)
        for state in states:
            row = self.row_of(state.group)
            if row >= 0:
                self.set_state(row, state)
        for number, found in enumerate(self.blocks):
            if found is not None:
                self._watch(number)
                self.note_past(number, found)

    def nbytes(self) -> dict[str, int]:
        """What the parts take of the memory, in bytes."""
        sizes: Counter[str] = Counter()
        for block in self.blocks:
            if block is not None:
                sizes.update({f"exact {part}": size for part, size in block.nbytes().items()})
        sizes.update({f"screen {part}": size for part, size in self.screen.nbytes.items()})
        sizes.update(self.sizes())
        return dict(sizes)

    # -- what is to be decided --

    def renew(self, at: datetime, rules: Rules) -> None:
        """Another time or other rules. Debts of the day and lines are taken anew; blocks only where other coins count."""
        debts, versions, lifecycle = self._debts, self._versions, self._rules.lifecycle
        self.take_rules(at, rules)
        if has_other_dates(versions, self._versions):
            for place, dated in self.living():
                self.note_past(place, dated)
        has_other_coins = self._instruments.take(self._versions)
        has_other_lines = (versions, lifecycle) != (self._versions, rules.lifecycle)
        if not has_other_lines and debts.hold_for(self._debts):
            return
        self._instruments.give(self.screen)
        for number, block in enumerate(self.blocks):
            if block is not None:
                if has_other_coins:
                    self._put_legs(number, block)
                else:
                    self._owe(number, block)
                if has_other_coins or has_other_lines:
                    self._watch(number)

    def accrue(self, at: datetime, kinds: Collection[str]) -> None:
        """Interest is added to the groups of these products. Who crosses a line by it is named with the next suspects."""
        self.take_time(at)
        theirs = {place for kind in kinds if (place := self.names.products.find(kind)) is not None}
        for number, block in enumerate(self.blocks):
            if block is not None and not theirs.isdisjoint(self._products[number]):
                self._owe(number, block)

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> list[str]:
        """See LoanBook."""
        self._tell_lines()
        moved = None if change is None else self._quoted.places(change.moved)
        before = self._flags
        price, self._flags = self._quoted.prices(board)
        rows = self.screen.suspects(moved, price, self._flags).tolist()
        if change is None or not np.array_equal(before, self._flags):
            rows = list(dict.fromkeys((*rows, *self._restless)))
        self._found = {self.id(row): row for row in rows}
        return list(self._found)

    def counted(self, kind: str, version: Version, board: PriceBoard, fresh: Counted) -> Counted:
        """Exact while they are few; otherwise the screen's sum. `fresh` is that of the groups that are not in columns."""
        rows = self.rows_of(self.names.products.find(kind))
        if len(rows) <= EXACT_SUMS:
            own = counted_of((self.record_at(row) for row in rows.tolist()), version, board.usd)
        else:
            known = rows[self.screen.blind[rows] & MISSING == 0]
            own = Counted(len(rows), _cents(float(self.screen.recognised[known].sum())), is_exact=False)
        return Counted(fresh.groups + own.groups, fresh.recognised + own.recognised, own.is_exact)

    def counted_since(self, product: str) -> dict[str, datetime]:
        """See LoanBook."""
        place, since = self.names.products.find(product), dict[str, datetime]()
        for number, block in enumerate(self.blocks):
            if block is not None and place is not None:
                for coin, minute in block.flexible_since(place, ~self.is_dead(number, len(block)), self.names).items():
                    asset, at = self.names.assets[coin], time_at(minute * MINUTE_US)
                    since[asset] = min(at, since.get(asset, at))
        return since

    def needed(self) -> frozenset[str]:
        """Assets whose price decides about some group; one that only dead groups held may be among them."""
        return frozenset().union(*self._needed.values())

    def examples(self) -> Iterator[Group]:
        """See legs.examples."""
        for number, block in enumerate(self.blocks):
            if block is not None:
                for i in examples(block, self.names, ~self.is_dead(number, len(block))):
                    yield block.record(i, self.names).group

    def exposure(self, assets: Collection[str], board: PriceBoard, fresh: PlainBook, exact_to: int) -> Exposure:
        """Exact while few are exposed; otherwise the screen's sums, and the ids of those that owe most."""
        rows = self.screen.holders(self._quoted.places(assets))
        singles = fresh.holders(assets)
        count = len(rows) + len(singles)
        if count <= exact_to:
            places = {self.id(row): row for row in rows.tolist()}
            named = nsmallest(MOST_NAMED, [*singles, *places])
            found = (fresh.find(id_) or self.record_at(places[id_]) for id_ in (*singles, *places))
            return exposure_of((record for record in found if record is not None), count, named, board.usd)
        part = fresh.exposure(assets, board, exact_to)
        known = rows[self.screen.blind[rows] & MISSING == 0]
        debt, recognised = (_cents(float(x[known].sum())) for x in (self.screen.debt, self.screen.recognised))
        owed = -self.screen.debt[rows]
        most = np.argpartition(owed, MOST_NAMED)[:MOST_NAMED] if len(rows) > MOST_NAMED else np.arange(len(rows))
        named = [self.id(row) for row in rows[most[np.argsort(owed[most], kind="stable")]].tolist()]
        ids = (*named, *part.ids)[:MOST_NAMED]
        return Exposure(count, part.debt + debt, part.recognised + recognised, ids, is_exact=False)

    def prepare_survey(self) -> None:
        """See LoanBook."""
        self._room = self.screen.room()

    def survey(self, at: datetime, fresh: PlainBook, *, is_kept: bool) -> ColumnarSurvey:
        """See LoanBook. Holds core up for as long as the positions take to be copied."""
        blocks = [(number, block) for number, block in enumerate(self.blocks) if block is not None]
        if is_kept:
            room, self._room = self._room, None
            store, tiers = self.screen.copy(room)
        else:
            store, tiers = self.screen.laid
        states = dict(self._states) if is_kept else self._states
        copy = Copy(
            blocks, self.stage.copy(), states, store, tiers, self.names, self._rules, dict(self._versions), self._at,
            fresh.sights(), at,
        )  # fmt: skip
        return ColumnarSurvey(copy)

    # -- within --

    def _put_on(self, columns: Columns, at: datetime) -> Columns:
        """The columns as put at a time: interest counts from the event, not from when somebody read the lines."""
        since = np.zeros(len(self.names.products), columns.since.dtype)
        for place, product in self._kinds.items():
            day, minute = product.moment(at)
            since[place] = day_number(day) * DAY_MINUTES + minute
        of_loan = since[columns.product[owners(columns.loans)]]
        return columns._replace(times=np.array([micros_of(at)]), put=np.zeros_like(columns.put), since=of_loan)

    def _tail(self) -> Block:
        block = self.blocks[-1]
        assert block is not None
        return block

    def _keep(self, row: int, record: GroupRecord) -> None:
        self.set_state(row, record.state)
        if record.has_past or record.state.below_since is not None:
            self._restless[row] = None
        else:
            self._restless.pop(row, None)

    def _lines(self, record: GroupRecord) -> tuple[float, float]:
        """The LTVs between which nothing is to be decided, as the screen takes them."""
        return calm(record.state, record.held, self._rules.lifecycle).bounds

    def _dissolve(self, number: int, take: Callable[[GroupRecord], None]) -> None:
        """Hands over the groups of a block, which is no more."""
        block = self.blocks[number]
        assert block is not None
        for row in (number * GROUPS + np.flatnonzero(~self.is_dead(number, len(block)))).tolist():
            record = self.record_at(row)
            take(record)
            self._bury(row, record.group)
        self.screen.drop_block(number)
        self.blocks[number] = None
        del self._needed[number], self._products[number]
        self._balances.pop(number, None)

    def _install(self, number: int, block: Block, first: int, dead: Bools | None = None) -> None:
        self.install(number, block, first, dead)
        self._put_legs(number, block)

    def _bury(self, row: int, group: Group) -> None:
        self.unlist(row, group)
        self._lines_due.pop(row, None)
        self._restless.pop(row, None)

    def _put_legs(self, number: int, block: Block) -> None:
        """Hands the block's holdings and debts of now to the screen."""
        collateral, assets = self._instruments.collateral(block, ~self.is_dead(number, len(block)))
        owed = self._owed(block)
        self._instruments.give(self.screen)
        self.screen.put_block(number, len(block), collateral, owed.debts, owed.liabilities)
        for i in np.flatnonzero(self.is_dead(number, len(block))).tolist():
            self.screen.clear_row(number * GROUPS + i)
        self._needed[number] = assets | owed.coins
        self._products[number] = frozenset(block.products())

    def _owe(self, number: int, block: Block) -> None:
        """Hands the block's debts of now to the screen."""
        owed = self._owed(block)
        self.screen.owe(number, owed.debts, owed.liabilities)

    def _owed(self, block: Block) -> OwedInstruments:
        """What the groups of a block owe now. Of the same loans at any time, those of groups that died since included."""
        return self._instruments.owed(block, self._debts.owed(block), block.is_owed())

    def _watch(self, number: int) -> None:
        """Sets the lines of a block's rows: by their product where they are as new, one by one otherwise."""
        self._tell_lines()  # older ones must not come after these
        block, base = self.blocks[number], number * GROUPS
        assert block is not None
        low, high, unsure = defaults(block, self.names, self._versions, self._rules.lifecycle)
        special = np.flatnonzero(block.columns.flags & IRREGULAR).tolist()
        alive = np.flatnonzero(self.stage[base : base + len(block)] != NO_GROUP)
        for i in {*special, *unsure.tolist(), *self.changed(number)}.intersection(alive.tolist()):
            low[i], high[i] = self._lines(self.record_at(base + i))
        self.screen.watch(base + alive, low[alive], high[alive])

    def _tell_lines(self) -> None:
        if self._lines_due:
            rows = np.fromiter(self._lines_due, np.int64, len(self._lines_due))
            low, high = np.array(list(self._lines_due.values())).T.copy()
            self._lines_due.clear()
            self.screen.watch(rows, low, high)


def _cents(value: float) -> Decimal:
    return round_up(Decimal.from_float(value), CENT)
