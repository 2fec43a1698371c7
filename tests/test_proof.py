"""docs/proof.md and docs/security.md name, for each promise and each claim, tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from monitor.web.auth import ADMIN, FEED, MAY, OPERATE, READ

ROOT = Path(__file__).parents[1]
SECURITY = (ROOT / "docs" / "security.md").read_text()
CLAIMS = SECURITY.partition("## What is claimed")[2]
ROWS = re.findall(
    r"^\| (?!promise|claim|no |-)(.+) \| ([^|]+) \|$", (ROOT / "docs" / "proof.md").read_text() + CLAIMS, re.MULTILINE
)
"""Each row up to its last cell, and the last cell."""


def absent(cell: str) -> list[str]:
    """The tests of a cell that there are not."""
    found = []
    for file, name in re.findall(r"`(tests/[\w/]+\.py)::(test_\w+)`", cell):
        path = ROOT / file
        if not path.is_file() or not re.search(rf"^(async )?def {name}\(", path.read_text(), re.MULTILINE):
            found.append(f"{file}::{name}")
    return found


@pytest.mark.parametrize(("promise", "tests"), ROWS)
def test_every_promise_names_tests_that_there_are(promise: str, tests: str) -> None:
    assert re.fullmatch(r"`tests/[\w/]+\.py::test_\w+`(, `tests/[\w/]+\.py::test_\w+`)*", tests), promise
    assert absent(tests) == [], promise


def test_the_roles_are_those_of_the_code() -> None:
    actions = (READ, FEED, OPERATE, ADMIN)
    rows = [
        f"| {role} | {' | '.join('yes' if action in may else '-' for action in actions)} |" for role, may in MAY.items()
    ]
    table = SECURITY.partition("## Who may do what")[2].partition("\n\n")[2].partition("\n\n")[0]
    assert table.splitlines()[2:] == rows


def test_a_test_that_was_renamed_is_noticed() -> None:
    assert absent("`tests/test_proof.py::test_of_old`, `tests/test_proof.py::test_a_test_that_was_renamed_is_noticed`")
    assert len(ROWS) > 20


def test_each_of_the_25_faults_has_a_row() -> None:
    numbered = [int(match[1]) for row, _ in ROWS if (match := re.match(r"(\d+) \| .+ \| .+", row))]
    assert numbered == list(range(1, 26))
