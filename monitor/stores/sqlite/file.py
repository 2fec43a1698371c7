"""The file itself: creation, schema, checkpoint, backup."""

from __future__ import annotations

import os
import secrets
import sqlite3
from collections.abc import Callable, Sequence
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any

from monitor import age_files, crashpoint
from monitor.stores._base import KEY_BYTES, StoreRefused
from monitor.stores.sqlite.connection import transaction
from monitor.stores.sqlite.engine import BUSY_S, PLAIN, Engine
from monitor.telemetry import log

APPLICATION_ID = 0x4C4D4F4E  # "LMON"
_MAGIC = b"SQLite format 3\0"

# A commit moves the log into the file when the log holds this many pages (64 MB). Most of them are the same pages written
# again, so this seldom takes long; ten thousand alerts at once, about 30 MB, seldom wait for it.
_AUTOCHECKPOINT_PAGES = 16000
_LOG_KEPT_BYTES = 64 << 20  # what a storm of alerts may leave behind in the size of the log file
# A storm changes some ten megabytes of pages: of those that do not fit, each is written and read again several times.
_CACHE_KIB = 32 << 10
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
# The chain of the audit record: each with a digest over the one before and itself, signed by a key that is not here. Records
# from before have no signature; their digests are worked out when the store is opened.
_SCHEMA_10 = """
ALTER TABLE audits ADD COLUMN digest BLOB;
ALTER TABLE audits ADD COLUMN key TEXT NOT NULL DEFAULT '';
ALTER TABLE audits ADD COLUMN mac BLOB NOT NULL DEFAULT x'';
CREATE INDEX audits_unlinked ON audits (number) WHERE digest IS NULL;
CREATE TABLE audit_marks (
    kind TEXT PRIMARY KEY, number INTEGER NOT NULL, at INTEGER NOT NULL, digest BLOB NOT NULL, key TEXT NOT NULL,
    mac BLOB NOT NULL
) WITHOUT ROWID;
"""
# Rows of the record of attempts whose ends are not in their deliveries yet.
_SCHEMA_11 = "CREATE TABLE IF NOT EXISTS late_ends (first INTEGER PRIMARY KEY, last INTEGER NOT NULL);"
# Alerts whose figures are not worked out yet have them in staging forms: those of a tick in a few, with the part of the log
# where they are. The rules are those of many ticks.
_SCHEMA_12 = """
CREATE TABLE IF NOT EXISTS staged (
    number INTEGER PRIMARY KEY AUTOINCREMENT, program TEXT NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL,
    first_row INTEGER NOT NULL, last_row INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS staged_forms (number INTEGER PRIMARY KEY, rules BLOB NOT NULL, body BLOB NOT NULL);
CREATE TABLE IF NOT EXISTS staged_rules (digest BLOB PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;
"""
# The states of a commit that changes many groups, until the background puts them into their rows.
_SCHEMA_13 = """
CREATE TABLE IF NOT EXISTS later_states (number INTEGER PRIMARY KEY AUTOINCREMENT, body BLOB NOT NULL);
"""
# A tick writes into no index whose order is not that of the log: each entry there would write its own page. Alerts are in
# theirs once their figures are worked out (0xC1 marks those whose are not), and whose notices are pending is known in memory.
_SCHEMA_14 = """
DROP INDEX IF EXISTS alerts_id;
DROP INDEX IF EXISTS alerts_group;
DROP INDEX IF EXISTS deliveries_pending;
CREATE INDEX alerts_id ON alerts (substr(id, 5, 8)) WHERE substr(body, 1, 1) <> x'C1';
CREATE INDEX alerts_group ON alerts (group_id) WHERE group_id IS NOT NULL AND substr(body, 1, 1) <> x'C1';
CREATE INDEX deliveries_pending ON deliveries (cursor, id) WHERE state = 'pending';
"""
MIGRATIONS = (
    *(_SCHEMA_1, _SCHEMA_2, _SCHEMA_3, _SCHEMA_4, _SCHEMA_5, _SCHEMA_6, _SCHEMA_7, _SCHEMA_8, _SCHEMA_9),
    *(_SCHEMA_10, _SCHEMA_11, _SCHEMA_12, _SCHEMA_13, _SCHEMA_14),
)
"""The script at index i takes a file from schema i to i + 1; a script once released is never changed."""


def prepare(path: Path, engine: Engine = PLAIN) -> None:
    """Makes the store at `path` where there is none, whole or not at all. Raises StoreRefused where something else is."""
    if not path.exists() or (path.is_file() and path.stat().st_size == 0):
        _create(path, engine)
    elif not path.is_file():
        raise StoreRefused(f"store {path} is not a regular file")


def restoring(path: Path) -> Path:
    """Where a restore puts the new file until it takes the place of the store."""
    return Path(f"{path}.restoring")


def is_plain(path: Path) -> bool:
    """The file is a database that is not encrypted. Not for the store itself: nothing but SQLite opens that."""
    with path.open("rb") as f:
        return f.read(len(_MAGIC)) == _MAGIC


def check_header(path: Path, file: int, engine: Engine = PLAIN) -> None:
    """Raises StoreRefused where an open file is no store of ours, before SQLite may change anything in it.

    Of an encrypted file nothing can be read here; `connect` looks when it has the key.
    """
    header = os.pread(file, 100, 0)
    if engine.is_encrypted:
        if header.startswith(_MAGIC):
            raise StoreRefused(
                f"store {path} is not encrypted, and the configuration has a key: make a backup without the key, then "
                "`monitor restore` it with the key"
            )
        return
    id = int.from_bytes(header[68:72], "big")
    if not header.startswith(_MAGIC) or id != APPLICATION_ID:
        raise StoreRefused(
            f"{path} is not a store of this monitor; it is left as it is: choose another [store] path, or state key_file "
            "if it is encrypted"
        )
    check_version(path, int.from_bytes(header[60:64], "big"))


