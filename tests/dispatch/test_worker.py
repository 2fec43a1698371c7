"""From a committed alert to a delivered notice, with a clock that moves when told."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from monitor.dispatch import backoff, channel, slots
from monitor.notifiers._base import DeliveryError, Fault, Notice, Receipt, RefusedRecipient
from monitor.stores._base import Change, Target
from tests.dispatch.conftest import DispatchDesk, Open, failing
from tests.fakes import START, FakeNotifier, alert, settle


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
    desk.dispatcher.take_over(first)
    await desk.clock.advance(1)
    assert mail.tried == []
    desk.dispatcher.take_over(second)
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


@pytest.mark.parametrize("is_taken", [True, False])
async def test_a_notice_asked_for_again_during_its_attempt_goes_once_more(open_desk: Open, is_taken: bool) -> None:
    gate = asyncio.Event()

    async def behave(_: Notice) -> None:
        await gate.wait()
        if not is_taken:
            raise DeliveryError("HTTP 413", fault=Fault.NOTICE)

    mail = FakeNotifier(behave)
    desk = await open_desk(mail=mail)
    await desk.commit(alert())
    (id,) = desk.store.rows
    await desk.clock.advance(1)
    again = await desk.store.retry(id, desk.clock.utc())
    desk.dispatcher.offer([again])
    mail.behave = None
    gate.set()
    await settle()
    assert len(mail.tried) == 2
    assert desk.states() == ["delivered"]
    assert [a.state for a in desk.store.tries] == ["delivered" if is_taken else "failed", "delivered"]


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
        ("loan_group.margin_call.opened", [1, 2, 4, 8, 30, 120, 300, 300]),
        ("price.restored", [1, 2, 4, 8, 60, 300, 1800, 1800]),
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


def _causes(desk: DispatchDesk, count: int) -> list[tuple[str, int, str]]:
    row = next(iter(desk.store.rows.values()))
    return [(row.severity, n, row.id) for n in range(1, count + 1)]


async def test_a_peer_that_asks_for_a_pause_gets_it(open_desk: Open) -> None:
    mail = FakeNotifier(failing("HTTP 429", after_s=120.0))
    desk = await open_desk(mail=mail)
    await desk.commit(alert())
    mail.behave = None
    assert desk.store.tries[0].due_at == START + timedelta(seconds=120), "a restart keeps to it too"
    await desk.clock.advance(119.9)
    assert len(mail.tried) == 1
    await desk.clock.advance(0.2)
    assert len(mail.took) == 1


async def test_after_72_hours_of_failures_the_delivery_is_given_up_and_told_of(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier(failing()))
    await desk.commit(alert("price.stale", "BTC"))
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
    (lost,) = [e for e in desk.events if not e.clears]
    assert (lost.kind, lost.subject) == ("delivery.lost", "G-1")
    assert (lost.facts["reason"], lost.facts["notifier"]) == ("550 unknown", "mail")
    assert (lost.facts["severity"], lost.facts["alert_type"]) == ("info", "loan.maturing")


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
        "delivery.failing",
        "mail",
        "failing",
        3,
    )
    mail.behave = None
    await desk.clock.advance(600)
    assert [e.clears for e in desk.events] == [False, True]


async def test_a_channel_that_fails_in_bursts_is_told_of_at_most_once_a_minute(open_desk: Open) -> None:
    mail = FakeNotifier()
    desk = await open_desk(mail=mail)
    for n in range(120):
        mail.behave = failing() if n % 12 < 8 else None
        await desk.commit(alert("loan.maturing", f"G-{n}"))
        await desk.clock.advance(1)
    assert 1 <= sum(not e.clears for e in desk.events) <= 3


async def test_each_notice_that_is_lost_is_told(open_desk: Open) -> None:
    desk = await open_desk(mail=FakeNotifier(failing("550", retry=False)))
    await desk.commit(alert(subject="G-1"), alert("loan_group.liquidation.triggered", "G-2"))
    assert [(e.kind, e.subject, e.facts["severity"]) for e in desk.events] == [
        ("delivery.lost", "G-2", "critical"),
        ("delivery.lost", "G-1", "warning"),
    ]


async def test_a_lost_notice_does_not_hide_an_outage(open_desk: Open) -> None:
    mail = FakeNotifier(failing("550", retry=False))
    desk = await open_desk(mail=mail)
    await desk.commit(alert(subject="BAD"))
    mail.behave = failing("connection refused")
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(4)))
    await desk.clock.advance(2.1)
    assert [e.kind for e in desk.events] == ["delivery.lost", "delivery.failing"]


async def test_a_refusal_of_the_channel_is_told_at_once_and_keeps_every_notice(open_desk: Open) -> None:
    """One probe a minute goes out for the whole channel, and all that waits when one is taken."""
    mail = FakeNotifier(failing("535 credentials invalid", fault=Fault.CHANNEL))
    desk = await open_desk(mail=mail)
    await desk.commit(*(alert("loan_group.liquidation.triggered", f"G-{n}") for n in range(30)))
    await desk.clock.advance(2.1)
    assert [(e.kind, e.facts["reason"]) for e in desk.events] == [("delivery.failing", "535 credentials invalid")]
    began = len(mail.tried)
    assert began <= slots.USUAL
    await desk.clock.advance(10 * 60)
    assert len(mail.tried) - began in (9, 10)
    assert set(desk.states()) == {"pending"}
    mail.behave = None
    await desk.clock.advance(61)
    await settle(2000)
    assert desk.states() == ["delivered"] * 30


async def test_a_channel_that_refuses_for_two_days_loses_no_critical_notice(open_desk: Open) -> None:
    mail = FakeNotifier(failing("HTTP 401", fault=Fault.CHANNEL))
    desk = await open_desk(mail=mail)
    await desk.commit(alert("loan_group.liquidation.triggered"))
    await desk.clock.advance(48 * 3600)
    mail.behave = None
    await desk.clock.advance(61)
    assert desk.states() == ["delivered"]


async def test_a_body_that_is_refused_while_others_pass_costs_that_notice(open_desk: Open) -> None:
    too_large = failing("HTTP 413", fault=Fault.DOUBTFUL, answer="413")
    hook = FakeNotifier(lambda n: too_large(n) if n.data["subject"] == "FAT" else None)
    desk = await open_desk(hook=hook)
    await desk.commit(alert("loan_group.liquidation.triggered", "FAT"), to="hook")
    await desk.clock.advance(3600)
    assert desk.states() == ["pending"], "nothing shows yet whose fault it is"
    await desk.commit(alert(subject="THIN"), to="hook")
    await desk.clock.advance(61)
    assert desk.states() == ["failed", "delivered"]
    assert [e.subject for e in desk.events if e.kind == "delivery.lost"] == ["FAT"]


@pytest.mark.parametrize("answer", ["400", "413", "422"])
async def test_three_notices_refused_alike_are_the_channels_fault(open_desk: Open, answer: str) -> None:
    hook = FakeNotifier(failing(f"HTTP {answer}", fault=Fault.DOUBTFUL, answer=answer))
    desk = await open_desk(hook=hook)
    await desk.commit(*(alert("loan_group.liquidation.triggered", f"G-{n}") for n in range(3)), to="hook")
    await desk.clock.advance(2.1)
    assert [e.kind for e in desk.events] == ["delivery.failing"]
    tried = len(hook.tried)
    await desk.clock.advance(56)
    assert len(hook.tried) == tried
    hook.behave = None
    await desk.clock.advance(2)
    await settle(500)
    assert desk.states() == ["delivered"] * 3


async def test_a_lone_400_keeps_its_notice(open_desk: Open) -> None:
    """It does not say whose fault it is, so it costs nothing but tries."""
    bad = failing("HTTP 400", fault=Fault.DOUBTFUL, answer="400")
    hook = FakeNotifier(lambda n: bad(n) if n.data["subject"] == "ODD" else None)
    desk = await open_desk(hook=hook)
    await desk.commit(alert("loan_group.liquidation.triggered", "ODD"), to="hook")
    for n in range(5):
        await desk.commit(alert(subject=f"G-{n}"), to="hook")
        await desk.clock.advance(600)
    assert desk.states() == ["pending", *["delivered"] * 5]


async def test_a_critical_notice_waits_a_minute_at_most_whatever_the_peer_asks(open_desk: Open) -> None:
    hook = FakeNotifier(failing("HTTP 429", after_s=3600.0))
    desk = await open_desk(hook=hook)
    await desk.commit(alert("loan_group.liquidation.triggered"), to="hook")
    hook.behave = None
    await desk.clock.advance(61)
    assert desk.states() == ["delivered"]


async def test_a_success_ends_the_pause_of_others(open_desk: Open) -> None:
    busy = failing("HTTP 503", after_s=600.0)
    hook = FakeNotifier(busy)
    desk = await open_desk(hook=hook)
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(12)), to="hook")
    await desk.clock.advance(0.5)
    hook.behave = None
    await desk.commit(alert(subject="G-99"), to="hook")
    await desk.clock.advance(30)
    assert set(desk.states()) == {"delivered"}


async def test_a_recipient_who_puts_us_off_holds_up_nobody(open_desk: Open) -> None:
    """The others have the notice, newer ones go out, and an old one never comes after a new one."""
    put_off = Receipt("", ("officer@desk.example",), (), (RefusedRecipient("slow@desk.example", "450 later"),))

    def greylisted(_: Notice) -> None:
        raise DeliveryError("450 later", receipt=put_off)

    mail = FakeNotifier(greylisted)
    desk = await open_desk(mail=mail)
    await desk.commit(alert("loan.maturing", sequence=1))
    await desk.commit(alert("loan.maturing", sequence=2))
    assert len(mail.tried) == 2, "the second does not wait for the first"
    await desk.clock.advance(20)
    assert desk.events[-1].kind == "delivery.recipient_refused"
    assert desk.events[-1].facts["recipient"] == "slow@desk.example"
    assert "delivery.failing" not in {e.kind for e in desk.events}
    mail.behave = None
    await desk.commit(alert("loan.maturing", sequence=3))
    await desk.clock.advance(600)
    assert desk.states() == ["delivered"] * 3
    assert [n.data["cursor"] for n in mail.took] == [3], "the old ones are not sent after it"
    assert [a.detail for a in desk.store.tries if "newer" in a.detail] == [
        "partial: the other recipients have a newer notice"
    ] * 2


async def test_a_recipient_who_is_put_off_gets_the_notice_in_the_end(open_desk: Open) -> None:
    later = iter([True] * 6)
    put_off = Receipt("", ("officer@desk.example",), (), (RefusedRecipient("slow@desk.example", "450 later"),))

    def greylisted(_: Notice) -> None:
        if next(later, False):
            raise DeliveryError("450 later", receipt=put_off)

    mail = FakeNotifier(greylisted)
    desk = await open_desk(mail=mail)
    await desk.commit(alert("loan.maturing"))
    await desk.clock.advance(3600)
    assert desk.states() == ["delivered"]
    assert len(mail.tried) == 7


async def test_a_hanging_notifier_delays_no_other(open_desk: Open) -> None:
    hook = FakeNotifier(lambda _: asyncio.Event().wait())
    mail = FakeNotifier()
    desk = await open_desk(hook=hook, mail=mail)
    await desk.commit(*(alert(subject=f"G-{n}") for n in range(100)), to=("hook", "mail"))
    await settle(2000)
    assert len(mail.took) == 100
    assert desk.clock.monotonic_s() == 0
    assert hook.at_once == hook.most_at_once == 8


async def test_an_attempt_that_never_ends_is_cut_off_and_retried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(channel, "ATTEMPT_TIMEOUT_S", 0.02)
    desk = DispatchDesk(hook=FakeNotifier(lambda _: asyncio.Event().wait()))
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
    # 8 slots fail and then 8 others, then a probe after 1, 2, 4, 8, 16 and 32 s.
    assert len(hook.tried) <= 16 + 6
    hook.behave = None
    await desk.clock.advance(61)
    await settle(3000)
    assert len(hook.took) == 200
