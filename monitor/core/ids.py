"""The id of an alert: the same in every run, so that a receiver can drop what comes twice."""

from __future__ import annotations

import hashlib

_LETTERS = "abcdefghijklmnopqrstuvwxyz234567"
_PAIRS = [first + second for first in _LETTERS for second in _LETTERS]
_SHIFTS = range(120, -1, -10)


def alert_id(name: str, subject: str, episode: int, sequence: int, type_: str) -> str:
    """`evt_` and 26 characters: the same alert has the same id in every run and after every restart (decision 13)."""
    digest = hashlib.sha256(f"{name}|{subject}|{episode}|{sequence}|{type_}".encode()).digest()
    # The first 130 bits in base 32, two letters at a time: a storm has thousands of ids.
    bits = int.from_bytes(digest[:17], "big") >> 6
    return "evt_" + "".join([_PAIRS[bits >> shift & 1023] for shift in _SHIFTS])
