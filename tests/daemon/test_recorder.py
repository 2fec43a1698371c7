"""The recorder writes off the hot path, compresses and deletes old files, and says what is missing (decision 52)."""

from __future__ import annotations

import asyncio
import errno
import gzip
import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from monitor.clock import SystemClock
from monitor.core.events.events import GroupPut, Noticed, TimePassed
from monitor.daemon import event_log, recorder
from monitor.daemon.event_log import RecordGap, Start, Torn
from monitor.daemon.recorder import FILE_S, PATIENCE_S, PAUSE_S, Recorder
from monitor.replay import run as replay
from monitor.replay.export import tape_of
from tests.coin_desk import START, clock, line
from tests.core.desk import Desk, group, plainly
from tests.daemon.test_event_log import prices
from tests.feeds.venue import until

KEEP, MOST = timedelta(days=7), 1 << 31


@contextmanager
def recording(folder: Path, desk: Desk, keep: timedelta = KEEP, most: int = MOST) -> Iterator[Recorder]:
    log = Recorder(folder, keep, most)
    log.start(Start(desk.monitor.rules, desk.monitor.memory, clock("00:00")), 0)
    yield log
    log.close()


def events(path: Path) -> list[Any]:
    return [type(each).__name__ if not isinstance(each, RecordGap) else each for each in event_log.read(path)]


def whole(path: Path) -> bytes:
    """What a file holds, compressed or not."""
    return gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()


def folded(path: Path) -> tuple[list[Any], list[str]]:
    """The alerts of a record, and what is missing from it."""
    lost: list[str] = []
    steps = replay.recorded(path, lambda _: None, lost.append)
    return list(plainly(x.alert for _, some in steps for x in some)), lost


def next_file(log: Recorder, desk: Desk, at: str) -> None:
    log.start(Start(desk.monitor.rules, desk.monitor.memory, clock(at)), 100)


def handled(log: Recorder, desk: Desk, *given: Any) -> None:
    for each in given:
        log.append(each)
        desk.handle(each)


async def test_a_closed_file_is_compressed_and_the_folder_folds_to_the_same_alerts(tmp_path: Path) -> None:
    desk = Desk()
    with recording(tmp_path, desk) as log:
        handled(log, desk, GroupPut(START, group(line()), "book"), prices("00:01", "0.8"))
        next_file(log, desk, "01:00")
        handled(log, desk, prices("01:00", "0.92"))
        await until(lambda: len(list(tmp_path.glob("*.jsonl.gz"))) == 1, "the closed file is compressed")
        await until(lambda: len(list(tmp_path.glob("*.jsonl"))) == 1, "only the open file is plain")
    first, second = event_log.files(tmp_path)
    assert (first.suffix, second.suffix) == (".gz", ".jsonl")
    assert len(desk.alerts) == 2
    assert folded(tmp_path) == (list(plainly(desk.alerts)), [])


async def test_what_a_killed_recorder_left_is_compressed_by_the_next(tmp_path: Path) -> None:
    desk = Desk()
    left, half = (tmp_path / f"events-20250101T00000000000{n}.jsonl" for n in (0, 1))
    with recording(tmp_path / "other", desk) as log:
        log.append(prices("00:01", "0.8"))
    (path,) = event_log.files(tmp_path / "other")
    left.write_bytes(path.read_bytes()[:-9])
    half.with_name(f"{half.name}.gz.part").write_bytes(b"half")
    with recording(tmp_path, desk):
        await until(
            lambda: not left.exists() and not list(tmp_path.glob("*.part")), "it is compressed, and the half gone"
        )
    assert events(left.with_name(f"{left.name}.gz")) == ["Start"], "the torn line is no record"


def test_a_cut_file_is_one_sentence(tmp_path: Path) -> None:
    desk = Desk()
    with recording(tmp_path, desk) as log:
        for minute in range(60):
            log.append(prices(f"00:{minute:02}", "0.5"))
    (path,) = event_log.files(tmp_path)
    cut = tmp_path / "CUT.JSONL.GZ"
    cut.write_bytes(gzip.compress(path.read_bytes())[:-20])
    with pytest.raises(Torn, match=r"CUT.JSONL.GZ:\d+: the file is cut or damaged after \d+ records"):
        list(event_log.read(cut))


