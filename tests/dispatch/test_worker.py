"""From a committed alert to a delivered notice, with a clock that moves when told."""

import asyncio
import tracemalloc
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest

from monitor.core.alerts import Alert
from monitor.core.events import Noticed
from monitor.dispatch import backoff
from monitor.dispatch.worker import Dispatcher
from monitor.notifiers.base import DeliveryError, Notice
from monitor.stores.base import Change, Target
from monitor.telemetry import Metrics
from tests.fakes import START, FakeClock, FakeNotifier, FakeStore, alert, rendered, settle


class Desk:
    """A dispatcher with everything around it."""

    def __init__(self, **notifiers: FakeNotifier) -> None:
        self.clock = FakeClock()
        self.store = FakeStore(self.clock)
        self.notifiers = notifiers
        self.metrics = Metrics()
        self.events: list[Noticed] = []
        self.dispatcher = self.new_dispatcher()

    def new_dispatcher(self, **more: Any) -> Dispatcher:
        return Dispatcher(
            self.store,
            self.notifiers,
            rendered,
            self.clock,
            self.metrics,
            self._noticed,
            sleep=self.clock.sleep,
            **more,
        )

    async def _noticed(self, event: Noticed) -> None:
        self.events.append(event)

    async def commit(self, *alerts: Alert, to: str | tuple[str, ...] = "mail") -> None:
        """Commits alerts routed to the named notifiers, and offers what the commit made due."""
        targets = tuple(map(Target, (to,) if isinstance(to, str) else to))
        done = await self.store.commit(Change(START, alerts=tuple((a, targets) for a in alerts)))
        self.dispatcher.offer(done.deliveries, done.cancelled)
        await settle()

    def states(self) -> list[str]:
        return [d.state for d in self.store.rows.values()]

    def metric(self, name: str, **labels: str) -> float | None:
        return self.metrics.registry.get_sample_value(name, labels)


Open = Callable[..., Any]


@pytest.fixture
async def open_desk() -> AsyncIterator[Open]:
    """Makes started desks, and stops them."""
    desks: list[Desk] = []

    async def make(**notifiers: FakeNotifier) -> Desk:
        desk = Desk(**notifiers)
        desks.append(desk)
        await desk.dispatcher.start()
        return desk

    yield make
    for desk in desks:
        await desk.dispatcher.stop(0.2)


def failing(reason: str = "HTTP 500", *, retry: bool = True, after_s: float | None = None) -> Callable[[Notice], None]:
    def behave(_: Notice) -> None:
        raise DeliveryError(reason, retry=retry, after_s=after_s)

    return behave


