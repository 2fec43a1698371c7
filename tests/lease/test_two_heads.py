"""Two heads, a database and cuts at random: never do both send, and never does an older one commit after a newer.

Time is made up. Each machine's clock runs a little fast or slow, the database's clock jumps, messages are late or lost, heads
stand still for seconds. What a head does is `Tenure` and `Watch`; what the database does is what `rows.py` asks of it.
"""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from monitor.lease.terms import BEATS, Beat, Tenure, Watch
from tests.effort import examples, more_in_a_soak

TTL_S = 2.0
RUN_S = 120.0
DRIFT = 0.01


class World:
    """What is true: time, links, the database, and two heads."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.now_s = 0.0
        self.events: list[tuple[float, int, Callable[[], None]]] = []
        self.number = 0
        self.cut: set[str] = set()
        self.beat = Beat(0, None, is_free=True)
        self.fence = 0
        self.open: tuple[Head, int] | None = None
        """A transaction that has passed the fence."""
        self.committed: list[int] = []
        self.clock_s = 0.0
        """How far the database's clock was set off."""
        self.sent: Counter[str] = Counter()
        self.takes = 0
        self.heads = [Head(self, "a"), Head(self, "b")]

    def at(self, after_s: float, run: Callable[[], None]) -> None:
        self.number += 1
        heapq.heappush(self.events, (self.now_s + after_s, self.number, run))

    def play(self) -> None:
        for head in self.heads:
            self.at(self.random.random(), head.turn)
        self.at(1.0, self.trouble)
        self.at(0.01, self.look)
        while self.events and self.now_s < RUN_S:
            self.now_s, _, run = heapq.heappop(self.events)
            run()

    def look(self) -> None:
        senders = [(h.name, h.tenure.basis(h.clock())) for h in self.heads if h.may_send()]
        assert len(senders) <= 1, f"both send at {self.now_s:.3f}: {senders}"
        self.sent.update(basis for _, basis in senders)
        self.at(0.01, self.look)

    def trouble(self) -> None:
        for link in ("a-db", "b-db", "a-b"):
            (self.cut.add if self.random.random() < 0.25 else self.cut.discard)(link)
        if self.random.random() < 0.2:  # the database is down for both
            self.cut |= {"a-db", "b-db"}
        if self.random.random() < 0.1:
            self.clock_s += self.random.choice([-3600.0, -3.0, -1.0, 1.0, 3.0, 3600.0])
        if self.random.random() < 0.25:
            self.random.choice(self.heads).frozen_until_s = self.now_s + self.random.uniform(0, 2 * TTL_S)
        self.at(self.random.uniform(0.2, 4.0), self.trouble)

    def way(self, link: str, run: Callable[[], None]) -> None:
        """A message: late, or lost where the link is cut when it leaves or when it arrives."""
        if link in self.cut:
            return
        slow = self.random.random() < 0.05
        self.at(
            self.random.uniform(0.5, 2.5) if slow else self.random.uniform(0.001, 0.05),
            lambda: None if link in self.cut else run(),
        )

    def time(self) -> datetime:
        return datetime(2026, 1, 5, tzinfo=UTC) + timedelta(seconds=self.now_s + self.clock_s)

    # -- the database, as in rows.py --

    def take(self, seen: Beat) -> int | None:
        age_s = None if self.beat.at is None else (self.time() - self.beat.at).total_seconds()
        if self.beat != seen or not (self.beat.is_free or age_s is None or not 0 <= age_s < TTL_S):
            return None
        self.open = None  # ended, whoever holds the fence
        self.fence = self.beat.epoch + 1
        self.beat = Beat(self.fence, self.time(), ttl_s=TTL_S)
        self.takes += 1
        return self.fence


