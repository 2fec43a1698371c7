"""A real PostgreSQL for tests, of this machine: a cluster of its own in a folder, on a random port."""

from __future__ import annotations

import atexit
import functools
import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest


class PostgresServer:
    """Runs as `nobody` where the tests run as root, since PostgreSQL refuses root. It may be stopped and started again.

    In memory, or in a folder of `disk`: a benchmark syncs. On loopback unless `host` is another address, at which it asks
    everybody for the `password`. `prefix` is a command that runs it elsewhere.
    """

    def __init__(self, disk: Path | None = None, *, host: str = "127.0.0.1", prefix: Sequence[str] = ()) -> None:
        self.host, self._prefix = host, prefix
        self.password = secrets.token_hex(16)
        programs = [shutil.which(name) for name in ("initdb", "postgres")]
        if None in programs:
            pytest.skip("there is no PostgreSQL on this machine (initdb and postgres)")
        self._initdb, self._postgres = (str(program) for program in programs)
        self._as: list[str] = []
        # Not below the folder of the tests, which only their own user may enter.
        # In memory where there is room: a cluster is a thousand files, and no test here cuts the power.
        memory = Path("/dev/shm")
        place = disk or (memory if os.access(memory, os.W_OK) else None)
        self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir=place))
        if os.geteuid() == 0:
            setpriv = shutil.which("setpriv")
            if setpriv is None:
                pytest.skip("the tests run as root, and there is no setpriv to start PostgreSQL as somebody else")
            self._as = [setpriv, "--reuid=nobody", "--regid=nogroup", "--clear-groups"]
            shutil.chown(self.folder, "nobody", "nogroup")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self._process: subprocess.Popen[bytes] | None = None
        how = ["-U", "desk", "-A", "trust", "-E", "UTF8", "--no-sync", "--no-locale", "--wal-segsize=1"]
        self._run([self._initdb, "-D", str(self.folder / "data"), *how])
        if host != "127.0.0.1":
            self._let_in_with_password()

    @property
    def url(self) -> str:
        """Of the database of its owner."""
        return f"postgresql://desk@{self.host}:{self.port}/postgres"

    def start(self, *options: str) -> Self:
        """Starts it, and waits until it answers."""
        settings = ["-c", "fsync=off", "-c", "shared_buffers=8MB", "-c", "max_connections=40", "-c", "jit=off"]
        # A client that has connected and says nothing holds up the end of the server for so long, a minute by default.
        settings += ["-c", "min_wal_size=2MB", "-c", "max_wal_size=32MB", "-c", "authentication_timeout=5s"]
        command = [self._postgres, "-D", str(self.folder / "data"), "-p", str(self.port), "-h", self.host]
        command += ["-k", str(self.folder), *settings, *options]
        self._process = subprocess.Popen(
            [*self._prefix, *self._as, *command], cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        for _ in range(500):
            if self._process.poll() is not None:
                pytest.skip(f"PostgreSQL does not start here: it ended with {self._process.returncode}")
            if self._answers():
                return self
            time.sleep(0.02)
        raise AssertionError("PostgreSQL does not answer")

    def _answers(self) -> bool:
        """Whether it lets the desk in: the port is open while it still recovers."""
        names = b"user\0desk\0database\0postgres\0\0"
        try:
            with socket.create_connection((self.host, self.port), timeout=2) as probe:
                probe.sendall((len(names) + 8).to_bytes(4) + (3 << 16).to_bytes(4) + names)
                return probe.recv(1) == b"R"
        except OSError:
            return False

    def stop_at_once(self) -> None:
        """As after a power cut: nothing is written that was not, and the next start recovers from the log."""
        self.stop(signal.SIGQUIT)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Cuts all connections, and waits for the end. A test whose clients are on its own loop calls this beside it."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(20)
            self._process = None

    def remove(self) -> None:
        """Stops it and deletes all that it wrote."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _let_in_with_password(self) -> None:
        with (self.folder / "data/pg_hba.conf").open("a") as rules:
            rules.write("host all all all scram-sha-256\n")
        set_it = f"ALTER USER desk PASSWORD '{self.password}'\n"
        self._run([self._postgres, "--single", "-D", str(self.folder / "data"), "postgres"], set_it)

    def _run(self, command: list[str], told: str = "") -> None:
        done = subprocess.run(
            [*self._as, *command], cwd=self.folder, input=told, capture_output=True, text=True, check=False
        )
        if done.returncode:
            pytest.skip(f"{Path(command[0]).name} fails here: {done.stderr.strip()[-200:]}")


@functools.cache
def shared_server() -> PostgresServer:
    """One server for all tests of a process, as a new cluster takes a second or more. Tests make their own tables."""
    server = PostgresServer()
    atexit.register(server.remove)
    return server.start()
