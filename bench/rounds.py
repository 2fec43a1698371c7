"""Interleaved rounds: everybody once a round, in another order each time, so that what the machine does hits all alike."""

from __future__ import annotations

import gc
import random
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

Seconds = dict[str, list[float]]
"""What each contender took, round by round."""
Work = Callable[[int], Any]
"""What is timed, called with the number of the round."""


def interleaved(
    work: Mapping[str, Work],
    rounds: int,
    after: Callable[[int, dict[str, Any]], None],
    seed: int = 11,
    before_each: Callable[[], Any] = lambda: None,
) -> Seconds:
    """Times each once a round; `before_each` of them, and `after` a round with its results, is not timed."""
    order, shuffle = list(work), random.Random(seed).shuffle  # noqa: S311  an order, no secret
    seconds: Seconds = {name: [] for name in work}
    with no_collection():
        for i in range(rounds):
            shuffle(order)
            results = {}
            for name in order:
                before_each()
                started = time.perf_counter()
                results[name] = work[name](i)
                seconds[name].append(time.perf_counter() - started)
            after(i, results)
    return seconds


def medians(seconds: Seconds) -> dict[str, float]:
    """The median of each."""
    return {name: statistics.median(each) for name, each in seconds.items()}


@contextmanager
def no_collection() -> Iterator[None]:
    """Keeps Python's garbage collector from running in somebody's time: it would walk millions of objects of another."""
    gc.collect()
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
