"""What Bybit's bodies become: one crypto loan, and the risk units of an institutional one."""

from __future__ import annotations

import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.books import bybit
from monitor.books._asking import Failed
from monitor.books._lender import Reading, by_our_clock
from monitor.core.stages.stages import DELAYED, LIQUIDATION
from tests.books.lenders import CRYPTO, INSTITUTIONAL, unit

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARED = Path(__file__).parents[3] / "shared" / "fixtures" / "bybit"
D = Decimal


def config(**more: Any) -> bybit.Config:
    return bybit.Config(api_key_file=Path("key"), secret_file=Path("secret"), **more)


def crypto(**changes: Any) -> Reading:
    body = CRYPTO.bodies()[bybit.POSITION]["result"] | changes
    return bybit.crypto("desk", config(), msgspec.convert(body, bybit._Position), AT)


def units(*some: dict[str, Any], delay: dict[str, Any] | None = None, **changes: Any) -> Reading:
    bodies = {path: body["result"] for path, body in INSTITUTIONAL.bodies().items()}
    bodies[bybit.LTV] = {"ltvInfo": list(some or [unit()])}
    bodies[bybit.DELAY] |= delay or {}
    bodies |= changes
    stated = bybit.InstitutionalBodies(
        msgspec.convert(bodies[bybit.LTV], bybit._Units),
        msgspec.convert(bodies[bybit.DELAY], bybit._Delay),
        AT,
        msgspec.convert(bodies[bybit.ORDERS], bybit._Orders),
        msgspec.convert(bodies[bybit.PRODUCTS], bybit._Products),
    )
    return bybit.institutional("desk", config(loan="institutional"), stated, AT)


def line_of(reading: Reading) -> dict[str, Any]:
    (row,) = reading.rows
    assert isinstance(row.line, dict)
    return row.line


def test_flexible_and_fixed_orders_are_loans_of_one_group() -> None:
    reading = crypto()
    line = line_of(reading)
    assert line["collateral"] == {"desk": {"BTC": "0.5", "ETH": "2"}}
    owed = {loan["id"]: loan["principal"] for loan in line["loans"]}
    assert owed == {"BTC-flexible": "0.01", "USDT-fixed": "1000", "USDT-flexible": "9000.5"}
    assert reading.rates == {"bybit_loan": {"BTC": D("0.00018"), "USDT": D("0.00018")}}
    assert reading.said[0].level == D("0.56")


def test_an_empty_debt_is_unknown_while_an_empty_ltv_is_only_no_level() -> None:
    blank = {"loanCurrency": "USDT", "flexibleTotalDebt": "", "fixedTotalDebt": "0"}
    assert (crypto(borrowList=[blank]).rows, list(crypto(borrowList=[blank]).unknown)) == ((), ["desk-loan"])
    assert crypto(ltv="").said[0].level is None
    assert len(crypto(ltv="").rows) == 1


def test_two_figures_of_one_coin_that_contradict_each_other_are_no_reading() -> None:
    rows = [{"currency": "BTC", "amount": "1"}, {"currency": "BTC", "amount": "2"}]
    with pytest.raises(Failed, match="BTC comes twice with different figures"):
        crypto(collateralList=rows)


@pytest.mark.parametrize("amount", ["-1", "NaN", "1_000", "1,5", "0x10", "٣"])
def test_what_is_no_amount_is_no_reading(amount: str) -> None:
    with pytest.raises(Failed, match="expected a number"):
        crypto(collateralList=[{"currency": "BTC", "amount": amount}])


def test_an_account_without_loan_and_collateral_is_no_group() -> None:
    assert crypto(borrowList=[], collateralList=[]).rows == ()


def test_a_risk_unit_has_the_lines_of_its_own_product() -> None:
    reading = units()
    line = line_of(reading)
    assert line["id"] == "desk-100331354"
    assert line["thresholds"] == {"margin_call": "0.88", "liquidation": "0.92"}
    assert line["collateral"] == {"desk-100331354": {"BTC": "1", "USDT": "11500"}}
    assert reading.said[0].level == D("0.6")
    assert reading.rates == {"institutional_loan": {"USDT": D("0.0002")}}


