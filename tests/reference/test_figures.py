"""The golden figures of the VIP FAQ, restated: ladder, thresholds, cure, liquidation price."""

from decimal import Decimal
from fractions import Fraction

import pytest

from tests.coin_desk import THRESHOLDS, line, loan
from tests.reference.desk import ReferenceDesk, version
from tests.reference.figures import Figures, band, stated_ltv
from tests.reference.model import cure, ladder_value, liquidation_price

CRYPTO_A = [["1000000", "1"], ["inf", "0.8"]]
BUSD = [["10000000", "1"], ["100000000", "0.8"], ["1000000000", "0.6"], ["inf", "0"]]
BUSD_WITHOUT_LAST = BUSD[:-1]
LEVELS = {name: Decimal(level) for name, level in THRESHOLDS.items()}


@pytest.mark.parametrize(
    ("tiers", "usd", "recognised"),
    [
        (CRYPTO_A, "5000000", "4200000"),
        (CRYPTO_A, "1000000", "1000000"),
        (CRYPTO_A, "1000001", "1000000.8"),
        (CRYPTO_A, "0", "0"),
        (BUSD, "150000000", "112000000"),
        (BUSD, "2000000000", "622000000"),
        (BUSD_WITHOUT_LAST, "2000000000", "622000000"),
        ([["100000000", "1"], [None, "0.975"]], "120000000", "119500000"),
    ],
)
def test_rule_30_ladder_is_marginal(tiers: list[list[str | None]], usd: str, recognised: str) -> None:
    assert ladder_value(tiers, Decimal(usd)) == Decimal(recognised)


def test_rule_30_ladder_is_exact_beyond_28_digits() -> None:
    assert ladder_value(CRYPTO_A, Decimal("1000000.00000000000000000000000000000005")) == Decimal(
        "1000000.00000000000000000000000000000004"
    )


def test_reading_a1_accounts_are_summed_before_the_ladder() -> None:
    """2.5m + 2.5m in two accounts is 4.2m, not 4.4m, and not 4.0m."""
    product = {"version": [version(ladders={"COIN": CRYPTO_A})]}
    accounts = {"a": {"COIN": "2500000"}, "b": {"COIN": "2500000"}}
    desk = ReferenceDesk(line(collateral=accounts, loans=[loan("USDT", "3234000")]), product=product)
    (alert,) = desk.play("00:00  1  margin_call.opened")
    assert (alert["recognised_usd"], alert["market_usd"], alert["ltv"]) == ("4200000", "5000000", "0.77")


@pytest.mark.parametrize(
    ("ltv", "enrolled", "stage"),
    [
        ("0.72", False, "normal"),
        ("0.7699999", False, "normal"),
        ("0.77", False, "margin_call"),
        ("0.9099999", True, "margin_call"),
        ("0.91", False, "liquidation"),
        ("0.91", True, "delayed_liquidation"),
        ("0.95", True, "delayed_liquidation"),
        ("0.9500001", True, "liquidation"),
        ("0.96", False, "liquidation"),
    ],
)
def test_rule_09_to_14_stage_at_each_line(ltv: str, enrolled: bool, stage: str) -> None:
    desk = ReferenceDesk(line(delayed_liquidation=enrolled), product={"version": [version(warnings=[])]})
    alerts = desk.model.prices(desk.model.now, {"COIN": ltv})
    assert [alert["stage_to"] for alert in alerts] == ([] if stage == "normal" else [stage])


@pytest.mark.parametrize(
    ("debt", "recognised", "name"),
    [
        ("71.9", "100", "normal"),
        ("72", "100", "restricted"),
        ("77", "100", "margin_call"),
        ("91", "100", "liquidation"),
        ("95", "100", "liquidation"),
        ("95.00000000000000000000000000000000000000000001", "100", "immediate"),
        ("1", "0", "immediate"),
        ("0", "0", "normal"),
        ("0", "100", "normal"),
    ],
)
def test_decision_11_bands(debt: str, recognised: str, name: str) -> None:
    assert band(Figures(Decimal(debt), Decimal(recognised)), LEVELS) == name


