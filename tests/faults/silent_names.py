"""Run in a network namespace of its own: a name server that leaves most questions without an answer, and a daemon that needs it.

`unshare --net --mount python -m tests.faults.silent_names FOLDER NAMES` prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import socket
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, now_s, until, webhook
from tests.feeds.venue import Venue

GROUPS = 20
FAR_FEED = (
    '[[feed]]\nname = "far"\nkind = "binance_futures"\nurl = "ws://feed.slow.example:9/ws"\n'
    'retry_min = "50ms"\nretry_max = "500ms"\n'
)


def _loopback_up() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as raw:
        flags = struct.pack("16sh", b"lo", 0x1 | 0x8 | 0x40)  # up, loopback, running
        fcntl.ioctl(raw, 0x8914, flags)  # SIOCSIFFLAGS


BACK = "back.example"
NO_SUCH_NAME, ADDRESS_OF_IPV4 = 3, 1


class NameServer(asyncio.DatagramProtocol):
    """Takes questions and answers none but those for one name, which is there once `is_back`."""

    def __init__(self) -> None:
        self.is_back = False
        self.refused = 0

    def connection_made(self, transport: Any) -> None:
        self._transport = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        name, end = _asked(data)
        if name != BACK:
            return
        kind = struct.unpack("!H", data[end : end + 2])[0]
        answer = b""
        if self.is_back and kind == ADDRESS_OF_IPV4:
            answer = b"\xc0\x0c" + struct.pack("!HHIH", ADDRESS_OF_IPV4, 1, 1, 4) + socket.inet_aton("127.0.0.1")
        self.refused += not self.is_back
        flags = 0x8180 | (0 if self.is_back else NO_SUCH_NAME)
        head = data[:2] + struct.pack("!HHHHH", flags, 1, bool(answer), 0, 0)
        self._transport.sendto(head + data[12 : end + 4] + answer, addr)


def _asked(data: bytes) -> tuple[str, int]:
    """The name of a question, and where it ends."""
    parts, at = [], 12
    while length := data[at]:
        parts.append(data[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(parts), at + 1


def _ask_here(folder: Path) -> None:
    """glibc asks as `resolv.conf` says."""
    conf = folder / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions timeout:10 attempts:3\n")
    subprocess.run(["mount", "--bind", str(conf), "/etc/resolv.conf"], check=True)


def _slow(n: int) -> str:
    if n % 2:
        return (
            f'[[notifier]]\nname = "mail-{n}"\nkind = "email"\nsmtp = "smtp://mail-{n}.slow.example:25"\n'
            'sender = "m@desk.example"\nto = ["officer@desk.example"]\n'
        )
    return webhook(f"hook-{n}", f"http://hooks-{n}.slow.example/h")


class Lag:
    """The greatest lateness of the daemon's event loop that its metrics showed until the block ends."""

    def __init__(self, daemon: Daemon) -> None:
        self._daemon = daemon
        self.worst_s = 0.0
        self.looks = 0

    async def __aenter__(self) -> Lag:
        self._task = asyncio.create_task(self._look())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await self._task

    async def _look(self) -> None:
        while True:
            async with self._daemon.http.get(f"{self._daemon.url}/metrics") as answer:
                (line,) = [x for x in (await answer.text()).splitlines() if x.startswith("monitor_loop_lag_seconds ")]
            self.worst_s = max(self.worst_s, float(line.split()[1]))
            self.looks += 1
            await asyncio.sleep(0.3)


async def _play(folder: Path, names: int, server: NameServer) -> dict[str, Any]:
    async with Venue() as venue, SignedReceiver() as receiver:
        house = House(folder, venue)
        far = [FAR_FEED] if names else []
        back = webhook("back", f"http://{BACK}:{receiver.port}/back")
        house.write(webhook("quick", receiver.url()), *([back] if names else []), *map(_slow, range(names)), *far)

        def told(path: str) -> int:
            return len([body for body in receiver.of("loan_group.margin_call.opened") if body["path"] == path])

        async with Daemon(house) as daemon:
            await venue.marks({"BTCUSDT": "100000"})
            await daemon.put(*(one_btc(f"G-{n}") for n in range(GROUPS)))
            early = 0
            async with Lag(daemon) as lag:
                start_s = now_s()
                await venue.marks({"BTCUSDT": "64000"})
                await until(lambda: told("/hook") >= GROUPS, "the quick channel", 30)
                took_s = now_s() - start_s
                if names:
                    await until(lambda: server.refused, "the name that there is not is asked for", 20)
                    early, server.is_back = told("/back"), True
                    await until(lambda: told("/back") == GROUPS, "deliveries go on with the name", 60)
                    await until(lambda: _outages(receiver), "the outage is told", 40)
            ready = await daemon.reasons()
            feed = (await daemon.get("/v1/feeds"))["items"][0]
            code, stop_s = await daemon.stop()
            assert receiver.bad == []
            reason = next((a["data"]["facts"]["reason"] for a in _outages(receiver)), "")
            return {
                "quick_s": took_s, "stop_s": stop_s, "code": code, "reason": reason, "ready": ready, "feed": feed,
                "early": early, "lag_s": lag.worst_s, "looks": lag.looks,
            }  # fmt: skip


def _outages(receiver: SignedReceiver) -> list[dict[str, Any]]:
    """What was told of the channels whose names hang."""
    return [body for body in receiver.of("delivery.failing") if body["data"]["subject"] != "back"]


async def _main(folder: Path, names: int) -> dict[str, Any]:
    here = ("127.0.0.1", 53)
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(NameServer, local_addr=here)
    try:
        return await _play(folder, names, server)
    finally:
        transport.close()


if __name__ == "__main__":
    _loopback_up()
    place = Path(sys.argv[1])
    _ask_here(place)
    print(json.dumps(asyncio.run(_main(place / "house", int(sys.argv[2])))))
