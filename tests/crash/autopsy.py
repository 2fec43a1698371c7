"""What a dead daemon left in its store, read from a copy by plain SQL."""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple


class Owed(NamedTuple):
    """A delivery as the store has it."""

    alert: str
    notifier: str
    state: str
    attempts: int


@dataclass(frozen=True)
class Findings:
    """Everything committed. `at` is the time of the last committed event, None before the first."""

    at: datetime | None = None
    states: dict[str, dict[str, Any]] = field(default_factory=dict)
    groups: dict[str, dict[str, Any]] = field(default_factory=dict)
    alerts: list[str] = field(default_factory=list)
    """Ids in the order of the log."""
    deliveries: dict[tuple[str, str], Owed] = field(default_factory=dict)
    """By notifier and alert."""
    entries: list[tuple[str, str]] = field(default_factory=list)
    rows: list[dict[str, Any]] = field(default_factory=list)
    """Each delivery with all its columns, in the order of the log."""
    switched: set[str] = field(default_factory=set)
    """Channels that are off."""
    endpoints: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Those made by API, by name."""
    escalations: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Those that are open, by what they are about."""


def examine(store: Path, copy: Path) -> Findings:
    """Copies the file with its log, has SQLite recover and check the copy, and reads it; the original is not touched."""
    if not store.exists():
        return Findings()
    for suffix in ("", "-wal"):
        part = Path(f"{store}{suffix}")
        if part.exists():
            shutil.copyfile(part, f"{copy}{suffix}")
    with closing(sqlite3.connect(copy)) as db:
        verdict = db.execute("PRAGMA integrity_check").fetchall()
        assert verdict == [("ok",)], f"{copy} is damaged: {verdict}"
        return _read(db)


def _states(db: sqlite3.Connection) -> dict[str, Any]:
    """By group: those in rows of their own, and newer ones that wait in the row of their commit."""
    found = {id_: json.loads(body) for id_, body in db.execute("SELECT id, body FROM states")}
    for (body,) in db.execute("SELECT body FROM later_states ORDER BY number"):
        found |= {state["group"]: state for state in json.loads(body)}
    return {id_: state for id_, state in found.items() if state.keys() != {"group"}}


def _read(db: sqlite3.Connection) -> Findings:
    desk = db.execute("SELECT body FROM desk").fetchone()
    watchers = json.loads(desk[0]).get("watchers") or {} if desk else {}
    columns = [column[1] for column in db.execute("PRAGMA table_info(deliveries)")]
    everything = db.execute(f"SELECT {', '.join(columns)} FROM deliveries ORDER BY cursor, id")
    rows = db.execute("SELECT alert, notifier, state, attempts FROM deliveries ORDER BY cursor, id")
    return Findings(
        at=datetime.fromisoformat(json.loads(desk[0])["at"]) if desk else None,
        states=_states(db),
        groups={id_: json.loads(body)["group"] for id_, body in db.execute("SELECT id, body FROM groups") if body},
        alerts=[id_ for (id_,) in db.execute("SELECT id FROM alerts ORDER BY cursor")],
        deliveries={(row[1], row[0]): Owed(*row) for row in rows},
        entries=db.execute("SELECT group_id, id FROM entries").fetchall(),
        rows=[dict(zip(columns, row, strict=True)) for row in everything],
        switched={name for (name,) in db.execute("SELECT notifier FROM switched")},
        endpoints={name: json.loads(body) for name, body in db.execute("SELECT name, body FROM subscriptions")},
        escalations={each["subject"]: each for each in watchers.get("escalations", ())},
    )
