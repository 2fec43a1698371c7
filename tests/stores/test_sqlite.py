"""What the SQLite store promises beyond the contract: it survives kills, full disks, strangers and impatience."""

# ruff: noqa: ASYNC240, ASYNC221, ASYNC110  a test may wait for its own files and children

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import random
import signal
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest
import structlog

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.groups.watcher_states import WatcherStates
from monitor.core.instants import micros_of
from monitor.core.stages.stages import GroupState
from monitor.stores import _packed as packed
from monitor.stores import sqlite
from monitor.stores._base import (
    AlertFilter,
    Applied,
    Change,
    DeliveryFilter,
    HistoryFilter,
    StoredState,
    StoreRefused,
    StoreUnavailable,
)
from monitor.stores._rows import BY_ID, WHOLE
from monitor.stores.sqlite import file
from tests.stores import committer, folder
from tests.stores.examples import (
    AT,
    CURED,
    DESK,
    PHONE,
    TRIGGERED,
    alert,
    core_state,
    ended,
    full_alert,
    say,
    state,
    stored,
)

ROOT = Path(__file__).parents[2]


def built(path: Path) -> sqlite.SqliteStore:
    return sqlite.build(sqlite.Config(path=str(path)))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[sqlite.SqliteStore]:
    store = built(tmp_path / "monitor.db")
    await store.open()
    yield store
    await store.close()


def integrity(path: Path) -> str:
    with contextlib.closing(sqlite3.connect(path)) as db:
        return str(db.execute("PRAGMA integrity_check").fetchone()[0])


def started(module: str, path: Path, **env: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", module, str(path)],
        cwd=ROOT,
        env={**os.environ, **env},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )


def numbers(out: bytes) -> list[int]:
    """What the committer acknowledged; a log line may stand between."""
    return [int(line) for line in out.splitlines() if line.isdigit()]


# Kills


@pytest.mark.parametrize("point", ["before commit:7", "after commit:7", "during checkpoint", "during checkpoint:3"])
async def test_a_kill_at_a_crash_point_loses_and_halves_nothing(tmp_path: Path, point: str) -> None:
    path = tmp_path / "monitor.db"
    child = started("tests.stores.committer", path, MONITOR_CRASH_AT=point)
    out, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, err.decode()
    reopened = built(path)
    acknowledged = len(numbers(out))
    last = await committer.check(reopened, acknowledged)
    expected = {"before commit:7": 6, "after commit:7": 7, "during checkpoint": 5, "during checkpoint:3": 15}[point]
    assert last == expected
    assert acknowledged == (last - 1 if point.startswith("after") else last)
    await reopened.close()
    assert integrity(path) == "ok"


@pytest.mark.parametrize("nth", [1, 2, 6])
async def test_a_kill_between_a_block_and_its_rows_loses_and_doubles_no_group(tmp_path: Path, nth: int) -> None:
    path = tmp_path / "monitor.db"
    child = started("tests.stores.folder", path, MONITOR_CRASH_AT=f"between block and rows:{nth}")
    out, err = child.communicate(timeout=60)
    assert child.returncode == -signal.SIGKILL, err.decode()
    assert numbers(out) == list(range(1, nth))
    reopened = built(path)
    assert folder.number(await reopened.open()) == nth - 1
    folder.check(await reopened.open())
    await reopened.close()
    assert integrity(path) == "ok"


async def test_kills_at_random_moments_leave_every_group_in_one_place(tmp_path: Path) -> None:
    path, dice, acknowledged = tmp_path / "monitor.db", random.Random(20260107), 0
    for _ in range(6):
        child = started("tests.stores.folder", path)
        assert child.stdout is not None
        out = b""
        while not numbers(out):
            out += child.stdout.readline()
        await asyncio.sleep(dice.random() / 10)
        child.kill()
        acknowledged = numbers(out + child.communicate(timeout=60)[0])[-1]
        reopened = built(path)
        snapshot = await reopened.open()
        folder.check(snapshot)
        assert acknowledged <= folder.number(snapshot) <= acknowledged + 1
        await reopened.close()
        assert integrity(path) == "ok"
    assert acknowledged > 12, "the children were killed before they did anything worth killing"


