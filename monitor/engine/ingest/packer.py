"""Packs the lines of a large book straight into columns, a few microseconds each.

It takes a line only if it is sure that core (loans.group.parse_line) would take it too, with an equal group. It leaves
every other line to core. So nothing here says what is wrong with a line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from functools import cache
from typing import Any, get_args

import msgspec
from msgspec import UNSET

from monitor.books._base import ContactCheck, Packed
from monitor.books._lines import LINE_BYTES, repeated_key
from monitor.books._unchanged import LineSums
from monitor.core import schema
from monitor.core.instants import DAY_US, EPOCH, micros_of
from monitor.core.loans.group import OPEN, Group, Level, LoanLine, Rate, canonical, line_digest, lines_of
from monitor.core.loans.line_bounds import label_problems
from monitor.core.loans.loan_dates import SLACK
from monitor.core.money import ZERO, exact, number, plain
from monitor.core.rules.product import Product
from monitor.core.rules.terms import Terms
from monitor.core.schema import Bounds, Invalid, read
from monitor.engine.columns import ragged
from monitor.engine.columns.block import Block
from monitor.engine.columns.extras import extras_of, sole_account
from monitor.engine.columns.fields import APART, DELAYED, HAS_EXTRAS, I64, NO_LEVERAGE, NO_VIP, Columns
from monitor.engine.columns.line_sums import sums_of
from monitor.engine.columns.names import Interned, LoanTerms, Names, NamesFull
from monitor.engine.columns.own_figures import stated_lines, stated_terms
from monitor.engine.ingest import line_schema
from monitor.engine.ingest.line_rows import ID, QUANTITY, LineRows, Wrong

_DAILY: Bounds = get_args(schema.DailyRate)[1]
_LEVEL: Bounds = get_args(Level)[1]
_REMEMBERED = 10_000  # at most this many texts of times, of terms and of thresholds

_decode = msgspec.json.Decoder(line_schema.LineText).decode


class Unsure(Exception):
    """The line needs a closer look."""


_LEFT = (Unsure, NamesFull, ValueError, msgspec.DecodeError, RecursionError)
"""A line that raises one of these is left to core. Core's own checks raise ValueError."""


class PackedGroups:
    """A GroupBatch in columns. It looks like a first put at the time of the reading."""

    def __init__(self, block: Block, names: Names, raws: list[bytes], products: Mapping[str, Product]) -> None:
        self.block = block
        self._names = names
        self._raws = raws
        self.products = products
        """The rules that the lines were checked by."""

    @property
    def columns(self) -> Columns:
        """The columns of all groups, in their order."""
        return self.block.columns

    @property
    def sums(self) -> LineSums:
        """Of the digests of the lines."""
        return sums_of(self.columns.line)

    def __len__(self) -> int:
        return len(self.block)

    def ids(self) -> Iterator[str]:
        """In the order of the lines."""
        return iter(self.block.ids())

    def group(self, index: int) -> Group:
        """The group in that place."""
        return self.block.record(index, self._names).group

    def some(self, places: I64) -> PackedGroups:
        """The groups in these places."""
        raws = [self._raws[place] for place in places.tolist()]
        return PackedGroups(Block(ragged.chosen(self.columns, places)), self._names, raws, self.products)

    def lines(self) -> bytes:
        """The lines as one JSON array."""
        return b"[" + b",".join(self._raws) + b"]"


class _Coins(dict[str, int]):
    """Places of coins by name. Raises Unsure for an invalid name."""

    def __init__(self, assets: Interned[str]) -> None:
        super().__init__()
        self._assets = assets

    def __missing__(self, name: str) -> int:
        if not schema.is_asset(name):
            raise Unsure
        place = self._assets.place(name)
        self[name] = place
        return place


