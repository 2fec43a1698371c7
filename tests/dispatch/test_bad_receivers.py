"""One dispatcher, one receiver that is well and four that are not: the one that is well does not notice.

Real sockets on a loop whose time jumps, so that minutes of waiting take no time and a slow machine decides nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

from monitor.notifiers import webhook
from monitor.notifiers._base import Notice, Receipt
from monitor.notifiers.webhook import Config
from monitor.stores._base import Change, Target
from tests import virtual
from tests.dispatch.conftest import DispatchDesk
from tests.fakes import START, alert
from tests.notifiers.conftest import SECRET
from tests.virtual import LoopClock

NOTICES = 200
ANSWERS_IN_S = 1.0
"""Of the receiver that is well: 8 at once make 25 rounds, so half a minute stands between alone and twice as long."""
PATIENCE_S = 150.0

Answer = Callable[[asyncio.StreamWriter], Awaitable[None]]


async def hang(_: asyncio.StreamWriter) -> None:
    await asyncio.sleep(3600)


async def drip(writer: asyncio.StreamWriter) -> None:
    """A header, a byte a second."""
    writer.write(b"HTTP/1.1 200 OK\r\nx-slow: ")
    while True:
        writer.write(b"x")
        await writer.drain()
        await asyncio.sleep(1)


async def flood(writer: asyncio.StreamWriter) -> None:
    """A header without end, as fast as it goes."""
    writer.write(b"HTTP/1.1 200 OK\r\n")
    while True:
        writer.write(b"x-more: " + b"y" * 7000 + b"\r\n")
        await writer.drain()


async def never_done(writer: asyncio.StreamWriter) -> None:
    """`102 Processing`, and again."""
    while True:
        writer.write(b"HTTP/1.1 102 Processing\r\n\r\n" * 400)
        await writer.drain()


async def well(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(ANSWERS_IN_S)
    writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
    await writer.drain()


BAD = {"hang": hang, "drip": drip, "flood": flood, "never_done": never_done}
ENDS = {
    "hang": "no answer within 15 s",
    "drip": "no answer within 15 s",
    "flood": "the answer is longer than",
    "never_done": "the answer is longer than",
}


@asynccontextmanager
async def receiving(answer: Answer) -> AsyncIterator[str]:
    """A receiver that answers each request so; gives its address."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            await answer(writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"


class Timed:
    """A webhook that notes when each notice is through."""

    def __init__(self, name: str, url: str) -> None:
        self._inner = webhook.build(name, Config(url=url, secret=SECRET, allow_private=True))
        self.through_s: list[float] = []

    async def send(self, notice: Notice) -> Receipt:
        receipt = await self._inner.send(notice)
        self.through_s.append(asyncio.get_running_loop().time())
        return receipt

    async def close(self) -> None:
        await self._inner.close()


async def played(*bad: str) -> tuple[float, DispatchDesk]:
    """A storm to the receiver that is well and to these; the p99 of the first in seconds, and the desk."""
    async with contextlib.AsyncExitStack() as stack:
        urls = {name: await stack.enter_async_context(receiving(BAD[name])) for name in bad}
        urls["well"] = await stack.enter_async_context(receiving(well))
        hooks = {name: Timed(name, url) for name, url in urls.items()}
        desk = DispatchDesk(**hooks)
        desk.clock = LoopClock(START)
        desk.dispatcher = desk.new_dispatcher()
        await desk.dispatcher.start()
        alerts = [(alert(subject=f"G-{n}"), tuple(map(Target, hooks))) for n in range(NOTICES)]
        begins_s = asyncio.get_running_loop().time()
        desk.dispatcher.take_over(await desk.store.commit(Change(START, alerts=tuple(alerts))))
        took_s = hooks["well"].through_s
        for _ in range(int(PATIENCE_S / 0.5)):
            await asyncio.sleep(0.5)
            if len(took_s) == NOTICES and all(_ends(desk, name) for name in bad):
                break
        await desk.dispatcher.stop(0.2)
        for hook in hooks.values():
            await hook.close()
        assert len(took_s) == NOTICES
        return sorted(took_s)[NOTICES * 99 // 100 - 1] - begins_s, desk


def _ends(desk: DispatchDesk, name: str) -> list[str]:
    """What came of the attempts at one receiver."""
    return [one.detail for one in desk.store.tries if desk.store.rows[one.delivery].notifier == name]


def test_a_receiver_that_is_well_is_told_as_quickly_beside_four_that_are_not() -> None:
    alone_s, _ = virtual.run(played())
    beside_s, desk = virtual.run(played(*BAD))
    assert alone_s >= ANSWERS_IN_S * NOTICES / 8 * 0.9, alone_s
    assert beside_s < 2 * alone_s, (beside_s, alone_s)
    for name in BAD:
        assert _ends(desk, name), name
        assert all(ENDS[name] in end for end in _ends(desk, name)), (name, _ends(desk, name))
