"""A name server whose only answer is 127.0.0.1, and which can fall silent or say that there is no such name."""

from __future__ import annotations

import asyncio
import fcntl
import socket
import struct
from pathlib import Path
from typing import cast

ANSWERS, SILENT, FAILS = "answers", "silent", "fails"
_A, _NOERROR, _SERVFAIL = 1, 0x8180, 0x8182


class NameServer(asyncio.DatagramProtocol):
    """Port 53 of a network namespace of its own."""

    def __init__(self) -> None:
        self.mood = ANSWERS
        self.asked = 0
        self._transport: asyncio.DatagramTransport | None = None

    async def start(self, folder: Path) -> None:
        """Listens, and makes this namespace ask here. It asks twice, for half a second each."""
        conf = folder / "resolv.conf"
        conf.write_text("nameserver 127.0.0.1\noptions timeout:1 attempts:1\n")
        mount = await asyncio.create_subprocess_exec("mount", "--bind", str(conf), "/etc/resolv.conf")
        assert await mount.wait() == 0, "this namespace must have mounts of its own"
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=("127.0.0.1", 53))

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: object) -> None:
        self.asked += 1
        if self.mood == SILENT or self._transport is None or len(data) < 17:
            return
        end = data.index(b"\x00", 12) + 5
        question, kind = data[12:end], struct.unpack(">H", data[end - 4 : end - 2])[0]
        is_found = self.mood == ANSWERS and kind == _A
        status = _SERVFAIL if self.mood == FAILS else _NOERROR
        head = data[:2] + struct.pack(">HHHHH", status, 1, int(is_found), 0, 0)
        answer = b"\xc0\x0c" + struct.pack(">HHIH4s", _A, 1, 0, 4, socket.inet_aton("127.0.0.1")) if is_found else b""
        self._transport.sendto(head + question + answer, addr)  # type: ignore[arg-type]


def loopback_up() -> None:
    """A new network namespace has a loopback that is down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        flags = struct.pack("16sh", b"lo", 0x1 | 0x8 | 0x40)  # up, loopback, running
        fcntl.ioctl(raw, 0x8914, flags)  # SIOCSIFFLAGS
