"""Watches the trust in prices: when it goes and when it comes back (decision 9). `Blindness` says what of it, and when."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.events.events import FeedSaid, MarkPrices
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.prices.quote import STALE, PriceChange
from monitor.core.watch.watcher import BookChange, Ground, Watcher
from monitor.core.watch.watchers.blindness import Blindness


class PriceWatch(Watcher):
    """The deadlines of prices, and what the desk must hear of them."""

    def __init__(self, ground: Ground, blindness: Blindness) -> None:
        self._ground = ground
        self._board = ground.board
        self._agenda = ground.agenda
        self._blindness = blindness
        self._awaited: set[str] = set()
        """Assets whose price has a deadline: that of the agenda, for a look at all coins of a frame at once."""
        self._late: tuple[str, ...] = ()
        """Assets whose price is stale now; they are announced when their holders are decided."""

    # -- what is remembered --

    def restore(self, memory: Memory) -> None:
        """Takes what was kept, and waits for the prices that are awaited."""
        self._await_staleness(self._board.marks)
        for asset, due in memory.awaited:
            self._await_price(asset, due)

    @property
    def awaited(self) -> tuple[tuple[str, datetime], ...]:
        """Assets without a price, and when the desk is told."""
        return tuple((a, at) for a, at in self._agenda.late(deadlines.PRICE).items() if a not in self._board.usd)

    def awaken(self, at: datetime) -> None:
        """Gives every kept price its full time to be confirmed before the desk hears that it is stale."""
        for asset in self._board.marks:
            self._await_price(asset, at + self._ground.rules.trust.stale_after)
        self._await_missing(frozenset(self._ground.book.needed()), at)

    # -- what happens to prices --

    def take(self, event: MarkPrices) -> BookChange:
        """New prices. A clear hold that ends now is decided on them, even where they are what they were before."""
        change = self._board.apply(event.quotes, event.at, event.frames)
        self._await_staleness(event.assets)
        return self._moved(change, event.at, event.assets)

    def said(self, event: FeedSaid) -> BookChange:
        """A feed says of itself whether it is connected, and which coins it cannot price."""
        return self._moved(self._board.take_said(event), event.at)

    def silent(self, asset: str, at: datetime) -> BookChange:
        """No feed spoke of an asset for too long, though no deadline could run."""
        return self._moved(self._board.expire(asset), at)

    def jump(self, delta: timedelta, at: datetime) -> None:
        """The wall jumped forward to `at`: no price grew old, or is missing, for the time that was skipped."""
        latest = at + self._ground.rules.trust.stale_after
        self._board.shift(delta, at)
        for asset, late in self._agenda.late(deadlines.PRICE).items():
            self._await_price(asset, self._board.stale_due(asset) or min(late + delta, latest))

    def stand(self, delta: timedelta, at: datetime) -> None:
        """Time passed that the wall does not show, as it was set back."""
        self._board.shift(-delta, at)

    def due(self, deadline: Deadline, out: Outcome) -> BookChange | None:
        """Deadlines of one time. A feed that dies takes all its prices: their holders are decided once."""
        at = deadline.at
        late: dict[str, PriceChange] = {}
        blind: list[str] = []
        subjects = (deadline.subject, *self._agenda.pop_alike(deadline))
        self._awaited.difference_update(subjects)
        for asset in subjects:
            due = self._board.stale_due(asset)
            if asset not in self._board.usd or due is None:
                blind.append(asset)
            elif due > at:
                self._await_price(asset, due)
            else:
                late[asset] = self._board.expire(asset, at)
        if not late:
            self._blindness.lose(blind, at, out)
            return None
        self._await_staleness(late, at)  # another source may be in force now, and comes to its own time
        self._board.led_anew.difference_update(late)
        self._late = (*late, *blind)
        moved = frozenset[str]().union(*(change.moved for change in late.values()))
        return self._moved(PriceChange(moved, lost=tuple(a for change in late.values() for a in change.lost)), at)

    def observe(self, change: BookChange, out: Outcome) -> None:
        """Says which prices are no longer believed, before anything is decided without them."""
        # A coin whose first price is old or late already has the time of one that has no price yet.
        new = {asset for asset in change.prices.found if self._is_awaited(asset)}
        self._blindness.lose(set(change.prices.lost) - new, change.at, out)

    def conclude(self, change: BookChange, out: Outcome) -> None:
        """Says which prices are believed again, or were never seen before, and which of those needed now are not believed."""
        self._await_anew((*change.prices.regained, *change.prices.found), change.at)
        self._blindness.regain(change.prices.regained, change.at, out)
        self._blindness.regain(change.prices.found, change.at, out)
        late, self._late = self._late, ()
        if late:
            self._blindness.lose(late, change.at, out)
        if change.needed:
            self._look(change.needed, change.at, out)

    def _moved(self, change: PriceChange, at: datetime, quoted: Iterable[str] = ()) -> BookChange:
        ending = [d.subject for d in self._agenda.late_at(at) if d.phase == deadlines.GROUP]
        priced = change.moved.union(quoted) if ending else change.moved
        suspects = [g for g in ending if not priced.isdisjoint(self._ground.known(g).held.assets)]
        return BookChange(at, change, suspects=suspects, priced=priced)

    # -- deadlines --

    def _is_awaited(self, asset: str) -> bool:
        return asset in self._awaited

    def _await_price(self, asset: str, due: datetime) -> None:
        """Looks at an asset's price once `due` has passed."""
        self._awaited.add(asset)
        self._agenda.set(deadlines.PRICE, asset, None, Deadline(due, deadlines.PRICE, asset))

    def _await_missing(self, assets: Collection[str], at: datetime) -> None:
        """A price that does not come within the limit is said to be missing."""
        trust = self._ground.rules.trust
        if trust.enabled:
            for asset in set(assets).difference(self._board.usd):
                if not self._is_awaited(asset):
                    self._await_price(asset, at + trust.stale_after)

    def _await_staleness(self, assets: Iterable[str], after: datetime | None = None) -> None:
        """Looks at each of these prices again when it would be stale, but later than `after`."""
        for asset in sorted(set(assets) - self._awaited):
            due = self._board.stale_due(asset, after)
            if due is not None and (after is None or due > after):
                self._await_price(asset, due)

    def _await_anew(self, believed: Iterable[str], at: datetime) -> None:
        """Looks in time at prices that are believed from now on, or that another source gives.

        What was waited for so far, such as the end of the last source that speaks, may be minutes away.
        """
        anew = self._board.led_anew
        for asset in sorted({*anew, *believed}):
            due = self._board.stale_due(asset)
            if due is not None and asset in self._board.usd:
                self._await_price(asset, max(due, at))
        anew.clear()

    def _look(self, assets: Collection[str], at: datetime, out: Outcome) -> None:
        """Some group needs these prices: waits for those that are missing, says once which are not believed."""
        self._await_missing(assets, at)
        untrusted = self._board.untrusted
        needed = {*assets, *self._board.parity_assets} if untrusted else set()
        # Prices kept over a restart are stale, but have their time to be confirmed before the desk hears of it.
        waiting = {a for a in untrusted & needed if self._board.trust_of(a) == STALE and self._is_awaited(a)}
        self._blindness.lose((untrusted & needed) - waiting, at, out)