async def test_kills_at_random_moments_lose_and_halve_nothing(tmp_path: Path) -> None:
    """Eight lives of one store, each killed within a tenth of a second of commits, attempts and checkpoints."""
    path, dice, acknowledged = tmp_path / "monitor.db", random.Random(20260105), 0
    for _ in range(8):
        child = started("tests.stores.committer", path)
        assert child.stdout is not None
        out = b""
        while not numbers(out):
            out += child.stdout.readline()
        await asyncio.sleep(dice.random() / 10)
        child.kill()
        acknowledged = numbers(out + child.communicate(timeout=60)[0])[-1]
        reopened = built(path)
        acknowledged = await committer.check(reopened, acknowledged)
        await reopened.close()
        assert integrity(path) == "ok"
    assert acknowledged > 16, "the children were killed before they did anything worth killing"


@pytest.mark.soak
@pytest.mark.timeout(900)
async def test_two_hundred_kills_also_while_opening_lose_and_halve_nothing(tmp_path: Path) -> None:
    """Ten stores with twenty lives each; a life may end before the file is made, while it is opened, or later."""
    dice = random.Random(20260106)
    for n in range(10):
        path, acknowledged = tmp_path / f"{n}.db", 0
        for _ in range(20):
            child = started("tests.stores.committer", path)
            await asyncio.sleep(0.15 + dice.random() * 0.25)
            child.kill()
            acknowledged = max([acknowledged, *numbers(child.communicate(timeout=60)[0])])
            reopened = built(path)
            acknowledged = await committer.check(reopened, acknowledged)
            await reopened.close()
            assert integrity(path) == "ok"


async def test_a_kill_while_the_store_is_made_leaves_none(tmp_path: Path) -> None:
    """What a kill before the rename leaves: a half-made file beside the place. The next start makes a whole one."""
    path = tmp_path / "monitor.db"
    Path(f"{path}.new").write_bytes(b"SQLite format 3\0 half a page")
    Path(f"{path}.new-journal").write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7 half a journal")
    store = built(path)
    await store.open()
    await store.commit(say(alert()))
    await store.close()
    assert integrity(path) == "ok"


async def test_a_process_that_forgets_to_close_ends_nevertheless(tmp_path: Path) -> None:
    script = (
        "import asyncio, sys; from monitor.stores import sqlite\n"
        "store = sqlite.build(sqlite.Config(path=sys.argv[1]))\n"
        "async def main():\n"
        "    await store.open()\n"
        "    raise SystemExit(3)\n"
        "asyncio.run(main())"
    )
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path / "m.db")], cwd=ROOT, timeout=30, check=False, capture_output=True
    )
    assert done.returncode == 3, done.stderr.decode()


# Full disks


def test_a_full_disk_is_said_and_survived_without_a_restart(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    child = started("tests.stores.fill_disk", path)
    out, err = child.communicate(timeout=60)
    assert child.returncode == 0, err.decode()
    facts = msgspec.json.decode(out.splitlines()[-1])  # log lines stand before
    assert facts["durable"] > 0
    assert facts["readable"] == facts["durable"] * 3, "half a commit is in the log"
    assert str(path) in facts["said"]
    assert facts["probe_failed"]
    assert facts["after"] == 3
    assert integrity(path) == "ok"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=2m", "none", folder], check=False, capture_output=True
    )
    if mounted.returncode:
        pytest.skip(f"a small disk needs the right to mount: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", folder], check=True)


