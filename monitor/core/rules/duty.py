"""Who is on duty, and who is asked when a critical alert stays unacknowledged (configuration [[rota]] and [[escalation]]).

A day of duty begins at `hand_over` by the clock of the rota's time zone, so it has 23 or 25 hours when the clocks change.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import lru_cache
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec

from monitor.core.schema import Name, Pattern, Span

Clock = Annotated[str, Pattern(r"([01][0-9]|2[0-3]):[0-5][0-9]", 'a time of day such as "09:00"')]
DAY = timedelta(days=1)
_LOOKED_AHEAD = 800
"""Days within which the next change is looked for: two years of one person are no rota."""


@lru_cache(maxsize=64)
def zone(name: str) -> ZoneInfo:
    """The time zone of a name. Raises ValueError where there is none."""
    try:
        return ZoneInfo(name)
    except (OSError, ValueError):  # ZoneInfoNotFoundError is a KeyError, and comes for names of the right form
        raise ValueError(_no_zone(name)) from None
    except KeyError:
        raise ValueError(_no_zone(name)) from None


def _no_zone(name: str) -> str:
    return f"time_zone: found {name[:60]!r}, expected a name such as Europe/Stockholm that this machine knows"


def clock_time(text: str) -> time:
    """The time of day that a text such as 09:00 names."""
    return time(int(text[:2]), int(text[3:]))


def instant_of(day: date, at: time, zone_name: str) -> datetime:
    """The instant at which clocks in a zone show a time; where they skip it, as if they had not changed yet."""
    return datetime.combine(day, at, zone(zone_name)).astimezone(UTC)


class Override(msgspec.Struct, frozen=True):
    """Somebody else is on duty on these days, both included. Of several the last one counts."""

    first: date
    last: date
    person: Name

    def __post_init__(self) -> None:
        if self.last < self.first:
            raise ValueError(f"last: found {self.last}, expected {self.first} or a later day")


class Shift(msgspec.Struct, frozen=True):
    """Who is on duty, and from when until when."""

    person: str
    since: datetime
    until: datetime | None
    """None where nobody else comes within two years."""


class Rota(msgspec.Struct, frozen=True):
    """[[rota]]: people take turns, each for `turn`, in their order, from the day `starts` on."""

    name: Name
    people: tuple[Name, ...]
    starts: date
    turn: Annotated[timedelta, Span("1d", "365d")] = timedelta(days=7)
    hand_over: Clock = "09:00"
    time_zone: str = "UTC"
    overrides: tuple[Override, ...] = ()

    def __post_init__(self) -> None:
        zone(self.time_zone)
        if not self.people:
            raise ValueError("people: is empty, expected the names of those who take turns")
        if self.turn % DAY:
            raise ValueError('turn: expected whole days, such as "1d" or "7d"')

    def on_duty(self, at: datetime) -> Shift:
        """Who is on duty at a time."""
        day = self._day_of(at)
        person = self._of_day(day)
        first = day
        while self._of_day(first - DAY) == person and (day - first).days < _LOOKED_AHEAD:
            first -= DAY
        return Shift(person, self._begins(first), self._end(day, person))

    def next_after(self, at: datetime) -> Shift | None:
        """Who comes next; None where nobody else does."""
        until = self.on_duty(at).until
        return None if until is None else self.on_duty(until)

    def _end(self, day: date, person: str) -> datetime | None:
        for ahead in range(1, _LOOKED_AHEAD):
            if self._of_day(day + ahead * DAY) != person:
                return self._begins(day + ahead * DAY)
        return None

    def _day_of(self, at: datetime) -> date:
        """The day of duty that has begun last."""
        day = at.astimezone(zone(self.time_zone)).date() + DAY
        while self._begins(day) > at:
            day -= DAY
        return day

    def _begins(self, day: date) -> datetime:
        return instant_of(day, clock_time(self.hand_over), self.time_zone)

    def _of_day(self, day: date) -> str:
        for each in reversed(self.overrides):
            if each.first <= day <= each.last:
                return each.person
        return self.people[(day - self.starts).days // self.turn.days % len(self.people)]


class EscalationStep(msgspec.Struct, frozen=True):
    """Who is asked so long after the step before, or after the alert: people, or rotas for those on duty then."""

    after: Annotated[timedelta, Span("1s", "7d")]
    to: tuple[Name, ...]

    def __post_init__(self) -> None:
        if not self.to:
            raise ValueError("to: is empty, expected names of people or rotas")


class Wanted(msgspec.Struct, frozen=True, omit_defaults=True):
    """Which critical alerts, as in the `match` of a route."""

    type: str | None = None
    product: str | None = None
    group: str | None = None
    labels: dict[str, str] = {}


class Escalation(msgspec.Struct, frozen=True):
    """[[escalation]]: who is asked, step by step, while a critical alert stays unacknowledged."""

    name: Name
    step: tuple[EscalationStep, ...]
    match: Wanted = Wanted()
    repeat: Annotated[int, range(0, 101)] = 3
    """How often the steps begin again after the last one."""
    needs: Annotated[int, range(1, 11)] = 1
    """So many different people must acknowledge."""

    def __post_init__(self) -> None:
        if not self.step:
            raise ValueError("step: is missing; add [[escalation.step]] with after and to")

    def at(self, taken: int) -> EscalationStep | None:
        """The step that follows after so many; None after the last one."""
        return self.step[taken % len(self.step)] if taken < len(self.step) * (self.repeat + 1) else None


class Duty(msgspec.Struct, frozen=True):
    """Who is asked. Names of people and rotas are different ones; their addresses are the shell's."""

    rotas: tuple[Rota, ...] = ()
    escalations: tuple[Escalation, ...] = ()

    def find(self, name: str) -> Escalation | None:
        """An escalation by its name."""
        return next((each for each in self.escalations if each.name == name), None)

    def people(self, to: tuple[str, ...], at: datetime) -> tuple[str, ...]:
        """The people that a step means at a time, each once."""
        return tuple(dict.fromkeys(self._people(to, at)))

    def _people(self, to: tuple[str, ...], at: datetime) -> Iterator[str]:
        by_name = {rota.name: rota for rota in self.rotas}
        for name in to:
            yield by_name[name].on_duty(at).person if name in by_name else name
