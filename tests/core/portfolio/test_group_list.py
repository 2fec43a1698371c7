"""The plain lists: ordered by what matters, paged so that moving values lose no row, exact in every figure."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import Prices
from monitor.core.portfolio.group_list import SORTS, BadCursor, GroupQuery, PlainGroupLists
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.core.valuation.shown_figures import ltv_of
from tests.core.group_list import PRICES, asked, unknown, walked, watched

D = Decimal
SORT_ORDERS = [*SORTS, *(f"-{s}" for s in SORTS)]


def lists_of(*groups: GroupRecord) -> PlainGroupLists:
    return PlainGroupLists(lambda: list(groups))


WORST_FIRST = [
    watched("liq-high", "96", "100", LIQUIDATION),
    watched("liq-low", "50", "100", LIQUIDATION),
    watched("delayed", "92", "100", DELAYED, due_s=60),
    watched("call", "80", "100", MARGIN_CALL),
    watched("nothing-counted", "1", "5", coin="JUNK"),
    unknown("unknown"),
    watched("a-tie", "70", "100"),
    watched("b-tie", "7", "10"),
    watched("no-debt", "0", "100"),
]


def test_the_worst_come_first() -> None:
    """By stage, then what cannot be valued, then LTV from high to low, then id; reversed it is the very reverse."""
    group_lists = lists_of(*random.Random(7).sample(WORST_FIRST, len(WORST_FIRST)))
    expected = [w.group.id for w in WORST_FIRST]
    assert asked(group_lists) == expected
    assert asked(group_lists, sort="-ltv") == expected[::-1]


def test_debts_are_summed_by_stage_in_whole_dollars() -> None:
    """Rounded down; what cannot be valued counts nothing."""
    group_lists = lists_of(
        watched("a", "5.75", "100"), watched("b", "1.75", "100"), watched("c", "96", "100", LIQUIDATION), unknown("d")
    )
    debts = {NORMAL: D(7), MARGIN_CALL: D(0), DELAYED: D(0), LIQUIDATION: D(96)}
    assert group_lists.debts((), PRICES) == debts


def test_other_orders_rise_and_rows_without_a_value_come_last() -> None:
    group_lists = lists_of(
        watched("a", "5", "100", due_s=30),
        watched("b", "1000000000000000000000000000000.5", "1", due_s=10),
        watched("c", "1000000000000000000000000000000.25", "1"),
        unknown("d"),
    )
    assert asked(group_lists, sort="id") == ["a", "b", "c", "d"]
    assert asked(group_lists, sort="-id") == ["d", "c", "b", "a"]
    assert asked(group_lists, sort="debt_usd") == ["a", "c", "b", "d"]
    assert asked(group_lists, sort="-debt_usd") == ["b", "c", "a", "d"]
    assert asked(group_lists, sort="deadline") == ["b", "a", "c", "d"]
    assert asked(group_lists, sort="-deadline") == ["a", "b", "d", "c"]


stages = st.sampled_from([NORMAL, MARGIN_CALL, DELAYED, LIQUIDATION])
groups = st.lists(
    st.builds(
        lambda debt, counted, stage, due_s, coin, owed: (debt, counted, stage, due_s, coin, owed),
        st.decimals("0", "1e18", places=8, allow_nan=False),
        st.sampled_from(["0", "1", "3.3", "1e15"]),
        stages,
        st.none() | st.integers(-5, 5),
        st.sampled_from(["COIN", "COIN", "JUNK"]),
        st.sampled_from(["OWED", "OWED", "LOST"]),
    ),
    max_size=30,
).map(
    lambda rows: [watched(f"G-{i}", str(d), c, s, t, coin=coin, owed=o) for i, (d, c, s, t, coin, o) in enumerate(rows)]
)


@given(groups, st.sampled_from(SORT_ORDERS), st.integers(1, 7))
def test_pages_are_the_list_cut_in_pieces(rows: list[GroupRecord], sort: str, limit: int) -> None:
    """Each row once, in order, whatever the order and the size of a page."""
    group_lists = lists_of(*rows)
    assert walked(group_lists, GroupQuery(sort=sort, limit=limit)) == asked(group_lists, sort=sort, limit=1000)
    assert sorted(asked(group_lists, sort=sort, limit=1000)) == sorted(w.group.id for w in rows)


@given(groups, st.sampled_from(SORT_ORDERS), st.integers(1, 5), st.randoms(use_true_random=False))
def test_rows_that_stand_still_are_seen_once_while_others_move(
    rows: list[GroupRecord], sort: str, limit: int, rng: random.Random
) -> None:
    """Half of the rows move, come and go between any two pages; none of the other half is hidden or repeated."""
    book = {w.group.id: w for w in rows}
    group_lists = PlainGroupLists(lambda: list(book.values()))
    moving = [w.group.id for w in rows[1::2]]

    def move() -> None:
        for id_ in moving:
            book.pop(id_, None)
            if rng.random() < 0.8:
                stage = rng.choice([NORMAL, LIQUIDATION])
                book[id_] = watched(id_, str(rng.randrange(1, 200)), "100", stage, rng.randrange(9))

    found = [i for i in walked(group_lists, GroupQuery(sort=sort, limit=limit), between=move) if i not in moving]
    assert found == [i for i in asked(group_lists, sort=sort, limit=1000) if i not in moving]


def test_a_cursor_of_another_order_is_refused() -> None:
    group_lists = lists_of(*WORST_FIRST)
    cursor = group_lists.page(GroupQuery(limit=1), (), PRICES).next
    for sort in ("-ltv", "id", "debt_usd", "deadline"):
        with pytest.raises(BadCursor):
            group_lists.page(GroupQuery(sort=sort, after=cursor), (), PRICES)


def test_figures_are_on_the_prices_that_are_given_whatever_core_weighed_last() -> None:
    group_lists = lists_of(watched("a", "70", "100"))
    twice = Prices({"COIN": D(2), "OWED": D(1)}, frozenset({"COIN"}))
    sight = group_lists.sight("a", twice)
    assert sight is not None
    assert sight.weight is not None
    assert (ltv_of(sight.held, sight.weight), sight.weight.recognised, sight.blind) == (D("0.35"), D(200), True)
    assert group_lists.page(GroupQuery(), (), twice).rows == [sight]
    assert group_lists.sight("b", twice) is None


def test_a_group_with_a_missing_price_is_unknown_and_blind() -> None:
    sight = lists_of(unknown("a")).sight("a", PRICES)
    assert sight is not None
    assert (sight.weight, sight.blind) == (None, True)


def test_counts_are_of_what_the_scope_sees() -> None:
    group_lists = lists_of(*WORST_FIRST)
    untrusted = PRICES._replace(untrusted=frozenset({"COIN"}))
    counts = group_lists.counts((), untrusted)
    assert counts.stages == {LIQUIDATION: 2, DELAYED: 1, MARGIN_CALL: 1, NORMAL: 5}
    assert (counts.total, counts.unknown, counts.blind) == (9, 1, 8), "all but the one that holds junk alone"
    assert group_lists.counts((("borrower", "ACME"),), PRICES).total == 9
    assert group_lists.counts((("borrower", "BETA"),), PRICES).total == 0


def test_only_what_decides_is_needed() -> None:
    """A coin that no ladder lists, and one that is not owed any more, decide about nobody."""
    group_lists = lists_of(
        watched("a", "0", "5"),
        watched("b", "5", "5", coin="JUNK", labels={"borrower": "BETA"}),
        unknown("c", labels={"borrower": "BETA", "desk": "EU"}),
    )
    assert group_lists.needed(()) == {"COIN", "OWED", "LOST"}
    assert group_lists.needed((("borrower", "ACME"),)) == {"COIN"}
    assert group_lists.needed((("borrower", "BETA"), ("desk", "EU"))) == {"COIN", "LOST"}
    assert group_lists.needed((("borrower", "none"),)) == set()
