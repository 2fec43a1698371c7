"""Runs a tape or a recorded event log through the same core in virtual time. It sends nothing and opens no store."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

import msgspec

from monitor import contacts
from monitor.books._base import PlainReader
from monitor.books._lines import judge, lines_of
from monitor.core.alerts.alert import LoggedAlert
from monitor.core.alerts.catalogue import BOOK_LEFT_OUT, BOOK_REFUSED
from monitor.core.events.events import Event, GroupPut, MarkPrices, Noticed, RatesChanged
from monitor.core.groups.outcome import Outcome
from monitor.core.loans.loan_dates import DATES
from monitor.core.refusal import Refused
from monitor.core.rules.settings import Rules
from monitor.core.text import stamp
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon import event_log
from monitor.engine.book import ColumnarBook
from monitor.feeds._tapes.reader import Row
from monitor.replay.entries import EntryTape


class Replay:
    """A monitor and the alerts that it has raised so far, numbered from 1."""

    def __init__(self, rules: Rules) -> None:
        self.monitor = RiskMonitor(rules, book=ColumnarBook())
        self.cursor = 0
        self.refused: Refused | None = None
        """Why the book did not allow the last event."""

    def feed(self, event: Event) -> list[LoggedAlert]:
        """Handles one event. An alert is detected at the time of the event that decided it."""
        outcome = self.monitor.handle(event)
        self.refused = outcome.refused
        return self._logged(outcome)

    def _logged(self, outcome: Outcome) -> list[LoggedAlert]:
        logged = []
        for alert in outcome.alerts:
            self.cursor += 1
            logged.append(LoggedAlert(self.cursor, msgspec.structs.replace(alert, detected_at=alert.at)))
        return logged


def without_trust(rules: Rules) -> Rules:
    """The rules of a replay: every price of a tape is good, unless --trust is given."""
    return msgspec.structs.replace(rules, trust=msgspec.structs.replace(rules.trust, enabled=False))


Step = tuple[datetime, list[LoggedAlert]]
"""The time of an event, and its alerts."""


def tape(
    rules: Rules,
    book: Path,
    rows: Iterable[Row],
    rates: Iterable[RatesChanged] = (),
    entries: EntryTape | None = None,
    replay: Replay | None = None,
) -> Iterator[Step]:
    """Gives the rates and puts the book at the first row's time, then takes each row as one event.

    Entries are events of their own time; those of a row's time come before its prices. A caller that wants to look at groups
    and prices on the way passes a replay of its own.
    """
    replay = replay or Replay(rules)
    first = None
    last = None
    for at, quotes in rows:
        if first is None:
            first = at
            for given in rates:
                yield at, replay.feed(msgspec.structs.replace(given, at=at))
            for event in _puts(book, at, replay.monitor.rules):
                yield at, replay.feed(event)
        if entries is not None:
            yield from _entered(replay, entries, first, at)
        yield at, replay.feed(MarkPrices(at, tuple(quotes)))
        last = at
    if entries is not None:
        end = f"after the end of the tape, {stamp(last)}" if last else "but the tape has no rows"
        for placed in entries.rest():
            entries.refuse(placed, f"at: found {stamp(placed.event.at)}, {end}; it was not applied")


def nothing_played(path: Path) -> str:
    """The sentence about a tape without a row that can be played."""
    return f"{path}: no row of the tape could be played; there is nothing to report"


def _entered(replay: Replay, entries: EntryTape, first: datetime, at: datetime) -> Iterator[Step]:
    """Applies the entries up to a row's time, and names those that the book does not allow."""
    for placed in entries.until(at):
        if placed.event.at < first:
            why = f"at: found {stamp(placed.event.at)}, before the start of the tape, {stamp(first)}, when the book is put"
            entries.refuse(placed, f"{why}; state in the book what it changed")
            continue
        yield placed.event.at, replay.feed(placed.event)
        if replay.refused is not None:
            entries.refuse(placed, str(replay.refused))


