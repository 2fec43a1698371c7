"""A block as bytes for the store: self-contained, with the names that it uses, and checked when it is read back.

"LMBK"  format u16  0 u16  length of the head u32  CRC-32 of all that follows u32
head    MessagePack: how long each column is, names by place, extras, wide quantities
columns in the order of DTYPES, little-endian, without padding
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from decimal import Decimal
from typing import Any, TypeVar

import msgspec
import numpy as np
import numpy.typing as npt

from monitor.core.instants import DAY_MINUTES
from monitor.engine.columns.extras import without_lines
from monitor.engine.columns.fields import DTYPES, HAS_EXTRAS, I64, NO_LEVERAGE, Columns
from monitor.engine.columns.names import Interned, LoanTerms, Names
from monitor.engine.columns.own_figures import stated_lines

T = TypeVar("T")

FORMAT = 3
"""Format 2 had lines of groups in the extras, and no terms. Format 1 had besides no leverage, and told since when interest
accrues in days."""
_MAGIC = b"LMBK"
_OPENING = struct.Struct("<4sHHII")
_LITTLE = {name: np.dtype("<" + code) for name, code in DTYPES.items()}


class UnreadableBlock(Exception):
    """A stored block cannot be used. `reason` is "damaged" or "newer"."""

    def __init__(self, reason: str, text: str) -> None:
        super().__init__(text)
        self.reason = reason


class _Head(msgspec.Struct, frozen=True):
    lengths: dict[str, int]
    assets: dict[int, str]
    products: dict[int, str]
    sources: dict[int, str]
    labels: dict[int, dict[str, str]]
    terms: dict[int, LoanTerms]
    extras: dict[int, bytes]
    wide: dict[int, Decimal]
    own_lines: dict[int, bytes] = {}
    own_terms: dict[int, bytes] = {}


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Head).decode


class Dump:
    """The bytes of a block, all but the times at which its groups were put: a page knows these last."""

    def __init__(self, columns: Columns, names: Names) -> None:
        c = columns
        arrays = {name: getattr(c, name).astype(_LITTLE[name], copy=False) for name in DTYPES}
        head = _encode(
            _Head(
                lengths={name: len(array) for name, array in arrays.items()},
                assets=_used(names.assets, c.asset, c.loan_asset),
                products=_used(names.products, c.product),
                sources=_used(names.sources, c.source),
                labels={place: dict(labels) for place, labels in _used(names.labels, c.labels).items()},
                terms=_used(names.terms, c.terms),
                extras=c.extras,
                wide=c.wide,
                own_lines=_used(names.own_lines, c.own_lines),
                own_terms=_used(names.own_terms, c.own_terms),
            )
        )
        order = list(DTYPES)
        at = order.index("times")
        self._head_size = len(head)
        self._before = b"".join([head, *(arrays[name].tobytes() for name in order[:at])])
        self._after = b"".join(arrays[name].tobytes() for name in order[at + 1 :])
        self._checksum = zlib.crc32(self._before)

    def with_times(self, times: I64) -> bytes:
        """The whole block. There are as many times as before."""
        middle = times.astype(_LITTLE["times"], copy=False).tobytes()
        checksum = zlib.crc32(self._after, zlib.crc32(middle, self._checksum))
        opening = _OPENING.pack(_MAGIC, FORMAT, 0, self._head_size, checksum)
        return b"".join((opening, self._before, middle, self._after))


def texts_of(raw: bytes, columns: Columns) -> tuple[int, int]:
    """Where in the bytes of a block its arena is, and where it says at which place of the arena each group begins."""
    arena_at = _OPENING.size + _OPENING.unpack_from(raw)[3]
    return arena_at, arena_at + len(columns.arena)


def dump(columns: Columns, names: Names) -> bytes:
    """The block as bytes, which `load` reads in any process."""
    return Dump(columns, names).with_times(columns.times)


def load(raw: bytes, names: Names) -> Columns:
    """Reads what `dump` wrote, with the places of this process. Raises UnreadableBlock, NamesFull."""
    head, at, written = _opened(raw)
    arrays: dict[str, npt.NDArray[Any]] = {}
    for name, dtype in _LITTLE.items():
        if name not in head.lengths:
            continue
        arrays[name] = np.frombuffer(raw, dtype, head.lengths[name], at).astype(DTYPES[name])
        at += arrays[name].nbytes
    if written == 1:
        arrays["leverage"] = np.full(len(arrays["product"]), NO_LEVERAGE, DTYPES["leverage"])
        arrays["since"] *= DAY_MINUTES
    arrays["asset"] = _placed(arrays["asset"], names.assets, head.assets)
    arrays["loan_asset"] = _placed(arrays["loan_asset"], names.assets, head.assets)
    arrays["product"] = _placed(arrays["product"], names.products, head.products)
    arrays["source"] = _placed(arrays["source"], names.sources, head.sources)
    arrays["labels"] = _placed(arrays["labels"], names.labels, head.labels)
    arrays["terms"] = _placed(arrays["terms"], names.terms, head.terms)
    extras = head.extras
    if written < 3:
        extras = _with_own_figures(arrays, extras, names)
    else:
        arrays["own_lines"] = _placed(arrays["own_lines"], names.own_lines, head.own_lines)
        arrays["own_terms"] = _placed(arrays["own_terms"], names.own_terms, head.own_terms)
    return Columns(**arrays, extras=extras, wide=head.wide)


def _with_own_figures(
    arrays: dict[str, npt.NDArray[Any]], extras: Mapping[int, bytes], names: Names
) -> dict[int, bytes]:
    """Takes the lines of groups out of an older block's extras into their column."""
    for column in ("own_lines", "own_terms"):
        arrays[column] = np.zeros(len(arrays["product"]), DTYPES[column])
    left: dict[int, bytes] = {}
    for row, raw in extras.items():
        lines, rest = without_lines(raw)
        arrays["own_lines"][row] = names.own_lines.place(stated_lines(lines))
        if rest is None:
            arrays["flags"][row] &= ~np.uint8(HAS_EXTRAS)
        else:
            left[row] = rest
    return left


