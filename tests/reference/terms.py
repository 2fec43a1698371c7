"""Reading products and lines: the rules of a product by date, and what one line of the loan book says."""

import re
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal, localcontext
from typing import Any, NamedTuple

from tests.reference.figures import EXACT, ZERO, Ladder

DAY, HOUR, MINUTE = timedelta(days=1), timedelta(hours=1), timedelta(minutes=1)
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Version:
    """The rules of the product from `effective` on."""

    effective: datetime
    rules: str
    thresholds: dict[str, Decimal]
    grace: timedelta | None
    late_factor: Decimal
    warnings: tuple[Decimal, ...]
    ladders: dict[str, Ladder]
    rates: dict[str, Decimal]
    overdue_after: timedelta = DAY
    unlisted: Ladder | None = None  # the ladder of every other coin
    by_coin: dict[str, dict[str, Decimal]] = field(default_factory=dict)  # lines by the coin that is pledged
    maintenance: dict[str, Ladder] | None = None  # not None: loans are liabilities with these tiers
    free_days: dict[str, int] = field(default_factory=dict)
    is_free: bool = False
    discount: Decimal = ZERO
    window: timedelta | None = None  # before maturity, in which a loan may be renewed
    notice: timedelta | None = None  # before maturity, when it is announced
    loan_limits: dict[str, list[Decimal]] = field(default_factory=dict)  # USD by VIP level
    grades: dict[int, list["Grade"]] = field(default_factory=dict)  # lines by leverage, in tiers of what is borrowed
    places: dict[str, int] = field(default_factory=dict)  # in which the lender books a coin; 8 where it is not here
    dust: Decimal = Decimal("0.01")  # USD that a lender does not ask for
    rounding: str = "half_even"
    begun: bool = False  # an hour is charged at borrowing
    late_by_hour: bool = False  # a late loan of a daily rate pays a 24th of it each hour
    terms: tuple[str, ...] = ("30d", "60d")  # that new loans and renewals may have
    compounding: bool = False  # each period books its interest, and that bears interest
    compounding_places: int | None = None
    quotas: dict[str, Decimal] = field(default_factory=dict)  # of a coin that bears no interest at the flexible rate
    calls: Any = None  # what it says of margin calls with a clock (calls.CallTerms)

    def unit(self, asset: str) -> Decimal:
        """The smallest step of a coin (section 9.1)."""
        return Decimal(1).scaleb(-self.places.get(asset, 8))

    def booking_unit(self, asset: str) -> Decimal:
        """To which each period's interest is rounded where it compounds (section 9.8)."""
        return self.unit(asset) if self.compounding_places is None else Decimal(1).scaleb(-self.compounding_places)

    def ladder(self, asset: str) -> Ladder | None:
        return self.ladders.get(asset, self.unlisted)

    def lines_of(self, line: "Line") -> dict[str, Decimal]:
        """A group's own lines over those of its leverage, or of what it pledges; of several coins the lowest liquidation's."""
        if line.leverage is not None:
            return self._graded(line) | line.thresholds
        pledged = [asset for asset, quantity in line.collateral.items() if quantity]
        own = [self.by_coin[asset] for asset in pledged if asset in self.by_coin]
        return min(own, key=lambda lines: lines["liquidation"], default=self.thresholds) | line.thresholds

    def _graded(self, line: "Line") -> dict[str, Decimal]:
        """The first tier whose caps hold for the principal of each coin; beyond all of them the last (section 3.10)."""
        assert line.leverage is not None
        *tiers, last = self.grades[line.leverage]
        borrowed: dict[str, Decimal] = {}
        for loan in line.loans:
            borrowed[loan.asset] = borrowed.get(loan.asset, ZERO) + loan.principal
        holding = (lines for lines, caps in tiers if all(borrowed.get(coin, ZERO) <= cap for coin, cap in caps.items()))
        return next(holding, last.lines)


class Grade(NamedTuple):
    """One tier of the lines of a leverage."""

    lines: dict[str, Decimal]
    caps: dict[str, Decimal]


