"""The commands that enter what was said about an open margin call: what is on its way, a dispute, and its end."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import quote
from uuid import uuid4

from monitor.cli import output
from monitor.cli.daemon_at import daemon_at
from monitor.cli.operator import time_from_now
from monitor.cli.options import FINE, URL, AsJson, ClientConfig, TokenFile
from monitor.cli.typed_figures import quantity
from monitor.client import DaemonClient, NoAnswer


def announce(
    group: str,
    *,
    kind: Literal["collateral", "repayment"] = "collateral",
    asset: str,
    amount: str,
    expected: str,
    id: str = "",
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Enters that collateral or a repayment is on its way to a margin call. It counts in no LTV until it is there.

    Parameters
    ----------
    group: the group's id.
    kind: collateral or repayment.
    asset: the coin that is on its way.
    amount: how much of it.
    expected: within which time (6h) or until when (2026-01-05T10:00:00Z) it is expected.
    id: the entry's id: the same id again changes nothing. Without one the command makes one.
    url: address of the running daemon.
    token_file: file with the token of an operator, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/groups/{id}/calls.
    """
    entry: dict[str, Any] = {
        "type": "announce",
        "kind": kind,
        "asset": asset,
        "amount": quantity("--amount", amount, asset),
    }
    entry |= {"expected": time_from_now(expected, "--expected")}
    return _entered(group, entry, id, daemon_at(url, token_file, config), as_json)


def dispute(
    group: str,
    *,
    amount_usd: str,
    reason: str,
    by: str = "desk",
    id: str = "",
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Enters that somebody does not agree to a part of a margin call. Everybody who was called is told.

    Parameters
    ----------
    group: the group's id.
    amount_usd: the part that is disputed, in USD.
    reason: why.
    by: who disputes it.
    id: the entry's id: the same id again changes nothing. Without one the command makes one.
    url: address of the running daemon.
    token_file: file with the token of an operator, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/groups/{id}/calls.
    """
    entry = {"type": "dispute", "amount_usd": quantity("--amount-usd", amount_usd, "USD"), "reason": reason, "by": by}
    return _entered(group, entry, id, daemon_at(url, token_file, config), as_json)


def resolve(
    group: str,
    *,
    reason: str,
    by: str = "desk",
    id: str = "",
    url: str = URL,
    token_file: TokenFile = None,
    config: ClientConfig = None,
    as_json: AsJson = False,
) -> int:
    """Enters that the dispute about a margin call is settled: the clock of the whole call runs.

    Parameters
    ----------
    group: the group's id.
    reason: how it was settled.
    by: who settled it.
    id: the entry's id: the same id again changes nothing. Without one the command makes one.
    url: address of the running daemon.
    token_file: file with the token of an operator, where the daemon has tokens.
    config: the configuration of the daemon, for its address, where no url is named.
    as_json: the answer of POST /v1/groups/{id}/calls.
    """
    entry = {"type": "resolve", "reason": reason, "by": by}
    return _entered(group, entry, id, daemon_at(url, token_file, config), as_json)


def _entered(group: str, entry: dict[str, Any], id_: str, daemon: DaemonClient, as_json: bool) -> int:
    id_ = id_ or f"{entry['type']}-{uuid4().hex[:12]}"
    try:
        answer = daemon.post(f"/v1/groups/{quote(group, safe='')}/calls", entry | {"id": id_})
    except NoAnswer as e:
        raise NoAnswer(
            f"{e}; to try again without entering it twice: --id {id_}", is_wrong_use=e.is_wrong_use
        ) from None
    if as_json:
        output.json(answer)
    elif answer.get("duplicate"):
        output.say(f"entry {id_} was there already; nothing changed")
    else:
        output.say(f"entered as {id_}; `monitor call {group}` shows the call")
    return FINE
