"""Core hears what a feed says of itself once a change, and at most once a second."""

from monitor.core.events.events import FeedSaid
from monitor.daemon.feed_reports import FeedReports
from monitor.feeds._base import FeedStats
from tests.coin_desk import START


def stats(*, connected: bool = False, reason: str = "", **states: str) -> FeedStats:
    made = FeedStats()
    made.connected = connected
    made.reason = reason
    made.states = states
    return made


def test_a_feed_is_told_of_once_and_again_when_it_says_something_else() -> None:
    reports, feed = FeedReports(), stats(reason="refused with HTTP 451", MATIC="settled: the market is over")
    first = FeedSaid(START, "venue", False, "refused with HTTP 451", {"MATIC": "settled: the market is over"})
    assert reports.changes({"venue": feed}, START, 0.0) == [first]
    assert reports.changes({"venue": feed}, START, 5.0) == []
    feed.connected, feed.reason = True, ""
    (again,) = reports.changes({"venue": feed}, START, 5.1)
    assert (again.connected, again.cause) == (True, "")


def test_a_feed_that_comes_and_goes_is_told_of_at_most_once_a_second_and_its_last_word_counts() -> None:
    reports, feed = FeedReports(), stats(connected=True)
    reports.changes({"venue": feed}, START, 0.0)
    said = []
    for tenth in range(1, 31):
        feed.connected = tenth % 2 == 0
        feed.reason = "" if feed.connected else f"closed {tenth}"
        said += reports.changes({"venue": feed}, START, tenth / 10)
    feed.connected, feed.reason = False, "the last word"
    said += reports.changes({"venue": feed}, START, 4.5)
    assert len(said) <= 4
    assert said[-1].cause == "the last word"


def test_a_feed_that_is_taken_out_of_the_configuration_is_told_of_once() -> None:
    reports = FeedReports()
    reports.changes({"venue": stats(connected=True)}, START, 0.0)
    (gone,) = reports.changes({}, START, 1.0)
    assert (gone.source, gone.connected) == ("venue", False)
    assert "configuration" in gone.cause
    assert reports.changes({}, START, 2.0) == []


def test_what_a_peer_worded_is_cut() -> None:
    (said,) = FeedReports().changes({"venue": stats(reason="x" * 5000, BTC="y" * 5000)}, START, 0.0)
    assert len(said.cause) <= 300
    assert len(said.states["BTC"]) <= 300
