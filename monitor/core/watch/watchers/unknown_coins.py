"""Says of a coin of the collateral that nobody knows it: `book.unknown_coin`, once for all groups, until it is mended.

Such a coin counts nothing, and nobody meant that. At the first start no feed has spoken yet, so the look is `missing_after`
later; while prices are there it is at once. What may have mended it is looked at within ten seconds.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import Told
from monitor.core.loans.unknown_coins import listed_coins, question, unknown_coins
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.watcher import BookChange, Ground, Watcher

UNKNOWN, KNOWN = "book.unknown_coin", "book.coin_known"
LOOK_AFTER = timedelta(seconds=10)
MOST_COINS = 100
"""Coins of which it is said at most: a file that is no loan book must not raise a thousand alerts."""


class UnknownCoinWatch(Watcher):
    """Which coins wait for a look, and which were said to be unknown."""

    phases = (deadlines.UNKNOWN_COIN,)

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._told: dict[str, Told] = {}
        self._waiting: set[str] = set()
        self._listed = listed_coins(ground.rules.products.values())

    def kept(self) -> dict[str, Told]:
        """By coin."""
        return dict(self._told)

    def restore(self, memory: Memory) -> None:
        """Goes on counting."""
        self._told = dict(memory.watchers.unknown_coins)

    def awaken(self, at: datetime) -> None:
        """What was said may have been mended while nobody looked."""
        if self._standing():
            self._await(at + self._ground.rules.trust.missing_after)

    def configure(self, at: datetime) -> None:
        """Other products may list a coin now."""
        self._listed = listed_coins(self._ground.rules.products.values())
        if self._standing():
            self._await(at + LOOK_AFTER)

    def observe(self, change: BookChange, out: Outcome) -> None:
        """Groups were put, changed or closed, or a feed gave the first price of a coin."""
        coins = {asset for record in change.groups for asset in record.group.quantities()}.union(change.coins)
        self.look(coins, change.at, out)
        if self._standing() and (change.groups or change.closed or change.coins or change.prices.found):
            self._await(change.at + LOOK_AFTER)

    def look(self, coins: Iterable[str], at: datetime, out: Outcome) -> None:
        """These coins are held now."""
        wait = self._ground.rules.trust.missing_after
        if not self._ground.rules.trust.enabled or not wait:
            return
        found = unknown_coins(coins, self._listed, self._ground.board.marks)
        new = [asset for asset in found if asset not in self._standing()]
        if not new:
            return
        if any(mark.asset not in self._ground.board.parity_assets for mark in self._ground.board.marks.values()):
            self._say_all(new, at, out)
        else:
            self._waiting.update(new)
            self._await(at + wait)

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """Says what waited, and what has been mended."""
        at, board, book = deadline.at, self._ground.board, self._ground.book
        for asset in self._standing():
            if not unknown_coins([asset], self._listed, board.marks) or not book.holding(asset):
                count = self._told[asset].times + 1
                self._told[asset] = Told(count)
                raise_alert(out, self._ground.rules.name, Statement(KNOWN, asset, count, {"asset": asset}), at)
        waiting, self._waiting = self._waiting, set()
        found = [asset for asset in unknown_coins(waiting, self._listed, board.marks) if book.holding(asset)]
        self._say_all(found, at, out)

    def _standing(self) -> list[str]:
        return sorted(asset for asset, told in self._told.items() if told.last is not None)

    def _say_all(self, assets: list[str], at: datetime, out: Outcome) -> None:
        for asset in assets[: max(MOST_COINS - len(self._standing()), 0)]:
            count = self._told.get(asset, Told()).times + 1
            known = self._listed.union(self._ground.board.usd)
            holders = sorted(self._ground.book.holding(asset))
            facts = {
                "asset": asset,
                "problem": question(asset, known),
                "groups": len(holders),
                "group_ids": holders[:50],
                "group_ids_cut": max(len(holders) - 50, 0),
            }
            self._told[asset] = Told(count, "unknown")
            raise_alert(out, self._ground.rules.name, Statement(UNKNOWN, asset, count, facts), at)

    def _await(self, due: datetime) -> None:
        waiting = self._ground.agenda.late(deadlines.UNKNOWN_COIN).get("")
        first = due if waiting is None else min(due, waiting)
        self._ground.agenda.set(deadlines.UNKNOWN_COIN, "", None, Deadline(first, deadlines.UNKNOWN_COIN, ""))
