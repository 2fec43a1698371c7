"""The memory of the lines of a large book, 16 bytes a line: two sorted columns, and a table while the book is read."""

from __future__ import annotations

from array import array

import numpy as np

from monitor.engine.columns.fields import I64, U32, Bools
from monitor.engine.compiled import kernel

_LEAST = 1 << 14
_FULLEST = 0.6  # a fuller table takes long to search


class CompactLineMemory:
    """A books._line_memory.LineMemory in arrays."""

    def __init__(self) -> None:
        self._lines: I64 = np.empty(0, np.int64)
        """Lines in force, sorted."""
        self._ids: I64 = np.empty(0, np.int64)
        """The id that each of them puts."""
        self._taken: list[tuple[I64, I64]] = []
        self._clear()

    def _clear(self) -> None:
        self._keys = np.zeros(_LEAST, np.int64)
        """Open addressing: ids that this reading names. 0 is no id."""
        self._numbers = np.zeros(_LEAST, np.uint32)
        """The line that named each of them first."""
        self._count = 0

    def __len__(self) -> int:
        return len(self._lines)

    def applied(self, lines: array[int]) -> array[int]:
        if not len(self._lines):
            return array("q", bytes(8 * len(lines)))
        wanted = np.frombuffer(lines, np.int64)
        places = np.minimum(np.searchsorted(self._lines, wanted), len(self._lines) - 1)
        return _list(np.where(self._lines[places] == wanted, self._ids[places], 0))

    def name(self, ids: array[int], numbers: list[int]) -> list[int]:
        if self._count + len(ids) > _FULLEST * len(self._keys):
            old_keys, old_numbers, size = self._keys, self._numbers, 2 * (len(self._keys) + len(ids))
            self._keys = np.zeros(1 << size.bit_length() - 1, np.int64)
            self._numbers = np.zeros(len(self._keys), np.uint32)
            _note(self._keys, self._numbers, old_keys, old_numbers)
        firsts = np.array(numbers, np.uint32)
        self._count += _note(self._keys, self._numbers, np.frombuffer(ids, np.int64), firsts)
        before: list[int] = firsts.tolist()
        return before

    def take(self, lines: array[int], ids: array[int]) -> None:
        self._taken.append((np.frombuffer(lines, np.int64), np.frombuffer(ids, np.int64)))

    def named(self, ids: array[int]) -> list[bool]:
        named: list[bool] = _are_noted(self._keys, np.frombuffer(ids, np.int64)).tolist()
        return named

    def lacks(self) -> bool:
        return not _are_noted(self._keys, self._ids).all()

    def end(self, *, forget: bool) -> None:
        if not self._taken and not forget:
            self._clear()
            return
        lines, ids = (np.concatenate([pair[i] for pair in self._taken] or [self._ids[:0]]) for i in (0, 1))
        self._taken = []
        stays = ~np.isin(self._ids, ids)
        if forget:
            stays &= _are_noted(self._keys, self._ids)
        self._clear()
        lines, ids = np.concatenate((self._lines[stays], lines)), np.concatenate((self._ids[stays], ids))
        order = np.argsort(lines)
        self._lines, self._ids = lines[order], ids[order]


def _list(values: I64) -> array[int]:
    found = array("q")
    found.frombytes(values.tobytes())
    return found


@kernel
def _note(keys: I64, numbers: U32, ids: I64, firsts: U32) -> int:
    """Enters new ids with their lines in `firsts`, which become the lines that named them before, or 0. Returns how many."""
    count, last = 0, len(keys) - 1
    for i in range(len(ids)):
        if ids[i] == 0:
            firsts[i] = 0
            continue
        slot = ids[i] & last
        while keys[slot] != 0 and keys[slot] != ids[i]:
            slot = (slot + 1) & last
        if keys[slot] == ids[i]:
            firsts[i] = numbers[slot]
        else:
            keys[slot], numbers[slot], firsts[i] = ids[i], firsts[i], 0
            count += 1
    return count


@kernel
def _are_noted(keys: I64, ids: I64) -> Bools:
    found, last = np.zeros(len(ids), np.bool_), len(keys) - 1
    for i in range(len(ids)):
        slot = ids[i] & last
        while keys[slot] != 0 and keys[slot] != ids[i]:
            slot = (slot + 1) & last
        found[i] = keys[slot] == ids[i]
    return found
