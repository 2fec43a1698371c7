"""What somebody asks of an import, and what comes back: the types between the web and the daemon."""

from __future__ import annotations

from typing import Protocol

import msgspec

from monitor.imports.columns import Question
from monitor.imports.fields import ImportOptions
from monitor.imports.groups import RefusedCell
from monitor.imports.reading import SheetShown
from monitor.imports.standing import ImportRow


class ImportAsked(msgspec.Struct, frozen=True):
    """A file that somebody hands in."""

    name: str
    """The name of the import: its groups belong to `import:NAME`, and its next file changes only what changed."""
    file: str
    """The name of the file, for the audit record."""
    options: ImportOptions = ImportOptions()
    close_missing: bool = False
    """Closes the groups of this import that the file does not name."""


class ImportCounts(msgspec.Struct, frozen=True):
    """How many rows and groups."""

    rows: int
    new: int
    changed: int
    same: int
    refused: int
    """Cells that are refused; while there is one, nothing is taken."""
    missing: int
    """Groups of this import that the file does not name."""
    closed: int


class ImportAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What a file says, how each of its groups would stand, and whether it was taken."""

    name: str
    source: str
    at: str
    taken: bool
    """The book states now what the file states; false for a dry run, and where nothing could be taken."""
    counts: ImportCounts
    sheets: list[SheetShown]
    fields: list[str]
    """What a column may hold."""
    notes: list[str]
    questions: list[Question]
    """What somebody has to say first."""
    refused: list[RefusedCell]
    rows: list[ImportRow]
    missing: list[str]
    """Groups of this import that the file does not name; at most a thousand."""


class ImportFailed(Exception):
    """The file as a whole cannot be read, or not now. `is_busy`: ask again."""

    def __init__(self, text: str, *, is_busy: bool = False) -> None:
        super().__init__(text)
        self.is_busy = is_busy


class ImportDesk(Protocol):
    """The imports of a daemon."""

    async def look(self, raw: bytes, asked: ImportAsked) -> ImportAnswer:
        """What would become of a file. Nothing is changed. Raises ImportFailed."""

    async def take(self, raw: bytes, asked: ImportAsked, who: str) -> ImportAnswer:
        """Takes a file as one whole, or not at all. Raises ImportFailed and StoreUnavailable."""
