"""The kernels against plain numpy and Decimal, one by one and on twenty thousand groups."""

from decimal import Decimal
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numba import njit

from monitor.core.money import exact
from monitor.core.rules.product import Ladder
from monitor.core.valuation.ladder import recognised
from monitor.engine.columns.fields import GROUPS
from monitor.engine.screen import kernels, lanes, screen
from monitor.engine.screen.arena import side_by_side
from monitor.engine.screen.arrays import BOTH, FARS, MISSING, UNTRUSTED
from monitor.engine.screen.layout import BlockSide
from monitor.engine.screen.screen import FastScreen, _tiers
from tests.engine.model import floats

D = Decimal
NOTHING = BlockSide(np.empty(0, np.uint16), np.empty(0, np.uint32), np.empty(0))
cents = st.integers(1, 10**12).map(lambda n: D(n).scaleb(-2))
shares = st.integers(1, 100).map(lambda n: D(n).scaleb(-2))


@st.composite
def ladders(draw: st.DrawFn) -> Ladder:
    """Falling or rising shares, one to six tiers, with or without a last bound."""
    n = draw(st.integers(1, 6))
    tiers = sorted(draw(st.lists(shares, min_size=n, max_size=n)), reverse=draw(st.booleans()))
    bounds = sorted(draw(st.sets(cents, min_size=n, max_size=n)))
    last = draw(st.sampled_from((None, bounds[-1])))
    return tuple(zip((*bounds[:-1], last), tiers, strict=True))


@given(ladders(), st.lists(cents, min_size=1, max_size=40), cents, st.data())
def test_a_value_counts_what_the_exact_ladder_recognises_also_at_its_bounds(
    ladder: Ladder, amounts: list[Decimal], price: Decimal, data: st.DataObject
) -> None:
    bounds = [bound for bound, _ in ladder if bound is not None]
    amounts = amounts + data.draw(st.lists(st.sampled_from(bounds), max_size=9)) if bounds else amounts
    price = data.draw(st.sampled_from((D(1), price)))
    tiers = _tiers(np.zeros(2, np.uint16), [floats(ladder)] * 2)
    counted = [kernels.counted(tiers, 1, float(a) * float(price)) for a in amounts]
    with exact():
        wanted = [float(recognised(ladder, a * price)) for a in amounts]
    np.testing.assert_allclose(counted, wanted, rtol=1e-12)


def test_ladders_of_more_tiers_than_there_are_lines_and_those_that_rise_are_walked() -> None:
    many = [(float(k + 1), 1.0 - k / 20) for k in range(12)]
    tiers = _tiers(np.zeros(3, np.uint16), [many, many[:4], [(1.0, 0.1), (np.inf, 0.2)]])
    assert tiers.is_falling.tolist() == [0, 1, 0]
    assert kernels.counted(tiers, 0, 99.0) == pytest.approx(sum(share for _, share in many))
    assert kernels.counted(tiers, 1, 99.0) == pytest.approx(1 + 0.95 + 0.9 + 0.85)
    assert kernels.counted(tiers, 2, 3.0) == pytest.approx(0.1 + 0.4)


def test_a_position_that_comes_to_another_tier_counts_by_it_at_the_next_look_and_back_again() -> None:
    rng = np.random.default_rng(8)
    shares = [0.9, 0.9, 0.7, 0.5, 0.4, 0.2, 0.1, 0.0, 0.0, 0.0]
    tables = [[(10.0**k, share) for k, share in enumerate(shares[:n])] for n in range(1, 11)]
    tables += [[*table[:-1], (np.inf, table[-1][1])] for table in tables]
    coins = np.arange(len(tables), dtype=np.uint16)
    amount, price = np.ones(coins.size), np.ones(coins.size)
    fast, good = FastScreen(1), np.zeros(coins.size, np.uint8)
    fast.instruments(coins, tables)
    held = BlockSide(coins, coins.astype(np.uint32), amount)  # each coin has a group of its own
    fast.put_block(0, coins.size, held, BlockSide(coins[:1], coins[:1].astype(np.uint32), amount[:1]), NOTHING)
    tiers, seen = _tiers(coins, tables), set()
    for _ in range(400):
        price = np.where(rng.random(coins.size) < 0.7, 10.0 ** rng.integers(-1, 10, coins.size), price)
        price *= rng.choice([1.0, rng.uniform(0.5, 2.0)])
        fast.suspects(None, price, good)
        wanted = [kernels.counted(tiers, int(i), price[i]) for i in coins]
        np.testing.assert_allclose(fast.recognised[: coins.size], wanted, rtol=1e-14)
        store, _ = fast.laid
        seen.update(store.far.line[: store.head[0, FARS]].tolist())
    assert len(seen) > 60


