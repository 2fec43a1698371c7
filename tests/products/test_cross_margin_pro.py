"""Cross Margin Pro: the worked example of the exchange to the digit, both formulas of net equity, hourly interest."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events.events import MarkPrices
from monitor.core.loans.group import parse_line
from monitor.core.money import exact
from monitor.core.prices.quote import Quote
from monitor.core.refusal import Refused
from monitor.core.rules.product import Ladder
from monitor.core.schema import Invalid
from monitor.core.valuation.ladder import by_deduction, deductions, recognised, tier_of
from monitor.products import cross_margin_pro
from monitor.stores import _packed as packed
from tests.book_lines import book_line
from tests.products.shelf import START, Shelf, shipped

D = Decimal
KIND = "cross_margin_pro"
BTC = [["50000", 10, "0.1112", "0.05"], ["100000", 8, "0.1429", "0.07"], ["1000000", 6, "0.20", "0.08"]]
ETH = [["30000", 10, "0.1112", "0.05"], ["60000", 8, "0.1429", "0.07"]]
WHOLE = [["inf", "1"]]


def version(**changes: Any) -> dict[str, Any]:
    return {
        "effective": datetime(2025, 6, 1, tzinfo=UTC),
        "thresholds": {"initial": "2", "margin_call": "1.5", "liquidation": "1"},
        "liability_tiers": {"BTC": BTC, "ETH": ETH, "USDT": [["inf", 5, "0.25", "0.1"]]},
        "ladders": {"USDT": WHOLE},
        "rates": {"BTC": "0", "ETH": "0", "USDT": "0"},
        **changes,
    }


def product(*versions: dict[str, Any]) -> Any:
    return cross_margin_pro.load({"version": list(versions) or [version()]})


def example(equity: str = "500000") -> Shelf:
    """The page's example: 13 BTC and 13 ETH owed."""
    shelf = Shelf(product(), book_line(KIND, {"USDT": equity}, {"BTC": "13", "ETH": "13"}))
    shelf.price(BTC="30000", ETH="3000", USDT="1")
    return shelf


def test_rule_40_the_example_of_the_page_to_the_digit() -> None:
    shown = example().detail()
    assert shown["initial_margin_usd"] == "75327.1"
    assert shown["maintenance_margin_usd"] == "31330"
    assert shown["liabilities_usd"] == "429000"
    assert shown["net_equity_usd"] == "71000"
    assert shown["margin_level"] == "2.26619853"  # 71,000 / 31,330, rounded up
    margins = [(row["initial_margin_usd"], row["maintenance_margin_usd"]) for row in shown["liabilities"]]
    assert margins == [("70705", "29200"), ("4622.1", "2130")]


def test_rule_38_a_liability_names_its_tier_and_its_quick_deduction() -> None:
    btc, eth = example().detail()["liabilities"]
    assert (btc["tier"], btc["max_leverage"], btc["initial_rate"], btc["maintenance_rate"]) == ("3", "6", "0.2", "0.08")
    assert (btc["maintenance_amount"], eth["maintenance_amount"]) == ("2000", "600")


def test_rule_39_initial_rates_are_those_of_the_leverage_rounded_up_to_four_places() -> None:
    for rules in shipped(KIND).versions:
        for tiers in (rules.liability_tiers or {}).values():
            for (_, rate), leverage in zip(tiers.initial, tiers.max_leverage, strict=True):
                assert rate == (1 / (leverage - 1)).quantize(D("0.0001"), rounding="ROUND_UP")


def test_rule_39_the_quick_deductions_of_the_page() -> None:
    tiers = product().versions[0].liability_tiers
    assert deductions(tiers["BTC"].maintenance) == (0, 1000, 2000)
    assert deductions(tiers["ETH"].maintenance) == (0, 600)


def test_rule_37_a_higher_debt_has_a_lower_leverage_and_higher_rates() -> None:
    wrong = {"BTC": [["50000", 8, "0.1429", "0.07"], ["100000", 10, "0.1112", "0.05"]]}
    with pytest.raises(Invalid) as e:
        product(version(liability_tiers=wrong))
    assert [str(p) for p in e.value.problems] == [
        "version[0].liability_tiers.BTC[1]: leverage 10 rises above 8 of the tier before",
        "version[0].liability_tiers.BTC[1]: initial rate 0.1112 falls below 0.1429 of the tier before",
        "version[0].liability_tiers.BTC[1]: maintenance rate 0.05 falls below 0.07 of the tier before",
    ]


