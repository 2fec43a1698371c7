"""What a version of any kind may state of margin calls with an amount and a clock (domain section 10, docs/calls.md)."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal
from itertools import chain
from typing import Annotated

import msgspec

from monitor.core.money import CENT, ZERO, plain
from monitor.core.rules.calls import CallRules, OnExpiry
from monitor.core.rules.product import Version
from monitor.core.rules.thresholds import Level, Thresholds
from monitor.core.schema import Bounds, Problem

Step = Annotated[Decimal, Bounds("0.01", "1000000000", 2)]
Minimum = Annotated[Decimal, Bounds("0", "1000000000", 2)]
KEYS = (
    "margin_call_expiry",
    "call_target",
    "call_rounding",
    "minimum_transfer",
    "business_days",
    "holidays",
    "due_reminders",
    "on_expiry",
    "return_below",
    "dispute_stops_clock",
)


class CallTable(msgspec.Struct, frozen=True, kw_only=True):
    """The keys of a [[version]]. Without `margin_call_expiry` no other of them may stand."""

    margin_call_expiry: timedelta | None = None
    """From the opening of a margin call until it is due."""
    call_target: Level | None = None
    """The level that a call asks for: the initial line, unless stated."""
    call_rounding: Step = CENT
    """USD: called amounts are rounded up to a multiple of it."""
    minimum_transfer: Minimum = ZERO
    """USD: less is neither called nor offered back, and nobody misses a call by less."""
    business_days: tuple[str, ...] = ()
    """Places of `holidays`: a call is due on a day that is no holiday in any of them, and no weekend."""
    holidays: dict[str, tuple[date, ...]] = msgspec.field(default_factory=dict)
    """By place."""
    due_reminders: tuple[timedelta, ...] = ()
    on_expiry: OnExpiry = "notice"
    return_below: Level | None = None
    """The level below which collateral may be asked back."""
    dispute_stops_clock: bool = False


def call_rules(table: CallTable, version: Version, where: str, problems: list[Problem]) -> CallRules | None:
    """The rules of calls of a version; None where it has none. Notes what does not fit the version's lines."""
    if table.margin_call_expiry is None:
        plain_table = CallTable()
        found = [name for name in KEYS if getattr(table, name) != getattr(plain_table, name)]
        text = "has no meaning without margin_call_expiry; state that too, or leave this out"
        problems += [Problem(f"{where}.{name}", text) for name in found]
        return None
    before = len(problems)
    problems += _misfits(table, version, where)
    if len(problems) > before:
        return None
    holidays = None
    if table.business_days:
        holidays = tuple(sorted({*chain.from_iterable(table.holidays[place] for place in table.business_days)}))
    return CallRules(
        expiry=table.margin_call_expiry,
        target=table.call_target,
        step_usd=table.call_rounding,
        minimum_usd=table.minimum_transfer,
        holidays=holidays,
        reminders=table.due_reminders,
        on_expiry=table.on_expiry,
        return_below=table.return_below,
        dispute_stops_clock=table.dispute_stops_clock,
    )


def _misfits(table: CallTable, version: Version, where: str) -> list[Problem]:
    expiry, found = table.margin_call_expiry, []
    assert expiry is not None
    if not expiry:
        found.append(Problem(f"{where}.margin_call_expiry", 'found "0s", expected a time such as "24h"'))
    if version.thresholds.margin_call is None:
        found.append(Problem(f"{where}.margin_call_expiry", "the product has no margin call; leave it out"))
    for i, reminder in enumerate(table.due_reminders):
        if not timedelta() < reminder < expiry:
            text = "expected more than 0s and less than margin_call_expiry"
            found.append(Problem(f"{where}.due_reminders[{i}]", text))
    for i, place in enumerate(table.business_days):
        if place not in table.holidays:
            known = ", ".join(sorted(table.holidays)) or "none"
            text = f"found {place!r}, expected a place of holidays; it has: {known}"
            found.append(Problem(f"{where}.business_days[{i}]", text))
    if table.on_expiry == "delayed_liquidation" and version.grace is None:
        found.append(Problem(f"{where}.on_expiry", 'the product has no grace period; state "notice" or "liquidation"'))
    for lines in _all_lines(version):
        if table.call_target is not None and not lines.is_worse(lines.first, table.call_target):
            text = f"found {plain(table.call_target)}, expected better than margin_call {plain(lines.first)}"
            found.append(Problem(f"{where}.call_target", text))
    target = version.thresholds.initial if table.call_target is None else table.call_target
    if table.return_below is not None:
        if version.thresholds.is_worse(table.return_below, target):
            text = f"found {plain(table.return_below)}, expected no worse than the call's target {plain(target)}"
            found.append(Problem(f"{where}.return_below", text))
        if not table.minimum_transfer:
            text = "state a minimum_transfer too: without one every tick would offer something back"
            found.append(Problem(f"{where}.return_below", text))
    return found


def _all_lines(version: Version) -> list[Thresholds]:
    graded = [grade.lines for grades in version.lines_by_leverage.values() for grade in grades]
    return [version.thresholds, *version.lines_by_coin.values(), *graded]
