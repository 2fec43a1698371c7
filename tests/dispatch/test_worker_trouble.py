"""The dispatcher while the store is away, through restarts and stops, and in a storm."""

import asyncio
import tracemalloc
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from structlog.testing import capture_logs

from monitor.core.events.events import Noticed
from monitor.dispatch import turns
from monitor.dispatch.worker import ADMITTED_AT_ONCE
from monitor.notifiers._base import DeliveryError, Notice, Receipt, RefusedRecipient
from monitor.stores._base import Change, Target
from tests.dispatch.conftest import DispatchDesk, Open, failing
from tests.fakes import START, FakeNotifier, alert, rendered, settle


async def test_attempts_that_are_due_together_are_recorded_together(open_desk: Open) -> None:
    desk = await open_desk(hook=FakeNotifier(), mail=FakeNotifier())
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(80)), to=("hook", "mail"))
    await settle(2000)
    starts = [n for kind, n in desk.store.writes if kind == "start"]
    ends = [n for kind, n in desk.store.writes if kind == "end"]
    assert (sum(starts), sum(ends)) == (160, 160)
    assert len(starts) <= 40
    assert len(ends) <= 60


async def test_while_the_store_is_away_nothing_is_sent_and_nothing_is_lost(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    done = await desk.store.commit(Change(START, alerts=((alert(), (Target("mail"),)),)))
    desk.store.is_away = True
    desk.dispatcher.offer(done.deliveries)
    await desk.clock.advance(60)
    assert mail.tried == []
    desk.store.is_away = False
    await desk.clock.advance(6)
    assert len(mail.took) == 1
    assert desk.states() == ["delivered"]


async def test_an_outcome_is_kept_until_the_store_can_write_it_and_the_group_waits(open_desk: Open) -> None:
    def behave(_: Notice) -> None:
        desk.store.is_away = True

    mail = FakeNotifier(behave)
    desk = await open_desk(mail=mail)
    done = await desk.store.commit(
        Change(START, alerts=tuple((alert("loan.maturing", sequence=n), (Target("mail"),)) for n in (1, 2)))
    )
    desk.dispatcher.offer(done.deliveries)
    await desk.clock.advance(30)
    assert len(mail.tried) == 1
    mail.behave, desk.store.is_away = None, False
    await desk.clock.advance(10)
    assert desk.states() == ["delivered", "delivered"]
    assert len(mail.tried) == 2


async def test_a_store_that_is_away_is_neither_asked_in_a_spin_nor_logged_each_time(
    open_desk: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    desk = await open_desk(mail=FakeNotifier())
    done = await desk.store.commit(Change(START, alerts=((alert(), (Target("mail"),)),)))
    asked = 0
    original = desk.store.start_attempts

    async def counting(*args: Any) -> list[str]:
        nonlocal asked
        asked += 1
        return await original(*args)

    desk.store.start_attempts = counting
    desk.store.is_away = True
    desk.dispatcher.offer(done.deliveries)
    await desk.clock.advance(600)
    assert 100 <= asked <= 130
    assert "".join(capsys.readouterr()).count("deliveries wait for the store") in range(1, 12)


async def test_a_restart_sends_what_was_left_with_the_same_ids_when_it_is_due(open_desk: Open) -> None:
    mail = FakeNotifier(failing())
    desk = await open_desk(mail=mail)
    await desk.commit(alert(subject="G-1"), alert(subject="G-2"))
    await desk.dispatcher.stop(1)
    first = {n.id for n in mail.tried}
    mail.behave = None
    mail.tried.clear()
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.clock.advance(0.7)
    assert mail.tried == [], "1 s less a fifth"
    await desk.clock.advance(1)
    assert {n.id for n in mail.took} == first
    assert desk.states() == ["delivered", "delivered"]
    await desk.dispatcher.stop(1)


async def test_a_due_time_far_ahead_of_a_wall_clock_that_was_set_back_is_not_waited_for(open_desk: Open) -> None:
    mail = FakeNotifier(failing())
    desk = await open_desk(mail=mail)
    await desk.commit(alert())
    await desk.dispatcher.stop(1)
    mail.behave = None
    desk.clock.wall_step = timedelta(days=-30)
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.clock.advance(3601)
    assert len(mail.took) == 1
    await desk.dispatcher.stop(1)


async def test_stopping_waits_for_attempts_under_way_and_leaves_the_rest_pending(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """SIGTERM with 50 in flight on two channels: one ends in time, the other hangs."""
    gate = asyncio.Event()
    quick, hanging = FakeNotifier(lambda _: gate.wait()), FakeNotifier(lambda _: asyncio.Event().wait())
    monkeypatch.setattr(turns, "USUAL", 25)
    desk = DispatchDesk(quick=quick, hanging=hanging)
    await desk.dispatcher.start()
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(60)), to=("quick", "hanging"))
    assert (quick.at_once, hanging.at_once) == (25, 25)
    asyncio.get_running_loop().call_later(0.05, gate.set)
    await desk.dispatcher.stop(0.3)
    by_notifier = {
        name: [d.state for d in desk.store.rows.values() if d.notifier == name] for name in ("quick", "hanging")
    }
    assert by_notifier["quick"].count("delivered") == 25
    assert by_notifier["quick"].count("pending") == 35
    assert by_notifier["hanging"] == ["pending"] * 60
    assert hanging.at_once == 0
    assert asyncio.all_tasks() == {asyncio.current_task()}, "nothing is left running"


async def test_after_a_stop_nothing_is_taken_over(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await desk.dispatcher.stop(0)
    await desk.commit(alert())
    await desk.clock.advance(10)
    assert (mail.tried, desk.states()) == ([], ["pending"])


async def test_the_borrowers_addresses_replace_the_notifiers_own(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    targets = (Target("mail"), Target("mail", ("treasury@acme.example",)))
    done = await desk.store.commit(Change(START, alerts=((alert(), targets),)))
    desk.dispatcher.offer(done.deliveries)
    await desk.clock.advance(1)
    assert sorted(n.to for n in mail.took) == [(), ("treasury@acme.example",)]


async def test_a_delivery_to_a_notifier_that_is_gone_goes_where_its_alert_would_go_now(
    open_desk: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    """After a rename, or a restart with another configuration."""
    old, new = FakeNotifier(failing()), FakeNotifier()
    desk = await open_desk(old=old)
    await desk.commit(*(alert("loan_group.liquidation.triggered", f"G-{n}") for n in range(3)), to="old")
    await desk.dispatcher.stop(0)
    desk.notifiers, desk.routed = {"new": new}, (Target("new"),)
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await settle(500)
    assert sorted(n.data["subject"] for n in new.took) == ["G-0", "G-1", "G-2"]
    assert sorted((d.notifier, d.state) for d in desk.store.rows.values()) == [
        *[("new", "delivered")] * 3,
        *[("old", "superseded")] * 3,
    ]
    assert {d.detail for d in desk.store.rows.values() if d.notifier == "old"} == {"moved to new: its notifier is gone"}
    said = "".join(capsys.readouterr())
    assert "notifier=old" in said
    assert "waiting=3" in said
    assert "delivery.lost" not in {e.kind for e in desk.events}


async def test_a_target_that_has_the_notice_already_gets_no_second_one(open_desk: Open) -> None:
    desk = await open_desk(new=FakeNotifier())
    desk.routed = (Target("new"),)
    await desk.commit(alert(), to=("old", "new"))
    await settle()
    assert len(desk.notifiers["new"].took) == 1
    assert sorted(desk.states()) == ["delivered", "superseded"]


async def test_a_delivery_that_nobody_takes_any_more_is_lost_and_told_of(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier())
    await desk.commit(alert(), to="old-hook")
    assert desk.states() == ["failed"]
    (lost,) = desk.events
    assert (lost.kind, lost.subject, lost.facts["notifier"]) == ("delivery.lost", "G-1", "old-hook")
    assert "no notifier 'old-hook' is configured any more" in lost.facts["reason"]


async def test_a_delivery_whose_alert_was_pruned_fails(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    done = await desk.store.commit(Change(START, alerts=((alert(), (Target("mail"),)),)))
    await desk.store.prune(START + timedelta(days=1))
    desk.dispatcher.offer(done.deliveries)
    await settle()
    assert (desk.states(), mail.tried) == (["failed"], [])


async def test_a_retry_by_hand_goes_out_at_once(open_desk: Open) -> None:
    mail = FakeNotifier(failing("410", retry=False))
    desk = await open_desk(mail=mail)
    await desk.commit(alert())
    assert desk.states() == ["failed"]
    mail.behave = None
    row = await desk.store.retry(next(iter(desk.store.rows)), desk.clock.utc())
    desk.dispatcher.offer([row])
    await settle()
    assert desk.states() == ["delivered"]


async def test_a_failing_event_that_is_not_taken_holds_up_no_delivery(open_desk: Open) -> None:
    """The sequencer may itself wait for the store when it is told."""
    mail = FakeNotifier(lambda n: failing("550", retry=False)(n) if n.data["cursor"] == 1 else None)
    desk = DispatchDesk(mail=mail)

    async def never(_: Noticed) -> None:
        await asyncio.Event().wait()

    desk.dispatcher = desk.new_dispatcher(tell=never)
    await desk.dispatcher.start()
    await desk.commit(alert("loan.maturing", sequence=1), alert("loan.maturing", sequence=2))
    assert desk.states() == ["failed", "delivered"]
    await desk.dispatcher.stop(0.2)


async def test_what_breaks_a_loop_is_raised_to_whoever_watches(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier())

    async def broken(*_: Any) -> list[str]:
        raise AssertionError("an invariant")

    desk.store.start_attempts = broken
    await desk.commit(alert())
    with pytest.raises(AssertionError, match="an invariant"):
        async with asyncio.timeout(1):
            await desk.tasks.watch()


async def test_the_first_answer_is_measured_from_when_the_alert_was_noticed(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier())
    await desk.clock.advance(3)
    await desk.commit(alert())
    assert desk.metric("monitor_tick_to_sent_seconds_sum", notifier="mail") == 3


async def test_the_backlog_is_shown_with_its_age(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier(failing()))
    await desk.commit(alert(subject="G-1"), alert(subject="G-2"))
    await desk.clock.advance(120)
    assert desk.metric("monitor_queue_depth", notifier="mail") == 2
    assert desk.metric("monitor_oldest_undelivered_seconds", notifier="mail") == 120


@pytest.mark.parametrize("is_restart", [False, True], ids=["committed", "left by a restart"])
async def test_a_storm_of_10000_is_delivered_once_each_in_bounded_memory(is_restart: bool) -> None:
    """Alert bodies stay in the store: what waits is a row, and at most 256 rendered notices are kept."""
    desk = DispatchDesk(mail=FakeNotifier())
    took: set[str] = set()
    desk.notifiers["mail"].behave = lambda n: took.add(n.id)
    desk.notifiers["mail"].tried = desk.notifiers["mail"].took = _Count()
    storm = Change(START, alerts=tuple((alert(subject=f"G-{n}"), (Target("mail"),)) for n in range(10_000)))
    if is_restart:
        await desk.store.commit(storm)

    def big(logged: Any) -> dict[str, Any]:
        shown = rendered(logged)
        shown["data"]["inputs"] = "x" * 15_000
        return shown

    desk.dispatcher = desk.new_dispatcher(render=big)
    tracemalloc.start()
    await desk.dispatcher.start()
    if not is_restart:
        desk.dispatcher.take_over(await desk.store.commit(storm))
    deadline = asyncio.get_running_loop().time() + 60
    while len(took) < 10_000 and asyncio.get_running_loop().time() < deadline:
        await settle()
    await settle()
    peak_bytes = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    await desk.dispatcher.stop(1)
    assert len(took) == 10_000
    assert desk.states() == ["delivered"] * 10_000
    # 10,000 bodies of 15 kB would be 150 MB; rows, attempts and 256 bodies are well below a fifth of that.
    assert peak_bytes < 30_000_000


async def test_a_storm_is_taken_in_bite_by_bite(open_desk: Open) -> None:
    """Other work of the loop goes on in between; what is superseded before it is taken in is not sent."""
    desk = await open_desk(mail=FakeNotifier())
    opened = [alert(subject=f"G-{n}") for n in range(3 * ADMITTED_AT_ONCE)]
    storm = await desk.store.commit(Change(START, alerts=tuple((a, (Target("mail"),)) for a in opened)))
    late = alert("loan_group.liquidation.triggered", opened[-1].subject, sequence=2)
    news = await desk.store.commit(Change(START, alerts=((late, (Target("mail"),)),)))
    desk.dispatcher.take_over(storm)
    desk.dispatcher.take_over(news)
    assert len(news.cancelled) == 1
    assert desk.metric("monitor_queue_depth", notifier="mail") == ADMITTED_AT_ONCE
    assert len(desk.dispatcher.waiting()) == len(opened) + 1
    await asyncio.sleep(0)
    assert desk.metric("monitor_queue_depth", notifier="mail") == 2 * ADMITTED_AT_ONCE
    while desk.dispatcher.waiting():
        await settle()
    sent = [n.id for n in desk.notifiers["mail"].took]
    assert sorted(sent) == sorted([*(a.id for a in opened[:-1]), late.id])


class _Count(list[Notice]):
    """A record that keeps nothing."""

    def append(self, _: Notice) -> None:
        pass


@pytest.mark.parametrize("is_taken", [True, False])
async def test_a_link_that_the_other_side_repeats_stands_in_no_record(open_desk: Open, is_taken: bool) -> None:
    """Telegram repeats the address of a button that it does not like, and mail servers that of a link."""
    said = "the URL 'http://risk.desk.example/ack/evt_1.anna.c2lnbmF0dXJl' is not"
    refused = Receipt("", refused=(RefusedRecipient("anna", said),))

    class Telling(FakeNotifier):
        async def send(self, notice: Notice) -> Receipt:
            if not is_taken:
                raise DeliveryError(f"HTTP 400: {said}", receipt=refused)
            return msgspec.structs.replace(refused, detail=said)

    desk = await open_desk(chat=Telling())
    with capture_logs() as logs:
        await desk.commit(alert("loan_group.escalated", facts={"people": ["anna"]}), to="chat")
        await desk.clock.advance(5)
    record = repr([desk.store.tries, desk.events, logs])
    assert "c2lnbmF0dXJl" not in record
    assert record.count("http://risk.desk.example/ack/***") >= 2
