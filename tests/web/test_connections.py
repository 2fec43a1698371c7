"""Strangers on the port: who may hold a connection, for how long, and what still answers when all are taken."""

from __future__ import annotations

import asyncio
import json
import resource
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest
from structlog.testing import capture_logs

from monitor import descriptors
from monitor.web import connections, http
from monitor.web.app import Server
from monitor.web.connections import network_of
from monitor.web_table import WebConfig
from tests.web.desk import WebDesk

HEAD = b"Host: localhost\r\n"
ASK = b"GET /v1/groups HTTP/1.1\r\n" + HEAD + b"\r\n"
READY = b"GET /readyz HTTP/1.1\r\n" + HEAD + b"\r\n"
SMALL = WebConfig(port=0, max_connections=16)
"""Four for one address."""


class Stranger:
    """A socket of 127.0.0.x that sends bytes as it likes."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def says(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def asks(self, data: bytes) -> tuple[int, Any]:
        """Status and body of one answer; (0, None) where there is none."""
        try:
            async with asyncio.timeout(5):
                await self.says(data)
                head = await self.reader.readuntil(b"\r\n\r\n")
                lines = head.decode().split("\r\n")
                length = next(int(x.partition(":")[2]) for x in lines if x.lower().startswith("content-length"))
                body = await self.reader.readexactly(length)
        except (ConnectionError, asyncio.IncompleteReadError):
            return 0, None
        is_json = b"json" in head
        return int(lines[0].split()[1]), json.loads(body) if is_json else body

    async def is_cut(self, within_s: float = 2.0) -> bool:
        """Whether the other side ends the connection, soon."""
        try:
            async with asyncio.timeout(within_s):
                while await self.reader.read(65536):
                    pass
        except ConnectionError:
            return True
        except TimeoutError:
            return False
        return True


class Door:
    """A server, and the sockets of strangers, which end with it."""

    def __init__(self, server: Server, port: int, stack: AsyncExitStack) -> None:
        self.server, self.port, self._stack = server, port, stack

    async def stranger(self, last: int = 1, port: int | None = None) -> Stranger:
        """From the address 127.0.0.`last`."""
        source = (f"127.0.0.{last}", 0)
        reader, writer = await asyncio.open_connection("127.0.0.1", port or self.port, local_addr=source)
        self._stack.callback(writer.close)
        return Stranger(reader, writer)

    async def full(self) -> list[Stranger]:
        """Takes every connection that there is: four from each of four addresses, which ask nothing."""
        taken = [await self.stranger(last) for last in (11, 12, 13, 14) for _ in range(4)]
        await until(lambda: len(self.server.port) == 16)
        return taken


async def until(true: Any) -> None:
    async with asyncio.timeout(5):
        while not true():  # noqa: ASYNC110  # what it waits for happens on the other side of a socket
            await asyncio.sleep(0.01)


@asynccontextmanager
async def opened(desk: WebDesk, config: WebConfig = SMALL) -> AsyncIterator[Door]:
    server = Server(config, desk.handed_over())
    _, port = await server.start()
    try:
        async with AsyncExitStack() as stack:
            yield Door(server, port, stack)
    finally:
        await server.stop()


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the clock of the desk moves the limits."""
    monkeypatch.setattr(connections, "SWEEP_S", 0.02)


def later(desk: WebDesk, seconds: float) -> None:
    desk.clock.now += timedelta(seconds=seconds)


@pytest.mark.parametrize("said", [b"", b"GET /v1/gro", ASK[:-2], ASK[:-2] + b"X-One: 1\r\n"])
async def test_a_request_has_fifteen_seconds_to_arrive(desk: WebDesk, said: bytes) -> None:
    async with opened(desk) as door:
        slow = await door.stranger()
        await slow.says(said)
        later(desk, 14)
        assert not await slow.is_cut(0.1)
        await slow.says(b"X" if said else b"")  # a byte now and then keeps nobody in
        later(desk, 2)
        assert await slow.is_cut()
        assert (await (await door.stranger()).asks(ASK))[0] == 200


async def test_a_body_that_nobody_reads_has_fifteen_seconds_too(desk: WebDesk) -> None:
    """An answer does not wait for the body of a request that is refused; what then drips is cut."""
    async with opened(desk) as door:
        slow = await door.stranger()
        status, _ = await slow.asks(b"GET /nowhere HTTP/1.1\r\n" + HEAD + b"Content-Length: 1000\r\n\r\nx")
        assert status == 404
        later(desk, 16)
        assert await slow.is_cut()


