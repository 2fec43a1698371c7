"""Does what operators say: a group's stage is in hand, a silence begins or ends."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.silences import Acknowledge, Act, MakeSilence, Silence, TakeInHand, Unacknowledge, Unsilence
from monitor.core.deadlines import Deadline
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.watcher_states import InHand, OpenEscalation
from monitor.core.prices.decisions import PriceAct, PriceStanding
from monitor.core.refusal import Refused
from monitor.core.stages.decision import tell_again
from monitor.core.stages.stages import NORMAL, Ack, unacknowledged
from monitor.core.watch.effects import GroupEffects
from monitor.core.watch.watcher import BookChange, Ground, Watcher
from monitor.core.watch.watchers.decisions import PriceDecisions
from monitor.core.watch.watchers.escalations import EscalationWatch, group_key
from monitor.core.watch.watchers.silences import SilenceWatch


class Operators(Watcher):
    """Takes what operators say, and ends silences."""

    phases = (deadlines.SILENCE,)

    def __init__(
        self,
        ground: Ground,
        silences: SilenceWatch,
        decisions: PriceDecisions,
        effects: GroupEffects,
        escalations: EscalationWatch,
    ) -> None:
        self._ground = ground
        self._escalations = escalations
        self._silences = silences
        self._decisions = decisions
        self._effects = effects

    def known(self, act: Act) -> Ack | Silence | PriceStanding | OpenEscalation | None:
        """What is in force of the thing that an act is about."""
        if isinstance(act, PriceAct):
            return self._decisions.standing(act.asset)
        if isinstance(act, MakeSilence | Unsilence):
            return self._silences.find(act.id)
        if isinstance(act, TakeInHand):
            return self._escalations.of_step(act.step)
        record = self._ground.book.find(act.group)
        return None if record is None else record.state.ack

    def take(self, act: Act, by: str, at: datetime, out: Outcome) -> BookChange | None:
        """One act; returns what it did to prices. Raises Refused, and changes nothing then."""
        if isinstance(act, PriceAct):
            return self._decisions.take(act, by, at, out)
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
        return None

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """The time of a silence is over. It still hides what came before."""
        self._silences.mark(out.alerts, 0)
        self._end_silence(deadline.subject, deadline.at, out)

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