@st.composite
def tier_tables(draw: st.DrawFn) -> Ladder:
    """Caps and rates that rise."""
    caps = sorted(draw(st.sets(st.decimals("1", "1e9", places=2), min_size=1, max_size=6)))
    rates = sorted(draw(st.lists(st.decimals("0.0001", "1", places=4), min_size=len(caps), max_size=len(caps))))
    return tuple(zip([*caps[:-1], None], rates, strict=True))


@given(tiers=tier_tables(), value=st.decimals("0", "2e9", places=8), data=st.data())
def test_rule_41_the_marginal_sum_and_the_quick_deduction_agree_also_at_every_cap(
    tiers: Ladder, value: Decimal, data: st.DataObject
) -> None:
    caps = [cap for cap, _ in tiers if cap is not None]
    with exact():
        for v in (value, *caps):
            assert recognised(tiers, v) == by_deduction(tiers, v)
        for place, cap in enumerate(caps):
            assert tier_of(tiers, cap) == place  # the cap itself belongs to the lower tier


LEVELS = [
    # equity left   level    band           alerts
    ("500000",      "above", "normal",      []),
    ("491660",      "2",     "restricted",  []),
    ("475995",      "1.5",   "margin_call", ["margin_call.opened"]),
    ("475996",      "1.5+",  "restricted",  []),
    ("460330.01",   "1+",    "margin_call", ["margin_call.opened"]),
    ("460330",      "1",     "liquidation", ["liquidation.triggered(ltv)"]),
    ("429000",      "0",     "immediate",   ["liquidation.triggered(ltv)"]),
    ("100000",      "below", "immediate",   ["liquidation.triggered(ltv)"]),
]  # fmt: skip


@pytest.mark.parametrize(("usdt", "level", "band", "alerts"), LEVELS, ids=[r[1] for r in LEVELS])
def test_rule_37_a_margin_level_is_liquidated_at_its_line_where_lower_is_worse(
    usdt: str, level: str, band: str, alerts: list[str]
) -> None:
    shelf = Shelf(product(), book_line(KIND, {"USDT": usdt}, {"BTC": "13", "ETH": "13"}))
    assert shelf.price(BTC="30000", ETH="3000", USDT="1") == alerts
    assert shelf.detail()["band"] == band


def test_a_fall_of_the_liability_cures_the_call_and_a_rise_liquidates() -> None:
    shelf = example("475000")
    assert shelf.monitor.sight("G-1").state.stage == "margin_call"
    assert shelf.price(BTC="28000") == ["margin_call.cured"]
    assert shelf.price(BTC="32000") == ["liquidation.triggered(ltv)"]


def test_an_alert_states_level_and_lines_in_the_terms_of_the_product() -> None:
    shelf = Shelf(product(), book_line(KIND, {"USDT": "475000"}, {"BTC": "13", "ETH": "13"}))
    shelf.price(BTC="20000", ETH="3000", USDT="1")
    shelf.at += timedelta(seconds=1)
    out = shelf.monitor.handle(MarkPrices(shelf.at, (Quote("BTC", D(30000), "USD", "feed", shelf.at),)))
    (told,) = shelf.told(out)
    assert (told["metric"], told["margin_level"]) == ("margin_level", "1.4682413")
    assert told["thresholds"] == {"initial": "2", "margin_call": "1.5", "liquidation": "1"}
    assert told["cure"]["to_level"] == "2"
    assert D(told["recognised_usd"]) == 46_000
    assert packed.alert(packed.alert_body(out.alerts[0])) == out.alerts[0]  # a store gives it back with its metric


def test_following_the_cure_reaches_the_initial_level_and_repaying_in_any_coin_suffices() -> None:
    shelf = example("475000")
    cure = shelf.detail()["cure"]
    assert (cure["to_level"], cure["repay_usd"], cure["by_asset"]) == ("2", "16660", {"USDT": "16660"})
    shelf.enter({"type": "deposit", "account": "G-1-a", "asset": "USDT", "quantity": "16660"})
    assert shelf.detail()["margin_level"] == "2"
    repaid = example("475000")
    repaid.enter({"type": "repay", "asset": "ETH", "amount": "5.55333334"})  # 16,660 USD
    assert D(repaid.detail()["margin_level"]) > 2


