"""Which kind of loan each loan of a block is. A midnight finds the kinds as it left them and looks at new late ones alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from monitor.core.instants import DAY_US
from monitor.engine.columns.fields import I64, LARGEST, NEVER, Bools, Columns
from monitor.engine.columns.names import LoanTerms
from monitor.engine.compiled import kernel

LATE = 4
"""The place of `late` among the parts of a kind; -1 for a loan that is not late yet."""
_MORE = 1000
"""So many kinds beyond twice as many as at first, and the kinds are worked out anew: loans have left the older ones."""

ITS_OWN, OPEN = -1_000_000, -2_000_000
"""In place of days, where the terms have none, and for an open term."""

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
        until = int(matures[(matures >= 0) & (columns[LATE] < 0)].min(initial=NEVER))
        return LoanKinds(under, minute, until, kinds, _small(places, len(kinds)), len(kinds))

    def leads_to(self, under: object, minute: int) -> bool:
        """`later` can go on from here. Where there are many more kinds than at first, many may be those of no loan."""
        return self.under is under and self.minute <= minute and len(self.kinds) <= 2 * self.first + _MORE

    def of_late(self) -> Bools:
        """[kinds] Those of late loans."""
        return np.array([kind[LATE] >= 0 for kind in self.kinds], np.bool_)

    def later(self, minute: int, until: int, more: I64, columns: list[I64]) -> LoanKinds:
        """The same at a later instant, where the loans `more` may have become late; `columns` are theirs alone."""
        kinds, where = _distinct(columns)
        known = {kind: place for place, kind in enumerate(self.kinds)}
        for kind in kinds:
            known.setdefault(kind, len(known))
        places = _small(self.places, len(known)).copy()
        places[more] = np.array([known[kind] for kind in kinds], places.dtype)[where]
        return LoanKinds(self.under, minute, until, tuple(known), places, self.first)


def _distinct(columns: list[I64]) -> tuple[tuple[Kind, ...], I64]:
    """The distinct rows of these columns, and which of them each row is."""
    distinct, places = np.unique(_numbered(columns), return_inverse=True)
    example = np.empty(len(distinct), np.int64)
    example[places] = np.arange(len(places))
    return tuple(zip(*(column[example].tolist() for column in columns), strict=True)), places


def days_of_terms(terms: LoanTerms) -> int:
    """After how many days a loan of these terms matures, ITS_OWN or OPEN."""
    return OPEN if terms.term == "open" else ITS_OWN if terms.days is None else terms.days


class LoanDates(NamedTuple):
    """Of all loans of a block: the places of their terms, when they were opened, and maturities of their own."""

    terms: I64
    opened: I64
    own: I64


class Maturing(NamedTuple):
    """Loans that mature before an instant, and were not late before."""

    which: I64
    """[s] Places of the loans."""
    matures: I64
    """[s] In microseconds."""
    then: int
    """When the first of all others that are not late matures."""


def maturing(columns: Columns, days_of: I64, known: LoanKinds, before: int) -> Maturing:
    """Which loans of a block mature before an instant. `days_of`: by place of the terms."""
    c = columns
    own = np.array(c.matures) if len(c.matures) else np.zeros(len(c.terms), np.int64)
    dates = LoanDates(np.array(c.terms, np.int64), np.array(c.opened), own)
    found: Maturing = find_maturing(dates, days_of, known.places.astype(np.int64), known.of_late(), before)
    return found


@kernel
def find_maturing(dates: LoanDates, days_of: I64, places: I64, of_late: Bools, before: int) -> Maturing:
    """The same by plain arrays: the kind of each loan, and whether it is a late one."""
    size = dates.terms.size
    which, matures, count, then = np.empty(size, np.int64), np.empty(size, np.int64), 0, NEVER
    for k in range(size):
        days = days_of[dates.terms[k]]
        at = dates.own[k] if days == ITS_OWN else dates.opened[k] + days * DAY_US
        if days == OPEN or at < 0 or of_late[places[k]]:
            continue
        if at < before:
            which[count], matures[count] = k, at
            count += 1
        else:
            then = min(then, at)
    return Maturing(which[:count], matures[:count], then)


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
