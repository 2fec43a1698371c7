"""Keeps what the monitor writes from the other users of the machine, or lets one group read it.

The process gets a umask of its own, so that whatever writes a file, a library too, makes it private. What an earlier start
or another umask left open is closed at the start. What only its owner may have, such as a key, is made with its own mode.
"""

from __future__ import annotations

import grp
import os
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from monitor.telemetry import log

_OWNER = stat.S_IRWXU
_GROUP_READS_FILE = stat.S_IRGRP
_GROUP_READS_FOLDER = stat.S_IRGRP | stat.S_IXGRP | stat.S_ISGID  # what is made there later belongs to the group too


def use(group: str | None) -> None:
    """From now on new files are 0600 and new folders 0700; with a group 0640 and 0750."""
    os.umask(0o077 if group is None else 0o027)


def group_id(group: str) -> int:
    """The number of a group of this machine. Raises ValueError."""
    try:
        return grp.getgrnam(group).gr_gid
    except KeyError:
        raise ValueError(f"found {group!r}, which is no group of this machine; make it with groupadd") from None


class Places(NamedTuple):
    """What is closed to others: the files, and the folders with all that is in them."""

    folders: Sequence[Path] = ()
    files: Sequence[Path] = ()
    keys: Sequence[Path] = ()
    """Files that no group may read either."""


def narrow(group: str | None, places: Places, keep_open: Iterable[Path] = ()) -> None:
    """Closes to others what is there; what is absent is left out.

    A folder that holds other things too keeps its rights: the working directory, the home, one of `keep_open`, or what is
    above these. The log says so.
    """
    gid = None if group is None else group_id(group)
    busy = [Path(os.path.realpath(p)) for p in (Path(), Path(os.path.expanduser("~")), *keep_open)]
    keys = {os.path.realpath(p) for p in places.keys}
    paths = [*map(str, places.files), *keys]
    for folder in places.folders:
        real = Path(os.path.realpath(folder))
        if not real.is_dir():
            continue
        if any(p.is_relative_to(real) for p in busy) or real.stat().st_mode & stat.S_ISVTX:
            mend = "name a folder of its own in the configuration"
            log.warning("a folder holds other things too and stays open", folder=str(real), mend=mend)
            continue
        paths += [str(real), *_below(str(real))]
    changed, failed = 0, list[OSError]()
    for path in paths:
        try:
            changed += _narrow(path, None if path in keys else gid)
        except FileNotFoundError:
            continue
        except OSError as e:
            failed.append(e)
    if failed:
        first, mend = failed[0], "let the monitor's user own them, and be a member of the group"
        facts = {"files": len(failed), "first": str(first.filename), "reason": first.strerror, "mend": mend}
        log.warning("files cannot be kept private", **facts)
    if changed:
        log.info("files were closed to other users of this machine", files=changed, group=group)


def _below(folder: str) -> Iterator[str]:
    """All that is in a folder. Plain texts: a folder of mails may hold a hundred thousand."""
    for place, folders, files in os.walk(folder):
        yield from (f"{place}/{name}" for name in (*folders, *files))


def _narrow(path: str, gid: int | None) -> bool:
    """Whether a file or folder had to be changed. A symbolic link is left alone. Raises OSError."""
    seen = os.lstat(path)
    is_folder = stat.S_ISDIR(seen.st_mode)
    if not is_folder and not stat.S_ISREG(seen.st_mode):
        return False
    mode = stat.S_IMODE(seen.st_mode)
    wanted = mode & _OWNER
    if gid is not None:
        wanted |= _GROUP_READS_FOLDER if is_folder else _GROUP_READS_FILE
    if wanted == mode and gid in (None, seen.st_gid):
        return False
    # Closed first: a file that cannot be given to the group stays its owner's.
    os.chmod(path, mode & _OWNER)
    if gid is not None:
        os.chown(path, -1, gid)
        os.chmod(path, wanted)
    return True
