"""Notifiers: breaker, queue, last attempts."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.core.text import stamp_or_none
from monitor.notifiers._base import ChannelState
from monitor.web.auth import READ
from monitor.web.http import AFTER, LIMIT, Rejected, age_s, paged_by_name
from monitor.web.site import Call, Endpoint


class ChannelItem(msgspec.Struct, frozen=True):
    """One notifier. `breaker`: open while it is only probed. Times of the last attempts are since the daemon's start."""

    name: str
    kind: str
    breaker: str
    queued: int
    oldest_at: str | None
    oldest_age_s: float | None
    last_delivered_at: str | None
    last_failed_at: str | None
    last_failure: str | None


class ChannelList(msgspec.Struct, frozen=True):
    """Notifiers by name."""

    items: list[ChannelItem]
    next: str | None


async def channels(call: Call) -> ChannelList:
    """Notifiers: breaker, queue, last attempts."""
    after, limit = call.query.page()
    call.query.done()
    if call.caller.scope:
        raise Rejected("forbidden", "channels are the whole desk's; a token with a scope cannot see them")
    now = call.daemon.clock.utc()
    page, cursor = paged_by_name({c.name: c for c in call.daemon.channels()}, after, limit)
    return ChannelList([_item(c, now) for c in page], cursor)


def _item(c: ChannelState, now: datetime) -> ChannelItem:
    return ChannelItem(
        name=c.name,
        kind=c.kind,
        breaker="open" if c.is_open else "closed",
        queued=c.queued,
        oldest_at=stamp_or_none(c.oldest_at),
        oldest_age_s=age_s(c.oldest_at, now),
        last_delivered_at=stamp_or_none(c.delivered_at),
        last_failed_at=stamp_or_none(c.failed_at),
        last_failure=c.failure,
    )


ROUTES = (Endpoint("GET", "/v1/channels", channels, READ, (LIMIT, AFTER)),)
