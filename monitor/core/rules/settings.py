"""What the desk configures: stages, trust in prices, the fund, exposure. `Rules` holds it with the products."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec

from monitor.core.rules.product import Product
from monitor.core.schema import Asset, Bounds, Quantity, Ratio, Span

Wait = Annotated[timedelta, Span("0s", "365d", old_places=3)]
SomeTime = Annotated[timedelta, Span("0s", "365d", above=True, old_places=3)]


class Lifecycle(msgspec.Struct, frozen=True):
    """How alerts behave in time; the same for every product (configuration [lifecycle])."""

    clear_margin: Ratio = Decimal("0.01")
    clear_hold: Wait = timedelta(minutes=15)
    grace_reminders: tuple[timedelta, ...] = tuple(timedelta(minutes=m) for m in (720, 360, 60, 15))
    margin_call_repeat: timedelta = timedelta(hours=24)


class Trust(msgspec.Struct, frozen=True):
    """When a price may be believed (configuration [prices]); `enabled` is off in a replay without --trust."""

    enabled: bool = True
    stale_after: timedelta = timedelta(seconds=10)
    confirm_jump: Decimal = Decimal("0.15")
    confirm_after: timedelta = timedelta(seconds=3)
    min_sources: int = 1
    usdt_usd: str = "1"
    sources: tuple[str, ...] = ()
    """Feeds in order of preference; a source that is not listed comes last."""


class Fund(msgspec.Struct, frozen=True):
    """The insurance fund that pays what bankrupt groups leave unpaid (configuration [fund]; rule 43)."""

    balance_usd: Quantity


class ExposureRules(msgspec.Struct, frozen=True):
    """What the desk holds against the book as a whole (configuration [exposure])."""

    daily_volume_usd: dict[Asset, Annotated[Decimal, Bounds("0", "1e18", 2, above=True)]] = {}
    """By coin, what the market trades in a day."""
    max_share_of_volume: Annotated[Decimal, Bounds("0", "1", 6, above=True)] = Decimal("0.1")
    """The share of that volume which a sale may take without moving the price much."""
    issuers: dict[str, tuple[Asset, ...]] = {}
    """Coins by their issuer."""
    max_share: dict[str, Annotated[Decimal, Bounds("0", "1", 8, above=True)]] = {}
    """By `asset`, `product` or the name of a label: the share of the book above which an alert is raised."""


class Rules(msgspec.Struct, frozen=True):
    """Everything that core decides by. Replaced as one by a reload."""

    name: str
    products: Mapping[str, Product]
    lifecycle: Lifecycle = Lifecycle()
    trust: Trust = Trust()
    fund: Fund | None = None
    exposure: ExposureRules = ExposureRules()

    def next_version(self, at: datetime) -> datetime | None:
        """When a version of some product's rules comes into force next, after a time."""
        coming = (v.effective for product in self.products.values() for v in product.versions)
        return min((effective for effective in coming if effective > at), default=None)
