"""How a request from outside becomes an event, and what comes back: the types between the web and the sequencer."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple, Protocol

from monitor.core.events.events import Event
from monitor.core.events.levers import OperatorSays, Proposable
from monitor.core.events.rates import Asked
from monitor.core.groups.lever_states import LeverEffect, LeverInForce, OpenProposal
from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import Scope
from monitor.core.groups.watcher_states import ActedOn, BookState
from monitor.core.portfolio.snapshot import WholeBook
from monitor.core.prices.board import PriceBoard
from monitor.core.prices.quote import Mark, SourcePrice
from monitor.core.refusal import Refused
from monitor.core.rules.product import RateRow
from monitor.core.rules.settings import Rules


class Request(NamedTuple):
    """A request to change something. The sequencer stamps the time and makes the event."""

    make: Callable[[datetime], Event]
    who: str
    """Name of the token, for the audit record."""
    action: str
    """What is asked: `put group`, `close group`, `entry repay`, ..."""
    group_id: str
    if_version: int | None = None
    """Refuse as stale unless the group has this version (If-Match); 0: unless there is no such group (If-None-Match: *)."""
    entry_id: str | None = None
    """Idempotency key of a book entry."""
    digest: str | None = None
    """A digest of the entry's content: the same id with another digest is a conflict."""
    scope: Scope = ()
    """Refuse as outside unless the group, where there is one, is within this when the request has its turn."""
    dry: bool = False
    """Say what it would do, and change nothing."""


class Answer(NamedTuple):
    """What became of a request. Exactly one of the next four, or the last, is set where nothing was changed."""

    sight: Sight | None
    """The group afterwards; None where there is none (any more)."""
    refused: Refused | None = None
    is_stale: bool = False
    """The group's version is another than `if_version`."""
    is_duplicate: bool = False
    """The same entry was applied before; it is one entry."""
    is_conflict: bool = False
    """Another entry has this id already."""
    is_new: bool = False
    """There was no such group before."""
    is_outside: bool = False
    """There is a group of this id, but not within the scope."""
    before: Sight | None = None
    """Of a dry request: the group as it is; `sight` is as it would be."""
    alerts: tuple[str, ...] = ()
    """Of a dry request: the types of the alerts that would be raised."""


class LeverLook(NamedTuple):
    """What waits for another person and what is in force, at one instant between two events."""

    at: datetime
    proposals: tuple[OpenProposal, ...]
    levers: tuple[LeverInForce, ...]
    now: tuple[LeverEffect, ...] = ()
    """What the proposal that was asked for would do by now."""


class Preview(NamedTuple):
    """What an act would do to each group, and whether another person must approve it."""

    effects: tuple[LeverEffect, ...]
    needs_approval: bool


class Acted(NamedTuple):
    """What became of an operator's act: what was in force before and is now, or why it was refused."""

    before: ActedOn
    after: ActedOn
    refused: Refused | None = None


class Given(NamedTuple):
    """What became of rates that were asked for: as they were taken, or why nothing was changed."""

    rows: tuple[RateRow, ...]
    refused: Refused | None = None


class Look(NamedTuple):
    """A group with the prices and rules of one instant between two events: the input of exact answers."""

    at: datetime
    sight: Sight
    marks: Mapping[str, Mark]
    usd: Mapping[str, Decimal]
    untrusted: frozenset[str]
    rules: Rules
    why_missing: Mapping[str, str] = {}
    """By coin of the group that has no price, why, in words."""
    book: BookState | None = None
    """The book that the group comes from; None where it was put by API, or by a source that was not read yet."""


class PriceLook(NamedTuple):
    """What each source says of some assets, at one instant between two events."""

    at: datetime
    sources: Mapping[str, tuple[SourcePrice, ...]]
    candidates: Mapping[str, Decimal] = {}
    """Prices that wait to be confirmed, also the first ones of all."""
    why_missing: Mapping[str, str] = {}
    """Why there is no price, in words."""


def look_at_prices(board: PriceBoard, assets: Collection[str], at: datetime) -> PriceLook:
    """The look itself."""
    candidates = {asset: price for asset in assets if (price := board.candidate(asset, at)) is not None}
    return PriceLook(at, {asset: board.sources(asset, at) for asset in assets}, candidates, why_missing(board, assets))


def joined(looks: Sequence[PriceLook]) -> PriceLook:
    """Looks at some assets each, as one; its time is that of the last."""
    return PriceLook(
        looks[-1].at,
        {asset: said for look in looks for asset, said in look.sources.items()},
        {asset: price for look in looks for asset, price in look.candidates.items()},
        {asset: why for look in looks for asset, why in look.why_missing.items()},
    )


def why_missing(board: PriceBoard, assets: Iterable[str]) -> dict[str, str]:
    """By coin without a price, why, in words."""
    return {asset: why for asset in assets if asset not in board.usd and (why := board.why_missing(asset)) is not None}


class Inbox(Protocol):
    """The sequencer as the web sees it."""

    async def request(self, request: Request) -> Answer:
        """Puts the change in order, handles it and commits it. Raises stores._base.StoreUnavailable."""

    async def give_rates(self, asked: Asked, who: str) -> Given:
        """Flexible rates as one event, audited. Raises stores._base.StoreUnavailable."""

    async def look(self, group_id: str, scope: Scope = ()) -> Look | None:
        """A group between two events; None where there is none within the scope."""

    async def look_at_prices(self, assets: Collection[str]) -> PriceLook:
        """What each source says of some assets, between two events."""

    async def act(
        self, act: OperatorSays, who: str, subject: str, scope: Scope = (), *, person: str = "", emergency: str = ""
    ) -> Acted:
        """Puts an operator's act in order, does it, commits and audits it under `subject`. Raises StoreUnavailable.

        A group that is not within the scope when the act has its turn is as one that is not there. `person`: whose token it
        is; `emergency`: why nobody else can be asked first.
        """

    async def effects_of(self, act: Proposable, scope: Scope = ()) -> Preview:
        """What an act would do to each group; nothing is changed. Raises Refused for a group outside the scope."""

    async def look_at_levers(self, scope: Scope = (), of: str = "") -> LeverLook:
        """Proposals and levers that a scope may see, and what the proposal `of` would do by now."""

    async def whole_book(self) -> WholeBook:
        """All groups between two events, to be asked in any thread."""

    async def whole_book_under(self, replaced: Callable[[Rules], Rules]) -> tuple[WholeBook, Rules]:
        """All groups between two events, and the rules that a reload with others would put in force then."""

    async def record(self, who: str, action: str, subject: str, before: object, after: object) -> None:
        """Audits a change that is not in the book, with the state before and after (JSON values)."""
