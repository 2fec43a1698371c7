"""Groups: the list comes from the view, a detail from a look between two events; changes go through the inbox."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator, Mapping
from datetime import date, datetime, timedelta
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from monitor import contacts
from monitor.core.events.entries import Announce, AttachAccount, DisputeCall, Entry, Lever, ResolveDispute
from monitor.core.events.events import API, BookEntry, Event, GroupClosed, GroupPut
from monitor.core.loans.group import Group, GroupLine, parse_line
from monitor.core.loans.line_bounds import label_problems
from monitor.core.loans.loan_dates import line_problems, loan_problems
from monitor.core.portfolio.group_list import SORTS, GroupQuery
from monitor.core.queries import explain
from monitor.core.queries.explain import GroupDetail, GroupRow, row
from monitor.core.queries.inbox import Answer, Look, Request
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.schema import ID_EXPECTED, Id, Invalid, Problem, is_id, read_or_note
from monitor.core.stages.stages import STAGES
from monitor.core.text import stamp_or_none
from monitor.web.auth import FEED, OPERATE, READ, Caller
from monitor.web.borrowers import check_filter, detail_for, row_for
from monitor.web.http import (
    AFTER,
    INLINE_BYTES,
    LIMIT,
    Param,
    Query,
    Rejected,
    With,
    invalid,
    one_of,
    parse,
    read_body,
)
from monitor.web.site import Call, Endpoint, Reply
from monitor.web.view import told

T = TypeVar("T")
OfCall = Announce | DisputeCall | ResolveDispute
"""Entries that change nothing that is held or owed: people on duty take them too."""

DRY_RUN = Param("dry_run", "`true`: says what it would do, and changes nothing.", one_of(("true", "false")))
AHEAD = timedelta(seconds=60)
"""How far a peer's clock may be ahead of ours: more is a mistake about the date or the zone."""
SORT_VALUES = (*SORTS, *(f"-{name}" for name in SORTS))
_VERSION = re.compile(r'"?(\d{1,18})"?', re.ASCII)
_OUTSIDE = "the group is outside this token's scope"

GROUP_FILTER = (
    Param("stage", "Only groups in this stage.", one_of(STAGES), many=True),
    Param("product", "Only groups of this product.", many=True),
    Param("label.*", "Only groups with this label: `label.borrower=ACME`."),
    Param("q", "Only groups whose id, receiving account or a label holds this text."),
    Param(
        "sort",
        "`ltv` is worst first: stage, then LTV from high to low. The others rise. A `-` in front reverses.",
        {**one_of(SORT_VALUES), "default": "ltv"},
    ),
)


class GroupList(msgspec.Struct, frozen=True):
    """Groups, worst first."""

    items: list[GroupRow]
    next: str | None
    partial: bool | UnsetType = UNSET
    """True while a shard of the book is missing: its groups stand here as those whose price is missing."""


class EntryAnswer(msgspec.Struct, frozen=True):
    """What became of a book entry. `group` is null where an equal entry came first and the group was closed since."""

    id: str
    type: str
    at: str | None
    version: int | None
    duplicate: bool
    group: GroupRow | None
    dry_run: bool
    """Nothing was changed: `group` is as it would be, `before` as it is, and `alerts` are types that would be raised."""
    before: GroupRow | None
    alerts: list[str] | None


class PutAnswer(GroupRow, frozen=True, kw_only=True):
    """A group that was put.

    `dry_run`: nothing was changed. Then this is the group as it would be, `before` as it is (null where there is none), and
    `alerts` are the types of those that would be raised.
    """

    dry_run: bool
    before: GroupRow | None
    alerts: list[str] | None


class EntryHead(msgspec.Struct, frozen=True):
    """What every book entry may state beside its content."""

    id: Id | None = None
    at: datetime | None = None


def group_query(query: Query) -> GroupQuery:
    """The filter and order of the list of groups."""
    return GroupQuery(
        stages=frozenset(query.choices("stage")),
        products=frozenset(query.texts("product")),
        labels=query.labels(),
        q=query.text("q") or "",
        sort=query.choice("sort") or "ltv",
        limit=query.number("limit"),
    )


async def list_(call: Call) -> GroupList:
    """Groups, worst first."""
    wanted = msgspec.structs.replace(group_query(call.query), after=call.query.cursor())
    check_filter(call.caller, call.daemon.public_labels(), wanted.labels, wanted.q)
    call.query.done()

    def page() -> GroupList:
        found = call.daemon.view.groups(wanted, call.caller.scope)
        public = call.daemon.public_labels()
        rows = [row_for(call.caller, public, row(sight)) for sight in found.rows]
        return GroupList(rows, found.next, found.is_partial or UNSET)

    return await asyncio.to_thread(page)


