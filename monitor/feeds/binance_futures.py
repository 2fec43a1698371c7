"""Mark prices of Binance USD-M futures: the stream `!markPrice@arr@1s` (domain section 4.4, docs/venues/binance.md).

Every second the venue sends an array of all its markets, in more than one message, raw or wrapped as
`{"stream", "data"}`. Only perpetuals in USDT give quotes. The rest is counted:

ignored   delivery, coin_margined, usdc_twin, other_quote (markets we do not want), settled (a market that is over: it has no
          funding rate and no next funding), not_a_coin (a stock or a metal, by the venue's list), excluded, other_symbol and
          other_market (another symbol prices that coin), not_ascii (a coin that no loan book can name), other_event (trades,
          books), empty (and replies), older, repeated, conflated
refused   the whole frame: too_large, not_utf8, not_json, too_deep, wrong_type, duplicate_key, request_refused;
          one item: malformed_item, duplicate_key, no_event, symbol, unknown_multiplier, time, and the reasons of
          core.prices.quote.BadPrice (not_text: a JSON number, whose digits a float may have changed)

A bad item does not spoil the rest of its array. A message that is regular in every item becomes a frame at once; the feed
judges any other message item by item. Both ways give the same prices and counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType, field

from monitor.clock import Clock, SystemClock
from monitor.core.prices.quote import Batch, Columns, Frame, Quote, sure_frame
from monitor.core.rules.settings import FeedTrust
from monitor.feeds._base import SETTLED, Refused
from monitor.feeds._instruments import DELIVERY, LIVE, NOT_A_COIN, OTHER, OVER, PERPETUAL, Instrument
from monitor.feeds._markets import REPEATED, Layout, Layouts, Market, Spelled, value_of
from monitor.feeds._venue import EARLIEST_MS, LATEST_MS, LiveConfig, LiveFeed, instant

STREAM = "!markPrice@arr@1s"
SUBSCRIBE = json.dumps({"method": "SUBSCRIBE", "params": [STREAM], "id": 1})

# Symbols that quote a thousand coins or a million of them. The venue's list does not say so: the name does. The feed refuses
# a symbol that looks like one of these and is not listed: a price that is wrong by a thousand is worse than none.
MULTIPLIERS = (
    "1000BONK", "1000CAT", "1000CHEEMS", "1000FLOKI", "1000LUNC", "1000PEPE", "1000RATS", "1000SATS", "1000SHIB",
    "1000WHY", "1000X", "1000XEC", "1000000BOB", "1000000MOG", "1MBABYDOGE",
)  # fmt: skip
_COIN = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,31}", re.ASCII)


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
_WRAPPED = re.compile(rb'\{"stream":"[ !#-\[\]-~]*","data":(?=\[)')
"""The combined form as the venue writes it: the array and one brace follow."""


class BinanceFutures(LiveFeed):
    """The feed. `parse` turns one frame into quotes and never raises; `quotes` keeps the connection up for ever."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._asks = is_root(config.url)
        self._layouts = Layouts(self.markets)

    def topics(self) -> Sequence[str]:
        """The stream, where the address does not name it."""
        return (STREAM,) if self._asks else ()

    def ask(self, topics: Sequence[str]) -> Sequence[str]:
        """One request."""
        return (SUBSCRIBE,)

    def read(self, data: bytes) -> Batch:
        """The prices of one message."""
        frame = self._at_once(data)
        if frame is not None:
            return frame
        items = self._items(data)
        for item in items:
            self._market(item)  # all of them first: two symbols may price one coin
        return [quote for item in items if (quote := self._quote(item)) is not None]

    def instruments(self, data: bytes) -> Sequence[Instrument]:
        """The markets of `exchangeInfo`."""
        return instruments(data)

    def _at_once(self, data: bytes) -> Frame | None:
        """The prices of a message that is regular in every item; None if an item must be judged by itself."""
        wrapped = _WRAPPED.match(data)
        body = data[wrapped.end() : -1] if wrapped and data.endswith(b"]}") else data
        if not body.startswith(b"[") or b"\\" in body:
            return None
        try:
            items = _REGULAR.decode(body)
        except (msgspec.DecodeError, RecursionError):
            return None
        over = [i for i, item in enumerate(items) if item.rate == "" and item.next_ms == 0]
        margins = [item.margin for item in items]
        layout = self._layouts.of([item.symbol for item in items], (margins, over), self._meanings(items))
        if layout is None or not _has_no_key_twice(body, items, layout):
            return None
        columns = Columns(
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

    def _count(self, layout: Layout, items: list[_Regular]) -> None:
        self.stats.ignored += layout.ignored
        for i, market in layout.settled:
            self.markets.settled(market, items[i].symbol)
        for i, reason in layout.refused:
            self.pass_over(Market(refused=reason), items[i].symbol)
        if self.stats.states:
            self.markets.live(layout.assets)

    def _items(self, data: bytes) -> list[_Item]:
        """The events of a message in any of its forms. A fault stays with its own item."""
        value = value_of(data)
        if isinstance(value, dict):
            value = payload(value, data)
        if value is REPEATED:
            raise Refused("duplicate_key", data[:40], "a message that holds a key twice")
        if not isinstance(value, list):
            raise Refused("wrong_type", data[:40], "a message of another form")
        if not value:
            self.stats.ignored["empty"] += 1
        items = []
        for item in value:
            if isinstance(item, dict):
                items.append(_Item(**{name: item.get(key, UNSET) for name, key in _FIELDS.items()}))
            else:
                self.refuse(Refused("duplicate_key" if item is REPEATED else "malformed_item", item))
        return items

    def _quote(self, item: _Item) -> Quote | None:
        if item.event != "markPriceUpdate":
            if isinstance(item.event, str):
                self.stats.ignored["other_event"] += 1
            else:
                self.refuse(Refused("no_event", item.event, "a message that names no event"), item.symbol)
            return None
        market = self._market(item)
        if market.ignored or market.refused:
            self.pass_over(market, item.symbol)
            return None
        try:
            at = instant(item.at_ms)
        except Refused as e:
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
    if not symbol.isascii():
        return Spelled(ignored="not_ascii")
    base, underscore, suffix = symbol.partition("_")
    if not _COIN.fullmatch(base):
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


def payload(value: dict[str, Any], data: bytes) -> Any:
    """The events that an object at the top carries. A reply to the subscription carries none."""
    if "data" in value:
        return [value["data"]] if isinstance(value["data"], dict) else value["data"]
    if "e" not in value and ("error" in value or "code" in value):
        raise Refused("request_refused", data[:120], refusal(value))
    return [] if "id" in value and "e" not in value else [value]


def refusal(value: dict[str, Any]) -> str:
    """What the venue says to a request that it refuses, in words: with the code and the text."""
    error = value["error"] if isinstance(value.get("error"), dict) else value
    text = str(error.get("msg", error.get("message", "")))[:120]
    return f"subscription refused: code {str(error.get('code', '?'))[:20]}" + (f": {text}" if text else "")


def _has_no_key_twice(body: bytes, items: list[_Regular], layout: Layout) -> bool:
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


def is_root(url: str) -> bool:
    """Whether the address names no stream, so that a message must ask for it."""
    parts = urlsplit(url)
    return parts.path.rstrip("/").endswith(("/ws", "/stream")) and "streams=" not in parts.query