@pytest.mark.parametrize("slots", [0, 1, 2, 7, 24])
def test_slots_are_added_to_eight_groups_and_to_no_other_and_the_plain_twin_agrees(slots: int) -> None:
    rng = np.random.default_rng(slots)
    amount, run = rng.uniform(0, 9, 8 * slots + 16), rng.integers(0, 50, 8 * slots + 16).astype(np.uint16)
    unit, into = rng.uniform(0, 9, 50), np.arange(24.0)
    wanted = into.copy()
    wanted[8:16] += (amount * unit[run])[8 : 8 * slots + 8].reshape(-1, 8).sum(axis=0)
    for add in (kernels.add_slots, lanes.add_slots_plainly):
        sums = into.copy()
        through(add)(amount, run, unit, 8, slots, sums, 8)
        np.testing.assert_allclose(sums, wanted, rtol=1e-14)


@given(st.lists(st.tuples(*[st.sampled_from((0.0, 0.5, 1.0, 2.0, np.inf))] * 4), min_size=8, max_size=8))
def test_eight_groups_are_tested_as_one_is(groups: list[tuple[float, float, float, float]]) -> None:
    debt, recognised, low, high = np.array(groups).T.copy()
    debt = np.where(np.isfinite(debt), debt, 3.0)
    recognised = np.where(np.isfinite(recognised), recognised, 3.0)
    low[low == 0.5] = -np.inf
    band = np.arange(7, -1, -1, dtype=np.uint32)
    with np.errstate(invalid="ignore"):
        alone = [
            kernels.crossed(debt[i], recognised[i], 0.0, low[7 - i], high[7 - i], 0) << i
            for i in range(8)
            if np.isfinite(low[7 - i]) or low[7 - i] < 0
        ]
    is_known = sum(1 << i for i in range(8) if np.isfinite(low[7 - i]) or low[7 - i] < 0)
    amount, run, unit = debt, np.ones(8, np.uint16), np.ones(2)
    for weigh in (kernels.weigh_slice, lanes.weigh_slice_plainly):
        seed, sums = recognised.copy(), side_by_side((16, np.float64))[0]
        found = through(weigh)(amount, run, unit, 0, 0, 1, seed, 0, sums, band, 0, low, high)
        assert found & is_known == sum(alone)
        np.testing.assert_array_equal(sums.reshape(8, 2), np.c_[debt, recognised])
        np.testing.assert_array_equal(seed, recognised)


@pytest.mark.parametrize(("held", "owed"), [(0, 0), (1, 2), (7, 1), (24, 3)])
def test_a_slice_is_weighed_onto_its_seed_and_the_plain_twin_agrees(held: int, owed: int) -> None:
    rng = np.random.default_rng(held)
    amount, run = rng.uniform(0, 9, 8 * (held + owed) + 16), rng.integers(0, 50, 8 * (held + owed) + 16)
    unit, seeds = rng.uniform(0, 9, 50), rng.uniform(0, 99, 24)
    value = (amount * unit[run])[8 : 8 + 8 * (held + owed)].reshape(-1, 8)
    debt, recognised = value[held:].sum(axis=0), seeds[8:16] + value[:held].sum(axis=0)
    band, low, high = np.arange(24, dtype=np.uint32) % 3, np.array([-np.inf, 0.2, 0.9]), np.array([0.1, 0.8, np.inf])
    at = band[16:]
    beyond = ((debt >= high[at] * recognised) & (debt > 0)) | (debt <= low[at] * recognised)
    for weigh in (kernels.weigh_slice, lanes.weigh_slice_plainly):
        seed, sums = seeds.copy(), side_by_side((48, np.float64))[0]
        sums[:] = 0.0
        found = through(weigh)(amount, run.astype(np.uint16), unit, 8, held, owed, seed, 8, sums, band, 16, low, high)
        assert found == sum(int(b) << k for k, b in enumerate(beyond))
        np.testing.assert_allclose(sums[32:], np.c_[debt, recognised].ravel(), rtol=1e-14)
        assert not sums[:32].any()
        np.testing.assert_array_equal(seed, seeds)


