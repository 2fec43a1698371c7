"""What a coin may be called: what its venue calls it, in letters of any script, as long as no two names look alike.

Case counts: wstETH is a coin, and WSTETH would be another one.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

LONGEST = 32
"""Characters. The longest names in use are those of pool tokens, some 25."""
EXPECTED = f"the name of a coin, such as BTC or wstETH: at most {LONGEST} letters, digits, dots and dashes"
_PLAIN = re.compile(rf"[A-Za-z0-9][A-Za-z0-9._+-]{{0,{LONGEST - 1}}}", re.ASCII)
_JOINERS = "._+-"
_ALIKE = {"LATIN", "CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE"}
"""Scripts whose letters look like each other's."""


def is_coin(text: str) -> bool:
    """A coin may be called that."""
    return _PLAIN.fullmatch(text) is not None or coin_problem(text) is None


@lru_cache(maxsize=4096)
def coin_problem(text: str) -> str | None:
    """What was expected in place of a text that can be no coin's name, or None."""
    if _PLAIN.fullmatch(text):
        return None
    if not text or len(text) > LONGEST:
        return EXPECTED
    if not text.isascii() and (problem := _hidden_or_alike(text)) is not None:
        return problem
    is_fine = all(c in _JOINERS or _is_sign(c) or _kind(c) == "M" for c in text)
    return None if is_fine and _is_sign(text[0]) else EXPECTED


def _hidden_or_alike(text: str) -> str | None:
    """Why a name is not what it seems to be."""
    for c in text:
        if _kind(c) == "C":
            return f"no control or invisible character; take out U+{ord(c):04X}"
        if _kind(c) == "Z":
            return f"no white space; take out U+{ord(c):04X}"
    if not unicodedata.is_normalized("NFC", text):
        return f"the normal form NFC; write {unicodedata.normalize('NFC', text)!r} with composed characters"
    if not unicodedata.is_normalized("NFKC", text):
        return f"ordinary letters and digits; write {unicodedata.normalize('NFKC', text)!r}"
    scripts = sorted({script for c in text if (script := unicodedata.name(c, "").split(" ")[0]) in _ALIKE})
    if len(scripts) > 1:
        return (
            f"letters of one script; this mixes {' and '.join(s.capitalize() for s in scripts)} letters that look alike"
        )
    return None


def _is_sign(c: str) -> bool:
    """A letter, a digit, or the sign of a currency as in USD₮0."""
    return _kind(c) in "LN" or (c != "$" and unicodedata.category(c) == "Sc")


def _kind(c: str) -> str:
    return unicodedata.category(c)[0]


def typed(text: str) -> str:
    """The coin that a person means at a prompt: small letters alone are taken as capitals, anything else as it stands."""
    return text.upper() if text.isascii() and text.islower() else text


def otherwise_written(name: str, known: Iterable[str]) -> tuple[str, ...]:
    """The known coins whose names differ from this one in capitals alone, in order. They are other coins."""
    folded = name.casefold()
    return tuple(sorted(coin for coin in known if coin != name and coin.casefold() == folded))
