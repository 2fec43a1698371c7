"""The whole book under shocks: who crosses which line, sums, losses; a matrix of two shocks; the fall that it takes.

`Stress` is the question; `StressAnswer`, `MatrixAnswer` and `ReverseAnswer` are the answers. Each set of prices takes one
sweep of the snapshot. A sweep is a step, so that the caller may pause between steps. Pure; nothing is changed.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from itertools import islice
from typing import Annotated

import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import asdict, astuple

from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import Prices, Scope, Sums, Swept
from monitor.core.money import ONE, exact, number, plain
from monitor.core.portfolio.snapshot import WholeBook, share_of, worth_of
from monitor.core.prices.quote import BadPrice, price
from monitor.core.schema import Asset, Bounds, Invalid, Pattern, Problem
from monitor.core.stages.stages import DELAYED, LIQUIDATION, STAGE_RANK, STAGES, Stage
from monitor.core.text import plain_or_none, stamp
from monitor.core.valuation.clearance import clearance
from monitor.core.valuation.shown_figures import ltv_of

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
        asked = [name for name in ("shocks", "scenario", "matrix", "reverse") if getattr(self, name)]
        if len(asked) != 1:
            found = ", ".join(asked) or "none"
            raise ValueError(f"found {found}, expected exactly one of shocks, scenario, matrix, reverse")
        if len(self.shocks) > MAX_SHOCKS:
            raise ValueError(f"shocks: found {len(self.shocks)} of them, expected {MAX_SHOCKS} at most")


class SumsShown(msgspec.Struct, frozen=True):
    """Groups and what they come to in USD."""

    groups: int
    debt_usd: str
    recognised_usd: str
    market_usd: str


class Exactness(msgspec.Struct, frozen=True):
    """Whether every group's stage is exact, and whether the sums are: those of more than 1,000 groups have cents."""

    counts: bool
    sums: bool


class MovedGroups(msgspec.Struct, frozen=True):
    """Groups by their stage before and after."""

    from_: Stage = msgspec.field(name="from")
    to: Stage
    groups: int
    debt_usd: str
    recognised_usd: str
    market_usd: str


class ShockedPrice(msgspec.Struct, frozen=True):
    """A shock and its coin's USD price."""

    shock: str
    before: str | None
    after: str


class MovedGroup(msgspec.Struct, frozen=True, kw_only=True):
    """A group that changes its stage; exact."""

    id: str
    product: str
    labels: dict[str, str]
    from_: Stage = msgspec.field(name="from")
    to: Stage
    ltv_before: str | None
    ltv: str | None
    debt_usd: str
    recognised_usd: str
    market_usd: str
    shortfall_usd: str


class NewInStage(SumsShown, frozen=True, kw_only=True):
    """Groups that are new in a stage, the worst first; `cut` of them are not listed."""

    items: list[MovedGroup]
    cut: int


OldShortfall = Annotated[str, msgspec.Meta(description="Use shortfall_usd.", extra_json_schema={"deprecated": True})]
"""`shortfall_usd` under its former name, which a risk officer reads as a tail mean. It goes in the next version."""


class StressAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="shocks"):
    """The book before and after shocks, by stage, with what is lost."""

    at: str
    shocks: dict[str, ShockedPrice]
    groups: int
    unknown: int
    is_exact: Exactness
    before: dict[str, SumsShown]
    after: dict[str, SumsShown]
    moves: list[MovedGroups]
    bankrupt: int
    shortfall_usd: str
    expected_shortfall_usd: OldShortfall
    fees_usd: str
    fund_draw_usd: str | UnsetType = UNSET
    """Only where an insurance fund is configured."""
    scenario: str | None
    newly: dict[str, NewInStage]
    partial: bool | UnsetType = UNSET
    """True where a shard of the book gave no answer: its groups count as unknown."""


class Cell(msgspec.Struct, frozen=True, kw_only=True):
    """The book under two shocks; the debt is that at or beyond the liquidation line."""

    stages: dict[str, int]
    liquidation_debt_usd: str
    shortfall_usd: str
    expected_shortfall_usd: OldShortfall
    is_exact: Exactness


class MatrixAnswer(msgspec.Struct, frozen=True, tag_field="kind", tag="matrix"):
    """A row for each shock of y, in it a cell for each of x."""

    at: str
    x: Axis
    y: Axis
    cells: list[list[Cell]]
    partial: bool | UnsetType = UNSET
    """True where a shard of the book gave no answer: its groups count as unknown."""


class FallReach(msgspec.Struct, frozen=True):
    """What a common fall brings to the liquidation line."""

    fall_percent: str
    groups: int
    debt_usd: str
    share: str | None