def test_ltv_is_rounded_down_and_null_without_collateral() -> None:
    assert stated_ltv(Figures(Decimal("76.999999999"), Decimal(100))) == "0.77"
    assert stated_ltv(Figures(Decimal("76.999999999"), Decimal(100)), [Decimal("0.77")]) == "0.76999999999"
    assert stated_ltv(Figures(Decimal(2), Decimal(3))) == "0.66666667"
    assert stated_ltv(Figures(Decimal(0), Decimal(3))) == "0"
    assert stated_ltv(Figures(Decimal(3), Decimal("0.001"))) == "3000"
    assert stated_ltv(Figures(Decimal(1), Decimal(0))) is None


@pytest.mark.parametrize(
    ("debt", "recognised", "repay", "add"), [("91", "100", "19", "26.39"), ("80", "100", "8", "11.12")]
)
def test_rule_13_cure_leads_to_the_initial_level(debt: str, recognised: str, repay: str, add: str) -> None:
    """91 / 0.72 - 100 = 26.3888..., 80 / 0.72 - 100 = 11.1111..., rounded up to cents."""
    found = cure(Decimal(debt), Decimal(recognised), Decimal("0.72"), {})
    assert (found["repay_usd"], found["add_recognised_usd"]) == (repay, add)


def test_cure_example() -> None:
    held = {"BTC": (Decimal("12.5"), Decimal("38210.4"), [["10000000", "1"], ["inf", "0.9"]])}
    found = cure(Decimal(1000000), Decimal("1296673.2"), Decimal("0.72"), held)
    assert found == {
        "to_ltv": "0.72",
        "repay_usd": "66395.3",
        "add_recognised_usd": "92215.69",
        "by_asset": {"BTC": "2.41336623"},
    }


def test_cure_climbs_the_ladder_and_is_null_where_it_has_no_room() -> None:
    """Missing 100 recognised: 50 fill the first bracket, the other 50 take 100 at half."""
    half = [["1000", "1"], ["inf", "0.5"]]
    full = [["1000", "1"]]
    held = {"A": (Decimal(95), Decimal(10), half), "B": (Decimal(95), Decimal(10), full)}
    found = cure(Decimal(50), Decimal(0), Decimal("0.5"), held)
    assert found["by_asset"] == {"A": "15", "B": None}


def test_cure_of_a_healthy_group_is_nothing() -> None:
    found = cure(Decimal(10), Decimal(100), Decimal("0.72"), {"A": (Decimal(1), Decimal(1), [["1", "1"]])})
    assert (found["repay_usd"], found["add_recognised_usd"], found["by_asset"]) == ("0", "0", {"A": "0"})


def test_liquidation_price_respects_the_ladder() -> None:
    """100 coins against 5m: 66,181.31868..., where no haircut would say 54,945.05 and price * ltv / 0.91 66,312.997."""
    price = liquidation_price(Decimal(5000000), Decimal(0), Decimal(100), CRYPTO_A, Decimal("0.91"))
    assert price == ((Fraction(5000000) / Fraction("0.91") - 1000000) / Fraction("0.8") + 1000000) / 100
    assert f"{float(price):.4f}" == "66181.3187"


def test_liquidation_price_is_null_where_no_positive_price_reaches_the_line() -> None:
    level = Decimal("0.91")
    assert liquidation_price(Decimal(91), Decimal(200), Decimal(1), CRYPTO_A, level) is None
    assert liquidation_price(Decimal(91), Decimal(100), Decimal(1), CRYPTO_A, level) is None
    assert liquidation_price(Decimal(5000), Decimal(0), Decimal(1), [["1000", "1"]], level) is None
    assert liquidation_price(Decimal(0), Decimal(0), Decimal(0), CRYPTO_A, level) is None


def test_liquidation_price_of_a_coin_that_is_owed() -> None:
    level = Decimal("0.5")
    assert liquidation_price(Decimal(0), Decimal(100), Decimal(0), [["inf", "1"]], level, owed=10) == 5
    assert liquidation_price(Decimal(10), Decimal(0), Decimal(10), [["inf", "1"]], level, owed=1) == Fraction(5, 2)
