"""Two real daemons and their database on three machines: the network between them is cut without a word, and nothing is said twice."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.house import ROOT, environment
from tests.lease.networks import ISOLATED, can_isolate

pytestmark = [
    pytest.mark.skipif(not can_isolate(), reason="needs root, ip and unshare for networks of its own"),
    pytest.mark.skipif(None in map(shutil.which, ("initdb", "postgres")), reason="needs PostgreSQL (initdb, postgres)"),
]


def played(folder: Path, *cuts: str) -> None:
    """Plays these cuts one after the other. Whatever it began has ended with it."""
    command = [*ISOLATED, sys.executable, "-m", "tests.lease.cut_networks", str(folder), *cuts]
    done = subprocess.run(
        command, cwd=ROOT, env=environment(), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"{done.stdout[-2000:]}\n{done.stderr[-9000:]}"
    assert done.stdout.splitlines()[-1] == f"{cuts[-1]} holds"


def test_whichever_wire_is_cut_one_head_decides(tmp_path: Path) -> None:
    """Between the heads, between both and the database, and at last between the active one and the database."""
    played(tmp_path, "peers", "database", "alone")


@pytest.mark.soak
def test_heads_that_do_not_reach_each_other_go_on_as_they_were(tmp_path: Path) -> None:
    played(tmp_path, "peers for long")


@pytest.mark.soak
def test_while_neither_reaches_the_database_nobody_takes_over(tmp_path: Path) -> None:
    played(tmp_path, "database", "database, standby first")


@pytest.mark.soak
def test_a_head_that_reaches_nobody_says_one_word_and_its_standby_decides(tmp_path: Path) -> None:
    played(tmp_path, "everything")


@pytest.mark.soak
def test_a_post_that_connects_when_the_lease_is_over_is_held_back(tmp_path: Path) -> None:
    """Two heads could send it: the one that connected before the cut, and the one that has the lease by then."""
    played(tmp_path, "connecting")
