"""Margin calls with an amount and a clock against the reference model, which knows section 10 of docs/domain.md alone.

Random runs on both kinds of book: part payments, withdrawals, what is on its way, disputes, substitutions, holidays, expiry to
each end, returns, in the midst of puts, closings, accruals and prices on the lines. Every alert agrees to the last digit.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import tests.core.desk
from monitor.core.alerts.alert import LoggedAlert
from monitor.core.rules.settings import Rules
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import START, line, version
from tests.core.desk import Desk, both_books, product
from tests.core.runs import TRADING, TRUSTED, Step, entries, groups, in_hours, step, stepped, steps, versions
from tests.core.test_against_reference import clocks, follow, lifecycle
from tests.effort import examples, more_in_a_soak
from tests.reference.model import Alert, Model
from tests.scenarios.agreement import first_difference, flat, told

pytestmark = [both_books, more_in_a_soak]

calls = st.fixed_dictionaries(
    {
        "margin_call_expiry": st.sampled_from(("1h", "6h", "24h", "48h")),
        "minimum_transfer": st.sampled_from(("1", "1", "7.5")),
        "on_expiry": st.sampled_from(("notice", "delayed_liquidation", "liquidation")),
    },
    optional={
        "call_target": st.sampled_from(("0.68", "0.72", "0.755")),
        "call_rounding": st.sampled_from(("0.01", "1", "12.5")),
        "due_reminders": st.sampled_from((["15m"], ["30m", "59m"])),
        "return_below": st.sampled_from(("0.5", "0.66")),
        "dispute_stops_clock": st.booleans(),
        "business_days": st.sampled_from((["A"], ["A", "B"])),
    },
)
HOLIDAYS = {"A": [START.date() + timedelta(days=1)], "B": [START.date(), START.date() + timedelta(days=3)]}
usdt = st.sampled_from(("1", "4", "9", "25"))
names = st.sampled_from(("s-1", "s-2"))


def moving(kind: str) -> st.SearchStrategy[dict[str, Any]]:
    plain = {"account": st.integers(1, 3).map(lambda n: f"a{n}"), "asset": st.just("USDT"), "quantity": usdt}
    return st.fixed_dictionaries({"type": st.just(kind), **plain}, optional={"substitution": names})


about_calls = st.tuples(
    groups,
    st.one_of(
        moving("deposit"),
        moving("withdraw"),
        st.sampled_from(("3", "8.123456789")).map(lambda q: {"type": "repay", "asset": "COIN", "amount": q}),
        st.builds(
            lambda kind, asset, amount, hours: {
                "type": "announce",
                "kind": kind,
                "asset": asset,
                "amount": amount,
                "expected": in_hours(hours),
            },
            st.sampled_from(("collateral", "repayment")),
            st.sampled_from(("USDT", "COIN", "BTC")),
            usdt,
            st.integers(1, 60),
        ),
        st.sampled_from(("2", "6")).map(
            lambda usd: {"type": "dispute", "amount_usd": usd, "reason": "price", "by": "borrower"}
        ),
        st.just({"type": "resolve", "reason": "agreed", "by": "desk"}),
    ),
)


def called(group: int) -> Step:
    """A group whose margin call a COIN of 0.72 opens: 92 counted, 100 COIN owed, of which some without end."""
    held = {f"a{group}": {"USDT": "80"}, f"b{group}": {"USDT": "20"}}
    return Step(0, "put", line(f"G-{group}", collateral=held, delayed_liquidation=group == 2))


near = st.sampled_from(
    ("0.7084", "0.71", "0.72", "0.72", "0.74", "0.75", "0.7", "0.67", "0.6624", "0.55", "0.45", "0.84")
)
in_calls = st.lists(
    st.one_of(
        [step("prices", near)] * 3
        + [step("entry", about_calls)] * 8
        + [step("entry", entries), step("time", st.none())]
    ),
    min_size=8,
    max_size=40,
).map(lambda rest: [*(called(n) for n in (1, 2, 3)), Step(0, "prices", "0.72"), *rest])
"""Three groups with an open call, and prices that seldom leave its band."""


@settings(
    max_examples=examples(8, 1000),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(
    st.one_of(in_calls, in_calls, steps([*TRADING, step("entry", entries), *[step("entry", about_calls)] * 5])),
    st.sampled_from((4, 24, 31)),
    clocks,
    calls,
)
def test_margin_calls_agree_with_the_reference_model_on_every_alert(
    run: list[Step], hours: int, settings_: dict[str, Any], terms: dict[str, Any]
) -> None:
    terms = terms | ({"holidays": HOLIDAYS} if "business_days" in terms else {})
    of = [each | terms for each in versions(hours)]
    now = Rules("desk-1", {"vip_loan": product(*of)}, lifecycle(settings_), TRUSTED)
    monitor = RiskMonitor(now, book=tests.core.desk.new_book())
    model = Model("desk-1", {"version": of}, settings_)
    ours: list[dict[str, Any]] = []
    theirs: list[Alert] = []
    for each, happens in stepped([*run, Step(60 * 86400, "time")], now):
        out = monitor.handle(happens)
        alerts = [a for a in out.alerts if a.group is not None or a.type == "rules.changed"]
        ours += [flat(told(LoggedAlert(1, a), now.products)) for a in alerts]
        theirs += follow(model, each, out)
    for kind in {alert["type"] for alert in theirs}:
        event(kind)
    assert first_difference(ours, theirs) is None


@pytest.mark.parametrize("terms", [{}, {"margin_call_expiry": "24h"}])
def test_without_an_expiry_a_margin_call_has_no_amount(terms: dict[str, str]) -> None:
    desk = Desk(line(), of=product(version(**terms)))
    (said,) = desk.play("00:00 0.8 margin_call.opened")
    assert ("called_usd" in said.facts) == bool(terms)
    assert (desk.state().call is not None) == bool(terms)
