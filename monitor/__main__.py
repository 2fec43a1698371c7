"""`python -m monitor` is the command `monitor`."""

from __future__ import annotations

import contextlib
import signal
import sys
from typing import NoReturn


def main() -> NoReturn:
    """The entry point. The daemon is deaf to SIGHUP before anything is loaded: there is nothing to reload yet."""
    is_daemon = sys.argv[1:2] in (["run"], ["demo"])
    # A system without these signals, or a thread that is not the main one.
    with contextlib.suppress(AttributeError, ValueError):
        # A reader that closes the pipe (`| head`) ends the other commands quietly, but not the daemon.
        signal.signal(signal.SIGPIPE, signal.SIG_IGN if is_daemon else signal.SIG_DFL)
        if is_daemon:
            signal.signal(signal.SIGHUP, signal.SIG_IGN)
    from monitor.cli.main import main as commands  # loading all commands takes a while

    commands()


if __name__ == "__main__":
    main()
