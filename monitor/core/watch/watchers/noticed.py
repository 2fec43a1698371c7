"""What was noticed or refused on the way into core becomes an alert, once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any

from monitor.core.alerts.catalogue import BOOK_LEFT_OUT, BOOK_REFUSED, ENDS
from monitor.core.alerts.state_alerts import CONTRADICTED
from monitor.core.alerts.trouble import FEW
from monitor.core.events.events import (
    API,
    BatchOfBook,
    BookEntry,
    ClockJumped,
    ClockSettled,
    Event,
    GroupClosed,
    GroupPut,
    GroupsPut,
    Noticed,
    NoticedPart,
    RatesChanged,
)
from monitor.core.events.rates import Late, late_words
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.watcher_states import Told
from monitor.core.money import plain
from monitor.core.refusal import Refused
from monitor.core.rules.product import Product
from monitor.core.text import MOST_NAMED, stamp
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.troubles import Troubles
from monitor.core.watch.watcher import Ground, Watcher

CLOCK_JUMP = "monitor.clock_jump"
CLOCK = "clock"
JUMP_POLICY = "deadlines follow the wall clock"
LINE_CHARS = 200
"""Of a line that such an alert names: fifty of them stay far under 20 kB."""


class NoticedWatch(Watcher):
    """Remembers for each kind and subject how often it was said, and the fingerprint of what was said last."""

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._told: dict[str, dict[str, Told]] = {}
        self.troubles = Troubles()
        """What was noticed and is not mended, with its text."""
        self._gathered: dict[str, dict[str, NoticedPart]] = {}
        """By source with a batch under way, and by subject: what core refused of it."""

    def kept(self) -> dict[str, dict[str, Told]]:
        """By kind and subject."""
        return {kind: dict(told) for kind, told in self._told.items()}

    def restore(self, memory: Memory) -> None:
        """Goes on counting."""
        self._told = {kind: dict(told) for kind, told in memory.watchers.noticed.items()}
        self.troubles.restore(memory.watchers.troubles)

    def awaken(self, at: datetime) -> None:
        """A jump that was said before a restart must not hide one that comes now."""
        self._clear(CLOCK_JUMP, CLOCK)

    def standing(self, kind: str) -> tuple[str, ...]:
        """Subjects of which a notice of a kind still holds. May be asked in any thread."""
        return tuple(place for place, told in list(self._told.get(kind, {}).items()) if told.last is not None)

    def take(self, event: Noticed | ClockJumped | ClockSettled | BatchOfBook, out: Outcome) -> None:
        """Something that the shell noticed, or that it is over."""
        if isinstance(event, Noticed) and event.kind == CONTRADICTED:
            self._ground.decides_by_column = False
        if isinstance(event, ClockJumped):
            self._jumped(event, out)
        elif isinstance(event, ClockSettled):
            out.memory_changed |= self._clear(CLOCK_JUMP, CLOCK)
        elif isinstance(event, BatchOfBook):
            self._gather(event, out)
        elif event.clears:
            is_news = self._clear(event.kind, event.subject)
            out.memory_changed |= is_news
            if is_news and event.kind in ENDS:
                self._say(ENDS[event.kind], event.subject, event.facts, None, out)
        elif event.parts:
            self._say_parts(event.kind, event.subject, event.facts, event.parts, out)
        elif event.members:
            self._say_of_many(event, out)
        else:
            self._say(event.kind, event.subject, event.facts, event.fingerprint, out)

    def _jumped(self, event: ClockJumped, out: Outcome) -> None:
        """The wall clock jumped: said once a direction."""
        facts = {"seconds": f"{event.seconds:.3f}", "wall": event.wall.isoformat(), "policy": JUMP_POLICY}
        self._say(CLOCK_JUMP, CLOCK, facts, "forward" if event.seconds > 0 else "backward", out)

    def refuse(self, event: Event, refused: Refused, out: Outcome) -> None:
        """The outcome answers a caller of the API. Nobody waits for an answer to a source: a refusal there is an alert."""
        out.refused = refused
        if not isinstance(event, GroupPut | GroupClosed | RatesChanged | BookEntry) or event.source == API:
            return
        source, why = event.source, {"problem": str(refused), "reason": refused.reason}
        if isinstance(event, BookEntry):
            why["problem"] = f"entry {event.id}: {refused}"
        if isinstance(event, RatesChanged):
            about, facts = event.product, {**why, "source": source, "product": event.product}
        else:
            about = event.group.id if isinstance(event, GroupPut) else event.group_id
            facts = {**why, "group": about, "source": source}
        if source not in self._gathered:
            self._say(BOOK_REFUSED, f"{source}#{about}", facts, why["problem"], out)
        else:
            self._gathered[source][f"{source}#{about}"] = NoticedPart(f"{source}#{about}", facts, why["problem"])

    def accept(self, event: GroupPut, out: Outcome) -> None:
        """A line that may have been refused is in order."""
        subject = f"{event.source}#{event.group.id}"
        self._gathered.get(event.source, {}).pop(subject, None)
        for kind in (BOOK_REFUSED, BOOK_LEFT_OUT):
            out.memory_changed |= self._clear(kind, subject)

    def accept_block(self, event: GroupsPut, rest: Collection[int], out: Outcome) -> None:
        """The lines of a batch are in order, all but those in the places of `rest`."""
        mine = f"{event.source}#"
        refused = [place for place in self.standing(BOOK_REFUSED) if place.startswith(mine)]
        taken = {id_ for i, id_ in enumerate(event.batch.ids()) if i not in rest} if refused else set()
        for place in refused:
            if place.removeprefix(mine) in taken:
                out.memory_changed |= self._clear(BOOK_REFUSED, place)

    def late_rates(self, event: RatesChanged, late: Sequence[Late], product: Product, out: Outcome) -> None:
        """Rates of a source came too late to be taken; where `late` is empty none does any more."""
        place = f"{event.source}#{event.product}"
        if not late:
            out.memory_changed |= self._clear(BOOK_REFUSED, place)
            return
        rows = [_shown(each) for each in late[:MOST_NAMED]]
        more = f" (and {len(late) - 1} more)" if len(late) > 1 else ""
        facts = {
            "problem": late_words(late[0], product) + more,
            "reason": "past",
            "source": event.source,
            "product": event.product,
            "rates": rows,
            "rates_cut": len(late) - len(rows),
        }
        self._say(BOOK_REFUSED, place, facts, f"{len(late)} rates: {rows}", out)

    def _say(self, kind: str, subject: str, facts: Mapping[str, Any], fingerprint: str | None, out: Outcome) -> None:
        """Raises the alert, unless the very same was said last."""
        told = self._told.setdefault(kind, {})
        count, last = told.get(subject, Told())
        if fingerprint is not None:
            self.troubles.note(kind, subject, facts, out.at)
        if fingerprint is None or fingerprint != last:
            told[subject] = Told(count + 1, fingerprint)
            raise_alert(out, self._ground.rules.name, Statement(kind, subject, count + 1, facts), out.at)

    def _say_of_many(self, event: Noticed, out: Outcome) -> None:
        """One alert about several subjects, unless the very same was said of each."""
        told = self._told.setdefault(event.kind, {})
        new = [s for s in event.members if event.fingerprint != told.get(s, Told()).last]
        for subject in event.members:
            self.troubles.note(event.kind, subject, event.facts, out.at)
        for subject in new:
            told[subject] = Told(told.get(subject, Told())[0] + 1, event.fingerprint)
        if new:
            self._say(event.kind, event.subject, event.facts, None, out)

    def _gather(self, event: BatchOfBook, out: Outcome) -> None:
        gathered = self._gathered.pop(event.source, {})
        if not event.ends:
            self._gathered[event.source] = {}
        if gathered:
            parts = tuple(gathered.values())
            self._say_parts(BOOK_REFUSED, f"{event.source}: groups", {"source": event.source}, parts, out)

    def _say_parts(
        self, kind: str, subject: str, facts: Mapping[str, Any], parts: Sequence[NoticedPart], out: Outcome
    ) -> None:
        """Each of many that is news: by itself, or all of them in one alert with a count."""
        told = self._told.setdefault(kind, {})
        new = [part for part in parts if part.fingerprint != told.get(part.subject, Told()).last]
        if len(new) <= FEW:
            for part in parts:
                self._say(kind, part.subject, part.facts, part.fingerprint, out)
            return
        for part in parts:
            self.troubles.note(kind, part.subject, part.facts, out.at)
        for part in new:
            told[part.subject] = Told(told.get(part.subject, Told()).times + 1, part.fingerprint)
        self._say(kind, subject, {**facts, **_of_many(new)}, None, out)

    def _clear(self, kind: str, subject: str) -> bool:
        """It is over. Returns whether that is news."""
        self.troubles.clear(kind, subject)
        told = self._told.get(kind, {})
        count, last = told.get(subject, Told())
        if last is not None:
            told[subject] = Told(count)
        return last is not None


def _of_many(parts: Sequence[NoticedPart]) -> dict[str, Any]:
    """What one alert says of many lines: how many, for which reasons, and the first of them."""
    reasons = Counter(str(part.facts["reason"]) for part in parts)
    lines = [f"{part.subject}: {part.facts['problem']}"[:LINE_CHARS] for part in parts[:MOST_NAMED]]
    return {
        "problem": f"{len(parts)} lines at once; the first: {lines[0]}",
        "reason": reasons.most_common(1)[0][0],
        "reasons": dict(sorted(reasons.items())),
        "count": len(parts),
        "lines": lines,
        "lines_cut": len(parts) - len(lines),
    }


def _shown(late: Late) -> dict[str, str]:
    return {
        "asset": late.row.asset,
        "effective": stamp(late.row.effective),
        "rate": plain(late.row.rate),
        "counted": plain(late.counted),
    }
