"""Signed questions to Binance: read-only keys, its clock, its limits, and answers without floats (domain section 4.5).

A question that cannot be answered now is a wait and never an empty answer: 429 and 418 with their `Retry-After`, 5xx and a
broken network. The key never stands in a text.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import json
from collections.abc import Callable, Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from yarl import URL

from monitor.addresses import guarded_socket, shown_url
from monitor.books._weights import SPOT_IP, VenueCall, Weights, weights_of
from monitor.bounded_http import AnswerTooLong, BoundedConnector
from monitor.clock import Clock
from monitor.secret_files import BadSecret, read_secret

BASE_URL = "https://api.binance.com"
TIMEOUT = aiohttp.ClientTimeout(total=15.0)
MOST_BYTES = 16 << 20
"""A page of 100 orders has 60 kB; all collateral ratios some hundred."""
LONGEST_WAIT_S = 3 * 86_400.0
"""The longest ban that the venue documents."""
UNSTATED_WAIT_S = 60.0
"""After a 429 without `Retry-After`: the minute that it counts by is over then."""
CLOCK_EVERY_S = 1_800.0
TIME = VenueCall("/api/v3/time", 1, "spot", SPOT_IP, is_spaced=False)
ACCOUNT = VenueCall("/api/v3/account", 20, "spot", SPOT_IP, is_spaced=False)
_BAD_CLOCK = -1021
_USED = ("X-SAPI-USED-IP-WEIGHT-1M", "X-SAPI-USED-UID-WEIGHT-1M", "X-MBX-USED-WEIGHT-1M")

Signer = Callable[[bytes], str]


class Later(Exception):
    """The question has no answer now; ask again."""


class KeyDenied(Exception):
    """The venue refuses the question for good: a key, a right, a parameter. `code` is the venue's."""

    def __init__(self, words: str, code: int = 0, status: int = 400) -> None:
        super().__init__(words)
        self.code = code
        self.status = status


class KeyFiles(msgspec.Struct, frozen=True, kw_only=True):
    """A read-only key: its name, and the secret of an HMAC key or the private key (PEM) of an Ed25519 one."""

    api_key_file: Path
    secret_file: Path | None = None
    private_key_file: Path | None = None

    def __post_init__(self) -> None:
        if (self.secret_file is None) == (self.private_key_file is None):
            raise ValueError("a key has either a secret_file (HMAC) or a private_key_file (Ed25519, PEM)")


def check_base_url(url: str) -> None:
    """Raises ValueError unless it is https, or http to this machine."""
    try:
        parts = URL(url)
        host = parts.host or ""
    except ValueError:
        host = ""
    if not host or parts.scheme not in ("http", "https") or parts.path not in ("", "/") or parts.user:
        raise ValueError(f"base_url: found {shown_url(url)!r}, expected an address such as {BASE_URL}")
    if parts.scheme == "http" and not _is_loopback(host):
        raise ValueError(f"base_url: found {shown_url(url)!r}; a key goes over https only, except to this machine")


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def hmac_signer(secret: str) -> Signer:
    """Hexadecimal digits of HMAC-SHA256."""
    return lambda payload: hmac.new(secret.encode(), payload, hashlib.sha256).hexdigest()


