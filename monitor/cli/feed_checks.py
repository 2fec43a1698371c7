"""Whether the feeds give prices: asks the daemon if it runs, else connects to each feed as the daemon would.

Both say the cause in the words of `/readyz`, `/v1/feeds` and the log.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from typing import Any, Literal, NamedTuple
from urllib.parse import quote

import aiohttp
import msgspec

from monitor import plugins
from monitor.clock import SystemClock
from monitor.config import Config, Part
from monitor.core.money import plain
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Trust
from monitor.secret_files import read_secret
from monitor.tables import PORT_FILE
from monitor.web_table import TokenConfig

ASK_S = 5.0
"""A daemon on this machine answers in milliseconds, a busy one in a second."""
FIRST_PRICE_S = 12.0
"""As long as a feed may take for its first message, and a little more."""
CLOSE_S = 2.0
"""A peer that does not take leave must not hold up the report."""
NAMED = 3
"""Coins that a finding names; `monitor price` shows each."""


class Checked(NamedTuple):
    """What was found of one feed."""

    status: Literal["fine", "note", "trouble"]
    text: str


class DaemonSeen(NamedTuple):
    """What a running daemon says: its feeds by name, and the prices."""

    feeds: Mapping[str, Mapping[str, Any]]
    prices: Sequence[Mapping[str, Any]]


def daemon_port(config: Config) -> int:
    """The port of the daemon of this configuration; 0 where none is stated and no daemon has noted its own."""
    if config.web.port:
        return config.web.port
    with suppress(OSError, ValueError):
        return int((config.state_dir / PORT_FILE).read_text())
    return 0


async def is_another(config: Config, base: str) -> bool:
    """Whether the monitor that answers at an address is of another configuration. A peer that does not say of which is an
    older monitor, or none."""
    timeout = aiohttp.ClientTimeout(total=ASK_S)
    async with aiohttp.ClientSession(timeout=timeout) as session, session.get(f"{base}/healthz") as answer:
        alive = msgspec.json.decode(await answer.read())
    instance = alive.get("instance") if isinstance(alive, dict) else None
    return bool(instance) and instance != config.instance


async def ask_daemon(config: Config, base: str) -> DaemonSeen | str:
    """What the daemon of this configuration says of its feeds; a sentence where it cannot be asked."""
    token = next((t for t in config.web.tokens if not t.scope), None)
    try:
        headers = {} if token is None else {"Authorization": f"Bearer {_secret(token)}"}
        timeout = aiohttp.ClientTimeout(total=ASK_S)
        async with aiohttp.ClientSession(base, headers=headers, timeout=timeout) as session:
            feeds = {str(f["name"]): f for f in await _pages(session, "/v1/feeds")}
            return DaemonSeen(feeds, await _pages(session, "/v1/prices"))
    except (OSError, aiohttp.ClientError, TimeoutError, ValueError, KeyError, TypeError) as e:
        return f"{type(e).__name__}: {e}" if str(e) else "no answer in time"


def seen_by_daemon(name: str, seen: DaemonSeen) -> Checked:
    """A feed as the running daemon sees it."""
    feed = seen.feeds.get(name)
    if feed is None:
        return Checked("note", "the running daemon does not have it; reload its configuration")
    cause = feed.get("cause") or feed.get("reason") or "it does not say why"
    if not feed.get("connected"):
        return Checked("trouble", f"no prices because it is not connected: {cause}")
    clock = _offset(feed.get("clock_offset_s"))
    mine = [p for p in seen.prices if p.get("source") == name]
    bad = [p for p in mine if p.get("trust") != "good"]
    if feed.get("cause"):
        return Checked("trouble", f"no prices that count because {cause}{clock}")
    if not mine:
        return Checked("note", f"connected, but no price in force is from it{clock}")
    if bad:
        named = "; ".join(f"{p['asset']} is {p['trust']} ({p.get('reason')}), {_aged(p)}" for p in bad[:NAMED])
        return Checked("trouble" if len(bad) == len(mine) else "note", f"{named}{clock}")
    return Checked(
        "fine", f"{len(mine)} prices in force, {mine[0]['asset']} {mine[0]['price']} USD, {_aged(mine[0])}{clock}"
    )


async def first_price(name: str, part: Part, trust: Trust) -> Checked:
    """Connects as the daemon would and waits for the first price. Whatever a peer does becomes a sentence."""
    clock = SystemClock()
    feed = plugins.module("feeds", part.kind).build(part.name, part.config, clock)
    quotes = feed.quotes()
    waiting = asyncio.ensure_future(anext(quotes))
    try:
        await asyncio.wait({waiting}, timeout=FIRST_PRICE_S)
        now = clock.utc()
        if not waiting.done():
            cause = feed.stats.cause or "it sent none that could be read"
            return Checked("trouble", f"no prices because {cause}; waited {FIRST_PRICE_S:.0f} s")
        batch = waiting.result()
    finally:
        waiting.cancel()
        with suppress(Exception):  # taking leave of a peer that misbehaves is no finding
            async with asyncio.timeout(CLOSE_S):
                await asyncio.gather(waiting, return_exceptions=True)
            async with asyncio.timeout(CLOSE_S):
                await quotes.aclose()
    first: Quote = next(iter(batch))
    return _judged(name, first, f"{len(batch)} prices in the first message", trust, now)


def _judged(name: str, first: Quote, text: str, trust: Trust, now: datetime) -> Checked:
    """Whether the first price is of now, by the exchange's own time."""
    text = f"{text}, {first.asset} {plain(first.price)} {first.quote}"
    if not first.is_dated:
        return Checked("fine", f"{text}; the venue sends no time")
    age, limit = now - first.at, trust.stale_after_of(name, first.asset)
    if age > limit:
        old = f"{age.total_seconds():.0f} s old by the exchange's own time, and stale after {limit.total_seconds():g} s"
        return Checked("trouble", f"{text}: {old}; {_CLOCKS}")
    if -age > trust.max_ahead:
        return Checked("trouble", f"{text}: dated {-age.total_seconds():.0f} s ahead of our clock; {_CLOCKS}")
    return Checked("fine", f"{text}, {age.total_seconds():.1f} s old by the exchange's own time")


_CLOCKS = "compare the clock of this machine with the venue's"


def _offset(offset_s: float | None) -> str:
    if offset_s is None:
        return ""
    way = "ahead of" if offset_s > 0 else "behind"
    return (
        f"; its clock is {abs(offset_s):.1f} s {way} ours" if abs(offset_s) >= 0.1 else "; its clock agrees with ours"
    )


def _aged(price: Mapping[str, Any]) -> str:
    age = price.get("exchange_age_s")
    if age is None:
        received = price.get("receipt_age_s")
        return "no time of the exchange" + ("" if received is None else f", received {received:.1f} s ago")
    return f"{age:.0f} s old by the exchange's own time"


def _secret(token: TokenConfig) -> str:
    return read_secret(token.secret, token.secret_file)


async def _pages(session: aiohttp.ClientSession, path: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    after = ""
    while True:
        async with session.get(f"{path}?limit=1000{after}") as answer:
            if answer.status >= 400:
                raise ValueError(f"{path} answers HTTP {answer.status}")
            page = msgspec.json.decode(await answer.read())
        items += page["items"]
        if page["next"] is None:
            return items
        after = f"&after={quote(str(page['next']), safe='')}"
