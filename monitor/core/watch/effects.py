"""Decides groups one by one, keeps what was decided, and raises the alert that tells of it, with the figures of its time."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from operator import attrgetter
from typing import Any

import msgspec

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.groups import loan_history
from monitor.core.groups.calls import call_row
from monitor.core.groups.loan_book import weigh_now
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.renewal import overdue_facts, renewal_facts
from monitor.core.stages.calls import facts_of as call_facts
from monitor.core.stages.decision import Verdict, WeighedGroup, calm, judge, move, say
from monitor.core.stages.maturity import NEWS, Due, ran
from monitor.core.stages.stages import CALL_REMINDER, DELAY_REMINDER, DELAYED, MARGIN_CALL, Signal, unacknowledged
from monitor.core.valuation.interest_cover import shortfalls
from monitor.core.watch.calls import CallEffects, with_call
from monitor.core.watch.compose import about_group, raise_alert
from monitor.core.watch.plain import PlainEffects
from monitor.core.watch.watcher import NO_CAUSE, Ground
from monitor.core.watch.watchers.fund import FundWatch
from monitor.core.watch.watchers.rules import RulesWatch
from monitor.core.watch.watchers.schedule import Schedule
from monitor.core.watch.watchers.silences import SilenceWatch


class GroupEffects:
    """What follows for a group from a weight, from its deadlines, and from interest that Spot balances do not pay."""

    def __init__(
        self, ground: Ground, schedule: Schedule, rules: RulesWatch, fund: FundWatch, silences: SilenceWatch
    ) -> None:
        self._ground = ground
        self._schedule = schedule
        self._rules = rules
        self._fund = fund
        self._silences = silences
        self.calls = CallEffects(ground, self.follow)
        self.plain = PlainEffects(ground, schedule, rules, fund, silences)

    # -- decisions --

    def decide_all(self, group_ids: Collection[str], priced: frozenset[str], at: datetime, out: Outcome) -> None:
        """Decides groups; their alerts are sorted by id, as a book names groups in an order of its own.

        Those whose step the book has proved by column take it so; all others are valued one by one.

        A clear hold may end now only for a group that holds an asset of `priced`: a book may name other groups too.
        """
        start, plain = len(out.alerts), self.plain.found(group_ids, at)
        for group_id in group_ids:
            if (found := plain.get(group_id)) is not None and self.plain.take(found, at, out):
                continue
            record = self._ground.known(group_id)
            self.decide(record, at, out, is_settled=not priced.isdisjoint(record.held.assets))
        if len(out.alerts) - start > 1:
            out.alerts[start:] = sorted(out.alerts[start:], key=attrgetter("subject"))

    def decide(
        self,
        record: GroupRecord,
        at: datetime,
        out: Outcome,
        *,
        is_settled: bool,
        cause: Mapping[str, str] = NO_CAUSE,
    ) -> None:
        """Values one group and follows the table; with a missing price, only what is sure whatever the coin is worth.

        `cause`: what its alerts say of why, where it is neither a price nor a rule.
        """
        was_blind, state = record.blind, record.state
        weigh_now(record, self._ground.board)
        out.touched.add(record.group.id)
        if record.weight is not None:
            if record.calm is None or state.below_since is not None or not record.calm.holds(record.weight):
                self._judge(record, at, out, is_settled, cause)
            if record.has_past:
                record.has_past = False
                self._run_dates(record, record.past_deadlines(), at, out)
                self._ground.book.keep(record)
        else:
            if state.below_since is not None:
                # A price of the group is missing now: its clear hold is dropped and begins again.
                self.follow(record, (msgspec.structs.replace(state, below_since=None), None), out)
            best = record.decisive
            if best is not None and (record.calm is None or not record.calm.holds(best)):
                self._judge(record, at, out, is_settled, cause)
        self.calls.look(record, at, out)
        # The end of a hold depends on whether the group is blind, and a book need not remember what was seen before.
        if record.state is not state or record.blind != was_blind or state.below_since is not None:
            self._schedule.plan(record)

    def follow(
        self, record: GroupRecord, verdict: Verdict, out: Outcome, facts: Mapping[str, Any] | None = None
    ) -> None:
        """Keeps the new state and raises its alert, if it has one."""
        state, said = verdict
        if said is not None:
            self._ground.weight(record)
            what = about_group(said, record, record.figures(self._ground.board), facts or {})
            alert = raise_alert(out, self._ground.rules.name, what, said.at)
            out.alerts[-1], state = self._silences.judge(alert, record.state, state)
        if state is not record.state:
            record.keep(state)
            self._ground.book.keep(record)
            out.states[record.group.id] = state
            out.touched.add(record.group.id)
        if said is not None and said.stage_from != said.stage_to:
            self._fund.note(record, said.at)
            out.history += loan_history.of_stage(record, said, self._ground.board.usd)
            if state.call is not None and state.stage != MARGIN_CALL:
                self.calls.end(record, said.at, out)

    def follow_and_plan(
        self, record: GroupRecord, verdict: Verdict, out: Outcome, facts: Mapping[str, Any] | None = None
    ) -> None:
        """As `follow`, where the deadlines of the group may lie elsewhere afterwards."""
        self.follow(record, verdict, out, facts)
        self._schedule.plan(record)

    def _judge(
        self, record: GroupRecord, at: datetime, out: Outcome, is_settled: bool, cause: Mapping[str, str]
    ) -> None:
        rules, state = self._ground.rules, record.state
        weight = record.decisive
        assert weight is not None
        seen = WeighedGroup(record.group, record.held, weight, record.blind, at, is_settled)
        verdict, called = with_call(judge(rules.name, state, seen, rules.lifecycle), record.held, weight)
        self.follow(record, verdict, out, {**self._rules.cause(record, state, verdict, seen), **cause, **called})
        if called:
            out.history.append(call_row(record, "opened", at, called))
        record.calm = record.calm or calm(record.state, record.held, rules.lifecycle)

    # -- deadlines --

    def due(self, deadline: Deadline, handled: datetime | None, out: Outcome) -> None:
        """A deadline of a group. `handled`: the time of the last event."""
        record = self._ground.known(deadline.subject)
        if deadline.kind == deadlines.HOLD:
            self.decide(record, self._rules.stamped(deadline.at), out, is_settled=True)
        else:
            self._run(record, deadline, handled, out)
        self._schedule.plan(record)

    def _run(self, record: GroupRecord, deadline: Deadline, handled: datetime | None, out: Outcome) -> None:
        at, kind, name = deadline.at, deadline.kind, self._ground.rules.name
        if kind == deadlines.GRACE:
            weight = self._ground.decisive(record)
            self.follow(record, move(name, record.state, Signal.GRACE_OVER, at, record.held, weight), out)
        elif kind == deadlines.ACKNOWLEDGED:
            self.follow(record, (unacknowledged(record.state, at), None), out)
        elif kind == deadlines.EXPIRY:
            self.calls.expire(record, at, out)
        elif kind == deadlines.DUE:
            self.calls.remind(record, at, out, is_past=handled is not None and at < handled)
        elif kind == deadlines.REMINDER:
            state = msgspec.structs.replace(record.state, reminded_at=at)
            type_ = DELAY_REMINDER if record.state.stage == DELAYED else CALL_REMINDER
            # An extended deadline or other settings move reminders; those for which it is too late are passed over.
            is_past = handled is not None and at < handled
            call = state.call if type_ == CALL_REMINDER else None
            facts = call_facts(call) if call is not None and call.is_open else {}
            self.follow(record, (state, None) if is_past else say(name, state, type_, at), out, facts)
        else:
            dates = [due for due in record.loan_deadlines() if due[0] == at]
            self._run_dates(record, dates, self._rules.stamped(at), out)

    def _run_dates(self, record: GroupRecord, due: Iterable[Due], at: datetime, out: Outcome) -> None:
        """Dates of the group's loans, said to be of a time."""
        name = self._ground.rules.name
        for each in due:
            _, kind, loan = each
            state, cause = ran(record.state, loan, kind), self._rules.cause_of_date(record, each, at)
            if kind == deadlines.OVERDUE:
                weight = self._ground.decisive(record)
                self.follow(record, move(name, state, Signal.OVERDUE, at, record.held, weight), out, cause)
            elif kind == deadlines.MATURITY:
                facts = overdue_facts(record, loan) | cause
                self.follow(record, say(name, state, NEWS[kind], at, "overdue"), out, facts)
            else:
                facts = renewal_facts(record, loan, self._ground.board.usd) | cause
                self.follow(record, say(name, state, NEWS[kind], at, "term"), out, facts)

    # -- interest --

    def look_at_interest(self, group_ids: Iterable[str], at: datetime, out: Outcome) -> None:
        """Says once, until it is paid or covered again, that Spot balances do not pay a coin's interest (rule 28)."""
        name = self._ground.rules.name
        for group_id in sorted(group_ids):
            record = self._ground.known(group_id)
            found, known = shortfalls(record.group, record.product, record.held), record.state.short
            now = tuple(each.asset for each in found)
            if now == known:
                continue
            state = msgspec.structs.replace(record.state, short=now)
            for each in found:
                if each.asset not in known:
                    self.follow(record, say(name, state, "loan.interest_shortfall", at, "interest"), out, each.facts)
                    state = record.state
            if state is not record.state:
                self.follow(record, (state, None), out)
