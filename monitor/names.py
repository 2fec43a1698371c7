"""Looks up names of hosts so that one which hangs holds up no other, and none holds up the stop.

libuv gives all look-ups of a process about two threads, so one mail server with a silent name server would delay all.
Here each name has a thread of its own while it is looked up, and whoever asks meanwhile waits for the same answer.
"""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import uvloop

from monitor.clock import Clock, SystemClock
from monitor.telemetry import BoundedLog

AddressInfo = tuple[Any, Any, int, str, Any]
"""As of socket.getaddrinfo: family, type, protocol, canonical name, address."""
LookUp = Callable[..., Iterable[AddressInfo]]

LIMIT_S = 5.0
"""A name server that has not answered by then counts as silent for whoever asked."""
GOOD_S = 60.0
BAD_S = 5.0
LAST_GOOD_S = 3600.0
"""Where the name server fails, the address of the last hour is better than none."""
TOLD_S = 300.0
"""A name that nobody has asked for since then is no trouble any more: its channel may be gone."""
NAMED = 5
MOST_THREADS = 64
"""A desk names a dozen hosts; look-ups beyond this many at once fail at once."""


class _Key(NamedTuple):
    host: str
    family: int
    kind: int
    protocol: int
    flags: int


class _Answer(NamedTuple):
    found: tuple[AddressInfo, ...]
    error: OSError | None
    at_s: float


class _Asked(NamedTuple):
    answer: asyncio.Future[_Answer]
    since_s: float


class HostNames:
    """The names that this process asked for, with their addresses. For one event loop."""

    def __init__(self, clock: Clock | None = None, look_up: LookUp = socket.getaddrinfo) -> None:
        self._clock = clock or SystemClock()
        self._look_up = look_up
        self._answers: dict[_Key, _Answer] = {}
        self._good: dict[_Key, _Answer] = {}
        self._asked: dict[_Key, _Asked] = {}
        self._failing: dict[str, _Answer] = {}
        """By host, where its name server fails and no earlier address serves."""
        self._log = BoundedLog()

    def trouble(self) -> str | None:
        """The names that cannot be looked up because their name server fails, or None."""
        since_s = self._clock.monotonic_s() - TOLD_S
        self._failing = {host: answer for host, answer in self._failing.items() if answer.at_s > since_s}
        if not self._failing:
            return None
        hosts = sorted(self._failing)
        more = f" and {len(hosts) - NAMED} more" if len(hosts) > NAMED else ""
        return f"{', '.join(hosts[:NAMED])}{more}: {_words(self._failing[hosts[0]].error)}"

    async def addresses(
        self, host: str, port: int, *, family: int = 0, kind: int = 0, protocol: int = 0, flags: int = 0
    ) -> list[AddressInfo]:
        """The addresses of a name. Raises OSError (socket.gaierror) where there is none, or no answer within the limit."""
        key = _Key(host, family, kind, protocol, flags)
        answer = self._answers.get(key)
        if answer is None or self._clock.monotonic_s() - answer.at_s > (BAD_S if answer.error else GOOD_S):
            answer = await self._ask(key)
        if answer.error is not None:
            answer = self._last_good(key, answer)
        else:
            self._failing.pop(host, None)
        return [(*info[:4], (info[4][0], port, *info[4][2:])) for info in answer.found]

    def _last_good(self, key: _Key, failed: _Answer) -> _Answer:
        """The address that served before. Raises the error of the look-up where there is none from the last hour."""
        assert failed.error is not None
        now_s = self._clock.monotonic_s()
        good = self._good.get(key)
        if good is not None and now_s - good.at_s <= LAST_GOOD_S:
            words = "the look-up of a name fails, and its last address serves"
            self._log.warning(now_s, key.host, words, name=key.host, reason=_words(failed.error))
            return good
        if isinstance(failed.error, socket.gaierror) and failed.error.errno == socket.EAI_AGAIN:
            self._failing[key.host] = failed._replace(at_s=now_s)
        else:
            self._failing.pop(key.host, None)  # the name server answers: there is no such name
        raise failed.error

    async def _ask(self, key: _Key) -> _Answer:
        asked = self._asked.get(key)
        if asked is None:
            if len(self._asked) >= MOST_THREADS:
                return self._failed(f"{len(self._asked)} look-ups of names hang already")
            asked = _Asked(asyncio.get_running_loop().create_future(), self._clock.monotonic_s())
            self._asked[key] = asked
            more = (key, asked.answer)
            threading.Thread(target=self._run, args=more, name=f"look-up of {key.host}", daemon=True).start()
        # Whoever comes later does not wait for longer than the first: what hung for so long is silent.
        left_s = asked.since_s + LIMIT_S - self._clock.monotonic_s()
        done, _ = await asyncio.wait({asked.answer}, timeout=max(0.0, left_s))
        return asked.answer.result() if done else self._failed(f"no answer from the name server within {LIMIT_S:g} s")

    def _failed(self, why: str) -> _Answer:
        return _Answer((), socket.gaierror(socket.EAI_AGAIN, why), self._clock.monotonic_s())

    def _run(self, key: _Key, asked: asyncio.Future[_Answer]) -> None:
        """In the thread of a name."""
        try:
            infos = self._look_up(key.host, 0, family=key.family, type=key.kind, proto=key.protocol, flags=key.flags)
            answer = _Answer(tuple(infos), None, self._clock.monotonic_s())
        except (OSError, UnicodeError) as e:
            error = e if isinstance(e, OSError) else socket.gaierror(socket.EAI_NONAME, f"not a name: {e}")
            answer = _Answer((), error, self._clock.monotonic_s())
        try:
            asked.get_loop().call_soon_threadsafe(self._keep, key, answer)
        except RuntimeError:  # the loop has ended meanwhile
            return

    def _keep(self, key: _Key, answer: _Answer) -> None:
        self._answers[key] = answer
        if answer.error is None:
            self._good[key] = answer
        asked = self._asked.pop(key)
        if not asked.answer.done():
            asked.answer.set_result(answer)