async def test_a_connection_that_waits_for_its_next_request_stays_while_there_is_room(desk: WebDesk) -> None:
    async with opened(desk) as door:
        kept = await door.stranger(1)
        assert (await kept.asks(ASK))[0] == 200
        later(desk, 3600)
        assert not await kept.is_cut(0.1)
        assert (await kept.asks(ASK))[0] == 200
        taken = [await door.stranger(last) for last in (11, 11, 12, 12, 13, 13, 14, 14, 15, 15, 16)]
        for each in taken:
            assert (await each.asks(ASK))[0] == 200
        later(desk, 16)  # twelve of sixteen: now those that only wait make room
        assert await kept.is_cut()
        assert (await (await door.stranger(1)).asks(ASK))[0] == 200


async def test_one_address_holds_a_quarter_and_no_more(desk: WebDesk) -> None:
    async with opened(desk) as door:
        for _ in range(4):
            await door.stranger(11)
        await until(lambda: len(door.server.port) == 4)
        status, problem = await (await door.stranger(11)).asks(ASK)
        assert (status, problem["type"]) == (503, "urn:loan-monitor:too-many-connections")
        assert problem["retry_after_s"] == 5
        assert (await (await door.stranger(11)).asks(READY))[0] == 200, "about health it may still ask"
        assert (await (await door.stranger(12)).asks(ASK))[0] == 200


async def test_a_trusted_proxy_speaks_for_many(desk: WebDesk) -> None:
    config = WebConfig(port=0, max_connections=16, trusted_proxies=("127.0.0.11",))
    async with opened(desk, config) as door:
        many = [await door.stranger(11) for _ in range(15)]
        assert [(await each.asks(ASK))[0] for each in many] == [200] * 15


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.9", "203.0.113.9"),
        ("::ffff:203.0.113.9", "203.0.113.9"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2:ffff::9", "2001:db8:1:2::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("", ""),
    ],
)
def test_who_counts_as_one(address: str, network: str) -> None:
    assert network_of(address) == network


async def test_when_all_are_taken_health_still_answers(desk: WebDesk) -> None:
    async with opened(desk) as door:
        taken = await door.full()
        probe = await door.stranger(1)
        assert (await probe.asks(READY))[0] == 200
        assert await probe.is_cut(), "it has asked its one question"
        status, body = await (await door.stranger(1)).asks(READY.replace(b"readyz", b"metrics"))
        assert status == 200
        assert b'monitor_web_refused_total{reason="full"} 2.0' in body
        assert (await (await door.stranger(1)).asks(ASK))[0] == 503
        later(desk, 16)
        assert await taken[0].is_cut()
        assert (await (await door.stranger(1)).asks(ASK))[0] == 200


async def test_what_is_beyond_all_limits_is_told_so_and_costs_nothing(desk: WebDesk) -> None:
    async with opened(desk) as door:
        await door.full()
        spare = [await door.stranger(1) for _ in range(8)]  # one address has a quarter of what is kept for health
        await until(lambda: len(door.server.port) == 24)
        status, problem = await (await door.stranger(1)).asks(b"")
        assert (status, problem["type"]) == (503, "urn:loan-monitor:too-many-connections")
        assert len(door.server.port) == 24
        assert (await (await door.stranger(2)).asks(READY))[0] == 200, "another address has its own quarter"
        later(desk, 3)
        assert await spare[0].is_cut(), "a probe that asks nothing has two seconds"


async def test_a_probe_finds_room_among_strangers_that_only_hold_what_is_kept_for_it(desk: WebDesk) -> None:
    async with opened(desk) as door:
        await door.full()
        for last in (21, 22, 23, 24):
            for _ in range(8):
                await door.stranger(last)
        await until(lambda: len(door.server.port) == 48)
        for _ in range(5):
            assert (await (await door.stranger(1)).asks(READY))[0] == 200
        assert len(door.server.port) <= 48


class Aborted:
    """A transport of which only the end counts."""

    def __init__(self) -> None:
        self.is_aborted = False

    def abort(self) -> None:
        self.is_aborted = True


def test_many_that_come_at_once_do_not_get_more_room_than_there_is(desk: WebDesk) -> None:
    """The system hands over a hundred connections before one that was cut is gone."""
    port = connections.Port(connections.PortLimits(most=1, spare=4, share=1), desk.clock, desk.metrics, ())
    found = [connections.GuardedConnection(port, asyncio.Protocol) for _ in range(20)]
    for n, each in enumerate(found):
        each.transport = Aborted()  # type: ignore[assignment]
        each.network = f"203.0.113.{n}"
        assert port.admit(each)
        assert len(port) <= 5
    assert [each.transport.is_aborted for each in found] == [False] + [True] * 15 + [False] * 4  # type: ignore[attr-defined]


