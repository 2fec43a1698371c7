"""The API refuses texts that command a terminal, begin a line of a mail or a log, or turn the words beside them."""

from __future__ import annotations

import json
import re
from typing import Any

import aiohttp
import pytest

from monitor.control_characters import control_in
from tests.book_lines import line
from tests.test_control_characters import NAMES
from tests.web.desk import WebDesk
from tests.web.test_admission import ask


@pytest.mark.parametrize(
    ("method", "path", "body", "place"),
    [
        ("PUT", "/v1/groups/G-1", line("G-1", labels={"desk": "a\x1b[31m"}), "labels.desk"),
        ("PUT", "/v1/groups/G-1", line("G-1", labels={"de\u202esk": "a"}), r"labels.de\u202esk"),
        ("PUT", "/v1/groups/G-1", line("G-1", labels={"note": "a\nb"}), "labels.note"),
        ("PUT", "/v1/groups/G-1", line("G-1", contacts={"email": ["a\u2066@b.example"]}), "contacts.email[0]"),
        ("PUT", "/v1/groups/G-1", line("G-1", receiving_account="a\x7f"), "receiving_account"),
        ("POST", "/v1/silences", {"match": {"labels": {"desk": "\x9b"}}, "reason": "r"}, "match.labels.desk"),
        ("POST", "/v1/silences", {"match": {"group": "G-1"}, "reason": "r\x1b"}, "reason"),
        ("POST", "/v1/endpoints", {"url": "https://x.example/", "note": "n\u202e"}, "note"),
        ("POST", "/v1/stress", {"shocks": {"BT\rC": "-20%"}}, r"shocks.BT\rC"),
    ],
)
async def test_the_api_refuses_them_with_place_and_remedy(
    desk: WebDesk, http: aiohttp.ClientSession, method: str, path: str, body: Any, place: str
) -> None:
    status, _, problem = await ask(http, method, path, body)
    assert status == 422, problem
    (found,) = [e for e in problem["errors"] if e["where"] == place]
    assert re.search(r"with the control character \\\S+; take it out$", found["what"])
    assert control_in(json.dumps(problem, ensure_ascii=False)) is None


async def test_the_lines_of_a_note_become_one(desk: WebDesk, http: aiohttp.ClientSession) -> None:
    assert (await ask(http, "PUT", "/v1/groups/G-1", line("G-1", btc="3.2", labels={"desk": NAMES[1]})))[0] == 201
    alert = desk.store.log[-1].alert
    body = {"note": f"called {NAMES[0]}\r\nwill pay\n\ntoday"}
    status, _, answer = await ask(http, "POST", f"/v1/alerts/{alert.id}/ack", body)
    assert (status, answer["acknowledged"]["note"]) == (200, f"called {NAMES[0]} will pay today")
    assert alert.group is not None
    assert alert.group.labels == {"desk": NAMES[1]}
