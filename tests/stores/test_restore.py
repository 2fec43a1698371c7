"""A backup is encrypted for whom it is for, and a restore replaces nothing before everything is checked."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import shutil
import signal
import sqlite3
import stat
import subprocess
import sys
from collections import namedtuple
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from monitor import age_files
from monitor.age_files import BadAgeKey
from monitor.stores import sqlite
from monitor.stores._base import AlertFilter, Backup, StoreRefused, StoreUnavailable
from monitor.stores.sqlite import Config, file
from monitor.stores.sqlite.restoring import Restored
from tests.stores.examples import TRIGGERED, alert, say

AT = datetime(2026, 11, 22, 14, 5, tzinfo=UTC)
NO_AGE = "pyrage is not installed: pip install 'loan-monitor[encryption]'"


def built(path: Path, *ids: str) -> Config:
    """A store with an alert about each group, closed again."""

    async def make() -> None:
        store = sqlite.build(Config(path=str(path)))
        await store.open()
        for id_ in ids:
            await store.commit(say(alert(TRIGGERED, id_)))
        await store.close()

    asyncio.run(make())
    return Config(path=str(path))


def groups(config: Config) -> list[str]:
    """The groups that a store has alerts about; it opens as a daemon opens it."""

    async def read() -> list[str]:
        store = sqlite.build(config)
        await store.open()
        found = await store.alerts(AlertFilter())
        await store.close()
        return [logged.alert.subject for logged in found]

    return asyncio.run(read())


def restored(
    config: Config, backup: Path, identity: Path | None = None, *, key: str | None = None, only_check: bool = False
) -> Restored:
    return sqlite.restore(config, Backup(backup, identity, key), None if only_check else AT)


@pytest.fixture
def backup(tmp_path: Path) -> Path:
    """A backup that says of G-1 and G-2."""
    target = tmp_path / "kept/copy.db"
    sqlite.copy(built(tmp_path / "first.db", "G-1", "G-2"), target)
    return target


@pytest.fixture
def there(tmp_path: Path) -> Config:
    """The store that is there before a restore."""
    return built(tmp_path / "var/monitor.db", "G-9")


def test_a_restore_keeps_what_was_there(backup: Path, there: Config, tmp_path: Path) -> None:
    found = restored(there, backup)
    assert (found.schema, found.alerts) == (len(file.MIGRATIONS), 2)
    assert groups(there) == ["G-1", "G-2"]
    assert found.kept == tmp_path / "var/monitor.db.before-20261122T140500Z"
    assert groups(Config(path=str(found.kept))) == ["G-9"]
    assert backup.is_file()
    assert stat.S_IMODE((tmp_path / "var/monitor.db").stat().st_mode) == 0o600
    assert restored(Config(path=str(tmp_path / "else/where.db")), backup).kept is None


def test_the_newest_commits_of_the_old_store_are_kept_too(backup: Path, tmp_path: Path) -> None:
    """A daemon that was killed leaves them in the log beside its file."""
    path = tmp_path / "monitor.db"
    code = (
        "import asyncio, os, sys; from pathlib import Path; from monitor.stores import sqlite; "
        "from tests.stores.examples import TRIGGERED, alert, say\n"
        "async def main():\n"
        "    store = sqlite.build(sqlite.Config(path=sys.argv[1])); await store.open()\n"
        "    await store.commit(say(alert(TRIGGERED, 'G-7'))); os.kill(os.getpid(), 9)\n"
        "asyncio.run(main())"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run([sys.executable, "-c", code, str(path)], env=env, capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert Path(f"{path}-wal").stat().st_size
    config = Config(path=str(path))
    kept = restored(config, backup).kept
    assert groups(config) == ["G-1", "G-2"]
    assert groups(Config(path=str(kept))) == ["G-7"]


def _changed(backup: Path, sql: str) -> None:
    with contextlib.closing(sqlite3.connect(backup, isolation_level=None)) as db:
        db.executescript(sql)


def _damage(backup: Path) -> None:
    """Overwrites an index, which nothing but a check of the whole file looks at."""
    with contextlib.closing(sqlite3.connect(backup)) as db:
        (page,) = db.execute("SELECT rootpage FROM sqlite_master WHERE name = 'deliveries_told'").fetchone()
    with backup.open("r+b") as f:
        f.seek((page - 1) * 4096)
        f.write(b"\xff" * 4096)


WRONG = {
    "damaged": (_damage, "is damaged"),
    "cut": (lambda b: os.truncate(b, b.stat().st_size // 2), "is damaged"),
    "another file": (lambda b: b.write_text("my notes\n" * 100), "is damaged, no store, or encrypted"),
    "empty": (lambda b: os.truncate(b, 0), "is not a store of this monitor"),
    "another program's": (lambda b: _changed(b, "PRAGMA application_id = 7"), "is not a store of this monitor"),
    "newer": (lambda b: _changed(b, "PRAGMA user_version = 99"), "has schema 99, this monitor knows up to .*run the newer monitor"),
    "a table less": (lambda b: _changed(b, "DROP TABLE rates"), r"lacks rates"),
    "a column less": (lambda b: _changed(b, "ALTER TABLE deliveries DROP COLUMN gather"), r"lacks deliveries\.gather"),
    "a log beside it": (lambda b: Path(f"{b}-wal").write_text("x"), "has a log beside it"),
    "gone": (lambda b: b.unlink(), "is not a file"),
}  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG)
def test_nothing_is_replaced_by_what_is_no_whole_backup(
    backup: Path, there: Config, tmp_path: Path, wrong: str
) -> None:
    spoil, said = WRONG[wrong]
    spoil(backup)
    before = sorted(p.name for p in (tmp_path / "var").iterdir())
    for only_check in (True, False):
        with pytest.raises(StoreRefused, match=said):
            restored(there, backup, only_check=only_check)
    assert sorted(p.name for p in (tmp_path / "var").iterdir()) == before
    assert groups(there) == ["G-9"]


def test_too_little_room_is_said_before_anything_is_written(
    backup: Path, there: Config, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage(0, 0, 1 << 20))
    with pytest.raises(StoreRefused, match=r"has 1,048,576 bytes free, and the restore needs [\d,]+: make room"):
        restored(there, backup)
    assert groups(there) == ["G-9"]


async def test_a_running_daemon_is_not_replaced_but_a_backup_can_be_checked(backup: Path, there: Config) -> None:
    store = sqlite.build(there)
    await store.open()
    with pytest.raises(StoreRefused, match=f"in use by another monitor, process {os.getpid()}"):
        await asyncio.to_thread(restored, there, backup)
    assert (await asyncio.to_thread(restored, there, backup, only_check=True)).alerts == 2
    assert (await store.commit(say(alert(TRIGGERED, "G-10")))).cursor == 2
    await store.close()


def test_a_restore_that_is_killed_leaves_no_empty_store(backup: Path, there: Config, tmp_path: Path) -> None:
    """Between the old store and the new one there is none; a start then says what to do."""
    code = (
        "import sys; from datetime import UTC, datetime; from pathlib import Path; from monitor.stores import sqlite; "
        "from monitor.stores._base import Backup; "
        "sqlite.restore(sqlite.Config(path=sys.argv[1]), Backup(Path(sys.argv[2])), datetime(2026, 1, 1, tzinfo=UTC))"
    )
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    env["MONITOR_CRASH_AT"] = "between the old store and the restored one"
    done = subprocess.run(
        [sys.executable, "-c", code, there.path, str(backup)], env=env, capture_output=True, timeout=60
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    with pytest.raises(StoreUnavailable, match="a restore was cut off; run `monitor restore` again"):
        groups(there)
    assert restored(there, backup).kept is None
    assert groups(there) == ["G-1", "G-2"]
    assert groups(Config(path=f"{there.path}.before-20260101T000000Z")) == ["G-9"]


# age


def identity(path: Path) -> str:
    """Makes one; its public key."""
    made = pytest.importorskip("pyrage", reason=NO_AGE).x25519.Identity.generate()
    path.write_text(f"# made by a test\n# public key: {made.to_public()}\n{made}\n")
    return str(made.to_public())


def sealed(config: Config, target: Path, *keys: str) -> Path:
    sqlite.copy(config, target, age_files.recipients_of(keys))
    return target


def test_an_encrypted_backup_opens_with_its_identity_alone(there: Config, tmp_path: Path) -> None:
    public, other = identity(tmp_path / "key"), identity(tmp_path / "other")
    backup = sealed(built(tmp_path / "first.db", "G-1"), tmp_path / "kept/copy.age", public)
    raw = backup.read_bytes()
    assert raw.startswith(b"age-encryption.org/v1\n")
    assert b"SQLite" not in raw
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    left = [p.name for p in tmp_path.rglob("*") if "backup" in p.name or "unfinished" in p.name]
    assert left == [], "the copy that was checked is gone"
    for key, said in (
        (None, "is encrypted: name the file of its identity"),
        ("other", "encrypted to another key, or is damaged"),
    ):
        with pytest.raises(StoreRefused, match=said):
            restored(there, backup, None if key is None else tmp_path / key)
    assert groups(there) == ["G-9"]
    restored(there, backup, tmp_path / "key")
    assert groups(there) == ["G-1"]
    (tmp_path / "keys").write_text(f"# two people\n{public}\n{other}\n")
    restored(
        Config(path=str(tmp_path / "b.db")),
        sealed(there, tmp_path / "two.age", str(tmp_path / "keys")),
        tmp_path / "other",
    )


@pytest.mark.parametrize("part", ["cut off", "a bit changed", "head alone"])
def test_a_damaged_encrypted_backup_replaces_nothing(there: Config, tmp_path: Path, part: str) -> None:
    backup = sealed(built(tmp_path / "first.db", "G-1"), tmp_path / "copy.age", identity(tmp_path / "key"))
    raw = bytearray(backup.read_bytes())
    raw[-100] ^= part == "a bit changed"
    backup.write_bytes(raw[:-200] if part == "cut off" else raw[:60] if part == "head alone" else raw)
    with pytest.raises(StoreRefused, match="or is damaged"):
        restored(there, backup, tmp_path / "key")
    assert groups(there) == ["G-9"]
    assert [p.name for p in (tmp_path / "var").iterdir() if "restoring" in p.name] == []


SHORTEST_HEAD = 150
"""Bytes before the pieces, at least; each piece has 16 more than it holds."""


@contextlib.contextmanager
def room(most_bytes: int) -> Iterator[None]:
    """No file grows beyond this: a disk that is full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("left", [1, 100, 20_000])
