"""The daemon's own output: written by a thread of its own, bounded, and told of when nobody read it."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator

import pytest

from monitor import terminal
from monitor.terminal import MOST_LINES, Stream, Writer

Pipe = tuple[int, int]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    """A small pipe: its reading and its writing end."""
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)
    yield read, write
    os.close(read)
    os.close(write)


def _all(read: int) -> bytes:
    os.set_blocking(read, False)
    found = b""
    while True:
        try:
            found += os.read(read, 65536)
        except BlockingIOError:
            return found


def test_lines_come_in_their_order(pipe: Pipe) -> None:
    writer = Writer(pipe[1])
    for n in range(50):
        writer.line(f"{n}\n")
    assert writer.drain(5)
    assert _all(pipe[0]) == b"".join(b"%d\n" % n for n in range(50))


def test_a_reader_who_stands_still_costs_lines_and_hears_how_many(pipe: Pipe) -> None:
    told: list[int] = []
    writer = Writer(pipe[1], lambda _, dropped: told.append(dropped))
    long = "x" * 4096 + "\n"
    for _ in range(MOST_LINES + 40):
        writer.line(long)
    assert not writer.drain(0.05)
    assert 38 <= writer.dropped <= 40  # one or two lines were with the thread
    while not writer.drain(0.01):
        _all(pipe[0])
    assert sum(told) == writer.dropped


def test_a_delivery_is_never_dropped(pipe: Pipe) -> None:
    writer = Writer(pipe[1])
    for _ in range(MOST_LINES + 40):
        writer.line("x" * 4096 + "\n")
    written = writer.deliver("the notice\n")
    assert not written.done()
    found = b""
    while not writer.drain(0.01):
        found += _all(pipe[0])
    assert written.result(0) is None
    assert (found + _all(pipe[0])).endswith(b"the notice\n")


def test_a_delivery_that_was_taken_back_is_not_written(pipe: Pipe) -> None:
    writer = Writer(pipe[1])
    writer.line("x" * 8192 + "\n")
    written = writer.deliver("the notice\n")
    assert written.cancel()
    while not writer.drain(0.01):
        assert b"notice" not in _all(pipe[0])
    assert b"notice" not in _all(pipe[0])


def test_a_delivery_to_a_closed_pipe_fails(pipe: Pipe) -> None:
    read, write = os.pipe()
    os.close(read)
    try:
        with pytest.raises(BrokenPipeError):
            Writer(write).deliver("the notice\n").result(5)
    finally:
        os.close(write)


def test_a_pipe_that_does_not_block_loses_nothing(pipe: Pipe) -> None:
    os.set_blocking(pipe[1], False)
    writer = Writer(pipe[1])
    writer.line("x" * 10_000 + "\n")
    found = b""
    while not writer.drain(0.01):
        found += _all(pipe[0])
    assert len(found + _all(pipe[0])) == 10_001


def test_a_stream_hands_over_whole_lines(pipe: Pipe) -> None:
    writer = Writer(pipe[1])
    stream = Stream(writer, pipe[1])
    print("one", "two", file=stream)
    stream.write("three\nfo")
    assert writer.drain(5)
    assert _all(pipe[0]) == b"one two\nthree\n"
    stream.flush()
    assert writer.drain(5)
    assert _all(pipe[0]) == b"fo"


def test_all_who_write_to_a_descriptor_share_one_writer() -> None:
    assert terminal.writer(2) is terminal.writer(2)
