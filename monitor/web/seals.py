"""Texts that only one scope can read: where its pages and its stream go on, and the ids of its deliveries.

A cursor of the alert log and the number of a row count what everybody did. A token with a scope gets them sealed: encrypted
and authenticated by AES-SIV, for its scope and for one list alone. The key is kept in the store, so a text counts over a
restart (decision 74).
"""

from __future__ import annotations

import base64
import binascii
import secrets

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESSIV

from monitor.core.groups.snapshot import Scope

KEY_NAME = "seals"
LOG = "alert log"
"""The list and the stream of alerts read each other's texts."""
DELIVERY = "delivery"
BEGINNING = "0"
"""Everybody may say this in place of a text: it means the first page, and tells nothing."""
_NONCE = 12
_BLOCK = 16
"""Texts are as long as the next multiple of this: the length of a number tells its size."""


class Seals:
    """Makes texts, and reads those that it made."""

    def __init__(self, key: bytes) -> None:
        self._cipher = AESSIV(key)

    def cursor(self, plain: str, scope: Scope, place: str) -> str:
        """A text that is another one each time: two of them do not tell whether anything happened in between."""
        nonce = secrets.token_bytes(_NONCE)
        return _text(nonce + self._seal(plain, scope, place, nonce))

    def read_cursor(self, text: str, scope: Scope, place: str) -> str | None:
        """What a cursor says; None for a text of another scope, of another place, or of nobody."""
        raw = _raw(text)
        return self._open(raw[_NONCE:], scope, place, raw[:_NONCE])

    def name(self, plain: str, scope: Scope, kind: str) -> str:
        """A name that stays the same for one thing."""
        return _text(self._seal(plain, scope, kind, b""))

    def read_name(self, text: str, scope: Scope, kind: str) -> str | None:
        """What a name means, or None."""
        return self._open(_raw(text), scope, kind, b"")

    def _seal(self, plain: str, scope: Scope, place: str, nonce: bytes) -> bytes:
        raw = plain.encode() + b"\x80"
        raw += bytes(-len(raw) % _BLOCK)
        return self._cipher.encrypt(raw, _bound_to(scope, place, nonce))

    def _open(self, sealed: bytes, scope: Scope, place: str, nonce: bytes) -> str | None:
        try:
            raw = self._cipher.decrypt(sealed, _bound_to(scope, place, nonce))
        except (InvalidTag, ValueError):
            return None
        return raw.rstrip(b"\0").removesuffix(b"\x80").decode()


def _bound_to(scope: Scope, place: str, nonce: bytes) -> list[bytes]:
    return [msgspec.json.encode((scope, place)), nonce or b"name"]


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def _raw(text: str) -> bytes:
    """The bytes of a text; none where it is not one of ours."""
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    except (ValueError, binascii.Error):
        return b""
