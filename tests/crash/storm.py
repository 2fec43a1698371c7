"""A storm to one webhook, in a process that can be killed: `python -m tests.crash.storm STORE URL COUNT`.

COUNT alerts are committed first; 0 means to send what the store still owes.
"""

from __future__ import annotations

import asyncio
import sys

from monitor.clock import SystemClock
from monitor.dispatch.worker import Around, Dispatcher
from monitor.notifiers.webhook import Config, WebhookNotifier
from monitor.running import Running, Tasks
from monitor.stores import sqlite
from monitor.stores._base import Change, Target
from monitor.telemetry import Health, Metrics
from tests.crash.receiver import SECRET
from tests.fakes import alert, as_body, rendered


async def play(path: str, url: str, count: int) -> None:
    """Sends until nothing is owed."""
    clock = SystemClock()
    store = sqlite.build(sqlite.Config(path=path))
    await store.open()
    opened = ((alert("loan_group.margin_call.opened", f"G-{n}"), (Target("hook"),)) for n in range(count))
    await store.commit(Change(clock.utc(), alerts=tuple(opened)))
    hook = WebhookNotifier("hook", Config(url=url, secret=SECRET, allow_private=True), clock)
    running = Running(store, clock, Metrics(), Health(), Tasks())
    around = Around(_hear, lambda _: (), aside=asyncio.to_thread)
    dispatcher = Dispatcher(running, {"hook": hook}, lambda x: as_body(rendered(x)), around)
    await dispatcher.start()
    while await store.open_deliveries():
        await clock.sleep(0.05)
    await dispatcher.stop(5)
    await hook.close()
    await store.close()


async def _hear(_: object) -> None:
    return


if __name__ == "__main__":
    asyncio.run(play(sys.argv[1], sys.argv[2], int(sys.argv[3])))
