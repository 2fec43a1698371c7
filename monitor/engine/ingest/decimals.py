"""From decimal texts to mantissas and exponents, exactly. A book of a million groups has twelve million of them."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple

import numpy as np

from monitor.core.money import number
from monitor.core.schema import Bounds
from monitor.engine.columns.fields import I8, I64, U8, WIDE
from monitor.engine.columns.packing import split
from monitor.engine.compiled import kernel

_POINT, _ZERO, _NINE = ord("."), ord("0"), ord("9")
_FULL = (2**63 - 10) // 10
"""A mantissa beyond this may not hold one more digit."""
_CHARS, _PLACES = 64, 24  # what core.money.number and core.schema.Quantity permit


class Numbers(NamedTuple):
    """mantissa * 10**exponent. If the exponent is WIDE, the value is in `wide`. `wrong`: places of invalid texts."""

    mantissa: I64
    exponent: I8
    wide: dict[int, Decimal]
    wrong: list[int]


def numbers(texts: list[str], bounds: Bounds) -> Numbers:
    """Reads the texts: plain short ones in one pass, the others one by one as core does."""
    mantissa, exponent = np.zeros(len(texts), np.int64), np.zeros(len(texts), np.int8)
    # A character outside ASCII becomes a question mark, so the lengths stay the same.
    blob = np.frombuffer("".join(texts).encode("ascii", "replace"), np.uint8)
    _read(blob, np.fromiter(map(len, texts), np.int64, len(texts)), mantissa, exponent)
    found = Numbers(mantissa, exponent, {}, [])
    for place in np.flatnonzero(exponent == WIDE).tolist():
        try:
            value = number(texts[place])
        except ValueError:
            found.wrong.append(place)
            continue
        if bounds.problem(value):
            found.wrong.append(place)
        mantissa[place], exponent[place] = split(value)
        if exponent[place] == WIDE:
            found.wide[place] = value
    return found


@kernel
def _read(blob: U8, lengths: I64, mantissa: I64, exponent: I8) -> None:
    """Fills in mantissa and exponent of each text. The exponent is WIDE if the text needs a closer look."""
    start = 0
    for i in range(lengths.size):
        stop = start + lengths[i]
        mantissa[i], exponent[i] = _plain(blob, start, stop)
        start = stop


@kernel
def _plain(blob: U8, start: int, stop: int) -> tuple[int, int]:
    """Reads digits with at most one point. Zeros at the end of the decimals are left out."""
    value, places, zeros, digits = 0, 0, 0, 0
    is_whole = True
    for j in range(start, stop):
        c = blob[j]
        if c == _POINT and is_whole:
            is_whole = False
        elif c < _ZERO or c > _NINE:
            return 0, WIDE
        elif c == _ZERO and not is_whole:
            digits += 1
            zeros += 1
        else:
            digits += 1
            for _ in range(zeros + 1):
                if value > _FULL:
                    return 0, WIDE
                value *= 10
            value += c - _ZERO
            if not is_whole:
                places += zeros + 1
                zeros = 0
    if digits == 0 or stop - start > _CHARS or places > _PLACES:
        return 0, WIDE
    return value, -places
