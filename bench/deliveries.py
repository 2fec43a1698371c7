"""How fast 10,000 alerts of one tick reach a local receiver, each alone and in batches: `python -m bench.deliveries`.

The alerts are real, with all their figures, and go through the store, the dispatcher and a signed webhook, as the daemon's
do. The receiver is a process of its own, which counts the alerts and checks nothing.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import tempfile
import time
from datetime import UTC, datetime
from multiprocessing.synchronize import Event
from typing import Any

import uvloop
from msgspec.structs import replace

from bench import desk, storm
from bench.book import market
from monitor.clock import SystemClock
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.payload import alert_item
from monitor.core.text import as_json
from monitor.dispatch.worker import Desk, Dispatcher
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


async def _send(alerts: list[Alert], port: int, done: Event, *, is_batch: bool) -> float:
    """Seconds from the commit's end until the receiver has all of them."""
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
            lambda x: as_json(alert_item(x.alert, x.cursor, products)),
            Desk(hear, lambda _: ()),
        )
        await dispatcher.start()
        change = Change(datetime.now(UTC), alerts=tuple((a, (Target("hook"),)) for a in alerts))  # noqa: TID251
        committed = await store.commit(change)
        started = time.perf_counter()
        dispatcher.take_over(committed)
        await asyncio.to_thread(done.wait)
        took_s = time.perf_counter() - started
        await dispatcher.stop(5)
        await hook.close()
        await store.close()
        return took_s


def _cut(alert: Alert, inputs: int) -> Alert:
    """The alert as of a group with so many coins and one loan, or with all of its own."""
    if alert.figures is None or inputs >= len(alert.figures.inputs):
        return alert
    figures = replace(alert.figures, inputs=alert.figures.inputs[:inputs], debts=alert.figures.debts[:1])
    return replace(alert, figures=figures)


def main() -> None:
    """Prints one line of JSON for each way."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--alerts", type=int, default=10_000)
    parser.add_argument("--inputs", type=int, default=8, help="coins of a group at most, as most of the work is theirs")
    asked = parser.parse_args()
    count = asked.alerts
    whole = market(1)
    outcome, _ = storm.crash(desk.new_monitor(whole), whole, 2 * count)
    alerts = [_cut(alert, asked.inputs) for alert in outcome.alerts[:count]]
    for is_batch in (False, True):
        port = multiprocessing.Value("i", 0)
        counts = multiprocessing.Array("q", 2)
        done = multiprocessing.Event()
        receiver = multiprocessing.Process(target=_receive, args=(port, counts, len(alerts), done), daemon=True)
        receiver.start()
        while not port.value:
            time.sleep(0.01)
        took_s = uvloop.run(_send(alerts, port.value, done, is_batch=is_batch))
        receiver.kill()
        a_second = round(len(alerts) / took_s)
        print(json.dumps({"batch": is_batch, "alerts": len(alerts), "posts": counts[0], "a_second": a_second}))


if __name__ == "__main__":
    main()
