"""Levers of the desk: those in force, a new one, what it would do, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

import msgspec

from monitor.core.events.entries import Lever
from monitor.core.events.levers import (
    MOST_GROUPS,
    EndLever,
    Proposable,
    PullLever,
    change_in_words,
    kind_of,
    reason_of,
    until_of,
)
from monitor.core.groups.lever_states import LeverEffect, LeverInForce, LeverStand, OpenProposal, digest_of
from monitor.core.money import plain
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.queries.inbox import Acted, Preview
from monitor.core.refusal import Refused
from monitor.core.schema import Id, Problem
from monitor.core.stages.stages import Stage
from monitor.core.text import plain_or_none, stamp, stamp_or_none
from monitor.web.auth import OPERATE, READ
from monitor.web.http import AFTER, LIMIT, Param, Rejected, invalid, one_of, paged_by_name, read_as, read_body
from monitor.web.resources.alerts import Text, done
from monitor.web.site import Call, Endpoint, Reply

SHOWN = 50
"""Groups that an answer lists; it counts all."""
DRY_RUN = Param("dry_run", "Says which groups would change, and changes nothing.", one_of(("true", "false")))


class StandShown(msgspec.Struct, frozen=True):
    """How a group stands before or after: `figure` is its LTV, margin level or health factor."""

    product: str
    stage: Stage
    figure: str | None
    next_line: str | None
    next_level: str | None
    liquidated_at: str | None
    """When it is liquidated if nothing happens."""
    metric: str
    """`ltv`, `margin_level` or `health_factor`: what `figure` is."""
    lines: list[str]
    """The group's lines, none of a proposal of an older version."""


class EffectShown(msgspec.Struct, frozen=True):
    """What an act does to one group; `refused` says why it cannot apply there."""

    group: str
    before: StandShown | None
    after: StandShown | None
    refused: str | None


class EffectsShown(msgspec.Struct, frozen=True):
    """Groups that change stage come first; the first 50 are listed. `seen` names what is shown, for an approval."""

    groups: int
    applies: int
    refused: int
    moves: dict[str, int]
    """How many groups go from a stage to another, such as `margin_call > normal`."""
    items: list[EffectShown]
    seen: str


class LeverPreview(msgspec.Struct, frozen=True):
    """What an act would do now. Nothing is done."""

    act: str
    change: str
    until: str | None
    needs_approval: bool
    """Another person would have to approve it."""
    effects: EffectsShown


class LeverItem(msgspec.Struct, frozen=True):
    """A lever in force."""

    id: str
    act: str
    change: str
    by: str
    person: str | None
    reason: str
    at: str
    until: str | None
    groups: int
    group_ids: list[str]
    """At most 50 of them."""
    approved_by: str | None
    emergency: str | None
    """Why nobody else was asked first."""
    proposal: str | None


class LeverList(msgspec.Struct, frozen=True):
    """Levers in force, by id."""

    items: list[LeverItem]
    next: str | None


class ProposalItem(msgspec.Struct, frozen=True):
    """What waits for another person. `lever`: it was pulled in an emergency, and ends unless this is approved."""

    id: str
    act: str
    change: str
    by: str
    person: str
    reason: str
    at: str
    until: str | None
    expires: str
    lever: str | None
    emergency: str | None
    effects: EffectsShown
    """As they were worked out when it was proposed."""


class Selected(msgspec.Struct, frozen=True):
    """Groups by their product and their labels, all of them."""

    product: str | None = None
    labels: dict[str, str] = {}

    def __post_init__(self) -> None:
        if self.product is None and not self.labels:
            raise ValueError("names nothing; state a product or labels")


class LeverBody(msgspec.Struct, frozen=True):
    """A lever (`type`: extend_grace, waive, override or move, as an entry states it) and its groups, by id or selected.

    `emergency`: why nobody else can be asked first, where another person must approve.
    """

    lever: Lever
    groups: tuple[Id, ...] = ()
    select: Selected | None = None
    emergency: Text | None = None

    def __post_init__(self) -> None:
        if bool(self.groups) == (self.select is not None):
            raise ValueError('state either "groups" or "select"')
        if len(self.groups) > MOST_GROUPS:
            raise ValueError(f"groups: found {len(self.groups)}, expected at most {MOST_GROUPS}")
        if len(set(self.groups)) < len(self.groups):
            raise ValueError("groups: names a group twice")
        if not 1 <= len(self.lever.reason.strip()) <= 500:
            raise ValueError("lever.reason: expected 1 to 500 characters; everybody reads it")


async def levers(call: Call) -> LeverList:
    """Levers in force."""
    after, limit = call.query.page()
    call.query.done()
    look = await call.daemon.inbox.look_at_levers(call.caller.scope)
    page, cursor = paged_by_name({each.id: each for each in look.levers}, after, limit)
    return LeverList([lever_item(each) for each in page], cursor)


async def pull(call: Call) -> LeverPreview | Reply:
    """Pulls a lever, or proposes it where another person must approve (202); 200 for a dry run."""
    is_dry = call.query.choice("dry_run") == "true"
    call.query.done()
    body = read_as(LeverBody, await read_body(call.request) or b"{}")
    act = PullLever(body.lever, body.groups or await _selected(call, body.select))
    if is_dry:
        return await previewed(call, act)
    return answered(await acted(call, act, body.emergency, act.groups[0] if len(act.groups) == 1 else "levers"))


