"""What one event did: all that must become durable, and all that the desk should see."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

import msgspec

from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.silences import Silence
from monitor.core.alerts.trouble import Trouble
from monitor.core.events.history import Row
from monitor.core.groups.lever_states import LeverInForce, OpenProposal
from monitor.core.groups.watcher_states import BookState, OpenEscalation, WatcherStates
from monitor.core.loans.group import Group
from monitor.core.prices.decisions import Decision
from monitor.core.prices.frame_columns import BoardView
from monitor.core.prices.quote import Heard, Mark
from monitor.core.prices.sources import BoardMemory
from monitor.core.refusal import Refused
from monitor.core.rules.product import CoinRates
from monitor.core.stages.stages import GroupState
from monitor.core.valuation.bounds import WeightBounds
from monitor.core.valuation.clearance import FundSight
from monitor.core.valuation.valuation import Holding, Weight


class Sight(NamedTuple):
    """A group as the desk sees it now. `weight` is None while a price is missing."""

    group: Group
    state: GroupState
    held: Holding
    weight: Weight | None
    blind: bool
    source: str
    version: int
    put_at: datetime
    bounds: WeightBounds | None = None
    """What it may weigh, while a price is missing and it was looked at."""


class Outcome:
    """What happens while core handles an event is collected here."""

    def __init__(self, at: datetime) -> None:
        self.at = at
        self.alerts: list[Alert] = []
        self.states: dict[str, GroupState] = {}
        self.changed: set[str] = set()
        """Groups whose book changed."""
        self.closed: set[str] = set()
        self.blocks: list[StoredBlock] = []
        """Groups that were put as a whole."""
        self.dropped_blocks: list[int] = []
        """Numbers of blocks that hold no group any more."""
        self.touched: set[str] = set()
        """Groups whose figures may have changed; all of `changed` and `states` are among them."""
        self.refused: Refused | None = None
        self.memory_changed = False
        """Something that only the desk's row holds must be kept: marks that were announced, what watchers remember."""
        self.history: list[Row] = []
        """What became of loans; never without a group that changed or moved."""
        self.made: LeverInForce | OpenProposal | None = None
        """What an operator's act made: a lever in force, or a proposal that waits for another person."""
        self.rates: tuple[CoinRates, ...] = ()
        """Coins whose given rates changed, each with all of them."""

    @property
    def is_durable(self) -> bool:
        """There is something that must be committed."""
        changes = self.alerts, self.states, self.changed, self.closed, self.blocks, self.dropped_blocks, self.rates
        return any(changes) or self.memory_changed


class StoredGroup(msgspec.Struct, frozen=True, array_like=True):
    """A group as a store keeps it. The event log writes it as an array; a store writes the names of the fields too."""

    group: Group
    source: str
    """Which source put it: `api`, or the kind and the name of a book."""
    version: int
    """Counts the changes of this group; the ETag of the API."""
    put_at: datetime


class StoredBlock(msgspec.Struct, frozen=True, array_like=True):
    """Some thousand groups as one body that only the engine reads."""

    number: int
    body: bytes
    ids: tuple[str, ...] = ()
    """Groups that the block holds now. A store deletes the rows that it has kept for them so far."""


class Memory(msgspec.Struct, frozen=True):
    """What a restart hands to core."""

    at: datetime
    marks: tuple[Mark, ...]
    watchers: WatcherStates
    groups: tuple[StoredGroup, ...]
    states: tuple[GroupState, ...]
    heard: tuple[Heard, ...] = ()
    """In a recording only, as the next: no price counts as good after a restart."""
    awaited: tuple[tuple[str, datetime], ...] = ()
    """Assets without a price, and when the desk is told."""
    blocks: tuple[StoredBlock, ...] = ()
    closed: tuple[str, ...] = ()
    """Groups that blocks may still hold, but that were closed."""
    rates: tuple[CoinRates, ...] = ()
    """Flexible rates that were given beside those of the rules."""
    board: BoardMemory = BoardMemory()
    """In a recording only: the clocks of the sources, and what they say of themselves."""


class SourceView(NamedTuple):
    """What core finds of a source of prices beside its single prices."""

    offset: timedelta | None = None
    """Its clock less ours; None before the first price that has a time."""
    is_off: bool = False
    """Its clock does not agree with ours."""
    trouble: str = ""
    """Why its prices do not count though it is connected, in words."""
    refused: Mapping[str, int] = {}
    """By reason: prices that core did not take."""


class Publication(NamedTuple):
    """What everybody may see after an event was committed; handed over on the event loop, never changed afterwards."""

    at: datetime
    moved: bool
    """Figures or states of groups may be others now, or the groups themselves."""
    prices: BoardView
    alerts: tuple[LoggedAlert, ...] = ()
    fund: FundSight | None = None
    """The insurance fund as it was looked at last; None where none is configured."""
    silences: tuple[Silence, ...] = ()
    decisions: tuple[Decision, ...] = ()
    """What operators have decided about prices, as far as it is in force."""
    sources: Mapping[str, SourceView] = {}
    """By feed."""
    escalations: tuple[OpenEscalation, ...] = ()
    """Critical alerts that people are asked about."""
    books: Mapping[str, BookState] = {}
    """By source of loans: how fresh its book is."""
    troubles: tuple[Trouble, ...] = ()
    """What is not known or not in order."""
