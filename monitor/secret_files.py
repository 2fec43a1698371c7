"""Reads secrets from files, so that a configuration can be shown.

A file may be one that systemd hands over: `secret_file = "credential:NAME"` names a credential of the unit.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from monitor.telemetry import log
from monitor.text_files import read_text


class BadSecret(ValueError):
    """A secret is missing, stands twice, or cannot be read. The text names the file, never the secret."""


CREDENTIAL = "credential:"
FOLDER = "CREDENTIALS_DIRECTORY"
"""The variable by which systemd says where the credentials of a unit are (systemd.exec(5))."""
_told: set[tuple[Path, int]] = set()
"""Files that were warned of, and when they were changed last: a start reads a secret more than once."""


def with_credentials(value: Any, where: str, problems: list[tuple[str, str]]) -> Any:
    """A table of the configuration in which each `..._file = "credential:NAME"` names the file of that credential.

    Joins the place and the reason of each that is not there to `problems`.
    """
    if isinstance(value, Mapping):
        return {k: with_credentials(v, f"{where}.{k}" if where else str(k), problems) for k, v in value.items()}
    if isinstance(value, list):
        return [with_credentials(v, f"{where}[{i}]", problems) for i, v in enumerate(value)]
    if isinstance(value, str) and value.startswith(CREDENTIAL) and where.endswith("_file"):
        try:
            return credential(value)
        except BadSecret as e:
            problems.append((where, str(e)))
    return value


def credential(text: str) -> str:
    """The file of `credential:NAME`. Raises BadSecret."""
    name = text.removeprefix(CREDENTIAL)
    if not re.fullmatch(r"[A-Za-z0-9_.@-]{1,255}", name) or name in (".", ".."):
        raise BadSecret(f"found {text!r}, expected credential: and a name of letters, digits, and _ . @ -")
    folder = os.environ.get(FOLDER)
    load = f"add LoadCredential={name}:/path/of/the/file (or LoadCredentialEncrypted=) to the unit"
    if not folder:
        raise BadSecret(f"found {text!r}, but systemd hands no credentials over (no ${FOLDER}); {load}")
    path = Path(folder) / name
    if not path.is_file():
        raise BadSecret(f"found {text!r}, but the unit has no such credential; {load}")
    return str(path)


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
        seen = secret_file.stat()
    except (OSError, UnicodeDecodeError) as e:
        reason = e.strerror if isinstance(e, OSError) else "not a text file"
        raise BadSecret(f"cannot read the secret file {secret_file}: {reason}") from e
    if not text:
        raise BadSecret(f"the secret file {secret_file} is empty")
    if seen.st_mode & stat.S_IROTH and (secret_file, seen.st_ctime_ns) not in _told:
        _told.add((secret_file, seen.st_ctime_ns))
        log.warning("every user of this machine can read a secret file", file=str(secret_file), mend="chmod o-r")
    return text
