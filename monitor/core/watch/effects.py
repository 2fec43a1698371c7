"""Keeps what was decided about a group, and raises the alert that tells of it, with the figures of its time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.silences import Silences
from monitor.core.deadlines import Deadline
from monitor.core.groups import loan_history
from monitor.core.groups.loan_book import LoanBook, weigh_now
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.renewal import overdue_facts, renewal_facts
from monitor.core.prices.board import PriceBoard
from monitor.core.stages.decision import Verdict, move, say
from monitor.core.stages.maturity import NEWS, Due, ran
from monitor.core.stages.stages import CALL_REMINDER, DELAY_REMINDER, DELAYED, Signal, unacknowledged
from monitor.core.valuation.interest_cover import shortfalls
from monitor.core.valuation.valuation import Weight
from monitor.core.watch import compose
from monitor.core.watch.watchers.fund import FundWatch


class Teller:
    """What follows from a verdict, from a group's deadlines, and from interest that Spot balances do not pay."""

    def __init__(self, name: str, board: PriceBoard, book: LoanBook, fund: FundWatch, silences: Silences) -> None:
        self.name = name
        self._board, self._book, self._fund, self._silences = board, book, fund, silences

    def known(self, group_id: str) -> GroupRecord:
        """A group that is on the agenda or a suspect."""
        record = self._book.find(group_id)
        assert record is not None, f"group {group_id} is on the agenda or a suspect, but not in the book"
        return record

    def weigh(self, record: GroupRecord) -> None:
        """Values a group on the prices in force."""
        weigh_now(record, self._board)

    def weight(self, record: GroupRecord) -> Weight | None:
        """What the group weighs on the prices in force; None while one is missing."""
        if record.weight is None:
            self.weigh(record)
        return record.weight

    def follow(
        self, record: GroupRecord, verdict: Verdict, out: Outcome, facts: Mapping[str, Any] | None = None
    ) -> None:
        """Keeps the new state and raises its alert, if it has one."""
        state, said = verdict
        if said is not None:
            self.weight(record)
            alert = compose.group_alert(said, record, record.figures(self._board), out.at, facts or {})
            alert, state = self._silences.judge(alert, record.state, state)
            out.alerts.append(alert)
        if state is not record.state:
            record.keep(state)
            self._book.keep(record)
            out.states[record.group.id] = state
            out.touched.add(record.group.id)
        if said is not None and said.stage_from != said.stage_to:
            self._fund.note(record, said.at)
            out.history += loan_history.of_stage(record, said, self._board.usd)

    def run(self, record: GroupRecord, deadline: Deadline, handled: datetime | None, out: Outcome) -> None:
        """A deadline of a group other than its clear hold. `handled`: the time of the last event."""
        at, kind = deadline.at, deadline.kind
        if kind == deadlines.GRACE:
            self.follow(
                record, move(self.name, record.state, Signal.GRACE_OVER, at, record.held, self.weight(record)), out
            )
        elif kind == deadlines.ACKNOWLEDGED:
            self.follow(record, (unacknowledged(record.state, at), None), out)
        elif kind == deadlines.REMINDER:
            state = msgspec.structs.replace(record.state, reminded_at=at)
            type_ = DELAY_REMINDER if record.state.stage == DELAYED else CALL_REMINDER
            # An extended deadline or other settings move reminders; those for which it is too late are passed over.
            is_past = handled is not None and at < handled
            self.follow(record, (state, None) if is_past else say(self.name, state, type_, at), out)
        else:
            self.run_dates(record, [d for d in record.loan_deadlines() if d[0] == at], at, out)

    def run_dates(self, record: GroupRecord, due: Iterable[Due], at: datetime, out: Outcome) -> None:
        """Dates of the group's loans, said to be of a time."""
        for _, kind, loan in due:
            state = ran(record.state, loan, kind)
            if kind == deadlines.OVERDUE:
                self.follow(record, move(self.name, state, Signal.OVERDUE, at, record.held, self.weight(record)), out)
            elif kind == deadlines.MATURITY:
                self.follow(record, say(self.name, state, NEWS[kind], at, "overdue"), out, overdue_facts(record, loan))
            else:
                news = say(self.name, state, NEWS[kind], at, "term")
                self.follow(record, news, out, renewal_facts(record, loan, self._board.usd))

    def look_at_interest(self, group_ids: Iterable[str], at: datetime, out: Outcome) -> None:
        """Says once, until it is paid or covered again, that Spot balances do not pay a coin's interest (VIP FAQ 28)."""
        for group_id in sorted(group_ids):
            record = self.known(group_id)
            found, known = shortfalls(record.group, record.product, record.held), record.state.short
            now = tuple(each.asset for each in found)
            if now == known:
                continue
            state = msgspec.structs.replace(record.state, short=now)
            for each in found:
                if each.asset not in known:
                    self.follow(
                        record, say(self.name, state, "loan.interest_shortfall", at, "interest"), out, each.facts
                    )
                    state = record.state
            if state is not record.state:
                self.follow(record, (state, None), out)
