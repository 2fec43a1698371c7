"""What lists show: which groups are wanted, in which order, and from which place on.

Worker threads read the lists while core's thread goes on. It shows the live state of core, on the prices published
last. So the stage and the deadline of a row may be a few milliseconds ahead of the commit that makes them durable, and during
an outage of the store as far ahead as the outage lasts. That is intended: a row is a look, the alert log is the record, and
only committed changes enter that log or answer a request. A second copy of every state would cost a million groups more than
their debts do. A reader of the stream loses nothing: rows go out after a publication, never before it.

`PlainGroupLists` is exact and slow, and the reference; the engine's `ColumnarGroupLists` gives the same pages of a million.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Annotated, Any, NamedTuple, Protocol

import msgspec

from monitor.core.groups.outcome import Sight
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import Prices, Scope, within
from monitor.core.instants import micros_of
from monitor.core.loans.group import Group
from monitor.core.money import CENT, ONE, ZERO, exact, round_down
from monitor.core.stages.ahead import lines_ahead
from monitor.core.stages.stages import STAGE_RANK, GroupState
from monitor.core.valuation.remedies import next_line, terms_of
from monitor.core.valuation.shown_figures import ltv_of
from monitor.core.valuation.valuation import Holding, Weight, weigh

SORTS = ("ltv", "id", "debt_usd", "deadline")
"""Worst first."""
UNRECOGNISED, UNKNOWN, KNOWN = range(3)
"""Within a stage what cannot be valued comes before what can."""
KINDS = 3
_LAST_PLACE = len(STAGE_RANK) * KINDS - 1


class GroupQuery(msgspec.Struct, frozen=True):
    """Which groups are wanted, in which order."""

    stages: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    labels: Scope = ()
    q: str = ""
    sort: str = "ltv"
    limit: int = 100
    after: str | None = None

    @property
    def order(self) -> str:
        """One of SORTS."""
        return self.sort.removeprefix("-")

    @property
    def is_reversed(self) -> bool:
        """The order is reversed, but rows without a value still come last."""
        return self.sort.startswith("-")

    @property
    def text(self) -> str:
        """What must be mentioned, in small letters."""
        return self.q.lower()


class GroupPage(NamedTuple):
    """Rows, and the cursor of the next page or None."""

    rows: list[Sight]
    next: str | None
    is_partial: bool = False
    """Some groups stand in it as unknown because nobody watches them."""


class Counts(NamedTuple):
    """How the groups stand."""

    stages: Mapping[str, int]
    unknown: int
    blind: int
    total: int
    is_partial: bool = False
    """Some of the unknown ones are so because nobody watches them."""


class BadCursor(ValueError):
    """A cursor that this list did not give, or gave in another order."""


class Key(NamedTuple):
    """Where a row stands in an order; no two rows stand at the same place, as ids differ."""

    place: int
    """Stage and kind for the order by LTV; elsewhere 1 behind all rows that have a value, 0 among them."""
    value: Decimal
    """LTV negated, debt, or microseconds since 1970; zero where there is none."""
    id: str


class GroupLists(Protocol):
    """All groups as lists show them. Any thread may ask."""

    def sight(self, group_id: str, prices: Prices) -> Sight | None:
        """One group, or None."""

    def state(self, group_id: str) -> GroupState | None:
        """Where one group stands, or None."""

    def page(self, query: GroupQuery, scope: Scope, prices: Prices) -> GroupPage:
        """A page of the list. Raises BadCursor."""

    def counts(self, scope: Scope, prices: Prices) -> Counts:
        """Groups by stage, and how many are unknown or blind."""

    def debts(self, scope: Scope, prices: Prices) -> Mapping[str, Decimal]:
        """The debt by stage, in whole USD rounded down; a group that lacks a price counts nothing."""

    def nearest(self, prices: Prices) -> Mapping[str, Decimal]:
        """By stage: the least percent by which the recognised value of a group may fall until the next line of its stage
        beyond the initial one; 0 where none is ahead. Groups that have nothing, or that cannot be valued, are left out."""

    def needed(self, scope: Scope) -> frozenset[str]:
        """Assets whose price decides about some group."""


class PlainGroupLists:
    """Every group looked at, every figure exact. `records` gives a list that nobody changes, in any thread."""

    def __init__(self, records: Callable[[], list[GroupRecord]]) -> None:
        self._records = records

    def sight(self, group_id: str, prices: Prices) -> Sight | None:
        return next((seen(record, prices) for record in self._records() if record.group.id == group_id), None)

    def state(self, group_id: str) -> GroupState | None:
        return next((record.state for record in self._records() if record.group.id == group_id), None)

    def page(self, query: GroupQuery, scope: Scope, prices: Prices) -> GroupPage:
        start, order, is_reversed = start_of(query), query.order, query.is_reversed
        keyed = ((key_of(s, order, is_reversed), s) for s in self.wanted(query, scope, prices))
        if start is not None:
            keyed = ((k, s) for k, s in keyed if (k < start if is_reversed else k > start))
        pick = heapq.nlargest if is_reversed else heapq.nsmallest
        # No two keys are equal, so sights are never compared.
        found = pick(query.limit + 1, keyed)
        rows = [s for _, s in found[: query.limit]]
        return GroupPage(rows, cursor_of(query.sort, found[query.limit - 1][0]) if len(found) > query.limit else None)

    def counts(self, scope: Scope, prices: Prices) -> Counts:
        stages: Counter[str] = Counter(dict.fromkeys(STAGE_RANK, 0))
        unknown = 0
        blind = 0
        for record in self._within(scope):
            stages[record.state.stage] += 1
            assets = record.held.assets
            is_unknown = any(a not in prices.usd for a in assets)
            unknown += is_unknown
            blind += is_unknown or not prices.untrusted.isdisjoint(assets)
        return Counts(stages, unknown, blind, stages.total())

    def debts(self, scope: Scope, prices: Prices) -> Mapping[str, Decimal]:
        sums = dict.fromkeys(STAGE_RANK, ZERO)
        with exact():
            for record in self._within(scope):
                weight = seen(record, prices).weight
                sums[record.state.stage] += ZERO if weight is None else weight.debt
        return {stage: round_down(owed, ONE) for stage, owed in sums.items()}

    def nearest(self, prices: Prices) -> Mapping[str, Decimal]:
        found: dict[str, Decimal] = {}
        with exact():
            for record in self._records():
                weight = seen(record, prices).weight
                if weight is not None and (weight.debt or weight.recognised > 0):
                    room = _room(weight, record.held, record.state.stage)
                    found[record.state.stage] = min(room, found.get(record.state.stage, room))
        return found

    def needed(self, scope: Scope) -> frozenset[str]:
        return frozenset().union(*{record.held.assets for record in self._within(scope)})

    def wanted(self, query: GroupQuery, scope: Scope, prices: Prices) -> Iterator[Sight]:
        """The groups that a query is about, in no order."""
        for record in self._records():
            if is_wanted(record.group, record.state.stage, query, scope):
                yield seen(record, prices)

    def _within(self, scope: Scope) -> list[GroupRecord]:
        records = self._records()
        return [record for record in records if within(scope, record.group.labels)] if scope else records


def _room(weight: Weight, held: Holding, stage: str) -> Decimal:
    """Percent until the next line of a stage that calls for an act; the initial one only bounds what may be borrowed."""
    ahead = [name for name in lines_ahead(stage) if name != "initial"]
    found = next_line(weight, held.lines, terms_of(held.lines, held.version), CENT, ahead)
    return ZERO if found is None else found.distance_percent


def is_wanted(group: Group, stage: str, query: GroupQuery, scope: Scope) -> bool:
    """A group in this stage is one that the query is about."""
    return (
        (not query.stages or stage in query.stages)
        and (not query.products or group.product in query.products)
        and within((*scope, *query.labels), group.labels)
        and (not query.q or mentions(query.text, group.id, group.receiving_account, *group.labels.values()))
    )


def mentions(text: str, *words: str) -> bool:
    """One of the words holds the text, which is in small letters."""
    return any(text in word.lower() for word in words)


def seen(record: GroupRecord, prices: Prices) -> Sight:
    """A group on these prices. Each attribute is read once: core's thread may replace it, but changes no value in place."""
    held = record.held
    weight = seen_weight(held, prices.usd)
    is_blind = weight is None or record.is_unwatched or not prices.untrusted.isdisjoint(held.assets)
    return Sight(record.group, record.state, held, weight, is_blind, record.source, record.version, record.put_at)


