"""The exact reference of core/prices/board.py: every price is a mark of its own, and every quote is judged by itself."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import chain

import msgspec

from monitor.core.money import EXACT, ONE, number
from monitor.core.prices.quote import GOOD, MISSING, STALE, SUSPECT, USDT, Frame, Heard, Mark, PriceChange, Quote
from monitor.core.rules.settings import Trust


class PlainBoard:
    """The marks of all assets. Mutated only by the RiskMonitor, one event at a time."""

    def __init__(self, trust: Trust, marks: Iterable[Mark] = (), heard: Iterable[Heard] = ()) -> None:
        self.marks: dict[str, Mark] = {m.asset: m for m in marks}
        self.usd: dict[str, Decimal] = {}
        self.untrusted: set[str] = set()
        self.dropped = 0
        self._seen: dict[str, dict[str, Heard]] = {}
        for each in heard:
            self._seen.setdefault(each.asset, {})[each.source] = each
        self.configure(trust)

    def configure(self, trust: Trust) -> None:
        """Takes new settings; prices stay."""
        self.trust = trust
        self._rank = {name: i for i, name in enumerate(trust.sources)}
        named = trust.usdt_usd[:1].isalpha()
        self._parity_asset = trust.usdt_usd if named else None
        self._parity = None if named else number(trust.usdt_usd)
        self.usd.clear()
        self.untrusted.clear()
        if self._parity_asset != USDT:
            self.marks.pop(USDT, None)
        self._revalue([USDT, *self.marks])

    def apply(self, quotes: Iterable[Quote], at: datetime, frames: Iterable[Frame] = ()) -> PriceChange:
        """Takes a batch that arrived at `at`. Quotes older than the one in force are dropped and counted.

        USDT is worth what the configuration states; a quote of it counts only where it is named there.
        """
        before: dict[str, Mark | None] = {}
        for quote in chain(*frames, quotes):
            if quote.asset == USDT and self._parity_asset != USDT:
                continue
            mark = self.marks.get(quote.asset)
            before.setdefault(quote.asset, mark)
            if not self.trust.enabled:
                self.marks[quote.asset] = _accepted(mark, quote, at)
            elif (updated := self._believe(mark, quote, at)) is not None:
                self.marks[quote.asset] = updated
        return self._settle(before)

    def expire(self, asset: str) -> PriceChange:
        """Marks an asset stale because its deadline passed."""
        mark = self.marks[asset]
        self.marks[asset] = msgspec.structs.replace(mark, trust=STALE, reason="no new price within the limit")
        return self._settle({asset: mark})

    def stale_due(self, asset: str) -> datetime | None:
        """The last instant at which this asset is not yet stale; None when it cannot become so."""
        mark = self.marks.get(asset)
        if mark is None or not self.trust.enabled or mark.trust == STALE:
            return None
        return mark.received_at + self.trust.stale_after

    def shift(self, delta: timedelta, at: datetime) -> None:
        """Moves all receipts along with a jump of the wall clock to `at`: a jump is no reason to distrust a price. Back, as
        time passes that the wall does not show.

        Not beyond it: a clock that was set back and forth again moved our time less than the wall, and a receipt in the
        future would hide a feed's silence.
        """
        for heard in self._seen.values():
            heard.update(
                {source: h._replace(received_at=min(h.received_at + delta, at)) for source, h in heard.items()}
            )
        for asset, mark in self.marks.items():
            since = mark.candidate_since and min(mark.candidate_since + delta, at)
            received, changed = min(mark.received_at + delta, at), min(mark.changed_at + delta, at)
            self.marks[asset] = msgspec.structs.replace(
                mark, received_at=received, changed_at=changed, candidate_since=since
            )

    @property
    def heard(self) -> tuple[Heard, ...]:
        """What every source said last: whether another one confirms a price depends on it."""
        return tuple(each for by_source in self._seen.values() for each in by_source.values())

    def trust_of(self, asset: str) -> str:
        """good, stale, suspect or missing; the conversion to USD included."""
        if asset not in self.usd:
            return MISSING
        mark = self.marks.get(asset)
        if mark is not None and mark.trust != GOOD:
            return mark.trust
        is_converted = asset == USDT or (mark is not None and mark.quote == USDT)
        return self.marks[self._parity_asset].trust if is_converted and self._parity_asset else GOOD

    @property
    def parity_assets(self) -> tuple[str, ...]:
        """The asset whose price converts USDT to USD, where one is configured."""
        return (self._parity_asset,) if self._parity_asset else ()

    def announce(self, asset: str, announced: bool) -> Mark:
        """Notes that the desk was told of a loss or a return of trust, and gives that notice its numbers."""
        mark = self.marks[asset]
        episode = mark.episode + 1 if announced else mark.episode
        told = msgspec.structs.replace(mark, announced=announced, episode=episode, sequence=mark.sequence + 1)
        self.marks[asset] = told
        return told

    def _believe(self, mark: Mark | None, quote: Quote, at: datetime) -> Mark | None:
        """The mark after a quote, or None where the quote changes nothing."""
        seen = self._seen.setdefault(quote.asset, {})
        last = seen.get(quote.source)
        if last is not None and (quote.at < last.at or (quote.at == last.at and quote.price == last.price)):
            # Older than what is known, or frozen: the same price of the same time is no sign of life.
            self.dropped += 1
            return None
        is_behind = mark is not None and mark.source == quote.source and quote.at < (mark.price_at or quote.at)
        if last is None and is_behind:
            self.dropped += 1
            return None
        seen[quote.source] = Heard(quote.asset, quote.source, quote.price, quote.at, at)
        others = [h.price for s, h in seen.items() if s != quote.source and self._is_live(h.received_at, at)]
        if mark is None:
            return _accepted(None, quote, at) if 1 + len(others) >= self.trust.min_sources else None
        confirmed = any(self._near(p, quote.price) for p in others)
        if self._outranked(mark, quote, at):
            return _accepted(mark, quote, at) if mark.candidate is not None and confirmed else None
        if 1 + len(others) < self.trust.min_sources:
            return msgspec.structs.replace(mark, trust=SUSPECT, reason="a lone source", received_at=at)
        if self._near(quote.price, mark.quote_price) or confirmed:
            return _accepted(mark, quote, at)
        return self._doubt(mark, quote, at)

    def _doubt(self, mark: Mark, quote: Quote, at: datetime) -> Mark:
        """A jump: believed once it has persisted, or held beside the last good price until then."""
        if mark.candidate is not None and mark.candidate_since is not None and self._near(quote.price, mark.candidate):
            if at - mark.candidate_since >= self.trust.confirm_after:
                return _accepted(mark, quote, at)
            since = mark.candidate_since
        else:
            since = at
        reason = f"unconfirmed jump from {mark.quote_price} to {quote.price}"
        return msgspec.structs.replace(
            mark, trust=SUSPECT, reason=reason, candidate=quote.price, candidate_since=since, received_at=at
        )

    def _near(self, price: Decimal, other: Decimal) -> bool:
        return abs(price - other) <= self.trust.confirm_jump * other

    def _is_live(self, received_at: datetime, at: datetime) -> bool:
        return at - received_at <= self.trust.stale_after

    def _outranked(self, mark: Mark, quote: Quote, at: datetime) -> bool:
        """Another feed of higher preference still serves this asset."""
        if quote.source == mark.source or not self._is_live(mark.received_at, at):
            return False
        last = len(self._rank)
        return self._rank.get(mark.source, last) <= self._rank.get(quote.source, last)

    def _settle(self, before: dict[str, Mark | None]) -> PriceChange:
        """Values what changed; compares trust and USD price with what they were."""
        changed = {a for a, old in before.items() if _differs(old, self.marks.get(a))}
        if self._parity_asset in changed:
            changed.update([USDT], (a for a, m in self.marks.items() if m.quote == USDT))
        missing = changed - self.usd.keys()
        self._revalue(changed)
        found = tuple(sorted(missing & self.usd.keys()))
        own = [(a, old is None or old.trust == GOOD, self._own_good(a)) for a, old in before.items()]
        return PriceChange(
            moved=frozenset(changed),
            lost=tuple(a for a, was, now in own if was and not now),
            regained=tuple(a for a, was, now in own if not was and now),
            found=found,
        )

    def _own_good(self, asset: str) -> bool:
        mark = self.marks.get(asset)
        return mark is None or mark.trust == GOOD

    def _revalue(self, assets: Iterable[str]) -> None:
        rate = self._parity_rate()
        for asset in assets:
            value = self._value(asset, rate)
            if value is None:
                self.usd.pop(asset, None)
            else:
                self.usd[asset] = value
            good = self.trust_of(asset) in (GOOD, MISSING)
            (self.untrusted.discard if good else self.untrusted.add)(asset)

    def _value(self, asset: str, rate: Decimal | None) -> Decimal | None:
        """The price in USD at a rate of USDT; None while either is missing."""
        mark = self.marks.get(asset)
        if asset == USDT:
            return rate
        if mark is None:
            return None
        if mark.quote != USDT or rate == ONE:
            return mark.quote_price
        return None if rate is None else EXACT.multiply(mark.quote_price, rate)

    def _parity_rate(self) -> Decimal | None:
        if self._parity_asset is None:
            return self._parity
        mark = self.marks.get(self._parity_asset)
        return mark.quote_price if mark is not None and mark.quote != USDT else None


def _accepted(mark: Mark | None, quote: Quote, at: datetime) -> Mark:
    if mark is None:
        return Mark(quote.asset, quote.quote, quote.price, quote.source, quote.at, at, at)
    changed_at = mark.changed_at if mark.quote_price == quote.price else at
    return Mark(
        quote.asset,
        quote.quote,
        quote.price,
        quote.source,
        quote.at,
        at,
        changed_at,
        announced=mark.announced,
        episode=mark.episode,
        sequence=mark.sequence,
    )


def _differs(old: Mark | None, new: Mark | None) -> bool:
    if old is None or new is None:
        return old is not new
    return (old.quote_price, old.trust, old.quote) != (new.quote_price, new.trust, new.quote)
