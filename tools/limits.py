"""Fails where code of the monitor is longer, or laid out otherwise, than a reader can take in at a glance.

    python -m tools.limits

The limits of length say where to look. None of them is a reason to cut one idea in two: then raise the limit, and say why.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path

MONITOR = Path(__file__).parent.parent / "monitor"
FUNCTION_LINES = 60
CLASS_LINES = 250
MODULE_LINES = 600
BY_HAND = {"# fmt: skip": 19, "type: ignore": 11}
"""How often all of the monitor may go round the formatter (for tables) and the type checker."""


def beyond(folder: Path) -> list[str]:
    """A sentence for each place beyond a limit."""
    found = []
    counts = dict.fromkeys(BY_HAND, 0)
    for path in sorted(folder.rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        place = path.relative_to(folder.parent)
        for words in counts:
            counts[words] += text.count(words)
        if (lines := text.count("\n")) > MODULE_LINES:
            found.append(f"{place}: {lines} lines, at most {MODULE_LINES}: one idea, or two?")
        for node in ast.walk(ast.parse(text)):
            found += [f"{place}:{line}: {problem}" for line, problem in _of(node)]
    return found + [
        f"{folder.name}/: {count} times `{words}`, at most {BY_HAND[words]}"
        for words, count in counts.items()
        if count > BY_HAND[words]
    ]


def _of(node: ast.AST) -> Iterator[tuple[int, str]]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        if (lines := _lines(node)) > FUNCTION_LINES:
            yield node.lineno, f"{node.name} has {lines} lines, at most {FUNCTION_LINES}"
        if node.name == "__init__":
            yield from ((each.lineno, "several assignments on one line of __init__") for each in _several(node))
    elif isinstance(node, ast.ClassDef) and (lines := _lines(node)) > CLASS_LINES:
        yield node.lineno, f"class {node.name} has {lines} lines, at most {CLASS_LINES}"


def _lines(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> int:
    return (node.end_lineno or node.lineno) - node.lineno + 1


def _several(init: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[ast.Assign]:
    """`a, b = x, y` and `a = b = x`."""
    for node in ast.walk(init):
        if isinstance(node, ast.Assign):
            is_pair = isinstance(node.targets[0], ast.Tuple) and isinstance(node.value, ast.Tuple)
            if is_pair or len(node.targets) > 1:
                yield node


if __name__ == "__main__":
    places = beyond(MONITOR)
    print("\n".join(places) or "nothing is beyond the limits of tools/limits.py")
    sys.exit(bool(places))
