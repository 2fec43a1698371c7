"""Term loans before they mature, and Spot balances that pay interest: rules 27 and 28, reading A13."""

from datetime import timedelta
from typing import Any

import pytest

from monitor.core.alerts.alert import Alert
from monitor.core.rules.product import Product
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, product

pytestmark = both_books

WEEK = version(renewal_window="7d", maturity_notice="24h")


def days(count: float) -> str:
    """A clock time so many days after the start."""
    return f"{int(count * 24)}:{int(count * 24 * 60) % 60:02}"


def due(matures: str = days(10.25), **changes: Any) -> dict[str, Any]:
    """The group with one term loan; it matures at 06:00 UTC unless told otherwise."""
    return line(loans=[loan(matures=matures, **changes)])


def weekly_desk(*lines: dict[str, Any], of: Product | None = None, **more: Any) -> Desk:
    return Desk(*lines, of=of or product(WEEK), **more)


def facts(alert: Alert) -> dict[str, Any]:
    return dict(alert.facts)


# -- when --


def test_rule_27_the_renewal_window_opens_at_midnight_seven_days_before_the_maturitys_day() -> None:
    """It closes at the maturity, 06:00 of the tenth day; the notice comes 24 hours before that."""
    weekly_desk(due()).play(
        f"""
        00:00        0.5  -
        71:59:59     0.5  -
        72:00        0.5  loan.renewal_open
        {days(9)}    0.5  -
        {days(9.25)} 0.5  loan.maturing
        {days(10.25)} 0.5 loan.overdue
        """
    )


def test_rule_27_a_renewal_moves_the_maturity_and_so_opens_a_new_window() -> None:
    d = weekly_desk(due())
    d.play(f"00:00 0.5 -; {days(4)} 0.5 loan.renewal_open@72:00")
    renewal = {"type": "renew", "loan": "L-1", "term": "30d", "rate": {"kind": "flexible"}}
    assert d.enter(days(5), renewal) == "-"
    d.play(
        f"{days(32)} 0.5 -; {days(34)} 0.5 loan.renewal_open@{days(33)}; {days(39.5)} 0.5 loan.maturing@{days(39.25)};"
        f"{days(40.25)} 0.5 loan.overdue"
    )


LATE = [
    # matures after     the put says
    (days(20),          "-"),
    (days(6.5),         "loan.renewal_open"),
    ("23:59",           "loan.maturing"),
    ("-01:00",          "loan.overdue"),
    ("-25:00",          "loan.overdue liquidation.triggered(overdue)"),
]  # fmt: skip


@pytest.mark.parametrize(("matures", "said"), LATE)
def test_of_a_loan_that_is_put_late_only_the_latest_news_is_said(matures: str, said: str) -> None:
    d = weekly_desk()
    d.price("00:00", "0.5")
    assert d.put("00:00", due(matures)) == said
    assert d.put("00:01", due(matures) | {"labels": {"desk": "EU"}}) == "-"


def test_news_that_was_past_when_the_group_was_put_waits_for_its_first_evaluation_and_a_later_one_voids_it() -> None:
    d = weekly_desk(due("47:00"))
    assert d.pass_time("01:00") == "-"
    assert d.pass_time("23:00") == "loan.maturing"
    d.play("24:00 0.5 -; 47:00 0.5 loan.overdue")


def test_each_is_said_once_also_over_a_restart_and_a_line_that_is_put_again() -> None:
    d = weekly_desk(due())
    d.play("00:00 0.5 -; 72:00 0.5 loan.renewal_open")
    d.restart()
    assert d.put("73:00", due() | {"labels": {"desk": "EU"}}) == "-"
    d.restart()
    d.play(f"{days(9.25)} 0.5 loan.maturing")
    d.restart()
    d.play(f"{days(10)} 0.5 -; {days(10.25)} 0.5 loan.overdue")