class ReverseAnswer(msgspec.Struct, frozen=True, kw_only=True, tag_field="kind", tag="reverse"):
    """The smallest common fall that reaches a share of the debt, and what 0.01 % less would reach."""

    at: str
    share: str
    assets: list[str]
    fall_percent: str | None
    reached: FallReach | None
    below: FallReach | None
    reason: str | None
    is_exact: Exactness
    partial: bool | UnsetType = UNSET
    """True where a shard of the book gave no answer: its groups count as unknown."""


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
    """The problem of a coin that is not there; names the nearest coin that is."""
    names = sorted(known)
    near = difflib.get_close_matches(asset, names, 1)
    listed = ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
    hint = f"did you mean {near[0]!r}?" if near else f"there are: {listed or 'none'}"
    return Problem(where, f"found {asset!r}, expected a {kind}; {hint}")


class Shocked:
    """The book before and after shocks."""

    def __init__(self, book: WholeBook, shocks: Mapping[str, str], scope: Scope) -> None:
        """Raises schema.Invalid."""
        problems: list[Problem] = []
        with exact():
            self._after = shocked(book.prices, shocks, known_coins(book, scope), "shocks", problems)
        if problems:
            raise Invalid(problems)
        self._book = book
        self._shocks = shocks
        self._scope = scope

    def run(self) -> None:
        """Sweeps the book before and after; what else is asked follows from that."""
        self._now = self._book.snapshot.sweep(self._book.prices, self._scope)
        self._then = self._book.snapshot.sweep(self._after, self._scope)

    def answer(self, limit: int, scenario: str | None = None) -> StressAnswer:
        """When it has run: at most `limit` groups of each stage are listed. `scenario` names where the shocks come from."""
        book, now, then = self._book, self._now, self._then
        before, usd = book.prices.usd, self._after.usd
        newly: dict[str, NewInStage] = {stage: self._newly(stage, limit) for stage in reversed(STAGES)}
        with exact():
            shortfall = plain(then.loss.shortfall)
            return StressAnswer(
                at=stamp(book.at),
                shocks={
                    asset: ShockedPrice(text, plain_or_none(before.get(asset)), plain(usd[asset]))
                    for asset, text in self._shocks.items()
                },
                groups=sum(sums.groups for sums in then.moves.values()),
                unknown=then.unknown,
                is_exact=Exactness(then.are_counts_exact, then.are_sums_exact and now.are_sums_exact),
                partial=book.snapshot.is_partial or UNSET,
                before=_by_stage(now, 0),
                after=_by_stage(then, 1),
                moves=[
                    MovedGroups(*move, *astuple(sums_shown(sums)))
                    for move, sums in sorted(then.moves.items(), key=by_stage_rank)
                ],
                bankrupt=then.loss.bankrupt,
                shortfall_usd=shortfall,
                expected_shortfall_usd=shortfall,
                fees_usd=plain(then.loss.fees),
                fund_draw_usd=plain(then.loss.draw),
                scenario=scenario,
                newly=newly,
            )

    def _newly(self, stage: Stage, limit: int) -> NewInStage:
        moves = self._then.moves.items()
        with exact():
            sums = _total(s for (before, after), s in moves if before != after == stage)
        items = [self._row(sight, stage) for sight in islice(self._then.newly[stage](), min(limit, sums.groups))]
        return NewInStage(**asdict(sums_shown(sums)), items=items, cut=sums.groups - len(items))

    def rows(self) -> Iterator[MovedGroup]:
        """When it has run: every group that changes its stage, the worst stage first, made as it is asked for."""
        for stage in reversed(STAGES):
            yield from (self._row(sight, stage) for sight in self._then.newly[stage]())

    def _row(self, sight: Sight, stage: Stage) -> MovedGroup:
        """One group before and after, exact."""
        with exact():
            before, after = worth_of(sight.held, self._book.prices), worth_of(sight.held, self._after)
            assert after is not None, "a group without all prices moves nowhere"
            return MovedGroup(
                id=sight.group.id,
                product=sight.group.product,
                labels=dict(sight.group.labels),
                from_=sight.state.stage,
                to=stage,
                ltv_before=plain_or_none(ltv_of(sight.held, before.weight)) if before is not None else None,
                ltv=plain_or_none(ltv_of(sight.held, after.weight)),
                debt_usd=plain(after.owed),
                recognised_usd=plain(after.weight.recognised),
                market_usd=plain(after.market),
                shortfall_usd=plain(clearance(sight.held, self._after.usd).shortfall_usd),
            )


