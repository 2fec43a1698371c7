"""What Binance's margin accounts become: the cross account by its type, and a group for each isolated pair."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.books import binance_margin as margin
from monitor.books._asking import Failed
from monitor.books._lender import Reading
from monitor.core.schema import Invalid, read
from tests import virtual
from tests.books.lenders import BINANCE, coin, served, some

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARED = Path(__file__).parents[3] / "shared" / "fixtures" / "binance_official_docs"
BARS = {"normalBar": "1.5", "marginCallBar": "1.3", "forceLiquidationBar": "1.1"}
D = Decimal


def config(**more: Any) -> margin.Config:
    return read(margin.Config, {"api_key_file": "key", "secret_file": "secret", **more})


def cross(*assets: dict[str, str], bars: dict[str, str] | None = None, **changes: Any) -> Reading:
    body = BINANCE.bodies()[margin.ACCOUNT] | changes
    body["userAssets"] = list(assets) or body["userAssets"]
    stated = msgspec.convert(body, margin.CrossBody)
    lines = msgspec.convert(BARS if bars is None else bars, margin.BarsBody)
    return margin.cross("desk", config(leverage=3), stated, lines, AT)


def isolated(tiers: list[dict[str, Any]] | None = None, **changes: Any) -> Reading:
    body = BINANCE.bodies()[margin.ISOLATED]
    body["assets"] = [{**body["assets"][0], **changes}, body["assets"][1]]
    stated = msgspec.convert({"BTCUSDT": tiers or []}, dict[str, tuple[margin.IsolatedTier, ...]])
    return margin.isolated("desk", config(), msgspec.convert(body, margin.IsolatedBody), stated, AT)


def line_of(reading: Reading) -> dict[str, Any]:
    (row,) = reading.rows
    assert isinstance(row.line, dict)
    return row.line


def test_a_classic_account_has_its_own_lines_and_locked_assets_count() -> None:
    reading = cross()
    line = line_of(reading)
    assert (line["product"], line["leverage"]) == ("cross_margin_classic", 3)
    assert line["collateral"] == {"desk-cross": {"BTC": "1.5"}}
    assert line["thresholds"] == {"initial": "1.5", "margin_call": "1.3", "liquidation": "1.1"}
    (loan,) = line["loans"]
    assert (loan["asset"], loan["principal"], loan["interest"]) == ("USDT", "18000", "0.25")


def test_a_pro_account_is_valued_by_the_rules_of_pro_and_has_no_classic_lines() -> None:
    line = line_of(cross(accountType="MARGIN_2"))
    assert line["product"] == "cross_margin_pro"
    assert line.keys().isdisjoint({"thresholds", "leverage"})


def test_an_account_of_another_type_is_no_reading() -> None:
    with pytest.raises(Failed, match="found accountType 'MARGIN_3'"):
        cross(accountType="MARGIN_3")


@pytest.mark.parametrize(
    ("account", "loss", "stated"),
    [("MARGIN_2", "12.50", "12.5"), ("MARGIN_2", "0", None), ("MARGIN_2", "", None), ("MARGIN_1", "12.50", None)],
)
def test_what_open_orders_might_lose_stands_in_the_line_of_a_pro_account(
    account: str, loss: str, stated: str | None
) -> None:
    line = line_of(cross(accountType=account, totalOpenOrderLossInUSDT=loss))
    assert line.get("open_order_loss") == stated


@pytest.mark.parametrize(
    ("level", "classic", "pro"),
    [
        ("1.31", "normal", None),
        ("1.3", "margin_call", None),
        ("1.1", "liquidation", None),
        ("1", "liquidation", "liquidation"),
        ("", None, None),
    ],
)
def test_the_stage_follows_from_binances_own_level_and_lines(level: str, classic: str | None, pro: str | None) -> None:
    assert cross(marginLevel=level).said[0].stage == classic
    assert cross(marginLevel=level, accountType="MARGIN_2").said[0].stage == pro


def test_without_debt_there_is_no_level_whatever_is_stated() -> None:
    (said,) = cross(coin("BTC", "1"), marginLevel="999.00000000").said
    assert (said.level, said.stage, said.words) == (None, "normal", "no debt")


def test_lines_of_which_one_is_empty_are_none() -> None:
    reading = cross(bars={**BARS, "marginCallBar": ""})
    assert "thresholds" not in line_of(reading)
    assert reading.said[0].stage is None


def test_an_empty_figure_leaves_the_account_as_it_was() -> None:
    reading = cross(coin("BTC", ""), coin("USDT", "1", "5"))
    assert reading.rows == ()
    assert reading.unknown == {"desk-cross": "Binance leaves figures of BTC empty; the group keeps those that it had"}


def test_each_pair_with_something_in_it_is_a_group() -> None:
    line = line_of(
        isolated(
            [
                {"symbol": "BTCUSDT", "tier": 2, "effectiveMultiple": "5"},
                {"symbol": "BTCUSDT", "tier": 1, "effectiveMultiple": "10"},
            ]
        )
    )
    assert (line["id"], line["product"], line["leverage"]) == ("desk-BTCUSDT", "isolated_margin", 10)
    assert line["collateral"] == {"desk-BTCUSDT": {"BTC": "1", "USDT": "100"}}


@pytest.mark.parametrize(
    ("status", "stage"),
    [
        ("EXCESSIVE", "normal"),
        ("MARGIN_CALL", "margin_call"),
        ("PRE_LIQUIDATION", "margin_call"),
        ("FORCE_LIQUIDATION", "liquidation"),
        ("SOMETHING_NEW", None),
    ],
)
def test_the_status_of_a_pair_in_our_words_and_in_its_own(status: str, stage: str | None) -> None:
    (said,) = isolated(marginLevelStatus=status).said
    assert (said.stage, said.words) == (stage, status)


def test_two_readings_are_one_and_the_older_time_is_that_of_both() -> None:
    one, other = cross(), isolated()._replace(as_of=AT.replace(hour=11))
    both = margin.together(one, other)
    assert (len(both.rows), len(both.said), both.as_of.hour) == (2, 2, 11)


@given(st.permutations([("BTC", "1.50"), ("ETH", "2"), ("BNB", "0"), ("USDT", "7")]))
def test_the_order_of_assets_makes_no_difference(rows: list[tuple[str, str]]) -> None:
    line = line_of(cross(*(coin(asset, free) for asset, free in rows)))
    assert line["collateral"] == {"desk-cross": {"BTC": "1.5", "ETH": "2", "USDT": "7"}}
    assert list(line["collateral"]["desk-cross"]) == ["BTC", "ETH", "USDT"]


@pytest.mark.parametrize(
    "change", [{"secret_file": "s", "private_key_file": "p"}, {"url": "ftp://x"}, {"accounts": ["all"]}]
)
def test_a_configuration_that_cannot_work_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(Invalid):
        config(**change)


def test_what_seldom_changes_is_asked_for_seldom_and_an_account_once_a_second(tmp_path: Path) -> None:
    async def story() -> None:
        clock = virtual.LoopClock()
        async with served(BINANCE, clock, tmp_path) as it:
            await some(it.book(every="1s"), 10)
            asked = {path: len(it.venue.asked(path)) for path in it.bodies}
            assert asked[margin.ACCOUNT] == 10
            assert (asked[margin.BARS], asked[margin.TIERS], asked[margin.RATES]) == (1, 1, 2)
            times = [seen.at_s for seen in it.venue.log if seen.path.startswith("/sapi")]
            assert all(after - before >= 1.0 for before, after in itertools.pairwise(times))

    virtual.run(story())


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared/fixtures beside this repository")
def test_the_documented_bodies_are_read() -> None:
    def response(name: str) -> Any:
        return json.loads((SHARED / f"get_sapi_v1_margin_{name}.json").read_text())["response"]

    body = msgspec.convert(response("account"), margin.CrossBody)
    bars = msgspec.convert(response("tradeCoeff"), margin.BarsBody)
    line = line_of(margin.cross("desk", config(), body, bars, AT))
    assert line["collateral"] == {"desk-cross": {"BNB": "2346.5", "BTC": "0.004995"}}
    pairs = msgspec.convert(response("isolated_account"), margin.IsolatedBody)
    assert margin.isolated("desk", config(), pairs, {}, AT).rows == ()
    msgspec.convert(response("isolatedMarginTier"), tuple[margin.IsolatedTier, ...])
