"""What every store shares: one commit for all that one event makes durable, and the queries.

A channel gets good news only if the bad news of the same episode was attempted there. A stage alert cancels the older
undelivered notices of its group on every channel. The commit decides both, so that no attempt comes in between.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, Protocol

import msgspec

from monitor.audit_chain import AuditHead
from monitor.audit_keys import AuditKeys
from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.alert_type import Severity
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.matching import Match
from monitor.core.events.history import Row
from monitor.core.groups.outcome import StoredBlock, StoredGroup
from monitor.core.groups.plain_moves import Rendered
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.groups.watcher_states import WatcherStates
from monitor.core.money import plain
from monitor.core.prices.quote import Mark
from monitor.core.rules.product import CoinRates
from monitor.core.stages.stages import GroupState

KEY_BYTES = 32
DeliveryState = Literal["pending", "delivered", "superseded", "failed"]


class Applied(msgspec.Struct, frozen=True):
    """A book entry that was applied: the same id with the same digest is the same entry."""

    group_id: str
    id: str
    digest: str
    version: int
    at: datetime
    life: int = 0
    """Of the group: a closed id that is put again knows no entry of its former life."""
    labels: Mapping[str, str] | None = None
    """The group's labels then. A scope that they are outside of may give the id to an entry of its own."""


class Audit(msgspec.Struct, frozen=True):
    """Who changed what and when, with the state before and after (JSON values)."""

    at: datetime
    who: str
    action: str
    subject: str
    before: Any
    after: Any
    labels: Mapping[str, str] | None = None
    """Those of the group that it is about, as it was then; of a change of labels those that stayed."""


class AuditFilter(msgspec.Struct, frozen=True):
    """Which records of the audit are wanted. `action` may be a glob."""

    after: int = 0
    """Only records behind this number; with `newest_first` those before it, and 0 is the end."""
    limit: int = 100
    who: str | None = None
    action: str | None = None
    subject: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Before this time."""
    newest_first: bool = False

    def keeps(self, audit: Audit) -> bool:
        """Whether a record is wanted, whatever its number."""
        return (
            self.who in (None, audit.who)
            and self.subject in (None, audit.subject)
            and (self.action is None or fnmatchcase(audit.action, self.action))
            and (self.since is None or audit.at >= self.since)
            and (self.until is None or audit.at < self.until)
        )


class CoreState(msgspec.Struct, frozen=True):
    """What core knows beside groups: the time of the last event, the marks, and what the watchers remember."""

    at: datetime
    marks: Iterable[Mark]
    """By asset. Each try of the commit goes through them again, in the store's thread; a Snapshot has a tuple."""
    watchers: WatcherStates = WatcherStates()


class Target(msgspec.Struct, frozen=True, cache_hash=True):
    """Where one alert goes: a notifier, and the borrower's addresses where these are meant."""

    notifier: str
    to: tuple[str, ...] = ()
    gather: str = ""
    """What it is gathered with into a digest, as dispatch/digests.py writes it; empty: it goes by itself."""
    until: datetime | None = None
    """A quiet time holds it until then."""


class Change(msgspec.Struct, frozen=True):
    """All that one commit makes durable. Its order: blocks, dropped blocks, groups, closed.

    A block replaces the rows of its groups, so the rows of its `ids` go. A group has a row again when it changes. A
    closed group is gone, even if a block still holds it. Its state stays: a group that comes back goes on counting, so
    that no alert id is used twice.
    """

    at: datetime
    groups: tuple[StoredGroup, ...] = ()
    closed: tuple[str, ...] = ()
    states: tuple[GroupState, ...] = ()
    alerts: tuple[tuple[Alert, tuple[Target, ...]], ...] = ()
    entries: tuple[Applied, ...] = ()
    audits: tuple[Audit, ...] = ()
    desk: CoreState | None = None
    blocks: tuple[StoredBlock, ...] = ()
    dropped_blocks: tuple[int, ...] = ()
    history: tuple[Row, ...] = ()
    rates: tuple[CoinRates, ...] = ()
    """Each replaces all that was kept for its coin; one without rows deletes that."""


