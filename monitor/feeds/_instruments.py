"""A venue's list of its markets: fetched, kept for the next start, read again every hour.

Until a list was read the built-in table of the feed serves. A list that cannot be fetched is no trouble for the prices: the
last copy serves, and the next attempt comes later.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path

import aiohttp
import msgspec

from monitor.addresses import shown_url
from monitor.bounded_http import BoundedConnector
from monitor.clock import Clock
from monitor.feeds._base import KEPT, LIST
from monitor.feeds._handshake import Proxy, cause
from monitor.telemetry import BoundedLog

SPOT, PERPETUAL, DELIVERY, NOT_A_COIN, OTHER = "spot", "perpetual", "delivery", "not_a_coin", "other_kind"
LIVE, OVER = "live", "settled"

_RANDOM = random.SystemRandom()
# The largest list of a venue is about 6 MB.
_MAX_BYTES = 32_000_000
_TIMEOUT = aiohttp.ClientTimeout(total=30.0)
_RETRY_MIN_S, _REFRESH_S = 30.0, 3600.0
_MAX_INSTRUMENTS = 50_000


class Instrument(msgspec.Struct, frozen=True):
    """One market of a venue's list."""

    symbol: str
    base: str
    quote: str
    kind: str = SPOT
    """spot, perpetual, delivery, not_a_coin (stocks, metals), other_kind (options, spreads)."""
    status: str = LIVE
    """live; settled for a market that is over, delisted or not yet open."""
    power: int | None = None
    """How many coins the price is of, as a power of ten; None where the list does not say, and the base's name does."""
    tick: Decimal | None = None


Read = Callable[[bytes], Sequence[Instrument]]
"""Reads a list. It is pure, and raises ValueError or Unusable where the text is no such list."""


class ListAddress(msgspec.Struct, frozen=True):
    """Where a list is read. A venue that wants to be asked by POST has a body."""

    url: str
    body: str = ""


# A mirror of a list may know only GET.
_NO_POST = frozenset({404, 405, 501})


class InstrumentList:
    """Keeps one venue's list fresh, and hands each one over with the word of where it came from."""

    def __init__(
        self,
        address: ListAddress,
        read: Read,
        copy: Path | None,
        take: Callable[[Sequence[Instrument], str], None],
        clock: Clock,
    ) -> None:
        self._url = address.url
        self._body = address.body
        self._read = read
        self._copy = copy
        self._take = take
        self._clock = clock
        self._log = BoundedLog(every_s=600.0)
        self._wake = asyncio.Event()

    def refresh(self) -> None:
        """Reads the list again soon: the venue sends a market that the list does not have."""
        self._wake.set()

    async def keep(self) -> None:
        """The last copy at once, then the list, and again every hour for ever."""
        self._use_copy()
        failures = 0
        while True:
            failures = 0 if await self._fetch() else failures + 1
            pause_s = min(_REFRESH_S, _RETRY_MIN_S * 2 ** min(failures - 1, 10)) if failures else _REFRESH_S
            # Spread, so that the feeds of many monitors do not all ask in the same second.
            self._wake.clear()
            await asyncio.sleep(min(pause_s, _RETRY_MIN_S))
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, pause_s * _RANDOM.uniform(0.9, 1.0) - _RETRY_MIN_S)):
                    await self._wake.wait()

    def _use_copy(self) -> None:
        if self._copy is None or not self._copy.is_file():
            return
        try:
            self._use(self._copy.read_bytes(), KEPT)
        except Exception as e:  # noqa: BLE001  a damaged copy may be anything, and must not end the prices
            self._say(f"the kept copy {self._copy.name} cannot be read: {type(e).__name__}: {e}")

    async def _fetch(self) -> bool:
        proxy = None
        try:
            proxy = Proxy(self._url)
            if problem := proxy.problem():
                self._say(problem)
                return False
            connector = BoundedConnector(body_bytes=2 * _MAX_BYTES)
            async with aiohttp.ClientSession(connector=connector, timeout=_TIMEOUT) as session:
                status, data = await self._ask(session, "POST" if self._body else "GET", proxy.address)
                if self._body and status in _NO_POST:
                    status, data = await self._ask(session, "GET", proxy.address)
            if status != 200:
                self._say(f"refused with HTTP {status}")
                return False
            self._use(data, LIST)
        except Exception as e:  # noqa: BLE001  the list is a help; whatever its server says must not end the prices
            self._say(cause(e, self._url, proxy))
            return False
        self._keep_copy(data)
        return True

    async def _ask(self, session: aiohttp.ClientSession, method: str, proxy: str | None) -> tuple[int, bytes]:
        body = self._body.encode() if method == "POST" else None
        headers = {"Content-Type": "application/json"} if body else {}
        async with session.request(method, self._url, data=body, headers=headers, proxy=proxy) as answer:
            return answer.status, await _bounded(answer)

    def _use(self, data: bytes, origin: str) -> None:
        instruments = self._read(data)
        if not instruments:
            raise ValueError("it names no market")
        self._take(instruments[:_MAX_INSTRUMENTS], origin)

    def _keep_copy(self, data: bytes) -> None:
        """Replaces the copy as a whole, so that a kill leaves the old one or the new one."""
        if self._copy is None:
            return
        part = self._copy.with_suffix(".part")
        try:
            self._copy.parent.mkdir(parents=True, exist_ok=True)
            part.write_bytes(data)
            os.replace(part, self._copy)
        except OSError as e:
            self._say(f"its copy cannot be kept: {e.strerror}")

    def _say(self, reason: str) -> None:
        now_s = self._clock.monotonic_s()
        self._log.warning(now_s, reason[:40], "list of markets not read", url=shown_url(self._url), reason=reason[:240])


async def _bounded(answer: aiohttp.ClientResponse) -> bytes:
    data = bytearray()
    async for piece in answer.content.iter_chunked(1 << 16):
        data += piece
        if len(data) > _MAX_BYTES:
            raise ValueError(f"the list is larger than {_MAX_BYTES} bytes")
    return bytes(data)
