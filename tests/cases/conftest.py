"""Cases whose mending is not there yet: they must fail, and a line goes when its case passes."""

from __future__ import annotations

import pytest

from tests.signatures import every_delivery_verifies as every_delivery_verifies

AWAITED: dict[str, str] = {}
"""By the name of the test with its parameters: what it waits for."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.name in AWAITED and "tests/cases" in item.nodeid:
            item.add_marker(pytest.mark.xfail(reason=AWAITED[item.name], strict=True))
