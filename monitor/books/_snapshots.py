"""Turns the readings of a source into events: what is new or changed, what vanished, and what cannot be used.

`Comparison` is what every source shares that reads lines again and again: it remembers a hash of each line in force, packs
what is new, and says each problem once. `Snapshots` stands on it, for sources whose rows are in memory.
"""

from __future__ import annotations

import hashlib
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import islice
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

from monitor.books._base import KeptBook, Reader
from monitor.books._line_memory import LineMemory, PlainLineMemory
from monitor.books._lines import PAGE_LINES, Judged, judge
from monitor.books._unchanged import LineSums, Summed
from monitor.core.alerts.catalogue import BOOK_LEFT_OUT, BOOK_REFUSED
from monitor.core.alerts.trouble import CELLS, FEW, bad_cell
from monitor.core.events.events import Event, GroupClosed, GroupPut, GroupsPut, Noticed, NoticedPart
from monitor.core.loans.group import GroupBatch
from monitor.core.schema import Problem

_PACKED_LINES = 1000  # a page with fewer new lines is read line by line
_COMPACT_ROWS = 50_000  # from here on a memory of arrays takes a tenth of what dictionaries take
_encode = msgspec.json.Encoder(order="deterministic").encode


class Place(NamedTuple):
    """What is said of a place in a book: `kind` is the type of the alert, `subject` the book and the line."""

    kind: str
    subject: str


class RefusedLine(NamedTuple):
    """A line or a whole book to refuse, or a part of a line to leave out; `reason` is a counter's label."""

    problem: str
    fingerprint: str
    reason: str
    group: str | None = None
    problems: tuple[Problem, ...] = ()
    """What is wrong with the line, one by one, where that is known."""


class BookRow(NamedTuple):
    """One group as a source states it."""

    place: str
    """Where it stands in the source, for people: "row 7", "order 756783308056935434"."""
    line: Mapping[str, object] | bytes
    """The object of a book line, or its JSON text. Money is Decimal or text, never float."""
    problem: str = ""
    """Why the source cannot make a line of this row; it is refused then."""


class Sheet:
    """Some thousand lines in work, and what is known of each, by its place among them."""

    def __init__(self, numbers: Sequence[int], raws: list[bytes], ids: array[int], lines: array[int]) -> None:
        self.numbers = numbers
        self.raws = raws
        self.lines = lines
        """A hash of each line."""
        self.ids = ids
        """A hash of the id that each line puts, 0 while it is not known."""
        self.batch: GroupBatch | None = None
        self.packed: list[int] = []
        """Places of the lines of the batch."""
        self.judged: dict[int, Judged] = {}
        self.left: list[int] = []
        """Places of the lines to judge one by one."""


