"""The audit record in a file: signed from the first act on, whatever kills, older schemas, backups and other hands do."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import sys
from pathlib import Path

import msgspec
import pytest

from monitor.audit_chain import AuditHead, AuditProof, look_through
from monitor.audit_keys import AuditKeys, keys_of, new_key
from monitor.core.instants import micros_of
from monitor.stores import sqlite
from monitor.stores._base import Audit, Backup, Change, StoreUnavailable, Subscription, Switched
from monitor.stores.sqlite import file
from monitor.stores.sqlite.engine import has_cipher
from tests.effort import examples, more_in_a_soak
from tests.faults.house import environment
from tests.stores.examples import AT, MINUTE

KEYS = keys_of(new_key())


def record(n: int) -> Audit:
    return Audit(AT + n * MINUTE, "ops", "put group", f"G-{n}", None, n)


def config_of(path: Path, **more: object) -> sqlite.Config:
    return sqlite.Config(path=str(path), **more)  # type: ignore[arg-type]


async def opened(path: Path, keys: AuditKeys = KEYS, **more: object) -> sqlite.SqliteStore:
    store = sqlite.build(config_of(path, **more))
    store.sign_audits(keys)
    await store.open()
    return store


def proof_of(
    path: Path, keys: AuditKeys = KEYS, head: AuditHead | None = None, backup: Backup | None = None, **more: object
) -> AuditProof:
    with sqlite.audit_trail(config_of(path, **more), backup) as trail:
        return look_through(trail, keys, head)


def changed(path: Path, *statements: str) -> None:
    """Somebody writes into the file of a daemon that does not run."""
    with contextlib.closing(sqlite3.connect(path)) as db:
        for statement in statements:
            db.execute(statement)
        db.commit()


async def test_a_store_that_runs_or_not_is_read_and_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    store = await opened(path)
    await store.commit(Change(AT, audits=(record(1), record(2))))
    head = await store.audit_head()
    assert proof_of(path, head=head).result == "proven"
    await store.commit(Change(AT, audits=(record(3),)))
    assert proof_of(path, head=head).signed == 3
    await store.close()
    assert proof_of(path, head=head).result == "proven"


@pytest.mark.parametrize(
    ("statement", "word"),
    [
        ("UPDATE audits SET body = replace(CAST(body AS TEXT), 'ops', 'eve') WHERE number = 2", "record 2 is not what"),
        ("DELETE FROM audits WHERE number = 2", "record 2 is missing"),
        ("DELETE FROM audits WHERE number > 2", "those after 2 are gone"),
        ("UPDATE audits SET key = '', mac = x'' WHERE number = 3", "record 3 is not signed"),
        ("DELETE FROM audit_marks", "the mark where signing began is gone"),
        ("UPDATE audit_marks SET number = 2", "the mark where signing began is not what key"),
        ("UPDATE audits SET subject = 'G-9' WHERE number = 2", "found by another time or subject"),
    ],
)
async def test_who_writes_into_the_file_is_found_out(statement: str, word: str, tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    store = await opened(path)
    await store.commit(Change(AT, audits=(record(1), record(2), record(3))))
    await store.close()
    changed(path, statement)
    proof = proof_of(path)
    assert proof.result == "broken"
    assert word in str(proof.findings)


async def test_a_daemon_that_goes_on_behind_a_cut_does_not_hide_it(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    store = await opened(path)
    await store.commit(Change(AT, audits=tuple(map(record, range(1, 6)))))
    await store.close()
    changed(path, "DELETE FROM audits WHERE number > 3")
    store = await opened(path)
    await store.commit(Change(AT, audits=(record(6),)))
    await store.close()
    assert "records 4 to 5 are missing" in str(proof_of(path).findings)


async def test_records_of_an_older_schema_are_from_before_the_chain(tmp_path: Path) -> None:
    """The file itself, and what the monitor of now adds to it."""
    path = tmp_path / "monitor.db"
    with contextlib.closing(sqlite3.connect(path)) as db:
        db.executescript("; ".join(file.MIGRATIONS[:9]))
        db.executescript(f"PRAGMA application_id = {file.APPLICATION_ID}; PRAGMA user_version = 9;")
        for number in (3, 4, 7):  # what was pruned before left gaps
            row = (number, micros_of(record(1).at), msgspec.json.encode(record(1)))
            db.execute("INSERT INTO audits VALUES (?, ?, ?, 'G-1')", row)
        db.commit()
    old = proof_of(path)
    assert (old.result, old.records, old.before_the_chain) == ("unproven", 3, 3)
    assert "the file is from before the chain" in str(old.findings)
    store = await opened(path)
    await store.commit(Change(AT, audits=(record(1),)))
    assert [n for n, _ in await store.audits(0, 10)] == [3, 4, 7, 8]
    await store.close()
    proof = proof_of(path)
    assert (proof.result, proof.before_the_chain, proof.signed) == ("proven", 3, 1), proof
    assert "3 records are from before the chain" in str(proof.findings)
    changed(path, "UPDATE audits SET body = replace(CAST(body AS TEXT), 'ops', 'eve') WHERE number = 4")
    assert proof_of(path).result == "broken", "the chain covers them from then on"


async def test_a_backup_is_looked_through_and_a_restored_store_goes_on(tmp_path: Path) -> None:
    path, copy = tmp_path / "monitor.db", tmp_path / "copy.db"
    store = await opened(path)
    await store.commit(Change(AT, audits=(record(1), record(2))))
    await store.backup(copy)
    await store.commit(Change(AT, audits=(record(3),)))
    head = await store.audit_head()
    await store.close()
    assert proof_of(path, backup=Backup(copy)).signed == 2
    assert "cut off" in str(proof_of(path, head=head, backup=Backup(copy)).findings), "a backup is older than the head"
    sqlite.restore(config_of(path), Backup(copy), AT)
    store = await opened(path)
    await store.commit(Change(AT, audits=(record(4),)))
    await store.close()
    assert (proof_of(path).result, proof_of(path).signed) == ("proven", 3)
    with pytest.raises(StoreUnavailable, match="is not a file"):
        proof_of(path, backup=Backup(tmp_path / "none.db"))
    with pytest.raises(StoreUnavailable, match="is not there"):
        proof_of(tmp_path / "none.db")


@pytest.mark.skipif(not has_cipher(), reason="SQLCipher is not installed")
async def test_an_encrypted_store_is_looked_through_with_its_key(tmp_path: Path) -> None:
    path = tmp_path / "monitor.db"
    store = await opened(path, key="a secret")
    await store.commit(Change(AT, audits=(record(1),)))
    await store.close()
    assert proof_of(path, key="a secret").result == "proven"


# An act and its record


async def acts(path: str, key: str) -> None:
    """Does what people do, one act after the other, until a test kills it."""
    store = await opened(Path(path), keys_of(key))
    for n in range(10**6):
        os.write(1, b".")
        name = f"mine-{n}"
        await store.keep_subscription(Subscription(name, "https://example.com/", (), AT), record(n))
        await store.switch_off(Switched(name, AT, "because", ""), record(n))


@more_in_a_soak
async def test_a_kill_leaves_no_act_without_its_record_and_no_record_without_its_act(tmp_path: Path) -> None:
    path, key = tmp_path / "monitor.db", new_key()
    for kill in [{"MONITOR_CRASH_AT": "before audit:4"}, *[{}] * examples(0, 20)]:
        command = [sys.executable, "-m", "tests.stores.test_audits", str(path), key]
        child = await asyncio.create_subprocess_exec(
            *command, env=environment(kill), stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL
        )
        assert child.stdout is not None
        if not kill:
            await child.stdout.readexactly(20)
            child.send_signal(signal.SIGKILL)
        assert await child.wait() == -signal.SIGKILL
        with contextlib.closing(sqlite3.connect(path)) as db:
            (kept,) = db.execute(
                "SELECT (SELECT count(*) FROM subscriptions) + (SELECT count(*) FROM switched)"
            ).fetchone()
            (records,) = db.execute("SELECT count(*) FROM audits").fetchone()
            assert kept == records
            for table in ("subscriptions", "switched", "audits", "audit_marks"):
                db.execute(f"DELETE FROM {table}")
            db.execute("DELETE FROM sqlite_sequence")
            db.commit()


if __name__ == "__main__":
    asyncio.run(acts(*sys.argv[1:3]))
