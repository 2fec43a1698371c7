"""The books on which a test plays that has a book: groups as objects, in columns and, in a soak, over shards."""

from collections.abc import Iterator

import pytest

from monitor.core.portfolio.plain_book import PlainBook
from monitor.engine.book import ColumnarBook
from monitor.engine.spread.book import SpreadBook
from monitor.engine.spread.local import NearShards
from tests.core import desk

BOOKS = {
    "objects": PlainBook,
    "columns": lambda: ColumnarBook(fold_at=0),
    "shards": lambda: SpreadBook(NearShards(), 2, fold_at=0),
}


@pytest.fixture(scope="module", params=["objects", "columns", pytest.param("shards", marks=pytest.mark.soak)])
def each_book(request: pytest.FixtureRequest) -> Iterator[None]:
    """The books of columns fold every group at once."""
    desk.new_book = BOOKS[request.param]
    yield
    desk.new_book = PlainBook
