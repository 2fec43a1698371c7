"""The machine that a run was made on, as far as it explains the figures; no name of a host, no path."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

PACKAGES = ("numpy", "numba", "polars", "duckdb", "pandas", "pyarrow", "bytewax", "msgspec", "uvloop")


def facts() -> dict[str, Any]:
    """Facts of the machine and of its load before the run."""
    meminfo = _fields(Path("/proc/meminfo"))
    return {
        "cpu": _fields(Path("/proc/cpuinfo")).get("model name", platform.processor()),
        "cores": os.cpu_count(),
        "memory_gib": round(int(meminfo.get("MemTotal", "0 kB").split()[0]) / 2**20, 1),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "load_before": [round(x, 2) for x in os.getloadavg()],
        "packages": dict(sorted(_versions())),
    }


def rss_bytes() -> int:
    """Resident memory of this process."""
    return int(_fields(Path("/proc/self/status"))["VmRSS"].split()[0]) * 1024


def _versions() -> Iterator[tuple[str, str]]:
    for name in PACKAGES:
        with suppress(PackageNotFoundError):
            yield name, version(name)


def _fields(path: Path) -> dict[str, str]:
    """`key : value` lines of a file of /proc, the first of each key."""
    found: dict[str, str] = {}
    for line in path.read_text().splitlines():
        key, _, value = line.partition(":")
        found.setdefault(key.strip(), value.strip())
    return found