def test_a_full_disk_is_no_backup(tmp_path: Path, left: int) -> None:
    """The library says nothing where only the end of the last piece does not fit. The head has no fixed length."""
    plain, sealed = tmp_path / "plain", tmp_path / "sealed"
    plain.write_bytes(os.urandom((64 << 10) + 100))
    public = identity(tmp_path / "key")
    recipients = age_files.recipients_of([public])
    shortest = plain.stat().st_size + SHORTEST_HEAD + 3 * 16
    with room(shortest - left), pytest.raises(OSError, match="File too large"):
        age_files.encrypt(plain, sealed, recipients)
    age_files.encrypt(plain, sealed, recipients)
    with room(plain.stat().st_size - left), pytest.raises(OSError, match="File too large"):
        age_files.decrypt(sealed, tmp_path / "back", tmp_path / "key")
    age_files.decrypt(sealed, tmp_path / "back", tmp_path / "key")
    assert (tmp_path / "back").read_bytes() == plain.read_bytes()


@pytest.mark.parametrize(
    ("stated", "said"),
    [
        ("age1nonsense", "expected a public key such as age1"),
        ("no-such-file", "cannot be read .*expected a public key"),
        ("key", "is a secret key; encrypt to its public key"),
    ],
)
def test_what_cannot_be_encrypted_to_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, stated: str, said: str
) -> None:
    identity(tmp_path / "key")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BadAgeKey, match=said) as e:
        age_files.recipients_of([stated])
    assert not re.search("AGE-SECRET-KEY-1[A-Z0-9]{5}", str(e.value))


def test_without_the_library_the_remedy_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyrage", None)
    with pytest.raises(BadAgeKey, match=r"pip install 'loan-monitor\[encryption\]'"):
        age_files.recipients_of(["age1x"])
    assert age_files.recipients_of([]) == [], "a backup that is not encrypted needs no library"
