"""The id of an alert: the same in every run, so that a receiver can drop what comes twice."""

from __future__ import annotations

import base64
import hashlib


def alert_id(name: str, subject: str, episode: int, sequence: int, type_: str) -> str:
    """`evt_` and 26 characters: the same alert has the same id in every run and after every restart (decision 13)."""
    digest = hashlib.sha256("|".join((name, subject, str(episode), str(sequence), type_)).encode()).digest()
    return "evt_" + base64.b32encode(digest).decode().lower()[:26]
