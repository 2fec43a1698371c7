"""The desk of the tests of tapes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.replay.tape_desk import TapeDesk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> TapeDesk:
    return TapeDesk(tmp_path, monkeypatch, capsys)
