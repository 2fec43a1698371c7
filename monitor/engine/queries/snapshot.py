"""A snapshot of a book in columns: it copies all positions at one instant, and weighs them at any prices beside core.

Core waits for the copy, about as long as for a sweep. The rest takes the time of the thread that asks. Stages come from
floats, and groups within the guard of a line are evaluated exactly, so every stage is exact. Sums are floats.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import cast

import numpy as np

from monitor.core.groups.loan_book import EXACT_SUMS
from monitor.core.groups.outcome import Sight
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import (
    Exposed,
    Exposures,
    Loss,
    Movers,
    Pair,
    Prices,
    Scope,
    Sums,
    Swept,
)
from monitor.core.money import CENT, EIGHT_PLACES, exact, round_down, round_up
from monitor.core.portfolio.snapshot import (
    LABEL_PREFIX,
    PlainBookSnapshot,
    best_worth,
    distance_of,
    nearest_shown,
    stage_then,
    urgency,
    worth_of,
)
from monitor.core.portfolio.under_rules import Decide, by_reload, renewed
from monitor.core.rules.settings import Rules
from monitor.core.stages.stages import LIQUIDATION, MARGIN_CALL, STAGES, Stage
from monitor.core.valuation.clearance import fee_rate
from monitor.core.valuation.valuation import BANDS
from monitor.core.valuation.valuation import MARGIN_CALL as CALL_BAND
from monitor.engine.columns.block import Block
from monitor.engine.columns.fields import DELAYED, F64, GROUPS, I64, NO_GROUP, U8, Bools
from monitor.engine.columns.floats import cents
from monitor.engine.columns.names import Names
from monitor.engine.index.rows import unpacked_state
from monitor.engine.queries.copied_rows import BookCopy, CopiedRows
from monitor.engine.queries.levels import NEXT, BlockLevels, ahead, bands, room
from monitor.engine.queries.merging import joined_exposures, joined_pairs, joined_sweeps
from monitor.engine.queries.snapshot_kernels import Weighed, by_asset, of_asset, weigh_book
from monitor.engine.schedule.in_force import InForce
from monitor.engine.screen.arrays import GUARD, MISSING, UNTRUSTED
from monitor.engine.screen.block_screen import BlockScreen

NEAR_LIMIT = 50_000
"""At most this many groups near a line are evaluated exactly, about 50 us each. Beyond, floats decide, as the answer says."""
_LIQUIDATED = STAGES.index(LIQUIDATION)
_CALLED = STAGES.index(MARGIN_CALL)
_CALL_BAND = BANDS.index(CALL_BAND)


class ColumnarBookSnapshot(CopiedRows):
    """A BookSnapshot of a BookCopy, joined with that of the fresh groups."""

    def __init__(self, copy: BookCopy, decide: Decide | None = None) -> None:
        """`decide`: see `under`; without it no time passes."""
        super().__init__(copy, PlainBookSnapshot(copy.fresh, copy.now, decide))
        self._decide = decide
        self._levels = BlockLevels(copy.names, copy.in_force.agreements)

    def sweep(self, on: Prices, scope: Scope) -> Swept:
        if len(self) <= EXACT_SUMS:
            return self._plain().sweep(on, scope)
        weighed, wanted = self._weigh(on), self._wanted(scope)
        after, are_exact = self._stages_then(weighed, wanted, on)
        known = wanted & (weighed.blind & MISSING == 0)
        pairs = self._stage[known].astype(np.int64) * len(STAGES) + after[known]
        moves = _moves_of(pairs, *(column[known] for column in weighed.sums))
        loss = self._loss(weighed, known, after, on)
        newly: dict[Stage, Movers] = {
            stage: self._movers(weighed, known & (after == i) & (self._stage != i)) for i, stage in enumerate(STAGES)
        }
        unpriced = np.flatnonzero(wanted & ~known)
        looked_at = unpriced[:NEAR_LIMIT] if self._decide is not None else unpriced[:0]
        are_exact &= self._decide is None or len(looked_at) == len(unpriced)
        rows = Swept(moves, len(unpriced) - len(looked_at), loss, newly, are_exact, False)
        for singly in (self._fresh.sweep(on, scope), self._singly(looked_at).sweep(on, ())):
            rows = joined_sweeps(rows, singly, lambda some: self._keyed(some, on))
        return rows

    def _singly(self, rows: I64) -> PlainBookSnapshot:
        """Groups of these rows, each looked at by itself: a reload may decide one whose price is missing by its best case."""
        return PlainBookSnapshot([self.sight(row) for row in rows.tolist()], self._copy.now, self._decide)

    def under(self, rules: Rules) -> ColumnarBookSnapshot:
        """Lays all positions again: a million groups take seconds of the thread that asks."""
        copy = self._copy
        names = copy.names.beside()
        now = InForce.of(copy.now, rules, names)
        screen = BlockScreen(names, now.agreements)
        for number, block, alive in self._blocks():
            screen.put(number, block, alive, now.debts.owed(block))
        store, tiers = screen.fast.laid
        with exact():
            fresh = [renewed(sight, rules, copy.now) for sight in copy.fresh]
        after = copy._replace(store=store, tiers=tiers, names=names, in_force=now, fresh=fresh)
        return ColumnarBookSnapshot(after, by_reload(rules.lifecycle))

    def exposures(self, by: str, on: Prices, scope: Scope, *, has_distances: bool = True) -> Exposures:
        if len(self) <= EXACT_SUMS:
            return self._plain().exposures(by, on, scope, has_distances=has_distances)
        weighed, wanted = self._weigh(on), self._wanted(scope)
        known = wanted & (weighed.blind & MISSING == 0)
        distance = self._distances(weighed, known, on) if has_distances else np.zeros(len(known))
        total = _sums_of(*(column[known] for column in weighed.sums))
        found = (
            self._by_asset(on, known, distance, weighed)
            if by == "asset"
            else self._by_key(by, known, distance, weighed)
        )
        rows = Exposures(found, total, int(np.count_nonzero(wanted & ~known)), False)
        return joined_exposures(rows, self._fresh.exposures(by, on, scope, has_distances=has_distances))

    def pairs(self, issuers: Mapping[str, Sequence[str]], on: Prices, scope: Scope) -> list[Pair]:
        if len(self) <= EXACT_SUMS:
            return self._plain().pairs(issuers, on, scope)
        copy, (price, _), known = self._copy, self._prices(on), self._wanted(scope)
        known &= self._weigh(on).blind & MISSING == 0
        places = {c: p for coins in issuers.values() for c in coins if (p := copy.names.assets.find(c)) is not None}
        sides = {}
        for coin, place in places.items():
            held, owed = np.zeros(len(known)), np.zeros(len(known))
            of_asset(self._numbers, copy.store, copy.tiers, price, place, held, owed)
            sides[coin] = _side(held, known), _side(owed, known)
        found = []
        for issuer, coins in issuers.items():
            for debt in (c for c in coins if c in sides):
                for collateral in (c for c in coins if c in sides):
                    found += _pairs_of(issuer, debt, collateral, sides[debt][1], sides[collateral][0])
        return joined_pairs(found, self._fresh.pairs(issuers, on, scope))

    def sight(self, row: int) -> Sight:
        """The group of a row, as it stood."""
        copy, k = self._copy, row // GROUPS
        number, block = copy.blocks[k]
        kept = block.record(row % GROUPS, copy.names)
        state = unpacked_state(copy.states.get(number * GROUPS + row % GROUPS), kept.group.id)
        with exact():
            product = copy.in_force.rules.product_of(kept.group)
            record = GroupRecord(kept, state, product, copy.in_force.at)
        return record.sight()

    # -- within --

    def _plain(self) -> PlainBookSnapshot:
        """For few groups: each is looked at exactly."""
        rows = np.flatnonzero(self._stage != NO_GROUP).tolist()
        return PlainBookSnapshot([*self._copy.fresh, *map(self.sight, rows)], self._copy.now, self._decide)

    def _prices(self, on: Prices) -> tuple[F64, U8]:
        """[assets] USD prices and flags. An asset without a price is zero and missing."""
        assets = list(self._copy.names.assets)
        price = np.array([float(on.usd[a]) if a in on.usd else 0.0 for a in assets])
        flag = [(UNTRUSTED if a in on.untrusted else 0) | (0 if a in on.usd else MISSING) for a in assets]
        return price, np.array(flag, np.uint8)

    def _weigh(self, on: Prices) -> Weighed:
        copy, weighed = self._copy, Weighed.zeros(len(self._stage))
        price, flag = self._prices(on)
        weigh_book(self._numbers, copy.store, copy.tiers, price, flag, weighed)
        return weighed

    def _distances(self, weighed: Weighed, known: Bools, on: Prices) -> F64:
        """[rows] Percent to the next line. A row on a line may have crossed it, so it is evaluated exactly."""
        found, near = np.zeros(len(self._stage)), []
        for k, (_, block) in enumerate(self._copy.blocks):
            rows = slice(k * GROUPS, k * GROUPS + len(block))
            (lines, is_near), part = self._levels.of(block), weighed.of(rows)
            found[rows] = room(ahead(lines, self._stage[rows]), part.debt, part.recognised)
            near.append(k * GROUPS + np.flatnonzero((is_near | _near(lines, part)) & known[rows]))
        for row in np.concatenate(near)[:NEAR_LIMIT].tolist():
            sight = self.sight(row)
            with exact():
                worth = worth_of(sight.held, on)
                if worth is not None:
                    found[row] = float(distance_of(worth.weight, sight.held, sight.state.stage))
        return found

    def _stages_then(self, weighed: Weighed, wanted: Bools, on: Prices) -> tuple[U8, bool]:
        """[rows] Stages after an evaluation, and whether all are exact."""
        after, near = self._stage.copy(), []
        for k, (_, block) in enumerate(self._copy.blocks):
            rows = slice(k * GROUPS, k * GROUPS + len(block))
            part, stage = weighed.of(rows), self._stage[rows]
            lines, is_near = self._levels.of(block)
            band, is_initial = bands(lines, part.debt, part.recognised)
            is_enrolled = (block.columns.flags & DELAYED != 0) | self._levels.has_grace[block.columns.product]
            is_good = is_initial & (part.blind & UNTRUSTED == 0)
            alive = wanted[rows] & (part.blind & MISSING == 0)
            then = NEXT[np.where(alive, stage, 0), band, is_enrolled.astype(np.int64), is_good.astype(np.int64)]
            after[rows] = np.where(alive, then, stage)
            is_near |= _near(lines, part)
            # Only the group itself says whether an overdue loan keeps a liquidation open.
            is_near |= (stage == _LIQUIDATED) & is_good
            if self._decide is not None:
                is_near |= (stage == _CALLED) & (band < _CALL_BAND)  # its hold may be over
                is_near |= _has_late_loan(block, self._copy.names)
            near.append(k * GROUPS + np.flatnonzero(is_near & alive))
        rows_near = np.concatenate(near)
        for row in rows_near[:NEAR_LIMIT].tolist():
            sight = self.sight(row)
            with exact():
                worth = worth_of(sight.held, on)
                if worth is not None:
                    after[row] = STAGES.index((self._decide or stage_then)(sight, worth.weight, on, self._copy.now))
        return after, len(rows_near) <= NEAR_LIMIT

    def _loss(self, weighed: Weighed, known: Bools, after: U8, on: Prices) -> Loss:
        owed = weighed.owed[known]
        left = weighed.market[known] - owed
        is_sold = after[known] == _LIQUIDATED
        short = np.maximum(-left, 0.0)
        fees = np.minimum(
            self._fees(known & (after == _LIQUIDATED))[known] * weighed.market[known], np.maximum(left, 0.0)
        )
        bankrupt = int(np.count_nonzero(short))
        near = np.flatnonzero((np.abs(left) <= GUARD * owed) & (owed > 0))[:NEAR_LIMIT]
        for k, row in zip(near.tolist(), np.flatnonzero(known)[near].tolist(), strict=True):
            with exact():
                worth = worth_of(self.sight(row).held, on)
                bankrupt += int(worth is not None and worth.owed > worth.market) - int(short[k] > 0)
        return Loss(bankrupt, *(cents(float(column.sum())) for column in (short, fees[is_sold], short[is_sold])))

    def _fees(self, wanted: Bools) -> F64:
        """[rows] The share of the market value that a liquidation takes while enough is left. Exact for wanted rows."""
        found = np.zeros(len(self._stage))
        for k, (_, block) in enumerate(self._copy.blocks):
            rows = slice(k * GROUPS, k * GROUPS + len(block))
            found[rows], unsure = self._levels.fees(block)
            for row in (k * GROUPS + np.flatnonzero(unsure & wanted[rows])).tolist():
                held = self.sight(row).held
                found[row] = float(fee_rate(held.version.clearance, held.lines))
        return found

    def _movers(self, weighed: Weighed, chosen: Bools) -> Movers:
        """The chosen rows by LTV, the worst first. Rows that tie come in the order of the book."""
        rows = np.flatnonzero(chosen)
        debt, recognised = weighed.debt[rows], weighed.recognised[rows]
        with np.errstate(divide="ignore", invalid="ignore"):
            ltv = np.where(recognised > 0, debt / recognised, np.where(debt > 0, np.inf, 0.0))
        rows = rows[np.argsort(-ltv, kind="stable")]
        return lambda: map(self.sight, rows.tolist())

    def _keyed(self, some: Iterator[Sight], on: Prices) -> Iterator[tuple[float, str, Sight]]:
        for sight in some:
            with exact():
                worth = best_worth(sight.held, on)
            if worth is not None:
                yield urgency(worth.weight), sight.group.id, sight

    def _by_key(self, by: str, known: Bools, distance: F64, weighed: Weighed) -> list[Exposed]:
        names = self._copy.names
        keys: list[str | None] = []
        if by == "product":
            keys = list(names.products)
            place_of = np.arange(len(keys))
        else:
            found: dict[str | None, int] = {}
            name = by.removeprefix(LABEL_PREFIX)
            place_of = np.array(
                [found.setdefault(labels.get(name), len(found)) for labels in list(names.labels)], np.int64
            )
            keys = list(found)
        code = np.zeros(len(known), np.int64)
        for k, (_, block) in enumerate(self._copy.blocks):
            c = block.columns
            code[k * GROUPS : k * GROUPS + len(block)] = place_of[c.product if by == "product" else c.labels]
        code, far, debt = code[known], distance[known], weighed.owed[known]
        count = np.bincount(code, minlength=len(keys))
        columns = [np.bincount(code, column[known], len(keys)) for column in weighed.sums]
        nearest, weighted = np.full(len(keys), np.inf), np.bincount(code, far * debt, len(keys))
        np.minimum.at(nearest, code, far)
        rows = []
        for i in np.flatnonzero(count).tolist():
            sums = Sums(int(count[i]), *(cents(float(column[i])) for column in columns))
            rows.append(Exposed(keys[i], sums, _percent(nearest[i]), _mean(weighted[i], columns[0][i]), sums.debt))
        return rows

    def _by_asset(self, on: Prices, known: Bools, distance: F64, weighed: Weighed) -> list[Exposed]:
        copy = self._copy
        price, _ = self._prices(on)
        sums = np.zeros((len(price), 8))
        sums[:, 5] = np.inf
        by_asset(self._numbers, copy.store, copy.tiers, price, known.view(np.uint8), distance, weighed.owed, sums)
        rows = []
        for i in np.flatnonzero((sums[:, 0] > 0) | (sums[:, 1] > 0)).tolist():
            groups, owed, recognised, market, quantity, nearest, weighted, whole = sums[i].tolist()
            held = Sums(int(groups), cents(owed), cents(recognised), cents(market))
            amount = round_up(Decimal.from_float(quantity), EIGHT_PLACES) if groups else None
            rows.append(
                Exposed(copy.names.assets[i], held, _percent(nearest), _mean(weighted, whole), cents(whole), amount)
            )
        return rows


def _near(lines: F64, part: Weighed) -> Bools:
    """Within the guard of a line. With liabilities `recognised` is a difference, with the error of the sums before."""
    with np.errstate(invalid="ignore"):
        apart = np.abs(part.debt - lines * part.recognised)
        slack = 2 * GUARD * (part.debt + 2 * lines * part.liable)
    is_near: Bools = (apart <= slack) & np.isfinite(lines)
    return cast("Bools", is_near.any(axis=0))


def _has_late_loan(block: Block, names: Names) -> Bools:
    """[n] A loan had matured when the group was put or last changed: a reload may find that its dates have passed."""
    c = block.columns
    matures, rows = block.matures(names), block.loan_rows()
    found = np.zeros(len(block), np.bool_)
    found[rows[(matures >= 0) & (matures <= c.times[c.put][rows])]] = True
    return found


def _moves_of(pairs: I64, debt: F64, recognised: F64, market: F64) -> dict[tuple[Stage, Stage], Sums]:
    """By stage before and after; `pairs` are place before x number of stages + place after."""
    size = len(STAGES) ** 2
    count = np.bincount(pairs, minlength=size)
    sums = [np.bincount(pairs, column, size) for column in (debt, recognised, market)]
    return {
        (STAGES[i // len(STAGES)], STAGES[i % len(STAGES)]): Sums(int(count[i]), *(cents(float(s[i])) for s in sums))
        for i in np.flatnonzero(count).tolist()
    }


def _sums_of(debt: F64, recognised: F64, market: F64) -> Sums:
    """The sums of these groups."""
    return Sums(len(debt), *(cents(float(column.sum())) for column in (debt, recognised, market)))


def _percent(value: float) -> Decimal | None:
    """A distance; None where there is none."""
    return nearest_shown(Decimal.from_float(float(value))) if np.isfinite(value) else None


def _mean(weighted: float, whole: float) -> Decimal | None:
    """An average distance, rounded down. None if there is nothing to average."""
    return round_down(Decimal.from_float(float(weighted / whole)), CENT) if whole > 0 else None


def _side(value: F64, known: Bools) -> tuple[I64, F64]:
    """The known rows with a value above zero, and the values."""
    rows = np.flatnonzero(known & (value > 0))
    return rows, value[rows]


def _pairs_of(issuer: str, debt: str, collateral: str, owed: tuple[I64, F64], held: tuple[I64, F64]) -> list[Pair]:
    """The pair, if any group owes one coin and holds the other."""
    both, i, j = np.intersect1d(owed[0], held[0], assume_unique=True, return_indices=True)
    if not len(both):
        return []
    sums = cents(float(owed[1][i].sum())), cents(float(held[1][j].sum()))
    return [Pair(issuer, debt, collateral, len(both), *sums)]
