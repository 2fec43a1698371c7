"""The exact and slow loan book: every group is an object, and every holder of a moved asset is looked at. The reference."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from datetime import datetime

from monitor.core.groups.loan_book import (
    CapturedGroups,
    Counted,
    Exposure,
    KeptGroups,
    TakenBatch,
    counted_of,
    exposure_of,
    record_of,
)
from monitor.core.groups.outcome import Memory, Sight
from monitor.core.groups.plain_moves import PlainMove
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import BookSnapshot
from monitor.core.loans.group import Group, GroupBatch
from monitor.core.loans.interest import instant
from monitor.core.portfolio.snapshot import PlainBookSnapshot
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.rules.product import Version
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState
from monitor.core.text import MOST_NAMED
from monitor.core.valuation.valuation import Holding


class PlainBook:
    """Every group an object, screened by `EveryGroup`."""

    def __init__(self) -> None:
        self._records: dict[str, GroupRecord] = {}
        self._owner: dict[str, str] = {}
        self._screen = EveryGroup()

    def __len__(self) -> int:
        return len(self._records)

    def __contains__(self, group_id: str) -> bool:
        return group_id in self._records

    def ids(self) -> Iterator[str]:
        return iter(self._records)

    def records(self) -> list[GroupRecord]:
        """All groups; any thread may ask, as CPython copies the values of a dictionary in one step."""
        return list(self._records.values())

    def find(self, group_id: str) -> GroupRecord | None:
        return self._records.get(group_id)

    def find_all(self, group_ids: Iterable[str]) -> Iterator[GroupRecord]:
        return (record for id_ in group_ids if (record := self.find(id_)) is not None)

    def put(self, record: GroupRecord) -> None:
        old = self._records.get(record.group.id)
        if old is not None:
            self._release(old.group)
        for account in record.group.accounts():
            self._owner[account] = record.group.id
        self._records[record.group.id] = record
        self._screen.put(record.group.id, record.held)

    def put_all(self, batch: GroupBatch, source: str, at: datetime, retired: Collection[str]) -> TakenBatch:
        return TakenBatch(None, range(len(batch)))

    def _release(self, group: Group) -> None:
        """A standby takes a group before the one that its account has left."""
        for account in group.accounts():
            if self._owner.get(account) == group.id:
                del self._owner[account]

    def keep(self, record: GroupRecord) -> None:
        pass

    def drop(self, group_id: str) -> None:
        self._release(self._records.pop(group_id).group)
        self._screen.drop(group_id)

    def owner(self, account: str) -> str | None:
        return self._owner.get(account)

    def restore(self, memory: Memory, rules: Rules) -> None:
        assert not memory.blocks, "a book of columns wrote this"
        states = {s.group: s for s in memory.states}
        for stored in memory.groups:
            self.put(record_of(stored, states.get(stored.group.id), rules, memory.at))

    def kept(self) -> KeptGroups:
        watched = self._records.values()
        groups = tuple(record.stored() for record in watched)
        return KeptGroups(groups, tuple(record.state for record in watched))

    def captured(self) -> CapturedGroups:
        return CapturedGroups(self.kept(), iter(()))

    def renew(self, at: datetime, rules: Rules) -> None:
        for record in self._records.values():
            record.product = rules.product_of(record.group)
            record.renew(at)
            self._screen.put(record.group.id, record.held)

    def accrue(self, at: datetime, kinds: Collection[str]) -> Collection[str]:
        mine = {id_: record for id_, record in self._records.items() if record.group.product in kinds}
        for id_, record in mine.items():
            record.renew(at)
            self._screen.put(id_, record.held)
        return mine.keys()

    def has_late(self, product: str, at: datetime) -> bool:
        return any(
            loan.is_owed and loan.matures_at is not None and loan.matures_at < at
            for record in self._records.values()
            if record.group.product == product
            for loan in record.group.loans
        )

    def examples(self) -> Iterable[Group]:
        return (record.group for record in self._records.values())

    def suspects(self, change: PriceChange | None, board: PriceBoard) -> Collection[str]:
        return self._records.keys() if change is None else self._screen.suspects(change.moved)

    def plain_moves(self, suspects: Collection[str], board: PriceBoard, at: datetime) -> Mapping[str, PlainMove]:
        return {}

    def keep_plain(self, move: PlainMove, state: GroupState) -> None:
        raise AssertionError("this book has proved no move")

    @property
    def is_behind(self) -> bool:
        return False

    def waiting(self, at: datetime, until: datetime) -> Iterable[str]:
        return list(self._records)

    def nearing(self, after: datetime, until: datetime) -> Iterable[str]:
        return [
            id_ for id_, record in self._records.items() if any(after < d[0] <= until for d in record.loan_deadlines())
        ]

    def spare(self, kinds: Collection[str]) -> Iterable[str]:
        return [id_ for id_, record in self._records.items() if record.group.balances and record.group.product in kinds]

    def counted(self, kind: str, version: Version, board: PriceBoard) -> Counted:
        return counted_of(
            (record for record in self._records.values() if record.group.product == kind), version, board.usd
        )

    def counted_since(self, product: str) -> Mapping[str, datetime]:
        since: dict[str, datetime] = {}
        for record in self._records.values():
            for loan in record.group.loans if record.group.product == product else ():
                if loan.rate.daily is None:
                    at = instant(loan.since, loan.minute)
                    since[loan.asset] = min(at, since.get(loan.asset, at))
        return since

    def in_stages(self, stages: Collection[str]) -> Iterable[str]:
        return [id_ for id_, record in self._records.items() if record.state.stage in stages]

    def needed(self) -> Collection[str]:
        return self._screen.assets()

    def holding(self, asset: str) -> Collection[str]:
        return [id_ for id_, record in self._records.items() if asset in record.group.quantities()]

    def holders(self, assets: Collection[str], most: int | None = None) -> Collection[str]:
        """Groups whose valuation needs any of these assets. Few enough are here that all are named."""
        return {id_ for asset in assets for id_ in self._screen.holders(asset)}

    def exposure(self, assets: Collection[str], board: PriceBoard, exact_to: int) -> Exposure:
        ids = sorted(self.holders(assets))
        return exposure_of((self._records[id_] for id_ in ids), len(ids), ids[:MOST_NAMED], board.usd)

    def prepare_snapshot(self) -> None:
        pass

    def snapshot(self, at: datetime, *, is_kept: bool = True) -> BookSnapshot:
        return PlainBookSnapshot(self.sights(), at)

    def sights(self) -> list[Sight]:
        """All groups as they stand now."""
        return [record.sight() for record in self._records.values()]


class EveryGroup:
    """Every group that holds or owes a moved asset is a suspect."""

    def __init__(self) -> None:
        self._assets: dict[str, frozenset[str]] = {}
        self._holders: dict[str, dict[str, None]] = {}

    def put(self, group_id: str, held: Holding) -> None:
        """Takes a group, or its new holding."""
        before = self._assets.get(group_id, frozenset())
        if before == held.assets:
            return
        for asset in before - held.assets:
            self._leave(asset, group_id)
        for asset in held.assets - before:
            self._holders.setdefault(asset, {})[group_id] = None
        self._assets[group_id] = held.assets

    def drop(self, group_id: str) -> None:
        """Forgets a group."""
        for asset in self._assets.pop(group_id, frozenset()):
            self._leave(asset, group_id)

    def suspects(self, moved: Collection[str]) -> Collection[str]:
        """Groups to evaluate after the prices or the trust of these assets moved."""
        found: dict[str, None] = {}
        # A whole market moves at each tick, and a book that is near empty has few coins: the fewer are looked up.
        for asset in self._holders.keys() & moved:
            found.update(self._holders[asset])
        return found.keys()

    def holders(self, asset: str) -> Collection[str]:
        """Groups whose valuation needs an asset's price."""
        return self._holders.get(asset, {}).keys()

    def assets(self) -> Collection[str]:
        """All assets that some group needs."""
        return self._holders.keys()

    def _leave(self, asset: str, group_id: str) -> None:
        holders = self._holders[asset]
        del holders[group_id]
        if not holders:
            del self._holders[asset]
