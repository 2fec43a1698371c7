"""Book entries (docs/api.md): what each does, what it refuses, and that no day's interest is booked twice."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.events.entries import Entry, apply
from monitor.core.loans.group import Group
from monitor.core.money import EXACT, places
from monitor.core.refusal import Refused
from monitor.core.schema import Invalid, read
from tests.coin_desk import clock, line, loan, version
from tests.core.desk import Desk, both_books, group, product

D = Decimal
RATED = product(version(rates={"COIN": "0.01", "USDT": "0.001503", "ETH": "0.001"}))
BASE = line(
    collateral={"a": {"USDT": "100", "BTC": "2"}, "b": {"USDT": "50"}},
    loans=[
        loan(id="new", principal="100", interest="3", opened_at="2025-12-21T10:00:00Z"),
        loan(id="old", principal="40", interest="2", opened_at="2025-12-20T10:00:00Z"),
        loan(
            "USDT",
            id="term",
            principal="7",
            matures="600:00",
            rate={"kind": "fixed", "daily": "0.0002"},
            opened_at="2025-12-20T10:00:00Z",
        ),
    ],
)


def after(entry: dict[str, Any], stated: dict[str, Any] = BASE, time: str = "00:00") -> Group:
    return apply(group(stated, of=RATED), read(Entry, entry), clock(time), RATED, {})


def owed(changed: Group) -> dict[str, tuple[Decimal, Decimal]]:
    return {x.id: (x.principal, x.interest) for x in changed.loans}


# -- collateral --

MOVES = [
    # entry                                                                            a                              b
    ({"type": "deposit", "account": "a", "asset": "USDT", "quantity": "5.5"},           {"USDT": "105.5", "BTC": "2"}, {"USDT": "50"}),
    ({"type": "deposit", "account": "b", "asset": "SOL", "quantity": "1"},              {"USDT": "100", "BTC": "2"},   {"USDT": "50", "SOL": "1"}),
    ({"type": "withdraw", "account": "a", "asset": "USDT", "quantity": "99.5"},         {"USDT": "0.5", "BTC": "2"},   {"USDT": "50"}),
    ({"type": "withdraw", "account": "a", "asset": "BTC", "quantity": "2"},             {"USDT": "100"},               {"USDT": "50"}),
    ({"type": "set_balance", "account": "a", "asset": "BTC", "quantity": "7"},          {"USDT": "100", "BTC": "7"},   {"USDT": "50"}),
    ({"type": "set_balance", "account": "a", "asset": "BTC", "quantity": "0"},          {"USDT": "100"},               {"USDT": "50"}),
    ({"type": "transfer", "from": "a", "to": "b", "asset": "USDT", "quantity": "30"},   {"USDT": "70", "BTC": "2"},    {"USDT": "80"}),
    ({"type": "transfer", "from": "a", "to": "a", "asset": "USDT", "quantity": "100"},  {"USDT": "100", "BTC": "2"},   {"USDT": "50"}),
]  # fmt: skip


@pytest.mark.parametrize(("entry", "a", "b"), MOVES)
def test_entries_of_collateral(entry: dict[str, Any], a: dict[str, str], b: dict[str, str]) -> None:
    changed = after(entry)
    want = {"a": {k: D(v) for k, v in a.items()}, "b": {k: D(v) for k, v in b.items()}}
    assert changed.collateral == want
    assert changed.loans == group(BASE, of=RATED).loans


def test_accounts_are_attached_and_detached_with_all_that_they_hold() -> None:
    assert after({"type": "attach_account", "account": "c"}).collateral["c"] == {}
    left = after({"type": "detach_account", "account": "a"})
    assert set(left.collateral) == {"b"}
    assert left.quantities() == {"USDT": D(50)}


def test_enrolment_changes() -> None:
    assert after({"type": "enroll", "delayed_liquidation": True}).delayed_liquidation
    assert not after({"type": "enroll", "delayed_liquidation": False}).delayed_liquidation


# -- loans --


def test_a_loan_is_borrowed_with_the_interest_that_its_line_brings() -> None:
    changed = after({"type": "borrow", "loan": loan("ETH", "5", id="L-9", interest="0.5")}, time="30:00")
    assert owed(changed)["L-9"] == (5, D("0.5"))
    assert changed.loans[-1].since.isoformat() == "2026-01-06"


REPAYMENTS = [
    # rules 26 and 36: all interest first, the oldest order first, and only then principal, the oldest first
    # amount                                  old (40 + 2)      new (100 + 3)
    ({"amount": "1"},                         ("40", "1"),      ("100", "3")),
    ({"amount": "2"},                         ("40", "0"),      ("100", "3")),
    ({"amount": "4.5"},                       ("40", "0"),      ("100", "0.5")),
    ({"amount": "5"},                         ("40", "0"),      ("100", "0")),
    ({"amount": "30"},                        ("15", "0"),      ("100", "0")),
    ({"amount": "60"},                        ("0", "0"),       ("85", "0")),
    ({"amount": "145"},                       ("0", "0"),       ("0", "0")),
    ({"percent": "100"},                      ("0", "0"),       ("0", "0")),
    ({"percent": "20"},                       ("16", "0"),      ("100", "0")),
    ({"amount": "60", "loan": "new"},         ("40", "2"),      ("43", "0")),
    ({"percent": "50", "loan": "new"},        ("40", "2"),      ("51.5", "0")),
]  # fmt: skip


@pytest.mark.parametrize(("how", "old", "new"), REPAYMENTS)
def test_rule_36_interest_of_all_orders_before_any_principal(
    how: dict[str, str], old: tuple[str, str], new: tuple[str, str]
) -> None:
    left = owed(after({"type": "repay", "asset": "COIN", **how}))
    assert left["old"] == tuple(map(D, old))
    assert left["new"] == tuple(map(D, new))
    assert left["term"] == (7, 0)


def test_rule_27_a_term_loan_runs_on_from_its_maturity() -> None:
    rate = {"kind": "fixed", "daily": "0.0003"}
    renewed = after({"type": "renew", "loan": "term", "term": "60d", "rate": rate}).loans[2]
    assert renewed.matures_at == clock(f"{600 + 60 * 24}:00")
    assert (renewed.term, renewed.rate.daily) == ("60d", D("0.0003"))


def test_rule_27_a_renewal_pays_the_interest_first_out_of_the_spot_balances() -> None:
    """Of the loan that is renewed alone; what the balances do not hold was paid otherwise."""
    stated = line(
        loans=[
            loan("COIN", "10", matures="600:00", id="term", interest="3", rate={"kind": "fixed", "daily": "0.001"}),
            loan("COIN", "100", id="other", interest="2"),
        ],
        balances={"s": {"COIN": "1.5", "USDT": "9"}, "t": {"COIN": "5"}},
    )
    rate = {"kind": "fixed", "daily": "0.0003"}
    changed = after({"type": "renew", "loan": "term", "term": "30d", "rate": rate}, stated, "24:00")
    # A day's interest of 0.01 has come to the 3 of the line, and 0.1 times 100 is not the rate of this test.
    assert owed(changed)["term"] == (10, 0)
    assert owed(changed)["other"][1] >= 2
    assert changed.balances == {"s": {"COIN": 0, "USDT": 9}, "t": {"COIN": D("3.49")}}
    changed = after({"type": "renew", "loan": "term", "term": "30d", "rate": rate}, stated | {"balances": {}})
    assert (owed(changed)["term"], changed.balances) == ((10, 0), {})


def test_rule_12_a_liquidation_zeroes_all_loans_and_leaves_the_collateral() -> None:
    changed = after({"type": "liquidated", "proceeds_usd": "1000", "fee_usd": "20"})
    assert set(owed(changed).values()) == {(0, 0)}
    assert changed.collateral == group(BASE, of=RATED).collateral


# -- what is refused --

REFUSED = [
    # entry                                                                               reason
    ({"type": "withdraw", "account": "a", "asset": "USDT", "quantity": "100.00000001"},    "insufficient"),
    ({"type": "withdraw", "account": "a", "asset": "SOL", "quantity": "1"},                "insufficient"),
    ({"type": "withdraw", "account": "z", "asset": "USDT", "quantity": "1"},               "unknown_account"),
    ({"type": "deposit", "account": "z", "asset": "USDT", "quantity": "1"},                "unknown_account"),
    ({"type": "set_balance", "account": "z", "asset": "USDT", "quantity": "1"},            "unknown_account"),
    ({"type": "transfer", "from": "a", "to": "b", "asset": "USDT", "quantity": "101"},     "insufficient"),
    ({"type": "transfer", "from": "a", "to": "z", "asset": "USDT", "quantity": "1"},       "unknown_account"),
    ({"type": "transfer", "from": "z", "to": "a", "asset": "USDT", "quantity": "1"},       "unknown_account"),
    ({"type": "attach_account", "account": "a"},                                           "duplicate_account"),
    ({"type": "attach_account", "account": "acct-G-2"},                                    "account_in_use"),
    ({"type": "attach_account", "account": "in-G-2"},                                      "account_in_use"),
    ({"type": "detach_account", "account": "z"},                                           "unknown_account"),
    ({"type": "borrow", "loan": loan(id="old")},                                           "duplicate_loan"),
    ({"type": "borrow", "loan": loan("BTC", id="L-9")},                                    "no_rate"),
    ({"type": "repay", "asset": "BTC", "percent": "50"},                                   "overpaid"),
    ({"type": "repay", "asset": "COIN", "amount": "1", "loan": "L-7"},                     "unknown_loan"),
    ({"type": "renew", "loan": "L-7", "term": "30d", "rate": {"kind": "flexible"}},        "unknown_loan"),
    ({"type": "renew", "loan": "old", "term": "30d", "rate": {"kind": "flexible"}},        "not_renewable"),
    ({"type": "renew", "loan": "term", "term": "open", "rate": {"kind": "flexible"}},      "not_renewable"),
    ({"type": "renew", "loan": "term", "term": "30d", "rate": {"kind": "flexible"}},       "rate_kind"),
    ({"type": "extend_grace", "until": "2026-01-07T00:00:00Z", "reason": "bank holiday"},  "no_grace"),
    ({"type": "extend_grace", "until": "2026-01-05T00:01:00Z", "reason": "bank holiday"},  "past"),
    ({"type": "waive", "until": "2026-01-05T00:01:00Z", "reason": "as agreed"},            "past"),
]  # fmt: skip


@both_books
@pytest.mark.parametrize(("entry", "reason"), REFUSED)
def test_a_refused_entry_says_why_and_changes_nothing(entry: dict[str, Any], reason: str) -> None:
    desk = Desk(BASE, line("G-2"), of=RATED)
    before, due = desk.sight(), desk.monitor.next_due
    assert desk.enter("00:01", entry) == "-"
    assert desk.last.refused is not None
    assert desk.last.refused.reason == reason
    assert len(str(desk.last.refused)) > 20
    assert desk.sight() == before
    assert desk.monitor.next_due == due
    assert not desk.last.is_durable


@both_books
def test_an_entry_for_a_group_that_is_not_there_is_refused() -> None:
    desk = Desk()
    desk.enter("00:00", {"type": "enroll", "delayed_liquidation": True})
    assert desk.last.refused is not None
    assert desk.last.refused.reason == "unknown_group"


UNREADABLE = [
    ({"type": "deposti", "account": "a"}, "type: found 'deposti', expected one of .*did you mean 'deposit'"),
    ({"type": "deposit", "account": "a", "asset": "USDT", "quantity": "0"}, "above 0"),
    ({"type": "deposit", "account": "a", "asset": "USDT", "quantity": "-1"}, "above 0"),
    ({"type": "deposit", "account": "a", "asset": "USDT", "quantity": 1.5}, "in quotes"),
    ({"type": "repay", "asset": "USDT"}, 'either "amount" or "percent"'),
    ({"type": "repay", "asset": "USDT", "amount": "1", "percent": "1"}, 'either "amount" or "percent"'),
    ({"type": "repay", "asset": "USDT", "percent": "100.1"}, "up to 100"),
    ({"type": "renew", "loan": "x", "term": "30d", "rate": {"kind": "fixed"}}, "daily"),
    ({"type": "waive", "until": "2026-01-05T00:01:00", "reason": "x"}, "a time with its zone"),
    ({}, "type: found nothing"),
    ({"type": []}, "type: found"),
    ({"type": {"deposit": 1}}, "type: found"),
]


@pytest.mark.parametrize(("entry", "said"), UNREADABLE)
def test_an_entry_that_cannot_be_read_is_named(entry: dict[str, Any], said: str) -> None:
    with pytest.raises(Invalid, match=said):
        read(Entry, entry)


# -- interest, decision 7 --


@both_books
def test_no_entry_books_a_days_interest_twice_or_forgets_it() -> None:
    """Whatever is entered and however often in a day: interest is that of the principal at each midnight."""
    desk = Desk(line(loans=[loan(principal="1000")]), of=RATED)
    desk.price("00:00", "0.01")
    for time in ("10:00", "10:00", "24:00", "24:00", "30:00"):
        desk.enter(time, {"type": "deposit", "account": "acct-G-1", "asset": "USDT", "quantity": "1"})
        desk.enter(time, {"type": "borrow", "loan": loan("ETH", "1", id=f"L-{desk.sight().version}")})
    (first, *_) = desk.sight().group.loans
    assert (first.principal, first.interest) == (1000, 10)
    desk.enter("30:01", {"type": "repay", "asset": "COIN", "amount": "510"})
    desk.pass_time("72:00")
    assert dict(desk.sight().held.debts)["COIN"] == 500 + 5 + 5


@both_books
def test_an_entry_at_midnight_comes_after_the_accrual_of_that_midnight() -> None:
    desk = Desk(line(loans=[loan(principal="1000")]), of=RATED)
    desk.price("00:00", "0.01")
    desk.enter("24:00", {"type": "repay", "asset": "COIN", "amount": "1010"})
    desk.pass_time("60:00")
    assert desk.sight().held.debts == ()


@both_books
@settings(max_examples=40)
@given(st.data())
def test_repayments_never_make_numbers_that_exact_arithmetic_cannot_hold(data: st.DataObject) -> None:
    """Years of odd percentages and daily interest: each payment must not leave more digits than the one before."""
    desk = Desk(line(loans=[loan(principal="1234.56789012")]), of=RATED)
    desk.price("00:00", "0.01")
    text = st.decimals("0.000000000000000001", "9.999999999999999999", places=18).map(str)
    for day in range(30):
        share = data.draw(text)
        entry = {"percent": share} if data.draw(st.booleans()) else {"amount": share}
        desk.pass_time(f"{24 * day + 10}:00")
        ((_, owed_now),) = desk.sight().held.debts
        desk.enter(f"{24 * day + 10}:00", {"type": "repay", "asset": "COIN", **entry})
        assert desk.last.refused is None
        (left,) = desk.sight().group.loans
        paid = EXACT.subtract(owed_now, EXACT.add(left.principal, left.interest))
        want = EXACT.multiply(owed_now, D(share).scaleb(-2)) if "percent" in entry else D(share)
        assert 0 <= EXACT.subtract(want, paid) <= D("2e-24")
        assert places(left.principal) <= 24
        assert places(left.interest) <= 48


# -- operators, and what entries do to the lifecycle --


@both_books
def test_an_entry_is_decided_at_once_and_counts_a_version() -> None:
    desk = Desk(line())
    desk.play("00:00 0.8 margin_call.opened")
    entry = {"type": "repay", "asset": "COIN", "amount": "10"}
    assert desk.enter("00:01", entry) == "margin_call.cured"
    assert desk.sight().version == 2
    more = {"type": "withdraw", "account": "acct-G-1", "asset": "USDT", "quantity": "25"}
    assert desk.enter("00:02", more) == "liquidation.triggered(ltv)"


@both_books
def test_a_grace_period_is_extended_and_its_reminders_count_from_the_new_deadline() -> None:
    desk = Desk(line(delayed_liquidation=True))
    desk.play(
        """
        00:00  0.92  delayed_liquidation.started
        17:00  0.92  delayed_liquidation.reminder@12:00
        """
    )
    extend = {"type": "extend_grace", "until": clock("28:00").isoformat(), "reason": "bank holiday"}
    assert desk.enter("17:00", extend) == "-"
    assert desk.state().deadline == clock("28:00")
    desk.play(
        """
        21:59  0.92  -
        22:00  0.92  delayed_liquidation.reminder
        27:59  0.92  delayed_liquidation.reminder@27:00 delayed_liquidation.reminder@27:45
        28:00  0.92  liquidation.triggered(grace_expired)
        """
    )
    assert [alert.deadline for alert in desk.alerts[2:5]] == [clock("28:00")] * 3


@both_books
def test_a_waiver_puts_off_the_liquidation_of_an_overdue_loan_and_not_that_of_a_line() -> None:
    desk = Desk(line(loans=[loan(matures="05:00")]))
    desk.play("00:00 0.5 -; 06:00 0.5 loan.overdue@05:00")
    until = {"type": "waive", "until": clock("50:00").isoformat(), "reason": "as agreed"}
    assert desk.enter("06:00", until) == "-"
    desk.play("49:00 0.78 margin_call.opened; 50:00 0.78 liquidation.triggered(overdue)")


def test_apply_alone_refuses_too() -> None:
    with pytest.raises(Refused, match="100 USDT"):
        after({"type": "withdraw", "account": "a", "asset": "USDT", "quantity": "101"})
