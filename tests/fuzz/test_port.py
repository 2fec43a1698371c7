"""Raw bytes on the port of a running web: the next caller is answered, and nobody sees what is inside."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from monitor.core.schema import read as read_as
from monitor.web.contract import routes
from monitor.web_table import WebConfig
from tests.fuzz.rubbish import bent, fuzz, spoilt
from tests.web.desk import WebDesk, serving

TOKENS = read_as(WebConfig, {"tokens": [{"name": "ops", "role": "admin", "secret": "s-ops"}]})
ANSWER_S, PAUSE_S = 10.0, 0.05
"""Longer than any good answer takes on a busy machine; and how long one waits who may have sent half a request."""
PATHS = sorted({route.path.replace("{id}", "G-1") for route in routes() if "stream" not in route.path})
METHODS = ("GET", "PUT", "POST", "DELETE", "HEAD", "OPTIONS", "PATCH", "get", "\x00", "CONNECT")
HEAD = b"Host: 127.0.0.1\r\nAuthorization: Bearer s-ops\r\n"
GOOD = [
    b"GET /v1/groups?limit=5&sort=ltv HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"GET /v1/alerts?after=0&type=loan_group.* HTTP/1.1\r\n"
    + HEAD
    + b'Last-Event-ID: 5\r\nIf-Match: "7"\r\nCookie: a=b\r\n\r\n',
    b"POST /v1/stress HTTP/1.1\r\n" + HEAD + b'Content-Length: 27\r\n\r\n{"shocks": {"BTC": "-10%"}}',
    b"PUT /v1/groups/G-1 HTTP/1.1\r\n" + HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"id"\r\n0\r\n\r\n',
    b"GET /ack/evt_1.ann.xyz HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"POST /v1/session HTTP/1.1\r\n"
    + HEAD
    + b'Origin: http://127.0.0.1\r\nContent-Length: 18\r\n\r\n{"secret": "s-op"}',
]
BODIES = [
    {
        "id": "G-1",
        "shocks": {"BTC": "-10%"},
        "prices": {"BTC": "1"},
        "type": "deposit",
        "url": "https://a.example",
        "secret": "x",
    }
]
CURSORS = st.sampled_from(
    [
        "",
        "0",
        "-1",
        "9" * 30,
        "WyJsdHYiXQ",
        "WzEsMixdXQ==",
        "%00",
        "%FF",
        "%ED%A0%80",
        "2026-01-05/0/L-1",
        "9999-12-31/99999999999/L",
        "\u0661",
    ]
)
KEYS = (
    "after",
    "limit",
    "sort",
    "q",
    "kind",
    "state",
    "since",
    "until",
    "label.x",
    "type",
    "by",
    "product",
    "stage",
    "from",
    "to",
    "step",
)


SENT = bent(BODIES, *BODIES[0])


@st.composite
def _asked(draw: st.DrawFn) -> bytes:
    """A request that is well formed, whatever it says."""
    query = "&".join(f"{key}={draw(CURSORS)}" for key in draw(st.lists(st.sampled_from(KEYS), max_size=3)))
    body = draw(SENT) if draw(st.booleans()) else b""
    line = f"{draw(st.sampled_from(METHODS))} {draw(st.sampled_from(PATHS))}?{query} HTTP/1.1\r\n"
    return line.encode() + HEAD + b"Content-Length: %d\r\n\r\n" % len(body) + body


class Port:
    """The web of a small desk in a thread of its own, and one connection for each talk."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self.thread.start()
        self.desk = self._run(self._desk())
        self._serving = serving(self.desk, TOKENS)
        self.url = self._run(self._serving.__aenter__())
        self.errors: list[str] = []
        self.loop.set_exception_handler(lambda _, context: self.errors.append(repr(context)))

    @staticmethod
    async def _desk() -> WebDesk:
        return WebDesk()

    def close(self) -> None:
        self._run(self._serving.__aexit__(None, None, None))
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(10)

    def says(self, raw: bytes, *, is_whole: bool = False) -> bytes:
        """All that comes back until the server hangs up. Who sends half a request does not wait long."""
        return self._run(self._talk(raw, is_whole))

    def _run(self, work):  # type: ignore[no-untyped-def]
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(60)

    async def _talk(self, raw: bytes, is_whole: bool) -> bytes:
        host, port = self.url.removeprefix("http://").split(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        found = b""
        with suppress(ConnectionError, TimeoutError):
            writer.write(raw)
            await writer.drain()
            async with asyncio.timeout(ANSWER_S if is_whole else PAUSE_S):
                while part := await reader.read(65_536):
                    found += part
        writer.close()
        return found


@pytest.fixture(scope="module")
def port() -> Iterator[Port]:
    found = Port()
    yield found
    found.close()


@fuzz(50)
@given(raw=_asked() | spoilt(GOOD) | st.binary(max_size=80))
@example(raw=b"GET /ack/\xff.\xff.\xff HTTP/1.1\r\n" + HEAD + b"\r\n")
@example(raw=b"GET /ack/%ED%A0%80.a.b HTTP/1.1\r\n" + HEAD + b"\r\n")
@example(raw=b"GET http://[ HTTP/1.1\r\n" + HEAD + b"\r\n")
@example(raw=b"PUT /v1/groups/G-1 HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n")
@example(raw=b"GET //[ HTTP/1.1\r\n" + HEAD + b"\r\n")
def test_no_bytes_stop_the_server_or_show_what_is_inside(port: Port, raw: bytes) -> None:
    found = port.says(raw)
    assert b"Traceback" not in found
    assert b"HTTP/1.1 500" not in found, found[:2000]
    assert found[:5] in (b"", b"HTTP/"), found[:200]
    answer = port.says(b"GET /healthz HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n", is_whole=True)
    assert b" 200 " in answer.split(b"\r\n")[0], answer
    assert port.errors == []