async def test_a_port_of_its_own_answers_about_health_and_nothing_else(desk: WebDesk) -> None:
    async with opened(desk, WebConfig(port=0, max_connections=16, health_port=0)) as door:
        await door.full()
        kept = await door.stranger(1, door.server.health_address[1])
        for path in (b"/readyz", b"/healthz", b"/metrics", b"/readyz"):
            assert (await kept.asks(READY.replace(b"/readyz", path)))[0] == 200
        assert (await kept.asks(ASK))[0] == 404
        assert (await kept.asks(READY))[0] == 200


async def test_a_reader_that_takes_nothing_of_a_long_answer_is_cut(desk: WebDesk) -> None:
    async with opened(desk) as door:
        slow = await door.stranger()
        slow.writer.transport.pause_reading()  # type: ignore[attr-defined]
        contract = b"GET /openapi.json HTTP/1.1\r\n" + HEAD + b"\r\n"
        for _ in range(60):  # more than the system's buffers hold
            slow.writer.write(contract)
        guard = await held(door)
        await until(lambda: guard.paused_s is not None)
        later(desk, 31)
        await until(lambda: len(door.server.port) == 0)


async def held(door: Door) -> connections.GuardedConnection:
    await until(lambda: len(door.server.port) == 1)
    (guard,) = door.server.port._open.values()
    return guard


async def test_headers_without_end_are_refused(desk: WebDesk) -> None:
    """Each line is short enough for aiohttp, and there are too few of them for its limit."""
    async with opened(desk) as door:
        bomb = await door.stranger()
        lines = b"".join(b"X-%d: %s\r\n" % (n, b"y" * 4000) for n in range(40))
        status, problem = await bomb.asks(ASK[:-2] + lines)
        assert (status, problem["type"]) == (431, "urn:loan-monitor:too-large")
        assert await bomb.is_cut()


async def test_requests_one_behind_the_other_are_all_answered(desk: WebDesk) -> None:
    async with opened(desk) as door:
        eager = await door.stranger()
        await eager.says(READY * 300)
        assert [(await eager.asks(b""))[0] for _ in range(300)] == [200] * 300
        assert len(door.server.port) == 1


GARBAGE = [
    b"\x16\x03\x01\x02\x00\x01\x00",
    b"GET / HTTP/9.9\r\n\r\n",
    b"GET " + b"x" * 20_000 + b"\r\n\r\n",
    b"\x00" * 100,
    ASK[:-2] + b"X: " + b"y" * 20_000 + b"\r\n\r\n",
    ASK[:-2] + b"X\x00: y\r\n\r\n",
    b"PUT /v1/groups/G HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    b"PUT /v1/groups/G HTTP/1.1\r\n" + HEAD + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}zz\r\n",
    b"PUT /v1/groups/G HTTP/1.1\r\n" + HEAD + b"Content-Encoding: gzip\r\nContent-Length: 5\r\n\r\nabcde",
    b"PUT /v1/groups/G HTTP/1.1\r\n" + HEAD + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\nabcde",
    b"POST /v1/session HTTP/1.1\r\n" + HEAD + b"Content-Length: 50\r\n\r\n{",
    b"GET http://[zz]/ HTTP/1.1\r\n" + HEAD + b"\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
]


async def test_what_is_no_http_is_one_line_of_the_log_and_never_a_traceback(
    desk: WebDesk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http, "READ_TIMEOUT_S", 0.5)
    async with opened(desk, WebConfig(port=0)) as door:
        with capture_logs() as logs:
            for n, garbage in enumerate(GARBAGE * 2):
                stranger = await door.stranger()
                await stranger.says(garbage)
                if n < len(GARBAGE):  # half of them leave at once
                    stranger.writer.write_eof()
                answer = await stranger.reader.read(100_000)
                stranger.writer.close()
                assert b"Traceback" not in answer
                assert not answer.startswith(b"HTTP/1.1 500"), garbage
            await until(lambda: not len(door.server.port))
        assert (await (await door.stranger()).asks(READY))[0] == 200
    loud = [line for line in logs if line["log_level"] not in ("debug", "info")]
    assert [line["event"] for line in loud].count("a request cannot be read") == 1, "more of it waits for a minute"
    assert {line["log_level"] for line in loud} == {"warning"}
    assert all("exc_info" not in line for line in loud)
    said = capsys.readouterr()
    assert "Traceback" not in said.out + said.err


def test_half_of_the_descriptors_is_for_the_monitors_own_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (1024, 4096))
    assert descriptors.for_connections(1000) == 512
    assert descriptors.for_connections(100) == 100
    raised = []
    monkeypatch.setattr(resource, "setrlimit", lambda _, limits: raised.append(limits))
    descriptors.raise_limit()
    assert raised == [(4096, 4096)]
