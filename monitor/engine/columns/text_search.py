"""Which groups of a block hold a text in their id or receiving account."""

from __future__ import annotations

import numpy as np
from numba import njit

from monitor.engine.columns.fields import I64, U8, U32, Int

_LOWER = np.arange(256, dtype=np.uint8)
_LOWER[ord("A") : ord("Z") + 1] += ord("a") - ord("A")


def lowered(text: bytes) -> U8:
    """What `rows_with` looks for."""
    return _LOWER[np.frombuffer(text, np.uint8)]


@njit(nogil=True, cache=True)
def rows_with(arena: U8, start: U32, text: U8) -> I64:
    """Rows whose first or second text in the arena contains a `lowered` text, in whichever case."""
    found = np.empty(len(start) - 1, np.int64)
    count = 0
    for row in range(len(start) - 1):
        id_at = np.int64(start[row])
        account_at = id_at + 1 + arena[id_at]
        if _holds(arena, id_at, text) or _holds(arena, account_at, text):
            found[count] = row
            count += 1
    return found[:count].copy()


@njit(nogil=True, cache=True)
def _holds(arena: U8, at: Int, text: U8) -> bool:
    """The text after the byte of length at `at` contains another."""
    for first in range(at + 1, at + 2 + arena[at] - len(text)):
        if _LOWER[arena[first]] == text[0]:
            k = 1
            while k < len(text) and _LOWER[arena[first + k]] == text[k]:
                k += 1
            if k == len(text):
                return True
    return False
