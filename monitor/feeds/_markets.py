"""What a venue's symbol means: which coin it prices, how many of them, in which quote coin, or why it gives no price.

A market is settled by, in this order: the keys of the configuration, the venue's list of its markets, the spelling of the
symbol. Symbols, multiples, layouts and keys that stand twice are here once for all venues.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Sequence
from operator import itemgetter
from typing import Any, ClassVar

import msgspec

from monitor.core.schema import Asset, is_asset
from monitor.feeds._base import NOT_LISTED, SETTLED, FeedStats, Unusable
from monitor.feeds._instruments import LIVE, PERPETUAL, SPOT, Instrument
from monitor.feeds._multiples import is_multiple, looks_multiple, multiple

REPEATED = object()
"""Stands for a JSON object that holds a key twice, as no reader can tell which of the two values was meant."""

_MAX_SYMBOLS = 10_000
# The feed remembers this many layouts, by their first symbol; a market of a venue has two or three messages.
_MAX_LAYOUTS = 16


DOLLARS = frozenset({"USD", "USDT", "USDC"})
"""Quote coins whose own market a feed need not ask for."""


class Spelled(msgspec.Struct, frozen=True):
    """What a symbol says of itself by its spelling; with a reason where it can give no price."""

    base: str = ""
    quote: str = ""
    ignored: str = ""
    refused: str = ""
    power: int = 0
    """For spellings that are sure, such as kPEPE; 1000SHIB stays the base, and the table of multiples decides."""


class Market(msgspec.Struct, frozen=True):
    """The meaning of a symbol: a coin and how many of them it quotes, as a power of ten, or why it gives no quote."""

    asset: str = ""
    power: int = 0
    quote: str = ""
    ignored: str = ""
    refused: str = ""


class SymbolKeys(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of every feed that say which of its symbols price which coin."""

    symbols: dict[Asset, str] = {}
    """Our coin to the venue's symbol: `{ LUNA = "LUNA2USDT" }`."""
    exclude: tuple[str, ...] = ()
    """Symbols of the venue that give no price."""
    multipliers: tuple[str, ...] | None = None
    """Names that quote 1000, 10000, ... coins, or a million (1M), such as 1000SHIB; replaces the built-in list."""
    coins: tuple[str, ...] = ()
    """Coins whose own name looks like a multiple, such as 1000SATS of the spot wallets."""

    MULTIPLIERS: ClassVar[tuple[str, ...]] = ()
    """The built-in list. A name in `coins` wins over it."""

    def spelled(self, symbol: str) -> Spelled:
        """What a symbol says of itself. A venue's own keys override this."""
        return Spelled(symbol)

    def __post_init__(self) -> None:
        for name in self.multipliers or ():
            if not is_multiple(name):
                what = "a multiple such as 1000SHIB or 1MBABYDOGE, without USDT"
                raise ValueError(f"multipliers: found {name!r}, expected {what}")
        for name in self.coins:
            if not is_asset(name):
                raise ValueError(f"coins: found {name!r}, expected the name of a coin, such as 1000SATS")
            if name in (self.multipliers or ()):
                raise ValueError(f"coins: {name!r} stands in multipliers too; take it out of one of them")
        self._check_symbols()

    def _check_symbols(self) -> None:
        """Refuses what one key would take from another."""
        owners: dict[str, str] = {}
        for asset, symbol in self.symbols.items():
            if symbol in owners:
                raise ValueError(f"symbols: {symbol!r} stands for {owners[symbol]} and for {asset}; keep one of them")
            owners[symbol] = asset
            if symbol in self.exclude:
                raise ValueError(f"exclude: {symbol!r} is the symbol of {asset} in symbols; take it out of one of them")
            base = self.spelled(symbol).base
            if base in self.coins and base != asset:
                raise ValueError(
                    f"symbols: {symbol!r} is mapped to {asset}, but coins says that {base} is a coin of its own; take it"
                    " out of one of them"
                )
        for symbol in self.exclude:
            for key, names in (("coins", self.coins), ("multipliers", self.multipliers or ())):
                if self.spelled(symbol).base in names:
                    name = self.spelled(symbol).base
                    raise ValueError(f"exclude: {symbol!r} takes {name!r} out of {key}; take it out of one of them")


