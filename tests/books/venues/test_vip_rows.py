"""Rows of the exchange are read as they come, whatever stands in them; no text of it is more than refused."""

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.books import _vip as vip
from monitor.books import _vip_rules as rules
from monitor.books._base import PlainReader
from monitor.core.schema import Invalid
from tests.coin_desk import version
from tests.core.desk import product
from tests.effort import examples, more_in_a_soak

D = Decimal
AT = datetime(2026, 1, 5, tzinfo=UTC)
PRODUCT = product(version(ladders={"BTC": [["10000000", "1"], ["inf", "0.8"]]}))
ROW = {
    "orderId": 756783308056935434, "loanCoin": "USDT", "totalDebt": "1000", "loanRate": "0.05", "residualInterest": "10",
    "collateralAccountId": "1, 2,,1", "collateralCoin": "BTC,ETH", "totalCollateralValueAfterHaircut": "2000",
    "lockedCollateralValue": "2000", "currentLTV": "0.5000", "expirationTime": 1775018510000,
    "loanDate": "1776851200000", "loanTerm": "30days",
}  # fmt: skip


def line(row: dict[str, Any], debt: vip.DebtReading = "") -> dict[str, Any]:
    (group,) = vip.groups_of("vip", [vip.order_of(row)], [], [])
    return vip.line_of(group, "vip_loan", {account: {"BTC": D(1)} for account in group.accounts}, {}, debt)


def test_lists_ids_and_a_rate_of_a_year() -> None:
    order = vip.order_of(ROW)
    assert (order.id, order.accounts, order.coins) == ("756783308056935434", ("1", "2"), {"BTC", "ETH"})
    loan = line(ROW)["loans"][0]
    assert loan["rate"] == {"kind": "fixed", "daily": "0.000136986301369864"}


@pytest.mark.parametrize(
    ("debt", "expected"), [("", ("1000", "10")), ("without", ("1000", "10")), ("with", ("990", "10"))]
)
def test_the_reading_of_a_debt(debt: vip.DebtReading, expected: tuple[str, str]) -> None:
    loan = line(ROW, debt)["loans"][0]
    assert (loan["principal"], loan["interest"]) == expected


@pytest.mark.parametrize(
    ("ltv", "usdt", "shown"),
    [("0.5000", "1", "with"), ("0.5050", "1", "without"), ("0.5025", "1", ""), ("0.50", "1", ""), ("0.5000", None, "")],
)
def test_a_reconcile_shows_which_reading_is_right_within_a_tenth_of_a_point(
    ltv: str, usdt: str | None, shown: str
) -> None:
    groups = vip.groups_of("vip", [vip.order_of({**ROW, "currentLTV": ltv})], [], [])
    assert vip.reconciled(groups, {} if usdt is None else {"USDT": D(usdt)}) == shown


def test_an_earn_position_that_is_pledged_counts_under_its_own_name() -> None:
    """Domain section 3.5."""
    held = vip.balances_of({"balances": [{"asset": "LDBTC", "free": "2", "locked": "0"}]})
    assert held["BTC-Earn"] == 2
    row = {**ROW, "collateralCoin": "BTC,BTC-Earn", "collateralAccountId": "1"}
    (group,) = vip.groups_of("vip", [vip.order_of(row)], [], [])
    assert vip.line_of(group, "vip_loan", {"1": held}, {}, "")["collateral"] == {"1": {"BTC-Earn": "2"}}


def test_free_and_locked_count_and_what_is_not_designated_does_not() -> None:
    """Rule 5 and reading A3."""
    rows = [{"asset": "BTC", "free": "1", "locked": "0.5"}, {"asset": "DOGE", "free": "9", "locked": "0"}]
    held = vip.balances_of({"balances": rows})
    (group,) = vip.groups_of("vip", [vip.order_of({**ROW, "collateralAccountId": "1"})], [], [])
    assert vip.line_of(group, "vip_loan", {"1": held}, {}, "")["collateral"] == {"1": {"BTC": "1.5"}}


TIERS = [
    ([("100%", "1-10000000"), ("80%", ">10000000")], "1 to 10000000, 0.8"),
    ([("100%", "1-10000000"), ("80%", "10000000-100000000"), ("60%", "100000000-1000000000"), ("0%", ">10000000000")],
     "1 to 10000000, 0.8 to 100000000, 0.6 to 1000000000, then 0"),
    ([("90%", "1-5"), ("90%", ">5")], "0.9"),
]  # fmt: skip


@pytest.mark.parametrize(("tiers", "words"), TIERS)
def test_a_published_ladder_begins_where_the_tier_before_ends(tiers: list[tuple[str, str]], words: str) -> None:
    row: dict[str, Any] = {"collateralCoin": "BTC"}
    for name, (ratio, bounds) in zip(("1st", "2nd", "3rd", "4th"), tiers, strict=False):
        row |= {f"_{name}CollateralRatio": ratio, f"_{name}CollateralRange": bounds}
    ladder = rules.ladder_of(row)
    assert ladder is not None
    assert rules.ladder_words(ladder) == words


def test_a_ladder_that_cannot_be_read_is_unknown_and_differs_from_nothing() -> None:
    row = {"collateralCoin": "BTC", "_1stCollateralRatio": "", "_1stCollateralRange": "1-10"}
    assert "ladder BTC" not in {figure.figure for figure in rules.ladder_figures(PRODUCT, AT, [row], ())}


VALUES = st.one_of(
    st.none(), st.booleans(), st.integers(), st.text(max_size=20), st.decimals(), st.lists(st.integers(), max_size=2),
    st.sampled_from(["", "0", "-1", "1e999", "1e-999", "NaN", "٣", "\ud800", "\x00", "a,b,,a", "9" * 70, "open term"]),
)  # fmt: skip
ROWS = st.dictionaries(st.sampled_from([*ROW, "asset", "free", "locked"]), VALUES)


@more_in_a_soak
@settings(max_examples=examples(40, 1000))
@given(st.lists(ROWS, max_size=4), ROWS, st.sampled_from(["", "with", "without"]))
def test_no_row_is_more_than_refused(rows: list[dict[str, Any]], other: dict[str, Any], debt: vip.DebtReading) -> None:
    orders = [vip.order_of({**ROW, **row}) for row in rows]
    requests = [vip.request_of({**row, **other}) for row in rows]
    reader = PlainReader(lambda: {"vip_loan": PRODUCT})
    groups = vip.groups_of("vip", orders, requests, [])
    vip.reconciled(groups, {"USDT": D(1)})
    vip.liquidated_groups("vip", requests, [], groups, {})
    for group in groups:
        msgspec.json.encode(vip.reading_of(group, {}, AT, {}))
        stated = vip.line_of(group, "vip_loan", {account: {"BTC": D(1)} for account in group.accounts}, {}, debt)
        with suppress(Invalid):
            reader.parse(msgspec.json.decode(msgspec.json.encode(stated)), AT)
    for balances in (other, {"balances": rows}, {"balances": [other]}):
        with suppress(ValueError):
            vip.balances_of(balances)
    list(rules.ladder_figures(PRODUCT, AT, rows, ()))
    list(rules.offer_figures(PRODUCT, AT, [*rows, other]))
    rules.flexible_rates([*rows, other])
