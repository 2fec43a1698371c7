"""The unit: systemd reads it, rates it, and it allows what the daemon does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.cli.main import STOP_S
from monitor.daemon.sequencer import TICK_S
from tests.deploy.programs import DEPLOY, program, ran
from tests.faults.house import ROOT

UNIT = DEPLOY / "systemd" / "loan-monitor.service"
MOST_EXPOSED = 3.0


def stated() -> dict[str, str]:
    """The keys of the unit; of one that stands twice, all values with spaces between them."""
    found: dict[str, str] = {}
    for key, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found[key] = f"{found[key]} {value}" if key in found else value
    return found


def test_it_is_exposed_at_most_as_much_as_promised() -> None:
    rated = ran(program("systemd-analyze"), "security", "--offline=true", "--no-pager", UNIT)
    match = re.search(r"Overall exposure level for \S+: ([\d.]+)", rated.stdout)
    assert match is not None, rated.stdout + rated.stderr
    assert float(match[1]) <= MOST_EXPOSED


def test_systemd_knows_each_of_its_keys(tmp_path: Path) -> None:
    """Of an unknown key it only warns, and then the daemon runs without what it should do."""
    unit = tmp_path / UNIT.name
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", UNIT.read_text(), flags=re.MULTILINE))
    looked = ran(program("systemd-analyze"), "verify", "--man=no", "--generators=no", unit)
    said = [line for line in looked.stderr.splitlines() if UNIT.name in line]
    assert said == []
    unit.write_text(unit.read_text().replace("ProtectClock=", "ProtectClok="))
    assert "ProtectClok" in ran(program("systemd-analyze"), "verify", "--man=no", unit).stderr, "a typo would be seen"


def test_systemd_knows_the_keys_of_the_drop_in_of_the_documents(tmp_path: Path) -> None:
    """That of docs/operations.md for `[monitor] group`; with it the unit is exposed at most as much as promised too."""
    (drop_in,) = re.findall(r"```ini\n(\[Service\].*?)```", (ROOT / "docs" / "operations.md").read_text(), re.DOTALL)
    unit = tmp_path / UNIT.name
    whole = UNIT.read_text().replace("[Install]", f"{drop_in.removeprefix('[Service]')}\n[Install]")
    unit.write_text(re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", whole, flags=re.MULTILINE))
    looked = ran(program("systemd-analyze"), "verify", "--man=no", "--generators=no", unit)
    assert [line for line in looked.stderr.splitlines() if UNIT.name in line] == []
    rated = ran(program("systemd-analyze"), "security", "--offline=true", "--no-pager", unit)
    match = re.search(r"Overall exposure level for \S+: ([\d.]+)", rated.stdout)
    assert match is not None
    assert float(match[1]) <= MOST_EXPOSED


def test_the_manager_and_the_daemon_agree() -> None:
    unit = stated()
    assert unit["Type"] == "notify"
    assert float(unit["WatchdogSec"]) >= 10 * TICK_S, "the loop turns once a second when nothing happens"
    assert float(unit["TimeoutStopSec"]) > STOP_S
    assert unit["Restart"] == "always"
    assert "MemoryDenyWriteExecute" not in unit, "the compiled loops need pages that are written and then run"
    assert unit["WorkingDirectory"] == f"/var/lib/{unit['StateDirectory']}"
    assert f"NUMBA_CACHE_DIR=/var/cache/{unit['CacheDirectory']}" in unit["Environment"]


@pytest.mark.parametrize("name", ["loan-monitor.sysusers.conf"])
def test_the_user_is_that_of_the_unit(name: str) -> None:
    kind, user = (UNIT.parent / name).read_text().splitlines()[-1].split()[:2]
    assert (kind, user) == ("u", stated()["User"])
