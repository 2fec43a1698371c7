"""The loan book for a million groups: few as objects, the others in columns (docs/engine.md).

A group that changes leaves its block and lives among the *fresh* groups, as an object. When these are many, they are folded
into the last block. So a change costs what one group costs, and hundreds of changes rebuild one block.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from itertools import chain
from typing import TYPE_CHECKING

from monitor.books._unchanged import LineSums
from monitor.core.groups.loan_book import Counted, Exposure, TakenBatch
from monitor.core.groups.plain_moves import Disproof, PlainMove, noting_in
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import BookSnapshot
from monitor.core.loans.group import Group, GroupBatch
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.product import Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState
from monitor.engine.stored_book import StoredBook

if TYPE_CHECKING:
    from monitor.engine.columnar_groups import ColumnarGroups
    from monitor.engine.moves.choosing import Choosing

FOLD_AT = 512
"""Beyond this many fresh groups the book folds. Each is weighed exactly when its assets move: 20 us, so 10 ms a tick."""
PLAIN_FROM = 8
"""From so many suspects in columns on, to prove their steps by column is cheaper than to value them one by one."""


class ColumnarBook(StoredBook):
    """A LoanBook. A test that wants every group in columns sets `fold_at`."""

    def __init__(self, fold_at: int = FOLD_AT, plain_from: int = PLAIN_FROM) -> None:
        super().__init__()
        self._fold_at = fold_at
        self._apart = 0
        """How many fresh groups the last fold left where they are."""
        self._rules: tuple[datetime, Rules] | None = None
        self._plain_from = plain_from
        self._moves: Choosing | None = None
        self.disproofs: list[Disproof] = []
        """Plain moves that their exact figures did not bear out. Any thread may add one, as it works out figures."""

    @property
    def is_partial(self) -> bool:
        """Some groups are with nobody who watches them: figures of the whole book miss them. Any thread may ask."""
        return False

    def __len__(self) -> int:
        return len(self.fresh) + (len(self.columnar.rows) if self.columnar else 0)

    def __contains__(self, group_id: str) -> bool:
        return group_id in self.fresh or (self.columnar is not None and group_id in self.columnar.rows)

    def ids(self) -> Iterator[str]:
        return chain(list(self.fresh.ids()), self.columnar.rows.ids() if self.columnar else ())

    def of_source(self, source: str) -> list[str]:
        """Ids of the groups that a source put. Any thread may ask."""
        fresh = [record.group.id for record in self.fresh.records() if record.source == source]
        return fresh if self.columnar is None else [*fresh, *self.columnar.rows.of_source(source)]

    def lines_of(self, source: str) -> LineSums:
        """Of the lines that put the groups of a source. Any thread may ask."""
        fresh = LineSums.of(record.group.line for record in self.fresh.records() if record.source == source)
        return fresh if self.columnar is None else fresh.plus(self.columnar.rows.lines_of(source))

    def find(self, group_id: str) -> GroupRecord | None:
        record = self.fresh.find(group_id)
        return record if record is not None or self.columnar is None else self.columnar.find(group_id)

    def find_all(self, group_ids: Iterable[str]) -> Iterator[GroupRecord]:
        return (record for id_ in group_ids if (record := self.find(id_)) is not None)

    def put(self, record: GroupRecord) -> None:
        # First into its new place, then out of the old one, so that a list never misses it.
        id_ = record.group.id
        is_in_columns = self.fresh.find(id_) is None and self.columnar is not None and id_ in self.columnar.rows
        self._put_fresh(record)
        if is_in_columns:
            self._forget(id_)
        self._fold()

    def held(self) -> tuple[ColumnarGroups, PlainBook]:
        """The groups in columns, and the fresh ones."""
        return self._columns(), self.fresh

    def put_all(self, batch: GroupBatch, source: str, at: datetime, retired: Collection[str]) -> TakenBatch:
        return self._columns().put_all(batch, source, at, self.fresh, retired)

    def keep(self, record: GroupRecord) -> None:
        if self.columnar is not None and self.fresh.find(record.group.id) is None:
            self.columnar.keep(record)

    def drop(self, group_id: str) -> None:
        if self.columnar is not None:
            self.columnar.arrivals.others_came()
        if self.fresh.find(group_id) is not None:
            self.fresh.drop(group_id)
        else:
            self._forget(group_id)

    def owner(self, account: str) -> str | None:
        owner = self.fresh.owner(account)
        return owner if owner is not None or self.columnar is None else self.columnar.rows.owner(account)

    def renew(self, at: datetime, rules: Rules) -> None:
        self._rules = at, rules
        self.fresh.renew(at, rules)
        if self.columnar is not None:
            self.columnar.renew(at, rules)

    def accrue(self, at: datetime, kinds: Collection[str]) -> Collection[str]:
        assert self._rules is not None, "the book was given no rules"
        self._rules = at, self._rules[1]
        if self.columnar is not None:
            self.columnar.accrue(at, kinds)
        return self.fresh.accrue(at, kinds)

    def has_late(self, product: str, at: datetime) -> bool:
        if self.fresh.has_late(product, at):
            return True
        return self.columnar is not None and self.columnar.agenda.has_late(product, at)

    def examples(self) -> Iterable[Group]:
        return chain(self.fresh.examples(), self.columnar.examples() if self.columnar else ())

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> Collection[str]:
        fresh = self.fresh.suspects(change, board)
        return fresh if self.columnar is None else [*fresh, *self.columnar.suspects(change, board)]

    def plain_moves(self, suspects: Collection[str], board: PriceBoard, at: datetime) -> Mapping[str, PlainMove]:
        return {} if self.columnar is None or self._moves is None else self._moves.found(suspects, board, at)

    def keep_plain(self, move: PlainMove, state: GroupState) -> None:
        assert self._moves is not None, "this book has proved no move"
        self._moves.keep(move, state)

    def take_disproofs(self) -> list[Disproof]:
        """Those since the last call. The event loop asks."""
        found = list(self.disproofs)
        del self.disproofs[: len(found)]
        return found

    @property
    def is_behind(self) -> bool:
        return False

    def waiting(self, at: datetime, until: datetime) -> Iterable[str]:
        return chain(self.fresh.waiting(at, until), self.columnar.waiting(at, until) if self.columnar else ())

    def nearing(self, after: datetime, until: datetime) -> Iterable[str]:
        return chain(self.fresh.nearing(after, until), self.columnar.nearing(after, until) if self.columnar else ())

    def spare(self, kinds: Collection[str]) -> Iterable[str]:
        return chain(self.fresh.spare(kinds), self.columnar.spare(kinds) if self.columnar else ())

    def counted(self, kind: str, version: Version, board: PriceBoard) -> Counted:
        fresh = self.fresh.counted(kind, version, board)
        return fresh if self.columnar is None else self.columnar.counted(kind, version, board, fresh)

    def counted_since(self, product: str) -> Mapping[str, datetime]:
        since = dict(self.fresh.counted_since(product))
        for asset, at in self.columnar.counted_since(product).items() if self.columnar else ():
            since[asset] = min(at, since.get(asset, at))
        return since

    def in_stages(self, stages: Collection[str]) -> Iterable[str]:
        return chain(self.fresh.in_stages(stages), self.columnar.rows.in_stages(stages) if self.columnar else ())

    def needed(self) -> Collection[str]:
        columns = self.columnar
        return {*self.fresh.needed(), *(columns.screen.coins(columns.rows.living_of) if columns else ())}

    def named_coins(self) -> Collection[str]:
        """What is needed, and perhaps coins that only groups of the past needed.

        Any thread may ask. Raises RuntimeError where the book changes meanwhile.
        """
        return {*self.fresh.needed(), *(self.columnar.screen.named_coins() if self.columnar else ())}

    def holding(self, asset: str) -> Collection[str]:
        fresh = self.fresh.holding(asset)
        if self.columnar is None:
            return fresh
        from monitor.engine.queries.holdings import holding  # the columns are loaded late

        return [*fresh, *holding(self.columnar.rows, self.names, asset)]

    def holders(self, assets: Collection[str], most: int) -> Collection[str]:
        fresh = self.fresh.holders(assets)
        if self.columnar is None:
            return fresh
        from monitor.engine.queries.holdings import needing  # the columns are loaded late

        return [*fresh, *needing(self.columnar.rows, self.columnar.screen, assets, most)]

    def exposure(self, assets: Collection[str], board: PriceBoard, exact_to: int) -> Exposure:
        if self.columnar is None:
            return self.fresh.exposure(assets, board, exact_to)
        return self.columnar.exposure(assets, board, self.fresh, exact_to)

    def prepare_snapshot(self) -> None:
        if self.columnar is not None:
            self.columnar.prepare_snapshot()

    def snapshot(self, at: datetime, *, is_kept: bool = True) -> BookSnapshot:
        if self.columnar is None:
            return self.fresh.snapshot(at)
        return self.columnar.snapshot(at, self.fresh, is_kept=is_kept)

    def nbytes(self) -> dict[str, int]:
        """What the parts take of the memory, in bytes; fresh groups are not counted."""
        return {} if self.columnar is None else self.columnar.nbytes()

    def _put_fresh(self, record: GroupRecord) -> None:
        self.fresh.put(record)
        if self.columnar is not None:
            self.columnar.arrivals.others_came()
            self.columnar.ahead.add(record)

    def _forget(self, group_id: str) -> None:
        """Takes a group out of the columns. If its block is mostly dead then, the rest of the block becomes fresh."""
        from monitor.engine.columns.fields import GROUPS  # the columns are loaded late

        assert self.columnar is not None
        if self.left is not None:
            self.left.add(group_id)
        number = self.columnar.rows.row_of(group_id) // GROUPS
        self.columnar.drop(group_id, lambda record: self._take_out(record, number))

    def _take_out(self, record: GroupRecord, number: int) -> None:
        """A group comes out of its block as it is, because most others of the block have gone."""
        self.dissolved[record.group.id] = number
        if self.left is not None:
            self.left.add(record.group.id)
        self._put_fresh(record)

    @property
    def should_fold(self) -> bool:
        """The fresh groups are so many that a put may fold them soon. Any thread may ask."""
        return len(self.fresh) - self._apart > self._fold_at * 7 // 8

    def _fold(self) -> None:
        if len(self.fresh) - self._apart > self._fold_at:
            self.fold()

    def fold(self) -> None:
        """Takes the fresh groups into the columns, some 6 ms for hundreds: who puts many has it done between two turns.

        The fast screen knows no sum that stands whatever the prices are: groups with open orders stay fresh.
        """
        records = self.fresh.records()
        apart = [record for record in records if record.group.open_order_loss]
        self._apart = len(apart)
        if self._apart < len(records) and self._columns().fold([r for r in records if not r.group.open_order_loss]):
            fresh = PlainBook()
            for record in apart:
                fresh.put(record)
            self.fresh = fresh

    def _columns(self) -> ColumnarGroups:
        if self.columnar is None:
            # The array libraries cost a second and 100 MB.
            from monitor.engine.columnar_groups import ColumnarGroups
            from monitor.engine.moves.choosing import Choosing

            assert self._rules is not None, "the book was given no rules"
            self.columnar = ColumnarGroups(self.names, *self._rules)
            self._moves = Choosing(self.columnar, self._plain_from, noting_in(self.disproofs))
        return self.columnar
