"""A store without a disk, for tests and trials. It shows the rules of a commit in their plainest form."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from monitor.audit_chain import (
    BEGUN,
    NO_HEAD,
    PRUNED,
    AuditHead,
    AuditLink,
    AuditMark,
    AuditTrail,
    MarkKind,
    linked,
    marked,
)
from monitor.audit_keys import NO_KEYS, AuditKeys
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, GOOD_STAGE_NEWS, STAGE_NEWS
from monitor.core.alerts.light import whole
from monitor.core.events.history import Row
from monitor.core.groups.outcome import StoredBlock, StoredGroup
from monitor.core.groups.plain_moves import Rendered, whole_row
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.groups.watcher_states import WatcherStates
from monitor.core.instants import time_at
from monitor.core.prices.quote import Mark
from monitor.core.rules.product import CoinRates
from monitor.core.stages.stages import NORMAL, GroupState
from monitor.stores._base import (
    KEY_BYTES,
    AlertFilter,
    Applied,
    Attempt,
    Audit,
    Audited,
    AuditFilter,
    Change,
    Committed,
    CoreState,
    Delivery,
    DeliveryFilter,
    HistoryFilter,
    LtvPoint,
    StoredState,
    StoreRefused,
    Subscription,
    Switched,
    Target,
    handed_over,
    is_untouched,
    moved,
    owed,
)
from monitor.stores._new_deliveries import new_delivery
from monitor.stores._points import joined_points
from monitor.stores._staged import work_out

T = TypeVar("T")


class Config(msgspec.Struct, frozen=True):
    """[store] kind = "memory": it has no settings."""


def build(config: Config) -> MemoryStore:
    """An empty store."""
    return MemoryStore()


class _Audits:
    """The audit record, chained and signed as in a file."""

    def __init__(self) -> None:
        self._links: dict[int, AuditLink] = {}
        self._marks: dict[MarkKind, AuditMark] = {}
        self._head = NO_HEAD
        self._audit_keys = NO_KEYS

    def sign_audits(self, keys: AuditKeys) -> None:
        self._audit_keys = keys

    async def audit_head(self) -> AuditHead:
        return self._head

    def audit_trail(self) -> AuditTrail:
        """All of it, for tests."""
        return AuditTrail(
            list(self._links.values()), self._marks.get(BEGUN), self._marks.get(PRUNED), self._head.number
        )

    async def audit_page(self, wanted: AuditFilter) -> list[tuple[int, Audit]]:
        numbers = sorted(self._links, reverse=wanted.newest_first)
        if wanted.newest_first and wanted.after:
            numbers = [n for n in numbers if n < wanted.after]
        else:
            numbers = [n for n in numbers if n > wanted.after]
        return [(n, a) for n in numbers if wanted.keeps(a := self._audit(n))][: wanted.limit]

    async def audits(
        self, after: int, limit: int, subject: str | None = None, since: datetime | None = None, scope: Scope = ()
    ) -> list[tuple[int, Audit]]:
        wanted = AuditFilter(after, len(self._links), subject=subject, since=since)
        return [(n, a) for n, a in await self.audit_page(wanted) if sees(scope, a.labels)][:limit]

    def _audit(self, number: int) -> Audit:
        return msgspec.json.decode(self._links[number].body, type=Audit)

    def _keep_audit(self, audit: Audit | None) -> None:
        if audit is None:
            return
        before, keys = self._head, self._audit_keys
        if keys and BEGUN not in self._marks:
            self._marks[BEGUN] = marked(BEGUN, before.number, audit.at, before.digest, keys)
        body = msgspec.json.encode(audit)
        link = linked(before.digest, before.number + 1, audit.at, audit.subject, body, keys)
        self._links[link.number] = link
        self._head = AuditHead(link.number, link.digest)

    def _prune_audits(self, before: datetime) -> int:
        old: list[int] = []
        for number in self._links:
            if self._audit(number).at >= before:
                break
            old.append(number)
        for number in old:
            last = self._links.pop(number)
            self._marks[PRUNED] = marked(PRUNED, number, before, last.digest, self._audit_keys)
            begun = self._marks.get(BEGUN)
            if begun is not None and begun.number <= number:
                self._marks[BEGUN] = marked(BEGUN, number, time_at(begun.at), last.digest, self._audit_keys)
        return len(old)


class _Beside(_Audits):
    """What stands beside the log: endpoints that were made by API, and the history of LTV."""

    def __init__(self) -> None:
        super().__init__()
        self._subscriptions: dict[str, Subscription] = {}
        self._points: dict[tuple[str, int, datetime], LtvPoint] = {}
        self._keys: dict[str, bytes] = {}

    async def key(self, name: str) -> bytes:
        return self._keys.setdefault(name, secrets.token_bytes(KEY_BYTES))

    async def subscriptions(self) -> list[Subscription]:
        return [self._subscriptions[name] for name in sorted(self._subscriptions)]

    async def keep_subscription(self, kept: Subscription, audit: Audit | None = None) -> None:
        self._subscriptions[kept.name] = _kept(kept, Subscription)
        self._keep_audit(audit)

    async def drop_subscription(self, name: str, audit: Audit | None = None) -> None:
        self._subscriptions.pop(name, None)
        self._keep_audit(audit)

    async def keep_points(self, points: Sequence[LtvPoint]) -> None:
        for p in points:
            key = (p.group, p.step_s, p.at)
            self._points[key] = joined_points(self._points.get(key, p), p)

    async def points(self, group: str, step_s: int, start: datetime, end: datetime) -> list[LtvPoint]:
        found = [p for p in self._points.values() if (p.group, p.step_s) == (group, step_s) and start <= p.at < end]
        return sorted(found, key=lambda p: p.at)

    async def prune_points(self, step_s: int, before: datetime) -> int:
        old = [key for key, p in self._points.items() if p.step_s == step_s and p.at < before]
        for key in old:
            del self._points[key]
        return len(old)


class _Handovers(_Beside):
    """Fallbacks, switches and bulk retry of a store in memory."""

    def __init__(self) -> None:
        super().__init__()
        self._deliveries: dict[str, Delivery] = {}
        self._switched: dict[str, Switched] = {}

    def _state(self, id: str) -> str:
        return self._deliveries[id].state

    async def hand_over(self, pairs: Sequence[tuple[Delivery, Target]], at: datetime) -> list[Delivery]:
        made = {}
        for old, target in pairs:
            new = handed_over(old, target, at)
            if self._state(old.id) in ("pending", "failed") and new.id not in self._deliveries:
                made[new.id] = new
        self._deliveries |= made
        return list(made.values())

    async def hold(self, until: Mapping[str, datetime | None], at: datetime) -> list[Delivery]:
        found = []
        for id, end in until.items():
            old = self._deliveries.get(id)
            if old is None or old.state != "pending" or old.attempts:
                continue
            times = {"due_at": at, "created_at": at} if end is None else {"due_at": end}
            self._deliveries[id] = msgspec.structs.replace(old, **times)
            found.append(self._deliveries[id])
        return found

    async def switch_off(self, switched: Switched, audit: Audit | None = None) -> None:
        self._switched[switched.notifier] = switched
        self._keep_audit(audit)

    async def switch_on(self, notifier: str, audit: Audit | None = None) -> None:
        self._switched.pop(notifier, None)
        self._keep_audit(audit)

    async def switched_off(self) -> list[Switched]:
        return [self._switched[name] for name in sorted(self._switched)]

    async def retry_all(self, ids: Sequence[str], at: datetime, audited: Audited | None = None) -> list[Delivery]:
        wanted = [d for id in dict.fromkeys(ids) if (d := self._deliveries.get(id)) is not None]
        found = [d for d in wanted if not self._has_newer(d)]
        again = [d for old in found if (d := await self.retry(old.id, at)) is not None]
        self._keep_audit(None if audited is None else audited(again))
        return again

    def _has_newer(self, old: Delivery) -> bool:
        """Its channel had newer news of the group's stage."""
        return old.type.startswith("loan_group.") and any(
            (d.subject, d.notifier, d.to) == (old.subject, old.notifier, old.to)
            for d in self._deliveries.values()
            if d.cursor > old.cursor and d.attempts > 0 and d.type in STAGE_NEWS
        )

    async def retry(self, delivery: str, at: datetime, audited: Audited | None = None) -> Delivery | None:
        found = self._deliveries.get(delivery)
        if found is not None:
            found = msgspec.structs.replace(found, state="pending", due_at=at)
            self._deliveries[delivery] = found
            self._keep_audit(None if audited is None else audited([found]))
        return found