class Delivery(msgspec.Struct, frozen=True, gc=False):
    """One alert on its way to one notifier."""

    id: str
    cursor: int
    alert: str
    notifier: str
    to: tuple[str, ...]
    subject: str
    type: str
    severity: Severity
    episode: int
    state: DeliveryState
    attempts: int
    due_at: datetime
    created_at: datetime
    detail: str = ""
    """What the last attempt ended with."""
    gather: str = ""
    """As in Target."""
    debt_usd: str = ""
    """What the group owes; empty where the alert does not say."""
    rough_debt: float | None = None
    """The same as far as a float says it, where the exact figure is not worked out yet: for an order alone, and not kept."""

    @property
    def place(self) -> str:
        """Its place in every list of deliveries; DeliveryFilter.after takes it, to go on behind it."""
        return f"{self.cursor}:{self.id}"

    @property
    def held_until(self) -> datetime | None:
        """When the quiet time ends that holds it; None where none does. What is due at once is due when it was made."""
        is_held = self.state == "pending" and not self.attempts and self.due_at > self.created_at
        return self.due_at if is_held else None


class Switched(msgspec.Struct, frozen=True):
    """A notifier that is switched off: since when, why, and with which configuration."""

    notifier: str
    at: datetime
    reason: str
    digest: str
    """Of its configuration: with another one it is switched on again."""


class Attempt(msgspec.Struct, frozen=True):
    """The outcome of an attempt: the delivery's new state, and when it is due again."""

    delivery: str
    at: datetime
    state: DeliveryState
    detail: str
    due_at: datetime
    took_ms: float = 0.0


class Committed(msgspec.Struct, frozen=True):
    """What a commit did: the new alerts with their cursors, the deliveries now due, and those it cancelled."""

    cursor: int
    alerts: tuple[LoggedAlert, ...] = ()
    deliveries: tuple[Delivery, ...] = ()
    cancelled: tuple[str, ...] = ()


class StoredState(msgspec.Struct, frozen=True):
    """All that a restart needs to go on as if nothing had happened.

    `groups` says how a group stands. One that is neither there nor `closed` or `known` stands in the last block that
    holds it. A group to which nothing has happened yet has no state in `states`.
    """

    desk: CoreState | None
    groups: tuple[StoredGroup, ...]
    states: tuple[GroupState, ...]
    cursor: int
    blocks: tuple[StoredBlock, ...] = ()
    """By number, without their ids."""
    closed: tuple[str, ...] = ()
    """Groups that were closed, though a block may still hold them."""
    rates: tuple[CoinRates, ...] = ()
    known: frozenset[str] = frozenset()
    """Others that are kept beside the blocks: a standby has them already as they are."""


class AlertFilter(msgspec.Struct, frozen=True):
    """Which alerts of the log are wanted; `type` may be a glob. `newest_first`: those before `after`; 0 is the end."""

    after: int = 0
    group: str | None = None
    type: str | None = None
    severity: str | None = None
    limit: int = 100
    since: datetime | None = None
    until: datetime | None = None
    """Begins with the first alert in the log at `since` or later; only alerts before `until` are wanted."""
    newest_first: bool = False

    def types(self) -> tuple[str, ...] | None:
        """The alert types that `type` and `severity` leave, or None where they leave all; `keeps` decides on each alert."""
        if self.type is None and self.severity is None:
            return None
        glob = self.type or "*"
        return tuple(t for t, row in CATALOGUE.items() if fnmatchcase(t, glob) and row.may_be(self.severity))

    def keeps(self, alert: Alert) -> bool:
        """Whether an alert of a wanted type is wanted: a few types have the severity of what they are about."""
        return self.severity in (None, alert.severity) and (self.until is None or alert.at < self.until)