@pytest.mark.parametrize(
    ("deferred", "liquidation", "lines"),
    [
        ("", "0.9", {"liquidation": "0.9"}),
        ("0.9", "0.9", {"liquidation": "0.9"}),
        ("0.85", "", {"margin_call": "0.85"}),
        ("", "", None),
    ],
)
def test_a_line_that_is_left_empty_is_the_products(
    deferred: str, liquidation: str, lines: dict[str, str] | None
) -> None:
    product = {"productId": "96", "deferredLiquidationLine": deferred, "liquidationLine": liquidation}
    assert line_of(units(**{bybit.PRODUCTS: {"marginProductInfo": [product]}})).get("thresholds") == lines


@pytest.mark.parametrize(("status", "stage"), [(1, LIQUIDATION), (2, None), (3, None), (7, None)])
def test_a_unit_that_is_being_settled_has_no_figures_and_is_not_closed(status: int, stage: str | None) -> None:
    blank = unit(ltv="", unpaidAmount="", unpaidInfo=[], balance="", balanceInfo=[], liqStatus=status)
    reading = units(blank)
    assert reading.rows == ()
    assert list(reading.unknown) == ["desk-100331354"]
    (said,) = reading.said
    assert (said.level, said.stage) == (None, stage)


def test_the_servers_clock_of_a_delay_is_the_deadline_and_stays_the_same() -> None:
    start = AT - timedelta(hours=2)

    def delayed(seconds: str) -> Any:
        clock = {"liquidationStatus": 3, "delayLiqStartTime": str(int(start.timestamp() * 1000))}
        (said,) = units(delay={**clock, "delayLiqRemainingSec": seconds}).said
        return said

    assert delayed("79200").stage == DELAYED
    assert delayed("79200").deadline == start + timedelta(hours=24)
    assert {delayed(seconds).deadline for seconds in ("79199", "79200", "79203")} == {start + timedelta(hours=24)}
    assert delayed("").deadline is None


def test_the_seconds_of_a_unit_are_a_deadline_where_there_is_no_other() -> None:
    (said,) = units(unit(rst="600")).said
    assert (said.stage, said.deadline) == (DELAYED, AT + timedelta(seconds=600))


def test_the_clock_of_a_delay_is_read_by_ours() -> None:
    """Bybit's clock is an hour ahead: 600 s that are left there are 600 s here."""
    hour = timedelta(hours=1)
    ours = by_our_clock(units(unit(rst="600")), AT, AT - hour)
    assert ours.said[0].deadline == AT - hour + timedelta(seconds=600)
    assert ours.as_of == AT - hour


def test_of_several_units_none_gets_the_clock_that_names_no_unit() -> None:
    delay = {"liquidationStatus": 3, "delayLiqStartTime": "1772323200000", "delayLiqRemainingSec": "60"}
    assert [said.deadline for said in units(unit("1"), unit("2"), delay=delay).said] == [None, None]


@given(st.permutations([("BTC", "0.5"), ("ETH", "2"), ("SOL", "0"), ("USDT", "10.10")]))
def test_the_order_of_rows_makes_no_difference(rows: list[tuple[str, str]]) -> None:
    reading = crypto(collateralList=[{"currency": coin, "amount": amount} for coin, amount in rows])
    assert line_of(reading)["collateral"] == {"desk": {"BTC": "0.5", "ETH": "2", "USDT": "10.1"}}


def test_a_question_is_signed_over_time_key_window_and_query() -> None:
    text = "1658384314791the-key5000category=option"
    expected = hmac.new(b"the-secret", text.encode(), hashlib.sha256).hexdigest()
    assert bybit.sign("the-secret", "1658384314791", "the-key", "category=option") == expected


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared/fixtures beside this repository")
def test_the_documented_bodies_are_read() -> None:
    def result(name: str) -> Any:
        return json.loads((SHARED / name).read_text())["response"]["result"]

    position = msgspec.convert(result("new-crypto-loan_crypto-loan-position.json"), bybit._Position)
    line = line_of(bybit.crypto("desk", config(), position, AT))
    assert line["collateral"]["desk"]["USDT"] == "4002.12"
    for name, level in (("otc_ltv-convert.json", D("0.75")), ("otc_ltv-convert_2.json", None)):
        reading = units(*result(name)["ltvInfo"])
        assert reading.said[0].level == level
        assert bool(reading.unknown) == (level is None)
    assert msgspec.convert(result("otc_margin-product-info.json"), bybit._Products).margin_product_info
