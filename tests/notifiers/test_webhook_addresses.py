"""No webhook leads inside: addresses, the ways of writing them, and a canary on loopback that must see nothing."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from monitor import addresses, names
from monitor.addresses import is_public
from monitor.cli.main import send_test
from monitor.config import BadConfig
from monitor.names import AddressInfo, HostNames, Loop
from monitor.notifiers import webhook
from monitor.notifiers._base import DeliveryError
from monitor.notifiers.webhook import Config
from tests.notifiers.conftest import SECRET, MakeNotice, MakeWebhook

INSIDE = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.100.100.200", "127.0.0.1", "127.8.9.10", "169.254.169.254", "172.16.0.1",
    "192.0.0.1", "192.0.0.9", "192.0.0.192", "192.0.2.1", "192.88.99.1", "192.168.1.1", "198.18.0.1", "198.51.100.1",
    "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.1", "255.255.255.255",
    "::", "::1", "::127.0.0.1", "::7f00:1", "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:7f00:1",
    "64:ff9b::7f00:1", "64:ff9b::8.8.8.8", "64:ff9b:1::1", "100::1", "2001::1", "2001:db8::1", "2002:7f00:1::",
    "2001:2::1", "2001:10::1", "2001:20::1", "2002:808:808::1", "3fff::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0", "fec0::1",
    "ff02::1",
]  # fmt: skip


@pytest.mark.parametrize("address", INSIDE)
def test_an_address_that_is_not_everybodys_is_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:8.8.8.8"])
def test_an_address_of_the_internet_is_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize("address", [a for a in INSIDE if "%" not in a])
def test_such_an_address_in_the_url_is_refused_with_the_configuration(address: str) -> None:
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(ValueError, match="allow_private"):
        Config(url=f"https://{host}/x", secret=SECRET)
    assert Config(url=f"https://{host}/x", secret=SECRET, allow_private=True).allow_private


@pytest.fixture
async def canary() -> AsyncIterator[tuple[int, list[Any]]]:
    """A server on loopback, on both families where there are two, that must see no connection."""
    seen: list[Any] = []

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(writer.get_extra_info("peername"))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    servers = [server]
    if socket.has_ipv6:
        with contextlib.suppress(OSError):
            servers.append(await asyncio.start_server(serve, "::1", port))
    yield port, seen
    for one in servers:
        one.close()


@pytest.fixture
def canary_in_a_thread() -> Iterator[tuple[int, list[Any]]]:
    """The same for a command, which has an event loop of its own."""
    seen: list[Any] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def accept() -> None:
            with contextlib.suppress(OSError):
                while True:
                    seen.append(server.accept())

        threading.Thread(target=accept, daemon=True).start()
        yield server.getsockname()[1], seen


DISGUISED = [
    "127.0.0.1", "127.1", "0x7f.1", "2130706433", "0177.0.0.1", "0", "localhost", "localhost.", "LOCALHOST",
    "①②⑦.⓪.⓪.①",    "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[0:0:0:0:0:0:0:1]", "[::127.0.0.1]",
    "user:hunter2@127.0.0.1", "8.8.8.8@127.0.0.1", "127.0.0.1.",
]  # fmt: skip


@pytest.mark.parametrize("host", DISGUISED)
async def test_no_way_of_writing_loopback_reaches_it(
    make: MakeWebhook, make_notice: MakeNotice, canary: tuple[int, list[Any]], host: str
) -> None:
    """Some are refused with the configuration, the others at the socket; each says nothing of the query."""
    port, seen = canary
    with pytest.raises((ValueError, DeliveryError)) as refused:
        await make(f"http://{host}:{port}/x?key=hunter2", allow_private=False).send(make_notice())
    assert "hunter2" not in str(refused.value)
    await asyncio.sleep(0.02)
    assert seen == []


async def test_a_name_that_turns_private_after_the_check_is_refused_at_the_socket(
    make: MakeWebhook, make_notice: MakeNotice, canary: tuple[int, list[Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rebinding, and a name with a public and a private address: the socket is judged, not the name."""
    port, seen = canary

    async def rebound(self: Any, host: str, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]

    monkeypatch.setattr(asyncio.base_events.BaseEventLoop, "getaddrinfo", rebound)
    with pytest.raises(DeliveryError, match="private") as failed:
        await make(f"http://hooks.example:{port}/x", allow_private=False).send(make_notice())
    assert (failed.value.retry, seen) == (True, [])


