"""The exact answer about one group: figures, tiers, loans, and what is permitted."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.events.events import TimePassed
from monitor.core.queries import explain
from monitor.core.queries.explain import row
from monitor.core.queries.inbox import Look
from monitor.core.text import as_json
from monitor.core.valuation.remedies import NextLineShown
from tests.book_lines import line
from tests.core.desk import both_books
from tests.looks import CALM, START, look_at, look_of, monitor_with, quoted

pytestmark = both_books

D = Decimal


def detail(look: Look) -> dict[str, Any]:
    """As the outside sees it."""
    return as_json(explain.detail(look))


def many(**more: Any) -> dict[str, Any]:
    """Three coins over two accounts, one of them unlisted, and two loans."""
    stated = line(owed="900000", **more)
    stated["collateral"] = {"a": {"BTC": "20", "SOL": "6000"}, "b": {"BTC": "5", "DOGE": "1000"}}
    stated["loans"].append(
        {
            "id": "L2",
            "asset": "BTC",
            "principal": "2",
            "interest": "0.001",
            "rate": {"kind": "fixed", "daily": "0.0002"},
            "term": "30d",
            "opened_at": "2026-02-10T00:00:00Z",
            "matures_at": "2026-03-12T00:00:00Z",
        }
    )
    return stated


def test_contributions_and_loans_add_up_to_the_figures() -> None:
    """Anybody can recompute the LTV from the answer alone."""
    shown = detail(look_of(many()))
    counted = sum(D(c["recognised_usd"]) for c in shown["contributions"])
    market = sum(D(c["value_usd"]) for c in shown["contributions"])
    debt = sum(D(x["value_usd"]) for x in shown["loans"])
    assert (counted, market, debt) == (
        D(shown["recognised_usd"]),
        D(shown["market_usd"]),
        D(shown["debt_usd"]),
    )
    assert shown["ltv"] == str((debt / counted).quantize(D("1e-8")))


def test_each_asset_names_its_accounts_and_tiers() -> None:
    """SOL: 500,000 at 90 % and the rest at 70 %; the two accounts' BTC go through one ladder."""
    by_asset = {c["asset"]: c for c in detail(look_of(many()))["contributions"]}
    assert by_asset["BTC"]["accounts"] == {"a": "20", "b": "5"}
    assert by_asset["BTC"]["quantity"] == "25"
    assert by_asset["SOL"]["tiers"] == [
        {"from": "0", "to": "500000", "share": "0.9", "value_usd": "500000", "recognised_usd": "450000"},
        {"from": "500000", "to": "5000000", "share": "0.7", "value_usd": "100000", "recognised_usd": "70000"},
    ]


@given(quantity=st.decimals(min_value="0.00000001", max_value="5000000", places=8))
def test_tiers_sum_to_what_is_recognised(quantity: Decimal) -> None:
    """Above the last bound of SOL's ladder nothing counts, and no tier shows it."""
    stated = line(collateral={"a": {"SOL": str(quantity)}})
    (sol,) = detail(look_of(stated))["contributions"]
    assert sum(D(t["recognised_usd"]) for t in sol["tiers"]) == D(sol["recognised_usd"])
    assert sum(D(t["value_usd"]) for t in sol["tiers"]) == min(D(sol["value_usd"]), D(5_000_000))


def test_a_coin_without_a_ladder_is_named_and_counts_nothing() -> None:
    shown = detail(look_of(many()))
    assert shown["uncounted"] == [{"asset": "DOGE", "quantity": "1000", "accounts": {"b": "1000"}}]
    assert "DOGE" not in {c["asset"] for c in shown["contributions"]}
    assert not shown["unknown"]


