"""What people do with a running monitor stands in its audit record, under their name; the command reads and proves it."""

from __future__ import annotations

import contextlib
import csv
import json
import sqlite3
from datetime import timedelta
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from monitor.daemon.app import App
from monitor.stores._base import Audit, DeliveryFilter
from monitor.web.contract import routes
from tests.book_lines import one_btc
from tests.faults.house import Daemon, House
from tests.faults.inside import running, said
from tests.here import Here
from tests.here import here as here

BOSS = 'port = 0\ntokens = [{ name = "boss", role = "admin", secret = "a-long-secret-of-the-boss" }]'


class Act(NamedTuple):
    """What a person asks of a route, and the action by which the record names it. `{...}` is filled in."""

    action: str
    path: str = ""
    body: Any = None


ACTS: dict[tuple[str, str], Act] = {
    ("PUT", "/v1/groups/{id}"): Act("put group", "/v1/groups/G", one_btc("G", btc="0")),
    ("POST", "/v1/groups/{id}/entries"): Act(
        "entry repay", "/v1/groups/G/entries", {"type": "repay", "asset": "USDT", "amount": "1", "id": "e-1"}
    ),
    ("POST", "/v1/alerts/{id}/ack"): Act("acknowledge", "/v1/alerts/{alert}/ack", {}),
    ("DELETE", "/v1/alerts/{id}/ack"): Act("unacknowledge", "/v1/alerts/{alert}/ack"),
    ("POST", "/v1/deliveries/{id}/retry"): Act("retry delivery", "/v1/deliveries/{delivery}/retry"),
    ("POST", "/v1/deliveries/retry"): Act("retry deliveries", "", {"notifier": "desk", "state": "delivered"}),
    ("POST", "/v1/deliveries/replay"): Act("replay", "", {"notifier": "desk", "after": 0}),
    ("POST", "/v1/channels/{id}/disable"): Act("disable channel", "/v1/channels/desk/disable", {"reason": "a test"}),
    ("POST", "/v1/channels/{id}/enable"): Act("enable channel", "/v1/channels/desk/enable"),
    ("POST", "/v1/channels/{id}/test"): Act("test channel", "/v1/channels/desk/test"),
    ("POST", "/v1/silences"): Act("silence", "", {"match": {"type": "book.*"}, "until": "{soon}", "reason": "a test"}),
    ("DELETE", "/v1/silences/{id}"): Act("unsilence", "/v1/silences/{silence}"),
    ("POST", "/v1/prices/{id}/decisions"): Act(
        "pin", "/v1/prices/BTC/decisions", {"pin": "10500", "until": "{soon}", "reason": "a test", "confirmed": True}
    ),
    ("DELETE", "/v1/prices/{id}/decisions"): Act("release", "/v1/prices/BTC/decisions?reason=over"),
    ("POST", "/v1/rates"): Act("give rates", "", {"product": "vip_loan", "rates": {"USDT": "0.0002"}}),
    ("POST", "/v1/endpoints"): Act("make endpoint", "", {"name": "mine", "url": "http://127.0.0.1:9/x"}),
    ("POST", "/v1/endpoints/{id}/rotate"): Act("rotate endpoint", "/v1/endpoints/mine/rotate", {}),
    ("POST", "/v1/endpoints/{id}/test"): Act("test endpoint", "/v1/endpoints/mine/test"),
    ("POST", "/v1/endpoints/{id}/disable"): Act("disable endpoint", "/v1/endpoints/mine/disable"),
    ("POST", "/v1/endpoints/{id}/enable"): Act("enable endpoint", "/v1/endpoints/mine/enable"),
    ("DELETE", "/v1/endpoints/{id}"): Act("delete endpoint", "/v1/endpoints/mine"),
    ("DELETE", "/v1/groups/{id}"): Act("close group", "/v1/groups/G"),
    ("POST", "/v1/reload"): Act("reload", "/v1/reload"),
}
"""In the order in which they can be done."""
NO_ACTS = {
    ("POST", "/v1/session"),
    ("DELETE", "/v1/session"),
    ("POST", "/v1/sign-in/sign-out"),
    ("POST", "/v1/stress"),
    ("POST", "/v1/rules/preview"),
    ("POST", "/v1/groups/{id}/what-if"),
}
"""Signing in and out, and questions: they change nothing of the monitor."""
ELSEWHERE = {
    ("POST", "/v1/import"),
    ("POST", "/v1/groups/{id}/calls"),
    ("POST", "/v1/levers"),
    ("DELETE", "/v1/levers/{id}"),
    ("POST", "/v1/proposals/{id}/approve"),
    ("POST", "/v1/proposals/{id}/reject"),
}
"""`test_imports.py` looks at the record of a file, `tests/web/resources/test_levers.py` at that of levers and proposals,
`tests/web/resources/test_calls.py` at that of what is said of a margin call."""


def test_every_route_that_changes_something_is_an_act() -> None:
    """A new route says here what its act is called, or that it is none."""
    assert {(r.method, r.path) for r in routes() if r.method != "GET"} == ACTS.keys() | NO_ACTS | ELSEWHERE


