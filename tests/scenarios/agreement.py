"""What must agree, to the last digit, between an alert of the monitor and one of the reference model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from monitor.core.alerts.alert import LoggedAlert
from monitor.core.alerts.payload import alert_item
from monitor.core.rules.product import Product
from monitor.core.text import as_json


def told(logged: LoggedAlert, products: Mapping[str, Product]) -> dict[str, Any]:
    """A line of `monitor replay --json`."""
    return as_json(alert_item(logged.alert, logged.cursor, products))


def flat(line: Mapping[str, Any]) -> dict[str, Any]:
    """Such a line in the words of the reference model."""
    body = line["data"]
    head = {"type": line["type"], "timestamp": line["timestamp"]}
    if "group" not in body:
        same = ("id", "severity", "sequence", "episode", "subject")
        return head | {key: body[key] for key in same} | {"facts": _facts(body["facts"])}
    same = (
        "id",
        "severity",
        "sequence",
        "episode",
        "reason",
        "ltv",
        "debt_usd",
        "recognised_usd",
        "market_usd",
        "thresholds",
        "deadline",
        "suppressed",
        "supersedes",
        "blind",
        "rules",
    )
    some = ("metric", "margin_level", "health_factor", "cause", "rules_from", "bound", "missing")
    told = {key: body[key] for key in same} | {key: body[key] for key in some if key in body}
    told |= {"facts": _facts(body["facts"])} if "facts" in body else {}
    stage = {"stage_from": body["stage"]["from"], "stage_to": body["stage"]["to"]}
    return head | told | stage | {"group": body["group"]["id"]}


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Facts as they are, without the sentences for people."""
    shown = dict(facts)
    if "refusals" in shown:
        shown["refusals"] = [each["reason"] for each in shown["refusals"]]
    return shown


def first_difference(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> str | None:
    """Where two runs part, in words; None where they do not."""
    for place, (mine, other) in enumerate(zip(ours, theirs, strict=False)):
        if mine != other:
            keys = [key for key in mine | other if mine.get(key) != other.get(key)]
            found = {key: (mine.get(key), other.get(key)) for key in keys}
            return (
                f"alert {place}, {other.get('group')} at {other['timestamp']}, {other['type']}: (ours, theirs) {found}"
            )
    if len(ours) != len(theirs):
        longer = "ours" if len(ours) > len(theirs) else "theirs"
        one = max(ours, theirs, key=len)[min(len(ours), len(theirs))]
        return f"{len(ours)} alerts of ours, {len(theirs)} of theirs; the first more of {longer}: {one}"
    return None
