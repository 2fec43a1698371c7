"""What the web asks about endpoints that are made by API, and gets from the daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Protocol

import msgspec

from monitor.core.alerts.matching import Match
from monitor.notifiers._base import Notice
from monitor.stores._base import Audit, Subscription
from monitor.webhook_keys import Kind, NewKey


class AskedEndpoint(msgspec.Struct, frozen=True):
    """An endpoint that somebody wants."""

    name: str
    url: str
    key: Kind
    types: tuple[str, ...] = ()
    match: Match = Match()
    batch: bool = False
    note: str = ""


class TestedEndpoint(msgspec.Struct, frozen=True):
    """How one attempt with a test notice ended."""

    delivered: bool
    detail: str
    took_ms: float


class EndpointRefused(Exception):
    """An endpoint that cannot be: the key that is wrong, what is wrong with it, and whether only its name is taken."""

    def __init__(self, where: str, what: str, *, is_taken: bool = False) -> None:
        super().__init__(f"{where}: {what}")
        self.where = where
        self.what = what
        self.is_taken = is_taken


AuditedChange = Callable[[Subscription | None, Subscription | None], Audit]
"""Makes the audit of a change from the endpoint before and after; it goes into the transaction of the change."""


class SubscriptionDesk(Protocol):
    """The endpoints of a daemon. `find` first: the rest expects a name that is there."""

    def all(self) -> Sequence[Subscription]: ...

    def find(self, name: str) -> Subscription | None: ...

    def problem(self, name: str) -> str | None: ...

    async def make(self, asked: AskedEndpoint, audited: AuditedChange | None = None) -> tuple[Subscription, NewKey]: ...

    async def rotate(
        self, name: str, kind: Kind, overlap: timedelta, audited: AuditedChange | None = None
    ) -> tuple[Subscription, NewKey]: ...

    async def switch(self, name: str, *, is_enabled: bool, audited: AuditedChange | None = None) -> Subscription: ...

    async def drop(self, name: str, audited: AuditedChange | None = None) -> None: ...

    async def test(self, name: str, notice: Notice) -> TestedEndpoint: ...
