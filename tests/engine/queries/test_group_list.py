"""The lists of columns give the pages of the plain ones, and read a book that moves under it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import Prices, Scope
from monitor.core.portfolio.group_list import SORTS, BadCursor, GroupQuery, PlainGroupLists
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL, STAGES
from monitor.engine.group_list import ColumnarGroupLists
from monitor.engine.index import id_order
from tests.core.group_list import PRICES, D, asked, ids, unknown, walked, watched
from tests.engine.plain_columns import Book

SORT_ORDERS = [*SORTS, *(f"-{s}" for s in SORTS)]
UNTRUSTED = PRICES._replace(untrusted=frozenset({"JUNK", "OWED"}))

id_texts = st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=1, max_size=20) | st.builds(
    lambda n, tail: "G-" + "0" * n + tail, st.integers(0, 30), st.sampled_from(["", "1", "a", "A", "~"])
)


@st.composite
def some_groups(draw: st.DrawFn) -> list[GroupRecord]:
    """Groups whose LTVs, debts and deadlines tie often, and differ clearly where they differ."""
    found = []
    for id_ in draw(st.lists(id_texts, unique=True, max_size=25)):
        stage = draw(st.sampled_from(STAGES))
        found.append(
            watched(
                id_,
                draw(st.sampled_from(["0", "70", "77", "140", "1e15"])),
                draw(st.sampled_from(["0", "100", "200", "300"])),
                stage,
                draw(st.integers(0, 3)) if stage == DELAYED else None,
                labels=draw(
                    st.sampled_from([{}, {"borrower": "ACME"}, {"borrower": "Beta", "desk": "EU"}, {"desk": "É"}])
                ),
                product=draw(st.sampled_from(["vip_loan", "other_loan"])),
                account=draw(st.sampled_from([None, "Treasury"])),
                coin=draw(st.sampled_from(["COIN", "JUNK"])),
                owed=draw(st.sampled_from(["OWED", "OWED", "LOST"])),
            )
        )
    return found


@st.composite
def books(draw: st.DrawFn) -> tuple[Book, list[GroupRecord]]:
    """A book whose groups are spread over blocks and fresh ones; some left their rows, for good or as fresh ones."""
    groups = draw(some_groups())
    parts: list[list[GroupRecord]] = [[], [], [], []]
    for w in groups:
        parts[draw(st.integers(0, 3))].append(w)
    fresh, *blocks = parts
    book, alive = Book(fresh, blocks, PRICES), dict.fromkeys(groups)
    for w in [w for block in blocks for w in block]:
        fate = draw(st.sampled_from(["stays", "stays", "closes", "changes"]))
        if fate != "stays":
            del alive[w]
            book.leave(w)
        if fate == "changes":
            other = watched(w.group.id, "77", "200")
            book.change(w, other)
            alive[other] = None
    return book, list(alive)


queries = st.builds(
    GroupQuery,
    stages=st.sets(st.sampled_from(STAGES), max_size=2).map(frozenset),
    products=st.sets(st.sampled_from(["vip_loan", "none"]), max_size=1).map(frozenset),
    labels=st.sampled_from([(), (), (("desk", "EU"),)]),
    q=st.sampled_from(["", "", "", "g-", "0", "TREAS", "acme", "é", "-in"]),
    sort=st.sampled_from(SORT_ORDERS),
    limit=st.integers(1, 7),
)
scopes = st.sampled_from([(), (), (("borrower", "ACME"),)])


@pytest.fixture(autouse=True, params=[0, 1000], ids=["by rank", "by id"])
def _few(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Both ways in which ties are broken."""
    monkeypatch.setattr(id_order, "FEW", request.param)


def all_pages(group_lists: Any, query: GroupQuery, scope: Scope) -> Iterator[list[Any]]:
    after = None
    for _ in range(100):
        asked = GroupQuery(**{**{f: getattr(query, f) for f in query.__struct_fields__}, "after": after})
        page = group_lists.page(asked, scope, PRICES)
        yield page.rows
        after = page.next
        if after is None:
            return
    raise AssertionError("the pages do not end")


