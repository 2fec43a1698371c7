"""What feeds share that ask a venue for each market by its symbol: what they ask, and what becomes of the answers.

A dialect is how one venue speaks: which messages ask for markets, what keeps a connection open, and what a message says.
Subscriptions are one connection in that dialect. They ask for the markets that the desk needs, a few in each message, and
again for those that went down with a neighbour, say why the venue refuses one, and make quotes of the rest.

ignored   delivery, option, spot, other_quote, excluded (markets we do not want), other_event (trades, books),
          acknowledged, heartbeat
refused   the whole frame: too_large, not_utf8, not_json, too_deep, wrong_type, duplicate_key; one price: malformed_item,
          symbol, unknown_multiplier, time, subscription, and the reasons of core.prices.quote.BadPrice
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any, ClassVar, NamedTuple, Protocol, TypeVar

import msgspec

from monitor.core.prices.quote import Batch, Quote
from monitor.feeds._base import BUILTIN, NOT_LISTED, SETTLED, Desk, Unusable
from monitor.feeds._markets import DOLLARS, REPEATED, Market
from monitor.feeds._messages import Number
from monitor.feeds._venue import LiveFeed, instant, instant_iso

T = TypeVar("T")

# More than any venue lists.
_MAX_MARKETS = 5_000
# Letters of what a peer writes that people are shown.
_LONGEST = 200
# Most books are read within this time; a larger one adds its coins later.
_BOOKS_S = 3.0


UNDATED = object()
"""Stands for the time that a venue does not send."""


class Stated(NamedTuple):
    """A price that a message states, as it stands there."""

    symbol: object
    price: object
    at: object
    """Milliseconds since 1970, as a number or its digits, or an RFC 3339 text; UNDATED where the venue sends no time."""
    beside: object = None
    """The venue's index or last price of the same message."""


class Granted(NamedTuple):
    """The venue took a request: these symbols, or, where it names none, all of the request of that number."""

    symbols: tuple[str, ...] = ()
    request: object = None
    is_all: bool = False
    """It lists all that it took of the request, so those that it leaves out are not there."""


class Denied(NamedTuple):
    """The venue refused a request: these symbols, or, where it names none, all of the request of that number."""

    why: str
    symbols: tuple[str, ...] = ()
    request: object = None
    is_busy: bool = False
    """It asks for fewer requests a second; the same request may be taken later."""


class Shut(NamedTuple):
    """The venue gives no price of a market now, and says why: it is halted, settled or closed."""

    symbol: object
    why: str


class SentBack(NamedTuple):
    """The venue wants a message back."""

    text: str


class Spoilt(NamedTuple):
    """A part of a message that is of no use; `reason` is a counter's label."""

    reason: str
    value: object


class Leaving(NamedTuple):
    """The venue says that it will close this connection."""

    why: str


class Skipped(NamedTuple):
    """Nothing for us; `reason` is a counter's label."""

    reason: str


Saying = Stated | Spoilt | Leaving | Granted | Denied | Shut | SentBack | Skipped


class Dialect(Protocol):
    """How a venue speaks on one connection. It may remember what the connection has said so far."""

    ping: str
    """The message that keeps a connection open."""
    ping_s: float
    most: int
    """Markets that one request may name; 0 where what is said first asks for all of them."""
    pause_s: float
    """Between two requests, by the venue's limits."""
    is_all_or_nothing: bool
    """The venue refuses a whole request for one market in it that it does not have."""

    def opening(self) -> Sequence[str]:
        """What is said first."""

    def ask(self, symbols: Sequence[str], number: int) -> str:
        """The request of that number for the prices of these markets."""

    def read(self, data: bytes) -> Iterable[Saying]:
        """What a message says. Raises Unusable."""


def _unique(pairs: list[tuple[str, object]]) -> object:
    found = dict(pairs)
    return found if len(found) == len(pairs) else REPEATED


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_int=Number, parse_float=Number, parse_constant=Number)


def tree(data: bytes) -> Any:
    """JSON with every number as its text, and REPEATED for an object that has a key twice. Raises Unusable."""
    try:
        value = _JSON.decode(data.decode())
    except RecursionError as e:
        raise Unusable("too_deep", data[:40], "JSON that is nested too deep") from e
    except ValueError as e:
        raise Unusable("not_json", data[-40:], "a message that is not JSON") from e
    if value is REPEATED:
        raise Unusable("duplicate_key", data[:40], "a message that holds a key twice")
    return value


def rows(data: bytes, *path: str) -> list[dict[str, Any]]:
    """The objects of a list that stands at a path of a JSON object. Raises Unusable where there is none."""
    value: Any = tree(data)
    for key in path:
        value = value.get(key) if isinstance(value, dict) else None
    if not isinstance(value, list):
        raise Unusable("wrong_type", data[:120], f"a list of markets without {'.'.join(path)}: {data[:120]!r}")
    return [row for row in value if isinstance(row, dict)]


