"""What has become of a group's loans, row by row: the records of the history, committed with the change that made them.

A loan that came with the first put of its group has no row of its own yet: its first row, or the loan as it stands, says when
it was opened.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from monitor.core.loans.group import Loan
from monitor.core.money import plain
from monitor.core.text import plain_or_none, stamp, stamp_or_none

LOAN, REPAYMENT, LIQUIDATION, CALL, SETTLED = "loan", "repayment", "liquidation", "call", "settled"
"""Kinds of rows; the last only ends a stretch of unchanged terms and is not shown by itself."""
OPENED, RESTATED = "opened", "restated"


class Row(msgspec.Struct, frozen=True, omit_defaults=True):
    """One thing that became of a loan, or of a group where `loan` is empty."""

    group: str
    kind: str
    at: datetime
    loan: str = ""
    facts: Mapping[str, Any] = {}
    """JSON values, as the API shows them."""
    product: str = ""
    before: Loan | None = None
    """The loan as it was since its own `since`; it was charged by that until `until`."""
    until: datetime | None = None
    labels: Mapping[str, str] | None = None
    """The group's labels then, which decide what scopes see; None in rows from before they were kept."""
    life: int = 0
    """Of the group: a closed id that is put again has another."""


def stated(loan: Loan) -> dict[str, Any]:
    """A loan as rows tell of it."""
    return {
        "asset": loan.asset,
        "principal": plain(loan.principal),
        "interest": plain(loan.interest),
        "rate": loan.rate.kind,
        "daily": plain_or_none(loan.rate.daily),
        "term": loan.term,
        "opened_at": stamp(loan.opened_at),
        "matures_at": stamp_or_none(loan.matures_at),
    }


def opened(group: str, loan: Loan) -> Row:
    """The opening of a loan that came with its group: it has no row, but every row says when it was."""
    return Row(group, LOAN, loan.opened_at, loan.id, {"what": OPENED, **stated(loan)})
