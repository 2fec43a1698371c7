"""Price sources: what came, and what was refused or ignored."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from monitor.core.prices.quote import Mark
from monitor.core.text import stamp_or_none
from monitor.feeds._base import FeedStats
from monitor.web.auth import READ
from monitor.web.http import AFTER, LIMIT, age_s, paged_by_name
from monitor.web.site import Call, Endpoint
from monitor.web.view import Daemon


class FeedItem(msgspec.Struct, frozen=True):
    """One price source: what came, and what was refused or ignored, by reason.

    `lag_s`: how long after the venue's own time its newest price in force was received; 0 where the venue's clock is ahead.
    """

    connected: bool
    reason: str
    frames: int
    quotes: int
    reconnects: int
    ignored: dict[str, int]
    refused: dict[str, int]
    last_frame_at: str | None
    last_frame_age_s: float | None
    lag_s: float | None


class NamedFeed(FeedItem, frozen=True):
    """A price source with its name."""

    name: str


class FeedList(msgspec.Struct, frozen=True):
    """Price sources by name."""

    items: list[NamedFeed]
    next: str | None


async def feeds(call: Call) -> FeedList:
    """Price sources."""
    after, limit = call.query.page()
    call.query.done()
    shown = await asyncio.to_thread(feed_items, call.daemon)
    named = {name: NamedFeed(**msgspec.structs.asdict(item), name=name) for name, item in shown.items()}
    return FeedList(*paged_by_name(named, after, limit))


def feed_items(daemon: Daemon) -> dict[str, FeedItem]:
    """Every feed by name. For a worker thread."""
    now = daemon.clock.utc()
    newest: dict[str, Mark] = {}
    for mark in daemon.view.marks.values():
        if mark.source not in newest or mark.received_at > newest[mark.source].received_at:
            newest[mark.source] = mark
    return {name: _item(stats, now, newest.get(name)) for name, stats in dict(daemon.feeds).items()}


def _item(stats: FeedStats, now: datetime, newest: Mark | None) -> FeedItem:
    """`newest`: the price in force that this feed brought last."""
    lag_s = None
    if newest is not None and newest.price_at is not None:
        lag_s = age_s(newest.price_at, newest.received_at)
    return FeedItem(
        connected=stats.connected,
        reason=stats.reason,
        frames=stats.frames,
        quotes=stats.quotes,
        reconnects=stats.reconnects,
        ignored=dict(stats.ignored),
        refused=dict(stats.refused),
        last_frame_at=stamp_or_none(stats.last_frame_at),
        last_frame_age_s=age_s(stats.last_frame_at, now),
        lag_s=lag_s,
    )


ROUTES = (Endpoint("GET", "/v1/feeds", feeds, READ, (LIMIT, AFTER)),)
