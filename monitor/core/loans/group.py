"""Loan groups with their collateral accounts and their loans (rule 6; docs/configuration.md, "The loan book")."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal, Protocol, runtime_checkable

import msgspec

from monitor.core.loans.line_bounds import bounded_labels
from monitor.core.loans.loan_dates import places, with_usable_dates
from monitor.core.money import ZERO, plain
from monitor.core.rules.product import Product, Version
from monitor.core.rules.terms import NO_TERMS, Terms, stated_terms
from monitor.core.rules.thresholds import Level as Level
from monitor.core.rules.thresholds import Line
from monitor.core.rules.thresholds import lines_of as lines_of
from monitor.core.schema import Asset, DailyRate, Id, Interest, Invalid, Pattern, Problem, Quantity, read
from monitor.core.text import as_json

OPEN = "open"
Term = Annotated[str, Pattern(r"open|[1-9][0-9]{0,3}d", "open, or a term in days such as 30d")]
Holdings = dict[Id, dict[Asset, Quantity]]
canonical = msgspec.json.Encoder(order="deterministic").encode
"""The JSON of a line without spacing and with sorted keys: the same for the same line, however it was written."""


class Rate(msgspec.Struct, frozen=True, omit_defaults=True):
    """Flexible (rates of the product) or fixed (`daily`, a share of the principal per day) (rules 21 and 22).

    `paid_in`: interest is paid in another coin, at a discount where the product gives one (rule 42).
    """

    kind: Literal["flexible", "fixed"]
    daily: DailyRate | None = None
    paid_in: Literal["BNB"] | None = None

    def __post_init__(self) -> None:
        if (self.kind == "fixed") != (self.daily is not None):
            raise ValueError('a fixed rate states "daily", a flexible one does not')


class LoanLine(msgspec.Struct, frozen=True):
    """A loan as the loan book states it; `interest` is what had accrued when the line was put."""

    id: Id
    asset: Asset
    principal: Quantity
    rate: Rate
    term: Term
    opened_at: datetime
    interest: Interest = ZERO
    matures_at: datetime | None = None

    def __post_init__(self) -> None:
        if (self.term == OPEN) != (self.matures_at is None):
            raise ValueError('an open-term loan has "matures_at": null, a term loan states it')
        if self.rate.kind == "fixed" and self.term == OPEN:
            raise ValueError("a fixed rate exists for loans with a term only (VIP FAQ 21)")
        if self.interest < 0 and self.interest < self.principal.copy_negate():
            raise ValueError("interest below zero is at most the principal: no loan owes less than nothing")


class ContactTo(msgspec.Struct, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An address of the borrower, the language of its owner (`pl`) and the template of the notices (`short`)."""

    to: str
    language: Annotated[str, Pattern("[a-z]{2}(-[A-Z]{2})?|", "a language such as pl")] = ""
    template: Annotated[str, Pattern("[a-z0-9-]{0,32}", "the name of a template such as short")] = ""


Contact = str | ContactTo
"""A plain text is an address alone."""


class GroupLine(msgspec.Struct, frozen=True):
    """A group as the loan book states it: one line of a file, the body of PUT /v1/groups/{id}."""

    id: Id
    product: str
    receiving_account: Id
    collateral: Holdings
    loans: tuple[LoanLine, ...]
    delayed_liquidation: bool = False
    thresholds: dict[Line, Level] = {}
    labels: dict[str, str] = {}
    balances: Holdings = {}
    vip_level: Annotated[int, range(0, 100)] | None = None
    contacts: dict[str, tuple[Contact, ...]] = {}
    leverage: Annotated[int, range(1, 126)] | None = None
    terms: Terms | None = None
    open_order_loss: Quantity = ZERO


class Loan(msgspec.Struct, frozen=True, omit_defaults=True):
    """A loan, and the day after which each 00:00 UTC adds a day's interest to what the line brought."""

    id: str
    asset: str
    principal: Decimal
    interest: Decimal
    rate: Rate
    term: str
    opened_at: datetime
    matures_at: datetime | None
    since: date
    minute: int = 0
    """The minute of `since`, where the product adds interest more often than daily."""

    @property
    def is_owed(self) -> bool:
        """Something is left to repay, whatever interest a later day adds."""
        return self.principal > 0 or self.interest > 0


