"""A seeded loan book in columns, the same for every contender: 8 collateral positions and 1.6 debts a group, 600 assets.

Quantities and prices are integers of 1e-8, ladders integers of USD and of basis points: what a float64 computes from
them can be held against a Decimal. The first n groups of a book are a book of n groups.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Ladder = list[tuple[int | None, int]]
"""Marginal tiers: (upper bound in USD or None, share recognised in basis points), as a product file states them."""

ASSETS, STABLES, MAJORS = 600, 12, 10
MAJOR_USD = (97231.4, 3412.77, 612.3, 188.41, 2.31, 0.71, 0.29, 92.4, 14.2, 411.0)
TIERS = 8
SCALE = 100_000_000
LINES_BP = np.array([[7200, 7700, 9100, 9500], [6500, 7500, 8300, 9000], [7800, 8500, 9200, 9600]])
"""Three profiles of a desk's four lines, in basis points of LTV; held by 80, 15 and 5 % of the groups."""
LINES = LINES_BP / 10_000


@dataclass(frozen=True)
class Market:
    """What an asset is worth and how much of it counts."""

    price: Ints
    """In units of 1e-8 USD, by asset."""
    ladders: list[Ladder]
    popularity: Floats
    """How likely a position is in an asset: by Zipf's law, the major coins first."""

    @cached_property
    def usd(self) -> Floats:
        return self.price / SCALE

    @cached_property
    def bounds(self) -> Floats:
        """Upper bound of the first tier, by asset."""
        return np.array([np.inf if ladder[0][0] is None else ladder[0][0] for ladder in self.ladders], np.float64)

    @cached_property
    def lines(self) -> tuple[Floats, Floats]:
        """(slope, intercept) by asset and tier: as shares never rise, what counts of a value is the lowest of its lines."""
        slope, intercept = np.empty((len(self.ladders), TIERS)), np.zeros((len(self.ladders), TIERS))
        for a, ladder in enumerate(self.ladders):
            base = 0.0
            for k in range(TIERS):
                tier = min(k, len(ladder) - 1)
                slope[a, k] = ladder[tier][1] / 10_000
                bound = ladder[k - 1][0] if 0 < k < len(ladder) else None
                base += 0.0 if bound is None else bound * (ladder[k - 1][1] - ladder[k][1]) / 10_000
                intercept[a, k] = base
        return slope, intercept


@dataclass(frozen=True)
class Positions:
    """Who holds or owes what, group after group: those of group g are at start[g] to start[g + 1]."""

    start: Ints
    group: npt.NDArray[np.int32]
    asset: npt.NDArray[np.uint16]
    units: Ints
    """How many units of 1e-8 of a coin."""

    @cached_property
    def quantity(self) -> Floats:
        return self.units / SCALE

    def first(self, groups: int) -> Positions:
        """Those of the first groups."""
        end = int(self.start[groups])
        return Positions(self.start[: groups + 1], self.group[:end], self.asset[:end], self.units[:end])

    def __len__(self) -> int:
        return len(self.asset)


@dataclass(frozen=True)
class Book:
    """Loan groups in columns."""

    market: Market
    collateral: Positions
    debts: Positions
    profile: npt.NDArray[np.uint8]
    """Which row of LINES a group is judged by."""

    def __len__(self) -> int:
        return len(self.profile)

    def first(self, groups: int) -> Book:
        """The first groups as a book of their own."""
        return Book(self.market, self.collateral.first(groups), self.debts.first(groups), self.profile[:groups])


def market(seed: int = 1) -> Market:
    """Stable, major and other coins with ladders of 2-8 tiers."""
    rng = np.random.default_rng(seed)
    usd = np.exp(rng.uniform(np.log(2e-3), np.log(300), ASSETS))
    usd[:STABLES] = 1 + rng.normal(0, 2e-4, STABLES)
    usd[STABLES : STABLES + MAJORS] = MAJOR_USD
    popularity = np.empty(ASSETS)
    ranked = np.r_[STABLES : STABLES + 3, 0:3, STABLES + 3 : STABLES + MAJORS, 3:STABLES, STABLES + MAJORS : ASSETS]
    popularity[ranked] = 1.0 / np.arange(1, ASSETS + 1) ** 0.9
    return Market(_rounded(usd), [_ladder(a, rng) for a in range(ASSETS)], popularity / popularity.sum())


def book(groups: int, market: Market, seed: int = 7, ltv: Floats | None = None) -> Book:
    """A book of those LTVs; without any they lie round 50 %, with every twentieth group beyond 72 %."""
    rng = np.random.default_rng(seed)
    collateral = _collateral(groups, market, rng)
    counted = recognised(market, collateral.quantity * market.usd[collateral.asset], collateral.asset)
    limit = np.maximum(np.add.reduceat(counted, collateral.start[:-1]), 1.0)
    debts = _debts(limit * (rng.beta(5, 4, groups) * 0.9 if ltv is None else ltv), market, rng)
    return Book(market, collateral, debts, rng.choice(3, groups, p=[0.8, 0.15, 0.05]).astype(np.uint8))