def test_the_least_line_of_the_plain_twin_is_that_of_the_wide_one() -> None:
    rng = np.random.default_rng(5)
    slope, intercept = rng.uniform(0, 1, 24), rng.uniform(0, 1e6, 24)
    for value in rng.uniform(0, 1e7, 50).tolist():
        wide = through(kernels.least_line)(slope, intercept, 2, value)
        assert wide == pytest.approx(lanes.least_line_plainly(slope, intercept, 2, value), rel=1e-15)


@lru_cache
def through(function: Any) -> Any:
    """A function that is compiled, called from Python."""
    return function if hasattr(function, "signatures") else njit(lambda *args: function(*args))


@pytest.mark.parametrize(
    ("debt", "recognised", "owed", "low", "high", "blind", "is_named"),
    [
        # debt  recognised owed  low      high    blind
        (72.0,  100.0,     0.0,  -np.inf, 0.72,   0,         True),
        (71.9,  100.0,     0.0,  -np.inf, 0.72,   0,         False),
        (65.0,  100.0,     0.0,  0.65,    np.inf, 0,         True),
        (65.1,  100.0,     0.0,  0.65,    np.inf, 0,         False),
        (65.0,  100.0,     0.0,  0.65,    np.inf, UNTRUSTED, False),
        (72.0,  100.0,     0.0,  -np.inf, 0.72,   UNTRUSTED, True),
        (72.0,  100.0,     0.0,  -np.inf, 0.72,   MISSING,   True),   # at best it is on its line
        (72.0,  101.0,     0.0,  0.9,     0.72,   MISSING,   False),  # nothing good follows
        (72.0,  np.inf,    0.0,  0.9,     0.72,   MISSING,   False),
        (1.0,   np.inf,    0.0,  0.9,     0.72,   MISSING | BOTH, True),   # core must look
        (0.0,   np.inf,    0.0,  0.9,     0.72,   MISSING | BOTH, False),
        (1.0,   0.0,       0.0,  0.5,     9.0,    0,         True),   # debt, nothing recognised: above every line
        (1.0,   0.0,       0.0,  0.5,     np.inf, 0,         False),
        (1.0,   -5.0,      50.0, 0.5,     np.inf, 0,         False),
        (1.0,   -5.0,      50.0, -np.inf, 9.0,    0,         True),
        (0.0,   0.0,       0.0,  0.0,     0.5,    0,         True),   # no debt: below every line
        (0.0,   0.0,       0.0,  -np.inf, 0.5,    0,         False),
        (0.0,   -5.0,      50.0, 0.5,     0.9,    0,         True),
        (0.0,   100.0,     0.0,  0.5,     0.9,    UNTRUSTED, False),
        (9.0,   10.0,      1e9,  -np.inf, 1.0,    0,         True),   # 10 is 1e9 less 1e9: the guard is that of 1e9
        (9.0,   10.0,      1e6,  -np.inf, 1.0,    0,         False),
    ],
)  # fmt: skip
def test_who_is_named(
    debt: float, recognised: float, owed: float, low: float, high: float, blind: int, is_named: bool
) -> None:
    assert kernels.crossed(debt, recognised, owed, low, high, blind) == is_named


GROUPS_IN_ALL, COINS = 20_000, 60
BOUND = 50_000.0


