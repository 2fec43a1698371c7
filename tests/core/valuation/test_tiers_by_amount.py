"""Tiers by the amount of a coin, whatever its price (domain section 9.9, decision 102): KuCoin 48142946141533."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest

import monitor.engine.queries.snapshot
from monitor.core.groups.snapshot import Prices
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.rules.ladders import AmountTable, ByAmount, ladder
from monitor.core.rules.loosened import loosened
from monitor.core.rules.terms import Terms, stated_terms
from monitor.core.schema import Invalid, read
from monitor.core.valuation.bounds import bounds
from monitor.core.valuation.ladder import counts, recognised
from monitor.core.valuation.valuation import holding
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.products import vip_loan
from tests.products.shelf import Shelf

D = Decimal
CASES = [
    json.loads(line) for line in (Path(__file__).parents[2] / "cases/lending/figures.jsonl").read_text().splitlines()
]
BTC = {"by": "amount", "tiers": [["500", "0.98"], ["600", "0.975"], ["700", "0.97"]]}
LINES = {"initial": "0.72", "margin_call": "0.77", "liquidation": "0.91", "immediate": "0.95"}


def rules(**ladders: Any) -> Any:
    table = {"effective": datetime(2024, 1, 1, tzinfo=UTC), "thresholds": LINES, "rates": {"USDT": "0"}}
    return vip_loan.load({"version": [table | {"ladders": {"USDT": [["inf", "1"]]} | ladders}]})


def line(held: str, owed: str, **more: Any) -> dict[str, Any]:
    loan = {
        "id": "L-1", "asset": "USDT", "principal": owed, "rate": {"kind": "flexible"}, "term": "open",
        "opened_at": "2026-01-05T00:00:00Z", "matures_at": None,
    }  # fmt: skip
    return {
        "id": "G-1", "product": "vip_loan", "receiving_account": "in", "collateral": {"a": {"BTC": held}},
        "loans": [loan],
    } | more  # fmt: skip


def shelf(held: str, owed: str, price: str, ladder_of_btc: Any = BTC, **more: Any) -> Shelf:
    found = Shelf(rules(BTC=ladder_of_btc), line(held, owed, **more))
    found.price(BTC=price, USDT="1")
    return found


@pytest.mark.parametrize("case", [c for c in CASES if "tiers_by_amount" in c], ids=lambda case: case["case"])
def test_kucoin_48142946141533_660_btc_count_by_coins(case: dict[str, Any]) -> None:
    stated = {"by": "amount", "tiers": case["tiers_by_amount"]}
    shown = shelf(case["amount"], "1000", case["price"], stated).detail()
    assert shown["recognised_usd"] == case["right"]
    assert D(shown["market_usd"]) == D(case["amount"]) * D(case["price"])


def test_the_tiers_are_shown_in_usd_with_their_amounts() -> None:
    tiers = shelf("660", "1000", "50000").detail()["contributions"][0]["tiers"]
    shown = [(t["from_amount"], t["to_amount"], t["from"], t["to"], t["recognised_usd"]) for t in tiers]
    assert shown == [
        ("0", "500", "0", "25000000", "24500000"),
        ("500", "600", "25000000", "30000000", "4875000"),
        ("600", "700", "30000000", "35000000", "2910000"),
    ]


def test_a_liquidation_price_is_linear_and_a_cure_climbs_the_tiers() -> None:
    """645.7 BTC count: 40,000,000 / 0.91 / 645.7. The rest of the missing value comes from the 40 BTC up to 700, and then ends."""
    shown = shelf("660", "40000000", "75000").detail()
    assert shown["liquidation_price"]["BTC"] == "68075.02548559"
    assert shown["cure"]["by_asset"]["BTC"] is None  # 40,000,000 / 0.72 is more than 684.5 BTC at 75,000 count
    assert shelf("660", "36000000", "75000").detail()["cure"]["by_asset"]["BTC"] == "21.61512028"
    # (36,000,000 / 0.72 / 75,000 - 645.7) / 0.97


def test_terms_cut_the_shares_and_may_state_such_tiers() -> None:
    assert shelf("660", "1000", "100", terms={"scale": "0.5"}).detail()["recognised_usd"] == "32285"
    own = shelf("660", "1000", "100", [["inf", "1"]], terms={"ladders": {"BTC": BTC}})
    assert own.detail()["recognised_usd"] == "64570"
    (told,) = [term for term in own.detail()["terms"] if term["figure"] == "ladders.BTC"]
    assert told["value"] == "0.98 up to 500 BTC, 0.975 up to 600 BTC, 0.97 up to 700 BTC"
    terms = read(Terms, {"ladders": {"BTC": BTC}})
    assert read(Terms, stated_terms(terms)) == terms


def test_tiers_by_amount_are_no_tiers_by_value() -> None:
    """Rules that change the one into the other are other rules, and what may rise is loosened."""
    one, other = ladder(read_table(BTC), "", []), ladder(read_table(BTC).tiers, "", [])
    assert one != other
    assert isinstance(one, ByAmount)
    assert (counts(one, D(660), D(10)), recognised(other, D(6600))) == (D(6457), D(684.5))
    by_amount, by_value = (rules(BTC=table).versions[0] for table in (BTC, BTC["tiers"]))
    (found,) = loosened(by_value, by_amount)
    assert (found.what, found.now) == ("ladder BTC", "0.98 up to 500, 0.975 up to 600, 0.97 up to 700 of the coin")


def read_table(table: Any) -> AmountTable:
    return read(AmountTable, table)


@pytest.mark.parametrize(
    ("table", "problem"),
    [
        ({"by": "value", "tiers": []}, "by: found 'value', expected one of 'amount'"),
        ({"by": "amount", "tiers": [["5", "0.9"], ["4", "0.8"]]}, "BTC.tiers[1]: bound 4 is not above 5"),
    ],
)
def test_a_table_that_cannot_be_is_refused_with_its_place(table: Any, problem: str) -> None:
    with pytest.raises(Invalid, match=r"version\[0\]\.ladders\.BTC") as found:
        rules(BTC=table)
    assert problem in str(found.value)


def test_a_coin_without_a_price_may_count_any_sum_unless_nothing_of_it_counts() -> None:
    for share, best in (("0.5", None), ("0", D(10))):
        product = rules(BTC={"by": "amount", "tiers": [["5", share]]})
        found = Shelf(product, line("9", "10") | {"collateral": {"a": {"BTC": "9", "USDT": "10"}}})
        sight = found.monitor.sight("G-1")
        assert sight is not None
        held = bounds(holding(sight.group, product, found.at), {"USDT": D(1)})
        assert (held.best.recognised if held.best else None) == best


def test_the_columns_count_a_coin_in_its_tiers_and_a_group_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Exposures in columns are those of the plain book, also when the rules change the bounds."""
    # Also a small book by columns, which is otherwise looked at group by group.
    monkeypatch.setattr(monitor.engine.queries.snapshot, "EXACT_SUMS", 0)
    first, then = rules(BTC=BTC), rules(BTC={"by": "amount", "tiers": [["1", "0.9"], ["600", "0.5"]]})
    lines = [line(held, "30000000", id=f"G-{n}", receiving_account=f"in-{n}", collateral={f"a-{n}": {"BTC": held}})
             for n, held in enumerate(("0.5", "550", "660", "900"))]  # fmt: skip
    found = []
    for book in (PlainBook(), ColumnarBook(fold_at=0)):
        desk = Shelf(first)
        desk.monitor = RiskMonitor(desk.rules, book=book)
        for each in lines:
            desk.put(each)
        desk.price(BTC="70000", USDT="1")
        found.append([_exposures(desk)])
        found[-1].append(_exposures(desk, {"vip_loan": then}))
    assert found[0] == found[1]
    (row,) = [row for row in found[0][0] if row.key == "BTC"]
    assert (row.sums.groups, row.sums.recognised) == (4, D(70000) * (D("0.49") + D("538.75") + D("645.7") + D("684.5")))


def _exposures(desk: Shelf, products: Any = None) -> Any:
    board = desk.monitor.board
    on = Prices(dict(board.usd), frozenset())
    snapshot = desk.monitor.book.snapshot(desk.at)
    if products is not None:
        snapshot = snapshot.under(msgspec.structs.replace(desk.rules, products=products))
    return sorted(snapshot.exposures("asset", on, ()).rows, key=lambda row: str(row.key))
