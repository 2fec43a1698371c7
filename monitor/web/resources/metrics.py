"""Prometheus metrics."""

from __future__ import annotations

import asyncio

from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from monitor.web.auth import READ
from monitor.web.http import Rejected
from monitor.web.site import Call, Endpoint
from monitor.web.view import Daemon


async def metrics(call: Call) -> web.StreamResponse:
    """Prometheus metrics."""
    if call.caller.scope:
        raise Rejected("forbidden", "metrics are the whole desk's; a token with a scope cannot read them")
    raw = await asyncio.to_thread(_scrape, call.daemon)
    return web.Response(body=raw, headers={"Content-Type": CONTENT_TYPE_LATEST})


def _scrape(daemon: Daemon) -> bytes:
    """Brings the gauges of groups, prices and feeds up to date, and writes all metrics."""
    view = daemon.view
    metrics = daemon.metrics
    counts = view.counts()
    now = daemon.clock.utc()
    for stage, number in counts.stages.items():
        metrics.groups.labels(stage).set(number)
    metrics.groups_unknown.set(counts.unknown)
    metrics.groups_blind.set(counts.blind)
    untrusted = view.published.untrusted
    for asset, mark in view.marks.items():
        metrics.price_age.labels(asset).set((now - mark.received_at).total_seconds())
        metrics.price_trust.labels(asset).set(asset in untrusted)
    if (fund := view.fund) is not None:
        for figure, value in (("balance", fund.balance_usd), ("draw", fund.draw_usd), ("fees", fund.fees_usd)):
            metrics.fund.labels(figure).set(float(value))
    for name, stats in daemon.feeds.items():
        metrics.feed_connected.labels(name).set(stats.connected)
        metrics.feed_frames.labels(name).set(stats.frames)
        metrics.feed_reconnects.labels(name).set(stats.reconnects)
        for reason, number in list(stats.refused.items()):
            metrics.feed_refused.labels(name, reason).set(number)
    return generate_latest(metrics.registry)


ROUTES = (Endpoint("GET", "/metrics", metrics, READ, media="text/plain"),)
