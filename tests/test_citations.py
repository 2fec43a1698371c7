"""Every rule, decision and document that code, tests or documents cite is in the repository."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.rules import ROOT, by_heading, cited, headings, one_line

FOLDERS = ("monitor", "tests", "bench", "tools", "dashboard/src", "docs", "config")
TEXTS = frozenset({".py", ".ts", ".tsx", ".md", ".toml", ".json", ".html", ".css"})

_DECISIONS = re.compile(r"\b(?:[Dd]ecisions? (\d+(?:(?:-|, | and | to )\d+)*)|test_decision_(\d+)_)")
_DOCUMENT = re.compile(
    r"`?((?:docs/(?:decisions/)?[\w-]+|ARCHITECTURE|CONTRIBUTING|README)\.md)`?(?:,? \"([A-Z][^\"]+)\")?"
)
_LINK = re.compile(r"\]\((?!https?:)([^)#\s]+)(?:#([\w-]+))?\)")
_ELSEWHERE = re.compile(
    r"\b(?:DOMAIN|DESIGN|INTERFACES|REFERENCES|PERFORMANCE|HOUSE|STYLE|DEPENDENCIES)(?:\.md\b|,? (?:section|rule|fault|\d|A\d))"
    r"|\bDOMAIN\b|\bINTERFACES\b|\bDESIGN\b|\bARCHITECTURE\b(?!\.md)|\bthe issue's\b|\bfault test \d"
)


def _files() -> list[Path]:
    """All texts of ours, without what is built."""
    found = [path for name in FOLDERS for path in (ROOT / name).rglob("*")]
    paths = [path for path in (*found, *ROOT.glob("*.md")) if path.suffix in TEXTS]
    return [path for path in paths if path.name != "test_citations.py" and "static" not in path.parts]


def missing(text: str, place: Path) -> Iterator[str]:
    """What a text cites and the repository does not hold. A citation may be broken over two lines."""
    known = _headings()
    text = one_line(text)
    yield from (f"{heading} has no heading in docs/domain.md" for heading in cited(text) if heading not in known)
    for numbers, named in _DECISIONS.findall(text):
        for n in re.findall(r"\d+", numbers or named):
            if not list((ROOT / "docs" / "decisions").glob(f"{int(n):03}-*.md")):
                yield f"decision {n} has no page in docs/decisions"
    for name, title in _DOCUMENT.findall(text):
        if not (ROOT / name).is_file():
            yield f"{name} does not exist"
        elif title and title not in _titles(ROOT / name):
            yield f"{name} has no heading {title!r}"
    if place.suffix == ".md":
        for name, anchor in _LINK.findall(text):
            target = place.parent / name
            if not target.exists():
                yield f"the link {name} leads nowhere"
            elif anchor and anchor not in {_anchor(title) for title in _titles(target)}:
                yield f"the link {name}#{anchor} leads to no heading"
    yield from (f"{found!r} is not in the repository" for found in _ELSEWHERE.findall(text))


@cache
def _headings() -> frozenset[str]:
    return frozenset(headings())


@cache
def _titles(path: Path) -> frozenset[str]:
    return frozenset(re.findall(r"^#+ (.+)$", path.read_text("utf-8"), re.MULTILINE))


def _anchor(title: str) -> str:
    return re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-")


def test_every_citation_resolves() -> None:
    found = [f"{p.relative_to(ROOT)}: {what}" for p in _files() for what in missing(p.read_text("utf-8"), p)]
    assert not found, "\n".join(found)


def test_every_rule_that_a_test_names_exists() -> None:
    assert sorted(by_heading().keys() - _headings()) == []


def test_every_rule_and_reading_that_code_cites_has_a_test() -> None:
    code = [path for path in _files() if path.relative_to(ROOT).parts[0] == "monitor"]
    cites = {heading for path in code for heading in cited(path.read_text("utf-8"))}
    assert sorted(cites - by_heading().keys()) == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a line is reached (rule 48)", "Rule 48 has no heading in docs/domain.md"),
        ("the oldest order first (rules 36 and 99)", "Rule 99 has no heading in docs/domain.md"),
        ("assumed (reading A21)", "Reading A21 has no heading in docs/domain.md"),
        ("ratios (domain section 3.99)", "Section 3.99 has no heading in docs/domain.md"),
        ("time is an input (decision 999)", "decision 999 has no page in docs/decisions"),
        ("see docs/nothing.md", "docs/nothing.md does not exist"),
        ('docs/operations.md, "Small books"', "docs/operations.md has no heading 'Small books'"),
        ("a fold (DESIGN section 6)", "'DESIGN section' is not in the repository"),
        ("no such rule (VIP FAQ 48)", "Rule 48 has no heading in docs/domain.md"),
    ],
)
def test_a_made_up_citation_is_found(text: str, problem: str) -> None:
    assert list(missing(text, ROOT / "monitor" / "made_up.py")) == [problem]


def test_a_citation_that_is_broken_over_two_lines_is_found() -> None:
    assert list(cited("# all interest first (rules\n# 26 and 36)")) == ["Rule 26", "Rule 36"]


@pytest.mark.parametrize(
    ("text", "headings_"),
    [
        ("rules 9 to 11", ["Rule 9", "Rule 10", "Rule 11"]),
        ("rules 43-45", ["Rule 43", "Rule 44", "Rule 45"]),
        ("readings A12 and A13", ["Reading A12", "Reading A13"]),
        ("domain sections 3.6 and 3.10", ["Section 3.6", "Section 3.10"]),
    ],
)
def test_a_citation_may_name_several(text: str, headings_: list[str]) -> None:
    assert list(cited(text)) == headings_
