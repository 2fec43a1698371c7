"""Which alerts the dispatcher has at hand when it sends, and which it reads from the store."""

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


async def test_a_storm_keeps_a_bounded_number_of_alerts_and_reads_the_rest(open_desk: Open) -> None:
    desk = await open_desk(hook=FakeNotifier(), mail=FakeNotifier())
    reads = counted(desk)
    count = 10 * notices.KEPT
    desk.dispatcher.take_over(await storm_of(desk, count))
    most_kept = 0
    while desk.states().count("delivered") < 2 * count:
        most_kept = max(most_kept, len(desk.dispatcher._notices._kept))
        await settle(200)
    assert most_kept == notices.KEPT
    assert len(desk.notifiers["mail"].took) == len(desk.notifiers["hook"].took) == count
    assert {n.id for n in desk.notifiers["mail"].took} == set(desk.store.by_id)
    assert reads, "a storm does not fit into what is kept"
    assert len(set(reads)) <= count - notices.KEPT // 2, "the first alerts of the storm are at hand"


async def test_the_alerts_of_a_newer_commit_take_the_place_of_older_ones(open_desk: Open) -> None:
    desk = await open_desk(hook=FakeNotifier(failing()), mail=FakeNotifier())
    await desk.commit(*(alert(subject=f"old-{n}") for n in range(notices.KEPT)), to="hook")
    reads = counted(desk)
    await desk.commit(*(alert(subject=f"new-{n}") for n in range(notices.KEPT)), to="mail")
    await settle(3000)
    assert len(desk.notifiers["mail"].took) == notices.KEPT
    assert reads == []


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
