"""Watches the books that loans come from: the time of each, and the position from which its source goes on."""

from __future__ import annotations

from collections.abc import Mapping

from monitor.core.events.events import BookSeen
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import BookState, Told
from monitor.core.watch.watcher import Ground, Watcher


class BookWatch(Watcher):
    """What is known of the book of each source."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self.states: Mapping[str, BookState] = {}
        """By source; replaced as a whole, so that any thread may read it."""

    def kept(self) -> dict[str, BookState]:
        """By source."""
        return dict(self.states)

    def restore(self, memory: Memory) -> None:
        """Goes on where it was."""
        self.states = dict(memory.watchers.books)

    def take(self, event: BookSeen, out: Outcome) -> None:
        """A source has read its book, or a batch of it. A position and what led to it are one commit."""
        was = self.states.get(event.source)
        # A book that was read says nothing of the future: a source whose clock is ahead does not look fresher for it.
        as_of = min(event.as_of, event.at)
        state = BookState(as_of, event.at, event.position, event.version, was.told if was is not None else Told())
        self.states = {**self.states, event.source: state}
        # The time of the reading alone is kept with the next commit: after a restart the source reads again anyway.
        out.memory_changed |= was is None or (was.position, was.version) != (state.position, state.version)
