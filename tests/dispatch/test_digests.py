"""Storms for people: the first go by themselves, the largest debt first; a digest tells of the rest."""

from datetime import timedelta
from decimal import Decimal

import msgspec

from monitor.channel_rules import ChannelRules, Gathering, gathering_problems
from monitor.core.alerts.alert import Alert
from monitor.dispatch.channel import Setting
from monitor.dispatch.digests import Firsts, gather_key
from monitor.notifiers._base import headline
from monitor.notifiers.sms import text
from monitor.stores._base import Change, Target
from tests.dispatch.conftest import DispatchDesk, failing
from tests.fakes import START, FakeNotifier, alert
from tests.stores.examples import full_alert

GATHERING = Gathering(("severity",), timedelta(seconds=10), timedelta(minutes=5), first=3)
FIGURES = full_alert().figures


def owing(n: int, debt: int) -> Alert:
    assert FIGURES is not None
    figures = msgspec.structs.replace(FIGURES, debt_usd=Decimal(debt))
    return alert("loan_group.liquidation.triggered", f"G-{n}", figures=figures)


async def storm(desk: DispatchDesk, alerts: list[Alert]) -> None:
    routed = [(a, (Target("mail", (), gather_key(GATHERING, a)),)) for a in alerts]
    shared = Firsts().share(START, routed)
    desk.dispatcher.take_over(await desk.store.commit(Change(START, alerts=shared)))
    await desk.clock.advance(0.1)


async def test_the_first_critical_ones_leave_at_once_and_one_digest_covers_the_rest() -> None:
    mail = FakeNotifier()
    desk = DispatchDesk(mail=mail)
    await desk.dispatcher.start()
    await storm(desk, [owing(n, 1000 + n) for n in range(100)])
    assert [n.data["subject"] for n in mail.took] == ["G-99", "G-98", "G-97"]
    await desk.clock.advance(10)
    assert len(mail.took) == 4
    digest = mail.took[-1]
    assert (digest.type, digest.data["count"], digest.data["groups"]) == ("digest", 97, 97)
    assert digest.data["debt_usd"] == str(sum(1000 + n for n in range(97)))
    assert digest.data["largest"][0]["subject"] == "G-96"
    assert set(desk.states()) == {"delivered"}
    assert "97 notices: 97 " in headline(digest)
    assert len(text(digest)) <= 160
    await desk.dispatcher.stop(0.2)


async def test_a_digest_that_fails_is_tried_again_unchanged_and_a_kill_loses_nothing_of_it() -> None:
    mail = FakeNotifier(failing())
    desk = DispatchDesk(mail=mail)
    await desk.dispatcher.start()
    await storm(desk, [alert(subject=f"G-{n}") for n in range(5)])
    await desk.clock.advance(13)
    ids = {n.id for n in mail.tried}
    assert len(ids) == 1
    assert len(mail.tried) > 1
    await desk.dispatcher.stop(0.2)
    mail.behave = None
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.clock.advance(20)
    assert {n.id for n in mail.took} == ids
    assert desk.states() == ["delivered"] * 5
    await desk.dispatcher.stop(0.2)


async def test_a_digest_that_was_tried_before_a_kill_comes_again_as_it_was_though_more_has_come() -> None:
    """Its reader knows it by its id. What came since goes in the next one."""
    mail = FakeNotifier(failing())
    desk = DispatchDesk(mail=mail)
    await desk.dispatcher.start()
    await storm(desk, [alert(subject=f"G-{n}") for n in range(5)])
    await desk.clock.advance(10.5)
    (tried,) = {n.id for n in mail.tried}
    await desk.dispatcher.stop(0.2)
    mail.behave = None
    desk.dispatcher = desk.new_dispatcher()
    await storm(desk, [alert(subject=f"H-{n}") for n in range(3)])
    await desk.dispatcher.start()
    await desk.clock.advance(5)
    assert [(n.id, n.data["count"]) for n in mail.took] == [(tried, 5)]
    await desk.clock.advance(400)
    assert [n.data["count"] for n in mail.took] == [5, 3]
    assert desk.states() == ["delivered"] * 8
    await desk.dispatcher.stop(0.2)


async def test_a_channel_sends_no_faster_than_its_rate() -> None:
    mail = FakeNotifier()
    desk = DispatchDesk(mail=mail)
    desk.settings = {"mail": Setting("email", ChannelRules(rate="5/1m"))}
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(12)))
    await desk.clock.advance(59)
    assert len(mail.took) == 5
    await desk.clock.advance(2)
    assert len(mail.took) == 10
    await desk.dispatcher.stop(0.2)


def test_a_route_that_would_make_a_storm_is_refused() -> None:
    hasty = Gathering((), timedelta(seconds=1), timedelta(seconds=1))
    assert [key for key, _ in gathering_problems(hasty, {"mail": True})] == ["group_interval"]
    assert [key for key, _ in gathering_problems(GATHERING, {"hook": False})] == ["group_by"]
    assert gathering_problems(GATHERING, {"mail": True}) == []
