"""The clock of a core just now: what a processor says of itself is what it may do, and not what it does.

A multiplication of whole numbers takes three cycles and an exclusive or takes one, on all processors of this kind for fifteen
years. In a chain each step waits for the one before, so nothing else is measured.
"""

from __future__ import annotations

import time
from typing import Any

import numpy as np

from monitor.engine.compiled import kernel

CYCLES = 4
"""Of one step: a multiplication, and an exclusive or."""
STEPS = 1_000_000
ROUNDS = 25
"""A millisecond each: others who use the core interrupt some of them, and the fastest counts."""
STATED_GHZ = 3.0
"""The core of which targets in microseconds are stated."""
_FACTOR, _MASK = np.uint64(6364136223846793005), np.uint64(1442695040888963407)


@kernel
def _chain(value: Any, factor: Any, mask: Any, steps: Any) -> Any:
    for _ in range(steps):
        value = (value * factor) ^ mask
    return value


def ghz() -> float:
    """Cycles in a nanosecond, by the processor's time: those of the fastest of some rounds."""
    _chain(np.uint64(1), _FACTOR, _MASK, 1)
    took_s = min(chain_s(STEPS) for _ in range(ROUNDS))
    return STEPS * CYCLES / took_s / 1e9


def chain_s(steps: int) -> float:
    """Seconds for so many steps."""
    started = time.thread_time()
    _chain(np.uint64(1), _FACTOR, _MASK, steps)
    return time.thread_time() - started
