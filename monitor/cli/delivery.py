"""The commands `channel` and `retry`: how channels do, the switch of each, and what is sent again."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote

from monitor.cli import output
from monitor.cli.daemon_at import daemon_at, zone_of
from monitor.cli.operator import time_of
from monitor.cli.options import FINE, URL, WRONG, AsJson, ClientConfig, TokenFile
from monitor.client import DaemonClient


def channel(
    action: Literal["list", "enable", "disable"] = "list",
    name: str | None = None,
    *,
    reason: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Lists the channels; or switches one on, which sends what waits for it, or off.

    Parameters
    ----------
    action: list, enable or disable.
    name: the channel, for enable and disable.
    reason: why it is switched off, for the colleagues.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of /v1/channels.
    """
    daemon = daemon_at(url, token_file, config)
    if action == "list":
        items = _all(daemon)
        output.json(items) if as_json else output.channels(items, zone_of(daemon))
        return FINE
    if name is None or (action == "disable" and reason is None):
        needs = "the name of a channel" + (" and --reason" if action == "disable" else "")
        output.problems([f"{action} needs {needs}; `monitor channel` lists them"])
        return WRONG
    body = {} if action == "enable" else {"reason": reason}
    answer = daemon.post(f"/v1/channels/{quote(name, safe='')}/{action}", body)
    output.json(answer) if as_json else output.channels([answer], zone_of(daemon))
    return FINE


def retry(
    *,
    notifier: str | None = None,
    type: str | None = None,
    since: str | None = None,
    until: str | None = None,
    state: Literal["pending", "failed", "delivered"] = "failed",
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Sends notices again, by channel, type and time: all that is stated must hold, and something must be.

    Parameters
    ----------
    notifier: the channel.
    type: the type of alert, which may be a glob.
    since: committed at this time or later (2026-01-05T10:00:00Z).
    until: committed before this time.
    state: failed, pending or delivered.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/deliveries/retry.
    """
    stated = {
        "notifier": notifier,
        "type": type,
        "since": time_of(since, "--since"),
        "until": time_of(until, "--until"),
    }
    body: dict[str, Any] = {key: value for key, value in stated.items() if value is not None}
    if not body:
        output.problems(["state at least one of --notifier, --type, --since, --until"])
        return WRONG
    answer = daemon_at(url, token_file, config).post("/v1/deliveries/retry", {**body, "state": state})
    if as_json:
        output.json(answer)
    else:
        over = (
            f"; {answer['passed_over']:,} passed over, as their channels had newer news"
            if answer["passed_over"]
            else ""
        )
        more = "; there are more, ask again" if answer["more"] else ""
        notices = "1 notice is" if answer["count"] == 1 else f"{answer['count']:,} notices are"
        output.say(f"{notices} sent again{over}{more}")
    return FINE


def _all(daemon: DaemonClient) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        page = daemon.get(f"/v1/channels?limit=1000{after}")
        items += page["items"]
        if page["next"] is None:
            return items
        after = "&after=" + quote(page["next"], safe="")
