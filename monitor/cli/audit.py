"""The command `audit`: who did what, as a table or a file, and what the chain of the record proves."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Annotated, Any
from urllib.parse import urlencode

import msgspec
from cyclopts import App as Commands
from cyclopts import Parameter

from monitor import config as configuration
from monitor import plugins
from monitor.audit_chain import AuditHead, AuditProof, head_of, look_through
from monitor.audit_keys import NO_KEYS, AuditKeys, keys_of, new_key, read_keys, write_private
from monitor.cli import output
from monitor.cli.daemon_at import daemon_at
from monitor.cli.options import CONFIG, FINE, TROUBLE, URL, WRONG, AsJson, ClientConfig, ConfigFile, TokenFile
from monitor.cli.tables import table_of
from monitor.client import DaemonClient, NoAnswer
from monitor.clock import SystemClock
from monitor.config import Config
from monitor.core.schema import Invalid, instant, read
from monitor.core.text import stamp
from monitor.csv_cells import safe_cell
from monitor.secret_files import BadSecret, read_secret
from monitor.stores._base import Backup, StoreUnavailable
from monitor.text_files import read_text

CsvFile = Annotated[Path | None, Parameter(name="--csv")]
COLUMNS = ("number", "at", "who", "action", "subject", "before", "after")
PAGE = 1000
WIDE = 80
"""Columns of the table."""
SHOWN = 50
"""Records of a table where nothing else is asked."""
CODES = {"proven": FINE, "broken": TROUBLE, "unproven": WRONG}

commands = Commands(name="audit", help="Who did what, and whether the record of it is whole.")


@commands.default
def listed(
    *,
    who: str | None = None,
    action: str | None = None,
    subject: str | None = None,
    since: str | None = None,
    until: str | None = None,
    limit: int | None = None,
    csv_file: CsvFile = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Who did what, the newest first: a table of 50, or all of it as CSV or JSON.

    Parameters
    ----------
    who: only what this token or person did; `signal` for reloads.
    action: only these acts; may be a glob, such as '*endpoint'.
    subject: only what was done to this group, channel, endpoint, coin or alert.
    since: how long ago (2d, 30m) or from when on (2026-01-05T10:00:00Z).
    until: how long ago or before when.
    limit: how many records.
    csv_file: writes them to this file, with what was before and after.
    url: address of the running daemon.
    token_file: file with the token of an admin, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the records as JSON, with what was before and after.
    """
    asked = {"who": who, "action": action, "subject": subject}
    asked |= {"since": _past(since, "--since"), "until": _past(until, "--until")}
    daemon = daemon_at(url, token_file, config)
    most = limit if limit is not None or csv_file is not None or as_json else SHOWN
    rows = _records(daemon, {k: v for k, v in asked.items() if v is not None}, most)
    if csv_file is not None:
        return _export(csv_file, rows)
    found = list(rows)
    output.json(found) if as_json else _table(found)
    return FINE


@commands.command
def verify(
    *,
    head: str | None = None,
    backup: Path | None = None,
    identity: Path | None = None,
    store_key_file: Path | None = None,
    key_file: Path | None = None,
    config: ConfigFile = CONFIG,
    as_json: AsJson = False,
) -> int:
    """What the chain of the audit record proves: exit code 0 all that can be, 1 something is broken, 2 nothing.

    Reads the store of a daemon that runs or not, or a backup of it, and changes neither.

    Parameters
    ----------
    head: N:DIGEST from a heartbeat or a page of the record: shows whether the end was cut off.
    backup: a copy that `monitor backup` made, instead of the store.
    identity: file with the identity (AGE-SECRET-KEY-...) that an encrypted copy is for.
    store_key_file: file with the key of the store that the copy is of, where the configuration has another one or none.
    key_file: file with the keys of the record, instead of the configured one.
    config: the configuration file (TOML), whose store it looks at.
    as_json: what is proven as JSON.
    """
    try:
        wanted = None if head is None else head_of(head)
        loaded = configuration.load(config)
        keys = _keys(loaded, key_file)
        key = None if store_key_file is None else read_secret(None, store_key_file)
        copy = None if backup is None else Backup(backup, identity, key)
        proof = _proof(loaded, keys, wanted, copy)
    except (ValueError, StoreUnavailable) as e:  # BadSecret is a ValueError
        output.problems([f"--head: {e}" if head is not None and "N:DIGEST" in str(e) else str(e)])
        return WRONG
    output.json(msgspec.to_builtins(proof)) if as_json else _findings(proof)
    return CODES[proof.result]


