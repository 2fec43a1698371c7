"""What channels over HTTP share: one request within limits, to no address inside, and what its status says of the fault."""

from __future__ import annotations

import asyncio
import base64
import ssl
from collections.abc import Mapping
from datetime import datetime
from email.utils import parsedate_to_datetime
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.streams import StreamReader
from yarl import URL

from monitor import permit
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
from monitor.bounded_http import AnswerTooLong, BoundedConnector
from monitor.clock import Clock, SystemClock
from monitor.notifiers._base import DeliveryError, Fault, Receipt, one_line
from monitor.secret_files import read_secret
from monitor.time_limit import TimeLimit

TIMEOUT_S = 15.0
"""Standard Webhooks asks for 15 to 30 s. The shorter leaves more attempts while a deadline runs."""
BODY_LIMIT_BYTES = 20_000
ANSWER_LIMIT_BYTES = 65_536
"""All that a peer may send to one request, its headers and interim answers (`102 Processing`) included."""
BODY_TIME_S = 2.0
"""The status has decided by then. We read the body only to use the connection again, or for the peer's words."""
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


class Reach(msgspec.Struct, frozen=True):
    """How to reach a peer, where that is not the public internet with the system's certificates."""

    allow_private: bool = False
    allow: tuple[str, ...] = ()
    ca_file: Path | None = None

    def check(self) -> None:
        """Raises ValueError where the file of certificates cannot be read."""
        if self.ca_file is not None:
            check_certificates("ca_file", self.ca_file)


class HttpConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that every channel over HTTP has beside its own."""

    ca_file: Path | None = None
    """Certificates that we trust in place of the system's, for a receiver with a private authority."""
    allow_private: bool = False
    allow: tuple[str, ...] = ()
    """Networks that are private and allowed all the same, such as "10.0.0.0/8"; `allow_private` allows all."""

    @property
    def reach(self) -> Reach:
        return Reach(self.allow_private, self.allow, self.ca_file)


class SecretUrlConfig(HttpConfig, frozen=True, kw_only=True):
    """For a channel whose address is its secret: `url_file` keeps it out of the configuration."""

    url: str | None = None
    url_file: Path | None = None

    def __post_init__(self) -> None:
        one_of("url", self.url, self.url_file)
        if self.url is not None:
            check_url("url", self.url, self.reach)

    @property
    def place(self) -> str:
        """Where it connects to."""
        return shown_url(read_secret(self.url, self.url_file))

    @property
    def address(self) -> str:
        """The address itself. Raises BadSecret, and ValueError where it or the file of certificates cannot be used."""
        self.reach.check()
        text = read_secret(self.url, self.url_file)
        check_url("url", text, self.reach)
        return text

    def __repr__(self) -> str:
        return f"{type(self).__module__.rpartition('.')[2]}.Config(***)"


def check_url(key: str, url: str, reach: Reach) -> None:
    """Raises ValueError unless it is an http address that `reach` allows. The text shows no more than scheme and host."""
    try:
        parsed = URL(url)
        host = parsed.host
    except ValueError:
        host = None
    if not is_host(host) or parsed.scheme not in ("http", "https"):
        raise ValueError(f"{key}: found {shown_url(url)!r}, expected https://host/path, or http://")
    assert host is not None
    check_port(key, url)
    try:
        allowed = networks_of(reach.allow)
    except ValueError as e:
        raise ValueError(f"allow: {e}") from None
    if not reach.allow_private and is_inside(host, allowed):
        raise ValueError(f'{key}: found {shown_url(url)!r}; {AddressRefused()}, and allow = ["..."] its network')


def check_base(key: str, url: str, reach: Reach) -> None:
    """Raises ValueError unless it is an address to which we can add a path, and sign in by a header."""
    check_url(key, url, reach)
    parsed = URL(url)
    if parsed.user is not None or parsed.password is not None:
        raise ValueError(
            f"{key}: found a user in the address {shown_url(url)!r}; the keys of the notifier name who signs in"
        )
    if parsed.query_string or parsed.fragment:
        raise ValueError(f"{key}: found {shown_url(url)!r} with something behind ? or #, expected https://host/path")


def one_of(key: str, stated: object, file: object) -> None:
    """Raises ValueError unless the configuration states a secret once: as text or as a file."""
    if (stated is None) == (file is None):
        raise ValueError(f'state either "{key}" or "{key}_file"')


def basic(user: str, password: str) -> str:
    """The value of an Authorization header."""
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


