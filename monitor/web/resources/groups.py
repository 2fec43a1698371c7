"""Groups: the list from the view; detail and what-if from a look between two events; changes through the inbox."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from datetime import date, datetime, timedelta
from typing import Any, TypeVar

import msgspec
from aiohttp import web

from monitor.core.events.entries import Entry
from monitor.core.events.events import API, BookEntry, Event, GroupClosed, GroupPut
from monitor.core.loans.group import Group, parse_line
from monitor.core.queries.explain import detail, row
from monitor.core.queries.inbox import Answer, Look, Request
from monitor.core.queries.what_if import WhatIf, what_if
from monitor.core.refusal import Refused
from monitor.core.schema import Id, Invalid, Problem, read
from monitor.core.text import stamp_or_none
from monitor.telemetry import BoundedLog
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.body import INLINE_BYTES, parse, read_body
from monitor.web.http import Parts, answer, listing
from monitor.web.problem import Rejected, invalid
from monitor.web.query import Values, or_bad_cursor
from monitor.web.shapes import EntryAnswer

T = TypeVar("T")

"""The book's source of all groups that are put here."""
AHEAD = timedelta(seconds=60)
"""How far a peer's clock may run before ours: more is a mistake about the date or the zone."""
RACES = 3
"""Tries of a scoped token's put while others change the group."""
_VERSION = re.compile(r'"?(\d{1,18})"?', re.ASCII)
_OUTSIDE = "the group is outside this token's scope"


class EntryHead(msgspec.Struct, frozen=True):
    """What every book entry may state beside its content."""

    id: Id | None = None
    at: datetime | None = None


