"""What a lever does to a group and its state, and how it is taken back. Pure (decision 89).

An override and a move must outlive the next line of the book, which states the group as it was. So the group's state keeps
them beside what the book states, and each put goes through `as_levers_hold`.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

import msgspec

from monitor.core.events.entries import (
    Entry,
    ExtendGrace,
    Lever,
    MoveProduct,
    OverrideLines,
    Waive,
    apply,
    without_dust,
)
from monitor.core.groups.calls import check_entry
from monitor.core.groups.lever_states import BeforeLever
from monitor.core.groups.outcome import StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.core.loans.group import Group, misfits
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.stages.maturity import without_gone
from monitor.core.stages.stages import DELAYED, LIQUIDATION, GroupState, OtherLines, OtherProduct
from monitor.core.text import stamp
from monitor.core.valuation.valuation import holding

NO_PRICES: Mapping[str, Decimal] = {}
"""For levers, to which no price matters."""


class Changed(NamedTuple):
    """A group after an entry or the end of a lever."""

    group: Group
    state: GroupState
    product: Product
    """Its agreement, without the terms of its labels and of its own."""


def former(state: GroupState) -> BeforeLever:
    """What a lever is about to replace."""
    return BeforeLever(
        state.group, state.life, state.deadline, state.waived_until, state.other_lines, state.other_product
    )


def entered(
    old: GroupRecord,
    entry: Entry,
    said: tuple[str, datetime],
    products: Mapping[str, Product],
    usd: Mapping[str, Decimal] = NO_PRICES,
) -> Changed:
    """A group after an entry or a lever, which has a name and a time, at these prices. Raises Refused."""
    by, at = said
    check_entry(old, entry, at, usd)
    state, product = _state_after(old, entry, by, at), _known(products, old.group.product)
    group = apply(old.group, entry, at, old.product, usd)
    if isinstance(entry, OverrideLines):
        group = _with_lines(group, state)
    if isinstance(entry, MoveProduct):
        group, state, product = _moved(old, group, state, entry.product, at, products)
    return Changed(group, without_gone(state, group.loans), product)


def check_lever(record: GroupRecord, lever: Lever) -> None:
    """What a person asks for beyond what an entry must: it changes something, and for the better. Raises Refused."""
    state = record.state
    if isinstance(lever, ExtendGrace):
        check_longer(state, lever)
    elif isinstance(lever, Waive):
        if state.stage == LIQUIDATION:
            text = "is in liquidation already, and a waiver takes no liquidation back; it comes before it"
            raise Refused("too_late", f"group {state.group} {text}")
        if not any(loan.matures_at is not None and loan.is_owed for loan in record.group.loans):
            text = 'owes no term loan that could be overdue; for its lines use "override"'
            raise Refused("nothing_to_waive", f"group {state.group} {text}")
    elif isinstance(lever, MoveProduct) and lever.product == record.group.product:
        raise Refused("same_product", f"group {state.group} is under {lever.product} already")


def check_longer(state: GroupState, entry: ExtendGrace) -> None:
    """A grace period is extended, never cut short. Raises Refused."""
    if state.stage == DELAYED and state.deadline is not None and entry.until <= state.deadline:
        text = f"ends at {stamp(state.deadline)}; {stamp(entry.until)} is no extension, state a later time"
        raise Refused("no_extension", f"the grace period of group {state.group} {text}")


def as_levers_hold(group: Group, state: GroupState, now: str, at: datetime) -> tuple[Group, GroupState]:
    """A group that its book puts again, with the levers that still hold. `now`: the product that it was under.

    A book that names another product than it did so far has moved the group itself.
    """
    if (moved := state.other_product) is not None:
        if group.product == moved.stated:
            group = msgspec.structs.replace(group, product=now)
        else:
            state = msgspec.structs.replace(state, other_product=None)
    if (lines := state.other_lines) is not None:
        if lines.until <= at:
            return group, msgspec.structs.replace(state, other_lines=None)
        state = msgspec.structs.replace(
            state, other_lines=msgspec.structs.replace(lines, stated=dict(group.thresholds))
        )
        group = _with_lines(group, state)
    return group, state


def lines_over(record: GroupRecord, products: Mapping[str, Product]) -> Changed:
    """The time of other lines is over: the group's former lines hold again."""
    lines = record.state.other_lines
    assert lines is not None
    group = msgspec.structs.replace(record.group, thresholds=lines.stated)
    return Changed(group, msgspec.structs.replace(record.state, other_lines=None), _known(products, group.product))


