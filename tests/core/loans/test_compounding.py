"""Interest that bears interest, booked period by period, and late interest by the hour (domain section 9.8)."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from pathlib import Path
from random import Random
from typing import Any

import msgspec
import pytest

from monitor.core.events.entries import Borrow, Repay, apply
from monitor.core.groups.daily_interest import Stretch, charges
from monitor.core.loans import interest as of_interest
from monitor.core.loans.group import Loan, LoanLine, Rate
from monitor.core.loans.interest import hourly, instant, interest
from monitor.core.money import exact, round_to
from monitor.core.rules.product import DAY, HOUR, Product
from monitor.products import cross_margin_pro, vip_loan
from tests.coin_desk import START, line, version
from tests.core.desk import group

D = Decimal
FIGURES: dict[str, dict[str, Any]] = {
    found["case"]: found
    for found in map(
        json.loads, (Path(__file__).parents[2] / "cases" / "lending" / "figures.jsonl").read_text().splitlines()
    )
}
ROUNDINGS = ("half_even", "half_up", "up", "down")


def hours(rate: str, **changes: Any) -> Product:
    """A product of hourly interest that compounds, unless `changes` say so."""
    stated = {"rates": {"USDT": rate}, "compounding": True, "hours": "begun", **changes}
    return vip_loan.load({"period": "hour", "version": [version(**stated)]})


def kept_in(places: int | None) -> dict[str, Any]:
    return {} if places is None else {"compounding_places": places}


def loan_of(principal: str, since: datetime, **changes: Any) -> Loan:
    at = {"opened_at": since, "since": since.date(), "minute": since.hour * 60 + since.minute}
    stated = {"id": "L-1", "asset": "USDT", "principal": D(principal), "interest": D(0), "rate": Rate("flexible")}
    return Loan(**{**stated, "term": "open", "matures_at": None, **at, **changes})


def grown(loan: Loan, product: Product, at: datetime) -> Decimal:
    with exact():
        return interest(loan, product, *product.moment(at))


def shown(amount: Decimal) -> Decimal:
    """What the lender's page says, in 8 places."""
    return round_to(amount, D("0.00000001"), "half_even")


@pytest.mark.parametrize(("places", "beside"), [(24, "0"), (None, "0.00000001")])
def test_section_9_8_23_hours_of_the_handed_figures(places: int | None, beside: str) -> None:
    """The handed figure is rounded once, so it is that of many places. Booked in the coin's 8 places it is one unit more."""
    case = FIGURES["hourly-compounding"]
    rules, at = hours(case["rate_per_hour"], **kept_in(places)), datetime.fromisoformat(case["borrowed"])
    line_ = LoanLine("L-9", "USDT", D(case["principal"]), Rate("flexible"), "open", at)
    with exact():
        borrowed = apply(group(line(loans=[]), at, rules), Borrow(line_), at, rules, {})
    (loan,) = borrowed.loans
    assert loan.interest == D("0.75")
    owed = D(case["principal"]) + grown(loan, rules, datetime.fromisoformat(case["at"]))
    assert shown(owed) == D(case["right"]) + D(beside)


@pytest.mark.parametrize(("places", "beside"), [(24, "0"), (12, "0"), (None, "-0.0000001")])
def test_section_9_8_a_year_of_the_handed_figures(places: int | None, beside: str) -> None:
    case = FIGURES["hourly-compounding-for-a-year"]
    rules, loan = hours(case["rate_per_hour"], **kept_in(places)), loan_of(case["principal"], START)
    owed = D(case["principal"]) + grown(loan, rules, START + case["hours"] * HOUR)
    assert shown(owed) == D(case["right"]) + D(beside)
    simple = hours(case["rate_per_hour"], compounding=False)
    assert D(case["principal"]) + grown(loan, simple, START + case["hours"] * HOUR) == D(case["simple_would_be"])


