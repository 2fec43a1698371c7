"""What product files have in common: dated versions, ladders of marginal tiers, lines and warnings in their order.

Each function that reads a part notes every problem with its place and goes on, so that the desk sees all of them at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from itertools import pairwise
from types import GenericAlias
from typing import Annotated, Any, Literal, TypeVar

import msgspec

from monitor.core.money import CENT, NotANumber, number, plain
from monitor.core.rules.ladders import LadderTable as LadderTable
from monitor.core.rules.ladders import ladder as ladder
from monitor.core.rules.ladders import ladders as ladders
from monitor.core.rules.ladders import tier_bounds
from monitor.core.rules.product import (
    DAY,
    HOUR,
    MINUTE,
    WHOLE,
    ClearanceRule,
    Grade,
    Hours,
    Ladder,
    LiabilityTiers,
    Product,
    Rounding,
    Units,
    Version,
)
from monitor.core.rules.thresholds import LTV, Level, Metric, Thresholds
from monitor.core.schema import Asset, Bounds, DailyRate, Invalid, Pattern, Problem, Quantity, Ratio, read
from monitor.products import _calls as calls
from monitor.products._calls import CallTable

Line = Annotated[Decimal, Bounds("0", "10", 18, above=True)]
Factor = Annotated[Decimal, Bounds("1", "100", 6)]
TiersTable = tuple[tuple[str, object, Ratio, Ratio], ...]
"""(up to USD, highest leverage, initial rate, maintenance rate) per tier."""
LimitsTable = tuple[Quantity, ...]
Places = Annotated[int, range(0, 25)]
DayTerm = Annotated[str, Pattern(r"[1-9][0-9]{0,3}d", "a term in days such as 30d")]
Usd = Annotated[Decimal, Bounds("0", "1000", 8)]

MARGIN_LEVEL = Metric("margin_level", falls=True, strict=())


class LtvLines(msgspec.Struct, frozen=True):
    """Lines of a product without a grace period."""

    initial: Line
    margin_call: Line
    liquidation: Line


class GraceLines(LtvLines, frozen=True):
    """Lines of a product with a grace period, which `immediate` ends (rule 9)."""

    immediate: Line


class VersionTable(CallTable, frozen=True, kw_only=True):
    """What one [[version]] states in a file of any kind."""

    effective: datetime
    rates: dict[Asset, DailyRate] = msgspec.field(default_factory=dict)
    """Flexible rates per period of the product."""
    liquidation_fee: Ratio = Decimal("0.02")
    places: dict[Asset, Places] = msgspec.field(default_factory=dict)
    """The decimal places in which the lender books a coin, where they are not 8."""
    dust: Usd = CENT
    """USD: what is left of a loan after a payment and is worth no more is written off."""
    rounding: Rounding = "half_even"
    """How the lender's page rounds what is owed, and the interest of each period where it compounds."""
    compounding: bool = False
    """Each period books its interest in the coin's places, and that bears interest from the next period on."""
    compounding_places: Places | None = None
    """In how many places each period is booked, where they are not the coin's: a lender may keep more than its page shows."""
    hours: Hours = "full"
    """"begun" charges one hour at borrowing, then one at each full hour of the clock; "full" charges full hours only."""
    late_interest: Literal["day", "hour"] = "day"
    """How often a late loan adds interest where interest is daily: "hour" adds a 24th at each full hour."""
    terms: tuple[DayTerm, ...] = ("30d", "60d")
    """Terms of new loans and of renewals; a loan may always be open."""
    interest_free: dict[Asset, Quantity] = msgspec.field(default_factory=dict)
    """As much of a coin, of each loan at the flexible rate, bears no interest: a quota of the lender's."""
    links: tuple[tuple[Asset, ...], ...] = ()
    """Coins whose prices move together: `[["ETH", "wstETH"]]`."""


_COMMON = (
    "places",
    "dust",
    "rounding",
    "compounding",
    "compounding_places",
    "hours",
    "late_interest",
    "interest_free",
    "links",
    "terms",
    *calls.KEYS,
)
"""What `load` adds for all kinds."""
PERIODS = {"day": DAY, "hour": HOUR, "minute": MINUTE}

