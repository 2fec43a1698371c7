"""The price board: what is in force for every asset, and whether it may be believed (decisions 9 and 41 to 43).

A quote is first taken or refused by its source (sources.py: time). Then the asset is decided again from what all of its live
sources say (agreement.py, trust.py: several sources, belief). Frames go by column where they can (whole_frames.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core.instants import MICROSECOND
from monitor.core.money import ONE
from monitor.core.prices.conversion import Conversion
from monitor.core.prices.decisions import Believe, Decision, DecisionsOf, Pin
from monitor.core.prices.frame_columns import (
    MISSING_FLAG,
    UNTRUSTED_FLAG,
)
from monitor.core.prices.judgement import silenced
from monitor.core.prices.prices_in_force import IS_GOOD, PricesInForce
from monitor.core.prices.quote import (
    DIRECT,
    GOOD,
    PIN,
    STALE,
    USDT,
    Frame,
    Heard,
    Mark,
    PriceChange,
    Quote,
    SourcePrice,
)
from monitor.core.prices.sources import LIVE, BoardMemory, FeedWord
from monitor.core.prices.trust import Asking, TrustRules, accepted, as_heard
from monitor.core.rules.settings import Trust


class PriceBoard(PricesInForce):
    """The marks of all assets. Mutated only by the RiskMonitor, one event at a time."""

    def __init__(
        self, trust: Trust, marks: Iterable[Mark] = (), heard: Iterable[Heard] = (), memory: BoardMemory | None = None
    ) -> None:
        super().__init__(trust, memory)
        for mark in marks:
            self._columns.alone[self.place(mark.asset)] = mark
            if mark.differ_since is not None or mark.is_power:
                self._contradicted.add(mark.asset)
            if mark.quote not in DIRECT:
                self._columns.bases.add(mark.quote)
        for each in heard:
            self._sources[each.source].keep(self.place(each.asset), each)
        self.configure(trust)

    def configure(self, trust: Trust) -> None:
        """Takes new settings; prices stay."""
        self.trust = trust
        rules = TrustRules(trust)
        self._sources.configure(trust)
        self._judgement.configure(rules)
        self._frames.configure(rules)
        self._conversion = Conversion(trust.usdt_usd, self._columns)
        if self._conversion.asset != USDT:
            self._columns.alone[self.place(USDT)] = None
        for asset in self.parity_assets:
            self.place(asset)
        self._keep_apart()
        self._revalue(self.index)
        self.usd.forget()

    def apply(self, quotes: Sequence[Quote], at: datetime, frames: Sequence[Frame] = ()) -> PriceChange:
        """Takes a batch that arrived at `at`, frames first. A quote of USDT counts only where the configuration names it."""
        self._at = at
        before: dict[str, Mark | None] = {}
        moved: frozenset[str] = frozenset()
        if self.trust.enabled:
            self._sources.observe(frames, quotes, at)

        def judge(frame: Frame, column: int) -> Mark | None:
            return self._take(frame.one(column), at, before)

        for frame in frames:
            if self._frames.may_take(frame):
                moved |= self._frames.take(frame, at, self.place, judge)
            else:
                for quote in frame:
                    self._take(quote, at, before)
        for quote in quotes:
            self._take(quote, at, before)
        if self.trust.enabled:
            names = {frame.source for frame in frames} | {quote.source for quote in quotes}
            self._look_for_frozen(names, at, before)
        return self._settle(before, moved)

    def expire(self, asset: str, at: datetime | None = None) -> PriceChange:
        """The price of an asset has come to its time, by our clock at `at`; without it, by another one.

        Where another source is live, its price is in force from now on.
        """
        mark = self.marks[asset]
        if mark.pinned is not None:
            return PriceChange()
        before: dict[str, Mark | None] = {asset: mark}
        if at is not None and self._sources.said(self.index[asset], asset):
            self._decide(asset, at + MICROSECOND, before)
        else:
            self._put(self.index[asset], silenced(mark))
        return self._settle(before)

    def take_said(self, said: FeedWord) -> PriceChange:
        """Takes what a feed says of itself: the price of a market that is over does not count."""
        self._at = said.at
        before: dict[str, Mark | None] = {}
        self.led_anew |= (heard := self._sources.hear(said, self.index))  # without its connection it has less time
        for asset in sorted(heard):
            self._decide(asset, said.at, before)
        self._keep_apart()
        return self._settle(before)

    def shift(self, delta: timedelta, at: datetime) -> None:
        """Moves all receipts along with a jump of the wall clock to `at`, or back, as time passes unseen by the wall.

        Not beyond `at`: a wall that was set back and forth again moved our time by less than it moved itself.
        """
        self._sources.jump(min(delta, at - self._at) if delta > timedelta(0) else delta, at)
        self._at = at
        for mark in self.marks.values():
            since, differ = (when and min(when + delta, at) for when in (mark.candidate_since, mark.differ_since))
            received, changed = (min(when + delta, at) for when in (mark.received_at, mark.changed_at))
            shifted = msgspec.structs.replace(
                mark, received_at=received, changed_at=changed, candidate_since=since, differ_since=differ
            )
            self._put(self.index[mark.asset], shifted)
        self._sources.shift(delta, at, self._columns.names)
        self._unagreed = {asset: min(since + delta, at) for asset, since in self._unagreed.items()}

    def announce(self, asset: str, announced: bool) -> Mark:
        """Notes that the desk was told of a loss or a return of trust, and gives that notice its numbers."""
        mark = self.marks[asset]
        episode = mark.episode + 1 if announced else mark.episode
        told = msgspec.structs.replace(mark, announced=announced, episode=episode, sequence=mark.sequence + 1)
        self._put(self.index[asset], told)
        return told

    def take_decisions(self, decisions: Sequence[Decision], at: datetime) -> PriceChange:
        """Takes all decisions that are in force from now on, in place of those before."""
        old = self._sources.decided
        decided = self._sources.decided = DecisionsOf(tuple(decisions))
        self._keep_apart()
        for asset, source in old.excluded - decided.excluded:
            self._sources[source].count_again(self.place(asset), asset, at)
        before: dict[str, Mark | None] = {}
        for asset in sorted(old.assets | decided.assets):
            place = self.place(asset)
            mark = self._columns.mark(place)
            before[asset] = mark
            pin = decided.pins.get(asset)
            if pin is not None:
                self._put(place, pinned(pin, mark))
                continue
            if mark is not None and mark.source == PIN:
                self._put(place, msgspec.structs.replace(mark, trust=STALE, reason="the pin has ended", pinned=None))
            self._decide(asset, at, before)
        return self._settle(before)

    def believe(self, said: Believe, at: datetime) -> PriceChange:
        """Puts the candidate of an asset in force; there must be one."""
        mark = self.marks.get(said.asset)
        if mark is None:
            first = self._first(said.asset, at)
            assert first is not None
            time = first.price_at
            seen = Quote(said.asset, first.price, first.quote, first.source, time or at, time is not None)
        else:
            assert mark.candidate is not None
            time = mark.price_at
            seen = Quote(said.asset, mark.candidate, mark.quote, mark.source, time or at, time is not None)
        self._put(self.place(said.asset), accepted(mark, as_heard(seen, at, mark)))
        return self._settle({said.asset: mark})

    def candidate(self, asset: str, at: datetime) -> Decimal | None:
        """The price that waits to be confirmed, in the currency of its quote: a jump, or the first price of all."""
        mark = self.marks.get(asset)
        if mark is not None:
            return mark.candidate
        first = self._first(asset, at)
        return None if first is None else first.price

    def _first(self, asset: str, at: datetime) -> SourcePrice | None:
        """The live source of the highest preference, of an asset that has no price yet."""
        return next((said for said in self.sources(asset, at) if said.state == LIVE), None)

    def _take(self, quote: Quote, at: datetime, before: dict[str, Mark | None]) -> Mark | None:
        """Takes and judges one quote; the new mark, or None where the quote changes nothing."""
        if quote.asset == USDT and self._conversion.asset != USDT:
            return None
        place = self.place(quote.asset)
        mark = self._columns.mark(place)
        before.setdefault(quote.asset, mark)
        if not self.trust.enabled:
            made = accepted(mark, as_heard(quote, at, mark))
            self._put(place, made)
            return made
        last = self._sources[quote.source].heard(place, quote.asset)
        if not self._sources.take(quote, place, mark, at):
            return None
        return self._decide(quote.asset, at, before, Asking(quote.source, last))

    def _decide(
        self, asset: str, at: datetime, before: dict[str, Mark | None], news: Asking | None = None
    ) -> Mark | None:
        """Decides an asset by all of its sources; the mark in force then."""
        place = self.place(asset)
        mark = self._columns.mark(place)
        before.setdefault(asset, mark)
        if asset in self._sources.decided.pins:
            return mark
        updated = self._judgement.decide(asset, at, news)
        self._note_disagreement(asset, at, is_priced=updated is not None)
        if updated is not None and updated != mark:
            self._put(place, updated)
        return updated

    def _look_for_frozen(self, names: Iterable[str], at: datetime, before: dict[str, Mark | None]) -> None:
        """Decides the coins of these sources that stand still now while others move, or that move again."""
        for name in sorted(names):
            if changed := self._sources.newly_frozen(name, at, self._columns.names):
                self._keep_apart()
            for asset in sorted(changed):
                self._decide(asset, at, before)

    def _put(self, place: int, mark: Mark) -> None:
        """Lets a mark stand alone."""
        if (columns := self._columns).put(place, mark):
            self.led_anew.add(mark.asset)
        is_contradicted = mark.differ_since is not None or mark.is_power
        (self._contradicted.add if is_contradicted else self._contradicted.discard)(mark.asset)
        if mark.quote not in DIRECT and mark.quote not in columns.bases:
            columns.bases.add(mark.quote)
            self._keep_apart()

    def _keep_apart(self) -> None:
        self._frames.keep_apart(self._sources.apart.union([USDT, *self.parity_assets], self._columns.bases))

    def _settle(self, before: dict[str, Mark | None], moved: frozenset[str] = frozenset()) -> PriceChange:
        """Values what changed; compares trust and USD price with what they were."""
        columns, index = self._columns, self.index
        changed = {a for a, old in before.items() if _differs(old, columns.mark(index[a]))}
        if changed:
            changed = self._conversion.follow(changed)
        missing = changed - self.usd.keys()
        self._revalue(changed)
        if moved or changed:
            self.usd.forget()
        own = [(a, old is None or old.trust == GOOD, columns.trust(index[a]) in IS_GOOD) for a, old in before.items()]
        return PriceChange(
            moved=moved | changed,
            lost=tuple(a for a, was, now in own if was and not now),
            regained=tuple(a for a, was, now in own if not was and now),
            found=tuple(sorted(missing & self.usd.keys())),
        )

    def _revalue(self, assets: Iterable[str]) -> None:
        """Brings `floats`, `flags` and `untrusted` up to date."""
        columns, conversion = self._columns, self._conversion
        columns.rate = conversion.rate
        for asset in assets:
            place = self.place(asset)
            quote = USDT if asset == USDT else columns.quote(place)
            factor = None if quote is None else columns.factor(quote)
            if quote is None or factor is None:
                self.flags[place], self.floats[place] = MISSING_FLAG, 0.0
                self.untrusted.discard(asset)
                continue
            own = 1.0 if asset == USDT else columns.quoted(place)
            self.floats[place] = own if factor == ONE else own * float(factor)
            is_trusted = columns.trust(place) in IS_GOOD and conversion.trust(quote) in IS_GOOD
            self.flags[place] = 0 if is_trusted else UNTRUSTED_FLAG
            (self.untrusted.discard if is_trusted else self.untrusted.add)(asset)


def _differs(old: Mark | None, new: Mark | None) -> bool:
    if old is None or new is None:
        return old is not new
    return (old.quote_price, old.trust, old.quote) != (new.quote_price, new.trust, new.quote)


def pinned(pin: Decision, mark: Mark | None) -> Mark:
    """The mark of a pin. A price of an operator has no time of an exchange and no age that could end it."""
    assert isinstance(pin.said, Pin)
    made = Mark(pin.asset, "USD", pin.said.price, PIN, None, pin.at, pin.at, pinned=pin.pinned)
    if mark is None:
        return made
    return msgspec.structs.replace(made, announced=mark.announced, episode=mark.episode, sequence=mark.sequence)
