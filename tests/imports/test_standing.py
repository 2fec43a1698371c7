"""How groups of a file would stand: stage and LTV at the prices of now, what is missing, and what a repeat keeps."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.group import Group, parse_line
from monitor.core.stages.stages import GroupState
from monitor.imports.standing import JudgedFile, KnownGroup, MarketNow, judge_all
from tests.imports.tables import read
from tests.looks import CALM, RULES, START

HEAD = "group;loan coin;principal;interest;collateral coin;qty\n"
USD = {coin: Decimal(price) for coin, price in {**CALM, "USDT": "1"}.items()}


def judged(text: str, *known: KnownGroup, days: int = 0, **more: Any) -> JudgedFile:
    market = MarketNow(START + timedelta(days=days), "import:desk", RULES, USD, known=known, product="vip_loan")
    return judge_all(read(HEAD + text).drafts, msgspec.structs.replace(market, **more))


def taken(found: JudgedFile, days: int = 0, source: str = "import:desk") -> KnownGroup:
    """The only put of a file, as the book has it afterwards."""
    (put,) = found.puts
    at = START + timedelta(days=days)
    group: Group = parse_line(msgspec.json.decode(put.line), at, RULES.products)
    group = msgspec.structs.replace(group, line=put.digest)
    return KnownGroup(StoredGroup(group, source, put.version + 1, at), GroupState(group.id))


def test_each_group_has_its_stage_and_ltv_and_the_alert_that_would_come() -> None:
    found = judged("a;USDT;20000;;BTC;1\nb;USDT;31000;;BTC;1\nc;USDT;39900;;BTC;1\n")
    assert [(row.group, row.stage, row.ltv, row.alert) for row in found.rows] == [
        ("a", "normal", "0.5", None),
        ("b", "margin_call", "0.775", "loan_group.margin_call.opened"),
        ("c", "liquidation", "0.9975", "loan_group.liquidation.triggered"),
    ]


def test_what_is_missing_is_named() -> None:
    usd = {coin: price for coin, price in USD.items() if coin != "SOL"}
    rows = judged(
        "a;USDT;5;;SOL;1\na;;;;XBT;5\nb;USDT;5;;BTC;1\nb;;;;USDC;7\nc;;;;BTC;1\n", usd=usd, untrusted=frozenset({"BTC"})
    ).rows
    assert (rows[0].stage, rows[0].ltv) == ("unknown", None)
    assert rows[0].missing == [
        "no price of SOL: until there is one, nobody is warned",
        "5 XBT is not collateral under vip_loan and counts nothing; nobody knows this coin: is it another name of one?",
    ]
    assert rows[1].missing == [
        "the price of BTC is not trusted now",
        "7 USDC is not collateral under vip_loan and counts nothing",
    ]
    assert rows[2].missing == ["the price of BTC is not trusted now", "no loan"]


def test_a_repeat_is_known_again_though_interest_was_counted_meanwhile() -> None:
    first = "a;USDT;20000;;BTC;1\n"
    known = taken(judged(first))
    again = judged(first, known, days=5)
    assert ([row.change for row in again.rows], again.puts) == (["same"], [])


def test_a_changed_row_keeps_the_interest_and_the_opening_that_no_cell_states() -> None:
    known = taken(judged("a;USDT;20000;;BTC;1\n"))
    more = judged("a;USDT;20000;;BTC;2\n", known, days=5)
    (put,) = more.puts
    loan = msgspec.json.decode(put.line)["loans"][0]
    assert (more.rows[0].change, put.version) == ("changed", 1)
    assert Decimal(loan["interest"]) == Decimal("20000") * Decimal("0.00016") * 5
    assert loan["opened_at"].startswith(START.strftime("%Y-%m-%dT%H:%M"))
    once_more = judged("a;USDT;20000;;BTC;2\n", taken(more, days=5), days=9)
    assert [row.change for row in once_more.rows] == ["same"]
    stated = judged("a;USDT;20000;7;BTC;2\n", taken(more, days=5), days=9)
    assert msgspec.json.decode(stated.puts[0].line)["loans"][0]["interest"] == "7"


def test_an_account_belongs_to_one_group_and_a_group_to_one_source() -> None:
    known = taken(judged("a;USDT;20000;;BTC;1\n"), source="api")
    (cell,) = judged("a;USDT;20000;;BTC;1\n", known).refused
    assert (cell.where, cell.value, "belongs to api" in cell.what) == ("A2", "a", True)
    (cell,) = judged("b;USDT;20000;;BTC;1\n", owners={"b-collateral": "old"}).refused
    assert (cell.where, cell.value, "belongs to group old" in cell.what) == ("F2", "b-collateral", True)


def test_what_the_product_refuses_names_its_cell() -> None:
    found = judged("a;XYZ;20000;;BTC;1\nb;USDT;5;;BTC;1\n")
    assert [(cell.where, cell.value, "no flexible rate" in cell.what) for cell in found.refused] == [
        ("B2", "XYZ", True)
    ]
    assert [row.group for row in found.rows] == ["b"]


def test_a_loan_that_states_no_opening_was_opened_its_term_before_it_matures() -> None:
    """So a loan that has ten days to go has dates that can be; one that matures later is of now."""
    head = "group;loan coin;principal;term;matures;collateral coin;qty\n"
    for days, opened in ((10, START - timedelta(days=20)), (45, START)):
        matures = (START + timedelta(days=days)).strftime("%Y-%m-%d %H:%M")
        market = MarketNow(START, "import:desk", RULES, USD, known=(), product="vip_loan")
        found = judge_all(read(head + f"a;USDT;5;30d;{matures};BTC;1\n").drafts, market)
        assert not found.refused
        (loan,) = msgspec.json.decode(found.puts[0].line)["loans"]
        assert loan["opened_at"][:16] == opened.strftime("%Y-%m-%dT%H:%M")
