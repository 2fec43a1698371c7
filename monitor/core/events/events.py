"""All that can happen to the monitor. Each event is frozen and has `at` in UTC; there is no side door."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from itertools import chain
from typing import Any

import msgspec

from monitor.core.events.entries import Entry
from monitor.core.events.levers import OperatorSays
from monitor.core.loans.group import Group, GroupBatch
from monitor.core.prices.quote import Frame, Quote, assets_of
from monitor.core.rules.product import RateRow
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import LenderReading

API = "api"
"""The source of groups that were put by API; the caller gets an answer at once."""


class _Event(msgspec.Struct, frozen=True, tag_field="event", tag=str.lower):
    at: datetime


class MarkPrices(_Event, frozen=True, omit_defaults=True):
    """A batch of prices that arrived: frames, and quotes that are newer than what a frame says of their asset."""

    quotes: tuple[Quote, ...]
    frames: tuple[Frame, ...] = ()

    @property
    def assets(self) -> Iterator[str]:
        """The coins that are priced; one may come twice."""
        return chain(*map(assets_of, self.frames), assets_of(self.quotes))


class FeedSaid(_Event, frozen=True, omit_defaults=True):
    """What a feed knows of itself: whether it is connected, why not, which coins it cannot price. Sent when it changes."""

    source: str
    connected: bool
    cause: str = ""
    """Why it is not connected or gives no price, in words; the same words as in `/readyz`."""
    states: Mapping[str, str] = {}
    """By asset: why this feed gives no price of it (settled, not listed, refused), in words."""


class GroupPut(_Event, frozen=True):
    """A group is new, or its holdings are replaced; stage, deadline and episode stay."""

    group: Group
    source: str


class GroupsPut(_Event, frozen=True):
    """As GroupPut of each group of the batch, in its order: a large book comes so."""

    source: str
    batch: GroupBatch


class GroupClosed(_Event, frozen=True, omit_defaults=True, tag="groupended"):
    """A group is no longer watched."""

    group_id: str
    source: str
    is_told: bool = True
    """Whoever was told that it is past a line hears that it is closed. Older monitors told nobody, and their logs fold so."""


class BookEntry(_Event, frozen=True, omit_defaults=True):
    """One entry of a group's book; `id` makes it happen once."""

    group_id: str
    id: str
    entry: Entry
    source: str = API
    """Who sent it; a refusal of one that came by API is the answer to its caller."""
    may_shorten: bool = True
    """A grace period may also be cut short. What older logs hold, and what a book says in the lender's name, may do that."""


class LenderSaid(_Event, frozen=True):
    """What the lender's own system says of some groups: shown and told beside ours, and never good news (decision 80)."""

    source: str
    readings: tuple[LenderReading, ...]


class BookSeen(_Event, frozen=True, omit_defaults=True):
    """A source of loans has read its book, or a batch of it: what it said until then is in the events before this one."""

    source: str
    as_of: datetime
    """The time of the book: what it says was so then. Never later than the reading."""
    position: str = ""
    """What the source wants to get back after a restart. It is never kept before the events before it are."""
    version: str = ""
    """What the source calls this state of its book, such as an ETag or the id of an entry; shown to people."""


class BatchOfBook(_Event, frozen=True):
    """Many events of one source begin, or end: what core refuses of them is one alert where it is much."""

    source: str
    ends: bool


class ProductsChanged(_Event, frozen=True):
    """New rules, settings or products. Timers and deadlines stay."""

    rules: Rules


class RatesChanged(_Event, frozen=True, omit_defaults=True):
    """Flexible rates of a product: a row holds from its time until the next of its coin (core/events/rates.py)."""

    product: str
    source: str
    rows: tuple[RateRow, ...]
    is_whole: bool = False
    """These are all that the source states: those to come that it gave before and does not name now are taken back."""


class ClockJumped(_Event, frozen=True):
    """The wall clock jumped; below zero seconds it was set back, and `at` stands until the wall catches up."""

    seconds: Decimal
    wall: datetime
    """What the clock shows now."""


class ClockSettled(_Event, frozen=True):
    """The wall clock has run true for a while: the desk hears of the next jump in any direction."""


class ClockStood(_Event, frozen=True):
    """The wall was set back, so `at` stands still; the monotonic clock went on by these seconds."""

    seconds: Decimal


class PriceSilent(_Event, frozen=True):
    """No feed spoke of an asset for too long while `at` stood still, so that its deadline could not run."""

    asset: str


class NoticedPart(msgspec.Struct, frozen=True, omit_defaults=True):
    """One of many that were noticed at once."""

    subject: str
    facts: Mapping[str, Any]
    fingerprint: str


class Noticed(_Event, frozen=True, omit_defaults=True):
    """What the shell observed and the desk must know: a refused line, a failing channel, a full disk.

    `kind` is the alert's type. The same `fingerprint` about the same subject is said once; `clears` forgets it.
    """

    kind: str
    subject: str
    facts: Mapping[str, Any]
    fingerprint: str | None = None
    clears: bool = False
    members: tuple[str, ...] = ()
    """Where one alert is about many subjects: each ends by itself."""
    parts: tuple[NoticedPart, ...] = ()
    """Many of one kind at once, each as if it came by itself; those that are news are one alert where they are many."""


class OperatorAct(_Event, frozen=True, omit_defaults=True):
    """An operator has acknowledged something, silences it, pulls a lever, or takes that back."""

    who: str
    """The name of the token."""
    act: OperatorSays
    person: str = ""
    """Whose token it is ([[person]] tokens); empty where nobody's."""
    emergency: str = ""
    """Why nobody else can be asked first (decision 90)."""


class TimePassed(_Event, frozen=True):
    """Nothing happened, but a deadline came."""


Event = (
    MarkPrices
    | FeedSaid
    | GroupPut
    | GroupsPut
    | GroupClosed
    | BookEntry
    | LenderSaid
    | BookSeen
    | BatchOfBook
    | ProductsChanged
    | RatesChanged
    | ClockJumped
    | ClockSettled
    | ClockStood
    | PriceSilent
    | Noticed
    | OperatorAct
    | TimePassed
)
