"""Whether a feed can keep the limit of its own prices: one that sends more seldom than that is stale between two messages."""

from __future__ import annotations

from datetime import timedelta

from monitor.core.rules.settings import Trust
from monitor.core.schema import in_words


def too_slow(trust: Trust, source: str) -> list[str]:
    """What is wrong with the cadence of a source, each a sentence with the remedy; empty where it keeps its limits."""
    feed = trust.of(source)
    if not trust.enabled or feed.cadence is None or feed.sends_changes_only:
        return []
    limits = {"": feed.stale_after or trust.stale_after, **feed.stale_after_of}
    return [_sentence(source, asset, limit, feed.cadence) for asset, limit in limits.items() if limit < feed.cadence]


def _sentence(source: str, asset: str, limit: timedelta, cadence: timedelta) -> str:
    of = f" of {asset}" if asset else ""
    return (
        f"{source!r} gives prices every {in_words(cadence)}, but stale_after{of} is {in_words(limit)}: each price would be "
        f'stale before the next one comes; state stale_after = "{in_words(2 * cadence)}" or more'
    )
