"""The read model: cheap to publish, and dear only as often as its cost allows."""

from __future__ import annotations

from typing import Any

from monitor.core.groups.outcome import Publication
from monitor.core.groups.snapshot import Prices, Scope
from monitor.core.portfolio.group_list import Counts, GroupPage, GroupQuery, PlainGroupLists
from monitor.core.prices.frame_columns import BoardView
from monitor.web.view import REST_S, REST_SHARE, Paced, View
from tests.core.group_list import PRICES, watched
from tests.looks import START


class Clock:
    """Time that tests move, or the work that they measure."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def utc(self) -> Any:
        return START

    def monotonic_s(self) -> float:
        return self.now_s


def publication(*, moved: bool = True, prices: Prices = PRICES) -> Publication:
    return Publication(START, moved, BoardView({}, prices.usd, prices.untrusted))


class Counting(PlainGroupLists):
    """Lists that know how often they were asked."""

    def __init__(self, *ids: str) -> None:
        super().__init__(lambda: [watched(i, "70", "100") for i in ids])
        self.asked: list[str] = []

    def page(self, query: GroupQuery, scope: Scope, prices: Prices) -> GroupPage:
        self.asked.append("page")
        return super().page(query, scope, prices)

    def counts(self, scope: Scope, prices: Prices) -> Counts:
        self.asked.append("counts")
        return super().counts(scope, prices)

    def needed(self, scope: Scope) -> frozenset[str]:
        self.asked.append("needed")
        return super().needed(scope)


def test_publishing_asks_for_nothing() -> None:
    """It happens on the event loop between two ticks, for all groups at once: rows are made when somebody looks."""
    group_lists = Counting("a", "b")
    view = View(group_lists, Clock())
    view.publish(publication())
    assert (view.generation, group_lists.asked) == (1, [])
    assert [s.group.id for s in view.groups(GroupQuery()).rows] == ["a", "b"]


def test_only_what_may_move_figures_is_a_new_generation() -> None:
    view = View(Counting("a"), Clock())
    view.publish(publication(moved=False))
    assert view.generation == 0


def test_figures_are_on_the_prices_that_were_published_last() -> None:
    view = View(Counting("a"), Clock())
    assert view.groups(GroupQuery()).rows[0].weight is None
    view.publish(publication())
    assert view.groups(GroupQuery()).rows[0].weight is not None


def test_counts_are_made_once_while_nothing_moves() -> None:
    group_lists, clock = Counting("a"), Clock()
    view = View(group_lists, clock)
    view.publish(publication())
    for _ in range(5):
        clock.now_s += 60
        assert (view.counts().total, view.needed()) == (1, {"COIN", "OWED"})
    assert sorted(group_lists.asked) == ["counts", "needed"]


def test_counts_are_made_four_times_a_second_at_most_whatever_moves() -> None:
    group_lists, clock = Counting("a"), Clock()
    view = View(group_lists, clock)
    for _ in range(100):
        view.publish(publication())
        view.counts()
        clock.now_s += 0.01
    assert len(group_lists.asked) == 4


def test_each_scope_has_counts_of_its_own() -> None:
    view = View(Counting("a"), Clock())
    view.publish(publication())
    assert view.counts().total == 1
    assert view.counts((("borrower", "BETA"),)).total == 0
    assert view.counts((("borrower", "ACME"),)).total == 1


def test_what_is_dear_rests_for_a_multiple_of_its_cost() -> None:
    clock = Clock()
    paced = Paced(clock, REST_S)

    def work() -> str:
        clock.now_s += 0.2
        return "dear"

    began_s = clock.now_s
    made = paced.make("page", 1, work)
    assert made.rests_until_s == began_s + REST_SHARE * (clock.now_s - began_s)
    assert paced.get("page", 2) == made
    clock.now_s = made.rests_until_s
    assert paced.get("page", 2) is None
    assert paced.get("page", 1) == made, "nothing moved"


def test_a_value_that_nobody_asks_for_any_more_is_forgotten() -> None:
    paced = Paced(Clock())
    paced.make("a", 1, lambda: 1)
    paced.make("b", 1, lambda: 2)
    paced.keep_only({"b"})
    assert (paced.get("a", 1), paced.get("b", 1) is not None) == (None, True)
