"""Rows of many blocks as columns of their own: few of each block, read through the addresses of its columns."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from monitor.engine.columns import ragged
from monitor.engine.columns.block import Block
from monitor.engine.columns.fetching import fetched
from monitor.engine.columns.fields import DTYPES, GROUPS, I64, OF_GROUPS, OF_LOANS, OF_POSITIONS, U32, Columns

_COLUMN = {name: number for number, name in enumerate(DTYPES)}
_TYPE = {name: np.dtype(kind) for name, kind in DTYPES.items()}
_UNREAD = -1
"""In place of a maturity that no loan needs."""


class CutRows:
    """Some rows of some blocks: the row `at[k]` of `blocks[of[k]]`. It keeps the blocks alive, whose addresses it reads."""

    def __init__(self, blocks: Sequence[Block], of: I64, at: I64) -> None:
        self._blocks = blocks
        self._of = of
        self._at = at
        self._addresses = np.stack([block.places for block in blocks])
        """[blocks, 2, columns]"""

    @staticmethod
    def of(rows: I64, block_of: Callable[[int], Block]) -> CutRows:
        """Rows of the book, ascending by block; `block_of` gives the block of a number."""
        numbers, of = np.unique(rows // GROUPS, return_inverse=True)
        return CutRows([block_of(number) for number in numbers.tolist()], of, rows % GROUPS)

    def column(self, name: str) -> npt.NDArray[Any]:
        """[n] What a column with one value a group says of each."""
        return self._read(name, self._of, self._at)

    def kept(self, which: npt.NDArray[Any]) -> CutRows:
        """Those of them that are chosen, in their order."""
        return CutRows(self._blocks, self._of[which], self._at[which])

    def ids(self) -> list[str]:
        """The ids of the groups."""
        begin = self.column("start").astype(np.int64)
        length = self._read("arena", self._of, begin).astype(np.int64)
        after = np.cumsum(length)
        item = _run(begin + 1, length)
        text = self._read("arena", np.repeat(self._of, length), item).tobytes().decode("latin-1")
        return [text[end - n : end] for end, n in zip(after.tolist(), length.tolist(), strict=True)]

    def columns(self) -> Columns:
        """Columns of these rows, one after the other. The rows have no entry in `extras`."""
        if any(self._blocks[number].columns.wide for number in np.unique(self._of).tolist()):
            return self._joined()
        start, of_text, text = self._items("start")
        positions, of_position, position = self._items("positions")
        loans, of_loan, loan = self._items("loans")
        found: dict[str, Any] = {"arena": self._read("arena", of_text, text)}
        found |= {name: self.column(name) for name in OF_GROUPS}
        found |= {name: self._read(name, of_position, position) for name in OF_POSITIONS}
        found |= {name: self._read(name, of_loan, loan) for name in OF_LOANS}
        put = self._read("times", self._of, self.column("put").astype(np.int64))
        times, places = np.unique(put, return_inverse=True)
        found |= {"start": start, "positions": positions, "loans": loans}
        found |= {"times": times, "put": places.astype(np.uint16), "matures": self._matures(of_loan, loan)}
        return Columns(**found, extras={}, wide={})

    def _read(self, name: str, of: I64, item: I64) -> npt.NDArray[Any]:
        column = _COLUMN[name]
        first, step = self._addresses[:, 0, column], self._addresses[:, 1, column]
        return fetched(first[of] + step[of] * item, _TYPE[name])

    def _items(self, ends: str) -> tuple[U32, I64, I64]:
        """Offsets [n+1] of what belongs to the rows once it is moved together; and by item, its block and its place there."""
        begin = self._read(ends, self._of, self._at).astype(np.int64)
        counts = self._read(ends, self._of, self._at + 1).astype(np.int64) - begin
        after = np.concatenate([[0], np.cumsum(counts)]).astype(np.uint32)
        return after, np.repeat(self._of, counts), _run(begin, counts)

    def _matures(self, of: I64, loan: I64) -> I64:
        is_stated = self._addresses[:, 0, _COLUMN["matures"]] != 0
        if not is_stated[self._of].any():
            return np.empty(0, np.int64)
        found = np.full(len(of), _UNREAD)
        some = np.flatnonzero(is_stated[of])
        found[some] = self._read("matures", of[some], loan[some])
        return found

    def _joined(self) -> Columns:
        """The same where quantities stand beside the columns."""
        numbers, first = np.unique(self._of, return_index=True)
        parts = zip(numbers.tolist(), np.split(self._at, first[1:]), strict=True)
        return ragged.joined([ragged.chosen(self._blocks[number].columns, rows) for number, rows in parts])


def _run(begin: I64, counts: I64) -> I64:
    """Numbers that go up from each beginning, so many of each."""
    before = np.cumsum(counts) - counts
    return np.repeat(begin - before, counts) + np.arange(counts.sum())
