"""What OKX's flexible loan becomes: its lines come with the position."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.books import okx
from monitor.books._asking import Failed
from monitor.books._lender import Reading
from monitor.core.loans.group import parse_line
from tests.books.lenders import OKX, okx_loan
from tests.products.shelf import shipped

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARED = Path(__file__).parents[3] / "shared" / "fixtures" / "okx"
D = Decimal


def config(**more: Any) -> okx.Config:
    return okx.Config(api_key_file=Path("key"), secret_file=Path("secret"), passphrase_file=Path("word"), **more)


def read(*loans: dict[str, Any], accrued: tuple[dict[str, str], ...] = (), **more: Any) -> Reading:
    stated = msgspec.convert(loans, tuple[okx._Loan, ...])
    return okx.loan_info("desk", config(**more), stated, msgspec.convert(accrued, tuple[okx._Accrued, ...]), AT)


def loan(**changes: Any) -> dict[str, Any]:
    return okx_loan(OKX.bodies()) | changes


def line_of(reading: Reading) -> dict[str, Any]:
    (row,) = reading.rows
    assert isinstance(row.line, dict)
    return row.line


def test_the_lines_come_with_the_position_and_the_initial_one_lies_below_them() -> None:
    line = line_of(read(loan()))
    assert line["thresholds"] == {"initial": "0.6874", "margin_call": "0.7374", "liquidation": "0.8374"}
    assert line_of(read(loan(marginCallLTV="0.04", liqLTV="0.08")))["thresholds"]["initial"] == "0.02"
    assert line_of(read(loan(), initial_gap=D("0.1")))["thresholds"]["initial"] == "0.6374"


def test_any_lines_that_okx_serves_fit_the_product() -> None:
    product = shipped("okx_loan")
    for call, liquidation in (("0.01", "0.02"), ("0.5", "0.51"), ("0.7374", "0.8374"), ("0.94", "0.95")):
        line = line_of(read(loan(marginCallLTV=call, liqLTV=liquidation)))
        group = parse_line(line, AT, {"okx_loan": product})
        assert group.thresholds["liquidation"] == D(liquidation)


@pytest.mark.parametrize(
    ("level", "stage"), [("0.5742", "normal"), ("0.7374", "margin_call"), ("0.8374", "liquidation"), ("", None)]
)
def test_its_stage_follows_from_its_own_level_and_lines(level: str, stage: str | None) -> None:
    (said,) = read(loan(curLTV=level)).said
    assert said.stage == stage
    assert said.level == (D(level) if level else None)


def test_lines_that_are_left_empty_leave_the_group_as_it_was() -> None:
    reading = read(loan(liqLTV=""))
    assert reading.rows == ()
    assert "its lines" in reading.unknown["desk-loan"]


def test_no_loan_is_no_group_and_two_cannot_be_told_apart() -> None:
    assert read().rows == ()
    assert read(loan(loanData=[], collateralData=[])).rows == ()
    with pytest.raises(Failed, match="found 2 loans"):
        read(loan(), loan())


def test_the_newest_accrual_of_a_coin_gives_its_rate_by_the_hour() -> None:
    old = {"ccy": "USDC", "interestRate": "0.10", "ts": "1731900000000"}
    new = {"ccy": "USDC", "interestRate": "0.876", "ts": "1731913200000"}
    blank = {"ccy": "USDT", "interestRate": "", "ts": "1731913200000"}
    assert read(loan(), accrued=(new, old, blank)).rates == {"okx_loan": {"USDC": D("0.0001")}}


def test_a_question_is_signed_over_time_verb_and_path() -> None:
    text = b"2020-12-08T09:08:57.715ZGET/api/v5/account/balance?ccy=BTC"
    expected = base64.b64encode(hmac.new(b"the-secret", text, hashlib.sha256).digest()).decode()
    assert okx.sign("the-secret", "2020-12-08T09:08:57.715Z", "/api/v5/account/balance?ccy=BTC") == expected


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared/fixtures beside this repository")
def test_the_documented_body_is_read() -> None:
    body = json.loads((SHARED / "GetFinanceFlexibleLoanLoanInfoV5Resp.json").read_text())["response"]["data"]
    line = line_of(read(*body))
    assert line["collateral"]["desk"] == {"COMP": "0.0000097", "DOT": "0.001", "LUNA": "0.05357864", "STX": "0.78"}
    assert line["thresholds"]["liquidation"] == "0.8374"
