"""What a product must state: a metric with its lines, ladders, liability tiers, rates, periods, in dated versions.

Rules are data. A product keeps its old versions, and the version in force at the time of an event judges it; before the date
of the first version the first one applies. Every product compares two sums: debt, in full or through liability tiers, and the
value that ladders recognise of the collateral. The rest is data as well: whether the figure rises or falls when things get
worse, and which lines a group must pass, not only reach.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import cached_property
from typing import Any, Literal, Protocol

import msgspec

from monitor.core.money import CENT, ONE, round_to
from monitor.core.rules.calls import CallRules
from monitor.core.rules.ladders import NOTHING as NOTHING
from monitor.core.rules.ladders import WHOLE as WHOLE
from monitor.core.rules.ladders import Ladder as Ladder
from monitor.core.rules.terms import NO_TERMS, LabelTerms, Terms, above_one, spread, with_ladders
from monitor.core.rules.thresholds import Thresholds, lines_of
from monitor.core.schema import Problem, in_words

MOST_OVERRIDES = 20_000
"""Of one agreement: reading and checking as many takes seconds. Groups with terms of their own need none."""
OTHER_PLACES = 8
"""The places of a coin for which the lender states none."""
DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)


class LiabilityTiers(msgspec.Struct, frozen=True):
    """What a liability in one coin requires, by its USD value: marginal tiers like a ladder's, with rates that never fall.

    Every ladder ends with a tier without a bound: what lies above the last cap is charged like the last tier (rules 37-41).
    """

    maintenance: Ladder
    initial: Ladder
    max_leverage: tuple[Decimal, ...]


class Borrows(Protocol):
    """A loan, as far as the lines of its group depend on it."""

    @property
    def asset(self) -> str: ...

    @property
    def principal(self) -> Decimal: ...


class Grade(msgspec.Struct, frozen=True):
    """One tier of the lines of a leverage: they hold while no coin is borrowed beyond its cap (domain section 3.10)."""

    lines: Thresholds
    caps: Mapping[str, Decimal] = {}
    """Principal by coin; a coin without a cap may be borrowed in any amount."""

    def holds(self, borrowed: Mapping[str, Decimal]) -> bool:
        """These amounts of each coin are within the caps; the cap itself is."""
        return all(borrowed.get(asset, Decimal(0)) <= cap for asset, cap in self.caps.items())


class CloseFactor(msgspec.Struct, frozen=True):
    """How much one liquidation may repay, where that is only a part (domain section 5, Aave v3)."""

    share: Decimal
    """The share of the whole debt."""
    full_at: Decimal
    """Level at or beyond which all may be repaid."""
    small_usd: Decimal
    """Debt or collateral of a coin below which all of it may be repaid."""
    leftover_usd: Decimal = Decimal(0)
    """A liquidation may not leave less than this of a coin's debt, nor of the collateral that it takes, unless it leaves
    nothing of one of them (section 9.7)."""
    bonus: Mapping[str, Decimal] = {}
    """By coin of the collateral what a liquidator gets for each dollar repaid, such as 1.05. A coin without one: what is left
    of it is not looked at."""


Hours = Literal["begun", "full"]
Rounding = Literal["half_even", "half_up", "up", "down"]


class Units(msgspec.Struct, frozen=True):
    """In which steps the lender books each coin, and how little it forgets (domain section 9.1)."""

    places: Mapping[str, int] = {}
    """Decimal places by coin, where they are not `OTHER_PLACES`."""
    dust_usd: Decimal = CENT
    """What is left of a loan after a payment and is worth no more than this is written off."""
    rounding: Rounding = "half_even"
    """How the lender's page rounds what is owed."""

    def unit(self, asset: str) -> Decimal:
        """The smallest step in which the coin is booked: 0.00000001 for 8 places."""
        return ONE.scaleb(-self.places.get(asset, OTHER_PLACES))

    def booked(self, asset: str, amount: Decimal) -> Decimal:
        """An amount as the lender's page shows it."""
        return round_to(amount, self.unit(asset), self.rounding)

    def is_dust(self, asset: str, amount: Decimal, price: Decimal | None = None) -> bool:
        """So little of a coin that the lender does not ask for it: one unit at most, or worth no more than `dust_usd`."""
        if amount <= 0:
            return False
        return amount <= self.unit(asset) or (price is not None and amount * price <= self.dust_usd)


