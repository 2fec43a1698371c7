"""Values to rows and back. Times are whole microseconds since 1970; bodies but those of `packed` are JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from monitor.core.instants import time_at
from monitor.stores._base import Attempt, Delivery

encode = msgspec.json.Encoder().encode
# One text, so that the statement's cache is hit whatever the number of values.
EACH = "(SELECT value FROM json_each(?))"
# An alert whose figures are worked out, as the partial indices of alerts say it.
WHOLE = "substr(body, 1, 1) <> x'C1'"
# Such an alert of this id, in the words of the index. Without the plus SQLite would put the value in the place of every `id`.
BY_ID = f"substr(id, 5, 8) = substr(:id, 5, 8) AND {WHOLE} AND +id = :id"
# The columns of a delivery, in the order of the fields of Delivery.
DELIVERY = (
    "id, cursor, alert, notifier, targets, subject, type, severity, episode, state, attempts, due_at, created_at, "
    "detail, gather, debt_usd"
)
_TO, _DUE_AT, _CREATED_AT = map(Delivery.__struct_fields__.index, ("to", "due_at", "created_at"))
_encode_labels = msgspec.json.Encoder(order="sorted").encode
_decode_labels = msgspec.json.Decoder(dict[str, str]).decode
targets_of = msgspec.json.Decoder(tuple[str, ...]).decode


def each(values: Iterable[Any]) -> str:
    """The parameter of EACH."""
    return encode(list(values)).decode()


def labels_text(labels: Mapping[str, str] | None) -> str:
    """Labels as a column has them: one text for each set, empty where they are not known."""
    return "" if labels is None else _encode_labels(labels).decode()


def labels_of(text: str | None) -> dict[str, str] | None:
    """The labels of a column."""
    return _decode_labels(text) if text else None


@lru_cache(maxsize=4096)  # nearly always none: the notifier's own
def targets_text(to: tuple[str, ...]) -> str:
    """The recipients of a delivery as they are stored."""
    return encode(to).decode()


def delivery(row: Any) -> Delivery:
    """From a row in the order of DELIVERY."""
    values = list(row)
    values[_TO] = targets_of(values[_TO])
    values[_DUE_AT] = time_at(values[_DUE_AT])
    values[_CREATED_AT] = time_at(values[_CREATED_AT])
    return Delivery(*values)


def delivery_row(new: Delivery, due_at: int, created_at: int) -> tuple[Any, ...]:
    """The row of a delivery in the order of DELIVERY; both times in microseconds, as those of a commit are all alike."""
    # Field by field: a storm makes tens of thousands of rows.
    return (
        *(new.id, new.cursor, new.alert, new.notifier, targets_text(new.to), new.subject, new.type, new.severity),
        *(new.episode, new.state, new.attempts, due_at, created_at, new.detail, new.gather, new.debt_usd),
    )


def attempt(row: Any) -> Attempt:
    """From delivery, at, state, detail, due_at, took_ms."""
    delivery, at, state, detail, due_at, took_ms = row
    return Attempt(delivery, time_at(at), state, detail, time_at(due_at), took_ms)
