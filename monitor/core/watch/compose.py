"""Makes an alert, and raises it. The place that raises it gives its type, its subject, its number and its facts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, NamedTuple

from monitor.core.alerts.alert import Alert, Figures
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.ids import alert_id
from monitor.core.stages.decision import Said


class Statement(NamedTuple):
    """What an alert says."""

    type: str
    subject: str
    sequence: int
    """Counts the alerts about this subject, or this episode of it: with it the id is the same in every run."""
    facts: Mapping[str, Any]
    episode: int = 0
    blind: bool = False


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
    )


def raise_alert(out: Outcome, name: str, what: Statement, at: datetime, detected_at: datetime | None = None) -> None:
    """Adds an alert that is about no group to what an event did; the state that numbers it must be kept."""
    out.alerts.append(compose(name, what, at, detected_at or out.at))
    out.memory_changed = True


def group_alert(
    said: Said, record: GroupRecord, figures: Figures, detected_at: datetime, facts: Mapping[str, Any]
) -> Alert:
    """An alert about a group: what was decided, on the figures of its time."""
    return Alert(
        type=said.type,
        id=said.id,
        at=said.at,
        detected_at=detected_at,
        subject=record.group.id,
        sequence=said.sequence,
        episode=said.episode,
        group=record.ref,
        stage_from=said.stage_from,
        stage_to=said.stage_to,
        reason=said.reason,
        figures=figures,
        deadline=said.deadline,
        supersedes=said.supersedes,
        suppressed=said.suppressed,
        blind=record.blind,
        facts=facts,
        contacts=record.group.contacts,
    )
