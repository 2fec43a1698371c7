"""What waits for another person (decision 90): proposals, and levers of an emergency that end unless they are approved."""

from __future__ import annotations

from datetime import datetime, timedelta

from monitor.core import deadlines
from monitor.core.alerts.catalogue import LEVER_EMERGENCY, LEVER_PROPOSED, LEVER_SETTLED
from monitor.core.deadlines import Deadline
from monitor.core.events.events import OperatorAct
from monitor.core.events.levers import Approve, Proposable, PullLever, until_of
from monitor.core.groups.lever_states import LeverEffect, LeverInForce, OpenProposal, digest_of, grown
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.refusal import Refused
from monitor.core.text import stamp
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.lever_alerts import ActEffects, facts_of
from monitor.core.watch.watcher import Ground, Watcher

EMERGENCY = timedelta(hours=2)
"""What one person does alone holds for so long, unless another approves."""
MOST_OPEN = 50
"""Proposals at once: beyond this nobody looks at them any more."""


class ProposalWatch(Watcher):
    """The open proposals. `Operators` does what is approved, and ends what is not."""

    def __init__(self, ground: Ground, effects: ActEffects) -> None:
        self._ground = ground
        self._effects = effects
        self._open: dict[str, OpenProposal] = {}
        self.proposed = 0
        """How many there were."""

    @property
    def open(self) -> tuple[OpenProposal, ...]:
        """In the order in which they were made."""
        return tuple(self._open.values())

    def restore(self, memory: Memory) -> None:
        """Takes what was kept. What expired while the monitor was down does so at its own time."""
        self.proposed = memory.watchers.levers.proposed
        for each in memory.watchers.levers.proposals:
            self._keep(each)

    def find(self, id_: str) -> OpenProposal | None:
        """One that is open."""
        return self._open.get(id_)

    def known(self, id_: str) -> OpenProposal:
        """One that is open. Raises Refused, which says whether there ever was one."""
        found = self._open.get(id_)
        if found is not None:
            return found
        number = id_.removeprefix("P-")
        if number.isascii() and number.isdigit() and len(number) < 9 and 0 < int(number) <= self.proposed:
            raise Refused("settled", f"proposal {id_} is decided already, or its time is over")
        raise Refused("unknown_proposal", f"there is no proposal {id_}; `monitor proposals` lists those that are open")

    # -- what is proposed --

    def propose(self, act: Proposable, event: OperatorAct, out: Outcome) -> OpenProposal:
        """Another person must approve. Raises Refused."""
        self.check_person(event)
        expires = event.at + self._ground.rules.four_eyes.proposals_last
        until = until_of(act)
        if until is not None and until <= event.at:
            raise Refused("past", f"until {stamp(until)} is not after {stamp(event.at)}")
        effects = self._effects.of(act, event.at)
        applies = [each for each in effects if not each.refused]
        if isinstance(act, PullLever) and not applies:
            first = (
                effects[0]
                if effects
                else LeverEffect("", refused="a lever names at least one group", reason="no_groups")
            )
            raise Refused(first.reason, first.refused)
        made = OpenProposal(
            id=self._next(),
            act=act,
            by=event.who,
            person=event.person,
            at=event.at,
            expires=expires if until is None else min(expires, until),
            effects=effects,
            labels=self._effects.labels(act),
        )
        self._add(made, out)
        self._tell(LEVER_PROPOSED, made, out)
        return made

    def stands(
        self, lever: LeverInForce, event: OperatorAct, effects: tuple[LeverEffect, ...], out: Outcome
    ) -> OpenProposal:
        """What was done alone: another person may approve it, or it ends."""
        expires = event.at + EMERGENCY
        made = OpenProposal(
            id=self._next(),
            act=lever.act,
            by=event.who,
            person=event.person,
            at=event.at,
            expires=expires if lever.until is None else min(expires, lever.until),
            effects=effects,
            lever=lever.id,
            emergency=event.emergency,
            labels=self._effects.labels(lever.act),
        )
        self._add(made, out)
        self._tell(LEVER_EMERGENCY, made, out)
        return made

    def check_person(self, event: OperatorAct) -> None:
        """A token that is nobody's could be the approver's own. Raises Refused."""
        if not event.person:
            text = f"token {event.who!r} belongs to no person; name it in the tokens of a [[person]]"
            raise Refused("no_person", text)

    def check_room(self) -> None:
        """Raises Refused where too many are open."""
        if len(self._open) >= MOST_OPEN:
            raise Refused("too_many_proposals", f"{MOST_OPEN} proposals are open; decide about one of them first")

    # -- what becomes of it --

    def check_approval(self, proposal: OpenProposal, act: Approve, event: OperatorAct) -> None:
        """Another person, who knows what it does now. Raises Refused."""
        self.check_person(event)
        if event.person == proposal.person:
            text = f"{proposal.id} is {event.person}'s own, by token {proposal.by!r}; another person must approve it"
            raise Refused("own_proposal", text)
        if proposal.lever:
            return
        now = self._effects.of(proposal.act, event.at)
        if act.seen == digest_of(now):
            return
        more = grown(now, proposal.effects)
        if more or act.seen not in ("", digest_of(proposal.effects)):
            named = f" on {', '.join(more[:5])}" if more else ""
            text = f"{proposal.id} does something else by now{named} than was seen; look at it again, then approve"
            raise Refused("effect_grew", text)

    def settle(
        self, id_: str, outcome: str, by: str | None, at: datetime, out: Outcome, why: str | None = None
    ) -> OpenProposal:
        """It is open no more, and everybody hears what became of it."""
        done = self._open.pop(id_)
        self._ground.agenda.set(deadlines.PROPOSAL, id_, None)
        out.memory_changed = True
        facts = self._facts(done) | {"outcome": outcome, "settled_by": by, "why": why}
        raise_alert(out, self._ground.rules.name, Statement(LEVER_SETTLED, id_, 2, facts), at)
        return done

    # -- within --

    def _next(self) -> str:
        return f"P-{self.proposed + 1}"

    def _add(self, made: OpenProposal, out: Outcome) -> None:
        self.check_room()
        self.proposed += 1
        self._keep(made)
        out.memory_changed = True

    def _keep(self, one: OpenProposal) -> None:
        self._open[one.id] = one
        self._ground.agenda.set(deadlines.PROPOSAL, one.id, Deadline(one.expires, deadlines.PROPOSAL, one.id))

    def _facts(self, one: OpenProposal) -> dict[str, object]:
        ids = [each.group for each in one.effects if not each.refused]
        facts = facts_of(one.act, one.by, one.person, ids, one.effects)
        return facts | ({"lever": one.lever} if one.lever else {})

    def _tell(self, type_: str, one: OpenProposal, out: Outcome) -> None:
        people = [person for person in self._ground.rules.four_eyes.people if person != one.person]
        facts = self._facts(one) | {"expires": stamp(one.expires), "people": people}
        facts |= {"emergency": one.emergency} if one.emergency else {}
        raise_alert(out, self._ground.rules.name, Statement(type_, one.id, 1, facts), one.at)