def taken_back(
    record: GroupRecord, lever: Lever, was: BeforeLever, by: str, at: datetime, products: Mapping[str, Product]
) -> Changed | None:
    """A group without a lever; None where something else has changed since what the lever had. Raises Refused."""
    state, group, product = record.state, record.group, _known(products, record.group.product)
    if state.life != was.life:
        return None
    match lever:
        case ExtendGrace():
            if state.stage != DELAYED or state.deadline != lever.until or was.deadline is None:
                return None
            # A deadline that is past by now ends the grace period now.
            state = msgspec.structs.replace(state, deadline=max(was.deadline, at))
        case Waive():
            if state.waived_until != lever.until:
                return None
            state = msgspec.structs.replace(state, waived_until=was.waived_until)
        case OverrideLines():
            if state.other_lines is None or state.other_lines.by != by:
                return None
            before = was.other_lines if was.other_lines is not None and was.other_lines.until > at else None
            stated = state.other_lines.stated
            before = None if before is None else msgspec.structs.replace(before, stated=stated)
            state = msgspec.structs.replace(state, other_lines=before)
            group = msgspec.structs.replace(group, thresholds=stated)
            group = group if before is None else _with_lines(group, state)
        case MoveProduct():
            if state.other_product is None or state.other_product.by != by:
                return None
            back = state.other_product.stated if was.other_product is None else was.other_product.now
            group = apply(group, MoveProduct(back, ""), at, record.product, NO_PRICES)
            group, state, product = _moved(record, group, state, back, at, products)
            state = msgspec.structs.replace(state, other_product=was.other_product)
    return Changed(group, without_gone(state, group.loans), product)


def record_of(changed: Changed, old: GroupRecord, at: datetime) -> GroupRecord:
    """The group under watch after a change; it is not in the book yet."""
    stored = StoredGroup(changed.group, old.source, old.version + 1, at)
    return GroupRecord(stored, changed.state, changed.product.of(changed.group), at)


def check_fit(group: Group, product: Product, at: datetime, kept: frozenset[str] = frozenset()) -> None:
    """The line was read under other rules, or before a version came into force. Raises Refused."""
    for problem in misfits(group, product, at, kept):
        raise Refused(problem.reason, f"group {group.id}: {problem}")


def check_kept(group: Group, product: Product, at: datetime) -> None:
    """A group that is here already also fits where only an older version lists the rate of its loan. Raises Refused."""
    check_fit(group, product, at, product.rates_until(at))


def check_levers(group: Group, state: GroupState, product: Product, at: datetime) -> None:
    """The group fits, and will when its other lines are over. Raises Refused."""
    check_kept(group, product, at)
    if state.other_lines is not None:
        check_kept(msgspec.structs.replace(group, thresholds=state.other_lines.stated), product, at)


def put_on(group: Group, at: datetime, product: Product | None) -> Group:
    """The group with interest that counts from the time of the event, not from when its line was read."""
    now = product.moment(at) if product else (at.date(), 0)
    day, minute = now
    group = without_dust(group, at, product) if product else group
    if all((loan.since, loan.minute) == now for loan in group.loans):
        return group
    loans = tuple(msgspec.structs.replace(x, since=day, minute=minute) for x in group.loans)
    return msgspec.structs.replace(group, loans=loans)


def _state_after(old: GroupRecord, entry: Entry, by: str, at: datetime) -> GroupState:
    state = old.state
    if isinstance(entry, ExtendGrace | Waive | OverrideLines) and entry.until <= at:
        raise Refused("past", f"until {entry.until.isoformat()} is not after the entry's time {at.isoformat()}")
    match entry:
        case ExtendGrace():
            if state.stage != DELAYED:
                raise Refused(
                    "no_grace", f"group {state.group} is in stage {state.stage}; there is no grace period to extend"
                )
            return msgspec.structs.replace(state, deadline=entry.until)
        case Waive():
            return msgspec.structs.replace(state, waived_until=entry.until)
        case OverrideLines():
            stated = old.group.thresholds if state.other_lines is None else state.other_lines.stated
            lines: dict[str, Decimal] = dict(entry.thresholds)
            return msgspec.structs.replace(state, other_lines=OtherLines(lines, entry.until, by, dict(stated)))
        case MoveProduct():
            stated_product = old.group.product if state.other_product is None else state.other_product.stated
            moved = OtherProduct(stated_product, entry.product, by) if entry.product != stated_product else None
            return msgspec.structs.replace(state, other_product=moved)
    return state


def _moved(
    old: GroupRecord, group: Group, state: GroupState, name: str, at: datetime, products: Mapping[str, Product]
) -> Changed:
    """Interest counts on from now under the new product; early warnings of another metric say nothing of this one."""
    new = _known(products, name)
    group = put_on(msgspec.structs.replace(group, product=name), at, new)
    check_levers(group, state, new, at)
    if old.held.lines.metric != holding(group, new.of(group), at).lines.metric:
        state = msgspec.structs.replace(state, warned=(), below_since=None)
    return Changed(group, state, new)


def _with_lines(group: Group, state: GroupState) -> Group:
    assert state.other_lines is not None
    return msgspec.structs.replace(group, thresholds={**state.other_lines.stated, **state.other_lines.lines})


def _known(products: Mapping[str, Product], kind: str) -> Product:
    product = products.get(kind)
    if product is None:
        raise Refused("unknown_product", f"found {kind!r}, expected one of: {', '.join(sorted(products))}")
    return product
