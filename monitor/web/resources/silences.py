"""Silences: those in force, a new one, its end, and a look ahead at what one would hide."""

from __future__ import annotations

import asyncio
import fnmatch
import secrets
from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta

import msgspec

from monitor.core.alerts.alert import GroupRef, LoggedAlert
from monitor.core.alerts.alert_type import Severity
from monitor.core.alerts.catalogue import CATALOGUE
from monitor.core.alerts.matching import Match, covers, takes
from monitor.core.alerts.silences import MakeSilence, Silence, Unsilence, UpTo, hides
from monitor.core.groups.lever_states import OpenProposal
from monitor.core.groups.outcome import Sight
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.stages.stages import NORMAL, STAGES, Stage
from monitor.core.text import stamp
from monitor.stores._base import AlertFilter
from monitor.web.alert_log import may_see
from monitor.web.auth import OPERATE, READ, Caller
from monitor.web.http import AFTER, LIMIT, Param, Rejected, one_of, paged_by_name, read_as, read_body
from monitor.web.resources.alerts import Text, done
from monitor.web.resources.levers import ProposalItem, acted, answered_proposal
from monitor.web.site import Call, Endpoint, Reply

LOOK_BACK = timedelta(hours=24)
LOOKED_GROUPS = 5000
"""Groups that a preview weighs exactly, the worst first: a quarter of a second in a thread of its own."""
LOOKED_ALERTS = 10_000
NAMED = 100
"""Groups and alerts that a preview lists; it counts all that it looked at."""
_PAGE = 1000


class SilenceItem(msgspec.Struct, frozen=True):
    """A silence in force."""

    id: str
    match: Match
    until: str
    reason: str
    up_to: UpTo | None
    even_worse: bool
    by: str
    at: str


class SilenceList(msgspec.Struct, frozen=True):
    """Silences in force, by id."""

    items: list[SilenceItem]
    next: str | None


class HiddenGroup(msgspec.Struct, frozen=True):
    """A group that a silence matches, and the worst stage of it that would be hidden."""

    id: str
    product: str
    stage: Stage
    up_to: UpTo


class HiddenGroups(msgspec.Struct, frozen=True):
    """Groups in a bad stage that a silence matches; the first 100 are listed. `whole`: the preview looked at all."""

    count: int
    items: list[HiddenGroup]
    whole: bool


class HiddenAlert(msgspec.Struct, frozen=True):
    """An alert that a silence would have hidden."""

    id: str
    cursor: int | None
    type: str
    severity: Severity
    subject: str
    timestamp: str


class HiddenAlerts(msgspec.Struct, frozen=True):
    """Alerts of the last 24 hours that match: how many would be `hidden`, and how many `told`, as worse or as good news."""

    hidden: int
    told: int
    types: dict[str, int]
    items: list[HiddenAlert]
    whole: bool


class SilencePreview(msgspec.Struct, frozen=True):
    """What a silence would hide, were it made now. Nothing is made."""

    groups: HiddenGroups
    alerts: HiddenAlerts


class SilenceBody(msgspec.Struct, frozen=True):
    """What is hidden (the grammar of routes), until when, why, and what may be hidden at worst."""

    match: Match
    until: datetime
    reason: Text
    up_to: UpTo | None = None
    even_worse: bool = False
    emergency: Text | None = None
    """Why nobody else can be asked first, where another person must approve a silence of a critical stage."""

    def __post_init__(self) -> None:
        if self.match == Match():
            raise ValueError("match: states nothing; name a type, a severity, a product, a group or labels")
        glob = self.match.type
        if glob is not None and not any(fnmatch.fnmatchcase(t, glob) for t in CATALOGUE):
            raise ValueError(f"match: no type of alert is like {glob[:60]!r}; a glob is such as 'loan_group.*'")
        if self.up_to is not None and self.even_worse:
            raise ValueError('state either "up_to" or "even_worse"')


async def silences(call: Call) -> SilenceList:
    """Silences in force."""
    after, limit = call.query.page()
    call.query.done()
    mine = {s.said.id: s for s in call.daemon.view.silences if _is_within(call.caller, s.said.match)}
    page, cursor = paged_by_name(mine, after, limit)
    return SilenceList([_item(silence) for silence in page], cursor)


async def silence(call: Call) -> SilencePreview | Reply:
    """Hides the deliveries of what matches, but nothing worse than what is bad already; 200 for a preview, 202 where
    another person must approve it first."""
    is_preview = call.query.choice("preview") == "true"
    call.query.done()
    body = read_as(SilenceBody, await read_body(call.request) or b"{}")
    if not _is_within(call.caller, body.match):
        labels = ", ".join(f"{key} = {value!r}" for key, value in call.caller.scope)
        raise Rejected("forbidden", f"the match of this token's silences must state its labels: {labels}")
    id_ = f"sil_{secrets.token_hex(8)}"
    match = await _meant(call, body.match)
    said = MakeSilence(id_, match, body.until, body.reason, body.up_to, body.even_worse)
    if is_preview:
        groups = await asyncio.to_thread(_open_groups, call, said)
        return SilencePreview(groups, await _recent(call, said))
    made = (await acted(call, said, body.emergency, id_)).after
    if isinstance(made, OpenProposal):
        return answered_proposal(made)
    silence = made if isinstance(made, Silence) else Silence(said, call.caller.name, call.daemon.clock.utc())
    return Reply(_item(silence), 201, {"Location": f"/v1/silences/{id_}"})


