"""The statement of a group for one UTC day: what is owed, what was charged, paid, called and said, to recompute."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any, TypeVar

import msgspec

from monitor.core.alerts.payload import AlertItem
from monitor.core.events.history import CALL, LIQUIDATION, LOAN, REPAYMENT
from monitor.core.groups.daily_interest import Stretch, charges
from monitor.core.instants import EPOCH
from monitor.core.loans.interest import SETTLING, interest, midnight
from monitor.core.money import ZERO, exact, plain
from monitor.core.text import stamp
from monitor.stores._base import AlertFilter, HistoryFilter
from monitor.web.alert_log import may_see
from monitor.web.auth import READ
from monitor.web.borrowers import labels_of
from monitor.web.http import MAX_LIMIT, Param, Rejected, encoded
from monitor.web.resources.history import (
    AskedHistory,
    CallItem,
    InterestItem,
    LiquidationItem,
    LoanItem,
    RepaymentItem,
    asked_of,
    charged_item,
    item_of,
    stretches_of,
)
from monitor.web.site import Call, Endpoint

DAY = timedelta(days=1)
_LAST = chr(0x10FFFF)
_OWN = (LOAN, REPAYMENT, LIQUIDATION, CALL)
T = TypeVar("T")


class OwedThen(msgspec.Struct, frozen=True):
    """A loan as it stood at the end of the statement, with its interest until then; `owed` is their sum."""

    loan: str
    asset: str
    principal: str
    interest: str
    owed: str


class DayStatement(msgspec.Struct, frozen=True):
    """What became of a group in one UTC day.

    `owed` is how the loans stood at `until`. Each item of `interest` recomputes as principal x rate x late_factor x periods,
    and `charged` sums them by coin; `repaid` sums `repayments`. Each alert has all prices, quantities and loans that its
    figures follow from. `final` is false while the day is not over, or its interest is not settled; `cut` is true where more
    happened than a statement holds.
    """

    group: str
    product: str | None
    labels: dict[str, str]
    receiving_account: str | None
    day: str
    since: str
    until: str
    final: bool
    cut: bool
    owed: list[OwedThen]
    charged: dict[str, str]
    interest: list[InterestItem]
    repaid: dict[str, str]
    repayments: list[RepaymentItem]
    loans: list[LoanItem]
    liquidations: list[LiquidationItem]
    calls: list[CallItem]
    alerts: list[AlertItem]


async def statement(call: Call) -> DayStatement:
    """What became of a group in one UTC day, with all that its figures follow from."""
    text = call.query.text("day") or ""
    asked = await asked_of(call, None)
    day = _day(text)
    now = asked.look.at if asked.look is not None else call.daemon.clock.utc()
    start = midnight(day)
    if start > now:
        raise Rejected(
            "bad-query", f"day: found {text!r}, expected a day that has begun, until {now.date().isoformat()}"
        )
    until = min(start + DAY, now)
    stretches, read_until = await stretches_of(asked, None)
    rows, is_cut = await _rows(asked, start, start + DAY)
    alerts, are_cut = await _alerts(call, start, start + DAY)
    owed, interests = await asyncio.to_thread(_worked_out, stretches, day, until, now)
    group = None if asked.look is None else asked.look.sight.group
    repayments = _of(rows, RepaymentItem)
    return DayStatement(
        group=call.id,
        product=None if group is None else group.product,
        labels={} if group is None else _labels(call, group.labels),
        receiving_account=None if group is None else group.receiving_account,
        day=day.isoformat(),
        since=stamp(start),
        until=stamp(until),
        final=now >= start + DAY + SETTLING,
        cut=is_cut or are_cut or read_until is not None,
        owed=owed,
        charged=_sums((x.asset, x.amount) for x in interests),
        interest=interests,
        repaid=_sums((x.asset, x.amount) for x in repayments),
        repayments=repayments,
        loans=_of(rows, LoanItem),
        liquidations=_of(rows, LiquidationItem),
        calls=[msgspec.structs.replace(x, by=None) if call.caller.is_borrower else x for x in _of(rows, CallItem)],
        alerts=alerts,
    )


def _labels(call: Call, labels: Mapping[str, str]) -> dict[str, str]:
    return labels_of(labels, call.daemon.public_labels()) if call.caller.is_borrower else dict(labels)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise Rejected("bad-query", f"day: found {text[:40]!r}, expected a day such as 2026-01-05") from None


def _worked_out(
    stretches: Sequence[Stretch], day: date, until: datetime, now: datetime
) -> tuple[list[OwedThen], list[InterestItem]]:
    with exact():
        return _owed(stretches, until), _interest(stretches, day, now)


def _owed(stretches: Sequence[Stretch], until: datetime) -> list[OwedThen]:
    """Each loan as the stretch has it that ends first after the statement; one that began later, or ended before, is none."""
    then: dict[str, Stretch] = {}
    for stretch in sorted(stretches, key=lambda s: (s.until, s.since), reverse=True):
        if stretch.until >= until >= max(stretch.since, stretch.loan.opened_at):
            then[stretch.loan.id] = stretch
    found = []
    for id_, stretch in sorted(then.items()):
        loan = stretch.loan
        accrued = interest(loan, stretch.product, *stretch.product.moment(until))
        if loan.is_owed:
            owed = plain(loan.principal + accrued)
            found.append(OwedThen(id_, loan.asset, plain(loan.principal), plain(accrued), owed))
    return found


def _interest(stretches: Sequence[Stretch], day: date, now: datetime) -> list[InterestItem]:
    found = []
    for charge in charges(list(stretches), (day - DAY, _LAST, EPOCH), now):
        if charge.day > day:
            break
        found.append(msgspec.structs.replace(charged_item(charge), cursor=""))
    return found


async def _rows(asked: AskedHistory, start: datetime, end: datetime) -> tuple[list[Any], bool]:
    wanted = HistoryFilter(asked.group, _OWN, None, 0, start, MAX_LIMIT, asked.life, asked.scope)
    read = await asked.daemon.store.history(wanted)
    rows = [item_of("", row) for _, row in read if row.at < end]
    return rows, len(rows) == MAX_LIMIT


async def _alerts(call: Call, start: datetime, end: datetime) -> tuple[list[AlertItem], bool]:
    read = await call.daemon.store.alerts(AlertFilter(group=call.id, since=start, limit=MAX_LIMIT))
    mine = [x for x in read if x.alert.at < end and may_see(call.caller, x.alert)]
    texts = await call.site.alert_log.texts(mine, call.caller)
    return encoded(texts), len(read) == MAX_LIMIT and read[-1].alert.at < end


def _of(rows: Iterable[Any], kind: type[T]) -> list[T]:
    return [row for row in rows if isinstance(row, kind)]


def _sums(amounts: Iterable[tuple[str, str]]) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    with exact():
        for asset, amount in amounts:
            sums[asset] = sums.get(asset, ZERO) + Decimal(amount)
    return {asset: plain(total) for asset, total in sorted(sums.items())}


ROUTES = (
    Endpoint(
        "GET",
        "/v1/groups/{id}/statement",
        statement,
        READ,
        (Param("day", "The UTC day, such as 2026-01-05. Required."),),
    ),
)