class Loop(uvloop.Loop):
    """The daemon's event loop: whoever connects to a name has it looked up by `HostNames`."""

    def __init__(self) -> None:
        super().__init__()
        self.names = HostNames()

    async def getaddrinfo(
        self,
        host: str | bytes | None,
        port: str | bytes | int | None,
        *,
        family: int = 0,
        type: int = 0,
        proto: int = 0,
        flags: int = 0,
    ) -> list[AddressInfo]:
        """As of asyncio."""
        if not isinstance(host, str) or not isinstance(port, int) or _is_address(host):
            return await super().getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)
        return await self.names.addresses(host, port, family=family, kind=type, protocol=proto, flags=flags)

    async def create_connection(self, protocol_factory: Any, host: Any = None, port: Any = None, **more: Any) -> Any:
        """As of asyncio: tries the addresses of a name one after the other."""
        if not isinstance(host, str) or not isinstance(port, int) or _is_address(host):
            return await super().create_connection(protocol_factory, host, port, **more)
        if more.get("ssl") and more.get("server_hostname") is None:
            more["server_hostname"] = host
        family, protocol = more.pop("family", 0), more.pop("proto", 0)
        infos = await self.names.addresses(host, port, family=family, kind=socket.SOCK_STREAM, protocol=protocol)
        failures: list[OSError] = []
        for info in infos:
            try:
                return await super().create_connection(protocol_factory, info[4][0], port, family=info[0], **more)
            except OSError as e:
                failures.append(e)
        raise failures[-1] if failures else socket.gaierror(socket.EAI_NONAME, f"{host} has no address")


def _words(error: OSError | None) -> str:
    return "" if error is None else str(error.strerror or error)


def _is_address(host: str) -> bool:
    """Whether there is nothing to look up."""
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return host == ""
    return True
