"""A Ray on loopback for tests, as `ray start` begins it: its processes are known by its folder, and ended by their numbers."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from monitor.clock import SystemClock

CLOCK = SystemClock()
TOKEN = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": "made-up-by-a-test"}
OURS = {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}
"""Without the first its workers run behind all else on the machine."""
START_S = 120.0


class Cluster:
    """A program of this machine joins by `address`, one of any machine is served by `far`."""

    def __init__(self, folder: Path, address: str, far: str) -> None:
        self.folder = folder
        self.address = address
        self.far = far

    def pids(self, program: str = "") -> list[int]:
        """Its processes, or those of a program: `gcs_server`, `raylet`. Each names the cluster's folder."""
        found = []
        for place in Path("/proc").glob("[0-9]*/cmdline"):
            with suppress(OSError):
                words = place.read_bytes().decode(errors="replace").split("\0")
                if str(self.folder) in " ".join(words) and words[0].endswith(program):
                    found.append(int(place.parent.name))
        return found

    def kill(self, program: str = "") -> None:
        for pid in self.pids(program):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


@contextmanager
def a_cluster(env: Mapping[str, str]) -> Iterator[Cluster]:
    """It listens on ports of its own, and stores little."""
    folder = Path(tempfile.mkdtemp(prefix="ray", dir="/tmp"))
    port, client_port = _free_port(), _free_port()
    ray = Path(sys.executable).with_name("ray")
    command = [ray, "start", "--head", "--block", "--node-ip-address=127.0.0.1", f"--port={port}"]
    command += [f"--ray-client-server-port={client_port}", "--include-dashboard=false", "--disable-usage-stats"]
    command += [f"--temp-dir={folder}", "--object-store-memory=100000000", "--num-cpus=2"]
    cluster = Cluster(folder, f"127.0.0.1:{port}", f"ray://127.0.0.1:{client_port}")
    log = (folder / "start.log").open("wb")
    with log, subprocess.Popen(command, env=os.environ | OURS | env, stdout=log, stderr=log) as begun:
        try:
            until_s = CLOCK.monotonic_s() + START_S
            while b"Ray runtime started" not in (said := (folder / "start.log").read_bytes()):
                assert begun.poll() is None, said.decode()
                assert CLOCK.monotonic_s() < until_s, said.decode()
                time.sleep(0.05)
            yield cluster
        finally:
            begun.terminate()
            with suppress(subprocess.TimeoutExpired):
                begun.wait(10)
            begun.kill()
            cluster.kill()
            shutil.rmtree(folder, ignore_errors=True)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port: int = free.getsockname()[1]
    return port


def address_of_this_machine() -> str:
    """What Ray takes in place of 127.0.0.1. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asked:
        asked.connect(("192.0.2.1", 1))
        address: str = asked.getsockname()[0]
    return address
