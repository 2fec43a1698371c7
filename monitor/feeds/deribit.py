"""Prices of Deribit: the marks of its perpetuals, with the index beside them (docs/venues/deribit.md).

Prices are JSON numbers; the feed takes their digits as they stand in the message. Perpetuals are in USD (BTC-PERPETUAL) or in
USDC (SOL_USDC-PERPETUAL). An option or a combination is in the coin itself and is no price of it. `_subscriptions.py` says
what it counts.
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
from monitor.feeds._instruments import DELIVERY, LIVE, OTHER, OVER, PERPETUAL, SPOT, Instrument
from monitor.feeds._markets import Spelled
from monitor.feeds._subscriptions import (
    AskedFeed,
    Denied,
    Granted,
    Saying,
    SentBack,
    Shut,
    Skipped,
    Stated,
    regular,
    rows,
    tree,
)
from monitor.feeds._venue import LiveConfig, Pause


class _Ticker(msgspec.Struct):
    symbol: str = field(name="instrument_name")
    at_ms: int = field(name="timestamp")
    mark: msgspec.Raw = field(name="mark_price")
    index: msgspec.Raw = field(name="index_price")
    state: Literal["open"]


class _Params(msgspec.Struct):
    channel: str
    data: _Ticker


class _Push(msgspec.Struct):
    method: Literal["subscription"]
    params: _Params


_PUSH = msgspec.json.Decoder(_Push)
_KEYS = ("method", "params", "channel", "data", "instrument_name", "timestamp", "mark_price", "index_price", "state")
_ONCE = {f'"{key}"'.encode(): 1 for key in _KEYS}
_TOO_MANY = "10028"
_HEARTBEAT_S = 30
_HEARTBEAT, _PING, _TEST = 1, 2, 3
"""The ids of our own requests; those for markets have higher ones."""
_FIRST = 100


class DeribitDialect:
    """One connection's speech: JSON-RPC 2.0. The answer to a request lists the channels that it took."""

    ping = json.dumps({"jsonrpc": "2.0", "id": _PING, "method": "public/test", "params": {}})
    ping_s = 30.0
    most = 100
    pause_s = 0.4  # some three requests a second
    is_all_or_nothing = True

    def __init__(self, interval: str) -> None:
        self._interval = interval

    def opening(self) -> Sequence[str]:
        """Asks for heartbeats, so that the venue tests whether we are there, and cuts a dead connection."""
        params = {"interval": _HEARTBEAT_S}
        return (json.dumps({"jsonrpc": "2.0", "id": _HEARTBEAT, "method": "public/set_heartbeat", "params": params}),)

    def ask(self, symbols: Sequence[str], number: int) -> str:
        """Subscribes to the ticker of each market."""
        params = {"channels": [f"ticker.{symbol}.{self._interval}" for symbol in symbols]}
        return json.dumps({"jsonrpc": "2.0", "id": _FIRST + number, "method": "public/subscribe", "params": params})

    def read(self, data: bytes) -> Iterable[Saying]:
        """What a message says. Raises Unusable."""
        push = regular(_PUSH, data, _ONCE)
        if push is not None:
            if not push.params.channel.startswith("ticker."):
                return (Skipped("other_event"),)
            ticker = push.params.data
            return (Stated(ticker.symbol, _text(ticker.mark), ticker.at_ms, _text(ticker.index)),)
        value = tree(data)
        if not isinstance(value, dict):
            raise Unusable("wrong_type", data[:40])
        if value.get("method") == "subscription":
            return (_pushed(value),)
        if value.get("method") == "heartbeat":
            return (_heartbeat(value),)
        return (_reply(value),)


def _text(raw: msgspec.Raw) -> object:
    """The digits of a number, or the text that another venue would send; None for anything else."""
    text = bytes(raw).decode()
    return text.strip('"') if text[0] in '-"0123456789' else None


def _pushed(value: dict[str, Any]) -> Saying:
    params = value.get("params")
    told = params.get("data") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not str(params.get("channel", "")).startswith("ticker."):
        return Skipped("other_event")
    if not isinstance(told, dict):
        raise Unusable("malformed_item", told)
    symbol, state = told.get("instrument_name"), told.get("state", "open")
    if state == "settlement":  # a moment each day at 08:00 UTC
        return Skipped("settlement")
    if state != "open":
        return Shut(symbol, f"the market is in state {state}")
    return Stated(symbol, told.get("mark_price"), told.get("timestamp"), told.get("index_price"))


def _heartbeat(value: dict[str, Any]) -> Saying:
    params = value.get("params")
    if isinstance(params, dict) and params.get("type") == "test_request":
        return SentBack(json.dumps({"jsonrpc": "2.0", "id": _TEST, "method": "public/test", "params": {}}))
    return Skipped("heartbeat")