def test_the_liquidation_price_of_a_coin_that_is_owed_and_held_solves_both_kinds_of_tiers() -> None:
    stated = book_line(KIND, {"BTC": "20"}, {"USDT": "400000", "BTC": "4"})
    shelf = Shelf(product(version(ladders={"BTC": [["100000", "1"], ["inf", "0.9"]], "USDT": WHOLE})), stated)
    shelf.price(BTC="40000", USDT="1")
    price = D(shelf.detail()["liquidation_price"]["BTC"])
    shelf.price(BTC=str(price))
    assert D(shelf.detail()["margin_level"]) >= 1
    assert shelf.price(BTC=str(price - D("0.00001"))) == ["liquidation.triggered(ltv)"]


@given(
    st.integers(30_000, 3_000_000),
    st.sampled_from(
        [{"USDT": WHOLE}, {"USDT": [["100000", "1"], ["400000", "0.9"], ["inf", "0.5"]], "ETH": [["50000", "0.8"]]}]
    ),
    st.sampled_from(["BTC", "ETH", "USDT"]),
)
def test_what_may_be_borrowed_uses_the_available_margin_up_in_whatever_coin(
    equity: int, ladders: dict[str, Any], coin: str
) -> None:
    prices = {"BTC": "32768", "ETH": "2048", "USDT": "1"}
    stated = book_line(KIND, {"USDT": str(equity), "ETH": "5"}, {"BTC": "1", "ETH": "3"})
    shelf = Shelf(product(version(ladders=ladders)), stated)
    shelf.price(**prices)
    before = shelf.detail()
    rooms = {asset: D(found["most_usd"]) for asset, found in before["borrowable"].items()}
    assert D(before["borrowable_usd"]) == min(rooms.values())

    def left(usd: Decimal) -> Decimal:
        """Net collateral above the initial margin once that much more is owed, and held."""
        more = usd / D(prices[coin])  # the prices are powers of two, so this is exact
        held = {"USDT": D(equity), "ETH": D(5)}
        held[coin] = held.get(coin, D(0)) + more
        owed = {"BTC": D(1), "ETH": D(3)}
        owed[coin] = owed.get(coin, D(0)) + more
        then = Shelf(
            product(version(ladders=ladders)),
            book_line(KIND, {k: f"{v:f}" for k, v in held.items()}, {k: f"{v:f}" for k, v in owed.items()}),
        )
        then.price(**prices)
        shown = then.detail()
        return D(shown["net_equity_usd"]) - D(shown["initial_margin_usd"])

    if rooms[coin]:
        assert left(rooms[coin]) >= 0 > left(rooms[coin] + D("0.01"))


def test_reading_a18_net_equity_is_plain_before_and_haircut_from_2025_01_21_10_00() -> None:
    """The same assets, in a coin that the ladder recognises by half: rules change, the level moves with no price move."""
    half = {"COIN": [["inf", "0.5"]]}
    dates = [
        version(effective=datetime(2024, 1, 1, tzinfo=UTC), ladders=half),
        version(effective=datetime(2025, 1, 21, 10, tzinfo=UTC), ladders=half),
    ]
    before = datetime(2025, 1, 21, 9, 59, tzinfo=UTC)
    shelf = Shelf(product(*dates), book_line(KIND, {"COIN": "500000"}, {"BTC": "13", "ETH": "13"}), at=before)
    assert shelf.price(BTC="30000", ETH="3000", COIN="1") == []
    assert shelf.detail()["net_equity_usd"] == "71000"
    assert shelf.wait(before + timedelta(minutes=1)) == ["rules.changed", "liquidation.triggered(ltv)"]
    assert shelf.detail()["net_equity_usd"] == "-179000"


def test_section_3_8_loans_and_transfers_go_by_ratios_of_their_own_from_2026_01_21_13_00() -> None:
    """10 COIN at 1,000 carry 5,000 USDT: net equity 5,000, maintenance margin 500. Stages never go by the other ratios."""
    whole, half = {"COIN": WHOLE, "USDT": WHOLE}, {"COIN": [["inf", "0.5"]], "USDT": WHOLE}
    since = datetime(2026, 1, 21, 13, tzinfo=UTC)
    ratios = {"COIN": [["inf", "0.7"]], "USDT": WHOLE}
    three = version(effective=since, ladders=whole, transfer_out="1.2", borrow_ladders=ratios, transfer_ladders=half)
    stated = book_line(KIND, {"COIN": "10"}, {"USDT": "5000"})
    shelf = Shelf(product(version(ladders=whole, transfer_out="1.2"), three), stated, at=since - timedelta(seconds=1))
    shelf.price(COIN="1000", USDT="1")
    one = shelf.detail()
    assert one["available_margin_usd"] == "3750"  # 5,000 less a quarter of 5,000
    assert (one["borrowable_usd"], one["permitted"]["withdrawable"]) == (
        "15000",
        {"COIN": "3.99999999"},
    )  # 3,750 / 0.25
    shelf.wait(since)
    split = shelf.detail()
    assert (split["net_equity_usd"], split["margin_level"], split["stage"]) == ("5000", "10", "normal")
    assert (split["available_margin_usd"], split["borrowable_usd"]) == ("750", "3000")  # 7,000 - 5,000 - 1,250
    assert (split["permitted"]["new_order"], split["permitted"]["withdraw"]) == (True, False)
    assert split["permitted"]["withdrawable"] == {}
    assert split["permitted"]["trade"] is True