def test_a_loan_that_is_repaid_is_not_heard_of() -> None:
    d = weekly_desk(due())
    d.play("00:00 0.5 -")
    d.enter("01:00", {"type": "repay", "asset": "COIN", "percent": "100"})
    d.play(f"{days(12)} 0.5 -")


def test_a_loan_that_is_owed_again_is_heard_of_again() -> None:
    d = weekly_desk(due())
    d.play("00:00 0.5 -; 72:00 0.5 loan.renewal_open")
    assert d.put("73:00", due(principal="0")) == "-"
    assert d.state().neared == ()
    assert d.put("74:00", due()) == "loan.renewal_open"


def test_a_product_without_a_window_or_a_notice_says_nothing_before_a_maturity() -> None:
    Desk(due()).play(f"00:00 0.5 -; {days(10.25)} 0.5 loan.overdue")


def test_of_two_dates_at_one_time_the_later_news_is_said() -> None:
    weekly_desk(due(days(10)), of=product(version(renewal_window="1d", maturity_notice="24h"))).play(
        f"00:00 0.5 -; {days(9)} 0.5 loan.maturing; {days(10)} 0.5 loan.overdue"
    )


def test_a_longer_window_of_new_rules_opens_at_once_what_it_has_passed() -> None:
    d = weekly_desk(due(days(10.25)), line("G-2", loans=[loan(matures=days(40))]))
    d.play("00:00 0.5 -")
    longer = product(version(renewal_window="9d", maturity_notice="24h"))
    assert d.change(days(2), products={"vip_loan": longer}) == "-"
    assert d.pass_time(days(2.1)) == "loan.renewal_open@48:00"
    d.play(f"{days(4)} 0.5 -; {days(9.5)} 0.5 loan.maturing@{days(9.25)}")


def test_a_window_that_would_have_been_open_at_the_put_is_said_when_rules_open_it() -> None:
    d = weekly_desk()
    d.price("00:00", "0.5")
    assert d.put("12:00", due(days(10.25))) == "-"
    longer = product(version(renewal_window="10d", maturity_notice="24h"))
    said = d.change("13:00", products={"vip_loan": longer})
    assert said == "loan.renewal_open"


def test_dates_are_news_of_the_group_with_sequences_and_figures_and_move_no_stage() -> None:
    d = weekly_desk(due())
    (opened,) = d.play("00:00 0.5 -; 72:00 ... loan.renewal_open")
    told = d.told(opened)["data"]
    assert (told["sequence"], told["episode"], told["reason"], told["severity"]) == (1, 0, "term", "info")
    assert (told["stage"], told["ltv"]) == ({"from": "normal", "to": "normal"}, "0.5")
    assert told["facts"] == {
        "loan": "L-1",
        "asset": "COIN",
        "principal": "100",
        "interest": "0",
        "matures_at": "2026-01-15T06:00:00.000Z",
        "closes_at": "2026-01-15T06:00:00.000Z",
        "renewable": True,
        "refusals": [],
    }


# -- why a renewal would be refused --


def reasons(alert: Alert) -> list[str]:
    assert alert.facts["renewable"] == (not alert.facts["refusals"])
    return [each["reason"] for each in alert.facts["refusals"]]


@pytest.mark.parametrize("enrolled", [False, True])
@pytest.mark.parametrize("price", ["0.8", "0.92"])
def test_rule_27_no_renewal_in_margin_call(price: str, enrolled: bool) -> None:
    d = weekly_desk(due() | {"delayed_liquidation": enrolled}, grace_reminders=(), margin_call_repeat=timedelta(0))
    d.price("71:00", price)
    d.pass_time("72:00")
    assert reasons(d.alerts[-1]) == ["margin_call"]


@pytest.mark.parametrize(("limit", "why"), [("49", ["coin_limit"]), ("50", []), (["49", "60"], [])])
def test_rule_27_no_renewal_while_the_coin_is_over_its_limit(limit: object, why: list[str]) -> None:
    """100 COIN at half a dollar; the group is of VIP level 3, for which the last of two limits holds."""
    d = weekly_desk(due() | {"vip_level": 3}, of=product(WEEK | {"loan_limits": {"COIN": limit}}))
    d.play("00:00 0.5 -; 72:00 ... loan.renewal_open")
    assert reasons(d.alerts[-1]) == why