class Markets:
    """The markets of one venue by symbol. `version` grows with each change of what symbols mean."""

    def __init__(self, keys: SymbolKeys, quotes: Sequence[str], stats: FeedStats) -> None:
        """`quotes`: the coins whose markets count, the preferred one first; a coin has one market of a venue."""
        self._keys = keys
        self._quotes = tuple(quotes)
        self._stats = stats
        names = keys.MULTIPLIERS if keys.multipliers is None else keys.multipliers
        self._multiples = {name: multiple(name) for name in names if name not in keys.coins}
        self._own = {symbol: asset for asset, symbol in keys.symbols.items()}
        self._listed: dict[str, Instrument] = {}
        self._known: dict[str, Market] = {}
        self._chosen: dict[str, tuple[int, str]] = {}
        """By coin: the rank of the quote coin, and the symbol."""
        self.unlisted: Callable[[], None] = lambda: None
        """Called when a symbol comes that the list does not have."""
        self._strange: set[str] = set()
        """Symbols that came and are in no list so far."""
        self._needed: tuple[int, frozenset[str]] = (-1, frozenset())
        self.version = 0

    def of(self, symbol: object) -> Market:
        """The meaning of a symbol; looked up once."""
        if not isinstance(symbol, str):
            return Market(refused="symbol")
        known = self._known.get(symbol)
        if known is None:
            if len(self._known) >= _MAX_SYMBOLS:
                self._forget()
            known = self._known[symbol] = self._one_of_its_coin(symbol, self._classify(symbol))
        return known

    def alone(self, symbol: object) -> Market:
        """The meaning of a symbol by itself: in any quote coin, and where the coin has a better market too."""
        if not isinstance(symbol, str):
            return Market(refused="symbol")
        return self._classify(symbol, any_quote=True)

    def take(self, instruments: Iterable[Instrument], origin: str) -> None:
        """The venue's list is there, or a newer one."""
        self._listed = {i.symbol: i for i in instruments}
        self._stats.instruments = origin
        self._forget()
        self._stats.states.clear()
        for asset, symbol in self._keys.symbols.items():
            if symbol not in self._listed:
                self._stats.states[asset] = f"{NOT_LISTED}: the venue does not list {symbol}"
        for symbol, listed in self._listed.items():
            market = self.of(symbol)
            if market.ignored == SETTLED and market.asset not in self._stats.states:
                self._stats.states[market.asset] = f"{SETTLED}: {symbol} is {listed.status} by the venue's list"
        for symbol in self._listed:
            self._stats.states.pop(self._live_asset(symbol), None)

    def look_for(self, needs: Collection[str]) -> None:
        """Says of each coin that the book needs and the venue's list has no market of that it is not listed."""
        if not self._listed or (self.version, needs) == self._needed:
            return
        before, self._needed = self._needed[1], (self.version, frozenset(needs))
        states = self._stats.states
        for asset in before - self._needed[1] - self._keys.symbols.keys():
            if states.get(asset, "").startswith(NOT_LISTED):
                del states[asset]
        listed = {self._live_asset(symbol) for symbol in self._listed}
        for asset in self._needed[1] - listed - set(self._quotes):
            states.setdefault(asset, f"{NOT_LISTED}: the venue lists no market of {asset} that counts")

    def missing(self) -> list[str]:
        """What the keys of the configuration name and the venue's list does not have, each as a sentence."""
        if not self._listed:
            return []
        mapped = [f"symbols: the venue does not list {s}, so {a} has no price" for a, s in self._keys.symbols.items()]
        left_out = [f"exclude: the venue does not list {symbol}" for symbol in self._keys.exclude]
        named = (*self._keys.symbols.values(), *self._keys.exclude)
        return [words for words, symbol in zip((*mapped, *left_out), named, strict=True) if symbol not in self._listed]

    def settled(self, market: Market, symbol: str) -> None:
        """A message shows that a market is over."""
        if len(self._stats.states) < _MAX_SYMBOLS:
            self._stats.states.setdefault(market.asset, f"{SETTLED}: {symbol} is over, its price stands still")

    def live(self, assets: Iterable[str]) -> None:
        """Prices came of coins that may have had none."""
        for asset in self._stats.states.keys() & assets:
            del self._stats.states[asset]

    def symbols_of(self, assets: Collection[str], spell: Callable[[str, str], str]) -> list[str]:
        """The symbols to ask the venue for. `spell(base, quote)` writes one; the list, where there is one, names them all."""
        wanted = {*assets, *(coin for coin in self._quotes if coin not in DOLLARS)}
        if self._listed:
            return sorted(s for s in self._listed if self._live_asset(s) in wanted)
        multiples = {asset: name for name, (asset, _) in self._multiples.items()}
        own = {asset: symbol for asset, symbol in self._keys.symbols.items() if asset in wanted}
        spelled = (spell(multiples.get(a, a), self._quotes[0]) for a in wanted - own.keys() - set(self._quotes[:1]))
        return sorted({*own.values(), *(symbol for symbol in spelled if symbol not in self._keys.exclude)})

    def _live_asset(self, symbol: str) -> str:
        market = self.of(symbol)
        return "" if market.ignored or market.refused else market.asset

    def _forget(self) -> None:
        self._known.clear()
        self._chosen.clear()
        self.version += 1

    def _one_of_its_coin(self, symbol: str, market: Market) -> Market:
        """A coin has one market of a venue: the one in the preferred quote coin."""
        if market.ignored or market.refused:
            return market
        rank = self._quotes.index(market.quote) if market.quote in self._quotes else 0
        chosen = self._chosen.get(market.asset)
        if chosen is not None and chosen[1] != symbol:
            if chosen <= (rank, symbol):
                return msgspec.structs.replace(market, ignored="other_market")
            before = self._known.get(chosen[1])
            if before is not None:
                self._known[chosen[1]] = msgspec.structs.replace(before, ignored="other_market")
            self.version += 1
        self._chosen[market.asset] = (rank, symbol)
        return market

    def _classify(self, symbol: str, *, any_quote: bool = False) -> Market:
        if symbol in self._keys.exclude:
            return Market(ignored="excluded")
        own, listed = self._own.get(symbol), self._listed.get(symbol)
        spelled = self._keys.spelled(symbol)
        if listed is None and self._listed and symbol not in self._strange and len(self._strange) < _MAX_SYMBOLS:
            self._strange.add(symbol)
            self.unlisted()
        if listed is not None:
            if own is None and listed.kind not in (SPOT, PERPETUAL):
                return Market(ignored=listed.kind)
            spelled = Spelled(listed.base, listed.quote, power=listed.power or spelled.power)
        elif own is None and (spelled.ignored or spelled.refused):
            return Market(ignored=spelled.ignored, refused=spelled.refused)
        if own is None and not any_quote and spelled.quote not in self._quotes:
            return Market(ignored="other_quote")
        market = self._coin(own, spelled)
        if listed is not None and listed.status != LIVE and not market.refused:
            return msgspec.structs.replace(market, ignored=SETTLED)
        return market

    def _coin(self, own: str | None, spelled: Spelled) -> Market:
        quote = spelled.quote or self._quotes[0]
        if own is not None and own == spelled.base:
            return Market(own, spelled.power, quote)
        asset, power = self._multiples.get(spelled.base, (spelled.base, spelled.power))
        if own is not None:
            return Market(own, power, quote)
        if asset in self._keys.symbols:
            return Market(ignored="other_symbol")
        if not is_asset(asset):
            return Market(refused="symbol")
        if asset == spelled.base and looks_multiple(asset) and asset not in self._keys.coins:
            return Market(refused="unknown_multiplier")
        return Market(asset, power, quote)