@dataclass(frozen=True)
class Loan:
    """One order as its line states it; `daily` is None for a flexible rate."""

    id: str
    asset: str
    principal: Decimal
    interest: Decimal
    daily: Decimal | None
    matures_at: datetime | None
    opened_at: datetime = EPOCH
    pays_bnb: bool = False

    @property
    def owes(self) -> bool:
        return bool(self.principal or self.interest)

    def is_overdue(self, at: datetime) -> bool:
        """A loan is overdue from its maturity on, while anything of it is owed (reading A12)."""
        return self.owes and self.matures_at is not None and self.matures_at <= at


Holdings = dict[str, dict[str, Decimal]]


@dataclass(frozen=True)
class Line:
    """One group as put: collateral summed per asset over all accounts before any ladder sees it (reading A1)."""

    id: str
    accounts: frozenset[str]
    collateral: dict[str, Decimal]
    loans: tuple[Loan, ...]
    enrolled: bool
    thresholds: dict[str, Decimal]
    holdings: Holdings = field(default_factory=dict)  # by account
    balances: Holdings = field(default_factory=dict)  # Spot balances that pay interest
    vip_level: int = 0
    leverage: int | None = None
    order_loss: Decimal = ZERO  # USD that open orders might lose

    def holding(self, holdings: Holdings) -> "Line":
        return replace(self, holdings=holdings, accounts=frozenset(holdings), collateral=total(holdings))


def read_line(line: dict[str, Any], agreement: str = "vip_loan") -> Line:
    """Read a line of docs/configuration.md, "The loan book"; what does not bear on alerts (labels, contacts, ...) is passed over."""
    if line["product"] != agreement:
        raise ValueError(f"{line['id']}: this run knows {agreement} only, not {line['product']}")
    holdings = _holdings(line["collateral"])
    return Line(
        id=line["id"],
        accounts=frozenset(holdings),
        collateral=total(holdings),
        loans=tuple(map(read_loan, line["loans"])),
        enrolled=line.get("delayed_liquidation", False),
        thresholds={name: Decimal(level) for name, level in line.get("thresholds", {}).items()},
        holdings=holdings,
        balances=_holdings(line.get("balances", {})),
        vip_level=line.get("vip_level") or 0,
        leverage=line.get("leverage"),
        order_loss=Decimal(line.get("open_order_loss", "0")),
    )


def _holdings(table: dict[str, dict[str, str]]) -> Holdings:
    return {account: {asset: Decimal(text) for asset, text in held.items()} for account, held in table.items()}


def total(holdings: Holdings) -> dict[str, Decimal]:
    """What is held of each asset over all accounts."""
    summed: dict[str, Decimal] = {}
    with localcontext(EXACT):
        for held in holdings.values():
            for asset, quantity in held.items():
                summed[asset] = summed.get(asset, ZERO) + quantity
    return summed


def read_loan(loan: dict[str, Any]) -> Loan:
    rate, matures_at = loan["rate"], loan.get("matures_at")
    return Loan(
        id=loan["id"],
        asset=loan["asset"],
        principal=Decimal(loan["principal"]),
        interest=Decimal(loan.get("interest", "0")),
        daily=Decimal(rate["daily"]) if rate["kind"] == "fixed" else None,
        matures_at=None if matures_at is None else datetime.fromisoformat(matures_at),
        opened_at=datetime.fromisoformat(loan["opened_at"]) if "opened_at" in loan else EPOCH,
        pays_bnb=rate.get("paid_in") == "BNB",
    )


def duration(text: str) -> timedelta:
    """Read "90s", "15m", "24h" or "7d"."""
    if (match := re.fullmatch(r"(\d+)([smhd])", text)) is None:
        raise ValueError(f"not a duration: {text!r}")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def instant_after(at: datetime, period: timedelta) -> datetime:
    """The first instant strictly after `at` at which interest is added; each period is a whole part of a day."""
    return EPOCH + ((at - EPOCH) // period + 1) * period


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