async def test_a_committed_alert_is_sent_once_and_recorded(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await desk.commit(alert())
    await desk.clock.advance(3600)
    assert [n.id for n in mail.took] == [desk.store.log[0].alert.id]
    assert desk.states() == ["delivered"]
    assert [(a.state, a.detail) for a in desk.store.tries] == [("delivered", "taken")]
    assert desk.metric("monitor_delivery_attempts_total", notifier="mail", outcome="delivered") == 1
    assert desk.metric("monitor_queue_depth", notifier="mail") == 0


async def test_the_attempt_is_counted_in_the_store_before_it_is_made(open_desk: Open) -> None:
    seen: list[int] = []
    mail = FakeNotifier(lambda _: seen.append(next(iter(desk.store.rows.values())).attempts))
    desk = await open_desk(mail=mail)
    await desk.commit(alert())
    assert seen == [1]


async def test_what_was_superseded_in_the_store_is_not_sent_though_it_was_offered(open_desk: Open) -> None:
    """The commit of a stage alert may come between an offer and its attempt, and its word of it after that."""
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    first = await desk.store.commit(Change(START, alerts=((alert(sequence=1), (Target("mail"),)),)))
    liquidation = alert("loan_group.liquidation.triggered", sequence=2)
    second = await desk.store.commit(Change(START, alerts=((liquidation, (Target("mail"),)),)))
    desk.dispatcher.offer(first.deliveries)
    await desk.clock.advance(1)
    assert mail.tried == []
    desk.dispatcher.offer(second.deliveries, second.cancelled)
    await desk.clock.advance(1)
    assert [n.type for n in mail.tried] == ["loan_group.liquidation.triggered"]
    assert desk.states() == ["superseded", "delivered"]


async def test_a_margin_call_that_waits_for_a_retry_is_replaced_by_the_liquidation(open_desk: Open) -> None:
    mail = FakeNotifier(failing())
    desk = await open_desk(mail=mail)
    await desk.commit(alert())
    assert [n.type for n in mail.tried] == ["loan_group.margin_call.opened"]
    mail.behave = None
    await desk.commit(alert("loan_group.liquidation.triggered", sequence=2))
    await desk.clock.advance(7200)
    assert [n.type for n in mail.took] == ["loan_group.liquidation.triggered"]
    assert desk.metric("monitor_deliveries_superseded_total") == 1


async def test_the_liquidation_waits_for_a_margin_call_under_way(open_desk: Open) -> None:
    gate = asyncio.Event()
    mail = FakeNotifier(lambda n: gate.wait() if "margin_call" in n.type else None)
    desk = await open_desk(mail=mail)
    await desk.commit(alert())
    await desk.commit(alert("loan_group.liquidation.triggered", sequence=2))
    assert [n.type for n in mail.tried] == ["loan_group.margin_call.opened"]
    gate.set()
    await settle()
    assert [n.type for n in mail.took] == ["loan_group.margin_call.opened", "loan_group.liquidation.triggered"]
    assert desk.states() == ["delivered", "delivered"]


async def test_notices_of_one_group_keep_their_order_while_the_channel_fails_at_random(open_desk: Open) -> None:
    calls = iter([True, False, True, True, False, False, True, False, False, False] * 20)

    def flaky(_: Notice) -> None:
        if next(calls):
            raise DeliveryError("HTTP 503", retry=True)

    mail = FakeNotifier(flaky)
    desk = await open_desk(mail=mail)
    for n in range(1, 21):
        await desk.commit(*(alert("loan_group.early_warning", f"G-{g}", sequence=n) for g in range(3)))
    await desk.clock.advance(6 * 3600)
    took = {g: [n.id for n in mail.took if f"_g_{g}_" in n.id] for g in range(3)}
    for g in range(3):
        assert took[g] == [alert("loan_group.early_warning", f"G-{g}", sequence=n).id for n in range(1, 21)]


@pytest.mark.parametrize(
    ("type_", "steps"),
    [
        ("loan_group.liquidation.triggered", [1, 2, 4, 8, 15, 30, 60, 60]),
        ("loan_group.margin_call.opened", [5, 15, 45, 120, 300, 300]),
        ("price.restored", [30, 120, 600, 1800, 1800]),
    ],
)
async def test_retries_follow_the_schedule_of_the_severity(open_desk: Open, type_: str, steps: list[int]) -> None:
    times: list[float] = []

    def behave(_: Notice) -> None:
        times.append(desk.clock.monotonic_s())
        raise DeliveryError("HTTP 500", retry=True)

    desk = await open_desk(mail=FakeNotifier(behave))
    await desk.commit(alert(type_))
    await desk.clock.advance(sum(steps) * 1.3)
    waits = [later - sooner for sooner, later in pairwise(times)][: len(steps)]
    assert waits == pytest.approx([backoff.delay_s(*x) for x in _causes(desk, len(steps))])
    assert all(0.8 * s <= w <= 1.2 * s for s, w in zip(steps, waits, strict=True))


def _causes(desk: Desk, count: int) -> list[tuple[str, int, str]]:
    row = next(iter(desk.store.rows.values()))
    return [(row.severity, n, row.id) for n in range(1, count + 1)]


async def test_a_peer_that_asks_for_a_pause_gets_it(open_desk: Open) -> None:
    mail = FakeNotifier(failing("HTTP 429", after_s=120.0))
    desk = await open_desk(mail=mail)
    await desk.commit(alert("loan_group.liquidation.triggered"))
    mail.behave = None
    assert desk.store.tries[0].due_at == START + timedelta(seconds=120), "a restart keeps to it too"
    await desk.clock.advance(119.9)
    assert len(mail.tried) == 1
    await desk.clock.advance(0.2)
    assert len(mail.took) == 1


async def test_after_72_hours_of_failures_the_delivery_is_given_up_and_told_of(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier(failing()))
    await desk.commit(alert("price.restored", "BTC"))
    await desk.clock.advance(71 * 3600)
    assert desk.states() == ["pending"]
    await desk.clock.advance(2 * 3600)
    assert desk.states() == ["failed"]
    assert desk.metric("monitor_queue_depth", notifier="mail") == 0


async def test_a_refusal_for_good_fails_the_delivery_at_once_and_lets_the_next_one_go(open_desk: Open) -> None:
    mail = FakeNotifier(lambda n: failing("550 unknown", retry=False)(n) if n.data["cursor"] == 1 else None)
    desk = await open_desk(mail=mail)
    await desk.commit(alert("loan.maturing", sequence=1), alert("loan.maturing", sequence=2))
    assert desk.states() == ["failed", "delivered"]
    (event, *_) = desk.events
    assert (event.kind, event.subject, event.clears) == ("delivery.failing", "mail", False)
    assert event.facts["reason"] == "550 unknown"
    assert event.facts["gave_up"] is True


async def test_an_outage_is_told_once_and_cleared_by_the_next_success(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    await desk.commit(alert(subject="G-0"))
    assert [e.clears for e in desk.events] == [True], "a restart may have left it said"
    desk.events.clear()
    mail.behave = failing()
    await desk.commit(alert("loan_group.liquidation.triggered", "G-1"))
    assert desk.events == []
    await desk.clock.advance(600)
    (told,) = desk.events
    assert (told.kind, told.subject, told.fingerprint, told.facts["failures"]) == (
        "delivery.failing", "mail", "failing", 3,
    )  # fmt: skip
    mail.behave = None
    await desk.clock.advance(600)
    assert [e.clears for e in desk.events] == [False, True]


async def test_a_channel_that_takes_every_second_notice_is_told_of_at_most_once_a_minute(open_desk: Open) -> None:
    mail = FakeNotifier(lambda n: failing("550", retry=False)(n) if n.data["cursor"] % 2 else None)
    desk = await open_desk(mail=mail)
    for n in range(120):
        await desk.commit(alert("loan.maturing", f"G-{n}"))
        await desk.clock.advance(1)
    assert 2 <= sum(not e.clears for e in desk.events) <= 3


async def test_a_hanging_notifier_delays_no_other(open_desk: Open) -> None:
    hook = FakeNotifier(lambda _: asyncio.Event().wait())
    mail = FakeNotifier()
    desk = await open_desk(hook=hook, mail=mail)
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(100)), to=("hook", "mail"))
    await settle(2000)
    assert len(mail.took) == 100
    assert desk.clock.monotonic_s() == 0
    assert hook.at_once == hook.most_at_once == 8


