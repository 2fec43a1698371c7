"""Does what operators say: a group's stage is in hand, a silence begins or ends, a lever is pulled, a proposal approved."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.silences import Acknowledge, Act, MakeSilence, TakeInHand, Unacknowledge, Unsilence
from monitor.core.deadlines import Deadline
from monitor.core.events.events import OperatorAct
from monitor.core.events.levers import Approve, EndLever, OperatorSays, Proposable, PullLever, Reject
from monitor.core.groups.book_changes import BookChanges
from monitor.core.groups.lever_states import LeverEffect, LeverInForce, LeversState, OpenProposal
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.snapshot import Scope, sees, within
from monitor.core.groups.watcher_states import ActedOn, InHand
from monitor.core.prices.decisions import Pin
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Rules
from monitor.core.stages.decision import tell_again
from monitor.core.stages.stages import NORMAL, Ack, unacknowledged
from monitor.core.watch.book_events import BookEvents
from monitor.core.watch.effects import GroupEffects
from monitor.core.watch.lever_alerts import ActEffects
from monitor.core.watch.watcher import BookChange, Ground, Watcher
from monitor.core.watch.watchers.decisions import PriceDecisions
from monitor.core.watch.watchers.escalations import EscalationWatch, group_key
from monitor.core.watch.watchers.levers import LeverEnd, LeverWatch, Puller
from monitor.core.watch.watchers.proposals import ProposalWatch
from monitor.core.watch.watchers.silences import SilenceWatch


class Does(NamedTuple):
    """Whom `Operators` has do what operators say."""

    silences: SilenceWatch
    decisions: PriceDecisions
    effects: GroupEffects
    escalations: EscalationWatch
    book_changes: BookChanges
    book_events: BookEvents


class Operators(Watcher):
    """Takes what operators say, lets what needs another person wait for one, and ends silences and proposals."""

    phases = (deadlines.SILENCE, deadlines.PROPOSAL)

    def __init__(self, ground: Ground, does: Does, follow: Callable[[BookChange, Outcome], None]) -> None:
        self._ground = ground
        self._escalations = does.escalations
        self._silences = does.silences
        self._decisions = does.decisions
        self._effects = does.effects
        self._book_changes = does.book_changes
        self._act_effects = ActEffects(ground, does.book_changes)
        self._levers = LeverWatch(ground, does.book_events, self.lift)
        self._proposals = ProposalWatch(ground, self._act_effects)
        self._follow = follow
        self.watchers: tuple[Watcher, ...] = (self._levers, self._proposals)
        """Those that remember levers and proposals."""

    def known(self, act: OperatorSays) -> ActedOn:
        """What is in force of the thing that an act is about."""
        match act:
            case Approve() | Reject():
                return self._proposals.find(act.id)
            case EndLever():
                return self._levers.find(act.id)
            case PullLever():
                return None
            case MakeSilence() | Unsilence():
                return self._silences.find(act.id)
            case TakeInHand():
                return self._escalations.of_step(act.step)
            case Acknowledge() | Unacknowledge():
                record = self._ground.book.find(act.group)
                return None if record is None else record.state.ack
        return self._decisions.standing(act.asset)

    @property
    def levers_kept(self) -> LeversState:
        """What must be remembered of levers and proposals."""
        return LeversState(self.proposals, self.levers, self._proposals.proposed, self._levers.pulled)

    def check_rules(self, rules: Rules, at: datetime) -> None:
        """Raises Refused where a group does not fit other rules, also without the levers on it."""
        self._book_changes.check_rules(self._ground.rules, rules, at, self._levers.overridden)

    @property
    def proposals(self) -> tuple[OpenProposal, ...]:
        """What waits for another person, in the order in which it was proposed."""
        return self._proposals.open

    @property
    def levers(self) -> tuple[LeverInForce, ...]:
        """The levers in force, in the order in which they were pulled."""
        return self._levers.in_force

    def outside(self, act: OperatorSays, scope: Scope) -> Refused | None:
        """Why an act is not for a token with this scope: what is another's is as what is not there."""
        if not scope:
            return None
        match act:
            case PullLever():
                missing = next((g for g in act.groups if not self._is_within(g, scope)), None)
                return None if missing is None else Refused("unknown_group", f"there is no group {missing}")
            case Approve() | Reject():
                proposal = self._proposals.find(act.id)
                is_seen = proposal is not None and self.sees(scope, proposal)
                return None if is_seen else Refused("unknown_proposal", f"there is no proposal {act.id}")
            case EndLever():
                lever = self._levers.find(act.id)
                is_seen = lever is not None and self.sees(scope, lever)
                return None if is_seen else Refused("unknown_lever", f"there is no lever {act.id} in force")
        return None

    def sees(self, scope: Scope, one: OpenProposal | LeverInForce) -> bool:
        """A scope sees what is about its own groups alone, then and now."""
        groups = one.act.groups if isinstance(one.act, PullLever) else ()
        there = [group_id for group_id in groups if self._ground.book.find(group_id) is not None]
        return sees(scope, one.labels) and all(self._is_within(group_id, scope) for group_id in there)

    def _is_within(self, group_id: str, scope: Scope) -> bool:
        record = self._ground.book.find(group_id)
        return record is not None and within(scope, record.group.labels)

    def effects_of(self, act: Proposable, at: datetime) -> tuple[LeverEffect, ...]:
        """What an act would do to each group now. Nothing is changed."""
        return self._act_effects.of(act, at)

    def needs_approval(self, act: OperatorSays) -> bool:
        """Another person must approve it (configuration [four_eyes])."""
        if not self._ground.rules.four_eyes.enabled or not isinstance(act, Proposable):
            return False
        return not isinstance(act, MakeSilence) or self._act_effects.hides_critical_stage(act)

    def take(self, event: OperatorAct, out: Outcome) -> None:
        """One act. Raises Refused, and changes nothing then."""
        act, at = event.act, event.at
        if isinstance(act, Proposable) and self.needs_approval(act):
            if event.emergency:
                self._alone(act, event, out)
            else:
                out.made = self._proposals.propose(act, event, out)
            return
        if event.emergency:
            raise Refused("no_emergency", "nobody else must approve this here; do it without an emergency")
        match act:
            case Approve():
                self._approve(act, event, out)
            case Reject():
                self._reject(act, event, out)
            case EndLever():
                self._end_lever(act, event, out)
            case PullLever():
                effects = self._act_effects.of(act, at)
                out.made = self._levers.pull(
                    act, Puller(event.who, event.person, at, labels=self._act_effects.labels(act)), effects, out
                )
            case _:
                self._do(act, event.who, at, out)

    def _do(self, act: Act, by: str, at: datetime, out: Outcome) -> None:
        match act:
            case Acknowledge():
                self._acknowledge(act, by, at, out)
                self._escalations.answered(group_key(act.group), InHand(by, at, act.note), act.until, out)
            case TakeInHand():
                self._take_in_hand(act, by, at, out)
            case Unacknowledge():
                record = self._ground.book.find(act.group)
                if record is not None and record.state.ack is not None and record.state.ack.alert == act.alert:
                    self._effects.follow_and_plan(record, (unacknowledged(record.state, at), None), out)
                    self._escalations.resume(group_key(act.group), at, out)
            case MakeSilence():
                self._silences.take(act, by, at)
                out.memory_changed = True
            case Unsilence():
                if self._silences.find(act.id) is None:
                    raise Refused("unknown_silence", f"there is no silence {act.id} in force")
                self._end_silence(act.id, at, out)
            case _:
                self._follow(self._decisions.take(act, by, at, out), out)

    # -- four eyes --

    def _alone(self, act: Proposable, event: OperatorAct, out: Outcome) -> None:
        """Break glass: it is done now, everybody hears of it, and it ends unless another person approves."""
        self._proposals.check_person(event)
        self._proposals.check_room()
        by = Puller(event.who, event.person, event.at, emergency=event.emergency, labels=self._act_effects.labels(act))
        effects = self._act_effects.of(act, event.at)
        if isinstance(act, PullLever):
            lever = self._levers.pull(act, by, effects, out)
        else:
            self._levers.check_room()
            self._do(act, event.who, event.at, out)
            lever = self._levers.alone(act, by, out)
        proposal = self._proposals.stands(lever, event, effects, out)
        self._levers.belongs_to(lever.id, proposal.id)
        out.made = self._levers.find(lever.id)

    def _approve(self, act: Approve, event: OperatorAct, out: Outcome) -> None:
        proposal = self._proposals.known(act.id)
        self._proposals.check_approval(proposal, act, event)
        made: OpenProposal | LeverInForce | None = proposal
        if proposal.lever:
            made = self._levers.confirm(proposal.lever, event.who, out)
        elif isinstance(proposal.act, PullLever):
            by = Puller(proposal.by, proposal.person, event.at, event.who, proposal=proposal.id, labels=proposal.labels)
            made = self._levers.pull(proposal.act, by, self._act_effects.of(proposal.act, event.at), out)
        else:
            self._do(proposal.act, proposal.by, event.at, out)
        self._proposals.settle(act.id, "approved", event.who, event.at, out)
        out.made = made or proposal

    def _reject(self, act: Reject, event: OperatorAct, out: Outcome) -> None:
        proposal = self._proposals.known(act.id)
        self._proposals.settle(act.id, "rejected", event.who, event.at, out, act.reason)
        if proposal.lever and self._levers.find(proposal.lever) is not None:
            how = LeverEnd(f"rejected: {act.reason}", event.who)
            self._levers.end(proposal.lever, how, event.at, out)

    def _end_lever(self, act: EndLever, event: OperatorAct, out: Outcome) -> None:
        lever = self._levers.end(act.id, LeverEnd(act.reason, event.who), event.at, out)
        if lever.proposal and self._proposals.find(lever.proposal) is not None:
            self._proposals.settle(lever.proposal, "ended", event.who, event.at, out, act.reason)

    def lift(self, act: Pin | MakeSilence, at: datetime, out: Outcome) -> None:
        """Ends what one person did alone, as far as it is still in force."""
        if isinstance(act, MakeSilence):
            if self._silences.find(act.id) is not None:
                self._end_silence(act.id, at, out)
        elif (change := self._decisions.lift(act, at, out)) is not None:
            self._follow(change, out)

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """The time of a silence or of a proposal is over. A silence still hides what came before."""
        if deadline.phase == deadlines.SILENCE:
            self._silences.mark(out.alerts, 0)
            self._end_silence(deadline.subject, deadline.at, out)
            return
        proposal = self._proposals.settle(deadline.subject, "expired", None, deadline.at, out)
        if proposal.lever and self._levers.find(proposal.lever) is not None:
            how = LeverEnd("nobody approved what was done in an emergency")
            self._levers.end(proposal.lever, how, deadline.at, out)

    def _end_silence(self, id_: str, at: datetime, out: Outcome) -> None:
        """Tells again of each group that is still in the stage that the silence hid."""
        out.memory_changed = True
        for group_id in sorted(self._silences.end(id_)):
            record = self._ground.book.find(group_id)
            if record is not None and record.state.silence == id_:
                facts = {"silence": id_, "hidden": record.state.last_alert}
                self._effects.follow_and_plan(record, tell_again(self._ground.rules.name, record.state, at), out, facts)

    def _take_in_hand(self, act: TakeInHand, by: str, at: datetime, out: Outcome) -> None:
        """The group's stage is acknowledged by the first person; another one only counts for the escalation."""
        one = self._escalations.asked(act.step, by)
        record = self._ground.book.find(one.subject) if one.stage is not None else None
        if one.stage is not None and (record is None or record.state.ack is None):
            self._acknowledge(Acknowledge(one.subject, one.episode, one.stage, one.alert, act.note), by, at, out)
        self._escalations.answered(one.key, InHand(by, at, act.note), None, out)

    def _acknowledge(self, act: Acknowledge, by: str, at: datetime, out: Outcome) -> None:
        record = self._ground.book.find(act.group)
        state = record.state if record is not None else None
        if record is None or state is None or state.stage == NORMAL or state.episode != act.episode:
            raise over(act.alert)
        if state.stage != act.stage:
            raise Refused(
                "other_stage",
                f"alert {act.alert} told of stage {act.stage}, but group {act.group} is in {state.stage} by now; "
                f"acknowledge {state.last_alert}",
            )
        if act.until is not None and act.until <= at:
            raise Refused("bad_until", f"until {act.until.isoformat()} is not after {at.isoformat()}")
        new = Ack(by, at, act.alert, act.note, act.until, record.group.labels)
        if state.ack is None or msgspec.structs.replace(state.ack, at=at) != new:
            self._effects.follow_and_plan(record, (msgspec.structs.replace(state, ack=new), None), out)


def over(alert: str) -> Refused:
    """There is nothing to acknowledge of an alert. Of a group that a token may not act on any more it is the answer too."""
    return Refused("nothing_to_acknowledge", f"what alert {alert} told of is over; nothing reminds of it any more")
