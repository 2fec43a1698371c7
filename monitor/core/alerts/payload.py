"""An alert as the outside sees it: the object of docs/alerts.md, the same in log, stream, webhook and replay.

Cure amounts and liquidation prices are pure functions of the alert's figures and of its version of the rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple, TypeVar

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from monitor.core.alerts.alert import Alert, Figures, GroupRef
from monitor.core.alerts.alert_type import Severity
from monitor.core.alerts.coin_texts import CoinTexts, sheet_of
from monitor.core.alerts.rows_shown import DebtShown, InputShown, debt_shown, input_shown, shared_stamp
from monitor.core.loans.line_bounds import bounded_labels
from monitor.core.money import CENT, exact, plain
from monitor.core.rules.product import Product, Version
from monitor.core.rules.thresholds import Thresholds, metric_reason
from monitor.core.stages.ahead import lines_ahead
from monitor.core.stages.stages import CLOSED, Ack, Stage
from monitor.core.text import plain_or_none, stamp, stamp_or_none
from monitor.core.valuation.remedies import CureShown, NextLine, NextLineShown, line_shown, next_line, way_shown
from monitor.core.valuation.shown_figures import shown_figure
from monitor.core.valuation.valuation import Weight, band

BODY_LIMIT = 19_000
"""Bytes of `data` above which long lists are cut: a webhook body stays below 20 kB (Standard Webhooks)."""

CAUSE = ("cause", "rules_from", "lever")
"""Facts of an alert about a group that a change of rules or a lever of the desk caused."""


class AckShown(msgspec.Struct, frozen=True):
    """Who has a group's stage in hand; `until` is null where that holds as long as the stage."""

    by: str
    at: str
    alert: str
    note: str
    until: str | None


def acknowledged(ack: Ack) -> AckShown:
    """An acknowledgement as it is shown."""
    return AckShown(ack.by, stamp(ack.at), ack.alert, ack.note, stamp_or_none(ack.until))


class StageChange(msgspec.Struct, frozen=True):
    """The stages before and after."""

    from_: Stage | None = msgspec.field(name="from")
    to: Stage | None


class UncountedShown(msgspec.Struct, frozen=True):
    """A coin of the collateral that the product does not list."""

    asset: str
    quantity: str


class AlertData(msgspec.Struct, frozen=True, kw_only=True):
    """The `data` of an alert. An alert that is about no group has `subject` and `facts` instead of `group` and figures."""

    id: str
    cursor: int | None
    """Its place in the log; null for a token with a scope."""
    severity: Severity
    test: bool
    durable: bool
    blind: bool
    sequence: int
    episode: int
    detected_at: str
    silenced_by: str | UnsetType = UNSET
    subject: str | UnsetType = UNSET
    group: GroupRef | UnsetType = UNSET
    stage: StageChange | UnsetType = UNSET
    reason: str | UnsetType | None = UNSET
    ltv: str | UnsetType | None = UNSET
    debt_usd: str | UnsetType | None = UNSET
    recognised_usd: str | UnsetType | None = UNSET
    market_usd: str | UnsetType | None = UNSET
    thresholds: dict[str, str] | UnsetType = UNSET
    band: str | UnsetType | None = UNSET
    """Between which lines the figure stands, as it was decided: a strict line is crossed only beyond it."""
    next_line: NextLineShown | UnsetType | None = UNSET
    """The line that counts next in the stage that the alert leads to; null where none does."""
    cure: CureShown | UnsetType | None = UNSET
    liquidation_price: dict[str, str | None] | UnsetType | None = UNSET
    inputs: list[InputShown] | UnsetType = UNSET
    debts: list[DebtShown] | UnsetType = UNSET
    inputs_cut: int | UnsetType = UNSET
    bound: bool | UnsetType = UNSET
    """True where a price is missing and the figures are the best that the missing coins leave possible."""
    missing: list[str] | UnsetType = UNSET
    """Coins without a price."""
    uncounted: list[UncountedShown] | UnsetType = UNSET
    """Collateral that the product does not list, at most 20 coins: it counts nothing."""
    rules: str | UnsetType = UNSET
    metric: str | UnsetType = UNSET
    margin_level: str | UnsetType | None = UNSET
    health_factor: str | UnsetType | None = UNSET
    deadline: str | UnsetType | None = UNSET
    supersedes: str | UnsetType | None = UNSET
    suppressed: list[str] | UnsetType = UNSET
    cause: str | UnsetType = UNSET
    rules_from: str | UnsetType = UNSET
    lever: str | UnsetType = UNSET
    facts: dict[str, Any] | UnsetType = UNSET
    debts_cut: int | UnsetType = UNSET
    labels_cut: int | UnsetType = UNSET
    facts_cut: int | UnsetType = UNSET
    acknowledged: AckShown | UnsetType = UNSET
    url: str | UnsetType = UNSET
    """The page of what it is about: in notices alone, where the monitor has a `public_url`."""
    zone: str | UnsetType = UNSET
    """The desk's time zone: in notices alone, where the configuration states one."""


