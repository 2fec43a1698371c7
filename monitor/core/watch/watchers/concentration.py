"""Says when a coin, a product or a borrower is more of the book than the desk allows, and when it no longer is.

Looked at once a minute of the events' time, and only after a minute in which shares may have changed. It is a deadline like
any other: firm, at the whole minute, on the prices in force until then. So all that it remembers is what was said.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from monitor.core import deadlines
from monitor.core.deadlines import Deadline
from monitor.core.events.events import (
    BookSeen,
    ClockJumped,
    ClockSettled,
    ClockStood,
    Event,
    LenderSaid,
    Noticed,
    OperatorAct,
    PriceSilent,
    TimePassed,
)
from monitor.core.groups.outcome import Memory, Outcome
from monitor.core.groups.snapshot import Exposed, Exposures, Prices
from monitor.core.groups.watcher_states import Told
from monitor.core.money import ONE, plain
from monitor.core.portfolio.exposure import basis, by_of
from monitor.core.portfolio.snapshot import share_of
from monitor.core.rules.product import MINUTE
from monitor.core.text import plain_or_none
from monitor.core.watch.compose import Statement, raise_alert
from monitor.core.watch.watcher import BookChange, Ground, Watcher

ABOVE, RESTORED = "exposure.concentration", "exposure.restored"
_CHANGES_NO_SHARE = (
    TimePassed | ClockJumped | ClockSettled | ClockStood | PriceSilent | Noticed | OperatorAct | BookSeen | LenderSaid
)


class Concentration(Watcher):
    """The deadline of the next look, and the alerts that it raises."""

    phases = (deadlines.EXPOSURE,)

    def __init__(self, ground: Ground) -> None:
        self._ground = ground
        self._told: dict[str, Told] = {}
        """By subject, such as `asset:BTC`: whether it is said to be above its share."""
        self._is_planned = False

    def kept(self) -> dict[str, Told]:
        """By subject."""
        return dict(self._told)

    def restore(self, memory: Memory) -> None:
        """Goes on counting, and looks again at what is above its share."""
        self._told = dict(memory.watchers.concentration)
        self.plan(memory.at)

    def plan(self, at: datetime) -> None:
        """Shares may be others at the next whole minute."""
        if not self._is_planned and (self._ground.rules.exposure.max_share or self._above()):
            self._is_planned = True
            due = at - timedelta(seconds=at.second, microseconds=at.microsecond) + MINUTE
            self._ground.agenda.set(deadlines.EXPOSURE, "", Deadline(due, deadlines.EXPOSURE, ""))

    def follow(self, event: Event) -> None:
        """An event was handled. Most may have changed shares; clocks, notices, operators and silence change none."""
        if not isinstance(event, _CHANGES_NO_SHARE):
            self.plan(event.at)

    def observe(self, change: BookChange, out: Outcome) -> None:
        """Interest was added, or a version came into force: both come as deadlines, not as events."""
        if change.renewed:
            self.plan(change.at)

    def due(self, deadline: Deadline, out: Outcome) -> None:
        """The whole minute has come."""
        self._is_planned = False
        at, rules, board = deadline.at, self._ground.rules, self._ground.board
        on = Prices(board.usd, frozenset(board.untrusted))
        snapshot = self._ground.book.snapshot(at, is_kept=False)
        seen: set[str] = set()
        above = self._above()
        for name, most in sorted(rules.exposure.max_share.items()):
            by = by_of(name)
            found = snapshot.exposures(by, on, (), has_distances=False)
            if (
                snapshot.is_partial
            ):  # shares of a part of the book say nothing of the whole; the next minute looks again
                self.plan(at)
                return
            whole, eased = basis(found.total, by), most * (ONE - rules.lifecycle.clear_margin)
            for row in sorted((r for r in found.rows if r.key is not None), key=lambda r: str(r.key)):
                subject, part = f"{name}:{row.key}", basis(row.sums, by)
                seen.add(subject)
                if part > most * whole and subject not in above:
                    self._say(ABOVE, subject, _facts(name, row, found, most), at, out)
                elif part <= eased * whole and subject in above:
                    self._say(RESTORED, subject, _facts(name, row, found, most), at, out)
        for subject in (s for s in above if s not in seen):
            # Nothing of it is left, or its share is not watched any more.
            by_name, _, key = subject.partition(":")
            self._say(RESTORED, subject, {"by": by_name, "key": key}, at, out)

    def _above(self) -> list[str]:
        return [subject for subject, told in self._told.items() if told.last is not None]

    def _say(self, type_: str, subject: str, facts: dict[str, Any], at: datetime, out: Outcome) -> None:
        # The subject said last stands last: what is restored in one look is said in the order in which it went above.
        count = self._told.pop(subject, Told()).times + 1
        self._told[subject] = Told(count, "above" if type_ == ABOVE else None)
        raise_alert(out, self._ground.rules.name, Statement(type_, subject, count, facts), at)


def _facts(name: str, row: Exposed, found: Exposures, most: Decimal) -> dict[str, Any]:
    by = by_of(name)
    part, whole = basis(row.sums, by), basis(found.total, by)
    facts = {
        "by": name,
        "key": row.key,
        "share": plain_or_none(share_of(part, whole)),
        "max_share": plain(most),
        "of": "market_usd" if name == "asset" else "debt_usd",
        "value_usd": plain(part),
        "total_usd": plain(whole),
        "groups": row.sums.groups,
    }
    return facts if found.are_sums_exact else {**facts, "sums": "indicative"}
