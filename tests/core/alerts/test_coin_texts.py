"""The texts of each coin by the short way, against `valuation/remedies.py`: on ties of rounding, on edges, at huge scales."""

from collections import Counter
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal
from random import Random
from typing import NamedTuple

import msgspec
import pytest

from monitor.core.alerts import coin_texts
from monitor.core.alerts.alert import Debt, Figures, Input
from monitor.core.alerts.coin_texts import CoinSheet, CoinTexts
from monitor.core.alerts.rows_shown import input_shown
from monitor.core.money import ZERO, exact, plain
from monitor.core.prices.decisions import Pinned
from monitor.core.rules.ladders import ByAmount
from monitor.core.rules.product import Ladder, LiabilityTiers, Units, Version
from monitor.core.rules.thresholds import Metric, Thresholds
from monitor.core.valuation.ladder import counts
from monitor.core.valuation.remedies import cure_shown, liquidation_prices, valued
from monitor.core.valuation.valuation import Position, Weight

D = Decimal
AT = datetime(2026, 1, 5, tzinfo=UTC)
BY_LTV = Thresholds(D("0.72"), D("0.77"), D("0.91"), D("0.95"))
BY_LEVEL = Thresholds(D(2), D("1.5"), D("1.25"), None, Metric("margin_level", falls=True))
WHOLE = ((None, D(1)),)
ROUND = [D(0), D(1), D("1E+3"), D("100.00000000"), D("3071.49300000"), D("0.1"), D("2E-8"), D("1E-24"), D("5E+22")]
EDGES = [D(1), D(100), D(1000), D("12345.67"), D(10**6)]
OWED_AT = D("1.5")


class Case(NamedTuple):
    """An alert's figures, and the rules that they were judged by."""

    figures: Figures
    version: Version

    @property
    def weight(self) -> Weight:
        assert self.figures.debt_usd is not None
        assert self.figures.recognised_usd is not None
        return Weight(self.figures.debt_usd, self.figures.recognised_usd)

    @property
    def owed(self) -> dict[str, Decimal]:
        owed: dict[str, Decimal] = {}
        with exact():
            for loan in self.figures.debts:
                owed[loan.asset] = owed.get(loan.asset, ZERO) + loan.principal + loan.interest
        return owed


def number(random: Random) -> Decimal:
    """A round one, or one of 1 to 15 digits at any scale that a book may have."""
    if random.random() < 0.3:
        return random.choice(ROUND)
    digits = random.randint(1, 15)
    return D(random.randint(1, 10**digits)).scaleb(random.choice([-24, -12, -8, -8, -8, -2, 0, 8]))


def ladder(random: Random) -> Ladder:
    """With edges that round amounts meet, tiers that count nothing, an end or none, and tiers by amount."""
    bounds: list[Decimal | None] = [*sorted(random.sample(EDGES, random.randint(0, 3)))]
    shares = sorted((random.choice([D(0), D("0.5"), D("0.975"), D(1)]) for _ in range(4)), reverse=True)
    tiers = [*bounds, None] if random.random() < 0.6 or not bounds else bounds
    found = tuple(zip(tiers, shares, strict=False))
    return ByAmount(found) if random.random() < 0.1 else found


def row(random: Random, asset: str, tiers: Ladder) -> Input:
    """Its value is at an edge of the ladder now and then; now and then it is of other rules than ours, or has no price."""
    if random.random() < 0.1:
        return Input(asset, number(random), None, None, None, None, None, "missing", None, None)
    price = number(random) or D(1)
    quantity = number(random)
    bound = tiers[0][0]
    if bound is not None and random.random() < 0.5:
        price, quantity = random.choice([(D(1), bound), (bound, D(1)), (D("0.5"), bound * 2), (D("0.5"), bound)])
    value, recognised = quantity * price, counts(tiers, quantity, price)
    if random.random() < 0.1:
        recognised = number(random)
    at = random.choice([AT, None])
    return Input(asset, quantity, price, 'US"D', price, "tape", at, "good", value, recognised)


def debt(random: Random, version: Version, counted: Decimal, inputs: Iterable[Input]) -> Decimal:
    """Some share of what counts, or such that a coin has to be recognised for exactly a whole tier."""
    lines = version.thresholds
    if random.random() < 0.2:
        return number(random)
    wanted = counted * random.choice([D("0.5"), D("0.9"), D(1), D("1.1")])
    for each in inputs:
        bound, share = version.ladders[each.asset][0]
        if bound is not None and each.recognised_usd is not None and random.random() < 0.5:
            wanted = counted - each.recognised_usd + bound * share
            break
    line = random.choice([lines.initial, lines.liquidation])
    return max(ZERO, wanted * (line if not lines.falls else D("0.5") if line == lines.initial else D("0.8")))


