"""The longest numbers that the interfaces accept, all at once: exact arithmetic holds them, and nothing is lost (decision 8)."""

from datetime import timedelta
from decimal import Decimal
from fractions import Fraction

import pytest

from monitor.core.events.events import MarkPrices
from monitor.core.money import exact
from monitor.core.prices.quote import Quote, price
from monitor.core.rules.settings import Trust
from monitor.core.valuation.remedies import PermitLines, permitted, valued
from monitor.core.valuation.valuation import positions
from tests.coin_desk import START, clock, line, loan, version
from tests.core.desk import Desk, both_books, product
from tests.effort import examples, more_in_a_soak

pytestmark = both_books

D = Decimal
QUANTITY = "123456789012345678901234.123456789012345678901234"  # below 1e24, 24 places
SHARE = ("0.987654321987654321", "0.876543219876543219", "0.765432198765432198")
BOUNDS = ("1234567.123456789012345678901234", "987654321012345678901234567890.123456789012345678901234")
RATE = "0.000123456789012345"
LINES = {
    "initial": "0.712345678901234567", "margin_call": "0.771234567890123456", "liquidation": "0.911234567890123456",
    "immediate": "0.951234567890123456",
}  # fmt: skip
PRICES = [
    # from 1e-18 to 1e15, 40 digits
    "1.234567890123456789012345678901234567891e-18",
    "999999999999999.1234567890123456789012345",
    "1.234567890123456789012345678901234567891",
]


@pytest.mark.parametrize("coin", PRICES)
@pytest.mark.parametrize("pledged", PRICES)
def test_the_longest_numbers_are_valued_told_and_cured_without_losing_a_digit(pledged: str, coin: str) -> None:
    ladder = [[BOUNDS[0], SHARE[0]], [BOUNDS[1], SHARE[1]], ["inf", SHARE[2]]]
    rules = product(
        version(
            ladders={"BTC": ladder, "ETH": ladder, "COIN": ladder},
            rates={"COIN": RATE},
            late_interest_factor="3.123456",
        )
    )
    trust = Trust(enabled=False, usdt_usd="0.998765432109876543210987")
    held = {"BTC": QUANTITY, "ETH": QUANTITY, "COIN": QUANTITY}
    owed = [loan(principal=QUANTITY, interest=QUANTITY, matures="50:00"), loan(principal=QUANTITY, id="L-2")]
    desk = Desk(
        line(collateral={"a": held, "b": held}, loans=owed, thresholds=LINES),
        of=rules,
        trust=trust,
        clear_margin=D("0.012345678901234567"),
    )
    quotes = [
        Quote(asset, price(text), "USDT", "x", START)
        for asset, text in (("BTC", pledged), ("ETH", "1e15"), ("COIN", coin))
    ]
    desk.handle(MarkPrices(clock("00:01"), tuple(quotes)))
    desk.enter("10:00", {"type": "repay", "asset": "COIN", "percent": "33.333333333333333333"})
    desk.pass_time("2400:00")
    desk.enter("2400:00", {"type": "repay", "asset": "COIN", "amount": QUANTITY})
    desk.handle(MarkPrices(clock("2500:00"), tuple(q for q in quotes if q.asset != "BTC")))
    for alert in desk.alerts:
        assert desk.told(alert)["data"]["debt_usd"]
    sight = desk.sight()
    assert sight.weight is not None
    usd = desk.monitor.board.usd
    want = sum((Fraction(amount) * Fraction(usd[asset]) for asset, amount in sight.held.debts), Fraction(0))
    assert Fraction(sight.weight.debt) == want
    with exact():
        priced = positions(sight.held, usd)
    lines = PermitLines(sight.held.lines.initial, sight.held.lines.first)
    of = valued(sight.weight, priced, sight.held.lines, sight.held.version)
    assert permitted(of, lines, sight.group.collateral, True)


@more_in_a_soak
def test_a_century_of_interest_is_a_sum_of_its_days() -> None:
    """A quarter of it in the short run."""
    days = examples(9_125, 36_500)
    desk = Desk(line(loans=[loan(principal=QUANTITY)]), of=product(version(rates={"COIN": RATE})))
    desk.price("00:00", "1e-18")
    desk.monitor.handle(MarkPrices(START + timedelta(days=days), ()))
    ((_, amount),) = desk.sight().held.debts
    assert Fraction(amount) == Fraction(QUANTITY) * (1 + days * Fraction(RATE))
