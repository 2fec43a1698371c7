"""The programs that read what `deploy/` holds."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.faults.house import ROOT

DEPLOY = ROOT / "deploy"
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "systemd-analyze": "systemd",
    "strace": "strace",
    "kubectl": "kubernetes-client",
}
"""By program: the Debian package that has it."""


def program(name: str) -> str:
    """The path of a program; skips the test where it is absent."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name} on this machine; `apt-get install {PACKAGES[name]}` brings it")
    return found


def ran(*command: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command], cwd=cwd, capture_output=True, text=True, timeout=60, check=False
    )
