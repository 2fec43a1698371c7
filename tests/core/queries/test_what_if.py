"""What would follow is what does follow: the answer equals making the change and looking again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from monitor.core.events.entries import Deposit, Entry, Repay, Withdraw
from monitor.core.events.events import BookEntry
from monitor.core.queries.explain import standing
from monitor.core.queries.inbox import Look
from monitor.core.queries.what_if import WhatIf, what_if
from monitor.core.schema import Invalid, read
from monitor.core.text import as_json
from monitor.core.watch.risk import RiskMonitor
from tests.book_lines import line
from tests.core.desk import both_books
from tests.looks import CALM, START, look_at, look_of, monitor_with, quoted

pytestmark = both_books

D = Decimal
AT = START + timedelta(seconds=30)
NEAR_EVERY_LINE = st.sampled_from(["100000", "287000", "296001", "300000", "310000", "365000", "379000", "385000"])


def asked(**changes: Any) -> WhatIf:
    return read(WhatIf, changes)


def answer(look: Look, **changes: Any) -> dict[str, Any]:
    return as_json(what_if(look, asked(**changes)))


def looked(risk: RiskMonitor, at: Any = AT) -> Look:
    look = look_at(risk, "G-1", at)
    assert look is not None
    return look


def group(owed: str, enrolled: bool) -> dict[str, Any]:
    """Coins in two accounts; 400,000 USD recognised when calm; two loans of one coin, the older with interest."""
    half = str(D(owed) / 2)
    stated = line(owed=half, collateral={"a": {"BTC": "4", "ETH": "100"}, "b": {"BTC": "1"}})
    stated["loans"][0]["interest"] = "7.5"
    stated["loans"].append({**stated["loans"][0], "id": "L2", "opened_at": "2026-02-01T00:00:00Z", "interest": "0.25"})
    return {**stated, "delayed_liquidation": enrolled}


@st.composite
def single_changes(draw: st.DrawFn) -> tuple[dict[str, Any], Any]:
    """One change as it is asked, and as it is made: a price batch or a book entry."""
    kind = draw(st.sampled_from(["shock", "percent", "repay", "add", "remove"]))
    if kind == "shock":
        price = str(draw(st.decimals("5000", "90000", places=2)))
        return {"shock": {"BTC": price}}, {"BTC": price}
    if kind == "percent":
        percent = draw(st.decimals("-80", "80", places=1))
        return {"shock": {"ETH": f"{percent}%"}}, {"ETH": str(D(2000) * (1 + percent / 100))}
    if kind == "repay":
        amount = draw(st.decimals("0.01", "90000", places=2))
        return {"repay": {"USDT": str(amount)}}, Repay("USDT", amount)
    quantity = draw(st.decimals("0.00000001", "4", places=8))
    if kind == "add":
        return {"add": {"BTC": str(quantity)}}, Deposit("a", "BTC", quantity)
    return {"remove": {"BTC": str(quantity)}}, Withdraw("a", "BTC", quantity)


def made(risk: RiskMonitor, change: Entry | dict[str, str]) -> list[str]:
    """Makes the change for real; the types of alerts about the group that it raised."""
    if isinstance(change, dict):
        out = quoted(risk, change, AT)
    else:
        out = risk.handle(BookEntry(AT, "G-1", "e-1", change))
        assert out.refused is None
    return [a.type for a in out.alerts if a.group is not None]


@given(owed=NEAR_EVERY_LINE, enrolled=st.booleans(), change=single_changes())
@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow])
def test_what_if_equals_making_the_change(owed: str, enrolled: bool, change: tuple[dict[str, Any], Any]) -> None:
    """Figures, stage, alerts, deadline, cure, prices and permissions alike, from any band, enrolled or not."""
    question, real = change
    risk = monitor_with(group(owed, enrolled))
    foretold = answer(looked(risk), **question)
    alerts = made(risk, real)
    assert foretold["after"] == {**as_json(standing(looked(risk))), "alerts": alerts}


@given(
    owed=NEAR_EVERY_LINE,
    price=st.decimals("8000", "90000", places=2),
    add=st.decimals("0.1", "5", places=4),
    remove=st.decimals("0.1", "5", places=4),
    repay=st.decimals("1", "90000", places=2),
)
@settings(max_examples=100, suppress_health_check=[HealthCheck.too_slow])
def test_several_changes_at_once_give_the_figures_of_all(
    owed: str, price: Decimal, add: Decimal, remove: Decimal, repay: Decimal
) -> None:
    """The stage may have been another on the way there, the figures not."""
    risk = monitor_with(group(owed, enrolled=False))
    changes = {"add": {"BTC": str(add)}, "remove": {"ETH": str(remove)}, "repay": {"USDT": str(repay)}}
    foretold = answer(looked(risk), shock={"BTC": str(price)}, **changes)
    for i, entry in enumerate((Deposit("b", "BTC", add), Withdraw("a", "ETH", remove), Repay("USDT", repay))):
        assert risk.handle(BookEntry(AT, "G-1", f"e-{i}", entry)).refused is None
    quoted(risk, {"BTC": str(price)}, AT)
    after = as_json(standing(looked(risk)))
    figures = ("ltv", "band", "debt_usd", "recognised_usd", "market_usd", "cure", "liquidation_price")
    assert {k: foretold["after"][k] for k in figures} == {k: after[k] for k in figures}


def test_asking_changes_nothing() -> None:
    risk = monitor_with(line())
    before = looked(risk)
    answer(before, shock={"BTC": "-90%"}, add={"ETH": "5"}, repay={"USDT": "10"}, remove={"BTC": "1"})
    assert looked(risk) == before


def test_no_change_asked_is_no_change_answered() -> None:
    found = answer(look_of(line()))
    assert found["before"] == found["after"]


@pytest.mark.parametrize(
    ("enrolled", "shock", "stage", "alerts"),
    [
        (False, "-65%", "normal", []),
        (False, "-68%", "margin_call", ["loan_group.margin_call.opened"]),
        (False, "-67%", "normal", ["loan_group.early_warning"]),
        (False, "-73%", "liquidation", ["loan_group.liquidation.triggered"]),
        (True, "-73%", "delayed_liquidation", ["loan_group.delayed_liquidation.started"]),
        (True, "-74%", "liquidation", ["loan_group.liquidation.triggered"]),
    ],
)
def test_the_alerts_of_a_shock_are_named(enrolled: bool, shock: str, stage: str, alerts: list[str]) -> None:
    """100,000 against 400,000 USD of BTC."""
    after = answer(look_of(line(delayed_liquidation=enrolled)), shock={"BTC": shock})["after"]
    assert (after["stage"], after["alerts"]) == (stage, alerts)


def test_a_repayment_pays_interest_before_principal_as_a_real_one_does() -> None:
    """All interest goes first, so repaying it in full leaves the principal (rule 36)."""
    stated = line(owed="1000")
    stated["loans"][0]["interest"] = "25"
    after = answer(look_of(stated), repay={"USDT": "25"})["after"]
    assert after["debt_usd"] == "1000"


def test_a_stated_price_makes_an_unknown_group_known() -> None:
    look = look_of(line(collateral={"a": {"SOL": "5000"}}), prices={"BTC": "40000"})
    found = answer(look, shock={"SOL": "100"})
    assert found["before"]["unknown"]
    assert found["before"]["missing"] == ["SOL"]
    assert not found["after"]["unknown"]
    assert found["after"]["recognised_usd"] == "450000"


def test_adding_to_a_group_without_accounts_pledges_the_receiving_account() -> None:
    after = answer(look_of(line(owed="100", collateral={})), add={"BTC": "1"})["after"]
    assert after["recognised_usd"] == "40000"


def test_what_is_removed_comes_from_several_accounts() -> None:
    stated = line(collateral={"a": {"BTC": "3"}, "b": {"BTC": "4"}})
    after = answer(look_of(stated), remove={"BTC": "6"})["after"]
    assert after["recognised_usd"] == "40000"


@pytest.mark.parametrize(
    ("changes", "where", "says"),
    [
        ({"shock": {"BTX": "-20%"}}, "shock.BTX", "did you mean 'BTC'?"),
        ({"shock": {"BTC": "-100%"}}, "shock.BTC", "expected a change above -100%"),
        ({"shock": {"BTC": "lots"}}, "shock.BTC", 'expected a change such as "-20%" or a price in USD'),
        ({"shock": {"BTC": "0"}}, "shock.BTC", "zero price"),
        ({"shock": {"BTC": "1e20"}}, "shock.BTC", "a price is a number from 1e-18 to 1e15"),
        ({"shock": {"b tc": "1"}}, "shock", "expected the name of a coin"),
        ({"repay": {"BTC": "1"}}, "repay.BTC", "expected a coin that the group owes; there are: USDT"),
        ({"repay": {"USDT": "0"}}, "repay.USDT", "a number above 0"),
        ({"add": {"DOGE": "1"}}, "add.DOGE", "expected a coin that vip_loan recognises"),
        ({"remove": {"BTC": "10.5"}}, "remove.BTC", "remove at most 10"),
        ({"remove": {"ETH": "1"}}, "remove.ETH", "expected a coin that the group holds"),
        ({"borow": {"BTC": "1"}}, "borow", "unknown key"),
    ],
)
def test_what_cannot_be_asked_is_named_with_its_remedy(changes: dict[str, Any], where: str, says: str) -> None:
    look = look_of(line())
    with pytest.raises(Invalid) as caught:
        answer(look, **changes)
    (problem,) = caught.value.problems
    assert problem.where == where
    assert says in problem.what


def test_a_coin_without_a_price_cannot_be_added_unless_one_is_stated() -> None:
    look = look_of(line(), prices={"BTC": "40000"})
    with pytest.raises(Invalid, match="the price of SOL is missing"):
        answer(look, add={"SOL": "5"})
    with pytest.raises(Invalid, match="SOL has no price to move"):
        answer(look, shock={"SOL": "-5%"})
    assert answer(look, add={"SOL": "5"}, shock={"SOL": "200"})["after"]["recognised_usd"] == "400900"


def test_every_problem_is_named_at_once() -> None:
    with pytest.raises(Invalid) as caught:
        answer(look_of(line()), shock={"BTX": "-20%"}, repay={"ETH": "1"}, add={"XX": "1"}, remove={"BTC": "11"})
    assert [p.where for p in caught.value.problems] == ["shock.BTX", "repay.ETH", "add.XX", "remove.BTC"]


def test_a_percentage_of_a_stale_price_cures_nothing_and_a_stated_price_does() -> None:
    """An untrusted price blocks good news; what the question states is taken as true."""
    risk = monitor_with(line(owed="310000"), trust=True)
    quoted(risk, {"USDC": "1"}, START + timedelta(seconds=20))
    look = looked(risk)
    assert look.sight.blind
    assert answer(look, shock={"BTC": "+50%"})["after"]["stage"] == "margin_call"
    assert answer(look, shock={"BTC": "60000"})["after"]["stage"] == "normal"


def test_the_answer_is_exact_on_the_longest_numbers() -> None:
    """Quantities and prices at their limits stay within the digits of the context."""
    stated = line(
        owed="999999999999999999999999.999999999999999999999999",
        collateral={"a": {"BTC": "999999999999999999999999.999999999999999999999999"}},
    )
    prices = {**CALM, "BTC": "123456789012345.678901234567890123"}
    found = answer(look_of(stated, prices=prices), shock={"BTC": "-33.333333%"}, remove={"BTC": "0.1"})
    assert msgspec.json.encode(found)
