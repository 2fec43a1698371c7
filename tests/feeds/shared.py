"""Where the recordings and tapes lie that are read in tests and never copied into the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("MONITOR_SHARED") or Path(__file__).parents[2].parent / "shared")

needs_shared = pytest.mark.skipif(
    not (SHARED / "data").is_dir(), reason=f"no shared recordings at {SHARED}; name their folder in MONITOR_SHARED"
)
