"""What operators do: acknowledge a stage, silence alerts, and look before at what a silence would hide."""

from __future__ import annotations

import asyncio
import fnmatch
import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated, Any

import msgspec
from aiohttp import web

from monitor.core.alerts.alert import Alert, GroupRef, LoggedAlert
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.matching import Match, covers, takes
from monitor.core.alerts.silences import Acknowledge, Hush, Silence, Unacknowledge, Unsilence, UpTo, hides
from monitor.core.groups.outcome import Sight
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.queries.explain import acknowledged
from monitor.core.queries.inbox import Acted
from monitor.core.refusal import Refused
from monitor.core.schema import Invalid, Pattern, Problem, read
from monitor.core.stages.stages import NORMAL, STAGES, Ack
from monitor.core.text import stamp
from monitor.stores._base import AlertFilter
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.body import parse, read_body
from monitor.web.deskshapes import (
    AckAnswer,
    HiddenAlert,
    HiddenAlerts,
    HiddenGroup,
    HiddenGroups,
    SilenceItem,
    SilencePreview,
)
from monitor.web.http import Parts, answer, listing
from monitor.web.problem import Rejected, invalid
from monitor.web.query import Values, paged_by_name
from monitor.web.resources.alerts import may_see

LOOK_BACK = timedelta(hours=24)
LOOKED_GROUPS = 5000
"""Groups that a preview weighs exactly, the worst first: a quarter of a second in a thread of its own."""
LOOKED_ALERTS = 10_000
NAMED = 100
"""Groups and alerts that a preview lists; their numbers are whole as far as it looked."""
_PAGE = 1000

Text = Annotated[str, Pattern(r"[^\x00-\x1f\x7f]{1,500}", "1 to 500 characters in one line")]


class AckBody(msgspec.Struct, frozen=True):
    """A note for the colleagues, and until when reminders rest; without it as long as the stage lasts."""

    note: Text | None = None
    until: datetime | None = None


class SilenceBody(msgspec.Struct, frozen=True):
    """What is hidden (the grammar of routes), until when, why, and what may be hidden at worst."""

    match: Match
    until: datetime
    reason: Text
    up_to: UpTo | None = None
    even_worse: bool = False

    def __post_init__(self) -> None:
        if self.match == Match():
            raise ValueError("match: states nothing; name a type, a severity, a product, a group or labels")
        glob = self.match.type
        if glob is not None and not any(fnmatch.fnmatchcase(t, glob) for t in CATALOGUE):
            raise ValueError(f"match: no type of alert is like {glob[:60]!r}; a glob is such as 'loan_group.*'")
        if self.up_to is not None and self.even_worse:
            raise ValueError('state either "up_to" or "even_worse"')


