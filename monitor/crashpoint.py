"""Named places where a test kills the process, to prove that a crash loses and repeats nothing.

MONITOR_CRASH_AT="before commit" dies the first time that place is reached, "before commit:3" the third time.
"""

import os
import signal

_name, _, _count = os.environ.get("MONITOR_CRASH_AT", "").partition(":")
_left = int(_count or 1)


def reached(name: str) -> None:
    """Dies by SIGKILL if the environment names this place."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
