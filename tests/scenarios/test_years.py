"""Two years in one run of `monitor replay`: every alert against the reference model, to the last digit.

Term loans are renewed month after month and one is forgotten, flexible rates change daily, ladders change at two dates, Spot
balances run dry, and interest is added at each midnight (tests/reference/years.py says what the desk does).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from functools import cache
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from tests.reference import run
from tests.reference.terms import stamp
from tests.reference.years import SECOND, THIRD, Years, years
from tests.scenarios.agreement import first_difference, flat
from tests.scenarios.command import replayed, write

RATES = """\
[[rates]]
kind = "file"
product = "vip_loan"
path = "rates.csv"
"""


def written_rates(rows: Iterable[tuple[datetime, str, Decimal]]) -> str:
    """A rate file: a date is its midnight."""
    lines = (f"{at.date() if at.hour == at.minute == 0 else stamp(at)},{asset},{rate:f}\n" for at, asset, rate in rows)
    return "effective,asset,rate\n" + "".join(lines)


def ran(of: Years) -> tuple[list[dict[str, Any]], str]:
    """The alerts that the command prints, and what it says on stderr."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rates.csv").write_text(written_rates(of.rates))
        write(folder, "vip_loan", of.product, of.book, of.rows, of.entries, RATES)
        return replayed(folder)


@cache
def both() -> tuple[tuple[dict[str, Any], ...], tuple[dict[str, Any], ...], str]:
    """The alerts of the command and of the reference, played once, and what the command says on stderr."""
    of = years(1, groups=30)
    printed, words = ran(of)
    return tuple(flat(line) for line in printed), tuple(expected(of)), words


def expected(of: Years) -> list[dict[str, Any]]:
    return run.expected("desk-1", of.table, {}, of.book, of.rows, entries=of.entries, rates=of.rates)


def of_group(name: str) -> list[dict[str, Any]]:
    return [alert for alert in both()[0] if alert.get("group") == name]


def short(alerts: Iterable[dict[str, Any]]) -> list[tuple[str, str]]:
    return [(alert["timestamp"], alert["type"].removeprefix("loan_group.")) for alert in alerts]


@pytest.mark.timeout(240)
def test_two_years_agree_with_the_reference_model_alert_by_alert() -> None:
    ours, theirs, _ = both()
    assert first_difference(list(ours), list(theirs)) is None
    assert len(ours) > 2000


def test_two_years_show_every_alert_of_a_group_and_every_reason_of_a_liquidation() -> None:
    kinds = Counter(alert["type"] for alert in both()[0])
    assert kinds.keys() == {
        "loan_group.early_warning",
        "loan_group.margin_call.opened",
        "loan_group.margin_call.reminder",
        "loan_group.margin_call.cured",
        "loan_group.delayed_liquidation.started",
        "loan_group.delayed_liquidation.reminder",
        "loan_group.delayed_liquidation.cured",
        "loan_group.liquidation.triggered",
        "loan_group.liquidation.cleared",
        "loan.renewal_open",
        "loan.maturing",
        "loan.overdue",
        "loan.interest_shortfall",
        "rules.changed",
    }
    reasons = {a["reason"] for a in both()[0] if a["type"] == "loan_group.liquidation.triggered"}
    assert reasons == {"ltv", "immediate", "grace_expired", "overdue"}


def test_rule_27_a_term_renewed_for_two_years_opens_its_renewal_every_month_and_is_never_overdue() -> None:
    """Reading A13: 00:00 UTC, seven days before the maturity's day."""
    said = of_group("G-renewed")
    assert {alert["type"] for alert in said} == {"loan.renewal_open"}
    first = datetime.fromisoformat("2024-01-20T00:00:00+00:00")
    months = [stamp(first + timedelta(days=30 * n)) for n in range(24)]
    assert [alert["timestamp"] for alert in said] == months


