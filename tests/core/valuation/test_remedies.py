"""What to add or repay, liquidation prices, and what may leave: rules 7, 8, 13 and 17-20, readings A5 and A15."""

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from monitor.core.money import EIGHT_PLACES, exact, plain
from monitor.core.rules.product import Ladder
from monitor.core.valuation.ladder import recognised
from monitor.core.valuation.remedies import (
    LTV_TERMS,
    LineFactors,
    PermitLines,
    Permitted,
    Valued,
    cure,
    liquidation_prices,
    permitted,
)
from monitor.core.valuation.valuation import Position
from tests.core.alerts.slow_body import price as slow_price
from tests.core.valuation.test_ladder import ladders, tiers
from tests.reference import figures

D = Decimal
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "vip_stages.json").read_text())
CRYPTO_A = [["1000000", "1"], ["inf", "0.8"]]
INITIAL, CALL, LINE = D("0.72"), D("0.77"), D("0.91")
LINES = PermitLines(INITIAL, CALL)


def position(asset: str, quantity: Decimal, price: Decimal, ladder: Ladder) -> Position:
    with exact():
        value = quantity * price
        return Position(asset, quantity, price, value, recognised(ladder, value))


# -- cure --


@pytest.mark.parametrize("case", GOLDEN["cure"], ids=[c["debt"] for c in GOLDEN["cure"]])
def test_rule_13_the_official_figures_rounded_up_to_cents(case: dict[str, str]) -> None:
    way = cure(Valued(D(case["debt"]), D(case["recognised"]), [], {}), INITIAL)
    assert way.repay_usd == D(case["repay_to_initial"])
    exactly = D(case["add_recognised_to_initial"])
    assert exactly <= way.add_recognised_usd < exactly + D("0.01")


def test_the_example_of_an_alert() -> None:
    btc = position("BTC", D("12.5"), D("38210.4"), tiers([["inf", "1"]]))
    way = cure(Valued(D(1_000_000), D("1296673.2"), [btc], {"BTC": tiers([["inf", "1"]])}), INITIAL)
    assert (plain(way.repay_usd), plain(way.add_recognised_usd)) == ("66395.3", "92215.69")
    assert plain(way.by_asset["BTC"] or D(0)) == "2.41336623"


def test_what_needs_no_cure_asks_for_nothing() -> None:
    btc = position("BTC", D(1), D(100), tiers([["inf", "1"]]))
    for debt in ("0", "50", "72"):
        way = cure(Valued(D(debt), D(100), [btc], {"BTC": tiers([["inf", "1"]])}), INITIAL)
        assert (way.repay_usd, way.add_recognised_usd, way.by_asset) == (0, 0, {"BTC": 0})


CANNOT = [
    # ladder                                quantity  of it to add to bring 100 more (price 1, 1000 held)
    ([["inf", "0.5"]],                      "1000",   "200"),
    ([["1000", "1"], ["inf", "0.5"]],       "1000",   "200"),
    ([["1100", "1"]],                       "1000",   "100"),
    ([["1099.99", "1"]],                    "1000",   None),    # its ladder ends one cent too early
    ([["1000", "1"]],                       "1000",   None),
    ([["1000", "1"], ["inf", "0"]],         "1000",   None),
    ([["1050", "1"], ["1200", "0.5"]],      "1000",   "150"),
    ([["500", "1"], ["600", "0.5"]],        "1000",   None),    # beyond its ladder already
]  # fmt: skip


@pytest.mark.parametrize(("rows", "quantity", "add"), CANNOT)
def test_an_asset_whose_ladder_cannot_cure_is_null(rows: list[list[str]], quantity: str, add: str | None) -> None:
    ladder = tiers(rows)
    held = position("X", D(quantity), D(1), ladder)
    assert held.recognised is not None
    with exact():
        debt = INITIAL * (held.recognised + 100)
    by_asset = cure(Valued(debt, held.recognised, [held], {"X": ladder}), INITIAL).by_asset
    assert by_asset == {"X": None if add is None else D(add)}


class Case(NamedTuple):
    """A group of two assets with a debt that is some share of what they count."""

    rows: dict[str, list[list[str]]]
    held: list[Position]
    debt: Decimal
    counted: Decimal

    @property
    def ladders(self) -> dict[str, Ladder]:
        return {asset: tiers(rows) for asset, rows in self.rows.items()}

    @property
    def valued(self) -> Valued:
        return Valued(self.debt, self.counted, self.held, self.ladders)


amounts = st.decimals("0.0001", "100000", places=8)
prices = st.one_of(st.decimals("0.00000001", "1", places=12), st.decimals("1", "100000", places=8))