async def detail(call: Call) -> Reply:
    """One group, exact. Its version is in ETag."""
    look = await visible(call)
    call.site.ltv.opened(look.sight.group.id)
    found = await asyncio.to_thread(explain.detail, look)
    theirs = detail_for(call.caller, call.daemon.public_labels(), found)
    return Reply(theirs, headers=_etag(look.sight.version))


async def put(call: Call) -> Reply:
    """Puts a group, or replaces its holdings; with `dry_run=true` it says what that would do."""
    with _counted(call):
        return await _put(call)


async def _put(call: Call) -> Reply:
    daemon = call.daemon
    id_ = call.id
    raw = await read_body(call.request)
    caller = call.caller
    group = await _off_loop(raw, lambda: _read_line(raw, call, daemon.clock.utc(), daemon.rules().products))
    if not caller.sees(group.labels):
        raise Rejected("forbidden", _OUTSIDE)

    def make(at: datetime) -> Event:
        return GroupPut(at, _dated(group, at.date()), API)

    version = await _precondition(call)
    is_dry = _is_dry(call)
    asked = Request(make, caller.name, "put group", id_, if_version=version, scope=caller.scope, dry=is_dry)
    found = await daemon.inbox.request(asked)
    if found.is_outside:
        raise Rejected("forbidden", _OUTSIDE)
    answer = _put_answer(_done(found, call), call, is_dry=is_dry)
    if is_dry:
        return Reply(answer)
    return Reply(answer, 201 if found.is_new else 200, _etag(answer.version))


async def close(call: Call) -> None:
    """Closes a group: it is no longer watched."""
    id_ = call.id
    version = await _expected(call)
    caller = call.caller
    asked = Request(
        lambda at: GroupClosed(at, id_, API), caller.name, "close group", id_, if_version=version, scope=caller.scope
    )
    _done(await call.daemon.inbox.request(asked), call)


async def entry(call: Call) -> Reply:
    """Applies one book entry. Its `id`, or the header Idempotency-Key, makes it happen once.

    With `dry_run=true` it says what that would do.
    """
    with _counted(call):
        return await _enter(call)


async def say_of_call(call: Call) -> Reply:
    """Takes what is said of a margin call: something is on its way, a part is disputed, or the dispute is settled.

    With `dry_run=true` it says what that would do.
    """
    with _counted(call):
        return await _enter(call, OfCall)


async def _enter(call: Call, kinds: Any = Entry) -> Reply:
    id_ = call.id
    raw = await read_body(call.request)
    key = call.request.headers.get("Idempotency-Key")
    now = call.daemon.clock.utc()
    head, entry = await _off_loop(raw, lambda: _read_entry(raw, key, now, kinds))
    if isinstance(entry, Lever):
        _check_four_eyes(call, entry)
    if isinstance(entry, AttachAccount) and (wrong := _unlike(call.caller, "account", entry.account)):
        raise invalid(wrong)
    version = await _expected(call)
    entry_id = str(head.id)
    kind = str(type(entry).__struct_config__.tag)
    asked = Request(
        lambda at: BookEntry(at, id_, entry_id, entry, may_shorten=False),
        call.caller.name,
        f"entry {kind}",
        id_,
        if_version=version,
        entry_id=entry_id,
        digest=_digest(head, entry),
        scope=call.caller.scope,
        dry=_is_dry(call),
    )
    found = _done(await call.daemon.inbox.request(asked), call)
    sight = told(found.sight, call.caller.scope) if found.sight is not None else None
    body = EntryAnswer(
        id=entry_id,
        type=kind,
        at=stamp_or_none(head.at),
        version=sight.version if sight else None,
        duplicate=found.is_duplicate,
        group=row(sight) if sight else None,
        dry_run=asked.dry,
        before=_before(found, call),
        alerts=list(found.alerts) if asked.dry else None,
    )
    return Reply(body, headers=_etag(sight.version) if sight and not asked.dry else {})


def _is_dry(call: Call) -> bool:
    is_dry = call.query.choice("dry_run") == "true"
    call.query.done()
    return is_dry


def _put_answer(found: Answer, call: Call, *, is_dry: bool) -> PutAnswer:
    sight = found.sight
    assert sight is not None, "a group that is put is there, or would be"
    shown = msgspec.structs.asdict(row(told(sight, call.caller.scope)))
    return PutAnswer(
        **shown, dry_run=is_dry, before=_before(found, call), alerts=list(found.alerts) if is_dry else None
    )


