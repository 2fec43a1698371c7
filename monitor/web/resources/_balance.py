"""What leads from what was owed at the beginning of a day to what is owed at its end, coin by coin. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from decimal import Decimal

import msgspec

from monitor.core.money import ZERO, exact, plain
from monitor.web.resources.history import InterestItem, LoanItem, RepaymentItem


class OwedThen(msgspec.Struct, frozen=True):
    """A loan as it stood at one time, with its interest until then; `owed` is their sum."""

    loan: str
    asset: str
    principal: str
    interest: str
    owed: str


class CoinBalance(msgspec.Struct, frozen=True):
    """`before` + `charged` + `borrowed` - `repaid` - `written_off` + `restated` + `moved` is `owed`.

    `restated` is what puts, liquidations and the end of a group changed. `moved` is what no row tells of: a group that came
    or went within the day with other labels, or rows that the store keeps no longer. Otherwise it is 0.
    """

    asset: str
    before: str
    charged: str
    borrowed: str
    repaid: str
    written_off: str
    restated: str
    moved: str
    owed: str


_SIGNS = {"before": 1, "charged": 1, "borrowed": 1, "repaid": -1, "written_off": -1, "restated": 1}
_PARTS = (*_SIGNS, "owed")
Part = tuple[str, str, Decimal]
"""A part of the balance, a coin, and an amount that belongs there."""


def balance_of(
    before: Iterable[OwedThen],
    charged: Iterable[InterestItem],
    changes: Iterable[LoanItem],
    repaid: Iterable[RepaymentItem],
    owed: Iterable[OwedThen],
) -> list[CoinBalance]:
    """The balance of one group's day, by coin."""
    with exact():
        parts = [("before", x.asset, Decimal(x.owed)) for x in before]
        parts += [("charged", x.asset, Decimal(x.amount)) for x in charged]
        parts += [("repaid", x.asset, Decimal(x.amount)) for x in repaid]
        parts += [("owed", x.asset, Decimal(x.owed)) for x in owed]
        for change in changes:
            parts += _changed(change)
        return _added(parts)


def total_of(balances: Iterable[CoinBalance]) -> list[CoinBalance]:
    """The balances of several groups as one, by coin."""
    with exact():
        return _added((part, x.asset, Decimal(getattr(x, part))) for x in balances for part in _PARTS)


def _changed(change: LoanItem) -> Iterator[Part]:
    stands = Decimal(change.principal) + Decimal(change.interest)
    if change.what == "opened":
        # What went with its group comes back with it, and was not borrowed again.
        yield "borrowed" if change.reason is None else "restated", change.asset, stands
    elif change.principal_before is not None and change.interest_before is not None:
        yield "restated", change.asset, stands - Decimal(change.principal_before) - Decimal(change.interest_before)
    elif change.written_off is not None:
        yield "written_off", change.asset, Decimal(change.written_off)


def _added(parts: Iterable[Part]) -> list[CoinBalance]:
    coins: dict[str, dict[str, Decimal]] = {}
    for part, asset, amount in parts:
        coins.setdefault(asset, dict.fromkeys(_PARTS, ZERO))[part] += amount
    found = []
    for asset, sums in sorted(coins.items()):
        sums["moved"] = sums["owed"] - sum((sign * sums[part] for part, sign in _SIGNS.items()), ZERO)
        found.append(CoinBalance(asset, **{part: plain(amount) for part, amount in sums.items()}))
    return found
