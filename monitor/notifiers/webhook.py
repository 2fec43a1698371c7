"""Posts notices by the Standard Webhooks specification: signed, never redirected, never to an address inside."""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp.client_proto import ResponseHandler
from yarl import URL

from monitor.addresses import (
    AddressRefused,
    check_certificates,
    check_port,
    guarded_socket,
    is_host,
    is_inside,
    networks_of,
    shown_url,
)
from monitor.clock import Clock, SystemClock
from monitor.notifiers._base import DeliveryError, Fault, Notice, Receipt, one_line
from monitor.secret_files import read_secret
from monitor.webhook_keys import KeyRing

TIMEOUT_S = 15.0
"""The specification asks for 15 to 30 s. The shorter leaves more attempts while a deadline runs."""
BODY_LIMIT_BYTES = 20_000
ANSWER_LIMIT_BYTES = 65_536
"""All that a peer may send to one request, its headers and interim answers (`102 Processing`) included."""
BODY_TIME_S = 2.0
"""The status has decided by then. We read the body only to use the connection again."""
KEEP_ALIVE_S = 5.0
"""Servers wait longer (often 15 s and more), so we do not post on a connection that is being closed."""
LONGEST_RETRY_AFTER_S = 3600.0
"""A peer may ask for a pause, not for silence: ten years count as an hour."""
THROTTLED = frozenset({429, 502, 503, 504})
"""The peer, or what stands before it, has too much to do: the pause that it asks for is kept."""
PASSING_4XX = frozenset({408, 409, 425, 429})
"""The peer is busy. Any other 4xx, and a redirect, is the answer of an address that does not take our notices now."""
DOUBTFUL_4XX = frozenset({400, 413, 422})
"""Perhaps about this body alone."""


class Config(msgspec.Struct, frozen=True):
    """`secret` and the file may hold several keys, by spaces or lines. All of them sign, so you can rotate a key.

    A key is `whsec_...` (the receiver knows it too) or `whsk_...` (the receiver has its public part).
    """

    url: str
    secret: str | None = None
    secret_file: Path | None = None
    ca_file: Path | None = None
    """Certificates that we trust in place of the system's, for a receiver with a private authority."""
    allow_private: bool = False
    allow: tuple[str, ...] = ()
    """Networks that are private and allowed all the same, such as "10.0.0.0/8"; `allow_private` allows all."""
    batch: bool = False
    """The receiver takes several alerts in one body of type `batch`."""

    def __post_init__(self) -> None:
        try:
            url = URL(self.url)
            host = url.host
        except ValueError:
            host = None
        if not is_host(host) or url.scheme not in ("http", "https"):
            raise ValueError(f"url: found {shown_url(self.url)!r}, expected https://host/path, or http://")
        assert host is not None
        check_port("url", self.url)
        try:
            allowed = networks_of(self.allow)
        except ValueError as e:
            raise ValueError(f"allow: {e}") from None
        if not self.allow_private and is_inside(host, allowed):
            raise ValueError(f'url: found {shown_url(self.url)!r}; {AddressRefused()}, and allow = ["..."] its network')
        if (self.secret is None) == (self.secret_file is None):
            raise ValueError('state either "secret" or "secret_file"')

    def __repr__(self) -> str:
        return f"webhook.Config({shown_url(self.url)})"


def build(name: str, config: Config) -> WebhookNotifier:
    """Raises BadSecret, and ValueError where the file of certificates cannot be read."""
    if config.ca_file is not None:
        check_certificates("ca_file", config.ca_file)
    return WebhookNotifier(name, config, SystemClock())