def ed25519_signer(pem: str) -> Signer:
    """Base64 of an Ed25519 signature. Raises BadSecret."""
    try:
        key = load_pem_private_key(pem.encode(), None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise BadSecret("private_key_file: is no private key in PEM form without a password") from None
    if not isinstance(key, Ed25519PrivateKey):
        raise BadSecret("private_key_file: is a key of another kind; expected an Ed25519 key")
    return lambda payload: base64.b64encode(key.sign(payload)).decode()


def signed_query(params: Mapping[str, str], signer: Signer) -> str:
    """The query with its signature last. It is percent-encoded before it is signed, else the venue answers -1022."""
    payload = urlencode(params, quote_via=quote, safe="")
    return f"{payload}{'&' if payload else ''}signature={quote(signer(payload.encode()), safe='')}"


class Keys:
    """One account's key. `account` names it to the scheduler."""

    def __init__(self, account: str, files: KeyFiles) -> None:
        self.account = account
        self.name = read_secret(None, files.api_key_file)
        if files.secret_file is not None:
            self.sign = hmac_signer(read_secret(None, files.secret_file))
        else:
            self.sign = ed25519_signer(read_secret(None, files.private_key_file))


class Binance:
    """Asks with the keys of several accounts at one address. `close` when done."""

    def __init__(
        self, base_url: str, clock: Clock, recv_window_ms: int = 5_000, weights: Weights | None = None
    ) -> None:
        self._url = URL(base_url)
        self._clock = clock
        self._window_ms = recv_window_ms
        self._weights = weights or weights_of(str(self._url.origin()), clock)
        self._session: aiohttp.ClientSession | None = None
        self._offset_ms = 0
        self._offset_s: float | None = None
        """When the venue's clock was asked for last."""

    async def close(self) -> None:
        """Closes the connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(
        self, call: VenueCall, keys: Keys | None, params: Mapping[str, str] | None = None, urgency: int = 5
    ) -> Any:
        """The answer as JSON values; numbers with a point are Decimal. Raises Later or KeyDenied."""
        if keys is None:
            return await self._ask(call, None, dict(params or {}), urgency)
        if self._offset_s is None or self._clock.monotonic_s() - self._offset_s > CLOCK_EVERY_S:
            await self.read_clock()
        try:
            return await self._ask(call, keys, dict(params or {}), urgency)
        except KeyDenied as e:
            if e.code != _BAD_CLOCK:
                raise
        await self.read_clock()
        try:
            return await self._ask(call, keys, dict(params or {}), urgency)
        except KeyDenied as e:
            if e.code == _BAD_CLOCK:
                raise Later("the venue's clock runs away from ours; it was read twice") from None
            raise

    async def read_clock(self) -> None:
        """How far the venue's clock is ahead of ours: against the middle of the question. Raises Later or KeyDenied."""
        before = self._clock.utc()
        answer = await self._ask(TIME, None, {}, 0)
        after = self._clock.utc()
        if not isinstance(answer, dict) or not isinstance(answer.get("serverTime"), int):
            raise Later("the answer about the venue's clock has no serverTime")
        middle_ms = (before.timestamp() + after.timestamp()) * 500
        self._offset_ms = round(answer["serverTime"] - middle_ms)
        self._offset_s = self._clock.monotonic_s()

    def venue_ms(self) -> int:
        """What the venue's clock shows now, in milliseconds."""
        return round(self._clock.utc().timestamp() * 1000) + self._offset_ms

    async def _ask(self, call: VenueCall, keys: Keys | None, params: dict[str, str], urgency: int) -> Any:
        account = keys.account if keys is not None else ""
        async with self._weights.turn(call, account, urgency):
            headers = {"accept": "application/json"}
            query = urlencode(params, quote_via=quote, safe="")
            if keys is not None:
                headers["X-MBX-APIKEY"] = keys.name
            if keys is not None and call.is_signed:
                stamped = {**params, "recvWindow": str(self._window_ms), "timestamp": str(self.venue_ms())}
                query = signed_query(stamped, keys.sign)
            address = f"{self._url.origin()}{call.path}{'?' if query else ''}{query}"
            try:
                async with self._opened().get(
                    URL(address, encoded=True), headers=headers, allow_redirects=False
                ) as answer:
                    body = await answer.read()
                    status, stated = answer.status, answer.headers
            except (aiohttp.ClientError, OSError, TimeoutError, AnswerTooLong) as e:
                raise Later(f"{call.path}: no answer: {type(e).__name__}") from None
            self._note(call, account, status, stated)
        return _judged(call, status, body)

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            inside = _is_loopback(self._url.host or "")
            connector = BoundedConnector(body_bytes=MOST_BYTES, socket_factory=guarded_socket(allow_private=inside))
            self._session = aiohttp.ClientSession(connector=connector, timeout=TIMEOUT)
        return self._session

    def _note(self, call: VenueCall, account: str, status: int, headers: Mapping[str, str]) -> None:
        """What the venue says of its limits."""
        name = _USED[2] if call.pool == "spot" else _USED[1 if call.by_account else 0]
        if (used := headers.get(name, "")).isdecimal() and len(used) < 12:
            self._weights.told(call, account, int(used))
        if status in (418, 429):
            stated = headers.get("Retry-After", "").strip()
            wait_s = float(stated) if stated.isdecimal() and len(stated) < 12 else UNSTATED_WAIT_S
            self._weights.hold(None if status == 418 else call, account, min(wait_s, LONGEST_WAIT_S))


def _judged(call: VenueCall, status: int, body: bytes) -> Any:
    """The answer, or why there is none."""
    if status in (418, 429) or status >= 500:
        raise Later(f"{call.path}: HTTP {status}")
    answer = _decoded(body)
    if status == 200:
        if answer is _UNREADABLE:
            raise Later(f"{call.path}: the answer is no JSON, or is cut off")
        return answer
    code, words = 0, ""
    if isinstance(answer, dict):
        code = answer["code"] if isinstance(answer.get("code"), int) else 0
        words = str(answer.get("msg", ""))[:200]
    raise KeyDenied(f"{call.path}: HTTP {status}, code {code}: {words}".rstrip(": "), code, status)


_UNREADABLE = object()


def _decoded(body: bytes) -> Any:
    try:
        return json.loads(body, parse_float=Decimal, parse_constant=lambda _: _UNREADABLE)
    except (ValueError, RecursionError):
        return _UNREADABLE
