"""How fast 10,000 alerts of one tick reach a local receiver, each alone and in batches: `python -m bench.deliveries`.

The alerts are real, with all their figures, and go through the store, the dispatcher and a signed webhook, as the daemon's
do. The receiver is a process of its own, which counts the alerts and checks nothing. Each of the two has a core for itself.
Where others use the machine as well, the processor's time says more than the clock's.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import statistics
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from typing import Any, NamedTuple

import uvloop
from msgspec.structs import replace

from bench import core_clock, desk, storm
from bench.book import market
from monitor import telemetry
from monitor.clock import SystemClock
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.body import alert_body
from monitor.core.alerts.light import whole
from monitor.core.text import stamp
from monitor.daemon.startup import prepare_threads
from monitor.dispatch.worker import Around, Dispatcher
from monitor.notifiers._base import Body
from monitor.notifiers.webhook import Config, WebhookNotifier
from monitor.running import Running, Tasks
from monitor.stores import sqlite
from monitor.stores._base import Change, Target
from monitor.telemetry import Health, Metrics
from monitor.webhook_keys import new_key

ANSWER = b"HTTP/1.1 204 No Content\r\n\r\n"


class _Counter(asyncio.Protocol):
    """Takes posts and counts what is in them."""

    def __init__(self, counts: Any, wanted: int, done: Event) -> None:
        self._counts = counts
        self._wanted = wanted
        self._done = done
        self._read = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._read += data
        while True:
            head, end, rest = self._read.partition(b"\r\n\r\n")
            if not end:
                return
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            if len(rest) < length:
                return
            body, self._read = rest[:length], rest[length:]
            self._counts[0] += 1
            self._counts[1] += body.count(b'"detected_at"')
            self._transport.write(ANSWER)
            if self._counts[1] >= self._wanted:
                self._done.set()


def _receive(port: Any, counts: Any, wanted: int, done: Event) -> None:
    async def serve() -> None:
        server = await asyncio.get_running_loop().create_server(lambda: _Counter(counts, wanted, done), "127.0.0.1", 0)
        port.value = server.sockets[0].getsockname()[1]
        await server.serve_forever()

    uvloop.run(serve())


class Figures(NamedTuple):
    """What a storm took, from the commit's end until the receiver had all of it."""

    posts: int
    seconds: float
    cpu_s: float
    """The processor's time of all threads of the sending process."""


async def _send(alerts: list[Alert], port: int, done: Event, *, is_batch: bool) -> tuple[float, float]:
    """The seconds by the clock and by the processor."""
    prepare_threads(asyncio.get_running_loop())
    clock = SystemClock()
    products = desk.new_monitor(market(1)).rules.products
    with tempfile.TemporaryDirectory() as folder:
        store = sqlite.build(sqlite.Config(path=f"{folder}/monitor.db"))
        await store.open()
        config = Config(url=f"http://127.0.0.1:{port}/", secret=new_key().secret, allow_private=True, batch=is_batch)
        hook = WebhookNotifier("hook", config, clock)
        running = Running(store, clock, Metrics(), Health(), Tasks())

        async def hear(_: object) -> None:
            return

        dispatcher = Dispatcher(
            running,
            {"hook": hook},
            lambda x: Body(x.alert.id, stamp(x.alert.at), alert_body(x.alert, x.cursor, products)),
            Around(hear, lambda _: (), aside=asyncio.to_thread),
        )
        await dispatcher.start()
        change = Change(datetime.now(UTC), alerts=tuple((a, (Target("hook"),)) for a in alerts))  # noqa: TID251
        committed = await store.commit(change)
        started, started_cpu = time.perf_counter(), time.process_time()
        dispatcher.take_over(committed)
        await asyncio.to_thread(done.wait)
        took = time.perf_counter() - started, time.process_time() - started_cpu
        await dispatcher.stop(5)
        await hook.close()
        await store.close()
        return took


def storm_of(count: int, inputs: int) -> list[Alert]:
    """So many alerts of one tick, of groups with at most so many coins."""
    whole = market(1)
    outcome, _ = storm.crash(desk.new_monitor(whole), whole, 2 * count)
    return [_cut(alert, inputs) for alert in outcome.alerts[:count]]


