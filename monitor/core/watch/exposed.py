"""Who is exposed to prices that are not trusted, with sums: what every alert about prices says."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any

from monitor.core.groups.loan_book import EXACT_SUMS, Exposure
from monitor.core.money import plain
from monitor.core.prices.quote import USDT
from monitor.core.watch.watcher import Ground

EXACT_SUMS_AT_ONCE = 5_000
"""The sums of the alerts about prices of one time are exact for this many exposed groups together, which takes half a
second. A feed that dies or comes back with 600 coins must not hold core for a minute."""


class ExposureSums:
    """Sums the groups that need some prices, and bounds what is summed exactly at one time."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._at: datetime | None = None
        self._summed = 0
        """How many groups were summed exactly for alerts of that time."""

    def of(self, assets: Collection[str], at: datetime) -> Exposure:
        """Groups whose valuation needs one of these prices; every price in USDT needs the rate of USDT."""
        board = self._ground.board
        needed = set(assets)
        if not needed.isdisjoint(board.parity_assets):
            needed.update(board.quoted_in(USDT))
        if self._at != at:
            self._at = at
            self._summed = 0
        most = min(EXACT_SUMS, EXACT_SUMS_AT_ONCE - self._summed)
        exposed = self._ground.book.exposure(sorted(needed), board, most)
        self._summed += exposed.groups if exposed.is_exact else 0
        return exposed


def exposed_facts(exposed: Exposure) -> dict[str, Any]:
    """The facts of an alert."""
    facts: dict[str, Any] = {
        "groups": exposed.groups,
        "debt_usd": plain(exposed.debt),
        "recognised_usd": plain(exposed.recognised),
        **named_facts(exposed),
    }
    return facts if exposed.is_exact else {**facts, "sums": "indicative"}


def named_facts(exposed: Exposure) -> dict[str, Any]:
    """The groups by name."""
    return {"group_ids": list(exposed.ids), "group_ids_cut": exposed.groups - len(exposed.ids)}
