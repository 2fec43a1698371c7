"""Finds the header of a sheet, and guesses what its columns hold: from their words first, from their cells then."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from decimal import Decimal

from monitor.core.schema import is_asset
from monitor.imports.fields import Column, HeadedSheet, ImportOptions, is_number
from monitor.imports.sheets import BadFile, Percent, SheetRow, TableSheet, Value, letters
from monitor.imports.values import UnreadableCell, coin_of, readings
from monitor.imports.words import Notion, folded, notions_of

_HEADER_WITHIN = 30
"""Rows of titles and remarks that may stand above a header."""
_SAMPLE = 200
"""Rows that are looked at to tell what a column holds."""
_MOSTLY = 0.6
_FEW = 3
_ROLES = {Notion.LOAN: "loan", Notion.COLLATERAL: "collateral"}


def find_table(sheet: TableSheet, options: ImportOptions, *, is_only: bool) -> HeadedSheet | None:
    """The table of a sheet; None where no row looks like a header. Raises BadFile for a mapping that does not fit."""
    named = _named(sheet, options, is_only=is_only)
    place = _header_row(sheet, {header for header in named if header})
    if place is None:
        return None
    headers = _headers(sheet, place)
    rows = sheet.rows[place + 1 :]
    number = sheet.rows[place].number
    columns = _columns(sheet, headers, rows, (named, options))
    return HeadedSheet(sheet, number, columns, _filled(sheet, columns, rows))


def _named(sheet: TableSheet, options: ImportOptions, *, is_only: bool) -> dict[str, tuple[str, str]]:
    """By header or letter of the column: its field, and whether that was kept or is set now."""
    kept = options.kept.columns.get("" if is_only else sheet.name, {})
    named = {header: (field, "kept") for header, field in kept.items()}
    for key, field in options.columns.items():
        where, is_of_sheet, header = key.rpartition("!")
        if is_of_sheet and where != sheet.name:
            continue
        named[header if is_of_sheet else key] = (field, "set")
    return named


def _header_row(sheet: TableSheet, named: set[str]) -> int | None:
    """The place of the row that has most words of a header."""
    best, most = None, 0
    for place, row in enumerate(sheet.rows[:_HEADER_WITHIN]):
        texts = [v for v in row.values if isinstance(v, str)]
        score = 100 * len(named.intersection(texts))
        score += sum(bool(notions_of(t)) for t in texts if len(t) <= 60 and not any(c.isdigit() for c in t))
        if len(texts) >= 2 and score > most:
            best, most = place, score
    return best


def _headers(sheet: TableSheet, place: int) -> dict[int, str]:
    """The header of each column by its index; below a merged or grouped heading it begins with that heading."""
    row = sheet.rows[place]
    own = dict(_texts(row))
    if place == 0:
        return own
    above = sheet.rows[place - 1]
    if above.number != row.number - 1:
        return own
    heading = dict(_texts(above))
    for merged in sheet.merged:
        if merged.top <= above.number <= merged.bottom and merged.left in heading:
            for column in range(merged.left, merged.right + 1):
                heading[column] = heading[merged.left]
    groups = {text for text in heading.values() if _role(text) is not None and len(folded(text).split()) <= 2}
    if not groups:
        return own
    width = max(own, default=0) + 1
    if not sheet.merged:  # a CSV file keeps the text of merged cells in the first one
        for column in range(1, width):
            if column not in heading and heading.get(column - 1) in groups:
                heading[column] = heading[column - 1]
    found = {}
    for column in range(width):
        child, parent = own.get(column, ""), heading.get(column, "")
        if not child and parent and (parent not in groups or _is_tall(sheet, above.number, column)):
            child, parent = parent, ""
        text = f"{parent} {child}" if parent in groups and child else child
        if text:
            found[column] = text
    return found


def _is_tall(sheet: TableSheet, row: int, column: int) -> bool:
    return any(m.top <= row < m.bottom and m.left <= column <= m.right for m in sheet.merged)


def _texts(row: SheetRow) -> Iterator[tuple[int, str]]:
    for column, value in enumerate(row.values):
        if isinstance(value, str):
            yield column, " ".join(value.split())[:120]
        elif value is not None and not isinstance(value, tuple):
            yield column, str(value)


def _columns(
    sheet: TableSheet,
    headers: dict[int, str],
    rows: Sequence[SheetRow],
    how: tuple[dict[str, tuple[str, str]], ImportOptions],
) -> list[Column]:
    named, options = how
    columns: dict[int, Column] = {}
    taken: dict[str, int] = {}
    for index, header in headers.items():
        field, why = named.get(header) or named.get(letters(index)) or ("", "")
        if field:
            if field in taken and field != "ignore":
                one, other = letters(taken[field]), letters(index)
                name = f"sheet {sheet.name!r}: " if sheet.name else ""
                what = f"columns {one} and {other} are both {field!r}; say which one by --map '{other}=ignore'"
                raise BadFile(f"{name}{what}")
            taken[field] = index
            columns[index] = Column(index, header, field, "set" if why == "set" else "kept")
    guess = _Guess(sheet, headers, rows, options.coins)
    for index, field in guess.fields(taken).items():
        columns[index] = Column(index, headers[index], field, "guessed")
    return [columns.get(index) or Column(index, header, "") for index, header in sorted(headers.items())]


def _filled(sheet: TableSheet, columns: Sequence[Column], rows: list[SheetRow]) -> list[SheetRow]:
    """The rows with the value of a merged cell in each of its rows, but where it is a sum of a loan or of collateral:
    that stands for one amount, which is its first row's."""
    of_group = {c.position for c in columns if _is_of_group(c.field)}
    tall = [m for m in sheet.merged if m.bottom > m.top and m.left in of_group]
    if not tall:
        return rows
    by_number = {row.number: row for row in rows}
    for merged in tall:
        first = by_number.get(merged.top)
        if first is None or merged.left >= len(first.values):
            continue
        for number in range(merged.top + 1, merged.bottom + 1):
            row = by_number.get(number)
            if row is not None:
                row.values.extend([None] * (merged.left + 1 - len(row.values)))
                row.values[merged.left] = first.values[merged.left]
    return rows