class DeliveryFilter(msgspec.Struct, frozen=True):
    """Which deliveries are wanted, by cursor and id; `type` may be a glob."""

    after: str = ""
    """The `place` of the last delivery seen; empty for the first page."""
    state: str | None = None
    notifier: str | None = None
    alert: str | None = None
    limit: int = 100
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    """Committed at `since` or later, and before `until`."""

    def start(self) -> tuple[int, str]:
        """The cursor and id after which to go on. Raises ValueError when `after` is not a place."""
        cursor, colon, id = self.after.partition(":")
        if self.after and not (colon and cursor.isascii() and cursor.isdigit() and len(cursor) < 19):
            raise ValueError(f"found {self.after[:40]!r}, expected the place of a delivery, such as 1042:dlv_...")
        return int(cursor or 0), id


class HistoryFilter(msgspec.Struct, frozen=True):
    """Which rows of a group's history are wanted, in the order in which they were committed."""

    group: str
    kinds: tuple[str, ...] = ()
    """Empty: of every kind."""
    loan: str | None = None
    after: int = 0
    since: datetime | None = None
    """Only rows at this time or later."""
    limit: int = 100
    life: int | None = None
    """Only rows of this life of the group; None: of all."""
    scope: Scope = ()
    """Only rows that this scope may see."""
    until: datetime | None = None
    """Only rows at this time or earlier."""
    is_newest_first: bool = False

    def keeps(self, row: Row) -> bool:
        """Whether a row is of the wanted life and may be seen."""
        return self.life in (None, row.life) and sees(self.scope, row.labels)


BLIND, UNKNOWN, UNRECOGNISED = 1, 2, 4
"""Flags of an LtvPoint. While it was sampled: a price was not trusted, a price was missing, nothing was recognised."""


class LtvPoint(msgspec.Struct, frozen=True):
    """The LTV of a group in the `step_s` seconds from `at` on, as far as it was sampled; None where it had none."""

    group: str
    step_s: int
    at: datetime
    low: Decimal | None
    high: Decimal | None
    last: Decimal | None
    flags: int = 0
    labels: Mapping[str, str] | None = None
    """The group's labels then; None where they changed meanwhile, and in points from before they were kept."""


class SigningKey(msgspec.Struct, frozen=True):
    """A key of an endpoint; `until`: a newer one has replaced it, and it signs no longer than this."""

    secret: str
    until: datetime | None = None

    def __repr__(self) -> str:
        return f"SigningKey(until={self.until})"


class Subscription(msgspec.Struct, frozen=True):
    """An endpoint that was made by API: where its alerts go, which they are, and what signs them."""

    name: str
    url: str
    keys: tuple[SigningKey, ...]
    """The newest first."""
    created_at: datetime
    types: tuple[str, ...] = ()
    """Globs, any of them; empty: every type."""
    match: Match = Match()
    batch: bool = False
    is_enabled: bool = True
    note: str = ""


class Backup(msgspec.Struct, frozen=True):
    """A copy of a store, and what opens it."""

    file: Path
    identity: Path | None = None
    """The file with the identity of age that it was encrypted for."""
    key: str | None = None
    """The key of the store that it is of, where that is not the one of the configuration."""

    def __repr__(self) -> str:
        return f"Backup({str(self.file)!r})"


class StoreUnavailable(Exception):
    """The store could not be written or read now (disk full, file gone). Trying again later is right."""


class StoreRefused(StoreUnavailable):
    """The store cannot be used as it is: another process holds it, it is newer than known, or no store. A person must act."""


def is_untouched(state: GroupState) -> bool:
    """Nothing has happened to the group yet: a store keeps no state for it."""
    return state == GroupState(state.group)


def delivery_id(cursor: int, target: Target) -> str:
    """`dlv_`, the alert's cursor and 8 characters for the target: one alert to one target is one delivery."""
    return f"dlv_{cursor}_{_target_id(target)}"


def debt_text(alert: Alert) -> str:
    """What the group of an alert owes, as deliveries keep it."""
    figures = alert.figures
    return "" if figures is None or figures.debt_usd is None else plain(figures.debt_usd)


def handed_over(old: Delivery, target: Target, at: datetime) -> Delivery:
    """The delivery of the same alert to a fallback, beside the old one. It is late from now on, not from the commit."""
    return msgspec.structs.replace(
        old,
        id=delivery_id(old.cursor, target),
        notifier=target.notifier,
        to=target.to,
        state="pending",
        attempts=0,
        due_at=at,
        created_at=at,
        detail="",
        gather="",
    )


