"""The way of one price from a venue's frame to a notifier, found by running a whole daemon and watching what it calls.

    python -m tools.way

A venue on loopback sends one price that changes nothing and one that calls a margin. From the moment the feed reads the
second frame until the notifier is done with the alert, every call between two functions of the monitor is noted.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from websockets.asyncio.server import ServerConnection, serve

from monitor import config as configuration
from monitor import telemetry
from monitor.daemon.app import App
from monitor.notifiers._base import Receipt

ROOT = Path(__file__).parent.parent
MONITOR = str(ROOT / "monitor") + "/"
BEGIN = ("feeds/binance_futures.py", "parse")
END = ("notifiers/sms.py", "send")
PATIENCE_S = 20.0

CONFIG = """
[store]
kind = "sqlite"
path = "monitor.db"

[web]
port = 0

[monitor]
name = "way"
state_dir = "state"

[[product]]
kind = "vip_loan"
file = "{root}/config/products/vip_loan.toml"

[[book]]
kind = "file"
path = "book.jsonl"

[[feed]]
name = "venue"
kind = "binance_futures"
url = "{url}"

[[notifier]]
name = "phone"
kind = "sms"
file = "sms.log"
to = ["+15550100"]

[[route]]
match = {{ type = "loan_group.margin_call.opened" }}
to = ["phone"]
"""
GROUP = {
    "id": "G-1",
    "product": "vip_loan",
    "receiving_account": "in-1",
    "collateral": {"a": {"BTC": "1"}},
    "loans": [
        {
            "id": "L-1", "asset": "USDT", "principal": "60000", "interest": "0", "rate": {"kind": "flexible"}, "term": "open",
            "opened_at": "2026-01-01T00:00:00Z", "matures_at": None,
        }
    ],
}  # fmt: skip


class Way:
    """What is called from the frame to the notifier, in the order of the first call of each."""

    def __init__(self) -> None:
        self.files: dict[str, dict[str, None]] = {}
        """The functions of each file."""
        self.calls: dict[tuple[str, str, str, str], None] = {}
        """From which file and function into which other file and function."""
        self.is_armed = False
        """The next frame is the one to follow."""
        self.is_over = threading.Event()
        self._is_on = False
        self._last: FrameType | None = None

    def watch(self, frame: FrameType, event: str, result: Any) -> None:
        """The profiler of every thread."""
        if event == "return" and self._is_on and frame is self._last and isinstance(result, Receipt):
            self._is_on = False
            self.is_over.set()
        if event != "call" or not (self.is_armed or self._is_on):
            return
        place = _place(frame.f_code)
        if place is None or _is_beside(frame):
            return
        if place == BEGIN and self.is_armed:
            self.is_armed, self._is_on = False, True
        if self._is_on:
            self._note(frame, place)

    def _note(self, frame: FrameType, place: tuple[str, str]) -> None:
        file, name = place
        self.files.setdefault(file, {})[name] = None
        if place == END:
            self._last = frame
        caller = frame.f_back
        while caller is not None and (before := _place(caller.f_code)) is None:
            caller = caller.f_back
        if caller is not None and before is not None and before[0] != file:
            self.calls[(*before, *place)] = None


def _is_beside(frame: FrameType) -> bool:
    """The daemon reads its books at any time; that is no part of the way of a price."""
    caller: FrameType | None = frame
    while caller is not None:
        if caller.f_code.co_filename.startswith(f"{MONITOR}books/"):
            return True
        caller = caller.f_back
    return False


def _place(code: CodeType) -> tuple[str, str] | None:
    """The file below monitor/ and the function; None for code of others, and for what a module does when it is loaded."""
    if not code.co_filename.startswith(MONITOR) or code.co_name == "<module>":
        return None
    return code.co_filename.removeprefix(MONITOR), code.co_name


async def followed() -> Way:
    """Runs the daemon in a folder of its own and returns the way that the price went."""
    way, price = Way(), asyncio.Queue[str]()
    with tempfile.TemporaryDirectory() as name, contextlib.chdir(name):
        async with _venue(price) as url:
            folder = Path(name)
            (folder / "book.jsonl").write_text(json.dumps(GROUP) + "\n")
            (folder / "monitor.toml").write_text(CONFIG.format(root=ROOT, url=url))
            threading.setprofile(way.watch)
            app = App(configuration.load(folder / "monitor.toml"))
            await app.start()
            try:
                price.put_nowait("80000")
                await _until(lambda: "BTC" in app.monitor.board.usd and app.monitor.book.find("G-1") is not None)
                await asyncio.sleep(3.0)  # what the start still has to do is no part of the way
                sys.setprofile(way.watch)
                way.is_armed = True
                price.put_nowait("77000")
                await _until(way.is_over.is_set)
            finally:
                sys.setprofile(None)
                threading.setprofile(None)
                await app.stop()
                price.put_nowait("")
    return way


@contextlib.asynccontextmanager
async def _venue(prices: asyncio.Queue[str]) -> AsyncIterator[str]:
    """A venue on loopback that sends each price of a queue as a frame of its market."""

    async def talk(socket: ServerConnection) -> None:
        while price := await prices.get():
            at_ms = time.time_ns() // 1_000_000
            items = [_item("BTCUSDT", price, at_ms), _item("ETHUSDT", "2000", at_ms)]
            await socket.send(json.dumps(items))

    async with serve(talk, "127.0.0.1", 0) as server:
        port = next(iter(server.sockets)).getsockname()[1]
        yield f"ws://127.0.0.1:{port}/ws/!markPrice@arr@1s"


def _item(symbol: str, price: str, at_ms: int) -> dict[str, Any]:
    return {"e": "markPriceUpdate", "E": at_ms, "s": symbol, "p": price, "i": price, "r": "0", "T": at_ms}


async def _until(holds: Callable[[], bool]) -> None:
    for _ in range(int(PATIENCE_S / 0.01)):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise TimeoutError("the price did not go its way in time")


def shown(way: Way) -> str:
    """The files with their functions in the order of the way, then the calls from file to file."""
    lines = [f"The way of one price from frame to notifier: {len(way.files)} files of monitor/", ""]
    lines += [f"  {file}: {', '.join(names)}" for file, names in way.files.items()]
    lines += ["", f"Calls from one file to another: {len(way.calls)}", ""]
    lines += [f"  {a}:{f} -> {b}:{g}" for a, f, b, g in way.calls]
    return "\n".join(lines)


if __name__ == "__main__":
    telemetry.configure("warning")
    print(shown(asyncio.run(followed())))
