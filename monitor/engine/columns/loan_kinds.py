"""Which kind of loan each loan of a block is. A midnight finds the kinds as it left them and looks at new late ones alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.engine.columns.fields import I64, LARGEST, NEVER, Bools

LATE = 4
"""The place of `late` among the parts of a kind; -1 for a loan that is not late yet."""
_MORE = 1000
"""So many kinds beyond twice as many as at first, and the kinds are worked out anew: loans have left the older ones."""

Kind = tuple[int, ...]


class LoanKinds(NamedTuple):
    """Of one block, under the rules `under`. It never changes, so another thread may read it."""

    under: object
    """Compared by identity: other rules may tell kinds apart by other things."""
    minute: int
    """The instant for which it is right. For an earlier one all is worked out anew."""
    until: int
    """The first maturity of a loan that is not late, in microseconds: up to there no loan is of another kind."""
    kinds: tuple[Kind, ...]
    places: NDArray[Any]
    """[l] The place of each loan's kind."""
    first: int
    """How many kinds there were when all were worked out."""

    @staticmethod
    def of(under: object, minute: int, columns: list[I64], matures: I64) -> LoanKinds:
        """The kinds of all loans of a block, by their parts `columns` [l] each."""
        kinds, places = _distinct(columns)
        until = _next(matures, columns[LATE] >= 0)
        return LoanKinds(under, minute, until, kinds, _small(places, len(kinds)), len(kinds))

    def leads_to(self, under: object, minute: int) -> bool:
        """`later` can go on from here. Where there are many more kinds than at first, many may be those of no loan."""
        return self.under is under and self.minute <= minute and len(self.kinds) <= 2 * self.first + _MORE

    def is_late(self) -> Bools:
        """[l] The loans whose kind is a late one."""
        late = np.array([kind[LATE] >= 0 for kind in self.kinds], np.bool_)
        found: Bools = late[self.places]
        return found

    def later(self, minute: int, more: I64, columns: list[I64], matures: I64, is_late: Bools) -> LoanKinds:
        """The same at a later instant, where the loans `more` have become late; `columns` are theirs alone."""
        kinds, where = _distinct(columns)
        known = {kind: place for place, kind in enumerate(self.kinds)}
        for kind in kinds:
            known.setdefault(kind, len(known))
        places = _small(self.places, len(known)).copy()
        places[more] = np.array([known[kind] for kind in kinds], places.dtype)[where]
        return LoanKinds(self.under, minute, _next(matures, is_late), tuple(known), places, self.first)


def _distinct(columns: list[I64]) -> tuple[tuple[Kind, ...], I64]:
    """The distinct rows of these columns, and which of them each row is."""
    distinct, places = np.unique(_numbered(columns), return_inverse=True)
    example = np.empty(len(distinct), np.int64)
    example[places] = np.arange(len(places))
    return tuple(zip(*(column[example].tolist() for column in columns), strict=True)), places


def _next(matures: I64, is_late: Bools) -> int:
    return int(np.where((matures >= 0) & ~is_late, matures, NEVER).min(initial=NEVER))


def _small(places: NDArray[Any], kinds: int) -> NDArray[Any]:
    return places.astype(np.uint16 if kinds <= 1 << 16 else np.uint32, copy=False)


def _numbered(columns: list[I64]) -> I64:
    """[l] One number a row, equal for rows that are equal in all columns."""
    numbers, spread = np.zeros(len(columns[0]), np.int64), 1
    for column in columns:
        if not len(column):
            break
        least = int(column.min())
        span = int(column.max()) - least + 1
        if spread * span > LARGEST:
            numbers, column = (np.unique(x, return_inverse=True)[1].astype(np.int64) for x in (numbers, column))
            spread, least, span = len(numbers), 0, len(numbers)
        numbers, spread = numbers * span + (column - least), spread * span
    return numbers
