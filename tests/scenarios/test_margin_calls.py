"""A desk's week with margin calls: one is met in three parts, one disputed, one expired, and collateral is returned.

Each group holds 100 USDT, recognised in full, and owes 100 COIN: a COIN of 0.86 is an LTV of 86 %, and brings the call that
leads back to 72 %: 86 / 0.72 - 100 = 19.45 USD of recognised value, rounded up to the cent.
"""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.alerts.alert import Alert
from monitor.core.events.history import CALL
from monitor.core.money import exact
from monitor.core.stages.calls import called_usd
from tests.coin_desk import clock, line, version
from tests.core.desk import Desk, product

TERMS: dict[str, Any] = {
    "margin_call_expiry": "24h",
    "minimum_transfer": "1",
    "due_reminders": ["4h"],
    "on_expiry": "liquidation",
    "return_below": "0.5",
}


def desk_of(*groups: str, **terms: Any) -> Desk:
    return Desk(*(line(group) for group in groups), of=product(version(warnings=[], **TERMS | terms)))


def deposit(quantity: str, group: str = "G-1", **more: str) -> dict[str, Any]:
    return {"type": "deposit", "account": f"acct-{group}", "asset": "USDT", "quantity": quantity, **more}


def left(alert: Alert) -> tuple[Any, Any]:
    return alert.facts["received_usd"], alert.facts["outstanding_usd"]


def test_one_call_is_met_in_three_parts_one_disputed_one_expired_one_returned() -> None:
    desk = desk_of("G-1", "G-2", "G-3")
    opened = desk.play("09:00  0.86  margin_call.opened margin_call.opened:G-2 margin_call.opened:G-3")
    assert {a.facts["called_usd"] for a in opened} == {"19.45"}
    assert {a.facts["due"] for a in opened} == {"2026-01-06T09:00:00.000Z"}

    # G-1 pays in three parts: collateral, a repayment at the price of its arrival, and the rest.
    assert desk.enter("10:00", deposit("4")) == "margin_call.partly_met"
    assert left(desk.alerts[-1]) == ("4", "15.45")
    assert desk.enter("11:00", {"type": "repay", "asset": "COIN", "amount": "5"}) == "margin_call.partly_met"
    assert left(desk.alerts[-1]) == ("8.3", "11.15")
    assert desk.enter("12:00", deposit("11.15")) == "margin_call.cured margin_call.met"
    assert left(desk.alerts[-1]) == ("19.45", "0")
    assert desk.state().call is None

    # G-2 disputes a part; its clock runs on. It announces a transfer that is there in time, and so does the rest come.
    dispute = {"type": "dispute", "amount_usd": "2", "reason": "price of COIN", "by": "borrower"}
    assert desk.enter("13:00", dispute, "G-2") == "margin_call.disputed:G-2"
    assert desk.enter("14:00", {"type": "resolve", "reason": "price stands", "by": "desk"}, "G-2") == (
        "margin_call.disputed:G-2"
    )
    coming = {
        "type": "announce",
        "kind": "collateral",
        "asset": "USDT",
        "amount": "19",
        "expected": clock("34:00").isoformat(),
    }
    assert desk.enter("15:00", coming, "G-2") == "-"
    desk.play("29:00  ...  margin_call.due:G-2 margin_call.due:G-3")
    assert desk.alerts[-2].facts["in_transit_usd"] == "19"

    # G-3 sends nothing: its call expires, and the product liquidates. G-2 has its transfer's own time, an hour more.
    desk.play("33:00  ...  margin_call.reminder:G-2 margin_call.expired:G-3 liquidation.triggered(call_expired):G-3")
    assert desk.alerts[-2].facts["on_expiry"] == "liquidation"
    assert desk.enter("33:30", deposit("19.45", "G-2"), "G-2") == "margin_call.cured:G-2 margin_call.met:G-2"

    # The price of COIN falls by half: what is above the level that must hold may be asked back, once until it changes by the minimum.
    desk.play(
        """
        40:00  0.40   collateral.returnable collateral.returnable:G-2 liquidation.cleared:G-3 collateral.returnable:G-3
        40:01  0.401  -
        40:02  0.41   collateral.returnable collateral.returnable:G-2 collateral.returnable:G-3
        """
    )
    returnable = {a.subject: a.facts["returnable_usd"] for a in desk.alerts[-3:]}
    assert returnable == {"G-1": "37.25", "G-2": "37.45", "G-3": "18"}  # such as 115.15 - 95 x 0.41 / 0.5


def test_the_amount_recomputes_from_the_figures_of_the_opening_alert() -> None:
    desk = desk_of("G-1", call_rounding="0.5")
    (opened,) = desk.play("09:00  0.80  margin_call.opened")
    told = desk.told(opened)["data"]
    owed, recognised, target = (Decimal(x) for x in (told["debt_usd"], told["recognised_usd"], told["facts"]["target"]))
    rules = desk.sight().held.version.calls
    assert rules is not None
    with exact():
        amount = called_usd(owed, recognised, target, falls=False, rules=rules)
    assert (told["facts"]["called_usd"], amount) == ("11.5", Decimal("11.5"))
    assert told["facts"]["call_alert"] == told["id"]


