"""Notifiers: breaker, queue, last attempts."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.core.text import stamp, stamp_or_none
from monitor.notifiers._base import ChannelState
from monitor.notifiers._sample import sample
from monitor.web.auth import OPERATE, READ
from monitor.web.http import AFTER, LIMIT, Rejected, age_s, paged_by_name, read_as, read_body
from monitor.web.resources.alerts import Text
from monitor.web.site import Call, Endpoint
from monitor.web.subscriptions import TestedEndpoint


class ChannelItem(msgspec.Struct, frozen=True):
    """One notifier. `breaker`: open while it is only probed. Times of the last attempts are since the daemon's start."""

    name: str
    kind: str
    breaker: str
    queued: int
    held: int
    """Notices that wait for the end of a quiet time, beside the queued ones."""
    oldest_at: str | None
    oldest_age_s: float | None
    last_delivered_at: str | None
    last_failed_at: str | None
    last_failure: str | None
    fallback: str | None
    """Where its critical notices go while it fails."""
    off_at: str | None
    """Since when it is switched off; null where it is on."""
    off_reason: str | None


class OffBody(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Why a channel is switched off."""

    reason: Text


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
        held=c.held,
        oldest_at=stamp_or_none(c.oldest_at),
        oldest_age_s=age_s(c.oldest_at, now),
        last_delivered_at=stamp_or_none(c.delivered_at),
        last_failed_at=stamp_or_none(c.failed_at),
        last_failure=c.failure,
        fallback=c.fallback,
        off_at=stamp_or_none(c.off_at),
        off_reason=c.off_reason,
    )


async def enable(call: Call) -> ChannelItem:
    """Switches a channel on; what waits for it is sent."""
    before = _known(call)
    if call.daemon.enable is not None:
        after = {"off_at": None, "reason": None}
        await call.daemon.enable(before.name, call.audit("enable channel", before.name, _off(before), after))
    return _item(_known(call), call.daemon.clock.utc())


async def disable(call: Call) -> ChannelItem:
    """Switches a channel off: nothing is sent, critical notices go to its fallback, all others wait."""
    before = _known(call)
    body = read_as(OffBody, await read_body(call.request))
    if call.daemon.disable is not None:
        reason = f"{call.caller.name}: {body.reason}"
        after = {"off_at": stamp(call.daemon.clock.utc()), "reason": reason}
        audit = call.audit("disable channel", before.name, _off(before), after)
        await call.daemon.disable(before.name, reason, audit)
    return _item(_known(call), call.daemon.clock.utc())


async def test(call: Call) -> TestedEndpoint:
    """Sends one test notice through a channel, and says how that went. It passes the queue and supersedes nothing."""
    known = _known(call)
    if call.daemon.test is None:
        raise Rejected("not-found", "this monitor sends nothing")
    rules = call.daemon.rules()
    notice = sample(rules.name, rules.products, call.daemon.clock.utc())
    # Before it goes out: what was sent cannot be taken back where the record fails.
    await call.daemon.inbox.record(call.caller.name, "test channel", known.name, None, None)
    return await call.daemon.test(known.name, notice)


def _known(call: Call) -> ChannelState:
    """The channel of the path. Raises Rejected."""
    call.query.done()
    if call.caller.scope:
        raise Rejected("forbidden", "channels are the whole desk's; a token with a scope cannot switch them")
    found = next((c for c in call.daemon.channels() if c.name == call.id), None)
    if found is None:
        raise Rejected("not-found", f"there is no channel {call.id}")
    return found


def _off(c: ChannelState) -> dict[str, str | None]:
    return {"off_at": stamp_or_none(c.off_at), "reason": c.off_reason}


ROUTES = (
    Endpoint("GET", "/v1/channels", channels, READ, (LIMIT, AFTER)),
    Endpoint("POST", "/v1/channels/{id}/enable", enable, OPERATE),
    Endpoint("POST", "/v1/channels/{id}/disable", disable, OPERATE, body=OffBody),
    Endpoint("POST", "/v1/channels/{id}/test", test, OPERATE),
)