def walk(price: Ints, rng: np.random.Generator, sigma: float, drift: float = 0.0) -> Ints:
    """The next prices: all move, by a common factor and each by itself, stable coins by a twentieth and without drift."""
    spread, trend = np.full(len(price), sigma), np.full(len(price), drift)
    spread[:STABLES] /= 20
    trend[:STABLES] = 0.0
    common = rng.normal() * 0.6
    moved = price * np.exp(trend + spread * (0.8 * rng.normal(size=len(price)) + common))
    return np.maximum(np.round(moved), 1).astype(np.int64)


def recognised(market: Market, value: Floats, asset: npt.NDArray[np.uint16]) -> Floats:
    """What counts of each position's value in USD."""
    slope, intercept = market.lines
    counted = value * slope[asset, 0]
    large = np.flatnonzero(value > market.bounds[asset])
    a = asset[large]
    counted[large] = np.min(slope[a] * value[large, None] + intercept[a], axis=1)
    return counted


def exact_ltv(book: Book, group: int, usd: list[Decimal]) -> tuple[Decimal, Decimal]:
    """(debt, recognised collateral) of one group by the textbook's tiers, which know nothing of lines."""
    unit = Decimal(1).scaleb(-8)
    counted = debt = Decimal(0)
    held, owed = book.collateral, book.debts
    for j in range(held.start[group], held.start[group + 1]):
        value, floor = int(held.units[j]) * unit * usd[held.asset[j]], Decimal(0)
        for bound, share in book.market.ladders[held.asset[j]]:
            top = value if bound is None else min(value, Decimal(bound))
            counted += (top - floor) * share / 10_000
            if top == value:
                break
            floor = top
    for j in range(owed.start[group], owed.start[group + 1]):
        debt += int(owed.units[j]) * unit * usd[owed.asset[j]]
    return debt, counted


def exact_usd(price: Ints) -> list[Decimal]:
    """Prices as Decimals in USD."""
    return [Decimal(int(p)).scaleb(-8) for p in price]


def _rounded(x: Floats) -> Ints:
    """Eight significant digits, in whole units of 1e-8, at least one."""
    exponent = np.floor(np.log10(x)) - 7
    digits = np.round(x / 10.0**exponent)
    units = np.where(exponent >= -8, digits * 10.0 ** np.maximum(exponent + 8, 0), np.round(x * SCALE))
    return np.maximum(units.astype(np.int64), 1)


def _ladder(asset: int, rng: np.random.Generator) -> Ladder:
    if asset < STABLES:
        tiers, share, bound = 3, 10_000, 5_000_000
    elif asset < STABLES + MAJORS:
        tiers, share, bound = 8, 10_000 if asset < STABLES + 3 else 9_500, 1_000_000
    else:
        tiers, share = int(rng.integers(2, 9)), int(rng.integers(10, 20)) * 500
        bound = int(rng.choice([50_000, 100_000, 250_000, 1_000_000]))
    ladder: Ladder = []
    for k in range(tiers):
        ladder.append((bound if k < tiers - 1 else None, share))
        bound *= int(rng.integers(2, 4))
        share = max(0, share - int(rng.integers(1, 5)) * 500)
    return ladder


def _collateral(groups: int, market: Market, rng: np.random.Generator) -> Positions:
    """Log-normal portfolios, 1-24 different assets each."""
    count = np.clip(rng.poisson(7.0, groups) + 1, 1, 24)
    start, group = _start(count), np.repeat(np.arange(groups, dtype=np.int32), count)
    asset = _different(rng.choice(ASSETS, len(group), p=market.popularity), group, rng)
    worth = np.exp(rng.normal(np.log(200_000), 1.8, groups))
    value = _parts(rng.exponential(1, len(group)), start, group, worth)
    return Positions(start, group, asset, _rounded(np.maximum(value / market.usd[asset], 1e-6)))


def _debts(owed: Floats, market: Market, rng: np.random.Generator) -> Positions:
    """1-3 loans a group, mostly of stable coins."""
    count = rng.choice([1, 2, 3], len(owed), p=[0.55, 0.3, 0.15])
    start, group = _start(count), np.repeat(np.arange(len(owed), dtype=np.int32), count)
    weight = np.where(np.arange(ASSETS) < STABLES, 1.0, 0.02) * market.popularity
    asset = rng.choice(ASSETS, len(group), p=weight / weight.sum()).astype(np.uint16)
    value = _parts(rng.exponential(1, len(group)) + 0.05, start, group, owed)
    return Positions(start, group, asset, _rounded(np.maximum(value / market.usd[asset], 1e-7)))


def _start(count: Ints) -> Ints:
    return np.concatenate([[0], np.cumsum(count)])


def _parts(weight: Floats, start: Ints, group: npt.NDArray[np.int32], total: Floats) -> Floats:
    """Splits each group's total over its positions."""
    share: Floats = (total / np.add.reduceat(weight, start[:-1]))[group]
    return weight * share


def _different(asset: Ints, group: npt.NDArray[np.int32], rng: np.random.Generator) -> npt.NDArray[np.uint16]:
    """Redraws, evenly, what a group would hold twice; a group's assets come out sorted."""
    key = np.sort(group * np.int64(ASSETS) + asset)
    while len(twice := np.flatnonzero(key[1:] == key[:-1])):
        key[twice] += rng.integers(0, ASSETS, len(twice)) - key[twice] % ASSETS
        key.sort()
    return (key % ASSETS).astype(np.uint16)
