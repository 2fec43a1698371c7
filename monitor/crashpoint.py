"""Named places at which a test lets the process die, as a power cut would: `MONITOR_CRASH_AT="before commit:3"`."""

import os
import signal

_NAME, _, _COUNT = os.environ.get("MONITOR_CRASH_AT", "").partition(":")
_left = int(_COUNT or 1)


def reached(name: str) -> None:
    """Kills the process, without any cleaning up, when this is the place (and the time) that the environment names."""
    global _left
    if name != _NAME:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