T = TypeVar("T", bound=VersionTable)


def load(
    kind: str,
    table: Mapping[str, object],
    of: type[T],
    version: Callable[[T, str, list[Problem]], Version | None],
    period: timedelta = DAY,
) -> Product:
    """The product of a parsed TOML file with versions of struct `of`. Raises schema.Invalid with every problem and place."""
    file = read(_file_of(of), dict(table))
    tables: tuple[T, ...] = file.version
    period = PERIODS.get(file.period, period)
    problems: list[Problem] = []
    if not tables:
        problems.append(Problem("version", "is empty; a product has at least one [[version]]"))
    versions = [
        _completed(version(v, f"version[{i}]", problems), v, f"version[{i}]", problems) for i, v in enumerate(tables)
    ]
    for i, each in enumerate(tables):
        problems += _mislinked(each.links, f"version[{i}].links")
        if each.hours == "begun" and period != HOUR:
            what = 'found "begun", but interest is not added by the hour; state hours = "full", or period = "hour"'
            problems.append(Problem(f"version[{i}].hours", what))
    dates = [v.effective for v in tables]
    for i, effective in enumerate(dates):
        if effective in dates[:i]:
            problems.append(Problem(f"version[{i}].effective", f"{effective.isoformat()} stands twice; each date once"))
    if problems:
        raise Invalid(problems)
    return Product(kind, tuple(sorted((v for v in versions if v is not None), key=lambda v: v.effective)), period)


def _completed(version: Version | None, table: VersionTable, where: str, problems: list[Problem]) -> Version | None:
    """With what all kinds state alike."""
    if version is None:
        return None
    units = Units(table.places, table.dust, table.rounding)
    return msgspec.structs.replace(
        version,
        units=units,
        compounding=table.compounding,
        compounding_places=table.compounding_places,
        hours=table.hours,
        late_interest=table.late_interest,
        free_amounts=table.interest_free,
        links=table.links,
        loan_terms=table.terms,
        calls=calls.call_rules(table, version, where, problems),
    )


def stated(table: VersionTable) -> dict[str, Any]:
    """What a version states, but for what `load` adds for all kinds."""
    return {k: v for k, v in msgspec.structs.asdict(table).items() if k not in _COMMON}


def _mislinked(links: Sequence[Sequence[str]], where: str) -> list[Problem]:
    """A link has two coins at least, and a coin is in one link."""
    problems, seen = [], set[str]()
    for i, link in enumerate(links):
        if len(link) < 2:
            problems.append(
                Problem(f"{where}[{i}]", f"found {list(link)}, expected two coins or more that move together")
            )
        for coin in link:
            if coin in seen:
                problems.append(Problem(f"{where}[{i}]", f"{coin} stands twice; a coin moves with one link"))
            seen.add(coin)
    return problems


@cache
def _file_of(version: type[VersionTable]) -> Any:
    """The struct of a file with such versions."""
    return msgspec.defstruct(
        "ProductFile",
        [("version", GenericAlias(tuple, (version, ...))), ("period", Literal["day", "hour", "minute"] | None, None)],
        frozen=True,
    )


def graceless(table: VersionTable, lines: Thresholds, ladders: Mapping[str, Ladder], **more: Any) -> Version:
    """A version without a grace period; `more` are fields of Version."""
    more.setdefault("clearance", ClearanceRule(table.liquidation_fee))
    return Version(table.effective, lines, ladders, table.rates, grace=None, **more)