@st.composite
def cases(draw: st.DrawFn, low: str = "0.5", high: str = "1.2") -> Case:
    rows = {"X": draw(ladders()), "Y": draw(ladders())}
    held = [position(asset, draw(amounts), draw(prices), tiers(rows[asset])) for asset in rows]
    with exact():
        counted = sum((p.recognised for p in held if p.recognised is not None), D(0))
        debt = counted * draw(st.decimals(low, high, places=9)) + draw(st.decimals(0, "0.1", places=3))
    return Case(rows, held, debt, counted)


@given(cases())
def test_rule_13_following_the_repayment_or_the_addition_leads_to_initial_and_not_a_cent_more(case: Case) -> None:
    way = cure(case.valued, INITIAL)
    cent = D("0.01")
    with exact():
        assert case.debt - way.repay_usd <= INITIAL * case.counted
        assert case.debt <= INITIAL * (case.counted + way.add_recognised_usd)
        if way.repay_usd:
            assert case.debt - (way.repay_usd - cent) > INITIAL * case.counted
            assert case.debt > INITIAL * (case.counted + way.add_recognised_usd - cent)


@given(cases())
def test_rule_13_adding_so_much_of_one_asset_leads_to_initial_and_a_unit_less_does_not(case: Case) -> None:
    way = cure(case.valued, INITIAL)
    with exact():
        for p in case.held:
            add = way.by_asset[p.asset]
            assert p.price is not None
            assert p.recognised is not None

            def after(more: Decimal, p: Position = p) -> Decimal:
                assert p.price is not None
                assert p.recognised is not None
                value = (p.quantity + more) * p.price
                return case.counted - p.recognised + recognised(case.ladders[p.asset], value)

            if add is None:
                assert case.debt > INITIAL * after(D("1e24"))
            else:
                assert case.debt <= INITIAL * after(add)
                assert not add or case.debt > INITIAL * after(add - EIGHT_PLACES)


@given(cases())
def test_cure_agrees_with_the_reference_to_the_last_digit(case: Case) -> None:
    way = cure(case.valued, INITIAL)
    held = {p.asset: (p.quantity, p.price, case.rows[p.asset]) for p in case.held}
    want = figures.cure(case.debt, case.counted, INITIAL, held)
    assert plain(way.repay_usd) == want["repay_usd"]
    assert plain(way.add_recognised_usd) == want["add_recognised_usd"]
    assert {a: None if q is None else plain(q) for a, q in way.by_asset.items()} == want["by_asset"]


# -- liquidation price --


def test_the_official_liquidation_price_respects_the_ladder() -> None:
    case = GOLDEN["liquidation_price"]
    ladder = tiers(CRYPTO_A)
    held = position("A", D(case["qty"]), D(70_000), ladder)
    with exact():
        assert held.recognised == 5_800_000
        prices_ = liquidation_prices(Valued(D(case["debt"]), D(5_800_000), [held], {"A": ladder}), LINE, {}, {})
    shown = prices_["A"]
    assert shown is not None
    assert 0 <= shown - D(case["price"]) <= D("1e-8")
    for wrong in case["wrong"].values():
        assert abs(shown - D(wrong)) > 1


def ltv_at(case: Case, p: Position, price: Decimal, owed: Decimal) -> tuple[Decimal, Decimal]:
    """(debt, recognised) with one asset at another price, all else as it is."""
    assert p.price is not None
    assert p.recognised is not None
    debt = case.debt + owed * (price - p.price)
    return debt, case.counted - p.recognised + recognised(case.ladders[p.asset], p.quantity * price)


@settings(max_examples=300)
@given(cases(), st.one_of(st.just(D(0)), amounts))
def test_at_the_shown_price_the_ltv_is_the_line_and_just_below_it_the_line_is_reached(
    case: Case, owed: Decimal
) -> None:
    """With ladders, and with a coin that is pledged and owed: the debt holds `owed` of X, so both sides move."""
    with exact():
        x = case.held[0]
        assert x.price is not None
        case = case._replace(debt=case.debt + owed * x.price)
        shown = liquidation_prices(case.valued, LINE, {"X": owed}, {})
        for p in case.held:
            price, mine = shown[p.asset], owed if p.asset == "X" else D(0)
            if price is None:
                assert_never_meets(case, p, mine)
                continue
            debt, counted = ltv_at(case, p, price, mine)
            assert abs(debt - LINE * counted) <= LINE * counted * D("1e-10") + mine * EIGHT_PLACES
            is_long = not mine
            if is_long:
                assert debt <= LINE * counted  # rounded up: at the shown price the line is near, not past
                lower = price * (1 - D("1e-9")) - EIGHT_PLACES
                if lower > 0:
                    debt, counted = ltv_at(case, p, lower, mine)
                    assert debt >= LINE * counted


