"""The audit record: who changed what and when."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.core.text import stamp
from monitor.stores._base import Audit
from monitor.web.auth import ADMIN
from monitor.web.http import AFTER_NUMBER, LIMIT, Rejected
from monitor.web.site import Call, Endpoint


class AuditItem(msgspec.Struct, frozen=True):
    """Who changed what and when, with the state before and after."""

    cursor: int
    at: str
    who: str
    action: str
    subject: str
    before: Any
    after: Any


class AuditList(msgspec.Struct, frozen=True):
    """The audit record, oldest first."""

    items: list[AuditItem]
    next: int | None


async def audit(call: Call) -> AuditList:
    """Who changed what."""
    after = call.query.number("after")
    limit = call.query.number("limit")
    call.query.done()
    if call.caller.scope:
        raise Rejected("forbidden", "the audit record is the whole desk's; a token with a scope cannot read it")
    found = await call.daemon.store.audits(after, limit + 1)
    items = [_item(cursor, entry) for cursor, entry in found[:limit]]
    return AuditList(items, items[-1].cursor if len(found) > limit else None)


def _item(cursor: int, a: Audit) -> AuditItem:
    return AuditItem(cursor, stamp(a.at), a.who, a.action, a.subject, a.before, a.after)


ROUTES = (Endpoint("GET", "/v1/audit", audit, ADMIN, (AFTER_NUMBER, LIMIT)),)