@commands.command(name="new-key")
def make_key(file: Path) -> int:
    """Puts a new key before those of a file: it signs from the next reload on, and the older ones still verify.

    Parameters
    ----------
    file: the file of [audit] key_file, made where there is none. Only its owner can read it.
    """
    try:
        old = read_text(file).split() if file.exists() else []
        keys_of("\n".join(old))
    except (OSError, UnicodeDecodeError) as e:
        output.problems([f"{file}: cannot be read: {e}"])
        return WRONG
    except BadSecret as e:
        output.problems([f"{file}: holds something else than audit keys, and stays as it is: {e}"])
        return WRONG
    made = new_key()
    try:
        write_private(file, "\n".join([made, *old]) + "\n")
    except OSError as e:
        output.problems([f"{file}: cannot be written: {e.strerror or e}"])
        return TROUBLE
    behind = f", {len(old)} older behind it" if old else ""
    output.say(f"{file}: key {keys_of(made).ids[0]} stands first{behind}; keep a copy where the monitor cannot write")
    return FINE


def _records(daemon: DaemonClient, asked: dict[str, str], most: int | None) -> Iterator[dict[str, Any]]:
    """The records, the newest first, page by page."""
    after, left = 0, most
    while left is None or left > 0:
        query = urlencode(
            {**asked, "order": "newest", "after": after, "limit": PAGE if left is None else min(left, PAGE)}
        )
        page = daemon.get(f"/v1/audit?{query}")
        yield from page["items"]
        left = None if left is None else left - len(page["items"])
        if page["next"] is None:
            return
        after = page["next"]


def _export(file: Path, rows: Iterator[dict[str, Any]]) -> int:
    """Whole or not at all, for its owner alone."""
    new, count = file.with_name(f"{file.name}.new"), 0
    try:
        new.unlink(missing_ok=True)
        with os.fdopen(os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", newline="") as handle:
            writer = csv.writer(handle)
            writer.writerow(COLUMNS)
            for row in rows:
                writer.writerow(_cells(row))
                count += 1
        new.replace(file)
    except OSError as e:
        output.problems([f"{file}: cannot be written: {e.strerror or e}"])
        return TROUBLE
    finally:
        new.unlink(missing_ok=True)
    output.say(f"{file}: {count:,} records")
    return FINE


def _cells(row: dict[str, Any]) -> Sequence[str]:
    changed = (msgspec.json.encode(row[name]).decode() for name in ("before", "after"))
    texts = (row["at"], row["who"], row["action"], row["subject"], *changed)
    return [str(row["cursor"]), *map(safe_cell, texts)]


def _keys(loaded: Config, key_file: Path | None) -> AuditKeys:
    """The keys to verify by. Raises BadSecret."""
    if key_file is None and loaded.audit.key_file is None and not loaded.audit_key_file.exists():
        return NO_KEYS
    return read_keys(key_file or loaded.audit_key_file)


def _proof(loaded: Config, keys: AuditKeys, head: AuditHead | None, backup: Backup | None) -> AuditProof:
    """Raises ValueError for a store without a file, StoreUnavailable."""
    module = plugins.module("stores", loaded.store.kind)
    if not hasattr(module, "audit_trail"):
        raise ValueError(
            f"{loaded.path}: a store of kind {loaded.store.kind!r} lives in memory; there is no file of it"
        )
    with output.working("looking through the audit record"), module.audit_trail(loaded.store.config, backup) as trail:
        return look_through(trail, keys, head)


def _past(text: str | None, flag: str) -> str | None:
    """A time, or how long ago. Raises NoAnswer."""
    try:
        if text is None:
            return None
        if text[:4].isdigit() and "T" in text:
            return stamp(instant(text))
        ago: timedelta = read(timedelta, text)
        return stamp(SystemClock().utc() - ago)
    except (Invalid, ValueError, OverflowError) as e:
        raise NoAnswer(f"{flag}: {e}, or a time such as 2026-01-05T10:00:00Z", is_wrong_use=True) from None


def _table(rows: Sequence[dict[str, Any]]) -> None:
    """Who did what: at most 80 columns wide. What was before and after is in the exports."""
    table = table_of("number", "at UTC", "who", "action", "subject")
    for row in rows:
        at = row["at"][:19].replace("T", " ")
        table.add_row(str(row["cursor"]), at, row["who"], row["action"], row["subject"])
    output.out.print(table, width=min(output.out.width, WIDE)) if rows else output.say("nobody did any of that")


def _findings(proof: AuditProof) -> None:
    """What a look at the audit record proves, and what it cannot."""
    words = {"proven": "[green]proven[/]   ", "broken": "[bold red]broken[/]   ", "unproven": "[yellow]not known[/]"}
    for finding in proof.findings:
        output.out.print(f"{words[finding.kind]} {output.shown(finding.text)}", soft_wrap=True)
    output.say(f"{proof.records:,} records; the last one is {proof.head}")
