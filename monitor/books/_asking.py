"""How a source asks a lender over HTTP: one question at a time, bounded in time and in bytes, never redirected.

Whatever a lender or the network makes of a question is a `Failed` with words for the desk. A key that is refused is another
thing than an outage: asking again does not help, so the source waits until somebody has mended it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar
from urllib.parse import urlencode

import aiohttp
import msgspec
from yarl import URL

from monitor.addresses import AddressRefused, is_inside, shown_url
from monitor.asking import cause_of, phrase_of, polling_session, retry_after_s
from monitor.bounded_http import AnswerTooLong
from monitor.clock import Clock
from monitor.core.schema import Span

T = TypeVar("T")

MOST_BYTES = 8 << 20
"""Of one answer: an account of ten thousand coins has two megabytes."""
LONGEST_PAUSE_S = 3600.0
"""A lender may ask for a pause, not for silence: ten years count as an hour."""
_SHOWN = 120
_BUSY = (HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.IM_A_TEAPOT)
"""418 is Binance's word for a client that went on asking after a 429."""


class Failed(Exception):
    """A question without an answer that can be used. The text says why, and holds no secret."""

    def __init__(self, problem: str, after_s: float | None = None) -> None:
        super().__init__(problem)
        self.after_s = after_s
        """The pause that the lender asks for."""


class KeyRefused(Failed):
    """The lender does not take the key. Only a person can mend that; the text says how."""


class TimeRefused(Failed):
    """The lender holds our time to be wrong."""


class LenderAnswer(NamedTuple):
    """What came, whatever its status."""

    status: int
    body: bytes
    at: datetime | None
    """The lender's time, as its server states it."""
    after_s: float | None
    """The pause that it asks for."""


class LenderConfig(msgspec.Struct, frozen=True, kw_only=True):
    """The keys that every lender's book has. `url` is its address, `every` the time from one reading to the next."""

    url: str
    every: Annotated[timedelta, Span("1s", "1h")] = timedelta(seconds=10)
    timeout: Annotated[timedelta, Span("0s", "5m", above=True)] = timedelta(seconds=10)
    """For one whole answer, from the connection to the last byte."""
    allow_private: bool = False
    """Permits addresses on loopback and in private networks."""
    stale_after: Annotated[timedelta, Span("1s", "400d")] | None = None
    """How old the book may be. Without it three times `every` and once `timeout`, at least a minute."""
    labels: dict[str, str] = {}
    """Labels of each group of this book."""

    def __post_init__(self) -> None:
        try:
            url = URL(self.url)
            host = url.host
        except ValueError:
            host = None
        if not host or url.scheme not in ("http", "https"):
            raise ValueError(f"url: found {shown_url(self.url)!r}, expected https://host, or http://")
        if not self.allow_private and is_inside(host):
            raise ValueError(f"url: found {shown_url(self.url)!r}; {AddressRefused()}")

    @property
    def secrets(self) -> dict[str, Path]:
        """The files of its key, by the key of the configuration that names them."""
        files = {name: getattr(self, name) for name in self.__struct_fields__ if name.endswith("_file")}
        return {name: file for name, file in files.items() if file is not None}

    def __repr__(self) -> str:
        return f"{type(self).__module__}.Config({shown_url(self.url)})"


class CallPace:
    """Keeps a documented limit: so many calls within so many seconds."""

    def __init__(self, clock: Clock, calls: int, within_s: float) -> None:
        self._clock = clock
        self._within_s = within_s
        self._last: deque[float] = deque(maxlen=calls)

    async def turn(self) -> None:
        """Waits until one more call is within the limit."""
        if len(self._last) == self._last.maxlen:
            wait_s = self._last[0] + self._within_s - self._clock.monotonic_s()
            if wait_s > 0:
                await self._clock.sleep(wait_s)
        self._last.append(self._clock.monotonic_s())