def case(random: Random) -> Case:
    """Three coins at most, each pledged, owed, both or neither."""
    coins = {asset: ladder(random) for asset in "XYZ"}
    is_liability = random.random() < 0.2
    version = Version(
        AT,
        random.choice([BY_LTV, BY_LTV, BY_LEVEL]),
        coins,
        units=random.choice([None, Units({"X": 0, "Y": 3, "Z": 18})]),
        liability_tiers={"X": LiabilityTiers(WHOLE, WHOLE, (D(5),))} if is_liability else None,
    )
    with exact():
        inputs = tuple(row(random, asset, tiers) for asset, tiers in coins.items() if random.random() < 0.8)
        counted = sum((each.recognised_usd or ZERO for each in inputs), ZERO) - random.choice([ZERO, number(random)])
        loans = tuple(
            Debt(f"L{n}", random.choice("X" if is_liability else "XYW"), number(random), number(random), OWED_AT, None)
            for n in range(random.randint(0, 2))
        )
        figures = Figures(
            None, debt(random, version, counted, inputs), counted, None, version.thresholds, inputs, loans, "p@1"
        )
    return Case(figures, version)


def texts(sheet: CoinSheet, figures: Figures, weight: Weight) -> CoinTexts:
    with exact():
        return sheet.texts(figures, weight)


def agree(of: Case) -> Counter[str]:
    """The short way ends where the long one does; what has been met."""
    figures, lines = of.figures, of.figures.thresholds
    found = texts(CoinSheet(of.version, lines), figures, of.weight)
    held = [Position(i.asset, i.quantity, i.price, i.value_usd, i.recognised_usd) for i in figures.inputs]
    group = valued(of.weight, held, lines, of.version)
    prices = liquidation_prices(group, lines.liquidation, of.owed, dict.fromkeys(of.owed, OWED_AT))
    way = cure_shown(group, lines)
    assert found.by_asset == way.by_asset
    assert (plain(found.repay_usd), plain(found.add_recognised_usd)) == (way.repay_usd, way.add_recognised_usd)
    assert list(found.prices.items()) == [(a, None if p is None else plain(p)) for a, p in prices.items()]
    assert found.rows == [msgspec.json.encode(input_shown(each)).decode() for each in figures.inputs]
    return Counter(
        asked=bool(found.repay_usd),
        none_can=None in found.by_asset.values(),
        priced=any(found.prices.values()),
        by_whole_numbers=any("." in (text or "") for text in found.by_asset.values()),
    )


@pytest.mark.parametrize("seed", [1, 2, pytest.param(3, marks=pytest.mark.soak)])
def test_the_short_way_ends_where_the_long_one_does(seed: int) -> None:
    random, met = Random(seed), Counter[str]()
    count = 2_000 if seed < 3 else 20_000
    for _ in range(count):
        met += agree(case(random))
    assert min(met.values()) > count / 20
    assert len(met) == 4


def test_what_is_kept_of_one_alert_is_right_for_the_next() -> None:
    """The same coins at other prices, in turns."""
    random = Random(4)
    for _ in range(200):
        one, other = case(random), case(random)
        if one.version.liability_tiers is not None or other.version.liability_tiers is not None:
            continue
        sheet = CoinSheet(one.version, one.figures.thresholds)
        for each in (one, other, one, other):
            alone = texts(CoinSheet(one.version, one.figures.thresholds), each.figures, each.weight)
            assert texts(sheet, each.figures, each.weight) == alone


def test_coins_at_many_prices_are_not_all_kept() -> None:
    sheet = CoinSheet(Version(AT, BY_LTV, {"X": WHOLE}), BY_LTV)
    for n in range(1, coin_texts.MOST_COINS + 100):
        each = Input("X", D(1), D(n), "USD", D(n), "tape", AT, "good", D(n), D(n))
        texts(sheet, Figures(None, D(1), D(n), None, BY_LTV, (each,), (), "p@1"), Weight(D(1), D(n)))
    assert 0 < sheet.kept <= coin_texts.MOST_COINS


@pytest.mark.parametrize(
    "changed",
    [
        {"price": D(3)},
        {"source": "other"},
        {"price_at": None},
        {"quote_price": D(2)},
        {"quote": "USDT"},
        {"trust": "suspect"},
        {"pinned": Pinned("desk", AT, "the venue is closed")},
    ],
)
def test_each_part_of_a_price_is_that_of_the_alert(changed: dict[str, object]) -> None:
    """The next alert says another price by the same quote, or the same price by another one."""
    sheet, price = CoinSheet(Version(AT, BY_LTV, {"X": WHOLE}), BY_LTV), D(1)
    first = Input("X", D(1), price, "USD", D(1), "tape", AT, "good", D(1), D(1))
    for each in (first, msgspec.structs.replace(first, **changed), first):
        figures = Figures(None, D(1), D(1), None, BY_LTV, (each,), (), "p@1")
        assert texts(sheet, figures, Weight(D(1), D(1))).rows == [msgspec.json.encode(input_shown(each)).decode()]
