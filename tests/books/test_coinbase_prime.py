"""What Coinbase Prime's margin becomes: positions that move with prices, a requirement that Prime makes, and its calls."""

from __future__ import annotations

import base64
import hashlib
import hmac
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.books import coinbase_prime as prime
from monitor.books._lender import Reading
from monitor.core.loans.group import parse_line
from monitor.core.money import exact
from monitor.core.schema import read
from monitor.core.valuation.shown_figures import figure_of
from monitor.core.valuation.valuation import band, holding, weigh
from tests.books.lenders import COINBASE, ENTITY, prime_margin
from tests.products.shelf import shipped

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
D = Decimal
USD = {"BTC": D(30000), "ETH": D(2000), "USDC": D(1)}
CALL = {
    "margin_call_id": "e8bbed13-fa33-41de-86d5-4335d8f08122",
    "initial_notional_amount": "123.45",
    "outstanding_notional_amount": "122.45",
    "created_at": "2026-03-01T00:00:00Z",
    "due_at": "2026-03-02T00:00:00.000Z",
}


def config() -> prime.Config:
    files = {"api_key_file": "key", "secret_file": "secret", "passphrase_file": "word"}
    return read(prime.Config, {"entity": ENTITY, **files})


def margin(*calls: dict[str, str], before: list[dict[str, Any]] | None = None, **summary: Any) -> Reading:
    information = prime_margin(COINBASE.bodies())
    information["margin_summary"] |= summary
    information["margin_call_records"] = list(calls)
    now = msgspec.convert({"margin_information": information}, prime.MarginBody)
    summaries = msgspec.convert({"margin_summaries": before or []}, prime.SummariesBody)
    return prime.margin("prime", config(), now, summaries, AT)


def line_of(reading: Reading) -> dict[str, Any]:
    (row,) = reading.rows
    assert isinstance(row.line, dict)
    return row.line


def level_of(reading: Reading, usd: dict[str, Decimal]) -> tuple[Decimal | None, str]:
    """Ours, at these prices."""
    product = shipped("prime_margin")
    zero = {coin: D(0) for coin in usd}
    version = msgspec.structs.replace(product.versions[0], rates=zero)
    product = msgspec.structs.replace(product, versions=(version,))
    group = parse_line(line_of(reading), AT, {"prime_margin": product})
    with exact():
        held = holding(group, product, AT)
        weight = weigh(held, usd)
        return figure_of(held, weight), band(weight, held.lines)


def test_long_is_collateral_and_short_and_the_requirement_are_owed() -> None:
    """250,000 of equity are 10 BTC, less 50 ETH, and 50,000 in dollars."""
    line = line_of(margin())
    assert line["collateral"] == {f"prime-{ENTITY}": {"BTC": "10", "USDC": "50000"}}
    owed = {loan["id"]: (loan["asset"], loan["principal"]) for loan in line["loans"]}
    assert owed == {"ETH": ("ETH", "50"), "margin-requirement": ("USDC", "80000")}


def test_our_level_is_primes_at_its_prices_and_moves_with_them() -> None:
    reading = margin()
    assert level_of(reading, USD) == (reading.said[0].level, "normal")
    assert level_of(reading, {**USD, "BTC": D(13000)}) == (D(1), "restricted")
    assert level_of(reading, {**USD, "BTC": D("12999.99")})[1] == "margin_call"


@given(
    st.decimals(-10_000_000, 10_000_000, places=2),
    st.decimals(0, 10_000_000, places=2),
    st.decimals(-1000, 1000, places=8),
    st.decimals(-1000, 1000, places=8),
)
def test_a_deficit_is_a_level_below_one_and_nothing_else_is(
    equity: Decimal, required: Decimal, btc: Decimal, eth: Decimal
) -> None:
    positions = [
        {"symbol": "BTC", "amount": str(btc), "price": "30000"},
        {"symbol": "ETH", "amount": str(eth), "price": "2000"},
    ]
    reading = margin(margin_equity=str(equity), margin_requirement=str(required), pm_asset_info=positions)
    level = reading.said[0].level
    if level is None:
        assert not reading.rows or not line_of(reading)["loans"]
        return
    assert level_of(reading, USD)[0] == level
    assert (level_of(reading, USD)[1] in ("margin_call", "liquidation", "immediate")) == (equity < required)


