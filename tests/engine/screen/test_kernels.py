"""The kernels against plain numpy and Decimal, one by one and on twenty thousand groups."""

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.money import exact
from monitor.core.rules.product import Ladder
from monitor.core.valuation.ladder import recognised
from monitor.engine.columns.fields import GROUPS
from monitor.engine.screen import kernels, screen
from monitor.engine.screen.arrays import BOTH, MISSING, UNTRUSTED
from monitor.engine.screen.layout import BlockSide
from monitor.engine.screen.screen import FastScreen, _tiers
from tests.engine.model import floats

D = Decimal
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


def laid(amounts: list[Decimal]) -> tuple[np.ndarray, np.ndarray]:
    """A sorted run of so many groups; behind it lies what belongs to others."""
    return np.array([*sorted(float(a) for a in amounts), 1e9, 1e9]), np.arange(len(amounts) + 2, dtype=np.uint16)


@given(ladders(), st.lists(cents, min_size=1, max_size=40), cents, st.data())
def test_a_run_counts_what_the_exact_ladder_recognises_also_at_its_bounds(
    ladder: Ladder, amounts: list[Decimal], price: Decimal, data: st.DataObject
) -> None:
    bounds = [bound for bound, _ in ladder if bound is not None]
    amounts = amounts + data.draw(st.lists(st.sampled_from(bounds), max_size=9)) if bounds else amounts
    price = data.draw(st.sampled_from((D(1), price)))
    amount, member = laid(amounts)
    into, tiers = np.zeros(amount.size), _tiers(np.zeros(1, np.uint16), [floats(ladder)])
    kernels.add_laddered(into, amount, member, 0, len(amounts), float(price), tiers, 0)
    with exact():
        wanted = [float(recognised(ladder, a * price)) for a in sorted(amounts)]
    np.testing.assert_allclose(into, [*wanted, 0, 0], rtol=1e-12)


@given(ladders(), st.lists(cents, min_size=1, max_size=40), cents, cents)
def test_a_shift_comes_to_what_the_new_price_alone_would_have_made(
    ladder: Ladder, amounts: list[Decimal], before: Decimal, after: Decimal
) -> None:
    amount, member = laid(amounts)
    tiers, n = _tiers(np.zeros(1, np.uint16), [floats(ladder)]), len(amounts)
    into, wanted, old = np.zeros(amount.size), np.zeros(amount.size), np.zeros(amount.size)
    kernels.add_laddered(old, amount, member, 0, n, float(before), tiers, 0)
    kernels.add_laddered(wanted, amount, member, 0, n, float(after), tiers, 0)
    into += old
    kernels.shift_laddered(into, amount, member, 0, n, float(before), float(after), tiers, 0)
    assert (np.abs(into - wanted) <= 1e-14 * (old + wanted)).all()


@pytest.mark.parametrize("n", [0, 1, 7, 8, 9, 16, 23])
def test_a_linear_run_of_any_length_is_added_and_its_neighbours_are_not(n: int) -> None:
    amount, member = laid([D(k + 1) for k in range(n)])
    into = np.zeros(n + 2)
    kernels.add_value(into, amount, member, 0, n, 3.0)
    np.testing.assert_array_equal(into, [*(3.0 * (k + 1) for k in range(n)), 0, 0])


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


@given(st.lists(st.integers(0, 30), unique=True).map(sorted), st.integers(0, 31))
def test_a_run_is_found_among_sorted_ones_or_not_at_all(numbers: list[int], wanted: int) -> None:
    instrument = np.array([99, *numbers, wanted], np.uint16)
    found = kernels.find_run(instrument, wanted, 1, len(numbers) + 1)
    assert found == (numbers.index(wanted) + 1 if wanted in numbers else -1)


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
