"""Prices of OKX: the public websocket, version 5 (docs/venues/okx.md).

`channel = "mark-price"` gives the marks of perpetuals, `channel = "tickers"` the last prices of spot pairs. A dated future is
no price of its coin: it goes by its own name, and only where it is asked for. `_subscriptions.py` says what is counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import field

from monitor.clock import Clock, SystemClock
from monitor.core.rules.settings import FeedTrust
from monitor.feeds._base import Unusable
from monitor.feeds._instruments import DELIVERY, LIVE, NOT_A_COIN, OTHER, OVER, PERPETUAL, SPOT, Instrument
from monitor.feeds._markets import REPEATED, Spelled
from monitor.feeds._spot import middle
from monitor.feeds._subscriptions import (
    AskedFeed,
    Denied,
    Granted,
    Leaving,
    Saying,
    Skipped,
    Spoilt,
    Stated,
    regular,
    rows,
    tree,
)
from monitor.feeds._venue import LiveConfig, Pause

_PRICES: Mapping[str, str] = {"mark-price": "markPx", "tickers": "last"}
"""The field of the price, by channel."""


class _Place(msgspec.Struct):
    channel: Literal["mark-price", "tickers"]
    symbol: str = field(name="instId")


class _Ticker(msgspec.Struct):
    symbol: str = field(name="instId")
    at_ms: str = field(name="ts")
    mark: str = field(name="markPx", default="")
    last: str = field(name="last", default="")
    bid: str = field(name="bidPx", default="")
    ask: str = field(name="askPx", default="")


class _Push(msgspec.Struct):
    place: _Place = field(name="arg")
    data: tuple[_Ticker]


_PUSH = msgspec.json.Decoder(_Push)
_ONCE = {
    b'"arg"': 1,
    b'"channel"': 1,
    b'"data"': 1,
    b'"instId"': 2,
    b'"ts"': 1,
    b'"markPx"': 1,
    b'"last"': 1,
    b'"bidPx"': 1,
    b'"askPx"': 1,
}
_TOO_MANY = "60014"
_UPGRADE = "64008"
"""The code of a notice that the venue restarts this server soon."""
_NAMED = re.compile(r"instId:([A-Za-z0-9_.-]+)", re.ASCII)


class OkxDialect:
    """One connection's speech. The venue answers each market of a request by itself."""

    ping = "ping"
    ping_s = 20.0  # it cuts a connection that is silent for 30 s
    most = 100  # a request may have 64 kB, and a connection 480 requests an hour
    pause_s = 0.35  # three requests a second
    is_all_or_nothing = False

    def __init__(self, channel: str) -> None:
        self._channel = channel

    def opening(self) -> Sequence[str]:
        """Nothing: the requests are enough."""
        return ()

    def ask(self, symbols: Sequence[str], number: int) -> str:
        """Subscribes to the channel of each market."""
        args = [{"channel": self._channel, "instId": symbol} for symbol in symbols]
        return json.dumps({"id": str(number), "op": "subscribe", "args": args})

    def read(self, data: bytes) -> Iterable[Saying]:
        """What a message says. Raises Unusable."""
        push = regular(_PUSH, data, _ONCE)
        if push is not None:
            ticker = push.data[0]
            if push.place.channel == "mark-price":
                return (Stated(ticker.symbol, ticker.mark, ticker.at_ms),)
            return (Stated(ticker.symbol, ticker.last, ticker.at_ms, middle(ticker.bid, ticker.ask)),)
        if data == b"pong":
            return (Skipped("heartbeat"),)
        value = tree(data)
        if not isinstance(value, dict):
            raise Unusable("wrong_type", data[:40])
        if "table" in value:
            return _old(value)
        return _pushed(value, data) if "arg" in value and "event" not in value else (_reply(value),)


def _reply(value: dict[str, Any]) -> Saying:
    event, place = value.get("event"), value.get("arg")
    if event == "subscribe":
        symbol = place.get("instId") if isinstance(place, dict) else None
        return Granted((symbol,) if isinstance(symbol, str) else ())
    code, text = str(value.get("code", "0")), str(value.get("msg", ""))
    if code == _UPGRADE:
        return Leaving(f"{code}: {text}")
    if code == _TOO_MANY:
        return Denied(f"{code}: {text}", request=value.get("id"), is_busy=True)
    if event in ("error", "channel-conn-count-error") or code != "0":
        return Denied(f"{code}: {text}", tuple(_NAMED.findall(text)), value.get("id") or None)
    return Skipped("other_event")


