"""Records what a daemon of this version leaves behind: its store, its event log, and what it said. The next version has to go on from it.

    python -m tests.daemon.record_previous

Run it with each release: `tests/daemon/test_upgrade.py` then opens with the newer monitor what the released one wrote.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import shutil
import sqlite3
import tempfile
from pathlib import Path
from typing import Any

from tests.book_lines import one_btc
from tests.faults.house import SECRET, Daemon, House, until
from tests.feeds.venue import Venue

FOLDER = Path(__file__).parent / "previous"
CONFIG = """\
[monitor]
name = "desk-1"
state_dir = "var"

[store]
kind = "sqlite"
path = "var/monitor.db"

[web]
port = 0

[prices]
stale_after = "3600s"
confirm_jump = "9"
confirm_after = "1s"

[lifecycle]
clear_hold = "15m"
grace_reminders = []
margin_call_repeat = "0s"

[[product]]
kind = "vip_loan"
file = "vip_loan.toml"

[[notifier]]
name = "hook"
kind = "webhook"
url = "{url}"
secret = "{secret}"
allow_private = true

[[route]]
to = ["hook"]

[[feed]]
name = "venue"
kind = "binance_futures"
url = "{venue}"
"""
NOBODY = "http://127.0.0.1:9/hook"
FIELDS = ("id", "stage", "episode", "version", "acknowledged", "labels")
GROUPS: dict[str, dict[str, Any]] = {
    "calm": {"owed": "10000"},
    "called": {"owed": "31600", "labels": {"borrower": "ACME"}},
    "told": {"owed": "32000"},
    "late": {"owed": "37000", "delayed_liquidation": True},
    "sold": {"owed": "39000"},
}
"""Each holds one BTC: what it owes says in which stage it is at 40,000 USD."""


def house_at(folder: Path, venue: Venue, url: str) -> House:
    """The configuration of the desk; a grace period of two minutes, and loans that bear no interest."""
    house = House(folder, venue)
    house.product(grace="2m")
    rules = folder / "vip_loan.toml"
    rules.write_text(rules.read_text().replace('USDT = "0.00016"', 'USDT = "0"'))
    house.config.write_text(CONFIG.format(url=url, secret=SECRET, venue=venue.url))
    return house


async def state(daemon: Daemon) -> dict[str, Any]:
    """What has to be the same after the upgrade."""
    groups = (await daemon.get("/v1/groups?sort=id"))["items"]
    alerts = [(a["data"]["id"], a["type"], a["timestamp"]) for a in await daemon.alerts()]
    audit = [(a["action"], a["subject"]) for a in (await daemon.get("/v1/audit"))["items"]]
    return {"groups": [{f: g.get(f) for f in FIELDS} for g in groups], "alerts": alerts, "audit": audit}


async def record(target: Path) -> None:
    """One short day of a desk, with a channel that takes nothing."""
    with tempfile.TemporaryDirectory() as name:
        async with Venue() as venue:
            house = house_at(Path(name), venue, NOBODY)
            async with Daemon(house) as daemon:
                await venue.marks({"BTCUSDT": "40000"})
                await until(lambda: priced(daemon), "the price is there")
                for id_, stated in GROUPS.items():
                    await daemon.put(one_btc(id_, **stated))
                await until(lambda: opened(daemon), "the alerts are there")
                (told,) = [
                    a["data"]["id"] for a in await daemon.alerts() if a["data"].get("group", {}).get("id") == "told"
                ]
                assert (await daemon.ask("POST", f"/v1/alerts/{told}/ack", {"note": "called"}))[0] == 200
                body = {"id": "E-1", "type": "deposit", "account": "calm-a", "asset": "BTC", "quantity": "0.5"}
                status, found = await daemon.ask("POST", "/v1/groups/calm/entries", body)
                assert status == 200, found
                left = await state(daemon)
                await daemon.stop()
            keep(house.folder / "var", left, target)


def keep(var: Path, left: dict[str, Any], target: Path) -> None:
    """The store as text, as its file would be larger and no text; the key that signed its audit record beside it."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    db = sqlite3.connect(var / "monitor.db")
    marks = [f"PRAGMA {m} = {db.execute(f'PRAGMA {m}').fetchone()[0]};" for m in ("user_version", "application_id")]
    dump = "\n".join([*db.iterdump(), *marks])
    db.close()
    (target / "store.sql.gz").write_bytes(gzip.compress(dump.encode(), mtime=0))
    (log,) = (var / "events").glob("*")
    (target / "events.jsonl").write_bytes(log.read_bytes())
    shutil.copy(var / "audit.key", target / "audit.key")
    (target / "left.json").write_text(json.dumps(left, indent=1) + "\n")


async def priced(daemon: Daemon) -> bool:
    return bool((await daemon.get("/v1/prices"))["items"]) or not await daemon.reasons()


async def opened(daemon: Daemon) -> bool:
    alerts = await daemon.alerts()
    told = {a["data"].get("group", {}).get("id") for a in alerts}
    return told >= {"called", "told", "late", "sold"} and any(a["type"] == "delivery.failing" for a in alerts)


if __name__ == "__main__":
    asyncio.run(record(FOLDER))
