"""The thread that looks at the blocks, and those that help it where there is much to do."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from monitor.engine.columns.fields import I64, U32
from monitor.engine.screen.arena import LINE
from monitor.engine.screen.arrays import LadderTiers, LastPrices, RowSums
from monitor.engine.screen.bound_kernels import Bound, bind, room
from monitor.engine.screen.layout import Layout
from monitor.engine.screen.line_table import LineTable

AT_ONCE = 1 << 17
"""A look that may name no more rows than this is one call."""

Part = Callable[[int, I64, U32], int]
"""Does some blocks of what is bound at an address, and writes the rows to look at into an array. Returns how many."""


class Threads:
    """Each thread has the arrays of the screen bound to room of its own."""

    def __init__(self, count: int) -> None:
        self._pool = ThreadPoolExecutor(max(count - 1, 1), thread_name_prefix="sweep")
        self._rooms = [room(AT_ONCE, is_large=not number) for number in range(count)]
        self._addresses: list[int] = [each.place.ctypes.data for each in self._rooms]
        self._known: Bound | None = None
        """What is bound for the calling thread. It keeps all arrays alive."""

    def bind(self, layout: Layout, tiers: LadderTiers, seats: RowSums, table: LineTable, last: LastPrices) -> int:
        """Binds these arrays, unless they are those of before. Returns the address of what the calling thread takes."""
        known = self._known
        # One by one: with cold caches, each further object that is touched costs as much as ten groups.
        if known is None or not (
            layout.store is known.store
            and tiers is known.tiers
            and seats is known.seats
            and table.lines is known.lines
            and last is known.last
        ):
            assert seats.sums.ctypes.data % LINE == 0, "a sweep writes whole cache lines"
            arrays = layout.blocks, layout.store, tiers, seats, table.lines, table.pairs, last
            bounds = [Bound(*arrays, each.scratch, each.named) for each in self._rooms]
            for bound, each in zip(bounds, self._rooms, strict=True):
                bind(bound, each.place)
            self._known = bounds[0]
        return self._addresses[0]

    def are_idle_for(self, blocks: I64) -> bool:
        """There is no other thread, or no block for it."""
        return len(self._rooms) == 1 or blocks.size < len(self._rooms)

    def shares(self, blocks: I64, work: I64) -> list[I64]:
        """A share of the blocks for each thread; `work`: what each block costs."""
        if self.are_idle_for(blocks):
            return [blocks]
        done, count = np.cumsum(work), len(self._rooms)
        return np.split(blocks, np.searchsorted(done, done[-1] * np.arange(1, count) / count))

    def run(self, part: Part, shares: Sequence[I64], most: int) -> U32:
        """Does shares side by side, the first one in the calling thread. Returns the rows to look at, ascending; `most`: how
        many a share may name."""
        named = [np.empty(most, np.uint32) for _ in shares]
        each = list(zip(self._addresses, shares, named, strict=False))
        others = [self._pool.submit(part, *share) for share in each[1:]]
        counts = [part(*each[0]), *(other.result() for other in others)]
        return np.sort(np.concatenate([n[:c] for n, c in zip(named, counts, strict=True)]))