def test_a_limit_of_a_coin_whose_price_is_missing_is_not_known_to_be_passed() -> None:
    d = weekly_desk(due(), of=product(WEEK | {"loan_limits": {"COIN": "1"}}))
    d.pass_time("72:00")
    assert reasons(d.alerts[-1]) == []


@pytest.mark.parametrize(
    ("balances", "why"),
    [({}, []), ({"a": {"COIN": "2.9"}}, ["interest_not_covered"]), ({"a": {"COIN": "1"}, "b": {"COIN": "2"}}, []),
     ({"a": {"USDT": "9"}}, ["interest_not_covered"])],
)  # fmt: skip
def test_rule_27_no_renewal_where_the_spot_wallet_does_not_pay_the_interest(
    balances: dict[str, Any], why: list[str]
) -> None:
    """Three days' interest on 100 COIN at 1 %; who states no balances is not known to be short."""
    of = product(WEEK | {"rates": {"COIN": "0.01"}})
    d = weekly_desk(due() | {"balances": balances}, of=of)
    d.price("00:00", "0.1")
    d.pass_time("72:00")
    (opened,) = (a for a in d.alerts if a.type == "loan.renewal_open")
    assert reasons(opened) == why


# -- interest that Spot balances do not pay --

INTEREST = product(version(rates={"COIN": "0.01", "USDT": "0.01"}))


def test_rule_28_a_shortfall_is_said_once_until_it_is_covered_again() -> None:
    """100 COIN at 1 % a day against a balance of two: the third midnight is one too many."""
    stated = line(balances={"a": {"COIN": "1.5"}, "b": {"COIN": "0.5"}})
    d = Desk(stated, of=INTEREST)
    d.play("00:00 0.1 -; 48:00 ... -; 72:00 ... loan.interest_shortfall; 96:00 ... -")
    (said,) = d.alerts
    assert facts(said) == {"asset": "COIN", "interest": "3", "balance": "2", "short": "1"}
    assert (said.severity, said.reason, said.sequence) == ("warning", "interest", 1)
    d.restart()
    d.play("120:00 ... -")
    assert d.enter("121:00", {"type": "repay", "asset": "COIN", "amount": "4"}) == "-"
    d.play("144:00 ... -; 168:00 ... loan.interest_shortfall")


def test_rule_28_no_price_is_needed_and_nothing_is_known_of_a_group_without_balances() -> None:
    d = Desk(line(), line("G-2", balances={"b": {"USDT": "1"}}), of=INTEREST)
    assert d.pass_time("24:00") == "loan.interest_shortfall:G-2"
    assert d.alerts[0].blind


def test_rule_28_a_put_is_looked_at_at_once_coin_by_coin() -> None:
    owed = [loan(interest="1"), loan("USDT", "10", id="L-2", interest="0.5"), loan(id="L-3", interest="2")]
    d = Desk(of=INTEREST)
    said = d.put("00:00", line(loans=owed, balances={"a": {"COIN": "2"}}))
    assert said == "loan.interest_shortfall loan.interest_shortfall"
    assert [(a.facts["asset"], a.facts["short"]) for a in d.alerts] == [("COIN", "1"), ("USDT", "0.5")]
    assert d.put("00:01", line(loans=owed, balances={"a": {"COIN": "3"}})) == "-"
    assert d.put("00:02", line(loans=owed, balances={"a": {"COIN": "2", "USDT": "1"}})) == "loan.interest_shortfall"


def test_rule_28_a_balance_that_just_pays_is_enough() -> None:
    d = Desk(line(balances={"a": {"COIN": "1"}}), of=INTEREST)
    assert d.pass_time("24:00") == "-"
    assert d.pass_time("48:00") == "loan.interest_shortfall"


