"""What a product must state: thresholds, ladders, rates, periods, in versions with an effective date.

Rules are data. Both the old and the new version are kept, and an event is judged by the version in force at its time;
before the first version's date the first one applies.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core.money import plain

Ladder = tuple[tuple[Decimal | None, Decimal], ...]
"""Tiers of (upper bound in USD or None for no bound, share recognised), bounds rising."""


class Thresholds(msgspec.Struct, frozen=True):
    """LTV lines of a group: 0 < initial < margin_call < liquidation < immediate (VIP FAQ 9)."""

    initial: Decimal
    margin_call: Decimal
    liquidation: Decimal
    immediate: Decimal

    def __post_init__(self) -> None:
        if not 0 < self.initial < self.margin_call < self.liquidation < self.immediate:
            lines = ", ".join(f"{k} {plain(v)}" for k, v in msgspec.structs.asdict(self).items())
            raise ValueError(
                f"lines out of order: {lines}; expected 0 < initial < margin_call < liquidation < immediate"
            )


class Version(msgspec.Struct, frozen=True):
    """The rules of a product from `effective` on."""

    effective: datetime
    thresholds: Thresholds
    ladders: Mapping[str, Ladder]
    rates: Mapping[str, Decimal] = {}
    grace: timedelta = timedelta(hours=24)
    overdue_after: timedelta = timedelta(hours=24)
    liquidation_fee: Decimal = Decimal("0.02")
    late_interest_factor: Decimal = Decimal(3)
    renewal_window: timedelta = timedelta(days=7)
    warnings: tuple[Decimal, ...] = ()


class Product(msgspec.Struct, frozen=True):
    """A kind of loan and all versions of its rules, oldest first."""

    kind: str
    versions: tuple[Version, ...]

    def version_at(self, at: datetime) -> Version:
        """The version in force at a time; the first one also before its date."""
        index = bisect_right([v.effective for v in self.versions], at) - 1
        return self.versions[max(index, 0)]

    def versions_from(self, at: datetime) -> tuple[Version, ...]:
        """The version in force at a time, and those that come into force later."""
        now = self.version_at(at)
        return (now, *(v for v in self.versions if v.effective > max(at, now.effective)))

    def rates_until(self, at: datetime) -> frozenset[str]:
        """Coins with a flexible rate at a time: one that a version no longer lists keeps the rate that it had before."""
        now = self.version_at(at)
        return frozenset(asset for v in self.versions if v.effective <= now.effective for asset in v.rates)

    def version_named(self, rules: str) -> Version | None:
        """The version that `rules_name` named, or None when the product file no longer has it."""
        return next((v for v in self.versions if self.rules_name(v) == rules), None)

    def rules_name(self, version: Version) -> str:
        """Such as `vip_loan@2024-04-29`; with the time of day only where another version begins on the same day."""
        day = version.effective.date()
        is_alone = sum(v.effective.date() == day for v in self.versions) == 1
        return f"{self.kind}@{day.isoformat()}" if is_alone else f"{self.kind}@{version.effective:%Y-%m-%dT%H:%M:%SZ}"


class Lifecycle(msgspec.Struct, frozen=True):
    """How alerts behave in time; the same for every product (configuration [lifecycle])."""

    clear_margin: Decimal = Decimal("0.01")
    clear_hold: timedelta = timedelta(seconds=900)
    grace_reminders: tuple[timedelta, ...] = (
        timedelta(hours=12), timedelta(hours=6), timedelta(hours=1), timedelta(minutes=15),
    )  # fmt: skip
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


class Rules(msgspec.Struct, frozen=True):
    """Everything that core decides by. Replaced as one by a reload."""

    name: str
    products: Mapping[str, Product]
    lifecycle: Lifecycle = Lifecycle()
    trust: Trust = Trust()

    def next_version(self, at: datetime) -> datetime | None:
        """When a version of some product's rules comes into force next, after a time."""
        coming = (v.effective for product in self.products.values() for v in product.versions)
        return min((effective for effective in coming if effective > at), default=None)
