"""The command `monitor` as a process of its own, forked from one that has read its code: a start costs no second of imports.

What runs is what `python -m monitor` runs, in its folder, with its environment, files and signals. The process is a child
of the test's: it is waited for, stopped and killed by its pid. Tests of the start itself, of limits and of other
interpreters begin the interpreter anew.
"""

from __future__ import annotations

import asyncio
import atexit
import ctypes
import functools
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from importlib import import_module, reload
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWNET = 0x40000000
LONGEST = 1 << 20
READ_AHEAD = ("monitor.cli.main", "monitor.daemon.app", "monitor.daemon.wiring", "monitor.engine.warm", "uvloop")


class Forked:
    """A process that runs; what `asyncio.subprocess.Process` has of a pid, an end and signals."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self._handle = os.pidfd_open(pid)
        self._code: int | None = None

    @property
    def returncode(self) -> int | None:
        """Its exit code, minus the signal that ended it, or None while it runs."""
        if self._code is None:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
            if pid:
                self._code = os.waitstatus_to_exitcode(status)
                os.close(self._handle)
        return self._code

    def send_signal(self, number: int) -> None:
        """Sends a signal, if it still runs."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        """kill -9."""
        self.send_signal(signal.SIGKILL)

    async def wait(self) -> int:
        """Waits for its end and returns the code."""
        loop = asyncio.get_running_loop()
        while (code := self.returncode) is None:
            ended = loop.create_future()
            # Several may wait, and a loop knows one reader of a descriptor.
            handle = os.dup(self._handle)
            loop.add_reader(handle, lambda ended=ended: ended.done() or ended.set_result(None))
            try:
                await ended
            finally:
                loop.remove_reader(handle)
                os.close(handle)
        return code

    def wait_blocking(self, timeout_s: float) -> int:
        """The same for a thread. Raises subprocess.TimeoutExpired, and kills it then."""
        until_s = time.perf_counter() + timeout_s
        while (code := self.returncode) is None:
            left_s = until_s - time.perf_counter()
            if left_s <= 0:
                self.kill()
                raise subprocess.TimeoutExpired(f"process {self.pid}", timeout_s)
            poll = select.poll()
            poll.register(self._handle, select.POLLIN)
            poll.poll(left_s * 1000)
        return code


class Ended:
    """How a command ended and what it said."""

    def __init__(self, code: int, out: str, err: str) -> None:
        self.code, self.out, self.err = code, out, err

    def __repr__(self) -> str:
        return f"code {self.code}\n--- out\n{self.out}\n--- err\n{self.err}"


def ran(args: Sequence[str], folder: Path, env: Mapping[str, str], *, timeout_s: float) -> Ended:
    """Runs a command to its end. Blocks."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        code = fork(args, folder, env, out, err).wait_blocking(timeout_s)
        for file in (out, err):
            file.seek(0)
        return Ended(code, out.read().decode(), err.read().decode())


def fork(
    args: Sequence[str], folder: Path, env: Mapping[str, str], out: IO[bytes], err: IO[bytes], network: str = ""
) -> Forked:
    """Starts `python -m monitor` with these arguments; `network` is the file of a network namespace that it is to be in."""
    asked = json.dumps({"args": list(args), "folder": str(folder), "env": dict(env), "network": network}).encode()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as line:
        line.connect(_nursery())
        socket.send_fds(line, [asked], [out.fileno(), err.fileno()])
        pid = int(line.recv(100))
        # The line closes when the one between has been waited for: from then on the process is a child of this one.
        line.recv(1)
        return Forked(pid)


@functools.cache
def _nursery() -> str:
    """The address of this process's own nursery, which is started at the first need and ends with this process."""
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind("")  # an abstract name that the kernel gives
    listener.listen(100)
    env = {**os.environ, "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "tests.forks", str(listener.fileno())]
    # Its input is a pipe that closes with this process, and then it ends.
    process = subprocess.Popen(
        command, cwd=ROOT, env=env, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, pass_fds=[listener.fileno()]
    )
    atexit.register(process.kill)
    name: bytes = listener.getsockname()
    listener.close()
    return name.decode()


def main() -> None:
    """Forks a process for each request until the test's process has ended."""
    listener = socket.socket(fileno=int(sys.argv[1]))
    for name in READ_AHEAD:
        import_module(name)
    sys.modules["monitor.engine.warm"].warm()
    assert threading.active_count() == 1, "a thread would be missing in the processes that are forked"
    while True:
        ready, _, _ = select.select([listener, sys.stdin], [], [])
        if sys.stdin in ready:
            return
        line, _ = listener.accept()
        body, files, _, _ = socket.recv_fds(line, LONGEST, 2)
        between = os.fork()
        if not between:
            # The one between ends at once, so that the daemon's parent is the test's process.
            if pid := os.fork():
                line.send(str(pid).encode())
                os._exit(0)
            line.close()
            listener.close()
            become(json.loads(body), *files)
        os.waitpid(between, 0)
        for file in files:
            os.close(file)
        line.close()


def become(asked: dict[str, Any], out: int, err: int) -> None:
    """Makes this process the one that was asked for."""
    if asked["network"]:
        with open(asked["network"]) as network:
            entered = ctypes.CDLL(None, use_errno=True).setns(network.fileno(), CLONE_NEWNET)
        assert not entered, os.strerror(ctypes.get_errno())
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["env"])
    with open(os.devnull) as nothing:
        os.dup2(nothing.fileno(), 0)
    os.dup2(out, 1)
    os.dup2(err, 2)
    os.close(out)
    os.close(err)
    reload(sys.modules["monitor.crashpoint"])  # it read the environment of before
    sys.path[0] = asked["folder"]
    sys.argv[1:] = asked["args"]
    runpy.run_module("monitor", run_name="__main__", alter_sys=True)
    raise SystemExit


if __name__ == "__main__":
    main()
