"""Prices of Hyperliquid: perpetuals of its main exchange (docs/venues/hyperliquid.md).

`channel = "activeAssetCtx"` gives the mark of each coin that is asked for, with the oracle's price beside it. `channel =
"allMids"` gives the middle of all order books in one message. Neither has a time, so receipt stands for it.
`_subscriptions.py` says what it counts.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from datetime import timedelta
from typing import Any, ClassVar, Literal

import msgspec
from msgspec import field

from monitor.clock import Clock, SystemClock
from monitor.core.rules.settings import FeedTrust
from monitor.feeds._base import Unusable
from monitor.feeds._instruments import LIVE, OVER, PERPETUAL, Instrument
from monitor.feeds._markets import Spelled
from monitor.feeds._subscriptions import (
    UNDATED,
    AskedFeed,
    Denied,
    Granted,
    Saying,
    Skipped,
    Stated,
    regular,
    rows,
    tree,
)
from monitor.feeds._venue import LiveConfig, Pause


class _Context(msgspec.Struct):
    mark: str = field(name="markPx")
    oracle: str = field(name="oraclePx", default="")


class _Asset(msgspec.Struct):
    coin: str
    context: _Context = field(name="ctx")


class _Push(msgspec.Struct):
    channel: Literal["activeAssetCtx"]
    data: _Asset


_PUSH = msgspec.json.Decoder(_Push)
_ONCE = {b'"channel"': 1, b'"data"': 1, b'"coin"': 1, b'"ctx"': 1, b'"markPx"': 1, b'"oraclePx"': 1}
_NAMED = re.compile(r'"coin": ?"([A-Za-z0-9_.:/@#-]+)"', re.ASCII)


class HyperliquidDialect:
    """One connection's speech. Each market is a request of its own, and `allMids` is one for all."""

    ping = json.dumps({"method": "ping"})
    ping_s = 30.0  # it cuts a connection on which it sent nothing for 60 s
    pause_s = 0.04  # 2,000 messages a minute
    is_all_or_nothing = False

    def __init__(self, channel: str) -> None:
        self._channel = channel
        self.most = 0 if channel == "allMids" else 1

    def opening(self) -> Sequence[str]:
        """The one request for all middles, where those are wanted."""
        if self._channel != "allMids":
            return ()
        return (json.dumps({"method": "subscribe", "subscription": {"type": "allMids"}}),)

    def ask(self, symbols: Sequence[str], number: int) -> str:
        """Subscribes to the context of a market."""
        (coin,) = symbols
        return json.dumps({"method": "subscribe", "subscription": {"type": self._channel, "coin": coin}})

    def read(self, data: bytes) -> Iterable[Saying]:
        """What a message says. Raises Unusable."""
        push = regular(_PUSH, data, _ONCE)
        if push is not None:
            return (Stated(push.data.coin, push.data.context.mark, UNDATED, push.data.context.oracle),)
        value = tree(data)
        if not isinstance(value, dict):
            if isinstance(value, str):  # a greeting
                return (Skipped("other_event"),)
            raise Unusable("wrong_type", data[:40])
        return _sayings(value, value.get("data"))


def _sayings(value: dict[str, Any], told: Any) -> Iterable[Saying]:
    fields: dict[str, Any] = told if isinstance(told, dict) else {}
    match value.get("channel"):
        case "activeAssetCtx":
            context = fields.get("ctx")
            if not isinstance(context, dict):
                raise Unusable("malformed_item", told)
            return (Stated(fields.get("coin"), context.get("markPx"), UNDATED, context.get("oraclePx")),)
        case "allMids":
            mids = fields.get("mids")
            if not isinstance(mids, dict):
                raise Unusable("malformed_item", told)
            return [Stated(coin, middle, UNDATED) for coin, middle in mids.items()]
        case "subscriptionResponse":
            asked = fields.get("subscription")
            coin = asked.get("coin") if isinstance(asked, dict) else None
            return (Granted((coin,) if isinstance(coin, str) else ()),)
        case "error":
            named = tuple(_NAMED.findall(str(told)))
            return (Granted(named) if "Already subscribed" in str(told) else Denied(str(told), named),)
        case "pong":
            return (Skipped("heartbeat"),)
    return (Skipped("other_event"),)


_PERPETUAL = re.compile(r"(k?)([^\W_a-z]+)")
_IN_USDC = ("HYPE", "PURR")
"""Coins whose oracle takes the price of the venue's own spot market, which is in USDC."""


class Config(LiveConfig, frozen=True, kw_only=True):
    """Keys of a `[[feed]]` of kind hyperliquid."""

    url: str = "wss://api.hyperliquid.xyz/ws"
    channel: Literal["activeAssetCtx", "allMids"] = "activeAssetCtx"
    """Marks with the oracle's price beside them, asked for coin by coin; or the middles of all order books at once."""
    quotes: tuple[str, ...] = ("USDT", "USDC")
    silence: Pause = timedelta(seconds=30)

    MULTIPLIERS: ClassVar[tuple[str, ...]] = (
        "1000BONK", "1000DOGS", "1000FLOKI", "1000LUNC", "1000NEIRO", "1000PEPE", "1000SHIB",
    )  # fmt: skip
    INSTRUMENTS: ClassVar[str] = "https://api.hyperliquid.xyz/info"
    INSTRUMENTS_BODY: ClassVar[str] = '{"type": "meta"}'

    def spelled(self, symbol: str) -> Spelled:
        """BTC is of BTC, kPEPE of a thousand PEPE. Spot pairs, bets and the markets of others are none of ours."""
        match = _PERPETUAL.fullmatch(symbol)
        if match is None:
            return Spelled(ignored="other_kind")
        return Spelled(match[2], "USDC" if symbol in _IN_USDC else "USDT", power=3 if match[1] else 0)


class Hyperliquid(AskedFeed):
    """The feed. `parse` never raises; `quotes` keeps the connection up for ever."""

    PING = HyperliquidDialect.ping
    PING_EVERY_S = HyperliquidDialect.ping_s
    ASK_EVERY_S = HyperliquidDialect.pause_s

    def __init__(self, name: str, config: Config, clock: Clock) -> None:
        super().__init__(name, config, clock)
        self._config = config

    def dialect(self) -> HyperliquidDialect:
        """The speech of a new connection."""
        return HyperliquidDialect(self._config.channel)

    def spell(self, base: str, quote: str) -> str:
        """The symbol of a coin as the venue writes it."""
        if base in self._config.quotes:
            return ""  # the venue has no perpetual of a coin that it counts in
        return "k" + base.removeprefix("1000") if base in self._config.MULTIPLIERS else base

    def instruments(self, data: bytes) -> list[Instrument]:
        """The markets of the venue's list. Raises ValueError or Unusable."""
        found = []
        for row in rows(data, "universe"):
            spelled = self._config.spelled(str(row.get("name", "")))
            if spelled.base:
                status = OVER if row.get("isDelisted") is True else LIVE
                found.append(
                    Instrument(row["name"], spelled.base, spelled.quote, PERPETUAL, status, spelled.power or None)
                )
        return found


def trust(config: Config) -> FeedTrust:
    """Marks come about every 3 s, and without a time."""
    return FeedTrust(config.stale_after or timedelta(seconds=30), cadence=timedelta(seconds=3))


def priced_in_usd(config: Config) -> tuple[str, ...]:
    """No coin: the oracle's prices are in USDT, or in USDC."""
    return ()


def build(name: str, config: Config, clock: Clock | None = None) -> Hyperliquid:
    """The feed of that name."""
    return Hyperliquid(name, config, clock or SystemClock())
