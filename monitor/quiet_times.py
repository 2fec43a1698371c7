"""Quiet times of a route ([[route]] quiet, [[calendar]]): hours, days and holidays at which people are left alone.

Hours are those of the clocks of a time zone. A quiet time begins when its clock first shows the start, or a later time where
clocks skip it, and ends when its clock first shows the end. So none is lost and none begins twice when the clocks change.
"""

from __future__ import annotations

import difflib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Annotated, Literal

import msgspec

from monitor.core.rules.duty import DAY, clock_time, instant_of, zone
from monitor.core.schema import Name, Pattern

_CLOCK = r"([01][0-9]|2[0-3]):[0-5][0-9]"
Hours = Annotated[str, Pattern(rf"{_CLOCK}-({_CLOCK}|24:00)", 'hours such as "22:00-07:00"')]
Weekday = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
WEEK: tuple[Weekday, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_MINUTES = 24 * 60
MIDNIGHT = time(0)
Holidays = Mapping[str, frozenset[date]]
"""By the name of a calendar."""


class Calendar(msgspec.Struct, frozen=True):
    """[[calendar]]: days on which nobody is at the desk, such as public holidays."""

    name: Name
    days: tuple[date, ...]

    def __post_init__(self) -> None:
        if not self.days:
            raise ValueError("days: is empty, expected dates such as 2026-12-25")


class QuietTimes(msgspec.Struct, frozen=True):
    """`quiet` of a route: it is quiet during these hours of each day, and all day on these days and holidays."""

    hours: tuple[Hours, ...] = ()
    days: tuple[Weekday, ...] = ()
    calendar: Name | None = None
    """The name of a [[calendar]]."""
    time_zone: str = "UTC"

    def __post_init__(self) -> None:
        zone(self.time_zone)
        if not (self.hours or self.days or self.calendar):
            raise ValueError('states nothing; expected hours = ["22:00-07:00"], days = ["sat", "sun"] or a calendar')
        for text in self.hours:
            if text[:5] == text[6:]:
                raise ValueError(f'hours: found "{text}", which has no length; a whole day is "00:00-24:00"')
        if set(WEEK) <= set(self.days) or len(self._minutes()) == _MINUTES:
            raise ValueError(
                "is quiet all week, so that info and warning never leave; leave some hours out, "
                'or send them nowhere by a route with match = { severity = "info" } and to = []'
            )

    def end(self, at: datetime, holidays: Holidays) -> datetime | None:
        """When the quiet time ends that a time lies in; None where it lies in none."""
        return _end(self, holidays.get(self.calendar or "", frozenset()), at)

    def _end(self, days: Collection[date], at: datetime) -> datetime | None:
        end = at
        while ends := [until for since, until in self._around(end, days) if since <= end < until]:
            end = max(ends)
        return end if end > at else None

    def __str__(self) -> str:
        holidays = [f"the days of {self.calendar}"] if self.calendar else []
        return f"{', '.join((*self.hours, *self.days, *holidays))} ({self.time_zone})"

    def _around(self, at: datetime, holidays: Collection[date]) -> Iterator[tuple[datetime, datetime]]:
        """The quiet times that may hold an instant, each with its beginning and end."""
        today = at.astimezone(zone(self.time_zone)).date()
        for day in (today - DAY, today, today + DAY):
            if WEEK[day.weekday()] in self.days or day in holidays:
                yield self._first(day, MIDNIGHT), self._first(day + DAY, MIDNIGHT)
            for text in self.hours:
                begins = clock_time(text[:5])
                ends = MIDNIGHT if text[6:] == "24:00" else clock_time(text[6:])
                yield self._first(day, begins), self._first(day if ends > begins else day + DAY, ends)

    def _first(self, day: date, at: time) -> datetime:
        """The first instant at which the clocks show a time of a day, or a later one where they skip it."""
        clocks = zone(self.time_zone)
        found = instant_of(day, at, self.time_zone)
        if found.astimezone(clocks).time() == at:
            return found
        # Skipped: the clocks go forward between these two, on a whole second.
        before = int(datetime.combine(day, at, clocks).replace(fold=1).timestamp())
        after = int(found.timestamp())
        offset = datetime.fromtimestamp(before, clocks).utcoffset()
        while after - before > 1:
            middle = (before + after) // 2
            if datetime.fromtimestamp(middle, clocks).utcoffset() == offset:
                before = middle
            else:
                after = middle
        return datetime.fromtimestamp(after, UTC)

    def _minutes(self) -> set[int]:
        """The minutes of a day that the hours cover."""
        covered: set[int] = set()
        for text in self.hours:
            since, until = (int(part[:2]) * 60 + int(part[3:]) for part in text.split("-"))
            last = until if until > since else until + _MINUTES
            covered.update(minute % _MINUTES for minute in range(since, last))
        return covered


@lru_cache(maxsize=64)  # a storm asks ten thousand times about one instant
def _end(quiet: QuietTimes, days: frozenset[date], at: datetime) -> datetime | None:
    return quiet._end(days, at)


def holidays_of(calendars: Sequence[Calendar]) -> Holidays:
    """The days of each calendar."""
    return {each.name: frozenset(each.days) for each in calendars}


def run_out(holidays: Holidays, today: date) -> list[str]:
    """A sentence about each calendar that has no day left: nobody may have thought of the new year."""
    lasts = ((name, max(days)) for name, days in holidays.items())
    return [
        f"calendar {name!r}: its last day, {last}, is over; add those to come" for name, last in lasts if last < today
    ]


def no_calendar(name: str | None, calendars: Sequence[Calendar]) -> str | None:
    """Why the calendar that quiet times name cannot be used; None where it can, or where they name none."""
    known = [each.name for each in calendars]
    if name is None or name in known:
        return None
    near = difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known) or 'none'}; add a [[calendar]]"
    return f"no calendar {name!r}; {hint}"


def twice(calendars: Sequence[Calendar]) -> list[tuple[int, str]]:
    """The place and a sentence of each calendar whose name another one has."""
    names = [each.name for each in calendars]
    return [(i, f"{n!r} stands twice; give each its own name") for i, n in enumerate(names) if n in names[:i]]
