"""What a borrower's token gets: the own groups with the labels that the configuration names as public, and nothing of the
desk's channels, people, other coins or counts (decision 122).

A role of its own says so, as a scope alone may also be that of a team of the desk. What is not named here is refused: a new
path is the desk's until somebody thinks about it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import TypeVar

from msgspec import UNSET
from msgspec.structs import replace

from monitor.core.alerts.alert import GroupRef
from monitor.core.alerts.payload import AlertItem
from monitor.core.queries.call_shown import CallShown
from monitor.core.queries.explain import GroupDetail, GroupRow
from monitor.core.queries.inbox import Look
from monitor.core.queries.prices_shown import PriceItem
from monitor.core.queries.what_if import WhatIf
from monitor.core.schema import Problem
from monitor.notifiers._borrowers import OF_FACTS
from monitor.web.auth import Caller
from monitor.web.http import Rejected, invalid

_OF_GROUPS = ("", "/{id}", "/{id}/calls", "/{id}/statement", "/{id}/ltv")
_READ = ("/v1/session", "/v1/stream", "/v1/alerts", "/v1/alerts/{id}", "/v1/prices", "/v1/prices/{id}")
PATHS = frozenset((("DELETE", "/v1/session"), ("POST", "/v1/groups/{id}/what-if"))) | {
    ("GET", path) for path in (*_READ, *(f"/v1/groups{rest}" for rest in _OF_GROUPS))
}
"""All that a borrower may ask."""

_CALL_FACTS = ("call", "call_alert", "target", "on_expiry", "dispute", "in_transit_usd", "supersedes_call")

Row = TypeVar("Row", bound=GroupRow)


def check_filter(caller: Caller, public: Collection[str], labels: Iterable[tuple[str, str]], text: str = "") -> None:
    """Raises Rejected for a filter by which a borrower could find out labels that are not public, one guess at a time."""
    if caller.is_borrower and (text or any(name not in public for name, _ in labels)):
        raise Rejected("bad-query", "a borrower's token filters by stage, product and the labels that are public")


def check_coins(caller: Caller, look: Look, what: WhatIf) -> None:
    """Raises Rejected where a borrower asks about a coin that the group does not have: the answer would tell its price, or
    that there is none. The refusal names the group's own coins alone, so it is the same for every other one."""
    if not caller.is_borrower:
        return
    group = look.sight.group
    own = {*group.quantities(), *(loan.asset for loan in group.loans), *look.sight.held.assets}
    named = {name: getattr(what, name) for name in what.__struct_fields__}
    expected = f"a coin that the group holds or owes: {', '.join(sorted(own))}"
    problems = [
        Problem(f"{change}.{asset}", f"found {asset!r}, expected {expected}", "foreign_coin")
        for change, coins in named.items()
        for asset in coins
        if asset not in own
    ]
    if problems:
        raise invalid(problems)


def row_for(caller: Caller, public: Collection[str], row: Row) -> Row:
    """A row of the list as the caller gets it."""
    return replace(row, labels=labels_of(row.labels, public), acknowledged=None) if caller.is_borrower else row


def labels_of(labels: Mapping[str, str], public: Collection[str]) -> dict[str, str]:
    """The labels that borrowers are told."""
    return {name: value for name, value in labels.items() if name in public}


def detail_for(caller: Caller, public: Collection[str], detail: GroupDetail) -> GroupDetail:
    """A group with all its figures as the caller gets it: who acknowledged, pinned or disputed stays with the desk, and so
    does where its book and its prices come from."""
    if not caller.is_borrower:
        return detail
    call = detail.call
    return replace(
        detail,
        labels=labels_of(detail.labels, public),
        acknowledged=None,
        source="",
        book=None,
        terms=[each if each.origin == "line" else replace(each, origin="agreement") for each in detail.terms],
        contributions=[replace(each, source=None, reason=None, pinned=UNSET) for each in detail.contributions],
        loans=[replace(each, pinned=UNSET) for each in detail.loans],
        call=without_people(call) if isinstance(call, CallShown) else UNSET,
        lender=UNSET,
    )


def without_people(call: CallShown) -> CallShown:
    """A margin call without who of the desk disputed it."""
    return replace(call, disputes=[replace(each, by="") for each in call.disputes])


def price_without_sources(item: PriceItem) -> PriceItem:
    """A price without the feeds that say it, and without who has decided about it."""
    return replace(
        item, source=None, reason=None, instruments=None, sources=UNSET, decisions=UNSET, pinned=UNSET, candidate=None
    )


def alert_for(public: Collection[str], item: AlertItem) -> AlertItem:
    """An alert as its borrower gets it."""
    data = item.data
    kept = {name: value for name, value in (data.facts or {}).items() if name in (*OF_FACTS, *_CALL_FACTS)}
    inputs, debts, group = data.inputs or [], data.debts or [], data.group
    assert isinstance(group, GroupRef), "an alert about no group is the desk's"
    return replace(
        item,
        data=replace(
            data,
            group=replace(group, labels=labels_of(group.labels, public)),
            labels_cut=UNSET,
            silenced_by=UNSET,
            lever=UNSET,
            facts=kept or UNSET,
            inputs=[replace(each, source=None, pinned=UNSET) for each in inputs] if data.inputs else data.inputs,
            debts=[replace(each, pinned=UNSET) for each in debts] if data.debts else data.debts,
        ),
    )
