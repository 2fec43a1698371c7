"""The keys that sign the audit record: outside the store, one a line of a file; the first signs, all of them verify."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import os
import secrets
from pathlib import Path
from typing import NamedTuple

from monitor.secret_files import BadSecret, read_secret

KEY_FILE = "audit.key"
"""In `state_dir`: made at the first start where the configuration names no key."""
PREFIX = "auk_"
KEY_BYTES = 32
_ID_LENGTH = 12


class AuditKey(NamedTuple):
    """One key. Its id tells nothing of it, and stands beside each signature."""

    id: str
    secret: bytes

    def __repr__(self) -> str:
        return f"AuditKey({self.id!r})"


class AuditKeys:
    """The keys of one monitor. Without keys nothing is signed."""

    def __init__(self, keys: tuple[AuditKey, ...] = ()) -> None:
        self._keys = {key.id: key for key in reversed(keys)}
        self._first = keys[0] if keys else None

    def __bool__(self) -> bool:
        return self._first is not None

    def __contains__(self, id: object) -> bool:
        return id in self._keys

    @property
    def ids(self) -> list[str]:
        """The id of the key that signs, then those of the others."""
        return list(reversed(self._keys))

    def sign(self, what: bytes) -> tuple[str, bytes]:
        """The id of the first key and its signature; both empty without keys."""
        if self._first is None:
            return "", b""
        return self._first.id, hmac.digest(self._first.secret, what, hashlib.sha256)

    def is_by(self, id: str, mac: bytes, what: bytes) -> bool:
        """The key of this id, which must be here, made this signature."""
        return hmac.compare_digest(hmac.digest(self._keys[id].secret, what, hashlib.sha256), mac)


NO_KEYS = AuditKeys()


def new_key() -> str:
    """A line for a file of keys."""
    return PREFIX + base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


def keys_of(text: str) -> AuditKeys:
    """The keys of a text, by lines or spaces. Raises BadSecret."""
    return AuditKeys(tuple(map(_key, text.split())))


def read_keys(path: Path) -> AuditKeys:
    """The keys of a file. Raises BadSecret."""
    try:
        return keys_of(read_secret(None, path))
    except BadSecret as e:
        raise BadSecret(f"{path}: {e}" if str(path) not in str(e) else str(e)) from None


def opened_keys(path: Path) -> AuditKeys:
    """The keys of a file that the monitor keeps itself: it makes the file, for its user alone. Raises BadSecret, OSError."""
    if not path.exists():
        write_private(path, new_key() + "\n")
    return read_keys(path)


def write_private(path: Path, text: str) -> None:
    """Whole or not at all, and never readable by others, not even for a moment. Raises OSError."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f"{path.name}.new")
    new.unlink(missing_ok=True)
    with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    new.replace(path)


def _key(text: str) -> AuditKey:
    try:
        secret = base64.b64decode(text.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        secret = b""
    if not text.startswith(PREFIX) or len(secret) < KEY_BYTES:
        raise BadSecret(f'an audit key is "{PREFIX}" and 32 bytes in base64; `monitor audit new-key FILE` makes one')
    return AuditKey(hashlib.sha256(b"monitor audit key\n" + secret).hexdigest()[:_ID_LENGTH], secret)
