"""The commands about margin calls with an amount and a clock."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any
from urllib.parse import quote, urlencode

from monitor.cli import output
from monitor.cli.daemon_at import daemon_at, zone_of
from monitor.cli.figures import line_level, ltv, until, usd, worded
from monitor.cli.options import FINE, URL, AsJson, ClientConfig, TokenFile
from monitor.cli.output import out, say, shown
from monitor.cli.standing import LEVELS
from monitor.cli.tables import figure, table_of

_AMOUNTS = ("paid_usd", "value_usd", "disputed_usd", "called_usd")


def calls(
    *,
    limit: int = 100,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """All open margin calls with an amount: what is called, what is outstanding, and until when.

    Parameters
    ----------
    limit: groups to ask for at once, 1 to 1000. All pages are read.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the rows of GET /v1/groups that have a `call`.
    """
    daemon, found, asked = daemon_at(url, token_file, config), [], {"stage": "margin_call", "limit": str(limit)}
    while True:
        answer = daemon.get(f"/v1/groups?{urlencode(asked)}")
        found += [row for row in answer["items"] if "call" in row]
        if answer["next"] is None:
            break
        asked["after"] = answer["next"]
    output.json({"items": found}) if as_json else _table(found, zone_of(daemon))
    return FINE


def call(
    group: str, *, url: str = URL, token_file: TokenFile = None, config: ClientConfig = None, as_json: AsJson = False
) -> int:
    """The margin call of a group, and what became of it so far.

    Parameters
    ----------
    group: the group's id.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of GET /v1/groups/{id}/calls, with all its pages.
    """
    daemon, place, asked = (
        daemon_at(url, token_file, config),
        f"/v1/groups/{quote(group, safe='')}/calls",
        {"limit": "1000"},
    )
    answer = daemon.get(f"{place}?{urlencode(asked)}")
    items, cursor = list(answer["items"]), answer["next"]
    while cursor is not None:
        page = daemon.get(f"{place}?{urlencode(asked | {'after': cursor})}")
        items, cursor = items + page["items"], page["next"]
    answer = answer | {"items": items, "next": None}
    if as_json:
        output.json(answer)
        return FINE
    if answer["call"] is not None:  # what its target is a level of
        found = daemon.get(f"/v1/groups/{quote(group, safe='')}")
        answer |= {"metric": next((name for name in LEVELS if name in found), None)}
    _one(group, answer, zone_of(daemon))
    return FINE


def _table(rows: list[dict[str, Any]], zone: str | None) -> None:
    found = table_of("group", "call", "called USD", "outstanding USD", "due", "LTV")
    for row in rows:
        of = row["call"]
        cells = (usd(of["called_usd"]), usd(of["outstanding_usd"]), until(of["due"], zone), ltv(row["ltv"]))
        found.add_row(shown(row["id"]), f"{of['number']} {of['status']}", *cells)
    out.print(found if rows else "no margin call with an amount is open")


def _one(group: str, answer: dict[str, Any], zone: str | None) -> None:
    of = answer["call"]
    if of is None:
        say(f"{group} has no margin call with an amount now")
    else:
        target = line_level(answer["metric"], of["target"])
        out.print(f"[bold]{shown(group)}[/] call {of['number']}: [bold]{of['status']}[/], target {target}")
        out.print(
            f"outstanding [bold]{usd(of['outstanding_usd'])}[/] USD = called {usd(of['called_usd'])}"
            f" - received {usd(of['received_usd'])}; on its way {usd(of['in_transit_usd'])}"
        )
        out.print(f"due [bold]{until(of['due'], zone)}[/], then {worded(of['on_expiry'])}")
        out.print(f"the amount recomputes from the figures of alert {of['alert']}")
    found = table_of("at UTC", "call", "USD", "outstanding USD", "more")
    found.columns[0].no_wrap = found.columns[1].no_wrap = True
    for item in answer["items"]:
        amount = next(usd(item[name]) for name in _AMOUNTS if item.get(name) is not None)
        cells = (_second(item["at"]), f"{item['call']} {item['what']}", amount, usd(item["outstanding_usd"]))
        found.add_row(*cells, shown(", ".join(_more(item, zone))))
    out.print(found)


def _more(item: dict[str, Any], zone: str | None) -> Iterator[str]:
    """The rest of a row in words, as the page has them."""
    if item.get("announced"):
        yield f"{figure(item['quantity'])} {item['asset']} as {item['announced']} until {until(item['expected'], zone)}"
    if item.get("why"):
        yield f'"{item["why"]}"'
    if item.get("by"):
        yield f"by {item['by']}"
    if item.get("entry"):
        yield f"entry {item['entry']}"
    if item.get("on_expiry"):
        yield f"then {worded(item['on_expiry'])}"
    if item.get("stage"):
        stage = worded(item["stage"])
        yield "the group was closed" if stage == "closed" else f"the group is in {stage}"
    if item.get("supersedes_call"):
        yield f"replaces call {item['supersedes_call']}"


def _second(at: str) -> str:
    """`2026-01-05 10:00:00`."""
    return at[:19].replace("T", " ")
