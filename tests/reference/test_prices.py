"""The board against the model of trust, message by message: which price is in force, and whether it is believed.

Venues speak each second and go wrong as they do: silent, late, ahead, an old message again, a factor, a market that is over, a
source that an operator leaves out, a restart. Amounts keep well away from limits, about which a word of a sentence would decide.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from random import Random

import pytest

from monitor.core.events.events import Event, FeedSaid, MarkPrices, OperatorAct, TimePassed
from monitor.core.groups.outcome import Memory
from monitor.core.instants import time_at_ms
from monitor.core.prices.decisions import Exclude
from monitor.core.prices.quote import Frame, Quote, unconfirmed
from monitor.core.rules.settings import FeedTrust, Rules, Trust
from monitor.core.watch.risk import RiskMonitor
from tests.reference.prices import PriceModel, Said, Seen

START_MS = 1_767_607_200_000
NAMES = ("a", "b", "c", "d", "e")
ASSETS = ("BTC", "ETH", "SHIB", "ALT")
PRICES = {"BTC": 60_000.0, "ETH": 3_000.0, "SHIB": 0.00001234, "ALT": 0.5}
JUMPS = (0.7, 0.6, 0.5, 1.4, 1.05, 0.95)
POWERS = (0.1, 0.01, 10.0, 1000.0)


@dataclass
class Venue:
    """One source, and what is wrong with it until when, in seconds since the start."""

    name: str
    quote: str
    by_frame: bool
    is_sure: bool
    quotes_alt_in_btc: bool
    silent_until: float = 0
    late_until: float = 0
    off: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By asset a factor, and until when."""
    last: list[Quote] = field(default_factory=list)


class Desk:
    """The monitor and the model, which hear the same."""

    def __init__(self, seed: int) -> None:
        self.rng = rng = Random(seed)
        names = NAMES[: rng.choice((1, 1, 2, 2, 3, 4, 5))]
        feeds = {name: FeedTrust(sends_changes_only=rng.random() < 0.15) for name in names}
        self.trust = Trust(
            sources=names,
            mode=rng.choice(("primary", "primary", "median")),
            min_sources=rng.choice((1, 1, 2)) if len(names) > 1 else 1,
            feeds=feeds,
            usdt_usd=rng.choice(("1", "1", "0.98")),
        )
        self.monitor = RiskMonitor(Rules("desk-1", {}, trust=self.trust))
        self.model = PriceModel(self.trust, Fraction(self.trust.usdt_usd))
        self.venues = [
            Venue(n, rng.choice(("USD", "USDT")), rng.random() < 0.5, rng.random() < 0.5, rng.random() < 0.5)
            for n in names
        ]
        self.market = dict(PRICES)
        self.second = 0.0
        self.history: list[str] = []
        self.excluded: dict[tuple[str, str], float] = {}

    @property
    def at_ms(self) -> int:
        return START_MS + round(1000 * self.second)

    # -- what happens --

    def step(self) -> None:
        """A few hundred milliseconds later somebody speaks, or something goes wrong."""
        rng = self.rng
        self.second = round(self.second + rng.choice((0.211, 0.337, 0.503, 0.719, 1.013)), 3)
        self._end_exclusions()
        for asset in self.market:
            self.market[asset] *= rng.uniform(0.999, 1.001)
        chance = rng.random()
        if chance < 0.05:
            self._go_wrong(rng.choice(self.venues))
        elif chance < 0.055:
            self._crash()
        elif chance < 0.06:
            self._restart()
        elif chance < 0.065:
            self.second = round(self.second + rng.choice((3.1, 14.7, 43.9)), 3)
            self._tell(TimePassed(time_at_ms(self.at_ms)))
            self.model.pass_time(time_at_ms(self.at_ms))
        elif chance < 0.07:
            self._market_is_over(rng.choice(self.venues))
        elif chance < 0.08 and len(self.venues) > 1:
            self._exclude(rng.choice(self.venues))
        else:
            self._speak(rng.choice(self.venues))

    def _go_wrong(self, venue: Venue) -> None:
        until = self.second + self.rng.choice((2.5, 8.3, 25.7, 70.9))
        match self.rng.randrange(4):
            case 0:
                venue.silent_until = until
            case 1:
                self.venues[-1].late_until = until  # two that are late by as much would be our own clock
            case 2:
                venue.off[self.rng.choice(ASSETS)] = self.rng.choice(JUMPS), until
            case _:
                venue.off[self.rng.choice(ASSETS)] = self.rng.choice(POWERS), until

    def _crash(self) -> None:
        """The whole market falls or rises."""
        factor = self.rng.choice((0.7, 0.5, 1.4))
        for asset in self.rng.sample(ASSETS, 2):
            self.market[asset] *= factor

    def _restart(self) -> None:
        monitor = self.monitor
        self.history.append(f"{self.second}: restart")
        if monitor.at is not None:
            marks = tuple(map(unconfirmed, monitor.board.marks.values()))
            memory = Memory(monitor.at, marks, monitor.watcher_states(), (), ())
            self.monitor = RiskMonitor(monitor.rules, memory)
            self.model.restart()

    def _market_is_over(self, venue: Venue) -> None:
        states = {self.rng.choice(ASSETS): "settled"} if self.rng.random() < 0.4 else {}
        connected = self.rng.random() < 0.7
        self._tell(FeedSaid(time_at_ms(self.at_ms), venue.name, connected, "", states))
        self.model.feed(venue.name, states, time_at_ms(self.at_ms), connected=connected)

    def _exclude(self, venue: Venue) -> None:
        asset = self.rng.choice(ASSETS)
        if asset not in self.monitor.board.marks:
            return
        until = self.second + self.rng.choice((5.3, 33.1))
        at, end = time_at_ms(self.at_ms), time_at_ms(START_MS + round(1000 * until))
        self._tell(OperatorAct(at, "ann", Exclude(asset, "test", venue.name, end)))
        self.excluded[asset, venue.name] = until
        self.model.exclude(set(self.excluded), at)

    def _end_exclusions(self) -> None:
        for key, until in sorted(self.excluded.items(), key=lambda each: each[1]):
            if until <= self.second:
                del self.excluded[key]
                self._tell(TimePassed(time_at_ms(self.at_ms)))
                self.model.exclude(set(self.excluded), time_at_ms(START_MS + round(1000 * until)))

    def _speak(self, venue: Venue) -> None:
        if self.second < venue.silent_until:
            return
        glitch = self.rng.random()
        if glitch < 0.02 and venue.last:
            quotes = venue.last
        else:
            off_ms = 3_600_000 if glitch > 0.99 else -60_000 if self.second < venue.late_until else 0
            quotes = self._quotes(venue, off_ms)
        if off_is_now(quotes, self.at_ms):
            venue.last = quotes
        at = time_at_ms(self.at_ms)
        for message in by_quote(quotes):
            if venue.by_frame:
                self._tell(MarkPrices(at, (), (frame_of(message),)))
            else:
                self._tell(MarkPrices(at, tuple(message)))
            self.model.hear([heard(each) for each in message], at)

    def _quotes(self, venue: Venue, off_ms: int) -> list[Quote]:
        at = time_at_ms(self.at_ms - self.rng.choice((40, 90, 180)) + off_ms)
        quotes = []
        for asset in self.rng.sample(ASSETS, self.rng.choice((4, 4, 4, 2))):
            price, quote = self.market[asset] * self.rng.uniform(0.999, 1.001), venue.quote
            if quote == "USDT":
                price /= float(self.trust.usdt_usd)
            if asset == "ALT" and venue.quotes_alt_in_btc:
                price, quote = self.market[asset] / self.market["BTC"], "BTC"
            factor, until = venue.off.get(asset, (1.0, 0.0))
            if self.second < until:
                price *= factor
            value = Decimal(f"{price:.12f}")
            quotes.append(Quote(asset, value, quote, venue.name, at, beside=value if venue.is_sure else None))
        return quotes

    # -- what is seen --

    def _tell(self, event: Event) -> None:
        self.history.append(f"{self.second}: {shown(event)}")
        self.monitor.handle(event)

    def difference(self) -> str | None:
        """The first asset about which the two are of different minds, with all that was said of it."""
        board = self.monitor.board
        for asset in ASSETS:
            usd = board.usd.get(asset)
            ours = Seen(None if usd is None else Fraction(usd), board.trust_of(asset))
            theirs = self.model.seen(asset)
            if ours != theirs or (asset in board.untrusted) != (theirs.trust in ("stale", "suspect")):
                said = "\n".join(each for each in self.history[-60:])
                sources = board.sources(asset, time_at_ms(self.at_ms))
                both = f"board {usd} {ours.trust}, model {float(theirs.usd or 0)} {theirs.trust}"
                return f"{said}\n{self.trust}\n{asset}: {both}\n{board.marks.get(asset)}\n{sources}"
        return None


