"""Puts a backup in the place of a store: everything is checked first, and what was there is kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from monitor import age_files, crashpoint
from monitor.core.instants import time_at
from monitor.stores._base import Backup, StoreRefused
from monitor.stores.sqlite import file, lock
from monitor.stores.sqlite.engine import PLAIN, Engine, database_errors

_MARGIN_BYTES = 64 << 20
"""Room that the daemon needs beside the store to start: its log grows before it is moved into the file."""
_SIDES = ("-wal", "-journal")
"""What belongs to a file that was open. The memory of the log (-shm) is made again."""


class Restored(NamedTuple):
    """What a backup holds, and where the store that was there before is now."""

    schema: int
    alerts: int
    newest: datetime | None
    """The time of the newest alert."""
    kept: Path | None = None


def restore(path: Path, engine: Engine, wanted: Backup, at: datetime | None) -> Restored:
    """Restores, or only checks where `at` is None; then nothing but a copy that goes again is made.

    Raises StoreRefused with the reason where a daemon runs, or the backup is none, newer, damaged, or for another key.
    """
    path = lock.real(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with ExitStack() as taken:
        if at is None:
            new = Path(f"{file.restoring(path)}.check")
            taken.callback(_remove, new)
            return _checked_copy(wanted, new, engine)
        new = file.restoring(path)
        taken.enter_context(lock.claimed(path))
        if path.exists():
            taken.enter_context(lock.held(path, is_local=lock.network_kind(path.parent) is None))
        try:
            found = _checked_copy(wanted, new, engine)
        except BaseException:  # Ctrl-C as well: half a copy must not stay where the store lies
            _remove(new)
            raise
        # From here on the new file stays whatever happens: without it a start would make an empty store.
        kept = _keep(path, at)
        crashpoint.reached("between the old store and the restored one")
        new.rename(path)
        file.sync_folder(path)
        return found._replace(kept=kept)


@contextmanager
def looked_into(path: Path, engine: Engine, wanted: Backup) -> Iterator[sqlite3.Connection]:
    """A checked copy of a backup, for reading; it goes again. Raises StoreRefused."""
    new = Path(f"{file.restoring(path)}.check")
    with ExitStack() as taken:
        taken.callback(_remove, new)
        _checked_copy(wanted, new, engine)
        yield taken.enter_context(closing(engine.connect(new)))


def _checked_copy(wanted: Backup, new: Path, engine: Engine) -> Restored:
    """The backup as a file of its own beside the store, decrypted, looked through, and with the key of the configuration."""
    backup = wanted.file
    if not backup.is_file():
        raise StoreRefused(f"{backup} is not a file, expected one that `monitor backup` made")
    for side in _SIDES:
        if (left := Path(f"{backup}{side}")).exists() and left.stat().st_size:
            raise StoreRefused(f"{backup} has a log beside it, {left}: it is no backup, but a copy of a store in use")
    _check_space(backup, new.parent, copies=2 if engine.is_encrypted or wanted.key is not None else 1)
    _remove(new)
    file.make_private(new)
    if age_files.is_encrypted(backup):
        if wanted.identity is None:
            raise StoreRefused(f"{backup} is encrypted: name the file of its identity with --identity")
        try:
            age_files.decrypt(backup, new, wanted.identity)
        except age_files.BadAgeKey as e:
            raise StoreRefused(str(e)) from None
    else:
        shutil.copyfile(backup, new)
    if wanted.key is not None or (engine.is_encrypted and file.is_plain(new)):
        _change_key(new, PLAIN if wanted.key is None else Engine(wanted.key), engine)
    with closing(engine.connect(new)) as db:
        found = _looked_through(backup, db)
    file.sync_file(new)
    return found


def _change_key(new: Path, was: Engine, engine: Engine) -> None:
    """A backup of a store without a key, or with another one, becomes one with the key of the configuration, or without."""
    with closing(was.connect(new)) as db:
        _check_whole(new, db)
    changed = Path(f"{new}.changed")
    try:
        _remove(changed)
        file.make_private(changed)
        was.export(new, changed, engine)
        changed.rename(new)
    finally:
        _remove(changed)


def _check_space(backup: Path, folder: Path, copies: int) -> None:
    needed = copies * backup.stat().st_size + _MARGIN_BYTES
    free = shutil.disk_usage(folder).free
    if free < needed:
        raise StoreRefused(f"{folder} has {free:,} bytes free, and the restore needs {needed:,}: make room first")


def _looked_through(backup: Path, db: sqlite3.Connection) -> Restored:
    """Raises StoreRefused where it is no store of ours, newer, or not whole."""
    try:
        if db.execute("PRAGMA application_id").fetchone()[0] != file.APPLICATION_ID:
            raise StoreRefused(f"{backup} is not a store of this monitor")
        version = int(db.execute("PRAGMA user_version").fetchone()[0])
        file.check_version(backup, version)
        _check_whole(backup, db)
        _check_tables(backup, db, version)
        alerts, newest = db.execute("SELECT count(*), max(at) FROM alerts").fetchone()
    except database_errors() as e:
        raise StoreRefused(
            f"{backup} is damaged, no store, or encrypted with the key of another configuration: {e}"
        ) from None
    return Restored(version, alerts, None if newest is None else time_at(newest))


def _check_whole(backup: Path, db: sqlite3.Connection) -> None:
    try:
        (verdict,) = db.execute("PRAGMA integrity_check").fetchone()
    except database_errors() as e:
        verdict = str(e)
    if verdict != "ok":
        raise StoreRefused(f"{backup} is damaged: {verdict}; take another backup")


def _check_tables(backup: Path, db: sqlite3.Connection, version: int) -> None:
    """Every table, column and index of that schema is there."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as wanted:
        for script in file.MIGRATIONS[:version]:
            wanted.executescript(script)
        missing = sorted(_shape(wanted) - _shape(db))
    if missing:
        raise StoreRefused(f"{backup} says that it has schema {version}, but lacks {', '.join(missing[:5])}")


def _shape(db: sqlite3.Connection) -> set[str]:
    sql = (
        "SELECT m.name, c.name FROM sqlite_master AS m LEFT JOIN pragma_table_info(m.name) AS c "
        "WHERE m.type IN ('table', 'index') AND m.name NOT LIKE 'sqlite_%'"
    )
    return {name if column is None else f"{name}.{column}" for name, column in db.execute(sql)}


def _keep(path: Path, at: datetime) -> Path | None:
    """Moves what is there aside, with its log under the same name: together they are the old store, and can be opened.

    A kill in between leaves no store and the new file beside its place: a start says so and makes no empty one.
    """
    kept = Path(f"{path}.before-{at:%Y%m%dT%H%M%SZ}")
    if os.path.lexists(kept):
        raise StoreRefused(f"{kept} exists already; move it away first")
    was_there = path.exists()
    for side in ("", *_SIDES):
        if (old := Path(f"{path}{side}")).exists():
            old.rename(f"{kept}{side}")
    Path(f"{path}-shm").unlink(missing_ok=True)
    file.sync_folder(path)
    return kept if was_there else None


def _remove(path: Path) -> None:
    for side in ("", "-wal", "-shm", "-journal"):
        Path(f"{path}{side}").unlink(missing_ok=True)
