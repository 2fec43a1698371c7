"""How much a test does: in `make test` what fits its minutes, and all of it where `make soak` sets LONG=1."""

import os

import pytest

IS_LONG = os.environ.get("LONG") == "1"

more_in_a_soak = pytest.mark.long
"""Marks what `make soak` runs again with LONG=1."""


def examples(short: int, long: int) -> int:
    """How many random examples, or groups, or kills."""
    return long if IS_LONG else short
