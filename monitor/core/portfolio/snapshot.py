"""The whole book at one instant between two events, valued at some prices: the input of stress and exposure.

Nothing is changed. A snapshot keeps its own copy, so any thread may ask it while core goes on. `PlainBookSnapshot` looks at
each group exactly and is the reference. The engine's `ColumnarBookSnapshot` answers for a million groups. There too the stage
of every group is exact, as core looks again at each group near a line; sums of many groups are floats.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import (
    BookSnapshot,
    Coins,
    Exposed,
    Exposures,
    Loss,
    Movers,
    Pair,
    Prices,
    Scope,
    Sums,
    Swept,
    within,
)
from monitor.core.loans.group import Group
from monitor.core.money import CENT, EIGHT_PLACES, ZERO, divide_down, exact, round_down
from monitor.core.portfolio.group_list import seen_weight
from monitor.core.portfolio.under_rules import Decide, by_reload, renewed
from monitor.core.rules.settings import Rules
from monitor.core.stages.ahead import lines_ahead
from monitor.core.stages.decision import stays_open
from monitor.core.stages.stages import LIQUIDATION, STAGES, TABLE, Signal, Stage, signal_of
from monitor.core.valuation.bounds import decisive
from monitor.core.valuation.clearance import cleared
from monitor.core.valuation.ladder import counts
from monitor.core.valuation.remedies import next_line, terms_of
from monitor.core.valuation.valuation import Holding, Weight, band

LABEL_PREFIX = "label."


class Worth(NamedTuple):
    """One group at some prices: its two sums, the market value of its collateral, and what it owes."""

    weight: Weight
    market: Decimal
    owed: Decimal

    @property
    def sums(self) -> Sums:
        """As a sum of one group. Its debt is what it owes, also where its product judges it by what liabilities require."""
        return Sums(1, self.owed, self.weight.recognised, self.market)


class WholeBook(NamedTuple):
    """The book with the prices and rules of the same instant."""

    at: datetime
    prices: Prices
    rules: Rules
    snapshot: BookSnapshot


class PlainBookSnapshot:
    """Every group looked at, every figure exact."""

    is_partial = False

    def __init__(self, sights: Sequence[Sight], at: datetime, decide: Decide | None = None) -> None:
        """`decide`: see `under`; without it no time passes."""
        self._sights = sights
        self._at = at
        self._decide = decide or stage_then
        self._by_bounds = decide is not None
        """A reload decides a group whose price is missing too, where its best case says so."""

    def __len__(self) -> int:
        return len(self._sights)

    def coins(self, scope: Scope) -> Coins:
        held = frozenset(asset for s in self.within(scope) for asset, _, _ in s.held.collateral)
        return Coins(held, frozenset(asset for s in self.within(scope) for asset, _ in s.held.debts))

    def sweep(self, on: Prices, scope: Scope) -> Swept:
        moves: dict[tuple[Stage, Stage], Sums] = {}
        newly: dict[Stage, list[tuple[Sight, Weight]]] = {stage: [] for stage in STAGES}
        unknown, loss = 0, Loss()
        with exact():
            for sight in self.within(scope):
                is_known = sight.held.assets <= on.usd.keys()
                worth = best_worth(sight.held, on) if is_known or self._by_bounds else None
                if worth is None:
                    unknown += 1
                    continue
                stage, after = sight.state.stage, self._decide(sight, worth.weight, on, self._at)
                if stage == after and not is_known:
                    unknown += 1
                    continue
                moves[stage, after] = moves.get((stage, after), Sums()).plus(worth.sums)
                loss = loss.plus(loss_of(sight.held, worth, after))
                if stage != after:
                    newly[after].append((sight, worth.weight))
        return Swept(moves, unknown, loss, {stage: _worst_first(found) for stage, found in newly.items()})

    def under(self, rules: Rules) -> PlainBookSnapshot:
        with exact():
            sights = [renewed(sight, rules, self._at) for sight in self._sights]
        return PlainBookSnapshot(sights, self._at, by_reload(rules.lifecycle))

    def examples(self) -> Iterator[Group]:
        return (sight.group for sight in self._sights)

    def by_product(self) -> Mapping[str, int]:
        return Counter(sight.group.product for sight in self._sights)

    def exposures(self, by: str, on: Prices, scope: Scope, *, has_distances: bool = True) -> Exposures:
        total, unknown, rows = Sums(), 0, _Keyed()
        with exact():
            for sight in self.within(scope):
                worth = worth_of(sight.held, on)
                if worth is None:
                    unknown += 1
                    continue
                total = total.plus(worth.sums)
                distance = distance_of(worth.weight, sight.held, sight.state.stage) if has_distances else ZERO
                if by == "asset":
                    rows.add_coins(sight.held, worth, distance, on)
                else:
                    rows.add(key_of(sight, by), worth.sums, distance, worth.owed)
            return Exposures(rows.rows(), total, unknown, True)

    def pairs(self, issuers: Mapping[str, Sequence[str]], on: Prices, scope: Scope) -> list[Pair]:
        found: dict[tuple[str, str, str], Pair] = {}
        with exact():
            for sight in self.within(scope):
                if sight.held.assets <= on.usd.keys():
                    for pair in _pairs_of(sight.held, issuers, on):
                        key = pair[:3]
                        found[key] = _together(found[key], pair) if key in found else pair
        return list(found.values())

    def within(self, scope: Scope) -> Iterable[Sight]:
        """The groups of a scope."""
        return (s for s in self._sights if within(scope, s.group.labels)) if scope else self._sights


class _Keyed:
    """Sums and distances by key, as they are added up."""

    def __init__(self) -> None:
        self._sums: dict[str | None, Sums] = {}
        self._quantity: dict[str | None, Decimal] = {}
        self._nearest: dict[str | None, Decimal] = {}
        self._weighted: dict[str | None, tuple[Decimal, Decimal]] = {}

    def add(self, key: str | None, sums: Sums, distance: Decimal, debt: Decimal) -> None:
        self._sums[key] = self._sums.get(key, Sums()).plus(sums)
        self._nearest[key] = min(distance, self._nearest.get(key, distance))
        weighted, whole = self._weighted.get(key, (ZERO, ZERO))
        self._weighted[key] = weighted + distance * debt, whole + debt

    def add_coins(self, held: Holding, worth: Worth, distance: Decimal, on: Prices) -> None:
        for asset, quantity, ladder in held.collateral:
            value = quantity * on.usd[asset]
            self.add(asset, Sums(1, ZERO, counts(ladder, quantity, on.usd[asset]), value), distance, worth.owed)
            self._quantity[asset] = self._quantity.get(asset, ZERO) + quantity
        for asset, amount in held.debts:
            self._sums[asset] = self._sums.get(asset, Sums()).plus(Sums(0, amount * on.usd[asset]))

    def rows(self) -> list[Exposed]:
        return [self._row(key, sums) for key, sums in self._sums.items()]

    def _row(self, key: str | None, sums: Sums) -> Exposed:
        nearest = nearest_shown(self._nearest.get(key))
        return Exposed(key, sums, nearest, *_average(self._weighted.get(key)), self._quantity.get(key))


def worth_of(held: Holding, on: Prices) -> Worth | None:
    """A holding at these prices, exact; None while one is missing."""
    weight = seen_weight(held, on.usd)
    if weight is None:
        return None
    market = sum((quantity * on.usd[asset] for asset, quantity, _ in held.collateral), ZERO)
    owed = (
        sum((amount * on.usd[asset] for asset, amount in held.debts), ZERO) if held.tiers is not None else weight.debt
    )
    return Worth(weight, market, owed)


def best_worth(held: Holding, on: Prices) -> Worth | None:
    """The same, or while a price is missing the best that the group may be worth; None where that has no end."""
    worth = worth_of(held, on)
    weight = None if worth is not None else decisive(held, on.usd)
    if weight is None:
        return worth
    market, owed = (
        sum((amount * on.usd[asset] for asset, amount, *_ in rows if asset in on.usd), ZERO)
        for rows in (held.collateral, held.debts)
    )
    return Worth(weight, market, owed)


def stage_then(sight: Sight, weight: Weight, on: Prices, at: datetime) -> Stage:
    """The stage that an evaluation at these prices would leave. No time passes: no hold ends and no deadline comes."""
    held, stage = sight.held, sight.state.stage
    has_grace = sight.group.delayed_liquidation or held.version.is_grace_for_all
    lines = held.lines
    signal = signal_of(stage, band(weight, lines), has_grace, weight.at_or_below(lines.initial, lines.falls))
    if signal == Signal.INITIAL:
        is_blind = not on.untrusted.isdisjoint(held.assets)
        if is_blind or stays_open(sight.state, sight.group, at):
            return stage
    return stage_by(stage, signal)


def stage_by(stage: Stage, signal: Signal | None) -> Stage:
    """Where the stage table leads."""
    row = TABLE.get((stage, signal)) if signal is not None else None
    return stage if row is None else row.stage


def loss_of(held: Holding, worth: Worth, stage: str) -> Loss:
    """What liquidating one group would leave unpaid."""
    left = cleared(held.version.clearance, held.lines, worth.market, worth.owed)
    if stage != LIQUIDATION:
        return Loss(left.bankrupt, left.shortfall_usd)
    return Loss(left.bankrupt, left.shortfall_usd, left.fee_usd, left.shortfall_usd)


def distance_of(weight: Weight, held: Holding, stage: str) -> Decimal:
    """Percent by which recognised value may fall until the next line of a stage, to 8 places, rounded down; 0 where no line
    is ahead."""
    found = next_line(weight, held.lines, terms_of(held.lines, held.version), EIGHT_PLACES, lines_ahead(stage))
    return ZERO if found is None else found.distance_percent


def key_of(sight: Sight, by: str) -> str | None:
    """The value of the label, or the product."""
    return sight.group.product if by == "product" else sight.group.labels.get(by.removeprefix(LABEL_PREFIX))


def nearest_shown(distance: Decimal | None) -> Decimal | None:
    """A distance as it is shown."""
    return None if distance is None else round_down(distance, CENT)


def urgency(weight: Weight) -> float:
    """A key by which the worst comes first; it only puts in order."""
    if weight.recognised > 0:
        return -float(weight.debt) / float(weight.recognised)
    return float("-inf") if weight.debt else 0.0


def share_of(part: Decimal, whole: Decimal) -> Decimal | None:
    """The share, rounded down to 8 places; None of nothing."""
    return divide_down(part, whole, EIGHT_PLACES) if whole > 0 else None


def _average(weighted: tuple[Decimal, Decimal] | None) -> tuple[Decimal | None, Decimal]:
    """The average distance, and the debt that it is over."""
    distances, debt = weighted or (ZERO, ZERO)
    return (divide_down(distances, debt, CENT) if debt else None), debt


def _worst_first(found: list[tuple[Sight, Weight]]) -> Movers:
    ordered = [s for s, _ in sorted(found, key=lambda each: (urgency(each[1]), each[0].group.id))]
    return lambda: iter(ordered)


def _pairs_of(held: Holding, issuers: Mapping[str, Sequence[str]], on: Prices) -> Iterator[Pair]:
    for issuer, coins in issuers.items():
        for owed, amount in held.debts:
            for asset, quantity, _ in held.collateral:
                if owed in coins and asset in coins and quantity:
                    yield Pair(issuer, owed, asset, 1, amount * on.usd[owed], quantity * on.usd[asset])


def _together(a: Pair, b: Pair) -> Pair:
    return a._replace(
        groups=a.groups + b.groups, debt_usd=a.debt_usd + b.debt_usd, market_usd=a.market_usd + b.market_usd
    )
