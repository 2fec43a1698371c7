"""The command `shards`: who holds what of a book that is spread, where, and who answered last."""

from __future__ import annotations

from typing import Any

from monitor.cli import output
from monitor.cli.daemon_at import daemon_at
from monitor.cli.options import FINE, TROUBLE, URL, AsJson, ClientConfig, TokenFile
from monitor.cli.tables import table_of


def shards(
    *, url: str = URL, token_file: TokenFile = None, config: ClientConfig = None, as_json: AsJson = False
) -> int:
    """The shards of the book: their groups, where they are, their memory, and when they answered last.

    Exit code 1 where some group is not watched.

    Parameters
    ----------
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of GET /v1/shards.
    """
    answer = daemon_at(url, token_file, config).get("/v1/shards")
    output.json(answer) if as_json else _table(answer)
    return TROUBLE if answer["unwatched"] else FINE


def _table(answer: dict[str, Any]) -> None:
    if not answer["items"]:
        output.say("The daemon's own process holds the book.")
        return
    table = table_of("shard", "copy", "state", "groups", "debt USD", "memory", "answered", "where")
    for item in answer["items"]:
        cells = (
            str(item["shard"]),
            str(item["copy"]),
            item["state"],
            f"{item['groups']:,}",
            f"{float(item['debt_usd']):,.0f}",
            "" if item["memory_bytes"] is None else f"{item['memory_bytes'] / (1 << 20):,.0f} MB",
            f"{item['answered_s']:.1f} s ago",
            item["where"],
        )
        table.add_row(*map(output.shown, cells))
    output.out.print(table)
    if answer["unwatched"]:
        output.say(f"{answer['unwatched']:,} groups are not watched.")
