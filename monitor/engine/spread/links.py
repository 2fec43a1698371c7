"""What the head knows of its shards: who is there, what each must still be told, and who has not answered in time.

A shard has one or more copies, which are told the same; the first that answers counts. A copy has a *seat*: the place of its
shard times the number of copies, plus its own number.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime
from typing import Any, NamedTuple, Protocol

from monitor.clock import SystemClock
from monitor.engine.spread.placement import Placement
from monitor.engine.spread.shard import Call, Vector
from monitor.engine.spread.spreading import NOWHERE

CLOCK = SystemClock()
READY: Call = ("ready", ())
LOAD_LIMIT_S = 60.0
"""A block is loaded in some ten milliseconds; a shard that is starting compiles its loops before."""


class Answered(NamedTuple):
    """What came of one question, by seat."""

    answers: dict[int, Any]
    lost: frozenset[int] = frozenset()
    """Copies that are gone: they ended, or their machine did."""


class Shards(Protocol):
    """Carries calls to copies of shards, wherever they live. `ask` never waits longer than it may, neither to send."""

    where: str
    """Where they live, for people."""

    @property
    def trouble(self) -> str:
        """Why none can begin at all: what carries them is not reached. Else empty."""

    def begin(self, seat: int) -> None:
        """Starts a copy with nothing in it, in place of the one before."""

    def ask(
        self,
        todo: Mapping[int, list[Call]],
        vector: Vector | None,
        limit_s: float,
        is_enough: Callable[[Collection[int]], bool],
    ) -> Answered:
        """Hands over calls by seat, and takes the answer of the last one of each, until those that came are enough."""

    def ask_aside(self, todo: Mapping[int, Call], limit_s: float) -> dict[int, Any]:
        """Asks beside all that `ask` carries: no price waits for it. Any thread may."""

    def late(self, seats: Collection[int]) -> frozenset[int]:
        """Which of these copies still owe an answer to an earlier question. What they say to it is not heard any more."""

    def address(self, seat: int) -> str:
        """Where a copy is, for people."""

    def abandon(self, seat: int) -> None:
        """Ends a copy without waiting for it."""

    def close(self) -> None:
        """Ends all."""


class Links:
    """Core's thread tells and asks; lists ask in threads of theirs, and `load` runs in any one."""

    def __init__(self, shards: Shards, count: int, limit_s: float, copies: int = 1, most_groups: int = 0) -> None:
        self.shards = shards
        self.limit_s = limit_s
        self.copies = copies
        self.blocks = Placement(count, copies, most_groups)
        self.gone = set[int]()
        """Copies that did not answer, and whose replacement is not there yet."""
        self.is_new = set[int]()
        """Copies that have not seen all prices."""
        self._turn = threading.RLock()
        """One question at a time: a list that came between a change and its question would part them."""
        self._pending: dict[int, list[Call]] = {}
        self._asked_s: dict[int, float] = {}
        self._answered_s: dict[int, float] = {}
        for place in self.blocks.ring:
            self._expect(place)
            for seat in self.blocks.seats(place):
                shards.begin(seat)

    # -- who is there --

    def await_ready(self) -> None:
        """Returns when all copies are there, or are known to be missing."""
        seats = [seat for place in self.blocks.places for seat in self.blocks.seats(place)]
        self._ask_seats(dict.fromkeys(seats, READY), None, LOAD_LIMIT_S, lambda some: len(some) == len(seats))

    @property
    def missing(self) -> frozenset[int]:
        """Shards of which no copy is there; NOWHERE, where some blocks are with no shard."""
        return self.blocks.missing

    def place(self, number: int) -> int:
        """The shard of a block."""
        place = self.blocks.holder(number)
        if place is None:
            place = self.blocks.place(number)
            self._look_again()
        return place

    def forget(self, number: int) -> None:
        """The block is gone."""
        self.blocks.forget(number)
        self._look_again()

    @property
    def live(self) -> list[int]:
        """The shards that are there."""
        return [place for place in self.blocks.places if place not in self.missing]

    def quiet_s(self, seat: int) -> float:
        """How long ago a copy answered."""
        return CLOCK.monotonic_s() - self._answered_s[seat]

    # -- blocks that move --

    def join(self) -> int:
        """A shard more, which is missing until `load` and `take_back`. Then blocks that should be there come by `move`."""
        with self._turn:
            place = max(self.blocks.places) + 1
            self.blocks.joining.add(place)
            self._expect(place)
            self.gone.update(self.blocks.seats(place))
            self._look_again()
        return place

    def leave(self, place: int) -> None:
        """Blocks go to this shard no more, and those that it has come away by `move`."""
        with self._turn:
            self.blocks.ring.remove(place)
            self.blocks.leaving.add(place)

    def end(self, place: int) -> None:
        """A shard that has left, and holds no block."""
        with self._turn:
            self.blocks.leaving.discard(place)
            for seat in self.blocks.seats(place):
                self._forget(seat)

    def move(self, number: int, place: int, load: Call) -> None:
        """From the next question on a block is in another shard."""
        with self._turn:
            missing = self.missing
            before = self.blocks.hand_over(number, place)
            self._tell(place, load)
            self._tell(before, ("unload", (number,)))
            self._look_again()
            if before in missing:  # nobody has looked at it on the prices in force
                self.is_new.update(self.blocks.seats(place))

    # -- what is told and asked --

    def tell(self, place: int, name: str, *args: Any) -> None:
        """Goes along with the next question."""
        with self._turn:
            self._tell(place, (name, args))

    def tell_all(self, name: str, *args: Any) -> None:
        """The same for every shard."""
        for place in self.blocks.places:
            self.tell(place, name, *args)

    def accrue(self, at: datetime, kinds: Collection[str]) -> None:
        """Interest up to a time. Of several in a row only the last one counts."""
        with self._turn:
            for pending in self._pending.values():
                before = pending.pop()[1][1] if pending and pending[-1][0] == "accrue" else ()
                pending.append(("accrue", (at, sorted({*before, *kinds}))))

    def ask(self, calls: Mapping[int, Call], limit_s: float | None = None) -> dict[int, Any]:
        """Asks shards at once. A copy that does not answer within the limit is abandoned."""
        with self._turn:
            places = [place for place in calls if place not in self.missing]
            seats = {seat: calls[p] for p in places for seat in self.blocks.seats(p) if seat not in self.gone}
            return self._ask_seats(seats, None, self.limit_s if limit_s is None else limit_s, self._covers(places))

    def ask_all(self, name: str, *args: Any) -> list[Any]:
        """The answers of the shards that are there."""
        return list(self.ask(dict.fromkeys(self.live, (name, args))).values())

    def ask_seeing(self, name: str, *args: Any) -> dict[int, Any]:
        """Asks the copies that have seen prices."""
        with self._turn:
            seats = [s for p in self.live for s in self.blocks.seats(p) if s not in self.gone and s not in self.is_new]
            places = {seat // self.copies for seat in seats}
            return self._ask_seats(dict.fromkeys(seats, (name, args)), None, self.limit_s, self._covers(places))

    def tick(self, moved: list[str] | None, vector: Vector) -> dict[int, Any]:
        """The suspects of all shards on the prices in force."""
        with self._turn:
            seats = [seat for place in self.live for seat in self.blocks.seats(place) if seat not in self.gone]
            calls: dict[int, Call] = {s: ("suspects", (None if s in self.is_new else moved,)) for s in seats}
            return self._ask_seats(calls, vector, self.limit_s, self._covers(self.live))

    def ask_aside(self, places: Iterable[int], limit_s: float, name: str, *args: Any) -> dict[int, Any]:
        """Asks a copy of each of these shards beside all prices, and another where it has no answer. Any thread may."""
        found: dict[int, Any] = {}
        left = set(places)
        for copy in range(self.copies):
            seats = [seat for place in left if (seat := self.blocks.seats(place)[copy]) not in self.gone]
            answers = self.shards.ask_aside(dict.fromkeys(seats, (name, args)), limit_s) if seats else {}
            found |= {seat // self.copies: answer for seat, answer in answers.items() if answer is not None}
            left -= found.keys()
        return found

    def ask_each_aside(self, limit_s: float, name: str, *args: Any) -> dict[int, Any]:
        """Asks all copies, by seat."""
        seats = [seat for place in self.live for seat in self.blocks.seats(place) if seat not in self.gone]
        return self.shards.ask_aside(dict.fromkeys(seats, (name, args)), limit_s)

    def _covers(self, places: Iterable[int]) -> Callable[[Collection[int]], bool]:
        return lambda seats: {seat // self.copies for seat in seats}.issuperset(places)

    def _ask_seats(
        self,
        calls: Mapping[int, Call],
        vector: Vector | None,
        limit_s: float,
        is_enough: Callable[[Collection[int]], bool],
    ) -> dict[int, Any]:
        with self._turn:
            late, now_s = self._late(), CLOCK.monotonic_s()
            todo: dict[int, list[Call]] = {}
            for seat in sorted(calls.keys() - self.gone, key=late.__contains__):
                if seat in late and any(other // self.copies == seat // self.copies for other in todo):
                    # Another copy answers. This one is told when it is up with the earlier question.
                    self.is_new.update({seat} if vector is not None else ())
                    continue
                todo[seat], self._pending[seat] = [*self._pending[seat], calls[seat]], []
                self._asked_s[seat] = now_s
            answers, lost = self.shards.ask(todo, vector, limit_s, is_enough)
            now_s = CLOCK.monotonic_s()
            for seat in todo:
                if seat in answers:
                    self._answered_s[seat] = now_s
                elif seat in lost or not any(each // self.copies == seat // self.copies for each in answers):
                    self.abandon(seat)
            self.is_new -= answers.keys() if vector is not None else set()
            return {seat // self.copies: answers[seat] for seat in sorted(answers, reverse=True)}

    def _late(self) -> frozenset[int]:
        """Copies that owe an answer, and not for too long yet."""
        late, now_s = self.shards.late(self._pending.keys() - self.gone), CLOCK.monotonic_s()
        for seat in [seat for seat in late if now_s - self._asked_s[seat] > self.limit_s]:
            self.abandon(seat)
        return late - self.gone

    # -- what is missing, and its replacement --

    def abandon(self, seat: int) -> None:
        """The copy is as if it had never been."""
        with self._turn:
            self.gone.add(seat)
            self._pending[seat] = []
            self._look_again()
        self.shards.abandon(seat)

    def forget_pending(self, seat: int) -> None:
        """A replacement is told all anew: what waited for the copy before it is part of that."""
        with self._turn:
            self._pending[seat] = []

    def load(self, seat: int, calls: Iterable[Call]) -> bool:
        """Starts a copy and loads it, one call at a time. False where it fails too. Any one thread may do it."""
        self.shards.begin(seat)
        for call in (READY, *calls):
            if seat not in self.shards.ask({seat: [call]}, None, LOAD_LIMIT_S, lambda some: bool(some)).answers:
                self.shards.abandon(seat)
                return False
        return True

    def take_back(self, seat: int) -> None:
        """A replacement is loaded: what changed meanwhile goes along with the next question."""
        if seat not in self._pending:
            self.shards.abandon(seat)  # its shard has left meanwhile
            return
        with self._turn:
            self.gone.discard(seat)
            self._look_again()
            if (place := seat // self.copies) in self.blocks.joining:
                self.blocks.joining.discard(place)
                self.blocks.ring.append(place)
            self.is_new.add(seat)
            self._asked_s[seat] = self._answered_s[seat] = CLOCK.monotonic_s()

    # -- within --

    def _tell(self, place: int, call: Call) -> None:
        for seat in () if place == NOWHERE else self.blocks.seats(place):
            self._pending[seat].append(call)

    def _expect(self, place: int) -> None:
        for seat in self.blocks.seats(place):
            self._pending[seat] = []
            self._asked_s[seat] = self._answered_s[seat] = CLOCK.monotonic_s()
            self.is_new.add(seat)

    def _forget(self, seat: int) -> None:
        self.shards.abandon(seat)
        self.gone.discard(seat)
        self.is_new.discard(seat)
        del self._pending[seat]
        self._look_again()

    def _look_again(self) -> None:
        missing = {place for place in self.blocks.places if self.gone.issuperset(self.blocks.seats(place))}
        self.blocks.missing = frozenset(missing | {NOWHERE} if self.blocks.has_homeless else missing)
