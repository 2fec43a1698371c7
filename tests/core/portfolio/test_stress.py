"""The whole book under shocks, on both books: who goes where, what it comes to, what is lost, and the fall that it takes."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor.core.groups.snapshot import Prices, Scope
from monitor.core.money import plain
from monitor.core.portfolio.snapshot import WholeBook
from monitor.core.portfolio.stress import Axis, Cell, Grid, Matrix, Reverse, Search, Shocked, Stress, StressAnswer
from monitor.core.queries.inbox import Look
from monitor.core.queries.what_if import WhatIf, what_if
from monitor.core.rules.settings import Fund, Trust
from monitor.core.schema import Invalid, read
from monitor.core.text import as_json
from tests.coin_desk import WHOLE, line, version
from tests.core.desk import Desk, both_books, product

D = Decimal


def half_dollar_desk(*lines: dict[str, Any], **more: Any) -> Desk:
    """Every group holds USDT or BTC and owes 100 COIN, each worth half a dollar."""
    made = Desk(*lines, of=product(version(ladders={"USDT": WHOLE, "BTC": [["100", "1"], ["inf", "0.5"]]})), **more)
    made.price("00:01", "COIN=0.5,BTC=50,USDT=1")
    return made


def whole(of: Desk) -> WholeBook:
    monitor = of.monitor
    _, usd, untrusted = monitor.board.snapshot()
    assert monitor.at is not None
    return WholeBook(monitor.at, Prices(usd, untrusted), monitor.rules, monitor.book.snapshot(monitor.at))


def group(id_: str, **more: Any) -> dict[str, Any]:
    """100 USDT against 100 COIN, with accounts of its own."""
    usdt = more.pop("usdt", "100")
    return line(
        id_, receiving_account=f"in-{id_}", collateral=more.pop("collateral", {f"a-{id_}": {"USDT": usdt}}), **more
    )


def stress(of: Desk, shocks: dict[str, str], scope: Scope = (), limit: int = 100) -> dict[str, Any]:
    case = Shocked(whole(of), shocks, scope)
    case.run()
    return as_json(case.answer(limit))


def moves(answer: dict[str, Any]) -> dict[str, int]:
    return {f"{m['from']}>{m['to']}": m["groups"] for m in answer["moves"]}


BOOK = (
    group("calm"), group("near", usdt="70"), group("grace", usdt="60", delayed_liquidation=True), group("gone", usdt="60"),
    group("own", usdt="90", thresholds={"initial": "0.5", "margin_call": "0.55", "liquidation": "0.6", "immediate": "0.7"}),
)  # fmt: skip


@both_books
def test_a_shock_says_who_goes_where_and_what_it_comes_to() -> None:
    """At COIN=0.55: LTV 0.55, 0.786, 0.917 twice, and 0.611 beyond lines of its own."""
    answer = stress(half_dollar_desk(*BOOK), {"COIN": "+10%"})
    assert moves(answer) == {
        "margin_call>liquidation": 2,
        "margin_call>delayed_liquidation": 1,
        "normal>margin_call": 1,
        "normal>normal": 1,
    }
    assert answer["after"]["liquidation"] == {
        "groups": 2,
        "debt_usd": "110",
        "recognised_usd": "150",
        "market_usd": "150",
    }
    assert answer["after"]["delayed_liquidation"]["groups"] == 1
    assert answer["groups"] == 5
    assert answer["is_exact"] == {"counts": True, "sums": True}
    assert answer["shocks"] == {"COIN": {"shock": "+10%", "before": "0.5", "after": "0.55"}}


@both_books
@pytest.mark.parametrize(
    "price", ["0.3", "0.43", "0.455", "0.462", "0.5", "0.539", "0.546", "0.57", "0.6", "0.637", "0.7", "0.95", "2"]
)
def test_every_group_goes_where_its_own_what_if_says(price: str) -> None:
    """Also exactly on a line, from every stage, cured as well as worse."""
    of = half_dollar_desk(*BOOK)
    of.price("00:02", "COIN=0.55")
    book = whole(of)
    case = Shocked(book, {"COIN": price}, ())
    case.run()
    found = {moved.id: moved.to for moved in case.rows()}
    for each in BOOK:
        sight, board = of.sight(each["id"]), of.monitor.board
        look = Look(book.at, sight, *board.snapshot(), of.monitor.rules)
        after = what_if(look, WhatIf(shock={"COIN": price})).after
        assert found.get(each["id"], sight.state.stage) == after.stage, each["id"]


@both_books
def test_lists_are_cut_with_a_count_the_worst_first() -> None:
    answer = stress(half_dollar_desk(*(group(f"g{n}", usdt=str(60 + n)) for n in range(5))), {"COIN": "0.6"}, limit=2)
    newly = answer["newly"]["liquidation"]
    assert [(row["id"], row["ltv"]) for row in newly["items"]] == [("g0", "1"), ("g1", "0.98360656")]
    assert (newly["groups"], newly["cut"]) == (5, 3)
    assert newly["items"][0]["ltv_before"] == "0.83333333"
    case = Shocked(whole(half_dollar_desk(*BOOK)), {"COIN": "0.55"}, ())
    case.run()
    assert len(list(case.rows())) == sum(
        n for move, n in moves(as_json(case.answer(0))).items() if len(set(move.split(">"))) == 2
    )


@both_books
def test_rule_43_a_group_is_bankrupt_where_its_collateral_cannot_repay_and_the_fund_pays_the_rest() -> None:
    """BTC recognised by half above 100: market 200, recognised 150; debt 210 after the shock. The other just pays."""
    of = half_dollar_desk(group("a", collateral={"x": {"BTC": "4"}}), group("b", usdt="250"), group("c", usdt="215"))
    answer = stress(of, {"COIN": "2.1"})
    assert answer["bankrupt"] == 1
    assert answer["shortfall_usd"] == answer["fund_draw_usd"] == "10"
    assert answer["expected_shortfall_usd"] == "10", "the old name stays for one version"
    assert answer["newly"]["liquidation"]["items"][0]["shortfall_usd"] == "10"


@both_books
def test_rule_43_44_no_shock_draws_and_brings_in_what_the_fund_sees_now() -> None:
    """At 1.05 COIN 5 of 105 are missing of the first, 2 % of 110 are 2.2 of the second, of the third 1 is left for 2.12."""
    of = half_dollar_desk(group("a"), group("b", usdt="110"), group("c", usdt="106"), fund=Fund(D(1000)))
    of.price("00:02", "COIN=1.05,BTC=50,USDT=1")
    of.price("00:03", "COIN=1.05,BTC=50,USDT=1")
    seen, answer = of.monitor.fund, stress(of, {"BTC": "-0%"})
    assert seen is not None
    assert (answer["fund_draw_usd"], answer["fees_usd"]) == (plain(seen.draw_usd), plain(seen.fees_usd)) == ("5", "3.2")


@both_books
def test_rule_47_the_fee_is_never_more_than_what_is_left() -> None:
    """2 % of 215 is 4.3, left are 5; of 212 it is 4.24, left are 2; nothing is left of a bankrupt one. A calm one pays none."""
    of = half_dollar_desk(
        group("a", usdt="215"), group("b", usdt="212"), group("c", usdt="200"), group("calm", usdt="900")
    )
    assert stress(of, {"COIN": "2.1"})["fees_usd"] == "6.3"


@both_books
def test_a_group_without_a_price_is_counted_apart_until_one_is_stated() -> None:
    of = Desk(group("a"), of=product(version(ladders={"USDT": WHOLE})))
    of.price("00:01", "USDT=1")
    assert (stress(of, {"USDT": "-1%"})["unknown"], stress(of, {"USDT": "-1%"})["groups"]) == (1, 0)
    assert moves(stress(of, {"COIN": "0.8"})) == {"normal>margin_call": 1}


@both_books
def test_nobody_is_cured_by_a_price_that_is_not_trusted() -> None:
    """A percentage of an untrusted price is no better than it; a stated price is believed."""
    of = half_dollar_desk(group("near", usdt="60"), trust=Trust(confirm_jump=D("0.01")))
    of.price("00:02", "COIN=0.5,USDT=1")
    assert of.state("near").stage == "margin_call"
    of.price("00:02:01", "COIN=0.6")
    assert moves(stress(of, {"COIN": "-50%"})) == {"margin_call>margin_call": 1}
    assert moves(stress(of, {"COIN": "0.25"})) == {"margin_call>normal": 1}


@both_books
def test_a_scope_limits_what_is_summed() -> None:
    of = half_dollar_desk(group("a", labels={"borrower": "ACME"}), group("b"))
    book = whole(of)
    assert book.snapshot.coins((("borrower", "ACME"),)) == (frozenset({"USDT"}), frozenset({"COIN"}))
    assert book.snapshot.coins((("borrower", "nobody"),)) == (frozenset(), frozenset())
    answer = stress(of, {"COIN": "0.8"}, (("borrower", "ACME"),))
    assert moves(answer) == {"normal>margin_call": 1}


@both_books
def test_what_cannot_be_shocked_is_named() -> None:
    with pytest.raises(Invalid) as e:
        Shocked(whole(half_dollar_desk(group("a"))), {"COIN": "-100%", "CION": "1", "BTC": "0"}, ())
    assert [p.where for p in e.value.problems] == ["shocks.COIN", "shocks.CION", "shocks.BTC"]
    assert "did you mean 'COIN'" in str(e.value)


@pytest.mark.parametrize(
    ("body", "word"),
    [
        ({}, "found none"),
        ({"shocks": {"BTC": "-1%"}, "scenario": "x"}, "found shocks, scenario"),
        ({"shocks": {"BTC": "20"}, "limit": 1001}, "limit"),
        ({"shocks": {"BTC": "-20"}}, "expected a change such as"),
        ({"scenario": "../x"}, "name of a scenario"),
        ({"reverse": {"share": "0"}}, "above 0"),
        ({"matrix": {"x": {"asset": "BTC", "shocks": []}, "y": {"asset": "ETH", "shocks": ["1"]}}}, "1 to 21"),
        ({"matrix": {"x": {"asset": "BTC", "shocks": ["1"]}, "y": {"asset": "BTC", "shocks": ["1"]}}}, "another coin"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(body: dict[str, Any], word: str) -> None:
    with pytest.raises(Invalid, match=word):
        read(Stress, body)


def run(steps: Iterator[None]) -> int:
    return sum(1 for _ in steps)


@both_books
def test_a_matrix_has_the_book_under_both_shocks_in_each_cell() -> None:
    of = half_dollar_desk(group("a", collateral={"x": {"BTC": "1", "USDT": "30"}}), group("b"))
    grid = Grid(whole(of), Matrix(Axis("BTC", ("0%", "-50%")), Axis("COIN", ("0%", "0.7", "1"))), ())
    assert run(grid.steps()) == 6
    answer = as_json(grid.answer())
    for y, shock in enumerate(("0%", "0.7", "1")):
        for x, other in enumerate(("0%", "-50%")):
            alone = stress(of, {"BTC": other, "COIN": shock})
            cell = answer["cells"][y][x]
            assert cell["stages"] == {stage: sums["groups"] for stage, sums in alone["after"].items()}
            reached = [alone["after"][stage]["debt_usd"] for stage in ("liquidation", "delayed_liquidation")]
            assert D(cell["liquidation_debt_usd"]) == sum(map(D, reached))
    with pytest.raises(Invalid, match=r"matrix.y.shocks\[1\]"):
        Grid(whole(of), Matrix(Axis("BTC", ("0%",)), Axis("COIN", ("0%", "-100%"))), ())


@both_books
def test_the_smallest_common_fall_is_found_to_a_hundredth_of_a_percent() -> None:
    """50 of debt on 100 of BTC (the 200 of it above 100 count half): 91 % is reached at 54.945 of recognised value."""
    of = half_dollar_desk(group("a", collateral={"x": {"BTC": "2"}}), group("b", usdt="500"))
    search = Search(whole(of), Reverse(D("0.5")), ())
    run(search.steps())
    answer = as_json(search.answer())
    assert answer["assets"] == ["BTC"]
    assert answer["fall_percent"] == "45.06"
    assert (answer["reached"]["share"], answer["below"]["share"]) == ("0.5", "0")
    assert answer["below"]["fall_percent"] == "45.05"
    assert moves(stress(of, {"BTC": "-45.06%"}))["normal>liquidation"] == 1
    assert "normal>liquidation" not in moves(stress(of, {"BTC": "-45.05%"}))


@both_books
def test_a_share_that_no_fall_reaches_is_said_so() -> None:
    of = half_dollar_desk(group("a", collateral={"x": {"BTC": "2"}}), group("b", usdt="500"))
    search = Search(whole(of), Reverse(D("0.6")), ())
    run(search.steps())
    assert search.answer().fall_percent is None
    assert "even a fall of 95 %" in str(search.answer().reason)
    with pytest.raises(Invalid, match=r"reverse.assets\[0\]"):
        Search(whole(of), Reverse(D("0.6"), ("NONE",)), ())


@both_books
def test_a_share_that_is_there_already_takes_no_fall() -> None:
    of = half_dollar_desk(group("gone", usdt="50"), group("b", usdt="500"))
    search = Search(whole(of), Reverse(D("0.5")), ())
    run(search.steps())
    assert (search.answer().fall_percent, search.answer().below) == ("0", None)


def test_the_contract_marks_the_old_name_of_the_shortfall_as_deprecated() -> None:
    for answer in (StressAnswer, Cell):
        fields = msgspec.json.schema(answer)["$defs"][answer.__name__]["properties"]
        assert fields["expected_shortfall_usd"]["deprecated"]
        assert "deprecated" not in fields["shortfall_usd"]
