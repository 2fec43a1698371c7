"""Answers as the contract describes them. The test of the contract holds every real answer against these."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.core.alerts.payload import AlertItem
from monitor.core.queries.explain import GroupRow, PriceItem
from monitor.stores._base import DeliveryState


class _Shape(msgspec.Struct, frozen=True):
    pass


class GroupList(_Shape, frozen=True):
    """Groups, worst first."""

    items: list[GroupRow]
    next: str | None


class EntryAnswer(_Shape, frozen=True):
    """What became of a book entry. `group` is null where the group was closed since a first, equal entry."""

    id: str
    type: str
    at: str | None
    version: int | None
    duplicate: bool
    group: GroupRow | None


class AlertList(_Shape, frozen=True):
    """Alerts, oldest first."""

    items: list[AlertItem]
    next: int | None


class AttemptItem(_Shape, frozen=True):
    """One attempt and what it ended with."""

    at: str
    state: DeliveryState
    detail: str
    due_at: str
    took_ms: float


class DeliveryItem(_Shape, frozen=True):
    """One alert on its way to one notifier."""

    id: str
    cursor: int
    alert: str
    notifier: str
    to: list[str]
    subject: str
    type: str
    severity: str
    state: DeliveryState
    attempts: int
    due_at: str
    created_at: str
    detail: str


class DeliveryDetail(DeliveryItem, frozen=True):
    """A delivery with the record of its attempts."""

    record: list[AttemptItem]


class DeliveryList(_Shape, frozen=True):
    """Deliveries, oldest alert first."""

    items: list[DeliveryItem]
    next: str | None


class PriceList(_Shape, frozen=True):
    """Prices by asset."""

    items: list[PriceItem]
    next: str | None


class AuditItem(_Shape, frozen=True):
    """Who changed what and when, with the state before and after."""

    cursor: int
    at: str
    who: str
    action: str
    subject: str
    before: Any
    after: Any


class AuditList(_Shape, frozen=True):
    """The audit record, oldest first."""

    items: list[AuditItem]
    next: int | None