class ClearanceRule(msgspec.Struct, frozen=True):
    """What a forced liquidation costs: a share of the market value that is liquidated (rule 45, reading A16)."""

    share: Decimal = Decimal("0.02")
    by_tier: bool = False
    """The fee is `share` of the part of the group's liquidation line above 1: 8 % of 0.165 is 1.32 % (rule 46)."""


class Version(msgspec.Struct, frozen=True):
    """The rules of a product from `effective` on."""

    effective: datetime
    thresholds: Thresholds
    ladders: Mapping[str, Ladder]
    rates: Mapping[str, Decimal] = {}
    """Flexible rates per period of the product."""
    grace: timedelta | None = timedelta(hours=24)
    """None: a group gets no time once it crosses the liquidation line."""
    overdue_after: timedelta = timedelta(hours=24)
    clearance: ClearanceRule = ClearanceRule()
    late_interest_factor: Decimal = Decimal(3)
    late_interest: Literal["day", "hour"] = "day"
    """How often a late loan adds interest where interest is daily (section 9.8)."""
    renewal_window: timedelta | None = None
    """Before a term loan's maturity, from 00:00 UTC of that day on (reading A13); None: there are no renewals."""
    maturity_notice: timedelta | None = None
    """How long before its maturity the desk hears of a term loan; None: not at all."""
    warnings: tuple[Decimal, ...] = ()
    """Early-warning levels of the metric."""
    is_grace_for_all: bool = False
    """The grace period needs no enrolment."""
    unlisted: Ladder | None = None
    """The ladder of a coin that `ladders` does not list; None: such a coin counts nothing."""
    liability_tiers: Mapping[str, LiabilityTiers] | None = None
    """Not None: loans are liabilities. Debt is the maintenance margin that they require, and their value is taken off
    what the collateral is recognised for: recognised is net equity (rule 37)."""

    free_days: Mapping[str, int] = {}
    """UTC days without interest of a loan opened under this version, the day of borrowing included (rule 33)."""
    is_interest_free: bool = False
    """Loans opened under this version never bear interest (rule 32)."""
    paid_in_discount: Decimal = Decimal(0)
    """The discount on the rate of a loan that pays its interest in another coin (rule 42)."""
    transfer_out: Decimal | None = None
    """The level down to which assets may leave; None: the initial one."""
    borrow_ladders: Mapping[str, Ladder] | None = None
    """Not None: new loans count collateral by these ladders, stages by `ladders` (domain section 3.8)."""
    transfer_ladders: Mapping[str, Ladder] | None = None
    """Not None: transfers out count collateral by these ladders."""
    lines_by_coin: Mapping[str, Thresholds] = {}
    """Lines of a group by the coin that it pledges; `thresholds` where it pledges none of these."""
    lines_by_leverage: Mapping[int, tuple[Grade, ...]] = {}
    """Lines of a group that states its leverage, in tiers of what it borrows; the last tier has no caps."""
    max_coins: int | None = None
    """How many coins one group may pledge; None: any number."""
    close_factor: CloseFactor | None = None
    """Not None: a liquidation repays only a part of the debt."""
    borrow_limits: Mapping[str, tuple[Decimal, ...]] = {}
    """How much of a coin a borrower may owe, by VIP level from 0 on; the last figure holds for all levels above."""
    loan_limits: Mapping[str, tuple[Decimal, ...]] = {}
    """The same in USD."""
    fixed_rates: Mapping[str, Mapping[str, tuple[Decimal, ...]]] = {}
    """Daily rates on offer for new orders, by coin, term (30d, 60d) and VIP level from 0 on (rule 22)."""
    links: tuple[tuple[str, ...], ...] = ()
    """Coins whose prices move together, such as a coin and what is staked of it."""
    has_proceeds: bool = False
    """What is borrowed stays in the account and counts there (section 9.5)."""
    loan_terms: tuple[str, ...] = ("30d", "60d")
    """Terms of new loans and of renewals, in whole days; a loan may always be open (rules 21 and 27)."""
    counts_order_loss: bool = False
    """What open orders might lose is taken off net equity (section 3.7)."""
    hours: Hours = "full"
    """Which hours an hourly product charges: each that is begun, so one at borrowing too, or full ones (section 9.2)."""
    compounding: bool = False
    """Interest of a period is booked in the coin's places, and bears interest from the next period on (section 9.8)."""
    compounding_places: int | None = None
    """The places in which it is booked; None: those of the coin."""
    free_amounts: Mapping[str, Decimal] = {}
    """By coin: as much of a loan at the flexible rate bears no interest (section 9.2)."""
    units: Units | None = None
    """None: every digit of interest is owed, and nobody may pay a digit too much. So it was once, and older logs and stores
    fold so; a product file always has units."""
    calls: CallRules | None = None
    """None: a margin call is a stage without an amount and without a clock (section 10)."""

    def booked(self, asset: str, charge: Decimal) -> Decimal:
        """What one period adds to a loan whose interest compounds."""
        units = self.units or Units()
        if self.compounding_places is None:
            return units.booked(asset, charge)
        return round_to(charge, ONE.scaleb(-self.compounding_places), units.rounding)

    def ladder(self, asset: str) -> Ladder | None:
        """The ladder that a coin of the collateral goes through; None where it counts nothing."""
        return self.ladders.get(asset, self.unlisted)

    def lines_for(self, coins: Iterable[str], leverage: int | None = None, loans: Iterable[Borrows] = ()) -> Thresholds:
        """The lines of a group: of its leverage and of what it borrows, or of the coins that it pledges.

        Of several coins the lines that it meets first.
        """
        grades = self.lines_by_leverage.get(leverage, ()) if leverage is not None else ()
        if grades:
            return grades[0].lines if len(grades) == 1 else self._graded(grades, loans)
        if not self.lines_by_coin:
            return self.thresholds
        found = [self.lines_by_coin[coin] for coin in sorted(coins) if coin in self.lines_by_coin]
        return min(found, key=lambda lines: lines.liquidation, default=self.thresholds)

    def all_lines_for(self, coins: Iterable[str], leverage: int | None) -> tuple[Thresholds, ...]:
        """All lines that `lines_for` may give the group, whatever it borrows."""
        grades = self.lines_by_leverage.get(leverage, ()) if leverage is not None else ()
        return tuple(grade.lines for grade in grades) or (self.lines_for(coins),)

    def _graded(self, grades: tuple[Grade, ...], loans: Iterable[Borrows]) -> Thresholds:
        borrowed: dict[str, Decimal] = {}
        for loan in loans:
            borrowed[loan.asset] = borrowed.get(loan.asset, Decimal(0)) + loan.principal
        return next((grade.lines for grade in grades if grade.holds(borrowed)), grades[-1].lines)

    def takes(self, asset: str) -> bool:
        """A loan in the coin can be weighed: it is owed in full, or the coin has liability tiers."""
        return self.liability_tiers is None or asset in self.liability_tiers

    def ladders_of(self, assets: Iterable[str]) -> dict[str, Ladder]:
        """The ladders of coins, also of one that counted under other rules and does not now."""
        return {asset: self.ladder(asset) or NOTHING for asset in assets}

    def under(self, terms: Terms, lines: Mapping[str, Decimal]) -> Version:
        """The version by other terms, and with other lines. Raises ValueError where the lines do not fit."""
        more: dict[str, Any] = {}
        if terms.has_ladders:
            more["ladders"] = with_ladders(self.ladders, terms)
            more["borrow_ladders"] = with_ladders(self.borrow_ladders, terms)
            more["transfer_ladders"] = with_ladders(self.transfer_ladders, terms)
            more["unlisted"] = None if self.unlisted is None else terms.cut(self.unlisted)
        if terms.rate_spread is not None:
            more["rates"] = {asset: spread(rate, terms) for asset, rate in self.rates.items()}
        if terms.grace is not None and self.grace is not None:
            more["grace"] = terms.grace
        if lines:
            more["thresholds"] = lines_of(lines, self.thresholds)
            more["lines_by_coin"] = {coin: lines_of(lines, each) for coin, each in self.lines_by_coin.items()}
            more["lines_by_leverage"] = {
                leverage: tuple(msgspec.structs.replace(g, lines=lines_of(lines, g.lines)) for g in grades)
                for leverage, grades in self.lines_by_leverage.items()
            }
        return msgspec.structs.replace(self, **more)

    def misfits(self, terms: Terms) -> Iterator[tuple[str, str]]:
        """(key, what is wrong) where terms do not fit this version."""
        for found in (self.ladders, self.borrow_ladders, self.transfer_ladders):
            yield from above_one(found or {}, terms)
        if self.unlisted is not None:
            yield from above_one({"a coin that is not listed": self.unlisted}, terms)
        if terms.grace is not None and self.grace is None:
            yield "grace", f"found {in_words(terms.grace)}, but the agreement has no grace period; leave it out"