def _cut(alert: Alert, inputs: int) -> Alert:
    """The alert as of a group with so many coins and one loan, or with all of its own."""
    if alert.figures is None or inputs >= len(alert.figures.inputs):
        return alert
    figures = replace(alert.figures, inputs=alert.figures.inputs[:inputs], debts=alert.figures.debts[:1])
    return replace(whole(alert), figures=figures)


def send(alerts: list[Alert], *, is_batch: bool) -> Figures:
    """Sends a storm, this process on one core and the receiver on another."""
    port = multiprocessing.Value("i", 0)
    counts = multiprocessing.Array("q", 2)
    done = multiprocessing.Event()
    receiver = multiprocessing.Process(target=_receive, args=(port, counts, len(alerts), done), daemon=True)
    before = os.sched_getaffinity(0)
    cores = sorted(before)
    receiver.start()
    assert receiver.pid is not None
    os.sched_setaffinity(receiver.pid, {cores[-1]})
    os.sched_setaffinity(0, {cores[0]})
    try:
        while not port.value:
            time.sleep(0.01)
        seconds, cpu_s = uvloop.run(_send(alerts, port.value, done, is_batch=is_batch))
    finally:
        receiver.kill()
        os.sched_setaffinity(0, before)
    return Figures(counts[0], seconds, cpu_s)


def render_us(alerts: list[Alert]) -> float:
    """Microseconds of the processor for the body of one alert: the median of some rounds."""
    products = desk.new_monitor(market(1)).rules.products
    some = alerts[:1000]
    rounds = []
    for _ in range(7):
        started = time.process_time()
        for alert in some:
            alert_body(alert, 1, products)
        rounds.append((time.process_time() - started) / len(some) * 1e6)
    return statistics.median(rounds)


class Storm(NamedTuple):
    """What a storm of alerts took on its way to a receiver."""

    alerts: int
    render_us: float
    """The processor's time for the body of one alert."""
    ways: dict[str, Figures]
    """`single` and `batched`."""
    core_ghz: float
    """The clock of the core that rendered."""

    @property
    def render_us_at_3_ghz(self) -> float:
        """What a body takes in cycles, as time of a core of 3 GHz."""
        return self.render_us * self.core_ghz / core_clock.STATED_GHZ

    @property
    def a_second(self) -> dict[str, float]:
        """Alerts that reached the receiver, by the clock."""
        return {way: self.alerts / one.seconds for way, one in self.ways.items()}

    @property
    def cpu_us(self) -> dict[str, float]:
        """The processor's time of the sending process for one alert."""
        return {way: one.cpu_s / self.alerts * 1e6 for way, one in self.ways.items()}


def measure(count: int, inputs: int = 8) -> Storm:
    """A storm, each alert alone and then in batches."""
    alerts = storm_of(count, inputs)
    ways = {"single": send(alerts, is_batch=False), "batched": send(alerts, is_batch=True)}
    before_ghz = core_clock.ghz()
    rendered_us = render_us(alerts)
    return Storm(len(alerts), rendered_us, ways, (before_ghz + core_clock.ghz()) / 2)


def main() -> None:
    """Prints the figures as JSON under the keys of results.json, and the processor's time beside them."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--inputs", type=int, default=8, help="coins of a group at most, as most of the work is theirs")
    asked = parser.parse_args()
    telemetry.configure("error")
    found = measure(asked.alerts, asked.inputs)
    shown = {
        "alerts": found.alerts,
        "render_us": round(found.render_us, 1),
        "render_us_at_3_ghz": round(found.render_us_at_3_ghz, 1),
        "core_ghz": round(found.core_ghz, 2),
        "webhooks_per_s": {way: round(a_second) for way, a_second in found.a_second.items()},
        "cpu_us": {way: round(us, 1) for way, us in found.cpu_us.items()},
        "posts": {way: one.posts for way, one in found.ways.items()},
        "loop_of_python_ns": round(_loop_ns(), 1),
    }
    print(json.dumps(shown))


def _loop_ns() -> float:
    """A turn of an empty loop: how fast Python is on this core just now."""
    started = time.process_time()
    for _ in range(5_000_000):
        pass
    return (time.process_time() - started) / 5_000_000 * 1e9


if __name__ == "__main__":
    main()
