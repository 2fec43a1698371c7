"""Every test of core that plays at a desk is run on both books: groups as objects, and groups in columns."""

from collections.abc import Iterator

import pytest

from monitor.core.portfolio.plain_book import PlainBook
from monitor.engine.book import ColumnarBook
from tests.core import desk


@pytest.fixture(autouse=True, scope="module", params=["objects", "columns"])
def _book(request: pytest.FixtureRequest) -> Iterator[None]:
    """Of a book of columns in which every group is folded at once."""
    desk.new_book = PlainBook if request.param == "objects" else lambda: ColumnarBook(fold_at=0)
    yield
    desk.new_book = PlainBook
