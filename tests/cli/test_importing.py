"""The command `import`: the template, the bar, and the question before a table is taken."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from monitor.cli import importing
from monitor.cli.options import FINE, TROUBLE, WRONG
from monitor.client import DaemonClient

COUNTS = {"rows": 1, "new": 1, "changed": 0, "same": 0, "refused": 0, "missing": 0, "closed": 0}
LISTS: dict[str, Any] = {key: [] for key in ("sheets", "notes", "questions", "refused", "rows", "missing")}


class Asked:
    """A daemon that takes every file; keeps what was asked."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, answer: str, **more: Any) -> None:
        self.paths: list[str] = []
        monkeypatch.setattr(DaemonClient, "post_file", self._post)
        monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
        monkeypatch.setattr("builtins.input", lambda _: answer)
        self._more = more

    def _post(self, path: str, raw: bytes, sent: Any, timeout_s: float) -> dict[str, Any]:
        self.paths.append(path)
        sent(len(raw))
        taken = "dry_run" not in path and not self._more
        return {"taken": taken, "source": "import:loans", "counts": COUNTS, **LISTS, **self._more}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "loans.csv"
    path.write_text("group;BTC\n")
    return path


@pytest.mark.parametrize(("answer", "times"), [("y", 2), ("", 1), ("no", 1)])
def test_a_person_is_asked_after_a_look(monkeypatch: pytest.MonkeyPatch, file: Path, answer: str, times: int) -> None:
    asked = Asked(monkeypatch, answer)
    assert importing.import_(file) == FINE
    assert ["dry_run" in path for path in asked.paths] == [True, False][:times]


def test_yes_asks_nothing_and_a_dry_run_takes_nothing(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    asked = Asked(monkeypatch, "no")
    assert importing.import_(file, yes=True, columns=["a=group"], close_missing=True) == FINE
    assert asked.paths == ["/v1/import?file=loans.csv&map=a%3Dgroup&close_missing=true"]
    assert importing.import_(file, dry_run=True) == FINE
    assert asked.paths[1].endswith("dry_run=true")


def test_what_is_refused_is_trouble(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    cell = {"where": "A2", "value": "x", "what": "mend it", "group": None}
    asked = Asked(monkeypatch, "y", refused=[cell])
    assert importing.import_(file) == TROUBLE
    assert len(asked.paths) == 1
    assert importing.import_(file, dry_run=True) == TROUBLE


def test_a_template_replaces_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "loans.csv"
    assert importing.import_(template=path) == FINE
    before = path.read_bytes()
    assert importing.import_(template=path) == WRONG
    assert path.read_bytes() == before
    assert importing.import_() == WRONG
    assert importing.import_(tmp_path / "none.xlsx") == WRONG
