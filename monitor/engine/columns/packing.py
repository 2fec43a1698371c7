"""Packs groups into columns, exactly. This is the slow way, for groups that changed; `engine/ingest` packs whole files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from monitor.core.groups.outcome import StoredGroup
from monitor.core.instants import DAY_MINUTES, day_number, micros_of
from monitor.core.loans.group import Group, Loan
from monitor.core.money import EXACT, exact
from monitor.engine.columns.extras import extras_of, sole_account
from monitor.engine.columns.fields import (
    APART,
    DELAYED,
    DTYPES,
    HAS_EXTRAS,
    LARGEST,
    NO_LEVERAGE,
    NO_VIP,
    WIDE,
    Columns,
)
from monitor.engine.columns.names import LoanTerms, Names
from monitor.engine.columns.own_figures import stated_lines, stated_terms

_LEAST_POWER = -128


def pack(records: Sequence[StoredGroup], names: Names) -> Columns:
    """The columns of these groups in this order. Raises NamesFull.

    Labels come back in the order in which their set first came; all other mappings keep their order. Quantities lose
    trailing zeros.
    """
    packing = _Packing(names)
    for row, record in enumerate(records):
        packing.group(row, record)
        for loan in record.group.loans:
            packing.loan(loan)
    return packing.columns()


def split(value: Decimal) -> tuple[int, int]:
    """Mantissa without trailing zeros and power of ten, for a column; (1, WIDE) if they do not fit there."""
    short = EXACT.normalize(value)
    power = short.as_tuple().exponent
    assert isinstance(power, int), f"{value} is no number"
    mantissa = int(EXACT.scaleb(short, -power))
    return (mantissa, power) if abs(mantissa) <= LARGEST and _LEAST_POWER <= power < WIDE else (1, WIDE)


class _Quantities:
    """The mantissa and exponent columns of one kind of quantity, and its wide ones by place."""

    def __init__(self) -> None:
        self.mantissa: list[int] = []
        self.exponent: list[int] = []
        self.wide: dict[int, Decimal] = {}

    def add(self, value: Decimal) -> None:
        mantissa, exponent = split(value)
        if exponent == WIDE:
            self.wide[len(self.mantissa)] = value
        self.mantissa.append(mantissa)
        self.exponent.append(exponent)


class _Packing:
    """Columns as lists, while groups are added."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self.lists: dict[str, list[int]] = {name: [] for name in DTYPES if name not in ("arena", "times")}
        for ends in ("start", "positions", "loans"):
            self.lists[ends].append(0)
        self.arena = bytearray()
        self.times: dict[int, int] = {}
        self.held = _Quantities()
        self.principal = _Quantities()
        self.interest = _Quantities()
        self.extras: dict[int, bytes] = {}
        self.needs_maturities = False

    def group(self, row: int, record: StoredGroup) -> None:
        group, lists, names = record.group, self.lists, self.names
        account, extra = sole_account(group.collateral), extras_of(group)
        is_apart = account is not None and account != group.receiving_account
        if extra is not None:
            self.extras[row] = extra
        self._texts([group.id, group.receiving_account, *([account] if account and is_apart else [])])
        self._texts(loan.id for loan in group.loans)
        self._positions(group)
        lists["start"].append(len(self.arena))
        lists["loans"].append(lists["loans"][-1] + len(group.loans))
        lists["product"].append(names.products.place(group.product))
        lists["source"].append(names.sources.place(record.source))
        lists["labels"].append(names.labels.place(group.labels))
        lists["put"].append(self.times.setdefault(micros_of(record.put_at), len(self.times)))
        lists["version"].append(record.version)
        lists["line"].append(int(group.line[:16] or "0", 16))
        lists["leverage"].append(group.leverage or NO_LEVERAGE)
        lists["own_lines"].append(names.own_lines.place(stated_lines(group.thresholds)))
        lists["own_terms"].append(names.own_terms.place(stated_terms(group.terms)))
        lists["vip"].append(NO_VIP if group.vip_level is None else group.vip_level)
        lists["flags"].append(DELAYED * group.delayed_liquidation | HAS_EXTRAS * (extra is not None) | APART * is_apart)

    def _texts(self, texts: Iterable[str]) -> None:
        for text in texts:
            raw = text.encode("latin-1")
            self.arena.append(len(raw))
            self.arena += raw

    def _positions(self, group: Group) -> None:
        with exact():
            quantities = group.quantities()
        for asset, quantity in quantities.items():
            self.lists["asset"].append(self.names.assets.place(asset))
            self.held.add(quantity)
        self.lists["positions"].append(len(self.lists["asset"]))

    def loan(self, loan: Loan) -> None:
        lists, opened = self.lists, micros_of(loan.opened_at)
        lists["loan_asset"].append(self.names.assets.place(loan.asset))
        self.principal.add(loan.principal)
        self.interest.add(loan.interest)
        lists["opened"].append(opened)
        lists["since"].append(day_number(loan.since) * DAY_MINUTES + loan.minute)
        runs = loan.matures_at - loan.opened_at if loan.matures_at is not None else None
        days = None if runs is None or runs.seconds or runs.microseconds else runs.days
        lists["terms"].append(self.names.terms.place(LoanTerms(loan.rate, loan.term, days)))
        lists["matures"].append(-1 if loan.matures_at is None else micros_of(loan.matures_at))
        self.needs_maturities |= runs is not None and days is None

    def columns(self) -> Columns:
        lists, positions, loans = self.lists, len(self.held.mantissa), len(self.principal.mantissa)
        lists["mantissa"], lists["exponent"] = self.held.mantissa, self.held.exponent
        lists["principal_mantissa"], lists["principal_exponent"] = self.principal.mantissa, self.principal.exponent
        lists["interest_mantissa"], lists["interest_exponent"] = self.interest.mantissa, self.interest.exponent
        lists["times"] = list(self.times)
        if not self.needs_maturities:
            lists["matures"] = []
        arrays: dict[str, Any] = {
            name: np.array(lists[name], dtype) for name, dtype in DTYPES.items() if name != "arena"
        }
        arrays["arena"] = np.frombuffer(bytes(self.arena), np.uint8).copy()
        wide = (
            self.held.wide
            | {positions + k: value for k, value in self.principal.wide.items()}
            | {positions + loans + k: value for k, value in self.interest.wide.items()}
        )
        return Columns(**arrays, extras=self.extras, wide=wide)
