"""The samples and commands of the documents: each fenced block, with the mark above it that says how it is tried.

A mark is a comment on the line before the block, which no reader of the page sees:

    <!-- group -->      a JSON sample is read as this (`tests/docs/test_samples.py` has the list)
    <!-- continues -->  a TOML sample belongs to the one before it
    <!-- group, file: book.jsonl -->  is also written into the folder in which the commands of the page run
    <!-- exit 1 -->     commands whose last one ends so
    <!-- held by tests/web/test_behind_proxies.py -->  another test takes the block out of the document and tries it

Blocks of `console` and `sh` run (`tests/docs/test_commands.py`), those of `text` are figures.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "venues").glob("*.md")])
_BLOCK = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+?) -->\n)?^ *```(?P<language>\S*)\n(?P<text>.*?)^ *```$", re.MULTILINE | re.DOTALL
)


class Block(NamedTuple):
    """One fenced block."""

    file: str
    line: int
    language: str
    mark: str
    text: str

    @property
    def where(self) -> str:
        """For the name of a test and for what it says."""
        return f"{self.file}:{self.line}"

    @property
    def reader(self) -> str:
        """What reads it, by its mark."""
        return self.mark.partition(", file: ")[0]

    @property
    def written_to(self) -> str | None:
        """The file as which it lies in the folder of the commands of its page."""
        found = re.search(r"\bfile: (\S+)$", self.mark)
        return found[1] if found else None

    def holder(self) -> str | None:
        """The test that tries the block elsewhere."""
        found = re.fullmatch(r"held by (tests/\S+\.py)", self.mark)
        return found[1] if found else None


def blocks_of(path: Path) -> list[Block]:
    """The blocks of a page, in order."""
    text = path.read_text("utf-8")
    name = str(path.relative_to(ROOT))
    return [
        Block(name, text.count("\n", 0, found.start()) + 1, found["language"], found["mark"] or "", found["text"])
        for found in _BLOCK.finditer(text)
    ]


ALL = [block for page in PAGES for block in blocks_of(page)]
