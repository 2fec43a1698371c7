"""Watches the books that loans come from: the time of each, the position of its source, and whether it was refreshed in time.

A book is as old as what it says, not as its last reading: a file that nobody writes any more grows old however often it is
read. What is old is still in force, as nothing better is known; the desk is told, and each group says so.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import msgspec

from monitor.core import deadlines
from monitor.core.alerts.trouble import Trouble
from monitor.core.deadlines import Deadline
from monitor.core.events.events import BookSeen
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import BookState, Told
from monitor.core.text import stamp
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.watcher import Ground, Watcher

STALE, OUTDATED, REFRESHED = "book.stale", "book.outdated", "book.refreshed"


class BookWatch(Watcher):
    """What is known of the book of each source, and what was said of it."""

    phases = (deadlines.BOOK,)

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.states: Mapping[str, BookState] = {}
        """By source; replaced as a whole, so that any thread may read it."""

    def troubles(self) -> tuple[Trouble, ...]:
        """The books that are older than their limits."""
        return tuple(_too_old(source, state) for source, state in self.states.items() if state.told.last is not None)

    def kept(self) -> dict[str, BookState]:
        """By source."""
        return dict(self.states)

    def restore(self, memory: Memory) -> None:
        """Goes on where it was."""
        self.states = dict(memory.watchers.books)
        self._plan_all(memory.at)

    def awaken(self, at: datetime) -> None:
        """Gives every book its full time to be read again, or for the first time, before the desk hears that it is old."""
        for source in self._ground.rules.books:
            self._keep(source, msgspec.structs.replace(self.states.get(source, BookState()), counts_from=at))
        self._plan_all(at)

    def configure(self, at: datetime) -> None:
        """Other limits, or none: what was said of a book without a limit is over."""
        self._plan_all(at)

    def take(self, event: BookSeen, out: Outcome) -> None:
        """A source has read its book, or a batch of it. A position and what led to it are one commit."""
        was = self.states.get(event.source, BookState())
        # A source whose clock is ahead of ours does not look fresher for it.
        state = BookState(min(event.as_of, event.at), event.at, event.position, event.version, told=was.told)
        self._keep(event.source, state)
        # The time of the reading alone is kept with the next commit: after a restart the source reads again anyway.
        is_first = was.seen_at is None
        out.memory_changed |= is_first or (was.position, was.version) != (state.position, state.version)
        self._look(event.source, event.at, out)

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """A book is older than its limit, or than twice its limit."""
        self._look(deadline.subject, deadline.at, out)

    def _look(self, source: str, at: datetime, out: Outcome) -> None:
        """Says what is new about the age of a book, and plans the next look."""
        state = self.states[source]
        word = self._word(source, state, at)
        if word is None and state.told.last is not None:
            self._say(REFRESHED, source, at, out)
        # One that was outdated and is merely old now is no news.
        elif word is not None and word != state.told.last and state.told.last != OUTDATED:
            self._say(word, source, at, out)
        self._plan(source, at)

    def _word(self, source: str, state: BookState, at: datetime) -> str | None:
        """What is to be said of a book: it is old, too old, or neither."""
        limit = self._ground.rules.books.get(source)
        since = _since(state)
        if limit is None or since is None or at < since + limit:
            return None
        return OUTDATED if at >= since + 2 * limit else STALE

    def _plan_all(self, at: datetime) -> None:
        for source in self._ground.rules.books:
            if source not in self.states:
                self._keep(source, BookState(counts_from=at))
        for source in self.states:
            self._plan(source, at)

    def _plan(self, source: str, at: datetime) -> None:
        """Looks at a book when it will be too old, and now where other rules make another word of it.

        A late deadline: a reading of its very time comes first.
        """
        state = self.states[source]
        limit, since = self._ground.rules.books.get(source), _since(state)
        word, last = self._word(source, state, at), state.told.last
        due = None
        if word != last and not (word == STALE and last == OUTDATED):
            due = at
        elif limit is not None and since is not None and last != OUTDATED:
            due = since + limit * (1 if last is None else 2)
        deadline = Deadline(due, deadlines.BOOK, source) if due is not None else None
        self._ground.agenda.set(deadlines.BOOK, source, None, deadline)

    def _say(self, type_: str, source: str, at: datetime, out: Outcome) -> None:
        state, limit = self.states[source], self._ground.rules.books.get(source)
        count = state.told.times + 1
        self._keep(source, msgspec.structs.replace(state, told=Told(count, None if type_ == REFRESHED else type_)))
        raise_alert(out, self._ground.rules.name, Statement(type_, source, count, _facts(source, state, limit, at)), at)

    def _keep(self, source: str, state: BookState) -> None:
        self.states = {**self.states, source: state}


def _since(state: BookState) -> datetime | None:
    """From when its limit counts: the time of the book, but after a start it has its full time to be read."""
    times = [t for t in (state.as_of, state.counts_from) if t is not None]
    return max(times, default=None)


def _too_old(source: str, state: BookState) -> Trouble:
    assert state.told.last is not None
    since = state.as_of or state.counts_from
    assert since is not None, "a book grows old from some time on"
    text = f"not refreshed since {stamp(state.as_of) if state.as_of is not None else 'the start'}"
    return Trouble(kind=state.told.last, subject=source, since=since, text=text, reason="stale", source=source)


def _facts(source: str, state: BookState, limit: timedelta | None, at: datetime) -> dict[str, Any]:
    facts: dict[str, Any] = {"source": source}
    if state.as_of is not None:
        facts |= {"as_of": stamp(state.as_of), "age_s": int((at - state.as_of).total_seconds())}
    if limit is not None:
        facts["limit_s"] = int(limit.total_seconds())
    return facts | ({"version": state.version} if state.version else {})
