"""Interest as a function of the day: rules 22, 24 and 25, reading A12, decision 7."""

import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.loans.group import Loan
from monitor.core.loans.interest import interest
from monitor.core.money import exact
from monitor.core.rules.product import Product
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import group, product

D = Decimal
GOLDEN: dict[str, Any] = json.loads((Path(__file__).parents[2] / "golden" / "vip_interest.json").read_text())
DAY = START.date()


def day(count: int) -> date:
    return DAY + timedelta(days=count)


def one(stated: dict[str, Any], of: Product | None = None, at: datetime = START) -> Loan:
    return group(line(loans=[stated]), at, of).loans[0]


def grown(stated: dict[str, Any], days: int, of: Product | None = None, at: datetime = START) -> Decimal:
    rules = of or product()
    with exact():
        return interest(one(stated, rules, at), rules, at.date() + timedelta(days=days))


def test_rule_24_25_the_official_figures_of_a_normal_and_a_late_day() -> None:
    case = GOLDEN["vip_late"]
    rules = product(version(rates={"USDT": case["daily"]}))
    matures = loan("USDT", case["principal"], matures="24:00")
    assert grown(matures, 1, rules) == D(case["normal_day"])
    assert grown(matures, 2, rules) - grown(matures, 1, rules) == D(case["late_day"])


def test_interest_begins_with_the_first_midnight_after_the_put() -> None:
    stated = loan("USDT", "1000", interest="2")
    assert [grown(stated, n, at=clock("23:59")) for n in (0, 1, 2)] == [2, D("3.503"), D("5.006")]


def test_a_put_at_midnight_pays_from_the_next_one() -> None:
    assert [grown(loan("USDT", "1000"), n, at=clock("24:00")) for n in (0, 1)] == [0, D("1.503")]


def test_rule_22_a_fixed_rate_is_constant_whatever_the_product_says() -> None:
    rules = product(version(), version(clock("30:00"), rates={"USDT": "0.9", "COIN": "0"}))
    fixed = loan("USDT", "1000", matures="9000:00", rate={"kind": "fixed", "daily": "0.0002"})
    assert grown(fixed, 10, rules) == 2


LATE = [
    # matures              midnights after maturity are threefold; that of the maturity itself is not
    ("47:59",      [1, 4, 7]),
    ("48:00",      [1, 2, 5]),
    ("48:00:01",   [1, 2, 5]),
    ("71:59",      [1, 2, 5]),
    ("-10:00",     [3, 6, 9]),
    ("00:00",      [3, 6, 9]),
    ("23:59:59",   [3, 6, 9]),
    ("24:00",      [1, 4, 7]),
]  # fmt: skip


@pytest.mark.parametrize(("matures", "days"), LATE)
def test_reading_a12_interest_is_threefold_for_midnights_after_maturity(matures: str, days: list[int]) -> None:
    stated = loan("COIN", "1000", matures=matures)
    rules = product(version(rates={"COIN": "0.001"}))
    assert [grown(stated, n, rules) for n in (1, 2, 3)] == days


def test_rates_and_the_late_factor_of_a_midnight_are_those_of_the_version_then_in_force() -> None:
    rules = product(
        version(rates={"COIN": "0.001"}),
        version(clock("36:00"), rates={"COIN": "0.002"}, late_interest_factor="5"),
        version(clock("72:00"), rates={"COIN": "0.004"}),
    )
    matures = loan("COIN", "1000", matures="30:00")
    # midnights:      24:00 normal  48:00 late, 0.002 x 5  72:00 late, 0.004 x 3
    assert [grown(matures, n, rules) for n in (1, 2, 3)] == [1, 1 + 10, 1 + 10 + 12]


def test_a_loan_without_principal_keeps_its_interest() -> None:
    assert grown(loan("USDT", "0", interest="5"), 99) == 5


@given(st.data())
def test_the_sum_over_any_days_is_the_sum_of_its_midnights(data: st.DataObject) -> None:
    """A walk from midnight to midnight, which is what the rules say, against the closed form."""
    days = data.draw(st.integers(0, 90))
    hours = st.integers(-24 * 5, 24 * 95)
    rate = st.decimals(0, "0.01", places=6).map(str)
    dates = sorted(
        {START - timedelta(days=400), *(START + timedelta(hours=h) for h in data.draw(st.lists(hours, max_size=3)))}
    )
    factors = st.decimals(1, 9, places=2).map(str)
    rules = product(
        *(version(at, rates={"COIN": data.draw(rate)}, late_interest_factor=data.draw(factors)) for at in dates)
    )
    matures = START + timedelta(hours=data.draw(hours))
    x = msgspec.structs.replace(
        one(loan("COIN", "7.25", interest="0.5")), matures_at=data.draw(st.sampled_from([matures, None]))
    )
    with exact():
        want = D("0.5")
        for n in range(1, days + 1):
            midnight = datetime.combine(day(n), time(), UTC)
            now = rules.version_at(midnight)
            is_late = x.matures_at is not None and midnight > x.matures_at
            want += D("7.25") * now.rates["COIN"] * (now.late_interest_factor if is_late else 1)
        assert interest(x, rules, day(days)) == want