def off_is_now(quotes: list[Quote], at_ms: int) -> bool:
    """A message of a time near ours, which may come again later."""
    return abs(quotes[0].at - time_at_ms(at_ms)) < timedelta(seconds=1)


def by_quote(quotes: list[Quote]) -> list[list[Quote]]:
    """A message prices coins in one quote."""
    found: dict[str, list[Quote]] = {}
    for each in quotes:
        found.setdefault(each.quote, []).append(each)
    return list(found.values())


def frame_of(quotes: list[Quote]) -> Frame:
    """The same by column."""
    texts = tuple(f"{q.price:f}" for q in quotes)
    at_ms = round(quotes[0].at.timestamp() * 1000)
    beside = () if quotes[0].beside is None else texts
    return Frame(quotes[0].source, quotes[0].quote, tuple(q.asset for q in quotes), texts, at_ms, beside=beside)


def heard(quote: Quote) -> Said:
    """The same for the model."""
    beside = None if quote.beside is None else Fraction(quote.beside)
    return Said(quote.asset, Fraction(quote.price), quote.quote, quote.source, quote.at, quote.is_dated, beside)


def shown(event: Event) -> str:
    """An event in one line."""
    match event:
        case MarkPrices():
            quotes = [*event.quotes, *(q for frame in event.frames for q in frame)]
            way = "frame" if event.frames else "quotes"
            age = (event.at - quotes[0].at).total_seconds()
            prices = " ".join(f"{q.asset} {float(q.price):.6g}" for q in quotes)
            return (
                f"{quotes[0].source} {way} {quotes[0].quote} {age} s old{' sure' if quotes[0].beside else ''}: {prices}"
            )
        case FeedSaid():
            return f"{event.source} says {dict(event.states)}{'' if event.connected else ' not connected'}"
        case OperatorAct():
            return f"{event.act}"
        case _:
            return type(event).__name__


def differences(seed: int, steps: int) -> str | None:
    """A run; the first difference."""
    desk = Desk(seed)
    for _ in range(steps):
        desk.step()
        if (found := desk.difference()) is not None:
            return f"seed {seed}\n{found}"
    return None


SEEDS = range(20, 40)


@pytest.mark.parametrize("seed", SEEDS)
def test_the_board_and_the_model_believe_the_same_prices(seed: int) -> None:
    assert differences(seed, 250) is None
