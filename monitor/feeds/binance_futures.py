"""Mark prices of Binance USD-M futures: the stream `!markPrice@arr@1s` (domain section 4.4).

Every second the venue sends an array of all its markets, in more than one message, raw or wrapped as
`{"stream", "data"}`. Only perpetuals in USDT give quotes. The rest is counted:

ignored   delivery, coin_margined, usdc_twin, other_quote (markets we do not want), not_ascii (a coin that no loan book
          can name), other_event (trades, books), empty (and replies), older, repeated, conflated
refused   the whole frame: too_large, not_utf8, not_json, too_deep, wrong_type, duplicate_key, request_refused;
          one item: malformed_item, duplicate_key, no_event, symbol, unknown_multiplier, time, future, and the reasons of
          core.prices.quote.BadPrice (not_text: a JSON number, whose digits a float may have changed)

A bad item does not spoil the rest of its array. A message that is regular in every item becomes a frame at once; the feed
judges any other message item by item. Both ways give the same prices and counts.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from operator import itemgetter
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import UNSET, Meta, UnsetType, field
from websockets.exceptions import InvalidURI
from websockets.uri import parse_uri

from monitor.clock import Clock, SystemClock
from monitor.core import schema
from monitor.core.instants import time_at_ms
from monitor.core.money import EXACT
from monitor.core.prices.quote import HIGHEST, LOWEST, BadPrice, Batch, Frame, Quote, price, sure_frame
from monitor.feeds._base import REPEATED, FeedStats, Link, LiveStream, loads
from monitor.telemetry import BoundedLog

STREAM = "!markPrice@arr@1s"
SUBSCRIBE = json.dumps({"method": "SUBSCRIBE", "params": [STREAM], "id": 1})

# Symbols that quote a thousand coins or a million of them. The venue's exchangeInfo is the authority. The feed refuses a
# symbol that looks like one of these and is not listed: a price that is wrong by a thousand is worse than none.
MULTIPLIERS = (
    "1000BONK", "1000CAT", "1000CHEEMS", "1000FLOKI", "1000LUNC", "1000PEPE", "1000RATS", "1000SATS", "1000SHIB",
    "1000WHY", "1000X", "1000XEC", "1000000BOB", "1000000MOG", "1MBABYDOGE",
)  # fmt: skip
_MULTIPLE = re.compile(r"1(0{3,}|M)([A-Z][A-Z0-9]*)", re.ASCII)
_LOOKS_MULTIPLE = re.compile(r"10{3}|1M[A-Z]", re.ASCII)
_COIN = re.compile(r"[A-Z0-9][A-Z0-9.-]{0,31}", re.ASCII)


_EARLIEST_MS, _LATEST_MS = 1_262_304_000_000, 4_102_444_800_000
_MAX_SYMBOLS = 10_000
# The feed remembers this many layouts, by their first symbol; a market of the venue has two or three messages.
_MAX_LAYOUTS = 16


Pause = Annotated[timedelta, schema.Span("10ms", "1h", old_places=6)]


class Config(msgspec.Struct, frozen=True):
    """Keys of a `[[feed]]` of kind binance_futures."""

    url: str = f"wss://fstream.binance.com/market/ws/{STREAM}"
    """A stream's own address, a combined one, or a bare root (.../ws, .../stream), to which it sends SUBSCRIBE."""
    silence: Pause = timedelta(seconds=15)
    """Without a price for this long it connects again: the venue sends every second."""
    first_frame: Pause = timedelta(seconds=10)
    """For the handshake, and again for the first price after it."""
    reconnect_after: Annotated[timedelta, schema.Span("1s", "24h")] = timedelta(hours=23)
    """Planned change of sockets, before the venue's own cut at 24 h."""
    retry_min: Pause = timedelta(seconds=1)
    retry_max: Pause = timedelta(seconds=30)
    """Pauses between attempts grow from `retry_min` to `retry_max`; a Retry-After counts up to ten times `retry_max`."""
    max_frame_bytes: Annotated[int, range(1_000, 64_000_001)] = 1_048_576
    """The whole market is about 200 kB."""
    multipliers: tuple[str, ...] = MULTIPLIERS
    """Symbols, without USDT, that quote 1000, 10000, ... coins, or a million (1M); replaces the default list."""
    coins: tuple[str, ...] = ()
    """Coins whose own name looks like a multiple, such as 1000SATS of the spot wallets."""

    def __post_init__(self) -> None:
        try:
            parse_uri(self.url)
        except InvalidURI as e:
            raise ValueError(f"url: found {self.url!r}, expected a ws:// or wss:// address") from e
        if self.retry_max < self.retry_min:
            found, least = schema.in_words(self.retry_max), schema.in_words(self.retry_min)
            raise ValueError(f'retry_max: found "{found}", expected at least retry_min = "{least}"')
        for symbol in self.multipliers:
            if not _MULTIPLE.fullmatch(symbol):
                what = "a multiple such as 1000SHIB or 1MBABYDOGE, without USDT"
                raise ValueError(f"multipliers: found {symbol!r}, expected {what}")


