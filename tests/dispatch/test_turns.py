"""How many attempts go on at a time, what is counted before its turn, and what becomes of that when things change."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from monitor.channel_rules import ChannelRules
from monitor.dispatch.channel import Setting
from monitor.dispatch.slots import AHEAD_S, MOST_AHEAD, USUAL, Slots
from monitor.notifiers._base import Fault, Notice
from tests.dispatch.conftest import DispatchDesk, Open, failing
from tests.dispatch.test_batches import FakeBatches
from tests.fakes import FakeNotifier, alert, settle

CALL, LIQUIDATION = "loan_group.margin_call.opened", "loan_group.liquidation.triggered"


def storm(count: int, name: str = "G", type_: str = CALL) -> list[Any]:
    return [alert(type_, f"{name}-{n}") for n in range(count)]


# -- the figures --


def test_a_fast_receiver_gets_more_and_a_slow_one_no_more_than_a_few() -> None:
    slots = Slots(USUAL, 32, is_limited=False)
    assert (slots.at_once, slots.room) == (USUAL, USUAL)
    for _ in range(2000):
        slots.ended(0.002, None)
    assert (slots.at_once, slots.room) == (32, MOST_AHEAD)
    for _ in range(60):
        slots.ended(2.0, None)
    assert (slots.at_once, slots.room) == (USUAL, USUAL)


def test_what_is_counted_ahead_goes_out_within_a_fifth_of_a_second() -> None:
    slots = Slots(USUAL, USUAL, is_limited=False)
    for _ in range(200):
        slots.ended(0.05, None)
    assert slots.room == pytest.approx(USUAL * AHEAD_S / 0.05, abs=1)


@pytest.mark.parametrize("fault", [Fault.PASSING, Fault.CHANNEL, Fault.DOUBTFUL])
def test_after_a_failure_it_begins_anew(fault: Fault) -> None:
    slots = Slots(USUAL, 32, is_limited=False)
    for _ in range(2000):
        slots.ended(0.002, None)
    slots.ended(0.002, fault)
    assert (slots.at_once, slots.room) == (USUAL, USUAL)


def test_a_notice_that_is_refused_says_nothing_about_the_receiver() -> None:
    slots = Slots(USUAL, 32, is_limited=False)
    for _ in range(2000):
        slots.ended(0.002, None)
    slots.ended(0.002, Fault.NOTICE)
    assert slots.at_once == 32


def test_nothing_is_counted_ahead_where_a_rate_is_kept() -> None:
    slots = Slots(USUAL, USUAL, is_limited=True)
    for _ in range(2000):
        slots.ended(0.002, None)
    assert slots.room == USUAL


# -- a channel --


async def fast(desk: DispatchDesk, name: str = "mail") -> None:
    """Lets a channel find out that its receiver is fast."""
    await desk.commit(*storm(200, "W"), to=name)
    while len(desk.notifiers[name].took) < 200:
        await settle()
    await settle()


async def test_a_storm_is_counted_in_blocks_and_no_more_goes_at_a_time(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier())
    await fast(desk)
    desk.notifiers["mail"].behave = lambda _: asyncio.sleep(0)
    before = len(desk.store.writes)
    await desk.commit(*storm(1000))
    while len(desk.notifiers["mail"].took) < 1200:
        await settle()
    await settle()
    assert desk.notifiers["mail"].most_at_once == USUAL
    starts = [n for kind, n in desk.store.writes[before:] if kind == "start"]
    assert sum(starts) == 1000
    assert len(starts) <= 8, starts
    assert set(desk.states()) == {"delivered"}


async def test_a_notifier_that_permits_more_at_a_time_gets_them_when_it_is_fast(open_desk: Open) -> None:
    gate = asyncio.Event()
    many = FakeNotifier()
    desk = await open_desk(mail=many)
    desk.dispatcher._channels["mail"]._slots = Slots(USUAL, 20, is_limited=False)
    await fast(desk)
    many.behave = lambda _: gate.wait()
    await desk.commit(*storm(100))
    assert many.at_once == 20
    gate.set()


async def test_what_was_sent_and_is_not_recorded_holds_its_slot(open_desk: Open, monkeypatch: Any) -> None:
    """A kill repeats these and no others: as many as may be on the wire."""
    gate = asyncio.Event()
    mail = FakeNotifier(lambda _: asyncio.sleep(0))
    desk = await open_desk(mail=mail)
    desk.dispatcher._channels["mail"]._slots = Slots(USUAL, 20, is_limited=False)
    await fast(desk)
    end = desk.store.end_attempts

    async def later(attempts: Any) -> None:
        await gate.wait()
        await end(attempts)

    monkeypatch.setattr(desk.store, "end_attempts", later)
    await desk.commit(*storm(300))
    await settle(1000)
    assert len(mail.took) == 200 + 20
    gate.set()
    while len(mail.took) < 500:
        await settle()
    await settle()
    assert set(desk.states()) == {"delivered"}


async def test_a_clock_that_is_set_back_between_count_and_turn_makes_nothing_go_again(open_desk: Open) -> None:
    gate = asyncio.Event()
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await fast(desk)
    mail.behave = lambda _: gate.wait()
    await desk.commit(*storm(60))
    assert [d.attempts for d in desk.store.rows.values()] == [1] * 260, "all are counted"
    assert mail.at_once == USUAL
    desk.clock.wall_step = -timedelta(hours=1)
    gate.set()
    await settle(1000)
    assert set(desk.states()) == {"delivered"}
    assert len(mail.took) == 260


async def test_what_is_asked_for_again_between_count_and_turn_goes_once(open_desk: Open) -> None:
    """It had not gone yet: its turn is what was asked for."""
    gate = asyncio.Event()
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await fast(desk)
    mail.behave = lambda _: gate.wait()
    await desk.commit(*storm(60))
    last = list(desk.store.rows.values())[-1]
    await desk.clock.advance(0.01)
    desk.dispatcher.offer([await desk.store.retry(last.id, desk.clock.utc())])
    await desk.clock.advance(0.01)
    gate.set()
    await settle(1000)
    assert set(desk.states()) == {"delivered"}
    assert len(mail.took) == 260


async def test_what_is_superseded_while_it_waits_for_its_turn_is_not_sent(open_desk: Open) -> None:
    gate = asyncio.Event()
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await fast(desk)
    mail.behave = lambda _: gate.wait()
    await desk.commit(*storm(60))
    await settle()
    last = desk.store.log[-1].alert
    assert desk.store.rows[next(i for i, d in desk.store.rows.items() if d.alert == last.id)].attempts == 1, "counted"
    assert last.id not in {n.id for n in mail.tried}
    newer = alert(LIQUIDATION, last.subject, sequence=2)
    await desk.commit(newer)
    gate.set()
    await settle(2000)
    took = [n.id for n in mail.took]
    assert last.id not in took
    assert newer.id in took
    assert len(took) == 200 + 59 + 1


async def test_an_outage_gives_back_what_was_counted_and_only_probes_go_out(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await fast(desk)
    mail.behave = failing("connection refused")
    tried = len(mail.tried)
    await desk.commit(*storm(250))
    await settle(500)
    assert len(mail.tried) - tried <= 10 + USUAL
    await desk.clock.advance(30)
    assert len(mail.tried) - tried <= 10 + USUAL + 10
    mail.behave = None
    await desk.clock.advance(61)
    await settle(3000)
    assert set(desk.states()) == {"delivered"}
    assert len(mail.took) == 450


async def test_behind_a_refusal_of_everything_nothing_that_was_counted_goes_out(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await fast(desk)
    refuses = failing("535", fault=Fault.CHANNEL)

    async def after_a_moment(notice: Notice) -> None:
        await asyncio.sleep(0)
        refuses(notice)

    mail.behave = after_a_moment
    tried = len(mail.tried)
    await desk.commit(*storm(250))
    await settle(500)
    assert len(mail.tried) - tried == USUAL, "those that were on the wire when the first was refused"


async def test_a_receiver_that_becomes_slow_gets_the_critical_notice_next(open_desk: Open) -> None:
    """What was counted for it while it was fast makes way."""
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await fast(desk)
    mail.behave = lambda _: desk.clock.sleep(5.0)
    await desk.commit(*storm(200, type_="loan.maturing"))
    await settle(200)
    await desk.commit(alert(LIQUIDATION, "URGENT"))
    urgent = desk.store.log[-1].alert.id
    for _ in range(4):
        await desk.clock.advance(5.1)
        await settle(200)
    tried = [n.id for n in mail.tried]
    assert urgent in tried
    assert tried.index(urgent) <= 200 + 4 * USUAL
    assert mail.at_once <= USUAL


async def test_a_rate_is_kept_by_a_fast_channel_too() -> None:
    desk = DispatchDesk(mail=FakeNotifier())
    desk.settings["mail"] = Setting("", ChannelRules(rate="30/1m"), "")
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.commit(*storm(100))
    for minute in range(1, 4):
        await settle(500)
        assert len(desk.notifiers["mail"].tried) == min(30 * minute, 100)
        assert sum(n for kind, n in desk.store.writes if kind == "start") <= 30 * minute + USUAL
        await desk.clock.advance(60)
    await desk.dispatcher.stop(0.2)


async def test_a_stop_writes_the_ends_of_what_went_out_and_leaves_what_was_counted_pending(open_desk: Open) -> None:
    gate = asyncio.Event()
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await fast(desk)
    mail.behave = lambda _: gate.wait()
    await desk.commit(*storm(100))
    await settle()
    asyncio.get_running_loop().call_later(0.02, gate.set)
    await desk.dispatcher.stop(1)
    assert len(mail.took) == 200 + USUAL
    assert desk.states().count("delivered") == 200 + USUAL
    assert desk.states().count("pending") == 100 - USUAL
    assert asyncio.all_tasks() == {asyncio.current_task()}


@pytest.mark.parametrize("kind", [FakeNotifier, FakeBatches])
async def test_a_notice_that_cannot_be_rendered_costs_no_other(open_desk: Open, kind: type[FakeNotifier]) -> None:
    mail = kind()
    desk = await open_desk(mail=mail)
    render = desk.dispatcher._notices._render

    def broken(logged: Any) -> Any:
        if logged.alert.subject == "G-3":
            raise ValueError("no figure")
        return render(logged)

    desk.dispatcher._notices._render = broken
    await desk.commit(*storm(20))
    await settle(1000)
    assert desk.states().count("delivered") == 19
    assert desk.tasks.error is None


async def test_ends_that_come_one_by_one_are_written_together(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier())
    written: list[int] = []
    end = desk.store.end_attempts

    async def counted(attempts: Any) -> None:
        written.append(len(attempts))
        await end(attempts)

    desk.store.end_attempts = counted  # type: ignore[method-assign]
    turns = iter(range(USUAL))

    async def one_by_one(_: Notice) -> None:
        for _ in range(5 * next(turns)):
            await asyncio.sleep(0)

    desk.notifiers["mail"].behave = one_by_one
    await desk.commit(*storm(USUAL), to="mail")
    while sum(written) < USUAL:
        await settle()
    assert len(written) <= 2, f"{written} ends in a write"
