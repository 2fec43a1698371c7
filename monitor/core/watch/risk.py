"""The one door of core: an event goes in, an outcome comes out. Synchronous and clockless (DESIGN sections 4 to 6)."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.silences import Silences
from monitor.core.deadlines import Agenda, Deadline
from monitor.core.events.events import (
    BookEntry,
    ClockJumped,
    ClockSettled,
    ClockStood,
    Event,
    GroupClosed,
    GroupPut,
    GroupsPut,
    MarkPrices,
    Noticed,
    OperatorAct,
    PriceSilent,
    ProductsChanged,
    RatesChanged,
    TimePassed,
)
from monitor.core.events.rates import Rates
from monitor.core.groups import loan_history
from monitor.core.groups.book_changes import Register
from monitor.core.groups.loan_book import LoanBook
from monitor.core.groups.outcome import Memory, Outcome, Sight
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.interest import accrues_at
from monitor.core.money import exact
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import PriceChange
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Rules
from monitor.core.stages.decision import calm, judge
from monitor.core.valuation.clearance import FundSight
from monitor.core.watch import compose
from monitor.core.watch.effects import Teller
from monitor.core.watch.notices import Notices
from monitor.core.watch.operators import Operators
from monitor.core.watch.watchers import rules as ruleschange
from monitor.core.watch.watchers.concentration import Concentration
from monitor.core.watch.watchers.fund import FundWatch
from monitor.core.watch.watchers.prices import PriceWatch
from monitor.core.watch.watchers.rules import InForce
from monitor.core.watch.watchers.schedule import Planner

CLOCK_JUMP = "monitor.clock_jump"
JUMP_POLICY = "deadlines follow the wall clock"


class RiskMonitor:
    """Everything that decides. A run is a fold of `handle` over events whose `at` never falls."""

    def __init__(self, rules: Rules, memory: Memory | None = None, book: LoanBook | None = None) -> None:
        self._rates = Rates(memory.rates if memory else ())
        self.rules = rules = self._rates.into(rules)
        self.notices = dict(memory.notices) if memory else {}
        self._notices = Notices(rules.name, self.notices)
        self.board = PriceBoard(rules.trust, *((memory.marks, memory.heard) if memory else ()))
        self.at = memory.at if memory else None
        self.book: LoanBook = book if book is not None else PlainBook()
        self._register = Register(self.book)
        self._agenda = Agenda()
        self.silences = Silences(self._agenda, *((memory.silences, memory.states) if memory else ()))
        self._prices = PriceWatch(rules, self.board, self._agenda, self.book, self.notices)
        self._fund = FundWatch(rules, self.board, self._agenda, self.book, self.notices)
        self._concentration = Concentration(rules, self.board, self._agenda, self.book, self.notices)
        self._teller = Teller(rules.name, self.board, self.book, self._fund, self.silences)
        self._planner = Planner(rules, self._agenda, self.book, self._teller.weight)
        self.operators = Operators(self.book, self.silences, self._teller, self._planner)
        self._in_force = InForce()
        if memory:
            self._restore(memory)

    @property
    def next_due(self) -> datetime | None:
        """When TimePassed must come if nothing else does."""
        return self._planner.next_due

    @property
    def fund(self) -> FundSight | None:
        """The insurance fund as it was looked at last; None where none is configured."""
        return self._fund.sight

    def sight(self, group_id: str) -> Sight | None:
        """A group as it stands now, or None."""
        record = self.book.find(group_id)
        if record is None:
            return None
        if record.weight is None:
            with exact():
                self._teller.weigh(record)
        return record.sight()

    @property
    def memory(self) -> Memory | None:
        """All that core knows, so that another monitor goes on as this one would; None before the first event."""
        if self.at is None:
            return None
        kept, marks = self.book.kept(), tuple(self.board.marks.values())
        return Memory(
            self.at, marks, dict(self.notices), kept.groups, (*kept.states, *self._register.retired.values()),
            self.board.heard, self._prices.awaited, kept.blocks, rates=self._rates.kept(), silences=self.silences.all,
        )  # fmt: skip

    def handle(self, event: Event) -> Outcome:
        """Runs the deadlines that come first, then the event. `event.at` must not fall."""
        assert self.at is None or event.at >= self.at, f"time fell from {self.at} to {event.at}"
        with exact():
            out = Outcome(event.at)
            if self.at is None:
                self._begin(event.at)
            if isinstance(event, ClockJumped):
                self._jump(event.seconds, out)
            self._run_due(event.at, out)
            self.silences.mark(out.alerts, 0)
            start = len(out.alerts)
            try:
                self._take(event, out)
            except Refused as refused:
                self._notices.refuse(event, refused, out)
            self.silences.mark(out.alerts, start)
            self._concentration.follow(event)
            self.at = event.at
        return out

    def awaken(self, at: datetime) -> None:
        """After a restart: gives every kept price its full time to be confirmed before the desk hears that it is stale."""
        self._prices.awaken(at)
        self._fund.awaken(at)
        # What was said before a restart must not hide a jump that comes now.
        self._notices.take(Noticed(at, CLOCK_JUMP, "clock", {}, clears=True), Outcome(at))

    def _jump(self, seconds: Decimal, out: Outcome) -> None:
        """The wall clock jumped. Forward, receipts move along; backward, our time stands still until the wall catches up.

        What was due by the old time runs first.
        """
        if seconds > 0:
            delta = timedelta(seconds=float(seconds))
            self._run_due(out.at - delta, out)
            self._prices.shift(delta, out.at)

    def _restore(self, memory: Memory) -> None:
        """Continues where the memory left off."""
        self._begin(memory.at)
        self._prices.await_staleness(self.board.marks)
        for asset, due in memory.awaited:
            self._prices.await_price(asset, due)
        with exact():
            self._register.restore(memory, self.rules)
            self._fund.restore(memory.states, memory.at)
            self._planner.replan(memory.at)
            # Whoever lists groups sees them on the prices that were kept; they are decided when a feed confirms these.
            self.book.suspects(None, self.board)

    def _begin(self, at: datetime) -> None:
        self._planner.begin(at)
        self._concentration.plan(at)
        self._in_force.take(self.rules, at)
        self.book.renew(at, self.rules)

    def _take(self, event: Event, out: Outcome) -> None:
        match event:
            case MarkPrices():
                change = self.board.apply(event.quotes, event.at, event.frames)
                self._prices.await_staleness(event.assets)
                self._moved(change, event.at, out, event.assets)
            case GroupPut():
                self._put(event, out)
            case GroupsPut():
                self._put_all(event, out)
            case GroupClosed():
                self._closed(self._register.close(event), event, out)
            case BookEntry():
                self._changed(self._register.enter(event, event.at), event, out)
            case ProductsChanged():
                self._change_rules(event, out)
            case RatesChanged():
                self._change_rates(event, out)
            case ClockJumped():
                self._notices.take(_jumped(event), out)
            case ClockSettled():
                self._notices.take(Noticed(event.at, CLOCK_JUMP, "clock", {}, clears=True), out)
            case ClockStood():
                # Receipts grow old, and doubted prices persist, though no deadline may run.
                self.board.shift(-timedelta(seconds=float(event.seconds)), event.at)
            case PriceSilent():
                self._moved(self.board.expire(event.asset), event.at, out)
            case Noticed():
                self._notices.take(event, out)
            case OperatorAct():
                self.operators.take(event.act, event.who, event.at, out)
            case TimePassed():
                pass

    def _put(self, event: GroupPut, out: Outcome) -> None:
        self._changed(self._register.put(event, self.rules.products), event, out)
        self._notices.take(compose.accepted(event), out)

    def _put_all(self, event: GroupsPut, out: Outcome) -> None:
        """What the book takes as a whole, then the other groups one by one, each as if it came alone."""
        taken = self._register.put_all(event)
        for i in taken.rest:
            put = GroupPut(event.at, event.batch.group(i), event.source)
            try:
                self._put(put, out)
            except Refused as refused:
                self._notices.refuse(put, refused, out)
                out.refused = None
        if taken.block is not None:
            out.blocks.append(taken.block)
            # A group that is put beyond a line is there at the prices in force; it does not wait for the next ones.
            self._decide_all(
                dict.fromkeys((*taken.look, *self.book.suspects(PriceChange(), self.board))), event.at, out
            )
            self._planner.plan_all(taken.look)
            self._teller.look_at_interest(taken.look, event.at, out)
            self._prices.look(taken.assets, event.at, out)
            for cleared in compose.accepted_lines(self.notices, event, frozenset(taken.rest)):
                self._notices.take(cleared, out)

    def _change_rules(self, event: ProductsChanged, out: Outcome) -> None:
        rules = self._rates.into(event.rules)
        self._register.check_rules(rules, event.at)
        self.rules = self._prices.rules = self._planner.rules = self._concentration.rules = rules
        self._teller.name = rules.name
        self.board.configure(rules.trust)
        self._fund.configure(rules, event.at)
        self._planner.accrual(event.at)
        self._planner.versions(event.at)
        self._renew(event.at, out, is_dated=False)
        self._planner.replan(event.at)
        self._prices.look(self.book.needed(), event.at, out)

    def _change_rates(self, event: RatesChanged, out: Outcome) -> None:
        taken = self._rates.take(event, self.rules, self.book.counted_since)
        if taken.changed:
            out.rates = taken.changed
            self.rules = self._prices.rules = self._planner.rules = self._fund.rules = self._rates.into(self.rules)
            self.book.renew(event.at, self.rules)
            self._fund.renewed(None, event.at)
            if taken.is_counted:
                self._decide_all(self.book.suspects(None, self.board), event.at, out)
                self._teller.look_at_interest(self.book.spare([event.product]), event.at, out)
        self._notices.take(compose.late_rates(event, taken.late, self.rules.products[event.product]), out)

    def _changed(self, record: GroupRecord | None, event: GroupPut | BookEntry, out: Outcome) -> None:
        """A group is new or holds something else now: decides it on the prices in force."""
        if record is None:
            return
        replaced, place = self._register.replaced, len(out.history)
        out.changed.add(record.group.id)
        out.states[record.group.id] = record.state
        self._fund.note(record, out.at)
        self._decide(record, out.at, out)
        self._teller.look_at_interest([record.group.id], out.at, out)
        self._planner.plan(record)
        self._prices.look(record.held.assets, out.at, out)
        # Made last, as a repayment says what LTV it led to, and put first: what was decided followed from it.
        out.history[place:place] = loan_history.of_change(replaced, record, event, self.board.usd)

    def _closed(self, record: GroupRecord, event: GroupClosed, out: Outcome) -> None:
        out.history += loan_history.of_close(record, event)
        self._planner.forget(record.group.id)
        self._fund.drop(record.group.id, out.at)
        out.closed.add(record.group.id)
        out.states[record.group.id] = record.state
        out.touched.add(record.group.id)

    def _run_due(self, at: datetime, out: Outcome) -> None:
        self._planner.look_ahead(at)
        while (deadline := self._agenda.pop_due(at)) is not None:
            self._run(deadline, out)

    def _run(self, deadline: Deadline, out: Outcome) -> None:
        """One deadline, as if it were an event of its own time."""
        if deadline.phase == deadlines.GROUP:
            record = self._teller.known(deadline.subject)
            if deadline.kind == deadlines.HOLD:
                self._decide(record, deadline.at, out, is_settled=True)
            else:
                self._teller.run(record, deadline, self.at, out)
            self._planner.plan(record)
        elif deadline.phase == deadlines.PRICE:
            self._run_prices([deadline.subject, *self._agenda.pop_alike(deadline)], deadline.at, out)
        elif deadline.phase == deadlines.FUND:
            self._fund.come_due(deadline.at, out)
        elif deadline.phase == deadlines.SILENCE:
            self.silences.mark(out.alerts, 0)  # what came before its end is hidden by it
            self.operators.end_silence(deadline.subject, deadline.at, out)
        elif deadline.phase == deadlines.EXPOSURE:
            self._concentration.look(deadline.at, out)
        elif deadline.phase == deadlines.ACCRUAL:
            self._planner.accrual(deadline.at)
            self._concentration.plan(deadline.at)
            self._accrue(deadline.at, out)
        else:
            self._planner.versions(deadline.at)
            self._concentration.plan(deadline.at)
            self._renew(deadline.at, out)
            self._planner.replan(deadline.at)
            self._prices.look(self.book.needed(), deadline.at, out)

    def _run_prices(self, assets: Iterable[str], at: datetime, out: Outcome) -> None:
        """Prices whose deadline has come at one time. A feed that dies takes all of them: their holders are decided once."""
        late = {asset: change for asset in assets if (change := self._prices.come_due(asset, at, out)) is not None}
        if late:
            moved = frozenset[str]().union(*(change.moved for change in late.values()))
            self._moved(PriceChange(moved, lost=tuple(a for change in late.values() for a in change.lost)), at, out)
            for asset in late:
                self._prices.announce(asset, at, out)

    def _moved(self, change: PriceChange, at: datetime, out: Outcome, quoted: Iterable[str] = ()) -> None:
        """Says what is not believed any more, decides all holders once, says what is believed again.

        A clear hold that ends now is decided by prices of now, even where they are what they were before.
        """
        self._fund.moved(change.moved, at)
        for asset in sorted(change.lost):
            self._prices.announce(asset, at, out)
        ending = [d.subject for d in self._agenda.late_at(at) if d.phase == deadlines.GROUP]
        priced = change.moved.union(quoted) if ending else change.moved
        suspects = dict.fromkeys(g for g in ending if not priced.isdisjoint(self._teller.known(g).held.assets))
        if change.moved:
            suspects |= dict.fromkeys(self.book.suspects(change, self.board))
        if suspects:
            self._decide_all(suspects, at, out, priced)
        self._prices.restore(change, at, out)

    def _renew(self, at: datetime, out: Outcome, *, is_dated: bool = True) -> None:
        """Another day or other rules: takes every holding anew and decides it on the prices in force.

        The desk is told of a version whose date came; whoever reloads knows what changed, and the audit does.
        """
        changed = self._in_force.take(self.rules, at)
        told = changed if is_dated else {}
        before = {kind: self.book.counted(kind, old.version, self.board) for kind, old in told.items()}
        self.book.renew(at, self.rules)
        self._fund.renewed(None, at)
        suspects = self.book.suspects(None, self.board)
        for kind, former in told.items():
            new = self._in_force.of(kind)
            sums = before[kind], self.book.counted(kind, new.version, self.board)
            self._notices.take(ruleschange.changed(kind, former, new, sums, at), out)
        self._in_force.replaced = changed
        self._decide_all(suspects, at, out)
        self._in_force.replaced = {}
        self._teller.look_at_interest(self.book.spare(self.rules.products), at, out)

    def _accrue(self, at: datetime, out: Outcome) -> None:
        """At midnight for all groups; at other instants for those of products that add interest more often.

        For all as well where a version comes into force just then: a book takes the rules of a time for all groups or none.
        """
        products = self.rules.products
        kinds = frozenset(kind for kind, product in products.items() if accrues_at(product, at))
        if len(kinds) == len(products) or any(v.effective == at for p in products.values() for v in p.versions):
            self._renew(at, out)
        else:
            self._fund.renewed(kinds, at)
            suspects = dict.fromkeys((*self.book.accrue(at, kinds), *self.book.suspects(PriceChange(), self.board)))
            self._decide_all(suspects, at, out)
            self._teller.look_at_interest(self.book.spare(kinds), at, out)

    def _decide_all(
        self, group_ids: Iterable[str], at: datetime, out: Outcome, priced: frozenset[str] = frozenset()
    ) -> None:
        """Decides groups, sorted by id; only of those that hold an asset `priced` now a clear hold may end now.

        A book may name others too, and when it does depends on the book.
        """
        start = len(out.alerts)
        for group_id in group_ids:
            record = self._teller.known(group_id)
            self._decide(record, at, out, is_settled=not priced.isdisjoint(record.held.assets))
        if len(out.alerts) - start > 1:
            out.alerts[start:] = sorted(out.alerts[start:], key=lambda a: a.subject)

    def _decide(self, record: GroupRecord, at: datetime, out: Outcome, *, is_settled: bool = False) -> None:
        """Values one group and follows the table; one with a missing price is not evaluated (DESIGN section 8)."""
        was_blind, state = record.blind, record.state
        self._teller.weigh(record)
        out.touched.add(record.group.id)
        if record.weight is not None:
            how = self.rules.lifecycle
            if record.calm is None or state.below_since is not None or not record.calm.holds(record.weight):
                verdict = judge(
                    self.rules.name,
                    state,
                    record.group,
                    record.held,
                    record.weight,
                    record.blind,
                    at,
                    how,
                    is_settled=is_settled,
                )
                facts = self._in_force.cause(self.rules, record, state, verdict, self.board.usd, at)
                self._teller.follow(record, verdict, out, facts)
                record.calm = record.calm or calm(record.state, record.held, how)
            if record.has_past:
                record.has_past = False
                self._teller.run_dates(record, record.past_deadlines(), at, out)
                self.book.keep(record)
        elif state.below_since is not None:
            # While a price is missing nobody knows whether LTV stays low: the hold begins anew.
            self._teller.follow(record, (msgspec.structs.replace(state, below_since=None), None), out)
        # The end of a hold depends on whether the group is blind, and a book need not remember what was seen before.
        if record.state is not state or record.blind != was_blind or state.below_since is not None:
            self._planner.plan(record)


def _jumped(event: ClockJumped) -> Noticed:
    """What the desk is told of a jump: once a direction, until the clock has run true for a while."""
    facts = {"seconds": f"{event.seconds:.3f}", "wall": event.wall.isoformat(), "policy": JUMP_POLICY}
    return Noticed(event.at, CLOCK_JUMP, "clock", facts, fingerprint="forward" if event.seconds > 0 else "backward")
