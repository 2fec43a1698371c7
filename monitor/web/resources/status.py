"""How the daemon is: liveness, readiness, metrics, prices, and the status at a glance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Any

import msgspec
from aiohttp import web
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from monitor.core.groups.survey import Scope
from monitor.core.money import plain
from monitor.core.prices.quote import USDT, Mark
from monitor.core.text import stamp, stamp_or_none
from monitor.feeds._base import FeedStats
from monitor.notifiers._base import ChannelState
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.deskshapes import ChannelItem
from monitor.web.http import Parts, answer, listing
from monitor.web.problem import Rejected
from monitor.web.query import Values, paged_by_name
from monitor.web.statusshapes import FeedItem, GroupCounts, NamedFeed, PriceHealth, Readiness, Status

NAMED = 20
"""Untrusted assets that readiness names; the count is exact."""


class StatusApi:
    """Handlers of health, metrics, prices and status."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self.streams: Callable[[], int] = lambda: 0
        """How many streams are open; whoever has them says so."""

    async def healthz(self, _request: web.Request, _caller: Caller) -> web.StreamResponse:
        """GET /healthz: this answer is the proof that the event loop runs."""
        return answer({"alive": True})

    async def readyz(self, _request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /readyz"""
        ready = await asyncio.to_thread(self._readiness, caller)
        return answer(ready, 200 if ready.ready else 503)

    async def metrics(self, _request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /metrics"""
        if caller.scope:
            raise Rejected("forbidden", "metrics are the whole desk's; a token with a scope cannot read them")
        raw = await asyncio.to_thread(self._scrape)
        return web.Response(body=raw, headers={"Content-Type": CONTENT_TYPE_LATEST})

    async def prices(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/prices"""
        values = Values(request, query.PRICES)
        after, limit = values.cursor(), values.number("limit")
        values.done()

        def encoded() -> bytes:
            parts = self._parts
            shown = {p.asset: p for p in parts.view.prices(parts.rules(), parts.clock.utc(), caller.scope)}
            page, cursor = paged_by_name(list(shown), after, limit)
            return listing([msgspec.json.encode(shown[a]) for a in page], cursor)

        return answer(await asyncio.to_thread(encoded))

    async def channels(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/channels"""
        values = Values(request, query.CHANNELS)
        after, limit = values.cursor(), values.number("limit")
        values.done()
        if caller.scope:
            raise Rejected("forbidden", "channels are the whole desk's; a token with a scope cannot see them")
        now = self._parts.clock.utc()
        shown = {c.name: _channel(c, now) for c in self._parts.channels()}
        page, cursor = paged_by_name(sorted(shown), after, limit)
        return answer(listing([msgspec.json.encode(shown[name]) for name in page], cursor))

    async def feeds(self, request: web.Request, _caller: Caller) -> web.StreamResponse:
        """GET /v1/feeds"""
        values = Values(request, query.FEEDS)
        after, limit = values.cursor(), values.number("limit")
        values.done()
        page, cursor = paged_by_name(sorted(self._parts.feeds), after, limit)
        shown = await asyncio.to_thread(self._feeds)
        items = [NamedFeed(**msgspec.structs.asdict(shown[name]), name=name) for name in page if name in shown]
        return answer(listing([msgspec.json.encode(item) for item in items], cursor))

    def _feeds(self) -> dict[str, FeedItem]:
        now, newest = self._parts.clock.utc(), dict[str, Mark]()
        for mark in self._parts.view.marks.values():
            if mark.source not in newest or mark.received_at > newest[mark.source].received_at:
                newest[mark.source] = mark
        return {name: _feed(stats, now, newest.get(name)) for name, stats in dict(self._parts.feeds).items()}

    async def status(self, _request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/status"""
        return answer(await asyncio.to_thread(self._status, caller))

    def groups(self, scope: Scope) -> GroupCounts:
        """How the groups of a scope stand. For a worker thread."""
        counts, debts = self._parts.view.counts(scope), self._parts.view.debts(scope)
        owed = {stage: plain(usd) for stage, usd in debts.items()}
        return GroupCounts(counts.total, counts.unknown, counts.blind, dict(counts.stages), owed)

    def pulse(self, scoped: bool) -> dict[str, Any]:
        """What the stream's status says beside the time: cheap enough for four looks a second."""
        reasons = self._parts.health.reasons
        return {
            "ready": not reasons,
            "reasons": _told(dict(reasons), scoped=scoped),
            "feeds": {name: stats.connected for name, stats in self._parts.feeds.items()},
        }

    def _readiness(self, caller: Caller) -> Readiness:
        """Reasons are told to whoever may see the whole desk; a probe without a token learns which parts they are of."""
        reasons = dict(self._parts.health.reasons)
        prices, blindness = self._price_health(())
        if blindness is not None:
            reasons.setdefault("prices", blindness)
        if caller.scope or not caller.may("read"):
            return Readiness(not reasons, _told(reasons, scoped=True), None, None)
        return Readiness(not reasons, _told(reasons, scoped=False), prices, self._undelivered())

    def _price_health(self, scope: tuple[tuple[str, str], ...]) -> tuple[PriceHealth, str | None]:
        """The prices that groups need, and why nothing can be decided where none of them is trusted."""
        view, now = self._parts.view, self._parts.clock.utc()
        marks = view.marks
        needed, bad = view.distrusted(scope)
        received = [(marks[a].received_at, a) for a in needed if a in marks]
        oldest = min(received, default=None)
        health = PriceHealth(
            len(needed), len(bad), sorted(bad)[:NAMED], oldest[1] if oldest else None,
            round((now - oldest[0]).total_seconds(), 3) if oldest else None,
        )  # fmt: skip
        # A rate of USDT that the configuration states as a number is always there: it says nothing about the feeds.
        stated = frozenset() if self._parts.rules().trust.usdt_usd[:1].isalpha() else frozenset([USDT])
        fed = needed - stated
        if not fed or not fed <= bad:
            return health, None
        named = ", ".join(health.untrusted_assets)
        return health, f"no price that a group needs is trusted ({len(bad)}: {named}); look at the feeds"

    def _undelivered(self) -> dict[str, float]:
        """Seconds since the oldest undelivered notice, by notifier, as the dispatcher measured it last."""
        samples = [s for metric in self._parts.metrics.oldest_undelivered.collect() for s in metric.samples]
        return {s.labels["notifier"]: s.value for s in samples}

    def _status(self, caller: Caller) -> Status:
        parts = self._parts
        prices, _ = self._price_health(caller.scope)
        ready = self._readiness(caller)
        rules, now = parts.rules(), parts.clock.utc()
        return Status(
            at=stamp(now), name=rules.name, ready=ready.ready, reasons=ready.reasons,
            groups=self.groups(caller.scope),
            prices=prices, oldest_undelivered_s={} if caller.scope else self._undelivered(),
            feeds=self._feeds(),
            cursor=parts.view.cursor, streams=self.streams(),
            rules=[p.rules_name(p.version_at(now)) for p in rules.products.values()],
        )  # fmt: skip

    def _scrape(self) -> bytes:
        """Brings the gauges of groups, prices and feeds up to date, and writes all metrics."""
        parts, metrics = self._parts, self._parts.metrics
        counts, now = parts.view.counts(), parts.clock.utc()
        for stage, number in counts.stages.items():
            metrics.groups.labels(stage).set(number)
        metrics.groups_unknown.set(counts.unknown)
        metrics.groups_blind.set(counts.blind)
        untrusted = parts.view.published.untrusted
        for asset, mark in parts.view.marks.items():
            metrics.price_age.labels(asset).set((now - mark.received_at).total_seconds())
            metrics.price_trust.labels(asset).set(asset in untrusted)
        if (fund := parts.view.fund) is not None:
            for figure, value in (("balance", fund.balance_usd), ("draw", fund.draw_usd), ("fees", fund.fees_usd)):
                metrics.fund.labels(figure).set(float(value))
        for name, stats in parts.feeds.items():
            metrics.feed_connected.labels(name).set(stats.connected)
            metrics.feed_frames.labels(name).set(stats.frames)
            metrics.feed_reconnects.labels(name).set(stats.reconnects)
            for reason, number in list(stats.refused.items()):
                metrics.feed_refused.labels(name, reason).set(number)
        return generate_latest(metrics.registry)


def _told(reasons: dict[str, str], *, scoped: bool) -> dict[str, str | None]:
    """By part; the texts may name groups, so who sees only some groups is told the parts alone."""
    return {part: None if scoped else text for part, text in reasons.items()}


def _feed(stats: FeedStats, now: datetime, newest: Mark | None) -> FeedItem:
    """`newest`: the price in force that this feed brought last."""
    lag = None if newest is None or newest.price_at is None else newest.received_at - newest.price_at
    return FeedItem(
        stats.connected, stats.reason, stats.frames, stats.quotes, stats.reconnects, dict(stats.ignored),
        dict(stats.refused), stamp_or_none(stats.last_frame_at), _age_s(stats.last_frame_at, now),
        None if lag is None else round(max(lag.total_seconds(), 0.0), 3),
    )  # fmt: skip


def _age_s(at: datetime | None, now: datetime) -> float | None:
    return None if at is None else round(max((now - at).total_seconds(), 0.0), 3)


def _channel(c: ChannelState, now: datetime) -> ChannelItem:
    return ChannelItem(
        c.name, c.kind, "open" if c.is_open else "closed", c.queued, stamp_or_none(c.oldest_at), _age_s(c.oldest_at, now),
        stamp_or_none(c.delivered_at), stamp_or_none(c.failed_at), c.failure,
    )  # fmt: skip