class WebhookNotifier:
    """One endpoint. It keeps the connection for a few seconds, so a storm does not shake hands for every notice."""

    def __init__(
        self,
        name: str,
        config: Config,
        clock: Clock,
        *,
        timeout_s: float = TIMEOUT_S,
        until: Mapping[str, datetime] | None = None,
    ) -> None:
        """`until`: by key, where it signs no longer than that."""
        self.name = name
        self.batch = config.batch
        self._clock = clock
        self._timeout_s = timeout_s
        self._url = URL(config.url)
        self._guard = guarded_socket(allow_private=config.allow_private, allow=networks_of(config.allow))
        self._keys = KeyRing(read_secret(config.secret, config.secret_file), until)
        self._tls: ssl.SSLContext | bool = True
        if config.ca_file is not None:
            self._tls = ssl.create_default_context(cafile=str(config.ca_file))
        self._session: aiohttp.ClientSession | None = None
        self._is_warm = False
        """The session had an answer, so that it may hold a connection which the peer has closed since."""

    def __repr__(self) -> str:
        return f"WebhookNotifier({self.name!r}, {shown_url(str(self._url))})"

    async def send(self, notice: Notice) -> Receipt:
        """Posts once. 2xx is success. A redirect is a failure: nobody follows it."""
        if self.batch:
            return await self.send_batch([notice])
        return await self._send(notice.id, notice.body())

    async def send_batch(self, notices: Sequence[Notice]) -> Receipt:
        """Posts all of them in one body. The same notices have the same id and the same bytes in every attempt."""
        return await self._send(batch_id(notices), batch_body(notices))

    async def _send(self, id: str, body: bytes) -> Receipt:
        # `from None`: the texts of aiohttp's errors may hold the URL with its query.
        try:
            try:
                return await self._post(id, body)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as e:
                if isinstance(e, aiohttp.ClientConnectorError) or not self._is_warm:
                    raise
            # The peer closed a connection that we had kept: a new one is no second failure. The id is the same.
            await self.close()
            return await self._post(id, body)
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._timeout_s:g} s", retry=True) from None
        except aiohttp.ClientConnectorCertificateError:
            raise DeliveryError("the certificate is not trusted", fault=Fault.CHANNEL) from None
        except aiohttp.ClientSSLError as e:
            reason = one_line(getattr(e.os_error, "reason", None) or "the handshake failed", 80)
            raise DeliveryError(f"TLS: {reason}", fault=Fault.CHANNEL) from None
        except aiohttp.ClientConnectorError as e:
            raise DeliveryError(f"cannot connect: {e.strerror or e.os_error}", retry=True) from None
        except AnswerTooLong:
            raise DeliveryError(f"the answer is longer than {ANSWER_LIMIT_BYTES:,} bytes", retry=True) from None
        except (aiohttp.ClientError, OSError) as e:
            raise DeliveryError(f"the exchange failed: {type(e).__name__}", retry=True) from None

    async def _post(self, id: str, body: bytes) -> Receipt:
        headers = self._headers(id, body)
        async with self._open().post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            await _read_some(response)
            self._is_warm = True
            return _judge(response, self._clock.utc())

    async def close(self) -> None:
        self._is_warm = False
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _headers(self, id: str, body: bytes) -> dict[str, str]:
        """Every key in force signs the bytes that go out and the time of this attempt."""
        at, text = self._clock.utc(), body.decode()
        return {
            "content-type": "application/json",
            "user-agent": "loan-monitor",
            "webhook-id": id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": self._keys.sign(id, at, text),
        }

    def _open(self) -> aiohttp.ClientSession:
        """Made at the first attempt, because it belongs to the running loop. It ignores proxies of the environment."""
        if self._session is None:
            connector = _Connector(socket_factory=self._guard, keepalive_timeout=KEEP_ALIVE_S, ssl=self._tls)
            self._session = aiohttp.ClientSession(
                connector=connector,
                timeout=aiohttp.ClientTimeout(total=self._timeout_s),
                cookie_jar=aiohttp.DummyCookieJar(),
                trust_env=False,
                auto_decompress=False,
            )
        return self._session


def batch_id(notices: Sequence[Notice]) -> str:
    """Made of the ids in it, so that a retry has the same."""
    digest = hashlib.sha256("\n".join(notice.id for notice in notices).encode()).digest()
    return "bat_" + base64.b32encode(digest).decode().lower()[:26]


def batch_body(notices: Sequence[Notice]) -> bytes:
    """The alerts in order, each as it would have gone alone; the time is that of the newest."""
    newest = max(notices, key=lambda notice: notice.timestamp).timestamp
    items = b",".join(notice.body() for notice in notices)
    return b'{"type":"batch","timestamp":%b,"data":{"items":[%b]}}' % (msgspec.json.encode(newest), items)


class AnswerTooLong(aiohttp.ClientError):
    """The peer sent more than an answer to a notice can be."""


class _Answer(ResponseHandler):
    """The peer's side of a connection. It reads so many bytes for each request and then hangs up, whatever they are."""

    _left = ANSWER_LIMIT_BYTES

    def set_response_params(self, **params: Any) -> None:
        """Called before each request of the connection."""
        self._left = ANSWER_LIMIT_BYTES
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """What fits is still read: its status may have decided already."""
        fits, self._left = data[: self._left], self._left - len(data)
        if fits:
            super().data_received(fits)
        if self._left < 0 and self.transport is not None:
            self.set_exception(AnswerTooLong())
            self.transport.abort()


class _Connector(aiohttp.TCPConnector):
    def __init__(self, **more: Any) -> None:
        super().__init__(**more)
        self._factory: Any = functools.partial(_Answer, loop=self._loop)


async def _read_some(response: aiohttp.ClientResponse) -> None:
    """Reads a short body and leaves a long or slow one, as the status is the answer."""
    left = BODY_LIMIT_BYTES
    try:
        async with asyncio.timeout(BODY_TIME_S):
            while left > 0 and (chunk := await response.content.read(left)):
                left -= len(chunk)
    except (TimeoutError, aiohttp.ClientError):
        left = 0
    if left <= 0:
        response.close()


def _judge(response: aiohttp.ClientResponse, now: datetime) -> Receipt:
    """The Receipt of a success. Raises the DeliveryError that any other status calls for."""
    status = response.status
    if 200 <= status < 300:
        return Receipt(f"HTTP {status}")
    after_s = _retry_after_s(response.headers.get("Retry-After"), now) if status in THROTTLED else None
    if 300 <= status < 400:
        raise DeliveryError(f"HTTP {status}: a redirect is not followed", fault=Fault.CHANNEL)
    if status in DOUBTFUL_4XX:
        raise DeliveryError(f"HTTP {status}", fault=Fault.DOUBTFUL, answer=str(status))
    if status >= 500 or status in PASSING_4XX:
        raise DeliveryError(f"HTTP {status}", after_s=after_s)
    raise DeliveryError(f"HTTP {status}", fault=Fault.CHANNEL, answer=str(status))


def _retry_after_s(text: str | None, now: datetime) -> float | None:
    """Seconds to wait, an hour at most, from a number of seconds or an HTTP date; None where it is neither."""
    if text is None:
        return None
    try:
        seconds = float(int(text))
    except ValueError:
        try:
            seconds = (parsedate_to_datetime(text) - now).total_seconds()
        except (ValueError, TypeError):
            return None
    return min(max(seconds, 0.0), LONGEST_RETRY_AFTER_S)