class Head:
    """One machine."""

    def __init__(self, world: World, name: str) -> None:
        self.world, self.name = world, name
        self.rate = 1 + world.random.uniform(-DRIFT, DRIFT)
        self.frozen_until_s = 0.0
        self.begin()

    def begin(self) -> None:
        """A new process: it remembers nothing."""
        self.epoch = 0
        self.tenure = Tenure(TTL_S, float("-inf"))
        self.tenure.over()
        self.watch = Watch(TTL_S)
        self.life = getattr(self, "life", 0) + 1

    @property
    def other(self) -> Head:
        return next(h for h in self.world.heads if h is not self)

    def clock(self) -> float:
        return self.world.now_s * self.rate

    def may_send(self) -> bool:
        """What is on the wire does not count: a head that stands still sends nothing new."""
        return self.world.now_s >= self.frozen_until_s and self.tenure.may_send(self.clock())

    def awake(self, run: Callable[[], None]) -> Callable[[], None]:
        """Later, where the head stands still now; never, where its process has ended meanwhile."""
        life = self.life

        def later() -> None:
            if life != self.life:
                return
            left_s = self.frozen_until_s - self.world.now_s
            self.world.at(left_s, later) if left_s > 0 else run()

        return later

    def turn(self) -> None:
        def work() -> None:
            self.beat() if self.epoch else self.watch_on()
            if self.world.random.random() < 0.01:
                self.begin()  # killed, and started again

        self.awake(work)()
        self.world.at(TTL_S / BEATS / 2, self.turn)

    def ask_database(self, question: Callable[[], Callable[[], None] | None]) -> None:
        link = f"{self.name}-db"

        def arrive() -> None:
            answer = question()
            if answer is not None:
                self.world.way(link, self.awake(answer))

        self.world.way(link, arrive)

    def watch_on(self) -> None:
        sent_s = self.clock()

        def read() -> Callable[[], None]:
            beat = self.world.beat

            def seen() -> None:
                self.watch.seen(beat, sent_s, self.clock())
                if not self.epoch and not self.watch.is_taking and self.watch.may_take(self.clock()):
                    self.take(beat)

            return seen

        self.ask_database(read)

    def take(self, beat: Beat) -> None:
        sent_s = self.clock()
        watch = self.watch
        watch.is_taking = True

        def given_up() -> None:
            watch.is_taking = False

        # The request itself is not under way for longer: the keeper ends its connection then.
        self.world.at(3 * TTL_S, given_up)

        def arrive() -> Callable[[], None]:
            epoch = self.world.take(beat)

            def answered() -> None:
                watch.is_taking = False
                if epoch is not None and not self.epoch:
                    self.epoch = epoch
                    self.tenure = Tenure(TTL_S, sent_s)

            return answered

        self.ask_database(arrive)

    def beat(self) -> None:
        sent_s = self.clock()
        epoch = self.epoch

        def arrive() -> Callable[[], None]:
            is_mine = self.world.beat.epoch == epoch
            if is_mine:
                self.world.beat = Beat(epoch, self.world.time(), ttl_s=TTL_S)
            return (lambda: self.tenure.beaten(sent_s)) if is_mine else self.begin

        self.ask_database(arrive)
        self.commit(epoch)
        if self.tenure.left_s(sent_s) < TTL_S / 2:
            self.ask_peer(sent_s)

    def commit(self, epoch: int) -> None:
        def fenced() -> Callable[[], None]:
            world = self.world
            if world.fence != epoch:
                return self.begin
            mine = (self, epoch)
            world.open = mine

            def end() -> None:
                if world.open is mine:
                    world.open = None
                    world.committed.append(epoch)

            return lambda: world.way(f"{self.name}-db", end)

        self.ask_database(fenced)

    def ask_peer(self, sent_s: float) -> None:
        peer = self.other

        def arrive() -> None:
            reaches = True if peer.epoch else peer.watch.asked(peer.clock())
            newer = peer.epoch > self.epoch

            def answered() -> None:
                if newer:
                    self.begin()
                elif not reaches:
                    self.tenure.excused(sent_s)

            self.world.way("a-b", self.awake(answered))

        self.world.way("a-b", peer.awake(arrive))


def worlds(count: int) -> list[World]:
    played = []
    for seed in range(count):
        world = World(seed)
        world.play()
        assert world.committed == sorted(world.committed), f"seed {seed}: an older head committed after a newer one"
        played.append(world)
    return played


@more_in_a_soak
def test_two_heads_never_send_together_and_never_commit_out_of_turn():
    played = worlds(examples(15, 500))
    sent = sum((world.sent for world in played), Counter())
    assert sent["lease"] > 10_000
    assert sent["peer"] > 100, "nobody ever went on by the word of the peer"
    assert sum(world.takes for world in played) > 100
    assert sum(len(world.committed) for world in played) > 1_000
