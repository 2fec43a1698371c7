"""Two real daemons and their database on three machines: the network between them is cut without a word, and nothing is said twice."""

from __future__ import annotations

import asyncio
import shutil
import sys
from asyncio.subprocess import PIPE
from pathlib import Path

import pytest

from tests.faults.house import ROOT, environment
from tests.lease.networks import ISOLATED, can_isolate
from tests.lease.starvation import played

pytestmark = [
    pytest.mark.skipif(not can_isolate(), reason="needs root, ip and unshare for networks of its own"),
    pytest.mark.skipif(None in map(shutil.which, ("initdb", "postgres")), reason="needs PostgreSQL (initdb, postgres)"),
]


async def cut(folder: Path, *cuts: str) -> None:
    """Plays these cuts one after the other. Whatever it began has ended with it."""

    async def play(ttl_s: float) -> None:
        command = [*ISOLATED, sys.executable, "-m", "tests.lease.cut_networks", str(folder / f"{ttl_s:.0f}"), *cuts]
        process = await asyncio.create_subprocess_exec(
            *command, cwd=ROOT, env=environment({"TEST_TTL_S": f"{ttl_s:.0f}"}), stdout=PIPE, stderr=PIPE
        )
        try:
            async with asyncio.timeout(240):
                out, err = (raw.decode() for raw in await process.communicate())
        finally:
            if process.returncode is None:
                process.kill()
        assert process.returncode == 0, f"{out[-2000:]}\n{err[-9000:]}"
        assert out.splitlines()[-1] == f"{cuts[-1]} holds"

    await played(play)


async def test_whichever_wire_is_cut_one_head_decides(tmp_path: Path) -> None:
    """Between the heads, between both and the database, and at last between the active one and the database."""
    await cut(tmp_path, "peers", "database", "alone")


@pytest.mark.soak
async def test_heads_that_do_not_reach_each_other_go_on_as_they_were(tmp_path: Path) -> None:
    await cut(tmp_path, "peers for long")


@pytest.mark.soak
async def test_while_neither_reaches_the_database_nobody_takes_over(tmp_path: Path) -> None:
    await cut(tmp_path, "database", "database, standby first")


@pytest.mark.soak
async def test_a_head_that_reaches_nobody_says_one_word_and_its_standby_decides(tmp_path: Path) -> None:
    await cut(tmp_path, "everything")


@pytest.mark.soak
async def test_a_post_that_connects_when_the_lease_is_over_is_held_back(tmp_path: Path) -> None:
    """Two heads could send it: the one that connected before the cut, and the one that has the lease by then."""
    await cut(tmp_path, "connecting")
