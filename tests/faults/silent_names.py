"""Run in a network namespace of its own: a name server that takes questions and answers none, and a daemon that needs it.

`unshare --net --mount python -m tests.faults.silent_names FOLDER NAMES` prints what came of it as JSON.
"""

from __future__ import annotations

import asyncio
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


def _silent_name_server(folder: Path) -> socket.socket:
    """Takes questions and answers none; glibc asks it as `resolv.conf` says."""
    server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    server.bind(("127.0.0.1", 53))
    conf = folder / "resolv.conf"
    conf.write_text("nameserver 127.0.0.1\noptions timeout:10 attempts:3\n")
    subprocess.run(["mount", "--bind", str(conf), "/etc/resolv.conf"], check=True)
    return server


def _slow(n: int) -> str:
    if n % 2:
        return (
            f'[[notifier]]\nname = "mail-{n}"\nkind = "email"\nsmtp = "smtp://mail-{n}.slow.example:25"\n'
            'sender = "m@desk.example"\nto = ["officer@desk.example"]\n'
        )
    return webhook(f"hook-{n}", f"http://hooks-{n}.slow.example/h")


async def _play(folder: Path, names: int) -> dict[str, Any]:
    async with Venue() as venue, SignedReceiver() as receiver:
        house = House(folder, venue)
        far = [FAR_FEED] if names else []
        house.write(webhook("quick", receiver.url()), *map(_slow, range(names)), *far)
        async with Daemon(house) as daemon:
            await venue.marks({"BTCUSDT": "100000"})
            await daemon.put(*(one_btc(f"G-{n}") for n in range(GROUPS)))
            start_s = now_s()
            await venue.marks({"BTCUSDT": "64000"})
            await until(lambda: len(receiver.of("loan_group.margin_call.opened")) >= GROUPS, "the quick channel", 30)
            took_s = now_s() - start_s
            if names:
                await until(lambda: receiver.of("delivery.failing"), "the outage is told", 40)
            ready = await daemon.reasons()
            feed = (await daemon.get("/v1/feeds"))["items"][0]
            code, stop_s = await daemon.stop()
            assert receiver.bad == []
            reason = next((a["data"]["facts"]["reason"] for a in receiver.of("delivery.failing")[:1]), "")
            return {"quick_s": took_s, "stop_s": stop_s, "code": code, "reason": reason, "ready": ready, "feed": feed}


if __name__ == "__main__":
    _loopback_up()
    place = Path(sys.argv[1])
    with _silent_name_server(place):
        print(json.dumps(asyncio.run(_play(place / "house", int(sys.argv[2])))))
