"""A run is a fold over its events (decision 4): what was told of time, restarts and recordings change no alert."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import tests.core.desk
from monitor.core.alerts.catalogue import STAGE_NEWS
from monitor.core.events.events import ClockJumped, Event, TimePassed
from monitor.core.rules.settings import Lifecycle, Rules, Trust
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import event_log
from monitor.daemon.recorder import Recorder
from monitor.replay import run as replay
from tests.coin_desk import START
from tests.core.desk import both_books, plainly
from tests.core.runs import DESK, FUND, LIVE, LIVE_TRUST, PAIR_TRUST, TRUSTED, events, rules, steps
from tests.effort import examples, more_in_a_soak

pytestmark = [both_books, more_in_a_soak]

MANY = settings(
    max_examples=examples(14, 120),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
END = TimePassed(START + timedelta(days=40))
products = st.sampled_from((4, 24, 31)).map(lambda hours: {"vip_loan": rules(hours)})
desks = st.one_of(
    st.tuples(steps(DESK), products, st.just(TRUSTED)),
    st.tuples(steps(LIVE), products, st.sampled_from((LIVE_TRUST, PAIR_TRUST))),
)


def told(of: Rules, run: list[Event]) -> list[Mapping[str, Any]]:
    monitor = RiskMonitor(of, book=tests.core.desk.new_book())
    return plainly([alert for each in run for alert in monitor.handle(each).alerts])


def a_run(desk: Any) -> tuple[Rules, list[Event]]:
    run, of, trust = desk
    now = Rules("desk-1", of, Lifecycle(), trust, FUND)
    return now, [*events(run, now), END]


def _known_until(each: Event) -> datetime:
    """The last time before an event that any clock showed: those that a jump forward skips never were."""
    return each.at - timedelta(seconds=float(each.seconds)) if isinstance(each, ClockJumped) else each.at


@MANY
@given(desks, st.lists(st.tuples(st.integers(0, 50), st.sampled_from((0, 1, 0.5))), min_size=1, max_size=12))
def test_telling_time_to_pass_anywhere_changes_nothing(desk: Any, extra: list[tuple[int, float]]) -> None:
    """Also at the very time of events and deadlines, and as often as the monitor asks to be woken."""
    now, run = a_run(desk)
    plain = told(now, run)
    more: list[Event] = []
    for i, each in enumerate(run):
        before = run[i - 1].at if i else each.at
        times = [before + (each.at - before) * part for where, part in sorted(extra) if where == i]
        more += [TimePassed(at) for at in times if at <= _known_until(each)]
        more.append(each)
    more.sort(key=lambda e: e.at)
    event(f"alerts: {min(len(plain), 9)}")
    assert told(now, more) == plain


@MANY
@given(desks)
def test_waking_whenever_a_deadline_is_due_changes_nothing(desk: Any) -> None:
    now, run = a_run(desk)
    monitor = RiskMonitor(now, book=tests.core.desk.new_book())
    alerts = []
    for each in run:
        while monitor.at is not None and monitor.next_due is not None and monitor.next_due <= _known_until(each):
            alerts += monitor.handle(TimePassed(max(monitor.next_due, monitor.at))).alerts
        alerts += monitor.handle(each).alerts
    assert plainly(alerts) == told(now, run)


@MANY
@given(desks, st.sets(st.integers(0, 60), min_size=1, max_size=4))
def test_a_restart_after_any_event_neither_loses_nor_repeats_anything(desk: Any, restarts: set[int]) -> None:
    """The restart property: what `memory` hands over is all that decides."""
    now, run = a_run(desk)
    monitor = RiskMonitor(now, book=tests.core.desk.new_book())
    alerts = []
    for i, each in enumerate(run):
        alerts += monitor.handle(each).alerts
        if i in restarts:
            monitor = RiskMonitor(monitor.rules, memory=monitor.memory, book=tests.core.desk.new_book())
    assert plainly(alerts) == told(now, run)


@settings(MANY, max_examples=examples(10, 60))
@given(desks, st.sets(st.integers(0, 60), max_size=3))
def test_the_event_log_folds_to_the_same_alerts(desk: Any, cuts: set[int]) -> None:
    """Written by the log and read by the replay, file by file; each begins with what core knew."""
    now, run = a_run(desk)
    with TemporaryDirectory() as folder:
        log = Recorder(Path(folder), timedelta(days=9999), 1 << 31)
        monitor, alerts = RiskMonitor(now, book=tests.core.desk.new_book()), []
        for i, each in enumerate(run):
            if log.wants_start(i) or (i in cuts and each.at > run[i - 1].at):
                log.start(event_log.Start(monitor.rules, monitor.memory, each.at), i)
            log.append(each)
            alerts += monitor.handle(each).alerts
        log.close()
        lost: list[str] = []
        steps = replay.recorded(Path(folder), lambda _: None, lost.append)
        folded = [logged.alert for _, some in steps for logged in some]
        assert lost == []
    assert plainly(folded) == plainly(alerts)


@MANY
@given(desks)
def test_chains_of_alerts_are_whole(desk: Any) -> None:
    """Sequences have no gap, stages connect, episodes and supersedes follow them, ids are unique."""
    now, run = a_run(desk)
    alerts = told(now, run)
    assert len({a["id"] for a in alerts}) == len(alerts)
    last: dict[str, Mapping[str, Any]] = {}
    previous: dict[str, str | None] = {}
    for a in alerts:
        if a["group"] is None:
            continue
        before = last.get(a["subject"], {"sequence": 0, "episode": 0})
        leaves = a["stage_from"] == "normal" != a["stage_to"]
        assert a["sequence"] == before["sequence"] + 1
        assert a["episode"] == before["episode"] + leaves
        if a["type"] in STAGE_NEWS:  # at the end of a silence also where the stage does not change
            assert a["supersedes"] == (None if leaves else previous[a["subject"]])
            previous[a["subject"]] = a["id"]
        last[a["subject"]] = a


@pytest.mark.parametrize("trust", [Trust(), TRUSTED])
def test_an_empty_run_folds_to_nothing(trust: Trust) -> None:
    assert told(Rules("desk-1", {"vip_loan": rules(4)}, Lifecycle(), trust), [END]) == []
