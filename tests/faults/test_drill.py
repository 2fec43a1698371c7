"""The drill of docs/disaster-recovery.md: a backup is made beside a running daemon, and another machine goes on from it."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.book_lines import one_btc
from tests.faults.house import ROOT, Daemon, House, environment, until

pytest.importorskip("pyrage", reason="pyrage is not installed: pip install 'loan-monitor[encryption]'")
AGE_KEYGEN = """\
import sys
from pathlib import Path
from pyrage.x25519 import Identity
option, file = sys.argv[1:]
if option == "-o":
    Path(file).write_text(f"{Identity.generate()}\\n")
else:
    print(Identity.from_str(Path(file).read_text().strip()).to_public())
"""


def parts() -> list[str]:
    """The commands of the drill, by machine: where the key is made, where the daemon runs, and the other one."""
    text = (ROOT / "docs/disaster-recovery.md").read_text().split("## The drill")[1]
    found = re.search(r"```sh\n(.*?)```", text, re.DOTALL)
    assert found is not None
    return [part for part in found[1].replace("config/live.toml", "monitor.toml").split("\n\n") if part.strip()]


def tools(folder: Path) -> str:
    """A path on which the commands of the drill are: ours, and age's own where it is installed."""
    folder.mkdir()
    found = {"monitor": '-m monitor "$@"'}
    if shutil.which("age-keygen") is None:
        (folder / "age_keygen.py").write_text(AGE_KEYGEN)
        found["age-keygen"] = f'{shlex.quote(str(folder / "age_keygen.py"))} "$@"'
    for name, words in found.items():
        (folder / name).write_text(f"#!/bin/sh\nexec {shlex.quote(sys.executable)} {words}\n")
        (folder / name).chmod(0o755)
    return f"{folder}:{os.environ['PATH']}"


async def ran(commands: str, folder: Path, path: str) -> str:
    """Runs commands of the drill on a machine; every one has to end well."""
    env = environment({"PATH": path})
    process = await asyncio.create_subprocess_exec(
        "sh",
        "-eu",
        "-c",
        commands,
        cwd=folder,
        env=env,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said = (await process.communicate())[0].decode()
    assert process.returncode == 0, said
    return said


async def _state(daemon: Daemon) -> dict[str, Any]:
    """What must be the same on both machines."""
    alerts = [(a["data"]["id"], a["type"]) for a in await daemon.alerts() if a["type"].startswith("loan_group.")]
    groups = await daemon.get("/v1/groups")
    fields = ("id", "stage", "deadline", "episode", "acknowledged")
    return {"alerts": alerts, "groups": [{f: g.get(f) for f in fields} for g in groups["items"]]}


async def test_the_drill_brings_the_desk_to_another_machine(house: House, tmp_path: Path) -> None:
    made, on_first, on_other = parts()
    path = tools(tmp_path / "tools")
    vault = tmp_path / "vault"
    vault.mkdir()
    await ran(made, vault, path)
    shutil.copy(vault / "backup.pub", house.folder)
    house.write()
    other = House(tmp_path / "other")
    other.write(feed=False)
    async with Daemon(house) as daemon:
        assert house.venue is not None
        await house.venue.marks({"BTCUSDT": "100000"})
        await daemon.put(one_btc("G-1", owed="80000"), one_btc("G-2", owed="10000"))

        async def is_called() -> bool:
            return bool((await _state(daemon))["alerts"])

        await until(is_called, "the margin call")
        said = await ran(on_first, house.folder, path)
        assert "checked, encrypted to 1 key" in said
        before = await _state(daemon)
    for file in (house.folder / "monitor.age", vault / "backup.key"):
        shutil.copy(file, other.folder)
    (other.folder / "backup.key").chmod(0o600)
    said = await ran(on_other, other.folder, path)
    assert said.count("monitor.age: whole, schema") == 2
    assert "restored; start the daemon" in said
    async with Daemon(other) as daemon:
        assert await _state(daemon) == before
