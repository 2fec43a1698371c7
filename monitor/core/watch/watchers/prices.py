"""Says aloud which prices are not believed, or never came, and when they are believed again (DESIGN section 8).

Going blind is said once per asset, and only where it blinds somebody; so is seeing again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from monitor.core import deadlines
from monitor.core.deadlines import Agenda, Deadline
from monitor.core.groups.loan_book import EXACT_SUMS, Exposure, LoanBook
from monitor.core.groups.outcome import Outcome
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import GOOD, STALE, USDT, PriceChange
from monitor.core.rules.settings import Rules
from monitor.core.watch import compose

EXACT_SUMS_AT_ONCE = 5_000
"""Up to so many exposed groups the sums of all alerts about prices of one time are exact, which takes half a second: a
feed that dies or comes back with 600 coins must not keep core for a minute."""


class PriceWatch:
    """The deadlines of prices, and the alerts about them. `rules` is replaced by whoever changes the rules."""

    def __init__(
        self, rules: Rules, board: PriceBoard, planned: Agenda, book: LoanBook, notices: dict[str, tuple[int, str | None]]
    ) -> None:  # fmt: skip
        self.rules = rules
        self._board, self._agenda, self._book, self._notices = board, planned, book, notices
        self._summed: tuple[datetime | None, int] = (None, 0)
        """The time of the last alert, and how many groups were summed exactly for alerts of that time."""

    @property
    def awaited(self) -> tuple[tuple[str, datetime], ...]:
        """Assets without a price, and when the desk is told."""
        return tuple((a, at) for a, at in self._agenda.late(deadlines.PRICE).items() if a not in self._board.usd)

    def await_price(self, asset: str, due: datetime) -> None:
        """Looks at an asset's price once `due` has passed."""
        self._agenda.set(deadlines.PRICE, asset, None, Deadline(due, deadlines.PRICE, asset))

    def await_missing(self, assets: Collection[str], at: datetime) -> None:
        """A price that does not come within the limit is said to be missing."""
        if self.rules.trust.enabled:
            for asset in set(assets) - self._board.usd.keys():
                if not self._agenda.has_late(deadlines.PRICE, asset):
                    self.await_price(asset, at + self.rules.trust.stale_after)

    def await_staleness(self, assets: Iterable[str]) -> None:
        """Looks at each of these prices again when it would be stale."""
        for asset in assets:
            due = None if self._agenda.has_late(deadlines.PRICE, asset) else self._board.stale_due(asset)
            if due is not None:
                self.await_price(asset, due)

    def awaken(self, at: datetime) -> None:
        """After a restart: gives every kept price its full time to be confirmed before the desk hears that it is stale."""
        for asset in self._board.marks:
            self.await_price(asset, at + self.rules.trust.stale_after)
        self.await_missing(frozenset(self._book.needed()), at)

    def shift(self, delta: timedelta, at: datetime) -> None:
        """The wall jumped forward to `at`: no price grew old, or is missing, for the time that was skipped."""
        latest = at + self.rules.trust.stale_after
        self._board.shift(delta, at)
        for asset, late in self._agenda.late(deadlines.PRICE).items():
            self.await_price(asset, self._board.stale_due(asset) or min(late + delta, latest))

    def come_due(self, asset: str, at: datetime, out: Outcome) -> PriceChange | None:
        """A price's deadline has come. Returns the change of a price that is stale now: its holders are decided first."""
        due = self._board.stale_due(asset)
        if asset not in self._board.usd:
            self.say_missing(asset, "price.stale", at, out)
        elif due is None:
            self.announce(asset, at, out)
        elif due > at:
            self.await_price(asset, due)
        else:
            return self._board.expire(asset)
        return None

    def look(self, assets: Collection[str], at: datetime, out: Outcome) -> None:
        """Somebody needs these prices: waits for those that are missing; says which are not believed, if none was told."""
        self.await_missing(assets, at)
        untrusted = self._board.untrusted
        needed = {*assets, *self._board.parity_assets} if untrusted else set()
        for asset in sorted(untrusted & needed):
            # Prices kept over a restart are stale, but have their time to be confirmed before the desk hears of it.
            if self._board.trust_of(asset) != STALE or not self._agenda.has_late(deadlines.PRICE, asset):
                self.announce(asset, at, out)

    def announce(self, asset: str, at: datetime, out: Outcome) -> None:
        """Says that a price is not believed, unless it was said or nobody needs it."""
        mark = self._board.marks.get(asset)
        if mark is not None and mark.trust != GOOD and not mark.announced:
            exposed = self._exposed(asset, at)
            if exposed.groups:
                self._say(asset, "price.stale" if mark.trust == STALE else "price.suspect", exposed, at, out)

    def restore(self, change: PriceChange, at: datetime, out: Outcome) -> None:
        """Says which prices are believed again, and which were never seen before."""
        for asset in sorted(change.regained):
            if self._board.marks[asset].announced:
                self._say(asset, "price.restored", self._exposed(asset, at), at, out)
        for asset in sorted(change.found):
            self.say_missing(asset, "price.restored", at, out)

    def say_missing(self, asset: str, type_: str, at: datetime, out: Outcome) -> None:
        """A held asset without any price is said once, and so is its first price."""
        key = f"price.missing|{asset}"
        count, last = self._notices.get(key, (0, None))
        if (last is None) != (type_ == "price.stale"):
            return
        exposed = self._sums([asset], at)
        if exposed.groups or type_ != "price.stale":
            self._notices[key] = (count + 1, "missing" if type_ == "price.stale" else None)
            out.alerts.append(compose.missing_alert(self.rules.name, type_, asset, count + 1, exposed, at, out.at))
            out.deskful = True

    def _exposed(self, asset: str, at: datetime) -> Exposure:
        """Groups whose valuation needs an asset's price; the rate of USDT is needed by every price in USDT."""
        assets = [asset]
        if asset in self._board.parity_assets:
            assets += self._board.quoted_in(USDT)
        return self._sums(assets, at)

    def _sums(self, assets: Collection[str], at: datetime) -> Exposure:
        when, summed = self._summed
        summed = summed if when == at else 0
        exposed = self._book.exposure(assets, self._board, min(EXACT_SUMS, EXACT_SUMS_AT_ONCE - summed))
        self._summed = at, summed + (exposed.groups if exposed.is_exact else 0)
        return exposed

    def _say(self, asset: str, type_: str, exposed: Exposure, at: datetime, out: Outcome) -> None:
        mark = self._board.announce(asset, type_ != "price.restored")
        out.alerts.append(compose.price_alert(self.rules.name, type_, mark, self._board, exposed, at, out.at))
        out.deskful = True