def thresholds(
    stated: msgspec.Struct, warnings: Sequence[Decimal], where: str, problems: list[Problem], metric: Metric = LTV
) -> Thresholds | None:
    """The lines of a version, with its warnings before the first line; None if the lines are out of order."""
    levels: dict[str, Any] = dict.fromkeys(("initial", "margin_call", "liquidation", "immediate"))
    levels |= msgspec.structs.asdict(stated)
    try:
        lines = Thresholds(**levels, metric=metric)
    except ValueError as e:
        problems.append(Problem(f"{where}.thresholds", str(e)))
        return None
    name = "liquidation" if lines.margin_call is None else "margin_call"
    for i, level in enumerate(warnings):
        if not lines.is_worse(lines.first, level):
            side = "more" if lines.falls else "less"
            what = f"found {plain(level)}, expected {side} than {name} {plain(lines.first)}"
            problems.append(Problem(f"{where}.warnings[{i}]", what))
    return lines


class GradeTable(msgspec.Struct, frozen=True):
    """One [[version.tiers]] of a file: lines of a leverage, up to caps on the principal that a group borrows of each coin."""

    leverage: Annotated[int, range(1, 126)]
    initial: Level
    margin_call: Level
    liquidation: Level
    up_to: dict[Asset, Quantity] = {}


class LeverageTable(VersionTable, frozen=True, kw_only=True):
    """One [[version]] of a kind whose lines depend on the leverage of the group."""

    transfer_out: Level = Decimal(2)
    """Assets leave only while the level stays above it: the collateral margin level, where `ladders` state ratios."""
    ladders: dict[Asset, LadderTable] | None = None
    """Collateral ratios: by them loans and transfers are judged, and never the margin level (section 9.4)."""
    tiers: tuple[GradeTable, ...] = ()
    """Lines of groups that state their `leverage`; all others have `thresholds`."""
    hours: Hours = "begun"
    warnings: tuple[Level, ...] = ()


def by_leverage(
    table: LeverageTable, levels: msgspec.Struct, where: str, problems: list[Problem], **more: Any
) -> Version | None:
    """The version of such a table, with its `thresholds`; all assets count in full. `more` are fields of Version."""
    lines = thresholds(levels, table.warnings, where, problems, MARGIN_LEVEL)
    graded = _grades(table.tiers, f"{where}.tiers", problems)
    ratios = None if table.ladders is None else ladders(table.ladders, f"{where}.ladders", problems)
    if lines is None:
        return None
    return graceless(
        table,
        lines,
        {},
        unlisted=WHOLE,
        transfer_out=table.transfer_out,
        lines_by_leverage=graded,
        warnings=table.warnings,
        has_proceeds=True,
        borrow_ladders=ratios,
        transfer_ladders=ratios,
        **more,
    )


def _grades(tables: Sequence[GradeTable], where: str, problems: list[Problem]) -> dict[int, tuple[Grade, ...]]:
    """The tiers of each leverage. Caps rise and lines never ease, as a larger position must not have milder lines.

    The last tier holds beyond its cap too: a group that borrows more must not be free of lines.
    """
    found: dict[int, list[Grade]] = {}
    for i, table in enumerate(tables):
        place = f"{where}[{i}]"
        tiers = found.setdefault(table.leverage, [])
        try:
            lines = Thresholds(table.initial, table.margin_call, table.liquidation, None, MARGIN_LEVEL)
        except ValueError as e:
            problems.append(Problem(place, str(e)))
            continue
        if tiers:
            problems += _misgraded(tiers[-1], lines, table.up_to, place)
        tiers.append(Grade(lines, table.up_to))
    return {
        leverage: (*tiers[:-1], msgspec.structs.replace(tiers[-1], caps={}))
        for leverage, tiers in found.items()
        if tiers
    }


def _misgraded(before: Grade, lines: Thresholds, caps: Mapping[str, Decimal], place: str) -> list[Problem]:
    """The problems of a tier that follows another one."""
    if not before.caps:
        return [Problem(place, "comes after a tier of this leverage without `up_to`, so no group can reach it")]
    problems = []
    for name, level in lines.stated.items():
        milder = before.lines.stated[name]
        if lines.is_worse(level, milder):
            text = f"{name} {plain(level)} is milder than {plain(milder)} of the tier before"
            problems.append(Problem(f"{place}.{name}", text))
    if caps and caps.keys() != before.caps.keys():
        found, expected = (", ".join(sorted(coins)) for coins in (caps, before.caps))
        text = f"found {found}, expected the coins of the tier before: {expected}"
        return [*problems, Problem(f"{place}.up_to", text)]
    for asset, cap in caps.items():
        if cap <= before.caps[asset]:
            text = f"cap {plain(cap)} is not above {plain(before.caps[asset])} of the tier before"
            problems.append(Problem(f"{place}.up_to.{asset}", text))
    return problems


