"""Last prices of Kraken: the tickers of both versions of its spot websocket, and of its futures (docs/venues/kraken.md).

Any of the three forms is read on any connection; `api` says which is asked. `_subscriptions.py` says what is counted.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

import msgspec

from monitor.clock import Clock, SystemClock
from monitor.core.rules.settings import FeedTrust
from monitor.feeds._base import Unusable
from monitor.feeds._instruments import LIVE, NOT_A_COIN, OVER, SPOT, Instrument
from monitor.feeds._markets import Spelled
from monitor.feeds._spot import SpotFeed, middle, spoilt
from monitor.feeds._subscriptions import UNDATED, Denied, Granted, Saying, Skipped, Stated, tree
from monitor.feeds._venue import LiveConfig, Pause

_URLS = {"v2": "wss://ws.kraken.com/v2", "v1": "wss://ws.kraken.com"}
_PAIR = re.compile(r"([A-Z0-9.]+)/([A-Z0-9.]+)", re.ASCII)
_STOCK = re.compile(r"[A-Z0-9.]+x/[A-Z0-9.]+", re.ASCII)
_FUTURE = re.compile(r"(P[IF]|F[IF])_([A-Z0-9]+?)(USD|EUR|GBP|USDT|USDC|XBT)(_\d{6})?", re.ASCII)
_RENAMED = {"XBT": "BTC", "XDG": "DOGE", "LUNA": "LUNC", "LUNA2": "LUNA", "UST": "USTC"}
"""Coins that go by another name here. The first two are written so in version 1 only; the others are old names that the
coins of today took over elsewhere, and to mix them up would be a wrong price."""
_V1_NAMES = {ours: theirs for theirs, ours in _RENAMED.items()}
_V2_NAMES = {ours: theirs for ours, theirs in _V1_NAMES.items() if theirs not in ("XBT", "XDG")}
_RUNNING = ("online", "limit_only", "reduce_only")


class KrakenDialect:
    """One connection's speech, in both versions. Each pair of a request is answered by itself."""

    ping = ""
    ping_s = 0.0
    most = 100
    pause_s = 0.25
    is_all_or_nothing = False

    def __init__(self, api: str) -> None:
        self._api = api

    def opening(self) -> Sequence[str]:
        """Nothing: the requests are enough, and heartbeats come by themselves."""
        return ()

    def ask(self, symbols: Sequence[str], number: int) -> str:
        """Subscribes to the ticker of each pair."""
        if self._api == "v1":
            name = {"name": "ticker"}
            return json.dumps({"event": "subscribe", "reqid": number, "pair": list(symbols), "subscription": name})
        params = {"channel": "ticker", "symbol": list(symbols), "event_trigger": "trades", "snapshot": True}
        return json.dumps({"method": "subscribe", "params": params, "req_id": number})

    def read(self, data: bytes) -> Iterable[Saying]:
        """What a message says. Raises Unusable."""
        value = tree(data)
        if isinstance(value, list):
            return (_of_v1(value, data),)
        if not isinstance(value, dict):
            raise Unusable("wrong_type", data[:40], "a message that is neither an object nor a list")
        if "event" in value:
            return (_reply_of_v1(value),)
        if "method" in value:
            return (_reply_of_v2(value),)
        if value.get("feed") in ("ticker", "ticker_lite"):
            return (Stated(value.get("product_id"), value.get("markPrice"), value.get("time"), value.get("index")),)
        channel, items = value.get("channel"), value.get("data")
        if channel == "ticker":
            if not isinstance(items, list):
                raise Unusable("wrong_type", data[:40], "a ticker without its data")
            return [_of_v2(item) if isinstance(item, dict) else spoilt(item) for item in items]
        if channel == "status":
            state = items[0].get("system") if isinstance(items, list) and items and isinstance(items[0], dict) else None
            return (_running(state),)
        if not isinstance(channel, str) and "feed" not in value:
            raise Unusable("wrong_type", data[:40], "a message without its channel")
        return (Skipped("heartbeat" if channel == "heartbeat" else "other_event"),)


def _of_v1(value: list[Any], data: bytes) -> Saying:
    """`[channel, {"a": [ask, ...], "b": [bid, ...], "c": [last, ...]}, "ticker", "XBT/USD"]`, without a time."""
    if len(value) < 4 or not isinstance(value[-2], str):
        raise Unusable("wrong_type", data[:40], "a message of another layout")
    if value[-2] != "ticker":
        return Skipped("other_event")
    if not isinstance(value[1], dict):
        return spoilt(value[1])
    last, bid, ask = (_first(value[1].get(key)) for key in ("c", "b", "a"))
    return Stated(value[-1], last, UNDATED, middle(bid, ask))


def _of_v2(item: dict[str, Any]) -> Saying:
    """A pair that did not trade for a day has no `last`: then the middle of its offers is its price, if they are near."""
    half = middle(item.get("bid"), item.get("ask"))
    at = item.get("timestamp", UNDATED)
    if item.get("last") is None:
        return Stated(item.get("symbol"), half, at) if half is not None else Skipped("no_trade")
    return Stated(item.get("symbol"), item["last"], at, half)


