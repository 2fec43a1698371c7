"""What was noticed or refused on the way into core becomes an alert, once."""

from __future__ import annotations

from monitor.core.events.events import API, Event, GroupClosed, GroupPut, Noticed, RatesChanged
from monitor.core.groups.outcome import Outcome
from monitor.core.refusal import Refused
from monitor.core.watch import compose


class Notices:
    """`said` remembers by `kind|subject` how often it was said, and the fingerprint of what was said last."""

    def __init__(self, name: str, said: dict[str, tuple[int, str | None]]) -> None:
        self._name, self.said = name, said

    def take(self, event: Noticed, out: Outcome) -> None:
        """Raises the alert of something noticed, unless the very same was said last."""
        alert, has_changed = compose.notice(self._name, self.said, event)
        out.alerts += [alert] if alert else []
        out.deskful |= has_changed

    def refuse(self, event: Event, refused: Refused, out: Outcome) -> None:
        """Whoever asked is told by the outcome; what a source states, and nobody waits for, becomes an alert."""
        out.refused = refused
        if isinstance(event, GroupPut | GroupClosed | RatesChanged) and event.source != API:
            self.take(compose.refusal(event, refused), out)