async def test_an_attempt_that_never_ends_is_cut_off_and_retried(open_desk: Open) -> None:
    desk = Desk(hook=FakeNotifier(lambda _: asyncio.Event().wait()))
    desk.dispatcher = desk.new_dispatcher(attempt_timeout_s=0.02)
    await desk.dispatcher.start()
    await desk.commit(alert(), to="hook")
    await asyncio.sleep(0.05)
    assert [(a.state, a.detail) for a in desk.store.tries] == [("pending", "no end within 0.02 s")]
    await desk.dispatcher.stop(0)


async def test_a_notifier_that_raises_what_it_should_not_is_retried_and_its_words_are_not_shown(
    open_desk: Open, capsys: pytest.CaptureFixture[str]
) -> None:
    secret = "https://hooks.example/?key=hunter2"

    def behave(_: Notice) -> None:
        raise ValueError(secret)

    mail = FakeNotifier(behave)
    desk = await open_desk(mail=mail)
    await desk.commit(alert("loan_group.liquidation.triggered"))
    mail.behave = None
    await desk.clock.advance(2)
    assert desk.states() == ["delivered"]
    assert desk.store.tries[0].detail.startswith("ValueError at test_worker.py:")
    assert "hunter2" not in str(desk.store.tries) + "".join(capsys.readouterr())


