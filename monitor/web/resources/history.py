"""The histories of a group: its loans, repayments, liquidations, and what each day charged."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec

from monitor.core.events.history import CALL, LOAN, Row, opened
from monitor.core.groups.daily_interest import Charge, Place, Stretch, charges
from monitor.core.groups.snapshot import Scope
from monitor.core.instants import EPOCH
from monitor.core.loans.group import Loan
from monitor.core.loans.interest import SETTLING
from monitor.core.money import exact, plain
from monitor.core.queries.inbox import Look
from monitor.core.rules.product import Product
from monitor.core.text import stamp
from monitor.stores._base import HistoryFilter
from monitor.web.auth import READ
from monitor.web.http import AFTER, LIMIT, MAX_LIMIT, Param, bad_cursor, one_of
from monitor.web.resources.groups import nothing
from monitor.web.site import Call, Endpoint
from monitor.web.view import Daemon

INTEREST = "interest"
SCANNED_PAGES = 20
"""Pages of changes that one request about interest reads; what is left comes with the next cursor."""
_OPENING = "o:"
"""Begins the cursor of a loan that came with its group: those stand before everything that was recorded."""
_NUMBER = re.compile(r"\d{1,18}", re.ASCII)
_LAST = chr(0x10FFFF)
"""Behind every loan's id."""
_MINUTE = timedelta(minutes=1)


class _Item(msgspec.Struct, frozen=True, tag_field="kind", kw_only=True):
    cursor: str


class LoanItem(_Item, frozen=True, tag="loan", kw_only=True):
    """A loan was opened, renewed, restated by a put, or closed, and how it stood then."""

    at: str
    what: str
    loan: str
    asset: str
    principal: str
    interest: str
    rate: str
    daily: str | None
    term: str
    opened_at: str
    matures_at: str | None
    reason: str | None
    entry: str | None
    principal_before: str | None
    interest_before: str | None
    written_off: str | None
    """Dust that was left after the last payment and is not owed any more."""


class RepaymentItem(_Item, frozen=True, tag="repayment", kw_only=True):
    """What one repayment took off one loan, what remains, and the group's LTV after it."""

    at: str
    loan: str
    asset: str
    entry: str
    amount: str
    interest_paid: str
    principal_paid: str
    interest_left: str
    principal_left: str
    ltv_after: str | None


class LiquidationItem(_Item, frozen=True, tag="liquidation", kw_only=True):
    """A liquidation began, was carried out, or was cleared. Sums are null of one cleared, and where a price was missing."""

    at: str
    what: str
    reason: str | None
    alert: str | None
    entry: str | None
    proceeds_usd: str | None
    market_usd: str | None
    debt_usd: str | None
    fee_usd: str | None
    left_usd: str | None
    shortfall_usd: str | None


class CallItem(_Item, frozen=True, tag="call", kw_only=True):
    """What became of a margin call with an amount, and how it stood then. `what` says which of the other keys there are:
    opened, payment, announced, disputed, resolved, met, withdrawn, superseded, expired, or ended by a worse stage."""

    at: str
    what: str
    call: int
    call_alert: str
    target: str
    due: str
    called_usd: str
    received_usd: str
    outstanding_usd: str
    paid_usd: str | None
    entry: str | None
    announced: str | None
    asset: str | None
    quantity: str | None
    value_usd: str | None
    expected: str | None
    dispute: str | None
    disputed_usd: str | None
    why: str | None
    by: str | None
    in_transit_usd: str | None
    on_expiry: str | None
    stage: str | None
    supersedes_call: int | None


class InterestItem(_Item, frozen=True, tag="interest", kw_only=True):
    """What one UTC day charged a loan at one rate; `rate` is for one `period`, and the day had this many `periods`."""

    accrued_at: str
    loan: str
    asset: str
    principal: str
    rate: str
    period: str
    late_factor: str
    periods: int
    amount: str


class HistoryList(msgspec.Struct, frozen=True):
    """Items of one kind, newest last."""

    items: list[LoanItem | RepaymentItem | LiquidationItem | CallItem | InterestItem]
    next: str | None


_RECORDED: Mapping[str, type[LoanItem | RepaymentItem | LiquidationItem | CallItem]] = {
    "loan": LoanItem,
    "repayment": RepaymentItem,
    "liquidation": LiquidationItem,
    CALL: CallItem,
}
Item = LoanItem | RepaymentItem | LiquidationItem | CallItem | InterestItem


