"""Prometheus metrics."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from collections.abc import Mapping
from datetime import datetime

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, Gauge, generate_latest

from monitor.core.alerts.trouble import STATES, TOO_OLD
from monitor.core.prices.quote import Mark
from monitor.telemetry import Metrics, Total
from monitor.web.auth import READ
from monitor.web.http import Rejected
from monitor.web.resources.feeds import lag_of, newest_marks
from monitor.web.site import Call, Endpoint
from monitor.web.troubles import PART
from monitor.web.view import Daemon, View

MOST_ASSETS = 300
"""Coins with samples of their own, the needed ones first by name: a venue lists 700, and each is three series for ever."""
MOST_REASONS = 50
"""Reasons of one feed with a sample of their own; more would be words of a peer."""
REST = "other"
"""The label of all others together: the worst of them where it is an age, their sum where it is a count."""
_scraping = threading.Lock()
"""A scrape takes away the samples of what is gone; two at once would take away each other's."""


async def metrics(call: Call) -> web.StreamResponse:
    """Prometheus metrics."""
    if call.caller.scope:
        raise Rejected("forbidden", "metrics are the whole desk's; a token with a scope cannot read them")
    call.daemon.metrics.tasks.set(len(asyncio.all_tasks()))
    raw = await asyncio.to_thread(_scrape, call.daemon)
    return web.Response(body=raw, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _scrape(daemon: Daemon) -> bytes:
    """Brings the gauges of groups, prices and feeds up to date, and writes all metrics."""
    view = daemon.view
    metrics = daemon.metrics
    counts = view.counts()
    for stage, number in counts.stages.items():
        metrics.groups.labels(stage).set(number)
    for stage, usd in view.debts().items():
        metrics.debt.labels(stage).set(float(usd))
    metrics.groups_unknown.set(counts.unknown)
    metrics.groups_blind.set(counts.blind)
    _troubles(daemon)
    if (fund := view.fund) is not None:
        for figure, value in (("balance", fund.balance_usd), ("draw", fund.draw_usd), ("fees", fund.fees_usd)):
            metrics.fund.labels(figure).set(float(value))
    with _scraping:
        metrics.nearest.clear()
        for stage, percent in view.nearest().items():
            metrics.nearest.labels(stage).set(float(percent))
        _prices(view, metrics, daemon.clock.utc())
        _feeds(daemon, metrics)
        return generate_latest(metrics.registry)


def _troubles(daemon: Daemon) -> None:
    """How many of each kind are not mended; every kind has a sample, so that a rule can watch it from the start."""
    counts = Counter(each.kind for each in daemon.view.troubles)
    counts[PART] = len(daemon.health.degraded)
    for kind in sorted(STATES | TOO_OLD | counts.keys()):
        daemon.metrics.degraded.labels(kind).set(counts[kind])
    daemon.metrics.unwatched.set(len(daemon.view.unwatched()))


def _prices(view: View, metrics: Metrics, now: datetime) -> None:
    """Ages and trust of the coins that groups need; of all others the worst."""
    needed, distrusted = view.distrusted()
    marks = dict(view.marks)
    own = frozenset(sorted(needed)[:MOST_ASSETS])
    untrusted = {asset: float(asset in distrusted) for asset in needed}
    received = {asset: round((now - mark.received_at).total_seconds(), 3) for asset, mark in marks.items()}
    _put_worst(metrics.price_age, {asset: _age_s(mark, now) for asset, mark in marks.items()}, own)
    _put_worst(metrics.receipt_age, received, own)
    _put_worst(metrics.price_trust, untrusted, own)


def _age_s(mark: Mark, now: datetime) -> float:
    return round((now - (mark.price_at or mark.received_at)).total_seconds(), 3)


def _put_worst(gauge: Gauge, values: Mapping[str, float], own: frozenset[str]) -> None:
    gauge.clear()
    for asset in own & values.keys():
        gauge.labels(asset).set(values[asset])
    if rest := values.keys() - own:
        gauge.labels(REST).set(max(values[asset] for asset in rest))


def _feeds(daemon: Daemon, metrics: Metrics) -> None:
    of_feeds = (
        metrics.feed_connected, metrics.feed_frames, metrics.feed_reconnects, metrics.feed_lag, metrics.feed_offset,
        metrics.feed_refused, metrics.feed_ignored, metrics.feed_dropped,
    )  # fmt: skip
    for each in of_feeds:
        each.clear()
    newest = newest_marks(daemon.view)
    for name, stats in dict(daemon.feeds).items():
        metrics.feed_connected.labels(name).set(stats.connected)
        metrics.feed_frames.set(stats.frames, name)
        metrics.feed_reconnects.set(stats.reconnects, name)
        _put_sums(metrics.feed_refused, name, stats.refused)
        _put_sums(metrics.feed_ignored, name, stats.ignored)
        if (lag_s := lag_of(newest.get(name))) is not None:
            metrics.feed_lag.labels(name).set(lag_s)
        if (seen := daemon.view.sources.get(name)) is not None:
            _put_sums(metrics.feed_dropped, name, seen.refused)
            if seen.offset is not None:
                metrics.feed_offset.labels(name).set(seen.offset.total_seconds())


def _put_sums(total: Total, feed: str, counts: Mapping[str, int]) -> None:
    """The reasons that came first have a sample each: one that changed places with the others would make counters fall."""
    found = list(dict(counts).items())
    for reason, number in found[:MOST_REASONS]:
        total.set(number, feed, reason)
    if rest := found[MOST_REASONS:]:
        total.set(sum(number for _, number in rest), feed, REST)


ROUTES = (Endpoint("GET", "/metrics", metrics, READ, media="text/plain"),)
