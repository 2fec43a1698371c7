"""The audit record: who changed what and when."""

from __future__ import annotations

from typing import Any

import msgspec

from monitor.core.alerts.alert_type import TIME
from monitor.core.text import stamp
from monitor.stores._base import Audit, AuditFilter
from monitor.web.auth import ADMIN
from monitor.web.http import AFTER_NUMBER, LIMIT, NEWEST, Param, Rejected
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
    """A page of the audit record. `head` is the last record of all."""

    items: list[AuditItem]
    next: int | None
    head: AuditHeadItem


class AuditHeadItem(msgspec.Struct, frozen=True):
    """The last record: keep it elsewhere, and `monitor audit verify --head` shows that nothing up to there is gone."""

    number: int
    digest: str


async def audit(call: Call) -> AuditList:
    """Who changed what."""
    query = call.query
    wanted = AuditFilter(
        after=query.number("after"),
        limit=query.number("limit"),
        who=query.text("who"),
        action=query.text("action"),
        subject=query.text("subject"),
        since=query.time("since"),
        until=query.time("until"),
        newest_first=query.choice("order") == "newest",
    )
    query.done()
    if call.caller.scope:
        raise Rejected("forbidden", "the audit record is the whole desk's; a token with a scope cannot read it")
    head = await call.daemon.store.audit_head()
    found = await call.daemon.store.audit_page(msgspec.structs.replace(wanted, limit=wanted.limit + 1))
    items = [_item(cursor, entry) for cursor, entry in found[: wanted.limit]]
    following = items[-1].cursor if len(found) > wanted.limit else None
    return AuditList(items, following, AuditHeadItem(head.number, head.digest.hex()))


def _item(cursor: int, a: Audit) -> AuditItem:
    return AuditItem(cursor, stamp(a.at), a.who, a.action, a.subject, a.before, a.after)


ROUTES = (
    Endpoint(
        "GET",
        "/v1/audit",
        audit,
        ADMIN,
        (
            Param("who", "Only what this token, person, or `signal` did."),
            Param("action", "Only these acts; may be a glob, such as `*endpoint`."),
            Param("subject", "Only what was done to this."),
            Param("since", "Only from this time on.", TIME),
            Param("until", "Only before this time.", TIME),
            NEWEST,
            AFTER_NUMBER,
            LIMIT,
        ),
    ),
)
