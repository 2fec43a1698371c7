"""The one door of core: an event goes in, an outcome comes out. Synchronous and clockless (decisions 1, 3 and 4)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from monitor.core import deadlines
from monitor.core.alerts.silences import Silence
from monitor.core.alerts.trouble import Trouble
from monitor.core.events.events import (
    BatchOfBook,
    BookEntry,
    BookSeen,
    ClockJumped,
    ClockSettled,
    ClockStood,
    Event,
    FeedSaid,
    GroupClosed,
    GroupPut,
    GroupsPut,
    LenderSaid,
    MarkPrices,
    Noticed,
    OperatorAct,
    PriceSilent,
    ProductsChanged,
    RatesChanged,
)
from monitor.core.events.rates import Rates
from monitor.core.groups.book_changes import BookChanges
from monitor.core.groups.loan_book import KeptGroups, LoanBook
from monitor.core.groups.outcome import Memory, Outcome, Sight, SourceView, StoredBlock
from monitor.core.groups.watcher_states import OpenEscalation, WatcherStates
from monitor.core.money import exact
from monitor.core.portfolio.plain_book import PlainBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.decisions import Decision
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState
from monitor.core.valuation.clearance import FundSight
from monitor.core.watch.book_events import BookEvents
from monitor.core.watch.effects import GroupEffects
from monitor.core.watch.operators import Does, Operators
from monitor.core.watch.price_watchers import price_watchers
from monitor.core.watch.watcher import BookChange, Ground, Watcher
from monitor.core.watch.watchers.concentration import Concentration
from monitor.core.watch.watchers.decisions import PriceDecisions
from monitor.core.watch.watchers.escalations import EscalationWatch
from monitor.core.watch.watchers.fund import FundWatch
from monitor.core.watch.watchers.noticed import NoticedWatch
from monitor.core.watch.watchers.rules import RulesWatch
from monitor.core.watch.watchers.schedule import Schedule
from monitor.core.watch.watchers.silences import SilenceWatch


class CapturedMemory(NamedTuple):
    """All that core knows, as it was at one moment."""

    memory: Memory
    """Without what the blocks of the book hold."""
    blocks: Iterator[tuple[StoredBlock, tuple[GroupState, ...]]]
    """Each block with the states of its groups. Any one thread may go through them, later."""


class RiskMonitor:
    """Everything that decides. A run is a fold of `handle` over events whose `at` never falls.

    What an event or a deadline changes is a `BookChange`: watchers see it, its groups are decided, watchers are told so.
    """

    def __init__(
        self, rules: Rules, memory: Memory | None = None, book: LoanBook | None = None, *, blocks_fit: bool = False
    ) -> None:
        self.rates = Rates(memory.rates if memory else ())
        self.at = memory.at if memory else None
        self.board = PriceBoard(rules.trust, *((memory.marks, memory.heard, memory.board) if memory else ()))
        self.book: LoanBook = book if book is not None else PlainBook()
        ground = Ground(self.rates.into(rules), self.board, self.book)
        self._ground = ground
        self.changes = BookChanges(self.book)
        self._noticed = NoticedWatch(ground)
        self._priced = price_watchers(ground)
        self._decisions = PriceDecisions(ground)
        self._fund = FundWatch(ground)
        self._concentration = Concentration(ground)
        self._rules = RulesWatch(ground, self.rates)
        self._schedule = Schedule(ground)
        self._silences = SilenceWatch(ground.agenda)
        self._escalations = EscalationWatch(ground, self._silences, self.changes)
        self._effects = GroupEffects(ground, self._schedule, self._rules, self._fund, self._silences)
        self._events = BookEvents(ground, self.changes, self._noticed, self._effects, self._silences, self._follow)
        self.books = self._events.books
        does = Does(self._silences, self._decisions, self._effects, self._escalations, self.changes, self._events)
        self.operators = Operators(ground, does, self._follow)
        self._watchers: tuple[Watcher, ...] = (
            self._silences,
            self._events.left_out,
            *self.operators.watchers,
            self._escalations,
            self._noticed,
            self.books,
            self._fund,
            self._rules,
            self._schedule,
            self._decisions,
            *self._priced,
            self._concentration,
        )
        own = {phase: watcher for watcher in (*self._watchers, self.operators) for phase in watcher.phases}
        self._by_phase: Mapping[int, Watcher] = own | self._priced.by_phase
        if memory:
            self._restore(memory, blocks_fit=blocks_fit)

    @property
    def rules(self) -> Rules:
        """The rules in force."""
        return self._ground.rules

    @property
    def next_due(self) -> datetime | None:
        """When TimePassed must come if nothing else does."""
        return self._schedule.next_due

    @property
    def fund(self) -> FundSight | None:
        """The insurance fund as it was looked at last; None where none is configured."""
        return self._fund.sight

    @property
    def silences(self) -> tuple[Silence, ...]:
        """Those in force, in the order in which they were made."""
        return self._silences.kept()

    @property
    def decisions(self) -> tuple[Decision, ...]:
        """What operators have decided about prices, as far as it is in force."""
        return self._decisions.in_force

    @property
    def escalations(self) -> tuple[OpenEscalation, ...]:
        """Critical alerts that people are asked about, in the order in which they began."""
        return self._escalations.kept()

    def standing(self, kind: str) -> tuple[str, ...]:
        """The subjects of which a notice of a kind, such as `book.refused`, still holds. May be asked in any thread."""
        return self._noticed.standing(kind)

    @property
    def troubles(self) -> tuple[Trouble, ...]:
        """What is not known or not in order, until it is mended."""
        return self._noticed.troubles.all() + self.books.troubles()

    @property
    def feeds(self) -> Mapping[str, SourceView]:
        """What core finds of each feed. May be asked in any thread."""
        return self._priced.feeds.views

    def sight(self, group_id: str) -> Sight | None:
        """A group as it stands now, or None."""
        record = self.book.find(group_id)
        if record is None:
            return None
        with exact():
            self._ground.weight(record)
        return record.sight()

    def watcher_states(self) -> WatcherStates:
        """What the watchers remember."""
        return WatcherStates(
            noticed=self._noticed.kept(),
            fund=self._fund.kept(),
            concentration=self._concentration.kept(),
            rules=self._rules.kept(),
            silences=self._silences.kept(),
            decisions=self._decisions.kept(),
            escalations=self._escalations.kept(),
            books=self.books.kept(),
            levers=self.operators.levers_kept,
            troubles=self._noticed.troubles.kept(),
            **self._priced.kept(),
        )

    @property
    def memory(self) -> Memory | None:
        """All that core knows, so that another monitor goes on as this one would; None before the first event."""
        return None if self.at is None else _memory_of(self, self.at, self.book.kept())

    def captured(self) -> CapturedMemory | None:
        """The same for another thread to write down: what the blocks of the book hold is made when it is asked for."""
        if self.at is None:
            return None
        groups = self.book.captured()
        return CapturedMemory(_memory_of(self, self.at, groups.kept), groups.blocks)

    def awaken(self, at: datetime) -> None:
        """The daemon has just started: gives what was kept its full time to be confirmed before the desk hears of it."""
        for watcher in self._watchers:
            watcher.awaken(at)

    def _restore(self, memory: Memory, *, blocks_fit: bool) -> None:
        """Continues where the memory left off."""
        with exact():
            self._begin(memory.at)
            self.changes.restore(memory, self.rules, blocks_fit=blocks_fit)
            for watcher in self._watchers:
                watcher.restore(memory)
            # Lists of groups show them on the prices that were kept; they are decided when a feed confirms these.
            self.book.suspects(None, self.board)

    def _begin(self, at: datetime) -> None:
        self._schedule.begin(at)
        self._concentration.plan(at)
        self._rules.begin(at)

    # -- what happens --

    def handle(self, event: Event) -> Outcome:
        """Runs the deadlines that come first, then the event. `event.at` must not fall."""
        assert self.at is None or event.at >= self.at, f"time fell from {self.at} to {event.at}"
        with exact():
            out = Outcome(event.at)
            if self.at is None:
                self._begin(event.at)
            if isinstance(event, ClockJumped) and event.seconds > 0:
                # What was due by the old time runs first, then receipts move along. When the wall is set back, our time
                # stands still until the wall catches up.
                skipped = timedelta(seconds=float(event.seconds))
                self._run_due(event.at - skipped, out)
                self._priced.jump(skipped, event.at)
            self._run_due(event.at, out)
            start = len(out.alerts)
            try:
                self._take(event, out)
            except Refused as refused:
                self._noticed.refuse(event, refused, out)
            self._priced.look(event, out)
            self._raised(start, out)
            self._concentration.follow(event)
            self.at = event.at
        return out

    def _take(self, event: Event, out: Outcome) -> None:
        match event:
            case MarkPrices():
                self._follow(self._priced.prices.take(event), out)
            case FeedSaid():
                self._follow(self._priced.said(event), out)
            case GroupPut() | GroupsPut() | GroupClosed() | BookEntry() | BookSeen() | LenderSaid():
                self._events.take(event, out)
            case ProductsChanged():
                self._change_rules(event, out)
            case RatesChanged():
                self._change_rates(event, out)
            case ClockStood():
                self._priced.stood(event, out)
            case PriceSilent():
                self._follow(self._priced.prices.silent(event.asset, event.at), out)
            case Noticed() | ClockJumped() | ClockSettled() | BatchOfBook():
                self._noticed.take(event, out)
            case OperatorAct():
                self.operators.take(event, out)

    def _follow(self, change: BookChange, out: Outcome) -> None:
        """The watchers see a change, the groups that it concerns are decided, and the watchers are told that they are."""
        for watcher in self._watchers:
            watcher.observe(change, out)
        for record in change.groups:
            self._effects.decide(record, change.at, out, is_settled=False, cause=change.cause)
        suspects = change.suspects
        if change.prices.moved or self.book.is_behind:
            suspects = dict.fromkeys((*suspects, *self.book.suspects(change.prices, self.board)))
        self._effects.decide_all(suspects, change.priced, change.at, out)
        concerned = [*change.of_block, *(record.group.id for record in change.groups)]
        if change.interest:
            concerned += self.book.spare(change.interest)
        self._effects.look_at_interest(concerned, change.at, out)
        for watcher in self._watchers:
            watcher.conclude(change, out)

    def _run_due(self, at: datetime, out: Outcome) -> None:
        """Runs deadlines in order, each as if it were an event of its own time."""
        self._schedule.look_ahead(at)
        while (deadline := self._ground.agenda.pop_due(at)) is not None:
            start = len(out.alerts)
            if deadline.phase == deadlines.GROUP:
                self._effects.due(deadline, self.at, out)
            elif (change := self._by_phase[deadline.phase].due(deadline, out)) is not None:
                self._follow(change, out)
            self._raised(start, out)

    def _raised(self, start: int, out: Outcome) -> None:
        """What was just said: silences may hide it, and nobody may have acknowledged it in time."""
        self._silences.mark(out.alerts, start)
        self._escalations.look(out.alerts[start:], out)

    def _change_rules(self, event: ProductsChanged, out: Outcome) -> None:
        self.operators.check_rules(rules := self._rules.with_rates(event), event.at)
        self._rules.replace(rules)
        for watcher in self._watchers:
            watcher.configure(event.at)
        self._follow(self._rules.renew_all(event.at, out, is_told=False), out)

    def _change_rates(self, event: RatesChanged, out: Outcome) -> None:
        taken, change = self._rules.take_rates(event, out)
        if change is not None:
            self._follow(change, out)
        self._noticed.late_rates(event, taken.late, self.rules.products[event.product], out)


def _memory_of(monitor: RiskMonitor, at: datetime, kept: KeptGroups) -> Memory:
    return Memory(
        at=at,
        marks=tuple(monitor.board.marks.values()),
        watchers=monitor.watcher_states(),
        groups=kept.groups,
        states=(*kept.states, *monitor.changes.retired.values()),
        heard=monitor.board.heard,
        awaited=monitor._priced.prices.awaited,
        blocks=kept.blocks,
        rates=monitor.rates.kept(),
        board=monitor.board.memory,
    )
