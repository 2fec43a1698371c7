"""What may be asked of the price board between two events: prices, trust, sources, clocks. It changes nothing."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core.instants import EPOCH
from monitor.core.prices.conversion import Conversion
from monitor.core.prices.frame_columns import (
    BoardView,
    FrameColumns,
    Marks,
    Usd,
)
from monitor.core.prices.judgement import Judgement
from monitor.core.prices.quote import (
    GOOD,
    MISSING,
    STALE,
    USDT,
    Contradiction,
    Heard,
    Mark,
    SourcePrice,
)
from monitor.core.prices.source_clock import SourceClock
from monitor.core.prices.sources import BoardMemory, PriceSources
from monitor.core.prices.trust import TrustRules
from monitor.core.prices.whole_frames import WholeFrames
from monitor.core.rules.settings import Trust

IS_GOOD = (GOOD, MISSING)
"""A missing price is not a distrusted one."""


class PricesInForce:
    """The marks of all assets, as they are now.

    By place, for the engine: `index` asset -> place, only ever added to; `floats` the price in USD, within 1e-15 of itself, 0
    where missing; `flags` 1 where it is not trusted and 2 where it is missing. Copy the two, or read them again at each
    event: new assets make them longer, which an array refuses while another object exports it.
    """

    def __init__(self, trust: Trust, memory: BoardMemory | None) -> None:
        self.trust = trust
        self._columns = FrameColumns()
        self.index = self._columns.index
        self.flags = self._columns.flags
        self.floats = array("d")
        self.marks = Marks(self._columns)
        self.usd = Usd(self._columns)
        self.untrusted: set[str] = set()
        self.refused: Counter[tuple[str, str]] = Counter()
        """Prices that were not taken, by source and reason: ahead, old, repeated."""
        self.led_anew: set[str] = set()
        """Assets whose time may end sooner than was known, as another source is in force: who waits for it clears them."""
        self._contradicted: set[str] = set()
        self._unagreed = dict(memory.unagreed) if memory else {}
        """Assets that have no price yet as their live sources do not agree, or are too few: since when."""
        self._at = memory.at if memory else EPOCH
        """When something was said of prices last."""
        self._sources = PriceSources(trust, self.refused, memory)
        self._judgement = Judgement(self._columns, self._sources)
        self._frames = WholeFrames(self._columns, self.floats, self._sources)
        self._conversion = Conversion(trust.usdt_usd, self._columns)
        self._judgement.configure(TrustRules(trust))

    def place(self, asset: str) -> int:
        """The place of an asset in `floats` and `flags`, a new and missing one if it has none."""
        place = self._columns.place(asset)
        if place == len(self.floats):
            self.floats.append(0.0)
        return place

    def stale_due(self, asset: str, after: datetime | None = None) -> datetime | None:
        """The last instant at which this asset is not yet stale, of those `after` a time; None when it cannot become so."""
        place = self._columns.find(asset)
        if place is None or not self.trust.enabled or asset in self._sources.decided.pins:
            return None
        led = self._columns.frames[place]
        is_led = led is not None and led is self._sources[led.frame.source].cell(place)
        if led is not None and is_led and self.trust.min_sources == 1:
            return self._sources.frame_due(led, asset)  # neither a mark nor a Decimal is made
        mark = self._columns.mark(place)
        if mark is None or mark.trust == STALE:
            return None
        return self._judgement.due(asset, place, mark, after)

    def sources(self, asset: str, at: datetime) -> tuple[SourcePrice, ...]:
        """What every source says of an asset at a time, in the order of preference."""
        return self._judgement.sources(asset, at)

    def priced_by(self, asset: str) -> list[str]:
        """The sources that ever gave a price of an asset."""
        place = self._columns.find(asset)
        return [] if place is None else [source.name for source in self._sources if source.cell(place) is not None]

    @property
    def clocks(self) -> Mapping[str, SourceClock]:
        """The clock of each source beside ours."""
        return {source.name: source.clock for source in self._sources}

    @property
    def own_offset(self) -> timedelta | None:
        """Our clock less the true time, where it is known to be off; None where it is right."""
        return self._sources.own_offset

    @property
    def contradictions(self) -> dict[str, Contradiction]:
        """Assets whose live sources differ, or of which too few are left: since when, and what each source says."""
        found = {
            asset: self.marks[asset].differ_since for asset in sorted(self._contradicted)
        } | self._without_a_price()
        return {asset: Contradiction(since, self.sources(asset, self._at)) for asset, since in found.items() if since}

    def _note_disagreement(self, asset: str, at: datetime, *, is_priced: bool) -> None:
        """Notes since when the live sources of an asset without a price do not agree, or are too few."""
        if not is_priced and self._judgement.disagreement(asset, at):
            self._unagreed.setdefault(asset, at)
        else:
            self._unagreed.pop(asset, None)

    def _without_a_price(self) -> dict[str, datetime]:
        at = self._at
        return {asset: since for asset, since in self._unagreed.items() if self._judgement.disagreement(asset, at)}

    @property
    def contradicted(self) -> Mapping[str, datetime]:
        """The same, without what each source says; and coins of which a price moved by a power of ten."""
        marks = ((asset, self.marks[asset]) for asset in self._contradicted)
        found = {a: since for a, mark in marks if (since := mark.differ_since or mark.candidate_since) is not None}
        return found | self._without_a_price() if self._unagreed else found

    def worst_usd(self, asset: str) -> tuple[Decimal, Decimal] | None:
        """The lowest and the highest live price in USD; None where no source is live."""
        return self._judgement.worst_usd(asset, self._at)

    def why_missing(self, asset: str) -> str | None:
        """Why no price of an asset is known, where a source says or shows it."""
        return self._judgement.why_missing(asset, self._at)

    @property
    def dropped(self) -> int:
        """Prices that were not taken, for whatever reason."""
        return self.refused.total()

    @property
    def heard(self) -> tuple[Heard, ...]:
        """What every source said last: whether another one confirms a price depends on it."""
        names = self._columns.names
        return tuple(each for place, asset in enumerate(names) for each in self._sources.said(place, asset))

    def heard_of(self, assets: Iterable[str]) -> tuple[Heard, ...]:
        """The same of some assets."""
        places = [(self.index[asset], asset) for asset in sorted(assets) if asset in self.index]
        return tuple(each for place, asset in places for each in self._sources.said(place, asset))

    @property
    def memory(self) -> BoardMemory:
        """What another board needs to judge as this one, beside marks and what was heard."""
        return msgspec.structs.replace(self._sources.memory(self._at), unagreed=dict(self._unagreed))

    def trust_of(self, asset: str) -> str:
        """good, stale, suspect or missing; the conversion to USD included."""
        if asset not in self.usd:
            return MISSING
        own = self._columns.trust(self.index[asset])
        if own not in IS_GOOD:
            return own
        quote = USDT if asset == USDT else self._columns.quote(self.index[asset])
        return self._conversion.trust(quote) if quote is not None else GOOD

    @property
    def parity_assets(self) -> tuple[str, ...]:
        """The asset whose price converts USDT to USD, where one is configured."""
        return (self._conversion.asset,) if self._conversion.asset else ()

    def quoted_in(self, quote: str) -> list[str]:
        """Assets whose price is quoted in a coin."""
        return self._conversion.quoted_in(quote)

    def kept(self) -> Iterable[Mark]:
        """All marks of now, which a restart needs; iterating makes them, in any thread and as often as wanted."""
        return self.snapshot().marks.values()

    def snapshot(self) -> BoardView:
        """The prices of now for other threads, in microseconds; a reader makes the marks and decimals that it looks at."""
        columns = self._columns.copy()
        return BoardView(Marks(columns), Usd(columns), frozenset(self.untrusted))
