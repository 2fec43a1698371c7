"""Says of a coin without a price which groups may stand worse than they are told to, and how bad it may be (decision 86).

Ten seconds without a first price are `price.stale`. After `missing_after` the groups that need the coin are weighed at their
worst: with the coin at nothing where it is held. Where that is beyond a line of which the desk was not told, `price.missing`
names the worst group. It comes again only where more groups are in danger or one is in a worse one. They are weighed again
ten seconds later at the earliest, and only where something has changed: years without a price cost one look.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.watcher_states import MissingLook, MissingTold
from monitor.core.money import plain
from monitor.core.stages.stages import DELAYED, LIQUIDATION, MARGIN_CALL, NORMAL
from monitor.core.text import stamp
from monitor.core.valuation.bounds import bounds
from monitor.core.valuation.shown_figures import figure_of
from monitor.core.valuation.valuation import BANDS, IMMEDIATE, band
from monitor.core.valuation.valuation import LIQUIDATION as LIQUIDATION_BAND
from monitor.core.valuation.valuation import MARGIN_CALL as MARGIN_CALL_BAND
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.exposed import ExposureSums, exposed_facts
from monitor.core.watch.feed_causes import FeedCauses
from monitor.core.watch.watcher import BookChange, Ground, Watcher

MISSING, FOUND = "price.missing", "price.found"
LOOK_EVERY = timedelta(seconds=10)
MOST_LOOKED_AT = 2_000
"""Groups that one look weighs at most, which takes a tenth of a second: those that owe most."""
MOST_ALONE = 5
"""Alerts of one look: a feed that never came up must not send one for each of its 600 coins. The others are named in them."""
_SHOWN = 20
_TOLD = {NORMAL: MARGIN_CALL_BAND, MARGIN_CALL: LIQUIDATION_BAND, DELAYED: IMMEDIATE}
"""By stage, the mildest band that is worse than what the desk was told."""


class Danger(NamedTuple):
    """A group that may stand worse than it is told to."""

    rank: int
    """Of the worst band it may be in."""
    id: str
    product: str
    metric: str
    level: str | None
    """The figure of its metric at worst; None where nothing bounds it, or nothing is recognised."""
    band: str
    owes: tuple[str, ...]
    """Missing coins that it owes: they may cost any sum."""


class MissingWatch(Watcher):
    """Since when coins are missing, and what was said of them."""

    phases = (deadlines.MISSING,)

    def __init__(self, ground: Ground, causes: FeedCauses, sums: ExposureSums) -> None:
        self._ground = ground
        self._causes = causes
        self._sums = sums
        self._coins: dict[str, MissingTold] = {}
        self.look = MissingLook()
        """The last one; kept, so that a restart looks again when it would have."""

    # -- what is remembered --

    def kept(self) -> dict[str, MissingTold]:
        """By coin."""
        return dict(self._coins)

    def restore(self, memory: Memory) -> None:
        """Goes on waiting."""
        self._coins, self.look = dict(memory.watchers.missing), memory.watchers.missing_look
        self._await(memory.at)

    def awaken(self, at: datetime) -> None:
        """Gives every price its full time to come after a start."""
        self._coins = {asset: told._replace(since=at) for asset, told in self._coins.items()}
        self._note(self._ground.book.needed(), at)
        self._await(at)

    def configure(self, at: datetime) -> None:
        """Another limit may be in force."""
        self._await(at)

    def jump(self, delta: timedelta) -> None:
        """The wall jumped forward: no price is missing for the time that was skipped."""
        self._coins = {asset: told._replace(since=told.since + delta) for asset, told in self._coins.items()}

    # -- what happens --

    def conclude(self, change: BookChange, out: Outcome) -> None:
        """Waits for prices that are needed now, and says which of those that were missed have come."""
        if change.needed:
            self._note(change.needed, change.at)
        if change.prices.found:
            self._end([asset for asset in self._open() if asset in self._ground.board.usd], change.at, out)
        if self._coins and not self.look.has_changed and _matters(change):
            self.look = self.look._replace(has_changed=True)
            self._await(change.at)

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """Looks at the groups that need coins which have been missing for long enough."""
        at, board, wait = deadline.at, self._ground.board, self._ground.rules.trust.missing_after
        needed = self._ground.book.needed()
        self.look = MissingLook(at, has_changed=False)
        self._end([asset for asset in self._open() if asset in board.usd or asset not in needed], at, out)
        late = [asset for asset, told in self._open().items() if told.since + wait <= at]
        found = self._endangered(late) if late else {}
        news = {asset: dangers for asset, dangers in found.items() if self._coins[asset].is_news(_known(dangers))}
        named = sorted(news, key=lambda asset: (-news[asset][0].rank, -len(news[asset]), asset))
        for asset in named[:MOST_ALONE]:
            self._say(asset, news[asset], named[MOST_ALONE:], at, out)
        for asset in named[MOST_ALONE:]:
            self._coins[asset] = self._coins[asset]._replace(worst=_known(news[asset]))
        self._await(at)

    # -- within --

    def _open(self) -> dict[str, MissingTold]:
        return {asset: told for asset, told in self._coins.items() if not told.is_over}

    def _note(self, assets: Collection[str], at: datetime) -> None:
        trust = self._ground.rules.trust
        if not trust.enabled or not trust.missing_after:
            return
        new = sorted(set(assets) - self._ground.board.usd.keys() - self._open().keys())
        self._coins |= {
            asset: MissingTold(at, self._coins[asset].times if asset in self._coins else 0) for asset in new
        }
        if new:
            self._await(at)

    def _await(self, at: datetime) -> None:
        wait = self._ground.rules.trust.missing_after
        late = [told.since + wait for told in self._open().values()]
        # At its own time a look is still to come: it is a late deadline.
        looks = [min((at_ for at_ in late if at_ > at or (at_ == at and self.look.at != at)), default=None)]
        if self.look.has_changed and any(at_ <= at for at_ in late):
            looks.append(at + LOOK_EVERY if self.look.at is None else max(at, self.look.at + LOOK_EVERY))
        due = min((look for look in looks if look is not None), default=None)
        deadline = None if due is None or not wait else Deadline(due, deadlines.MISSING, "")
        self._ground.agenda.set(deadlines.MISSING, "", None, deadline)

    def _endangered(self, assets: Collection[str]) -> dict[str, list[Danger]]:
        """By coin, the groups that may stand worse than they are told to, the worst first."""
        usd, found = self._ground.board.usd, dict[str, list[Danger]]()
        for group_id in self._ground.book.holders(assets, MOST_LOOKED_AT):
            record = self._ground.known(group_id)
            between = bounds(record.held, usd)
            danger = _danger(record, usd) if between.missing else None
            for asset in between.missing if danger is not None else ():
                if asset in assets and danger is not None:
                    found.setdefault(asset, []).append(danger)
        return {asset: sorted(dangers, key=lambda d: (-d.rank, d.id)) for asset, dangers in found.items()}

    def _say(self, asset: str, dangers: list[Danger], also: Collection[str], at: datetime, out: Outcome) -> None:
        told = self._coins[asset]
        facts: dict[str, Any] = {
            "asset": asset,
            "since": stamp(told.since),
            "reason": self._causes.of_asset(asset),
            "worst_case": _words(asset, dangers[0]),
            "endangered": len(dangers),
            "worst": [_row(each) for each in dangers[:_SHOWN]],
            "worst_cut": max(len(dangers) - _SHOWN, 0),
            **exposed_facts(self._sums.of([asset], at)),
        }
        if also:
            facts["also"] = list(also)[:_SHOWN]
        self._coins[asset] = MissingTold(told.since, told.times + 1, is_told=True, worst=_known(dangers))
        raise_alert(out, self._ground.rules.name, Statement(MISSING, asset, told.times + 1, facts, blind=True), at)

    def _end(self, assets: Iterable[str], at: datetime, out: Outcome) -> None:
        """The price has come, or nobody needs it any more."""
        for asset in sorted(assets):
            told = self._coins[asset]
            if not told.times:
                del self._coins[asset]
                continue
            self._coins[asset] = MissingTold(told.since, told.times + 1, is_over=True)
            if told.is_told:
                price = self._ground.board.usd.get(asset)
                facts = {"asset": asset, "price": None if price is None else plain(price)}
                raise_alert(out, self._ground.rules.name, Statement(FOUND, asset, told.times + 1, facts), at)
            out.memory_changed |= told.is_told


def _matters(change: BookChange) -> bool:
    """What a look would find may be other than before."""
    prices = change.prices
    return bool(
        prices.moved
        or prices.found
        or change.groups
        or change.of_block
        or change.closed
        or change.suspects
        or change.renewed
        or change.has_new_rules
    )


def _danger(record: GroupRecord, usd: Mapping[str, Any]) -> Danger | None:
    """How bad it may be, where that is worse than what the desk was told of the group."""
    between, lines, stage = bounds(record.held, usd), record.held.lines, record.state.stage
    if stage == LIQUIDATION or not record.held.debts:
        return None
    at_worst = IMMEDIATE if between.worst is None else band(between.worst, lines)
    at_best = BANDS[0] if between.best is None else band(between.best, lines)
    rank = BANDS.index(at_worst)
    if rank <= BANDS.index(at_best) or rank < BANDS.index(_TOLD[stage]):
        return None
    level = None if between.worst is None else figure_of(record.held, between.worst)
    owes = tuple(asset for asset, _ in record.held.debts if asset in between.missing)
    shown = None if level is None else plain(level)
    return Danger(rank, record.group.id, record.group.product, lines.metric.name, shown, at_worst, owes)


def _known(dangers: list[Danger]) -> dict[str, int]:
    return {each.id: each.rank for each in dangers[:MOST_LOOKED_AT]}


def _words(asset: str, worst: Danger) -> str:
    """The worst of the groups, as a sentence."""
    if asset in worst.owes:
        return f"{worst.id} owes {asset}, which may cost any sum"
    name = "LTV" if worst.metric == "ltv" else worst.metric.replace("_", " ")
    if worst.level is None:
        return f"{worst.id} has debt on nothing, with {asset} at nothing"
    return f"{worst.id} at {name} {worst.level}, with {asset} at nothing ({worst.band.replace('_', ' ')})"


def _row(danger: Danger) -> dict[str, str | None]:
    return {
        "group": danger.id,
        "product": danger.product,
        "metric": danger.metric,
        "level": danger.level,
        "band": danger.band,
    }
