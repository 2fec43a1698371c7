"""What a connection's thread was given and has found is freed by its callers, and not amid its next work."""

from __future__ import annotations

import sqlite3
import weakref
from functools import partial

import pytest

from monitor.stores.sqlite.connection import Connection


class Storm:
    """A thing that says when it is freed."""


async def test_the_thread_keeps_neither_the_work_nor_the_result() -> None:
    async with Connection(partial(sqlite3.connect, ":memory:")) as connection:
        given = Storm()
        found = await connection.run(partial(lambda one, _: (one, Storm()), given))
        refs = weakref.ref(given), weakref.ref(found[1])
        del given, found
        assert [ref() for ref in refs] == [None, None]


async def test_what_work_raises_is_raised_to_its_caller() -> None:
    async with Connection(partial(sqlite3.connect, ":memory:")) as connection:
        with pytest.raises(ZeroDivisionError):
            await connection.run(lambda _: 1 / 0)
        assert await connection.run(lambda db: db.execute("SELECT 7").fetchone()) == (7,)
