"""The read model: what was published last, and the queries of the lists.

`publish` runs on the event loop and only stores references; rows are made when a query first needs them. Queries run in
worker threads: they copy the values of one dictionary, which CPython does without letting another thread in between, and
work on that copy.
"""

from __future__ import annotations

import base64
import binascii
import heapq
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from monitor.core.explain import price_shown, row
from monitor.core.lifecycle import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.core.money import ZERO
from monitor.core.outcome import Publication, Sight
from monitor.core.prices import Mark
from monitor.core.product import Rules
from monitor.web.auth import Scope, within

STAGE_RANK = {LIQUIDATION: 0, DELAYED: 1, MARGIN_CALL: 2, NORMAL: 3}
"""Worst first."""
_UNRECOGNISED, _UNKNOWN, _KNOWN = 0, 1, 2
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)

Key = tuple[Any, ...]


class Row:
    """A group as a list shows it; everything beyond the reference to its sight is made when first asked for."""

    __slots__ = ("_json", "_ltv", "sight")

    def __init__(self, sight: Sight) -> None:
        self.sight = sight
        self._ltv: Decimal | None = None
        self._json: bytes | None = None

    @property
    def json(self) -> bytes:
        """The row of INTERFACES section 6, encoded once however many ask."""
        if self._json is None:
            self._json = msgspec.json.encode(row(self.sight))
        return self._json

    @property
    def ltv(self) -> Decimal:
        """As shown; zero where there is none to show."""
        if self._ltv is None:
            weight = self.sight.weight
            self._ltv = (weight.ltv if weight is not None else None) or ZERO
        return self._ltv


class GroupQuery(msgspec.Struct, frozen=True):
    """Which groups are wanted, in which order."""

    stages: frozenset[str] = frozenset()
    products: frozenset[str] = frozenset()
    labels: Scope = ()
    q: str = ""
    sort: str = "ltv"
    limit: int = 100
    after: str | None = None


class Page(NamedTuple):
    """Rows, and the cursor of the next page or None."""

    rows: list[Row]
    next: str | None


class Counts(NamedTuple):
    """How the groups stand."""

    stages: Mapping[str, int]
    unknown: int
    blind: int
    total: int


class BadCursor(ValueError):
    """A cursor that this list did not give in this order."""


class View:
    """What everybody may see. `cursor` is the end of the alert log at start (the store's snapshot has it)."""

    def __init__(self, cursor: int = 0) -> None:
        self.cursor = cursor
        """The highest cursor of the alert log that was published."""
        self.generation = 0
        """Grows with each publication that touched a group."""
        self.listeners: list[Callable[[Publication], None]] = []
        self.marks: Mapping[str, Mark] = {}
        self.usd: Mapping[str, Decimal] = {}
        self.untrusted: frozenset[str] = frozenset()
        self._rows: dict[str, Row] = {}

    def publish(self, publication: Publication) -> None:
        """Takes what was committed. On the event loop; must not wait."""
        rows = self._rows
        for id_, sight in publication.sights.items():
            if sight is None:
                rows.pop(id_, None)
            else:
                rows[id_] = Row(sight)
        self.generation += bool(publication.sights)
        self.marks, self.usd, self.untrusted = publication.marks, publication.usd, publication.untrusted
        for logged in publication.alerts:
            if logged.durable:
                self.cursor = max(self.cursor, logged.cursor)
        for listener in self.listeners:
            listener(publication)

    def row(self, group_id: str) -> Row | None:
        """One group's row, or None."""
        return self._rows.get(group_id)

    def groups(self, query: GroupQuery, scope: Scope = ()) -> Page:
        """A page of the list. Raises BadCursor. For a worker thread."""
        order, reverse = _ORDERS[query.sort.removeprefix("-")], query.sort.startswith("-")
        start = None if query.after is None else _read_cursor(query.after, query.sort)
        keyed = ((order.key(r, reverse), r) for r in self._wanted(query, scope))
        if start is not None:
            keyed = ((k, r) for k, r in keyed if (k < start if reverse else k > start))
        pick = heapq.nlargest if reverse else heapq.nsmallest
        # No two keys are equal, as each ends with the id: rows themselves are never compared.
        found = pick(query.limit + 1, keyed)
        rows = [r for _, r in found[: query.limit]]
        more = len(found) > query.limit
        return Page(rows, _cursor(query.sort, found[query.limit - 1][0]) if more else None)

    def ids(self, scope: Scope) -> frozenset[str]:
        """Ids of all groups within a scope. For a worker thread."""
        return frozenset(r.sight.group.id for r in self._in(scope))

    def counts(self, scope: Scope = ()) -> Counts:
        """Groups by stage, and how many are unknown or blind. For a worker thread."""
        stages: Counter[str] = Counter(dict.fromkeys(STAGE_RANK, 0))
        unknown = blind = total = 0
        for r in self._in(scope):
            total += 1
            stages[r.sight.state.stage] += 1
            unknown += r.sight.weight is None
            blind += r.sight.blind
        return Counts(stages, unknown, blind, total)

    def needed(self, scope: Scope = ()) -> set[str]:
        """Assets whose price decides about some group. For a worker thread."""
        return set().union(*{r.sight.held.assets for r in self._in(scope)})

    def prices(self, rules: Rules, at: datetime, scope: Scope = ()) -> list[dict[str, Any]]:
        """Every asset that has a price or that a group needs, by name. For a worker thread."""
        assets = sorted(self.marks.keys() | self.usd.keys() | self.needed(scope))
        return [self.price(asset, rules, at) for asset in assets]

    def price(self, asset: str, rules: Rules, at: datetime) -> dict[str, Any]:
        """One asset's price as it is shown at a time."""
        return price_shown(asset, self.marks, self.usd, self.untrusted, rules, at)

    def distrusted(self, scope: Scope = ()) -> tuple[set[str], set[str]]:
        """Assets that groups need, and those of them whose price is missing or not trusted. For a worker thread."""
        needed = self.needed(scope)
        return needed, {a for a in needed if a not in self.usd or a in self.untrusted}

    def _in(self, scope: Scope) -> list[Row]:
        rows = list(self._rows.values())
        return [r for r in rows if within(scope, r.sight.group.labels)] if scope else rows

    def _wanted(self, query: GroupQuery, scope: Scope) -> Iterable[Row]:
        rows = self._in((*scope, *query.labels))
        if query.stages:
            rows = [r for r in rows if r.sight.state.stage in query.stages]
        if query.products:
            rows = [r for r in rows if r.sight.group.product in query.products]
        return [r for r in rows if _mentions(r.sight, query.q.lower())] if query.q else rows


