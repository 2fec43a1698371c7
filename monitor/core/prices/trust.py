"""What is believed of what live sources say: jumps, contradictions, first prices (decisions 9, 42 and 43). Pure and exact."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

import msgspec

from monitor.core.money import HUNDRED, ONE, plain
from monitor.core.prices.agreement import HALF, Agreement, Live, agreement, named
from monitor.core.prices.quote import GOOD, PIN, STALE, SUSPECT, Heard, Mark, Quote
from monitor.core.prices.sources import EXCLUDED, LATE, STALE_SOURCE, State
from monitor.core.rules.settings import Trust

STEADY = timedelta(seconds=30)
"""A preferred source is in force again after it has been live for so long: one that flaps does not take the price along."""
_POWER_NEAR = Decimal("0.03")
"""A factor this near to a power of ten is one: the market moves a little between two messages."""
_TEN = Decimal(10)
_GROWS_OLD = (STALE_SOURCE, LATE, EXCLUDED)
"""States of a source that make its price stale; by the others it is suspect."""


class Asking(NamedTuple):
    """The quote that asks for a decision, and what its source said of the asset before."""

    source: str
    before: Heard | None


class TrustRules:
    """The settings of [prices] as decisions."""

    def __init__(self, trust: Trust) -> None:
        self.trust = trust
        self._ranks = {name: i for i, name in enumerate(trust.sources)}

    def rank(self, source: str) -> int:
        """The place in the order of preference; one that is not named comes last."""
        return self._ranks.get(source, len(self._ranks))

    def agreement(self, live: Sequence[Live]) -> Agreement:
        """Which of the live sources agree."""
        return agreement(live, self.trust.max_spread)

    def decide(
        self, mark: Mark | None, live: Sequence[Live], worth: Decimal | None, at: datetime, news: Asking | None
    ) -> Mark | None:
        """The mark after something happened to its sources, of which at least one is live; None while none is believed.

        `worth` is what the mark is worth in USD now.
        """
        agreed = self.agreement(live)
        if mark is not None and mark.source != PIN and worth is not None and self._all_moved(agreed, worth):
            return self._moving(mark, agreed, worth, at, news)
        if agreed.is_contradiction or len(agreed.kept) < self.trust.min_sources:
            return None if mark is None else self._contradicted(mark, agreed, at)
        chosen = self._chosen(mark, agreed.kept, at)
        is_confirmed = len(agreed.kept) > 1
        if mark is None or mark.source == PIN or worth is None:
            return accepted(mark, chosen.heard) if is_confirmed or chosen.heard.is_sure else mark
        if is_confirmed or self._near(chosen.worth, worth):
            return accepted(mark, chosen.heard)
        return self._doubt(mark, chosen, worth, at, news)

    def without(self, mark: Mark | None, heard: Sequence[tuple[Heard, State]], at: datetime) -> Mark | None:
        """The mark while no source is live: why is said by the source in force, or by the one that spoke last."""
        if not heard:
            return mark
        own = [each for each in heard if mark is not None and each[0].source == mark.source]
        spoke, state = max(own or heard, key=lambda each: (each[0].received_at, each[0].source))
        if mark is None:
            if state.word != LATE or not spoke.is_sure or self.trust.min_sources > 1:
                return None
            mark = accepted(None, spoke)
        elif state.word == LATE and self._was_late(mark) and self._is_later(mark, spoke):
            mark = msgspec.structs.replace(accepted(mark, spoke), trust=mark.trust, reason=mark.reason)
        trust = STALE if state.word in _GROWS_OLD else SUSPECT
        if mark.trust == trust and mark.reason == state.reason:
            return mark
        return msgspec.structs.replace(mark, trust=trust, reason=state.reason, differ_since=None)

    def _was_late(self, mark: Mark) -> bool:
        """The price in force was late when it came: it was never good, and the next one is no worse."""
        limit = self.trust.stale_after_of(mark.source, mark.asset) + self.trust.max_ahead
        return mark.price_at is not None and mark.received_at - mark.price_at > limit

    def _is_later(self, mark: Mark, spoke: Heard) -> bool:
        is_same = mark.source == spoke.source and mark.quote == spoke.quote
        is_later = mark.price_at is not None and spoke.at > mark.price_at
        return is_same and is_later and self._near(spoke.price, mark.quote_price)

    # -- several sources --

    def _contradicted(self, mark: Mark, agreed: Agreement, at: datetime) -> Mark:
        """The last good price stays in force. Lasting never helps against a contradiction."""
        said = (*agreed.kept, *agreed.outliers)
        return msgspec.structs.replace(
            mark,
            trust=SUSPECT,
            reason=self._disagreement(agreed),
            received_at=max(each.heard.received_at for each in said),
            candidate=None,
            candidate_since=None,
            is_power=False,
            differ_since=mark.differ_since or at,
        )

    def disagreement(self, live: Sequence[Live]) -> str:
        """Why live sources make no price, in words: they contradict each other, or are too few; empty where they do."""
        agreed = self.agreement(live)
        is_enough = not agreed.is_contradiction and len(agreed.kept) >= self.trust.min_sources
        return "" if is_enough or not live else self._disagreement(agreed)

    def _disagreement(self, agreed: Agreement) -> str:
        if agreed.is_contradiction:
            spread = plain((self.trust.max_spread * HUNDRED).normalize())
            return f"live sources differ by more than {spread} %: {named(agreed.outliers)}"
        if len(agreed.kept) == 1:
            return "a lone source"
        return f"{len(agreed.kept)} sources where {self.trust.min_sources} are wanted"

    def _all_moved(self, agreed: Agreement, worth: Decimal) -> bool:
        """All live sources lie beyond the limit on one side of the price in force, though apart from each other.

        Where two are wanted, two must agree.
        """
        if not agreed.is_contradiction or self.trust.min_sources > 1:
            return False
        worths = [each.worth for each in agreed.outliers]
        is_one_side = max(worths) < worth or min(worths) > worth
        return is_one_side and not any(self._near(each, worth) for each in worths)

    def _moving(self, mark: Mark, agreed: Agreement, worth: Decimal, at: datetime, news: Asking | None) -> Mark:
        """A crash that goes on finds sources apart, as one is a moment behind: the mildest is believed after the window."""
        mildest = min(agreed.outliers, key=lambda each: (abs(each.worth - worth), each.rank, each.source))
        if news is not None and news.source != mildest.source:  # the other one's step is no step of the mildest
            news = Asking(mildest.source, mildest.heard)
        doubted = self._doubt(mark, mildest, worth, at, news)
        if doubted.trust == GOOD:
            return msgspec.structs.replace(doubted, differ_since=mark.differ_since or at)
        told = self._contradicted(mark, agreed, at)
        waits = (doubted.candidate, doubted.candidate_since, doubted.is_power)
        return msgspec.structs.replace(told, candidate=waits[0], candidate_since=waits[1], is_power=waits[2])

    def _chosen(self, mark: Mark | None, kept: Sequence[Live], at: datetime) -> Live:
        """The source in force, or the median of all. A source that came back must be steady first."""
        if self.trust.mode == "median" and len(kept) > 1:
            return _median(kept)
        best = min(kept, key=lambda each: (each.rank, each.source))
        current = next((each for each in kept if mark is not None and each.source == mark.source), None)
        if current is None or current.rank <= best.rank:
            return current or best
        since = best.heard.since or best.heard.received_at
        return best if at - since >= STEADY else current

    # -- jumps --

    def _doubt(self, mark: Mark, chosen: Live, worth: Decimal, at: datetime, news: Asking | None) -> Mark:
        """A jump of a lone source: its clock runs while all new prices lie on its side; then the mildest is believed."""
        heard = chosen.heard
        is_up = chosen.worth > worth
        is_new = news is not None and news.source == heard.source
        is_running = mark.candidate is not None and mark.candidate_since is not None
        if is_running and mark.candidate is not None and (mark.candidate > mark.quote_price) != is_up:
            is_running = False
        if is_running and not is_new and mark.trust == SUSPECT:
            return mark
        mildest = heard.price
        since, is_power = at, False
        if is_running:
            assert mark.candidate is not None
            assert mark.candidate_since is not None
            mildest = min(mark.candidate, heard.price) if is_up else max(mark.candidate, heard.price)
            since, is_power = mark.candidate_since, mark.is_power
        is_power = is_power or (is_new and self._is_power(mark, heard, news, at))
        wait = self._wait(is_up=is_up, is_power=is_power)
        if is_running and is_new and wait is not None and at - since >= wait:
            believed = accepted(mark, heard if mildest == heard.price else heard._replace(price=mildest, changed_at=at))
            if self._near(heard.price, mildest):
                return believed
            # The collapse goes on: its newest price waits from now on, and not from the next message on.
            return msgspec.structs.replace(believed, candidate=heard.price, candidate_since=at)
        what = "a jump by a power of ten, from" if is_power else "unconfirmed jump from"
        return msgspec.structs.replace(
            mark,
            trust=SUSPECT,
            reason=f"{what} {mark.quote_price} to {heard.price}",
            candidate=mildest,
            candidate_since=since,
            received_at=heard.received_at,
            is_power=is_power,
            differ_since=None,
        )

    def _wait(self, *, is_up: bool, is_power: bool) -> timedelta | None:
        """How long a jump must last; None where lasting is no reason to believe it."""
        if not is_power:
            return self.trust.confirm_after
        return None if is_up else self.trust.power_wait

    def _is_power(self, mark: Mark, heard: Heard, news: Asking | None, at: datetime) -> bool:
        """From one message of the source to the next, within its limit, the price moved by a power of ten."""
        before = None if news is None else news.before
        if before is not None:
            price, then = before.price, before.received_at
        elif mark.source == heard.source:  # over a restart only the price in force is known
            price, then = mark.quote_price, mark.received_at
        else:
            return False
        if at - then >= self.trust.stale_after_of(heard.source, heard.asset):
            return False
        return is_power_of_ten(price, heard.price)

    def _near(self, price: Decimal, other: Decimal) -> bool:
        return abs(price - other) <= self.trust.confirm_jump * other


def is_power_of_ten(old: Decimal, new: Decimal) -> bool:
    """The two differ by a factor of 10, 100, 1,000 ... within 3 %, either way."""
    low, high = min(old, new), max(old, new)
    power = ONE
    while low * power * (ONE - _POWER_NEAR) <= high:
        power *= _TEN
        if abs(high - low * power) <= _POWER_NEAR * low * power:
            return True
    return False


def accepted(mark: Mark | None, heard: Heard) -> Mark:
    """The mark after a price that is believed."""
    changed_at = heard.changed_at or heard.received_at
    price_at = heard.at if heard.is_dated else None
    made = Mark(heard.asset, heard.quote, heard.price, heard.source, price_at, heard.received_at, changed_at)
    if mark is None:
        return made
    return msgspec.structs.replace(made, announced=mark.announced, episode=mark.episode, sequence=mark.sequence)


def as_heard(quote: Quote, at: datetime, mark: Mark | None) -> Heard:
    """A quote that is believed without being judged: prices are not distrusted."""
    is_same = mark is not None and mark.quote_price == quote.price
    changed_at = mark.changed_at if mark is not None and is_same else at
    return Heard(quote.asset, quote.source, quote.price, quote.at, at, quote.quote, quote.is_dated, changed_at, at)


def _median(kept: Sequence[Live]) -> Live:
    """The middle of the sources that agree, as a source of its own; of an even number, halfway between its two."""
    ordered = sorted(kept, key=lambda each: (each.worth, each.source))
    half = len(ordered) // 2
    low, high = ordered[(len(ordered) - 1) // 2], ordered[half]
    quote, price = high.heard.quote, high.heard.price
    if low is not high:
        is_one = low.heard.quote == quote
        quote = quote if is_one else "USD"
        price = (low.heard.price + price) * HALF if is_one else (low.worth + high.worth) * HALF
    heard = high.heard._replace(
        source="median of " + ", ".join(sorted(each.source for each in kept)),
        price=price,
        quote=quote,
        at=min(each.heard.at for each in kept),
        is_dated=any(each.heard.is_dated for each in kept),
        received_at=max(each.heard.received_at for each in kept),
        changed_at=max(each.heard.changed_at or each.heard.received_at for each in kept),
    )
    return Live(heard, (low.worth + high.worth) * HALF, high.rank)


__all__ = ["GOOD", "Asking", "TrustRules", "accepted", "as_heard", "is_power_of_ten"]
