"""The loan book: all groups under watch, and which of them an event may move over a line.

`PlainBook` is the exact, slow one and the reference: every group is an object, and every holder of a moved asset is named.
`engine.book.ColumnarBook` keeps a million groups in columns, names few, and passes the same tests. A book holds and
names; `core/watch` decides, exactly.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from monitor.core.groups.outcome import Memory, StoredBlock, StoredGroup
from monitor.core.groups.plain_moves import PlainMove
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import BookSnapshot
from monitor.core.loans.group import Group, GroupBatch
from monitor.core.money import ZERO
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.good_prices import PricesThen
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.product import Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState
from monitor.core.valuation.bounds import bounds
from monitor.core.valuation.valuation import Weight, under, weigh

EXACT_SUMS = 1_000
"""Sums of at most this many groups are exact, which takes 20 ms; beyond, floats are summed and rounded up to cents."""


class Exposure(NamedTuple):
    """Who needs an asset's price. The sums are of all that has a price: what is missing counts nothing in them."""

    groups: int
    debt: Decimal
    recognised: Decimal
    ids: tuple[str, ...]
    """The first `MOST_NAMED` in the order of ids."""
    is_exact: bool = True
    """False where too many groups are exposed: the sums are then the screen's, rounded to cents."""


class Counted(NamedTuple):
    """How many groups a product has, and the recognised collateral of those whose prices are all known, in USD."""

    groups: int
    recognised: Decimal
    is_exact: bool = True
    """False where too many groups are counted: the sum is then the screen's, rounded to cents."""


class TakenBatch(NamedTuple):
    """What a book did with a batch of puts."""

    block: StoredBlock | None
    """The part that it took as a whole; None where there is none."""
    rest: Iterable[int]
    """Places in the batch that must be put one by one, by the exact path."""
    look: Iterable[str] = ()
    """Groups of the block that must be decided and planned now: a date of a loan is past or comes within a day, or the stated
    balances may not pay the interest."""
    assets: frozenset[str] = frozenset()
    """Assets whose price decides about some group of the block."""
    coins: frozenset[str] = frozenset()
    """All that the groups of the block hold, whether it counts or not."""


class KeptGroups(NamedTuple):
    """A whole book as a memory holds it."""

    groups: tuple[StoredGroup, ...]
    """Those that are not in blocks."""
    states: tuple[GroupState, ...]
    """The state of every group; an untouched group may be left out."""
    blocks: tuple[StoredBlock, ...] = ()


class CapturedGroups(NamedTuple):
    """A whole book as it was at one moment. Any one thread may read it, later."""

    kept: KeptGroups
    """Those that stand singly; no blocks."""
    blocks: Iterator[tuple[StoredBlock, tuple[GroupState, ...]]]
    """Each block with the states of its groups, as far as they are kept; made when it is asked for."""


