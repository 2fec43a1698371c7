"""Fails where two public classes of the monitor have one name: a reader who meets it must know which is meant.

    python -m tools.class_names

`Config` is the exception: every plug-in has one, and the loader finds it by that name.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

MONITOR = Path(__file__).parent.parent / "monitor"
SHARED = {"Config"}


def twice(folder: Path) -> list[str]:
    """A sentence for each name that a second class has."""
    first: dict[str, str] = {}
    found = []
    for path in sorted(folder.rglob("*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_") and node.name not in SHARED:
                place = f"{path.relative_to(folder.parent)}:{node.lineno}"
                if node.name in first:
                    found.append(f"two public classes are called {node.name}: {first[node.name]} and {place}")
                first.setdefault(node.name, place)
    return found


if __name__ == "__main__":
    pairs = twice(MONITOR)
    print("\n".join(pairs) or "no two public classes share a name")
    sys.exit(bool(pairs))
