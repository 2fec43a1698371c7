"""What the web asks of core, each answered in its turn between books and prices: the Inbox of core.queries."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Mapping
from datetime import datetime
from functools import partial
from typing import NamedTuple

import msgspec

from monitor.core.alerts.silences import Acknowledge
from monitor.core.events.events import API, BookEntry, Event, GroupPut, OperatorAct, ProductsChanged, RatesChanged
from monitor.core.events.levers import OperatorSays, Proposable, kind_of
from monitor.core.events.rates import Asked
from monitor.core.groups.lever_states import LeverInForce, OpenProposal
from monitor.core.groups.outcome import Outcome, Sight
from monitor.core.groups.snapshot import Prices, Scope, common_labels, within
from monitor.core.groups.watcher_states import OpenEscalation
from monitor.core.loans.group import restated
from monitor.core.money import exact
from monitor.core.portfolio.snapshot import WholeBook
from monitor.core.queries.inbox import (
    Acted,
    Answer,
    Given,
    LeverLook,
    Look,
    Preview,
    PriceLook,
    Request,
    joined,
    look_at_prices,
    why_missing,
)
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Rules
from monitor.core.watch.dry_run import would
from monitor.core.watch.operators import Operators, over
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.journal import Journal
from monitor.daemon.sequencer import Sequencer, Turn
from monitor.stores._base import Applied, Audit, Store

ASSETS_AT_ONCE = 50
"""Coins whose sources are looked at in one turn: with three feeds that takes 2.5 ms, for which a price may wait."""


class Hand(NamedTuple):
    """Who does it, and how."""

    who: str
    subject: str
    scope: Scope
    person: str
    emergency: str


class Requests:
    """See core.queries.inbox.Inbox. A change is refused at once while the store is known to fail."""

    def __init__(self, monitor: RiskMonitor, store: Store, journal: Journal, sequencer: Sequencer) -> None:
        self._monitor = monitor
        self._store = store
        self._journal = journal
        self._sequencer = sequencer
        self._entries = sequencer.entries

    async def request(self, request: Request) -> Answer:
        if not request.dry:
            self._journal.check_writable()
        stored = None
        if request.entry_id is not None:
            stored = await self._store.entry(request.group_id, request.entry_id, request.scope)
        work = lambda at, turn: self._change(request, stored, at, turn)  # noqa: E731
        return await self._sequencer.ask(work, needs_commit=not request.dry)

    async def give_rates(self, asked: Asked, who: str) -> Given:
        self._journal.check_writable()
        return await self._sequencer.ask(lambda at, turn: self._give(asked, who, at, turn))

    async def look(self, group_id: str, scope: Scope = ()) -> Look | None:
        return await self._sequencer.ask(lambda at, _: self._look(group_id, scope, at), needs_commit=False)

    async def look_at_prices(self, assets: Collection[str]) -> PriceLook:
        named = list(assets)
        found: list[PriceLook] = []
        for i in range(0, max(len(named), 1), ASSETS_AT_ONCE):
            work = partial(self._look_at_prices, named[i : i + ASSETS_AT_ONCE])
            found.append(await self._sequencer.ask(work, needs_commit=False))
        return joined(found)

    async def act(
        self, act: OperatorSays, who: str, subject: str, scope: Scope = (), *, person: str = "", emergency: str = ""
    ) -> Acted:
        self._journal.check_writable()
        hand = Hand(who, subject, scope, person, emergency)
        return await self._sequencer.ask(lambda at, turn: self._act(act, hand, at, turn))

    async def effects_of(self, act: Proposable, scope: Scope = ()) -> Preview:
        return await self._sequencer.ask(lambda at, _: self._effects_of(act, scope, at), needs_commit=False)

    async def look_at_levers(self, scope: Scope = (), of: str = "") -> LeverLook:
        return await self._sequencer.ask(lambda at, _: self._look_at_levers(scope, of, at), needs_commit=False)

    async def whole_book(self) -> WholeBook:
        await asyncio.to_thread(self._monitor.book.prepare_snapshot)
        return await self._sequencer.ask(lambda at, _: self._whole_book(at), needs_commit=False)

    async def whole_book_under(self, replaced: Callable[[Rules], Rules]) -> tuple[WholeBook, Rules]:
        def look(at: datetime, _: Turn) -> tuple[WholeBook, Rules]:
            monitor = self._monitor
            return self._whole_book(at), monitor.rates.into(replaced(monitor.rules))

        await asyncio.to_thread(self._monitor.book.prepare_snapshot)
        return await self._sequencer.ask(look, needs_commit=False)

    async def record(self, who: str, action: str, subject: str, before: object, after: object) -> None:

        def run(at: datetime, turn: Turn) -> None:
            turn.audits.append(Audit(at, who, action, subject, before, after))

        await self._sequencer.ask(run)

    async def change_rules(
        self, rules: Rules, who: str, before: object, after: object, adopt: Callable[[], None]
    ) -> Outcome:
        """A reload: new rules as one event, audited. `outcome.refused` says which group does not fit.

        `adopt` runs in core's thread when they are taken: what they raise is routed by the new configuration already.
        Raises StoreUnavailable where nothing was changed. If the store fails only after that, the rules are in force;
        the journal tells the desk, and makes them durable with all else.
        """
        self._journal.check_writable()

        def run(at: datetime, turn: Turn) -> Outcome:
            outcome = self._sequencer.handle(ProductsChanged(at, rules), turn)
            if outcome.refused is None:
                adopt()
                turn.audits.append(Audit(at, who, "reload", "configuration", before, after))
            return outcome

        return await self._sequencer.ask(run, needs_commit=False)

    # -- in core's thread --

    def _change(self, request: Request, stored: Applied | None, at: datetime, turn: Turn) -> Answer:
        before = self._monitor.sight(request.group_id)
        if before is not None and not within(request.scope, before.group.labels):
            return Answer(None, is_outside=True)
        # A repeated entry comes first: the version that it expects is the one before its own first time.
        known = None
        if request.entry_id is not None:
            known = self._entries.known(request.group_id, request.entry_id, stored, before, request.scope)
        if known is not None:
            is_same = known.digest == request.digest
            return Answer(before, is_duplicate=is_same, is_conflict=not is_same)
        if request.if_version is not None and request.if_version != (before.version if before else 0):
            return Answer(before, is_stale=True)
        event = request.make(at)
        if request.dry:
            return dry_answer(self._monitor, event, before)
        outcome = self._sequencer.handle(event, turn)
        after = self._monitor.sight(request.group_id)
        if outcome.refused is not None:
            return Answer(after, refused=outcome.refused)
        if isinstance(event, BookEntry):
            assert request.entry_id is not None
            assert after is not None
            noted = self._entries.note(request.group_id, request.entry_id, request.digest or "", at, after)
            turn.entries.append(noted)
        was, is_now = (restated(s.group) if s is not None else None for s in (before, after))
        audit = Audit(at, request.who, request.action, request.group_id, was, is_now, _labels_through(before, after))
        turn.audits.append(audit)
        return Answer(after, is_new=before is None)

    def _give(self, asked: Asked, who: str, at: datetime, turn: Turn) -> Given:
        rows = asked.rows(self._monitor.rules, at)
        outcome = self._sequencer.handle(RatesChanged(at, asked.product, API, rows), turn)
        if outcome.rates:
            turn.audits.append(Audit(at, who, "give rates", asked.product, None, msgspec.to_builtins(rows)))
        return Given(rows, outcome.refused)

    def _look(self, group_id: str, scope: Scope, at: datetime) -> Look | None:
        # Labels first: another's group takes no longer than one that is not there.
        if scope and ((record := self._monitor.book.find(group_id)) is None or not within(scope, record.group.labels)):
            return None
        sight = self._monitor.sight(group_id)
        if sight is None:
            return None
        board = self._monitor.board
        missing, seen = why_missing(board, sight.held.assets), self._monitor.books.states.get(sight.source)
        return Look(at, sight, *board.snapshot(), self._monitor.rules, missing, seen)

    def _look_at_prices(self, assets: Collection[str], at: datetime, _: Turn) -> PriceLook:
        with exact():
            return look_at_prices(self._monitor.board, assets, at)

    def _act(self, act: OperatorSays, hand: Hand, at: datetime, turn: Turn) -> Acted:
        operators = self._monitor.operators
        before = operators.known(act)
        group = before.subject if isinstance(before, OpenEscalation) else getattr(act, "group", None)
        record = self._monitor.book.find(group) if group is not None else None
        if group is not None and hand.scope and (record is None or not within(hand.scope, record.group.labels)):
            return Acted(None, None, over(act.alert) if isinstance(act, Acknowledge) else None)
        if (outside := operators.outside(act, hand.scope)) is not None:
            return Acted(None, None, outside)
        outcome = self._sequencer.handle(OperatorAct(at, hand.who, act, hand.person, hand.emergency), turn)
        acted = Acted(before, outcome.made or operators.known(act), outcome.refused)
        if outcome.refused is None and acted.before != acted.after:
            turn.audits.append(audit_of(act, acted, hand, at, None if record is None else record.group.labels))
        return acted

    def _effects_of(self, act: Proposable, scope: Scope, at: datetime) -> Preview:
        operators = self._monitor.operators
        if (outside := operators.outside(act, scope)) is not None:
            raise outside
        with exact():
            return Preview(operators.effects_of(act, at), operators.needs_approval(act))

    def _look_at_levers(self, scope: Scope, of: str, at: datetime) -> LeverLook:
        with exact():
            return look_at_levers(self._monitor.operators, scope, of, at)

    def _whole_book(self, at: datetime) -> WholeBook:
        _, usd, untrusted = self._monitor.board.snapshot()
        return WholeBook(at, Prices(usd, untrusted), self._monitor.rules, self._monitor.book.snapshot(at))


def dry_answer(monitor: RiskMonitor, event: Event, before: Sight | None) -> Answer:
    """What a change of a group would do."""
    assert isinstance(event, GroupPut | BookEntry), "a closing has nothing to say"
    try:
        found = would(monitor, event)
    except Refused as refused:
        return Answer(before, refused=refused)
    after = before if found is None else found.after
    return Answer(after, is_new=before is None, before=before, alerts=() if found is None else found.alerts)


def audit_of(act: OperatorSays, acted: Acted, hand: Hand, at: datetime, labels: Mapping[str, str] | None) -> Audit:
    """The record of an act. What was only proposed says so, and so does what was done alone in an emergency."""
    what = kind_of(act) if isinstance(act, Proposable) else str(type(act).__struct_config__.tag)
    subject, about = hand.subject, acted.after or acted.before
    if isinstance(about, OpenProposal | LeverInForce):
        labels, subject = about.labels, about.id
    if isinstance(act, Proposable) and isinstance(about, OpenProposal):
        what = f"propose {what}"
    elif isinstance(act, Proposable) and isinstance(about, LeverInForce) and about.emergency:
        what = f"emergency {what}"
    was, is_now = (msgspec.to_builtins(x, str_keys=True) for x in (acted.before, acted.after))
    return Audit(at, hand.who, what, subject, was, is_now, labels)


def look_at_levers(operators: Operators, scope: Scope, of: str, at: datetime) -> LeverLook:
    """What a scope may see of proposals and levers."""
    proposals = tuple(p for p in operators.proposals if operators.sees(scope, p))
    levers = tuple(lever for lever in operators.levers if operators.sees(scope, lever))
    asked = next((p for p in proposals if p.id == of), None)
    return LeverLook(at, proposals, levers, () if asked is None else operators.effects_of(asked.act, at))


def _labels_through(before: Sight | None, after: Sight | None) -> Mapping[str, str] | None:
    """The labels that a group had all through a change."""
    if before is None or after is None:
        one = before or after
        return None if one is None else one.group.labels
    return common_labels(before.group.labels, after.group.labels)
