"""How fast one thread can read memory at all: a streaming sum over 1 GiB, compiled as the sweep is."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from monitor.engine.compiled import kernel
from monitor.engine.screen.arrays import LANES
from monitor.engine.screen.lanes import IS_WIDE

GIB = 1 << 30
SUMS = 4
"""Sums of eight floats side by side: with one, each addition would wait for the one before."""
STEP = SUMS * LANES


def _read(context: Any, values: Any, steps: Any) -> Any:
    """Adds up so many steps of an array by the vectors that the sweep uses. Only the reading counts."""

    def emit(target: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data, tools = target.make_array(signature.args[0])(target, builder, arguments[0]).data, cgutils
        number, vector = ir.IntType(64), ir.VectorType(ir.DoubleType(), LANES)
        sums = [tools.alloca_once_value(builder, ir.Constant(vector, [0.0] * LANES)) for _ in range(SUMS)]
        with tools.for_range(builder, arguments[1]) as loop:
            for k, total in enumerate(sums):
                place = builder.add(builder.mul(loop.index, number(STEP)), number(k * LANES))
                some = builder.load(builder.bitcast(builder.gep(data, [place]), vector.as_pointer()))
                some.align = 8
                builder.store(builder.fadd(builder.load(total), some), total)
        whole = builder.load(sums[0])
        for total in sums[1:]:
            whole = builder.fadd(whole, builder.load(total))
        lanes = [builder.extract_element(whole, ir.IntType(32)(lane)) for lane in range(LANES)]
        result = lanes[0]
        for lane in lanes[1:]:
            result = builder.fadd(result, lane)
        return result

    return types.float64(values, types.int64), emit


@kernel
def read_plainly(values: Any, steps: int) -> float:
    """The same where the processor has no wide vectors."""
    sums = np.zeros(STEP)
    for step in range(steps):
        for k in range(STEP):
            sums[k] += values[step * STEP + k]
    return float(sums.sum())


read: Any = intrinsic(_read) if IS_WIDE else read_plainly


@kernel
def total(values: Any) -> float:
    """The sum of an array of whole steps."""
    whole: float = read(values, values.size // STEP)
    return whole


class Stream:
    """1 GiB of float64, every page of it written once."""

    def __init__(self, size: int = GIB) -> None:
        self._values = np.ones(size // 8)
        total(self._values[:1])

    def read(self) -> float:
        """Reads all of it."""
        return float(total(self._values))