def check_version(path: Path, version: int) -> None:
    known = len(MIGRATIONS)
    if version > known:
        raise StoreRefused(
            f"store {path} has schema {version}, this monitor knows up to {known}: run the newer monitor"
        )


def _create(path: Path, engine: Engine) -> None:
    """Builds the store beside its place, then renames it: a kill in between leaves nothing that looks like a store."""
    if (cut := restoring(path)).exists():
        raise StoreRefused(
            f"store {path} is missing and {cut} is there: a restore was cut off; run `monitor restore` again"
        )
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
    make_private(new)
    db = engine.connect(new)
    try:
        db.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        migrate(db)
    finally:
        db.close()
    new.replace(path)
    sync_folder(path)


def make_private(path: Path) -> None:
    """An empty file for its owner alone. SQLite fills it, and gives its log and its journals the same rights."""
    os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600))


def key(db: sqlite3.Connection, name: str) -> bytes:
    """A secret of this store, made when it is first asked for."""
    with transaction(db):
        db.execute("INSERT OR IGNORE INTO keys VALUES (?, ?)", (name, secrets.token_bytes(KEY_BYTES)))
        (body,) = db.execute("SELECT body FROM keys WHERE name = ?", [name]).fetchone()
    return bytes(body)


def sync_file(path: Path) -> None:
    """Makes what is in a file survive a power cut. Not for the store itself: nothing but SQLite opens that."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sync_folder(path: Path) -> None:
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def connect(path: Path, engine: Engine = PLAIN) -> sqlite3.Connection:
    """The writer. Raises StoreRefused for another key, and where the folder cannot hold a write-ahead log."""
    with ExitStack() as opening:
        db = opening.enter_context(closing(engine.connect(path)))
        if db.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            raise StoreRefused(f"{path} is not a store of this monitor; it is left as it is")
        check_version(path, db.execute("PRAGMA user_version").fetchone()[0])
        mode = db.execute("PRAGMA journal_mode = WAL").fetchone()[0]
        if mode != "wal":
            raise StoreRefused(f"store {path}: this file system cannot hold a write-ahead log (journal mode {mode})")
        db.execute("PRAGMA synchronous = FULL")
        db.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
        db.execute(f"PRAGMA wal_autocheckpoint = {_AUTOCHECKPOINT_PAGES}")
        db.execute(f"PRAGMA journal_size_limit = {_LOG_KEPT_BYTES}")
        opening.pop_all()
        return db


def connect_read_only(path: Path, engine: Engine = PLAIN) -> sqlite3.Connection:
    """A reader, which neither commits nor checkpoints."""
    return engine.connect_read_only(path)


def migrate(db: sqlite3.Connection) -> None:
    """Brings the schema up to date, one version at a time, each in its own transaction."""
    version = db.execute("PRAGMA user_version").fetchone()[0]
    for number, script in enumerate(MIGRATIONS[version:], version + 1):
        db.executescript(f"BEGIN IMMEDIATE; {script}; PRAGMA user_version = {number}; COMMIT;")


def say_version(path: Path, engine: Engine = PLAIN) -> None:
    """Logs which SQLite this is. What a person must not do with an affected one `monitor doctor` says, not every start."""
    version = ".".join(map(str, engine.version))
    log.info("store opened", path=str(path), sqlite=version, encrypted=engine.is_encrypted)


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
        db.execute(f"PRAGMA busy_timeout = {int(BUSY_S * 1000)}")


def backup(source: Path, target: Path, engine: Engine = PLAIN, recipients: Sequence[Any] = ()) -> None:
    """A whole, checked copy at `target`, encrypted where the store is. Raises StoreRefused where a file is already.

    The one that is checked before it is encrypted stands beside the store, as the place of backups may be another machine's.
    """
    beside = Path(f"{source.absolute()}.backup")
    publish(target, beside, recipients, lambda new: _copy(source, new, engine))


def publish(target: Path, beside: Path, recipients: Sequence[Any], make: Callable[[Path], None]) -> None:
    """Puts what `make` writes at `target`, whole or not at all. Raises StoreRefused where a file is already.

    With recipients of age it is encrypted for them; what is made before then stands at `beside` and goes again.
    """
    target = target.absolute()
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = Path(f"{target}.unfinished")
    checked = beside if recipients else unfinished
    _refuse_overwriting(target)
    try:
        for stale in {unfinished, checked}:
            stale.unlink(missing_ok=True)
            make_private(stale)
        make(checked)
        if recipients:
            age_files.encrypt(checked, unfinished, recipients)
        sync_file(unfinished)
        _refuse_overwriting(target)
        unfinished.rename(target)
    finally:
        for left in {unfinished, checked}:
            left.unlink(missing_ok=True)
    sync_folder(target)


def _refuse_overwriting(target: Path) -> None:
    if os.path.lexists(target):
        raise StoreRefused(f"{target} exists already; a backup overwrites nothing")


def _copy(source: Path, target: Path, engine: Engine) -> None:
    old = engine.connect_read_only(source)
    new = engine.connect(target)
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
