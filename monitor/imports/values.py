"""Reads numbers, dates and coins as people write them. What can be read in two ways is decided by its column, or asked.

A number has two readings: with a decimal point and with a decimal comma. `1.234,56` has one, `1,234` has both. A column that
holds a number with one reading only is read so throughout; where no column of the file says, the person is asked.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Literal, NamedTuple

from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from monitor.core.schema import is_asset

Mark = Literal["point", "comma"]
Order = Literal["dmy", "mdy"]


class UnreadableCell(ValueError):
    """A cell that cannot be read as what its column is; the text says why and what to do."""


# -- numbers --

_SPACES = str.maketrans(
    dict.fromkeys("\u00a0\u202f\u2009\u2007 ", " ") | dict.fromkeys("\u2019\u02bc`", "'") | {"\u2212": "-"}
)
_EXPONENT = r"(?:[eE][+-]?\d{1,3})?"
_FORMS = {
    mark: re.compile(
        rf"[+-]?(?:(?:\d+|[1-9]\d{{0,2}}(?:{group}\d{{3}})+)(?:{decimal}\d*)?|{decimal}\d+){_EXPONENT}", re.ASCII
    )
    for mark, decimal, group in (("point", r"\.", r"[, ']"), ("comma", ",", r"[. ']"))
}
_NUMBER_AND_UNIT = re.compile(r"([(+-]?[\d.,' ]*\d\)?)(?: *([^\s\d()+.,'-]\S{0,31})| +(\d\S{0,31}))")
_UNIT_AND_NUMBER = re.compile(r"([^\s\d()+.,-]{1,32})\s*([(+-]?[\d.,' ]*\d\)?)")
_DOLLAR = frozenset({"$", "US$"})


class Readings(NamedTuple):
    """A text as a number with a decimal point and with a decimal comma; None where it is none."""

    point: Decimal | None
    comma: Decimal | None
    is_percent: bool = False
    unit: str = ""
    """What stands beside the number, such as `BTC` in `1.5 BTC`."""

    @property
    def mark(self) -> Mark | None:
        """The mark that the text proves; None where both readings agree, or where it can be read either way."""
        if self.point is None or self.comma is None:
            return "point" if self.point is not None else "comma" if self.comma is not None else None
        return None

    @property
    def is_ambiguous(self) -> bool:
        """Both readings are numbers, and others."""
        return self.point is not None and self.comma is not None and self.point != self.comma


@lru_cache(1 << 16)
def readings(text: str) -> Readings | None:
    """A text as a number; None where it is none at all."""
    text = text.translate(_SPACES).strip()
    unit, is_percent = "", False
    if text.endswith("%"):
        text, is_percent = text[:-1].rstrip(), True
    elif any(form.fullmatch(text) for form in _FORMS.values()):
        pass
    elif (match := _NUMBER_AND_UNIT.fullmatch(text)) is not None:
        text, unit = match[1].strip(), match[2] or match[3]
    elif (match := _UNIT_AND_NUMBER.fullmatch(text)) is not None:
        unit, text = match[1], match[2].strip()
    if text.startswith("(") and text.endswith(")"):
        text = f"-{text[1:-1]}"
    point, comma = _as("point", text), _as("comma", text)
    if point is None and comma is None:
        return None
    return Readings(point, comma, is_percent, "" if unit in _DOLLAR else unit)


def _as(mark: Mark, text: str) -> Decimal | None:
    if not _FORMS[mark].fullmatch(text):
        return None
    plain = text.replace(" ", "").replace("'", "")
    plain = plain.replace(",", "") if mark == "point" else plain.replace(".", "").replace(",", ".")
    try:
        return Decimal(plain)
    except InvalidOperation:
        return None


def mark_of(texts: Iterable[str]) -> tuple[Mark | None, str | None]:
    """The decimal mark that a column proves, and the first text that can be read either way."""
    proven: set[Mark] = set()
    ambiguous = None
    for text in texts:
        if (found := readings(text)) is None:
            continue
        if found.mark is not None:
            proven.add(found.mark)
        elif found.is_ambiguous and ambiguous is None:
            ambiguous = text
    return (proven.pop() if len(proven) == 1 else None), ambiguous


def number_of(text: str, mark: Mark | None) -> Readings:
    """The readings of a text in a column of this mark; `point` is the one that counts. Raises UnreadableCell."""
    found = readings(text)
    if found is None:
        raise UnreadableCell("expected a number such as 1234.56")
    if mark is None:
        if found.is_ambiguous:
            raise UnreadableCell("it is a thousand or a fraction; say which with --decimal point or --decimal comma")
        value = found.point if found.point is not None else found.comma
    else:
        value = found.point if mark == "point" else found.comma
        if value is None:
            raise UnreadableCell(f"the other numbers of the column have a decimal {mark}; write this one alike")
    return found._replace(point=value, comma=value)


# -- dates --

_ISO = re.compile(r"(\d{4})[-/.](\d{1,2})[-/.](\d{1,2})(.*)", re.ASCII)
_OTHER = re.compile(r"(\d{1,2})([-/. ])(\d{1,2})\2(\d{4}|\d{2})(.*)", re.ASCII)
_TIME = re.compile(r"[T ,]*(?:(\d{1,2}):(\d{2})(?::(\d{2})(?:\.\d{1,9})?)?)?\s*(Z|UTC|[+-]\d{2}:?\d{2})?", re.ASCII)
_FIRST_SERIAL, _LAST_SERIAL = Decimal(20_000), Decimal(80_000)
"""1954 to 2119: a smaller or larger number in a column of dates is no day."""


def day_order(texts: Iterable[str]) -> tuple[Order | None, str | None]:
    """Whether the day or the month comes first in a column, and the first text that can be read either way."""
    proven: set[Order] = set()
    ambiguous = None
    for text in texts:
        if (match := _OTHER.fullmatch(text)) is None:
            continue
        first, second = int(match[1]), int(match[3])
        if match[2] == "." or first > 12:
            proven.add("dmy")
        elif second > 12:
            proven.add("mdy")
        elif first != second and ambiguous is None:
            ambiguous = text
    return (proven.pop() if len(proven) == 1 else None), ambiguous


def date_of(text: str, order: Order | None) -> datetime:
    """The time of a text; without a zone it is UTC. Raises UnreadableCell."""
    if (match := _ISO.fullmatch(text)) is not None:
        return _datetime((int(match[1]), int(match[2]), int(match[3])), match[4])
    if (match := _OTHER.fullmatch(text)) is None:
        raise UnreadableCell("expected a date such as 2026-03-31")
    first, second, year = int(match[1]), int(match[3]), int(match[4])
    year += 2000 if year < 100 else 0
    if match[2] == ".":
        order = "dmy"
    elif order is None:
        if first <= 12 and second <= 12 and first != second:
            raise UnreadableCell("the day or the month may come first; say which with --dates dmy or --dates mdy")
        order = "dmy" if first > 12 else "mdy"
    day, month = (first, second) if order == "dmy" else (second, first)
    return _datetime((year, month, day), match[5])


def _datetime(day: tuple[int, int, int], rest: str) -> datetime:
    match = _TIME.fullmatch(rest)
    if match is None:
        raise UnreadableCell("expected a date such as 2026-03-31, or with a time 2026-03-31 14:30")
    zone = (match[4] or "Z").replace("UTC", "Z")
    zone = "+00:00" if zone == "Z" else zone if ":" in zone else f"{zone[:3]}:{zone[3:]}"
    clock = f"{int(match[1] or 0):02}:{match[2] or '00'}:{match[3] or '00'}"
    try:
        found = datetime.fromisoformat(f"{day[0]:04}-{day[1]:02}-{day[2]:02}T{clock}{zone}")
    except ValueError:
        raise UnreadableCell("there is no such day or time") from None
    return found.astimezone(UTC)


def date_of_serial(number: Decimal, *, is_1904: bool) -> datetime:
    """The day that Excel counts by a number. Raises UnreadableCell."""
    if not _FIRST_SERIAL <= number <= _LAST_SERIAL:
        raise UnreadableCell("expected a date; the number is none that Excel counts days by")
    found = from_excel(float(number), CALENDAR_MAC_1904 if is_1904 else CALENDAR_WINDOWS_1900)
    assert isinstance(found, datetime), "a number above one is a day"
    return found.replace(tzinfo=UTC)


# -- coins --

_NAMES = {
    "bitcoin": "BTC",
    "ether": "ETH",
    "ethereum": "ETH",
    "tether": "USDT",
    "usd coin": "USDC",
    "solana": "SOL",
    "dogecoin": "DOGE",
    "litecoin": "LTC",
    "cardano": "ADA",
}
"""Full names that desks write; their symbols are older than any of our lists."""
_IN_BRACKETS = re.compile(r".*\(([^()\s]{1,32})\)")


def coin_of(text: str, known: frozenset[str]) -> str:
    """A coin as the venues call it. Raises UnreadableCell."""
    text = text.strip()
    if text in known:
        return text
    upper = text.upper()
    if upper in known:
        return upper
    if (name := _NAMES.get(text.casefold())) is not None:
        return name
    if (match := _IN_BRACKETS.fullmatch(text)) is not None:
        return coin_of(match[1], known)
    for coin in known:
        if coin.casefold() == text.casefold():
            return coin
    if is_asset(text):
        return text
    if is_asset(upper):
        return upper
    raise UnreadableCell("expected a coin such as BTC")


_YES = frozenset({"yes", "y", "true", "1", "x", "ja", "sim", "tak", "да", "wahr", "prawda", "✓"})
_NO = frozenset({"no", "n", "false", "0", "-", "nein", "nao", "não", "nie", "nej", "нет", "falsch"})


def yes_or_no(text: str) -> bool:
    """Raises UnreadableCell."""
    folded = text.casefold()
    if folded in _YES or folded in _NO:
        return folded in _YES
    raise UnreadableCell("expected yes or no")
