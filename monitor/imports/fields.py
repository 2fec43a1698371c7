"""What a column may hold, and which column of a table holds what: by hand, as it was kept, or guessed from its header."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal, NamedTuple

import msgspec

from monitor.core.schema import is_asset
from monitor.imports.sheets import SheetRow, TableSheet
from monitor.imports.values import Mark, Order

FIELDS: Mapping[str, str] = {
    "group": "the id of the group: rows with the same id are one group",
    "borrower": "the borrower's name, a label; the group's id too, where no column states one",
    "product": "the [[product]] of the configuration",
    "receiving_account": "the receiving account; ID-receiving without it",
    "collateral_account": "the account of the collateral; ID-collateral without it",
    "collateral_coin": "the coin of the collateral in this row",
    "collateral_quantity": "how much of it, in coins",
    "loan_id": "the id of the loan; ID-COIN without it",
    "loan_coin": "the coin of the loan in this row",
    "principal": "what is owed, in coins, without interest",
    "interest": "interest that has accrued, in coins; without it what the monitor has counted stays",
    "daily_rate": "the fixed rate of a term loan, for a day",
    "annual_rate": "the fixed rate of a term loan, for a year of 365 days",
    "term": "the days of a term loan such as 30d, or open",
    "opened_at": "when the loan was opened; without it, its term before its maturity, or the time of the first import",
    "matures_at": "when a term loan matures",
    "delayed_liquidation": "yes or no: the group has a grace period",
    "vip_level": "the VIP level, 0 to 99",
    "leverage": "the leverage, where the product has lines by leverage",
    "ignore": "nothing: the column is not read",
}
FAMILIES: Mapping[str, str] = {
    "collateral": "collateral:BTC, how much BTC the row holds",
    "loan": "loan:USDT, how much USDT the row owes",
    "line": "line:margin_call, a line of the group's own (initial, margin_call, liquidation, immediate)",
    "label": "label:desk, a label of the group",
    "contact": "contact:email, an address of the borrower",
}
NUMBERS = frozenset(
    {"collateral_quantity", "principal", "interest", "daily_rate", "annual_rate", "vip_level", "leverage"}
)
RATES = frozenset({"daily_rate", "annual_rate"})
DATES = frozenset({"opened_at", "matures_at"})
COINS = frozenset({"collateral_coin", "loan_coin"})
_KEY = re.compile(r"[a-z0-9_.-]{1,64}")
LINES = ("initial", "margin_call", "liquidation", "immediate")


def is_number(field: str) -> bool:
    """The column holds numbers."""
    return field in NUMBERS or field.partition(":")[0] in ("collateral", "loan", "line")


def field_problem(field: str) -> str | None:
    """Why a text is no field, or None."""
    family, is_of_family, rest = field.partition(":")
    if not is_of_family:
        return (
            None if field in FIELDS else f"found {field!r}, expected one of: {', '.join((*FIELDS, *FAMILIES.values()))}"
        )
    if family not in FAMILIES:
        return f"found {field!r}, expected one of: {'; '.join(FAMILIES.values())}"
    if family in ("collateral", "loan") and not is_asset(rest):
        return f"found {field!r}, expected a coin after the colon, such as {family}:BTC"
    if family == "line" and rest not in LINES:
        return f"found {field!r}, expected one of: {', '.join(LINES)}"
    if family in ("label", "contact") and not _KEY.fullmatch(rest):
        return f"found {field!r}, expected lower-case letters after the colon, such as {family}:desk"
    return None


class KeptMapping(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a person has confirmed: the next file of the same shape needs no word more."""

    columns: dict[str, dict[str, str]] = {}
    """By sheet, empty where the file has one: the field by header."""
    constants: dict[str, str] = {}
    decimal: Mark | None = None
    dates: Order | None = None


class ImportOptions(msgspec.Struct, frozen=True, omit_defaults=True):
    """What the person says of the file, and what the monitor knows."""

    columns: dict[str, str] = {}
    """The field by header, or by `TableSheet!Header`, `C` or `TableSheet!C`."""
    constants: dict[str, str] = {}
    """The value of a field for every row, such as product."""
    sheets: tuple[str, ...] = ()
    decimal: Mark | None = None
    dates: Order | None = None
    encoding: str | None = None
    kept: KeptMapping = KeptMapping()
    coins: frozenset[str] = frozenset()
    """Coins that have a price or a ladder."""
    products: tuple[str, ...] = ()


class Column(NamedTuple):
    """A column of a table and what it is taken for."""

    position: int
    header: str
    field: str
    """Empty: it is not used."""
    why: Literal["set", "kept", "guessed", ""] = ""


class HeadedSheet:
    """A sheet with its header found and its columns named."""

    def __init__(self, sheet: TableSheet, header: int, columns: list[Column], rows: list[SheetRow]) -> None:
        """`header` is the number of the header's row. `rows` are those below it, with the values of merged cells in each of
        their rows where they name a group."""
        self.sheet = sheet
        self.header = header
        self.columns = columns
        self.rows = rows
        self.fields = {c.field: c for c in columns if c.field and c.field != "ignore"}
        self.families: dict[str, list[tuple[str, Column]]] = {family: [] for family in FAMILIES}
        """By family, what stands after the colon of each field, and its column."""
        for field, column in self.fields.items():
            family, is_one, rest = field.partition(":")
            if is_one:
                self.families[family].append((rest, column))