class MemoryStore(_Handovers):
    """Dicts in the order of the log. What it keeps has passed through JSON, so that it equals what a file gives."""

    def __init__(self) -> None:
        super().__init__()
        self._blocks: dict[int, StoredBlock] = {}
        self._groups: dict[str, StoredGroup] = {}
        self._closed: set[str] = set()
        """Kept only while there are blocks, which may hold them."""
        self._states: dict[str, GroupState] = {}
        self._rates: dict[tuple[str, str], CoinRates] = {}
        self._desk: CoreState | None = None
        self._cursor = 0
        self._log: dict[str, LoggedAlert] = {}
        self._attempts: dict[str, list[Attempt]] = {}
        self._entries: dict[tuple[Any, ...], Applied] = {}
        self._history: dict[int, Row] = {}
        self._told = 0

    async def open(self) -> StoredState:
        groups = tuple(self._groups[id] for id in sorted(self._groups))
        states = tuple(self._states[id] for id in sorted(self._states))
        blocks = tuple(self._blocks[number] for number in sorted(self._blocks))
        rates = tuple(self._rates[key] for key in sorted(self._rates))
        return StoredState(self._desk, groups, states, self._cursor, blocks, tuple(sorted(self._closed)), rates)

    async def commit(self, change: Change) -> Committed:
        await work_out(change)
        self._write_book(change)
        if change.desk is not None:
            marks = tuple(_kept(m, Mark) for m in change.desk.marks)
            self._desk = CoreState(change.desk.at, marks, _kept(change.desk.watchers, WatcherStates))
        for given in change.rates:
            self._rates[given.product, given.asset] = _kept(given, CoinRates)
            if not given.rows:
                del self._rates[given.product, given.asset]
        alerts: list[LoggedAlert] = []
        made: list[str] = []
        cancelled: list[str] = []
        for one, targets in change.alerts:
            alert = whole(one)
            if alert.id in self._log:
                continue
            self._cursor += 1
            self._log[alert.id] = LoggedAlert(self._cursor, _kept(alert, Alert))
            logged = LoggedAlert(self._cursor, alert)
            alerts.append(logged)
            if alert.type in STAGE_NEWS:
                cancelled += self._supersede(alert.subject)
            made += [self._deliver(logged, target, change.at) for target in self._hear(alert, targets)]
        for entry in change.entries:
            self._entries.setdefault((entry.group_id, entry.id, entry.life, _as_text(entry.labels)), entry)
        for audit in change.audits:
            self._keep_audit(audit)
        for row in change.history:
            self._told += 1
            self._history[self._told] = _kept(whole_row(row), Row)
        due = [d for id in dict.fromkeys(made) if (d := self._deliveries[id]).state == "pending"]
        return Committed(self._cursor, tuple(alerts), tuple(due), tuple(cancelled))

    def _write_book(self, change: Change) -> None:
        for block in change.blocks:
            self._blocks[block.number] = msgspec.structs.replace(block, ids=())
            for id in block.ids:
                self._groups.pop(id, None)
                self._closed.discard(id)
        for number in change.dropped_blocks:
            self._blocks.pop(number, None)
        for group in change.groups:
            self._groups[group.group.id] = _kept(group, StoredGroup)
            self._closed.discard(group.group.id)
        for id in change.closed:
            self._groups.pop(id, None)
            self._closed.add(id)
        if not self._blocks:
            self._closed.clear()
        for state in change.states:
            self._states[state.group] = _kept(state, GroupState)
            if is_untouched(state):
                del self._states[state.group]

    def _supersede(self, subject: str) -> list[str]:
        """A stage alert cancels all undelivered notices of its group, on every channel."""
        news = [d for d in self._listed() if d.subject == subject and d.type.startswith("loan_group.")]
        older = [d for d in news if d.state == "pending"]
        for delivery in older:
            self._deliveries[delivery.id] = msgspec.structs.replace(delivery, state="superseded")
        return [d.id for d in older]

    def _hear(self, alert: Alert, targets: Sequence[Target]) -> Sequence[Target]:
        """Good news goes wherever the episode's bad news was attempted."""
        if alert.type not in GOOD_STAGE_NEWS:
            return targets
        told = [d for d in self._listed() if d.type in BAD_STAGE_NEWS and d.attempts > 0]
        of_this = [d for d in told if (d.subject, d.episode) == (alert.subject, alert.episode)]
        return owed(targets, [Target(d.notifier, d.to) for d in of_this])

    def _deliver(self, logged: LoggedAlert, target: Target, at: datetime) -> str:
        made = new_delivery(logged, target, at)
        self._deliveries[made.id] = made
        return made.id

    async def render(self, most: int) -> Rendered:
        return Rendered()  # a commit works out all figures

    async def open_deliveries(self) -> list[Delivery]:
        return [d for d in self._listed() if d.state == "pending"]

    async def start_attempts(self, ids: Sequence[str], at: datetime) -> list[str]:
        started = [id for id in dict.fromkeys(ids) if id in self._deliveries and self._state(id) == "pending"]
        for id in started:
            delivery = self._deliveries[id]
            self._deliveries[id] = msgspec.structs.replace(delivery, attempts=delivery.attempts + 1, due_at=at)
        return started

    async def end_attempts(self, attempts: Sequence[Attempt]) -> None:
        for attempt in attempts:
            delivery = self._deliveries.get(attempt.delivery)
            if delivery is None:
                continue
            self._attempts.setdefault(delivery.id, []).append(attempt)
            delivery = msgspec.structs.replace(delivery, detail=attempt.detail)
            is_asked_again = delivery.due_at > attempt.at
            if not is_asked_again if delivery.state == "pending" else attempt.state == "delivered":
                delivery = msgspec.structs.replace(delivery, state=attempt.state, due_at=attempt.due_at)
            self._deliveries[delivery.id] = delivery

    async def alerts(self, wanted: AlertFilter) -> list[LoggedAlert]:
        types = wanted.types()
        since = wanted.since
        young = [x.cursor for x in self._log.values() if since is not None and x.alert.at >= since]
        first = min(young, default=self._cursor + 1) if since is not None else 0
        found = [x for x in self._log.values() if x.cursor >= first and wanted.keeps(x.alert)]
        if wanted.newest_first:
            found = [x for x in reversed(found) if not wanted.after or x.cursor < wanted.after]
        else:
            found = [x for x in found if x.cursor > wanted.after]
        if types is not None:
            found = [x for x in found if x.alert.type in types]
        if wanted.group is not None:
            found = [x for x in found if _group(x.alert) == wanted.group]
        return found[: wanted.limit]

    async def alert(self, id: str) -> LoggedAlert | None:
        return self._log.get(id)

    async def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]:
        start = wanted.start()
        found = [d for d in self._listed() if (d.cursor, d.id) > start]
        for name in ("state", "notifier", "alert"):
            if (value := getattr(wanted, name)) is not None:
                found = [d for d in found if getattr(d, name) == value]
        if wanted.type is not None:
            found = [d for d in found if fnmatchcase(d.type, wanted.type)]
        found = [d for d in found if wanted.since is None or d.created_at >= wanted.since]
        found = [d for d in found if wanted.until is None or d.created_at < wanted.until]
        return found[: wanted.limit]

    def _listed(self) -> list[Delivery]:
        return sorted(self._deliveries.values(), key=lambda d: (d.cursor, d.id))

    async def delivery(self, id: str) -> Delivery | None:
        return self._deliveries.get(id)

    async def attempts(self, delivery: str) -> list[Attempt]:
        return list(self._attempts.get(delivery, []))

    async def move(self, delivery: Delivery, targets: Sequence[Target], at: datetime) -> list[Delivery]:
        if self._state(delivery.id) != "pending":
            return []
        self._deliveries[delivery.id], made = moved(delivery, targets, at)
        new = [d for d in made if d.id not in self._deliveries]
        self._deliveries |= {d.id: d for d in new}
        return new

    async def send_again(self, deliveries: Sequence[Delivery], audited: Audited | None = None) -> list[Delivery]:
        for new in deliveries:
            old = self._deliveries.get(new.id, new)
            again = msgspec.structs.replace(old, state="pending", due_at=new.due_at, created_at=new.created_at)
            self._deliveries[new.id] = again
        found = [self._deliveries[d.id] for d in deliveries]
        self._keep_audit(None if audited is None else audited(found))
        return found

    async def entry(self, group_id: str, id: str, scope: Scope = ()) -> Applied | None:
        found = [e for key, e in self._entries.items() if key[:2] == (group_id, id) and sees(scope, e.labels)]
        return found[-1] if found else None

    async def history(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        rows = [(n, row) for n, row in self._history.items() if n > wanted.after and row.group == wanted.group]
        if wanted.kinds:
            rows = [(n, row) for n, row in rows if row.kind in wanted.kinds]
        if wanted.since is not None:
            rows = [(n, row) for n, row in rows if row.at >= wanted.since]
        if wanted.until is not None:
            rows = [(n, row) for n, row in rows if row.at <= wanted.until]
        if wanted.is_newest_first:
            rows.reverse()
        return [(n, row) for n, row in rows if wanted.loan in (None, row.loan) and wanted.keeps(row)][: wanted.limit]

    async def first_rows(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        first: dict[str, tuple[int, Row]] = {}
        for n, row in self._history.items():
            if row.group == wanted.group and row.loan and wanted.keeps(row):
                first.setdefault(row.loan, (n, row))
        return list(first.values())

    async def newest_life(self, group: str, scope: Scope) -> int | None:
        lives = [row.life for row in self._history.values() if row.group == group and sees(scope, row.labels)]
        return lives[-1] if lives else None

    async def held(self, scope: Scope, since: datetime, limit: int) -> list[str]:
        seen = {row.group for row in self._history.values() if sees(scope, row.labels)}
        return sorted(seen & {row.group for row in self._history.values() if row.at >= since})[:limit]

    async def prune(self, before: datetime) -> int:
        held = {d.alert for d in self._deliveries.values() if d.state == "pending"}
        old = [(id, x.alert) for id, x in self._log.items() if x.alert.at < before and id not in held]
        alerts = {id for id, alert in old if not self._is_running(alert)}
        deliveries = {id for id, d in self._deliveries.items() if d.alert in alerts}
        attempts = sum(len(self._attempts.pop(id, ())) for id in deliveries)
        entries = {key for key, e in self._entries.items() if e.at < before}
        rows = {n for n, row in self._history.items() if row.at < before}
        gone: list[tuple[dict[Any, Any], set[Any]]] = [
            (self._log, alerts),
            (self._deliveries, deliveries),
            (self._entries, entries),
            (self._history, rows),
        ]
        for table, keys in gone:
            for key in keys:
                del table[key]
        return attempts + sum(len(keys) for _, keys in gone) + self._prune_audits(before)

    def _is_running(self, alert: Alert) -> bool:
        state = self._states.get(alert.subject)
        return state is not None and state.stage != NORMAL and state.episode == alert.episode

    async def backup(self, path: Path) -> None:
        raise StoreRefused("a store in memory has no file to copy; configure [store] kind = 'sqlite'")

    async def probe(self) -> None:
        return

    async def checkpoint(self) -> None:
        return

    async def close(self) -> None:
        return


def _group(alert: Alert) -> str | None:
    return alert.group.id if alert.group else None


def _as_text(labels: Mapping[str, str] | None) -> str:
    return "" if labels is None else msgspec.json.encode(labels, order="sorted").decode()


def _kept(value: T, kind: type[T]) -> T:
    return msgspec.json.decode(msgspec.json.encode(value), type=kind)