def test_section_9_8_late_interest_by_the_hour_of_the_handed_figures() -> None:
    case = FIGURES["late-interest-by-the-hour"]
    table = version(
        rates={"USDT": str(D(case["rate_per_hour"]) * 24)},
        late_interest="hour",
        late_interest_factor=case["late_factor"],
    )
    rules, due = vip_loan.load({"version": [table]}), START + timedelta(hours=5)
    loan = loan_of(case["principal"], START, term="30d", matures_at=due, minute=0)
    assert [grown(loan, rules, due + n * HOUR) for n in (0, 1)] == [0, 3]
    assert grown(loan, rules, due + case["hours_late"] * HOUR) == D(case["right"])
    fixed = msgspec.structs.replace(loan, rate=Rate("fixed", D(case["rate_per_hour"]) * 24))
    assert grown(fixed, rules, due + case["hours_late"] * HOUR) == D(case["right"])


def test_a_loan_is_charged_its_days_until_it_is_late_and_then_its_hours() -> None:
    """Each midnight until maturity in full; afterwards a 24th in 24 places, three times, at each hour and not at midnight too."""
    rules = vip_loan.load({"version": [version(rates={"USDT": "0.0001"}, late_interest="hour")]})
    due = START + timedelta(days=2, hours=10, minutes=30)
    loan = loan_of("1000", START, term="30d", matures_at=due)
    hour = 3 * D("0.000004166666666666666667") * 1000
    times = [(2 * DAY, 0), (2 * DAY + 11 * HOUR, 1), (3 * DAY, 14), (3 * DAY + HOUR, 15)]
    assert [grown(loan, rules, START + after) for after, _ in times] == [D("0.2") + n * hour for _, n in times]
    assert grown(loan, rules, due + timedelta(minutes=29)) == D("0.2")


def test_late_interest_changes_between_days_and_hours_with_the_version_of_the_instant() -> None:
    rules = vip_loan.load(
        {
            "version": [
                version(rates={"USDT": "0.0024"}),
                version(START + timedelta(hours=30), rates={"USDT": "0.0024"}, late_interest="hour"),
                version(START + timedelta(hours=50), rates={"USDT": "0.0024"}),
            ]
        }
    )
    loan = loan_of("1000", START, term="30d", matures_at=START)
    # A day at 24:00, hours from 30:00 to 49:00, of which 48:00 is one, a day at 72:00.
    found = [grown(loan, rules, START + n * HOUR) for n in (24, 29, 30, 48, 49, 60, 72)]
    assert found == [D("7.2"), D("7.2"), D("7.5"), D("12.9"), D("13.2"), D("13.2"), D("20.4")]


def test_a_24th_is_rounded_half_even_to_24_places() -> None:
    assert hourly(D("0.0024")) == D("0.0001")
    assert hourly(D("0.00021")) == D("0.00000875")
    assert hourly(D("0.000000000000000001")) == D("0.000000000000000000041667")
    assert hourly(D("0.0000000000000000000000" + "12")) == D("0E-24")  # a tie
    assert hourly(D("0.0000000000000000000000" + "36")) == D("2E-24")


def random_rules(random: Random) -> tuple[Product, Loan]:
    """Versions that compound or not, round and charge late as they like, and a loan across them."""
    daily = random.random() < 0.5
    made = []
    for n in range(random.randint(1, 3)):
        made.append(
            version(
                START + timedelta(hours=random.randint(1, 90)) * n - (0 if n else 1) * 400 * DAY,
                rates={"USDT": str(D(random.randint(-30000, 99999)).scaleb(-7))},
                compounding=random.random() < 0.7,
                **kept_in(random.choice((None, None, 12, 24))),
                rounding=random.choice(ROUNDINGS),
                places={"USDT": random.choice((0, 2, 8))},
                late_interest=random.choice(("day", "hour")),
                late_interest_factor=random.choice(("1", "2.5", "3")),
                interest_free=random.choice(({}, {}, {"USDT": "1000"}, {"USDT": "30000000.5"})),
            )
        )
    made = list({each["effective"]: each for each in made}.values())
    rules = vip_loan.load({"period": "day" if daily else "hour", "version": made})
    matures = random.choice((None, START + timedelta(minutes=random.randint(-500, 6000))))
    rate = random.choice((Rate("flexible"), Rate("fixed", D("0.000213")), Rate("fixed", D("-0.0002"))))
    interest_ = D(random.randint(0, 10**12)).scaleb(-9)
    return rules, loan_of(
        str(random.randint(1, 10**9)), START, matures_at=matures, interest=interest_, rate=rate,
        term="open" if matures is None else "30d",
    )  # fmt: skip


