"""Quiet times hold notices of info and warning, over restarts and other routes, and drop what is superseded meanwhile."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from monitor.channel_rules import Gathering
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.dispatch.backoff import HORIZON
from monitor.dispatch.digests import gather_key
from monitor.dispatch.last_resort import LastResort
from monitor.stores._base import Change, Target
from tests.dispatch.conftest import DispatchDesk, Open, failing
from tests.fakes import START, FakeClock, FakeNotifier, alert, as_body, rendered, settle

OPENED, CURED = "loan_group.margin_call.opened", "loan_group.margin_call.cured"
LIQUIDATION, REMINDER = "loan_group.liquidation.triggered", "loan_group.margin_call.reminder"
NIGHT_S = 1800.0
"""A short one: clocks are looked at twice a minute."""
END = START + timedelta(seconds=NIGHT_S)


async def commit(desk: DispatchDesk, *alerts: Alert, until: datetime | None = END, gather: str = "") -> None:
    """Commits alerts for mail, as a route with quiet times says."""
    target = (Target("mail", (), gather, until),)
    desk.dispatcher.take_over(
        await desk.store.commit(Change(desk.clock.utc(), alerts=tuple((a, target) for a in alerts)))
    )
    await settle()


def told(mail: FakeNotifier) -> list[tuple[str, str]]:
    return [(n.type, n.data["subject"]) for n in mail.took]


async def restart(desk: DispatchDesk) -> None:
    await desk.dispatcher.stop(0.2)
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await settle()


def held(desk: DispatchDesk) -> list[datetime | None]:
    return [d.held_until for d in desk.store.rows.values()]


async def test_a_notice_waits_for_the_end_of_the_quiet_time_and_others_do_not(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"))
    await commit(desk, alert(OPENED, "G-2"), until=None)
    await desk.clock.advance(NIGHT_S - 1)
    assert told(mail) == [(OPENED, "G-2")]
    assert held(desk) == [END, None]
    assert [(c.held, c.queued) for c in desk.dispatcher.channels({})] == [(1, 0)]
    await desk.clock.advance(2)
    assert told(mail) == [(OPENED, "G-2"), (OPENED, "G-1")]
    assert held(desk) == [None, None]
    assert desk.dispatcher.channels({})[0].held == 0


async def test_the_newest_stage_of_each_group_goes_first_and_what_it_supersedes_never(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert("loan_group.early_warning", "G-1"))
    await commit(desk, alert(OPENED, "G-1", sequence=2))
    await commit(desk, alert(REMINDER, "G-1", sequence=3))
    await desk.clock.advance(NIGHT_S + 1)
    assert told(mail) == [(OPENED, "G-1"), (REMINDER, "G-1")]
    assert desk.states() == ["superseded", "delivered", "delivered"]
    assert desk.metric("monitor_deliveries_superseded_total") == 1


async def test_a_worse_stage_goes_at_once_and_drops_what_was_held(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"))
    await commit(desk, alert(LIQUIDATION, "G-1", sequence=2), until=None)
    await desk.clock.advance(1)
    assert told(mail) == [(LIQUIDATION, "G-1")]
    await desk.clock.advance(NIGHT_S)
    assert told(mail) == [(LIQUIDATION, "G-1")]


async def test_nobody_hears_good_news_of_bad_news_that_was_held(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"))
    await commit(desk, alert(CURED, "G-1", sequence=2))
    await desk.clock.advance(NIGHT_S + 1)
    assert mail.tried == []
    assert desk.states() == ["superseded"]


async def test_good_news_of_bad_news_that_was_told_before_the_night_comes_in_the_morning(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"), until=None)
    await desk.clock.advance(1)
    await commit(desk, alert(CURED, "G-1", sequence=2))
    await desk.clock.advance(NIGHT_S - 2)
    assert told(mail) == [(OPENED, "G-1")]
    await desk.clock.advance(2)
    assert told(mail) == [(OPENED, "G-1"), (CURED, "G-1")]


@pytest.mark.parametrize(
    ("routed", "after_s"),
    [
        (END, NIGHT_S + 1),
        (END + timedelta(minutes=10), NIGHT_S + 601),
        (None, 0.0),
    ],
    ids=["the same", "a longer night", "no quiet times"],
)
@pytest.mark.parametrize("how", ["restart", "reload"])
async def test_after_a_restart_or_a_reload_the_quiet_times_of_now_hold_it(
    open_desk: Open, routed: datetime | None, after_s: float, how: str
) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"))
    desk.routed = (Target("mail", (), "", routed),)
    if how == "restart":
        await restart(desk)
    else:
        desk.dispatcher.quiet.judge_again()
        await settle()
    if after_s:
        assert held(desk) == [routed]
        await desk.clock.advance(after_s - 2)
        assert mail.tried == []
    await desk.clock.advance(2)
    assert told(mail) == [(OPENED, "G-1")]


async def test_what_no_route_sends_there_any_more_is_owed_all_the_same(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"))
    desk.routed = ()
    await restart(desk)
    await desk.clock.advance(1)
    assert told(mail) == [(OPENED, "G-1")]


async def test_what_was_due_while_nothing_ran_has_its_whole_horizon(open_desk: Open) -> None:
    """Held over a weekend, and the daemon starts an hour late: it is tried for as long as any other."""
    mail = FakeNotifier(failing("HTTP 503"))
    desk = await open_desk(mail=mail)
    await settle()
    end = START + timedelta(days=2)
    await commit(desk, alert("rules.changed", "vip_loan"), until=end)
    await desk.dispatcher.stop(0.2)
    await desk.clock.advance(timedelta(days=2, hours=1).total_seconds())
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.clock.advance(60)
    assert len(mail.tried) > 3
    mail.behave = None
    await desk.clock.advance(HORIZON["info"].total_seconds() / 2)
    assert told(mail) == [("rules.changed", "vip_loan")]


async def test_an_operator_may_have_it_sent_at_once(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"))
    await desk.clock.advance(5)
    (row,) = desk.store.rows.values()
    again = await desk.store.retry(row.id, desk.clock.utc())
    desk.dispatcher.offer([again])
    await desk.clock.advance(1)
    assert told(mail) == [(OPENED, "G-1")]
    await desk.clock.advance(NIGHT_S)
    assert len(mail.tried) == 1


async def test_a_clock_that_is_set_forward_ends_the_night_within_half_a_minute(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"))
    desk.clock.wall_step = timedelta(hours=9)
    await desk.clock.advance(31)
    assert told(mail) == [(OPENED, "G-1")]


async def test_a_thousand_that_were_held_are_one_digest(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    gathering = Gathering((), timedelta(seconds=10), timedelta(minutes=5))
    some = [alert(OPENED, f"G-{n}") for n in range(1000)]
    await commit(desk, *some, gather=gather_key(gathering, some[0]))
    await desk.clock.advance(NIGHT_S + 9)
    assert mail.took == []
    await desk.clock.advance(3)
    assert [(n.type, n.data["count"]) for n in mail.took] == [("digest", 1000)]


async def test_what_is_superseded_while_its_end_is_written_is_not_sent(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await settle()
    await commit(desk, alert(OPENED, "G-1"))
    write: Any = desk.store.hold
    gate = asyncio.Event()

    async def slowly(*args: Any) -> Any:
        found = await write(*args)
        await gate.wait()
        return found

    desk.store.hold = slowly
    await desk.clock.advance(NIGHT_S + 1)
    await commit(desk, alert(LIQUIDATION, "G-1", sequence=2), until=None)
    gate.set()
    await desk.clock.advance(5)
    assert told(mail) == [(LIQUIDATION, "G-1")]


async def test_while_the_store_fails_the_night_is_kept_too() -> None:
    mail, clock = FakeNotifier(), FakeClock()
    last = LastResort(lambda: {"mail": mail}, lambda x: as_body(rendered(x)), clock)
    last.send(LoggedAlert(0, alert(OPENED, "G-1")), [Target("mail", (), "", END)])
    last.send(LoggedAlert(0, alert(LIQUIDATION, "G-2")), [Target("mail")])
    await settle()
    assert told(mail) == [(LIQUIDATION, "G-2")]
    await last.stop()