class AskedHistory(NamedTuple):
    """The history that is asked for, and its group. A closed group is not in the book: it has rows but no look."""

    daemon: Daemon
    group: str
    look: Look | None
    life: int
    scope: Scope
    loan: str | None = None
    after: str | None = None
    limit: int = MAX_LIMIT


async def history(call: Call) -> HistoryList:
    """What became of a group's loans, what was repaid, liquidated and charged; newest last."""
    kind = call.query.required("kind")
    asked = await asked_of(call, call.query.text("loan"), *call.query.page())
    items, cursor = await (_interest(asked) if kind == INTEREST else _recorded(asked, kind))
    return HistoryList(_sealed(call, items), cursor)


async def calls_of(call: Call) -> tuple[Look | None, list[CallItem], str | None]:
    """The group of the path, a page of what became of its margin calls, and the cursor of the next one."""
    asked = await asked_of(call, None, *call.query.page())
    items, cursor = await _recorded(asked, CALL)
    return asked.look, [item for item in _sealed(call, items) if isinstance(item, CallItem)], cursor


def _sealed(call: Call, items: Sequence[Item]) -> list[Item]:
    return [msgspec.structs.replace(item, cursor=call.seal(item.cursor)) for item in items]


async def asked_of(call: Call, loan: str | None, after: str | None = None, limit: int = MAX_LIMIT) -> AskedHistory:
    """What a request asks of the group of its path. Raises Rejected where the caller sees none."""
    call.query.done()
    asked = await asked_for(call.daemon, call.id, call.caller.scope)
    if asked is None:
        raise nothing(call.id)
    return asked._replace(loan=loan, after=after, limit=limit)


async def asked_for(daemon: Daemon, group: str, scope: Scope) -> AskedHistory | None:
    """The whole history of a group as far as a scope may see it; None where it sees none."""
    look = await daemon.inbox.look(group, scope)
    # Of a group that is gone, or somebody else's by now, those who saw it keep what became of it in its last life.
    life = look.sight.state.life if look is not None else await daemon.store.newest_life(group, scope)
    return None if life is None else AskedHistory(daemon, group, look, life, scope)


async def opened_with_group(asked: AskedHistory) -> list[LoanItem]:
    """The loans that came with their group: no row tells of their opening."""
    return [item for row in await _openings(asked) if isinstance(item := item_of("", row), LoanItem)]


async def _recorded(asked: AskedHistory, kind: str) -> tuple[Sequence[Item], str | None]:
    """Rows as they were committed. Loans that came with their group stand before them."""
    found: list[tuple[str, Row]] = []
    if kind == LOAN and (asked.after is None or asked.after.startswith(_OPENING)):
        seen = "" if asked.after is None else asked.after.removeprefix(_OPENING)
        found = [(_OPENING + row.loan, row) for row in await _openings(asked) if row.loan > seen]
        number = 0
    else:
        number = _number(asked.after)
    wanted = HistoryFilter(asked.group, (kind,), asked.loan, number, None, asked.limit + 1, asked.life, asked.scope)
    found += [(str(n), row) for n, row in await asked.daemon.store.history(wanted)]
    page = found[: asked.limit]
    return [item_of(cursor, row) for cursor, row in page], page[-1][0] if len(found) > asked.limit else None


async def _openings(asked: AskedHistory) -> list[Row]:
    """Loans whose opening was not recorded, by id. Where one changed since, its first row kept how it was."""
    wanted = HistoryFilter(asked.group, life=asked.life, scope=asked.scope)
    first = {row.loan: row for _, row in await asked.daemon.store.first_rows(wanted)}
    loans: dict[str, Loan] = {id_: row.before for id_, row in first.items() if row.before is not None}
    if asked.look is not None:
        loans |= {x.id: x for x in asked.look.sight.group.loans if x.id not in first}
    return [opened(asked.group, loans[id_]) for id_ in sorted(loans) if asked.loan in (None, id_)]


