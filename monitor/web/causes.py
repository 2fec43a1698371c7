"""Why prices do not count, in the words that every answer, the page and the doctor share."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec

from monitor.core.groups.outcome import SourceView
from monitor.core.prices.quote import GOOD, MISSING, SUSPECT
from monitor.core.queries.prices_shown import PriceItem
from monitor.feeds._base import FeedStats
from monitor.web.view import Daemon

LONGEST = 500
"""Characters of a reason: several feeds may each have a cause, and a peer words some of it."""


def cause_of(stats: FeedStats, seen: SourceView | None) -> str | None:
    """Why a feed gives no price that counts; None where it does."""
    if not stats.connected:
        return stats.cause or "not connected"
    if seen is not None and seen.trouble:
        return seen.trouble
    return stats.cause or None


def feed_causes(daemon: Daemon) -> dict[str, str]:
    """The feeds that give no price that counts, each with its cause."""
    seen = daemon.view.sources
    found = {name: cause_of(stats, seen.get(name)) for name, stats in dict(daemon.feeds).items()}
    return {name: cause for name, cause in found.items() if cause is not None}


def price_item(
    daemon: Daemon, asset: str, at: datetime, causes: Mapping[str, str], why_missing: str | None = None
) -> PriceItem:
    """One price as it is shown at a time: with the cause where it is not trusted, and where its symbol is known from.

    `why_missing`: what core says of a coin without a price.
    """
    item = daemon.view.price(asset, daemon.rules(), at)
    if why_missing is not None and item.trust == MISSING:
        item = msgspec.structs.replace(item, reason=why_missing)
    stats = daemon.feeds.get(item.source or "")
    if stats is not None:
        item = msgspec.structs.replace(item, instruments=stats.instruments)
    reason = _reason(daemon, item, causes)
    return item if reason == item.reason else msgspec.structs.replace(item, reason=reason)


def _reason(daemon: Daemon, item: PriceItem, causes: Mapping[str, str]) -> str | None:
    """A price that was never seen is missed by all feeds, a stale one by its own. A suspect price has its own reason."""
    if item.trust in (GOOD, SUSPECT):
        return item.reason
    whose = [*daemon.feeds] if item.trust == MISSING and item.source is None else [item.source or ""]
    words = [item.reason] if item.reason else []
    for name in whose:
        stats = daemon.feeds.get(name)
        own = stats.states.get(item.asset) if stats is not None else None
        cause = own or causes.get(name)
        if cause is not None and cause not in (item.reason or ""):
            words.append(f"{name}: {cause}")
    return "; ".join(words)[:LONGEST] or None
