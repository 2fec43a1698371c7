"""The command `reload`: the running daemon takes over its configuration, and what it holds back is confirmed."""

from __future__ import annotations

from typing import Any

from monitor import config as configuration
from monitor.cli import output
from monitor.cli.daemon_at import daemon_at
from monitor.cli.options import FINE, TROUBLE, URL, AsJson, ClientConfig, Flag, TokenFile
from monitor.cli.rules_preview import ASK_S, admin_secret, show_moves


def reload(
    *,
    confirm: Flag = False,
    dry_run: Flag = False,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """The running daemon reads its configuration again, all of it or nothing. Rules that would move many groups wait.

    Parameters
    ----------
    confirm: take the rules that wait, or that would move many groups: `monitor reload --confirm`.
    dry_run: say what a reload would do, and change nothing.
    url: address of the running daemon.
    token_file: file with the token of an admin, where the daemon has tokens; else one of the configuration.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/reload.
    """
    daemon = daemon_at(url, token_file, config)
    secret = None if token_file is not None or config is None else admin_secret(configuration.load(config))
    asked = f"confirm={str(confirm).lower()}&dry_run={str(dry_run).lower()}"
    answer = daemon.post(f"/v1/reload?{asked}", None, ASK_S, secret)
    output.json(answer) if as_json else _show(answer, is_dry=dry_run)
    return TROUBLE if answer["rules"] == "held" else FINE


def _show(answer: dict[str, Any], *, is_dry: bool) -> None:
    moved, limit = answer["moved"], answer["limit"]
    done = "a reload would take the configuration" if is_dry else "reloaded"
    if answer["rules"] == "unchanged":
        output.say(f"{done}; the rules are the same")
        return
    if answer["preview"]["refused"] is not None:
        output.problems([f"a reload would be refused: {answer['preview']['refused']['detail']}"])
        return
    if answer["rules"] == "held":
        output.say(
            f"{done}, all but the rules: they would move {moved:,} groups, more than reload_max_moves = {limit:,}"
        )
    else:
        output.say(f"{done}, with other rules")
    show_moves(answer["preview"])
    if answer["rules"] == "held":
        output.say("the old rules stay in force; take the new ones with: monitor reload --confirm")
