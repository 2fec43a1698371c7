"""Reads lines for a book of many groups. The array libraries are loaded with the first large file."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from monitor.books.base import Packed, PlainReader
from monitor.core.product import Product
from monitor.engine.names import Names

if TYPE_CHECKING:
    from monitor.engine.ingest import Packer
    from monitor.engine.seen import CompactSeen


class BlockReader(PlainReader):
    """A books.base.Reader that packs. `names` are those of the book that takes what it packs."""

    def __init__(
        self, products: Callable[[], Mapping[str, Product]], names: Names,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(products, progress)
        self._names = names
        self._packer: Packer | None = None

    def pack(self, raws: list[bytes], at: datetime, source: str) -> Packed:
        """See books.base.Reader."""
        if self._packer is None:
            from monitor.engine.ingest import Packer

            self._packer = Packer(self._names)
        return self._packer.pack(raws, at, self._products(), source)

    def seen(self) -> CompactSeen:
        """See books.base.Reader."""
        from monitor.engine.seen import CompactSeen

        return CompactSeen()