def _used(interned: Interned[T], *columns: npt.NDArray[Any]) -> dict[int, T]:
    """The values that columns name, by place."""
    is_used = np.zeros(len(interned), np.bool_)
    for column in columns:
        is_used[column] = True
    return {place: interned[place] for place in np.flatnonzero(is_used).tolist()}


def _placed(column: npt.NDArray[Any], interned: Interned[T], values: Mapping[int, T]) -> npt.NDArray[Any]:
    """The column with this process's places instead of those of the process that wrote it."""
    place_here: npt.NDArray[Any] = np.zeros(max(values, default=-1) + 1, column.dtype)
    for place, value in values.items():
        place_here[place] = interned.place(value)
    here: npt.NDArray[Any] = place_here[column]
    return here


def _opened(raw: bytes) -> tuple[_Head, int, int]:
    """The head of a sound block, where its columns begin, and the format that it was written in."""
    if len(raw) < _OPENING.size:
        raise UnreadableBlock("damaged", f"a stored block of groups is cut off after {len(raw)} bytes")
    magic, written, _, length, checksum = _OPENING.unpack_from(raw)
    if magic != _MAGIC:
        raise UnreadableBlock("damaged", f"a stored block of groups begins with {magic!r}, expected {_MAGIC!r}")
    if written > FORMAT:
        raise UnreadableBlock(
            "newer",
            f"a stored block of groups has format {written}, this monitor reads up to {FORMAT}; start the newer monitor "
            "that wrote it",
        )
    if zlib.crc32(memoryview(raw)[_OPENING.size :]) != checksum:
        raise UnreadableBlock("damaged", "a stored block of groups does not match its checksum; restore the database")
    return _decode(memoryview(raw)[_OPENING.size : _OPENING.size + length]), _OPENING.size + length, written
