"""Says aloud when the groups in liquidation would cost the insurance fund more than it has, and when no longer.

A look values every group in stage liquidation exactly, which takes some ten microseconds each. So a change is looked at once
all of its time is handled, but never sooner than REST for each of them after the look before: with a few groups in
liquidation every tick is looked at, with ten thousand one a minute, and no tick waits for the fund. When the last look
was and when the next is due is kept among the notices, so that a restart goes on in the same rhythm.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from heapq import nsmallest
from typing import NamedTuple

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.alert import Alert
from monitor.core.deadlines import Agenda, Deadline
from monitor.core.groups.loan_book import LoanBook
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.ids import alert_id
from monitor.core.instants import micros_of, time_at
from monitor.core.money import ONE, ZERO
from monitor.core.prices.board import PriceBoard
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import LIQUIDATION, GroupState
from monitor.core.text import MOST_NAMED
from monitor.core.valuation.clearance import FundSight, clearance, fund_facts
from monitor.core.valuation.valuation import Holding

REST = timedelta(milliseconds=6)
"""Between two looks, for each group in liquidation: a minute for ten thousand, of which the look takes a five-hundredth."""
SUBJECT = "fund"
EXCEEDED, RESTORED = "fund.exceeded", "fund.restored"
_SAID, _LOOK = f"{EXCEEDED}|{SUBJECT}", f"fund.look|{SUBJECT}"


class _Mine(NamedTuple):
    """A group in liquidation."""

    product: str
    held: Holding | None
    """None where it is to be taken anew from the book."""


class FundWatch:
    """Which groups are in liquidation, and what they would draw. Does nothing while no fund is configured."""

    def __init__(
        self, rules: Rules, board: PriceBoard, planned: Agenda, book: LoanBook, notices: dict[str, tuple[int, str | None]]
    ) -> None:  # fmt: skip
        self.rules = rules
        self.sight: FundSight | None = None
        """Of the last look; None while no fund is configured."""
        self._board, self._agenda, self._book, self._notices = board, planned, book, notices
        self._held: dict[str, _Mine] = {}
        """Groups in liquidation."""
        self._assets: frozenset[str] = frozenset()
        """Whose prices decided the last look."""
        self._is_due = False
        self._show(None)

    def restore(self, states: Iterable[GroupState], at: datetime) -> None:
        """Takes the groups that a memory holds, and goes on in its rhythm."""
        found = (self._book.find(s.group) for s in states if s.stage == LIQUIDATION)
        self._held = {
            record.group.id: _Mine(record.group.product, record.held) for record in found if record is not None
        }
        if self.rules.fund is None:
            return
        self._show(at if self._held else None)
        last, due = self._notices.get(_LOOK, (0, None))
        if due is not None:
            self._plan(time_at(int(due)))
        elif self._held and not last:
            self.touch(at)

    def awaken(self, at: datetime) -> None:
        """After a restart: the balance may be another one than before."""
        if self._held or (self.sight is not None and self.sight.exceeded):
            self.touch(at)

    def configure(self, rules: Rules, at: datetime) -> None:
        """New rules, another balance, or a fund where there was none."""
        self.rules = rules
        if rules.fund is None:
            self.sight, self._is_due = None, False
            self._agenda.set(deadlines.FUND, SUBJECT, None)
            for key in (_LOOK, _SAID):
                if key in self._notices:
                    self._notices[key] = (self._notices[key][0], None)
        else:
            self._forget(self._held)
            self._show(self.sight.at if self.sight else None)
            self.touch(at)

    def note(self, record: GroupRecord, at: datetime) -> None:
        """A group has another state, or holds something else."""
        if record.state.stage == LIQUIDATION:
            self._held[record.group.id] = _Mine(record.group.product, record.held)
            self.touch(at)
        else:
            self.drop(record.group.id, at)

    def drop(self, group_id: str, at: datetime) -> None:
        """A group is closed, or no longer in liquidation."""
        if group_id in self._held:
            del self._held[group_id]
            self.touch(at)

    def renewed(self, kinds: Collection[str] | None, at: datetime) -> None:
        """Interest was added, or other rules hold: groups of these products, or all, are held anew."""
        mine = [id_ for id_, each in self._held.items() if kinds is None or each.product in kinds]
        if mine:
            self._forget(mine)
            self.touch(at)

    def moved(self, assets: Collection[str], at: datetime) -> None:
        """Prices, or the trust in them, have changed."""
        if not self._is_due and self._held and not self._assets.isdisjoint(assets):
            self.touch(at)

    def touch(self, at: datetime) -> None:
        """Something that counts has changed: a look is due."""
        if self.rules.fund is None or self._is_due:
            return
        last, _ = self._notices.get(_LOOK, (0, None))
        due = max(at, time_at(last) + REST * len(self._held)) if last else at
        self._notices[_LOOK] = (last, str(micros_of(due)))
        self._plan(due)

    def come_due(self, at: datetime, out: Outcome) -> None:
        """Looks, and says what has become of the fund."""
        self._is_due = False
        self._notices[_LOOK] = (micros_of(at), None)
        self._show(at)
        sight = self.sight
        assert sight is not None
        if not sight.exceeded and sight.draw_usd > sight.balance_usd:
            self._say(EXCEEDED, at, out)
        elif sight.exceeded and not sight.blind and sight.draw_usd <= self._eased(sight.balance_usd):
            self._say(RESTORED, at, out)

    def _eased(self, balance: Decimal) -> Decimal:
        """The draw at which the fund suffices again: a draw that trembles around the balance is said once."""
        return balance * (ONE - min(ONE, self.rules.lifecycle.clear_margin))

    def _plan(self, due: datetime) -> None:
        self._is_due = True
        self._agenda.set(deadlines.FUND, SUBJECT, None, Deadline(due, deadlines.FUND, SUBJECT))

    def _say(self, type_: str, at: datetime, out: Outcome) -> None:
        assert self.sight is not None
        is_bad = type_ == EXCEEDED
        count = self._notices.get(_SAID, (0, None))[0] + 1
        self._notices[_SAID] = (count, "said" if is_bad else None)
        self.sight = msgspec.structs.replace(self.sight, exceeded=is_bad)
        id_ = alert_id(self.rules.name, SUBJECT, 0, count, type_)
        out.alerts.append(
            Alert(type_, id_, at, out.at, SUBJECT, count, 0, facts=fund_facts(self.sight), blind=self.sight.blind)
        )
        out.deskful = True

    def _show(self, at: datetime | None) -> None:
        """Values all groups in liquidation; at None there was none yet."""
        if self.rules.fund is None:
            return
        held = {id_: self._holding(id_) for id_ in self._held}
        assets = frozenset[str]().union(*(h.assets for h in held.values()))
        board = self._board.usd
        usd = {asset: board[asset] for asset in assets if asset in board}
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
        worst = nsmallest(MOST_NAMED, draws.items(), key=lambda item: (-item[1], item[0]))
        self._assets = assets
        self.sight = FundSight(
            self.rules.fund.balance_usd, at, sum(draws.values(), ZERO), fees, len(draws), len(self._held), unknown,
            unknown > 0 or not self._board.untrusted.isdisjoint(assets), tuple(worst),
            self._notices.get(_SAID, (0, None))[1] is not None,
        )  # fmt: skip

    def _forget(self, group_ids: Iterable[str]) -> None:
        self._held |= {id_: self._held[id_]._replace(held=None) for id_ in group_ids}

    def _holding(self, group_id: str) -> Holding:
        held = self._held[group_id].held
        if held is None:
            record = self._book.find(group_id)
            assert record is not None, f"group {group_id} is in liquidation, but not in the book"
            held = record.held
            self._held[group_id] = _Mine(record.group.product, held)
        return held
