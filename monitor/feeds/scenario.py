"""Scenarios: price paths through anchor points of a past day, compressed and played on today's clock for ever.

A scenario is a TOML file that anybody can write:

    title = "A bad afternoon"
    duration = "110s"               # or speed = "785": how many times faster than it was; "1" if neither is given
    interval = "250ms"              # between quotes; every anchor is quoted besides, so that none is passed over
    places = 8                      # prices between anchors are rounded down to this many places
    quote = "USDT"                  # or "USD"
    source = "crash-2021"           # the name of the feed if left out
    loop = true                     # else the last prices stay in force
    pause = "2s"                    # at the end, before it begins again ...
    return = "20s"                  # ... by walking back to the first prices, so that no jump has to be confirmed

    [anchors]                       # time and price, joined by straight lines; held before the first and after the last
    BTC = [[2021-05-19T12:31:00Z, "38035.92"], [2021-05-19T13:09:00Z, "30101"]]

    [constant]
    USDC = "1"

    [[gap]]                         # the asset's feed is silent from one time until just before the other
    asset = "BTC"
    from = 2021-05-19T12:40:00Z
    to = 2021-05-19T12:50:00Z
"""

from __future__ import annotations

import asyncio
import heapq
import tomllib
from bisect import bisect_right
from collections.abc import AsyncIterator, Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import field

from monitor.clock import Clock, SystemClock
from monitor.core import schema
from monitor.core.instants import MICROSECOND
from monitor.core.money import CENT, EXACT, HUNDRED, divide_down, divide_up, places, plain
from monitor.core.prices.quote import Quote
from monitor.feeds._base import FeedStats
from monitor.text_files import read_text

Price = Annotated[Decimal, schema.Bounds("1e-18", "1e15", 18)]
Speed = Annotated[Decimal, schema.Bounds("0", "1e9", 9, above=True)]
Anchors = tuple[tuple[datetime, Price], ...]

_NOTHING = timedelta(0)
# Quotes that follow each other faster would only keep the machine warm.
_SHORTEST = timedelta(milliseconds=10)
# A machine that slept goes on from where it was, instead of rushing through what it missed.
_SLEPT_S = 5.0

PLAYS = True
"""It begins when it is listened to: a standby leaves it to the head."""


class Gap(msgspec.Struct, frozen=True):
    """A stretch of the scenario's time, without its end, in which an asset gets no quotes."""

    asset: schema.Asset
    begin: datetime = field(name="from")
    end: datetime = field(name="to")


