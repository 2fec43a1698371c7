"""The file book: real files, changed while the source runs."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from monitor import contacts, file_watch
from monitor.books import file
from monitor.books._base import KeptBook, PlainReader, Reader
from monitor.clock import SystemClock
from monitor.core import schema
from monitor.core.events.events import BookSeen, Event, GroupClosed, GroupPut, Noticed
from monitor.core.rules.product import Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.file_watch import Waits
from tests.book_lines import book_line, open_loan

LINES = Thresholds(Decimal("0.72"), Decimal("0.77"), Decimal("0.91"), Decimal("0.95"))
LADDER = ((None, Decimal(1)),)
VERSION = Version(datetime(2024, 4, 29, tzinfo=UTC), LINES, {"BTC": LADDER}, {"USDT": Decimal("0.00016")})
PRODUCTS = {"vip_loan": Product("vip_loan", (VERSION,))}


def stated(id: str = "G-1", btc: str = "12.5", **other: Any) -> dict[str, Any]:
    """A group of the book."""
    account = f"acct-{id}"
    terms = {
        "receiving_account": account,
        "collateral": {account: {"BTC": btc}},
        "loans": [open_loan("L-1", "USDT", "900000", matures_at=None)],
    }
    return book_line("vip_loan", {}, {}, id, **terms | other)


def written(id: str = "G-1", btc: str = "12.5", **other: Any) -> str:
    return json.dumps(stated(id, btc, **other))


class Book:
    """A file, and the source that reads it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.batches: list[list[Event]] = []
        self.reader: Reader = PlainReader(lambda: PRODUCTS)
        self.steps: list[tuple[int, int]] = []
        """Progress that was told: bytes read, bytes in all."""
        self.times: list[datetime] = []
        """The times of the book that were told."""
        self.held: set[str] = set()
        """Groups under watch."""
        self.source: file.FileBook
        self._task: asyncio.Task[None] | None = None

    def write(self, *lines: str) -> None:
        self.path.write_text("".join(f"{one}\n" for one in lines))

    def replace(self, *lines: str) -> None:
        """As editors do."""
        new = self.path.with_suffix(".new")
        new.write_text("".join(f"{one}\n" for one in lines))
        new.replace(self.path)

    async def start(self, *, held: tuple[str, ...] = (), refused: tuple[str, ...] = (), **other: Any) -> list[Event]:
        """Runs the source; returns the first batch. It is quicker to believe than in production."""
        times = {"settle_s": 0.15, "close_after_s": 0.4, "poll_s": 0.2}
        times.update({k: other.pop(k) for k in list(other) if k in times})
        config = file.Config(self.path, **{"watch": True, **other})
        self.held.update(held)
        kept = KeptBook(lambda: sorted(self.held), refused)
        self.source = file.FileBook("file:demo", config, self.reader, SystemClock(), kept, Waits(**times))
        self._task = asyncio.create_task(self._run())
        await self.until(lambda: self.batches)
        return self.batches.pop(0)

    async def _run(self) -> None:
        async for batch in self.source.batches():
            self.held.update(e.group.id for e in batch if isinstance(e, GroupPut))
            self.held.difference_update(closed(batch))
            self.times += [e.as_of for e in batch if isinstance(e, BookSeen)]
            said = [e for e in batch if not isinstance(e, BookSeen)]
            if said or not batch or len(self.times) <= 1:
                self.batches.append(said)

    async def until(self, condition: Callable[[], Any], deadline_s: float = 8) -> None:
        end = time.perf_counter() + deadline_s
        while not condition():
            assert self._task is not None
            if self._task.done():
                self._task.result()
            assert time.perf_counter() < end, f"waited in vain; got {self.batches}"
            await asyncio.sleep(0.01)

    async def next(self) -> list[Event]:
        """The next batch."""
        await self.until(lambda: self.batches)
        return self.batches.pop(0)

    async def quiet(self, seconds: float = 0.7) -> None:
        """Nothing comes; more than long enough for refusals and closings to be believed."""
        await asyncio.sleep(seconds)
        assert self.batches == []

    async def ended(self) -> None:
        """Waits until the source has said all."""
        assert self._task is not None
        async with asyncio.timeout(8):
            await self._task

    async def stop(self) -> None:
        if self._task:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)


