"""A storm: thousands of groups cross a line in one tick. Its alerts in one commit, against one commit an alert."""

from __future__ import annotations

import random
import statistics
import time
from datetime import timedelta
from pathlib import Path
from typing import NamedTuple

import numpy as np
import uvloop

from bench import desk
from bench.book import LINES, STABLES, Market, book
from bench.durable import journal
from bench.lateness import Lateness, measure
from bench.progress import Advance
from bench.rounds import Seconds
from monitor.core.alerts.light import whole
from monitor.core.events.events import MarkPrices
from monitor.core.groups.outcome import Outcome
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import Journal

SINGLES = 200
"""Commits of one alert each a round, whose median counts: they all cost the same but for the disk."""
CRASH = 0.1
"""How far all but the stable coins fall in the tick: less than the jump that a second price must confirm."""


class Figures(NamedTuple):
    """What the alerts of one tick took."""

    seconds: Seconds
    """An alert's share of the one commit (`storm`), and a commit of its own (`single`), by round."""
    handled: int
    handle_s: float
    """The tick itself: how many alerts it raised in core, and the seconds."""


def run(market: Market, alerts: int, rounds: int, folder: Path, advance: Advance) -> Figures:
    """Every round has a store of its own in `folder`, which takes both, now the one first and now the other."""
    monitor = desk.new_monitor(market)
    outcome, handle_s = crash(monitor, market, 2 * (alerts + SINGLES))
    assert len(outcome.alerts) >= alerts + SINGLES, f"only {len(outcome.alerts)} groups crossed a line"
    storm = part(outcome, 0, alerts)
    singles = [single(outcome, i) for i in range(alerts, alerts + SINGLES)]
    seconds: Seconds = {"storm": [], "single": []}
    toss = random.Random(6)  # noqa: S311  an order, no secret
    for i in range(rounds + 1):
        storm_s, single_s = uvloop.run(_round(monitor, storm, singles, folder, storm_first=toss.random() < 0.5))
        # The first round saves what the monitor had not saved before, such as its groups.
        if i:
            seconds["storm"].append(storm_s / alerts)
            seconds["single"].append(single_s)
        advance()
    return Figures(seconds, len(outcome.alerts), handle_s)


def crash(monitor: RiskMonitor, market: Market, groups: int) -> tuple[Outcome, float]:
    """The outcome of a tick in which most of so many groups change stage, and the seconds that it took."""
    event = poised(monitor, market, groups)
    started = time.perf_counter()
    outcome = monitor.handle(event)
    return outcome, time.perf_counter() - started


def late(market: Market, alerts: int, rounds: int) -> Lateness:
    """How late the event loop is while core handles such ticks, each of a monitor of its own."""
    monitors = [desk.new_monitor(market) for _ in range(rounds)]
    ticks = [(monitor, poised(monitor, market, 2 * alerts)) for monitor in monitors]
    return measure(lambda i: ticks[i][0].handle(ticks[i][1]), 1e9, rounds)


def poised(monitor: RiskMonitor, market: Market, groups: int) -> MarkPrices:
    """Puts so many groups close to their line; the tick that is to come."""
    lines = desk.book_lines(book(groups, market, ltv=np.full(groups, 0.999 * LINES[0, 1])))
    feed, at = desk.new_feed(), desk.START + timedelta(seconds=1)
    monitor.handle(desk.received(feed, desk.frame(market.price, desk.START), desk.START))
    desk.put(monitor, [line.encode() for line in lines])
    fallen = market.price.copy()
    fallen[STABLES:] = (fallen[STABLES:] * (1 - CRASH)).astype(np.int64)
    return desk.received(feed, desk.frame(fallen, at), at)


def part(outcome: Outcome, begin: int, end: int) -> Outcome:
    """Some of the alerts of an outcome, with the states that they tell of."""
    some = Outcome(outcome.at)
    some.alerts = outcome.alerts[begin:end]
    some.states = {alert.subject: outcome.states[alert.subject] for alert in some.alerts}
    return some


def single(outcome: Outcome, place: int) -> Outcome:
    """One of the alerts with its figures, as a tick decides it that raises no other."""
    one = part(outcome, place, place + 1)
    one.alerts = list(map(whole, one.alerts))
    return one


async def _round(
    monitor: RiskMonitor, storm: Outcome, singles: list[Outcome], folder: Path, *, storm_first: bool
) -> tuple[float, float]:
    """(seconds of the storm's commit, median seconds of a single one)."""
    async with journal(folder) as log:
        storm_s = await commit(log, monitor, storm) if storm_first else 0.0
        single_s = statistics.median([await commit(log, monitor, single) for single in singles])
        if not storm_first:
            storm_s = await commit(log, monitor, storm)
    return storm_s, single_s


async def commit(log: Journal, monitor: RiskMonitor, outcome: Outcome) -> float:
    """The seconds until all alerts of an outcome are durable."""
    started = time.perf_counter()
    alerts = await log.commit(monitor, [outcome])
    took = time.perf_counter() - started
    assert len(alerts) == len(outcome.alerts), "an alert is not durable"
    return took
