"""The wall clock is set, or runs wrong: prices stay believed, deadlines keep to the wall, waits do not notice (decision 20)."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Callable
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.core.events.events import GroupPut
from monitor.core.groups.outcome import Sight
from monitor.core.loans.group import parse_line
from monitor.core.queries.inbox import Request
from monitor.daemon.app import App
from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, Ticker, now_s, until, webhook
from tests.faults.inside import MovedClock, running, said
from tests.feeds.venue import Venue

HOUR = 3600.0
JUMP, STALE, TRIGGERED = "monitor.clock_jump", "price.stale", "loan_group.liquidation.triggered"


@pytest.fixture(autouse=True)
def at_home(house: House, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(house.folder)


@pytest.fixture
def clock() -> MovedClock:
    return MovedClock()


@pytest.fixture
async def receiver() -> AsyncIterator[SignedReceiver]:
    """What is signed carries the wall's time, which is another one here than the verifier's."""
    async with SignedReceiver() as receiver:
        receiver.signatures.any_time = True
        yield receiver


async def put(app: App, id_: str, *, owed: str = "50000", asset: str = "BTC", delayed: bool = False) -> Sight:
    """Puts a group as the API would."""
    group = parse_line(
        one_btc(id_, owed=owed, asset=asset, delayed_liquidation=delayed), app.clock.utc(), app.monitor.rules.products
    )
    answer = await app.requests.request(Request(lambda at: GroupPut(at, group, "api"), "test", "put group", id_))
    assert answer.sight is not None
    assert answer.refused is None
    return answer.sight


async def has_price(app: App, asset: str = "BTC") -> None:
    await until(lambda: asset in app.view.published.usd, f"a price of {asset}")


def sight(app: App, id_: str) -> Sight:
    found = app.monitor.sight(id_)
    assert found is not None
    return found


def is_in(app: App, id_: str, stage: str) -> Callable[[], bool]:
    return lambda: sight(app, id_).state.stage == stage


async def test_an_hour_forward_runs_what_is_due_and_distrusts_no_price(
    house: House, clock: MovedClock, venue: Venue
) -> None:
    """A grace period that ends within the skipped hour ends now; one that ends after it does not."""
    house.product(grace="30m")
    house.write(stale_after_s=2)
    async with running(house, clock) as app, Ticker(venue, BTC="54000"):
        await has_price(app)
        await put(app, "G-due", delayed=True)
        later = await put(app, "G-later", delayed=True)
        later = await extend(app, "G-later", hours=2)
        clock.step(HOUR)
        took_s = await until(is_in(app, "G-due", "liquidation"), "the end of the grace period", 3)
        assert took_s < 1.5
        await asyncio.sleep(3.5)
        jumps = await said(app, JUMP)
        assert [round(float(a.alert.facts["seconds"])) for a in jumps] == [3600]
        assert await said(app, "price.*") == []
        (triggered,) = await said(app, TRIGGERED)
        assert (triggered.alert.subject, triggered.alert.reason) == ("G-due", "grace_expired")
        assert sight(app, "G-later").state.deadline == later.state.deadline


async def test_an_hour_forward_calls_no_price_missing_that_had_no_time_to_come(house: House, clock: MovedClock) -> None:
    """A held coin that was never priced gets its full limit by the monotonic clock."""
    house.write(stale_after_s=2)
    async with running(house, clock) as app:
        await put(app, "G-1", asset="SOL")
        clock.step(HOUR)
        await until(lambda: said(app, JUMP), "the jump is said", 3)
        assert await said(app, STALE) == []
        took_s = await until(lambda: said(app, STALE), "it is missing", 5)
        assert took_s > 0.5


async def extend(app: App, id_: str, hours: int) -> Sight:
    from monitor.core.events.entries import ExtendGrace
    from monitor.core.events.events import BookEntry

    entry = ExtendGrace(until=app.clock.utc() + timedelta(hours=hours), reason="test")
    answer = await app.requests.request(
        Request(lambda at: BookEntry(at, id_, f"e-{id_}", entry), "test", "extend", id_, None, f"e-{id_}", "d")
    )
    assert answer.sight is not None
    assert answer.refused is None, answer.refused
    return answer.sight


async def test_an_hour_back_ends_no_grace_early_and_none_late(house: House, clock: MovedClock, venue: Venue) -> None:
    """The deadline is kept as a time of the wall: it comes when the wall shows it, within a second."""
    house.product(grace="3s")
    house.write(stale_after_s=2)
    async with running(house, clock) as app, Ticker(venue, BTC="54000"):
        await has_price(app)
        deadline = (await put(app, "G-1", delayed=True)).state.deadline
        assert deadline is not None
        clock.step(-HOUR)
        await asyncio.sleep(4.5)  # the grace period is over by the monotonic clock
        assert sight(app, "G-1").state.stage == "delayed_liquidation"
        assert [a.alert.facts["seconds"][:5] for a in await said(app, JUMP)] == ["-3600"]
        clock.step((deadline - clock.utc()).total_seconds() - 1.5)
        await asyncio.sleep(1)
        assert sight(app, "G-1").state.stage == "delayed_liquidation", "it ended before the wall showed its time"
        await until(is_in(app, "G-1", "liquidation"), "the end of the grace period", 3)
        assert timedelta(0) <= clock.utc() - deadline < timedelta(seconds=1)
        await until(lambda: said(app, TRIGGERED), "the alert", 2)
        (triggered,) = await said(app, TRIGGERED)
        assert triggered.alert.at == deadline
        assert await said(app, "price.*") == []


async def test_a_feed_that_falls_silent_while_the_clock_is_set_back_is_found_stale(
    house: House, clock: MovedClock, venue: Venue
) -> None:
    """And one that comes back is believed again, though our time stands still."""
    house.write(stale_after_s=2)
    async with running(house, clock) as app:
        async with Ticker(venue, BTC="100000", ETH="5000"):
            await has_price(app, "ETH")
            await put(app, "G-1")
            await put(app, "G-2", asset="ETH", owed="3000")
            clock.step(-HOUR)
            await until(lambda: said(app, JUMP), "the jump is said", 3)
            await asyncio.sleep(2.5)
            assert await said(app, STALE) == []
        async with Ticker(venue, ETH="5000"):
            took_s = await until(lambda: said(app, STALE), "silence is found", 4)
            assert took_s < 2 + 1.5
            await asyncio.sleep(1)
            assert [a.alert.subject for a in await said(app, STALE)] == ["BTC"]
            assert sight(app, "G-1").blind
            assert not sight(app, "G-2").blind
        async with Ticker(venue, BTC="100001", ETH="5000"):
            await until(lambda: said(app, "price.restored"), "it is believed again", 3)
            assert not sight(app, "G-1").blind


async def test_a_feed_that_falls_silent_when_the_clock_is_put_right_is_found_stale(
    house: House, clock: MovedClock, venue: Venue
) -> None:
    """Back and forth again is no jump of our time: no receipt may be dated into the future by it."""
    house.write(stale_after_s=2)
    async with running(house, clock) as app:
        async with Ticker(venue, BTC="100000"):
            await has_price(app)
            await put(app, "G-1")
            clock.step(-HOUR)
            await until(lambda: said(app, JUMP), "the jump is said", 3)
        clock.step(HOUR)
        await until(lambda: said(app, STALE), "silence is found", 4)


async def test_a_jump_of_a_price_is_confirmed_while_the_clock_is_set_back(
    house: House, clock: MovedClock, venue: Venue
) -> None:
    """Persisting is a matter of the monotonic clock: a crash in that hour is not doubted until the hour is over."""
    house.write(confirm_jump="0.15")
    async with running(house, clock) as app, Ticker(venue, BTC="70000") as ticker:
        await has_price(app)
        await put(app, "G-1")
        clock.step(-HOUR)
        await until(lambda: said(app, JUMP), "the jump is said", 3)
        ticker.prices["BTC"] = "50000"
        await until(lambda: said(app, "price.suspect"), "it is doubted at first", 3)
        took_s = await until(is_in(app, "G-1", "liquidation"), "it is believed", 6)
        assert took_s > 0.5


async def test_alerts_while_the_clock_is_set_back_go_out_at_once(
    house: House, clock: MovedClock, venue: Venue, receiver: SignedReceiver
) -> None:
    """Our time is ahead of the wall then; a first attempt does not wait for the wall to catch up."""
    house.write(webhook("hook", receiver.url()))
    async with running(house, clock) as app, Ticker(venue, BTC="100000") as ticker:
        await has_price(app)
        await put(app, "G-1")
        clock.step(-HOUR)
        ticker.prices["BTC"] = "64000"
        took_s = await until(lambda: receiver.of("loan_group.margin_call.opened"), "the margin call", 5)
        assert took_s < 2.5
        assert receiver.of(JUMP)


@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_retries_wait_as_long_as_they_would_have(
    house: House, clock: MovedClock, venue: Venue, receiver: SignedReceiver, seconds: float
) -> None:
    """Their waits are monotonic: neither at once after a jump forward, nor an hour later after one back."""
    tried_s: list[float] = []

    async def refuse(body: dict[str, object]) -> int:
        if body["type"] == TRIGGERED:
            tried_s.append(now_s())
        return 503 if len(tried_s) < 3 else 200

    receiver.answer = refuse
    house.write(webhook("hook", receiver.url()))
    async with running(house, clock) as app, Ticker(venue, BTC="50000"):
        await has_price(app)
        await put(app, "G-1")
        await until(lambda: tried_s, "the first try")
        clock.step(seconds)
        await until(lambda: len(tried_s) >= 3, "the third try", 8)
        waits_s = [b - a for a, b in itertools.pairwise(tried_s)]
        assert 0.7 < waits_s[0] < 1.9
        assert 1.5 < waits_s[1] < 3.1


async def test_a_retry_that_was_kept_over_a_restart_does_not_wait_for_a_clock_that_was_set_back(
    house: House, clock: MovedClock, venue: Venue, receiver: SignedReceiver
) -> None:
    """Its due time is a time of the wall before; a critical notice waits no longer than its schedule ever does."""

    async def refuse(_: object) -> int:
        return 503

    receiver.answer = refuse
    house.write(webhook("hook", receiver.url()))
    async with running(house, clock) as app:
        await venue.marks({"BTCUSDT": "50000"})
        await has_price(app)
        await put(app, "G-1")
        await until(lambda: receiver.tries.total() >= 2, "two tries")
    receiver.answer = None
    clock.step(-HOUR)
    async with running(house, clock) as app:
        assert {round(w.due_s - clock.monotonic_s()) <= 72 for w in app.deliveries._dispatcher._queue.waiting()} <= {
            True
        }


async def test_a_clock_at_double_speed_distrusts_no_price_and_says_so_once(
    house: House, clock: MovedClock, venue: Venue
) -> None:
    """Quotes come more seldom by that clock than the limit allows, and are young by the other one."""
    house.product(grace="6s")
    house.write(stale_after_s=2)
    async with running(house, clock) as app, Ticker(venue, every_s=1.2, BTC="54000"):
        await has_price(app)
        clock.run_at(2)
        deadline = (await put(app, "G-1", delayed=True)).state.deadline
        assert deadline is not None
        await until(is_in(app, "G-1", "liquidation"), "the end of the grace period", 6)
        assert timedelta(0) <= clock.utc() - deadline < timedelta(seconds=2), "one second of the monotonic clock"
        await asyncio.sleep(2)
        assert len(await said(app, JUMP)) == 1
        assert await said(app, "price.*") == []


async def test_a_jump_in_the_middle_of_a_turn_distrusts_no_price(
    house: House, clock: MovedClock, venue: Venue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All of a turn happens at the time at which the clocks were compared."""
    house.write(stale_after_s=2)
    async with running(house, clock) as app, Ticker(venue, BTC="100000"):
        await has_price(app)
        await put(app, "G-1")
        compare, left = app.sequencer._clocks.compare, [HOUR]

        def jumping() -> object:
            found = compare()
            if left:
                clock.step(left.pop())
            return found

        monkeypatch.setattr(app.sequencer._clocks, "compare", jumping)
        await until(lambda: said(app, JUMP), "the jump is said", 3)
        await asyncio.sleep(1)
        assert await said(app, "price.*") == []