class Group(msgspec.Struct, frozen=True):
    """One receiving account, its collateral accounts and all its loans; LTV is a property of the group (rule 6)."""

    id: str
    product: str
    receiving_account: str
    collateral: Mapping[str, Mapping[str, Decimal]]
    loans: tuple[Loan, ...]
    delayed_liquidation: bool
    thresholds: Mapping[str, Decimal]
    labels: Mapping[str, str]
    balances: Mapping[str, Mapping[str, Decimal]]
    vip_level: int | None
    contacts: Mapping[str, tuple[Contact, ...]]
    """By kind of notifier, as stated: the router reads them as that notifier does."""
    line: str = ""
    """`line_digest` of the line that was put. Entries leave it as it is, so the book knows the same line again after them."""
    leverage: int | None = None
    """The leverage of an account whose lines depend on it (domain section 3.10)."""
    terms: Terms | None = None
    """In which other figures than its lines the group differs from its agreement."""
    open_order_loss: Decimal = ZERO
    """USD that the open orders of a margin account might lose, as its lender states it (domain section 3.7)."""

    def accounts(self) -> set[str]:
        """All accounts that belong to the group and therefore to no other."""
        return {self.receiving_account, *self.collateral}

    def quantities(self) -> dict[str, Decimal]:
        """Collateral per asset, summed over all accounts before any ladder (reading A1), zero holdings left out."""
        total: dict[str, Decimal] = {}
        for holdings in self.collateral.values():
            for asset, quantity in holdings.items():
                if quantity:
                    total[asset] = total.get(asset, ZERO) + quantity
        return total


@runtime_checkable
class GroupBatch(Protocol):
    """Many groups of one book at once, in the form that the reader gave them; no two have the same id."""

    def __len__(self) -> int: ...

    def ids(self) -> Iterator[str]:
        """In the order of the lines."""

    def group(self, index: int) -> Group:
        """The group in that place, as `parse_line` would have read its line."""

    def lines(self) -> bytes:
        """The lines as they were written, as one JSON array: what the event log keeps."""


class RecordedLines:
    """A GroupBatch of an event log: its lines were checked against their products when they were recorded."""

    def __init__(self, stated: Sequence[Any], at: datetime) -> None:
        self.stated = stated
        self._at = at

    def __len__(self) -> int:
        return len(self.stated)

    def ids(self) -> Iterator[str]:
        """In the order of the lines."""
        return (line["id"] for line in self.stated)

    def group(self, index: int) -> Group:
        """The group in that place. Raises schema.Invalid."""
        line = self.stated[index]
        return _group(read(GroupLine, line), line, self._at)

    def lines(self) -> bytes:
        """The lines as one JSON array."""
        return msgspec.json.encode(self.stated)


def parse_line(line: object, at: datetime, products: Mapping[str, Product]) -> Group:
    """A group from a book line put at `at`, checked against its product. Raises schema.Invalid with every problem."""
    stated = read(GroupLine, line)
    problems: list[Problem] = []
    product = products.get(stated.product)
    if product is None:
        known = ", ".join(sorted(products)) or "none is configured"
        problems.append(Problem("product", f"found {stated.product!r}, expected one of: {known}", "unknown_product"))
    else:
        problems += misfits(stated, product, at)
        problems += _terms_not_offered(stated, product)
    problems += stated.terms.problems("terms") if stated.terms else []
    seen: set[str] = set()
    for i, loan in enumerate(stated.loans):
        if loan.id in seen:
            problems.append(Problem(f"loans[{i}].id", f"{loan.id!r} appears twice in the group", "duplicate_loan"))
        seen.add(loan.id)
    if problems:
        raise Invalid(problems)
    return _group(stated, line, at)


def parse_without_dates(
    line: dict[str, Any], problems: list[Problem], at: datetime, products: Mapping[str, Product]
) -> Group:
    """The group of a line with dates that cannot be (`loan_dates.py`): those loans have no end. Raises schema.Invalid."""
    bad = set(places(problems))
    group = parse_line(with_usable_dates(line, problems, at), at, products)
    loans = tuple(
        msgspec.structs.replace(loan, term="open", matures_at=None) if i in bad else loan
        for i, loan in enumerate(group.loans)
    )
    return msgspec.structs.replace(group, loans=loans, line=line_digest(canonical(line)).hex())


def line_digest(canonical: bytes) -> bytes:
    """8 bytes that name a line as `canonical` writes it."""
    return hashlib.blake2b(canonical, digest_size=8).digest()


def misfits(
    stated: GroupLine | Group, product: Product, at: datetime, kept: frozenset[str] = frozenset()
) -> list[Problem]:
    """What does not fit the rules in force at a time, nor, for lines and tiers, the rules to come.

    `product` is the agreement. `kept`: coins whose loans keep the rate that an older version listed.
    """
    problems: dict[str, Problem] = {}
    terms, ruled = product.terms_of(stated), product.of(stated)
    for agreed, version in zip(product.versions_from(at), ruled.versions_from(at), strict=True):
        since = f" from {version.effective.isoformat()} on" if version.effective > at else ""
        for where, what in agreed.misfits(terms) if terms is not None else ():
            problems.setdefault(f"terms.{where}", Problem(f"terms.{where}", what + since, "terms"))
        for where, what, reason in _misfits_of(stated, product.name, version):
            problems.setdefault(where, Problem(where, what + since, reason))
    loans: Sequence[LoanLine | Loan] = stated.loans
    unkept = [(i, loan) for i, loan in enumerate(loans) if loan.rate.kind == "flexible" and loan.asset not in kept]
    rates = product.rated(at) if unkept else kept
    for i, loan in unkept:
        if loan.asset not in rates:
            text = f"{product.name} has no flexible rate for {loan.asset}; add it to its rates"
            problems.setdefault(f"loans[{i}].rate", Problem(f"loans[{i}].rate", text, "no_rate"))
    return list(problems.values())


