"""One asset, decided from what all of its sources say: which of them are live, and what is believed of them (decision 42)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal

import msgspec

from monitor.core.money import EXACT, ONE
from monitor.core.prices.agreement import Live
from monitor.core.prices.frame_columns import FrameColumns
from monitor.core.prices.quote import DIRECT, GOOD, STALE, SUSPECT, Heard, Mark, SourcePrice
from monitor.core.prices.sources import AHEAD, EXCLUDED, LIVE, NOT_LISTED, SETTLED, SILENT, PriceSources, Source, State
from monitor.core.prices.trust import Asking, TrustRules

_OVER = (SETTLED, NOT_LISTED)
_CROSS = State(EXCLUDED, "a market in USD or USDT exists")


class Judgement:
    """Decides assets. It changes nothing: the board puts what it decides in force."""

    def __init__(self, columns: FrameColumns, sources: PriceSources) -> None:
        self._columns = columns
        self._sources = sources

    def configure(self, rules: TrustRules) -> None:
        """Takes new settings."""
        self._rules = rules

    def decide(self, asset: str, at: datetime, news: Asking | None = None) -> Mark | None:
        """The mark of an asset at a time; the one in force where nothing changes."""
        place = self._columns.index[asset]
        mark = self._columns.mark(place)
        states = self._states(asset, place, at)
        live = self._live(states)
        if not live:
            return self._rules.without(mark, states, at)
        worth = None if mark is None else self._worth(mark.quote_price, mark.quote)
        return self._rules.decide(mark, live, worth, at, news)

    def due(self, asset: str, place: int, mark: Mark, after: datetime | None = None) -> datetime | None:
        """The last instant at which a mark that is not stale rests on live sources; None where time does not end it.

        `after` is when it was decided by time: only what comes later is waited for.
        """
        said = self._sources.said(place, asset)
        if not said:
            return mark.received_at + self._rules.trust.stale_after_of(mark.source, asset)
        own = [each for each in said if each.source == mark.source]
        alive = [self._sources.due(each) for each in said if asset not in self._sources[each.source].states]
        if mark.trust == GOOD and own:
            due = self._sources.due(own[0])
            wanted = self._rules.trust.min_sources
            # With one source less than is wanted the price is not good any more, whoever is in force.
            return min(due, sorted(alive, reverse=True)[wanted - 1]) if 1 < wanted <= len(alive) else due
        if after is not None:
            alive = [due for due in alive if due > after]
        alive = [due for due in alive if due >= mark.received_at] or alive
        if not alive:
            return None
        return min(alive) if mark.trust == GOOD else max(alive)

    def sources(self, asset: str, at: datetime) -> tuple[SourcePrice, ...]:
        """What every source says of an asset, in the order of preference."""
        place = self._columns.find(asset)
        if place is None:
            return ()
        states = self._states(asset, place, at)
        agreed = self._rules.agreement(self._live(states))
        out = {each.source for each in agreed.outliers} if agreed.kept else set()
        mark = self._columns.mark(place)
        found = {h.source: _shown(h, _seen(h, state, mark, out)) for h, state in states}
        for source in self._sources:
            ahead = source.ahead.get(asset)
            if ahead is not None:
                found[source.name] = _shown(ahead, State(AHEAD, self._ahead(source, ahead)))
        return tuple(sorted(found.values(), key=lambda each: (self._rules.rank(each.source), each.source)))

    def worst_usd(self, asset: str, at: datetime) -> tuple[Decimal, Decimal] | None:
        """The lowest and the highest live price in USD; None where no source is live."""
        place = self._columns.find(asset)
        live = [] if place is None else self._live(self._states(asset, place, at))
        worths = [each.worth for each in live]
        return (min(worths), max(worths)) if worths else None

    def disagreement(self, asset: str, at: datetime) -> str:
        """Why the live sources of an asset make no price, in words; empty where they do, and where none is live."""
        place = self._columns.find(asset)
        return "" if place is None else self._rules.disagreement(self._live(self._states(asset, place, at)))

    def why_missing(self, asset: str, at: datetime) -> str | None:
        """Why no price of an asset is known at a time, where a source says or shows it."""
        if disagreement := self.disagreement(asset, at):
            return disagreement
        for source in self._sources:
            said = source.states.get(asset)
            if said is not None:
                return f"{source.name}: {said}"
            ahead = source.ahead.get(asset)
            if ahead is not None:
                return f"{source.name}: {self._ahead(source, ahead)}"
        unconnected = [source for source in self._sources if not source.connected and source.cause]
        if unconnected:
            return "; ".join(f"{source.name}: {source.cause}" for source in unconnected)
        place = self._columns.find(asset)
        heard = place is not None and self._sources.said(place, asset)
        return "its first price waits to be confirmed" if heard else None

    def _ahead(self, source: Source, heard: Heard) -> str:
        off = heard.at - heard.received_at
        return f"refused: dated {span_in_words(off)} ahead of our clock"

    def _states(self, asset: str, place: int, at: datetime) -> list[tuple[Heard, State]]:
        """What every source said, and whether it counts. A cross rate does not count beside a market in USD or USDT."""
        sources = self._sources
        states = [(heard, sources.state(heard, at)) for heard in sources.said(place, asset)]
        if any(h.quote in DIRECT and state.word not in _OVER for h, state in states):
            return [(h, state if h.quote in DIRECT or state.word != LIVE else _CROSS) for h, state in states]
        return states

    def _live(self, states: Sequence[tuple[Heard, State]]) -> list[Live]:
        rank = self._rules.rank
        return [Live(h, self._worth(h.price, h.quote), rank(h.source)) for h, state in states if state.word == LIVE]

    def _worth(self, price: Decimal, quote: str) -> Decimal:
        """In USD; where the quote coin has no price yet, in that coin."""
        factor = self._columns.factor(quote)
        return price if factor is None or factor == ONE else EXACT.multiply(price, factor)


def silenced(mark: Mark) -> Mark:
    """A mark whose sources are silent, by whatever clock that was found."""
    return msgspec.structs.replace(mark, trust=STALE, reason=SILENT, differ_since=None)


def _seen(heard: Heard, state: State, mark: Mark | None, outliers: set[str]) -> State:
    if state.word != LIVE:
        return state
    if heard.source in outliers:
        return State("outlier", "far from the median of the live sources")
    if mark is not None and mark.trust == SUSPECT and (mark.candidate is not None or mark.differ_since is not None):
        return State(SUSPECT, mark.reason)
    return state


def _shown(heard: Heard, state: State) -> SourcePrice:
    changed_at = heard.changed_at or heard.received_at
    price_at = heard.at if heard.is_dated else None
    return SourcePrice(
        heard.source, heard.price, heard.quote, state.word, state.reason, heard.received_at, changed_at, price_at
    )


def span_in_words(span: timedelta) -> str:
    """A span as a person says it: 90 s, 25 h, 12 d."""
    seconds = round(span.total_seconds())
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:.4g} {unit}"
    return f"{seconds} s"
