"""What is noticed is a state until it is mended: with its text, since it was found first, and over a restart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest

from monitor.core.alerts.trouble import FEW, BadCell, bad_cell
from monitor.core.events.events import (
    BatchOfBook,
    BookSeen,
    GroupPut,
    Noticed,
    NoticedPart,
    ProductsChanged,
    TimePassed,
)
from monitor.core.loans.group import Group
from monitor.core.rules.settings import Rules, Trust
from monitor.core.schema import Problem
from monitor.core.watch.risk import RiskMonitor
from monitor.core.watch.troubles import MOST_KEPT
from tests.book_lines import line
from tests.coin_desk import START
from tests.core.desk import group, product

RULES = Rules("desk-1", {"vip_loan": product()}, trust=Trust(enabled=False), books={"loans": timedelta(hours=1)})
HOUR = timedelta(hours=1)


def desk() -> RiskMonitor:
    monitor = RiskMonitor(RULES)
    monitor.handle(ProductsChanged(START, RULES))
    return monitor


def noticed(kind: str, subject: str, facts: Mapping[str, Any], **more: Any) -> Noticed:
    return Noticed(START, kind, subject, facts, **more)


LOST = {
    "problem": "contacts.email: found 'x', expected an address",
    "reason": "contacts",
    "source": "loans",
    "group": "G-1",
}


@pytest.mark.parametrize(
    ("kind", "facts", "source"),
    [
        ("book.left_out", LOST, "loans"),
        ("delivery.recipient_refused", {"notifier": "mail", "reason": "no such mailbox"}, "mail"),
        ("delivery.failing", {"notifier": "mail", "reason": "no route to host", "failures": 3}, "mail"),
        ("book.gap", {"problem": "entries 5 to 9 are missing", "source": "desk"}, "desk"),
        ("rules.drift", {"problem": "BTC: 0.9 here, 0.85 there", "source": "lender"}, "lender"),
    ],
)
def test_what_is_lost_stands_until_it_is_mended(kind: str, facts: dict[str, Any], source: str) -> None:
    monitor = desk()
    monitor.handle(noticed(kind, "thing", facts, fingerprint="bad"))
    monitor.handle(Noticed(START + HOUR, kind, "thing", {**facts, "more": "news"}, fingerprint="bad again"))
    (trouble,) = monitor.troubles
    assert (trouble.kind, trouble.source, trouble.since) == (kind, source, START)
    assert trouble.text == facts.get("problem", facts["reason"] if "problem" not in facts else None)
    again = RiskMonitor(RULES, monitor.memory)
    assert again.troubles == (trouble,), "a restart knows it"
    again.handle(Noticed(START + HOUR, kind, "thing", facts, clears=True))
    assert again.troubles == ()


def test_a_moment_is_no_state() -> None:
    monitor = desk()
    monitor.handle(noticed("monitor.stalled", "core", {"part": "core", "seconds": "6"}))
    monitor.handle(noticed("security.guessing", "API", {"problem": "x"}, fingerprint="x"))
    assert monitor.troubles == ()


def test_a_book_that_is_not_refreshed_is_a_state() -> None:
    monitor = desk()
    monitor.handle(BookSeen(START, "loans", START))
    late = START + HOUR + timedelta(seconds=1)
    monitor.handle(TimePassed(late))
    (trouble,) = monitor.troubles
    assert (trouble.kind, trouble.source, trouble.since) == ("book.stale", "loans", START)
    monitor.handle(BookSeen(late, "loans", late))
    assert monitor.troubles == ()


def parts(count: int, first: int = 1, problem: str = "bad") -> tuple[NoticedPart, ...]:
    return tuple(
        NoticedPart(
            f"b:{n}", {"problem": problem, "reason": "negative", "source": "loans", "place": f"line {n}"}, problem
        )
        for n in range(first, first + count)
    )


def told(monitor: RiskMonitor, some: tuple[NoticedPart, ...]) -> list[tuple[str, int | None]]:
    out = monitor.handle(noticed("book.refused", "b: lines", {"source": "loans"}, parts=some))
    return [(alert.subject, alert.facts.get("count")) for alert in out.alerts]


def test_many_lines_at_once_are_one_alert_and_a_state_each() -> None:
    monitor = desk()
    assert told(monitor, parts(97)) == [("b: lines", 97)]
    assert len(monitor.troubles) == 97
    assert told(monitor, parts(97)) == [], "they are known"
    assert told(monitor, parts(99)) == [("b:98", None), ("b:99", None)], "only two are news, each with its own words"
    again = RiskMonitor(RULES, monitor.memory)
    assert told(again, parts(99)) == [], "after a restart too"
    assert told(again, parts(FEW + 1, first=200)) == [("b: lines", FEW + 1)]
    again.handle(noticed("book.refused", "b:1", {}, clears=True))
    assert told(again, parts(1)) == [("b:1", None)], "one that comes again is news"


def test_what_core_refuses_of_a_batch_is_one_alert_where_it_is_much() -> None:
    monitor = desk()
    lines = [group(line(f"G-{n}")) for n in range(30)]
    for each in lines:
        monitor.handle(GroupPut(START, each, "first"))

    def told_of(some: list[Group]) -> list[tuple[str, int | None]]:
        events = [GroupPut(START, each, "second") for each in some]
        both = [BatchOfBook(START, "second", ends=ends) for ends in (False, True)]
        outs = [monitor.handle(event) for event in (both[0], *events, both[1])]
        return [(alert.subject, alert.facts.get("count")) for out in outs for alert in out.alerts]

    assert told_of(lines[:2]) == [("second#G-0", None), ("second#G-1", None)], "few have words of their own"
    assert told_of(lines) == [("second: groups", 28)]
    assert told_of(lines) == [], "they are known"
    assert len(monitor.troubles) == 30
    out = monitor.handle(GroupPut(START, lines[0], "third"))
    assert [alert.subject for alert in out.alerts] == ["third#G-0"], "outside of a batch each is told at once"


def test_a_commit_keeps_a_bounded_part_and_a_source_says_the_rest_again() -> None:
    monitor = desk()
    told(monitor, parts(3 * MOST_KEPT))
    assert monitor.memory is not None
    assert len(monitor.memory.watchers.troubles) == MOST_KEPT
    again = RiskMonitor(RULES, monitor.memory)
    told(again, parts(3 * MOST_KEPT))
    assert len(again.troubles) == 3 * MOST_KEPT


@pytest.mark.parametrize(
    ("what", "cell"),
    [
        ("found '-1', expected a number from 0 up to 1e24", BadCell("x", "-1", "a number from 0 up to 1e24")),
        ("is missing; state it", BadCell("x", None, "is missing; state it")),
    ],
)
def test_a_problem_is_a_cell_a_value_and_a_remedy(what: str, cell: BadCell) -> None:
    assert bad_cell(Problem("x", what)) == cell