def regular(decoder: msgspec.json.Decoder[T], data: bytes, keys: Mapping[bytes, int]) -> T | None:
    """A message of the usual form, read fast; None if it has another form, or if one of these keys is there more often."""
    if b"\\" in data or any(data.count(key) > most for key, most in keys.items()):
        return None
    try:
        return decoder.decode(data)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None


class AskedFeed(LiveFeed):
    """A feed of a venue that is asked for each market. A venue adds its dialect, and how it spells a symbol."""

    COINS: ClassVar[tuple[str, ...]] = ("BTC", "ETH", "BNB", "SOL", "XRP", "DOGE", "ADA", "LINK", "AVAX", "LTC")
    """What is asked for where nobody said which coins the book needs."""

    _books_by_s = 0.0

    def dialect(self) -> Dialect:
        """The speech of a new connection."""
        raise NotImplementedError

    def spell(self, base: str, quote: str) -> str:
        """The symbol of a coin as the venue writes it, while its list was not read."""
        raise NotImplementedError

    def read(self, data: bytes) -> Batch:
        """The prices of one message. Raises Unusable."""
        return self._alone.read(data)

    @cached_property
    def _alone(self) -> Subscriptions:
        """Reads messages that belong to no connection: each market by itself, as nobody has chosen among them."""
        return Subscriptions(self.dialect(), tuple, self._said_alone, self._deny, self.stats.ignored)

    def for_socket(self) -> AskedSocket:
        """What a new connection says and reads, as what it has heard is its own."""
        return AskedSocket(self, self._subscribe())

    def _subscribe(self) -> Subscriptions:
        return Subscriptions(self.dialect(), self._wanted, self._said, self._deny, self.stats.ignored)

    def attach(self, desk: Desk) -> None:
        """What the daemon tells of the desk, before `quotes`. Its books may not be read yet, so they get a moment."""
        super().attach(desk)
        self._books_by_s = self.clock.monotonic_s() + _BOOKS_S

    def _wanted(self) -> Iterable[str]:
        coins = self.desk.needs()
        if not coins and self.clock.monotonic_s() < self._books_by_s:
            return ()
        symbols = self._symbols(coins or self.COINS)
        if self.stats.instruments != BUILTIN:
            found = {self.markets.of(symbol).asset for symbol in symbols}
            for coin in set(coins) - found - DOLLARS:
                self.stats.states.setdefault(coin, f"{NOT_LISTED}: the venue has no market of {coin}")
        # A venue that has nothing of the book stays connected by other coins: that is a state of coins, not of the feed.
        return symbols or self._symbols(self.COINS)

    def _symbols(self, coins: Collection[str]) -> list[str]:
        symbols = self.markets.symbols_of(coins, lambda base, quote: self.spell(base, quote) if base != quote else "")
        return [symbol for symbol in symbols if symbol]

    def _said(self, said: Stated | Spoilt | Leaving) -> Quote | None:
        return self._priced(self.markets.of, said)

    def _said_alone(self, said: Stated | Spoilt | Leaving) -> Quote | None:
        return self._priced(self.markets.alone, said)

    def _priced(self, meaning: Callable[[object], Market], said: Stated | Spoilt | Leaving) -> Quote | None:
        if isinstance(said, Leaving):
            self.change_socket(f"the venue says that it will close the connection: {said.why}")
            return None
        if isinstance(said, Spoilt):
            self.refuse(Unusable(said.reason, said.value))
            return None
        market = meaning(said.symbol)
        if market.ignored or market.refused:
            self.pass_over(market, said.symbol)
            return None
        try:
            at = None if said.at is UNDATED else _time(said.at)
        except Unusable as e:
            self.refuse(e, said.symbol)
            return None
        return self.priced(market, said.symbol, said.price, at, said.beside)

    def _deny(self, state: str, symbol: str, why: str) -> None:
        why, symbol = why[:_LONGEST], symbol[:_LONGEST]
        if state == NOT_LISTED:
            words = f"subscription refused: {why}"
            self.refuse(Unusable("subscription", why, words), symbol)
            why = f"the venue refuses {symbol}: {why}"
        asset = self.markets.of(symbol).asset if symbol else ""
        if asset and len(self.stats.states) < _MAX_MARKETS:
            self.stats.states[asset] = f"{state}: {why}"


class AskedSocket:
    """One connection of a feed, as its stream sees it."""

    def __init__(self, feed: AskedFeed, subscriptions: Subscriptions) -> None:
        self._feed = feed
        self._subscriptions = subscriptions
        self.topics = subscriptions.topics
        self.ask = subscriptions.ask

    def parse(self, frame: bytes) -> Batch:
        """The prices of one message."""
        return self._feed.parse(frame, self._subscriptions.read)

    def answer(self, frame: bytes) -> str | None:
        """What the venue wants to hear now, if anything."""
        return self._subscriptions.answer()


