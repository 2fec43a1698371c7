"""The index against a dict: what is put at a row is found there, and nothing else is found."""

import hashlib
import random
import subprocess
import sys
from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from monitor.engine.columns.fields import I64, U8
from monitor.engine.index import index as module
from monitor.engine.index.index import Index
from monitor.engine.index.siphash import hash32, siphash

KEYS = [b"G-%d" % i for i in range(120)]


def arena_of(keys: Iterable[bytes]) -> tuple[U8, I64]:
    """The keys as a block holds them, and where each stands."""
    texts = [bytes([len(key)]) + key for key in keys]
    at = np.cumsum([0, *map(len, texts)])[:-1]
    return np.frombuffer(b"".join(texts), np.uint8), at.astype(np.int64)


class AgainstDict(RuleBasedStateMachine):
    """Adds singly and in blocks, removals and looks, in a table that is crowded from the first key on."""

    @initialize(keys=st.integers(1, len(KEYS)))
    def begin(self, keys: int) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr(module, "_FEWEST_SLOTS", 2)
        self.index = Index()
        self.keys = KEYS[:keys]
        self.rows: dict[bytes, int] = {}
        self.next_row = 0

    def teardown(self) -> None:
        self.patch.undo()

    def _rows(self, count: int) -> list[int]:
        self.next_row += count
        return list(range(self.next_row - count, self.next_row))

    @rule(data=st.data())
    def add(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.keys))
        if key not in self.rows:
            self.rows[key] = self._rows(1)[0]
            self.index.add(key, self.rows[key])

    @rule(data=st.data())
    def remove(self, data: st.DataObject) -> None:
        key = data.draw(st.sampled_from(self.keys))
        if key in self.rows:
            self.index.remove(key, self.rows.pop(key))

    @rule()
    def add_all_that_are_absent(self) -> None:
        keys = [key for key in self.keys if key not in self.rows]
        rows = self._rows(len(keys))
        self.index.add_block(*arena_of(keys), np.array(rows, np.int64))
        self.rows |= dict(zip(keys, rows, strict=True))

    @rule()
    def remove_every_other(self) -> None:
        for key in sorted(self.rows)[::2]:
            self.index.remove(key, self.rows.pop(key))

    @invariant()
    def every_key_is_found_where_it_is(self) -> None:
        assert len(self.index) == len(self.rows)
        keys_at = {row: key for key, row in self.rows.items()}
        for key in KEYS:
            found = self.index.find(key, lambda row, key=key: keys_at.get(row) == key)
            assert found == self.rows.get(key, -1)


TestAgainstDict = AgainstDict.TestCase
TestAgainstDict.settings = settings(max_examples=60, stateful_step_count=30)


def test_it_grows_and_shrinks_its_load_within_eleven_bytes_a_key() -> None:
    index, rng = Index(), random.Random(1)
    keys = [f"G-{i:06d}".encode() for i in range(100_000)]
    rng.shuffle(keys)
    for first in range(0, len(keys), 8192):
        some = keys[first : first + 8192]
        index.add_block(*arena_of(some), np.arange(first, first + len(some)))
        assert index.nbytes <= 11 * len(index)
    assert all(index.find(key, lambda row, key=key: keys[row] == key) == i for i, key in enumerate(keys))


def test_what_was_removed_makes_room_again() -> None:
    index = Index(1000)
    before = index.nbytes
    for turn in range(50):
        for i in range(500):
            index.add(b"%d-%d" % (turn, i), i)
        for i in range(500):
            index.remove(b"%d-%d" % (turn, i), i)
    assert len(index) == 0
    assert index.nbytes <= before
    assert index.find(b"49-1", lambda row: True) == -1


@pytest.mark.parametrize("hashed", [0, 0xFFFFFFFF], ids=["that of a removed key", "that wraps around the end"])
def test_keys_of_one_hash_are_told_apart_by_the_caller(hashed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "hash32", lambda key, at, length, secret: hashed)
    index, keys = Index(), [b"%d" % i for i in range(300)]
    for row, key in enumerate(keys):
        index.add(key, row)
    for row in range(0, 300, 3):
        index.remove(keys[row], row)
    for row, key in enumerate(keys):
        assert index.find(key, lambda at, key=key: keys[at] == key) == (-1 if row % 3 == 0 else row)


def test_a_key_may_stand_at_two_rows_for_a_while() -> None:
    index = Index()
    index.add(b"G-1", 7)
    index.add(b"G-1", 9)
    index.remove(b"G-1", 7)
    assert index.find(b"G-1", lambda row: True) == 9


def test_the_highest_row_is_a_row() -> None:
    index = Index()
    index.add(b"G-1", module.GONE - 1)
    assert index.find(b"G-1", lambda row: True) == module.GONE - 1


def test_removing_what_is_not_there_stops() -> None:
    index = Index()
    index.add(b"G-1", 1)
    with pytest.raises(AssertionError, match="does not have b'G-1' at row 2"):
        index.remove(b"G-1", 2)
    with pytest.raises(AssertionError, match="does not have b'G-2' at row 2"):
        index.remove(b"G-2", 2)


def test_absent_names_no_key_that_is_there() -> None:
    index, keys = Index(), [b"G-%d" % i for i in range(2000)]
    index.add_block(*arena_of(keys[::2]), np.arange(1000))
    absent = index.absent(*arena_of(keys))
    assert not absent[::2].any()
    assert absent[1::2].sum() > 990


def test_the_hash_is_the_siphash_of_python() -> None:
    texts = [bytes(range(n)) for n in range(40)]
    code = f"print([hash(t) for t in {texts!r}])"
    python = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONHASHSEED": "0"}, capture_output=True, text=True, check=True
    ).stdout
    none = np.zeros(2, np.uint64)
    ours = [int(np.uint64(siphash(t, 0, len(t), none)).astype(np.int64)) for t in texts]
    # Python says 0 for the empty text.
    assert str([0, *ours[1:]]) == python.strip()


def test_the_hash_is_another_with_another_secret_and_the_same_inside_an_arena() -> None:
    secret = np.array([1, 2], np.uint64)
    key = hashlib.sha256(b"G-1").digest()
    arena, at = arena_of([b"before", key])
    assert hash32(arena, at[1] + 1, len(key), secret) == hash32(key, 0, len(key), secret)
    assert hash32(key, 0, len(key), secret) != hash32(key, 0, len(key), np.array([1, 3], np.uint64))
