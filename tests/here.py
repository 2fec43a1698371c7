"""Runs commands in the process of the tests, as their start is most of their work."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from monitor.cli.main import main
from tests.forks import Ended

Here = Callable[..., Awaitable[Ended]]


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Here:
    """Runs a command as `monitor` does, in the folder of the test."""
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.chdir(tmp_path)

    async def run(*args: str) -> Ended:
        monkeypatch.setattr(sys, "argv", ["monitor", *args])
        capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            await asyncio.to_thread(main)
        out, err = capsys.readouterr()
        code = end.value.code
        assert isinstance(code, int)
        return Ended(code, out, err)

    return run