def _before(found: Answer, call: Call) -> GroupRow | None:
    return row(told(found.before, call.caller.scope)) if found.before is not None else None


def _check_four_eyes(call: Call, entry: Lever) -> None:
    """What the lender says through a feeder needs nobody; what a person does, another must approve. Raises Rejected."""
    if call.caller.role != "feeder" and call.daemon.rules().four_eyes.enabled:
        kind = str(type(entry).__struct_config__.tag)
        text = f"{kind} by role {call.caller.role} needs another person here; propose it with POST /v1/levers"
        raise Rejected("refused", text, reason="needs_approval")


@contextlib.contextmanager
def _counted(call: Call) -> Iterator[None]:
    """Counts by reason what is refused on the way into the book, and names it in the log at a bounded rate."""
    try:
        yield
    except Rejected as e:
        first = e.problems[0].reason if e.problems else e.kind
        reason = e.reason or first
        call.daemon.metrics.book_refused.labels(API, reason).inc()
        call.site.refusals.warning(
            call.daemon.clock.monotonic_s(),
            reason,
            "a change of the loan book was refused",
            group=call.id[:128],
            reason=reason,
            problem=e.detail[:300],
        )
        raise


async def visible(call: Call) -> Look:
    """The group of the path between two events. Raises Rejected where there is none that the caller may see."""
    look = await call.daemon.inbox.look(call.id, call.caller.scope)
    if look is None:
        raise nothing(call.id)
    return look._replace(sight=told(look.sight, call.caller.scope))


async def _expected(call: Call) -> int | None:
    """The version that If-Match asks for. Raises Rejected for a group that is not there for the caller."""
    stated = _if_match(call)
    if stated == "*":
        await visible(call)
    return stated if isinstance(stated, int) else None


async def _precondition(call: Call) -> int | None:
    """The version that a put may replace; 0 where there must be no group yet, None for any."""
    stated = _if_match(call)
    only_new = call.request.headers.get("If-None-Match")
    if only_new is not None and (only_new.strip() != "*" or stated is not None):
        raise Rejected("bad-request", 'If-None-Match may only be "*" (create, never replace), and not with If-Match')
    if only_new is not None:
        return 0
    if stated == "*" and await call.daemon.inbox.look(call.id, call.caller.scope) is None:
        raise Rejected("stale", f"If-Match asks for version {stated}, but there is no group {call.id}")
    return stated if isinstance(stated, int) else None


def _etag(version: int) -> dict[str, str]:
    return {"ETag": f'"{version}"'}


def _if_match(call: Call) -> int | str | None:
    """The version that If-Match states, `*` for any, None without the header. Raises Rejected."""
    text = call.request.headers.get("If-Match")
    if text is None or text.strip() == "*":
        return None if text is None else "*"
    match = _VERSION.fullmatch(text.strip())
    if match is None:
        raise Rejected("bad-request", f'found If-Match {text[:40]!r}, expected one ETag of the group such as "7", or *')
    return int(match[1])


def _done(found: Answer, call: Call) -> Answer:
    """A change that was made now or before. Raises Rejected for any other."""
    if found.is_outside:
        raise nothing(call.id)
    if found.is_conflict:
        raise Rejected(
            "idempotency-conflict", "another entry of this group has this id; an id names one entry for ever"
        )
    if found.is_stale:
        raise Rejected("stale", f"group {call.id} has another version now; look at it again, then ask with its ETag")
    if found.refused is None:
        return found
    if found.refused.reason == "unknown_group":
        raise nothing(call.id)
    raise Rejected("refused", _told(found.refused, call), reason=found.refused.reason)


def _told(refused: Refused, call: Call) -> str:
    """The book's reason. A token with a scope does not learn of a group that it may not see."""
    if call.caller.scope and refused.reason == "account_in_use":
        return "the current collateral account has been used (VIP FAQ 6): it belongs to another group"
    return str(refused)


def nothing(id_: str) -> Rejected:
    """There is no such group, or none that the caller may see."""
    return Rejected("not-found", f"there is no group {id_}")


async def _off_loop(raw: bytes, work: Callable[[], T]) -> T:
    """Small bodies are read here, large ones in a worker thread."""
    return work() if len(raw) <= INLINE_BYTES else await asyncio.to_thread(work)


