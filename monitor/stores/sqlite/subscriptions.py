"""Endpoints that were made by API. Their keys stand here too, as they must sign after a restart."""

from __future__ import annotations

import sqlite3

import msgspec

from monitor.core.instants import micros_of
from monitor.stores._base import Subscription
from monitor.stores._rows import encode
from monitor.stores.sqlite.connection import transaction

_decode = msgspec.json.Decoder(Subscription).decode


def listed(db: sqlite3.Connection) -> list[Subscription]:
    """All, by name."""
    return [_decode(body) for (body,) in db.execute("SELECT body FROM subscriptions ORDER BY name")]


def keep(db: sqlite3.Connection, kept: Subscription) -> None:
    """Makes one, or replaces it."""
    row = (kept.name, kept.url, kept.is_enabled, micros_of(kept.created_at), encode(kept))
    with transaction(db):
        db.execute("INSERT OR REPLACE INTO subscriptions VALUES (?, ?, ?, ?, ?)", row)


def drop(db: sqlite3.Connection, name: str) -> None:
    """Forgets one."""
    with transaction(db):
        db.execute("DELETE FROM subscriptions WHERE name = ?", (name,))
