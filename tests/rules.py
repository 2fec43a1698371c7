"""The lists of tests in docs/domain.md: under each rule, reading and section the tests that cite it.

`python -m tests.rules` writes them. A test cites by its name (test_rule_36_..., test_rule_24_25_..., test_rule_17_to_20_...,
test_reading_a12_..., test_section_3_8_...) or in its text ("rule 36", "rules 26 and 36",
"reading A12", "domain section 3.8"). A citation outside the tests of a file, in its first sentence or beside a table of cases, lists
the whole file.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "domain.md"

_OF_CITATIONS = frozenset({"test_citations.py", "test_rules_table.py"})
"""They make rules up."""
_HEADING = re.compile(r"^#{2,4} ((?:Rule|Reading|Section) [A\d.]+)\b", re.MULTILINE)
_LISTED = re.compile(r"\n+Tests:\n.*?(?=\n#|\Z)", re.DOTALL)
_NAMED = re.compile(r"^test_(?:rule_(\d+(?:_(?:to_)?\d+)*)|reading_a(\d+)|section_(\d{1,2}(?:_\d{1,2})?))_")
_CITED = {
    "Rule": re.compile(r"\b(?:[Rr]ules?|VIP FAQ) (\d{1,2}(?:(?:-|, | and | to |, and )\d{1,2})*)\b"),
    "Reading": re.compile(r"\b[Rr]eadings? (A\d{1,2}(?:(?:-|, | and | to |, and )A\d{1,2})*)\b"),
    "Section": re.compile(r"\b[Dd]omain sections? (\d{1,2}(?:\.\d{1,2})?(?:(?:, | and )\d{1,2}(?:\.\d{1,2})?)*)\b"),
}


def headings() -> list[str]:
    """`Rule 1`, `Reading A1`, `Section 3.8`: what may be cited, in the order of the document."""
    return _HEADING.findall(PAGE.read_text("utf-8"))


def cited(text: str) -> Iterator[str]:
    """The headings of docs/domain.md that a text cites, as often as it does."""
    plain = one_line(text)
    for kind, pattern in _CITED.items():
        for numbers in pattern.findall(plain):
            yield from (f"{kind} {n}" for n in _each(numbers))


def one_line(text: str) -> str:
    """A text without its line breaks, nor what begins a line of a comment."""
    return re.sub(r"\s*\n\s*(?:#|//|\*)?[ \t]*", " ", text)


def _each(numbers: str) -> Iterator[str]:
    """`26 and 36` names two, `17 to 20` and `17-20` four."""
    for part in re.split(r", and |, | and ", numbers):
        first, _, last = part.replace(" to ", "-").partition("-")
        if not last:
            yield first
            continue
        letter = first.rstrip("0123456789")
        for n in range(int(first.removeprefix(letter)), int(last.removeprefix(letter)) + 1):
            yield f"{letter}{n}"


def by_heading() -> dict[str, list[str]]:
    """The tests that cite each heading, in the order of files."""
    found: dict[str, list[str]] = {}
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        if path.name in _OF_CITATIONS:
            continue
        place = path.relative_to(ROOT).as_posix()
        source = path.read_text("utf-8")
        of_tests: dict[str, list[str]] = {}
        rest = source
        for name, text in _tests(source):
            rest = rest.replace(text, "")
            for heading in dict.fromkeys([*_named(name), *cited(text)]):
                of_tests.setdefault(heading, []).append(f"`{place}` `{name}`")
        for heading in dict.fromkeys(cited(rest)):
            of_tests.setdefault(heading, [f"`{place}`"])
        for heading, tests in of_tests.items():
            found.setdefault(heading, []).extend(tests)
    return found


def _tests(source: str) -> Iterator[tuple[str, str]]:
    """Name and text of each test of a file, with its decorators."""
    lines = source.splitlines(keepends=True)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_"):
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            yield node.name, "".join(lines[first - 1 : node.end_lineno])


def _named(name: str) -> Iterable[str]:
    """`test_rule_24_25_` names two rules, `test_rule_17_to_20_` four, `test_reading_a12_` and `test_section_3_8_` one each."""
    found = _NAMED.match(name)
    if found is None:
        return []
    rules, reading, section = found.groups()
    if rules is None:
        return [f"Reading A{reading}" if reading else f"Section {section.replace('_', '.')}"]
    return [f"Rule {int(n)}" for n in _each(rules.replace("_to_", "-").replace("_", ", "))]


def document() -> str:
    """docs/domain.md as it must stand."""
    found = by_heading()
    text = _LISTED.sub("\n", PAGE.read_text("utf-8"))
    starts = [match.start() for match in re.finditer(r"^#", text, re.MULTILINE)]
    parts = [text[a:b].strip("\n") for a, b in zip(starts, [*starts[1:], len(text)], strict=True)]
    return "\n\n".join(_with_tests(part, found) for part in parts) + "\n"


def _with_tests(part: str, found: dict[str, list[str]]) -> str:
    heading = _HEADING.match(part)
    if heading is None:
        return part
    tests = found.get(heading[1])
    return part if not tests else "\n".join([part, "", "Tests:", "", *(f"- {test}" for test in tests)])


if __name__ == "__main__":
    PAGE.write_text(document(), "utf-8")
