"""What each watcher of the whole book remembers: kept with every commit, handed back after a restart."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import NamedTuple

import msgspec

from monitor.core.alerts.alert import GroupRef
from monitor.core.alerts.silences import Silence
from monitor.core.alerts.trouble import Trouble
from monitor.core.groups.lever_states import LeverInForce, LeversState, OpenProposal
from monitor.core.instants import time_at
from monitor.core.prices.decisions import Decision, PriceStanding
from monitor.core.prices.flapping import Flap
from monitor.core.stages.stages import Ack, Stage

Notices = Mapping[str, tuple[int, str | None]]
"""What older versions kept for all watchers together: by `kind|subject` a count, and what was said last."""


class Told(NamedTuple):
    """What the desk was told of one thing."""

    times: int = 0
    """How often: the sequence of the last alert about it."""
    last: str | None = None
    """What was said last, while it holds; None once it is over."""


class FundState(msgspec.Struct, frozen=True):
    """What was said of the insurance fund, and the rhythm in which it is looked at."""

    told: Told = Told()
    looked_at: datetime | None = None
    due: datetime | None = None
    """When the next look is due; None while nothing has changed."""


class FeedTold(msgspec.Struct, frozen=True):
    """What was said of the blindness that one feed brought, by coins."""

    times: int = 0
    """How often: the sequence of the last alert about it."""
    episode: int = 0
    listed: tuple[str, ...] = ()
    """Coins that were said to be gone with it, and not yet to be back."""
    back: tuple[str, ...] = ()
    """Those of them that are back, which is not said yet."""
    held: Mapping[str, datetime] = {}
    """Coins that went, which is not said yet: others may follow within seconds."""
    due: datetime | None = None
    """When what is not said yet is said at last."""
    flap: Flap | None = None


class BlindnessState(msgspec.Struct, frozen=True):
    """What was said of prices that are not trusted."""

    feeds: Mapping[str, FeedTold] = {}
    flaps: Mapping[str, Flap] = {}
    """By asset."""


class MissingTold(NamedTuple):
    """Since when a needed coin has no price, and what was said of the groups that may stand worse than they seem."""

    since: datetime
    times: int = 0
    is_told: bool = False
    worst: Mapping[str, int] = {}
    """By group, the rank of the worst band that was said of it."""
    is_over: bool = False
    """It has a price, or is not needed any more; kept for the count."""

    def is_news(self, worst: Mapping[str, int]) -> bool:
        """A group is in danger of which that was not said, or in a worse one."""
        return any(rank > self.worst.get(group, -1) for group, rank in worst.items())


class MissingLook(NamedTuple):
    """The last look at groups whose coins have no price."""

    at: datetime | None = None
    has_changed: bool = True
    """Prices, groups or rules are others since."""


class ContradictionTold(msgspec.Struct, frozen=True):
    """What was said of a coin whose sources contradict each other."""

    since: datetime
    due: datetime | None = None
    """When it is said for the first time or again, or that it is over; None once that is said."""
    is_told: bool = False
    is_over: bool = False
    """The sources agree again."""


class ContradictionState(msgspec.Struct, frozen=True):
    """What was said of sources that contradict each other."""

    coins: Mapping[str, ContradictionTold] = {}
    """Those that go on, or whose end is not said yet."""
    times: Mapping[str, int] = {}
    """By subject: the sequence of the last alert about it."""


class FeedsState(msgspec.Struct, frozen=True):
    """What was said of the clocks of feeds, and of our own."""

    clocks: Mapping[str, Told] = {}
    """By feed: whether its clock is said to be off. Ours has the name ""."""


class DecisionState(msgspec.Struct, frozen=True):
    """What operators have decided about prices."""

    in_force: tuple[Decision, ...] = ()
    """In the order in which they were made."""
    said: dict[str, int] = {}
    """By asset: how many alerts there were about decisions."""


class BookState(msgspec.Struct, frozen=True):
    """What is known of the book of one source."""

    as_of: datetime | None = None
    """The time of the book; None before it was read for the first time."""
    seen_at: datetime | None = None
    """When it was read last."""
    position: str = ""
    """Where the source goes on after a restart, in its own words."""
    version: str = ""
    """What the source calls the state that was read last."""
    counts_from: datetime | None = None
    """Its limit counts from here at the earliest: it was not read yet since the start."""
    told: Told = Told()
    """What is said of its age: `book.stale` or `book.outdated`."""


class InHand(msgspec.Struct, frozen=True):
    """Somebody has an alert in hand."""

    by: str
    at: datetime
    note: str = ""


class OpenEscalation(msgspec.Struct, frozen=True):
    """A critical alert that nobody has in hand, or that somebody has taken in hand while it goes on."""

    key: str
    """`group|G-1`, or the type and the subject of an alert that is about no group's stage."""
    name: str
    """Of the [[escalation]]."""
    alert: str
    type: str
    subject: str
    since: datetime
    due: datetime | None
    """When the next step comes; None while none does."""
    group: GroupRef | None = None
    stage: Stage | None = None
    """The stage that the alert told of, where that is what must be acknowledged."""
    episode: int = 0
    taken: int = 0
    """Steps so far."""
    last: str | None = None
    """The alert of the last step."""
    last_people: tuple[str, ...] = ()
    """Whom that step asked."""
    asked: tuple[str, ...] = ()
    """Everybody who was asked."""
    answers: tuple[InHand, ...] = ()


