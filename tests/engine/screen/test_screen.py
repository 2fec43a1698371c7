"""The fast screen against the exact one: no group at a line is missed, none that is clear of its lines is named."""

from concurrent.futures import Future, ThreadPoolExecutor
from decimal import Decimal

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.engine.columns.fields import GROUPS
from monitor.engine.screen import kernels, laying_kernels, look_kernels, screen
from monitor.engine.screen.arrays import MISSING, UNTRUSTED, LadderTiers
from monitor.engine.screen.layout import BlockSide, Loans
from monitor.engine.screen.screen import FastScreen
from monitor.engine.warm import warm
from tests.engine.desk import ASSETS, ScreenDesk
from tests.engine.model import Held, sides

D = Decimal


@pytest.fixture(params=[0, screen.SHIFT_COST, 10**9], ids=["shift", "either", "sweep"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Forces one of the two ways to the answer where both are open; two threads wherever there are two blocks."""
    monkeypatch.setattr(screen, "SHIFT_COST", request.param)
    monkeypatch.setattr(screen, "SHARE_FROM", 0)
    monkeypatch.setattr(screen, "SHARE_SWEEP_FROM", 0)


@pytest.mark.usefixtures("way")
@given(st.integers(0, 2**32), st.integers(1, 25))
@settings(max_examples=120, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_group_at_a_line_is_missed_and_none_clear_of_it_is_named(seed: int, steps: int) -> None:
    desk = ScreenDesk(seed)
    desk.put(0, 20)
    desk.put(1, 20)
    desk.check(None)
    for _ in range(steps):
        desk.step()
        desk.check(desk.random.choice((None, list(range(ASSETS)), [])))


@pytest.mark.usefixtures("way")
def test_groups_that_stand_exactly_on_a_line_are_named_at_every_tick_that_puts_them_there() -> None:
    desk = ScreenDesk(5)
    desk.put(0, 200)
    desk.check(None)
    for k in range(1, 40):
        asset, step = 1 + k % (ASSETS - 1), 1 + D(k) / 10**7
        desk.move([asset], lambda a, step=step: desk.start[a] * step)
        desk.check([asset])
        desk.move([asset], lambda a: desk.start[a])
        desk.check([asset])


@pytest.mark.usefixtures("way")
def test_liabilities_that_cancel_the_collateral_but_for_a_billionth_are_still_named_at_their_line() -> None:
    desk = ScreenDesk(11)
    desk.set_rules([(0, ((None, D(1)),)), (1, ((None, D("0.05")),)), (2, ())])
    desk.usd = [D(1), D("1.000000001"), D(7), *desk.usd[3:]]
    groups = {}
    for i in range(50):
        equity = D(10 ** (i % 10))
        line = D("0.05") * D(10**9) * D("1.000000001") / equity
        groups[i] = Held({0: D(10**9) * D("1.000000001") + equity}, {2: D(0)}, {1: D(10**9)})
        desk.model.lines[i] = None, line
    desk.fast.put_block(0, 50, *sides(groups))
    desk.model.groups = groups
    high = np.array([float(line) for _, line in desk.model.lines.values()])
    desk.fast.watch(np.arange(50), np.full(50, -1.0), high)
    assert desk.check(None) == set(range(50))
    desk.move([2], lambda _: D(8))
    desk.move([1], lambda _: D("1.000000002"))
    desk.check([1])
    desk.move([1], lambda _: D("1.000000001"))
    assert desk.check([1]) == set(range(50))


def test_the_guard_grows_with_what_is_owed_when_a_price_is_shifted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(screen, "SHIFT_COST", 0)
    desk = ScreenDesk(1)
    desk.set_rules([(0, ((None, D(1)),)), (1, ((None, D("0.05")),))])
    desk.usd = [D(1)] * ASSETS
    desk.model.groups = {0: Held({0: 7 * D(10) ** 9 + 10}, {}, {1: D(10) ** 9})}
    desk.fast.put_block(0, 1, *sides(desk.model.groups))
    desk.model.lines[0] = (
        None,
        D(7) * 10**7,
    )  # 0.05 x 7e9 is 5 of these; 10 are recognised at a price of 7, give or take 14
    desk.fast.watch(np.array([0]), np.array([-1.0]), np.array([7e7]))
    assert desk.check(None) == set()
    desk.move([1], lambda _: D(7))
    assert desk.check([1]) == {0}


def small(threads: int = 1) -> FastScreen:
    """Asset k is instrument k, recognised in full."""
    fast = FastScreen(threads)
    fast.instruments(np.arange(3, dtype=np.uint16), [[(np.inf, 1.0)]] * 3)
    return fast


def with_a_block() -> FastScreen:
    """One group, which holds as much as it owes."""
    fast, row = small(), np.zeros(1, np.uint16)
    one = BlockSide(row, row, np.ones(1))
    fast.put_block(0, 1, one, one, BlockSide(row[:0], row[:0], one.amount[:0]))
    return fast


GOOD = np.zeros(3, np.uint8)


LADDERS = [
    [(np.inf, 0.9)],
    [(10.0, 0.9), (100.0, 0.5), (np.inf, 0.1)],
    [(5.0, 1.0)],
    [],
    [(float(k), 0.9) for k in range(1, 12)],
]


def test_instruments_that_are_added_have_the_ladders_that_they_have_all_at_once() -> None:
    """Instruments come while a book is filled; those before them are not made again."""
    assets, further = np.array([0, 1, 1, 2, 0], np.uint16), np.array([0, 0, 1, 0, 0], np.uint8)
    whole, grown = FastScreen(1), FastScreen(1)
    whole.instruments(assets, LADDERS, further)
    for end in (0, 2, 2, 3, 5):
        grown.instruments(assets[:end], LADDERS[:end], further[:end], are_added=True)
    for column, one, other in zip(LadderTiers._fields, whole.laid[1], grown.laid[1], strict=True):
        np.testing.assert_array_equal(one, other, err_msg=column)
        assert one.dtype == other.dtype, column


@pytest.mark.parametrize(
    ("shifts", "factor", "is_swept"),
    [(screen.SHIFTS, 1.5, True), (5, 9.0, True), (5, 1 / 9, True), (5, 1.5, False)],
)
def test_sums_are_made_from_nothing_after_a_thousand_shifts_or_when_a_price_went_far(
    shifts: int, factor: float, is_swept: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(screen, "SHIFT_COST", 0)
    fast, price = small(), np.ones(3)
    fast.put_block(0, 1, *sides({0: Held({0: D(1), 1: D(2)}, {0: D(1)})}))
    fast.suspects(None, price, GOOD)
    for k in range(shifts):
        price[1] = 1.0 + k % 2
        fast.suspects([1], price, GOOD)
    fast._figures.seats.sums[1] += 5.0  # what is recognised of the first seat; stands for what rounding adds up to
    price[1] = factor
    fast.suspects([1], price, GOOD)
    assert (fast.recognised[0] == pytest.approx(1 + 2 * factor)) == is_swept


def test_rows_are_named_until_their_lines_are_set_and_never_after_they_are_cleared() -> None:
    fast = small()
    fast.put_block(0, 3, *sides({0: Held({0: D(2)}, {1: D(1)}), 1: Held({0: D(1)}), 2: Held()}))
    assert fast.suspects(None, np.ones(3), GOOD).tolist() == [0, 1, 2]
    fast.watch(np.array([0, 1]), np.array([-1.0, -1.0]), np.array([0.72, 0.72]))
    assert fast.suspects(None, np.ones(3), GOOD).tolist() == [2]
    fast.clear_row(2)
    assert fast.suspects(None, np.ones(3), GOOD).tolist() == []
    fast.put_block(0, 3, *sides({0: Held({0: D(2)}, {1: D(1)})}))
    assert fast.suspects([], np.ones(3), GOOD).tolist() == [0, 1, 2]


def test_debt_without_recognised_value_is_above_every_line_and_no_debt_below() -> None:
    fast = small()
    rows = {
        0: Held({}, {1: D(1)}),
        1: Held({}, {1: D(1)}),
        2: Held({0: D(1)}),
        3: Held({0: D(1)}),
        4: Held(),
        5: Held(),
    }
    fast.put_block(0, 6, *sides(rows))
    fast.watch(np.arange(6), np.array([-1, 0.5, -1, 0.5, -1, 0.0]), np.array([9.0, np.inf, 0.5, np.inf, 0.5, np.inf]))
    assert fast.suspects(None, np.ones(3), GOOD).tolist() == [0, 3, 5]


def test_a_missing_asset_without_end_parks_its_groups_and_an_untrusted_one_leaves_only_their_high_line() -> None:
    fast = small()
    fast.put_block(0, 2, *sides({0: Held({0: D(100)}, {1: D(50), 2: D(0)}), 1: Held({0: D(100)}, {1: D(90)})}))
    fast.watch(np.arange(2), np.full(2, 0.6), np.full(2, 0.8))
    assert fast.suspects(None, np.ones(3), GOOD).tolist() == [0, 1]
    assert fast.suspects([], np.ones(3), np.array([0, UNTRUSTED, 0], np.uint8)).tolist() == [1]
    assert fast.blind[:2].tolist() == [UNTRUSTED, UNTRUSTED]
    assert (
        fast.suspects([], np.array([1.0, 0.0, 1.0]), np.array([UNTRUSTED, MISSING, MISSING], np.uint8)).tolist() == []
    )
    assert fast.suspects([], np.ones(3), np.array([0, 0, MISSING], np.uint8)).tolist() == [0, 1]
    assert fast.blind[:2].tolist() == [0, 0]


def test_untrusted_assets_cost_no_look_while_nothing_moves() -> None:
    fast = small()
    fast.put_block(0, 2, *sides({0: Held({0: D(100)}, {1: D(50)}), 1: Held({0: D(100)}, {1: D(90)})}))
    fast.watch(np.arange(2), np.full(2, 0.6), np.full(2, 0.95))
    blind = np.array([UNTRUSTED, 0, 0], np.uint8)
    fast.suspects(None, np.ones(3), blind)
    assert fast.suspects([0, 1], np.ones(3), blind).tolist() == []


def test_holders_leave_out_cleared_rows_and_holdings_of_nothing() -> None:
    fast = small(2)
    fast.put_block(0, 3, *sides({0: Held({0: D(100)}, {1: D(50)}), 1: Held({0: D(0)}, {2: D(9)}), 2: Held({0: D(1)})}))
    fast.put_block(1, 1, *sides({0: Held({}, {0: D(7)})}))
    fast.clear_row(2)
    fast.suspects(None, np.array([2.0, 1.0, 1.0]), GOOD)
    assert fast.holders([0]).tolist() == [0, GROUPS]
    assert fast.holders([1, 2]).tolist() == [0, 1]
    assert fast.holders([77]).tolist() == []


def test_a_block_is_replaced_and_dropped_and_its_neighbours_stay_as_they_were() -> None:
    fast, rng = small(), np.random.default_rng(8)
    sizes = {}
    for _ in range(300):
        number = int(rng.integers(0, 6))
        size = int(rng.integers(1, 400))
        if rng.random() < 0.2 and number in sizes:
            fast.drop_block(number)
            del sizes[number]
        else:
            amount = np.arange(1, size + 1) + number * 1000.0
            row = np.arange(size, dtype=np.uint16)
            held = BlockSide(row, row % 3, amount)
            fast.put_block(
                number,
                size,
                held,
                held._replace(amount=amount / 2),
                held._replace(row=row[:0], instrument=row[:0], amount=amount[:0]),
            )
            sizes[number] = size
        fast.suspects([], np.ones(3), GOOD)
        for other, n in sizes.items():
            expected = np.arange(1, n + 1) + other * 1000.0
            np.testing.assert_array_equal(fast.recognised[other * GROUPS :][:n], expected)
            np.testing.assert_array_equal(fast.debt[other * GROUPS :][:n], expected / 2)
    used = sum(sizes.values()) * 2
    assert fast.nbytes["amounts"] <= 8 * (used * 2 + 6 * 800)


def test_other_debts_than_those_of_the_block_are_refused() -> None:
    fast = small()
    fast.put_block(0, 2, *sides({0: Held({}, {1: D(50)}), 1: Held({}, {1: D(50)})}))
    with pytest.raises(AssertionError):
        fast.owe(0, *sides({0: Held({}, {1: D(50)})})[1:])
    with pytest.raises(AssertionError):
        fast.owe(0, *sides({0: Held({}, {1: D(50)}), 1: Held({}, {2: D(50)})})[1:])


def test_debts_that_come_by_loan_lie_where_those_by_side_lie_and_others_are_refused() -> None:
    rng, n = np.random.default_rng(4), 300
    first = np.concatenate(([0], np.cumsum(rng.integers(0, 4, n)))).astype(np.uint32)
    size = int(first[-1])
    asset, owing = rng.integers(0, 3, size).astype(np.uint16), rng.random(size) < 0.9
    row, of = np.repeat(np.arange(n), np.diff(first)).astype(np.uint16), np.array([2, 0, 1], np.uint32)
    held = BlockSide(np.arange(n, dtype=np.uint16), rng.integers(0, 3, n).astype(np.uint16), rng.uniform(1, 9, n))
    none = BlockSide(row[:0], asset[:0], np.zeros(0))

    def owed(amount: np.ndarray) -> BlockSide:
        return BlockSide(row[owing], of[asset[owing]], amount[owing])

    by_side, by_loan, amount = small(), small(), rng.uniform(1, 9, size)
    for fast in (by_side, by_loan):
        fast.put_block(0, n, held, owed(amount), none)
    for _ in range(3):
        amount = rng.uniform(1, 9, size)
        by_side.owe(0, owed(amount), none)
        assert by_loan.owe_in_full(0, Loans(first, asset, owing, of), amount)
        for fast in (by_side, by_loan):
            fast.suspects([], np.array([1.0, 2.0, 3.0]), GOOD)
        np.testing.assert_array_equal(by_side.debt, by_loan.debt)
        np.testing.assert_allclose(
            by_loan.debt[:n], np.bincount(row[owing], (amount * (of[asset] + 1.0))[owing], n), rtol=1e-14
        )
    for other in (Loans(first, asset, ~owing, of), Loans(first, asset, owing, of[::-1].copy())):
        with pytest.raises(AssertionError, match="other debts"):
            by_loan.owe_in_full(0, other, amount)
    with pytest.raises(AssertionError, match="other groups"):
        by_loan.owe_in_full(0, Loans(first[:-1], asset, owing, of), amount)


def test_debts_by_loan_are_left_to_the_other_way_where_a_block_has_liabilities() -> None:
    fast = small()
    fast.put_block(0, 1, *sides({0: Held({0: D(9)}, {}, {1: D(5)})}))
    one = Loans(np.array([0, 1], np.uint32), np.zeros(1, np.uint16), np.ones(1, np.bool_), np.zeros(1, np.uint32))
    assert not fast.owe_in_full(0, one, np.ones(1))


def test_a_reader_meets_no_figure_of_another_group_while_groups_change_seats() -> None:
    fast, laid = small(), {0: Held({0: D(5)}), 1: Held({0: D(1), 1: D(1)}), 2: Held({0: D(1), 1: D(1), 2: D(5)})}
    fast.put_block(0, 3, *sides(laid))
    fast.suspects(None, np.ones(3), GOOD)
    asked: list[Future[np.ndarray]] = []
    with ThreadPoolExecutor(1) as other:

        def lay() -> None:
            """The seats are the other way round now, and the figures not yet."""
            turned = {2: laid[0], 1: laid[1], 0: laid[2]}
            held, owed, liable = map(screen._side, sides(turned))
            fast._layout.put(0, 3, (held, owed, liable), fast._tiers)
            asked.append(other.submit(lambda: fast.recognised[:3]))
            with pytest.raises(TimeoutError):
                asked[0].result(timeout=0.05)

        before = fast._figures.place(np.arange(3)).tolist()
        fast._figures.move(0, lay)
        assert asked[0].result().tolist() == [5.0, 2.0, 7.0]
        assert before == fast._figures.place(np.arange(3)).tolist()[::-1] == [0, 1, 2]
    assert fast.weighed(np.array([2, 0]))[1].tolist() == [7.0, 5.0]


@pytest.mark.parametrize("wrong", [{5: Held({0: D(1)})}, {0: Held({3: D(1)})}, {0: Held({0: D("inf")})}])
def test_rows_and_instruments_that_do_not_exist_are_refused_before_a_kernel_sees_them(wrong: dict[int, Held]) -> None:
    fast = small()
    with pytest.raises(AssertionError):
        fast.put_block(0, 5, *sides(wrong))
    for row in (-1, 0, GROUPS):
        with pytest.raises(AssertionError):
            fast.watch(np.array([row]), np.array([0.5, 0.5][: 1 + (row == 0)]), np.array([0.9]))


@pytest.mark.parametrize("price", [np.nan, np.inf])
def test_a_price_that_is_no_number_stops_everything(price: float) -> None:
    with pytest.raises(AssertionError):
        small().suspects(None, np.array([1.0, price, 1.0]), GOOD)


@pytest.mark.parametrize("row", [-1, GROUPS, 5 * GROUPS])
def test_lines_for_a_row_of_no_block_stop_everything(row: int) -> None:
    with pytest.raises(AssertionError, match="a row of no block"):
        with_a_block().watch(np.array([row]), np.zeros(1), np.ones(1))


def test_lines_come_in_any_array_of_numbers() -> None:
    """Loops are compiled for plain arrays alone: others are made so, and the answer is the same."""
    plain, other = with_a_block(), with_a_block()
    low, high = np.array([0.1, 9.0])[::-1][1:], np.array([9.0, 0.2], np.float32)[:1]
    plain.watch(np.zeros(1, np.int64), np.array([0.1]), np.array([9.0]))
    other.watch(np.zeros(1, np.int32), low, high)
    price = np.ones(6)[::2]
    np.testing.assert_array_equal(plain.suspects(None, np.ones(3), GOOD), other.suspects(None, price, GOOD))


def test_a_hundred_thousand_pairs_of_lines_of_their_own_are_kept_apart() -> None:
    fast, n = small(), 12 * GROUPS
    row = np.arange(GROUPS, dtype=np.uint16)
    one = BlockSide(row, row * 0, np.ones(GROUPS))
    for number in range(12):
        fast.put_block(number, GROUPS, one, one, BlockSide(row[:0], row[:0], one.amount[:0]))
    low = np.where(np.arange(n) % 3, 0.5, 1.0) + np.arange(n) * 1e-7
    fast.watch(np.arange(n), low, low + 1)
    below = np.flatnonzero(low * (1 + 1e-9) >= 1)
    np.testing.assert_array_equal(fast.suspects(None, np.ones(3), GOOD), below)
    for i in range(100):
        fast.watch([i], [-1.0], [np.inf])
    np.testing.assert_array_equal(fast.suspects(None, np.ones(3), GOOD), below[below >= 100])


def test_a_set_up_compiles_all_kernels_that_are_used() -> None:
    warm()
    doors = (
        look_kernels.look,
        look_kernels.sweep_part,
        look_kernels.shift_part,
        look_kernels.settle,
        laying_kernels.fill,
        laying_kernels.owe,
        laying_kernels.owe_in_full,
        look_kernels.watch,
        look_kernels.weighed,
        kernels.count_held,
        kernels.holders,
        kernels.by_row,
        kernels.flags_by_row,
    )
    compiled = [len(door.signatures) for door in doors]
    desk = ScreenDesk(3)
    for number in range(3):
        desk.put(number, 20)
    for _ in range(60):
        desk.step()
        desk.check(None)
        desk.fast.holders([0, 1])
    assert compiled == [1] * len(doors) == [len(door.signatures) for door in doors]