class _Times(dict[str, int]):
    """Microseconds since 1970 by text. Raises ValueError for an invalid time."""

    def __missing__(self, text: str) -> int:
        micros = micros_of(schema.instant(text))
        if len(self) < _REMEMBERED:
            self[text] = micros
        return micros


class _Rules:
    """What a product asks of its lines at one time."""

    def __init__(self, place: int, product: Product, at: datetime, override: int | None = None) -> None:
        agreement = product
        product = product.by(override, None)
        self.place = place
        self._agreement = agreement
        self._override = override
        self._agreed = agreement.versions_from(at)
        self._at = at
        self.rated = product.rated(at)
        self.loan_terms = frozenset((OPEN, *agreement.loan_terms))
        self._versions = product.versions_from(at)
        self.has_grace = all(version.grace is not None for version in self._versions)
        self.most_coins = min((v.max_coins for v in self._versions if v.max_coins is not None), default=None)
        self.leverages = frozenset.intersection(*(frozenset(v.lines_by_leverage) for v in self._versions))
        self._has_lines_by_coin = any(version.lines_by_coin for version in self._versions)
        self._taken: dict[str, bool] = {}
        self._terms: dict[bytes, Terms] = {}
        self._of_override: dict[int, _Rules] = {}
        self._known: dict[tuple[int | None, tuple[tuple[str, str], ...]], dict[str, Decimal]] = {}

    def of(self, labels: Mapping[str, str]) -> _Rules:
        """The rules of groups with these labels."""
        override = self._agreement.override_of(labels) if self._agreement.overrides else None
        if override is None:
            return self
        found = self._of_override.get(override)
        if found is None:
            found = _Rules(self.place, self._agreement, self._at, override)
            self._of_override[override] = found
        return found

    def terms(self, stated: Mapping[str, Any]) -> Terms:
        """The terms of the group itself. Raises Unsure if they do not fit the product."""
        key = canonical(stated)
        found = self._terms.get(key)
        if found is None:
            found = self._fitting(stated)
            if len(self._terms) < _REMEMBERED:
                self._terms[key] = found
        return found

    def _fitting(self, stated: Mapping[str, Any]) -> Terms:
        try:
            found = read(Terms, stated)
        except Invalid:
            raise Unsure from None
        override = None if self._override is None else self._agreement.overrides[self._override]
        whole = found.over(override)
        if found.problems("") or any(any(version.misfits(whole)) for version in self._agreed):
            raise Unsure
        return found

    def takes(self, coin: str) -> bool:
        """A loan in this coin can be weighed, now and by the versions to come."""
        found = self._taken.get(coin)
        if found is None:
            found = all(version.takes(coin) for version in self._versions)
            self._taken[coin] = found
        return found

    def thresholds(self, texts: Mapping[Any, str], leverage: int | None) -> dict[str, Decimal]:
        """The lines of the group itself. Raises ValueError or Unsure if they do not fit the product."""
        if texts and self._has_lines_by_coin:
            raise Unsure
        key = leverage, tuple(texts.items())
        found = self._known.get(key)
        if found is None:
            found = {name: _number(text, _LEVEL) for name, text in texts.items()}
            for version in self._versions:
                for lines in version.all_lines_for((), leverage):
                    lines_of(found, lines)
            if len(self._known) < _REMEMBERED:
                self._known[key] = found
        return found


