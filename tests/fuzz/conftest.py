"""Runs each test here again and again for FUZZ_SECONDS, where that is set: Hypothesis counts examples and no time."""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import pytest

from tests.faults.house import now_s
from tests.fuzz.rubbish import SECONDS


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, Any, Any]:
    end_s = now_s() + SECONDS
    done = yield
    while "tests/fuzz/" in item.nodeid and now_s() < end_s:
        item.runtest()
    return done
