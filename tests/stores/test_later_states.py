"""States of a storm wait in rows of their commit: durable at once, the newest wins, and everybody sees them."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import pytest

from monitor.core.stages.stages import GroupState
from monitor.stores import sqlite as stores
from monitor.stores._base import AlertFilter, Change
from monitor.stores.sqlite import SqliteStore, later_states
from tests.stores.examples import AT, DAY, alert

COUNT = later_states.FEWEST


def called(numbers: Iterable[int], episode: int) -> tuple[GroupState, ...]:
    return tuple(GroupState(f"G-{n:02}", "margin_call", episode=episode, sequence=1) for n in numbers)


async def commit(store: SqliteStore, second: int, states: tuple[GroupState, ...]) -> None:
    await store.commit(Change(AT + timedelta(seconds=second), states=states))


def in_rows(path: Path) -> tuple[int, int]:
    """How many states are in rows of their own, and how many commits have theirs elsewhere."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        counts = (db.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in ("states", "later_states"))
        return next(counts), next(counts)


async def test_the_newest_of_a_group_wins_however_many_came_with_it_and_after_a_kill(
    store: SqliteStore, tmp_path: Path
) -> None:
    await commit(store, 1, called([0], 1))
    assert in_rows(store.path) == (1, 0)
    await commit(store, 2, called(range(COUNT), 2))
    await commit(store, 3, called([1], 3))
    await commit(store, 4, (GroupState("G-02"),))
    assert in_rows(store.path) == (1, 3)
    for ending in ("", "-wal"):  # as a kill leaves it
        shutil.copy(f"{store.path}{ending}", tmp_path / f"killed.db{ending}")
    again = stores.build(stores.Config(path=str(tmp_path / "killed.db")))
    expected = {s.group: s for s in (*called(range(COUNT), 2), *called([1], 3)) if s.group != "G-02"}
    assert {s.group: s for s in (await again.open()).states} == expected
    await again.close()
    assert in_rows(tmp_path / "killed.db") == (COUNT - 1, 0)


async def test_the_background_puts_them_into_their_rows_a_thousand_at_a_time(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(later_states.fold, "__defaults__", (2 * COUNT,))
    for n in range(5):
        await commit(store, n, called(range(COUNT), n))
    done = [(await store.render(1)).done for _ in range(4)]
    assert (done, in_rows(store.path)) == ([2 * COUNT, 2 * COUNT, COUNT, 0], (COUNT, 0))
    await commit(store, 9, called([0], 9))
    assert in_rows(store.path) == (COUNT, 0)
    assert (await store.open()).states[0].episode == 9


async def test_a_commit_of_more_than_a_thousand_is_put_there_a_thousand_at_a_time_too(store: SqliteStore) -> None:
    most = later_states.AT_ONCE
    await commit(store, 1, called(range(2 * most + 3), 1))
    assert in_rows(store.path) == (0, 3)
    done = [(await store.render(1)).done for _ in range(4)]
    assert (done, in_rows(store.path)) == ([most, most, 3, 0], (2 * most + 3, 0))


async def test_what_is_told_of_an_open_episode_is_not_pruned_while_its_state_waits(store: SqliteStore) -> None:
    await store.commit(Change(AT, states=called(range(COUNT), 1), alerts=((alert(subject="G-00"), ()), (alert(), ()))))
    assert await store.prune(AT + DAY) == 1
    assert [logged.alert.subject for logged in await store.alerts(AlertFilter())] == ["G-00"]
