"""The parts of the benchmark that need the whole monitor, at sizes that take a second."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from bench import deliveries, desk, path, plain_storm, reading, storm
from bench.book import book, market

GROUPS = 300


def test_the_path_is_timed_in_turns_with_a_sweep_and_its_parts_make_it_up(tmp_path: Path) -> None:
    some, lines = desk.of_one_product(book(GROUPS, market())), tmp_path / "book.jsonl"
    desk.write_lines(some, lines)
    found = path.run(some, lines, tmp_path, rounds=4, lateness_s=0.3, advance=lambda: None)
    assert {name: len(each) for name, each in found.seconds.items()} == dict.fromkeys(
        ["path", "parse", "handle", "commit", "sweep"], 4
    )
    s = found.seconds
    parts = [sum(each) for each in zip(s["parse"], s["handle"], s["commit"], strict=True)]
    assert s["path"] == pytest.approx(parts)
    assert len(found.changed) == 4
    assert found.lateness.sweeps >= 2
    assert len(found.midnights) == path.MIDNIGHTS - 1


def test_a_book_is_read_first_and_again() -> None:
    """The part itself asserts that the unchanged file is not read again."""
    found = reading.measure(desk.of_one_product(book(2_000, market())), rounds=1)
    assert min(found.first_s + found.decode_s) > 0


def test_a_loop_is_watched_in_storms() -> None:
    interval = sys.getswitchinterval()
    found = storm.late(market(), alerts=100, rounds=2)
    assert found.sweeps == 2
    assert sys.getswitchinterval() == interval


def test_a_file_of_lines_fills_a_monitor(tmp_path: Path) -> None:
    lines = tmp_path / "book.jsonl"
    desk.write_lines(desk.of_one_product(book(GROUPS, market())), lines)
    monitor = desk.new_monitor(market())
    desk.fill(monitor, lines)
    assert len(list(monitor.book.ids())) == GROUPS


def test_a_storm_is_committed_at_once_and_one_by_one(tmp_path: Path) -> None:
    found = storm.run(market(), alerts=60, rounds=2, folder=tmp_path, advance=lambda: None)
    assert {name: len(each) for name, each in found.seconds.items()} == {"storm": 2, "single": 2}
    assert found.handled >= 60 + storm.SINGLES
    assert sum(found.seconds["storm"]) < sum(found.seconds["single"])


def test_a_storm_by_column_is_measured_beside_one_by_one(tmp_path: Path) -> None:
    found = plain_storm.run(market(), alerts=120, rounds=1, folder=tmp_path, advance=lambda: None)
    assert found.light > 70
    assert set(found.results) == {
        "storm_core_us",
        "storm_commit_us",
        "storm_commit_over_insert",
        "storm_gain_over_before",
        "storm_figures_us",
    }
    assert all(value > 0 for value in found.results.values())


def test_a_storm_reaches_a_receiver_alone_and_in_batches() -> None:
    cores = os.sched_getaffinity(0)
    found = deliveries.measure(40)
    assert (found.alerts, found.ways["single"].posts) == (40, 40)
    assert found.ways["batched"].posts < 20
    assert min(found.render_us, *found.a_second.values(), *found.cpu_us.values()) > 0
    assert os.sched_getaffinity(0) == cores, "the core is given back"
