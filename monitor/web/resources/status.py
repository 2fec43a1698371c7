"""How the daemon is: liveness, readiness, and the status at a glance."""

from __future__ import annotations

import asyncio

import msgspec

from monitor.core.groups.snapshot import Scope
from monitor.core.groups.watcher_states import BookState
from monitor.core.prices.quote import USDT
from monitor.core.text import stamp, stamp_or_none
from monitor.lease.state import HeadState
from monitor.web.auth import OPEN, READ, Caller
from monitor.web.causes import feed_causes
from monitor.web.http import age_s
from monitor.web.live import GroupCounts, group_counts, reasons_told
from monitor.web.resources.feeds import FeedItem, feed_items
from monitor.web.site import Call, Endpoint, Reply
from monitor.web.troubles import DegradedItem, degraded
from monitor.web.view import Daemon

NAMED = 20
"""Untrusted assets that readiness names; the count is exact."""

REASONED = 3
"""Of those, each with its reason, where no feed has a cause of its own."""


class Alive(msgspec.Struct, frozen=True):
    """The event loop runs. `instance`: a digest of the machine and the place of the configuration."""

    alive: bool
    instance: str


class PriceHealth(msgspec.Struct, frozen=True):
    """Prices that groups need, those of them that are not trusted (at most 20 named), and the oldest price.

    Its age is by the exchange's own time, or by the receipt where the exchange sends no time.
    """

    needed: int
    untrusted: int
    untrusted_assets: list[str]
    oldest_asset: str | None
    oldest_age_s: float | None


class Readiness(msgspec.Struct, frozen=True):
    """Whether the daemon does its work, and what keeps it from it, by part.

    `reasons`: what stops alerts. `degraded`: what is not known or not in order while alerts go out.
    """

    ready: bool
    reasons: dict[str, str | None]
    degraded: list[DegradedItem]
    prices: PriceHealth | None
    oldest_undelivered_s: dict[str, float] | None
    head: HeadState | None = None


class BookItem(msgspec.Struct, frozen=True):
    """How fresh a book is. Times are null before it was read; `stale`: it is older than `limit_s`."""

    as_of: str | None
    seen_at: str | None
    version: str | None
    limit_s: float | None
    stale: bool


class Status(msgspec.Struct, frozen=True):
    """The daemon at a glance. `reasons` have no texts for a token with a scope: these may name other groups.

    Groups, prices and streams are then those of its own.
    """

    at: str
    name: str
    ready: bool
    reasons: dict[str, str | None]
    degraded: list[DegradedItem]
    """What is not known or not in order while alerts go out, until it is mended."""
    groups: GroupCounts
    prices: PriceHealth
    oldest_undelivered_s: dict[str, float]
    feeds: dict[str, FeedItem]
    books: dict[str, BookItem]
    """By source of loans; none for a token with a scope."""
    cursor: int | None
    """The end of the alert log; null for a token with a scope."""
    streams: int
    rules: list[str]
    head: HeadState | None = None
    """Of a daemon that is one of two."""


async def healthz(call: Call) -> Alive:
    """The event loop runs."""
    return Alive(alive=True, instance=call.daemon.instance)


async def readyz(call: Call) -> Reply:
    """Whether the daemon does its work, and why not."""
    ready = await asyncio.to_thread(_readiness, call.daemon, call.caller)
    return Reply(ready, 200 if ready.ready else 503)


async def status(call: Call) -> Status:
    """The daemon at a glance."""
    return await asyncio.to_thread(_status, call)