async def test_a_dead_channel_is_only_probed_and_gets_everything_when_it_is_back(open_desk: Open) -> None:
    hook = FakeNotifier(failing("connection refused"))
    desk = await open_desk(hook=hook)
    await desk.commit(*(alert("price.restored", f"A{n}") for n in range(200)), to="hook")
    await desk.clock.advance(60)
    # 8 slots fail, then a probe after 1, 2, 4, 8, 16 and 30 s.
    assert len(hook.tried) <= 8 + 6
    hook.behave = None
    await desk.clock.advance(31)
    await settle(3000)
    assert len(hook.took) == 200


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
    await desk.clock.advance(3.9)
    assert mail.tried == [], "5 s less a fifth"
    await desk.clock.advance(3)
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


async def test_stopping_waits_for_attempts_under_way_and_leaves_the_rest_pending(open_desk: Open) -> None:
    """SIGTERM with 50 in flight on two channels: one ends in time, the other hangs."""
    gate = asyncio.Event()
    quick, hanging = FakeNotifier(lambda _: gate.wait()), FakeNotifier(lambda _: asyncio.Event().wait())
    desk = Desk(quick=quick, hanging=hanging)
    desk.dispatcher = desk.new_dispatcher(concurrency=25)
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


async def test_a_delivery_to_a_notifier_that_is_gone_fails_and_is_told_of(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier())
    await desk.commit(alert(), to="old-hook")
    assert desk.states() == ["failed"]
    assert [(e.subject, e.facts["reason"]) for e in desk.events] == [
        ("old-hook", "no notifier of that name is configured")
    ]


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
    desk = Desk(mail=mail)

    async def never(_: Noticed) -> None:
        await asyncio.Event().wait()

    desk.dispatcher = Dispatcher(
        desk.store, desk.notifiers, rendered, desk.clock, desk.metrics, never, sleep=desk.clock.sleep
    )
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
        await asyncio.wait_for(desk.dispatcher.watch(), 1)


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


async def test_a_storm_of_10000_is_delivered_once_each_in_bounded_memory() -> None:
    """Alert bodies stay in the store: what waits is a row, and at most 256 rendered notices are kept."""
    desk = Desk(mail=FakeNotifier())
    took: set[str] = set()
    desk.notifiers["mail"].behave = lambda n: took.add(n.id)
    desk.notifiers["mail"].tried = desk.notifiers["mail"].took = _Count()  # type: ignore[assignment]
    await desk.store.commit(
        Change(START, alerts=tuple((alert(subject=f"G-{n}"), (Target("mail"),)) for n in range(10_000)))
    )

    def big(logged: Any) -> dict[str, Any]:
        shown = rendered(logged)
        shown["data"]["inputs"] = "x" * 15_000
        return shown

    desk.dispatcher = Dispatcher(desk.store, desk.notifiers, big, desk.clock, desk.metrics, sleep=desk.clock.sleep)
    tracemalloc.start()
    await desk.dispatcher.start()
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


class _Count(list[Notice]):
    """A record that keeps nothing."""

    def append(self, _: Notice) -> None:
        pass
