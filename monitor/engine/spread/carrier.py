"""The process that speaks to Ray for a head.

Ray's library ends the program that joined a cluster when the cluster's head has been gone for a minute, and it may hang in
it. So the daemon does not join: this process does, and may be killed like a shard. Frames come and go over one socket:

    begin seat / end seat                         an actor, which says where it is when it is there
    ask number prices [(seat, pickled calls)]     prices become one object of the cluster, for all actors
    aside number [(seat, pickled call)]           beside all that `ask` carries
    there number                                  answered at once, by this process
    close

Each answer is (number, seat, pickled answer), the last one None where the actor is gone. It ends with its head.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import ray
from ray._private import services
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from monitor.engine.spread.frames import FIRST, HEAD, HINT, PLACED, framed, unpickled
from monitor.engine.spread.ray_actor import Actor
from monitor.engine.spread.ray_wire import refused

_ACTOR: Mapping[str, Any] = {"num_cpus": 0, "max_restarts": 0, "concurrency_groups": {"aside": 1}}
_STREAM_LIMIT = 1 << 24


class Carrier:
    """What was asked of it goes on beside all else: no seat waits for another, nor for the cluster's head."""

    def __init__(self, writer: asyncio.StreamWriter, copies: int) -> None:
        self._writer = writer
        self._copies = copies
        self._actors: dict[int, asyncio.Task[Any]] = {}
        self._turns: dict[int, asyncio.Lock] = {}
        self._nodes: dict[int, str] = {}
        """By seat: the machine where it was to be placed."""
        self._running: set[asyncio.Task[None]] = set()

    def take(self, name: str, *args: Any) -> None:
        """A frame of the head."""
        match name:
            case "begin" | "end":
                (seat,) = args
                self._end(seat)
                if name == "begin":
                    self._turns[seat] = asyncio.Lock()
                    self._actors[seat] = asyncio.create_task(self._begin(seat))
            case "ask":
                number, prices, bodies = args
                one = None if prices is None else ray.put(prices)
                for seat, body in bodies:
                    self._go_on(self._ask(number, seat, body, one))
            case "aside":
                number, bodies = args
                for seat, body in bodies:
                    self._go_on(self._ask_aside(number, seat, body))
            case _:
                (number,) = args
                self.say(number, 0, b"")

    def say(self, number: int, seat: int, raw: bytes | None) -> None:
        """A frame to the head."""
        self._writer.write(framed((number, seat, raw)))

    async def _begin(self, seat: int) -> Any:
        node = await asyncio.to_thread(self._node_for, seat)  # the cluster's head may be gone, and this wait long
        self._nodes[seat] = node
        where = NodeAffinitySchedulingStrategy(node_id=node, soft=True)
        made = ray.remote(**_ACTOR)(Actor).options(scheduling_strategy=where)
        actor = await asyncio.to_thread(made.remote)
        self._go_on(self._place(seat, actor))
        return actor

    async def _place(self, seat: int, actor: Any) -> None:
        with contextlib.suppress(ray.exceptions.RayError):
            self._nodes[seat], address = await actor.place.remote()
            self.say(PLACED, seat, address.encode())

    def _end(self, seat: int) -> None:
        was = self._actors.pop(seat, None)
        self._nodes.pop(seat, None)
        if was is not None:
            self._go_on(_ended(was))

    async def _ask(self, number: int, seat: int, body: bytes, prices: Any) -> None:
        was = self._actors.get(seat)
        if was is None:
            self.say(number, seat, None)
            return
        try:
            async with self._turns[seat]:  # in the order of the questions, also where the actor is not there yet
                actor = await asyncio.shield(was)
                coming = actor.do.remote(body, prices)
            self.say(number, seat, await coming)
        except Exception:  # noqa: BLE001 - it never began, it ended by what it cannot do, or its machine did
            self.say(number, seat, None)

    async def _ask_aside(self, number: int, seat: int, body: bytes) -> None:
        was, answer = self._actors.get(seat), None
        if was is not None:
            with contextlib.suppress(Exception):  # as of `ask`
                actor = await asyncio.shield(was)
                answer = await actor.aside.options(concurrency_group="aside").remote(body)
        self.say(number, seat, answer)

    def _node_for(self, seat: int) -> str:
        """The machine that has fewest copies of this shard, and of those the one with fewest at all."""
        nodes = [str(node["NodeID"]) for node in ray.nodes() if node["Alive"]]
        mine = {other for other in self._nodes if other // self._copies == seat // self._copies}

        def burden(node: str) -> tuple[int, int]:
            here = [other for other, at in list(self._nodes.items()) if at == node]
            return len(mine.intersection(here)), len(here)

        return min(sorted(nodes), key=burden)

    def _go_on(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._running.add(task)
        task.add_done_callback(self._running.discard)


async def _ended(was: asyncio.Task[Any]) -> None:
    with contextlib.suppress(Exception):  # one that could not begin, or whose cluster is gone: there is nothing to end
        await asyncio.to_thread(ray.kill, await was)


async def _serve(link: socket.socket, copies: int, refused: str) -> None:
    reader, writer = await asyncio.open_connection(sock=link, limit=_STREAM_LIMIT)
    carrier = Carrier(writer, copies)
    carrier.say(FIRST, 0, refused.encode())
    await writer.drain()
    if refused:
        return
    with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
        while True:
            (size,) = HEAD.unpack(await reader.readexactly(HEAD.size))
            frame = unpickled(await reader.readexactly(size))
            if frame[0] == "close":
                break
            carrier.take(*frame)


def _joined(address: str) -> str:
    """Joins the cluster. Says why not, in one line."""
    try:
        if (at := _place_of(address)) and (why := refused(at, os.environ)):
            return why
        ray.init(address=address, log_to_driver=False, logging_level="ERROR")
    except Exception as e:  # noqa: BLE001  whatever it is: the head says it, and tries again
        return f"{type(e).__name__}: {' '.join(str(e).split())}"[:500] + f"; {HINT}"
    return ""


def _place_of(address: str) -> str | None:
    """Its host and port; None for a cluster that begins here."""
    if address.startswith("ray://"):
        return urlsplit(address).netloc
    found: str | None = services.canonicalize_bootstrap_address(address)
    return found


def main(descriptor: int, address: str, copies: int) -> None:
    """Until the head is gone or says so. Signals to its group are meant for the head, which ends this process itself."""
    link = socket.socket(fileno=descriptor)
    link.set_inheritable(False)  # a cluster that Ray begins here must not hold it open
    refused = _joined(address)
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)
    asyncio.run(_serve(link, copies, refused))
    if not refused:
        ray.shutdown()
    sys.stderr.flush()
    os._exit(0)  # a thread that waits for a cluster which is gone holds up nobody
