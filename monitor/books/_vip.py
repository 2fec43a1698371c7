"""VIP loans as the exchange's API states them: orders become groups, and what it says of them becomes readings. Pure.

What cannot be read stays in the line as it came, so that the reader of lines refuses it with its place: an empty text is
unknown and never zero (domain sections 4.1 and 4.5, rule 6).
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec

from monitor.core.instants import time_at_ms
from monitor.core.loans.group import Contact
from monitor.core.money import NotANumber, divide_up, exact, number, places, plain
from monitor.core.rules.thresholds import Level, Line
from monitor.core.schema import Id
from monitor.core.stages.stages import LIQUIDATION, LenderReading

LIQUIDATING, LIQUIDATED = "Liquidating", "Liquidated"
MOST_OFF = Decimal("0.001")
"""Within a tenth of a point a reading of the debt is the lender's (reading A2)."""
LEAST_PLACES = 4
"""An LTV of two places cannot tell two readings of a debt apart."""
YEAR = Decimal(365)
RATE_UNIT = Decimal("1e-18")
"""The finest rate that a book may state."""
_DIGITS = 30
"""Before the point and behind it: what has more is no figure of a loan."""
_LONGEST = 4_000
"""Of a text: fifty accounts with commas have 600 characters."""
_LAST_MS = 7_258_118_400_000
"""2200-01-01: a time beyond is none."""
DebtReading = Literal["", "with", "without"]
"""Whether `totalDebt` holds `residualInterest` ("with") or not; "" while no reconcile has shown which."""


class GroupTable(msgspec.Struct, frozen=True, kw_only=True):
    """[[book.group]]: what the exchange's API does not say of a loan group."""

    id: Id
    collateral_accounts: tuple[Id, ...]
    receiving_account: Id | None = None
    thresholds: dict[Line, Level] = {}
    delayed_liquidation: bool = False
    labels: dict[str, str] = {}
    contacts: dict[str, tuple[Contact, ...]] = {}
    product: str | None = None
    vip_level: int | None = None


class VipOrder(NamedTuple):
    """A row of ongoing/orders. Figures are the lender's texts; "" is unknown."""

    id: str
    coin: str
    total_debt: str
    residual: str
    rate: str
    accounts: tuple[str, ...]
    coins: frozenset[str]
    after_haircut: str
    locked: str
    ltv: str
    expires_ms: int
    opened_ms: int
    term: str


class VipRequest(NamedTuple):
    """A row of request/data: who asked for a loan, and what became of it."""

    order: str
    receiving: str
    accounts: tuple[str, ...]
    status: str


class VipGroup(NamedTuple):
    """All orders of one receiving account (rule 6)."""

    id: str
    receiving: str
    accounts: tuple[str, ...]
    orders: tuple[VipOrder, ...]
    table: GroupTable | None


def order_of(row: Mapping[str, Any]) -> VipOrder:
    """Unknown fields are left alone."""
    return VipOrder(
        id=text_of(row, "orderId"),
        coin=text_of(row, "loanCoin"),
        total_debt=text_of(row, "totalDebt"),
        residual=text_of(row, "residualInterest"),
        rate=text_of(row, "loanRate"),
        accounts=list_of(row, "collateralAccountId"),
        coins=frozenset(list_of(row, "collateralCoin")),
        after_haircut=text_of(row, "totalCollateralValueAfterHaircut"),
        locked=text_of(row, "lockedCollateralValue"),
        ltv=text_of(row, "currentLTV"),
        expires_ms=_ms_of(row, "expirationTime"),
        opened_ms=_ms_of(row, "loanDate"),
        term=text_of(row, "loanTerm"),
    )


def request_of(row: Mapping[str, Any]) -> VipRequest:
    """A row of request/data."""
    return VipRequest(
        text_of(row, "orderId"),
        text_of(row, "loanAccountId"),
        list_of(row, "collateralAccountId"),
        text_of(row, "status"),
    )


