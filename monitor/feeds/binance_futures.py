"""Mark prices of Binance USD-M futures: the stream `!markPrice@arr@1s` (domain section 4.4, docs/venues/binance.md).

Every second the venue sends an array of all its markets, in more than one message, raw or wrapped as
`{"stream", "data"}`. Only perpetuals in USDT give quotes. The rest is counted:

ignored   delivery, coin_margined, usdc_twin, other_quote (markets we do not want), settled (a market that is over: it has no
          funding rate and no next funding), not_a_coin (a stock or a metal, by the venue's list), excluded, other_symbol and
          other_market (another symbol prices that coin), other_event (trades, books), empty (and replies), older, repeated,
          conflated
refused   the whole frame: too_large, not_utf8, not_json, too_deep, wrong_type, duplicate_key, request_refused;
          one item: malformed_item, duplicate_key, no_event, symbol, unknown_multiplier, time, and the reasons of
          core.prices.quote.BadPrice (not_text: a JSON number, whose digits a float may have changed)

A bad item does not spoil the rest of its array. A message that is regular in every item becomes a frame at once; the feed
judges any other message item by item. Both ways give the same prices and counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from monitor.clock import Clock, SystemClock
from monitor.core.prices.quote import Frame, MarketColumns, Quote, sure_frame
from monitor.core.rules.settings import FeedTrust
from monitor.core.schema import is_asset
from monitor.feeds._base import SETTLED, Unusable
from monitor.feeds._binance import BinanceFeed, subscribe
from monitor.feeds._instruments import DELIVERY, LIVE, NOT_A_COIN, OTHER, OVER, PERPETUAL, Instrument
from monitor.feeds._markets import Market, MessageLayout, MessageLayouts, Spelled
from monitor.feeds._venue import EARLIEST_MS, LATEST_MS, LiveConfig, instant

STREAM = "!markPrice@arr@1s"
SUBSCRIBE = subscribe(STREAM)

# Symbols that quote a thousand coins or a million of them. The venue's list does not say so: the name does. The feed refuses
# a symbol that looks like one of these and is not listed: a price that is wrong by a thousand is worse than none.
MULTIPLIERS = (
    "1000BONK", "1000CAT", "1000CHEEMS", "1000FLOKI", "1000LUNC", "1000PEPE", "1000RATS", "1000SATS", "1000SHIB",
    "1000WHY", "1000X", "1000XEC", "1000000BOB", "1000000MOG", "1MBABYDOGE",
)  # fmt: skip


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind binance_futures."""

    url: str = f"wss://fstream.binance.com/market/ws/{STREAM}"
    """A stream's own address, a combined one, or a bare root (.../ws, .../stream), to which it sends SUBSCRIBE."""

    MULTIPLIERS: ClassVar[tuple[str, ...]] = MULTIPLIERS
    INSTRUMENTS: ClassVar[str] = "https://fapi.binance.com/fapi/v1/exchangeInfo"

    def spelled(self, symbol: str) -> Spelled:
        """BTCUSDT, BTCUSDT_260925, BTCUSD_PERP, BTCUSDC."""
        return spelled(symbol)


def trust(config: Config) -> FeedTrust:
    """The venue sends all markets every second (every third with the stream's slower form)."""
    slow = urlsplit(config.url).path.endswith(("@arr", "@arr@3s"))
    return FeedTrust(stale_after=config.stale_after, cadence=timedelta(seconds=3 if slow else 1))


class _Item(msgspec.Struct):
    """One market of a message, with fields of any type that a peer may send: the feed judges each by itself."""

    event: Any = field(name="e", default=UNSET)
    at_ms: Any = field(name="E", default=UNSET)
    symbol: Any = field(name="s", default=UNSET)
    price: Any = field(name="p", default=UNSET)
    index: Any = field(name="i", default=UNSET)
    rate: Any = field(name="r", default=UNSET)
    next_ms: Any = field(name="T", default=UNSET)
    margin: Any = field(name="st", default=UNSET)


class _Regular(msgspec.Struct, gc=False):
    """One market of a regular message: fields of the documented types, and a possible time."""

    event: Literal["markPriceUpdate"] = field(name="e")
    at_ms: Annotated[int, Meta(ge=EARLIEST_MS, le=LATEST_MS)] = field(name="E")
    symbol: str = field(name="s")
    price: str = field(name="p")
    index: str | UnsetType = field(name="i", default=UNSET)
    rate: str | UnsetType = field(name="r", default=UNSET)
    next_ms: int | UnsetType = field(name="T", default=UNSET)
    margin: Literal[1, 2] | UnsetType = field(name="st", default=UNSET)


_FIELDS = {f.name: f.encode_name for f in msgspec.structs.fields(_Item)}
_KEYS = [(name, f'"{key}"'.encode()) for name, key in _FIELDS.items()]
_REGULAR = msgspec.json.Decoder(list[_Regular])