def test_a_cure_by_prices_alone_withdraws_the_call() -> None:
    desk = desk_of("G-1")
    desk.play("09:00 0.80 margin_call.opened ; 10:00 0.72 margin_call.cured margin_call.withdrawn")


def test_a_call_that_is_met_is_followed_by_the_next_while_the_group_is_at_its_line() -> None:
    desk = desk_of("G-1")
    desk.play("09:00 0.80 margin_call.opened ; 10:00 0.86 -")
    assert desk.enter("11:00", deposit("11.12")) == "margin_call.met margin_call.opened"
    assert (desk.alerts[-1].facts["call"], desk.alerts[-1].facts["called_usd"]) == (2, "8.33")
    assert desk.alerts[-1].supersedes == desk.alerts[0].id


def test_a_shortfall_of_twice_the_amount_supersedes_the_open_call() -> None:
    desk = desk_of("G-1", call_target="0.765")
    desk.play("09:00 0.77 margin_call.opened ; 10:00 0.78 - ; 11:00 0.79 margin_call.opened")
    # 77 / 0.765 - 100 is 0.66, less than the minimum transfer of 1; 78 / 0.765 - 100 is not yet twice that.
    assert [a.facts["called_usd"] for a in desk.alerts] == ["1", "3.27"]
    assert desk.alerts[-1].facts["supersedes_call"] == 1
    assert [row.facts["what"] for row in desk.last.history] == ["superseded", "opened"]


def test_withdrawals_add_to_what_is_outstanding() -> None:
    desk = desk_of("G-1")
    desk.play("09:00 0.80 margin_call.opened")
    assert desk.enter("10:00", deposit("2", type="withdraw")) == "-"
    call = desk.state().call
    assert call is not None
    assert call.outstanding_usd == Decimal("13.12")


@pytest.mark.parametrize(
    ("on_expiry", "said"),
    [("notice", " margin_call.reminder"), ("delayed_liquidation", " delayed_liquidation.started")],
)
def test_an_expiry_leads_where_the_product_says(on_expiry: str, said: str) -> None:
    desk = desk_of("G-1", on_expiry=on_expiry)
    desk.play("09:00 0.80 margin_call.opened")
    desk.play(f"33:00 ... margin_call.due@29:00 margin_call.expired{said}")
    if on_expiry != "notice":
        assert desk.alerts[-1].reason == "call_expired"
        assert desk.alerts[-1].deadline == clock("57:00")


def test_at_one_instant_an_overdue_loan_comes_before_the_expiry_and_the_expiry_before_the_hold() -> None:
    """Section 10.6. The hold would cure the call at the very time at which it is due."""
    desk = desk_of("G-1", due_reminders=[])
    desk.play("09:00 0.80 margin_call.opened ; 32:45 0.75 -")
    desk.play("33:01 ... margin_call.expired@33:00 liquidation.triggered(call_expired)@33:00")


def test_section_10_10_a_substitution_is_one_event_and_never_makes_the_level_worse() -> None:
    desk = desk_of("G-1")
    desk.play("09:00 0.80 margin_call.opened")
    out = {"type": "withdraw", "substitution": "s-1"}
    assert desk.enter("10:00", deposit("5", **out)) == "-"
    refused = desk.last.refused
    assert refused is not None
    assert refused.reason == "no_deposit"
    assert desk.enter("10:01", deposit("5", substitution="s-1")) == "-"
    assert desk.enter("10:02", deposit("5.01", **out)) == "-"
    assert desk.last.refused is not None
    assert desk.last.refused.reason == "substitution_worse"
    assert desk.enter("10:03", deposit("4", **out)) == "margin_call.partly_met"
    assert left(desk.alerts[-1]) == ("1", "10.12")


def test_a_restart_in_the_midst_of_a_call_changes_nothing() -> None:
    """All that the call needs is in the state of the commit."""
    desk, other = desk_of("G-1"), desk_of("G-1")
    for each in (desk, other):
        each.play("09:00 0.80 margin_call.opened")
        each.enter("10:00", deposit("4"))
        each.enter("10:00", {"type": "dispute", "amount_usd": "2", "reason": "r", "by": "b"})
        if each is other:
            each.restart()
        each.play("33:00 ... margin_call.due@29:00 margin_call.expired liquidation.triggered(call_expired)")
    assert [a.facts for a in desk.alerts] == [a.facts for a in other.alerts]
    assert desk.state() == other.state()


@pytest.mark.parametrize(("reopen", "ends"), [(1, "11:00"), (0, "10:00")])
def test_the_call_of_a_group_that_is_closed_ends_when_the_group_comes_back_no_more(reopen: int, ends: str) -> None:
    desk = Desk(line("G-1"), of=product(version(warnings=[], **TERMS)), reopen=timedelta(hours=reopen))
    desk.play("09:00  0.86  margin_call.opened")
    rows = []
    for step in (lambda: desk.close("10:00"), lambda: desk.pass_time("11:30")):
        step()
        rows += [row for row in desk.last.history if row.kind == CALL]
    assert [(row.at, row.facts["what"], row.facts["stage"]) for row in rows] == [(clock(ends), "ended", "closed")]
    assert (rows[0].labels, rows[0].facts["outstanding_usd"]) == (desk.alerts[0].group.labels, "19.45")