async def unsilence(call: Call) -> None:
    """Ends a silence. The desk is told what it hid that is still bad."""
    found = next((s for s in call.daemon.view.silences if s.said.id == call.id), None)
    if found is None or not _is_within(call.caller, found.said.match):
        raise Rejected("not-found", f"there is no silence {call.id} in force")
    done(await call.daemon.inbox.act(Unsilence(call.id), call.caller.name, call.id))


async def _meant(call: Call, match: Match) -> Match:
    """A group that has this very id is meant alone, not all that the id would match as a glob."""
    if match.group is None or match.group_id is not None or not any(sign in match.group for sign in "*?["):
        return match
    if await asyncio.to_thread(call.daemon.view.state, match.group) is None:
        return match
    return msgspec.structs.replace(match, group=None, group_id=match.group)


def _open_groups(call: Call, said: MakeSilence) -> HiddenGroups:
    """The groups in a bad stage that match, and the worst stage of each that the silence would hide."""
    wanted = GroupQuery(
        stages=frozenset(STAGES) - {NORMAL},
        products=frozenset([said.match.product]) if said.match.product is not None else frozenset(),
        limit=_PAGE,
    )
    found: list[HiddenGroup] = []
    looked = 0
    is_whole = False
    while looked < LOOKED_GROUPS and not is_whole:
        page = call.daemon.view.groups(wanted, call.caller.scope)
        found += [_hidden_group(said, s) for s in page.rows if covers(said.match, _ref(s))]
        looked += len(page.rows)
        is_whole = page.next is None
        wanted = msgspec.structs.replace(wanted, after=page.next)
    return HiddenGroups(len(found), found[:NAMED], is_whole)


async def _recent(call: Call, said: MakeSilence) -> HiddenAlerts:
    """Alerts of the last day that match: those that the silence would have hidden, and those that it would not."""
    wanted = AlertFilter(since=call.daemon.clock.utc() - LOOK_BACK, limit=_PAGE)
    hidden: list[LoggedAlert] = []
    told = 0
    is_whole = False
    for _ in range(LOOKED_ALERTS // _PAGE):
        page = await call.daemon.store.alerts(wanted)
        mine = [x for x in page if may_see(call.caller, x.alert) and takes(said.match, x.alert)]
        groups = {x.alert.subject for x in mine if x.alert.group is not None}
        stages = await asyncio.to_thread(_stages, call, groups)
        now = [x for x in mine if hides(said, x.alert, stages.get(x.alert.subject, NORMAL))]
        hidden += now
        told += len(mine) - len(now)
        if len(page) < _PAGE:
            is_whole = True
            break
        wanted = msgspec.structs.replace(wanted, after=page[-1].cursor)
    types = Counter(x.alert.type for x in hidden)
    return HiddenAlerts(
        len(hidden), told, dict(types), [_hidden_alert(x, call.caller) for x in hidden[-NAMED:]], is_whole
    )


def _stages(call: Call, groups: Iterable[str]) -> dict[str, str]:
    states = {id_: call.daemon.view.state(id_) for id_ in groups}
    return {id_: state.stage for id_, state in states.items() if state is not None}


def _is_within(caller: Caller, match: Match) -> bool:
    """A token with a scope may make and see only silences that match its labels."""
    return all(match.labels.get(key) == value for key, value in caller.scope)


def _ref(sight: Sight) -> GroupRef:
    g = sight.group
    return GroupRef(g.id, g.product, g.receiving_account, g.labels)


def _hidden_group(said: MakeSilence, sight: Sight) -> HiddenGroup:
    stage = sight.state.stage
    worst = "liquidation" if said.even_worse else said.up_to or stage
    return HiddenGroup(sight.group.id, sight.group.product, stage, worst)


def _hidden_alert(logged: LoggedAlert, caller: Caller) -> HiddenAlert:
    a = logged.alert
    return HiddenAlert(a.id, None if caller.scope else logged.cursor, a.type, a.severity, a.subject, stamp(a.at))


def _item(silence: Silence) -> SilenceItem:
    said = silence.said
    return SilenceItem(
        said.id, said.match, stamp(said.until), said.reason, said.up_to, said.even_worse, silence.by, stamp(silence.at)
    )


ROUTES = (
    Endpoint("GET", "/v1/silences", silences, READ, (LIMIT, AFTER)),
    Endpoint(
        "POST",
        "/v1/silences",
        silence,
        OPERATE,
        (Param("preview", "Says what would be hidden, and makes nothing.", one_of(("true", "false"))),),
        body=SilenceBody,
        answers={200: SilencePreview, 201: SilenceItem, 202: ProposalItem},
    ),
    Endpoint("DELETE", "/v1/silences/{id}", unsilence, OPERATE),
)
