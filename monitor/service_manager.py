"""Tells a service manager such as systemd that the daemon is ready, reloads, stops, and that its loop turns.

The manager names a socket in the environment, and how often it wants a sign of life. Without them nothing is sent. A
manager that does not listen costs a datagram: nothing here waits, and nothing raises.
"""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import MutableMapping

from monitor.clock import Clock

SIGNS = 4
"""Signs of life within the time that the manager allows: one that is lost or late must not end a daemon that is well."""
LONGEST_STATUS = 200


class ServiceManager:
    """The manager of this process; speaks into the void where there is none."""

    def __init__(self, address: str | None, watchdog_s: float | None, clock: Clock) -> None:
        self.watchdog_s = watchdog_s
        """The manager ends a daemon that gives no sign of life for so long; None where it does not watch."""
        self._address = _socket_name(address)
        self._clock = clock
        self._said_s = float("-inf")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self._socket.setblocking(False)

    def watches(self, groups: int, port: int, *, is_reloaded: bool) -> None:
        """Ready, with what `systemctl status` shows."""
        stands = "" if is_reloaded else "; the last reload was refused, the log says why"
        self.ready(f"watches {groups:,} group{'' if groups == 1 else 's'}, port {port}{stands}")

    def ready(self, status: str) -> None:
        """The start, or a reload, is over; `status` is one line for people."""
        self._say("READY=1", f"STATUS={status[:LONGEST_STATUS]}")

    def reloading(self) -> None:
        """A reload has begun. The manager waits for `ready`."""
        self._say("RELOADING=1", f"MONOTONIC_USEC={int(self._clock.monotonic_s() * 1_000_000)}")

    def stopping(self) -> None:
        """The stop has begun."""
        self._say("STOPPING=1")

    def turned(self) -> None:
        """The loop that decides and commits has finished a turn. May be called as often as it turns."""
        now_s = self._clock.monotonic_s()
        if self.watchdog_s is not None and now_s - self._said_s >= self.watchdog_s / SIGNS:
            self._said_s = now_s
            self._say("WATCHDOG=1")

    def _say(self, *lines: str) -> None:
        if self._address:
            with contextlib.suppress(OSError):  # a manager that is gone or busy must not disturb the monitor
                self._socket.sendto("\n".join(lines).encode(), self._address)


def of_environment(clock: Clock, environ: MutableMapping[str, str] = os.environ) -> ServiceManager:
    """The manager that the environment names. Its variables are taken away, so that no child speaks for the daemon."""
    address = environ.pop("NOTIFY_SOCKET", None)
    every_us = environ.pop("WATCHDOG_USEC", "")
    pid = environ.pop("WATCHDOG_PID", str(os.getpid()))
    is_watched = every_us.isdecimal() and int(every_us) > 0 and pid == str(os.getpid())
    return ServiceManager(address, int(every_us) / 1_000_000 if is_watched else None, clock)


def _socket_name(address: str | None) -> str:
    """A path, or a name of the abstract kind that begins with @; nothing else is a socket of a manager."""
    if not address or address[0] not in "/@" or len(address) < 2:
        return ""
    return "\0" + address[1:] if address[0] == "@" else address
