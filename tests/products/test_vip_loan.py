"""Rules of VIP loans that no single module of core holds alone (VIP FAQ)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from monitor.core.book import parse_line
from monitor.core.wire import Invalid
from monitor.products import vip_loan
from tests.products.shelf import START, Shelf, line

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


def test_vip_faq_5_only_designated_coins_in_the_collateral_accounts_count() -> None:
    stated = line("vip_loan", {"AAA": "100", "JUNK": "9999"}, {"USDC": "50"}, balances={"elsewhere": {"AAA": "500"}})
    shelf = Shelf(product(), stated)
    shelf.price(AAA="1", USDC="1")
    shown = shelf.detail()
    assert (shown["recognised_usd"], shown["ltv"], shown["unknown"]) == ("100", "0.5", False)
    assert [u["asset"] for u in shown["uncounted"]] == ["JUNK"]


def test_vip_faq_29_the_ratio_is_marginal_per_asset_over_all_accounts() -> None:
    stated = line("vip_loan", {}, {"USDC": "1"}, collateral={"a": {"AAA": "2500000"}, "b": {"AAA": "2500000"}})
    shelf = Shelf(product(), stated)
    shelf.price(AAA="1", USDC="1")
    assert shelf.detail()["recognised_usd"] == "4200000"


def test_vip_faq_31_ratios_change_by_date_and_move_ltv_without_a_price() -> None:
    lower = {"effective": START + timedelta(hours=1), "ladders": {"AAA": [["inf", "0.5"]]}}
    shelf = Shelf(product(lower), line("vip_loan", {"AAA": "100"}, {"USDC": "46"}))
    assert shelf.price(AAA="1", USDC="1") == []
    assert shelf.wait(START + timedelta(minutes=59)) == []
    assert shelf.wait(START + timedelta(hours=1)) == ["rules.changed", "liquidation.triggered(ltv)"]
    assert shelf.detail()["rules"] == "vip_loan@2026-01-05"


TERMS = [
    # term    matures                 rate                                     refused for
    ("open",  None,                   {"kind": "flexible"},                    None),
    ("30d",   "2026-02-01T00:00:00Z", {"kind": "flexible"},                    None),
    ("60d",   "2026-02-01T00:00:00Z", {"kind": "fixed", "daily": "0.0002"},    None),
    ("open",  None,                   {"kind": "fixed", "daily": "0.0002"},    "fixed rate exists for 30d and 60d"),
    ("90d",   "2026-02-01T00:00:00Z", {"kind": "flexible"},                    "expected one of 'open', '30d', '60d'"),
]  # fmt: skip


@pytest.mark.parametrize(("term", "matures", "rate", "why"), TERMS, ids=[f"{t[0]}-{t[2]['kind']}" for t in TERMS])
def test_vip_faq_21_terms_are_open_30_and_60_days_and_only_term_loans_are_fixed(
    term: str, matures: str | None, rate: dict[str, str], why: str | None
) -> None:
    stated = line("vip_loan", {"AAA": "100"}, {"USDC": "1"})
    stated["loans"][0] |= {"term": term, "matures_at": matures, "rate": rate}
    if why is None:
        assert parse_line(stated, START, {"vip_loan": product()}).loans[0].term == term
    else:
        with pytest.raises(Invalid, match=why):
            parse_line(stated, START, {"vip_loan": product()})


def test_vip_faq_23_a_renewal_does_not_change_between_fixed_and_flexible() -> None:
    stated = line("vip_loan", {"AAA": "100"}, {"USDC": "1"})
    stated["loans"][0] |= {"term": "30d", "matures_at": "2026-01-10T00:00:00Z"}
    shelf = Shelf(product(), stated)
    renewal = {"type": "renew", "loan": "G-1-USDC", "term": "60d"}
    refused = shelf.enter({**renewal, "rate": {"kind": "fixed", "daily": "0.0002"}}).refused
    assert refused is not None
    assert refused.reason == "rate_kind"
    assert shelf.enter({**renewal, "rate": {"kind": "flexible"}}).refused is None


def test_vip_faq_26_repayment_is_by_amount_or_by_percent_of_interest_and_principal() -> None:
    for entry, left in (
        ({"amount": "0.05"}, ("50", "0")),  # a day's interest
        ({"amount": "10.05"}, ("40", "0")),
        ({"percent": "100"}, ("0", "0")),
        ({"percent": "50"}, ("25.025", "0")),
    ):
        shelf = Shelf(product(), line("vip_loan", {"AAA": "100"}, {"USDC": "50"}))
        shelf.wait(START + timedelta(days=1))
        assert shelf.enter({"type": "repay", "asset": "USDC", **entry}).refused is None
        (loan,) = shelf.detail()["loans"]
        assert (loan["principal"], loan["interest"]) == left
