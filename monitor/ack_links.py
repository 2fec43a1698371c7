"""Links and codes by which a person acknowledges one step of an escalation, without signing in.

A token is the step, the person, and a signature over both with a key that only this monitor has. It is worked out when a
notice is sent and kept nowhere, so that no log and no store can give it away.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
from pathlib import Path

KEY_FILE = "ack.key"
KEY_BYTES = 32
PATH = "/ack/"
"""Where the page stands, under `web.public_url`."""
_IN_A_TEXT = re.compile(rf"{PATH}[\w.~%-]+")
_SIGNATURE_BYTES = 24
_CODE_LENGTH = 5
"""Characters of a code that people type: it counts only with the gateway's signature and from the person's own number."""


def without_tokens(text: str) -> str:
    """A text of the other side in which no link can be used: some servers repeat what they refuse."""
    return _IN_A_TEXT.sub(f"{PATH}***", text)


class AckLinks:
    """Makes and reads tokens and codes."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    def token(self, step: str, person: str) -> str:
        """The token for one step's alert and one person."""
        return f"{step}.{person}.{base64.urlsafe_b64encode(self._mac('link', step, person)).decode().rstrip('=')}"

    def read(self, token: str) -> tuple[str, str] | None:
        """The step and the person of a token that was made here; None for any other text."""
        step, _, rest = token.partition(".")
        person = rest.partition(".")[0]
        made = self.token(step, person)
        same = hmac.compare_digest(made.encode("utf-8", "surrogatepass"), token.encode("utf-8", "surrogatepass"))
        return (step, person) if same else None

    def code(self, step: str, person: str) -> str:
        """What the person sends back by SMS, in capital letters and digits."""
        return base64.b32encode(self._mac("code", step, person)).decode()[:_CODE_LENGTH]

    def _mac(self, purpose: str, step: str, person: str) -> bytes:
        text = "\n".join((purpose, step, person)).encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).digest()[:_SIGNATURE_BYTES]


def open_links(state_dir: Path) -> AckLinks:
    """The links of this monitor. Its key is made at the first start and kept beside the store, for its user alone."""
    path = state_dir / KEY_FILE
    try:
        key = bytes.fromhex(path.read_text().strip())
    except FileNotFoundError:
        key = _made(path)
    except ValueError:
        key = b""
    if len(key) < KEY_BYTES:
        raise OSError(f"{path} holds no key; delete it, and a new one is made (links that were sent count no longer)")
    return AckLinks(key)


def _made(path: Path) -> bytes:
    """A new key, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    key = secrets.token_bytes(KEY_BYTES)
    new = path.with_suffix(".new")
    new.unlink(missing_ok=True)
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        os.write(handle, key.hex().encode() + b"\n")
        os.fsync(handle)
    finally:
        os.close(handle)
    new.replace(path)
    return key
