"""A process of its own packs a large book exactly as the daemon would, and the daemon goes on where it cannot."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
from collections.abc import Iterator
from contextlib import closing
from random import Random

import pytest

from monitor.books._lines import PAGE_LINES
from monitor.core.schema import Problem
from monitor.engine.columns.names import Names
from monitor.engine.ingest.pack_process import PackProcess
from monitor.engine.ingest.packer import PackedGroups, Packer
from monitor.engine.ingest.reader import BlockReader
from tests.engine.ingest.test_packer import AT, PRODUCTS, _loan
from tests.engine.lines import full_line, spoiled, torn, written

NAMES = Names()
_REFUSED = Problem("contacts", "no such address", "contact")


@pytest.fixture(scope="module")
def process() -> Iterator[PackProcess]:
    with closing(PackProcess(NAMES)) as process:
        _wait(process)
        yield process


def _wait(process: PackProcess) -> None:
    assert select.select([process._peer], [], [], 120)[0]
    assert process.is_ready()


def lines(rng: Random, count: int = 200) -> list[bytes]:
    """Good ones, broken ones, such as have line breaks within, and one of a loan that is to come."""
    found = []
    for k in range(count):
        one = full_line(rng, k)
        raw = written(rng, spoiled(rng, one) if rng.random() < 0.2 else one)
        found.append(torn(rng, raw) if rng.random() < 0.1 else raw)
    later = full_line(rng, count + 1) | {"loans": [_loan("USDT") | {"opened_at": "2026-02-20T10:00:00Z"}]}
    return [*found, json.dumps(full_line(rng, count), indent=1).encode(), json.dumps(later).encode()]


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("is_live", [False, True])
def test_it_packs_what_the_daemon_would_pack(process: PackProcess, seed: int, is_live: bool) -> None:
    raws = lines(Random(seed)) if seed else []
    theirs = process.pack(raws, AT, PRODUCTS, "book", is_live=is_live)
    names = Names()
    ours = Packer(names).pack(raws, AT, PRODUCTS, "book", is_live=is_live)
    assert isinstance(theirs.batch, PackedGroups)
    assert isinstance(ours.batch, PackedGroups)
    assert theirs.rest == ours.rest
    assert theirs.batch.lines() == ours.batch.lines()
    assert theirs.batch.sums == ours.batch.sums
    assert theirs.batch.products is PRODUCTS
    for i in range(len(ours.batch)):
        assert theirs.batch.block.record(i, NAMES) == ours.batch.block.record(i, names)


def test_other_rules_are_sent_with_the_next_page(process: PackProcess) -> None:
    raws = [json.dumps(full_line(Random(7), k)).encode() for k in range(5)]
    assert process.pack(raws, AT, PRODUCTS, "book", is_live=False).rest == []
    assert process.pack(raws, AT, {}, "book", is_live=False).rest == [0, 1, 2, 3, 4]
    assert process.pack(raws, AT, PRODUCTS, "book", is_live=False).rest == []


def reader() -> BlockReader:
    made = BlockReader(lambda: PRODUCTS, Names())
    made.large_pages = 1
    return made


def page(rng: Random, contacts: object = None) -> list[bytes]:
    more = {} if contacts is None else {"contacts": contacts}
    raw = json.dumps(full_line(rng) | {"labels": {}} | more).encode()
    return [raw] * (PAGE_LINES // 2)


def test_a_reader_begins_one_for_a_large_book_and_ends_it_with_the_reading() -> None:
    book = reader()
    book.pack(page(Random(1)), AT, "book")
    process = book.process
    assert process is not None
    book.progress(5, 10)
    assert book.process is process
    book.progress(10, 10)
    assert book.process is None
    with pytest.raises(ProcessLookupError):
        os.kill(process.pid, 0)


def test_a_small_book_needs_none() -> None:
    book = reader()
    book.large_pages = 2
    book.pack(page(Random(1)), AT, "book")
    for _ in range(5):
        book.pack(page(Random(1))[:10], AT, "book")
    assert book.process is None


def test_addresses_are_judged_by_the_daemon(process: PackProcess) -> None:
    """Only its notifiers know what they take: here one that takes none."""
    book = BlockReader(lambda: PRODUCTS, NAMES, contacts=lambda _: [_REFUSED])
    book.large_pages, book.process = 0, process
    raws = page(Random(1), {"email": ["a@b.example"]})[:3]
    assert book.pack(raws, AT, "book").rest == [0, 1, 2]


def test_where_it_is_killed_the_daemon_packs_the_page_and_begins_no_other() -> None:
    book = reader()
    book.pack(page(Random(1)), AT, "book")
    assert book.process is not None
    os.kill(book.process.pid, signal.SIGKILL)
    os.waitid(os.P_PID, book.process.pid, os.WEXITED | os.WNOWAIT)
    for _ in range(2):
        assert len(book.pack(page(Random(1))[:1], AT, "book").batch) == 1
    book.pack(page(Random(1)), AT, "book")
    assert book.process is None


def test_a_reader_has_pages_packed_by_it_and_begins_another_where_it_ended_by_itself(process: PackProcess) -> None:
    book = BlockReader(lambda: PRODUCTS, NAMES)
    book.large_pages = 0
    book.process = process
    raws = page(Random(1))[:5]
    found = book.pack(raws, AT, "book")
    assert isinstance(found.batch, PackedGroups)
    assert found.batch.products is PRODUCTS
    assert book._packer is None, "the daemon packed it"
    process._peer.shutdown(socket.SHUT_WR)  # nothing more is asked
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert book.pack(raws, AT, "book").rest == found.rest
    assert book._packer is not None
    book.pack(raws, AT, "book")
    assert book.process not in (None, process)
    book.end()
