"""`python -m monitor` is the command `monitor`."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """The entry point. The daemon is deaf to SIGHUP before anything is loaded: there is nothing to reload yet."""
    if sys.argv[1:2] == ["run"]:
        with contextlib.suppress(
            AttributeError, ValueError
        ):  # a system without it, or a thread that is not the main one
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from monitor.cli.main import main as commands  # loading all commands takes a while

    commands()


if __name__ == "__main__":
    main()
