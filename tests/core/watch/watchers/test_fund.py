"""The insurance fund: what groups in liquidation would draw, when the desk is told, and when no longer (rules 43 and 44).

A group holds 100 USDT and owes 100 COIN: at 1.05 it is liquidated and 5 USD are missing; at 0.96 its fee is 2 USD.
"""

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest

from monitor.core.rules.settings import Fund, Trust
from monitor.core.text import MOST_NAMED
from monitor.core.valuation.clearance import FundSight
from monitor.core.watch.watchers.fund import REST
from tests.coin_desk import clock, line, loan, version
from tests.core.desk import Desk, both_books, product

pytestmark = both_books

D = Decimal


def calm_desk(balance: str = "8", groups: int = 2, **more: Any) -> Desk:
    """Groups whose first prices liquidate nobody."""
    made = Desk(*(line(f"G-{n}") for n in range(1, groups + 1)), fund=Fund(D(balance)), **more)
    made.price("00:00", "0.5")
    return made


def fund(of: Desk) -> FundSight:
    seen = of.monitor.fund
    assert seen is not None
    return seen


def both(reason: str = "ltv") -> str:
    return f"liquidation.triggered({reason}) liquidation.triggered({reason}):G-2"


def test_rule_43_the_fund_would_pay_what_bankrupt_groups_leave_unpaid() -> None:
    it = calm_desk()
    it.play(f"00:10 1.03 {both()}; 00:11 ... -")
    seen = fund(it)
    assert (seen.draw_usd, seen.fees_usd, seen.bankrupt, seen.in_liquidation) == (6, 0, 2, 2)
    assert seen.worst == (("G-1", D(3)), ("G-2", D(3)))
    assert seen.at == clock("00:10")


def test_rule_44_fees_flow_in_and_are_shown_apart() -> None:
    it = calm_desk()
    it.play(f"00:10 0.96 {both()}; 00:11 ... -")
    assert (fund(it).draw_usd, fund(it).fees_usd, fund(it).bankrupt) == (0, 4, 0)


def test_the_desk_is_told_once_that_draws_exceed_the_balance_and_once_that_they_do_not() -> None:
    it = calm_desk()
    it.play(
        f"""
        00:10  1.041  {both()}
        00:20  1.041  fund.exceeded:fund@00:10
        00:22  1.05   -
        00:30  1.04   -
        00:32  1.0397 -
        00:34  1.0395 -
        00:36  ...    fund.restored:fund@00:34
        00:38  1.041  -
        00:40  ...    fund.exceeded:fund@00:38
        """
    )  # 8 is not exceeded by 8; restored at 8 less the clear margin of 1 %: 7.92
    first, restored, again = [a for a in it.alerts if a.type.startswith("fund.")]
    assert (first.severity, restored.severity) == ("critical", "info")
    assert first.facts == {
        "balance_usd": "8",
        "draw_usd": "8.2",
        "fees_usd": "0",
        "groups": 2,
        "in_liquidation": 2,
        "unknown": 0,
        "worst": ["G-1", "G-2"],
        "worst_cut": 0,
    }
    assert restored.facts["draw_usd"] == "7.9"
    assert len({first.id, restored.id, again.id}) == 3
    assert fund(it).exceeded


def test_a_draw_of_exactly_the_balance_is_paid() -> None:
    it = calm_desk()
    it.play(f"00:10 1.04 {both()}; 00:12 ... -")
    assert fund(it).draw_usd == fund(it).balance_usd == 8


