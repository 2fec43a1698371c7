"""Files encrypted for others, in the format of age (age-encryption.org): whoever has the identity alone can read them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any

from monitor.text_files import read_text

EXTRA = "pip install 'loan-monitor[encryption]'"
_HEADER = b"age-encryption.org/v1\n"
_ARMOR = b"-----BEGIN AGE ENCRYPTED FILE-----"


class BadAgeKey(ValueError):
    """A recipient or an identity cannot be used, or is the wrong one. The text names the place, never a secret."""


def is_encrypted(path: Path) -> bool:
    """The file is one of age's, as bytes or as text. Raises OSError."""
    with path.open("rb") as file:
        head = file.read(len(_ARMOR))
    return head.startswith((_HEADER, _ARMOR))


def recipients_of(stated: Sequence[str]) -> list[Any]:
    """Public keys, each as text (`age1...`, `ssh-ed25519 ...`) or as a file with one a line. Raises BadAgeKey."""
    if not stated:
        return []
    pyrage = _library()
    found = []
    for text in stated:
        for line in [text] if text.startswith(("age1", "ssh-")) else _lines(Path(text), "a public key (age1...)"):
            if line.startswith("AGE-SECRET-KEY-"):
                raise BadAgeKey(f"{text[:4]}...: is a secret key; encrypt to its public key, which begins with age1")
            try:
                kind = pyrage.ssh if line.startswith("ssh-") else pyrage.x25519
                found.append(kind.Recipient.from_str(line))
            except pyrage.RecipientError as e:
                raise BadAgeKey(f"found {line[:20]!r}..., expected a public key such as age1...: {e}") from None
    return found


def encrypt(source: Path, target: Path, recipients: Sequence[Any]) -> None:
    """Replaces the target. Raises OSError."""
    pyrage = _library()
    # The library says nothing of a last piece that does not fit. It stays in the file's buffer, and closing the file says it.
    with source.open("rb") as plain, target.open("wb") as sealed:
        try:
            pyrage.encrypt_io(plain, sealed, recipients)
        except pyrage.EncryptError as e:
            raise OSError(str(e)) from None


def decrypt(source: Path, target: Path, identity: Path) -> None:
    """Replaces the target. Raises BadAgeKey for an identity that it is not for, or a damaged file, and OSError."""
    pyrage = _library()
    identities = []
    text = _text(identity, "an identity")
    if "PRIVATE KEY-----" in text:
        identities.append(_read(pyrage.ssh.Identity.from_buffer, text.encode(), identity))
    else:
        for line in _lines(identity, "an identity (AGE-SECRET-KEY-...)"):
            identities.append(_read(pyrage.x25519.Identity.from_str, line, identity))
    with source.open("rb") as sealed, target.open("wb") as plain:
        sink = _Sink(plain)
        try:
            pyrage.decrypt_io(sealed, sink, identities)
        except (pyrage.DecryptError, OSError) as e:
            if sink.error is not None:
                raise sink.error from None
            what = "it was encrypted to another key, or is damaged"
            raise BadAgeKey(f"{source} does not open with the identity {identity}: {what} ({e})") from None


class _Sink:
    """Writes to a file, and remembers what went wrong there: to the library it looks like a damaged source."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as e:
            self.error = e
            raise

    def flush(self) -> None:
        """The file is flushed when it is closed."""


def _read(make: Any, stated: Any, identity: Path) -> Any:
    try:
        return make(stated)
    except _library().IdentityError:
        # What the library says may hold a piece of the key.
        raise BadAgeKey(f"{identity} holds no identity that can be used, expected AGE-SECRET-KEY-...") from None


def _lines(path: Path, what: str) -> list[str]:
    found = [line.strip() for line in _text(path, what).splitlines()]
    found = [line for line in found if line and not line.startswith("#")]
    if not found:
        raise BadAgeKey(f"{path} is empty, expected {what}")
    return found


def _text(path: Path, what: str) -> str:
    try:
        return read_text(path)
    except (OSError, UnicodeDecodeError, ValueError) as e:
        reason = getattr(e, "strerror", None) or "not a text file"
        raise BadAgeKey(f"{path}: cannot be read ({reason}), expected {what} or a file of them") from None


def _library() -> Any:
    try:
        import pyrage
    except ImportError:
        raise BadAgeKey(f"encrypted backups need pyrage, which is not installed: {EXTRA}") from None
    return pyrage
