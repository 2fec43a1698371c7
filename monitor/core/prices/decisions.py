"""What an operator decides about a price, as values (decision 51): a pin, a source that is left out, a price to believe.

Pins and exclusions stand until a time. An operator may end them before it. `take_decisions` of the price board gets all
that are in force each time one begins or ends; `believe` gets a candidate once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

LONGEST = timedelta(days=7)
"""A pin is a stopgap: what must stand for longer is a feed of the desk's own (`http_poll`, `redis_stream`)."""
MOST_IN_FORCE = 200
"""Beyond this the desk should mend its feeds. Every look at the prices passes over them."""
FAR = Decimal(10)
"""A pin that differs from the last price by this factor is a slip of the hand until the operator confirms it."""


class _PriceAct(msgspec.Struct, frozen=True, tag_field="act", omit_defaults=True):
    asset: str
    reason: str


class Believe(_PriceAct, frozen=True, tag="believe"):
    """The candidate of an asset is right. Once: later prices are judged as ever."""

    price: Decimal
    """The candidate that the operator saw. One that is far from it by now is not believed."""


class Exclude(_PriceAct, frozen=True, tag="exclude"):
    """A source does not count for an asset until a time."""

    source: str
    until: datetime


class Pin(_PriceAct, frozen=True, tag="pin"):
    """An asset has this price in USD until a time, whatever the sources say."""

    price: Decimal
    until: datetime
    confirmed: bool = False
    """The operator knows that it is far from the last price."""


class Release(_PriceAct, frozen=True, tag="release"):
    """Ends a pin and the exclusions of an asset; with `source` only that exclusion."""

    source: str | None = None


PriceAct = Believe | Exclude | Pin | Release


class Decision(msgspec.Struct, frozen=True):
    """A pin or an exclusion in force: who made it, and when."""

    said: Pin | Exclude
    by: str
    at: datetime

    @property
    def asset(self) -> str:
        """The coin that it is about."""
        return self.said.asset

    @property
    def key(self) -> str:
        """One pin stands for an asset, and one exclusion for an asset and a source. No coin has a slash in its name."""
        return self.asset if isinstance(self.said, Pin) else f"{self.asset}/{self.said.source}"

    @property
    def pinned(self) -> Pinned:
        """What everybody sees who looks at a price that rests on a pin."""
        return Pinned(self.by, self.said.until, self.said.reason)


class Pinned(msgspec.Struct, frozen=True):
    """Who pinned a price, until when, and why."""

    by: str
    until: datetime
    reason: str


class PriceStanding(msgspec.Struct, frozen=True):
    """How a price stands before and after an operator's decision: for the audit."""

    price_usd: Decimal | None
    source: str | None
    trust: str
    candidate: Decimal | None
    decisions: tuple[Decision, ...]


class DecisionsOf:
    """The decisions in force, found by asset. The price board asks it of each quote that it judges."""

    def __init__(self, decisions: tuple[Decision, ...] = ()) -> None:
        self.pins = {d.asset: d for d in decisions if isinstance(d.said, Pin)}
        self.excluded = frozenset((d.asset, d.said.source) for d in decisions if isinstance(d.said, Exclude))
        self.assets = frozenset(d.asset for d in decisions)
