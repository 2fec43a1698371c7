"""How prices are judged, as [prices] and the feeds of a configuration state it, and what of that can never work."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import msgspec

from monitor import plugins
from monitor.core.prices.quote import USDT
from monitor.core.rules.cadence import too_slow
from monitor.core.rules.settings import FeedTrust, Trust
from monitor.core.schema import Invalid
from monitor.tables import PricesTable


class FeedPart(Protocol):
    """A [[feed]] of the configuration."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def config(self) -> Any: ...


def trust_of(
    prices: PricesTable, feeds: Sequence[FeedPart], stated: Mapping[str, object]
) -> tuple[Trust, list[tuple[str, str]]]:
    """How prices are judged, and by place what can never work: then every price would be missing, stale or suspect for ever.

    `stated`: the keys of [prices] that the file has.
    """
    trust = Trust(
        sources=tuple(feed.name for feed in feeds),
        feeds={feed.name: _feed_trust(feed) for feed in feeds},
        **msgspec.structs.asdict(prices),
    )
    unfit = [(f"feed[{i}]", what) for i, feed in enumerate(feeds) for what in too_slow(trust, feed.name)]
    if feeds and prices.min_sources > len(feeds):
        found = f"found {prices.min_sources}, but there is 1 feed" if len(feeds) == 1 else ""
        found = found or f"found {prices.min_sources}, but there are {len(feeds)} feeds"
        what = f"{found}: no price could ever be good; add a [[feed]], or state {len(feeds)}"
        unfit.append(("prices.min_sources", what))
    if len(feeds) > 1 and "max_spread" in stated and prices.max_spread > prices.confirm_jump:
        what = f"found {prices.max_spread}, above confirm_jump, {prices.confirm_jump}: two sources would agree on"
        what = f"{what} a price that is a jump for either; state at most {prices.confirm_jump}"
        unfit.append(("prices.max_spread", what))
    if problem := _unpriceable(prices.usdt_usd, feeds):
        unfit.append(("prices.usdt_usd", problem))
    return trust, unfit


def _feed_trust(feed: FeedPart) -> FeedTrust:
    """How the prices of a feed are judged; a kind that states nothing of it is judged as [prices] says."""
    return _told_of(feed, "trust") or FeedTrust()


def _told_of(feed: FeedPart, what: str) -> Any:
    """What a feed's kind tells of its configuration by a function; None where it has none, or cannot tell."""
    function = getattr(plugins.module("feeds", feed.kind), what, None)
    try:
        return None if function is None else function(feed.config)
    except (Invalid, ValueError, OSError):
        # A file behind the feed that cannot be played: `wiring.unusable` names it with its remedy.
        return None


def _unpriceable(usdt_usd: str, feeds: Sequence[FeedPart]) -> str | None:
    """Why the coin that converts USDT to USD can never have a price in USD; None where it may have one.

    A feed's module may state which coins it can price in USD (`priced_in_usd(config)`); one that does not may price any.
    """
    if not feeds or not usdt_usd[:1].isalpha():
        return None
    priced: set[str] = set()
    for feed in feeds:
        coins = _told_of(feed, "priced_in_usd")
        if coins is None:
            return None
        priced.update(coins)
    if usdt_usd in priced:
        return None
    names = ", ".join(feed.name for feed in feeds)
    if priced:
        circle = f"in USD they price {', '.join(sorted(priced))}"
    else:
        circle = (
            f"{usdt_usd} is itself quoted in USDT there" if usdt_usd != USDT else "all coins are quoted in USDT there"
        )
    return (
        f"found {usdt_usd!r}, but no feed can price it in USD ({names}: {circle}), so that every price in USDT would be "
        'missing; state a rate such as "1", or add a [[feed]] that quotes it in USD'
    )
