"""What readings of a source become: puts, closings and refusals, each once."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from monitor.books._base import KeptBook, PlainReader
from monitor.books._snapshots import BookRow, Snapshots
from monitor.core.events.events import Event, GroupClosed, GroupPut, Noticed
from tests.books.test_file import PRODUCTS, stated

AT = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Readings:
    """A source that reads on, and what core holds of it."""

    def __init__(self, held: tuple[str, ...] = (), refused: tuple[str, ...] = (), **more: Any) -> None:
        self.held = set(held)
        kept = KeptBook(lambda: sorted(self.held), refused)
        self.snapshots = Snapshots("desk", PlainReader(lambda: PRODUCTS), kept, **more)

    def take(self, *rows: BookRow, is_whole: bool = True) -> str:
        return self.done(self.snapshots.take(rows, AT, is_whole=is_whole))

    def done(self, events: list[Event]) -> str:
        """The events in short, once core has them."""
        self.held.update(e.group.id for e in events if isinstance(e, GroupPut))
        self.held.difference_update(e.group_id for e in events if isinstance(e, GroupClosed))
        return " ".join(map(short, events))


def short(event: Event) -> str:
    match event:
        case GroupPut():
            return f"+{event.group.id}"
        case GroupClosed():
            return f"-{event.group_id}"
        case Noticed():
            return f"ok({event.subject})" if event.clears else f"{event.facts['reason']}({event.subject})"
    return str(event)


def row(id: str = "G-1", btc: str = "12.5", place: str = "") -> BookRow:
    return BookRow(place or f"order {id}", stated(id, btc))


def bad(id: str = "G-1", place: str = "") -> BookRow:
    return BookRow(place or f"order {id}", {**stated(id), "colour": "red"})


def test_only_what_is_new_or_changed_is_put_and_what_vanished_is_closed() -> None:
    it = Readings()
    assert it.take(row("G-1"), row("G-2"), row("G-3")) == "+G-1 +G-2 +G-3"
    assert it.take(row("G-3"), row("G-2"), row("G-1")) == ""
    assert it.take(row("G-1"), row("G-2", "13")) == "+G-2 -G-3"
    assert it.take(row("G-1"), row("G-2", "13"), row("G-3")) == "+G-3"


def test_a_reading_that_is_not_whole_closes_nothing() -> None:
    it = Readings()
    it.take(row("G-1"), row("G-2"), row("G-3"))
    assert it.take(row("G-1", "14"), is_whole=False) == "+G-1"
    assert it.take(row("G-1", "14"), is_whole=False) == ""
    assert it.take(row("G-1", "14"), row("G-2")) == "-G-3"


def test_parts_are_one_reading_and_one_that_broke_off_closes_nothing() -> None:
    it = Readings()
    assert it.done(it.snapshots.part([row("G-1")], AT)) == "+G-1"
    assert it.done(it.snapshots.part([row("G-2")], AT)) == "+G-2"
    assert it.done(it.snapshots.part([row("G-3")], AT)) == "+G-3"
    assert it.done(it.snapshots.end(AT)) == ""
    assert it.done(it.snapshots.part([row("G-1")], AT)) == ""
    it.snapshots.abandon()
    assert it.take(row("G-1"), row("G-2")) == "-G-3"


def test_the_fields_of_a_row_may_come_in_another_order() -> None:
    it = Readings()
    it.take(row())
    assert it.take(BookRow("order G-1", dict(reversed(stated().items())))) == ""


def test_the_same_row_twice_counts_once_and_another_of_the_same_group_is_refused() -> None:
    it = Readings()
    assert it.take(row("G-1"), row("G-1", place="order again")) == "+G-1"
    assert it.take(row("G-1"), row("G-1", "13", "order two")) == "duplicate_group(desk: order two)"
    assert it.take(row("G-1")) == "ok(desk: order two)"


def test_a_bad_row_names_its_place_once_and_the_good_ones_beside_it_apply() -> None:
    it = Readings()
    assert it.take(bad("G-1"), row("G-2")) == "+G-2 unknown_key(desk: order G-1)"
    assert it.take(bad("G-1"), row("G-2")) == ""
    assert it.take(row("G-1"), row("G-2")) == "+G-1 ok(desk: order G-1)"


def test_a_refused_change_is_mended_by_a_good_one_of_the_same_place() -> None:
    it = Readings()
    assert it.take(bad("G-1"), is_whole=False) == "unknown_key(desk: order G-1)"
    assert it.take(row("G-2"), is_whole=False) == "+G-2"
    assert it.take(row("G-1"), is_whole=False) == "+G-1 ok(desk: order G-1)"


def test_a_refused_row_keeps_its_group_and_one_without_an_id_keeps_all() -> None:
    it = Readings(held=("G-1", "G-2", "G-3"))
    assert it.take(bad("G-1"), row("G-2")) == "+G-2 -G-3 unknown_key(desk: order G-1)"
    assert "-G" not in it.take(BookRow("row 1", {"colour": "red"}), row("G-2"))
    assert it.take(row("G-2")) == "-G-1 ok(desk: row 1)"


def test_after_a_restart_what_vanished_is_closed_and_what_was_refused_is_mended() -> None:
    it = Readings(held=("G-1", "G-2", "G-3"), refused=("desk: order G-3", "another: order G-3"))
    assert it.take(row("G-1"), row("G-2")) == "+G-1 +G-2 -G-3 ok(desk: order G-3)"


def test_more_than_half_of_a_book_must_be_left_out_twice() -> None:
    it = Readings()
    it.take(*map(row, ("G-1", "G-2", "G-3", "G-4")))
    assert it.take() == "shrunk(desk)"
    assert it.take(row("G-1")) == "-G-2 -G-3 -G-4 ok(desk)"


def test_a_book_that_was_empty_by_mistake_goes_on() -> None:
    it = Readings()
    it.take(row("G-1"), row("G-2"))
    assert it.take() == "shrunk(desk)"
    assert it.take(row("G-1"), row("G-2")) == "ok(desk)"
    assert it.take() == "shrunk(desk)"
    assert it.take(row("G-1")) == "-G-2 ok(desk)"


def test_a_source_that_says_only_what_is_there_closes_nothing() -> None:
    it = Readings(held=("G-1", "G-2"), closes_missing=False)
    assert it.take(row("G-1")) == "+G-1"
