"""Every book entry on every product: what each does there, to the hour and the minute, and what the product refuses."""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor import plugins
from monitor.core.events.events import ProductsChanged
from monitor.core.events.history import Row
from monitor.core.groups.daily_interest import Stretch, charges
from monitor.core.groups.outcome import Outcome
from monitor.core.money import exact
from monitor.core.rules.product import DAY, HOUR, MINUTE, Product
from monitor.core.rules.settings import Fund
from monitor.products import cross_margin_classic
from tests.book_lines import book_line
from tests.products.shelf import START, Shelf, shipped

D = Decimal
KINDS = plugins.kinds("products")
every_product = pytest.mark.parametrize("kind", KINDS)
PRICES = {"BTC": "30000", "ETH": "2000", "BNB": "300", "SOL": "50"}


def coins(product: Product) -> tuple[str, str]:
    """A coin that may be pledged, and one that is lent."""
    version = product.version_at(START)
    lent = next(a for a in ("USDT", "USDC", *version.rates) if a in version.rates and version.takes(a))
    return ("BTC" if version.ladder("BTC") is not None else next(iter(version.ladders))), lent


def shelf(kind: str, owed: str = "10000") -> tuple[Shelf, str, str]:
    """A healthy group: 2 of what it pledges, and a term loan beside an open one."""
    product = shipped(kind)
    pledged, lent = coins(product)
    stated = book_line(kind, {pledged: "2"}, {lent: owed})
    term = {
        "id": "T-1",
        "asset": lent,
        "principal": "100",
        "rate": {"kind": "fixed", "daily": "0.001"},
        "term": "30d",
        "opened_at": "2026-01-05T10:00:00Z",
        "matures_at": "2026-02-04T10:00:00Z",
    }
    stated["loans"].append(term)
    it = Shelf(product, stated)
    it.price(**{a: PRICES.get(a, "1") for a in {pledged, lent, "BTC", "ETH", "BNB"}})
    return it, pledged, lent


def fine(out: Outcome) -> list[Row]:
    assert out.refused is None
    return out.history


@every_product
def test_every_entry_of_the_interface_works_on_every_product(kind: str) -> None:
    it, pledged, lent = shelf(kind)
    has_grace = it.product.version_at(START).grace is not None
    longest = it.product.version_at(START).loan_terms[-1]
    borrowed = {
        "id": "B-1",
        "asset": lent,
        "principal": "50",
        "rate": {"kind": "flexible"},
        "term": "open",
        "opened_at": "2026-01-05T10:30:00Z",
    }
    until = "2026-03-01T00:00:00Z"
    entries: list[dict[str, Any]] = [
        {"type": "deposit", "account": "G-1-a", "asset": pledged, "quantity": "1"},
        {"type": "withdraw", "account": "G-1-a", "asset": pledged, "quantity": "0.5"},
        {"type": "set_balance", "account": "G-1-a", "asset": pledged, "quantity": "2"},
        {"type": "attach_account", "account": "G-1-b"},
        {"type": "transfer", "from": "G-1-a", "to": "G-1-b", "asset": pledged, "quantity": "0.5"},
        {"type": "detach_account", "account": "G-1-b"},
        {"type": "borrow", "loan": borrowed},
        {"type": "repay", "asset": lent, "amount": "10"},
        {"type": "repay", "asset": lent, "percent": "1", "loan": "B-1"},
        {"type": "renew", "loan": "T-1", "term": longest, "rate": {"kind": "fixed", "daily": "0.002"}},
        {"type": "waive", "until": until, "reason": "as agreed"},
        *([{"type": "enroll", "delayed_liquidation": True}] if has_grace else []),
        {"type": "enroll", "delayed_liquidation": False},
        {"type": "liquidated", "proceeds_usd": "20000", "fee_usd": "1"},
    ]
    for n, entry in enumerate(entries):
        it.wait(START + 7 * n * MINUTE)
        fine(it.enter(entry))
    here = it.detail()
    assert (here["debt_usd"], here["version"]) == ("0", len(entries) + 1)
    assert {x["id"]: (x["principal"], x["interest"]) for x in here["loans"]} == {
        f"G-1-{lent}": ("0", "0"),
        "T-1": ("0", "0"),
        "B-1": ("0", "0"),
    }


@every_product
def test_a_product_without_a_grace_period_enrols_nobody(kind: str) -> None:
    it, _, _ = shelf(kind)
    refused = it.enter({"type": "enroll", "delayed_liquidation": True}).refused
    has_grace = it.product.version_at(START).grace is not None
    assert (refused is None) is has_grace
    assert has_grace or (refused is not None and refused.reason == "no_grace")


