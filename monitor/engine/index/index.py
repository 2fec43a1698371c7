"""From a key, which is an id or an account, to a row. Millions of keys take no Python object."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable

import numpy as np

from monitor.engine.columns.fields import I64, U8, U64, Bools, Int
from monitor.engine.compiled import kernel
from monitor.engine.index.siphash import hash32

EMPTY, GONE = 0xFFFFFFFF, 0xFFFFFFFE
"""In place of a row: the slot never had a key since the table was laid out; its key was removed."""
# A slot takes 8 bytes. At 0.85 that is 9.4 bytes a key, and some 20 neighbouring slots show that a key is absent. A table
# that grows starts at 0.75, which is 10.7 bytes a key, and moves each key about eight times in its life.
_FULL, _LAID_OUT, _FEWEST_SLOTS = 0.85, 0.75, 64


class Index:
    """Open addressing; a slot is 32 bits of hash and a row. One thread changes it, any thread may look up meanwhile.

    The caller holds the keys, and confirms what the hash finds. A key may stand at several rows. The hash has a secret of
    this process, so that nobody can choose ids that pile up.
    """

    def __init__(self, keys: int = 0) -> None:
        self._secret: U64 = np.array([secrets.randbits(64), secrets.randbits(64)], np.uint64)
        self._slots = _free_slots(keys)
        self._keys = 0
        self._used = 0

    def __len__(self) -> int:
        return self._keys

    @property
    def nbytes(self) -> int:
        """Bytes of the table."""
        return self._slots.nbytes

    def find(self, key: bytes, same: Callable[[int], bool]) -> int:
        """The first row under the key's hash for which `same` is true; -1 if there is none."""
        slots, hashed = self._slots, hash32(key, 0, len(key), self._secret)
        slot = _next(slots, hashed, -1)
        while slot >= 0:
            # A slot whose key was removed has hash 0; and another thread may remove or add in between.
            row = slots.item(slot) & EMPTY
            if row != GONE and same(row):
                return row
            slot = _next(slots, hashed, slot)
        return -1

    def add(self, key: bytes, row: int) -> None:
        """Puts a key at a row below GONE, whether or not it stands at another one too."""
        self._make_room(1)
        self._used += _add(self._slots, hash32(key, 0, len(key), self._secret), row)
        self._keys += 1

    def remove(self, key: bytes, row: int) -> None:
        """Takes a key away from a row, where it must stand."""
        found = _remove(self._slots, hash32(key, 0, len(key), self._secret), row)
        assert found, f"the index does not have {key!r} at row {row}"
        self._keys -= 1

    def add_block(self, arena: U8, at: I64, rows: I64) -> None:
        """Puts many keys: `at` [k] are their places in the arena, each a byte of length before its text; `rows` [k]."""
        self._make_room(len(at))
        self._used += _add_all(self._slots, arena, at, rows, self._secret)
        self._keys += len(at)

    def absent(self, arena: U8, at: I64) -> Bools:
        """[k] True for keys that are surely at no row. A few others may be absent too: `find` tells."""
        return _absent(self._slots, arena, at, self._secret)

    def repeated(self, arena: U8, at: I64, others: Iterable[bytes]) -> Bools:
        """[k] True for keys that may stand among these twice, or among `others`. All others surely stand here alone."""
        hashes = _hashes(arena, at, self._secret)
        ordered = np.sort(hashes)
        twice = np.unique(ordered[1:][ordered[1:] == ordered[:-1]])
        theirs = [hash32(key, 0, len(key), self._secret) for key in others]
        found: Bools = np.isin(hashes, np.concatenate([twice, np.array(theirs, np.int64)]))
        return found

    def _make_room(self, more: int) -> None:
        """Moves the keys to another table if this one would be too full of keys and of removed ones."""
        if self._used + more > _FULL * len(self._slots):
            wider = _free_slots(self._keys + more)
            self._used = _add_slots(wider, self._slots)
            self._slots = wider


def _free_slots(keys: int) -> U64:
    return np.full(max(_FEWEST_SLOTS, int(keys / _LAID_OUT) + 1), EMPTY, np.uint64)


@kernel
def _home(slots: U64, hashed: Int) -> Int:
    """Where a hash belongs. It rises with the hash, so a move to another table reads and writes in order."""
    return (hashed * len(slots)) >> 32


@kernel
def _next(slots: U64, hashed: Int, after: Int) -> Int:
    """The first slot with this hash after a slot (-1: from the hash's home); -1 when there is no more."""
    slot = _home(slots, hashed) if after < 0 else after + 1
    while True:
        if slot == len(slots):
            slot = 0
        entry = slots[slot]
        if entry & np.uint64(EMPTY) == EMPTY:
            return -1
        if entry >> np.uint64(32) == hashed:
            return slot
        slot += 1


@kernel
def _add(slots: U64, hashed: Int, row: Int) -> int:
    """Takes the first slot without a key, in one write so that a reader sees all or nothing; 1 if it was never used."""
    slot = _home(slots, hashed)
    while slots[slot] & np.uint64(EMPTY) < GONE:
        slot += 1
        if slot == len(slots):
            slot = 0
    is_new = slots[slot] & np.uint64(EMPTY) == EMPTY
    slots[slot] = np.uint64(hashed) << np.uint64(32) | np.uint64(row)
    return 1 if is_new else 0


@kernel
def _remove(slots: U64, hashed: Int, row: Int) -> bool:
    """Marks the slot of a hash and row as removed; a search for another key goes on past it. False if there is none."""
    slot = _next(slots, hashed, -1)
    while slot >= 0:
        if slots[slot] & np.uint64(EMPTY) == row:
            slots[slot] = np.uint64(GONE)
            return True
        slot = _next(slots, hashed, slot)
    return False


@kernel
def _add_all(slots: U64, arena: U8, at: I64, rows: I64, secret: U64) -> int:
    used = 0
    for i in range(len(at)):
        used += _add(slots, hash32(arena, at[i] + 1, arena[at[i]], secret), rows[i])
    return used


@kernel
def _absent(slots: U64, arena: U8, at: I64, secret: U64) -> Bools:
    absent = np.empty(len(at), np.bool_)
    for i in range(len(at)):
        absent[i] = _next(slots, hash32(arena, at[i] + 1, arena[at[i]], secret), -1) < 0
    return absent


@kernel
def _hashes(arena: U8, at: I64, secret: U64) -> I64:
    found = np.empty(len(at), np.int64)
    for i in range(len(at)):
        found[i] = hash32(arena, at[i] + 1, arena[at[i]], secret)
    return found


@kernel
def _add_slots(slots: U64, old: U64) -> int:
    """Takes the keys of an older table by their hashes. Returns how many."""
    keys = 0
    for entry in old:
        if entry & np.uint64(EMPTY) < GONE:
            keys += _add(slots, int(np.int64(entry >> np.uint64(32))), np.int64(entry & np.uint64(EMPTY)))
    return keys
