"""Says when a coin, a product or a borrower is more of the book than the desk allows, and when it is so no more.

Looked at once a minute of the events' time, and only after a minute in which something happened. It is a deadline like any
other: firm, at the whole minute, on the prices in force until then. So it needs no memory beside what was said.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from monitor.core import deadlines
from monitor.core.alerts.alert import Alert
from monitor.core.deadlines import Agenda, Deadline
from monitor.core.events.events import Event, Noticed, OperatorAct, TimePassed
from monitor.core.groups.loan_book import LoanBook
from monitor.core.groups.outcome import Outcome
from monitor.core.groups.survey import Exposed, Exposures, Prices
from monitor.core.ids import alert_id
from monitor.core.money import ONE, plain
from monitor.core.portfolio.exposure import basis, by_of
from monitor.core.portfolio.snapshot import share_of
from monitor.core.prices.board import PriceBoard
from monitor.core.rules.product import MINUTE
from monitor.core.rules.settings import Rules
from monitor.core.text import plain_or_none

ABOVE, RESTORED = "exposure.concentration", "exposure.restored"
_KEY = f"{ABOVE}|"


class Concentration:
    """The deadline of the next look, and the alerts that it raises. `rules` is replaced by whoever changes the rules."""

    def __init__(
        self, rules: Rules, board: PriceBoard, planned: Agenda, book: LoanBook, notices: dict[str, tuple[int, str | None]]
    ) -> None:  # fmt: skip
        self.rules = rules
        self._board, self._agenda, self._book, self._notices = board, planned, book, notices
        said = (
            key.removeprefix(_KEY) for key, (_, last) in notices.items() if last is not None and key.startswith(_KEY)
        )
        self._above = dict.fromkeys(said)
        """Subjects that were said to be above their share, such as `asset:BTC`."""
        self._is_planned = False

    def plan(self, at: datetime) -> None:
        """Something happened at a time: shares may be others at the next whole minute."""
        if not self._is_planned and (self.rules.exposure.max_share or self._above):
            self._is_planned = True
            due = at - timedelta(seconds=at.second, microseconds=at.microsecond) + MINUTE
            self._agenda.set(deadlines.EXPOSURE, "", Deadline(due, deadlines.EXPOSURE, ""))

    def follow(self, event: Event) -> None:
        """An event was taken: all but the passing of time, notices and what operators say may have changed shares."""
        if not isinstance(event, TimePassed | Noticed | OperatorAct):
            self.plan(event.at)

    def look(self, at: datetime, out: Outcome) -> None:
        """The whole minute has come."""
        self._is_planned = False
        on, survey = Prices(self._board.usd, frozenset(self._board.untrusted)), self._book.survey(at, is_kept=False)
        seen: set[str] = set()
        for name, most in sorted(self.rules.exposure.max_share.items()):
            by = by_of(name)
            found = survey.exposures(by, on, (), has_distances=False)
            whole, eased = basis(found.total, by), most * (ONE - self.rules.lifecycle.clear_margin)
            for row in sorted((r for r in found.rows if r.key is not None), key=lambda r: str(r.key)):
                subject, part = f"{name}:{row.key}", basis(row.sums, by)
                seen.add(subject)
                if part > most * whole and subject not in self._above:
                    self._say(ABOVE, subject, _facts(name, row, found, most), at, out)
                elif part <= eased * whole and subject in self._above:
                    self._say(RESTORED, subject, _facts(name, row, found, most), at, out)
        for subject in [s for s in self._above if s not in seen]:
            # Nothing of it is left, or its share is not watched any more.
            self._say(RESTORED, subject, {"by": subject.partition(":")[0], "key": subject.partition(":")[2]}, at, out)

    def _say(self, type_: str, subject: str, facts: dict[str, Any], at: datetime, out: Outcome) -> None:
        key, is_above = _KEY + subject, type_ == ABOVE
        count = self._notices.get(key, (0, None))[0] + 1
        self._notices[key] = (count, "above" if is_above else None)
        if is_above:
            self._above[subject] = None
        else:
            del self._above[subject]
        alert = Alert(
            type=type_, id=alert_id(self.rules.name, subject, 0, count, type_), at=at, detected_at=out.at,
            subject=subject, sequence=count, episode=0, facts=facts,
        )  # fmt: skip
        out.alerts.append(alert)
        out.deskful = True


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