@every_product
def test_a_grace_period_is_extended_where_one_runs(kind: str) -> None:
    it, pledged, lent = shelf(kind, "50000")
    entry = {"type": "extend_grace", "until": "2026-01-09T00:00:00Z", "reason": "bank holiday"}
    if it.product.version_at(START).grace is None:
        refused = it.enter(entry).refused
        assert refused is not None
        assert refused.reason == "no_grace"
        return
    it.enter({"type": "enroll", "delayed_liquidation": True})
    value, owed = D(it.detail()["recognised_usd"]), D("0.94") * D(it.detail()["recognised_usd"])
    assert value > 0
    have = D(it.detail()["debt_usd"])
    more = {
        "id": "B-1",
        "asset": lent,
        "principal": str(owed - have),
        "rate": {"kind": "flexible"},
        "term": "open",
        "opened_at": "2026-01-05T10:30:00Z",
    }
    fine(it.enter({"type": "borrow", "loan": more}))
    assert it.detail()["stage"] == "delayed_liquidation"
    fine(it.enter(entry))
    assert it.detail()["deadline"] == "2026-01-09T00:00:00.000Z"


@every_product
def test_no_entry_books_an_instant_of_interest_twice_or_forgets_one(kind: str) -> None:
    """One group is left alone, the other is touched again and again; both owe the same."""
    alone, _, lent = shelf(kind)
    busy, _, _ = shelf(kind)
    period = alone.product.period
    more = {
        "asset": lent,
        "principal": "1",
        "rate": {"kind": "flexible"},
        "term": "open",
        "opened_at": "2026-01-05T10:30:00Z",
    }
    for n in range(9):
        at = START + n * (period // 3 + timedelta(seconds=17))
        alone.wait(at)
        busy.wait(at)
        fine(busy.enter({"type": "borrow", "loan": {**more, "id": f"B-{n}"}}))
    end = START + 40 * period
    alone.wait(end)
    busy.wait(end)
    owed = [{x["id"]: x["interest"] for x in it.detail()["loans"]} for it in (alone, busy)]
    assert owed[1].items() >= owed[0].items()
    assert D(owed[0][f"G-1-{lent}"]) > 0


@every_product
def test_what_days_charged_adds_up_on_every_product(kind: str) -> None:
    """Over a change in the middle of a day: items of one rate each, periods times rate times principal."""
    it, _, lent = shelf(kind)
    rows: list[Row] = []
    it.wait(START + 5 * HOUR)
    rows += fine(it.enter({"type": "repay", "asset": lent, "amount": "500", "loan": f"G-1-{lent}"}))
    end = datetime.fromisoformat("2026-01-08T00:00:00+00:00")
    it.wait(end)
    sight = it.monitor.sight("G-1")
    assert sight is not None
    ended = [Stretch(r.before, it.product, r.until) for r in rows if r.before is not None and r.until is not None]
    with exact():
        found = list(charges([*ended, *(Stretch(x, it.product, end) for x in sight.group.loans)], None, end))
        for charge in found:
            simple = charge.principal * charge.rate * charge.late_factor * charge.periods
            assert charge.amount >= simple if it.product.compounds else charge.amount == simple
        paid = sum((D(r.facts.get("interest_paid", "0")) for r in rows), D(0))
        owed = sum((D(x["interest"]) for x in it.detail()["loans"]), D(0))
        assert sum((c.amount for c in found), D(0)) == owed + paid
    mine = [c.periods for c in found if c.loan == f"G-1-{lent}"]
    # 10:30 to 15:30 holds five full hours, nine more end with the day; Cross Collateral is free until the eighth.
    by_period = {DAY: [1, 1, 1], HOUR: [5, 9, 24, 24], MINUTE: [300, 510, 1440, 1440]}
    assert mine == ([1] if kind == "cross_collateral" else by_period[it.product.period])


# -- Cross Collateral, rule 36 --


def test_rule_36_cross_collateral_repays_in_two_passes_and_refreshes_ltv() -> None:
    """Two orders of 100 and 200 USDT with interest; 1 pays of the older interest, 100 more of the older principal."""
    stated = book_line("cross_collateral", {"BTC": "0.01"}, {})
    stated["loans"] = [
        {"id": id_, "asset": "USDT", "principal": principal, "interest": interest, "rate": {"kind": "flexible"},
         "term": "open", "opened_at": opened}
        for id_, principal, interest, opened in (
            ("new", "200", "3", "2026-01-02T00:00:00Z"), ("old", "100", "2", "2026-01-01T00:00:00Z"),
        )
    ]  # fmt: skip
    it = Shelf(shipped("cross_collateral"), stated)
    it.price(BTC="50000", USDT="1")
    assert it.detail()["ltv"] == "0.61"
    steps = [
        # paid    of old (principal, interest)   of new               LTV
        ("1",     ("100", "1"),                  ("200", "3"),        "0.608"),
        ("3",     ("100", "0"),                  ("200", "1"),        "0.602"),
        ("51",    ("50", "0"),                   ("200", "0"),        "0.5"),
        ("100",   ("0", "0"),                    ("150", "0"),        "0.3"),
    ]  # fmt: skip
    for paid, old, new, ltv in steps:
        rows = fine(it.enter({"type": "repay", "asset": "USDT", "amount": paid}))
        left = {x["id"]: (x["principal"], x["interest"]) for x in it.detail()["loans"]}
        assert (left["old"], left["new"], it.detail()["ltv"]) == (old, new, ltv)
        assert {r.facts["ltv_after"] for r in rows if r.kind == "repayment"} == {ltv}


# -- what a product refuses --


def test_a_coin_beyond_those_of_a_pair_is_refused() -> None:
    for kind, second, reason in (
        ("flexible_loan", "ETH", "too_many_coins"),
        ("isolated_margin", "SOL", "too_many_coins"),
    ):
        it, _, _ = shelf(kind)
        for coin in ("ETH", "SOL")[: 2 if kind == "isolated_margin" else 1]:
            out = it.enter({"type": "deposit", "account": "G-1-a", "asset": coin, "quantity": "1"})
            assert (out.refused.reason if out.refused else None) == (reason if coin == second else None)


def test_a_liability_without_tiers_cannot_be_borrowed() -> None:
    it, _, _ = shelf("cross_margin_pro")
    loan = {
        "id": "B-1",
        "asset": "DOGE",
        "principal": "1",
        "rate": {"kind": "fixed", "daily": "0.001"},
        "term": "30d",
        "opened_at": "2026-01-05T10:30:00Z",
        "matures_at": "2026-02-04T10:30:00Z",
    }
    refused = it.enter({"type": "borrow", "loan": loan}).refused
    assert refused is not None
    assert refused.reason == "no_tier"


def test_rule_42_a_loan_whose_interest_is_paid_in_bnb_is_borrowed_repaid_and_settled() -> None:
    it, _, lent = shelf("cross_margin_pro")
    rate = {"kind": "flexible", "paid_in": "BNB"}
    loan = {
        "id": "B-1",
        "asset": lent,
        "principal": "1000",
        "rate": rate,
        "term": "open",
        "opened_at": "2026-01-05T10:30:00Z",
    }
    fine(it.enter({"type": "borrow", "loan": loan}))
    it.wait(START + 2 * HOUR)
    rows = fine(it.enter({"type": "repay", "asset": lent, "percent": "100", "loan": "B-1"}))
    (paid,) = [r for r in rows if r.kind == "repayment"]
    hourly = it.product.version_at(START).rates[lent]
    # The hour that is begun at borrowing, and two full ones.
    assert D(paid.facts["interest_paid"]) == 3 * 1000 * hourly * D("0.95")


def test_a_repayment_lowers_the_margin_that_a_liability_requires() -> None:
    it, _, lent = shelf("cross_margin_pro")
    before = D(it.detail()["maintenance_margin_usd"])
    fine(it.enter({"type": "repay", "asset": lent, "percent": "50"}))
    assert D(it.detail()["maintenance_margin_usd"]) == before / 2


@pytest.mark.parametrize("beside", [(), ("vip_loan",)], ids=["alone", "beside a daily product"])
def test_interest_of_every_minute_counts_in_what_the_fund_would_pay(beside: tuple[str, ...]) -> None:
    it = Shelf(shipped("flexible_loan"), book_line("flexible_loan", {"BTC": "1"}, {"USDT": "100000"}))
    products = {**it.rules.products, **{kind: shipped(kind) for kind in beside}}
    it.monitor.handle(ProductsChanged(START, msgspec.structs.replace(it.rules, products=products, fund=Fund(D(0)))))
    it.price(BTC="90000", USDT="1")
    draws = []
    for minutes in (1, 2, 3):
        it.wait(START + timedelta(minutes=minutes, seconds=1))
        assert it.monitor.fund is not None
        draws.append(it.monitor.fund.draw_usd)
    rate = it.product.version_at(START).rates["USDT"] * 100000
    assert draws == [10000 + rate, 10000 + 2 * rate, 10000 + 3 * rate]


def test_a_day_in_which_the_rate_changes_has_a_charge_for_each_rate() -> None:
    """From 14:20 on it is twice the rate: 11:00 to 14:00 are charged at the one, 15:00 to 24:00 at the other."""
    versions = [
        {"effective": datetime.fromisoformat(f"2026-01-{since}+00:00"), "rates": {"USDT": rate}}
        for since, rate in (("01T00:00:00", "0.001"), ("05T14:20:00", "0.002"))
    ]
    it = Shelf(cross_margin_classic.load({"version": versions}), book_line("cross_margin_classic", {}, {"USDT": "100"}))
    sight = it.monitor.sight("G-1")
    assert sight is not None
    (loan,) = sight.group.loans
    end = datetime.fromisoformat("2026-01-07T00:00:00+00:00")
    with exact():
        found = list(charges([Stretch(loan, it.product, end)], None, end))
        first = charges([Stretch(loan, it.product, end)], (found[0].day, loan.id, found[0].first), end)
        assert list(first) == found[1:]
    assert [(c.first.hour, c.periods, c.rate, c.amount) for c in found] == [
        (11, 4, D("0.001"), D("0.4")), (15, 10, D("0.002"), D("2")), (1, 24, D("0.002"), D("4.8")),
    ]  # fmt: skip
