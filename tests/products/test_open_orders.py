"""What open orders might lose is taken off the net collateral of Cross Margin Pro (domain section 3.7, decision 103)."""

from __future__ import annotations

from typing import Any

import pytest

from monitor.core.loans.group import parse_line, restated
from monitor.core.schema import Invalid
from monitor.core.watch.risk import RiskMonitor
from monitor.engine.book import ColumnarBook
from monitor.products import cross_margin_pro
from tests.products.shelf import START, Shelf, shipped

TIERS = {"USDT": [["inf", 10, "0.1112", "0.05"]], "BTC": [["inf", 10, "0.1112", "0.05"]]}


def rules(mode: str = "haircut") -> Any:
    version = {
        "effective": START, "net_equity": mode, "liability_tiers": TIERS, "rates": {"USDT": "0", "BTC": "0"},
        "ladders": {"BTC": [["inf", "1"]], "USDT": [["inf", "1"]]}, "transfer_out": "2",
    }  # fmt: skip
    return cross_margin_pro.load({"version": [version]})


def line(loss: str | None = "1000", id_: str = "G-1") -> dict[str, Any]:
    loan = {
        "id": "L-1", "asset": "USDT", "principal": "100000", "rate": {"kind": "flexible"}, "term": "open",
        "opened_at": "2026-01-05T00:00:00Z", "matures_at": None,
    }  # fmt: skip
    stated = {
        "id": id_, "product": "cross_margin_pro", "receiving_account": f"{id_}-in", "loans": [loan],
        "collateral": {f"{id_}-a": {"BTC": "2"}},
    }  # fmt: skip
    return stated if loss is None else stated | {"open_order_loss": loss}


def shown(loss: str | None, mode: str = "haircut", btc: str = "60000") -> dict[str, Any]:
    shelf = Shelf(rules(mode), line(loss))
    shelf.price(BTC=btc, USDT="1")
    return shelf.detail()


def test_the_loss_is_taken_off_the_level_the_room_the_cure_and_the_price() -> None:
    found, without = shown("1000"), shown(None)
    assert (found["open_order_loss_usd"], "open_order_loss_usd" in without) == ("1000", False)
    assert (found["net_equity_usd"], without["net_equity_usd"]) == ("19000", "20000")
    assert (found["margin_level"], without["margin_level"]) == ("3.8", "4")
    assert (found["available_margin_usd"], without["available_margin_usd"]) == ("7880", "8880")
    assert found["liquidation_price"]["BTC"] == "53000"  # 100,000 + 5,000 + 1,000 over 2
    assert without["liquidation_price"]["BTC"] == "52500"
    near = shown("1000", btc="54000")  # 7,000 against 1.5 x 5,000
    assert near["cure"]["add_recognised_usd"] == "500"


def test_before_the_collateral_ratios_it_counts_nothing() -> None:
    assert shown("1000", "plain")["net_equity_usd"] == "20000"


def test_products_without_liability_tiers_refuse_it_with_its_place() -> None:
    product = shipped("vip_loan")
    stated = line() | {"product": "vip_loan"}
    with pytest.raises(Invalid) as found:
        parse_line(stated, START, {"vip_loan": product})
    assert "open_order_loss: found 1000, but vip_loan counts no losses of open orders" in str(found.value)


def test_a_restated_line_has_it_only_where_it_is_stated() -> None:
    products = {"cross_margin_pro": rules()}
    for loss in ("12.5", None):
        group = parse_line(line(loss), START, products)
        again = restated(group)
        assert again.get("open_order_loss") == loss
        assert parse_line(again, START, products).open_order_loss == group.open_order_loss


def test_in_a_large_book_groups_with_open_orders_are_judged_one_by_one() -> None:
    """The columns know no such sum, so they never hold one of these; the others go there as ever."""
    shelf = Shelf(rules())
    shelf.monitor = RiskMonitor(shelf.rules, book=ColumnarBook(fold_at=0))
    for number in range(6):
        shelf.put(line("1000" if number % 2 else None, f"G-{number}"))
    book = shelf.monitor.book
    assert isinstance(book, ColumnarBook)
    assert {record.group.id for record in book.fresh.records()} == {"G-1", "G-3", "G-5"}
    assert len(book) == 6
    assert shelf.price(BTC="60000", USDT="1") == []
    assert shelf.price(BTC="52900") == ["liquidation.triggered(ltv)"] * 3
    stages = {f"G-{n}": shelf.detail(f"G-{n}")["stage"] for n in range(6)}
    assert {id_ for id_, stage in stages.items() if stage == "liquidation"} == {"G-1", "G-3", "G-5"}
    kept = book.kept()
    assert [r.group.open_order_loss for r in kept.groups] == [1000, 1000, 1000]
