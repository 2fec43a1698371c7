"""Shards in this process, for small books and tests, and shards as processes of this machine."""

from __future__ import annotations

import atexit
import contextlib
import itertools
import multiprocessing
import pickle  # nosec B403
import select
import signal
import socket
import struct
import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from multiprocessing.process import BaseProcess
from multiprocessing.shared_memory import SharedMemory
from typing import Any

import numpy as np

from monitor.clock import SystemClock
from monitor.engine.spread.links import Answered
from monitor.engine.spread.shard import Call, Shard, Vector

CLOCK = SystemClock()
MOST_COINS = 65_536
"""Names of coins are 16 bits wide (engine/columns/names.py)."""
_HEAD = struct.Struct("<Q")
_PIECE = 1 << 18


class NearShards:
    """Shards as objects. Calls are copied, so that nothing is shared by mistake."""

    where = "this process"
    trouble = ""

    def __init__(self) -> None:
        self.shards: dict[int, Shard] = {}

    def begin(self, seat: int) -> None:
        self.shards[seat] = Shard()

    def ask(
        self,
        todo: Mapping[int, list[Call]],
        vector: Vector | None,
        limit_s: float,
        is_enough: Callable[[Collection[int]], bool],
    ) -> Answered:
        answers, lost = dict[int, Any](), set[int]()
        for seat, calls in todo.items():
            try:
                answers[seat] = _copied(self.shards[seat].do(_copied(calls), vector))
            except Exception:  # noqa: BLE001 - as a process, which ends by what it cannot do
                self.shards.pop(seat, None)
                lost.add(seat)
        return Answered(answers, frozenset(lost))

    def ask_aside(self, todo: Mapping[int, Call], limit_s: float) -> dict[int, Any]:
        found = {seat: self.shards.get(seat) for seat in todo}
        return {seat: _copied(shard.aside(*_copied(todo[seat]))) for seat, shard in found.items() if shard is not None}

    def late(self, seats: Collection[int]) -> frozenset[int]:
        return frozenset()

    def address(self, seat: int) -> str:
        return self.where

    def abandon(self, seat: int) -> None:
        self.shards.pop(seat, None)

    def close(self) -> None:
        self.shards.clear()


class LocalShards:
    """Processes. The prices of a tick lie in memory that all of them read."""

    where = "this machine"
    trouble = ""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(["monitor.engine.spread.warmed"])
        self._memory = SharedMemory(create=True, size=9 * MOST_COINS)
        self._lines: dict[int, _Line] = {}
        self._asides: dict[int, _Line] = {}
        self.processes: dict[int, BaseProcess] = {}
        # A head that fails ends them too: else its interpreter would wait for them, who wait for it.
        atexit.register(self.close)

    def begin(self, seat: int) -> None:
        ours, theirs = socket.socketpair()
        aside, their_aside = socket.socketpair()
        args = theirs, their_aside, self._memory.name
        process = self._context.Process(target=_serve, args=args, name=f"shard-{seat}", daemon=True)
        process.start()
        theirs.close()
        their_aside.close()
        self.processes[seat], self._lines[seat], self._asides[seat] = process, _Line(ours), _Line(aside)

    def ask(
        self,
        todo: Mapping[int, list[Call]],
        vector: Vector | None,
        limit_s: float,
        is_enough: Callable[[Collection[int]], bool],
    ) -> Answered:
        coins = None
        if vector is not None:
            coins = len(vector.floats)
            floats, flags = _laid(self._memory, coins)
            floats[:], flags[:] = vector
        bodies = {seat: (calls, coins) for seat, calls in todo.items()}
        return _exchanged(self._lines, bodies, limit_s, is_enough)

    def ask_aside(self, todo: Mapping[int, Call], limit_s: float) -> dict[int, Any]:
        # One question after another: each waits for all of its answers.
        lines = {seat: line for seat in todo if (line := self._asides.get(seat)) is not None}
        with contextlib.ExitStack() as taken:
            for seat in sorted(lines):
                taken.enter_context(lines[seat].taken)
            answers, _ = _exchanged(lines, todo, limit_s, lambda some: len(some) == len(todo))
        return answers

    def late(self, seats: Collection[int]) -> frozenset[int]:
        lines = {seat: line for seat in seats if (line := self._lines.get(seat)) is not None}
        for line in lines.values():
            with contextlib.suppress(OSError):
                line.push()
                line.pull()
        return frozenset(seat for seat, line in lines.items() if line.is_late)

    def address(self, seat: int) -> str:
        return self.where

    def abandon(self, seat: int) -> None:
        process = self.processes.pop(seat, None)
        if process is not None:
            process.kill()
        for line in (self._lines.pop(seat, None), self._asides.pop(seat, None)):
            if line is not None:
                line.socket.close()

    def close(self) -> None:
        atexit.unregister(self.close)
        for seat in list(self.processes):
            self.abandon(seat)
        self._memory.close()
        with contextlib.suppress(FileNotFoundError):
            self._memory.unlink()


