"""Cross Margin Classic and isolated margin: levels, bars, the call that is repeated every day (domain sections 3.6 and 3.10)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.loans.group import parse_line
from monitor.core.schema import Invalid
from monitor.products import isolated_margin
from tests.book_lines import book_line
from tests.products.shelf import START, Shelf, shipped

D = Decimal


def account(level: str, **more: Any) -> Shelf:
    """An account that owes 100 USDT and holds so many hundred in a coin that no ladder lists."""
    shelf = Shelf(
        shipped("cross_margin_classic"), book_line("cross_margin_classic", {"COIN": "100"}, {"USDT": "100"}, **more)
    )
    shelf.price(USDT="1", COIN=level)
    return shelf


BARS = [
    # level        3x band        5x band
    ("1.50000001", "normal",      "normal"),
    ("1.5",        "restricted",  "normal"),
    ("1.30000001", "restricted",  "normal"),
    ("1.3",        "margin_call", "normal"),
    ("1.25",       "margin_call", "restricted"),
    ("1.16",       "margin_call", "margin_call"),
    ("1.10000001", "margin_call", "margin_call"),
    ("1.1",        "liquidation", "liquidation"),
]  # fmt: skip


@pytest.mark.parametrize(("level", "three", "five"), BARS, ids=[b[0] for b in BARS])
def test_section_3_6_the_bars_of_3x_and_5x_are_inclusive(level: str, three: str, five: str) -> None:
    """An account that states no leverage is one of 3x. The level is a ratio: in BTC, as the exchange values, it is the same."""
    assert account(level).detail()["band"] == account(level, leverage=3).detail()["band"] == three
    found = account(level, leverage=5).detail()
    assert (found["band"], found["leverage"]) == (five, 5)
    assert found["margin_level"] == level


def test_section_3_6_a_call_is_repeated_every_24_hours() -> None:
    """The default of `margin_call_repeat`; a level that recovers to 1.3 or less is no end of it."""
    shelf = account("1.2")
    said = [shelf.wait(START + timedelta(hours=h)) for h in (23, 24, 47, 48)]
    assert said == [[], ["margin_call.reminder"], [], ["margin_call.reminder"]]


def test_section_3_6_borrowing_stops_at_one_and_a_half_and_assets_leave_only_above_two() -> None:
    rich, fair, poor = (account(level).detail()["permitted"] for level in ("2.5", "2", "1.5"))
    assert account("1.5", leverage=5).detail()["permitted"]["new_order"] is True
    assert account("1.25", leverage=5).detail()["permitted"]["new_order"] is False
    assert (rich["withdraw"], rich["withdrawable"]) == (True, {"COIN": "19.99999999"})
    assert (fair["withdraw"], fair["withdrawable"], fair["new_order"]) == (False, {}, True)
    assert poor["new_order"] is False


DATES = {
    "2020": datetime(2021, 3, 1, tzinfo=UTC),
    "2022": datetime(2023, 3, 1, tzinfo=UTC),
    "now": datetime(2026, 3, 1, tzinfo=UTC),
}
ISOLATED = [
    # version  leverage  USDT owed   call    liquidation
    ("2020",   10,       "70000",    "1.1",  "1.05"),
    ("2020",   10,       "70000.01", "1.15", "1.1"),
    ("2020",   10,       "140001",   "1.2",  "1.15"),
    ("2020",   5,        "70000",    "1.19", "1.15"),
    ("2020",   5,        "999999",   "1.21", "1.165"),
    ("2022",   10,       "140001",   "1.19", "1.15"),
    ("2022",   5,        "999999",   "1.19", "1.15"),
    ("now",    None,     "999999",   "1.1",  "1.05"),
    ("now",    10,       "999999",   "1.1",  "1.05"),
    ("now",    5,        "999999",   "1.19", "1.15"),
    ("now",    3,        "999999",   "1.22", "1.18"),
]  # fmt: skip


@pytest.mark.parametrize(("dated", "leverage", "owed", "call", "liquidation"), ISOLATED)
def test_section_3_10_isolated_lines_are_those_of_the_leverage_and_the_tier_of_the_date(
    dated: str, leverage: int | None, owed: str, call: str, liquidation: str
) -> None:
    more = {} if leverage is None else {"leverage": leverage}
    stated = book_line("isolated_margin", {"BTC": owed}, {"USDT": owed}, **more)
    stated["loans"][0] |= {"rate": {"kind": "fixed", "daily": "0"}, "term": "30d", "matures_at": "2099-01-01T00:00:00Z"}
    shelf = Shelf(shipped("isolated_margin"), stated, at=DATES[dated], margin_call_repeat=timedelta())
    assert shelf.price(USDT="1", BTC=str(D(call) + D("1e-8"))) == []
    assert shelf.price(BTC=call) == ["margin_call.opened"]
    assert shelf.price(BTC=liquidation) == ["liquidation.triggered(ltv)"]


def test_lines_follow_the_tier_of_what_is_borrowed_and_a_repayment_leads_back() -> None:
    stated = book_line("isolated_margin", {"BTC": "1"}, {"USDT": "100000"}, leverage=10)
    shelf = Shelf(shipped("isolated_margin"), stated, at=DATES["2020"])
    shelf.price(USDT="1", BTC="112000")
    assert shelf.detail()["thresholds"] == {"initial": "1.2", "margin_call": "1.15", "liquidation": "1.1"}
    out = shelf.enter({"type": "repay", "asset": "USDT", "amount": "30000"})
    assert out.refused is None
    assert shelf.detail()["thresholds"]["liquidation"] == "1.05"
    loan = {**stated["loans"][0], "id": "L-2", "asset": "BTC", "principal": "9.1"}
    shelf.enter({"type": "borrow", "loan": loan})
    assert shelf.detail()["thresholds"]["liquidation"] == "1.1"


def test_a_leverage_that_a_product_does_not_have_is_refused_and_so_are_lines_that_fit_no_tier_of_it() -> None:
    rules = {kind: shipped(kind) for kind in ("isolated_margin", "vip_loan")}
    for kind, more, why in (
        ("isolated_margin", {"leverage": 4}, "leverage: found 4, expected one of: 3, 5, 10"),
        ("vip_loan", {"leverage": 3}, "leverage: found 3, but vip_loan has no lines by leverage; leave it out"),
        ("isolated_margin", {"leverage": 5, "thresholds": {"liquidation": "1.2"}}, "thresholds: lines out of order"),
    ):
        with pytest.raises(Invalid, match=why):
            parse_line(book_line(kind, {"BTC": "1"}, {"USDT": "1"}, **more), START, rules)
    tiered = book_line("isolated_margin", {"BTC": "1"}, {"USDT": "1"}, leverage=10, thresholds={"margin_call": "1.12"})
    with pytest.raises(Invalid, match="lines out of order"):  # 1.12 fits tier 1, but what it owes may grow
        parse_line(tiered, DATES["2020"], rules)


TIER = {"leverage": 10, "initial": "1.2", "margin_call": "1.1", "liquidation": "1.05"}
WRONG: list[tuple[list[dict[str, Any]], str]] = [
    ([TIER, TIER], "version[0].tiers[1]: comes after a tier of this leverage without `up_to`"),
    ([TIER | {"liquidation": "1.1"}], "version[0].tiers[0]: lines out of order"),
    ([TIER | {"up_to": {"BTC": "5"}}, TIER | {"up_to": {"BTC": "5"}}], "tiers[1].up_to.BTC: cap 5 is not above 5"),
    ([TIER | {"up_to": {"BTC": "5"}}, TIER | {"up_to": {"ETH": "6"}}], "tiers[1].up_to: found ETH, expected the coins of"),
    ([TIER | {"up_to": {"BTC": "5"}}, TIER | {"margin_call": "1.08"}], "tiers[1].margin_call: margin_call 1.08 is milder"),
    ([TIER | {"leverage": 0}], "tiers[0].leverage: found 0"),
]  # fmt: skip


@pytest.mark.parametrize(("tiers", "why"), WRONG, ids=[why for _, why in WRONG])
def test_what_is_wrong_with_tiers_is_named_with_its_place(tiers: list[dict[str, Any]], why: str) -> None:
    with pytest.raises(Invalid) as e:
        isolated_margin.load({"version": [{"effective": START, "tiers": tiers}]})
    assert any(why in str(p) for p in e.value.problems), e.value


def test_an_isolated_account_holds_one_pair() -> None:
    stated = book_line("isolated_margin", {"BTC": "1", "ETH": "1", "USDT": "1"}, {"USDT": "1"})
    with pytest.raises(Invalid, match=r"found 3 coins \(BTC, ETH, USDT\), isolated_margin takes 2 a group"):
        parse_line(stated, START, {"isolated_margin": shipped("isolated_margin")})
    shelf = Shelf(shipped("isolated_margin"), book_line("isolated_margin", {"BTC": "1", "ETH": "1"}, {"USDT": "1"}))
    out = shelf.enter({"type": "deposit", "account": "G-1-a", "asset": "USDT", "quantity": "5"})
    assert out.refused is not None
    assert out.refused.reason == "too_many_coins"
