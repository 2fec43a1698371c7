"""Named places where a test may kill the process, to prove that a crash there loses nothing.

`MONITOR_CRASH_AT="after send"` kills it the first time that place is reached, `"after send:3"` the third time.
"""

import os
import signal

_NAME, _, _COUNT = os.environ.get("MONITOR_CRASH_AT", "").partition(":")
_left = int(_COUNT or "1")


def reached(name: str) -> None:
    """Kills this process with SIGKILL if this is the place and the time that the environment names; else nothing."""
    global _left
    if name != _NAME:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
