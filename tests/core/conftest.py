"""The two books on which a test plays that has a book: groups as objects, and groups in columns."""

from collections.abc import Iterator

import pytest

from monitor.core.portfolio.plain_book import PlainBook
from monitor.engine.book import ColumnarBook
from tests.core import desk


@pytest.fixture(scope="module", params=["objects", "columns"])
def each_book(request: pytest.FixtureRequest) -> Iterator[None]:
    """The book of columns folds every group at once."""
    desk.new_book = PlainBook if request.param == "objects" else lambda: ColumnarBook(fold_at=0)
    yield
    desk.new_book = PlainBook
