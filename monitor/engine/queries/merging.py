"""Joins what a snapshot finds in columns with what it finds in the fresh groups."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from decimal import Decimal

from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import Exposed, Exposures, Movers, Pair, Sums, Swept
from monitor.core.money import CENT, ZERO, divide_down, exact, round_up

Keyed = Callable[[Iterator[Sight]], Iterator[tuple[float, str, Sight]]]


def joined_sweeps(rows: Swept, fresh: Swept, keyed: Keyed) -> Swept:
    """As exact as the columns. `keyed` says how bad each group is."""
    with exact():
        moves = {
            move: rows.moves.get(move, Sums()).plus(fresh.moves.get(move, Sums())).rounded
            for move in (*rows.moves, *(m for m in fresh.moves if m not in rows.moves))
        }
        loss = rows.loss.plus(fresh.loss).rounded
    newly = {stage: _merged(rows.newly[stage], fresh.newly[stage], keyed) for stage in rows.newly}
    return rows._replace(moves=moves, unknown=rows.unknown + fresh.unknown, loss=loss, newly=newly)


def _merged(first: Movers, second: Movers, keyed: Keyed) -> Movers:
    def both() -> Iterator[Sight]:
        pages = keyed(first()), keyed(second())
        return (sight for _, _, sight in heapq.merge(*pages, key=lambda each: each[:2]))

    return both


def joined_exposures(rows: Exposures, fresh: Exposures) -> Exposures:
    """Sums add up. Averages are weighted by debt."""
    found = {row.key: row for row in rows.rows}
    with exact():
        for row in fresh.rows:
            joined = _both(found[row.key], row) if row.key in found else row
            found[row.key] = joined._replace(sums=joined.sums.rounded)
        total = rows.total.plus(fresh.total).rounded
    return Exposures(list(found.values()), total, rows.unknown + fresh.unknown, rows.are_sums_exact)


def _both(a: Exposed, b: Exposed) -> Exposed:
    nearest = min((d for d in (a.nearest, b.nearest) if d is not None), default=None)
    sums, quantity = a.sums.plus(b.sums), (a.quantity or ZERO) + (b.quantity or ZERO)
    weights = [(e.weighted, e.weight) for e in (a, b) if e.weighted is not None and e.weight]
    whole = sum((weight for _, weight in weights), ZERO)
    weighted = divide_down(sum((d * w for d, w in weights), ZERO), whole, CENT) if whole else None
    has_quantity = a.quantity is not None or b.quantity is not None
    return Exposed(a.key, sums, nearest, weighted, whole, quantity if has_quantity else None)


def joined_pairs(rows: list[Pair], fresh: list[Pair]) -> list[Pair]:
    """Sums of the same coins add up."""
    found: dict[tuple[str, str, str], Pair] = {}
    with exact():
        for pair in (*rows, *fresh):
            before = found.get(pair[:3])
            found[pair[:3]] = _rounded(pair if before is None else _added(before, pair))
    return list(found.values())


def _rounded(pair: Pair) -> Pair:
    return pair._replace(debt_usd=round_up(pair.debt_usd, CENT), market_usd=round_up(pair.market_usd, CENT))


def _added(a: Pair, b: Pair) -> Pair:
    sums: tuple[Decimal, Decimal] = (a.debt_usd + b.debt_usd, a.market_usd + b.market_usd)
    return Pair(*a[:3], a.groups + b.groups, *sums)