def test_rule_25_a_forgotten_loan_is_overdue_liquidated_a_day_later_and_pays_three_times_the_interest() -> None:
    """Reading A12: matured 2024-03-21 09:15, paid twelve days later."""
    said = of_group("G-late")
    assert short(said) == [
        ("2024-03-14T00:00:00.000Z", "loan.renewal_open"),
        ("2024-03-20T09:15:00.000Z", "loan.maturing"),
        ("2024-03-21T09:15:00.000Z", "loan.overdue"),
        ("2024-03-22T09:15:00.000Z", "liquidation.triggered"),
        ("2024-04-02T10:15:00.000Z", "liquidation.cleared"),
    ]
    rate = {at: rate for at, asset, rate in years(1, groups=30).rates if asset == "USDT"}
    overdue, triggered = said[2], said[3]
    late_day = datetime.fromisoformat("2024-03-22T00:00:00+00:00")
    step = Decimal(triggered["debt_usd"]) - Decimal(overdue["debt_usd"])
    assert step == 300_000 * rate[late_day] * 3
    assert (triggered["reason"], overdue["facts"]["assumed"]) == ("overdue", True)


def test_rule_31_a_change_of_ladders_moves_ltv_without_a_price_and_says_so() -> None:
    """USDC owed against USDC: no price can move its LTV."""
    opened, cured = (a for a in of_group("G-ladder") if not a["type"].endswith("reminder"))
    assert short([opened, cured]) == [(stamp(SECOND), "margin_call.opened"), (stamp(THIRD), "margin_call.cured")]
    assert [(a["cause"], a["rules_from"]) for a in (opened, cured)] == [
        ("rules", "vip_loan@2023-06-01"),
        ("rules", "vip_loan@2024-09-10"),
    ]
    changed = [alert for alert in both()[0] if alert["type"] == "rules.changed"]
    assert [(a["timestamp"], a["facts"]["ladders"]) for a in changed] == [
        (stamp(SECOND), ["SOL", "USDC"]),
        (stamp(THIRD), ["ADA", "SOL", "USDC"]),
    ]


def test_rule_24_interest_is_added_at_each_midnight_of_two_years_at_the_rate_of_that_day() -> None:
    """The daily reminders of a margin call that lasts nine months: each debt is that of the day before and one step."""
    of = years(1, groups=30)
    rate = {at: rate for at, asset, rate in of.rates if asset == "USDC"}
    said = [alert for alert in of_group("G-ladder") if alert["type"].endswith("reminder")]
    assert len(said) == (THIRD - SECOND).days
    # USDC is owed and pledged: the price follows from the worth of the million that is pledged.
    owed = [Fraction(alert["debt_usd"]) / Fraction(alert["market_usd"]) * 1_000_000 for alert in said]
    steps = [after - before for before, after in pairwise(owed)]
    assert steps == [600_000 * Fraction(rate[datetime.fromisoformat(alert["timestamp"])]) for alert in said[1:]]


def test_rule_28_a_spot_balance_that_runs_dry_is_said_once() -> None:
    """Rule 28: 9,600 USDT pay the interest of some hundred days, and of no more."""
    (said,) = [alert for alert in of_group("G-short") if alert["type"] == "loan.interest_shortfall"]
    facts = said["facts"]
    assert Decimal(facts["interest"]) - 9600 == Decimal(facts["short"]) < 100
    assert said["timestamp"].endswith("T00:00:00.000Z")


def test_what_the_book_does_not_allow_is_named() -> None:
    """Who repays a share of what was repaid in full that day is told that nothing is owed."""
    lines = [line for line in both()[2].splitlines() if "entries.jsonl:" in line]
    assert lines
    assert all("is owed" in line for line in lines)


@pytest.mark.soak
@pytest.mark.timeout(3600)
@pytest.mark.parametrize("seed", range(10, 16))
def test_other_years_agree_as_well(seed: int) -> None:
    of = years(seed, groups=60)
    assert first_difference([flat(line) for line in ran(of)[0]], expected(of)) is None
