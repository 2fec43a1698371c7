"""A name that hangs holds up nobody else; answers are kept for a while, the last good one for an hour."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from monitor import names
from monitor.names import HostNames, Loop
from tests.fakes import FakeClock


class NameServer:
    """Answers as it is told, in the threads of the look-ups."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.hanging: set[str] = set()
        self.answers: dict[str, str | OSError] = {}
        self.go = threading.Event()

    def __call__(self, host: str, port: int, **_: Any) -> list[names.AddressInfo]:
        self.asked.append(host)
        if host in self.hanging:
            self.go.wait(30)
        found = self.answers.get(host, socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
        if isinstance(found, OSError):
            raise found
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (found, port))]


@pytest.fixture
def server() -> Iterator[NameServer]:
    server = NameServer()
    yield server
    server.go.set()


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


Ask = Callable[[str], Any]


@pytest.fixture
def ask(server: NameServer, clock: FakeClock) -> Ask:
    found = HostNames(clock, server)

    async def address(host: str) -> str:
        ((*_, (ip, port)),) = await found.addresses(host, 443)
        assert port == 443
        return str(ip)

    return address


async def test_twelve_names_that_hang_delay_no_other(
    server: NameServer, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "LIMIT_S", 0.2)
    server.hanging = {f"slow-{n}.example" for n in range(12)}
    server.answers = {"quick.example": "192.0.2.1"}
    slow = [asyncio.ensure_future(ask(host)) for host in sorted(server.hanging)]
    await asyncio.sleep(0.01)
    async with asyncio.timeout(0.1):
        assert await ask("quick.example") == "192.0.2.1"
    for failed in await asyncio.gather(*slow, return_exceptions=True):
        assert isinstance(failed, OSError)
        assert "no answer from the name server" in str(failed)


async def test_whoever_asks_for_a_name_that_hangs_waits_for_the_same_answer(server: NameServer, ask: Ask) -> None:
    server.hanging = {"slow.example"}
    server.answers = {"slow.example": "192.0.2.7"}
    waiting = [asyncio.ensure_future(ask("slow.example")) for _ in range(5)]
    await asyncio.sleep(0.05)
    server.go.set()
    assert await asyncio.gather(*waiting) == ["192.0.2.7"] * 5
    assert server.asked == ["slow.example"]


async def test_answers_are_kept_for_a_minute_and_failures_for_five_seconds(
    server: NameServer, ask: Ask, clock: FakeClock
) -> None:
    server.answers = {"a.example": "192.0.2.1"}
    for _ in range(3):
        await ask("a.example")
        with pytest.raises(OSError, match="not known"):
            await ask("b.example")
    assert server.asked == ["a.example", "b.example"]
    await clock.advance(6)
    await ask("a.example")
    server.answers["b.example"] = "192.0.2.2"
    assert await ask("b.example") == "192.0.2.2"
    await clock.advance(61)
    await ask("a.example")
    assert server.asked == ["a.example", "b.example", "b.example", "a.example"]


async def test_where_the_name_server_fails_the_last_address_serves_for_an_hour(
    server: NameServer, ask: Ask, clock: FakeClock
) -> None:
    server.answers = {"a.example": "192.0.2.1"}
    await ask("a.example")
    server.answers = {}
    await clock.advance(3500)
    assert await ask("a.example") == "192.0.2.1"
    await clock.advance(200)
    with pytest.raises(OSError, match="not known"):
        await ask("a.example")


async def test_nobody_waits_again_for_a_name_that_has_hung_for_the_whole_limit(
    server: NameServer, clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(names, "LIMIT_S", 0.2)
    found = HostNames(clock, server)
    server.hanging = {"slow.example", "known.example"}
    server.answers = {"known.example": "192.0.2.9"}
    server.hanging.discard("known.example")
    await found.addresses("known.example", 1)
    await clock.advance(61)
    server.hanging.add("known.example")
    first = [asyncio.ensure_future(found.addresses(name, 1)) for name in sorted(server.hanging)]
    known, slow = await asyncio.gather(*first, return_exceptions=True)
    assert isinstance(slow, OSError)
    assert [info[4][0] for info in known] == ["192.0.2.9"], "the last good address serves"
    await clock.advance(1)
    monkeypatch.setattr(names, "LIMIT_S", 1.0)  # all of which is over by the clock
    async with asyncio.timeout(0.2):
        with pytest.raises(OSError, match="no answer from the name server"):
            await found.addresses("slow.example", 1)
        assert await found.addresses("known.example", 1)
    assert server.asked == ["known.example", "known.example", "slow.example"]


async def test_names_whose_server_fails_are_told_until_it_answers_or_nobody_asks(
    server: NameServer, clock: FakeClock
) -> None:
    found = HostNames(clock, server)
    silent = socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
    server.answers = {"hooks.example": silent, "mail.example": silent, "served.example": "192.0.2.1"}
    await found.addresses("served.example", 1)
    await clock.advance(61)
    server.answers["served.example"] = silent

    async def asked() -> None:
        for name in ("hooks.example", "mail.example", "none.example"):
            with pytest.raises(OSError, match=r"[Nn]ame"):
                await found.addresses(name, 1)
        assert await found.addresses("served.example", 1)

    await asked()
    told = "hooks.example, mail.example: Temporary failure in name resolution"
    assert found.trouble() == told, (
        "a name that there is not is no fault of the server, and one with an address is served"
    )
    server.answers["mail.example"] = "192.0.2.2"
    await clock.advance(6)
    await found.addresses("mail.example", 1)
    assert found.trouble() == told.replace(", mail.example", "")
    await clock.advance(301)
    assert found.trouble() is None, "nobody has asked for it since"


async def test_look_ups_that_hang_are_bounded(server: NameServer, ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(names, "MOST_THREADS", 3)
    server.hanging = {f"slow-{n}.example" for n in range(4)}
    slow = [asyncio.ensure_future(ask(f"slow-{n}.example")) for n in range(3)]
    await asyncio.sleep(0.01)
    with pytest.raises(OSError, match="hang already"):
        await ask("slow-3.example")
    for task in slow:
        task.cancel()
    await asyncio.gather(*slow, return_exceptions=True)


async def test_a_text_that_is_no_name_is_an_error_and_not_a_crash(ask: Ask) -> None:
    with pytest.raises(OSError, match="not"):
        await HostNames().addresses("a" * 300 + ".example", 1)


def test_the_loop_connects_to_a_name_through_them() -> None:
    """The second address is tried where the first one refuses, and a literal address is not looked up."""

    async def scenario() -> list[str]:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, Loop)
        server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        asked: list[str] = []

        def look_up(host: str, _: int, **__: Any) -> list[names.AddressInfo]:
            asked.append(host)
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, 0)) for ip in ("127.0.0.77", "127.0.0.1")]

        loop.names = HostNames(look_up=look_up)
        for host in ("hooks.example", "127.0.0.1"):
            reader, writer = await asyncio.open_connection(host, port)
            assert await reader.read() == b""
            writer.close()
        found = await loop.getaddrinfo("hooks.example", 80)
        assert [info[4] for info in found] == [("127.0.0.77", 80), ("127.0.0.1", 80)]
        server.close()
        return asked

    loop = Loop()
    try:
        assert loop.run_until_complete(scenario()) == ["hooks.example", "hooks.example"]
    finally:
        loop.close()
