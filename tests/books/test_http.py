"""The book at an address: a local server that answers well, badly, and not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web

from monitor.books import http
from monitor.books._base import KeptBook, PlainReader
from monitor.clock import SystemClock
from monitor.core.schema import Invalid, read
from tests.books.sources import RunningBook
from tests.books.test_file import PRODUCTS, stated


class Server:
    """Serves `body` with an ETag, or does what `fault` says."""

    def __init__(self) -> None:
        self.body = b"[]"
        self.etag = '"1"'
        self.kind = "application/json"
        self.fault = ""
        self.asked: list[dict[str, str]] = []
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/book"

    def says(self, *lines: dict[str, Any], **envelope: Any) -> None:
        """Another book, with another ETag."""
        self.etag = f'"{int(self.etag.strip(chr(34))) + 1}"'
        self.body = msgspec.json.encode({"groups": lines, **envelope} if envelope else lines)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        self.asked.append({k.lower(): v for k, v in request.headers.items()})
        match self.fault:
            case "503":
                return web.Response(status=503)
            case "302":
                return web.Response(status=302, headers={"Location": "http://10.0.0.1/"})
            case "cut":
                response = web.StreamResponse(headers={"Content-Length": str(len(self.body))})
                await response.prepare(request)
                await response.write(self.body[: len(self.body) // 2])
                assert request.transport is not None
                request.transport.close()
                return response
        if request.headers.get("If-None-Match") == self.etag:
            return web.Response(status=304)
        return web.Response(body=self.body, headers={"ETag": self.etag}, content_type=self.kind)


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    server = Server()
    app = web.Application()
    app.router.add_get("/book", server.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    server.port = runner.addresses[0][1]
    yield server
    await runner.cleanup()


@pytest.fixture
async def book(server: Server) -> AsyncIterator[RunningBook]:
    book = RunningBook(http, http.Config(server.url, every=timedelta(milliseconds=100), allow_private=True))
    yield book
    await book.stop()


async def test_an_unchanged_book_costs_an_answer_without_a_body_and_stays_fresh(
    server: Server, book: RunningBook
) -> None:
    server.says(stated("G-1"), stated("G-2"))
    book.start()
    await book.rounds(3)
    assert book.groups == {"G-1": "12.5", "G-2": "12.5"}
    assert [a.get("if-none-match") for a in server.asked[:3]] == [None, '"2"', '"2"']
    assert book.seen[0].version == '"2"'
    assert book.seen[2].as_of > book.seen[0].as_of
    server.says(stated("G-1", "13"), stated("G-2"))
    await book.until(lambda: book.groups["G-1"] == "13")
    assert len([e for e in book.events if type(e).__name__ == "GroupPut"]) == 3


async def test_half_an_answer_changes_nothing_and_is_told_when_it_comes_again(
    server: Server, book: RunningBook
) -> None:
    server.says(stated("G-1"), stated("G-2"))
    book.start()
    await book.rounds(1)
    server.says(stated("G-1", "13"), stated("G-2", "13"), stated("G-3"))
    server.fault = "cut"
    await book.until(lambda: "desk: source" in book.notices)
    assert book.groups == {"G-1": "12.5", "G-2": "12.5"}
    server.fault = ""
    await book.until(lambda: len(book.groups) == 3 and not book.notices)


async def test_lines_without_a_length_are_not_believed_to_be_whole(server: Server, book: RunningBook) -> None:
    async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.0 200 OK\r\nContent-Type: application/x-ndjson\r\n\r\n" + msgspec.json.encode(stated()))
        writer.close()

    peer = await asyncio.start_server(cut, "127.0.0.1", 0)
    port = peer.sockets[0].getsockname()[1]
    book.config = msgspec.structs.replace(book.config, url=f"http://127.0.0.1:{port}/")
    book.start()
    await book.until(lambda: "no length" in book.notices.get("desk: source", ""))
    assert book.groups == {}
    peer.close()


@pytest.mark.parametrize("fault", ["503", "302"])
async def test_a_peer_in_trouble_is_told_and_asked_again(server: Server, book: RunningBook, fault: str) -> None:
    server.says(stated("G-1"))
    server.fault = fault
    book.start()
    await book.until(lambda: fault in book.notices.get("desk: source", ""))
    server.fault = ""
    await book.until(lambda: book.groups and not book.notices)


async def test_a_snapshot_closes_what_is_gone_and_an_empty_one_is_doubted_first(
    server: Server, book: RunningBook
) -> None:
    server.says(stated("G-1"), stated("G-2"), stated("G-3"))
    book.start()
    await book.rounds(1)
    server.says(stated("G-1"), stated("G-2"))
    await book.until(lambda: len(book.groups) == 2)
    server.says()
    await book.until(lambda: not book.groups)
    assert any(getattr(e, "facts", {}).get("reason") == "shrunk" for e in book.events)


async def test_changes_close_nothing(server: Server, book: RunningBook) -> None:
    book.config = msgspec.structs.replace(book.config, gives="changes")
    server.says(stated("G-1"), stated("G-2"))
    book.start()
    await book.rounds(1)
    server.says(stated("G-2", "13"))
    await book.until(lambda: book.groups.get("G-2") == "13")
    assert book.groups["G-1"] == "12.5"


async def test_the_book_has_its_own_time_and_an_older_version_is_refused_after_a_restart_too(
    server: Server, book: RunningBook
) -> None:
    server.says(stated("G-1", "13"), as_of="2026-03-01T12:00:00Z", version=17)
    book.start()
    await book.rounds(2)
    assert {e.as_of for e in book.seen} == {datetime(2026, 3, 1, 12, tzinfo=UTC)}
    await book.stop()
    server.says(stated("G-1", "12"), version=16)
    book.start()
    await book.until(lambda: "version 16 is older than 17" in book.notices.get("desk: source", ""))
    assert book.groups == {"G-1": "13"}
    server.says(stated("G-1", "14"), version=18)
    await book.until(lambda: book.groups == {"G-1": "14"})


async def test_json_lines_and_a_bearer_token(server: Server, book: RunningBook, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    token.chmod(0o600)
    book.config = msgspec.structs.replace(book.config, token_file=token)
    server.kind = "application/x-ndjson"
    server.body = b"\n".join([msgspec.json.encode(stated("G-1")), b"{nonsense", msgspec.json.encode(stated("G-2"))])
    book.start()
    await book.rounds(1)
    assert sorted(book.groups) == ["G-1", "G-2"]
    assert list(book.notices) == ["desk: line 2"]
    assert server.asked[0]["authorization"] == "Bearer s3cret"


async def test_an_answer_that_is_too_long_is_refused(server: Server, book: RunningBook) -> None:
    book.config = msgspec.structs.replace(book.config, max_body_bytes=1000)
    server.says(*(stated(f"G-{n}") for n in range(20)))
    book.start()
    await book.until(lambda: "longer than" in book.notices.get("desk: source", ""))


@pytest.mark.parametrize("url", ["http://127.0.0.1/book", "http://[::1]/", "http://169.254.169.254/", "ftp://x/", "x"])
def test_addresses_inside_are_refused(url: str) -> None:
    with pytest.raises(Invalid):
        read(http.Config, {"url": url})


@pytest.mark.parametrize("body", [b"[{]", b'{"groups": 1}', b"", b"\xff", b'"x"', b'{"groups": []'])
def test_what_is_no_book_is_unreadable(body: bytes) -> None:
    kept, config = KeptBook(), http.Config("https://example.com/")
    source = http.build("desk", config, PlainReader(lambda: PRODUCTS), SystemClock(), kept)
    with pytest.raises(http.Unreadable):
        source.parse(body)
