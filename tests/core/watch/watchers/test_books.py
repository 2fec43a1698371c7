"""How old a book may be: the desk hears of it once, twice where it grows older, and that it is over."""

from __future__ import annotations

from datetime import timedelta

from monitor.core.events.events import BookSeen
from monitor.core.groups.watcher_states import BookState
from tests.coin_desk import clock, line
from tests.core.desk import Desk

LIMIT = timedelta(minutes=10)


def watched(limit: timedelta | None = LIMIT) -> Desk:
    it = Desk(line())
    it.change("00:00", books={} if limit is None else {"desk": limit})
    return it


def seen(it: Desk, time: str, as_of: str | None = None, position: str = "", version: str = "") -> str:
    at = clock(time)
    return it.short(it.handle(BookSeen(at, "desk", clock(as_of or time), position, version)), at)


def test_a_book_that_is_refreshed_in_time_says_nothing() -> None:
    it = watched()
    assert seen(it, "00:01") == "-"
    assert seen(it, "00:10") == "-"
    assert seen(it, "00:20") == "-"  # at its very limit, and read at that very time
    assert it.pass_time("00:29") == "-"


def test_an_old_book_is_told_once_at_its_limit_and_once_at_twice_its_limit() -> None:
    it = watched()
    seen(it, "00:01", version="v7")
    assert it.pass_time("00:12") == "book.stale:desk@00:11"
    facts = it.alerts[-1].facts
    assert (facts["source"], facts["age_s"], facts["limit_s"], facts["version"]) == ("desk", 600, 600, "v7")
    assert it.pass_time("00:20") == "-"
    assert it.pass_time("00:22") == "book.outdated:desk@00:21"
    assert it.pass_time("09:00") == "-"
    assert seen(it, "09:01") == "book.refreshed:desk"
    assert it.pass_time("09:12") == "book.stale:desk@09:11"


def test_a_reading_of_an_old_book_does_not_make_it_fresh() -> None:
    it = watched()
    seen(it, "00:05", as_of="00:01")
    assert it.pass_time("00:12") == "book.stale:desk@00:11"
    assert seen(it, "00:15", as_of="00:02") == "-"
    assert seen(it, "00:30", as_of="00:15") == "book.outdated:desk@00:22"
    assert seen(it, "00:31", as_of="00:20") == "-"
    assert seen(it, "00:32", as_of="00:25") == "book.refreshed:desk"


def test_a_book_that_nobody_could_read_yet_is_old_too() -> None:
    it = watched()
    assert it.pass_time("00:11") == "book.stale:desk@00:10"


def test_a_source_whose_clock_is_ahead_is_not_fresh_for_longer() -> None:
    it = watched()
    seen(it, "00:01", as_of="05:00")
    assert it.pass_time("00:12") == "book.stale:desk@00:11"


def test_a_book_without_a_limit_may_be_of_any_age() -> None:
    it = watched(None)
    seen(it, "00:01")
    assert it.pass_time("23:00") == "-"


def test_a_reload_that_takes_the_limit_away_ends_it_and_a_shorter_one_is_looked_at() -> None:
    it = watched()
    seen(it, "00:01")
    it.pass_time("00:12")
    it.change("00:13", books={})
    assert it.pass_time("00:14") == "book.refreshed:desk@00:13"
    it.change("00:15", books={"desk": timedelta(minutes=12)})
    assert it.pass_time("00:16") == "book.stale:desk@00:15"


def test_after_a_restart_a_book_has_its_full_time_and_what_was_told_is_not_told_again() -> None:
    it = watched()
    seen(it, "00:01", position="17")
    it.restart()
    assert it.monitor.books.states["desk"].position == "17"
    it.monitor.awaken(clock("00:09"))
    assert it.pass_time("00:18") == "-"
    assert it.pass_time("00:20") == "book.stale:desk@00:19"
    it.restart()
    assert it.pass_time("00:21") == "-"
    assert seen(it, "00:22") == "book.refreshed:desk"


def test_only_a_new_position_or_version_needs_a_commit_of_its_own() -> None:
    it = watched()
    for time, position, is_durable in (("00:01", "1", True), ("00:02", "1", False), ("00:03", "2", True)):
        seen(it, time, position=position)
        assert it.last.is_durable == is_durable
    assert it.monitor.books.states["desk"] == BookState(clock("00:03"), clock("00:03"), "2")
