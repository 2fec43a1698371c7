"""A peer that never comes to an end is cut off by bytes, whoever asked it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import pytest

from monitor.bounded_http import AnswerTooLong, BoundedConnector
from monitor.feeds import http_poll
from monitor.feeds.http_poll import Config, PolledPrice
from tests.feeds.venue import Listener, until

INTERIM = b"HTTP/1.1 102 Processing\r\n\r\n"
FLOODS = {
    "interim answers": INTERIM * 400,
    "hints": b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\n" * 300,
    "headers": b"x-more: " + b"y" * 7000 + b"\r\n",
    "one line": b"y" * 8000,
}


class Peer:
    """Answers with these bytes, and then with the flood for as long as somebody reads."""

    def __init__(self, first: bytes, flood: bytes = b"") -> None:
        self.first, self.flood = first, flood
        self.sent = self.asked = 0
        self.url = ""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            while True:
                await reader.readuntil(b"\r\n\r\n")
                self.asked += 1
                writer.write(self.first)
                while self.flood and self.sent < 100_000_000:
                    writer.write(self.flood)
                    self.sent += len(self.flood)
                    await writer.drain()
        writer.close()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Peer]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
        yield self
        server.close()


def begun(name: str) -> bytes:
    return b"" if FLOODS[name].startswith(b"HTTP") else b"HTTP/1.1 200 OK\r\n"


@pytest.mark.parametrize("name", [name for name in FLOODS if name != "one line"])
async def test_a_peer_that_never_comes_to_its_body_is_cut_off(name: str) -> None:
    async with (
        Peer(begun(name), FLOODS[name]).served() as peer,
        aiohttp.ClientSession(connector=BoundedConnector(body_bytes=1_000_000)) as http,
    ):
        async with asyncio.timeout(5):
            with pytest.raises(aiohttp.ClientError) as failed:
                await http.get(peer.url)
        assert isinstance(failed.value, AnswerTooLong)
        assert peer.sent < 10_000_000, "no more than the buffers of sockets hold"


async def test_each_answer_may_have_its_head_and_its_body_anew() -> None:
    body = b"x" * 90_000
    whole = INTERIM * 100 + b"HTTP/1.1 200 OK\r\ncontent-length: 90000\r\n\r\n" + body
    async with (
        Peer(whole).served() as peer,
        aiohttp.ClientSession(connector=BoundedConnector(head_bytes=2_800, body_bytes=90_000)) as http,
    ):
        for _ in range(5):
            async with http.get(peer.url) as answer:
                assert await answer.read() == body


async def test_a_body_beyond_its_limit_is_cut_off() -> None:
    head = b"HTTP/1.1 200 OK\r\ncontent-length: 1000000000\r\n\r\n"
    async with (
        Peer(head, b"x" * 100_000).served() as peer,
        aiohttp.ClientSession(connector=BoundedConnector(body_bytes=1_000_000)) as http,
        http.get(peer.url) as answer,
    ):
        async with asyncio.timeout(5):
            with pytest.raises(aiohttp.ClientError):
                await answer.read()
        assert peer.sent < 20_000_000


@pytest.mark.parametrize("name", FLOODS)
async def test_a_polled_address_that_never_comes_to_its_body_is_one_failed_question(name: str) -> None:
    async with Peer(begun(name), FLOODS[name]).served() as peer:
        config = Config(peer.url, (PolledPrice("FUND", "nav"),), allow_private=True)
        poll = http_poll.build("custodian", config)
        async with Listener(poll.quotes()):
            await until(lambda: poll.stats.refused.total(), f"a failure, found {poll.stats.reason}")
        assert peer.sent < 10_000_000
        if name.startswith(("interim", "hints")):
            assert dict(poll.stats.refused) == {"too_large": 1}
