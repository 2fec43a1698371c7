"""The additions that `tools.additions` counts still fit the code."""

from __future__ import annotations

import pytest

from tools.additions import ADDITIONS, ROOT, Addition

EACH = pytest.mark.parametrize("addition", ADDITIONS, ids=lambda addition: addition.name)


@EACH
def test_what_an_addition_changes_is_there(addition: Addition) -> None:
    for edit in addition.edits:
        assert edit.found in (ROOT / edit.file).read_text(encoding="utf-8"), edit.file


@EACH
def test_what_an_addition_brings_is_not_there_yet(addition: Addition) -> None:
    for file in addition.new:
        assert not (ROOT / file).exists()
        assert (ROOT / file).parent.is_dir()
