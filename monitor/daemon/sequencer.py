"""Puts every input in one order: take, handle, commit, publish (decision 3).

Prices are conflated: of each asset and source only the latest quote waits. Everything else waits in a bounded queue.
Core runs in one worker thread; the event loop stays free for sockets. Only what was committed is published or sent.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any, NamedTuple, TypeVar

import msgspec

from monitor import crashpoint
from monitor.core.alerts.alert import LoggedAlert
from monitor.core.events.events import BatchOfBook, BookEntry, Event, MarkPrices, TimePassed
from monitor.core.groups.outcome import Outcome, Publication
from monitor.core.prices.conflation import LatestPrices
from monitor.core.prices.quote import Batch, assets_of
from monitor.core.watch.risk import RiskMonitor
from monitor.daemon.applied_entries import AppliedEntries, Stored, digest_of
from monitor.daemon.clock_watch import ClockEvent, ClockWatch
from monitor.daemon.journal import Journal
from monitor.daemon.recorder import Recorder, begin
from monitor.daemon.slow_release import free_slowly
from monitor.running import Running
from monitor.stores._base import Applied, Audit, StoreUnavailable
from monitor.telemetry import log

T = TypeVar("T")
Publish = Callable[[Publication], None]

QUEUE_LIMIT = 10_000
"""Jobs that may wait; one more must wait for room. A book's batch is one job, a request of the API another."""
TICK_S = 1.0
"""How often the clocks are compared when nothing happens."""
SAVE_EVERY_S = 10.0
"""Prices are kept with every alert, and this often without one: a restart goes on from them."""


class Turn:
    """What one turn of the loop collects for its commit."""

    def __init__(self) -> None:
        self.outcomes: list[Outcome] = []
        self.audits: list[Audit] = []
        self.entries: list[Applied] = []
        self.answers: list[tuple[_Job, Any]] = []

    def parts(self) -> list[object]:
        """What a storm has many of."""
        return [
            part for out in self.outcomes for many in (out.alerts, out.states.values(), out.history) for part in many
        ]


class _Job(NamedTuple):
    """Work that arrived from a book, the API or the shell, and the future that its caller waits for."""

    run: Callable[[datetime, Turn], Any]
    done: asyncio.Future[Any]
    needs_commit: bool
    """The caller is told when the turn could not be committed."""


