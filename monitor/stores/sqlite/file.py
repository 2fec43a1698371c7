"""The file itself: lock, creation, schema, checkpoint, backup."""

from __future__ import annotations

import fcntl
import os
import secrets
import sqlite3
import stat
from contextlib import ExitStack, closing, suppress
from pathlib import Path

from monitor import crashpoint
from monitor.stores._base import KEY_BYTES, StoreRefused
from monitor.stores.sqlite.connection import transaction
from monitor.telemetry import log

APPLICATION_ID = 0x4C4D4F4E  # "LMON"
_MAGIC = b"SQLite format 3\0"

# A commit moves the log into the file when the log holds this many pages (64 MB). Most of them are the same pages written
# again, so this seldom takes long; ten thousand alerts at once, about 30 MB, seldom wait for it.
_AUTOCHECKPOINT_PAGES = 16000
_LOG_KEPT_BYTES = 64 << 20  # what a storm of alerts may leave behind in the size of the log file
# The lock keeps other monitors away, but a person may look at the file with a tool that locks it for a moment.
_BUSY_S = 1.0
# About what one event commits, its marks included: a probe of a few bytes fits where no commit does.
_PROBE_BYTES = 64 << 10
_BACKUP_PAGES = 1024  # copied at a time; 4 MB, so that a broken disk shows itself early

