"""The exact, slow twin of the fast screen: a dict of groups, weighed in Decimal, position by position."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

import numpy as np

from monitor.core.money import ZERO, exact
from monitor.core.rules.product import Ladder
from monitor.core.valuation.ladder import recognised
from monitor.engine.screen.arrays import GUARD, MISSING, UNTRUSTED
from monitor.engine.screen.layout import BlockSide

GUARD_EXACT = Decimal(repr(GUARD))
UNWATCHED = Decimal("1e300"), Decimal(0)
"""A row without lines counts as beyond every line that it could have."""


@dataclass(frozen=True)
class Held:
    """A group: amounts by instrument."""

    collateral: Mapping[int, Decimal] = field(default_factory=dict)
    debts: Mapping[int, Decimal] = field(default_factory=dict)
    liabilities: Mapping[int, Decimal] = field(default_factory=dict)

    def parts(self) -> tuple[Mapping[int, Decimal], ...]:
        return self.collateral, self.debts, self.liabilities


@dataclass(frozen=True)
class Sums:
    debt: Decimal
    recognised: Decimal
    gross: Decimal
    """What `recognised` is a difference of, added instead."""

    def beyond(self, low: Decimal | None, high: Decimal | None, slack: Decimal, *, is_blind: bool) -> bool:
        """Whether a line is reached when everything may be wrong by `slack`; a negative slack demands more than the line."""
        if not self.debt:
            return low is not None and not is_blind
        if high is not None and self.debt >= high * self.recognised - slack * high * self.gross:
            return True
        return low is not None and not is_blind and self.debt <= low * self.recognised + slack * low * self.gross


@dataclass
class Model:
    """Groups by row, with their lines; `tables` are (asset, ladder) by instrument."""

    tables: Sequence[tuple[int, Ladder]]
    groups: dict[int, Held] = field(default_factory=dict)
    lines: dict[int, tuple[Decimal | None, Decimal | None]] = field(default_factory=dict)

    def assets(self, held: Held) -> set[int]:
        """Assets that decide about a group."""
        return {self.tables[i][0] for part in held.parts() for i, amount in part.items() if amount}

    def weigh(self, held: Held, usd: Sequence[Decimal]) -> Sums:
        total = debt = owed = ZERO
        with exact():
            for i, amount in held.collateral.items():
                asset, ladder = self.tables[i]
                total += recognised(ladder, amount * usd[asset])
            for i, amount in held.debts.items():
                debt += amount * usd[self.tables[i][0]]
            for i, amount in held.liabilities.items():
                asset, ladder = self.tables[i]
                debt += recognised(ladder, amount * usd[asset])
                owed += amount * usd[asset]
            return Sums(debt, total - owed, total + owed)

    def room(self, held: Held, flags: Sequence[int]) -> Decimal | None:
        """What the ladders of its missing assets may recognise at most; None for any sum."""
        room = ZERO
        for i, amount in held.collateral.items():
            asset, ladder = self.tables[i]
            if amount and flags[asset] & MISSING:
                if ladder and ladder[-1][0] is None and ladder[-1][1]:
                    return None
                room += recognised(ladder, Decimal(10) ** 40)
        return room

    def holds_and_owes(self, held: Held, flags: Sequence[int]) -> bool:
        """A missing asset is on both sides."""
        holds, *owes = ({self.tables[i][0] for i, amount in part.items() if amount} for part in held.parts())
        return any(flags[asset] & MISSING for asset in holds & owes[0].union(*owes))

    def beyond(self, usd: Sequence[Decimal], flags: Sequence[int], slack: Decimal) -> set[int]:
        """Rows that are at or beyond a line (by at least -slack, relative)."""
        found = set()
        for row, held in self.groups.items():
            bits = [flags[asset] for asset in self.assets(held)]
            is_blind = any(bit & (UNTRUSTED | MISSING) for bit in bits)
            low, high = self.lines.get(row, UNWATCHED)
            sums = self.weigh(held, usd)
            if sums.debt and high is not None and self.holds_and_owes(held, flags):
                found.add(row)
                continue
            room = self.room(held, flags)
            if room is None:
                continue
            sums = Sums(sums.debt, sums.recognised + room, sums.gross + room)
            with exact():
                if sums.beyond(low, high, slack, is_blind=is_blind):
                    found.add(row)
        return found


def side(groups: Mapping[int, Mapping[int, Decimal]]) -> BlockSide:
    """A side of {place in the block: {instrument: amount}}."""
    items = [(row, i, float(amount)) for row, held in groups.items() for i, amount in held.items()]
    rows, instruments, amounts = zip(*items, strict=True) if items else ((), (), ())
    return BlockSide(np.array(rows, np.uint16), np.array(instruments, np.uint16), np.array(amounts, float))


def sides(groups: Mapping[int, Held]) -> tuple[BlockSide, BlockSide, BlockSide]:
    """Collateral, debts and liabilities of a block of {place: group}."""
    collateral, debts, liabilities = (side({row: h.parts()[k] for row, h in groups.items()}) for k in range(3))
    return collateral, debts, liabilities


def floats(ladder: Ladder) -> list[tuple[float, float]]:
    """A ladder as the screen takes it."""
    return [(np.inf if bound is None else float(bound), float(share)) for bound, share in ladder]
