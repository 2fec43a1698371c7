"""Reads secrets from files, so that a configuration can be shown."""

from __future__ import annotations

import stat
from pathlib import Path

from monitor.telemetry import log
from monitor.text_files import read_text


class BadSecret(ValueError):
    """A secret is missing, stands twice, or cannot be read. The text names the file, never the secret."""


def read_secret(secret: str | None, secret_file: Path | None) -> str:
    """The secret itself, from the configuration or from the file that it names. Raises BadSecret.

    A file that every user can read works, and the log warns the operator to close it.
    """
    if secret is not None and secret_file is not None:
        raise BadSecret("a secret stands here and a file for it too; state one of the two")
    if secret_file is None:
        if not secret or not secret.strip():
            raise BadSecret("a secret is needed, as text or as a file")
        return secret.strip()
    try:
        text = read_text(secret_file).strip()
        mode = secret_file.stat().st_mode
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not a text file"
        raise BadSecret(f"cannot read the secret file {secret_file}: {reason}") from e
    if not text:
        raise BadSecret(f"the secret file {secret_file} is empty")
    if mode & stat.S_IROTH:
        log.warning("every user of this machine can read a secret file", file=str(secret_file), mend="chmod o-r")
    return text
