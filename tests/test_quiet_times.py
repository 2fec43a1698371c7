"""Quiet times: hours over midnight, days and holidays as one stretch, and clocks that change."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from monitor.core.schema import Invalid, read
from monitor.quiet_times import WEEK, Calendar, QuietTimes, no_calendar

LONDON = {"london": frozenset({date(2026, 12, 25), date(2026, 12, 28)})}


def quiet(*hours: str, days: tuple[Any, ...] = (), calendar: str | None = None, zone: str = "UTC") -> QuietTimes:
    return QuietTimes(hours, days, calendar, zone)


def end(of: QuietTimes, at: str) -> str:
    """The end in the clocks of the zone; "-" where it is not quiet."""
    found = of.end(datetime.fromisoformat(at).astimezone(UTC), LONDON)
    return "-" if found is None else found.astimezone(ZoneInfo(of.time_zone)).strftime("%a %d %H:%M")


NIGHTS = quiet("22:00-07:00", zone="Europe/London")
WHOLE = quiet("22:00-07:00", days=("sat", "sun"), calendar="london", zone="Europe/London")


@pytest.mark.parametrize(
    ("of", "at", "until"),
    [
        (NIGHTS, "2026-01-07T21:59:59+00:00", "-"),
        (NIGHTS, "2026-01-07T22:00:00+00:00", "Thu 08 07:00"),
        (NIGHTS, "2026-01-08T06:59:59+00:00", "Thu 08 07:00"),
        (NIGHTS, "2026-01-08T07:00:00+00:00", "-"),
        (NIGHTS, "2026-07-08T05:59:59+00:00", "Wed 08 07:00"),
        (NIGHTS, "2026-07-08T06:00:00+00:00", "-"),
        # Friday night, the weekend and Sunday night are one stretch, and so is Christmas with the days around it.
        (WHOLE, "2026-01-09T22:00:00+00:00", "Mon 12 07:00"),
        (WHOLE, "2026-01-10T12:00:00+00:00", "Mon 12 07:00"),
        (WHOLE, "2026-12-24T21:59:00+00:00", "-"),
        (WHOLE, "2026-12-24T22:00:00+00:00", "Tue 29 07:00"),
        (WHOLE, "2026-12-28T12:00:00+00:00", "Tue 29 07:00"),
        (quiet("08:00-12:00", "12:00-24:00"), "2026-01-07T09:00:00+00:00", "Thu 08 00:00"),
    ],
)  # fmt: skip
def test_a_stretch_ends_where_nothing_is_quiet_any_more(of: QuietTimes, at: str, until: str) -> None:
    assert end(of, at) == until


@pytest.mark.parametrize(
    ("of", "at", "until"),
    [
        # Stockholm, 29 March 2026: 02:00 becomes 03:00, so 02:30 is never shown.
        (quiet("22:00-02:30", zone="Europe/Stockholm"), "2026-03-29T00:59:59+00:00", "Sun 29 03:00"),
        (quiet("22:00-02:30", zone="Europe/Stockholm"), "2026-03-29T01:00:00+00:00", "-"),
        (quiet("02:30-05:00", zone="Europe/Stockholm"), "2026-03-29T00:59:59+00:00", "-"),
        (quiet("02:30-05:00", zone="Europe/Stockholm"), "2026-03-29T01:00:00+00:00", "Sun 29 05:00"),
        (quiet("02:10-02:50", zone="Europe/Stockholm"), "2026-03-29T01:00:00+00:00", "-"),
        # 25 October: 03:00 becomes 02:00, so 02:30 is shown twice. The first one counts.
        (quiet("22:00-02:30", zone="Europe/Stockholm"), "2026-10-25T00:29:59+00:00", "Sun 25 02:30"),
        (quiet("22:00-02:30", zone="Europe/Stockholm"), "2026-10-25T00:30:00+00:00", "-"),
        (quiet("22:00-02:30", zone="Europe/Stockholm"), "2026-10-25T01:15:00+00:00", "-"),
        (quiet("02:30-05:00", zone="Europe/Stockholm"), "2026-10-25T00:30:00+00:00", "Sun 25 05:00"),
        (quiet("02:30-05:00", zone="Europe/Stockholm"), "2026-10-25T03:59:59+00:00", "Sun 25 05:00"),
        # Cairo, 24 April 2026: midnight becomes 01:00. The Friday begins there.
        (quiet(days=("fri",), zone="Africa/Cairo"), "2026-04-23T21:59:59+00:00", "-"),
        (quiet(days=("fri",), zone="Africa/Cairo"), "2026-04-23T22:00:00+00:00", "Sat 25 00:00"),
    ],
)  # fmt: skip
def test_none_is_lost_and_none_begins_twice_when_the_clocks_change(of: QuietTimes, at: str, until: str) -> None:
    assert end(of, at) == until


@pytest.mark.parametrize("zone", ["UTC", "Europe/London", "America/St_Johns", "Australia/Lord_Howe", "Asia/Kathmandu"])
def test_a_year_of_nights_ends_each_morning_at_the_same_time(zone: str) -> None:
    of = quiet("22:00-07:00", zone=zone)
    at = datetime(2026, 1, 1, tzinfo=UTC)
    ends = {of.end(at + timedelta(hours=n), {}) for n in range(0, 365 * 24, 3)} - {None}
    shown = [each.astimezone(ZoneInfo(zone)) for each in ends if each is not None]
    assert {each.strftime("%H:%M") for each in shown} == {"07:00"}
    assert 364 <= len({each.date() for each in shown}) <= 366


@pytest.mark.parametrize(
    ("stated", "what"),
    [
        ({}, 'states nothing; expected hours = ["22:00-07:00"]'),
        ({"hours": ["22:00"]}, "hours[0]: found '22:00', expected hours such as \"22:00-07:00\""),
        ({"hours": ["22:00-25:00"]}, "hours[0]"),
        ({"hours": ["24:00-07:00"]}, "hours[0]"),
        ({"hours": ["07:00-07:00"]}, 'hours: found "07:00-07:00", which has no length; a whole day is "00:00-24:00"'),
        ({"hours": ["00:00-24:00"]}, "is quiet all week, so that info and warning never leave"),
        ({"hours": ["22:00-10:00", "10:00-22:00"]}, "is quiet all week"),
        ({"days": list(WEEK)}, "is quiet all week"),
        ({"days": ["saturday"]}, "days[0]: found 'saturday', expected one of"),
        ({"hours": ["22:00-07:00"], "time_zone": "London"}, "time_zone: found 'London', expected a name such as Europe/"),
        ({"hours": ["22:00-07:00"], "zone": "UTC"}, "zone: unknown key"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_with_its_place_and_a_remedy(stated: dict[str, Any], what: str) -> None:
    with pytest.raises(Invalid) as caught:
        read(QuietTimes, stated)
    assert what in str(caught.value)


def test_a_calendar_that_is_not_there_is_named() -> None:
    known = [Calendar("london", (date(2026, 12, 25),))]
    assert no_calendar("londn", known) == "no calendar 'londn'; did you mean 'london'?"
    assert no_calendar("x", []) == "no calendar 'x'; there are: none; add a [[calendar]]"
    assert (no_calendar("london", known), no_calendar(None, known)) == (None, None)


def test_times_read_as_a_person_would_say_them() -> None:
    assert str(WHOLE) == "22:00-07:00, sat, sun, the days of london (Europe/London)"
