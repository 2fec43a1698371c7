"""Names that price many coins at once: 1000SHIB is a thousand SHIB, 1MBABYDOGE a million BABYDOGE, and 1INCH is a coin."""

from __future__ import annotations

import re
from decimal import Decimal

from monitor.core.money import EXACT
from monitor.core.prices.quote import HIGHEST, LOWEST, BadPrice, price

_MULTIPLE = re.compile(r"1(0{3,}|M)([A-Z][A-Z0-9]*)", re.ASCII)
_LOOKS_MULTIPLE = re.compile(r"10{3}|1M[A-Z]", re.ASCII)


def is_multiple(name: str) -> bool:
    """Whether the name can be split into a power of ten and a coin."""
    return _MULTIPLE.fullmatch(name) is not None


def looks_multiple(name: str) -> bool:
    """Whether the name begins like one. Without a table nobody can tell whether it is a multiple or a coin of its own."""
    return _LOOKS_MULTIPLE.match(name) is not None


def multiple(name: str) -> tuple[str, int]:
    """The coin and the power of ten: 1000SHIB quotes a thousand SHIB, 1MBABYDOGE a million BABYDOGE."""
    match = _MULTIPLE.fullmatch(name)
    assert match is not None, "the name was checked"
    return match[2], 6 if match[1] == "M" else len(match[1])


def per_coin(text: object, power: int) -> Decimal:
    """The price of one coin. To divide by a power of ten moves the point and loses no digit. Raises BadPrice."""
    value = price(text)
    if power:
        value = value.scaleb(-power, EXACT)
        if not LOWEST <= value <= HIGHEST:
            raise BadPrice("out_of_range", text)
    return value
