"""What the feeds of spot venues share: the last trade is the price, and a coin has markets in several quote coins.

A connection gives one market of each coin, the one in the quote coin that the configuration prefers. `parse` by itself, on
no connection, gives every market of a message.
"""

from __future__ import annotations

from decimal import Decimal

from monitor.core.money import EXACT, plain
from monitor.core.prices.quote import BadPrice, price
from monitor.feeds._markets import REPEATED
from monitor.feeds._subscriptions import AskedFeed, Spoilt

_HALF = Decimal("0.5")
_WIDEST = Decimal("0.1")
"""Offers that are further apart than this share of their middle say little about a price."""


class SpotFeed(AskedFeed):
    """A feed of last prices. A venue adds its dialect, and how it spells a symbol."""


def spoilt(item: object) -> Spoilt:
    """A ticker that is no object of its own."""
    return Spoilt("duplicate_key" if item is REPEATED else "malformed_item", item)


def middle(bid: object, ask: object) -> str | None:
    """The middle of the best offers, exactly; None where one of them is no price, or they are far apart."""
    try:
        low, high = price(bid), price(ask)
    except BadPrice:
        return None
    half = EXACT.multiply(EXACT.add(low, high), _HALF)
    is_near = abs(high - low) <= EXACT.multiply(half, _WIDEST)
    return plain(half) if is_near else None
