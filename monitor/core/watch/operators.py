"""Does what operators say: a group's stage is in hand, a silence begins or ends."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from monitor.core.alerts.silences import Acknowledge, Act, Hush, Silence, Silences, Unacknowledge, Unsilence
from monitor.core.groups.loan_book import LoanBook
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.ids import alert_id
from monitor.core.refusal import Refused
from monitor.core.stages.decision import Said, Verdict
from monitor.core.stages.stages import (
    DELAYED,
    LIQUIDATION,
    MARGIN_CALL,
    NORMAL,
    OPENED,
    STARTED,
    TRIGGERED,
    Ack,
    GroupState,
    unacknowledged,
)
from monitor.core.watch.effects import Teller
from monitor.core.watch.watchers.schedule import Planner

_TOLD_BY = {MARGIN_CALL: OPENED, DELAYED: STARTED, LIQUIDATION: TRIGGERED}


class Operators:
    """Takes what operators say."""

    def __init__(self, book: LoanBook, silences: Silences, teller: Teller, planner: Planner) -> None:
        self._book, self._silences, self._teller, self._planner = book, silences, teller, planner

    def known(self, act: Act) -> Ack | Silence | None:
        """What is in force of the thing that an act is about."""
        if isinstance(act, Hush | Unsilence):
            return self._silences.find(act.id)
        record = self._book.find(act.group)
        return None if record is None else record.state.ack

    def take(self, act: Act, by: str, at: datetime, out: Outcome) -> None:
        """One act. Raises Refused, and changes nothing then."""
        match act:
            case Acknowledge():
                self._acknowledge(act, by, at, out)
            case Unacknowledge():
                record = self._book.find(act.group)
                if record is not None and record.state.ack is not None and record.state.ack.alert == act.alert:
                    self._follow(record, (unacknowledged(record.state, at), None), out)
            case Hush():
                self._silences.take(act, by, at)
                out.deskful = True
            case Unsilence():
                if self._silences.find(act.id) is None:
                    raise Refused("unknown_silence", f"there is no silence {act.id} in force")
                self.end_silence(act.id, at, out)

    def end_silence(self, id_: str, at: datetime, out: Outcome) -> None:
        """Its time is over: tells again of each group that is still in a stage of which nobody was told."""
        out.deskful = True
        for group_id in sorted(self._silences.end(id_)):
            record = self._book.find(group_id)
            if record is not None and record.state.hushed == id_:
                facts = {"silence": id_, "hidden": record.state.last_alert}
                self._follow(record, told_again(self._teller.name, record.state, at), out, facts)

    def _follow(
        self, record: GroupRecord, verdict: Verdict, out: Outcome, facts: Mapping[str, Any] | None = None
    ) -> None:
        self._teller.follow(record, verdict, out, facts)
        self._planner.plan(record)

    def _acknowledge(self, act: Acknowledge, by: str, at: datetime, out: Outcome) -> None:
        record = self._book.find(act.group)
        state = record.state if record is not None else None
        if record is None or state is None or state.stage == NORMAL or state.episode != act.episode:
            raise Refused(
                "nothing_to_acknowledge", f"what alert {act.alert} told of is over; nothing reminds of it any more"
            )
        if state.stage != act.stage:
            raise Refused(
                "other_stage",
                f"alert {act.alert} told of stage {act.stage}, but group {act.group} is in {state.stage} by now; "
                f"acknowledge {state.last_alert}",
            )
        if act.until is not None and act.until <= at:
            raise Refused("bad_until", f"until {act.until.isoformat()} is not after {at.isoformat()}")
        new = Ack(by, at, act.alert, act.note, act.until)
        if state.ack is None or msgspec.structs.replace(state.ack, at=at) != new:
            self._follow(record, (msgspec.structs.replace(state, ack=new), None), out)


def told_again(name: str, state: GroupState, at: datetime) -> Verdict:
    """The alert of the stage in which the group is, once more: under an id of its own, on the figures of now."""
    type_, sequence = _TOLD_BY[state.stage], state.sequence + 1
    said = Said(
        type_, alert_id(name, state.group, state.episode, sequence, type_), at, sequence, state.episode,
        state.stage, state.stage, state.reason or "ltv", state.deadline, state.last_alert,
    )  # fmt: skip
    return msgspec.structs.replace(state, sequence=sequence, last_alert=said.id, hushed=None), said
