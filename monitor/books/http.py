"""Asks a JSON address for the loan book: an array of lines, JSON Lines, or an object with them.

One question at a time, bounded in time and in bytes, never redirected. After the first answer it asks by ETag and
Last-Modified, so a book that has not changed costs one small answer. An answer that broke off changes nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Annotated, Literal, NamedTuple

import aiohttp
import msgspec
from yarl import URL

from monitor.addresses import AddressRefused, is_inside, shown_url
from monitor.asking import cause_of, polling_session, retry_after_s
from monitor.books._base import KeptBook, Reader, StaleAfter
from monitor.books._polled import POLLS_TO_STALE, Every, Rounds, Unreadable
from monitor.books._snapshots import BookRow, Snapshots
from monitor.bounded_http import AnswerTooLong
from monitor.clock import Clock
from monitor.core.events.events import BookSeen, Event
from monitor.core.schema import Span
from monitor.secret_files import BadSecret, read_secret

_LINES_JSON = ("application/x-ndjson", "application/jsonl", "application/ndjson", "application/jsonlines")


class Config(msgspec.Struct, frozen=True):
    """[[book]] kind = "http"."""

    url: str
    every: Every = timedelta(seconds=30)
    gives: Literal["snapshot", "changes"] = "snapshot"
    """`snapshot`: each answer is the whole book. `changes`: groups that an answer does not name stay as they are."""
    close_missing: bool = True
    """A snapshot closes what it does not name."""
    token_file: Path | None = None
    """The bearer token that is sent with each question."""
    allow_private: bool = False
    """Permits addresses on loopback and in private networks."""
    timeout: Annotated[timedelta, Span("0s", "5m", above=True)] = timedelta(seconds=30)
    """For the whole answer, from the connection to the last byte."""
    max_body_bytes: Annotated[int, range(100, 1_000_000_001)] = 64_000_000
    """A hundred thousand groups."""
    stale_after: StaleAfter | None = None
    """How old the book may be. Without it three times `every` and once `timeout`."""

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

    def __repr__(self) -> str:
        return f"http.Config({shown_url(self.url)})"


def stale_after(config: Config) -> timedelta:
    """Two polls may fail before the book is stale."""
    return max(POLLS_TO_STALE * config.every + config.timeout, timedelta(seconds=1))


def build(name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> HttpBook:
    """The book at an address."""
    return HttpBook(name, config, reader, clock, kept)


class _Body(msgspec.Struct, frozen=True):
    """An answer that is an object: the lines, and what the peer says of them."""

    groups: list[msgspec.Raw]
    as_of: datetime | None = None
    version: int | None = None
    whole: bool = True


class _Answer(NamedTuple):
    rows: Sequence[BookRow]
    as_of: datetime | None
    version: int | None
    is_whole: bool


class _Position(msgspec.Struct, frozen=True):
    version: int | None = None


class HttpBook:
    """Polls for ever. `parse` turns a body into rows."""

    def __init__(self, name: str, config: Config, reader: Reader, clock: Clock, kept: KeptBook) -> None:
        self.name = name
        self._config = config
        self._clock = clock
        self._snapshots = Snapshots(name, reader, kept, closes_missing=config.close_missing)
        self._rounds = Rounds(name, clock, config.every, kept)
        self._validators: dict[str, str] = {}
        """What the peer gave to ask for changes only."""
        self._seen: _Answer | None = None
        """The last answer that was taken, without its rows."""
        self._version: int | None = None
        with suppress(msgspec.DecodeError):  # another version of the monitor may have kept it in another form
            self._version = msgspec.json.decode(kept.position or "{}", type=_Position).version

    async def batches(self) -> AsyncIterator[list[Event]]:
        """The changes of each answer. To close the iterator closes the connection."""
        session = polling_session(
            self._config.max_body_bytes, self._config.timeout.total_seconds(), allow_private=self._config.allow_private
        )
        async with session:
            async for batch in self._rounds.run(lambda: self._round(session)):
                yield batch

    async def _round(self, session: aiohttp.ClientSession) -> AsyncGenerator[list[Event], None]:
        at = self._clock.utc()
        body, kind, validators = await self._ask(session)
        if body is None:
            # The peer says that the book is still what it was: that is news of its age, unless the book has its own time.
            yield [self._book_seen(at)]
            return
        answer = await asyncio.to_thread(self.parse, body, kind)
        if answer.version is not None and self._version is not None and answer.version < self._version:
            raise Unreadable(f"version {answer.version} is older than {self._version}, which is in force")
        is_whole = answer.is_whole and self._config.gives == "snapshot"
        events = await asyncio.to_thread(self._snapshots.take, answer.rows, at, is_whole=is_whole)
        self._version = answer.version
        self._seen = answer._replace(rows=())
        # A snapshot that is doubted is asked for once more as a whole, so that the second reading can settle it.
        self._validators = {} if self._snapshots.is_in_doubt else validators
        yield [*events, self._book_seen(at)]

    def _book_seen(self, at: datetime) -> Event:
        assert self._seen is not None, "what has not changed was seen before"
        etag = self._validators.get("if-none-match", "")
        version = str(self._version) if self._version is not None else etag[:128]
        position = msgspec.json.encode(_Position(self._version)).decode() if self._version is not None else ""
        return BookSeen(at, self.name, self._seen.as_of or at, position, version)

    def parse(self, body: bytes, kind: str = "") -> _Answer:
        """The rows of a body. Raises Unreadable for one that is not whole or no book."""
        try:
            body.decode()
        except UnicodeDecodeError as e:
            raise Unreadable(f"the answer is not UTF-8: byte {e.start + 1}") from None
        start = body.lstrip()[:1]
        try:
            if kind in _LINES_JSON:
                return self._of_lines(body)
            if start == b"[":
                return _Answer(_rows(msgspec.json.decode(body, type=list[msgspec.Raw])), None, None, is_whole=True)
            if start == b"{":
                stated = msgspec.json.decode(body, type=_Body)
                as_of = stated.as_of.astimezone(UTC) if stated.as_of is not None else None
                return _Answer(_rows(stated.groups), as_of, stated.version, stated.whole)
        except (msgspec.DecodeError, RecursionError) as e:
            raise Unreadable(f"the answer is no book: {e}") from None
        raise Unreadable("the answer is no book; expected an array of lines, an object with `groups`, or JSON Lines")

    def _of_lines(self, body: bytes) -> _Answer:
        lines = enumerate(body.split(b"\n"), 1)
        rows = [BookRow(f"line {number}", line) for number, raw in lines if (line := raw.strip())]
        return _Answer(rows, None, None, is_whole=True)

    async def _ask(self, session: aiohttp.ClientSession) -> tuple[bytes | None, str, dict[str, str]]:
        """The body of one answer, its kind and its validators; no body where nothing has changed. Raises Unreadable."""
        headers = {"accept": "application/json, application/x-ndjson", "accept-encoding": "identity"}
        headers |= self._validators
        try:
            if self._config.token_file is not None:  # as it is now: tokens change
                token = await asyncio.to_thread(read_secret, None, self._config.token_file)
                headers["authorization"] = f"Bearer {token}"
            async with session.get(URL(self._config.url), headers=headers, allow_redirects=False) as answer:
                if answer.status == HTTPStatus.NOT_MODIFIED and self._validators and self._seen is not None:
                    return None, "", {}
                self._judge(answer)
                body = await self._body(answer)
                given = ((theirs, answer.headers.get(ours)) for ours, theirs in _VALIDATORS)
                return body, answer.content_type.lower(), {theirs: value for theirs, value in given if value}
        except Unreadable:
            raise
        except BadSecret as e:
            raise Unreadable(str(e)) from None
        except AnswerTooLong:
            raise Unreadable("the answer is too long") from None
        except TimeoutError:
            raise Unreadable(f"no whole answer within {self._config.timeout.total_seconds():g} s") from None
        # Whatever the network or a library makes of an answer is one failed round, never the end of the book. The texts of
        # aiohttp's errors may hold the address with its query, so only those of the system are shown.
        except Exception as e:  # noqa: BLE001
            raise Unreadable(f"no whole answer: {cause_of(e)}") from None

    def _judge(self, answer: aiohttp.ClientResponse) -> None:
        """Raises Unreadable for an answer that is not the book itself, or of which nobody can tell whether it is whole."""
        if answer.status == HTTPStatus.OK:
            encoding = answer.headers.get("Content-Encoding", "identity").strip().lower()
            if encoding not in ("", "identity"):
                raise Unreadable(f"the answer is compressed ({encoding[:20]}), which was not asked for")
            is_measured = "Content-Length" in answer.headers or "chunked" in answer.headers.get("Transfer-Encoding", "")
            if not is_measured and answer.content_type.lower() in _LINES_JSON:
                raise Unreadable("the answer has no length, so that nobody can tell whether it is whole")
            return
        if 300 <= answer.status < 400:
            raise Unreadable(f"HTTP {answer.status}: a redirect, which is not followed; state the address itself")
        after_s = retry_after_s(answer.headers.get("Retry-After"), self._clock.utc()) or 0.0
        raise Unreadable(f"HTTP {answer.status}", after_s)

    async def _body(self, answer: aiohttp.ClientResponse) -> bytes:
        limit = self._config.max_body_bytes
        parts, size = [], 0
        async for part in answer.content.iter_any():
            parts.append(part)
            size += len(part)
            if size > limit:
                answer.close()
                raise Unreadable(f"the answer is longer than max_body_bytes = {limit}")
        return b"".join(parts)


_VALIDATORS = (("ETag", "if-none-match"), ("Last-Modified", "if-modified-since"))


def _rows(lines: Sequence[msgspec.Raw]) -> list[BookRow]:
    return [BookRow(f"row {number}", bytes(line)) for number, line in enumerate(lines, 1)]
