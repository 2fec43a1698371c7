"""What the web sees: the book as it was published last, and the daemon behind it.

`publish` runs on the event loop and only stores references. Queries run in worker threads, on lists of groups. Counts of a
million groups and other dear answers are made at a bounded rate for all who ask.
"""

from __future__ import annotations

import threading
from collections.abc import Awaitable, Callable, Collection, Hashable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import msgspec

from monitor.ack_links import AckLinks
from monitor.clock import Clock
from monitor.core.alerts.alert import Alert
from monitor.core.alerts.silences import Silence
from monitor.core.alerts.trouble import Trouble
from monitor.core.events.events import Noticed
from monitor.core.groups.outcome import Publication, Sight, SourceView
from monitor.core.groups.snapshot import Prices, Scope, sees
from monitor.core.groups.watcher_states import BookState, OpenEscalation
from monitor.core.portfolio.group_list import Counts, GroupLists, GroupPage, GroupQuery
from monitor.core.portfolio.rules_preview import ReloadEffect
from monitor.core.prices.decisions import Decision
from monitor.core.prices.quote import Mark
from monitor.core.queries.inbox import Inbox
from monitor.core.queries.prices_shown import PriceItem, decision_shown, price_shown
from monitor.core.queries.shards_shown import ShardList
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import GroupState
from monitor.core.valuation.clearance import FundSight
from monitor.feeds._base import FeedStats
from monitor.imports.desk import ImportDesk
from monitor.lease.state import LeaseHead
from monitor.notifiers._base import ChannelState, Notice
from monitor.people import Contacts
from monitor.stores._base import Audit, Delivery, Store, Target
from monitor.telemetry import Health, Metrics
from monitor.web.subscriptions import SubscriptionDesk, TestedEndpoint

T = TypeVar("T")

REST_S = 0.25
"""Counts are made again after this time at the soonest: no person reads more than four changes a second."""
REST_SHARE = 4
"""A value is made again after four times its own cost at the soonest: it takes a quarter of a core at most."""
KEPT_VALUES = 1024
"""Streams have 500 different pages at most, tokens a handful of scopes. Beyond that the cache starts again."""


class Made(NamedTuple):
    """A value, the generation of the view that it was made on, and until when it may be shown though prices move."""

    generation: int
    value: Any
    rests_until_s: float


class Paced:
    """Makes a value once for all who ask: again only after something moved, and no more often than its cost allows."""

    def __init__(self, clock: Clock, rest_s: float = 0.0, most: int = KEPT_VALUES) -> None:
        self._clock = clock
        self._rest_s = rest_s
        self._most = most
        self._made: dict[Hashable, Made] = {}

    def get(self, key: Hashable, generation: int) -> Made | None:
        """The value made before, if it may still be shown."""
        made = self._made.get(key)
        if made is not None and (made.generation == generation or self._clock.monotonic_s() < made.rests_until_s):
            return made
        return None

    def make(self, key: Hashable, generation: int, work: Callable[[], Any]) -> Made:
        """Makes the value. Read `generation` first: a change meanwhile must not count as seen."""
        began_s = self._clock.monotonic_s()
        value = work()
        cost_s = self._clock.monotonic_s() - began_s
        made = Made(generation, value, began_s + max(self._rest_s, REST_SHARE * cost_s))
        if len(self._made) >= self._most:
            self._made.clear()
        self._made[key] = made
        return made

    def keep_only(self, keys: set[Any]) -> None:
        """Forgets every value but those of these keys."""
        self._made = {key: made for key, made in self._made.items() if key in keys}