class _Line:
    """One socket to a shard. Answers come in the order of questions; only that to the last one is heard."""

    def __init__(self, own: socket.socket) -> None:
        own.setblocking(False)
        self.socket = own
        self.taken = threading.Lock()
        self._out = bytearray()
        self._in = bytearray()
        self._asked = 0
        self._heard = 0

    @property
    def is_late(self) -> bool:
        return self._heard < self._asked

    @property
    def wants(self) -> int:
        return select.POLLIN | (select.POLLOUT if self._out else 0)

    def put(self, body: Any) -> None:
        """A question. It goes out by `push`."""
        self._out += _frame(body)
        self._asked += 1

    def push(self) -> None:
        """Sends what goes without waiting: who does not read must not hold up the others."""
        with contextlib.suppress(BlockingIOError):
            while self._out:
                del self._out[: self.socket.send(memoryview(self._out)[:_PIECE].tobytes())]

    def pull(self) -> bytes | None:
        """Takes what has come: the answer to the last question, or None. Raises OSError where the shard is gone."""
        with contextlib.suppress(BlockingIOError):
            while got := self.socket.recv(_PIECE):
                self._in += got
            raise BrokenPipeError("the shard has ended")
        found = None
        while len(self._in) >= _HEAD.size and len(self._in) >= (end := _HEAD.size + _HEAD.unpack_from(self._in)[0]):
            self._heard += 1
            found = None if self.is_late else bytes(self._in[_HEAD.size : end])
            del self._in[:end]
        return found


def _exchanged(
    lines: Mapping[int, _Line], bodies: Mapping[int, Any], limit_s: float, is_enough: Callable[[Collection[int]], bool]
) -> Answered:
    """Sends and hears all at once, in one limit of time."""
    until_s = CLOCK.monotonic_s() + limit_s
    answers: dict[int, Any] = {}
    waiting = {seat: lines[seat] for seat in bodies if seat in lines}
    lost = set(bodies.keys() - waiting.keys())
    for seat, line in waiting.items():
        line.put(bodies[seat])
    while waiting and not (answers and is_enough(answers)):
        for seat, line in list(waiting.items()):
            try:
                line.push()
                body = line.pull()
            except OSError:
                lost.add(seat)
                del waiting[seat]
            else:
                if body is not None:
                    answers[seat] = _unpickled(body)
                    del waiting[seat]
        if not waiting or is_enough(answers) or (left_s := until_s - CLOCK.monotonic_s()) <= 0:
            break
        _wait(waiting.values(), left_s)
    return Answered(answers, frozenset(lost))


def _wait(lines: Iterable[_Line], limit_s: float) -> None:
    poll = select.poll()
    for line in lines:
        if line.socket.fileno() >= 0:
            poll.register(line.socket, line.wants)
    poll.poll(limit_s * 1000)


def _unpickled(raw: bytes) -> Any:
    """What a process of our own wrote, over a socket that nobody else has."""
    return pickle.loads(raw)  # noqa: S301  # nosec B301


def _copied(value: Any) -> Any:
    return _unpickled(pickle.dumps(value))


def _frame(body: Any) -> bytes:
    raw = pickle.dumps(body)
    return _HEAD.pack(len(raw)) + raw


def _laid(memory: SharedMemory, coins: int) -> Vector:
    return Vector(
        np.ndarray(coins, np.float64, memory.buf), np.ndarray(coins, np.uint8, memory.buf, offset=8 * MOST_COINS)
    )


def _serve(link: socket.socket, aside: socket.socket, memory_name: str) -> None:
    """A shard until its head is gone. What it cannot do ends it: the head loads another one."""
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.SIG_IGN)  # they are meant for the head, which ends its shards itself
    memory = SharedMemory(memory_name)
    shard = Shard()
    threading.Thread(target=_serve_aside, args=(aside, shard), daemon=True).start()
    with contextlib.suppress(EOFError, OSError, KeyboardInterrupt), link.makefile("rb") as stream:
        for _ in itertools.count():
            calls, coins = _read(stream)
            vector = None
            if coins is not None:
                floats, flags = _laid(memory, coins)
                vector = Vector(floats.copy(), flags.copy())
            link.sendall(_frame(shard.do(calls, vector)))


def _serve_aside(link: socket.socket, shard: Shard) -> None:
    """Questions that no price waits for."""
    with link, contextlib.suppress(EOFError, OSError), link.makefile("rb") as stream:
        for _ in itertools.count():
            link.sendall(_frame(shard.aside(*_read(stream))))


def _read(stream: Any) -> Any:
    head = stream.read(_HEAD.size)
    if len(head) < _HEAD.size:
        raise EOFError
    return _unpickled(stream.read(*_HEAD.unpack(head)))
