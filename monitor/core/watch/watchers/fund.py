"""Says when the groups in liquidation would cost the insurance fund more than it has, and when they no longer would.

A look values every group in stage liquidation exactly, which takes some ten microseconds each. A change is looked at when
everything of its time is handled, but looks stand apart by REST for each group in liquidation. With a few such groups the
fund is looked at on every tick, with ten thousand once a minute. No tick waits for it. The times of the last look and of
the next are remembered, so that a restart goes on in the same rhythm.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import nsmallest
from typing import NamedTuple

import msgspec

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.watcher_states import FundState, Told
from monitor.core.money import ONE, ZERO
from monitor.core.stages.stages import LIQUIDATION
from monitor.core.text import MOST_NAMED
from monitor.core.valuation.clearance import FundSight, clearance, fund_facts
from monitor.core.valuation.valuation import Holding
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.watcher import BookChange, Ground, Watcher

REST = timedelta(milliseconds=6)
"""Between two looks, for each group in liquidation: a minute for ten thousand, and the look takes a five-hundredth of it."""
SUBJECT = "fund"
EXCEEDED, RESTORED = "fund.exceeded", "fund.restored"


class _InLiquidation(NamedTuple):
    """A group in liquidation."""

    product: str
    held: Holding | None
    """None where it must be read from the book again."""


class FundWatch(Watcher):
    """Which groups are in liquidation, and what they would draw. Does nothing while no fund is configured."""

    phases = (deadlines.FUND,)

    def __init__(self, ground: Ground) -> None:
        self.sight: FundSight | None = None
        """What the last look saw; None while no fund is configured."""
        self._ground = ground
        self._state = FundState()
        self._held: dict[str, _InLiquidation] = {}
        self._assets: frozenset[str] = frozenset()
        """Whose prices decided the last look."""
        self._show(None)

    def kept(self) -> FundState:
        """What was said, and the rhythm."""
        return self._state

    def restore(self, memory: Memory) -> None:
        """Takes the groups that a memory holds, and goes on in its rhythm."""
        kept = memory.watchers.fund
        self._state = kept
        found = self._ground.book.find_all(s.group for s in memory.states if s.stage == LIQUIDATION)
        self._held = {record.group.id: _InLiquidation(record.group.product, record.held) for record in found}
        if self._ground.rules.fund is None:
            self._state = msgspec.structs.replace(kept, due=None)
            return
        self._show(memory.at if self._held else None)
        if kept.due is not None:
            self._plan(kept.due)
        elif self._held and kept.looked_at is None:
            self._touch(memory.at)

    def awaken(self, at: datetime) -> None:
        """The balance may be another one than before."""
        if self._held or (self.sight is not None and self.sight.exceeded):
            self._touch(at)

    def configure(self, at: datetime) -> None:
        """Another balance, or a fund where there was none."""
        if self._ground.rules.fund is None:
            self.sight = None
            self._state = FundState(Told(self._state.told.times), self._state.looked_at)
            self._ground.agenda.set(deadlines.FUND, SUBJECT, None)
        else:
            self._forget(self._held)
            self._show(self.sight.at if self.sight else None)
            self._touch(at)

    def observe(self, change: BookChange, out: Outcome) -> None:
        """Prices or the trust in them, groups in liquidation or what they hold: a look is due."""
        if self._held and not self._assets.isdisjoint(change.prices.moved):
            self._touch(change.at)
        for record in change.groups:
            self.note(record, change.at)
        if change.closed is not None:
            self._drop(change.closed, change.at)
        mine = [id_ for id_, each in self._held.items() if each.product in change.renewed] if change.renewed else []
        if mine:
            self._forget(mine)
            self._touch(change.at)

    def note(self, record: GroupRecord, at: datetime) -> None:
        """A group has another state, or holds something else."""
        if record.state.stage == LIQUIDATION:
            self._held[record.group.id] = _InLiquidation(record.group.product, record.held)
            self._touch(at)
        else:
            self._drop(record.group.id, at)

    def enter(self, group_id: str, product: str, at: datetime) -> None:
        """A group has come into liquidation; what it holds is read from the book when it is looked at."""
        self._held[group_id] = _InLiquidation(product, None)
        self._touch(at)

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """Looks, and says what has become of the fund."""
        self._state = FundState(self._state.told, looked_at=deadline.at)
        self._show(deadline.at)
        sight = self.sight
        assert sight is not None
        if not sight.exceeded and sight.draw_usd > sight.balance_usd:
            self._say(EXCEEDED, deadline.at, out)
        elif sight.exceeded and not sight.blind and sight.draw_usd <= self._eased(sight.balance_usd):
            self._say(RESTORED, deadline.at, out)

    def _drop(self, group_id: str, at: datetime) -> None:
        """A group is closed, or no longer in liquidation."""
        if group_id in self._held:
            del self._held[group_id]
            self._touch(at)

    def _touch(self, at: datetime) -> None:
        """Something that counts has changed: a look is due."""
        if self._ground.rules.fund is None or self._state.due is not None:
            return
        last = self._state.looked_at
        self._plan(at if last is None else max(at, last + REST * len(self._held)))

    def _plan(self, due: datetime) -> None:
        self._state = msgspec.structs.replace(self._state, due=due)
        self._ground.agenda.set(deadlines.FUND, SUBJECT, None, Deadline(due, deadlines.FUND, SUBJECT))

    def _eased(self, balance: Decimal) -> Decimal:
        """The draw at which the fund suffices again: a draw that trembles around the balance is said once."""
        return balance * (ONE - min(ONE, self._ground.rules.lifecycle.clear_margin))

    def _say(self, type_: str, at: datetime, out: Outcome) -> None:
        assert self.sight is not None
        is_bad = type_ == EXCEEDED
        count = self._state.told.times + 1
        self._state = msgspec.structs.replace(self._state, told=Told(count, "said" if is_bad else None))
        self.sight = msgspec.structs.replace(self.sight, exceeded=is_bad)
        what = Statement(type_, SUBJECT, count, fund_facts(self.sight), blind=self.sight.blind)
        raise_alert(out, self._ground.rules.name, what, at)

    def _show(self, at: datetime | None) -> None:
        """Values all groups in liquidation; at None there was none yet."""
        fund, board = self._ground.rules.fund, self._ground.board
        if fund is None:
            return
        held = {id_: self._holding(id_) for id_ in self._held}
        assets = frozenset[str]().union(*(h.assets for h in held.values()))
        self._assets = assets
        usd = {asset: board.usd[asset] for asset in assets if asset in board.usd}
        draws, fees, unknown = dict[str, Decimal](), ZERO, 0
        for id_, holding in held.items():
            try:
                ends = clearance(holding, usd)
            except KeyError:
                unknown += 1
                continue
            fees += ends.fee_usd
            if ends.bankrupt:
                draws[id_] = ends.shortfall_usd
        self.sight = FundSight(
            balance_usd=fund.balance_usd,
            at=at,
            draw_usd=sum(draws.values(), ZERO),
            fees_usd=fees,
            bankrupt=len(draws),
            in_liquidation=len(self._held),
            unknown=unknown,
            blind=unknown > 0 or not board.untrusted.isdisjoint(assets),
            worst=tuple(nsmallest(MOST_NAMED, draws.items(), key=lambda item: (-item[1], item[0]))),
            exceeded=self._state.told.last is not None,
        )

    def _forget(self, group_ids: Collection[str]) -> None:
        self._held |= {id_: self._held[id_]._replace(held=None) for id_ in group_ids}

    def _holding(self, group_id: str) -> Holding:
        held = self._held[group_id].held
        if held is None:
            record = self._ground.known(group_id)
            held = record.held
            self._held[group_id] = _InLiquidation(record.group.product, held)
        return held
