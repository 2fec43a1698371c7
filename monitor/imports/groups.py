"""Makes groups of the rows of a file: rows with the same id are one group, over all sheets. A row that cannot be read refuses
its group, with the cell, the value and the remedy; what a person has to say first is a question."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, NamedTuple

import msgspec

from monitor.core.money import ZERO
from monitor.core.schema import is_id
from monitor.core.text import stamp
from monitor.imports.cells import Cells
from monitor.imports.columns import Decisions, Question
from monitor.imports.fields import COINS, Column, HeadedSheet, ImportOptions
from monitor.imports.sheets import NoValue, SheetRow, Value, shown
from monitor.imports.values import UnreadableCell, coin_of, yes_or_no
from monitor.imports.words import is_total

MOST_REFUSED = 1000
"""Cells that are named; a file with more is another file than its columns say."""
_YEAR_DAYS = 365
_LONGEST_DAYS = 9999
_CUT_ID = re.compile(r"\d[.,]\d+E\+?\d+", re.IGNORECASE)


class RefusedCell(msgspec.Struct, frozen=True):
    """A cell that cannot be taken: where it is, what it holds, and what to do. Its whole group is left as it was."""

    where: str
    value: str
    what: str
    group: str | None = None


class DraftGroup(msgspec.Struct):
    """A group as the file states it."""

    id: str
    place: str
    """The cell of its id, where it comes first."""
    line: dict[str, Any]
    """As a line of a book; loans lack `interest` and `opened_at` where no cell states them."""
    origins: dict[str, tuple[Cells, str]]
    """The row behind a part of the line, such as `loans[0]`, and the field that states it."""
    stated_id: str = ""
    is_bad: bool = False

    def place_of(self, where: str) -> str:
        """The cell behind a part of the line, as `schema.Problem` names it: `loans[0].principal`."""
        origin = self._origin(where)
        return self.place if origin is None else origin[0].place_of(*origin[1])

    def value_of(self, where: str) -> str:
        """What that cell holds, for people."""
        origin = self._origin(where)
        return self.stated_id if origin is None else origin[0].shown_in(*origin[1])

    def _origin(self, where: str) -> tuple[Cells, tuple[str, ...]] | None:
        """The row of a part of the line, and the fields that may state it."""
        head, _, part = where.rpartition(".")
        if (origin := self.origins.get(where)) is not None:
            return origin[0], (origin[1],)
        if (origin := self.origins.get(head)) is not None:
            return origin[0], (_LOAN_CELLS.get(part, origin[1]), origin[1])
        first = where.partition("[")[0].partition(".")[0]
        for known, origin in self.origins.items():
            if known.startswith(first):
                return origin[0], (origin[1],)
        return None


class Drafts(NamedTuple):
    """What a file says."""

    groups: list[DraftGroup]
    refused: list[RefusedCell]
    notes: list[str]
    questions: list[Question]
    rows: int


class _Skip(NamedTuple):
    """Why a row is passed over, for a note: one sentence a kind."""

    why: str


def draft(tables: Sequence[HeadedSheet], decisions: Decisions, options: ImportOptions) -> Drafts:
    """All groups of a file."""
    making = _Making(options)
    for table in tables:
        making.take(table, decisions)
    return Drafts(list(making.groups.values()), making.refused, making.notes(), [], making.rows)


class _Making:
    """The groups so far."""

    def __init__(self, options: ImportOptions) -> None:
        self.options = options
        self.constants = options.kept.constants | options.constants
        self.groups: dict[str, DraftGroup] = {}
        self.refused: list[RefusedCell] = []
        self.rows = 0
        self._skipped: dict[str, list[str]] = {}
        self._changed_ids: list[str] = []

    def notes(self) -> list[str]:
        """What was done with rows that are no loans, in sentences."""
        found = [f"{why}: {_some(places)}" for why, places in self._skipped.items()]
        return found + ([f"ids have no spaces or accents: {_some(self._changed_ids)}"] if self._changed_ids else [])

    def take(self, table: HeadedSheet, decisions: Decisions) -> None:
        """The rows of one table."""
        id_column = table.fields.get("group") or table.fields.get("borrower")
        if id_column is None:
            return
        sums: dict[int, Decimal] = {}
        header = {c.position: c.header for c in table.columns}
        for row in table.rows:
            cells = Cells(table, row, decisions, self.options.coins)
            skip = _skipped(cells, id_column, sums, header)
            if skip is not None:
                self._skipped.setdefault(skip.why, []).append(cells.place(id_column))
                continue
            self.rows += 1
            group = self._group(cells, id_column)
            if group is not None:
                self._add(group, cells)
            for position, value in enumerate(row.values):
                if isinstance(value, Decimal):
                    sums[position] = sums.get(position, ZERO) + value

    def refuse(self, where: str, value: Value, what: str, group: DraftGroup | None) -> None:
        """Notes a cell that cannot be taken, and with it its group."""
        if group is not None:
            group.is_bad = True
        self.refused.append(RefusedCell(where, shown(value), what, group.id if group else None))

    def _group(self, cells: Cells, column: Column) -> DraftGroup | None:
        """The group of a row, which may have begun further up."""
        value, place = cells.value(column), cells.place(column)
        try:
            stated = _id_text(value)
            id_ = _as_id(stated)
        except UnreadableCell as e:
            self.refuse(place, value, str(e), None)
            return None
        group = self.groups.get(id_)
        if group is None:
            if id_ != stated:
                self._changed_ids.append(f"{stated!r} is {id_}")
            line: dict[str, Any] = {"id": id_, "collateral": {}, "loans": [], "labels": {}}
            group = self.groups[id_] = DraftGroup(id_, place, line, {}, stated)
        elif group.stated_id != stated:
            what = f"{group.stated_id!r} at {group.place} would have the same id {id_}; give one of them another"
            self.refuse(place, value, what, group)
        return group

    def _add(self, group: DraftGroup, cells: Cells) -> None:
        for part in (self._of_group, self._wide, self._collateral, self._loan):
            part(group, cells)

    def _read(self, group: DraftGroup, cells: Cells, field: str, how: str) -> Any:
        """The value of a field in a row, or None; one that cannot be read refuses the group."""
        column = cells.column(field)
        if column is None:
            return None
        try:
            return getattr(cells, how)(column)
        except UnreadableCell as e:
            self.refuse(cells.place(column), cells.value(column), str(e), group)
            return None

    def _of_group(self, group: DraftGroup, cells: Cells) -> None:
        """What a row says of its whole group: every row may say it, and all must say the same."""
        for field, name in (("product", "product"), ("receiving_account", "receiving_account")):
            self._same(group, cells, field, group.line, name, self._read(group, cells, field, "name"))
        for field in ("vip_level", "leverage"):
            number = self._read(group, cells, field, "whole")
            self._same(group, cells, field, group.line, field, number)
        text = self._read(group, cells, "delayed_liquidation", "text")
        if text is not None:
            try:
                self._same(group, cells, "delayed_liquidation", group.line, "delayed_liquidation", yes_or_no(text))
            except UnreadableCell as e:
                self.refuse(cells.place_of("delayed_liquidation"), text, str(e), group)
        borrower = self._read(group, cells, "borrower", "text")
        self._same(group, cells, "borrower", group.line["labels"], "borrower", borrower)
        for key, column in cells.table.families["label"]:
            self._same(
                group, cells, column.field, group.line["labels"], key, self._read(group, cells, column.field, "text")
            )
        for key, column in cells.table.families["line"]:
            limit = self._read(group, cells, column.field, "level")
            lines = group.line.setdefault("thresholds", {})
            self._same(group, cells, column.field, lines, key, None if limit is None else plain(limit))
        for key, column in cells.table.families["contact"]:
            if (text := self._read(group, cells, column.field, "text")) is not None:
                known = group.line.setdefault("contacts", {}).setdefault(key, [])
                known += [one for part in re.split(r"[;,\s]+", text) if (one := part.strip()) and one not in known]
                group.origins.setdefault(f"contacts.{key}", (cells, column.field))

    def _same(
        self, group: DraftGroup, cells: Cells, field: str, target: dict[str, Any], name: str, value: object
    ) -> None:
        if value is None:
            return
        before = target.setdefault(name, value)
        part = "thresholds." if field.startswith("line:") else "" if target is group.line else "labels."
        first, its_field = group.origins.setdefault(part + name, (cells, field))
        if before != value:
            said = f"{first.place_of(its_field)} says {before!r} of the same group"
            self.refuse(
                cells.place_of(field), str(value), f"{said}; all rows of a group say the same, or nothing", group
            )

    # -- collateral --

    def _wide(self, group: DraftGroup, cells: Cells) -> None:
        """Columns that are headed by a coin."""
        for coin, column in cells.table.families["collateral"]:
            amount = self._read(group, cells, column.field, "amount")
            if amount is not None and amount.number:
                self._hold(group, cells, (coin, amount.number), column.field)
        for coin, column in cells.table.families["loan"]:
            amount = self._read(group, cells, column.field, "amount")
            if amount is not None and amount.number:
                self._lend(group, cells, {"asset": coin, "principal": amount.number}, column.field)

    def _collateral(self, group: DraftGroup, cells: Cells) -> None:
        amount = self._read(group, cells, "collateral_quantity", "amount")
        coin = self._coin(group, cells, "collateral_coin", ("collateral_quantity", amount.unit if amount else ""))
        if amount is None:
            if coin is not None and cells.has("collateral_coin") and not group.is_bad:
                column = cells.column("collateral_quantity") or cells.column("collateral_coin")
                assert column is not None, "the row has the coin from one of them"
                self.refuse(cells.place(column), None, f"the row names {coin} as collateral, but no quantity", group)
            return
        if coin is None:
            if amount.number and not group.is_bad:
                where = cells.place_of("collateral_coin", "collateral_quantity")
                self.refuse(where, None, f"the row has {plain(amount.number)} of collateral, but no coin", group)
            return
        self._hold(group, cells, (coin, amount.number), "collateral_quantity")

    def _hold(self, group: DraftGroup, cells: Cells, what: tuple[str, Decimal], field: str) -> None:
        coin, quantity = what
        account = self._read(group, cells, "collateral_account", "name") or f"{group.id}-collateral"
        where = f"collateral.{account}.{coin}"
        holdings = group.line["collateral"].setdefault(account, {})
        if coin in holdings:
            text = (
                f"{group.place_of(where)} states {coin} of the same group already; state each coin once, "
                "or tell the accounts apart by a column collateral_account"
            )
            self.refuse(cells.place_of(field), plain(quantity), text, group)
            return
        holdings[coin] = plain(quantity)
        group.origins[where] = (cells, field)

    def _coin(self, group: DraftGroup, cells: Cells, field: str, amount: tuple[str, str]) -> str | None:
        """The coin of a row: of its own cell, of the text beside the quantity, or the same for all rows."""
        quantity, unit = amount
        coin = self._read(group, cells, field, "coin")
        constant = self.constants.get(field)
        if not unit:
            return coin or constant
        where, value = cells.place_of(quantity), cells.shown_in(quantity)
        try:
            stated = coin_of(unit, self.options.coins)
        except UnreadableCell:
            self.refuse(where, value, f"expected a number, or a number and a coin; {unit!r} is no coin", group)
            return None
        if (coin or stated) != stated:
            self.refuse(where, value, f"the quantity is in {stated}, but the row's coin is {coin}", group)
        return stated

    # -- loans --

    def _loan(self, group: DraftGroup, cells: Cells) -> None:
        principal = self._read(group, cells, "principal", "amount")
        coin = self._coin(group, cells, "loan_coin", ("principal", principal.unit if principal else ""))
        stated = self._read(group, cells, "loan_id", "name")
        if principal is None:
            if (stated or (coin and cells.has("loan_coin"))) and not group.is_bad and cells.column("principal"):
                self.refuse(cells.place_of("principal"), None, "the row names a loan, but no principal", group)
            return
        if coin is None:
            if not group.is_bad:
                where = cells.place_of("loan_coin", "principal")
                what = f"the row owes {plain(principal.number)}, but no coin is named"
                self.refuse(where, None, what, group)
            return
        if not principal.number and stated is None:
            return
        self._lend(group, cells, {"id": stated, "asset": coin, "principal": principal.number}, "principal")

    def _lend(self, group: DraftGroup, cells: Cells, of: dict[str, Any], field: str) -> None:
        loans: list[dict[str, Any]] = group.line["loans"]
        loan: dict[str, Any] = {"id": of.get("id"), "asset": of["asset"], "principal": plain(of["principal"])}
        interest = self._read(group, cells, "interest", "amount")
        if interest is not None:
            loan["interest"] = plain(interest.number)
        loan |= self._terms(group, cells)
        twin = next((one for one in loans if _is_same_loan(one, loan)), None)
        if twin is not None:
            if twin | {"id": None} == loan | {"id": None} and loan["id"] is not None:
                return  # a table joined of loans and collateral repeats the loan for each coin
            first = group.place_of(f"loans[{loans.index(twin)}]")
            hint = "give each loan an id" if loan["id"] is None else "an id names one loan"
            place = cells.place_of("loan_id", field)
            self.refuse(place, loan["id"] or loan["principal"], f"the loan at {first} looks the same; {hint}", group)
            return
        if loan["id"] is None:
            loan["id"] = _free_id(f"{group.id}-{loan['asset']}", loans)
        group.origins[f"loans[{len(loans)}]"] = (cells, field)
        loans.append(loan)

    def _terms(self, group: DraftGroup, cells: Cells) -> dict[str, Any]:
        """Term, times and rate of a loan."""
        opened = self._read(group, cells, "opened_at", "date")
        matures = self._read(group, cells, "matures_at", "date")
        text = self._read(group, cells, "term", "text")
        found: dict[str, Any] = {"term": "open", "matures_at": None, "rate": {"kind": "flexible"}}
        if opened is not None:
            found["opened_at"] = stamp(opened)
        try:
            found["term"] = _term(text, opened, matures)
        except UnreadableCell as e:
            self.refuse(cells.place_of("term", "matures_at"), text, str(e), group)
        if found["term"] == "open":
            return found
        if matures is None:
            what = "a term loan matures; fill the cell of a column matures_at"
            self.refuse(cells.place_of("matures_at", "term"), text, what, group)
            return found
        found["matures_at"] = stamp(matures)
        daily = self._read(group, cells, "daily_rate", "share")
        yearly = self._read(group, cells, "annual_rate", "share")
        if daily is None and yearly is not None:
            daily = (yearly / _YEAR_DAYS).quantize(Decimal(1).scaleb(-18))
        if daily is not None:
            found["rate"] = {"kind": "fixed", "daily": plain(daily)}
        return found


_LOAN_CELLS = {
    "id": "loan_id",
    "asset": "loan_coin",
    "principal": "principal",
    "interest": "interest",
    "rate": "loan_coin",
    "term": "term",
    "opened_at": "opened_at",
    "matures_at": "matures_at",
}


def _some(texts: Sequence[str]) -> str:
    return ", ".join(texts[:3]) + (f" and {len(texts) - 3} more" if len(texts) > 3 else "")


def plain(value: Decimal) -> str:
    """A decimal as text without an exponent."""
    return format(value.normalize() if value == value.to_integral_value() and value.adjusted() < 30 else value, "f")


def _is_same_loan(one: dict[str, Any], other: dict[str, Any]) -> bool:
    if other["id"] is not None:
        return bool(one["id"] == other["id"])
    return bool(one | {"id": None} == other)


def _free_id(name: str, loans: list[dict[str, Any]]) -> str:
    taken = {loan["id"] for loan in loans}
    return next(one for one in (name, *(f"{name}-{i}" for i in range(2, len(loans) + 3))) if one not in taken)


def _term(text: str | None, opened: datetime | None, matures: datetime | None) -> str:
    """open, or a term in days such as 30d. Raises UnreadableCell."""
    if text is not None:
        words = text.casefold().split()
        match = re.fullmatch(r"([1-9]\d{0,3})\s*(?:d|days?|tage?|dias?|dni|dagar|дней)?\.?", text.casefold())
        if match is not None:
            return f"{match[1]}d"
        if words and words[0] in ("open", "flexible", "offen", "aberto", "otwarty", "oppen", "-"):
            return "open"
        raise UnreadableCell("expected a term in days such as 30d, or open")
    if matures is None:
        return "open"
    days = (matures - opened).days if opened is not None else None
    if days is None:
        raise UnreadableCell("the loan matures, but its term is not stated: fill a column term with 30d, for example")
    if not 1 <= days <= _LONGEST_DAYS:
        raise UnreadableCell(f"the loan runs {days} days; mend its dates, or leave the maturity empty")
    return f"{days}d"


def _skipped(cells: Cells, id_column: Column, sums: dict[int, Decimal], header: dict[int, str]) -> _Skip | None:
    """Why a row states no loan: totals, a repeated header, remarks."""
    row, used = cells.row, [c for c in cells.table.fields.values() if cells.value(c) is not None]
    id_value = cells.value(id_column)
    coins = [c for c in used if c.field in COINS and not is_total(str(cells.value(c)))]
    if isinstance(id_value, str) and id_value == header.get(id_column.position) and _repeats(row, header):
        return _Skip("rows that repeat the header were left out")
    if id_value is None:
        texts = [value for value in row.values if isinstance(value, str)]
        if not used:
            return _Skip("rows with nothing in the columns that are read were left out")
        if not coins and any(map(is_total, texts)):
            return _Skip("rows of totals were left out")
        numbers = [(c, v) for c in used if isinstance(v := cells.value(c), Decimal)]
        if numbers and len(numbers) == len(used) and all(sums.get(c.position) == v for c, v in numbers):
            return _Skip("rows of totals were left out (each number is the sum of those above)")
        return None
    if isinstance(id_value, str) and not coins and is_total(id_value):
        return _Skip("rows of totals were left out")
    return None


def _repeats(row: SheetRow, header: dict[int, str]) -> bool:
    """The row holds the texts of the header once more, as on each page of a print."""
    texts = {i: v for i, v in enumerate(row.values) if isinstance(v, str)}
    return len(texts) > 1 and all(header.get(i, "").endswith(v) for i, v in texts.items())


def _id_text(value: Value) -> str:
    """The id that a cell states, as text. Raises UnreadableCell."""
    match value:
        case None:
            raise UnreadableCell("the row has no id of a group; write it into each row, or merge the cells of its rows")
        case NoValue():
            raise UnreadableCell(value.what)
        case bool() | datetime():
            raise UnreadableCell("expected the id of a group; format the cell as text and write it again")
        case Decimal():
            if value.adjusted() >= 15:
                raise UnreadableCell(
                    "Excel keeps 15 digits of a number; format the cell as text and write the id again"
                )
            return format(value, "f")
        case str():
            if _CUT_ID.fullmatch(value):
                raise UnreadableCell(
                    "the spreadsheet has cut this number; format the column as text and write the id again"
                )
            return value
    raise UnreadableCell("expected the id of a group")


def _as_id(text: str) -> str:
    """The id that the monitor uses: letters without accents, hyphens for spaces. Raises UnreadableCell."""
    flat = text.replace("ß", "ss").replace("ł", "l").replace("Ł", "L").replace("ø", "o").replace("Ø", "O")
    flat = "".join(c for c in unicodedata.normalize("NFKD", flat) if not unicodedata.combining(c))
    id_ = "-".join(flat.split())
    if is_id(id_) is None:
        raise UnreadableCell("an id has 1 to 128 ASCII characters; add a column with an id, such as ACME-1")
    return id_