async def test_no_space_left_on_a_real_disk(small_disk: Path) -> None:
    path, ballast = small_disk / "monitor.db", small_disk / "ballast"
    store = built(path)
    await store.open()
    await store.commit(say(alert()))
    await store.checkpoint()
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(4 << 20))
    with pytest.raises(StoreUnavailable, match=r"monitor\.db: database or disk is full"):
        await store.probe()
    with pytest.raises(StoreUnavailable):
        await store.commit(say(alert(sequence=2)))
    with pytest.raises(StoreUnavailable):
        await store.backup(small_disk / "copy.db")
    assert len(await store.alerts(AlertFilter())) == 1
    ballast.unlink()
    await store.probe()
    assert (await store.commit(say(alert(sequence=2)))).cursor == 2
    await store.close()
    assert integrity(path) == "ok"
    assert sorted(p.name for p in small_disk.iterdir()) == ["monitor.db", "monitor.db.lock"]


async def test_a_disk_that_is_full_at_the_start_is_unavailable_and_then_opens(small_disk: Path) -> None:
    ballast = small_disk / "ballast"
    with pytest.raises(OSError, match="No space left"):
        ballast.write_bytes(bytes(4 << 20))
    store = built(small_disk / "monitor.db")
    with pytest.raises(StoreUnavailable):
        await store.open()
    ballast.unlink()
    await store.open()
    await store.close()


# Strangers


async def test_a_second_opener_is_refused_and_told_who_holds_the_store(store: sqlite.SqliteStore) -> None:
    with pytest.raises(StoreRefused, match=f"in use by another monitor, process {os.getpid()}$"):
        await built(store.path).open()
    assert (await store.commit(say(alert()))).cursor == 1


async def test_another_process_is_refused_until_the_first_has_closed(store: sqlite.SqliteStore) -> None:
    child = started("tests.stores.committer", store.path)
    _out, err = child.communicate(timeout=60)
    assert child.returncode == 1
    assert f"process {os.getpid()}".encode() in err
    await store.close()
    child = started("tests.stores.committer", store.path)
    assert child.stdout is not None
    while not (said := child.stdout.readline()).isdigit() and said:
        if numbers(said):
            break
    assert numbers(said) == [1]
    child.kill()
    child.communicate()
    await store.open()


@pytest.mark.parametrize("header", ["text", "other application", "newer schema"])
async def test_what_is_not_our_store_is_refused_and_left_untouched(tmp_path: Path, header: str) -> None:
    path = tmp_path / "monitor.db"
    if header == "text":
        path.write_text("my only copy of something else\n" * 100)
    else:
        store = built(path)
        await store.open()
        await store.close()
        with contextlib.closing(sqlite3.connect(path)) as db:
            change = "application_id = 7" if header == "other application" else "user_version = 99"
            db.execute(f"PRAGMA {change}")
            db.execute("PRAGMA journal_mode = DELETE")
        Path(f"{path}.lock").unlink()
    before = path.read_bytes()
    said = (
        f"has schema 99, this monitor knows up to {len(file.MIGRATIONS)}"
        if header == "newer schema"
        else "is not a store of this monitor"
    )
    with pytest.raises(StoreRefused, match=said):
        await built(path).open()
    assert path.read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["monitor.db", "monitor.db.lock"]


async def test_a_newer_schema_that_is_still_in_the_log_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    store = built(path)
    await store.open()
    await store.close()
    copy = tmp_path / "copy.db"
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as db:
        db.execute("PRAGMA user_version = 99")
        copy.write_bytes(path.read_bytes())
        Path(f"{copy}-wal").write_bytes(Path(f"{path}-wal").read_bytes())
    with pytest.raises(StoreRefused, match="has schema 99"):
        await built(copy).open()


async def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="not a regular file"):
        await built(tmp_path).open()


