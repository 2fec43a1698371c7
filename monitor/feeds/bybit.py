"""Prices of Bybit: the public tickers, version 5 (docs/venues/bybit.md).

`market = "linear"` gives the marks of perpetuals in USDT and USDC, `"inverse"` those in USD, `"spot"` the last prices of spot
pairs. A ticker comes whole first, and then only with the fields that changed: the feed keeps the rest, for each market
and each connection. `_subscriptions.py` says what it counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import UNSET, UnsetType, field

from monitor.clock import Clock, SystemClock
from monitor.core.rules.settings import FeedTrust
from monitor.feeds._base import Unusable
from monitor.feeds._instruments import DELIVERY, LIVE, NOT_A_COIN, OVER, PERPETUAL, SPOT, Instrument
from monitor.feeds._markets import Spelled
from monitor.feeds._subscriptions import AskedFeed, Denied, Granted, Saying, Skipped, Stated, regular, rows, tree
from monitor.feeds._venue import LiveConfig, Pause


class _Ticker(msgspec.Struct):
    symbol: str
    mark: str | UnsetType = field(name="markPrice", default=UNSET)
    last: str | UnsetType = field(name="lastPrice", default=UNSET)
    index: str | UnsetType = field(name="indexPrice", default=UNSET)
    usd_index: str | UnsetType = field(name="usdIndexPrice", default=UNSET)


class _Push(msgspec.Struct):
    topic: str
    type: Literal["snapshot", "delta"]
    at_ms: int = field(name="ts")
    data: _Ticker


_TOPIC = "tickers."
_OLD_TOPIC = "instrument_info."
_PUSH = msgspec.json.Decoder(_Push)
_FIELDS = {f.name: f.encode_name for f in msgspec.structs.fields(_Ticker)}
_ONCE = {f'"{key}"'.encode(): 1 for key in ("topic", "type", "ts", "data", *_FIELDS.values())}
_PRICES = ("mark", "last", "index", "usd_index")
_MAX_KNOWN = 10_000
_NAMED = re.compile(r"tickers\.([A-Za-z0-9_.-]+)", re.ASCII)


class BybitDialect:
    """One connection's speech, and the last ticker of each market on it."""

    ping = json.dumps({"op": "ping"})
    ping_s = 20.0  # as the venue asks for
    most = 10  # of a spot request; for the others an argument list has 21,000 characters
    pause_s = 0.1
    is_all_or_nothing = True

    def __init__(self, market: str) -> None:
        self._market = market
        self._known: dict[str, _Ticker] = {}

    def opening(self) -> Sequence[str]:
        """Nothing: the requests are enough."""
        return ()

    def ask(self, symbols: Sequence[str], number: int) -> str:
        """Subscribes to the ticker of each market."""
        return json.dumps({"req_id": str(number), "op": "subscribe", "args": [f"tickers.{s}" for s in symbols]})

    def read(self, data: bytes) -> Iterable[Saying]:
        """What a message says. Raises Unusable."""
        push = regular(_PUSH, data, _ONCE)
        if push is None:
            value = tree(data)
            if not isinstance(value, dict):
                raise Unusable("wrong_type", data[:40])
            if "topic" not in value:
                return (_reply(value, data),)
            if str(value["topic"]).startswith(_OLD_TOPIC):
                return [self._said(old) for old in _old(value)]
            push = _pushed(value) if str(value["topic"]).startswith(_TOPIC) else None
        if push is None or not push.topic.startswith(_TOPIC):
            return (Skipped("other_event"),)
        return (self._said(push),)

    def _said(self, push: _Push) -> Saying:
        """A field that a message leaves out is as it was, so the price that we keep is of that message's time."""
        told, known = push.data, self._known.get(push.data.symbol)
        if push.type == "delta" and known is not None:
            kept = {name: getattr(known, name) for name in _PRICES if getattr(told, name) is UNSET}
            told = msgspec.structs.replace(told, **kept)
        if known is None and len(self._known) >= _MAX_KNOWN:
            self._known.clear()
        self._known[told.symbol] = told
        if self._market == "spot" or (told.mark is UNSET and told.usd_index is not UNSET):  # only spot has a USD index
            value, beside = told.last, told.usd_index
        else:
            value, beside = told.mark, told.index if told.index not in (UNSET, "") else told.last
        if value is UNSET:
            return Skipped("no_snapshot" if push.type == "delta" else "no_price")
        return Stated(told.symbol, value, push.at_ms, beside)


