"""Values out of the columns of many blocks in one call: few of each, where to open block after block costs more than to read.

A column is known by the address of its first value and by the bytes from one to the next. A block never changes, so its
addresses are good as long as somebody holds the block.
"""

from __future__ import annotations

from typing import Any, TypeVar

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numpy.typing import NDArray

from monitor.engine.columns.fields import I64, U8, U16, U32, U64
from monitor.engine.compiled import kernel

T = TypeVar("T", bound=np.generic)


def _at(bits: int, kind: Any) -> Any:
    """The number of so many bits that stands at an address."""

    def at(typing: Any, address: Any) -> Any:
        def made(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            number = ir.IntType(bits)
            found = builder.load(builder.inttoptr(arguments[0], number.as_pointer()))
            found.align = 1
            return found

        return kind(types.int64), made

    return intrinsic(at)


_u8_at: Any = _at(8, types.uint8)
_u16_at: Any = _at(16, types.uint16)
_u32_at: Any = _at(32, types.uint32)
_u64_at: Any = _at(64, types.uint64)


@kernel
def _fetch_u8(at: I64, found: U8) -> None:
    for k in range(at.size):
        found[k] = _u8_at(at[k])


@kernel
def _fetch_u16(at: I64, found: U16) -> None:
    for k in range(at.size):
        found[k] = _u16_at(at[k])


@kernel
def _fetch_u32(at: I64, found: U32) -> None:
    for k in range(at.size):
        found[k] = _u32_at(at[k])


@kernel
def _fetch_u64(at: I64, found: U64) -> None:
    for k in range(at.size):
        found[k] = _u64_at(at[k])


_BY_BYTES: dict[int, tuple[Any, Any]] = {
    1: (_fetch_u8, np.uint8),
    2: (_fetch_u16, np.uint16),
    4: (_fetch_u32, np.uint32),
    8: (_fetch_u64, np.uint64),
}


def fetched(at: I64, kind: np.dtype[T]) -> NDArray[T]:
    """[n] The numbers that stand at these addresses."""
    fetch, plain = _BY_BYTES[kind.itemsize]
    found = np.empty(len(at), plain)
    fetch(at, found)
    return found.view(kind)


def place_of(column: NDArray[Any]) -> tuple[int, int]:
    """Address and step of a column; an empty one has neither."""
    if not column.size:
        return 0, 0
    address: int = column.__array_interface__["data"][0]
    return address, column.strides[0]
