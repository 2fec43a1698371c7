"""What operators say, as values; and which alerts are kept from the channels for a time.

A silence hides deliveries, never an evaluation or the log, and never what is worse than what it was made for. Of each group
that is the stage in which the group was when it was silenced, and the severity that goes with that stage; `up_to` states
another limit for all, `even_worse` none. Good news is never hidden: it goes only where the bad news was told. When a silence
ends, a group that is still in a stage whose alert it hid is told again (operators.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS, CRITICAL, GOOD_STAGE_NEWS, INFO, SEVERITY_RANK, WARNING
from monitor.core.alerts.matching import Match, covers, takes
from monitor.core.deadlines import Agenda, Deadline
from monitor.core.refusal import Refused
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL, STAGE_RANK, GroupState

MOST_SILENCES = 100
"""In force at once. Every alert is held against each of them, and a desk that needs more has the wrong routes."""
LONGEST_SILENCE = timedelta(days=30)
"""What must stay silent for longer is a matter of routes."""

UpTo = Literal["info", "warning", "critical", "normal", "margin_call", "delayed_liquidation", "liquidation"]


class _Act(msgspec.Struct, frozen=True, tag_field="act"):
    pass


class Acknowledge(_Act, frozen=True, tag="acknowledge"):
    """The stage that an alert told of is in hand: its reminders stop, until a time or for as long as the stage lasts."""

    group: str
    episode: int
    stage: str
    """The stage that the alert told of; another one by now is not acknowledged."""
    alert: str
    note: str = ""
    until: datetime | None = None


class Unacknowledge(_Act, frozen=True, tag="unacknowledge"):
    """Reminders begin again."""

    group: str
    alert: str


class Hush(_Act, frozen=True, tag="silence", omit_defaults=True):
    """Hides the deliveries of what matches, until a time."""

    id: str
    match: Match
    until: datetime
    reason: str
    up_to: UpTo | None = None
    even_worse: bool = False


class Unsilence(_Act, frozen=True, tag="unsilence"):
    """Ends a silence before its time."""

    id: str


Act = Acknowledge | Unacknowledge | Hush | Unsilence


class Silence(msgspec.Struct, frozen=True):
    """A silence in force."""

    said: Hush
    by: str
    at: datetime


_LIMITS: Mapping[str, tuple[str, str]] = {
    NORMAL: (NORMAL, WARNING), MARGIN_CALL: (MARGIN_CALL, WARNING),
    DELAYED: (DELAYED, CRITICAL), LIQUIDATION: (LIQUIDATION, CRITICAL),
    INFO: (NORMAL, INFO), WARNING: (MARGIN_CALL, WARNING), CRITICAL: (LIQUIDATION, CRITICAL),
}  # fmt: skip
"""By what may be hidden at worst: the worst stage, and the worst severity."""


def hides(said: Hush, alert: Alert, stage: str = NORMAL) -> bool:
    """Whether a silence keeps an alert from the channels. `stage`: that of the alert's group when it was silenced."""
    if alert.type in GOOD_STAGE_NEWS or not takes(said.match, alert):
        return False
    if said.even_worse:
        return True
    worst_stage, worst_severity = _LIMITS[said.up_to or stage]
    told = alert.stage_to or NORMAL
    return (
        STAGE_RANK[told] >= STAGE_RANK[worst_stage] and SEVERITY_RANK[alert.severity] >= SEVERITY_RANK[worst_severity]
    )


class Silences:
    """Those in force, and the groups of which they hid the stage."""

    def __init__(self, planned: Agenda, kept: Iterable[Silence] = (), states: Iterable[GroupState] = ()) -> None:
        self._agenda = planned
        self._known: dict[str, Silence] = {}
        self._hushed: dict[str, set[str]] = {}
        """By silence: groups whose state may name it in `hushed`."""
        for silence in kept:
            self._plan(silence)
        for state in states:
            if state.hushed is not None:
                self._hushed.setdefault(state.hushed, set()).add(state.group)

    @property
    def all(self) -> tuple[Silence, ...]:
        """In the order in which they were made."""
        return tuple(self._known.values())

    def find(self, id_: str) -> Silence | None:
        """One that is in force."""
        return self._known.get(id_)

    def take(self, said: Hush, by: str, at: datetime) -> None:
        """A new silence. Raises Refused."""
        if said.id in self._known:
            raise Refused("silence_exists", f"there is a silence {said.id} already")
        if not at < said.until <= at + LONGEST_SILENCE:
            raise Refused(
                "bad_until",
                f"until {said.until.isoformat()} is not within {LONGEST_SILENCE.days} days after {at.isoformat()}",
            )
        if len(self._known) >= MOST_SILENCES:
            raise Refused("too_many_silences", f"{MOST_SILENCES} silences are in force; end one of them first")
        self._plan(Silence(said, by, at))

    def end(self, id_: str) -> set[str]:
        """Ends a silence; returns the groups whose stage it may have hidden."""
        del self._known[id_]
        self._agenda.set(deadlines.SILENCE, id_, None)
        return self._hushed.pop(id_, set())

    def judge(self, alert: Alert, before: GroupState, after: GroupState) -> tuple[Alert, GroupState]:
        """An alert about a group as it is said, and the group's state with what must be remembered of silences."""
        has_moved = before.stage != after.stage
        covering = [s for s in self._known.values() if covers(s.said.match, alert.group)]
        ceilings = dict(after.ceilings)
        if has_moved:
            over = {s.said.id: before.stage for s in covering}
            ceilings = over | {id_: stage for id_, stage in ceilings.items() if id_ in over}
        by = _hiding(covering, alert, ceilings, before.stage)
        hushed = by if has_moved or alert.type in BAD_STAGE_NEWS else after.hushed
        if hushed is not None:
            self._hushed.setdefault(hushed, set()).add(after.group)
        kept = tuple(ceilings.items())
        if (kept, hushed) != (after.ceilings, after.hushed):
            after = msgspec.structs.replace(after, ceilings=kept, hushed=hushed)
        return _marked(alert, by), after

    def mark(self, alerts: list[Alert], start: int) -> None:
        """Marks those of the alerts from a place on that are about no group."""
        if self._known:
            alerts[start:] = [
                a if a.group is not None else _marked(a, _hiding(self._known.values(), a, {}, NORMAL))
                for a in alerts[start:]
            ]

    def _plan(self, silence: Silence) -> None:
        id_ = silence.said.id
        self._known[id_] = silence
        self._agenda.set(deadlines.SILENCE, id_, Deadline(silence.said.until, deadlines.SILENCE, id_))


def _hiding(silences: Iterable[Silence], alert: Alert, ceilings: Mapping[str, str], stage: str) -> str | None:
    """The first silence that hides an alert; `stage`: where the group was, unless it is noted among the ceilings."""
    return next((s.said.id for s in silences if hides(s.said, alert, ceilings.get(s.said.id, stage))), None)


def _marked(alert: Alert, by: str | None) -> Alert:
    return alert if by is None else msgspec.structs.replace(alert, silenced_by=by)