@pytest.fixture
async def book(tmp_path: Path) -> AsyncIterator[Book]:
    book = Book(tmp_path / "demo.jsonl")
    yield book
    await book.stop()


def puts(batch: list[Event]) -> dict[str, str]:
    """Quantities of BTC by group."""
    return {e.group.id: str(e.group.quantities()["BTC"]) for e in batch if isinstance(e, GroupPut)}


def said(batch: list[Event]) -> list[tuple[str, str]]:
    """Subjects (without the folder) and problems of what was refused."""
    found = [e for e in batch if isinstance(e, Noticed)]
    assert {e.kind for e in found} <= {"book.refused"}
    return [(Path(e.subject).name, e.facts["problem"]) for e in found if not e.clears]


def cleared(batch: list[Event]) -> list[str]:
    return [Path(e.subject).name for e in batch if isinstance(e, Noticed) and e.clears]


def closed(batch: list[Event]) -> list[str]:
    return [e.group_id for e in batch if isinstance(e, GroupClosed)]


# Reading


async def test_the_whole_book_comes_first_as_one_batch(book: Book) -> None:
    book.write(written("G-2", "1"), written("G-1", "2"))
    first = await book.start()
    assert [type(e) for e in first] == [GroupPut, GroupPut]
    assert puts(first) == {"G-2": "1", "G-1": "2"}
    assert {e.source for e in first if isinstance(e, GroupPut)} == {"file:demo"}
    assert {e.at for e in first} == {first[0].at}
    assert first[0].at.tzinfo is UTC
    await book.quiet()


async def test_comments_blank_lines_marks_and_line_ends_say_nothing(book: Book) -> None:
    text = f"\ufeff{written('G-1')}\r\n\r\n  # a comment\r\n#{written('G-9')}\r\n   {written('G-2')}  "
    book.path.write_bytes(text.encode())
    assert list(puts(await book.start())) == ["G-1", "G-2"]
    await book.quiet()


async def test_without_watch_the_source_ends_after_the_book(book: Book) -> None:
    book.write(written())
    assert list(puts(await book.start(watch=False))) == ["G-1"]
    await book.ended()
    assert book.batches == []


def test_the_source_is_named_by_its_path_where_no_name_is_given(tmp_path: Path) -> None:
    table = {"path": "books/demo.jsonl", "watch": True}
    config = schema.read(file.Config, table, folder=tmp_path)
    reader = PlainReader(lambda: PRODUCTS)
    assert config == file.Config(tmp_path / "books" / "demo.jsonl", watch=True, close_missing=False)
    assert file.build("", config, reader).name == f"file:{config.path}"
    assert file.build("desk", config, reader, SystemClock()).name == "desk"


async def test_thousands_of_lines_leave_the_loop_free(book: Book) -> None:
    """Counted, not timed: a book judged on the loop itself would let it turn a handful of times."""
    book.write(*(written(f"G-{n}") for n in range(5000)))
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    ticking = asyncio.create_task(tick())
    first = await book.start(watch=False)
    ticking.cancel()
    assert len(first) == 5000
    assert turns > 25, "the loop stood still while the lines were judged"


# Changes


async def test_only_lines_that_changed_are_put_again(book: Book) -> None:
    book.write(written("G-1"), written("G-2"), written("G-3"))
    await book.start()
    book.write(written("G-3"), written("G-4"), written("G-1"), written("G-2", "7"))
    assert puts(await book.next()) == {"G-4": "12.5", "G-2": "7"}
    book.write(written("G-3"), written("G-4"), written("G-1"), written("G-2", "7"))
    await book.quiet()