def _is_of_group(field: str) -> bool:
    return field in ("group", "borrower", "product") or field.partition(":")[0] in ("label", "contact")


class _Guess:
    """The fields of the columns that nobody has named."""

    def __init__(
        self, sheet: TableSheet, headers: dict[int, str], rows: Sequence[SheetRow], coins: frozenset[str]
    ) -> None:
        self._headers = headers
        self._rows = rows[:_SAMPLE]
        self._coins = coins
        self._sheet_role = _role(sheet.name)

    def fields(self, taken: dict[str, int]) -> dict[int, str]:
        """By column; `taken` are the fields that are named already."""
        found: dict[int, str] = {}
        free = [index for index in self._headers if index not in taken.values()]
        used = set(taken)
        for index in free:
            likely = self._certain(index)
            for field in likely:
                if field not in used and self._fits(index, field, at_all=len(likely) == 1):
                    found[index] = field
                    used.add(field)
                    break
        for index in free:
            if index in found:
                continue
            for field in self._by_neighbours(index, found | {i: f for f, i in taken.items()}):
                if field not in used and self._fits(index, field):
                    found[index] = field
                    used.add(field)
                    break
        if "group" not in used:
            self._choose_group(free, found)
        return found

    def _certain(self, index: int) -> list[str]:
        """What the words of a header alone say, the likeliest first."""
        header = self._headers[index]
        if (coin := self._coin_header(header)) is not None:
            return [coin]
        has = notions_of(header)
        role = _role(header)
        for needed, without, field in _RULES:
            if needed <= has and not without & has:
                return [field]
        if role == "collateral" and not has & {Notion.WORTH, Notion.ID, Notion.DATE}:
            return ["collateral_quantity", "collateral_coin"] if Notion.COIN not in has else ["collateral_coin"]
        if role == "loan" and not has & {Notion.WORTH, Notion.DATE, Notion.ID, Notion.RATE}:
            return ["principal", "loan_coin"] if Notion.COIN not in has else ["loan_coin"]
        return []

    def _coin_header(self, header: str) -> str | None:
        """A column that is headed by a coin holds how much of it there is."""
        words = header.split()
        role = _role(header) or self._sheet_role or "collateral"
        symbols = [w.strip("()[]:") for w in words]
        found = [s for s in symbols if s in self._coins]
        rest = [s for s in symbols if s not in self._coins]
        if (
            len(found) == 1
            and all(_role(s) or notions_of(s) <= {Notion.AMOUNT} for s in rest)
            and not any(Notion.WORTH in notions_of(s) for s in rest)
        ):
            return f"{role}:{found[0]}"
        return None

    def _by_neighbours(self, index: int, found: dict[int, str]) -> list[str]:
        """A plain "Coin" or "Amount" belongs to what stands beside it, or to what the sheet is about."""
        has = notions_of(self._headers[index])
        if not has & {Notion.COIN, Notion.AMOUNT} or has & {Notion.WORTH, Notion.DATE, Notion.RATE, Notion.INTEREST}:
            return []
        role = self._sheet_role or self._neighbour(index, found)
        if role is None:
            return []
        other = "loan" if role == "collateral" else "collateral"
        names = {
            ("loan", False): "principal",
            ("collateral", False): "collateral_quantity",
            ("loan", True): "loan_coin",
            ("collateral", True): "collateral_coin",
        }
        is_coin = Notion.COIN in has and (Notion.AMOUNT not in has or not self._fits(index, "principal"))
        return [names[role, is_coin]] + ([names[other, is_coin]] if self._sheet_role is None else [])

    def _neighbour(self, index: int, found: dict[int, str]) -> str | None:
        sides = [*range(index - 1, -1, -1), *range(index + 1, max(self._headers) + 1)]
        for side in sides:
            field = found.get(side, "")
            if field in ("principal", "loan_coin", "loan_id", "interest"):
                return "loan"
            if field in ("collateral_coin", "collateral_quantity", "collateral_account"):
                return "collateral"
        return None

    def _choose_group(self, free: Sequence[int], found: dict[int, str]) -> None:
        """The id of the group, where no header says "group": an id of its own, the borrower, the loan."""
        for needed in ({Notion.BORROWER, Notion.ID}, {Notion.ID}, {Notion.ACCOUNT}):
            for index in free:
                if index not in found and needed <= notions_of(self._headers[index]):
                    found[index] = "group"
                    return
        if "borrower" in found.values():
            return
        loan = next((i for i, field in found.items() if field == "loan_id"), None)
        if loan is not None:
            found[loan] = "group"

    def _fits(self, index: int, field: str, *, at_all: bool = False) -> bool:
        """Most cells of the column can be what the header says; `at_all`: a few suffice, as the header leaves no doubt and a
        cell that cannot be read is better refused by name than passed over."""
        values = [row.values[index] for row in self._rows if index < len(row.values) and row.values[index] is not None]
        if is_number(field):
            fitting = sum(map(_looks_like_number, values))
        elif field in ("collateral_coin", "loan_coin"):
            fitting = sum(map(self._looks_like_coin, values))
        else:
            return True
        return fitting > 0 or len(values) < _FEW if at_all else fitting >= _MOSTLY * len(values)

    def _looks_like_coin(self, value: Value) -> bool:
        if not isinstance(value, str) or len(value) > 40:
            return False
        try:
            coin = coin_of(value, self._coins)
        except UnreadableCell:
            return False
        return coin in self._coins or (is_asset(coin) and coin == coin.upper() and not coin[0].isdigit())