def text_of(row: Mapping[str, Any], key: str) -> str:
    """A value as text: ids and amounts come as texts or as numbers. "" where there is none."""
    value = row.get(key)
    if isinstance(value, Decimal) and value.is_finite() and abs(value.adjusted()) < _DIGITS:
        return plain(value)
    if not isinstance(value, str | int) or isinstance(value, bool):
        return ""
    # Half a character and one that steers a terminal are in no id, coin or amount.
    return "".join(c if c.isprintable() else "?" for c in str(value).strip()[:_LONGEST])


def list_of(row: Mapping[str, Any], key: str) -> tuple[str, ...]:
    """The parts of a list with commas, each once, in order."""
    return tuple(dict.fromkeys(part for each in text_of(row, key).split(",") if (part := each.strip())))


def figure_of(text: str) -> Decimal | None:
    """A number of the lender; None where it states none, or one that no amount, price or share can be."""
    try:
        value = number(text)
    except NotANumber:
        return None
    return value if value.adjusted() < _DIGITS and places(value) < _DIGITS else None


def _ms_of(row: Mapping[str, Any], key: str) -> int:
    """Milliseconds since 1970, as a number or a text; 0 where there is no time."""
    text = text_of(row, key)
    value = int(text) if text.isdecimal() and len(text) < 16 else 0
    return value if value < _LAST_MS else 0


# -- groups --


def groups_of(
    source: str,
    orders: Sequence[VipOrder],
    requests: Iterable[VipRequest],
    tables: Sequence[GroupTable],
    was_in: Mapping[str, str] | None = None,
) -> list[VipGroup]:
    """Orders that share a collateral account, a receiving account or a configured group are one group (rule 6).

    `was_in`: the group that each order was in before. One that no table names keeps its name while an order of it goes on.
    """
    receiving = {request.order: request.receiving for request in requests if request.order and request.receiving}
    union = _Union()
    for table in tables:
        union.join([_table_key(table), *map(_account_key, table.collateral_accounts)])
        if table.receiving_account is not None:
            union.join([_table_key(table), _receiving_key(table.receiving_account)])
    for order in orders:
        keys = [_order_key(order), *map(_account_key, order.accounts)]
        if order.id in receiving:
            keys.append(_receiving_key(receiving[order.id]))
        union.join(keys)
    by_root: dict[str, list[VipOrder]] = {}
    for order in orders:
        by_root.setdefault(union.root(_order_key(order)), []).append(order)
    named: dict[str, GroupTable] = {}
    for table in tables:
        named.setdefault(union.root(_table_key(table)), table)
    found = []
    taken = {table.id for table in tables}
    for root, mine in by_root.items():
        known = named.get(root)
        mine.sort(key=lambda order: (order.opened_ms, order.id))
        accounts = sorted({account for order in mine for account in order.accounts})
        if known is not None:
            accounts = sorted({*accounts, *known.collateral_accounts})
        before = [(was_in or {}).get(order.id, "") for order in mine]
        names = [name for name in (*before, default_id(source, accounts)) if name and name not in taken]
        id_ = known.id if known is not None else next(iter(names), f"{source}-{mine[0].id}")
        taken.add(id_)
        stated = known.receiving_account if known is not None else None
        by_request = [receiving[order.id] for order in mine if order.id in receiving]
        where = stated or next(iter(by_request), f"{id_}-receiving")
        found.append(VipGroup(id_, where, tuple(accounts), tuple(mine), known))
    return sorted(found, key=lambda group: group.id)


def default_id(source: str, accounts: Collection[str]) -> str:
    """The name of a group that no [[book.group]] names: the book, and the first of its collateral accounts."""
    return f"{source}-{min(accounts, default='no-account')}"


