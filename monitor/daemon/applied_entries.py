"""Which book entries were applied, by API or by a source: the same id about the same group counts once."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec

from monitor.core.alerts.catalogue import BOOK_REFUSED
from monitor.core.events.events import BookEntry, Event, Noticed
from monitor.core.groups.outcome import Sight
from monitor.core.groups.snapshot import Scope, sees
from monitor.core.watch.risk import RiskMonitor
from monitor.stores._base import Applied, Store, StoreUnavailable

RECENT_ENTRIES = 10_000
"""Entries remembered beside the store: more than can be between a look into the store and its commit."""

Stored = Mapping[tuple[str, str], Applied]
"""What the store knows of entries, by group and id."""


class AppliedEntries:
    """The store knows an entry only after the commit; a twin may come before that."""

    def __init__(self, monitor: RiskMonitor) -> None:
        self._monitor = monitor
        self._recent: dict[tuple[str, str], Applied] = {}
        """Each entry that was applied lately, by group and entry id."""

    def known(
        self, group_id: str, id: str, stored: Applied | None, now: Sight | None, scope: Scope = ()
    ) -> Applied | None:
        """The entry of this id, where it was applied before: in this life of the group, and as far as the scope sees it."""
        for known in (self._recent.get((group_id, id)), stored):
            if known is None or not sees(scope, known.labels):
                continue
            if now is None or now.state.life == known.life:
                return known
        return None

    def note(self, group_id: str, id: str, digest: str, at: datetime, after: Sight) -> Applied:
        """An entry was applied: what must be committed with it."""
        applied = Applied(group_id, id, digest, after.version, at, after.state.life, after.group.labels)
        self._recent[group_id, id] = applied
        if len(self._recent) > RECENT_ENTRIES:
            del self._recent[next(iter(self._recent))]
        return applied

    def repeated(self, event: BookEntry, stored: Stored) -> Event | bool:
        """Whether a source gives an entry again; where it gives another one of the same id, what is said of it."""
        now = self._monitor.sight(event.group_id)
        known = self.known(event.group_id, event.id, stored.get((event.group_id, event.id)), now)
        if known is None or known.digest == digest_of(event):
            return known is not None
        problem = (
            f"entry {event.id} of group {event.group_id} was applied before with another content; give it another id"
        )
        facts = {"problem": problem, "reason": "entry_conflict", "source": event.source, "group": event.group_id}
        return Noticed(event.at, BOOK_REFUSED, f"{event.source}: messages", facts, fingerprint=problem)


async def stored_of(store: Store, events: Sequence[Event]) -> Stored:
    """What the store knows of a batch. While it cannot be read, the position alone keeps entries from repeating."""
    found: dict[tuple[str, str], Applied] = {}
    try:
        for event in events:
            if isinstance(event, BookEntry):
                applied = await store.entry(event.group_id, event.id)
                if applied is not None:
                    found[event.group_id, event.id] = applied
    except StoreUnavailable:
        pass
    return found


def digest_of(event: BookEntry) -> str:
    """The same as of an entry that comes by API without a time of its own."""
    return hashlib.sha256(msgspec.json.encode((None, event.entry))).hexdigest()
