"""The bodies of all blocks in a file of the head: what shards are loaded from, and where the head reads a single group."""

from __future__ import annotations

import os
import tempfile
import threading
from collections import OrderedDict
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, SupportsIndex

from monitor.engine.columns.block import Block
from monitor.engine.columns.codec import texts_of
from monitor.engine.columns.fields import GROUPS
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import RowIndex

KEPT = 8
"""Blocks that stay in memory: lines of a book come in the order of its blocks, and a block takes 2 MB."""


_STEP = 1 << 16
"""Room is given in steps, so that a block that is replaced leaves room for another."""


MOST_TEXT = 1 + 255
"""A text of an arena with its length."""


class _Slot(NamedTuple):
    at: int
    size: int
    groups: int
    arena: int
    """Where in the file its texts are."""
    start: int
    """Where it says at which place of the arena each group begins."""


def _room(size: int) -> int:
    return -(-size // _STEP) * _STEP


class ShelvedBlock(NamedTuple):
    """A block that was read from the shelf, as it was."""

    groups: int
    raw: bytes
    names: Names

    def read(self) -> Block:
        """Its columns."""
        return Block.load(self.raw, self.names)

    def body(self) -> bytes:
        """Its bytes, dead groups among them."""
        return self.raw


class ShelvedRows(RowIndex):
    """A RowIndex whose blocks are on a shelf."""

    def __init__(self, names: Names, shelf: ShelvedBlocks) -> None:
        super().__init__(names)
        self._shelf = shelf
        self.blocks = shelf

    def id(self, row: int) -> str:
        return self._shelf.id(row // GROUPS, row % GROUPS)

    def numbers(self) -> list[int]:
        return self._shelf.numbers()

    def has_id(self, row: int, group_id: str) -> bool:
        try:
            return self.id(row) == group_id
        except LookupError:  # the block is gone
            return False


class ShelvedBlocks(list["Block | None"]):
    """In place of the blocks of a RowIndex. The file has no name: it is gone with the process, and the store has all."""

    def __init__(self, names: Names, folder: Path | None = None) -> None:
        super().__init__()
        self._names = names
        self._file = tempfile.TemporaryFile(dir=folder)  # noqa: SIM115, open as long as the book
        self.version = 0
        """Grows with each block that comes, changes or goes."""
        self._end = 0
        self._where: dict[int, _Slot] = {}
        self._free: dict[int, list[int]] = {}
        """By size: where there is room."""
        self._freed: list[tuple[int, int]] = []
        """Size and place of what readers may still read."""
        self._readers = 0
        self._kept: OrderedDict[int, Block] = OrderedDict()
        self._lock = threading.Lock()

    def body(self, number: int) -> bytes:
        """A block as it was put last. Any thread may ask."""
        slot = self._where[number]
        return os.pread(self._file.fileno(), slot.size, slot.at)

    def id(self, number: int, place: int) -> str:
        """The id of a group, read by itself: to look at many is not to read their blocks. Any thread may ask."""
        while True:
            kept, slot, file = self._kept.get(number), self._where[number], self._file.fileno()
            if kept is not None:
                return kept.id(place)
            start = int.from_bytes(os.pread(file, 4, slot.start + 4 * place), "little")
            text = os.pread(file, MOST_TEXT, slot.arena + start)
            if self._where.get(number) is slot:  # else another block may lie there by now
                return text[1 : 1 + text[0]].decode("latin-1")

    def size(self, number: int) -> int:
        """How many groups a block has, dead ones among them."""
        return self._where[number].groups

    def bodies(self, numbers: Iterable[int]) -> Iterator[bytes]:
        """These blocks as they are now, each read when it is asked for. Any thread may read; it must read to the end, or
        close."""
        slots = [self._where[number] for number in numbers]
        with self._lock:
            self._readers += 1
        reading = self._read(slots)
        next(reading)  # begun, it ends in any case: also where nobody reads on
        return reading

    def captured(self, numbers: Sequence[int]) -> Iterator[tuple[int, ShelvedBlock]]:
        """These blocks as they are now, each read when it is asked for. As for `bodies`."""
        sizes, bodies = [self.size(number) for number in numbers], self.bodies(numbers)
        each = zip(numbers, sizes, bodies, strict=True)
        return ((number, ShelvedBlock(size, body, self._names)) for number, size, body in each)

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
        with self._lock:
            before = self._where.pop(number, None)
            if before is not None:
                self._freed.append((_room(before.size), before.at))
            if self._readers == 0:
                for room, at in self._freed:
                    self._free.setdefault(room, []).append(at)
                self._freed.clear()
            if block is None:
                self._kept.pop(number, None)
                return
        body = block.dump(self._names)
        at, (arena, start) = self._place_for(_room(len(body))), texts_of(body, block.columns)
        slot = _Slot(at, len(body), len(block), at + arena, at + start)
        os.pwrite(self._file.fileno(), body, slot.at)
        self._where[number] = slot
        self._keep(number, block)

    def __iter__(self) -> Iterator[Block | None]:
        return (self[number] for number in range(len(self)))

    @property
    def nbytes(self) -> int:
        """Bytes of the file."""
        return self._end

    def _read(self, slots: Iterable[_Slot]) -> Iterator[bytes]:
        try:
            yield b""
            for slot in slots:
                yield os.pread(self._file.fileno(), slot.size, slot.at)
        finally:
            with self._lock:
                self._readers -= 1

    def _place_for(self, room: int) -> int:
        if free := self._free.get(room):
            return free.pop()
        at = self._end
        self._end += room
        return at

    def _keep(self, number: int, block: Block) -> None:
        with self._lock:
            self._kept[number] = block
            self._kept.move_to_end(number)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