class _Union:
    """Which names belong together."""

    def __init__(self) -> None:
        self._parent: dict[str, str] = {}

    def root(self, name: str) -> str:
        parent = self._parent.setdefault(name, name)
        while parent != self._parent[parent]:
            parent = self._parent[parent]
        self._parent[name] = parent
        return parent

    def join(self, names: Sequence[str]) -> None:
        roots = sorted({self.root(name) for name in names})
        for other in roots[1:]:
            self._parent[other] = roots[0]


def _table_key(table: GroupTable) -> str:
    return f"table {table.id}"


def _account_key(account: str) -> str:
    return f"account {account}"


def _receiving_key(account: str) -> str:
    return f"receiving {account}"


def _order_key(order: VipOrder) -> str:
    return f"order {order.id}"


# -- lines --


def line_of(
    group: VipGroup,
    product: str,
    balances: Mapping[str, Mapping[str, Decimal]],
    coins: Mapping[str, frozenset[str]],
    debt: DebtReading,
) -> dict[str, Any]:
    """The book line of a group. Only designated coins count (rule 5); `coins` names them by account."""
    designated = frozenset().union(*(order.coins for order in group.orders))
    collateral = {}
    for account in group.accounts:
        counted = coins.get(account, designated)
        held = balances[account]
        collateral[account] = {coin: plain(held[coin]) for coin in sorted(counted & held.keys()) if held[coin]}
    line: dict[str, Any] = {
        "id": group.id,
        "product": product,
        "receiving_account": group.receiving,
        "collateral": collateral,
        "loans": [_loan_of(order, debt) for order in group.orders],
    }
    table = group.table
    if table is not None:
        line["delayed_liquidation"] = table.delayed_liquidation
        stated = {
            "thresholds": {name: plain(level) for name, level in table.thresholds.items()},
            "labels": table.labels,
            "contacts": msgspec.to_builtins(table.contacts),
            "vip_level": table.vip_level,
        }
        line |= {key: value for key, value in stated.items() if value}
    return line


def _loan_of(order: VipOrder, debt: DebtReading) -> dict[str, Any]:
    principal, interest = debt_of(order, debt)
    term = _term_of(order.term)
    # A flexible loan states 0: it has no end, whatever its term is called.
    matures_at = time_at_ms(order.expires_ms) if order.expires_ms else None
    if matures_at is None:
        term = "open" if term in ("30d", "60d") else term
    elif term == "open":
        matures_at = None
    yearly = figure_of(order.rate)
    rate: dict[str, str] = {"kind": "flexible"}
    if yearly is not None and term != "open":
        rate = {"kind": "fixed", "daily": plain(divide_up(yearly, YEAR, RATE_UNIT))}
    return {
        "id": order.id,
        "asset": order.coin,
        "principal": principal,
        "interest": interest,
        "rate": rate,
        "term": term,
        "opened_at": time_at_ms(order.opened_ms).isoformat() if order.opened_ms else "",
        "matures_at": None if matures_at is None else matures_at.isoformat(),
    }


_DAYS = re.compile(r"(\d{1,4}) ?(?:d|days?)?", re.ASCII)


def _term_of(text: str) -> str:
    """`30days`, `30` and `30d` are 30d; `open term` is open; what is no term is refused as it stands."""
    days = _DAYS.fullmatch(text.lower())
    if days is not None and int(days[1]):
        return f"{int(days[1])}d"
    return "open" if text.lower().replace(" ", "").startswith("open") or text == "0" else text


def debt_of(order: VipOrder, debt: DebtReading) -> tuple[str, str]:
    """(principal, interest). Until a reconcile has shown which reading is right, the higher debt (reading A2)."""
    total, residual = figure_of(order.total_debt), figure_of(order.residual)
    if debt == "with" and total is not None and residual is not None and residual <= total:
        with exact():
            return plain(total - residual), order.residual
    return order.total_debt, order.residual


