"""Answers about the daemon itself, as the contract describes them: readiness, feeds, counts, status."""

from __future__ import annotations

import msgspec


class PriceHealth(msgspec.Struct, frozen=True):
    """Prices that groups need, those of them that are not trusted (at most 20 named), and the oldest receipt."""

    needed: int
    untrusted: int
    untrusted_assets: list[str]
    oldest_asset: str | None
    oldest_age_s: float | None


class Readiness(msgspec.Struct, frozen=True):
    """Whether the daemon does its work, and what keeps it from it, by part."""

    ready: bool
    reasons: dict[str, str | None]
    prices: PriceHealth | None
    oldest_undelivered_s: dict[str, float] | None


class FeedItem(msgspec.Struct, frozen=True):
    """One price source: what came, and what was refused or ignored, by reason.

    `lag_s`: how long after the venue's own time its newest price in force was received; 0 where the venue's clock is ahead.
    """

    connected: bool
    reason: str
    frames: int
    quotes: int
    reconnects: int
    ignored: dict[str, int]
    refused: dict[str, int]
    last_frame_at: str | None
    last_frame_age_s: float | None
    lag_s: float | None


class NamedFeed(FeedItem, frozen=True):
    """A price source with its name."""

    name: str


class FeedList(msgspec.Struct, frozen=True):
    """Price sources by name."""

    items: list[NamedFeed]
    next: str | None


class GroupCounts(msgspec.Struct, frozen=True):
    """How the groups stand. `debt_usd` is by stage, in whole USD, without groups that cannot be valued."""

    total: int
    unknown: int
    blind: int
    stages: dict[str, int]
    debt_usd: dict[str, str]


class Status(msgspec.Struct, frozen=True):
    """The daemon at a glance. `reasons` have no texts for a token with a scope: these may name other groups."""

    at: str
    name: str
    ready: bool
    reasons: dict[str, str | None]
    groups: GroupCounts
    prices: PriceHealth
    oldest_undelivered_s: dict[str, float]
    feeds: dict[str, FeedItem]
    cursor: int
    streams: int
    rules: list[str]