async def test_every_act_of_a_person_stands_in_the_record_under_their_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    house = House(tmp_path)
    desk = '[[notifier]]\nname = "desk"\nkind = "console"\n'
    house.write(desk, "[endpoints]\nallow_private = true\n", web=BOSS, feed=False)
    monkeypatch.chdir(tmp_path)
    headers = {"Authorization": "Bearer a-long-secret-of-the-boss"}
    async with running(house) as app:
        url = "http://{}:{}".format(*app.address)
        async with aiohttp.ClientSession(base_url=url, headers=headers) as http:
            async with http.put("/v1/groups/N", json=one_btc("N")) as answer:
                assert answer.status == 201, "so that BTC is a coin that has a price"
            for (method, path), act in ACTS.items():
                before = (await app.store.audit_head()).number
                known = await names_of(app)
                asked = filled(act.path or path, known), filled(act.body, known)
                async with http.request(method, asked[0], json=asked[1]) as answer:
                    assert answer.status in (200, 201, 204), (method, asked, await answer.text())
                done: list[Audit] = [a for _, a in await app.store.audits(before, 10)]
                assert [(a.who, a.action) for a in done] == [("boss", act.action)], (method, path, done)
        before = (await app.store.audit_head()).number
        await app.reload()
        ((_, reloaded),) = await app.store.audits(before, 10)
        assert (reloaded.who, reloaded.action) == ("signal", "reload")


async def names_of(app: App) -> dict[str, str]:
    """The ids that the paths name, as far as they are there."""
    stages = [x.alert.id for x in await said(app, "loan_group.*")]
    sent = await app.store.deliveries(DeliveryFilter())
    silences = [s.said.id for s in app.monitor.silences]
    found = {"alert": stages[:1], "delivery": [d.id for d in sent[:1]], "silence": silences}
    names = {name: ids[0] for name, ids in found.items() if ids}
    return {**names, "soon": (app.clock.utc() + timedelta(hours=2)).strftime("%Y-%m-%dT%H:%M:%SZ")}


def filled(what: Any, names: dict[str, str]) -> Any:
    if isinstance(what, dict):
        return {key: filled(value, names) for key, value in what.items()}
    for name, value in names.items() if isinstance(what, str) else ():
        what = what.replace("{" + name + "}", value)
    return what


async def test_a_person_lists_exports_and_verifies_what_was_done(tmp_path: Path, here: Here) -> None:
    """From a daemon that runs to one that was tampered with."""
    house = House(tmp_path)
    house.write(feed=False)
    async with Daemon(house) as daemon:
        for name in ("=cmd", "G-1", "G-2"):
            await daemon.put({**one_btc(name), "receiving_account": f"{name}-in"})
        url = ["--url", daemon.url]
        head = (await daemon.get("/v1/audit"))["head"]
        listed = await here("audit", *url)
        assert (listed.code, listed.out.index("G-2") < listed.out.index("G-1") < listed.out.index("=cmd")) == (0, True)
        assert max(map(len, listed.out.splitlines())) <= 80
        assert (await here("audit", "--subject", "G-1", "--since", "1h", *url)).out.count("put group") == 1
        assert "nobody did any of that" in (await here("audit", "--who", "eve", *url)).out
        assert (await here("audit", "--until", "yesterday", *url)).code == 2
        found = json.loads((await here("audit", "--json", *url)).out)
        assert [row["subject"] for row in found] == ["G-2", "G-1", "=cmd"]
        assert (await here("audit", "--csv", "audit.csv", *url)).code == 0
        rows = list(csv.reader((tmp_path / "audit.csv").read_text().splitlines()))
        assert [row[4] for row in rows] == ["subject", "G-2", "G-1", "'=cmd"]
        assert json.loads(rows[1][6])["id"] == "G-2"
        told = await here("audit", "verify", "--config", "monitor.toml", "--head", f"{head['number']}:{head['digest']}")
        assert told.code == 0, told
        assert "3 records, 1 to 3, are signed, unchanged, complete and in order" in told.out
        assert "all records up to 3 are those that stood there" in told.out
        assert (await here("backup", "copy.db", "--config", "monitor.toml")).code == 0
        assert (await daemon.stop())[0] == 0
    verify = ["audit", "verify", "--config", "monitor.toml"]
    assert (await here(*verify)).code == 0
    assert (await here(*verify, "--backup", "copy.db", "--json")).code == 0
    assert (await here(*verify, "--head", "5:abc")).code == 2
    assert (await here(*verify, "--backup", "none.db")).code == 2
    with contextlib.closing(sqlite3.connect(tmp_path / "var" / "monitor.db")) as db:
        db.execute("UPDATE audits SET body = CAST(replace(CAST(body AS TEXT), 'G-1', 'G-9') AS BLOB)")
        db.commit()
    broken = await here(*verify)
    assert broken.code == 1, broken
    assert "record 2 is not what was written" in broken.out
    (tmp_path / "var" / "audit.key").rename(tmp_path / "kept.key")
    unknown = await here(*verify, "--backup", "copy.db")
    assert (unknown.code, "without a key nobody can say" in unknown.out) == (2, True)
    assert (await here(*verify, "--backup", "copy.db", "--key-file", "kept.key")).code == 0


async def test_another_key_signs_from_the_next_reload_on(tmp_path: Path, here: Here) -> None:
    house = House(tmp_path)
    house.write('[audit]\nkey_file = "keys"\n', feed=False)
    assert (await here("check-config", "--config", "monitor.toml")).code == 2, "there is no such file yet"
    assert "stands first" in (await here("audit", "new-key", "keys")).out
    assert (await here("check-config", "--config", "monitor.toml")).code == 0
    async with running(house) as app:
        await app.requests.record("ops", "one", "G-1", None, None)
        assert "1 older behind it" in (await here("audit", "new-key", "keys")).out
        await app.reload()
        await app.requests.record("ops", "two", "G-1", None, None)
    assert not (tmp_path / "var" / "audit.key").exists()
    told = await here("audit", "verify", "--config", "monitor.toml")
    assert (told.code, "3 records, 1 to 3, are signed" in told.out) == (0, True), told
    newest = (tmp_path / "keys").read_text().split()[0]
    (tmp_path / "newest").write_text(newest)
    assert (await here("audit", "verify", "--config", "monitor.toml", "--key-file", "newest")).code == 1
