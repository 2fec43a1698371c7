"""The layout of a block: one exactly sized array per field, ragged parts by offsets (docs/engine.md)."""

from __future__ import annotations

from decimal import Decimal
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

U8: TypeAlias = npt.NDArray[np.uint8]
U16: TypeAlias = npt.NDArray[np.uint16]
U32: TypeAlias = npt.NDArray[np.uint32]
U64: TypeAlias = npt.NDArray[np.uint64]
I8: TypeAlias = npt.NDArray[np.int8]
I32: TypeAlias = npt.NDArray[np.int32]
I64: TypeAlias = npt.NDArray[np.int64]
F64: TypeAlias = npt.NDArray[np.float64]
Int: TypeAlias = int | np.int64
Bools: TypeAlias = npt.NDArray[np.bool_]

GROUPS = 8192
"""The most groups of a block. Measured: their sums (64 KB) still fit the first caches, and most runs of the screen are long
enough to pay off. A row of the book is block number * GROUPS + place in the block."""
NO_GROUP = 255
"""In place of a stage: the row has no group, or none any more."""
LARGEST = 2**63 - 1
"""The most that an integer column holds."""
NEVER = LARGEST
"""Later than any time of a column."""
DELAYED, HAS_EXTRAS, APART = 1, 2, 4
"""Flags of a group: enrolled for delayed liquidation; has an entry in `extras`; its whole collateral is in one account
other than the receiving one. The arena names it third."""
WIDE = 127
"""The exponent of a quantity that stands in `wide`, because its digits do not fit a mantissa."""
NO_VIP = 255
NO_LEVERAGE = 0


class Columns(NamedTuple):
    """n groups, p positions, l loans. Places are those of Names; times are microseconds since 1970.

    A quantity is mantissa * 10**exponent, exactly; its mantissa need not be free of trailing zeros. A group's positions
    are its coins summed over its accounts, zeros left out. A group without an entry in `extras` has one collateral
    account, whose holdings are the positions in their order. It has no balances or contacts of its own.
    """

    arena: U8
    """Per group, each text after a byte that is its length: id, receiving account, the collateral account if APART,
    and the ids of its loans."""
    start: U32
    """[n+1] Where a group's texts begin in the arena."""
    product: U16
    source: U16
    labels: U32
    put: U16
    """[n] Place in `times`: when the group was put or last changed."""
    version: U32
    line: U64
    """[n] Group.line as a number; 0 = none."""
    vip: U8
    """[n] VIP level, NO_VIP = none."""
    leverage: U8
    """[n] NO_LEVERAGE = none."""
    own_lines: U32
    """[n] Lines of its own; 0 = none."""
    own_terms: U32
    """[n] Other terms of its own; 0 = none."""
    flags: U8
    positions: U32
    """[n+1] Where a group's positions begin."""
    asset: U16
    mantissa: I64
    exponent: I8
    loans: U32
    """[n+1] Where a group's loans begin."""
    loan_asset: U16
    principal_mantissa: I64
    principal_exponent: I8
    interest_mantissa: I64
    interest_exponent: I8
    terms: U32
    opened: I64
    since: I32
    """[l] The instant after which interest accrues, in minutes since 1970."""
    times: I64
    """[k] The distinct times of `put`: of this block alone, as a table for the process would grow for ever."""
    matures: I64
    """[l], or empty if no loan needs it: the maturity of a term loan whose terms do not state its days; else unread."""
    extras: dict[int, bytes]
    """By row: what no column has a place for (monitor.engine.columns.extras). Few groups have an entry."""
    wide: dict[int, Decimal]
    """Exact values of exponent WIDE: by position; p + loan for a principal; p + l + loan for interest."""


DTYPES = {
    "arena": "u1", "start": "u4", "product": "u2", "source": "u2", "labels": "u4", "put": "u2", "version": "u4",
    "line": "u8", "vip": "u1", "leverage": "u1", "own_lines": "u4", "own_terms": "u4",
    "flags": "u1", "positions": "u4", "asset": "u2", "mantissa": "i8",
    "exponent": "i1", "loans": "u4", "loan_asset": "u2", "principal_mantissa": "i8", "principal_exponent": "i1",
    "interest_mantissa": "i8", "interest_exponent": "i1", "terms": "u4", "opened": "i8", "since": "i4",
    "times": "i8", "matures": "i8",
}  # fmt: skip
"""The array columns in the order of Columns, with their types."""
OF_GROUPS = ("product", "source", "labels", "version", "line", "vip", "leverage", "own_lines", "own_terms", "flags")
OF_POSITIONS = ("asset", "mantissa", "exponent")
OF_LOANS = (
    "loan_asset", "principal_mantissa", "principal_exponent", "interest_mantissa", "interest_exponent", "terms", "opened",
    "since",
)  # fmt: skip
"""Columns with one value a group, a position, a loan."""
