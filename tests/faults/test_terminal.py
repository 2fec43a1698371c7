"""Nothing that people do with the terminal or the log stops the daemon, its alerts, or its end."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import re
import signal
import sys
from collections.abc import Iterator
from contextlib import suppress
from typing import IO, Any

import aiohttp
import pytest

from tests.book_lines import one_btc
from tests.faults.house import Daemon, House, SignedReceiver, environment, now_s, until, webhook

GROUPS = 60
TEXTS = '[[notifier]]\nname = "sms"\nkind = "sms"\nfile = "var/sms.log"\nto = ["+15550100"]\n'


class Held(Daemon):
    """A daemon whose standard output or error leads to somebody who does not read."""

    def __init__(self, house: House, *, out: int | None = None, err: int | None = None) -> None:
        super().__init__(house)
        self._fds = out, err

    async def launch(self) -> None:
        self._starts += 1
        self.out, self.err = (self.house.folder / f"{n}-{self._starts}.log" for n in ("out", "err"))
        files: list[IO[bytes]] = [self.out.open("wb"), self.err.open("wb")]
        out, err = (given if given is not None else file for given, file in zip(self._fds, files, strict=True))
        self.process = await asyncio.create_subprocess_exec(
            *self._command, cwd=self.house.folder, env=environment(), stdout=out, stderr=err
        )
        self.http = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=30))

    def _found(self) -> bool:
        """Where the output cannot be read, the address is that of the configuration."""
        if self._fds[0] is None:
            return super()._found()
        match = re.search(r"port = (\d+)", self.house.config.read_text())
        assert match is not None
        self.url = f"http://127.0.0.1:{match[1]}"
        return True

    async def ready(self, within_s: float = 40.0) -> None:
        await super().ready(within_s)
        await until(self._answers, "the daemon answers", within_s)

    async def _answers(self) -> bool:
        try:
            return (await self.ask("GET", "/healthz"))[0] == 200
        except aiohttp.ClientError:
            return False


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    yield read, write
    os.close(read)
    os.close(write)


async def _storm(daemon: Daemon) -> None:
    assert daemon.house.venue is not None
    await daemon.house.venue.marks({"BTCUSDT": "100000"})
    await daemon.put(*(one_btc(f"G-{n}") for n in range(GROUPS)))
    await daemon.house.venue.marks({"BTCUSDT": "64000"})


async def test_a_log_that_nobody_reads_holds_up_nothing(
    house: House, receiver: SignedReceiver, pipe: tuple[int, int]
) -> None:
    read, write = pipe
    house.write(webhook("hook", receiver.url()), TEXTS)
    async with Held(house, err=write) as daemon:
        await _storm(daemon)
        await until(lambda: len(receiver.of("loan_group.margin_call.opened")) >= GROUPS, "all webhooks")
        for _ in range(5):
            assert (await daemon.ask("GET", "/healthz"))[0] == 200
        await asyncio.sleep(2.1)  # a write that took longer is told of
        os.set_blocking(read, False)
        said = b""
        async with asyncio.timeout(10):
            while b"nobody read the log" not in said:
                try:
                    said += os.read(read, 4096)
                except BlockingIOError:
                    await asyncio.sleep(0.01)
        assert b"lines_dropped=" in said
        assert said.count(b"an SMS would be sent") == GROUPS, "a bounded log of a minute is read afterwards"
        code, took_s = await daemon.stop()
        assert code == 0
        assert took_s < 10


async def test_a_daemon_whose_log_nobody_reads_can_be_stopped(
    house: House, receiver: SignedReceiver, pipe: tuple[int, int]
) -> None:
    house.write(webhook("hook", receiver.url()), TEXTS)
    async with Held(house, err=pipe[1]) as daemon:
        await _storm(daemon)
        await until(lambda: len(receiver.of("loan_group.margin_call.opened")) >= GROUPS, "all webhooks")
        code, took_s = await daemon.stop()
        assert code == 0
        assert took_s < 10


@pytest.mark.parametrize("kind", ["pipe", "terminal"])
async def test_a_console_that_nobody_reads_keeps_its_notices(
    house: House, pipe: tuple[int, int], kind: str, unused_tcp_port: int
) -> None:
    """They stay pending, the stop takes its time and no more, and the next start prints them all."""
    house.write(
        '[[notifier]]\nname = "console"\nkind = "console"\nstream = "stdout"\n', web=f"port = {unused_tcp_port}"
    )
    ends = pipe if kind == "pipe" else pty.openpty()
    os.write(ends[1], b"x" * 4000)
    async with Held(house, out=ends[1]) as daemon:
        await _storm(daemon)
        await until(lambda: _count(daemon, "pending"), "notices that wait")
        code, took_s = await daemon.stop()
        assert code == 0
        assert took_s < 10
        await daemon.http.close()
        daemon._fds = None, None
        await daemon.launch()
        await daemon.ready()
        await until(lambda: _none_pending(daemon), "none waits")
        assert await _count(daemon, "failed") == 0
        os.set_blocking(ends[0], False)
        before = b""
        with suppress(OSError):
            while found := os.read(ends[0], 65536):
                before += found
        printed = before.decode(errors="replace") + daemon.out.read_text()
        assert set(re.findall(r"G-\d+ margin call", printed)) == {f"G-{n} margin call" for n in range(GROUPS)}
    if kind == "terminal":
        os.close(ends[0])
        os.close(ends[1])


async def _count(daemon: Daemon, state: str) -> int:
    page: dict[str, Any] = await daemon.get(f"/v1/deliveries?state={state}&limit=1000")
    return len(page["items"])


async def _none_pending(daemon: Daemon) -> bool:
    return await _count(daemon, "pending") == 0


async def test_a_hang_up_before_anything_is_loaded_is_harmless(house: House) -> None:
    """A terminal that closes, or an impatient script, sends SIGHUP before there is anything to reload."""
    house.write()
    async with Daemon(house) as daemon:
        await daemon.stop()
        await daemon.http.close()
        await daemon.launch()
        start_s = now_s()
        while now_s() - start_s < 1.0:
            await asyncio.sleep(0.1)  # Python itself is there by then
            daemon.signal(signal.SIGHUP)
        await daemon.ready()
        assert daemon.process.returncode is None, daemon.said()
        assert (await daemon.stop())[0] == 0


async def test_a_thread_that_hangs_does_not_hold_up_the_end(house: House) -> None:
    """A look-up of a name, a disk, a terminal: whatever a thread waits for, the process ends when the store is closed."""
    house.write()
    inside = (
        "import threading, concurrent.futures, sys\n"
        "from monitor.daemon import startup\n"
        "prepare = startup.prepare_threads\n"
        "def hung(loop):\n"
        "    prepare(loop)\n"
        "    for _ in range(3): loop.run_in_executor(None, threading.Event().wait)\n"
        "startup.prepare_threads = hung\n"
        "from monitor.__main__ import main\n"
        "main()\n"
    )
    (house.folder / "hung.py").write_text(inside)
    async with Daemon(house) as daemon:
        await daemon.stop()
        await daemon.http.close()
        daemon._command = [sys.executable, "hung.py", "run", "--config", "monitor.toml"]
        await daemon.launch()
        await daemon.ready()
        code, took_s = await daemon.stop()
        assert code == 0, daemon.said()
        assert took_s < 10