class _Item(msgspec.Struct):
    """One market of a message, with fields of any type that a peer may send: the feed judges each by itself."""

    event: Any = field(name="e", default=UNSET)
    at_ms: Any = field(name="E", default=UNSET)
    symbol: Any = field(name="s", default=UNSET)
    price: Any = field(name="p", default=UNSET)
    margin: Any = field(name="st", default=UNSET)


class _Regular(msgspec.Struct, gc=False):
    """One market of a regular message: fields of the documented types, and a possible time."""

    event: Literal["markPriceUpdate"] = field(name="e")
    at_ms: Annotated[int, Meta(ge=_EARLIEST_MS, le=_LATEST_MS)] = field(name="E")
    symbol: str = field(name="s")
    price: str = field(name="p")
    margin: Literal[1, 2] | UnsetType = field(name="st", default=UNSET)


_FIELDS = {f.name: f.encode_name for f in msgspec.structs.fields(_Item)}
_KEYS = [(name, f'"{key}"'.encode()) for name, key in _FIELDS.items()]
_REGULAR = msgspec.json.Decoder(list[_Regular])
_WRAPPED = re.compile(rb'\{"stream":"[ !#-\[\]-~]*","data":(?=\[)')
"""The combined form as the venue writes it: the array and one brace follow."""