class Comparison:
    """Compares lines with what was applied before, and remembers what was said of them. One thread at a time."""

    unit = "line"
    """What a place of this book is called."""

    def __init__(self, name: str, reader: Reader, kept: KeptBook, book: str) -> None:
        self.name = name
        self.memory: LineMemory = PlainLineMemory()
        self.sums: LineSums | None = LineSums()
        """Of all lines of this reading, for a caller that begins it anew each time; None where some were in force before."""
        self._reader = reader
        self._held = kept.groups
        self._book = book
        """What the subjects of all its places begin with."""
        ours = [Place(BOOK_REFUSED, s) for s in kept.refused] + [Place(BOOK_LEFT_OUT, s) for s in kept.left_out]
        self._refused = dict.fromkeys((p for p in ours if p.subject == book or p.subject.startswith(f"{book}:")), "")
        """Fingerprint of the last notice, by place."""
        self._doubts: dict[Place, tuple[str, float]] = {}
        """Fingerprint of a problem without a notice yet, and since when it is there, by place."""

    @property
    def has_doubts(self) -> bool:
        """Some problem is too young to be said."""
        return bool(self._doubts)

    def has_groups(self) -> bool:
        """Lines of the book are in force, or the store has groups of it."""
        return bool(len(self.memory)) or any(True for _ in self._held())

    def held(self) -> Iterable[str]:
        """The groups that the store has of this source."""
        return self._held()

    def remember_compactly(self) -> None:
        """The book is large."""
        if isinstance(self.memory, PlainLineMemory):
            small, self.memory = self.memory, self._reader.line_memory()
            small.hand_over(self.memory)

    def open(self, numbers: Sequence[int], raws: list[bytes], at: datetime) -> Sheet:
        """Up to PAGE_LINES lines, packed if there are many that are new. Those in `left` must be judged."""
        lines = array("q", map(hash, raws))
        sheet = Sheet(numbers, raws, self.memory.applied(lines), lines)
        fresh = [place for place, id_ in enumerate(sheet.ids) if not id_]
        sheet.left = fresh if len(fresh) < _PACKED_LINES else self._packed(sheet, fresh, at)
        return sheet

    def _packed(self, sheet: Sheet, places: list[int], at: datetime) -> list[int]:
        """Packs lines if the reader can; returns the places of those that must be judged one by one."""
        found = self._reader.pack([sheet.raws[place] for place in places], at, self.name)
        sheet.batch, left = (None, places) if found is None else (found.batch, [places[i] for i in found.rest])
        sheet.packed = sorted(set(places).difference(left))
        for place, id_ in zip(sheet.packed, sheet.batch.ids() if sheet.batch else (), strict=True):
            sheet.ids[place] = hash(id_)
        return left

    def judge(self, sheet: Sheet, places: Iterable[int], at: datetime) -> None:
        """Reads lines one by one."""
        for place in places:
            judged = judge(sheet.raws[place], at, self._reader)
            sheet.judged[place] = judged
            if judged.id is not None:
                sheet.ids[place] = hash(judged.id)

    def sort_out(self, sheet: Sheet, at: datetime, bad: dict[Place, RefusedLine]) -> list[Event]:
        """The puts of a sheet; refused lines go to `bad`, by book and line. The first line of a group has its id."""
        firsts = self.memory.name(sheet.ids, list(sheet.numbers))
        doubles = {place for place, first in enumerate(firsts) if first}
        if not doubles.isdisjoint(sheet.packed):
            self.judge(sheet, doubles, at)
            self.judge(sheet, self._packed(sheet, [p for p in sheet.packed if p not in doubles], at), at)
        elif doubles:
            self.judge(sheet, doubles, at)
        refused = set()
        incomplete = set()
        for place, judged in sorted(sheet.judged.items(), key=itemgetter(0)):
            id_, _, problem, reason, left_out, left_out_reason, problems = judged
            number = sheet.numbers[place]
            if place in doubles and not problem:
                problem = f"group {id_} is at {self.unit} {firsts[place]} already; one {self.unit} a group"
                reason = "duplicate_group"
            if problem:
                refused.add(place)
                fingerprint = fingerprint_of(sheet.raws[place], problem)
                bad[Place(BOOK_REFUSED, self.subject(number))] = RefusedLine(
                    problem, fingerprint, reason, id_, problems
                )
            elif left_out:
                incomplete.add(place)
                fingerprint = fingerprint_of(sheet.raws[place], left_out)
                finding = RefusedLine(left_out, fingerprint, left_out_reason, id_)
                bad[Place(BOOK_LEFT_OUT, self.subject(number))] = finding
        # A line that is taken in part is judged at each reading: what is said of it holds as long as it stands there.
        taken = [place for place in range(len(sheet.raws)) if place not in refused and place not in incomplete]
        self.memory.take(array("q", [sheet.lines[p] for p in taken]), array("q", [sheet.ids[p] for p in taken]))
        puts: list[Event] = [GroupsPut(at, self.name, sheet.batch)] if sheet.batch else []
        singles = sorted(sheet.judged.keys() - refused)
        self._count(sheet, singles)
        return puts + [GroupPut(at, group, self.name) for p in singles if (group := sheet.judged[p].group) is not None]

    def _count(self, sheet: Sheet, singles: Iterable[int]) -> None:
        """Adds the lines of a sheet to `sums`."""
        known = LineSums() if sheet.batch is None else sheet.batch.sums if isinstance(sheet.batch, Summed) else None
        if self.sums is None or known is None or len(sheet.packed) + len(sheet.judged) < len(sheet.raws):
            self.sums = None
            return
        groups = (sheet.judged[place].group for place in singles)
        self.sums = self.sums.plus(known).plus(LineSums.of(group.line for group in groups if group is not None))

    def subject(self, number: int) -> str:
        """The book and the place of a line."""
        return f"{self._book}:{number}"

    def gone(self) -> Iterator[str]:
        """Groups of this source that this reading does not name."""
        held = iter(self._held())
        while ids := list(islice(held, 8192)):
            named = self.memory.named(array("q", map(hash, ids)))
            yield from (id_ for id_, is_named in zip(ids, named, strict=True) if not is_named)

    def say(
        self, bad: Mapping[Place, RefusedLine], at: datetime, now_s: float = 0.0, patience_s: float = 0.0
    ) -> list[Event]:
        """Notices about problems that are old enough and have none yet: one of each kind, however many there are."""
        doubts: dict[Place, tuple[str, float]] = {}
        found: dict[str, list[NoticedPart]] = {}
        for place, line in bad.items():
            fingerprint = line.fingerprint
            if self._refused.get(place) == fingerprint:
                continue
            before, since_s = self._doubts.get(place, (fingerprint, now_s))
            since_s = since_s if before == fingerprint else now_s
            if now_s - since_s < patience_s:
                doubts[place] = fingerprint, since_s
                continue
            self._refused[place] = fingerprint
            found.setdefault(place.kind, []).append(NoticedPart(place.subject, self._facts(place, line), fingerprint))
        self._doubts = doubts
        return [notice for kind, parts in found.items() for notice in self._notices(kind, parts, at)]

    def _notices(self, kind: str, parts: list[NoticedPart], at: datetime) -> list[Event]:
        """Each by itself where they are few, else all of them as one."""
        if len(parts) <= FEW:
            return [Noticed(at, kind, part.subject, part.facts, part.fingerprint) for part in parts]
        return [Noticed(at, kind, f"{self._book}: {self.unit}s", {"source": self.name}, parts=tuple(parts))]

    def _facts(self, place: Place, line: RefusedLine) -> dict[str, Any]:
        facts: dict[str, Any] = {"problem": line.problem, "reason": line.reason, "source": self.name}
        facts |= {"group": line.group} if line.group is not None else {}
        if (where := self.place_of(place.subject)) is not None:
            facts["place"] = where
            facts["cells"] = [msgspec.to_builtins(bad_cell(problem)) for problem in line.problems[:CELLS]]
        return facts

    def place_of(self, subject: str) -> str | None:
        """Where a line stands, for people; None for the book as a whole."""
        number = subject.removeprefix(f"{self._book}:")
        return f"{self.unit} {number}" if number != subject else None

    def clear_all_but(self, bad: Mapping[Place, RefusedLine], at: datetime) -> list[Event]:
        """A whole reading has only these problems: all others are mended."""
        return self.clear([place for place in self._refused if place not in bad], at)

    def clear(self, mended: Iterable[Place], at: datetime) -> list[Event]:
        """Forgets what was said of these places."""
        known = [place for place in mended if self._refused.pop(place, None) is not None]
        return [Noticed(at, place.kind, place.subject, {}, clears=True) for place in known]


