"""Which groups are watched, which account belongs to which, and what may change them (rule 6).

Bookkeeping only: nothing is valued or decided here. What is refused changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core.events.entries import ExtendGrace, Waive, apply, without_dust
from monitor.core.events.events import API, BookEntry, GroupClosed, GroupPut, GroupsPut
from monitor.core.groups.loan_book import LoanBook, TakenBatch
from monitor.core.groups.outcome import Memory, StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.group import Group, misfits, same_line
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.core.stages.maturity import without_gone
from monitor.core.stages.stages import DELAYED, NO_FIGURES, NORMAL, ClosedLife, GroupState


class BookChanges:
    """What may change the book of groups."""

    def __init__(self, book: LoanBook) -> None:
        self.book = book
        self.replaced: GroupRecord | None = None
        """The group before the last put or entry that was applied; None where there was none."""
        self.retired: dict[str, GroupState] = {}
        """States of closed groups. One that comes back goes on counting, so that no alert id is used twice, and as another
        life, so that nobody takes its history and entries for those of the former one.

        A closed group that a stored block may still hold is here too: it must come back singly, as the row that says it is
        closed would win over a new block."""
        self.left_at: datetime | None = None
        """When a snapshot left out the group whose life the last put continued; None where it did not."""
        self.former: ClosedLife | None = None
        """What the group of the last put was when a snapshot left it out, where it comes back as another life."""
        self._closings: deque[tuple[datetime, str]] = deque()
        """Groups that may still come back as they were, in the order in which they were closed."""

    def restore(self, memory: Memory, rules: Rules) -> None:
        """Takes what a store kept. Raises Refused for a group that the product as configured now does not fit."""
        for stored in memory.groups:
            _product(rules.products, stored.group)
        self.book.restore(memory, rules)
        self._check_all(rules, memory.at)
        gone = (s for s in memory.states if self.book.find(s.group) is None)
        self.retired = {id_: GroupState(id_, life=1) for id_ in memory.closed}
        # Lives were not counted at first: a group that was closed then had one.
        self.retired |= {s.group: msgspec.structs.replace(s, life=max(s.life, 1)) for s in gone}
        self._closings.extend(sorted((s.closed.at, id_) for id_, s in self.retired.items() if s.closed is not None))

    def put(self, event: GroupPut, rules: Rules) -> GroupRecord | None:
        """The group as it is now; None where the line states what is known already. Raises Refused."""
        products = rules.products
        group, old = _put_on(event.group, event.at, products), self.book.find(event.group.id)
        if old is not None and old.source != event.source:
            raise Refused(
                "other_source",
                f"group {group.id} belongs to {old.source}, which put it first; close it there before putting it here",
            )
        if old is not None and _was_applied(old.group, event):
            return None
        self._check_accounts(group)
        self.left_at = self.former = None
        if old is not None and same_line(old.group, group):
            return None
        product = _product(products, group)
        _check_fit(group, product, event.at)
        version, state = (old.version + 1, old.state) if old else self._come_back(group, event, rules.lifecycle.reopen)
        state = without_gone(state, group.loans)
        record = GroupRecord(StoredGroup(group, event.source, version, event.at), state, product, event.at)
        self.replaced = old
        self.book.put(record)
        return record

    def put_all(self, event: GroupsPut) -> TakenBatch:
        """What the book takes of a batch as a whole: never a group that was here before and goes on counting."""
        return self.book.put_all(event.batch, event.source, event.at, self.retired.keys())

    def closing(self, event: GroupClosed) -> GroupRecord:
        """The group that is to be closed. Raises Refused."""
        record = self._known(event.group_id)
        if record.source != event.source:
            raise Refused("other_source", f"group {event.group_id} belongs to {record.source}; close it there")
        return record

    def close(
        self, record: GroupRecord, event: GroupClosed, reopen: timedelta, figures: msgspec.Raw = NO_FIGURES
    ) -> GroupState:
        """Forgets a group; returns the state that is kept of it: its counters, and what it was if it may come back."""
        self.book.drop(event.group_id)
        self._forget_closings(event.at, reopen)
        kept = _counters(record.state)
        if may_come_back(event, reopen):
            kept = msgspec.structs.replace(kept, closed=_closed_life(record, event.at, figures))
            self._closings.append((event.at, event.group_id))
        self.retired[event.group_id] = kept
        return kept

    def end(self, group_id: str, sequence: int) -> GroupState:
        """A group that a snapshot left out comes back no more; `sequence` is the number of the alert that says so."""
        kept = msgspec.structs.replace(self.retired[group_id], sequence=sequence, closed=None)
        self.retired[group_id] = kept
        return kept

    def returns_until(self, group_id: str, reopen: timedelta) -> datetime | None:
        """Until when a group that a snapshot left out may still come back as it was; None for any other."""
        kept = self.retired.get(group_id)
        return None if kept is None or kept.closed is None else kept.closed.at + reopen

    def _come_back(self, group: Group, event: GroupPut, reopen: timedelta) -> tuple[int, GroupState]:
        """The version and state of a group that is not in the book: as it was left, another life, or new."""
        kept = self.retired.pop(group.id, None) or GroupState(group.id)
        was, kept = kept.closed, msgspec.structs.replace(kept, closed=None)
        if was is None or event.at - was.at > reopen:
            return 1, kept
        if (was.source, was.product, was.labels) != (event.source, group.product, group.labels):
            self.former = was
            return 1, kept
        self.left_at = was.at
        return was.version + 1, _continued(was.state, event.at)

    def _forget_closings(self, at: datetime, reopen: timedelta) -> None:
        """What a group was is kept for as long as it may come back; its counters stay."""
        while self._closings and at - self._closings[0][0] > reopen:
            then, id_ = self._closings.popleft()
            kept = self.retired.get(id_)
            if kept is not None and kept.closed is not None and kept.closed.at == then:
                self.retired[id_] = msgspec.structs.replace(kept, closed=None)

    def enter(self, event: BookEntry, at: datetime, usd: Mapping[str, Decimal]) -> GroupRecord:
        """Applies a book entry at these prices. Raises Refused."""
        old = self._known(event.group_id)
        state = _state_after(old.state, event)
        group = apply(old.group, event.entry, at, old.product, usd)
        self._check_accounts(group)
        _check_kept(group, old.product, at)
        state = without_gone(state, group.loans)
        record = GroupRecord(StoredGroup(group, old.source, old.version + 1, at), state, old.product, at)
        self.replaced = old
        self.book.put(record)
        return record

    def check_rules(self, rules: Rules, at: datetime) -> None:
        """Raises Refused where a group does not fit other rules."""
        self._check_all(rules, at)

    def _check_all(self, rules: Rules, at: datetime) -> None:
        for group in self.book.examples():
            _check_kept(group, _product(rules.products, group), at)

    def _known(self, group_id: str) -> GroupRecord:
        record = self.book.find(group_id)
        if record is None:
            raise Refused("unknown_group", f"there is no group {group_id}; put it first")
        return record

    def _check_accounts(self, group: Group) -> None:
        for account in sorted(group.accounts()):
            owner = self.book.owner(account)
            if owner not in (None, group.id):
                raise Refused(
                    "account_in_use",
                    f"the current collateral account has been used (VIP FAQ 6): {account} belongs to group {owner}",
                )


def may_come_back(event: GroupClosed, reopen: timedelta) -> bool:
    """A person who closes a group means it; a snapshot that lacks one may be a bad snapshot."""
    return event.source != API and bool(reopen)


def _closed_life(record: GroupRecord, at: datetime, figures: msgspec.Raw) -> ClosedLife:
    group = record.group
    return ClosedLife(
        at,
        record.source,
        group.product,
        group.labels,
        record.version,
        record.state,
        group.receiving_account,
        group.contacts,
        record.blind,
        figures,
    )


def _counters(state: GroupState) -> GroupState:
    """What stays of a closed group: it goes on counting if it comes back, in another life."""
    return GroupState(state.group, episode=state.episode, sequence=state.sequence, life=state.life + 1)


def _continued(state: GroupState, at: datetime) -> GroupState:
    """The state of a group that was left out for a while. Nobody saw whether it held out below its line meanwhile, and
    reminders that were due then are passed over."""
    reminded_at = state.reminded_at if state.stage == NORMAL else at
    return msgspec.structs.replace(state, below_since=None, reminded_at=reminded_at)


def _was_applied(group: Group, event: GroupPut) -> bool:
    """A book that states the same line again undoes no entry. A put by API always counts as it stands."""
    return event.source != API and group.line == event.group.line != ""


def _put_on(group: Group, at: datetime, products: Mapping[str, Product]) -> Group:
    """The group with interest that counts from the time of the event, not from when its line was read."""
    product = products.get(group.product)
    now = product.moment(at) if product else (at.date(), 0)
    day, minute = now
    group = without_dust(group, at, product) if product else group
    if all((loan.since, loan.minute) == now for loan in group.loans):
        return group
    loans = tuple(msgspec.structs.replace(x, since=day, minute=minute) for x in group.loans)
    return msgspec.structs.replace(group, loans=loans)


def _product(products: Mapping[str, Product], group: Group) -> Product:
    product = products.get(group.product)
    if product is None:
        raise Refused(
            "unknown_product",
            f"group {group.id} has product {group.product!r}, which is not configured; add its [[product]] again "
            "or close the group first",
        )
    return product


def _check_fit(group: Group, product: Product, at: datetime, kept: frozenset[str] = frozenset()) -> None:
    """The line was read under other rules, or before a version came into force. Raises Refused."""
    for problem in misfits(group, product, at, kept):
        raise Refused(problem.reason, f"group {group.id}: {problem}")


def _check_kept(group: Group, product: Product, at: datetime) -> None:
    """A group that is here already also fits where only an older version lists the rate of its loan. Raises Refused."""
    _check_fit(group, product, at, product.rates_until(at))


def _state_after(state: GroupState, event: BookEntry) -> GroupState:
    entry = event.entry
    if isinstance(entry, ExtendGrace | Waive) and entry.until <= event.at:
        raise Refused("past", f"until {entry.until.isoformat()} is not after the entry's time {event.at.isoformat()}")
    if isinstance(entry, ExtendGrace):
        if state.stage != DELAYED:
            raise Refused(
                "no_grace", f"group {state.group} is in stage {state.stage}; there is no grace period to extend"
            )
        return msgspec.structs.replace(state, deadline=entry.until)
    return msgspec.structs.replace(state, waived_until=entry.until) if isinstance(entry, Waive) else state