async def test_a_jump_after_a_restart_is_said_again(house: House, clock: MovedClock, venue: Venue) -> None:
    """What was said before the restart is not what happens now."""
    house.write()
    for n in (1, 2):
        async with running(house, clock) as app:
            await venue.marks({"BTCUSDT": "100000"})
            await has_price(app)
            clock.step(HOUR)
            await until(lambda n=n: _count(app, JUMP, n), f"jump {n} is said", 4)


async def _count(app: App, kind: str, number: int) -> bool:
    return len(await said(app, kind)) == number


async def test_a_clock_that_was_set_back_while_the_daemon_was_down_is_said(
    house: House, clock: MovedClock, venue: Venue
) -> None:
    """Our time stands still until the wall has caught up, which the desk must know; deadlines wait for the wall."""
    house.product(grace="3s")
    house.write()
    async with running(house, clock) as app:
        await venue.marks({"BTCUSDT": "54000"})
        await has_price(app)
        await put(app, "G-1", delayed=True)
    clock.step(-HOUR)
    await asyncio.sleep(3)
    async with running(house, clock) as app:
        await venue.marks({"BTCUSDT": "54000"})
        await until(lambda: said(app, JUMP), "the jump is said", 4)
        (jump,) = await said(app, JUMP)
        assert -3601 < float(jump.alert.facts["seconds"]) < -3590
        assert sight(app, "G-1").state.stage == "delayed_liquidation"