class Packer:
    """Packs lines with the names of this process. For one thread at a time; other packers may share the names."""

    def __init__(self, names: Names, contacts: ContactCheck | None = None) -> None:
        self._names = names
        self._contacts = contacts
        self._bounded = {0}
        """Places of label sets that are within the bounds."""
        self._coins = _Coins(names.assets)
        self._times = _Times()
        self._terms: dict[tuple[object, ...], int] = {}
        self._latest: int | None = None
        """A loan that opens later cannot be."""

    def pack(
        self, raws: list[bytes], at: datetime, products: Mapping[str, Product], source: str, *, is_live: bool = False
    ) -> Packed:
        """Packs the lines that are surely right, and says which are left. Takes the lines of at most one block."""
        self._latest = micros_of(at + SLACK) if is_live else None
        rules = {kind: _Rules(self._names.products.place(kind), p, at) for kind, p in products.items()}
        places = list(range(len(raws)))
        while True:
            rows = LineRows()
            places = [place for place in places if self._takes(raws[place], rules, rows)]
            try:
                packed = rows.columns(self._names, source, micros_of(at))
            except Wrong as e:
                places = [place for row, place in enumerate(places) if row not in e.rows]
                continue
            batch = PackedGroups(Block(packed), self._names, [raws[place] for place in places], products)
            return Packed(batch, sorted({*range(len(raws))}.difference(places)))

    def _takes(self, raw: bytes, rules: Mapping[str, _Rules], rows: LineRows) -> bool:
        """Adds the group of a line to the rows. False if it is not sure."""
        try:
            line = _decode(raw)
            text = canonical(line)
            _check_form(raw, text)
            product = rules.get(line.product)
            if product is not None:
                product = product.of(line.labels or {})
            if product is None or (line.delayed_liquidation and not product.has_grace):
                return False
            if line.open_order_loss is not UNSET:
                return False
            ids = [loan.id for loan in line.loans]
            if len(ids) > 1 and len(set(ids)) < len(ids):
                return False
            loans = [self._loan(loan, product) for loan in line.loans]
            labels = self._labels(line.labels) if line.labels else 0
            leverage = line.leverage if isinstance(line.leverage, int) else None
            if leverage is not None and leverage not in product.leverages:
                return False
            account, coins, quantities, extra = self._held(line)
            own = self._own_figures(line, product, leverage)
            if product.most_coins is not None and len(coins) > product.most_coins:
                return False
        except _LEFT:
            return False
        flags = (line.delayed_liquidation is True) * DELAYED
        if extra is not None:
            rows.extras[len(rows.groups)] = extra
            flags |= HAS_EXTRAS
        texts = [line.id, line.receiving_account, *ids]
        if account is not None and account != line.receiving_account:
            texts.insert(2, account)
            flags |= APART
        vip = line.vip_level if isinstance(line.vip_level, int) else NO_VIP
        counts = len(texts), len(coins), len(loans)
        rows.groups.append((product.place, labels, flags, vip, leverage or NO_LEVERAGE, *counts, *own))
        rows.digests.append(line_digest(text))
        rows.texts += texts
        rows.coins += coins
        rows.quantities += quantities
        rows.loans += loans
        rows.principals += [loan.principal for loan in line.loans]
        rows.interests += ["0" if loan.interest is UNSET else loan.interest for loan in line.loans]
        return True

    def _labels(self, labels: dict[str, str]) -> int:
        """The place of a label set. Raises Unsure for one that is too large, of which core takes a part."""
        place = self._names.labels.place(labels)
        if place not in self._bounded:
            if label_problems(labels):
                raise Unsure
            self._bounded.add(place)
        return place

    def _loan(self, loan: line_schema.LoanText, product: _Rules) -> tuple[int, int, int, int]:
        """Places of the coin and of the terms; opening and maturity."""
        opened, matures, days = self._times[loan.opened_at], -1, None
        if isinstance(loan.matures_at, str):
            matures = self._times[loan.matures_at]
            whole, part = divmod(matures - opened, DAY_US)
            days = None if part else whole
            if matures - opened < _shortest(loan.term):
                raise Unsure
        if self._latest is not None and opened > self._latest:
            raise Unsure
        rate = loan.rate
        if (rate.kind == "flexible" and loan.asset not in product.rated) or not product.takes(loan.asset):
            raise Unsure
        if loan.term not in product.loan_terms:
            raise Unsure
        key = (rate.kind, rate.daily, rate.paid_in, loan.term, days, isinstance(loan.matures_at, str))
        terms = self._terms.get(key)
        if terms is None:
            terms = self._names.terms.place(_terms(loan, days))
            if len(self._terms) < _REMEMBERED:
                self._terms[key] = terms
        return self._coins[loan.asset], terms, opened, matures

    def _own_figures(self, line: line_schema.LineText, product: _Rules, leverage: int | None) -> tuple[int, int]:
        """Places of the group's own lines and terms; 0 where it has none."""
        if not (line.thresholds or line.terms):
            return 0, 0
        lines = product.thresholds(line.thresholds or {}, leverage)
        terms = product.terms(line.terms) if isinstance(line.terms, dict) else None
        return self._names.own_lines.place(stated_lines(lines)), self._names.own_terms.place(stated_terms(terms))

    def _held(self, line: line_schema.LineText) -> tuple[str | None, list[int], list[str], bytes | None]:
        """The account that holds all; coins and quantities over all accounts; what no column has a place for."""
        if len(line.collateral) == 1 and not (line.balances or line.contacts):
            ((account, holdings),) = line.collateral.items()
            if all(map(float, holdings.values())):
                return account, [self._coins[name] for name in holdings], list(holdings.values()), None
        contacts = line.contacts or {}
        if contacts and self._contacts is not None and self._contacts(contacts):
            raise Unsure
        group = Group(
            id=line.id,
            product=line.product,
            receiving_account=line.receiving_account,
            collateral=self._holdings(line.collateral),
            loans=(),
            delayed_liquidation=False,
            thresholds={},
            labels={},
            balances=self._holdings(line.balances or {}),
            vip_level=None,
            contacts=contacts,
        )
        with exact():
            total = group.quantities()
        coins, quantities = [self._coins[name] for name in total], [plain(quantity) for quantity in total.values()]
        return sole_account(group.collateral), coins, quantities, extras_of(group)

    def _holdings(self, texts: line_schema.Holdings) -> dict[str, dict[str, Decimal]]:
        found: dict[str, dict[str, Decimal]] = {}
        for account, coins in texts.items():
            if not ID.fullmatch(account) or any(self._coins[name] < 0 for name in coins):
                raise Unsure
            found[account] = {name: _number(text, QUANTITY) for name, text in coins.items()}
        return found


