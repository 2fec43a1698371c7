"""A house for the daemon: a folder with its configuration, an exchange, receivers, and the daemon as a process of its own.

Everything is real: the command, its files, its sockets. Only the exchange and the receivers are ours to disturb.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Self

import aiohttp
from aiohttp import web

from monitor.clock import SystemClock
from tests.feeds.venue import Venue
from tests.forks import Ended, Forked, fork, ran
from tests.signatures import Signatures

ROOT = Path(__file__).parents[2]
SECRET = "whsec_dGhlIHNlY3JldCBvZiB0aGUgdGVzdHM="  # made up
COMMAND = [sys.executable, "-m", "monitor", "run", "--config", "monitor.toml"]
_CLOCK = SystemClock()

PRODUCT = """\
[[version]]
effective = 2024-04-29T00:00:00Z
thresholds = {{ initial = "{initial}", margin_call = "{margin_call}", liquidation = "0.91", immediate = "0.95" }}
grace = "{grace}"
liquidation_fee = "0.02"
late_interest_factor = "3"
renewal_window = "7d"
[version.ladders]
BTC = [["100000000", "1"], ["inf", "0.9"]]
ETH = [["100000000", "1"], ["inf", "0.9"]]
SOL = [["100000000", "1"], ["inf", "0.9"]]
[version.rates]
USDT = "0.00016"
"""


def now_s() -> float:
    return _CLOCK.monotonic_s()


async def until(true: Callable[[], Any], what: str, within_s: float = 20.0, step_s: float = 0.02) -> float:
    """Waits until something holds; how long that took. `true` may be a coroutine function."""
    start_s = now_s()
    while True:
        found = true()
        if asyncio.iscoroutine(found):
            found = await found
        if found:
            return now_s() - start_s
        assert now_s() - start_s < within_s, f"not within {within_s} s: {what}"
        await asyncio.sleep(step_s)


def webhook(name: str, url: str, *, secret: str = f'secret = "{SECRET}"') -> str:
    return f'[[notifier]]\nname = "{name}"\nkind = "webhook"\nurl = "{url}"\n{secret}\nallow_private = true\n'


async def free_port() -> int:
    """A port on which nobody listens now."""
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


class House:
    """The folder: `monitor.toml`, `vip_loan.toml` and whatever the daemon makes there."""

    def __init__(self, folder: Path, venue: Venue | None = None) -> None:
        self.folder, self.venue = folder, venue
        self.config = folder / "monitor.toml"
        folder.mkdir(parents=True, exist_ok=True)
        self.product()

    def product(self, *, initial: str = "0.72", margin_call: str = "0.77", grace: str = "24h") -> None:
        """Writes the rules; a daemon that runs takes them with the next reload."""
        text = PRODUCT.format(initial=initial, margin_call=margin_call, grace=grace)
        (self.folder / "vip_loan.toml").write_text(text)

    def write(
        self,
        *parts: str,
        name: str = "desk-1",
        stale_after_s: float = 3600,
        web: str = "port = 0",
        store: str = 'kind = "sqlite"\npath = "var/monitor.db"',
        more: str = "",
        feed: bool = True,
        confirm_jump: str = "9",
        max_moves: int | None = None,
    ) -> None:
        """Writes the configuration; `parts` are tables in TOML."""
        tables = [
            f'[monitor]\nname = "{name}"\nstate_dir = "var"\n',
            "" if max_moves is None else f"reload_max_moves = {max_moves}\n",
            f"[store]\n{store}\n",
            f"[web]\n{web}\n",
            f'[prices]\nstale_after = "{stale_after_s}s"\nconfirm_jump = "{confirm_jump}"\nconfirm_after = "1s"\n',
            '[[product]]\nkind = "vip_loan"\nfile = "vip_loan.toml"\n',
            *parts,
            more,
        ]
        if self.venue is not None and feed:
            tables.append(
                f'[[feed]]\nname = "venue"\nkind = "binance_futures"\nurl = "{self.venue.url}"\n'
                'retry_min = "50ms"\nretry_max = "500ms"\n'
            )
        self.config.write_text("\n".join(tables))

    def command(self, *args: str, timeout_s: float = 60.0, env: Mapping[str, str] | None = None) -> Ended:
        """Runs a command of the monitor to its end. Blocks: from a running loop use `ran`."""
        if not env:
            return ran(args, self.folder, environment(), timeout_s=timeout_s)
        # Some of it is read with the code, as SSL_CERT_FILE is.
        done = subprocess.run(
            [*COMMAND[:3], *args],
            cwd=self.folder,
            env=environment(env),
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )
        return Ended(done.returncode, done.stdout, done.stderr)

    async def ran(self, *args: str, timeout_s: float = 60.0) -> Ended:
        return await asyncio.to_thread(self.command, *args, timeout_s=timeout_s)


def but_stalls(said: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Alerts or notices without those that say that the monitor stood still: right to come where the machine is busy."""
    return [one for one in said if one["type"] != "monitor.stalled"]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(ROOT), "COLUMNS": "200", "NO_COLOR": "1", **(more or {})}