class WatcherStates(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One field a watcher."""

    noticed: dict[str, dict[str, Told]] = {}
    """By the type of the alert and its subject."""
    prices: dict[str, Told] = {}
    """By asset: whether it is said that no price of it was ever seen."""
    fund: FundState = FundState()
    concentration: dict[str, Told] = {}
    """By subject, such as `asset:BTC`: whether it is said to be above its share."""
    rules: dict[str, int] = {}
    """By product: how often a change of its rules was said."""
    silences: tuple[Silence, ...] = ()
    """Those in force, in the order in which they were made."""
    blindness: BlindnessState = BlindnessState()
    contradictions: ContradictionState = ContradictionState()
    missing: dict[str, MissingTold] = {}
    missing_look: MissingLook = MissingLook()
    """By coin."""
    unknown_coins: dict[str, Told] = {}
    """By coin: whether it is said that nobody knows it."""
    feeds: FeedsState = FeedsState()
    decisions: DecisionState = DecisionState()
    escalations: tuple[OpenEscalation, ...] = ()
    """In the order in which they began."""
    books: dict[str, BookState] = {}
    """By source."""
    levers: LeversState = LeversState()
    troubles: tuple[Trouble, ...] = ()
    """What was noticed and is not mended, the oldest of it."""


ActedOn = Ack | Silence | PriceStanding | OpenEscalation | OpenProposal | LeverInForce | None
"""What an operator's act is about, as it stands."""


def from_notices(notices: Notices, silences: tuple[Silence, ...] = ()) -> WatcherStates:
    """The states that older versions kept in one dict of notices."""
    noticed: dict[str, dict[str, Told]] = {}
    for key, (count, last) in notices.items():
        kind, _, subject = key.partition("|")
        noticed.setdefault(kind, {})[subject] = Told(count, last)
    prices, concentration = noticed.pop("price.missing", {}), noticed.pop("exposure.concentration", {})
    rules = {kind: told.times for kind, told in noticed.pop("rules.changed", {}).items()}
    fund, look = noticed.pop("fund.exceeded", {}).get("fund", Told()), noticed.pop("fund.look", {}).get("fund", Told())
    looked_at, due = _time_of(look.times), _time_of(int(look.last or 0))
    return WatcherStates(noticed, prices, FundState(fund, looked_at, due), concentration, rules, silences)


def _time_of(microseconds: int) -> datetime | None:
    """The times of looks were kept as counts since 1970; 0 where there was none."""
    return time_at(microseconds) if microseconds else None
