"""Runs a tape or a recorded event log through the same core, in virtual time; nothing is sent and no store is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from pathlib import Path

import msgspec

from monitor import eventlog
from monitor.books.base import PlainReader
from monitor.books.lines import judge, lines_of
from monitor.core.alerts import LoggedAlert
from monitor.core.events import Event, GroupPut, MarkPrices, Noticed, RatesChanged
from monitor.core.outcome import Outcome
from monitor.core.prices import Quote
from monitor.core.product import Rules
from monitor.core.risk import RiskMonitor
from monitor.engine.book import ColumnarBook

Row = tuple[datetime, list[Quote]]


class Replay:
    """A monitor and the alerts that it has raised so far, numbered from 1."""

    def __init__(self, rules: Rules) -> None:
        self.monitor = RiskMonitor(rules, book=ColumnarBook())
        self.cursor = 0

    def feed(self, event: Event) -> list[LoggedAlert]:
        """Handles one event; alerts are detected at the time of what decided."""
        return self._logged(self.monitor.handle(event))

    def _logged(self, outcome: Outcome) -> list[LoggedAlert]:
        logged = []
        for alert in outcome.alerts:
            self.cursor += 1
            logged.append(LoggedAlert(self.cursor, msgspec.structs.replace(alert, detected_at=alert.at)))
        return logged


def without_trust(rules: Rules) -> Rules:
    """The rules of a replay: every price of a tape is good, unless --trust is given."""
    return msgspec.structs.replace(rules, trust=msgspec.structs.replace(rules.trust, enabled=False))


def tape(
    rules: Rules, book: Path, rows: Iterable[Row], rates: Iterable[RatesChanged] = (), replay: Replay | None = None
) -> Iterator[tuple[datetime, list[LoggedAlert]]]:
    """Gives rates and puts the book at the first row's time, then takes each row as one event. Yields (time, alerts) per
    event. Whoever wants to look at groups and prices on the way hands in the replay."""
    replay = replay or Replay(rules)
    is_first = True
    for at, quotes in rows:
        if is_first:
            is_first = False
            for given in rates:
                yield at, replay.feed(msgspec.structs.replace(given, at=at))
            for event in _puts(book, at, replay.monitor.rules):
                yield at, replay.feed(event)
        yield at, replay.feed(MarkPrices(at, tuple(quotes)))


def _puts(book: Path, at: datetime, rules: Rules) -> Iterator[Event]:
    """The lines of a book as events, judged as the daemon judges them; the first line of a group has it."""
    first: dict[str, int] = {}
    parse = PlainReader(lambda: rules.products).parse
    for number, raw in lines_of(book):
        id_, group, problem, reason = judge(raw, at, parse)
        if id_ is not None and first.setdefault(id_, number) != number and not problem:
            problem, reason = f"group {id_} is at line {first[id_]} already; one line a group", "duplicate_group"
        if problem or group is None:
            facts = {"problem": problem, "reason": reason, "source": "book"} | ({"group": id_} if id_ else {})
            yield Noticed(at, "book.refused", f"{book}:{number}", facts, fingerprint=problem)
        else:
            yield GroupPut(at, group, "book")


def recorded(path: Path, on_rules: Callable[[Rules], None]) -> Iterator[tuple[datetime, list[LoggedAlert]]]:
    """Folds a file of the event log. Raises eventlog.Torn. `on_rules` hears of the rules that render its alerts."""
    records = eventlog.read(path)
    start = next(records, None)
    if not isinstance(start, eventlog.Start):
        raise eventlog.Torn(path, 1, "is empty; an event log begins with what core knew")
    replay = Replay(start.rules)
    replay.monitor = RiskMonitor(start.rules, start.memory, ColumnarBook())
    if start.awakened:
        replay.monitor.awaken(start.at)
    on_rules(start.rules)
    for record in records:
        assert not isinstance(record, eventlog.Start)
        alerts = replay.feed(record)
        on_rules(replay.monitor.rules)
        yield record.at, alerts
