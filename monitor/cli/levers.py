"""The desk's own controls: `extend`, `waive`, `override`, `move`, `levers`, `proposals`, `approve` and `reject`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from urllib.parse import quote

from monitor.cli import lever_tables, output
from monitor.cli.daemon_at import daemon_at, zone_of
from monitor.cli.operator import time_from_now
from monitor.cli.options import FINE, URL, WRONG, AsJson, ClientConfig, Flag, TokenFile
from monitor.client import DaemonClient, NoAnswer
from monitor.core.portfolio.snapshot import LABEL_PREFIX


def extend(
    *,
    group: Sequence[str] = (),
    match: Sequence[str] = (),
    until: str,
    reason: str = "",
    preview: Flag = False,
    emergency: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Extends the grace period of groups in delayed liquidation.

    Parameters
    ----------
    group: a group; may be said more than once.
    match: product=NAME or label.NAME=VALUE, all of them, in place of --group; at most 100 groups.
    until: how long (6h) or until when (2026-01-05T10:00:00Z).
    reason: why, for the colleagues.
    preview: say which groups change, and change nothing.
    emergency: why nobody else can be asked first; it then holds for two hours unless another person approves.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/levers.
    """
    lever = {"type": "extend_grace", "until": time_from_now(until)}
    return _pull(lever, _about(group, match), (reason, emergency, preview), daemon_at(url, token_file, config), as_json)


