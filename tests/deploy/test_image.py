"""The image starts without compiling anything. No engine for containers is here: its steps are taken one by one."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from monitor.daemon.startup import BUILT, take_built_kernels
from tests.faults.house import ROOT

DOCKERFILE = (ROOT / "Dockerfile").read_text().replace("\\\n", " ")
PLAY = """
import gc
from monitor.daemon.startup import take_built_kernels
take_built_kernels()
import monitor
from numba.core.registry import CPUDispatcher
from tests.engine.queries import test_snapshot
import monitor.engine.queries.snapshot
monitor.engine.queries.snapshot.EXACT_SUMS = 0
for fold_at in (64, 512):
    test_snapshot.play(5, 300, 4, "wary", fold_at, 12, has_terms=True)
loops = [o for o in gc.get_objects() if isinstance(o, CPUDispatcher) and o.py_func.__module__.startswith("monitor.")]
missed = {o.py_func.__name__ for o in loops if o.stats.cache_misses}
found = sum(map(len, (o.stats.cache_hits for o in loops)))
print(monitor.__file__, found, sorted(missed))
"""
"""Some hours of a made-up market in columns, and what had to be compiled for it."""


def stated(stage: int) -> dict[str, str]:
    """The variables that a stage of the Dockerfile sets; stages are counted from the first FROM."""
    text = re.split(r"^FROM .*$", DOCKERFILE, flags=re.MULTILINE)[stage]
    lines = re.findall(r"^ENV (.*)$", text, re.MULTILINE)
    return dict(pair.split("=", 1) for line in lines for pair in line.split())


def test_the_stages_agree_on_the_processor_and_the_folder() -> None:
    build, run = stated(2), stated(3)
    assert build["NUMBA_CPU_NAME"] == run["NUMBA_CPU_NAME"] == "generic"
    assert f"NUMBA_CACHE_DIR={run[BUILT]} " in DOCKERFILE
    assert run["NUMBA_CACHE_DIR"].startswith("/tmp/"), "which may be written whatever else is read-only"


def test_loops_of_the_image_are_copied_to_where_they_may_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built, wanted = tmp_path / "built", tmp_path / "wanted"
    (built / "screen_1").mkdir(parents=True)
    (built / "screen_1" / "sweep.nbi").write_bytes(b"new")
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(wanted))
    monkeypatch.delenv(BUILT, raising=False)
    take_built_kernels()
    assert not wanted.exists()
    monkeypatch.setenv(BUILT, str(built))
    for _ in range(2):  # a container that starts again finds its folder as it was
        take_built_kernels()
        assert (wanted / "screen_1" / "sweep.nbi").read_bytes() == b"new"
        (wanted / "screen_1" / "sweep.nbi").write_bytes(b"of an older image")


def test_an_image_whose_loops_are_gone_starts_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(BUILT, str(tmp_path / "none"))
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(tmp_path / "wanted"))
    take_built_kernels()
    assert "compiled again" in capsys.readouterr().out


@pytest.mark.soak
def test_nothing_is_compiled_after_the_steps_of_the_image(tmp_path: Path) -> None:
    """Its commands on a copy of the package, its layer by an archive that knows whole seconds, its variables, and a market."""
    site = tmp_path / "opt" / "lib"
    shutil.copytree(ROOT / "monitor", site / "monitor", ignore=shutil.ignore_patterns("__pycache__", "static"))
    for file in (site / "monitor" / "engine").rglob("*.py"):
        os.utime(file, ns=(1_700_000_000_123_456_789,) * 2)
    plain = {k: v for k, v in os.environ.items() if not k.startswith("NUMBA")}
    env = {**plain, "PYTHONPATH": str(site), "PYTHONDONTWRITEBYTECODE": "1"}

    (step,) = re.findall(r"^RUN (find /opt/monitor .*)$", DOCKERFILE, re.MULTILINE)
    step = step.replace("/opt/monitor/bin/monitor", f"{sys.executable} -m monitor").replace(
        "/opt/monitor", str(site.parent)
    )
    made = subprocess.run(["sh", "-c", step], env={**env, **stated(2)}, cwd=tmp_path, capture_output=True, text=True)
    assert made.returncode == 0, made.stderr

    subprocess.run(["tar", "--format=ustar", "-cf", "layer.tar", "opt"], cwd=tmp_path, check=True)
    shutil.rmtree(tmp_path / "opt")
    subprocess.run(["tar", "-xf", "layer.tar"], cwd=tmp_path, check=True)

    run = stated(3)
    env |= {
        "NUMBA_CPU_NAME": run["NUMBA_CPU_NAME"],
        BUILT: run[BUILT].replace("/opt/monitor", str(site.parent)),
        "NUMBA_CACHE_DIR": str(tmp_path / "cache"),
        "PYTHONPATH": f"{site}{os.pathsep}{ROOT}",
    }
    played = subprocess.run(
        [sys.executable, "-c", PLAY], env=env, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert played.returncode == 0, played.stderr
    where, found, missed = played.stdout.split(" ", 2)
    assert where.startswith(str(site))
    assert (int(found) > 10, missed.strip()) == (True, "[]")
