"""Money moves in the lender's units: what is dust, what goes back, and who may pay it out (domain section 9.1)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from monitor.core.events.entries import Entry, Payment, Repay, apply, payment
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product, Units
from monitor.core.schema import read
from tests.coin_desk import clock, line, loan, version
from tests.core.desk import group, product

RATED = product(version(rates={"COIN": "0.01"}))


@dataclass(frozen=True)
class Lender:
    units: Units | None

    @property
    def product(self) -> Product:
        versions = tuple(msgspec.structs.replace(v, units=self.units) for v in RATED.versions)
        return msgspec.structs.replace(RATED, versions=versions)

    def paid(self, stated: dict[str, Any], usd: dict[str, str] | None = None, **entry: str) -> Payment:
        repay = read(Repay, {"asset": "COIN", **entry})
        prices = {coin: Decimal(price) for coin, price in (usd or {}).items()}
        return payment(group(stated, of=self.product), repay, clock("00:00"), self.product, prices)


OURS, OLD = Lender(Units()), Lender(None)
OWES = line(loans=[loan(id="A", principal="100", interest="0.0000000123")])
BOTH = line(
    loans=[loan(id="A", principal="100", interest="0.000000004"), loan(id="B", principal="50", interest="0.000000003")]
)


@pytest.mark.parametrize("amount", ["100.00000001", "100.00000002", "100.0000000123", "100.000000022"])
def test_up_to_one_unit_around_what_is_owed_closes_the_loan_and_nothing_goes_back(amount: str) -> None:
    made = OURS.paid(OWES, amount=amount)
    assert [(x.principal, x.interest) for x in made.loans] == [(0, 0)]
    assert made.returned == 0


def test_what_is_left_is_named_by_loan() -> None:
    assert OURS.paid(OWES, amount="100.00000001").written_off == {"A": Decimal("0.0000000023")}
    assert OURS.paid(OWES, amount="100.0000000123").written_off == {}


def test_more_than_a_unit_that_is_worth_more_than_the_dust_is_owed() -> None:
    made = OURS.paid(OWES, amount="99.99", usd={"COIN": "1"})
    assert made.written_off == {}
    assert made.loans[0].principal == Decimal("0.0100000123")
    assert OURS.paid(OWES, amount="99.991", usd={"COIN": "1"}).written_off == {"A": Decimal("0.0090000123")}


def test_without_a_price_only_the_unit_makes_dust() -> None:
    assert OURS.paid(OWES, amount="99.999").written_off == {}


def test_one_sum_for_two_loans_is_too_much_by_a_unit_at_most() -> None:
    assert OURS.paid(BOTH, amount="150.00000001").returned == 0
    made = OURS.paid(BOTH, amount="150.00000003")
    assert (made.returned, [x.is_owed for x in made.loans]) == (Decimal("0.00000002"), [False, False])


@pytest.mark.parametrize(
    ("rounding", "returned"), [("half_even", "1.99999999"), ("up", "1.99999998"), ("down", "1.99999999")]
)
def test_what_goes_back_is_what_the_page_did_not_ask_for(rounding: str, returned: str) -> None:
    made = Lender(Units(rounding=rounding)).paid(OWES, amount="102")  # type: ignore[arg-type]
    assert made.returned == Decimal(returned)


def test_the_places_of_a_coin_are_its_own() -> None:
    assert Lender(Units({"COIN": 2})).paid(OWES, amount="100.01").returned == 0
    assert Lender(Units({"COIN": 2})).paid(OWES, amount="99.99").written_off == {}
    assert Lender(Units({"COIN": 2})).paid(OWES, amount="99.991").written_off == {"A": Decimal("0.0090000123")}


def test_a_payment_for_nothing_goes_back_whole() -> None:
    settled = line(loans=[loan(id="A", principal="0")])
    made = OURS.paid(settled, amount="7")
    assert (made.owed, made.returned) == (0, 7)
    assert OURS.paid(line(loans=[]), amount="7").returned == 7


def test_a_part_of_nothing_and_a_loan_that_never_was_are_refused() -> None:
    with pytest.raises(Refused, match=r"0 COIN is owed"):
        OURS.paid(line(loans=[]), percent="50")
    with pytest.raises(Refused, match=r"loan L-9 is not in the group"):
        OURS.paid(OWES, amount="1", loan="L-9")


def test_rules_of_an_older_log_refuse_a_digit_too_much_and_forget_nothing() -> None:
    with pytest.raises(Refused, match=r"100.0000000123 COIN is owed"):
        OLD.paid(OWES, amount="100.00000002")
    assert OLD.paid(OWES, amount="100.00000001").loans[0].is_owed


def test_the_balance_that_pays_gets_back_what_is_too_much() -> None:
    stated = OWES | {"balances": {"spot": {"COIN": "150"}, "other": {"COIN": "1"}}}
    entry = read(Entry, {"type": "repay", "asset": "COIN", "amount": "120", "account": "spot"})
    after = apply(group(stated, of=OURS.product), entry, clock("00:00"), OURS.product, {})
    assert after.balances == {"spot": {"COIN": Decimal("49.99999999")}, "other": {"COIN": 1}}
    short = read(Entry, {"type": "repay", "asset": "COIN", "amount": "5", "account": "other"})
    with pytest.raises(Refused, match=r"the Spot balance of other is 1 COIN, 5 cannot be paid out of it"):
        apply(group(stated, of=OURS.product), short, clock("00:00"), OURS.product, {})
