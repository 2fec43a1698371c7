"""A Redis, or whoever answers in its place, that never comes to the end of an answer: one failed attempt, and no more memory."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from monitor.bounded_redis import BoundedParser
from monitor.feeds import redis_stream as feed
from monitor.notifiers import redis_pubsub, redis_stream
from monitor.notifiers._base import DeliveryError
from tests.feeds.venue import Listener, until
from tests.notifiers.conftest import MakeNotice, make_notice

__all__ = ["make_notice"]
FLOODS = {
    "one text": (b"$1000000000\r\n", b"x" * 65_536),
    "a list": (b"*100000000\r\n", b"+OK\r\n" * 10_000),
    "a line": (b"+", b"x" * 65_536),
}


class Peer:
    """Takes one command and answers without end."""

    def __init__(self, first: bytes, flood: bytes) -> None:
        self.first, self.flood = first, flood
        self.sent = self.asked = 0
        self.url = ""

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            await reader.read(65_536)
            self.asked += 1
            writer.write(self.first)
            while self.sent < 100_000_000:
                writer.write(self.flood)
                self.sent += len(self.flood)
                await writer.drain()
        writer.close()

    @asynccontextmanager
    async def served(self) -> AsyncIterator[Peer]:
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}/0"
        yield self
        server.close()


@pytest.mark.parametrize("name", FLOODS)
@pytest.mark.parametrize("kind", ["stream", "pubsub"])
async def test_an_answer_to_a_notice_may_have_64_kb(name: str, kind: str, make_notice: MakeNotice) -> None:
    async with Peer(*FLOODS[name]).served() as peer:
        notifier = (
            redis_stream.build("bus", redis_stream.Config(url=peer.url, stream="s"))
            if kind == "stream"
            else redis_pubsub.build("bus", redis_pubsub.Config(url=peer.url, channel="c"))
        )
        async with asyncio.timeout(4):
            with pytest.raises(DeliveryError, match="longer than 65,536 bytes"):
                await notifier.send(make_notice())
        assert peer.sent < 20_000_000, "no more than the buffers of sockets hold"
        await notifier.close()


@pytest.mark.parametrize("name", FLOODS)
async def test_an_answer_to_a_feed_is_bounded_too(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BoundedParser, "most_bytes", 1_000_000)
    async with Peer(*FLOODS[name]).served() as peer:
        prices = feed.build("desk", feed.Config(url=peer.url))
        async with Listener(prices.quotes()):
            await until(lambda: "longer than 1,000,000 bytes" in prices.stats.reason, f"found {prices.stats.reason}")
        assert peer.sent < 20_000_000 * peer.asked
