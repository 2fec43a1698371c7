"""One daemon a store, by whatever path: the lock is on the file itself, not on one of its names.

The descriptor that holds it is opened before SQLite and closed after it. Nothing else in the process opens the store: POSIX
drops all locks of a process on a file, SQLite's too, as soon as the process closes any descriptor of it (decision 75).
"""

from __future__ import annotations

import fcntl
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from monitor.stores._base import StoreRefused
from monitor.telemetry import log

MOUNTS = Path("/proc/self/mountinfo")
LOCKS = Path("/proc/locks")
_HELD: set[tuple[int, int]] = set()
"""The files that this process holds: a second attempt must not even open one."""
_NETWORK = {
    "9p",
    "afs",
    "ceph",
    "cifs",
    "gfs2",
    "glusterfs",
    "lustre",
    "ncpfs",
    "nfs",
    "nfs4",
    "ocfs2",
    "smb3",
    "smbfs",
}
_NETWORK_FUSE = {"ceph", "davfs", "gcsfuse", "glusterfs", "goofys", "juicefs", "rclone", "s3fs", "smbnetfs", "sshfs"}
"""Of FUSE, what is known to be another machine's. Others, such as an encrypted local folder, keep locks and memory."""


def real(path: Path) -> Path:
    """The file's own place, whatever symbolic links lead there: SQLite keeps its log beside that place too."""
    return Path(os.path.realpath(path))


@contextmanager
def claimed(path: Path) -> Iterator[None]:
    """Holds the lock file beside the store. Raises StoreRefused where another monitor does.

    It keeps two daemons from making one store at once, when there is no file yet that could be locked.
    """
    # The lock file is never deleted: a third daemon could lock the new one while a second holds the deleted one.
    lock = os.open(f"{path}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(lock, 32, 0).decode(errors="replace").strip() or "unknown"
            raise StoreRefused(f"store {path} is in use by another monitor, process {holder}") from None
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(lock)


@contextmanager
def held(path: Path, *, is_local: bool) -> Iterator[int]:
    """Holds the store's file itself; gives a descriptor of it to read by. Raises StoreRefused where another monitor does.

    A network file system makes of this lock one that SQLite's own would break: there the lock file alone counts.
    """
    seen = os.stat(path)
    id = seen.st_dev, seen.st_ino
    if id in _HELD:
        raise StoreRefused(f"store {path} is in use by this monitor, process {os.getpid()}, under another name")
    file = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        try:
            if is_local:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = _holder(seen) or "unknown"
            what = f"store {path} is in use by another monitor, process {holder}, perhaps under another name"
            raise StoreRefused(f"{what}: stop it first") from None
        _warn_of_links(path, seen)
        _HELD.add(id)
        try:
            yield file
        finally:
            _HELD.discard(id)
    finally:
        os.close(file)


def _warn_of_links(path: Path, seen: os.stat_result) -> None:
    """SQLite keeps the log beside the name by which a file was opened: under another name its newest commits are missing."""
    if stat.S_ISREG(seen.st_mode) and seen.st_nlink > 1:
        mend = "remove all but one: under another name the newest commits are missing after a kill"
        log.warning("the store's file has several names (hard links)", path=str(path), names=seen.st_nlink, mend=mend)


def _holder(seen: os.stat_result) -> str | None:
    """The process that holds a file's lock, as the kernel lists it."""
    place = f"{os.major(seen.st_dev):02x}:{os.minor(seen.st_dev):02x}:{seen.st_ino}"
    with suppress(OSError):
        for line in LOCKS.read_text().splitlines():
            words = line.split()
            if "FLOCK" in words and place in words:
                return words[words.index(place) - 1]
    return None


def network_kind(folder: Path) -> str | None:
    """The kind of the network file system that a folder is on; None where it is on none, or nothing says so."""
    with suppress(OSError):
        kind = file_system(folder, MOUNTS.read_text(errors="surrogateescape"))
        return kind if is_network(kind) else None
    return None


def is_network(kind: str) -> bool:
    """The kind of a file system is one that other machines serve."""
    family, _, name = kind.partition(".")
    return kind in _NETWORK or (family in ("fuse", "fuseblk") and name in _NETWORK_FUSE)


def file_system(folder: Path, mounts: str) -> str:
    """The kind of file system that a folder is on, of the text of /proc/self/mountinfo; empty where nothing says so."""
    found, longest = "", -1
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        fields, kind = left.split(" "), right.split(" ")[0]
        if len(fields) < 5:
            continue
        place = Path(re.sub(r"\\([0-7]{3})", lambda code: chr(int(code[1], 8)), fields[4]))
        # Of two mounts in one place the later one is seen.
        if folder.is_relative_to(place) and len(place.parts) >= longest:
            found, longest = kind, len(place.parts)
    return found
