"""Which price is in force and whether it may be believed: plain exact Python, one asset at a time, written from decisions 41 to 43.

It knows nothing of columns, and nothing of `monitor/core/prices`. What was said is kept per source and asset; each asset is
decided again whenever somebody speaks of it, and whenever a source of it comes to its time.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from fractions import Fraction
from statistics import median
from typing import NamedTuple

from monitor.core.rules.settings import Trust

GOOD, STALE, SUSPECT, MISSING = "good", "stale", "suspect", "missing"
COMES_BACK_AFTER = timedelta(seconds=30)
KEPT_SAMPLES = 32
ZERO = timedelta()
DIRECT = ("USD", "USDT")


class Said(NamedTuple):
    """One price as a source gave it."""

    asset: str
    price: Fraction
    quote: str
    source: str
    at: datetime
    is_dated: bool = True
    beside: Fraction | None = None


class Seen(NamedTuple):
    """What is in force: in USD, None where nothing is."""

    usd: Fraction | None
    trust: str


@dataclass
class Voice:
    """What one source said last of one asset."""

    said: Said
    received: datetime
    since: datetime
    is_sure: bool
    has_failed: bool = False
    power: int = 0
    """The power of ten of its last step: 0 for none."""


@dataclass
class Clock:
    """A source's clock beside ours: newest time of a message less its receipt."""

    samples: list[timedelta] = field(default_factory=list)

    def hear(self, sample: timedelta) -> None:
        """One message."""
        self.samples = [*self.samples, sample][-KEPT_SAMPLES:]

    def offset(self, most: timedelta) -> timedelta:
        """Lag makes samples smaller and never larger, so the third largest; nothing where clocks do not agree."""
        if not self.samples:
            return ZERO
        largest = sorted(self.samples, reverse=True)
        offset = largest[min(3, (len(largest) + 1) // 2) - 1]  # of a few the middle one
        return offset if abs(offset) <= most else ZERO

    def off_by(self, most: timedelta) -> timedelta | None:
        """By how much three messages in a row are off, by the same amount; None where they are not."""
        last = self.samples[-3:]
        same = len(last) == 3 and max(last) - min(last) <= most / 2
        return sorted(last)[1] if same and all(abs(sample) > most for sample in last) else None


class Wait(NamedTuple):
    """A jump that is not believed yet: since when, on which side, and the mildest price since then."""

    since: datetime
    side: int
    mildest: Fraction
    power: int


@dataclass(frozen=True)
class InForce:
    """The price in force in its own quote."""

    price: Fraction
    quote: str
    source: str
    trust: str = GOOD
    wait: Wait | None = None
    is_only_late: bool = False
    at: datetime | None = None
    """Its own time, over a restart too; None for a median."""


class PriceModel:
    """A fold over messages, words of feeds, decisions of operators, and time."""

    def __init__(self, trust: Trust, usdt_usd: Fraction = Fraction(1)) -> None:
        self.trust = trust
        self._usdt_usd = usdt_usd
        self._voices: dict[str, dict[str, Voice]] = {}
        self._clocks: dict[str, Clock] = {}
        self._over: dict[str, Mapping[str, str]] = {}
        self._unconnected: set[str] = set()
        self._in_force: dict[str, InForce] = {}
        self._pins: dict[str, Fraction] = {}
        self._excluded: set[tuple[str, str]] = set()
        self._now: datetime | None = None

    # -- what happens --

    def hear(self, message: list[Said], at: datetime) -> None:
        """A message of one source that arrived at a time."""
        self.pass_time(at)
        dated = [said.at for said in message if said.is_dated]
        clock = self._clocks.setdefault(message[0].source, Clock())
        if dated:
            clock.hear(max(dated) - at)
        taken = [said.asset for said in message if self._take(said, at)]
        for asset in taken:
            self._decide(asset, at, message[0].source)

    def feed(self, source: str, states: Mapping[str, str], at: datetime, *, connected: bool = True) -> None:
        """A feed says which markets are over, and whether it is connected. A new connection forgets how its clock was."""
        self.pass_time(at)
        before = self._over.get(source, {})
        changed = before.keys() ^ states.keys()
        self._over[source] = states
        if connected and source in self._unconnected:
            self._clocks.pop(source, None)
        if connected == (source in self._unconnected) and self.trust.of(source).sends_changes_only:
            changed |= {asset for asset, voices in self._voices.items() if source in voices}
        (self._unconnected.discard if connected else self._unconnected.add)(source)
        for asset in before.keys() - states.keys():
            self._count_again(asset, source, at)
        for asset in sorted(changed):
            self._decide(asset, at, None)

    def exclude(self, excluded: set[tuple[str, str]], at: datetime) -> None:
        """These sources do not count for these assets from now on; no others."""
        self.pass_time(at)
        changed, ended = self._excluded ^ excluded, self._excluded - excluded
        self._excluded = set(excluded)
        for asset, source in ended:
            self._count_again(asset, source, at)
        for asset, _ in changed:
            self._decide(asset, at, None)

    def _count_again(self, asset: str, source: str, at: datetime) -> None:
        """What a source says is live from now on, and must be steady before it takes over."""
        voice = self._voices.get(asset, {}).get(source)
        if voice is not None:
            voice.since, voice.has_failed = at, True

    def pass_time(self, at: datetime) -> None:
        """Sources come to their time, one after another."""
        while (end := self._next_end(at)) is not None:
            ended = [asset for asset in self._voices if self._ends_it(asset, end)]
            self._now = end
            for asset in ended:
                self._decide(asset, end, None)
        self._now = at

    def restart(self) -> None:
        """Only prices in force are kept, and none is believed before a feed confirms it."""
        self._voices, self._clocks, self._over, self._unconnected = {}, {}, {}, set()
        self._in_force = {asset: replace(mark, trust=STALE) for asset, mark in self._in_force.items()}

    # -- what is seen --

    def seen(self, asset: str) -> Seen:
        """The price in USD and its trust; a coin that is quoted in another coin is no better trusted than that one."""
        mark = self._in_force.get(asset)
        if mark is None:
            return Seen(None, MISSING)
        if mark.quote in DIRECT:
            return Seen(self._usd(mark.price, mark.quote), mark.trust)
        base = self.seen(mark.quote)
        if base.usd is None:
            return Seen(None, MISSING)
        return Seen(mark.price * base.usd, base.trust if mark.trust == GOOD else mark.trust)

    # -- time --

    def _limit(self, source: str, asset: str) -> timedelta:
        """A stream of changes lives while the connection does, and its own last trade is not too long ago."""
        is_patient = self.trust.of(source).sends_changes_only and source not in self._unconnected
        return self.trust.quiet_after if is_patient else self.trust.stale_after_of(source, asset)

    def _offset(self, source: str) -> timedelta:
        """What a source's time is ahead of ours: its own offset, where it is small, beside that of our own clock."""
        ours = self._our_offset()
        clock = self._clocks.get(source, Clock())
        return ours + Clock([sample - ours for sample in clock.samples]).offset(self.trust.max_ahead)

    def _our_offset(self) -> timedelta:
        """Two or more sources that are off by the same amount, while none agrees, mean that our own clock is off."""
        most = self.trust.max_ahead
        found = [clock.off_by(most) for clock in self._clocks.values() if clock.samples]
        off = [each for each in found if each is not None]
        if len(off) < 2 or len(off) < len(found) or max(off) - min(off) > most:
            return ZERO
        return max(off, key=lambda each: -abs(each))

    def _take(self, said: Said, at: datetime) -> bool:
        """Whether a price is news: not ahead, not older than what its source said, not the same time again."""
        clock_shows = at + self._offset(said.source)
        if said.is_dated and said.at - clock_shows > self.trust.max_ahead:
            return False
        voices = self._voices.setdefault(said.asset, {})
        old = voices.get(said.source)
        feed = self.trust.of(said.source)
        ordered = said._replace(at=min(said.at, clock_shows + timedelta(seconds=1)))
        if old is not None and (ordered.at < old.said.at or (ordered.at == old.said.at and not feed.repeats_are_life)):
            return False
        mark = self._in_force.get(said.asset)
        if old is None and mark is not None and mark.source == said.source and mark.at and said.at < mark.at:
            return False
        was_live = old is not None and self._is_live(said.asset, old, at)
        voices[said.source] = self._voice(ordered, old, at, was_live)
        return True

    def _voice(self, said: Said, old: Voice | None, at: datetime, was_live: bool) -> Voice:
        near = said.beside is not None and abs(said.beside - said.price) <= self._spread * said.price
        if old is None:
            return Voice(said, at, at, near)
        again = abs(said.price - old.said.price) <= self._jump * old.said.price
        soon = at - old.received < self._limit(said.source, said.asset)
        power = power_of_ten(said.price / old.said.price) if soon else 0
        since = old.since if was_live else at
        return Voice(said, at, since, old.is_sure or near or again, old.has_failed or not was_live, power)

    def _ends(self, asset: str, voice: Voice) -> datetime:
        """The first instant at which what a source said of an asset is older than its limit, by receipt or its own time."""
        said = voice.said
        limit = self._limit(said.source, asset)
        limit += timedelta(microseconds=1)
        by_receipt = voice.received + limit
        return min(by_receipt, said.at - self._offset(said.source) + limit) if said.is_dated else by_receipt

    def _ends_it(self, asset: str, end: datetime) -> bool:
        """The source in force comes to its time, one of a median, or the last of all."""
        ends = {source: self._ends(asset, voice) for source, voice in self._voices[asset].items()}
        mark = self._in_force.get(asset)
        is_last = end in ends.values() and max(ends.values()) == end
        if is_last or mark is None or mark.trust != GOOD:
            return is_last
        open_ = [ends[source] for source in ends if asset not in self._over.get(source, {})]
        latest, wanted = sorted(open_, reverse=True), self.trust.min_sources
        if 1 < wanted <= len(latest) and latest[wanted - 1] == end:
            return True  # with one source less than is wanted the price is not good any more
        return end in ends.values() if self.trust.mode == "median" else ends.get(mark.source) == end

    def _all_ends(self, asset: str, voices: Mapping[str, Voice]) -> list[datetime]:
        return [self._ends(asset, voice) for voice in voices.values()]

    def _next_end(self, at: datetime) -> datetime | None:
        if self._now is None:
            return None
        ends = [end for asset, voices in self._voices.items() for end in self._all_ends(asset, voices)]
        return min((end for end in ends if self._now < end <= at), default=None)

    def _is_live(self, asset: str, voice: Voice, at: datetime) -> bool:
        return not self._is_out(asset, voice.said.source) and at < self._ends(asset, voice)

    # -- several sources --

    @property
    def _spread(self) -> Fraction:
        return Fraction(self.trust.max_spread)

    @property
    def _jump(self) -> Fraction:
        return Fraction(self.trust.confirm_jump)

    def _usd(self, price: Fraction, quote: str) -> Fraction:
        if quote == "USD":
            return price
        if quote == "USDT":
            return price * self._usdt_usd
        base = self.seen(quote).usd
        return Fraction(0) if base is None else price * base

    def _rank(self, voice: Voice) -> tuple[int, str]:
        order = self.trust.sources
        source = voice.said.source
        return (order.index(source) if source in order else len(order), source)

    def _live(self, asset: str, at: datetime) -> list[Voice]:
        """Those that count now, in order of preference; by way of another coin only where no market in USD or USDT exists."""
        voices = self._voices.get(asset, {}).values()
        exists = any(v.said.quote in DIRECT and asset not in self._over.get(v.said.source, {}) for v in voices)
        live = [v for v in voices if self._is_live(asset, v, at) and (v.said.quote in DIRECT or not exists)]
        return sorted(live, key=self._rank)

    def _agreeing(self, live: list[Voice]) -> list[Voice]:
        """Those that agree; none where too few do."""
        prices = [self._usd(voice.said.price, voice.said.quote) for voice in live]
        if len(live) == 2 and max(prices) - min(prices) > self._spread * min(prices):
            return []
        if len(live) > 2:
            middle = median(prices)
            near = [v for v, price in zip(live, prices, strict=True) if abs(price - middle) <= self._spread * middle]
            live = near if 2 * len(near) > len(live) else []
        return live if len(live) >= self.trust.min_sources else []

    def _chosen(self, asset: str, agreeing: list[Voice], at: datetime) -> Voice:
        """The preferred source; one that failed must have been back for a while before it takes over from another."""
        mark = self._in_force.get(asset)
        current = next((v for v in agreeing if mark is not None and v.said.source == mark.source), None)
        for voice in agreeing:
            is_back = not voice.has_failed or at - voice.since >= COMES_BACK_AFTER
            if current is None or voice is current or is_back:
                return voice
        raise AssertionError("there is one at least")

    # -- belief --

    def _decide(self, asset: str, at: datetime, speaker: str | None) -> None:
        live = self._live(asset, at)
        mark = self._in_force.get(asset)
        if not live:
            self._follow_late(asset, at, speaker)
            return
        agreeing = self._agreeing(live)
        if not agreeing:
            if mark is not None and self._have_all_moved(mark, live):
                self._in_force[asset] = self._moving(mark, live, speaker, at)
            elif mark is not None:
                self._in_force[asset] = replace(mark, trust=SUSPECT, wait=None)
            return
        chosen = self._chosen(asset, agreeing, at)
        said = chosen.said
        if self.trust.mode == "median" and len(agreeing) > 1:
            said = self._middle(agreeing)
        if mark is None:
            if len(agreeing) > 1 or chosen.is_sure:
                self._in_force[asset] = _in_force(said)
        else:
            self._in_force[asset] = self._judge(mark, said, chosen, len(agreeing), speaker, at)

    def _have_all_moved(self, mark: InForce, live: list[Voice]) -> bool:
        """Sources that differ from each other all lie beyond the limit on one side of the price in force."""
        worth = self._usd(mark.price, mark.quote)
        prices = [self._usd(voice.said.price, voice.said.quote) for voice in live]
        is_one_side = max(prices) < worth or min(prices) > worth
        is_far = all(abs(price - worth) > self._jump * worth for price in prices)
        return len(live) > 1 and self.trust.min_sources == 1 and worth > 0 and is_one_side and is_far

    def _moving(self, mark: InForce, live: list[Voice], speaker: str | None, at: datetime) -> InForce:
        """The mildest of them is believed after the window, whoever of them speaks."""
        worth = self._usd(mark.price, mark.quote)
        mildest = min(live, key=lambda v: (abs(self._usd(v.said.price, v.said.quote) - worth), self._rank(v)))
        asking = mildest.said.source if speaker is not None else None
        return self._judge(mark, mildest.said, mildest, 1, asking, at)

    def _is_over(self, asset: str, mark: InForce) -> bool:
        """The market of the source in force is over; of the one that spoke last, where that source says nothing."""
        voices = self._voices.get(asset, {})
        last = max(voices.values(), key=lambda v: (v.received, v.said.source), default=None)
        voice = voices.get(mark.source, last)
        return voice is not None and asset in self._over.get(voice.said.source, {})

    def _is_out(self, asset: str, source: str) -> bool:
        return (asset, source) in self._excluded or asset in self._over.get(source, {})

    def _middle(self, agreeing: list[Voice]) -> Said:
        """The exact middle, in the money of all sources if it is one."""
        first = agreeing[0].said
        if all(voice.said.quote == first.quote for voice in agreeing):
            return first._replace(price=median(voice.said.price for voice in agreeing))
        return first._replace(
            price=median(self._usd(voice.said.price, voice.said.quote) for voice in agreeing), quote="USD"
        )

    def _follow_late(self, asset: str, at: datetime, speaker: str | None) -> None:
        """Nobody is live: the price in force stands, stale or without a market. One that was only ever late is followed."""
        mark, voice = self._in_force.get(asset), self._voices.get(asset, {}).get(speaker or "")
        if mark is not None:
            self._in_force[asset] = mark = replace(mark, trust=SUSPECT if self._is_over(asset, mark) else STALE)
        if voice is None or at < self._ends(asset, voice):
            return
        said = voice.said
        if (mark is None and voice.is_sure and self.trust.min_sources == 1) or (
            mark is not None and mark.is_only_late and not self._is_jump(mark, said)
        ):
            self._in_force[asset] = replace(_in_force(said), trust=STALE, is_only_late=True)

    def _is_jump(self, mark: InForce, said: Said) -> bool:
        old, new = self._pair(mark, said)
        return abs(new - old) > self._jump * old

    def _pair(self, mark: InForce, said: Said) -> tuple[Fraction, Fraction]:
        """The price in force and a new one in the same money."""
        if mark.quote == said.quote:
            return mark.price, said.price
        return self._usd(mark.price, mark.quote), self._usd(said.price, said.quote)

    def _judge(
        self, mark: InForce, said: Said, voice: Voice, agreeing: int, speaker: str | None, at: datetime
    ) -> InForce:
        fresh = _in_force(said)
        if agreeing > 1 or not self._is_jump(mark, said):
            return fresh
        old, new = self._pair(mark, said)
        wait, side = mark.wait, 1 if new > old else -1
        if wait is None or wait.side != side:
            return replace(mark, trust=SUSPECT, wait=Wait(at, side, said.price, voice.power))
        if speaker != said.source:
            return replace(mark, trust=SUSPECT)
        mildest = min(wait.mildest, said.price) if side > 0 else max(wait.mildest, said.price)
        wait = wait._replace(mildest=mildest, power=wait.power or voice.power)
        patience = self.trust.power_wait if wait.power else self.trust.confirm_after
        if wait.power > 0 or at - wait.since < patience:
            return replace(mark, trust=SUSPECT, wait=wait)
        return replace(fresh, price=mildest)


def _in_force(said: Said) -> InForce:
    return InForce(said.price, said.quote, said.source, at=said.at)


def power_of_ten(ratio: Fraction) -> int:
    """The power of ten that a step is within 3 % of; 0 where it is none."""
    for power in (*range(1, 13), *range(-12, 0)):
        if abs(ratio / Fraction(f"1e{power}") - 1) <= Fraction(3, 100):
            return power
    return 0