@given(books(), queries, scopes)
@settings(max_examples=150)
def test_every_page_is_the_plain_roster_s(
    made: tuple[Book, list[GroupRecord]], query: GroupQuery, scope: Scope
) -> None:
    """Through all cursors, whatever the filter and the order; the rows are equal in every figure."""
    book, alive = made
    plain = PlainGroupLists(lambda: alive)
    assert list(all_pages(ColumnarGroupLists(book), query, scope)) == list(all_pages(plain, query, scope))


@given(books(), scopes, st.sampled_from([PRICES, UNTRUSTED]))
def test_counts_and_needs_are_the_plain_roster_s(
    made: tuple[Book, list[GroupRecord]], scope: Scope, prices: Prices
) -> None:
    book, alive = made
    if book.columnar is not None:
        book.columnar.sweep(prices)
    group_lists, plain = ColumnarGroupLists(book), PlainGroupLists(lambda: alive)
    assert group_lists.counts(scope, prices) == plain.counts(scope, prices)
    assert group_lists.needed(scope) == plain.needed(scope)
    # Both round down, the columns by block: they may differ by a dollar a part.
    owed = plain.debts(scope, prices)
    assert all(
        abs(usd - owed[stage]) <= 1 + abs(owed[stage]) / 10**12
        for stage, usd in group_lists.debts(scope, prices).items()
    )


@given(books())
def test_each_group_is_found_by_its_id(made: tuple[Book, list[GroupRecord]]) -> None:
    book, alive = made
    group_lists, plain = ColumnarGroupLists(book), PlainGroupLists(lambda: alive)
    for id_ in [w.group.id for w in alive] + ["none", "", "~~~"]:
        assert group_lists.sight(id_, PRICES) == plain.sight(id_, PRICES)


def test_a_book_without_columns_is_listed_exactly() -> None:
    book = Book([watched("a", "70", "100"), watched("b", "77", "100")], [], PRICES)
    assert asked(ColumnarGroupLists(book)) == ["b", "a"]


def test_figures_are_exact_and_on_the_published_prices() -> None:
    """The columns were swept before the last publication; they only put the rows in order."""
    book = Book([], [[watched("a", "70.000000000000000000000001", "100")]], PRICES)
    now = Prices({"COIN": D("1.1"), "OWED": D(1)}, frozenset({"OWED"}))
    (row,) = ColumnarGroupLists(book).page(GroupQuery(), (), now).rows
    assert row.weight is not None
    assert (row.weight.debt, row.weight.recognised, row.blind) == (D("70.000000000000000000000001"), D(110), True)


def test_a_cursor_holds_the_very_float() -> None:
    """Two thirds have no short decimal: rounded up it would hide the row behind it, rounded down repeat the one before."""
    book = Book([], [[watched(f"G-{i}", str(2 * i), str(3 * i)) for i in range(1, 8)]], PRICES)
    assert walked(ColumnarGroupLists(book), GroupQuery(limit=2)) == [f"G-{i}" for i in range(1, 8)]


def test_a_cursor_of_another_order_is_refused() -> None:
    group_lists = ColumnarGroupLists(Book([], [[watched("a"), watched("b")]], PRICES))
    cursor = group_lists.page(GroupQuery(limit=1), (), PRICES).next
    with pytest.raises(BadCursor):
        group_lists.page(GroupQuery(sort="id", after=cursor), (), PRICES)


def test_a_new_block_is_in_the_order_of_ids() -> None:
    """The order of ids is kept from page to page, until the blocks are others."""
    book = Book([], [[watched("a"), watched("c")]], PRICES)
    group_lists = ColumnarGroupLists(book)
    assert asked(group_lists, sort="id") == ["a", "c"]
    book.columnar = Book([], [[watched("a"), watched("c")], [watched("b")]], PRICES).columnar
    assert asked(group_lists, sort="id") == ["a", "b", "c"]


def test_label_sets_that_come_later_are_matched_too() -> None:
    book = Book([], [[watched("a", labels={"desk": "EU"})]], PRICES)
    group_lists, query = ColumnarGroupLists(book), {"labels": (("desk", "EU"),)}
    assert asked(group_lists, **query) == ["a"]
    blocks = [
        [watched("a", labels={"desk": "EU"})],
        [watched("b", labels={"desk": "US"}), watched("c", labels={"desk": "EU", "x": "y"})],
    ]
    book.columnar = Book([], blocks, PRICES).columnar
    assert asked(group_lists, **query) == ["a", "c"]


