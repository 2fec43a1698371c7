"""No limit of a venue is ever passed, however its minutes lie: read from the log of who was asked."""

import asyncio
import random
from collections import deque
from itertools import pairwise

from monitor.books._weights import SAPI_IP, VenueCall, Weights, weights_of
from tests import virtual

HEAVY = VenueCall("/heavy", 6_000, is_spaced=False)
ORDERS = VenueCall("/orders", 400)
UNSPACED = ORDERS._replace(is_spaced=False)
OF_UID = VenueCall("/uid", 60_000, limit=180_000, by_account=True, is_spaced=False)
SPOT = [VenueCall("/a", 2_000, "spot", 6_000, is_spaced=False), VenueCall("/b", 1_000, "spot", 6_000, is_spaced=False)]


def most(times: list[tuple[float, int]], seconds: float = 60.0) -> int:
    """The most weight in any window, which is what a venue with any minutes could count."""
    found, window = 0, deque[tuple[float, int]]()
    for at_s, weight in sorted(times):
        window.append((at_s, weight))
        while window[0][0] <= at_s - seconds:
            window.popleft()
        found = max(found, sum(w for _, w in window))
    return found


async def load(
    weights: Weights, calls: list[VenueCall], seconds: float, seed: int
) -> dict[tuple[str, str], list[float]]:
    """Many askers at once; a request arrives somewhere between its sending and its answer."""
    chance = random.Random(seed)
    arrived: dict[tuple[str, str], list[float]] = {}
    loop = asyncio.get_running_loop()
    ends_s = loop.time() + seconds

    async def asker(call: VenueCall, account: str) -> None:
        while loop.time() < ends_s:
            async with weights.turn(call, account, chance.randrange(3)):
                there_s, back_s = chance.choice((0.0, 0.2, 3.0)), chance.choice((0.0, 0.1, 9.0))
                await asyncio.sleep(there_s)
                arrived.setdefault((call.path, account), []).append(loop.time())
                await asyncio.sleep(back_s)

    await asyncio.gather(*(asker(c, account) for c in calls for account in ("1", "2") for _ in range(2)))
    return arrived


def test_no_window_of_a_minute_holds_more_than_the_limit() -> None:
    async def main() -> None:
        weights = Weights(virtual.LoopClock())
        arrived = await load(weights, [HEAVY, UNSPACED, OF_UID, *SPOT], 600.0, 7)
        for call in (HEAVY, UNSPACED):
            times = [(t, call.weight) for (path, _), found in arrived.items() if path == call.path for t in found]
            assert 0.3 * SAPI_IP < most(times) <= SAPI_IP
        for account in ("1", "2"):
            assert most([(t, OF_UID.weight) for t in arrived["/uid", account]]) <= OF_UID.limit
        spot = [(t, c.weight) for c in SPOT for (path, _), found in arrived.items() if path == c.path for t in found]
        assert most(spot) <= 6_000

    virtual.run(main())


def test_an_account_is_asked_once_a_second_whatever_the_endpoint() -> None:
    async def main() -> None:
        arrived = await load(Weights(virtual.LoopClock()), [ORDERS, VenueCall("/other", 1)], 120.0, 3)
        for account in ("1", "2"):
            times = sorted(t for (_, whose), found in arrived.items() if whose == account for t in found)
            assert min(b - a for a, b in pairwise(times)) >= 1.0

    virtual.run(main())


def test_the_more_urgent_goes_first_and_others_do_not_wait_for_a_full_limit() -> None:
    async def main() -> None:
        clock = virtual.LoopClock()
        weights, order = Weights(clock), []

        async def ask(name: str, call: VenueCall, urgency: int) -> None:
            async with weights.turn(call, "1", urgency):
                order.append((name, int((clock.monotonic_s() - began_s) // 60)))

        began_s = clock.monotonic_s()
        free = HEAVY._replace(weight=SAPI_IP)
        async with weights.turn(free, "1"):
            pass
        later = asyncio.create_task(ask("later", free, 5))
        await ask("other", VenueCall("/x", 1, is_spaced=False), 9)
        await asyncio.sleep(30)
        await asyncio.gather(later, ask("urgent", free, 1))
        assert order == [("other", 0), ("urgent", 1), ("later", 2)]  # minutes

    virtual.run(main())


def test_two_that_wait_for_one_limit_do_not_both_take_the_last_room() -> None:
    async def main() -> None:
        clock = virtual.LoopClock()
        weights, arrived = Weights(clock), []

        async def ask(urgency: int) -> None:
            async with weights.turn(HEAVY, "1", urgency):
                arrived.append((clock.monotonic_s(), HEAVY.weight))

        await asyncio.gather(*(ask(urgency) for urgency in (3, 1, 2, 1, 3)))
        assert most(arrived) == SAPI_IP

    virtual.run(main())


def test_what_the_venue_says_is_used_by_others_counts() -> None:
    async def main() -> None:
        clock = virtual.LoopClock()
        weights = Weights(clock)
        call = UNSPACED
        async with weights.turn(call, "1"):
            weights.told(call, "1", 12_000)
        began_s = clock.monotonic_s()
        async with weights.turn(call, "1"):
            assert clock.monotonic_s() - began_s >= 59

    virtual.run(main())


def test_a_wait_that_the_venue_asks_for_is_kept() -> None:
    async def main() -> None:
        clock = virtual.LoopClock()
        weights = Weights(clock)
        began_s = clock.monotonic_s()
        weights.hold(ORDERS, "1", 30.0)
        async with weights.turn(VenueCall("/x", 1), "2"):
            assert clock.monotonic_s() - began_s < 1
        async with weights.turn(ORDERS, "1"):
            assert clock.monotonic_s() - began_s >= 30
        weights.hold(None, "", 120.0)
        async with weights.turn(VenueCall("/x", 1), "2"):
            assert clock.monotonic_s() - began_s >= 150

    virtual.run(main())


def test_who_gives_up_while_waiting_holds_nobody_up() -> None:
    async def main() -> None:
        clock = virtual.LoopClock()
        weights = Weights(clock)
        weights.hold(ORDERS, "1", 30.0)

        async def ask() -> None:
            async with weights.turn(ORDERS, "1"):
                pass

        gone = asyncio.create_task(ask())
        await asyncio.sleep(1)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        async with asyncio.timeout(40):
            await ask()

    virtual.run(main())


def test_who_is_stopped_at_the_very_moment_of_a_change_is_stopped() -> None:
    """`asyncio.wait_for` of Python 3.11 would lose the cancellation, and the daemon would wait for this at its end."""

    async def main() -> None:
        weights = Weights(virtual.LoopClock())
        weights.hold(ORDERS, "1", 30.0)

        async def ask() -> None:
            async with weights.turn(ORDERS, "1"):
                pass

        gone = asyncio.create_task(ask())
        await asyncio.sleep(1)
        weights._moved.set()
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.gather(gone, return_exceptions=True)
        assert gone.cancelled()

    virtual.run(main())


def test_all_sources_at_one_address_share_one_scheduler() -> None:
    clock = virtual.LoopClock()
    one = weights_of("https://a.example", clock)
    assert weights_of("https://a.example", clock) is one
    assert weights_of("https://b.example", clock) is not one
