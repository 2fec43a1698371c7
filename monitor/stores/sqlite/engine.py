"""Which SQLite opens a file: Python's own, or SQLCipher where the store is encrypted with a key (decision 76).

All of a process opens one file by one library: the locks of two on one file undo each other.
"""

from __future__ import annotations

import importlib.util
import re
import sqlite3
from pathlib import Path
from types import ModuleType
from typing import Any

from monitor.stores._base import StoreRefused

EXTRA = "pip install 'loan-monitor[encryption]'"
BUSY_S = 1.0
"""The lock keeps other monitors away, but a person may look at the file with a tool that locks it for a moment."""
_RAW_KEY = re.compile(r"[0-9A-Fa-f]{64}")
_MODULE = "sqlcipher3"


def has_cipher() -> bool:
    """SQLCipher is installed."""
    return importlib.util.find_spec(_MODULE) is not None


def database_errors() -> tuple[type[Exception], ...]:
    """What an engine of this process may raise: SQLCipher has errors of its own, of the same names."""
    import sys

    loaded = sys.modules.get(f"{_MODULE}.dbapi2")
    return (sqlite3.DatabaseError,) if loaded is None else (sqlite3.DatabaseError, loaded.DatabaseError)


class Engine:
    """Opens files. `key` is None for a store that is not encrypted."""

    def __init__(self, key: str | None = None) -> None:
        self._key = key

    def __repr__(self) -> str:
        return f"Engine({'plain' if self._key is None else 'encrypted'})"

    @property
    def is_encrypted(self) -> bool:
        """Files are read and written with a key."""
        return self._key is not None

    @property
    def version(self) -> tuple[int, ...]:
        """The version of the SQLite inside."""
        found: tuple[int, ...] = self._library.sqlite_version_info
        return found

    def connect(self, path: Path) -> sqlite3.Connection:
        """A connection that writes. Raises StoreRefused for another key."""
        return self._opened(str(path))

    def connect_read_only(self, path: Path) -> sqlite3.Connection:
        """A reader. SQLite checkpoints after a commit, on request and at the last close: none of these is open to it."""
        return self._opened(f"{path.absolute().as_uri()}?mode=ro", uri=True)

    def export(self, source: Path, target: Path, to: Engine) -> None:
        """Copies a file of this engine into one of another key, or of none: every table, with the marks of the file."""
        db = self._opened(str(source), library=_cipher())
        try:
            marks = [(name, db.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("application_id", "user_version")]
            db.execute("ATTACH ? AS other KEY ?", (str(target), "" if to._key is None else to._stated_key))
            db.execute("SELECT sqlcipher_export('other')").fetchone()
            for name, value in marks:
                db.execute(f"PRAGMA other.{name} = {value}")
        finally:
            db.close()

    def _opened(self, place: str, library: ModuleType | None = None, **how: Any) -> sqlite3.Connection:
        library = library or self._library
        # SQLCipher's connection has the same methods; nothing of ours asks for its class.
        db: sqlite3.Connection = library.connect(place, isolation_level=None, timeout=BUSY_S, **how)
        if self._key is None:
            return db
        try:
            db.execute("PRAGMA cipher_log_level = NONE")  # it would write to standard error by itself
            quoted = self._stated_key.replace('"', '""')
            db.execute(f'PRAGMA key = "{quoted}"')
            db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        except BaseException as e:  # Ctrl-C as well: an open connection would hold the lock of the file
            db.close()
            if getattr(e, "sqlite_errorcode", None) == sqlite3.SQLITE_NOTADB:
                file = place.removeprefix("file://").partition("?")[0]
                what = "it was made with another key, or is damaged; it is left as it is"
                raise StoreRefused(f"{file} does not open with the key that was given: {what}") from None
            raise
        return db

    @property
    def _stated_key(self) -> str:
        """64 hexadecimal digits are the key itself; SQLCipher derives it from any other text, slowly on purpose."""
        assert self._key is not None
        return f"x'{self._key}'" if _RAW_KEY.fullmatch(self._key) else self._key

    @property
    def _library(self) -> ModuleType:
        return sqlite3 if self._key is None else _cipher()


def _cipher() -> ModuleType:
    """SQLCipher. Raises StoreRefused where it is not installed."""
    try:
        from sqlcipher3 import dbapi2
    except ImportError:
        raise StoreRefused(f"a store with a key needs SQLCipher, which is not installed: {EXTRA}") from None
    library: ModuleType = dbapi2
    return library


PLAIN = Engine()
"""Python's own SQLite, and no key."""