class View:
    """The published book. `cursor` is the end of the alert log at the start (the store's snapshot has it)."""

    def __init__(self, group_lists: GroupLists, clock: Clock, cursor: int = 0) -> None:
        self.cursor = cursor
        """The highest cursor of the alert log that was published."""
        self.generation = 0
        """Grows with each publication that may change figures."""
        self.listeners: list[Callable[[Publication], None]] = []
        self.marks: Mapping[str, Mark] = {}
        self.silences: tuple[Silence, ...] = ()
        """The silences in force."""
        self.decisions: tuple[Decision, ...] = ()
        """What operators have decided about prices, as far as it is in force."""
        self.escalations: tuple[OpenEscalation, ...] = ()
        """Critical alerts that people are asked about."""
        self.books: Mapping[str, BookState] = {}
        """By source of loans: how fresh its book is."""
        self.troubles: tuple[Trouble, ...] = ()
        """What is not known or not in order."""
        self._trouble_changes = 0
        self.sources: Mapping[str, SourceView] = {}
        """What core finds of each feed."""
        self.published = Prices()
        """The prices that were published last. Every figure rests on these."""
        self.fund: FundSight | None = None
        """The insurance fund as core looked at it last; None where none is configured."""
        self._group_lists = group_lists
        self._paced = Paced(clock, REST_S)
        self._making = threading.Lock()

    def publish(self, publication: Publication) -> None:
        """Takes what was committed. Runs on the event loop; must not wait."""
        self.generation += publication.moved
        self.marks, usd, untrusted = publication.prices
        self.silences = publication.silences
        self.decisions = publication.decisions
        self.escalations = publication.escalations
        self.books = publication.books
        self.sources = publication.sources
        if publication.troubles != self.troubles:
            self.troubles = publication.troubles
            self._trouble_changes += 1
        self.published = Prices(usd, untrusted)
        self.fund = publication.fund
        for logged in publication.alerts:
            if logged.durable:
                self.cursor = max(self.cursor, logged.cursor)
        for listener in self.listeners:
            listener(publication)

    def sight(self, group_id: str) -> Sight | None:
        """One group, or None. For a worker thread."""
        return self._group_lists.sight(group_id, self.published)

    def state(self, group_id: str) -> GroupState | None:
        """The stage of one group, or None. For a worker thread."""
        return self._group_lists.state(group_id)

    def groups(self, query: GroupQuery, scope: Scope = ()) -> GroupPage:
        """A page of the list. Raises BadCursor. For a worker thread."""
        found = self._group_lists.page(query, scope, self.published)
        return found._replace(rows=[told(sight, scope) for sight in found.rows]) if scope else found

    def counts(self, scope: Scope = ()) -> Counts:
        """Groups by stage, and how many are unknown or blind; may be a moment old. For a worker thread."""
        return self._shared(("counts", scope), lambda: self._group_lists.counts(scope, self.published))

    def debts(self, scope: Scope = ()) -> Mapping[str, Decimal]:
        """Debt by stage, in whole USD; may be a moment old. For a worker thread."""
        return self._shared(("debts", scope), lambda: self._group_lists.debts(scope, self.published))

    def nearest(self) -> Mapping[str, Decimal]:
        """Percent until the next line of the nearest group, by stage; may be a moment old. For a worker thread."""
        return self._shared("nearest", lambda: self._group_lists.nearest(self.published))

    def needed(self, scope: Scope = ()) -> frozenset[str]:
        """Assets whose price decides about some group; may be a moment old. For a worker thread."""
        return self._shared(("needed", scope), lambda: self._group_lists.needed(scope))

    def priced(self, scope: Scope = ()) -> set[str]:
        """Every asset that has a price or that a group needs. For a worker thread."""
        return {*self.marks, *self.published.usd, *self.needed(scope)}

    def unwatched(self) -> frozenset[str]:
        """Subjects of the refused lines whose groups are not watched at all; may be a moment old. For a worker thread."""
        return self._shared("unwatched", self._unwatched, self._trouble_changes)

    def _unwatched(self) -> frozenset[str]:
        """The same group may stand in two lines: it counts once."""
        found: dict[str, str] = {}
        for each in self.troubles:
            if each.is_of_a_line and (each.group is None or self.state(each.group) is None):
                found.setdefault(each.group or each.subject, each.subject)
        return frozenset(found.values())

    def price(self, asset: str, rules: Rules, at: datetime) -> PriceItem:
        """One asset's price as it is shown at a time."""
        shown = price_shown(asset, self.marks, self.published.usd, self.published.untrusted, rules, at)
        mine = [decision_shown(d) for d in self.decisions if d.asset == asset]
        return msgspec.structs.replace(shown, decisions=mine) if mine else shown

    def distrusted(self, scope: Scope = ()) -> tuple[frozenset[str], frozenset[str]]:
        """Assets that groups need, and those of them whose price is missing or not trusted. For a worker thread."""
        needed = self.needed(scope)
        on = self.published
        return needed, frozenset(a for a in needed if a not in on.usd or a in on.untrusted)

    def _shared(self, key: Hashable, work: Callable[[], T], generation: int | None = None) -> T:
        """Lets threads wait while one of them makes a value. It holds as long as its generation, by default the view's."""
        with self._making:
            of = self.generation if generation is None else generation
            made = self._paced.get(key, of) or self._paced.make(key, of, work)
            value: T = made.value
            return value


