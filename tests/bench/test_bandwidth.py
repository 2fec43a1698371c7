"""The bound of the benchmark reads all that it says it reads."""

from __future__ import annotations

import numpy as np

from bench.bandwidth import STEP, Stream, read_plainly, total


def test_every_value_is_read_once() -> None:
    values = np.random.default_rng(1).integers(0, 1000, 5 * STEP).astype(np.float64)
    assert total(values) == values.sum() == read_plainly(values, 5)
    assert Stream(1 << 20).read() == (1 << 20) / 8