def test_dollars_that_are_owed_are_a_loan() -> None:
    line = line_of(margin(margin_equity="190000"))
    owed = {loan["id"]: loan["principal"] for loan in line["loans"]}
    assert owed == {"ETH": "50", "cash": "10000", "margin-requirement": "80000"}


def test_where_only_sums_are_served_the_figure_stands_still_and_that_is_said() -> None:
    reading = margin(pm_asset_info=[])
    assert line_of(reading)["collateral"] == {f"prime-{ENTITY}": {"USDC": "250000"}}
    assert level_of(reading, USD) == level_of(reading, {**USD, "BTC": D(1)})
    assert reading.said[0].figures["figures_of"] == "sums alone"
    assert "figures_of" not in margin().said[0].figures


def test_a_call_is_a_margin_call_with_its_due_time_until_nothing_is_outstanding() -> None:
    (said,) = margin(CALL).said
    assert (said.stage, said.deadline) == ("margin_call", datetime(2026, 3, 2, tzinfo=UTC))
    assert "122.45 USD outstanding" in said.words
    (met,) = margin(CALL | {"outstanding_notional_amount": "0"}).said
    assert (met.stage, met.deadline, met.words) == ("normal", None, "no margin call")
    (odd,) = margin(CALL | {"due_at": "2023-01-01T00:00:00Z5"}).said
    assert (odd.stage, odd.deadline) == ("margin_call", None)


def test_of_two_calls_the_earlier_is_the_deadline() -> None:
    sooner = CALL | {"margin_call_id": "b", "due_at": "2026-03-01T18:00:00Z"}
    assert margin(CALL, sooner).said[0].deadline == datetime(2026, 3, 1, 18, tzinfo=UTC)


def test_a_deficit_without_a_call_is_said_and_no_stage() -> None:
    (said,) = margin(excess_deficit="-5").said
    assert (said.stage, said.words) == (None, "a deficit, and no call yet")
    (frozen,) = margin(CALL, frozen=True, frozen_reason="balance outstanding").said
    assert "frozen: balance outstanding" in frozen.words


def test_the_dated_summaries_say_since_when_there_is_a_deficit() -> None:
    def dated(day: int, excess: str) -> dict[str, Any]:
        return {"conversion_datetime": f"2026-02-2{day}T12:00:00Z", "margin_summary": {"excess_deficit": excess}}

    before = [dated(4, "-1"), dated(2, "-7"), dated(3, "5"), dated(5, "-2")]
    assert margin(before=before).said[0].figures["deficit_since"] == "2026-02-24T12:00:00Z"
    assert "deficit_since" not in margin(before=[dated(1, "-1"), dated(2, "3")]).said[0].figures


@pytest.mark.parametrize("gap", ["margin_equity", "margin_requirement"])
def test_an_empty_sum_leaves_the_group_as_it_was(gap: str) -> None:
    reading = margin(**{gap: ""})
    assert (reading.rows, reading.said[0].level) == ((), None)
    assert list(reading.unknown) == [f"prime-{ENTITY}"]


def test_no_interest_is_counted_as_the_equity_has_it_already() -> None:
    assert margin().rates == {"prime_margin": {"ETH": D(0), "USDC": D(0)}}


def test_a_question_is_signed_over_time_verb_and_path_without_the_query() -> None:
    expected = base64.b64encode(hmac.new(b"the-secret", b"1772366400GET/v1/x", hashlib.sha256).digest()).decode()
    assert prime.sign("the-secret", "1772366400", "/v1/x") == expected
    assert isinstance(config().secret_file, Path)