async def test_a_log_whose_file_is_missing_is_not_applied_to_a_new_one(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    left = Path(f"{path}-wal")
    left.write_bytes(b"committed alerts")
    with pytest.raises(StoreRefused, match="restore the one or move the other"):
        await built(path).open()
    assert left.read_bytes() == b"committed alerts"
    assert not path.exists()


async def test_an_empty_file_becomes_a_store(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    path.touch()
    store = built(path)
    assert (await store.open()).cursor == 0
    await store.close()


async def test_commits_into_a_deleted_file_are_refused(store: sqlite.SqliteStore) -> None:
    """SQLite would go on writing into the file without a name, and every commit would succeed and be lost."""
    moved = store.path.with_suffix(".moved")
    store.path.rename(moved)
    with pytest.raises(StoreUnavailable, match="No such file"):
        await store.commit(say(alert()))
    store.path.write_bytes(moved.read_bytes())
    with pytest.raises(StoreUnavailable, match="was replaced"):
        await store.probe()
    moved.replace(store.path)
    assert (await store.commit(say(alert()))).cursor == 1


async def test_a_writer_from_outside_makes_it_unavailable_and_not_more(store: sqlite.SqliteStore) -> None:
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.commit(say(alert()))
        stranger.execute("ROLLBACK")
    assert (await store.commit(say(alert()))).cursor == 1


async def test_a_commit_that_breaks_in_its_middle_leaves_nothing_behind(store: sqlite.SqliteStore) -> None:
    broken = alert(sequence=2, facts={"not JSON": object()})
    with pytest.raises(TypeError):
        await store.commit(Change(AT, groups=(stored(),), alerts=((alert(), (DESK,)), (broken, (DESK,)))))
    assert (await store.open()).groups == ()
    assert (await store.commit(say(alert()))).cursor == 1


async def test_starts_and_ends_of_attempts_that_come_together_are_one_transaction(store: sqlite.SqliteStore) -> None:
    """One sync of the disk for all of them, and each caller has its own answer."""
    made = (await store.commit(say(*(alert(subject=f"G-{n}") for n in range(40))))).deliveries
    ids = [d.id for d in made]
    await store.start_attempts(ids[:20], AT)
    statements: list[str] = []
    await store._write(lambda db: db.set_trace_callback(statements.append))
    writes = [store.end_attempts([ended(id, "delivered")]) for id in ids[:20]]
    writes += [store.start_attempts([id, "dlv_1_nothing"], AT) for id in ids[20:]]
    found = await asyncio.gather(*writes)
    await store._write(lambda db: db.set_trace_callback(None))
    assert found == [None] * 20 + [[id] for id in ids[20:]]
    assert statements.count("COMMIT") <= 3, "one for the first, one for all that came meanwhile"
    pending = await store.deliveries(DeliveryFilter(state="pending", limit=100))
    assert {d.id for d in pending} == set(ids[20:])
    assert {d.attempts for d in pending} == {1}


async def test_of_writes_that_come_together_each_is_done_once_or_its_caller_is_told(store: sqlite.SqliteStore) -> None:
    """One that breaks takes the transaction with it. The others are written alone."""
    made = (await store.commit(say(*(alert(subject=f"G-{n}") for n in range(10))))).deliveries
    await store.start_attempts([d.id for d in made], AT)
    ends = [ended(d.id, "delivered") for d in made]
    ends[3] = msgspec.structs.replace(ends[3], detail=object())
    found = await asyncio.gather(*(store.end_attempts([end]) for end in ends), return_exceptions=True)
    assert isinstance(found[3], TypeError)
    assert found.count(None) >= 8, "only who made the transaction is told of the mistake as well"
    written = [int(answer is None) for answer in found]
    assert [len(await store.attempts(d.id)) for d in made] == written
    pending = {d.id for d in await store.deliveries(DeliveryFilter(state="pending"))}
    assert [int(d.id not in pending) for d in made] == written


async def test_a_write_that_was_refused_is_not_done_later(store: sqlite.SqliteStore) -> None:
    """The store is closed, or locked by a stranger: the caller was told, tries again, and counts once."""
    made = (await store.commit(say(alert()))).deliveries
    await store.close()
    with pytest.raises(StoreUnavailable, match="not open"):
        await store.start_attempts([made[0].id], AT)
    await store.open()
    assert await store.start_attempts([made[0].id], AT) == [made[0].id]
    with contextlib.closing(sqlite3.connect(store.path, isolation_level=None)) as stranger:
        stranger.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked"):
            await store.start_attempts([made[0].id], AT)
        stranger.execute("ROLLBACK")
    assert await store.start_attempts([made[0].id], AT) == [made[0].id]
    assert [d.attempts for d in await store.deliveries(DeliveryFilter())] == [2]


async def test_a_store_that_is_not_open_says_so(tmp_path: Path) -> None:
    store = built(tmp_path / "monitor.db")
    for work in (store.commit(Change(AT)), store.alerts(AlertFilter()), store.backup(tmp_path / "b.db")):
        with pytest.raises(StoreUnavailable, match="is not open"):
            await work
    await store.close()


async def test_a_mistake_in_our_own_sql_is_not_called_the_weather(store: sqlite.SqliteStore) -> None:
    with pytest.raises(sqlite3.OperationalError, match="no such table"):
        await store._write(lambda db: db.execute("SELECT * FROM nowhere"))


# Impatience


async def test_a_cancelled_commit_is_whole_and_leaves_no_transaction_open(store: sqlite.SqliteStore) -> None:
    size = 3000
    for n in range(6):
        said = say(*(alert(subject=f"G-{n}-{i}") for i in range(size)))
        task = asyncio.create_task(store.commit(said))
        await asyncio.sleep(0.005 * n)
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
    assert (await store.commit(Change(AT))).cursor % size == 0
    found = await store.alerts(AlertFilter(limit=10**6))
    assert len(found) == len(await store.open_deliveries())
    assert len(found) % size == 0
    assert len(found) > 0


async def test_ten_thousand_alerts_are_one_commit_while_the_loop_runs_on(store: sqlite.SqliteStore) -> None:
    """Counted, not timed: work on the loop itself would let it turn a handful of times."""
    said = say(
        *(msgspec.structs.replace(full_alert(), id=f"evt_{n}", subject=f"G-{n}") for n in range(10_000)),
        to=(DESK, PHONE),
    )
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0.001)
            turns += 1

    ticking = asyncio.create_task(tick())
    committed = await store.commit(said)
    ticking.cancel()
    assert len(committed.deliveries) == 20_000
    assert turns > 10, "the event loop waited for the store"


async def test_a_long_read_delays_neither_commit_nor_checkpoint(store: sqlite.SqliteStore) -> None:
    await store.commit(say(alert()))
    with contextlib.closing(file.connect_read_only(store.path)) as reader:
        reader.execute("BEGIN")
        assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (1,)
        async with asyncio.timeout(20):  # the reader reads on all the while: what waits for it waits for ever
            await store.commit(say(alert(sequence=2)))
            await store.checkpoint()
            await store.commit(say(alert(sequence=3)))
        assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (1,)


async def test_the_reader_never_checkpoints(store: sqlite.SqliteStore) -> None:
    """It reads a long log, is asked to checkpoint, and is closed: neither file changes by a byte."""
    for n in range(50):
        await store.commit(say(alert(sequence=n)))
    log = Path(f"{store.path}-wal")
    before = store.path.read_bytes(), log.read_bytes()
    reader = file.connect_read_only(store.path)
    assert reader.execute("SELECT count(*) FROM alerts").fetchone() == (50,)
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        reader.execute("DELETE FROM alerts")
    with contextlib.suppress(sqlite3.OperationalError):
        reader.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    reader.close()
    assert (store.path.read_bytes(), log.read_bytes()) == before


async def test_a_checkpoint_empties_the_log(store: sqlite.SqliteStore) -> None:
    await store.commit(say(alert()))
    log = Path(f"{store.path}-wal")
    assert log.stat().st_size > 0
    await store.checkpoint()
    assert log.stat().st_size == 0


async def test_a_backup_during_commits_is_one_consistent_moment(store: sqlite.SqliteStore, tmp_path: Path) -> None:
    """Each commit adds an alert, its delivery and the desk's time: a copy that mixes moments would disagree."""
    committed = 0

    async def commits() -> None:
        nonlocal committed
        while True:
            await store.commit(committer.change(committed + 1))
            committed += 1

    task = asyncio.create_task(commits())
    copies = []
    for n in range(4):
        while committed < 20 * (n + 1):
            await asyncio.sleep(0.001)
        copies.append((committed, tmp_path / f"copy-{n}.db"))
        await store.backup(copies[-1][1])
    after_last = committed
    task.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await task
    for at_least, copy in copies:
        assert integrity(copy) == "ok"
        assert not Path(f"{copy}-wal").exists()
        restored = built(copy)
        snapshot = await restored.open()
        assert at_least <= snapshot.cursor // committer.PARTS <= after_last
        await committer.check(restored, snapshot.cursor // committer.PARTS)
        await restored.close()


async def test_a_failed_backup_leaves_nothing(store: sqlite.SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(StoreUnavailable):
        await store.backup(tmp_path / "file" / "copy.db")
    assert not list(tmp_path.glob("*unfinished*"))


# Versions


async def test_pages_are_synced_and_logged_ahead(store: sqlite.SqliteStore) -> None:
    def pragma(name: str) -> object:
        return lambda db: db.execute(f"PRAGMA {name}").fetchone()[0]

    assert await store._write(pragma("journal_mode")) == "wal"
    assert await store._write(pragma("synchronous")) == 2
    assert await store._write(pragma("user_version")) == len(file.MIGRATIONS)


async def test_a_store_of_schema_1_goes_on_as_it_was(tmp_path: Path) -> None:
    """The rows are what the monitor of that schema wrote; it knew no blocks, and named deliveries in another way."""
    path = tmp_path / "monitor.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript(
            f"PRAGMA application_id = {file.APPLICATION_ID}; PRAGMA user_version = 1; {file.MIGRATIONS[0]}"
        )
        db.executescript((Path(__file__).parent / "schema_1.sql").read_text())
    store = built(path)
    snapshot = await store.open()
    known = msgspec.structs.replace(state("G-1"), neared=(), short=(), ack=None, ceilings=(), silence=None)
    assert snapshot == StoredState(
        msgspec.structs.replace(core_state(), watchers=WatcherStates(noticed=core_state().watchers.noticed)),
        (stored("G-1"), stored("G-2", 3)),
        (known, GroupState("Ö-3", episode=2, sequence=5)),
        3,
    )
    assert repr(await store.alert(full_alert().id)) == repr(LoggedAlert(1, full_alert()))
    assert [x.cursor for x in await store.alerts(AlertFilter())] == [1, 2]
    told, *waiting = await store.deliveries(DeliveryFilter())
    assert (told.id, told.state, told.attempts) == ("dlv_1_vftzamkx", "delivered", 1)
    assert [a.detail for a in await store.attempts(told.id)] == ["200"]
    assert [(d.id, d.to) for d in waiting] == [("dlv_1_vqr7ryzd", ()), ("dlv_2_p7orhmby", ("a@b", "c@d"))]
    assert await store.open_deliveries() == waiting
    assert await store.entry("G-1", "e-1") == Applied("G-1", "e-1", "digest", 2, AT)
    ((_, audit),) = await store.audits(0, 10)
    assert await store.audits(0, 10, audit.subject) == [(1, audit)]
    assert await store.audits(0, 10, "another") == []
    assert await store.history(HistoryFilter("G-1")) == []
    assert await store.points("G-1", 60, AT, AT + timedelta(days=1)) == []

    again = await store.commit(Change(AT, alerts=((full_alert(), (DESK,)), (alert(CURED, sequence=2), (DESK, PHONE)))))
    assert [x.cursor for x in again.alerts] == [4], "a cursor that was pruned is used again, or an alert is"
    assert [(d.cursor, d.notifier) for d in again.deliveries] == [(4, "desk")]
    assert again.cancelled == ("dlv_1_vqr7ryzd",)
    await store.close()
    assert integrity(path) == "ok"


async def test_a_desk_of_schema_5_is_read_as_what_each_watcher_remembers(tmp_path: Path) -> None:
    """Its body is what the monitor of that schema wrote: all notices in one dict."""
    path = tmp_path / "monitor.db"
    store = built(path)
    await store.open()
    await store.commit(Change(AT, desk=core_state()))
    await store.close()
    body = (Path(__file__).parent / "schema_5_desk.json").read_text()
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.execute("UPDATE desk SET body = CAST(? AS BLOB)", (body,))
        db.execute("ALTER TABLE deliveries DROP COLUMN gather")
        db.execute("ALTER TABLE deliveries DROP COLUMN debt_usd")
        db.execute("DROP TABLE switched")
        db.execute("ALTER TABLE ltv DROP COLUMN owner")
        db.execute("DROP TABLE owners")
        db.execute("DROP TABLE holders")
        db.execute("DROP TABLE keys")
        db.execute("DROP TABLE audit_marks")
        db.execute("DROP INDEX audits_unlinked")
        for column in ("digest", "key", "mac"):
            db.execute(f"ALTER TABLE audits DROP COLUMN {column}")
        db.execute("PRAGMA user_version = 5")
        db.commit()
    store = built(path)
    assert (await store.open()).desk == core_state()
    await store.close()


async def test_a_store_of_schema_8_keeps_its_past_from_scopes(tmp_path: Path) -> None:
    """What it wrote has no labels: the desk reads it as before, and no token with a scope does."""
    path = tmp_path / "monitor.db"
    scope = (("borrower", "Ä"),)
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("; ".join(file.MIGRATIONS[:8]))
        db.executescript(f"PRAGMA application_id = {file.APPLICATION_ID}; PRAGMA user_version = 8;")
        db.execute("INSERT INTO entries VALUES ('G-1', 'e-1', 'digest', 2, ?)", [micros_of(AT)])
        body = '{"at":"2026-03-01T12:00:00Z","who":"ops","action":"put group","subject":"G-1","before":null,"after":1}'
        db.execute("INSERT INTO audits (at, subject, body) VALUES (?, 'G-1', ?)", (micros_of(AT), body.encode()))
        row = '{"group":"G-1","kind":"loan","at":"2026-03-01T12:00:00Z","loan":"L-1","facts":{"what":"opened"}}'
        sql = "INSERT INTO history (group_id, kind, loan, at, body) VALUES ('G-1', 'loan', 'L-1', ?, ?)"
        db.execute(sql, (micros_of(AT), row.encode()))
        db.execute("INSERT INTO ltv VALUES ('G-1', 60, ?, 50000000, 60000000, 60000000, 0)", [micros_of(AT)])
        db.commit()
    store = built(path)
    await store.open()
    assert await store.entry("G-1", "e-1") == Applied("G-1", "e-1", "digest", 2, AT)
    assert await store.entry("G-1", "e-1", scope) is None
    assert len(await store.audits(0, 10, "G-1")) == 1
    assert await store.audits(0, 10, "G-1", None, scope) == []
    assert len(await store.history(HistoryFilter("G-1", life=0))) == 1
    assert await store.history(HistoryFilter("G-1", scope=scope)) == []
    assert [p.labels for p in await store.points("G-1", 60, AT, AT + timedelta(days=1))] == [None]
    await store.commit(Change(AT, entries=(Applied("G-1", "e-1", "another", 3, AT, 1, {"borrower": "Ä"}),)))
    assert await store.entry("G-1", "e-1", scope) is not None
    await store.close()
    assert integrity(path) == "ok"


def test_a_body_that_was_written_once_can_always_be_read() -> None:
    """Bodies are read by the places of their fields: a change of these types that fails here loses old records."""
    folder = Path(__file__).parent
    assert repr(packed.alert((folder / "alert.msgpack").read_bytes())) == repr(full_alert())
    assert repr(packed.marks((folder / "marks.msgpack").read_bytes())) == repr(core_state().marks)


async def test_an_older_schema_is_brought_up_to_date(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "monitor.db"
    store = built(path)
    await store.open()
    await store.commit(Change(AT, groups=(stored(),), desk=core_state()))
    await store.close()
    monkeypatch.setattr(file, "MIGRATIONS", (*file.MIGRATIONS, "ALTER TABLE groups ADD COLUMN extra TEXT"))
    newer = built(path)
    await newer.open()
    assert await newer._write(lambda db: db.execute("SELECT id, extra FROM groups").fetchall()) == [("G-1", None)]
    assert await newer._write(lambda db: db.execute("PRAGMA user_version").fetchone()) == (len(file.MIGRATIONS),)
    await newer.close()


@pytest.mark.parametrize(
    ("version", "affected"),
    [
        ((3, 6, 23), False),
        ((3, 7, 0), True),
        ((3, 40, 1), True),
        ((3, 44, 5), True),
        ((3, 44, 6), False),
        ((3, 45, 0), True),
        ((3, 50, 6), True),
        ((3, 50, 7), False),
        ((3, 51, 2), True),
        ((3, 51, 3), False),
        ((3, 53, 0), False),
    ],
)
def test_versions_with_the_wal_reset_bug_are_known(version: tuple[int, ...], affected: bool) -> None:
    assert file.has_wal_reset_bug(version) == affected


async def test_the_version_is_logged_and_an_affected_one_is_no_warning_at_each_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 40, 1))
    # Another test may have run a command that shows warnings alone.
    level = structlog.make_filtering_bound_logger(logging.INFO)
    monkeypatch.setattr(file, "log", structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=level))
    with structlog.testing.capture_logs() as lines:
        store = built(tmp_path / "monitor.db")
        await store.open()
        await store.close()
    assert [line["log_level"] for line in lines] == ["info"]
    assert {line["sqlite"] for line in lines} == {sqlite3.sqlite_version}