def _status(call: Call) -> Status:
    daemon = call.daemon
    caller = call.caller
    ready = _readiness(daemon, caller)
    prices, _ = _price_health(daemon, caller.scope)
    rules = daemon.rules()
    now = daemon.clock.utc()
    return Status(
        at=stamp(now),
        name=rules.name,
        ready=ready.ready,
        reasons=ready.reasons,
        degraded=ready.degraded,
        groups=group_counts(daemon.view, caller.scope),
        prices=prices,
        oldest_undelivered_s={} if caller.scope else _undelivered(daemon),
        feeds=feed_items(daemon, caller.scope),
        books={} if caller.scope else _books(daemon),
        cursor=None if caller.scope else daemon.view.cursor,
        streams=sum(not caller.scope or c.caller.name == caller.name for c in call.site.hub.clients),
        rules=[p.rules_name(p.version_at(now)) for p in rules.products.values()],
        head=ready.head,
    )


def _books(daemon: Daemon) -> dict[str, BookItem]:
    """Those of the configuration too that were never read: a book that is missing is not left out."""
    limits = daemon.rules().books
    stated = [each.name for each in daemon.sources() if each.gives == "loans"]
    return {
        name: BookItem(
            as_of=stamp_or_none(state.as_of),
            seen_at=stamp_or_none(state.seen_at),
            version=state.version or None,
            limit_s=limits[name].total_seconds() if name in limits else None,
            stale=state.told.last is not None,
        )
        for name, state in sorted(({name: BookState() for name in stated} | {**daemon.view.books}).items())
    }


def _readiness(daemon: Daemon, caller: Caller) -> Readiness:
    """Callers who may see the whole desk read the reasons. A probe without a token learns which parts are not ready."""
    reasons = dict(daemon.health.reasons)
    prices, blindness = _price_health(daemon, ())
    if blindness is not None:
        reasons.setdefault("prices", blindness)
    head = None if daemon.head is None else daemon.head.state
    if head is not None and head.silence is not None:
        reasons.setdefault("head", head.silence)
    is_told = not caller.scope and caller.may(READ)
    told = reasons_told(reasons, scoped=not is_told), degraded(daemon, is_told=is_told)
    if not is_told:
        return Readiness(not reasons, *told, None, None, None if head is None else head.open)
    return Readiness(not reasons, *told, prices, _undelivered(daemon), head)


def _price_health(daemon: Daemon, scope: Scope) -> tuple[PriceHealth, str | None]:
    """The prices that groups need, and why nothing can be decided where none of them is trusted."""
    marks = daemon.view.marks
    needed, bad = daemon.view.distrusted(scope)
    times = [(marks[a].price_at or marks[a].received_at, a) for a in needed if a in marks]
    oldest_at, oldest_asset = min(times, default=(None, None))
    health = PriceHealth(
        needed=len(needed),
        untrusted=len(bad),
        untrusted_assets=sorted(bad)[:NAMED],
        oldest_asset=oldest_asset,
        oldest_age_s=age_s(oldest_at, daemon.clock.utc()),
    )
    # A rate of USDT that the configuration states as a number is always there, whatever the feeds do.
    stated = frozenset() if daemon.rules().trust.usdt_usd[:1].isalpha() else frozenset([USDT])
    fed = needed - stated
    if not fed or not fed <= bad:
        return health, None
    named = ", ".join(health.untrusted_assets)
    causes = feed_causes(daemon) or {a: marks[a].reason for a in health.untrusted_assets[:REASONED] if a in marks}
    why = "; ".join(f"{name}: {cause}" for name, cause in causes.items() if cause) or "look at the feeds"
    return health, f"no price that a group needs is trusted ({len(bad)}: {named}); {why}"


def _undelivered(daemon: Daemon) -> dict[str, float]:
    """Seconds since the oldest undelivered notice, by notifier, as the dispatcher measured it last."""
    samples = [s for metric in daemon.metrics.oldest_undelivered.collect() for s in metric.samples]
    return {s.labels["notifier"]: s.value for s in samples}


ROUTES = (
    Endpoint("GET", "/healthz", healthz, OPEN),
    Endpoint("GET", "/readyz", readyz, OPEN, answers={200: Readiness, 503: Readiness}),
    Endpoint("GET", "/v1/status", status, READ),
)
