"""Whatever a missing coin turns out to be worth, a group stands between its bounds: with Fractions, from the rule alone."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.money import exact
from monitor.core.rules.product import Ladder, LiabilityTiers, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.valuation.bounds import bounds, most
from monitor.core.valuation.valuation import Holding, Weight, weigh

D = Decimal
LINES = Thresholds(D("0.72"), D("0.77"), D("0.91"), D("0.95"))
VERSION = Version(datetime(2026, 1, 1, tzinfo=UTC), LINES, {})
OPEN: Ladder = ((D(1000), D("0.9")), (None, D("0.5")))
ENDS: Ladder = ((D(1000), D("0.9")), (D(5000), D("0.6")))
NOTHING_ABOVE: Ladder = ((D(2000), D("0.8")), (None, D(0)))
WHOLE: Ladder = ((None, D(1)),)
TIERS = LiabilityTiers(((D(1000), D("0.05")), (None, D("0.1"))), ((None, D("0.2")),), (D(5),))
COINS = ("A", "B", "C", "D")

amounts = st.decimals("0.0001", "10000", places=4)
prices = st.one_of(st.sampled_from([D("1e-9"), D("1e12")]), st.decimals("0.001", "1000", places=3))


def held_of(
    collateral: dict[str, tuple[Decimal, Ladder]], debts: dict[str, Decimal], *, has_tiers: bool = False
) -> Holding:
    rows = tuple((asset, q, ladder) for asset, (q, ladder) in sorted(collateral.items()))
    tiers = dict.fromkeys(COINS, TIERS) if has_tiers else None
    assets = frozenset({*collateral, *debts})
    return Holding(VERSION.effective.date(), VERSION, LINES, rows, tuple(sorted(debts.items())), assets, tiers)


def ltv(weight: Weight) -> Fraction:
    if not weight.debt:
        return Fraction(0)
    return Fraction(weight.debt) / Fraction(weight.recognised) if weight.recognised > 0 else Fraction(10) ** 60


@given(
    st.dictionaries(st.sampled_from(COINS), st.tuples(amounts, st.sampled_from((OPEN, ENDS, NOTHING_ABOVE, WHOLE)))),
    st.dictionaries(st.sampled_from(COINS), amounts),
    st.dictionaries(st.sampled_from(COINS), prices),
    st.lists(prices, min_size=4, max_size=4),
    st.booleans(),
)
def test_every_price_of_the_missing_coins_lies_between_the_bounds(
    collateral: dict[str, tuple[Decimal, Ladder]],
    debts: dict[str, Decimal],
    known: dict[str, Decimal],
    tried: list[Decimal],
    has_tiers: bool,
) -> None:
    held = held_of(collateral, debts, has_tiers=has_tiers)
    usd = dict(zip(COINS, tried, strict=True)) | known
    with exact():
        found, then = bounds(held, known), ltv(weigh(held, usd))
    assert found.missing == tuple(sorted(held.assets - known.keys()))
    assert found.best is None or ltv(found.best) <= then
    assert found.worst is None or not found.missing or ltv(found.worst) >= then


@given(st.dictionaries(st.sampled_from("AB"), amounts, min_size=1), amounts, st.sampled_from((ENDS, NOTHING_ABOVE)))
def test_the_best_is_reached_by_a_price_that_fills_the_ladders(
    owed: dict[str, Decimal], quantity: Decimal, ladder: Ladder
) -> None:
    """What is held alone: worth very much. What is owed alone: worth next to nothing."""
    held = held_of({"C": (quantity, ladder), "D": (D(7), WHOLE)}, owed | {"D": D(1)})
    with exact():
        found = bounds(held, {"D": D(3)})
        assert found.best == weigh(held, {"A": D(0), "B": D(0), "C": D("1e14"), "D": D(3)})
        assert found.worst is None


@pytest.mark.parametrize(
    ("ladder", "room"),
    [(OPEN, None), (ENDS, D(3300)), (NOTHING_ABOVE, D(1600)), (WHOLE, None), (((None, D(0)),), D(0))],
)
def test_how_much_a_ladder_has_room_for(ladder: Ladder, room: Decimal | None) -> None:
    assert most(ladder) == room


def test_a_coin_that_is_held_and_owed_moves_both_sums() -> None:
    """2 of 100 that are owed are held: whatever the coin is worth, the group is no better than without it."""
    held = held_of({"A": (D(1), WHOLE), "B": (D(2), WHOLE)}, {"A": D("0.9"), "B": D(100)})
    with exact():
        found = bounds(held, {"A": D(100)})
        assert found.best == Weight(D(90), D(100))
        assert bounds(
            held_of({"A": (D(1), WHOLE), "B": (D(100), WHOLE)}, {"A": D(2), "B": D(50)}), {"A": D(1)}
        ).best == Weight(D(50), D(100))


def test_the_handed_case_has_its_worst_at_nothing_and_no_end_at_best() -> None:
    held = held_of({"A": (D(1), WHOLE), "B": (D("0.0001"), WHOLE)}, {"C": D(50_000)})
    with exact():
        found = bounds(held, {"A": D(54_000), "C": D(1)})
    assert (found.missing, found.best, found.worst) == (("B",), None, Weight(D(50_000), D(54_000)))
