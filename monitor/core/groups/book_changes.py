"""Which groups are watched, which account belongs to which, and what may change them (rule 6).

Bookkeeping only: nothing is valued or decided here. What is refused changes nothing.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core.events.entries import Entry, ExtendGrace, Lever
from monitor.core.events.events import API, BookEntry, GroupClosed, GroupPut, GroupsPut
from monitor.core.groups.lever_states import BeforeLever
from monitor.core.groups.levers import (
    NO_PRICES,
    Changed,
    as_levers_hold,
    check_fit,
    check_lever,
    check_levers,
    check_longer,
    entered,
    lines_over,
    put_on,
    record_of,
    taken_back,
)
from monitor.core.groups.loan_book import LoanBook, TakenBatch
from monitor.core.groups.outcome import Memory, StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.group import Group, same_line
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.core.stages.maturity import without_gone
from monitor.core.stages.stages import NO_FIGURES, NORMAL, ClosedLife, GroupState


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

    def restore(self, memory: Memory, rules: Rules, *, blocks_fit: bool = False) -> None:
        """Takes what a store kept. Raises Refused for a group that the product as configured now does not fit.

        `blocks_fit`: the groups of its blocks were found to fit these rules.
        """
        for stored in memory.groups:
            _product(rules.products, stored.group)
        self.book.restore(memory, rules)
        beside = (stored.group for stored in memory.groups)
        check_fit_all(beside if blocks_fit else self.book.examples(), rules, memory.at)
        gone = (s for s in memory.states if s.group not in self.book)
        self.retired = {id_: GroupState(id_, life=1) for id_ in memory.closed}
        # Lives were not counted at first: a group that was closed then had one.
        self.retired |= {s.group: msgspec.structs.replace(s, life=max(s.life, 1)) for s in gone}
        self._closings.extend(sorted((s.closed.at, id_) for id_, s in self.retired.items() if s.closed is not None))

    def put(self, event: GroupPut, rules: Rules) -> GroupRecord | None:
        """The group as it is now; None where the line states what is known already. Raises Refused."""
        record = self.would_put(event, rules)
        if record is not None:
            self.replaced = self.book.find(event.group.id)
            if self.replaced is None:
                self.retired.pop(event.group.id, None)
            self.book.put(record)
        return record

    def would_put(self, event: GroupPut, rules: Rules) -> GroupRecord | None:
        """The same, and nothing is changed."""
        products = rules.products
        old = self.book.find(event.group.id)
        group = put_on(event.group, event.at, products.get(event.group.product))
        if old is not None and old.source != event.source:
            raise Refused(
                "other_source",
                f"group {group.id} belongs to {old.source}, which put it first; close it there before putting it here",
            )
        if old is not None and _was_applied(old.group, event):
            return None
        self._check_accounts(group)
        self.left_at = self.former = None
        stated = group
        if old is not None:
            group, state = as_levers_hold(stated, old.state, old.group.product, event.at)
            if same_line(old.group, group) and state == old.state:
                return None
            version = old.version + 1
        else:
            check_fit(stated, _product(products, stated), event.at)
            version, state = self._come_back(stated, event, rules.lifecycle.reopen)
            group, state = _with_levers(stated, state, event.at, products)
        product = _product(products, group)
        check_fit(group, product, event.at)
        check_levers(group, state, product, event.at)
        group = group if group is stated else put_on(group, event.at, product)
        state = without_gone(state, group.loans)
        return GroupRecord(StoredGroup(group, event.source, version, event.at), state, product.of(group), event.at)

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
        kept = self.retired.get(group.id) or GroupState(group.id)
        was, kept = kept.closed, msgspec.structs.replace(kept, closed=None)
        if was is None or event.at - was.at > reopen:
            return 1, kept
        stated = was.product if was.state.other_product is None else was.state.other_product.stated
        if (was.source, stated, was.labels) != (event.source, group.product, group.labels):
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

    def enter(self, event: BookEntry, at: datetime, rules: Rules, usd: Mapping[str, Decimal]) -> GroupRecord:
        """Applies a book entry at these prices. Raises Refused."""
        return self._take(*self._would_enter(event, at, rules, usd), at)

    def would_enter(self, event: BookEntry, at: datetime, rules: Rules, usd: Mapping[str, Decimal]) -> GroupRecord:
        """The same, and nothing is changed."""
        old, changed = self._would_enter(event, at, rules, usd)
        return record_of(changed, old, at)

    def _would_enter(
        self, event: BookEntry, at: datetime, rules: Rules, usd: Mapping[str, Decimal]
    ) -> tuple[GroupRecord, Changed]:
        old = self._known(event.group_id)
        if not event.may_shorten and isinstance(event.entry, ExtendGrace):
            check_longer(old.state, event.entry)
        return old, self._entered(old, event.entry, event.id, at, rules, usd)

    def pull(self, group_id: str, lever: Lever, by: str, at: datetime, rules: Rules) -> GroupRecord:
        """A lever of the desk. Raises Refused, also where it would change nothing."""
        return self._take(*self.pulled(group_id, lever, by, at, rules), at)

    def pulled(self, group_id: str, lever: Lever, by: str, at: datetime, rules: Rules) -> tuple[GroupRecord, Changed]:
        """A group before and after a lever; nothing is changed. Raises Refused."""
        old = self._known(group_id)
        check_lever(old, lever)
        return old, self._entered(old, lever, by, at, rules)

    def take_back(self, was: BeforeLever, lever: Lever, by: str, at: datetime, rules: Rules) -> GroupRecord | None:
        """The group without a lever; None where that changes nothing. Raises Refused where it no longer fits."""
        old = self.book.find(was.group)
        if old is None or (changed := taken_back(old, lever, was, by, at, rules.products)) is None:
            return None
        check_levers(changed.group, changed.state, changed.product, at)
        return self._take(old, changed, at)

    def end_lines(self, group_id: str, at: datetime, rules: Rules) -> GroupRecord:
        """The time of other lines is over."""
        old = self._known(group_id)
        return self._take(old, lines_over(old, rules.products), at)

    def _entered(
        self,
        old: GroupRecord,
        entry: Entry,
        by: str,
        at: datetime,
        rules: Rules,
        usd: Mapping[str, Decimal] = NO_PRICES,
    ) -> Changed:
        changed = entered(old, entry, (by, at), rules.products, usd)
        self._check_accounts(changed.group)
        check_levers(changed.group, changed.state, changed.product, at)
        return changed

    def _take(self, old: GroupRecord, changed: Changed, at: datetime) -> GroupRecord:
        record = record_of(changed, old, at)
        self.replaced = old
        self.left_at = None
        self.book.put(record)
        return record

    def check_rules(self, before: Rules, rules: Rules, at: datetime, overridden: Iterable[str] = ()) -> None:
        """Raises Refused where a group does not fit other rules. `overridden` are those with other lines for a time."""
        self._check_kinds(before, rules)
        check_fit_all(self.book.examples(), rules, at)
        for group_id in overridden:
            record = self._known(group_id)
            check_levers(record.group, record.state, _product(rules.products, record.group), at)

    def _check_kinds(self, before: Rules, rules: Rules) -> None:
        """Raises Refused where an agreement that has groups would become one of another kind: what they owe counts by it."""
        kinds = {name: product.kind for name, product in before.products.items()}
        others = {name: p.kind for name, p in rules.products.items() if kinds.get(name, p.kind) != p.kind}
        for group in self.book.examples() if others else ():
            if group.product in others:
                name = group.product
                raise Refused(
                    "other_kind",
                    f"product {name!r} would be of kind {others[name]}, and group {group.id} is in it under kind "
                    f"{kinds[name]}; give the new agreement another name, or close the group first",
                )

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


def check_fit_all(examples: Iterable[Group], rules: Rules, at: datetime) -> None:
    """Raises Refused where a group does not fit rules that may come into force; the examples stand for all groups."""
    kept: dict[str, frozenset[str]] = {}
    for group in examples:
        product = _product(rules.products, group)
        if group.product not in kept:
            kept[group.product] = product.rates_until(at)
        check_fit(group, product, at, kept[group.product])


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


def _with_levers(
    stated: Group, state: GroupState, at: datetime, products: Mapping[str, Product]
) -> tuple[Group, GroupState]:
    """A group that comes back, with the levers that it had as far as they still hold and fit."""
    now = stated.product if state.other_product is None else state.other_product.now
    try:
        group, after = as_levers_hold(stated, state, now, at)
        check_fit(group, _product(products, group), at)
        check_levers(group, after, _product(products, group), at)
    except Refused:
        return stated, msgspec.structs.replace(state, other_lines=None, other_product=None)
    return group, after


def _was_applied(group: Group, event: GroupPut) -> bool:
    """A book that states the same line again undoes no entry. A put by API always counts as it stands."""
    return event.source != API and group.line == event.group.line != ""


def _product(products: Mapping[str, Product], group: Group) -> Product:
    product = products.get(group.product)
    if product is None:
        raise Refused(
            "unknown_product",
            f"group {group.id} has product {group.product!r}, which is not configured; add its [[product]] again "
            "or close the group first",
        )
    return product
