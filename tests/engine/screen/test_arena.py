"""Where arrays of the screen lie in memory."""

from itertools import pairwise

import numpy as np
import pytest

from monitor.engine.screen.arena import LARGE, LARGE_PAGE, LINE, side_by_side


@pytest.mark.parametrize("sizes", [(1, 3, 100), (5, LARGE, 7)])
def test_columns_side_by_side_begin_with_cache_lines_and_share_nothing(sizes: tuple[int, ...]) -> None:
    columns = side_by_side(*zip(sizes, (np.uint8, np.float64, np.uint32), strict=True))
    stretches = [(column.ctypes.data, column.ctypes.data + column.nbytes) for column in columns]
    assert [column.size for column in columns] == list(sizes)
    assert [column.dtype for column in columns] == [np.uint8, np.float64, np.uint32]
    assert all(begin % LINE == 0 for begin, _ in stretches)
    assert all(end <= begin for (_, end), (begin, _) in pairwise(stretches))


@pytest.mark.parametrize(("size", "least"), [(LARGE, 0), (8, LARGE)])
def test_what_lies_in_large_pages_begins_with_one(size: int, least: int) -> None:
    first, second = side_by_side((size, np.uint8), (size, np.uint8), least=least)
    assert first.ctypes.data % LARGE_PAGE == 0
    assert second.ctypes.data == first.ctypes.data + size + -size % LINE


def test_columns_can_be_zero() -> None:
    (column,) = side_by_side((1000, np.int64), fill=np.zeros)
    assert not column.any()
