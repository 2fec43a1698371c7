"""The reader of books (books._base.Reader) that packs large ones. The first large book loads the array libraries."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from monitor.books._base import ContactCheck, Packed, PlainReader
from monitor.books._line_memory import LineMemory
from monitor.core.rules.product import Product
from monitor.engine.columns.names import Names

if TYPE_CHECKING:
    from monitor.engine.ingest.packer import Packer


class BlockReader(PlainReader):
    """Reads for one book. `names` are those of the book that takes its batches."""

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

    def pack(self, raws: list[bytes], at: datetime, source: str) -> Packed:
        if self._packer is None:
            from monitor.engine.ingest.packer import Packer

            self._packer = Packer(self._names, self._contacts)
        return self._packer.pack(raws, at, self._products(), source, is_live=self._is_live)

    def line_memory(self) -> LineMemory:
        from monitor.engine.ingest.line_memory import CompactLineMemory

        return CompactLineMemory()
