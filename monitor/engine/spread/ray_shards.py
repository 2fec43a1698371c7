"""Shards as actors of Ray, on as many machines as its cluster has. Needs the extra `ray` (docs/scale.md).

The prices of a tick are one object of its store, which the actors of a machine read in place. Ray only places actors and
carries what they are told. Whether one is missing the head finds out by limits of its own, as Ray takes up to a minute to
see a hung machine. Ray's own code runs in a process beside the head (`carrier.py`): it ends the program that it is in.
"""

from __future__ import annotations

import importlib.util
import itertools
import pickle  # nosec B403
import queue
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from typing import Any

from monitor.clock import SystemClock
from monitor.engine.spread.frames import FIRST, HEAD, HINT, PLACED, framed, unpickled
from monitor.engine.spread.links import LOAD_LIMIT_S, Answered
from monitor.engine.spread.shard import Call, Vector

CLOCK = SystemClock()
START_LIMIT_S = 90.0
"""Ray joins a cluster in some seconds, and takes up to half a minute to say that it cannot; busy machines take longer."""
ANSWER_LIMIT_S = 5.0
"""A carrier that answers nothing for so long hangs."""
SEND_LIMIT_S = 1.0
END_LIMIT_S = 10.0
_PIECE = 1 << 18
_CODE = (
    "import sys; sys.path[:] = {path}; from monitor.engine.spread.carrier import main; main({fd}, {address}, {copies})"
)


class RayShards:
    """Actors. Copies of a shard go to different machines, as far as there are any."""

    def __init__(self, address: str, copies: int = 1) -> None:
        """`address`: as of ray.init, "auto" or "ray://host:port". Raises ImportError where Ray is not installed, and
        ConnectionError where no cluster is there."""
        if importlib.util.find_spec("ray") is None:
            raise ImportError("Ray is not installed")
        self.where = f"Ray at {address}"
        self._address = address
        self._copies = copies
        self._renewing = threading.Lock()
        self._failed_s = float("-inf")
        self._why = ""
        """Why the cluster could not be joined the last time."""
        self._carrier = _Carrier(address, copies)
        if why := self._carrier.await_joined():
            self._carrier.kill()
            raise ConnectionError(why)

    @property
    def trouble(self) -> str:
        return "" if self._carrier.is_joined else self._why or "Ray's library has ended its process"

    def begin(self, seat: int) -> None:
        """Waits where the cluster must be joined again: not for core's thread."""
        asked_s = CLOCK.monotonic_s()
        with self._renewing:
            if not self._carrier.answers(ANSWER_LIMIT_S) and self._failed_s < asked_s:
                self._carrier.kill()
                self._carrier = _Carrier(self._address, self._copies)
                if why := self._carrier.await_joined():
                    self._why = why
                    self._carrier.kill()
                    self._failed_s = CLOCK.monotonic_s()
        self._carrier.begin(seat)

    def ask(
        self,
        todo: Mapping[int, list[Call]],
        vector: Vector | None,
        limit_s: float,
        is_enough: Callable[[Collection[int]], bool],
    ) -> Answered:
        bodies = [(seat, pickle.dumps(calls)) for seat, calls in todo.items()]
        return self._carrier.ask("ask", (None if vector is None else tuple(vector), bodies), todo, limit_s, is_enough)

    def ask_aside(self, todo: Mapping[int, Call], limit_s: float) -> dict[int, Any]:
        bodies = [(seat, pickle.dumps(call)) for seat, call in todo.items()]
        return self._carrier.ask("aside", (bodies,), todo, limit_s, lambda some: False).answers

    def late(self, seats: Collection[int]) -> frozenset[int]:
        return self._carrier.owing.intersection(seats)

    def address(self, seat: int) -> str:
        if not self._carrier.is_joined:
            return f"{self.where}, not reached"
        machine = self._carrier.placed.get(seat)
        return self.where if machine is None else f"{self.where}, {machine}"

    def pid(self, seat: int) -> int:
        """Of the process of an actor, on its machine."""
        found: int = self.ask_aside({seat: ("memory", (None,))}, LOAD_LIMIT_S)[seat].pid
        return found

    @property
    def carrier_pid(self) -> int:
        """Of the process that speaks to Ray."""
        return self._carrier.pid

    def abandon(self, seat: int) -> None:
        self._carrier.end(seat)

    def close(self) -> None:
        self._carrier.close()


