"""DuckDB: the positions in tables, the tick's prices beside the assets' lines, one query."""

from __future__ import annotations

import duckdb
import numpy as np
import pyarrow as pa

from bench.book import LINES, TIERS, Book, Floats, Ints, Positions
from bench.contender import Stages, Tick

_LEAST = ", ".join(f"quantity * usd * slope{k} + intercept{k}" for k in range(1, TIERS))
_REACHED = " + ".join(f"(debt >= line{k} * counted)::tinyint" for k in range(LINES.shape[1]))
QUERY = f"""
    WITH h AS (SELECT "group", sum(CASE WHEN quantity * usd <= bound THEN quantity * usd * slope0
                                   ELSE least({_LEAST}) END) AS counted
               FROM held JOIN assets USING (asset) GROUP BY "group"),
         o AS (SELECT "group", sum(quantity * usd) AS debt FROM owed JOIN assets USING (asset) GROUP BY "group")
    SELECT "group", ({_REACHED})::tinyint AS stage, debt / counted AS ltv
    FROM groups JOIN h USING ("group") JOIN o USING ("group")
"""  # noqa: S608  made of numbers only


class DuckdbSql:
    """In memory, on all cores. The answer comes in any order and is put in its place by numpy: faster than ORDER BY."""

    def __init__(self, book: Book) -> None:
        self._db = duckdb.connect()
        slope, intercept = book.market.lines
        self._assets = {"asset": np.arange(len(slope), dtype=np.uint16), "bound": book.market.bounds}
        self._assets |= {f"slope{k}": slope[:, k].copy() for k in range(TIERS)}
        self._assets |= {f"intercept{k}": intercept[:, k].copy() for k in range(TIERS)}
        lines = {f"line{k}": LINES[book.profile, k] for k in range(LINES.shape[1])}
        self._create("held", _table(book.collateral))
        self._create("owed", _table(book.debts))
        self._create("groups", pa.table({"group": np.arange(len(book), dtype=np.int32), **lines}))
        self._stage, self._ltv = np.zeros(len(book), np.int8), np.zeros(len(book))

    def tick(self, tick: Tick) -> Ints:
        self._db.register("assets", pa.table({**self._assets, "usd": tick.usd}))
        found = self._db.execute(QUERY).fetchnumpy()
        stage = np.empty_like(self._stage)
        stage[found["group"]], self._ltv[found["group"]] = found["stage"], found["ltv"]
        changed = np.flatnonzero(stage != self._stage)
        self._stage = stage
        return changed

    def _create(self, name: str, table: pa.Table) -> None:
        self._db.register("source", table)
        self._db.execute(f"CREATE TABLE {name} AS SELECT * FROM source")  # noqa: S608  a name of ours

    def answers(self) -> tuple[Stages, Floats]:
        return self._stage, self._ltv

    def close(self) -> None:
        self._db.close()


def _table(positions: Positions) -> pa.Table:
    return pa.table({"group": positions.group, "asset": positions.asset, "quantity": positions.quantity})


def build(book: Book) -> DuckdbSql:
    """Copies the book into tables."""
    return DuckdbSql(book)