def _reply_of_v1(value: dict[str, Any]) -> Saying:
    event, pair = value["event"], value.get("pair")
    symbols = (pair,) if isinstance(pair, str) else ()
    if value.get("status") == "error" or event == "error":
        return Denied(str(value.get("errorMessage", value.get("message", event)))[:200], symbols, value.get("reqid"))
    if event == "subscriptionStatus":
        return Granted(symbols, value.get("reqid"))
    if event == "systemStatus":
        return _running(value.get("status"))
    return Skipped("heartbeat" if event in ("heartbeat", "pong") else "other_event")


def _reply_of_v2(value: dict[str, Any]) -> Saying:
    if value["method"] != "subscribe":
        return Skipped("heartbeat" if value["method"] == "pong" else "other_event")
    result = value.get("result")
    symbol = result.get("symbol") if isinstance(result, dict) else value.get("symbol")
    symbols = (symbol,) if isinstance(symbol, str) else ()
    if value.get("success") is False:
        return Denied(str(value.get("error", "no reason"))[:200], symbols, value.get("req_id"))
    return Granted(symbols, value.get("req_id"))


def _running(state: object) -> Saying:
    """The trading engine's state. Raises Unusable where nothing is matched, so that a silence has its cause."""
    if state not in _RUNNING:
        raise Unusable("not_open", state, f"the venue says that its market is not open: {str(state)[:40]}")
    return Skipped("status")


def _first(value: object) -> object:
    return value[0] if isinstance(value, list) and value else None


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind kraken."""

    api: Literal["v2", "v1"] = "v2"
    """Which version is asked; `url` follows it. Tickers of version 1 have no time."""
    url: str = ""
    quotes: tuple[str, ...] = ("USD", "USDT", "USDC", "BTC", "ETH", "EUR")
    silence: Pause = timedelta(seconds=60)
    """A coin may rest for long, but BTC and ETH, which are always asked for, do not."""

    INSTRUMENTS: ClassVar[str] = "https://api.kraken.com/0/public/AssetPairs"

    def __post_init__(self) -> None:
        if not self.url:
            msgspec.structs.force_setattr(self, "url", _URLS[self.api])
        super().__post_init__()

    def list_address(self) -> str:
        """The list of pairs, where the venue's own address is asked."""
        if self.instruments_url is not None:
            return self.instruments_url
        return self.INSTRUMENTS if self.url in _URLS.values() else ""

    def spelled(self, symbol: str) -> Spelled:
        """XBT/USD and BTC/USD are of BTC in USD; PF_XBTUSD is a perpetual, FF_XBTUSD_260327 a dated future."""
        if match := _PAIR.fullmatch(symbol):
            return Spelled(_RENAMED.get(match[1], match[1]), _RENAMED.get(match[2], match[2]))
        if match := _FUTURE.fullmatch(symbol):
            is_dated = match[1].startswith("F") or match[4]
            coin = _RENAMED.get(match[2], match[2])
            return Spelled(ignored="delivery") if is_dated else Spelled(coin, _RENAMED.get(match[3], match[3]))
        return Spelled(ignored="not_a_coin") if _STOCK.fullmatch(symbol) else Spelled(refused="symbol")


class Kraken(SpotFeed):
    """The feed. `parse` never raises; `quotes` keeps the connection up for ever."""

    ASK_EVERY_S = KrakenDialect.pause_s
    CHANGES_ONLY = True

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._config = config

    def dialect(self) -> KrakenDialect:
        """The speech of a new connection."""
        return KrakenDialect(self._config.api)

    def spell(self, base: str, quote: str) -> str:
        """The pair of a coin as the version writes it."""
        names = _V1_NAMES if self._config.api == "v1" else _V2_NAMES
        return f"{names.get(base, base)}/{names.get(quote, quote)}"

    def instruments(self, data: bytes) -> list[Instrument]:
        """The pairs of the list, by their names in the version that is asked. Raises ValueError or Unusable."""
        value = tree(data)
        found = value.get("result") if isinstance(value, dict) else None
        if not isinstance(found, dict):
            raise Unusable("wrong_type", data[:120], f"a list of pairs without its result: {data[:120]!r}")
        return [i for row in found.values() if isinstance(row, dict) and (i := self._instrument(row)) is not None]

    def _instrument(self, row: Mapping[str, Any]) -> Instrument | None:
        """The names of the list are those of version 1."""
        match = _PAIR.fullmatch(str(row.get("wsname")))
        if match is None:
            return None
        is_coin = row.get("aclass_base", "currency") == "currency"
        status = LIVE if row.get("status", "online") in _RUNNING else OVER
        names = [_AS_V2.get(name, name) if self._config.api == "v2" else name for name in match.groups()]
        base, quote = (_RENAMED.get(name, name) for name in match.groups())
        return Instrument("/".join(names), base, quote, SPOT if is_coin else NOT_A_COIN, status)


_AS_V2 = {"XBT": "BTC", "XDG": "DOGE"}


def trust(config: Config) -> FeedTrust:
    """A ticker comes after a trade only."""
    return FeedTrust(config.stale_after, sends_changes_only=True)


def build(name: str, config: Config, clock: Clock | None = None) -> Kraken:
    """The feed of that name."""
    return Kraken(name, config, clock or SystemClock())
