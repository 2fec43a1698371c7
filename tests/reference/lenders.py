"""How each lender judges a group: the figure that it compares, which of its lines must be passed, when it adds interest.

Written from docs/domain.md alone, and read from the tables of a product file, not from the monitor's reading of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Context, Decimal
from typing import Any

from tests.reference import calls, entries
from tests.reference.figures import ONE, ZERO, Ladder, read_ladder
from tests.reference.terms import DAY, EPOCH, HOUR, MINUTE, Grade, Loan, Version, duration

LEVELS = ("initial", "margin_call", "liquidation", "immediate")
WHOLE = read_ladder([["inf", "1"]])
PLAIN_EQUITY_UNTIL = datetime.fromisoformat("2025-01-21T10:00:00+00:00")  # section 3.7


@dataclass(frozen=True)
class Lender:
    """What is the same in all versions of a lender's rules."""

    figure: str = "ltv"
    falls: bool = False  # the figure is recognised / debt: lower is worse
    passed: tuple[str, ...] = ()  # lines that must be passed, not only reached
    period: timedelta = DAY  # between two instants at which flexible loans add interest
    has_grace: bool = False
    is_enrolled: bool = False  # every group has the grace period
    counts_all: bool = False  # every coin counts in full


BEGUN = {"cross_margin_pro", "cross_margin_classic", "isolated_margin"}
"""Kinds that charge an hour at borrowing (section 9.2)."""
LEVEL = Lender("margin_level", falls=True, period=HOUR, counts_all=True)
DIVIDING = Context(prec=60)  # a 24th has no end
PERIODS = {"day": DAY, "hour": HOUR, "minute": MINUTE}
LENDERS = {
    "vip_loan": Lender(passed=("immediate",), has_grace=True),  # rules 10, 11, 13, 14
    "bybit_loan": Lender(has_grace=True, is_enrolled=True),  # section 5: delayed liquidation 93, liquidation 95
    "cross_collateral": Lender(),  # rules 32 to 36
    "cross_margin_pro": Lender("margin_level", falls=True, period=HOUR),  # rules 37 to 42: ML <= 1
    "cross_margin_classic": LEVEL,  # section 3.6: ML <= 1.3, <= 1.1
    "isolated_margin": LEVEL,  # section 3.10
    "flexible_loan": Lender(period=MINUTE),  # section 3.12
    "aave_v3": Lender("health_factor", falls=True, passed=("liquidation",)),  # section 5: HF < 1
    "okx_loan": Lender(period=HOUR, counts_all=True),  # section 5: lines come with the position
    "institutional_loan": Lender(),  # section 5: an LTV with ladders
    "prime_margin": Lender("margin_level", falls=True, passed=("margin_call",), counts_all=True),  # section 9.10
}


def lender_of(product: dict[str, Any], kind: str) -> Lender:
    """The lender of a product file, which may state another period."""
    lender = LENDERS[kind]
    return replace(lender, period=PERIODS[product["period"]]) if "period" in product else lender


def read_versions(product: dict[str, Any], kind: str, agreement: str | None = None) -> list[Version]:
    """The versions of a product file, oldest first; their names begin with that of the agreement, or of the kind."""
    return sorted(
        (read_version(table, kind, agreement) for table in product["version"]), key=lambda version: version.effective
    )


def read_version(table: dict[str, Any], kind: str = "vip_loan", agreement: str | None = None) -> Version:
    lender = LENDERS[kind]
    effective = table["effective"]
    by_coin = {coin: _lines(lines) for coin, lines in table.get("collateral", {}).items()}
    return Version(
        effective=effective,
        rules=f"{agreement or kind}@{effective:%Y-%m-%d}",
        # Debt on nothing is judged by the strictest lines that there are.
        thresholds=_lines(table["thresholds"]) if "thresholds" in table else min(by_coin.values(), key=_strictness),
        by_coin=by_coin,
        grace=duration(table.get("grace", "24h")) if lender.has_grace else None,
        overdue_after=duration(table.get("overdue_after", "24h")),
        late_factor=Decimal(table.get("late_interest_factor", "3")),
        warnings=tuple(map(Decimal, table.get("warnings", ()))),
        ladders=_ladders(table, kind, effective) | dict.fromkeys(by_coin, WHOLE),
        unlisted=WHOLE if lender.counts_all or _is_plain_equity(kind, effective) else None,
        rates={asset: Decimal(rate) for asset, rate in table.get("rates", {}).items()},
        maintenance=_maintenance(table),
        free_days=table.get("free_days", {}),
        is_free=not table.get("interest", True),
        discount=Decimal(table.get("bnb_discount", "0.05" if kind == "cross_margin_pro" else "0")),
        window=duration(table.get("renewal_window", "7d")) if kind == "vip_loan" else None,
        notice=duration(table.get("maturity_notice", "24h")) if kind == "vip_loan" else None,
        grades=_grades(table.get("tiers", ())),
        places=table.get("places", {}),
        dust=Decimal(table.get("dust", "0.01")),
        rounding=table.get("rounding", "half_even"),
        begun=table.get("hours", "begun" if kind in BEGUN else "full") == "begun",
        compounding=table.get("compounding", False),
        compounding_places=table.get("compounding_places"),
        late_by_hour=table.get("late_interest") == "hour",
        terms=tuple(table.get("terms", ("30d", "60d"))),
        calls=calls.read_terms(table),
        quotas={coin: Decimal(quota) for coin, quota in table.get("interest_free", {}).items()},
        loan_limits={asset: _by_level(found) for asset, found in table.get("loan_limits", {}).items()},
    )