def _reply(value: dict[str, Any], data: bytes) -> Saying:
    if "success" not in value:
        return Skipped("other_event")
    text, number = str(value.get("ret_msg", "")), value.get("req_id") or None
    if value["success"] is True:
        is_pong = text == "pong" or value.get("op") in ("ping", "pong")
        return Skipped("heartbeat") if is_pong else Granted(request=number)
    if "already subscribed" in text:
        return Granted(request=number)
    return Denied(text or data[:120].decode(errors="replace"), tuple(_NAMED.findall(text)), number)


def _pushed(value: dict[str, Any]) -> _Push:
    """A message that is not of the usual form, whose prices and time may be anything: those are judged one by one."""
    fields, kind = value.get("data"), value.get("type")
    if not isinstance(fields, dict) or not isinstance(fields.get("symbol"), str) or kind not in ("snapshot", "delta"):
        raise Unusable("malformed_item", value.get("topic"))
    prices: dict[str, Any] = {name: fields.get(key, UNSET) for name, key in _FIELDS.items() if name != "symbol"}
    at_ms: Any = value.get("ts")
    return _Push(str(value["topic"]), kind, at_ms, _Ticker(fields["symbol"], **prices))


def _old(value: dict[str, Any]) -> list[_Push]:
    """The tickers of version 2, which recordings from before 2023 hold: other names, and microseconds."""
    told, micros = value.get("data"), str(value.get("timestamp_e6", value.get("timestampE6", "")))
    if not isinstance(told, dict):
        raise Unusable("malformed_item", value.get("topic"))
    lists = [told[key] for key in ("update", "insert") if isinstance(told.get(key), list)]
    items = [item for items in lists for item in items] if lists else [told]
    kind: Any = value.get("type")
    at_ms: Any = micros[:-3]
    found = []
    for item in items:
        if not isinstance(item, dict) or not isinstance(item.get("symbol"), str):
            raise Unusable("malformed_item", item)
        prices = {name: _old_price(item, name) for name in ("mark", "last", "index")}
        found.append(_Push(str(value["topic"]), kind, at_ms, _Ticker(item["symbol"], **prices)))
    return found


def _old_price(item: dict[str, Any], name: str) -> Any:
    """A price of version 2 as text; some messages have it in ten-thousandths only."""
    value = item.get(f"{name}_price", item.get(f"{name}Price", UNSET))
    scaled = item.get(f"{name}_price_e4", item.get(f"{name}PriceE4"))
    return f"{scaled}e-4" if value is UNSET and scaled is not None else value


