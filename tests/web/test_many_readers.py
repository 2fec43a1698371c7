"""Many readers of the stream at a time: one that reads gets every event, and one that is slow is cut with its gap told."""

from __future__ import annotations

import asyncio
import re
import socket
from contextlib import AsyncExitStack
from typing import Self

import pytest

from monitor.web.live import Limits
from monitor.web_table import WebConfig
from tests.web.desk import WebDesk, serving

EACH_BYTES = 20_000
AT_ONCE = 10
LIMITS = Limits(streams=1200, alerts=40, batch=AT_ONCE, tick_s=0.25, write_timeout_s=600)
"""The short log holds a hundredth of what the sockets of the system do, so that few notices make a reader late."""
WEB = WebConfig(max_connections=8000)
"""One network may hold a quarter of them."""
SLOW_BYTES = EACH_BYTES // 2
"""In the time of ten notices."""
WITHIN_S = 120.0
"""The patience of the test alone: what a reader got decides, and not when."""


class StreamOfIds:
    """A reader of the stream that keeps no more than the ids. A slow one takes a little when it is told to, until it may hurry."""

    def __init__(self, url: str, *, is_slow: bool = False) -> None:
        self._address = url.removeprefix("http://").split(":")
        self.is_slow = is_slow
        self.ids: list[int] = []
        self.tail = b""
        """What came last, as text."""
        self.is_cut = False
        self._turns = asyncio.Semaphore(0)

    def take_a_little(self) -> None:
        """Of a slow reader: one piece."""
        self._turns.release()

    def hurry(self) -> None:
        """From now on it reads all that there is."""
        self.is_slow = False
        self._turns.release()

    async def __aenter__(self) -> Self:
        host, port = self._address
        pipe = socket.socket()
        if self.is_slow:
            pipe.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        pipe.setblocking(False)
        await asyncio.get_running_loop().sock_connect(pipe, (host, int(port)))
        self._reader, self._writer = await asyncio.open_connection(sock=pipe)
        self._writer.write(b"GET /v1/stream?events=alert&after=0 HTTP/1.1\r\nHost: localhost\r\n\r\n")
        await self._reader.readuntil(b"retry: ")
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        self._writer.transport.abort()
        await asyncio.gather(self._task, return_exceptions=True)

    async def _run(self) -> None:
        rest = b""
        while chunk := await self._next():
            whole, _, rest = (rest + chunk).rpartition(b"\n")
            self.ids += map(int, re.findall(rb"^id: (\d+)", whole, re.MULTILINE))
            self.tail = (self.tail + whole + b"\n")[-2000:]
        self.is_cut = True

    async def _next(self) -> bytes:
        if self.is_slow:
            await self._turns.acquire()
        return await self._reader.read(SLOW_BYTES if self.is_slow else 1 << 20)


async def until_all(readers: list[StreamOfIds], number: int) -> None:
    """Until each has so many or is cut, or the patience is over: what they have by then is looked at."""
    for _ in range(int(WITHIN_S / 0.01)):
        if all(len(reader.ids) >= number or reader.is_cut for reader in readers):
            return
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("quick", "slow", "notices"),
    [
        pytest.param(30, 6, 400, id="some"),
        pytest.param(950, 50, 400, id="a thousand", marks=pytest.mark.soak),
    ],
)
async def test_of_many_readers_the_slow_ones_are_cut_with_their_gap_told_and_the_others_get_every_event(
    desk: WebDesk, quick: int, slow: int, notices: int
) -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(serving(desk, WEB, LIMITS))
        readers = [await stack.enter_async_context(StreamOfIds(url)) for _ in range(quick)]
        late = [await stack.enter_async_context(StreamOfIds(url, is_slow=True)) for _ in range(slow)]
        for number in range(0, notices, AT_ONCE):
            for n in range(AT_ONCE):
                desk.notice("book.refused", f"line {number + n} " + "x" * EACH_BYTES)
            await until_all(readers, number + AT_ONCE)
            for reader in late:
                reader.take_a_little()
        for reader in late:
            reader.hurry()
        await until_all(late, notices)
        assert {tuple(reader.ids) for reader in readers} == {tuple(range(1, notices + 1))}
        assert not any(reader.is_cut for reader in readers)
        for reader in late:
            assert reader.ids == list(range(1, len(reader.ids) + 1)), (
                "no gap and no duplicate before the one that is told"
            )
            assert reader.is_cut
            assert len(reader.ids) < notices
            assert f'event: gap\ndata: {{"resume_after":{reader.ids[-1]},'.encode() in reader.tail
