"""Keeps what was noticed and is not mended: what is in force of `Noticed` events, with its text and since when."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import islice
from typing import Any

import msgspec

from monitor.core.alerts.trouble import STATES, Trouble, trouble_of

MOST = 10_000
"""In memory; more of one book are one cause, and its alert says how many there are."""
MOST_KEPT = 200
"""In each commit, as what a source refuses it says again when it reads its book after a start: 80 kB."""


class Troubles:
    """By kind and subject, in the order in which they came."""

    def __init__(self) -> None:
        self._known: dict[tuple[str, str], Trouble] = {}
        self._all: tuple[Trouble, ...] | None = ()

    def note(self, kind: str, subject: str, facts: Mapping[str, Any], at: datetime) -> None:
        """Something is not in order, or still is not: then it lasts since it was found first."""
        if kind not in STATES:
            return
        key = (kind, subject)
        before = self._known.get(key)
        if before is None and len(self._known) >= MOST:
            return
        found = trouble_of(kind, subject, facts, before.since if before is not None else at)
        if found != before:
            self._known[key] = found
            self._all = None

    def clear(self, kind: str, subject: str) -> None:
        """It is mended."""
        if self._known.pop((kind, subject), None) is not None:
            self._all = None

    def all(self) -> tuple[Trouble, ...]:
        """All of them; made again only where some came or went."""
        if self._all is None:
            self._all = tuple(self._known.values())
        return self._all

    def kept(self) -> tuple[Trouble, ...]:
        """What a restart gets: the oldest."""
        return tuple(msgspec.structs.replace(each, cells=()) for each in islice(self._known.values(), MOST_KEPT))

    def restore(self, kept: Iterable[Trouble]) -> None:
        """Goes on where it was."""
        self._known = {(each.kind, each.subject): each for each in kept}
        self._all = None
