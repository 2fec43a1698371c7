"""Loops that were compiled from other files than the present ones are forgotten, and no others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from monitor.engine import compiled

LOOP = """
from typing import NamedTuple
from monitor.engine.compiled import kernel

class {name}(NamedTuple):
    a: float

@kernel
def doubled(x):
    return 2 * x.a

print(doubled({name}(2.0)))
"""


@pytest.fixture
def engine(tmp_path: Path) -> Path:
    (tmp_path / "engine/screen").mkdir(parents=True)
    (tmp_path / "engine/screen/a.py").write_text("A = 1\n")
    return tmp_path / "engine"


def forgets(engine: Path, kept: Path) -> bool:
    """Are loops that lie there now forgotten at the next start?"""
    loops = [kept / "screen_1" / name for name in ("a.f-1.py311.nbi", "a.f-1.py311.1.nbc")]
    for loop in loops:
        loop.parent.mkdir(parents=True, exist_ok=True)
        loop.write_bytes(b"code")
    compiled.forget_older(engine, kept)
    left = {loop.exists() for loop in loops}
    assert len(left) == 1
    return left == {False}


def test_loops_are_forgotten_when_any_file_of_the_engine_is_another_one(engine: Path, tmp_path: Path) -> None:
    for kept in (tmp_path / "kernels", engine):
        assert forgets(engine, kept), "nobody knows by which files they were compiled"
        assert not forgets(engine, kept)
        for change in ("A = 2\n", "A = 20\n"):
            (engine / "screen/a.py").write_text(change)
            assert forgets(engine, kept)
            assert not forgets(engine, kept)
        (engine / "b.py").touch()
        assert forgets(engine, kept)
        (engine / "b.py").unlink()
        assert forgets(engine, kept)
    assert (engine / "screen/a.py").is_file()


def test_where_nothing_can_be_written_a_start_goes_on(engine: Path, tmp_path: Path) -> None:
    kept = tmp_path / "kernels"
    kept.write_text("not a folder")
    compiled.forget_older(engine, kept)


def test_a_start_after_an_upgrade_whose_index_names_a_class_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The real compiler, with an index of the version before beside a file that has not changed."""
    kept, loop = tmp_path / "kernels", tmp_path / "loop.py"
    monkeypatch.setenv("NUMBA_CACHE_DIR", str(kept))

    def started(name: str) -> str:
        loop.write_text(LOOP.format(name=name))
        command = [sys.executable, "-c", f"import sys; sys.path.append({str(tmp_path)!r}); import loop"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        return done.stdout or done.stderr

    assert started("Sums") == "4.0\n"
    index = next(kept.rglob("*.nbi"))
    assert "get attribute 'Sums'" in started("Pairs"), "numba reads an index that names a class which is gone"
    (kept / compiled.MARK).write_text("another version")
    assert started("Pairs") == "4.0\n"
    assert index.is_file()