@cache
def _shortest(term: str) -> int:
    """Microseconds after which a loan of a term matures at the earliest: else core looks at its dates."""
    return max(int(term[:-1]) * DAY_US - SLACK // timedelta(microseconds=1), 1) if term[:-1].isdecimal() else 1


def _check_form(raw: bytes, text: bytes) -> None:
    """Raises Unsure for a repeated key: msgspec keeps only its last value.

    Such a line is longer than its canonical form, and so is one with spaces or escapes. Without escapes each quote begins
    or ends a text. So if the canonical form lacks quotes, some key stood twice.
    """
    if len(raw) > LINE_BYTES:
        raise Unsure
    if len(raw) == len(text):
        return
    if b"\\" in raw:
        is_repeated = repeated_key(raw, msgspec.json.decode(raw)) is not None
    else:
        is_repeated = raw.count(b'"') != text.count(b'"')
    if is_repeated:
        raise Unsure


def _number(text: str, bounds: Bounds) -> Decimal:
    value = number(text)
    if bounds.problem(value):
        raise Unsure
    return value


def _terms(loan: line_schema.LoanText, days: int | None) -> LoanTerms:
    """Raises ValueError or Unsure for terms that core refuses."""
    daily = _number(loan.rate.daily, _DAILY) if isinstance(loan.rate.daily, str) else None
    rate = Rate(loan.rate.kind, daily, loan.rate.paid_in or None)
    matures = EPOCH if isinstance(loan.matures_at, str) else None
    LoanLine(loan.id, loan.asset, ZERO, rate, loan.term, EPOCH, ZERO, matures)
    return LoanTerms(rate, loan.term, days)