def test_a_group_that_has_just_left_its_row_is_listed_once() -> None:
    """Core put it among the fresh ones, and its row is still there for a moment."""
    old = watched("a", "70", "100")
    book = Book([], [[old, watched("b", "60", "100")]], PRICES)
    book.fresh.groups["a"] = watched("a", "50", "100")
    assert asked(ColumnarGroupLists(book)) == ["b", "a"]


def test_a_group_that_is_folded_during_the_look_is_listed() -> None:
    """It is in the columns when it is no longer fresh: the look is taken again."""
    book = Book([watched("b")], [[watched("a")]], PRICES)
    folded, fresh = Book([], [[watched("a")], [watched("b")]], PRICES), book.fresh

    class Folding:
        def records(self) -> list[GroupRecord]:
            assert book.columnar is not None
            assert folded.columnar is not None
            book.fresh = fresh
            fresh.groups.clear()
            rows, other = book.columnar, folded.columnar
            rows.names, rows.stage, rows.fast, rows.blocks = other.names, other.stage, other.fast, other.blocks
            return []

        def find(self, group_id: str) -> None:
            return None

    book.fresh = Folding()
    assert asked(ColumnarGroupLists(book), sort="id") == ["a", "b"]


def test_a_row_whose_block_is_dissolved_after_it_was_chosen_is_left_out() -> None:
    book = Book([], [[watched("a")], [watched("b")]], PRICES)
    assert book.columnar is not None
    rows, whole = book.columnar, book.columnar.record_at

    def record_late(row: int) -> GroupRecord:
        rows.blocks[0] = None
        return whole(row)

    rows.record_at = record_late
    assert asked(ColumnarGroupLists(book), sort="id") == ["b"]


def test_a_row_that_is_not_wanted_any_more_is_left_out() -> None:
    """Its stage moved on between the columns and the exact look: a filter never shows what it excludes."""
    w = watched("a", stage=MARGIN_CALL)
    book = Book([], [[w]], PRICES)
    w.state = watched("a", stage=NORMAL).state
    assert asked(ColumnarGroupLists(book), stages=frozenset([MARGIN_CALL])) == []


def test_rows_that_not_all_arrays_have_yet_are_not_there_yet() -> None:
    """Core is putting a block: the screen has not taken it."""
    book = Book([], [[watched("a")], [watched("b")]], PRICES)
    assert book.columnar is not None
    book.columnar.fast.debt = book.columnar.fast.debt[:8192]
    group_lists = ColumnarGroupLists(book)
    assert asked(group_lists, sort="id") == ["a"]
    assert group_lists.counts((), PRICES).total == 1


def test_stages_past_a_block_that_was_replaced_meanwhile_are_not_read() -> None:
    """The stages are of the longer block already, the block that was taken is the shorter one."""
    book = Book([], [[watched("a")]], PRICES)
    assert book.columnar is not None
    book.columnar.stage[1] = 0
    assert asked(ColumnarGroupLists(book)) == ["a"]


@given(st.lists(id_texts, unique=True, min_size=1, max_size=60), st.integers(1, 60))
def test_rows_by_id_are_in_the_order_of_the_texts(names: list[str], cut: int) -> None:
    book = Book([], [[watched(n) for n in names[:cut]], [watched(n) for n in names[cut:]]], PRICES)
    assert book.columnar is not None
    rows = id_order.rows_by_id(book.columnar.blocks)
    assert [id_order.id_at(book.columnar.blocks, int(row)) for row in rows] == sorted(names)


def test_worst_first_over_blocks_and_fresh() -> None:
    groups = [
        watched("liq", "96", "100", LIQUIDATION),
        watched("delayed", "92", "100", DELAYED, due_s=60),
        watched("call", "80", "100", MARGIN_CALL),
        watched("nothing-counted", "1", "5", coin="JUNK"),
        unknown("unknown"),
        watched("a-tie", "70", "100"),
        watched("b-tie", "7", "10"),
        watched("no-debt", "0", "100"),
    ]
    for cut in range(len(groups)):
        group_lists = ColumnarGroupLists(Book(groups[:cut], [groups[cut::2], groups[cut + 1 :: 2]], PRICES))
        assert ids(group_lists.page(GroupQuery(), (), PRICES)) == [w.group.id for w in groups]
