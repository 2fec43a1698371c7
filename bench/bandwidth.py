"""How fast one thread can read memory at all: a streaming sum over 1 GiB."""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit

GIB = 1 << 30


@njit(nogil=True, cache=True, fastmath=True)
def total(values: Any) -> float:
    """The sum in whatever order vectors best: only the reading counts."""
    s = 0.0
    for i in range(len(values)):
        s += values[i]
    return s


class Stream:
    """1 GiB of float64, every page of it written once."""

    def __init__(self, size: int = GIB) -> None:
        self._values = np.ones(size // 8)
        total(self._values[:1])

    def read(self) -> float:
        """Reads all of it."""
        return float(total(self._values))