def test_a_missing_price_leaves_no_figures_and_permits_nothing() -> None:
    """Unknown is not healthy: the missing assets are named, the known contributions stay visible."""
    shown = detail(look_of(many(), prices={"BTC": "40000"}))
    assert shown["unknown"]
    assert shown["blind"]
    assert shown["missing"] == ["SOL"]
    for name in ("ltv", "band", "debt_usd", "recognised_usd", "market_usd", "cure", "liquidation_price", "next_line"):
        assert shown[name] is None, name
    named = shown["permitted"].pop("accounts")
    assert {account: each["reasons"][0]["reason"] for account, each in named.items()} == {"a": "price", "b": "price"}
    assert [each["reason"] for each in shown["permitted"].pop("new_order_refusals")] == ["price"]
    assert not any(shown["permitted"].values())
    assert shown["borrowable_usd"] == "0"
    by_asset = {c["asset"]: c for c in shown["contributions"]}
    assert by_asset["SOL"]["trust"] == "missing"
    assert by_asset["SOL"]["value_usd"] is None
    assert by_asset["SOL"]["tiers"] == []
    assert by_asset["BTC"]["value_usd"] == "1000000"


def test_on_a_stale_price_nothing_may_leave_the_group() -> None:
    """An untrusted price blocks good news: the figures stay, withdrawing and new orders do not."""
    risk = monitor_with(line(), trust=True)
    at = START + timedelta(seconds=11)
    risk.handle(TimePassed(at))
    look = look_at(risk, "G-1", at)
    assert look is not None
    shown = detail(look)
    assert shown["blind"]
    assert shown["ltv"] == "0.25"
    assert shown["contributions"][0]["trust"] == "stale"
    assert shown["contributions"][0]["reason"] == "no new price within the limit"
    assert shown["contributions"][0]["age_s"] == 11.0
    allowed = shown["permitted"]
    assert (allowed["trade"], allowed["withdraw"], allowed["new_order"]) == (True, False, False)
    assert (allowed["withdrawable"], shown["borrowable_usd"]) == ({}, "0")


@pytest.mark.parametrize(
    ("owed", "band", "trade", "withdraw", "new_order"),
    [
        ("287999", "normal", True, True, True),
        ("288000", "restricted", True, False, False),
        ("307999", "restricted", True, False, False),
        ("308000", "margin_call", False, False, False),
        ("364000", "liquidation", False, False, False),
        ("380001", "immediate", False, False, False),
    ],
)
def test_what_is_permitted_follows_the_band(owed: str, band: str, trade: bool, withdraw: bool, new_order: bool) -> None:
    """Rules 17 to 20, at the lines of 400,000 USD recognised."""
    shown = detail(look_of(line(owed=owed)))
    allowed = shown["permitted"]
    assert shown["band"] == band
    assert (allowed["trade"], allowed["move_within_group"]) == (trade, trade)
    assert (allowed["withdraw"], allowed["new_order"]) == (withdraw, new_order)


def test_nothing_is_permitted_while_the_lender_liquidates() -> None:
    """Overdue at a low LTV: the band would allow a withdrawal, the stage does not."""
    stated = line(owed="1")
    stated["loans"][0] |= {"term": "30d", "opened_at": "2026-01-01T00:00:00Z", "matures_at": "2026-01-31T00:00:00Z"}
    shown = detail(look_of(stated))
    assert (shown["stage"], shown["reason"], shown["band"]) == ("liquidation", "overdue", "normal")
    assert shown["permitted"].pop("accounts")["G-1-a"]["reasons"][0]["reason"] == "liquidation"
    assert [each["reason"] for each in shown["permitted"].pop("new_order_refusals")] == ["margin_call"]
    assert not any(shown["permitted"].values())
    assert shown["loans"][0]["overdue"]
    assert shown["loans"][0]["late_factor"] == "3"


@pytest.mark.parametrize(
    ("owed", "name", "distance"),
    [
        ("144000", "initial", "50"),
        ("288000", "margin_call", "6.49"),
        ("307999.99", "margin_call", "0"),
        ("308000", "liquidation", "15.38"),
        ("364000", "immediate", "4.21"),
        ("380000", "immediate", "0"),
        ("0", "initial", "100"),
    ],
)
def test_the_next_line_is_named_with_the_fall_that_reaches_it(owed: str, name: str, distance: str) -> None:
    """Rounded down, so that the way to the line is never shown longer than it is."""
    following = detail(look_of(line(owed=owed, delayed_liquidation=True)))["next_line"]
    assert (following["name"], following["distance_percent"]) == (name, distance)


