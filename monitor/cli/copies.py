"""The commands `backup` and `restore`: a store as one file, and back."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from monitor import age_files, plugins, private_files
from monitor import config as configuration
from monitor.age_files import BadAgeKey
from monitor.cli import output
from monitor.cli.options import CONFIG, FINE, TROUBLE, WRONG, ConfigFile, Flag
from monitor.clock import SystemClock
from monitor.config import Config
from monitor.core.text import stamp
from monitor.secret_files import BadSecret, read_secret
from monitor.stores._base import Backup, StoreUnavailable


def backup(file: Path, *, encrypt_to: Sequence[str] = (), config: ConfigFile = CONFIG) -> int:
    """An online copy of the store, while the daemon runs or not.

    Parameters
    ----------
    file: the copy, which must not exist yet.
    encrypt_to: a public key of age (age1...) or of SSH, or a file with such keys; may be given several times.
    config: the configuration file (TOML), whose store it copies.
    """
    loaded = configuration.load(config)
    private_files.use(loaded.monitor.group)
    if (module := _module(loaded, "copy")) is None:
        return WRONG
    try:
        recipients = age_files.recipients_of(encrypt_to)
    except BadAgeKey as e:
        output.problems([f"--encrypt-to: {e}"])
        return WRONG
    try:
        with output.working(f"copying to {file}"):
            module.copy(loaded.store.config, file, recipients)
    except (StoreUnavailable, BadAgeKey) as e:
        output.problems([f"{file}: {e}"])
        return TROUBLE
    private_files.narrow(loaded.monitor.group, private_files.Places(files=[file]))
    keys = "1 key" if len(recipients) == 1 else f"{len(recipients)} keys"
    sealed = f", encrypted to {keys}" if recipients else ""
    output.say(f"{file}: {file.stat().st_size:,} bytes, checked{sealed}")
    return FINE


def restore(
    file: Path,
    *,
    identity: Path | None = None,
    key_file: Path | None = None,
    check: Flag = False,
    config: ConfigFile = CONFIG,
) -> int:
    """Puts a backup in the place of the store once it is checked, and keeps what was there. The daemon must not run.

    Parameters
    ----------
    file: a copy that `monitor backup` made.
    identity: file with the identity (AGE-SECRET-KEY-...) that an encrypted copy is for.
    key_file: file with the key of the store that the copy is of, where the configuration has another one or none.
    check: only check the copy; the store stays as it is, and a daemon may run.
    config: the configuration file (TOML), whose store it replaces.
    """
    loaded = configuration.load(config)
    private_files.use(loaded.monitor.group)
    if (module := _module(loaded, "restore")) is None:
        return WRONG
    try:
        key = None if key_file is None else read_secret(None, key_file)
        with output.working(f"checking {file}"):
            wanted = Backup(file, identity, key)
            found = module.restore(loaded.store.config, wanted, None if check else SystemClock().utc())
    except (StoreUnavailable, BadSecret) as e:
        output.problems([str(e)])
        return TROUBLE
    newest = f", the newest of {stamp(found.newest)}" if found.newest is not None else ""
    output.say(f"{file}: whole, schema {found.schema}, {found.alerts:,} alerts{newest}")
    if check:
        return FINE
    path = Path(loaded.store.config.path)
    private_files.narrow(loaded.monitor.group, private_files.Places(files=[path]))
    output.say(f"{path}: restored; start the daemon")
    if found.kept is not None:
        output.say(f"{found.kept}: the store that was there before; delete it when all is well")
    return FINE


def _module(loaded: Config, wanted: str) -> Any:
    """The kind of store, where it can do that; says so where it cannot."""
    module = plugins.module("stores", loaded.store.kind)
    if hasattr(module, wanted):
        return module
    if loaded.store.kind == "postgres":
        what = "a backup is restored under a configuration of kind 'sqlite'; for PostgreSQL use pg_dump and pg_restore"
        output.problems([f"{loaded.path}: {what}"])
        return None
    output.problems([f"{loaded.path}: a store of kind {loaded.store.kind!r} lives in memory; there is no file of it"])
    return None
