"""Turns the lines of a block into its columns, all at once where that is cheaper than line by line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import islice
from typing import get_args

import numpy as np
import numpy.typing as npt

from monitor.core import schema
from monitor.core.instants import DAY_MINUTES, DAY_US
from monitor.core.schema import Bounds
from monitor.engine.columns.fields import DTYPES, I64, U8, Columns
from monitor.engine.columns.names import Names
from monitor.engine.ingest.decimals import numbers

QUANTITY: Bounds = get_args(schema.Quantity)[1]
ID = re.compile(get_args(schema.Id)[1].regex)
_FIRST, _LAST, _LONGEST = 0x21, 0x7E, 128  # characters and length of an id


class Wrong(Exception):
    """These rows have an invalid id or quantity."""

    def __init__(self, rows: set[int]) -> None:
        super().__init__(rows)
        self.rows = rows


class LineRows:
    """Lines that passed their own checks. The lists are flat, because a container a line would keep the collector busy."""

    def __init__(self) -> None:
        self.groups: list[tuple[int, int, int, int, int, int, int, int, int, int]] = []
        """Per group: product, labels, flags, VIP level, leverage; how many of `texts`, `coins` and `loans` are its own;
        places of its own lines and terms."""
        self.digests: list[bytes] = []
        self.texts: list[str] = []
        """Per group: id, receiving account, the collateral account if APART, ids of the loans."""
        self.coins: list[int] = []
        self.quantities: list[str] = []
        self.loans: list[tuple[int, int, int, int]] = []
        """Coin, terms, opening and maturity; -1 for an open term."""
        self.principals: list[str] = []
        self.interests: list[str] = []
        self.extras: dict[int, bytes] = {}

    def columns(self, names: Names, source: str, put_us: int) -> Columns:
        """The columns of groups put at a time (microseconds since 1970), all in version 1. Raises Wrong."""
        groups, debts = np.array(self.groups, np.int64).reshape(-1, 10), np.array(self.loans, np.int64).reshape(-1, 4)
        texts, positions, loans = (np.concatenate(([0], np.cumsum(groups[:, i]))) for i in (5, 6, 7))
        held, owed = len(self.coins), len(debts)
        mantissa, exponent, wide, wrong = numbers([*self.quantities, *self.principals, *self.interests], QUANTITY)
        arena = _arena(self.texts)
        if wrong or arena is None:
            raise Wrong(_rows_of(np.array(wrong, np.int64), positions, loans) | self._misnamed())
        kinds = [names.terms[place] for place in np.unique(debts[:, 1]).tolist()]
        has_odd_maturity = any(kind.term != "open" and kind.days is None for kind in kinds)
        values: dict[str, npt.ArrayLike] = {
            "arena": arena[0], "start": arena[1][texts], "product": groups[:, 0],
            "source": np.full(len(groups), names.sources.place(source)), "labels": groups[:, 1],
            "put": np.zeros(len(groups)), "version": np.ones(len(groups)),
            "line": np.frombuffer(b"".join(self.digests), ">u8"), "vip": groups[:, 3], "leverage": groups[:, 4],
            "own_lines": groups[:, 8], "own_terms": groups[:, 9],
            "flags": groups[:, 2], "positions": positions, "asset": self.coins, "mantissa": mantissa[:held],
            "exponent": exponent[:held],
            "loans": loans, "loan_asset": debts[:, 0], "terms": debts[:, 1], "opened": debts[:, 2],
            "principal_mantissa": mantissa[held : held + owed], "principal_exponent": exponent[held : held + owed],
            "interest_mantissa": mantissa[held + owed :], "interest_exponent": exponent[held + owed :],
            "since": np.full(owed, put_us // DAY_US * DAY_MINUTES), "times": [put_us],
            "matures": debts[:, 3] if has_odd_maturity else [],
        }  # fmt: skip
        arrays = {name: np.array(values[name], kind) for name, kind in DTYPES.items()}
        return Columns(**arrays, extras=self.extras, wide=wide)

    def _misnamed(self) -> set[int]:
        """Rows with an invalid id."""
        texts = iter(self.texts)
        return {row for row, group in enumerate(self.groups) if not all([*map(ID.fullmatch, islice(texts, group[5]))])}


def _rows_of(slots: I64, positions: I64, loans: I64) -> set[int]:
    """The rows of these quantities. Quantities are numbered: first all positions, then all principals, then all interests."""
    held, owed = positions[-1], loans[-1]
    of_position = np.searchsorted(positions, slots[slots < held], "right") - 1
    of_loan = np.searchsorted(loans, (slots[slots >= held] - held) % max(owed, 1), "right") - 1
    return {*of_position.tolist(), *of_loan.tolist()}


def _arena(texts: Sequence[str]) -> tuple[U8, I64] | None:
    """All texts, each after its length in a byte; where each begins, and where the last one ends. None if one is no id."""
    lengths = np.fromiter(map(len, texts), np.int64, len(texts))
    blob = np.frombuffer("".join(texts).encode("utf-8", "replace"), np.uint8)
    is_long = lengths.size and (lengths.min() < 1 or lengths.max() > _LONGEST)
    if is_long or ((blob < _FIRST) | (blob > _LAST)).any():
        return None
    starts = np.concatenate(([0], np.cumsum(lengths + 1)))
    arena, is_length = np.empty(starts[-1], np.uint8), np.zeros(starts[-1], np.bool_)
    is_length[starts[:-1]] = True
    arena[is_length], arena[~is_length] = lengths, blob
    return arena, starts