def _reply(value: dict[str, Any]) -> Saying:
    """The answer to a request of ours. Numbers are texts here, as everywhere in a tree."""
    error, result, number = value.get("error"), value.get("result"), str(value.get("id", ""))
    request = int(number) - _FIRST if number.isascii() and number.isdigit() and len(number) < 10 else None
    if isinstance(error, dict):
        more = error.get("data")
        because = more.get("reason", "") if isinstance(more, dict) else ""
        why = f"{error.get('code', '')}: {error.get('message', '')} {because}".strip()
        return Denied(why, request=request, is_busy=error.get("code") == _TOO_MANY)
    if isinstance(result, list):
        names = [c.removeprefix("ticker.").rpartition(".")[0] for c in result if isinstance(c, str)]
        return Granted(tuple(names), request, is_all=True)
    return Skipped("heartbeat")


_SYMBOL = re.compile(r"([A-Z0-9]+)(?:_([A-Z0-9]+))?(?:-(PERPETUAL|[0-9]{1,2}[A-Z]{3}[0-9]{2}))?", re.ASCII)
_IN_USD = ("BTC", "ETH")
"""Coins with a perpetual in USD; the others have one in USDC."""


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind deribit."""

    url: str = "wss://www.deribit.com/ws/api/v2"
    interval: Literal["100ms", "agg2"] = "100ms"
    """How often a ticker may come: every 100 ms, or every 2 s."""
    quotes: tuple[str, ...] = ("USD", "USDC", "USDT")
    silence: Pause = timedelta(seconds=30)

    INSTRUMENTS: ClassVar[str] = (
        "https://www.deribit.com/api/v2/public/get_instruments?currency=any&kind=future&expired=false"
    )

    def spelled(self, symbol: str) -> Spelled:
        """BTC-PERPETUAL is in USD, SOL_USDC-PERPETUAL in USDC; a dated future is of itself, and an option is in the coin."""
        match = _SYMBOL.fullmatch(symbol)
        if match is None:
            return (
                Spelled(ignored="option")
                if re.fullmatch(r"[A-Z0-9_.-]+", symbol, re.ASCII)
                else Spelled(refused="symbol")
            )
        base, quote, kind = match.groups()
        if quote is None and kind is None:
            return Spelled(refused="symbol")
        return Spelled(base if kind in (None, "PERPETUAL") else symbol, quote or "USD")


class Deribit(AskedFeed):
    """The feed. `parse` never raises; `quotes` keeps the connection up for ever."""

    PING = DeribitDialect.ping
    PING_EVERY_S = DeribitDialect.ping_s
    ASK_EVERY_S = DeribitDialect.pause_s
    COINS = ("BTC", "ETH", "SOL", "XRP", "BNB", "DOGE", "ADA", "LINK", "AVAX", "LTC")

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._config = config

    def dialect(self) -> DeribitDialect:
        """The speech of a new connection."""
        return DeribitDialect(self._config.interval)

    def spell(self, base: str, quote: str) -> str:
        """The symbol of a coin as the venue writes it."""
        if base in self._config.quotes:
            return ""  # the venue has no perpetual of a coin that it counts in
        return f"{base}-PERPETUAL" if quote == "USD" and base in _IN_USD else f"{base}_USDC-PERPETUAL"

    def instruments(self, data: bytes) -> list[Instrument]:
        """The markets of the venue's list. Raises ValueError or Unusable."""
        return [_instrument(row) for row in rows(data, "result") if isinstance(row.get("instrument_name"), str)]


def _instrument(row: Mapping[str, Any]) -> Instrument:
    kind = {"spot": SPOT, "future": DELIVERY}.get(str(row.get("kind")), OTHER)
    if kind == DELIVERY and row.get("settlement_period") == "perpetual":
        kind = PERPETUAL
    is_open = row.get("is_active") is True and row.get("state", "open") == "open"
    base, quote = str(row.get("base_currency", "")), str(row.get("quote_currency", ""))
    return Instrument(row["instrument_name"], base, quote, kind, LIVE if is_open else OVER)


def trust(config: Config) -> FeedTrust:
    """A ticker comes when something of it changed, and marks change several times a second."""
    if config.interval == "agg2":
        return FeedTrust(config.stale_after or timedelta(seconds=30), cadence=timedelta(seconds=2))
    return FeedTrust(config.stale_after, cadence=timedelta(milliseconds=100))


def build(name: str, config: Config, clock: Clock | None = None) -> Deribit:
    """The feed of that name."""
    return Deribit(name, config, clock or SystemClock())