class BinanceFutures(BinanceFeed):
    """The feed. `parse` turns one frame into quotes and never raises; `quotes` keeps the connection up for ever."""

    STREAM = STREAM

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._layouts = MessageLayouts(self.markets)

    def instruments(self, data: bytes) -> Sequence[Instrument]:
        """The markets of `exchangeInfo`."""
        return instruments(data)

    def at_once(self, body: bytes) -> Frame | None:
        """The prices of a message that is regular in every item; None if an item must be judged by itself."""
        try:
            items = _REGULAR.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return None
        over = [i for i, item in enumerate(items) if item.rate == "" and item.next_ms == 0]
        margins = [item.margin for item in items]
        layout = self._layouts.of([item.symbol for item in items], (margins, over), self._meanings(items))
        if layout is None or not _has_no_key_twice(body, items, layout):
            return None
        columns = MarketColumns(
            layout.assets,
            layout.pick([item.price for item in items]),
            layout.pick([item.at_ms for item in items]),
            layout.powers,
            layout.pick([item.index or "" for item in items]),
        )
        frame = sure_frame(self.name, layout.quote, columns)
        if frame is not None:
            self._count(layout, items)
        return frame

    def _meanings(self, items: Sequence[_Regular | _Item]) -> Callable[[], list[Market]]:
        return lambda: [self._market(item) for item in items]

    def _count(self, layout: MessageLayout, items: list[_Regular]) -> None:
        self.stats.ignored += layout.ignored
        for i, market in layout.settled:
            self.markets.settled(market, items[i].symbol)
        for i, reason in layout.refused:
            self.pass_over(Market(refused=reason), items[i].symbol)
        if self.stats.states:
            self.markets.live(layout.assets)

    def one_by_one(self, items: list[dict[str, Any]]) -> list[Quote]:
        """The prices of items of any form."""
        read = [_Item(**{name: item.get(key, UNSET) for name, key in _FIELDS.items()}) for item in items]
        for item in read:
            self._market(item)  # all of them first: two symbols may price one coin
        return [quote for item in read if (quote := self._quote(item)) is not None]

    def _quote(self, item: _Item) -> Quote | None:
        if not self.is_event(item, ("markPriceUpdate",)):
            return None
        market = self._market(item)
        if market.ignored or market.refused:
            self.pass_over(market, item.symbol)
            return None
        try:
            at = instant(item.at_ms)
        except Unusable as e:
            self.refuse(e, item.symbol)
            return None
        return self.priced(market, item.symbol, item.price, at, item.index)

    def _market(self, item: _Regular | _Item) -> Market:
        """What an item prices. A market that is over has no funding rate and no next funding."""
        if item.margin == 2:
            return Market(ignored="coin_margined")
        market = self.markets.of(item.symbol)
        if item.rate == "" and item.next_ms == 0 and not market.ignored and not market.refused:
            return msgspec.structs.replace(market, ignored=SETTLED)
        return market


def priced_in_usd(config: Config) -> tuple[str, ...]:
    """No coin: every market that gives a price is quoted in USDT."""
    return ()


def build(name: str, config: Config, clock: Clock | None = None) -> BinanceFutures:
    """The feed of that name."""
    return BinanceFutures(name, config, clock or SystemClock())


def spelled(symbol: str) -> Spelled:
    """What a symbol says of itself."""
    base, underscore, suffix = symbol.partition("_")
    if not is_asset(base) or base != base.upper():
        return Spelled(refused="symbol")
    if underscore:
        delivery, perpetual = re.fullmatch(r"\d{6}", suffix, re.ASCII), suffix == "PERP"
        if not (delivery or perpetual):
            return Spelled(refused="symbol")
        return Spelled(base, ignored="delivery" if delivery else "coin_margined")
    if base.endswith("USDC"):
        return Spelled(base, ignored="usdc_twin")
    coin = base.removesuffix("USDT")
    if coin == base:
        return Spelled(base, ignored="other_quote")
    return Spelled(coin, "USDT") if coin else Spelled(refused="symbol")


class _Listed(msgspec.Struct):
    symbol: str
    base: str = field(name="baseAsset")
    quote: str = field(name="quoteAsset")
    status: str = ""
    contract: str = field(name="contractType", default="")
    underlying: str = field(name="underlyingType", default="COIN")


class _ExchangeInfo(msgspec.Struct):
    symbols: list[_Listed]


_EXCHANGE_INFO = msgspec.json.Decoder(_ExchangeInfo)


def instruments(data: bytes) -> list[Instrument]:
    """The markets of `exchangeInfo`. Raises ValueError where it is none."""
    return [Instrument(i.symbol, i.base, i.quote, _kind(i), _status(i)) for i in _EXCHANGE_INFO.decode(data).symbols]


def _status(listed: _Listed) -> str:
    return LIVE if listed.status == "TRADING" else OVER


def _kind(listed: _Listed) -> str:
    """Perpetuals of coins count. Stocks, metals and indices are no coins; an empty type is a market that is over."""
    if listed.underlying != "COIN" or listed.contract.startswith("TRADIFI"):
        return NOT_A_COIN
    if listed.contract in ("PERPETUAL", "PERPETUAL DELIVERING", ""):
        return PERPETUAL
    return DELIVERY if "QUARTER" in listed.contract or "MONTH" in listed.contract else OTHER


def _has_no_key_twice(body: bytes, items: list[_Regular], layout: MessageLayout) -> bool:
    """No item has a key twice. It counts keys in the text without digits, which is mostly the same as in the last message.

    That text holds a key at least as often as the whole text, and the whole text at least as often as the items. So if the
    counts of the first and the last agree, no item has a key twice.
    """
    skeleton = body.translate(None, b"0123456789.-")
    if skeleton != layout.skeleton:
        once = all(skeleton.count(key) == sum(getattr(i, name) is not UNSET for i in items) for name, key in _KEYS)
        layout.skeleton = skeleton if once else b""
        return once
    return True
