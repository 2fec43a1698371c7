"""Exact quantities as floats, for the screen: the nearest float, or one beside it where a long mantissa rounds twice."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import cast

import numpy as np

from monitor.core.money import CENT, EXACT, round_up
from monitor.engine.columns.fields import F64, I8, I64, WIDE

_EXACT_POWERS = 22
"""Powers of ten up to this one are floats, exactly."""
_TEN = np.array([float(10**n) for n in range(_EXACT_POWERS + 1)])


def floats(mantissa: I64, exponent: I8, wide: Mapping[int, Decimal], slot: int) -> F64:
    """mantissa * 10**exponent. `slot` is the place of the first quantity in `wide`. Read-only where all are one value."""
    if len(mantissa) > 1 and mantissa.strides == exponent.strides == (0,) and exponent[0] != WIDE:
        return np.broadcast_to(floats(mantissa[:1], exponent[:1], wide, slot), mantissa.shape)
    if (
        exponent.min(initial=0) >= -_EXACT_POWERS and exponent.max(initial=0) <= 0
    ):  # nearly always: an amount with decimals
        return cast("F64", mantissa / _TEN[-exponent])
    places = np.abs(exponent.astype(np.int64))
    powers = _TEN[np.minimum(places, _EXACT_POWERS)]
    values: F64 = np.where(exponent < 0, mantissa / powers, mantissa * powers)
    for k in np.flatnonzero(places > _EXACT_POWERS).tolist():
        if exponent[k] == WIDE:
            values[k] = float(wide[slot + k])
        else:
            values[k] = float(EXACT.scaleb(mantissa.item(k), exponent.item(k)))
    return values


def cents(value: float) -> Decimal:
    """A sum of floats as it is shown: rounded up to cents."""
    return round_up(Decimal.from_float(value), CENT)