def _grades(tables: Iterable[dict[str, Any]]) -> dict[int, list[Grade]]:
    """The lines of each leverage, in the order of their caps."""
    grades: dict[int, list[Grade]] = {}
    for table in tables:
        caps = {coin: Decimal(cap) for coin, cap in table.get("up_to", {}).items()}
        grades.setdefault(table["leverage"], []).append(Grade(_lines(table), caps))
    return grades


def _by_level(found: str | list[str]) -> list[Decimal]:
    """Figures by VIP level; a single one is that of all."""
    return [Decimal(found)] if isinstance(found, str) else list(map(Decimal, found))


def _lines(table: dict[str, str]) -> dict[str, Decimal]:
    return {name: Decimal(table[name]) for name in LEVELS if name in table}


def _strictness(lines: dict[str, Decimal]) -> list[Decimal]:
    return [lines["liquidation"], lines["margin_call"], lines["initial"]]


def _is_plain_equity(kind: str, effective: datetime) -> bool:
    return kind == "cross_margin_pro" and effective < PLAIN_EQUITY_UNTIL


def _ladders(table: dict[str, Any], kind: str, effective: datetime) -> dict[str, Ladder]:
    """Through which tiers each coin of the collateral goes; an Aave threshold is a ladder of one tier."""
    if _is_plain_equity(kind, effective):
        return {}
    shares = {asset: [["inf", share]] for asset, share in table.get("liquidation_thresholds", {}).items()}
    return {asset: read_ladder(tiers) for asset, tiers in (table.get("ladders", {}) | shares).items()}


def _maintenance(table: dict[str, Any]) -> dict[str, Ladder] | None:
    """What a liability in each coin requires, rule 37; the last tier is also that of whatever lies above it."""
    if "liability_tiers" not in table:
        return None
    tiers = {}
    for coin, rows in table["liability_tiers"].items():
        bounds = [*(row[0] for row in rows[:-1]), "inf"]
        tiers[coin] = read_ladder([[bound, row[3]] for bound, row in zip(bounds, rows, strict=True)])
    return tiers


class Rates:
    """Flexible rates by date: those of the versions, and the rows of a rate file, the newest of both in force."""

    def __init__(self, versions: list[Version], rows: list[tuple[datetime, str, Decimal]] | None = None) -> None:
        self._changes: dict[str, list[tuple[datetime, int, Decimal]]] = {}
        for number, version in enumerate(versions):
            # Before its date the first version applies.
            since = version.effective if number else datetime.min.replace(tzinfo=version.effective.tzinfo)
            for asset, rate in version.rates.items():
                self._changes.setdefault(asset, []).append((since, 0, rate))
        for since, asset, rate in rows or []:
            self._changes.setdefault(asset, []).append((since, 1, rate))
        for changes in self._changes.values():
            changes.sort()

    def at(self, asset: str, at: datetime) -> Decimal | None:
        """The rate of a coin per period; one that a version no longer lists stays. None where there is none yet."""
        found = None
        for since, _, rate in self._changes.get(asset, ()):
            if since > at:
                break
            found = rate
        return found


def charge(
    loan: Loan, at: datetime, version: Version, opened: Version, rates: Rates, period: timedelta = DAY
) -> Decimal:
    """The interest that one instant adds to a loan, in its coin: on the principal (rules 24, 34, reading A17).

    Where the version compounds it is on the interest so far as well, and rounded to the coin's places (section 9.8); on a
    loan without principal there is none. `loan.interest` is what was booked until now.

    `period` is that of flexible loans; a fixed rate is daily. A late loan whose interest is daily pays a 24th of its rate, in
    24 places, at each full hour instead, if the version says so.

    `version` is the one in force at the instant, `opened` at the loan's opening: its free days count UTC days, the day of
    borrowing included (rule 33). After maturity the rate counts three times in all (rule 25, A12).
    """
    every = DAY if loan.daily is not None else period
    is_late = loan.matures_at is not None and at > loan.matures_at
    by_hour = every == DAY and is_late and version.late_by_hour
    if (at - EPOCH) % (HOUR if by_hour else every):
        return ZERO
    free_days = opened.free_days.get(loan.asset, 0)
    if opened.is_free or (free_days and at.date() < loan.opened_at.date() + timedelta(days=free_days)):
        return ZERO
    rate = rates.at(loan.asset, at) if loan.daily is None else loan.daily
    assert rate is not None, f"no flexible rate for {loan.asset}"
    if rate < 0 and is_late:  # section 9.8: a late loan earns nothing
        return ZERO
    if loan.daily is None and loan.pays_bnb and rate > 0:
        rate *= ONE - version.discount
    if by_hour:
        rate = entries.rounded(Decimal(DIVIDING.divide(rate, Decimal(24))), entries.UNIT, "half_even")
    weighed = rate * (version.late_factor if is_late else ONE)
    compounds = version.compounding and bool(loan.principal)
    bears = loan.principal + (loan.interest if compounds else ZERO)
    if loan.daily is None and weighed > 0:
        bears = max(bears - version.quotas.get(loan.asset, ZERO), ZERO)
    if not compounds:
        return bears * weighed
    return entries.rounded(bears * weighed, version.booking_unit(loan.asset), version.rounding)