def _mentions(sight: Sight, text: str) -> bool:
    group = sight.group
    return any(text in x.lower() for x in (group.id, group.receiving_account, *group.labels.values()))


class _Order(NamedTuple):
    """A sort order: the key of a row (ending with its id), and the type in which a cursor holds it."""

    key: Callable[[Row, bool], Key]
    type: Any


def _worst_first(r: Row, _reverse: bool) -> Key:
    """The worst stage first; within it what cannot be valued comes before what can, then the highest LTV."""
    weight = r.sight.weight
    kind = _KNOWN
    if weight is None:
        kind = _UNKNOWN
    elif weight.debt and not weight.recognised:
        kind = _UNRECOGNISED
    return STAGE_RANK[r.sight.state.stage], kind, r.ltv.copy_negate(), r.sight.group.id


def _by_id(r: Row, _reverse: bool) -> Key:
    return (r.sight.group.id,)


def _by_debt(r: Row, reverse: bool) -> Key:
    weight = r.sight.weight
    return _last_if_none(weight is None, reverse), weight.debt if weight else ZERO, r.sight.group.id


def _by_deadline(r: Row, reverse: bool) -> Key:
    deadline = r.sight.state.deadline
    due = 0 if deadline is None else (deadline - _EPOCH) // _MICROSECOND
    return _last_if_none(deadline is None, reverse), due, r.sight.group.id


def _last_if_none(is_none: bool, reverse: bool) -> int:
    """Rows without a value come last in either direction."""
    return int(is_none != reverse)


_ORDERS = {
    "ltv": _Order(_worst_first, tuple[str, int, int, Decimal, str]),
    "id": _Order(_by_id, tuple[str, str]),
    "debt_usd": _Order(_by_debt, tuple[str, int, Decimal, str]),
    "deadline": _Order(_by_deadline, tuple[str, int, int, str]),
}
SORTS = tuple(_ORDERS)


def _cursor(sort: str, key: Key) -> str:
    return base64.urlsafe_b64encode(msgspec.json.encode((sort, *key))).decode().rstrip("=")


def _read_cursor(text: str, sort: str) -> Key:
    """The key after which a page begins. Raises BadCursor."""
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        made_for, *key = msgspec.json.decode(raw, type=_ORDERS[sort.removeprefix("-")].type)
    except (ValueError, binascii.Error, msgspec.MsgspecError):
        raise BadCursor("is not a cursor of this list in this order; start without one") from None
    if made_for != sort or any(isinstance(part, Decimal) and not part.is_finite() for part in key):
        raise BadCursor("is a cursor of another order; start without one")
    return tuple(key)
