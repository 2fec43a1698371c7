"""Which alerts the dispatcher has at hand when it sends, and which it reads from the store."""

import asyncio
from collections.abc import Callable

import pytest

from monitor.dispatch import notices
from monitor.stores._base import Change, Committed, Target
from tests.dispatch.conftest import DispatchDesk, Open, failing
from tests.fakes import START, FakeNotifier, alert, settle

HOOK_AND_MAIL = (Target("hook"), Target("mail"))


def counted(desk: DispatchDesk) -> list[str]:
    """The ids of the alerts that are read from the store from now on."""
    reads: list[str] = []
    read = desk.store.alert

    async def alert_of(id: str) -> object:
        reads.append(id)
        return await read(id)

    desk.store.alert = alert_of
    return reads


async def storm_of(desk: DispatchDesk, count: int) -> Committed:
    alerts = tuple((alert(subject=f"G-{n}"), HOOK_AND_MAIL) for n in range(count))
    return await desk.store.commit(Change(START, alerts=alerts))


async def test_a_small_commit_is_sent_to_every_channel_without_a_read(open_desk: Open) -> None:
    desk = await open_desk(hook=FakeNotifier(), mail=FakeNotifier())
    reads = counted(desk)
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(20)), to=("hook", "mail"))
    await settle(500)
    assert desk.states() == ["delivered"] * 40
    assert reads == []


async def test_a_retry_soon_after_the_commit_reads_nothing(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier(failing()))
    reads = counted(desk)
    await desk.commit(alert())
    desk.notifiers["mail"].behave = None
    await desk.clock.advance(10)
    assert desk.states() == ["delivered"]
    assert reads == []


async def test_a_storm_is_rendered_once_and_never_read_though_one_channel_is_slower(open_desk: Open) -> None:
    """The bodies that a fast channel has had rendered are at hand for a slow one, far behind it."""
    rendered_ids: list[str] = []
    gate = asyncio.Event()
    desk = await open_desk(hook=FakeNotifier(), mail=FakeNotifier(lambda _: gate.wait()))
    render = desk.dispatcher._notices._render
    desk.dispatcher._notices._render = lambda logged: (rendered_ids.append(logged.alert.id), render(logged))[1]
    reads = counted(desk)
    count = 2_000
    desk.dispatcher.take_over(await storm_of(desk, count))
    while len(desk.notifiers["hook"].took) < count:
        await settle(200)
    gate.set()
    while len(desk.notifiers["mail"].took) < count:
        await settle(200)
    assert reads == []
    assert sorted(rendered_ids) == sorted(desk.store.by_id)


async def test_what_is_kept_of_a_storm_is_bounded_and_the_rest_is_read(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "KEPT_BYTES", 60_000)
    monkeypatch.setattr(notices, "KEPT_ALERTS", 300)
    gate = asyncio.Event()
    desk = await open_desk(hook=FakeNotifier(), mail=FakeNotifier(lambda _: gate.wait()))
    reads = counted(desk)
    count = 1_000
    desk.dispatcher.take_over(await storm_of(desk, count))
    kept = desk.dispatcher._notices
    assert len(kept._untold) == 150, "the first of the storm: each goes to two channels"
    most_bytes = 0
    while desk.states().count("delivered") < 2 * count:
        most_bytes = max(most_bytes, sum(len(shown.body.content) for shown in kept._kept.values()))
        if len(desk.notifiers["hook"].took) == count:
            gate.set()
        await settle(50)
    assert 30_000 < most_bytes <= 60_000
    assert kept._kept_bytes == sum(len(shown.body.content) for shown in kept._kept.values())
    assert len(desk.notifiers["mail"].took) == len(desk.notifiers["hook"].took) == count
    assert {n.id for n in desk.notifiers["mail"].took} == set(desk.store.by_id)
    assert reads, "a storm does not fit into what is kept"


async def test_the_bodies_of_a_newer_commit_take_the_place_of_older_ones(
    open_desk: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notices, "KEPT_BYTES", 60_000)
    desk = await open_desk(hook=FakeNotifier(failing()), mail=FakeNotifier())
    await desk.commit(*(alert(subject=f"old-{n}") for n in range(300)), to="hook")
    reads = counted(desk)
    await desk.commit(*(alert(subject=f"new-{n}") for n in range(100)), to="mail")
    await settle(3000)
    assert len(desk.notifiers["mail"].took) == 100
    assert reads == []


async def test_many_are_rendered_beside_the_loop_and_few_on_it(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier())
    aside: list[int] = []

    async def away(work: Callable[[], None]) -> None:
        aside.append(1)
        await asyncio.to_thread(work)

    desk.dispatcher._notices._aside = away
    await desk.commit(alert(subject="one"))
    assert aside == []
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(8)))
    while desk.states().count("delivered") < 9:
        await settle()
    assert aside == [1]


async def test_after_a_restart_the_alerts_are_read_from_the_store(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier(failing()))
    await desk.commit(alert())
    await desk.dispatcher.stop(1)
    desk.notifiers["mail"].behave = None
    reads = counted(desk)
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.clock.advance(10)
    assert desk.states() == ["delivered"]
    assert reads == [desk.store.log[0].alert.id]
    await desk.dispatcher.stop(1)


async def test_an_alert_that_goes_nowhere_takes_no_room(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier())
    silent = tuple((alert(subject=f"quiet-{n}"), ()) for n in range(300))
    done = await desk.store.commit(Change(START, alerts=((alert(), (Target("mail"),)), *silent)))
    desk.dispatcher.take_over(done)
    assert list(desk.dispatcher._notices._untold) == [desk.store.log[0].alert.id]
    await settle()
