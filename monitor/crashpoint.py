"""Named places at which a test kills the process, to prove that no instant loses or repeats anything.

MONITOR_CRASH_AT="before commit" dies the first time that place is reached, "before commit:3" the third time.
"""

import os
import signal

_name, _, _count = os.environ.get("MONITOR_CRASH_AT", "").partition(":")
_left = int(_count or 1)


def reached(name: str) -> None:
    """Dies by SIGKILL if the environment says that this is the place."""
    global _left
    if name != _name:
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
