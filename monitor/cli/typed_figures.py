"""Numbers as people type them at a terminal, made plain for the monitor.

It takes what the page takes (decision 107). A terminal has no buttons and knows no reader's language, so what may mean two
things is refused with both ways to write it (decision 158).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal
from typing import NamedTuple

from monitor.cli.options import asset_value
from monitor.client import NoAnswer
from monitor.core.money import plain as plainly

_SPACES = re.compile(r"[\u00a0\u2009\u202f'\u2019]")
_SPACED = re.compile(r"[+-]?\d{1,3}( \d{3})+([.,]\d*)?", re.ASCII)
_GROUPS = re.compile(r"\d{1,3}([.,]\d{3})+", re.ASCII)
_NUMBER = re.compile(r"([+-]?)((?=[\d.,]*\d)[\d.,]+)", re.ASCII)
_EXPONENT = re.compile(r"\d+(?:\.\d+)?[eE][+-]?\d{1,2}", re.ASCII)
_SHOCKS = ("--shock", "--x", "--y")
ALL_OF_IT = 100
"""Percent."""


class NoFigure(Exception):
    """A text that is no number, or may be two; says what to type in its place."""


class _Typed(NamedTuple):
    sign: str
    digits: str
    is_percent: bool
    is_usd: bool


def shock_of(text: str) -> str:
    """What is typed for another price: a change (`-20%`, `-20`, `20 %`), or the price (`30,000`, `0.97`). Raises NoFigure.

    A script states what the API takes, and is understood as the API does: `20%` is a rise, `20` is a price.
    """
    if _EXPONENT.fullmatch(text):
        return text
    of = _typed(text, "a change such as -20% or a price in USD such as 30000")
    if of.is_usd and (of.is_percent or of.sign == "-"):
        raise NoFigure("expected a change in percent such as -20%, or a price that is not below nothing, such as 30000")
    if of.is_usd:
        return of.digits
    value = Decimal(of.digits)
    if of.sign or of.is_percent:
        if of.sign == "-" and value > ALL_OF_IT:
            raise NoFigure("nothing falls by more than 100 %; expected a change such as -20%")
        return f"{of.sign if of.sign == '-' else ''}{of.digits}%"
    return of.digits


def quantity_of(text: str, coin: str) -> str:
    """What is typed for a quantity of a coin, or of USD. Raises NoFigure."""
    if _EXPONENT.fullmatch(text):
        return text
    bare = text.strip()
    if bare.casefold().endswith(coin.casefold()):
        bare = bare[: -len(coin)]
    example = f"a quantity of {coin} such as 50000 or 0.5"
    of = _typed(bare, example)
    if of.is_percent or of.is_usd or of.sign == "-":
        raise NoFigure(f"expected {example}")
    return of.digits


def share_of(text: str) -> str:
    """A share as `0.25` or `25 %`. Raises NoFigure."""
    if "%" not in text:
        return text
    of = _typed(text, "a share such as 25% or 0.25")
    if of.is_usd or of.sign == "-":
        raise NoFigure("expected a share such as 25% or 0.25")
    return plainly(Decimal(of.digits).scaleb(-2))


def quantity(flag: str, value: str, coin: str) -> str:
    """A quantity of one flag alone; the monitor says what is wrong with one below nothing. Raises NoAnswer."""
    if value.startswith("-"):
        return value
    try:
        return quantity_of(value, coin)
    except NoFigure as e:
        raise NoAnswer(f"{flag}: found {value!r}: {e}", is_wrong_use=True) from None


def changes(flag: str, texts: Sequence[str], problems: list[str]) -> dict[str, str]:
    """What several ASSET=VALUE state, by coin: shocks of `--shock`, else quantities; notes what cannot be read."""
    found: dict[str, str] = {}
    for text in texts:
        before = len(problems)
        asset, value = asset_value(flag, text, problems)
        if len(problems) > before:
            continue
        try:
            found[asset] = shock_of(value) if flag in _SHOCKS else quantity_of(value, asset)
        except NoFigure as e:
            problems.append(f"{flag}: found {text!r}: {e}")
    return found


def _typed(text: str, expected: str) -> _Typed:
    """The number and its unit. Raises NoFigure."""
    signs = re.sub(r"^([+-])\s+", r"\1", re.sub(r"[\u2212\u2013\u2014]", "-", text.strip()))
    bare = re.sub(r"\s*(%|percent|usd)$", "", signs.replace("$", ""), flags=re.IGNORECASE).strip()
    is_percent = re.search(r"(%|percent)$", signs, re.IGNORECASE) is not None
    is_usd = "$" in signs or re.search(r"usd$", signs, re.IGNORECASE) is not None
    joined = _SPACES.sub(" ", bare)
    found = _NUMBER.fullmatch(joined.replace(" ", "") if _SPACED.fullmatch(joined) else joined)
    if found is None:
        raise NoFigure(f"expected {expected}")
    return _Typed(found[1], _plain(found[2], expected, is_percent=is_percent), is_percent, is_usd)


def _plain(digits: str, expected: str, *, is_percent: bool) -> str:
    """Digits with a point at most. Raises NoFigure where the marks may mean two things, or nothing."""
    marks = re.sub(r"\d", "", digits)
    if not marks:
        return digits
    whole, _, fraction = digits.replace(",", ".").rpartition(".")
    is_mixed, is_groups = len(set(marks)) == 2, _GROUPS.fullmatch(digits) is not None
    if is_mixed or len(marks) > 1:
        of_whole = digits[: len(whole)]
        if is_mixed and _GROUPS.fullmatch(of_whole) and marks[-1] not in of_whole:
            return f"{whole.replace('.', '')}.{fraction}" if fraction else whole.replace(".", "")
        if not is_mixed and is_groups:
            return re.sub(r"[.,]", "", digits)
        raise NoFigure(f"expected {expected}")
    # The API's own form has a point, and a fraction has no zero at its end.
    if is_groups and not whole.startswith("0") and not is_percent and (marks == "," or fraction.endswith("0")):
        short = f"{whole}.{fraction}".rstrip("0").rstrip(".")
        small = short if short != f"{whole}.{fraction}" else f"{short}0"
        raise NoFigure(f"may be {small} or {int(whole + fraction):,}; write {small} or {whole}{fraction}")
    return f"{whole or '0'}.{fraction}" if fraction else whole