class Subscriptions:
    """One connection: what is to be said on it, and what its messages give.

    `wanted` lists the symbols that the desk needs; what joins the list later is asked for on the same connection. `said`
    makes a quote of a price, or counts why not. `denied` hears the state of each symbol that the venue does not give, and
    why.
    """

    def __init__(
        self,
        dialect: Dialect,
        wanted: Callable[[], Iterable[str]],
        said: Callable[[Stated | Spoilt | Leaving], Quote | None],
        denied: Callable[[str, str, str], None],
        ignored: Counter[str],
    ) -> None:
        self._dialect = dialect
        self._wanted = wanted
        self._said = said
        self._denied = denied
        self._ignored = ignored
        self._asked: set[str] = set()
        self._waiting: dict[str, list[str]] = {}
        """Requests that are to be sent, by their number."""
        self._open: dict[str, list[str]] = {}
        """Requests that the venue has not answered."""
        self._answers: list[str] = []
        self._number = 0
        self._is_open = False
        if not dialect.most:
            self._request([])

    def topics(self) -> list[str]:
        """The numbers of requests that are to be sent now."""
        if self._dialect.most:
            new = dict.fromkeys(symbol for symbol in self._wanted() if symbol not in self._asked)
            self._split(list(new)[: _MAX_MARKETS - len(self._asked)])
            self._asked.update(new)
        return list(self._waiting)

    def ask(self, topics: Sequence[str]) -> list[str]:
        """The messages of these requests. What is said first on a connection goes before the first of them."""
        texts = [] if self._is_open else list(self._dialect.opening())
        self._is_open = True
        for number in topics:
            symbols = self._open[number] = self._waiting.pop(number)
            if symbols:
                texts.append(self._dialect.ask(symbols, int(number)))
        return texts

    def answer(self) -> str | None:
        """What the venue wants to hear now, if anything."""
        return self._answers.pop(0) if self._answers else None

    def _split(self, symbols: list[str]) -> None:
        most = self._dialect.most
        for start in range(0, len(symbols), most):
            self._request(symbols[start : start + most])

    def _request(self, symbols: list[str]) -> None:
        self._number += 1
        self._waiting[str(self._number)] = symbols

    def read(self, data: bytes) -> list[Quote]:
        """The prices of one message. Raises Unusable where none of it can be used."""
        quotes: list[Quote] = []
        for saying in self._dialect.read(data):
            match saying:
                case Stated() | Spoilt() | Leaving():
                    quote = self._said(saying)
                    if quote is not None:
                        quotes.append(quote)
                case Skipped(reason):
                    self._ignored[reason] += 1
                case SentBack(text):
                    self._answers.append(text)
                case Granted():
                    self._ignored["acknowledged"] += 1
                    self._grant(saying)
                case Denied():
                    self._deny(saying)
                case Shut(symbol, why):
                    self._ignored["not_open"] += 1
                    self._denied(SETTLED, str(symbol), why)
        return quotes

    def _answered(self, number: object) -> list[str]:
        """The request that an answer belongs to: that of the number, or the oldest, as answers come in order."""
        key = str(number)
        if key not in self._open and number is None:
            key = next(iter(self._open), "")
        return self._open.pop(key, [])

    def _grant(self, granted: Granted) -> None:
        if granted.symbols and not granted.is_all:
            self._open = {key: left for key, some in self._open.items() if (left := _without(some, granted.symbols))}
            return
        request = self._answered(granted.request)
        for symbol in request if granted.is_all else ():
            if symbol not in granted.symbols:
                self._denied(NOT_LISTED, symbol, "the venue left it out of its answer")

    def _deny(self, denied: Denied) -> None:
        """What the venue named is refused. The rest of a request that went down with it is asked for again."""
        if denied.is_busy:
            self._denied(NOT_LISTED, "", denied.why)
            self._split(self._answered(denied.request))
            return
        if not self._dialect.is_all_or_nothing:
            for symbol in denied.symbols or self._answered(denied.request) or ("",):
                self._denied(NOT_LISTED, symbol, denied.why)
            return
        request = self._answered(denied.request)
        bad = [symbol for symbol in denied.symbols if symbol in request] or (request if len(request) < 2 else [])
        for symbol in bad or (() if request else denied.symbols or ("",)):
            self._denied(NOT_LISTED, symbol, denied.why)
        rest = [symbol for symbol in request if symbol not in bad]
        if bad:
            self._split(rest)
        else:
            for symbol in rest:
                self._request([symbol])


def _time(value: object) -> datetime:
    """Raises Unusable."""
    return instant_iso(value) if isinstance(value, str) and "-" in value else instant(value, as_text=True)


def _without(symbols: list[str], taken: Sequence[str]) -> list[str]:
    return [symbol for symbol in symbols if symbol not in taken]
