"""Random markets over shards."""

from __future__ import annotations

from monitor.engine.spread.book import SpreadBook
from tests.engine.market import Market


class SpreadMarket(Market):
    """A market whose lines come four at a time, each time as a block of its own, so that every shard has some."""

    def in_blocks(self, count: int) -> None:
        for _ in range(count):
            self.twins.put(self.lines(4), self.now)


def spread_of(market: SpreadMarket) -> SpreadBook:
    book = market.twins.book
    assert isinstance(book, SpreadBook)
    return book
