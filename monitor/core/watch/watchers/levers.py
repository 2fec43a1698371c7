"""Which levers of the desk are in force, and what ends them (decision 89).

What a lever changes stands in the states of its groups. Here it is kept with what it replaced, so that it can be taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.catalogue import LEVER_ENDED, LEVER_PULLED
from monitor.core.alerts.silences import MakeSilence
from monitor.core.deadlines import Deadline
from monitor.core.events.levers import PullLever, until_of
from monitor.core.groups.lever_states import BeforeLever, LeverEffect, LeverInForce
from monitor.core.groups.levers import former
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.prices.decisions import Pin
from monitor.core.refusal import Refused
from monitor.core.text import MOST_NAMED
from monitor.core.watch.book_events import BookEvents
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.lever_alerts import facts_of
from monitor.core.watch.watcher import BookChange, Ground, Watcher

MOST_IN_FORCE = 100
"""Levers at once. A desk that needs more has the wrong lines or the wrong book."""
MOST_GROUPS_IN_FORCE = 2_000
"""Groups of all levers together: what each replaced is written with every commit that changes what watchers remember."""
_OF_GROUP = "group|"


class Puller(NamedTuple):
    """Who does it, when, and by whose leave."""

    by: str
    person: str
    at: datetime
    approved_by: str = ""
    emergency: str = ""
    proposal: str = ""
    labels: Mapping[str, str] | None = None
    """What the groups have in common."""


class LeverEnd(NamedTuple):
    """Why a lever ends, and who ends it."""

    why: str
    by: str | None = None


class LeverWatch(Watcher):
    """The levers in force, and the groups with other lines until a time. `lift` ends a pin or a silence."""

    phases = (deadlines.LEVER,)

    def __init__(
        self, ground: Ground, events: BookEvents, lift: Callable[[Pin | MakeSilence, datetime, Outcome], None]
    ) -> None:
        self._ground = ground
        self._events = events
        self._lift = lift
        self._in_force: dict[str, LeverInForce] = {}
        self.pulled = 0
        """How many there were."""
        self.overridden: set[str] = set()
        """Groups with other lines until a time."""

    # -- what is remembered --

    @property
    def in_force(self) -> tuple[LeverInForce, ...]:
        """In the order in which they were pulled."""
        return tuple(self._in_force.values())

    def restore(self, memory: Memory) -> None:
        """Takes what was kept; the states say which groups have other lines."""
        kept = memory.watchers.levers
        self.pulled = kept.pulled
        for lever in kept.in_force:
            self._keep(lever)
        for state in memory.states:
            if state.other_lines is not None and state.group in self._ground.book:
                self._plan_lines(state.group, state.other_lines.until)

    def find(self, id_: str) -> LeverInForce | None:
        """One that is in force."""
        return self._in_force.get(id_)

    def observe(self, change: BookChange, out: Outcome) -> None:
        """Groups that a book, an entry or a lever changed may have other lines until another time."""
        for record in change.groups:
            lines = record.state.other_lines
            self._plan_lines(record.group.id, None if lines is None else lines.until)
        if change.closed is not None:
            self._plan_lines(change.closed, None)

    # -- what people do --

    def pull(self, act: PullLever, by: Puller, effects: tuple[LeverEffect, ...], out: Outcome) -> LeverInForce:
        """A lever on its groups, as far as it applies to them. Raises Refused where it applies to none."""
        self.check_room(len(act.groups))
        lever = LeverInForce(f"L-{self.pulled + 1}", act, by.by, by.person, by.at, until_of(act))
        was: list[BeforeLever] = []
        refused: list[tuple[str, Refused]] = []
        for group_id in act.groups:
            record = self._ground.book.find(group_id)
            try:
                before = former(record.state) if record is not None else None
                self._events.pull(group_id, act.lever, lever.id, by.at, out)
                assert before is not None
                was.append(before)
            except Refused as e:
                refused.append((group_id, e))
        if not was:
            raise refused[0][1] if refused else Refused("no_groups", "a lever names at least one group")
        lever = self.take(msgspec.structs.replace(lever, former=tuple(was)), by, out)
        rows = [{"group": group_id, "reason": str(e)[:200]} for group_id, e in refused[:MOST_NAMED]]
        ids = [each.group for each in was]
        facts = facts_of(act, by.by, by.person, ids, effects) | {"lever": lever.id, "refused": rows}
        facts["approved_by"] = by.approved_by or None
        raise_alert(out, self._ground.rules.name, Statement(LEVER_PULLED, lever.id, 1, facts), by.at)
        return lever

    def alone(self, act: Pin | MakeSilence, by: Puller, out: Outcome) -> LeverInForce:
        """A pin or a silence of an emergency, which is done already: it ends unless it is approved."""
        lever = LeverInForce(f"L-{self.pulled + 1}", act, by.by, by.person, by.at, until_of(act))
        return self.take(lever, by, out)

    def take(self, lever: LeverInForce, by: Puller, out: Outcome) -> LeverInForce:
        """Keeps a lever that was pulled; a move that nobody must approve stays, and is not kept."""
        lever = msgspec.structs.replace(
            lever, approved_by=by.approved_by, emergency=by.emergency, proposal=by.proposal, labels=by.labels
        )
        self.pulled += 1
        out.memory_changed = True
        if lever.until is not None or by.emergency:
            self._keep(lever)
        return lever

    def belongs_to(self, id_: str, proposal: str) -> None:
        """The proposal by which another person may approve a lever of an emergency."""
        self._in_force[id_] = msgspec.structs.replace(self._in_force[id_], proposal=proposal)

    def confirm(self, id_: str, by: str, out: Outcome) -> LeverInForce | None:
        """Another person has approved a lever of an emergency: it holds as if it had been proposed."""
        lever = self._in_force.get(id_)
        if lever is None:
            return None
        out.memory_changed = True
        confirmed = msgspec.structs.replace(lever, approved_by=by)
        self._in_force[id_] = confirmed
        if confirmed.until is None or not isinstance(confirmed.act, PullLever):
            self._forget(id_)
        return confirmed

    def end(self, id_: str, how: LeverEnd, at: datetime, out: Outcome) -> LeverInForce:
        """Takes a lever back before its time: its groups are as they were before, and are decided. Raises Refused."""
        lever = self._in_force.get(id_)
        if lever is None:
            raise Refused("unknown_lever", f"there is no lever {id_} in force; `monitor levers` lists those that are")
        self._forget(id_)
        out.memory_changed = True
        kept: list[str] = []
        if isinstance(lever.act, PullLever):
            for was in lever.former:
                try:
                    self._events.take_back(was, lever.act.lever, lever.id, at, out)
                except Refused:
                    kept.append(was.group)
        else:
            self._lift(lever.act, at, out)
        self._tell_end(lever, how, kept, at, out)
        return lever

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """The time of a lever is over, or that of other lines of a group."""
        out.memory_changed = True
        if deadline.subject.startswith(_OF_GROUP):
            group_id = deadline.subject.removeprefix(_OF_GROUP)
            self.overridden.discard(group_id)
            self._events.end_lines(group_id, deadline.at, out)
            return
        lever = self._in_force.pop(deadline.subject)
        if isinstance(lever.act, PullLever):  # the end of a pin and of a silence is told by itself
            self._tell_end(lever, LeverEnd("its time is over"), [], deadline.at, out)

    # -- within --

    def check_room(self, groups: int = 0) -> None:
        """Raises Refused where too many are in force."""
        if len(self._in_force) >= MOST_IN_FORCE:
            raise Refused("too_many_levers", f"{MOST_IN_FORCE} levers are in force; end one of them first")
        if groups + sum(len(each.former) for each in self._in_force.values()) > MOST_GROUPS_IN_FORCE:
            text = f"levers in force would be about more than {MOST_GROUPS_IN_FORCE} groups; end one of them first"
            raise Refused("too_many_levers", text)

    def _keep(self, lever: LeverInForce) -> None:
        self._in_force[lever.id] = lever
        due = None if lever.until is None else Deadline(lever.until, deadlines.LEVER, lever.id)
        self._ground.agenda.set(deadlines.LEVER, lever.id, due)

    def _forget(self, id_: str) -> None:
        self._in_force.pop(id_, None)
        self._ground.agenda.set(deadlines.LEVER, id_, None)

    def _plan_lines(self, group_id: str, until: datetime | None) -> None:
        if until is None and group_id not in self.overridden:
            return
        subject = f"{_OF_GROUP}{group_id}"
        due = None if until is None else Deadline(until, deadlines.LEVER, subject)
        self._ground.agenda.set(deadlines.LEVER, subject, due)
        if until is None:
            self.overridden.discard(group_id)
        else:
            self.overridden.add(group_id)

    def _tell_end(self, lever: LeverInForce, how: LeverEnd, kept: list[str], at: datetime, out: Outcome) -> None:
        ids = [each.group for each in lever.former]
        facts = facts_of(lever.act, lever.by, lever.person, ids) | {"lever": lever.id}
        facts |= {"ended_by": how.by, "why": how.why, "kept": kept[:MOST_NAMED]}
        raise_alert(out, self._ground.rules.name, Statement(LEVER_ENDED, lever.id, 2, facts), at)