class Asker:
    """The connection to one lender, and what its clock is ahead of ours, once that was needed."""

    def __init__(self, config: LenderConfig, clock: Clock) -> None:
        self._config = config
        self._clock = clock
        self._session: aiohttp.ClientSession | None = None
        self._offset_s = 0.0

    async def close(self) -> None:
        """Closes the connection."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            self._session = polling_session(
                MOST_BYTES, self._config.timeout.total_seconds(), allow_private=self._config.allow_private
            )
        return self._session

    def ours(self) -> datetime:
        """Now, by our own clock."""
        return self._clock.utc()

    def now(self) -> datetime:
        """The lender's time, as far as we know it."""
        return self._clock.utc() + timedelta(seconds=self._offset_s)

    def set_clock(self, theirs: datetime | None) -> None:
        """Takes the lender's time as right, where it stated one."""
        if theirs is not None:
            self._offset_s = (theirs - self._clock.utc()).total_seconds()

    async def get(self, target: str, headers: Mapping[str, str]) -> LenderAnswer:
        """The answer to a question; `target` is the path with the query. Raises Failed where none came."""
        return await self._ask("GET", target, headers, None)

    async def post(self, target: str, headers: Mapping[str, str], body: bytes) -> LenderAnswer:
        """The same with a body."""
        return await self._ask("POST", target, headers, body)

    async def _ask(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None) -> LenderAnswer:
        url = URL(self._config.url.rstrip("/") + target, encoded=True)
        sent = {"accept": "application/json", "accept-encoding": "identity", **headers}
        try:
            async with self._opened().request(method, url, headers=sent, data=body, allow_redirects=False) as answer:
                at = _date(answer.headers.get("Date"))
                after_s = retry_after_s(answer.headers.get("Retry-After"), self._clock.utc())
                after_s = None if after_s is None else min(after_s, LONGEST_PAUSE_S)
                return LenderAnswer(answer.status, await _body(answer), at, after_s)
        except Failed:
            raise
        except AnswerTooLong:
            raise Failed("the answer begins with more bytes than any lender sends") from None
        except TimeoutError:
            raise Failed(f"no whole answer within {self._config.timeout.total_seconds():g} s") from None
        except asyncio.CancelledError:
            raise
        # Whatever the network or a library makes of an answer is one failed question, never the end of the book. The texts
        # of aiohttp's errors may hold the address with its query, so only those of the system are shown.
        except Exception as e:  # noqa: BLE001
            raise Failed(f"cannot connect: {cause_of(e)}") from None


def target(path: str, query: Mapping[str, str]) -> str:
    """The path with its query, percent-encoded as it is signed and sent."""
    return f"{path}?{urlencode(query)}" if query else path


def judged(answer: LenderAnswer, place: str, remedy: str) -> bytes:
    """The body of an answer that is one. Raises Failed; `remedy` says what to do about a key that is refused."""
    status = answer.status
    if status == HTTPStatus.OK:
        return answer.body
    said = f"{place}: HTTP {status}{phrase_of(status)}"
    if status in _BUSY:
        raise Failed(f"{said}: asked too often", answer.after_s)
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        raise KeyRefused(f"{said}{_quoted(answer.body)}; {remedy}")
    if 300 <= status < 400:
        raise Failed(f"{said}: a redirect, which is not followed; state the lender's own address as url")
    raise Failed(f"{said}{_quoted(answer.body) if status < 500 else ''}", answer.after_s)


def decoded(body: bytes, kind: type[T], place: str) -> T:
    """A body as a struct; a number that a Decimal field takes is exact. Raises Failed with the place of what is wrong."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as e:
        raise Failed(f"{place}: {e}; the answer is not what the lender documents") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as e:
        raise Failed(f"{place}: the answer is not JSON: {str(e)[:_SHOWN]}") from None


def shown(text: str) -> str:
    """Words of a lender, short enough for an alert."""
    return " ".join(text.split())[:_SHOWN]


def _quoted(body: bytes) -> str:
    text = shown(body[:1000].decode(errors="replace"))
    return f" ({text})" if text else ""


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise Failed(f"the answer is compressed ({encoding[:20]}), which was not asked for")
    parts, size = [], 0
    async for part in answer.content.iter_any():
        parts.append(part)
        size += len(part)
        if size > MOST_BYTES:
            answer.close()
            raise Failed(f"the answer is longer than {MOST_BYTES >> 20} MB")
    return b"".join(parts)


def _date(text: str | None) -> datetime | None:
    try:
        return None if text is None else parsedate_to_datetime(text)
    except (ValueError, TypeError):
        return None