def _terms_not_offered(stated: GroupLine, product: Product) -> list[Problem]:
    """Not a part of `misfits`: a loan that runs is watched to its end, whatever newer rules offer."""
    return [
        Problem(f"loans[{i}].term", f"found {loan.term!r}, {offered(product.name, product.loan_terms)}", "term")
        for i, loan in enumerate(stated.loans)
        if loan.term != OPEN and loan.term not in product.loan_terms
    ]


def term_days(term: Term) -> int:
    """The days of a term such as `30d`, which is not open."""
    return int(term.removesuffix("d"))


def offered(name: str, terms: Collection[str]) -> str:
    """Which terms an agreement offers, for a refusal."""
    known = ", ".join(sorted(terms, key=term_days))
    return f"{name} offers open, {known}" if known else f"{name} offers open loans only"


def _misfits_of(stated: GroupLine | Group, name: str, version: Version) -> Iterator[tuple[str, str, str]]:
    """(place, what is wrong, reason) under one version."""
    coins = {asset for held in stated.collateral.values() for asset, quantity in held.items() if quantity}
    if version.max_coins is not None and len(coins) > version.max_coins:
        text = f"found {len(coins)} coins ({', '.join(sorted(coins))}), {name} takes {version.max_coins} a group"
        yield "collateral", text, "too_many_coins"
    if stated.leverage is not None and stated.leverage not in version.lines_by_leverage:
        known = ", ".join(map(str, sorted(version.lines_by_leverage)))
        text = f"expected one of: {known}" if known else f"but {name} has no lines by leverage; leave it out"
        yield "leverage", f"found {stated.leverage}, {text}", "leverage"
    try:
        for lines in version.all_lines_for(coins, stated.leverage):
            lines_of(stated.thresholds, lines)
    except ValueError as e:
        yield "thresholds", str(e), "thresholds"
    if stated.open_order_loss and version.liability_tiers is None:
        text = f"found {plain(stated.open_order_loss)}, but {name} counts no losses of open orders; leave it out"
        yield "open_order_loss", text, "open_order_loss"
    if stated.delayed_liquidation and version.grace is None:
        yield "delayed_liquidation", f"found true, but {name} has no grace period", "no_grace"
    loans: Sequence[LoanLine | Loan] = stated.loans
    for i, loan in enumerate(loans):
        if not version.takes(loan.asset):
            known = ", ".join(sorted(version.liability_tiers or ()))
            text = f"{name} has no liability tiers for {loan.asset}; there are: {known}"
            yield f"loans[{i}].asset", text, "no_tier"


def _group(stated: GroupLine, line: object, at: datetime) -> Group:
    since = at.astimezone(UTC).date()
    loans = tuple(Loan(**msgspec.structs.asdict(loan), since=since) for loan in stated.loans)
    changed = {
        "loans": loans,
        "labels": bounded_labels(stated.labels),
        "line": line_digest(canonical(line)).hex(),
        "terms": None if stated.terms == NO_TERMS else stated.terms,
    }
    return Group(**(msgspec.structs.asdict(stated) | changed))


def restated(group: Group) -> dict[str, Any]:
    """The book line of a group, for the audit record and the API; decimals as plain text."""
    line = as_json(group)
    del line["line"], line["terms"], line["open_order_loss"]
    if group.open_order_loss:
        line["open_order_loss"] = plain(group.open_order_loss)
    if group.terms is not None:
        line["terms"] = stated_terms(group.terms)
    line["collateral"] = _holdings(group.collateral)
    line["balances"] = _holdings(group.balances)
    line["thresholds"] = {k: plain(v) for k, v in group.thresholds.items()}
    for stated, loan in zip(line["loans"], group.loans, strict=True):
        del stated["since"]
        stated.pop("minute", None)
        stated.update(principal=plain(loan.principal), interest=plain(loan.interest))
    return line


def _holdings(holdings: Mapping[str, Mapping[str, Decimal]]) -> dict[str, dict[str, str]]:
    return {account: {asset: plain(q) for asset, q in coins.items()} for account, coins in holdings.items()}


def same_line(group: Group, other: Group) -> bool:
    """The two state the same, however they were written and on whatever day they were put."""
    day = date.min
    return _dated(group, day) == _dated(other, day)


def _dated(group: Group, day: date) -> Group:
    loans = tuple(msgspec.structs.replace(x, since=day, minute=0) for x in group.loans)
    return msgspec.structs.replace(group, loans=loans, line="")