class OnlyInNotices(NamedTuple):
    """What the log does not have: it is the configuration's of now."""

    url: str | None = None
    """The page that a notice leads to."""
    zone: str | None = None
    """The desk's time zone, in which people read deadlines beside UTC."""


NOT_A_NOTICE = OnlyInNotices()


class AlertItem(msgspec.Struct, frozen=True):
    """An alert: the same object in the log, the stream and webhooks."""

    type: str
    timestamp: str
    """When what decided happened."""
    data: AlertData


Row = TypeVar("Row", InputShown, DebtShown)


def alert_item(
    alert: Alert,
    cursor: int | None,
    products: Mapping[str, Product],
    *,
    durable: bool = True,
    test: bool = False,
    only: OnlyInNotices = NOT_A_NOTICE,
) -> AlertItem:
    """An item of the log, a webhook's body."""
    data, _ = cut(data_of(alert, cursor, products, ShownAs(durable, test, only)))
    return AlertItem(alert.type, shared_stamp(alert.at), data)


class ShownAs(NamedTuple):
    """How an alert is shown."""

    durable: bool = True
    test: bool = False
    only: OnlyInNotices = NOT_A_NOTICE


def data_of(alert: Alert, cursor: int | None, products: Mapping[str, Product], how: ShownAs) -> AlertData:
    """The `data` of an alert, however long."""
    if alert.group is None:
        more: dict[str, Any] = {"subject": alert.subject, "facts": dict(alert.facts)}
    else:
        more = _of_group(alert, alert.group)
        if alert.figures is not None:
            with exact():
                more |= _with_figures(alert.figures, judged(alert, alert.figures, products))
        if alert.type == CLOSED:
            more |= {"cure": None, "liquidation_price": None, "next_line": None}  # nobody is asked for anything
    return AlertData(
        id=alert.id,
        cursor=cursor,
        severity=alert.severity,
        test=how.test,
        durable=how.durable,
        blind=alert.blind,
        sequence=alert.sequence,
        episode=alert.episode,
        detected_at=shared_stamp(alert.detected_at),
        silenced_by=alert.silenced_by or UNSET,
        url=how.only.url or UNSET,
        zone=how.only.zone or UNSET,
        **more,
    )


_json = msgspec.json.Encoder().encode


@lru_cache(maxsize=256)
def _lines_shown(lines: Thresholds) -> dict[str, str]:
    """Shared by all alerts under these lines; nobody changes it."""
    return lines.shown


def _of_group(alert: Alert, group: GroupRef) -> dict[str, Any]:
    """Why the stage changed stands beside the reason; other facts are the alert's own.

    A store of an older version may hold labels beyond the bounds.
    """
    labels = bounded_labels(group.labels)
    beyond = len(group.labels) - len(labels)
    return {
        "group": replace(group, labels=labels) if beyond else group,
        "labels_cut": beyond or UNSET,
        "stage": StageChange(alert.stage_from, alert.stage_to),
        "reason": reason_of(alert),
        "deadline": stamp_or_none(alert.deadline),
        "supersedes": alert.supersedes,
        "suppressed": list(alert.suppressed),
        **(_facts(alert.facts) if alert.facts else {}),
    }