def override_problems(product: Product, where: str) -> Iterator[Problem]:
    """What is wrong with the overrides of an agreement, each with its place."""
    if len(product.overrides) > MOST_OVERRIDES:
        yield Problem(
            where, f"found {len(product.overrides)}, at most {MOST_OVERRIDES}; state terms in the groups' lines"
        )
    seen: dict[frozenset[tuple[str, str]], int] = {}
    for i, override in enumerate(product.overrides):
        place = f"{where}[{i}]"
        first = seen.setdefault(frozenset(override.labels.items()), i)
        if first != i:
            yield Problem(
                f"{place}.labels", f"{override.name} stands in {where}[{first}] too, and only that one counts"
            )
        yield from override.problems(place)
        found: dict[str, str] = {}
        for version in product.versions:
            for key, what in version.misfits(override):
                found.setdefault(key, f"{what} ({product.rules_name(version)})")
            try:
                version.under(NO_TERMS, override.thresholds)
            except ValueError as e:
                found.setdefault("thresholds", f"{e} ({product.rules_name(version)})")
        yield from (Problem(f"{place}.{key}", what) for key, what in found.items())


class RateRow(msgspec.Struct, frozen=True):
    """A flexible rate per period of the product, from a time on, as a file or the API states it."""

    effective: datetime
    asset: str
    rate: Decimal


