"""Plays one handed case of a live venue: a folder with configuration, book and messages, a local venue, the real daemon.

A message of `frames.jsonl` has `after_s`, counted from the first connection; everybody who is connected to its `path` gets
it. With `connection` first or later it goes to that connection alone, by its own clock. In `frame`, `E` (and `T` where it is
not 0) is an offset in milliseconds from the time of sending; `times` may be seconds, microseconds or text.
"""

from __future__ import annotations

import asyncio
import copy
import json
import os
import re
import shutil
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

from monitor.clock import SystemClock
from tests.faults.house import Daemon, House, now_s, until
from tests.forks import Ended

CASES = Path(__file__).parent
SPEED = float(os.environ.get("CASES_SPEED", "5"))
"""How many times faster than they were the cases are played; 1 is real time."""
_CLOCK = SystemClock()

_PRICES = {
    "stale_after": 10,
    "confirm_after": 3,
    "contradiction_after": 60,
    "quiet_after": 300,
    "frozen_after": 3600,
    "power_wait": 600,
}
_FEED = {"silence": 15, "first_frame": 10, "retry_min": 1, "retry_max": 30}
"""Limits in seconds as they are by default; they shrink with the time."""

Line = dict[str, Any]


def lines_of(path: Path) -> list[Line]:
    """The objects of a file of JSON Lines."""
    return [json.loads(text) for text in path.read_text().splitlines() if text.strip()]