def _pushed(value: dict[str, Any], data: bytes) -> list[Saying]:
    place, items = value.get("arg"), value.get("data")
    if not isinstance(place, dict) or not isinstance(items, list):
        raise Unusable("wrong_type", data[:40])
    name = _PRICES.get(str(place.get("channel")))
    if name is None:
        return [Skipped("other_event")]
    said: list[Saying] = []
    for item in items:
        if isinstance(item, dict):
            beside = middle(item.get("bidPx"), item.get("askPx"))
            said.append(Stated(item.get("instId"), item.get(name), item.get("ts"), beside))
        else:
            said.append(Spoilt("duplicate_key" if item is REPEATED else "malformed_item", item))
    return said


def _old(value: dict[str, Any]) -> list[Saying]:
    """Marks and tickers of version 3, which recordings from before 2022 hold: other names, and times as text."""
    name = {"mark_price": "mark_price", "ticker": "last"}.get(str(value["table"]).rpartition("/")[2])
    items = value.get("data")
    if name is None or not isinstance(items, list):
        return [Skipped("other_event")]
    return [
        Stated(item.get("instrument_id"), item.get(name), item.get("timestamp"))
        if isinstance(item, dict)
        else Spoilt("malformed_item", item)
        for item in items
    ]


_SYMBOL = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)(?:-(SWAP|[0-9]{6}))?", re.ASCII)
_OPTION = re.compile(r"[A-Z0-9]+-[A-Z0-9_]+-[0-9]{6}-.+", re.ASCII)
_LIST = "https://www.okx.com/api/v5/public/instruments?instType="
_COIN_CATEGORIES = ("", "1")


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind okx."""

    url: str = "wss://ws.okx.com:8443/ws/v5/public"
    channel: Literal["mark-price", "tickers"] = "mark-price"
    """Marks of perpetuals, or last prices of spot pairs."""
    quotes: tuple[str, ...] = ("USDT", "USD", "USDC")
    silence: Pause = timedelta(seconds=30)
    """A mark that stands comes every 10 s; a spot pair may rest for longer, but not all of them do."""

    INSTRUMENTS: ClassVar[str] = _LIST

    def list_address(self) -> str:
        """The list of swaps for marks, that of spot pairs for last prices."""
        address = super().list_address()
        return address + ("SWAP" if self.channel == "mark-price" else "SPOT") if address == _LIST else address

    def spelled(self, symbol: str) -> Spelled:
        """BTC-USDT and BTC-USDT-SWAP are of BTC; BTC-USD-260327, a dated future, is of itself."""
        match = _SYMBOL.fullmatch(symbol)
        if match is None:
            return Spelled(ignored="option") if _OPTION.fullmatch(symbol) else Spelled(refused="symbol")
        base, quote, kind = match.groups()
        return Spelled(base if kind in (None, "SWAP") else symbol, quote)


class Okx(AskedFeed):
    """The feed. `parse` never raises; `quotes` keeps the connection up for ever."""

    PING = OkxDialect.ping
    PING_EVERY_S = OkxDialect.ping_s
    ASK_EVERY_S = OkxDialect.pause_s

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._config = config

    def dialect(self) -> OkxDialect:
        """The speech of a new connection."""
        return OkxDialect(self._config.channel)

    def changes_only(self) -> bool:
        """Tickers come after a trade or a change of the best offers, marks also while they stand."""
        return self._config.channel == "tickers"

    def spell(self, base: str, quote: str) -> str:
        """The symbol of a coin as the venue writes it."""
        return f"{base}-{quote}-SWAP" if self._config.channel == "mark-price" else f"{base}-{quote}"

    def instruments(self, data: bytes) -> list[Instrument]:
        """The markets of the venue's list. Raises ValueError or Unusable."""
        return [_instrument(row) for row in rows(data, "data") if isinstance(row.get("instId"), str)]


def _instrument(row: Mapping[str, Any]) -> Instrument:
    kinds = {"SPOT": SPOT, "MARGIN": SPOT, "SWAP": PERPETUAL, "FUTURES": DELIVERY}
    symbol: str = row["instId"]
    base, quote = ([*symbol.split("-"), "", ""])[:2]
    kind = kinds.get(row.get("instType", ""), OTHER)
    if row.get("instCategory", "") not in _COIN_CATEGORIES:
        kind = NOT_A_COIN
    return Instrument(symbol, base, quote, kind, LIVE if row.get("state") == "live" else OVER)


def trust(config: Config) -> FeedTrust:
    """Marks come at least every 10 s; tickers only after a trade or a change of the best offers."""
    if config.channel == "tickers":
        return FeedTrust(config.stale_after, cadence=timedelta(milliseconds=100), sends_changes_only=True)
    return FeedTrust(config.stale_after or timedelta(seconds=30), cadence=timedelta(seconds=10))


def build(name: str, config: Config, clock: Clock | None = None) -> Okx:
    """The feed of that name."""
    return Okx(name, config, clock or SystemClock())