async def _interest(asked: AskedHistory) -> tuple[Sequence[Item], str | None]:
    after = _place(asked.after)
    stretches, read_until = await stretches_of(asked, after)
    now = asked.look.at if asked.look is not None else asked.daemon.clock.utc()
    last = min(now - SETTLING, read_until or now)

    def page() -> tuple[list[Charge], bool]:
        found: list[Charge] = []
        with exact():
            for charge in charges(stretches, after, last):
                if len(found) == asked.limit:
                    return found, True
                found.append(charge)
        return found, read_until is not None

    found, has_more = await asyncio.to_thread(page)
    items = [charged_item(charge) for charge in found]
    if not has_more:
        return items, None
    if len(items) < asked.limit:
        return items, _cursor((last.date() - timedelta(days=1), _LAST, EPOCH))
    return items, items[-1].cursor


async def stretches_of(asked: AskedHistory, after: Place | None) -> tuple[list[Stretch], datetime | None]:
    """Loans as they were until each change from a place on, and as they are now. Where there are more changes than one
    request reads, also the time until which it read them."""
    look = asked.look
    store = asked.daemon.store
    products = (look.rules if look is not None else asked.daemon.rules()).products
    # A day is charged until the midnight that ends it, so a change within it is later than its beginning.
    since = None if after is None else datetime.combine(after[0], datetime.min.time(), UTC)
    found: list[Stretch] = []
    number = 0
    read_until = None
    for scanned in range(SCANNED_PAGES + 1):
        wanted = HistoryFilter(asked.group, (), asked.loan, number, since, MAX_LIMIT, asked.life, asked.scope)
        rows = await store.history(wanted)
        if scanned == SCANNED_PAGES and rows:
            return found, read_until
        found += [s for _, row in rows if (s := _stretch(row, products, look)) is not None]
        if len(rows) < MAX_LIMIT:
            break
        number = rows[-1][0]
        read_until = rows[-1][1].at
    if look is not None:
        loans = [x for x in look.sight.group.loans if asked.loan in (None, x.id)]
        found += [Stretch(loan, look.rules.product_of(look.sight.group), look.at) for loan in loans]
    return found, None


def _stretch(row: Row, products: Mapping[str, Product], look: Look | None) -> Stretch | None:
    """None where a row ends none, or its product is not configured any more.

    What was committed after the look has not happened yet: the look has the loan as it was, and it must not count twice.
    """
    product = products.get(row.product)
    if row.before is None or row.until is None or product is None:
        return None
    if look is not None and (row.at > look.at or (row.at == look.at and row.before in look.sight.group.loans)):
        return None
    if look is not None and look.sight.group.product == row.product:
        product = product.of(look.sight.group)
    return Stretch(row.before, product, row.until)


def item_of(cursor: str, row: Row) -> Item:
    """A recorded row as it is shown."""
    kind = _RECORDED[row.kind]
    facts = {"cursor": cursor, "at": stamp(row.at), "loan": row.loan, **row.facts}
    shown: dict[str, Any] = {name: facts.get(name) for name in kind.__struct_fields__}
    return kind(**shown)


def charged_item(c: Charge) -> InterestItem:
    """What a day charged, as it is shown."""
    return InterestItem(
        cursor=_cursor((c.day, c.loan, c.first)),
        accrued_at=stamp(c.accrued_at),
        loan=c.loan,
        asset=c.asset,
        principal=plain(c.principal),
        rate=plain(c.rate),
        period=c.period,
        late_factor=plain(c.late_factor),
        periods=c.periods,
        amount=plain(c.amount),
    )


def _cursor(place: Place) -> str:
    day, loan, first = place
    return f"{day.isoformat()}/{(first - EPOCH) // _MINUTE}/{loan}"


def _place(cursor: str | None) -> Place | None:
    if cursor is None:
        return None
    try:
        day, first, loan = cursor.split("/", 2)
        return date.fromisoformat(day), loan, EPOCH + int(first) * _MINUTE
    except (ValueError, OverflowError):
        raise bad_cursor() from None


def _number(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not _NUMBER.fullmatch(cursor):
        raise bad_cursor()
    return int(cursor)


ROUTES = (
    Endpoint(
        "GET",
        "/v1/groups/{id}/history",
        history,
        READ,
        (
            Param("kind", "Which history.", one_of((*_RECORDED, INTEREST)), required=True),
            Param("loan", "Only of this loan."),
            LIMIT,
            AFTER,
        ),
    ),
)
