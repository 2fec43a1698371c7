"""What a book remembers of its lines: in dictionaries for small files, in arrays for large ones, and with the same answers."""

from __future__ import annotations

from array import array
from collections.abc import Callable
from random import Random

import pytest

from monitor.books._line_memory import LineMemory, PlainLineMemory
from monitor.engine.ingest.line_memory import CompactLineMemory

BOTH = pytest.mark.parametrize("new", [PlainLineMemory, CompactLineMemory])


def q(*hashes: int) -> array[int]:
    return array("q", hashes)


def read(seen: LineMemory, *lines: tuple[int, int], forget: bool = False) -> None:
    """A reading that finds these lines and ids and puts them all."""
    seen.name(q(*(id_ for _, id_ in lines)), list(range(1, len(lines) + 1)))
    seen.take(q(*(line for line, _ in lines)), q(*(id_ for _, id_ in lines)))
    seen.end(forget=forget)


@BOTH
def test_a_line_is_in_force_after_the_reading_that_put_it(new: Callable[[], LineMemory]) -> None:
    seen = new()
    seen.take(q(-7, 5), q(70, -50))
    assert seen.applied(q(-7, 5)) == q(0, 0)
    seen.end(forget=False)
    assert seen.applied(q(5, 6, -7)) == q(-50, 0, 70)
    assert len(seen) == 2


@BOTH
def test_the_first_line_that_names_a_group_has_it(new: Callable[[], LineMemory]) -> None:
    seen = new()
    assert seen.name(q(1, 2, 0, 1, 0), [3, 4, 5, 6, 7]) == [0, 0, 0, 3, 0]
    assert seen.name(q(2, 9), [8, 11]) == [4, 0]
    assert seen.named(q(9, 8, 1)) == [True, False, True]
    seen.end(forget=False)
    assert seen.named(q(9)) == [False]
    assert seen.name(q(2), [1]) == [0]


@BOTH
def test_another_line_of_a_group_takes_the_place_of_the_one_before(new: Callable[[], LineMemory]) -> None:
    seen = new()
    read(seen, (10, 1), (20, 2))
    read(seen, (11, 1))
    assert seen.applied(q(10, 11, 20)) == q(0, 1, 2)


@BOTH
@pytest.mark.parametrize("forget", [True, False])
def test_a_line_whose_group_is_not_named_is_forgotten_when_that_is_wanted(
    new: Callable[[], LineMemory], forget: bool
) -> None:
    seen = new()
    read(seen, (10, 1), (20, 2), (30, 3))
    seen.name(q(1, 2), [1, 2])  # the line of 2 is refused now: what was in force stays so
    seen.take(q(11), q(1))
    assert seen.lacks()
    seen.end(forget=forget)
    assert seen.applied(q(10, 11, 20, 30)) == q(0, 1, 2, 0 if forget else 3)
    assert seen.lacks()  # nothing is named yet
    seen.name(q(1, 2, 3), [1, 2, 3])
    assert not seen.lacks()


@BOTH
def test_a_file_of_comments_forgets_all_lines_where_that_is_wanted(new: Callable[[], LineMemory]) -> None:
    seen = new()
    read(seen, (10, 1))
    seen.end(forget=False)
    assert len(seen) == 1
    seen.end(forget=True)
    assert len(seen) == 0


def test_a_small_memory_hands_over_to_a_compact_one() -> None:
    small, large = PlainLineMemory(), CompactLineMemory()
    read(small, (10, 1), (-20, 2))
    small.hand_over(large)
    assert large.applied(q(10, -20, 3)) == q(1, 2, 0)
    assert large.named(q(1)) == [False]


def test_both_give_the_same_answers_over_many_readings() -> None:
    """Pages larger than the first table, ids that crowd in few places of it, lines that come, change and go."""
    rng, pair = Random(5), (PlainLineMemory(), CompactLineMemory())
    ids = [rng.randrange(1, 1 << 62) << 1 if k % 3 else -(k << 20) - 1 for k in range(30_000)]
    lines = {id_: rng.randrange(-(1 << 62), 1 << 62) for id_ in ids}
    for _ in range(4):
        for start in range(0, 30_000, 8192):
            page = [id_ for id_ in ids[start : start + 8192] if rng.random() < 0.9]
            page += rng.sample(ids, 50)
            found = q(*(lines[id_] for id_ in page))
            first, second = (seen.applied(found) for seen in pair)
            assert first == second
            numbers = [start + k + 1 for k in range(len(page))]
            befores, others = (seen.name(q(*page), numbers) for seen in pair)
            assert befores == others
            put = [id_ for id_, before in zip(page, befores, strict=True) if not before and rng.random() < 0.9]
            for seen in pair:
                seen.take(q(*(lines[id_] for id_ in put)), q(*put))
        assert pair[0].named(q(*ids)) == pair[1].named(q(*ids))
        assert pair[0].lacks() == pair[1].lacks()
        forget = rng.random() < 0.5
        for seen in pair:
            seen.end(forget=forget)
        assert len(pair[0]) == len(pair[1]) > 10_000
        for id_ in rng.sample(ids, 5000):
            lines[id_] = rng.randrange(-(1 << 62), 1 << 62)