def waive(
    *,
    group: Sequence[str] = (),
    match: Sequence[str] = (),
    until: str,
    reason: str = "",
    preview: Flag = False,
    emergency: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Waives the liquidation of overdue loans until a time. The lines of LTV stay watched: for these there is `override`.

    Parameters
    ----------
    group: a group; may be said more than once.
    match: product=NAME or label.NAME=VALUE, all of them, in place of --group; at most 100 groups.
    until: how long (6h, 2d) or until when (2026-01-05T10:00:00Z).
    reason: why, for the colleagues.
    preview: say which groups change, and change nothing.
    emergency: why nobody else can be asked first; it then holds for two hours unless another person approves.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/levers.
    """
    lever = {"type": "waive", "until": time_from_now(until)}
    return _pull(lever, _about(group, match), (reason, emergency, preview), daemon_at(url, token_file, config), as_json)


def override(
    *,
    line: Sequence[str],
    group: Sequence[str] = (),
    match: Sequence[str] = (),
    until: str,
    reason: str = "",
    preview: Flag = False,
    emergency: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Puts other lines in force until a time; then the former ones hold again, and the groups are decided.

    Parameters
    ----------
    line: such as liquidation=0.93; may be said more than once. A line that is not named stays.
    group: a group; may be said more than once.
    match: product=NAME or label.NAME=VALUE, all of them, in place of --group; at most 100 groups.
    until: how long (6h, 2d) or until when (2026-01-05T10:00:00Z).
    reason: why, for the colleagues.
    preview: say which groups change, and change nothing.
    emergency: why nobody else can be asked first; it then holds for two hours unless another person approves.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/levers.
    """
    lines = dict(_pair(each, "--line", "a line such as liquidation=0.93") for each in line)
    lever = {"type": "override", "thresholds": lines, "until": time_from_now(until)}
    return _pull(lever, _about(group, match), (reason, emergency, preview), daemon_at(url, token_file, config), as_json)


def move(
    *,
    product: str,
    group: Sequence[str] = (),
    match: Sequence[str] = (),
    reason: str = "",
    preview: Flag = False,
    emergency: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Moves groups to another product, also where their book goes on naming the one that it named so far.

    Parameters
    ----------
    product: the product that judges them from now on.
    group: a group; may be said more than once.
    match: product=NAME or label.NAME=VALUE, all of them, in place of --group; at most 100 groups.
    reason: why, for the colleagues.
    preview: say which groups change, and change nothing.
    emergency: why nobody else can be asked first; it then holds for two hours unless another person approves.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/levers.
    """
    lever = {"type": "move", "product": product}
    return _pull(lever, _about(group, match), (reason, emergency, preview), daemon_at(url, token_file, config), as_json)


def levers(
    *,
    end: str | None = None,
    reason: str | None = None,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Lists the levers in force, or ends one before its time.

    Parameters
    ----------
    end: the lever (L-3) that ends now: its groups are as they were before.
    reason: why it ends.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of GET /v1/levers.
    """
    daemon = daemon_at(url, token_file, config)
    if end is not None:
        why = f"?reason={quote(reason, safe='')}" if reason is not None else ""
        daemon.delete(f"/v1/levers/{quote(end, safe='')}{why}")
        output.say(f"{end}: ended; its groups are as they were before, and are decided again")
        return FINE
    items = daemon.get("/v1/levers?limit=1000")["items"]
    output.json(items) if as_json else lever_tables.levers(items, zone_of(daemon))
    return FINE


def proposals(
    *, url: str = URL, token_file: TokenFile = None, config: ClientConfig = None, as_json: AsJson = False
) -> int:
    """Lists what waits for another person to approve it.

    Parameters
    ----------
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of GET /v1/proposals.
    """
    daemon = daemon_at(url, token_file, config)
    items = daemon.get("/v1/proposals?limit=1000")["items"]
    output.json(items) if as_json else lever_tables.proposals(items, zone_of(daemon))
    return FINE


def approve(
    proposal: str,
    *,
    yes: Flag = False,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Shows what another person proposed, then and now; with --yes approves what is shown.

    Parameters
    ----------
    proposal: its id (P-12).
    yes: approve it. If it does something else by then than was shown, it is refused.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of GET /v1/proposals/{id}, or with --yes of its approval.
    """
    daemon, path = daemon_at(url, token_file, config), f"/v1/proposals/{quote(proposal, safe='')}"
    look = daemon.get(path)
    if not yes:
        if as_json:
            output.json(look)
        else:
            lever_tables.proposal(look, zone_of(daemon))
            output.say(f"approve what is shown with: monitor approve {proposal} --yes")
        return FINE
    if not as_json:
        lever_tables.proposal(look, zone_of(daemon))
    answer = daemon.post(f"{path}/approve", {"seen": look["now"]["seen"]})
    output.json(answer) if as_json else output.say(f"{proposal}: approved")
    return FINE


def reject(
    proposal: str,
    *,
    reason: str,
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Rejects what another person proposed, or takes one's own proposal back. What was done in an emergency ends.

    Parameters
    ----------
    proposal: its id (P-12).
    reason: why, for the colleagues.
    url: address of the running daemon.
    token_file: file with the token, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/proposals/{id}/reject.
    """
    path = f"/v1/proposals/{quote(proposal, safe='')}/reject"
    answer = daemon_at(url, token_file, config).post(path, {"reason": reason})
    output.json(answer) if as_json else output.say(f"{proposal}: rejected")
    return FINE


def _pull(
    lever: dict[str, Any],
    about: dict[str, Any],
    how: tuple[str, str | None, bool],
    daemon: DaemonClient,
    as_json: bool,
) -> int:
    reason, emergency, is_preview = how
    if not reason and not is_preview:
        output.problems(["a lever states --reason: everybody reads it; a preview needs none"])
        return WRONG
    body = {"lever": {**lever, "reason": reason or "a preview"}, **about}
    body |= {"emergency": emergency} if emergency is not None and not is_preview else {}
    answer = daemon.post("/v1/levers" + ("?dry_run=true" if is_preview else ""), body)
    if as_json:
        output.json(answer)
    elif is_preview:
        lever_tables.preview(answer, zone_of(daemon))
    else:
        lever_tables.pulled(answer, zone_of(daemon))
    return FINE


def _about(groups: Sequence[str], match: Sequence[str]) -> dict[str, Any]:
    """The groups by id, or by product and labels. Raises NoAnswer."""
    if bool(groups) == bool(match):
        raise NoAnswer("state either --group or --match", is_wrong_use=True)
    if groups:
        return {"groups": list(groups)}
    select: dict[str, Any] = {}
    for each in match:
        key, value = _pair(each, "--match", "product=NAME or label.NAME=VALUE")
        if key == "product":
            select["product"] = value
        elif key.startswith(LABEL_PREFIX):
            select.setdefault("labels", {})[key.removeprefix(LABEL_PREFIX)] = value
        else:
            text = f"--match: found {each!r}, expected product=NAME or label.NAME=VALUE"
            raise NoAnswer(text, is_wrong_use=True)
    return {"select": select}


def _pair(text: str, flag: str, expected: str) -> tuple[str, str]:
    key, is_pair, value = text.partition("=")
    if not (is_pair and key and value):
        raise NoAnswer(f"{flag}: found {text!r}, expected {expected}", is_wrong_use=True)
    return key, value
