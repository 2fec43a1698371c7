"""Last prices of Coinbase: the ticker of Exchange and that of Advanced Trade (docs/venues/coinbase.md).

Either form is read on any connection; `api` says which is asked. `_subscriptions.py` says what is counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, Literal

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.core.rules.settings import FeedTrust
from monitor.feeds._base import Unusable
from monitor.feeds._instruments import LIVE, OTHER, OVER, SPOT, Instrument
from monitor.feeds._markets import Spelled
from monitor.feeds._spot import SpotFeed, middle, spoilt
from monitor.feeds._subscriptions import UNDATED, Denied, Granted, Saying, Skipped, Stated, rows, tree
from monitor.feeds._venue import LiveConfig, Pause

_URLS = {"exchange": "wss://ws-feed.exchange.coinbase.com", "advanced": "wss://advanced-trade-ws.coinbase.com"}
_LISTS = {
    "exchange": "https://api.exchange.coinbase.com/products",
    "advanced": "https://api.coinbase.com/api/v3/brokerage/market/products",
}
_PRODUCT = re.compile(r"([A-Z0-9]+)-([A-Z0-9]+)", re.ASCII)
_DERIVATIVE = re.compile(r"[A-Z0-9]+-.*(?:CDE|INTX|PERP)", re.ASCII)
_RENAMED = {"CGLD": "CELO"}
"""Coins that go by another name here."""


class CoinbaseDialect:
    """One connection's speech, in both forms. A request is refused as a whole for one product that is not there."""

    ping = ""
    ping_s = 0.0
    most = 100
    pause_s = 0.25  # eight requests a second for each IP
    is_all_or_nothing = True

    def __init__(self, api: str, channel: str) -> None:
        self._api = api
        self._channel = channel

    def opening(self) -> Sequence[str]:
        """Advanced Trade closes a channel on which nothing comes for a minute, unless heartbeats come beside it."""
        return [json.dumps({"type": "subscribe", "channel": "heartbeats"})] if self._api == "advanced" else []

    def ask(self, symbols: Sequence[str], number: int) -> str:
        """Subscribes to the ticker of each product. A request has no number here."""
        channel = {"channel": self._channel} if self._api == "advanced" else {"channels": [self._channel]}
        return json.dumps({"type": "subscribe", "product_ids": list(symbols), **channel})

    def read(self, data: bytes) -> Iterable[Saying]:
        """What a message says. Raises Unusable."""
        value = tree(data)
        if not isinstance(value, dict):
            raise Unusable("wrong_type", data[:40], "a message that is no object")
        kind, channel = value.get("type"), value.get("channel")
        if kind == "ticker":
            return (_said(value, value.get("time", UNDATED)),)
        if kind == "error":
            text = ": ".join(str(value[key]) for key in ("message", "reason") if value.get(key))
            return (Denied(text[:200], tuple(m[0] for m in _PRODUCT.finditer(text))),)
        if kind == "subscriptions" or channel == "subscriptions":
            return (Granted(tuple(_granted(value))),)
        if channel in ("ticker", "ticker_batch"):
            return list(_tickers(value, data))
        if kind == "heartbeat" or channel == "heartbeats":
            return (Skipped("heartbeat"),)
        if not isinstance(kind, str) and not isinstance(channel, str):
            raise Unusable("wrong_type", data[:40], "a message without its type")
        return (Skipped("other_event"),)


def _said(ticker: dict[str, Any], at: object) -> Stated:
    return Stated(
        ticker.get("product_id"), ticker.get("price"), at, middle(ticker.get("best_bid"), ticker.get("best_ask"))
    )


def _tickers(value: dict[str, Any], data: bytes) -> Iterable[Saying]:
    """The tickers of an Advanced Trade message. They have no time of their own: the message has one."""
    events = value.get("events")
    if not isinstance(events, list):
        raise Unusable("wrong_type", data[:40], "a message without its events")
    for event in events:
        tickers = event.get("tickers") if isinstance(event, dict) else None
        if not isinstance(tickers, list):
            yield spoilt(event)
            continue
        for ticker in tickers:
            yield _said(ticker, value.get("timestamp", UNDATED)) if isinstance(ticker, dict) else spoilt(ticker)


