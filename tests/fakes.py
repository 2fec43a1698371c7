"""Small working stand-ins: a clock that moves when told, a store in memory, a channel that does as it is told."""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from itertools import count
from pathlib import Path
from typing import Any

import msgspec

from monitor.core.alerts.alert import Alert, GroupRef, LoggedAlert
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, GOOD_STAGE_NEWS, STAGE_NEWS
from monitor.notifiers._base import Body, Notice, Receipt
from monitor.stores._base import (
    AlertFilter,
    Applied,
    Attempt,
    Audit,
    Change,
    Committed,
    Delivery,
    DeliveryFilter,
    StoredState,
    StoreUnavailable,
    Switched,
    Target,
    handed_over,
    moved,
    owed,
)
from monitor.stores._new_deliveries import new_delivery

START = datetime(2021, 5, 19, 12, 58, tzinfo=UTC)


class FakeClock:
    """Both clocks stand still until `advance`; `sleep` returns when enough time was advanced."""

    def __init__(self, start: datetime = START) -> None:
        self._start, self._passed_s, self.wall_step = start, 0.0, timedelta(0)
        self._sleepers: list[tuple[float, int, asyncio.Future[None]]] = []
        self._ids = count()

    def utc(self) -> datetime:
        return self._start + timedelta(seconds=self._passed_s) + self.wall_step

    def monotonic_s(self) -> float:
        return self._passed_s

    async def sleep(self, seconds: float) -> None:
        waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._passed_s + seconds, next(self._ids), waiter))
        await waiter

    async def advance(self, seconds: float) -> None:
        """Moves time from one waker to the next, and lets everything that becomes ready run in between."""
        end_s = self._passed_s + seconds
        await settle()
        while True:
            while self._sleepers and self._sleepers[0][2].done():
                heapq.heappop(self._sleepers)
            if not self._sleepers or self._sleepers[0][0] > end_s:
                break
            due_s, _, waiter = heapq.heappop(self._sleepers)
            self._passed_s = max(self._passed_s, due_s)
            waiter.set_result(None)
            await settle()
        self._passed_s = end_s
        await settle()


async def settle(rounds: int = 60) -> None:
    """Lets the event loop run what is ready, without any time passing."""
    for _ in range(rounds):
        await asyncio.sleep(0)


def alert(
    type_: str = "loan_group.margin_call.opened",
    subject: str = "G-1",
    *,
    sequence: int = 1,
    episode: int = 1,
    at: datetime = START,
    **more: Any,
) -> Alert:
    """An alert about a group, or about something else where the type says so."""
    group = GroupRef(subject, "vip_loan", "acct-1", {"borrower": "ACME"}) if type_.startswith("loan") else None
    id = f"evt_{subject}_{type_}_{episode}_{sequence}".replace(".", "_").replace("-", "_").lower()
    return Alert(type_, id, at, at, subject, sequence, episode, **{"group": group, **more})


def rendered(logged: LoggedAlert) -> dict[str, Any]:
    """The least of docs/alerts.md that a notifier needs."""
    one = logged.alert
    group = {"id": one.subject, "product": "vip_loan", "labels": {}} if one.group else None
    return {
        "type": one.type,
        "timestamp": one.at.isoformat().replace("+00:00", "Z"),
        "data": {
            "id": one.id,
            "cursor": logged.cursor,
            "severity": one.severity,
            "group": group,
            "subject": one.subject,
            "facts": dict(one.facts),
            "detected_at": one.detected_at.isoformat(),
        },
    }


def as_body(shown: dict[str, Any]) -> Body:
    """The same as a dispatcher's `render` gives it."""
    return Body.of(Notice(shown["type"], shown["timestamp"], shown["data"]))


class FakeOutlet:
    """Takes what a journal hands over: `committed`, and `volatile` while the store fails. Each alert has these targets."""

    def __init__(self, *targets: Target) -> None:
        self.targets = targets
        self.gathers = any(target.gather for target in targets)
        self.committed: list[Committed] = []
        self.volatile: list[LoggedAlert] = []

    def route(self, _: Alert) -> tuple[Target, ...]:
        return self.targets

    def route_all(self, alerts: Sequence[Alert], _: datetime) -> tuple[tuple[Alert, tuple[Target, ...]], ...]:
        return tuple((one, self.targets) for one in alerts)

    def take_over(self, committed: Committed) -> None:
        self.committed.append(committed)

    async def send_volatile(self, alerts: Sequence[tuple[LoggedAlert, tuple[Target, ...]]]) -> None:
        self.volatile += [logged for logged, _ in alerts]