async def end(call: Call) -> None:
    """Ends a lever before its time: its groups are as they were before."""
    reason = call.query.text("reason")
    call.query.done()
    await acted(call, EndLever(call.id, (reason or "ended")[:500]), None, call.id)


async def acted(call: Call, act: Any, emergency: str | None, subject: str) -> Acted:
    """An act of a person, with whose token it is. Raises Rejected."""
    caller = call.caller
    person = call.daemon.owners().get(caller.name, "")
    return done(
        await call.daemon.inbox.act(act, caller.name, subject, caller.scope, person=person, emergency=emergency or "")
    )


def answered(found: Acted) -> Reply:
    """A lever that was pulled, or what waits for another person."""
    made = found.after
    if isinstance(made, OpenProposal):
        return answered_proposal(made)
    assert isinstance(made, LeverInForce)
    return Reply(lever_item(made), 201)


def answered_proposal(made: OpenProposal) -> Reply:
    """What waits for another person."""
    return Reply(proposal_item(made), 202, {"Location": f"/v1/proposals/{made.id}"})


async def previewed(call: Call, act: Proposable) -> LeverPreview:
    """What an act would do now. Raises Rejected."""
    try:
        found: Preview = await call.daemon.inbox.effects_of(act, call.caller.scope)
    except Refused as e:
        raise Rejected("not-found", str(e), reason=e.reason) from None
    until = stamp_or_none(until_of(act))
    return LeverPreview(kind_of(act), change_in_words(act), until, found.needs_approval, effects_shown(found.effects))


async def _selected(call: Call, select: Selected | None) -> tuple[str, ...]:
    """The groups of a selection, by id. Raises Rejected where there are none or too many."""
    assert select is not None
    products = frozenset() if select.product is None else frozenset([select.product])
    wanted = GroupQuery(products=products, labels=tuple(select.labels.items()), sort="id", limit=MOST_GROUPS)
    page = await asyncio.to_thread(call.daemon.view.groups, wanted, call.caller.scope)
    if page.next is not None:
        what = f"selects more than {MOST_GROUPS} groups; narrow it, and pull the lever once for each part"
        raise invalid([Problem("select", what)])
    if not page.rows:
        raise invalid([Problem("select", "selects no group")])
    return tuple(sight.group.id for sight in page.rows)


def effects_shown(effects: Iterable[LeverEffect]) -> EffectsShown:
    """All counted, the first listed."""
    found = list(effects)
    moves: dict[str, int] = {}
    for each in found:
        if each.is_move:
            assert each.before is not None
            assert each.after is not None
            key = f"{each.before.stage} > {each.after.stage}"
            moves[key] = moves.get(key, 0) + 1
    refused = sum(bool(each.refused) for each in found)
    first = sorted(found, key=lambda each: (not each.is_move, bool(each.refused)))[:SHOWN]
    items = [EffectShown(e.group, _shown(e.before), _shown(e.after), e.refused or None) for e in first]
    return EffectsShown(len(found), len(found) - refused, refused, moves, items, digest_of(found))


def _shown(stand: LeverStand | None) -> StandShown | None:
    if stand is None:
        return None
    return StandShown(
        stand.product,
        stand.stage,
        plain_or_none(stand.figure),
        stand.next_line,
        plain_or_none(stand.next_level),
        stamp_or_none(stand.liquidated_at),
        stand.metric or "ltv",
        [plain(line) for line in stand.lines],
    )


def lever_item(lever: LeverInForce) -> LeverItem:
    """A lever as it is shown."""
    act = lever.act
    ids = [each.group for each in lever.former]
    return LeverItem(
        lever.id,
        kind_of(act),
        change_in_words(act),
        lever.by,
        lever.person or None,
        reason_of(act),
        stamp(lever.at),
        stamp_or_none(lever.until),
        len(ids),
        ids[:SHOWN],
        lever.approved_by or None,
        lever.emergency or None,
        lever.proposal or None,
    )


def proposal_item(one: OpenProposal) -> ProposalItem:
    """A proposal as it is shown."""
    return ProposalItem(
        one.id,
        kind_of(one.act),
        change_in_words(one.act),
        one.by,
        one.person,
        reason_of(one.act),
        stamp(one.at),
        stamp_or_none(until_of(one.act)),
        stamp(one.expires),
        one.lever or None,
        one.emergency or None,
        effects_shown(one.effects),
    )


ROUTES = (
    Endpoint("GET", "/v1/levers", levers, READ, (LIMIT, AFTER)),
    Endpoint(
        "POST",
        "/v1/levers",
        pull,
        OPERATE,
        (DRY_RUN,),
        body=LeverBody,
        name="pull_lever",
        may_be_absent=True,
        answers={200: LeverPreview, 201: LeverItem, 202: ProposalItem},
    ),
    Endpoint(
        "DELETE", "/v1/levers/{id}", end, OPERATE, (Param("reason", "Why, for the colleagues."),), name="end_lever"
    ),
)
