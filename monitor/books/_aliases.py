"""Other names that a source has for coins: `aliases = { XBT = "BTC" }` of a [[book]]. They hold for that source alone."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any

from monitor.books._base import Packed, Reader
from monitor.books._line_memory import LineMemory
from monitor.core.loans.group import Group
from monitor.core.money import EXACT, NotANumber, number, plain
from monitor.core.rules.product import Product
from monitor.core.schema import Problem


def aliased(reader: Reader, aliases: Mapping[str, str]) -> Reader:
    """A reader for a source with these aliases."""
    return AliasedReader(reader, aliases) if aliases else reader


class AliasedReader:
    """Reads lines as if they had our names of the coins. See books._base.Reader."""

    def __init__(self, reader: Reader, aliases: Mapping[str, str]) -> None:
        self._reader = reader
        self._aliases = aliases
        self._marks = [b"\\", *(name.encode() for name in aliases)]
        """A line without any of these holds no alias; behind a backslash one may be spelled in another way."""

    def parse(self, line: object, at: datetime) -> Group:
        return self._reader.parse(renamed(line, self._aliases), at)

    def left_out(self, line: object, at: datetime | None = None) -> list[Problem]:
        return self._reader.left_out(line, at)

    def pack(self, raws: list[bytes], at: datetime, source: str) -> Packed | None:
        """Packs the lines that surely hold no alias; the others are parsed one by one."""
        plain_ones = [i for i, raw in enumerate(raws) if not any(mark in raw for mark in self._marks)]
        packed = self._reader.pack([raws[i] for i in plain_ones], at, source) if plain_ones else None
        if packed is None:
            return None
        others = set(range(len(raws))).difference(plain_ones)
        return Packed(packed.batch, sorted(others.union(plain_ones[i] for i in packed.rest)))

    def line_memory(self) -> LineMemory:
        return self._reader.line_memory()

    def progress(self, done_bytes: int, total_bytes: int) -> None:
        self._reader.progress(done_bytes, total_bytes)

    def product(self, name: str) -> Product | None:
        return self._reader.product(name)

    def usd(self, asset: str) -> Decimal | None:
        return self._reader.usd(asset)


def renamed(line: object, aliases: Mapping[str, str]) -> object:
    """A line with our names of the coins. What is no line stays as it is: the reader names what is wrong with it."""
    if not isinstance(line, dict):
        return line
    changed = dict(line)
    for key in ("collateral", "balances"):
        held = line.get(key)
        if isinstance(held, dict):
            changed[key] = {account: _coins(coins, aliases) for account, coins in held.items()}
    loans = line.get("loans")
    if isinstance(loans, list):
        changed["loans"] = [_loan(loan, aliases) for loan in loans]
    return changed


def _loan(loan: Any, aliases: Mapping[str, str]) -> Any:
    asset = loan.get("asset") if isinstance(loan, dict) else None
    return {**loan, "asset": aliases[asset]} if isinstance(asset, str) and asset in aliases else loan


def _coins(coins: Any, aliases: Mapping[str, str]) -> Any:
    """The coins of an account. Two names of one coin are added up."""
    if not isinstance(coins, dict):
        return coins
    found: dict[str, Any] = {}
    for name, quantity in coins.items():
        coin = aliases.get(name, name)
        found[coin] = _sum(found[coin], quantity) if coin in found else quantity
    return found


def _sum(one: Any, other: Any) -> Any:
    """The sum of two quantities as text; the first of them that is none stays, and is named by the reader."""
    for quantity in (one, other):
        try:
            number(quantity)
        except (NotANumber, TypeError):
            return quantity
    return plain(EXACT.add(number(one), number(other)))
