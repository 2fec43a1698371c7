"""The histories of a group: its loans, repayments, liquidations, and what each day charged."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, NamedTuple

import msgspec
from aiohttp import web

from monitor.core.events.history import LOAN, Row, opened
from monitor.core.groups.daily_interest import Charge, Place, Stretch, charges
from monitor.core.instants import EPOCH
from monitor.core.loans.group import Loan
from monitor.core.loans.interest import SETTLING
from monitor.core.money import exact, plain
from monitor.core.queries.inbox import Look
from monitor.core.rules.product import Product
from monitor.core.text import stamp
from monitor.stores._base import HistoryFilter
from monitor.web import query
from monitor.web.auth import Caller
from monitor.web.http import Parts, answer, listing
from monitor.web.problem import Rejected
from monitor.web.query import Values

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
    """A liquidation began, was carried out, or was cleared. Sums are null of the last, and where a price was missing."""

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


class InterestItem(_Item, frozen=True, tag="interest", kw_only=True):
    """What one UTC day charged a loan at one rate; `rate` is per `period`, of which there were `periods`."""

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

    items: list[LoanItem | RepaymentItem | LiquidationItem | InterestItem]
    next: str | None


_FIELDS: Mapping[str, tuple[str, ...]] = {
    str(item.__struct_config__.tag): item.__struct_fields__ for item in (LoanItem, RepaymentItem, LiquidationItem)
}


class _Asked(NamedTuple):
    """Whose history, as far as it is there: a group that was closed has rows, but is not in the book."""

    group: str
    look: Look | None
    loan: str | None
    after: str | None
    limit: int


class HistoryApi:
    """Handler of /v1/groups/{id}/history."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    async def history(self, request: web.Request, caller: Caller) -> web.StreamResponse:
        """GET /v1/groups/{id}/history"""
        values = Values(request, query.HISTORY)
        kind, loan = values.required("kind"), values.text("loan")
        after, limit = values.cursor(), values.number("limit")
        values.done()
        id_ = request.match_info["id"]
        look = await self._parts.inbox.look(id_)
        if (look is None and caller.scope) or (look is not None and not caller.sees(look.sight.group.labels)):
            raise _nothing(id_)
        asked = _Asked(id_, look, loan, after, limit)
        if look is None and not await self._parts.store.history(HistoryFilter(id_, limit=1)):
            raise _nothing(id_)
        items, cursor = await (self._interest(asked) if kind == INTEREST else self._recorded(asked, kind))
        return answer(listing([msgspec.json.encode(item) for item in items], cursor))

    async def _recorded(self, asked: _Asked, kind: str) -> tuple[list[dict[str, Any]], str | None]:
        """Rows as they were committed; of loans those first that came with their group."""
        found: list[tuple[str, Row]] = []
        if kind == LOAN and (asked.after is None or asked.after.startswith(_OPENING)):
            seen = "" if asked.after is None else asked.after.removeprefix(_OPENING)
            found = [(_OPENING + row.loan, row) for row in await self._openings(asked) if row.loan > seen]
            number = 0
        else:
            number = _number(asked.after)
        wanted = HistoryFilter(asked.group, (kind,), asked.loan, number, limit=asked.limit + 1)
        found += [(str(n), row) for n, row in await self._parts.store.history(wanted)]
        page = found[: asked.limit]
        return [_shown(cursor, row) for cursor, row in page], page[-1][0] if len(found) > asked.limit else None

    async def _openings(self, asked: _Asked) -> list[Row]:
        """Loans whose opening was not recorded, by id: of those that changed since, their first row has kept it."""
        first = {row.loan: row for _, row in await self._parts.store.first_rows(asked.group)}
        loans: dict[str, Loan] = {id_: row.before for id_, row in first.items() if row.before is not None}
        if asked.look is not None:
            loans |= {x.id: x for x in asked.look.sight.group.loans if x.id not in first}
        wanted = [loans[id_] for id_ in sorted(loans) if asked.loan in (None, id_)]
        return [opened(asked.group, loan) for loan in wanted]

    async def _interest(self, asked: _Asked) -> tuple[list[dict[str, Any]], str | None]:
        after = _place(asked.after)
        stretches, read_until = await self._stretches(asked, after)
        now = asked.look.at if asked.look is not None else self._parts.clock.utc()
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
        items = [_charged(charge) for charge in found]
        if not has_more:
            return items, None
        if len(items) < asked.limit:
            return items, _cursor((last.date() - timedelta(days=1), _LAST, EPOCH))
        return items, items[-1]["cursor"]

    async def _stretches(self, asked: _Asked, after: Place | None) -> tuple[list[Stretch], datetime | None]:
        """Loans as they were until each change from a place on, and as they are; and how far the changes were read, where
        there are more."""
        products = (asked.look.rules if asked.look is not None else self._parts.rules()).products
        # A day is charged until the midnight that ends it, so a change within it is later than its beginning.
        since = None if after is None else datetime.combine(after[0], datetime.min.time(), UTC)
        found: list[Stretch] = []
        number, read_until = 0, None
        for scanned in range(SCANNED_PAGES + 1):
            wanted = HistoryFilter(asked.group, (), asked.loan, number, since, query.MAX_LIMIT)
            rows = await self._parts.store.history(wanted)
            if scanned == SCANNED_PAGES and rows:
                return found, read_until
            found += [s for _, row in rows if (s := _stretch(row, products, asked.look)) is not None]
            if len(rows) < query.MAX_LIMIT:
                break
            number, read_until = rows[-1][0], rows[-1][1].at
        if asked.look is not None:
            look, group = asked.look, asked.look.sight.group
            loans = [x for x in group.loans if asked.loan in (None, x.id)]
            found += [Stretch(loan, products[group.product], look.at) for loan in loans]
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
    return Stretch(row.before, product, row.until)


def _shown(cursor: str, row: Row) -> dict[str, Any]:
    facts = {"kind": row.kind, "cursor": cursor, "at": stamp(row.at), "loan": row.loan, **row.facts}
    return {"kind": row.kind} | {name: facts.get(name) for name in _FIELDS[row.kind]}


def _charged(c: Charge) -> dict[str, Any]:
    return {
        "kind": INTEREST, "cursor": _cursor((c.day, c.loan, c.first)), "accrued_at": stamp(c.accrued_at), "loan": c.loan,
        "asset": c.asset, "principal": plain(c.principal), "rate": plain(c.rate), "period": c.period,
        "late_factor": plain(c.late_factor), "periods": c.periods, "amount": plain(c.amount),
    }  # fmt: skip


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
        raise Rejected("bad-cursor", "after is not a cursor of this list; start without one") from None


def _number(cursor: str | None) -> int:
    if cursor is None:
        return 0
    if not _NUMBER.fullmatch(cursor):
        raise Rejected("bad-cursor", "after is not a cursor of this list; start without one")
    return int(cursor)


def _nothing(id_: str) -> Rejected:
    return Rejected("not-found", f"there is no group {id_}")
