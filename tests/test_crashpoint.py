"""A test can kill the process at a named place."""

import os
import signal
import subprocess
import sys

import pytest

CODE = """
from monitor import crashpoint
for place, channel in (("before send", "hook"), ("after send", "hook"), ("before send", "mail"), ("after send", "mail")):
    print(place, flush=True)
    crashpoint.reached(place, (channel,))
"""


def run(crash_at: str) -> tuple[int, list[str]]:
    environment = {**os.environ, "MONITOR_CRASH_AT": crash_at}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout.splitlines()


@pytest.mark.parametrize(
    ("crash_at", "code", "places"),
    [
        ("", 0, 4),
        ("elsewhere", 0, 4),
        ("before send", -signal.SIGKILL, 1),
        ("after send", -signal.SIGKILL, 2),
        ("before send:2", -signal.SIGKILL, 3),
        ("before send:3", 0, 4),
        ("after send of mail", -signal.SIGKILL, 4),
        ("before send of mail:2", 0, 4),
        ("before send of nobody", 0, 4),
    ],
)
def test_the_process_is_killed_at_the_named_place_and_time(crash_at: str, code: int, places: int) -> None:
    returned, printed = run(crash_at)
    assert (returned, len(printed)) == (code, places)
