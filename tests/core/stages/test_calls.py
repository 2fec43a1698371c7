"""The amount and the clock of a margin call, by hand and against exact fractions (domain section 10)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from math import ceil, floor

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.money import exact
from monitor.core.rules.calls import CallRules
from monitor.core.stages.calls import (
    Announced,
    Dispute,
    MarginCall,
    arrived,
    called_usd,
    due_reminder,
    expires_at,
    is_doubled,
    is_missed,
    returnable_usd,
)
from monitor.core.stages.stages import GroupState

D = Decimal
MONDAY = datetime(2026, 1, 5, 9, 30, tzinfo=UTC)
HOUR = timedelta(hours=1)
RULES = CallRules(timedelta(hours=24), minimum_usd=D(10))
CALL = MarginCall(1, "evt_1", MONDAY, MONDAY + timedelta(hours=24), D("0.72"), D(100))

money = st.decimals("0", "1e12", places=8, allow_nan=False, allow_infinity=False)
levels = st.decimals("0.01", "9", places=4, allow_nan=False, allow_infinity=False)
rules = st.builds(
    lambda step, minimum: CallRules(timedelta(hours=24), step_usd=step, minimum_usd=minimum),
    st.sampled_from((D("0.01"), D(1), D("12.5"), D(1000))),
    st.sampled_from((D(0), D("0.5"), D(25000))),
)


def short(debt: Decimal, counted: Decimal, level: Decimal, falls: bool) -> Fraction:
    """What is missing of the recognised value at which the group stands on the level."""
    return (Fraction(debt) * Fraction(level) if falls else Fraction(debt) / Fraction(level)) - Fraction(counted)


@given(money, money, levels, st.booleans(), rules)
def test_section_10_1_the_amount_brings_the_group_to_the_target_and_is_the_least_that_does(
    debt: Decimal, counted: Decimal, level: Decimal, falls: bool, of: CallRules
) -> None:
    with exact():
        found = called_usd(debt, counted, level, falls, of)
    step = Fraction(of.step_usd)
    assert Fraction(found) == max(
        ceil(max(short(debt, counted, level, falls), Fraction(0)) / step) * step, of.minimum_usd
    )


@given(money, money, levels, st.booleans(), st.decimals("0.01", "1e6", places=2))
def test_section_10_4_twice_the_amount_is_told_exactly(
    debt: Decimal, counted: Decimal, level: Decimal, falls: bool, amount: Decimal
) -> None:
    call = msgspec.structs.replace(CALL, target=level, amount_usd=amount)
    with exact():
        found = is_doubled(debt, counted, call, falls)
    assert found == (short(debt, counted, level, falls) >= 2 * Fraction(amount))


def test_section_10_4_exactly_twice_the_amount_is_twice_the_amount() -> None:
    for amount, expected in (("10", True), ("10.01", False)):
        call = msgspec.structs.replace(CALL, target=D("0.5"), amount_usd=D(amount))
        assert is_doubled(D(60), D(100), call, falls=False) is expected  # 60 / 0.5 - 100 is 20


@given(money, money, levels, st.booleans())
def test_section_10_9_what_may_leave_keeps_the_level_and_a_cent_more_does_not(
    debt: Decimal, counted: Decimal, level: Decimal, falls: bool
) -> None:
    with exact():
        found = returnable_usd(debt, counted, level, falls)
    assert Fraction(found) == Fraction(floor(max(-short(debt, counted, level, falls), Fraction(0)) * 100), 100)


@pytest.mark.parametrize(
    ("opened", "hours", "due"),
    [
        ("2026-01-05T09:30", 24, "2026-01-06T09:30"),  # Monday to Tuesday
        ("2026-01-09T09:30", 24, "2026-01-12T09:30"),  # Friday: Saturday becomes Monday, at the same time
        ("2026-12-23T09:30", 48, "2026-12-28T09:30"),  # the 25th is a holiday, and then comes a weekend
        ("2026-01-09T23:30", 1, "2026-01-12T00:30"),  # the first half hour of Saturday
        ("2026-01-10T09:30", 48, "2026-01-12T09:30"),  # opened on a Saturday
    ],
)
def test_section_10_5_a_call_is_due_on_a_business_day_at_the_same_time(opened: str, hours: int, due: str) -> None:
    of = CallRules(timedelta(hours=hours), holidays=(date(2026, 12, 25),))
    at = datetime.fromisoformat(opened).replace(tzinfo=UTC)
    assert of.due(at) == datetime.fromisoformat(due).replace(tzinfo=UTC)
    assert msgspec.structs.replace(of, holidays=None).due(at) == at + timedelta(hours=hours)


def coming(value: str, hours: int, quantity: str = "1") -> Announced:
    return Announced("e", "collateral", "BTC", D(quantity), D(value), CALL.due + hours * HOUR)


def test_section_10_6_a_call_expires_at_its_due_time_with_the_minimum_outstanding() -> None:
    assert expires_at(CALL, RULES) == CALL.due
    for received, expires in (("90", True), ("90.01", False), ("100", False), ("-20", True)):
        call = msgspec.structs.replace(CALL, received_usd=D(received))
        assert is_missed(call, RULES, CALL.due) is expires, received
        assert (expires_at(call, RULES) is not None) is expires
    assert expires_at(msgspec.structs.replace(CALL, met_at=MONDAY), RULES) is None
    assert expires_at(msgspec.structs.replace(CALL, expired_at=MONDAY), RULES) is None


def test_section_10_7_what_is_on_its_way_counts_until_its_own_time() -> None:
    for announced, expires in (
        ((coming("95", 2),), CALL.due + 2 * HOUR),
        ((coming("50", 2), coming("45", 5)), CALL.due + 2 * HOUR),
        ((coming("95", 0),), CALL.due),
        ((coming("89.99", 2),), CALL.due),
    ):
        call = msgspec.structs.replace(CALL, announced=announced)
        assert expires_at(call, RULES) == expires
        assert call.outstanding_usd == 100


def test_section_10_7_what_arrives_is_on_its_way_no_longer_the_first_expected_first() -> None:
    call = msgspec.structs.replace(CALL, announced=(coming("60", 5, "6"), coming("30", 2, "3")))
    with exact():
        after = arrived(call, "collateral", "BTC", D(4))
    assert [(a.quantity, a.value_usd) for a in after.announced] == [(D(5), D(50))]
    assert arrived(call, "repayment", "BTC", D(4)).announced == tuple(sorted(call.announced, key=lambda a: a.expected))


def test_section_10_8_the_clock_runs_on_unless_the_product_stops_it_for_the_disputed_part() -> None:
    opened = Dispute("e", D(95), "price", "borrower", MONDAY + HOUR)
    settled = msgspec.structs.replace(opened, resolved_at=MONDAY + 4 * HOUR)
    stops = msgspec.structs.replace(RULES, dispute_stops_clock=True)
    small = msgspec.structs.replace(opened, amount_usd=D(50))
    for dispute, of, expires in (
        (opened, RULES, CALL.due),
        (opened, stops, None),
        (settled, stops, CALL.due + 3 * HOUR),
        (settled, RULES, CALL.due),
        (small, stops, CALL.due),
    ):
        assert expires_at(msgspec.structs.replace(CALL, disputes=(dispute,)), of) == expires


def test_reminders_of_the_due_time_are_said_once_each() -> None:
    of = msgspec.structs.replace(RULES, reminders=(2 * HOUR, 6 * HOUR, 48 * HOUR))
    first = due_reminder(CALL, of)
    assert first == CALL.due - 6 * HOUR
    assert due_reminder(msgspec.structs.replace(CALL, told_at=first), of) == CALL.due - 2 * HOUR
    assert due_reminder(msgspec.structs.replace(CALL, told_at=CALL.due - 2 * HOUR), of) is None
    assert due_reminder(msgspec.structs.replace(CALL, met_at=MONDAY), of) is None


def test_a_state_with_a_call_is_kept_as_it_is_and_an_older_state_has_none() -> None:
    dispute = Dispute("e", D(95), "price", "borrower", MONDAY)
    whole = GroupState(
        "G-1",
        call=msgspec.structs.replace(CALL, announced=(coming("1.5", 1),), disputes=(dispute,)),
        returnable=D("1.25"),
    )
    for codec in (msgspec.json, msgspec.msgpack):
        assert codec.decode(codec.encode(whole), type=GroupState) == whole
    older = msgspec.json.decode(b'{"group":"G-1","stage":"margin_call","episode":2}', type=GroupState)
    assert (older.call, older.substitutions, older.returnable) == (None, (), None)
