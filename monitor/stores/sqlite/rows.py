"""Values to rows and back. Times are whole microseconds since 1970; bodies but those of `packed` are JSON."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from monitor.stores.base import Attempt, Delivery

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

encode = msgspec.json.Encoder().encode
# One text, so that the statement's cache is hit whatever the number of values.
EACH = "(SELECT value FROM json_each(?))"
DELIVERY = (
    "cursor, id, alert, notifier, targets, subject, type, severity, episode, state, attempts, due_at, created_at, "
    "detail"
)
_targets = msgspec.json.Decoder(tuple[str, ...]).decode


def micros(at: datetime) -> int:
    """Exact, and ordered as the times are."""
    return (at - _EPOCH) // _MICROSECOND


def when(at: int) -> datetime:
    """The time of `micros`, in UTC."""
    return _EPOCH + at * _MICROSECOND


def each(values: Iterable[Any]) -> str:
    """The parameter of EACH."""
    return encode(list(values)).decode()


def delivery_row(d: Delivery) -> tuple[Any, ...]:
    """In the order of DELIVERY."""
    return (
        d.cursor, d.id, d.alert, d.notifier, encode(d.to).decode(), d.subject, d.type, d.severity, d.episode, d.state,
        d.attempts, micros(d.due_at), micros(d.created_at), d.detail,
    )  # fmt: skip


def delivery(row: Any) -> Delivery:
    """From a row in the order of DELIVERY."""
    cursor, id, alert, notifier, targets, subject, type_, severity, episode, state, attempts, due, made, detail = row
    return Delivery(
        id, cursor, alert, notifier, _targets(targets), subject, type_, severity, episode, state, attempts, when(due),
        when(made), detail,
    )  # fmt: skip


def attempt(row: Any) -> Attempt:
    """From delivery, at, state, detail, due_at, took_ms."""
    delivery, at, state, detail, due_at, took_ms = row
    return Attempt(delivery, when(at), state, detail, when(due_at), took_ms)
