"""What the desk configures: stages, trust in prices, the fund, exposure. `Rules` holds it with the products."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated, Literal, Protocol

import msgspec

from monitor.core.rules.duty import Duty
from monitor.core.rules.product import Governed, Product
from monitor.core.schema import Asset, Bounds, Quantity, Ratio, Span

Wait = Annotated[timedelta, Span("0s", "365d", old_places=3)]
SomeTime = Annotated[timedelta, Span("0s", "365d", above=True, old_places=3)]


class Lifecycle(msgspec.Struct, frozen=True):
    """How alerts behave in time; the same for every product (configuration [lifecycle])."""

    clear_margin: Ratio = Decimal("0.01")
    clear_hold: Wait = timedelta(minutes=15)
    grace_reminders: tuple[timedelta, ...] = tuple(timedelta(minutes=m) for m in (720, 360, 60, 15))
    margin_call_repeat: timedelta = timedelta(hours=24)
    reopen: Wait = timedelta(0)
    """A group that a snapshot left out goes on as it was if it comes back within this. An event log from before this was
    there folds without it; a configuration that does not state it means an hour (monitor.config)."""
    tell_deadlines: bool = False
    """Another end of a grace period is told. An event log from before this was there folds without it; a configuration that
    does not state it means yes."""


class FeedTrust(msgspec.Struct, frozen=True):
    """How the prices of one feed are judged; its kind states the defaults (`trust(config)` of the plug-in)."""

    stale_after: timedelta | None = None
    """A price older than this is stale; None: as [prices] states."""
    stale_after_of: Mapping[str, timedelta] = {}
    """By asset, where it differs: a NAV that is published once a day."""
    cadence: timedelta | None = None
    """How often the venue sends, by its documentation. A limit shorter than this can never be kept."""
    sends_changes_only: bool = False
    """A coin that did not trade is absent: it lives while the connection does and its last trade is within `quiet_after`."""
    repeats_are_life: bool = False
    """An unchanged answer is news: a poll of a price that seldom changes."""
    may_freeze: bool = True
    """A mark that stands still for `frozen_after` while the market moves is suspect."""


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
    mode: Literal["primary", "median"] = "primary"
    """Which of several live sources is in force: the one that is named first, or the median of all."""
    max_spread: Decimal = Decimal("0.02")
    """Live sources agree where they differ by no more than this share."""
    contradiction_after: timedelta = timedelta(seconds=60)
    """Live sources that differ for this long are an alert of their own."""
    max_ahead: timedelta = timedelta(seconds=5)
    """A price dated further ahead than this is refused; clocks that differ by less are taken to agree."""
    quiet_after: timedelta = timedelta(minutes=5)
    frozen_after: timedelta = timedelta(hours=1)
    power_wait: timedelta = timedelta(minutes=10)
    """A fall by a power of ten is believed after this; a rise never by itself."""
    missing_after: timedelta = timedelta(0)
    """A coin without a price is said after this to endanger groups. An event log from before this was there folds without
    it, as does zero; a configuration that does not state it means a minute."""
    feeds: Mapping[str, FeedTrust] = {}
    """By the name of the feed."""

    def of(self, source: str) -> FeedTrust:
        """How a source is judged."""
        return self.feeds.get(source, _ANY_FEED)

    def stale_after_of(self, source: str, asset: str) -> timedelta:
        """The age at which a source's price of an asset is stale."""
        feed = self.of(source)
        return feed.stale_after_of.get(asset) or feed.stale_after or self.stale_after


_ANY_FEED = FeedTrust()


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


class Grouped(Governed, Protocol):
    """A group, as far as its rules depend on it."""

    @property
    def product(self) -> str: ...


class FourEyes(msgspec.Struct, frozen=True):
    """What one person proposes and another must approve (configuration [four_eyes]; decision 90). Off unless stated."""

    enabled: bool = False
    proposals_last: Annotated[timedelta, Span("1m", "30d")] = timedelta(hours=24)
    """A proposal that nobody has approved by then is void."""
    people: tuple[str, ...] = ()
    """Those who may approve: people with a token that may."""


class LenderRules(msgspec.Struct, frozen=True):
    """How what a lender's own system says is held against ours (configuration [lender]; decision 80)."""

    max_difference: Annotated[Decimal, Bounds("0", "1", 6, above=True)] = Decimal("0.005")
    """Levels that differ by more than this are told, as debt over recognised value whatever the metric."""
    agrees_for: Wait = timedelta(seconds=60)
    """A difference is over when readings have agreed for this long; a level when it is within half of `max_difference`."""
    old_after: SomeTime = timedelta(minutes=15)
    """A reading that is older is shown as old."""


class Rules(msgspec.Struct, frozen=True):
    """Everything that core decides by. Replaced as one by a reload."""

    name: str
    products: Mapping[str, Product]
    lifecycle: Lifecycle = Lifecycle()
    trust: Trust = Trust()
    fund: Fund | None = None
    exposure: ExposureRules = ExposureRules()
    duty: Duty = Duty()
    lender: LenderRules = LenderRules()
    books: Mapping[str, timedelta] = {}
    """By source of loans: how old its book may be. A book that is not named may be of any age."""
    four_eyes: FourEyes = FourEyes()

    def product_of(self, group: Grouped) -> Product:
        """The rules that a group is under: those of its agreement, by the terms of its labels and of its own line.

        Raises KeyError where its agreement is not configured.
        """
        return self.products[group.product].of(group)

    def next_version(self, at: datetime) -> datetime | None:
        """When a version of some product's rules comes into force next, after a time."""
        coming = (v.effective for product in self.products.values() for v in product.versions)
        return min((effective for effective in coming if effective > at), default=None)
