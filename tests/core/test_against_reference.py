"""Core against the reference model, written from docs/domain.md and the decisions alone: random books, prices and clocks.

Puts, closes and puts again, entries in mid-run, price gaps, equal prices, prices exactly on lines, lines of a group's own, no
clear margin and no hold. Every alert must agree to the last digit, and so must their order.
"""

from collections.abc import Mapping
from datetime import timedelta
from decimal import Decimal
from typing import Any

from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

import tests.core.desk
from monitor.core.alerts.alert import LoggedAlert
from monitor.core.groups.outcome import Outcome
from monitor.core.rules.settings import Lifecycle, Rules
from monitor.core.watch.risk import RiskMonitor
from tests.coin_desk import START
from tests.core.desk import both_books, quotes
from tests.core.runs import TRADING, TRUSTED, Step, entries, rules, step, stepped, steps, versions
from tests.effort import examples, more_in_a_soak
from tests.reference.model import Alert, Model
from tests.scenarios.agreement import first_difference, flat, told

pytestmark = [both_books, more_in_a_soak]

clocks = st.fixed_dictionaries(
    {
        "clear_margin": st.sampled_from(("0.01", "0", "0.0616", "1")),
        "clear_hold_s": st.sampled_from((900, 300, 0)),
        "grace_reminders": st.lists(st.sampled_from(("0h", "1h", "6h", "12h", "24h")), max_size=3),
        "margin_call_repeat": st.sampled_from(("24h", "15m", "1h")),
        "reopen": st.sampled_from(("0h", "1h", "1h", "24h")),
    }
)


def lifecycle(of: Mapping[str, Any]) -> Lifecycle:
    """The same settings for core; reminders and repeats are whole hours or minutes."""
    return Lifecycle(
        Decimal(of["clear_margin"]),
        timedelta(seconds=of["clear_hold_s"]),
        tuple(timedelta(hours=int(h[:-1])) for h in of["grace_reminders"]),
        timedelta(minutes=int(of["margin_call_repeat"][:-1])) * (60 if of["margin_call_repeat"].endswith("h") else 1),
        timedelta(hours=int(of["reopen"][:-1])),
    )


def follow(model: Model, each: Step, out: Outcome) -> list[Alert]:
    """The same step for the reference. What core refuses or knows already is no event for it."""
    if each.kind == "prices":
        return model.prices(out.at, {q.asset: q.price for q in quotes(each.what, out.at)})
    if each.kind == "put" and out.changed:
        return model.put(out.at, each.what)
    if each.kind == "close" and out.closed:
        return model.close(out.at, each.what)
    if each.kind == "entry" and each.what[0] in model.groups:
        group_id, entry = each.what
        return model.enter(out.at, group_id, {"id": "e"} | entry)  # whether it is allowed is for each to say
    return model.pass_time(out.at)


@settings(
    max_examples=examples(40, 400),
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
@given(steps([*TRADING, *[step("entry", entries)] * 3], most=60), st.sampled_from((4, 24, 31)), clocks)
def test_core_and_the_reference_model_agree_on_every_alert(
    run: list[Step], hours: int, settings_: dict[str, Any]
) -> None:
    now = Rules("desk-1", {"vip_loan": rules(hours)}, lifecycle(settings_), TRUSTED)
    monitor, model = (
        RiskMonitor(now, book=tests.core.desk.new_book()),
        Model("desk-1", {"version": versions(hours)}, settings_),
    )
    ours: list[dict[str, Any]] = []
    theirs: list[Alert] = []
    for each, happens in stepped([*run, Step(60 * 86400, "time")], now):
        out = monitor.handle(happens)
        alerts = [a for a in out.alerts if a.group is not None or a.type == "rules.changed"]
        ours += [flat(told(LoggedAlert(1, a), now.products)) for a in alerts]
        theirs += follow(model, each, out)
    event(f"alerts: {min(len(theirs) // 5 * 5, 30)}")
    assert first_difference(ours, theirs) is None
    assert out.at > START
