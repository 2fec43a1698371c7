"""One scheduler of requests that share a venue's limits: weights a minute, and requests a second for an account.

A request counts from when it is sent until a minute after it was answered. The venue counts it somewhere between the two, so
however its minutes lie, and however long the network takes, no limit is ever passed.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import math
from bisect import insort
from collections import defaultdict, deque
from collections.abc import AsyncIterator
from typing import NamedTuple
from weakref import WeakValueDictionary

from monitor.clock import Clock

MINUTE_S = 60.0
SPACING_S = 1.0
"""Most calls of an account may come once a second."""
MARGIN_S = 0.25
"""The venue's clock and ours do not run alike to the millisecond."""
SAPI_IP, SAPI_UID, SPOT_IP = 12_000, 180_000, 6_000
"""Weights a minute: of each endpoint under /sapi by address or by account, and of all under /api together."""


class VenueCall(NamedTuple):
    """An endpoint and what it costs."""

    path: str
    weight: int
    pool: str = ""
    """Calls of one pool share a limit; empty: the endpoint has one of its own."""
    limit: int = SAPI_IP
    by_account: bool = False
    """The limit is each account's, not the address's."""
    is_spaced: bool = True
    """It may come once a second for an account."""
    is_signed: bool = True
    """It wants a signature; a call without one wants the name of the key alone, or nothing."""

    def key(self, account: str) -> str:
        """Whose limit it counts against."""
        pool = self.pool or self.path
        return f"{pool} {account}" if self.by_account else pool


class _Sent:
    """A request that counts."""

    def __init__(self, weight: int) -> None:
        self.weight = weight
        self.until_s = math.inf
        """None knows before the answer."""


class _Waiter(NamedTuple):
    """Who waits for a turn: the most urgent first, then who came first."""

    urgency: int
    number: int
    call: VenueCall
    account: str


class Weights:
    """Gives turns. Requests that share no limit do not wait for each other; of those that do the more urgent goes first."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._numbers = itertools.count()
        self._waiting: list[_Waiter] = []
        self._sent: defaultdict[str, deque[_Sent]] = defaultdict(deque)
        self._free_s: dict[str, float] = {}
        """By account: when its next spaced request may be sent; never while one is on its way."""
        self._held_s: dict[str, float] = {}
        """By pool, or "" for all: until when the venue wants silence."""
        self._moved = asyncio.Event()

    @contextlib.asynccontextmanager
    async def turn(self, call: VenueCall, account: str, urgency: int = 0) -> AsyncIterator[None]:
        """Waits until the request may be sent; the body sends it and reads its answer."""
        waiter = _Waiter(urgency, next(self._numbers), call, account)
        insort(self._waiting, waiter)
        try:
            while (wait_s := self._wait_s(waiter)) > 0:
                self._moved.clear()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(None if wait_s == math.inf else wait_s):
                        await self._moved.wait()
        finally:
            self._waiting.remove(waiter)
            self._moved.set()
        sent = _Sent(call.weight)
        self._sent[call.key(account)].append(sent)
        if call.is_spaced:
            self._free_s[account] = math.inf
        try:
            yield
        finally:
            now_s = self._clock.monotonic_s()
            sent.until_s = now_s + MINUTE_S + MARGIN_S
            if call.is_spaced:
                self._free_s[account] = now_s + SPACING_S + MARGIN_S
            self._moved.set()

    def told(self, call: VenueCall, account: str, used: int) -> None:
        """The venue says how much of the minute is used. What is not ours, others at this address used."""
        key = call.key(account)
        foreign = used - self._used(key)
        if foreign > 0:
            others = _Sent(foreign)
            others.until_s = self._clock.monotonic_s() + MINUTE_S + MARGIN_S
            self._sent[key].append(others)

    def hold(self, call: VenueCall | None, account: str, seconds: float) -> None:
        """The venue wants silence for a while: on one limit, or on all where there is no call."""
        key = "" if call is None else call.key(account)
        self._held_s[key] = max(self._held_s.get(key, 0.0), self._clock.monotonic_s() + seconds + MARGIN_S)

    def _wait_s(self, waiter: _Waiter) -> float:
        """For how long it cannot go; infinity where only a turn of somebody else can change that."""
        call, account = waiter.call, waiter.account
        key, now_s = call.key(account), self._clock.monotonic_s()
        for other in self._waiting:
            if other is waiter:
                break
            if other.call.key(other.account) == key or (
                call.is_spaced and other.call.is_spaced and other.account == account
            ):
                return math.inf
        until_s = max(self._held_s.get(key, now_s), self._held_s.get("", now_s))
        if call.is_spaced:
            until_s = max(until_s, self._free_s.get(account, now_s))
        return max(until_s, self._room_s(key, call, now_s)) - now_s

    def _room_s(self, key: str, call: VenueCall, now_s: float) -> float:
        """When the limit has room for the call; infinity while that depends on an answer."""
        need = self._used(key) + call.weight - call.limit
        if need <= 0:
            return now_s
        for sent in sorted(self._sent[key], key=lambda s: s.until_s):
            need -= sent.weight
            if need <= 0:
                return sent.until_s
        return now_s  # more than the limit by itself: the venue must say so

    def _used(self, key: str) -> int:
        now_s, sent = self._clock.monotonic_s(), self._sent[key]
        kept = deque(each for each in sent if each.until_s > now_s)
        self._sent[key] = kept
        return sum(each.weight for each in kept)


_shared: WeakValueDictionary[tuple[str, int], Weights] = WeakValueDictionary()


def weights_of(origin: str, clock: Clock) -> Weights:
    """The scheduler of a venue's address: all sources that ask there share one, as the venue counts them together."""
    key = origin, id(clock)
    found = _shared.get(key)
    if found is None:
        found = _shared[key] = Weights(clock)
    return found
