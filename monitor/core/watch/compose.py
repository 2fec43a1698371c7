"""Makes an alert, and raises it. The place that raises it gives its type, its subject, its number and its facts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from monitor.core.alerts.alert import Alert, Figures, GroupRef
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.ids import alert_id
from monitor.core.loans.group import Contact
from monitor.core.stages.decision import Said


class GroupPart(NamedTuple):
    """What only an alert about a group has: the fields of `Alert` of the same names."""

    group: GroupRef
    stage_from: str
    stage_to: str | None
    reason: str
    figures: Figures
    deadline: datetime | None
    supersedes: str | None
    suppressed: tuple[str, ...]
    contacts: Mapping[str, tuple[Contact, ...]]


class Statement(NamedTuple):
    """What an alert says."""

    type: str
    subject: str
    sequence: int
    """Counts the alerts about this subject, or this episode of it: with it the id is the same in every run."""
    facts: Mapping[str, Any]
    episode: int = 0
    blind: bool = False
    of_group: GroupPart | None = None


def about_group(said: Said, record: GroupRecord, figures: Figures, facts: Mapping[str, Any]) -> Statement:
    """What was decided about a group, on the figures of its time."""
    part = GroupPart(
        group=record.ref,
        stage_from=said.stage_from,
        stage_to=said.stage_to,
        reason=said.reason,
        figures=figures,
        deadline=said.deadline,
        supersedes=said.supersedes,
        suppressed=said.suppressed,
        contacts=record.group.contacts,
    )
    return Statement(said.type, record.group.id, said.sequence, facts, said.episode, record.blind, part)


def compose(name: str, what: Statement, at: datetime, detected_at: datetime | None = None) -> Alert:
    """The alert of a monitor of this name. `at`: when what decided happened."""
    return Alert(
        type=what.type,
        id=alert_id(name, what.subject, what.episode, what.sequence, what.type),
        at=at,
        detected_at=detected_at or at,
        subject=what.subject,
        sequence=what.sequence,
        episode=what.episode,
        facts=what.facts,
        blind=what.blind,
        **(what.of_group._asdict() if what.of_group else {}),
    )


def raise_alert(out: Outcome, name: str, what: Statement, at: datetime, detected_at: datetime | None = None) -> Alert:
    """Adds an alert to what an event did. A group's state numbers its alerts; what numbers others must be kept too."""
    alert = compose(name, what, at, detected_at or out.at)
    out.alerts.append(alert)
    out.memory_changed |= what.of_group is None
    return alert