class GroupsApi:
    """Handlers of /v1/groups."""

    def __init__(self, parts: Parts, opened: Callable[[str], None]) -> None:
        """`opened` hears of groups that somebody looks at closely."""
        self._parts, self._log, self._opened = parts, BoundedLog(), opened

    async def list(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/groups"""
        values = Values(request, query.GROUPS)
        wanted = values.groups()
        values.done()

        def encoded() -> bytes:
            page = self._parts.view.groups(wanted, caller.scope)
            return listing([msgspec.json.encode(row(s)) for s in page.rows], page.next)

        raw = await asyncio.to_thread(or_bad_cursor, encoded)
        return answer(raw)

    async def detail(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/groups/{id}"""
        look = await self._look(request, caller)
        self._opened(look.sight.group.id)
        return answer(await asyncio.to_thread(detail, look), headers={"ETag": f'"{look.sight.version}"'})

    async def what_if(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """POST /v1/groups/{id}/what-if"""
        raw = await read_body(request)
        look = await self._look(request, caller)
        return answer(await asyncio.to_thread(_what_if, look, raw))

    async def put(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """PUT /v1/groups/{id}"""
        with self._counted(request):
            return await self._put(request, caller)

    async def _put(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        id_, raw, parts = request.match_info["id"], await read_body(request), self._parts
        group = await _off_loop(raw, lambda: _read_line(raw, id_, parts.clock.utc(), parts))
        if not caller.sees(group.labels):
            raise Rejected("forbidden", _OUTSIDE)

        def make(at: datetime) -> Event:
            return GroupPut(at, _dated(group, at.date()), API)

        for attempt in range(RACES):
            version = await self._precondition(request, caller, id_)
            asked = Request(make, caller.name, "put group", id_, if_version=version)
            found = await parts.inbox.request(asked)
            is_theirs = "If-Match" in request.headers or "If-None-Match" in request.headers
            if not found.is_stale or is_theirs or attempt == RACES - 1:
                break
        sight = _done(found, caller, id_).sight
        assert sight is not None, "a group that was put is there"
        return answer(row(sight), 201 if found.is_new else 200, {"ETag": f'"{sight.version}"'})

    async def close(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """DELETE /v1/groups/{id}"""
        id_ = request.match_info["id"]
        version = await self._expected(request, caller, id_)
        asked = Request(
            lambda at: GroupClosed(at, id_, API), caller.name, "close group", id_, if_version=version
        )  # fmt: skip
        _done(await self._parts.inbox.request(asked), caller, id_)
        return web.Response(status=204)

    async def entry(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """POST /v1/groups/{id}/entries"""
        with self._counted(request):
            return await self._enter(request, caller)

    async def _enter(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        id_, raw = request.match_info["id"], await read_body(request)
        key, now = request.headers.get("Idempotency-Key"), self._parts.clock.utc()
        head, entry = await _off_loop(raw, lambda: _read_entry(raw, key, now))
        version = await self._expected(request, caller, id_)
        entry_id, kind = str(head.id), str(type(entry).__struct_config__.tag)
        asked = Request(
            lambda at: BookEntry(at, id_, entry_id, entry), caller.name, f"entry {kind}", id_,
            if_version=version, entry_id=entry_id, digest=_digest(head, entry),
        )  # fmt: skip
        found = _done(await self._parts.inbox.request(asked), caller, id_)
        sight = found.sight
        body = EntryAnswer(
            entry_id, kind, stamp_or_none(head.at), sight.version if sight else None, found.is_duplicate,
            row(sight) if sight else None,
        )  # fmt: skip
        return answer(body, headers={"ETag": f'"{sight.version}"'} if sight else None)

    @contextlib.contextmanager
    def _counted(self, request: web.Request) -> Iterator[None]:
        """What is refused on the way into the book is counted by reason, and named in the log at a bounded rate."""
        try:
            yield
        except Rejected as e:
            first = e.problems[0].reason if e.problems else e.kind
            reason = e.reason or first
            self._parts.metrics.book_refused.labels(API, reason).inc()
            self._log.warning(
                self._parts.clock.monotonic_s(), reason, "a change of the loan book was refused",
                group=request.match_info["id"][:128], reason=reason, problem=e.detail[:300],
            )  # fmt: skip
            raise

    async def _look(self, request: web.Request, caller: Caller) -> Look:
        """The group as it is between two events. Raises Rejected where there is none that the caller may see."""
        id_ = request.match_info["id"]
        look = await self._parts.inbox.look(id_)
        if look is None or not caller.sees(look.sight.group.labels):
            raise _nothing(id_)
        return look

    async def _expected(self, request: web.Request, caller: Caller, id_: str) -> int | None:
        """The version that If-Match asks for. Raises Rejected for a group that is not there for the caller."""
        stated = _if_match(request)
        if caller.scope or stated == "*":
            look = await self._parts.inbox.look(id_)
            if look is None or not caller.sees(look.sight.group.labels):
                raise _nothing(id_)
        return stated if isinstance(stated, int) else None

    async def _precondition(self, request: web.Request, caller: Caller, id_: str) -> int | None:
        """The version that a put may replace; 0 where there must be no group yet, None for any.

        For a token with a scope it is always stated: between our look and the event the id may become another's group.
        """
        stated = _if_match(request)
        only_new = request.headers.get("If-None-Match")
        if only_new is not None and (only_new.strip() != "*" or stated is not None):
            raise Rejected(
                "bad-request", 'If-None-Match may only be "*" (create, never replace), and not with If-Match'
            )
        if only_new is not None:
            return 0
        if isinstance(stated, int) and not caller.scope:
            return stated
        if stated is None and not caller.scope:
            return None
        look = await self._parts.inbox.look(id_)
        if look is None:
            if stated is not None:
                raise Rejected("stale", f"If-Match asks for version {stated}, but there is no group {id_}")
            return 0
        if not caller.sees(look.sight.group.labels):
            raise Rejected("forbidden", _OUTSIDE)
        return stated if isinstance(stated, int) else look.sight.version


def _if_match(request: web.Request) -> int | str | None:
    """The version that If-Match states, `*` for any, None without the header. Raises Rejected."""
    text = request.headers.get("If-Match")
    if text is None or text.strip() == "*":
        return None if text is None else "*"
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise Rejected("bad-request", f'found If-Match {text[:40]!r}, expected one ETag of the group such as "7", or *')
    return int(match[1])


def _done(found: Answer, caller: Caller, id_: str) -> Answer:
    """The answer to a change that was made, or was made before. Raises Rejected for one that was not."""
    if found.is_conflict:
        raise Rejected(
            "idempotency-conflict", "another entry of this group has this id; an id names one entry for ever"
        )
    if found.is_stale:
        raise Rejected("stale", f"group {id_} has another version now; look at it again, then ask with its ETag")
    if found.refused is None:
        return found
    if found.refused.reason == "unknown_group":
        raise _nothing(id_)
    raise Rejected("refused", _told(found.refused, caller), reason=found.refused.reason)


def _told(refused: Refused, caller: Caller) -> str:
    """The book's reason. One that names another group is not told to a token that may not see that group."""
    if caller.scope and refused.reason == "account_in_use":
        return "the current collateral account has been used (VIP FAQ 6): it belongs to another group"
    return str(refused)


def _nothing(id_: str) -> Rejected:
    return Rejected("not-found", f"there is no group {id_}")


async def _off_loop(raw: bytes, work: Callable[[], T]) -> T:
    """Small bodies are read here, large ones in a worker thread."""
    return work() if len(raw) <= INLINE_BYTES else await asyncio.to_thread(work)


def _read_line(raw: bytes, id_: str, at: datetime, parts: Parts) -> Group:
    line = parse(raw)
    problems: list[Problem] = []
    if line.setdefault("id", id_) != id_:
        problems.append(Problem("id", f"found {str(line['id'])[:60]!r}, expected {id_!r} as in the path"))
    group = None
    try:
        group = parse_line(line, at, parts.rules().products)
    except Invalid as e:
        problems += e.problems
    if problems or group is None:
        raise invalid(problems)
    return group


def _dated(group: Group, day: date) -> Group:
    """The line as put on a day: midnight may pass between reading it and its event."""
    if all(loan.since == day for loan in group.loans):
        return group
    loans = tuple(msgspec.structs.replace(loan, since=day) for loan in group.loans)
    return msgspec.structs.replace(group, loans=loans)


def _read_entry(raw: bytes, key: str | None, now: datetime) -> tuple[EntryHead, Entry]:
    """The entry and what it states beside its content; its id may come from the header. Raises Rejected."""
    body = parse(raw)
    head_part = {name: body.pop(name) for name in ("id", "at") if name in body}
    if key is not None:
        head_part.setdefault("id", key.removeprefix('"').removesuffix('"'))
    problems: list[Problem] = []
    head, entry = _try(EntryHead, head_part, problems), _try(Entry, body, problems)
    if head is not None and head.id is None:
        problems.append(Problem("id", "is missing; state it here or in the header Idempotency-Key"))
    if head is not None and head.at is not None and head.at - now > AHEAD:
        problems.append(Problem("at", f"found {head.at.isoformat()}, which is more than {AHEAD.seconds} s ahead"))
    if problems or head is None or entry is None:
        raise invalid(problems)
    return head, entry


def _try(cls: Any, value: object, problems: list[Problem]) -> Any:
    try:
        return read(cls, value)
    except Invalid as e:
        problems += e.problems
        return None


def _digest(head: EntryHead, entry: Entry) -> str:
    """Two entries with one id are the same if they say the same, in whatever order or spelling of JSON."""
    return hashlib.sha256(msgspec.json.encode((head.at, entry))).hexdigest()


def _what_if(look: Look, raw: bytes) -> dict[str, Any]:
    try:
        return what_if(look, read(WhatIf, parse(raw)))
    except Invalid as e:
        raise invalid(e.problems) from None
