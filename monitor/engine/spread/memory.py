"""How much memory a shard has, and how much more it may take before its machine ends it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import NamedTuple

RESERVE = 256 << 20
"""What stays free on the machine for all else."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_CGROUP = Path("/sys/fs/cgroup")


class ProcessMemory(NamedTuple):
    """Bytes of a process."""

    pid: int
    """Its number, on its machine."""
    resident: int
    room: int
    """What it may still take."""


def memory_of_this_process(limit: int | None) -> ProcessMemory:
    """`limit`: the most that it may be. Without one the memory of the machine, or of its container, is."""
    resident = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE
    rooms = [room for room in (_free_of_machine(), _free_of_container()) if room is not None]
    room = min(rooms, default=1 << 62) - RESERVE
    return ProcessMemory(os.getpid(), resident, room if limit is None else min(room, limit - resident))


def _free_of_machine() -> int | None:
    lines = Path("/proc/meminfo").read_text(encoding="ascii").splitlines()
    return next((int(line.split()[1]) << 10 for line in lines if line.startswith("MemAvailable:")), None)


def _free_of_container() -> int | None:
    try:
        most = (_CGROUP / "memory.max").read_text(encoding="ascii").strip()
        now = (_CGROUP / "memory.current").read_text(encoding="ascii").strip()
    except OSError:
        return None
    return None if most == "max" else int(most) - int(now)
