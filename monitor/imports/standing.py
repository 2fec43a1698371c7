"""How each group of a file would stand: judged by the rules and the prices of now, beside what the book has of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Literal, NamedTuple

import msgspec

from monitor import contacts
from monitor.core.groups.outcome import StoredGroup
from monitor.core.loans.group import Group, canonical, line_digest, parse_line
from monitor.core.loans.interest import interest
from monitor.core.loans.line_bounds import label_problems
from monitor.core.loans.loan_dates import line_problems, opened_unstated
from monitor.core.money import exact, plain
from monitor.core.rules.product import Product
from monitor.core.rules.settings import Rules
from monitor.core.schema import Invalid, Problem
from monitor.core.stages.decision import WeighedGroup, judge
from monitor.core.stages.stages import GroupState
from monitor.core.text import plain_or_none, stamp
from monitor.core.valuation.shown_figures import ltv_of
from monitor.core.valuation.valuation import Holding, holding, weigh
from monitor.imports.groups import DraftGroup, Drafts, RefusedCell


class KnownGroup(msgspec.Struct, frozen=True):
    """What the book has of a group that the file names."""

    stored: StoredGroup
    state: GroupState


class MarketNow(msgspec.Struct, frozen=True):
    """What groups are judged by, at one instant."""

    at: datetime
    source: str
    """Where the groups of the file belong: `import:NAME`."""
    rules: Rules
    usd: dict[str, Decimal]
    untrusted: frozenset[str] = frozenset()
    known: tuple[KnownGroup, ...] = ()
    owners: dict[str, str] = {}
    """By account: the group of the book that has it."""
    product: str | None = None
    """The product of groups of which no cell states one."""


class ImportRow(msgspec.Struct, frozen=True):
    """A group of the file as it would stand."""

    group: str
    where: str
    """The cell that names it first."""
    change: Literal["new", "changed", "same"]
    stage: str
    """As it would be; `unknown` while a price is missing."""
    ltv: str | None
    debt_usd: str | None
    recognised_usd: str | None
    missing: list[str]
    """What is missing, in sentences: a price, a ladder, a coin that nobody knows."""
    alert: str | None
    """The type of the alert that would be raised."""


class Put(msgspec.Struct, frozen=True):
    """A group that is to be put."""

    id: str
    version: int
    """The version that it replaces; 0 for a new one."""
    line: msgspec.Raw
    digest: str
    """Names what the file states of it: the same statement again changes nothing."""
    accounts: tuple[str, ...]


class JudgedFile(msgspec.Struct, frozen=True):
    """All groups of a file."""

    rows: list[ImportRow]
    refused: list[RefusedCell]
    puts: list[Put]


class _Judged(NamedTuple):
    row: ImportRow
    put: Put | None


def judge_all(drafts: Drafts, market: MarketNow) -> JudgedFile:
    """Each group that can be taken as a row; the cells of each that cannot."""
    rows: list[ImportRow] = []
    puts: list[Put] = []
    refused = list(drafts.refused)
    known = {k.stored.group.id: k for k in market.known}
    owners: dict[str, DraftGroup] = {}
    with exact():
        for draft in drafts.groups:
            if draft.is_bad:
                continue
            try:
                group, judged = _judged(draft, known.get(draft.id), market)
            except Invalid as e:
                refused += [_refused(draft, problem) for problem in e.problems]
                continue
            taken = [p for account in sorted(group.accounts()) if (p := _taken(account, draft, owners, market))]
            if taken:
                refused += taken
                continue
            rows.append(judged.row)
            if judged.put is not None:
                puts.append(judged.put)
    return JudgedFile(rows, refused, puts)


def _taken(account: str, draft: DraftGroup, owners: dict[str, DraftGroup], market: MarketNow) -> RefusedCell | None:
    """An account belongs to one group (rule 6)."""
    first = owners.setdefault(account, draft)
    where = draft.place_of(
        "receiving_account" if account == draft.line["receiving_account"] else f"collateral.{account}"
    )
    if first is not draft:
        what = f"the account belongs to group {first.id} at {first.place}; an account belongs to one group (VIP FAQ 6)"
        return RefusedCell(where, account, what, draft.id)
    owner = market.owners.get(account, draft.id)
    if owner != draft.id:
        what = f"the account belongs to group {owner} of the book; close that one, or name another account (VIP FAQ 6)"
        return RefusedCell(where, account, what, draft.id)
    return None


def _refused(draft: DraftGroup, problem: Problem) -> RefusedCell:
    what = problem.what if problem.where in ("", "id") else f"{problem.where}: {problem.what}"
    return RefusedCell(draft.place_of(problem.where), draft.value_of(problem.where), what, draft.id)


def _judged(draft: DraftGroup, known: KnownGroup | None, market: MarketNow) -> tuple[Group, _Judged]:
    """The group and its row. Raises Invalid."""
    if known is not None and known.stored.source != market.source:
        owner = known.stored.source
        raise Invalid(
            [Problem("id", f"the group belongs to {owner}, which put it first; close it there, or give it another id")]
        )
    line = _completed(draft, market)
    stated = _filled(line, known, market.at)
    digest = line_digest(canonical(stated)).hex()
    if known is not None and known.stored.group.line == digest:
        return known.stored.group, _Judged(_row(draft, known.stored.group, known, market, "same"), None)
    full = stated if known is None else _with_interest(line, stated, known, market)
    group = parse_line(full, market.at, market.rules.products)
    problems = line_problems(full, market.at) + label_problems(full["labels"]) + contacts.problems(group.contacts)
    if problems:
        raise Invalid(problems)
    row = _row(draft, group, known, market, "new" if known is None else "changed")
    version = 0 if known is None else known.stored.version
    put = Put(draft.id, version, msgspec.Raw(canonical(full)), digest, tuple(sorted(group.accounts())))
    return group, _Judged(row, put)


def _completed(draft: DraftGroup, market: MarketNow) -> dict[str, Any]:
    """The line with what no cell needs to state."""
    line = draft.line
    line.setdefault("product", market.product or "")
    line.setdefault("receiving_account", f"{draft.id}-receiving")
    return line


def _filled(line: Mapping[str, Any], known: KnownGroup | None, at: datetime) -> dict[str, Any]:
    """The line with the opening that the monitor knows, where no cell states one, and without interest, where no cell does.

    It is the same for the same cells, whatever interest was added meanwhile: by it the monitor knows them again.
    """
    opened = {} if known is None else {loan.id: loan.opened_at for loan in known.stored.group.loans}
    loans = [
        {"interest": "0", "opened_at": stamp(opened.get(loan["id"]) or opened_unstated(loan, at)), **loan}
        for loan in line["loans"]
    ]
    return {**line, "loans": loans}


def _with_interest(
    line: Mapping[str, Any], stated: dict[str, Any], known: KnownGroup, market: MarketNow
) -> dict[str, Any]:
    """The line with the interest that the monitor has counted so far, where no cell states any."""
    group = known.stored.group
    product = market.rules.products.get(group.product)
    if product is None:
        return stated
    counted = {loan.id: interest(loan, product, *product.moment(market.at)) for loan in group.loans}
    loans = []
    for cells, loan in zip(line["loans"], stated["loans"], strict=True):
        kept = counted.get(loan["id"])
        loans.append(loan if "interest" in cells or kept is None else {**loan, "interest": plain(kept)})
    return {**stated, "loans": loans}


def _row(
    draft: DraftGroup,
    group: Group,
    known: KnownGroup | None,
    market: MarketNow,
    change: Literal["new", "changed", "same"],
) -> ImportRow:
    product = market.rules.product_of(group)
    held = holding(group, product, market.at)
    missing = list(_missing(group, held, product, market))
    is_known = held.assets <= market.usd.keys()
    weight = weigh(held, market.usd) if is_known else None
    state = known.state if known is not None else GroupState(group.id)
    stage, alert = state.stage if known is not None else "unknown", None
    if weight is not None:
        blind = not market.untrusted.isdisjoint(held.assets)
        seen = WeighedGroup(group, held, weight, blind, market.at, is_settled=False)
        after, said = judge(market.rules.name, state, seen, market.rules.lifecycle)
        stage, alert = after.stage, said.type if said is not None else None
    return ImportRow(
        draft.id,
        draft.place,
        change,
        stage,
        plain_or_none(ltv_of(held, weight)) if weight else None,
        plain(weight.debt) if weight else None,
        plain(weight.recognised) if weight else None,
        missing,
        alert,
    )


def _missing(group: Group, held: Holding, product: Product, market: MarketNow) -> Iterator[str]:
    """What the monitor lacks to watch the group as the file means it."""
    for coin in sorted(held.assets - market.usd.keys()):
        yield f"no price of {coin}: until there is one, nobody is warned"
    for coin in sorted(market.untrusted & held.assets):
        yield f"the price of {coin} is not trusted now"
    for coin, quantity in sorted(group.quantities().items()):
        if held.version.ladder(coin) is None:
            is_known = coin in market.usd or any(coin in v.ladders for v in product.versions_from(market.at))
            unknown = "" if is_known else "; nobody knows this coin: is it another name of one?"
            yield f"{plain(quantity)} {coin} is not collateral under {product.kind} and counts nothing{unknown}"
    if not group.loans:
        yield "no loan"
