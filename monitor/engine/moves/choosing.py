"""Which steps of suspects are plain: proved by the screen's floats, farther from every line than these may err.

By column go groups that are regular in every way: all that a column holds and nothing beside it, prices that are all good,
rules with lines and no more, dates that are far away. Everything else is left to core, one by one.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import NamedTuple

import numpy as np

from monitor.core.alerts.alert import GroupRef
from monitor.core.groups.plain_moves import Disproved, PlainMove
from monitor.core.instants import micros_of
from monitor.core.prices.board import PriceBoard
from monitor.core.stages.decision import calm_between
from monitor.core.stages.stages import MARGIN_CALL, NORMAL, STAGES, GroupState, Signal, Stage
from monitor.engine.columnar_groups import ColumnarGroups
from monitor.engine.columns.agreements import Ruled
from monitor.engine.columns.block import Block
from monitor.engine.columns.cutting import CutRows
from monitor.engine.columns.fields import DELAYED, F64, GROUPS, HAS_EXTRAS, I64, Bools
from monitor.engine.columns.names import Names
from monitor.engine.moves.alike import Alike
from monitor.engine.moves.moved import CutBy, CutGroups, Decided, PlainStep
from monitor.engine.moves.staging import RulesForms, dump
from monitor.engine.schedule.dates import dates_of
from monitor.engine.schedule.in_force import InForce
from monitor.engine.screen.defaults import lines_by_row

FAR = 4e-9
"""Beyond this relative distance of a line a float proves on which side of it a group is: four times the screen's guard."""
SOON = timedelta(days=1)
"""A group with a date of a loan within this is left to core: the date may be planned already."""
MOST_LENT = 1000.0
"""Times the debt: the rounding of floats is a million times smaller than FAR, so it stays far below even then."""
AT_ONCE = GROUPS
"""So many groups are cut out together: a block's worth."""
_CALLED, _BEYOND, _IMMEDIATE = 1, 2, 3


class _Rule(NamedTuple):
    """What a plain step depends on, of the rules of some groups."""

    ruled: Ruled
    warnings: frozenset[Decimal]
    """Early-warning levels that a group has reached once it meets its first line."""
    has_grace: bool
    """The grace period needs no enrolment."""


class _Cut(NamedTuple):
    """Some suspects in columns of their own, in the order of their rows."""

    rows: I64
    block: Block
    debt: F64
    recognised: F64


