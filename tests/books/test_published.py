"""Rules that lenders publish, held against ours."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

from monitor.books import binance_margin as margin
from monitor.books._base import PlainReader
from monitor.books._published import Published, PublishedLadder, rule_figures
from monitor.core.events.events import Noticed
from monitor.products import cross_margin_pro
from tests import virtual
from tests.books.lenders import AAVE, BINANCE, of, reserve_words, served, some
from tests.products.shelf import shipped

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)
SHARED = Path(__file__).parents[3] / "shared" / "fixtures" / "binance_official_docs"
BRACKETS = b"""[{"assetNames": ["BTC", "NEW"], "rank": 1, "brackets": [
    {"leverage": 8, "maxDebt": 100000.0, "maintenanceMarginRate": 0.07, "initialMarginRate": 0.1429, "fastNum": 1000},
    {"leverage": 10, "maxDebt": 50000.0, "maintenanceMarginRate": 0.05, "initialMarginRate": 0.1112, "fastNum": 0},
    {"leverage": 6, "maxDebt": 390000.0, "maintenanceMarginRate": 0.08, "initialMarginRate": 0.2, "fastNum": 2000}]}]"""
RATIOS = b"""[{"collaterals": [
    {"minUsdValue": "0", "maxUsdValue": "13000000", "discountRate": "1"},
    {"minUsdValue": "13000000", "maxUsdValue": "20000000", "discountRate": "0.975"},
    {"minUsdValue": "20000000", "discountRate": "0"}], "assetNames": ["BTC"]}]"""
TABLE: dict[str, Any] = {
    "effective": datetime(2025, 2, 1, tzinfo=UTC),
    "liability_tiers": {
        "BTC": [["50000", 10, "0.1112", "0.05"], ["100000", 8, "0.1429", "0.07"], ["inf", 6, "0.2", "0.08"]]
    },
    "ladders": {"BTC": [["13000000", "1"], ["20000000", "0.975"]]},
}


def found(
    brackets: bytes = BRACKETS, ratios: bytes = RATIOS, coins: tuple[str, ...] = (), **changes: Any
) -> dict[str, str]:
    """What differs, by figure: the lender's words and ours."""
    product = cross_margin_pro.load({"version": [TABLE | changes]})
    rules = margin.published(
        "cross_margin_pro",
        msgspec.convert(json.loads(brackets, parse_float=Decimal), tuple[margin.BracketRow, ...]),
        msgspec.convert(json.loads(ratios, parse_float=Decimal), tuple[margin.RatioRow, ...]),
    )
    figures = rule_figures(rules, {"cross_margin_pro": product}.get, coins, AT)
    return {each.figure: f"{each.lender} | {each.ours}" for each in figures if each.differs}


def test_brackets_and_ratios_that_are_ours_are_no_difference_in_whatever_order_they_come() -> None:
    assert found() == {}


def test_a_tier_that_changed_is_named_with_both_figures() -> None:
    other = BRACKETS.replace(b'"maintenanceMarginRate": 0.07', b'"maintenanceMarginRate": 0.075')
    assert found(other) == {
        "liability tiers BTC": "10x 0.1112/0.05 to 50000, 8x 0.1429/0.075 to 100000, 6x 0.2/0.08 | "
        "10x 0.1112/0.05 to 50000, 8x 0.1429/0.07 to 100000, 6x 0.2/0.08"
    }


def test_a_ratio_that_changed_is_named_with_both_figures() -> None:
    assert found(ratios=RATIOS.replace(b"0.975", b"0.95")) == {
        "ladder BTC": "1 to 13000000, 0.95 to 20000000, then 0 | 1 to 13000000, 0.975 to 20000000, then 0"
    }


def test_a_coin_that_somebody_owes_and_the_product_does_not_list_is_named() -> None:
    tiers = "10x 0.1112/0.05 to 50000, 8x 0.1429/0.07 to 100000, 6x 0.2/0.08 | not listed"
    assert found(coins=("NEW",)) == {"liability tiers NEW": tiers}


def test_each_purpose_has_its_own_ratio_where_both_state_one() -> None:
    split = RATIOS.replace(b'"assetNames"', b'"borrowCollaterals": [{"discountRate": "0.5"}], "assetNames"')
    assert found(ratios=split) == {}
    assert found(ratios=split, borrow_ladders={"BTC": [["inf", "0.6"]]}) == {"borrow ladder BTC": "0.5 | 0.6"}


def test_a_product_that_is_not_configured_has_nothing_to_compare() -> None:
    rules: list[Published] = [PublishedLadder("gone", "BTC", ((None, Decimal(1)),))]
    assert list(rule_figures(rules, dict[str, Any]().get, ("BTC",), AT)) == []


def test_a_pro_account_asks_for_them_by_the_name_of_the_key_alone(tmp_path: Path) -> None:
    async def story() -> None:
        clock = virtual.LoopClock(AT)
        bench = BINANCE._replace(products=("cross_margin_pro", "isolated_margin"))
        async with served(bench, clock, tmp_path) as it:
            it.bodies[margin.ACCOUNT]["accountType"] = "MARGIN_2"
            it.venue.on(margin.BRACKETS, lambda query: BRACKETS)
            it.venue.on(margin.RATIOS, lambda query: RATIOS)
            first, second = await some(it.book(), 2)
            drift = [said for said in of(Noticed, [first]) if said.kind == "rules.drift" and not said.clears]
            assert drift
            assert all(said.facts["product"] == "cross_margin_pro" for said in drift)
            assert not [said for said in of(Noticed, [second]) if said.kind == "rules.drift"]
            for path in (margin.BRACKETS, margin.RATIOS):
                (asked,) = it.venue.asked(path)
                assert (asked.key, asked.query) == ("key-of-the-test", {})

    virtual.run(story())


def test_thresholds_of_reserves_are_held_against_the_product(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(AAVE, virtual.LoopClock(), tmp_path) as it:
            (weth, _) = [key for key in it.bodies["node"].calls if key.startswith("35ea6a75")]
            it.bodies["node"].calls[weth] = reserve_words(0, 8200, 18)
            (batch,) = await some(it.book())
            (drift,) = [said for said in of(Noticed, [batch]) if not said.clears]
            figures = {key: drift.facts[key] for key in ("figure", "lender", "ours")}
            assert figures == {"figure": "ladder ETH", "lender": "0.82", "ours": "0.83"}
            assert PlainReader(lambda: {"aave_v3": shipped("aave_v3")}).product("aave_v3") is not None

    virtual.run(story())


@pytest.mark.skipif(not SHARED.exists(), reason="no ../shared/fixtures beside this repository")
def test_the_documented_bodies_are_read() -> None:
    def response(name: str) -> Any:
        text = (SHARED / f"get_sapi_v1_margin_{name}.json").read_text()
        return json.loads(text, parse_float=Decimal)["response"]

    rules = margin.published(
        "pro",
        msgspec.convert(response("leverageBracket"), tuple[margin.BracketRow, ...]),
        msgspec.convert(response("crossMarginCollateralRatio"), tuple[margin.RatioRow, ...]),
    )
    assert {rule.coin for rule in rules} >= {"SHIB", "BTC", "BNX", "BUSD"}
