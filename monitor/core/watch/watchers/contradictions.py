"""Live sources that contradict each other are never quiet: what they say, and what the worse price would bring (decision 45).

The last good price stays in force, and nothing is decided on the others. For words only, the book is swept once at the lowest
and once at the highest live price; what is told is the worse of the two.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import islice
from typing import Any, NamedTuple

from msgspec.structs import replace

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.groups.outcome import Memory, Outcome, Sight
from monitor.core.groups.snapshot import Prices, Swept
from monitor.core.groups.watcher_states import ContradictionState, ContradictionTold
from monitor.core.money import CENT, ZERO, plain, round_up
from monitor.core.portfolio.snapshot import best_worth, urgency
from monitor.core.prices.quote import USDT, SourcePrice
from monitor.core.stages.stages import STAGE_RANK, STAGES
from monitor.core.text import MOST_NAMED, plain_or_none, stamp
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.exposed import ExposureSums, exposed_facts
from monitor.core.watch.price_alerts import MOST_ASSETS, PriceAlerts
from monitor.core.watch.watcher import BookChange, Ground, Watcher

CONTRADICTION, AGREED = "price.contradiction", "price.agreed"
REPEAT = timedelta(hours=1)
"""It is told again as long as it lasts: once a shift would be forgotten, and once a minute would be silenced."""
MOST_ALONE = 5
"""Coins that are told one by one at one time. Each takes two sweeps of the book, which is 0.1 s for a million groups."""
TOGETHER = timedelta(seconds=5)
"""Many coins that are due within this time are told together: a second feed that dies leaves 600 coins to one source."""
MANY = "prices"
"""The subject of an alert about many coins."""


class _Worse(NamedTuple):
    """What the book would be at the worse price."""

    price: Decimal | None
    rows: list[dict[str, Any]]
    ids: list[str]
    is_exact: bool


class ContradictionWatch(Watcher):
    """Says which sources contradict each other once that has lasted, again while it lasts, and when they agree again."""

    def __init__(self, ground: Ground, alerts: PriceAlerts, sums: ExposureSums) -> None:
        self._ground = ground
        self._board = ground.board
        self._alerts = alerts
        self._sums = sums
        self._coins: dict[str, ContradictionTold] = {}
        self._times: dict[str, int] = {}

    def kept(self) -> ContradictionState:
        """What goes on, and how often it was told."""
        return ContradictionState(dict(self._coins), dict(self._times))

    def restore(self, memory: Memory) -> None:
        """Goes on where it was."""
        kept = memory.watchers.contradictions
        self._coins, self._times = dict(kept.coins), dict(kept.times)
        for asset, told in self._coins.items():
            self._put(asset, told)

    def conclude(self, change: BookChange, out: Outcome) -> None:
        """Sources began to contradict each other, or agree again."""
        now = self._board.contradicted
        if not now and not self._coins:
            return
        for asset in sorted(now.keys() | self._coins.keys()):
            self._follow(asset, now.get(asset), change.at, out)

    def _follow(self, asset: str, since: datetime | None, at: datetime, out: Outcome) -> None:
        told, wait = self._coins.get(asset), self._ground.rules.trust.contradiction_after
        if since is not None and told is None:
            mark = self._board.marks.get(asset)
            is_power = mark is not None and mark.is_power
            self._put(asset, ContradictionTold(since, max(since + wait, at)))
            out.memory_changed = True
            if is_power:
                self._tell([asset], at, out)
        elif since is not None and told is not None and told.is_over:
            # It came back before it was said to be over: for the desk it never went.
            self._put(asset, replace(told, is_over=False, due=at + REPEAT))
        elif since is None and told is not None and not told.is_told:
            self._drop(asset)
        elif since is None and told is not None and not told.is_over:
            self._put(asset, replace(told, is_over=True, due=at + wait))

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """It has lasted, or has been over, for long enough."""
        at = deadline.at
        due = [deadline.subject, *self._ground.agenda.pop_alike(deadline)]
        soon = [a for a, told in self._coins.items() if told.due is not None and at < told.due <= at + TOGETHER]
        over = [asset for asset in (*due, *soon) if self._coins[asset].is_over]
        lasting = [asset for asset in (*due, *soon) if not self._coins[asset].is_over]
        self._tell(_those(lasting, due), at, out)
        self._end(_those(over, due), at, out)

    def _tell(self, assets: Sequence[str], at: datetime, out: Outcome) -> None:
        needed, wait = self._alerts.needed(), self._ground.rules.trust.contradiction_after
        said: set[str] = set()
        for some in _batches([asset for asset in assets if asset in needed]):
            # A book may name a coin that only a closed group held: of that nothing is said.
            said |= set(some) if self._say(CONTRADICTION, some, at, out) else set()
        for asset in assets:
            told = self._coins[asset]
            # A group that comes later and needs it must hear of it too.
            is_said = asset in said
            self._put(asset, replace(told, is_told=told.is_told or is_said, due=at + (REPEAT if is_said else wait)))

    def _end(self, assets: Sequence[str], at: datetime, out: Outcome) -> None:
        for some in _batches(assets):
            self._say(AGREED, some, at, out)
        for asset in assets:
            self._drop(asset)

    def _put(self, asset: str, told: ContradictionTold) -> None:
        self._coins[asset] = told
        due = None if told.due is None else Deadline(told.due, deadlines.CONTRADICTION, asset)
        self._ground.agenda.set(deadlines.CONTRADICTION, asset, None, due)

    def _drop(self, asset: str) -> None:
        del self._coins[asset]
        self._ground.agenda.set(deadlines.CONTRADICTION, asset, None)

    # -- what is said --

    def _say(self, type_: str, assets: Sequence[str], at: datetime, out: Outcome) -> bool:
        """Whether it concerns anybody, and so is said."""
        exposed = self._sums.of(assets, at)
        if not exposed.groups and type_ == CONTRADICTION:
            return False
        is_one = len(assets) == 1
        subject = assets[0] if is_one else MANY
        times = self._times[subject] = self._times.get(subject, 0) + 1
        usd = self._board.usd.get(assets[0])
        facts: dict[str, Any] = {
            "asset": assets[0],
            "price": plain_or_none(usd) if is_one else None,
            **exposed_facts(exposed),
        }
        if not is_one:
            facts["assets"] = list(assets[:MOST_ASSETS])
        if type_ == CONTRADICTION:
            facts |= self._contradiction(assets, at)
        what = Statement(type_, subject, times, facts, blind=type_ == CONTRADICTION)
        raise_alert(out, self._ground.rules.name, what, at)
        return True

    def _contradiction(self, assets: Sequence[str], at: datetime) -> dict[str, Any]:
        said = (_source_row(asset, each, at) for asset in assets for each in self._board.sources(asset, at))
        worse = self._worse(assets, at)
        indicative = {} if worse.is_exact else {"sums": "indicative"}
        return {
            **indicative,
            "reason": self._reason(assets[0]),
            "since": stamp(min(self._coins[asset].since for asset in assets)),
            "sources": list(islice(said, MOST_NAMED)),
            "worst_usd": plain_or_none(worse.price),
            "worse": worse.rows,
            "worse_ids": worse.ids,
        }

    def _reason(self, asset: str) -> str | None:
        mark = self._board.marks.get(asset)
        return self._board.why_missing(asset) if mark is None else mark.reason

    def _worse(self, assets: Sequence[str], at: datetime) -> _Worse:
        """The book at the lowest live prices and at the highest, whichever brings more debt to a worse stage."""
        found = {asset: pair for asset in assets if (pair := self._live(asset)) is not None}
        snapshot = self._ground.book.snapshot(at, is_kept=False)
        usd, untrusted = dict(self._board.usd), frozenset(self._board.untrusted)
        worst = _Worse(None, [], [], True)
        most = ZERO
        for side in (0, 1):
            prices = {asset: pair[side] for asset, pair in found.items()}
            then = Prices(usd | self._with_converted(prices), untrusted)
            swept = snapshot.sweep(then, ())
            debt = sum((sums.debt for _, sums in _worsened(swept)), ZERO)
            if debt > most or worst.price is None:
                most = debt
                price = prices.get(assets[0]) if len(assets) == 1 else None
                worst = _Worse(price, _stage_rows(swept), _named(swept, then), swept.are_sums_exact)
        return worst

    def _live(self, asset: str) -> tuple[Decimal, Decimal] | None:
        """The lowest and the highest live price, the one that waits to be confirmed among them."""
        return self._board.worst_usd(asset)

    def _with_converted(self, prices: Mapping[str, Decimal]) -> dict[str, Decimal]:
        """The prices, and those of all coins that one of them converts to USD."""
        rates = [prices[asset] for asset in self._board.parity_assets if asset in prices]
        if not rates:
            return dict(prices)
        marks = self._board.marks
        converted = {asset: marks[asset].quote_price * rates[0] for asset in self._board.quoted_in(USDT)}
        return {**converted, USDT: rates[0], **prices}


def _those(found: Sequence[str], due: Sequence[str]) -> Sequence[str]:
    """Those that are due; where they are many with those that are due soon, all of them."""
    return found if len(found) > MOST_ALONE else [asset for asset in found if asset in due]


def _batches(assets: Sequence[str]) -> Iterable[Sequence[str]]:
    """One by one where they are few, else all together."""
    return [[asset] for asset in assets] if len(assets) <= MOST_ALONE else [sorted(assets)]


def _worsened(swept: Swept) -> Iterator[tuple[tuple[str, str], Any]]:
    """What moves to a worse stage."""
    return ((move, sums) for move, sums in swept.moves.items() if STAGE_RANK[move[1]] < STAGE_RANK[move[0]])


def _stage_rows(swept: Swept) -> list[dict[str, Any]]:
    """By move: how many groups, and their debt up to the cent, as a large book is swept by floats."""
    rows = sorted(_worsened(swept), key=lambda row: (STAGE_RANK[row[0][1]], STAGE_RANK[row[0][0]]))
    return [
        {"from": before, "to": after, "groups": sums.groups, "debt_usd": plain(round_up(sums.debt, CENT))}
        for (before, after), sums in rows
        if sums.groups
    ]


def _named(swept: Swept, then: Prices) -> list[str]:
    """The groups that move to a worse stage, the worst first: floats choose them, and exact figures order them."""
    found: list[str] = []
    for stage in reversed(STAGES):
        newly = swept.newly[stage]() if stage in swept.newly else ()
        worse = islice((s for s in newly if s.state.stage != STAGES[-1]), MOST_NAMED - len(found))
        found += [sight.group.id for sight in sorted(worse, key=lambda sight: _worst_first(sight, then))]
    return found


def _worst_first(sight: Sight, then: Prices) -> tuple[float, str]:
    worth = best_worth(sight.held, then)
    return 0.0 if worth is None else urgency(worth.weight), sight.group.id


def _source_row(asset: str, said: SourcePrice, at: datetime) -> dict[str, Any]:
    age = None if said.price_at is None else (at - said.price_at).total_seconds()
    return {
        "asset": asset,
        "source": said.source,
        "price": plain(said.price),
        "quote": said.quote,
        "state": said.state,
        "reason": said.reason or None,
        "age_s": round((at - said.received_at).total_seconds(), 3),
        "exchange_age_s": None if age is None else round(age, 3),
    }
