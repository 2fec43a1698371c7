"""The reader of books (books._base.Reader) that packs large ones. The first large book loads the array libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from monitor.books._base import ContactCheck, Packed, PlainReader
from monitor.books._line_memory import LineMemory
from monitor.books._lines import PAGE_LINES
from monitor.core.rules.product import Product
from monitor.engine.columns.names import Names
from monitor.telemetry import log

if TYPE_CHECKING:
    from monitor.engine.ingest.pack_process import PackProcess
    from monitor.engine.ingest.packer import Packer

LARGE_PAGES = 8
"""65,000 lines: they take a second to pack. A process takes two to begin, on another core, and 200 MB."""
_OF_CONTACTS = b'"contacts"'
"""Only the daemon knows what its notifiers take for an address."""


class BlockReader(PlainReader):
    """Reads for one book. `names` are those of the book that takes its batches."""

    large_pages = LARGE_PAGES
    """After so many pages of a reading that are half full at least, a process of its own packs the next ones."""

    def __init__(
        self,
        products: Callable[[], Mapping[str, Product]],
        names: Names,
        progress: Callable[[int, int], None] | None = None,
        contacts: ContactCheck | None = None,
        usd: Callable[[str], Decimal | None] | None = None,
        *,
        is_live: bool = False,
    ) -> None:
        super().__init__(products, progress, contacts, usd, is_live=is_live)
        self._names = names
        self._packer: Packer | None = None
        self._full_pages = 0
        self.process: PackProcess | None = None
        """What packs the pages of a large book."""
        self._may_begin = True

    def pack(self, raws: list[bytes], at: datetime, source: str) -> Packed:
        if 2 * len(raws) >= PAGE_LINES:
            self._full_pages += 1
        return self._packed_elsewhere(raws, at, source) or self._packed_here(raws, at, source)

    def progress(self, done: int, total: int) -> None:
        super().progress(done, total)
        if done >= total:
            self.end()

    def end(self) -> None:
        """Ends what packs a large book: the reading is over."""
        self._full_pages = 0
        process, self.process = self.process, None
        if process is not None:
            process.close()

    def line_memory(self) -> LineMemory:
        from monitor.engine.ingest.line_memory import CompactLineMemory

        return CompactLineMemory()

    def _packed_here(self, raws: list[bytes], at: datetime, source: str) -> Packed:
        if self._packer is None:
            from monitor.engine.ingest.packer import Packer

            self._packer = Packer(self._names, self._contacts)
        return self._packer.pack(raws, at, self._products(), source, is_live=self._is_live)

    def _packed_elsewhere(self, raws: list[bytes], at: datetime, source: str) -> Packed | None:
        """Packs by the other process; None where there is none, or none that can do it."""
        if self._full_pages < self.large_pages or any(_OF_CONTACTS in raw for raw in raws):
            return None
        from monitor.engine.columns.names import NamesFull
        from monitor.engine.ingest.pack_process import PackProcess, PackProcessGone

        try:
            if self.process is None and self._may_begin:
                self.process = PackProcess(self._names)
            if (process := self.process) is not None and process.is_ready():
                return process.pack(raws, at, self._products(), source, is_live=self._is_live)
        except PackProcessGone as gone:
            self._may_begin = not gone.is_broken
            self.end()
        except OSError:
            self._may_begin = False
        except NamesFull:  # packed here, the lines with the new names are left to core
            pass
        if not self._may_begin:
            log.warning("pages of a large book are packed by the daemon itself: its packing process failed")
        return None
