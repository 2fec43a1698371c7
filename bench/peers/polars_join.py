"""polars, lazy: join the positions with the assets' table of the tick, the lowest line of each, sum by group."""

from __future__ import annotations

import numpy as np
import polars as pl

from bench.book import LINES, TIERS, Book, Floats, Ints, Positions
from bench.contender import Stages, Tick

_VALUE = pl.col("quantity") * pl.col("usd")
_LINES = range(LINES.shape[1])


class PolarsJoin:
    """On all cores, as polars does by itself. The group column is marked as sorted, which its sums make use of."""

    def __init__(self, book: Book) -> None:
        slope, intercept = book.market.lines
        steep = {f"slope{k}": slope[:, k].copy() for k in range(TIERS)}
        base = {f"intercept{k}": intercept[:, k].copy() for k in range(TIERS)}
        self._assets = pl.DataFrame({"asset": np.arange(len(slope), dtype=np.uint16), **steep, **base})
        self._held, self._owed = frame(book.collateral), frame(book.debts)
        lines = {f"line{k}": LINES[book.profile, k] for k in _LINES}
        self._groups = pl.DataFrame({"group": np.arange(len(book), dtype=np.int32), **lines})
        self._now = pl.DataFrame({"stage": np.zeros(len(book), np.int8), "ltv": np.zeros(len(book))})

    def tick(self, tick: Tick) -> Ints:
        assets = self._assets.lazy().with_columns(usd=pl.Series(tick.usd))
        least = pl.min_horizontal(_VALUE * pl.col(f"slope{k}") + pl.col(f"intercept{k}") for k in range(TIERS))
        counted = self._sums(self._held, assets, least.alias("counted"))
        debt = self._sums(self._owed, assets.select("asset", "usd"), _VALUE.alias("debt"))
        reached = ((pl.col("debt") >= pl.col(f"line{k}") * pl.col("counted")).cast(pl.Int8) for k in _LINES)
        now = (
            self._groups.lazy()
            .join(counted, on="group", how="left", maintain_order="left")
            .join(debt, on="group", how="left", maintain_order="left")
            .select(stage=pl.sum_horizontal(reached).cast(pl.Int8), ltv=pl.col("debt") / pl.col("counted"))
            .collect()
        )
        changed = (now["stage"] != self._now["stage"]).arg_true()
        self._now = now
        return changed.to_numpy().astype(np.int64)

    def answers(self) -> tuple[Stages, Floats]:
        return self._now["stage"].to_numpy(), self._now["ltv"].to_numpy()

    def close(self) -> None:
        pass

    def _sums(self, positions: pl.DataFrame, assets: pl.LazyFrame, what: pl.Expr) -> pl.LazyFrame:
        joined = positions.lazy().join(assets, on="asset", how="left", maintain_order="left")
        return joined.select("group", what).group_by("group").agg(pl.all().sum())


def frame(positions: Positions) -> pl.DataFrame:
    """Positions as a data frame."""
    columns = {"group": positions.group, "asset": positions.asset, "quantity": positions.quantity}
    return pl.DataFrame(columns).with_columns(pl.col("group").set_sorted())


def build(book: Book) -> PolarsJoin:
    """Copies the book into data frames."""
    return PolarsJoin(book)
