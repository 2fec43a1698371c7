"""The whole book under shocks: who crosses which line, sums, losses; a matrix of two shocks; the fall that it takes.

What is asked is a frozen struct (`Stress`), what is answered JSON values. A survey is swept once per set of prices, each set
being a step of its own, so that whoever runs the steps may pause between them. Pure; nothing is changed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Annotated, Any

import msgspec

from monitor.core.groups.outcome import Sight
from monitor.core.groups.survey import Prices, Scope, Sums, Swept
from monitor.core.money import ONE, exact, number, plain
from monitor.core.portfolio.snapshot import WholeBook, share_of, worth_of
from monitor.core.prices.quote import BadPrice, price
from monitor.core.schema import Asset, Bounds, Invalid, Pattern, Problem
from monitor.core.stages.stages import DELAYED, LIQUIDATION, STAGE_RANK
from monitor.core.text import plain_or_none, stamp
from monitor.core.valuation.clearance import clearance

SHOCK_EXPECTED = 'a change such as "-20%" or a price in USD such as "30000"'
# Digits are bounded so that a shocked price times a quantity and a share stays exact within the context of money.py.
Shock = Annotated[str, Pattern(r"[+-]?\d{1,6}(\.\d{1,6})?%|\d{1,16}(\.\d{1,18})?([eE][+-]?\d{1,2})?", SHOCK_EXPECTED)]
Share = Annotated[Decimal, Bounds("0", "1", 8, above=True)]
ScenarioName = Annotated[str, Pattern(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", "the name of a scenario, without .toml")]

MAX_SHOCKS = 1_000
MAX_AXIS = 21
"""Shocks of one side of a matrix. A cell is a sweep: 50 ms for a million groups, so 20 s for the largest matrix."""
COARSE, FINEST = 500, 10_000
"""The reverse looks at falls of 5 % each, then halves the step down to 0.01 %."""
PEGGED = Decimal("0.02")
"""Coins this near to one dollar are left out of a common fall, unless they are named."""
REACHED = (DELAYED, LIQUIDATION)
"""Stages at or beyond the liquidation line."""


class Axis(msgspec.Struct, frozen=True):
    """One side of a matrix."""

    asset: Asset
    shocks: tuple[Shock, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.shocks) <= MAX_AXIS:
            raise ValueError(f"shocks: found {len(self.shocks)} of them, expected 1 to {MAX_AXIS}")


class Matrix(msgspec.Struct, frozen=True):
    """Two coins, each with its shocks."""

    x: Axis
    y: Axis

    def __post_init__(self) -> None:
        if self.x.asset == self.y.asset:
            raise ValueError(f"y.asset: found {self.y.asset!r} on both sides, expected another coin")


class Reverse(msgspec.Struct, frozen=True):
    """The smallest common fall that brings this share of the debt to the liquidation line."""

    share: Share
    assets: tuple[Asset, ...] = ()
    """Coins that fall; none: all collateral coins but those within 2 % of a dollar."""


class Stress(msgspec.Struct, frozen=True):
    """What is asked: exactly one of the four. `limit` groups are listed of each stage."""

    shocks: dict[Asset, Shock] = {}
    scenario: ScenarioName | None = None
    matrix: Matrix | None = None
    reverse: Reverse | None = None
    limit: Annotated[int, range(0, 1001)] = 100

    def __post_init__(self) -> None:
        asked = [n for n, v in (("shocks", self.shocks), ("scenario", self.scenario), ("matrix", self.matrix),
                                ("reverse", self.reverse)) if v]  # fmt: skip
        if len(asked) != 1:
            found = ", ".join(asked) or "none"
            raise ValueError(f"found {found}, expected exactly one of shocks, scenario, matrix, reverse")
        if len(self.shocks) > MAX_SHOCKS:
            raise ValueError(f"shocks: found {len(self.shocks)} of them, expected {MAX_SHOCKS} at most")


Step = Iterator[None]


def shocked(on: Prices, shocks: Mapping[str, str], known: Iterable[str], where: str, problems: list[Problem]) -> Prices:
    """The prices after shocks, each of its coin's USD price alone. A price that is stated is believed; a percentage of an
    untrusted price is no better than that price. What is wrong is added to `problems`."""
    usd, believed, names = dict(on.usd), set(), on.usd.keys() | set(known)
    for asset, text in shocks.items():
        at = f"{where}.{asset}" if where else asset
        if asset not in names:
            problems.append(unknown(at, asset, names))
        elif not text.endswith("%"):
            try:
                usd[asset] = price(text)
                believed.add(asset)
            except BadPrice as e:
                problems.append(Problem(at, f"found {text!r}: {e}"))
        elif asset not in usd:
            problems.append(
                Problem(at, f'found {text!r}, but {asset} has no price to move; state one, such as "30000"')
            )
        else:
            factor = ONE + number(text[:-1]).scaleb(-2)
            if factor <= 0:
                problems.append(Problem(at, f"found {text!r}, expected a change above -100%"))
            else:
                usd[asset] = usd[asset] * factor
    return Prices(usd, on.untrusted - believed)


def unknown(where: str, asset: str, known: Iterable[str], kind: str = "coin that has a price or a ladder") -> Problem:
    """A coin that is not there, with the nearest that is."""
    names = sorted(known)
    near = difflib.get_close_matches(asset, names, 1)
    listed = ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {listed or 'none'}"
    return Problem(where, f"found {asset!r}, expected a {kind}; {hint}")


class Shocked:
    """The book before and after shocks."""

    def __init__(self, book: WholeBook, shocks: Mapping[str, str], scope: Scope) -> None:
        """Raises wire.Invalid."""
        problems: list[Problem] = []
        with exact():
            self._after = shocked(book.prices, shocks, known_coins(book, scope), "shocks", problems)
        if problems:
            raise Invalid(problems)
        self._book, self._shocks, self._scope = book, shocks, scope

    def run(self) -> tuple[dict[str, Any], Swept]:
        """The answer but for its lists, and the sweep that has these."""
        book, scope = self._book, self._scope
        now = book.survey.sweep(book.prices, scope)
        then = book.survey.sweep(self._after, scope)
        with exact():
            loss = then.loss
            shown = {
                "kind": "shocks",
                "at": stamp(book.at),
                "shocks": {a: {"shock": text, **self._price(a)} for a, text in self._shocks.items()},
                "groups": sum(sums.groups for sums in then.moves.values()),
                "unknown": then.unknown,
                "is_exact": {"counts": then.are_counts_exact, "sums": then.are_sums_exact and now.are_sums_exact},
                "before": _by_stage(now, 0),
                "after": _by_stage(then, 1),
                "moves": [
                    {"from": before, "to": after, **sums_shown(sums)}
                    for (before, after), sums in sorted(then.moves.items(), key=_by_rank)
                ],
                "bankrupt": loss.bankrupt,
                "expected_shortfall_usd": plain(loss.shortfall),
                "fees_usd": plain(loss.fees),
                "fund_draw_usd": plain(loss.draw),
            }
        return shown, then

    def newly(self, then: Swept, limit: int) -> dict[str, Any]:
        """Of each stage the groups that are new in it, the worst first."""
        found = {}
        for stage in STAGE_RANK:
            with exact():
                sums = _total(s for (before, after), s in then.moves.items() if before != after == stage)
            items = [self.row(sight, stage) for sight in islice(then.newly[stage](), min(limit, sums.groups))]
            found[stage] = {**sums_shown(sums), "items": items, "cut": sums.groups - len(items)}
        return found

    def rows(self, then: Swept) -> Iterator[dict[str, Any]]:
        """Every group that changes its stage, the worst stage first."""
        for stage in STAGE_RANK:
            yield from (self.row(sight, stage) for sight in then.newly[stage]())

    def row(self, sight: Sight, stage: str) -> dict[str, Any]:
        """One group before and after, exact."""
        with exact():
            before, after = worth_of(sight.held, self._book.prices), worth_of(sight.held, self._after)
            assert after is not None, "a group without all prices moves nowhere"
            return {
                "id": sight.group.id,
                "product": sight.group.product,
                "labels": dict(sight.group.labels),
                "from": sight.state.stage,
                "to": stage,
                "ltv_before": plain_or_none(before.weight.ltv) if before is not None else None,
                "ltv": plain_or_none(after.weight.ltv),
                "debt_usd": plain(after.owed),
                "recognised_usd": plain(after.weight.recognised),
                "market_usd": plain(after.market),
                "shortfall_usd": plain(clearance(sight.held, self._after.usd).shortfall_usd),
            }

    def _price(self, asset: str) -> dict[str, str | None]:
        return {
            "before": plain_or_none(self._book.prices.usd.get(asset)),
            "after": plain(self._after.usd[asset]),
        }


class Grid:
    """A matrix, cell by cell. Rows go along y, the places within one along x."""

    def __init__(self, book: WholeBook, matrix: Matrix, scope: Scope) -> None:
        """Raises wire.Invalid."""
        self._book, self._matrix, self._scope, self._known = book, matrix, scope, known_coins(book, scope)
        problems: list[Problem] = []
        for name, axis in (("x", matrix.x), ("y", matrix.y)):
            for i, text in enumerate(axis.shocks):
                found: list[Problem] = []
                with exact():
                    shocked(book.prices, {axis.asset: text}, self._known, "", found)
                problems += [Problem(f"matrix.{name}.shocks[{i}]", p.what) for p in found]
        if problems:
            raise Invalid(problems)
        self._cells: list[list[dict[str, Any]]] = []

    def steps(self) -> Step:
        """One cell each."""
        for down in self._matrix.y.shocks:
            self._cells.append([])
            for across in self._matrix.x.shocks:
                self._cells[-1].append(self._cell({self._matrix.x.asset: across, self._matrix.y.asset: down}))
                yield

    def _cell(self, shocks: Mapping[str, str]) -> dict[str, Any]:
        with exact():
            on = shocked(self._book.prices, shocks, self._known, "", [])
            swept = self._book.survey.sweep(on, self._scope)
            reached = _total(s for (_, after), s in swept.moves.items() if after in REACHED)
            return {
                "stages": {stage: sums["groups"] for stage, sums in _by_stage(swept, 1).items()},
                "liquidation_debt_usd": plain(reached.debt),
                "expected_shortfall_usd": plain(swept.loss.shortfall),
                "is_exact": {"counts": swept.are_counts_exact, "sums": swept.are_sums_exact},
            }

    def answer(self) -> dict[str, Any]:
        """When all steps are done."""
        m = self._matrix
        axes = {name: {"asset": a.asset, "shocks": list(a.shocks)} for name, a in (("x", m.x), ("y", m.y))}
        return {"kind": "matrix", "at": stamp(self._book.at), **axes, "cells": self._cells}


class Search:
    """The smallest common fall that brings a share of the debt to the liquidation line, to 0.01 %."""

    def __init__(self, book: WholeBook, reverse: Reverse, scope: Scope) -> None:
        """Raises wire.Invalid."""
        usd, problems = book.prices.usd, list[Problem]()
        for i, asset in enumerate(reverse.assets):
            if asset not in usd:
                problems.append(unknown(f"reverse.assets[{i}]", asset, usd, "coin that has a price"))
        if problems:
            raise Invalid(problems)
        self._book, self._share, self._scope = book, reverse.share, scope
        self.assets = sorted(
            reverse.assets or (a for a in book.survey.coins(scope).held if a in usd and not _is_pegged(usd[a]))
        )
        self._edge: int | None = None
        self._seen: dict[int, tuple[Sums, Sums, Swept]] = {}

    def steps(self) -> Step:
        """A sweep each: falls of 5 % until the share is reached, then the step is halved. Debt in a coin that falls too
        need not grow worse with it, so the first fall that suffices is looked for from nothing on."""
        low, high = -1, 0
        while high < FINEST and not self._suffices(high):
            yield
            low, high = high, min(high + COARSE, FINEST)
        if high >= FINEST:
            return
        while high - low > 1 and low >= 0:
            middle = (low + high) // 2
            yield
            low, high = (low, middle) if self._suffices(middle) else (middle, high)
        self._edge = high

    def _suffices(self, fall: int) -> bool:
        factor = Decimal(FINEST - fall) / FINEST
        with exact():
            usd = dict(self._book.prices.usd)
            usd |= {asset: usd[asset] * factor for asset in self.assets}
            swept = self._book.survey.sweep(self._book.prices._replace(usd=usd), self._scope)
            reached = _total(s for (_, after), s in swept.moves.items() if after in REACHED)
            whole = _total(swept.moves.values())
            self._seen[fall] = reached, whole, swept
            return reached.debt >= self._share * whole.debt and whole.debt > 0

    def answer(self) -> dict[str, Any]:
        """When all steps are done. Both sides of the edge, so that anybody can see that there is none before it."""
        edge = self._edge
        last = max(self._seen)
        swept = self._seen[last if edge is None else edge][2]
        return {
            "kind": "reverse",
            "at": stamp(self._book.at),
            "share": plain(self._share),
            "assets": self.assets,
            "fall_percent": None if edge is None else _percent(edge),
            "reached": None if edge is None else self._side(edge),
            "below": self._side(last) if edge is None else self._side(edge - 1) if edge - 1 in self._seen else None,
            "reason": None
            if edge is not None
            else f"even a fall of {_percent(last)} % of these coins does not reach it",
            "is_exact": {"counts": swept.are_counts_exact, "sums": swept.are_sums_exact},
        }

    def _side(self, fall: int) -> dict[str, Any]:
        reached, whole, _ = self._seen[fall]
        return {
            "fall_percent": _percent(fall),
            "groups": reached.groups,
            "debt_usd": plain(reached.debt),
            "share": plain_or_none(share_of(reached.debt, whole.debt)),
        }


def known_coins(book: WholeBook, scope: Scope) -> frozenset[str]:
    """Coins that the rules in force recognise, and those that somebody of the scope holds or owes."""
    listed = (a for p in book.rules.products.values() for a in p.version_at(book.at).ladders)
    return frozenset(listed).union(*book.survey.coins(scope))


def sums_shown(sums: Sums) -> dict[str, Any]:
    """As JSON values."""
    return {
        "groups": sums.groups,
        "debt_usd": plain(sums.debt),
        "recognised_usd": plain(sums.recognised),
        "market_usd": plain(sums.market),
    }


def _by_stage(swept: Swept, side: int) -> dict[str, dict[str, Any]]:
    """By stage before (0) or after (1), the worst first."""
    return {s: sums_shown(_total(sums for move, sums in swept.moves.items() if move[side] == s)) for s in STAGE_RANK}


def _total(some: Iterable[Sums]) -> Sums:
    total = Sums()
    for sums in some:
        total = total.plus(sums)
    return total


def _by_rank(move: tuple[tuple[str, str], Sums]) -> tuple[int, int]:
    (before, after), _ = move
    return STAGE_RANK[after], STAGE_RANK[before]


def _is_pegged(usd: Decimal) -> bool:
    return abs(usd - ONE) <= PEGGED


def _percent(fall: int) -> str:
    return plain(Decimal(fall).scaleb(-2))