class _Carrier:
    """The process that speaks to Ray, as its head has it. What it was asked when it ends is lost."""

    def __init__(self, address: str, copies: int) -> None:
        self.is_there = True
        self.placed: dict[int, str] = {}
        """By seat: the machine where the actor is."""
        self._why = ""
        self._joined = threading.Event()
        self._begun = set[int]()
        self._owed: dict[int, int] = {}
        """By seat: the number of the last question, while it is not answered."""
        self._numbers = itertools.count(1)
        self._waiting: dict[int, queue.SimpleQueue[tuple[int, bytes | None] | None]] = {}
        self._sending = threading.Lock()
        self._socket, theirs = socket.socketpair()
        self._socket.setblocking(False)
        with theirs:
            code = _CODE.format(path=sys.path, fd=theirs.fileno(), address=repr(address), copies=copies)
            self._process = subprocess.Popen(  # noqa: S603  our own interpreter, and nobody else's words
                [sys.executable, "-c", code], pass_fds=[theirs.fileno()], stdin=subprocess.DEVNULL
            )
        threading.Thread(target=self._hear, name="ray", daemon=True).start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_joined(self) -> bool:
        return self.is_there and self._joined.is_set() and not self._why

    @property
    def owing(self) -> frozenset[int]:
        """Seats whose last question is not answered."""
        return frozenset(self._owed.copy())

    def await_joined(self) -> str:
        """Empty when the cluster is joined, else why it is not."""
        if not self._joined.wait(START_LIMIT_S):
            return f"no answer within {START_LIMIT_S:.0f} s; {HINT}"
        return self._why if self.is_there or self._why else f"Ray's library gave up; {HINT}"

    def answers(self, limit_s: float) -> bool:
        """It takes what it is told."""
        return bool(self.is_there and self.ask("there", (), [0], limit_s, bool).answers)

    def begin(self, seat: int) -> None:
        self._begun.add(seat)
        self._send("begin", seat)

    def end(self, seat: int) -> None:
        if seat in self._begun:
            self._begun.discard(seat)
            self.placed.pop(seat, None)
            self._owed.pop(seat, None)
            self._send("end", seat)

    def ask(
        self,
        name: str,
        args: tuple[Any, ...],
        seats: Collection[int],
        limit_s: float,
        is_enough: Callable[[Collection[int]], bool],
    ) -> Answered:
        until_s = CLOCK.monotonic_s() + limit_s
        answers, lost = dict[int, Any](), set[int]()
        number, heard = next(self._numbers), queue.SimpleQueue[tuple[int, bytes | None] | None]()
        self._waiting[number] = heard
        if name == "ask":
            self._owed |= dict.fromkeys(seats, number)
        self._send(name, number, *args, limit_s=limit_s)
        while len(answers) + len(lost) < len(seats) and not is_enough(answers) and self.is_there:
            try:
                found = heard.get(timeout=max(0.0, until_s - CLOCK.monotonic_s()))
            except queue.Empty:
                break
            if found is None:
                break
            seat, raw = found
            if raw is None:
                lost.add(seat)
            else:
                answers[seat] = unpickled(raw) if raw else True
        del self._waiting[number]
        if not self.is_there:
            lost.update(set(seats) - answers.keys())
        return Answered(answers, frozenset(lost))

    def kill(self) -> None:
        """Ends it without waiting for it. The cluster ends its actors."""
        self._process.kill()
        self._gone()

    def close(self) -> None:
        """Ends it, and a cluster that it began."""
        self._send("close")
        try:
            self._process.wait(END_LIMIT_S)
        except subprocess.TimeoutExpired:
            self.kill()
        self._process.wait()
        self._gone()

    def _send(self, *frame: Any, limit_s: float = SEND_LIMIT_S) -> None:
        """One that does not take what it is told is killed: half a frame cannot be taken back."""
        until_s = CLOCK.monotonic_s() + limit_s
        if not self.is_there:
            return
        rest = memoryview(framed(frame))
        if not self._sending.acquire(timeout=limit_s):
            self.kill()
            return
        try:
            while rest:
                try:
                    rest = rest[self._socket.send(rest[:_PIECE]) :]
                except BlockingIOError:
                    if (left_s := until_s - CLOCK.monotonic_s()) <= 0:
                        self.kill()
                        return
                    select.select([], [self._socket], [], left_s)
        except (OSError, ValueError):  # it has ended, and `_hear` has closed the socket
            self._gone()
        finally:
            self._sending.release()

    def _hear(self) -> None:
        """In a thread of its own, until the process ends."""
        came = bytearray()
        while True:
            try:
                select.select([self._socket], [], [])
                got = self._socket.recv(_PIECE)
            except BlockingIOError:
                continue
            except (OSError, ValueError):
                break
            if not got:
                break
            came += got
            while len(came) >= HEAD.size and len(came) >= (end := HEAD.size + HEAD.unpack_from(came)[0]):
                self._take(*unpickled(bytes(came[HEAD.size : end])))
                del came[:end]
        self._gone()
        self._socket.close()
        self._process.wait()

    def _take(self, number: int, seat: int, raw: bytes | None) -> None:
        if number == FIRST:
            self._why = (raw or b"").decode()
            self._joined.set()
        elif number == PLACED:
            self.placed[seat] = (raw or b"").decode()
        else:
            if self._owed.get(seat) == number:
                self._owed.pop(seat, None)
            if (heard := self._waiting.get(number)) is not None:
                heard.put((seat, raw))

    def _gone(self) -> None:
        """All that was asked of it is lost."""
        self.is_there = False
        self._owed.clear()
        self._joined.set()
        for heard in list(self._waiting.values()):
            heard.put(None)
