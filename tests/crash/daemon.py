"""The real daemon as a process of its own: started, asked, killed."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import aiohttp

import monitor
from tests.forks import Forked, fork

SOURCES = Path(monitor.__file__).parents[1]
READY_WITHIN_S = 30.0
"""A start takes a second; a machine that does much else may need longer."""
_TIMEOUT = aiohttp.ClientTimeout(total=20)


class Died(Exception):
    """The daemon is dead; a request has no answer."""


class Refused(Exception):
    """The daemon answered, and not with what was asked for."""


class Daemon:
    """One life of the process. `base` is the address of its API once it is ready."""

    def __init__(
        self, process: asyncio.subprocess.Process | Forked, errors: Path, out: asyncio.StreamReader | None
    ) -> None:
        self._process, self._errors, self._out = process, errors, out
        self.base = ""
        self._session: aiohttp.ClientSession | None = None
        self._draining: asyncio.Task[bytes] | None = None

    @classmethod
    async def spawn(
        cls, folder: Path, config: Path, errors: Path, crash_at: str = "", env: Mapping[str, str] | None = None
    ) -> Daemon:
        """Starts it in a folder; `crash_at` names the place at which it kills itself."""
        environment = {**os.environ, "PYTHONPATH": str(SOURCES), "MONITOR_CRASH_AT": crash_at, **(env or {})}
        command = ["run", "--config", str(config)]
        with errors.open("wb") as file:
            if not env:
                out = asyncio.StreamReader()
                read, write = os.pipe()
                with os.fdopen(write, "wb") as into:
                    forked = fork(command, folder, environment, into, file)
                protocol = asyncio.StreamReaderProtocol(out)
                await asyncio.get_running_loop().connect_read_pipe(lambda: protocol, os.fdopen(read, "rb"))
                return cls(forked, errors, out)
            process = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "monitor",
                *command,
                cwd=folder,
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=file,
            )
        return cls(process, errors, process.stdout)

    async def ready(self) -> None:
        """Waits for its first lines, which name its address. Raises Died where it ends before."""
        assert self._out is not None
        async with asyncio.timeout(READY_WITHIN_S):
            async for line in self._out:
                words = line.decode().split()
                if words[:1] == ["API"]:
                    self.base = words[1].removesuffix("/v1/groups")
                    self._session = aiohttp.ClientSession(timeout=_TIMEOUT)
                    # Nobody reads on, and a pipe that is full would stop the daemon.
                    self._draining = asyncio.create_task(self._out.read())
                    return
        raise Died

    @property
    def pid(self) -> int:
        """Its number on this machine."""
        return self._process.pid

    @property
    def code(self) -> int | None:
        """How it ended: minus the signal, or its exit code; None while it lives."""
        return self._process.returncode

    @property
    def errors(self) -> str:
        """What it logged."""
        return self._errors.read_text(errors="replace")

    def signal(self, number: int) -> None:
        """Sends it a signal, if it still lives."""
        if self._process.returncode is None:
            self._process.send_signal(number)

    async def ended(self, within_s: float = 20.0) -> int:
        """Waits for its end and returns the code."""
        async with asyncio.timeout(within_s):
            code = await self._process.wait()
        await self._close()
        return code

    async def kill(self) -> None:
        """kill -9, whatever it is doing."""
        self.signal(signal.SIGKILL)
        await self.ended()

    async def _close(self) -> None:
        if self._session is not None:
            await self._session.close()
        if self._draining is not None:
            await self._draining

    async def get(self, path: str) -> Any:
        """The JSON of a GET. Raises Died, Refused."""
        return await self._ask("GET", path)

    async def put(self, path: str, body: object) -> Any:
        """The JSON that a PUT is answered with. Raises Died, Refused."""
        return await self._ask("PUT", path, body)

    async def post(self, path: str, body: object) -> Any:
        """The JSON that a POST is answered with. Raises Died, Refused."""
        return await self._ask("POST", path, body)

    async def form(self, path: str, form: dict[str, str], headers: dict[str, str] | None = None) -> str:
        """The text that the POST of a form is answered with, whatever its status. Raises Died."""
        assert self._session is not None, "ask only after ready"
        try:
            async with self._session.post(self.base + path, data=form, headers=headers) as answer:
                return await answer.text()
        except (aiohttp.ClientError, OSError, RuntimeError):
            await self.ended(5.0)
            raise Died from None

    async def delete(self, path: str) -> None:
        """DELETE. Raises Died, Refused."""
        await self._ask("DELETE", path)

    async def items(self, path: str) -> list[dict[str, Any]]:
        """All pages of a list."""
        found: list[dict[str, Any]] = []
        after = ""
        while True:
            page = await self.get(f"{path}{'&' if '?' in path else '?'}limit=1000{after}")
            found += page["items"]
            if page["next"] is None:
                return found
            after = f"&after={page['next']}"

    async def _ask(self, method: str, path: str, body: object = None) -> Any:
        assert self._session is not None, "ask only after ready"
        try:
            async with self._session.request(method, self.base + path, json=body) as answer:
                text = await answer.text()
                if answer.status >= 300:
                    raise Refused(f"{method} {path}: {answer.status} {text}")
                return await answer.json() if text else None
        except (aiohttp.ClientError, OSError, RuntimeError):
            # Of a process that is dead or dying any error is expected; of one that lives, none.
            await self.ended(5.0)
            raise Died from None