def test_a_coin_without_a_ratio_for_loans_counts_nothing_for_them() -> None:
    shelf = Shelf(
        product(version(ladders={"COIN": WHOLE, "USDT": WHOLE}, borrow_ladders={"USDT": WHOLE})),
        book_line(KIND, {"COIN": "10"}, {"USDT": "5000"}),
    )
    shelf.price(COIN="1000", USDT="1")
    shown = shelf.detail()
    assert (shown["borrowable_usd"], shown["permitted"]["trade"]) == ("0", False)
    (why,) = shown["permitted"]["new_order_refusals"]
    assert why["text"] == "the net collateral of -5000 USD leaves nothing above the initial margin of 1250 USD"


def test_when_assets_may_leave_in_the_new_mode_is_not_published_and_never_yes() -> None:
    shelf = example("600000")
    permitted = shelf.detail()["permitted"]
    assert (permitted["withdraw"], permitted["withdrawable"], permitted["removable_accounts"]) == (False, {}, [])
    assert permitted["not_stated"]["withdraw"]["text"] == (
        "the lender does not publish when assets may leave; net collateral is 171000 USD, initial margin 75327.1 USD"
    )
    reasons = [why["reason"] for each in permitted["accounts"].values() for why in each["reasons"]]
    assert reasons == ["not_stated"]
    free = Shelf(product(), book_line(KIND, {"USDT": "5"}, {}))
    free.price(USDT="1")
    allowed = free.detail()["permitted"]
    assert (allowed["withdrawable"], allowed["not_stated"]) == ({"USDT": "5"}, {})


def test_interest_is_added_each_full_hour_after_the_put() -> None:
    rates = {"BTC": "0", "ETH": "0", "USDT": "0.001"}
    shelf = Shelf(product(version(rates=rates)), book_line(KIND, {"BTC": "10"}, {"USDT": "1000"}), at=START)  # 10:30
    shelf.price(BTC="30000", USDT="1")
    for at, interest in (
        (START + timedelta(minutes=29), "0"),
        (START + timedelta(minutes=30), "1"),
        (START + timedelta(minutes=89), "1"),
        (START + timedelta(hours=26), "26"),
    ):
        shelf.wait(at)
        assert shelf.detail()["loans"][0]["interest"] == interest
        assert shelf.detail()["loans"][0]["daily_rate"] == "0.024"


def test_a_repayment_within_an_hour_settles_the_hours_before_it_once() -> None:
    rates = {"BTC": "0", "ETH": "0", "USDT": "0.001"}
    shelf = Shelf(product(version(rates=rates)), book_line(KIND, {"BTC": "10"}, {"USDT": "1000"}), at=START)
    shelf.price(BTC="30000", USDT="1")
    shelf.wait(START + timedelta(minutes=100))  # 12:10, two hours charged
    shelf.enter({"type": "repay", "asset": "USDT", "amount": "502"})
    (loan,) = shelf.detail()["loans"]
    assert (loan["principal"], loan["interest"]) == ("500", "0")
    shelf.wait(START + timedelta(minutes=155))  # 13:05
    assert shelf.detail()["loans"][0]["interest"] == "0.5"


def test_rule_42_interest_paid_in_bnb_is_five_percent_less() -> None:
    rates = {"BTC": "0", "ETH": "0", "USDT": "0.001"}
    stated = book_line(KIND, {"BTC": "10"}, {"USDT": "1000"})
    stated["loans"][0]["rate"] = {"kind": "flexible", "paid_in": "BNB"}
    shelf = Shelf(product(version(rates=rates)), stated)
    shelf.wait(START + timedelta(hours=10))
    (loan,) = shelf.detail()["loans"]
    assert loan["interest"] == "9.5"
    assert loan["rate"] == {"kind": "flexible", "daily": None, "paid_in": "BNB"}


