"""The alert log, one alert, and its acknowledgement."""

from __future__ import annotations

import asyncio
import fnmatch
from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, NoReturn, cast

import msgspec

from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.alert_type import CRITICAL, INFO, TIME, WARNING
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.payload import AckShown, AlertItem, acknowledged
from monitor.core.alerts.silences import Acknowledge, Unacknowledge
from monitor.core.queries.inbox import Acted
from monitor.core.schema import Pattern, Problem
from monitor.core.stages.stages import NORMAL, Ack
from monitor.stores._base import AlertFilter
from monitor.web.alert_log import may_see
from monitor.web.auth import OPERATE, READ
from monitor.web.borrowers import check_filter
from monitor.web.http import (
    AFTER_NUMBER,
    GLOB,
    LIMIT,
    NEWEST,
    Param,
    Query,
    Rejected,
    encoded,
    invalid,
    one_of,
    read_as,
    read_body,
)
from monitor.web.site import Call, Endpoint

Text = Annotated[str, Pattern(r"[^\x00-\x1f\x7f]{1,500}", "1 to 500 characters in one line")]


class AlertList(msgspec.Struct, frozen=True):
    """Alerts, oldest first, or newest first where that was asked."""

    items: list[AlertItem]
    next: int | str | None


class AckBody(msgspec.Struct, frozen=True):
    """A note for the colleagues, and until when reminders rest; without it as long as the stage lasts."""

    note: Text | None = None
    until: datetime | None = None


class AckAnswer(msgspec.Struct, frozen=True):
    """What was acknowledged."""

    alert: str
    group: str
    acknowledged: AckShown


async def alerts(call: Call) -> AlertList:
    """The alert log, oldest or newest first."""
    query = call.query
    wanted = AlertFilter(
        after=query.number("after"),
        group=query.text("group"),
        type=_type_glob(query),
        severity=query.choice("severity"),
        limit=query.number("limit"),
        since=query.time("from"),
        until=query.time("to"),
        newest_first=query.choice("order") == "newest",
    )
    labels = query.labels()
    query.done()
    check_filter(call.caller, call.daemon.public_labels(), labels)
    found, cursor = await call.site.alert_log.page(wanted, call.caller, labels)
    return AlertList(encoded(await _texts(call, found)), cursor)


async def alert(call: Call) -> AlertItem:
    """One alert."""
    (item,) = encoded(await _texts(call, [await visible(call)]))
    return cast(AlertItem, item)


async def acknowledge(call: Call) -> AckAnswer:
    """Acknowledges the stage that an alert told of: its reminders rest."""
    body = read_as(AckBody, await read_body(call.request) or b"{}")
    alert = (await in_hand(call)).alert
    if alert.group is None or alert.stage_to is None or alert.stage_to == NORMAL:
        detail = f"alert {alert.id} tells of no stage of a group: nothing reminds of it"
        raise Rejected("refused", detail, reason="no_stage")
    act = Acknowledge(alert.group.id, alert.episode, alert.stage_to, alert.id, body.note or "", body.until)
    acted = done(await call.daemon.inbox.act(act, call.caller.name, act.group, call.caller.scope))
    assert isinstance(acted.after, Ack)
    return AckAnswer(alert.id, act.group, acknowledged(acted.after))


async def unacknowledge(call: Call) -> None:
    """Takes an acknowledgement back."""
    alert = (await in_hand(call)).alert
    if alert.group is not None:
        act = Unacknowledge(alert.group.id, alert.id)
        done(await call.daemon.inbox.act(act, call.caller.name, act.group, call.caller.scope))


_UNKNOWN = frozenset(f"unknown_{what}" for what in ("silence", "asset", "decision", "lever", "proposal", "group"))


def done(acted: Acted) -> Acted:
    """An operator's act that was done. Raises Rejected for one that was refused."""
    refused = acted.refused
    if refused is None:
        return acted
    if refused.reason in _UNKNOWN:
        raise Rejected("not-found", str(refused), reason=refused.reason)
    if refused.reason == "bad_until":
        raise invalid([Problem("until", str(refused))])
    raise Rejected("refused", str(refused), reason=refused.reason)


def _type_glob(query: Query) -> str | None:
    """A type of alert or a glob that some type matches."""
    text = query.text("type")
    if text is not None and not any(fnmatch.fnmatchcase(t, text) for t in CATALOGUE):
        query.wrong("type", text, "a type of alert or a glob such as 'loan_group.*'", list(CATALOGUE))
    return text


async def visible(call: Call) -> LoggedAlert:
    """The alert of the path. Raises Rejected where there is none that the caller may see."""
    logged = await call.daemon.store.alert(call.id)
    return logged if logged is not None and may_see(call.caller, logged.alert) else _nothing(call)


async def in_hand(call: Call) -> LoggedAlert:
    """The alert of the path, which the caller may act on: one that it may see, or one about a group that is its own now."""
    logged = await call.daemon.store.alert(call.id)
    group = logged.alert.group if logged is not None else None
    if logged is not None and group is not None and call.caller.scope and not may_see(call.caller, logged.alert):
        return logged if await call.daemon.inbox.look(group.id, call.caller.scope) is not None else _nothing(call)
    return logged if logged is not None and may_see(call.caller, logged.alert) else _nothing(call)


def _nothing(call: Call) -> NoReturn:
    raise Rejected("not-found", f"there is no alert {call.id}")


async def _texts(call: Call, alerts: Sequence[LoggedAlert]) -> list[bytes]:
    """Alerts as they were raised, each with who has its stage in hand now."""
    texts = await call.site.alert_log.texts(alerts, call.caller)
    return await asyncio.to_thread(
        lambda: [_with_ack(call, x.alert, text) for x, text in zip(alerts, texts, strict=True)]
    )


def _with_ack(call: Call, alert: Alert, text: bytes) -> bytes:
    if alert.group is None or alert.stage_to is None or alert.stage_to == NORMAL:
        return text
    state = call.daemon.view.state(alert.group.id)
    if state is None or state.ack is None or call.caller.is_borrower or not call.caller.sees(state.ack.labels):
        return text
    if (state.episode, state.stage) != (alert.episode, alert.stage_to):
        return text
    shown = msgspec.json.decode(text)
    shown["data"]["acknowledged"] = acknowledged(state.ack)
    return msgspec.json.encode(shown)


ROUTES = (
    Endpoint(
        "GET",
        "/v1/alerts",
        alerts,
        READ,
        (
            AFTER_NUMBER,
            Param("from", "Begins with the first alert of this time or later.", TIME),
            Param("to", "Only alerts before this time.", TIME),
            NEWEST,
            Param("group", "Only alerts of this group."),
            Param("label.*", "Only alerts of groups that had this label then: `label.borrower=ACME`."),
            Param("type", "Only alerts of this type; may be a glob such as `loan_group.*`.", GLOB),
            Param("severity", "Only alerts of this severity.", one_of((INFO, WARNING, CRITICAL))),
            LIMIT,
        ),
    ),
    Endpoint("GET", "/v1/alerts/{id}", alert, READ),
    Endpoint("POST", "/v1/alerts/{id}/ack", acknowledge, OPERATE, body=AckBody, body_may_be_absent=True),
    Endpoint("DELETE", "/v1/alerts/{id}/ack", unacknowledge, OPERATE, name="unack_alert"),
)