class Choosing:
    """Finds plain moves, and keeps what they lead to in the rows and in the screen."""

    def __init__(self, groups: ColumnarGroups, least: int, disproved: Disproved) -> None:
        """`least`: how many suspects it takes, as fewer are sooner decided one by one."""
        self._groups = groups
        self._rows = groups.rows
        self._least = least
        self._disproved = disproved
        self._stage = partial(dump, forms=RulesForms())
        self._row_of: dict[str, int] = {}
        """Rows of the moves that were found last."""
        self._calm: dict[tuple[int, int, Stage, tuple[Decimal, ...]], tuple[float, float]] = {}
        self._calm_alike: dict[tuple[int, Signal], tuple[float, float]] = {}
        """The same for groups that stand alike, by the identity of their state: moves that were found last keep it."""

    def found(self, suspects: Iterable[str], board: PriceBoard, at: datetime) -> dict[str, PlainMove]:
        """The plain moves among the groups that were named last."""
        moves: dict[str, PlainMove] = {}
        self._row_of.clear()
        self._calm.clear()
        self._calm_alike.clear()
        named, now = self._rows.named, self._groups.now
        rows = np.array(sorted(named[id_] for id_ in suspects if id_ in named), np.int64)
        if len(rows) < self._least or not self._groups.screen.is_of(board):
            return moves
        decided: Decided | None = None
        for cut in self._cuts(rows):
            decided = decided or Decided(now.rules, now.at, board.snapshot())
            moves |= self._moves(cut, decided, now, at)
        return moves

    def keep(self, move: PlainMove, state: GroupState) -> None:
        """Keeps the state that a move has led to."""
        row = self._row_of[state.group]
        self._rows.set_stage(row, state)
        alike = id(move.state), move.signal
        bounds = self._calm_alike.get(alike)
        if bounds is None:
            bounds = self._calm_alike[alike] = self._bounds(move, state)
        self._groups.screen.watch_soon(row, bounds)

    def _bounds(self, move: PlainMove, state: GroupState) -> tuple[float, float]:
        """Between which LTVs nothing is to be decided."""
        key = id(move.version), id(move.lines), state.stage, state.warned
        bounds = self._calm.get(key)
        if bounds is None:
            how = self._groups.now.rules.lifecycle
            bounds = self._calm[key] = calm_between(state, move.lines, move.version, how).bounds
        return bounds

    def _cuts(self, suspects: I64) -> Iterator[_Cut]:
        """The suspects that may be plain by their stage and what they hold, cut out of their blocks."""
        fast, stage = self._groups.screen.fast, self._rows.stage[suspects]
        rows = suspects[(stage == STAGES.index(NORMAL)) | (stage == STAGES.index(MARGIN_CALL))]
        debt, recognised, blind = fast.weighed(rows)
        rows = rows[(blind == 0) & (debt > 0) & (recognised > 0)]
        rows = np.sort(rows[[row not in self._groups.agenda.restless for row in rows.tolist()]])
        for begin in range(0, len(rows), AT_ONCE):
            some = rows[begin : begin + AT_ONCE]
            places = CutRows.of(some, self._rows.block)
            is_regular = places.column("flags") & HAS_EXTRAS == 0
            numbers, of = np.unique(some // GROUPS, return_inverse=True)
            is_regular &= np.array([fast.is_weighed(number) for number in numbers.tolist()], np.bool_)[of]
            some = some[is_regular]
            if len(some):
                debt, recognised, _ = fast.weighed(some)
                yield _Cut(some, Block(places.kept(is_regular).columns()), debt, recognised)

    def _moves(self, cut: _Cut, decided: Decided, now: InForce, at: datetime) -> Iterator[tuple[str, PlainMove]]:
        block, names, fast = cut.block, self._groups.names, self._groups.screen.fast
        unsure = np.zeros(len(block), np.bool_)
        ruled, of = lines_by_row(block, now.agreements, names, unsure)
        rules = [_rule_of(each) for each in ruled]
        is_plain = np.array([*(rule is not None for rule in rules), False])
        dated = dates_of(block, names, now.versions).first(len(block))
        plain = is_plain[of] & ~unsure & _is_gross(cut, fast.prices) & (dated > micros_of(at + SOON))
        levels = np.array([*(_levels(each) for each in ruled), (np.nan,) * 4])[of]
        band, is_far = _bands(cut.debt, cut.recognised, levels)
        steps: list[PlainStep] = [_NO_STEP] * len(block)
        by = CutBy(cut.debt.tolist(), self._disproved, self._stage)
        of_groups = CutGroups(block, names, steps, decided, by)
        has_grace, fits = _graces(block, rules, of)
        chosen = np.flatnonzero(plain & is_far & (band > 0) & fits)
        refs, signals = _refs(block, names), _SIGNALS[has_grace[chosen].astype(np.int64), band[chosen]]
        alike, packed_states = Alike(), self._rows.packed_states()
        columns = (each.tolist() for each in (chosen, of[chosen], cut.rows[chosen], signals, dated[chosen]))
        for place, at_rule, row, signal, first in zip(*columns, strict=True):
            rule, ref, packed = rules[at_rule], refs[place], packed_states.get(row)
            assert rule is not None, "a group without rules is not plain"
            state, last_alert = alike.state(packed, signal, at_rule, rule.warnings)
            if state is None:
                continue
            steps[place] = _STEPS[state.stage, signal]
            self._row_of[ref.id] = row
            yield (
                ref.id,
                PlainMove(
                    of_groups, place, ref, state, last_alert, signal, rule.ruled.version, rule.ruled.lines, first
                ),
            )


_NO_STEP = PlainStep(NORMAL, Signal.INITIAL)
"""Of a group that was cut out and is decided one by one."""


def _rule_of(ruled: Ruled) -> _Rule | None:
    """None for rules that ask for more than the level of a group: calls with an amount, liabilities, open orders."""
    version, lines, _ = ruled
    if version.calls is not None or version.liability_tiers is not None or version.counts_order_loss:
        return None
    warnings = frozenset(w for w in version.warnings if lines.is_worse(lines.first, w))
    return _Rule(ruled, warnings, version.is_grace_for_all)


def _levels(ruled: Ruled) -> tuple[float, ...]:
    """Initial, margin call, liquidation and immediate line as debt over recognised value; NaN where there is none."""
    lines = ruled.lines
    stated = (lines.initial, lines.margin_call, lines.liquidation, lines.immediate)
    return tuple(
        float("nan") if level is None else 1 / float(level) if lines.falls else float(level) for level in stated
    )


def _bands(debt: F64, recognised: F64, levels: F64) -> tuple[I64, Bools]:
    """[n] 1 beyond the line of a margin call, 2 of liquidation, 3 of an immediate one; and whether no line is near."""
    debts, at_line = debt[:, None], levels * recognised[:, None]
    is_beyond = debts >= at_line  # never where there is no line
    is_near = np.abs(debts - at_line) <= FAR * np.maximum(debts, at_line)
    rank = np.array([0, _CALLED, _BEYOND, _IMMEDIATE])
    band: I64 = (is_beyond * rank).max(axis=1)
    is_far: Bools = np.logical_not(is_near.any(axis=1))
    return band, is_far


def _is_gross(cut: _Cut, price: F64) -> Bools:
    """[n] What was lent is no multiple of what is owed. Otherwise rates below zero have taken off so much that the debt is a
    small difference, of which floats may prove nothing."""
    block = cut.block
    lent = block.principals() * price[block.columns.loan_asset]
    gross: Bools = np.bincount(block.loan_rows(), lent, len(block)) <= MOST_LENT * cut.debt
    return gross


def _graces(block: Block, rules: Sequence[_Rule | None], of: I64) -> tuple[Bools, Bools]:
    """[n] Which groups have a grace period, and which do so only where their product has one."""
    has = np.array([*(rule is not None and rule.has_grace for rule in rules), False])[of]
    has |= block.columns.flags & DELAYED != 0
    knows = np.array([*(rule is not None and rule.ruled.version.grace is not None for rule in rules), False])[of]
    return has, knows | ~has


_SIGNALS = np.array(
    [[None, Signal.CALL, Signal.BREACH, Signal.BREACH], [None, Signal.CALL, Signal.GRACE, Signal.IMMEDIATE]], object
)
"""Without and with a grace period, by band: as stages.signal_of has it for a group that is at none of the lines."""
_STEPS = {(stage, signal): PlainStep(stage, signal) for stage in STAGES for signal in Signal}
"""One object each, however many groups take it."""


def _refs(block: Block, names: Names) -> list[GroupRef]:
    """[n] How alerts name the groups."""
    at, c = block.account_keys()[0][: len(block)], block.columns
    text, lengths = c.arena.tobytes().decode("latin-1"), c.arena[at].tolist()
    accounts = [text[k + 1 : k + 1 + n] for k, n in zip(at.tolist(), lengths, strict=True)]
    products = [names.products[place] for place in c.product.tolist()]
    labels = [names.labels[place] for place in c.labels.tolist()]
    return list(map(GroupRef, block.ids(), products, accounts, labels))