class ScriptedVenue:
    """A websocket server that says what the lines tell it to, and nothing else."""

    def __init__(self, lines: list[Line], speed: float) -> None:
        self.lines = lines
        self.speed = speed
        self.refuses_with: int | None = None
        """An HTTP status for each handshake."""
        self.connections = 0
        self.port = 0
        self._began_s: float | None = None
        self._listening: dict[ServerConnection, str] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: Server | None = None

    async def __aenter__(self) -> Self:
        await self.listen()
        return self

    async def __aexit__(self, *_: object) -> None:
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()

    async def listen(self, port: int = 0) -> None:
        """Opens the port; a case that needs another server there first opens it later."""
        self._server = await serve(
            self._serve, "127.0.0.1", port, process_request=self._request, compression=None, ping_interval=None,
            close_timeout=0.2,
        )  # fmt: skip
        self.port = next(iter(self._server.sockets)).getsockname()[1]

    async def at(self, after_s: float) -> None:
        """Waits until so many seconds of the case have passed since the first connection."""
        await until(lambda: self._began_s is not None, "the first connection")
        assert self._began_s is not None
        await asyncio.sleep(max(0.0, self._began_s + after_s / self.speed - now_s()))

    def say(self, lines: list[Line]) -> None:
        """Says more to everybody, by a clock that begins now."""
        self._begin(self._say(lines, now_s(), None))

    def _request(self, connection: ServerConnection, _: Request) -> Response | None:
        return None if self.refuses_with is None else connection.respond(self.refuses_with, "refused\n")

    async def _serve(self, socket: ServerConnection) -> None:
        assert socket.request is not None
        path = socket.request.path
        self.connections += 1
        self._listening[socket] = path
        which = "first" if self.connections == 1 else "later"
        if self._began_s is None:
            self._began_s = now_s()
            everybody = [line for line in self.lines if "connection" not in line]
            self._begin(self._say(everybody, self._began_s, None))
        self._begin(self._say([x for x in self.lines if x.get("connection") == which], now_s(), socket))
        try:
            async for _ in socket:
                pass
        except ConnectionClosed:
            pass
        finally:
            self._listening.pop(socket, None)

    def _begin(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _say(self, lines: list[Line], began_s: float, only: ServerConnection | None) -> None:
        for line in lines:
            await asyncio.sleep(max(0.0, began_s + line["after_s"] / self.speed - now_s()))
            text = text_of(line)
            for socket, path in list(self._listening.items()):
                if path == line["path"] and only in (None, socket):
                    with suppress(ConnectionClosed):
                        await socket.send(text)


def text_of(line: Line) -> str:
    """The message of a line with the times of now."""
    frame = copy.deepcopy(line["frame"])
    now_ms = int(_CLOCK.utc().timestamp() * 1000)
    for item in frame if isinstance(frame, list) else [frame]:
        if "E" in item:
            item["E"] = _time(line, now_ms + item["E"])
            item["T"] = item["T"] and _time(line, now_ms + item["T"])
    return json.dumps(frame)


def _time(line: Line, ms: int) -> int | str:
    match line.get("times"):
        case "microseconds":
            return ms * 1000
        case "seconds":
            return ms // 1000
        case "text":
            return str(ms)
    return ms


class Case:
    """A case that is being played: `venue` speaks, `daemon` listens.

    `change` and `config` may make a sibling of it; `ends`: also when played fast, nothing comes beyond the last line.
    """

    def __init__(
        self,
        family: str,
        name: str,
        folder: Path,
        *,
        speed: float = SPEED,
        change: Callable[[list[Line]], list[Line]] = list,
        ends: bool = False,
        config: Callable[[str], str] = str,
    ) -> None:
        self.speed = speed
        self.source = CASES / family / name
        # The product lies beside the case, as in the folder of cases.
        shutil.copy(self.source.parent / "vip.toml", folder / "vip.toml")
        self.folder = folder / name
        shutil.copytree(self.source, self.folder)
        frames = self.source / "frames.jsonl"
        lines = change(lines_of(frames)) if frames.exists() else []
        if lines and speed != 1 and not ends and "connection" not in lines[-1]:
            # Played fast, a case would be over before a busy machine has started a command: the last line goes on.
            lines += [lines[-1] | {"after_s": lines[-1]["after_s"] + n} for n in range(1, 200)]
        self.venue = ScriptedVenue(lines, speed)
        self.house = House(self.folder)
        self.daemon = Daemon(self.house)
        self._config = config

    async def __aenter__(self) -> Self:
        await self.venue.__aenter__()
        self.configure("monitor.toml", self.venue.port)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.daemon._starts:
            await self.daemon.__aexit__()
        await self.venue.__aexit__()

    def configure(self, name: str, port: int) -> None:
        """Writes `monitor.toml` out of a file of the case, with the port and with limits as fast as the case."""
        text = self._config((self.source / name).read_text()).replace("PORT", str(port))
        if self.speed != 1:
            text = re.sub(r"stale_after_s = 10\n", _shrunk(_PRICES, self.speed), text)
            text = re.sub(r'(kind = "binance_futures"\n)', rf"\1{_shrunk(_FEED, self.speed)}", text)
        (self.folder / "monitor.toml").write_text(text)

    async def start(self) -> None:
        """Starts the daemon and waits until it serves."""
        await self.daemon.__aenter__()

    async def command(self, *words: str) -> Ended:
        """A command of the monitor with the configuration of the case."""
        return await self.house.ran(*words, "--config", "monitor.toml")

    async def soon(self, true: Callable[[], Any], what: str, within_s: float = 20.0) -> None:
        """Waits until something holds, in seconds of the case; a busy machine has some seconds more."""
        await until(true, what, within_s / self.speed + (0 if self.speed == 1 else 6))

    # -- what an operator sees --

    async def group(self, id_: str = "G-1") -> dict[str, Any]:
        return dict(await self.daemon.get(f"/v1/groups/{id_}"))

    async def feed(self) -> dict[str, Any]:
        """The only feed."""
        (found,) = (await self.daemon.get("/v1/feeds"))["items"]
        return dict(found)

    async def price(self, asset: str) -> dict[str, Any]:
        """The row of `/v1/prices`; empty where there is none."""
        rows = (await self.daemon.get("/v1/prices?limit=1000"))["items"]
        return next((row for row in rows if row["asset"] == asset), {})

    async def trusted(self, asset: str) -> bool:
        return (await self.price(asset)).get("trust") == "good"

    async def about(self, asset: str, kind: str = "*") -> list[dict[str, Any]]:
        """The alerts whose subject is a coin."""
        return [x for x in await self.daemon.alerts(f"&type={kind}") if x["data"].get("subject") == asset]

    async def kinds(self) -> list[str]:
        return [item["type"] for item in await self.daemon.alerts()]

    async def four_places(self) -> Mapping[str, str]:
        """What `/readyz`, the feeds, the log and `doctor` say, each as one text."""
        _, ready = await self.daemon.ask("GET", "/readyz")
        feeds = await self.daemon.get("/v1/feeds")
        doctor = await self.command("doctor")
        assert "Traceback" not in doctor.out + doctor.err, doctor
        return {
            "/readyz": json.dumps(ready),
            "/v1/feeds": json.dumps(feeds),
            "the log": self.daemon.said(),
            "doctor": " ".join((doctor.out + doctor.err).split()),
        }

    async def everywhere(self) -> str:
        """All that the daemon and its commands say to anybody."""
        found = [self.daemon.said()]
        for path in (
            "/readyz",
            "/healthz",
            "/v1/status",
            "/v1/feeds",
            "/v1/prices",
            "/v1/alerts",
            "/v1/audit",
            "/metrics",
        ):
            async with self.daemon.http.get(self.daemon.url + path) as answer:
                found.append(await answer.text())
        for words in (("doctor",), ("check-config",), ("doctor", "--as-json")):
            ended = await self.command(*words)
            found.append(ended.out + ended.err)
        return "\n".join(found)


def _shrunk(limits: Mapping[str, float], speed: float) -> str:
    return "".join(f'{key} = "{max(10, round(seconds * 1000 / speed))}ms"\n' for key, seconds in limits.items())
