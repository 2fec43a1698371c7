"""Last prices of Binance spot: the stream `!miniTicker@arr` (domain section 4.4, docs/venues/binance.md).

Every second the venue sends an array of the markets whose ticker changed: a market that does not trade is absent. A coin has
one market here, the one in the first of `quotes` that the venue has. A price in another coin, such as ETH in BTC, is a cross
rate, which core converts. What is ignored and refused is counted as in `binance_futures`, and by these:

ignored   settled (the venue's list says that the market is halted or over)
refused   as in `binance_futures`; the event of a shutdown is no price and opens another connection
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, Meta, field

from monitor.clock import Clock, SystemClock
from monitor.core.instants import time_at_ms
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import FeedTrust
from monitor.core.schema import is_asset
from monitor.feeds._base import Unusable
from monitor.feeds._binance import BinanceFeed, subscribe
from monitor.feeds._instruments import LIVE, OVER, SPOT, Instrument
from monitor.feeds._markets import Spelled
from monitor.feeds._venue import EARLIEST_MS, LATEST_MS, LiveConfig, instant

STREAM = "!miniTicker@arr"
SUBSCRIBE = subscribe(STREAM)
EVENTS = ("24hrMiniTicker", "24hrTicker")
"""The short ticker and the long one; both have the last price as `c`."""

# The wallets hold these under their own names too (`coins`), and the feed refuses any other that looks like one.
MULTIPLIERS = ("1000CAT", "1000CHEEMS", "1000SATS", "1MBABYDOGE")
_SYMBOL = re.compile(r"[^\W_]{2,40}")
_QUOTES = (
    "USDT",
    "USDC",
    "FDUSD",
    "TUSD",
    "BUSD",
    "USD1",
    "BTC",
    "ETH",
    "BNB",
    "EUR",
    "TRY",
    "BRL",
    "JPY",
    "IDR",
    "MXN",
)
"""Quote coins of the venue's spot markets, to find where a symbol's base ends; its list says it for sure."""


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind binance_spot."""

    url: str = f"wss://stream.binance.com:9443/ws/{STREAM}"
    """A stream's own address, a combined one, or a bare root (.../ws, .../stream), to which it sends SUBSCRIBE."""
    quotes: tuple[str, ...] = ("USDT", "BTC")

    MULTIPLIERS: ClassVar[tuple[str, ...]] = MULTIPLIERS
    INSTRUMENTS: ClassVar[str] = "https://api.binance.com/api/v3/exchangeInfo?permissions=SPOT"

    def spelled(self, symbol: str) -> Spelled:
        """BTCUSDT and ETHBTC: the base ends where the longest quote coin begins."""
        return spelled(symbol, self.quotes)


def trust(config: Config) -> FeedTrust:
    """The venue sends what changed, every second: a coin that does not trade lives as long as the connection."""
    return FeedTrust(stale_after=config.stale_after, sends_changes_only=True)


def priced_in_usd(config: Config) -> tuple[str, ...] | None:
    """No coin: the markets are quoted in USDT and in coins. None, which is any, where the desk asks for USD."""
    return None if "USD" in config.quotes else ()


class _Item(msgspec.Struct):
    """One market of a message, with fields of any type that a peer may send: the feed judges each by itself."""

    event: Any = field(name="e", default=UNSET)
    at_ms: Any = field(name="E", default=UNSET)
    symbol: Any = field(name="s", default=UNSET)
    price: Any = field(name="c", default=UNSET)


class _Regular(msgspec.Struct, gc=False):
    """One market of a regular message: fields of the documented types, and a possible time."""

    event: Literal["24hrMiniTicker", "24hrTicker"] = field(name="e")
    at_ms: Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)] = field(name="E")
    symbol: str = field(name="s")
    price: str = field(name="c")


_FIELDS = {f.name: f.encode_name for f in msgspec.structs.fields(_Item)}
_REGULAR = msgspec.json.Decoder(list[_Regular])


class BinanceSpot(BinanceFeed):
    """The feed. `parse` turns one frame into quotes and never raises; `quotes` keeps the connection up for ever."""

    STREAM = STREAM
    CHANGES_ONLY = True

    def at_once(self, body: bytes) -> list[Quote] | None:
        """The quotes of a message that is regular in every item; None if an item must be judged by itself."""
        try:
            items = _REGULAR.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return None
        if not items or any(body.count(f'"{key}"'.encode()) != len(items) for key in _FIELDS.values()):
            return None  # a key stands twice, or a text is one
        return self._quotes([(i.symbol, i.price, time_at_ms(i.at_ms)) for i in items])

    def one_by_one(self, items: list[dict[str, Any]]) -> list[Quote]:
        """The quotes of items of any form."""
        good = []
        for value in items:
            item = _Item(**{name: value.get(key, UNSET) for name, key in _FIELDS.items()})
            if not self.is_event(item, EVENTS):
                continue
            try:
                good.append((item.symbol, item.price, instant(item.at_ms)))
            except Unusable as e:
                market = self.markets.of(item.symbol)
                if market.ignored or market.refused:
                    self.pass_over(market, item.symbol)
                else:
                    self.refuse(e, item.symbol)
        return self._quotes(good)

    def _quotes(self, items: list[tuple[object, object, datetime]]) -> list[Quote]:
        for symbol, _, _ in items:
            self.markets.of(symbol)  # all of them first: two symbols may price one coin
        return [quote for item in items if (quote := self.quote(*item)) is not None]

    def instruments(self, data: bytes) -> Sequence[Instrument]:
        """The markets of `exchangeInfo`."""
        return instruments(data)


def build(name: str, config: Config, clock: Clock | None = None) -> BinanceSpot:
    """The feed of that name."""
    return BinanceSpot(name, config, clock or SystemClock())


def spelled(symbol: str, quotes: Sequence[str] = ()) -> Spelled:
    """What a symbol says of itself: its base, where one of these or of the venue's quote coins ends it."""
    if not (is_asset(symbol) and symbol == symbol.upper() and _SYMBOL.fullmatch(symbol)):
        return Spelled(refused="symbol")
    for quote in sorted({*quotes, *_QUOTES}, key=len, reverse=True):
        if symbol.endswith(quote) and symbol != quote:
            return Spelled(symbol.removesuffix(quote), quote)
    return Spelled(symbol, ignored="other_quote")


class _Listed(msgspec.Struct):
    symbol: str
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    status: str = ""
    is_spot: bool = field(name="isSpotTradingAllowed", default=True)


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Listed]


_EXCHANGE_INFO = msgspec.json.Decoder(_ExchangeInfo)


def instruments(data: bytes) -> list[Instrument]:
    """The markets of `exchangeInfo`. Raises ValueError where it is none."""
    return [
        Instrument(i.symbol, i.base, i.quote, SPOT, LIVE if i.status == "TRADING" and i.is_spot else OVER)
        for i in _EXCHANGE_INFO.decode(data).symbols
    ]