def owed(targets: Iterable[Target], told: Iterable[Target]) -> list[Target]:
    """Where good news goes: to everybody who was told the episode's bad news, wherever routes and silences point now.

    `told` are those to whom it was attempted. A channel that was told may have new recipients: these hear it as well.
    """
    channels = {t.notifier for t in told}
    found = {(t.notifier, t.to): t for t in told} | {(t.notifier, t.to): t for t in targets if t.notifier in channels}
    return list(found.values())


def moved(old: Delivery, targets: Sequence[Target], at: datetime) -> tuple[Delivery, list[Delivery]]:
    """A delivery that goes elsewhere: how it ends, and those in its place. They keep the time from which it is late."""
    made = [
        msgspec.structs.replace(
            old,
            id=delivery_id(old.cursor, target),
            notifier=target.notifier,
            to=target.to,
            attempts=0,
            due_at=at if target.until is None else max(target.until, at),
            detail="",
        )
        for target in targets
    ]
    names = ", ".join(dict.fromkeys(t.notifier for t in targets))
    return msgspec.structs.replace(old, state="superseded", detail=f"moved to {names}: its notifier is gone"), made


@lru_cache(maxsize=4096)  # the notifiers of a desk, and the addresses of borrowers who were told lately
def _target_id(target: Target) -> str:
    digest = hashlib.sha256("|".join((target.notifier, ",".join(target.to))).encode()).digest()
    return base64.b32encode(digest[:5]).decode().lower()


Audited = Callable[[Sequence[Delivery]], Audit]
"""Makes the audit of what was done, from the deliveries that it was done to; it goes into the same transaction."""