def _granted(value: dict[str, Any]) -> Iterable[str]:
    """The products that an answer says are subscribed to, in either form."""
    channels = value.get("channels")
    for channel in channels if isinstance(channels, list) else ():
        names = channel.get("product_ids") if isinstance(channel, dict) else None
        yield from (name for name in names or () if isinstance(name, str)) if isinstance(names, list) else ()
    events = value.get("events")
    for event in events if isinstance(events, list) else ():
        found = event.get("subscriptions") if isinstance(event, dict) else None
        for names in found.values() if isinstance(found, dict) else ():
            yield from (name for name in names if isinstance(name, str)) if isinstance(names, list) else ()


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind coinbase."""

    api: Literal["exchange", "advanced"] = "exchange"
    """Which of the two is asked; `url` follows it."""
    url: str = ""
    channel: Literal["ticker", "ticker_batch"] = "ticker"
    """After each trade, or at most every five seconds."""
    quotes: tuple[str, ...] = ("USD", "USDT", "USDC", "BTC", "ETH")
    silence: Pause = timedelta(seconds=60)
    """A coin may rest for long, but BTC and ETH, which are always asked for, do not."""

    def __post_init__(self) -> None:
        if not self.url:
            msgspec.structs.force_setattr(self, "url", _URLS[self.api])
        super().__post_init__()

    def list_address(self) -> str:
        """The list of the API that is asked."""
        if self.instruments_url is not None:
            return self.instruments_url
        return _LISTS[self.api] if self.url == _URLS[self.api] else ""

    def spelled(self, symbol: str) -> Spelled:
        """BTC-USD is the spot market of BTC in USD; BTC-PERP-INTX and BIT-28JUN26-CDE are derivatives."""
        match = _PRODUCT.fullmatch(symbol)
        if match is None or match[2] == "PERP":
            return Spelled(ignored="derivative") if _DERIVATIVE.fullmatch(symbol) else Spelled(refused="symbol")
        return Spelled(_RENAMED.get(match[1], match[1]), match[2])


class Coinbase(SpotFeed):
    """The feed. `parse` never raises; `quotes` keeps the connection up for ever."""

    ASK_EVERY_S = CoinbaseDialect.pause_s
    CHANGES_ONLY = True

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._config = config

    def dialect(self) -> CoinbaseDialect:
        """The speech of a new connection."""
        return CoinbaseDialect(self._config.api, self._config.channel)

    def spell(self, base: str, quote: str) -> str:
        """The product of a coin as the venue writes it."""
        return f"{base}-{quote}"

    def instruments(self, data: bytes) -> list[Instrument]:
        """The markets of either list. Raises ValueError or Unusable."""
        path = ("products",) if data.lstrip().startswith(b"{") else ()
        return [i for row in rows(data, *path) if (i := _instrument(row)) is not None]


def _instrument(row: Mapping[str, Any]) -> Instrument | None:
    symbol = row.get("id", row.get("product_id"))
    base, quote = (
        row.get("base_currency", row.get("base_currency_id")),
        row.get("quote_currency", row.get("quote_currency_id")),
    )
    if not isinstance(symbol, str) or not isinstance(base, str) or not isinstance(quote, str):
        return None
    kind = SPOT if row.get("product_type", "SPOT") == "SPOT" else OTHER
    is_off = any(row.get(key) is True for key in ("trading_disabled", "is_disabled", "cancel_only", "post_only"))
    is_online = row.get("status", "online") in ("online", "")
    return Instrument(symbol, _RENAMED.get(base, base), quote, kind, LIVE if is_online and not is_off else OVER)


def trust(config: Config) -> FeedTrust:
    """A ticker comes after a trade only."""
    cadence = timedelta(seconds=5) if config.channel == "ticker_batch" else None
    return FeedTrust(config.stale_after, cadence=cadence, sends_changes_only=True)


def build(name: str, config: Config, clock: Clock | None = None) -> Coinbase:
    """The feed of that name."""
    return Coinbase(name, config, clock or SystemClock())