def _facts(facts: Mapping[str, Any]) -> dict[str, Any]:
    """Those that say why the stage changed, and the others."""
    others = {key: value for key, value in facts.items() if key not in CAUSE}
    return {**{key: facts[key] for key in CAUSE if key in facts}, "facts": others or UNSET}


def reason_of(alert: Alert) -> str | None:
    """Why, as it is shown: the metric that judges the group has its own name."""
    if alert.reason is None or alert.figures is None:
        return alert.reason
    return metric_reason(alert.reason, alert.figures.thresholds.metric)


class Assessment(NamedTuple):
    """What an alert's figures come to under the rules that judged it."""

    weight: Weight
    band: str
    version: Version | None
    """The rules, where they are known."""
    coins: CoinTexts | None = None
    """Where all prices are known as well."""
    ahead: NextLine | None = None


def judged(alert: Alert, figures: Figures, products: Mapping[str, Product]) -> Assessment | None:
    """None where a missing price leaves the sums without an end. Within `exact`."""
    if figures.debt_usd is None or figures.recognised_usd is None:
        return None
    product = products.get(alert.group.product) if alert.group is not None else None
    version = product.version_named(figures.rules) if product is not None else None
    lines, weight = figures.thresholds, Weight(figures.debt_usd, figures.recognised_usd)
    where = band(weight, lines)
    if figures.missing or version is None:
        return Assessment(weight, where, version)
    sheet = sheet_of(version, lines, figures.terms)
    ahead = next_line(weight, lines, sheet.terms, CENT, lines_ahead(alert.stage_to))
    return Assessment(weight, where, version, sheet.texts(figures, weight), ahead)


def _with_figures(figures: Figures, seen: Assessment | None) -> dict[str, Any]:
    lines, metric = figures.thresholds, figures.thresholds.metric
    coins = None if seen is None else seen.coins
    way: CureShown | None = None
    if coins is not None:
        way = way_shown(lines, coins.repay_usd, coins.add_recognised_usd, coins.by_asset)
    fields: dict[str, Any] = {
        "ltv": plain_or_none(figures.ltv),
        "debt_usd": plain_or_none(figures.debt_usd),
        "recognised_usd": plain_or_none(figures.recognised_usd),
        "market_usd": plain_or_none(figures.market_usd),
        "thresholds": _lines_shown(lines),
        "band": None if seen is None else seen.band,
        "next_line": None if seen is None or seen.ahead is None else line_shown(seen.ahead, lines),
        "cure": way,
        "liquidation_price": None if coins is None else coins.prices,
        "inputs": [input_shown(each) for each in figures.inputs],
        "debts": [debt_shown(each) for each in figures.debts],
        "inputs_cut": 0,
        "rules": figures.rules,
        "uncounted": [UncountedShown(a, plain(q)) for a, q in figures.uncounted[:_MOST_COINS]] or UNSET,
    }
    if figures.missing:
        fields |= {"missing": list(figures.missing[:_MOST_COINS])}
        fields |= {"bound": True} if figures.debt_usd is not None else {}
    if metric.falls:
        fields |= {"metric": metric.name, metric.name: None if seen is None else level_text(seen, lines)}
    return fields


def level_text(seen: Assessment, lines: Thresholds) -> str | None:
    """The level of a product whose metric is one."""
    return plain_or_none(shown_figure(seen.weight, lines, seen.version.warnings if seen.version is not None else ()))


def cut(data: AlertData) -> tuple[AlertData, bytes]:
    """Makes a long body short enough: labels go first, then long facts, then rows of debts, and inputs last.

    The rows of the smallest values go first. What is left out is counted; the sums stay whole. Returns it as JSON too.
    """
    encoded = _json(data)
    if len(encoded) <= BODY_LIMIT:
        return data, encoded
    if isinstance(data.group, GroupRef) and data.group.labels:
        data = _without_labels(data, data.group, _size(data) - BODY_LIMIT)
    if _size(data) > BODY_LIMIT and isinstance(data.facts, dict):
        data = _with_short_facts(data, data.facts)
    if (excess := _size(data) - BODY_LIMIT) > 0 and data.debts is not UNSET:
        debts, _ = _largest(data.debts, excess + _COUNTERS, _size, _DEBTS_KEPT)
        data = replace(data, debts=debts, debts_cut=len(data.debts) - len(debts))
    if (excess := _size(data) - BODY_LIMIT) > 0 and data.inputs is not UNSET:
        data = _with_fewer_inputs(data, data.inputs, excess)
    return data, _json(data)


