"""The shards of the book as people see them: who holds what, where, and who answered last."""

from __future__ import annotations

import msgspec


class ShardItem(msgspec.Struct, frozen=True):
    """A copy of a shard. `debt_usd`: what its groups owed when the shard saw prices last. `missing`: a replacement is loaded.

    `watched`: some copy of the shard is there. `memory_bytes`: of its process or actor, null until it has said so.
    """

    shard: int
    copy: int
    where: str
    groups: int
    debt_usd: str
    missing: bool
    watched: bool
    answered_s: float
    """How long ago it answered."""
    memory_bytes: int | None
    state: str
    """`there`, `missing`, `coming` or `going`."""


class ShardList(msgspec.Struct, frozen=True):
    """The shards by number. None where the daemon's own process holds the book."""

    items: list[ShardItem]
    unwatched: int
    """Groups that nobody watches, as their shard is missing or none has room for them."""
