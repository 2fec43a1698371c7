"""The command `store`: moves a desk from a file to a database, and ends an upgrade of the database."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App as Commands
from cyclopts import Parameter

from monitor import config as configuration
from monitor import plugins
from monitor.cli import output
from monitor.cli.options import CONFIG, FINE, TROUBLE, WRONG, AsJson, ConfigFile, Flag
from monitor.cli.tables import table_of
from monitor.config import Config
from monitor.stores._base import StoreUnavailable

Source = Annotated[Literal["sqlite"], Parameter(name="--from")]
Target = Annotated[Literal["postgres"], Parameter(name="--to")]

commands = Commands(name="store", help="Moves a desk to a database, and ends an upgrade of the database.")


@commands.command
def copy(
    *,
    from_: Source,
    to: Target,
    path: Path = Path("var/monitor.db"),
    key_file: Path | None = None,
    config: ConfigFile = CONFIG,
    as_json: AsJson = False,
) -> int:
    """Moves a desk: every row of a store's file into an empty database, compared one by one, all of them or none.

    The daemon must not run. The file stays as it is.

    Parameters
    ----------
    from_: the kind of store that the desk is in.
    to: the kind of store that it moves to.
    path: the file of the store that the desk is in.
    key_file: file with the key of that store, where it is encrypted.
    config: the configuration file (TOML), whose store is the new one.
    as_json: the rows of each table as JSON.
    """
    loaded = _of_database(config)
    if loaded is None:
        return WRONG
    sqlite = plugins.module("stores", from_)
    from monitor.stores.postgres import arrivals  # imported late: `monitor --help` need not load the stores

    try:
        source = sqlite.Config(path=str(path), key_file=key_file)
        with ExitStack() as shown:

            def counting(rows: int) -> Callable[[], None]:
                return shown.enter_context(output.counting(f"copying {path}", rows))

            counts = arrivals.take(loaded.store.config, source, counting)
    except (StoreUnavailable, ValueError) as e:
        output.problems([str(e)])
        return TROUBLE
    place = loaded.store.config.place
    if as_json:
        output.json({"from": str(path), "to": place, "rows": sum(counts.values()), "tables": counts})
        return FINE
    table = table_of("table", "rows")
    for name, count in counts.items():
        if count:
            table.add_row(name, f"{count:,}")
    output.out.print(table)
    output.say(f"{place}: {sum(counts.values()):,} rows of {path}, each compared; start the daemon")
    output.say(f"The keys of the audit record and of links stay in {loaded.state_dir}; {path} may go when all is well.")
    return FINE


@commands.command
def upgrade(*, finish: Flag = False, config: ConfigFile = CONFIG, as_json: AsJson = False) -> int:
    """Says which versions may share the database, and shuts older ones out once all daemons are new.

    Parameters
    ----------
    finish: no older daemon runs or will run: takes away what only it used.
    config: the configuration file (TOML), whose store is meant.
    as_json: the answer as JSON.
    """
    loaded = _of_database(config)
    if loaded is None:
        return WRONG
    from monitor.stores.postgres import schema  # imported late: `monitor --help` need not load the stores

    try:
        found = asyncio.run(schema.upgrade(loaded.store.config, finish=finish))
    except StoreUnavailable as e:
        output.problems([str(e)])
        return TROUBLE
    place = loaded.store.config.place
    if as_json:
        output.json({"store": place, **found._asdict()})
    elif found.finished >= found.grown:
        output.say(f"{place}: schema {found.grown}; no upgrade is under way")
    else:
        text = f"schema {found.grown}, and daemons of schema {found.finished} may still use it"
        output.say(f"{place}: {text}; once all are new, run `monitor store upgrade --finish`")
    return FINE


def _of_database(path: Path) -> Config | None:
    loaded = configuration.load(path)
    if loaded.store.kind == "postgres":
        return loaded
    text = f'found [store] kind = "{loaded.store.kind}", expected "postgres": name the configuration of the database'
    output.problems([f"{path}: {text}"])
    return None
