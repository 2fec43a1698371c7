"""The command `import`: a desk's own table, from a file to groups of a running daemon."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlencode

from cyclopts import Parameter

from monitor.cli import import_tables, output
from monitor.cli.daemon_at import daemon_at
from monitor.cli.options import FINE, TROUBLE, URL, WRONG, AsJson, ClientConfig, Flag, TokenFile
from monitor.client import DaemonClient

PATIENCE_S = 300.0
"""A file of 100,000 rows takes half a minute of one core; a busy machine has less than one."""
_Map = Annotated[Sequence[str], Parameter(name="--map")]
_Set = Annotated[Sequence[str], Parameter(name="--set")]


def import_(
    file: Path | None = None,
    *,
    dry_run: Flag = False,
    name: str | None = None,
    columns: _Map = (),
    constants: _Set = (),
    sheet: Sequence[str] = (),
    decimal: Literal["point", "comma"] | None = None,
    dates: Literal["dmy", "mdy"] | None = None,
    encoding: str | None = None,
    close_missing: Flag = False,
    yes: Flag = False,
    template: Path | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Takes a desk's own table (.xlsx or CSV) into the running daemon: all of it or nothing; a repeat changes what changed.

    Parameters
    ----------
    file: the table.
    dry_run: show how each group would stand, and change nothing.
    name: the name of the import, by default that of the file; its groups belong to `import:NAME`.
    columns: what a column holds, such as 'Ccy=loan_coin', 'Sheet1!C=principal' or 'Notes=ignore'; may be given several times.
    constants: the same for all rows, such as product=vip_loan or loan_coin=USDT.
    sheet: only this sheet, a hidden one too; may be given several times.
    decimal: the decimal mark, where no number of the file says.
    dates: day or month first, where no date of the file says.
    encoding: the code page of a CSV file that is not UTF-8, such as cp1250.
    close_missing: close the groups of this import that the file does not name.
    yes: ask nothing.
    template: write a table to start from (.xlsx or .csv), and do nothing else.
    url: address of the running daemon.
    token_file: file with the token of an admin, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/import.
    """
    if template is not None:
        return _template(template)
    if file is None:
        output.problems(["name a file: monitor import loans.xlsx; or begin with monitor import --template loans.xlsx"])
        return WRONG
    if (raw := _content(file)) is None:
        return WRONG
    stated = _stated(name, decimal, dates, encoding)
    asked = [("file", file.name), *((key, value) for key, value in stated if value is not None)]
    for key, texts in (("map", columns), ("set", constants), ("sheet", sheet)):
        asked += [(key, text) for text in texts]
    asked += [("close_missing", "true")] if close_missing else []
    ask = partial(_asked, daemon_at(url, token_file, config), asked, file, raw)
    if sys.stdin.isatty() and not (dry_run or yes or as_json):
        return _after_a_look(ask, close_missing=close_missing)
    answer = ask(is_dry=dry_run)
    output.json(answer) if as_json else import_tables.answer(answer)
    return FINE if _is_fine(answer, is_dry=dry_run) else TROUBLE


def _content(file: Path) -> bytes | None:
    """None, and the reason is said, where it cannot be read."""
    try:
        return file.read_bytes()
    except OSError as e:
        output.problems([f"{file}: cannot be read: {e.strerror}"])
        return None


def _is_fine(answer: dict[str, Any], *, is_dry: bool) -> bool:
    """It was taken, or would be."""
    return bool(answer["taken"]) or (is_dry and not answer["questions"] and not answer["refused"])


def _after_a_look(ask: Callable[..., dict[str, Any]], *, close_missing: bool) -> int:
    """Shows a person the rows, and takes them where that is wanted."""
    answer = ask(is_dry=True)
    import_tables.answer(answer)
    if answer["questions"] or answer["refused"]:
        return TROUBLE
    if _agrees(answer, close_missing=close_missing):
        answer = ask(is_dry=False)
        import_tables.summary(answer)
        return FINE if answer["taken"] else TROUBLE
    return FINE


def _stated(
    name: str | None, decimal: str | None, dates: str | None, encoding: str | None
) -> list[tuple[str, str | None]]:
    return [("name", name), ("decimal", decimal), ("dates", dates), ("encoding", encoding)]


def _asked(
    daemon: DaemonClient, query: list[tuple[str, str]], file: Path, raw: bytes, *, is_dry: bool
) -> dict[str, Any]:
    """The daemon's answer, with a bar on stderr while it takes its time."""
    query = [*query, ("dry_run", "true")] if is_dry else query
    with output.sending(file.name, len(raw)) as sent:
        found: dict[str, Any] = daemon.post_file(f"/v1/import?{urlencode(query)}", raw, sent, PATIENCE_S)
    return found


def _agrees(answer: dict[str, Any], *, close_missing: bool) -> bool:
    """A person has seen the rows and wants them."""
    counts = answer["counts"]
    gone = counts["missing"] if close_missing else 0
    if not counts["new"] and not counts["changed"] and not gone:
        return False
    closes = f", close {gone}" if gone else ""
    question = f"take {counts['new']} new and {counts['changed']} changed groups{closes}? [y/N] "
    return input(question).strip().casefold() in ("y", "yes")


def _template(path: Path) -> int:
    from monitor.imports.template import write_template  # imported late: `monitor --help` need not load openpyxl

    if path.exists():
        output.problems([f"{path}: is there already; name another file"])
        return WRONG
    try:
        write_template(path)
    except OSError as e:
        output.problems([f"{path}: cannot be written: {e.strerror}"])
        return WRONG
    output.say(f"{path}: fill it in, then: monitor import {path} --dry-run")
    return FINE
