"""Asks the next people while a critical alert stays unacknowledged.

Each step is an alert of its own to the people on duty at that time. What is open is kept with every commit, and the steps are
deadlines like all others, so that a restart goes on where the last commit stood.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.alert_type import CRITICAL
from monitor.core.alerts.catalogue import (
    ASKS,
    ESCALATED,
    ESCALATION_ENDED,
    GROUP_ESCALATED,
    GROUP_ESCALATION_ENDED,
    STAGE_NEWS,
)
from monitor.core.alerts.matching import Match, takes
from monitor.core.deadlines import Deadline
from monitor.core.groups.book_changes import BookChanges
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.watcher_states import InHand, OpenEscalation
from monitor.core.instants import micros_of
from monitor.core.refusal import Refused
from monitor.core.rules.duty import Escalation
from monitor.core.stages.stages import NORMAL
from monitor.core.text import stamp
from monitor.core.watch.compose import GroupPart, Statement, raise_alert
from monitor.core.watch.watcher import BookChange, Ground, Watcher
from monitor.core.watch.watchers.silences import SilenceWatch

MOST_OPEN = 1000
"""What is open is written with every commit, and nobody answers more than this. The largest debts come first in a storm."""


class EscalationWatch(Watcher):
    """Which critical alerts nobody has in hand, and whom the next step asks."""

    phases = (deadlines.ESCALATION,)

    def __init__(self, ground: Ground, silences: SilenceWatch, book_changes: BookChanges) -> None:
        self._ground = ground
        self._book_changes = book_changes
        self._silences = silences
        self._open: dict[str, OpenEscalation] = {}

    def kept(self) -> tuple[OpenEscalation, ...]:
        """In the order in which they began."""
        return tuple(self._open.values())

    def restore(self, memory: Memory) -> None:
        """Goes on with the steps."""
        for each in memory.watchers.escalations:
            self._keep(each)

    # -- what begins and ends --

    def look(self, alerts: Sequence[Alert], out: Outcome) -> None:
        """Alerts that were just raised: each may begin an escalation, or show that one is over."""
        for alert in list(alerts):
            if alert.type in ASKS:
                continue
            if self._open and alert.group is not None and alert.type in STAGE_NEWS:
                found = self._open.get(f"group|{alert.subject}")
                if found is not None and (found.stage, found.episode) != (alert.stage_to, alert.episode):
                    self._end(found, "over", alert.at, out)
            if alert.severity == CRITICAL and alert.silenced_by is None:
                self._begin(alert, out)

    def _begin(self, alert: Alert, out: Outcome) -> None:
        key, how = _key(alert), self._which(alert)
        if how is None or key in self._open or len(self._open) >= MOST_OPEN:
            return
        is_stage = key.startswith("group|")
        self._keep(
            OpenEscalation(
                key=key,
                name=how.name,
                alert=alert.id,
                type=alert.type,
                subject=alert.subject,
                since=alert.at,
                due=alert.at + how.step[0].after,
                group=alert.group,
                stage=alert.stage_to if is_stage else None,
                episode=alert.episode,
            )
        )
        out.memory_changed = True

    def _which(self, alert: Alert) -> Escalation | None:
        """The first that matches."""
        for each in self._ground.rules.duty.escalations:
            w = each.match
            if takes(Match(type=w.type, product=w.product, group=w.group, labels=w.labels), alert):
                return each
        return None

    def _end(self, one: OpenEscalation, why: str, at: datetime, out: Outcome) -> None:
        """Those who were asked hear that nobody needs to act any more."""
        del self._open[one.key]
        self._ground.agenda.set(deadlines.ESCALATION, one.key, None)
        out.memory_changed = True
        if why == "over" and _is_answered(one, self._ground.rules.duty.find(one.name)):
            return  # they heard that somebody has it in hand
        self._say_end(one, why, at, out)

    def _say_end(self, one: OpenEscalation, why: str, at: datetime, out: Outcome) -> None:
        if one.asked:
            facts = {**_about(one, one.asked), "why": why, "by": [a.by for a in one.answers]}
            self._raise((GROUP_ESCALATION_ENDED, ESCALATION_ENDED), one, facts, at, out)

    # -- what people say --

    def of_step(self, step: str) -> OpenEscalation | None:
        """The escalation that a step's alert belongs to, while it is open."""
        return next((each for each in self._open.values() if each.last == step), None)

    def asked(self, step: str, by: str) -> OpenEscalation:
        """The escalation about which a person was asked. Raises Refused."""
        found = self.of_step(step)
        if found is None or by not in found.last_people:
            raise Refused("nothing_to_acknowledge", "this notice counts no longer: a newer one was sent, or it is over")
        return found

    def answered(self, key: str, answer: InHand, until: datetime | None, out: Outcome) -> None:
        """Somebody has it in hand. When enough people have, no step follows, until a time or while it lasts."""
        one = self._open.get(key)
        if one is None or answer.by in {a.by for a in one.answers}:
            return
        was_answered = _is_answered(one, self._ground.rules.duty.find(one.name))
        one = msgspec.structs.replace(one, answers=(*one.answers, answer))
        out.memory_changed = True
        if not _is_answered(one, self._ground.rules.duty.find(one.name)):
            self._keep(one)
        elif one.stage is None:
            self._keep(one)
            self._end(one, "acknowledged", answer.at, out)
        else:
            self._keep(msgspec.structs.replace(one, due=until))
            if not was_answered:
                self._say_end(one, "acknowledged", answer.at, out)

    def resume(self, key: str, at: datetime, out: Outcome) -> None:
        """An acknowledgement was taken back, or its time is over: the steps begin again."""
        one = self._open.get(key)
        how = self._ground.rules.duty.find(one.name) if one is not None else None
        if one is not None and how is not None:
            due = at + how.step[0].after
            self._keep(msgspec.structs.replace(one, answers=(), taken=0, due=due, last=None, last_people=()))
            out.memory_changed = True

    # -- the steps --

    @property
    def _reopen(self) -> timedelta:
        return self._ground.rules.lifecycle.reopen

    def observe(self, change: BookChange, out: Outcome) -> None:
        """A group goes on that a snapshot had left out: a step that waited for it comes now."""
        if change.left_at is None:
            return
        until = change.left_at + self._reopen
        back = {record.group.id for record in change.groups}
        for one in [each for each in self._open.values() if each.subject in back and each.due == until]:
            self._keep(msgspec.structs.replace(one, due=change.at))
            out.memory_changed = True

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """The next people are asked, unless it is over or somebody has it in hand."""
        one = self._open[deadline.subject]
        how, at = self._ground.rules.duty.find(one.name), deadline.at
        until = self._book_changes.returns_until(one.subject, self._reopen) if one.group is not None else None
        if until is not None and at < until:
            # Only one snapshot lacks the group, perhaps. Whoever was told that it is over would not be asked again.
            self._keep(msgspec.structs.replace(one, due=until))
            out.memory_changed = True
            return
        record = self._ground.book.find(one.subject) if one.group is not None else None
        is_gone = one.group is not None and record is None
        is_gone |= one.stage is not None and record is not None and not _lasts(one, record)
        if how is None or is_gone:
            self._end(one, "over", at, out)
        elif _is_answered(one, how):  # until a time that is over now
            self.resume(one.key, at, out)
        elif (step := how.at(one.taken)) is None:
            # Nobody was left to ask. What is said stays open, so that the last ones may still answer.
            self._keep(msgspec.structs.replace(one, due=None))
            out.memory_changed = True
        else:
            self._take(one, how, step.to, at, out)

    def _take(self, one: OpenEscalation, how: Escalation, to: tuple[str, ...], at: datetime, out: Outcome) -> None:
        record = self._ground.book.find(one.subject) if one.group is not None else None
        following = how.at(one.taken + 1)
        due = at + (following or how.step[-1]).after
        done = {a.by for a in one.answers}
        people = tuple(p for p in self._ground.rules.duty.people(to, at) if p not in done)
        one = msgspec.structs.replace(one, taken=one.taken + 1, due=due)
        if people:
            facts = {
                **_about(one, people),
                "step": one.taken,
                "expires": stamp(due),
                "answered": [a.by for a in one.answers],
            }
            said = self._raise((GROUP_ESCALATED, ESCALATED), one, facts, at, out)
            if record is not None:
                out.alerts[-1] = self._silences.judge_step(said, one.type, record.state)
            asked = tuple(dict.fromkeys((*one.asked, *people)))
            one = msgspec.structs.replace(one, last=said.id, last_people=people, asked=asked)
        self._keep(one)
        out.memory_changed = True

    def _raise(
        self, types: tuple[str, str], one: OpenEscalation, facts: dict[str, Any], at: datetime, out: Outcome
    ) -> Alert:
        record = self._ground.book.find(one.subject) if one.group is not None else None
        part = None
        if record is not None:
            self._ground.weight(record)
            part = self._part(record)
        elif one.group is not None:
            facts = {**facts, "about": one.group.id}
        type_ = types[0] if part is not None else types[1]
        number = micros_of(at)
        while any(a.type == type_ and (a.subject, a.sequence) == (one.subject, number) for a in out.alerts):
            number += 1
        what = Statement(type_, one.subject, number, facts, one.episode, part is not None and _blind(record), part)
        return raise_alert(out, self._ground.rules.name, what, at)

    def _part(self, record: GroupRecord) -> GroupPart:
        state = record.state
        return GroupPart(
            group=record.ref,
            stage_from=state.stage,
            stage_to=state.stage,
            reason="unacknowledged",
            figures=record.figures(self._ground.board),
            deadline=state.deadline,
            supersedes=None,
            suppressed=(),
            contacts={},
        )

    def _keep(self, one: OpenEscalation) -> None:
        self._open[one.key] = one
        deadline = None if one.due is None else Deadline(one.due, deadlines.ESCALATION, one.key)
        self._ground.agenda.set(deadlines.ESCALATION, one.key, deadline)


def group_key(group: str) -> str:
    """The key of what a group's stage began."""
    return f"group|{group}"


def _key(alert: Alert) -> str:
    is_stage = alert.group is not None and alert.stage_to not in (None, NORMAL) and alert.type.startswith("loan_group.")
    return group_key(alert.subject) if is_stage else f"{alert.type}|{alert.subject}"


def _lasts(one: OpenEscalation, record: GroupRecord) -> bool:
    return (record.state.stage, record.state.episode) == (one.stage, one.episode)


def _blind(record: GroupRecord | None) -> bool:
    return record is not None and record.blind


def _is_answered(one: OpenEscalation, how: Escalation | None) -> bool:
    return how is not None and len({a.by for a in one.answers}) >= how.needs


def _about(one: OpenEscalation, people: Iterable[str]) -> dict[str, Any]:
    return {
        "escalation": one.name,
        "people": list(people),
        "alert": one.alert,
        "alert_type": one.type,
        "about": one.subject,
        "since": stamp(one.since),
    }