class MessageLayout:
    """The symbols of a message in their order and their meanings, looked up once and not every second."""

    def __init__(self, symbols: list[str], marks: object, markets: list[Market], version: int) -> None:
        self.symbols = symbols
        self.marks = marks
        self.version = version
        wanted = [i for i, m in enumerate(markets) if not m.ignored and not m.refused]
        self.assets = tuple(markets[i].asset for i in wanted)
        quotes = {markets[i].quote for i in wanted}
        self.quote = min(quotes, default="")
        self.is_usable = len(wanted) > 1 and len(set(self.assets)) == len(wanted) and len(quotes) == 1
        """A frame has each asset once, in one quote coin. One market alone needs no frame."""
        self.pick: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(*wanted) if wanted else tuple
        self.powers = [(column, markets[i].power) for column, i in enumerate(wanted) if markets[i].power]
        self.ignored = Counter(m.ignored for m in markets if m.ignored)
        self.refused = [(i, m.refused) for i, m in enumerate(markets) if m.refused]
        self.settled = [(i, m) for i, m in enumerate(markets) if m.ignored == SETTLED]
        self.skeleton = b""
        """The last message without its digits, if no key stands in it twice."""


class MessageLayouts:
    """The layouts of a venue's messages, by their first symbol."""

    def __init__(self, markets: Markets) -> None:
        self._markets = markets
        self._known: dict[str, MessageLayout] = {}

    def of(self, symbols: list[str], marks: object, meaning: Callable[[], list[Market]]) -> MessageLayout | None:
        """The layout of a message, or None where it makes no frame. `marks` is what else decides what symbols mean."""
        if len(symbols) < 2:  # it would make no frame
            return None
        known = self._known.get(symbols[0])
        if known is None or known.version != self._markets.version or known.symbols != symbols or known.marks != marks:
            if len(self._known) >= _MAX_LAYOUTS:
                self._known.clear()
            markets = meaning()
            # To look a symbol up may change what another one means: the better market of a coin.
            markets = meaning()
            known = self._known[symbols[0]] = MessageLayout(symbols, marks, markets, self._markets.version)
        return known if known.is_usable else None


def loads(data: bytes) -> Any:
    """JSON as Python reads it, with NaN, huge numbers and lone surrogates. Raises ValueError, RecursionError."""

    def unique(pairs: list[tuple[str, object]]) -> object:
        found = dict(pairs)
        return found if len(found) == len(pairs) else REPEATED

    # Python refuses to read integers of thousands of digits; None does as well here.
    return json.loads(data.decode(), object_pairs_hook=unique, parse_int=lambda t: int(t) if len(t) < 30 else None)


def value_of(data: bytes) -> Any:
    """The JSON value of a message. Raises Unusable."""
    try:
        value = loads(data)
    except RecursionError as e:
        raise Unusable("too_deep", data[:40], "JSON that is nested too deep") from e
    except ValueError as e:
        raise Unusable("not_json", data[-40:], "a message that is not JSON") from e
    if value is REPEATED:
        raise Unusable("duplicate_key", data[:40], "a message that holds a key twice")
    return value
