"""Which groups in an episode a snapshot left out. While one may come back as it was, nobody hears that it is closed."""

from __future__ import annotations

from datetime import datetime

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.alert import Figures, GroupRef
from monitor.core.deadlines import Deadline
from monitor.core.groups.book_changes import BookChanges
from monitor.core.groups.calls import rows_of_the_gone
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.stages.decision import close
from monitor.core.stages.stages import NO_FIGURES, NORMAL, ClosedLife, GroupState
from monitor.core.text import stamp
from monitor.core.watch.compose import GroupPart, Statement, raise_alert
from monitor.core.watch.watcher import BookChange, Ground, Watcher
from monitor.core.watch.watchers.silences import SilenceWatch


class LeftOutWatch(Watcher):
    """Tells the end of an episode when the group comes back no more, or comes back as another life."""

    phases = (deadlines.LEFT_OUT,)

    def __init__(self, ground: Ground, book_changes: BookChanges, silences: SilenceWatch) -> None:
        self._ground = ground
        self._book_changes = book_changes
        self._silences = silences

    def restore(self, memory: Memory) -> None:
        """Plans the end of those that were left out before the restart."""
        for kept in self._book_changes.retired.values():
            self.plan(kept)

    def configure(self, at: datetime) -> None:
        """Other rules may give them another time to come back."""
        for kept in self._book_changes.retired.values():
            self.plan(kept, at)

    def plan(self, kept: GroupState, earliest: datetime | None = None) -> None:
        """A group was closed: if it was left out in an episode, that ends when it can come back no more."""
        if kept.closed is not None and kept.closed.state.stage != NORMAL:
            until = kept.closed.at + self._ground.rules.lifecycle.reopen
            due = until if earliest is None else max(until, earliest)
            self._ground.agenda.set(deadlines.LEFT_OUT, kept.group, Deadline(due, deadlines.LEFT_OUT, kept.group))

    def figures(self, record: GroupRecord) -> msgspec.Raw:
        """What is known of a group in an episode now, which nobody can know when its end is told."""
        if record.state.stage == NORMAL:
            return NO_FIGURES
        self._ground.weight(record)
        return msgspec.Raw(msgspec.json.encode(record.figures(self._ground.board)))

    def observe(self, change: BookChange, out: Outcome) -> None:
        """Those that are back are not left out any more."""
        for record in change.groups:
            self._ground.agenda.set(deadlines.LEFT_OUT, record.group.id, None)

    def due(self, deadline: Deadline, out: Outcome) -> BookChange | None:
        """It did not come back."""
        id_ = deadline.subject
        was = self._book_changes.retired[id_].closed
        assert was is not None
        out.states[id_] = self._book_changes.end(id_, self._tell(was, deadline.at, out).sequence)
        return None

    def end_former(self, was: ClosedLife, record: GroupRecord, out: Outcome) -> None:
        """It came back with other labels, by another product or source: what was told of its former life is over."""
        if was.state.stage != NORMAL:
            state = self._tell(was, out.at, out)
            record.keep(msgspec.structs.replace(record.state, sequence=state.sequence))
            self._ground.book.keep(record)

    def _tell(self, was: ClosedLife, at: datetime, out: Outcome) -> GroupState:
        name = self._ground.rules.name
        state, said = close(name, was.state, at)
        assert said is not None
        part = GroupPart(
            group=GroupRef(state.group, was.product, was.receiving_account, was.labels),
            stage_from=said.stage_from,
            stage_to=said.stage_to,
            reason=said.reason,
            figures=msgspec.json.decode(was.figures, type=Figures),
            deadline=said.deadline,
            supersedes=said.supersedes,
            suppressed=said.suppressed,
            contacts=was.contacts,
        )
        facts = {"source": was.source, "left_at": stamp(was.at)}
        statement = Statement(said.type, state.group, said.sequence, facts, said.episode, was.blind, part)
        alert = raise_alert(out, name, statement, said.at)
        out.alerts[-1], _ = self._silences.judge(alert, was.state, state)
        out.history += rows_of_the_gone(was.state, was.labels, at)
        return state
