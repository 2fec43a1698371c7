"""Decision 101: what changed rules bring about is of the time when they came into force, and says so."""

from datetime import timedelta
from decimal import Decimal

import pytest

from monitor.core.alerts.alert import Alert
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, product
from tests.reference.desk import ReferenceDesk

pytestmark = both_books

WEEK = {"renewal_window": "7d", "maturity_notice": "24h"}


def days(count: float) -> str:
    return f"{int(count * 24)}:{int(count * 24 * 60) % 60:02}"


def due(matures: str) -> dict[str, object]:
    return line(loans=[loan(matures=matures)])


def at(day: float) -> object:
    return START + timedelta(days=day)


def cause(alert: Alert) -> object:
    return alert.facts.get("cause")


def priced(desk: Desk, alert: Alert) -> Decimal:
    assert alert.figures is not None
    assert alert.figures.ltv is not None
    return alert.figures.ltv


def test_an_overdue_loan_is_liquidated_when_the_rules_that_say_so_come_into_force_with_the_prices_of_then() -> None:
    """It matured on the first day. By the old rules it would be liquidated after five days, by the new ones after one."""
    old, new = version(overdue_after="5d"), version(clock(days(3)), overdue_after="24h")
    desk = Desk(due("24:00"), of=product(old, new))
    desk.play(f"00:00 0.5 -; 24:00 0.5 loan.overdue; {days(2.5)} 0.6 -")
    changed, liquidated = desk.play(
        f"{days(4)} 0.7 rules.changed:vip_loan@{days(3)} liquidation.triggered(overdue)@{days(3)}"
    )
    assert (cause(liquidated), liquidated.facts["rules_from"]) == ("rules", "vip_loan@2025-01-05")
    assert priced(desk, liquidated) == Decimal("0.6")
    assert changed.at == liquidated.at


def test_what_the_old_rules_would_have_done_as_well_has_no_such_cause() -> None:
    old, new = version(overdue_after="48h"), version(clock(days(3)), overdue_after="24h")
    desk = Desk(due(days(1)), of=product(old, new))
    desk.play(f"00:00 0.5 -; {days(1)} 0.5 loan.overdue")
    changed, liquidated = desk.play(f"{days(3)} ... rules.changed:vip_loan liquidation.triggered(overdue)")
    assert cause(liquidated) is None


@pytest.mark.parametrize("is_restarted", [False, True])
def test_what_a_reload_moves_into_the_past_is_of_the_reload(is_restarted: bool) -> None:
    desk = Desk(due(days(1)), of=product(version(overdue_after="5d")))
    desk.play(f"00:00 0.5 -; {days(1)} 0.5 loan.overdue; {days(2.5)} 0.6 -")
    assert desk.change(days(3), products={"vip_loan": product(version(overdue_after="24h"))}) == "-"
    if is_restarted:
        desk.restart()
    (liquidated,) = desk.play(f"{days(3.5)} 0.7 liquidation.triggered(overdue)@{days(3)}")
    assert priced(desk, liquidated) == Decimal("0.6")
    assert is_restarted or cause(liquidated) == "rules"


@pytest.mark.parametrize(
    "steps",
    [
        [WEEK, {"renewal_window": "7d", "maturity_notice": "0s"}],
        [WEEK, {"renewal_window": "0s", "maturity_notice": "0s"}, WEEK],
        [WEEK, {"renewal_window": "0s", "maturity_notice": "24h"}, {"renewal_window": "9d", "maturity_notice": "0s"}],
        [{"renewal_window": "2d", "maturity_notice": "3d"}, {"renewal_window": "7d", "maturity_notice": "24h"}],
    ],
)
@pytest.mark.parametrize("first", [4.0, 9.5])
def test_a_renewal_is_said_to_open_once_whatever_the_versions_switch(first: float, steps: list[dict[str, str]]) -> None:
    later = [version(clock(days(first + i / 8)), **change) for i, change in enumerate(steps[1:])]
    desk = Desk(due(days(10.25)), of=product(version(**steps[0]), *later))
    twin = ReferenceDesk(due(days(10.25)), product={"version": [version(**steps[0]), *later]})
    desk.price("00:00", "0.5")
    twin.model.prices(START, {"COIN": "0.5"})
    theirs = []
    for hour in range(0, 12 * 24, 3):
        desk.pass_time(f"{hour}:00")
        theirs += twin.model.pass_time(clock(f"{hour}:00"))
    said = [alert.type for alert in desk.alerts if alert.type.startswith("loan.")]
    assert said.count("loan.renewal_open") == 1, said
    assert said.count("loan.maturing") <= 1, said
    assert said.count("loan.overdue") == 1
    ours = [(a.type, a.at, cause(a), a.id) for a in desk.alerts]
    assert [(a["type"], a["timestamp"], a.get("cause"), a["id"]) for a in theirs] == [
        (type_, when.isoformat(timespec="milliseconds")[:23] + "Z", why, id_) for type_, when, why, id_ in ours
    ]


def test_the_notice_that_was_said_does_not_open_a_renewal_again_after_a_restart() -> None:
    off = version(clock(days(9.75)), renewal_window="7d", maturity_notice="0s")
    desk = Desk(due(days(10.25)), of=product(version(**WEEK), off))
    desk.play(f"00:00 0.5 -; 72:00 0.5 loan.renewal_open; {days(9.25)} 0.5 loan.maturing")
    desk.restart()
    desk.play(f"{days(9.5)} 0.5 -; {days(10)} 0.5 rules.changed:vip_loan@{days(9.75)}; {days(10.25)} 0.5 loan.overdue")


def test_a_cure_at_a_versions_very_midnight_that_ends_a_clear_hold_has_its_cause() -> None:
    """The hold began at 23:00 and lasts an hour. New rules of midnight bring the group to its initial level then."""
    eased = version(clock("24:00"), ladders={"USDT": [["inf", "1"]], "BTC": [["inf", "1"]]})
    stated = line(collateral={"a": {"USDT": "100", "BTC": "1"}})
    desk = Desk(stated, of=product(version(), eased), clear_hold=timedelta(hours=1))
    desk.play("22:00 BTC=50,COIN=0.8 margin_call.opened; 23:00 BTC=50,COIN=0.75 -")
    _, cured = desk.play("24:00 ... rules.changed:vip_loan margin_call.cured")
    assert (cause(cured), cured.facts["rules_from"]) == ("rules", "vip_loan@2025-01-05")