def test_rule_42_the_borrow_limit_is_that_of_the_vip_level() -> None:
    limits = {"BTC": ["10", "20", "40"]}
    for vip, limit, left in ((None, "10", "0"), (1, "20", "7"), (2, "40", "27"), (9, "40", "27")):
        shelf = Shelf(
            product(version(borrow_limits=limits)), book_line(KIND, {}, {"BTC": "13", "ETH": "1"}, vip_level=vip)
        )
        btc, eth = shelf.detail()["liabilities"]
        assert (btc["borrow_limit"], btc["borrow_left"]) == (limit, left)
        assert eth["borrow_limit"] is None


def test_a_liability_without_tiers_is_refused_by_line_and_by_entry() -> None:
    stated = book_line(KIND, {"USDT": "1"}, {"DOGE": "5"})
    rules = product(version(rates={"DOGE": "0", "BTC": "0"}))
    with pytest.raises(Invalid, match="no liability tiers for DOGE; there are: BTC, ETH, USDT"):
        parse_line(stated, START, {KIND: rules})
    shelf = Shelf(rules, book_line(KIND, {"USDT": "1000000"}, {"BTC": "1"}))
    out = shelf.enter({"type": "borrow", "loan": {**stated["loans"][0], "id": "L-9"}})
    assert isinstance(out.refused, Refused)
    assert out.refused.reason == "no_tier"


def test_there_is_no_grace_period_to_enrol_for() -> None:
    with pytest.raises(Invalid, match="no grace period"):
        parse_line(book_line(KIND, {}, {"BTC": "1"}, delayed_liquidation=True), START, {KIND: product()})
    out = example().enter({"type": "enroll", "delayed_liquidation": True})
    assert out.refused is not None
    assert out.refused.reason == "no_grace"


def test_a_group_may_move_a_line_but_not_out_of_order_nor_one_that_the_product_lacks() -> None:
    assert parse_line(book_line(KIND, {}, {"BTC": "1"}, thresholds={"margin_call": "1.1"}), START, {KIND: product()})
    for lines, why in (
        ({"margin_call": "0.9"}, "expected initial > margin_call > liquidation > 0"),
        ({"immediate": "0.5"}, "the product has no line immediate"),
    ):
        with pytest.raises(Invalid, match=why):
            parse_line(book_line(KIND, {}, {"BTC": "1"}, thresholds=lines), START, {KIND: product()})


WRONG: list[tuple[dict[str, Any], str]] = [
    ({"liability_tiers": {"BTC": []}}, "version[0].liability_tiers.BTC: is empty"),
    ({"liability_tiers": {"BTC": [["5", 10, "0.1", "0.05"], ["5", 8, "0.2", "0.1"]]}}, "BTC[1]: bound 5 is not above 5"),
    ({"liability_tiers": {"BTC": [["5", 10, "0.1", "0.2"]]}}, "BTC[0]: maintenance rate 0.2 is not above 0 and at most"),
    ({"liability_tiers": {"BTC": [["5", 10, "1.1", "0.2"]]}}, "BTC[0][2]: found '1.1', expected a number from 0 up to 1"),
    ({"liability_tiers": {"BTC": [["5", "ten", "0.1", "0.1"]]}}, "BTC[0][1]: found 'ten', expected a leverage such as 10"),
    ({"thresholds": {"initial": "1", "liquidation": "1.1"}}, "version[0].thresholds: lines out of order"),
    ({"warnings": ["1.5"]}, "version[0].warnings[0]: found 1.5, expected more than margin_call 1.5"),
    ({"borrow_limits": {"BTC": ["2", "1"]}}, "version[0].borrow_limits.BTC[1]: limit 1 falls below 2"),
    ({"borrow_ladders": {"BTC": [["5", "1"], ["5", "0.9"]]}}, "version[0].borrow_ladders.BTC[1]: bound 5 is not above 5"),
    ({"transfer_ladders": {"BTC": [["5", "0.5"], ["6", "0.9"]]}}, "transfer_ladders.BTC[1]: share 0.9 rises above 0.5"),
    ({"borrow_limits": {"BTC": []}}, "version[0].borrow_limits.BTC: is empty"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "why"), WRONG, ids=[why for _, why in WRONG])
def test_what_is_wrong_with_a_version_is_named_with_its_place(change: dict[str, Any], why: str) -> None:
    with pytest.raises(Invalid) as e:
        product(version(**change))
    assert any(why in str(p) for p in e.value.problems), e.value