class _Refused(Exception):
    """A frame or an item that the feed cannot use; `reason` is a counter's label."""

    def __init__(self, reason: str, value: object = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.value = value


class _Market(msgspec.Struct, frozen=True):
    """The meaning of a symbol: a coin and how many of them it quotes, as a power of ten, or why it gives no quote."""

    asset: str = ""
    power: int = 0
    ignored: str = ""
    refused: str = ""


class _Layout:
    """The symbols of a message in their order and their meanings, looked up once and not every second."""

    def __init__(self, symbols: list[str], margins: list[Any], markets: list[_Market]) -> None:
        self.symbols = symbols
        self.margins = margins
        wanted = [i for i, m in enumerate(markets) if not m.ignored and not m.refused]
        self.assets = tuple(markets[i].asset for i in wanted)
        self.is_usable = len(wanted) > 1 and len(set(self.assets)) == len(wanted)
        """A frame has each asset once. One market alone needs no frame."""
        self.pick: Callable[[Sequence[Any]], tuple[Any, ...]] = itemgetter(*wanted) if wanted else tuple
        self.powers = [(column, markets[i].power) for column, i in enumerate(wanted) if markets[i].power]
        self.ignored = Counter(m.ignored for m in markets if m.ignored)
        self.refused = [(i, m.refused) for i, m in enumerate(markets) if m.refused]
        self.skeleton = b""
        """The last message without its digits, if no key stands in it twice."""


class BinanceFutures:
    """The feed. `parse` turns one frame into quotes and never raises; `quotes` keeps the connection up for ever."""

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        self.name = name
        self.stats = FeedStats()
        self._config = config
        self._clock = clock
        self._log = BoundedLog()
        self._multiples = {symbol: _multiple(symbol) for symbol in config.multipliers}
        self._markets: dict[str, _Market] = {}
        self._layouts: dict[str, _Layout] = {}

    def quotes(self) -> AsyncIterator[Batch]:
        """Frames, or batches of quotes, as they arrive. To close the iterator closes the connection."""
        c = self._config
        link = Link(
            url=c.url,
            subscribe=SUBSCRIBE if _is_root(c.url) else None,
            silence_s=c.silence.total_seconds(),
            first_frame_s=c.first_frame.total_seconds(),
            reconnect_after_s=c.reconnect_after.total_seconds(),
            max_frame_bytes=c.max_frame_bytes,
            retry_min_s=c.retry_min.total_seconds(),
            retry_max_s=c.retry_max.total_seconds(),
        )
        return LiveStream(link, self.parse, self.stats, self._clock, self._log).batches()

    def parse(self, frame: str | bytes) -> Batch:
        """The prices of one message. `stats` counts what it ignores and refuses."""
        self.stats.frames += 1
        quotes: Batch | None
        try:
            data = self._text(frame)
            quotes = self._at_once(data)
            if quotes is None:
                quotes = [quote for item in self._items(data) if (quote := self._quote(item)) is not None]
        except _Refused as e:
            self._refuse(e.reason, value=e.value)
            return []
        self.stats.quotes += len(quotes)
        return quotes

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
        layout = self._layout([item.symbol for item in items], [item.margin for item in items])
        if layout is None or not _has_no_key_twice(body, items, layout):
            return None
        texts, times = layout.pick([item.price for item in items]), layout.pick([item.at_ms for item in items])
        frame = sure_frame(self.name, "USDT", layout.assets, texts, times, layout.powers)
        if frame is not None:
            self.stats.ignored += layout.ignored
            for i, reason in layout.refused:
                self._refuse(reason, items[i].symbol, items[i].at_ms)
        return frame

    def _layout(self, symbols: list[str], margins: list[Any]) -> _Layout | None:
        if not symbols:
            return None
        known = self._layouts.get(symbols[0])
        if known is None or known.symbols != symbols or known.margins != margins:
            if len(self._layouts) >= _MAX_LAYOUTS:
                self._layouts.clear()
            known = self._layouts[symbols[0]] = _Layout(symbols, margins, list(map(self._market, symbols, margins)))
        return known if known.is_usable else None

    def _text(self, frame: str | bytes) -> bytes:
        try:
            data = frame.encode() if isinstance(frame, str) else frame
            if not data.isascii():
                data.decode()
        except UnicodeError as e:
            raise _Refused("not_utf8", frame[:40]) from e
        if len(data) > self._config.max_frame_bytes:
            raise _Refused("too_large", f"{len(data)} bytes")
        return data.strip()

    def _items(self, data: bytes) -> list[_Item]:
        """The events of a message in any of its forms. A fault stays with its own item."""
        try:
            value = loads(data)
        except RecursionError as e:
            raise _Refused("too_deep", data[:40]) from e
        except ValueError as e:
            raise _Refused("not_json", data[-40:]) from e
        if isinstance(value, dict):
            value = _payload(value, data)
        if value is REPEATED:
            raise _Refused("duplicate_key", data[:40])
        if not isinstance(value, list):
            raise _Refused("wrong_type", data[:40])
        if not value:
            self.stats.ignored["empty"] += 1
        items = []
        for item in value:
            if isinstance(item, dict):
                items.append(_Item(**{name: item.get(key, UNSET) for name, key in _FIELDS.items()}))
            else:
                self._refuse("duplicate_key" if item is REPEATED else "malformed_item", value=item)
        return items

    def _quote(self, item: _Item) -> Quote | None:
        if item.event != "markPriceUpdate":
            if isinstance(item.event, str):
                self.stats.ignored["other_event"] += 1
            else:
                self._refuse("no_event", item.symbol, item.event)
            return None
        try:
            market = self._market(item.symbol, item.margin)
            if market.ignored:
                self.stats.ignored[market.ignored] += 1
                return None
            if market.refused:
                raise _Refused(market.refused)
            at, value = _instant(item.at_ms), _per_coin(item.price, market.power)
        except (BadPrice, _Refused) as e:
            self._refuse(e.reason, item.symbol, item.price if isinstance(e, BadPrice) else item.at_ms)
            return None
        return Quote(market.asset, value, "USDT", self.name, at)

    def _market(self, symbol: object, margin: object) -> _Market:
        if margin == 2:
            return _Market(ignored="coin_margined")
        if not isinstance(symbol, str):
            return _Market(refused="symbol")
        known = self._markets.get(symbol)
        if known is None:
            if len(self._markets) >= _MAX_SYMBOLS:
                self._markets.clear()
            known = self._markets[symbol] = self._classify(symbol)
        return known

    def _classify(self, symbol: str) -> _Market:
        if not symbol.isascii():
            return _Market(ignored="not_ascii")
        base, underscore, suffix = symbol.partition("_")
        if not _COIN.fullmatch(base):
            return _Market(refused="symbol")
        if underscore:
            delivery, perpetual = re.fullmatch(r"\d{6}", suffix, re.ASCII), suffix == "PERP"
            if not (delivery or perpetual):
                return _Market(refused="symbol")
            return _Market(ignored="delivery" if delivery else "coin_margined")
        if base.endswith("USDC"):
            return _Market(ignored="usdc_twin")
        coin = base.removesuffix("USDT")
        if coin == base:
            return _Market(ignored="other_quote")
        if coin in self._multiples:
            asset, power = self._multiples[coin]
            return _Market(asset, power)
        if _LOOKS_MULTIPLE.match(coin) and coin not in self._config.coins:
            return _Market(refused="unknown_multiplier")
        return _Market(coin) if coin else _Market(refused="symbol")

    def _refuse(self, reason: str, symbol: object = "", value: object = "") -> None:
        self.stats.refused[reason] += 1
        text = value.decode(errors="backslashreplace") if isinstance(value, bytes) else str(value)
        what = {"feed": self.name, "symbol": str(symbol)[:40], "value": text[:120]}
        self._log.warning(self._clock.monotonic_s(), reason, "price refused", reason=reason, **what)


def priced_in_usd(config: Config) -> tuple[str, ...]:
    """No coin: every market that gives a price is quoted in USDT."""
    return ()


def build(name: str, config: Config, clock: Clock | None = None) -> BinanceFutures:
    """The feed of that name."""
    return BinanceFutures(name, config, clock or SystemClock())


def _multiple(symbol: str) -> tuple[str, int]:
    """The coin and the power of ten: 1000SHIB quotes a thousand SHIB, 1MBABYDOGE a million BABYDOGE."""
    match = _MULTIPLE.fullmatch(symbol)
    assert match is not None, "the configuration was checked"
    return match[2], 6 if match[1] == "M" else len(match[1])


def _payload(value: dict[str, Any], data: bytes) -> Any:
    """The events that an object at the top carries. A reply to the subscription carries none."""
    if "data" in value:
        return [value["data"]] if isinstance(value["data"], dict) else value["data"]
    if "e" not in value and ("error" in value or "code" in value):
        raise _Refused("request_refused", data[:120])
    return [] if "id" in value and "e" not in value else [value]


def _has_no_key_twice(body: bytes, items: list[_Regular], layout: _Layout) -> bool:
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


def _instant(at_ms: object) -> datetime:
    if type(at_ms) is not int or not _EARLIEST_MS <= at_ms <= _LATEST_MS:
        raise _Refused("time", at_ms)
    return time_at_ms(at_ms)


def _per_coin(text: object, power: int) -> Decimal:
    """The price of one coin. To divide by a power of ten moves the point and loses no digit."""
    value = price(text)
    if power:
        value = value.scaleb(-power, EXACT)
        if not LOWEST <= value <= HIGHEST:
            raise BadPrice("out_of_range", text)
    return value


def _is_root(url: str) -> bool:
    """Whether the address names no stream, so that a message must ask for it."""
    parts = urlsplit(url)
    return parts.path.rstrip("/").endswith(("/ws", "/stream")) and "streams=" not in parts.query
