"""The bodies of all blocks in a file of the head: what shards are loaded from, and where the head reads a single group."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path
from typing import Any, SupportsIndex

from monitor.engine.columns.block import Block
from monitor.engine.columns.names import Names

KEPT = 8
"""Blocks that stay in memory: lines of a book come in the order of its blocks, and a block takes 2 MB."""


class ShelvedBlocks(list["Block | None"]):
    """In place of the blocks of a RowIndex. The file has no name: it is gone with the process, and the store has all."""

    def __init__(self, names: Names, folder: Path | None = None) -> None:
        super().__init__()
        self._names = names
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, open as long as the book
        self.version = 0
        """Grows with each block that comes, changes or goes."""
        self._end = 0
        self._where: dict[int, tuple[int, int]] = {}
        self._kept: OrderedDict[int, Block] = OrderedDict()
        self._lock = threading.Lock()

    def body(self, number: int) -> bytes:
        """A block as it was put last. Any thread may ask."""
        at, size = self._where[number]
        return os.pread(self._file.fileno(), size, at)

    def numbers(self) -> list[int]:
        """The blocks that are there."""
        return sorted(self._where)

    def __getitem__(self, number: Any) -> Any:
        if number not in self._where:
            return None
        with self._lock:
            found = self._kept.get(number)
            if found is not None:
                self._kept.move_to_end(number)
        if found is None:
            found = Block.load(self.body(number), self._names)
            self._keep(number, found)
        return found

    def __setitem__(self, number: SupportsIndex | slice, block: Any) -> None:
        assert isinstance(number, int)
        self.version += 1
        if block is None:
            self._where.pop(number, None)
            with self._lock:
                self._kept.pop(number, None)
            return
        body = block.dump(self._names)
        # What is replaced stays in the file: a block changes once in hundreds of changes.
        os.pwrite(self._file.fileno(), body, self._end)
        self._where[number] = self._end, len(body)
        self._end += len(body)
        self._keep(number, block)

    def __iter__(self) -> Iterator[Block | None]:
        return (self[number] for number in range(len(self)))

    def _keep(self, number: int, block: Block) -> None:
        with self._lock:
            self._kept[number] = block
            self._kept.move_to_end(number)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