def told(sight: Sight, scope: Scope) -> Sight:
    """A group as a scope sees it: without the acknowledgement of somebody who had the group before."""
    ack = sight.state.ack
    if ack is None or sees(scope, ack.labels):
        return sight
    return sight._replace(state=msgspec.structs.replace(sight.state, ack=None))


class StatedSource(NamedTuple):
    """A source of loans or rates, as the configuration states it."""

    name: str
    kind: str
    gives: str
    """`loans` or `rates`."""
    path: str | None = None
    seen_at: datetime | None = None
    """When a source of rates was read last; of books the view knows."""


class Daemon(msgspec.Struct, frozen=True, kw_only=True):
    """What the daemon hands over to the web."""

    view: View
    inbox: Inbox
    store: Store
    health: Health
    metrics: Metrics
    feeds: Mapping[str, FeedStats]
    rules: Callable[[], Rules]
    clock: Clock
    on_retry: Callable[[Delivery], None] = lambda _: None
    """Gets a delivery that an operator made due at once."""
    channels: Callable[[], Sequence[ChannelState]] = tuple
    links: AckLinks | None = None
    """Reads the links by which people acknowledge."""
    contacts: Callable[[], Contacts] = dict
    """How the people of the desk are reached."""
    owners: Callable[[], Mapping[str, str]] = dict
    """Whose a token is, by its name."""
    zone: Callable[[], str | None] = lambda: None
    """The desk's time zone, in which people read deadlines beside UTC."""
    public_labels: Callable[[], Collection[str]] = tuple
    """Labels that borrowers are told."""
    sms_secret: str = ""
    """With it a gateway signs the replies that it hands over; empty where none are taken."""
    enable: Callable[[str, Audit], Awaitable[bool]] | None = None
    """Switches a channel on; False where it was on, and then nothing is audited."""
    disable: Callable[[str, str, Audit], Awaitable[bool]] | None = None
    """Switches a channel off, with a reason."""
    test: Callable[[str, Notice], Awaitable[TestedEndpoint]] | None = None
    """Makes one attempt at a channel with a test notice."""
    route: Callable[[Alert], Sequence[Target]] = lambda _: ()
    """Where an alert goes by the routes and endpoints of now."""
    endpoints: SubscriptionDesk | None = None
    """The endpoints that are made by API."""
    tell: Callable[[Noticed], object] = lambda _: None
    """Has the desk told of something. Does not wait."""
    scenarios: Path = Path("scenarios")
    """The folder of the scenarios that a stress may name."""
    instance: str = ""
    """Says of which configuration the daemon is, so that a command knows whether it asks the right one."""
    reload: Callable[[str, bool, bool], Awaitable[ReloadEffect]] | None = None
    """Takes over the file of the configuration: for whom, whether held rules are confirmed, whether only to say what it would
    do. Raises schema.Invalid."""
    shards: Callable[[], ShardList] = lambda: ShardList([], 0)
    """Where the book is held, if it is spread. For a worker thread."""
    sources: Callable[[], Sequence[StatedSource]] = tuple
    """Where loans and rates come from."""
    imports: ImportDesk | None = None
    """Takes a desk's own tables."""
    head: LeaseHead | None = None
    """The lease; None where the daemon is alone."""
