"""Plays docs/first-hour.md on a fresh clone with a clock beside it, and writes docs/first-hour-recording.md.

    python -m tests.docs.record_first_hour

`make run` sets up all that it needs, so it takes some minutes, a network, and port 8080.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

from monitor.clock import SystemClock
from tests.docs.blocks import ROOT, blocks_of
from tests.docs.terminal import steps

PAGE = ROOT / "docs/first-hour-recording.md"
MOST = 14
"""Lines of one command that are kept."""
HEAD = """\
# A recording of the first hour

The commands of [the first hour](first-hour.md), one after the other on a fresh clone, as `python -m tests.docs.record_first_hour` played
them: minutes and seconds since the beginning, the command, what it printed (at most {most} lines of it), and how long it took. A person
reads in between; the machine had two cores, and other work to do.

```text
"""
OF_THIS_MACHINE = ("WARNING: Location",)
"""What pip says of where it looks for packages."""
_CLOCK = SystemClock()


def main() -> None:
    """The whole recording."""
    with tempfile.TemporaryDirectory() as name:
        clone = Path(name) / "loan-monitor"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(clone)], check=True)
        PAGE.write_text(HEAD.format(most=MOST) + played(clone) + "```\n", encoding="utf-8")


def played(clone: Path) -> str:
    """Every command of the page; the demonstration of the first one runs beside all others."""
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    env |= {
        "PATH": f"{clone}/.venv/bin:{os.environ['PATH']}",
        "COLUMNS": "118",
        "NO_COLOR": "1",
        "PYTHON": shutil.which("python3.11") or "python3",
    }
    begun_s = _CLOCK.monotonic_s()

    def time() -> str:
        minutes, seconds = divmod(int(_CLOCK.monotonic_s() - begun_s), 60)
        return f"{minutes:02}:{seconds:02}"

    kept = []
    start, *others = [step.command for block in blocks_of(ROOT / "docs/first-hour.md") for step in steps(block)]
    daemon = Running(start, clone, env, time)
    try:
        daemon.wait_for("zebra-finch margin call", 900)
        kept.append(f"{time()} ... the first margin call is there\n")
        for command in others:
            if command == "monitor demo":
                continue  # the same demonstration, out of a wheel
            kept.append(one(command, clone, env, time))
        first = "".join(daemon.lines[:24])
    finally:
        daemon.stop()
    return first + "...\n" + "".join(kept)


def at_home(line: str, folder: Path) -> str:
    """A line without the place of this machine, and no longer than a terminal is wide."""
    return line.rstrip().replace(str(folder), "/home/you/loan-monitor")[:118]


class Running:
    """The daemon, whose lines get the time at which they came."""

    def __init__(self, command: str, folder: Path, env: dict[str, str], time: Callable[[], str]) -> None:
        self.lines = [f"{time()} $ {command}\n"]
        self._time = time
        self._folder = folder
        self._process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=env, text=True, start_new_session=True,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not line.startswith(OF_THIS_MACHINE) and "an SMS would be sent" not in line:
                self.lines.append(f"{self._time()} {at_home(line, self._folder)}\n")

    def wait_for(self, text: str, within_s: float) -> None:
        end_s = _CLOCK.monotonic_s() + within_s
        pause = threading.Event()
        while not any(text in line for line in self.lines):
            assert self._process.poll() is None, "".join(self.lines)
            assert _CLOCK.monotonic_s() < end_s, "".join(self.lines)
            pause.wait(0.2)

    def stop(self) -> None:
        os.killpg(self._process.pid, signal.SIGTERM)
        self._process.wait()


def one(command: str, folder: Path, env: dict[str, str], time: Callable[[], str]) -> str:
    """A command with its time, its first lines, and how long it took."""
    at, begun_s = time(), _CLOCK.monotonic_s()
    words = command.replace("curl -N", "curl -sN --max-time 3") if "curl -N" in command else command
    done = subprocess.run(["bash", "-c", words], cwd=folder, env=env, capture_output=True, text=True, check=False)
    took_s = _CLOCK.monotonic_s() - begun_s
    lines = [at_home(line, folder) for line in (done.stdout + done.stderr).splitlines()]
    lines = re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).splitlines()
    cut = [*lines[:MOST], f"... and {len(lines) - MOST} lines more"] if len(lines) > MOST else lines
    shown = "".join(f"      {line}".rstrip() + "\n" for line in cut)
    return f"{at} $ {command}\n{shown}      ({took_s:.1f} s)\n"


if __name__ == "__main__":
    main()
