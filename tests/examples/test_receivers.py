"""The receivers that docs/subscribers.md shows: each takes what the monitor sends, once, and nothing else."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.notifiers._base import DeliveryError, Notice
from monitor.notifiers.webhook import Config, WebhookNotifier
from monitor.webhook_keys import new_key
from tests.fakes import FakeClock
from tests.faults.house import until

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
TSC = ROOT / "dashboard/node_modules/.bin/tsc"
TYPES = ROOT / "dashboard/node_modules/@types"
SECRET = new_key().secret
HAS_NODE = shutil.which("node") is not None and TSC.exists() and (TYPES / "node").exists()


class Example:
    """A receiver as a process."""

    def __init__(self, process: asyncio.subprocess.Process, port: int, out: Path) -> None:
        self.process = process
        self.port = port
        self._out = out

    def said(self) -> list[str]:
        return self._out.read_text().splitlines()


def compiled(folder: Path) -> Path:
    """The receiver in TypeScript as JavaScript, with its types checked."""
    options = ["--module", "nodenext", "--target", "es2022", "--strict", "--skipLibCheck", "--types", "node"]
    done = subprocess.run(
        [str(TSC), *options, "--typeRoots", str(TYPES), "--outDir", str(folder), str(EXAMPLES / "receiver.ts")],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return folder / "receiver.js"


@pytest.fixture(params=["python", "typescript"])
async def example(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Example]:
    if request.param == "typescript" and not HAS_NODE:
        pytest.skip("needs node and the packages of the dashboard: `make setup`")
    script = EXAMPLES / "receiver.py" if request.param == "python" else compiled(tmp_path)
    program = sys.executable if request.param == "python" else "node"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    out = tmp_path / "out.log"
    with out.open("wb") as handle:
        process = await asyncio.create_subprocess_exec(
            program,
            str(script),
            str(port),
            env={**os.environ, "SECRET": SECRET},
            stdout=handle,
            stderr=subprocess.DEVNULL,
        )
    try:
        await until(lambda: listens(port), "the receiver listens")
        yield Example(process, port, out)
    finally:
        process.kill()
        await process.wait()


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def notice(id_: str = "evt_1") -> Notice:
    data = {"id": id_, "severity": "critical", "group": {"id": "G-ü"}, "ltv": "0.9612"}
    return Notice("loan_group.liquidation.triggered", "2026-11-21T14:05:59.000Z", data)


async def send(example: Example, one: Notice, keys: str = SECRET, clock: Any = None) -> str:
    config = Config(url=f"http://127.0.0.1:{example.port}/", secret=keys, allow_private=True)
    notifier = WebhookNotifier("hook", config, clock or SystemClock())
    try:
        return (await notifier.send(one)).detail
    finally:
        await notifier.close()


async def test_it_takes_an_alert_once_however_often_it_comes(example: Example) -> None:
    for id_ in ("evt_1", "evt_1", "evt_2"):
        assert await send(example, notice(id_)) == "HTTP 204"
    await until(lambda: len(example.said()) >= 2, "both alerts")
    assert example.said() == ["loan_group.liquidation.triggered G-ü 0.9612"] * 2


async def test_it_takes_what_any_key_of_an_overlap_signed(example: Example) -> None:
    assert await send(example, notice(), f"{new_key('pair').secret} {new_key().secret} {SECRET}") == "HTTP 204"


async def test_it_refuses_what_another_key_signed_and_what_is_old(example: Example) -> None:
    with pytest.raises(DeliveryError, match="HTTP 400"):
        await send(example, notice(), new_key().secret)
    for away in (timedelta(minutes=-6), timedelta(minutes=6)):
        with pytest.raises(DeliveryError, match="HTTP 400"):
            await send(example, notice(), clock=FakeClock(SystemClock().utc() + away))
    assert example.said() == []
