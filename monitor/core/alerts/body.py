"""The bytes of an alert that channels send: those of `payload.alert_item`, made in fewer steps.

What many alerts have in common is encoded once, with gaps where they differ: a frame. It is made of an item by
replacing what differs, so it has the keys of an item in their order. What is unusual goes the long way.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec
from msgspec import UNSET, Raw
from msgspec.structs import replace

from monitor.core.alerts.alert import Alert, Figures, GroupRef
from monitor.core.alerts.coin_texts import CoinTexts
from monitor.core.alerts.payload import (
    BODY_LIMIT,
    CAUSE,
    NOT_A_NOTICE,
    AlertData,
    Assessment,
    OnlyInNotices,
    ShownAs,
    cut,
    data_of,
    judged,
    level_text,
)
from monitor.core.alerts.rows_shown import debt_shown, shared_stamp
from monitor.core.loans.line_bounds import bounded_labels
from monitor.core.money import exact, plain
from monitor.core.rules.product import Product
from monitor.core.stages.stages import CLOSED
from monitor.core.valuation.remedies import CureShown, NextLineShown

MOST_FRAMES = 256
"""2 kB each."""
_GAP = Raw(b"\0")
_TEXT_GAP = Raw(b'"\0"')
"""No JSON has this byte: in a text it is escaped."""
_json = msgspec.json.Encoder().encode


def alert_body(
    alert: Alert,
    cursor: int,
    products: Mapping[str, Product],
    *,
    durable: bool = True,
    only: OnlyInNotices = NOT_A_NOTICE,
) -> bytes:
    """The item of `alert_item` as JSON."""
    how = ShownAs(durable, only=only)
    body = _framed(alert, cursor, products, how)
    if body is None:
        _, data = cut(data_of(alert, cursor, products, how))
        body = _around(alert.type, _json(shared_stamp(alert.at)), data)
    return body


def _around(type: str, timestamp: bytes, data: bytes) -> bytes:
    return b'{"type":%b,"timestamp":%b,"data":%b}' % (_json(type), timestamp, data)


class _Frame(NamedTuple):
    """The body of alerts that differ in nothing but what goes into its gaps."""

    parts: list[str]
    """Every other one is a gap."""
    limit: int
    """Of the whole body, in bytes."""


frames: dict[tuple[Any, ...], _Frame] = {}
"""By shape."""


def _framed(alert: Alert, cursor: int, products: Mapping[str, Product], how: ShownAs) -> bytes | None:
    """None for what is unusual, or too long."""
    group, figures = alert.group, alert.figures
    if group is None or figures is None or not _is_usual(alert, group, figures):
        return None
    with exact():
        seen = judged(alert, figures, products)
        if seen is None or seen.coins is None:
            return None
        filling = [
            shared_stamp(alert.at),
            _json(alert.id).decode(),
            str(cursor),
            str(alert.sequence),
            str(alert.episode),
            shared_stamp(alert.detected_at),
            _json(group).decode(),
            *_amounts(figures, seen, seen.coins),
            "null" if alert.deadline is None else f'"{shared_stamp(alert.deadline)}"',
            "null" if alert.supersedes is None else _json(alert.supersedes).decode(),
        ]
        if alert.facts:
            filling.append(_json(alert.facts).decode())
        if how.only.url:
            filling.append(_json(how.only.url).decode())
        key = _shape(alert, figures, seen, how)
        frame = frames.get(key)
        if frame is None:
            if len(frames) >= MOST_FRAMES:
                frames.clear()
            frame = frames[key] = _frame(alert, data_of(alert, cursor, products, how))
    parts = frame.parts.copy()
    parts[1::2] = filling
    body = "".join(parts).encode()
    return body if len(body) <= frame.limit else None


def _is_usual(alert: Alert, group: GroupRef, figures: Figures) -> bool:
    """All that is not in a gap is in the shape."""
    return not (
        alert.type == CLOSED
        or figures.missing
        or figures.uncounted
        or (alert.facts and not alert.facts.keys().isdisjoint(CAUSE))
        or (group.labels and len(bounded_labels(group.labels)) < len(group.labels))
    )


def _shape(alert: Alert, figures: Figures, seen: Assessment, how: ShownAs) -> tuple[Any, ...]:
    """Alerts of the same shape differ in nothing but what goes into gaps."""
    return (
        alert.type,
        alert.severity,
        alert.blind,
        alert.stage_from,
        alert.stage_to,
        alert.reason,
        alert.suppressed,
        alert.silenced_by,
        not alert.facts,
        figures.rules,
        figures.thresholds,
        seen.band,
        None if seen.ahead is None else seen.ahead.name,
        how.durable,
        not how.only.url,
        how.only.zone,
    )


def _amounts(figures: Figures, seen: Assessment, coins: CoinTexts) -> list[str]:
    """What goes into the gaps of the figures."""
    metric = figures.thresholds.metric
    found = [
        _text(figures.ltv),
        plain(seen.weight.debt),
        plain(seen.weight.recognised),
        _text(figures.market_usd),
        plain(coins.repay_usd),
        plain(coins.add_recognised_usd),
        _json(coins.by_asset).decode(),
        _json(coins.prices).decode(),
        ",".join(coins.rows),
        _json([debt_shown(each) for each in figures.debts]).decode(),
    ]
    if seen.ahead is not None:
        found.insert(4, plain(seen.ahead.distance_percent))
    if metric.falls:
        found.append(_json(level_text(seen, figures.thresholds)).decode())
    return found


def _frame(alert: Alert, data: AlertData) -> _Frame:
    """Of the item of an alert."""
    ahead, cure = data.next_line, data.cure
    gaps: dict[str, Any] = dict.fromkeys(("id", "cursor", "sequence", "episode", "group", "ltv", "market_usd"), _GAP)
    gaps |= dict.fromkeys(("liquidation_price", "debts", "deadline", "supersedes"), _GAP)
    gaps |= dict.fromkeys(("detected_at", "debt_usd", "recognised_usd"), _TEXT_GAP)
    gaps["inputs"] = Raw(b"[\0]")
    if isinstance(ahead, NextLineShown):
        gaps["next_line"] = replace(ahead, distance_percent=_TEXT_GAP)
    if isinstance(cure, CureShown):
        gaps["cure"] = replace(cure, repay_usd=_TEXT_GAP, add_recognised_usd=_TEXT_GAP, by_asset=_GAP)
    if isinstance(data.metric, str):
        gaps[data.metric] = _GAP
    gaps |= {name: _GAP for name in ("facts", "url") if getattr(data, name) is not UNSET}
    texts = _around(alert.type, b'"\0"', _json(replace(data, **gaps))).decode().split("\0")
    parts = [part for text in texts for part in (text, "")]
    return _Frame(parts[:-1], BODY_LIMIT + len(_around(alert.type, _json(shared_stamp(alert.at)), b"")))


def _text(value: Decimal | None) -> str:
    return "null" if value is None else f'"{plain(value)}"'
