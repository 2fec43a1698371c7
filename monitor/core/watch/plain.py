"""Takes the steps that a book has proved by its columns, with all that follows from a step but its figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor.core.alerts.light import LightAlert
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.plain_moves import PlainMove, started_row
from monitor.core.ids import alert_id
from monitor.core.stages.decision import TableStep, stepped
from monitor.core.stages.stages import LIQUIDATION, Signal
from monitor.core.watch.watcher import Ground
from monitor.core.watch.watchers.fund import FundWatch
from monitor.core.watch.watchers.rules import RulesWatch
from monitor.core.watch.watchers.schedule import PlainDeadline, Schedule
from monitor.core.watch.watchers.silences import SilenceWatch


class _Following(NamedTuple):
    """What follows for all groups that stand alike."""

    step: TableStep
    due: PlainDeadline | None


class PlainEffects:
    """What follows from plain moves: state, alert, deadlines, fund and history, as `GroupEffects` has them one by one."""

    def __init__(
        self, ground: Ground, schedule: Schedule, rules: RulesWatch, fund: FundWatch, silences: SilenceWatch
    ) -> None:
        self._ground = ground
        self._schedule = schedule
        self._rules = rules
        self._fund = fund
        self._silences = silences
        self._alike: dict[tuple[int, Signal], _Following] = {}
        """By the identity of a state that may be shared, and signal: of the moves that were found last, which keep it."""

    def found(self, suspects: Collection[str], at: datetime) -> Mapping[str, PlainMove]:
        """The plain moves among suspects. None while rules come into force: an alert says what they caused."""
        self._alike.clear()
        if self._rules.is_replacing or not self._ground.decides_by_column:
            return {}
        return self._ground.book.plain_moves(suspects, self._ground.board, at)

    def take(self, move: PlainMove, at: datetime, out: Outcome) -> bool:
        """Takes a step. False where it must be decided exactly, as a silence covers the group."""
        ref = move.ref
        if self._silences.covers(ref):
            return False
        step, due = self._alike.get((id(move.state), move.signal)) or self._following(move, at)
        said, id_ = step.said, ref.id
        alert = alert_id(self._ground.rules.name, id_, said.episode, said.sequence, said.type)
        after = msgspec.structs.replace(step.after, group=id_, last_alert=alert)
        out.alerts.append(
            LightAlert(
                said.type,
                alert,
                at,
                out.at,
                id_,
                said.sequence,
                said.episode,
                ref,
                said.stage_from,
                said.stage_to,
                said.reason,
                None,
                said.deadline,
                move.last_alert,
                said.suppressed,
                of=move.of,
                place=move.place,
            )
        )
        self._ground.book.keep_plain(move, after)
        out.states[id_] = after
        out.touched.add(id_)
        if after.stage == LIQUIDATION:
            self._fund.enter(id_, ref.product, at)
            out.history.append(started_row(move, said.reason, alert, at))
        self._schedule.plan_plain(id_, due, move.dated)
        return True

    def _following(self, move: PlainMove, at: datetime) -> _Following:
        step = stepped(move.state, move.signal, at, move.version, move.lines)
        found = self._alike[id(move.state), move.signal] = _Following(step, self._schedule.plain_deadline(step.after))
        return found
