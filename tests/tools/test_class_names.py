"""The check that one name means one class."""

from __future__ import annotations

from pathlib import Path

from tools.class_names import twice


def test_a_pair_is_named_with_both_of_its_files(tmp_path: Path) -> None:
    _write(tmp_path / "monitor/feeds/tape.py", "class Page:\n    pass\n")
    _write(tmp_path / "monitor/web/page.py", "X = 1\n\nclass Page:\n    pass\n")
    assert twice(tmp_path / "monitor") == [
        "two public classes are called Page: monitor/feeds/tape.py:1 and monitor/web/page.py:3"
    ]


def test_configs_and_private_classes_may_share_a_name(tmp_path: Path) -> None:
    text = "class Config:\n    pass\n\nclass _Page:\n    pass\n"
    _write(tmp_path / "monitor/a.py", text)
    _write(tmp_path / "monitor/b.py", text)
    assert twice(tmp_path / "monitor") == []


def _write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
