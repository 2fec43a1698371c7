"""Sums of the digests of lines, by column."""

from __future__ import annotations

import numpy as np

from monitor.books._unchanged import LineSums
from monitor.engine.columns.fields import U64


def sums_of(lines: U64) -> LineSums:
    """Of these digests."""
    return LineSums(len(lines), int(lines.sum(dtype=np.uint64)), int(np.bitwise_xor.reduce(lines)) if len(lines) else 0)
