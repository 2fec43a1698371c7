"""The loan book: all groups under watch, and which of them an event may move over a line.

`PlainBook` is the exact, slow one and the reference: every group is an object, and every holder of a moved asset is named.
`engine.book.ColumnarBook` keeps a million groups in columns, names few, and passes the same tests. A book only holds and
names; the decision is exact and made elsewhere.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from monitor.core.groups.outcome import Memory, StoredBlock, StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.survey import Survey
from monitor.core.loans.group import Group, GroupBatch
from monitor.core.money import ZERO
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.product import Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState
from monitor.core.valuation.valuation import Weight, under, weigh

EXACT_SUMS = 1_000
"""Up to so many groups sums are exact, which takes 20 ms; beyond, they are sums of floats, rounded up to cents."""


class Exposure(NamedTuple):
    """Who needs an asset's price. The sums are of the groups whose prices are all known."""

    groups: int
    debt: Decimal
    recognised: Decimal
    ids: tuple[str, ...]
    """The first `MOST_NAMED` in the order of ids."""
    is_exact: bool = True
    """False where so many groups are exposed that the sums are the screen's, rounded to cents."""


class Counted(NamedTuple):
    """The groups of a product, and what those of them whose prices are all known are recognised for, in USD."""

    groups: int
    recognised: Decimal
    is_exact: bool = True
    """False where so many groups are counted that the sum is the screen's, rounded to cents."""


class TakenBatch(NamedTuple):
    """What a book did with a batch of puts."""

    block: StoredBlock | None
    """The part that it took whole; None where it took nothing so."""
    rest: Iterable[int]
    """Places in the batch that must be put one by one, by the exact path."""
    look: Iterable[str] = ()
    """Groups of the block that must be decided and planned now: those with a date of a loan that is past or comes within a
    day, and those whose stated balances may not pay their interest."""
    assets: frozenset[str] = frozenset()
    """Assets whose price decides about some group of the block."""


class KeptGroups(NamedTuple):
    """A whole book as a memory holds it."""

    groups: tuple[StoredGroup, ...]
    """Those that are not in blocks."""
    states: tuple[GroupState, ...]
    """Of all groups; one that is as new may be left out."""
    blocks: tuple[StoredBlock, ...] = ()


class LoanBook(Protocol):
    """All groups under watch. Used by the thread of core only."""

    def __len__(self) -> int: ...

    def ids(self) -> Iterator[str]:
        """All groups."""
        ...

    def find(self, group_id: str) -> GroupRecord | None:
        """A group, or None. What is changed in it counts after `keep`."""
        ...

    def put(self, record: GroupRecord) -> None:
        """Takes a group, or replaces the one of its id."""
        ...

    def put_all(self, batch: GroupBatch, source: str, at: datetime, retired: Collection[str]) -> TakenBatch:
        """Takes of a batch what is new and regular as a whole, but nothing `retired`; says what is left to put one by one."""
        ...

    def keep(self, record: GroupRecord) -> None:
        """The state of a group that `find` gave has changed."""
        ...

    def drop(self, group_id: str) -> None:
        """Forgets a group that is there."""
        ...

    def owner(self, account: str) -> str | None:
        """The group that an account belongs to (VIP FAQ 6)."""
        ...

    def restore(self, memory: Memory, rules: Rules) -> None:
        """Takes all groups and states that a memory holds. States of groups that are not there stay with the caller."""
        ...

    def kept(self) -> KeptGroups:
        """All that `restore` needs."""
        ...

    def renew(self, at: datetime, rules: Rules) -> None:
        """Another day, or other rules: every group is held anew."""
        ...

    def accrue(self, at: datetime, kinds: Collection[str]) -> Collection[str]:
        """Interest is added to the groups of these products, which do so more often than daily: they are held anew.

        Names those of them that are surely to be decided; `suspects` after it names the others.
        """
        ...

    def examples(self) -> Iterable[Group]:
        """Groups such that rules which fit these fit all."""
        ...

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> Collection[str]:
        """A superset of the groups for which something is to be decided after a change of prices or trust; None: of all."""
        ...

    def waiting(self, at: datetime, until: datetime) -> Iterable[str]:
        """A superset of the groups that at a time have a deadline to come by `until`."""
        ...

    def nearing(self, after: datetime, until: datetime) -> Iterable[str]:
        """A superset of the groups that have a date of a term loan (agenda.DATES) in (after, until]."""
        ...

    def spare(self, kinds: Collection[str]) -> Iterable[str]:
        """A superset of the groups of these products whose stated Spot balances do not pay their interest, or did not when
        they were looked at last."""
        ...

    def counted(self, kind: str, version: Version, board: PriceBoard) -> Counted:
        """What all groups of a product are recognised for together under a version, on the prices in force.

        The version is that under which the groups were held anew last: a book may sum otherwise than one by one.
        """
        ...

    def counted_since(self, product: str) -> Mapping[str, datetime]:
        """Since when interest is counted on flexible loans of a product, by coin."""
        ...

    def needed(self) -> Collection[str]:
        """All assets whose price decides about some group."""
        ...

    def exposure(self, assets: Collection[str], board: PriceBoard, exact_to: int) -> Exposure:
        """The groups whose valuation needs any of these assets, on the prices in force.

        Sums are exact up to so many groups; whether they are beyond depends on the book.
        """
        ...

    def prepare_survey(self) -> None:
        """Any thread, before a survey that is kept: takes the memory for it, so that core need not wait for that."""
        ...

    def survey(self, at: datetime, *, is_kept: bool = True) -> Survey:
        """All groups as they stand now, to be asked in any thread; if not `is_kept` by core alone, and at once."""
        ...


def record_of(stored: StoredGroup, state: GroupState | None, rules: Rules, at: datetime) -> GroupRecord:
    """A group as a store gave it back."""
    group = stored.group
    return GroupRecord(stored, state or GroupState(group.id), rules.products[group.product], at)


def exposure_of(
    records: Iterable[GroupRecord], count: int, named: Iterable[str], usd: Mapping[str, Decimal]
) -> Exposure:
    """Exact sums over groups, at these prices."""
    debt = recognised = ZERO
    for record in records:
        weight = weight_or_none(record, usd)
        if weight is not None:
            debt += weight.debt
            recognised += weight.recognised
    return Exposure(count, debt, recognised, tuple(named))


def counted_of(records: Iterable[GroupRecord], version: Version, usd: Mapping[str, Decimal]) -> Counted:
    """Exact sums over groups under a version of their rules, at these prices."""
    groups, total = 0, ZERO
    for record in records:
        held = under(record.group, record.held, version)
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


def weigh_now(record: GroupRecord, board: PriceBoard) -> None:
    """Weighs a group on the prices in force, and notes whether it is blind."""
    record.weight = weight_or_none(record, board.usd)
    record.blind = record.weight is None or (
        bool(board.untrusted) and not board.untrusted.isdisjoint(record.held.assets)
    )