class Grid:
    """A matrix, cell by cell. Rows go along y, the places within one along x."""

    def __init__(self, book: WholeBook, matrix: Matrix, scope: Scope) -> None:
        """Raises schema.Invalid."""
        self._book = book
        self._matrix = matrix
        self._scope = scope
        self._known = known_coins(book, scope)
        problems: list[Problem] = []
        for name, axis in (("x", matrix.x), ("y", matrix.y)):
            for i, text in enumerate(axis.shocks):
                found: list[Problem] = []
                with exact():
                    shocked(book.prices, {axis.asset: text}, self._known, "", found)
                problems += [Problem(f"matrix.{name}.shocks[{i}]", p.what) for p in found]
        if problems:
            raise Invalid(problems)
        self._cells: list[list[Cell]] = []

    def steps(self) -> Step:
        """One cell each."""
        for down in self._matrix.y.shocks:
            self._cells.append([])
            for across in self._matrix.x.shocks:
                self._cells[-1].append(self._cell({self._matrix.x.asset: across, self._matrix.y.asset: down}))
                yield

    def _cell(self, shocks: Mapping[str, str]) -> Cell:
        with exact():
            on = shocked(self._book.prices, shocks, self._known, "", [])
            swept = self._book.snapshot.sweep(on, self._scope)
            shortfall = plain(swept.loss.shortfall)
            return Cell(
                stages={stage: sums.groups for stage, sums in _by_stage(swept, 1).items()},
                liquidation_debt_usd=plain(_reached(swept).debt),
                shortfall_usd=shortfall,
                expected_shortfall_usd=shortfall,
                is_exact=Exactness(swept.are_counts_exact, swept.are_sums_exact),
            )

    def answer(self) -> MatrixAnswer:
        """When all steps are done."""
        partial = self._book.snapshot.is_partial or UNSET
        return MatrixAnswer(stamp(self._book.at), self._matrix.x, self._matrix.y, self._cells, partial)


class Search:
    """The smallest common fall that brings a share of the debt to the liquidation line, to 0.01 %."""

    def __init__(self, book: WholeBook, reverse: Reverse, scope: Scope) -> None:
        """Raises schema.Invalid."""
        usd = book.prices.usd
        problems: list[Problem] = []
        for i, asset in enumerate(reverse.assets):
            if asset not in usd:
                problems.append(unknown(f"reverse.assets[{i}]", asset, usd, "coin that has a price"))
        if problems:
            raise Invalid(problems)
        self._book = book
        self._share = reverse.share
        self._scope = scope
        self.assets = sorted(
            reverse.assets or (a for a in book.snapshot.coins(scope).held if a in usd and not _is_pegged(usd[a]))
        )
        self._edge: int | None = None
        self._seen: dict[int, tuple[Sums, Sums, Swept]] = {}

    def steps(self) -> Step:
        """One sweep each: falls of 5 % until one reaches the share, then halves of that step. A fall also makes debt in a
        falling coin smaller, so a larger fall need not reach more: the search begins at no fall and takes the first that
        suffices."""
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
            swept = self._book.snapshot.sweep(self._book.prices._replace(usd=usd), self._scope)
            reached, whole = _reached(swept), _total(swept.moves.values())
            self._seen[fall] = reached, whole, swept
            return reached.debt >= self._share * whole.debt and whole.debt > 0

    def answer(self) -> ReverseAnswer:
        """When all steps are done. It has both sides of the edge, so that a reader can check it."""
        edge, last = self._edge, max(self._seen)
        swept = self._seen[last if edge is None else edge][2]
        has_below = edge is None or edge - 1 in self._seen
        return ReverseAnswer(
            at=stamp(self._book.at),
            share=plain(self._share),
            assets=self.assets,
            fall_percent=None if edge is None else _percent(edge),
            reached=None if edge is None else self._reach(edge),
            below=self._reach(last if edge is None else edge - 1) if has_below else None,
            reason=f"even a fall of {_percent(last)} % of these coins does not reach it" if edge is None else None,
            is_exact=Exactness(swept.are_counts_exact, swept.are_sums_exact),
            partial=self._book.snapshot.is_partial or UNSET,
        )

    def _reach(self, fall: int) -> FallReach:
        reached, whole, _ = self._seen[fall]
        share = plain_or_none(share_of(reached.debt, whole.debt))
        return FallReach(_percent(fall), reached.groups, plain(reached.debt), share)


def known_coins(book: WholeBook, scope: Scope) -> frozenset[str]:
    """Coins that the rules in force recognise, and coins that a group of the scope holds or owes."""
    listed = (a for p in book.rules.products.values() for a in p.version_at(book.at).ladders)
    return frozenset(listed).union(*book.snapshot.coins(scope))


def sums_shown(sums: Sums) -> SumsShown:
    """Sums as plain text."""
    return SumsShown(sums.groups, plain(sums.debt), plain(sums.recognised), plain(sums.market))


def _by_stage(swept: Swept, side: int) -> dict[str, SumsShown]:
    """By stage before (0) or after (1), the worst first."""
    moves = swept.moves.items()
    return {stage: sums_shown(_total(sums for move, sums in moves if move[side] == stage)) for stage in STAGE_RANK}


def _reached(swept: Swept) -> Sums:
    """Groups at or beyond the liquidation line."""
    return _total(sums for (_, after), sums in swept.moves.items() if after in REACHED)


def _total(some: Iterable[Sums]) -> Sums:
    total = Sums()
    for sums in some:
        total = total.plus(sums)
    return total


def by_stage_rank(move: tuple[tuple[Stage, Stage], Sums]) -> tuple[int, int]:
    """In the order of the worst stage after, then before."""
    (before, after), _ = move
    return STAGE_RANK[after], STAGE_RANK[before]


def _is_pegged(usd: Decimal) -> bool:
    return abs(usd - ONE) <= PEGGED


def _percent(fall: int) -> str:
    return plain(Decimal(fall).scaleb(-2))