_SCHEMA_1 = """
CREATE TABLE groups (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE states (
    id TEXT PRIMARY KEY, stage TEXT NOT NULL, episode INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE desk (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
CREATE TABLE alerts (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, at INTEGER NOT NULL, type TEXT NOT NULL,
    subject TEXT NOT NULL, episode INTEGER NOT NULL, group_id TEXT, body BLOB NOT NULL
);
-- What the filters of the API look at, in the order of the log: a rare type is found without reading the bodies.
CREATE INDEX alerts_look ON alerts (cursor, type, group_id);
CREATE INDEX alerts_group ON alerts (group_id, cursor, type) WHERE group_id IS NOT NULL;
CREATE INDEX alerts_at ON alerts (at);
CREATE TABLE deliveries (
    cursor INTEGER NOT NULL, id TEXT NOT NULL UNIQUE, alert TEXT NOT NULL, notifier TEXT NOT NULL,
    targets TEXT NOT NULL, subject TEXT NOT NULL, type TEXT NOT NULL, severity TEXT NOT NULL,
    episode INTEGER NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, due_at INTEGER NOT NULL, created_at INTEGER NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (cursor, id)
) WITHOUT ROWID;
CREATE INDEX deliveries_told ON deliveries (subject, episode, notifier);
CREATE INDEX deliveries_pending ON deliveries (subject) WHERE state = 'pending';
CREATE INDEX deliveries_failed ON deliveries (cursor, id) WHERE state = 'failed';
CREATE TABLE attempts (
    number INTEGER PRIMARY KEY, delivery TEXT NOT NULL, at INTEGER NOT NULL, state TEXT NOT NULL, detail TEXT NOT NULL,
    due_at INTEGER NOT NULL, took_ms REAL NOT NULL
);
CREATE INDEX attempts_delivery ON attempts (delivery);
CREATE TABLE entries (
    group_id TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL,
    PRIMARY KEY (group_id, id)
);
CREATE INDEX entries_at ON entries (at);
CREATE TABLE audits (number INTEGER PRIMARY KEY AUTOINCREMENT, at INTEGER NOT NULL, body BLOB NOT NULL);
CREATE INDEX audits_at ON audits (at);
CREATE TABLE probe (one INTEGER PRIMARY KEY CHECK (one = 1), body BLOB NOT NULL);
"""
# Blocks of groups; marks beside the desk's body; no state of an untouched group. The rest makes a storm cheap: each alert
# writes two deliveries, and a page of each index whose order is not that of the log. So the id of a delivery begins with
# its cursor and needs no index of its own, and alerts are found by a part of their id.
_SCHEMA_2 = """
CREATE TABLE blocks (number INTEGER PRIMARY KEY, body BLOB NOT NULL);
ALTER TABLE desk ADD COLUMN marks BLOB;
DELETE FROM states WHERE body = CAST(json_object('group', id) AS BLOB);
ALTER TABLE alerts RENAME TO alerts_1;
CREATE TABLE alerts (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, at INTEGER NOT NULL, type TEXT NOT NULL,
    subject TEXT NOT NULL, episode INTEGER NOT NULL, group_id TEXT, body BLOB NOT NULL
);
INSERT INTO alerts SELECT cursor, id, at, type, subject, episode, group_id, body FROM alerts_1 ORDER BY cursor;
DELETE FROM sqlite_sequence WHERE name = 'alerts';
UPDATE sqlite_sequence SET name = 'alerts' WHERE name = 'alerts_1';
DROP TABLE alerts_1;
CREATE INDEX alerts_id ON alerts (substr(id, 5, 8));
CREATE INDEX alerts_look ON alerts (cursor, type, group_id);
CREATE INDEX alerts_group ON alerts (group_id) WHERE group_id IS NOT NULL;
CREATE INDEX alerts_at ON alerts (at);
UPDATE attempts SET delivery =
    (SELECT 'dlv_' || cursor || '_' || substr(d.id, 5, 8) FROM deliveries AS d WHERE d.id = attempts.delivery);
ALTER TABLE deliveries RENAME TO deliveries_1;
CREATE TABLE deliveries (
    cursor INTEGER NOT NULL, id TEXT NOT NULL, alert TEXT NOT NULL, notifier TEXT NOT NULL,
    targets TEXT NOT NULL, subject TEXT NOT NULL, type TEXT NOT NULL, severity TEXT NOT NULL,
    episode INTEGER NOT NULL, state TEXT NOT NULL,
    attempts INTEGER NOT NULL, due_at INTEGER NOT NULL, created_at INTEGER NOT NULL, detail TEXT NOT NULL,
    PRIMARY KEY (cursor, id)
) WITHOUT ROWID;
INSERT INTO deliveries SELECT
    cursor, 'dlv_' || cursor || '_' || substr(id, 5, 8), alert, notifier, targets, subject, type, severity, episode,
    state, attempts, due_at, created_at, detail
    FROM deliveries_1;
DROP TABLE deliveries_1;
CREATE INDEX deliveries_told ON deliveries (subject, episode, notifier) WHERE attempts > 0;
CREATE INDEX deliveries_pending ON deliveries (subject) WHERE state = 'pending';
CREATE INDEX deliveries_failed ON deliveries (cursor, id) WHERE state = 'failed';
"""
# Flexible rates that were given, all of a coin in one row.
_SCHEMA_3 = """
CREATE TABLE rates (product TEXT NOT NULL, asset TEXT NOT NULL, body BLOB NOT NULL, PRIMARY KEY (product, asset));
"""
# What became of loans, row by row.
_SCHEMA_4 = """
CREATE TABLE history (
    number INTEGER PRIMARY KEY AUTOINCREMENT, group_id TEXT NOT NULL, kind TEXT NOT NULL, loan TEXT NOT NULL,
    at INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX history_look ON history (group_id, number, kind, loan);
CREATE INDEX history_at ON history (at);
"""
# The history of LTV, and what was done to one group.
_SCHEMA_5 = """
CREATE TABLE ltv (
    group_id TEXT NOT NULL, step INTEGER NOT NULL, at INTEGER NOT NULL, low INTEGER, high INTEGER, last INTEGER,
    flags INTEGER NOT NULL, PRIMARY KEY (group_id, step, at)
) WITHOUT ROWID;
CREATE INDEX ltv_age ON ltv (step, at);
ALTER TABLE audits ADD COLUMN subject TEXT NOT NULL DEFAULT '';
UPDATE audits SET subject = coalesce(json_extract(CAST(body AS TEXT), '$.subject'), '');
CREATE INDEX audits_subject ON audits (subject, number);
"""
# The desk's row holds what each watcher remembers. An older row is read as it is, but an older monitor cannot read this one.
_SCHEMA_6 = ""
# Endpoints that were made by API, with their keys.
_SCHEMA_7 = """
CREATE TABLE IF NOT EXISTS subscriptions (
    name TEXT PRIMARY KEY, url TEXT NOT NULL, is_enabled INTEGER NOT NULL, created_at INTEGER NOT NULL, body BLOB NOT NULL
) WITHOUT ROWID;
"""
# What is gathered into digests, what a group owes, and which notifiers are switched off.
_SCHEMA_8 = """
ALTER TABLE deliveries ADD COLUMN gather TEXT NOT NULL DEFAULT '';
ALTER TABLE deliveries ADD COLUMN debt_usd TEXT NOT NULL DEFAULT '';
CREATE TABLE switched (notifier TEXT PRIMARY KEY, body BLOB NOT NULL);
"""
# To whom what happened belonged then: entries and points with the labels of their time (rows of the history and audits have
# them in their bodies), and of which life of its id an entry is. What is from before has no labels: no scope sees it.
_SCHEMA_9 = """
ALTER TABLE entries RENAME TO entries_8;
CREATE TABLE entries (
    group_id TEXT NOT NULL, id TEXT NOT NULL, digest TEXT NOT NULL, version INTEGER NOT NULL, at INTEGER NOT NULL,
    life INTEGER NOT NULL, labels TEXT NOT NULL, PRIMARY KEY (group_id, id, life, labels)
);
INSERT INTO entries SELECT group_id, id, digest, version, at, 0, '' FROM entries_8 ORDER BY rowid;
DROP TABLE entries_8;
CREATE INDEX entries_at ON entries (at);
-- Who had rows of which group: looked at in place of the rows, so that another's group takes no longer than none.
CREATE TABLE holders (
    group_id TEXT NOT NULL, life INTEGER NOT NULL, labels TEXT NOT NULL, PRIMARY KEY (group_id, life, labels)
) WITHOUT ROWID;
CREATE TABLE owners (number INTEGER PRIMARY KEY, labels TEXT NOT NULL UNIQUE);
ALTER TABLE ltv ADD COLUMN owner INTEGER NOT NULL DEFAULT 0;
CREATE TABLE keys (name TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""
MIGRATIONS = (_SCHEMA_1, _SCHEMA_2, _SCHEMA_3, _SCHEMA_4, _SCHEMA_5, _SCHEMA_6, _SCHEMA_7, _SCHEMA_8, _SCHEMA_9)
"""The script at index i takes a file from schema i to i + 1; a script once released is never changed."""


def claim(path: Path) -> int:
    """An open lock file beside the store; closing it, or dying, gives the lock up. Raises StoreRefused."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # The lock file is never deleted: a third daemon could lock the new one while a second holds the deleted one.
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError:
        holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
        os.close(lock)
        raise StoreRefused(f"store {path} is in use by another monitor, process {holder}") from None
    except OSError:
        os.close(lock)
        raise
    return lock


