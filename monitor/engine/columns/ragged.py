"""Leaves rows out of columns and puts columns together; the ragged parts follow."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.engine.columns.fields import I64, OF_GROUPS, OF_LOANS, OF_POSITIONS, U32, Columns


def owners(ends: U32) -> I64:
    """The row of each item of a ragged part of n rows, from its offsets [n+1]."""
    return np.repeat(np.arange(len(ends) - 1), np.diff(ends))


def chosen(columns: Columns, rows: I64) -> Columns:
    """The columns of these rows, in their order."""
    c = columns
    start, texts = _items(c.start, rows)
    positions, held = _items(c.positions, rows)
    loans, owed = _items(c.loans, rows)
    times, put = np.unique(c.times[c.put[rows]], return_inverse=True)
    taken: dict[str, Any] = {name: getattr(c, name)[rows] for name in OF_GROUPS}
    taken |= {name: getattr(c, name)[held] for name in OF_POSITIONS}
    taken |= {name: getattr(c, name)[owed] for name in OF_LOANS}
    row_of = dict(zip(rows.tolist(), range(len(rows)), strict=True)) if c.extras else {}
    return Columns(
        arena=c.arena[texts],
        start=start,
        positions=positions,
        loans=loans,
        times=times,
        put=put.astype(np.uint16),
        matures=c.matures[owed] if len(c.matures) else c.matures,
        extras={row_of[row]: extra for row, extra in c.extras.items() if row in row_of},
        wide=_wide_of(c, held, owed) if c.wide else {},
        **taken,
    )


def _items(ends: U32, rows: I64) -> tuple[U32, I64]:
    """Offsets [len(rows)+1] of the items of these rows once they are moved together, and where the items are now."""
    begin = ends[rows].astype(np.int64)
    counts = ends[rows + 1] - begin
    after = np.concatenate([[0], np.cumsum(counts)])
    return after.astype(np.uint32), np.repeat(begin - after[:-1], counts) + np.arange(after[-1])


def _wide_of(c: Columns, held: I64, owed: I64) -> dict[int, Decimal]:
    slots = np.concatenate([held, len(c.asset) + owed, len(c.asset) + len(c.loan_asset) + owed])
    of_wide = np.flatnonzero(np.isin(slots, np.fromiter(c.wide, np.int64)))
    return {int(new): c.wide[int(slots[new])] for new in of_wide}


def joined(parts: Sequence[Columns]) -> Columns:
    """The columns of all parts, one after the other."""
    times, put = np.unique(np.concatenate([c.times[c.put] for c in parts]), return_inverse=True)
    plain: dict[str, Any] = {
        name: np.concatenate([getattr(c, name) for c in parts])
        for name in ("arena", *OF_GROUPS, *OF_POSITIONS, *OF_LOANS)
    }
    extras: dict[int, bytes] = {}
    row = 0
    for c in parts:
        extras |= {row + key: extra for key, extra in c.extras.items()}
        row += len(c.product)
    return Columns(
        start=_joined_ends([c.start for c in parts]),
        positions=_joined_ends([c.positions for c in parts]),
        loans=_joined_ends([c.loans for c in parts]),
        times=times,
        put=put.astype(np.uint16),
        matures=_joined_maturities(parts),
        extras=extras,
        wide=_joined_wide(parts),
        **plain,
    )


def _joined_ends(parts: Sequence[U32]) -> U32:
    counts: npt.NDArray[np.int64] = np.concatenate([np.diff(ends) for ends in parts]).astype(np.int64)
    return np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)


def _joined_maturities(parts: Sequence[Columns]) -> I64:
    if not any(len(c.matures) for c in parts):
        return np.empty(0, np.int64)
    unread = -1
    return np.concatenate([c.matures if len(c.matures) else np.full(len(c.terms), unread) for c in parts])


def _joined_wide(parts: Sequence[Columns]) -> dict[int, Decimal]:
    positions, loans = sum(len(c.asset) for c in parts), sum(len(c.loan_asset) for c in parts)
    wide: dict[int, Decimal] = {}
    before_p = 0
    before_l = 0
    for c in parts:
        held, owed = before_p + np.arange(len(c.asset)), positions + before_l + np.arange(len(c.loan_asset))
        slots = np.concatenate([held, owed, loans + owed])
        wide |= {int(slots[slot]): value for slot, value in c.wide.items()}
        before_p, before_l = before_p + len(held), before_l + len(owed)
    return wide
