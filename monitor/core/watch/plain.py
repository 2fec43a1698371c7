"""Takes the steps that a book has proved by its columns, with all that follows from a step but its figures."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from monitor.core.alerts.light import LightAlert
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.plain_moves import PlainMove, started_row
from monitor.core.stages.decision import taken
from monitor.core.stages.stages import LIQUIDATION
from monitor.core.watch.watcher import Ground
from monitor.core.watch.watchers.fund import FundWatch
from monitor.core.watch.watchers.rules import RulesWatch
from monitor.core.watch.watchers.schedule import Schedule
from monitor.core.watch.watchers.silences import SilenceWatch


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

    def found(self, suspects: Collection[str], at: datetime) -> Mapping[str, PlainMove]:
        """The plain moves among suspects. None while rules come into force: an alert says what they caused."""
        if self._rules.is_replacing or not self._ground.decides_by_column:
            return {}
        return self._ground.book.plain_moves(suspects, self._ground.board, at)

    def take(self, move: PlainMove, at: datetime, out: Outcome) -> bool:
        """Takes a step. False where it must be decided exactly, as a silence covers the group."""
        if self._silences.covers(move.ref):
            return False
        ground, id_ = self._ground, move.state.group
        after, said = taken(ground.rules.name, move.state, move.signal, at, move.version, move.lines)
        assert said is not None
        out.alerts.append(
            LightAlert(
                said.type,
                said.id,
                at,
                out.at,
                id_,
                said.sequence,
                said.episode,
                move.ref,
                said.stage_from,
                said.stage_to,
                said.reason,
                None,
                said.deadline,
                said.supersedes,
                said.suppressed,
                of=move.of,
                place=move.place,
            )
        )
        ground.book.keep_plain(move, after)
        out.states[id_] = after
        out.touched.add(id_)
        if after.stage == LIQUIDATION:
            self._fund.enter(id_, move.ref.product, at)
            out.history.append(started_row(move, said, at))
        self._schedule.plan_plain(after, move.dated)
        return True
