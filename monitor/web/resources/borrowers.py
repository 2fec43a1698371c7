"""The statement of a borrower for one day: all groups with a label, each with its own statement, and their sums."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal

import msgspec

from monitor.core.groups.snapshot import Scope
from monitor.core.loans.interest import midnight
from monitor.core.money import ZERO, exact, plain
from monitor.core.portfolio.group_list import GroupQuery
from monitor.core.portfolio.snapshot import LABEL_PREFIX
from monitor.web.auth import READ
from monitor.web.http import MAX_LIMIT, Param, Query, Rejected
from monitor.web.resources._balance import CoinBalance, total_of
from monitor.web.resources.history import asked_for
from monitor.web.resources.statement import DAY_PARAM, CallSums, DayStatement, day_of, of_group
from monitor.web.site import Call, Endpoint

DEFAULT_KEY = "label.borrower"
MOST_GROUPS = 200
"""Groups of one statement: a borrower has a few. Each is some reads of the store, and takes its turn with the whole book."""


class BorrowerStatement(msgspec.Struct, frozen=True):
    """What became of all groups of a borrower in one UTC day. A borrower is named by a label of its groups: `by` says which.

    Each group has its own statement, with what happened while it had that label; `balance` and `call_sums` add theirs up.
    `until` is the earliest of theirs. `final` is true where all are, `cut` where one is.
    """

    borrower: str
    by: str
    day: str
    since: str
    until: str
    final: bool
    cut: bool
    balance: list[CoinBalance]
    call_sums: CallSums
    groups: list[DayStatement]


async def borrower_statement(call: Call) -> BorrowerStatement:
    """What became of a borrower's groups in one UTC day, with their sums, and all that the figures follow from."""
    text = call.query.text("day") or ""
    by = _label(call.query)
    call.query.done()
    day = day_of(call, text)
    # What the desk reads of a borrower is what the borrower reads: it is asked for with the scope of both.
    scope = tuple(sorted({*call.caller.scope, (by.removeprefix(LABEL_PREFIX), call.id)}))
    theirs = call._replace(caller=msgspec.structs.replace(call.caller, scope=scope))
    async with call.site.turns.one(call.caller):
        groups = await _groups(theirs, day)
    if not groups:
        raise Rejected("not-found", f"there is no group of {call.id}")
    return BorrowerStatement(
        borrower=call.id,
        by=by,
        day=day.isoformat(),
        since=groups[0].since,
        until=min(x.until for x in groups),
        final=all(x.final for x in groups),
        cut=any(x.cut for x in groups),
        balance=total_of(coin for x in groups for coin in x.balance),
        call_sums=_added([x.call_sums for x in groups]),
        groups=groups,
    )


def _label(query: Query) -> str:
    by = query.text("by")
    if by is None:
        return DEFAULT_KEY
    if not by.startswith(LABEL_PREFIX) or by == LABEL_PREFIX:
        query.wrong("by", by, "a label such as label.borrower")
    return by


async def _groups(call: Call, day: date) -> list[DayStatement]:
    """One after the other, so that many alerts of one group are read before those of the next are asked for."""
    now, since = await _ids(call, call.caller.scope, midnight(day))
    found: list[DayStatement] = []
    left = MAX_LIMIT
    for id_ in sorted({*now, *since}):
        asked = await asked_for(call.daemon, id_, call.caller.scope)
        if asked is not None:
            made = await of_group(call, asked, day, left)
            left -= len(made.alerts)
            if id_ in now or _has_anything(made):
                found.append(made)
    return found


async def _ids(call: Call, scope: Scope, since: datetime) -> tuple[list[str], list[str]]:
    """The borrower's groups of now, and those that were the borrower's when something happened. Raises Rejected."""
    wanted = GroupQuery(labels=scope, sort="id", limit=MOST_GROUPS + 1)
    page = await asyncio.to_thread(call.daemon.view.groups, wanted, scope)
    now = [sight.group.id for sight in page.rows]
    held = await call.daemon.store.held(scope, since, MOST_GROUPS + 1)
    if len({*now, *held}) > MOST_GROUPS:
        text = (
            f"{call.id} has more than {MOST_GROUPS} groups; ask for the statement of each: GET /v1/groups/ID/statement"
        )
        raise Rejected("bad-query", text)
    return now, held


def _has_anything(of: DayStatement) -> bool:
    return bool(of.before or of.owed or of.balance or of.loans or of.liquidations or of.call or of.calls or of.alerts)


def _added(sums: Sequence[CallSums]) -> CallSums:
    with exact():
        totals = (sum((Decimal(getattr(x, name)) for x in sums), ZERO) for name in CallSums.__struct_fields__)
        return CallSums(*map(plain, totals))


ROUTES = (
    Endpoint(
        "GET",
        "/v1/borrowers/{id}/statement",
        borrower_statement,
        READ,
        (
            DAY_PARAM,
            Param(
                "by",
                "The label that names borrowers.",
                {"type": "string", "pattern": r"^label\..+$", "default": DEFAULT_KEY},
            ),
        ),
    ),
)
