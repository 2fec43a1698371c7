"""Whether the monitor trusts a quote: jumps, sources, silence (decision 9). Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal

import msgspec

from monitor.core.prices.quote import SUSPECT, Heard, Mark, Quote
from monitor.core.rules.settings import Trust


class TrustRules:
    """The settings of [prices] as decisions."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        self._rank = {name: i for i, name in enumerate(trust.sources)}

    def is_news(self, mark: Mark | None, quote: Quote, last: Heard | None) -> bool:
        """Whether a quote says something new; `last` is what its source said of the asset before."""
        if last is not None:
            # Older than what is known, or frozen: the same price of the same time is no sign of life.
            return quote.at > last.at or (quote.at == last.at and quote.price != last.price)
        is_behind = mark is not None and mark.source == quote.source and quote.at < (mark.price_at or quote.at)
        return not is_behind

    def judge(self, mark: Mark | None, quote: Quote, said: Mapping[str, Heard], at: datetime) -> Mark | None:
        """The mark after a quote that is news, or None where it changes nothing. `said` is of the asset, by source."""
        others = [h.price for s, h in said.items() if s != quote.source and self._is_live(h.received_at, at)]
        if mark is None:
            return accepted(None, quote, at) if 1 + len(others) >= self.trust.min_sources else None
        confirmed = any(self._near(p, quote.price) for p in others)
        if self._outranked(mark, quote, at):
            return accepted(mark, quote, at) if mark.candidate is not None and confirmed else None
        if 1 + len(others) < self.trust.min_sources:
            return msgspec.structs.replace(mark, trust=SUSPECT, reason="a lone source", received_at=at)
        if self._near(quote.price, mark.quote_price) or confirmed:
            return accepted(mark, quote, at)
        return self._doubt(mark, quote, at)

    def _doubt(self, mark: Mark, quote: Quote, at: datetime) -> Mark:
        """A jump: believed once it has persisted, or held beside the last good price until then."""
        if mark.candidate is not None and mark.candidate_since is not None and self._near(quote.price, mark.candidate):
            if at - mark.candidate_since >= self.trust.confirm_after:
                return accepted(mark, quote, at)
            since = mark.candidate_since
        else:
            since = at
        reason = f"unconfirmed jump from {mark.quote_price} to {quote.price}"
        return msgspec.structs.replace(
            mark, trust=SUSPECT, reason=reason, candidate=quote.price, candidate_since=since, received_at=at
        )

    def _near(self, price: Decimal, other: Decimal) -> bool:
        return abs(price - other) <= self.trust.confirm_jump * other

    def _is_live(self, received_at: datetime, at: datetime) -> bool:
        return at - received_at <= self.trust.stale_after

    def _outranked(self, mark: Mark, quote: Quote, at: datetime) -> bool:
        """Another feed of higher preference still serves this asset."""
        if quote.source == mark.source or not self._is_live(mark.received_at, at):
            return False
        last = len(self._rank)
        return self._rank.get(mark.source, last) <= self._rank.get(quote.source, last)


def accepted(mark: Mark | None, quote: Quote, at: datetime) -> Mark:
    """The mark after a quote that is believed."""
    if mark is None:
        return Mark(quote.asset, quote.quote, quote.price, quote.source, quote.at, at, at)
    changed_at = mark.changed_at if mark.quote_price == quote.price else at
    return Mark(
        asset=quote.asset,
        quote=quote.quote,
        quote_price=quote.price,
        source=quote.source,
        price_at=quote.at,
        received_at=at,
        changed_at=changed_at,
        announced=mark.announced,
        episode=mark.episode,
        sequence=mark.sequence,
    )
