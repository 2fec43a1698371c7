"""The screen as it was before slices: a block's positions in runs, one per instrument, each adding to the sums of its groups.

Kept for one round, to measure the new one against it in the same run.
"""

from __future__ import annotations

from bench.book import Book
from bench.ours import Ours
from bench.peers.runs.screen import FastScreen


def build(book: Book) -> Ours:
    """One thread, as ours."""
    return Ours(book, screen=FastScreen(1))