@pytest.mark.parametrize("how", ["write", "replace"])
async def test_a_change_is_seen_by_the_watch_at_once(book: Book, how: str) -> None:
    """The poll would come in a minute."""
    book.write(written("G-1"))
    await book.start(poll_s=60)
    await book.until(lambda: book.source._is_settled)
    for n in ("2", "3"):
        getattr(book, how)(written("G-1", n))
        assert puts(await book.next()) == {"G-1": n}
        await book.until(lambda: book.source._is_settled)


async def test_a_change_is_found_by_the_poll_where_nothing_can_be_watched(
    book: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> object:
        raise OSError("inotify limit reached")

    monkeypatch.setattr(file_watch, "awatch", refused)
    book.write(written("G-1"))
    await book.start()
    await book.until(lambda: book.source._is_settled)
    book.write(written("G-1", "3"))
    assert puts(await book.next()) == {"G-1": "3"}


async def test_a_link_that_is_pointed_elsewhere_is_followed(book: Book, tmp_path: Path) -> None:
    versions = tmp_path / "versions"
    versions.mkdir()
    for n in ("1", "2"):
        (versions / n).write_text(written("G-1", n))
    book.path.symlink_to(versions / "1")
    assert puts(await book.start()) == {"G-1": "1"}
    new = tmp_path / "link"
    new.symlink_to(versions / "2")
    new.replace(book.path)
    assert puts(await book.next()) == {"G-1": "2"}


# Refused lines

BAD = {
    "repeated empty key": (
        written(labels={"": "a"}).replace('"": "a"', '"": "a", "": "b"'),
        "key '' appears twice",
        "G-1",
    ),
    "not JSON": ('{"id":"G-1",', "not JSON", None),
    "trailing": (written() + " x", "not JSON", None),
    "deep": ('{"id":' + "[" * 100_000, "not JSON", None),
    "no object": ('["G-1"]', "expected an object", None),
    "unknown key": (written(colateral={}), "did you mean 'collateral'?", "G-1"),
    "negative": (written(btc="-1"), "found '-1', expected a number from 0", "G-1"),
    "a number, not a text": (written().replace('"12.5"', "12.5"), "in quotes", "G-1"),
    "unknown product": (written(product="vip_laon"), "expected one of: vip_loan", "G-1"),
    "no rate": (written().replace('"USDT"', '"XRP"'), "no flexible rate for XRP", "G-1"),
    "repeated key": (written().replace('{"id"', '{"id": "G-0", "id"', 1), "key 'id' appears twice", "G-1"),
    "repeated deep": (written().replace('"BTC"', '"BTC": "1", "BTC"'), "key 'BTC' appears twice", "G-1"),
    "repeated, escaped": (written().replace('"BTC"', r'"B\u0054C": "1", "BTC"'), "key 'BTC' appears twice", "G-1"),
    "too long": (written(labels={"note": "x" * (1 << 20)}), "longer than 1 MB", None),
    "a thousand problems": (written(**{f"key{n}": 1 for n in range(1000)}), "unknown key", "G-1"),
    "id is a number": (written().replace('"G-1"', "7"), "id: found 7", None),
}


@pytest.mark.parametrize("case", BAD)
async def test_a_bad_line_is_refused_by_place_and_the_rest_applies(book: Book, case: str) -> None:
    bad, problem, group = BAD[case]
    book.write(written("G-0"), "# a comment counts as a line", bad, written("G-2"))
    first = await book.start()
    assert list(puts(first)) == ["G-0", "G-2"]
    (notice,) = [e for e in first if isinstance(e, Noticed)]
    assert notice.subject == f"{book.path}:3"
    assert problem in notice.facts["problem"]
    assert notice.facts.get("group") == group
    assert notice.fingerprint
    assert len(notice.facts["problem"]) <= 2000
    await book.quiet()


async def test_a_line_that_is_not_utf8_is_refused(book: Book) -> None:
    book.path.write_bytes(written("G-0").encode() + b'\n{"id":"G-\xff"}\n' + written("G-2").encode())
    first = await book.start()
    assert list(puts(first)) == ["G-0", "G-2"]
    assert said(first) == [("demo.jsonl:2", "the line is not UTF-8: byte 10 is 0xff")]


async def test_colons_and_quotes_inside_texts_are_not_taken_for_keys(book: Book) -> None:
    book.write(written(labels={'a "b": "c"': '{"x": 1, "x": 2}', "\\": '\\": "', "": ":"}))
    first = await book.start()
    assert said(first) == []
    assert list(puts(first)) == ["G-1"]


async def test_a_changed_line_that_is_bad_keeps_the_last_good_holdings(book: Book) -> None:
    book.write(written("G-1"), written("G-2"))
    await book.start(close_missing=True)
    book.write(written("G-1", "-1"), written("G-2"))
    batch = await book.next()
    assert [name for name, _ in said(batch)] == ["demo.jsonl:1"]
    assert len(batch) == 1
    book.write(written("G-1"), written("G-2"))
    assert cleared(batch := await book.next()) == ["demo.jsonl:1"]
    assert len(batch) == 1, "the good line is what was in force all the time"


async def test_a_mended_line_is_applied_and_the_refusal_is_over(book: Book) -> None:
    book.write(written("G-1"), "{")
    await book.start()
    book.write(written("G-1"), written("G-2"))
    batch = await book.next()
    assert list(puts(batch)) == ["G-2"]
    assert cleared(batch) == ["demo.jsonl:2"]
    assert said(batch) == []


async def test_a_refusal_is_said_once_and_another_one_at_its_place_anew(book: Book) -> None:
    book.write("{", written("G-1"))
    (first,) = [e for e in await book.start() if isinstance(e, Noticed)]
    book.write("{", written("G-1", "2"))
    assert puts(await book.next()) == {"G-1": "2"}
    await book.quiet()
    book.write("[", written("G-1", "2"))
    (second,) = await book.next()
    assert isinstance(second, Noticed)
    assert second.subject == first.subject
    assert not second.clears
    assert second.fingerprint != first.fingerprint


async def test_the_first_line_of_an_id_has_it_and_the_later_one_is_refused(book: Book) -> None:
    book.write(written("G-1", "1"), written("G-2"), written("G-1", "3"))
    first = await book.start()
    assert puts(first) == {"G-1": "1", "G-2": "12.5"}
    assert said(first) == [("demo.jsonl:3", "group G-1 is at line 1 already; one line a group")]
    book.write("# gone", written("G-2"), written("G-1", "3"))
    batch = await book.next()
    assert puts(batch) == {"G-1": "3"}
    assert cleared(batch) == ["demo.jsonl:3"]


async def test_the_same_line_twice_is_refused_once(book: Book) -> None:
    book.write(written("G-1"), written("G-1"))
    first = await book.start()
    assert len(puts(first)) == 1
    assert [name for name, _ in said(first)] == ["demo.jsonl:2"]


async def test_a_bad_line_holds_its_id_against_a_later_good_one(book: Book) -> None:
    book.write(written("G-1", "-1"), written("G-1", "3"))
    first = await book.start()
    assert puts(first) == {}
    assert [name for name, _ in said(first)] == ["demo.jsonl:1", "demo.jsonl:2"]


# Files that are half there


async def test_a_half_written_file_loses_and_refuses_nothing(book: Book) -> None:
    whole = "".join(f"{written(f'G-{n}')}\n" for n in range(50))
    book.path.write_text(whole)
    await book.start(close_missing=True, settle_s=0.5, close_after_s=0.5)
    with book.path.open("w") as f:
        f.write(whole[: len(whole) // 2])
        f.flush()
        await asyncio.sleep(0.25)
        f.write(whole[len(whole) // 2 :] + written("G-new") + "\n")
    assert list(puts(await book.next())) == ["G-new"]
    await book.quiet(1.2)


async def test_good_lines_of_a_file_that_is_never_finished_are_applied(book: Book) -> None:
    book.write(written("G-1"))
    await book.start()
    book.path.write_text(f"{written('G-1', '2')}\n{written('G-2')[:40]}")
    assert puts(await book.next()) == {"G-1": "2"}
    batch = await book.next()
    assert [name for name, _ in said(batch)] == ["demo.jsonl:2"]


async def test_a_refusal_in_a_file_that_never_rests_is_said_nevertheless(book: Book) -> None:
    book.write(written("G-1"))
    await book.start()
    n, refusals = 0, list[tuple[str, str]]()
    while not refusals:
        n += 1
        assert n < 300
        book.write("{", written("G-1", str(n)))
        await asyncio.sleep(0.02)
        refusals = [s for batch in book.batches for s in said(batch)]
    assert refusals[0][0] == "demo.jsonl:1"


async def test_a_file_that_vanishes_for_a_moment_changes_nothing(book: Book) -> None:
    book.write(written("G-1"))
    await book.start(close_missing=True, settle_s=0.5)
    away = book.path.rename(book.path.with_suffix(".away"))
    await asyncio.sleep(0.25)
    away.rename(book.path)
    await book.quiet(1.2)


async def test_a_file_that_stays_away_is_said_once_and_its_book_kept(book: Book) -> None:
    book.write(written("G-1"), "{")
    await book.start(close_missing=True)
    away = book.path.rename(book.path.with_suffix(".away"))
    batch = await book.next()
    (notice,) = batch
    assert isinstance(notice, Noticed)
    assert notice.subject == str(book.path)
    assert "No such file" in notice.facts["problem"]
    await book.quiet()
    away.rename(book.path)
    batch = await book.next()
    assert cleared(batch) == ["demo.jsonl"]
    assert len(batch) == 1, "neither the groups nor the refused line are news"


async def test_a_folder_that_comes_back_unchanged_is_good_again(tmp_path: Path) -> None:
    """As after a network file system was away: not even a time of the file differs."""
    folder = tmp_path / "mounted"
    folder.mkdir()
    book = Book(folder / "demo.jsonl")
    book.write(written("G-1"))
    await book.start()
    await book.until(lambda: book.source._is_settled)
    away = folder.rename(tmp_path / "away")
    assert [name for name, _ in said(await book.next())] == ["demo.jsonl"]
    away.rename(folder)
    assert cleared(await book.next()) == ["demo.jsonl"]
    await book.stop()


@pytest.mark.parametrize("content", ["", "\n \n"])
async def test_an_emptied_file_closes_nothing(book: Book, content: str) -> None:
    book.write(written("G-1"))
    await book.start(close_missing=True)
    book.path.write_text(content)
    batch = await book.next()
    assert said(batch) == [("demo.jsonl", "the file is empty; the last good book stays in force")]
    await book.quiet()
    book.write(written("G-1"))
    assert cleared(await book.next()) == ["demo.jsonl"]


async def test_a_new_empty_file_is_an_empty_book(book: Book) -> None:
    book.path.touch()
    assert await book.start() == []
    book.write(written("G-1"))
    assert list(puts(await book.next())) == ["G-1"]


@pytest.mark.parametrize("watch", [True, False])
async def test_a_file_that_is_missing_at_the_start_is_said_and_read_when_it_comes(tmp_path: Path, watch: bool) -> None:
    book = Book(tmp_path / "later" / "demo.jsonl")
    assert [name for name, _ in said(await book.start(watch=watch))] == ["demo.jsonl"]
    book.path.parent.mkdir()
    book.write(written("G-1"))
    batch = await book.next()
    assert list(puts(batch)) == ["G-1"]
    assert cleared(batch) == ["demo.jsonl"]
    await (book.stop() if watch else book.ended())


async def test_what_is_no_regular_file_is_refused_and_not_waited_for(book: Book) -> None:
    os.mkfifo(book.path)
    ((name, problem),) = said(await book.start())
    assert (name, "not a regular file" in problem) == ("demo.jsonl", True)


# Groups that vanish


async def test_a_vanished_line_closes_its_group_only_with_close_missing(book: Book) -> None:
    book.write(written("G-1"), written("G-2"))
    await book.start(close_missing=False)
    book.write(written("G-1"))
    await book.quiet()
    book.write(written("G-1"), written("G-2"))
    assert list(puts(await book.next())) == ["G-2"], "core decides whether that is news"


async def test_a_vanished_line_closes_its_group_once_the_file_has_been_at_rest(book: Book) -> None:
    book.write(written("G-1"), written("G-2"), written("G-3"))
    await book.start(close_missing=True)
    before = time.perf_counter()
    book.write(written("G-1", "2"))
    assert puts(await book.next()) == {"G-1": "2"}
    batch = await book.next()
    assert closed(batch) == ["G-2", "G-3"]
    assert {e.source for e in batch if isinstance(e, GroupClosed)} == {"file:demo"}
    assert time.perf_counter() - before >= 0.4
    await book.quiet()
    book.write(written("G-1", "2"), written("G-2"))
    assert list(puts(await book.next())) == ["G-2"]


async def test_a_line_that_comes_back_in_time_closes_nothing(book: Book) -> None:
    book.write(written("G-1"), written("G-2"))
    await book.start(close_missing=True, close_after_s=0.8)
    book.write(written("G-1"))
    await asyncio.sleep(0.4)
    book.write(written("G-1"), written("G-2"))
    await book.quiet(1.2)


async def test_nothing_is_closed_while_a_line_is_refused_that_could_be_any_group(book: Book) -> None:
    book.write(written("G-1"), written("G-2"), written("G-3"))
    await book.start(close_missing=True)
    book.write(written("G-1"), "{ broken")
    assert [name for name, _ in said(await book.next())] == ["demo.jsonl:2"]
    await book.quiet()
    book.write(written("G-1"), written("G-2", "-1"))
    batches = [await book.next() for _ in range(2)]
    assert [s for b in batches for s, _ in said(b)] == ["demo.jsonl:2"]
    assert [c for b in batches for c in closed(b)] == ["G-3"], "the refused line names G-2, which is kept"


async def test_a_file_of_comments_is_meant_to_be_empty(book: Book) -> None:
    book.write(written("G-1"))
    await book.start(close_missing=True)
    book.write("# all loans are repaid")
    assert closed(await book.next()) == ["G-1"]


@pytest.mark.parametrize("watch", [True, False])
async def test_what_vanished_or_was_mended_while_the_daemon_was_down_is_noticed(book: Book, watch: bool) -> None:
    book.write(written("G-1"), written("G-2"))
    held, refused = ("G-1", "G-9"), (f"{book.path}:2", str(book.path))
    first = await book.start(close_missing=True, watch=watch, held=held, refused=refused)
    assert list(puts(first)) == ["G-1", "G-2"]
    assert set(cleared(first)) == {"demo.jsonl:2", "demo.jsonl"}
    assert closed(await book.next()) == ["G-9"]
    if not watch:
        await book.ended()


# Ending


async def test_a_stopped_source_leaves_no_task_behind(book: Book) -> None:
    before = asyncio.all_tasks()
    book.write(written("G-1"))
    await book.start()
    await book.stop()
    await asyncio.sleep(0)
    assert asyncio.all_tasks() == before


async def test_a_group_is_taken_without_what_of_its_line_cannot_be_used(book: Book) -> None:
    """A bad contact, and labels beyond the bounds: said once with the place, and over when the line is mended."""
    book.reader = PlainReader(lambda: PRODUCTS, contacts=contacts.problems)
    many = {f"k{i}": "v" for i in range(40)}
    book.write(written("G-1", contacts={"email": ["cfo@acme,example"]}), written("G-2", labels=many), written("G-3"))
    first = await book.start()
    taken = {e.group.id: e.group for e in first if isinstance(e, GroupPut)}
    assert list(taken) == ["G-1", "G-2", "G-3"]
    assert len(taken["G-2"].labels) == 32
    told = {e.subject: e for e in first if isinstance(e, Noticed)}
    contact, labels = told[f"{book.path}:1"], told[f"{book.path}:2"]
    assert contact.kind == labels.kind == "book.left_out"
    assert (contact.facts["group"], contact.facts["reason"]) == ("G-1", "contacts")
    assert contact.facts["problem"].startswith("contacts.email[0]: found 'cfo@acme,example'")
    assert "found 40 labels, expected at most 32" in labels.facts["problem"]
    assert labels.facts["reason"] == "labels"
    await asyncio.sleep(0.5)
    assert not [e for batch in book.batches for e in batch if isinstance(e, Noticed)], "said once"
    book.batches.clear()
    book.replace(written("G-1", contacts={"email": ["cfo@acme.example"]}), written("G-2", labels=many), written("G-3"))
    await book.until(lambda: [e for batch in book.batches for e in batch if isinstance(e, Noticed)])
    ended = [e for batch in book.batches for e in batch if isinstance(e, Noticed)]
    assert [(e.subject, e.clears) for e in ended] == [(f"{book.path}:1", True)]


async def test_dates_that_cannot_be_are_named_until_they_are_mended(book: Book) -> None:
    book.reader = PlainReader(lambda: PRODUCTS, is_live=True)
    right = written("G-1")
    wrong = json.loads(right)
    wrong["loans"][0]["opened_at"] = "2099-01-01T00:00:00Z"
    book.write(json.dumps(wrong))
    (told,) = [e for e in await book.start() if isinstance(e, Noticed)]
    assert (told.kind, told.facts["reason"], told.facts["group"]) == ("book.left_out", "dates", "G-1")
    assert told.facts["problem"].startswith("loans[0].opened_at: found 2099-01-01")
    book.batches.clear()
    book.replace(right)
    await book.until(lambda: [e for batch in book.batches for e in batch if isinstance(e, Noticed)])
    (ended,) = [e for batch in book.batches for e in batch if isinstance(e, Noticed)]
    assert (ended.subject, ended.clears) == (told.subject, True)


async def test_a_restart_does_not_say_again_what_is_left_out(book: Book) -> None:
    book.reader = PlainReader(lambda: PRODUCTS, contacts=contacts.problems)
    book.write(written("G-1", contacts={"email": ["cfo@acme,example"]}))
    first = await book.start()
    (told,) = [e for e in first if isinstance(e, Noticed)]
    again = file.FileBook(
        "file:demo", book.source.config, book.reader, SystemClock(), KeptBook(left_out=(told.subject,)), Waits()
    )
    batch = await anext(again.batches())
    # The core drops what it said last; the source need only know that something stands there, to clear it one day.
    assert {(e.kind, e.fingerprint) for e in batch if isinstance(e, Noticed)} == {(told.kind, told.fingerprint)}


async def test_the_time_of_the_book_is_that_of_the_files_last_change(book: Book) -> None:
    book.write(written())
    os.utime(book.path, (1_700_000_000, 1_700_000_000))
    await book.start()
    assert book.times == [datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC)]
    os.utime(book.path, (1_700_000_060, 1_700_000_060))  # a job has written the same again
    await book.until(lambda: len(book.times) == 2)
    assert book.times[1] == datetime(2023, 11, 14, 22, 14, 20, tzinfo=UTC)
    await book.quiet()
    assert len(book.times) == 2
