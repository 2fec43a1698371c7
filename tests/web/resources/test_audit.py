"""The audit record."""

from __future__ import annotations

import aiohttp

from tests.web.desk import WebDesk
from tests.web.resources.test_alerts import crash
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


async def test_the_audit_record_names_who_did_what(desk: WebDesk, http: Session) -> None:
    await crash(desk, http)
    await ask(http, "DELETE", "/v1/groups/G-1")
    page = (await ask(http, "GET", "/v1/audit?limit=1"))[2]
    assert ([(a["who"], a["action"], a["subject"]) for a in page["items"]], page["next"]) == (
        [("loopback", "put group", "G-1")],
        1,
    )
    page = (await ask(http, "GET", "/v1/audit?after=1"))[2]
    assert ([a["action"] for a in page["items"]], page["next"]) == (["close group"], None)
