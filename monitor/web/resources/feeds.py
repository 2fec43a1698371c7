"""Price sources: what came, and what was refused or ignored."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from monitor.core.groups.outcome import SourceView
from monitor.core.groups.snapshot import Scope
from monitor.core.prices.quote import Mark
from monitor.core.text import stamp_or_none
from monitor.feeds._base import FeedStats
from monitor.web.auth import READ
from monitor.web.causes import cause_of
from monitor.web.http import AFTER, LIMIT, age_s, paged_by_name
from monitor.web.site import Call, Endpoint
from monitor.web.view import Daemon, View

MOST_STATES = 1000
"""Coins of which an answer says why a feed gives no price; a venue lists some 700 markets."""


class FeedItem(msgspec.Struct, frozen=True):
    """One price source: what came, and what was refused or ignored, by reason.

    `cause`: why it gives no price that counts, null where it does. `lag_s`: how long after the venue's own time its newest
    price in force was received; below 0 where the venue's clock is ahead. `clock_offset_s`: the venue's clock less ours.
    `instruments`: where it knows the venue's symbols from (`builtin`, `list`, `kept copy`). `states`: why it gives no price
    of a coin, by coin. `dropped`: prices that were read and did not count, by reason.
    """

    connected: bool
    reason: str
    cause: str | None
    clock_offset_s: float | None
    clock_off: bool
    instruments: str
    states: dict[str, str]
    dropped: dict[str, int]
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
    shown = await asyncio.to_thread(feed_items, call.daemon, call.caller.scope)
    named = {name: NamedFeed(**msgspec.structs.asdict(item), name=name) for name, item in shown.items()}
    return FeedList(*paged_by_name(named, after, limit))


def newest_marks(view: View) -> dict[str, Mark]:
    """By source, the price in force that was received last."""
    newest: dict[str, Mark] = {}
    for mark in view.marks.values():
        if mark.source not in newest or mark.received_at > newest[mark.source].received_at:
            newest[mark.source] = mark
    return newest


def feed_items(daemon: Daemon, scope: Scope = ()) -> dict[str, FeedItem]:
    """Every feed by name; a scope hears of the coins that its groups need, and of no others. For a worker thread."""
    needed = daemon.view.needed(scope) if scope else None
    now = daemon.clock.utc()
    newest = newest_marks(daemon.view)
    seen = daemon.view.sources
    return {
        name: _item(stats, now, newest.get(name), seen.get(name, SourceView()), needed)
        for name, stats in dict(daemon.feeds).items()
    }


def lag_of(newest: Mark | None) -> float | None:
    """Seconds from the venue's own time to the receipt of the price in force that a feed brought last."""
    if newest is None or newest.price_at is None:
        return None
    return round((newest.received_at - newest.price_at).total_seconds(), 3)


def _item(
    stats: FeedStats, now: datetime, newest: Mark | None, seen: SourceView, needed: frozenset[str] | None
) -> FeedItem:
    """`newest`: the price in force that this feed brought last; `needed`: the coins to speak of, None for all."""
    states = {asset: why for asset, why in sorted(dict(stats.states).items()) if needed is None or asset in needed}
    return FeedItem(
        connected=stats.connected,
        reason=stats.reason,
        cause=cause_of(stats, seen),
        clock_offset_s=None if seen.offset is None else round(seen.offset.total_seconds(), 3),
        clock_off=seen.is_off,
        instruments=stats.instruments,
        states=dict(list(states.items())[:MOST_STATES]),
        dropped=dict(seen.refused),
        frames=stats.frames,
        quotes=stats.quotes,
        reconnects=stats.reconnects,
        ignored=dict(stats.ignored),
        refused=dict(stats.refused),
        last_frame_at=stamp_or_none(stats.last_frame_at),
        last_frame_age_s=age_s(stats.last_frame_at, now),
        lag_s=lag_of(newest),
    )


ROUTES = (Endpoint("GET", "/v1/feeds", feeds, READ, (LIMIT, AFTER)),)
