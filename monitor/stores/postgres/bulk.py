"""Many rows of one commit, some thousand in a statement: each statement has its limit of time for itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import Any, TypeVar

T = TypeVar("T")
AT_ONCE = 2_000
"""A tenth of a second for the largest rows, alerts: fifty times less than the limit of a statement."""


def parts(of: Iterable[T], most: int | None = None) -> Iterator[list[T]]:
    """Some thousand at a time, or so many, each made when it is asked for."""
    rest = iter(of)
    while some := list(islice(rest, most or AT_ONCE)):
        yield some


async def execute(db: Any, sql: str, rows: Iterable[Sequence[Any]], most: int | None = None) -> None:
    """A statement that takes its rows as arrays, one a column."""
    for some in parts(rows, most):
        await db.execute(sql, *map(list, zip(*some, strict=True)))
