"""How a request is read, and how a failure is answered.

Queries and bodies are read strictly: an unknown key and a key that stands there twice are refused, and one answer names
every problem. It is a problem of RFC 9457: what is wrong, where, and what to do about it. Never a stack trace.
"""

from __future__ import annotations

import asyncio
import difflib
import json
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec
from aiohttp import web
from multidict import MultiMapping

from monitor.control_characters import control_in, unbroken, visible
from monitor.core.portfolio.snapshot import LABEL_PREFIX
from monitor.core.schema import Problem, instant, read
from monitor.notifiers._base import one_line

T = TypeVar("T")

MAX_BYTES = 1_000_000
"""A group of 50 accounts and hundreds of coins is 100 kB; ten times that is room enough."""
READ_TIMEOUT_S = 15
"""A body of 1 MB over a bad line; a peer that is slower holds the connection on purpose."""
INLINE_BYTES = 16_384
"""A worker thread reads larger bodies: 1 MB of JSON takes longer to check than a tick may wait."""
MAX_LIMIT = 1000
DEFAULT_LIMIT = 100
MAX_CURSOR = 600
"""Characters; a cursor holds a sort key and an id of at most 128, and a request's first line 8 kB."""
PROBLEM_MEDIA = "application/problem+json"

KINDS: Mapping[str, tuple[int, str]] = {
    "bad-request": (400, "The request cannot be understood"),
    "bad-query": (400, "The query has keys or values that are not known"),
    "bad-cursor": (400, "The cursor is not one of this list"),
    "bad-json": (400, "The body is not JSON as it is expected here"),
    "unauthorized": (401, "A token is needed"),
    "forbidden": (403, "The token does not permit this"),
    "foreign-host": (403, "The Host header names another machine"),
    "cross-origin": (403, "The request comes from another site"),
    "not-found": (404, "There is no such thing"),
    "method-not-allowed": (405, "The path does not take this method"),
    "timeout": (408, "The body did not arrive in time"),
    "refused": (409, "The book does not allow it"),
    "stale": (412, "The group has changed since"),
    "too-large": (413, "The body is too large"),
    "invalid": (422, "The body does not say what is expected"),
    "idempotency-conflict": (422, "Another entry has this id already"),
    "too-many-failures": (429, "Too many attempts failed"),
    "quota": (429, "The token has used up its share"),
    "internal": (500, "The monitor failed to answer"),
    "store-unavailable": (503, "The store cannot be used now"),
    "standby": (503, "Another daemon of the desk answers"),
    "sign-in-unavailable": (503, "The provider of sign-ins cannot be asked"),
    "busy": (503, "Too many ask for the whole book"),
    "too-many-streams": (503, "Too many streams are open"),
    "too-many-connections": (503, "Too many connections are open"),
}
"""By the last part of `type`: HTTP status and title."""


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error of this API. `errors` names every place that is wrong; `reason` is the book's, for programs.

    `retry_after_s`: whole seconds after which to ask again, as the header Retry-After says too.
    """

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, str]] | None = None
    reason: str | None = None
    retry_after_s: int | None = None


class Rejected(Exception):
    """A request that is answered with a problem."""

    def __init__(
        self,
        kind: str,
        detail: str,
        *,
        problems: Iterable[Problem] = (),
        reason: str | None = None,
        headers: Mapping[str, str] | None = None,
        after_s: float | None = None,
    ) -> None:
        """`after_s`: when to ask again; the answer says it in whole seconds."""
        super().__init__(detail)
        self.kind = kind
        self.detail = detail
        self.reason = reason
        self.problems = tuple(problems)
        self.after_s = None if after_s is None else max(1, math.ceil(after_s))
        wait = {} if self.after_s is None else {"Retry-After": str(self.after_s)}
        self.headers = {**wait, **(headers or {})}

    def response(self, instance: str) -> web.Response:
        """The answer to the request for `instance` (its path)."""
        status, title = KINDS[self.kind]
        errors = [{"where": p.where, "what": p.what} for p in self.problems] or None
        body = ProblemDetails(
            f"urn:loan-monitor:{self.kind}",
            title,
            status,
            self.detail,
            instance,
            errors,
            self.reason,
            self.after_s,
        )
        raw = msgspec.json.encode(body)
        return web.Response(body=raw, status=status, content_type=PROBLEM_MEDIA, headers=self.headers)


def json_response(body: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> web.Response:
    """An answer of this API."""
    raw = msgspec.json.encode(body)
    return web.Response(body=raw, status=status, content_type="application/json", headers=headers)


def invalid(problems: Iterable[Problem], kind: str = "invalid") -> Rejected:
    """A refusal that names all that is wrong with a body or a query."""
    listed = tuple(problems)
    return Rejected(kind, "; ".join(map(str, listed))[:2000], problems=listed)


def bad_cursor() -> Rejected:
    """The cursor of another list, or of none."""
    return Rejected("bad-cursor", "after is not a cursor of this list; start without one")


async def read_body(request: web.Request) -> bytes:
    """The body. Raises Rejected when it is too large or too slow."""
    try:
        async with asyncio.timeout(READ_TIMEOUT_S):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Rejected("too-large", f"the body may have {MAX_BYTES} bytes", headers={"Connection": "close"}) from None
    except TimeoutError:
        raise Rejected("timeout", f"the body did not arrive within {READ_TIMEOUT_S} s") from None
    except (web.RequestPayloadError, ConnectionError) as e:
        raise unreadable(e) from None


async def check_no_body(request: web.Request, keys: Sequence[str]) -> None:
    """Raises Rejected for a body that says something where none is taken: it would be silently ignored.

    `keys` are those of the query, where the caller may have meant to say it.
    """
    remedy = f"; the query takes {', '.join(keys)}" if keys else ""
    try:
        raw = await read_body(request)
    except Rejected as e:
        raise Rejected("bad-request", f"this takes no body{remedy}", headers=e.headers) from None
    if (said := raw.strip()) not in _NOTHING:
        shown = said[:60].decode("utf-8", "replace")
        raise Rejected("bad-request", f"found the body {shown!r}, and this takes none; leave it out{remedy}")


_NOTHING = (b"", b"{}", b"null")
"""Bodies that clients send where they have nothing to say."""


def unreadable(error: Exception) -> Rejected:
    """A body that breaks the rules of HTTP (wrong chunks, another compression than it says), or whose sender left."""
    return Rejected(
        "bad-request", f"the body cannot be read: {one_line(str(error), 120)}", headers={"Connection": "close"}
    )


def read_as(kind: type[T], raw: bytes) -> T:
    """The body as a struct. Raises Rejected, or schema.Invalid with every problem."""
    return read(kind, parse(raw))


def parse(raw: bytes) -> dict[str, Any]:
    """The JSON object of a body. Raises Rejected for anything else, for a key that stands there twice, and for texts with
    control characters; the lines of a note or a reason become one."""
    try:
        msgspec.json.decode(raw)  # strict where json is not: no lone surrogates, no NaN
        value = json.loads(raw, object_pairs_hook=_once, parse_constant=_no_constant)
    except RecursionError:
        raise Rejected("bad-json", "the body is nested too deeply") from None
    except _Twice as e:
        raise Rejected("bad-json", f"the key {e.key!r} appears twice in one object; say it once") from None
    except (msgspec.DecodeError, ValueError) as e:
        raise Rejected("bad-json", f"the body is not JSON: {str(e)[:200]}") from None
    if not isinstance(value, dict):
        raise Rejected("bad-json", f"the body is a JSON {_kind(value)}, an object is expected")
    _join_lines(value)
    if isinstance(lever := value.get("lever"), dict):
        _join_lines(lever)
    if raw.isascii() and b"\\" not in raw and b"\x7f" not in raw:
        return value  # nearly always: no text of it can hold a control character
    if problems := list(_controls(value, "")):
        raise invalid(problems)
    return value


def _join_lines(part: dict[str, Any]) -> None:
    for key in _NOTES & part.keys():
        if isinstance(part[key], str):
            part[key] = unbroken(part[key])


_NOTES = {"note", "reason"}
"""What people write in more than one line; a list, a mail and a log show it in one."""


def _controls(value: object, where: str) -> Iterator[Problem]:
    """The texts of a body that would command a terminal, or begin a line of a mail or a log, each with its place."""
    if isinstance(value, str):
        if (control := control_in(value)) is not None:
            what = f"found {visible(value[:60])!r} with the control character {control}; take it out"
            yield Problem(where, what, "control_character")
    elif isinstance(value, dict):
        for key, each in value.items():
            place = f"{where}.{visible(key[:60])}" if where else visible(key[:60])
            yield from _controls(key, place)
            yield from _controls(each, place)
    elif isinstance(value, list):
        for i, each in enumerate(value):
            yield from _controls(each, f"{where}[{i}]")


class _Twice(Exception):
    """A key that appears twice would hide one of two orders."""

    def __init__(self, key: str) -> None:
        super().__init__(key)
        self.key = key[:100]


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _Twice(key)
            seen.add(key)
    return found


def _no_constant(text: str) -> Any:
    raise ValueError(f"{text} is not JSON")


def _kind(value: object) -> str:
    return "list" if isinstance(value, list) else "text" if isinstance(value, str) else "value"


_TEXT: Mapping[str, Any] = {"type": "string"}


def one_of(values: Sequence[str]) -> dict[str, Any]:
    """The schema of a choice."""
    return {"type": "string", "enum": list(values)}


def whole_number(low: int, high: int, default: int) -> dict[str, Any]:
    """The schema of a whole number."""
    return {"type": "integer", "minimum": low, "maximum": high, "default": default}


class With(NamedTuple):
    """Annotates a union of structs whose bodies have the keys of another struct too."""

    head: type[msgspec.Struct]


class Param(NamedTuple):
    """A query key: for the reader and for the OpenAPI document."""

    name: str
    about: str
    schema: Mapping[str, Any] = _TEXT
    many: bool = False
    """May be said more than once: any of the values."""
    required: bool = False


LIMIT = Param("limit", f"How many items, 1 to {MAX_LIMIT}.", whole_number(1, MAX_LIMIT, DEFAULT_LIMIT))
AFTER = Param("after", "The `next` of the page before.", {"type": "string", "minLength": 1, "maxLength": MAX_CURSOR})
AFTER_NUMBER = Param(
    "after",
    "Items after this cursor. A token with a scope sends the `next` of the page before.",
    {
        "anyOf": [
            {"type": "integer", "minimum": 0, "maximum": 2**63 - 1},
            {"type": "string", "pattern": "^[A-Za-z0-9_-]{32,600}$"},
        ],
        "default": 0,
    },
)
GLOB: Mapping[str, Any] = {"type": "string", "minLength": 1, "examples": ["loan_group.*"]}
NEWEST = Param("order", "`newest`: the newest first, and `after` goes on to older ones.", one_of(("oldest", "newest")))


class Query:
    """The query of one request. Each reader notes what is wrong; `done` raises it all at once."""

    def __init__(self, values: MultiMapping[str], known: Sequence[Param]) -> None:
        self._values = values
        self._known = {p.name: p for p in known}
        self._problems: list[Problem] = []
        for key in dict.fromkeys(self._values):
            self._check(key)

    def done(self) -> None:
        """Raises Rejected with every problem found."""
        if self._problems:
            raise invalid(self._problems, "bad-query")

    def wrong(self, key: str, found: str, expected: str, options: Sequence[str] = ()) -> None:
        """Notes a value that is not one of those expected, and names the nearest option."""
        near = difflib.get_close_matches(found, options, 1)
        hint = f" (did you mean {near[0]!r}?)" if near else ""
        self._problems.append(Problem(key, f"found {found[:60]!r}, expected {expected}{hint}"))

    def text(self, key: str) -> str | None:
        """The value as it is, or None."""
        return self._values.get(key)

    def texts(self, key: str) -> list[str]:
        """All values of a key that may be said more than once."""
        return list(self._values.getall(key, []))

    def choice(self, key: str) -> str | None:
        """One of the values that the key's schema lists, or None."""
        return next(iter(self.choices(key)), None)

    def required(self, key: str) -> str:
        """One of the values that the key's schema lists; a missing one is noted."""
        if key not in self._values:
            listed = ", ".join(self._known[key].schema["enum"])
            self._problems.append(Problem(key, f"is missing; expected one of {listed}"))
        return self.choice(key) or ""

    def choices(self, key: str) -> list[str]:
        """All values of the key, each one that its schema lists."""
        options = self._known[key].schema["enum"]
        for value in self.texts(key):
            if value not in options:
                self.wrong(key, value, "one of " + ", ".join(options), options)
        return self.texts(key)

    def some_of(self, key: str, options: Sequence[str]) -> frozenset[str]:
        """A list separated by commas; all options where the key is absent."""
        text = self._values.get(key)
        if text is None:
            return frozenset(options)
        expected = "some of " + ",".join(options)
        found = [p.strip() for p in text.split(",") if p.strip()]
        for one in found:
            if one not in options:
                self.wrong(key, one, expected, options)
        if not found:
            self.wrong(key, text, expected)
        return frozenset(found)

    def number(self, key: str) -> int:
        """A whole number within the key's schema, or its default."""
        schema = self._known[key].schema
        limits = next(iter(schema.get("anyOf", [schema])))
        low, high = limits["minimum"], limits["maximum"]
        text = self._values.get(key)
        if text is None:
            return int(schema["default"])
        if not (text.isascii() and text.isdigit() and len(text) <= 19 and low <= int(text) <= high):
            self.wrong(key, text, f"a whole number from {low}" + (f" to {high}" if high < 2**63 - 1 else ""))
            return int(schema["default"])
        return int(text)

    def page(self) -> tuple[str | None, int]:
        """The cursor to go on after, and how many items. The list that gave the cursor checks it."""
        return self.cursor(), self.number("limit")

    def cursor(self) -> str | None:
        """The cursor to go on after."""
        text = self._values.get("after")
        if text is not None and not 1 <= len(text) <= MAX_CURSOR:
            self.wrong("after", text, "the `next` of the page before")
            return None
        return text

    def time(self, key: str) -> datetime | None:
        """A time with its zone, or None."""
        text = self._values.get(key)
        try:
            return None if text is None else instant(text)
        except ValueError as e:
            self.wrong(key, str(text), str(e))
            return None

    def labels(self) -> tuple[tuple[str, str], ...]:
        """The labels that are asked for, each once."""
        found = [key for key in dict.fromkeys(self._values) if self._is_label(key)]
        return tuple((key.removeprefix(LABEL_PREFIX), self._values[key]) for key in found)

    def _is_label(self, key: str) -> bool:
        return "label.*" in self._known and key.startswith(LABEL_PREFIX) and len(key) > len(LABEL_PREFIX)

    def _check(self, key: str) -> None:
        param = self._known.get(key)
        if param is None and not self._is_label(key):
            near = difflib.get_close_matches(key, list(self._known), 1)
            hint = f"did you mean {near[0]!r}?" if near else "known here: " + (", ".join(self._known) or "none")
            self._problems.append(Problem(key[:100], f"unknown query key; {hint}"))
        elif len(self._values.getall(key)) > 1 and not (param and param.many):
            self._problems.append(Problem(key[:100], "is said more than once"))


def paged_by_name(items: Mapping[str, T], after: str | None, limit: int) -> tuple[list[T], str | None]:
    """A page of items by name, and the name after which the next page begins or None."""
    names = sorted(name for name in items if after is None or name > after)
    page = names[:limit]
    return [items[name] for name in page], page[-1] if len(names) > limit else None


def encoded(texts: Iterable[bytes]) -> Any:
    """Items of a list that were encoded before, once for all who ask: the answer holds them as they are."""
    return [msgspec.Raw(text) for text in texts]


def age_s(at: datetime | None, now: datetime) -> float | None:
    """Seconds since a time, never below 0."""
    return None if at is None else round(max((now - at).total_seconds(), 0.0), 3)
