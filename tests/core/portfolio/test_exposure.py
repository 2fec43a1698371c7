"""What the book is exposed to, on both books: by borrower, product and coin, days to sell, and pairs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from monitor.core.groups.snapshot import Scope
from monitor.core.portfolio.exposure import Table, days_to_sell
from monitor.core.portfolio.group_list import BadCursor
from monitor.core.rules.settings import ExposureRules
from monitor.core.text import as_json
from tests.coin_desk import WHOLE, loan, version
from tests.core.desk import Desk, both_books, product
from tests.core.portfolio.test_stress import group, whole

D = Decimal
LADDERS = {"USDT": WHOLE, "BTC": [["100", "1"], ["inf", "0.5"]], "BNB": WHOLE}


def exposed_desk(*lines: dict[str, Any], **exposure: Any) -> Desk:
    made = Desk(*lines, of=product(version(ladders=LADDERS, rates={"COIN": "0", "BUSD": "0"})))
    made.change("00:00", exposure=ExposureRules(**exposure))
    made.price("00:00:01", "COIN=0.5,BTC=50,USDT=1,BNB=10,BUSD=1")
    return made


def table(of: Desk, by: str, scope: Scope = (), limit: int = 100, after: str | None = None) -> dict[str, Any]:
    return as_json(Table(whole(of), by, scope).page(limit, after))


BOOK = (
    group("a", labels={"borrower": "ACME"}), group("b", labels={"borrower": "ACME"}, usdt="200"),
    group("c", labels={"borrower": "Beta"}, collateral={"x": {"BTC": "4"}}), group("d", usdt="90", loans=[]),
)  # fmt: skip


@both_books
def test_a_label_has_its_groups_sums_share_and_distances() -> None:
    """ACME: 50 on 100 and on 200, a line at 72 %: 30.55 % and 65.27 % away. Without the label the key is null."""
    answer = table(exposed_desk(*BOOK, max_share={"borrower": D("0.5")}), "label.borrower")
    assert answer["items"][0] == {
        "key": "ACME",
        "groups": 2,
        "debt_usd": "100",
        "recognised_usd": "300",
        "market_usd": "300",
        "share": "0.66666666",
        "max_share": "0.5",
        "is_above": True,
        "nearest_percent": "30.55",
        "average_percent": "47.91",
    }
    assert [(row["key"], row["is_above"], row["share"]) for row in answer["items"][1:]] == [
        ("Beta", False, "0.33333333"),
        (None, False, "0"),
    ]
    assert answer["items"][2]["nearest_percent"] == "100"
    assert answer["total"] == {"groups": 4, "debt_usd": "150", "recognised_usd": "540", "market_usd": "590"}
    assert answer["is_exact"]


@both_books
def test_a_coin_has_what_is_held_and_owed_of_it_and_the_days_to_sell_it() -> None:
    answer = table(exposed_desk(*BOOK, daily_volume_usd={"BTC": D(600)}, max_share_of_volume=D("0.1")), "asset")
    assert answer["items"][1] == {
        "key": "BTC",
        "groups": 1,
        "debt_usd": "0",
        "recognised_usd": "150",
        "market_usd": "200",
        "share": "0.33898305",
        "max_share": None,
        "is_above": False,
        "nearest_percent": "53.7",
        "average_percent": "53.7",
        "quantity": "4",
        "daily_volume_usd": "600",
        "days_to_sell": "3.34",
    }
    assert [(r["key"], r["market_usd"], r["debt_usd"], r["days_to_sell"]) for r in answer["items"]] == [
        ("USDT", "390", "0", None), ("BTC", "200", "0", "3.34"), ("COIN", "0", "150", None),
    ]  # fmt: skip


def test_days_to_sell_are_rounded_up() -> None:
    assert days_to_sell(D(100), D(3000), D("0.1")) == D("0.34")
    assert days_to_sell(D(100), None, D("0.1")) is None


@both_books
def test_a_list_is_paged_by_key_and_a_foreign_cursor_is_refused() -> None:
    of = exposed_desk(*BOOK)
    first = table(of, "label.borrower", limit=2)
    assert [row["key"] for row in first["items"]] == ["ACME", "Beta"]
    second = table(of, "label.borrower", limit=2, after=first["next"])
    assert ([row["key"] for row in second["items"]], second["next"]) == ([None], None)
    for cursor in ("x", first["next"][:-4]):
        with pytest.raises(BadCursor):
            table(of, "label.borrower", after=cursor)
    with pytest.raises(BadCursor, match="another key"):
        table(of, "product", after=first["next"])


@both_books
def test_a_scope_limits_what_is_summed() -> None:
    """Nor is its share held against a limit, which is one of the whole book."""
    answer = table(exposed_desk(*BOOK, max_share={"product": D("0.5")}), "product", (("borrower", "ACME"),))
    assert (answer["total"]["groups"], answer["items"][0]["share"]) == (2, "1")
    assert (answer["items"][0]["max_share"], answer["items"][0]["is_above"]) == (None, False)


@both_books
def test_debt_and_collateral_of_one_issuer_are_a_wrong_way_pair() -> None:
    busd = [loan("BUSD", "30"), loan("COIN", "10", id="L-2")]
    of = exposed_desk(
        group("a", collateral={"x": {"BNB": "7", "USDT": "20"}}, loans=busd),
        group("b", collateral={"y": {"BNB": "9"}}, loans=[loan("BUSD", "5")]),
        group("c", collateral={"z": {"BNB": "1"}}),
        issuers={"Binance": ("BNB", "BUSD"), "Tether": ("USDT",)},
    )
    assert table(of, "asset")["wrong_way"] == [
        {"issuer": "Binance", "debt": "BUSD", "collateral": "BNB", "groups": 2, "debt_usd": "35", "market_usd": "160"}
    ]
    assert table(of, "product")["wrong_way"] == []


@both_books
def test_the_way_is_to_the_next_line_of_the_stage() -> None:
    """76 on 100: a margin call that fell back below its line is on its way to liquidation at 91 %, and not to a margin call."""
    desk = exposed_desk(group("a"))
    desk.price("00:00:02", "COIN=0.78")
    assert desk.state("a").stage == "margin_call"
    desk.price("00:00:03", "COIN=0.76")
    assert table(desk, "product")["items"][0]["nearest_percent"] == "16.48"
