"""Reading products and lines: the rules of a product by date, and what one line of the loan book says."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from decimal import Decimal, localcontext
from typing import Any

from tests.reference.figures import EXACT, ZERO, Ladder, read_ladder

DAY = timedelta(days=1)
UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


@dataclass(frozen=True)
class Version:
    """The rules of the product from `effective` on."""

    effective: datetime
    rules: str
    thresholds: dict[str, Decimal]
    grace: timedelta
    late_factor: Decimal
    window: timedelta
    notice: timedelta
    warnings: tuple[Decimal, ...]
    ladders: dict[str, Ladder]
    rates: dict[str, Decimal]


@dataclass(frozen=True)
class Loan:
    """One order as its line states it; `daily` is None for a flexible rate."""

    id: str
    asset: str
    principal: Decimal
    interest: Decimal
    daily: Decimal | None
    matures_at: datetime | None

    @property
    def owes(self) -> bool:
        return bool(self.principal or self.interest)

    def is_overdue(self, at: datetime) -> bool:
        """A loan is overdue from its maturity on, while anything of it is owed (A12)."""
        return self.owes and self.matures_at is not None and self.matures_at <= at


@dataclass(frozen=True)
class Line:
    """One group as put: collateral summed per asset over all accounts before any ladder sees it (A1)."""

    id: str
    accounts: frozenset[str]
    collateral: dict[str, Decimal]
    loans: tuple[Loan, ...]
    enrolled: bool
    thresholds: dict[str, Decimal]


def read_version(table: dict[str, Any], product: str = "vip_loan") -> Version:
    return Version(
        effective=table["effective"],
        rules=f"{product}@{table['effective']:%Y-%m-%d}",
        thresholds={name: Decimal(level) for name, level in table["thresholds"].items()},
        grace=duration(table["grace"]),
        late_factor=Decimal(table["late_interest_factor"]),
        window=duration(table.get("renewal_window", "7d")),
        notice=duration(table.get("maturity_notice", "24h")),
        warnings=tuple(map(Decimal, table.get("warnings", ()))),
        ladders={asset: read_ladder(tiers) for asset, tiers in table["ladders"].items()},
        rates={asset: Decimal(rate) for asset, rate in table.get("rates", {}).items()},
    )


def read_line(line: dict[str, Any]) -> Line:
    """Read a line of INTERFACES section 4; what does not bear on VIP alerts (labels, contacts, ...) is passed over."""
    if line["product"] != "vip_loan":
        raise ValueError(f"{line['id']}: the reference model knows vip_loan only, not {line['product']}")
    collateral: dict[str, Decimal] = {}
    with localcontext(EXACT):
        for balances in line["collateral"].values():
            for asset, quantity in balances.items():
                collateral[asset] = collateral.get(asset, ZERO) + Decimal(quantity)
    return Line(
        id=line["id"],
        accounts=frozenset(line["collateral"]),
        collateral=collateral,
        loans=tuple(map(read_loan, line["loans"])),
        enrolled=line.get("delayed_liquidation", False),
        thresholds={name: Decimal(level) for name, level in line.get("thresholds", {}).items()},
    )


def read_loan(loan: dict[str, Any]) -> Loan:
    rate, matures_at = loan["rate"], loan["matures_at"]
    return Loan(
        id=loan["id"],
        asset=loan["asset"],
        principal=Decimal(loan["principal"]),
        interest=Decimal(loan["interest"]),
        daily=Decimal(rate["daily"]) if rate["kind"] == "fixed" else None,
        matures_at=None if matures_at is None else datetime.fromisoformat(matures_at),
    )


def duration(text: str) -> timedelta:
    """Read "90s", "15m", "24h" or "7d"."""
    if (match := re.fullmatch(r"(\d+)([smhd])", text)) is None:
        raise ValueError(f"not a duration: {text!r}")
    return timedelta(**{UNITS[match[2]]: int(match[1])})


def midnight_after(at: datetime) -> datetime:
    """The first 00:00 UTC strictly after `at`."""
    return datetime.combine(at.astimezone(UTC).date() + DAY, time(), UTC)


def midnights(after: datetime, until: datetime) -> Iterator[datetime]:
    """Each 00:00 UTC strictly after the one time, up to and at the other."""
    midnight = midnight_after(after)
    while midnight <= until:
        yield midnight
        midnight += DAY


def news(matures_at: datetime, version: Version) -> list[tuple[datetime, str]]:
    """When a term loan is heard of before it matures (rule 27, A13), in order; no window and no notice are none."""
    times: dict[datetime, str] = {}
    if version.window:
        opens = datetime.combine(matures_at.astimezone(UTC).date(), time(), UTC) - version.window
        times[opens] = "loan.renewal_open"
    if version.notice:
        times[matures_at - version.notice] = "loan.maturing"  # at one time with the other this alone is said
    return sorted((at, kind) for at, kind in times.items() if at != matures_at)


def stamp(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
