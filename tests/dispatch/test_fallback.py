"""What a failing channel does not get through goes to its fallback, and so does the good news."""

from datetime import timedelta

from monitor.channel_rules import ChannelRules
from monitor.dispatch.channel import Setting
from monitor.notifiers._base import Fault
from tests.dispatch.conftest import DispatchDesk, failing
from tests.fakes import FakeNotifier, alert, settle

LIQUIDATION = "loan_group.liquidation.triggered"


async def a_desk(hook: FakeNotifier, phone: FakeNotifier, after_s: int = 30) -> DispatchDesk:
    desk = DispatchDesk(hook=hook, phone=phone)
    rules = ChannelRules(fallback="phone", fallback_after=timedelta(seconds=after_s))
    desk.settings = {"hook": Setting("webhook", rules, "one"), "phone": Setting("sms")}
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    return desk


async def test_critical_notices_of_a_failing_channel_go_to_its_fallback_in_the_stated_time() -> None:
    hook, phone = FakeNotifier(failing("connection refused")), FakeNotifier()
    desk = await a_desk(hook, phone)
    await desk.commit(alert(LIQUIDATION, "G-1"), alert(subject="G-2"), to="hook")
    await desk.clock.advance(29)
    assert phone.took == []
    await desk.clock.advance(2)
    assert [n.data["subject"] for n in phone.took] == ["G-1"]
    await desk.commit(alert(LIQUIDATION, "G-3"), to="hook")
    await desk.clock.advance(1.1)
    assert [n.data["subject"] for n in phone.took] == ["G-1", "G-3"]
    hook.behave = None
    await desk.clock.advance(70)
    assert sorted(n.data["subject"] for n in hook.took) == ["G-1", "G-2", "G-3"]
    await desk.clock.advance(200)
    assert len(phone.took) == 2
    await desk.dispatcher.stop(0.2)


async def test_after_a_kill_the_fallback_gets_nothing_twice() -> None:
    hook, phone = FakeNotifier(failing("HTTP 401", fault=Fault.CHANNEL)), FakeNotifier()
    desk = await a_desk(hook, phone)
    await desk.commit(alert(LIQUIDATION, "G-1"), to="hook")
    await desk.clock.advance(32)
    await desk.dispatcher.stop(0.2)
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.clock.advance(200)
    assert [n.data["subject"] for n in phone.took] == ["G-1"]
    await desk.dispatcher.stop(0.2)


async def test_whoever_took_the_bad_news_hears_the_good_news_wherever_it_is_routed() -> None:
    hook, phone = FakeNotifier(failing("HTTP 401", fault=Fault.CHANNEL)), FakeNotifier()
    desk = await a_desk(hook, phone)
    await desk.commit(alert(LIQUIDATION, "G-1"), to="hook")
    await desk.clock.advance(32)
    await desk.commit(alert("loan_group.liquidation.cleared", "G-1", sequence=2), to=())
    await desk.clock.advance(1)
    assert [n.type for n in phone.took] == [LIQUIDATION, "loan_group.liquidation.cleared"]
    hook.behave = None
    await desk.clock.advance(70)
    assert [n.type for n in hook.took] == ["loan_group.liquidation.cleared"]
    await desk.dispatcher.stop(0.2)


async def test_what_a_channel_refuses_for_good_goes_to_the_fallback_at_once() -> None:
    hook, phone = FakeNotifier(failing("550", fault=Fault.NOTICE)), FakeNotifier()
    desk = await a_desk(hook, phone)
    await desk.commit(alert(LIQUIDATION, "G-1"), to="hook")
    assert [n.data["subject"] for n in phone.took] == ["G-1"]
    await desk.dispatcher.stop(0.2)


async def test_a_channel_that_hangs_is_in_trouble_too() -> None:
    hook, phone = FakeNotifier(), FakeNotifier()
    desk = await a_desk(hook, phone, after_s=10)
    hook.behave = lambda _: desk.clock.sleep(1e6)
    await desk.commit(*(alert(LIQUIDATION, f"G-{n}") for n in range(20)), to="hook")
    await desk.clock.advance(12)
    assert len(phone.took) == 20
    await desk.dispatcher.stop(0.2)


async def test_a_second_410_a_minute_later_switches_the_channel_off_until_it_is_enabled() -> None:
    hook, phone = FakeNotifier(failing("HTTP 410", fault=Fault.CHANNEL, answer="410")), FakeNotifier()
    desk = await a_desk(hook, phone, after_s=600)
    await desk.commit(alert(LIQUIDATION, "G-1"), to="hook")
    await desk.clock.advance(50)
    assert not desk.store.switched
    await desk.clock.advance(15)
    assert desk.store.switched["hook"].reason == "HTTP 410"
    await desk.clock.advance(2)
    assert [n.data["subject"] for n in phone.took] == ["G-1"]
    tried = len(hook.tried)
    hook.behave = None
    for day in (1, 2):
        desk.clock.wall_step = timedelta(days=day)
        await desk.clock.advance(601)
    assert len(hook.tried) == tried
    off = [e.fingerprint for e in desk.events if e.kind == "channel.off"]
    assert {"day 0", "day 1", "day 2"} <= set(off)
    assert await desk.dispatcher.enable("hook")
    await settle()
    assert [n.data["subject"] for n in hook.took] == ["G-1"]
    assert desk.events[-1].kind in ("channel.off", "delivery.failing")
    assert any(e.kind == "channel.off" and e.clears for e in desk.events)
    assert not desk.store.switched
    await desk.dispatcher.stop(0.2)


async def test_a_restart_keeps_a_channel_off_and_a_changed_configuration_switches_it_on() -> None:
    hook, phone = FakeNotifier(failing("HTTP 410", fault=Fault.CHANNEL, answer="410")), FakeNotifier()
    desk = await a_desk(hook, phone)
    await desk.commit(alert(LIQUIDATION, "G-1"), to="hook")
    await desk.clock.advance(70)
    await desk.dispatcher.stop(0.2)
    hook.behave = None
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.clock.advance(300)
    assert hook.took == []
    await desk.dispatcher.stop(0.2)
    desk.settings["hook"] = desk.settings["hook"]._replace(digest="another address")
    desk.dispatcher = desk.new_dispatcher()
    await desk.dispatcher.start()
    await desk.clock.advance(1)
    assert [n.data["subject"] for n in hook.took] == ["G-1"]
    await desk.dispatcher.stop(0.2)


async def test_many_channels_that_fail_together_are_one_alert_with_a_list() -> None:
    desk = DispatchDesk(**{f"hook-{n}": FakeNotifier(failing()) for n in range(4)})
    await desk.dispatcher.start()
    await desk.commit(alert(LIQUIDATION, "G-1"), to=tuple(desk.notifiers))
    await desk.clock.advance(20)
    (event,) = [e for e in desk.events if e.kind == "delivery.failing"]
    assert sorted(row["notifier"] for row in event.facts["channels"]) == sorted(desk.notifiers)
    assert sorted(event.members) == sorted(desk.notifiers)
    await desk.dispatcher.stop(0.2)