def test_a_new_version_of_the_rates_is_looked_at_when_it_comes_into_force() -> None:
    """The stage comes first, then what the Spot wallet is short of, in the order of ids."""
    dearer = version(
        START + timedelta(hours=24), rates={"COIN": "0.02", "USDT": "0"}, ladders={"USDT": [["inf", "0.5"]]}
    )
    of = product(version(rates={"COIN": "0.01", "USDT": "0"}), dearer)
    stated = [line(g, balances={g: {"COIN": "1"}}) for g in ("G-2", "G-3")]
    d = Desk(*stated, of=of)
    d.play(
        "00:00 0.4 -; 24:00 ... rules.changed:vip_loan margin_call.opened:G-2 margin_call.opened:G-3"
        " loan.interest_shortfall:G-2 loan.interest_shortfall:G-3"
    )


# -- rules that change --

HALF = {"USDT": [["inf", "0.5"]]}


def test_rule_31_a_change_of_rules_says_what_it_does_and_the_stage_says_that_rules_moved_it() -> None:
    """LTV moves from 42 to 84 % with no price: one group is called, the other stays far from its lines."""
    d = Desk(
        line(),
        line("G-2", collateral={"b": {"USDT": "900"}}),
        of=product(version(), version(clock("10:00"), ladders=HALF)),
    )
    d.price("00:00", "0.42")
    changed, called = d.play("10:00 ... rules.changed:vip_loan margin_call.opened")
    assert facts(changed) == {
        "product": "vip_loan",
        "from": "vip_loan@2025-01-05",
        "to": "vip_loan@2026-01-05",
        "groups": 2,
        "ladders": ["USDT"],
        "ladders_cut": 0,
        "recognised_before_usd": "1000",
        "recognised_after_usd": "500",
        "is_exact": True,
    }
    told = d.told(called)["data"]
    assert (told["cause"], told["rules_from"], told["rules"]) == ("rules", "vip_loan@2025-01-05", "vip_loan@2026-01-05")
    assert "facts" not in told


def test_rule_31_at_a_midnight_only_what_the_rules_moved_says_so() -> None:
    """A day's interest of 10 % takes G-3 over the liquidation line under either version; the ladder moves the others."""
    dear = {"COIN": "0.1", "USDT": "0"}
    stated = [line(g, collateral={g: {"USDT": usdt}}) for g, usdt in (("G-1", "100"), ("G-2", "55"), ("G-3", "48"))]
    d = Desk(*stated, of=product(version(rates=dear), version(clock("24:00"), ladders=HALF, rates=dear)))
    assert d.price("00:00", "0.4") == "margin_call.opened:G-3"
    said = d.play(
        "24:00 ... rules.changed:vip_loan margin_call.opened liquidation.triggered(ltv):G-2 liquidation.triggered(ltv):G-3"
    )
    assert [d.told(a)["data"].get("cause") for a in said[1:]] == ["rules", "rules", None]


def test_a_reload_that_changes_no_rules_of_a_product_says_nothing() -> None:
    d = Desk(line())
    d.play("00:00 0.5 -")
    assert d.change("00:01", products={"vip_loan": product(version())}) == "-"
    assert d.change("00:02", name="desk-1") == "-"


def test_each_change_of_rules_is_an_alert_of_its_own() -> None:
    shares = ((0, "1"), (1, "0.9"), (2, "0.8"))
    dated = [version(effective=clock(f"0{n}:00"), ladders={"USDT": [["inf", share]]}) for n, share in shares]
    d = Desk(line(), of=product(*dated))
    d.play("00:00 0.5 -")
    for time in ("01:00:01", "02:00:01"):
        assert d.price(time, "0.5").startswith("rules.changed:vip_loan@")
        d.restart()
    assert len({a.id for a in d.alerts}) == 2
    assert [a.sequence for a in d.alerts] == [1, 2]
