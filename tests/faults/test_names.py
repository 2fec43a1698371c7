"""A name server that never answers: the channels with other addresses are as quick as ever, and the stop takes its time."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.faults.house import ROOT, environment

MOST_LAG_S = 3.0
"""A look-up in the way of the loop would hold it for the 10 s that `resolv.conf` gives the name server, thrice."""


def _can_isolate() -> bool:
    if os.geteuid() != 0 or shutil.which("unshare") is None:
        return False
    return subprocess.run(["unshare", "--net", "--mount", "true"], check=False, capture_output=True).returncode == 0


pytestmark = pytest.mark.skipif(not _can_isolate(), reason="needs root and unshare for a network namespace of its own")


def _played(folder: Path, names: int) -> dict[str, Any]:
    done = subprocess.run(
        ["unshare", "--net", "--mount", sys.executable, "-m", "tests.faults.silent_names", str(folder), str(names)],
        cwd=ROOT,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=150,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.parametrize("names", [0, 2, pytest.param(12, marks=pytest.mark.soak)])
def test_names_that_hang_delay_neither_others_nor_the_stop(tmp_path: Path, names: int) -> None:
    found = _played(tmp_path, names)
    assert found["quick_s"] < 5, found
    assert found["stop_s"] < 10, found
    assert found["code"] in (0, 1), found
    assert found["looks"], found
    assert found["lag_s"] < MOST_LAG_S, found
    assert found["early"] == 0, found
    if names:
        assert "no answer from the name server" in found["reason"], found
        assert "slow.example" in found["ready"]["names"], found
        assert "no answer from the name server" in found["ready"]["names"], found
        assert "no answer from the name server" in json.dumps(found["feed"]), found
    else:
        assert "names" not in found["ready"], found