def fingerprint_of(raw: bytes, problem: str) -> str:
    """Tells one problem with one line from every other."""
    return hashlib.sha256(raw + b"\n" + problem.encode()).hexdigest()[:32]


class _RowComparison(Comparison):
    """Its lines stand where the source says, not at a number."""

    unit = "row"

    def __init__(self, name: str, reader: Reader, kept: KeptBook) -> None:
        super().__init__(name, reader, kept, name)
        self.places: Mapping[int, str] = {}
        """Of the rows in work, by number."""

    def subject(self, number: int) -> str:
        """See Comparison."""
        return f"{self.name}: {self.places[number]}"

    def place_of(self, subject: str) -> str | None:
        """See Comparison."""
        place = subject.removeprefix(f"{self.name}: ")
        return place if place != subject else None


class Snapshots:
    """Readings of a source become events. What is known already is not repeated, nor is it after a restart.

    A reading is whole, or a batch of changes. A source with too many rows for one list hands over `part` after `part` and
    then says `end`, or `abandon` where the reading broke off. Any thread may call, one at a time; ten thousand new rows
    take a second.
    """

    def __init__(
        self,
        name: str,
        reader: Reader,
        kept: KeptBook,
        closes_missing: bool = True,
        doubts_for: timedelta = timedelta(0),
    ) -> None:
        self._name = name
        self._doubts_for = doubts_for
        """The second reading that leaves out more than half of a book comes this much later at the soonest."""
        self._doubted_at: datetime | None = None
        self._closes_missing = closes_missing
        self._rows = _RowComparison(name, reader, kept)
        self._count = 0
        """Rows of the reading that is under way."""
        self._bad: dict[Place, RefusedLine] = {}
        self._is_compared = False
        """The groups that the store has of this source were compared with those of a whole reading."""
        self._doubted: frozenset[str] | None = None
        """Groups that the last whole reading left out, where they were too many to believe."""

    @property
    def is_in_doubt(self) -> bool:
        """The last whole reading left out too much: a second one, of the whole, must show whether that is so."""
        return self._doubted is not None

    def take(self, rows: Sequence[BookRow], at: datetime, *, is_whole: bool) -> list[Event]:
        """The events of a reading. Only one that `is_whole` closes what it does not name."""
        events = self.part(rows, at)
        return events + (self.end(at) if is_whole else self._end_changes(rows, at))

    def part(self, rows: Sequence[BookRow], at: datetime) -> list[Event]:
        """The puts of some rows of a reading that goes on. The same row twice among them counts once."""
        events: list[Event] = []
        seen: dict[bytes, str] = {}
        for place, line, problem in rows:
            if problem:
                subject = Place(BOOK_REFUSED, f"{self._name}: {place}")
                self._bad[subject] = RefusedLine(problem, fingerprint_of(b"", problem), "unusable")
                continue
            seen.setdefault(line if isinstance(line, bytes) else _encode(line), place)
        raws, places = list(seen), list(seen.values())
        for start in range(0, len(raws), PAGE_LINES):
            page = raws[start : start + PAGE_LINES]
            numbers = range(self._count + 1, self._count + 1 + len(page))
            self._count += len(page)
            self._rows.places = dict(zip(numbers, places[start : start + PAGE_LINES], strict=True))
            if self._count > _COMPACT_ROWS:
                self._rows.remember_compactly()
            sheet = self._rows.open(numbers, page, at)
            self._rows.judge(sheet, sheet.left, at)
            events += self._rows.sort_out(sheet, at, self._bad)
        return events

    def end(self, at: datetime) -> list[Event]:
        """The reading was whole: closes what vanished, says what is refused, and forgets what is mended."""
        closed = self._closed(at)
        self._rows.memory.end(forget=self._closes_missing and self._doubted is None)
        notices = [*self._rows.say(self._bad, at), *self._rows.clear_all_but(self._bad, at)]
        self._begin_again()
        return [*closed, *notices]

    def abandon(self) -> None:
        """The reading broke off: what it has put stays, and nothing is closed for it."""
        self._rows.memory.end(forget=False)
        self._begin_again()

    def _end_changes(self, rows: Sequence[BookRow], at: datetime) -> list[Event]:
        self._rows.memory.end(forget=False)
        named = [Place(kind, f"{self._name}: {row.place}") for row in rows for kind in (BOOK_REFUSED, BOOK_LEFT_OUT)]
        notices = self._rows.say(self._bad, at)
        notices += self._rows.clear([place for place in named if place not in self._bad], at)
        self._begin_again()
        return notices

    def _begin_again(self) -> None:
        self._count = 0
        self._bad = {}

    def _closed(self, at: datetime) -> list[Event]:
        """Closes for the groups that the reading does not name. More than half of a book must be left out twice."""
        # A refused row whose id cannot be read may belong to any of them.
        if not self._closes_missing or any(f.group is None for f in self._bad.values()):
            return []
        if self._is_compared and not self._rows.memory.lacks():
            self._doubted = None
            return []
        # A refused row puts nothing that the memory could miss later.
        self._is_compared = not self._bad
        gone = list(self._rows.gone())
        held = sum(1 for _ in self._rows.held()) if gone else 0
        if len(gone) * 2 > held:
            before, self._doubted = self._doubted, frozenset(gone)
            self._doubted_at = at if before is None or self._doubted_at is None else self._doubted_at
            is_early = at - self._doubted_at < self._doubts_for
            if before is None or is_early or len(before.intersection(gone)) * 2 <= held:
                self._doubt(len(gone), held)
                return []
            gone = [id_ for id_ in gone if id_ in before]
        self._doubted = None
        return [GroupClosed(at, id_, self._name) for id_ in gone]

    def _doubt(self, gone: int, held: int) -> None:
        problem = (
            f"the reading leaves out {gone} of {held} groups; they are closed if the next whole reading leaves them out "
            f"too; if that is wrong, mend the source before it is read again"
        )
        self._bad[Place(BOOK_REFUSED, self._name)] = RefusedLine(problem, fingerprint_of(b"", problem), "shrunk")
