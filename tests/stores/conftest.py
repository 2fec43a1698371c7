"""What several tests of the stores begin with."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from monitor.stores import sqlite
from monitor.stores.sqlite import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    """An empty file, open."""
    store = sqlite.build(sqlite.Config(path=str(tmp_path / "monitor.db")))
    await store.open()
    yield store
    await store.close()