def reconciled(groups: Iterable[VipGroup], usd: Mapping[str, Decimal]) -> DebtReading:
    """Which reading of the debt the lender's own LTV shows; "" where none does, or prices are not all there.

    The lender's own recognised value is what its LTV stands on, so only the prices of what is owed are ours.
    """
    for group in groups:
        levels, values = {o.ltv for o in group.orders}, {o.after_haircut for o in group.orders}
        if len(levels) != 1 or len(values) != 1:
            continue
        level, value = figure_of(min(levels)), figure_of(min(values))
        stated_places = len(min(levels).partition(".")[2])
        if level is None or value is None or value <= 0 or stated_places < LEAST_PLACES:
            continue
        with_ = without = Decimal(0)
        for order in group.orders:
            total, residual, price = figure_of(order.total_debt), figure_of(order.residual), usd.get(order.coin)
            if total is None or residual is None or price is None:
                break
            with exact():
                with_ += total * price
                without += (total + residual) * price
        else:
            with exact():
                near = [abs(debt - level * value) <= MOST_OFF * value for debt in (with_, without)]
            if near == [True, False]:
                return "with"
            if near == [False, True]:
                return "without"
    return ""


# -- what the lender says --


def reading_of(
    group: VipGroup, statuses: Mapping[str, str], as_of: datetime, figures: Mapping[str, str]
) -> LenderReading:
    """The lender's LTV of a group, and whether it liquidates. It has no margin call and no clock in its API."""
    said = [statuses[order.id] for order in group.orders if statuses.get(order.id)]
    levels = [level for order in group.orders if (level := figure_of(order.ltv)) is not None]
    shown = {
        "recognised_usd": next((o.after_haircut for o in group.orders if o.after_haircut), ""),
        "locked_usd": next((o.locked for o in group.orders if o.locked), ""),
        **figures,
    }
    return LenderReading(
        group_id=group.id,
        level=max(levels, default=None),
        stage=LIQUIDATION if LIQUIDATING in said else None,
        words=", ".join(sorted(set(said))),
        deadline=None,
        as_of=as_of,
        figures={key: value for key, value in shown.items() if value},
    )


def liquidated_groups(
    source: str,
    requests: Iterable[VipRequest],
    tables: Sequence[GroupTable],
    groups: Iterable[VipGroup],
    was_in: Mapping[str, str],
) -> dict[str, str]:
    """By group, an order of it that was liquidated, where nothing of the group goes on. `was_in`: groups of orders before."""
    ongoing = {group.id for group in groups}
    found: dict[str, str] = {}
    for request in requests:
        if request.status != LIQUIDATED or not request.order:
            continue
        table = next((t for t in tables if not set(t.collateral_accounts).isdisjoint(request.accounts)), None)
        named = table.id if table is not None else default_id(source, request.accounts)
        id_ = was_in.get(request.order, named)
        if id_ not in ongoing:
            found[id_] = request.order
    return found


def balances_of(answer: Mapping[str, Any]) -> dict[str, Decimal]:
    """What an account holds: free and locked (reading A3). `LDBTC`, a flexible Earn position, is pledged as `BTC-Earn`.

    Raises ValueError where an amount cannot be read: it is unknown, and never nothing.
    """
    rows = answer.get("balances")
    if not isinstance(rows, list):
        raise ValueError("the answer about an account has no balances")
    found: dict[str, Decimal] = {}
    for row in rows:
        coin = text_of(row, "asset") if isinstance(row, dict) else ""
        free, locked = (figure_of(text_of(row, key)) if coin else None for key in ("free", "locked"))
        if free is None or locked is None:
            raise ValueError(f"the balance of {coin[:40] or 'a coin'} cannot be read")
        with exact():
            found[coin] = found.get(coin, Decimal(0)) + free + locked
    for coin in [c for c in found if c.startswith("LD") and len(c) > 3]:
        earn = f"{coin[2:]}-Earn"
        found.setdefault(earn, found[coin])
    return found