def assert_never_meets(case: Case, p: Position, owed: Decimal) -> None:
    """On a fine walk over prices the LTV stays on one side of the line."""
    assert p.price is not None
    sides = set()
    for step in range(-30, 31):
        debt, counted = ltv_at(case, p, p.price * (D(2) ** step), owed)
        sides.add(debt >= LINE * counted)
    assert len(sides) == 1


@given(cases())
def test_liquidation_prices_agree_with_the_reference_where_the_coin_is_not_owed(case: Case) -> None:
    shown = liquidation_prices(case.valued, LINE, {}, {})
    with exact():
        for p in case.held:
            assert p.recognised is not None
            want = figures.liquidation_price(
                case.debt, case.counted - p.recognised, p.quantity, case.rows[p.asset], LINE
            )
            got = shown[p.asset]
            assert (got is None) == (want is None)
            if got is not None and want is not None:
                assert 0 <= figures.Fraction(got) - want <= max(want / 10**11, figures.Fraction(1, 10**30))


@st.composite
def flat_ladders(draw: st.DrawFn) -> Ladder:
    """Tiers of which some count nothing, before others that do: at their edges a whole range of prices is at the line."""
    bounds = sorted(draw(st.sets(st.sampled_from([100, 200, 300, 500, 1000]), max_size=4)))
    shares = [draw(st.sampled_from([D(0), D("0.5"), D(1)])) for _ in bounds]
    last = draw(st.sampled_from([None, D(0), D("0.25")]))
    return tuple(zip(map(D, bounds), shares, strict=True)) + (() if last is None else ((None, last),))


@settings(max_examples=300)
@given(
    flat_ladders().filter(bool),
    st.sampled_from([D(0), D(1), D(50), D(100), D(150), D(250), D(700)]),
    st.sampled_from([D(0), D(20), D(100), D(250), D(999)]),
    st.sampled_from([D(0), D(1), D("2.5")]),
    st.sampled_from([LTV_TERMS, LineFactors(falls=True)]),
)
def test_the_short_way_to_a_liquidation_price_ends_where_the_long_one_does(
    ladder: Ladder, debt: Decimal, others: Decimal, quantity: Decimal, terms: LineFactors
) -> None:
    """On edges of tiers, with nothing owed or held, and where no price is at the line."""
    held = position("X", quantity, D(100), ladder)
    with exact():
        assert held.recognised is not None
        for line in (D("0.5"), D(1), D(2)):
            of = Valued(debt, others + held.recognised, [held], {"X": ladder}, terms)
            shown = liquidation_prices(of, line, {}, {})["X"]
            slow = slow_price(of, held, D(0), line)
            assert (shown is None) == (slow is None)
            assert shown is None or slow is None or plain(shown) == plain(slow)


def test_an_asset_that_does_not_decide_has_no_liquidation_price() -> None:
    whole = tiers([["inf", "1"]])
    stable, coin = position("S", D(1000), D(1), whole), position("C", D(1), D(100), whole)
    prices_ = liquidation_prices(Valued(D(500), D(1100), [stable, coin], {"S": whole, "C": whole}), LINE, {}, {})
    assert prices_["C"] is None
    assert prices_["S"] is not None


def test_a_coin_that_is_owed_and_pledged_has_its_price_where_both_sides_meet() -> None:
    """10 BTC pledged, 5 owed, and 400 other debt: 5 p + 400 = 0.91 x 10 p at p = 97.56..."""
    whole = tiers([["inf", "1"]])
    btc = position("BTC", D(10), D(200), whole)
    shown = liquidation_prices(Valued(D(1400), D(2000), [btc], {"BTC": whole}), LINE, {"BTC": D(5)}, {})
    assert shown["BTC"] == D("97.5609756098")


def test_of_two_prices_the_nearer_one_is_shown() -> None:
    """Short: 1000 USD counted at most from 10 BTC, 5 BTC owed. The line is met falling and rising."""
    ladder = tiers([["1000", "1"]])
    btc = position("BTC", D(10), D(100), ladder)
    shown = liquidation_prices(Valued(D(700), D(1000), [btc], {"BTC": ladder}), LINE, {"BTC": D(5)}, {})
    assert shown["BTC"] == 142  # 5 p + 200 = 910; falling it would be 48.78...


# -- what is permitted --

WHOLE = {"BTC": tiers([["inf", "1"]])}


def allowed(debt: str, counted: str = "100", is_calm: bool = True) -> Permitted:
    btc = position("BTC", D(counted), D(1), WHOLE["BTC"])
    return permitted(Valued(D(debt), D(counted), (btc,), WHOLE), LINES, {"a": {"BTC": D(counted)}}, is_calm)


