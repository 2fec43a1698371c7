"""The read model: cheap to publish, ordered by what matters, and paged so that moving values lose no row."""

from __future__ import annotations

import random
from datetime import timedelta
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.lifecycle import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.core.outcome import Publication, Sight
from monitor.core.valuation import Weight
from monitor.web.view import SORTS, BadCursor, GroupQuery, Row, View
from tests.looks import START, line, look_of

D = Decimal
BASE = look_of(line()).sight
SORT_ORDERS = [*SORTS, *(f"-{s}" for s in SORTS)]


def sight(id_: str, weight: Weight | None, stage: str = NORMAL, due_s: int | None = None) -> Sight:
    """A sight with just what the orders look at."""
    deadline = None if due_s is None else START + timedelta(seconds=due_s)
    state = BASE.state.__class__(id_, stage=stage, deadline=deadline)
    group = BASE.group.__class__(**{**{f: getattr(BASE.group, f) for f in BASE.group.__struct_fields__}, "id": id_})
    return BASE._replace(group=group, state=state, weight=weight)


def publication(*sights: Sight) -> Publication:
    return Publication(START, {s.group.id: s for s in sights}, {}, {}, frozenset())


def view_of(*sights: Sight) -> View:
    view = View()
    view.publish(publication(*sights))
    return view


def ids(view: View, **query: object) -> list[str]:
    return [r.sight.group.id for r in view.groups(GroupQuery(**query)).rows]  # type: ignore[arg-type]


def pages(view: View, sort: str, limit: int, between: object = None) -> list[str]:
    """All pages; `between` is called after each."""
    found: list[str] = []
    after: str | None = None
    for _ in range(200):
        page = view.groups(GroupQuery(sort=sort, limit=limit, after=after))
        found += [r.sight.group.id for r in page.rows]
        if page.next is None:
            return found
        after = page.next
        if callable(between):
            between()
    raise AssertionError("the pages do not end")


def w(debt: str, counted: str) -> Weight:
    return Weight(D(debt), D(counted))


WORST_FIRST = [
    sight("liq-high", w("96", "100"), LIQUIDATION),
    sight("liq-low", w("50", "100"), LIQUIDATION),
    sight("delayed", w("92", "100"), DELAYED, due_s=60),
    sight("call", w("80", "100"), MARGIN_CALL),
    sight("nothing-counted", w("1", "0")),
    sight("unknown", None),
    sight("a-tie", w("70", "100")),
    sight("b-tie", w("7", "10")),
    sight("no-debt", w("0", "100")),
]


def test_the_worst_come_first() -> None:
    """By stage, then what cannot be valued, then LTV from high to low, then id; reversed it is the very reverse."""
    shuffled = random.Random(7).sample(WORST_FIRST, len(WORST_FIRST))
    expected = [s.group.id for s in WORST_FIRST]
    assert ids(view_of(*shuffled)) == expected
    assert ids(view_of(*shuffled), sort="-ltv") == expected[::-1]


def test_other_orders_rise_and_rows_without_a_value_come_last() -> None:
    view = view_of(
        sight("a", w("5", "100"), due_s=30), sight("b", w("1000000000000000000000000000000.5", "1"), due_s=10),
        sight("c", w("1000000000000000000000000000000.25", "1")), sight("d", None),
    )  # fmt: skip
    assert ids(view, sort="id") == ["a", "b", "c", "d"]
    assert ids(view, sort="-id") == ["d", "c", "b", "a"]
    assert ids(view, sort="debt_usd") == ["a", "c", "b", "d"]
    assert ids(view, sort="-debt_usd") == ["b", "c", "a", "d"]
    assert ids(view, sort="deadline") == ["b", "a", "c", "d"]
    assert ids(view, sort="-deadline")[:2] == ["a", "b"]
    assert set(ids(view, sort="-deadline")[2:]) == {"c", "d"}


weights = st.one_of(
    st.none(),
    st.builds(
        Weight,
        st.decimals("0", "1e30", places=20, allow_nan=False),
        st.sampled_from([D(0), D(1), D("3.3"), D("1e25")]),
    ),
)
sights = st.lists(
    st.tuples(weights, st.sampled_from([NORMAL, MARGIN_CALL, DELAYED, LIQUIDATION]), st.none() | st.integers(-5, 5)),
    max_size=30,
).map(lambda rows: [sight(f"G-{i}", *row) for i, row in enumerate(rows)])


@given(sights, st.sampled_from(SORT_ORDERS), st.integers(1, 7))
@settings(deadline=None)
def test_pages_are_the_list_cut_in_pieces(rows: list[Sight], sort: str, limit: int) -> None:
    """Each row once, in order, whatever the order and the size of a page."""
    view = view_of(*rows)
    assert pages(view, sort, limit) == ids(view, sort=sort, limit=1000)


@given(sights, st.sampled_from(SORT_ORDERS), st.integers(1, 5), st.randoms(use_true_random=False))
@settings(deadline=None)
def test_rows_that_stand_still_are_seen_once_while_others_move(
    rows: list[Sight], sort: str, limit: int, rng: random.Random
) -> None:
    """Half of the rows move, come and go between any two pages; none of the other half is hidden or repeated."""
    view = view_of(*rows)
    moving = [s.group.id for s in rows[1::2]]

    def move() -> None:
        for id_ in moving:
            gone = rng.random() < 0.2
            moved = sight(
                id_, w(str(rng.randrange(1, 200)), "100"), rng.choice([NORMAL, LIQUIDATION]), rng.randrange(9)
            )
            view.publish(Publication(START, {id_: None if gone else moved}, {}, {}, frozenset()))

    found = [i for i in pages(view, sort, limit, move) if i not in moving]
    expected = [i for i in ids(view, sort=sort, limit=1000) if i not in moving]
    assert found == expected


def test_a_cursor_of_another_order_is_refused() -> None:
    view = view_of(*WORST_FIRST)
    cursor = view.groups(GroupQuery(limit=1)).next
    for sort in ("-ltv", "id", "debt_usd", "deadline"):
        with pytest.raises(BadCursor):
            view.groups(GroupQuery(sort=sort, after=cursor))


def test_a_closed_group_is_gone_and_a_row_is_made_once() -> None:
    view = view_of(*WORST_FIRST)
    assert view.row("call") is view.row("call")
    view.publish(Publication(START, {"call": None, "never": None}, {}, {}, frozenset()))
    assert view.row("call") is None
    assert "call" not in ids(view)


def test_counts_are_of_what_the_scope_sees() -> None:
    view = view_of(*WORST_FIRST)
    counts = view.counts()
    assert counts.stages == {LIQUIDATION: 2, DELAYED: 1, MARGIN_CALL: 1, NORMAL: 5}
    assert (counts.total, counts.unknown) == (9, 1)
    assert view.counts((("borrower", "ACME"),)).total == 9
    assert view.counts((("borrower", "BETA"),)).total == 0


def test_publishing_makes_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    """It happens on the event loop between two ticks, for all groups at once: rows are made when somebody looks."""

    def made(_row: Row) -> bytes:
        raise AssertionError("a row was made while publishing")

    monkeypatch.setattr(Row, "json", property(made))
    monkeypatch.setattr(Row, "ltv", property(made))
    view = View()
    view.publish(publication(*(sight(f"G-{i}", w("70", "100")) for i in range(100))))
    with pytest.raises(AssertionError):
        _ = view.groups(GroupQuery(limit=1)).rows[0].json
