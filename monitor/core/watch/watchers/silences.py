"""Which silences are in force, which alerts they hide, and which groups have a stage that they hid."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.alert import Alert, GroupRef
from monitor.core.alerts.catalogue import BAD_STAGE_NEWS
from monitor.core.alerts.matching import covers
from monitor.core.alerts.silences import MakeSilence, Silence, hides
from monitor.core.deadlines import Agenda, Deadline
from monitor.core.groups.outcome import Memory
from monitor.core.refusal import Refused
from monitor.core.stages.stages import NORMAL, GroupState
from monitor.core.watch.watcher import Watcher

MOST_SILENCES = 100
"""In force at once. Every alert is held against each of them, and a desk that needs more has the wrong routes."""
LONGEST_SILENCE = timedelta(days=30)
"""What must stay silent for longer is a matter of routes."""


class SilenceWatch(Watcher):
    """The silences in force. `Operators` ends them, as groups must be told again then."""

    def __init__(self, agenda: Agenda) -> None:
        self._agenda = agenda
        self._known: dict[str, Silence] = {}
        self._silenced: dict[str, set[str]] = {}
        """By silence: groups whose state may name it in `silence`."""

    def kept(self) -> tuple[Silence, ...]:
        """In the order in which they were made."""
        return tuple(self._known.values())

    def restore(self, memory: Memory) -> None:
        """Takes what was kept; the states name the groups whose stage was hidden."""
        for silence in memory.watchers.silences:
            self._plan(silence)
        for state in memory.states:
            if state.silence is not None:
                self._silenced.setdefault(state.silence, set()).add(state.group)

    def find(self, id_: str) -> Silence | None:
        """One that is in force."""
        return self._known.get(id_)

    def take(self, said: MakeSilence, by: str, at: datetime) -> None:
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
        return self._silenced.pop(id_, set())

    def covers(self, group: GroupRef) -> bool:
        """Some silence in force means the group."""
        for silence in self._known.values():  # noqa: SIM110  a storm asks of thousands: a generator takes as long again
            if covers(silence.said.match, group):
                return True
        return False

    def judge(self, alert: Alert, before: GroupState, after: GroupState) -> tuple[Alert, GroupState]:
        """An alert about a group as it is sent, and the group's state with what must be remembered of silences."""
        has_moved = before.stage != after.stage
        covering = [s for s in self._known.values() if covers(s.said.match, alert.group)]
        ceilings = dict(after.ceilings)
        if has_moved:
            over = {s.said.id: before.stage for s in covering}
            ceilings = over | {id_: stage for id_, stage in ceilings.items() if id_ in over}
        by = _hiding(covering, alert, ceilings, before.stage)
        silence = by if has_moved or alert.type in BAD_STAGE_NEWS else after.silence
        if silence is not None:
            self._silenced.setdefault(silence, set()).add(after.group)
        kept = tuple(ceilings.items())
        if (kept, silence) != (after.ceilings, after.silence):
            after = msgspec.structs.replace(after, ceilings=kept, silence=silence)
        return _marked(alert, by), after

    def judge_step(self, alert: Alert, of: str, state: GroupState) -> Alert:
        """A step of an escalation as it is sent: what hides the alert that it asks about, of type `of`, hides it too."""
        covering = [s for s in self._known.values() if covers(s.said.match, alert.group)]
        asked = msgspec.structs.replace(alert, type=of)
        return _marked(alert, _hiding(covering, asked, dict(state.ceilings), state.stage))

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