class OperateApi:
    """Handlers of acknowledgements and silences."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def acknowledge(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """POST /v1/alerts/{id}/ack"""
        body = _read(AckBody, await read_body(request))
        alert = await self._alert(request, caller)
        if alert.group is None or alert.stage_to in (None, NORMAL):
            raise Rejected(
                "refused", f"alert {alert.id} tells of no stage of a group: nothing reminds of it", reason="no_stage"
            )
        act = Acknowledge(
            alert.group.id, alert.episode, str(alert.stage_to), alert.id, body.note or "", body.until
        )  # fmt: skip
        acted = _done(await self._parts.inbox.act(act, caller.name, act.group))
        assert isinstance(acted.after, Ack)
        return answer(AckAnswer(alert.id, act.group, acknowledged(acted.after)))

    async def unacknowledge(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """DELETE /v1/alerts/{id}/ack"""
        alert = await self._alert(request, caller)
        if alert.group is not None:
            act = Unacknowledge(alert.group.id, alert.id)
            _done(await self._parts.inbox.act(act, caller.name, act.group))
        return web.Response(status=204)

    async def silences(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/silences"""
        values = Values(request, query.SILENCES)
        after, limit = values.cursor(), values.number("limit")
        values.done()
        mine = {s.said.id: s for s in self._parts.view.silences if _is_within(caller, s.said.match)}
        page, cursor = paged_by_name(sorted(mine), after, limit)
        return answer(listing([msgspec.json.encode(_shown(mine[id_])) for id_ in page], cursor))

    async def silence(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """POST /v1/silences"""
        values = Values(request, query.SILENCE)
        is_preview = values.choice("preview") == "true"
        values.done()
        body = _read(SilenceBody, await read_body(request))
        if not _is_within(caller, body.match):
            labels = ", ".join(f"{key} = {value!r}" for key, value in caller.scope)
            raise Rejected("forbidden", f"the match of this token's silences must state its labels: {labels}")
        id_ = f"sil_{secrets.token_hex(8)}"
        said = Hush(id_, body.match, body.until, body.reason, body.up_to, body.even_worse)
        if is_preview:
            return answer(await self._preview(said, caller))
        acted = _done(await self._parts.inbox.act(said, caller.name, id_))
        assert isinstance(acted.after, Silence)
        return answer(_shown(acted.after), 201, {"Location": f"/v1/silences/{id_}"})

    async def unsilence(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """DELETE /v1/silences/{id}"""
        id_ = request.match_info["id"]
        found = next((s for s in self._parts.view.silences if s.said.id == id_), None)
        if found is None or not _is_within(caller, found.said.match):
            raise Rejected("not-found", f"there is no silence {id_} in force")
        _done(await self._parts.inbox.act(Unsilence(id_), caller.name, id_))
        return web.Response(status=204)

    async def _alert(self, request: web.Request, caller: Caller) -> Alert:
        id_ = request.match_info["id"]
        logged = await self._parts.store.alert(id_)
        if logged is None or not may_see(caller, logged.alert):
            raise Rejected("not-found", f"there is no alert {id_}")
        return logged.alert

    async def _preview(self, said: Hush, caller: Caller) -> SilencePreview:
        groups = await asyncio.to_thread(self._open_groups, said, caller)
        return SilencePreview(groups, await self._recent(said, caller))

    def _open_groups(self, said: Hush, caller: Caller) -> HiddenGroups:
        """The groups in a bad stage that a silence is about, and up to which stage it would hide them."""
        wanted = GroupQuery(
            stages=frozenset(STAGES) - {NORMAL}, limit=_PAGE,
            products=frozenset([said.match.product]) if said.match.product is not None else frozenset(),
        )  # fmt: skip
        found: list[HiddenGroup] = []
        looked, is_whole = 0, False
        while looked < LOOKED_GROUPS and not is_whole:
            page = self._parts.view.groups(wanted, caller.scope)
            found += [_hidden_group(said, s) for s in page.rows if covers(said.match, _ref(s))]
            looked += len(page.rows)
            is_whole = page.next is None
            wanted = msgspec.structs.replace(wanted, after=page.next)
        return HiddenGroups(len(found), found[:NAMED], is_whole)

    async def _recent(self, said: Hush, caller: Caller) -> HiddenAlerts:
        """Alerts of the last day that a silence is about: those that it would have hidden, and those that it would not."""
        wanted = AlertFilter(since=self._parts.clock.utc() - LOOK_BACK, limit=_PAGE)
        hidden: list[LoggedAlert] = []
        told, is_whole = 0, False
        for _ in range(LOOKED_ALERTS // _PAGE):
            page = await self._parts.store.alerts(wanted)
            mine = [x for x in page if may_see(caller, x.alert) and takes(said.match, x.alert)]
            stages = await asyncio.to_thread(self._stages, {x.alert.subject for x in mine if x.alert.group is not None})
            now = [x for x in mine if hides(said, x.alert, stages.get(x.alert.subject, NORMAL))]
            hidden += now
            told += len(mine) - len(now)
            if len(page) < _PAGE:
                is_whole = True
                break
            wanted = msgspec.structs.replace(wanted, after=page[-1].cursor)
        types = Counter(x.alert.type for x in hidden)
        return HiddenAlerts(len(hidden), told, dict(types), [_hidden_alert(x) for x in hidden[-NAMED:]], is_whole)

    def _stages(self, groups: Iterable[str]) -> dict[str, str]:
        states = {id_: self._parts.view.state(id_) for id_ in groups}
        return {id_: state.stage for id_, state in states.items() if state is not None}


def _read(cls: type[Any], raw: bytes) -> Any:
    try:
        return read(cls, parse(raw or b"{}"))
    except Invalid as e:
        raise invalid(e.problems) from None


def _done(acted: Acted) -> Acted:
    """An act that was done. Raises Rejected for one that was refused."""
    refused: Refused | None = acted.refused
    if refused is None:
        return acted
    if refused.reason == "unknown_silence":
        raise Rejected("not-found", str(refused))
    if refused.reason == "bad_until":
        raise invalid([Problem("until", str(refused))])
    raise Rejected("refused", str(refused), reason=refused.reason)


def _is_within(caller: Caller, match: Match) -> bool:
    """A token with a scope silences, and sees silenced, what has its labels and nothing else."""
    return all(match.labels.get(key) == value for key, value in caller.scope)


def _ref(sight: Sight) -> GroupRef:
    g = sight.group
    return GroupRef(g.id, g.product, g.receiving_account, g.labels)


def _hidden_group(said: Hush, sight: Sight) -> HiddenGroup:
    stage = sight.state.stage
    worst = "liquidation" if said.even_worse else said.up_to or stage
    return HiddenGroup(sight.group.id, sight.group.product, stage, worst)


def _hidden_alert(logged: LoggedAlert) -> HiddenAlert:
    a = logged.alert
    return HiddenAlert(a.id, logged.cursor, a.type, a.severity, a.subject, stamp(a.at))


def _shown(silence: Silence) -> SilenceItem:
    said = silence.said
    return SilenceItem(
        said.id, said.match, stamp(said.until), said.reason, said.up_to, said.even_worse, silence.by, stamp(silence.at)
    )