@pytest.mark.parametrize(
    ("stage", "owed", "name"),
    [
        ("normal", "280000", "initial"),
        ("normal", "300000", "margin_call"),
        ("margin_call", "280000", "liquidation"),  # below its line again, within the clear hold
        ("margin_call", "320000", "liquidation"),
        ("delayed_liquidation", "280001", "immediate"),
        ("delayed_liquidation", "320000", "immediate"),  # below liquidation again: the clock runs on all the same
        ("liquidation", "320000", None),
        ("liquidation", "370000", None),
    ],
)
def test_what_counts_next_depends_on_the_stage(stage: str, owed: str, name: str | None) -> None:
    look = look_of(line(owed=owed, delayed_liquidation=True))
    sight = look.sight._replace(state=msgspec.structs.replace(look.sight.state, stage=stage))
    full, listed = detail(look._replace(sight=sight)), row(sight)
    assert (full["next_line"] or {}).get("name") == name
    assert (None if listed.next_line is None else listed.next_line.name) == name


@pytest.mark.parametrize("stated", [line(owed="380001"), line(collateral={"a": {"DOGE": "5"}})])
def test_beyond_the_last_line_there_is_no_next_one(stated: dict[str, Any]) -> None:
    """Above immediate, or with debt and nothing recognised."""
    shown = detail(look_of(stated))
    assert shown["band"] == "immediate"
    assert shown["next_line"] is None


def test_nothing_recognised_has_no_ltv_and_still_has_figures() -> None:
    """Debt without recognised collateral is beyond every line; the list says so without a division."""
    look = look_of(line(collateral={"a": {"DOGE": "5"}}))
    shown = row(look.sight)
    assert (shown.ltv, shown.band, shown.recognised_usd, shown.unknown) == (None, "immediate", "0", False)


def test_the_list_and_the_detail_say_the_same() -> None:
    look = look_of(many())
    listed, full = msgspec.to_builtins(row(look.sight)), detail(look)
    assert listed == {key: full[key] for key in listed}


def test_the_list_says_how_far_the_next_line_is() -> None:
    shown = row(look_of(line()).sight)
    assert shown.thresholds["margin_call"] == "0.77"
    assert shown.next_line == NextLineShown(name="initial", ltv="0.72", distance_percent="65.27")


def test_figures_are_those_of_the_look_not_of_the_last_evaluation() -> None:
    """A screen may skip a group far from its lines; an exact answer may not."""
    look = look_of(line())
    moved = look._replace(usd={**look.usd, "BTC": D(20_000)})
    assert explain.standing(moved).ltv == "0.5"


def test_interest_of_the_day_is_part_of_the_debt() -> None:
    """One midnight at 0.016 % on 100,000."""
    risk = monitor_with(line())
    at = START + timedelta(days=1)
    quoted(risk, CALM, at)
    look = look_at(risk, "G-1", at)
    assert look is not None
    shown = detail(look)
    assert shown["loans"][0]["interest"] == "16"
    assert shown["debt_usd"] == "100016"


def test_a_price_in_usdt_is_no_better_than_the_rate_of_usdt() -> None:
    """The reason names the rate, not the coin."""
    look = look_of(line())
    trust = msgspec.structs.replace(look.rules.trust, usdt_usd="USDT")
    rate = msgspec.structs.replace(look.marks["BTC"], asset="USDT", quote="USD", trust="stale", reason="quiet")
    odd = look._replace(
        marks={**look.marks, "USDT": rate},
        untrusted=frozenset({"BTC", "USDT"}),
        rules=msgspec.structs.replace(look.rules, trust=trust),
    )
    btc = detail(odd)["contributions"][0]
    assert (btc["trust"], btc["reason"]) == ("stale", "the rate of USDT is stale: quiet")
