"""A release has the clients as packages that can be installed, of the monitor's own version."""

from __future__ import annotations

import io
import json
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from tools import client_release

ROOT = Path(__file__).parents[2]


def test_both_clients_are_packed_and_the_wheel_runs_alone(tmp_path: Path) -> None:
    said = client_release.packed(ROOT, tmp_path)
    assert said == "built the clients: loan_monitor_client-0.1.0-py3-none-any.whl and loan-monitor-client-0.1.0.tgz"
    asked = "import sys; sys.path.insert(0, sys.argv[1]); from loan_monitor_client import MonitorClient as m; print(m.get_status.__doc__)"
    wheel = str(tmp_path / "loan_monitor_client-0.1.0-py3-none-any.whl")
    done = subprocess.run([sys.executable, "-I", "-S", "-c", asked, wheel], capture_output=True, text=True, check=True)
    assert done.stdout == "The daemon at a glance.\n"
    with tarfile.open(tmp_path / "loan-monitor-client-0.1.0.tgz") as archive:
        names = archive.getnames()
        package = json.load(archive.extractfile("package/package.json") or io.BytesIO())
    assert {"package/src/index.ts", "package/src/http.ts", "package/src/models.ts", "package/src/operations.ts"} <= {
        *names
    }
    assert package["version"] == "0.1.0"
    assert (
        client_release.npm_archive(ROOT / "clients/typescript")
        == (tmp_path / "loan-monitor-client-0.1.0.tgz").read_bytes()
    )


def test_a_client_of_another_version_is_none(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "clients", tmp_path / "clients")
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    file = tmp_path / "clients/typescript/package.json"
    file.write_text(file.read_text().replace("0.1.0", "0.0.9"))
    with pytest.raises(client_release.ClientsNotBuilt, match=r"the monitor is 0.1.0, but clients/typescript is 0.0.9"):
        client_release.packed(tmp_path, tmp_path)
