"""One daemon a store, by whatever path it is named, and on a disk of this machine."""

from __future__ import annotations

import contextlib
import logging
import os
import sqlite3
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import structlog

from monitor.stores import sqlite
from monitor.stores._base import StoreRefused, Subscription
from monitor.stores.sqlite import lock
from tests.stores.examples import AT, alert, say

OPENER = """
import asyncio, sys
from monitor.stores import sqlite
from monitor.stores._base import StoreUnavailable
for path in sys.argv[1:]:
    try:
        asyncio.run(sqlite.build(sqlite.Config(path=path)).open())
        print("opened", path)
    except StoreUnavailable as e:
        print(e)
"""


def built(path: Path, *, allow_network_fs: bool = False) -> sqlite.SqliteStore:
    return sqlite.build(sqlite.Config(path=str(path), allow_network_fs=allow_network_fs))


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[sqlite.SqliteStore]:
    (tmp_path / "var").mkdir()
    store = built(tmp_path / "var/monitor.db")
    await store.open()
    yield store
    await store.close()


def others(tmp_path: Path, *paths: str, before: str = "") -> list[str]:
    """What another process hears that opens the store by each path; `before` runs in a mount namespace of its own."""
    command = [sys.executable, "-c", OPENER, *paths]
    if before:
        command = ["unshare", "-m", "sh", "-c", f'{before} && exec "$@"', "sh", *command]
    env = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return [line for line in done.stdout.splitlines() if "store" in line]


def kernel_locks(path: Path, kind: str = "POSIX") -> int:
    """How many locks of a kind this process has on the file, as the kernel lists them; SQLite's are POSIX."""
    inode = f":{path.stat().st_ino}"
    lines = [line.split() for line in Path("/proc/locks").read_text().splitlines()]
    return sum(kind in words and str(os.getpid()) in words and any(w.endswith(inode) for w in words) for words in lines)


async def test_another_process_is_refused_by_whatever_path(store: sqlite.SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "by-symlink.db").symlink_to("var/monitor.db")
    (tmp_path / "folder").symlink_to("var")
    os.link(store.path, tmp_path / "by-hard-link.db")
    paths = ("by-symlink.db", "folder/monitor.db", "var/../var/monitor.db", "by-hard-link.db", str(store.path))
    heard = others(tmp_path, *paths)
    assert len(heard) == len(paths)
    assert all(f"in use by another monitor, process {os.getpid()}" in line for line in heard), heard
    assert (await store.commit(say(alert()))).cursor == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount")
async def test_another_process_is_refused_through_a_bind_mount(store: sqlite.SqliteStore, tmp_path: Path) -> None:
    (tmp_path / "bound").mkdir()
    (tmp_path / "bound.db").touch()
    mounts = "mount --bind var bound && mount --bind var/monitor.db bound.db"
    heard = others(tmp_path, "bound/monitor.db", "bound.db", before=mounts)
    assert [f"process {os.getpid()}" in line for line in heard] == [True, True], heard


async def test_an_older_lock_file_alone_counts_too(tmp_path: Path) -> None:
    """A daemon of an earlier version locks the file beside the store, and no other."""
    with lock.claimed(tmp_path / "monitor.db"), pytest.raises(StoreRefused, match="in use by another monitor"):
        await built(tmp_path / "monitor.db").open()


async def test_nothing_that_a_daemon_does_drops_the_locks_of_sqlite(store: sqlite.SqliteStore, tmp_path: Path) -> None:
    os.link(store.path, tmp_path / "again.db")
    assert (locks := kernel_locks(store.path)) > 0
    with pytest.raises(StoreRefused, match="under another name"):
        await built(tmp_path / "again.db").open()
    await store.backup(tmp_path / "copy.db")
    await store.keep_subscription(Subscription("mine", "https://example.com/", (), AT))
    await store.probe()
    await store.checkpoint()
    assert kernel_locks(store.path) == locks


async def test_several_names_are_warned_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    level = structlog.make_filtering_bound_logger(logging.INFO)
    monkeypatch.setattr(lock, "log", structlog.wrap_logger(structlog.PrintLogger(), wrapper_class=level))
    with structlog.testing.capture_logs() as lines:
        store = built(tmp_path / "monitor.db")
        await store.open()
        await store.close()
        assert not [line for line in lines if "names" in line]
        os.link(store.path, tmp_path / "again.db")
        await store.open()
        await store.close()
    assert [line["names"] for line in lines if "names" in line] == [2]


MOUNTS = """\
22 27 0:21 / /proc rw,relatime - proc proc rw
27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
40 27 0:50 / /srv rw,relatime - nfs4 files:/srv rw,vers=4.2
41 40 0:51 / /srv/local rw,relatime - xfs /dev/sdb rw
42 27 0:52 / /home/a\\040desk rw,relatime - fuse.sshfs desk@host:/ rw
43 27 0:53 / /mnt rw,relatime - ext4 /dev/sdc rw
44 27 0:54 / /mnt rw,relatime - cifs //host/share rw
45 27 0:55 / /crypt rw,relatime - fuse.gocryptfs /crypt.d rw
"""


@pytest.mark.parametrize(
    ("folder", "kind", "is_network"),
    [
        ("/srv/desk", "nfs4", True),
        ("/srv", "nfs4", True),
        ("/srv/local/desk", "xfs", False),
        ("/srvx", "ext4", False),
        ("/home/a desk/var", "fuse.sshfs", True),
        ("/mnt/x", "cifs", True),
        ("/crypt/x", "fuse.gocryptfs", False),
        ("/var/lib", "ext4", False),
    ],
)
def test_the_file_system_of_a_folder_is_known(folder: str, kind: str, is_network: bool) -> None:
    found = lock.file_system(Path(folder), MOUNTS)
    assert (found, lock.is_network(found)) == (kind, is_network)


async def test_a_network_file_system_is_refused_unless_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(f"{MOUNTS}99 27 0:99 / {tmp_path} rw - nfs files:/ rw\n")
    monkeypatch.setattr(lock, "MOUNTS", mounts)
    with pytest.raises(StoreRefused, match=r"network file system \(nfs\).*allow_network_fs = true"):
        await built(tmp_path / "var/monitor.db").open()
    assert not (tmp_path / "var/monitor.db").exists()
    store = built(tmp_path / "var/monitor.db", allow_network_fs=True)
    await store.open()
    with pytest.raises(StoreRefused, match="in use"):
        await built(tmp_path / "var/monitor.db", allow_network_fs=True).open()
    # There a lock on the file would be one of POSIX, which SQLite's own would break, and in the way of every reader.
    assert kernel_locks(store.path, "FLOCK") == 0
    with contextlib.closing(sqlite3.connect(f"file:{store.path}?mode=ro", uri=True)) as db:
        assert db.execute("SELECT count(*) FROM alerts").fetchone() == (0,)
    await store.close()