class Names:
    """A name server for one name: each look-up gets the next answer, and the last one stays."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)

    def __call__(self, *_: Any, **__: Any) -> list[AddressInfo]:
        found = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, 0)) for address in found]


PUBLIC, PRIVATE = "127.0.0.2", "127.0.0.1"
"""Both are of this machine, as no test leaves it; the first plays an address of the internet."""


def one_port_at_both() -> tuple[socket.socket, socket.socket]:
    """Two sockets that listen, at the private and the public address, on a port that is free at both."""
    while True:
        private = socket.create_server((PRIVATE, 0))
        try:
            return private, socket.create_server((PUBLIC, private.getsockname()[1]))
        except OSError:  # another test has it there
            private.close()


class TwoSides:
    """A receiver at the public address and a canary at the private one, on the same port, and how each attempt ended."""

    def __init__(self, make_notice: MakeNotice, server: Names) -> None:
        self._make_notice, self._server = make_notice, server
        self.canary, self.delivered = 0, 0

    def played(self, attempts: int, *, is_up: bool = True) -> list[str]:
        """In the loop of the daemon, with a new look-up for each attempt."""
        loop = Loop()
        loop.names = HostNames(look_up=self._server)
        try:
            return loop.run_until_complete(self._play(attempts, is_up))
        finally:
            loop.close()

    async def _play(self, attempts: int, is_up: bool) -> list[str]:
        private, public = one_port_at_both()
        port = private.getsockname()[1]
        async with await asyncio.start_server(self._sing, sock=private), AsyncExitStack() as stack:
            if is_up:
                await stack.enter_async_context(await asyncio.start_server(self._take, sock=public))
            else:
                public.close()
            ends = []
            for _ in range(attempts):
                hook = webhook.build("hook", Config(url=f"http://hooks.example:{port}/", secret=SECRET))
                try:
                    ends.append((await hook.send(self._make_notice())).detail)
                except DeliveryError as e:
                    ends.append(str(e))
                await hook.close()
            await asyncio.sleep(0.02)
        return ends

    async def _sing(self, _: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.canary += 1
        writer.close()

    async def _take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        self.delivered += 1
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


@pytest.fixture
def two_sides(make_notice: MakeNotice, monkeypatch: pytest.MonkeyPatch) -> Callable[[Names], TwoSides]:
    monkeypatch.setattr(addresses, "is_public", lambda address: address == PUBLIC)
    monkeypatch.setattr(names, "GOOD_S", -1.0)
    return partial(TwoSides, make_notice)


@pytest.mark.parametrize("found", [(PUBLIC, PRIVATE), (PRIVATE, PUBLIC), (PRIVATE, PUBLIC, PRIVATE)])
def test_of_a_public_and_a_private_address_only_the_public_one_is_connected_to(
    two_sides: Callable[[Names], TwoSides], found: tuple[str, ...]
) -> None:
    sides = two_sides(Names(found))
    assert sides.played(3) == ["HTTP 204"] * 3
    assert (sides.delivered, sides.canary) == (3, 0)


@pytest.mark.parametrize("found", [(PUBLIC, PRIVATE), (PRIVATE, PUBLIC)])
def test_where_the_public_address_refuses_the_private_one_is_no_way_out(
    two_sides: Callable[[Names], TwoSides], found: tuple[str, ...]
) -> None:
    sides = two_sides(Names(found))
    (said,) = sides.played(1, is_up=False)
    assert said.startswith("cannot connect"), said
    assert sides.canary == 0


def test_a_name_that_flips_between_look_ups_is_delivered_to_while_it_is_public_only(
    two_sides: Callable[[Names], TwoSides],
) -> None:
    sides = two_sides(Names([PUBLIC], [PRIVATE], [PUBLIC], [PRIVATE, PRIVATE], [PUBLIC]))
    ends = sides.played(5)
    assert [end if end == "HTTP 204" else "private" in end for end in ends] == [
        "HTTP 204",
        True,
        "HTTP 204",
        True,
        "HTTP 204",
    ]
    assert (sides.delivered, sides.canary) == (3, 0)


async def test_allow_private_reaches_a_private_receiver(
    make: MakeWebhook, make_notice: MakeNotice, canary: tuple[int, list[Any]]
) -> None:
    port, seen = canary
    with pytest.raises(DeliveryError, match="failed"):
        await make(f"http://localhost:{port}/", allow_private=True).send(make_notice())
    assert len(seen) == 1


@pytest.mark.parametrize("host", ["127.0.0.1", "[::ffff:127.0.0.1]", "localhost"])
async def test_a_network_that_is_allowed_is_reached_without_allowing_all_others(
    make_notice: MakeNotice, canary: tuple[int, list[Any]], host: str
) -> None:
    port, seen = canary
    for allow in (["127.0.0.0/8", "::1/128"], ["10.0.0.0/8"]):
        before = len(seen)
        with pytest.raises((DeliveryError, ValueError)) as failed:
            await webhook.build("hook", Config(url=f"http://{host}:{port}/", secret=SECRET, allow=tuple(allow))).send(
                make_notice()
            )
        assert ("private" in str(failed.value), len(seen) - before) == ((False, 1) if "127" in allow[0] else (True, 0))


def test_what_is_no_network_is_refused_with_its_place() -> None:
    with pytest.raises(ValueError, match=r"allow: found '10\.0\.0\.1/8'"):
        Config(url="https://hooks.example/", secret=SECRET, allow=("10.0.0.1/8",))


def test_this_machine_is_inside_by_each_of_its_addresses(monkeypatch: pytest.MonkeyPatch) -> None:
    """A public address of our own leads to our own services. Here loopback plays the public one."""
    monkeypatch.setattr(addresses, "is_public", lambda _: True)
    info = (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", 80))
    with pytest.raises(addresses.AddressRefused):
        addresses.guarded_socket(allow_private=False)(info)
    addresses.guarded_socket(allow_private=True)(info).close()


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "[::1]"])
def test_a_test_notice_is_refused_as_a_real_one_is(
    canary_in_a_thread: tuple[int, list[Any]], tmp_path: Path, host: str, capfd: pytest.CaptureFixture[str]
) -> None:
    port, seen = canary_in_a_thread
    (tmp_path / "vip.toml").write_text((Path(__file__).parents[2] / "config/products/vip_loan.toml").read_text())
    config = tmp_path / "monitor.toml"
    config.write_text(
        '[[product]]\nkind = "vip_loan"\nfile = "vip.toml"\n\n'
        f'[[notifier]]\nkind = "webhook"\nname = "hook"\nurl = "http://{host}:{port}/x"\nsecret = "{SECRET}"\n'
    )
    with contextlib.suppress(BadConfig):
        assert send_test("hook", config=config) == 1
        assert "private" in capfd.readouterr().err
    assert seen == []