class Scenario(msgspec.Struct, frozen=True):
    """A scenario file. Its anchors are strictly in order once `load` has checked it."""

    title: str
    anchors: dict[schema.Asset, Anchors] = {}
    constant: dict[schema.Asset, Price] = {}
    gap: tuple[Gap, ...] = ()
    source: schema.Id | None = None
    quote: Literal["USDT", "USD"] = "USDT"
    places: Annotated[int, range(19)] = 8
    interval: timedelta = timedelta(seconds=1)
    speed: Speed | None = None
    duration: timedelta | None = None
    loop: bool = False
    pause: timedelta = _NOTHING
    walk_back: timedelta = field(name="return", default=_NOTHING)

    @property
    def begin(self) -> datetime | None:
        """The first anchor's time; None if all prices are constant."""
        return min((anchors[0][0] for anchors in self.anchors.values() if anchors), default=None)

    @property
    def end(self) -> datetime | None:
        """The last anchor's time."""
        return max((anchors[-1][0] for anchors in self.anchors.values() if anchors), default=None)

    @property
    def plays(self) -> timedelta:
        """How long the path takes on today's clock, without pause and return."""
        begin, end = self.begin, self.end
        if begin is None or end is None or begin == end:
            return _NOTHING
        if self.duration is not None:
            return self.duration
        micros = divide_down(Decimal((end - begin) // MICROSECOND), self.speed or Decimal(1), Decimal(1))
        return max(int(micros) * MICROSECOND, MICROSECOND)

    @property
    def cycle(self) -> timedelta:
        """From one beginning of the loop to the next; longer than the path, so that it never spins."""
        return self.plays + max(self.pause + self.walk_back, self.interval)


class Step(msgspec.Struct, frozen=True):
    """One instant of a path: how long after the beginning, the scenario's time (None on the way back), and prices."""

    after: timedelta
    at: datetime | None
    prices: Mapping[str, Decimal]


def price_at(scenario: Scenario, asset: str, at: datetime) -> Decimal:
    """The price at a time of the scenario: an anchor's exactly, else on the line between two. Gaps do not matter here."""
    if asset in scenario.constant:
        return scenario.constant[asset]
    anchors = scenario.anchors[asset]
    index = bisect_right(anchors, at, key=itemgetter(0))
    if index == 0:
        return anchors[0][1]
    if index == len(anchors):
        return anchors[-1][1]
    (start, low), (stop, high) = anchors[index - 1], anchors[index]
    return _between(low, high, (at - start) // MICROSECOND, (stop - start) // MICROSECOND, scenario.places)


def falls(scenario: Scenario) -> dict[str, str]:
    """Each coin's fall from its first price to its lowest, in percent with two places, rounded away from zero.

    It leaves out coins that never fall. Coins bottom at different minutes, so all these falls at once are worse than the day.
    """
    found = {}
    for asset, anchors in scenario.anchors.items():
        first = anchors[0][1]
        low = min(price for _, price in anchors)
        if low < first:
            percent = divide_up(EXACT.multiply(EXACT.subtract(first, low), HUNDRED), first, CENT)
            found[asset] = f"-{plain(percent)}%"
    return found


def path(scenario: Scenario) -> Iterator[Step]:
    """All steps of one cycle in order, with the way back if the scenario loops. Lazy, as there may be many."""
    yield from _forward(scenario)
    if scenario.loop:
        yield from _back(scenario)


def for_ever(scenario: Scenario) -> Iterator[tuple[timedelta, Mapping[str, Decimal]]]:
    """The feed's prices, each with its time since the start: the path in a loop, or once and then its last prices."""
    start = _NOTHING
    while scenario.loop:
        yield from ((start + step.after, step.prices) for step in path(scenario))
        start += scenario.cycle
    yield from ((step.after, step.prices) for step in path(scenario))
    last = _prices(scenario, scenario.end)
    after = scenario.plays
    while True:
        after += scenario.interval
        yield after, last


def load(file: Path) -> Scenario:
    """Reads and checks a scenario file. Raises schema.Invalid with every problem: file, key path, found, expected."""
    try:
        table = tomllib.loads(read_text(file))
    except OSError as e:
        raise schema.Invalid([schema.Problem(str(file), f"cannot be read: {e.strerror}; expected a scenario")]) from e
    except (
        ValueError,
        RecursionError,
    ) as e:  # no TOML, no UTF-8, a number of thousands of digits, or nested too deeply
        raise schema.Invalid([schema.Problem(str(file), f"is not TOML: {e}")]) from e
    try:
        scenario = schema.read(Scenario, table)
        problems = _problems(scenario)
    except schema.Invalid as e:
        problems = e.problems
    if problems:
        raise schema.Invalid([schema.Problem(f"{file}: {p.where}" if p.where else str(file), p.what) for p in problems])
    return scenario


def _between(low: Decimal, high: Decimal, part: int, whole: int, digits: int) -> Decimal:
    """The point on the line after `part` of `whole`, rounded down; both ends are exact."""
    weighted = EXACT.add(EXACT.multiply(low, Decimal(whole - part)), EXACT.multiply(high, Decimal(part)))
    return divide_down(weighted, Decimal(whole), Decimal(1).scaleb(-digits))


def _forward(scenario: Scenario) -> Iterator[Step]:
    begin, end = scenario.begin, scenario.end
    if begin is None or end is None or begin == end:
        yield Step(_NOTHING, begin, _prices(scenario, begin))
        return
    span, plays = (end - begin) // MICROSECOND, scenario.plays // MICROSECOND
    every = scenario.interval // MICROSECOND
    regular = (n * every * span // plays for n in range(plays // every + 1))
    anchors = sorted({(at - begin) // MICROSECOND for anchors in scenario.anchors.values() for at, _ in anchors})
    before = -1
    for micros in heapq.merge(regular, anchors):
        if micros != before:
            at = begin + micros * MICROSECOND
            yield Step(micros * plays // span * MICROSECOND, at, _prices(scenario, at))
        before = micros


def _back(scenario: Scenario) -> Iterator[Step]:
    """The pause on the last prices, and the straight way from there to the first ones."""
    first, last = _prices(scenario, scenario.begin, gaps=False), _prices(scenario, scenario.end, gaps=False)
    after = scenario.plays + scenario.interval
    while after < scenario.cycle:
        part = max(after - scenario.plays - scenario.pause, _NOTHING) // MICROSECOND
        whole = max(scenario.walk_back // MICROSECOND, 1)
        yield Step(after, None, {a: _between(last[a], first[a], part, whole, scenario.places) for a in last})
        after += scenario.interval


def _prices(scenario: Scenario, at: datetime | None, *, gaps: bool = True) -> dict[str, Decimal]:
    silent = {gap.asset for gap in scenario.gap if gaps and at is not None and gap.begin <= at < gap.end}
    prices = {} if at is None else {asset: price_at(scenario, asset, at) for asset in scenario.anchors}
    return {asset: value for asset, value in (prices | scenario.constant).items() if asset not in silent}


def _problems(scenario: Scenario) -> list[schema.Problem]:
    """Problems that no single value shows: times out of order, assets named twice, gaps that miss the path."""
    found = [schema.Problem(*told) for told in _wrong_settings(scenario)]
    for asset, anchors in scenario.anchors.items():
        if not anchors:
            found.append(schema.Problem(f"anchors.{asset}", "found no anchor, expected at least one [time, price]"))
        for index, (at, value) in enumerate(anchors):
            where = f"anchors.{asset}[{index}]"
            if index and at <= anchors[index - 1][0]:
                what = f"found {at.isoformat()}, expected a time after {anchors[index - 1][0].isoformat()} before it"
                found.append(schema.Problem(f"{where}[0]", what))
            if places(value) > scenario.places:
                what = f"found {value}, expected at most {scenario.places} places after the point, as `places` says"
                found.append(schema.Problem(f"{where}[1]", what))
    assets = scenario.anchors.keys() | scenario.constant.keys()
    for asset in scenario.anchors.keys() & scenario.constant.keys():
        found.append(schema.Problem(f"constant.{asset}", f"{asset} has anchors too; expected one of the two"))
    if not any(scenario.anchors.values()) and not scenario.constant:
        found.append(schema.Problem("anchors", "found no asset with a price, expected at least one"))
    if "USDT" in assets and scenario.quote == "USDT":
        what = 'found USDT among the assets, which cannot be quoted in itself; expected "USD"'
        found.append(schema.Problem("quote", what))
    return found + [problem for index, gap in enumerate(scenario.gap) for problem in _wrong_gap(scenario, index, gap)]


def _wrong_gap(scenario: Scenario, index: int, gap: Gap) -> Iterator[schema.Problem]:
    known = ", ".join(sorted(scenario.anchors.keys() | scenario.constant.keys()))
    if gap.asset not in scenario.anchors and gap.asset not in scenario.constant:
        yield schema.Problem(f"gap[{index}].asset", f"found {gap.asset!r}, expected one of: {known}")
    if gap.begin >= gap.end:
        yield schema.Problem(f"gap[{index}].to", f"found {gap.end.isoformat()}, expected a time after `from`")


def _wrong_settings(scenario: Scenario) -> Iterator[tuple[str, str]]:
    if scenario.speed is not None and scenario.duration is not None:
        yield "speed", "found beside `duration`, expected one of the two"
    if scenario.duration is not None and scenario.duration < _SHORTEST:
        yield "duration", f"found {scenario.duration}, expected at least 10ms"
    if scenario.interval < _SHORTEST:
        yield "interval", f"found {scenario.interval}, expected at least 10ms"


class Config(msgspec.Struct, frozen=True):
    """Keys of a `[[feed]]` of kind scenario. Speed, duration and loop override the file's."""

    file: Path
    speed: Speed | None = None
    duration: timedelta | None = None
    loop: bool | None = None

    def __post_init__(self) -> None:
        for key, what in _wrong_settings(Scenario(title="", speed=self.speed, duration=self.duration)):
            raise ValueError(f"{key}: {what}")


class ScenarioFeed:
    """The feed. Its quotes are dated now; it never ends by itself."""

    def __init__(self, name: str, scenario: Scenario, clock: Clock) -> None:
        self.name = name
        self.scenario = scenario
        self.stats = FeedStats()
        self._clock = clock
        self._source = scenario.source or name

    async def quotes(self) -> AsyncIterator[list[Quote]]:
        """One batch a step: the path in a loop, or once and then its last prices for ever."""
        self.stats.connected = True
        self.stats.reason = ""
        try:
            started_s = self._clock.monotonic_s()
            for after, prices in for_ever(self.scenario):
                late_s = self._clock.monotonic_s() - started_s - after.total_seconds()
                if late_s > _SLEPT_S:
                    started_s += late_s
                await asyncio.sleep(max(-late_s, 0))
                if prices:
                    yield self._batch(prices)
        finally:
            self.stats.connected = False
            self.stats.reason = "closed"

    def _batch(self, prices: Mapping[str, Decimal]) -> list[Quote]:
        now = self._clock.utc()
        self.stats.frames += 1
        self.stats.quotes += len(prices)
        self.stats.last_frame_at = now
        return [Quote(asset, price, self.scenario.quote, self._source, now) for asset, price in prices.items()]


def priced_in_usd(config: Config) -> tuple[str, ...]:
    """The coins of a file whose quotes are in USD. Raises schema.Invalid as `load` does."""
    scenario = load(config.file)
    return (*scenario.anchors, *scenario.constant) if scenario.quote == "USD" else ()


def build(name: str, config: Config, clock: Clock | None = None) -> ScenarioFeed:
    """The feed of that name. Raises schema.Invalid with the problems of the scenario's file."""
    scenario = load(config.file)
    if config.speed is not None or config.duration is not None:
        scenario = msgspec.structs.replace(scenario, speed=config.speed, duration=config.duration)
    if config.loop is not None:
        scenario = msgspec.structs.replace(scenario, loop=config.loop)
    return ScenarioFeed(name, scenario, clock or SystemClock())