def prepare(path: Path) -> None:
    """Makes the store at `path` where there is none, whole or not at all. Raises StoreRefused where something else is."""
    if path.exists() and not path.is_file():
        raise StoreRefused(f"store {path} is not a regular file")
    header = b""
    if path.exists():
        with path.open("rb") as f:
            header = f.read(100)
    if header:
        _check(path, header)
    else:
        _create(path)


def _check(path: Path, header: bytes) -> None:
    id = int.from_bytes(header[68:72], "big")
    if not header.startswith(_MAGIC) or id != APPLICATION_ID:
        raise StoreRefused(f"{path} is not a store of this monitor; it is left as it is: choose another [store] path")
    _check_version(path, int.from_bytes(header[60:64], "big"))


def _check_version(path: Path, version: int) -> None:
    known = len(MIGRATIONS)
    if version > known:
        raise StoreRefused(
            f"store {path} has schema {version}, this monitor knows up to {known}: run the newer monitor"
        )


def _create(path: Path) -> None:
    """Builds the store beside its place, then renames it: a kill in between leaves nothing that looks like a store."""
    for suffix in ("-wal", "-journal"):
        left = Path(f"{path}{suffix}")
        if left.exists() and left.stat().st_size:
            # SQLite would apply the log of the lost file to the new one.
            raise StoreRefused(
                f"store {path} is missing but its log {left} is there: restore the one or move the other"
            )
    new = Path(f"{path}.new")
    for stale in (new, Path(f"{new}-journal")):
        stale.unlink(missing_ok=True)
    db = sqlite3.connect(new, isolation_level=None)
    try:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(db)
    finally:
        db.close()
    new.replace(path)
    _sync_folder(path)


def keep_private(path: Path) -> None:
    """Takes the file away from users of the machine who are neither its owner nor of its group: it holds keys now."""
    for each in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
        with suppress(FileNotFoundError):
            each.chmod(stat.S_IMODE(each.stat().st_mode) & ~stat.S_IRWXO)


