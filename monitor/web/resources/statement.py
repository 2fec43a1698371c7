"""The statement of a group for one day: what is owed, what was charged, paid, called and said, to recompute."""

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
from monitor.web.resources._balance import CoinBalance, OwedThen, balance_of
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
    opened_with_group,
    stretches_of,
)
from monitor.web.site import Call, Endpoint

DAY = timedelta(days=1)
DAY_SCHEMA = {"type": "string", "format": "date", "examples": ["2026-01-05"]}
DAY_PARAM = Param("day", "The UTC day.", DAY_SCHEMA, required=True)
_LAST = chr(0x10FFFF)
_OWN = (LOAN, REPAYMENT, LIQUIDATION, CALL)
_ENDED = frozenset({"met", "withdrawn", "superseded", "ended"})
"""What a call's last row says where nothing is called any more."""
T = TypeVar("T")


class CallSums(msgspec.Struct, frozen=True):
    """`called_usd` sums what was opened in the day, `received_usd` what came, less what left.

    `outstanding_usd` is that of the call that stands at `until`.
    """

    called_usd: str
    received_usd: str
    outstanding_usd: str


class DayStatement(msgspec.Struct, frozen=True):
    """What became of a group in one UTC day.

    `before` is how the loans stood at `since`, `owed` how they stood at `until`; `balance` leads from one to the other, by
    coin. Each item of `interest` recomputes as principal x rate x late_factor x periods, and `charged` sums them by coin;
    `repaid` sums `repayments`. `call` is the last row of the margin call that stood at `until`, null where none did. Each
    alert has all prices, quantities and loans that its figures follow from. `final` is false while the day is not over, or
    its interest is not settled; `cut` is true where more happened than a statement holds.
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
    before: list[OwedThen]
    owed: list[OwedThen]
    balance: list[CoinBalance]
    charged: dict[str, str]
    interest: list[InterestItem]
    repaid: dict[str, str]
    repayments: list[RepaymentItem]
    loans: list[LoanItem]
    liquidations: list[LiquidationItem]
    call: CallItem | None
    call_sums: CallSums
    calls: list[CallItem]
    alerts: list[AlertItem]


async def statement(call: Call) -> DayStatement:
    """What became of a group in one UTC day, with all that its figures follow from."""
    text = call.query.text("day") or ""
    asked = await asked_of(call, None)
    return await of_group(call, asked, day_of(call, text), MAX_LIMIT)


def day_of(call: Call, text: str) -> date:
    """The day that is asked for. Raises Rejected for one that has not begun."""
    try:
        day = date.fromisoformat(text)
    except ValueError:
        raise Rejected("bad-query", f"day: found {text[:40]!r}, expected a day such as 2026-01-05") from None
    today = call.daemon.clock.utc().date()
    if day > today:
        raise Rejected("bad-query", f"day: found {text!r}, expected a day that has begun, until {today.isoformat()}")
    return day


async def of_group(call: Call, asked: AskedHistory, day: date, most_alerts: int) -> DayStatement:
    """The statement of one group, as far as the scope that it is asked for may see what happened."""
    now = asked.look.at if asked.look is not None else call.daemon.clock.utc()
    start = midnight(day)
    until = min(start + DAY, max(start, now))
    # What happens at the midnight that ends a day is of the next one.
    last = min(until, start + DAY - timedelta.resolution)
    stretches, read_until = await stretches_of(asked, (day - DAY, _LAST, EPOCH))
    rows, is_cut = await _rows(asked, start, last)
    opened = [x for x in await opened_with_group(asked) if stamp(start) <= x.at <= stamp(last)]
    alerts, are_cut = await _alerts(call, asked, start, most_alerts)
    before, owed, interests = await asyncio.to_thread(_worked_out, stretches, day, until, last)
    standing = await _standing(asked, last)
    group = None if asked.look is None else asked.look.sight.group
    loans, repayments, calls = [*opened, *_of(rows, LoanItem)], _of(rows, RepaymentItem), _of(rows, CallItem)
    return DayStatement(
        group=asked.group,
        product=None if group is None else group.product,
        labels={} if group is None else _labels(call, group.labels),
        receiving_account=None if group is None else group.receiving_account,
        day=day.isoformat(),
        since=stamp(start),
        until=stamp(until),
        final=now >= start + DAY + SETTLING,
        cut=is_cut or are_cut or read_until is not None,
        before=before,
        owed=owed,
        balance=balance_of(before, interests, loans, repayments, owed),
        charged=_sums((x.asset, x.amount) for x in interests),
        interest=interests,
        repaid=_sums((x.asset, x.amount) for x in repayments),
        repayments=repayments,
        loans=loans,
        liquidations=_of(rows, LiquidationItem),
        call=standing,
        call_sums=_call_sums(calls, standing),
        calls=[msgspec.structs.replace(x, by=None) if call.caller.is_borrower else x for x in calls],
        alerts=alerts,
    )


def _labels(call: Call, labels: Mapping[str, str]) -> dict[str, str]:
    return labels_of(labels, call.daemon.public_labels()) if call.caller.is_borrower else dict(labels)


def _worked_out(
    stretches: Sequence[Stretch], day: date, until: datetime, last: datetime
) -> tuple[list[OwedThen], list[OwedThen], list[InterestItem]]:
    start = midnight(day)
    with exact():
        before = _owed(stretches, start, start - timedelta.resolution)
        return before, _owed(stretches, until, last), _interest(stretches, day)


def _owed(stretches: Sequence[Stretch], then: datetime, last: datetime) -> list[OwedThen]:
    """Each loan that was opened until `last`, as the stretch has it that ends first after a time."""
    loans: dict[str, Stretch] = {}
    for stretch in sorted(stretches, key=lambda s: (s.until, s.since), reverse=True):
        if stretch.until >= then >= stretch.since and stretch.loan.opened_at <= last:
            loans[stretch.loan.id] = stretch
    found = []
    for id_, stretch in sorted(loans.items()):
        loan = stretch.loan
        accrued = interest(loan, stretch.product, *stretch.product.moment(then))
        if loan.is_owed:
            owed = plain(loan.principal + accrued)
            found.append(OwedThen(id_, loan.asset, plain(loan.principal), plain(accrued), owed))
    return found


def _interest(stretches: Sequence[Stretch], day: date) -> list[InterestItem]:
    """What the day charged; of one that is not over, what it charged so far, as no stretch is longer."""
    charged = charges(list(stretches), (day - DAY, _LAST, EPOCH), midnight(day + DAY))
    return [msgspec.structs.replace(charged_item(charge), cursor="") for charge in charged]


async def _rows(asked: AskedHistory, start: datetime, last: datetime) -> tuple[list[Any], bool]:
    wanted = HistoryFilter(asked.group, _OWN, None, 0, start, MAX_LIMIT, asked.life, asked.scope, last)
    read = await asked.daemon.store.history(wanted)
    return [item_of("", row) for _, row in read], len(read) == MAX_LIMIT


async def _standing(asked: AskedHistory, last: datetime) -> CallItem | None:
    """The margin call that stood at a time, as its last row has it: prices do not change what is outstanding."""
    wanted = HistoryFilter(asked.group, (CALL,), limit=1, life=asked.life, scope=asked.scope, until=last)
    newest = await asked.daemon.store.history(msgspec.structs.replace(wanted, is_newest_first=True))
    items = _of([item_of("", row) for _, row in newest], CallItem)
    return next((item for item in items if item.what not in _ENDED), None)


async def _alerts(call: Call, asked: AskedHistory, start: datetime, most: int) -> tuple[list[AlertItem], bool]:
    if most <= 0:
        return [], True
    read = await asked.daemon.store.alerts(AlertFilter(group=asked.group, since=start, limit=most))
    mine = [x for x in read if x.alert.at < start + DAY and may_see(call.caller, x.alert)]
    texts = await call.site.alert_log.texts(mine, call.caller)
    return encoded(texts), len(read) == most and read[-1].alert.at < start + DAY


def _of(rows: Iterable[Any], kind: type[T]) -> list[T]:
    return [row for row in rows if isinstance(row, kind)]


def _sums(amounts: Iterable[tuple[str, str]]) -> dict[str, str]:
    sums: dict[str, Decimal] = {}
    with exact():
        for asset, amount in amounts:
            sums[asset] = sums.get(asset, ZERO) + Decimal(amount)
    return {asset: plain(total) for asset, total in sorted(sums.items())}


def _call_sums(calls: Sequence[CallItem], standing: CallItem | None) -> CallSums:
    with exact():
        return CallSums(
            plain(sum((Decimal(x.called_usd) for x in calls if x.what == "opened"), ZERO)),
            plain(sum((Decimal(x.paid_usd) for x in calls if x.what == "payment" and x.paid_usd), ZERO)),
            "0" if standing is None else standing.outstanding_usd,
        )


ROUTES = (Endpoint("GET", "/v1/groups/{id}/statement", statement, READ, (DAY_PARAM,)),)
