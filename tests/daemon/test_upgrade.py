"""What the version before this one left is gone on from: its store, its event log, its notices (docs/upgrade.md).

`python -m tests.daemon.record_previous` recorded it, at the commit that landed before the work on this version began.
"""

from __future__ import annotations

import gzip
import json
import shutil
import sqlite3
from pathlib import Path

import pytest

from monitor.replay import run as replay
from monitor.stores.sqlite.file import MIGRATIONS
from tests.daemon.record_previous import FIELDS, FOLDER, house_at, state
from tests.faults.house import Daemon, SignedReceiver, until
from tests.feeds.venue import Venue
from tests.here import Here
from tests.here import here as here

LEFT = json.loads((FOLDER / "left.json").read_text())


def test_its_event_log_folds_to_the_alerts_that_it_raised() -> None:
    """With the same ids, at the same times."""
    told = [x.alert for _, some in replay.recorded(FOLDER / "events.jsonl", lambda _: None, pytest.fail) for x in some]
    stamps = [at[:23] for _, _, at in LEFT["alerts"]]
    assert [(a.id, a.type) for a in told] == [(id_, type_) for id_, type_, _ in LEFT["alerts"]]
    assert [a.at.isoformat(timespec="milliseconds")[:23] for a in told] == stamps


async def test_its_store_opens_and_the_daemon_goes_on(tmp_path: Path, here: Here) -> None:
    """Stages, acknowledgements, alerts and the audit record are as they were; what was not delivered is; a grace period whose end
    has passed meanwhile ends at its own time."""
    async with Venue() as venue, SignedReceiver() as receiver:
        house = house_at(tmp_path, venue, receiver.url())
        put_back(tmp_path / "var")
        async with Daemon(house) as daemon:
            await until(lambda: ended(daemon), "the grace period that has passed")
            now = await state(daemon)
            last = {group["id"]: group for group in now["groups"]}
            assert last["late"]["stage"] == "liquidation"
            for group in LEFT["groups"]:
                stage = {"stage": "liquidation"} if group["id"] == "late" else {}
                assert last[group["id"]] == {field: group[field] for field in FIELDS} | stage
            before = len(LEFT["alerts"])
            assert [list(alert) for alert in now["alerts"][:before]] == LEFT["alerts"]
            (news,) = [alert for alert in now["alerts"][before:] if alert[1].startswith("loan_group.")]
            assert news[1] == "loan_group.liquidation.triggered"
            assert [list(record) for record in now["audit"][: len(LEFT["audit"])]] == LEFT["audit"]
            wanted = {id_ for id_, _, _ in LEFT["alerts"]} | {news[0]}
            # The notice that its end supersedes is not sent any more.
            wanted -= {id_ for id_, type_, _ in LEFT["alerts"] if type_.endswith("delayed_liquidation.started")}
            await until(lambda: wanted <= set(receiver.ids), "what waited is delivered")
            assert len(receiver.ids) == len(set(receiver.ids))
        verified = await here("audit", "verify", "--config", "monitor.toml")
        assert verified.code == 0, verified
    with sqlite3.connect(tmp_path / "var/monitor.db") as db:
        assert db.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)


def put_back(folder: Path) -> None:
    """The store as a file, and the key that signed its audit record."""
    folder.mkdir()
    db = sqlite3.connect(folder / "monitor.db")
    db.executescript(gzip.decompress((FOLDER / "store.sql.gz").read_bytes()).decode())
    db.close()
    shutil.copy(FOLDER / "audit.key", folder / "audit.key")
    (folder / "audit.key").chmod(0o600)


async def ended(daemon: Daemon) -> bool:
    return any(a["data"].get("reason") == "grace_expired" for a in await daemon.alerts())