class HttpAnswer(msgspec.Struct, frozen=True):
    """What a peer answered to one request; of a long or slow body only the first part."""

    status: int
    body: bytes
    retry_after_s: float | None
    """The pause that the header asks for, an hour at most."""

    @property
    def text(self) -> str:
        """The body as one line for people."""
        return one_line(self.body[:2000].decode(errors="replace"), 200)

    @property
    def json(self) -> dict[str, Any]:
        """The body where it is a JSON object, or else an empty one."""
        try:
            found = msgspec.json.decode(self.body)
        except msgspec.DecodeError:
            return {}
        return found if isinstance(found, dict) else {}


class _Kept:
    """Connections to the peer, and who uses them."""

    def __init__(self, connector: aiohttp.TCPConnector) -> None:
        self.connector = connector
        self.users = 0
        self.is_warm = False
        """It had an answer, so that it may hold a connection which the peer has closed since."""


class Http:
    """A client for one peer. It keeps connections for a few seconds, so a storm does not shake hands for every notice.

    aiohttp resolves, connects and reads the answer. The request is one write of ours: a session's own way costs as much as
    all the rest of a delivery, and what it can do beside that (redirects, cookies, proxies) is not wanted here.
    """

    def __init__(self, reach: Reach, clock: Clock | None = None, *, timeout_s: float = TIMEOUT_S) -> None:
        self._clock = clock or SystemClock()
        self._limit = TimeLimit(timeout_s)
        self._guard = guarded_socket(allow_private=reach.allow_private, allow=networks_of(reach.allow))
        self._tls: ssl.SSLContext | bool = True
        if reach.ca_file is not None:
            self._tls = ssl.create_default_context(cafile=str(reach.ca_file))
        self._kept: _Kept | None = None
        self._ends: dict[str | URL, _End] = {}
        """By address. A notifier has one or two."""

    async def post(self, url: str | URL, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        """Posts once and follows no redirect. Raises DeliveryError where there is no answer; any status is one."""
        # `from None`: the texts of aiohttp's errors may hold the URL with its query.
        kept = self._open()
        try:
            try:
                return await self._exchange(kept, url, body, headers)
            except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError) as e:
                if isinstance(e, aiohttp.ClientConnectorError) or not kept.is_warm:
                    raise
            # The peer closed a connection that we had kept: a new one is no second failure.
            if self._kept is kept:
                self._kept = None
            if not kept.users:
                await kept.connector.close()
            return await self._exchange(self._open(), url, body, headers)
        except TimeoutError:
            raise DeliveryError(f"no answer within {self._limit.after_s:g} s", retry=True) from None
        except aiohttp.ClientConnectorCertificateError as e:
            why = one_line(getattr(e.certificate_error, "verify_message", None) or "it does not fit the name", 80)
            raise DeliveryError(f"the certificate is not trusted: {why}", fault=Fault.CHANNEL) from None
        except aiohttp.ClientSSLError as e:
            reason = one_line(getattr(e.os_error, "reason", None) or "the handshake failed", 80)
            raise DeliveryError(f"TLS: {reason}", fault=Fault.CHANNEL) from None
        except aiohttp.ClientConnectorError as e:
            raise DeliveryError(f"cannot connect: {e.strerror or e.os_error}", retry=True) from None
        except AnswerTooLong:
            raise DeliveryError(f"the answer is longer than {ANSWER_LIMIT_BYTES:,} bytes", retry=True) from None
        except HttpProcessingError:
            raise DeliveryError("the exchange failed: the answer is not HTTP", retry=True) from None
        except (aiohttp.ClientError, OSError) as e:
            raise DeliveryError(f"the exchange failed: {type(e).__name__}", retry=True) from None

    async def post_json(self, url: str | URL, value: object, headers: Mapping[str, str] | None = None) -> HttpAnswer:
        """Posts a JSON value."""
        return await self.post(url, msgspec.json.encode(value), {**JSON, **(headers or {})})

    async def _exchange(self, kept: _Kept, url: str | URL, body: bytes, headers: Mapping[str, str]) -> HttpAnswer:
        kept.users += 1
        try:
            end = self._end(url)
            request = end.head(headers, len(body)) + body
            async with self._limit.begun():
                connection = await kept.connector.connect(end.request, [], _NO_LIMIT)
                try:
                    status, found, content = await _say(connection, request)
                except BaseException:  # a cut-off as well: an answer half read must not be the next one's
                    connection.close()
                    raise
            answer = await _read_some(connection, content)
            kept.is_warm = True
            after_s = retry_after_s(found.get("Retry-After"), self._clock.utc())
            return HttpAnswer(status, answer, after_s)
        finally:
            kept.users -= 1
            if kept is not self._kept and not kept.users:
                # Others were at work on it when it was replaced; the last of them closes it.
                await kept.connector.close()

    def _end(self, url: str | URL) -> _End:
        end = self._ends.get(url)
        if end is None:
            end = _End(url)
            self._ends[url] = end
        return end

    async def close(self) -> None:
        """Frees connections. A later post opens new ones."""
        kept, self._kept = self._kept, None
        self._ends.clear()
        if kept is not None:
            await kept.connector.close()

    def _open(self) -> _Kept:
        """Made at the first attempt, because it belongs to the running loop."""
        if self._kept is None:
            self._ends.clear()
            connector = BoundedConnector(
                head_bytes=ANSWER_LIMIT_BYTES, socket_factory=self._guard, keepalive_timeout=KEEP_ALIVE_S, ssl=self._tls
            )
            self._kept = _Kept(connector)
        return self._kept


