"""Errors as RFC 9457 problem details: what is wrong, where, and what to do about it. Never a stack trace."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from aiohttp import web

from monitor.core.schema import Problem

CONTENT_TYPE = "application/problem+json"

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
    "internal": (500, "The monitor failed to answer"),
    "store-unavailable": (503, "The store cannot be used now"),
    "busy": (503, "Too many ask for the whole book"),
    "too-many-streams": (503, "Too many streams are open"),
}
"""By the last part of `type`: HTTP status and title."""


class ProblemDetails(msgspec.Struct, frozen=True, omit_defaults=True):
    """An error of this API. `errors` names every place that is wrong; `reason` is the book's, for programs."""

    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[dict[str, str]] | None = None
    reason: str | None = None


class Rejected(Exception):
    """A request is answered with a problem."""

    def __init__(
        self, kind: str, detail: str, *, problems: Iterable[Problem] = (), reason: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:  # fmt: skip
        super().__init__(detail)
        self.kind, self.detail, self.reason = kind, detail, reason
        self.problems = tuple(problems)
        self.headers = dict(headers or {})


def invalid(problems: Iterable[Problem], kind: str = "invalid") -> Rejected:
    """All that is wrong with a body or a query, in one answer."""
    listed = tuple(problems)
    return Rejected(kind, "; ".join(map(str, listed))[:2000], problems=listed)


def response(rejected: Rejected, instance: str) -> web.Response:
    """The answer to the request for `instance` (its path)."""
    status, title = KINDS[rejected.kind]
    errors = [{"where": p.where, "what": p.what} for p in rejected.problems] or None
    body: Any = ProblemDetails(
        f"urn:loan-monitor:{rejected.kind}", title, status, rejected.detail, instance, errors, rejected.reason
    )
    return web.Response(
        body=msgspec.json.encode(body), status=status, content_type=CONTENT_TYPE, headers=rejected.headers
    )
