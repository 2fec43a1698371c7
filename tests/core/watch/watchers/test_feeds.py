"""Clocks that are off are said once, a venue's and our own; what core finds of a feed is shown to everybody."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal

from monitor.core.alerts.alert import Alert
from monitor.core.events.events import ClockJumped, FeedSaid, MarkPrices, TimePassed
from monitor.core.prices.quote import Quote
from monitor.core.rules.settings import Trust
from tests.coin_desk import START, line
from tests.core.desk import Desk

TRUST = Trust(sources=("venue",))
DAY = timedelta(hours=25)


def when(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def priced(desk: Desk, seconds: float, off: timedelta = timedelta(0), *sources: str) -> list[Alert]:
    at = when(seconds)
    quotes = tuple(Quote("COIN", Decimal("0.5"), "USD", source, at + off) for source in sources or ("venue",))
    return desk.handle(MarkPrices(at, quotes))


def said(alerts: Iterable[Alert]) -> list[str]:
    return [f"{alert.type}:{alert.subject}" for alert in alerts]


def test_a_venue_whose_clock_is_a_day_ahead_is_named_with_its_offset_everywhere() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(12):
        priced(desk, second, DAY)
    (clock,) = [alert for alert in desk.alerts if alert.type == "feed.clock"]
    assert (clock.subject, clock.facts["offset_s"]) == ("venue", "90000")
    (blind,) = [alert for alert in desk.alerts if alert.type == "price.stale"]
    assert blind.facts["trust"] == "missing"
    assert "25 h ahead" in blind.facts["reason"]
    view = desk.monitor.feeds["venue"]
    assert view.is_off
    assert view.trouble == "the clock of venue is 25 h ahead of ours: its prices are refused"
    assert view.refused == {"ahead": 12}


def test_a_venue_that_is_ten_minutes_behind_is_named_and_its_price_is_late() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(12):
        priced(desk, second, -timedelta(minutes=10))
    assert [alert.facts["offset_s"] for alert in desk.alerts if alert.type == "feed.clock"] == ["-600"]
    assert "10 min behind" in desk.monitor.feeds["venue"].trouble
    assert said(alert for alert in desk.alerts if alert.type == "price.stale") == ["price.stale:COIN"]


def test_a_clock_is_right_again_once_a_message_agrees_and_not_by_a_new_connection() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(5):
        priced(desk, second, DAY)
    desk.handle(FeedSaid(when(5), "venue", connected=False, cause="closed by the venue"))
    desk.handle(FeedSaid(when(6), "venue", connected=True))
    for second in range(7, 9):
        priced(desk, second, DAY)
    assert [a for a in said(desk.alerts) if a.startswith("feed.clock")] == ["feed.clock:venue"]
    priced(desk, 9)
    assert [a for a in said(desk.alerts) if a.startswith("feed.clock")] == [
        "feed.clock:venue",
        "feed.clock_restored:venue",
    ]
    assert desk.monitor.feeds["venue"].trouble == ""


def test_one_message_that_is_dated_ahead_is_no_clock() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(5):
        priced(desk, second)
    priced(desk, 5, timedelta(hours=1))
    for second in range(6, 10):
        priced(desk, second)
    assert said(desk.alerts) == []


def test_our_own_clock_is_named_where_it_jumped_and_no_price_is_stale_for_it() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(5):
        priced(desk, second)
    hour = timedelta(hours=1)
    at = when(5) + hour
    assert said(desk.handle(ClockJumped(at, Decimal(3600), at))) == [
        "monitor.clock_jump:clock",
        "monitor.clock_off:clock",
    ]
    (ours,) = [alert for alert in desk.alerts if alert.type == "monitor.clock_off"]
    assert ours.facts["offset_s"] == "3600"
    for second in range(3606, 3640):
        priced(desk, second, -hour)
    desk.handle(TimePassed(when(3641)))
    assert said(desk.alerts) == ["monitor.clock_jump:clock", "monitor.clock_off:clock"]


def test_our_own_clock_is_named_where_all_sources_are_off_by_the_same_amount() -> None:
    desk = Desk(line(), trust=Trust(sources=("a", "b")))
    for second in range(12):
        priced(desk, second, timedelta(hours=2), "a", "b")
    words = [word for word in said(desk.alerts) if "clock" in word]
    assert words[-1] == "monitor.clock_off:clock"
    assert words.count("monitor.clock_off:clock") == 1
    assert not [alert for alert in desk.alerts if alert.type == "price.stale"]


def test_what_was_said_of_a_clock_is_not_said_again_after_a_restart() -> None:
    desk = Desk(line(), trust=TRUST)
    for second in range(5):
        priced(desk, second, DAY)
    desk.restart()
    desk.monitor.awaken(when(5))
    for second in range(6, 12):
        priced(desk, second, DAY)
    assert [word for word in said(desk.alerts) if "clock" in word] == ["feed.clock:venue"]