_NO_LIMIT = aiohttp.ClientTimeout(total=None)
"""The whole exchange has one of its own."""


class _End:
    """Where an address leads to, and what aiohttp says to it whatever is posted."""

    def __init__(self, url: str | URL) -> None:
        self.request = aiohttp.ClientRequest("POST", URL(url), loop=asyncio.get_running_loop())
        self._first = f"POST {self.request.url.raw_path_qs} HTTP/1.1\r\nHost: {self.request.headers['Host']}\r\n"
        self._usual: dict[tuple[str, ...], str] = {}
        """The headers that a post does not state, by those that it states: a notifier has one or two sets of these."""

    def head(self, headers: Mapping[str, str], length: int) -> bytes:
        """The first part of a request. Raises ValueError where a value would end its line."""
        names = tuple(headers)
        usual = self._usual.get(names)
        if usual is None:
            stated = {"host", "content-length", *(name.lower() for name in names)}
            others = {name: value for name, value in self.request.headers.items() if name.lower() not in stated}
            usual = "".join(f"{name}: {value}\r\n" for name, value in others.items())
            self._usual[names] = usual
        stated_lines = "".join([f"{name}: {value}\r\n" for name, value in headers.items()])
        if stated_lines.count("\n") != len(names) or stated_lines.count("\r") != len(names) or "\0" in stated_lines:
            raise ValueError("a header of a request has more than one line")
        return f"{self._first}{stated_lines}{usual}Content-Length: {length}\r\n\r\n".encode()


async def _say(connection: Connection, request: bytes) -> tuple[int, Mapping[str, str], StreamReader]:
    """Sends a request; the status and the headers of its answer, and where its body is read."""
    peer, transport = connection.protocol, connection.transport
    if peer is None or transport is None or transport.is_closing():
        raise aiohttp.ServerDisconnectedError
    peer.set_response_params(read_until_eof=True, auto_decompress=False)
    permit.check()
    transport.write(request)
    while True:
        message, content = await peer.read()
        # An interim answer, such as 102, is not yet the one.
        if not 100 <= message.code < 200 or message.code == SWITCHING:
            return message.code, message.headers, content


async def _read_some(connection: Connection, content: StreamReader) -> bytes:
    """Reads a short body and leaves a long or slow one, as the status is the answer."""
    left = BODY_LIMIT_BYTES
    found = b""
    try:
        if not content.at_eof():
            async with asyncio.timeout(BODY_TIME_S):
                while left > 0 and (chunk := await content.read(left)):
                    left -= len(chunk)
                    found += chunk
    except (TimeoutError, aiohttp.ClientError):
        left = 0
    except BaseException:  # a cut-off as well: what is left of the body must not be the next answer
        connection.close()
        raise
    if left <= 0:
        connection.close()
    else:
        connection.release()
    return found


SWITCHING = 101
USER_AGENT = "loan-monitor"
JSON = {"content-type": "application/json", "user-agent": USER_AGENT}


@cache
def _taken(status: int) -> Receipt:
    return Receipt(f"HTTP {status}")


def judge(answer: HttpAnswer, words: str = "") -> Receipt:
    """The Receipt of a success. Raises the DeliveryError that any other status calls for; `words` are the peer's own."""
    status = answer.status
    if 200 <= status < 300 and not words:
        return _taken(status)
    said = one_line(f"HTTP {status}: {words}" if words else f"HTTP {status}")
    if 200 <= status < 300:
        return Receipt(said)
    if 300 <= status < 400:
        raise DeliveryError(f"HTTP {status}: a redirect is not followed", fault=Fault.CHANNEL)
    if status in DOUBTFUL_4XX:
        raise DeliveryError(said, fault=Fault.DOUBTFUL, answer=str(status))
    if status >= 500 or status in PASSING_4XX:
        raise DeliveryError(said, after_s=answer.retry_after_s if status in THROTTLED else None)
    raise DeliveryError(said, fault=Fault.CHANNEL, answer=str(status))


def retry_after_s(text: str | None, now: datetime) -> float | None:
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
