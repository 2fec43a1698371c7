"""The id of an alert: the same in every run, so that a receiver can drop what comes twice."""

from __future__ import annotations

import hashlib

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
"""Not three letters at a time: a table of so many texts is in no cache near the processor."""


def alert_id(name: str, subject: str, episode: int, sequence: int, type_: str) -> str:
    """`evt_` and 26 characters: the same alert has the same id in every run and after every restart (decision 13)."""
    digest = hashlib.sha256(f"{name}|{subject}|{episode}|{sequence}|{type_}".encode()).digest()
    # The first 130 bits in base 32, two letters at a time, as a storm has thousands of ids: 60 bits and 70.
    bits, p = int.from_bytes(digest[:17], "big") >> 6, _PAIRS
    a, b = bits >> 70, bits & (1 << 70) - 1
    return (
        f"evt_{p[a >> 50]}{p[a >> 40 & 1023]}{p[a >> 30 & 1023]}{p[a >> 20 & 1023]}{p[a >> 10 & 1023]}{p[a & 1023]}"
        f"{p[b >> 60]}{p[b >> 50 & 1023]}{p[b >> 40 & 1023]}{p[b >> 30 & 1023]}{p[b >> 20 & 1023]}{p[b >> 10 & 1023]}"
        f"{p[b & 1023]}"
    )