def walked(loan: Loan, rules: Product, until: datetime) -> Decimal:
    """Minute marks one after the other, as the lender's clerk would do it."""
    booked, at = loan.interest, START
    every = DAY if loan.rate.daily is not None else rules.period
    while (at := at + HOUR) <= until:
        now = rules.version_at(at)
        is_late = loan.matures_at is not None and at > loan.matures_at
        by_hour = is_late and every == DAY and now.late_interest == "hour"
        if at.hour and every == DAY and not by_hour:
            continue
        rate = loan.rate.daily if loan.rate.daily is not None else now.rates["USDT"]
        if by_hour:
            rate = round_to((rate * 10**30 / 24).to_integral_value().scaleb(-30), D("1e-24"), "half_even")
        if is_late:
            rate *= now.late_interest_factor if rate > 0 else 0
        free = D(0) if loan.rate.daily is not None or rate < 0 else now.free_amounts.get("USDT", D(0))
        if now.compounding:
            assert now.units is not None
            places = now.compounding_places
            unit = now.units.unit("USDT") if places is None else D(1).scaleb(-places)
            booked += round_to(max(loan.principal + booked - free, D(0)) * rate, unit, now.units.rounding)
        else:
            booked += max(loan.principal - free, D(0)) * rate
    return booked


@pytest.mark.parametrize("seed", range(40))
def test_any_loan_agrees_with_a_walk_from_hour_to_hour(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked for in any order, as what was worked out before is gone on from."""
    monkeypatch.setattr(of_interest, "KEPT_APART", 7)
    random = Random(seed)
    rules, loan = random_rules(random)
    times = [START + timedelta(hours=random.randint(0, 150)) for _ in range(12)]
    for at in times:
        with localcontext(prec=200):
            expected = walked(loan, rules, at)
        assert grown(loan, rules, at) == expected, at


@pytest.mark.parametrize("seed", range(12))
def test_the_charges_of_days_add_up_to_the_interest(seed: int) -> None:
    rules, loan = random_rules(Random(1000 + seed))
    end = START + 7 * DAY
    with exact():
        found = list(charges([Stretch(loan, rules, end)], None, end))
        assert loan.interest + sum(each.amount for each in found) == grown(loan, rules, end)
    for each in found:
        assert each.period in ("day", "hour")
        if not rules.compounds:
            with exact():
                assert each.amount == each.principal * each.rate * each.late_factor * each.periods


def test_a_repayment_takes_booked_interest_first_and_the_rest_goes_on_bearing_interest() -> None:
    rules, at = hours("0.001"), START + 2 * HOUR
    owed = group(line(loans=[]), START, rules)
    owed = msgspec.structs.replace(owed, loans=(loan_of("1000", START),))
    with exact():
        paid = apply(owed, Repay("USDT", amount=D(2)), at, rules, {}).loans[0]
    assert (paid.principal, paid.interest) == (1000, D("0.001"))
    assert grown(paid, rules, at + HOUR) == D("0.001") + D("1.000001")


def test_what_is_within_a_quota_bears_no_interest() -> None:
    """The first 10,000 of a flexible loan are free; what it earns below zero, and a loan at its own rate, know no quota."""
    free = hours("0.001", compounding=False, interest_free={"USDT": "10000"})
    assert grown(loan_of("10000", START), free, START + 5 * HOUR) == 0
    assert grown(loan_of("10500.5", START), free, START + 5 * HOUR) == D("2.5025")
    assert grown(loan_of("10500", START), hours("0.001", interest_free={"USDT": "10000"}), START + 2 * HOUR) == D(
        "1.0005"
    )
    assert grown(loan_of("10500", START, rate=Rate("fixed", D("0.001"))), free, START + DAY) == D("10.5")
    below = hours("-0.001", compounding=False, interest_free={"USDT": "10000"})
    assert grown(loan_of("10500", START), below, START + HOUR) == D("-10.5")


def test_the_hour_at_borrowing_knows_the_quota() -> None:
    rules = hours("0.001", compounding=False, interest_free={"USDT": "400"})
    owes = group(line(loans=[]), START, rules)
    taken = LoanLine("L-1", "USDT", D(1000), Rate("flexible"), "open", START)
    with exact():
        assert apply(owes, Borrow(taken), START, rules, {}).loans[0].interest == D("0.6")


def test_a_loan_without_principal_bears_nothing() -> None:
    assert grown(loan_of("0", START, interest=D(5)), hours("0.001"), START + DAY) == 5


def test_an_hour_goes_on_from_the_hour_before(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loan of years must not be added up from its beginning each hour."""
    rules, loan = hours("0.00001"), loan_of("1000", START)
    grown(loan, rules, START + 3000 * HOUR)
    spans: list[timedelta] = []
    booked = of_interest._booked
    monkeypatch.setattr(of_interest, "_booked", lambda *a: (spans.append(a[4] - a[3]), booked(*a))[1])
    for n in range(3001, 3005):
        grown(loan, rules, START + n * HOUR)
    assert spans == [HOUR] * 4
    grown(loan, rules, START + 1000 * HOUR)
    assert spans[4] <= of_interest.KEPT_APART * HOUR
    assert len(rules.booked[loan]) <= 3000 // of_interest.KEPT_APART + 3


def test_a_recorded_rule_without_the_keys_is_simple_and_late_by_the_day() -> None:
    rules = vip_loan.load({"version": [version()]})
    recorded = json.loads(msgspec.json.encode(rules.versions[0], order="deterministic"))
    assert not recorded["compounding"]
    for key in ("compounding", "late_interest", "loan_terms"):
        del recorded[key]
    old = msgspec.convert(recorded, type(rules.versions[0]))
    assert (old.compounding, old.late_interest, old.loan_terms) == (False, "day", ("30d", "60d"))
    assert rules.step == DAY
    assert instant(START.date(), 0) == datetime(2026, 1, 5, tzinfo=UTC)


def test_a_rate_below_zero_takes_off_the_debt_until_the_loan_is_late() -> None:
    rules = vip_loan.load({"version": [version(rates={"USDT": "-0.001"})]})
    loan = loan_of("1000", START, term="30d", matures_at=START + 2 * DAY)
    assert [grown(loan, rules, START + n * DAY) for n in (1, 2, 3, 30)] == [-1, -2, -2, -2]
    fixed = msgspec.structs.replace(loan, rate=Rate("fixed", D("-0.002")))
    assert [grown(fixed, rules, START + n * DAY) for n in (1, 2, 3)] == [-2, -4, -4]


@pytest.mark.parametrize("compounding", [True, False])
def test_no_loan_owes_less_than_nothing(compounding: bool) -> None:
    rules = hours("-0.3", compounding=compounding, rounding="up")
    assert grown(loan_of("10", START), rules, START + 500 * HOUR) == -10
    with pytest.raises(ValueError, match="interest below zero is at most the principal"):
        LoanLine("L-1", "USDT", D(10), Rate("flexible"), "open", START, D("-10.1"))


def test_interest_that_is_paid_in_another_coin_is_not_cheaper_below_zero() -> None:
    base = {"effective": START - DAY, "liability_tiers": {"USDT": [["inf", 10, "0.2", "0.05"]]}}
    for rate, owed in (("0.001", "0.95"), ("-0.001", "-1")):
        rules = cross_margin_pro.load({"version": [{**base, "rates": {"USDT": rate}, "bnb_discount": "0.05"}]})
        loan = loan_of("1000", START, rate=Rate("flexible", paid_in="BNB"))
        assert grown(loan, rules, START + HOUR) == D(owed)


def test_a_repayment_of_what_is_owed_counts_what_the_borrower_earned() -> None:
    rules = vip_loan.load({"version": [version(rates={"USDT": "-0.001"})]})
    owed = msgspec.structs.replace(group(line(loans=[]), START, rules), loans=(loan_of("1000", START),))
    with exact():
        part = apply(owed, Repay("USDT", amount=D(99)), START + DAY, rules, {}).loans[0]
        whole = apply(owed, Repay("USDT", amount=D(999)), START + DAY, rules, {}).loans[0]
    assert (part.principal, part.interest) == (900, 0)
    assert not whole.is_owed