def key(db: sqlite3.Connection, name: str) -> bytes:
    """A secret of this store, made when it is first asked for."""
    with transaction(db):
        db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (name, secrets.token_bytes(KEY_BYTES)))
        (body,) = db.execute("SELECT body FROM keys WHERE name = ?", [name]).fetchone()
    return bytes(body)


def _sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def connect(path: Path) -> sqlite3.Connection:
    """The writer. Raises StoreRefused where the folder cannot hold a write-ahead log."""
    with ExitStack() as opening:
        db = opening.enter_context(closing(sqlite3.connect(path, isolation_level=None, timeout=_BUSY_S)))
        _check_version(path, db.execute("PRAGMA user_version").fetchone()[0])
        mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreRefused(f"store {path}: this file system cannot hold a write-ahead log (journal mode {mode})")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA wal_autocheckpoint = {_AUTOCHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {_LOG_KEPT_BYTES}")
        opening.pop_all()
        return db


def connect_read_only(path: Path) -> sqlite3.Connection:
    """A reader. SQLite checkpoints after a commit, on request and at the last close: none of these is open to it."""
    return sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, timeout=_BUSY_S)


def migrate(db: sqlite3.Connection) -> None:
    """Brings the schema up to date, one version at a time, each in its own transaction."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")


def say_version(path: Path) -> None:
    """Logs which SQLite this is, and what a person must not do with it."""
    version = sqlite3.sqlite_version
    log.info("store opened", path=str(path), sqlite=version)
    if has_wal_reset_bug(sqlite3.sqlite_version_info):
        bug = "this SQLite has the WAL-reset bug: let no other tool write to the store while the monitor runs"
        log.warning(bug, sqlite=version, mended_in="3.51.3")


def has_wal_reset_bug(version: tuple[int, ...]) -> bool:
    """3.7.0 to 3.51.2 without the corrections of the 3.44 and 3.50 branches (sqlite.org/changes.html)."""
    mended = {(3, 44): 6, (3, 50): 7}.get((version[0], version[1]))
    return (3, 7, 0) <= version[:3] < (3, 51, 3) and (mended is None or version[2] < mended)


def probe(db: sqlite3.Connection) -> None:
    """Writes and removes a row, each durably; what stops this would stop a commit too."""
    with transaction(db):
        db.execute("INSERT OR REPLACE INTO probe VALUES (1, zeroblob(?))", [_PROBE_BYTES])
    with transaction(db):
        db.execute("DELETE FROM probe")


def checkpoint(db: sqlite3.Connection) -> None:
    """Moves the log into the file, and empties it unless a reader is at work: commits never wait for a reader."""
    db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
    crashpoint.reached("during checkpoint")
    db.execute("PRAGMA busy_timeout = 0")
    try:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    finally:
        db.execute(f"PRAGMA busy_timeout = {int(_BUSY_S * 1000)}")


def backup(source: Path, target: Path) -> None:
    """A whole, checked copy at `target`. Raises StoreRefused where a file is already."""
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(f"{target}.unfinished")
    unfinished.unlink(missing_ok=True)
    _refuse_overwriting(target)
    try:
        _copy(source, unfinished)
        _refuse_overwriting(target)
        unfinished.rename(target)
    finally:
        unfinished.unlink(missing_ok=True)
    _sync_folder(target)


def _refuse_overwriting(target: Path) -> None:
    if os.path.lexists(target):
        raise StoreRefused(f"{target} exists already; a backup overwrites nothing")


def _copy(source: Path, target: Path) -> None:
    old = connect_read_only(source)
    new = sqlite3.connect(target, isolation_level=None)
    try:
        # Inside one read transaction all steps see one state; without it each commit would start the copy again.
        old.execute("BEGIN")
        old.execute("SELECT count(*) FROM desk").fetchone()
        old.backup(new, pages=_BACKUP_PAGES)
        old.execute("COMMIT")
        # The copy is one file, without a log beside it that could be forgotten.
        new.execute("PRAGMA journal_mode = DELETE")
        (verdict,) = new.execute("PRAGMA integrity_check").fetchone()
        if verdict != "ok":
            raise StoreRefused(f"the copy of store {source} is damaged, and so may be the store: {verdict}")
    finally:
        new.close()
        old.close()