def liability_tiers(tables: Mapping[str, TiersTable], where: str, problems: list[Problem]) -> dict[str, LiabilityTiers]:
    """Every coin's liability tiers."""
    return {asset: _tiers(tiers, f"{where}.{asset}", problems) for asset, tiers in tables.items()}


def _tiers(tiers: TiersTable, where: str, problems: list[Problem]) -> LiabilityTiers:
    """Caps rise strictly; a higher liability never has a lower rate or a higher leverage (rule 37)."""
    if not tiers:
        example = '["50000", 10, "0.1112", "0.05"]'
        problems.append(Problem(where, f"is empty; liability tiers have at least one tier such as {example}"))
        return LiabilityTiers((), (), ())
    leverages = [_leverage(t[1], f"{where}[{i}][1]", problems) for i, t in enumerate(tiers)]
    ordered = [
        (leverages, "leverage", -1),
        ([t[2] for t in tiers], "initial rate", 1),
        ([t[3] for t in tiers], "maintenance rate", 1),
    ]
    for values, name, sign in ordered:
        for i, (before, now) in enumerate(pairwise(values), 1):
            if sign * now < sign * before:
                verb = "falls below" if sign > 0 else "rises above"
                text = f"{name} {plain(now)} {verb} {plain(before)} of the tier before"
                problems.append(Problem(f"{where}[{i}]", text))
    for i, (_, _, initial, maintenance) in enumerate(tiers):
        if not 0 < maintenance <= initial:
            text = f"maintenance rate {plain(maintenance)} is not above 0 and at most the initial rate {plain(initial)}"
            problems.append(Problem(f"{where}[{i}]", text))
    bounds = tier_bounds([t[0] for t in tiers], where, problems)
    # The last tier also holds above its cap: a cap must not make debt free.
    bounds[-1] = None
    maintenance_rates = tuple(zip(bounds, (t[3] for t in tiers), strict=True))
    initial_rates = tuple(zip(bounds, (t[2] for t in tiers), strict=True))
    return LiabilityTiers(maintenance_rates, initial_rates, tuple(leverages))


def _leverage(found: object, where: str, problems: list[Problem]) -> Decimal:
    """A whole number or a decimal text from 1 to 1000."""
    text = str(found) if isinstance(found, int | str) and not isinstance(found, bool) else ""
    try:
        leverage = number(text)
        if Bounds("1", "1000", 2).problem(leverage) is None:
            return leverage
    except NotANumber:
        pass
    problems.append(Problem(where, f"found {found!r}, expected a leverage such as 10"))
    return Decimal(1)


def by_level(found: object, kind: Any, where: str, problems: list[Problem]) -> tuple[Decimal, ...]:
    """Figures by VIP level from 0 on; the last one holds for all higher levels, and a single text for every level."""
    stated = [found] if isinstance(found, str) else found
    try:
        levels: tuple[Decimal, ...] = read(tuple[kind, ...], stated, where)
    except Invalid as e:
        problems += e.problems
        return ()
    if not levels:
        problems.append(Problem(where, "is empty; state a figure for VIP level 0 at least"))
    return levels


def limits(tables: Mapping[str, LimitsTable], where: str, problems: list[Problem]) -> None:
    """A higher VIP level never has a lower limit (rule 42)."""
    for asset, levels in tables.items():
        if not levels:
            problems.append(Problem(f"{where}.{asset}", "is empty; state a limit for VIP level 0 at least"))
        for i, (before, now) in enumerate(pairwise(levels), 1):
            if now < before:
                text = f"limit {plain(now)} falls below {plain(before)} of the VIP level before"
                problems.append(Problem(f"{where}.{asset}[{i}]", text))
