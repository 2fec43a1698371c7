"""The other ways to do it, each in one file and as its users would write it. `build(book)` makes the contender."""

from __future__ import annotations

import importlib

from bench.contender import Build

PEERS = {
    "numba_csr": "numba_csr",
    "numpy": "numpy_reduceat",
    "polars": "polars_join",
    "duckdb": "duckdb_sql",
    "pandas": "pandas_groupby",
    "python_float": "python_float",
    "python_decimal": "python_decimal",
}
"""Those that results.json compares with, and their modules."""
RUNS = "ours, runs"
MORE = {RUNS: "runs", "numpy, tuned": "numpy_tuned", "polars, lists": "polars_lists", "bytewax": "bytewax_flow"}
"""Further forms, so that nobody need ask whether a peer was written badly on purpose, and a streaming engine."""


def build_of(name: str) -> Build:
    """How the contender of that name is made. Raises ImportError where its package is not installed."""
    module = importlib.import_module(f"bench.peers.{(PEERS | MORE)[name]}")
    return module.build  # type: ignore[no-any-return]
