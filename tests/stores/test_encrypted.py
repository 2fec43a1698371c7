"""A store that is encrypted at rest: nothing of it can be read without the key, and it works as any other."""

# ruff: noqa: ASYNC240  a test may look at its own files

from __future__ import annotations

import importlib.util
import secrets
import sqlite3
from pathlib import Path

import pytest

from monitor.core.schema import Invalid, read
from monitor.stores import sqlite
from monitor.stores._base import AlertFilter, StoreRefused
from monitor.stores.sqlite import Config
from tests.stores import committer
from tests.stores.examples import TRIGGERED, alert, say
from tests.stores.test_restore import restored

HAS_CIPHER = importlib.util.find_spec("sqlcipher3") is not None
needs_cipher = pytest.mark.skipif(
    not HAS_CIPHER, reason="sqlcipher3 is not installed: pip install 'loan-monitor[encryption]'"
)
KEY = "correct horse \"battery' staple"
RAW, OTHER = secrets.token_hex(32), secrets.token_hex(32)
SHOWS = (b"SQLite format", b"CREATE TABLE", b"receiving_account", b"loan_group")
"""What a file shows that anybody can read, too long to stand in random bytes by chance."""


async def written(config: Config, id_: str = "G-1") -> None:
    store = sqlite.build(config)
    await store.open()
    await store.commit(say(alert(TRIGGERED, id_)))
    await store.close()


async def groups(config: Config) -> list[str]:
    store = sqlite.build(config)
    await store.open()
    found = await store.alerts(AlertFilter())
    await store.close()
    return [logged.alert.subject for logged in found]


def _files(folder: Path) -> bytes:
    files = (p for p in folder.iterdir() if p.is_file() and not p.name.endswith(("-shm", ".lock")))
    return b"".join(p.read_bytes() for p in files)


@needs_cipher
@pytest.mark.parametrize("key", [KEY, RAW], ids=["a passphrase", "a raw key"])
async def test_nothing_of_the_file_can_be_read_without_the_key(tmp_path: Path, key: str) -> None:
    config = Config(path=str(tmp_path / "monitor.db"), key=key)
    store = sqlite.build(config)
    await store.open()
    await store.commit(committer.change(1))
    raw = _files(tmp_path)
    assert len(raw) > 8192
    assert [text for text in SHOWS if text in raw] == []
    await store.close()
    plain = sqlite.build(Config(path=str(tmp_path / "plain" / "monitor.db")))
    await plain.open()
    await plain.commit(committer.change(1))
    assert [text for text in SHOWS if text not in _files(tmp_path / "plain")] == []
    await plain.close()
    reopened = sqlite.build(config)
    assert await committer.check(reopened, 1) == 1
    await reopened.close()
    assert sqlite.damage(config) is None
    assert key not in repr(config)


@needs_cipher
async def test_a_wrong_key_says_so_and_changes_nothing(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "monitor.db"
    await written(Config(path=str(path), key=RAW))
    before = path.read_bytes()
    for wrong in (OTHER, RAW[:-1]):
        with pytest.raises(
            StoreRefused, match="does not open with the key that was given: it was made with another key"
        ):
            await sqlite.build(Config(path=str(path), key=wrong)).open()
    with pytest.raises(StoreRefused, match="or state key_file if it is encrypted"):
        await sqlite.build(Config(path=str(path))).open()
    assert path.read_bytes() == before
    assert "ERROR" not in capfd.readouterr().err, "the library's own words stay away"
    assert await groups(Config(path=str(path), key=RAW)) == ["G-1"]


@needs_cipher
async def test_its_backup_stays_encrypted_and_restores_with_the_key_alone(tmp_path: Path) -> None:
    config = Config(path=str(tmp_path / "monitor.db"), key=RAW)
    await written(config)
    backup = tmp_path / "copy.db"
    sqlite.copy(config, backup)
    assert not backup.read_bytes().startswith(b"SQLite")
    with pytest.raises(StoreRefused, match="made with another key"):
        restored(Config(path=str(tmp_path / "b.db"), key=OTHER), backup)
    with pytest.raises(StoreRefused, match="is damaged, no store, or encrypted"):
        restored(Config(path=str(tmp_path / "b.db")), backup)
    assert not (tmp_path / "b.db").exists()
    restored(Config(path=str(tmp_path / "b.db"), key=RAW), backup)
    assert await groups(Config(path=str(tmp_path / "b.db"), key=RAW)) == ["G-1"]


@needs_cipher
async def test_a_store_becomes_encrypted_by_a_backup_that_is_restored_with_a_key(tmp_path: Path) -> None:
    plain = Config(path=str(tmp_path / "monitor.db"))
    await written(plain, "G-5")
    await written(plain, "G-6")
    sqlite.copy(plain, tmp_path / "copy.db")
    config = Config(path=plain.path, key=RAW)
    with pytest.raises(StoreRefused, match="is not encrypted, and the configuration has a key: make a backup"):
        await sqlite.build(config).open()
    found = restored(config, tmp_path / "copy.db")
    assert found.alerts == 2
    file = (tmp_path / "monitor.db").read_bytes()
    assert [text for text in SHOWS if text in file] == []
    assert await groups(config) == ["G-5", "G-6"]
    await written(config, "G-7")
    assert await groups(config) == ["G-5", "G-6", "G-7"]
    store = sqlite.build(config)
    assert (await store.open()).cursor == 3, "no cursor is used twice"
    await store.close()
    assert await groups(Config(path=str(found.kept))) == ["G-5", "G-6"]


@needs_cipher
async def test_the_key_changes_and_goes_by_a_restore(tmp_path: Path) -> None:
    config = Config(path=str(tmp_path / "monitor.db"), key=RAW)
    await written(config)
    sqlite.copy(config, tmp_path / "copy.db")
    other = Config(path=config.path, key=OTHER)
    with pytest.raises(StoreRefused, match="does not open with the key"):
        restored(other, tmp_path / "copy.db", key=OTHER)
    restored(other, tmp_path / "copy.db", key=RAW)
    assert await groups(other) == ["G-1"]
    plain = Config(path=str(tmp_path / "plain.db"))
    restored(plain, tmp_path / "copy.db", key=RAW)
    assert await groups(plain) == ["G-1"]
    assert [p.name for p in tmp_path.iterdir() if "restoring" in p.name] == []


@needs_cipher
async def test_a_damaged_file_is_found(tmp_path: Path) -> None:
    config = Config(path=str(tmp_path / "monitor.db"), key=RAW)
    await written(config)
    backup = tmp_path / "copy.db"
    sqlite.copy(config, backup)
    with backup.open("r+b") as f:
        f.seek(6 * 4096 + 100)
        f.write(b"x")
    with pytest.raises(StoreRefused, match="is damaged"):
        restored(Config(path=str(tmp_path / "b.db"), key=RAW), backup)


def test_a_key_without_the_library_is_refused_with_the_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite, "has_cipher", lambda: False)
    with pytest.raises(Invalid, match=r"key_file: needs SQLCipher.*pip install 'loan-monitor\[encryption\]'"):
        read(Config, {"key_file": "k"}, "store", tmp_path)
    with pytest.raises(Invalid, match='state either "key_file" or "key"'):
        read(Config, {"key_file": "k", "key": "x"}, "store", tmp_path)


def test_a_store_without_a_key_is_one_of_sqlite(tmp_path: Path) -> None:
    engine = Config(path=str(tmp_path / "x.db")).engine()
    assert not engine.is_encrypted
    assert engine.version == sqlite3.sqlite_version_info
