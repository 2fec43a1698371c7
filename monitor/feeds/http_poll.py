"""Asks a JSON address for prices every so often: a fund's NAV, a custodian, an oracle (docs/venues/http-poll.md).

One question at a time, bounded in time and in bytes, and never redirected. A fault of the peer is counted, its cause is in
`stats.reason`, and the next question follows; a price whose path leads nowhere has its cause in `stats.states`.
"""

from __future__ import annotations

import random
import re
from collections.abc import AsyncIterator
from contextlib import suppress
from datetime import datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated

import aiohttp
import msgspec
from yarl import URL

from monitor.addresses import AddressRefused, is_inside, shown_url
from monitor.asking import cause_of, phrase_of, polling_session, retry_after_s
from monitor.bounded_http import HEAD_BYTES, AnswerTooLong
from monitor.clock import Clock, SystemClock
from monitor.core import schema
from monitor.core.prices.quote import BadPrice, Batch, Quote, price
from monitor.core.rules.settings import FeedTrust
from monitor.feeds._base import FeedStats, Unusable
from monitor.feeds._messages import time_in_any_form
from monitor.feeds._path import NotThere, read_path
from monitor.feeds._subscriptions import tree
from monitor.secret_files import read_secret
from monitor.telemetry import BoundedLog

_RANDOM = random.SystemRandom()
_LONGEST_RETRY_AFTER_S = 3600.0
"""A peer may ask for a pause, not for silence: ten years count as an hour."""
_POLLS_TO_STALE = 3
"""Two polls may fail before a price is stale."""
_HEADER = re.compile(r"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e]*)", re.ASCII)

_Every = Annotated[timedelta, schema.Span("100ms", "7d")]
_Limit = Annotated[timedelta, schema.Span("1s", "400d")]


class PolledPrice(msgspec.Struct, frozen=True):
    """One price of the answer: a row of `prices`."""

    asset: schema.Asset
    path: str
    """Where the price stands: `data.nav`, `result[0].price`, `rows[symbol=BTC].last`, or a JSON Pointer."""
    time: str | None = None
    """Where its time stands: RFC 3339, a day, or a number since 1970. Without it the price has no time of its own."""
    quote: schema.Asset | None = None
    """What it is stated in; without it as the feed's `quote`."""
    stale_after: _Limit | None = None
    """For a price that is published seldom: a NAV of one day may be good for three."""

    def __post_init__(self) -> None:
        for key in ("path", "time"):
            text = getattr(self, key)
            if text is not None:
                try:
                    read_path(text)
                except ValueError as e:
                    raise ValueError(f"{key}: {e}") from None


class Config(msgspec.Struct, frozen=True):
    """Keys of a `[[feed]]` of kind http_poll."""

    url: str
    prices: tuple[PolledPrice, ...]
    every: _Every = timedelta(seconds=30)
    """From the beginning of one question to that of the next."""
    timeout: Annotated[timedelta, schema.Span("0s", "5m", above=True)] = timedelta(seconds=10)
    """For the whole answer, from the connection to the last byte."""
    quote: schema.Asset = "USD"
    stale_after: _Limit | None = None
    """Without it three times `every` and once `timeout`, at least ten seconds."""
    headers_file: Path | None = None
    """Lines such as `Authorization: Bearer ...`, sent with each question."""
    allow_private: bool = False
    """Permits addresses on loopback and in private networks."""
    retry_min: _Every = timedelta(seconds=1)
    retry_max: _Every = timedelta(seconds=60)
    """After a failure it asks again sooner or later than `every`: pauses grow from `retry_min` to `retry_max`."""
    max_body_bytes: Annotated[int, range(100, 64_000_001)] = 1_048_576

    def __post_init__(self) -> None:
        try:
            url = URL(self.url)
            host = url.host
        except ValueError:
            host = None
        if not host or url.scheme not in ("http", "https"):
            raise ValueError(f"url: found {shown_url(self.url)!r}, expected https://host/path, or http://")
        if not self.allow_private and is_inside(host):
            raise ValueError(f"url: found {shown_url(self.url)!r}; {AddressRefused()}")
        if self.retry_max < self.retry_min:
            found, least = schema.in_words(self.retry_max), schema.in_words(self.retry_min)
            raise ValueError(f'retry_max: found "{found}", expected at least retry_min = "{least}"')
        if not self.prices:
            raise ValueError('prices: is empty; add { asset = "FUND", path = "data.nav" }')
        assets = [row.asset for row in self.prices]
        for i, asset in enumerate(assets):
            if asset in assets[:i]:
                raise ValueError(f"prices[{i}]: {asset} stands twice; one source states one price of a coin")

    def __repr__(self) -> str:
        return f"http_poll.Config({shown_url(self.url)})"


