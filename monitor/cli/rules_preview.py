"""`check-config --against running`: what a reload with a configuration would do to the book of the daemon that runs."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any

from monitor.cli import output
from monitor.cli.daemon_at import address_of
from monitor.cli.figures import line_level, ltv, usd, worded
from monitor.cli.options import FINE, TROUBLE
from monitor.cli.tables import figure, table_of
from monitor.client import DaemonClient, NoAnswer
from monitor.config import Config
from monitor.notifiers._stage_words import LINES
from monitor.secret_files import BadSecret, read_secret
from monitor.text_files import read_text
from monitor.web.auth import ADMIN, MAY

ASK_S = 120.0
"""A million groups take seconds; others may have their turn at the whole book first."""
ALL = 10_000
"""Groups that --json lists: as many as the daemon gives at once."""
SHOWN = 20


def against_running(config: Config, url: str | None, token_file: Path | None, *, as_json: bool) -> int:
    """Asks the daemon and shows its answer: 0 where a reload would be taken, 1 where not. Raises NoAnswer."""
    daemon = DaemonClient(url or address_of(config), token_file)
    secret = None if token_file is not None or url is not None else admin_secret(config)
    body = {**_posted(config), "limit": ALL if as_json else SHOWN}
    answer = daemon.post("/v1/rules/preview", body, ASK_S, secret)
    output.json(answer) if as_json else _show(answer)
    return FINE if answer["refused"] is None else TROUBLE


def admin_secret(config: Config) -> str | None:
    """That of a token of the configuration which may preview; None where it has none. Raises NoAnswer."""
    for token in config.web.tokens:
        if not token.scope and ADMIN in MAY[token.role]:
            try:
                return read_secret(token.secret, token.secret_file)
            except BadSecret as e:
                raise NoAnswer(f"{config.path}: {e}", is_wrong_use=True) from None
    return None


def _posted(config: Config) -> dict[str, Any]:
    """The rules of a configuration that was loaded just now, as its files state them."""
    table = tomllib.loads(read_text(config.path))
    products = [
        {
            "kind": row["kind"],
            "lines": read_text(config.path.parent / row["file"]).expandtabs().splitlines(),
            "name": row.get("name"),
            "override": row.get("override", []),
        }
        for row in table["product"]
    ]
    return {"products": products, "lifecycle": table.get("lifecycle", {})}


def _show(answer: dict[str, Any]) -> None:
    """What a reload would do: refused, or which groups change stage, and the first of them."""
    for row in answer["products"]:
        was, then = row["from"] or "not configured", row["to"] or "gone"
        output.say(
            f"{row['product']}: {was} -> {then if then != was else f'{then} with other rules'}, {row['groups']:,} group"
            + ("" if row["groups"] == 1 else "s")
        )
    if answer["lifecycle"]:
        output.say(f"[lifecycle]: other {', '.join(answer['lifecycle'])}")
    if answer["refused"] is not None:
        output.problems([f"a reload would be refused: {answer['refused']['detail']}"])
        return
    show_moves(answer)


def show_moves(answer: dict[str, Any]) -> None:
    """Which groups change stage, and the first of them: the preview of rules, from whatever answer."""
    moved = sum(row["groups"] for row in answer["moves"])
    unknown = f"; {answer['unknown']:,} without a price stay as they are" if answer["unknown"] else ""
    about = "" if answer["is_exact"] else "about "
    output.say(f"{about}{moved:,} of {answer['groups']:,} groups would change stage at the prices of now{unknown}")
    if not moved:
        return
    table = table_of("from", "to", "groups", "debt USD")
    for row in answer["moves"]:
        table.add_row(worded(row["from"]), worded(row["to"]), f"{row['groups']:,}", usd(row["debt_usd"]))
    output.out.print(table)
    table = table_of("group", "from", "to", "level before", "level", "debt USD", "next line")
    for row in answer["items"]:
        levels = (row["level_before"], row["level"]) if row["level"] else (row["ltv_before"], row["ltv"])
        before, now = (figure(each) if row["level"] else ltv(each) for each in levels)
        cells = (row["id"], worded(row["from"]), worded(row["to"]), before, now, usd(row["debt_usd"]))
        table.add_row(*cells, _ahead(row["next_line"]))
    output.out.print(table)
    if answer["cut"]:
        output.say(f"and {answer['cut']:,} more groups; --json lists them")


def _ahead(line: dict[str, Any] | None) -> str:
    if line is None:
        return "none"
    level = line_level("ltv", line["ltv"]) if line.get("ltv") else line["level"]
    return f"{LINES[line['name']]} at {level}"