def _read_line(raw: bytes, call: Call, at: datetime, products: Mapping[str, Product]) -> Group:
    line = parse(raw)
    id_ = call.id
    problems: list[Problem] = []
    if line.setdefault("id", id_) != id_:
        problems.append(Problem("id", f"found {str(line['id'])[:60]!r}, expected {id_!r} as in the path"))
    group = None
    try:
        group = parse_line(line, at, products)
    except Invalid as e:
        problems += e.problems
    problems += _of_dates(line_problems(line, at), problems)
    if group is not None:
        problems += label_problems(line.get("labels", {})) + contacts.problems(group.contacts)
        problems += _unlike(call.caller, "id", id_) + _unlike(call.caller, "receiving_account", group.receiving_account)
        for account in group.collateral:
            problems += _unlike(call.caller, f"collateral.{account[:60]}", account)
    if problems or group is None:
        raise invalid(problems)
    return group


def _of_dates(found: list[Problem], known: list[Problem]) -> list[Problem]:
    """Dates that cannot be, as far as they are not refused as no dates already."""
    places = {problem.where for problem in known}
    return [problem for problem in found if problem.where not in places]


def _unlike(caller: Caller, where: str, name: str) -> list[Problem]:
    """An id or an account that does not begin as this token's do: so it never learns that somebody else has it."""
    if name.startswith(caller.prefix):
        return []
    return [Problem(where, f"found {name[:60]!r}, expected a name that begins with {caller.prefix!r}", "prefix")]


def _dated(group: Group, day: date) -> Group:
    """The line as put on a day: midnight may pass between reading it and its event."""
    if all(loan.since == day for loan in group.loans):
        return group
    loans = tuple(msgspec.structs.replace(loan, since=day) for loan in group.loans)
    return msgspec.structs.replace(group, loans=loans)


def _read_entry(raw: bytes, key: str | None, now: datetime, kinds: Any) -> tuple[EntryHead, Entry]:
    """The entry and what it states beside its content; its id may come from the header. Raises Rejected."""
    body = parse(raw)
    head_part = {name: body.pop(name) for name in ("id", "at") if name in body}
    if key is not None:
        head_part.setdefault("id", key.removeprefix('"').removesuffix('"'))
    problems: list[Problem] = []
    if key is not None and not is_id(key.removeprefix('"').removesuffix('"')):
        problems.append(Problem("Idempotency-Key", f"found {key[:60]!r}, expected {ID_EXPECTED}"))
    head = read_or_note(EntryHead, head_part, problems)
    entry = read_or_note(kinds, body, problems)
    problems += _of_dates(loan_problems(body.get("loan"), "loan", now), problems)
    if head is not None and head.id is None:
        problems.append(Problem("id", "is missing; state it here or in the header Idempotency-Key"))
    if head is not None and head.at is not None and head.at - now > AHEAD:
        problems.append(Problem("at", f"found {head.at.isoformat()}, which is more than {AHEAD.seconds} s ahead"))
    if problems or head is None or entry is None:
        raise invalid(problems)
    return head, entry


def _digest(head: EntryHead, entry: Entry) -> str:
    """Two entries with one id are the same if they state the same, in any order or spelling of JSON."""
    return hashlib.sha256(msgspec.json.encode((head.at, entry))).hexdigest()


ROUTES = (
    Endpoint("GET", "/v1/groups", list_, READ, (*GROUP_FILTER, LIMIT, AFTER)),
    Endpoint("GET", "/v1/groups/{id}", detail, READ, answers={200: GroupDetail}),
    Endpoint(
        "PUT",
        "/v1/groups/{id}",
        put,
        FEED,
        (DRY_RUN,),
        body=GroupLine,
        answers={200: PutAnswer, 201: PutAnswer},
        headers=("If-Match", "If-None-Match"),
    ),
    Endpoint("DELETE", "/v1/groups/{id}", close, FEED, headers=("If-Match",), name="close_group"),
    Endpoint(
        "POST",
        "/v1/groups/{id}/entries",
        entry,
        FEED,
        (DRY_RUN,),
        body=Annotated[Entry, With(EntryHead)],
        answers={200: EntryAnswer},
        headers=("If-Match", "Idempotency-Key"),
        name="apply_entry",
    ),
    Endpoint(
        "POST",
        "/v1/groups/{id}/calls",
        say_of_call,
        OPERATE,
        (DRY_RUN,),
        body=Annotated[OfCall, With(EntryHead)],
        answers={200: EntryAnswer},
        headers=("If-Match", "Idempotency-Key"),
        name="tell_of_call",
    ),
)