def full_disk(log: Recorder, monkeypatch: pytest.MonkeyPatch, half: bool = True) -> None:
    """The next write takes half of its bytes, and fails."""
    whole = log._put

    def fail(data: bytes) -> None:
        monkeypatch.setattr(log, "_put", whole)
        assert log._file is not None
        if half:
            log._file.write(data[: len(data) // 2])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(log, "_put", fail)


def test_what_a_full_disk_did_not_take_is_a_gap_that_states_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    desk = Desk()
    with recording(tmp_path, desk) as log:
        handled(log, desk, GroupPut(START, group(line()), "book"), prices("00:01", "0.8"))
        log.flush()
        full_disk(log, monkeypatch)
        handled(log, desk, prices("00:02", "0.7"))
        log.flush()
        handled(log, desk, prices("00:03", "0.7"), prices("00:04", "0.6"))
        assert (log.lost, log.failures, log.reason) == (3, 1, "event log: No space left on device")
        assert not log.wants_start(PAUSE_S - 1)
        assert log.wants_start(PAUSE_S)
        next_file(log, desk, "01:00")
        handled(log, desk, prices("01:00", "0.92"))
    first, second = event_log.files(tmp_path)
    gap = RecordGap(clock("00:02"), clock("00:04"), 3, "No space left on device")
    assert events(first) == ["Start", "GroupPut", "MarkPrices"]
    assert whole(first).endswith(b"}\n"), "half of a record is cut off again"
    assert events(second) == ["Start", gap, "MarkPrices"]
    alerts, lost = folded(tmp_path)
    assert lost == [f"{second}: {gap}"]
    assert str(gap).startswith("gap of 3 events from 2026-01-05T00:02:00.000Z to 2026-01-05T00:04:00.000Z")
    told = list(plainly(desk.alerts))
    assert len(told) == 3
    assert alerts == [told[0], told[2]], "the alert of the missing events is the one that is missing"


def test_an_event_without_a_form_in_the_record_is_a_gap_and_the_recorder_goes_on(tmp_path: Path) -> None:
    desk = Desk()
    with recording(tmp_path, desk) as log:
        log.flush()
        log.append(Noticed(clock("00:02"), "book.refused", "x", {"problem": object()}))
        assert log.flush()
        assert log.lost == 1
        next_file(log, desk, "01:00")
        log.append(TimePassed(clock("01:00")))
    _, second = event_log.files(tmp_path)
    start, gap, last = event_log.read(second)
    assert isinstance(gap, RecordGap)
    assert (gap.at, gap.events, last) == (clock("00:02"), 1, TimePassed(clock("01:00")))


def test_a_start_that_fails_keeps_its_gap_for_the_next(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    desk = Desk()
    with recording(tmp_path, desk) as log:
        log.flush()
        full_disk(log, monkeypatch)
        log.append(prices("00:01", "0.8"))
        log.flush()
        full_disk(log, monkeypatch)
        next_file(log, desk, "00:02")
        log.append(prices("00:02", "0.8"))
        log.flush()
        next_file(log, desk, "00:03")
    first, second = event_log.files(tmp_path)
    assert events(first) == ["Start"]
    assert events(second) == ["Start", RecordGap(clock("00:01"), clock("00:02"), 2, "No space left on device")]


class StuckDisk:
    """A disk that takes nothing until it is told to."""

    def __init__(self, log: Recorder, monkeypatch: pytest.MonkeyPatch) -> None:
        self.goes_on = threading.Event()
        self.is_stuck = threading.Event()
        put = log._put

        def wait(data: bytes) -> None:
            self.is_stuck.set()
            assert self.goes_on.wait(10)
            put(data)

        monkeypatch.setattr(log, "_put", wait)


def test_beyond_its_limit_a_slow_disk_makes_a_gap_and_no_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(recorder, "WAITING_PRICES", 10)
    desk = Desk()
    with recording(tmp_path, desk) as log:
        log.flush()
        disk = StuckDisk(log, monkeypatch)
        for second in range(40):
            log.append(prices(f"00:00:{second:02}", "0.5"))
        assert log.lost == 35
        assert log.reason == "event log: the disk is too slow"
        assert not log.wants_start(PAUSE_S), "what waits stands before a new file"
        disk.goes_on.set()
        log.flush()
        assert log.wants_start(PAUSE_S)
    (path,) = event_log.files(tmp_path)
    gap = RecordGap(clock("00:00:05"), clock("00:00:39"), 35, "the disk is too slow")
    assert events(path) == ["Start", *["MarkPrices"] * 5, gap], "the last file says itself what is missing at its end"
    assert folded(tmp_path)[1] == [f"{path}: {gap}"]


async def test_a_commit_waits_for_its_record_but_only_once_for_a_disk_that_is_stuck(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = SystemClock().monotonic_s
    with recording(tmp_path, Desk()) as log:
        log.append(TimePassed(START))
        await log.settled()
        (path,) = event_log.files(tmp_path)
        assert events(path) == ["Start", "TimePassed"]
        disk = StuckDisk(log, monkeypatch)
        log.append(TimePassed(START))
        began_s = now_s()
        await log.settled()
        assert now_s() - began_s >= PATIENCE_S
        began_s = now_s()
        for _ in range(10):
            log.append(TimePassed(START))
            await log.settled()
        assert now_s() - began_s < PATIENCE_S
        disk.goes_on.set()
        log.flush()
        await log.settled()
        assert len(events(path)) == 13


async def test_old_files_go_by_age_and_the_oldest_by_size(tmp_path: Path) -> None:
    desk = Desk()
    old, large, recent = (tmp_path / f"events-20260101T00000000000{n}.jsonl.gz" for n in range(3))
    for path, size in ((old, 10), (large, 9_000), (recent, 10)):
        path.write_bytes(b"x" * size)
    now_s = recent.stat().st_mtime
    os.utime(old, (now_s, now_s - 86400 * 8))
    with recording(tmp_path, desk):
        await until(lambda: not old.exists(), "the file of eight days ago is deleted")
        assert large.exists()
    small = (tmp_path / "other").resolve()
    small.mkdir()
    for path in (large, recent):
        path.rename(small / path.name)
    with recording(small, desk, most=8_000):
        await until(lambda: not (small / large.name).exists(), "the oldest is deleted while all are too large")
        await asyncio.sleep(0.05)
        assert (small / recent.name).exists()


def test_a_new_file_begins_each_day(tmp_path: Path) -> None:
    with recording(tmp_path, Desk()) as log:
        assert not log.wants_start(FILE_S - 1)
        assert log.wants_start(FILE_S)


def test_events_that_a_kill_kept_from_the_store_are_not_told_twice(tmp_path: Path) -> None:
    """The record is ahead of the commit. After a kill the daemon goes on from its store, and raises the alert again."""
    desk = Desk()
    with recording(tmp_path, desk) as log:
        handled(log, desk, GroupPut(START, group(line()), "book"), prices("00:01", "0.5"))
        committed = desk.monitor.memory
        handled(log, desk, prices("00:02", "0.8"))  # killed before the commit
    assert [a.type for a in desk.alerts] == ["loan_group.margin_call.opened"]
    with_start = Recorder(tmp_path, KEEP, MOST)
    with_start.start(Start(desk.monitor.rules, committed, clock("00:03"), awakened=True), 0)
    with_start.append(prices("00:04", "0.8"))
    with_start.close()
    alerts, lost = folded(tmp_path)
    assert lost == []
    assert [(a["type"], a["at"]) for a in alerts] == [("loan_group.margin_call.opened", clock("00:04"))]


def test_a_damaged_file_of_a_folder_is_named_and_the_next_goes_on(tmp_path: Path) -> None:
    desk = Desk()
    with recording(tmp_path, desk) as log:
        handled(log, desk, GroupPut(START, group(line()), "book"), prices("00:01", "0.5"))
        log.flush()
        next_file(log, desk, "01:00")
        handled(log, desk, prices("01:00", "0.8"))
    first, _ = event_log.files(tmp_path)
    plain = first if first.suffix == ".jsonl" else Path(str(first).removesuffix(".gz"))
    data = whole(first)
    first.unlink()
    plain.write_bytes(data.replace(b'{"event":"groupput"', b'{"event":"grouppuf"'))
    alerts, lost = folded(tmp_path)
    assert [a["type"] for a in alerts] == ["loan_group.margin_call.opened"]
    assert [":2: is not a record" in each for each in lost] == [True]


def test_a_folder_without_a_record_is_named(tmp_path: Path) -> None:
    with pytest.raises(Torn, match=r"holds no file of an event log"):
        folded(tmp_path)


def test_the_tape_of_a_record_has_the_prices_that_were_believed(tmp_path: Path) -> None:
    desk = Desk()
    with recording(tmp_path, desk) as log:
        for each in ("00:01 0.5", "00:02 0.5", "00:03 0.8"):
            at, price = each.split()
            handled(log, desk, prices(at, f"COIN={price},ETH=3000/USDT@two"))
        handled(log, desk, TimePassed(clock("05:00")))
    lost: list[str] = []
    rows = list(tape_of(tmp_path, lost.append))
    assert lost == []
    assert rows == [
        "at,asset,price,source",
        "2026-01-05T00:01:00Z,COIN,0.5,feed",
        "2026-01-05T00:01:00Z,ETH,3000,two",
        "2026-01-05T00:03:00Z,COIN,0.8,feed",
        "2026-01-05T05:00:00Z,COIN,0.8,feed",
        "2026-01-05T05:00:00Z,ETH,3000,two",
    ]


def test_a_file_that_has_just_begun_is_not_put_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that puts closed files away may look at any moment: also between the making of a file and its first line."""
    made = Path.open

    def slow(path: Path, mode: str = "r", *rest: Any, **more: Any) -> Any:
        file = made(path, mode, *rest, **more)
        if mode == "xb":
            log._shelf._is_asked.set()
            time.sleep(0.2)
        return file

    desk = Desk()
    with recording(tmp_path, desk) as log:
        handled(log, desk, GroupPut(START, group(line()), "book"))
        log.flush()
        monkeypatch.setattr(Path, "open", slow)
        next_file(log, desk, "01:00")
        handled(log, desk, prices("01:00", "0.5"))
        log.flush()
    assert [len(whole(path).splitlines()) for path in event_log.files(tmp_path)] == [2, 2]
