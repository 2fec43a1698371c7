"""What every notifier may state beside its own keys, and how a route gathers notices: the keys that belong to no kind."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated

import msgspec

from monitor.core.schema import Span

GROUP_BY = ("severity", "type", "product", "account")
"""What notices may have in common; labels are written `label.NAME`."""
LABEL = "label."
SHORTEST_INTERVAL = timedelta(seconds=30)
"""People get a digest at most this often: a shorter interval is the storm that a digest is there to prevent."""
MOST_A_MINUTE = 600
"""To people. Providers of mail and chat close accounts that send faster."""

Wait = Annotated[timedelta, Span("0s", "1d")]


class Limit(msgspec.Struct, frozen=True):
    """At most so many notices in any stretch of so many seconds."""

    count: int
    seconds: float


class ChannelRules(msgspec.Struct, frozen=True):
    """The keys of a [[notifier]] that every kind has."""

    fallback: str | None = None
    """The notifier that takes the critical notices while this one fails."""
    fallback_after: Annotated[timedelta, Span("1s", "1h")] = timedelta(seconds=30)
    rate: str | None = None
    heartbeat: Annotated[timedelta, Span("1s", "1d")] | None = None
    """How often the notifier says that the whole monitor works."""

    def __post_init__(self) -> None:
        if self.rate is not None and _rate(self.rate) is None:
            raise ValueError(f'rate: found {self.rate!r}, expected a count and a time such as "30/1m" or "1/1s"')

    @property
    def limit(self) -> Limit | None:
        """The rate as a number; None where there is no limit."""
        return None if self.rate is None else _rate(self.rate)


KEYS = tuple(f.encode_name for f in msgspec.structs.fields(ChannelRules))


class Gathering(msgspec.Struct, frozen=True):
    """How a route gathers notices for people."""

    by: tuple[str, ...] = ()
    wait: timedelta = timedelta(seconds=10)
    interval: timedelta = timedelta(minutes=5)
    first: int = 10


_UNIT_S = {"s": 1, "m": 60, "h": 3600}


def _rate(text: str) -> Limit | None:
    match = re.fullmatch(r"([1-9]\d{0,5})/([1-9]\d{0,3})?([smh])", text, re.ASCII)
    return Limit(int(match[1]), int(match[2] or 1) * _UNIT_S[match[3]]) if match else None


def channel_problems(
    name: str, rules: ChannelRules, is_for_people: bool, names: Sequence[str]
) -> list[tuple[str, str]]:
    """Key and sentence of each thing in the rules of a notifier that cannot work; `names` are those of all notifiers."""
    found = []
    if rules.fallback == name:
        found.append(("fallback", f"found {name!r}, the notifier itself; name another one"))
    elif rules.fallback is not None and rules.fallback not in names:
        known = ", ".join(n for n in names if n != name) or "none"
        found.append(("fallback", f"no notifier {rules.fallback!r}; there are: {known}"))
    limit = rules.limit
    if limit is not None and is_for_people and limit.count / limit.seconds * 60 > MOST_A_MINUTE:
        found.append(("rate", f'found "{rules.rate}", expected at most {MOST_A_MINUTE} a minute to people'))
    return found


def gathering_problems(gathering: Gathering, targets: Mapping[str, bool]) -> list[tuple[str, str]]:
    """Key and sentence of what makes a storm, or gathers nothing; `targets` by name: whether people read it."""
    found = [("group_by", what) for key in gathering.by if (what := _unknown_key(key))]
    people = [name for name, is_for_people in targets.items() if is_for_people]
    if not people:
        what = "gathers nothing: none of the route's targets is mail, a short message or a chat; leave it out"
        found.append(("group_by", what))
    elif gathering.interval < SHORTEST_INTERVAL:
        least = int(SHORTEST_INTERVAL.total_seconds())
        what = f'found {int(gathering.interval.total_seconds())} s with {people[0]!r}, a storm; expected at least "{least}s"'
        found.append(("group_interval", what))
    if gathering.wait > gathering.interval:
        found.append(("group_wait", "is longer than group_interval; expected at most that"))
    return found


def _unknown_key(key: str) -> str | None:
    if key in GROUP_BY or (key.startswith(LABEL) and key != LABEL):
        return None
    return f"found {key!r}, expected one of {', '.join(GROUP_BY)}, label.NAME"
