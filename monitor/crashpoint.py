"""Named places where a test kills the process, to prove that a crash loses and repeats nothing.

MONITOR_CRASH_AT="before commit" dies the first time that place is reached, "before commit:3" the third time.
"after send of mail" counts only the times that are about `mail`.
"""

import os
import signal
from collections.abc import Iterable

_where, _, _count = os.environ.get("MONITOR_CRASH_AT", "").partition(":")
_name, _, _about = _where.partition(" of ")
_left = int(_count or 1)


def reached(name: str, about: Iterable[str] = ()) -> None:
    """Dies by SIGKILL if the environment names this place, and what it is about where it names that too."""
    global _left
    if name != _name or (_about and _about not in about):
        return
    _left -= 1
    if _left == 0:
        os.kill(os.getpid(), signal.SIGKILL)