_RULES: tuple[tuple[set[Notion], set[Notion], str], ...] = (
    ({Notion.PRODUCT}, {Notion.ID}, "product"),
    ({Notion.GROUP}, {Notion.WORTH}, "group"),
    ({Notion.MAIL}, set(), "contact:email"),
    ({Notion.PHONE}, set(), "contact:sms"),
    ({Notion.GRACE}, set(), "delayed_liquidation"),
    ({Notion.VIP}, set(), "vip_level"),
    ({Notion.LEVERAGE}, set(), "leverage"),
    ({Notion.CALL}, {Notion.DATE, Notion.REMARK}, "line:margin_call"),
    ({Notion.COLLATERAL, Notion.ACCOUNT}, set(), "collateral_account"),
    ({Notion.RECEIVING, Notion.ACCOUNT}, set(), "receiving_account"),
    ({Notion.MATURES}, set(), "matures_at"),
    ({Notion.OPENED}, set(), "opened_at"),
    ({Notion.RATE, Notion.DAILY}, set(), "daily_rate"),
    ({Notion.INTEREST, Notion.DAILY}, set(), "daily_rate"),
    ({Notion.RATE}, {Notion.WORTH}, "annual_rate"),
    ({Notion.INTEREST, Notion.YEARLY}, set(), "annual_rate"),
    ({Notion.INTEREST}, {Notion.WORTH}, "interest"),
    ({Notion.TERM}, {Notion.DATE}, "term"),
    ({Notion.LOAN, Notion.ID}, {Notion.BORROWER}, "loan_id"),
    ({Notion.COLLATERAL, Notion.COIN}, {Notion.AMOUNT, Notion.WORTH}, "collateral_coin"),
    ({Notion.COLLATERAL, Notion.AMOUNT}, {Notion.WORTH}, "collateral_quantity"),
    ({Notion.LOAN, Notion.COIN}, {Notion.AMOUNT, Notion.WORTH}, "loan_coin"),
    ({Notion.PRINCIPAL}, {Notion.COIN}, "principal"),
    ({Notion.LOAN, Notion.AMOUNT}, {Notion.WORTH}, "principal"),
    ({Notion.BORROWER}, {Notion.ID, Notion.LOAN, Notion.COLLATERAL, Notion.COIN}, "borrower"),
    ({Notion.DESK}, set(), "label:desk"),
)
"""(notions that a header must have, notions that it must not have, its field); the first that fits counts."""


def _role(text: str) -> str | None:
    """Whether a text speaks of loans or of collateral; None for both or neither."""
    roles = {_ROLES[notion] for notion in notions_of(text) if notion in _ROLES}
    return roles.pop() if len(roles) == 1 else None


def _looks_like_number(value: Value) -> bool:
    if isinstance(value, Decimal | Percent):
        return True
    return isinstance(value, str) and readings(value) is not None