class Sequencer:
    """The daemon's heart: owns core."""

    def __init__(
        self, running: Running, monitor: RiskMonitor, journal: Journal, publish: Publish, recorder: Recorder | None
    ) -> None:
        self._monitor = monitor
        self._journal = journal
        self._publish = publish
        self._recorder = recorder
        self._clock = running.clock
        self._metrics = running.metrics
        self.entries = AppliedEntries(monitor)
        """Shared by all who enter something into the book."""
        self._prices = LatestPrices()
        self._quoted_s: float | None = None
        self._jobs: asyncio.Queue[_Job] = asyncio.Queue(QUEUE_LIMIT)
        self._wake = asyncio.Event()
        self._is_stopping = False
        self._is_over = False
        self._batches: set[str] = set()
        """Sources that core is between the two ends of a batch of."""
        self._thread = ThreadPoolExecutor(1, "core")
        self._saved_s = self._clock.monotonic_s()
        self._clocks = ClockWatch(monitor, self._clock)
        self._busy_since_s: float | None = None
        self._longest_s = 0.0
        self.after_turn: Callable[[], None] = lambda: None
        """Called when a turn is handled and committed, or could not be: the loop has come round."""
        self.evaluated = 0
        """Turns in which core took prices."""
        self.committed = 0
        """Commits that the store took."""

    # -- what feeds, books, the web and the shell call --

    def quotes(self, batch: Batch) -> None:
        """Takes quotes or a frame; an unhandled older price of the same asset and source is replaced."""
        now_s = self._clock.monotonic_s()
        self._clocks.heard(assets_of(batch), now_s)
        self._metrics.conflated.inc(self._prices.put(batch))
        if self._quoted_s is None:
            self._quoted_s = now_s
        self._wake.set()

    async def events(self, events: Sequence[Event], stored: Stored | None = None) -> list[Outcome]:
        """Handles a batch of book events or notices as one commit; returns when it is durable.

        `stored`: what the store knows of its entries, so that none counts twice.
        """

        def run(at: datetime, turn: Turn) -> list[Outcome]:
            return [self._take(msgspec.structs.replace(e, at=at), stored or {}, turn) for e in events]

        return await self.ask(run)

    def _take(self, event: Event, stored: Stored, turn: Turn) -> Outcome:
        if not isinstance(event, BookEntry):
            return self.handle(event, turn)
        repeated = self.entries.repeated(event, stored)
        if repeated is True:
            return Outcome(event.at)
        if not isinstance(repeated, bool):
            return self.handle(repeated, turn)
        outcome = self.handle(event, turn)
        after = self._monitor.sight(event.group_id)
        if outcome.refused is None and after is not None:
            turn.entries.append(self.entries.note(event.group_id, event.id, digest_of(event), event.at, after))
        return outcome

    async def ask(self, run: Callable[[datetime, Turn], T], *, needs_commit: bool = True) -> T:
        """Runs work in core's thread when its turn comes; returns what it returns, once the turn is committed.

        Raises StoreUnavailable if the turn could not be committed and `needs_commit`, and when the monitor stops.
        """
        done: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        if not self._is_over:
            await self._jobs.put(_Job(run, done, needs_commit))
        if self._is_over:  # looked at again: putting may have waited for room until the loop was over
            raise StoreUnavailable("the monitor is stopping; nothing was changed")
        self._wake.set()
        return await done

    def save_soon(self) -> None:
        """Commits with the next turn, so that a store that fails is found out and the desk is told."""
        self._saved_s = float("-inf")
        self._wake.set()

    async def catch_up(self, events: Sequence[Event]) -> None:
        """Before `run`: takes events as if they had come with the last one before the restart.

        So they come ahead of all deadlines that passed since. A store that fails now takes them later.
        """
        turn = Turn()
        at = self._monitor.at or self._now()
        for event in events:
            await self._in_core(self.handle, msgspec.structs.replace(event, at=at), turn)
        await self._conclude(turn, None)

    # -- the loop --

    async def run(self) -> None:
        """Runs until stop(); raises what broke an invariant, which must end the process."""
        while not self._is_stopping or self._prices or not self._jobs.empty():
            await self._turn()
            self.after_turn()
        self._is_over = True

    async def stop(self) -> None:
        """Ends the loop when all that was taken is handled and committed."""
        self._is_stopping = True
        self._wake.set()

    async def close(self) -> None:
        """Keeps the last marks, so that the next start goes on from them.

        After a turn that was cut off it keeps none: without its alerts they would hide from the next start what it missed.
        """
        if self._is_over:
            await self._journal.commit(self._monitor, [])
        if self._recorder is not None:
            await asyncio.to_thread(self._recorder.close)
            self._note_gaps(self._recorder)
        self._thread.shutdown()

    async def _turn(self) -> None:
        await self._wait()
        jumps = self._clocks.compare()
        jobs = [self._jobs.get_nowait() for _ in range(min(self._jobs.qsize(), 1_000))]
        prices = MarkPrices(self._clocks.wall, *self._prices.take())
        quoted_s = self._quoted_s
        self._quoted_s = None
        turn = Turn()
        await self._in_core(self._handle_all, jumps, jobs, prices, turn)
        crashpoint.reached("after tick")
        await self._conclude(turn, quoted_s)
        free_slowly(turn.parts())

    async def _wait(self) -> None:
        """Until something comes, a deadline is due, or it is time to compare the clocks."""
        if not self._wake.is_set() and not self._is_stopping:
            due = self._monitor.next_due
            wait_s = TICK_S if due is None else min(TICK_S, max(0.0, (due - self._clock.utc()).total_seconds()))
            # Not wait_for: before Python 3.12 that forgets a cancellation which comes together with the wake.
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
        self._wake.clear()

    def _handle_all(self, jumps: list[ClockEvent], jobs: list[_Job], prices: MarkPrices, turn: Turn) -> None:
        """In core's thread: everything of one turn, in order. Books before prices of the same time (decision 5)."""
        for jump in jumps:
            self.handle(msgspec.structs.replace(jump, at=self._now()), turn)
        for job in jobs:
            turn.answers.append((job, job.run(self._now(), turn)))
        at = self._now()
        if prices.quotes or prices.frames:
            self.handle(msgspec.structs.replace(prices, at=at), turn)
            self.evaluated += 1
        elif self._monitor.next_due is not None and self._monitor.next_due <= at:
            self.handle(TimePassed(at), turn)

    def handle(self, event: Event, turn: Turn) -> Outcome:
        """Hands an event to core, in core's thread."""
        started_s = self._clock.monotonic_s()
        if self._recorder is not None:
            # Of a batch under way the memory lacks what core has refused: a log that began here would fold otherwise.
            if isinstance(event, BatchOfBook):
                (self._batches.discard if event.ends else self._batches.add)(event.source)
            if not self._batches and self._recorder.wants_start(started_s):
                begin(self._recorder, self._monitor, event.at, started_s)
            self._recorder.append(event)
        outcome = self._monitor.handle(event)
        turn.outcomes.append(outcome)
        self._metrics.handle.labels(type(event).__name__).observe(self._clock.monotonic_s() - started_s)
        return outcome

    async def _conclude(self, turn: Turn, quoted_s: float | None) -> None:
        """Commits, publishes, and answers those who wait."""
        if self._recorder is not None:
            self._note_gaps(self._recorder)
        now_s = self._clock.monotonic_s()
        is_time = now_s - self._saved_s >= (SAVE_EVERY_S if turn.outcomes else 10 * SAVE_EVERY_S)
        failure: StoreUnavailable | None = None
        published: tuple[LoggedAlert, ...] = ()
        if turn.audits or turn.entries or is_time or any(o.is_durable for o in turn.outcomes):
            self._saved_s = now_s
            if self._recorder is not None:
                await self._recorder.settled()
            try:
                published = await self._journal.commit(self._monitor, turn.outcomes, turn.audits, turn.entries)
                self.committed += 1
            except StoreUnavailable as e:
                failure = e
            if quoted_s is not None and failure is None and any(o.alerts for o in turn.outcomes):
                self._metrics.tick_to_commit.observe(self._clock.monotonic_s() - quoted_s)
        else:
            published = await self._journal.retry(self._monitor)
        if turn.outcomes or published:  # alerts may come alone: those of an outage, when the store takes them at last
            self.show(published, moved=bool(turn.outcomes))
        for job, answer in turn.answers:
            if not job.done.done():
                if failure is not None and job.needs_commit:
                    job.done.set_exception(failure)
                else:
                    job.done.set_result(answer)

    def show(self, alerts: tuple[LoggedAlert, ...] = (), *, moved: bool = True) -> None:
        """Publishes what core knows. Only where core rests: before `run`, and while a turn is committed."""
        monitor = self._monitor
        at = monitor.at or self._clock.utc()
        board, decisions = monitor.board.snapshot(), monitor.decisions
        known = (monitor.fund, monitor.silences, decisions, monitor.feeds, monitor.escalations, monitor.books.states)
        self._publish(Publication(at, moved, board, alerts, *known, monitor.troubles))

    def _note_gaps(self, recorder: Recorder) -> None:
        self._metrics.event_log_lost.set(recorder.lost)
        if recorder.reason is not None:
            log.warning("the event log could not be written", reason=recorder.reason, lost=recorder.lost)
            recorder.reason = None

    def _now(self) -> datetime:
        return self._clocks.now(self._monitor.at)

    @property
    def busy_s(self) -> float:
        """How long the turn that is under way in core has taken, or the longest one of those since this was asked."""
        longest_s, self._longest_s = self._longest_s, 0.0
        since_s = self._busy_since_s
        return longest_s if since_s is None else max(longest_s, self._clock.monotonic_s() - since_s)

    async def _in_core(self, work: Callable[..., object], *args: Any) -> None:
        started_s = self._clock.monotonic_s()
        self._busy_since_s = started_s
        try:
            await asyncio.get_running_loop().run_in_executor(self._thread, work, *args)
        finally:
            self._busy_since_s = None
            self._longest_s = max(self._longest_s, self._clock.monotonic_s() - started_s)
