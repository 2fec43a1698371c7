"""Which groups of a block have a text in their id or in their receiving account."""

from __future__ import annotations

import numpy as np

from monitor.engine.columns.fields import U8, U32, Bools, Columns
from monitor.engine.compiled import kernel

_SEARCHED = 2
"""The id and the receiving account are the first two texts of a group."""


def mark_text(columns: Columns, text: str, found: Bools) -> None:
    """Marks the groups that mention a text in small letters. Ids and accounts are ASCII, so no other text is in any."""
    if text.isascii():
        _mark(columns.arena, columns.start, np.frombuffer(text.encode(), np.uint8), found)


@kernel
def _mark(arena: U8, start: U32, text: U8, found: Bools) -> None:
    """Capital letters of the arena count as small ones. Groups that are marked already are not searched."""
    size = len(text)
    for i in range(len(start) - 1):
        at = np.int64(start[i])
        for _ in range(0 if found[i] else _SEARCHED):
            end = at + 1 + arena[at]
            for first in range(at + 1, end - size + 1):
                j = 0
                while j < size:
                    byte = arena[first + j]
                    if byte >= 65 and byte <= 90:
                        byte += 32
                    if byte != text[j]:
                        break
                    j += 1
                if j == size:
                    found[i] = True
                    break
            if found[i]:
                break
            at = end
