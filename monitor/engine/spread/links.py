"""What the head knows of its shards: who is there, what each must still be told, and who has not answered in time."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Mapping
from datetime import datetime
from hashlib import blake2b
from typing import Any, Protocol

from monitor.clock import SystemClock
from monitor.engine.spread.shard import Call, Vector

CLOCK = SystemClock()
READY: Call = ("ready", ())
LOAD_LIMIT_S = 60.0
"""A block is loaded in some ten milliseconds; a shard that is starting compiles its loops before."""


class Shards(Protocol):
    """Carries calls to shards, wherever they live. `receive` never waits longer than it may."""

    count: int

    def begin(self, place: int) -> None:
        """Starts a shard with nothing in it, in place of the one before."""

    def send(self, place: int, calls: list[Call], vector: Vector | None) -> None:
        """Hands over calls; one answer comes for all of them. Raises OSError where the shard is gone."""

    def receive(self, places: Collection[int], limit_s: float) -> dict[int, Any]:
        """The answers that came in time. A shard that is gone gives none."""

    def abandon(self, place: int) -> None:
        """Ends a shard without waiting for it."""

    def close(self) -> None:
        """Ends all."""


def place_of(number: int, count: int) -> int:
    """The shard of a block, by rendezvous: with one shard more, only the blocks that go there move."""
    if count == 1:
        return 0
    score = lambda place: blake2b(b"%d/%d" % (number, place), digest_size=8).digest()  # noqa: E731
    return max(range(count), key=score)


class Links:
    """Core's thread tells and asks; lists ask in threads of theirs, and `load` runs in any one."""

    def __init__(self, shards: Shards, limit_s: float) -> None:
        self.shards = shards
        self.limit_s = limit_s
        self.missing: set[int] = set()
        """Shards that did not answer, and whose replacement is not there yet."""
        self.is_new = set[int]()
        """Shards that have seen no prices."""
        self._turn = threading.RLock()
        """One question at a time: a list that came between a change and its question would part them."""
        self._pending: list[list[Call]] = [[] for _ in range(shards.count)]
        self._place: dict[int, int] = {}
        self._answered_s = [CLOCK.monotonic_s()] * shards.count
        for place in range(shards.count):
            shards.begin(place)
            self.is_new.add(place)

    def await_ready(self) -> None:
        """Returns when all shards are there, or are known to be missing."""
        self.ask(dict.fromkeys(self.live, READY), limit_s=LOAD_LIMIT_S)

    def place(self, number: int) -> int:
        """The shard of a block."""
        found = self._place.get(number)
        if found is None:
            found = self._place[number] = place_of(number, self.shards.count)
        return found

    @property
    def live(self) -> list[int]:
        """The shards that are there."""
        return [place for place in range(self.shards.count) if place not in self.missing]

    def tell(self, place: int, name: str, *args: Any) -> None:
        """Goes along with the next question."""
        with self._turn:
            self._pending[place].append((name, args))

    def tell_all(self, name: str, *args: Any) -> None:
        """The same for every shard."""
        for place in range(self.shards.count):
            self.tell(place, name, *args)

    def accrue(self, at: datetime, kinds: Collection[str]) -> None:
        """Interest up to a time. Of several in a row only the last one counts."""
        with self._turn:
            for pending in self._pending:
                before = pending.pop()[1][1] if pending and pending[-1][0] == "accrue" else ()
                pending.append(("accrue", (at, sorted({*before, *kinds}))))

    def ask(
        self, calls: Mapping[int, Call], vector: Vector | None = None, limit_s: float | None = None
    ) -> dict[int, Any]:
        """Asks shards at once. Who does not answer within the limit is abandoned."""
        with self._turn:
            answers = self._answers(calls, vector, self.limit_s if limit_s is None else limit_s)
            self.is_new -= answers.keys() if vector is not None else set()
        return answers

    def _answers(self, calls: Mapping[int, Call], vector: Vector | None, limit_s: float) -> dict[int, Any]:
        asked = []
        for place, call in calls.items():
            if place in self.missing:
                continue
            todo, self._pending[place] = [*self._pending[place], call], []
            try:
                self.shards.send(place, todo, vector)
                asked.append(place)
            except OSError:
                self.abandon(place)
        answers = self.shards.receive(asked, limit_s)
        now_s = CLOCK.monotonic_s()
        for place in asked:
            if place in answers:
                self._answered_s[place] = now_s
            else:
                self.abandon(place)
        return answers

    def ask_all(self, name: str, *args: Any) -> list[Any]:
        """The answers of the shards that are there."""
        return list(self.ask(dict.fromkeys(self.live, (name, args))).values())

    def abandon(self, place: int) -> None:
        """The shard is as if it had never been."""
        with self._turn:
            self.missing.add(place)
            self._pending[place] = []
        self.shards.abandon(place)

    def forget_pending(self, place: int) -> None:
        """A replacement is told all anew: what waited for the shard before it is part of that."""
        with self._turn:
            self._pending[place] = []

    def load(self, place: int, calls: Iterable[Call]) -> bool:
        """Starts a shard and loads it, one call at a time. False where it fails too. Any one thread may do it."""
        self.shards.begin(place)
        try:
            for call in (READY, *calls):
                self.shards.send(place, [call], None)
                if place not in self.shards.receive([place], LOAD_LIMIT_S):
                    raise OSError(f"shard {place} did not load")
        except OSError:
            self.shards.abandon(place)
            return False
        return True

    def take_back(self, place: int) -> None:
        """A replacement is loaded: what changed meanwhile goes along with the next question."""
        with self._turn:
            self.missing.discard(place)
            self.is_new.add(place)
            self._answered_s[place] = CLOCK.monotonic_s()

    def quiet_s(self) -> list[float]:
        """By shard, how long ago it answered."""
        now_s = CLOCK.monotonic_s()
        return [now_s - at for at in self._answered_s]
