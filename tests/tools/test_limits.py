"""The check of sizes and layout finds what is beyond, and names the place."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools.limits import beyond

LONG = "".join(f"    x{n} = {n}\n" for n in range(60))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (f"def f():\n{LONG}", "m/a.py:1: f has 61 lines, at most 60"),
        ("class A:\n" + "    x = 1\n" * 250, "m/a.py:1: class A has 251 lines, at most 250"),
        ("class A:\n    def __init__(self):\n        self.a, self.b = 1, 2\n", "m/a.py:3: several assignments on one line of __init__"),
        ("class A:\n    def __init__(self):\n        self.a = self.b = 1\n", "m/a.py:3: several assignments on one line of __init__"),
        ("x = 1\n" * 601, "m/a.py: 601 lines, at most 600: one idea, or two?"),
        ("x = 1  # fmt: skip\n" * 20, "m/: 20 times `# fmt: skip`, at most 19"),
    ],
    ids=["function", "class", "pair", "chain", "module", "by hand"],
)  # fmt: skip
def test_what_is_beyond_a_limit_is_named(tmp_path: Path, text: str, said: str) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "a.py").write_text(text)
    assert beyond(folder) == [said]


def test_what_is_within_the_limits_is_fine(tmp_path: Path) -> None:
    folder = tmp_path / "m"
    folder.mkdir()
    (folder / "a.py").write_text("class A:\n    def __init__(self):\n        self.a, self.b = make()\n")
    assert beyond(folder) == []