@pytest.fixture
def calm(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two groups in liquidation are looked at once a minute, as ten thousand are."""
    assert timedelta(minutes=1) == REST * 10_000
    monkeypatch.setattr("monitor.core.watch.watchers.fund.REST", timedelta(seconds=30))


def test_few_groups_are_looked_at_with_every_price() -> None:
    it = calm_desk("8")
    it.play(f"00:10 1.02 {both()}; 00:10:01 1.05 -; 00:10:02 1.05 fund.exceeded:fund@00:10:01")


@pytest.mark.usefixtures("calm")
def test_many_groups_are_looked_at_once_a_minute_at_most() -> None:
    it = calm_desk("1000")
    it.play(f"00:10 1.02 {both()}; 00:10:20 1.03 -; 00:10:40 1.04 -; 00:10:59 1.05 -")
    assert (fund(it).at, fund(it).draw_usd) == (clock("00:10"), 4)
    it.play("00:11 1.06 -; 00:11:01 1.07 -")
    assert (fund(it).at, fund(it).draw_usd) == (clock("00:11"), 12)
    it.play("00:11:30 ... -; 00:15 ... -")
    assert (fund(it).at, fund(it).draw_usd) == (clock("00:12"), 14)


def test_nothing_is_looked_at_while_nothing_has_changed() -> None:
    it = calm_desk("1000")
    it.play(f"00:10 1.02 {both()}; 00:20 ... -")
    due = it.monitor.next_due
    assert due is None or due > clock("00:30")
    it.play("00:30 OTHER=5 -; 00:40 ... -")
    assert fund(it).at == clock("00:10"), "nobody in liquidation holds it"


def test_a_shortfall_goes_when_its_group_is_paid_closed_or_holds_more() -> None:
    it = calm_desk("1000", groups=3)
    it.play(
        "00:10 1.05 liquidation.triggered(ltv) liquidation.triggered(ltv):G-2 liquidation.triggered(ltv):G-3; 00:20 ... -"
    )
    assert fund(it).draw_usd == 15
    it.enter("00:20", {"type": "liquidated"}, "G-1")
    it.close("00:20", "G-2")
    it.enter("00:20", {"type": "deposit", "account": "acct-G-3", "asset": "USDT", "quantity": "4"}, "G-3")
    it.pass_time("00:22")
    assert (fund(it).draw_usd, fund(it).in_liquidation) == (1, 1)


def test_interest_of_a_midnight_counts() -> None:
    rated = product(version(rates={"COIN": "0.01", "USDT": "0"}))
    it = calm_desk("5", groups=1, of=rated)
    it.play("23:00 1.05 liquidation.triggered(ltv); 23:30 ... -; 24:01 ... fund.exceeded:fund@24:00")
    assert fund(it).draw_usd == D("6.05")


def test_an_untrusted_price_never_says_that_the_fund_suffices() -> None:
    it = calm_desk("8", trust=Trust(stale_after=timedelta(minutes=5), confirm_jump=D(10)))
    it.play(f"00:01 COIN=1.05,USDT=1 {both()}; 00:02 ... fund.exceeded:fund@00:01")
    assert not it.alerts[-1].blind
    it.play("00:07 ... price.stale:COIN@00:06")
    it.enter("00:08", {"type": "liquidated"}, "G-2")
    it.pass_time("00:10")
    assert (fund(it).draw_usd, fund(it).blind, fund(it).exceeded) == (5, True, True)
    it.play("00:11 COIN=1.05 price.restored:COIN; 00:13 ... fund.restored:fund@00:11")


def test_a_group_with_a_missing_price_is_counted_as_unknown() -> None:
    it = calm_desk("1")
    it.play(f"00:10 1.005 {both()}; 00:11 ... -")
    stated = line("G-2", loans=[loan(), loan("USDT", "1", id="L-2"), loan("ETH", "1", id="L-3")])
    it.change("00:12", products={"vip_loan": product(version(rates={"COIN": "0", "USDT": "0", "ETH": "0"}))})
    it.put("00:13", stated)
    it.pass_time("00:15")
    assert (fund(it).unknown, fund(it).bankrupt, fund(it).blind) == (1, 1, True)


@pytest.mark.usefixtures("calm")
def test_a_restart_goes_on_in_the_same_rhythm() -> None:
    it = calm_desk()
    it.play(f"00:10 1.05 {both()}; 00:10:01 ... fund.exceeded:fund@00:10; 00:10:30 1.01 -")
    it.restart()
    assert fund(it).exceeded
    assert it.monitor.next_due == clock("00:11") + timedelta(microseconds=1)
    it.play("00:12 ... fund.restored:fund@00:11")


def test_a_restart_with_another_balance_says_so() -> None:
    it = calm_desk()
    it.play(f"00:10 1.03 {both()}; 00:11 ... -")
    it.restart(fund=Fund(D(2)))
    it.monitor.awaken(clock("00:20"))
    it.play("00:21 ... fund.exceeded:fund@00:20")


def test_a_fund_that_comes_back_after_a_restart_without_one_is_looked_at() -> None:
    """A look was due when the monitor stopped."""
    it = calm_desk()
    it.play(f"00:10 1.05 {both()}")
    it.restart(fund=None)
    assert it.monitor.fund is None
    it.play("00:20 1.05 -")
    assert it.change("00:30", fund=Fund(D(1))) == "-"
    it.play("00:31 ... fund.exceeded:fund@00:30")


def test_a_reload_takes_another_balance_and_a_fund_that_is_gone_is_silent() -> None:
    it = calm_desk("1000")
    it.play(f"00:10 1.05 {both()}; 00:11 ... -")
    assert it.change("00:20", fund=Fund(D(1))) == "-"
    it.play("00:21 ... fund.exceeded:fund@00:20")
    it.change("00:22", fund=None)
    assert it.monitor.fund is None
    it.play("00:23 1.5 -; 00:30 ... -")
    assert it.change("00:40", fund=Fund(D(1))) == "-"
    it.play("00:41 ... fund.exceeded:fund@00:40")


def test_without_a_fund_nothing_is_said_or_planned() -> None:
    it = Desk(line(), line("G-2"))
    it.play(f"00:00 0.5 -; 00:10 1.5 {both()}; 00:30 ... -")
    assert it.monitor.fund is None


def test_an_alert_names_fifty_groups_and_counts_the_others() -> None:
    it = Desk(*(line(f"G-{n:03}") for n in range(60)), fund=Fund(D(0)))
    it.price("00:00", "1.05")
    it.price("00:01", "1.05")
    facts = it.alerts[-1].facts
    assert (facts["groups"], len(facts["worst"]), facts["worst_cut"]) == (60, MOST_NAMED, 10)
    assert facts["worst"][:2] == ["G-000", "G-001"]
