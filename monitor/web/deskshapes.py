"""Answers about what operators do and see: acknowledgements, silences, a group over time, sessions, channels."""

from __future__ import annotations

from typing import Literal

import msgspec

from monitor.core.alerts.matching import Match
from monitor.core.alerts.payload import AckShown, StageChange
from monitor.stores._base import DeliveryState


class _Shape(msgspec.Struct, frozen=True):
    pass


class LtvItem(_Shape, frozen=True):
    """LTV from `at` on for one step: the lowest, the highest and the last that was seen; null where there was none.

    `blind`: a price was not trusted at some time in it; `unknown`: one was missing; `unrecognised`: nothing was recognised;
    `gap`: nothing was kept from `at` until the next point.
    """

    at: str
    low: str | None
    high: str | None
    last: str | None
    blind: bool = False
    unknown: bool = False
    unrecognised: bool = False
    gap: bool = False


class LtvHistory(_Shape, frozen=True):
    """What was kept of a group's LTV, oldest first; each point covers `step_s` seconds."""

    id: str
    from_: str = msgspec.field(name="from")
    to: str
    step_s: int
    items: list[LtvItem]


class ToldItem(_Shape, frozen=True):
    """Who was told of an alert, and when; `delivered_at` is null while that has not happened."""

    delivery: str
    notifier: str
    to: list[str]
    state: DeliveryState
    attempts: int
    delivered_at: str | None
    detail: str


class TimelineItem(_Shape, frozen=True, omit_defaults=True, kw_only=True):
    """Something that happened to a group.

    `kind` is `stage` or `alert` with what was said and who was `told`; or `ack`, `entry` or `book` with `action` and `who`.
    """

    kind: Literal["stage", "alert", "ack", "entry", "book"]
    at: str
    id: str | None = None
    cursor: int | None = None
    type: str | None = None
    severity: str | None = None
    episode: int | None = None
    stage: StageChange | None = None
    reason: str | None = None
    ltv: str | None = None
    deadline: str | None = None
    blind: bool = False
    silenced_by: str | None = None
    told: list[ToldItem] = []
    action: str | None = None
    who: str | None = None
    note: str | None = None
    until: str | None = None


class GroupTimeline(_Shape, frozen=True):
    """What happened to a group, oldest first."""

    items: list[TimelineItem]
    next: str | None


class AckAnswer(_Shape, frozen=True):
    """What was acknowledged."""

    alert: str
    group: str
    acknowledged: AckShown


class SilenceItem(_Shape, frozen=True):
    """A silence in force."""

    id: str
    match: Match
    until: str
    reason: str
    up_to: str | None
    even_worse: bool
    by: str
    at: str


class SilenceList(_Shape, frozen=True):
    """Silences in force, by id."""

    items: list[SilenceItem]
    next: str | None


class HiddenGroup(_Shape, frozen=True):
    """A group that a silence would be about, and what of it would be hidden at worst."""

    id: str
    product: str
    stage: str
    up_to: str


class HiddenGroups(_Shape, frozen=True):
    """Groups in a bad stage that a silence would be about; the first 100 are listed. `whole`: all were looked at."""

    count: int
    items: list[HiddenGroup]
    whole: bool


class HiddenAlert(_Shape, frozen=True):
    """An alert that a silence would have hidden."""

    id: str
    cursor: int
    type: str
    severity: str
    subject: str
    timestamp: str


class HiddenAlerts(_Shape, frozen=True):
    """Alerts of the last 24 hours that match: `hidden` would have been, `told` not, as worse or as good news."""

    hidden: int
    told: int
    types: dict[str, int]
    items: list[HiddenAlert]
    whole: bool


class SilencePreview(_Shape, frozen=True):
    """What a silence would hide, were it made now. Nothing is made."""

    groups: HiddenGroups
    alerts: HiddenAlerts


class SessionItem(_Shape, frozen=True):
    """Who asks. `tokens`: the daemon has some; `cookie`: a session says who it is, and `until` when it ends."""

    name: str
    role: str
    may: list[str]
    scope: dict[str, str]
    tokens: bool
    cookie: bool
    until: str | None


class ChannelItem(_Shape, frozen=True):
    """One notifier. `breaker`: open while it is only probed. Times of the last attempts are since the daemon's start."""

    name: str
    kind: str
    breaker: str
    queued: int
    oldest_at: str | None
    oldest_age_s: float | None
    last_delivered_at: str | None
    last_failed_at: str | None
    last_failure: str | None


class ChannelList(_Shape, frozen=True):
    """Notifiers by name."""

    items: list[ChannelItem]
    next: str | None
