"""Proposals: what waits for another person, one with what it would do by now, its approval and its rejection."""

from __future__ import annotations

from typing import Annotated

import msgspec

from monitor.core.events.levers import Approve, Reject
from monitor.core.groups.lever_states import LeverInForce
from monitor.core.schema import Pattern
from monitor.core.text import stamp
from monitor.web.auth import OPERATE, READ
from monitor.web.http import AFTER, LIMIT, Rejected, paged_by_name, read_as, read_body
from monitor.web.resources.alerts import Text
from monitor.web.resources.levers import (
    EffectsShown,
    LeverItem,
    ProposalItem,
    acted,
    effects_shown,
    lever_item,
    proposal_item,
)
from monitor.web.site import Call, Endpoint


class ProposalList(msgspec.Struct, frozen=True):
    """Open proposals, by id."""

    items: list[ProposalItem]
    next: str | None


class ProposalLook(msgspec.Struct, frozen=True):
    """A proposal with what it did when it was proposed (`proposal.effects`), and what it would do at `at`."""

    proposal: ProposalItem
    at: str
    now: EffectsShown


class ApproveBody(msgspec.Struct, frozen=True):
    """`seen`: that of the effects that the person saw. An act that does something else by then is refused.

    Without it the act must do no more than when it was proposed.
    """

    seen: Annotated[str, Pattern("[0-9a-f]{0,32}", "the `seen` of effects")] = ""


class RejectBody(msgspec.Struct, frozen=True):
    """Why."""

    reason: Text


class ProposalAnswer(msgspec.Struct, frozen=True):
    """What became of a proposal; the lever, where one is in force by it."""

    id: str
    outcome: str
    lever: LeverItem | None


async def proposals(call: Call) -> ProposalList:
    """What waits for another person."""
    after, limit = call.query.page()
    call.query.done()
    look = await call.daemon.inbox.look_at_levers(call.caller.scope)
    page, cursor = paged_by_name({each.id: each for each in look.proposals}, after, limit)
    return ProposalList([proposal_item(each) for each in page], cursor)


async def proposal(call: Call) -> ProposalLook:
    """One proposal, as it was proposed and as it would be by now."""
    call.query.done()
    look = await call.daemon.inbox.look_at_levers(call.caller.scope, call.id)
    found = next((each for each in look.proposals if each.id == call.id), None)
    if found is None:
        raise Rejected("not-found", f"there is no open proposal {call.id}")
    return ProposalLook(proposal_item(found), stamp(look.at), effects_shown(look.now))


async def approve(call: Call) -> ProposalAnswer:
    """Approves what another person proposed: it is done now."""
    body = read_as(ApproveBody, await read_body(call.request) or b"{}")
    made = (await acted(call, Approve(call.id, body.seen), None, call.id)).after
    return ProposalAnswer(call.id, "approved", lever_item(made) if isinstance(made, LeverInForce) else None)


async def reject(call: Call) -> ProposalAnswer:
    """Rejects a proposal, or takes one's own back; what was done in an emergency ends."""
    body = read_as(RejectBody, await read_body(call.request) or b"{}")
    await acted(call, Reject(call.id, body.reason), None, call.id)
    return ProposalAnswer(call.id, "rejected", None)


ROUTES = (
    Endpoint("GET", "/v1/proposals", proposals, READ, (LIMIT, AFTER)),
    Endpoint("GET", "/v1/proposals/{id}", proposal, READ),
    Endpoint("POST", "/v1/proposals/{id}/approve", approve, OPERATE, body=ApproveBody, body_may_be_absent=True),
    Endpoint("POST", "/v1/proposals/{id}/reject", reject, OPERATE, body=RejectBody),
)