PERMISSIONS = [
    # debt of 100   trade  move   withdraw  borrowable   rule 20
    ("0",           True,  True,  True,     "72"),
    ("71.99",       True,  True,  True,     "0.01"),
    ("71.999999",   True,  True,  True,     "0"),
    ("72",          True,  True,  False,    "0"),      # below initial is strict (rule 18)
    ("76.999999",   True,  True,  False,    "0"),
    ("77",          False, False, False,    "0"),      # reading A14: below margin call is strict
    ("96",          False, False, False,    "0"),
]  # fmt: skip


@pytest.mark.parametrize(("debt", "trade", "move", "withdraw", "borrowable"), PERMISSIONS)
def test_rule_17_to_20_what_may_be_done_at_each_ltv(
    debt: str, trade: bool, move: bool, withdraw: bool, borrowable: str
) -> None:
    now = allowed(debt)
    assert (now.trade, now.move_within_group, now.withdraw, now.borrowable_usd) == (
        trade,
        move,
        withdraw,
        D(borrowable),
    )
    assert set(now.withdrawable) == ({"BTC"} if withdraw else set())


def test_rule_07_no_new_order_while_one_is_in_margin_call() -> None:
    """The stage counts, not the LTV: a call that has not been cured yet is one."""
    assert allowed("10").new_order
    calling = allowed("10", is_calm=False)
    assert not calling.new_order
    assert calling.borrowable_usd == 0
    assert calling.withdraw
    assert not allowed("72").new_order


REMOVALS = [
    # what is left without account b, of a debt of 72      removable   rule 8, reading A15
    ("100.00000001",  True),
    ("100",           True),    # at most initial, unlike a withdrawal
    ("99.99999999",   False),
]  # fmt: skip


@pytest.mark.parametrize(("left", "removable"), REMOVALS)
def test_rule_08_an_account_may_leave_if_ltv_stays_at_most_initial(left: str, removable: bool) -> None:
    accounts = {"a": {"BTC": D(left)}, "b": {"BTC": D(50)}}
    btc = position("BTC", D(left) + 50, D(1), WHOLE["BTC"])
    now = permitted(Valued(D(72), btc.value or D(0), (btc,), WHOLE), LINES, accounts, True)
    assert ("b" in now.removable_accounts) == removable
    assert "a" not in now.removable_accounts


def test_rule_08_no_account_may_leave_at_or_above_initial() -> None:
    accounts = {"a": {"BTC": D(100)}, "empty": {}}
    btc = position("BTC", D(100), D(1), WHOLE["BTC"])
    assert permitted(Valued(D(72), D(100), (btc,), WHOLE), LINES, accounts, True).removable_accounts == ()
    assert permitted(Valued(D(71), D(100), (btc,), WHOLE), LINES, accounts, True).removable_accounts == ("empty",)


def test_without_debt_everything_may_leave() -> None:
    now = allowed("0")
    assert now.withdrawable == {"BTC": D(100)}
    assert now.removable_accounts == ("a",)


def test_reading_a15_a_withdrawal_must_end_strictly_below_initial() -> None:
    assert allowed("36").withdrawable == {"BTC": D("49.99999999")}


@given(cases("0.1", "0.71"))
def test_reading_a15_the_most_that_may_leave_keeps_ltv_below_initial_and_a_unit_more_does_not(case: Case) -> None:
    assume(case.debt < INITIAL * case.counted)
    accounts = {"a": {p.asset: p.quantity for p in case.held}}
    now = permitted(case.valued, LINES, accounts, True)
    with exact():
        for p in case.held:
            out = now.withdrawable[p.asset]
            assert p.price is not None
            assert p.recognised is not None
            assert 0 <= out <= p.quantity

            def left(gone: Decimal, p: Position = p) -> Decimal:
                assert p.price is not None
                assert p.recognised is not None
                value = (p.quantity - gone) * p.price
                return case.counted - p.recognised + recognised(case.ladders[p.asset], value)

            assert case.debt < INITIAL * left(out)
            if out < p.quantity - EIGHT_PLACES:
                assert case.debt >= INITIAL * left(out + 2 * EIGHT_PLACES) or p.quantity - out <= 2 * EIGHT_PLACES


@given(cases("0.1", "0.9"))
def test_borrowing_all_that_is_borrowable_leads_to_initial_at_most(case: Case) -> None:
    now = permitted(case.valued, LINES, {}, True)
    with exact():
        if now.borrowable_usd:
            assert case.debt + now.borrowable_usd <= INITIAL * case.counted < case.debt + now.borrowable_usd + D("0.01")
        else:
            assert case.debt + D("0.01") > INITIAL * case.counted