class LoanBook(Protocol):
    """All groups under watch. Used by the thread of core only."""

    def __len__(self) -> int: ...

    def __contains__(self, group_id: str) -> bool: ...

    def ids(self) -> Iterator[str]:
        """All groups."""

    def find(self, group_id: str) -> GroupRecord | None:
        """A group, or None. What is changed in it counts after `keep`."""

    def find_all(self, group_ids: Iterable[str]) -> Iterator[GroupRecord]:
        """Those of these groups that are there, as `find` gives them, in their order."""

    def put(self, record: GroupRecord) -> None:
        """Takes a group, or replaces the one of its id."""

    def put_all(self, batch: GroupBatch, source: str, at: datetime, retired: Collection[str]) -> TakenBatch:
        """Takes the new and regular groups of a batch as a whole, but none that is `retired`; names the others."""

    def keep(self, record: GroupRecord) -> None:
        """The state of a group that `find` gave has changed."""

    def drop(self, group_id: str) -> None:
        """Forgets a group that is there."""

    def owner(self, account: str) -> str | None:
        """The group that an account belongs to (rule 6)."""

    def restore(self, memory: Memory, rules: Rules) -> None:
        """Takes all groups and states that a memory holds. The caller keeps the states of groups that are not there."""

    def kept(self) -> KeptGroups:
        """All that `restore` needs."""

    def captured(self) -> CapturedGroups:
        """The same for another thread to write down. It is captured at once, however large the book is."""

    def renew(self, at: datetime, rules: Rules) -> None:
        """Another day, or other rules: works out the holding of every group again."""

    def accrue(self, at: datetime, kinds: Collection[str]) -> Collection[str]:
        """Adds interest to the groups of these products, which add it more often than daily.

        Names the groups that must be decided in any case; `suspects` names the others afterwards.
        """

    def has_late(self, product: str, at: datetime) -> bool:
        """Some loan of the product matured before a time and is owed."""

    def examples(self) -> Iterable[Group]:
        """Some groups such that rules that fit them fit all groups."""

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> Collection[str]:
        """A superset of the groups for which something is to be decided after a change of prices or trust; None: of all."""

    def plain_moves(self, suspects: Collection[str], board: PriceBoard, at: datetime) -> Mapping[str, PlainMove]:
        """The plain moves among the suspects that were named last, by group; an event at a time decides them."""

    def keep_plain(self, move: PlainMove, state: GroupState) -> None:
        """A group has taken a plain move of the last `plain_moves`, to this state."""

    @property
    def is_behind(self) -> bool:
        """Some of its groups were not looked at on the prices in force: `suspects` is due, though no price moved."""

    def waiting(self, at: datetime, until: datetime) -> Iterable[str]:
        """A superset of the groups that at a time have a deadline to come by `until`."""

    def nearing(self, after: datetime, until: datetime) -> Iterable[str]:
        """A superset of the groups that have a date of a term loan (agenda.DATES) in (after, until]."""

    def spare(self, kinds: Collection[str]) -> Iterable[str]:
        """A superset of the groups of these products whose stated Spot balances do not pay their interest, or did not at the
        last look."""

    def counted(self, kind: str, version: Version, board: PriceBoard) -> Counted:
        """The recognised collateral of all groups of a product, on the prices in force.

        `version` must be the one that the groups are held under: a book may have that sum at hand.
        """

    def counted_since(self, product: str) -> Mapping[str, datetime]:
        """Since when interest is counted on flexible loans of a product, by coin."""

    def in_stages(self, stages: Collection[str]) -> Iterable[str]:
        """The groups that are in one of these stages."""

    def needed(self) -> Collection[str]:
        """All assets whose price decides about some group."""

    def holding(self, asset: str) -> Collection[str]:
        """Groups that hold some of a coin, whether it counts or not."""

    def holders(self, assets: Collection[str], most: int) -> Collection[str]:
        """Groups whose valuation needs any of these assets: all of them, or the `most` that owe most."""

    def exposure(self, assets: Collection[str], board: PriceBoard, exact_to: int) -> Exposure:
        """The groups whose valuation needs any of these assets, on the prices in force.

        Sums are exact up to `exact_to` groups; beyond, it depends on the book.
        """

    def prepare_snapshot(self) -> None:
        """Takes the memory for a snapshot that is kept, so that core does not wait for it. May be called in any thread."""

    def snapshot(self, at: datetime, *, is_kept: bool = True) -> BookSnapshot:
        """All groups as they stand now. Any thread may ask it later; one that is not `is_kept` only core, and at once."""


def record_of(stored: StoredGroup, state: GroupState | None, rules: Rules, at: datetime) -> GroupRecord:
    """A group as a store gave it back."""
    group = stored.group
    return GroupRecord(stored, state or GroupState(group.id), rules.product_of(group), at)


def exposure_of(
    records: Iterable[GroupRecord], count: int, named: Iterable[str], usd: Mapping[str, Decimal]
) -> Exposure:
    """Exact sums over groups, at these prices. A coin without a price counts nothing; what else a group owes is known."""
    debt = ZERO
    recognised = ZERO
    for record in records:
        known = {asset: usd.get(asset, ZERO) for asset in record.held.assets}
        weight = weigh(record.held, known)
        debt += weight.debt
        recognised += weight.recognised
    return Exposure(count, debt, recognised, tuple(named))


def counted_of(records: Iterable[GroupRecord], version: Version, usd: Mapping[str, Decimal]) -> Counted:
    """Exact sums over groups under a version of their rules, at these prices."""
    groups, total = 0, ZERO
    for record in records:
        held = under(record.group, record.held, record.product.version_at(version.effective))
        groups += 1
        if held.assets <= usd.keys():
            total += weigh(held, usd).recognised
    return Counted(groups, total)


def weight_or_none(record: GroupRecord, usd: Mapping[str, Decimal]) -> Weight | None:
    """What a group weighs at these prices; None while one is missing."""
    try:
        return weigh(record.held, usd)
    except KeyError:
        return None


def weigh_now(record: GroupRecord, board: PricesThen) -> None:
    """Weighs a group on the prices in force, and notes whether it is blind."""
    record.weight = weight_or_none(record, board.usd)
    record.bounds = bounds(record.held, board.usd) if record.weight is None else None
    record.blind = (
        record.weight is None
        or record.is_unwatched
        or (bool(board.untrusted) and not board.untrusted.isdisjoint(record.held.assets))
    )