def _puts(book: Path, at: datetime, rules: Rules) -> Iterator[Event]:
    """The lines of a book as events, judged as the daemon judges them. The first line of a group has its id."""
    first: dict[str, int] = {}
    reader = PlainReader(lambda: rules.products, contacts=contacts.problems)
    for number, raw in lines_of(book):
        id_, group, problem, reason, left_out, why = judge(raw, at, reader)
        if id_ is not None and first.setdefault(id_, number) != number and not problem:
            problem, reason = f"group {id_} is at line {first[id_]} already; one line a group", "duplicate_group"
        if problem or group is None:
            facts = {"problem": problem, "reason": reason, "source": "book"} | ({"group": id_} if id_ else {})
            yield Noticed(at, BOOK_REFUSED, f"{book}:{number}", facts, fingerprint=problem)
        else:
            yield GroupPut(at, group, "book")
            if why == DATES:
                facts = {"problem": left_out, "reason": why, "source": "book", "group": group.id}
                yield Noticed(at, BOOK_LEFT_OUT, f"{book}:{number}", facts, fingerprint=left_out)


class Recording:
    """A recorded event log, a file or a folder of files, folded again.

    `on_rules` gets the rules that render the alerts, `on_lost` a sentence about each part that is missing.
    """

    def __init__(self, path: Path, on_rules: Callable[[Rules], None], on_lost: Callable[[str], None]) -> None:
        self.replay: Replay | None = None
        """The monitor of the file that is being folded."""
        self._path = path
        self._on_rules = on_rules
        self._on_lost = on_lost
        self._cursor = 0

    def steps(self) -> Iterator[Step]:
        """The time and the alerts of each event. Raises event_log.Torn where the only file cannot be read to its end."""
        files = event_log.files(self._path)
        if not files:
            raise event_log.Torn(self._path, 0, "holds no file of an event log, events-<time>.jsonl or .jsonl.gz")
        for number, file in enumerate(files):
            try:
                yield from self._fold(file, self._committed(files[number + 1 :]))
            except event_log.Torn as e:
                if len(files) == 1:
                    raise
                self._on_lost(f"{e}; goes on with the next file, if there is one")

    def _fold(self, file: Path, committed: datetime | None) -> Iterator[Step]:
        """Each file begins with what core knew, so what an earlier one misses ends with it."""
        records = event_log.read(file)
        start = next(records, None)
        if not isinstance(start, event_log.Start):
            raise event_log.Torn(file, 1, "is empty; an event log begins with what core knew")
        self.replay = replay = Replay(start.rules)
        replay.cursor = self._cursor
        replay.monitor = RiskMonitor(start.rules, start.memory, ColumnarBook())
        if start.awakened:
            replay.monitor.awaken(start.at)
        self._on_rules(start.rules)
        for record in records:
            assert not isinstance(record, event_log.Start)
            if isinstance(record, event_log.RecordGap):
                self._on_lost(f"{file}: {record}")
                continue
            if committed is not None and record.at > committed:
                return
            alerts = replay.feed(record)
            self._cursor = replay.cursor
            self._on_rules(replay.monitor.rules)
            yield record.at, alerts

    def _committed(self, later: Sequence[Path]) -> datetime | None:
        """Until when the next start knew of a file's events; None where it knew them all, or keeps nothing at all.

        What a kill took between an event and its commit did not happen for the daemon: it raised those alerts again later.
        """
        try:
            start = event_log.start_of(later[0]) if later else None
        except event_log.Torn:
            return None
        return start.memory.at if start is not None and start.awakened and start.memory is not None else None


def recorded(path: Path, on_rules: Callable[[Rules], None], on_lost: Callable[[str], None]) -> Iterator[Step]:
    """Folds a file of the event log, or a folder of them. Raises event_log.Torn."""
    return Recording(path, on_rules, on_lost).steps()
