"""Watches the trust in prices: says which of them blind the book, and when it sees again (decision 9).

Going blind is said once per asset, and only where it blinds some group; so is seeing again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from typing import Any

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.events.events import FeedSaid, MarkPrices
from monitor.core.groups.loan_book import EXACT_SUMS, Exposure
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import Told
from monitor.core.money import plain
from monitor.core.prices.quote import GOOD, STALE, USDT, PriceChange
from monitor.core.text import stamp, stamp_or_none
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.watcher import BookChange, Ground, Watcher

EXACT_SUMS_AT_ONCE = 5_000
"""The sums of the alerts about prices of one time are exact for this many exposed groups together, which takes half a
second. A feed that dies or comes back with 600 coins must not hold core for a minute."""
IS_STALE, IS_SUSPECT, IS_RESTORED = "price.stale", "price.suspect", "price.restored"


class PriceWatch(Watcher):
    """The deadlines of prices, and the alerts about them."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._board = ground.board
        self._agenda = ground.agenda
        self._missing: dict[str, Told] = {}
        self._late: tuple[str, ...] = ()
        """Assets whose price is stale now; they are announced when their holders are decided."""
        self._summed_at: datetime | None = None
        self._summed = 0
        """How many groups were summed exactly for alerts of that time."""

    # -- what is remembered --

    def kept(self) -> dict[str, Told]:
        """By asset: whether it is said that no price was ever seen."""
        return dict(self._missing)

    def restore(self, memory: Memory) -> None:
        """Takes what was kept, and waits for the prices that are awaited."""
        self._missing = dict(memory.watchers.prices)
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

    def due(self, deadline: Deadline, out: Outcome) -> BookChange | None:
        """Deadlines of one time. A feed that dies takes all its prices: their holders are decided once."""
        at, assets = deadline.at, [deadline.subject, *self._agenda.pop_alike(deadline)]
        late = {asset: change for asset in assets if (change := self._come_due(asset, at, out)) is not None}
        if not late:
            return None
        self._late = tuple(late)
        moved = frozenset[str]().union(*(change.moved for change in late.values()))
        return self._moved(PriceChange(moved, lost=tuple(a for change in late.values() for a in change.lost)), at)

    def observe(self, change: BookChange, out: Outcome) -> None:
        """Says which prices are no longer believed, before anything is decided without them."""
        for asset in sorted(change.prices.lost):
            self._announce(asset, change.at, out)

    def conclude(self, change: BookChange, out: Outcome) -> None:
        """Says which prices are believed again, or were never seen before, and which of those needed now are not believed."""
        for asset in sorted(change.prices.regained):
            if self._board.marks[asset].announced:
                self._say(asset, IS_RESTORED, self._exposed(asset, change.at), change.at, out)
        for asset in sorted(change.prices.found):
            self._say_missing(asset, IS_RESTORED, change.at, out)
        late, self._late = self._late, ()
        for asset in late:
            self._announce(asset, change.at, out)
        if change.needed:
            self._look(change.needed, change.at, out)

    def _moved(self, change: PriceChange, at: datetime, quoted: Iterable[str] = ()) -> BookChange:
        ending = [d.subject for d in self._agenda.late_at(at) if d.phase == deadlines.GROUP]
        priced = change.moved.union(quoted) if ending else change.moved
        suspects = [g for g in ending if not priced.isdisjoint(self._ground.known(g).held.assets)]
        return BookChange(at, change, suspects=suspects, priced=priced)

    def _come_due(self, asset: str, at: datetime, out: Outcome) -> PriceChange | None:
        """A price's deadline has come. Returns the change of a price that is stale now: its holders are decided first."""
        due = self._board.stale_due(asset)
        if asset not in self._board.usd:
            self._say_missing(asset, IS_STALE, at, out)
        elif due is None:
            self._announce(asset, at, out)
        elif due > at:
            self._await_price(asset, due)
        else:
            return self._board.expire(asset, at)
        return None

    # -- deadlines --

    def _await_price(self, asset: str, due: datetime) -> None:
        """Looks at an asset's price once `due` has passed."""
        self._agenda.set(deadlines.PRICE, asset, None, Deadline(due, deadlines.PRICE, asset))

    def _await_missing(self, assets: Collection[str], at: datetime) -> None:
        """A price that does not come within the limit is said to be missing."""
        trust = self._ground.rules.trust
        if trust.enabled:
            for asset in set(assets) - self._board.usd.keys():
                if not self._agenda.has_late(deadlines.PRICE, asset):
                    self._await_price(asset, at + trust.stale_after)

    def _await_staleness(self, assets: Iterable[str]) -> None:
        """Looks at each of these prices again when it would be stale."""
        for asset in assets:
            due = None if self._agenda.has_late(deadlines.PRICE, asset) else self._board.stale_due(asset)
            if due is not None:
                self._await_price(asset, due)

    def _look(self, assets: Collection[str], at: datetime, out: Outcome) -> None:
        """Some group needs these prices: waits for those that are missing, says once which are not believed."""
        self._await_missing(assets, at)
        untrusted = self._board.untrusted
        needed = {*assets, *self._board.parity_assets} if untrusted else set()
        for asset in sorted(untrusted & needed):
            # Prices kept over a restart are stale, but have their time to be confirmed before the desk hears of it.
            if self._board.trust_of(asset) != STALE or not self._agenda.has_late(deadlines.PRICE, asset):
                self._announce(asset, at, out)

    # -- alerts --

    def _announce(self, asset: str, at: datetime, out: Outcome) -> None:
        """Says that a price is not believed, unless it was said or no group needs it."""
        mark = self._board.marks.get(asset)
        if mark is not None and mark.trust != GOOD and not mark.announced:
            exposed = self._exposed(asset, at)
            if exposed.groups:
                self._say(asset, IS_STALE if mark.trust == STALE else IS_SUSPECT, exposed, at, out)

    def _say(self, asset: str, type_: str, exposed: Exposure, at: datetime, out: Outcome) -> None:
        mark = self._board.announce(asset, type_ != IS_RESTORED)
        usd = self._board.usd.get(asset)
        facts: dict[str, Any] = {
            "asset": asset,
            "trust": mark.trust,
            "reason": mark.reason or None,
            "price": None if usd is None else plain(usd),
            "source": mark.source,
            "price_at": stamp_or_none(mark.price_at),
            "received_at": stamp(mark.received_at),
            "candidate": None if mark.candidate is None else plain(mark.candidate),
            "groups": exposed.groups,
            "debt_usd": plain(exposed.debt),
            "recognised_usd": plain(exposed.recognised),
            **_named(exposed),
        }
        if not exposed.is_exact:
            facts["sums"] = "indicative"
        what = Statement(type_, asset, mark.sequence, facts, mark.episode, blind=type_ != IS_RESTORED)
        raise_alert(out, self._ground.rules.name, what, at)

    def _say_missing(self, asset: str, type_: str, at: datetime, out: Outcome) -> None:
        """A held asset without any price is said once, and so is its first price: its groups are unknown, not healthy."""
        is_missing = type_ == IS_STALE
        count, last = self._missing.get(asset, Told())
        if (last is None) != is_missing:
            return
        exposed = self._sums([asset], at)
        if not exposed.groups and is_missing:
            return
        self._missing[asset] = Told(count + 1, "missing" if is_missing else None)
        facts = {
            "asset": asset,
            "trust": "missing" if is_missing else "good",
            "reason": "no price was ever seen; check that a feed quotes it" if is_missing else None,
            "groups": exposed.groups,
            **_named(exposed),
        }
        raise_alert(out, self._ground.rules.name, Statement(type_, asset, count + 1, facts, blind=is_missing), at)

    def _exposed(self, asset: str, at: datetime) -> Exposure:
        """Groups whose valuation needs an asset's price; every price in USDT needs the rate of USDT."""
        assets = [asset]
        if asset in self._board.parity_assets:
            assets += self._board.quoted_in(USDT)
        return self._sums(assets, at)

    def _sums(self, assets: Collection[str], at: datetime) -> Exposure:
        if self._summed_at != at:
            self._summed_at = at
            self._summed = 0
        most = min(EXACT_SUMS, EXACT_SUMS_AT_ONCE - self._summed)
        exposed = self._ground.book.exposure(assets, self._board, most)
        self._summed += exposed.groups if exposed.is_exact else 0
        return exposed


def _named(exposed: Exposure) -> dict[str, Any]:
    return {"group_ids": list(exposed.ids), "group_ids_cut": exposed.groups - len(exposed.ids)}
