"""Groups for tests of lists: each weighs just what a test says, on prices where every coin is worth a dollar."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from monitor.core.groups.outcome import StoredGroup
from monitor.core.groups.record import GroupRecord
from monitor.core.groups.snapshot import Prices
from monitor.core.loans.group import Group, Loan, Rate
from monitor.core.money import exact
from monitor.core.portfolio.group_list import GroupLists, GroupPage, GroupQuery
from monitor.core.rules.product import Product, Version
from monitor.core.rules.thresholds import Thresholds
from monitor.core.stages.stages import NORMAL, GroupState

D = Decimal
START = datetime(2026, 3, 2, 12, tzinfo=UTC)
VERSION = Version(
    datetime(2024, 4, 29, tzinfo=UTC),
    Thresholds(D("0.72"), D("0.77"), D("0.91"), D("0.95")),
    {"COIN": ((None, D(1)),), "LOST": ((None, D(1)),)},
)
PRODUCTS = {kind: Product(kind, (VERSION,)) for kind in ("vip_loan", "other_loan")}
PRICES = Prices({"COIN": D(1), "OWED": D(1), "JUNK": D(1)}, frozenset())
"""LOST has no price: who holds or owes it is unknown."""
RATE = Rate("fixed", D(0))


def watched(
    id_: str,
    debt: str = "0",
    counted: str = "0",
    stage: str = NORMAL,
    due_s: int | None = None,
    labels: Mapping[str, str] = {"borrower": "ACME"},
    product: str = "vip_loan",
    account: str | None = None,
    coin: str = "COIN",
    owed: str = "OWED",
) -> GroupRecord:
    """A group that owes `debt` and holds `counted`: COIN is recognised in full, JUNK not at all."""
    loans = (Loan("L", owed, D(debt), D(0), RATE, "30d", START, START + timedelta(days=30), START.date()),)
    account = account or f"{id_}-in"
    group = Group(id_, product, account, {account: {coin: D(counted)}}, loans, False, {}, labels, {}, None, {})
    deadline = None if due_s is None else START + timedelta(seconds=due_s)
    state = GroupState(id_, stage=stage, deadline=deadline)
    with exact():
        return GroupRecord(StoredGroup(group, "book", 1, START), state, PRODUCTS[product], START)


def unknown(id_: str, **more: Any) -> GroupRecord:
    """A group that owes a coin without a price."""
    return watched(id_, "1", "100", owed="LOST", **more)


def ids(page: GroupPage) -> list[str]:
    return [s.group.id for s in page.rows]


def asked(group_lists: GroupLists, **query: Any) -> list[str]:
    """Ids of one page."""
    return ids(group_lists.page(GroupQuery(**query), (), PRICES))


def walked(group_lists: GroupLists, query: GroupQuery, prices: Prices = PRICES, between: object = None) -> list[str]:
    """Ids of all pages; `between` is called after each."""
    found: list[str] = []
    after: str | None = None
    for _ in range(500):
        page = group_lists.page(
            GroupQuery(**{**{f: getattr(query, f) for f in query.__struct_fields__}, "after": after}), (), prices
        )
        found += ids(page)
        if page.next is None:
            return found
        after = page.next
        if callable(between):
            between()
    raise AssertionError("the pages do not end")