class Columns:
    """A seeded book of 20,000 groups as plain columns, and the obvious numpy weighing of it."""

    def __init__(self) -> None:
        r = self.rng = np.random.default_rng(3)
        keys = np.unique(np.repeat(np.arange(GROUPS_IN_ALL), 8) * COINS + r.zipf(1.3, GROUPS_IN_ALL * 8) % COINS)
        self.row, self.coin = keys // COINS, keys % COINS
        self.amount = np.exp(r.normal(3, 2, keys.size))
        self.debt_row = np.repeat(np.arange(GROUPS_IN_ALL), r.integers(0, 3, GROUPS_IN_ALL))
        self.debt_coin = r.integers(0, COINS, self.debt_row.size)
        self.price = np.exp(r.normal(2, 2, COINS))
        self.debt = np.zeros(self.debt_row.size)
        recognised, _ = self.weigh(self.price)
        worth = recognised[self.debt_row] * r.uniform(0.1, 0.6, self.debt_row.size)
        self.debt = worth / self.price[self.debt_coin]

    def weigh(self, price: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        value = self.amount * price[self.coin]
        counted = np.where(value <= BOUND, 0.9 * value, 0.9 * BOUND + 0.5 * (value - BOUND))
        debt = np.bincount(self.debt_row, self.debt * price[self.debt_coin], GROUPS_IN_ALL)
        return np.bincount(self.row, counted, GROUPS_IN_ALL), debt

    def screen(self, threads: int) -> FastScreen:
        fast = FastScreen(threads)
        fast.instruments(np.arange(COINS, dtype=np.uint16), [[(BOUND, 0.9), (np.inf, 0.5)]] * COINS)
        for number in range(-(-GROUPS_IN_ALL // GROUPS)):
            parts = []
            for row, coin, amount in ((self.row, self.coin, self.amount), (self.debt_row, self.debt_coin, self.debt)):
                here = row // GROUPS == number
                parts.append(
                    BlockSide(row[here].astype(np.uint16) % GROUPS, coin[here].astype(np.uint16), amount[here])
                )
            size = min(GROUPS, GROUPS_IN_ALL - number * GROUPS)
            fast.put_block(number, size, *parts, BlockSide(*(column[:0] for column in parts[0])))
        return fast

    def lines(self) -> tuple[np.ndarray, np.ndarray]:
        """The band that each group is in, as low and high."""
        recognised, debt = self.weigh(self.price)
        marks = np.array([-1.0, 0.72, 0.77, 0.91, np.inf])
        with np.errstate(invalid="ignore"):
            at = np.searchsorted(marks, debt / recognised, side="right") - 1
        return np.nextafter(marks[at], -2), marks[at + 1]


@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("cost", [0, 10**9])
def test_twenty_thousand_groups_are_named_as_plain_numpy_names_them(
    threads: int, cost: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "SHIFT_COST", cost)
    monkeypatch.setattr(screen, "SHARE_FROM", 0)
    monkeypatch.setattr(screen, "SHARE_SWEEP_FROM", 0)
    book = Columns()
    fast = book.screen(threads)
    low, high = book.lines()
    fast.watch(np.arange(GROUPS_IN_ALL), low, high)
    price, good, calls = book.price, np.zeros(COINS, np.uint8), 0
    fast.suspects(None, price, good)
    for k in (1, 2, 5, 20, COINS) * 4:
        moved = book.rng.choice(COINS, k, replace=False)
        price = price.copy()
        price[moved] *= np.exp(book.rng.normal(0, 0.01, k))
        recognised, debt = book.weigh(price)
        holds = np.isin(book.coin, moved), np.isin(book.debt_coin, moved)
        touched = np.isin(np.arange(GROUPS_IN_ALL), np.concatenate([book.row[holds[0]], book.debt_row[holds[1]]]))
        beyond = ((debt > 0) & (debt >= high * recognised * (1 - 1e-9))) | (debt <= low * recognised * (1 + 1e-9))
        wanted = np.flatnonzero(beyond & (touched | (cost > 0)))
        np.testing.assert_array_equal(fast.suspects(moved.tolist(), price, good), wanted)
        np.testing.assert_allclose(fast.recognised[:GROUPS_IN_ALL], recognised, rtol=1e-12)
        np.testing.assert_allclose(fast.debt[:GROUPS_IN_ALL], debt, rtol=1e-12)
        calls += wanted.size
    assert calls > 1000


def test_a_thousand_shifts_leave_sums_that_a_sweep_confirms_far_inside_the_guard(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(screen, "SHIFT_COST", 0)
    book = Columns()
    fast, good = book.screen(1), np.zeros(COINS, np.uint8)
    price = book.price.copy()
    fast.suspects(None, price, good)
    for k in range(900):
        price[k % COINS] = book.price[k % COINS] * book.rng.uniform(1 / 7, 7)
        fast.suspects([k % COINS], price, good)
    recognised, debt = book.weigh(price)
    np.testing.assert_allclose(fast.recognised[:GROUPS_IN_ALL], recognised, rtol=1e-12)
    np.testing.assert_allclose(fast.debt[:GROUPS_IN_ALL], debt, rtol=1e-12)