class Store(Protocol):
    """Durable state. Its module has `Config` and `build(config) -> Store`. Every method may raise StoreUnavailable."""

    async def open(self) -> StoredState:
        """Opens or creates the store and loads what a restart needs."""

    async def commit(self, change: Change) -> Committed:
        """One transaction, synced to disk. An alert whose id is in the log already is not added again."""

    async def render(self, most: int) -> Rendered:
        """Works out figures that were left for later, of so many alerts and rows. A store that leaves none has none to do."""

    async def open_deliveries(self) -> list[Delivery]:
        """All pending deliveries by cursor."""

    async def start_attempts(self, ids: Sequence[str], at: datetime) -> list[str]:
        """Counts an attempt for each, durably and before it is made; returns those still pending, which are due at `at`."""

    async def end_attempts(self, attempts: Sequence[Attempt]) -> None:
        """Records outcomes. A delivery that was superseded meanwhile stays so, unless it was delivered.

        One that was made due after its attempt began (`retry`, `send_again`) stays pending, however the attempt ended.
        """

    async def alerts(self, wanted: AlertFilter) -> list[LoggedAlert]: ...

    async def alert(self, id: str) -> LoggedAlert | None: ...

    async def deliveries(self, wanted: DeliveryFilter) -> list[Delivery]: ...

    async def delivery(self, id: str) -> Delivery | None: ...

    async def attempts(self, delivery: str) -> list[Attempt]: ...

    async def move(self, delivery: Delivery, targets: Sequence[Target], at: datetime) -> list[Delivery]:
        """Ends an undelivered notice whose notifier is gone, and makes those to other targets, all in one transaction.

        A target that has a delivery of this alert gets no second one. Returns those that it made.
        """

    async def hand_over(self, pairs: Sequence[tuple[Delivery, Target]], at: datetime) -> list[Delivery]:
        """Makes deliveries of the same alerts to fallbacks, in one transaction; the old ones stay as they are.

        Passes over what was superseded or delivered meanwhile, and what the fallback has already. Returns those made.
        """

    async def hold(self, until: Mapping[str, datetime | None], at: datetime) -> list[Delivery]:
        """Moves the ends of quiet times, by delivery; None ends one: its notice is as young as `at`, with its whole horizon.

        Passes over what is pending no longer, and what was tried. Returns the others as they are now.
        """

    async def switch_off(self, switched: Switched, audit: Audit | None = None) -> None:
        """A notifier sends no more until `switch_on`. What a person did has its audit in the same transaction."""

    async def switch_on(self, notifier: str, audit: Audit | None = None) -> None: ...

    async def switched_off(self) -> list[Switched]:
        """By name."""

    async def retry_all(
        self, deliveries: Sequence[str], at: datetime, audited: Audited | None = None
    ) -> list[Delivery]:
        """As `retry` of each, in one transaction.

        News of a stage is passed over where its channel had newer news of that group: older never comes after newer.
        """

    async def retry(self, delivery: str, at: datetime, audited: Audited | None = None) -> Delivery | None:
        """Makes a delivery due at once, even one that was delivered; None if there is no such id."""

    async def send_again(self, deliveries: Sequence[Delivery], audited: Audited | None = None) -> list[Delivery]:
        """Makes deliveries due, whether the store has them already or not, all in one transaction. Returns them as they are.

        They are as young as the ones given: what is sent again has its whole horizon. Attempts made before still count.
        """

    async def subscriptions(self) -> list[Subscription]:
        """Every endpoint that was made by API, by name."""

    async def keep_subscription(self, kept: Subscription, audit: Audit | None = None) -> None:
        """Makes an endpoint, or replaces the one of that name."""

    async def drop_subscription(self, name: str, audit: Audit | None = None) -> None:
        """Forgets an endpoint."""

    async def entry(self, group_id: str, id: str, scope: Scope = ()) -> Applied | None:
        """The newest entry of this id, of whatever life of the group, that the scope may see."""

    async def audits(
        self, after: int, limit: int, subject: str | None = None, since: datetime | None = None, scope: Scope = ()
    ) -> list[tuple[int, Audit]]:
        """The audits after a number, oldest first; of one subject, not before a time, within a scope, if given."""

    async def audit_page(self, wanted: AuditFilter) -> list[tuple[int, Audit]]:
        """A page of the audit record, each with its number."""

    def sign_audits(self, keys: AuditKeys) -> None:
        """Signs records from now on, see audit_chain.py. Call it before `open`; a reload may bring other keys."""

    async def audit_head(self) -> AuditHead:
        """The last record that was committed."""

    async def key(self, name: str) -> bytes:
        """A secret of 32 bytes, made when it is first asked for and kept from then on."""

    async def keep_points(self, points: Sequence[LtvPoint]) -> None:
        """Adds points of the history of LTV; a point that is there already is merged with the newer one."""

    async def points(self, group: str, step_s: int, start: datetime, end: datetime) -> list[LtvPoint]:
        """The points of a group that begin in [start, end), in order."""

    async def prune_points(self, step_s: int, before: datetime) -> int:
        """Deletes points of a resolution that are older; returns how many."""

    async def history(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        """A page of a group's history, each row with its number, which only grows."""

    async def first_rows(self, wanted: HistoryFilter) -> list[tuple[int, Row]]:
        """The first row of each loan of a group that is of the life and the scope, in their order."""

    async def newest_life(self, group: str, scope: Scope) -> int | None:
        """The life of the newest row of a group that a scope may see; None where it may see none."""

    async def held(self, scope: Scope, since: datetime, limit: int) -> list[str]:
        """Ids of the groups of which a scope may see rows, and which have a row at a time or later; by id."""

    async def prune(self, before: datetime) -> int:
        """Deletes older alerts with their deliveries and attempts, entries, audits, history; returns how many rows.

        Audits go from the first on, up to one that is not older; a signed mark says up to where.

        An alert stays while a delivery of it is pending. It also stays while its episode runs, as the record of what was
        told decides who gets the good news.
        """

    async def backup(self, path: Path) -> None:
        """An online copy of the store at `path`. Raises StoreRefused where a file is already, or none can be made."""

    async def probe(self) -> None:
        """Writes and removes one row, which proves that a commit would succeed."""

    async def checkpoint(self) -> None:
        """Moves the write-ahead log into the main file where there is one."""

    async def close(self) -> None: ...
