"""The commands about margin calls with an amount and a clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from monitor.cli import output
from monitor.cli.options import FINE, URL, AsJson, TokenFile
from monitor.cli.output import out, say, shown
from monitor.cli.tables import figure, table_of
from monitor.client import DaemonClient

_AMOUNTS = ("paid_usd", "value_usd", "disputed_usd", "called_usd")


def calls(*, limit: int = 100, url: str = URL, token_file: TokenFile = None, as_json: AsJson = False) -> int:
    """All open margin calls with an amount: what is called, what is outstanding, and until when.

    Parameters
    ----------
    limit: groups to ask for at once, 1 to 1000. All pages are read.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    as_json: the rows of GET /v1/groups that have a `call`.
    """
    daemon, found, asked = DaemonClient(url, token_file), [], {"stage": "margin_call", "limit": str(limit)}
    while True:
        answer = daemon.get(f"/v1/groups?{urlencode(asked)}")
        found += [row for row in answer["items"] if "call" in row]
        if answer["next"] is None:
            break
        asked["after"] = answer["next"]
    output.json({"items": found}) if as_json else _table(found)
    return FINE


def call(group: str, *, url: str = URL, token_file: TokenFile = None, as_json: AsJson = False) -> int:
    """The margin call of a group, and what became of it so far.

    Parameters
    ----------
    group: the group's id.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    as_json: the answer of GET /v1/groups/{id}/calls, with all its pages.
    """
    daemon, place, asked = DaemonClient(url, token_file), f"/v1/groups/{quote(group, safe='')}/calls", {"limit": "1000"}
    answer = daemon.get(f"{place}?{urlencode(asked)}")
    items, cursor = list(answer["items"]), answer["next"]
    while cursor is not None:
        page = daemon.get(f"{place}?{urlencode(asked | {'after': cursor})}")
        items, cursor = items + page["items"], page["next"]
    answer = answer | {"items": items, "next": None}
    output.json(answer) if as_json else _one(group, answer)
    return FINE


def _table(rows: list[dict[str, Any]]) -> None:
    found = table_of("group", "call", "called USD", "outstanding", "due UTC", "LTV")
    for row in rows:
        of = row["call"]
        cells = (figure(of["called_usd"]), figure(of["outstanding_usd"]), _second(of["due"])[:-3], figure(row["ltv"]))
        found.add_row(shown(row["id"]), f"{of['number']} {of['status']}", *cells)
    out.print(found if rows else "no margin call with an amount is open")


def _one(group: str, answer: dict[str, Any]) -> None:
    of = answer["call"]
    if of is None:
        say(f"{group} has no margin call with an amount now")
    else:
        out.print(f"[bold]{shown(group)}[/] call {of['number']}: [bold]{of['status']}[/], target {of['target']}")
        out.print(
            f"outstanding [bold]{figure(of['outstanding_usd'])}[/] USD = called {figure(of['called_usd'])}"
            f" - received {figure(of['received_usd'])}; on its way {figure(of['in_transit_usd'])}"
        )
        out.print(f"due [bold]{_second(of['due'])} UTC[/], then {of['on_expiry'].replace('_', ' ')}")
        out.print(f"the amount recomputes from the figures of alert {of['alert']}")
    found = table_of("at UTC", "call", "USD", "outstanding", "more")
    found.columns[0].no_wrap = found.columns[1].no_wrap = True
    for item in answer["items"]:
        amount = next(figure(item[name]) for name in _AMOUNTS if item.get(name) is not None)
        cells = (_second(item["at"]), f"{item['call']} {item['what']}", amount, figure(item["outstanding_usd"]))
        found.add_row(*cells, shown(", ".join(_more(item))))
    out.print(found)


def _more(item: dict[str, Any]) -> Iterator[str]:
    """The rest of a row in words, as the page has them."""
    if item.get("announced"):
        yield f"{figure(item['quantity'])} {item['asset']} as {item['announced']} until {_second(item['expected'])}"
    if item.get("why"):
        yield f'"{item["why"]}"'
    if item.get("by"):
        yield f"by {item['by']}"
    if item.get("entry"):
        yield f"entry {item['entry']}"
    if item.get("on_expiry"):
        yield f"then {item['on_expiry'].replace('_', ' ')}"
    if item.get("stage"):
        stage = item["stage"].replace("_", " ")
        yield "the group was closed" if stage == "closed" else f"the group is in {stage}"
    if item.get("supersedes_call"):
        yield f"replaces call {item['supersedes_call']}"


def _second(at: str) -> str:
    """`2026-01-05 10:00:00`."""
    return at[:19].replace("T", " ")