async def test_what_is_asked_for_often_is_found_without_reading_the_record(store: sqlite.SqliteStore) -> None:
    await store.commit(say(alert(TRIGGERED)))
    plans = await store._write(
        lambda db: [
            row[3]
            for sql in (
                "SELECT id FROM deliveries INDEXED BY deliveries_pending WHERE state = 'pending'",
                "SELECT id FROM deliveries WHERE (cursor, id) > (0, '') AND state = 'failed' ORDER BY cursor, id",
                "SELECT type FROM deliveries INDEXED BY deliveries_told WHERE subject = 'G-1' AND attempts > 0",
                "SELECT type FROM deliveries WHERE cursor = 1 AND id = 'dlv_1_x'",
                f"SELECT body FROM alerts WHERE {BY_ID}".replace(":id", "'evt_x'"),
                f"SELECT cursor FROM alerts INDEXED BY alerts_group WHERE {WHOLE} AND group_id = 'G-1' AND cursor > 1",
            )
            for row in db.execute(f"EXPLAIN QUERY PLAN {sql}")
        ]
    )
    assert "deliveries_pending" in plans[0]
    assert "deliveries_failed" in plans[1]
    assert "deliveries_told (subject=?)" in plans[2]
    assert "PRIMARY KEY (cursor=? AND id=?)" in plans[3]
    assert "alerts_id (<expr>=?)" in plans[4]
    assert "alerts_group (group_id=? AND rowid>?)" in plans[5]
    assert len(await store.deliveries(DeliveryFilter(state="pending"))) == 1
