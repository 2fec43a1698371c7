"""A storm for two daemons: all groups of a book go beyond their last line in one tick."""

from __future__ import annotations

import json
import tomllib
from datetime import datetime, timedelta
from typing import Any

from monitor.core.ids import alert_id
from tests.book_lines import one_btc
from tests.faults.house import PRODUCT, SignedReceiver
from tests.lease.house import Head, Pair
from tests.reference.model import Model
from tests.scenarios.agreement import flat

HIGH, LOW = "100000", "50000"
"""Prices of BTC: all is well, and every group is beyond its last line."""
TRIGGERED = "loan_group.liquidation.triggered"
HELD_TO_REFERENCE = 200
"""Groups whose alerts are compared field by field: all groups are the same but for their names."""


def write_book(pair: Pair, alerts: int) -> None:
    """The same book for both, and a channel that takes many alerts in one body."""
    lines = "".join(f"{json.dumps(one_btc(f'G-{n}'))}\n" for n in range(alerts))
    for name, house in pair.houses.items():
        (house.folder / "book.jsonl").write_text(lines)
        text = house.config.read_text().replace('timeout = "1s"', "").replace("/hook", f"/{name}")
        text = text.replace("allow_private = true\n", "allow_private = true\nbatch = true\n")
        house.config.write_text(text + '\n[[book]]\nname = "file"\nkind = "file"\npath = "book.jsonl"\n')


async def are_normal(head: Head, alerts: int) -> bool:
    """All groups are watched, and well."""
    counts = (await head.get("/v1/status"))["groups"]
    return int(counts["stages"].get("normal", 0)) == alerts and not counts["blind"]


def items_of(receiver: SignedReceiver) -> dict[str, list[dict[str, Any]]]:
    """By id, what arrived of groups."""
    found: dict[str, list[dict[str, Any]]] = {}
    for body in receiver.got:
        for item in body["data"]["items"] if body["type"] == "batch" else [body]:
            if item["type"].startswith("loan"):
                found.setdefault(item["data"]["id"], []).append(item)
    return found


def compare(receiver: SignedReceiver, log: list[dict[str, Any]], alerts: int) -> None:
    """Log and arrivals are what the reference expects, each once."""
    assert receiver.bad == []
    came = items_of(receiver)
    wanted = {alert_id("desk-1", f"G-{n}", 1, 1, TRIGGERED): f"G-{n}" for n in range(alerts)}
    assert came.keys() == wanted.keys(), "lost or invented"
    # A receiver that answers too late gets the same again, and knows it by its id.
    assert all(item == items[0] for items in came.values() for item in items)
    logged = {item["data"]["id"]: item for item in log if item["type"].startswith("loan")}
    assert logged.keys() == wanted.keys()
    for id_ in list(wanted)[:: max(1, alerts // HELD_TO_REFERENCE)]:
        item = came[id_][0]
        assert item == logged[id_]
        assert flat(item) == _expected(wanted[id_], item)


def _expected(group: str, item: dict[str, Any]) -> dict[str, Any]:
    at = datetime.fromisoformat(item["timestamp"])
    table = tomllib.loads(PRODUCT.format(initial="0.72", margin_call="0.77", grace="24h"))
    model = Model("desk-1", table)
    before = at - timedelta(seconds=1)
    model.put(before, one_btc(group))
    model.prices(before, {"BTC": HIGH})
    (alert,) = model.prices(at, {"BTC": LOW})
    return alert
