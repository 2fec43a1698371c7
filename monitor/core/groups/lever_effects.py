"""What a lever would do to each group: stage, figure, next line, and when it is liquidated, before and after. Pure.

The same function answers a preview, says what a proposal was about, and finds out at its approval whether that has grown.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime
from decimal import Decimal
from typing import NamedTuple

from monitor.core.groups.lever_states import LeverEffect, LeverStand
from monitor.core.groups.levers import Changed
from monitor.core.groups.record import GroupRecord
from monitor.core.prices.board import PriceBoard
from monitor.core.rules.settings import Lifecycle
from monitor.core.stages.ahead import lines_ahead
from monitor.core.stages.decision import WeighedGroup, judge
from monitor.core.stages.maturity import overdue_at
from monitor.core.stages.stages import DELAYED, LIQUIDATION
from monitor.core.valuation.shown_figures import figure_of
from monitor.core.valuation.valuation import Holding, Weight, crossed, holding, weigh


class Judges(NamedTuple):
    """What judges a group: the name of the monitor, its clear hold, the prices, and the time."""

    name: str
    lifecycle: Lifecycle
    board: PriceBoard
    at: datetime


def effect_of(old: GroupRecord, changed: Changed, how: Judges) -> LeverEffect:
    """A lever on a group."""
    held = holding(changed.group, changed.product, how.at)
    return LeverEffect(old.group.id, _before(old, how), _after(changed, held, how.board.usd, how.board.untrusted, how))


def pin_effect(old: GroupRecord, asset: str, price: Decimal, how: Judges) -> LeverEffect:
    """A pinned price on a group that needs it."""
    usd, untrusted = {**how.board.usd, asset: price}, frozenset(how.board.untrusted) - {asset}
    return LeverEffect(old.group.id, _before(old, how), _after(_unchanged(old), old.held, usd, untrusted, how))


def hidden_effect(old: GroupRecord, how: Judges) -> LeverEffect:
    """A silence on a group in a critical stage: it stays there, and the channels hear nothing of it."""
    stand = _before(old, how)
    return LeverEffect(old.group.id, stand, stand)


def _before(old: GroupRecord, how: Judges) -> LeverStand:
    return _stand(_unchanged(old), old.held, _weight(old.held, how.board.usd))


def _after(
    changed: Changed, held: Holding, usd: Mapping[str, Decimal], untrusted: Collection[str], how: Judges
) -> LeverStand:
    """As the stage table judges it."""
    weight = _weight(held, usd)
    if weight is None:
        return _stand(changed, held, None)
    blind = not held.assets.isdisjoint(untrusted)
    seen = WeighedGroup(changed.group, held, weight, blind, how.at, is_settled=False)
    state, _ = judge(how.name, changed.state, seen, how.lifecycle)
    return _stand(changed._replace(state=state), held, weight)


def _unchanged(old: GroupRecord) -> Changed:
    return Changed(old.group, old.state, old.product)


def _stand(of: Changed, held: Holding, weight: Weight | None) -> LeverStand:
    lines = held.lines
    name = None
    if weight is not None:
        ahead = [n for n in lines_ahead(of.state.stage) if n in lines.stated and n != "initial"]
        name = next((n for n in ahead if not crossed(weight, lines, n)), None)
    figure = None if weight is None else figure_of(held, weight)
    level = None if name is None else lines.stated[name]
    return LeverStand(
        product=of.group.product,
        stage=of.state.stage,
        figure=figure,
        next_line=name,
        next_level=level,
        liquidated_at=_liquidated_at(of, held),
        metric=lines.metric.name if lines.falls else "",
        lines=tuple(lines.stated.values()),
    )


def _liquidated_at(of: Changed, held: Holding) -> datetime | None:
    """The first time at which the group is liquidated if nothing happens."""
    state = of.state
    if state.stage == LIQUIDATION:
        return None
    due = [
        overdue_at(loan.matures_at, held.version, state.waived_until)
        for loan in of.group.loans
        if loan.matures_at is not None and loan.is_owed and (loan.id, loan.matures_at) not in state.called
    ]
    if state.stage == DELAYED and state.deadline is not None:
        due.append(state.deadline)
    return min(due, default=None)


def _weight(held: Holding, usd: Mapping[str, Decimal]) -> Weight | None:
    return weigh(held, usd) if held.assets <= usd.keys() else None
