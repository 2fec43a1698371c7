"""The one door of core: an event goes in, an outcome comes out. Synchronous and clockless (DESIGN sections 4 to 6)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from monitor.core import agenda, desk
from monitor.core.accrual import midnight
from monitor.core.agenda import Agenda, Deadline
from monitor.core.board import PriceBoard
from monitor.core.book import Loan
from monitor.core.entries import Refused
from monitor.core.events import (
    API,
    BookEntry,
    Event,
    GroupClosed,
    GroupPut,
    MarkPrices,
    Noticed,
    ProductsChanged,
    TimePassed,
)
from monitor.core.lifecycle import CALL_REMINDER, DELAY_REMINDER, DELAYED, GroupState, Signal
from monitor.core.money import exact
from monitor.core.outcome import Memory, Outcome, Sight
from monitor.core.prices import GOOD, STALE, USDT, Change
from monitor.core.product import Rules
from monitor.core.register import Register
from monitor.core.screen import EveryGroup, Screen
from monitor.core.valuation import weigh
from monitor.core.verdict import Verdict, calm, judge, move, say
from monitor.core.watched import Watched

CLOCK_JUMP = "monitor.clock_jump"
CLOCK_STILL = "clock.still"
"""Noticed while our time stands still because the wall was set back: `seconds` that passed by the monotonic clock."""


class RiskMonitor:
    """Everything that decides. A run is a fold of `handle` over events whose `at` never falls."""

    def __init__(self, rules: Rules, screen: Screen | None = None, memory: Memory | None = None) -> None:
        self.rules = rules
        self.notices = dict(memory.notices) if memory else {}
        self.board = PriceBoard(rules.trust, *((memory.marks, memory.heard) if memory else ()))
        self.at = memory.at if memory else None
        self._screen: Screen = screen or EveryGroup()
        self._register = Register()
        self._agenda = Agenda()
        if memory:
            self._restore(memory)

    @property
    def next_due(self) -> datetime | None:
        """When TimePassed must come if nothing else does."""
        return self._agenda.next_due

    @property
    def group_ids(self) -> Iterable[str]:
        """All groups under watch, in the order in which they were put."""
        return self._register.groups.keys()

    @property
    def retired(self) -> Iterable[GroupState]:
        """Counters of closed groups."""
        return self._register.retired.values()

    @property
    def awaited(self) -> tuple[tuple[str, datetime], ...]:
        """Assets without a price, and when the desk is told."""
        return tuple((a, at) for a, at in self._agenda.late(agenda.PRICE).items() if a not in self.board.usd)

    def sight(self, group_id: str) -> Sight | None:
        """A group as it stands now, or None."""
        w = self._register.groups.get(group_id)
        return w.sight() if w else None

    def handle(self, event: Event) -> Outcome:
        """Runs the deadlines that come first, then the event. `event.at` must not fall."""
        assert self.at is None or event.at >= self.at, f"time fell from {self.at} to {event.at}"
        with exact():
            out = Outcome(event.at)
            if self.at is None:
                self._begin(event.at)
            if isinstance(event, Noticed) and event.kind == CLOCK_JUMP:
                self._jump(float(event.facts["seconds"]), out)
            self._run_due(event.at, out)
            try:
                self._take(event, out)
            except Refused as refused:
                self._refuse(event, refused, out)
            self.at = event.at
        return out

    def awaken(self, at: datetime) -> None:
        """After a restart: gives every kept price its full time to be confirmed before the desk hears that it is stale."""
        for asset in self.board.marks:
            self._watch_price(asset, at + self.rules.trust.stale_after)
        for w in self._register.groups.values():
            self._watch_missing(w, at)

    def _jump(self, seconds: float, out: Outcome) -> None:
        """The wall clock jumped. Forward, receipts move along; backward, our time stands still until the wall catches up.

        What was due by the old time runs first. No price then grew old, or is missing, for the time that was skipped.
        """
        if seconds > 0:
            delta, latest = timedelta(seconds=seconds), out.at + self.rules.trust.stale_after
            self._run_due(out.at - delta, out)
            self.board.shift(delta, out.at)
            for asset, late in self._agenda.late(agenda.PRICE).items():
                self._watch_price(asset, self.board.stale_due(asset) or min(late + delta, latest))

    def _restore(self, memory: Memory) -> None:
        """Continues where the memory left off."""
        self._begin(memory.at)
        self._watch_staleness(self.board.marks)
        for asset, due in memory.awaited:
            self._watch_price(asset, due)
        with exact():
            self._register.restore(memory, self.rules)
            for w in self._register.groups.values():
                self._screen.put(w.group.id, w.held)
                self._weigh(w)
                self._plan(w)

    def _begin(self, at: datetime) -> None:
        self._agenda.set(agenda.ACCRUAL, "", Deadline(_next_midnight(at), agenda.ACCRUAL, ""))
        self._plan_rules(at)

    def _take(self, event: Event, out: Outcome) -> None:
        match event:
            case MarkPrices():
                change = self.board.apply(event.quotes, event.at, event.frames)
                self._watch_staleness(event.assets)
                self._moved(change, event.at, out, self._ending(event))
            case GroupPut():
                self._changed(self._register.put(event, self.rules.products), out)
                self._note(desk.accepted(event), out)
            case GroupClosed():
                self._closed(self._register.close(event), out)
            case BookEntry():
                self._changed(self._register.enter(event, event.at), out)
            case ProductsChanged():
                self._register.change_rules(event.rules, event.at)
                self.rules = event.rules
                self.board.configure(event.rules.trust)
                self._plan_rules(event.at)
                self._renew(event.at, out)
                self._replan(event.at, out)
            case Noticed(kind=kind) if kind == CLOCK_STILL:
                # Receipts grow old, and doubted prices persist, though no deadline may run.
                self.board.shift(-timedelta(seconds=float(event.facts["seconds"])), event.at)
            case Noticed(kind="price.stale"):
                self._moved(self.board.expire(event.subject), event.at, out)
            case Noticed():
                self._note(event, out)
            case TimePassed():
                pass

    def _changed(self, w: Watched | None, out: Outcome) -> None:
        """A group is new or holds something else now: decides it on the prices in force."""
        if w is None:
            return
        out.changed.add(w.group.id)
        out.states[w.group.id] = w.state
        self._screen.put(w.group.id, w.held)
        self._decide(w, out.at, out)
        self._plan(w)
        self._watch_trust(w, out.at, out)

    def _watch_trust(self, w: Watched, at: datetime, out: Outcome) -> None:
        """Waits for prices that a group needs and that are missing; says which are not believed, if none was told."""
        self._watch_missing(w, at)
        needed = w.held.assets.union(self.board.parity_assets) if self.board.untrusted else frozenset()
        for asset in sorted(self.board.untrusted & needed):
            # Prices kept over a restart are stale, but have their time to be confirmed before the desk hears of it.
            if self.board.trust_of(asset) != STALE or not self._agenda.has_late(agenda.PRICE, asset):
                self._announce(asset, at, out)

    def _watch_missing(self, w: Watched, at: datetime) -> None:
        """A price that does not come within the limit is said to be missing."""
        if w.weight is None and self.rules.trust.enabled:
            for asset in w.held.assets - self.board.usd.keys():
                if not self._agenda.has_late(agenda.PRICE, asset):
                    self._watch_price(asset, at + self.rules.trust.stale_after)

    def _watch_price(self, asset: str, due: datetime) -> None:
        self._agenda.set(agenda.PRICE, asset, None, Deadline(due, agenda.PRICE, asset))

    def _refuse(self, event: Event, refused: Refused, out: Outcome) -> None:
        """Whoever asked is told by the outcome; a book's line that nobody waits for becomes an alert."""
        out.refused = refused
        if isinstance(event, GroupPut | GroupClosed) and event.source != API:
            self._note(desk.refusal(event, refused), out)

    def _note(self, event: Noticed, out: Outcome) -> None:
        alert, has_changed = desk.notice(self.rules.name, self.notices, event)
        out.alerts += [alert] if alert else []
        out.deskful |= has_changed

    def _closed(self, w: Watched, out: Outcome) -> None:
        self._screen.drop(w.group.id)
        self._agenda.set(agenda.GROUP, w.group.id, None)
        out.closed.add(w.group.id)
        out.states[w.group.id] = w.state
        out.touched.add(w.group.id)

    def _run_due(self, at: datetime, out: Outcome) -> None:
        while (deadline := self._agenda.pop_due(at)) is not None:
            self._run(deadline, out)

    def _run(self, deadline: Deadline, out: Outcome) -> None:
        """One deadline, as if it were an event of its own time."""
        if deadline.phase == agenda.GROUP:
            w = self._register.groups[deadline.subject]
            self._run_group(w, deadline, out)
            self._plan(w)
        elif deadline.phase == agenda.PRICE:
            self._run_price(deadline, out)
        elif deadline.phase == agenda.ACCRUAL:
            self._agenda.set(agenda.ACCRUAL, "", Deadline(_next_midnight(deadline.at), agenda.ACCRUAL, ""))
            self._renew(deadline.at, out)
        else:
            self._plan_rules(deadline.at)
            self._renew(deadline.at, out)
            self._replan(deadline.at, out)

    def _run_group(self, w: Watched, deadline: Deadline, out: Outcome) -> None:
        at, kind, name = deadline.at, deadline.kind, self.rules.name
        if kind == agenda.HOLD:
            self._decide(w, at, out, is_settled=True)
        elif kind == agenda.GRACE:
            self._follow(w, move(name, w.state, Signal.GRACE_OVER, at, w.held, w.weight), out)
        elif kind == agenda.REMINDER:
            state = msgspec.structs.replace(w.state, reminded_at=at)
            type_ = DELAY_REMINDER if w.state.stage == DELAYED else CALL_REMINDER
            # An extended deadline or other settings move reminders; those for which it is too late are passed over.
            is_past = self.at is not None and at < self.at
            self._follow(w, (state, None) if is_past else say(name, state, type_, at), out)
        else:
            self._run_loans(w, [d for d in w.loan_deadlines() if d[0] == at], at, out)

    def _run_loans(self, w: Watched, due: list[tuple[datetime, int, Loan]], at: datetime, out: Outcome) -> None:
        """Maturities and overdue deadlines of the group's loans, said to be of a time."""
        name = self.rules.name
        for _, kind, loan in due:
            state = w.ran(loan, kind)
            if kind == agenda.MATURITY:
                self._follow(w, say(name, state, "loan.overdue", at, "overdue"), out, desk.overdue_facts(w, loan))
            else:
                self._follow(w, move(name, state, Signal.OVERDUE, at, w.held, w.weight), out)

    def _run_price(self, deadline: Deadline, out: Outcome) -> None:
        asset, due = deadline.subject, self.board.stale_due(deadline.subject)
        if asset not in self.board.usd:
            self._say_missing(asset, "price.stale", deadline.at, out)
        elif due is None:
            self._announce(asset, deadline.at, out)
        elif due > deadline.at:
            self._watch_price(asset, due)
        else:
            self._moved(self.board.expire(asset), deadline.at, out)
            self._announce(asset, deadline.at, out)

    def _watch_staleness(self, assets: Iterable[str]) -> None:
        for asset in assets:
            due = None if self._agenda.has_late(agenda.PRICE, asset) else self.board.stale_due(asset)
            if due is not None:
                self._watch_price(asset, due)

    def _ending(self, event: MarkPrices) -> list[str]:
        """Groups whose clear hold ends now and is decided by these prices, even where they are what they were before."""
        ending = [d.subject for d in self._agenda.late_at(event.at) if d.phase == agenda.GROUP]
        quoted = frozenset(event.assets if ending else ())
        return [g for g in ending if not quoted.isdisjoint(self._register.groups[g].held.assets)]

    def _moved(self, change: Change, at: datetime, out: Outcome, ending: Iterable[str] = ()) -> None:
        """Says what is not believed any more, decides all holders once, says what is believed again."""
        for asset in sorted(change.lost):
            self._announce(asset, at, out)
        suspects = dict.fromkeys(ending)
        if change.moved:
            suspects |= dict.fromkeys(self._screen.suspects(change.moved, self.board.usd))
        if suspects:
            groups = self._register.groups
            self._decide_all((groups[g] for g in suspects), at, out, is_settled=True)
        for asset in sorted(change.regained):
            if self.board.marks[asset].announced:
                self._say_price(asset, "price.restored", at, out)
        for asset in sorted(change.found):
            self._say_missing(asset, "price.restored", at, out)

    def _announce(self, asset: str, at: datetime, out: Outcome) -> None:
        """Going blind is said once per asset, and only where it blinds somebody."""
        mark = self.board.marks.get(asset)
        if mark is not None and mark.trust != GOOD and not mark.announced and self._exposed(asset):
            self._say_price(asset, "price.stale" if mark.trust == STALE else "price.suspect", at, out)

    def _exposed(self, asset: str) -> list[str]:
        """Groups whose valuation needs an asset's price, by id; the rate of USDT is needed by every price in USDT."""
        assets = [asset]
        if asset in self.board.parity_assets:
            assets += self.board.quoted_in(USDT)
        return sorted({g for a in assets for g in self._screen.holders(a)})

    def _say_price(self, asset: str, type_: str, at: datetime, out: Outcome) -> None:
        mark = self.board.announce(asset, type_ != "price.restored")
        holders = [self._register.groups[g] for g in self._exposed(asset)]
        out.alerts.append(desk.price_alert(self.rules.name, type_, mark, self.board, holders, at, out.at))
        out.deskful = True

    def _say_missing(self, asset: str, type_: str, at: datetime, out: Outcome) -> None:
        """A held asset without any price is said once, and so is its first price."""
        key = f"price.missing|{asset}"
        count, last = self.notices.get(key, (0, None))
        holders = [self._register.groups[g] for g in sorted(self._screen.holders(asset))]
        is_news = bool(holders) and last is None if type_ == "price.stale" else last is not None
        if is_news:
            self.notices[key] = (count + 1, "missing" if type_ == "price.stale" else None)
            out.alerts.append(desk.missing_alert(self.rules.name, type_, asset, count + 1, holders, at, out.at))
            out.deskful = True

    def _renew(self, at: datetime, out: Outcome) -> None:
        """Another day or other rules: takes every holding anew and decides it on the prices in force."""
        for w in self._register.groups.values():
            w.renew(at)
            self._screen.put(w.group.id, w.held)
        self._decide_all(self._register.groups.values(), at, out)

    def _replan(self, at: datetime, out: Outcome) -> None:
        """New rules move deadlines, and may count a coin that did not count before."""
        for w in self._register.groups.values():
            self._plan(w)
            self._watch_trust(w, at, out)

    def _plan_rules(self, at: datetime) -> None:
        """The next time at which a version of some product's rules comes into force."""
        coming = [v.effective for p in self.rules.products.values() for v in p.versions if v.effective > at]
        due = min(coming, default=None)
        self._agenda.set(agenda.RULES, "", Deadline(due, agenda.RULES, "") if due else None)

    def _decide_all(self, groups: Iterable[Watched], at: datetime, out: Outcome, *, is_settled: bool = False) -> None:
        start = len(out.alerts)
        for w in groups:
            self._decide(w, at, out, is_settled=is_settled)
        if len(out.alerts) - start > 1:
            out.alerts[start:] = sorted(out.alerts[start:], key=lambda a: a.subject)

    def _decide(self, w: Watched, at: datetime, out: Outcome, *, is_settled: bool = False) -> None:
        """Values one group and follows the table; one with a missing price is not evaluated (DESIGN section 8)."""
        was_blind, state = w.blind, w.state
        self._weigh(w)
        out.touched.add(w.group.id)
        if w.weight is not None:
            if w.calm is None or not w.calm.holds(w.weight):
                how = self.rules.lifecycle
                verdict = judge(
                    self.rules.name, state, w.group, w.held, w.weight, w.blind, at, how, is_settled=is_settled
                )
                self._follow(w, verdict, out)
                w.calm = w.calm or calm(w.state, w.held, how)
            if w.has_past:
                w.has_past = False
                self._run_loans(w, w.past_deadlines(), at, out)
        elif state.below_since is not None:
            # While a price is missing nobody knows whether LTV stays low: the hold begins anew.
            self._follow(w, (msgspec.structs.replace(state, below_since=None), None), out)
        if w.state is not state or w.blind != was_blind:
            self._plan(w)

    def _weigh(self, w: Watched) -> None:
        usd, untrusted = self.board.usd, self.board.untrusted
        try:
            w.weight, w.blind = weigh(w.held, usd), bool(untrusted) and not untrusted.isdisjoint(w.held.assets)
        except KeyError:
            w.weight, w.blind = None, True

    def _follow(self, w: Watched, verdict: Verdict, out: Outcome, facts: Mapping[str, Any] | None = None) -> None:
        """Keeps the new state and raises its alert, if it has one."""
        state, said = verdict
        if state is not w.state:
            w.keep(state)
            out.states[w.group.id] = state
            out.touched.add(w.group.id)
        if said is not None:
            out.alerts.append(desk.group_alert(said, w, w.figures(self.board), out.at, facts or {}))

    def _plan(self, w: Watched) -> None:
        self._agenda.set(agenda.GROUP, w.group.id, *w.deadlines(self.rules.lifecycle))


def _next_midnight(at: datetime) -> datetime:
    return midnight(at.date() + timedelta(days=1))
