"""An alert as the outside sees it: the object of INTERFACES section 5, the same in log, stream, webhook and replay.

Cure amounts and liquidation prices are pure functions of the alert's figures and of its version of the rules.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

import msgspec

from monitor.core.alerts.alert import Alert, Debt, Figures, Input
from monitor.core.money import EXACT, ZERO, plain
from monitor.core.rules.product import Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.text import plain_or_none, stamp, stamp_or_none
from monitor.core.valuation.remedies import Cure, cure, liquidation_prices, terms_of
from monitor.core.valuation.valuation import Position, Weight

BODY_LIMIT = 19_000
"""Bytes of `data` above which long lists are cut: a webhook body stays below 20 kB (Standard Webhooks)."""

CAUSE = ("cause", "rules_from")
"""Facts of an alert that a change of rules caused (core.watch.watchers.rules)."""


def data(
    alert: Alert, cursor: int, products: Mapping[str, Product], *, durable: bool = True, test: bool = False,
    detected_at: datetime | None = None,
) -> dict[str, Any]:  # fmt: skip
    """The `data` object of an alert. `detected_at` overrides (a replay detects everything in time)."""
    body: dict[str, Any] = {
        "id": alert.id,
        "cursor": cursor,
        "severity": alert.severity,
        "test": test,
        "durable": durable,
        "blind": alert.blind,
        "sequence": alert.sequence,
        "episode": alert.episode,
        "detected_at": stamp(detected_at or alert.detected_at),
    }
    if alert.silenced_by is not None:
        body["silenced_by"] = alert.silenced_by
    if alert.group is None:
        body |= {"subject": alert.subject, "facts": dict(alert.facts)}
        return body
    body["group"] = msgspec.to_builtins(alert.group)
    body["stage"] = {"from": alert.stage_from, "to": alert.stage_to}
    body["reason"] = alert.reason
    if alert.figures is not None:
        body |= _figures(alert.figures, alert.group.product, products)
    body |= {
        "deadline": stamp_or_none(alert.deadline),
        "supersedes": alert.supersedes,
        "suppressed": list(alert.suppressed),
    }
    # Why the stage changed stands beside the reason; the rest is the alert's own.
    body |= {key: alert.facts[key] for key in CAUSE if key in alert.facts}
    if facts := {key: value for key, value in alert.facts.items() if key not in CAUSE}:
        body["facts"] = facts
    return _cut(body)


def envelope(alert: Alert, body: dict[str, Any]) -> dict[str, Any]:
    """The alert with its type and the time of what decided: a webhook's body, an item of the log."""
    return {"type": alert.type, "timestamp": stamp(alert.at), "data": body}


def _figures(figures: Figures, kind: str, products: Mapping[str, Product]) -> dict[str, Any]:
    product = products.get(kind)
    version = product.version_named(figures.rules) if product else None
    shown: dict[str, Any] = {
        "ltv": plain_or_none(figures.ltv),
        "debt_usd": plain_or_none(figures.debt_usd),
        "recognised_usd": plain_or_none(figures.recognised_usd),
        "market_usd": plain_or_none(figures.market_usd),
        "thresholds": {k: plain(v) for k, v in figures.thresholds.stated.items()},
        "cure": None,
        "liquidation_price": None,
        "inputs": [_input(i) for i in figures.inputs],
        "debts": [_debt(d) for d in figures.debts],
        "inputs_cut": 0,
        "rules": figures.rules,
    }
    metric = figures.thresholds.metric
    if metric.falls:
        shown |= {"metric": metric.name, metric.name: None}
    if figures.debt_usd is None or figures.recognised_usd is None:
        return shown
    if metric.falls:
        shown[metric.name] = plain_or_none(Weight(figures.debt_usd, figures.recognised_usd).figure(metric))
    if version is not None:
        shown["cure"] = _cure(figures, version)
        shown["liquidation_price"] = _liquidation_prices(figures, version)
    return shown


def _cure(figures: Figures, version: Version) -> dict[str, Any]:
    assert figures.debt_usd is not None
    assert figures.recognised_usd is not None
    lines, priced = figures.thresholds, _positions(figures)
    terms, ladders = terms_of(lines, version), version.ladders_of(p.asset for p in priced)
    return way_shown(cure(figures.debt_usd, figures.recognised_usd, lines.initial, priced, ladders, terms), lines)


def way_shown(way: Cure, lines: Thresholds) -> dict[str, Any]:
    """A cure as JSON values; a product whose metric is a level says `to_level`, not `to_ltv`."""
    return {
        "to_level" if lines.falls else "to_ltv": plain(way.to_ltv),
        "repay_usd": plain(way.repay_usd),
        "add_recognised_usd": plain(way.add_recognised_usd),
        "by_asset": {a: plain_or_none(q) for a, q in way.by_asset.items()},
    }


def _liquidation_prices(figures: Figures, version: Version) -> dict[str, str | None]:
    assert figures.debt_usd is not None
    assert figures.recognised_usd is not None
    owed: dict[str, Decimal] = {}
    for debt in figures.debts:
        owed[debt.asset] = EXACT.add(owed.get(debt.asset, ZERO), EXACT.add(debt.principal, debt.interest))
    lines, priced = figures.thresholds, _positions(figures)
    prices = liquidation_prices(
        owed, figures.debt_usd, figures.recognised_usd, lines.liquidation, priced,
        version.ladders_of(p.asset for p in priced), terms_of(lines, version),
    )  # fmt: skip
    return {a: plain_or_none(p) for a, p in prices.items()}


def _positions(figures: Figures) -> list[Position]:
    return [Position(i.asset, i.quantity, i.price, i.value_usd, i.recognised_usd) for i in figures.inputs]


def _input(item: Input) -> dict[str, Any]:
    return {
        "asset": item.asset,
        "quantity": plain(item.quantity),
        "price": plain_or_none(item.price),
        "quote": item.quote,
        "quote_price": plain_or_none(item.quote_price),
        "source": item.source,
        "price_at": stamp_or_none(item.price_at),
        "trust": item.trust,
        "value_usd": plain_or_none(item.value_usd),
        "recognised_usd": plain_or_none(item.recognised_usd),
    }


def _debt(item: Debt) -> dict[str, Any]:
    return {
        "loan": item.loan,
        "asset": item.asset,
        "principal": plain(item.principal),
        "interest": plain(item.interest),
        "price": plain_or_none(item.price),
        "value_usd": plain_or_none(item.value_usd),
    }


def _cut(body: dict[str, Any]) -> dict[str, Any]:
    """Cuts long lists, smallest values last to go, and counts what is left out; the sums stay whole."""
    excess = len(msgspec.json.encode(body)) - BODY_LIMIT
    if excess <= 0:
        return body
    for name in ("inputs", "debts"):
        rows = sorted(body.get(name, ()), key=lambda r: -Decimal(r["value_usd"] or 0))
        kept = list(rows)
        while kept and excess > 0:
            gone = kept.pop()
            excess -= len(msgspec.json.encode(gone)) + _drop_asset(body, name, gone["asset"])
        body[name] = kept
        body[f"{name}_cut"] = len(rows) - len(kept)
    return body


def _drop_asset(body: dict[str, Any], name: str, asset: str) -> int:
    """Takes an asset that is no longer listed out of the tables by asset; returns the bytes it freed."""
    if name != "inputs":
        return 0
    freed = 0
    for table in (body["cure"] and body["cure"]["by_asset"], body["liquidation_price"]):
        if table:
            freed += len(asset) + len(str(table.pop(asset, ""))) + 6
    return freed
