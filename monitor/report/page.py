"""A report as one HTML file: no script, nothing from elsewhere, drawings as inline SVG.

The browser stretches drawings to the width of the screen, so they hold only shapes, and words stand beside them. Positions
are whole numbers of 1/10,000 of the width.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import jinja2

from monitor.control_characters import visible
from monitor.core.alerts.alert_type import SEVERITY_RANK, Severity
from monitor.core.alerts.titles import title_of
from monitor.core.money import CENT, HUNDRED, ONE, ZERO, divide_down, exact, plain
from monitor.core.schema import instant
from monitor.core.stages.stages import STAGE_RANK
from monitor.core.text import percent, stamp
from monitor.report.gather import LISTED, TRACKED, Gathered, Point, worst_groups

WIDTH, HEIGHT, STRIP, BARS = 10_000, 240, 44, 60
"""Size of a drawing in its own units, height of a group's strip, bars of the histogram."""
_PAGES = jinja2.Environment(
    loader=jinja2.PackageLoader("monitor.report", "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    finalize=lambda value: visible(value, keeps_lines=True) if type(value) is str else value,
    trim_blocks=True,
    lstrip_blocks=True,
)


class PriceLine(NamedTuple):
    """One coin's price: a line of changes in percent since its first."""

    name: str
    points: str
    first: str
    last: str
    low: str
    low_percent: str


class StageBand(NamedTuple):
    """The time that a group spends in a stage."""

    x: int
    width: int
    stage: str
    title: str


class Strip(NamedTuple):
    """One group: its stages, its LTV over time, its lines, its alerts."""

    id: str
    borrower: str
    worst: str
    peak: Decimal
    shown: str
    bands: list[StageBand]
    points: str
    lines: list[tuple[int, str]]
    ticks: list[tuple[int, str, str]]


class ReportedAlert(NamedTuple):
    """An alert in the table."""

    at: str
    kind: str
    severity: Severity
    subject: str
    text: str
    sent: list[tuple[str, str]]
    """State and description of each delivery."""


def render(found: Gathered) -> str:
    """The file's text."""
    with exact():
        groups = worst_groups(found.alerts)
        strips = [_strip(found, group) for group in groups[:TRACKED]]
        low, high, curves = _curves(found)
        severities = Counter(item["data"]["severity"] for item in found.alerts)
        return _PAGES.get_template("report.html").render(
            found=found,
            begin=stamp(found.begin),
            end=stamp(found.end),
            severities=[(name, severities[name]) for name in SEVERITY_RANK],
            kinds=sorted(Counter(item["type"] for item in found.alerts).items()),
            groups=len(groups),
            strips=sorted(strips, key=lambda strip: (STAGE_RANK[strip.worst], -strip.peak)),
            more=max(len(groups) - TRACKED, 0),
            curves=curves,
            low=low,
            high=high,
            zero=_y(ZERO, Decimal(low), Decimal(high), HEIGHT),
            bars=_bars(found),
            axis=_axis(found),
            alerts=[_alert(found, item) for item in found.alerts[:LISTED]],
            cut=max(len(found.alerts) - LISTED, 0),
            proof=_proof(found),
            width=WIDTH,
            height=HEIGHT,
            strip=STRIP,
        )


def _x(found: Gathered, at: datetime) -> int:
    span = max(found.end - found.begin, timedelta(milliseconds=1))
    return min(max((at - found.begin) * WIDTH // span, 0), WIDTH)


def _y(value: Decimal, low: Decimal, high: Decimal, height: int) -> int:
    part = divide_down((value - low) * height, high - low, ONE) if high > low else ZERO
    return height - int(min(max(part, ZERO), Decimal(height)))


def _axis(found: Gathered) -> list[str]:
    """Five times, from the beginning to the end."""
    quarter = (found.end - found.begin) / 4
    form = "%H:%M:%S" if found.end - found.begin < timedelta(minutes=10) else "%H:%M"
    form = "%d %b %H:%M" if found.end - found.begin > timedelta(days=1) else form
    return [(found.begin + quarter * n).strftime(form) for n in range(5)]


def _curves(found: Gathered) -> tuple[str, str, list[PriceLine]]:
    """The lowest and the highest change in percent, and a line for each coin that moved."""
    changes: dict[str, list[Point]] = {}
    for coin, points in found.prices.items():
        if points and points[0][1] and len({price for _, price in points}) > 1:
            first = points[0][1]
            changes[coin] = [(at, divide_down(price * HUNDRED, first, CENT) - HUNDRED) for at, price in points]
    every = [change for points in changes.values() for _, change in points]
    low, high = min([*every, ZERO]), max([*every, ZERO])
    curves = []
    for coin, points in changes.items():
        prices = [price for _, price in found.prices[coin]]
        drawn = " ".join(f"{_x(found, at)},{_y(change, low, high, HEIGHT)}" for at, change in points)
        worst = plain(min(change for _, change in points))
        curves.append(PriceLine(coin, drawn, plain(prices[0]), plain(prices[-1]), plain(min(prices)), worst))
    return plain(low), plain(high), curves


def _bars(found: Gathered) -> list[tuple[int, list[tuple[str, int, int]]]]:
    """Alerts over time: the place of each bar, and (severity, distance from the top, height) of its parts."""
    counts: dict[int, Counter[str]] = {}
    for item in found.alerts:
        bar = min(_x(found, instant(item["timestamp"])) * BARS // WIDTH, BARS - 1)
        counts.setdefault(bar, Counter())[item["data"]["severity"]] += 1
    most = max((sum(count.values()) for count in counts.values()), default=1)
    drawn = []
    for bar, count in sorted(counts.items()):
        parts, top = [], STRIP
        for severity in SEVERITY_RANK:
            height = -(-count[severity] * STRIP // most)
            top = max(top - height, 0)
            parts += [(severity, top, height)] if height else []
        drawn.append((bar * WIDTH // BARS, parts))
    return drawn


def _strip(found: Gathered, group: str) -> Strip:
    mine = [item for item in found.alerts if item["data"].get("group", {}).get("id") == group]
    bands = _bands(found, mine)
    worst = min((band.stage for band in bands), key=lambda stage: STAGE_RANK.get(stage, len(STAGE_RANK)))
    told = [(instant(item["timestamp"]), Decimal(item["data"]["ltv"])) for item in mine if item["data"].get("ltv")]
    track = sorted({**dict(found.tracks.get(group, [])), **dict(told)}.items())
    peak = max((ltv for _, ltv in track), default=None)
    lines: dict[str, str] = next(
        (item["data"]["thresholds"] for item in reversed(mine) if "thresholds" in item["data"]), {}
    )
    is_ltv = not any("metric" in item["data"] for item in mine)
    stated = {name: Decimal(level) for name, level in lines.items()} if is_ltv else {}
    values = [ltv for _, ltv in track] + list(stated.values())
    low, high = min(values, default=ZERO), max(values, default=ONE)
    return Strip(
        id=group,
        borrower=str(mine[0]["data"]["group"]["labels"].get("borrower", "")),
        worst=worst,
        peak=peak or ZERO,
        shown=_percent(peak, stated.values()),
        bands=bands,
        points=" ".join(f"{_x(found, at)},{_y(ltv, low, high, STRIP)}" for at, ltv in track),
        lines=[(_y(level, low, high, STRIP), name) for name, level in stated.items()],
        ticks=[
            (_x(found, instant(i["timestamp"])), i["data"]["severity"], f"{_time(i)} {title_of(i['type'])}")
            for i in mine
        ],
    )


def _bands(found: Gathered, mine: list[dict[str, Any]]) -> list[StageBand]:
    """Stages from the first alert's `from` on; each lasts until the next one."""
    steps = [(found.begin, str(mine[0]["data"]["stage"]["from"]))]
    for item in mine:
        stage = item["data"]["stage"]
        if stage["to"] != steps[-1][1]:
            steps.append((instant(item["timestamp"]), str(stage["to"])))
    ends = [at for at, _ in steps[1:]] + [found.end]
    bands = []
    for (since, stage), until in zip(steps, ends, strict=True):
        x = _x(found, since)
        title = f"{stage.replace('_', ' ')} {since:%H:%M:%S} to {until:%H:%M:%S}"
        bands.append(StageBand(x, max(_x(found, until) - x, 1), stage, title))
    return bands


def _alert(found: Gathered, item: dict[str, Any]) -> ReportedAlert:
    body = item["data"]
    subject = body["group"]["id"] if "group" in body else body["subject"]
    said = [_figure(body)] if body.get("ltv") else []
    said += [f"owes {divide_down(Decimal(body['debt_usd']), ONE, CENT):,} USD"] if body.get("debt_usd") else []
    said += [f"reason {body['reason']}"] if item["type"].endswith("triggered") else []
    said += [f"until {body['deadline'][:19].replace('T', ' ')}"] if body.get("deadline") else []
    said += ["blind"] if body["blind"] else []
    facts = body.get("facts") or {}
    said += [str(facts[key]) for key in ("problem", "reason") if facts.get(key)]
    sent = [] if found.deliveries is None else [_sent(each) for each in found.deliveries.get(body["id"], ())]
    return ReportedAlert(
        _time(item), title_of(item["type"], facts), body["severity"], str(subject), ", ".join(said), sent
    )


def _figure(body: dict[str, Any]) -> str:
    """The metric of the product: its LTV in percent, or its level."""
    if (metric := body.get("metric")) is not None and body.get(metric) is not None:
        return f"{metric.replace('_', ' ')} {body[metric]}"
    return _percent(Decimal(body["ltv"]), [] if metric else [Decimal(x) for x in body.get("thresholds", {}).values()])


def _sent(delivery: dict[str, Any]) -> tuple[str, str]:
    to = ", ".join(delivery["to"])
    tries = "; ".join(f"{a['at'][11:19]} {a['state']} {a['detail']}".rstrip() for a in delivery.get("record", ()))
    times = f"{delivery['attempts']} attempt" + ("" if delivery["attempts"] == 1 else "s")
    channel = delivery["notifier"] + (f" ({to})" if to else "")
    return delivery["state"], f"{channel}: {delivery['state']}, {times}" + (f": {tries}" if tries else "")


def _proof(found: Gathered) -> list[tuple[str, int]] | None:
    """The number of deliveries by state; None for a replay, which sends nothing."""
    if found.deliveries is None:
        return None
    count = Counter(each["state"] for some in found.deliveries.values() for each in some)
    alone = sum(not some for some in found.deliveries.values())
    return [*sorted(count.items()), ("routed nowhere", alone)]


def _time(item: dict[str, Any]) -> str:
    return str(item["timestamp"])[:19].replace("T", " ")


def _percent(ltv: Decimal | None, lines: Collection[Decimal] = ()) -> str:
    return "" if ltv is None else f"LTV {plain(Decimal(percent(ltv, lines or None)))} %"
