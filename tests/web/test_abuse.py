"""What a careless or hostile peer may send: each gets a problem, and the next one gets an answer."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import aiohttp
import pytest

from monitor.web import http as reading
from tests.book_lines import line
from tests.web.desk import WebDesk
from tests.web.test_admission import ask

Session = aiohttp.ClientSession


async def send(http: Session, raw: bytes, method: str = "PUT", path: str = "/v1/groups/G-1") -> tuple[int, Any]:
    async with http.request(method, path, data=raw, headers={"Content-Type": "application/json"}) as r:
        return r.status, await r.json(content_type=None)


def sized(size: int) -> bytes:
    """A valid line of exactly so many bytes."""
    return json.dumps(line()).ljust(size).encode()


async def test_a_body_may_have_a_million_bytes_and_no_more(http: Session) -> None:
    assert (await send(http, sized(1_000_000)))[0] == 201
    status, problem = await send(http, sized(1_000_001))
    assert (status, problem["type"]) == (413, "urn:loan-monitor:too-large")


@pytest.mark.parametrize("announced", [True, False])
async def test_ten_megabytes_are_refused_and_the_server_goes_on(http: Session, announced: bool) -> None:
    """With Content-Length and in chunks without."""
    raw = b"x" * 10_000_000

    async def chunks() -> Any:
        for i in range(0, len(raw), 65536):
            yield raw[i : i + 65536]

    try:
        async with http.put("/v1/groups/G-1", data=raw if announced else chunks()) as r:
            assert r.status == 413
            assert (await r.json(content_type=None))["type"] == "urn:loan-monitor:too-large"
    except aiohttp.ClientConnectionError:
        pass  # The server hung up while the client was still sending: refused as well.
    assert (await ask(http, "PUT", "/v1/groups/G-1", line()))[0] == 201


@pytest.mark.parametrize(
    ("raw", "says"),
    [
        (b"", "is not JSON"),
        (b"{", "is not JSON"),
        (b"not json", "is not JSON"),
        (b"\xff\xfe{}", "is not JSON"),
        (b'{"id": "\\ud800"}', "is not JSON"),
        (b'{"id": NaN}', "is not JSON"),
        (b'{"vip_level": ' + b"9" * 5000 + b"}", "is not JSON"),
        (b"[]", "a JSON list, an object is expected"),
        (b'"x"', "a JSON text, an object is expected"),
        (b"null", "a JSON value, an object is expected"),
        (b"[" * 500_000, "nested too deeply"),
        (b'{"a":' * 100_000, "nested too deeply"),
        (b'{"id": "G-1", "id": "G-2"}', "the key 'id' appears twice"),
        (b'{"collateral": {"a": {"BTC": "1", "BTC": "100"}}}', "the key 'BTC' appears twice"),
    ],
)
async def test_what_is_no_plain_json_object_is_refused(http: Session, raw: bytes, says: str) -> None:
    for method, path in (("PUT", "/v1/groups/G-1"), ("POST", "/v1/groups/G-1/entries")):
        status, problem = await send(http, raw, method, path)
        assert (status, problem["type"]) == (400, "urn:loan-monitor:bad-json"), problem
        assert says in problem["detail"]


@pytest.mark.parametrize(
    "change",
    [
        {"collateral": []},
        {"collateral": {"a": {"BTC": "1e400"}}},
        {"collateral": {"a": {"BTC": "-1"}}},
        {"collateral": {"a": {"BTC": "\uff11"}}},
        {"collateral": {"a": {"b tc": "1"}}},
        {"loans": {"a": 1}},
        {"loans": [None]},
        {"labels": {"borrower": 5}},
        {"thresholds": {"margin_call": "0.5"}},
        {"receiving_account": "x" * 129},
        {"id": None},
        {"id": ["G-1"]},
        {"product": {}},
    ],
)
async def test_a_line_of_wrong_types_is_refused_with_its_places(http: Session, change: dict[str, Any]) -> None:
    status, _, problem = await ask(http, "PUT", "/v1/groups/G-1", {**line(), **change})
    assert (status, problem["type"]) == (422, "urn:loan-monitor:invalid"), problem
    assert problem["errors"]


async def test_a_line_with_ten_thousand_mistakes_is_answered_in_good_time(http: Session) -> None:
    """Large bodies are read in a worker thread; the loop answers others meanwhile."""
    bad = line(collateral={f"a{i}": {"BTC": i} for i in range(10_000)})
    slow = asyncio.create_task(ask(http, "PUT", "/v1/groups/G-1", bad))
    for _ in range(5):
        assert (await ask(http, "GET", "/healthz"))[0] == 200
    status, _, problem = await slow
    assert status == 422
    assert len(problem["errors"]) == 10_000
    assert len(problem["detail"]) <= 2000


async def test_a_body_that_never_ends_is_given_up(http: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "READ_TIMEOUT_S", 0.1)
    reader, writer = await asyncio.open_connection(http._base_url.host, http._base_url.port)
    writer.write(b"PUT /v1/groups/G-1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{")
    async with asyncio.timeout(5):
        status = await reader.readline()
    assert b" 408 " in status
    writer.close()


@pytest.mark.parametrize("raw", [b"\x16\x03\x01\x02\x00\x01", b"GET / HTTP/9.9\r\n\r\n", b"GET " + b"x" * 20000])
async def test_what_is_no_http_does_not_stop_the_server(http: Session, raw: bytes) -> None:
    reader, writer = await asyncio.open_connection(http._base_url.host, http._base_url.port)
    writer.write(raw + b"\r\n\r\n")
    async with asyncio.timeout(5):
        answer = await reader.read(100_000)
    assert b"Traceback" not in answer
    writer.close()
    assert (await ask(http, "GET", "/healthz"))[0] == 200


async def test_a_hundred_puts_at_once_are_all_applied(desk: WebDesk, http: Session) -> None:
    answers = await asyncio.gather(*(ask(http, "PUT", f"/v1/groups/G-{i}", line(f"G-{i}")) for i in range(100)))
    assert {status for status, _, _ in answers} == {201}
    assert desk.view.counts().total == 100