class FakeNotifier:
    """Takes every notice, or does with it what `behave` does: return None, raise, or wait."""

    def __init__(self, behave: Callable[[Notice], Any] | None = None) -> None:
        self.behave = behave
        self.tried: list[Notice] = []
        self.took: list[Notice] = []
        self.at_once = self.most_at_once = 0

    async def send(self, notice: Notice) -> Receipt:
        self.tried.append(notice)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            if self.behave is not None:
                result = self.behave(notice)
                if asyncio.iscoroutine(result):
                    await result
            self.took.append(notice)
            return Receipt("taken")
        finally:
            self.at_once -= 1

    async def close(self) -> None:
        pass


class FakeStore:
    """The Store protocol in memory. `is_away` makes every call raise StoreUnavailable."""

    def __init__(self, clock: FakeClock | None = None) -> None:
        self._clock = clock or FakeClock()
        self.is_away = False
        self.log: list[LoggedAlert] = []
        self.by_id: dict[str, LoggedAlert] = {}
        self.rows: dict[str, Delivery] = {}
        self.tries: list[Attempt] = []
        self.switched: dict[str, Switched] = {}
        self.writes: list[tuple[str, int]] = []
        """Each durable write of attempts: start or end, and how many it held."""
        self._pending_of: dict[str, set[str]] = {}

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable("no space left on device")

    async def open(self) -> StoredState:
        self._check()
        return StoredState(None, (), (), len(self.log))

    async def commit(self, change: Change) -> Committed:
        self._check()
        alerts: list[LoggedAlert] = []
        added: list[str] = []
        cancelled: list[str] = []
        for one, targets in change.alerts:
            if one.id in self.by_id:
                continue
            logged = LoggedAlert(len(self.log) + 1, one)
            self.log.append(logged)
            self.by_id[one.id] = logged
            alerts.append(logged)
            if one.type in STAGE_NEWS:
                cancelled += self._supersede(one)
            added += [self._add(logged, t, i) for i, t in enumerate(self._owed(one, targets))]
        gone = set(cancelled)
        deliveries = tuple(self.rows[i] for i in added if i not in gone)
        return Committed(len(self.log), tuple(alerts), deliveries, tuple(i for i in cancelled if i not in set(added)))

    def _supersede(self, one: Alert) -> list[str]:
        ids = sorted(i for i in self._pending_of.get(one.subject, ()) if self.rows[i].type.startswith("loan_group."))
        for i in ids:
            self._set(i, state="superseded")
        return ids

    def _owed(self, one: Alert, targets: Sequence[Target]) -> Sequence[Target]:
        """Good news goes wherever the bad news of the episode was attempted."""
        if one.type not in GOOD_STAGE_NEWS:
            return targets
        told = [d for d in self.rows.values() if d.attempts and d.type in BAD_STAGE_NEWS]
        of_this = [d for d in told if (d.episode, d.subject) == (one.episode, one.subject)]
        return owed(targets, [Target(d.notifier, d.to) for d in of_this])

    def _add(self, logged: LoggedAlert, target: Target, index: int) -> str:
        one, now = logged.alert, self._clock.utc()
        row = Delivery(
            f"dlv_{logged.cursor:08d}_{index}",
            logged.cursor,
            one.id,
            target.notifier,
            target.to,
            one.subject,
            one.type,
            one.severity,
            one.episode,
            "pending",
            0,
            now if target.until is None else max(target.until, now),
            now,
            gather=target.gather,
            debt_usd=new_delivery(logged, target, now).debt_usd,
        )
        self.rows[row.id] = row
        self._pending_of.setdefault(one.subject, set()).add(row.id)
        return row.id

    def _set(self, id: str, **changes: Any) -> Delivery:
        row = self.rows[id] = msgspec.structs.replace(self.rows[id], **changes)
        pending = self._pending_of.setdefault(row.subject, set())
        (pending.add if row.state == "pending" else pending.discard)(id)
        return row

    async def open_deliveries(self) -> list[Delivery]:
        self._check()
        return [d for d in self.rows.values() if d.state == "pending"]

    async def start_attempts(self, ids: Sequence[str], at: datetime) -> list[str]:
        self._check()
        self.writes.append(("start", len(ids)))
        still = [i for i in ids if self.rows[i].state == "pending"]
        for i in still:
            self._set(i, attempts=self.rows[i].attempts + 1, due_at=at)
        return still

    async def end_attempts(self, attempts: Sequence[Attempt]) -> None:
        self._check()
        self.writes.append(("end", len(attempts)))
        for a in attempts:
            self.tries.append(a)
            row = self.rows[a.delivery]
            stays = (
                row.due_at > a.at if row.state == "pending" else row.state == "superseded" and a.state != "delivered"
            )
            self._set(a.delivery, detail=a.detail, **({} if stays else {"state": a.state, "due_at": a.due_at}))

    async def alerts(self, wanted: AlertFilter) -> list[LoggedAlert]:
        self._check()
        found = [
            x
            for x in self.log
            if x.cursor > wanted.after
            and wanted.group in (None, x.alert.subject)
            and wanted.severity in (None, x.alert.severity)
            and (wanted.type is None or fnmatchcase(x.alert.type, wanted.type))
            and (wanted.groups is None or x.alert.subject in wanted.groups)
        ]
        return found[: wanted.limit]

    async def alert(self, id: str) -> LoggedAlert | None:
        self._check()
        return self.by_id.get(id)

    async def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]:
        self._check()
        found = [
            d
            for i, d in sorted(self.rows.items())
            if i > wanted.after
            and wanted.state in (None, d.state)
            and wanted.notifier in (None, d.notifier)
            and wanted.alert in (None, d.alert)
        ]
        return found[: wanted.limit]

    async def attempts(self, delivery: str) -> list[Attempt]:
        self._check()
        return [a for a in self.tries if a.delivery == delivery]

    async def move(self, delivery: Delivery, targets: Sequence[Target], at: datetime) -> list[Delivery]:
        self._check()
        ended, made = moved(delivery, targets, at)
        known = {(row.alert, row.notifier, row.to) for row in self.rows.values()}
        new = [d for d in made if (d.alert, d.notifier, d.to) not in known]
        self.rows |= {delivery.id: ended} | {d.id: d for d in new}
        return new

    async def hand_over(self, pairs: Sequence[tuple[Delivery, Target]], at: datetime) -> list[Delivery]:
        self._check()
        known = {(row.alert, row.notifier, row.to) for row in self.rows.values()}
        made = [handed_over(old, t, at) for old, t in pairs if (old.alert, t.notifier, t.to) not in known]
        made = [d for d in made if any(r.alert == d.alert and r.state != "superseded" for r in self.rows.values())]
        for d in made:
            self.rows[d.id] = d
            self._pending_of.setdefault(d.subject, set()).add(d.id)
        return made

    async def hold(self, until: Mapping[str, datetime | None], at: datetime) -> list[Delivery]:
        self._check()
        found = [i for i in until if self.rows[i].state == "pending" and not self.rows[i].attempts]
        for i in found:
            end = until[i]
            self._set(i, **({"due_at": at, "created_at": at} if end is None else {"due_at": end}))
        return [self.rows[i] for i in found]

    async def switch_off(self, switched: Switched, audit: Audit | None = None) -> None:
        self._check()
        self.switched[switched.notifier] = switched

    async def switch_on(self, notifier: str, audit: Audit | None = None) -> None:
        self._check()
        self.switched.pop(notifier, None)

    async def switched_off(self) -> list[Switched]:
        self._check()
        return list(self.switched.values())

    async def retry_all(self, ids: Sequence[str], at: datetime) -> list[Delivery]:
        return [d for i in ids if (d := await self.retry(i, at)) is not None]

    async def retry(self, delivery: str, at: datetime) -> Delivery | None:
        self._check()
        return self._set(delivery, state="pending", due_at=at) if delivery in self.rows else None

    async def entry(self, group_id: str, id: str) -> Applied | None:
        return None

    async def audits(
        self, after: int, limit: int, subject: str | None = None, since: datetime | None = None
    ) -> list[tuple[int, Audit]]:
        return []

    async def prune(self, before: datetime) -> int:
        gone = [x for x in self.log if x.alert.at < before]
        for x in gone:
            del self.by_id[x.alert.id]
        self.log = [x for x in self.log if x.alert.at >= before]
        return len(gone)

    async def backup(self, path: Path) -> None:
        pass

    async def probe(self) -> None:
        self._check()

    async def checkpoint(self) -> None:
        pass

    async def close(self) -> None:
        pass
