"""VIP loans: an LTV product with marginal ladders, four lines and a grace period (DOMAIN 1A).

The rules come from TOML in dated versions (INTERFACES section 3); this file says what such a version may hold.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Annotated

import msgspec

from monitor.core.money import NotANumber, number, plain
from monitor.core.product import Ladder, Product, Thresholds, Version
from monitor.core.wire import Asset, Bounds, DailyRate, Invalid, Problem, Ratio, read

KIND = "vip_loan"
Line = Annotated[Decimal, Bounds("0", "10", 18, above=True)]
_BOUNDS = Bounds("0", "1e30", 24)
"""Of a tier's bound: more digits would outgrow exact arithmetic."""
Factor = Annotated[Decimal, Bounds("1", "100", 6)]


class Lines(msgspec.Struct, frozen=True):
    """`thresholds` of a version (VIP FAQ 9)."""

    initial: Line
    margin_call: Line
    liquidation: Line
    immediate: Line


class VersionTable(msgspec.Struct, frozen=True):
    """One [[version]] of the file."""

    effective: datetime
    thresholds: Lines
    ladders: dict[Asset, tuple[tuple[str, Ratio], ...]]
    rates: dict[Asset, DailyRate] = {}
    grace: timedelta = timedelta(hours=24)
    overdue_after: timedelta = timedelta(hours=24)
    liquidation_fee: Ratio = Decimal("0.02")
    late_interest_factor: Factor = Decimal(3)
    renewal_window: timedelta = timedelta(days=7)
    warnings: tuple[Line, ...] = ()


class File(msgspec.Struct, frozen=True):
    """A product file."""

    version: tuple[VersionTable, ...]


def load(table: Mapping[str, object]) -> Product:
    """The product of a parsed TOML file. Raises wire.Invalid with every problem and its place."""
    file = read(File, dict(table))
    problems: list[Problem] = []
    if not file.version:
        problems.append(Problem("version", "is empty; a product has at least one [[version]]"))
    versions = [_version(v, f"version[{i}]", problems) for i, v in enumerate(file.version)]
    dates = [v.effective for v in file.version]
    for i, effective in enumerate(dates):
        if effective in dates[:i]:
            problems.append(Problem(f"version[{i}].effective", f"{effective.isoformat()} stands twice; each date once"))
    if problems:
        raise Invalid(problems)
    return Product(KIND, tuple(sorted((v for v in versions if v is not None), key=lambda v: v.effective)))


def _version(table: VersionTable, where: str, problems: list[Problem]) -> Version | None:
    ladders = {asset: _ladder(tiers, f"{where}.ladders.{asset}", problems) for asset, tiers in table.ladders.items()}
    try:
        lines = Thresholds(**msgspec.structs.asdict(table.thresholds))
    except ValueError as e:
        problems.append(Problem(f"{where}.thresholds", str(e)))
        return None
    for i, level in enumerate(table.warnings):
        if level >= lines.first:
            problems.append(
                Problem(
                    f"{where}.warnings[{i}]",
                    f"found {plain(level)}, expected less than margin_call {plain(lines.first)}",
                )
            )
    return Version(**{**msgspec.structs.asdict(table), "thresholds": lines, "ladders": ladders})


def _ladder(tiers: tuple[tuple[str, Decimal], ...], where: str, problems: list[Problem]) -> Ladder:
    """Bounds rise strictly, shares never rise, `inf` only last: otherwise tiers would overlap or recognise by growing."""
    ladder: list[tuple[Decimal | None, Decimal]] = []
    floor, above = Decimal(0), Decimal(1)
    if not tiers:
        problems.append(Problem(where, 'is empty; a ladder has at least one tier such as ["inf", "0.9"]'))
    for i, (text, share) in enumerate(tiers):
        bound = _bound(text, f"{where}[{i}]", problems)
        if bound is None and i < len(tiers) - 1:
            problems.append(Problem(f"{where}[{i}]", '"inf" ends a ladder; tiers after it can never be reached'))
        if bound is not None and bound <= floor:
            problems.append(
                Problem(
                    f"{where}[{i}]", f"bound {text} is not above {plain(floor)}; tiers must neither overlap nor fall"
                )
            )
        if share > above:
            problems.append(
                Problem(f"{where}[{i}]", f"share {plain(share)} rises above {plain(above)} of the tier before")
            )
        ladder.append((bound, share))
        floor, above = bound or floor, share
    return tuple(ladder)


def _bound(text: str, where: str, problems: list[Problem]) -> Decimal | None:
    if text == "inf":
        return None
    try:
        bound = number(text)
        if _BOUNDS.problem(bound) is None:
            return bound
    except NotANumber:
        pass
    what = f'found {text!r}, expected a USD value such as "10000000" up to {_BOUNDS.high}, or "inf"'
    problems.append(Problem(where, what))
    return Decimal(_BOUNDS.high)