def seen_weight(held: Holding, usd: Mapping[str, Decimal]) -> Weight | None:
    """What a holding weighs at these prices; None while one is missing."""
    try:
        with exact():
            return weigh(held, usd)
    except KeyError:
        return None


def key_of(sight: Sight, order: str, is_reversed: bool) -> Key:
    """Where a row stands: the worst first by LTV, by rising value elsewhere; compared from behind where reversed."""
    weight, id_ = sight.weight, sight.group.id
    if order == "ltv":
        ltv = (ltv_of(sight.held, weight) if weight is not None else None) or ZERO
        return Key(STAGE_RANK[sight.state.stage] * KINDS + kind_of(weight), ltv.copy_negate(), id_)
    if order == "debt_usd":
        return Key(int((weight is None) != is_reversed), weight.debt if weight else ZERO, id_)
    if order == "deadline":
        due = sight.state.deadline
        return Key(int((due is None) != is_reversed), ZERO if due is None else Decimal(micros_of(due)), id_)
    return Key(0, ZERO, id_)


def kind_of(weight: Weight | None) -> int:
    """UNRECOGNISED, UNKNOWN or KNOWN."""
    if weight is None:
        return UNKNOWN
    return UNRECOGNISED if weight.debt and weight.recognised <= 0 else KNOWN


_Place = Annotated[int, msgspec.Meta(ge=0, le=_LAST_PLACE)]


def cursor_of(sort: str, key: Key) -> str:
    """The cursor of the page that begins behind a key."""
    return encoded((sort, *key))


def start_of(query: GroupQuery) -> Key | None:
    """The key behind which the page begins; None at the start of the list. Raises BadCursor."""
    if query.after is None:
        return None
    problem = "is not a cursor of this list in this order; start without one"
    made_for, *key = decoded(query.after, tuple[str, _Place, Decimal, str], problem)
    if made_for != query.sort or not key[1].is_finite():
        raise BadCursor("is a cursor of another order; start without one")
    return Key(*key)


def encoded(place: tuple[Any, ...]) -> str:
    """A cursor out of a place in a list."""
    return base64.urlsafe_b64encode(msgspec.json.encode(place)).decode().rstrip("=")


def decoded(cursor: str, kind: Any, problem: str) -> Any:
    """The place that a cursor was made of. Raises BadCursor with `problem` where it is none."""
    try:
        raw = base64.b64decode(cursor + "=" * (-len(cursor) % 4), altchars=b"-_", validate=True)
        return msgspec.json.decode(raw, type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise BadCursor(problem) from None
