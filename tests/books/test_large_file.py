"""A file of many lines: packed a page at a time, with the same answers as line by line."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from monitor.books import file
from monitor.books._line_memory import PlainLineMemory
from monitor.books._lines import BookFile, LinePage
from monitor.core.events.events import Event, GroupPut, GroupsPut
from monitor.engine.columns.names import Names
from monitor.engine.ingest.line_memory import CompactLineMemory
from monitor.engine.ingest.reader import BlockReader
from tests.books.test_file import PRODUCTS, Book, cleared, closed, said, written

GROUPS = 10_000  # a page and a part of one


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    book = Book(tmp_path / "large.jsonl")
    book.reader = BlockReader(lambda: PRODUCTS, Names(), lambda *step: book.steps.append(step))
    yield book
    await book.stop()


def lines(count: int = GROUPS) -> list[str]:
    return [written(f"G-{k}") for k in range(count)]


def quantities(batches: list[list[Event]]) -> dict[str, str]:
    """Quantities of BTC by group, of whatever form its put has; none is put twice."""
    found: list[tuple[str, str]] = []
    for event in (e for batch in batches for e in batch):
        groups = [event.group] if isinstance(event, GroupPut) else []
        if isinstance(event, GroupsPut):
            groups = [event.batch.group(i) for i in range(len(event.batch))]
            assert [g.id for g in groups] == list(event.batch.ids())
            assert len(groups) <= 8192
        found += [(g.id, str(g.quantities()["BTC"])) for g in groups]
    assert len(found) == len(dict(found))
    return dict(found)


def put_count(batches: list[list[Event]]) -> int:
    return sum(len(e.batch) if isinstance(e, GroupsPut) else 1 for batch in batches for e in batch)


async def read(book: Book, **other: object) -> list[list[Event]]:
    """All batches of the first reading."""
    first = await book.start(**other)
    await book.until(lambda: book.source._is_settled)
    batches, book.batches = [first, *book.batches], []
    return batches


async def test_a_large_book_comes_in_batches_of_a_page(book: Book) -> None:
    book.write(*lines())
    batches = await read(book)
    assert [type(e) for batch in batches for e in batch] == [GroupsPut] * 2
    assert {e.source for batch in batches for e in batch if isinstance(e, GroupsPut)} == {"file:demo"}
    assert [len(e.batch) for batch in batches for e in batch if isinstance(e, GroupsPut)] == [8192, 1808]
    assert set(quantities(batches)) == {f"G-{k}" for k in range(GROUPS)}
    await book.quiet()


async def test_what_is_wrong_in_it_is_named_by_its_line_and_the_rest_applies(book: Book) -> None:
    """The second line of a group on the same page, on another one, of another text; lines that are no group."""
    all_ = lines()
    all_[100], all_[9000] = "{", written("G-9000", "-1")
    all_[50], all_[9_500], all_[9_501] = all_[49], written("G-3", "7"), all_[8195]
    book.write("# a comment", *all_)
    batches = await read(book)
    assert said([e for batch in batches for e in batch]) == [
        ("large.jsonl:52", "group G-49 is at line 51 already; one line a group"),
        ("large.jsonl:102", "the line is not JSON: Input data was truncated"),
        ("large.jsonl:9002", "collateral.acct-G-9000.BTC: found '-1', expected a number from 0 up to 1e24"),
        ("large.jsonl:9502", "group G-3 is at line 5 already; one line a group"),
        ("large.jsonl:9503", "group G-8195 is at line 8197 already; one line a group"),
    ]
    put = quantities(batches)
    assert set(put) == {f"G-{k}" for k in range(GROUPS)} - {"G-50", "G-100", "G-9000", "G-9500", "G-9501"}
    assert set(put.values()) == {"12.5"}
    await book.quiet()


async def test_only_what_changed_is_put_again(book: Book) -> None:
    all_ = lines()
    book.write(*all_)
    await read(book)
    all_[7], all_[9_500] = written("G-7", "3"), written("G-new")
    book.write(*reversed(all_))
    await book.until(lambda: put_count(book.batches) == 2)
    assert quantities(book.batches) == {"G-7": "3", "G-new": "12.5"}
    await book.until(lambda: book.source._is_settled)
    all_[9_500] = written("G-9500")
    book.batches.clear()
    book.write(*all_)
    assert quantities([await book.next()]) == {"G-9500": "12.5"}


async def test_groups_that_vanished_are_closed_by_what_is_under_watch(book: Book) -> None:
    book.write(*lines())
    await read(book, close_missing=True, held=("G-gone",))
    # In a first reading what the store has is compared as well.
    assert "G-gone" not in book.held
    book.held.update(f"G-{k}" for k in range(GROUPS))
    book.write(*lines()[:-5], "{ broken")
    await book.until(lambda: book.batches)
    assert said(book.batches.pop(0))[0][0] == f"large.jsonl:{GROUPS - 4}"
    await book.quiet()
    book.write(*lines()[:-5])
    batches = [await book.next() for _ in range(2)]
    assert [name for batch in batches for name in cleared(batch)] == [f"large.jsonl:{GROUPS - 4}"]
    assert sorted(c for batch in batches for c in closed(batch)) == [f"G-{k}" for k in range(GROUPS - 5, GROUPS)]


async def test_a_book_that_grows_large_is_remembered_compactly_and_nothing_is_put_again(book: Book) -> None:
    few = lines(100)
    book.write(*few)
    await read(book)
    assert isinstance(book.source._comparison.memory, PlainLineMemory)
    book.write(*lines())
    await book.until(lambda: put_count(book.batches) >= GROUPS - 100)
    assert isinstance(book.source._comparison.memory, CompactLineMemory)
    assert set(quantities(book.batches)) == {f"G-{k}" for k in range(100, GROUPS)}


async def test_how_much_is_read_is_told(book: Book) -> None:
    book.write(*lines(20_000))
    await read(book)
    total = book.path.stat().st_size
    done = [d for d, t in book.steps[:3]]
    assert {t for _, t in book.steps} == {total}
    assert 0 < done[0] < done[1] < done[2] == total


async def test_a_reading_that_breaks_off_keeps_what_it_applied(book: Book, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk fails in the middle; what was handed over before is not handed over again."""
    book.write(*lines())
    fails = [OSError(5, "Input/output error")]

    class Failing(BookFile):
        def pages(self) -> Iterator[LinePage]:
            for i, page in enumerate(super().pages()):
                if i == 1 and fails:
                    raise fails.pop()
                yield page

    monkeypatch.setattr(file, "BookFile", Failing)
    batches = await read(book)
    told = [s for batch in batches for s in said(batch)]
    assert told == [("large.jsonl", "the file cannot be read: Input/output error; the last good book stays in force")]
    assert set(quantities(batches)) == {f"G-{k}" for k in range(GROUPS)}