class Daemon:
    """The daemon as a process. Leaving the block kills it if it still runs."""

    def __init__(
        self, house: House, *, module: str = "monitor", prefix: Sequence[str] = (), env: Mapping[str, str] | None = None
    ) -> None:
        self.house, self._env = house, env
        self._command = (
            [*prefix, *COMMAND] if module == "monitor" else [*prefix, sys.executable, "-m", module, *COMMAND[3:]]
        )
        self.url = ""
        self.begins_anew = False
        """Whether the interpreter is begun anew though nothing else asks for it: it inherits what the test's process has."""
        self.network = ""
        """The file of the network namespace that it is to be in."""
        self._starts = 0
        self.process: asyncio.subprocess.Process | Forked

    async def __aenter__(self) -> Self:
        await self.launch()
        await self.ready()
        return self

    async def __aexit__(self, *_: object) -> None:
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()
        await self.http.close()

    async def launch(self) -> None:
        """Starts the process and does not wait for it."""
        self._starts += 1
        self.out, self.err = (self.house.folder / f"{n}-{self._starts}.log" for n in ("out", "err"))
        with self.out.open("wb") as out, self.err.open("wb") as err:
            env = environment(self._env)
            if self._command == COMMAND and not self._env and not self.begins_anew:
                self.process = fork(COMMAND[3:], self.house.folder, env, out, err, self.network)
            else:
                self.process = await asyncio.create_subprocess_exec(
                    *self._command, cwd=self.house.folder, env=env, stdout=out, stderr=err
                )
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))

    async def ready(self, within_s: float = 40.0) -> None:
        """Waits until it serves, and where there is an exchange until it listens there."""
        await until(self._found, f"the daemon serves; it said:\n{self.said()}", within_s)
        if self.house.venue is not None and "[[feed]]" in self.house.config.read_text():
            await self.house.venue.joined()

    def _found(self) -> bool:
        assert self.process.returncode is None, f"ended with {self.process.returncode}:\n{self.said()}"
        match = re.search(r"API +(http://\S+)/v1/groups", self.out.read_text())
        self.url = match[1] if match else ""
        return bool(match)

    async def again(self) -> None:
        """A restart: the old process must have ended."""
        await self.http.close()
        await self.launch()
        await self.ready()

    def said(self) -> str:
        return self.out.read_text() + self.err.read_text() if self._starts else ""

    def signal(self, number: int = signal.SIGTERM) -> None:
        self.process.send_signal(number)

    async def ended(self, within_s: float = 12.0) -> tuple[int, float]:
        """Exit code, and seconds until the end."""
        start_s = now_s()
        async with asyncio.timeout(within_s):
            code = await self.process.wait()
        return code, now_s() - start_s

    async def stop(self) -> tuple[int, float]:
        """SIGTERM and its end."""
        self.signal()
        return await self.ended()

    async def reload(self, expect: str = "configuration reloaded", number: int = 1) -> None:
        """SIGHUP, and its word in the log."""
        before = self.said().count(expect)
        self.signal(signal.SIGHUP)
        await until(lambda: self.said().count(expect) >= before + number, f"{expect!r} in\n{self.said()[-2000:]}")

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> tuple[int, Any]:
        """Status and parsed JSON answer."""
        data = None if body is None else json.dumps(body)
        named = {key.replace("_", "-"): value for key, value in headers.items()}
        async with self.http.request(method, self.url + path, data=data, headers=named) as response:
            raw = await response.read()
            return response.status, json.loads(raw) if raw else None

    async def get(self, path: str) -> Any:
        status, found = await self.ask("GET", path)
        assert status == 200, (status, found)
        return found

    async def put(self, *lines: dict[str, Any]) -> None:
        """Puts groups, some at a time."""
        gate = asyncio.Semaphore(20)

        async def one(group: dict[str, Any]) -> None:
            async with gate:
                status, found = await self.ask("PUT", f"/v1/groups/{group['id']}", group)
                assert status in (200, 201), (status, found)

        await asyncio.gather(*map(one, lines))

    async def alerts(self, query: str = "") -> list[dict[str, Any]]:
        """The whole log."""
        found: list[dict[str, Any]] = []
        after = 0
        while after is not None:
            page = await self.get(f"/v1/alerts?limit=1000&after={after}{query}")
            found, after = found + page["items"], page["next"]
        return found

    async def reasons(self) -> dict[str, str]:
        """What readiness complains of; empty when ready."""
        _, found = await self.ask("GET", "/readyz")
        return dict(found["reasons"])

    async def degraded(self) -> dict[str, str]:
        """What is not in order though alerts go out: texts by source."""
        _, found = await self.ask("GET", "/readyz")
        return {str(each["source"]): str(each["text"]) for each in found["degraded"]}