_DEBTS_KEPT = 5
"""The largest debts stay beside inputs that have to be cut themselves: 2 kB at most."""
_COUNTERS = 40
"""Bytes of a count of what was left out."""
_MOST_COINS = 20
"""Coins that are named as missing or as not counted."""
_LONGEST_FACT = 1000
"""Bytes of a fact in a body that would be too long: whoever wants the whole of it looks into the monitor."""


def _without_labels(data: AlertData, group: GroupRef, excess: int) -> AlertData:
    """Leaves out the longest labels until the rest fits, or all of them."""
    labels = dict(group.labels)
    excess += _COUNTERS
    for name in sorted(labels, key=lambda n: -_length({n: labels[n]})):
        if excess <= 0:
            break
        excess -= _length({name: labels.pop(name)}) - 1  # the braces go with the whole table, a comma with the row
    before = 0 if data.labels_cut is UNSET else data.labels_cut
    cut = before + len(group.labels) - len(labels)
    return replace(data, group=replace(group, labels=labels), labels_cut=cut)


def _with_short_facts(data: AlertData, facts: dict[str, Any]) -> AlertData:
    """Cuts the texts and the lists of facts that are long, the longest first, and counts how many were cut."""
    short = dict(facts)
    for cut, name in enumerate(sorted(facts, key=lambda n: -_length(facts[n])), 1):
        if _size(data) <= BODY_LIMIT or _length(facts[name]) <= _LONGEST_FACT:
            break
        short[name] = _shortened(facts[name])
        data = replace(data, facts=dict(short), facts_cut=cut)
    return data


def _shortened(value: Any) -> Any:
    """The beginning of a text or of a list; nothing of what is neither."""
    if isinstance(value, str):
        return value.encode()[:_LONGEST_FACT].decode(errors="ignore") + "..."
    kept: list[Any] = []
    room = _LONGEST_FACT
    for item in value if isinstance(value, list | tuple) else ():
        room -= _length(item) + 1
        if room < 0:
            break
        kept.append(item)
    return kept if isinstance(value, list | tuple) else None


def _with_fewer_inputs(data: AlertData, rows: list[InputShown], excess: int) -> AlertData:
    cure, prices = data.cure, data.liquidation_price
    tables = [cure.by_asset if isinstance(cure, CureShown) else {}, prices if isinstance(prices, dict) else {}]

    def freed(row: InputShown) -> int:
        """An asset that is no longer listed also leaves the tables by asset."""
        return _size(row) + sum(len(row.asset) + len(str(t[row.asset])) + 6 for t in tables if row.asset in t)

    inputs, _ = _largest(rows, excess, freed)
    listed = {row.asset for row in inputs}
    by_asset, prices_left = ({asset: t[asset] for asset in t if asset in listed} for t in tables)
    return replace(
        data,
        inputs=inputs,
        inputs_cut=len(rows) - len(inputs),
        cure=replace(cure, by_asset=by_asset) if isinstance(cure, CureShown) else cure,
        liquidation_price=prices_left if isinstance(prices, dict) else prices,
    )


def _largest(rows: Sequence[Row], excess: int, freed: Callable[[Row], int], at_least: int = 0) -> tuple[list[Row], int]:
    """The rows of the largest values, and the excess of bytes when the others are gone."""
    kept = sorted(rows, key=lambda row: -Decimal(row.value_usd or 0))
    while len(kept) > at_least and excess > 0:
        excess -= freed(kept.pop())
    return kept, excess


def _size(of: msgspec.Struct) -> int:
    return _length(of)


def _length(of: Any) -> int:
    return len(_json(of))