_PERPETUAL = re.compile(r"([A-Z0-9]+?)(USDT|USDC|USD|PERP)", re.ASCII)
_DATED = re.compile(r"[A-Z0-9]+-[0-9]{1,2}[A-Z]{3}[0-9]{2}|[A-Z0-9]+USD[HMUZ][0-9]{2}", re.ASCII)
_OPTION = re.compile(r"[A-Z0-9]+-[0-9]{1,2}[A-Z]{3}[0-9]{2}-[0-9.]+-[CP].*", re.ASCII)
_THOUSANDS = re.compile(r"([A-Z]+)1(0{3,})", re.ASCII)
_HOST = "wss://stream.bybit.com/v5/public/"
_LIST = "https://api.bybit.com/v5/market/instruments-info?limit=1000&category="
_NO_COINS = ("stock", "stocks", "xstocks", "metal", "metals", "commodity", "commodities", "forex", "index")
"""Types of symbols that are no coins, by the venue's list."""


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind bybit."""

    market: Literal["linear", "inverse", "spot"] = "linear"
    """Marks of perpetuals in USDT and USDC, or of those in USD; or last prices of spot pairs."""
    url: str = ""
    """Default: the venue's address of that market."""
    quotes: tuple[str, ...] = ("USDT", "USDC", "USD")
    silence: Pause = timedelta(seconds=30)

    MULTIPLIERS: ClassVar[tuple[str, ...]] = (
        "1000BONK", "1000BTT", "1000CAT", "1000CATS", "1000CHEEMS", "1000FLOKI", "1000LUNC", "1000NEIROCTO", "1000PEPE",
        "1000RATS", "1000TOSHI", "1000TURBO", "1000X", "1000XEC", "10000COQ", "10000ELON", "10000LADYS", "10000QUBIC",
        "10000SATS", "10000WEN", "10000WHY", "1000000BABYDOGE", "1000000CHEEMS", "1000000MOG", "1000000PEIPEI",
    )  # fmt: skip
    INSTRUMENTS: ClassVar[str] = _LIST

    def __post_init__(self) -> None:
        if not self.url:
            msgspec.structs.force_setattr(self, "url", _HOST + self.market)
        super().__post_init__()

    def list_address(self) -> str:
        """The list of the same market."""
        if self.instruments_url is not None:
            return self.instruments_url
        return _LIST + self.market if self.url.startswith(_HOST) else ""

    def spelled(self, symbol: str) -> Spelled:
        """BTCUSDT, BTCPERP (in USDC) and BTCUSD are of BTC, SHIB1000USDT of a thousand SHIB; a dated future is of itself."""
        if _DATED.fullmatch(symbol):
            return Spelled(symbol, next((q for q in ("USDT", "USDC", "USD") if q in symbol), "USDC"))
        if _OPTION.fullmatch(symbol):
            return Spelled(ignored="option")
        match = _PERPETUAL.fullmatch(symbol)
        if match is None:
            return (
                Spelled(ignored="other_quote") if symbol.isascii() and symbol.isalnum() else Spelled(refused="symbol")
            )
        base, quote = match[1], "USDC" if match[2] == "PERP" else match[2]
        base, power = _multiple(base)
        return Spelled(base, quote, power=power)


class Bybit(AskedFeed):
    """The feed. `parse` never raises; `quotes` keeps the connection up for ever."""

    PING = BybitDialect.ping
    PING_EVERY_S = BybitDialect.ping_s
    ASK_EVERY_S = BybitDialect.pause_s

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._config = config

    def dialect(self) -> BybitDialect:
        """The speech of a new connection."""
        return BybitDialect(self._config.market)

    def changes_only(self) -> bool:
        """Spot tickers come when they change; of perpetuals something changes all the time."""
        return self._config.market == "spot"

    def spell(self, base: str, quote: str) -> str:
        """The symbol of a coin as the venue writes it."""
        return base + ("USD" if self._config.market == "inverse" else quote)

    def instruments(self, data: bytes) -> list[Instrument]:
        """The markets of the venue's list. Raises ValueError or Unusable."""
        return [_instrument(row) for row in rows(data, "result", "list") if isinstance(row.get("symbol"), str)]


def _multiple(base: str) -> tuple[str, int]:
    """SHIB1000 is a thousand SHIB. A number before the name is the business of the table of multiples."""
    match = _THOUSANDS.fullmatch(base)
    return (match[1], len(match[2])) if match else (base, 0)


def _instrument(row: Mapping[str, Any]) -> Instrument:
    contract = row.get("contractType")
    kind = SPOT if contract is None else PERPETUAL if str(contract).endswith("Perpetual") else DELIVERY
    if str(row.get("symbolType", "")).lower() in _NO_COINS:
        kind = NOT_A_COIN
    base, power = _multiple(str(row.get("baseCoin", "")))
    status = LIVE if row.get("status") == "Trading" else OVER
    return Instrument(row["symbol"], base, str(row.get("quoteCoin", "")), kind, status, power or None)


def trust(config: Config) -> FeedTrust:
    """A ticker comes when something of it changed; marks change several times a second, spot pairs when they trade."""
    return FeedTrust(
        config.stale_after, cadence=timedelta(milliseconds=100), sends_changes_only=config.market == "spot"
    )


def priced_in_usd(config: Config) -> tuple[str, ...] | None:
    """Inverse contracts are in USD, and may be of any coin; all other markets are in USDT or USDC."""
    return None if config.market == "inverse" else ()


def build(name: str, config: Config, clock: Clock | None = None) -> Bybit:
    """The feed of that name."""
    return Bybit(name, config, clock or SystemClock())
