"""No missed and no false stage, ever: whole runs are decided by groups in columns as they are without any screen.

A run is a book of several hundred groups and some forty events: ticks of one, ten or all coins, crashes by a million and
back, prices that land on a line, that are silent, doubted, missing, and all that may change a book, its rules or its
process. After each event both sides must say the same, to the last digit, and every group must stand the same.
"""

from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.engine.kinds import ALL, DAILY_AND_HOURLY, OTHER_INTEREST
from tests.engine.market import PAUSES, QUICK, RATED, TRUSTED, WARY, Market

KINDS = {"trusted": (TRUSTED, PAUSES), "wary": (WARY, QUICK), "rated": (RATED, QUICK)}
FOLDS = (0, 7, 64, 512)
LOANS = ("vip_loan", "flat_loan")
STEPS, LISTED_EVERY = 36, 12


def run(
    seed: int,
    groups: int,
    near: int,
    kind: str,
    fold_at: int,
    steps: int = STEPS,
    products: Sequence[str] = LOANS,
    *,
    has_terms: bool = False,
) -> Market:
    """`near` of eight groups are put within 1e-8 of one of their lines, or on it."""
    trust, pauses = KINDS[kind]
    market = Market(seed, groups, near, trust, fold_at, products, has_terms=has_terms)
    for n in range(steps):
        market.step(pauses)
        if n % LISTED_EVERY == LISTED_EVERY - 1:
            market.move(list(market.usd), 0.999, 1.001)
            market.twins.check_lists()
    market.twins.check_groups(market.twins.objects.ids())
    return market


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("near", "fold_at"), [(0, 64), (3, 0), (3, 512)], ids=["random", "adversarial", "fresh"])
def test_a_book_in_columns_decides_as_one_without(near: int, fold_at: int, kind: str) -> None:
    market = run(7, 400, near, kind, fold_at)
    assert market.twins.alerts > 200, "a run in which hardly anything happens shows nothing"
    assert fold_at == 512 or market.twins.light > 25, "hardly a step was decided by column"


@pytest.mark.parametrize(("near", "fold_at"), [(0, 0), (3, 64)], ids=["random", "adversarial"])
@pytest.mark.parametrize("kind", ["trusted", "wary"])
def test_a_book_of_all_products_in_columns_decides_as_one_without(near: int, fold_at: int, kind: str) -> None:
    """Minutes are counted where no step is longer than a quarter of an hour."""
    market = run(11, 300, near, kind, fold_at, steps=24, products=DAILY_AND_HOURLY if kind == "trusted" else ALL)
    assert market.twins.alerts > 100
    assert market.twins.light > 10


@pytest.mark.parametrize("near", [0, 3], ids=["random", "adversarial"])
def test_compounding_and_late_hours_in_columns_are_decided_as_without(near: int) -> None:
    market = run(17, 90, near, "trusted", 16, steps=12, products=OTHER_INTEREST, has_terms=near == 3)
    assert market.twins.alerts > 30


def test_agreements_with_terms_by_label_and_line_are_decided_as_without_columns() -> None:
    """Rules change in the run, and with them what labels state."""
    market = run(13, 300, 3, "wary", 64, steps=24, products=ALL, has_terms=True)
    assert market.twins.alerts > 100
    names = market.twins.book.names
    assert len(names.own_terms) > 10
    assert len(names.others) > 20


@pytest.mark.soak
def test_a_larger_book_decides_alike() -> None:
    run(5, 1500, 3, "trusted", 64, steps=20)


seeds = st.integers(0, 2**32 - 1)
SLOW = [HealthCheck.too_slow]


@pytest.mark.soak
@settings(max_examples=5, suppress_health_check=SLOW)
@given(seeds, st.integers(300, 400), st.sampled_from((0, 3)), st.sampled_from(list(KINDS)), st.sampled_from(FOLDS))
def test_any_book_and_market_is_decided_alike(seed: int, groups: int, near: int, kind: str, fold_at: int) -> None:
    products = LOANS if seed % 2 else DAILY_AND_HOURLY if kind == "trusted" else ALL
    run(seed, groups, near, kind, fold_at, products=products, has_terms=seed % 3 == 0)


# A price alert about more than 1,000 groups gives sums of the screen, so the larger books are those of trusted prices.
@pytest.mark.soak
@pytest.mark.timeout(3600)
@settings(max_examples=100, suppress_health_check=SLOW)
@given(seeds, st.integers(300, 700), st.sampled_from((0, 3)), st.sampled_from(list(KINDS)), st.sampled_from(FOLDS))
def test_many_books_and_markets_are_decided_alike(seed: int, groups: int, near: int, kind: str, fold_at: int) -> None:
    products = LOANS if seed % 2 else DAILY_AND_HOURLY if kind == "trusted" else ALL
    run(
        seed,
        groups if kind != "trusted" else 2 * groups,
        near,
        kind,
        fold_at,
        2 * STEPS,
        products,
        has_terms=seed % 3 == 0,
    )
