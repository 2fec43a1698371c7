"""Who is on duty, and which critical alerts people are asked about."""

from __future__ import annotations

import asyncio

import msgspec

from monitor.core.groups.watcher_states import OpenEscalation
from monitor.core.rules.duty import Rota, Shift
from monitor.core.text import stamp, stamp_or_none
from monitor.web.auth import READ
from monitor.web.site import Call, Endpoint


class ShiftItem(msgspec.Struct, frozen=True):
    """Somebody's time on duty; `until` is null where nobody else comes."""

    person: str
    since: str
    until: str | None


class RotaItem(msgspec.Struct, frozen=True):
    """A rota: who is on duty now, and who comes next."""

    name: str
    time_zone: str
    people: list[str]
    now: ShiftItem
    next: ShiftItem | None


class RotaList(msgspec.Struct, frozen=True):
    """All rotas, as they are configured."""

    items: list[RotaItem]


class AnswerItem(msgspec.Struct, frozen=True):
    """Somebody has an alert in hand."""

    by: str
    at: str
    note: str


class EscalationItem(msgspec.Struct, frozen=True):
    """A critical alert that people are asked about. `due`: when the next step comes, null where none does."""

    escalation: str
    alert: str
    alert_type: str
    subject: str
    since: str
    step: int
    due: str | None
    asked: list[str]
    answers: list[AnswerItem]


class EscalationList(msgspec.Struct, frozen=True):
    """Escalations that are open, in the order in which they began."""

    items: list[EscalationItem]


async def rota(call: Call) -> RotaList:
    """Who is on duty now and next."""
    at = call.daemon.clock.utc()
    return RotaList([_rota(each, each.on_duty(at), each.next_after(at)) for each in call.daemon.rules().duty.rotas])


async def escalations(call: Call) -> EscalationList:
    """Critical alerts that people are asked about."""
    seen = await asyncio.to_thread(lambda: [each for each in call.daemon.view.escalations if _may_see(call, each)])
    return EscalationList([_item(each) for each in seen])


def _may_see(call: Call, one: OpenEscalation) -> bool:
    """It began with an alert that the caller may see, and its answers are about a group that is still the caller's."""
    if not call.caller.scope:
        return True
    if one.group is None or not call.caller.sees(one.group.labels):
        return False
    now = call.daemon.view.sight(one.group.id)
    return now is not None and call.caller.sees(now.group.labels)


def _rota(rota: Rota, now: Shift, following: Shift | None) -> RotaItem:
    after = None if following is None else _shift(following)
    return RotaItem(rota.name, rota.time_zone, list(rota.people), _shift(now), after)


def _shift(shift: Shift) -> ShiftItem:
    return ShiftItem(shift.person, stamp(shift.since), stamp_or_none(shift.until))


def _item(one: OpenEscalation) -> EscalationItem:
    return EscalationItem(
        escalation=one.name,
        alert=one.alert,
        alert_type=one.type,
        subject=one.subject,
        since=stamp(one.since),
        step=one.taken,
        due=stamp_or_none(one.due),
        asked=list(one.asked),
        answers=[AnswerItem(a.by, stamp(a.at), a.note) for a in one.answers],
    )


ROUTES = (
    Endpoint("GET", "/v1/rota", rota, READ),
    Endpoint("GET", "/v1/escalations", escalations, READ),
)
