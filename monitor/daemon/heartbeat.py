"""Says that the whole monitor works: to each notifier that asks, and to an outside address while the path moves.

A heartbeat takes the way of an alert: its figures are taken in core's turn, committed, and sent through the notifier. It is
kept out of the log of alerts and is never retried: the next one comes soon, and an old one would tell of a time that is over.
Whoever misses them must act, so nothing here hides that one could not be sent.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any, NamedTuple

import aiohttp
import msgspec

from monitor import crashpoint, permit
from monitor.addresses import guarded_socket, scrubbed, shown_url
from monitor.bounded_http import BoundedConnector
from monitor.config import Config
from monitor.core.alerts.alert import LoggedAlert
from monitor.core.alerts.catalogue import HEARTBEAT
from monitor.core.alerts.payload import alert_item
from monitor.core.groups.outcome import Outcome
from monitor.core.text import as_json, stamp
from monitor.core.watch.compose import Statement, compose
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.sequencer import Sequencer, Turn
from monitor.notifiers._base import DeliveryError, Notice, Notifier
from monitor.people import HeartbeatTable
from monitor.running import Running
from monitor.stores._base import StoreUnavailable
from monitor.telemetry import BoundedLog
from monitor.web.view import View

LOOK_S = 0.25
"""How often it is looked whether one is due; a reload may bring other intervals."""
SEND_S = 30.0
"""A notifier has this long for one attempt."""
PING_S = 10.0


class _State(NamedTuple):
    """What a heartbeat says, as core had it in one turn."""

    at: datetime
    marks: tuple[Any, ...]
    standing: bytes


class Heartbeat:
    """Sends heartbeats and pings. `config` is the one in force, which a reload changes."""

    def __init__(
        self,
        running: Running,
        config: Callable[[], Config],
        notifiers: Callable[[], Mapping[str, Notifier]],
        core: tuple[RiskMonitor, Sequencer],
        view: View,
    ) -> None:
        self._running = running
        self._config = config
        self._notifiers = notifiers
        self._monitor = core[0]
        self._sequencer = core[1]
        self._view = view
        self._log = BoundedLog()
        self._begun_s: dict[str, float] = {}
        """When each notifier, and the outside address under "", had its last turn."""
        self._busy: set[str] = set()
        self._pinged: tuple[int, int] | None = None
        """What the path had done by the last ping."""

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            config = self._config()
            for part in config.notifiers:
                beat = part.rules.heartbeat
                if beat is not None and self._is_due(part.name, beat.total_seconds()):
                    self._begin(part.name, self._beat(part.name))
            table = config.heartbeat
            if table is not None and self._is_due("", table.every.total_seconds()):
                self._begin("", self._ping(table))
            await asyncio.sleep(LOOK_S)

    def _is_due(self, name: str, every_s: float) -> bool:
        now_s = self._running.clock.monotonic_s()
        if name in self._busy or now_s - self._begun_s.get(name, float("-inf")) < every_s:
            return False
        self._begun_s[name] = now_s
        return True

    def _begin(self, name: str, work: Any) -> None:
        self._busy.add(name)
        task = self._running.tasks.begin(f"heartbeat to {name or 'the outside address'}", work)
        task.add_done_callback(lambda _: self._busy.discard(name))

    # -- to a notifier --

    async def _beat(self, name: str) -> None:
        notifier = self._notifiers().get(name)
        if notifier is None:
            return
        try:
            state = await self._sequencer.ask(self._look)
            shown = await self._shown(name, state)
            crashpoint.reached("before heartbeat")
            permit.check()
            async with asyncio.timeout(SEND_S):
                await notifier.send(Notice(shown["type"], shown["timestamp"], shown["data"]))
        except (DeliveryError, TimeoutError, StoreUnavailable, permit.Silent) as e:
            now_s = self._running.clock.monotonic_s()
            self._log.warning(now_s, name, "a heartbeat was not sent", notifier=name, reason=str(e) or "no answer")
        except Exception as e:  # noqa: BLE001  a notifier is a plug-in and may raise anything; that must not end the monitor
            now_s = self._running.clock.monotonic_s()
            self._log.warning(
                now_s, name, "a notifier raised what it should not", notifier=name, error=type(e).__name__
            )

    def _look(self, at: datetime, turn: Turn) -> _State:
        """In core's turn. What it finds is committed before anything is sent, so a store that fails sends no heartbeat."""
        outcome = Outcome(at)
        outcome.memory_changed = True
        turn.outcomes.append(outcome)
        marks = tuple(self._monitor.board.kept())
        return _State(at, marks, msgspec.json.encode(self._monitor.watcher_states()))

    async def _shown(self, name: str, state: _State) -> dict[str, Any]:
        counts = await asyncio.to_thread(self._view.counts)
        last = max((mark.received_at for mark in state.marks), default=None)
        cursor = self._view.cursor
        head = await self._running.store.audit_head()
        digest = sha256(msgspec.json.encode([dict(counts.stages), cursor, state.marks]) + state.standing).hexdigest()
        facts = {
            "last_tick_at": None if last is None else stamp(last),
            "last_tick_age_s": None if last is None else f"{max((state.at - last).total_seconds(), 0):.3f}",
            "groups": dict(counts.stages),
            "digest": digest,
            "cursor": cursor,
            "audit_head": str(head),
        }
        monitor = self._monitor.rules.name
        alert = compose(monitor, Statement(HEARTBEAT, name, int(state.at.timestamp() * 1000), facts), state.at)
        shown: dict[str, Any] = as_json(
            alert_item(LoggedAlert(cursor, alert).alert, cursor, self._monitor.rules.products)
        )
        return shown

    # -- to the outside --

    async def _ping(self, table: HeartbeatTable) -> None:
        """Only where a price was evaluated and a commit was made since the last one."""
        done = self._sequencer.evaluated, self._sequencer.committed
        before, self._pinged = self._pinged, self._pinged or done
        if before is None or not (done[0] > before[0] and done[1] > before[1]):
            return
        connector = BoundedConnector(socket_factory=guarded_socket(allow_private=table.allow_private))
        timeout = aiohttp.ClientTimeout(total=PING_S)
        reason = ""
        try:
            async with (
                aiohttp.ClientSession(connector=connector, timeout=timeout, trust_env=False) as session,
                session.get(table.ping_url, allow_redirects=False) as response,
            ):
                reason = "" if 200 <= response.status < 300 else f"HTTP {response.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as e:
            reason = scrubbed(str(e) or "no answer", table.ping_url)
        if reason:
            now_s, to = self._running.clock.monotonic_s(), shown_url(table.ping_url)
            self._log.warning(now_s, "ping", "the outside address did not take the ping", address=to, reason=reason)
        else:
            self._pinged = done
