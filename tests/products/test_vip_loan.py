"""Rules of VIP loans that no single module of core holds alone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.events.events import MarkPrices
from monitor.core.loans.group import parse_line
from monitor.core.prices.quote import Quote
from monitor.core.schema import Invalid
from monitor.products import vip_loan
from tests.book_lines import book_line
from tests.products.shelf import START, Shelf

THRESHOLDS = {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"}
LADDER = [["1000000", "1"], ["inf", "0.8"]]


def product(*later: dict[str, Any]) -> Any:
    first = {
        "effective": datetime(2024, 4, 29, tzinfo=UTC),
        "thresholds": THRESHOLDS,
        "ladders": {"AAA": LADDER},
        "rates": {"USDC": "0.001"},
    }
    return vip_loan.load({"version": [first, *(first | changes for changes in later)]})


def test_rule_05_only_designated_coins_in_the_collateral_accounts_count() -> None:
    stated = book_line(
        "vip_loan", {"AAA": "100", "JUNK": "9999"}, {"USDC": "50"}, balances={"elsewhere": {"AAA": "500"}}
    )
    shelf = Shelf(product(), stated)
    shelf.price(AAA="1", USDC="1")
    shown = shelf.detail()
    assert (shown["recognised_usd"], shown["ltv"], shown["unknown"]) == ("100", "0.5", False)
    assert [u["asset"] for u in shown["uncounted"]] == ["JUNK"]


def test_rule_29_the_ratio_is_marginal_per_asset_over_all_accounts() -> None:
    stated = book_line("vip_loan", {}, {"USDC": "1"}, collateral={"a": {"AAA": "2500000"}, "b": {"AAA": "2500000"}})
    shelf = Shelf(product(), stated)
    shelf.price(AAA="1", USDC="1")
    assert shelf.detail()["recognised_usd"] == "4200000"


def test_rule_31_ratios_change_by_date_and_move_ltv_without_a_price() -> None:
    lower = {"effective": START + timedelta(hours=1), "ladders": {"AAA": [["inf", "0.5"]]}}
    shelf = Shelf(product(lower), book_line("vip_loan", {"AAA": "100"}, {"USDC": "46"}))
    assert shelf.price(AAA="1", USDC="1") == []
    assert shelf.wait(START + timedelta(minutes=59)) == []
    assert shelf.wait(START + timedelta(hours=1)) == ["rules.changed", "liquidation.triggered(ltv)"]
    assert shelf.detail()["rules"] == "vip_loan@2026-01-05"


TERMS = [
    # term    matures                 rate                                     refused for
    ("open",  None,                   {"kind": "flexible"},                    None),
    ("30d",   "2026-02-01T00:00:00Z", {"kind": "flexible"},                    None),
    ("60d",   "2026-02-01T00:00:00Z", {"kind": "fixed", "daily": "0.0002"},    None),
    ("open",  None,                   {"kind": "fixed", "daily": "0.0002"},    "fixed rate exists for loans with a term only"),
    ("90d",   "2026-02-01T00:00:00Z", {"kind": "flexible"},                    "found '90d', vip_loan offers open, 30d, 60d"),
]  # fmt: skip


@pytest.mark.parametrize(("term", "matures", "rate", "why"), TERMS, ids=[f"{t[0]}-{t[2]['kind']}" for t in TERMS])
def test_rule_21_terms_are_open_30_and_60_days_and_only_term_loans_are_fixed(
    term: str, matures: str | None, rate: dict[str, str], why: str | None
) -> None:
    stated = book_line("vip_loan", {"AAA": "100"}, {"USDC": "1"})
    stated["loans"][0] |= {"term": term, "matures_at": matures, "rate": rate}
    if why is None:
        assert parse_line(stated, START, {"vip_loan": product()}).loans[0].term == term
    else:
        with pytest.raises(Invalid, match=why):
            parse_line(stated, START, {"vip_loan": product()})


def test_rule_23_a_renewal_does_not_change_between_fixed_and_flexible() -> None:
    stated = book_line("vip_loan", {"AAA": "100"}, {"USDC": "1"})
    stated["loans"][0] |= {"term": "30d", "matures_at": "2026-01-10T00:00:00Z"}
    shelf = Shelf(product(), stated)
    renewal = {"type": "renew", "loan": "G-1-USDC", "term": "60d"}
    refused = shelf.enter({**renewal, "rate": {"kind": "fixed", "daily": "0.0002"}}).refused
    assert refused is not None
    assert refused.reason == "rate_kind"
    assert shelf.enter({**renewal, "rate": {"kind": "flexible"}}).refused is None


def test_rule_26_repayment_is_by_amount_or_by_percent_of_interest_and_principal() -> None:
    for entry, left in (
        ({"amount": "0.05"}, ("50", "0")),  # a day's interest
        ({"amount": "10.05"}, ("40", "0")),
        ({"percent": "100"}, ("0", "0")),
        ({"percent": "50"}, ("25.025", "0")),
    ):
        shelf = Shelf(product(), book_line("vip_loan", {"AAA": "100"}, {"USDC": "50"}))
        shelf.wait(START + timedelta(days=1))
        assert shelf.enter({"type": "repay", "asset": "USDC", **entry}).refused is None
        (loan,) = shelf.detail()["loans"]
        assert (loan["principal"], loan["interest"]) == left


def test_rule_01_the_borrowers_vip_level_is_stated_with_the_group_and_decides_what_is_offered() -> None:
    stated = book_line("vip_loan", {"AAA": "100"}, {"USDC": "1"})
    lending = {"loan_limits": {"USDC": ["10", "20", "30"]}, "effective": START - timedelta(days=1)}
    for level, limit in ((None, "10"), (1, "20"), (9, "30")):
        shelf = Shelf(product(lending), stated | ({} if level is None else {"vip_level": level}))
        assert shelf.detail()["borrowable"]["USDC"]["limit_usd"] == limit
    with pytest.raises(Invalid, match="vip_level: found 100, expected a whole number from 0 to 99"):
        parse_line(stated | {"vip_level": 100}, START, {"vip_loan": product()})


def test_rule_02_every_alert_of_a_group_and_its_detail_name_the_receiving_account() -> None:
    """Money settles there; it is an account of the group, also where it holds no collateral."""
    shelf = Shelf(product(), book_line("vip_loan", {"AAA": "100"}, {"USDC": "80"}))
    out = shelf.monitor.handle(
        MarkPrices(START, tuple(Quote(a, Decimal(1), "USD", "f", START) for a in ("AAA", "USDC")))
    )
    (called,) = shelf.told(out)
    assert called["group"]["receiving_account"] == shelf.detail()["receiving_account"] == "G-1-in"
    other = book_line("vip_loan", {}, {}, "G-2", collateral={"G-1-in": {"AAA": "1"}})
    refused = shelf.put(other).refused
    assert refused is not None
    assert refused.reason == "account_in_use"


def test_rule_03_an_early_repayment_costs_what_is_owed_and_nothing_else() -> None:
    """50 and a day's interest of 0.05 end a 60-day loan on its second day; the liquidation fee is no part of the debt."""
    stated = book_line("vip_loan", {"AAA": "100"}, {"USDC": "50"})
    stated["loans"][0] |= {"term": "60d", "matures_at": "2026-03-06T10:00:00Z"}
    shelf = Shelf(product(), stated)
    shelf.price(AAA="1", USDC="1")
    shelf.wait(START + timedelta(days=1))
    assert shelf.detail()["debt_usd"] == "50.05"
    (said,) = shelf.enter({"type": "repay", "asset": "USDC", "amount": "50.050001"}).alerts
    assert (said.type, said.facts["owed"], said.facts["returned"]) == ("loan.overpaid", "50.05", "0.000001")
    shown = shelf.detail()
    assert (shown["debt_usd"], shown["ltv"]) == ("0", "0")
    assert shelf.wait(START + timedelta(days=90)) == []


def test_rule_04_what_becomes_of_the_proceeds_moves_no_ltv() -> None:
    """They lie in the receiving account's Spot wallet, or have left it: neither counts unless it is a collateral account."""
    stated = book_line("vip_loan", {"AAA": "100"}, {"USDC": "50"}, balances={"G-1-in": {"USDC": "50", "AAA": "7"}})
    shelf = Shelf(product(), stated)
    shelf.price(AAA="1", USDC="1")
    before = shelf.detail()
    assert shelf.put(stated | {"balances": {"G-1-in": {"USDC": "0"}}}).alerts == []
    after = shelf.detail()
    assert (before["ltv"], before["recognised_usd"]) == (after["ltv"], after["recognised_usd"]) == ("0.5", "100")
    refused = shelf.enter({"type": "withdraw", "account": "G-1-in", "asset": "USDC", "quantity": "1"}).refused
    assert refused is not None
    assert refused.reason == "unknown_account"
