"""A time limit of many tasks by one timer: to each of them it is what a limit of its own would be."""

import asyncio

import pytest
import uvloop

from monitor.time_limit import TimeLimit

SOON_S, LATE_S = 0.02, 5.0


async def held(limit: TimeLimit, seconds: float) -> str:
    try:
        async with limit.begun():
            await asyncio.sleep(seconds)
    except TimeoutError:
        return "cut off"
    return "done"


async def test_what_takes_too_long_is_cut_off_and_the_others_are_not() -> None:
    limit = TimeLimit(SOON_S)
    began_s = asyncio.get_running_loop().time()
    assert await asyncio.gather(*(held(limit, s) for s in (LATE_S, 0, LATE_S, 0))) == ["cut off", "done"] * 2
    assert SOON_S <= asyncio.get_running_loop().time() - began_s < LATE_S


async def test_each_has_its_whole_time_however_many_began_before() -> None:
    limit, clock = TimeLimit(SOON_S), asyncio.get_running_loop()

    async def took_s(after_s: float) -> float:
        await asyncio.sleep(after_s)
        began_s = clock.time()
        assert await held(limit, LATE_S) == "cut off"
        return clock.time() - began_s

    took = await asyncio.gather(*(took_s(n * SOON_S / 3) for n in range(6)))
    assert min(took) >= SOON_S - 0.002, "a clock of the loop has milliseconds"
    assert max(took) < LATE_S


async def test_it_goes_on_after_a_pause_and_after_those_that_ended_by_themselves() -> None:
    limit = TimeLimit(SOON_S)
    assert await held(limit, 0) == "done"
    await asyncio.sleep(2 * SOON_S)
    assert await held(limit, LATE_S) == "cut off"
    assert await held(limit, LATE_S) == "cut off"


async def test_who_is_cancelled_before_its_time_is_not_cut_off() -> None:
    task = asyncio.ensure_future(held(TimeLimit(SOON_S), LATE_S))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_who_is_cancelled_in_the_turn_in_which_its_time_is_over_stays_cancelled() -> None:
    begun = TimeLimit(LATE_S).begun()

    async def work() -> None:
        async with begun:
            await asyncio.sleep(LATE_S)

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    begun.expire()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_an_error_inside_is_its_own() -> None:
    limit = TimeLimit(SOON_S)
    with pytest.raises(ZeroDivisionError):
        async with limit.begun():
            raise ZeroDivisionError
    await asyncio.sleep(2 * SOON_S)


async def test_one_within_another_ends_alone() -> None:
    inner, outer = TimeLimit(SOON_S), TimeLimit(LATE_S)
    async with outer.begun():
        assert await held(inner, LATE_S) == "cut off"
        await asyncio.sleep(0)
    inner, outer = outer, inner
    with pytest.raises(TimeoutError):
        async with outer.begun():
            await held(inner, LATE_S)


def test_another_event_loop_has_timers_of_its_own() -> None:
    limit = TimeLimit(SOON_S)

    async def leaves_one_behind() -> None:
        asyncio.ensure_future(held(limit, LATE_S))  # noqa: RUF006  it is cut off with the loop
        await asyncio.sleep(0)

    uvloop.run(leaves_one_behind())
    assert uvloop.run(held(limit, LATE_S)) == "cut off"