class SignedReceiver:
    """A webhook receiver that checks every signature and answers as it is told: `answer(request, body)` gives a status."""

    def __init__(
        self,
        answer: Callable[[dict[str, Any]], Awaitable[int]] | None = None,
        secret: str = SECRET,
        host: str = "127.0.0.1",
    ) -> None:
        self.answer, self._host = answer, host
        self.signatures = Signatures(secret)
        self.got: list[dict[str, Any]] = []
        """Bodies that were answered with 2xx, in order."""
        self.bodies: dict[str, set[bytes]] = {}
        """By webhook-id, the different bodies that ever arrived."""
        self.headers: list[dict[str, str]] = []
        self.bad: list[str] = []
        self.held = 0
        self.tries: Counter[str] = Counter()
        self._runner: web.AppRunner | None = None
        self.port = 0

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_post("/{name}", self._take)
        self._runner = web.AppRunner(app, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, self._host, self.port).start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    def url(self, name: str = "hook") -> str:
        return f"http://{self._host}:{self.port}/{name}"

    @property
    def secret(self) -> str:
        """The key that it verifies with from now on."""
        return self.signatures.keys[""][0]

    @secret.setter
    def secret(self, secret: str) -> None:
        self.signatures.keys[""] = [secret]

    @property
    def ids(self) -> list[str]:
        return [body["data"]["id"] for body in self.got]

    def of(self, type_: str) -> list[dict[str, Any]]:
        return [body for body in self.got if body["type"] == type_]

    async def _take(self, request: web.Request) -> web.Response:
        raw = await request.read()
        headers = {key.lower(): value for key, value in request.headers.items()}
        body = json.loads(raw)
        id_ = headers["webhook-id"]
        self.headers.append(headers)
        self.bodies.setdefault(id_, set()).add(raw)
        self.tries[id_] += 1
        if not self.signatures.verified("", headers, raw):
            self.bad.append(id_)
        self.held += 1
        try:
            status = 200 if self.answer is None else await self.answer(body)
        finally:
            self.held -= 1
        if status < 300:
            self.got.append({**body, "path": request.path})
        return web.Response(status=status)


class Ticker:
    """An exchange that goes on quoting: the given prices every so often, until the block is left."""

    def __init__(self, venue: Venue, every_s: float = 0.25, **prices: str) -> None:
        self.venue, self.every_s, self.prices = venue, every_s, prices
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._task is not None
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self) -> None:
        while True:
            await self.venue.marks({f"{coin}USDT": price for coin, price in self.prices.items()})
            await asyncio.sleep(self.every_s)


class Stream:
    """A reader of /v1/stream: every event as it comes, until the block is left."""

    def __init__(self, daemon: Daemon, query: str = "", **headers: str) -> None:
        self.daemon, self.query, self.headers = daemon, query, headers
        self.events: list[tuple[str, str, Any]] = []
        """Name, id and data of each."""
        self.is_over = False
        self.status = 0

    async def __aenter__(self) -> Self:
        opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._read(opened))
        await opened
        return self

    async def __aexit__(self, *_: object) -> None:
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    def ids(self) -> list[int]:
        """Cursors of the alerts that came."""
        return [int(id_) for name, id_, _ in self.events if name == "alert" and id_]

    def of(self, name: str) -> list[Any]:
        return [data for event, _, data in self.events if event == name]

    async def _read(self, opened: asyncio.Future[None]) -> None:
        named = {key.replace("_", "-"): value for key, value in self.headers.items()}
        no_limit = aiohttp.ClientTimeout(total=None)
        url = f"{self.daemon.url}/v1/stream{self.query}"
        async with self.daemon.http.get(url, headers=named, timeout=no_limit) as response:
            self.status = response.status
            event: dict[str, str] = {}
            opened.set_result(None)
            with suppress(aiohttp.ClientError):
                async for raw in response.content:
                    key, _, value = raw.decode().rstrip("\n").partition(": ")
                    if key:
                        event[key] = value
                    else:
                        data = json.loads(event["data"]) if "data" in event else None
                        self.events.append((event.get("event", ""), event.get("id", ""), data))
                        event = {}
        self.is_over = True