class DatedRate(msgspec.Struct, frozen=True, array_like=True):
    """A rate that was given for a coin beside the versions of the rules, from a time on."""

    effective: datetime
    rate: Decimal
    source: str
    """The name of a rate source, or `api`."""


class CoinRates(msgspec.Struct, frozen=True, array_like=True):
    """All rates that were given for a coin of a product, oldest first, as a store keeps them."""

    product: str
    asset: str
    rows: tuple[DatedRate, ...]


class Governed(Protocol):
    """A group, as far as the rules that it is under depend on it."""

    @property
    def labels(self) -> Mapping[str, str]: ...

    @property
    def terms(self) -> Terms | None: ...


class Product(msgspec.Struct, frozen=True, dict=True):
    """An agreement: a kind of loan under a name of its own, and all versions of its rules, oldest first."""

    kind: str
    versions: tuple[Version, ...]
    period: timedelta = DAY
    """How often flexible loans add interest: DAY, HOUR or MINUTE; fixed ones do so daily."""
    given: Mapping[str, tuple[DatedRate, ...]] = {}
    """Flexible rates by coin beside those of the versions, oldest first (core/events/rates.py); no coin without one."""
    name: str = ""
    """What groups call it; the kind, unless the configuration names it."""
    overrides: tuple[LabelTerms, ...] = ()
    """Terms of groups with certain labels."""
    terms: Terms | None = None
    """By what terms `of` made this of an agreement; None for the agreement itself."""

    def __post_init__(self) -> None:
        if not self.name:
            msgspec.structs.force_setattr(self, "name", self.kind)

    @cached_property
    def loan_terms(self) -> frozenset[str]:
        """The terms that some version offers: an order goes on though newer rules do not offer its term any more."""
        return frozenset(term for version in self.versions for term in version.loan_terms)

    @cached_property
    def compounds(self) -> bool:
        """Under some version interest bears interest, so it is worked out loan by loan and period by period."""
        return any(version.compounding for version in self.versions)

    @cached_property
    def by_loan(self) -> bool:
        """Interest is worked out loan by loan: it is no multiple of the principal."""
        return self.compounds or any(version.free_amounts for version in self.versions)

    @cached_property
    def is_late_by_hour(self) -> bool:
        """Under some version late loans add interest by the hour, also those whose interest was daily until then."""
        return any(version.late_interest == "hour" for version in self.versions)

    @cached_property
    def step(self) -> timedelta:
        """The shortest time between two instants at which some loan adds interest."""
        return min(self.period, HOUR) if self.is_late_by_hour else self.period

    @cached_property
    def curves(self) -> dict[Any, Any]:
        """Sums of rates that loans/interest.py keeps here, so that it does not add up years of rates for each group."""
        return {}

    @cached_property
    def booked(self) -> dict[Any, tuple[tuple[datetime, Decimal], ...]]:
        """Of loans that are worked out one by one: instants, and the interest that loans/interest.py worked out for them."""
        return {}

    @cached_property
    def _others(self) -> dict[tuple[int | None, bytes], Product]:
        """The product by other terms: by place of the override, and by the terms of a line."""
        return {}

    @cached_property
    def _by_labels(self) -> dict[tuple[str, ...], dict[tuple[str, ...], int]]:
        """Places of overrides by the names of their labels and then by the values: there are few names and many values."""
        found: dict[tuple[str, ...], dict[tuple[str, ...], int]] = {}
        for place, override in enumerate(self.overrides):
            names = tuple(sorted(override.labels))
            found.setdefault(names, {}).setdefault(tuple(override.labels[name] for name in names), place)
        return found

    def override_of(self, labels: Mapping[str, str]) -> int | None:
        """The place of the first override whose labels these are."""
        places = (
            by_value.get(tuple(labels.get(name, "") for name in names))
            for names, by_value in self._by_labels.items()
            if all(name in labels for name in names)
        )
        return min((place for place in places if place is not None), default=None)

    def of(self, group: Governed) -> Product:
        """The rules of a group: its own line's terms over those of its labels, over the agreement.

        For the agreement itself, not for what this gave. Raises ValueError where a label's lines do not fit.
        """
        assert self.terms is None, "terms stand over an agreement once"
        if group.terms is None and not self.overrides:
            return self
        return self.by(self.override_of(group.labels), group.terms)

    def by(self, place: int | None, own: Terms | None) -> Product:
        """The rules by an override, given by its place, and by the terms of a line."""
        if place is None and own is None:
            return self
        key = place, b"" if own is None else own.key
        found = self._others.get(key)
        if found is None:
            override = None if place is None else self.overrides[place]
            found = self.under(
                own.over(override) if own else override or NO_TERMS, override.thresholds if override else {}
            )
            self._others[key] = found
        return found

    def terms_of(self, group: Governed) -> Terms | None:
        """The terms of `of`; None where the group has the agreement's. Lines are not among them."""
        place = self.override_of(group.labels) if self.overrides else None
        override = None if place is None else self.overrides[place]
        if group.terms is not None:
            return group.terms.over(override)
        return None if override is None else NO_TERMS.over(override)

    def under(self, terms: Terms, lines: Mapping[str, Decimal]) -> Product:
        """The agreement by other terms and lines. Raises ValueError where the lines do not fit."""
        given = self.given
        if terms.rate_spread is not None:
            given = {
                asset: tuple(msgspec.structs.replace(row, rate=spread(row.rate, terms)) for row in rows)
                for asset, rows in given.items()
            }
        versions = tuple(version.under(terms, lines) for version in self.versions)
        found = msgspec.structs.replace(self, versions=versions, given=given, overrides=(), terms=NO_TERMS.over(terms))
        if terms.rate_spread is None:
            found.__dict__["curves"] = self.curves
        return found

    def moment(self, at: datetime) -> tuple[date, int]:
        """The last instant at or before a time at which interest is added: its day (UTC), and the minute of it."""
        at = at.astimezone(UTC)
        minute = at.hour * 60 + at.minute
        return at.date(), minute - minute % (self.step // MINUTE)

    def version_at(self, at: datetime) -> Version:
        """The version in force at a time; the first one also before its date."""
        index = bisect_right([v.effective for v in self.versions], at) - 1
        return self.versions[max(index, 0)]

    def versions_from(self, at: datetime) -> tuple[Version, ...]:
        """The version in force at a time, and those that come into force later."""
        now = self.version_at(at)
        return (now, *(v for v in self.versions if v.effective > max(at, now.effective)))

    def rated(self, at: datetime) -> frozenset[str]:
        """Coins in which a flexible loan may be taken at a time: the version in force lists them, or a rate was given."""
        given = (asset for asset, rows in self.given.items() if rows[0].effective <= at)
        return frozenset(self.version_at(at).rates).union(given)

    def rates_until(self, at: datetime) -> frozenset[str]:
        """Coins with a flexible rate at a time: one that a version no longer lists keeps the rate that it had before."""
        now = self.version_at(at)
        listed = (asset for v in self.versions if v.effective <= now.effective for asset in v.rates)
        return self.rated(at).union(listed)

    def version_named(self, rules: str) -> Version | None:
        """The version that `rules_name` named, or None when the product file no longer has it."""
        return self._by_name.get(rules)

    @cached_property
    def _by_name(self) -> dict[str, Version]:
        return {self.rules_name(version): version for version in reversed(self.versions)}

    def rules_name(self, version: Version) -> str:
        """`vip_loan@2024-04-29`, for example; with the time of day only where another version begins on the same day."""
        day = version.effective.date()
        is_alone = sum(v.effective.date() == day for v in self.versions) == 1
        return f"{self.name}@{day.isoformat()}" if is_alone else f"{self.name}@{version.effective:%Y-%m-%dT%H:%M:%SZ}"
