"""What docs/configuration.md, "The loan book" refuses of a line; an oracle that guessed on would prove nothing."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from tests.reference.entries import Refused
from tests.reference.figures import ZERO
from tests.reference.lenders import Lender, Rates
from tests.reference.state import LEVELS, Group
from tests.reference.terms import Version


def check(group: Group, others: Iterable[Group], version: Version, lender: Lender, rates: Rates, at: datetime) -> None:
    """Raises Refused where a line fits neither the rules nor the accounts of other groups (rule 6)."""
    line = group.line
    thresholds = version.lines_of(line)
    levels = [thresholds[name] for name in LEVELS if name in thresholds]
    levels = [ZERO, *(levels[::-1] if lender.falls else levels)]
    if sorted(set(levels)) != levels:
        rule = "initial > margin_call > liquidation > 0" if lender.falls else "0 < initial < margin_call < liquidation"
        raise Refused(f"{line.id}: thresholds must {'fall' if lender.falls else 'rise'}: {rule}")
    if line.enrolled and version.grace is None:
        raise Refused(f"{line.id}: there is no grace period")
    for loan in line.loans:
        if loan.daily is None and rates.at(loan.asset, at) is None:
            raise Refused(f"{line.id}: there is no flexible rate for {loan.asset}")
        if version.maintenance is not None and loan.asset not in version.maintenance:
            raise Refused(f"{line.id}: there are no liability tiers for {loan.asset}")
    for other in others:
        if other.line.id != line.id and (shared := other.line.accounts & line.accounts):
            raise Refused(f"{line.id}: account {min(shared)} is already used in {other.line.id} (rule 6)")
