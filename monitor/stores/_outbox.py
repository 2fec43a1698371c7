"""Which deliveries a commit makes and which it cancels: one rule for every database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Any

import msgspec

from monitor.core.alerts.alert import Alert, LoggedAlert
from monitor.core.alerts.catalogue import GOOD_STAGE_NEWS, STAGE_NEWS
from monitor.core.instants import micros_of
from monitor.stores._base import Delivery, Target, owed
from monitor.stores._new_deliveries import new_deliveries
from monitor.stores._rows import delivery_row

GROUP_NEWS = "loan_group."
Keys = list[tuple[int, str]]
"""Deliveries by cursor and id."""


def subjects_of(alerts: Sequence[Alert]) -> tuple[set[str], set[str]]:
    """The groups of which there is news of a stage, and those of which it is good."""
    news = {a.subject for a in alerts if a.type in STAGE_NEWS}
    return news, {a.subject for a in alerts if a.type in GOOD_STAGE_NEWS}


class Outbox:
    """The deliveries that a commit makes and cancels: decided alert by alert in memory, then written together.

    Stage news cancels all undelivered notices of its group, on every channel. Good news goes only to channels where the
    bad news of the episode was attempted, and to all of these.
    """

    def __init__(
        self,
        at: datetime,
        pending: defaultdict[str, Keys],
        told: defaultdict[tuple[str, int], list[Target]],
    ) -> None:
        """`pending`: the undelivered notices of each group; `told`: by group and episode, who heard it."""
        self.at = at
        self.pending = pending
        """Once all alerts are added: the new notices of each group that are to be delivered."""
        self.news: set[str] = set()
        """Groups with news of a stage."""
        self.made: dict[str, Delivery] = {}
        self.cancelled: dict[str, None] = {}
        self._told = told

    def add(self, logged: LoggedAlert, targets: Iterable[Target]) -> None:
        """What one alert does; alerts come in the order of the log."""
        alert = logged.alert
        type_, subject = alert.type, alert.subject
        if type_ in STAGE_NEWS:
            self._supersede(subject)
        if type_ in GOOD_STAGE_NEWS:
            targets = owed(targets, self._told.get((subject, alert.episode), ()))
        made = new_deliveries(logged, targets, self.at)
        if made:
            self.made.update(made)
            if type_.startswith(GROUP_NEWS):
                self.pending[subject] += [(logged.cursor, id) for id in made]

    def _supersede(self, subject: str) -> None:
        self.news.add(subject)
        for _, id in sorted(self.pending.pop(subject, ())):
            self.cancelled[id] = None
            if id in self.made:
                self.made[id] = msgspec.structs.replace(self.made[id], state="superseded")

    def rows(self) -> Iterator[tuple[Any, ...]]:
        """The new deliveries, in the order of the columns."""
        at = micros_of(self.at)
        # Nearly all are due at once: the times of a commit are worked out once.
        for made in self.made.values():
            yield delivery_row(made, at if made.due_at is self.at else micros_of(made.due_at), at)

    def older_cancelled(self) -> list[str]:
        """The ids of those that an earlier commit made, and this one cancels."""
        return [id for id in self.cancelled if id not in self.made]


def key_of(id: str) -> tuple[int, str]:
    """Cursor and id, by which a delivery is found; a text that is no id of ours gets a cursor that no alert has."""
    cursor = id.removeprefix("dlv_").partition("_")[0]
    return int(cursor) if cursor.isascii() and cursor.isdigit() and len(cursor) < 19 else -1, id