def priced_in_usd(config: Config) -> tuple[str, ...]:
    """The coins that are asked for, as far as they are stated in USD."""
    return tuple(row.asset for row in config.prices if (row.quote or config.quote) == "USD")


def trust(config: Config) -> FeedTrust:
    """A poll that repeats its value shows that the value still holds, and a NAV may stand still for days."""
    usual = _POLLS_TO_STALE * config.every + config.timeout
    return FeedTrust(
        stale_after=config.stale_after or max(usual, timedelta(seconds=10)),
        stale_after_of={row.asset: row.stale_after for row in config.prices if row.stale_after is not None},
        cadence=config.every,
        repeats_are_life=True,
        may_freeze=False,
    )


class _Failed(Exception):
    """A question without a usable answer. The text says why, without secrets; `after_s` is the pause that was asked for."""

    def __init__(self, reason: str, label: str, after_s: float | None = None) -> None:
        super().__init__(reason)
        self.label = label
        self.after_s = after_s


class HttpPoll:
    """The feed. `parse` turns one answer into quotes and never raises; `quotes` asks for ever."""

    def __init__(self, name: str, config: Config, clock: Clock, headers: dict[str, str]) -> None:
        self.name = name
        self.stats = FeedStats()
        self._config = config
        self._clock = clock
        self._log = BoundedLog()
        self._headers = headers
        self._rows = [(row, read_path(row.path), read_path(row.time) if row.time else None) for row in config.prices]
        self._has_old_headers = False
        """The peer refused them: the file may hold a newer token by now."""
        self._validators: dict[str, str] = {}
        """What the peer gave to ask for changes only: ETag and Last-Modified of the last answer that was read."""
        self._last: list[Quote] = []

    async def quotes(self) -> AsyncIterator[Batch]:
        """The prices of each answer. To close the iterator closes the connection."""
        self.stats.reason = "connecting"
        session = polling_session(
            self._config.max_body_bytes, self._config.timeout.total_seconds(), allow_private=self._config.allow_private
        )
        failures = 0
        try:
            while True:
                began_s = self._clock.monotonic_s()
                try:
                    found, failures, after_s = await self._ask(session), 0, 0.0
                except _Failed as e:
                    failures += 1
                    found, after_s = [], self._failed(e, failures)
                if found:
                    yield found
                next_s = began_s + self._config.every.total_seconds() - self._clock.monotonic_s()
                await self._clock.sleep(max(after_s or next_s, 0.0))
        finally:
            await session.close()
            self.stats.connected = False
            self.stats.reason = "closed"

    def parse(self, body: str | bytes) -> list[Quote]:
        """The prices of one answer. `stats` counts what it refuses, and says of each asset why it gives no price."""
        self.stats.frames += 1
        try:
            document = self._document(body.encode() if isinstance(body, str) else body)
        except Unusable as e:
            self._refuse(e.reason, e.words)
            self.stats.reason = f"the answer cannot be read: {e.words}"
            return []
        now, found, states = self._clock.utc(), [], {}
        for row, path, time in self._rows:
            try:
                found.append(self._quote(row, path.find(document), time and time.find(document), now))
            except NotThere as e:
                states[row.asset] = f"{path.text}: {e}"
                self._refuse("path", states[row.asset])
            except BadPrice as e:
                states[row.asset] = f"{path.text}: {e}"
                self._refuse(e.reason, states[row.asset])
            except Unusable as e:
                states[row.asset] = f"{row.time}: {e.words}"
                self._refuse(e.reason, states[row.asset])
        self.stats.states = states
        if not found:
            self.stats.reason = (
                "the answer gives no price; " + "; ".join(f"{a}: {why}" for a, why in states.items())[:300]
            )
        self.stats.quotes += len(found)
        return found

    def _document(self, body: bytes) -> object:
        """Raises Unusable."""
        if len(body) > self._config.max_body_bytes:
            raise Unusable("too_large", "", f"{len(body)} bytes, max_body_bytes is {self._config.max_body_bytes}")
        try:
            body.decode()
        except UnicodeError as e:
            raise Unusable("not_utf8", body[:40], "it is not UTF-8") from e
        return tree(body)

    def _quote(self, row: PolledPrice, value: object, time: object, now: datetime) -> Quote:
        at = now if row.time is None else time_in_any_form(time)
        return Quote(row.asset, price(value), row.quote or self._config.quote, self.name, at, row.time is not None)

    async def _ask(self, session: aiohttp.ClientSession) -> list[Quote]:
        """The prices of one question. Raises _Failed."""
        self._read_headers_again()
        headers = {"accept": "application/json", "accept-encoding": "identity", **self._headers, **self._validators}
        try:
            async with session.get(URL(self._config.url), headers=headers, allow_redirects=False) as answer:
                self.stats.last_frame_at = self._clock.utc()
                if answer.status == HTTPStatus.NOT_MODIFIED and self._validators:
                    return self._unchanged()
                self._judge(answer)
                body = await self._body(answer)
        except _Failed:
            raise
        except AnswerTooLong:
            raise _Failed(f"the answer has more than {HEAD_BYTES:,} bytes before its body", "too_large") from None
        except TimeoutError:
            seconds = self._config.timeout.total_seconds()
            raise _Failed(f"no whole answer within {seconds:g} s", "timeout") from None
        # Whatever the network or a library makes of an answer is one failed question, never the end of the feed. The texts of
        # aiohttp's errors may hold the address with its query, so only those of the system are shown.
        except Exception as e:  # noqa: BLE001
            raise _Failed(f"cannot connect: {cause_of(e)}", "connection") from None
        quotes = self.parse(body)
        if not quotes:
            raise _Failed(self.stats.reason, "no_price")
        given = ((theirs, answer.headers.get(ours)) for ours, theirs in _VALIDATORS)
        self._validators = {theirs: value for theirs, value in given if value}
        self._last = quotes
        self._answered()
        return quotes

    def _read_headers_again(self) -> None:
        if self._has_old_headers and self._config.headers_file is not None:
            with suppress(ValueError):  # it is being written: the old ones serve, and the next refusal looks again
                self._headers = _headers(self._config.headers_file)
        self._has_old_headers = False

    def _unchanged(self) -> list[Quote]:
        """The prices of the last answer, which the peer says are still in force."""
        now = self._clock.utc()
        self.stats.ignored["not_modified"] += 1
        self._last = [q if q.is_dated else msgspec.structs.replace(q, at=now) for q in self._last]
        self._answered()
        return self._last

    def _answered(self) -> None:
        self.stats.connected = True
        self.stats.reason = ""

    def _judge(self, answer: aiohttp.ClientResponse) -> None:
        """Raises _Failed for an answer that is not the prices themselves."""
        status = answer.status
        if status == HTTPStatus.OK:
            encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
            if encoding not in ("", "identity"):
                raise _Failed(f"the answer is compressed ({encoding[:20]}), which was not asked for", "encoding")
            return
        self._has_old_headers = status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN)
        after_s = retry_after_s(answer.headers.get("Retry-After"), self._clock.utc())
        if 300 <= status < 400:
            where = answer.headers.get("Location", "")
            to = shown_url(where) if "://" in where else "another path"
            raise _Failed(
                f"HTTP {status}: a redirect to {to}, which is not followed; state the address itself", "redirect"
            )
        raise _Failed(f"HTTP {status}{phrase_of(status)}", f"http_{status // 100}xx", after_s)

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        limit = self._config.max_body_bytes
        parts, size = [], 0
        async for part in answer.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > limit:
                answer.close()
                raise _Failed(f"the answer is longer than max_body_bytes = {limit}", "too_large")
        return b"".join(parts)

    def _failed(self, e: _Failed, failures: int) -> float:
        """Counts and logs a failure. Returns the pause before the next question."""
        self.stats.connected = False
        self.stats.reason = str(e)
        if e.label != "no_price":  # which `parse` has counted by its cause
            self.stats.refuse(e.label, str(e))
        first_s, most_s = self._config.retry_min.total_seconds(), self._config.retry_max.total_seconds()
        ceiling_s: float = min(most_s, first_s * 2 ** min(failures, 16))
        asked_s = min(e.after_s or 0.0, _LONGEST_RETRY_AFTER_S)
        pause_s = max(_RANDOM.uniform(ceiling_s / 2, ceiling_s), asked_s)
        what = {"feed": self.name, "url": shown_url(self._config.url), "reason": str(e)}
        self._log.warning(self._clock.monotonic_s(), "poll", "price poll failed", retry_in_s=round(pause_s, 1), **what)
        return pause_s

    def _refuse(self, reason: str, what: str) -> None:
        self.stats.refuse(reason, what)
        self._log.warning(self._clock.monotonic_s(), reason, "price refused", feed=self.name, reason=reason, value=what)


_VALIDATORS = (("ETag", "if-none-match"), ("Last-Modified", "if-modified-since"))


def build(name: str, config: Config, clock: Clock | None = None) -> HttpPoll:
    """The feed of that name. Raises ValueError for a file of headers that cannot be used."""
    headers = {} if config.headers_file is None else _headers(config.headers_file)
    return HttpPoll(name, config, clock or SystemClock(), headers)


def _headers(file: Path) -> dict[str, str]:
    """The headers of a file. Raises ValueError, which names the line and never its value."""
    found: dict[str, str] = {}
    for i, line in enumerate(read_secret(None, file).splitlines(), 1):
        match = _HEADER.fullmatch(line.strip())
        if line.strip() and match is None:
            raise ValueError(f'headers_file: {file}, line {i}: expected "Name: value"')
        if match is not None:
            found[match[1]] = match[2]
    return found