LIBRARY = next((p for p in Path("/usr/lib").glob("*/faketime/libfaketime.so.1")), None)


@pytest.mark.skipif(LIBRARY is None, reason="libfaketime is not installed (Debian: apt-get install faketime)")
@pytest.mark.parametrize("seconds", [HOUR, -HOUR])
async def test_the_process_as_a_whole_bears_a_clock_that_is_set(
    house: House, venue: Venue, receiver: SignedReceiver, seconds: float
) -> None:
    """The same on the machine's own clock, as libfaketime shows it: and what is signed carries the wall's time."""
    house.write(webhook("hook", receiver.url()), stale_after_s=2)
    faked = house.folder / "faketime"
    faked.write_text("+0s")
    env = {
        "LD_PRELOAD": str(LIBRARY),
        "FAKETIME_TIMESTAMP_FILE": str(faked),
        "FAKETIME_NO_CACHE": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        "FAKETIME_FORCE_MONOTONIC_FIX": "0",  # its mending of timed waits lets the interpreter's threads wait for seconds
    }
    async with Ticker(venue, BTC="100000") as ticker, Daemon(house, env=env) as daemon:
        await until(lambda: _has_price(daemon), "a price")
        await daemon.put(one_btc("G-1"))
        (house.folder / "new").write_text(f"{seconds:+.0f}s")
        (house.folder / "new").rename(faked)  # at once: a file that is read half written would be another jump
        await until(lambda: receiver.of(JUMP), "the jump is said", 5)
        assert round(float(receiver.of(JUMP)[0]["data"]["facts"]["seconds"])) == seconds
        ticker.prices["BTC"] = "64000"
        await until(lambda: receiver.of("loan_group.margin_call.opened"), "the margin call", 5)
        signed = int(receiver.headers[-1]["webhook-timestamp"])
        assert abs(signed - (_wall_s() + seconds)) < 5
        await asyncio.sleep(3)
        assert receiver.of(STALE) == [], receiver.got
        assert len(receiver.of(JUMP)) == 1
        assert not receiver.bad
        assert (await daemon.stop())[0] == 0


async def _has_price(daemon: Daemon) -> bool:
    return "BTC" in {item["asset"] for item in (await daemon.get("/v1/prices"))["items"]}


def _wall_s() -> float:
    from monitor.clock import SystemClock

    return SystemClock().utc().timestamp()
